# SPDX-License-Identifier: Apache-2.0
"""COVER: what the trainers' own files say of their nodes, what the oracle and the command read of
it, and files that break each of its rules. Standard library only.
"""

import collections
import json
import math
import struct

import oracle_driver as driver
from oracle_cover import HEAD, HESSIANS, ROWS, WEIGHTS, read_covers, values_of
from oracle_driver import FIXTURES
from oracle_reader import Model
from oracle_records import COVER, round_to_float32
from test_oracle_rules import RuleComparison

XGBOOST = ("xgboost-3.4.1/classes.json", "xgboost-3.4.1/dart.json", "xgboost-1.0.2/binary.json",
           "xgboost-1.0.2/regression.json")
EXAMPLE = FIXTURES.parent.parent / "docs" / "example" / "stump.pkl"
LIGHTGBM = ("lightgbm-4.7.0/binary.txt", "lightgbm-4.7.0/categorical.txt",
            "lightgbm-4.7.0/multiclass.txt", "lightgbm-4.7.0/linear.txt",
            "lightgbm-4.7.0/forest.txt")


def of_xgboost(path):
    """The second derivatives at the nodes of each feature, as the model's JSON has them."""
    covers = collections.defaultdict(list)
    learner = json.loads(path.read_text())["learner"]
    booster = learner["gradient_booster"]
    for tree in booster.get("gbtree", booster)["model"]["trees"]:
        for node, left in enumerate(tree["left_children"]):
            if left != -1:
                covers[tree["split_indices"][node]].append(
                    round_to_float32(tree["sum_hessian"][node]))
    return {feature: math.fsum(counts) for feature, counts in covers.items()}


def of_lightgbm(path):
    """The rows at the nodes of each feature, as the model's text has them."""
    covers, features = collections.Counter(), []
    for line in path.read_text().splitlines():
        key, _, text = line.partition("=")
        if key == "split_feature":
            features = list(map(int, text.split()))
        elif key == "internal_count":
            for feature, count in zip(features, text.split()):
                covers[feature] += int(count)
    return dict(covers)


class Covers(RuleComparison):
    @classmethod
    def setUpClass(cls):
        cls.sections = None

    def open(self, name):
        path = self.convert(FIXTURES / name)
        self.data = path.read_bytes()
        self.model = Model(self.data)
        self.sections = self.model.sections
        self.both(0, self.data, f"{name} as it is")
        return path

    def info(self, path):
        cover = json.loads(self.ok("info", path, "--json"))["cover"]
        return cover and (cover["unit"], {int(value): number
                                          for value, number in cover["values"].items()})

    def compare(self, name, unit, word, expected):
        """The oracle's and the command's covers, bit for bit; and those of the trainer's file."""
        path = self.open(name)
        found_unit, covers = read_covers(self.model)
        self.assertEqual((found_unit, sorted(covers)), (unit, sorted(expected)), name)
        for value, cover in covers.items():
            # Second derivatives are added up in another order.
            self.assertTrue(math.isclose(cover, expected[value], rel_tol=1e-12), (name, value))
            self.assertTrue(unit == HESSIANS or cover == expected[value], (name, value))
        self.assertEqual(self.info(path), (word, {value: cover for value, cover in covers.items()
                                                  if cover != 0}), name)

    def test_trainers(self):
        for name in XGBOOST:
            self.compare(name, HESSIANS, "hessians", of_xgboost(FIXTURES / name))
        for name in LIGHTGBM:
            self.compare(name, ROWS, "rows", of_lightgbm(FIXTURES / name))

    def test_units(self):
        """Trees of scikit-learn count weights, its histograms rows; together they say nothing."""
        self.compare(EXAMPLE, WEIGHTS, "weights", {0: 5.0})
        for name, unit in (("sklearn-1.9.1/missing_tree.pkl", WEIGHTS),
                           ("ensembles-1.9.1/bagging_histogram.joblib", ROWS)):
            self.open(name)
            self.assertEqual(read_covers(self.model)[0], unit, name)
        path = self.open("ensembles-1.9.1/voting.joblib")
        self.assertIsNone(read_covers(self.model))
        self.assertIsNone(self.info(path))

    def test_rules(self):
        """[F-510], [F-511], [F-512]; [F-514] says when there is no COVER."""
        self.open("lightgbm-4.7.0/binary.txt")
        cover, count = self.sections[COVER], len(values_of(self.model))
        self.both(0, self.draft().drop(COVER).file(), "no COVER")
        for data in (cover + bytes(8), cover[:-8], cover[:HEAD.size], cover[:4], cover + b"\0"):
            self.both(510, self.draft().set(COVER, data).file(), f"{len(data)} bytes of COVER")
        for head in ((0, 0), (4, 0), (2**32 - 1, 0), (ROWS, 1)):
            self.both(511, self.draft().put(COVER, 0, HEAD.pack(*head)).file(), f"head {head}")
        for number in (math.nan, math.inf, -math.inf):
            for index in (0, count - 1):
                at = HEAD.size + 8 * index
                data = self.draft().put(COVER, at, struct.pack("<d", number)).file()
                self.both(512, data, f"cover {index} is {number}")
        for number in (-1.0, 0.0, 5e-324, 1.7e308):
            data = self.draft().put(COVER, HEAD.size, struct.pack("<d", number)).file()
            self.both(0, data, f"cover 0 is {number}")

    def test_shown_whatever_it_holds(self):
        """[F-513]: a file that nobody verified shows what there is, and predicts as before."""
        self.open("lightgbm-4.7.0/binary.txt")
        cover = self.sections[COVER]
        values = values_of(self.model)
        first = read_covers(self.model)[1][values[0]]
        path = self.folder / "changed.espalier"
        for data, expected in ((cover[:HEAD.size + 8], ("rows", {values[0]: first})),
                               (cover[:HEAD.size], ("rows", {})), (cover[:4], None),
                               (HEAD.pack(9, 0) + cover[8:], None),
                               (cover + bytes(800), ("rows", read_covers(self.model)[1]))):
            path.write_bytes(self.draft().set(COVER, data).file())
            self.assertEqual(self.info(path), expected, f"{len(data)} bytes of COVER")
        path.write_bytes(self.draft().put(COVER, 8, struct.pack("<d", math.nan)).file())
        self.assertNotIn(values[0], self.info(path)[1])


if __name__ == "__main__":
    driver.main()
