# SPDX-License-Identifier: Apache-2.0
"""Trains the fixtures of LightGBM's linear trees inside estimators of scikit-learn:
train_lines.py FIXTURES_DIR MANIFEST_PART.

Runs inside the environment that make_fixtures.py prepared, LightGBM 3.2 or newer. Every seed is
fixed. Must never compute an expected answer by itself: everything expected is what the trainer
returned.
"""
import sys

import lightgbm
import numpy as np
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import (BaggingRegressor, GradientBoostingRegressor, RandomForestRegressor,
                              VotingRegressor)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fixture_set import FixtureSet
from prove_ensembles import answers, base

VERSION = tuple(int(part) for part in lightgbm.__version__.split(".")[:2])
FEATURES = 4


def make_lines(classifier=False, rounds=2):
    kind = lightgbm.LGBMClassifier if classifier else lightgbm.LGBMRegressor
    return kind(n_estimators=rounds, num_leaves=4, linear_tree=True, n_jobs=1, verbose=-1,
                random_state=1)


def make_start():
    """Lines that see rows rounded to float32."""
    return GradientBoostingRegressor(init=make_lines(), n_estimators=2, max_depth=2, random_state=1)


def make_rows(data):
    """Held rows, and what LightGBM takes for 0 or does not, none of it a float32."""
    tiny = [1e-36, -1e-35, float(np.float32(1e-35)), 1.0000001e-35, 0.0, -0.0, 1 / 3, -1e6 / 7]
    rows = np.vstack([data[:4] + 1e-9, np.tile(data[0], (len(tiny), 1))])
    for i, value in enumerate(tiny):
        rows[4 + i, i % FEATURES] = value
    return rows


class LineSet(FixtureSet):
    def model(self, stem, model, data, purpose):
        self.add_by_width(stem + ".joblib", model, make_rows(data), lambda rows: {
            kind + ("~" if linked else ""): array for kind, array, linked, _ in answers(
                model, rows, hasattr(model, "classes_"))}, purpose)


def main():
    root, manifest = sys.argv[1:3]
    out = LineSet(root, "lines-" + lightgbm.__version__)
    rng = np.random.RandomState(11)
    data = rng.randn(160, FEATURES)
    target = data[:, 0] * 2 + np.abs(data[:, 1]) - data[:, 2] * data[:, 3]
    forest = RandomForestRegressor(n_estimators=2, max_depth=2, random_state=1)
    out.model("voting", VotingRegressor([("lines", make_lines()), ("forest", forest)]).fit(
        data, target), data, "linear trees beside a forest of float32 features")
    out.model("start", make_start().fit(data, target), data, "a first guess of linear trees")
    out.model("calibrated", CalibratedClassifierCV(make_lines(True), cv=2).fit(
        data, target > 0), data, "linear trees, calibrated")
    if VERSION >= (4, 7):
        out.model("start_voting", VotingRegressor([
            ("start", make_start()), ("lines", make_pipeline(StandardScaler(), make_lines()))]).fit(
                data, target), data, "a first guess of linear trees beside some behind a scaler")
        out.model("bagging", BaggingRegressor(
            n_estimators=2, max_features=0.5, random_state=3, **base(make_lines(rounds=1))).fit(
                data, target), data, "linear trees of some features")
        out.model("outputs", MultiOutputRegressor(make_lines(rounds=1)).fit(
            data, np.c_[target, -target]), data, "linear trees of two outputs")
        out.model("rest", OneVsRestClassifier(make_lines(True, 1)).fit(
            data, np.digitize(target, [-1, 1])), data, "linear trees of each class")
    out.write_manifest(manifest)


if __name__ == "__main__":
    main()
