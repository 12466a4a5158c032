// SPDX-License-Identifier: Apache-2.0
//! Espalier predicts with tree ensembles of scikit-learn, XGBoost and LightGBM straight from a
//! memory-mapped file, bit for bit as the trainer does. This crate wraps its C library.
//!
//! ```
//! # std::env::set_current_dir(std::env::var("ESPALIER_TEST_FOLDER").unwrap())?;
//! use espalier::{Model, Output, Rows};
//!
//! let model = Model::open("random_forest_model.espalier")?;
//! let mut predictor = model.predictor()?;
//! let p = predictor.predict::<f64>(Output::Probability, Rows::one(&[6.3f32, 2.5, 4.9, 1.5]))?;
//! assert_eq!(p.len(), 3);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A [`Model`] is shared: `Send`, `Sync`, and a clone costs a counter. A [`Predictor`] belongs to
//! one thread at a time, as `&mut self` says; make one per thread:
//!
//! ```
//! # std::env::set_current_dir(std::env::var("ESPALIER_TEST_FOLDER").unwrap())?;
//! use espalier::{Model, Output, Rows};
//!
//! let model = Model::open("random_forest_model.espalier")?;
//! std::thread::scope(|scope| {
//!     for row in [[6.3f64, 2.5, 4.9, 1.5], [5.1, 3.5, 1.4, 0.2]] {
//!         let model = &model;
//!         scope.spawn(move || {
//!             let mut predictor = model.predictor().unwrap();
//!             let mut class = [0i32];
//!             predictor.predict_into(Output::Class, Rows::one(&row), &mut class).unwrap();
//!         });
//!     }
//! });
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Columns of different types, text among them: [`Columns`]. A model that is replaced while it
//! serves: [`Slot`]. Trees and nodes: [`Model::tree`].
//!
//! Building needs the installed static library: set `ESPALIER_DIR` to its prefix, or
//! `PKG_CONFIG_PATH` to its `lib/pkgconfig`. Rust 1.63 or newer, no other crate.

#![warn(missing_docs)]

mod columns;
mod error;
mod inspect;
mod model;
mod predictor;
mod slot;

pub use columns::{Column, ColumnValue, Columns, Texts};
pub use error::{Error, PredictError, Refused, Status};
pub use inspect::{CoverUnit, Missing, Node, Split, Tree};
pub use model::{Dtype, Info, Label, Model, OpenOptions, Output, OutputInfo};
pub use predictor::{Element, Input, Predictor, PredictorOptions, Real, Rows};
pub use slot::{Lease, Reader, Refresh, Slot, SlotOptions, SlotState};

/// The version of the linked C library.
pub fn version() -> &'static str {
    error::constant_text(unsafe { espalier_sys::espalier_version() })
}
