# SPDX-License-Identifier: Apache-2.0
"""Files with linear leaves, one for each way to break their rules: the oracle and the command name
the same rule; and what both answer, also where LINEAR lies. Standard library only.
"""

import math
import struct

import compose
import oracle_driver as driver
from oracle_driver import FIXTURES
from oracle_linear import LEAF, TERM, check_linear
from oracle_predict import predict
from oracle_reader import Model
from oracle_records import (ARITHMETIC32, CONSTANTS, FLUSHED_VALUES, FLUSH_TINY, LEAVES, LINEAR,
                            LINEAR_SUM, MARGIN, MODEL, PARTS, STAGES, TREES, VALUES_OF_ROW,
                            Refused)
from test_oracle_rules import Draft, RuleComparison

ROWS = [[0.5, -1.0, 2.0, 0.25, -0.5, 1.0], [math.nan] * 6, [math.inf, -math.inf] * 3,
        [0.0, 1e-36, -1e-36, 1e300, -1e300, 5e-324], [0.5, math.nan, 2.0, 0.25, math.nan, 1.0],
        [0.1, -1.0000000001e-35, 1.00000001e-35, 3.4028235677973366e38, 1e-3, 1 / 3]]


class Linear(RuleComparison):
    @classmethod
    def setUpClass(cls):
        cls.sections = None

    def setUp(self):
        super().setUp()
        path = self.convert(FIXTURES / "lightgbm-4.7.0" / "linear_classes.txt")
        self.data = path.read_bytes()
        self.model = Model(self.data)
        self.sections = self.model.sections
        kinds = [stage.operation for stage in self.model.stages]
        self.values, self.sums = kinds.index(VALUES_OF_ROW), kinds.index(LINEAR_SUM)

    def constant(self, stage, index, value):
        at = self.model.stages[stage].table + index
        return self.draft().put(CONSTANTS, 8 * at, struct.pack("<d", value)).file()

    def test_stages(self):
        """[F-460], [F-461]"""
        self.both(0, self.data, "the model as it is")
        for value in (-1.0, 0.5, 6.0, 2.0**32, math.nan, math.inf):
            self.both(460, self.constant(self.values, 0, value), f"feature {value}")
        for index, value in ((0, 1.0), (0, -1.0), (0, 0.5), (1, 0.0), (1, 2.0**24 + 1), (1, 1.5),
                             (1, math.nan), (2, 3.0), (2, -1.0), (2, 0.25), (0, math.inf)):
            self.both(461, self.constant(self.sums, index, value), f"constant {index} is {value}")
        self.both(101, self.draft().edit(STAGES, self.values, input_slot=1).file(), "input_slot")
        for kind, changes in ((PARTS, {"start": 1}), (PARTS, {"divisor": 2})):
            self.both(461, self.draft().edit(kind, 0, **changes).file(), f"{changes}")
        self.both(461, self.draft().edit(TREES, 1, slot=0).file(), "two trees of a slot")

    def test_work(self):
        """[F-462]: a file whose linear leaves ask for more than the reader's limit."""
        count = len(self.model.trees) * (self.model.stages[self.sums].slot_count + 1)
        path = self.folder / "model.espalier"
        path.write_bytes(self.data)
        self.assertGreater(count, 0)
        with self.assertRaises(Refused) as caught:
            check_linear(self.model, count // 64 - 1)
        self.assertEqual(caught.exception.rule, 462)

    def test_section(self):
        """[F-463]"""
        linear = self.sections[LINEAR]
        self.both(47, self.draft().drop(LINEAR).file(), "no LINEAR")
        for data in (linear + bytes(8), linear[:-8], linear[:24], linear[:LEAF.size * 3]):
            self.both(463, self.draft().set(LINEAR, data).file(), f"{len(data)} bytes of LINEAR")
        self.both(466, self.draft().set(LINEAR, linear + bytes(16)).file(), "a term too many")
        without = compose.full_model()
        self.both(47, Draft(without).set(LINEAR, bytes(64)).file(), "LINEAR without its stage")

    def test_terms(self):
        """[F-466], [F-465]"""
        leaves, places = self.model.linear_leaves, self.model.stages[self.sums].slot_count
        first = LEAF.size * leaves
        for at, packed, what in (
                (16, struct.pack("<I", 1), "the first term"), (20, struct.pack("<I", 99), "terms"),
                (first + 8, struct.pack("<I", places), "a place"),
                (first + 8, struct.pack("<I", 2**32 - 1), "a place far away"),
                (first + 12, struct.pack("<I", 1), "reserved"),
                (16, struct.pack("<II", 2**32 - 1, 2**32 - 1), "all terms")):
            draft = self.draft().put(LINEAR, at, packed)
            self.both(466, draft.file(), what)
            self.answers_alike(draft.file(), what)

    def test_numbers(self):
        """[F-467], [F-465]"""
        for value in (-1.0, 0.5, 255.0, math.nan, math.inf, 2.0**63):
            draft = self.draft().put(LEAVES, 0, struct.pack("<d", value))
            self.both(467, draft.file(), f"leaf number {value}")
            self.answers_alike(draft.file(), f"leaf number {value}")

    def test_values(self):
        """[F-464], [F-465]"""
        self.answers_alike(self.data, "the model as it is")
        coefficient = LEAF.size * self.model.linear_leaves
        for value in (0.0, math.inf, math.nan, 5e-324):
            draft = self.draft().put(LINEAR, coefficient, TERM.pack(value, 0, 0))
            self.answers_alike(draft.file(), f"coefficient {value}")

    def test_other_values(self):
        """[F-474]: operations and types of values, in a model that flushes nothing itself; and of
        a constant of 0 and a coefficient of 1 what is left of a value."""
        rule = self.model.record.input_rule & ~FLUSH_TINY
        plain = self.draft().edit(MODEL, 0, input_rule=rule)
        leaf = LEAF.pack(0.0, 0.0, 0, 1)
        seen = set()
        for term in range(self.model.stages[self.values].slot_count):
            for changes in ({}, {"operation": FLUSHED_VALUES},
                            {"operation": FLUSHED_VALUES, "arithmetic": ARITHMETIC32}):
                draft = Draft(plain.sections).edit(STAGES, self.values, **changes)
                for index in range(self.model.linear_leaves):
                    draft.put(LINEAR, LEAF.size * index, leaf)
                draft.put(LINEAR, LEAF.size * self.model.linear_leaves, TERM.pack(1.0, term, 0))
                seen.add(tuple(self.answers_alike(draft.file(), f"value {term}, {changes}")))
        self.assertGreater(len(seen), 3)
        flushed = Draft(self.sections).edit(STAGES, self.values, operation=FLUSHED_VALUES)
        at = 8 * self.model.stages[self.values].table
        self.both(460, flushed.put(CONSTANTS, at, struct.pack("<d", 6.0)).file(), "feature 6")
        self.both(103, self.draft().edit(STAGES, self.values, arithmetic=1).file(), "arithmetic 1")

    def answers_alike(self, data, what):
        path, rows, found = (self.folder / name for name in ("m.espalier", "r.npy", "f.npy"))
        path.write_bytes(data)
        rows.write_bytes(driver.write_npy(ROWS))
        self.ok("predict", path, rows, "--output", "margin", "-o", found)
        answers = list(map(driver.comparable, driver.read_array_npy(found.read_bytes())))
        self.same(answers, driver.flat(predict(Model(data), MARGIN, ROWS)), what)
        return answers


if __name__ == "__main__":
    driver.main()
