# SPDX-License-Identifier: Apache-2.0
"""Trains LightGBM models, saves them as text, and records the library's own answers.

    python train_lightgbm.py OUTPUT_FOLDER MANIFEST_PART

Runs inside an environment of one LightGBM version (Python 3.7 or newer). Must never compute an
expected answer by itself: margins are raw scores (of a random forest the sums), leaves are leaf
indices, values are predict. What goes through exp has "~" behind its name.
"""
import re
import sys

import lightgbm as lgb
import numpy as np

from categories import mix_codes
from fixture_folder import FixtureFolder, same_bits, write_npy

VERSION = tuple(int(part) for part in lgb.__version__.split(".")[:2])
NEWEST = (4, 7)  # the only version whose set is whole
TINY = float(np.float32(1e-35))  # what LightGBM takes for zero
BAGGING = {"bagging_freq": 1, "bagging_fraction": 0.6}
# Objectives whose predict goes through exp.
LINKED = ("binary", "multiclass", "multiclassova", "cross_entropy", "cross_entropy_lambda",
          "poisson", "gamma", "tweedie", "xentropy", "xentlambda")
SPECIAL = (np.nan, np.inf, -np.inf, 0.0, -0.0, 5e-324, -5e-324, 1e-36, -1e-36, TINY, -TINY,
           np.nextafter(TINY, 1), np.nextafter(-TINY, -1), np.nextafter(TINY, 0), 1e-35, 2e-35,
           1e300, -1e300, 1.7e308, 3.5e38, -3.5e38)


def thresholds_of(text):
    """{feature: thresholds} of a text model."""
    found = {}
    pairs = zip(re.findall(r"^split_feature=(.*)$", text, re.M),
                re.findall(r"^threshold=(.*)$", text, re.M))
    for features, thresholds in pairs:
        for feature, threshold in zip(features.split(), thresholds.split()):
            found.setdefault(int(feature), []).append(float(threshold))
    return found


def neighbours(threshold):
    """On the threshold, on its float32 rounding, and one step of each width to each side."""
    with np.errstate(over="ignore"):
        return neighbours_of(threshold, np.float32(threshold))


def neighbours_of(threshold, rounded):
    return [threshold, np.nextafter(threshold, np.inf), np.nextafter(threshold, -np.inf),
            float(rounded), float(np.nextafter(rounded, np.float32(np.inf))),
            float(np.nextafter(rounded, np.float32(-np.inf)))]


def make_rows(rng, base, text, count):
    """Held-out rows, rows on and beside thresholds, rows of what LightGBM treats apart."""
    rows = [base[rng.randint(len(base), size=count)]]
    thresholds = thresholds_of(text)
    for feature in sorted(thresholds):
        for value in neighbours(thresholds[feature][rng.randint(len(thresholds[feature]))]):
            row = base[rng.randint(len(base))].copy()
            row[feature] = value
            rows.append(row[np.newaxis])
    for value in SPECIAL:
        row = base[rng.randint(len(base))].copy()
        row[rng.randint(base.shape[1])] = value
        rows.append(row[np.newaxis])
        rows.append(np.full((1, base.shape[1]), value))
    return np.vstack(rows)


def answers(model, rows, text):
    """Margins, leaves and values."""
    # A single tree's indices have one axis in 4.0 and before, and two in 4.6.
    leaf = model.predict(rows, pred_leaf=True).reshape(len(rows), -1)
    objective = re.search(r"^objective=(\S+)", text, re.M)
    linked = objective and objective.group(1) in LINKED
    return {"margin": model.predict(rows, raw_score=True), "leaf": leaf.astype(np.int64),
            "value~" if linked else "value": model.predict(rows)}


class FixtureSet(FixtureFolder):
    def line(self, name, purpose, cases="-", refused="-"):
        self.add_line(name, lgb.__version__, "Booster", purpose, "-", cases, refused)

    def write_cases(self, stem, model, text, rows, width):
        found = answers(model, rows, text)
        file_name = "%s.rows%d.npy" % (stem, width)
        write_npy(self.path(file_name), rows)
        parts = [file_name]
        for key in sorted(found):
            name = "%s.%s%d.npy" % (stem, key.strip("~"), width)
            write_npy(self.path(name), found[key])
            parts.append("%s=%s" % (key, name))
        return " ".join(parts)

    def add(self, stem, model, base, purpose, count=12):
        """One model as text, with rows of both widths: they may give different answers."""
        name = stem + ".txt"
        model.save_model(self.path(name))
        with open(self.path(name), encoding="utf-8") as file:
            text = file.read()
        rng = np.random.RandomState(len(stem))
        rows = make_rows(rng, base, text, count)
        with np.errstate(over="ignore", under="ignore"):
            narrow = rows.astype(np.float32)
        cases = [self.write_cases(stem, model, text, rows, 64),
                 self.write_cases(stem, model, text, narrow, 32)]
        again = lgb.Booster(model_file=self.path(name))
        for key, value in answers(again, rows, text).items():
            assert same_bits(value, answers(model, rows, text)[key]), (stem, key)
        self.line(name, purpose, "; ".join(cases))
        return text, "; ".join(cases)

    def write_text(self, name, text):
        with open(self.path(name), "w", encoding="utf-8", newline="") as file:
            file.write(text)


def train(data, target, rounds, **parameters):
    options = dict(objective="regression", num_leaves=15, min_data_in_leaf=5, verbose=-1, seed=7,
                   num_threads=1)
    options.update(parameters)
    group = options.pop("group", None)
    names = options.pop("names", "auto")
    return lgb.train(options, lgb.Dataset(data, target, group=group, feature_name=names), rounds)


class Data:
    """Rows of six features, made from a seed: plain, with many zeros, with NaN."""

    def __init__(self):
        rng = np.random.RandomState(11)
        self.plain = rng.randn(400, 6)
        self.plain[:, 5] = np.round(self.plain[:, 5])
        self.target = (np.sin(2 * self.plain[:, 0]) + self.plain[:, 1] * self.plain[:, 2]
                       + 0.1 * rng.randn(400))
        self.zeros = np.where(rng.rand(400, 6) < 0.4, 0.0, self.plain)
        self.missing = np.where(rng.rand(400, 6) < 0.25, np.nan, self.zeros)
        # What is near zero decides, and lies about LightGBM's limit for zero.
        self.tiny = rng.choice([0.0, 5e-36, -5e-36, 2e-35, -2e-35, 1e-30, -1e-30], size=(400, 6))

    def classes(self, count):
        edges = np.quantile(self.target, np.linspace(0, 1, count + 1)[1:-1])
        return np.digitize(self.target, edges).astype(float)


def add_core(out, data):
    """What every version's set has."""
    target = data.target
    out.add("regression", train(data.plain, target, 5), data.plain, "regression")
    out.add("binary", train(data.missing, data.classes(2), 4, objective="binary", num_leaves=9),
            data.missing, "two classes, missing values")
    out.add("multiclass", train(data.plain, data.classes(3), 2, objective="multiclass",
                                num_class=3, num_leaves=7), data.plain, "three classes")
    out.add("forest", train(data.plain, target, 5, boosting="rf", num_leaves=7, **BAGGING),
            data.plain, "random forest: sums are divided")
    out.add("missing_off", train(data.missing, target, 3, use_missing=False, num_leaves=7),
            data.missing, "use_missing=false: NaN counts as zero")
    out.add("missing_zero", train(data.missing, target, 3, zero_as_missing=True, num_leaves=7),
            data.missing, "zero_as_missing")
    out.add("one_leaf", train(data.plain, target, 3, min_data_in_leaf=300), data.plain,
            "trees of one leaf", count=4)


def add_objectives(out, data):
    target = data.target
    positive = np.exp(target / 2)
    out.add("multiclassova", train(data.zeros, data.classes(4), 2, objective="multiclassova",
                                   num_class=4, num_leaves=5), data.zeros, "one against all")
    out.add("poisson", train(data.plain, positive, 3, objective="poisson", num_leaves=7),
            data.plain, "a logarithmic link")
    out.add("ranking", train(data.plain, data.classes(4), 3, objective="lambdarank",
                             group=[20] * 20, num_leaves=7), data.plain, "lambdarank")
    out.add("sqrt", train(data.plain, target, 3, reg_sqrt=True, num_leaves=7), data.plain,
            "regression sqrt: predict squares")


def add_links(out, data):
    """Objectives with links of their own, and numbers in the objective's text."""
    target, positive = data.target, np.exp(data.target / 2)
    chances = 1 / (1 + np.exp(-target))
    plain, missing = data.plain, data.missing
    for objective, labels in (("cross_entropy", chances), ("cross_entropy_lambda", chances),
                              ("gamma", positive), ("tweedie", positive)):
        out.add(objective, train(plain, labels, 3, objective=objective, num_leaves=5), plain,
                objective, count=4)
    out.add("sigmoid", train(missing, data.classes(2), 3, objective="binary", sigmoid=0.7,
                             num_leaves=5), missing, "a sigmoid of 0.7", count=4)
    out.add("forest_binary", train(missing, data.classes(2), 3, objective="binary", boosting="rf",
                                   num_leaves=5, **BAGGING), missing,
            "random forest of two classes", count=4)


def add_old_names(out, data):
    """Objectives that the text names otherwise than later versions."""
    chances = 1 / (1 + np.exp(-data.target))
    for objective in ("xentropy", "xentlambda"):
        out.add(objective, train(data.plain, chances, 3, objective=objective, num_leaves=5),
                data.plain, objective, count=4)


def add_boosting(out, data):
    target = data.target
    out.add("dart", train(data.plain, target, 6, boosting="dart", drop_rate=0.5, num_leaves=7),
            data.plain, "dart: factors are in the leaves")
    out.add("goss", train(data.missing, target, 4, boosting="goss", num_leaves=7,
                          learning_rate=0.3), data.missing, "goss")
    out.add("forest_classes", train(data.plain, data.classes(3), 3, boosting="rf", num_class=3,
                                    objective="multiclass", num_leaves=5, **BAGGING), data.plain,
            "random forest of three classes")


def add_shapes(out, data):
    target = data.target
    out.add("wide", train(data.plain, target, 1, num_leaves=130, min_data_in_leaf=1), data.plain,
            "a tree of 130 leaves")
    out.add("chain", train(np.sort(data.plain, axis=0), 2.0 ** np.arange(-200, 200), 2,
                           num_leaves=60, min_data_in_leaf=1), data.plain, "deep, narrow trees")
    out.add("one_tree", train(data.plain, target, 1, num_leaves=4), data.plain, "one tree")
    out.add("monotone", train(data.plain, target, 2, num_leaves=7,
                              monotone_constraints=[1, 0, 0, -1, 0, 0]), data.plain,
            "monotone constraints")
    out.add("names", train(data.plain[:, :3], target, 2, num_leaves=4,
                           names=["width", "h\u00f6he=1", "d_2"]), data.plain[:, :3],
            "feature names")
    out.add("tiny", train(data.tiny, data.tiny[:, 0] * 1e30 + (data.tiny[:, 1] > 0), 3,
                          num_leaves=7, min_data_in_bin=1), data.tiny, "values next to 1e-35")
    out.add("tiny_zero", train(data.tiny, (data.tiny[:, 1] > 0) * 1.0, 2, num_leaves=5,
                               zero_as_missing=True), data.tiny, "the same with zero_as_missing")


def add_early_stopping(out, data):
    """Only the trees up to the best iteration are in the file."""
    trained = lgb.Dataset(data.plain[:200], data.target[:200])
    model = lgb.train(dict(objective="regression", num_leaves=7, min_data_in_leaf=1, verbose=-1,
                           seed=7, num_threads=1, learning_rate=0.7), trained, 40,
                      valid_sets=[trained.create_valid(data.plain[200:], data.target[200:])],
                      callbacks=[lgb.early_stopping(3, verbose=False)])
    assert 0 < model.best_iteration < 40
    out.add("early", model, data.plain, "early stopping")


def add_categories(out, data):
    """Sets of many categories, and of one; rows with other numbers in their place."""
    rng = np.random.RandomState(3)
    codes = data.plain.copy()
    codes[:, 0] = rng.permutation(300)[np.minimum(120 * rng.rand(400)**2, 119).astype(int)]
    codes[:, 1] = np.abs(np.round(data.plain[:, 1]))
    codes[rng.rand(400) < 0.1, 1] = np.nan
    model = lgb.train(dict(objective="regression", num_leaves=9, verbose=-1, min_data_in_leaf=5,
                           num_threads=1, min_data_per_group=1, cat_smooth=1, seed=7),
                      lgb.Dataset(codes, data.target + codes[:, 0] % 7,
                                  categorical_feature=[0, 1]), 4)
    out.add("categorical", model, mix_codes(rng, codes, [0, 1], 60), "splits on categories", 24)


def add_linear(out, data):
    """Leaves that are lines, and their numbers where a feature is missing; texts that lie."""
    text, _ = out.add("linear", train(data.plain, data.target, 3, linear_tree=True, num_leaves=5,
                                      linear_lambda=0.01), data.plain, "linear leaves", count=4)
    out.write_text("linear_short.txt", re.sub(r"^leaf_coeff=\S+ ", "leaf_coeff=", text,
                                              flags=re.M))
    out.line("linear_short.txt", "a coefficient too few", refused="tree_sizes tree")
    if VERSION != NEWEST:
        return
    out.add("linear_classes", train(data.missing, data.classes(3), 2, objective="multiclass",
                                    num_class=3, linear_tree=True, num_leaves=4), data.missing,
            "linear leaves of three classes, missing values", count=4)
    text = re.sub(r"^tree_sizes=.*\n", "", text, flags=re.M)
    for name, purpose, pattern, instead, refused in (
            ("more", "more coefficients than num_features ask for", r"^leaf_coeff=",
             "leaf_coeff=1 ", "leaf_features tree line"),
            ("far", "a leaf of a feature that is not there", r"^leaf_features=\d",
             "leaf_features=6", "leaf_features[0] tree line"),
            ("counts", "a leaf of more features than there are", r"^num_features=\d",
             "num_features=7", "num_features[0] tree line"),
            ("constants", "a constant that is infinite", r"^leaf_const=\S+", "leaf_const=inf",
             "leaf_const[0] tree line")):
        out.write_text("linear_%s.txt" % name, re.sub(pattern, instead, text, flags=re.M))
        out.line("linear_%s.txt" % name, purpose, refused=refused)


def add_refused(out, data, text, cases):
    """What is not converted, and what a file must not say."""
    out.write_text("half.txt", text[:text.index("leaf_value=", text.index("Tree=1")) + 30])
    out.line("half.txt", "cut inside a tree", refused="ends before tree line")
    out.write_text("windows.txt", text.replace("\n", "\r\n"))
    out.line("windows.txt", "Windows line ends", cases)
    assert re.search(r"^left_child=\d ", text, re.M)
    out.write_text("child.txt", re.sub(r"^left_child=\d", "left_child=9", text, flags=re.M))
    out.line("child.txt", "a child that is not there", refused="left_child[0] tree 0 line")
    out.write_text("longer.txt", text.replace("threshold=", "threshold=0.5 ", 1))
    out.line("longer.txt", "a tree longer than tree_sizes says", refused="tree_sizes tree 0")


def main():
    root, manifest = sys.argv[1:3]
    out = FixtureSet(root, "lightgbm-" + lgb.__version__)
    data = Data()
    add_core(out, data)
    if VERSION < (2, 3):
        add_old_names(out, data)
    if VERSION == NEWEST:
        add_objectives(out, data)
        add_links(out, data)
        add_boosting(out, data)
        add_shapes(out, data)
        add_early_stopping(out, data)
    text, cases = out.add("small", train(data.missing, data.target, 2, num_leaves=4),
                          data.missing, "a small model", count=4)
    add_categories(out, data)
    if VERSION >= (3, 2):
        add_linear(out, data)
    add_refused(out, data, text, cases)
    out.write_manifest(manifest, "LightGBM %s: NumPy %s" % (lgb.__version__, np.__version__))


if __name__ == "__main__":
    main()
