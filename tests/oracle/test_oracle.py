# SPDX-License-Identifier: Apache-2.0
"""The oracle, the command and the trainer give the same bits; both readers refuse damage.

Models are fixtures that the command converts, and models put together by compose.py. With
test_oracle_rules.py this is the evidence that docs/format.md is complete. Standard library only.
"""

import csv
import math
import pathlib
import random
import subprocess
import sys
import unittest

import compose
import oracle_driver as driver
from oracle import KINDS, is_narrow, read_npy
from oracle_categories import number_of
from oracle_driver import Comparison, flat, run
from oracle_predict import inexact_slots, predict, ulp_of
from oracle_reader import Model, list_gaps
from oracle_records import (BITS, CLASS, CUTS, ENTRY_BYTES, GOLDEN, HEADER_BYTES, HEAP, LEAF,
                            METADATA, NODES, NODE_NUMBERS, SELECT, SETS, STAGES, WALK, Refused)
from oracle_verify import verify
from xxh3 import xxh3_64, xxh3_128

ORACLE = pathlib.Path(__file__).resolve().parent / "oracle.py"
EXAMPLE = pathlib.Path(__file__).resolve().parent.parent.parent / "docs" / "example" / "stump.pkl"

# One of each kind of model per version; containers of models are another test's business.
VERSIONS = ("0.22.2.post1", "1.3.2", "1.4.2", "1.9.1")
CONTAINERS = ("small_", "wrapped_", "container_", "two_forests")
ELSEWHERE = ("sklearn-1.2.2/tree_150_classes.pkl", "sklearn-1.2.2/forest_300_features.joblib",
             "sklearn-1.6.1/extra_classifier.joblib", "sklearn-0.24.2/forest_10_weighted.joblib",
             "sklearn-1.0.2/tree_best_first.pkl", "lightgbm-4.7.0/categorical.txt",
             "xgboost-3.4.1/categorical.ubj", "boosting-1.9.1/histogram_categories.joblib")
LAYERED = ("sklearn-1.4.2/forest_regressor.joblib", "sklearn-1.9.1/missing_tree.pkl",
           "lightgbm-4.7.0/binary.txt", "lightgbm-4.7.0/multiclass.txt",
           "lightgbm-4.7.0/missing_zero.txt", "lightgbm-4.7.0/forest.txt",
           "xgboost-1.0.2/binary.json",
           "xgboost-1.0.2/multiclass.json", "xgboost-1.0.2/one_leaf.json",
           "xgboost-1.0.2/regression.json")
LAYOUTS = {"walk": WALK, "heap": HEAP, "select": SELECT, "bits": BITS}
RANDOM_MODELS = 60
ROWS_MAX = 64


def is_chosen(line):
    name = pathlib.Path(line.path).name
    if line.path in ELSEWHERE:
        return True
    if line.version == VERSIONS[0] and "tree" not in name:  # forests as in 1.3, but for NaN
        return False
    return line.version in VERSIONS and line.cases != "-" and not name.startswith(CONTAINERS)


def is_layered(line):
    """The models of test_layouts."""
    return line.path in LAYERED and line.select == "-"


class Xxh3(unittest.TestCase):
    """Vectors of the xxHash project: its sanity buffer cut to a length, without seed."""

    VECTORS_64 = {
        0: 0x2D06800538D394C2, 1: 0xC44BDFF4074EECDB, 6: 0x27B56A84CD2D7325,
        12: 0xA713DAF0DFBB77E7, 24: 0xA3FE70BF9D3510EB, 48: 0x397DA259ECBA1F11,
        80: 0xBCDEFBBB2C47C90A, 195: 0xCD94217EE362EC3A, 403: 0xCDEB804D65C6DEA4,
        512: 0x617E49599013CB6B, 2048: 0xDD59E2C3A5F038E0, 2240: 0x6E73A90539CF2948,
        2367: 0xCB37AEB9E5D361ED}
    VECTORS_128 = {  # low half, high half
        0: (0x6001C324468D497F, 0x99AA06D3014798D8), 1: (0xC44BDFF4074EECDB, 0xA6CD5E9392000F6A),
        6: (0x3E7039BDDA43CFC6, 0x082AFE0B8162D12A), 12: (0x061A192713F69AD9, 0x6E3EFD8FC7802B18),
        24: (0x1E7044D28B1B901D, 0x0CE966E4678D3761), 48: (0xF942219AED80F67B, 0xA002AC4E5478227E),
        81: (0x5E8BAFB9F95FB803, 0x4952F58181AB0042), 222: (0xF1AEBD597CEC6B3A, 0x337E09641B948717),
        403: (0xCDEB804D65C6DEA4, 0x1B6DE21E332DD73D),
        512: (0x617E49599013CB6B, 0x18D2D110DCC9BCA1),
        2048: (0xDD59E2C3A5F038E0, 0xF736557FD47073A5),
        2240: (0x6E73A90539CF2948, 0xCCB134FBFA7CE49D),
        2367: (0xCB37AEB9E5D361ED, 0xE89C0F6FF369B427)}

    def test_vectors(self):
        generator, buffer = 2654435761, bytearray()
        for _ in range(2367):
            buffer.append(generator >> 56)
            generator = generator * 11400714785074694797 % 2**64
        for size, expected in self.VECTORS_64.items():
            self.assertEqual(xxh3_64(bytes(buffer[:size])), expected, size)
        for size, expected in self.VECTORS_128.items():
            self.assertEqual(xxh3_128(bytes(buffer[:size])), expected, size)


def number_field(model, feature, text):
    """What a field of a CSV file is in a row."""
    if feature not in model.categories:
        return float(text) if text else math.nan
    is_missing = not text and b"" not in model.categories[feature][0]
    return number_of(model, feature, None if is_missing else text.encode())


def read_rows(model, path):
    """Rows of a file, and whether they are float32."""
    data = path.read_bytes()
    if path.suffix != ".csv":
        return read_npy(data), is_narrow(data)
    lines = csv.reader(data.decode().splitlines())
    return [[number_field(model, i, text) for i, text in enumerate(line)] for line in lines], False


class Fixtures(Comparison):
    """Real models: the oracle against the command and against the trainer's stored answers."""

    def command_answers(self, path, rows, kind, *options):
        out = self.folder / "answers.npy"
        self.ok("predict", path, rows, "--output", kind, "-o", out, *options)
        return list(map(driver.comparable, driver.read_array_npy(out.read_bytes())))

    def compare(self, model, path, folder, case):
        for name in case.row_files:
            rows, narrow = read_rows(model, folder / name)
            for index, (kind, answers) in enumerate(case.answers.items()):
                stored = driver.read_array_npy((folder / answers).read_bytes())
                stored = list(map(driver.comparable, stored))
                found = flat(predict(model, KINDS[kind.upper()], rows[:ROWS_MAX],
                                     narrow=narrow))
                self.same(found, stored[:len(found)], f"{name} {kind}, the trainer")
                if len(rows) <= ROWS_MAX:
                    self.assertEqual(len(found), len(stored))
                if name == case.row_files[0] or index == 0:  # a program to start each time
                    command = self.command_answers(path, folder / name, kind)
                    self.same(command, stored, f"{name} {kind}, the command")
                self.compared += len(found)

    def compare_refused(self, model, path, folder, case):
        """Rows that are refused, and what they give unchecked ([F-241], [F-242])."""
        rows_path = folder / case.row_files[0]
        kind = {0: "class", 1: "value"}[not model.labels]
        with self.assertRaises(Refused) as caught:
            rows, narrow = read_rows(model, rows_path)
            predict(model, KINDS[kind.upper()], rows, narrow=narrow)
        self.assertIn(caught.exception.rule, (241, 242, 383, 447))
        self.assertEqual(run("predict", path, rows_path)[0], 1)
        if caught.exception.rule not in (241, 447):
            for name in (kind, "leaf"):
                found = flat(predict(model, KINDS[name.upper()], rows, checked=False,
                                     narrow=narrow))
                command = self.command_answers(path, rows_path, name, "--unchecked")
                self.same(found, command, f"{rows_path.name} {name}")
                self.compared += len(found)

    def test_fixtures(self):
        self.compared, models = 0, {}
        for line in filter(is_chosen, driver.read_manifest()):
            with self.subTest(path=line.path):
                source = driver.FIXTURES / line.path
                path = self.convert(source, line.select)
                model = Model(path.read_bytes())
                if line.path not in models:
                    verify(model)
                    self.ok("verify", path)
                models[line.path] = model
                for case in driver.read_cases(line):
                    compare = self.compare_refused if case.refused else self.compare
                    compare(model, path, source.parent, case)
        self.assertGreaterEqual(len(models), 150)
        self.assertGreater(self.compared, 100000)
        # The choice above has what it should have.
        self.assertTrue(any(STAGES in one.sections for one in models.values()))
        self.assertTrue(any(NODE_NUMBERS in one.sections for one in models.values()))
        self.assertTrue(any(one.record.group_count > 1 for one in models.values()))
        self.assertTrue(any(stage.slot_count > 128
                            for one in models.values() for stage in one.stages))
        self.assertEqual({labels.kind for one in models.values() for labels in one.labels},
                         {1, 2, 3, 4, 5})

    def test_layouts(self):
        """Forests of three trainers in every layout that holds them."""
        self.compared, layouts, refused = 0, set(), set()
        for line in filter(is_layered, driver.read_manifest()):
            for layout in ("walk", "mask", "heap", "select", "bits"):
                source = driver.FIXTURES / line.path
                options = "convert", source, "-o", self.folder / "model.espalier"
                code, _, error = run(*options, "--layout", layout)
                if code != 0:
                    self.assertNotEqual(layout, "walk", error)
                    self.assertIn("layout cannot hold it", error)
                    refused.add(layout)
                    continue
                with self.subTest(path=line.path, layout=layout):
                    path = self.folder / "model.espalier"
                    model = Model(path.read_bytes())
                    verify(model)
                    layouts.add((line.path.split("-")[0], model.parts[0].layout))
                    if layout in LAYOUTS:
                        self.assertEqual({part.layout for part in model.parts}, {LAYOUTS[layout]})
                    case = driver.read_cases(line)[0]
                    answers = dict(list(case.answers.items())[:2])
                    self.compare(model, path, source.parent, case._replace(answers=answers))
        self.assertEqual(layouts, {(trainer, layout) for layout in (1, 2, 3, 4)
                                   for trainer in ("sklearn", "xgboost", "lightgbm")})
        self.assertIn("bits", refused)  # for trees of more than 32 leaves
        self.assertGreater(self.compared, 10000)

    def test_iterations(self):
        """[F-247]: a range of iterations divides by its own length."""
        path = self.convert(driver.FIXTURES / "sklearn-1.4.2" / "forest_regressor.joblib")
        rows_path = driver.FIXTURES / "sklearn-1.4.2" / "forest_regressor.rows64.npy"
        model, rows = Model(path.read_bytes()), read_npy(rows_path.read_bytes())
        count = model.parts[0].iteration_count
        self.assertGreater(count, 2)
        for first, end in ((0, 1), (1, count), (count - 1, count), (0, count)):
            found = flat(predict(model, KINDS["VALUE"], rows, (first, end - first)))
            command = self.command_answers(path, rows_path, "value", "--iterations",
                                           f"{first}:{end}")
            self.same(found, command, f"{first}:{end}")
        for first, end in ((0, 0), (0, count + 1), (count, count + 1)):
            with self.assertRaises(Refused):
                predict(model, KINDS["VALUE"], rows, (first, end - first))
            self.assertNotEqual(run("predict", path, rows_path, "--iterations",
                                    f"{first}:{end}")[0], 0)


class RandomModels(Comparison):
    """Models that mix what no converter mixes; golden rows hold the oracle's own answers.

    All numbers are packed as little-endian by name ([F-004]); thresholds, leaf values, constants
    and rows hold negative zero and denormal numbers, thresholds and rows infinities, rows NaN
    ([F-005]).
    """

    def test_random_models(self):
        seen, stages, decisions, with_golden = set(), set(), set(), 0
        for seed in range(RANDOM_MODELS):
            with self.subTest(seed=seed):
                sections, rows = compose.random_model(seed)
                with_golden += GOLDEN in sections
                data = compose.lay_out(sections)
                self.assertEqual((self.oracle_rule(data), self.command_rule(data)), (0, 0))
                model = Model(data)
                seen.update((part.layout, part.node_bytes, part.accumulator)
                            for part in model.parts)
                stages.update(stage.operation for stage in model.stages)
                decisions.update(output.decision for output in model.outputs)
                self.compare(model, data, rows)
        self.assertEqual(stages, set(compose.COMPOSED))
        self.assertEqual(decisions, set(range(6)))
        self.assertEqual(seen, {(layout, size, accumulator) for accumulator in (1, 2)
                                for layout, size in ((1, 8), (1, 16), (2, 2), (2, 4), (3, 8),
                                                     (4, 6))})
        self.assertGreaterEqual(with_golden, RANDOM_MODELS // 2)

    def test_empty_bank(self):
        """BITS and HEAP parts whose bank has no columns: their trees are of one leaf (15.2)."""
        for seed in range(4):
            composer = compose.Composer(seed)
            composer.number_bytes = 2
            composer.add_part(2, 0, 0, layout=BITS, one_leaf=True)
            composer.add_part(3, 1, 0)
            composer.add_part(4, 1, 2, layout=HEAP, one_leaf=True)
            data = compose.lay_out(composer.sections([3, 2]))
            self.assertEqual((self.oracle_rule(data), self.command_rule(data)), (0, 0))
            self.compare(Model(data), data, compose.random_rows(
                composer.chance, 40, composer.feature_count))

    def test_any_sets(self):
        """Words of sets are what they are, and any cuts lead to one of them ([F-304], [F-306])."""
        sections = compose.set_model()
        chance = random.Random(5)
        rows = compose.random_rows(chance, 30, 6)
        for kind in (SETS, CUTS):
            for _ in range(3):
                noise = bytes(chance.randrange(256) for _ in sections[kind])
                data = compose.lay_out({**sections, kind: noise})
                model = Model(data)
                self.compare(model, data, [row[:model.record.feature_count] for row in rows])

    def test_words_of_no_tree(self):
        """What BITS words and thresholds say is done, whatever they say (15.4): a file may change
        after verify. Which number a leaf has that the tree does not have, is not said: [F-227]."""
        refused = set()
        for seed in range(20):
            composer = compose.Composer(seed, seed % 16, mixed=True)
            composer.number_bytes = 2
            if seed % 2 == 0:
                composer.bits_leaves = (32,)
            composer.add_part(3, 1, 0, layout=BITS)
            sections = composer.sections([3, 2])
            nodes = bytearray(sections[NODES])
            for tree in range(0, len(nodes), 192):
                for at in range(tree + 32, tree + 192):  # thresholds and words
                    if composer.chance.random() < (1.0 if seed % 3 == 0 else 0.02):
                        nodes[at] ^= composer.chance.choice((1 << at % 8, 255))
            sections[NODES] = bytes(nodes)
            data = compose.lay_out(sections)
            rules = self.oracle_rule(data), self.command_rule(data)
            self.assertTrue(all(rule in (215, 216, 217, 225) for rule in rules), (seed, rules))
            refused.update(rules)
            model = Model(data)
            if seed % 2:
                model.outputs = [one for one in model.outputs if one.kind != LEAF]
            self.compare(model, data, compose.random_rows(
                composer.chance, 300, composer.feature_count))
        self.assertLessEqual({215, 216}, refused)

    def compare(self, model, data, rows):
        path, rows_path = self.folder / "model.espalier", self.folder / "rows.npy"
        path.write_bytes(data)
        rows_path.write_bytes(driver.write_npy(rows))
        count = min(part.iteration_count for part in model.parts)
        first = count // 2
        for name, kind in KINDS.items():
            if not model.select(kind):
                continue
            asked, options = None, ()
            if name == "VALUE" and count > 1:
                asked = first, count - first
                options = "--iterations", f"{first}:{count}"
            found = flat(predict(model, kind, rows, asked, checked=False))
            out = self.folder / "answers.npy"
            self.ok("predict", path, rows_path, "--output", name.lower(), "-o", out, "--unchecked",
                    *options)
            command = list(map(driver.comparable, driver.read_array_npy(out.read_bytes())))
            self.agree(command, found, model.select(kind), model, name)

    def agree(self, command, found, outputs, model, what):
        """The same bits; of what goes through exp, log or pow the same but for rounding."""
        inexact = inexact_slots(model)
        slots = [one for output in outputs for one in range(
            output.first_slot, output.first_slot + output.slot_count)]
        if outputs[0].kind in (CLASS, LEAF) or not any(one in inexact for one in slots):
            self.same(command, found, what)
            return
        self.assertEqual(len(command), len(found), what)
        for index, (left, right) in enumerate(zip(command, found)):
            stage, ulp = inexact.get(slots[index % len(slots)], (None, 0))
            if left == right or stage is None or "nan" in (left, right):
                self.assertEqual(left, right, f"{what}: value {index}")
                continue
            left, right = float.fromhex(left), float.fromhex(right)
            largest = max(abs(left), abs(right), 10.0)  # what the stage reads is about as large
            bound = 2 * ulp * ulp_of(largest, stage.arithmetic == 1)
            self.assertLessEqual(abs(left - right), bound, f"{what}: value {index}")


class Damage(Comparison):
    """Both readers refuse a file with a byte changed, cut off or added, anywhere."""

    def setUp(self):
        super().setUp()
        source = driver.FIXTURES / "sklearn-1.3.2" / "tree_best_first.pkl"
        self.data = self.convert(source).read_bytes()
        self.model = Model(self.data)

    def both_refuse(self, data, what):
        command, oracle = self.command_rule(data), self.oracle_rule(data)
        self.assertNotEqual(command, 0, f"the command accepts {what}")
        self.assertNotEqual(oracle, 0, f"the oracle accepts {what}")
        return command, oracle

    def flip(self, at):
        damaged = bytearray(self.data)
        damaged[at] ^= 1 << at % 8
        return bytes(damaged)

    def test_untouched(self):
        self.assertEqual((self.command_rule(self.data), self.oracle_rule(self.data)), (0, 0))

    def test_sections(self):
        self.assertIn(NODE_NUMBERS, self.model.sections)
        self.assertIn(METADATA, self.model.sections)
        for entry in self.model.entries:
            for at in (0, entry.bytes // 2, entry.bytes - 1):
                self.both_refuse(self.flip(entry.offset + at), f"section {entry.type}, byte {at}")

    def test_header(self):
        """The first cause is reported: chapter 3.1 fixes the order."""
        for at in range(0, HEADER_BYTES, 3):
            command, oracle = self.both_refuse(self.flip(at), f"header byte {at}")
            self.assertEqual(command, oracle, f"header byte {at}")

    def test_section_table(self):
        end = HEADER_BYTES + ENTRY_BYTES * len(self.model.entries)
        for at in range(HEADER_BYTES, end, 41):
            self.assertEqual(self.both_refuse(self.flip(at), f"byte {at}"), (24, 24))

    def test_padding(self):
        gaps = [gap for gap in list_gaps(self.model.entries, self.model.header)
                if gap[0] < gap[1]]
        self.assertGreater(len(gaps), 4)
        for start, end in gaps:
            for at in (start, end - 1):
                command, oracle = self.both_refuse(self.flip(at), f"padding {at:#x}")
                self.assertEqual(oracle, 39)
                if end <= self.model.header.private_end:  # else the command may name no rule
                    self.assertEqual(command, 39)

    def test_cut_and_longer(self):
        size = len(self.data)
        for keep in (0, 1, 7, 8, 127, 128, 200, 1000, size // 2, size - 64, size - 1):
            command, oracle = self.both_refuse(self.data[:keep], f"{keep} bytes")
            self.assertEqual(command, oracle, f"{keep} bytes")
        self.assertEqual(self.both_refuse(self.data + b"\0", "one byte more"), (15, 15))


class CommandLine(Comparison):
    """oracle.py as a program, on the worked example of the document (chapter 20)."""

    def oracle(self, *arguments):
        done = subprocess.run([sys.executable, "-B", str(ORACLE), *map(str, arguments)],
                              capture_output=True, text=True, check=False, timeout=60)
        return done.returncode, done.stdout, done.stderr

    def test_worked_example(self):
        path, rows = self.convert(EXAMPLE), self.folder / "rows.npy"
        rows.write_bytes(driver.write_npy([[2.5], [2.0]]))
        self.assertEqual(self.oracle(path, "--verify")[0], 0)
        for kind, expected in (("CLASS", '"tall"\n"short"\n'), ("LEAF", "2\n1\n"), (
                "PROBABILITY", "0x0.0p+0 0x1.0000000000000p+0\n0x1.0000000000000p+0 0x0.0p+0\n")):
            self.assertEqual(self.oracle(path, "--predict", kind, rows), (0, expected, ""))
        self.assertEqual(self.oracle(path, "--predict", "VALUE", rows)[0], 2)
        rows.write_bytes(driver.write_npy([[float("inf")]]))
        code, _, error = self.oracle(path, "--predict", "CLASS", rows)
        self.assertEqual((code, error[:12]), (1, "rule F-242: "))
        path.write_bytes(path.read_bytes()[:-1])
        code, _, error = self.oracle(path)
        self.assertEqual((code, error[:12]), (1, "rule F-015: "))


if __name__ == "__main__":
    driver.main()
