# SPDX-License-Identifier: Apache-2.0
"""Puts Espalier files together from docs/format.md: real models know only a part of the format.

`lay_out` turns the bytes of sections into a file, `seal` makes its checksums and digests right
again, and `random_model` makes a model that uses what converters do not write yet: several parts,
wide nodes, constants, stages of both orders. For tests only; shares code with oracle.py alone.
"""

import math
import random
import struct

from oracle_predict import convert_row, predict_leaves, predict_slots
from oracle_reader import (BOOL, BYTE_ORDER, CLASS, CLASS_LABELS, COLUMNS, CONSTANTS, ENTRY_BYTES,
                           FEATURE_NAMES, FLOAT, GOLDEN, HEADER_BYTES, HOT_LAST, HOT_MARGIN, INT,
                           LEAF, LEAF_BASE, LEAVES, MAGIC, METADATA, MODEL, NODE_NUMBERS, NODES,
                           NUMBER_CODES, OUTPUTS, PAIRWISE, PARTS, PRIVATE_LAST, PROBABILITY,
                           PROOF, SEQUENTIAL, STAGES, STEP_COLUMNS, STEP_STAGES, STEP_TREES, STEPS,
                           STRING, TREES, UINT, VALUE, Column, Entry, GoldenHead, Header,
                           LabelGroup, Model, ModelRecord, Output, Part, Proof, Stage, Step, Tree,
                           without)
from oracle_verify import blake2b
from xxh3 import xxh3_64, xxh3_128

NOT_REQUIRED = (FEATURE_NAMES, GOLDEN, METADATA, PROOF)


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

THRESHOLDS = (0.0, -0.0, 1.0, -1.0, 0.5, 1e-45, -1e-40, 3.4028234663852886e38, float("inf"),
              float("-inf"), 2.5, -7.25)
VALUES = (0.0, -0.0, 0.1, 0.7, 1.0, 3.0, 1e-300, 5e-324, 1e16, -2.5)
FEATURES = (0.0, -0.0, 1.0, -1.0, 0.5, 1e-45, -1e-40, 1e300, -1e300, float("inf"), float("-inf"),
            float("nan"), 2.5, 2.500000001, 0.3, -7.25, 3.4028235e38, 1 + 2**-24, 1 + 3 * 2**-24)


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


class Composer:
    """Collects the sections of one random model."""

    def __init__(self, seed):
        self.chance = chance = random.Random(seed)
        self.feature_count = chance.randint(1, 6)
        self.columns = [Column(1, 0, 0, 0)] + [
            Column(2, feature, missing, 0) for feature in range(self.feature_count)
            for missing in (0, 1)]
        self.number_bytes = chance.choice((0, 1, 2, 4))
        self.label_kind = chance.choice((INT, UINT, FLOAT, STRING))
        self.steps = [Step(STEP_COLUMNS, 0, len(self.columns), 0)]
        self.parts, self.stages, self.trees, self.constants = [], [], [], []
        self.nodes, self.leaves, self.numbers = b"", b"", b""
        self.slot_count = 0

    def add_tree(self, part, number):
        chance = self.chance
        child, nodes = grow(chance, chance.choice((1, 3, 9, 41)))
        codes = [0] * len(child)
        for code, position in enumerate(chance.sample(nodes, len(nodes))):
            codes[position] = code
        for position, first in enumerate(child):
            threshold = struct.unpack("<I", struct.pack("<f", chance.choice(THRESHOLDS)))[0]
            column = chance.randrange(1, len(self.columns))
            if not first:
                row = chance.randrange(part.leaf_count) if position in nodes else 0
                threshold, first, column = LEAF_BASE + row, position, 0
            if part.node_bytes == 16:
                self.nodes += struct.pack("<4I", threshold, first, column, 0)
            else:
                self.nodes += struct.pack("<2I", threshold, first | column << part.child_bits)
        if self.number_bytes:
            code = NUMBER_CODES[self.number_bytes]
            self.numbers += struct.pack(f"<{len(codes)}{code}", *codes)
        first_node = len(self.nodes) // part.node_bytes - len(child)
        slot = chance.randint(0, part.slot_count - part.leaf_width)
        self.trees.append(Tree(first_node, len(child), len(nodes), depth_of(child), slot, number,
                               chance.randrange(part.iteration_count)))

    def add_constants(self, count):
        self.constants += [self.chance.choice(VALUES) for _ in range(count)]
        return len(self.constants) - count

    def add_part(self, slot_count, start, divisor, node_bytes=None):
        chance = self.chance
        leaf_width = chance.randint(1, min(slot_count, 12))
        leaf_count = chance.randint(1, 20)
        iterations = chance.randint(1, 4)
        first = chance.randrange(iterations)
        # Nodes of 16 bytes begin at multiples of 16: every tree is 64 bytes or more.
        part = Part(1, node_bytes or chance.choice((8, 16)), chance.randint(16, 20), 1, 1,
                    leaf_width, self.slot_count, slot_count, len(self.trees), chance.randint(1, 5),
                    len(self.leaves), leaf_count,
                    start, self.add_constants(slot_count) if start == 1 else 0,
                    divisor, self.add_constants(slot_count) if divisor == 1 else 0,
                    iterations, first, chance.randint(1, iterations - first), bytes(48))
        self.leaves += struct.pack(f"<{leaf_width * leaf_count}d", *(
            chance.choice((chance.random(), chance.choice(VALUES)))
            for _ in range(leaf_width * leaf_count)))
        for number in range(part.tree_count):
            self.add_tree(part, number)
        self.steps.append(Step(STEP_TREES, len(self.parts), 1, 0))
        self.parts.append(part)
        self.slot_count += slot_count

    def add_stages(self, count):
        first = len(self.stages)
        for _ in range(count):
            width = self.chance.randint(1, self.slot_count)
            self.stages.append(Stage(1, self.chance.randint(0, self.slot_count - width),
                                     self.slot_count, width,
                                     self.chance.choice((SEQUENTIAL, PAIRWISE)), bytes(12)))
            self.slot_count += width
        self.steps.append(Step(STEP_STAGES, first, count, 0))

    def outputs(self, widths):
        found = []
        for kind, dtype, decision in ((PROBABILITY, 2, 0), (CLASS, 3, 1)):
            for group, width in enumerate(widths):
                slot = self.chance.randint(0, self.slot_count - width)
                found.append(Output(kind, group, dtype, slot, width, decision, 0, 0))
        slot = self.chance.randint(0, self.slot_count - len(widths))
        found.append(Output(VALUE, 0, 2, slot, len(widths), 0, 0, 0))
        part = self.chance.randrange(len(self.parts))
        return found + [Output(LEAF, 0, 4, 0, 0, 0, part, 0)]

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

    def sections(self, widths):
        record = ModelRecord(self.feature_count, self.slot_count, 3, CLASS, len(widths),
                             self.number_bytes, sum(tree.depth for tree in self.trees),
                             sum(tree.source_node_count for tree in self.trees), bytes(24))
        found = {MODEL: pack(record), STEPS: pack_all(self.steps), PARTS: pack_all(self.parts),
                 STAGES: pack_all(self.stages), OUTPUTS: pack_all(self.outputs(widths)),
                 COLUMNS: pack_all(self.columns), TREES: pack_all(self.trees),
                 CONSTANTS: struct.pack(f"<{len(self.constants)}d", *self.constants),
                 FEATURE_NAMES: string_table(f"f{n}" for n in range(self.feature_count)),
                 CLASS_LABELS: self.labels(widths), NODES: self.nodes, LEAVES: self.leaves,
                 NODE_NUMBERS: self.numbers}
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
    composer = Composer(seed)
    chance = composer.chance
    wide = chance.choice((3, 20, 140, 300))
    composer.add_part(wide, start=chance.randint(0, 1), divisor=chance.randint(0, 2))
    composer.add_stages(chance.randint(1, 2))
    for _ in range(chance.randint(0, 2)):
        composer.add_part(chance.randint(1, 9), chance.randint(0, 1), chance.randint(0, 2))
    if chance.random() < 0.5:
        composer.add_stages(1)
    widths = [chance.randint(1, min(12, composer.slot_count))
              for _ in range(chance.randint(1, 5))][:composer.slot_count]
    sections = composer.sections(widths)
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
        if max(depths[:split]) < 2 or max(depths[split:]) < 2 or composer.feature_count < 2:
            continue
        rows = random_rows(composer.chance, 20, composer.feature_count)
        sections[GOLDEN] = golden(lay_out(sections), rows)
        if sections[GOLDEN]:
            sections[METADATA] = METADATA_TEXT
            sections[PROOF] = pack(Proof(9, 9, 9, 2, 6, 1, 3, PROBABILITY, 2))
            return sections
    raise AssertionError("one seed of a thousand must do")
