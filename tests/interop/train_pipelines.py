# SPDX-License-Identifier: Apache-2.0
"""Trains the fixtures of pipelines of one scikit-learn version: train_pipelines.py FIXTURES_DIR
MANIFEST_PART.

Runs inside the environment that make_fixtures.py prepared (Python 3.7 or newer, with pandas). Every
seed is fixed. Must never compute an expected answer by itself: everything expected is what the
trainer returned.
"""
import os
import sys

import numpy as np
import pandas
import sklearn

from fixture_set import FixtureSet, write_npy
from prove_pipelines import NAMES, VERSION, WIDTH, answers, chain, make_data

from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.ensemble import (AdaBoostClassifier, GradientBoostingRegressor,
                              HistGradientBoostingClassifier, RandomForestClassifier)
from sklearn.feature_selection import SelectFromModel, SelectKBest, VarianceThreshold
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.linear_model import ElasticNet, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import FeatureUnion
from sklearn.preprocessing import (Binarizer, FunctionTransformer, KBinsDiscretizer, MaxAbsScaler,
                                   MinMaxScaler, OneHotEncoder, OrdinalEncoder, RobustScaler,
                                   StandardScaler)
from sklearn.tree import DecisionTreeClassifier

ROWS = 10


class PipelineSet(FixtureSet):
    """Rows of both widths have answers of their own: scalers compute in the rows' type."""

    def case(self, stem, model, rows, as_rows, dtype):
        parts = ["%s.rows%d.npy" % (stem, 8 * np.dtype(dtype).itemsize)]
        write_npy(self.path(parts[0]), rows.astype(dtype))
        for kind, (array, linked) in sorted(answers(model, as_rows(rows.astype(dtype))).items()):
            name = "%s.%s%d.npy" % (stem, kind, 8 * np.dtype(dtype).itemsize)
            write_npy(self.path(name), array)
            parts.append("%s%s=%s" % (kind, "~" if linked else "", name))
        return " ".join(parts)

    def model(self, stem, model, rows, purpose, named=False, refused=()):
        """refused: (word for the file, column, value, words of the refusal)."""
        as_rows = (lambda given: pandas.DataFrame(given, columns=NAMES)) if named else np.asarray
        self.dump(stem + ".joblib", model, compress=3)
        cases = [self.case(stem, model, rows, as_rows, dtype) for dtype in (np.float64, np.float32)]
        for word, column, value, words in refused:
            bad = rows[:2].copy()
            bad[1, column] = value
            try:
                model.predict(as_rows(bad))
            except ValueError:
                write_npy(self.path("%s.%s.npy" % (stem, word)), bad)
                cases.append("%s.%s.npy !%s" % (stem, word, words))
            else:
                raise AssertionError("%s takes %s" % (stem, word))
        self.line(stem + ".joblib", type(model).__name__, purpose, "; ".join(cases))


def small_tree():
    return DecisionTreeClassifier(max_depth=5, random_state=0)


def add_models(out):
    rng = np.random.RandomState(5)
    full, target = make_data(rng, False)
    gaps, _ = make_data(np.random.RandomState(5), True)
    labels = np.digitize(target, [0.0, 1.0])
    rows, missing = full[:ROWS], gaps[:ROWS]
    sparse = "sparse_output" if VERSION >= (1, 2) else "sparse"
    infinite = ("infinite", 1, np.inf, "inf row")

    out.model("scaled", chain(StandardScaler(), RandomForestClassifier(
        3, max_depth=4, random_state=0)).fit(full, labels), rows, "StandardScaler and a forest",
              refused=[infinite] + [("nan", 0, np.nan, "nan|missing row")] * (VERSION < (1, 4)))
    out.model("imputed", GridSearchCV(chain(SimpleImputer(strategy="median", add_indicator=True),
                                            RobustScaler(), small_tree()), {}, cv=2).fit(
        gaps, labels), missing, "a search over imputing and scaling", refused=[infinite])
    out.model("kept", chain(VarianceThreshold(), MinMaxScaler(), HistGradientBoostingClassifier(
        max_iter=2, max_leaf_nodes=6, random_state=1)).fit(gaps, labels > 0), missing,
              "missing values as far as the model", refused=[infinite])
    out.model("columns", chain(ColumnTransformer([
        ("numbers", chain(SimpleImputer(), StandardScaler()), ["u", "v", "w"]),
        ("codes", OneHotEncoder(**{sparse: False}), ["a", "c"]),
        ("order", OrdinalEncoder(dtype=np.float32), slice("b", "b"))], remainder="passthrough"),
                               small_tree()).fit(pandas.DataFrame(full, columns=NAMES), labels),
              rows, "columns by name, two encoders, a remainder", True,
              [("unknown", 5, 17.0, "categories row")])
    out.model("sparse", chain(ColumnTransformer([
        ("codes", OneHotEncoder(handle_unknown="ignore"), [5, 6, 7]),
        ("rest", MaxAbsScaler(), slice(0, 2))]), StandardScaler(with_mean=False), small_tree()).fit(
            full, labels), rows, "sparse columns")
    out.model("union", chain(FeatureUnion([
        ("bins", KBinsDiscretizer(4, encode="onehot-dense", strategy="uniform")),
        ("signs", Binarizer(threshold=0.5)), ("magnitudes", FunctionTransformer(np.abs))],
                                          transformer_weights={"magnitudes": 0.3}),
                             GradientBoostingRegressor(n_estimators=3, random_state=0)).fit(
                                 full, target), rows, "a union of bins, signs and magnitudes")
    out.model("chosen", chain(SelectKBest(k=6), SelectFromModel(small_tree(), threshold="0.5*mean"),
                              small_tree()).fit(full, labels), rows, "selectors")
    out.model("marked", chain(MissingIndicator(), small_tree()).fit(gaps, labels), missing,
              "what is missing alone", refused=[("new", 6, np.nan, "nan|missing row")])
    if VERSION >= (1, 9):
        tiny = full * np.where(np.arange(full.shape[1]) == 0, 1e-12, 1.0)  # one edge is left of it
        out.model("edge", chain(KBinsDiscretizer(3, encode="ordinal"), small_tree()).fit(
            tiny, labels), tiny[:ROWS], "a column within one bin edge")
    if VERSION >= (1, 8):  # no operation is left of it
        out.model("dropped", chain(ColumnTransformer([("kept", "passthrough", [5, 6])]),
                                  HistGradientBoostingClassifier(max_iter=2, max_leaf_nodes=4)).fit(
                                      full, labels), rows, "columns that are dropped, no more")
    if VERSION >= (1, 1):
        out.model("rare", chain(ColumnTransformer([
            ("rare", OneHotEncoder(min_frequency=10, handle_unknown="infrequent_if_exist",
                                   drop="first"), [5, 6])]), small_tree()).fit(full, labels),
                  np.vstack([rows, full[full[:, 5] > 2][:3]]), "rare categories")


def add_small(out):
    """Encoders into integers of one byte beside float32, rare categories beside missing ones, and
    selectors that ask their estimator in other ways."""
    full, target = make_data(np.random.RandomState(5), False)
    labels = np.digitize(target, [0.0, 1.0])
    gaps = full.copy()
    gaps[::9, 5] = np.nan
    out.model("bytes", chain(ColumnTransformer([
        ("rare", OrdinalEncoder(dtype=np.int8, min_frequency=10, encoded_missing_value=7,
                                handle_unknown="use_encoded_value", unknown_value=9), [5]),
        ("codes", OneHotEncoder(dtype=np.uint8), [6, 7])], remainder="passthrough"),
                             StandardScaler(), small_tree()).fit(gaps, labels),
              np.vstack([gaps[:ROWS], full[full[:, 5] > 2][:2]]),
              "integers of one byte beside float32")
    out.model("norm", chain(SelectFromModel(LogisticRegression(max_iter=40), norm_order=2),
                            small_tree()).fit(full, labels), full[:4],
              "coefficients by their length")
    out.model("ratio", chain(SelectFromModel(ElasticNet(0.1, l1_ratio=1.0)), small_tree()).fit(
        full, labels), full[:4], "an L1 penalty by ratio")
    out.model("boosted", chain(SelectFromModel(
        AdaBoostClassifier(small_tree(), n_estimators=2, random_state=1),
        importance_getter="feature_importances_"), small_tree()).fit(full, labels), full[:4],
              "AdaBoost's importances")


CITIES = ("Oslo", "Bern", "Lyon", "Z\u00fcrich")  # as the model numbers them: the imputer's first
SIZES = ("small", "large", "huge")


def number_rows(rows):
    """What stands in rows of numbers for rows with text; -1 for what is no category."""
    numbers = np.empty(rows.shape)
    for index, row in enumerate(rows):
        numbers[index] = [np.nan if row[0] is None else CITIES.index(row[0]) if row[0] in CITIES
                          else -1, SIZES.index(row[1]) if row[1] in SIZES else -1, row[2], row[3]]
    return numbers


def write_csv(path, rows):
    with open(path, "w", encoding="utf-8") as file:
        for row in rows:
            file.write(",".join("" if one is None else one if isinstance(one, str) else repr(one)
                                for one in row) + "\n")


def add_text(out):
    """Rows of numbers of categories, and the same as CSV with text."""
    rng = np.random.RandomState(8)
    numbers = rng.randn(220, 2)
    rows = np.empty((220, 4), dtype=object)
    rows[:, 0] = np.array(CITIES, dtype=object)[rng.choice(4, 220, p=[0.4, 0.2, 0.2, 0.2])]
    rows[:, 1] = np.array(SIZES, dtype=object)[rng.randint(3, size=220)]
    rows[:, 2:] = numbers.tolist()
    target = numbers[:, 0] + (rows[:, 0] == "Oslo") - (rows[:, 1] == "huge") > 0.2
    rows[::13, 0] = None
    model = chain(ColumnTransformer([
        ("city", chain(SimpleImputer(strategy="most_frequent", missing_values=None),
                       OneHotEncoder(handle_unknown="ignore")), [0]),
        ("size", OrdinalEncoder(categories=[list(SIZES)]), [1]),
        ("numbers", StandardScaler(), [2, 3])]), small_tree()).fit(rows, target)
    asked = rows[:24].copy()
    asked[5, 0] = "Rome"
    bad = rows[:2].copy()
    bad[1, 1] = "tiny"
    out.dump("text.joblib", model, compress=3)
    write_npy(out.path("text.rows64.npy"), number_rows(asked))
    write_csv(out.path("text.rows.csv"), asked)
    write_csv(out.path("text.unknown.csv"), bad)
    parts = []
    for kind, (array, linked) in sorted(answers(model, asked).items()):
        write_npy(out.path("text.%s64.npy" % kind), array)
        parts.append("%s%s=text.%s64.npy" % (kind, "~" if linked else "", kind))
    try:
        model.predict(bad)
        raise AssertionError("text takes tiny")
    except ValueError:
        pass
    out.line("text.joblib", "Pipeline", "categories of text", "text.rows64.npy,text.rows.csv %s; "
             "text.unknown.csv !categories row" % " ".join(parts))


def add_refused(out):
    full, target = make_data(np.random.RandomState(5), False)
    out.dump("refused_PCA.joblib", chain(PCA(2), small_tree()).fit(full, target > 0), compress=3)
    out.line("refused_PCA.joblib", "Pipeline", "a step that is not converted",
             refused="PCA is not converted")
    if VERSION >= (1, 9):
        out.dump("refused_float32.joblib", chain(SelectFromModel(LogisticRegression()),
                 small_tree()).fit(np.repeat(full[:, :1], 3, axis=1).astype(np.float32),
                                   target > 0), compress=3)
        out.line("refused_float32.joblib", "Pipeline", "coefficients of float32",
                 refused="coef_ of float32")


def main():
    root, manifest = sys.argv[1:3]
    out = PipelineSet(root, "pipelines-" + sklearn.__version__)
    add_models(out)
    if VERSION >= (1, 9):
        add_small(out)
    add_text(out)
    add_refused(out)
    out.write_manifest(manifest)


if __name__ == "__main__":
    os.environ["OMP_NUM_THREADS"] = "1"
    main()
