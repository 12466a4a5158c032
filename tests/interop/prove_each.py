# SPDX-License-Identifier: Apache-2.0
"""Every estimator, loss, option and transformer of scikit-learn that is converted, one after the
other, through the espalier command.

    python prove_each.py --espalier PATH [--only NAME] [--verbose]

Runs inside an environment with scikit-learn, any version from 0.22 on. each_cases.py lists what is
trained; other provers mix the same at random, this one leaves nothing to chance, and takes no
share. Each model is compared as the random ones of its kind are, in one layout: every output, rows
on thresholds and beside them, of float64 and float32, and of boosting the first iterations. What a
version does not know it refuses, and that is counted; promises.tsv says what each version must
know. One line per difference; exit 1 if there is any.
"""
import re
import sys

import numpy as np
import sklearn
from sklearn.base import is_classifier

import each_cases
from each_cases import S
from fixture_set import neighbours, write_npy
from prove_boosting import BoostingProver
from prove_ensembles import EnsembleProver, find_thresholds
from prove_pipelines import NAMES, PipelineProver, chain, make_data
from proving import Prover, optional, run
from varied_rows import VariedRows

pandas = optional("pandas")

COUNT, ASKED = 300, 90
SOFT = re.compile(r"FunctionTransformer (log1p|expm1|exp|log)\b")  # NumPy's own
UNKNOWN = (TypeError, ValueError, KeyError, AttributeError)  # what versions say


class Data(VariedRows):
    def __init__(self):
        VariedRows.__init__(self, 3, COUNT)
        self.marks = np.c_[self.real > 0, self.rows[:, 4] > 2, self.real < 0.5].astype(int)
        self.asked_gaps = np.vstack([self.gaps[:60], self.fresh(30)])

    def near(self, model):
        """Rows with values on thresholds and next to them."""
        rows = self.fresh(ASKED)
        thresholds = find_thresholds(model)
        if thresholds.size:
            near = np.concatenate([neighbours(one) for one in self.rng.choice(thresholds, 40)])
            where = self.rng.rand(*rows.shape) < 0.5
            rows[where] = self.rng.choice(near, int(where.sum()))
        return rows


class EachProver(EnsembleProver, BoostingProver, PipelineProver):
    """Compares with the words of the provers of each kind."""

    def __init__(self, espalier, folder):
        Prover.__init__(self, espalier, folder)
        self.refused_models = self.rows = self.refusals = self.pipelines = 0
        self.models = self.unknown = 0

    def convert_layouts(self, source, what, *more):
        failed = self.run("convert", source, "-o", self.path("model.espalier"), *more)
        if failed:
            self.complain(what, failed)
        else:
            yield what

    def compare_alone(self, model, rows, wanted):
        """Random models have it."""

    def compare_estimator(self, model, rows, what):
        kind = type(model).__name__
        if kind.startswith(("GradientBoosting", "HistGradientBoosting", "IsolationForest")):
            BoostingProver.compare(self, model, rows, what)
            self.compare_iterations(model, rows, what)
        else:
            EnsembleProver.compare(self, what, model, rows, is_classifier(model), what)
            self.compare_leaves(model, rows, what)

    def compare_leaves(self, model, rows, what):
        if hasattr(model, "apply") and not hasattr(model, "best_estimator_"):
            write_npy(self.path("rows.npy"), rows)
            self.compare_output("leaf", np.asarray(model.apply(rows)).astype(np.int64), what)

    def compare_iterations(self, model, rows, what):
        """The first two, where the trainer has them."""
        classifies = hasattr(model, "classes_")
        name = "staged_decision_function" if classifies else "staged_predict"
        if not hasattr(model, name) or getattr(model, "loss", "") in ("poisson", "gamma"):
            return
        staged = [one for _, one in zip(range(2), getattr(model, name)(rows))][-1]
        write_npy(self.path("rows.npy"), rows)
        failed = self.run("predict", self.path("model.espalier"), self.path("rows.npy"), "-o",
                          self.path("found.npy"), "--output", "margin", "--iterations", "0:2")
        if failed:
            self.complain(what, failed)
            return
        found = np.load(self.path("found.npy"))
        linked = classifies and type(model).__name__.startswith("Gradient")
        scale = np.maximum(np.maximum(np.abs(staged.reshape(found.shape)), 1.0), np.abs(
            model._raw_predict_init(rows)).reshape(found.shape)) if linked else None
        self.compare_arrays("margin", found, staged.reshape(found.shape), what, linked, scale)


def prove_estimators(prover, arguments):
    data = Data()
    for cases in each_cases.ESTIMATORS:
        for name, make in cases():
            if (arguments.only or name) not in name:
                continue
            try:
                made = make(data)
            except UNKNOWN as error:
                note(prover, arguments, name, error)
                continue
            model, rows = made if isinstance(made, tuple) else (made, None)
            if arguments.verbose:
                print(name, flush=True)
            prover.models += 1
            prover.compare_estimator(model, data.near(model) if rows is None else rows, name)


def make_pipeline(rows, as_rows, target, make, gaps):
    """The steps in front of a model that takes what they give."""
    end = S.HistGradientBoostingClassifier(max_iter=3) if gaps else \
        S.DecisionTreeClassifier(random_state=0)
    model = chain(*(make() + [end])).fit(as_rows(rows), np.digitize(target, [0.3, 1.5]))
    model.predict(as_rows(rows[:2]))
    return model


def prove_step(prover, arguments, name, make):
    gaps, soft = "gaps" in name, SOFT.search(name)
    rng = np.random.RandomState(4)
    rows, target = make_data(rng, gaps)
    if gaps:  # a category that float32 holds, or NumPy 1 compares what is rounded
        rows[:, 4] = np.round(rows[:, 4] * 10)
    as_rows = (lambda given: pandas.DataFrame(given, columns=NAMES)) if "frame" in name else \
        (lambda given: given)
    try:
        model = make_pipeline(rows, as_rows, target, make, gaps)
    except UNKNOWN as error:
        note(prover, arguments, name, error)
        return
    if arguments.verbose:
        print(name, flush=True)
    prover.models += 1
    what = name + (" '%s'" % soft.group(1) if soft else "")
    PipelineProver.compare(prover, model, as_rows, rows, rng, what, soft is not None)


def prove_steps(prover, arguments):
    for cases in each_cases.STEPS:
        for name, make in cases():
            if (arguments.only or name) in name and (pandas is not None or "frame" not in name):
                prove_step(prover, arguments, name, make)


def note(prover, arguments, name, error):
    """What the trainer itself refuses."""
    prover.unknown += 1
    if arguments.verbose:
        print("%s: not trained: %s" % (name, " ".join(str(error).split())[:150]), flush=True)


def prove(prover, arguments):
    prove_estimators(prover, arguments)
    prove_steps(prover, arguments)
    return "scikit-learn %s, %d models, %d that it does not know" % (
        sklearn.__version__, prover.models, prover.unknown)


if __name__ == "__main__":
    sys.exit(run(prove, EachProver, only=True))
