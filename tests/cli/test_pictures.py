# SPDX-License-Identifier: Apache-2.0
"""Looking into models: show, plot, inspect and embed, against what predict answers.

Python's standard library and a C compiler. The ways of rows through trees of every layout, trainer
and kind of split end at the leaves that predict --output leaf gives, which other tests compare with
the trainers.
"""

import json
import os
import pathlib
import pty
import re
import shutil
import subprocess
import unittest
import xml.etree.ElementTree

from command import COMMAND, NEW, TESTS, Case, read_npy, run

ROOT = TESTS.parent
MIXED = TESTS / "fixtures" / "ensembles-1.9.1" / "voting.joblib"  # weights, and rows
HOSTILE = ["</script><script>alert(1)</script>", "\u202eevil", "\"'><&", "a\nb\tc", "\x1b[31mred",
           "\\\"]; x", "日本"]
# Folder, source, rows: every layout and trainer, sets, missing values of every kind, pipelines.
MODELS = [
    ("sklearn-1.4.2", "random_forest_model.pkl", ()),
    ("sklearn-1.4.2", "random_forest_model.pkl", ("--layout", "walk")),
    ("sklearn-1.4.2", "random_forest_model.pkl", ("--layout", "heap")),
    ("sklearn-1.4.2", "random_forest_model.pkl", ("--layout", "select")),
    ("sklearn-1.4.2", "named_tree.pkl", ()),
    ("lightgbm-4.7.0", "binary.txt", ()),
    ("lightgbm-4.7.0", "binary.txt", ("--layout", "walk")),
    ("lightgbm-4.7.0", "categorical.txt", ()),
    ("lightgbm-4.7.0", "missing_off.txt", ()),
    ("lightgbm-4.7.0", "linear.txt", ()),
    ("lightgbm-4.7.0", "linear_classes.txt", ()),
    ("pipelines-1.9.1", "text.joblib", ()),
    ("pipelines-1.9.1", "scaled.joblib", ()),
    ("pipelines-1.9.1", "columns.joblib", ()),
    ("pipelines-1.9.1", "rare.joblib", ()),
]


def page_data(path):
    """The JSON inside a page of inspect."""
    text = path.read_text(encoding="utf-8")
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', text,
                                re.S)[1])


class Pictures(Case):
    def hostile(self):
        """A model whose feature names are what names must not be."""
        for source in sorted((TESTS / "fixtures" / "xgboost-3.0.5").glob("*.json")):
            document = json.loads(source.read_text())
            learner = document["learner"]
            if learner["feature_names"] == [] and "tree_param" in source.read_text():
                break
        count = int(learner["learner_model_param"]["num_feature"])
        learner["feature_names"] = [f"{HOSTILE[i % len(HOSTILE)]} {i}" for i in range(count)]
        model = self.folder / "hostile.espalier"
        self.ok("convert", self.write("hostile.json", json.dumps(document)), "-o", model)
        return model


def line_texts(source):
    """By tree and leaf of LightGBM's linear trees, what a leaf says: from the text of the model."""
    for block in source.split("\nTree=")[1:]:
        fields = dict(re.findall(r"^(\w+)=(.*?)$", block, re.M))
        names, numbers = fields["leaf_features"].split(), fields["leaf_coeff"].split()
        at = 0
        texts = []
        for constant, count, plain in zip(fields["leaf_const"].split(),
                                          fields["num_features"].split(),
                                          fields["leaf_value"].split()):
            text = "%.6g" % float(constant)
            for k in range(at, at + int(count)):
                value = float(numbers[k])
                text += " %s %.6g * Column_%s" % ("-+"[value >= 0], abs(value), names[k])
            at += int(count)
            missing = " (%.6g where one is missing)" % float(plain)
            texts.append(text + (missing if int(count) else ""))
        yield texts


class Show(Pictures):
    def test_lines_of_linear_trees(self):
        for name in ("linear.txt", "linear_classes.txt"):
            source = TESTS / "fixtures" / "lightgbm-4.7.0" / name
            model = self.folder / "linear.espalier"
            self.ok("convert", source, "-o", model)
            terms = 0
            for tree, texts in enumerate(line_texts(source.read_text(encoding="utf-8"))):
                shown = self.ok("show", model, "--tree", tree, "--depth", 0).decode()
                found = re.findall(r"(?:yes|no ) (-?\d.*?)  #(\d+)", shown)
                self.assertEqual({int(k): text for text, k in found}, dict(enumerate(texts)))
                terms += sum(" * " in text for text in texts)
            self.assertGreater(terms, 5)

    def test_categories_by_name(self):
        source = TESTS / "fixtures" / "lightgbm-4.7.0" / "categorical.txt"
        text = source.read_text(encoding="utf-8")
        lists = [[f"town {k}" if k % 2 else f"City{k}" for k in range(299)],
                 ["a,b", "", "\x1b[31m", "n" * 99]]
        named, plain = self.folder / "named.espalier", self.folder / "plain.espalier"
        self.ok("convert", source, "-o", plain)
        self.ok("convert", self.write("named.txt", text.replace(
            "pandas_categorical:null", "pandas_categorical:" + json.dumps(lists))), "-o", named)
        short = 0
        for tree in range(4):
            names = self.ok("show", named, "--tree", tree, "--depth", 0).decode().splitlines()
            numbers = self.ok("show", plain, "--tree", tree, "--depth", 0).decode().splitlines()
            for line, by_number in zip(names, numbers, strict=True):
                wanted = re.search(r"(Column_\d) (?:not )?in {(.*?)}", by_number)
                if wanted is None:
                    self.assertEqual(line, by_number)
                    continue
                ranges = [item.split("-") for item in wanted[2].split(", ") if "..." not in item]
                keys = [k for ends in ranges for k in range(int(ends[0]), int(ends[-1]) + 1)][:12]
                known = lists[0] if wanted[1] == "Column_0" else lists[1]
                items = [f'"{known[k]}"' if not known[k] or re.search("[ ,]", known[k])
                         else known[k] if len(known[k]) < 61 else "n" * 60 + "..." for k in keys]
                start = f"{wanted[1]} in {{" + ", ".join(items).replace("\x1b", "\\x1b")
                self.assertIn(start.replace(" in {", " not in {") if "not in" in by_number
                              else start, line)
                short += "more" not in line
        self.assertGreater(short, 4)

    def test_rows_with_text(self):
        model, fixtures = self.folder / "text.espalier", TESTS / "fixtures" / "pipelines-1.9.1"
        self.ok("convert", fixtures / "text.joblib", "-o", model)
        by_text = self.ok("show", model, "--depth", 0, "--rows", fixtures / "text.rows.csv")
        by_number = self.ok("show", model, "--depth", 0, "--rows", fixtures / "text.rows64.npy")
        self.assertEqual(by_text, by_number)
        self.assertIn("fill(x[0]) is Oslo <= 0.5", by_text.decode())
        self.assertIn("index(x[1]) <= 1.5 {small, large}", by_text.decode())

    def test_a_whole_tree(self):
        text = self.ok("show", self.iris(), "--tree", 3).decode()
        self.assertEqual(text.splitlines()[:6], [
            "tree 3 of 200: 15 nodes, 8 leaves, depth 5, iteration 3", "",
            "x[2] <= 2.35  [missing: no]",
            "├─ yes 0 (1, 0, 0)  #1",
            "└─ no  x[0] <= 6.25  [missing: no]",
            "   ├─ yes x[2] <= 4.7999997  [missing: yes]"])
        self.assertEqual(len(text.splitlines()), 2 + 15)
        self.assertNotIn("\x1b", text)

    def test_levels_and_ascii(self):
        text = self.ok("show", self.iris(), "--tree", 3, "--depth", 2, "--ascii").decode()
        self.assertTrue(text.isascii())
        self.assertIn("`- no  ... 7 nodes, 4 leaves (--depth 0: all)", text.replace("   ", ""))

    def test_rows_are_counted_and_followed(self):
        rows = NEW / "random_forest_model.rows64.npy"
        text = self.ok("show", self.iris(), "--tree", 3, "--rows", rows).decode()
        count = read_npy(rows.read_bytes())[1][0]
        counts = [int(n) for n in re.findall(r"(\d+) rows?$", text, re.M)]
        leaves = [int(n) for n in re.findall(r"#\d+  (\d+) rows?$", text, re.M)]
        self.assertEqual((counts[0], sum(leaves)), (count, count))
        text = self.ok("show", self.iris(), "--tree", 3, "--rows", rows, "--row", 5).decode()
        self.assertEqual(len(re.findall(r"#\d+  1 row$", text, re.M)), 1)

    def test_colours_only_on_a_terminal(self):
        self.assertIn(b"\x1b[", self.ok("show", self.iris(), "--color", "always"))
        for no_color, expected in (("", True), ("1", False)):
            shown, mine = pty.openpty()
            environment = dict(os.environ, NO_COLOR=no_color)
            with subprocess.Popen([COMMAND, "show", str(self.iris())], stdout=mine,
                                  env=environment) as process:
                os.close(mine)
                text = b""
                try:
                    while chunk := os.read(shown, 1 << 16):
                        text += chunk
                except OSError:
                    pass  # how a terminal ends
                process.wait(timeout=60)
            os.close(shown)
            self.assertEqual(b"\x1b[" in text, expected)

    def test_names_cannot_command_the_terminal(self):
        text = self.ok("show", self.hostile(), "--depth", 0).decode()
        self.assertNotRegex(text, "[\x00-\x09\x0b-\x1f\x7f\u202e]")

    def test_mistakes(self):
        model = self.iris()
        self.fails(["there is no tree 200", "has 200"], "show", model, "--tree", 200)
        self.fails(["--tree", "x"], "show", model, "--tree", "x", code=2)
        self.fails(["--row needs --rows"], "show", model, "--row", 1, code=2)
        self.fails(["exactly one MODEL"], "show", code=2)
        rows = NEW / "random_forest_model.rows64.npy"
        self.fails(["there is no row 9999"], "show", model, "--rows", rows, "--row", 9999)
        self.fails(["none of auto"], "show", model, "--color", "red", code=2)
        self.fails(["not-there"], "show", self.folder / "not-there")


class Plot(Pictures):
    def test_svg(self):
        picture = self.folder / "tree.svg"
        self.ok("plot", self.hostile(), "-o", picture, "--depth", 0)
        text = picture.read_text()
        root = xml.etree.ElementTree.fromstring(text)
        self.assertEqual(root.tag, "{http://www.w3.org/2000/svg}svg")
        tags = {element.tag.split("}")[1] for element in root.iter()}
        self.assertEqual(tags, {"svg", "title", "style", "text", "path", "g", "rect"})
        self.assertNotIn("\u202e", text)
        boxes = [e for e in root if e.tag.endswith("}g")]
        paths = [e for e in root if e.tag.endswith("}path")]
        self.assertEqual(len(paths), len(boxes) - 1)

    def test_long_names_leave_the_threshold(self):
        source = json.loads((TESTS / "fixtures" / "xgboost-3.0.5" / "binary.json").read_text())
        count = int(source["learner"]["learner_model_param"]["num_feature"])
        source["learner"]["feature_names"] = [f"日本 {'long ' * 12}name {i}" for i in range(count)]
        model = self.folder / "long.espalier"
        self.ok("convert", self.write("long.json", json.dumps(source)), "-o", model)
        text = self.ok("plot", model, "-o", "-", "--format", "svg").decode()
        drawn = re.findall(r"<title>([^<]*) (&lt;= [^<]*)</title><rect[^>]*/><text[^>]*>([^<]*)<",
                           text)
        self.assertGreater(len(drawn), 3)
        for name, threshold, label in drawn:
            self.assertTrue(label.startswith("日本 long"), label)
            self.assertTrue(label.endswith("... " + threshold), label)
            self.assertIn("name", name)

    def test_dot(self):
        text = self.ok("plot", self.hostile(), "-o", "-", "--format", "dot").decode()
        lines = text.splitlines()
        self.assertEqual((lines[0], lines[-1]), ("digraph tree {", "}"))
        for line in lines[4:-1]:
            self.assertRegex(line, r'^  n\d+( -> n\d+)? \[label="([^"\\]|\\.)*"'
                                   r'(, [a-z]+=("[^"]*"|[a-z]+))*\];$')
        if shutil.which("dot"):
            subprocess.run(["dot", "-Tsvg", "-o", os.devnull], input=text.encode(), check=True)

    def test_every_tree_has_one_box_a_node(self):
        for tree in (0, 3, 199):
            text = self.ok("plot", self.iris(), "-o", "-", "--format", "dot", "--tree", tree,
                           "--depth", 0).decode()
            shown = self.ok("show", self.iris(), "--tree", tree, "--depth", 0).decode()
            self.assertEqual(text.count("[label=") - text.count("->"), len(shown.splitlines()) - 2)

    def test_mistakes(self):
        model = self.iris()
        self.fails(["-o FILE is needed"], "plot", model, code=2)
        self.fails(["--format svg or --format dot"], "plot", model, "-o", "x.png", code=2)
        self.fails(["there is no tree"], "plot", model, "-o", self.folder / "t.svg", "--tree", 999)
        self.fails(["both input and output"], "plot", model, "-o", model, "--format", "svg",
                   code=2)
        self.assertEqual(list(self.folder.iterdir()), [])


class Inspect(Pictures):
    def test_ways_end_at_the_leaves_that_predict_gives(self):
        for folder, name, options in MODELS:
            with self.subTest(folder=folder, name=name, options=options):
                fixtures = TESTS / "fixtures" / folder
                stem = name.rsplit(".", 1)[0]
                rows = fixtures / f"{stem}.rows64.npy"
                model = self.folder / "model.espalier"
                code, _, error = run("convert", fixtures / name, "-o", model, *options)
                self.assertEqual(code, 0, error)
                page = self.folder / "page.html"
                self.ok("inspect", model, "-o", page, "--rows", rows)
                found = page_data(page)["row_leaves"]
                out = self.folder / "leaf.npy"
                self.ok("predict", model, rows, "--output", "leaf", "-o", out)
                _, shape, items = read_npy(out.read_bytes())
                trees = len(items) // shape[0]
                wanted = [[items[r * trees + t] for r in range(min(20, shape[0]))]
                          for t in range(trees)]
                self.assertEqual(found, wanted)

    def test_counts_are_of_the_whole_model(self):
        page = self.folder / "page.html"
        self.ok("inspect", self.iris(), "-o", page, "--nodes", 300)
        data = page_data(page)
        info = json.loads(self.ok("info", self.iris(), "--json"))
        self.assertEqual(data["node_count"], info["node_count"])
        splits = sum(f["splits"] for f in data["features"])
        self.assertEqual(splits + data["shape"]["leaf_total"], info["node_count"])
        self.assertEqual(sum(data["shape"]["tree_depths"]), info["tree_count"])
        self.assertEqual(sum(data["shape"]["leaf_depths"]), data["shape"]["leaf_total"])
        shown = sum(len(tree["f"]) for tree in data["trees"])
        self.assertLessEqual(shown, 300)
        self.assertEqual(data["left_out"]["nodes_shown"], shown)
        self.assertEqual(data["left_out"]["trees"] + len(data["trees"]), info["tree_count"])

    def test_covers_are_those_of_the_file(self):
        """With rows as without; null where members count in different units."""
        page, model = self.folder / "page.html", self.iris()
        rows = TESTS / "fixtures" / "sklearn-1.4.2" / "random_forest_model.rows64.npy"
        cover = json.loads(self.ok("info", model, "--json"))["cover"]
        self.assertEqual(cover["unit"], "weights")
        self.assertGreater(cover["values"]["2"], cover["values"]["1"])
        for options in ((), ("--rows", rows)):
            self.ok("inspect", model, "-o", page, *options)
            data = page_data(page)
            self.assertEqual(data["cover_unit"], "weights")
            self.assertEqual({str(f["v"]): f["cover"] for f in data["features"]}, cover["values"])
        self.assertTrue(any(f["rows"] > 0 for f in data["features"]))
        other = self.folder / "stacked.espalier"
        code, _, error = run("convert", MIXED, "-o", other)
        self.assertEqual(code, 0, error)
        self.assertIsNone(json.loads(self.ok("info", other, "--json"))["cover"])
        self.ok("inspect", other, "-o", page)
        self.assertIsNone(page_data(page)["cover_unit"])

    def test_sections_tile_the_file(self):
        page = self.folder / "page.html"
        self.ok("inspect", self.iris(), "-o", page)
        data = page_data(page)
        ends = [s["offset"] + s["bytes"] for s in data["sections"]]
        self.assertEqual(ends, sorted(ends))
        self.assertLessEqual(ends[-1], data["bytes"])
        self.assertGreater(ends[-1], data["bytes"] - 65536)
        self.assertEqual(data["map"]["pages"],
                         -(-data["bytes"] // data["map"]["page_bytes"]))

    def test_what_the_model_says_is_text(self):
        page = self.folder / "page.html"
        self.ok("inspect", self.hostile(), "-o", page)
        text = page.read_text(encoding="utf-8")
        self.assertEqual(text.count("</script>"), 2)
        self.assertRegex(text.split('id="data">')[1].split("</script>")[0], r"\A[ -~]*\Z")
        self.assertNotRegex(text.split('id="data">')[1].split("</script>")[0], "[<>&]")
        names = [f["name"] for f in page_data(page)["features"]]
        self.assertTrue(set(names) <= {f"{h} {i}" for i in range(99) for h in HOSTILE})
        self.assertNotRegex(text, r"(src|href)=.?(https?:|//)")

    def test_mistakes(self):
        model, page = self.iris(), self.folder / "page.html"
        self.fails(["-o FILE is needed"], "inspect", model, code=2)
        self.fails(["there is no tree 200"], "inspect", model, "-o", page, "--tree", 200)
        bad = self.write("bench.json", "{}")
        self.fails(["not what espalier bench --json prints"], "inspect", model, "-o", page,
                   "--bench", bad)
        data = bytearray(model.read_bytes())
        data[len(data) // 2] ^= 1
        broken = self.write("broken.espalier", bytes(data))
        self.fails(["broken.espalier"], "inspect", broken, "-o", page)
        self.assertFalse(page.exists())


class Embed(Pictures):
    def build(self, *sources):
        """Compiles a program against this build's library, or skips."""
        compiler = shutil.which(os.environ.get("CC", "cc"))
        library = pathlib.Path(COMMAND).resolve().parent.parent / "libespalier.a"
        if compiler is None or not library.is_file():
            self.skipTest("no C compiler, or no static library beside the command")
        if b"__asan_init" in library.read_bytes():
            self.skipTest("a library with sanitizers")
        program = self.folder / "program"
        done = subprocess.run([compiler, "-std=c11", "-Wall", "-Wextra", "-Werror", "-I",
                               str(ROOT / "include"), "-I", str(self.folder), *map(str, sources),
                               str(library), "-lm", "-o", str(program)], capture_output=True,
                              text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return program

    def test_programs_answer_as_predict(self):
        example = ROOT / "examples" / "embed" / "embedded.c"
        expected = self.ok("predict", self.iris(), self.write("row.csv", "6.3,2.5,4.9,1.5\n"),
                           "--output", "probability", "--no-header").decode().splitlines()[1]
        for ending in ("o", "c"):
            target = self.folder / f"forest.{ending}"
            self.ok("embed", self.iris(), "-o", target)
            out = subprocess.run([self.build(example, target), "6.3", "2.5", "4.9", "1.5"],
                                 capture_output=True, text=True, check=True).stdout
            self.assertEqual([float(x) for x in out.split()],
                             [float(x) for x in expected.split(",")])

    def test_the_data_is_aligned_and_not_copied(self):
        self.ok("embed", self.iris(), "-o", self.folder / "my-model.o", "--name", "net")
        main = self.write("main.c", '#include "my-model.h"\n#include <stdio.h>\n'
                          "int main(void) { espalier_model *m; espalier_error e;\n"
                          "espalier_model_info i = ESPALIER_MODEL_INFO_INIT;\n"
                          "if (net_open(NULL, &m, &e) != ESPALIER_OK) return 1;\n"
                          "espalier_model_info_get(m, &i); espalier_model_close(m);\n"
                          'printf("%u %u", (unsigned)i.mapping,'
                          " (unsigned)((uintptr_t)net_data % 4096)); return 0; }\n")
        program = self.build(main, self.folder / "my-model.o")
        out = subprocess.run([program], capture_output=True, text=True, check=True).stdout
        self.assertEqual(out, "4 0")  # ESPALIER_MAPPING_CALLER

    def test_mistakes(self):
        model = self.iris()
        self.fails(["ends neither in .o nor in .c"], "embed", model, "-o", "x.bin", code=2)
        self.fails(["is no name of C"], "embed", model, "-o", "x.o", "--name", "1a", code=2)
        self.fails(["neither x86-64 nor aarch64"], "embed", model, "-o", "x.o", "--machine", "vax",
                   code=2)
        broken = self.write("broken.espalier", model.read_bytes()[:-1])
        self.fails(["broken.espalier"], "embed", broken, "-o", self.folder / "x.o")
        self.assertEqual([p.name for p in self.folder.iterdir()], ["broken.espalier"])
        # The header beside the object would have replaced a model of that name.
        named = self.write("model.h", model.read_bytes())
        self.fails(["model.h", "both input and output"], "embed", named, "-o",
                   self.folder / "model.o", code=2)
        self.assertEqual(named.read_bytes(), model.read_bytes())


if __name__ == "__main__":
    unittest.main()
