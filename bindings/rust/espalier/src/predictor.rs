// SPDX-License-Identifier: Apache-2.0
//! Rows in, predictions out.

use crate::columns::Columns;
use crate::error::{constant_text, Error, PredictError, Refused, Status};
use crate::model::{Dtype, Model, Output, OutputInfo};
use espalier_sys as sys;
use std::marker::PhantomData;
use std::mem;
use std::os::raw::c_void;
use std::ptr;

pub(crate) mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
    impl Sealed for i32 {}
    impl Sealed for i64 {}
    impl Sealed for super::Rows<'_> {}
    impl Sealed for &super::Columns<'_> {}
}

/// What is predicted for: [`Rows`], or a reference to [`Columns`].
pub trait Input: sealed::Sealed {
    #[doc(hidden)]
    fn rows(&self) -> usize;
    /// # Safety
    /// The predictor is alive and used by nobody else, and outputs are a live slice.
    #[doc(hidden)]
    unsafe fn call(
        &self,
        predictor: *mut sys::espalier_predictor,
        kind: u32,
        outputs: *mut sys::espalier_outputs,
    ) -> sys::espalier_status;
}

impl Input for Rows<'_> {
    fn rows(&self) -> usize {
        self.row_count()
    }

    unsafe fn call(
        &self,
        predictor: *mut sys::espalier_predictor,
        kind: u32,
        outputs: *mut sys::espalier_outputs,
    ) -> sys::espalier_status {
        sys::espalier_predict(predictor, kind, &self.raw, outputs)
    }
}

impl Input for &Columns<'_> {
    fn rows(&self) -> usize {
        self.row_count()
    }

    unsafe fn call(
        &self,
        predictor: *mut sys::espalier_predictor,
        kind: u32,
        outputs: *mut sys::espalier_outputs,
    ) -> sys::espalier_status {
        sys::espalier_predict_columns(predictor, kind, &self.raw(), outputs)
    }
}

/// A type that rows may have: `f32` and `f64`.
pub trait Real: sealed::Sealed + Copy {
    #[doc(hidden)]
    const RAW: u32;
}

impl Real for f32 {
    const RAW: u32 = sys::kind::ESPALIER_DTYPE_FLOAT32;
}

impl Real for f64 {
    const RAW: u32 = sys::kind::ESPALIER_DTYPE_FLOAT64;
}

/// A type that outputs may have: `f32`, `f64`, `i32` (classes) and `i64` (leaves).
pub trait Element: sealed::Sealed + Copy + Default {
    /// As [`OutputInfo`] says it.
    const DTYPE: Dtype;
}

impl Element for f32 {
    const DTYPE: Dtype = Dtype::Float32;
}

impl Element for f64 {
    const DTYPE: Dtype = Dtype::Float64;
}

impl Element for i32 {
    const DTYPE: Dtype = Dtype::Int32;
}

impl Element for i64 {
    const DTYPE: Dtype = Dtype::Int64;
}

/// A view of rows in a slice.
#[derive(Clone, Copy)]
pub struct Rows<'a> {
    raw: sys::espalier_rows,
    values: PhantomData<&'a [f64]>,
}

impl<'a> Rows<'a> {
    /// All values are one row.
    pub fn one<T: Real>(values: &'a [T]) -> Rows<'a> {
        Rows::unchecked(values, 1, values.len(), values.len(), 1)
    }

    /// Row after row, `feature_count` values each. [`Status::ARGUMENT`] unless rows are whole.
    pub fn row_major<T: Real>(
        values: &'a [T],
        feature_count: usize,
    ) -> Result<Rows<'a>, PredictError> {
        let row_count = whole(values.len(), feature_count)?;
        Ok(Rows::unchecked(values, row_count, feature_count, feature_count, 1))
    }

    /// Feature after feature, `row_count` values each.
    pub fn column_major<T: Real>(
        values: &'a [T],
        row_count: usize,
    ) -> Result<Rows<'a>, PredictError> {
        let feature_count = whole(values.len(), row_count)?;
        Ok(Rows::unchecked(values, row_count, feature_count, 1, row_count))
    }

    /// Element (r, f) is `values[r * row_stride + f * feature_stride]`. [`Status::STRIDE`] when
    /// that would leave the slice.
    pub fn strided<T: Real>(
        values: &'a [T],
        row_count: usize,
        feature_count: usize,
        row_stride: usize,
        feature_stride: usize,
    ) -> Result<Rows<'a>, PredictError> {
        if row_count > 0 && feature_count > 0 {
            let last = (row_count - 1)
                .checked_mul(row_stride)
                .zip((feature_count - 1).checked_mul(feature_stride))
                .and_then(|(row, feature)| row.checked_add(feature));
            if !matches!(last, Some(last) if last < values.len()) {
                return Err(PredictError::of(Status::STRIDE));
            }
        }
        Ok(Rows::unchecked(values, row_count, feature_count, row_stride, feature_stride))
    }

    /// The number of rows.
    pub fn row_count(&self) -> usize {
        self.raw.row_count
    }

    fn unchecked<T: Real>(
        values: &'a [T],
        row_count: usize,
        feature_count: usize,
        row_stride: usize,
        feature_stride: usize,
    ) -> Rows<'a> {
        Rows {
            raw: sys::espalier_rows {
                data: values.as_ptr() as *const c_void,
                dtype: T::RAW,
                reserved: 0,
                row_count,
                feature_count,
                row_stride: row_stride as isize,
                feature_stride: feature_stride as isize,
            },
            values: PhantomData,
        }
    }
}

fn whole(len: usize, each: usize) -> Result<usize, PredictError> {
    match (len, each) {
        (0, 0) => Ok(0),
        (_, 0) => Err(PredictError::of(Status::ARGUMENT)),
        _ if len % each != 0 => Err(PredictError::of(Status::ARGUMENT)),
        _ => Ok(len / each),
    }
}

/// How to make a predictor.
#[derive(Clone, Copy, Debug, Default)]
pub struct PredictorOptions {
    flags: u64,
    block_rows_max: u32,
    iteration_first: u32,
    iteration_count: u32,
}

impl PredictorOptions {
    /// The defaults.
    pub fn new() -> PredictorOptions {
        PredictorOptions::default()
    }

    /// Prepares for [`Output::Leaf`], which is refused otherwise.
    pub fn leaf(mut self, yes: bool) -> PredictorOptions {
        self.set(sys::kind::ESPALIER_PREDICTOR_LEAF, yes);
        self
    }

    /// Does not look for values that the trainer would refuse.
    pub fn unchecked(mut self, yes: bool) -> PredictorOptions {
        self.set(sys::kind::ESPALIER_PREDICTOR_UNCHECKED, yes);
        self
    }

    /// Rows walked together at most; 0: chosen from the model.
    pub fn block_rows_max(mut self, rows: u32) -> PredictorOptions {
        self.block_rows_max = rows;
        self
    }

    /// Uses `count` iterations from `first` on; `count` 0: the model's default range.
    pub fn iterations(mut self, first: u32, count: u32) -> PredictorOptions {
        self.iteration_first = first;
        self.iteration_count = count;
        self
    }

    pub(crate) fn raw(&self) -> sys::espalier_predictor_options {
        sys::espalier_predictor_options {
            struct_bytes: mem::size_of::<sys::espalier_predictor_options>(),
            flags: self.flags,
            isa: sys::kind::ESPALIER_ISA_AUTO,
            block_rows_max: self.block_rows_max,
            iteration_first: self.iteration_first,
            iteration_count: self.iteration_count,
            reserved: [0; 4],
        }
    }

    fn set(&mut self, flag: u32, yes: bool) {
        self.flags = if yes { self.flags | flag as u64 } else { self.flags & !(flag as u64) };
    }
}

/// Predicts with one model, on one thread at a time: predictions take `&mut self`, and a predictor
/// may be sent to another thread. All memory that predictions need is allocated when it is made.
pub struct Predictor {
    raw: *mut sys::espalier_predictor,
    outputs: [Option<OutputInfo>; 6],
    /// Closed after the predictor, if this was its last user.
    _model: Model,
}

// Nothing of a predictor is bound to the thread that made it (espalier.h: one thread at a time).
unsafe impl Send for Predictor {}

impl Drop for Predictor {
    fn drop(&mut self) {
        unsafe { sys::espalier_predictor_destroy(self.raw) }
    }
}

impl std::fmt::Debug for Predictor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Predictor").field("kernel", &self.kernel()).finish()
    }
}

impl Predictor {
    pub(crate) fn new(model: &Model, options: &PredictorOptions) -> Result<Predictor, Error> {
        let raw_options = options.raw();
        let mut raw = ptr::null_mut();
        let status =
            unsafe { sys::espalier_predictor_create(model.owned.raw, &raw_options, &mut raw) };
        Status::check(status, "predictor")?;
        Ok(Predictor {
            raw,
            outputs: Output::ALL.map(|kind| model.output(kind)),
            _model: model.clone(),
        })
    }

    /// The shape of an output, or `None` when the model has no such output.
    pub fn output(&self, kind: Output) -> Option<OutputInfo> {
        self.outputs[kind as usize - 1]
    }

    /// Writes a row's `width` elements to `out`, row after row, and leaves the rest of it alone.
    /// `from`: [`Rows`], or a reference to [`Columns`]. Never allocates, locks or makes a system
    /// call. When a row is refused, the rows before it are written.
    pub fn predict_into<T: Element>(
        &mut self,
        kind: Output,
        from: impl Input,
        out: &mut [T],
    ) -> Result<(), PredictError> {
        // `&mut self` is the one thread.
        unsafe { predict_raw(self.raw, self.output(kind), kind, &from, out) }
    }

    /// The same into a new vector.
    pub fn predict<T: Element>(
        &mut self,
        kind: Output,
        from: impl Input,
    ) -> Result<Vec<T>, PredictError> {
        unsafe { predict_new(self.raw, self.output(kind), kind, &from) }
    }

    /// What nodes compare for the first of the rows, by [`Split::feature`](crate::Split). NaN is
    /// missing, or a value that no node asks for.
    pub fn values(&mut self, rows: Rows<'_>) -> Result<Vec<f64>, PredictError> {
        let mut values = vec![0.0; self._model.value_count() as usize];
        let status = unsafe {
            sys::espalier_predictor_values(self.raw, &rows.raw, values.as_mut_ptr(), values.len())
        };
        match status {
            sys::status::ESPALIER_OK => Ok(values),
            status => Err(PredictError::of(Status(status))),
        }
    }

    /// What computes the first part, for example `"walk, 8-byte nodes, avx2"`.
    pub fn kernel(&self) -> &'static str {
        constant_text(unsafe { sys::espalier_predictor_kernel(self.raw) })
    }
}

/// Predicts into a slice, for predictors and leases.
///
/// # Safety
/// As [`Input::call`].
pub(crate) unsafe fn predict_raw<T: Element>(
    predictor: *mut sys::espalier_predictor,
    info: Option<OutputInfo>,
    kind: Output,
    from: &impl Input,
    out: &mut [T],
) -> Result<(), PredictError> {
    match info {
        Some(info) if info.dtype != T::DTYPE => return Err(PredictError::of(Status::DTYPE)),
        _ => {}
    }
    let mut outputs = sys::espalier_outputs {
        data: out.as_mut_ptr() as *mut c_void,
        data_bytes: mem::size_of_val(out),
        row_stride: 0,
        rows_written: 0,
        refused_row: 0,
        refused_feature: 0,
    };
    // What is read and `out` are live slices that cannot overlap.
    let status = from.call(predictor, kind as u32, &mut outputs);
    if status == sys::status::ESPALIER_OK {
        return Ok(());
    }
    let status = Status(status);
    let by_row = [Status::MISSING, Status::INFINITE, Status::CATEGORY].contains(&status);
    Err(PredictError {
        status,
        rows_written: outputs.rows_written,
        refused: by_row
            .then_some(Refused { row: outputs.refused_row, feature: outputs.refused_feature }),
    })
}

/// The same into a new vector.
///
/// # Safety
/// As [`Input::call`].
pub(crate) unsafe fn predict_new<T: Element>(
    predictor: *mut sys::espalier_predictor,
    info: Option<OutputInfo>,
    kind: Output,
    from: &impl Input,
) -> Result<Vec<T>, PredictError> {
    let width = info.ok_or(PredictError::of(Status::OUTPUT_KIND))?.width;
    let count = from.rows().checked_mul(width).ok_or(PredictError::of(Status::STRIDE))?;
    let mut out = Vec::new();
    out.try_reserve_exact(count).map_err(|_| PredictError::of(Status::MEMORY))?;
    out.resize(count, T::default());
    predict_raw(predictor, info, kind, from, &mut out)?;
    Ok(out)
}
