# SPDX-License-Identifier: Apache-2.0
"""Puts Espalier files together from docs/format.md: real models know only a part of the format.

`lay_out` turns the bytes of sections into a file, `seal` makes its checksums and digests right
again, and `random_model` makes a model that mixes what one converter does not: several parts of
every layout, banks, lists of cuts, constants, stages of both orders. For tests only;
shares code with oracle.py alone.
"""

import math
import random
import struct

from oracle_predict import (convert_row, inexact_slots, place_of_word, predict_leaves,
                            predict_slots, read_nodes, word_of)
from oracle_reader import Model, without
from oracle_records import (ABOVE_HALF, ADD, ADD_SLOTS, ARITHMETIC32, ARITHMETIC64, BANK_BYTE,
                            BANK_SHORT, BANK_WORD, BITS, BITS_NODES, BLOCK, BOOL, BYTE_ORDER, CLASS,
                            CLASS_LABELS, CODE_COLUMN, COLUMNS, CONSTANTS, COVER, CUTS, DIVIDE,
                            DIVIDE_ITERATIONS, ENTRY_BYTES, EXPECTILES, FEATURE_COLUMN,
                            FEATURE_NAMES, FLOAT, FLOAT32, GOLDEN, HEADER_BYTES, HEAP, HOT_LAST,
                            HOT_MARGIN, INT, IN_BOTH, IN_FLOAT32, ISOTONIC, ISOTONIC_SHARES,
                            LAST_MAXIMUM, LEAF, LEAF_COLUMN, LEAVES, LINEAR_SUM, LOG, LOG1P, LOGIT,
                            LOG_CENTRED, LOG_ODDS, MAGIC, MARGIN, MASK_LEAVES, METADATA, MODEL,
                            NODES, NODE_NUMBERS, NORMALISE, NUMBER_CODES, OF_ROW, OPERATIONS,
                            OUTPUTS, PAIRWISE, PARTS, PICK, PRIVATE_LAST, PROBABILITY, PROOF, ROUND,
                            SCORE, SEGMENT, SELECT, SEQUENTIAL, SETS, SET_COLUMN, SORT, SQRT,
                            STAGES, STAGE_CONSTANTS, START_CONSTANTS, START_SLOTS, STEPS,
                            STEP_COLUMNS, STEP_STAGES, STEP_TREES, STRING, SUM32, SUM64, TREES,
                            TWO_CLASSES, UINT, VALUE, WALK, WEIGHTED_MEDIAN, WITH_CONSTANTS,
                            WITH_ORDER, Column, Entry, GoldenHead, Header, LabelGroup, ModelRecord,
                            Output, Part, Proof, Stage, Step, Tree, level_blocks, round_to_float32,
                            stage_constants, stage_outputs, stage_reads)
from oracle_verify import blake2b
from xxh3 import xxh3_64, xxh3_128

# Roots and logarithms of what is below 0 would leave no golden rows; linear leaves need a part.
COMPOSED = tuple(one for one in OPERATIONS
                 if one not in (SQRT, LOG, LOG1P, LINEAR_SUM, LOG_ODDS, LOGIT, LOG_CENTRED,
                                *OF_ROW))
NOT_REQUIRED = (FEATURE_NAMES, GOLDEN, METADATA, PROOF, COVER)


def pack(record):
    return record.packing.pack(*record)


def pack_all(records):
    return b"".join(pack(record) for record in records)


# --- Files ----------------------------------------------------------------------------------------

def is_hot(kind):
    return PRIVATE_LAST < kind <= HOT_LAST


def alignment_of(kind, size):
    """[F-049]"""
    if not is_hot(kind):
        return 64
    return 65536 if size >= 2**20 else 4096


def lay_out(sections, alignments=None, flags=None):
    """A file of these sections (bytes by type), each at the first offset that is allowed.

    `alignments` and `flags` may say otherwise for some types.
    """
    data = bytearray(HEADER_BYTES + ENTRY_BYTES * len(sections))
    entries, private_end, was_hot = [], 0, False
    for kind in sorted(sections):
        size = len(sections[kind])
        alignment = (alignments or {}).get(kind, alignment_of(kind, size))
        flag = (flags or {}).get(kind, int(kind not in NOT_REQUIRED))
        data += bytes(HOT_MARGIN if was_hot else 0)
        data += bytes(-len(data) % alignment)
        entries.append(Entry(kind, 1, flag, len(data), size, alignment, 0, 0, bytes(32),
                             bytes(16)))
        data += sections[kind]
        if kind <= PRIVATE_LAST:
            private_end = len(data)
        was_hot = is_hot(kind)
    data += bytes(HOT_MARGIN if was_hot else 0)
    header = Header(MAGIC, 1, 0, BYTE_ORDER, len(data), 0, 0, HEADER_BYTES, len(sections),
                    ENTRY_BYTES, 0, private_end, bytes(32), 0, bytes(24))
    data[:HEADER_BYTES] = pack(header)
    data[HEADER_BYTES:HEADER_BYTES + ENTRY_BYTES * len(entries)] = pack_all(entries)
    return seal(data)


def seal(data):
    """The same file with right checksums and digests, as far as its table leads to sections."""
    data = bytearray(data)
    count = Header(*Header.packing.unpack_from(data)).section_count
    for index in range(min(count, (len(data) - HEADER_BYTES) // ENTRY_BYTES)):
        place = HEADER_BYTES + ENTRY_BYTES * index
        entry = Entry(*Entry.packing.unpack_from(data, place))
        body = bytes(data[entry.offset:entry.offset + entry.bytes])
        low, high = xxh3_128(body)
        entry = entry._replace(checksum_low=low, checksum_high=high, digest=blake2b(body))
        data[place:place + ENTRY_BYTES] = pack(entry)
    return seal_table(data)


def seal_table(data, root=True):
    """The same with the root digest (unless `root` is false) and the header's checksum right."""
    data = bytearray(data)
    end = HEADER_BYTES + ENTRY_BYTES * Header(*Header.packing.unpack_from(data)).section_count
    if root:
        data[64:96] = blake2b(without(data[:end], (64, 32), (96, 8)))
    data[96:104] = struct.pack("<Q", xxh3_64(without(data[:end], (96, 8))))
    return bytes(data)


def sections_of(data):
    """The bytes of a file's sections by type."""
    count = Header(*Header.packing.unpack_from(data)).section_count
    sections = {}
    for index in range(count):
        entry = Entry(*Entry.packing.unpack_from(data, HEADER_BYTES + ENTRY_BYTES * index))
        sections[entry.type] = data[entry.offset:entry.offset + entry.bytes]
    return sections


def drop_empty(sections):
    """A section without content is left out ([F-036])."""
    return {kind: data for kind, data in sections.items() if data}


def string_table(strings):
    text, ends = b"", []
    for one in strings:
        text += one.encode() + b"\0"
        ends.append(len(text))
    return struct.pack(f"<2I{len(ends)}I", len(ends), len(text), *ends) + text


def class_labels(groups):
    """CLASS_LABELS of (kind, item_bytes, values) per group."""
    records, data = [], b""
    start = 8 + LabelGroup.packing.size * len(groups)
    for kind, item_bytes, values in groups:
        data += bytes(-len(data) % 8)
        if kind == STRING:
            body = string_table(values)
        else:
            code = {INT: "q", UINT: "Q", FLOAT: "d", BOOL: "Q"}[kind]
            body = struct.pack(f"<{len(values)}{code}", *values)
        records.append(LabelGroup(kind, item_bytes, len(values), 0, start + len(data), len(body)))
        data += body
    return struct.pack("<2I", len(groups), 0) + pack_all(records) + data


# --- Random models --------------------------------------------------------------------------------

LAYOUTS = (WALK, HEAP, SELECT, BITS)
THRESHOLDS = (0.0, -0.0, 1.0, -1.0, 0.5, 2.0**-149, -2.0**-133, 3.4028234663852886e38,
              float("inf"), float("-inf"), 2.5, -7.25)
CUT_COUNTS = (1, 15, 16, 17, 255, 256, 300, 5000)
VALUES = (0.0, -0.0, 0.1, 0.7, 1.0, 3.0, 1e-300, 5e-324, 1e16, -2.5)
FEATURES = (0.0, -0.0, 1.0, -1.0, 0.5, 1e-45, -1e-40, 1e-35, -1.1e-35, 9e-36, 1e300,
            -1e300, float("inf"), float("-inf"), float("nan"), 2.5, 2.500000001, 0.3, -7.25,
            3.4028235e38, 1 + 2**-24, 1 + 3 * 2**-24)


def grow(chance, node_max):
    """The children of each position (0 for a leaf or filler), and the positions of nodes."""
    child, nodes, at = [0, 0], [0], 0
    while at < len(nodes):
        if chance.random() < 0.7 and len(nodes) + 2 <= node_max:
            child[nodes[at]] = len(child)
            nodes += (len(child), len(child) + 1)
            child += (0, 0)
        at += 1
    return child + [0] * (-len(child) % 8), nodes


def depth_of(child):
    depths, deepest = {0: 0}, 0
    for position, first in enumerate(child):  # children come behind their parents
        if first:
            depths[first] = depths[first + 1] = depths[position] + 1
            deepest = max(deepest, depths[first])
    return deepest


def pack_cuts(cuts, code):
    """A list with all its levels (15.5)."""
    data, level = b"", list(cuts)
    for blocks in reversed(level_blocks(len(cuts))):
        level += [math.inf] * (BLOCK * blocks - len(level))
        data = struct.pack(f"<{len(level)}{code}", *level) + data
        level = level[BLOCK - 1::BLOCK]
    return data


def grow_heap(chance, levels):
    """(depth, nodes that decide) of a tree of at most so many levels."""
    inner, frontier = set(), [1]
    for node in frontier:
        if node < 2**levels and chance.random() < 0.8:
            inner.add(node)
            frontier += (2 * node, 2 * node + 1)
    return max([node.bit_length() for node in inner] or [1]), inner


def grow_select(chance, leaf_count):
    """(depth, [left, right] of every inner node): inner nodes from 0, leaf k as -1 - k."""
    nodes, ends, levels, depth = [], [None], [0], 0
    for inner in range(leaf_count - 1):
        at = chance.randrange(len(ends))
        end, level = ends.pop(at), levels.pop(at)
        if end:
            nodes[end[0]][end[1]] = inner
        nodes.append([0, 0])
        ends += ((inner, 0), (inner, 1))
        levels += (level + 1, level + 1)
        depth = max(depth, level + 1)
    for leaf, end in enumerate(chance.sample(ends, len(ends))):
        if end:
            nodes[end[0]][end[1]] = -1 - leaf
    return depth, nodes


def grow_bits(chance, leaf_count):
    """(depth, [first leaf, leaves] of the left subtree of every inner node, in preorder)."""
    spans, depth, lefts = [(0, leaf_count, 0)], 0, []
    slope = chance.choice((None, 0, 1))  # of any shape, or a chain to one side
    while spans:
        first, count, level = spans.pop()
        depth = max(depth, level)
        if count > 1:
            left = chance.randint(1, count - 1) if slope is None else (1, count - 1)[slope]
            lefts.append((first, left))
            spans += ((first + left, count - left, level + 1), (first, left, level + 1))
    return depth, lefts


class Composer:
    """Collects the sections of one random model."""

    def __init__(self, seed, input_rule=3, mixed=False):
        self.chance = chance = random.Random(seed)
        self.input_rule = input_rule
        self.operations = []  # rows are taken as they are
        self.feature_count = chance.randint(1, 6)
        leaves = 1 if mixed else chance.randint(1, 2)  # two: the bank is paired
        self.banks = {BANK_WORD: [Column(LEAF_COLUMN, 0, 0, BANK_WORD, 0, 0, 0)] * leaves,
                      BANK_BYTE: [], BANK_SHORT: []}
        self.cuts, self.lists, self.sets = b"", [], b""
        if input_rule & FLOAT32:
            self.banks[BANK_WORD] += [
                Column(FEATURE_COLUMN, feature, missing, BANK_WORD, 0, 0, 0)
                for feature in range(self.feature_count)
                for missing in (range(5) if mixed else range(2))]
        for bank, columns in self.banks.items():
            for _ in range(chance.randint(1, 4) if mixed else 0):
                self.add_codes(bank, columns)
            for _ in range(chance.randint(0, 2) if mixed and bank == BANK_WORD else 0):
                self.add_sets(columns)
        self.columns = [one for columns in self.banks.values() for one in columns]
        self.number_bytes = chance.choice((0, 1, 2, 4))
        self.label_kind = chance.choice((INT, UINT, FLOAT, STRING))
        self.steps = [Step(STEP_COLUMNS, 0, len(self.columns), 0)]
        self.parts, self.stages, self.trees, self.constants = [], [], [], []
        self.nodes, self.leaves, self.numbers = b"", b"", b""
        self.slot_count = 0
        self.tested = set()  # (bank, whether the segment has codes that are no cuts) of CODE tests
        self.bits_leaves = (1, 2, 5, 16, 27, 31, 32)

    def choose_cuts(self):
        """(first_cut, cut_count) of one list, old or new."""
        chance = self.chance
        if self.lists and chance.random() < 0.3:
            first, count = chance.choice(self.lists)
        else:
            first, count = len(self.cuts), chance.choice(CUT_COUNTS)
            single = self.input_rule & FLOAT32
            cuts = {chance.choice(THRESHOLDS) for _ in range(count // 2)}
            while len(cuts) < count:
                value = chance.uniform(-10, 10)
                cuts.add(round_to_float32(value) if single else value)
            self.cuts += pack_cuts(sorted(cuts), "f" if single else "d")
            self.lists.append((first, count))
        return first, count

    def add_codes(self, bank, columns):
        """The columns of one list."""
        chance = self.chance
        first, count = self.choose_cuts()
        segments = -(-count // SEGMENT[bank]) if bank in SEGMENT else 1
        feature, missing = chance.randrange(self.feature_count), chance.randrange(5)
        columns += [Column(CODE_COLUMN, feature, missing, bank, first, count, segment)
                    for segment in range(segments)]

    def add_sets(self, columns):
        """The columns of one list of sets, and its matrix of any bits."""
        chance = self.chance
        first, count = self.choose_cuts()
        words, feature = chance.choice((1, 1, 2, 5)), chance.randrange(self.feature_count)
        columns += [Column(SET_COLUMN, feature, 0, BANK_WORD, first, count, word)
                    for word in range(words)]
        self.sets += bytes(chance.randrange(256) for _ in range(4 * words * (count + 2)))

    def add_numbers(self, numbers):
        if self.number_bytes:
            code = NUMBER_CODES[self.number_bytes]
            self.numbers += struct.pack(f"<{len(numbers)}{code}", *numbers)

    def add_tree(self, part, *counts):
        """A tree of these counts: node_count, source_node_count, depth, first_leaf, leaf_count."""
        nodes, source, depth, first_leaf, leaves = counts
        first_node = self.node_place // part.node_bytes
        self.trees.append(Tree(first_node, nodes, source, depth,
                               self.chance.randint(0, part.slot_count - part.leaf_width),
                               len(self.trees) - part.first_tree,
                               self.chance.randrange(part.iteration_count), first_leaf, leaves))

    def choose_test(self, columns, first):
        """(column, threshold) of a node; `first` is the first column that may be chosen."""
        column = self.chance.randrange(first, len(columns))
        one = columns[column]
        if one.kind == FEATURE_COLUMN:
            return column, self.chance.choice(THRESHOLDS)
        full = SEGMENT.get(one.bank, 0) * (one.segment + 1)
        self.tested.add((one.bank, one.cut_count < full))
        if one.kind == SET_COLUMN:
            return column, self.chance.randrange(32)
        width = SEGMENT.get(one.bank, one.cut_count)
        return column, self.chance.randrange(min(width, one.cut_count - one.segment * width))

    def add_walk(self, part):
        chance, columns = self.chance, self.banks[BANK_WORD]
        child, nodes = grow(chance, chance.choice((1, 3, 9, 41)))
        codes = [0] * len(child)
        for code, position in enumerate(chance.sample(nodes, len(nodes))):
            codes[position] = code
        for position, first in enumerate(child):
            if first:
                column, threshold = self.choose_test(columns, 1 + (columns[1:2] == columns[:1]))
                if columns[column].kind == FEATURE_COLUMN:
                    threshold = word_of(threshold)
                threshold = (2**31 + threshold if columns[column].kind == SET_COLUMN
                             else 2**32 - 1 - threshold)
            else:
                row = chance.randrange(part.leaf_count) if position in nodes else 0
                threshold, first, column = row, position, 0
            if part.node_bytes == 16:
                self.nodes += struct.pack("<4I", threshold, first, column, 0)
            else:
                self.nodes += struct.pack("<2I", threshold, first | column << part.child_bits)
        self.add_numbers(codes)
        self.add_tree(part, len(child), len(nodes), depth_of(child), 0, 0)
        return []

    def add_heap(self, part, row):
        """Adds the tree whose leaves begin at `row`; returns the leaves' rows."""
        chance = self.chance
        depth, decide = grow_heap(chance, 0 if self.one_leaf else chance.choice((1, 2, 3, 5, 8)))
        inner = 2**depth
        count = max(32, inner)
        columns, thresholds = [0] * count, [0] * count
        for node in range(1, inner):
            thresholds[node] = SEGMENT[part.bank]
            if node in decide:
                columns[node], thresholds[node] = self.choose_test(self.banks[part.bank], 0)
        code = "B" if part.bank == BANK_BYTE else "H"
        self.nodes += struct.pack(f"<{2 * count}{code}", *columns, *thresholds)
        rows, numbers, own = [], [], chance.sample(range(256), inner)
        for leaf in range(inner):
            node, first = inner + leaf, leaf
            while node > 1 and node // 2 not in decide:
                node //= 2
                first = node * 2**(depth + 1 - node.bit_length()) - inner
            rows.append(self.leaf_row(part) if first == leaf else rows[first])
            numbers.append(own[first])
        self.add_numbers(numbers)
        self.add_tree(part, count, 2 * len(decide) + 1, depth, row, inner)
        return rows

    def add_select(self, part, row):
        chance = self.chance
        leaf_count = chance.choice((1, 2, 5, 30, 256))
        depth, nodes = grow_select(chance, leaf_count)
        inner = leaf_count - 1
        count = max(8, inner + -inner % 8)
        for place, children in enumerate(nodes):
            fields = [(inner - 1 - child if child < 0 else child) - place - 1
                      for child in children]
            self.nodes += struct.pack("<4H", *self.choose_test(self.banks[part.bank], 0), *fields)
        self.nodes += bytes(8 * (count - inner))
        self.add_numbers(chance.sample(range(256), leaf_count))
        self.add_tree(part, count, 2 * leaf_count - 1, depth, row, leaf_count)
        return [self.leaf_row(part) for _ in range(leaf_count)]

    def add_bits(self, part, row):
        chance = self.chance
        leaf_count = 1 if self.one_leaf else chance.choice(self.bits_leaves)
        depth, lefts = grow_bits(chance, leaf_count)
        columns, thresholds, words = [0] * BITS_NODES, [255] * BITS_NODES, [0] * BITS_NODES
        for node, (first, count) in enumerate(lefts):
            columns[node], thresholds[node] = self.choose_test(self.banks[part.bank], 0)
            words[place_of_word(node)] = 2**(first + count) - 2**first
        self.nodes += struct.pack("<64B32I", *columns, *thresholds, *words)
        self.add_numbers(chance.sample(range(256), leaf_count))
        self.add_tree(part, BITS_NODES, 2 * leaf_count - 1, depth, row, leaf_count)
        return [self.leaf_row(part) for _ in range(leaf_count)]

    def leaf_row(self, part):
        chance = self.chance
        values = [chance.choice((chance.random(), chance.choice(VALUES)))
                  for _ in range(part.leaf_width)]
        if part.accumulator == SUM32:
            return struct.pack(f"<{len(values)}f", *map(round_to_float32, values))
        return struct.pack(f"<{len(values)}d", *values)

    def add_constants(self, count, single=False):
        values = [self.chance.choice(VALUES) for _ in range(count)]
        self.constants += map(round_to_float32, values) if single else values
        return len(self.constants) - count

    def find_start(self, start, slot_count, accumulator):
        if start == START_SLOTS:
            return self.chance.randint(0, self.slot_count - slot_count)
        constants = start == START_CONSTANTS
        return self.add_constants(slot_count, accumulator == SUM32) if constants else 0

    def choose_range(self):
        """The first part's is what a caller asks for, and so is that of most others."""
        return 1 if self.parts and self.chance.random() < 0.2 else 0

    def add_part(self, slot_count, start, divisor, node_bytes=None, layout=WALK,
                 accumulator=SUM64, one_leaf=False):
        chance = self.chance
        leaf_width = chance.randint(1, min(slot_count, 12))
        iterations = chance.randint(1, 4)
        first = chance.randrange(iterations)
        bank = {WALK: BANK_WORD, BITS: BANK_BYTE}.get(layout) or chance.choice((BANK_BYTE,
                                                                                 BANK_SHORT))
        sizes = {WALK: (8, 16), HEAP: (2,) if bank == BANK_BYTE else (4,), SELECT: (8,),
                 BITS: (6,)}
        self.leaves += bytes(-len(self.leaves) % 64)
        # Every tree is a multiple of 64 bytes, so nodes of each size begin at multiples of it; but
        # for BITS, which can_begin answers.
        part = Part(layout, node_bytes or chance.choice(sizes[layout]),
                    chance.randint(16, 20) if layout == WALK else 0, accumulator, 1,
                    leaf_width, self.slot_count, slot_count, len(self.trees), chance.randint(1, 5),
                    len(self.leaves), chance.randint(1, 20), start,
                    self.find_start(start, slot_count, accumulator), divisor,
                    self.add_constants(slot_count) if divisor == 1 else 0,
                    iterations, first, chance.randint(1, iterations - first), bank,
                    self.choose_range(), bytes(40))
        self.one_leaf = one_leaf
        self.add_part_trees(part)
        self.steps.append(Step(STEP_TREES, len(self.parts) - 1, 1, 0))
        self.slot_count += slot_count

    def can_begin(self, layout):
        """Whether nodes of this layout can begin where NODES end so far ([F-130])."""
        return layout != BITS or len(self.nodes) % 6 == 0

    def add_part_trees(self, part):
        rows = []
        for _ in range(part.tree_count):
            self.node_place = len(self.nodes)
            if part.layout == WALK:
                self.add_walk(part)
            else:
                add = {HEAP: self.add_heap, SELECT: self.add_select, BITS: self.add_bits}
                rows += add[part.layout](part, len(rows))
        if part.layout == WALK:
            rows = [self.leaf_row(part) for _ in range(part.leaf_count)]
        elif part.layout in MASK_LEAVES:
            missing = self.trees[-1].first_leaf + MASK_LEAVES[part.layout] - len(rows)
            rows += [bytes(len(rows[0]))] * missing
        self.leaves += b"".join(rows)
        self.parts.append(part._replace(leaf_count=len(rows)))

    def add_stages(self, count, mixed=False):
        """Stages that normalise, or of any operation."""
        first = len(self.stages)
        for _ in range(count):
            width = self.chance.randint(1, self.slot_count)
            stage = Stage(NORMALISE, self.chance.randint(0, self.slot_count - width),
                          self.slot_count, width,
                          self.chance.choice((SEQUENTIAL, PAIRWISE)), ARITHMETIC64, 0, 0)
            stage = self.random_stage(stage) if mixed else stage
            self.stages.append(stage)
            self.slot_count += stage_outputs(stage)
        self.steps.append(Step(STEP_STAGES, first, count, 0))

    def random_stage(self, stage):
        """Another operation that fits the slots; what would carry rounding errors on is left."""
        chance = self.chance
        while True:
            # Few slots are all of f32, as EXPECTILES wants them.
            operation = chance.choice(COMPOSED + (EXPECTILES,) * 8)
            found = stage._replace(
                operation=operation, order=stage.order if operation in WITH_ORDER else 0,
                slot_count=stage.slot_count if chance.random() < 0.5 else 1)
            found = found._replace(input_slot=0 if operation in (STAGE_CONSTANTS, PICK)
                                   else stage.input_slot)
            picked = [float(chance.randrange(-1, self.slot_count)) for _ in range(found.slot_count)]
            if operation == ADD_SLOTS:
                found = found._replace(
                    table=chance.randint(0, self.slot_count - found.slot_count))
            read = stage_reads(found._replace(table=0) if operation == PICK else found, picked)
            single = all(slot in self.single_slots() for slot in read)
            inexact = any(slot in inexact_slots(self) for slot in read)
            narrow = operation in IN_FLOAT32 or (operation in IN_BOTH and chance.random() < 0.5)
            carries = operation not in (ADD, DIVIDE, TWO_CLASSES, SORT, PICK)
            if (narrow and not single and operation != ROUND) or (inexact and carries):
                continue
            table = found.table
            if operation == PICK:
                table = len(self.constants)
                self.constants += picked
            elif operation in (ISOTONIC, ISOTONIC_SHARES):
                table = self.add_knots(found.slot_count, narrow)
            elif operation in WITH_CONSTANTS:
                table = self.add_constants(stage_constants(found),
                                           narrow and operation != WEIGHTED_MEDIAN)
            elif operation == DIVIDE_ITERATIONS:
                table = chance.randrange(len(self.parts))
            return found._replace(arithmetic=ARITHMETIC32 if narrow else ARITHMETIC64,
                                  table=table)

    def add_knots(self, count, narrow):
        """Knots that ascend, or for once do not, and their values."""
        first = len(self.constants)
        places = [self.chance.uniform(-2, 2) for _ in range(count)]
        places = sorted(places) if self.chance.random() < 0.8 else places
        places += [self.chance.uniform(-1, 1) for _ in range(count)]
        self.constants += [round_to_float32(one) for one in places] if narrow else places
        return first

    def single_slots(self):
        """Slots that hold f32 numbers."""
        slots = set()
        for part in self.parts:
            if part.accumulator == SUM32:
                slots.update(range(part.first_slot, part.first_slot + part.slot_count))
        for stage in self.stages:
            if stage.arithmetic == ARITHMETIC32:
                slots.update(range(stage.output_slot, stage.output_slot + stage_outputs(stage)))
        return slots

    def is_single(self, output):
        """Whether all of an output's slots hold f32 numbers."""
        single = self.single_slots()
        return all(slot in single for slot in range(output.first_slot,
                                                    output.first_slot + output.slot_count))

    def outputs(self, widths, margin=False, mixed=False):
        found = []
        if margin:
            found = [Output(MARGIN, group, 2, self.chance.randint(0, self.slot_count - width),
                            width, 0, 0, 0) for group, width in enumerate(widths)]
        for kind, dtype, decision in ((PROBABILITY, 2, 0), (CLASS, 3, 1)):
            for group, width in enumerate(widths):
                slot = self.chance.randint(0, self.slot_count - width)
                found.append(Output(kind, group, dtype, slot, width, decision, 0, 0))
        slot = self.chance.randint(0, self.slot_count - len(widths))
        found.append(Output(VALUE, 0, 2, slot, len(widths), 0, 0, 0))
        if mixed:
            found = [self.mix_decision(one, widths) for one in found]
        for kind in (MARGIN, PROBABILITY, VALUE):
            if all(self.is_single(one) for one in found if one.kind == kind):
                found = [one._replace(dtype=1) if one.kind == kind else one for one in found]
        part = self.chance.randrange(len(self.parts))
        if self.number_bytes or all(one.layout == WALK for one in self.parts):  # [F-068]
            found.append(Output(LEAF, 0, 4, 0, 0, 0, part, 0))
        if mixed:
            width = self.chance.randint(1, self.slot_count)
            found.append(Output(SCORE, 0, 2, self.slot_count - width, width, 0, 0, 0))
        return found

    def mix_decision(self, output, widths):
        """One slot between two classes, or the last maximum."""
        two = output.group < len(widths) and widths[output.group] == 2
        if output.kind == PROBABILITY and two and self.chance.random() < 0.5:
            return output._replace(slot_count=1)
        if output.kind != CLASS:
            return output
        decision = self.chance.randint(1, ABOVE_HALF if two else LAST_MAXIMUM)
        return output._replace(decision=decision,
                               slot_count=1 if decision > LAST_MAXIMUM else output.slot_count)

    def labels(self, widths):
        kind = self.label_kind
        item = 40 if kind == STRING else 8
        groups = []
        for width in widths:
            values = {INT: range(-width, 0), UINT: range(2**64 - width, 2**64),
                      FLOAT: [n + 0.1 for n in range(width)],
                      STRING: [f"label {n} \u00e9" for n in range(width)]}[kind]
            groups.append((kind, item, list(values)))
        return class_labels(groups)

    def sections(self, widths, margin=False, mixed=False):
        record = ModelRecord(self.feature_count, self.slot_count, self.input_rule, CLASS,
                             len(widths), self.number_bytes,
                             sum(tree.depth for tree in self.trees),
                             sum(tree.source_node_count for tree in self.trees), 0.0,
                             bytes(16))
        found = {MODEL: pack(record), STEPS: pack_all(self.steps), PARTS: pack_all(self.parts),
                 STAGES: pack_all(self.stages),
                 OUTPUTS: pack_all(self.outputs(widths, margin, mixed)),
                 COLUMNS: pack_all(self.columns), TREES: pack_all(self.trees),
                 CONSTANTS: struct.pack(f"<{len(self.constants)}d", *self.constants),
                 FEATURE_NAMES: string_table(f"f{n}" for n in range(self.feature_count)),
                 CLASS_LABELS: self.labels(widths), NODES: self.nodes, LEAVES: self.leaves,
                 CUTS: self.cuts, NODE_NUMBERS: self.numbers, SETS: self.sets}
        return drop_empty(found)


def golden(data, rows):
    """GOLDEN of these rows, with the oracle's own answers; rows that give NaN are left out."""
    model = Model(data)
    rows = [row for row in rows
            if not any(map(math.isnan, predict_slots(model, convert_row(model, row))))]
    if not rows:
        return b""
    head = GoldenHead(len(rows), model.record.feature_count, model.record.slot_count,
                      len(model.trees))
    found = pack(head) + b"".join(struct.pack(f"<{len(row)}d", *row) for row in rows)
    converted = [convert_row(model, row) for row in rows]
    for row in converted:
        found += struct.pack(f"<{head.slot_count}d", *predict_slots(model, row))
    for row in converted:
        found += struct.pack(f"<{head.tree_count}I", *predict_leaves(
            model, row, 0, head.tree_count))
    return found


def random_rows(chance, count, width):
    return [[chance.choice((chance.choice(FEATURES), chance.uniform(-9, 9)))
             for _ in range(width)] for _ in range(count)]


def random_model(seed):
    """(sections, rows): parts and stages in turn, several groups of labels, golden rows."""
    composer = Composer(seed, seed % 16, mixed=True)
    chance = composer.chance

    def add_part(slot_count):
        accumulator = chance.choice((SUM64, SUM32))
        from_slots = accumulator == SUM64 and slot_count <= composer.slot_count
        composer.add_part(slot_count, chance.randint(0, 2 if from_slots else 1),
                          chance.randint(0, 2),
                          layout=chance.choice(list(filter(composer.can_begin, LAYOUTS))),
                          accumulator=accumulator)

    wide = chance.choice((3, 20, 140, 300))
    add_part(wide)
    composer.add_stages(chance.randint(1, 2))
    composer.add_stages(chance.randint(1, 6), mixed=True)
    for _ in range(chance.randint(0, 2)):
        add_part(chance.randint(1, 9))
    if chance.random() < 0.5:
        composer.add_stages(3, mixed=True)
    widths = [chance.randint(1, min(12, composer.slot_count))
              for _ in range(chance.randint(1, 5))][:composer.slot_count]
    sections = composer.sections(widths, chance.random() < 0.5, mixed=True)
    rows = random_rows(chance, 40, composer.feature_count)
    sections[GOLDEN] = golden(lay_out(sections), rows[:10])
    return drop_empty(sections), rows


METADATA_TEXT = b'{"format":{"major":1,"minor":0},"trainer":"none"}'


def full_model():
    """The sections of a model that has every kind of section and a tree of some depth in both
    parts."""
    for seed in range(1000):
        composer = Composer(seed)
        composer.number_bytes, composer.label_kind = 2, STRING
        composer.add_part(5, start=1, divisor=1, node_bytes=8)
        composer.add_stages(1)
        composer.add_part(3, start=0, divisor=2, node_bytes=16)
        composer.add_stages(1)
        sections = composer.sections([3, 2])
        split = composer.parts[1].first_tree
        depths = [tree.depth for tree in composer.trees]
        if (max(depths[:split]) < 2 or max(depths[split:]) < 2 or composer.feature_count < 2
                or min(part.leaf_count for part in composer.parts) < 2):
            continue
        rows = random_rows(composer.chance, 20, composer.feature_count)
        sections[GOLDEN] = golden(lay_out(sections), rows)
        if sections[GOLDEN]:
            sections[METADATA] = METADATA_TEXT
            sections[PROOF] = pack(Proof(9, 9, 9, 2, 6, 1, 3, PROBABILITY, 2))
            return sections
    raise AssertionError("one seed of a thousand must do")


def mask_model():
    """The sections of a model of a HEAP, a SELECT and a WALK part, with fillers everywhere."""
    for seed in range(10000):
        composer = Composer(seed, mixed=True)
        composer.number_bytes, composer.label_kind = 2, INT
        sizes = {count for _, count in composer.lists}
        columns = composer.columns
        if 300 not in sizes or columns[-1].segment or not any(one.segment for one in columns):
            continue
        composer.add_part(5, 1, 0, layout=HEAP, accumulator=SUM32)
        composer.add_part(4, 0, 1, layout=SELECT)
        composer.add_part(3, 0, 2, layout=WALK)
        heap, select, walk = (
            max(composer.trees[part.first_tree:part.first_tree + part.tree_count],
                key=lambda tree: tree.source_node_count) for part in composer.parts)
        if not {(BANK_WORD, False), (composer.parts[0].bank, True)} <= composer.tested:
            continue
        if (3 <= heap.depth <= 5 and heap.source_node_count < 2 * heap.leaf_count - 1
                and 20 < select.leaf_count < 256 and walk.depth > 3):
            return composer.sections([3, 2])
    raise AssertionError("one seed of ten thousand must do")


def set_model():
    """The sections of a model of a WALK part with two lists of sets, one of several words, and a
    tree whose root tests a set."""
    for seed in range(10000):
        composer = Composer(seed, mixed=True)
        composer.number_bytes, composer.label_kind = 2, INT
        sets = [one for one in composer.columns if one.kind == SET_COLUMN]
        if [one.segment for one in sets] not in ([0, 1, 0], [0, 0, 1]):
            continue
        composer.add_part(5, 1, 0, layout=WALK)
        sections = composer.sections([3, 2])
        model = Model(lay_out(sections))
        kinds = [one.kind for one in model.banks[BANK_WORD]]
        roots = [kinds[read_nodes(model, index)[0].column] for index in range(len(model.trees))]
        if SET_COLUMN in roots and FEATURE_COLUMN in roots:
            return sections
    raise AssertionError("one seed of ten thousand must do")


def bits_model():
    """The sections of a model of a BITS and a SELECT part; the largest BITS tree, of any shape, has
    nodes that fill up."""
    for seed in range(10000):
        composer = Composer(seed, mixed=True)
        composer.number_bytes, composer.label_kind = 2, INT
        if not any(one.segment for one in composer.banks[BANK_BYTE]):
            continue
        composer.add_part(5, 1, 0, layout=BITS, accumulator=SUM32)
        bits = max(composer.trees, key=lambda tree: tree.source_node_count)
        if bits.leaf_count in (27, 31) and 4 < bits.depth < 20 and len(composer.trees) > 2:
            composer.add_part(4, 0, 1, layout=SELECT)
            return composer.sections([3, 2])
    raise AssertionError("one seed of ten thousand must do")
