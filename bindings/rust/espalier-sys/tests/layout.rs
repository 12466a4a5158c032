// SPDX-License-Identifier: Apache-2.0
//! Every struct, field and constant of this crate against what the C compiler says of `espalier.h`;
//! and every status of the header must be here.

use espalier_sys::*;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::mem::{align_of, size_of, MaybeUninit};
use std::path::Path;
use std::process::Command;
use std::ptr::addr_of;

/// What to ask the C compiler, and what it should answer.
#[derive(Default)]
struct Lists {
    asked: String,
    expected: String,
}

fn size_behind<T>(_: *const T) -> usize {
    size_of::<T>()
}

macro_rules! layout {
    ($lists:expr, $type:ident: $($field:ident)*) => {
        let lists: &mut Lists = $lists;
        writeln!(lists.asked, "STRUCT({})", stringify!($type)).unwrap();
        writeln!(lists.expected, "{} {} {}", stringify!($type), size_of::<$type>(),
                 align_of::<$type>()).unwrap();
        let place = MaybeUninit::<$type>::uninit();
        let start = place.as_ptr();
        $({
            // The struct is never read: only addresses of its fields are taken.
            let field = unsafe { addr_of!((*start).$field) };
            let name = concat!(stringify!($type), ".", stringify!($field));
            writeln!(lists.asked, "FIELD({}, {})", stringify!($type), stringify!($field)).unwrap();
            writeln!(lists.expected, "{name} {} {}", field as usize - start as usize,
                     size_behind(field)).unwrap();
        })*
    };
}

fn list_structs(lists: &mut Lists) {
    layout!(lists, espalier_error: status system_errno file_offset format_rule reserved message);
    layout!(lists, espalier_open_options: struct_bytes flags visits_per_row_max reserved);
    layout!(lists, espalier_model_info: struct_bytes file_bytes mapped_bytes node_count leaf_count
        visits_per_row format_major format_minor feature_count column_count tree_count part_count
        depth_max output_count default_output missing_allowed mapping iteration_count
        infinite_allowed input_dtype huge_bytes root_digest);
    layout!(lists, espalier_output_info: kind dtype width group_count reserved);
    layout!(lists, espalier_label_info: kind item_bytes count reserved);
    layout!(lists, espalier_label: kind reserved integer real text text_bytes);
    layout!(lists, espalier_proof: rows_compared values_compared leaves_compared check_rows
        check_values check_differing check_ulp_max check_kind check_cause);
    layout!(lists, espalier_predictor_options: struct_bytes flags isa block_rows_max
        iteration_first iteration_count reserved);
    layout!(lists, espalier_rows: data dtype reserved row_count feature_count row_stride
        feature_stride);
    layout!(lists, espalier_feature_column: data text text_bytes validity bit_offset stride dtype
        reserved dictionary dictionary_count);
    layout!(lists, espalier_feature_columns: columns feature_count row_count dtype reserved);
    layout!(lists, espalier_tree_info: node_count position_count depth number iteration part_index
        leaf_width reserved nodes_offset nodes_bytes);
    layout!(lists, espalier_node: threshold feature missing missing_left left right leaf_index
        is_set set_column set_bit reserved);
    layout!(lists, espalier_slot_options: struct_bytes flags reader_count_max reserved0 version_min
        open predictor check check_context reserved);
    layout!(lists, espalier_lease: model predictor version);
    layout!(lists, espalier_slot_state: version changed held_count);
    layout!(lists, espalier_outputs: data data_bytes row_stride rows_written refused_row
        refused_feature);
}

fn list_constants(lists: &mut Lists) {
    let groups = [status::ALL, open::ALL, slot::ALL, kind::ALL];
    let offset = [("ESPALIER_OFFSET_NONE", ESPALIER_OFFSET_NONE)];
    for (name, value) in groups.iter().flat_map(|group| group.iter()).chain(&offset) {
        writeln!(lists.asked, "CONSTANT({name})").unwrap();
        writeln!(lists.expected, "{name} {value}").unwrap();
    }
}

#[test]
fn structs_and_constants_are_those_of_the_header() {
    let mut lists = Lists::default();
    list_structs(&mut lists);
    list_constants(&mut lists);

    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    std::fs::write(folder.join("layout_list.inc"), &lists.asked).unwrap();
    let program = folder.join("layout");
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".to_string());
    let built = Command::new(compiler)
        .args(["-std=c11", "-Wall", "-Werror", "-I", env!("ESPALIER_INCLUDE"), "-I"])
        .arg(folder)
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/layout.c"))
        .arg("-o")
        .arg(&program)
        .status()
        .unwrap();
    assert!(built.success());
    let said = Command::new(&program).output().unwrap();
    assert!(said.status.success());
    assert_eq!(String::from_utf8(said.stdout).unwrap(), lists.expected);
}

/// Sources and publishing, which this crate does not wrap.
fn is_of_predicting(name: &str) -> bool {
    let others = [
        "ESPALIER_ERROR_SOURCE_",
        "ESPALIER_ERROR_PROOF",
        "ESPALIER_ERROR_CHECK",
        "ESPALIER_ERROR_DIGEST",
        "ESPALIER_ERROR_SIGNATURE",
        "ESPALIER_ERROR_KEY",
    ];
    name == "ESPALIER_ERROR_CHECKSUM" || !others.iter().any(|other| name.starts_with(other))
}

#[test]
fn every_status_of_the_header_is_here() {
    let header = Path::new(env!("ESPALIER_INCLUDE")).join("espalier.h");
    let text = std::fs::read_to_string(header).unwrap();
    let start = text.find("typedef enum espalier_status {").unwrap();
    let end = start + text[start..].find("} espalier_status;").unwrap();
    let named: BTreeSet<&str> = text[start..end]
        .lines()
        .filter_map(|line| line.trim().split_once(" = "))
        .map(|(name, _)| name)
        .filter(|name| is_of_predicting(name))
        .collect();
    let here: BTreeSet<&str> = status::ALL.iter().map(|(name, _)| *name).collect();
    let missing: Vec<_> = named.difference(&here).collect();
    assert!(named.len() > 25, "{named:?}");
    assert!(missing.is_empty(), "{missing:?}");
}
