# SPDX-License-Identifier: Apache-2.0
"""Random trees and forests of scikit-learn through the espalier command.

    python prove_forests.py --espalier PATH [--models N] [--seed N] [--verbose]

Runs inside an environment with scikit-learn, any version from 0.22 on; not part of the test suite,
which has fixtures. Each model is saved by pickle or joblib, converted in every layout and asked for
every output that the trainer has, with float64 and float32 rows; rows lie on thresholds and beside
them, and hold missing values where the trainer takes them. All is compared bit for bit. One line
per difference; exit 1 if there is any.
"""
import pickle
import sys

import joblib
import numpy as np
import sklearn
from sklearn.ensemble import (ExtraTreesClassifier, ExtraTreesRegressor, RandomForestClassifier,
                              RandomForestRegressor)
from sklearn.tree import (DecisionTreeClassifier, DecisionTreeRegressor, ExtraTreeClassifier,
                          ExtraTreeRegressor)

from fixture_set import FLOAT32_MAX, answers, neighbours, trees_of, write_npy
from near_rows import put_near
from proving import ALONE, THREADS, Prover, choose, run
from real_data import load_real

VERSION = tuple(int(part) for part in sklearn.__version__.split(".")[:2])
CLASSIFIERS = (DecisionTreeClassifier, ExtraTreeClassifier, RandomForestClassifier,
               ExtraTreesClassifier)
REGRESSORS = (DecisionTreeRegressor, ExtraTreeRegressor, RandomForestRegressor,
              ExtraTreesRegressor)
SPECIAL = [0.0, -0.0, 5e-324, -5e-324, 1e-45, -1e-45, 1.17549435e-38, 1e30, -1e30, FLOAT32_MAX,
           -FLOAT32_MAX]


class ForestProver(Prover):
    exact_types = False

    def compare_cases(self, what, cases):
        for rows, wanted in cases:
            write_npy(self.path("rows.npy"), rows)
            for kind, array in wanted.items():
                self.compare_output(kind, array, what)

    def compare(self, model, rows, what):
        source = self.path("trained.pkl")
        joblib.dump(model, source, compress=len(rows) % 4)
        if len(rows) % 3 == 0:
            with open(source, "wb") as file:
                pickle.dump(model, file)
        narrow = rows.astype(np.float32)
        self.about("scikit-learn", sklearn.__version__, type(model).__name__, model)
        wanted = answers(model, rows)
        alone = [answers(model, rows[i:i + 1]) for i in range(5)]
        for kind, array in wanted.items():
            self.compare_route(kind, ALONE, array[:5], np.concatenate([one[kind] for one in alone]))
        cases = [(rows, wanted), (narrow, answers(model, narrow)),
                 (rows[-1:], {kind: array[-1:] for kind, array in wanted.items()})]
        for words in self.convert_layouts(source, what):
            self.compare_cases(words, cases)


def takes_missing(model, data):
    """Whether predict takes them."""
    row = data[:2].copy()
    row[0, 0] = np.nan
    try:
        model.predict(row)
    except ValueError:
        return False
    return True


def mix_rows(rng, model, data, count):
    """Rows with features on and beside thresholds, and special values."""
    width = data.shape[1]
    near = {feature: [] for feature in range(width)}
    for tree in trees_of(model):
        inner = tree.children_left >= 0
        for feature, threshold in zip(tree.feature[inner], tree.threshold[inner]):
            near[feature] += neighbours(threshold) if np.isfinite(threshold) else []
    special = SPECIAL + ([np.nan] if takes_missing(model, np.nan_to_num(data)) else [])
    rows = rng.randn(count, width)
    rows[::2] = data[rng.randint(len(data), size=len(rows[::2]))]
    if np.nan not in special:
        rows = np.nan_to_num(rows)
    return put_near(rng, rows, near, special)


# --- Models ---------------------------------------------------------------------------------------

def make_data(rng, missing):
    if rng.randint(3) == 0:
        return load_real(rng)
    data = rng.randn(int(choose(rng, 12, 60, 300, 1000)), int(choose(rng, 1, 3, 8, 20)))
    if rng.randint(2):
        data = np.round(data * 2) / 2
    target = data[:, 0] + np.sin(data.sum(axis=1)) + 0.1 * rng.randn(len(data))
    if missing and rng.randint(2):
        data[rng.rand(*data.shape) < 0.2] = np.nan
    return data, target


def make_labels(rng, target):
    count = choose(rng, 2, 3, 7, 10)
    codes = np.digitize(target, np.quantile(target, np.linspace(0, 1, count + 1)[1:-1]))
    kind = rng.randint(4)
    if kind == 0:
        return np.array(["class %d" % i for i in range(count)])[codes]
    return codes.astype(float) * 2 - 3 if kind == 1 else codes * 3 - 4


def make_model(rng, maker, rows):
    options = dict(max_depth=choose(rng, None, 1, 4, 9), random_state=int(rng.randint(1 << 30)),
                   min_samples_leaf=choose(rng, 1, 1, 5), max_features=choose(rng, None, 0.5),
                   max_leaf_nodes=choose(rng, None, None, 20))
    if "Forest" in maker.__name__ or "Trees" in maker.__name__:
        options.update(n_estimators=int(choose(rng, 1, 3, 10, 40)), n_jobs=1,
                       bootstrap=bool(rng.randint(2)))
    if maker in CLASSIFIERS:
        options["criterion"] = choose(rng, "gini", "entropy")
        options["class_weight"] = choose(rng, None, "balanced")
    elif VERSION >= (1, 0):
        options["criterion"] = choose(rng, "squared_error", "friedman_mse", "absolute_error") \
            if rows <= 300 else "squared_error"
    return maker(**options)


def make_target(rng, maker, target):
    if maker in CLASSIFIERS:
        return make_labels(rng, target)
    return np.c_[target, np.exp(np.clip(target, -3, 3))] if rng.randint(3) == 0 else target


def prove_models(prover, seed, count, verbose):
    for index in range(count):
        maker = (CLASSIFIERS + REGRESSORS)[index % 8]
        rng = np.random.RandomState([seed, index])
        data, target = make_data(rng, VERSION >= (1, 3))
        model = make_model(rng, maker, len(data))
        what = "model %d, %s" % (index, maker.__name__)
        if verbose:
            print(what, flush=True)
        weight = rng.uniform(0.2, 3, size=len(data)) if rng.randint(3) == 0 else None
        target = make_target(rng, maker, target)
        try:
            model.fit(data, target, sample_weight=weight)
        except ValueError:  # not with missing values
            model.fit(np.nan_to_num(data), target, sample_weight=weight)
        prover.compare(model, mix_rows(rng, model, data, 200), what)


def show_threads(prover, seed):
    """A forest adds its trees in the order in which threads finish."""
    rng = np.random.RandomState(seed)
    data = rng.randn(500, 8)
    rows = rng.randn(4000, 8)
    for maker in (RandomForestRegressor, RandomForestClassifier):
        target = np.exp(data[:, 0]) + rng.randn(500)
        model = maker(100, random_state=1, n_jobs=1)
        model.fit(data, make_labels(rng, target) if maker in CLASSIFIERS else target,
                  sample_weight=rng.uniform(0.1, 1, size=500))
        once = answers(model, rows)
        prover.about("scikit-learn", sklearn.__version__, maker.__name__)
        for _ in range(4):
            model.set_params(n_jobs=2)
            for kind, again in answers(model, rows).items():
                prover.compare_route(kind, THREADS, once[kind], again)


def prove(prover, arguments):
    prove_models(prover, arguments.seed, arguments.models, arguments.verbose)
    show_threads(prover, arguments.seed)
    return "scikit-learn " + sklearn.__version__


if __name__ == "__main__":
    sys.exit(run(prove, ForestProver, models=48))
