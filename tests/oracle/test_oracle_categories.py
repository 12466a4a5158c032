# SPDX-License-Identifier: Apache-2.0
"""CATEGORIES, with each way to break its rules: the oracle and the command name the same rule; what
strings are numbers of ([F-446], [F-447]). Standard library only.
"""

import math
import struct

import compose
import oracle_driver as driver
from oracle_categories import number_of
from oracle_reader import Model
from oracle_records import CATEGORIES, CategoryList, Refused
from test_oracle_rules import RuleComparison

FIRST = ("b", "", "ba", "a", "\u00e4")
SECOND = ("yes", "no")


def categories(lists, strings, order):
    records = b"".join(CategoryList.packing.pack(*one) for one in lists)
    return (struct.pack("<2I", len(lists), len(order)) + records
            + struct.pack(f"<{len(order)}I", *order) + compose.string_table(strings))


class Categories(RuleComparison):
    @classmethod
    def setUpClass(cls):
        cls.sections = compose.full_model()
        cls.data = compose.lay_out(cls.sections)

    def check(self, rule, lists, order=(1, 3, 0, 2, 4, 1, 0), strings=FIRST + SECOND, what=""):
        data = categories(lists, strings, order)
        self.both(rule, self.draft().set(CATEGORIES, data).file(), f"{lists} {what}")

    def test_rules(self):
        first, second = (0, 0, 0, 5, -1.0), (1, 1, 5, 2, math.nan)
        self.check(0, (first, second))
        for rule, lists in (
                (441, ((1, *first[1:]), second)), (441, (first, (2**20, *second[1:]))),
                (441, ((2, *first[1:]), second)), (443, (first, (1, 2, *second[2:]))),
                (442, (first, (1, 1, 4, 2, 0.0))), ((442, 444), (first, (1, 1, 5, 1, 0.0))),
                (442, (first, (1, 1, 5, 3, 0.0))), (442, (first, (1, 1, 5, 0, 0.0))),
                (442, (first,)), (440, ())):
            self.check(rule, lists)
        for order in ((3, 1, 0, 2, 4, 1, 0), (1, 3, 0, 2, 5, 1, 0), (1, 3, 0, 2, 2, 1, 0),
                      (1, 3, 0, 2, 4, 0, 1), (1, 3, 0, 2, 4, 1, 2**32 - 1)):
            self.check(444, (first, second), order, what=str(order))
        self.check(440, (first, second), strings=FIRST + SECOND + ("more",))
        data = categories((first, second), FIRST + SECOND, (1, 3, 0, 2, 4, 1, 0))
        for bad, rule in ((data + b"\0", 140), (data[:60], 440), (data[:4], 440)):
            self.both(rule, self.draft().set(CATEGORIES, bad).file(), f"{len(bad)} bytes")

    def test_numbers(self):
        data = categories(((0, 0, 0, 5, -1.0), (1, 1, 5, 2, math.nan)), FIRST + SECOND,
                          (1, 3, 0, 2, 4, 1, 0))
        model = Model(self.draft().set(CATEGORIES, data).file())
        for number, text in enumerate(FIRST):
            self.assertEqual(number_of(model, 0, text.encode()), number)
        self.assertEqual(number_of(model, 0, b"bab"), -1.0)
        self.assertTrue(math.isnan(number_of(model, 0, None)))
        self.assertEqual(number_of(model, 1, b"no"), 1.0)
        with self.assertRaises(Refused) as refused:
            number_of(model, 1, b"maybe")
        self.assertEqual(refused.exception.rule, 447)


if __name__ == "__main__":
    driver.main()
