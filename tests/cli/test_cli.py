# SPDX-License-Identifier: Apache-2.0
"""The command as people use it: usage, .npy and CSV in and out, exit codes, bad rows, full disks.
"""

import csv
import io
import json
import os
import pathlib
import random
import signal
import stat
import subprocess
import unittest
import zlib

from command import COMMAND, ITEMS, NEW, OLD, TESTS, Case, npy, npy_header, read_npy, read_rows, run


class Usage(Case):
    def test_help_and_version(self):
        self.assertIn(b"Usage: espalier COMMAND", self.ok("--help"))
        self.assertRegex(self.ok("--version").decode(), r"^espalier \d+\.\d+\.\d+ ")
        for command in ("convert", "info", "predict", "verify", "bench", "sign", "store"):
            out = self.ok(command, "--help")
            self.assertIn(f"Usage: espalier {command} ".encode(), out)
            self.assertIn(b"Examples:\n", out)
            self.assertEqual(out, self.ok(command, "-h"))
            self.assertLessEqual(max(map(len, out.splitlines())), 90)

    def test_wrong_usage(self):
        for words, arguments in (
                (["command is needed"], []),
                (["unknown command 'train'"], ["train"]),
                (["unknown option '--bad'"], ["--bad"]),
                (["MODEL and ROWS"], ["predict"]),
                (["MODEL and ROWS"], ["predict", "m"]),
                (["too many", "'x'"], ["predict", "m", "r", "x"]),
                (["--bad", "predict --help"], ["predict", "m", "r", "--bad"]),
                (["-z"], ["predict", "m", "r", "-z"]),
                (["--output needs a value"], ["predict", "m", "r", "--output"]),
                (["-o needs a value"], ["predict", "m", "r", "-o"]),
                (["--header=1 takes no value"], ["predict", "m", "r", "--header=1"]),
                (["'prob'"], ["predict", "m", "r", "--output", "prob"]),
                (["'xml'"], ["predict", "m", "r", "--format", "xml"]),
                (["'out.txt'", "--format"], ["predict", "m", "r", "-o", "out.txt"]),
                (["SOURCE"], ["convert"]),
                (["-o MODEL"], ["convert", "s"]),
                (["too many"], ["convert", "s", "t", "-o", "m"]),
                (["--check needs"], ["convert", "s", "-o", "m", "--check", "r"]),
                (["--check needs"], ["convert", "s", "-o", "m", "--check", "r", "--json"]),
                (["KEY=VALUE"], ["convert", "s", "-o", "m", "--meta", "x"]),
                (["KEY=VALUE"], ["convert", "s", "-o", "m", "--meta", "=x"]),
                (["'a'", "twice"], ["convert", "s", "-o", "m", "--meta", "a=1", "--meta", "a=2"]),
                (["--missing 'x'"], ["convert", "s", "-o", "m", "--missing", "x"]),
                (["--missing ''"], ["convert", "s", "-o", "m", "--missing", ""]),
                (["--memory-max '3X'"], ["convert", "s", "-o", "m", "--memory-max", "3X"]),
                (["--memory-max"], ["convert", "s", "-o", "m", "--memory-max", "99999999999999G"]),
                (["exactly one"], ["info"]),
                (["exactly one"], ["info", "a", "b"]),
                (["exactly one"], ["verify"]),
                (["standard input"], ["info", "-"])):
            with self.subTest(arguments=arguments):
                self.assertEqual(self.fails(words, *arguments, code=2), b"")

    def test_input_as_output(self):
        rows = self.write("rows.npy", npy([[1, 2, 3, 4]]))
        self.fails(["both input and output"], "predict", self.iris(), rows, "-o", rows, code=2)
        source = self.write("model.pkl", (NEW / "small.joblib").read_bytes())
        self.fails(["both input and output"], "convert", source, "-o", source, code=2)

    def test_file_named_like_standard_input(self):
        """A file called "-" once made standard input and output one and the same."""
        (self.folder / "-").write_bytes(b"")
        self.ok("predict", self.iris(), "-", cwd=self.folder, stdin=npy([[1, 2, 3, 4]]))
        for source, model in (("-", "x.espalier"), ("", "x.espalier"), ("x.pkl", "-"),
                              ("x.pkl", "")):
            with self.subTest(source=source, model=model):
                self.fails(["must be a file"], "convert", source, "-o", model, code=2,
                           cwd=self.folder)

    def test_memory_max_bounds_expansion(self):
        bomb = self.write("bomb.pkl", zlib.compress(b"\x80\x04" + b"N0" * 3_000_000 + b"N."))
        self.fails(["bomb.pkl", "expand to more than 1048576"], "convert", bomb, "-o",
                   self.folder / "x.espalier", "--memory-max", "1M")

    def test_pipe_without_a_writer(self):
        path = self.folder / "pipe"
        os.mkfifo(path)
        for arguments in (("info", path), ("verify", path), ("convert", path, "-o", "x.espalier")):
            with self.subTest(arguments=arguments):
                self.fails(["pipe", "not a regular file"], *arguments)

    def test_missing_files(self):
        self.fails(["absent.espalier", "No such file"], "predict", "absent.espalier", "-")
        self.fails(["absent.npy", "No such file"], "predict", self.iris(), "absent.npy")
        self.fails(["absent.pkl", "No such file"], "info", "absent.pkl")
        self.fails(["absent.espalier", "No such file"], "verify", "absent.espalier")
        self.fails(["absent.pkl", "No such file"], "convert", "absent.pkl", "-o", "x.espalier")

    def test_names_are_escaped(self):
        self.fails([r"a\x0ab\x1b[31m\u202e.pkl"], "info", "a\nb\x1b[31m\u202e.pkl")
        self.fails([r"\xff.npy"], "predict", self.iris(), os.fsdecode(b"\xff.npy"))


class Rows(Case):
    """Every way to hand over the same rows must give the same answers."""

    def setUp(self):
        super().setUp()
        self.rows = [[float(i % 7), float(i % 3), float(i % 5), float(i % 2)] for i in range(40)]
        self.expected = self.probability(npy(self.rows))

    def probability(self, data, stdin=False):
        if stdin:
            return self.ok("predict", self.iris(), "-", "--output", "probability", "--format",
                           "npy", stdin=data)
        rows = self.write("rows.npy" if data[:1] == b"\x93" else "rows.csv", data)
        return self.ok("predict", self.iris(), rows, "--output", "probability", "--format", "npy")

    def test_dtypes_and_orders(self):
        for item in ITEMS:
            rows = self.rows if item[0] == "f" else [[int(x) for x in row] for row in self.rows]
            if item == "b1":
                rows = [[bool(x) for x in row] for row in self.rows]
                expected = self.probability(npy([[float(x) for x in row] for row in rows]))
            else:
                expected = self.expected
            for order in "<>" if int(item[1]) > 1 else "|":
                for fortran in (False, True):
                    for version in (1, 2, 3):
                        data = npy(rows, order + item, fortran, version)
                        with self.subTest(item=order + item, fortran=fortran, version=version):
                            self.assertEqual(self.probability(data), expected)
                            self.assertEqual(self.probability(data, stdin=True), expected)

    def test_one_dimension_is_one_row(self):
        data = npy([[1.0, 2.0, 3.0, 4.0]], shape="(4,)")
        self.assertEqual(self.probability(data), self.probability(npy([[1.0, 2.0, 3.0, 4.0]])))

    def test_no_rows(self):
        descr, shape, _ = read_npy(self.probability(npy_header("<f8", (0, 4))))
        self.assertEqual((descr, shape), ("<f8", (0, 3)))
        self.assertEqual(self.ok("predict", self.iris(), self.write("h.csv", "a,b,c,d\n")),
                         b"class\n")

    def test_many_rows(self):
        """More than one chunk, in every way of reading."""
        rows = self.rows * 500
        _, _, items = read_npy(self.expected)
        for fortran in (False, True):
            for descr in ("<f4", "<i2", ">f8"):
                cells = [[int(x) for x in row] for row in rows] if descr == "<i2" else rows
                data = npy(cells, descr, fortran)
                for stdin in (False, True):
                    with self.subTest(fortran=fortran, descr=descr, stdin=stdin):
                        _, shape, got = read_npy(self.probability(data, stdin))
                        self.assertEqual(shape, (20000, 3))
                        self.assertEqual(got, items * 500)
        text = "".join(",".join(map(repr, row)) + "\n" for row in rows)
        self.assertEqual(read_npy(self.probability(text.encode()))[2], items * 500)

    def test_redirected_input(self):
        """Standard input that is a file, from where it stands."""
        path = self.write("two.npy", b"skipped" + npy(self.rows, "<f4", fortran=True))
        with open(path, "rb") as stream:
            stream.seek(7)
            os.lseek(stream.fileno(), 7, os.SEEK_SET)
            done = subprocess.run([COMMAND, "predict", self.iris(), "-", "--output", "probability",
                                   "--format", "npy"], stdin=stream, capture_output=True,
                                  timeout=60, check=False)
        self.assertEqual((done.stderr, done.stdout), (b"", self.expected))

    def test_bad_npy(self):
        good = npy(self.rows)
        (self.folder / "rows.npy").unlink()
        for words, data in (
                (["header says"], good[:-1]),
                (["header says"], good + b"x"),
                (["header"], good[:20]),
                (["header"], good[:8]),
                (["4.0"], good[:6] + b"\x04" + good[7:]),
                (["'|O'", "Python objects"], npy_header("|O", (40, 4))),
                (["'<c16'"], npy_header("<c16", (40, 4)) + bytes(40 * 4 * 16)),
                (["text"], npy_header("<U3", (40, 4)) + bytes(40 * 4 * 12)),
                (["3 features", "model has 4"], npy([[1.0, 2.0, 3.0]])),
                (["3 dimensions"], npy(self.rows, shape="(4, 10, 4)")),
                (["0 dimensions"], npy([[1.0]], shape="()")),
                (["not an .npy file"], b"5.1,3.5,1.4,0.2\n"),
                (["not an .npy file"], b"")):
            with self.subTest(words=words):
                rows = self.write("bad.npy", data)
                out = self.fails(["bad.npy", *words], "predict", self.iris(), rows, "-o",
                                 self.folder / "out.npy")
                self.assertEqual(out, b"")
                self.assertEqual(os.listdir(self.folder), ["bad.npy"])

    def test_bad_npy_from_a_pipe(self):
        for fortran in (False, True):
            good = npy(self.rows, "<f8", fortran)
            self.fails(["standard input", "ends"], "predict", self.iris(), "-", stdin=good[:-3])
            self.fails(["standard input", "follow"], "predict", self.iris(), "-", stdin=good + b"x")
        lying = npy_header("<f8", (1 << 57, 4), True)  # must not ask for that much memory
        self.fails(["standard input"], "predict", self.iris(), "-", stdin=lying + b"x")


class Csv(Case):
    def probability(self, text, *options, model=None, output="probability"):
        rows = self.write("rows.csv", text)
        return self.ok("predict", model or self.iris(), rows, "--output", output, *options)

    def refused(self, words, text, *options, model=None):
        self.write("rows.csv", text)
        self.fails(["rows.csv", *words], "predict", model or self.iris(), self.folder / "rows.csv",
                   "-o", self.folder / "out.csv", *options)
        self.assertEqual(os.listdir(self.folder), ["rows.csv"])

    def test_shapes_of_text(self):
        expected = self.probability("5.1,3.5,1.4,0.2\n6.3,2.5,4.9,1.5\n")
        for text in ("5.1,3.5,1.4,0.2\n6.3,2.5,4.9,1.5", "5.1,3.5,1.4,0.2\r\n6.3,2.5,4.9,1.5\r\n",
                     "a,b,c,d\n5.1,3.5,1.4,0.2\n6.3,2.5,4.9,1.5\n\n\n",
                     "\ufeff5.1,3.5,1.4,0.2\n6.3,2.5,4.9,1.5\n",
                     '"5.1", 3.5 ,14e-1,.2\n"6.3","2.5","4.9","1.5"\n',
                     '"a\nb","c,d","e""f",\n+5.1,3.50,1.4,0.2\n6.3,2.5,4.9,1.5\n'):
            with self.subTest(text=text):
                self.assertEqual(self.probability(text), expected)
        self.assertEqual(self.probability("1,2,3,4\n5.1,3.5,1.4,0.2\n6.3,2.5,4.9,1.5\n",
                                          "--header"), expected)
        self.assertEqual(self.ok("predict", self.iris(), "-", "--output", "probability",
                                 stdin=b"5.1,3.5,1.4,0.2\n6.3,2.5,4.9,1.5\n"), expected)
        # Another locale must not matter.
        rows = self.write("rows.csv", "5.1,3.5,1.4,0.2\n6.3,2.5,4.9,1.5\n")
        self.assertEqual(self.ok("predict", self.iris(), rows, "--output", "probability",
                                 env={**os.environ, "LC_ALL": "de_DE.UTF-8"}), expected)

    def test_same_as_npy(self):
        """Decimal text of 17 digits gives the bits of the array, in and out."""
        rows = read_rows(NEW / "random_forest_model.rows64.npy")
        text = "".join(",".join(f"{x:.17g}" for x in row) + "\n" for row in rows)
        lines = self.probability(text).decode().splitlines()
        expected = read_npy((NEW / "random_forest_model.probability.npy").read_bytes())[2]
        self.assertEqual(lines[0], "probability_0,probability_1,probability_2")
        got = [float(x) for line in lines[1:] for x in line.split(",")]
        self.assertEqual(got, expected)

    def test_missing(self):
        given = self.probability("nan,3.5,1.4,0.2\n")
        self.assertEqual(self.probability(",3.5,1.4,0.2\n"), given)
        self.assertEqual(self.probability('"",3.5,1.4,0.2\n'), given)

    def test_truth_values(self):
        """As pandas writes and reads them; columns of them were refused."""
        given = self.probability("1,0,1,0\n0,1,0,1\n")
        self.assertEqual(self.probability("True,False,1,0\nFALSE,TRUE,false,true\n"), given)

    def test_named_categories(self):
        """Of a model that lists none there is nothing to name."""
        source = TESTS / "fixtures" / "lightgbm-4.7.0" / "binary.txt"
        self.fails(["binary.txt", "no model of LightGBM in it has lists"], "convert", source, "-o",
                   self.folder / "m", "--categorical", "0")

    def test_dropped_columns(self):
        """Text in a column that the pipeline drops was refused, though nothing looks at it."""
        folder = NEW.parent / "pipelines-1.9.1"  # columns 5 and 6 of 8 are used
        for stem in ("rare", "dropped"):  # the latter's pipeline does nothing else
            with self.subTest(stem):
                self.check_dropped(self.model(stem + ".joblib", folder),
                                   read_rows(folder / (stem + ".rows64.npy")))

    def check_dropped(self, model, rows):
        cells = [[f"{x:.17g}" for x in row] for row in rows]

        def table():
            return "".join(",".join(row) + "\n" for row in cells)

        expected = self.probability(table(), model=model)
        for row in cells:
            row[0], row[7] = '"Mr ""X"", y"', "male"
        self.assertEqual(self.probability(table(), model=model), expected)
        self.assertEqual(self.probability("a,b,c,d,e,f,g,h\n" + table(), model=model), expected)
        cells[3][5] = "male"
        self.refused(["line 4, column 6", '"male"'], table(), model=model)

    def test_bad_text(self):
        for words, text in (
                (["line 2, column 3", '"x"'], "1,2,3,4\n1,2,x,4\n"),
                (["line 2: 3 fields", "model has 4"], "1,2,3,4\n1,2,3\n"),
                (["line 2: 5 fields"], "1,2,3,4\n1,2,3,4,5\n"),
                (["line 2: empty"], "1,2,3,4\n\n1,2,3,4\n"),
                (["line 1: 1 field,"], "1;2;3;4\n1;2;3;4\n"),
                (["line 1, column 2", '"3.5x"', "--header"], "5.1,3.5x,1.4,0.2\n1,2,3,4\n"),
                (["line 3", "closing quote"], '1,2,3,4\n1,2,3,4\n1,2,3,"4\n'),
                (["line 2", "after a closing quote"], '1,2,3,4\n1,2,3,"4"5\n'),
                (["line 2", "NUL"], "1,2,3,4\n1,2,3\0,4\n"),
                (["line 5, column 1"], '"a\n\nb",c,d,e\n1,2,3,4\n0x1,2,3,4\n'),
                (["line 2, column 4", r"\x1b[31m"], "1,2,3,4\n1,2,3,\x1b[31m\n"),
                (["empty"], "")):
            with self.subTest(text=text):
                self.refused(words, text)
        self.refused(["line 1, column 1", '"a"'], "a,b,c,d\n1,2,3,4\n", "--no-header")

    def test_names(self):
        names = self.names()
        rows = [[0.25 * i + j for j in range(len(names))] for i in range(9)]

        def table(order, header):
            out = io.StringIO()
            csv.writer(out).writerows([header] + [[row[i] for i in order] for row in rows])
            return out.getvalue()

        order = list(range(len(names)))
        expected = self.probability(table(order, names), model=self.named(), output="value")
        plain = table(order, names).split("\n", 1)[1]
        self.assertEqual(self.probability(plain, model=self.named(), output="value"), expected)
        random.Random(1).shuffle(order)
        mixed = table(order, [names[i] for i in order])
        self.assertEqual(self.probability(mixed, model=self.named(), output="value"), expected)
        order = list(range(len(names)))
        self.refused(["line 1, column 1", '"other"'], table(order, ["other"] + names[1:]),
                     model=self.named())
        self.refused(["line 1, column 2", "twice"], table(order, [names[0]] * 2 + names[2:]),
                     model=self.named())
        self.refused(["line 1", f'"{names[-1]}"', "missing"], table(order[:-1], names[:-1]),
                     model=self.named())


class Results(Case):
    def test_npy_bytes_as_numpy_writes_them(self):
        """Whole files, headers too, against what np.save wrote after scikit-learn's own calls."""
        for name, outputs in (("random_forest_model.pkl", ("probability", "class", "leaf")),
                              ("labels_string.joblib", ("class",)),
                              ("labels_bool.joblib", ("class",)),
                              ("labels_float32.joblib", ("class",)),
                              ("labels_uint16.joblib", ("class",)),
                              ("labels_large.joblib", ("class",)),
                              ("multi_strings.joblib", ("probability", "class", "leaf")),
                              ("multi_tree_regressor.pkl", ("value", "leaf")),
                              ("tree_classifier.pkl", ("probability", "class", "leaf")),
                              ("forest_regressor.joblib", ("value", "leaf"))):
            stem = name.split(".")[0]
            for output in outputs:
                with self.subTest(name=name, output=output):
                    out = self.folder / "out.npy"
                    self.ok("predict", self.model(name), NEW / f"{stem}.rows64.npy", "--output",
                            output, "-o", out)
                    expected = (NEW / f"{stem}.{output}.npy").read_bytes()
                    self.assertEqual(read_npy(out.read_bytes()), read_npy(expected))
                    self.assertEqual(out.read_bytes(), expected)

    def test_default_output(self):
        for name, output in (("random_forest_model.pkl", "class"), ("tree_regressor.pkl", "value")):
            rows = NEW / f"{name.split('.')[0]}.rows32.npy"
            self.assertEqual(self.ok("predict", self.model(name), rows),
                             self.ok("predict", self.model(name), rows, "--output", output))
        self.fails(["no output 'value'"], "predict", self.iris(),
                   NEW / "random_forest_model.rows32.npy", "--output", "value")

    def test_csv(self):
        rows = NEW / "labels_string.rows64.npy"
        out = self.folder / "out.csv"
        self.ok("predict", self.model("labels_string.joblib"), rows, "-o", out)
        expected = read_npy((NEW / "labels_string.class.npy").read_bytes())[2]
        with open(out, encoding="utf-8", newline="") as stream:
            lines = list(csv.reader(stream))
        self.assertEqual(lines, [["class"]] + [[label] for label in expected])
        rows = NEW / "multi_strings.rows64.npy"
        text = self.ok("predict", self.model("multi_strings.joblib"), rows, "--output", "class")
        expected = read_npy((NEW / "multi_strings.class.npy").read_bytes())[2]
        lines = text.decode().splitlines()
        self.assertEqual(lines[0], "class_0,class_1")
        self.assertEqual([x for line in lines[1:] for x in line.split(",")], expected)
        header = self.ok("predict", self.model("multi_strings.joblib"), rows, "--output",
                         "probability").decode().splitlines()[0]
        self.assertEqual(header.split(",")[0][:14], "probability_0_")

    def test_iterations(self):
        rows = NEW / "random_forest_model.rows32.npy"
        whole = self.ok("predict", self.iris(), rows, "--output", "probability")
        for text in ("0:200", ":", "0:", ":200"):
            self.assertEqual(self.ok("predict", self.iris(), rows, "--output", "probability",
                                     "--iterations", text), whole)
        self.assertNotEqual(self.ok("predict", self.iris(), rows, "--output", "probability",
                                    "--iterations", "3:5"), whole)
        self.fails(["200 iterations"], "predict", self.iris(), rows, "--iterations", "0:201")
        for text in ("5:5", "5:4", "x", "1", "1:2:3", "-1:2", ""):
            self.fails(["--iterations"], "predict", self.iris(), rows, f"--iterations={text}",
                       code=2)

    def test_leaves_of_iterations(self):
        """The columns of the range's trees alone: of one tree or several an iteration, along an
        axis of iterations, and behind a first guess that has trees of its own."""
        out = self.folder / "leaf.npy"
        for folder, name, trees in (("sklearn-1.4.2", "random_forest_model.pkl", 1),
                                    ("xgboost-3.4.1", "multiclass.ubj", 3),
                                    ("xgboost-3.4.1", "parallel.ubj", 6),
                                    ("lightgbm-4.7.0", "multiclass.txt", 3),
                                    ("boosting-1.9.1", "gradient_start.joblib", 3),
                                    ("starts-1.9.1", "xgboost.joblib", 1)):
            path = TESTS / "fixtures" / folder / name
            stem = path.with_suffix("")
            rows = next(one for one in (f"{stem}.rows64.npy", f"{stem}.rows.npy")
                        if os.path.exists(one))
            leaves = next(one for one in (f"{stem}.leaf.npy", f"{stem}.leaf64.npy")
                          if os.path.exists(one))
            _, shape, items = read_npy(pathlib.Path(leaves).read_bytes())
            width = len(items) // shape[0]
            for first, end in ((0, 1), (1, 2), (1, width // trees)):
                kept = range(first * trees, end * trees)
                expected = [items[row * width + i] for row in range(shape[0]) for i in kept]
                command = ("predict", self.model(name, path.parent), rows, "--output", "leaf",
                           "--iterations", f"{first}:{end}")
                self.ok(*command, "-o", out)
                axes = (end - first, trees) if len(shape) == 3 else (len(kept),)
                self.assertEqual(read_npy(out.read_bytes()), ("<i8", (shape[0], *axes), expected))
                head, *lines = self.ok(*command).decode().splitlines()
                self.assertEqual(head, ",".join(f"leaf_{i}" for i in kept))
                self.assertEqual(",".join(lines), ",".join(map(str, expected)))

    def test_leaves_after_early_stopping(self):
        """XGBoost's apply gives those of the trees that predict uses; --check takes them or all."""
        stem = TESTS / "fixtures" / "xgboost-3.4.1" / "early"
        source, rows, out = f"{stem}.json", f"{stem}.rows64.npy", self.folder / "leaf.npy"
        model = self.model("early.json", stem.parent)
        _, shape, items = read_npy(pathlib.Path(f"{stem}.leaf_0_5.npy").read_bytes())
        self.ok("predict", model, rows, "--output", "leaf", "-o", out)
        expected = [items[row * 5 + i] for row in range(shape[0]) for i in range(2)]
        self.assertEqual(read_npy(out.read_bytes()), ("<i8", (shape[0], 2), expected))
        again = self.folder / "again.espalier"
        self.ok("convert", source, "-o", again, "--check", rows, out)
        self.ok("convert", source, "-o", again, "--check", rows, f"{stem}.leaf_0_5.npy")
        self.ok("predict", model, rows, "--output", "leaf", "--iterations", "1:3", "-o", out)
        self.fails(["the trainer gave"], "convert", source, "-o", self.folder / "not.espalier",
                   "--check", rows, out)

    def test_replaces_whole_files_only(self):
        rows = self.write("rows.csv", "1,2,3,4\n")
        bad = self.write("bad.csv", "1,2,3,4\n" * 20000 + "1,2,3\n")
        out = self.folder / "out.csv"
        link = self.folder / "link.csv"
        out.write_text("old")
        out.chmod(0o600)
        link.symlink_to(out)
        self.fails(["line 20001"], "predict", self.iris(), bad, "-o", out)
        self.assertEqual(out.read_text(), "old")
        self.ok("predict", self.iris(), rows, "-o", link)
        self.assertTrue(link.is_symlink())
        self.assertEqual(out.read_text().splitlines()[0], "class")
        self.assertEqual(stat.S_IMODE(out.stat().st_mode), 0o600)
        self.assertEqual(sorted(os.listdir(self.folder)),
                         ["bad.csv", "link.csv", "out.csv", "rows.csv"])
        self.fails(["Is a directory"], "predict", self.iris(), rows, "-o", self.folder, "--format",
                   "npy")
        self.fails(["No such file"], "predict", self.iris(), rows, "-o",
                   self.folder / "absent" / "out.npy")

    def test_signal_leaves_nothing(self):
        out = self.folder / "out.csv"
        child = subprocess.Popen([COMMAND, "predict", self.iris(), "-", "-o", out],
                                 stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
        child.stdin.write(b"1,2,3,4\n" * 100000)
        child.stdin.flush()
        for _ in range(1000):
            if os.listdir(self.folder):
                break
            signal.sigtimedwait([], 0.01)
        self.assertNotEqual(os.listdir(self.folder), [])
        child.terminate()
        self.assertEqual(child.wait(timeout=60), -signal.SIGTERM)
        child.stdin.close()
        self.assertEqual(os.listdir(self.folder), [])

    def test_full_disk(self):
        rows = NEW / "random_forest_model.rows64.npy"
        for form in ("csv", "npy"):
            self.fails(["/dev/full", "No space left"], "predict", self.iris(), rows, "-o",
                       "/dev/full", "--format", form)
            with open("/dev/full", "wb") as full:
                self.fails(["standard output", "No space left"], "predict", self.iris(), rows,
                           "--format", form, stdout=full)
        with open("/dev/full", "wb") as full:
            for arguments in (["--help"], ["--version"], ["predict", "--help"],
                              ["info", self.iris()], ["info", self.iris(), "--json"],
                              ["verify", self.iris()]):
                self.fails(["standard output", "No space left"], *arguments, stdout=full)
        self.assertTrue(stat.S_ISCHR(os.stat("/dev/full").st_mode))

    def test_closed_descriptors(self):
        rows = NEW / "random_forest_model.rows64.npy"
        for closed in ("<&-", ">&-", "<&- >&-"):
            done = subprocess.run(["sh", "-c", f'"$0" predict "$1" "$2" {closed}', COMMAND,
                                   self.iris(), rows], capture_output=True, timeout=60, check=False)
            wanted = 1 if ">" in closed else 0
            self.assertEqual(done.returncode, wanted, done.stderr)
        out = self.folder / "out.npy"
        done = subprocess.run(["sh", "-c", '"$0" predict "$1" "$2" -o "$3" <&- >&- 2>&-', COMMAND,
                               self.iris(), rows, out], timeout=60, check=False)
        self.assertEqual(done.returncode, 0)
        self.assertEqual(out.read_bytes(), (NEW / "random_forest_model.class.npy").read_bytes())

    def test_closed_pipe(self):
        """A reader that goes away ends the command without noise."""
        done = subprocess.run(
            ["bash", "-c", 'yes 1,2,3,4 | head -n 200000 | "$0" predict "$1" - --output leaf '
             '| head -n 1 | cut -c 1-6; echo ${PIPESTATUS[2]}', COMMAND, self.iris()],
            capture_output=True, timeout=120, check=False)
        self.assertEqual(done.stdout.split(), [b"leaf_0", str(128 + signal.SIGPIPE).encode()])
        self.assertEqual(done.stderr, b"")


class RefusedRows(Case):
    def model(self, name, folder=OLD):
        return super().model(name, folder)

    def test_missing(self):
        rows = self.write("rows.csv", "a,b,c,d\n1,2,3,4\n1,2,3,4\n1,,3,4\n1,2,3,4\n")
        out = self.fails(["rows.csv", "line 4 (row 2)", "feature 1", "missing"], "predict",
                         self.iris(), rows)
        self.assertEqual(len(out.splitlines()), 3)  # the header and the rows before
        rows = self.write("rows.npy", npy([[1.0] * 4] * 17000 + [[1.0, 1.0, float("nan"), 1.0]]))
        self.fails(["rows.npy", "row 17000", "feature 2"], "predict", self.iris(), rows, "-o",
                   self.folder / "out.npy")
        self.assertEqual(sorted(os.listdir(self.folder)), ["rows.csv", "rows.npy"])
        self.ok("predict", self.iris(), rows, "--unchecked")

    def test_infinite(self):
        for text in ("inf", "-inf", "1e39", "1e999"):
            rows = self.write("rows.csv", f"1,2,3,4\n1,2,3,{text}\n")
            self.fails(["line 2 (row 1)", "feature 3", "infinite or beyond float32"], "predict",
                       self.iris(), rows)
            self.ok("predict", self.iris(), rows, "--unchecked")

    def test_names(self):
        names = self.names()
        cells = ["1"] * len(names)
        cells[1] = "inf"
        rows = self.write("rows.csv", ",".join(cells) + "\n")
        self.fails(["line 1 (row 0)", f'feature 1 "{names[1]}"'], "predict", self.named(), rows)


class Models(Case):
    def test_info(self):
        text = self.ok("info", self.iris()).decode()
        for word in ("RandomForestClassifier", "scikit-learn 1.4.2", "200", "probability",
                     "what predict gives", "all bits equal", "metadata"):
            self.assertIn(word, text)
        info = json.loads(self.ok("info", self.iris(), "--json"))
        self.assertEqual((info["kind"], info["tree_count"], info["feature_count"]),
                         ("model", 200, 4))
        self.assertEqual(info["classes"],
                         [{"kind": "int", "item_bytes": 8, "labels": [0, 1, 2]}])
        self.assertEqual(info["outputs"]["leaf"], {"dtype": "int64", "width": 200})
        self.assertEqual(info["metadata"]["trainer"]["version"], "1.4.2")
        self.assertRegex(info["digest"], r"^[0-9a-f]{64}$")
        self.assertEqual(info["bytes"], self.iris().stat().st_size)
        labels = json.loads(self.ok("info", self.model("labels_string.joblib"), "--json"))
        expected = set(read_npy((NEW / "labels_string.class.npy").read_bytes())[2])
        self.assertTrue(expected <= set(labels["classes"][0]["labels"]))

    def test_verify(self):
        text = self.ok("verify", self.iris()).decode()
        digest = json.loads(self.ok("info", self.iris(), "--json"))["digest"]
        self.assertIn(": ok\n", text)
        self.assertIn(digest, text)
        result = json.loads(self.ok("verify", self.iris(), "--json"))
        self.assertEqual((result["ok"], result["digest"]), (True, digest))

    def test_verify_damaged(self):
        data = bytearray(self.iris().read_bytes())
        for place in (3, 17, len(data) // 2, len(data) - 1):
            damaged = bytearray(data)
            damaged[place] ^= 1
            path = self.write("damaged.espalier", bytes(damaged))
            self.fails(["damaged.espalier"], "verify", path)
            code, out, error = run("verify", path, "--json")
            self.assertEqual(code, 1)
            result = json.loads(out)
            self.assertFalse(result["ok"])
            self.assertIn(result["error"]["message"], error)
        self.fails(["short.espalier"], "verify", self.write("short.espalier", bytes(data[:-1])))
        self.fails(["text.espalier"], "verify", self.write("text.espalier", "hello"))
        self.fails(["empty.espalier"], "verify", self.write("empty.espalier", b""))

    def test_info_of_prepared_rows(self):
        text = TESTS / "fixtures" / "pipelines-1.9.1" / "text.joblib"
        self.ok("convert", text, "-o", self.folder / "text.espalier")
        told = self.ok("info", self.folder / "text.espalier").decode()
        self.assertIn("  text         2 features: x[0] (4), x[1] (3)\n", told)
        self.assertIn("  prepared     11 values: fill (1), index (2), one_hot (4), subtract (2), "
                      "divide (2)\n", told)
        info = json.loads(self.ok("info", self.folder / "text.espalier", "--json"))
        self.assertEqual(info["prepared"], {
            "values": 11, "text_features": 2,
            "operations": {"fill": 1, "index": 2, "one_hot": 4, "subtract": 2, "divide": 2}})
        told = json.loads(self.ok("info", self.iris(), "--json"))["prepared"]
        self.assertEqual(told, {"values": 0, "operations": {}, "text_features": 0})

    def test_info_of_neither(self):
        for data in (b"", b"hello\n", b"\x89PNG\r\n\x1a\n"):
            self.fails(["thing"], "info", self.write("thing", data))


class Pickles(Case):
    def test_info(self):
        path = NEW / "random_forest_model.pkl"
        text = self.ok("info", path).decode()
        self.assertIn("sklearn.ensemble._forest.RandomForestClassifier", text)
        self.assertNotIn("  * ", text)
        info = json.loads(self.ok("info", path, "--json"))
        self.assertEqual(info["kind"], "source")
        self.assertEqual([(m["class"], m["version"], m["supported"]) for m in info["models"]],
                         [("sklearn.ensemble._forest.RandomForestClassifier", "1.4.2", True)])
        self.assertNotIn("flagged", {name["policy"] for name in info["names"]})

    def test_flagged(self):
        mark = self.folder / "mark"
        path = self.write("evil.pkl", f"cos\nsystem\n(S'touch {mark}'\ntR.")
        text = self.ok("info", path).decode()
        self.assertRegex(text, r"(?m)^  \* .*flagged.*os\.system$")
        self.assertIn(f"touch {mark}", text)
        names = json.loads(self.ok("info", path, "--json"))["names"]
        self.assertEqual([(n["module"], n["name"], n["policy"], n["calls"]) for n in names],
                         [("os", "system", "flagged", 1)])
        self.fails(["evil.pkl", "system"], "convert", path, "-o", self.folder / "m.espalier")
        self.assertEqual(os.listdir(self.folder), ["evil.pkl"])

    def test_escaped(self):
        path = self.write("escape.pkl", b"\x80\x04\x8c\x04e\x1b[1\x8c\x05\xe2\x80\xaex\x07\x93.")
        out = self.ok("info", path)
        self.assertNotIn(b"\x1b", out)
        self.assertNotIn(b"\xe2\x80\xae", out)
        self.assertNotIn(b"\x07", out)
        json.loads(self.ok("info", path, "--json"))


if __name__ == "__main__":
    unittest.main()
