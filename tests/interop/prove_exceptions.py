# SPDX-License-Identifier: Apache-2.0
"""What docs/semantics.md says is not copied, counted: how many answers are others than the
trainer's.

    python prove_exceptions.py --espalier PATH [--seed N]

Runs inside an environment with scikit-learn 0.22 or newer; with XGBoost, if that is there, 0.90 or
newer. Each model is converted, and what the page promises of it is compared as everywhere; of the
one output that is not promised the differences are counted, and are no findings. Whether rows are
refused that the trainer refuses is looked at, too. One line per difference; exit 1 if there is any.
"""
import importlib
import sys

import joblib
import numpy as np
import sklearn
from sklearn import ensemble

from fixture_folder import write_npy
from proof_exceptions import INFINITE, LABELS, OLD_SOFTMAX, SCIPY, UINT8
from proving import Prover, optional, run, ulps_between

xgb = optional("xgboost")


def version_of(module):
    return tuple(int(one) for one in module.__version__.split(".")[:2]) if module else (0, 0)


XGBOOST, SKLEARN = version_of(xgb), version_of(sklearn)
ROWS = 1000


class ExceptionProver(Prover):
    exact_types = False

    def convert(self, model, rows, what):
        """Whether there is a model now, to be asked for these rows."""
        joblib.dump(model, self.path("model.joblib"))
        write_npy(self.path("rows.npy"), rows)
        failed = self.run("convert", self.path("model.joblib"), "-o", self.path("model.espalier"))
        if failed:
            self.complain(what, failed)
        return not failed

    def count_exception(self, name, kind, wanted, what):
        """How often what is found is another number, or of another shape."""
        failed, found = self.predict(kind)
        if failed:
            self.complain(what, failed)
            return
        wanted = np.asarray(wanted)
        ulps = (ulps_between(kind, found, wanted) if found.shape == wanted.shape else
                np.full(len(found), np.inf))
        if name != SCIPY:  # another number, however near
            ulps = np.where(ulps > 0, np.inf, 0.0)
        self.exceptions[self.subject, kind, name].add(len(found), ulps)


# --- scikit-learn ---------------------------------------------------------------------------------

def prove_scipy(prover, rng):
    """Probabilities of several classes, up to 1.3: of the SciPy of the time."""
    if SKLEARN >= (1, 4):
        return
    data = rng.randn(600, 5)
    target = np.digitize(data[:, 0] + rng.randn(600), [-1, 0, 1])
    model = ensemble.GradientBoostingClassifier(n_estimators=60, learning_rate=0.5,
                                                random_state=0).fit(data, target)
    rows = rng.randn(ROWS, 5)
    prover.about("scikit-learn", sklearn.__version__, "GradientBoostingClassifier", model)
    if prover.convert(model, rows, "SciPy"):
        prover.compare_output("leaf", model.apply(rows).astype(np.int64), "SciPy")
        prover.count_exception(SCIPY, "probability", model.predict_proba(rows), "SciPy")


def histogram():
    if SKLEARN < (1, 0):
        importlib.import_module("sklearn.experimental.enable_hist_gradient_boosting")
    return ensemble.HistGradientBoostingRegressor(max_iter=20, categorical_features=[1])


def prove_categories(prover, rng):
    """256 and -2 before 1.4; infinities later."""
    if SKLEARN < (0, 24):
        return
    data = rng.randn(ROWS, 3)
    data[:, 1] = np.arange(ROWS) % 40
    model = histogram().set_params(max_bins=255)
    model.fit(data, data[:, 0] + data[:, 1] % 3 + data[:, 1] % 7)
    rows = rng.randn(ROWS, 3)
    rows[:, 1] = rng.randint(0, 40, ROWS)
    prover.about("scikit-learn", sklearn.__version__, "HistGradientBoostingRegressor, categories",
                 model)
    if not prover.convert(model, rows, "categories"):
        return
    prover.compare_output("value", model.predict(rows), "categories")
    if SKLEARN < (1, 4):
        rows[:, 1] += np.where(np.arange(ROWS) % 2, 256, -256)
        write_npy(prover.path("rows.npy"), rows)
        prover.count_exception(UINT8, "value", model.predict(rows), "categories")
    else:
        rows = rows[:4]
        rows[:2, 1], rows[2:, 1] = np.inf, -np.inf
        prover.expect_refused(model.predict, rows, "infinite categories")
        prover.expect_refused(model.predict, rows.astype(np.float32), "infinite categories")


# --- XGBoost --------------------------------------------------------------------------------------

def prove_classes(prover, data, rows):
    """Two classes: of multi:softmax up to 1.5, and of multi:softprob."""
    options = dict(n_estimators=10, max_depth=3, n_jobs=1)
    two = (data[:, 0] + data[:, 1] > 0).astype(int)
    model = xgb.XGBClassifier(objective="multi:softmax", num_class=2, **options).fit(data, two)
    prover.about("XGBoost", xgb.__version__, "XGBClassifier, multi:softmax", model)
    if XGBOOST < (1, 6) and prover.convert(model, rows, "multi:softmax"):
        prover.compare_output("class", model.predict(rows), "multi:softmax")
        prover.count_exception(OLD_SOFTMAX, "probability", model.predict_proba(rows),
                               "multi:softmax")
    model = xgb.XGBClassifier(objective="multi:softprob", num_class=2, **options)
    model.fit(data, two)
    prover.about("XGBoost", xgb.__version__, "XGBClassifier, multi:softprob of two", model)
    if prover.convert(model, rows, "multi:softprob"):
        margin = model.predict(rows, output_margin=True)
        prover.compare_output("margin", margin, "multi:softprob")
        prover.count_exception(LABELS, "predict", model.predict(rows), "multi:softprob")


def prove_infinities(prover, rng, data):
    """A file is asked as an estimator asks it, a pickled Booster makes a matrix."""
    if XGBOOST < (1, 4):
        return
    model = xgb.train({"nthread": 1}, xgb.DMatrix(data, data[:, 0]), 10)
    rows = rng.randn(200, data.shape[1])
    rows[np.arange(200), rng.randint(0, data.shape[1], 200)] = np.where(rng.rand(200) < 0.5, np.inf,
                                                                        -np.inf)
    prover.about("XGBoost", xgb.__version__, "Booster, infinite rows", model)
    if prover.convert(model, rows[:0], "infinities"):
        prover.expect_refused(lambda one: model.predict(xgb.DMatrix(one)), rows, "infinities")
    model.save_model(prover.path("model.json"))
    failed = prover.run("convert", prover.path("model.json"), "-o", prover.path("model.espalier"))
    if failed:
        prover.complain("infinities", failed)
        return
    write_npy(prover.path("rows.npy"), rows)
    prover.compare_output("value", model.inplace_predict(rows), "infinities")
    prover.except_as(INFINITE, "value")


def prove(prover, arguments):
    rng = np.random.RandomState(arguments.seed)
    prove_scipy(prover, rng)
    prove_categories(prover, rng)
    if xgb:
        data, rows = rng.randn(500, 4), rng.randn(ROWS, 4)
        prove_classes(prover, data, rows)
        prove_infinities(prover, rng, data)
    return "scikit-learn %s, %d kinds of exceptions" % (
        sklearn.__version__, len({name for _, _, name in prover.exceptions}))


if __name__ == "__main__":
    sys.exit(run(prove, ExceptionProver))
