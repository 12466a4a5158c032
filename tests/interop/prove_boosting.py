# SPDX-License-Identifier: Apache-2.0
"""Random boosting models and isolation forests of scikit-learn through the espalier command.

    python prove_boosting.py --espalier PATH [--models N] [--categories N] [--only NAME] [--seed N]
                             [--verbose]

Runs inside an environment with scikit-learn, any version from 0.22 on; not part of the test suite,
which has fixtures. Each model is trained on random data with random parameters, saved by pickle or
joblib (--categories: HistGradientBoosting with categorical features), converted in every layout and
asked for every output that the trainer has, with float64 and float32 rows, one row and all; rows
lie on thresholds and beside them. Margins, leaves and classes are compared bit for bit, what goes
through exp and pow within 2 ulp. One line per difference; exit 1 if there is any.
"""
import pickle
import sys

import joblib
import numpy as np
import sklearn

VERSION = tuple(int(part) for part in sklearn.__version__.split(".")[:2])
if VERSION < (1, 0):
    from sklearn.experimental import enable_hist_gradient_boosting
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import (GradientBoostingClassifier, GradientBoostingRegressor,
                              HistGradientBoostingClassifier, HistGradientBoostingRegressor,
                              IsolationForest)

from categories import make_codes, mix_codes
from fixture_set import FLOAT32_MAX, fixed_width, neighbours, write_npy
from near_rows import put_near
from proof_exceptions import START, SUMMED
from proving import ALONE, Prover, choose, run
from real_data import load_real

SPECIAL = [0.0, -0.0, 5e-324, -5e-324, 1e-45, -1e-45, 1.17549435e-38, 1e30, -1e30, FLOAT32_MAX,
           -FLOAT32_MAX]


def start_scale(model, rows, margins):
    """The first guess is a logarithm, NumPy's with AVX-512 at times: its units count, and those of
    1, since a sum near 0 has smaller ones."""
    start = np.abs(model._raw_predict_init(rows)).reshape(margins.shape)
    return np.maximum(np.maximum(np.abs(margins), start), 1.0)


class BoostingProver(Prover):
    exact_types = False

    def compare(self, model, rows, what):
        source = self.path("trained.pkl")
        if self.findings % 2:
            joblib.dump(model, source, compress=3)
        else:
            with open(source, "wb") as file:
                pickle.dump(model, file)
        with np.errstate(all="ignore"):
            narrow = rows.astype(np.float32)
        cases = [(rows, answers(model, rows))]
        cases.append((narrow, answers(model, narrow)))
        one = {kind: (array[-1:], linked) for kind, (array, linked) in cases[0][1].items()}
        cases.append((rows[-1:], one))
        self.about("scikit-learn", sklearn.__version__, type(model).__name__, model)
        self.compare_alone(model, rows, cases[0][1])
        for words in self.convert_layouts(source, what):
            for asked, wanted in cases:
                write_npy(self.path("rows.npy"), asked)
                scale = wanted["score"][0] if isinstance(model, IsolationForest) else None
                for kind, (array, linked) in wanted.items():
                    own = start_scale(model, asked, array) if kind == "margin" and linked and \
                        scale is None else scale
                    self.compare_output(kind, array, words, linked,
                                        own if array.dtype.kind == "f" else None)
                    if kind == "margin" and linked:
                        self.except_as(START if scale is None else SUMMED, kind)
                if "probability" in wanted:
                    self.count_ties(wanted["probability"][0])

    def compare_alone(self, model, rows, wanted):
        """The trainer with itself, rows one by one."""
        alone = [answers(model, rows[i:i + 1]) for i in range(20)]
        for kind, (array, _) in wanted.items():
            self.compare_route(kind, ALONE, array[:20],
                               np.concatenate([one[kind][0] for one in alone]))


def answers(model, rows):
    """What the trainer's own calls return, and whether it went through exp or pow."""
    if isinstance(model, IsolationForest):
        return {"score": (model.score_samples(rows), True),
                "margin": (model.decision_function(rows), True),
                "class": (model.predict(rows), False)}
    found = {}
    if hasattr(model, "predict_proba"):
        found["margin"] = (model.decision_function(rows), model_starts_linked(model))
        found["probability"] = (model.predict_proba(rows), True)
        found["class"] = (fixed_width(model.predict(rows)), False)
    else:
        linked = model.loss in ("poisson", "gamma")
        found["value"] = (model.predict(rows), linked)
        found["margin"] = found["value"]
        if linked:
            found["margin"] = (np.asarray(model._raw_predict(rows)).ravel(), False)
    if hasattr(model, "apply"):
        found["leaf"] = (model.apply(rows).astype(np.int64), False)
    return found


def model_starts_linked(model):
    """A GradientBoosting classifier's first guess is a logarithm."""
    return isinstance(model, GradientBoostingClassifier) and not isinstance(model.init_, str)


# --- Rows -----------------------------------------------------------------------------------------

def splits_of(model):
    """(feature, threshold) of all nodes."""
    found = []
    if hasattr(model, "_predictors"):
        for predictor in [one for pair in model._predictors for one in pair]:
            nodes = predictor.nodes[predictor.nodes["is_leaf"] == 0]
            name = "num_threshold" if "num_threshold" in nodes.dtype.names else "threshold"
            found += zip(nodes["feature_idx"].tolist(), nodes[name].tolist())
        return found
    for index, one in enumerate(np.ravel(model.estimators_)):
        inner = one.tree_.children_left >= 0
        features = one.tree_.feature[inner]
        if isinstance(model, IsolationForest):
            features = model.estimators_features_[index][features]
        found += zip(features.tolist(), one.tree_.threshold[inner].tolist())
    return found


def mix_rows(rng, model, data, count, missing, infinite):
    """Rows with features on and beside thresholds, and special values."""
    width = data.shape[1]
    near = {feature: [] for feature in range(width)}
    for feature, threshold in splits_of(model):
        near[int(feature)] += neighbours(threshold) if missing or np.isfinite(threshold) else []
    special = SPECIAL + ([np.nan] if missing else [])
    special += [np.inf, -np.inf, 1e300] if infinite else []
    rows = rng.randn(count, width)
    rows[::2] = data[rng.randint(len(data), size=len(rows[::2]))]
    return put_near(rng, rows, near, special)


# --- Models ---------------------------------------------------------------------------------------

def make_labels(rng, target, count):
    codes = np.digitize(target, np.quantile(target, np.linspace(0, 1, count + 1)[1:-1]))
    codes[:count] = np.arange(count)
    kind = rng.randint(4)
    if kind == 0:
        return np.array(["class %d" % i for i in range(count)])[codes]
    if kind == 1:
        return codes.astype(float) * 2 - 3
    return codes > 0 if kind == 2 and count == 2 else codes * 3 - 4


def make_first_guess(rng, classifier):
    if rng.randint(3):
        return None
    if rng.randint(2):
        return "zero"
    if not classifier:
        return choose(rng, DummyRegressor(strategy="constant", constant=-0.75),
                      DummyRegressor(strategy="quantile", quantile=0.3),
                      DummyRegressor(strategy="median"), DummyRegressor())
    return choose(rng, DummyClassifier(strategy="prior"),
                  DummyClassifier(strategy="most_frequent"), DummyClassifier(strategy="uniform"),
                  DummyClassifier(strategy="constant", constant=1))


def make_gradient(rng, classifier, width):
    options = dict(n_estimators=int(choose(rng, 1, 2, 5, 30)),
                   learning_rate=choose(rng, 0.1, 1.0, 0.07, 1, 0.333, rng.uniform(0.01, 1)),
                   max_depth=choose(rng, 1, 3, 6, None), subsample=choose(rng, 1.0, 0.6),
                   max_leaf_nodes=choose(rng, None, None, 7, 40),
                   init=make_first_guess(rng, classifier), random_state=int(rng.randint(1 << 30)))
    if options["max_depth"] is None and options["max_leaf_nodes"] is None:
        options["max_depth"] = 9
    if rng.randint(4) == 0:
        options.update(n_iter_no_change=2, validation_fraction=0.3)
    if classifier:
        first = "log_loss" if VERSION >= (1, 1) else "deviance"
        return GradientBoostingClassifier(loss=choose(rng, first, first, "exponential"), **options)
    new = VERSION >= (1, 0)
    loss = choose(rng, "squared_error" if new else "ls", "absolute_error" if new else "lad",
                  "huber", "quantile")
    return GradientBoostingRegressor(loss=loss, alpha=choose(rng, 0.9, 0.3), **options)


def make_histogram(rng, classifier, width):
    options = dict(max_iter=int(choose(rng, 1, 2, 5, 30)),
                   learning_rate=choose(rng, 0.1, 1.0, rng.uniform(0.01, 1)),
                   max_depth=choose(rng, None, 2, 6), max_leaf_nodes=choose(rng, 2, 7, 31, 60),
                   min_samples_leaf=choose(rng, 1, 5, 20), max_bins=choose(rng, 255, 4, 40),
                   l2_regularization=choose(rng, 0.0, 0.5),
                   random_state=int(rng.randint(1 << 30)))
    stopping = dict(n_iter_no_change=2, validation_fraction=choose(rng, 0.3, None))
    if rng.randint(4) == 0:
        options.update(stopping)
        if VERSION >= (0, 23):
            options["early_stopping"] = True
    elif VERSION >= (0, 23):
        options["early_stopping"] = False
    if VERSION >= (0, 23) and rng.randint(4) == 0:
        options["monotonic_cst"] = rng.randint(-1, 2, size=width).tolist()
    if classifier:
        if options.get("monotonic_cst") and VERSION < (1, 2):
            del options["monotonic_cst"]  # and with several classes never
        return HistGradientBoostingClassifier(**options)
    new = VERSION >= (1, 0)
    losses = ["squared_error" if new else "least_squares",
              "absolute_error" if new else "least_absolute_deviation"]
    losses += ["poisson"] if VERSION >= (0, 23) else []
    losses += ["quantile"] if VERSION >= (1, 1) else []
    losses += ["gamma"] if VERSION >= (1, 3) else []
    options["loss"] = choose(rng, *losses)
    if options["loss"] == "quantile":
        options["quantile"] = 0.7
    if options["loss"] not in losses[:1]:
        options.pop("monotonic_cst", None)
    return HistGradientBoostingRegressor(**options)


def make_isolation(rng, classifier, width):
    least = 1 if VERSION >= (1, 0) else 2
    return IsolationForest(n_estimators=int(choose(rng, 1, 3, 10, 50)),
                           max_samples=choose(rng, "auto", least, 2, 3, 50, 0.5, 1.0, 1.0),
                           max_features=choose(rng, 1.0, 1.0, 0.5, 1),
                           contamination=choose(rng, "auto", 0.1, 0.3),
                           bootstrap=bool(rng.randint(2)),
                           random_state=int(rng.randint(1 << 30)))


MAKERS = [("gradient classifier", make_gradient, True), ("histogram", make_histogram, False),
          ("isolation", make_isolation, False), ("gradient regressor", make_gradient, False),
          ("histogram classifier", make_histogram, True)]


def make_data(rng, name):
    """Data, target, and whether values may be missing and infinite when the model predicts."""
    any_number = name.startswith("histogram") or (name == "isolation" and VERSION >= (1, 6))
    if rng.randint(4) == 0:
        return load_real(rng) + (any_number,)
    width = int(choose(rng, 1, 3, 8, 20))
    data = rng.randn(int(choose(rng, 12, 60, 300, 1000)), width)
    if rng.randint(2):
        data = np.round(data * 2) / 2
    target = data[:, 0] + np.sin(data.sum(axis=1)) + 0.1 * rng.randn(len(data))
    if any_number and rng.randint(2):
        data[rng.rand(*data.shape) < 0.2] = np.nan
        if rng.randint(2):  # missing alone decides: thresholds of infinity
            target += 5.0 * np.isnan(data[:, 0])
    if name.startswith("histogram") and rng.randint(4) == 0:
        data[rng.rand(*data.shape) < 0.05] = np.inf
    return data, target, any_number


def prove_models(prover, seed, count, only, verbose):
    for index in range(count):
        name, maker, classifier = MAKERS[index % len(MAKERS)]
        if only and only not in name:
            continue
        rng = np.random.RandomState([seed, index])
        data, target, any_number = make_data(rng, name)
        model = maker(rng, classifier, data.shape[1])
        if classifier:
            two = getattr(model, "loss", "") == "exponential"
            target = make_labels(rng, target, 2 if two else choose(rng, 2, 2, 3, 5, 9))
        elif getattr(model, "loss", "") in ("poisson", "gamma"):
            target = np.exp(np.clip(target, -3, 3))
        what = "model %d, %s" % (index, " ".join(str(model).split()))
        if VERSION < (0, 23):  # which shows every parameter
            what = "model %d, %s, %s" % (index, name, getattr(model, "loss", ""))
        weight = rng.uniform(0.2, 3, size=len(data)) if rng.randint(3) == 0 else None
        if VERSION < (0, 23) and name.startswith("histogram"):
            weight = None
        if verbose:
            print(what, flush=True)
        try:
            model.fit(data, target, **({} if weight is None else {"sample_weight": weight}))
        except ValueError as error:  # what cannot be combined
            print("%s: not trained: %s" % (what, str(error).split("\n")[0][:100]))
            continue
        rows = mix_rows(rng, model, data, 200, any_number, any_number)
        prover.compare(model, rows, what)


def make_categories(rng):
    """Data of make_codes as this version takes it, and rows that it can predict."""
    data, columns, target = make_codes(rng, 254)
    if VERSION >= (1, 4) and rng.randint(2):  # an encoder is in front
        data[:, columns] = data[:, columns] * 1.5 - 20.25
    rows = mix_codes(rng, data, columns, 300, infinite=False)
    if VERSION < (1, 4):  # 256, and before 1.2 also -2, come back as other categories
        rows = rows[~((rows[:, columns] >= 256) | (rows[:, columns] <= -2)).any(axis=1)]
    else:  # the encoder takes no infinities
        rows = rows[~(np.abs(rows[:, columns]) > FLOAT32_MAX).any(axis=1)]
    return data, columns, target, rows


def prove_categories(prover, seed, count, verbose):
    for index in range(count):
        rng = np.random.RandomState([seed, index])
        data, columns, target, rows = make_categories(rng)
        model = make_histogram(rng, index % 2 == 0, data.shape[1])
        model.set_params(categorical_features=columns, max_bins=255, monotonic_cst=None)
        if index % 2 == 0:
            target = make_labels(rng, target, choose(rng, 2, 2, 5))
        elif model.loss in ("poisson", "gamma"):
            target = np.exp(np.clip(target, -3, 3))
        what = "categories %d, %s" % (index, " ".join(str(model).split()))
        if verbose:
            print(what, flush=True)
        prover.compare(model.fit(data, target), rows, what)


def show_exceptions(prover, seed):
    """One of each that is not promised to be equal."""
    rng = np.random.RandomState(seed)
    data = rng.randn(300, 4)
    labels = np.digitize(data[:, 0] + rng.randn(300), [-0.5, 0.5])
    for what, model in (
            ("isolation", IsolationForest(n_estimators=20, random_state=0)),
            ("two", GradientBoostingClassifier(n_estimators=5, random_state=0)),
            ("several", GradientBoostingClassifier(n_estimators=5, random_state=0))):
        model.fit(data, labels > 0 if what == "two" else labels)
        prover.compare(model, mix_rows(rng, model, data, 200, False, False), what)


def prove(prover, arguments):
    if not arguments.only:
        show_exceptions(prover, arguments.seed)
    prove_models(prover, arguments.seed, arguments.models, arguments.only, arguments.verbose)
    if VERSION >= (0, 24) and not arguments.only:
        prove_categories(prover, arguments.seed, arguments.categories, arguments.verbose)
    return "scikit-learn " + sklearn.__version__


if __name__ == "__main__":
    sys.exit(run(prove, BoostingProver, only=True, models=50, categories=20))
