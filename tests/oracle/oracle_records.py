# SPDX-License-Identifier: Apache-2.0
"""The records, numbers and names of docs/format.md, and how arrays and strings of them are read.

Part of oracle.py, under its terms: written from the document alone.
"""

import collections
import math
import struct

MAGIC = bytes.fromhex("894553500d0a1a0a")
BYTE_ORDER = 0x0A0B0C0D
HEADER_BYTES = 128
ENTRY_BYTES = 96
REQUIRED = 1  # flags
HOT_ALIGNMENT_MIN = 4096
HOT_MARGIN = 64  # zero bytes behind a hot section

PRIVATE_LAST, HOT_LAST = 15, 18
MODEL, STEPS, PARTS, STAGES, OUTPUTS, COLUMNS, TREES, CONSTANTS = range(1, 9)
FEATURE_NAMES, CLASS_LABELS, CATEGORIES, PREPARATION = 9, 10, 11, 12
NODES, LEAVES, CUTS = 16, 17, 18
NODE_NUMBERS, GOLDEN, METADATA, PROOF = range(24, 28)
SETS = 40
LINEAR = 72
COVER = 84
ALWAYS = (MODEL, STEPS, PARTS, OUTPUTS, COLUMNS, TREES, NODES, LEAVES)
KNOWN = (*range(MODEL, PREPARATION + 1), NODES, LEAVES, CUTS,
         *range(NODE_NUMBERS, PROOF + 1), SETS, LINEAR, COVER)

# Chapter 5.
SECTIONS_MAX = 64
FILE_BYTES_MAX = 2**46
PRIVATE_BYTES_MAX = 2**31
VISITS_MAX = 2**22
LEAVES_MAX = 0x7F000000
COUNT_MAX = {STEPS: 2**18, PARTS: 2**16, STAGES: 2**18, OUTPUTS: 2**20, COLUMNS: 2**24,
             TREES: 2**24, CONSTANTS: 2**32 - 1}

STEP_COLUMNS, STEP_TREES, STEP_STAGES = 1, 2, 3
WALK, HEAP, SELECT, BITS = 1, 2, 3, 4
SUM64, SUM32 = 1, 2  # accumulator
MARGIN, PROBABILITY, CLASS, VALUE, LEAF, SCORE = 1, 2, 3, 4, 5, 6
DTYPES = {MARGIN: (1, 2), PROBABILITY: (1, 2), CLASS: (3,), VALUE: (1, 2), LEAF: (4,),
          SCORE: (1, 2)}
LEAF_COLUMN, FEATURE_COLUMN, CODE_COLUMN, SET_COLUMN = 1, 2, 3, 8
BANK_WORD, BANK_BYTE, BANK_SHORT = 1, 2, 3
RIGHT, LEFT, AS_ZERO, ZERO_RIGHT, ZERO_LEFT = range(5)  # missing
SEGMENT = {BANK_BYTE: 255, BANK_SHORT: 65535}  # W of chapter 12
BANK_MAX = {BANK_BYTE: 256, BANK_SHORT: 65536}
CUTS_MAX = 2**24
BLOCK = 16  # cuts
MASK_LEAVES = {SELECT: 256, BITS: 32}  # most leaves of a tree
BITS_NODES = 32  # of every tree
FLOAT32, MISSING_ALLOWED, INFINITE_ALLOWED, FLUSH_TINY = 1, 2, 4, 8  # input_rule
MISSING_NUMBER = 16
DIVISOR_NONE, DIVISOR_CONSTANTS, DIVISOR_ITERATIONS = 0, 1, 2
SEQUENTIAL, PAIRWISE = 1, 2
ARITHMETIC64, ARITHMETIC32 = 0, 1
(NORMALISE, ADD, MULTIPLY, DIVIDE, DIVIDE_ITERATIONS, SIGMOID, SOFTMAX, SOFTMAX_LOG, EXP, LOG1P_EXP,
 SIGNED_SQUARE, NEGATIVE_POWER, TWO_CLASSES, STEP, INDEX, SORT, SPREAD, PRODUCTS, STAGE_CONSTANTS,
 EXPECTILES) = range(1, 21)
(PICK, ADD_SLOTS, CHOOSE, ISOTONIC, NORMALISE_EVEN, CUT_ONE, WEIGHTED_MEDIAN, EXPM1, EXP2, SQUARE,
 SQRT, LOG, LOG1P) = range(32, 45)
VALUES_OF_ROW, LINEAR_SUM = 64, 65
(CLAMP, LOG_ODDS, LOGIT, LOG_CENTRED, FLUSHED_VALUES, ROUND, EXPIT, NUMPY_EXP,
 ISOTONIC_SHARES) = range(72, 81)
OF_ROW = (VALUES_OF_ROW, FLUSHED_VALUES)
OPERATIONS = tuple(range(1, 21)) + tuple(range(32, 45)) + (VALUES_OF_ROW, LINEAR_SUM) + tuple(
    range(72, 81))
START_ZERO, START_CONSTANTS, START_SLOTS = 0, 1, 2
RANGE_ASKED, RANGE_DEFAULT = 0, 1
WITH_CONSTANTS = (ADD, MULTIPLY, DIVIDE, SPREAD, PRODUCTS, STAGE_CONSTANTS, PICK, CHOOSE, ISOTONIC,
                  WEIGHTED_MEDIAN, VALUES_OF_ROW, LINEAR_SUM, CLAMP, FLUSHED_VALUES,
                  ISOTONIC_SHARES)
WITH_ORDER = (NORMALISE, SOFTMAX, SOFTMAX_LOG, NORMALISE_EVEN, LOG_CENTRED)
IN_BOTH = (NORMALISE, ADD, MULTIPLY, DIVIDE, SIGMOID, SOFTMAX, EXP, TWO_CLASSES, STEP, INDEX, SORT,
           STAGE_CONSTANTS, PICK, ADD_SLOTS, ISOTONIC, WEIGHTED_MEDIAN, EXPM1, EXP2, SQUARE, SQRT,
           LOG, LOG1P, FLUSHED_VALUES)
IN_FLOAT32 = (EXPECTILES, ROUND, EXPIT, NUMPY_EXP, ISOTONIC_SHARES)  # only
FIRST_MAXIMUM, LAST_MAXIMUM, ABOVE_ZERO, AT_LEAST_ZERO, ABOVE_HALF = range(1, 6)  # decision
STAGE_SLOTS_MAX = 2**22
(COPY, SUBTRACT, PLUS, TIMES, BY, CLIP, FILL, IS_MISSING, ABOVE, RANK, KEY, ONE_HOT, OF_LOG1P,
 OF_EXPM1, OF_LOG, OF_EXP, OF_SQRT, ABS, CHECK, NUDGE) = PREPARATIONS = range(1, 21)
ROUND32, ROUND64, REFUSE_NAN, REFUSE_INFINITE, REFUSE_UNKNOWN = 1, 2, 4, 8, 16  # flags
NUMBERS_OF = {SUBTRACT: 1, PLUS: 1, TIMES: 1, BY: 1, CLIP: 2, FILL: 2, IS_MISSING: 1, ABOVE: 1,
              NUDGE: 2}
INT, UINT, FLOAT, BOOL, STRING = 1, 2, 3, 4, 5
ITEM_BYTES = {INT: (1, 2, 4, 8), UINT: (1, 2, 4, 8), FLOAT: (2, 4, 8), BOOL: (1,)}
NUMBER_CODES = {1: "B", 2: "H", 4: "I"}


class Refused(Exception):
    """The file or a row breaks a rule."""

    def __init__(self, rule, text):
        super().__init__(f"rule F-{rule:03}: {text}")
        self.rule = rule


def round_to_float32(value):
    """To nearest, ties to even; what is too large becomes infinite ([F-240])."""
    try:
        return struct.unpack("<f", struct.pack("<f", value))[0]
    except OverflowError:
        return math.copysign(math.inf, value)


def require(holds, rule, text):
    if not holds:
        raise Refused(rule, text)


# --- Records --------------------------------------------------------------------------------------

def define(name, packing, fields):
    """A record type; fields that begin with "reserved" must be zero."""
    record = collections.namedtuple(name, fields)
    record.packing = struct.Struct("<" + packing)
    return record


Header = define("Header", "8sHHIQQQIIIIQ32sQ24s", (
    "magic format_major format_minor byte_order file_bytes required_features optional_features "
    "header_bytes section_count section_entry_bytes reserved0 private_end root_digest checksum "
    "reserved1"))
Entry = define("Entry", "IHHQQQQQ32s16s", (
    "type encoding flags offset bytes alignment checksum_low checksum_high digest reserved"))
ModelRecord = define("ModelRecord", "6I2Qd16s", (
    "feature_count slot_count input_rule default_output group_count number_bytes visits_per_row "
    "node_count missing_number reserved"))
Step = define("Step", "4I", "kind first count reserved")
Part = define("Part", "10IQ10I40s", (
    "layout node_bytes child_bits accumulator aggregate leaf_width first_slot slot_count "
    "first_tree tree_count leaf_offset leaf_count start start_index divisor divisor_index "
    "iteration_count default_iteration_first default_iteration_count bank range "
    "reserved"))
Stage = define("Stage", "8I", (
    "operation input_slot output_slot slot_count order arithmetic table reserved"))
Output = define("Output", "8I", (
    "kind group dtype first_slot slot_count decision part reserved"))
Column = define("Column", "4IQ2I", "kind feature missing bank first_cut cut_count segment")
Tree = define("Tree", "Q8I", (
    "first_node node_count source_node_count depth slot number iteration first_leaf leaf_count"))
CategoryList = define("CategoryList", "4Id", ("feature", "flags", "first", "count", "unknown"))
PreparationHead = define("PreparationHead", "4I", (
    "value_count operation_count number_count reserved"))
Operation = define("Operation", "8I", (
    "operation flags input output count number_count numbers32 numbers64"))
LabelGroup = define("LabelGroup", "4I2Q", "kind item_bytes count reserved offset bytes")
GoldenHead = define("GoldenHead", "4I", "row_count feature_count slot_count tree_count")
Proof = define("Proof", "7Q2I", (
    "rows_compared values_compared leaves_compared check_rows check_values check_differing "
    "check_ulp_max check_kind check_cause"))

Node = collections.namedtuple("Node", "threshold child column reserved")
Labels = collections.namedtuple("Labels", "kind values")


def stage_inputs(stage):
    return {STAGE_CONSTANTS: 0, PICK: 0, VALUES_OF_ROW: 0, FLUSHED_VALUES: 0, SPREAD: 1, CHOOSE: 1,
            ISOTONIC: 1, ISOTONIC_SHARES: 1}.get(stage.operation, stage.slot_count)


def stage_outputs(stage):
    return {TWO_CLASSES: 2 * stage.slot_count, INDEX: 1, PRODUCTS: 1, ISOTONIC: 1,
            ISOTONIC_SHARES: 1, LINEAR_SUM: 1}.get(stage.operation, stage.slot_count)


def stage_constants(stage):
    if stage.operation not in WITH_CONSTANTS:
        return 0
    return {CHOOSE: 2, CLAMP: 2, ISOTONIC: 2 * stage.slot_count,
            ISOTONIC_SHARES: 2 * stage.slot_count, LINEAR_SUM: 3}.get(
                stage.operation, stage.slot_count)


def stage_reads(stage, constants):
    """The slots that a stage reads ([F-340])."""
    slots = list(range(stage.input_slot, stage.input_slot + stage_inputs(stage)))
    if stage.operation == ADD_SLOTS:
        slots += range(stage.table, stage.table + stage.slot_count)
    if stage.operation == PICK:
        named = constants[stage.table:stage.table + stage.slot_count]
        slots += [int(slot) for slot in named if slot >= 0]
    return slots


def is_zero(value):
    return not any(value) if isinstance(value, bytes) else value == 0


def check_reserved(records, rule, where):
    for index, record in enumerate(records):
        for field, value in zip(record._fields, record):
            if field.startswith("reserved"):
                require(is_zero(value), rule, f"{where} {index}: {field} is not zero")


def read_array(record, data, where):
    """A private section that is an array of records."""
    size = record.packing.size
    require(len(data) % size == 0, 48, f"{where} is not a whole number of {size} bytes long")
    records = [record(*fields) for fields in record.packing.iter_unpack(data)]
    check_reserved(records, 6, where)
    return records


def level_blocks(cut_count):
    """Blocks of every level of a list, the first level first (15.5)."""
    levels = [-(-cut_count // BLOCK)]
    while levels[0] > 1:
        levels.insert(0, -(-levels[0] // BLOCK))
    return levels


def value_bytes(part):
    return 8 if part.accumulator == SUM64 else 4


def is_float32(value):
    """Whether an f64 equals an f32, or is NaN."""
    try:
        return value != value or struct.unpack("<f", struct.pack("<f", value))[0] == value
    except OverflowError:
        return False


def read_strings(data, where):
    """The strings of a string table, as bytes."""
    require(len(data) >= 8, 140, f"{where}: string table too short")
    count, text_bytes = struct.unpack_from("<2I", data)
    require(8 + 4 * count + text_bytes == len(data), 140, f"{where}: string table's size")
    ends = struct.unpack_from(f"<{count}I", data, 8)
    text = data[8 + 4 * count:]
    strings, start = [], 0
    for index, end in enumerate(ends):
        require(start < end <= text_bytes and text[end - 1] == 0, 141,
                f"{where}: end of string {index}")
        strings.append(text[start:end - 1])
        start = end
    require(start == text_bytes, 141, f"{where}: the strings do not end with the text")
    return strings


def read_group(group, data, where):
    if group.kind == STRING:
        values = read_strings(data, where)
        require(len(values) == group.count, 150, f"{where}{len(values)} strings")
        return Labels(group.kind, values)
    require(len(data) == 8 * group.count, 150, f"{where}{len(data)} bytes")
    code = {INT: "q", UINT: "Q", FLOAT: "d", BOOL: "Q"}[group.kind]
    values = list(struct.unpack(f"<{group.count}{code}", data))
    if group.kind == BOOL:
        require(max(values) <= 1, 151, f"{where}a boolean is neither 0 nor 1")
    return Labels(group.kind, values)
