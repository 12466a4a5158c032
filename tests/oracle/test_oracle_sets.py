# SPDX-License-Identifier: Apache-2.0
"""Files with SET columns, one for each way to break their rules: the oracle and the command name
the same rule. Standard library only.
"""

import struct

import compose
import oracle_driver as driver
from oracle_predict import read_nodes
from oracle_reader import Model
from oracle_records import BANK_WORD, COLUMNS, NODES, SETS, SET_COLUMN, Column
from test_oracle_rules import Draft, RuleComparison


class Sets(RuleComparison):
    @classmethod
    def setUpClass(cls):
        cls.sections = compose.set_model()
        cls.data = compose.lay_out(cls.sections)
        cls.model = Model(cls.data)
        cls.columns = cls.model.banks[BANK_WORD]
        cls.first = next(index for index, one in enumerate(cls.columns) if one.kind == SET_COLUMN)
        cls.second = next(index for index, one in enumerate(cls.columns) if one.segment == 1)

    def test_columns(self):
        self.both(0, self.data, "the model as it is")
        first, second = self.first, self.second
        for rule, index, changes in (
                (300, first, {"missing": 1}), (120, first, {"kind": 7}), (120, first, {"kind": 9}),
                ((124, 300), first, {"bank": 2}), (121, first, {"feature": 2**20}),
                (127, first, {"cut_count": 0}), (127, first, {"first_cut": 32}),
                (127, first, {"cut_count": 2**24}), (127, first, {"first_cut": 2**40}),
                ((300, 120), first - 1, {"kind": SET_COLUMN, "bank": 2}),
                (301, second, {"segment": 2}), (301, second, {"segment": 2**32 - 1}),
                (301, second, {"feature": lambda old: 1 - min(old, 1)}),
                (0, second, {"segment": 0}),  # two lists of a word each, with as many rows
                (301, first, {"segment": 1})):
            draft = self.draft().edit(COLUMNS, index, **changes)
            self.both(rule, draft.file(), f"column {index}: {changes}")

    def test_order(self):
        """[F-300]: behind all others of the bank."""
        size = Column.packing.size
        records = [self.sections[COLUMNS][at:at + size]
                   for at in range(0, len(self.sections[COLUMNS]), size)]
        before = self.first - 1
        records[before], records[self.first] = records[self.first], records[before]
        if self.columns[self.first + 1].segment:
            records[self.first:self.first + 2] = records[self.first:self.first + 2][::-1]
        draft = self.draft().set(COLUMNS, b"".join(records))
        self.both(300, draft.file(), "a set in front of another column")

    def test_section(self):
        sets = self.sections[SETS]
        self.both(47, self.draft().drop(SETS).file(), "no SETS")
        for data in (sets + bytes(4), sets[:-4], sets + b"\0", sets[:4], sets * 2):
            self.both(302, self.draft().set(SETS, data).file(), f"{len(data)} bytes of SETS")
        without = compose.full_model()
        self.both(47, Draft(without).set(SETS, bytes(64)).file(), "SETS without SET columns")
        self.both(31, compose.lay_out({**without, 41: bytes(64)}, flags={41: 1}), "section 41")

    def test_nodes(self):
        """[F-303], and no other rule for the bits of a set's threshold."""
        kinds = [one.kind for one in self.columns]
        index, node = next((index, nodes[0]) for index, nodes in (
            (index, read_nodes(self.model, index)) for index in range(len(self.model.trees)))
                           if kinds[nodes[0].column] == SET_COLUMN)
        part = self.model.part_of(index)
        at = part.node_bytes * self.model.trees[index].first_node
        for bit in (2**31, 2**31 + 31):
            draft = self.draft().put(NODES, at, struct.pack("<I", bit))
            self.both(0, draft.file(), f"threshold {bit}")
        for bit in (0, 31, 2**31 - 1, 2**31 + 32, 2**32 - 1):
            draft = self.draft().put(NODES, at, struct.pack("<I", bit))
            self.both(303, draft.file(), f"threshold {bit}, column {node.column}")


if __name__ == "__main__":
    driver.main()
