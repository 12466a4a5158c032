# SPDX-License-Identifier: Apache-2.0
"""Trains the fixtures of GradientBoosting models whose first guess is a pipeline, or a model of
XGBoost or LightGBM: train_starts.py FIXTURES_DIR MANIFEST_PART.

Runs inside the environment that make_fixtures.py prepared. Every seed is fixed. Must never compute
an expected answer by itself: everything expected is what the trainer returned.
"""
import os
import sys

import lightgbm
import numpy as np
import sklearn
import xgboost

from fixture_set import FixtureSet
from prove_starts import VERSION, answers, mix_rows

from sklearn.ensemble import (GradientBoostingClassifier, GradientBoostingRegressor,
                              RandomForestClassifier, RandomForestRegressor)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import KBinsDiscretizer, StandardScaler

ROWS = 10
WIDTH = 4


class StartSet(FixtureSet):
    def model(self, stem, init, data, target, purpose, loss=None):
        classifies = not np.issubdtype(target.dtype, np.floating)
        kind = GradientBoostingClassifier if classifies else GradientBoostingRegressor
        options = {} if loss is None else {"loss": loss}
        model = kind(n_estimators=2, max_depth=2, init=init, random_state=1, **options)
        model.fit(data, target)
        rows = mix_rows(np.random.RandomState(len(stem)), model, data, ROWS)

        def answer(rows):
            # What a logarithm starts from is compared by prove_starts.py, by a rule of its own.
            found = answers(model, rows)
            found.pop("margin", None)
            return {kind + ("~" if kind == "probability" else ""): array
                    for kind, array in found.items()}

        self.add_by_width(stem + ".joblib", model, rows, answer, purpose, ("xz", 9))


def forest(classifies):
    kind = RandomForestClassifier if classifies else RandomForestRegressor
    return kind(n_estimators=2, max_depth=2, random_state=1)


def add_models(out, data, target):
    small = dict(n_estimators=2, max_depth=2, n_jobs=1)
    silent = dict(small, verbose=-1, num_leaves=4)
    two = (target > 0).astype(int)
    three = np.digitize(target, [-0.7, 0.7])
    bins = KBinsDiscretizer(3, encode="onehot-dense", strategy="uniform")
    out.model("pipeline_classes", make_pipeline(bins, forest(True)), data, three,
              "a first guess behind bins, three classes")
    if VERSION < (1, 4):
        out.model("lightgbm", lightgbm.LGBMRegressor(**silent), data, target,
                  "a first guess of LightGBM")
        return
    out.model("pipeline", make_pipeline(StandardScaler(), forest(False)), data, target,
              "a first guess behind a scaler")
    out.model("xgboost", xgboost.XGBRegressor(**small), data, target, "a first guess of XGBoost",
              "huber")
    out.model("xgboost_classes", xgboost.XGBClassifier(**small), data, two,
              "a first guess of XGBoost, two classes")
    out.model("lightgbm_classes", lightgbm.LGBMClassifier(**silent), data, two,
              "a first guess of LightGBM, two classes", "exponential")


def main():
    root, manifest = sys.argv[1:3]
    out = StartSet(root, "starts-" + sklearn.__version__)
    rng = np.random.RandomState(12)
    data = rng.randn(120, WIDTH)
    target = data[:, 0] * 2 + np.sin(data[:, 1]) - data[:, 2] * data[:, 3]
    add_models(out, data, target)
    out.write_manifest(manifest)


if __name__ == "__main__":
    os.environ["OMP_NUM_THREADS"] = "1"
    main()
