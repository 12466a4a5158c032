# SPDX-License-Identifier: Apache-2.0
"""Trains the boosting fixtures of one scikit-learn version: train_boosting.py FIXTURES_DIR
MANIFEST_PART.

Runs inside the environment that make_fixtures.py prepared (Python 3.7 or newer). Every seed is
fixed. Must never compute an expected answer by itself: everything expected is what the trainer
returned.
"""
import os
import sys

import numpy as np
import sklearn

try:
    import pandas
except ImportError:
    pandas = None

from categories import mix_codes
from fixture_set import FLOAT32_MAX, FixtureSet, write_npy
from prove_boosting import VERSION, answers, mix_rows

from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import (GradientBoostingClassifier, GradientBoostingRegressor,
                              HistGradientBoostingClassifier, HistGradientBoostingRegressor,
                              IsolationForest, RandomForestClassifier)
from sklearn.linear_model import LinearRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.tree import DecisionTreeClassifier

ROWS = 16
WIDTH = 4


class Data:
    def __init__(self):
        rng = np.random.RandomState(20)
        self.X = rng.randn(160, WIDTH)
        self.score = self.X[:, 0] + np.sin(self.X.sum(axis=1)) + 0.1 * rng.randn(len(self.X))
        self.missing = self.X.copy()
        self.missing[rng.rand(*self.X.shape) < 0.2] = np.nan

    def classes(self, count):
        edges = np.quantile(self.score, np.linspace(0, 1, count + 1)[1:-1])
        return np.digitize(self.score, edges)


class BoostingSet(FixtureSet):
    """Rows of both widths have answers of their own: histograms compare in float64."""

    def case(self, stem, model, rows, width):
        with np.errstate(all="ignore"):
            rows = rows if width == 64 else rows.astype(np.float32)
        parts = ["%s.rows%d.npy" % (stem, width)]
        write_npy(self.path(parts[0]), rows)
        for kind, (array, linked) in sorted(answers(model, rows).items()):
            name = "%s.%s%d.npy" % (stem, kind, width)
            write_npy(self.path(name), array)
            parts.append("%s%s=%s" % (kind, "~" if linked else "", name))
        return " ".join(parts)

    def refused_case(self, stem, model, what, words):
        """Rows, the second of which predict refuses."""
        bad = np.zeros((2, WIDTH))
        bad[1, 2] = {"nan": np.nan, "infinite": np.inf}[what]
        model.predict(bad[:1])
        try:
            model.predict(bad)
        except ValueError:
            write_npy(self.path("%s.%s.npy" % (stem, what)), bad)
            return "%s.%s.npy !%s" % (stem, what, words)
        raise AssertionError("%s takes %s" % (stem, what))

    def model(self, stem, model, purpose, numbers, refused=()):
        """numbers: whether rows hold NaN and infinities; refused: rows that predict refuses."""
        name = stem + ".joblib"
        self.dump(name, model, compress=3)
        rows = mix_rows(np.random.RandomState(len(stem)), model, Data().X, ROWS, numbers, numbers)
        cases = [self.case(stem, model, rows, width) for width in (64, 32)]
        cases += [self.refused_case(stem, model, what, words) for what, words in refused]
        self.line(name, type(model).__name__, purpose, "; ".join(cases))


REFUSED = (("nan", "nan|missing row"), ("infinite", "inf row"))


def add_gradient(out, data):
    old = VERSION < (1, 0)
    X, names = data.X, np.array(["ash", "b\u00fcche", "oak"])
    options = dict(n_estimators=5, max_depth=3, random_state=1)
    out.model("gradient_binary", GradientBoostingClassifier(**options).fit(X, data.classes(2)),
              "two classes", False, REFUSED)
    out.model("gradient_names", GradientBoostingClassifier(learning_rate=0.3, **options).fit(
        X, names[data.classes(3)]), "three classes, text labels", False)
    out.model("gradient_nine", GradientBoostingClassifier(
        n_estimators=3, max_depth=1, init="zero", random_state=2).fit(X, data.classes(9)),
        "nine classes, which NumPy adds pairwise; from zero", False)
    out.model("gradient_exponential", GradientBoostingClassifier(
        loss="exponential", subsample=0.7, **options).fit(X, data.classes(2) > 0),
        "exponential loss, boolean labels", False)
    out.model("gradient_certain", GradientBoostingClassifier(
        init=DummyClassifier(strategy="most_frequent"), **options).fit(X, data.classes(2)),
        "a first guess that is certain, and clipped", False)
    for loss in ("ls" if old else "squared_error", "lad" if old else "absolute_error", "huber",
                 "quantile"):
        out.model("gradient_" + loss, GradientBoostingRegressor(
            loss=loss, max_leaf_nodes=6, learning_rate=0.37, n_estimators=4, max_depth=None,
            random_state=3).fit(X, data.score), "loss %s, best-first trees" % loss, False)
    out.model("gradient_constant", GradientBoostingRegressor(
        init=DummyRegressor(strategy="constant", constant=-0.75), **options).fit(X, data.score),
        "a constant first guess", False)
    add_starts(out, data)
    fitted = GradientBoostingRegressor(init=LinearRegression(), n_estimators=1,
                                       random_state=0).fit(X, data.score)
    out.dump("gradient_fitted.joblib", fitted, compress=3)
    out.line("gradient_fitted.joblib", "GradientBoostingRegressor", "a fitted first guess",
             refused="LinearRegression init")


def add_starts(out, data):
    """Sums that start from another estimator's answers."""
    X, options = data.X, dict(n_estimators=3, max_depth=2, random_state=1)
    histogram = dict(max_iter=2, max_leaf_nodes=5)
    out.model("gradient_start", GradientBoostingClassifier(
        init=RandomForestClassifier(2, max_depth=3, random_state=4), **options).fit(
            X, data.classes(3)), "three classes, from a forest", False)
    out.model("gradient_start_two", GradientBoostingClassifier(
        init=HistGradientBoostingClassifier(**histogram), loss="exponential", **options).fit(
            X, data.classes(2)), "two classes, from a histogram", False)
    if VERSION >= (1, 3):  # before, scikit-learn adds its trees to the wrong rows
        out.model("gradient_start_columns", GradientBoostingClassifier(
            init=OneVsRestClassifier(DecisionTreeClassifier(max_depth=2)), n_estimators=2,
            max_depth=1, random_state=1).fit(X, data.classes(9)),
            "nine classes, from probabilities that lie class by class", False)
    out.model("gradient_start_value", GradientBoostingRegressor(
        init=HistGradientBoostingRegressor(**histogram), loss="huber", **options).fit(
            X, data.score), "a value, from a histogram", False)


def add_histogram(out, data):
    old = VERSION < (1, 0)
    X = data.missing
    options = dict(max_iter=4, max_leaf_nodes=9, min_samples_leaf=5, random_state=1)
    out.model("histogram_binary", HistGradientBoostingClassifier(**options).fit(
        X, data.classes(2)), "two classes, missing values", True)
    out.model("histogram_nine", HistGradientBoostingClassifier(
        max_iter=2, max_leaf_nodes=4, random_state=1).fit(X, data.classes(9) * 3.0 - 7),
        "nine classes, which NumPy adds one by one", True)
    parted = data.score + 9.0 * np.isnan(X[:, 0])
    out.model("histogram_infinite", HistGradientBoostingRegressor(**options).fit(X, parted),
              "thresholds of infinity", True)
    losses = ["least_absolute_deviation" if old else "absolute_error"]
    losses += ["poisson"] if VERSION >= (0, 23) else []
    losses += ["gamma"] if VERSION >= (1, 3) else []
    for loss in losses:
        y = np.exp(data.score) if loss in ("poisson", "gamma") else data.score
        out.model("histogram_" + loss, HistGradientBoostingRegressor(loss=loss, **options).fit(
            data.X, y), "loss " + loss, True)
    if VERSION >= (0, 24):
        add_categories(out, data)


def add_categories(out, data):
    """Two categorical features, the second in front of a number; from 1.4 on an encoder's."""
    rng = np.random.RandomState(3)
    codes = data.missing.copy()
    codes[:, 1] = np.arange(160) % 7 * 5
    codes[:, 2] = rng.permutation(240)[np.minimum(90 * rng.rand(160)**2, 89).astype(int)]
    codes[rng.rand(160) < 0.1, 2] = np.nan
    if VERSION >= (1, 4):
        codes[:, 1] = codes[:, 1] * 1.5 - 3.25
    fitted = HistGradientBoostingRegressor(
        categorical_features=[1, 2], max_iter=3, max_leaf_nodes=8, min_samples_leaf=4).fit(
            codes, data.score + codes[:, 1] % 3)
    rows = mix_codes(rng, codes, [1, 2], 40, infinite=False)
    # What comes back as another category, and what the encoder refuses.
    low, high = (-2, 256) if VERSION < (1, 4) else (-FLOAT32_MAX, FLOAT32_MAX)
    rows = rows[~((rows[:, 1:3] <= low) | (rows[:, 1:3] >= high)).any(axis=1)]
    out.dump("histogram_categories.joblib", fitted, compress=3)
    cases = [out.case("histogram_categories", fitted, rows, width) for width in (64, 32)]
    if VERSION >= (1, 9):
        cases.append(out.refused_case("histogram_categories", fitted, "infinite", "inf row"))
    out.line("histogram_categories.joblib", "HistGradientBoostingRegressor",
             "categorical features", "; ".join(cases))


TOWNS = ("Lima", "Oslo", "Rome", "Z\u00fcrich")


def add_text(out, data):
    """A column that pandas calls categories of text, as numbers of these and as CSV."""
    rng = np.random.RandomState(9)
    town = np.array(TOWNS, dtype=object)[rng.randint(len(TOWNS), size=160)]
    town[::11] = None

    def frame(towns, numbers):
        return pandas.DataFrame({"x": numbers[:, 0], "town": pandas.Categorical(towns),
                                 "z": numbers[:, 1]})

    target = data.score + (town == "Rome")
    model = HistGradientBoostingClassifier(
        categorical_features="from_dtype", max_iter=3, max_leaf_nodes=8, min_samples_leaf=4).fit(
            frame(town, data.missing), target > 0.3)
    asked = town[:24].copy()
    asked[5] = "Bern"  # never met: missing
    rows = frame(asked, data.missing[:24])
    numbers = np.column_stack([
        data.missing[:24, 0],
        [TOWNS.index(one) if one in TOWNS else np.nan for one in asked], data.missing[:24, 1]])
    out.dump("histogram_text.joblib", model, compress=3)
    write_npy(out.path("histogram_text.rows64.npy"), numbers)
    rows.to_csv(out.path("histogram_text.rows.csv"), index=False, header=False)
    parts = []
    for kind, (array, linked) in sorted(answers(model, rows).items()):
        write_npy(out.path("histogram_text.%s64.npy" % kind), array)
        parts.append("%s%s=histogram_text.%s64.npy" % (kind, "~" if linked else "", kind))
    out.line("histogram_text.joblib", "HistGradientBoostingClassifier", "categories of text",
             "histogram_text.rows64.npy,histogram_text.rows.csv " + " ".join(parts))


def add_isolation(out, data):
    any_number = VERSION >= (1, 6)
    X = data.missing if any_number else data.X
    refused = () if any_number else REFUSED
    out.model("isolation", IsolationForest(n_estimators=6, max_samples=40, random_state=1).fit(X),
              "isolation forest", any_number, refused)
    out.model("isolation_features", IsolationForest(
        n_estimators=6, max_samples=0.2, max_features=0.6, bootstrap=True, contamination=0.1,
        random_state=2).fit(X), "trees of some features, an offset", any_number)
    if VERSION >= (1, 0):
        out.model("isolation_one", IsolationForest(
            n_estimators=2, max_samples=1, random_state=3).fit(X), "trees of one row", any_number)


def main():
    root, manifest = sys.argv[1:3]
    out = BoostingSet(root, "boosting-" + sklearn.__version__)
    data = Data()
    add_gradient(out, data)
    add_histogram(out, data)
    add_isolation(out, data)
    if VERSION >= (1, 4) and pandas is not None:
        add_text(out, data)
    out.write_manifest(manifest)


if __name__ == "__main__":
    os.environ["OMP_NUM_THREADS"] = "1"
    main()
