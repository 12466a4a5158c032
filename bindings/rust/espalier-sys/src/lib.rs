// SPDX-License-Identifier: Apache-2.0
//! The declarations of `espalier.h`, `espalier_inspect.h` and `espalier_slot.h`, by hand: no
//! generator is needed to build. What each one means, who owns what, and which thread may call it,
//! is said in those headers; the crate `espalier` wraps them safely. `tests/layout.rs` compares
//! every struct, field and constant with the headers.

#![allow(non_camel_case_types)]

use std::os::raw::{c_char, c_int, c_void};

/// A C enum: any number, so that a newer library's new values are no undefined behaviour.
pub type espalier_status = u32;

macro_rules! constants {
    ($type:ty: $($name:ident = $value:expr,)*) => {
        $(pub const $name: $type = $value;)*
        /// Names and values of the group, for tests and tools.
        pub const ALL: &[(&str, u64)] = &[$((stringify!($name), $name as u64),)*];
    };
}

/// `espalier_status`.
pub mod status {
    constants! { u32:
        ESPALIER_OK = 0,
        ESPALIER_ERROR_ARGUMENT = 10,
        ESPALIER_ERROR_OPTIONS = 11,
        ESPALIER_ERROR_OUTPUT_KIND = 12,
        ESPALIER_ERROR_FEATURE_COUNT = 13,
        ESPALIER_ERROR_DTYPE = 14,
        ESPALIER_ERROR_STRIDE = 15,
        ESPALIER_ERROR_OUTPUT_SIZE = 16,
        ESPALIER_ERROR_MISSING = 17,
        ESPALIER_ERROR_INFINITE = 18,
        ESPALIER_ERROR_ISA = 19,
        ESPALIER_ERROR_OPEN = 20,
        ESPALIER_ERROR_READ = 21,
        ESPALIER_ERROR_MAP = 22,
        ESPALIER_ERROR_WRITE = 23,
        ESPALIER_ERROR_SYNC = 24,
        ESPALIER_ERROR_RENAME = 25,
        ESPALIER_ERROR_HOST = 26,
        ESPALIER_ERROR_CATEGORY = 30,
        ESPALIER_ERROR_NOT_A_MODEL = 40,
        ESPALIER_ERROR_BYTE_ORDER = 41,
        ESPALIER_ERROR_VERSION = 42,
        ESPALIER_ERROR_REQUIRED_FEATURE = 43,
        ESPALIER_ERROR_TRUNCATED = 44,
        ESPALIER_ERROR_CHECKSUM = 45,
        ESPALIER_ERROR_SECTION = 46,
        ESPALIER_ERROR_SECTION_MISSING = 47,
        ESPALIER_ERROR_VALUE = 48,
        ESPALIER_ERROR_INDEX = 49,
        ESPALIER_ERROR_GOLDEN = 50,
        ESPALIER_ERROR_LIMIT = 60,
        ESPALIER_ERROR_MEMORY = 70,
        ESPALIER_ERROR_BUSY = 100,
        ESPALIER_ERROR_DIFFERENT = 101,
        ESPALIER_ERROR_OLDER = 102,
        ESPALIER_ERROR_STORE = 103,
    }
}

/// Flags of `espalier_slot_options` and of `espalier_slot_refresh`.
pub mod slot {
    constants! { u64:
        ESPALIER_SLOT_SEALED = 1 << 0,
        ESPALIER_REFRESH_DIFFERENT = 1 << 0,
        ESPALIER_REFRESH_ALWAYS = 1 << 1,
        ESPALIER_REFRESH_OLDER = 1 << 2,
    }
}

/// Flags of `espalier_open_options`.
pub mod open {
    constants! { u64:
        ESPALIER_OPEN_COPY = 1 << 0,
        ESPALIER_OPEN_VERIFY = 1 << 1,
        ESPALIER_OPEN_PREFAULT = 1 << 2,
        ESPALIER_OPEN_LOCK = 1 << 3,
        ESPALIER_OPEN_HUGE_PAGES = 1 << 4,
    }
}

/// `espalier_output_kind`, `espalier_dtype`, `espalier_label_kind`, `espalier_isa` and the flags of
/// `espalier_predictor_options`.
pub mod kind {
    constants! { u32:
        ESPALIER_OUTPUT_MARGIN = 1,
        ESPALIER_OUTPUT_PROBABILITY = 2,
        ESPALIER_OUTPUT_CLASS = 3,
        ESPALIER_OUTPUT_VALUE = 4,
        ESPALIER_OUTPUT_LEAF = 5,
        ESPALIER_OUTPUT_SCORE = 6,
        ESPALIER_DTYPE_FLOAT32 = 1,
        ESPALIER_DTYPE_FLOAT64 = 2,
        ESPALIER_DTYPE_INT32 = 3,
        ESPALIER_DTYPE_INT64 = 4,
        ESPALIER_DTYPE_INT8 = 5,
        ESPALIER_DTYPE_INT16 = 6,
        ESPALIER_DTYPE_UINT8 = 7,
        ESPALIER_DTYPE_UINT16 = 8,
        ESPALIER_DTYPE_UINT32 = 9,
        ESPALIER_DTYPE_UINT64 = 10,
        ESPALIER_DTYPE_BOOL = 11,
        ESPALIER_DTYPE_BOOL_BIT = 12,
        ESPALIER_DTYPE_STRING32 = 13,
        ESPALIER_DTYPE_STRING64 = 14,
        ESPALIER_LABEL_INT = 1,
        ESPALIER_LABEL_UINT = 2,
        ESPALIER_LABEL_FLOAT = 3,
        ESPALIER_LABEL_BOOL = 4,
        ESPALIER_LABEL_STRING = 5,
        ESPALIER_ISA_AUTO = 0,
        ESPALIER_ISA_SCALAR = 1,
        ESPALIER_ISA_AVX2 = 2,
        ESPALIER_ISA_AVX512 = 3,
        ESPALIER_ISA_AVX512_VBMI = 4,
        ESPALIER_ISA_NEON = 5,
        ESPALIER_PREDICTOR_UNCHECKED = 1 << 0,
        ESPALIER_PREDICTOR_LEAF = 1 << 1,
        ESPALIER_FEATURE_NONE = u32::MAX,
        ESPALIER_NUMBER_NONE = u32::MAX,
        ESPALIER_MISSING_NAN = 0,
        ESPALIER_MISSING_NEVER = 1,
        ESPALIER_MISSING_ZERO = 2,
        ESPALIER_COVER_NONE = 0,
        ESPALIER_COVER_ROWS = 1,
        ESPALIER_COVER_WEIGHTS = 2,
        ESPALIER_COVER_HESSIANS = 3,
        ESPALIER_LAYOUT_WALK = 1,
        ESPALIER_LAYOUT_HEAP = 2,
        ESPALIER_LAYOUT_SELECT = 3,
        ESPALIER_LAYOUT_BITS = 4,
    }
}

pub const ESPALIER_OFFSET_NONE: u64 = u64::MAX;

/// An open model; only ever behind a pointer.
#[repr(C)]
pub struct espalier_model {
    opaque: [u8; 0],
}

/// A predictor of one model; only ever behind a pointer.
#[repr(C)]
pub struct espalier_predictor {
    opaque: [u8; 0],
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct espalier_error {
    pub status: espalier_status,
    pub system_errno: c_int,
    pub file_offset: u64,
    pub format_rule: u32,
    pub reserved: u32,
    pub message: [c_char; 496],
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct espalier_open_options {
    pub struct_bytes: usize,
    pub flags: u64,
    pub visits_per_row_max: u64,
    pub reserved: [u64; 5],
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct espalier_model_info {
    pub struct_bytes: usize,
    pub file_bytes: u64,
    pub mapped_bytes: u64,
    pub node_count: u64,
    pub leaf_count: u64,
    pub visits_per_row: u64,
    pub format_major: u32,
    pub format_minor: u32,
    pub feature_count: u32,
    pub column_count: u32,
    pub tree_count: u32,
    pub part_count: u32,
    pub depth_max: u32,
    pub output_count: u32,
    pub default_output: u32,
    pub missing_allowed: u32,
    pub mapping: u32,
    pub iteration_count: u32,
    pub infinite_allowed: u32,
    pub input_dtype: u32,
    pub huge_bytes: u64,
    pub root_digest: [u8; 32],
}

#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct espalier_output_info {
    pub kind: u32,
    pub dtype: u32,
    pub width: usize,
    pub group_count: u32,
    pub reserved: u32,
}

#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct espalier_label_info {
    pub kind: u32,
    pub item_bytes: u32,
    pub count: u32,
    pub reserved: u32,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct espalier_label {
    pub kind: u32,
    pub reserved: u32,
    pub integer: i64,
    pub real: f64,
    pub text: *const c_char,
    pub text_bytes: usize,
}

#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct espalier_proof {
    pub rows_compared: u64,
    pub values_compared: u64,
    pub leaves_compared: u64,
    pub check_rows: u64,
    pub check_values: u64,
    pub check_differing: u64,
    pub check_ulp_max: u64,
    pub check_kind: u32,
    pub check_cause: u32,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct espalier_predictor_options {
    pub struct_bytes: usize,
    pub flags: u64,
    pub isa: u32,
    pub block_rows_max: u32,
    pub iteration_first: u32,
    pub iteration_count: u32,
    pub reserved: [u64; 4],
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct espalier_rows {
    pub data: *const c_void,
    pub dtype: u32,
    pub reserved: u32,
    pub row_count: usize,
    pub feature_count: usize,
    pub row_stride: isize,
    pub feature_stride: isize,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct espalier_feature_column {
    pub data: *const c_void,
    pub text: *const c_char,
    pub text_bytes: usize,
    pub validity: *const u8,
    pub bit_offset: usize,
    pub stride: isize,
    pub dtype: u32,
    pub reserved: u32,
    pub dictionary: *const espalier_feature_column,
    pub dictionary_count: usize,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct espalier_feature_columns {
    pub columns: *const espalier_feature_column,
    pub feature_count: usize,
    pub row_count: usize,
    pub dtype: u32,
    pub reserved: u32,
}

#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct espalier_tree_info {
    pub node_count: u32,
    pub position_count: u32,
    pub depth: u32,
    pub number: u32,
    pub iteration: u32,
    pub part_index: u32,
    pub leaf_width: u32,
    pub reserved: u32,
    pub nodes_offset: u64,
    pub nodes_bytes: u64,
}

#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct espalier_node {
    pub threshold: f64,
    pub feature: u32,
    pub missing: u32,
    pub missing_left: u32,
    pub left: u32,
    pub right: u32,
    pub leaf_index: u32,
    pub is_set: u32,
    pub set_column: u32,
    pub set_bit: u32,
    pub reserved: u32,
}

/// A slot; only ever behind a pointer.
#[repr(C)]
pub struct espalier_slot {
    opaque: [u8; 0],
}

/// A reader of a slot; only ever behind a pointer.
#[repr(C)]
pub struct espalier_reader {
    opaque: [u8; 0],
}

/// Looks at a model's file before it is mapped.
pub type espalier_slot_check = unsafe extern "C" fn(
    context: *mut c_void,
    descriptor: c_int,
    path: *const c_char,
    error_out: *mut espalier_error,
) -> espalier_status;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct espalier_slot_options {
    pub struct_bytes: usize,
    pub flags: u64,
    pub reader_count_max: u32,
    pub reserved0: u32,
    pub version_min: u64,
    pub open: *const espalier_open_options,
    pub predictor: *const espalier_predictor_options,
    pub check: Option<espalier_slot_check>,
    pub check_context: *mut c_void,
    pub reserved: [u64; 4],
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct espalier_lease {
    pub model: *const espalier_model,
    pub predictor: *mut espalier_predictor,
    pub version: u64,
}

#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct espalier_slot_state {
    pub version: u64,
    pub changed: u32,
    pub held_count: u32,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct espalier_outputs {
    pub data: *mut c_void,
    pub data_bytes: usize,
    pub row_stride: usize,
    pub rows_written: usize,
    pub refused_row: usize,
    pub refused_feature: usize,
}

extern "C" {
    pub fn espalier_version() -> *const c_char;
    pub fn espalier_status_name(status: espalier_status) -> *const c_char;
    pub fn espalier_status_message(status: espalier_status) -> *const c_char;

    pub fn espalier_model_open(
        path: *const c_char,
        options: *const espalier_open_options,
        model_out: *mut *mut espalier_model,
        error_out: *mut espalier_error,
    ) -> espalier_status;
    pub fn espalier_model_open_fd(
        descriptor: c_int,
        options: *const espalier_open_options,
        model_out: *mut *mut espalier_model,
        error_out: *mut espalier_error,
    ) -> espalier_status;
    pub fn espalier_model_open_memory(
        data: *const c_void,
        data_bytes: usize,
        options: *const espalier_open_options,
        model_out: *mut *mut espalier_model,
        error_out: *mut espalier_error,
    ) -> espalier_status;
    pub fn espalier_model_close(model: *mut espalier_model);
    pub fn espalier_model_verify(
        model: *const espalier_model,
        error_out: *mut espalier_error,
    ) -> espalier_status;
    pub fn espalier_model_info_get(
        model: *const espalier_model,
        info: *mut espalier_model_info,
    ) -> espalier_status;
    pub fn espalier_model_output(
        model: *const espalier_model,
        kind: u32,
        output_out: *mut espalier_output_info,
    ) -> espalier_status;
    pub fn espalier_model_output_group(
        model: *const espalier_model,
        kind: u32,
        group_index: u32,
        first_out: *mut usize,
        count_out: *mut usize,
    ) -> espalier_status;
    pub fn espalier_model_feature_name(
        model: *const espalier_model,
        feature_index: u32,
    ) -> *const c_char;
    pub fn espalier_model_labels(
        model: *const espalier_model,
        output_index: u32,
        labels_out: *mut espalier_label_info,
    ) -> espalier_status;
    pub fn espalier_model_class_label(
        model: *const espalier_model,
        output_index: u32,
        class_index: u32,
        label_out: *mut espalier_label,
    ) -> espalier_status;
    pub fn espalier_model_metadata(
        model: *const espalier_model,
        text_out: *mut *const c_char,
        bytes_out: *mut usize,
    ) -> espalier_status;
    pub fn espalier_model_proof(
        model: *const espalier_model,
        proof_out: *mut espalier_proof,
    ) -> espalier_status;

    pub fn espalier_predictor_create(
        model: *const espalier_model,
        options: *const espalier_predictor_options,
        predictor_out: *mut *mut espalier_predictor,
    ) -> espalier_status;
    pub fn espalier_predictor_destroy(predictor: *mut espalier_predictor);
    pub fn espalier_predictor_kernel(predictor: *const espalier_predictor) -> *const c_char;
    pub fn espalier_predict(
        predictor: *mut espalier_predictor,
        kind: u32,
        rows: *const espalier_rows,
        outputs: *mut espalier_outputs,
    ) -> espalier_status;
    pub fn espalier_predict_columns(
        predictor: *mut espalier_predictor,
        kind: u32,
        columns: *const espalier_feature_columns,
        outputs: *mut espalier_outputs,
    ) -> espalier_status;
    pub fn espalier_predictor_values(
        predictor: *mut espalier_predictor,
        rows: *const espalier_rows,
        values: *mut f64,
        value_count: usize,
    ) -> espalier_status;

    pub fn espalier_model_category_count(model: *const espalier_model, feature_index: u32) -> u32;
    pub fn espalier_model_category(
        model: *const espalier_model,
        feature_index: u32,
        category_index: u32,
        bytes_out: *mut usize,
    ) -> *const c_char;
    pub fn espalier_model_category_number(
        model: *const espalier_model,
        feature_index: u32,
        text: *const c_char,
        text_bytes: usize,
        number_out: *mut f64,
    ) -> espalier_status;

    pub fn espalier_model_feature_order(
        model: *const espalier_model,
        names: *const *const c_char,
        name_count: usize,
        order_out: *mut usize,
        missing_out: *mut u32,
    ) -> espalier_status;

    pub fn espalier_model_tree(
        model: *const espalier_model,
        tree_index: u32,
        tree_out: *mut espalier_tree_info,
    ) -> espalier_status;
    pub fn espalier_model_node(
        model: *const espalier_model,
        tree_index: u32,
        position: u32,
        node_out: *mut espalier_node,
    ) -> espalier_status;
    pub fn espalier_model_node_left(
        model: *const espalier_model,
        node: *const espalier_node,
        value: f64,
    ) -> c_int;
    pub fn espalier_model_leaf_numbers(
        model: *const espalier_model,
        tree_index: u32,
        numbers: *mut u32,
        number_count: usize,
    ) -> espalier_status;
    pub fn espalier_model_leaf(
        model: *const espalier_model,
        part_index: u32,
        leaf_index: u32,
        values: *mut f64,
        value_count: usize,
    ) -> espalier_status;
    pub fn espalier_model_value_count(model: *const espalier_model) -> u32;
    pub fn espalier_model_covers(
        model: *const espalier_model,
        covers: *mut f64,
        cover_count: usize,
    ) -> u32;

    pub fn espalier_slot_open(
        path: *const c_char,
        options: *const espalier_slot_options,
        slot_out: *mut *mut espalier_slot,
        error_out: *mut espalier_error,
    ) -> espalier_status;
    pub fn espalier_slot_close(slot: *mut espalier_slot) -> espalier_status;
    pub fn espalier_slot_register(
        slot: *mut espalier_slot,
        reader_out: *mut *mut espalier_reader,
    ) -> espalier_status;
    pub fn espalier_slot_unregister(reader: *mut espalier_reader) -> espalier_status;
    pub fn espalier_slot_acquire(
        reader: *mut espalier_reader,
        lease_out: *mut espalier_lease,
    ) -> espalier_status;
    pub fn espalier_slot_release(reader: *mut espalier_reader);
    pub fn espalier_slot_warm(
        reader: *mut espalier_reader,
        bytes_max: usize,
        bytes_out: *mut usize,
    ) -> espalier_status;
    pub fn espalier_slot_refresh(
        slot: *mut espalier_slot,
        flags: u64,
        state_out: *mut espalier_slot_state,
        error_out: *mut espalier_error,
    ) -> espalier_status;
    pub fn espalier_slot_collect(
        slot: *mut espalier_slot,
        state_out: *mut espalier_slot_state,
    ) -> espalier_status;
}
