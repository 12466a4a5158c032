// SPDX-License-Identifier: Apache-2.0
//! Open model files and what is in them.

use crate::error::{Error, Status};
use crate::predictor::{Predictor, PredictorOptions};
use espalier_sys as sys;
use std::borrow::Cow;
use std::ffi::{CStr, CString};
use std::mem;
use std::os::raw::c_void;
use std::path::Path;
use std::ptr;
use std::sync::Arc;

/// What a prediction gives, `espalier_output_kind`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Output {
    /// The decision function, before the link.
    Margin = sys::kind::ESPALIER_OUTPUT_MARGIN,
    /// One per class.
    Probability = sys::kind::ESPALIER_OUTPUT_PROBABILITY,
    /// `i32`: an index into [`Model::labels`].
    Class = sys::kind::ESPALIER_OUTPUT_CLASS,
    /// `predict` of a regressor, and of a Booster of any kind.
    Value = sys::kind::ESPALIER_OUTPUT_VALUE,
    /// `i64`: the trainer's node number in every tree. Wants [`PredictorOptions::leaf`].
    Leaf = sys::kind::ESPALIER_OUTPUT_LEAF,
    /// The anomaly score.
    Score = sys::kind::ESPALIER_OUTPUT_SCORE,
}

impl Output {
    /// All kinds; a model has some of them.
    pub const ALL: [Output; 6] = [
        Output::Margin,
        Output::Probability,
        Output::Class,
        Output::Value,
        Output::Leaf,
        Output::Score,
    ];
}

/// The type of an output's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dtype {
    /// `f32`
    Float32,
    /// `f64`
    Float64,
    /// `i32`
    Int32,
    /// `i64`
    Int64,
}

impl Dtype {
    pub(crate) fn to_raw(self) -> u32 {
        match self {
            Dtype::Float32 => sys::kind::ESPALIER_DTYPE_FLOAT32,
            Dtype::Float64 => sys::kind::ESPALIER_DTYPE_FLOAT64,
            Dtype::Int32 => sys::kind::ESPALIER_DTYPE_INT32,
            Dtype::Int64 => sys::kind::ESPALIER_DTYPE_INT64,
        }
    }

    fn from_raw(raw: u32) -> Option<Dtype> {
        match raw {
            sys::kind::ESPALIER_DTYPE_FLOAT32 => Some(Dtype::Float32),
            sys::kind::ESPALIER_DTYPE_FLOAT64 => Some(Dtype::Float64),
            sys::kind::ESPALIER_DTYPE_INT32 => Some(Dtype::Int32),
            sys::kind::ESPALIER_DTYPE_INT64 => Some(Dtype::Int64),
            _ => None,
        }
    }
}

/// The shape of one kind of output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputInfo {
    /// The type of its elements.
    pub dtype: Dtype,
    /// Elements per row.
    pub width: usize,
    /// Probabilities of several outputs: groups side by side, else 1.
    pub group_count: u32,
}

/// A class label as the trainer had it.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Label {
    Int(i64),
    Uint(u64),
    Float(f64),
    Bool(bool),
    String(String),
}

/// Figures of a model; see `espalier_model_info`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Info {
    pub file_bytes: u64,
    pub feature_count: u32,
    pub tree_count: u32,
    pub node_count: u64,
    pub depth_max: u32,
    /// The trainer's outputs (`n_outputs_`).
    pub output_count: u32,
    /// What the trainer's own `predict` gives.
    pub default_output: Option<Output>,
    /// NaN means missing; otherwise it is refused.
    pub missing_allowed: bool,
    /// Infinity is a number like others; otherwise it is refused.
    pub infinite_allowed: bool,
    pub iteration_count: u32,
    /// What the file says its digest is.
    pub root_digest: [u8; 32],
}

/// How to open a model. The default maps the file and reads nothing but its tables.
#[derive(Clone, Copy, Debug, Default)]
pub struct OpenOptions {
    flags: u64,
    visits_per_row_max: u64,
}

macro_rules! open_flags {
    ($($(#[$comment:meta])* $name:ident = $flag:ident,)*) => {
        $($(#[$comment])*
        pub fn $name(mut self, yes: bool) -> OpenOptions {
            let flag = sys::open::$flag;
            self.flags = if yes { self.flags | flag } else { self.flags & !flag };
            self
        })*
    };
}

impl OpenOptions {
    /// The defaults.
    pub fn new() -> OpenOptions {
        OpenOptions::default()
    }

    open_flags! {
        /// Reads the file into private memory: a file that changes or shrinks later does no harm.
        copy = ESPALIER_OPEN_COPY,
        /// Checks the whole file first, as [`Model::verify`].
        verify = ESPALIER_OPEN_VERIFY,
        /// Faults all pages in; a page that cannot be read is an error and no signal later.
        prefault = ESPALIER_OPEN_PREFAULT,
        /// Locks all pages in memory.
        lock = ESPALIER_OPEN_LOCK,
        /// A private copy on huge pages, where the kernel grants them.
        huge_pages = ESPALIER_OPEN_HUGE_PAGES,
    }

    /// Refuses models whose tree depths add up to more; 0: 2^22.
    pub fn visits_per_row_max(mut self, visits: u64) -> OpenOptions {
        self.visits_per_row_max = visits;
        self
    }

    pub(crate) fn raw(&self) -> sys::espalier_open_options {
        sys::espalier_open_options {
            struct_bytes: mem::size_of::<sys::espalier_open_options>(),
            flags: self.flags,
            visits_per_row_max: self.visits_per_row_max,
            reserved: [0; 5],
        }
    }
}

/// Memory as `espalier_model_open_memory` wants it.
#[repr(align(64))]
#[derive(Clone, Copy)]
struct Block([u8; 64]);

fn to_blocks(bytes: &[u8]) -> Vec<Block> {
    let mut blocks = Vec::with_capacity(bytes.len() / 64 + 1);
    for chunk in bytes.chunks(64) {
        let mut block = Block([0; 64]);
        block.0[..chunk.len()].copy_from_slice(chunk);
        blocks.push(block);
    }
    blocks
}

pub(crate) struct Owned {
    pub(crate) raw: *mut sys::espalier_model,
    /// What the model reads when it was opened from memory; freed after it.
    _memory: Vec<Block>,
}

// A model is immutable after it was opened, and any number of threads may use one (espalier.h).
unsafe impl Send for Owned {}
unsafe impl Sync for Owned {}

impl Drop for Owned {
    fn drop(&mut self) {
        unsafe { sys::espalier_model_close(self.raw) }
    }
}

/// An open model file. Cheap to clone: clones and predictors share it, and the last of them closes
/// it. Any number of threads may use one.
#[derive(Clone)]
pub struct Model {
    pub(crate) owned: Arc<Owned>,
}

impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Model").field("info", &self.info()).finish()
    }
}

/// Calls one of the three ways to open, and takes what it gives.
fn opened<F>(options: &OpenOptions, memory: Vec<Block>, open: F) -> Result<Model, Error>
where
    F: FnOnce(
        *const sys::espalier_open_options,
        *mut *mut sys::espalier_model,
        *mut sys::espalier_error,
    ) -> sys::espalier_status,
{
    let raw_options = options.raw();
    let mut raw = ptr::null_mut();
    let mut error = no_error();
    let status = open(&raw_options, &mut raw, &mut error);
    if status != sys::status::ESPALIER_OK {
        return Err(Error::from_raw(status, &error));
    }
    Ok(Model { owned: Arc::new(Owned { raw, _memory: memory }) })
}

pub(crate) fn no_error() -> sys::espalier_error {
    sys::espalier_error {
        status: 0,
        system_errno: 0,
        file_offset: sys::ESPALIER_OFFSET_NONE,
        format_rule: 0,
        reserved: 0,
        message: [0; 496],
    }
}

#[cfg(unix)]
pub(crate) fn path_text(path: &Path) -> Result<CString, Error> {
    use std::os::unix::ffi::OsStrExt;
    CString::new(path.as_os_str().as_bytes())
        .map_err(|_| Error::of(Status::ARGUMENT, format!("{}: a NUL in the name", path.display())))
}

fn name_text<S: AsRef<str>>(name: &S) -> Result<CString, Error> {
    let name = name.as_ref();
    CString::new(name).map_err(|_| Error::of(Status::ARGUMENT, format!("{name:?}: a NUL")))
}

/// The shape of an output of a model that lives as long as the call.
pub(crate) fn output_of(model: *const sys::espalier_model, kind: Output) -> Option<OutputInfo> {
    let mut raw = sys::espalier_output_info::default();
    let status = unsafe { sys::espalier_model_output(model, kind as u32, &mut raw) };
    if status != sys::status::ESPALIER_OK {
        return None;
    }
    Dtype::from_raw(raw.dtype).map(|dtype| OutputInfo {
        dtype,
        width: raw.width,
        group_count: raw.group_count,
    })
}

/// The label as Rust has it; text may hold NULs, and goes by its length.
///
/// # Safety
/// The `text` of a string has `text_bytes` bytes.
unsafe fn to_label(raw: &sys::espalier_label) -> Label {
    match raw.kind {
        sys::kind::ESPALIER_LABEL_UINT => Label::Uint(raw.integer as u64),
        sys::kind::ESPALIER_LABEL_FLOAT => Label::Float(raw.real),
        sys::kind::ESPALIER_LABEL_BOOL => Label::Bool(raw.integer != 0),
        sys::kind::ESPALIER_LABEL_STRING => {
            let text = std::slice::from_raw_parts(raw.text as *const u8, raw.text_bytes);
            Label::String(String::from_utf8_lossy(text).into_owned())
        }
        _ => Label::Int(raw.integer),
    }
}

impl Model {
    /// Maps the file at `path`. Costs a few system calls, however large the model is. Safe for any
    /// bytes in the file; as for every mapped file, do not shorten it in place (see
    /// [`OpenOptions::copy`]).
    pub fn open(path: impl AsRef<Path>) -> Result<Model, Error> {
        Model::open_with(path, &OpenOptions::default())
    }

    /// The same with options.
    pub fn open_with(path: impl AsRef<Path>, options: &OpenOptions) -> Result<Model, Error> {
        let path = path_text(path.as_ref())?;
        opened(options, Vec::new(), |options, model, error| unsafe {
            sys::espalier_model_open(path.as_ptr(), options, model, error)
        })
    }

    /// A model in memory, which is copied once.
    pub fn from_bytes(bytes: &[u8], options: &OpenOptions) -> Result<Model, Error> {
        let blocks = to_blocks(bytes);
        let data = blocks.as_ptr() as *const c_void;
        opened(options, blocks, |options, model, error| unsafe {
            sys::espalier_model_open_memory(data, bytes.len(), options, model, error)
        })
    }

    /// Reads and checks the whole file: sections, padding, every index, and the golden rows.
    pub fn verify(&self) -> Result<(), Error> {
        let mut error = no_error();
        let status = unsafe { sys::espalier_model_verify(self.owned.raw, &mut error) };
        match status {
            sys::status::ESPALIER_OK => Ok(()),
            status => Err(Error::from_raw(status, &error)),
        }
    }

    /// Figures of the model.
    pub fn info(&self) -> Info {
        let mut raw = sys::espalier_model_info {
            struct_bytes: mem::size_of::<sys::espalier_model_info>(),
            ..Default::default()
        };
        // Fails for NULL and wrong sizes only.
        unsafe { sys::espalier_model_info_get(self.owned.raw, &mut raw) };
        Info {
            file_bytes: raw.file_bytes,
            feature_count: raw.feature_count,
            tree_count: raw.tree_count,
            node_count: raw.node_count,
            depth_max: raw.depth_max,
            output_count: raw.output_count,
            default_output: Output::ALL.iter().copied().find(|o| *o as u32 == raw.default_output),
            missing_allowed: raw.missing_allowed != 0,
            infinite_allowed: raw.infinite_allowed != 0,
            iteration_count: raw.iteration_count,
            root_digest: raw.root_digest,
        }
    }

    /// The shape of an output, or `None` when the model has no such output.
    pub fn output(&self, kind: Output) -> Option<OutputInfo> {
        output_of(self.owned.raw, kind)
    }

    /// The name of a feature, or `None` when the model has no names or not as many features.
    pub fn feature_name(&self, index: u32) -> Option<Cow<'_, str>> {
        let name = unsafe { sys::espalier_model_feature_name(self.owned.raw, index) };
        // Names lie in the model's private, checked tables and live as long as the model.
        (!name.is_null()).then(|| unsafe { CStr::from_ptr(name) }.to_string_lossy())
    }

    /// Binds columns by name, in any order: the column of feature `f` is the one whose name is at
    /// `[f]` of the result. `names` are those of all columns. [`Status::FEATURE_COUNT`] with the
    /// first name that is missing, unknown or there twice; [`Status::ARGUMENT`] when the model has
    /// no names or a name holds a NUL.
    pub fn feature_order<S: AsRef<str>>(&self, names: &[S]) -> Result<Vec<usize>, Error> {
        let texts: Vec<CString> = names.iter().map(name_text).collect::<Result<_, _>>()?;
        let raw: Vec<_> = texts.iter().map(|text| text.as_ptr()).collect();
        let mut order = vec![0; self.info().feature_count as usize];
        let mut missing = 0;
        let status = unsafe {
            sys::espalier_model_feature_order(
                self.owned.raw,
                raw.as_ptr(),
                raw.len(),
                order.as_mut_ptr(),
                &mut missing,
            )
        };
        if status == sys::status::ESPALIER_ERROR_FEATURE_COUNT {
            let name = self.feature_name(missing).unwrap_or_default();
            Status::check(status, &format!("no column {name:?}"))?;
        }
        Status::check(status, "names of columns")?;
        let mut bound = vec![false; names.len()];
        order.iter().for_each(|place| bound[*place] = true);
        if let Some(left) = bound.iter().position(|is_bound| !is_bound) {
            let name = names[left].as_ref();
            let is_twice = names.iter().filter(|one| one.as_ref() == name).count() > 1;
            let what = if is_twice { "two columns" } else { "the model has no feature" };
            Status::check(sys::status::ESPALIER_ERROR_FEATURE_COUNT, &format!("{what} {name:?}"))?;
        }
        Ok(order)
    }

    /// The labels that [`Output::Class`] counts, of one of the trainer's outputs.
    pub fn labels(&self, output_index: u32) -> Result<Vec<Label>, Error> {
        let mut found = sys::espalier_label_info::default();
        let status =
            unsafe { sys::espalier_model_labels(self.owned.raw, output_index, &mut found) };
        Status::check(status, "class labels")?;
        (0..found.count).map(|index| self.label(output_index, index)).collect()
    }

    fn label(&self, output_index: u32, class_index: u32) -> Result<Label, Error> {
        let mut raw = sys::espalier_label {
            kind: 0,
            reserved: 0,
            integer: 0,
            real: 0.0,
            text: ptr::null(),
            text_bytes: 0,
        };
        let status = unsafe {
            sys::espalier_model_class_label(self.owned.raw, output_index, class_index, &mut raw)
        };
        Status::check(status, "class label")?;
        // Text lies in the model's private, checked tables.
        Ok(unsafe { to_label(&raw) })
    }

    /// The metadata, JSON text. A copy: the file it lies in is mapped, and may change under a
    /// process that does not own it.
    pub fn metadata(&self) -> String {
        let mut text = ptr::null();
        let mut bytes = 0;
        let status = unsafe { sys::espalier_model_metadata(self.owned.raw, &mut text, &mut bytes) };
        if status != sys::status::ESPALIER_OK || bytes == 0 {
            return String::new();
        }
        let mut copy = vec![0u8; bytes];
        unsafe { ptr::copy_nonoverlapping(text as *const u8, copy.as_mut_ptr(), bytes) };
        match String::from_utf8(copy) {
            Ok(text) => text,
            Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
        }
    }

    /// A predictor with the defaults. Allocates all that predictions need.
    pub fn predictor(&self) -> Result<Predictor, Error> {
        self.predictor_with(&PredictorOptions::default())
    }

    /// The same with options.
    pub fn predictor_with(&self, options: &PredictorOptions) -> Result<Predictor, Error> {
        Predictor::new(self, options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_keep_their_nuls() {
        let text = b"a\0b\0";
        let raw = sys::espalier_label {
            kind: sys::kind::ESPALIER_LABEL_STRING,
            reserved: 0,
            integer: 0,
            real: 0.0,
            text: text.as_ptr() as *const _,
            text_bytes: 3,
        };
        assert_eq!(unsafe { to_label(&raw) }, Label::String("a\0b".into()));
    }
}
