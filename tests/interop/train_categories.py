# SPDX-License-Identifier: Apache-2.0
"""Trains the fixtures of what pandas calls categories: numbers and ordered text in LightGBM,
numbers in XGBoost (from 3.1 on), text in HistGradientBoosting (from 1.4 on) inside other
estimators: train_categories.py FIXTURES_DIR MANIFEST_PART.

Runs inside the environment that make_fixtures.py prepared, with pandas. Every seed is fixed. Must
never compute an expected answer by itself: everything expected is what the trainer returned.
"""
import os
import sys

import lightgbm
import numpy as np
import pandas
import sklearn
import xgboost
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import VotingRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fixture_set import FixtureSet, write_npy
from train_pipelines import VERSION, write_csv

YEARS = [2019, 7, -5, 10 ** 12, 2021]
PRICES = [0.5, -1.25, 1e300, 0.1]
FLAGS = [True, False]
SIZES = ["small", "large", "huge"]
CITIES = ["Oslo", "Bern", "Lyon", "Z\u00fcrich"]
ASKED = 16


def version_of(module):
    return tuple(int(part) for part in module.__version__.split(".")[:2])


class Column:
    def __init__(self, name, known, stranger, ordered=False):
        self.name, self.known, self.stranger, self.ordered = name, known, stranger, ordered

    def draw(self, rng, count, missing=0.0, strange=0.0):
        values = np.empty(count, dtype=object)
        values[:] = [self.known[i] for i in rng.randint(len(self.known), size=count)]
        values[rng.rand(count) < strange] = self.stranger
        values[rng.rand(count) < missing] = None
        return values

    def as_categories(self, values, backwards):
        """What training never met is a category where a row has it; in another order then."""
        others = [one for one in (self.stranger,) if one in values.tolist()
                  and one not in self.known]
        known = self.known[::-1] if backwards and not self.ordered else self.known
        return pandas.Categorical(values, categories=known + others, ordered=self.ordered)


class Table:
    """Columns of categories, and two of numbers behind them."""

    def __init__(self, seed, columns, missing=0.1):
        rng = np.random.RandomState(seed)
        self.columns = columns
        self.rows = self.draw(rng, 160, missing, 0.0)
        self.asked = np.vstack([self.rows[:ASKED // 2], self.draw(rng, ASKED // 2, 0.15, 0.2)])
        self.target = (self.rows[:, -1].astype(float)
                       + [sum(map(ord, str(row[0]))) % 3 for row in self.rows])

    def draw(self, rng, count, missing, strange):
        rows = np.empty((count, len(self.columns) + 2), dtype=object)
        for i, column in enumerate(self.columns):
            rows[:, i] = column.draw(rng, count, missing, strange)
        rows[:, -2:] = np.round(rng.randn(count, 2), 3)
        return rows

    def frame(self, rows, backwards=True):
        made = {column.name: column.as_categories(rows[:, i], backwards)
                for i, column in enumerate(self.columns)}
        made.update(u=rows[:, -2].astype(float), v=rows[:, -1].astype(float))
        return pandas.DataFrame(made)

    def numbers(self, rows):
        """As rows of numbers: of text the place in the model's list."""
        made = np.empty(rows.shape)
        for i, column in enumerate(self.columns + [None, None]):
            is_text = column is not None and isinstance(column.known[0], str)
            order = {one: k for k, one in enumerate(column.known)} if is_text else {}
            made[:, i] = [np.nan if one is None else order.get(one, -1) if is_text else float(one)
                          for one in rows[:, i]]
        return made


class CategorySet(FixtureSet):
    def put(self, name, version, model, table, found, purpose, refused=None):
        """found: {output: array}, of table.asked; refused: a row with what is no category."""
        stem = name.replace(".", "_")
        has_text = any(isinstance(column.known[0], str) for column in table.columns)
        parts = [stem + ".rows.npy"]
        write_npy(self.path(parts[0]), table.numbers(table.asked))
        if has_text:
            parts[0] += ",%s.rows.csv" % stem
            write_csv(self.path(stem + ".rows.csv"), table.asked)
        for output, array in found.items():
            file_name = "%s.%s.npy" % (stem, output.strip("~"))
            write_npy(self.path(file_name), np.asarray(array))
            parts.append("%s=%s" % (output, file_name))
        cases = [" ".join(parts)]
        if refused is not None:
            write_npy(self.path(stem + ".unknown.npy"), table.numbers(refused))
            cases.append("%s.unknown.npy !categories row" % stem)
        self.add_line(name, version, type(model).__name__, purpose, "-", "; ".join(cases), "-")


def add_lightgbm(out):
    columns = [Column("year", YEARS, 1999), Column("price", PRICES, 0.25),
               Column("flag", FLAGS, True)]
    options = dict(n_estimators=2, num_leaves=8, min_child_samples=3, min_data_per_group=3,
                   cat_smooth=1, n_jobs=1, verbose=-1)
    for stem, given, purpose in (
            ("lgb_numbers", columns, "categories that are numbers"),
            ("lgb_ordered", [Column("size", SIZES, "tiny", True),
                             Column("year", sorted(YEARS), 1999, True)] + columns[1:2],
             "ordered categories, of text and of numbers")):
        table = Table(len(stem), given)
        model = lightgbm.LGBMRegressor(**options).fit(table.frame(table.rows, False), table.target)
        asked = table.frame(table.asked)
        found = {"margin": model.predict(asked, raw_score=True),
                 "leaf": model.predict(asked, pred_leaf=True).astype(np.int64),
                 "value": model.predict(asked)}
        model.booster_.save_model(out.path(stem + ".txt"))
        out.put(stem + ".txt", lightgbm.__version__, model.booster_, table, found, purpose)
        if stem == "lgb_numbers":
            out.dump(stem + ".joblib", model, compress=9)
            out.put(stem + ".joblib", lightgbm.__version__, model, table, found, purpose)


def add_xgboost(out):
    table = Table(5, [Column("year", YEARS, 1999), Column("place", [0, 1, 2, 3], 4)])
    strange = table.rows[:1].copy()
    strange[0, 0] = 1999
    known = [row for row in table.asked if row[0] != 1999 and row[1] != 4]
    table.asked = np.array(known, dtype=object)
    model = xgboost.XGBClassifier(n_estimators=2, max_depth=3, enable_categorical=True, n_jobs=1,
                                  max_cat_to_onehot=1)
    model.fit(table.frame(table.rows, False), (table.target > 1).astype(int))
    asked = table.frame(table.asked)
    found = {"margin": model.predict(asked, output_margin=True),
             "leaf": model.apply(asked).astype(np.int64), "class": model.predict(asked),
             "probability~": model.predict_proba(asked)}
    out.dump("xgb_numbers.joblib", model, compress=9)
    out.put("xgb_numbers.joblib", xgboost.__version__, model, table, found,
            "categories that are numbers", strange)
    booster = model.get_booster()
    found = {"margin": found["margin"], "leaf": found["leaf"],
             "value~": found["probability~"][:, 1]}
    for ending in ("json", "ubj"):
        booster.save_model(out.path("xgb_numbers." + ending))
        out.put("xgb_numbers." + ending, xgboost.__version__, booster, table, found,
                "categories that are numbers", strange)


def histogram(kind="Regressor", **options):
    from sklearn import ensemble
    made = getattr(ensemble, "HistGradientBoosting" + kind)
    return made(categorical_features="from_dtype", max_iter=2, max_leaf_nodes=6,
                min_samples_leaf=3, random_state=1, **options)


def add_text(out):
    """Members number text as the first of them does: sorted."""
    table = Table(7, [Column("city", sorted(CITIES), "Rome"),
                      Column("size", sorted(SIZES), "tiny")])
    frame, asked = table.frame(table.rows, False), table.frame(table.asked)
    scale = ColumnTransformer([("scale", StandardScaler(), ["u", "v"])], remainder="passthrough",
                              verbose_feature_names_out=False).set_output(transform="pandas")
    behind = make_pipeline(scale, histogram())
    voting = VotingRegressor([("a", histogram()), ("b", behind)], weights=[1, 0.3]).fit(
        frame, table.target)
    calibrated = CalibratedClassifierCV(histogram("Classifier"), method="isotonic", cv=2).fit(
        frame, table.target > 1)
    for stem, model, purpose in (("text_voting", voting, "text, also behind a scaler"),
                                 ("text_calibrated", calibrated, "text, isotonic")):
        found = ({"class": model.predict(asked), "probability~": model.predict_proba(asked)}
                 if hasattr(model, "predict_proba") else {"value": model.predict(asked)})
        out.dump(stem + ".joblib", model, compress=("xz", 9))
        out.put(stem + ".joblib", sklearn.__version__, model, table, found, purpose)


def main():
    root, manifest = sys.argv[1:3]
    out = CategorySet(root, "categories-" + sklearn.__version__)
    add_lightgbm(out)
    if version_of(xgboost) >= (3, 1):
        add_xgboost(out)
    if VERSION >= (1, 4):
        add_text(out)
    out.write_manifest(manifest)


if __name__ == "__main__":
    os.environ["OMP_NUM_THREADS"] = "1"
    main()
