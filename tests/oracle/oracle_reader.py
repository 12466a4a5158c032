# SPDX-License-Identifier: Apache-2.0
"""The rules marked *open* of docs/format.md: from the bytes of a file to a checked Model.

Part of oracle.py, under its terms: written from the document alone. May use the standard library
and xxh3.py; must never judge the bytes of NODES, LEAVES, CUTS or a cold section.
"""

import collections
import math
import struct

from oracle_categories import read_categories
from oracle_linear import check_linear
from oracle_records import (ABOVE, ABOVE_HALF, ABOVE_ZERO, ADD_SLOTS, ALWAYS, ARITHMETIC32,
                            ARITHMETIC64, BANK_BYTE, BANK_MAX, BANK_SHORT, BANK_WORD, BITS,
                            BITS_NODES, BLOCK, BOOL, BYTE_ORDER, CHECK, CLASS, CLASS_LABELS,
                            CODE_COLUMN, COLUMNS, CONSTANTS, COUNT_MAX, CUTS, CUTS_MAX,
                            DIVIDE_ITERATIONS, DIVISOR_CONSTANTS, DTYPES, ENTRY_BYTES,
                            FEATURE_COLUMN, FEATURE_NAMES, FILE_BYTES_MAX, FIRST_MAXIMUM, FLOAT,
                            FLOAT32, HEADER_BYTES, HEAP, HOT_ALIGNMENT_MIN, HOT_LAST, HOT_MARGIN,
                            INT, IN_BOTH, IN_FLOAT32, IS_MISSING, ITEM_BYTES, KEY, KNOWN, LEAF,
                            LEAF_COLUMN, LEAVES, LEAVES_MAX, LINEAR_SUM, MAGIC, MARGIN, MASK_LEAVES,
                            MISSING_ALLOWED, MISSING_NUMBER, MODEL, NODES, NODE_NUMBERS, NUMBERS_OF,
                            OF_ROW, ONE_HOT, OPERATIONS, OUTPUTS, PAIRWISE, PARTS, PICK,
                            PREPARATION, PREPARATIONS, PRIVATE_BYTES_MAX, PRIVATE_LAST, PROBABILITY,
                            RANGE_ASKED, RANGE_DEFAULT, RANK, REFUSE_INFINITE, REFUSE_NAN,
                            REFUSE_UNKNOWN, REQUIRED, ROUND, ROUND32, ROUND64, SCORE, SECTIONS_MAX,
                            SEGMENT, SELECT, SEQUENTIAL, SETS, SET_COLUMN, STAGES, STAGE_SLOTS_MAX,
                            START_SLOTS, STEPS, STEP_COLUMNS, STEP_STAGES, STEP_TREES, STRING,
                            SUM32, SUM64, TREES, UINT, VALUE, VISITS_MAX, WALK, WEIGHTED_MEDIAN,
                            WITH_CONSTANTS, WITH_ORDER, ZERO_LEFT, Column, Entry, Header,
                            LabelGroup, ModelRecord, Operation, Output, Part, PreparationHead,
                            Refused, Stage, Step, Tree, check_reserved, is_float32, is_zero,
                            level_blocks, read_array, read_group, read_strings, require,
                            round_to_float32, stage_constants, stage_inputs, stage_outputs,
                            stage_reads, value_bytes)
from xxh3 import xxh3_128, xxh3_64


# --- Header and section table (chapters 3 and 6) --------------------------------------------------

def without(data, *ranges):
    """A copy with some ranges zeroed."""
    copy = bytearray(data)
    for start, size in ranges:
        copy[start:start + size] = bytes(size)
    return bytes(copy)


def read_header(data):
    """Checks in the order of chapter 3.1."""
    if len(data) < HEADER_BYTES:
        require(data and data[:8] == MAGIC[:len(data)], 11, "this is not a model")
        raise Refused(10, "the model is truncated")
    header = Header(*Header.packing.unpack_from(data))
    require(header.magic == MAGIC, 11, "this is not a model")
    require(header.byte_order == BYTE_ORDER, 12, "another byte order")
    require(header.format_major == 1, 13, f"format {header.format_major}, known is 1")
    require(header.file_bytes == len(data), 15,
            f"the file has {len(data)} bytes, its header says {header.file_bytes}")
    require(header.header_bytes == HEADER_BYTES, 18, "header_bytes is not 128")
    require(1 <= header.section_count <= SECTIONS_MAX, 19, f"{header.section_count} sections")
    require(header.section_entry_bytes == ENTRY_BYTES, 20, "section_entry_bytes is not 96")
    table_end = HEADER_BYTES + ENTRY_BYTES * header.section_count
    require(table_end <= len(data), 21, "the section table passes the end of the file")
    require(is_zero(header.reserved0) and is_zero(header.reserved1), 22, "reserved is not zero")
    require(table_end <= header.private_end <= min(len(data), PRIVATE_BYTES_MAX), 23,
            f"private_end is {header.private_end}")
    require(header.checksum == xxh3_64(without(data[:table_end], (96, 8))), 24,
            "the checksum of header and section table differs")
    require(header.required_features == 0, 16,
            f"unknown required features {header.required_features:#x}")
    require(header.file_bytes <= FILE_BYTES_MAX, 55, "the file is too large")
    return header


def read_entries(data, header):
    end = HEADER_BYTES + ENTRY_BYTES * header.section_count
    entries = [Entry(*one) for one in Entry.packing.iter_unpack(data[HEADER_BYTES:end])]
    check_reserved(entries, 43, "section table entry")
    before = 0
    for entry in entries:
        where = f"section {entry.type}"
        require(entry.type > before, 30, f"{where} comes behind section {before}")
        before = entry.type
        require(entry.flags & ~REQUIRED == 0, 33, f"{where} has unknown flags")
        power = entry.alignment & (entry.alignment - 1) == 0
        require(power and 64 <= entry.alignment <= 65536, 34,
                f"{where} has alignment {entry.alignment}")
        require(entry.offset % entry.alignment == 0, 35, f"{where} is not aligned")
        require(entry.bytes >= 1 and entry.offset + entry.bytes <= header.file_bytes, 36,
                f"{where} is empty or passes the end of the file")
        known = entry.type in KNOWN
        if entry.flags & REQUIRED:
            require(known, 31, f"{where} is unknown and required")
            require(entry.encoding == 1, 32, f"{where} has encoding {entry.encoding}")
    return entries


def is_hot(entry):
    return PRIVATE_LAST < entry.type <= HOT_LAST


def list_gaps(entries, header):
    """(start, end) of the padding in front of every section, and of that behind the last."""
    gaps, end = [], HEADER_BYTES + ENTRY_BYTES * len(entries)
    for entry in entries:
        gaps.append((end, entry.offset))
        end = entry.offset + entry.bytes
    gaps.append((end, header.file_bytes))
    return gaps


def check_places(data, header, entries):
    gaps = list_gaps(entries, header)
    for index, entry in enumerate(entries):
        where = f"section {entry.type}"
        gap = gaps[index][1] - gaps[index][0]
        require(gap >= 0, 37, f"{where} begins before the end of what lies in front of it")
        require(gap < entry.alignment + 64, 38, f"the gap in front of {where} is {gap} bytes")
        if index > 0 and is_hot(entries[index - 1]):
            require(gap >= HOT_MARGIN, 40, f"only {gap} bytes lie in front of {where}")
        if is_hot(entry):
            require(entry.alignment >= HOT_ALIGNMENT_MIN, 41,
                    f"{where} has alignment {entry.alignment}")
    behind = HOT_MARGIN if is_hot(entries[-1]) else 0
    require(gaps[-1][1] - gaps[-1][0] == behind, 42,
            "the last section does not end where it should")
    private = [entry for entry in entries if entry.type <= PRIVATE_LAST]
    end = private[-1].offset + private[-1].bytes if private else None
    require(header.private_end == end, 23, f"private_end is {header.private_end}")
    for start, end in gaps:
        if end <= header.private_end:
            require(is_zero(data[start:end]), 39, f"padding at {start:#x} is not zero")


def section_bytes(data, entry):
    return data[entry.offset:entry.offset + entry.bytes]


def check_checksum(data, entry):
    found = xxh3_128(section_bytes(data, entry))
    require(found == (entry.checksum_low, entry.checksum_high), 44,
            f"the checksum of section {entry.type} differs")


# --- Private sections (chapters 7 to 14) ----------------------------------------------------------

class Model:
    """An opened file. `sections` holds the bytes of the sections by type."""

    def __init__(self, data, visits_max=VISITS_MAX):
        self.data = data
        self.header = read_header(data)
        self.entries = read_entries(data, self.header)
        check_places(data, self.header, self.entries)
        for entry in self.entries:
            if entry.type <= PRIVATE_LAST:
                check_checksum(data, entry)
        self.sections = {entry.type: section_bytes(data, entry) for entry in self.entries
                         if entry.type in KNOWN and entry.encoding == 1}
        for kind in ALWAYS:
            require(kind in self.sections, 46, f"section {kind} is missing")
        self.read_private()
        self.check_model(visits_max)
        self.check_steps()
        self.check_preparation()
        self.categories = read_categories(self)
        self.check_columns()
        self.check_parts()
        check_linear(self, visits_max)
        self.check_slots()
        self.check_trees()
        self.names = self.read_names()
        self.labels = self.read_labels()
        self.check_outputs()
        self.check_work(visits_max)
        self.tree_cache = {}
        self.cut_cache = {}

    def read_private(self):
        record = self.sections[MODEL]
        require(len(record) == ModelRecord.packing.size, 48, "MODEL is not one record")
        self.record = read_array(ModelRecord, record, "MODEL")[0]
        self.steps = read_array(Step, self.sections[STEPS], "STEPS")
        self.parts = read_array(Part, self.sections[PARTS], "PARTS")
        self.stages = read_array(Stage, self.sections.get(STAGES, b""), "STAGES")
        self.outputs = read_array(Output, self.sections[OUTPUTS], "OUTPUTS")
        self.columns = read_array(Column, self.sections[COLUMNS], "COLUMNS")
        self.trees = read_array(Tree, self.sections[TREES], "TREES")
        constants = self.sections.get(CONSTANTS, b"")
        require(len(constants) % 8 == 0, 48, "CONSTANTS is not a whole number of values long")
        self.constants = struct.unpack(f"<{len(constants) // 8}d", constants)
        for kind, found in ((STEPS, self.steps), (PARTS, self.parts), (STAGES, self.stages),
                            (OUTPUTS, self.outputs), (COLUMNS, self.columns),
                            (TREES, self.trees), (CONSTANTS, self.constants)):
            require(len(found) <= COUNT_MAX[kind], 55, f"section {kind} has too many records")

    def check_missing_number(self, record):
        """[F-420]"""
        number = record.missing_number
        if not record.input_rule & MISSING_NUMBER:
            require(struct.pack("<d", number) == bytes(8), 420, f"missing_number {number}")
            return
        require(record.input_rule & MISSING_ALLOWED and not math.isnan(number), 420,
                f"missing_number {number}, input_rule {record.input_rule}")
        require(not record.input_rule & FLOAT32 or round_to_float32(number) == number, 420,
                f"missing_number {number} is no float32")

    def check_model(self, visits_max):
        record = self.record
        require(1 <= record.feature_count <= 2**24, 60, f"{record.feature_count} features")
        require(1 <= record.slot_count <= 2**20, 61, f"{record.slot_count} slots")
        require(record.input_rule < 64, 62, f"input_rule {record.input_rule}")
        self.check_missing_number(record)
        require(record.default_output in [one.kind for one in self.outputs], 63,
                f"default_output {record.default_output}")
        require(1 <= record.group_count <= record.slot_count, 64, f"{record.group_count} groups")
        require(record.number_bytes in (0, 1, 2, 4), 65, f"number_bytes {record.number_bytes}")
        require(record.visits_per_row == sum(tree.depth for tree in self.trees), 66,
                "visits_per_row is not the sum of depths")
        require(record.visits_per_row <= visits_max, 56, f"{record.visits_per_row} visits")
        require(record.node_count == sum(tree.source_node_count for tree in self.trees), 67,
                "node_count is not the sum of the trees' nodes")
        require((record.number_bytes != 0) == (NODE_NUMBERS in self.sections), 47,
                "NODE_NUMBERS and number_bytes contradict each other")
        masks = any(part.layout != WALK for part in self.parts)
        leaf = any(one.kind == LEAF for one in self.outputs)
        require(record.number_bytes != 0 or not (masks and leaf), 68,
                "a LEAF output of masks without NODE_NUMBERS")

    def check_steps(self):
        part_next = stage_next = 0
        for index, step in enumerate(self.steps):
            require(step.kind in (STEP_COLUMNS, STEP_TREES, STEP_STAGES), 70,
                    f"step {index} has kind {step.kind}")
            is_first = index == 0
            require(is_first == (step.kind == STEP_COLUMNS), 71,
                    "the first step and no other must be COLUMNS")
            if is_first:
                require(step.first == 0 and step.count == len(self.columns), 71,
                        "the first step does not name all columns")
            elif step.kind == STEP_TREES:
                require(step.first == part_next < len(self.parts) and step.count == 1, 72,
                        f"step {index} does not name the next part")
                part_next += 1
            else:
                require(step.first == stage_next and step.count >= 1
                        and stage_next + step.count <= len(self.stages), 73,
                        f"step {index} does not name the next stages")
                stage_next += step.count
        require(part_next == len(self.parts), 72, "a part has no step")
        require(stage_next == len(self.stages), 73, "a stage has no step")

    def check_parts(self):
        tree_next = 0
        leaves_bytes = len(self.sections[LEAVES])
        for index, part in enumerate(self.parts):
            where = f"part {index}: "
            self.check_layout(part, where)
            require(part.accumulator in (SUM64, SUM32) and part.aggregate == 1, 83,
                    f"{where}accumulator or aggregate")
            require(1 <= part.leaf_width <= part.slot_count
                    and part.first_slot + part.slot_count <= self.record.slot_count, 84,
                    f"{where}slots or leaf_width")
            require(part.tree_count >= 1 and part.first_tree == tree_next, 85, f"{where}trees")
            tree_next += part.tree_count
            leaf_end = (part.leaf_offset
                        + value_bytes(part) * part.leaf_width * part.leaf_count)
            require(part.leaf_offset % 64 == 0 and 1 <= part.leaf_count <= LEAVES_MAX
                    and leaf_end <= leaves_bytes, 86, f"{where}leaf table")
            require(part.start in (0, 1, 2), 87, f"{where}start {part.start}")
            if part.start == START_SLOTS:
                require(part.accumulator == SUM64 and part.start_index + part.slot_count
                        <= self.record.slot_count, 469, f"{where}slots to start from")
            else:
                self.check_constants(part, part.start == 1, part.start_index, 87)
            require(part.range in (RANGE_ASKED, RANGE_DEFAULT), 470, f"{where}range {part.range}")
            if part.start == 1 and part.accumulator == SUM32:
                starts = self.constants[part.start_index:part.start_index + part.slot_count]
                require(all(map(is_float32, starts)), 87, f"{where}a start that is no f32")
            require(part.divisor in (0, 1, 2), 88, f"{where}divisor {part.divisor}")
            self.check_constants(part, part.divisor == DIVISOR_CONSTANTS, part.divisor_index, 88)
            end = part.default_iteration_first + part.default_iteration_count
            require(part.iteration_count >= 1 and part.default_iteration_count >= 1
                    and end <= part.iteration_count, 89, f"{where}iterations")
        require(tree_next == len(self.trees), 85, "the parts do not end at the last tree")
        require(any(part.range == RANGE_ASKED for part in self.parts), 470, "no range is asked")
        used = any(part.start == 1 or part.divisor == 1 for part in self.parts) or any(
            stage.operation in WITH_CONSTANTS for stage in self.stages)
        require(used == (CONSTANTS in self.sections), 47, "CONSTANTS and the parts' use of them")

    def check_layout(self, part, where):
        require(part.layout in (WALK, HEAP, SELECT, BITS), 80, f"{where}layout {part.layout}")
        banks = {WALK: (BANK_WORD,), BITS: (BANK_BYTE,)}.get(part.layout, (BANK_BYTE, BANK_SHORT))
        require(part.bank in banks, 93, f"{where}bank {part.bank}")
        sizes = {WALK: (8, 16), HEAP: (2,) if part.bank == BANK_BYTE else (4,), SELECT: (8,),
                 BITS: (6,)}
        require(part.node_bytes in sizes[part.layout], 81, f"{where}node_bytes {part.node_bytes}")
        if part.layout != WALK:
            require(part.child_bits == 0, 82, f"{where}child_bits {part.child_bits}")
            return
        require(16 <= part.child_bits <= 30, 82, f"{where}child_bits {part.child_bits}")
        columns = len(self.banks[BANK_WORD])
        require(columns > 0, 93, f"{where}no columns of bank WORD")
        require(part.node_bytes == 16 or columns <= 2**(32 - part.child_bits), 90,
                f"{where}too many columns for nodes of 8 bytes")

    def check_work(self, visits_max):
        """[F-057], [F-058]"""
        leaf_widths = nodes = 0
        for part in self.parts:
            leaf_widths += part.leaf_width * part.tree_count
            if part.layout == SELECT:
                trees = self.trees[part.first_tree:part.first_tree + part.tree_count]
                nodes += sum(tree.leaf_count - 1 for tree in trees)
            elif part.layout == BITS:
                nodes += BITS_NODES * part.tree_count
        require(leaf_widths <= 64 * visits_max, 57, f"{leaf_widths} additions per row")
        require(nodes <= 64 * visits_max, 58, f"{nodes} nodes of SELECT and BITS trees")

    def check_constants(self, part, used, first, rule):
        if used:
            require(first + part.slot_count <= len(self.constants), rule,
                    "a part's constants do not exist")
        else:
            require(first == 0, rule, "a part names a constant that it does not use")

    def check_slots(self):
        """[F-074], and the stages' own rules."""
        count = self.record.slot_count
        written = [False] * count

        def write(first, size, where):
            for slot in range(first, first + size):
                require(not written[slot], 74, f"{where} writes slot {slot} again")
                written[slot] = True

        for index, stage in enumerate(self.stages):
            self.check_stage(index, stage)
        require(sum(stage.slot_count for stage in self.stages) <= STAGE_SLOTS_MAX, 105,
                "the stages have too many slots")
        for step in self.steps:
            if step.kind == STEP_TREES:
                part = self.parts[step.first]
                read = written[part.start_index:part.start_index + part.slot_count]
                require(part.start != START_SLOTS or all(read), 74,
                        f"part {step.first} starts from a slot that nothing wrote")
                write(part.first_slot, part.slot_count, f"part {step.first}")
            elif step.kind == STEP_STAGES:
                for index in range(step.first, step.first + step.count):
                    stage = self.stages[index]
                    read = [written[slot] for slot in stage_reads(stage, self.constants)]
                    if stage.operation == LINEAR_SUM:
                        part = self.parts[int(self.constants[stage.table])]
                        read += written[part.first_slot:part.first_slot + part.slot_count]
                    require(all(read), 74, f"stage {index} reads a slot that nothing wrote")
                    write(stage.output_slot, stage_outputs(stage), f"stage {index}")
        require(all(written), 74, "nothing writes some slot")
        single = self.slots_of_float32()
        for index, stage in enumerate(self.stages):
            read = [single[slot] for slot in stage_reads(stage, self.constants)]
            require(stage.arithmetic == ARITHMETIC64 or stage.operation == ROUND or all(read), 103,
                    f"stage {index} reads as f32 what is not")

    def check_stage(self, index, stage):
        where, count = f"stage {index}: ", self.record.slot_count
        require(stage.operation in OPERATIONS, 100, f"{where}operation {stage.operation}")
        require(stage.slot_count >= 1 and stage.input_slot + stage_inputs(stage) <= count
                and stage.output_slot + stage_outputs(stage) <= count
                and (stage_inputs(stage) > 0 or stage.input_slot == 0), 101,
                f"{where}slots")
        orders = (SEQUENTIAL, PAIRWISE) if stage.operation in WITH_ORDER else (0,)
        require(stage.order in orders, 102, f"{where}order {stage.order}")
        types = ((ARITHMETIC32,) if stage.operation in IN_FLOAT32 else
                 (ARITHMETIC64, ARITHMETIC32) if stage.operation in IN_BOTH else (ARITHMETIC64,))
        require(stage.arithmetic in types, 103, f"{where}arithmetic {stage.arithmetic}")
        if stage.operation in WITH_CONSTANTS:
            wanted = stage_constants(stage)
            constants = self.constants[stage.table:stage.table + wanted]
            require(len(constants) == wanted and (
                stage.arithmetic == ARITHMETIC64 or stage.operation == WEIGHTED_MEDIAN
                or all(map(is_float32, constants))), 104,
                    f"{where}constants")
            require(stage.operation != PICK or all(
                -1 <= slot < count and slot == math.floor(slot) for slot in constants), 340,
                    f"{where}constants that number no slots")
            require(stage.operation not in OF_ROW or all(
                0 <= one < self.value_count and one == math.floor(one) for one in constants), 460,
                    f"{where}constants that number no features")
        elif stage.operation == ADD_SLOTS:
            require(stage.table + stage.slot_count <= count, 340, f"{where}second summands")
        else:
            end = len(self.parts) if stage.operation == DIVIDE_ITERATIONS else 1
            require(stage.table < end, 104, f"{where}table {stage.table}")

    def check_preparation(self):
        self.operations, self.numbers = [], ()
        self.value_count = self.record.feature_count
        data, size = self.sections.get(PREPARATION), PreparationHead.packing.size
        if data is None:
            return
        require(len(data) >= size, 370, "PREPARATION is too short for its head")
        head = PreparationHead(*PreparationHead.packing.unpack_from(data))
        end = size + 32 * head.operation_count
        require(head.operation_count >= 1 and head.reserved == 0
                and len(data) == end + 8 * head.number_count, 370, "PREPARATION has another size")
        require(head.operation_count <= 2**20 and head.value_count <= 2**24, 377,
                "PREPARATION has too many operations or values")
        require(head.value_count >= self.record.feature_count, 376, "fewer values than features")
        self.operations = [Operation(*fields) for fields in
                           Operation.packing.iter_unpack(data[size:end])]
        self.numbers = struct.unpack(f"<{head.number_count}d", data[end:])
        for index, operation in enumerate(self.operations):
            self.check_operation(operation, head.value_count, f"operation {index}: ")
        require(self.value_count == head.value_count, 376, "values that nothing writes")

    def check_operation(self, one, value_count, where):
        kind = one.operation
        require(kind in PREPARATIONS, 371, f"{where}unknown")
        flags = (0 if kind in (IS_MISSING, ABOVE, RANK, ONE_HOT) else ROUND32 | ROUND64)
        flags |= REFUSE_NAN | REFUSE_INFINITE if kind == CHECK else 0
        flags |= REFUSE_UNKNOWN if kind == KEY else 0
        require(one.flags & ~flags == 0, 372, f"{where}flags")
        require(one.count >= 1 if kind == ONE_HOT else one.count == (kind != CHECK), 374,
                f"{where}{one.count} values")
        count = one.number_count
        require(count >= 1 if kind == RANK else count % 2 == 1 if kind == KEY
                else count == NUMBERS_OF.get(kind, 0), 375, f"{where}{count} numbers")
        require(one.input < self.value_count, 373, f"{where}input {one.input}")
        require(one.output == (0 if kind == CHECK else self.value_count), 374, f"{where}output")
        require(one.count <= value_count - self.value_count, 376, f"{where}too many values")
        self.value_count += one.count
        for first in (one.numbers32, one.numbers64):
            require(first + count <= len(self.numbers) if count else first == 0, 375,
                    f"{where}numbers out of range")

    def check_columns(self):
        self.banks, bank, code = {BANK_WORD: [], BANK_BYTE: [], BANK_SHORT: []}, 1, False
        for index, column in enumerate(self.columns):
            where = f"column {index}: "
            require(bank <= column.bank <= BANK_SHORT, 124, f"{where}bank {column.bank}")
            bank = column.bank
            is_leaf = bank == BANK_WORD and (
                index == 0 or (index == 1 and column.kind == LEAF_COLUMN))
            kinds = (CODE_COLUMN, SET_COLUMN) + ((FEATURE_COLUMN,) if bank == BANK_WORD else ())
            require(column.kind in ((LEAF_COLUMN,) if is_leaf else kinds), 120,
                    f"{where}kind {column.kind}")
            feature_end = 1 if is_leaf else self.value_count
            require(column.feature < feature_end, 121, f"{where}feature {column.feature}")
            require(column.missing <= (0 if is_leaf else ZERO_LEFT), 122,
                    f"{where}missing {column.missing}")
            if column.kind == SET_COLUMN:
                require(bank == BANK_WORD and column.missing == 0, 300, f"{where}a SET")
            elif bank == BANK_WORD and index:
                require(self.columns[index - 1].kind != SET_COLUMN, 300, f"{where}behind a SET")
            if column.kind in (CODE_COLUMN, SET_COLUMN):
                code = True
                self.check_code(index, column, where)
            else:
                require(column.first_cut == column.cut_count == column.segment == 0, 125,
                        f"{where}cuts of a column that is no CODE")
            require(column.kind != FEATURE_COLUMN or self.record.input_rule & FLOAT32, 126,
                    f"{where}a FEATURE of f64 features")
            self.banks[bank].append(column)
        require(code == (CUTS in self.sections), 47, "CUTS and the CODE columns")
        self.check_sets()
        for kind, most in BANK_MAX.items():
            require(len(self.banks[kind]) <= most, 129, f"bank {kind} has too many columns")

    def check_code(self, index, column, where):
        require(1 <= column.cut_count <= CUTS_MAX and column.first_cut % 64 == 0, 127,
                f"{where}list of cuts")
        size = BLOCK * sum(level_blocks(column.cut_count)) * self.cut_bytes()
        cuts = self.sections.get(CUTS)
        require(cuts is None or column.first_cut + size <= len(cuts), 127,
                f"{where}the list passes the end of CUTS")
        most = -(-column.cut_count // SEGMENT[column.bank]) if column.bank in SEGMENT else 1
        is_set = column.kind == SET_COLUMN
        require(is_set or column.segment < most, 128, f"{where}segment {column.segment}")
        if column.segment > 0:
            before = self.columns[index - 1]._replace(segment=column.segment)
            require(before == column and self.columns[index - 1].segment + 1 == column.segment,
                    301 if is_set else 128, f"{where}does not follow the segment before")

    def check_sets(self):
        """The matrices of sets: by column, where it begins, the words of a row, and the word."""
        lists, self.set_places, end = [], {}, 0
        for column in self.banks[BANK_WORD]:
            if column.kind == SET_COLUMN:
                lists += [[]] if column.segment == 0 else []
                lists[-1].append(column)
        require(bool(lists) == (SETS in self.sections), 47, "SETS and the SET columns")
        for own in lists:
            for column in own:
                self.set_places[id(column)] = end, len(own)
            end += 4 * len(own) * (own[0].cut_count + 2)
        require(end == len(self.sections.get(SETS, b"")), 302, "SETS has the wrong size")

    def cut_bytes(self):
        return 4 if self.record.input_rule & FLOAT32 else 8

    def check_trees(self):
        end = 0
        for part in self.parts:
            for index in range(part.first_tree, part.first_tree + part.tree_count):
                tree = self.trees[index]
                where = f"tree {index}: "
                require(tree.first_node * part.node_bytes == end, 130,
                        f"{where}does not begin where the one before ends")
                end += tree.node_count * part.node_bytes
                if part.layout == WALK:
                    check_walk(part, tree, where)
                else:
                    check_mask(part, tree, where)
                require(tree.slot + part.leaf_width <= part.slot_count, 134,
                        f"{where}slot {tree.slot}")
                require(tree.iteration < part.iteration_count, 135,
                        f"{where}iteration {tree.iteration}")
        require(end == len(self.sections[NODES]), 130, "the trees do not end with NODES")
        numbers = sum(self.numbers_of(index) for index in range(len(self.trees)))
        require(len(self.sections.get(NODE_NUMBERS, b"")) == numbers * self.record.number_bytes,
                175, "NODE_NUMBERS has the wrong size")

    def numbers_of(self, index):
        """How many numbers NODE_NUMBERS holds for a tree, if there is one."""
        tree = self.trees[index]
        return tree.node_count if self.part_of(index).layout == WALK else tree.leaf_count

    def read_names(self):
        """Feature names as bytes, or None."""
        if FEATURE_NAMES not in self.sections:
            return None
        names = read_strings(self.sections[FEATURE_NAMES], "FEATURE_NAMES")
        require(len(names) == self.record.feature_count, 143, f"{len(names)} feature names")
        return names

    def read_labels(self):
        """Labels of every group; those of kind STRING are bytes."""
        has_class = any(one.kind == CLASS for one in self.outputs)
        require(has_class == (CLASS_LABELS in self.sections), 47,
                "CLASS_LABELS and the CLASS output contradict each other")
        if not has_class:
            return []
        data = self.sections[CLASS_LABELS]
        require(len(data) >= 8, 145, "CLASS_LABELS is too short for its head")
        group_count, reserved = struct.unpack_from("<2I", data)
        require(group_count == self.record.group_count and reserved == 0, 145,
                f"CLASS_LABELS has {group_count} groups")
        end = 8 + LabelGroup.packing.size * group_count
        require(end <= len(data), 145, "CLASS_LABELS is too short for its records")
        groups = read_array(LabelGroup, data[8:end], "CLASS_LABELS")
        labels = []
        for index, group in enumerate(groups):
            where = f"labels of group {index}: "
            require(group.kind in (INT, UINT, FLOAT, BOOL, STRING), 146, f"{where}{group.kind}")
            if group.kind == STRING:
                fits = group.item_bytes >= 4 and group.item_bytes % 4 == 0
            else:
                fits = group.item_bytes in ITEM_BYTES[group.kind]
            require(fits, 147, f"{where}item_bytes {group.item_bytes}")
            require(group.count >= 1, 148, f"{where}no labels")
            require(group.offset % 8 == 0 and group.offset >= end
                    and group.offset + group.bytes <= len(data), 149, f"{where}place of the data")
            end = group.offset + group.bytes
            labels.append(read_group(group, data[group.offset:end], where))
        return labels

    def check_outputs(self):
        record, before = self.record, (0, 0)
        groups, dtypes = collections.defaultdict(list), {}
        single = self.slots_of_float32()
        for index, one in enumerate(self.outputs):
            where = f"output {index}: "
            require(one.kind in DTYPES, 111, f"{where}kind {one.kind}")
            require(index == 0 or (one.kind, one.group) > before, 110, f"{where}order")
            before = one.kind, one.group
            groups[one.kind].append(one.group)
            dtypes.setdefault(one.kind, one.dtype)
            require(one.dtype in DTYPES[one.kind] and one.dtype == dtypes[one.kind], 112,
                    f"{where}dtype {one.dtype}")
            if one.kind == LEAF:
                require(one.first_slot == 0 and one.slot_count == 0, 114, f"{where}slots")
            else:
                require(one.slot_count >= 1
                        and one.first_slot + one.slot_count <= record.slot_count
                        and (one.decision < ABOVE_ZERO or one.slot_count == 1), 114,
                        f"{where}slots")
                require(one.dtype != 1 or all(
                    single[one.first_slot:one.first_slot + one.slot_count]), 112,
                        f"{where}an f32 of slots that are not")
            decisions = range(FIRST_MAXIMUM, ABOVE_HALF + 1) if one.kind == CLASS else (0,)
            require(one.decision in decisions, 115, f"{where}decision")
            require(one.part < len(self.parts) if one.kind == LEAF else one.part == 0, 116,
                    f"{where}part {one.part}")
        every = list(range(record.group_count))
        for kind in (MARGIN, PROBABILITY, CLASS):
            require(groups[kind] in ([], every), 113, f"groups of output kind {kind}")
        for kind in (VALUE, LEAF, SCORE):
            require(groups[kind] in ([], [0]), 113, f"groups of output kind {kind}")
        require(not groups[PROBABILITY] or groups[CLASS], 117, "PROBABILITY without CLASS")
        for one in self.outputs:
            if one.kind in (PROBABILITY, CLASS):
                fitting = {one.slot_count}
                if one.decision >= ABOVE_ZERO:
                    fitting = {2}
                elif one.kind == PROBABILITY and one.slot_count == 1:
                    fitting = {1, 2}
                require(len(self.labels[one.group].values) in fitting, 117,
                        f"labels of group {one.group}")

    def slots_of_float32(self):
        single = [False] * self.record.slot_count
        for part in self.parts:
            if part.accumulator == SUM32:
                end = part.first_slot + part.slot_count
                single[part.first_slot:end] = [True] * part.slot_count
        for stage in self.stages:
            if stage.arithmetic == ARITHMETIC32:
                count = stage_outputs(stage)
                single[stage.output_slot:stage.output_slot + count] = [True] * count
        return single

    def select(self, kind):
        return [one for one in self.outputs if one.kind == kind]

    def part_of(self, tree_index):
        for part in self.parts:
            if part.first_tree <= tree_index < part.first_tree + part.tree_count:
                return part
        raise AssertionError("the parts cover all trees")


def check_walk(part, tree, where):
    require(tree.node_count % 8 == 0 and 8 <= tree.node_count <= 2**part.child_bits, 131,
            f"{where}{tree.node_count} positions")
    require(1 <= tree.source_node_count <= tree.node_count, 132,
            f"{where}{tree.source_node_count} nodes")
    require(2 * tree.depth + 1 <= tree.source_node_count, 133, f"{where}depth {tree.depth}")
    require(tree.first_leaf == tree.leaf_count == 0, 137, f"{where}leaves")


def check_mask(part, tree, where):
    count = 2 * tree.leaf_count - 1
    if part.layout == HEAP:
        require(1 <= tree.depth <= 8, 133, f"{where}depth {tree.depth}")
        require(tree.leaf_count == 2**tree.depth
                and tree.first_leaf + tree.leaf_count <= part.leaf_count, 137, f"{where}leaves")
        require(tree.node_count == max(32, 2**tree.depth), 131, f"{where}{tree.node_count} nodes")
        require(1 <= tree.source_node_count <= count, 132, f"{where}source_node_count")
        return
    most = MASK_LEAVES[part.layout]
    require(1 <= tree.leaf_count <= most and tree.first_leaf + most <= part.leaf_count, 137,
            f"{where}leaves")
    inner = tree.leaf_count - 1
    nodes = BITS_NODES if part.layout == BITS else max(8, inner + -inner % 8)
    require(tree.node_count == nodes, 131, f"{where}{tree.node_count} nodes")
    require(tree.source_node_count == count, 132, f"{where}source_node_count")
    require(2 * tree.depth + 1 <= tree.source_node_count, 133, f"{where}depth {tree.depth}")
