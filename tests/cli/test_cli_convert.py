# SPDX-License-Identifier: Apache-2.0
"""espalier convert: its summary, metadata, answers that are compared, and failures.
"""

import json
import os
import struct
import unittest

from command import NEW, Case, npy, read_rows


class Conversion(Case):
    def setUp(self):
        super().setUp()
        self.source = NEW / "small.joblib"
        self.out = self.folder / "small.espalier"

    def test_summary(self):
        text = self.ok("convert", self.source, "-o", self.out).decode()
        self.assertEqual(text.count("\n"), 1)
        for word in ("small.espalier", "->", "trees", "nodes", "proved"):
            self.assertIn(word, text)
        result = json.loads(self.ok("convert", self.source, "-o", self.out, "--json"))
        self.assertEqual(result["model_bytes"], self.out.stat().st_size)
        self.assertEqual(result["source_bytes"], self.source.stat().st_size)
        self.assertGreater(result["proof"]["rows_compared"], 0)
        self.assertIsNone(result["proof"]["check"])

    def test_metadata(self):
        self.ok("convert", "--meta", "data=a=b", "--meta", "Ort=K\u00f6ln", "--model-version", "7",
                "--memory-max", "1G", self.source, "-o", self.out)
        metadata = json.loads(self.ok("info", self.out, "--json"))["metadata"]
        self.assertEqual(metadata["user"], {"data": "a=b", "Ort": "K\u00f6ln"})
        self.assertEqual(metadata["model_version"], "7")
        self.assertEqual(metadata["source"]["bytes"], self.source.stat().st_size)

    def test_check(self):
        rows = NEW / "small.rows64.npy"
        for output in ("probability", "class", "leaf"):
            for arguments in (("--check", rows, NEW / f"small.{output}.npy", self.source),
                              (self.source, "--check", rows, NEW / f"small.{output}.npy")):
                result = json.loads(self.ok("convert", *arguments, "-o", self.out, "--json"))
                check = result["proof"]["check"]
                self.assertEqual((check["output"], check["differing"]), (output, 0))
        text = self.ok("convert", self.source, "-o", self.out, "--check", rows,
                       NEW / "small.probability.npy").decode()
        self.assertIn("all bits as the trainer's", text)

    def test_check_orders(self):
        """Any byte order, memory order and dtype of the rows' .npy file."""
        rows = read_rows(NEW / "small.rows32.npy")
        for descr in (">f4", "<f8", ">f8"):
            for fortran in (False, True):
                path = self.write("rows.npy", npy(rows, descr, fortran))
                result = json.loads(self.ok("convert", self.source, "-o", self.out, "--json",
                                            "--check", path, NEW / "small.probability.npy"))
                self.assertEqual(result["proof"]["check"]["differing"], 0)

    def test_check_fails(self):
        rows = NEW / "small.rows64.npy"
        data = bytearray((NEW / "small.probability.npy").read_bytes())
        struct.pack_into("<d", data, 128, 0.123)
        wrong = self.write("wrong.npy", bytes(data))
        self.fails(["row 0", "0.123"], "convert", self.source, "-o", self.out, "--check", rows,
                   wrong)
        self.assertFalse(self.out.exists())
        self.fails(["wrong.npy", "answers"], "convert", self.source, "-o", self.out, "--check",
                   self.write("one.npy", npy([[1.0] * 4])), wrong)

    def test_failures_leave_no_file(self):
        cut = self.write("cut.joblib", self.source.read_bytes()[:3000])
        self.fails(["cut.joblib"], "convert", cut, "-o", self.out)
        self.fails(["text.pkl"], "convert", self.write("text.pkl", "hello"), "-o", self.out)
        self.assertEqual(sorted(os.listdir(self.folder)), ["cut.joblib", "text.pkl"])
        self.fails([], "convert", self.source, "-o", self.folder / "absent" / "m.espalier")
        self.fails([], "convert", self.source, "-o", self.folder)


if __name__ == "__main__":
    unittest.main()
