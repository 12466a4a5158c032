// SPDX-License-Identifier: Apache-2.0
//! Opens a model and predicts one row: `predict_row MODEL VALUE...` prints the class probabilities,
//! or the value of a regressor, one per line.

use espalier::{Dtype, Model, Output, Rows};
use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("usage: predict_row MODEL VALUE...")?;
    let row = arguments.map(|text| text.parse()).collect::<Result<Vec<f64>, _>>()?;

    let model = Model::open(path)?;
    let mut predictor = model.predictor()?;
    let kinds = [Output::Probability, Output::Value];
    let kind = kinds.into_iter().find(|kind| model.output(*kind).is_some());
    let kind = kind.ok_or("the model gives neither probabilities nor values")?;
    if model.output(kind).map(|info| info.dtype) == Some(Dtype::Float32) {
        for value in predictor.predict::<f32>(kind, Rows::one(&row))? {
            println!("{value:?}");
        }
    } else {
        for value in predictor.predict::<f64>(kind, Rows::one(&row))? {
            println!("{value:?}");
        }
    }
    Ok(())
}
