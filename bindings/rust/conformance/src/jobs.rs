// SPDX-License-Identifier: Apache-2.0
//! The crate at work for `tests/bindings/run_bindings.py`, which describes the jobs: reads the file
//! named on the command line, does every job, says how it went on standard output.

use espalier::*;
use std::fs;

struct Job<'a> {
    model: &'a str,
    rows: &'a str,
    dtype: &'a str,
    row_count: usize,
    feature_count: usize,
    order: &'a str,
    kind: &'a str,
    iterations: &'a str,
    out: &'a str,
}

/// How a job failed.
enum Failure {
    Open(Error),
    Predict(PredictError),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::Open(error)
    }
}

impl From<PredictError> for Failure {
    fn from(error: PredictError) -> Failure {
        Failure::Predict(error)
    }
}

/// Elements as the file and the report want them.
trait Stored: Element {
    fn bytes(values: &[Self], labels: &[Vec<Label>]) -> Vec<u8>;
}

macro_rules! stored {
    ($($type:ty)*) => {
        $(impl Stored for $type {
            fn bytes(values: &[Self], _: &[Vec<Label>]) -> Vec<u8> {
                values.iter().flat_map(|value| value.to_le_bytes()).collect()
            }
        })*
    };
}

stored! { f32 f64 i64 }

impl Stored for i32 {
    fn bytes(values: &[i32], labels: &[Vec<Label>]) -> Vec<u8> {
        let text =
            |(at, index): (usize, &i32)| label_text(&labels[at % labels.len()][*index as usize]);
        values.iter().enumerate().flat_map(|one| text(one).into_bytes()).collect()
    }
}

fn label_text(label: &Label) -> String {
    match label {
        Label::Int(value) => format!("i {value}\n"),
        Label::Uint(value) => format!("u {value}\n"),
        Label::Float(value) => format!("f {}\n", value.to_bits()),
        Label::Bool(value) => format!("b {}\n", *value as u8),
        Label::String(value) => format!("s {value}\n"),
    }
}

fn to_kind(name: &str) -> Output {
    let names = ["margin", "probability", "class", "value", "leaf", "score"];
    Output::ALL[names.iter().position(|known| *known == name).expect("a kind of output")]
}

fn chunks<const N: usize>(bytes: &[u8]) -> impl Iterator<Item = [u8; N]> + '_ {
    bytes.chunks_exact(N).map(|chunk| chunk.try_into().unwrap())
}

/// Where features have names, columns in another order, bound by their names.
fn to_columns<'a>(job: &Job, all: &[Column<'a>]) -> Result<Columns<'a>, PredictError> {
    let model = Model::open(job.model).expect("a model");
    let names = (0..all.len()).map(|f| model.feature_name(f as u32).map(String::from));
    match names.collect::<Option<Vec<_>>>() {
        Some(names) if all.len() == model.info().feature_count as usize => {
            let named = names.iter().map(String::as_str).zip(all.iter().copied());
            let turned: Vec<_> = named.rev().collect();
            Ok(Columns::by_name(&model, &turned).expect("the model's names"))
        }
        _ => Columns::new(all),
    }
}

/// Every feature a column of its own, which lie one behind the other.
fn predict_columns<T: Stored, C: ColumnValue>(
    predictor: &mut Predictor,
    job: &Job,
    values: &[C],
    out: &mut [T],
) -> Result<(), PredictError> {
    let all: Vec<_> = values.chunks(job.row_count).map(Column::of).collect();
    let mut columns = to_columns(job, &all)?;
    if job.order == "N" {
        columns = columns.of_dtype(match job.dtype {
            "f4" => Dtype::Float64,
            _ => Dtype::Float32,
        });
    }
    predictor.predict_into(to_kind(job.kind), &columns, out)
}

/// Predicts row after row, each by a call of its own, or all rows at once.
fn predict_values<T: Stored, R: Real + ColumnValue>(
    predictor: &mut Predictor,
    job: &Job,
    values: &[R],
    out: &mut [T],
) -> Result<(), PredictError> {
    let kind = to_kind(job.kind);
    match job.order {
        "F" => predictor.predict_into(kind, Rows::column_major(values, job.row_count)?, out),
        "C" => predictor.predict_into(kind, Rows::row_major(values, job.feature_count)?, out),
        "T" | "N" => predict_columns(predictor, job, values, out),
        "S" => {
            let mut reader = Slot::open(job.model).and_then(|slot| slot.reader()).expect("a slot");
            let mut lease = reader.acquire().expect("a lease");
            lease.predict_into(kind, Rows::row_major(values, job.feature_count)?, out)
        }
        _ => {
            let width = predictor.output(kind).map_or(0, |info| info.width);
            for row in 0..job.row_count {
                let from = &values[row * job.feature_count..][..job.feature_count];
                let to = &mut out[row * width..][..width];
                predictor.predict_into(kind, Rows::one(from), to).map_err(|error| {
                    PredictError {
                        rows_written: error.rows_written + row,
                        refused: error.refused.map(|at| Refused { row: at.row + row, ..at }),
                        ..error
                    }
                })?;
            }
            Ok(())
        }
    }
}

/// Features with categories as strings, the others as numbers; an empty field is missing.
fn predict_texts<T: Stored>(
    model: &Model,
    predictor: &mut Predictor,
    job: &Job,
    out: &mut [T],
) -> Result<(), PredictError> {
    let text = fs::read_to_string(job.rows).expect("rows");
    let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split(',').collect()).collect();
    let cells = |f: usize| rows.iter().map(move |row| row[f]);
    let features = 0..job.feature_count;
    let bits: Vec<Vec<u8>> = features
        .clone()
        .map(|f| {
            let mut bits = vec![0u8; (rows.len() + 7) / 8];
            for (r, cell) in cells(f).enumerate() {
                bits[r / 8] |= u8::from(!cell.is_empty()) << (r % 8);
            }
            bits
        })
        .collect();
    let texts: Vec<Texts> = features.clone().map(|f| cells(f).collect()).collect();
    let numbers: Vec<Vec<f64>> = features
        .clone()
        .map(|f| cells(f).map(|cell| cell.parse().unwrap_or(0.0)).collect())
        .collect();
    let all: Result<Vec<_>, _> = features
        .map(|f| match model.category_count(f as u32) {
            0 => Column::of(&numbers[f]).valid_where(&bits[f]),
            _ => Column::texts(&texts[f]).valid_where(&bits[f]),
        })
        .collect();
    predictor.predict_into(to_kind(job.kind), &Columns::new(&all?)?, out)
}

fn predict_as<T: Stored>(
    model: &Model,
    predictor: &mut Predictor,
    job: &Job,
) -> Result<String, Failure> {
    let width = predictor.output(to_kind(job.kind)).map_or(0, |info| info.width);
    let mut out = vec![T::default(); job.row_count * width];
    let bytes = fs::read(job.rows).expect("rows");
    let done = if job.dtype == "text" {
        predict_texts(model, predictor, job, &mut out)
    } else if job.dtype == "i8" {
        let values: Vec<i64> = chunks(&bytes).map(i64::from_le_bytes).collect();
        predict_columns(predictor, job, &values, &mut out)
    } else if job.dtype == "f4" {
        let values: Vec<f32> = chunks(&bytes).map(f32::from_le_bytes).collect();
        predict_values(predictor, job, &values, &mut out)
    } else {
        let values: Vec<f64> = chunks(&bytes).map(f64::from_le_bytes).collect();
        predict_values(predictor, job, &values, &mut out)
    };
    let labels = match T::DTYPE {
        Dtype::Int32 => {
            (0..width).map(|i| model.labels(i as u32)).collect::<Result<Vec<_>, _>>()?
        }
        _ => Vec::new(),
    };
    let rows_written = done.map_or_else(|error| error.rows_written, |_| job.row_count);
    fs::write(job.out, T::bytes(&out[..rows_written * width], &labels)).expect("output");
    done?;
    let dtype = match T::DTYPE {
        Dtype::Float32 => 1,
        Dtype::Float64 => 2,
        Dtype::Int32 => 3,
        Dtype::Int64 => 4,
    };
    Ok(format!("ok\t{dtype}\t{width}"))
}

/// The position at which a tree answers for what nodes compare.
fn find_leaf(model: &Model, index: u32, values: &[f64]) -> Result<u32, Failure> {
    let mut at = 0;
    for _ in 0..model.tree(index)?.depth {
        match model.node(index, at)? {
            Node::Leaf(_) => break,
            Node::Split(split) if model.goes_left(&split, values[split.feature as usize]) => {
                at = split.left
            }
            Node::Split(split) => at = split.right,
        }
    }
    Ok(at)
}

/// The leaves that rows come to, by looking into the model alone.
fn walk<R: Real>(model: &Model, job: &Job, rows: &[R]) -> Result<String, Failure> {
    let mut predictor = model.predictor()?;
    let count = model.info().tree_count;
    let numbers: Result<Vec<_>, _> = (0..count).map(|tree| model.leaf_numbers(tree)).collect();
    let numbers = numbers?;
    let mut out = Vec::new();
    for row in rows.chunks(job.feature_count) {
        let values = predictor.values(Rows::one(row))?;
        for tree in 0..count {
            let leaf = find_leaf(model, tree, &values)?;
            let number = numbers[tree as usize][leaf as usize].expect("a leaf");
            out.extend(i64::from(number).to_le_bytes());
        }
    }
    fs::write(job.out, out).expect("output");
    Ok(format!("ok\t4\t{count}"))
}

fn walk_rows(model: &Model, job: &Job) -> Result<String, Failure> {
    let bytes = fs::read(job.rows).expect("rows");
    if job.dtype == "f4" {
        walk(model, job, &chunks(&bytes).map(f32::from_le_bytes).collect::<Vec<_>>())
    } else {
        walk(model, job, &chunks(&bytes).map(f64::from_le_bytes).collect::<Vec<_>>())
    }
}

fn show_covers(model: &Model, job: &Job) -> String {
    let (unit, covers) = match model.covers() {
        None => (0, Vec::new()),
        Some((CoverUnit::Rows, covers)) => (1, covers),
        Some((CoverUnit::Weights, covers)) => (2, covers),
        Some((CoverUnit::Hessians, covers)) => (3, covers),
    };
    let known = covers.iter().enumerate().filter(|(_, cover)| **cover != 0.0);
    let text: String =
        known.map(|(value, cover)| format!("{value} {}\n", cover.to_bits())).collect();
    fs::write(job.out, text).expect("output");
    format!("cover\t{unit}")
}

fn predict(model: &Model, job: &Job) -> Result<String, Failure> {
    let mut options = PredictorOptions::new().leaf(job.kind == "leaf");
    if let Some((first, end)) = job.iterations.split_once(':') {
        let (first, end): (u32, u32) = (first.parse().unwrap(), end.parse().unwrap());
        options = options.iterations(first, end - first);
    }
    let mut predictor = model.predictor_with(&options)?;
    match predictor.output(to_kind(job.kind)).map(|info| info.dtype) {
        Some(Dtype::Float32) => predict_as::<f32>(model, &mut predictor, job),
        Some(Dtype::Int32) => predict_as::<i32>(model, &mut predictor, job),
        Some(Dtype::Int64) => predict_as::<i64>(model, &mut predictor, job),
        Some(Dtype::Float64) | None => predict_as::<f64>(model, &mut predictor, job),
    }
}

fn describe(model: &Model, job: &Job) -> String {
    let info = model.info();
    fs::write(job.out, model.metadata()).expect("output");
    let digest: String = info.root_digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let default = info.default_output.map_or(0, |kind| kind as u32);
    let mut line =
        format!("info\t{}\t{}\t{default}\t{digest}", info.feature_count, info.tree_count);
    for index in 0..info.feature_count {
        line += "\t";
        line += &model.feature_name(index).unwrap_or_default();
    }
    line
}

fn run(job: &Job) -> Result<String, Failure> {
    let model = Model::open(job.model)?;
    match job.kind {
        "info" => Ok(describe(&model, job)),
        "verify" => {
            model.verify()?;
            Ok("verified".to_string())
        }
        "cover" => Ok(show_covers(&model, job)),
        _ if job.order == "W" => walk_rows(&model, job),
        _ => predict(&model, job),
    }
}

fn report(done: Result<String, Failure>) -> String {
    match done {
        Ok(line) => line,
        Err(Failure::Predict(error)) => {
            let at = error.refused.unwrap_or(Refused { row: 0, feature: 0 });
            format!(
                "refused\t{}\t{}\t{}\t{}",
                error.status.name(),
                error.rows_written,
                at.row,
                at.feature
            )
        }
        Err(Failure::Open(error)) => format!(
            "failed\t{}\t{}\t{}\t{}\t{}",
            error.status.name(),
            error.system_errno,
            error.file_offset.unwrap_or(u64::MAX),
            error.format_rule.unwrap_or(0),
            error.message
        ),
    }
}

fn main() {
    let path = std::env::args().nth(1).expect("usage: jobs FILE");
    for line in fs::read_to_string(path).expect("jobs").lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        let job = Job {
            model: fields[0],
            rows: fields[1],
            dtype: fields[2],
            row_count: fields[3].parse().unwrap(),
            feature_count: fields[4].parse().unwrap(),
            order: fields[5],
            kind: fields[6],
            iterations: fields[7],
            out: fields[8],
        };
        println!("{}", report(run(&job)));
    }
}
