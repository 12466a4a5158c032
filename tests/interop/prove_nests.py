# SPDX-License-Identifier: Apache-2.0
"""Models as people bring them, made of all that is converted: estimators inside estimators, on data
frames, by options that random trainings seldom take.

    python prove_nests.py --espalier PATH [--only NAME] [--verbose]

Runs inside an environment with scikit-learn, any version from 0.22 on; what needs pandas, XGBoost,
LightGBM or a newer version is left out without it. Each model is trained with a fixed seed, saved
by pickle or joblib in turns of protocols, converted, and asked for the outputs its trainer has, of
float64 and float32 rows, or of CSV where columns are text: bit for bit, what goes through exp
within 2 ulp. One line per difference; exit 1 if there is any.
"""
import csv
import functools
import pickle
import sys

import joblib
import numpy as np
import sklearn

VERSION = tuple(int(part) for part in sklearn.__version__.split(".")[:2])
if VERSION < (1, 0):
    from sklearn.experimental import enable_hist_gradient_boosting
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.ensemble import (AdaBoostClassifier, BaggingClassifier, BaggingRegressor,
                              ExtraTreesClassifier, GradientBoostingClassifier,
                              GradientBoostingRegressor, HistGradientBoostingClassifier,
                              HistGradientBoostingRegressor, IsolationForest,
                              RandomForestClassifier, RandomForestRegressor, VotingClassifier,
                              VotingRegressor)
from sklearn.feature_selection import RFE, SelectKBest, SelectPercentile, f_regression
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier, MultiOutputRegressor
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import (Binarizer, FunctionTransformer, KBinsDiscretizer, MaxAbsScaler,
                                   MinMaxScaler, OneHotEncoder, OrdinalEncoder, RobustScaler,
                                   StandardScaler)
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from fixture_set import fixed_width, write_npy
from prove_ensembles import base
from proving import Prover, optional, run
from varied_rows import VariedRows

pandas = optional("pandas")
xgboost = optional("xgboost")
lightgbm = optional("lightgbm")

COUNT = 400
NAMES = list("abcdef")


class Data(VariedRows):
    def __init__(self):
        VariedRows.__init__(self, 7, COUNT)
        self.weights = self.rng.uniform(0.2, 3, COUNT)
        self.asked = np.vstack([self.rows[:120], self.fresh(80)])
        self.asked_gaps = np.vstack([self.gaps[:120], self.asked[120:]])


def frame(rows):
    return pandas.DataFrame(rows.copy(), columns=NAMES)


def worded(rows):
    """A data frame with text in column e."""
    found = frame(rows).astype({"e": object})
    found["e"] = [None if one != one else "w%d" % one for one in rows[:, 4]]
    return found


def boost(kind, library, **options):
    """An estimator of LightGBM or XGBoost."""
    quiet = {"verbose": -1} if library is lightgbm else {"max_depth": 3}
    options = dict(dict({"n_estimators": 4, "n_jobs": 1}, **quiet), **options)
    return getattr(library, kind)(**options)


def adaboost(**options):
    named = {"algorithm": "SAMME"} if VERSION < (1, 6) else {}
    return AdaBoostClassifier(n_estimators=4, random_state=0, **dict(named, **options))


def one_hot(dense=False, **options):
    return OneHotEncoder(**dict({"sparse_output" if VERSION >= (1, 2) else "sparse": not dense},
                                **options))


forest = functools.partial(RandomForestClassifier, 4, random_state=0)
forest_of_values = functools.partial(RandomForestRegressor, 4, random_state=0)
stages = functools.partial(GradientBoostingClassifier, n_estimators=3, random_state=0)
stages_of_values = functools.partial(GradientBoostingRegressor, n_estimators=3, random_state=0)
bins = functools.partial(HistGradientBoostingClassifier, max_iter=4, random_state=0)
bins_of_values = functools.partial(HistGradientBoostingRegressor, max_iter=4, random_state=0)


# --- Cases ----------------------------------------------------------------------------------------
# Each yields a name, what must be there, and a function of the data that gives the fitted model and
# the rows it is asked: an array, or a data frame, whose numbers or text the command gets.

def plain_cases():
    yield "a forest gone on with, weighed", (), lambda d: (
        forest(warm_start=True, class_weight="balanced_subsample").fit(
            d.rows, d.words, sample_weight=d.weights).set_params(n_estimators=9).fit(
                d.rows, d.words, sample_weight=d.weights), d.asked)
    yield "outputs of strings", (), lambda d: (
        forest(max_depth=5).fit(d.rows, np.c_[d.words, np.where(d.two, "ja", "nein")]), d.asked)
    yield "boosting from a forest, huber", (), lambda d: (
        stages_of_values(init=forest_of_values(max_depth=3), loss="huber", alpha=0.8).fit(
            d.rows, d.real, sample_weight=d.weights), d.asked)
    yield "boosting from voters", (), lambda d: (
        stages(init=VotingClassifier([("a", DecisionTreeClassifier(max_depth=2)), ("b", forest())],
                                     voting="soft")).fit(d.rows, d.two), d.asked)
    yield "boosting from a search of a pipeline", ((0, 24),), lambda d: (
        stages_of_values(init=GridSearchCV(make_pipeline(
            StandardScaler(), DecisionTreeRegressor(random_state=0)), {
                "decisiontreeregressor__max_depth": [2, 3]}, cv=2)).fit(d.rows, d.real), d.asked)
    yield "bins, balanced, monotone by name", ((1, 2), pandas), lambda d: (
        bins_of_values(interaction_cst=[[0, 1], [2, 3, 4, 5]], monotonic_cst={"a": 1, "d": -1}).fit(
            frame(d.gaps), d.real), frame(d.asked_gaps))
    yield "bins, categories by name", ((1, 2), pandas), lambda d: (
        bins_of_values(categorical_features=["e", "f"]).fit(frame(d.gaps), d.real),
        frame(d.asked_gaps))
    yield "bins of a frame that pandas makes nullable", ((1, 4), pandas), lambda d: (
        bins_of_values().fit(frame(d.gaps).astype("Float64"), d.real), d.asked_gaps)
    yield "an isolation forest behind a scaler, gaps", ((1, 6),), lambda d: (
        make_pipeline(StandardScaler(), IsolationForest(
            n_estimators=7, random_state=0, max_samples=0.4)).fit(d.gaps), d.asked_gaps)


def nested_cases():
    yield "bagging of voters", (), lambda d: (
        BaggingClassifier(n_estimators=3, max_features=0.5, bootstrap_features=True, random_state=0,
                          **base(VotingClassifier([("t", DecisionTreeClassifier(max_depth=4)),
                                                   ("f", forest())], voting="soft"))).fit(
                                                       d.rows, d.words), d.asked)
    yield "bagging of AdaBoost", (), lambda d: (
        BaggingClassifier(n_estimators=3, random_state=0, max_samples=0.6,
                          **base(adaboost())).fit(d.rows, d.four), d.asked)
    yield "bagging of imputers and trees", ((1, 0),), lambda d: (
        BaggingRegressor(n_estimators=3, random_state=0, **base(make_pipeline(
            SimpleImputer(strategy="median"), DecisionTreeRegressor(max_depth=5)))).fit(
                d.gaps, d.real), d.asked_gaps)
    yield "votes of strings, weighed", (), lambda d: (
        VotingClassifier([("a", DecisionTreeClassifier(max_depth=3)), ("b", stages()),
                          ("c", bins())], weights=[2, 1, 1.5]).fit(d.rows, d.words), d.asked)
    yield "calibrated search of a pipeline", ((0, 24),), lambda d: (
        CalibratedClassifierCV(GridSearchCV(make_pipeline(
            RobustScaler(), ExtraTreesClassifier(4, random_state=0)), {
                "extratreesclassifier__max_depth": [2, 4]}, cv=2), cv=2).fit(d.rows, d.words),
        d.asked)
    yield "outputs of calibrated pipelines", ((0, 24),), lambda d: (
        MultiOutputClassifier(CalibratedClassifierCV(make_pipeline(
            StandardScaler(), forest()), cv=2)).fit(
                d.rows, np.c_[d.words, np.where(d.two, "ja", "nein")]), d.asked)
    yield "outputs of bags of voters", ((1, 0),), lambda d: (
        MultiOutputRegressor(BaggingRegressor(n_estimators=2, random_state=0, **base(
            VotingRegressor([("a", DecisionTreeRegressor(max_depth=3)),
                             ("b", bins_of_values())])))).fit(
                                 d.rows, np.c_[d.real, d.positive]), d.asked)
    yield "one against the rest, calibrated", ((0, 24),), lambda d: (
        OneVsRestClassifier(CalibratedClassifierCV(forest(), cv=2)).fit(d.rows, d.words), d.asked)
    yield "a search of a search", (), lambda d: (
        GridSearchCV(RandomizedSearchCV(forest(), {"max_depth": [2, 4]}, n_iter=2, cv=2,
                                        random_state=0, scoring=["accuracy", "f1_macro"],
                                        refit="f1_macro"), {"estimator__min_samples_leaf": [1, 3]},
                     cv=2).fit(d.rows, d.four), d.asked)
    yield "targets behind a logarithm, a pipeline", (), lambda d: (
        TransformedTargetRegressor(make_pipeline(StandardScaler(), forest_of_values()),
                                   func=np.log1p, inverse_func=np.expm1,
                                   check_inverse=False).fit(d.rows, d.positive), d.asked)


def make_nest(d):
    """A search of a pipeline of columns and of voters, themselves of others."""
    columns = ColumnTransformer([
        ("numbers", make_pipeline(SimpleImputer(add_indicator=True), StandardScaler()), ["a", "b"]),
        ("codes", OneHotEncoder(handle_unknown="ignore"), ["e", "f"])], remainder="passthrough")
    voters = [("calibrated", CalibratedClassifierCV(forest(), cv=2)),
              ("bags", BaggingClassifier(n_estimators=2, random_state=0, **base(stages())))]
    voters += [("leaves", boost("LGBMClassifier", lightgbm))] if lightgbm else []
    given, asked = frame(d.rows), frame(d.asked)
    given.loc[::7, "a"] = asked.loc[::5, "a"] = np.nan
    return GridSearchCV(Pipeline([("columns", columns), (
        "voters", VotingClassifier(voters, voting="soft"))]), {
            "voters__weights": [None, list(range(1, len(voters) + 1))]}, cv=2).fit(
                given, d.words), asked


def make_named(d):
    """Encoded columns that HistGradientBoosting takes for categories by their names."""
    given, asked = worded(d.gaps), worded(d.asked_gaps)
    given["e"] = given["e"].astype("category")
    asked["e"] = pandas.Categorical(asked["e"], categories=given["e"].cat.categories)
    columns = ColumnTransformer([("codes", OrdinalEncoder(
        handle_unknown="use_encoded_value", unknown_value=np.nan), ["e"])], remainder="passthrough",
                                verbose_feature_names_out=False)
    return make_pipeline(columns, bins_of_values(categorical_features=["e"])).set_output(
        transform="pandas").fit(given, d.real), asked


def column_cases():
    yield "a search of columns and voters of others", ((1, 0), pandas), make_nest
    yield "categories by the names of columns", ((1, 4), pandas), make_named
    yield "frames between the steps, float32", ((1, 2), pandas), lambda d: (
        make_pipeline(ColumnTransformer([("s", StandardScaler(), ["a", "b", "c"]),
                                         ("o", OrdinalEncoder(dtype=np.float32), ["e"])],
                                        remainder="passthrough"), forest()).set_output(
                                            transform="pandas").fit(
                                                frame(d.rows.astype(np.float32)), d.words),
        frame(d.asked.astype(np.float32)))
    yield "text, selected and dropped", ((1, 0), pandas), lambda d: (
        make_pipeline(ColumnTransformer([("t", one_hot(handle_unknown="ignore"), ["e"]),
                                         ("n", RobustScaler(), ["a", "b"])]), stages()).fit(
                                             worded(d.rows), d.words), worded(d.asked))
    yield "only dropped text", ((1, 0), pandas), lambda d: (
        make_pipeline(ColumnTransformer([("n", RFE(forest(), n_features_to_select=2, step=0.4),
                                          ["a", "b", "c", "d"])]), bins()).fit(
                                              worded(d.rows), d.words), worded(d.asked))
    yield "columns in columns in a union", ((1, 0),), lambda d: (
        make_pipeline(FeatureUnion([
            ("x", ColumnTransformer([("o", ColumnTransformer(
                [("i", make_pipeline(SimpleImputer(), StandardScaler()), [0, 1])],
                remainder="passthrough"), [0, 1, 2, 3]), ("h", OneHotEncoder(), [4])])),
            ("y", make_pipeline(MaxAbsScaler(), SelectKBest(k=2)))]), stages()).fit(
                d.rows, d.words), d.asked)
    yield "given categories, given drops", (), lambda d: (
        make_pipeline(ColumnTransformer([("o", one_hot(
            categories=[[0, 1, 2, 3, 4], [0, 1, 2]], drop=np.array([2, 0])), [4, 5])],
                                        remainder=MinMaxScaler((-1, 2))), forest()).fit(
                                            d.rows, d.words), d.asked)
    yield "what is missing beside what was put there", (), lambda d: (
        make_pipeline(FeatureUnion([("i", SimpleImputer(strategy="constant", fill_value=7)),
                                    ("m", MissingIndicator(features="all"))]), forest()).fit(
                                        d.gaps, d.words), d.asked_gaps)
    yield "bins by column, percentiles, signs", (), lambda d: (
        make_pipeline(KBinsDiscretizer([3, 4, 5, 3, 2, 2], encode="onehot-dense"),
                      SelectPercentile(f_regression, percentile=80), Binarizer(),
                      forest_of_values()).fit(d.rows, d.real), d.asked)
    yield "roots of magnitudes, a cache", (), lambda d: (
        Pipeline([("a", FunctionTransformer(np.abs, validate=True)),
                  ("r", FunctionTransformer(np.sqrt, inverse_func=np.square, validate=True)),
                  ("f", forest_of_values())], memory=None).fit(d.rows, d.real), d.asked)


def boosted_cases():
    yield "voters of four libraries", (xgboost, lightgbm), lambda d: (
        VotingClassifier([("x", boost("XGBClassifier", xgboost)),
                          ("l", boost("LGBMClassifier", lightgbm)), ("r", forest()),
                          ("h", bins())], voting="soft", weights=np.array([1, 2, 3, 4])).fit(
                              d.rows, d.words), d.asked)
    yield "values of four libraries", (xgboost, lightgbm), lambda d: (
        VotingRegressor([("x", boost("XGBRegressor", xgboost)),
                         ("l", boost("LGBMRegressor", lightgbm)), ("h", bins_of_values()),
                         ("g", stages_of_values())], weights=[1, 2, 0.5, 1]).fit(d.rows, d.real),
        d.asked)
    yield "bags of XGBoost, some features, gaps", ((1, 0), xgboost), lambda d: (
        BaggingClassifier(n_estimators=3, max_features=0.6, random_state=0, **base(
            boost("XGBClassifier", xgboost))).fit(d.gaps, d.four), d.asked_gaps)
    yield "a missing value behind a step, XGBoost", (xgboost,), lambda d: (
        make_pipeline(Binarizer(threshold=0.3), boost("XGBClassifier", xgboost, missing=0)).fit(
            d.rows, d.two), d.asked)
    yield "sparse codes, XGBoost", (xgboost,), lambda d: (
        make_pipeline(ColumnTransformer([("h", OneHotEncoder(handle_unknown="ignore"), [4, 5]),
                                         ("s", StandardScaler(), [0, 1])], sparse_threshold=1.0),
                      boost("XGBClassifier", xgboost)).fit(d.rows, d.four), d.asked)
    yield "targets behind a scaler, XGBoost, a search", (xgboost,), lambda d: (
        GridSearchCV(TransformedTargetRegressor(boost("XGBRegressor", xgboost),
                                                transformer=StandardScaler()),
                     {"regressor__max_depth": [2, 3]}, cv=2).fit(d.rows, d.real), d.asked)
    yield "categories by place behind an encoder, LightGBM", (lightgbm,), lambda d: (
        Pipeline([("c", ColumnTransformer([("o", OrdinalEncoder(), [4, 5])],
                                          remainder="passthrough")),
                  ("l", boost("LGBMClassifier", lightgbm, min_child_samples=5))]).fit(
                      d.rows, d.words, l__categorical_feature=[0, 1]), d.asked)
    yield "zeros that are missing behind a scaler, LightGBM", (lightgbm,), lambda d: (
        make_pipeline(MaxAbsScaler(), boost("LGBMRegressor", lightgbm, zero_as_missing=True)).fit(
            d.rows, d.real), d.asked)
    yield "calibrated bags of LightGBM", (lightgbm,), lambda d: (
        CalibratedClassifierCV(BaggingClassifier(n_estimators=3, random_state=0, **base(
            boost("LGBMClassifier", lightgbm))), cv=2, method="isotonic").fit(d.rows, d.four),
        d.asked)
    yield "a forest of LightGBM, voters, a logarithm", (lightgbm,), lambda d: (
        TransformedTargetRegressor(VotingRegressor([
            ("l", boost("LGBMRegressor", lightgbm, boosting_type="rf", subsample=0.6,
                        subsample_freq=1)), ("g", stages_of_values())]), func=np.log1p,
                                   inverse_func=np.expm1).fit(d.rows, d.positive), d.asked)


# --- Comparing ------------------------------------------------------------------------------------

def answers(model, rows):
    found = {}
    if hasattr(model, "score_samples") and not hasattr(model, "predict_proba"):
        return {"score": model.score_samples(rows), "class": model.predict(rows)}
    if hasattr(model, "predict_proba"):
        found["probability"] = model.predict_proba(rows)
        if isinstance(found["probability"], list):
            found["probability"] = np.concatenate(found["probability"], axis=1)
    found["predict"] = model.predict(rows)
    return found


class NestProver(Prover):
    exact_types = False

    def dump(self, model, turn):
        source = self.path("trained.pkl")
        if turn % 6 > 3:
            joblib.dump(model, source, compress=3 * (turn % 2))
            return source
        with open(source, "wb") as file:
            pickle.dump(model, file, min(2 + turn % 6, pickle.HIGHEST_PROTOCOL))
        return source

    def predict(self, kind):
        options = ["--output", kind] if kind != "predict" else []
        source = ["--no-header", self.path("model.espalier"), self.path("rows.csv")] \
            if self.has_text else [self.path("model.espalier"), self.path("rows.npy")]
        failed = self.run("predict", *(source + ["-o", self.path("found.npy")] + options))
        return (failed, None) if failed else (None, np.load(self.path("found.npy")))

    def write_rows(self, rows):
        self.has_text = not isinstance(rows, np.ndarray) and any(
            one.kind not in "fiub" for one in rows.dtypes)
        if not self.has_text:
            write_npy(self.path("rows.npy"), np.asarray(rows))
            return
        with open(self.path("rows.csv"), "w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([
                ["" if one is None or one != one else one if isinstance(one, str) else
                 repr(float(one)) for one in row] for row in rows.astype(object).values.tolist()])

    def compare_nest(self, name, model, asked, turn):
        self.about("scikit-learn", sklearn.__version__, "%s, nested" % type(model).__name__,
                   model)
        failed = self.run("convert", self.dump(model, turn), "-o", self.path("model.espalier"))
        if failed:
            self.complain(name, failed)
            return
        both = [asked, asked.astype(np.float32)] if isinstance(asked, np.ndarray) else [asked]
        for rows in both:
            self.write_rows(rows)
            for kind, wanted in sorted(answers(model, rows).items()):
                wanted = fixed_width(wanted) if wanted.dtype.kind == "O" else wanted
                linked = kind in ("probability", "score") or "logarithm" in name
                self.compare_output(kind, wanted, name, linked and wanted.dtype.kind == "f")


def is_there(need):
    return VERSION >= need if isinstance(need, tuple) else need is not None


def prove(prover, arguments):
    data, count = Data(), 0
    for cases in (plain_cases, nested_cases, column_cases, boosted_cases):
        for turn, (name, needs, make) in enumerate(cases()):
            if not all(is_there(one) for one in needs) or (arguments.only or name) not in name:
                continue
            if arguments.verbose:
                print(name, flush=True)
            prover.compare_nest(name, *make(data), turn=turn)
            count += 1
    return "scikit-learn %s, %d models" % (sklearn.__version__, count)


if __name__ == "__main__":
    sys.exit(run(prove, NestProver, only=True))
