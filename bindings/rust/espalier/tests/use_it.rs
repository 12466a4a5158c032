// SPDX-License-Identifier: Apache-2.0
//! The crate's own promises: who owns what, threads, refusals. That the numbers are right is what
//! `tests/bindings/run_bindings.py` compares. ESPALIER_TEST_FOLDER holds the iris forest.

use espalier::*;
use std::path::PathBuf;

const ROW: [f64; 4] = [6.3, 2.5, 4.9, 1.5];

fn path() -> PathBuf {
    let folder = std::env::var_os("ESPALIER_TEST_FOLDER").expect("ESPALIER_TEST_FOLDER");
    PathBuf::from(folder).join("random_forest_model.espalier")
}

fn probabilities(predictor: &mut Predictor) -> Vec<f64> {
    predictor.predict(Output::Probability, Rows::one(&ROW)).unwrap()
}

fn is_send<T: Send>() {}
fn is_sync<T: Sync>() {}

#[test]
fn models_are_shared_and_predictors_are_sent() {
    is_send::<Model>();
    is_sync::<Model>();
    is_send::<Predictor>();
    let model = Model::open(path()).unwrap();
    let expected = probabilities(&mut model.predictor().unwrap());
    let mut made_here = model.predictor().unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut own = model.predictor().unwrap();
                for _ in 0..1000 {
                    assert_eq!(probabilities(&mut own), expected);
                }
            });
        }
        scope.spawn(|| assert_eq!(probabilities(&mut made_here), expected));
    });
}

#[test]
fn a_predictor_keeps_its_model_open() {
    let model = Model::open(path()).unwrap();
    let mut predictor = model.predictor().unwrap();
    let expected = probabilities(&mut predictor);
    drop(model);
    assert_eq!(probabilities(&mut predictor), expected);
}

#[test]
fn memory_serves_as_the_file_does() {
    let bytes = std::fs::read(path()).unwrap();
    let options = OpenOptions::new().verify(true);
    let from_memory = Model::from_bytes(&bytes, &options).unwrap();
    let half = Model::from_bytes(&bytes[..bytes.len() / 2], &options);
    assert_eq!(half.unwrap_err().status, Status::TRUNCATED);
    drop(bytes);
    let copied = Model::open_with(path(), &OpenOptions::new().copy(true)).unwrap();
    let expected = probabilities(&mut copied.predictor().unwrap());
    assert_eq!(probabilities(&mut from_memory.predictor().unwrap()), expected);
    assert_eq!(from_memory.info(), copied.info());
    assert_eq!(Model::from_bytes(&[], &options).unwrap_err().status, Status::NOT_A_MODEL);
}

#[test]
fn a_refused_row_is_named_and_those_before_it_are_written() {
    let mut predictor = Model::open(path()).unwrap().predictor().unwrap();
    let mut rows = [ROW, ROW, ROW].concat();
    rows[6] = f64::INFINITY;
    let mut out = [7.0; 9];
    let rows = Rows::row_major(&rows, 4).unwrap();
    let error = predictor.predict_into(Output::Probability, rows, &mut out).unwrap_err();
    assert_eq!(error.status, Status::INFINITE);
    assert_eq!(error.rows_written, 1);
    assert_eq!(error.refused, Some(Refused { row: 1, feature: 2 }));
    assert_eq!(&out[3..], &[7.0; 6]);
    assert_eq!(&out[..3], &probabilities(&mut predictor)[..]);
    assert!(error.to_string().starts_with("row 1, feature 2: "), "{error}");
}

#[test]
fn slices_that_do_not_fit_are_refused() {
    let model = Model::open(path()).unwrap();
    let mut predictor = model.predictor().unwrap();
    let mut status = |rows, out: &mut [f64]| {
        predictor.predict_into(Output::Probability, rows, out).unwrap_err().status
    };
    assert_eq!(status(Rows::one(&ROW), &mut [0.0; 2]), Status::OUTPUT_SIZE);
    assert_eq!(status(Rows::one(&ROW[..3]), &mut [0.0; 3]), Status::FEATURE_COUNT);
    let narrow = predictor.predict_into(Output::Probability, Rows::one(&ROW), &mut [0f32; 3]);
    assert_eq!(narrow.unwrap_err().status, Status::DTYPE);
    let none = predictor.predict::<f64>(Output::Value, Rows::one(&ROW));
    assert_eq!(none.unwrap_err().status, Status::OUTPUT_KIND);
    let leaf = predictor.predict::<i64>(Output::Leaf, Rows::one(&ROW));
    assert_eq!(leaf.unwrap_err().status, Status::OUTPUT_KIND);
    let leaf = model.predictor_with(&PredictorOptions::new().leaf(true)).unwrap();
    assert_eq!({ leaf }.predict::<i64>(Output::Leaf, Rows::one(&ROW)).unwrap().len(), 200);
}

#[test]
fn views_stay_inside_their_slices() {
    let values = [0f32; 12];
    let argument = |rows: Result<Rows, PredictError>| rows.err().unwrap().status;
    assert_eq!(argument(Rows::row_major(&values, 5)), Status::ARGUMENT);
    assert_eq!(argument(Rows::row_major(&values, 0)), Status::ARGUMENT);
    assert_eq!(argument(Rows::column_major(&values, 7)), Status::ARGUMENT);
    assert_eq!(argument(Rows::strided(&values, 3, 4, 4, 2)), Status::STRIDE);
    assert_eq!(argument(Rows::strided(&values, usize::MAX, 4, usize::MAX, 1)), Status::STRIDE);
    assert_eq!(Rows::strided(&values, 3, 4, 4, 1).unwrap().row_count(), 3);
    assert_eq!(Rows::strided(&values, 100, 12, 0, 1).unwrap().row_count(), 100);
    assert_eq!(Rows::row_major::<f32>(&[], 4).unwrap().row_count(), 0);
}

#[test]
fn errors_carry_status_place_and_rule() {
    let missing = Model::open("no such file").unwrap_err();
    assert_eq!(missing.status, Status::OPEN);
    assert_eq!(missing.system_errno, 2);
    assert!(missing.message.contains("no such file"), "{missing}");
    let named = Model::open("a\0b").unwrap_err();
    assert_eq!(named.status, Status::ARGUMENT);
    let mut bytes = std::fs::read(path()).unwrap();
    bytes[20] ^= 1;
    let damaged = Model::from_bytes(&bytes, &OpenOptions::new()).unwrap_err();
    assert!(damaged.format_rule.is_some(), "{damaged:?}");
}

#[test]
fn a_model_says_what_it_is() {
    let model = Model::open(path()).unwrap();
    let info = model.info();
    assert_eq!((info.feature_count, info.tree_count), (4, 200));
    assert_eq!(info.default_output, Some(Output::Class));
    assert_eq!(model.output(Output::Value), None);
    let output = model.output(Output::Probability).unwrap();
    assert_eq!((output.dtype, output.width), (Dtype::Float64, 3));
    assert_eq!(model.labels(0).unwrap(), [Label::Int(0), Label::Int(1), Label::Int(2)]);
    assert_eq!(model.labels(1).unwrap_err().status, Status::ARGUMENT);
    assert_eq!(model.feature_name(1 << 20), None);
    assert!(model.metadata().contains("RandomForestClassifier"));
    assert!(!version().is_empty());
    model.verify().unwrap();
}
