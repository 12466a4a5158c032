# SPDX-License-Identifier: Apache-2.0
"""Makes one large source file of every kind that `espalier convert` reads, for measure_convert.py.

    python make_sources.py FOLDER [--megabytes 100] [KIND ...]

Runs inside an environment with the trainers; kinds: forest, gradient, histogram, isolation,
adaboost, pipeline, xgboost, lightgbm, linear (all of them by default), and old, XGBoost's old
binary, where the version still writes it. Training 100 MB takes an hour, so a few trees of 3,000 to
20,000 leaves (lines: 300, AdaBoost: 500) are trained on seeded rows of 20 features and repeated,
thresholds and leaves moved at random so that nearly all of them differ.
"""

import argparse
import json
import os
import pathlib
import pickle
import re

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before the trainers come

import numpy as np

FEATURES = 20
SEED = 7


class Maker:
    def __init__(self, folder, megabytes):
        self.folder = folder
        self.bytes = megabytes * 1e6
        self.random = np.random.default_rng(SEED)

    def rows(self, count):
        x = self.random.normal(size=(count, FEATURES)).astype(np.float32)
        return x, x[:, 0] + x[:, 1] * x[:, 2] + self.random.normal(size=count)

    def moved(self, numbers):
        return numbers * (1 + 1e-3 * self.random.normal(size=numbers.shape))

    def told(self, path):
        print(f"{path} {path.stat().st_size / 1e6:.1f} MB", flush=True)

    def pickled(self, model, name):
        path = self.folder / name
        path.write_bytes(pickle.dumps(model, protocol=4))
        self.told(path)

    def count(self, sizes):
        """How many trees of these sizes in turn make the bytes; one that is larger alone does."""
        return max(1, int(self.bytes / sum(sizes) * len(sizes)))

    # ---- scikit-learn ----

    def moved_tree(self, estimator):
        copy = pickle.loads(pickle.dumps(estimator))
        state = copy.tree_.__getstate__()
        nodes = state["nodes"]
        inner = nodes["left_child"] >= 0
        nodes["threshold"] = np.where(inner, self.moved(nodes["threshold"]), -2)
        if not hasattr(copy, "classes_"):
            state["values"] = self.moved(state["values"])
        copy.tree_.__setstate__(state)
        return copy

    def grown(self, trees):
        count = self.count([len(pickle.dumps(tree)) for tree in trees])
        return [self.moved_tree(trees[i % len(trees)]) for i in range(count)]

    def forest(self):
        import joblib
        from sklearn.ensemble import RandomForestClassifier
        x, y = self.rows(12000)
        model = RandomForestClassifier(10, random_state=1).fit(x, y > 0)
        model.estimators_ = self.grown(model.estimators_)
        model.n_estimators = len(model.estimators_)
        self.pickled(model, "forest.pkl")
        joblib.dump(model, self.folder / "forest.joblib")
        self.told(self.folder / "forest.joblib")

    def gradient(self):
        from sklearn.ensemble import GradientBoostingRegressor
        x, y = self.rows(3000)
        model = GradientBoostingRegressor(n_estimators=12, max_depth=None, max_features=0.1,
                                          random_state=1).fit(x, y)
        trees = self.grown(list(model.estimators_.ravel()))
        model.estimators_ = np.empty((len(trees), 1), dtype=object)
        model.estimators_[:, 0] = trees
        model.n_estimators = model.n_estimators_ = len(trees)
        self.pickled(model, "gradient.pkl")

    def histogram(self):
        from sklearn.ensemble import HistGradientBoostingRegressor
        x, y = self.rows(20000)
        model = HistGradientBoostingRegressor(max_iter=6, max_leaf_nodes=None, min_samples_leaf=1,
                                              random_state=1, early_stopping=False).fit(x, y)
        trees = [predictors[0] for predictors in model._predictors]
        grown = []
        for i in range(self.count([tree.nodes.nbytes for tree in trees])):
            copy = pickle.loads(pickle.dumps(trees[i % len(trees)]))
            for field in ("num_threshold", "value"):
                copy.nodes[field] = self.moved(copy.nodes[field])
            grown.append([copy])
        model._predictors = grown
        model.max_iter = len(grown)
        self.pickled(model, "histogram.pkl")

    def isolation(self):
        from sklearn.ensemble import IsolationForest
        x, _ = self.rows(12000)
        model = IsolationForest(n_estimators=6, max_samples=8000, random_state=1).fit(x)
        seeds = len(model.estimators_)
        model.estimators_ = self.grown(model.estimators_)
        model.n_estimators = len(model.estimators_)
        for name in ("estimators_features_", "_average_path_length_per_tree",
                     "_decision_path_lengths"):
            own = getattr(model, name)
            setattr(model, name, [own[i % seeds] for i in range(model.n_estimators)])
        self.pickled(model, "isolation.pkl")

    def adaboost(self):
        from sklearn.ensemble import AdaBoostClassifier
        from sklearn.tree import DecisionTreeClassifier
        x, y = self.rows(12000)
        tree = DecisionTreeClassifier(max_depth=11, max_features=0.2)
        model = AdaBoostClassifier(tree, n_estimators=12, random_state=1).fit(x, y > 0)
        seeds = len(model.estimators_)
        model.estimators_ = self.grown(model.estimators_)
        count = model.n_estimators = len(model.estimators_)
        model.estimator_weights_ = self.moved(np.resize(model.estimator_weights_[:seeds], count))
        model.estimator_errors_ = np.resize(model.estimator_errors_[:seeds], count)
        self.pickled(model, "adaboost.pkl")

    def pipeline(self):
        from sklearn.compose import ColumnTransformer
        from sklearn.ensemble import RandomForestRegressor
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import KBinsDiscretizer, OneHotEncoder, StandardScaler
        x, y = self.rows(12000)
        x[:, :4] = np.round(x[:, :4] * 8)
        columns = ColumnTransformer([
            ("codes", OneHotEncoder(handle_unknown="ignore"), [0, 1, 2, 3]),
            ("bins", KBinsDiscretizer(16, encode="onehot", subsample=None), [4, 5, 6]),
            ("numbers", StandardScaler(), list(range(7, FEATURES)))])
        model = make_pipeline(columns, RandomForestRegressor(10, max_features=0.3, n_jobs=1,
                                                             random_state=1)).fit(x, y)
        forest = model[-1]
        forest.estimators_ = self.grown(forest.estimators_)
        forest.n_estimators = len(forest.estimators_)
        self.pickled(model, "pipeline.pkl")

    # ---- XGBoost ----

    def booster(self, depth, rounds):
        import xgboost
        x, y = self.rows(12000)
        options = {"max_depth": depth, "eta": 0.05, "tree_method": "hist", "nthread": 1,
                   "min_child_weight": 0, "max_bin": 64, "subsample": 0.7}
        seed = xgboost.train(options, xgboost.DMatrix(x, y), rounds)
        text = self.grown_json(json.loads(bytes(seed.save_raw("json"))))
        booster = xgboost.Booster()
        booster.load_model(bytearray(text.encode()))
        return booster

    def xgboost(self):
        for name, depth, rounds in (("xgboost_depth12", 12, 12), ("xgboost_depth6", 6, 60)):
            booster = self.booster(depth, rounds)
            for ending in ("json", "ubj"):
                booster.save_model(self.folder / f"{name}.{ending}")
                self.told(self.folder / f"{name}.{ending}")
            self.pickled(booster, f"{name}.pkl")

    def old(self):
        path = self.folder / "xgboost_depth12.bin"
        path.write_bytes(bytes(self.booster(12, 12).save_raw("deprecated")))
        self.told(path)

    def grown_json(self, model):
        """The text of a model as XGBoost's JSON; numbers as text once, not as Python's objects."""
        booster = model["learner"]["gradient_booster"]["model"]
        seeds = []
        for tree in booster["trees"]:
            values = np.array(tree["split_conditions"])
            tree.update(split_conditions="@values@", id="@id@")
            seeds.append((json.dumps(tree, separators=(",", ":")), values))
        # As UBJSON a node is 35 bytes.
        count = self.count([35 * len(values) for _, values in seeds])
        texts = []
        for i in range(count):
            text, values = seeds[i % len(seeds)]
            numbers = ",".join(f"{value:.8E}" for value in self.moved(values).astype(np.float32))
            texts.append(text.replace('"@values@"', f"[{numbers}]").replace('"@id@"', str(i)))
        booster["trees"] = "@trees@"
        booster["tree_info"] = [0] * count
        booster["iteration_indptr"] = list(range(count + 1))
        booster["gbtree_model_param"]["num_trees"] = str(count)
        return json.dumps(model).replace('"@trees@"', "[" + ",".join(texts) + "]")

    # ---- LightGBM ----

    def lightgbm(self):
        self.lines("lightgbm", num_leaves=3000, min_data_in_leaf=1)

    def linear(self):
        self.lines("linear", num_leaves=300, min_data_in_leaf=20, linear_tree=True)

    def lines(self, name, **options):
        import lightgbm
        x, y = self.rows(12000)
        options.update(num_threads=1, verbose=-1, feature_fraction=0.5)
        seed = lightgbm.train(options, lightgbm.Dataset(x.astype(float), y), 8)
        self.repeated(seed, name)

    def repeated(self, seed, name, multiple=1):
        """A model's text and pickle with its trees repeated, a multiple of so many."""
        import lightgbm
        head, rest = seed.model_to_string().split("\nTree=0\n", 1)
        body, tail = rest.split("end of trees", 1)
        trees = ("Tree=0\n" + body).split("Tree=")[1:]

        def move(match):
            numbers = self.moved(np.array(match.group(2).split(), dtype=float))
            return match.group(1) + " ".join(map(repr, numbers.tolist()))

        texts = []
        for i in range(self.count([len(tree) for tree in trees]) // multiple * multiple):
            text = re.sub(r"^\d+", str(i), trees[i % len(trees)])
            text = re.sub(r"(?m)^((?:threshold|leaf_value)=)(.*\S)\s*$", move, text)
            texts.append("Tree=" + text.rstrip("\n") + "\n\n\n")
        head = re.sub(r"tree_sizes=.*\n?", "", head).rstrip("\n")
        sizes = " ".join(str(len(text)) for text in texts)
        path = self.folder / f"{name}.txt"
        path.write_text(f"{head}\ntree_sizes={sizes}\n\n{''.join(texts)}end of trees{tail}")
        self.told(path)
        self.pickled(lightgbm.Booster(model_file=str(path)), f"{name}.pkl")


KINDS = ("forest", "gradient", "histogram", "isolation", "adaboost", "pipeline", "xgboost",
         "lightgbm", "linear")


def run(maker, description, megabytes, kinds):
    """The command of a program of sources; `old` is a kind that is made only when asked for."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--megabytes", type=float, default=megabytes, metavar="N")
    parser.add_argument("kinds", nargs="*", default=kinds, metavar="KIND")
    arguments = parser.parse_intermixed_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    for kind in arguments.kinds:
        if kind not in kinds + ("old",):
            parser.error(f"no kind {kind}: {', '.join(kinds)}")
        getattr(maker(arguments.folder, arguments.megabytes), kind)()


if __name__ == "__main__":
    run(Maker, "Make large source files.", 100.0, KINDS)
