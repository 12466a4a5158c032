# SPDX-License-Identifier: Apache-2.0
"""The page of espalier inspect in headless Chromium: open, click, fold, search, follow a row.

Needs selenium (scripts/check.sh browser installs it), chromium and chromium-driver; leaves with 77
where they are missing. Pictures of every page, on a phone and on a wide screen, light and dark, go
to the folder named by --shots. axe-core, if --axe is its file, looks for what keeps people out.
"""

import argparse
import json
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest

try:
    from selenium import webdriver
    from selenium.webdriver.common.keys import Keys
except ImportError:
    print("drive_report: no selenium")
    sys.exit(77)

FIXTURES = pathlib.Path(__file__).resolve().parent.parent / "fixtures"
PHONE, WIDE = (390, 844), (1440, 900)
HOSTILE = ["</script><script>document.title='owned'</script>", "<img src=x onerror=owned()>",
           "\u202eevil\u2066", "\"'><svg onload=owned()>", "<!--<script>", "a\nb\tc", "${x}\\u0041"]
arguments = None


def command(*words):
    done = subprocess.run([arguments.espalier, *map(str, words)], capture_output=True, text=True,
                          timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def read_npy(path):
    """The items of an .npy file of float64 or int64, row by row."""
    data = path.read_bytes()
    start = 10 + struct.unpack("<H", data[8:10])[0]
    header = eval(data[10:start].decode(), {})  # our own fixture
    kind = {"<f8": "d", "<i8": "q", "<f4": "f"}[header["descr"]]
    width = header["shape"][1] if len(header["shape"]) > 1 else 1
    items = struct.unpack(f"<{(len(data) - start) // struct.calcsize(kind)}{kind}", data[start:])
    return [items[i:i + width] for i in range(0, len(items), width)]


class Page(unittest.TestCase):
    """A browser for all tests; every page must stay without errors and requests."""

    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="espalier-browser-"))
        options = webdriver.ChromeOptions()
        options.binary_location = arguments.chromium
        for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                     "--no-first-run", "--disable-extensions",
                     f"--user-data-dir={cls.folder}/user"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        service = webdriver.ChromeService(executable_path=arguments.driver)
        cls.browser = webdriver.Chrome(options=options, service=service)
        cls.browser.set_script_timeout(60)

    @classmethod
    def tearDownClass(cls):
        cls.browser.quit()
        shutil.rmtree(cls.folder, ignore_errors=True)

    def convert(self, source, *options):
        model = self.folder / f"{pathlib.Path(source).stem}.espalier"
        command("convert", source, "-o", model, *options)
        return model

    def open(self, model, *options, width=WIDE, dark=False):
        page = self.folder / f"{model.stem}.html"
        command("inspect", model, "-o", page, *options)
        self.look(width, dark)
        self.browser.get_log("browser")
        self.browser.get_log("performance")
        self.browser.get(page.as_uri())
        self.assertEqual(self.js("return document.documentElement.dataset.ready"), "yes")
        return page

    def look(self, width, dark):
        self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
            "width": width[0], "height": width[1], "deviceScaleFactor": 1,
            "mobile": width is PHONE})
        self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
            {"name": "prefers-reduced-motion", "value": "reduce"}]})

    def js(self, script, *values):
        return self.browser.execute_script(script, *values)

    def find(self, selector):
        return self.browser.find_element("css selector", selector)

    def texts(self, selector):
        return self.js("return [...document.querySelectorAll(arguments[0])]"
                       ".map(e => e.textContent)", selector)

    def press(self, *keys):
        for key in keys:
            self.browser.switch_to.active_element.send_keys(key)

    def tearDown(self):
        errors = [entry["message"] for entry in self.browser.get_log("browser")]
        self.assertEqual(errors, [])
        requests = []
        for entry in self.browser.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                requests.append(message["params"]["request"]["url"])
        self.assertEqual([u for u in requests if not u.startswith(("file:", "data:"))], [])

    def shoot(self, name):
        """Pictures of the whole page, and that nothing sticks out of it sideways."""
        for width, size in (("phone", PHONE), ("wide", WIDE)):
            for dark in (False, True):
                self.look(size, dark)
                high = self.js("return document.documentElement.scrollHeight")
                over = self.js("return document.documentElement.scrollWidth - innerWidth")
                self.assertLessEqual(over, 0, f"{name} on {width}")
                if arguments.shots is None:
                    continue
                arguments.shots.mkdir(parents=True, exist_ok=True)
                self.look((size[0], min(high, 9000)), dark)
                self.browser.save_screenshot(
                    str(arguments.shots / f"{name}-{width}-{'dark' if dark else 'light'}.png"))


class Report(Page):
    FOREST = FIXTURES / "sklearn-1.4.2"

    def forest(self, **options):
        model = self.convert(self.FOREST / "random_forest_model.pkl")
        rows = self.FOREST / "random_forest_model.rows64.npy"
        self.open(model, "--rows", rows, **options)
        return rows

    def test_opens_and_says_what_it_is(self):
        self.forest()
        self.assertEqual(self.texts("h1"), ["random_forest_model.espalier"])
        self.assertIn("200", self.texts(".figures dd"))
        self.assertIn("Proved on 4,096 rows", self.texts("#badges li"))
        for section in ("origin", "proof", "features", "shape", "trees", "file", "metadata",
                        "limits"):
            self.assertTrue(self.find(f"#{section} h2").is_displayed())
            self.assertEqual(self.js("return document.querySelectorAll(arguments[0]).length",
                                     f"nav a[href='#{section}']"), 1)
        self.shoot("forest")

    def test_folds_by_click_and_by_key(self):
        self.forest()
        before = len(self.texts("[role=treeitem]"))
        self.find("[data-node='0'] rect").click()
        self.assertEqual(len(self.texts("[role=treeitem]")), 1)
        self.assertEqual(self.find("[data-node='0']").get_attribute("aria-expanded"), "false")
        self.press(Keys.ARROW_RIGHT)
        self.assertEqual(self.find("[data-node='0']").get_attribute("aria-expanded"), "true")
        self.assertEqual(len(self.texts("[role=treeitem]")), before)
        self.press(Keys.ARROW_RIGHT)
        self.assertEqual(self.js("return document.activeElement.dataset.node"), "1")
        self.press(Keys.END, Keys.HOME, Keys.ARROW_DOWN, Keys.ARROW_UP, Keys.ENTER)
        self.assertEqual(len(self.texts("[role=treeitem]")), 1)
        self.assertEqual(self.js("return document.activeElement.getAttribute('tabindex')"), "0")

    def test_other_trees_and_search(self):
        self.forest()
        self.find("[aria-label='Next tree']").click()
        self.assertIn("Tree 1 of 200", self.texts("#tree-title")[0])
        box = self.find("#tree-number")
        box.clear()
        box.send_keys("199", Keys.TAB)
        self.assertIn("Tree 199 of 200", self.texts("#tree-title")[0])
        self.find("#node-search").send_keys("x[3]")
        self.assertRegex(self.texts("#found-text")[0], r"^[1-9]\d* nodes? found$")
        self.assertGreater(len(self.texts(".found")), 0)
        self.find("#feature-search").send_keys("x[3]")
        self.assertEqual(self.texts("#features tbody th"), ["x[3]"])
        self.assertEqual(self.js("return getComputedStyle(document.querySelector("
                                 "'#features tbody th')).whiteSpace"), "normal")

    def test_sorts_features(self):
        self.forest()
        buttons = self.browser.find_elements("css selector", "#features thead button")
        buttons[0].click()
        self.assertEqual(self.texts("#features tbody th"), ["x[0]", "x[1]", "x[2]", "x[3]"])
        self.assertEqual(self.find("#features th[aria-sort]").get_attribute("aria-sort"),
                         "ascending")
        self.assertEqual(self.texts("#features thead th"), [
            "Feature", "Splits", "Share", "Trees", "Cover", "Rows asked", "Thresholds"])
        buttons[3].click()
        covers = [float(text.split()[0].replace(",", ""))
                  for text in self.texts("#features tbody td:nth-child(5)")]
        self.assertEqual(covers, sorted(covers, reverse=True))
        self.assertGreater(covers[-1], 0)
        self.assertIn("the weights of the rows of training", self.texts("#features .note")[0])

    def typed_ways(self, model, rows, leaves, places):
        """Every tree: the leaf that a row typed into the page comes to, and the trainer's."""
        self.open(model)
        for row, wanted in zip(rows, leaves):
            text = ",".join("" if x != x else repr(x) for x in row)
            self.js("document.getElementById('row-text').value = arguments[0];"
                    "document.getElementById('follow').click();", text)
            for place in places:
                self.js("const n = document.getElementById('tree-number');"
                        "n.value = arguments[0]; n.dispatchEvent(new Event('change'));", place)
                self.assertEqual(self.texts("#row-error"), [""])
                self.assertRegex(self.texts(".answer")[0],
                                 rf"^It ends at leaf {wanted[place]}: ", f"{row}, tree {place}")
                self.assertEqual(len(self.texts(".steps li")) + 1, len(self.texts(".node.way")))

    def test_typed_rows_end_where_the_trainer_says(self):
        forest = self.FOREST
        self.typed_ways(self.convert(forest / "random_forest_model.pkl"),
                        read_npy(forest / "random_forest_model.rows64.npy")[::11],
                        read_npy(forest / "random_forest_model.leaf.npy")[::11], range(0, 200, 23))
        for name in ("categorical", "missing_zero"):
            folder = FIXTURES / "lightgbm-4.7.0"
            if not (folder / f"{name}.leaf64.npy").is_file():
                continue
            self.typed_ways(self.convert(folder / f"{name}.txt"),
                            read_npy(folder / f"{name}.rows64.npy")[::7],
                            read_npy(folder / f"{name}.leaf64.npy")[::7], range(2))

    def test_given_rows_and_wrong_rows(self):
        self.forest()
        self.find("#row-choice option[value='3']").click()
        self.assertIn("It ends at leaf", self.texts(".answer")[0])
        self.assertGreater(len(self.texts(".edge.way")), 0)
        for size in (WIDE, PHONE):  # the leaf comes into view, however far to the right it lies
            self.look(size, False)
            self.js("const c = document.getElementById('row-choice');"
                    "document.querySelector('.drawing').scrollTo(0, 0);"
                    "c.dispatchEvent(new Event('change'));")
            self.assertTrue(self.js(
                "const v = document.querySelector('.drawing').getBoundingClientRect();"
                "const n = document.querySelector('.node.leaf.way rect').getBoundingClientRect();"
                "return n.left >= v.left && n.right <= v.right + 1 && n.top >= v.top"
                " && n.bottom <= v.bottom + 1;"))
        self.shoot("way")
        self.find("#row-text").send_keys("1, 2, 3", Keys.ENTER)
        self.assertIn("the model has 4 features, and this row 3 values", self.texts("#row-error"))
        self.assertEqual(self.texts(".answer"), [])
        text = self.find("#row-text")
        text.clear()
        text.send_keys("1, 2, three, 4", Keys.ENTER)
        self.assertIn("value 3 is not a number: three", self.texts("#row-error"))

    def test_hostile_names_stay_text(self):
        source = next(p for p in sorted((FIXTURES / "xgboost-3.0.5").glob("*.json"))
                      if len(json.loads(p.read_text())["learner"]["feature_names"]) == 0)
        model = json.loads(source.read_text())
        width = int(model["learner"]["learner_model_param"]["num_feature"])
        model["learner"]["feature_names"] = [f"{HOSTILE[i % len(HOSTILE)]} {i}"
                                             for i in range(width)]
        path = self.folder / "hostile.json"
        path.write_text(json.dumps(model))
        page = self.open(self.convert(path, "--meta", f"note={HOSTILE[0]}", "--meta",
                                      "</script>=1", "--model-version", HOSTILE[1]))
        text = page.read_text()
        self.assertEqual(text.count("</script>"), 2)
        self.assertNotIn("\u202e", text)
        self.assertTrue(self.browser.title.endswith(": model report"), self.browser.title)
        self.assertEqual(self.js("return document.querySelectorAll('img').length"), 0)
        shown = self.js("return document.body.innerText")
        self.assertIn("</script><script>document.title='owned'</script>", shown)
        self.assertIn("\\u202eevil\\u2066", shown)
        self.shoot("hostile")

    def test_large_models_give_small_pages(self):
        model = self.convert(self.FOREST / "random_forest_model.pkl")
        page = self.open(model, "--nodes", 500, "--tree", 7)
        self.assertLess(page.stat().st_size, 160000)
        self.assertIn("To stay small this page leaves out:", self.texts("#limits p")[0])
        self.assertIn("Nodes2,526", self.texts(".figures div"))
        self.js("const n = document.getElementById('tree-number');"
                "n.value = 7; n.dispatchEvent(new Event('change'));")
        self.assertNotIn("upper levels", self.texts("#tree-title")[0])
        page = self.open(model, "--nodes", 0)
        self.assertIn("This page holds no tree.", self.texts("#tree-title"))

    def test_categories_are_typed_and_shown_by_name(self):
        folder = FIXTURES / "lightgbm-4.7.0"
        lists = [[f"town {k}" if k % 2 else f"City{k}" for k in range(299)],
                 ["north", "east", "south", "<b>west"]]
        path = self.folder / "named.txt"
        path.write_text((folder / "categorical.txt").read_text().replace(
            "pandas_categorical:null", "pandas_categorical:" + json.dumps(lists)))
        rows = read_npy(folder / "categorical.rows64.npy")
        leaves = read_npy(folder / "categorical.leaf64.npy")
        self.open(self.convert(path))
        followed = 0
        for row, wanted in zip(rows, leaves):
            if not (row[0] in range(299) and row[1] in range(4)):
                continue
            text = ",".join([lists[0][int(row[0])], lists[1][int(row[1])],
                             *("" if x != x else repr(x) for x in row[2:])])
            self.js("document.getElementById('row-text').value = arguments[0];"
                    "document.getElementById('follow').click();", text)
            self.assertRegex(self.texts(".answer")[0], rf"^It ends at leaf {wanted[0]}: ")
            self.assertIn(f"it is {lists[0][int(row[0])]}:", self.texts(".steps li")[0])
            followed += 1
        self.assertGreater(followed, 3)
        self.shoot("categories")
        self.js("document.getElementById('row-text').value = 'Nowhere,east,1,1,1,1';"
                "document.getElementById('follow').click();")
        self.assertEqual(self.texts("#row-error"),
                         ["value 1 is none of the categories of Column_0: Nowhere"])
        self.open(self.convert(folder / "linear.txt"))
        self.find("[aria-label='Next tree']").click()
        self.assertIn(" * Column_0", " ".join(self.texts("[role=treeitem]")))
        self.shoot("linear")

    def test_axe_finds_nothing(self):
        if arguments.axe is None or not arguments.axe.is_file():
            self.skipTest("no axe-core")
        axe = arguments.axe.read_text(encoding="utf-8")
        # A label that is too long for its node is cut; the node's name is whole.
        rules = {"label-content-name-mismatch": {"enabled": False}}
        folder = FIXTURES / "pipelines-1.9.1"
        model = self.convert(folder / "scaled.joblib")
        bench = self.folder / "bench.json"
        bench.write_text(command("bench", model, "--json", "--seconds", "0.02", "--count", "64"))
        pages = [(model, "--bench", bench, "--rows", folder / "scaled.rows64.npy"),
                 (self.convert(self.FOREST / "named_tree.pkl"),)]
        for page in pages:
            for width in (WIDE, PHONE):
                for dark in (False, True):
                    self.open(*page, width=width, dark=dark)
                    self.js(axe)
                    found = self.browser.execute_async_script(
                        "const [rules, done] = arguments; axe.run(document, {rules}).then(r => "
                        "done(r.violations.map(v => v.id + ': ' + v.nodes[0].html)))", rules)
                    self.assertEqual(found, [], (page[0].stem, width, dark))

    def test_pipelines_and_benchmarks(self):
        folder = FIXTURES / "pipelines-1.9.1"
        source = folder / "scaled.joblib"
        model = self.convert(source)
        bench = self.folder / "bench.json"
        bench.write_text(command("bench", model, "--json", "--seconds", "0.1", "--count", "64"))
        rows = folder / f"{source.stem}.rows64.npy"
        self.open(model, "--bench", bench, "--rows", rows)
        self.assertIn("This model prepares its rows", " ".join(self.texts("#trees .note")))
        self.find("#row-choice option[value='0']").click()
        self.assertIn("It ends at leaf", self.texts(".answer")[0])
        self.assertIn("equal", self.texts("#bench td"))
        self.shoot("pipeline")


def main():
    global arguments
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--espalier", required=True)
    parser.add_argument("--chromium", default=shutil.which("chromium"))
    parser.add_argument("--driver", default=shutil.which("chromedriver"))
    parser.add_argument("--shots", type=pathlib.Path)
    parser.add_argument("--axe", type=pathlib.Path, help="axe.min.js of axe-core")
    arguments, rest = parser.parse_known_args()
    if arguments.chromium is None or arguments.driver is None:
        print("drive_report: no chromium or no chromium-driver here")
        sys.exit(77)
    unittest.main(argv=[sys.argv[0], *rest])


if __name__ == "__main__":
    main()
