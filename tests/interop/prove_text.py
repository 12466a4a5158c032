# SPDX-License-Identifier: Apache-2.0
"""Rows with text, and categories of pandas, through the espalier command, as CSV.

    python prove_text.py --espalier PATH [--models N] [--seed N]

Runs inside an environment with scikit-learn, any version from 0.22 on: random pipelines of imputers
and encoders over text, alone and as members of Bagging, Voting and CalibratedClassifierCV, from
arrays of objects and of fixed-width text, and from data frames where there is pandas. With pandas,
LightGBM, XGBoost (from 3.1) and HistGradientBoosting (from 1.4) are trained on what pandas calls
categories, text, integers, floats and truth values, of LightGBM also ordered ones, alone, behind a
step that passes them on, and as members of Voting beside others. Each row goes alone to the trainer
first: those it takes must have its answers, bit for bit, those it refuses must be refused. One line
per difference; exit 1 if there is any.
"""
import csv
import pickle
import sys

import numpy as np
import sklearn
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (BaggingClassifier, BaggingRegressor, GradientBoostingRegressor,
                              RandomForestClassifier, RandomForestRegressor, VotingClassifier,
                              VotingRegressor)
try:
    from sklearn.ensemble import HistGradientBoostingRegressor
except ImportError:  # behind a switch up to 0.24, and without text up to 1.3
    HistGradientBoostingRegressor = None
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from proving import Prover, choose, optional, run

pandas = optional("pandas")
lightgbm = optional("lightgbm")
xgboost = optional("xgboost")

VERSION = tuple(int(part) for part in sklearn.__version__.split(".")[:2])
WORDS = ("a", "ab", "abc", "b", "Z\u00fcrich", "S\u00e3o Paulo", "1", "10", "2", "-1", "no,comma",
         'a "quote"', " blank", "\u6771\u4eac", "nan", "x" * 40, "\U0001f333")
INTEGERS = (-5, 0, 1, 2, 3, 7, 10, 255, 256, 70000, 10 ** 12)
FLOATS = (-1.25, 0.0, 0.1, 0.5, 1.0, 2.5, 1e-40, 3e38, 1e300, 1 / 3)
ROWS, COUNT = 20, 240


class TextProver(Prover):
    def predict(self, kind):
        options = ["--output", kind] if kind != "predict" else []
        failed = self.run("predict", "--no-header", self.path("model.espalier"),
                          self.path("rows.csv"), "-o", self.path("found.npy"), *options)
        return (failed, None) if failed else (None, np.load(self.path("found.npy")))

    def write_rows(self, rows):
        with open(self.path("rows.csv"), "w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(
                [["" if one is None or one != one else one if isinstance(one, str) else
                  repr(float(one)) for one in row] for row in rows])

    def compare(self, source, rows, ask, outputs, what, *options):
        """ask(rows) raises ValueError where the trainer refuses; outputs(rows): {kind: (answers,
        linked)}. options: of convert."""
        taken, refused = [], []
        for row in rows:
            try:
                ask(np.array([row, row], dtype=object))
                taken.append(row)
            except Exception:  # XGBoost has an error of its own
                refused.append(row)
        for where in self.convert_layouts(source, what, *options):
            if taken:
                self.write_rows(taken)
                for kind, (wanted, linked) in outputs(np.array(taken, dtype=object)).items():
                    self.compare_output(kind, wanted, where, linked)
            for row in refused[:3]:
                self.write_rows([row])
                failed, _ = self.predict("predict")
                if not failed:
                    self.complain(where, "row %r is not refused" % (row,))
        return len(taken), len(refused)


def make_words(rng, numbers):
    """A column's categories: text, or numbers in any order."""
    if not numbers:
        return [str(one) for one in rng.permutation(WORDS)[:rng.randint(2, 9)]]
    kind = rng.randint(4)
    if kind == 3 and numbers == "LightGBM":  # others refuse categories of truth values
        return [bool(one) for one in rng.permutation([False, True])]
    if kind == 2:
        return list(range(rng.randint(2, 9)))
    pool = INTEGERS if kind or numbers == "XGBoost" else FLOATS  # which refuses floats
    return [pool[place] for place in rng.permutation(len(pool))[:rng.randint(2, 9)]]


def make_stranger(rng, words):
    """What is no category of a column, in its type or not."""
    if isinstance(words[0], str):
        return "never seen"
    return words[0] if isinstance(words[0], bool) else choose(rng, type(words[0])(1234), 1.5)


def make_rows(rng, vocabularies, count, missing, unknown):
    """Columns of categories, then two of numbers."""
    rows = np.empty((count, len(vocabularies) + 2), dtype=object)
    for column, words in enumerate(vocabularies):
        rows[:, column] = [choose(rng, *words) for _ in range(count)]
        rows[rng.rand(count) < missing, column] = None
        rows[rng.rand(count) < unknown, column] = make_stranger(rng, words)
    rows[:, -2:] = rng.randn(count, 2)
    return rows


def make_encoder(rng, missing):
    if rng.randint(2):
        options = {"dtype": choose(rng, np.float64, np.float32)}
        if VERSION >= (0, 24) and rng.randint(2):
            options.update(handle_unknown="use_encoded_value",
                           unknown_value=choose(rng, -1, 77))
        return OrdinalEncoder(**options)
    options = {"handle_unknown": choose(rng, "error", "ignore")}
    if options["handle_unknown"] == "error" or VERSION >= (1, 0):
        options["drop"] = choose(rng, None, "first",
                                 "if_binary" if VERSION >= (0, 24) else None)
    if VERSION >= (1, 1) and rng.randint(2):
        options["min_frequency"] = choose(rng, 10, 30)
        if options["handle_unknown"] == "ignore":
            options["handle_unknown"] = "infrequent_if_exist"
    return OneHotEncoder(**options)


def make_step(rng, missing):
    steps = []
    if missing and (VERSION < (0, 24) or rng.randint(3)):
        mark = choose(rng, None, np.nan)
        options = {"add_indicator": bool(rng.randint(2))} if mark is None else {}
        steps.append(SimpleImputer(missing_values=None, strategy="most_frequent", **options)
                     if rng.randint(2) else
                     SimpleImputer(missing_values=None, strategy="constant",
                                   fill_value=choose(rng, "none", "a"), **options))
    if not (steps and steps[-1].add_indicator):
        steps.append(make_encoder(rng, missing))
    else:  # the indicator's booleans stand beside text
        steps = [steps[0].set_params(add_indicator=False), make_encoder(rng, missing)]
    return make_pipeline(*steps)


def wrap_members(rng, model, classifier, frames):
    """The pipeline as a member; those of folds and samples know other strings."""
    other = clone(model)
    other.steps[0][1].transformers.reverse()
    pair = [("one", model), ("other", other)]
    makers = [lambda: (VotingClassifier(pair, voting="soft") if classifier else
                       VotingRegressor(pair))]
    if not frames:  # Bagging makes arrays of them
        kind, key = (BaggingClassifier if classifier else BaggingRegressor,
                     "estimator" if VERSION >= (1, 2) else "base_estimator")
        makers.append(lambda: kind(n_estimators=3, random_state=int(rng.randint(99)),
                                   max_samples=choose(rng, 1.0, 0.3), **{key: model}))
    if classifier and VERSION >= (0, 24):
        makers.append(lambda: CalibratedClassifierCV(model, method="sigmoid", cv=3))
    return choose(rng, *makers)()


def prove_pipeline(prover, rng, index, wraps=False):
    count = rng.randint(1, 4)
    words = [[str(one) for one in rng.permutation(WORDS)[:rng.randint(2, 9)]] for _ in range(count)]
    missing = choose(rng, 0.0, 0.1)
    rows = make_rows(rng, words, COUNT, missing, 0)
    target = rows[:, -1].astype(float) + [len(str(row[0])) % 3 for row in rows]
    groups = [("text%d" % i, make_step(rng, missing), [i]) for i in range(count)]
    columns = ColumnTransformer(groups + [("numbers", StandardScaler(), [count, count + 1])])
    last, kind = choose(rng, (RandomForestClassifier(4, random_state=1), "probability"),
                        (GradientBoostingRegressor(n_estimators=4, random_state=1), "value"))
    model = make_pipeline(columns, last)
    frames = pandas is not None and bool(rng.randint(2))
    model = wrap_members(rng, model, kind == "probability", frames) if wraps else model
    linked = isinstance(model, CalibratedClassifierCV)
    names = ["c%d" % i for i in range(count + 2)]

    def as_rows(given):
        if not frames:
            return given
        # As objects, or pandas makes its own type of text, with NaN for None.
        return pandas.DataFrame({name: pandas.Series(
            given[:, i], dtype=object if i < count else float) for i, name in enumerate(names)})

    try:
        model.fit(as_rows(rows), target > 0.5 if kind == "probability" else target)
    except ValueError:  # a fold asks for what another had not
        return 0, 0
    asked = np.vstack([rows[:ROWS], make_rows(rng, words, ROWS, missing, 0.1)])

    def outputs(given):
        if kind == "value":
            return {"value": (model.predict(as_rows(given)), False)}
        return {"probability": (model.predict_proba(as_rows(given)), linked)}

    with open(prover.path("model.pkl"), "wb") as file:
        pickle.dump(model, file)
    prover.about("scikit-learn", sklearn.__version__,
                 type(model).__name__ + (" of pipelines over text" if wraps else " over text"),
                 model)
    return prover.compare(prover.path("model.pkl"), asked, lambda one: model.predict(as_rows(one)),
                          outputs, "pipeline %d: %s" % (index, " ".join(repr(model).split())[:500]))


def prove_fixed_width(prover, rng, index):
    """An array of fixed-width text alone."""
    words = [str(one) for one in rng.permutation(WORDS)[:5]]
    rows = np.array([[choose(rng, *words), choose(rng, *words)] for _ in range(COUNT)])
    model = make_pipeline(OneHotEncoder(), RandomForestClassifier(3, random_state=0)).fit(
        rows, [len(one) % 2 for one in rows[:, 0]])
    with open(prover.path("model.pkl"), "wb") as file:
        pickle.dump(model, file)
    prover.about("scikit-learn", sklearn.__version__, "Pipeline over text", model)
    asked = np.array([[choose(rng, "never seen", *words), choose(rng, *words)]
                      for _ in range(ROWS)], dtype=object)
    return prover.compare(prover.path("model.pkl"), asked,
                          lambda one: model.predict(one.astype(str)),
                          lambda one: {"probability": (model.predict_proba(one.astype(str)),
                                                       False)}, "fixed width %d" % index)


def make_booster(rng, trainer):
    """(model, version, what its files may be)."""
    if trainer == "LightGBM":
        return (lightgbm.LGBMRegressor(n_estimators=8, min_child_samples=4, num_leaves=8,
                                       min_data_per_group=5, cat_smooth=1, n_jobs=1, verbose=-1),
                lightgbm.__version__, ("txt", "pkl"))
    if trainer == "XGBoost":
        missing = choose(rng, np.nan, -999.0)
        return (xgboost.XGBRegressor(n_estimators=8, max_depth=4, enable_categorical=True, n_jobs=1,
                                     max_cat_to_onehot=choose(rng, 1, 5), missing=missing),
                xgboost.__version__, ("json", "ubj", "pkl") if missing != missing else ("pkl",))
    return (HistGradientBoostingRegressor(max_iter=8, max_leaf_nodes=8, min_samples_leaf=4,
                                          categorical_features="from_dtype"),
            sklearn.__version__, ("pkl",))


def make_strangers(rng, trainer):
    """Models of the other trainers that know categories of text."""
    found = ["LightGBM"] if lightgbm is not None else []
    found += ["XGBoost"] if knows_categories() else []
    found += ["scikit-learn"] if VERSION >= (1, 4) else []
    return [make_booster(rng, one)[0].set_params(**{"missing": np.nan} if one == "XGBoost" else {})
            for one in found if one != trainer]


def knows_categories():
    """Whether XGBoost is there and keeps the text of categories."""
    return xgboost is not None and tuple(map(int, xgboost.__version__.split(".")[:2])) >= (3, 1)


def wrap_booster(rng, model, names, strangers):
    """Behind a step that passes categories on, or beside another that knows them."""
    if VERSION < (1, 2) or rng.randint(2):
        return model
    scale = ColumnTransformer([("scale", StandardScaler(), names[-2:])], remainder="passthrough",
                              verbose_feature_names_out=False).set_output(transform="pandas")
    behind = make_pipeline(scale, model)
    encode = ColumnTransformer([("code", OneHotEncoder(handle_unknown="ignore"), names[:-2])],
                               remainder="passthrough")
    forest = make_pipeline(encode, RandomForestRegressor(3, random_state=0))
    marked = getattr(model, "missing", np.nan) == -999  # refused beside others
    other = choose(rng, clone(model), behind, *[] if marked else [forest] + strangers * 2)
    return choose(rng, behind, VotingRegressor([("a", model), ("b", other)],
                                               weights=choose(rng, None, [0.3, 2])))


def prove_booster(prover, rng, index, trainer, numbers=False):
    """Categories of pandas: the trainer's places of text or numbers."""
    count = rng.randint(1, 4)
    words = [make_words(rng, numbers and trainer) for _ in range(count)]
    names = ["c%d" % i for i in range(count + 2)]
    ordered = [trainer == "LightGBM" and rng.randint(3) == 0 for _ in words]
    rows = make_rows(rng, words, COUNT, choose(rng, 0.0, 0.1), 0)
    target = rows[:, -1].astype(float) + [len(str(row[0])) % 3 for row in rows]

    def as_rows(given, backwards=True):
        """In another order than at fit; what was never seen is a category where a row has it."""
        frame = {}
        for column, known in enumerate(words):
            others = [one for one in dict.fromkeys(given[:, column])
                      if one is not None and one not in known]
            frame[names[column]] = pandas.Categorical(
                given[:, column], categories=(known[::-1] if backwards else known) + others,
                ordered=ordered[column])
        frame.update({name: given[:, i - 2].astype(float) for i, name in enumerate(names[-2:])})
        return pandas.DataFrame(frame)

    model, version, endings = make_booster(rng, trainer)
    strangers = [] if numbers or any(ordered) else make_strangers(rng, trainer)
    wrapped = wrap_booster(rng, model, names, strangers)
    endings = endings if wrapped is model else ("pkl",)
    model = wrapped.fit(as_rows(rows, False), target)  # in the words' order, not sorted
    source = prover.path("model." + choose(rng, *endings))
    if source.endswith("pkl"):
        with open(source, "wb") as file:
            pickle.dump(model, file)
    else:
        getattr(model, "booster_", model).save_model(source)
    prover.about(trainer, version, "categories of pandas" + (", numbers" if numbers else ""),
                 model)
    asked = np.vstack([rows[:ROWS], make_rows(rng, words, ROWS, 0.05, 0.1)])
    return prover.compare(source, asked, lambda one: model.predict(as_rows(one)),
                          lambda one: {"value": (model.predict(as_rows(one)), False)},
                          "%s %d: %s" % (trainer, index, " ".join(repr(model).split())[:300]))


def prove_told(prover, rng, index):
    """Ordered categories beside whole numbers that may be their places: no file says whose a list
    is, so the caller does."""
    words = [make_words(rng, choose(rng, None, "LightGBM")) for _ in range(2)]
    named = {"categorical_feature": ["number"]} if rng.randint(2) else {}
    rows = make_rows(rng, words, COUNT, choose(rng, 0.0, 0.1), 0)
    rows[:, 2] = rng.randint(0, len(words[1]), COUNT)
    target = rows[:, 3].astype(float) + rows[:, 2].astype(float) % 2 + [
        len(str(row[1])) % 3 for row in rows]

    def as_rows(given):
        frame = {name: pandas.Categorical(given[:, i], categories=words[i] + [
            one for one in dict.fromkeys(given[:, i]) if one is not None and one not in words[i]],
                                          ordered=i == 1) for i, name in enumerate(("a", "in b"))}
        return pandas.DataFrame(dict(frame, number=given[:, 2].astype(int),
                                     real=given[:, 3].astype(float)))

    model = make_booster(rng, "LightGBM")[0].fit(as_rows(rows), target, **named)
    source = prover.path("model.pkl")
    with open(source, "wb") as file:
        pickle.dump(model, file)
    prover.about("LightGBM", lightgbm.__version__, "categories of pandas, columns named", model)
    asked = np.vstack([rows[:ROWS], make_rows(rng, words, ROWS, 0.05, 0.1)])
    asked[ROWS:, 2] = rng.randint(0, 9, ROWS)
    return prover.compare(source, asked, lambda one: model.predict(as_rows(one)),
                          lambda one: {"value": (model.predict(as_rows(one)), False)},
                          "LightGBM %d, columns named" % index, "--categorical", "a,in b")


def both_kinds(trainer):
    return [lambda *given: prove_booster(*given, trainer=trainer),
            lambda *given: prove_booster(*given, trainer=trainer, numbers=True)]


def prove(prover, arguments):
    taken = refused = 0
    kinds = [prove_pipeline, lambda *given: prove_pipeline(*given, wraps=True), prove_fixed_width]
    if pandas is not None and lightgbm is not None:
        kinds += both_kinds("LightGBM") + [prove_told]
    if pandas is not None and knows_categories():
        kinds += both_kinds("XGBoost")
    if pandas is not None and VERSION >= (1, 4):
        kinds += both_kinds("scikit-learn")
    for index in range(arguments.models):
        rng = np.random.RandomState(arguments.seed * 10000 + index)
        found = kinds[index % len(kinds)](prover, rng, index)
        taken, refused = taken + found[0], refused + found[1]
    if not taken or (not refused and arguments.models >= len(kinds)):
        prover.complain("rows", "%d taken, %d refused: neither may be 0" % (taken, refused))
    return "scikit-learn %s, %d models, %d rows taken and %d refused as the trainer does" % (
        sklearn.__version__, arguments.models, taken, refused)


if __name__ == "__main__":
    sys.exit(run(prove, TextProver, models=40))
