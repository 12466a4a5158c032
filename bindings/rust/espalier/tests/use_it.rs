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
fn a_walk_ends_at_the_leaf_of_the_leaf_output() {
    let model = Model::open(path()).unwrap();
    let mut predictor = model.predictor_with(&PredictorOptions::new().leaf(true)).unwrap();
    let leaves = predictor.predict::<i64>(Output::Leaf, Rows::one(&ROW)).unwrap();
    let values = predictor.values(Rows::one(&ROW)).unwrap();
    assert_eq!(values.len(), model.value_count() as usize);
    let mut sums = vec![0.0; 3];
    for (index, wanted) in (0..).zip(&leaves) {
        let tree = model.tree(index).unwrap();
        let mut at = 0;
        let mut leaf = None;
        for _ in 0..=tree.depth {
            match model.node(index, at).unwrap() {
                Node::Split(split) if model.goes_left(&split, values[split.feature as usize]) => {
                    at = split.left
                }
                Node::Split(split) => at = split.right,
                Node::Leaf(row) => leaf = Some(row),
            }
        }
        assert_eq!(model.leaf_numbers(index).unwrap()[at as usize], Some(*wanted as u32));
        let held = model.leaf_values(&tree, leaf.expect("a leaf")).unwrap();
        sums.iter_mut().zip(held).for_each(|(sum, one)| *sum += one);
    }
    sums.iter_mut().for_each(|sum| *sum /= 200.0);
    assert_eq!(sums, probabilities(&mut predictor));
    assert_eq!(model.tree(200).unwrap_err().status, Status::ARGUMENT);
    assert_eq!((model.category_count(0), model.category(0, 0)), (0, None));
    assert_eq!(model.category_number(0, "x").unwrap_err().status, Status::ARGUMENT);
}

#[test]
fn columns_of_many_types_are_rows() {
    let mut predictor = Model::open(path()).unwrap().predictor().unwrap();
    let (first, second, last) = ([6.0f64, 5.0, 7.0], [3.5f32, 2.5, 3.0], [0u64, 1, 2]);
    let entries = [1.5f64, 4.5];
    let dictionary = Column::of(&entries);
    let coded = Column::coded(&[1i8, 0, -1], &dictionary).unwrap();
    let valid = Column::of(&last).valid_where(&[5]).unwrap();
    let columns = [Column::of(&first), Column::of(&second), coded, valid];
    let nan = f64::NAN;
    let same = [6.0, 3.5, 4.5, 0.0, 5.0, 2.5, 1.5, nan, 7.0, 3.0, nan, 2.0];
    let rows = Rows::row_major(&same, 4).unwrap();
    let expected = predictor.predict::<f64>(Output::Probability, rows).unwrap();
    let mixed = Columns::new(&columns).unwrap();
    assert_eq!(mixed.row_count(), 3);
    assert_eq!(predictor.predict::<f64>(Output::Probability, &mixed).unwrap(), expected);
    let words: Texts = ["a", "", "b"].iter().collect();
    let wrong = [columns[0], Column::texts(&words), columns[2], columns[3]];
    let error = predictor.predict::<f64>(Output::Probability, &Columns::new(&wrong).unwrap());
    assert_eq!(error.unwrap_err().status, Status::DTYPE);
    let uneven = [columns[0], Column::of(&entries)];
    assert_eq!(Columns::new(&uneven).err().unwrap().status, Status::ARGUMENT);
    assert_eq!(Column::of(&first).valid_where(&[]).err().unwrap().status, Status::ARGUMENT);
    assert_eq!(Column::coded(&[0u8], &coded).err().unwrap().status, Status::ARGUMENT);
}

/// Columns of f64 stand for rows of f32, in a model that compares f64: a value that f32 has on the
/// other side of a threshold tells.
#[test]
fn columns_stand_for_rows_of_a_dtype() {
    let model = Model::open(path().with_file_name("named.espalier")).unwrap();
    let mut predictor = model.predictor().unwrap();
    let mut values = vec![0.0f64; model.info().feature_count as usize];
    let root = match model.node(0, 0).unwrap() {
        Node::Split(split) => split,
        Node::Leaf(_) => panic!("a tree of one leaf"),
    };
    let up = root.threshold + root.threshold.abs() * f64::EPSILON;
    let is_up = f64::from(root.threshold as f32) > root.threshold;
    values[root.feature as usize] = if is_up { root.threshold } else { up };
    let narrow: Vec<f32> = values.iter().map(|value| *value as f32).collect();
    let mut margin = |rows: Rows| predictor.predict::<f64>(Output::Margin, rows).unwrap();
    let (wide, rounded) = (margin(Rows::one(&values)), margin(Rows::one(&narrow)));
    assert_ne!(wide, rounded);
    let all: Vec<_> = values.chunks(1).map(Column::of).collect();
    let columns = || Columns::new(&all).unwrap();
    let mut margin = |columns: Columns| predictor.predict::<f64>(Output::Margin, &columns);
    assert_eq!(margin(columns()).unwrap(), wide);
    assert_eq!(margin(columns().of_dtype(Dtype::Float64)).unwrap(), wide);
    assert_eq!(margin(columns().of_dtype(Dtype::Float32)).unwrap(), rounded);
    let wrong = margin(columns().of_dtype(Dtype::Int64)).unwrap_err();
    assert_eq!(wrong.status, Status::DTYPE);
}

#[test]
fn columns_are_bound_by_name() {
    let model = Model::open(path().with_file_name("named.espalier")).unwrap();
    let count = model.info().feature_count as usize;
    let names: Vec<_> = (0..count).map(|f| model.feature_name(f as u32).unwrap()).collect();
    let values: Vec<[f64; 1]> = (0..count).map(|f| [0.25 * f as f64]).collect();
    let mut named: Vec<(&str, Column)> =
        names.iter().zip(&values).map(|(name, one)| (&**name, Column::of(one))).collect();
    let mut predictor = model.predictor().unwrap();
    let expected = predictor.predict::<f64>(Output::Margin, Rows::one(&values.concat())).unwrap();
    named.reverse();
    let bound = Columns::by_name(&model, &named).unwrap();
    assert_eq!(predictor.predict::<f64>(Output::Margin, &bound).unwrap(), expected);
    assert!(count > 1 && model.feature_order(&names).unwrap()[count - 1] == count - 1);
    let said = |named: &[(&str, Column)]| {
        let error = Columns::by_name(&model, named).err().unwrap();
        (error.status, error.message)
    };
    let (status, message) = said(&named[1..]);
    assert_eq!(status, Status::FEATURE_COUNT);
    assert!(message.starts_with(&format!("no column {:?}: ", named[0].0)), "{message}");
    named.push(("unknown", named[0].1));
    assert!(said(&named).1.starts_with("the model has no feature \"unknown\": "));
    named.last_mut().unwrap().0 = named[1].0;
    assert!(said(&named).1.starts_with(&format!("two columns {:?}: ", named[1].0)));
    named.last_mut().unwrap().0 = "a\0b";
    assert_eq!(said(&named).0, Status::ARGUMENT);
    assert_eq!(said(&[]).0, Status::FEATURE_COUNT);
    let uneven = [3.0, 4.0];
    named.pop();
    named[0].1 = Column::of(&uneven);
    assert_eq!(said(&named).0, Status::ARGUMENT);
    let plain = Model::open(path()).unwrap();
    assert_eq!(plain.feature_order(&["a"]).unwrap_err().status, Status::ARGUMENT);
}

#[test]
fn a_slot_serves_while_it_is_refreshed() {
    is_send::<Slot>();
    is_sync::<Slot>();
    is_send::<Reader>();
    let expected = probabilities(&mut Model::open(path()).unwrap().predictor().unwrap());
    let slot = Slot::open(path()).unwrap();
    let mut reader = slot.reader().unwrap();
    let mut lease = reader.acquire().unwrap();
    assert_eq!((lease.version(), lease.output(Output::Probability).unwrap().width), (1, 3));
    assert!(!slot.refresh(Refresh::default()).unwrap().changed);
    let always = Refresh { always: true, ..Refresh::default() };
    let state = slot.refresh(always).unwrap();
    assert_eq!(state, SlotState { version: 2, changed: true, held_count: 1 });
    let found: Vec<f64> = lease.predict(Output::Probability, Rows::one(&ROW)).unwrap();
    assert_eq!(found, expected);
    drop(lease);
    assert_eq!(slot.collect().unwrap().held_count, 0);
    assert_eq!((reader.warm(128).unwrap(), reader.warm(0).unwrap()), (128, 0));
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let mut mine = slot.reader().unwrap();
                for _ in 0..300 {
                    let mut out = [0.0; 3];
                    let mut lease = mine.acquire().unwrap();
                    lease.predict_into(Output::Probability, Rows::one(&ROW), &mut out).unwrap();
                    assert_eq!(out, expected[..]);
                }
            });
        }
        for _ in 0..20 {
            slot.refresh(always).unwrap();
        }
    });
    std::mem::forget(reader.acquire().unwrap());
    drop(slot);
    assert_eq!(reader.acquire().err().unwrap().status, Status::ARGUMENT);
    assert_eq!(reader.warm(0).err().unwrap().status, Status::ARGUMENT);
    drop(reader);
    assert_eq!(Slot::open("no such file").err().unwrap().status, Status::OPEN);
    let small = Slot::open_with(path(), &SlotOptions::new().reader_count_max(1)).unwrap();
    let _only = small.reader().unwrap();
    assert_eq!(small.reader().err().unwrap().status, Status::LIMIT);
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
