# SPDX-License-Identifier: Apache-2.0
"""Makes models of thousands of sets of categories and of ten thousand one-hot columns, each beside
one of the same size with few, and rows for `espalier bench MODEL --rows ROWS`.

    python make_categories.py FOLDER [--trees FRACTION]

Runs inside an environment with scikit-learn and LightGBM. sets.txt: 300 trees of LightGBM over
three features of up to 300 categories and five numbers; numbers.txt: the same as numbers.
hot.joblib: 1,000 trees of LightGBM behind a OneHotEncoder of 20 features of 500 categories;
few.joblib: of 4. Prints how many sets and columns the trees ask for.
"""

import argparse
import os
import pathlib
import re

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before the trainers come

import joblib
import lightgbm
import numpy as np
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

ROWS, ASKED = 60_000, 4_096


def count_sets(text):
    """Distinct sets of each feature."""
    found = set()
    for tree in text.split("Tree=")[1:]:
        lines = dict(re.findall(r"^(\w+)=(.*)$", tree, re.M))
        bounds = [int(one) for one in lines.get("cat_boundaries", "").split()]
        words = lines.get("cat_threshold", "").split()
        for feature, kind, place in zip(*(lines.get(name, "").split() for name in (
                "split_feature", "decision_type", "threshold"))):
            if int(kind) & 1:
                first = int(float(place))
                found.add((feature, *words[bounds[first]:bounds[first + 1]]))
    return len(found)


def make_sets(folder, share):
    random = np.random.RandomState(0)
    levels = (300, 300, 22)
    codes = np.column_stack([random.zipf(1.3, ROWS) % one for one in levels])
    numbers = random.randn(ROWS, 5)
    effects = [random.randn(one) for one in levels]
    target = sum(effect[column] for effect, column in zip(effects, codes.T))
    target = target + numbers[:, 0] * effects[0][codes[:, 0]] + 0.3 * random.randn(ROWS)
    rows = np.column_stack([codes, numbers]).astype(float)
    np.save(folder / "sets.npy", rows[:ASKED])
    for name, columns in (("sets", [0, 1, 2]), ("numbers", [])):
        options = dict(num_leaves=31, verbose=-1, num_threads=1, min_data_per_group=5,
                       cat_smooth=1, max_cat_threshold=64)
        model = lightgbm.train(options, lightgbm.Dataset(rows, target, categorical_feature=columns),
                               max(1, round(300 * share)))
        model.save_model(folder / f"{name}.txt")
        print(f"{name}.txt: {count_sets(model.model_to_string())} sets")


def make_columns(folder, share):
    random = np.random.RandomState(0)
    codes = random.randint(0, 500, (ROWS, 20)).astype(float)
    effects = random.randn(20, 500)
    target = sum(effects[i][codes[:, i].astype(int)] for i in range(20))
    for name, data, some in (("hot", codes, 0.2), ("few", codes % 4, 1.0)):
        trees = lightgbm.LGBMRegressor(n_estimators=max(1, round(1000 * share)), num_leaves=16,
                                       max_depth=5, min_child_samples=3, learning_rate=0.3,
                                       n_jobs=1, verbose=-1, colsample_bytree=some)
        model = make_pipeline(OneHotEncoder(handle_unknown="ignore"), trees).fit(data, target)
        joblib.dump(model, folder / f"{name}.joblib")
        np.save(folder / f"{name}.npy", data[:ASKED])
        columns = sum(len(one) for one in model.steps[0][1].categories_)
        print(f"{name}.joblib: {columns} columns, {np.count_nonzero(trees.feature_importances_)} "
              "of them in trees")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--trees", type=float, default=1.0, metavar="FRACTION",
                        help="of the trees (default: all)")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    make_sets(arguments.folder, arguments.trees)
    make_columns(arguments.folder, arguments.trees)


if __name__ == "__main__":
    main()
