# SPDX-License-Identifier: Apache-2.0
"""Trains the fixtures of estimators of other estimators for one scikit-learn version:
train_ensembles.py FIXTURES_DIR MANIFEST_PART.

Runs inside the environment that make_fixtures.py prepared (Python 3.7 or newer). Every seed is
fixed. Must never compute an expected answer by itself: everything expected is what the trainer
returned.
"""
import os
import sys

import numpy as np
import sklearn

from fixture_set import FixtureSet, fixed_width, write_npy
from prove_ensembles import VERSION, answers, base, mix_rows

from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import (AdaBoostClassifier, AdaBoostRegressor, BaggingClassifier,
                              BaggingRegressor, GradientBoostingClassifier,
                              HistGradientBoostingClassifier, HistGradientBoostingRegressor,
                              RandomForestClassifier, RandomForestRegressor, VotingClassifier,
                              VotingRegressor)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

ROWS = 8
WIDTH = 3


class EnsembleSet(FixtureSet):
    def model(self, stem, model, data, purpose, exact=False):
        """exact: nothing goes through exp or log."""
        name = stem + ".joblib"
        self.dump(name, model, compress=9)
        rows = mix_rows(np.random.RandomState(len(stem)), model, data)[:ROWS]
        parts = [stem + ".rows.npy"]
        write_npy(self.path(parts[0]), rows)
        classifier = hasattr(model, "classes_")
        for kind, array, linked, deep in answers(model, rows, classifier):
            array = fixed_width(array) if array.dtype.kind == "O" else array
            file_name = "%s.%s.npy" % (stem, kind)
            if not deep:  # a sum behind a logarithm may differ by more
                write_npy(self.path(file_name), array)
                parts.append("%s%s=%s" % (kind, "~" if linked and not exact else "", file_name))
        self.line(name, type(model).__name__, purpose, " ".join(parts))


def forest(classifier=True, seed=1):
    kind = RandomForestClassifier if classifier else RandomForestRegressor
    return kind(n_estimators=2, max_depth=2, random_state=seed)


def add_classifiers(out, X, score):
    classes = np.digitize(score, np.quantile(score, [0.33, 0.66]))
    names = np.array(["ash", "elm", "oak"])[classes]
    tree = DecisionTreeClassifier(max_depth=2, random_state=1)
    out.model("bagging", BaggingClassifier(
        n_estimators=4, max_features=0.7, max_samples=0.05, random_state=6, **base(tree)).fit(
            X, names), X, "trees of some features and some classes", True)
    out.model("bagging_histogram", BaggingClassifier(
        n_estimators=2, max_features=0.7, random_state=2, **base(HistGradientBoostingClassifier(
            max_iter=2, max_leaf_nodes=4, random_state=1))).fit(X, classes > 0), X,
        "boosting of some features, two classes")
    options = {"algorithm": "SAMME"} if VERSION < (1, 6) else {}
    out.model("adaboost", AdaBoostClassifier(
        n_estimators=4, random_state=1, **dict(options, **base(tree))).fit(X, names), X, "SAMME")
    if VERSION < (1, 6):
        out.model("adaboost_real", AdaBoostClassifier(
            n_estimators=3, random_state=1, algorithm="SAMME.R", **base(tree)).fit(
                X, classes > 0), X, "SAMME.R, two classes")
    if (1, 4) <= VERSION < (1, 6):
        out.model("adaboost_many", AdaBoostClassifier(
            n_estimators=3, random_state=1, algorithm="SAMME.R", **base(tree)).fit(
                X, np.arange(len(X)) % 11), X, "SAMME.R, eleven classes: sums in pairs")
    members = [("tree", tree), ("forest", forest()),
               ("histogram", HistGradientBoostingClassifier(max_iter=1, max_leaf_nodes=4))]
    out.model("voting", VotingClassifier(members, voting="soft", weights=[1, 0.3, 2]).fit(X, names),
              X, "soft, weighted, float32 and float64 features")
    out.model("voting_hard", VotingClassifier(members, weights=[1, 2, 1.5]).fit(X, classes), X,
              "hard, weighted", True)
    out.model("sigmoid", CalibratedClassifierCV(
        GradientBoostingClassifier(n_estimators=2, max_depth=1, random_state=1), cv=2).fit(
            X, classes > 0), X, "sigmoids of margins, two classes")
    out.model("isotonic", CalibratedClassifierCV(forest(), method="isotonic", cv=2).fit(X, names),
              X, "isotonic, of probabilities, three classes", True)
    if VERSION >= (1, 8):
        out.model("temperature", CalibratedClassifierCV(forest(), method="temperature", cv=2).fit(
            X, names), X, "temperature")
    out.model("outputs", MultiOutputClassifier(forest()).fit(X, np.c_[classes, classes == 1]), X,
              "two outputs", True)
    out.model("rest", OneVsRestClassifier(forest(seed=2)).fit(X, classes), X,
              "a forest a class", True)
    if VERSION in ((1, 2), (1, 9)):
        add_labels(out, X, classes)
    if VERSION >= (1, 9):
        refused = VotingClassifier([("forest", forest()), ("near", KNeighborsClassifier())]).fit(
            X, classes)
        out.dump("refused_member.joblib", refused, compress=9)
        out.line("refused_member.joblib", "VotingClassifier", "a member that is no tree",
                 refused="VotingClassifier KNeighborsClassifier")
        for name, kind in (("ada", AdaBoostClassifier), ("rest", OneVsRestClassifier)):
            model = kind(DecisionTreeClassifier(max_depth=1)).fit(X, np.full(len(X), 3))
            out.dump("refused_%s_of_one.joblib" % name, model, compress=9)
            out.line("refused_%s_of_one.joblib" % name, kind.__name__, "one class",
                     refused=kind.__name__ + " of one class")


def add_labels(out, X, classes):
    """Rows with several labels each, one of which no row has; SAMME.R of forests."""
    several = np.c_[classes > 0, classes * 0, classes == 1].astype(int)
    out.model("rest_labels", OneVsRestClassifier(forest(seed=2)).fit(X, several), X,
              "several labels a row", True)
    boosted = GradientBoostingClassifier(n_estimators=2, max_depth=1, random_state=1)
    out.model("rest_label_margins", OneVsRestClassifier(boosted).fit(X, several), X,
              "several labels a row, decided on margins")
    if VERSION < (1, 6):
        out.model("adaboost_forests", AdaBoostClassifier(
            n_estimators=2, random_state=1, algorithm="SAMME.R", **base(forest())).fit(
                X, classes), X, "SAMME.R of forests")


def add_regressors(out, X, score):
    tree = DecisionTreeRegressor(max_depth=2, random_state=1)
    out.model("bagging_values", BaggingRegressor(n_estimators=3, random_state=1, max_features=2,
                                                 **base(tree)).fit(X, score), X,
              "trees of some features", True)
    out.model("adaboost_values", AdaBoostRegressor(n_estimators=5, random_state=1,
                                                   **base(tree)).fit(X, score), X,
              "a weighted median", True)
    out.model("voting_values", VotingRegressor([
        ("forest", forest(False)), ("histogram", HistGradientBoostingRegressor(
            max_iter=2, max_leaf_nodes=4))]).fit(X, score), X, "a mean", True)
    out.model("transformed", TransformedTargetRegressor(
        forest(False), func=np.log1p, inverse_func=np.expm1).fit(X, score - score.min()), X,
        "expm1 of a forest")
    if VERSION >= (1, 9):
        out.model("transformed_scaled", TransformedTargetRegressor(
            forest(False), transformer=StandardScaler(with_mean=False)).fit(X, score), X,
            "a scaler that knows its mean without using it", True)


def add_pipelines(out, X, score):
    """Pipelines as members, alone, and with a pipeline around them that has nothing in front."""
    voting = VotingRegressor([
        ("scaled", make_pipeline(StandardScaler(), DecisionTreeRegressor(max_depth=2))),
        ("forest", forest(False))])
    out.model("voting_pipelines", voting.fit(X, score), X, "a pipeline as a member", True)
    out.model("voting_pipelines_alone", make_pipeline(voting).fit(X, score), X,
              "a pipeline of nothing around it", True)
    out.dump("refused_around_pipelines.joblib",
             make_pipeline(StandardScaler(), voting).fit(X, score), compress=9)
    out.line("refused_around_pipelines.joblib", "Pipeline", "steps around members' steps",
             refused="pipeline in front of an estimator that holds pipelines")


def main():
    root, manifest = sys.argv[1:3]
    out = EnsembleSet(root, "ensembles-" + sklearn.__version__)
    rng = np.random.RandomState(30)
    X = rng.randn(90, WIDTH)
    score = X[:, 0] + np.sin(X.sum(axis=1)) + 0.1 * rng.randn(len(X))
    add_classifiers(out, X, score)
    add_regressors(out, X, score)
    add_pipelines(out, X, score)
    out.write_manifest(manifest)


if __name__ == "__main__":
    os.environ["OMP_NUM_THREADS"] = "1"
    main()
