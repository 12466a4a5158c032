// SPDX-License-Identifier: Apache-2.0
//! What can go wrong: statuses, and the two errors that carry them.

use espalier_sys as sys;
use std::ffi::CStr;
use std::fmt;

/// The cause of a failure, one value for each that a caller may treat differently. A newer library
/// may know more of them than there are constants here.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Status(pub(crate) sys::espalier_status);

macro_rules! statuses {
    ($($(#[$comment:meta])* $name:ident = $value:ident,)*) => {
        impl Status {
            $($(#[$comment])* pub const $name: Status = Status(sys::status::$value);)*
        }
    };
}

statuses! {
    /// A value outside its domain.
    ARGUMENT = ESPALIER_ERROR_ARGUMENT,
    /// Options of another version.
    OPTIONS = ESPALIER_ERROR_OPTIONS,
    /// The model has no such output.
    OUTPUT_KIND = ESPALIER_ERROR_OUTPUT_KIND,
    /// Rows have another number of features than the model.
    FEATURE_COUNT = ESPALIER_ERROR_FEATURE_COUNT,
    /// The output's elements are of another type.
    DTYPE = ESPALIER_ERROR_DTYPE,
    /// Counts times strides do not fit.
    STRIDE = ESPALIER_ERROR_STRIDE,
    /// The output slice is too short.
    OUTPUT_SIZE = ESPALIER_ERROR_OUTPUT_SIZE,
    /// A NaN where the trainer refuses NaN.
    MISSING = ESPALIER_ERROR_MISSING,
    /// Infinity, or a number beyond float32, where the trainer refuses it.
    INFINITE = ESPALIER_ERROR_INFINITE,
    /// A level of instructions that this machine lacks.
    ISA = ESPALIER_ERROR_ISA,
    /// The file cannot be opened.
    OPEN = ESPALIER_ERROR_OPEN,
    /// The file cannot be read.
    READ = ESPALIER_ERROR_READ,
    /// The file cannot be mapped, faulted in or locked.
    MAP = ESPALIER_ERROR_MAP,
    /// This host cannot read models.
    HOST = ESPALIER_ERROR_HOST,
    /// A value that is none of the categories the trainer knows.
    CATEGORY = ESPALIER_ERROR_CATEGORY,
    /// The file is no model.
    NOT_A_MODEL = ESPALIER_ERROR_NOT_A_MODEL,
    /// The file's bytes are in another order.
    BYTE_ORDER = ESPALIER_ERROR_BYTE_ORDER,
    /// The file's format is newer.
    VERSION = ESPALIER_ERROR_VERSION,
    /// The file needs something that this library does not know.
    REQUIRED_FEATURE = ESPALIER_ERROR_REQUIRED_FEATURE,
    /// The file ends too early.
    TRUNCATED = ESPALIER_ERROR_TRUNCATED,
    /// Bytes of the file have changed.
    CHECKSUM = ESPALIER_ERROR_CHECKSUM,
    /// A section's place, size, alignment or order is wrong.
    SECTION = ESPALIER_ERROR_SECTION,
    /// A section is missing.
    SECTION_MISSING = ESPALIER_ERROR_SECTION_MISSING,
    /// A field holds a value that the format forbids.
    VALUE = ESPALIER_ERROR_VALUE,
    /// A child, column or leaf index is out of its range.
    INDEX = ESPALIER_ERROR_INDEX,
    /// A golden row is not reproduced.
    GOLDEN = ESPALIER_ERROR_GOLDEN,
    /// The model needs more of something than is allowed.
    LIMIT = ESPALIER_ERROR_LIMIT,
    /// Not enough memory.
    MEMORY = ESPALIER_ERROR_MEMORY,
    /// Another call of this kind runs.
    BUSY = ESPALIER_ERROR_BUSY,
    /// Other features, classes or outputs than the model served.
    DIFFERENT = ESPALIER_ERROR_DIFFERENT,
    /// A version below the one served, or below the least wanted.
    OLDER = ESPALIER_ERROR_OLDER,
    /// Not a store, or it has no such version.
    STORE = ESPALIER_ERROR_STORE,
}

impl Status {
    /// The number in `espalier.h`.
    pub fn code(self) -> u32 {
        self.0
    }

    /// The name in `espalier.h`, as `"ESPALIER_ERROR_TRUNCATED"`.
    pub fn name(self) -> &'static str {
        constant_text(unsafe { sys::espalier_status_name(self.0) })
    }

    /// A sentence in English.
    pub fn message(self) -> &'static str {
        constant_text(unsafe { sys::espalier_status_message(self.0) })
    }

    pub(crate) fn check(status: sys::espalier_status, what: &str) -> Result<(), Error> {
        if status == sys::status::ESPALIER_OK {
            return Ok(());
        }
        let status = Status(status);
        Err(Error::of(status, format!("{what}: {}", status.message())))
    }
}

/// A constant string of the library; never NULL, always ASCII.
pub(crate) fn constant_text(text: *const std::os::raw::c_char) -> &'static str {
    unsafe { CStr::from_ptr(text) }.to_str().unwrap_or("")
}

impl fmt::Debug for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A failed open, check or look into a model: the file, the place and the cause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// The cause.
    pub status: Status,
    /// errno of the failed system call, or 0.
    pub system_errno: i32,
    /// Bytes from the file's start, where there is a place to name.
    pub file_offset: Option<u64>,
    /// The rule `[F-n]` of docs/format.md that the file breaks.
    pub format_rule: Option<u32>,
    /// One line: file, place and cause.
    pub message: String,
}

impl Error {
    pub(crate) fn of(status: Status, message: String) -> Error {
        Error { status, system_errno: 0, file_offset: None, format_rule: None, message }
    }

    pub(crate) fn from_raw(status: sys::espalier_status, raw: &sys::espalier_error) -> Error {
        let status = Status(status);
        let text = unsafe { CStr::from_ptr(raw.message.as_ptr()) }.to_string_lossy();
        Error {
            status,
            system_errno: raw.system_errno,
            file_offset: Some(raw.file_offset).filter(|at| *at != sys::ESPALIER_OFFSET_NONE),
            format_rule: Some(raw.format_rule).filter(|rule| *rule != 0),
            message: if text.is_empty() { status.message().into() } else { text.into_owned() },
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

/// The value that stopped a prediction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Index of the row in the call.
    pub row: usize,
    /// Index of the feature.
    pub feature: usize,
}

/// A failed prediction. Small and without allocation, so that the hot path may fail cheaply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PredictError {
    /// The cause.
    pub status: Status,
    /// Rows that were written before the refused one; otherwise 0.
    pub rows_written: usize,
    /// For [`Status::MISSING`], [`Status::INFINITE`] and [`Status::CATEGORY`].
    pub refused: Option<Refused>,
}

impl PredictError {
    pub(crate) fn of(status: Status) -> PredictError {
        PredictError { status, rows_written: 0, refused: None }
    }
}

impl fmt::Display for PredictError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(Refused { row, feature }) = self.refused {
            write!(f, "row {row}, feature {feature}: ")?;
        }
        f.write_str(self.status.message())
    }
}

impl std::error::Error for PredictError {}
