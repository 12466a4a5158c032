# SPDX-License-Identifier: Apache-2.0
"""Trains the fixtures of XGBoost's float32 inside scikit-learn's calibrators and transformed
targets: train_narrow.py FIXTURES_DIR MANIFEST_PART.

Runs inside the environment that make_fixtures.py prepared. Every seed is fixed. Must never compute
an expected answer by itself: everything expected is what the trainer returned.
"""
import sys

import numpy as np
import sklearn
import xgboost
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor
from sklearn.multiclass import OneVsRestClassifier
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from fixture_set import FixtureSet
from prove_ensembles import answers

VERSION = tuple(int(part) for part in sklearn.__version__.split(".")[:2])
FEATURES = 3


def boost(kind):
    return kind(n_estimators=1, max_depth=2, n_jobs=1)


class NarrowSet(FixtureSet):
    def model(self, stem, model, data, target, purpose):
        model.fit(data, target)
        self.add_by_width(stem + ".joblib", model, data[:9] + 1e-9, lambda rows: {
            kind + ("~" if linked else ""): array for kind, array, linked, _ in answers(
                model, rows, hasattr(model, "classes_"))}, purpose)


def main():
    root, manifest = sys.argv[1:3]
    out = NarrowSet(root, "narrow-" + sklearn.__version__)
    rng = np.random.RandomState(12)
    data = rng.randn(160, FEATURES)
    target = data[:, 0] * 2 + np.abs(data[:, 1]) + rng.randn(160)
    cases = [("sigmoid", 2), ("isotonic", 2), ("isotonic", 3)]
    cases += [("temperature", 2), ("temperature", 3)] if VERSION >= (1, 8) else []
    for method, classes in cases:
        model = CalibratedClassifierCV(boost(xgboost.XGBClassifier), method=method, cv=2)
        out.model("%s_%d" % (method, classes), model, data,
                  np.digitize(target, [-1, 1][-classes + 1:]),
                  "float32 probabilities, " + method)
    if VERSION >= (1, 8):
        out.model("temperature_rest", CalibratedClassifierCV(
            OneVsRestClassifier(boost(xgboost.XGBClassifier)), method="temperature", cv=2,
            ensemble=False), data, np.arange(len(data)) % 8,
                  "float32 of OneVsRest, eight classes added up one after the other")
    for stem, options in (("exp", {"func": np.log, "inverse_func": np.exp}),
                          ("scaled", {"transformer": StandardScaler()}),
                          ("ranged", {"transformer": MinMaxScaler((-1, 7))})):
        out.model(stem, TransformedTargetRegressor(boost(xgboost.XGBRegressor), **options), data,
                  np.abs(target) + 1, "float32 values, " + stem)
    out.write_manifest(manifest)


if __name__ == "__main__":
    main()
