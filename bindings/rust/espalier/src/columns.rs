// SPDX-License-Identifier: Apache-2.0
//! Rows as columns, as data frames keep them: numbers of any type, text, codes, missing values.

use crate::error::{Error, PredictError, Status};
use crate::model::{Dtype, Model};
use espalier_sys as sys;
use std::marker::PhantomData;
use std::os::raw::{c_char, c_void};
use std::ptr;

mod sealed {
    pub trait Sealed {}
}

/// A type that columns may have: floats, integers and `bool`.
pub trait ColumnValue: sealed::Sealed + Copy {
    #[doc(hidden)]
    const RAW: u32;
}

macro_rules! column_values {
    ($($type:ty = $raw:ident,)*) => {
        $(impl sealed::Sealed for $type {}
        impl ColumnValue for $type {
            const RAW: u32 = sys::kind::$raw;
        })*
    };
}

column_values! {
    f32 = ESPALIER_DTYPE_FLOAT32,
    f64 = ESPALIER_DTYPE_FLOAT64,
    i8 = ESPALIER_DTYPE_INT8,
    i16 = ESPALIER_DTYPE_INT16,
    i32 = ESPALIER_DTYPE_INT32,
    i64 = ESPALIER_DTYPE_INT64,
    u8 = ESPALIER_DTYPE_UINT8,
    u16 = ESPALIER_DTYPE_UINT16,
    u32 = ESPALIER_DTYPE_UINT32,
    u64 = ESPALIER_DTYPE_UINT64,
    bool = ESPALIER_DTYPE_BOOL,
}

/// A copy of strings as columns read them: one block of text, and where each begins and ends.
#[derive(Clone, Debug)]
pub struct Texts {
    text: String,
    ends: Vec<i64>,
}

impl Texts {
    /// None yet.
    pub fn new() -> Texts {
        Texts { text: String::new(), ends: vec![0] }
    }

    /// One more.
    pub fn push(&mut self, text: &str) {
        self.text.push_str(text);
        self.ends.push(self.text.len() as i64);
    }

    fn len(&self) -> usize {
        self.ends.len() - 1
    }
}

impl Default for Texts {
    fn default() -> Texts {
        Texts::new()
    }
}

impl<S: AsRef<str>> FromIterator<S> for Texts {
    fn from_iter<I: IntoIterator<Item = S>>(from: I) -> Texts {
        let mut texts = Texts::new();
        from.into_iter().for_each(|text| texts.push(text.as_ref()));
        texts
    }
}

/// The values of one feature in all rows: a view.
#[derive(Clone, Copy)]
pub struct Column<'a> {
    raw: sys::espalier_feature_column,
    len: usize,
    values: PhantomData<&'a [u8]>,
}

impl<'a> Column<'a> {
    /// Numbers or bools, one a row.
    pub fn of<T: ColumnValue>(values: &'a [T]) -> Column<'a> {
        Column::view(values.as_ptr() as *const c_void, T::RAW, values.len())
    }

    /// Strings, one a row, for features whose categories are text.
    pub fn texts(texts: &'a Texts) -> Column<'a> {
        let data = texts.ends.as_ptr() as *const c_void;
        let mut column = Column::view(data, sys::kind::ESPALIER_DTYPE_STRING64, texts.len());
        column.raw.text = texts.text.as_ptr() as *const c_char;
        column.raw.text_bytes = texts.text.len();
        column
    }

    /// Integers that number the entries of a dictionary from 0, one a row; others are missing.
    /// [`Status::ARGUMENT`] when the dictionary has one of its own.
    pub fn coded<T: ColumnValue>(
        codes: &'a [T],
        dictionary: &'a Column<'a>,
    ) -> Result<Column<'a>, PredictError> {
        if !dictionary.raw.dictionary.is_null() {
            return Err(PredictError::of(Status::ARGUMENT));
        }
        let mut column = Column::of(codes);
        column.raw.dictionary = &dictionary.raw;
        column.raw.dictionary_count = dictionary.len;
        Ok(column)
    }

    /// Rows whose bit is 0 are missing; the least significant bit of a byte comes first.
    /// [`Status::ARGUMENT`] when there are fewer bits than rows.
    pub fn valid_where(mut self, bits: &'a [u8]) -> Result<Column<'a>, PredictError> {
        if bits.len() < self.len / 8 + usize::from(self.len % 8 != 0) {
            return Err(PredictError::of(Status::ARGUMENT));
        }
        self.raw.validity = bits.as_ptr();
        Ok(self)
    }

    fn view(data: *const c_void, dtype: u32, len: usize) -> Column<'a> {
        let raw = sys::espalier_feature_column {
            data,
            text: ptr::null(),
            text_bytes: 0,
            validity: ptr::null(),
            bit_offset: 0,
            stride: 1,
            dtype,
            reserved: 0,
            dictionary: ptr::null(),
            dictionary_count: 0,
        };
        Column { raw, len, values: PhantomData }
    }
}

/// Rows as columns, one for each feature, in the model's order.
pub struct Columns<'a> {
    raw: Vec<sys::espalier_feature_column>,
    row_count: usize,
    dtype: u32,
    values: PhantomData<&'a [u8]>,
}

impl<'a> Columns<'a> {
    /// [`Status::ARGUMENT`] unless all columns have as many values.
    pub fn new(columns: &[Column<'a>]) -> Result<Columns<'a>, PredictError> {
        let row_count = columns.first().map_or(0, |column| column.len);
        if columns.iter().any(|column| column.len != row_count) {
            return Err(PredictError::of(Status::ARGUMENT));
        }
        let raw = columns.iter().map(|column| column.raw).collect();
        Ok(Columns { raw, row_count, dtype: 0, values: PhantomData })
    }

    /// Columns in any order, with their names, bound to the model's features. Fails as
    /// [`Model::feature_order`] does, and with [`Status::ARGUMENT`] as [`Columns::new`].
    pub fn by_name(model: &Model, columns: &[(&str, Column<'a>)]) -> Result<Columns<'a>, Error> {
        let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
        let order = model.feature_order(&names)?;
        let bound: Vec<_> = order.iter().map(|place| columns[*place].1).collect();
        Columns::new(&bound)
            .map_err(|error| Error::of(error.status, "columns of different lengths".into()))
    }

    /// The dtype of the rows that these stand for, `Float32` or `Float64`; without it, what NumPy
    /// makes of such columns.
    pub fn of_dtype(mut self, dtype: Dtype) -> Columns<'a> {
        self.dtype = dtype.to_raw();
        self
    }

    /// The number of rows.
    pub fn row_count(&self) -> usize {
        self.row_count
    }

    pub(crate) fn raw(&self) -> sys::espalier_feature_columns {
        sys::espalier_feature_columns {
            columns: self.raw.as_ptr(),
            feature_count: self.raw.len(),
            row_count: self.row_count,
            dtype: self.dtype,
            reserved: 0,
        }
    }
}
