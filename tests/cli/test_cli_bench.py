# SPDX-License-Identifier: Apache-2.0
"""espalier bench, and what must not change answers: kernels, layouts, threads.
"""

import json
import os
import random
import unittest

from command import NEW, Case, npy, run


class Bench(Case):
    """espalier bench, and predict with several threads."""

    def test_every_kernel_agrees(self):
        code, out, error = run("bench", self.iris(), "--seconds", "0.05", "--count", "500",
                               "--json")
        self.assertEqual(code, 0, error)
        report = json.loads(out)
        levels = [kernel["level"] for kernel in report["kernels"]]
        self.assertEqual(levels[0], "scalar")
        self.assertEqual(len(set(levels)), len(levels))
        self.assertEqual(sum(kernel["is_default"] for kernel in report["kernels"]), 1)
        for kernel in report["kernels"]:
            self.assertTrue(kernel["bits_equal"], kernel)
            self.assertGreater(kernel["one_row"]["count"], 100)
            times = [kernel["one_row"][key] for key in ("p50_ns", "p99_ns", "p999_ns")]
            self.assertEqual(times, sorted(times))
            self.assertGreater(kernel["batch_ns_per_row"], 0)
        visits = report["visits_per_row"]
        self.assertLessEqual(visits["pages"], visits["cache_lines"])
        self.assertGreater(visits["nodes"], 0)
        self.assertGreater(report["floor"]["one_row_ns"], 0)

    def test_visits_are_those_of_the_trees(self):
        code, out, error = run("bench", self.iris(), "--seconds", "0.05", "--json")
        self.assertEqual(code, 0, error)
        info = json.loads(run("info", self.iris(), "--json")[1])
        visits = json.loads(out)["visits_per_row"]["nodes"]
        self.assertLessEqual(visits, info["visits_per_row"])
        self.assertGreaterEqual(visits, info["tree_count"])

    def test_text(self):
        code, out, error = run("bench", self.iris(), "--seconds", "0.05")
        self.assertEqual(code, 0, error)
        self.assertIn(b"empty loop", out)
        self.assertIn(b"\n  scalar" if b"avx2" in out or b"neon" in out else b"\n* scalar", out)

    def test_rows_of_a_file(self):
        rows = self.folder / "rows.npy"
        rows.write_bytes(npy([[5.1, 3.5, 1.4, 0.2], [6.0, 3.0, 4.0, 1.2]]))
        code, out, error = run("bench", self.iris(), "--rows", rows, "--seconds", "0.01", "--json")
        self.assertEqual(code, 0, error)
        self.assertEqual(json.loads(out)["row_count"], 2)

    def test_bad_options(self):
        for options, reason in (
                (["--count", "0"], "--count"), (["--seconds", "-1"], "--seconds"),
                (["--seconds", "soon"], "--seconds"), (["--threads", "0"], "--threads"),
                (["--output", "leaf"], "--output"), (["extra"], "exactly one")):
            with self.subTest(options=options):
                code, _, error = run("bench", self.iris(), *options)
                self.assertEqual(code, 2)
                self.assertIn(reason, error)
        code, _, error = run("bench", self.folder / "none.espalier")
        self.assertEqual(code, 1)
        self.assertIn("none.espalier", error)
        code, _, error = run("bench", self.iris(), "--output", "score", "--seconds", "0.01")
        self.assertEqual(code, 1)
        self.assertIn("no output 'score'", error)

    def test_levels(self):
        for name, expected in (("scalar", 0), ("sse9", 1), ("neon" if os.uname().machine ==
                                                            "x86_64" else "avx2", 1)):
            with self.subTest(level=name):
                code, _, error = run("predict", self.iris(), "-", stdin=b"5.1,3.5,1.4,0.2\n",
                                     env={**os.environ, "ESPALIER_ISA": name})
                self.assertEqual(code, expected, error)
                self.assertTrue(expected == 0 or "ISA" in error or "level" in error, error)

    def test_layouts_give_the_same_answers(self):
        rows = self.folder / "rows.npy"
        generator = random.Random(7)
        rows.write_bytes(npy([[generator.uniform(0, 8) for _ in range(4)] for _ in range(300)]))
        answers = set()
        for layout in ("walk", "mask", "heap", "select", "bits"):
            model = self.folder / f"{layout}.espalier"
            code, _, error = run("convert", NEW / "random_forest_model.pkl", "-o", model,
                                 "--layout", layout)
            if code != 0:
                self.assertIn(layout, error)
                continue
            code, out, error = run("predict", model, rows, "--output", "probability")
            self.assertEqual(code, 0, error)
            answers.add(out)
            code, out, error = run("info", model, "--json")
            part = json.loads(out)["parts"][0]["layout"]
            self.assertIn(part, (layout,) if layout != "mask" else ("heap", "bits"))
        self.assertEqual(len(answers), 1)
        code, _, error = run("convert", NEW / "random_forest_model.pkl", "-o",
                             self.folder / "no.espalier", "--layout", "flat")
        self.assertEqual(code, 2)
        self.assertIn("flat", error)

    def test_threads_give_the_same_answers(self):
        rows = self.folder / "rows.npy"
        generator = random.Random(5)
        table = [[generator.uniform(0, 8) for _ in range(4)] for _ in range(1000)]
        rows.write_bytes(npy(table))
        answers = set()
        for threads in ("1", "2", "3", "16"):
            code, out, error = run("predict", self.iris(), rows, "--threads", threads)
            self.assertEqual(code, 0, error)
            answers.add(out)
        self.assertEqual(len(answers), 1)
        table[777][2] = float("inf")
        rows.write_bytes(npy(table))
        for threads in ("1", "3"):
            code, out, error = run("predict", self.iris(), rows, "--threads", threads)
            self.assertEqual(code, 1)
            self.assertIn("row 777", error)
            self.assertIn("feature 2", error)
            self.assertEqual(out.count(b"\n"), 778)  # the header and the rows before
        code, _, error = run("predict", self.iris(), rows, "--threads", "many")
        self.assertEqual(code, 2)


if __name__ == "__main__":
    unittest.main()
