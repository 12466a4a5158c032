# SPDX-License-Identifier: Apache-2.0
"""A file per way to break a rule of docs/format.md: the oracle and the command name the same rule.

The files are made from a composed model with every kind of section, one field changed and all
checksums and digests made right again, so that the rule itself must be noticed. Standard library
only.
"""

import struct

import compose
import oracle_driver as driver
from oracle_driver import Comparison
from oracle_reader import Model
from oracle_records import (BOOL, CLASS_LABELS, COLUMNS, CONSTANTS, CUTS, ENTRY_BYTES,
                            FEATURE_NAMES, GOLDEN, HEADER_BYTES, LEAVES, METADATA, MODEL, NODES,
                            NODE_NUMBERS, OUTPUTS, PARTS, PROOF, STAGES, STEPS, TREES, Column,
                            Entry, Header, LabelGroup, ModelRecord, Output, Part, Proof, Refused,
                            Stage, Step, Tree)
from oracle_predict import place_of_word, preorder, read_bits, read_heap, read_nodes, read_select

RECORDS = {MODEL: ModelRecord, STEPS: Step, PARTS: Part, STAGES: Stage, OUTPUTS: Output,
           COLUMNS: Column, TREES: Tree, PROOF: Proof}

# (rule, section, record, changes); a change is a value or a function of the old one. Several rules
# where the file breaks several: 55 gives the same limits as 60 and 61.
PRIVATE_EDITS = [
    (6, MODEL, 0, {"reserved": b"\0" * 15 + b"\1"}),
    (6, STEPS, 1, {"reserved": 1}),
    (6, PARTS, 1, {"reserved": b"\1" + b"\0" * 39}),
    (6, STAGES, 0, {"reserved": 1}),
    (6, OUTPUTS, 0, {"reserved": 1}),
    (60, MODEL, 0, {"feature_count": 0}),
    ((55, 60), MODEL, 0, {"feature_count": 2**24 + 1}),
    (61, MODEL, 0, {"slot_count": 0}),
    ((55, 61), MODEL, 0, {"slot_count": 2**20 + 1}),
    (62, MODEL, 0, {"input_rule": 67}),
    (420, MODEL, 0, {"missing_number": 1.0}),
    (420, MODEL, 0, {"missing_number": -0.0}),
    (420, MODEL, 0, {"input_rule": 17, "missing_number": 1.0}),
    (420, MODEL, 0, {"input_rule": 19, "missing_number": 0.1}),
    (420, MODEL, 0, {"input_rule": 19, "missing_number": float("nan")}),
    (62, MODEL, 0, {"input_rule": 2**31}),
    (63, MODEL, 0, {"default_output": 1}),
    (64, MODEL, 0, {"group_count": 0}),
    (65, MODEL, 0, {"number_bytes": 3}),
    (66, MODEL, 0, {"visits_per_row": lambda old: old + 1}),
    (67, MODEL, 0, {"node_count": lambda old: old + 1}),
    (70, STEPS, 1, {"kind": 0}),
    (70, STEPS, 1, {"kind": 4}),
    (71, STEPS, 0, {"kind": 2}),
    (71, STEPS, 0, {"first": 1}),
    (71, STEPS, 0, {"count": lambda old: old - 1}),
    (71, STEPS, 1, {"kind": 1}),
    (72, STEPS, 1, {"first": 1}),
    (72, STEPS, 1, {"count": 2}),
    (72, STEPS, 3, {"first": 2}),
    (73, STEPS, 2, {"first": 1}),
    (73, STEPS, 2, {"count": 0}),
    (73, STEPS, 4, {"count": 2}),
    (74, STAGES, 0, {"output_slot": lambda old: old - 1}),
    (74, PARTS, 1, {"first_slot": lambda old: old - 1}),
    (80, PARTS, 0, {"layout": 5}),
    (80, PARTS, 0, {"layout": 0}),
    (81, PARTS, 0, {"node_bytes": 12}),
    (82, PARTS, 0, {"child_bits": 15}),
    (82, PARTS, 1, {"child_bits": 31}),
    (83, PARTS, 0, {"accumulator": 3}),
    (93, PARTS, 0, {"bank": 2}),
    (93, PARTS, 0, {"bank": 0}),
    (83, PARTS, 0, {"aggregate": 0}),
    (84, PARTS, 0, {"leaf_width": 0}),
    (84, PARTS, 0, {"leaf_width": 6}),
    (84, PARTS, 0, {"slot_count": 2**32 - 1}),
    (84, PARTS, 1, {"first_slot": 2**32 - 1}),
    (85, PARTS, 0, {"tree_count": 0}),
    (85, PARTS, 0, {"tree_count": 2**32 - 1}),
    (85, PARTS, 0, {"first_tree": 1}),
    (85, PARTS, 1, {"tree_count": lambda old: old - 1}),
    (86, PARTS, 0, {"leaf_offset": 4}),
    (86, PARTS, 0, {"leaf_offset": 2**64 - 8}),
    (86, PARTS, 0, {"leaf_count": 0}),
    (86, PARTS, 0, {"leaf_count": 0x7F000001}),
    (86, PARTS, 1, {"leaf_count": lambda old: old + 1}),
    (87, PARTS, 0, {"start": 3}),
    (74, PARTS, 0, {"start": 2, "start_index": 0}),
    (469, PARTS, 1, {"start": 2, "start_index": 2**32 - 1}),
    (470, PARTS, 0, {"range": 2}),
    (87, PARTS, 0, {"start_index": lambda old: old + 6}),
    (87, PARTS, 0, {"start": 0, "start_index": 1}),
    (88, PARTS, 0, {"divisor": 3}),
    (88, PARTS, 0, {"divisor_index": lambda old: old + 1}),
    (88, PARTS, 1, {"divisor_index": 1}),
    (89, PARTS, 0, {"iteration_count": 0}),
    (89, PARTS, 1, {"default_iteration_count": 0}),
    (89, PARTS, 1, {"default_iteration_first": 2**32 - 1}),
    (90, PARTS, 0, {"child_bits": 30}),
    (100, STAGES, 0, {"operation": 0}),
    (100, STAGES, 0, {"operation": 21}),
    (102, STAGES, 0, {"operation": 2}),
    (104, STAGES, 0, {"operation": 2, "order": 0, "table": 2**32 - 1}),
    (104, STAGES, 0, {"operation": 5, "order": 0, "table": 2}),
    (104, STAGES, 0, {"table": 1}),
    (103, STAGES, 0, {"arithmetic": 1}),
    (103, STAGES, 0, {"arithmetic": 2}),
    (103, STAGES, 0, {"operation": 7, "arithmetic": 1}),
    (103, STAGES, 0, {"operation": 20, "order": 0}),
    ((101, 105), STAGES, 0, {"slot_count": 2**22 + 1}),
    (101, STAGES, 0, {"slot_count": 0}),
    (101, STAGES, 0, {"input_slot": 2**32 - 1}),
    (101, STAGES, 1, {"output_slot": lambda old: old + 1}),
    (102, STAGES, 0, {"order": 0}),
    (102, STAGES, 0, {"order": 3}),
    (110, OUTPUTS, 1, {"group": 0}),
    ((110, 111), OUTPUTS, 0, {"kind": 0}),
    (111, OUTPUTS, 5, {"kind": 7}),
    (112, OUTPUTS, 0, {"dtype": 1}),
    (112, OUTPUTS, 2, {"dtype": 4}),
    (112, OUTPUTS, 5, {"dtype": 3}),
    (113, OUTPUTS, 1, {"group": 2}),
    (113, OUTPUTS, 4, {"group": 1}),
    (113, OUTPUTS, 5, {"group": 1}),
    (114, OUTPUTS, 0, {"first_slot": 2**32 - 1}),
    (114, OUTPUTS, 4, {"slot_count": 2**20}),
    (114, OUTPUTS, 2, {"decision": 3}),
    (114, OUTPUTS, 5, {"slot_count": 1}),
    (114, OUTPUTS, 5, {"first_slot": 1}),
    (115, OUTPUTS, 0, {"decision": 1}),
    (115, OUTPUTS, 2, {"decision": 0}),
    ((114, 115), OUTPUTS, 2, {"decision": 6}),
    (116, OUTPUTS, 0, {"part": 1}),
    (116, OUTPUTS, 5, {"part": 2}),
    (117, OUTPUTS, 0, {"slot_count": 2}),
    (117, OUTPUTS, 0, {"slot_count": 1}),
    (117, OUTPUTS, 2, {"decision": 5, "slot_count": 1}),
    (120, COLUMNS, 0, {"kind": 2}),
    (120, COLUMNS, 2, {"kind": 1}),
    ((120, 127), COLUMNS, 1, {"kind": 3}),
    (120, COLUMNS, 1, {"kind": 4}),
    (121, COLUMNS, 0, {"feature": 1}),
    (121, COLUMNS, 1, {"feature": 2**24}),
    (122, COLUMNS, 0, {"missing": 1}),
    (122, COLUMNS, 1, {"missing": 5}),
    (124, COLUMNS, 1, {"bank": 4}),
    (124, COLUMNS, 1, {"bank": 0}),
    (125, COLUMNS, 0, {"cut_count": 1}),
    (125, COLUMNS, 1, {"first_cut": 64}),
    (125, COLUMNS, 1, {"segment": 1}),
    (126, MODEL, 0, {"input_rule": 2}),
    (137, TREES, 0, {"first_leaf": 1}),
    (137, TREES, 0, {"leaf_count": 1}),
    (130, TREES, 0, {"first_node": 8}),
    (130, TREES, 1, {"first_node": 2**61}),
    (131, TREES, 0, {"node_count": 12}),
    (131, TREES, 0, {"node_count": 0}),
    ((67, 132), TREES, 0, {"source_node_count": 0}),
    ((67, 132), TREES, 0, {"source_node_count": 2**20 + 1}),
    ((66, 133), TREES, 0, {"depth": 2**31}),
    (134, TREES, 0, {"slot": 2**32 - 1}),
    (135, TREES, 0, {"iteration": 4}),
]

PROOF_EDITS = [
    (190, PROOF, 0, {"check_kind": 7}),
    (190, PROOF, 0, {"check_cause": 3}),
    (190, PROOF, 0, {"check_differing": 7}),
    (190, PROOF, 0, {"check_rows": 0}),
]

METADATA_TEXTS = [b"[]", b"{} {}", b"{\"a\":1}\0", b"\xef\xbb\xbf{}", b"{\"a\":NaN}", b"{a:1}",
                  b"{\"a\":\"\xff\"}", b"{\"a\":1,}", b"nul", b"{\"a\":01}", b"\x0b{}"]


class Draft:
    """The sections of a model under change."""

    def __init__(self, sections):
        self.sections = dict(sections)

    def edit(self, section, index, **changes):
        record = RECORDS[section]
        size = record.packing.size
        data = bytearray(self.sections[section])
        old = record(*record.packing.unpack_from(data, size * index))
        new = {field: value(getattr(old, field)) if callable(value) else value
               for field, value in changes.items()}
        data[size * index:size * index + size] = compose.pack(old._replace(**new))
        self.sections[section] = bytes(data)
        return self

    def put(self, kind, at, data):
        old = self.sections[kind]
        self.sections[kind] = old[:at] + data + old[at + len(data):]
        return self

    def set(self, kind, data):
        self.sections[kind] = data
        return self

    def drop(self, *kinds):
        for kind in kinds:
            del self.sections[kind]
        return self

    def file(self, **options):
        return compose.lay_out(self.sections, **options)


class RuleComparison(Comparison):
    @classmethod
    def setUpClass(cls):
        cls.sections = compose.full_model()
        cls.data = compose.lay_out(cls.sections)
        cls.model = Model(cls.data)

    def draft(self):
        return Draft(self.sections)

    def both(self, rule, data, what):
        """Both name the rule, or one of the rules where the file breaks several."""
        rules = rule if isinstance(rule, tuple) else (rule,)
        with self.subTest(rule=rule, what=what):
            self.assertIn(self.oracle_rule(data), rules, "the oracle")
            self.assertIn(self.command_rule(data), rules, "the command")


class Records(RuleComparison):
    def run_edits(self, edits):
        for rule, kind, index, changes in edits:
            data = self.draft().edit(kind, index, **changes).file()
            self.both(rule, data, f"section {kind}, record {index}: {list(changes)}")

    def test_untouched(self):
        self.both(0, self.data, "the model as it is")

    def test_private_records(self):
        self.run_edits(PRIVATE_EDITS)

    def test_proof(self):
        self.run_edits(PROOF_EDITS)
        self.both(48, self.draft().set(PROOF, bytes(72)).file(), "PROOF of 72 bytes")

    def test_metadata(self):
        for text in METADATA_TEXTS:
            self.both(185, self.draft().set(METADATA, text).file(), text[:20])
        for text in (b"{}", b" {}\n", b"{\"a\":[1.5e3,true,null,\"\\u00e9\"]}",
                     b"{\"a\":\"\\u0000\"}", b"{\"a\":" + b"[" * 255 + b"]" * 255 + b"}"):
            self.both(0, self.draft().set(METADATA, text).file(), text)


class Ranges(RuleComparison):
    def test_none_asked(self):
        """F-470: some part has the iterations that a caller asks for."""
        draft = self.draft().edit(PARTS, 0, range=1)
        for index in range(1, len(self.model.parts)):
            draft.edit(PARTS, index, range=1)
        self.both(470, draft.file(), "no part's range is asked for")


class HeaderAndTable(RuleComparison):
    def edit_header(self, **changes):
        header = Header(*Header.packing.unpack_from(self.data))
        return compose.seal(compose.pack(header._replace(**changes)) + self.data[HEADER_BYTES:])

    def edit_entry(self, kind, **changes):
        """One entry of the table changed; its section stays where it is."""
        index = sorted(self.sections).index(kind)
        at = HEADER_BYTES + ENTRY_BYTES * index
        entry = Entry(*Entry.packing.unpack_from(self.data, at))
        new = compose.pack(entry._replace(**changes))
        return compose.seal(self.data[:at] + new + self.data[at + ENTRY_BYTES:])

    def entry(self, kind):
        return next(one for one in self.model.entries if one.type == kind)

    def test_header(self):
        size = len(self.data)
        for rule, changes in (
                (11, {"magic": b"\x89ESP\r\n\x1a\r"}), (12, {"byte_order": 0x0D0C0B0A}),
                (13, {"format_major": 2}), (13, {"format_major": 0}),
                (15, {"file_bytes": size + 1}), (15, {"file_bytes": size - 1}),
                (16, {"required_features": 2**63}), (18, {"header_bytes": 136}),
                (19, {"section_count": 65}),
                (20, {"section_entry_bytes": 64}), (22, {"reserved0": 1}),
                (22, {"reserved1": b"\0" * 23 + b"\1"}),
                (23, {"private_end": self.model.header.private_end + 1}),
                (0, {"format_minor": 7}), (0, {"optional_features": 2**64 - 1})):
            self.both(rule, self.edit_header(**changes), changes)
        none = bytearray(self.data)
        struct.pack_into("<I", none, 44, 0)
        self.both(19, bytes(none), "no sections")
        short = self.edit_header(file_bytes=200)[:200]
        self.both((21, 23), short, "a table beyond the file")
        broken = bytearray(self.data)
        broken[96] ^= 1
        self.both(24, bytes(broken), "checksum")

    def test_table(self):
        for rule, kind, changes in (
                (31, METADATA, {"type": 28, "flags": 1}), (30, STEPS, {"type": MODEL}),
                (30, MODEL, {"type": 0, "flags": 0}), (30, STEPS, {"type": PARTS}),
                (32, STEPS, {"encoding": 2}), (33, STEPS, {"flags": 3}),
                (34, STEPS, {"alignment": 96}), (34, STEPS, {"alignment": 32}),
                (34, STEPS, {"alignment": 2**17}), (35, STEPS, {"alignment": 4096}),
                (36, METADATA, {"bytes": 0}), (36, PROOF, {"bytes": 2**64 - 1}),
                (36, PROOF, {"offset": 2**64 - 64}),
                (37, STEPS, {"offset": 128}),
                (40, NODE_NUMBERS, {"offset": self.entry(NODE_NUMBERS).offset - 64}),
                (43, STEPS, {"reserved": b"\1" + b"\0" * 15}),
                (0, METADATA, {"encoding": 2}), (46, NODES, {"encoding": 2, "flags": 0}),
                (46, TREES, {"encoding": 2, "flags": 0}), (0, STEPS, {"flags": 0})):
            self.both(rule, self.edit_entry(kind, **changes), (kind, changes))

    def test_places(self):
        self.both(0, self.shift(PROOF, 64), "a gap of 64 bytes more than needed")
        self.both(38, self.shift(PROOF, 128), "a gap of 128 bytes more than needed")
        self.both(42, self.longer(), "bytes behind the last section")
        self.both(41, self.draft().file(alignments={NODES: 64}), "NODES with alignment 64")
        self.both(0, self.draft().set(20, b"x").file(flags={20: 0}), "unknown, not required")
        self.both(0, self.draft().set(13, b"x").file(flags={13: 0}), "unknown and private")
        self.both(31, self.draft().set(13, b"x").file(), "unknown and required")
        self.both(0, self.draft().drop(GOLDEN, METADATA, PROOF).file(), "no optional sections")
        hot_last = self.draft().edit(MODEL, 0, number_bytes=0)
        hot_last.drop(NODE_NUMBERS, GOLDEN, METADATA, PROOF)
        self.both(0, hot_last.file(), "LEAVES last")
        data = hot_last.file()
        for size, what in ((len(data) - 64, "no margin"), (len(data) + 64, "two margins")):
            header = Header(*Header.packing.unpack_from(data))._replace(file_bytes=size)
            cut = (compose.pack(header) + data[HEADER_BYTES:] + bytes(64))[:size]
            self.both(42, compose.seal(cut), what)

    def shift(self, kind, by):
        """The file with `by` zero bytes more in front of a section."""
        at = self.entry(kind).offset
        data = bytearray(self.data[:at] + bytes(by) + self.data[at:])
        struct.pack_into("<Q", data, 16, len(data))
        for index, entry in enumerate(self.model.entries):
            if entry.offset >= at:
                place = HEADER_BYTES + ENTRY_BYTES * index + 8
                struct.pack_into("<Q", data, place, entry.offset + by)
        return compose.seal(data)

    def longer(self):
        data = bytearray(self.data + bytes(64))
        struct.pack_into("<Q", data, 16, len(data))
        return compose.seal(data)

    def test_digests(self):
        """Checksums right, digests wrong: only who asks where a file comes from can notice."""
        last = HEADER_BYTES + ENTRY_BYTES * len(self.sections)
        for at, rule in ((64, 25), (HEADER_BYTES + 48, 45), (last - 48, 45)):
            data = bytearray(self.data)
            data[at] ^= 0x10
            data = compose.seal_table(data, root=rule != 25)
            self.assertEqual(self.oracle_rule(data), rule)
            self.assertIn(self.command_rule(data), (rule, None))

    def test_missing_sections(self):
        for kind in (MODEL, STEPS, PARTS, OUTPUTS, COLUMNS, TREES, NODES, LEAVES):
            self.both(46, self.draft().drop(kind).file(), f"without section {kind}")
        for kind in (CONSTANTS, CLASS_LABELS, NODE_NUMBERS):
            rule = (47, 87) if kind == CONSTANTS else 47  # a part's constants do not exist
            self.both(rule, self.draft().drop(kind).file(), f"without section {kind}")
        self.both(73, self.draft().drop(STAGES).file(), "without STAGES")
        self.both(47, self.draft().edit(MODEL, 0, number_bytes=0).file(), "unused NODE_NUMBERS")
        for kind in (MODEL, STEPS, PARTS, STAGES, OUTPUTS, COLUMNS, TREES, CONSTANTS):
            longer = self.sections[kind] + b"\0"
            self.both(48, self.draft().set(kind, longer).file(), f"section {kind} and a byte")
        two = self.draft().set(MODEL, self.sections[MODEL] * 2)
        self.both(48, two.file(), "two records of MODEL")

    def test_order_of_steps(self):
        steps = self.sections[STEPS]
        turned = steps[:16] + steps[32:48] + steps[16:32] + steps[48:]
        self.both(74, self.draft().set(STEPS, turned).file(), "a stage before its part")
        self.both(73, self.draft().set(STEPS, steps[:-16]).file(), "the last stage without a step")
        self.both(72, self.draft().set(STEPS, steps[:48]).file(), "the last part without a step")


class NamesAndLabels(RuleComparison):
    def labels(self):
        return self.sections[CLASS_LABELS]

    def edit_group(self, index, **changes):
        size, at = LabelGroup.packing.size, 8 + LabelGroup.packing.size * index
        old = LabelGroup(*LabelGroup.packing.unpack_from(self.labels(), at))
        assert size == 32
        return self.draft().put(CLASS_LABELS, at, compose.pack(old._replace(**changes))).file()

    def test_names(self):
        names, count = self.sections[FEATURE_NAMES], self.model.record.feature_count
        text = 8 + 4 * count
        for rule, data in (
                (140, names + b"\0"), (140, names[:4]),
                (140, names[:4] + b"\xff" * 4 + names[8:]), ((140, 143), b"\xff" * 16),
                (141, names[:8] + struct.pack("<I", 0) + names[12:]),
                (141, names[:8] + struct.pack("<I", 2**32 - 1) + names[12:]),
                (141, names[:-1] + b"x"), ((141, 143), struct.pack("<2I", 0, 1) + b"\0"),
                (142, names[:text] + b"\xff" + names[text + 1:]),
                (143, compose.string_table(["a"] * (count + 1))),
                (143, compose.string_table(["a"] * (count - 1)))):
            self.both(rule, self.draft().set(FEATURE_NAMES, data).file(), data)
        odd = compose.string_table(["", "a\0b", "\U0001F333"][:count] + ["x"] * (count - 3))
        self.both(0, self.draft().set(FEATURE_NAMES, odd).file(), "odd names")
        surrogate = compose.string_table(["abc"] + ["x"] * (count - 1)).replace(
            b"abc", b"\xed\xa0\x80")
        self.both(142, self.draft().set(FEATURE_NAMES, surrogate).file(), "a surrogate")

    def test_labels(self):
        labels = self.labels()
        self.both(145, self.draft().put(CLASS_LABELS, 0, b"\3").file(), "group_count")
        self.both(145, self.draft().put(CLASS_LABELS, 4, b"\1").file(), "reserved")
        for rule, changes in (
                (6, {"reserved": 1}), (146, {"kind": 0}), (146, {"kind": 6}),
                (147, {"item_bytes": 6}), (147, {"item_bytes": 0}),
                (147, {"kind": BOOL, "item_bytes": 4}), (148, {"count": 0}),
                (149, {"offset": 68}), (149, {"offset": 8}), (149, {"offset": 2**64 - 8}),
                (149, {"bytes": 2**64 - 8}), (150, {"count": 2}),
                (150, {"kind": 1, "item_bytes": 8})):
            self.both(rule, self.edit_group(0, **changes), changes)
        for size in (4, 8, 40, 71):
            self.both(145, self.draft().set(CLASS_LABELS, labels[:size]).file(), size)
        bools = compose.class_labels([(BOOL, 1, [0, 1, 2]), (BOOL, 1, [0, 1])])
        self.both(151, self.draft().set(CLASS_LABELS, bools).file(), "a BOOL of 2")
        bools = compose.class_labels([(BOOL, 1, [0, 1, 1]), (BOOL, 1, [0, 1])])
        self.both(0, self.draft().set(CLASS_LABELS, bools).file(), "BOOL labels")
        counts = compose.class_labels([(BOOL, 1, [0, 1]), (BOOL, 1, [0, 1])])
        self.both(117, self.draft().set(CLASS_LABELS, counts).file(), "too few labels")
        self.both(152, self.draft().set(CLASS_LABELS, labels + b"\0").file(), "a byte behind")
        byte = labels.index(b"\0label") + 1
        broken = self.draft().put(CLASS_LABELS, byte, b"\xff").file()
        self.both(142, broken, "a label that is not UTF-8")


class NodesAndLeaves(RuleComparison):
    def setUp(self):
        super().setUp()
        split = self.model.parts[1].first_tree
        trees = range(len(self.model.trees))
        self.deep = [max(group, key=lambda index: self.model.trees[index].depth)
                     for group in (trees[:split], trees[split:])]

    def edit_node(self, index, position, **changes):
        """A node of a tree changed; the GOLDEN rows stay as they were."""
        tree, part = self.model.trees[index], self.model.part_of(index)
        node = read_nodes(self.model, index)[position]._replace(**changes)
        at = (tree.first_node + position) * part.node_bytes
        if part.node_bytes == 16:
            data = struct.pack("<4I", *node)
        else:
            data = struct.pack("<2I", node.threshold, node.child | node.column << part.child_bits)
        return self.draft().put(NODES, at, data)

    def test_nodes(self):
        columns = len(self.model.columns)
        for index in self.deep:
            tree, part = self.model.trees[index], self.model.part_of(index)
            nodes = read_nodes(self.model, index)
            leaf = next(place for place in range(2, len(nodes)) if nodes[place].column == 0)
            inner = next(place for place in range(2, len(nodes)) if nodes[place].column)
            rows_end = part.leaf_count
            for rule, place, changes in (
                    (160, 0, {"column": columns}), (160, inner, {"column": 2**12 - 1}),
                    (161, leaf, {"child": leaf - 1}), (161, leaf, {"threshold": rows_end}),
                    (161, leaf, {"threshold": 2**32 - 1}), (161, 1, {"child": 0}),
                    (162, 0, {"child": 3}), (162, 0, {"child": 0}), (162, inner, {"child": 2}),
                    (162, 0, {"child": tree.node_count}), (162, 0, {"threshold": 0}),
                    (162, inner, {"threshold": 0x80000000}),
                    (162, inner, {"threshold": 2**32 - 1 - 0xFF800001}),
                    ((163, 165, 176), inner, {"column": 0, "child": inner, "threshold": 0}),
                    (165, 1, {"threshold": 1})):
                if changes.get("column") == 2**12 - 1 and part.node_bytes == 16:
                    changes = {"column": 2**32 - 1}
                self.both(rule, self.edit_node(index, place, **changes).file(),
                          f"tree {index}, position {place}: {changes}")
        wide = self.deep[1]
        self.both(166, self.edit_node(wide, 0, reserved=1).file(), "a wide node's reserved")
        high = 2**self.model.parts[1].child_bits
        child = read_nodes(self.model, wide)[0].child
        self.both(166, self.edit_node(wide, 0, child=child + high).file(), "a wide child")

    def test_tree_counts(self):
        """[F-163] and [F-164] where the sums of MODEL are right."""
        index = self.deep[1]
        tree, record = self.model.trees[index], self.model.record
        draft = self.draft().edit(TREES, index, depth=tree.depth - 1)
        draft.edit(MODEL, 0, visits_per_row=record.visits_per_row - 1)
        self.both(164, draft.file(), "depth too small")
        draft = self.draft().edit(TREES, index, source_node_count=tree.source_node_count + 1)
        draft.edit(MODEL, 0, node_count=record.node_count + 1)
        self.both(163, draft.file(), "a node too many")

    def test_leaves_and_numbers(self):
        leaves, numbers = self.sections[LEAVES], self.sections[NODE_NUMBERS]
        self.both(170, self.draft().set(LEAVES, leaves + bytes(8)).file(), "LEAVES too long")
        self.both(175, self.draft().set(NODE_NUMBERS, numbers + b"\0\0").file(), "too many")
        self.both(175, self.draft().set(NODE_NUMBERS, numbers[:-1]).file(), "too few")
        nodes, tree = read_nodes(self.model, self.deep[0]), self.model.trees[self.deep[0]]
        at, ends = 2 * tree.first_node, []
        for position in preorder(nodes):
            ends += [at + 2 * position] if nodes[position].column == 0 else []
        draft = self.draft().put(NODE_NUMBERS, ends[0], numbers[ends[1]:ends[1] + 2])
        self.both(176, draft.file(), "two leaves of a number")
        self.both(176, self.draft().put(NODE_NUMBERS, 2, b"\x01").file(), "number of a filler")
        self.both(181, self.draft().put(LEAVES, 0, b"\x01" * len(leaves)).file(), "other leaves")

    def test_golden(self):
        golden = self.sections[GOLDEN]
        rows = struct.unpack_from("<I", golden)[0]
        for field in range(4):
            value = struct.unpack_from("<I", golden, 4 * field)[0]
            for new in {0, value + 1, 2**32 - 1}:
                draft = self.draft().put(GOLDEN, 4 * field, struct.pack("<I", new))
                self.both(180, draft.file(), f"GOLDEN's head: {field} is {new}")
        self.both(180, self.draft().set(GOLDEN, golden + bytes(4)).file(), "GOLDEN too long")
        self.both(180, self.draft().set(GOLDEN, golden[:12]).file(), "GOLDEN too short")
        slots = 16 + 8 * rows * self.model.record.feature_count
        for at in (slots, len(golden) - 4):
            flipped = self.draft().put(GOLDEN, at, bytes([golden[at] ^ 1]))
            self.both(181, flipped.file(), f"GOLDEN, byte {at}")


class MasksAndCuts(RuleComparison):
    @classmethod
    def setUpClass(cls):
        cls.sections = compose.mask_model()
        cls.model = Model(compose.lay_out(cls.sections))
        cls.heap, cls.select, cls.walk = (
            max(range(part.first_tree, part.first_tree + part.tree_count),
                key=lambda index: cls.model.trees[index].source_node_count)
            for part in cls.model.parts)

    def test_records(self):
        heap, select = self.heap, self.select
        floats, last = len(self.model.banks[1]), len(self.model.columns) - 1
        code = next(index for index in range(floats, last + 1)
                    if self.model.columns[index].segment == 1)
        self.both(0, self.draft().file(), "the model as it is")
        for rule, kind, index, changes in (
                (81, PARTS, 0, {"node_bytes": 8}), (81, PARTS, 1, {"node_bytes": 4}),
                (82, PARTS, 0, {"child_bits": 16}), (82, PARTS, 1, {"child_bits": 1}),
                (86, PARTS, 1, {"leaf_offset": lambda old: old + 8}),
                (87, CONSTANTS, 0, None), ((81, 93), PARTS, 0, {"bank": 1}),
                (93, PARTS, 1, {"bank": 1}), (93, PARTS, 1, {"bank": 4}),
                (112, OUTPUTS, 0, {"dtype": 3}), (120, COLUMNS, last, {"kind": 2}),
                (124, COLUMNS, last, {"bank": 2}), (127, COLUMNS, last, {"cut_count": 0}),
                (127, COLUMNS, last, {"cut_count": 2**24 + 1}),
                (127, COLUMNS, last, {"first_cut": lambda old: old + 32}),
                (127, COLUMNS, last, {"first_cut": 2**64 - 64}),
                (128, COLUMNS, last, {"segment": 2}),
                (128, COLUMNS, code, {"missing": lambda old: (old + 1) % 5}),
                (128, COLUMNS, code, {"segment": 2**32 - 1}),
                ((130, 131), TREES, heap, {"node_count": 64}),
                ((130, 131), TREES, select, {"node_count": lambda old: old + 8}),
                ((67, 132), TREES, heap, {"source_node_count": 2**31 + 1}),
                ((67, 132), TREES, select, {"source_node_count": lambda old: old - 2}),
                ((66, 131, 133, 137), TREES, heap, {"depth": 9}),
                (137, TREES, heap, {"first_leaf": 2**32 - 1}),
                (137, TREES, select, {"first_leaf": 2**32 - 1}),
                ((131, 137), TREES, select, {"leaf_count": 257}),
                ((131, 137), TREES, select, {"leaf_count": 0})):
            draft = self.draft()
            if changes is None:
                at = 8 * self.model.parts[0].start_index
                draft.put(CONSTANTS, at, struct.pack("<d", 0.1))
            else:
                draft.edit(kind, index, **changes)
            self.both(rule, draft.file(), f"section {kind}, record {index}: {changes}")
        self.both((47, 127), self.draft().drop(CUTS).file(), "without CUTS")
        longer = self.sections[CUTS] + bytes(64)
        self.both(230, self.draft().set(CUTS, longer).file(), "CUTS and 64 bytes")
        one = next(one for one in self.model.columns if one.bank == 2)._replace(segment=0)
        many = self.model.columns[:floats] + [one] * 257 + self.model.banks[3]
        draft = self.draft().set(COLUMNS, compose.pack_all(many))
        self.both(129, draft.edit(STEPS, 0, count=len(many)).file(), "257 columns of bytes")
        without_numbers = self.draft().drop(NODE_NUMBERS).edit(MODEL, 0, number_bytes=0)
        self.both(68, without_numbers.file(), "LEAF of masks without NODE_NUMBERS")

    def test_cuts(self):
        """A list of 300 cuts: 1, 2 and 19 blocks of f32."""
        first = next(one.first_cut for one in self.model.columns if one.cut_count == 300)
        cuts = self.sections[CUTS]
        last = first + 64 * 3
        for rule, at, value in (
                (231, last + 4, float("nan")), (231, last + 8, -1e30),
                (232, first, 1e30), (232, first + 64, 1e30), (233, first + 8, 1e30),
                (233, last + 4 * 300, 1e30), (233, first + 64 + 4 * 19, float("nan"))):
            draft = self.draft().put(CUTS, at, struct.pack("<f", value))
            self.both(rule, draft.file(), f"byte {at - first} of the list: {value}")
        self.assertEqual(len(cuts) % 64, 0)

    def node_of_short_list(self, part, full):
        """A HEAP tree, and a node of it whose segment has less than `full` cuts."""
        bank = self.model.banks[part.bank]
        for index in range(part.first_tree, part.first_tree + part.tree_count):
            columns, thresholds = read_heap(self.model, index)
            for node in range(1, 2**self.model.trees[index].depth):
                column = bank[columns[node]]
                if thresholds[node] != full and column.cut_count < full * (column.segment + 1):
                    return self.model.trees[index], node
        raise AssertionError("every segment is full")

    def test_heap(self):
        index = self.heap
        tree, part = self.model.trees[index], self.model.parts[0]
        _, thresholds = read_heap(self.model, index)
        inner, count, start = 2**tree.depth, tree.node_count, tree.first_node * part.node_bytes
        width, full = part.node_bytes // 2, 256**(part.node_bytes // 2) - 1
        filler = next(node for node in range(1, inner) if thresholds[node] == full)
        node = next(node for node in range(1, inner) if thresholds[node] != full)
        for rule, at, value in (
                (210, node, full), (212, 0, 1), (212, count, 1),
                (212, inner, 1), (212, count + inner, 1), (213, filler, 1),
                ((213, 225), count + 1, full)):
            draft = self.draft().put(NODES, start + width * at, value.to_bytes(width, "little"))
            self.both(rule, draft.file(), f"entry {at} is {value}")
        other, node = self.node_of_short_list(part, full)
        at = other.first_node * part.node_bytes + width * (other.node_count + node)
        draft = self.draft().put(NODES, at, (full - 1).to_bytes(width, "little"))
        self.both(211, draft.file(), "a threshold that is no cut")
        low = filler
        while low < inner:  # the first leaf below the filler
            low *= 2
        numbers = 2 * sum(map(self.model.numbers_of, range(index)))
        at = numbers + 2 * (low + 1 - inner)
        draft = self.draft().put(NODE_NUMBERS, at, b"\xff\xff")
        self.both((176, 213), draft.file(), "a repeated leaf's number")
        at = part.leaf_offset + 4 * part.leaf_width * (tree.first_leaf + low + 1 - inner)
        draft = self.draft().put(LEAVES, at, b"\1\2\3\4")
        self.both(213, draft.file(), "a repeated leaf's value")
        draft = self.draft().edit(TREES, index, source_node_count=lambda old: old - 2)
        draft.edit(MODEL, 0, node_count=lambda old: old - 2)
        self.both(226, draft.file(), "a leaf too few")

    def test_select(self):
        index = self.select
        tree = self.model.trees[index]
        nodes = read_select(self.model, index)
        inner = tree.leaf_count - 1
        last_left = nodes[inner - 1][2]
        for rule, node, field, value in (
                (220, 0, 0, 2**16 - 1), (221, 0, 1, 2**16 - 1), (222, 0, 2, 2**16 - 1),
                (222, 0, 2, 1024), (223, inner - 1, 3, last_left), (224, inner, 0, 1)):
            at = 8 * (tree.first_node + node) + 2 * field
            draft = self.draft().put(NODES, at, struct.pack("<H", value))
            self.both(rule, draft.file(), f"node {node}, field {field} is {value}")
        draft = self.draft().edit(TREES, index, depth=lambda old: old - 1)
        draft.edit(MODEL, 0, visits_per_row=lambda old: old - 1)
        self.both(225, draft.file(), "depth too small")
        at = 2 * sum(map(self.model.numbers_of, range(index)))
        numbers = self.sections[NODE_NUMBERS]
        draft = self.draft().put(NODE_NUMBERS, at, numbers[at + 2:at + 4])
        self.both(176, draft.file(), "two leaves of a number")

    def test_code_thresholds(self):
        """[F-168]"""
        columns, found = self.model.banks[1], 0
        part = self.model.parts[2]
        for index in range(part.first_tree, part.first_tree + part.tree_count):
            for position, node in enumerate(read_nodes(self.model, index)):
                if columns[node.column].kind != 3 or found > 2:
                    continue
                found += 1
                at = part.node_bytes * (self.model.trees[index].first_node + position)
                for value in (columns[node.column].cut_count, 2**31, 2**32 - 1):
                    draft = self.draft().put(NODES, at, struct.pack("<I", 2**32 - 1 - value))
                    self.both(168, draft.file(), f"threshold {value} of a CODE")
        self.assertGreater(found, 0)


class Bits(RuleComparison):
    @classmethod
    def setUpClass(cls):
        cls.sections = compose.bits_model()
        cls.data = compose.lay_out(cls.sections)
        cls.model = Model(cls.data)
        cls.index = max(range(cls.model.parts[0].tree_count),
                        key=lambda index: cls.model.trees[index].source_node_count)
        cls.tree = cls.model.trees[cls.index]
        cls.inner = cls.tree.leaf_count - 1
        cls.columns, cls.thresholds, cls.words = read_bits(cls.model, cls.index)

    def put_byte(self, at, value):
        """A byte of the tree changed: columns from 0, thresholds from 32."""
        return self.draft().put(NODES, 6 * self.tree.first_node + at, bytes([value]))

    def put_words(self, changes):
        """Words of the tree changed, by node."""
        draft = self.draft()
        for node, word in changes.items():
            at = 6 * self.tree.first_node + 64 + 4 * place_of_word(node)
            draft.put(NODES, at, struct.pack("<I", word))
        return draft

    def test_records(self):
        self.both(0, self.data, "the model as it is")
        tree, index = self.tree, self.index
        for rule, kind, at, changes in (
                (80, PARTS, 0, {"layout": 5}), (81, PARTS, 0, {"node_bytes": 8}),
                (81, PARTS, 0, {"node_bytes": 192}), (82, PARTS, 0, {"child_bits": 16}),
                (93, PARTS, 0, {"bank": 1}), (93, PARTS, 0, {"bank": 3}),
                (130, TREES, index, {"first_node": lambda old: old + 32}),
                ((130, 131), TREES, index, {"node_count": 40}),
                ((130, 131), TREES, index, {"node_count": 24}),
                (134, TREES, index, {"slot": 5}), (137, TREES, index, {"leaf_count": 33}),
                (137, TREES, index, {"leaf_count": 0}),
                (137, TREES, index, {"first_leaf": self.model.parts[0].leaf_count - 31}),
                (137, TREES, index, {"first_leaf": 2**32 - 1})):
            draft = self.draft().edit(kind, at, **changes)
            self.both(rule, draft.file(), f"section {kind}, record {at}: {changes}")
        for more in (-2, -1, 1, 2):
            draft = self.draft().edit(TREES, index, source_node_count=lambda old: old + more)
            draft.edit(MODEL, 0, node_count=lambda old: old + more)
            self.both(132, draft.file(), f"source_node_count and {more}")
        draft = self.draft().edit(TREES, index, depth=self.inner + 1)
        draft.edit(MODEL, 0, visits_per_row=lambda old: old + self.inner + 1 - tree.depth)
        self.both(133, draft.file(), "more levels than inner nodes")
        draft = self.draft().drop(NODE_NUMBERS).edit(MODEL, 0, number_bytes=0)
        self.both(68, draft.file(), "LEAF of masks without NODE_NUMBERS")
        numbers = self.sections[NODE_NUMBERS]
        self.both(175, self.draft().set(NODE_NUMBERS, numbers + b"\0\0").file(), "too many")
        at = 2 * sum(map(self.model.numbers_of, range(index)))
        draft = self.draft().put(NODE_NUMBERS, at, numbers[at + 2:at + 4])
        self.both(176, draft.file(), "two leaves of a number")

    def test_work(self):
        """[F-058]: 32 for a BITS tree, as many as there are inner nodes for a SELECT tree. Every
        depth is 0, so that no other limit is in the way. (The command has no such option.)"""
        draft = self.draft().edit(MODEL, 0, visits_per_row=0)
        for index in range(len(self.model.trees)):
            draft.edit(TREES, index, depth=0)
        bits, select = self.model.parts
        work = 32 * bits.tree_count + sum(tree.leaf_count - 1 for tree in
                                          self.model.trees[select.first_tree:])
        self.assertGreater(work, 64)
        with self.assertRaises(Refused) as caught:
            Model(draft.file(), visits_max=(work - 1) // 64)
        self.assertEqual(caught.exception.rule, 58)
        Model(draft.file(), visits_max=-(-work // 64))

    def test_nodes(self):
        inner, banks = self.inner, self.model.banks[2]
        room = {node: banks[self.columns[node]].cut_count - 255 * banks[self.columns[node]].segment
                for node in range(inner)}
        short = next(node for node in room if room[node] < 254)
        for node in (0, inner - 1):
            self.both(214, self.put_byte(node, len(banks)).file(), f"column of node {node}")
            self.both(214, self.put_byte(node, 255).file(), f"column of node {node}")
            self.both(215, self.put_byte(32 + node, 255).file(), f"threshold of node {node}")
        self.both(215, self.put_byte(32 + short, room[short]).file(), "threshold behind the cuts")
        self.both(0, self.put_byte(32 + short, room[short] - 1).file(), "the last cut")
        for at, value in ((inner, 1), (31, 1), (32 + inner, 254), (32 + inner, 0), (63, 0)):
            self.both(217, self.put_byte(at, value).file(), f"byte {at} is {value}")
        draft = self.draft().edit(TREES, self.index, depth=lambda old: old - 1)
        draft.edit(MODEL, 0, visits_per_row=lambda old: old - 1)
        self.both(225, draft.file(), "depth too small")
        draft = self.draft().edit(TREES, self.index, depth=lambda old: old + 1)
        draft.edit(MODEL, 0, visits_per_row=lambda old: old + 1)
        self.both(225, draft.file(), "depth too large")

    def test_words(self):
        """[F-216]"""
        inner, words = self.inner, self.words
        root = words[0]
        right = next(node for node in range(inner) if words[node] & 1 == 0)
        wide = next(node for node in range(inner) if bin(words[node]).count("1") > 2)
        for changes, what in (
                ({0: 0}, "nothing to the left of the root"),
                ({0: 2**(inner + 1) - 1}, "nothing to the right of the root"),
                ({0: 2**32 - 1}, "more than there is to the left of the root"),
                ({inner - 1: 0}, "nothing to the left of the last node"),
                ({right: words[right] | 1}, "a leaf that is of no concern"),
                ({right: words[right] >> 1}, "a run that begins too early"),
                ({right: words[right] << 1}, "a run that begins too late"),
                ({wide: words[wide] & (words[wide] << 1)}, "a run without its first leaf"),
                ({wide: words[wide] & ~(2 * (words[wide] & -words[wide]))}, "two runs"),
                ({0: words[right], right: root}, "two words exchanged"),
                ({inner: 1}, "a word of the first unused node"),
                ({31: 2**31}, "a word of the last unused node"),
                ({31: root}, "the root's word once more"),
                (dict(enumerate(words[1:inner] + [0])), "words one node too early"),
                ({node: words[place_of_word(node)] for node in range(32)},
                 "words in the order of the nodes")):
            self.both(216, self.put_words(changes).file(), what)

    def test_words_bit_by_bit(self):
        """A bit flipped: whether that is another tree, both say the same."""
        found = set()
        for at in range(0, 32 * 32, 11):
            node, bit = divmod(at, 32)
            data = self.put_words({node: self.words[node] ^ 1 << bit}).file()
            rule = self.oracle_rule(data)
            self.assertEqual(self.command_rule(data), rule, (node, bit))
            found.add(rule)
        self.assertEqual(found, {216})


if __name__ == "__main__":
    driver.main()
