# SPDX-License-Identifier: Apache-2.0
"""GradientBoosting models that start from another estimator, through the espalier command.

    python prove_starts.py --espalier PATH [--models N] [--only NAME] [--seed N] [--verbose]

Runs inside an environment with scikit-learn, any version from 0.22 on; XGBoost and LightGBM take
part where they are installed. `init` is a tree, a forest, boosting, an estimator of others, or a
pipeline of scalers, bins, selectors and encoders in front of one, trained by GradientBoosting
itself, on two classes, several, and numbers, with every loss. Each model is converted in every
layout and asked for every output that the trainer has, with float64 and float32 rows on thresholds
of both and beside them, and for the first iterations alone. Values and leaves are compared bit for
bit; margins that start from a logarithm within 2 ulp of the largest of the margin, of its start and
of 1, and so is what is made of them. One line per difference; exit 1 if there is any.
"""
import pickle
import sys

import numpy as np
import sklearn

VERSION = tuple(int(part) for part in sklearn.__version__.split(".")[:2])
if VERSION < (1, 0):
    from sklearn.experimental import enable_hist_gradient_boosting
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import (AdaBoostClassifier, AdaBoostRegressor, BaggingClassifier,
                              BaggingRegressor, ExtraTreesClassifier, ExtraTreesRegressor,
                              GradientBoostingClassifier, GradientBoostingRegressor,
                              HistGradientBoostingClassifier, HistGradientBoostingRegressor,
                              RandomForestClassifier, RandomForestRegressor, VotingClassifier,
                              VotingRegressor)
from sklearn.compose import ColumnTransformer
from sklearn.feature_selection import VarianceThreshold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import KBinsDiscretizer, MinMaxScaler, RobustScaler, StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from fixture_set import neighbours, write_npy
from prove_boosting import make_labels
from prove_ensembles import boosters
from proving import Prover, choose, run


class StartProver(Prover):
    exact_types = False

    def compare(self, model, rows, what):
        source = self.path("trained.pkl")
        with open(source, "wb") as file:
            pickle.dump(model, file)
        self.about("scikit-learn", sklearn.__version__, type(model).__name__ + ", init", model)
        cases = [(rows, answers(model, rows))]
        narrow = rows.astype(np.float32)
        cases.append((narrow, answers(model, narrow)))
        for words in self.convert_layouts(source, what):
            for asked, wanted in cases:
                write_npy(self.path("rows.npy"), asked)
                for kind, array in wanted.items():
                    self.compare_kind(kind, array, model, asked, words)
            self.compare_stages(model, rows, words)

    def expect_refusal(self, model, words, what):
        """What cannot be converted is refused by name."""
        source = self.path("trained.pkl")
        with open(source, "wb") as file:
            pickle.dump(model, file)
        failed = self.run("convert", source, "-o", self.path("model.espalier"))
        if failed is None or words not in failed:
            self.complain(what, "not refused: %s" % failed)

    def compare_kind(self, kind, array, model, rows, words):
        classifies = hasattr(model, "classes_")
        scale = None
        if classifies and kind in ("margin", "probability"):
            scale = np.maximum(np.abs(model._raw_predict_init(rows)), 1.0)
            if kind == "margin":
                scale = np.maximum(scale.reshape(array.shape), np.abs(array))
            else:  # made of all margins, whose error is one of its places, not of its size
                scale = scale.max(axis=1, keepdims=True) * array
        if kind != "class":
            self.compare_output(kind, array, words, classifies and kind != "leaf", scale)
            return
        failed, found = self.predict(kind)
        if failed:
            self.complain(words, failed)
            return
        sure = surely_decided(model, rows)
        self.compare_arrays(kind, found[sure], array[sure], words)

    def compare_stages(self, model, rows, words):
        """The first iterations, and the estimator in front of them as it is."""
        write_npy(self.path("rows.npy"), rows)
        classifies = hasattr(model, "classes_")
        staged = model.staged_decision_function if classifies else model.staged_predict
        for count, wanted in enumerate(staged(rows), 1):
            if count not in (1, 3):
                continue
            failed = self.run("predict", self.path("model.espalier"), self.path("rows.npy"), "-o",
                              self.path("found.npy"), "--output", "margin", "--iterations",
                              "0:%d" % count)
            if failed:
                self.complain(words, failed)
                continue
            found = np.load(self.path("found.npy"))
            start = np.abs(model._raw_predict_init(rows)).reshape(found.shape)
            wanted = wanted.reshape(found.shape)
            scale = np.maximum(np.maximum(np.abs(wanted), start), 1.0) if classifies else None
            self.compare_arrays("margin", found, wanted, "%s, %d iterations" % (words, count),
                                classifies, scale)


def answers(model, rows):
    """What the trainer's own calls return."""
    if hasattr(model, "classes_"):
        return {"margin": model.decision_function(rows), "probability": model.predict_proba(rows),
                "class": model.predict(rows), "leaf": model.apply(rows).astype(np.int64)}
    return {"value": model.predict(rows), "leaf": model.apply(rows).astype(np.int64)}


def surely_decided(model, rows):
    """Rows whose best two classes are further apart than a logarithm's last bits."""
    margins = model.decision_function(rows)
    if margins.ndim == 1:
        return np.abs(margins) > 1e-12
    best = np.sort(margins, axis=1)
    return best[:, -1] - best[:, -2] > 1e-12


# --- Models ---------------------------------------------------------------------------------------

def seed_of(rng):
    return int(rng.randint(1 << 30))


def base(estimator):
    return {"estimator" if VERSION >= (1, 2) else "base_estimator": estimator}


def make_tree(rng, classifier):
    kind = DecisionTreeClassifier if classifier else DecisionTreeRegressor
    return kind(max_depth=choose(rng, 1, 4, None), random_state=seed_of(rng))


def make_forest(rng, classifier):
    kinds = ((RandomForestClassifier, ExtraTreesClassifier) if classifier else
             (RandomForestRegressor, ExtraTreesRegressor))
    return choose(rng, *kinds)(n_estimators=int(choose(rng, 2, 7, 20)),
                               max_depth=choose(rng, 3, 6, None), random_state=seed_of(rng))


def make_boosting(rng, classifier):
    if rng.randint(2):
        kind = GradientBoostingClassifier if classifier else GradientBoostingRegressor
        return kind(n_estimators=3, random_state=seed_of(rng))
    kind = HistGradientBoostingClassifier if classifier else HistGradientBoostingRegressor
    return kind(max_iter=4, min_samples_leaf=5, random_state=seed_of(rng))


def make_other(rng, classifier):
    """Of XGBoost and LightGBM, where they are installed."""
    found = boosters(classifier)
    if not found:
        return make_boosting(rng, classifier)
    return choose(rng, *found)(n_estimators=5, max_depth=4, n_jobs=1)


def make_bagging(rng, classifier):
    kind = BaggingClassifier if classifier else BaggingRegressor
    member = choose(rng, make_tree, make_boosting)(rng, classifier)
    return kind(n_estimators=3, max_features=choose(rng, 1.0, 0.6), random_state=seed_of(rng),
                **base(member))


def make_voting(rng, classifier):
    members = [("a", make_forest(rng, classifier)), ("b", make_boosting(rng, classifier))]
    if classifier:
        return VotingClassifier(members, voting="soft", weights=choose(rng, None, [1, 2]))
    return VotingRegressor(members, weights=choose(rng, None, [0.3, 2]))


def make_adaptive(rng, classifier):
    if classifier and VERSION < (1, 6):
        return AdaBoostClassifier(n_estimators=5, algorithm="SAMME", random_state=seed_of(rng))
    kind = AdaBoostClassifier if classifier else AdaBoostRegressor
    return kind(n_estimators=5, random_state=seed_of(rng))


def make_calibrated(rng, classifier):
    if not classifier:
        return make_forest(rng, classifier)
    return CalibratedClassifierCV(**dict(base(make_forest(rng, True)), method="sigmoid", cv=2))


def make_steps(rng, classifier):
    """Pipelines, whose steps see rows of float32 whatever the caller's are."""
    scale = choose(rng, StandardScaler(), MinMaxScaler(), RobustScaler())
    bins = KBinsDiscretizer(4, encode=choose(rng, "ordinal", "onehot-dense"), strategy="uniform")
    steps = choose(rng, (), (scale,), (bins,), (scale, VarianceThreshold()), (scale, bins),
                   (ColumnTransformer([("a", scale, [0]), ("b", bins, [1])],
                                      remainder="passthrough"),))
    end = choose(rng, make_forest, make_tree, make_boosting, make_voting)
    return make_pipeline(*steps, end(rng, classifier))


MAKERS = [make_forest, make_tree, make_boosting, make_other, make_voting, make_bagging,
          make_calibrated, make_adaptive, make_steps, make_steps]


def make_model(rng, classifier, init):
    options = dict(n_estimators=int(choose(rng, 3, 5, 20)), max_depth=choose(rng, 1, 3, 6),
                   learning_rate=choose(rng, 0.1, 1.0, rng.uniform(0.01, 1)), init=init,
                   subsample=choose(rng, 1.0, 0.6), random_state=seed_of(rng))
    if classifier:
        first = "log_loss" if VERSION >= (1, 1) else "deviance"
        return GradientBoostingClassifier(loss=choose(rng, first, first, "exponential"), **options)
    new = VERSION >= (1, 0)
    loss = choose(rng, "squared_error" if new else "ls", "absolute_error" if new else "lad",
                  "huber", "quantile")
    return GradientBoostingRegressor(loss=loss, **options)


# --- Rows -----------------------------------------------------------------------------------------

def thresholds_of(model, found):
    """Of all trees of scikit-learn that can be found."""
    if hasattr(model, "tree_"):
        inner = model.tree_.children_left >= 0
        found += zip(model.tree_.feature[inner].tolist(), model.tree_.threshold[inner].tolist())
    elif hasattr(model, "_predictors"):
        for predictor in [one for pair in model._predictors for one in pair]:
            nodes = predictor.nodes[predictor.nodes["is_leaf"] == 0]
            name = "num_threshold" if "num_threshold" in nodes.dtype.names else "threshold"
            found += zip(nodes["feature_idx"].tolist(), nodes[name].tolist())
    elif hasattr(model, "steps"):
        thresholds_of(model.steps[-1][1], found)
    elif hasattr(model, "estimators_"):
        for one in np.ravel(np.array(model.estimators_, dtype=object)):
            thresholds_of(one, found)
    if hasattr(model, "init_"):
        thresholds_of(model.init_, found)
    return found


def mix_rows(rng, model, data, count):
    width = data.shape[1]
    near = {feature: [0.0, -0.0, 1e-40, -1e30] for feature in range(width)}
    for feature, threshold in thresholds_of(model, []):
        if np.isfinite(threshold):
            near[feature % width] += neighbours(threshold)
    rows = rng.randn(count, width)
    rows[::2] = data[rng.randint(len(data), size=len(rows[::2]))]
    for row in rows[count // 4:]:
        for feature in range(width):
            if rng.randint(2):
                row[feature] = near[feature][rng.randint(len(near[feature]))]
    return rows


def lies_in_columns(model):
    """Of several classes, each class's probabilities side by side."""
    end = model.init_.steps[-1][1] if hasattr(model.init_, "steps") else model.init_
    return len(getattr(model, "classes_", [])) > 2 and isinstance(
        end, (HistGradientBoostingClassifier, AdaBoostClassifier))


def prove_models(prover, arguments):
    for index in range(arguments.models):
        rng = np.random.RandomState([arguments.seed, index])
        maker = MAKERS[index % len(MAKERS)]
        classifier = (index + index // len(MAKERS)) % 2 == 0
        if arguments.only and arguments.only not in maker.__name__:
            continue
        width = int(choose(rng, 2, 5, 12))
        data = rng.randn(int(choose(rng, 60, 200)), width)
        target = data[:, 0] + np.sin(data.sum(axis=1)) + 0.1 * rng.randn(len(data))
        init = maker(rng, classifier)
        model = make_model(rng, classifier, init)
        if classifier:
            two = model.loss == "exponential"
            target = make_labels(rng, target, 2 if two else choose(rng, 2, 3, 9))
        what = "model %d, %s, %s" % (index, maker.__name__[5:], model.loss)
        if arguments.verbose:
            print(what, flush=True)
        try:
            model.fit(data, target)
        except (TypeError, ValueError) as error:  # what cannot be combined
            print("%s: not trained: %s" % (what, str(error).split("\n")[0][:100]))
            continue
        if VERSION < (1, 3) and lies_in_columns(model):
            prover.expect_refusal(model, "to the wrong rows", what)
            continue
        prover.compare(model, mix_rows(rng, model, data, 120), what)


def prove(prover, arguments):
    prove_models(prover, arguments)
    return "scikit-learn " + sklearn.__version__


if __name__ == "__main__":
    sys.exit(run(prove, StartProver, only=True, models=20))
