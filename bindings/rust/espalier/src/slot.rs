// SPDX-License-Identifier: Apache-2.0
//! The current model of a path or store, swapped while it serves.

use crate::error::{Error, PredictError, Status};
use crate::model::{no_error, output_of, path_text, OpenOptions, Output, OutputInfo};
use crate::predictor::{predict_new, predict_raw, Element, Input, PredictorOptions};
use espalier_sys as sys;
use std::mem;
use std::path::Path;
use std::ptr;
use std::sync::{Arc, Mutex, MutexGuard};

/// How to open a slot. The default prefaults each model and takes up to 64 readers.
#[derive(Clone, Copy, Debug)]
pub struct SlotOptions {
    flags: u64,
    reader_count_max: u32,
    version_min: u64,
    open: OpenOptions,
    predictor: PredictorOptions,
}

impl Default for SlotOptions {
    fn default() -> SlotOptions {
        SlotOptions {
            flags: 0,
            reader_count_max: 0,
            version_min: 0,
            open: OpenOptions::new().prefault(true),
            predictor: PredictorOptions::new(),
        }
    }
}

impl SlotOptions {
    /// The defaults.
    pub fn new() -> SlotOptions {
        SlotOptions::default()
    }

    /// Copies each model to a sealed memory file first, which nobody can change. Linux only.
    pub fn sealed(mut self, yes: bool) -> SlotOptions {
        self.flags = if yes { sys::slot::ESPALIER_SLOT_SEALED } else { 0 };
        self
    }

    /// Readers at most, up to 4,096; 0: 64.
    pub fn reader_count_max(mut self, count: u32) -> SlotOptions {
        self.reader_count_max = count;
        self
    }

    /// Of a store: refuses versions below.
    pub fn version_min(mut self, version: u64) -> SlotOptions {
        self.version_min = version;
        self
    }

    /// How each model is opened.
    pub fn open(mut self, options: OpenOptions) -> SlotOptions {
        self.open = options;
        self
    }

    /// How each reader's predictors are made.
    pub fn predictor(mut self, options: PredictorOptions) -> SlotOptions {
        self.predictor = options;
        self
    }
}

/// What [`Slot::refresh`] accepts beside a newer model of the same features, classes and outputs.
#[derive(Clone, Copy, Debug, Default)]
pub struct Refresh {
    /// A model whose features, classes or outputs are others.
    pub different: bool,
    /// The file that serves already, opened again.
    pub always: bool,
    /// A version of the store below the one that serves.
    pub older: bool,
}

/// How a slot stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotState {
    /// That serves: of a store its number; of a path 1, 2, ... as it changed.
    pub version: u64,
    /// A model was published; otherwise the file was the same.
    pub changed: bool,
    /// Old models that readers still hold.
    pub held_count: u32,
}

impl SlotState {
    fn from_raw(raw: sys::espalier_slot_state) -> SlotState {
        SlotState { version: raw.version, changed: raw.changed != 0, held_count: raw.held_count }
    }
}

struct Owned {
    raw: *mut sys::espalier_slot,
    /// One of refresh, collect, register and unregister at a time.
    changes: Mutex<()>,
}

// A slot's calls may come from any thread (espalier_slot.h); those that change it are locked.
unsafe impl Send for Owned {}
unsafe impl Sync for Owned {}

impl Owned {
    fn lock(&self) -> MutexGuard<'_, ()> {
        self.changes.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        // Its last user: nobody calls it, nobody is registered.
        unsafe { sys::espalier_slot_close(self.raw) };
    }
}

/// The current model of a path or store. Cheap to clone; clones and readers keep it open. Any
/// thread may use one; calls that change something wait for each other.
#[derive(Clone)]
pub struct Slot {
    owned: Arc<Owned>,
}

impl Slot {
    /// Opens the model of `path`: a store's folder, or a model's file.
    pub fn open(path: impl AsRef<Path>) -> Result<Slot, Error> {
        Slot::open_with(path, &SlotOptions::default())
    }

    /// The same with options.
    pub fn open_with(path: impl AsRef<Path>, options: &SlotOptions) -> Result<Slot, Error> {
        let path = path_text(path.as_ref())?;
        let open = options.open.raw();
        let predictor = options.predictor.raw();
        let raw_options = sys::espalier_slot_options {
            struct_bytes: mem::size_of::<sys::espalier_slot_options>(),
            flags: options.flags,
            reader_count_max: options.reader_count_max,
            reserved0: 0,
            version_min: options.version_min,
            open: &open,
            predictor: &predictor,
            check: None,
            check_context: ptr::null_mut(),
            reserved: [0; 4],
        };
        let mut raw = ptr::null_mut();
        let mut error = no_error();
        let status =
            unsafe { sys::espalier_slot_open(path.as_ptr(), &raw_options, &mut raw, &mut error) };
        match status {
            sys::status::ESPALIER_OK => {
                Ok(Slot { owned: Arc::new(Owned { raw, changes: Mutex::new(()) }) })
            }
            status => Err(Error::from_raw(status, &error)),
        }
    }

    /// Looks at the path again and publishes what is new there. On failure the old model goes on
    /// serving. Waits for no reader.
    pub fn refresh(&self, accept: Refresh) -> Result<SlotState, Error> {
        let flags = [
            (accept.different, sys::slot::ESPALIER_REFRESH_DIFFERENT),
            (accept.always, sys::slot::ESPALIER_REFRESH_ALWAYS),
            (accept.older, sys::slot::ESPALIER_REFRESH_OLDER),
        ];
        let flags = flags.iter().filter(|(yes, _)| *yes).fold(0, |sum, (_, flag)| sum | flag);
        let mut state = sys::espalier_slot_state::default();
        let mut error = no_error();
        let _lock = self.owned.lock();
        let status =
            unsafe { sys::espalier_slot_refresh(self.owned.raw, flags, &mut state, &mut error) };
        match status {
            sys::status::ESPALIER_OK => Ok(SlotState::from_raw(state)),
            status => Err(Error::from_raw(status, &error)),
        }
    }

    /// Closes old models that no reader holds any more.
    pub fn collect(&self) -> Result<SlotState, Error> {
        let mut state = sys::espalier_slot_state::default();
        let _lock = self.owned.lock();
        let status = unsafe { sys::espalier_slot_collect(self.owned.raw, &mut state) };
        Status::check(status, "collect")?;
        Ok(SlotState::from_raw(state))
    }

    /// A reader with predictors of its own, for one thread at a time.
    pub fn reader(&self) -> Result<Reader, Error> {
        let mut raw = ptr::null_mut();
        let _lock = self.owned.lock();
        let status = unsafe { sys::espalier_slot_register(self.owned.raw, &mut raw) };
        Status::check(status, "reader")?;
        Ok(Reader { raw, owned: Arc::clone(&self.owned) })
    }
}

/// A reader of a slot, registered once, not for each request.
pub struct Reader {
    raw: *mut sys::espalier_reader,
    owned: Arc<Owned>,
}

// Nothing of a reader is bound to the thread that made it: one at a time, as `&mut self` says.
unsafe impl Send for Reader {}

impl Reader {
    /// The current model, held until the lease is dropped: for one request, not for ever. Waits
    /// for nobody, allocates nothing.
    pub fn acquire(&mut self) -> Result<Lease<'_>, Error> {
        let mut raw =
            sys::espalier_lease { model: ptr::null(), predictor: ptr::null_mut(), version: 0 };
        let status = unsafe { sys::espalier_slot_acquire(self.raw, &mut raw) };
        Status::check(status, "lease")?;
        Ok(Lease { raw, reader: self })
    }

    /// When it has answered: fetches a model that was published since into this core's caches, at
    /// most `bytes_max` (0: 1 MiB) of it; returns how many bytes, 0 when nothing was new.
    pub fn warm(&mut self, bytes_max: usize) -> Result<usize, Error> {
        let mut bytes = 0;
        let status = unsafe { sys::espalier_slot_warm(self.raw, bytes_max, &mut bytes) };
        Status::check(status, "warm")?;
        Ok(bytes)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let _lock = self.owned.lock();
        unsafe {
            // A lease that was forgotten, and so is gone.
            sys::espalier_slot_release(self.raw);
            sys::espalier_slot_unregister(self.raw);
        }
    }
}

/// The model that a reader holds, and the reader's predictor for it.
pub struct Lease<'r> {
    raw: sys::espalier_lease,
    reader: &'r mut Reader,
}

impl Lease<'_> {
    /// Of a store its number; of a path 1, 2, ... as it changed.
    pub fn version(&self) -> u64 {
        self.raw.version
    }

    /// The shape of an output, or `None` when the model has no such output.
    pub fn output(&self, kind: Output) -> Option<OutputInfo> {
        output_of(self.raw.model, kind)
    }

    /// As [`Predictor::predict_into`](crate::Predictor::predict_into).
    pub fn predict_into<T: Element>(
        &mut self,
        kind: Output,
        from: impl Input,
        out: &mut [T],
    ) -> Result<(), PredictError> {
        // The reader's own predictor, and `&mut self` is the one thread.
        unsafe { predict_raw(self.raw.predictor, self.output(kind), kind, &from, out) }
    }

    /// The same into a new vector.
    pub fn predict<T: Element>(
        &mut self,
        kind: Output,
        from: impl Input,
    ) -> Result<Vec<T>, PredictError> {
        unsafe { predict_new(self.raw.predictor, self.output(kind), kind, &from) }
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        unsafe { sys::espalier_slot_release(self.reader.raw) }
    }
}
