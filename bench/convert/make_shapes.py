# SPDX-License-Identifier: Apache-2.0
"""Makes sources whose cost is not in their nodes, for measure_convert.py: thousands of tiny trees
of every trainer, hundreds of classes, wide rows, members with features of their own, large sets.

    python make_shapes.py FOLDER [--megabytes 12] [KIND ...]

Runs inside an environment with the trainers; all kinds by default but `old`, XGBoost's old binary,
where the version still writes it. As in make_sources.py a few trees are trained and repeated,
thresholds and leaves moved at random; what is not repeated has a size of its own.
"""

import copy

from make_sources import FEATURES, Maker, run

import numpy as np


class ShapeMaker(Maker):
    # ---- scikit-learn ----

    def moved_tree(self, estimator):
        """What the trees of a real ensemble share a copy shares too."""
        moved = super().moved_tree(estimator)
        for name, value in vars(estimator).items():
            if not isinstance(value, np.ndarray) and name != "tree_":
                vars(moved)[name] = value
        return moved

    def forest_stumps(self):
        from sklearn.ensemble import RandomForestRegressor
        x, y = self.rows(400)
        model = RandomForestRegressor(100, max_depth=1, random_state=1).fit(x, y)
        self.repeat(model, "forest_stumps.pkl")

    def repeat(self, model, name):
        model.estimators_ = self.grown(list(model.estimators_))
        model.n_estimators = len(model.estimators_)
        self.pickled(model, name)

    def gradient(self):
        from sklearn.ensemble import GradientBoostingClassifier, GradientBoostingRegressor
        x, y = self.rows(100)
        classes = np.arange(100) % 10
        for name, model, target in (
                ("depth2", GradientBoostingRegressor(n_estimators=300, max_depth=2), y),
                ("stumps", GradientBoostingRegressor(n_estimators=300, max_depth=1), y),
                ("10_classes", GradientBoostingClassifier(n_estimators=30, max_depth=1), classes)):
            model.set_params(random_state=1).fit(x, target)
            width = model.estimators_.shape[1]
            trees = self.grown(list(model.estimators_.ravel()))
            count = len(trees) // width
            model.estimators_ = np.empty((count, width), dtype=object)
            model.estimators_.ravel()[:] = trees[:count * width]
            model.n_estimators = model.n_estimators_ = count
            self.pickled(model, f"gradient_{name}.pkl")

    def histogram(self):
        from sklearn.ensemble import HistGradientBoostingClassifier
        for classes in (3, 100):
            x, _ = self.rows(600)
            target = np.arange(600) % classes
            model = HistGradientBoostingClassifier(max_iter=300 // classes, max_leaf_nodes=3,
                                                   min_samples_leaf=1, random_state=1,
                                                   early_stopping=False).fit(x, target)
            seeds = model._predictors
            one = sum(tree.nodes.nbytes + 600 for tree in seeds[0])
            rounds = max(1, int(self.bytes / one))
            model._predictors = [[self.moved_nodes(tree) for tree in seeds[i % len(seeds)]]
                                 for i in range(rounds)]
            model.max_iter = rounds
            self.pickled(model, f"histogram_{classes}_classes.pkl")

    def moved_nodes(self, tree):
        tree = copy.deepcopy(tree)
        for field in ("num_threshold", "value"):
            tree.nodes[field] = self.moved(tree.nodes[field])
        return tree

    def isolation(self):
        from sklearn.ensemble import IsolationForest
        x, _ = self.rows(400)
        model = IsolationForest(n_estimators=100, max_samples=4, random_state=1).fit(x)
        seeds = len(model.estimators_)
        model.estimators_ = self.grown(model.estimators_)
        model.n_estimators = len(model.estimators_)
        for name in ("estimators_features_", "_average_path_length_per_tree",
                     "_decision_path_lengths"):
            own = getattr(model, name)
            setattr(model, name, [own[i % seeds] for i in range(model.n_estimators)])
        self.pickled(model, "isolation_4_rows.pkl")

    def adaboost(self):
        from sklearn.ensemble import AdaBoostClassifier, AdaBoostRegressor
        from sklearn.tree import DecisionTreeRegressor
        x, y = self.rows(400)
        for name, model, target in (
                ("stumps", AdaBoostClassifier(n_estimators=100, random_state=1), y > 0),
                ("r2", AdaBoostRegressor(DecisionTreeRegressor(max_depth=2), n_estimators=100,
                                         random_state=1), y)):
            model.fit(x, target)
            seeds = len(model.estimators_)
            model.estimators_ = self.grown(model.estimators_)
            count = model.n_estimators = len(model.estimators_)
            weights = np.resize(model.estimator_weights_[:seeds], count)
            model.estimator_weights_ = self.moved(weights)
            model.estimator_errors_ = np.resize(model.estimator_errors_[:seeds], count)
            self.pickled(model, f"adaboost_{name}.pkl")

    def members(self):
        from sklearn.ensemble import BaggingClassifier, BaggingRegressor, GradientBoostingRegressor
        from sklearn.multiclass import OneVsRestClassifier
        from sklearn.multioutput import MultiOutputRegressor
        from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
        x, y = self.rows(1000)
        model = BaggingClassifier(DecisionTreeClassifier(max_depth=2), 2000, max_features=0.5,
                                  random_state=1).fit(x, y > 0)
        self.pickled(model, "bagging_features.pkl")
        model = BaggingRegressor(GradientBoostingRegressor(n_estimators=50, max_depth=2), 60,
                                 random_state=1).fit(x, y)
        self.pickled(model, "bagging_of_gradient.pkl")
        model = OneVsRestClassifier(DecisionTreeClassifier(max_depth=6))
        self.pickled(model.fit(x, np.arange(1000) % 500), "one_vs_rest_500.pkl")
        targets = self.random.normal(size=(1000, 500))
        model = MultiOutputRegressor(DecisionTreeRegressor(max_depth=4)).fit(x, targets)
        self.pickled(model, "multi_output_500.pkl")

    def wide(self):
        from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder
        x, y = self.rows(20000)
        model = RandomForestClassifier(4, max_depth=7, random_state=1)
        self.pickled(model.fit(x, np.arange(len(x)) % 500), "forest_500_classes.pkl")
        codes = self.random.integers(0, 500, (20000, 20)).astype(float)
        model = make_pipeline(OneHotEncoder(handle_unknown="ignore"),
                              RandomForestRegressor(100, max_depth=8, max_features=0.05,
                                                    random_state=1))
        self.pickled(model.fit(codes, y), "one_hot_10000.pkl")
        names = np.array([f"category number {i}" for i in range(100000)], dtype=object)
        texts = names[self.random.integers(0, len(names), (20000, 4))]
        for name, encoder in (("ordinal_text", OrdinalEncoder(
                handle_unknown="use_encoded_value", unknown_value=-1)),
                              ("one_hot_text", OneHotEncoder(handle_unknown="ignore"))):
            some = texts if name == "ordinal_text" else texts[:5000]
            model = make_pipeline(encoder, RandomForestRegressor(5, max_depth=6, random_state=1))
            self.pickled(model.fit(some, y[:len(some)]), f"{name}.pkl")

    # ---- XGBoost ----

    def booster(self, depth, rounds):
        import xgboost
        x, y = self.rows(400)
        options = {"max_depth": depth, "eta": 0.05, "nthread": 1, "min_child_weight": 0}
        seed = xgboost.train(options, xgboost.DMatrix(x, y), rounds)
        return self.loaded(seed, self.bytes / 1000)

    def loaded(self, seed, count):
        """The trees in turn until there are so many: files are of parts with sizes of their own."""
        import json
        import xgboost
        model = json.loads(bytes(seed.save_raw("json")))
        inner = model["learner"]["gradient_booster"]["model"]
        seeds = inner["trees"]
        inner["trees"] = []
        info = inner["tree_info"]
        inner["tree_info"] = [info[i % len(seeds)] for i in range(int(count))]
        for i in range(int(count)):
            values = np.array(seeds[i % len(seeds)]["split_conditions"])
            values = self.moved(values).astype(np.float32).tolist()
            inner["trees"].append(dict(seeds[i % len(seeds)], id=i, split_conditions=values))
        inner["gbtree_model_param"]["num_trees"] = str(int(count))
        parallel = max(info) + 1
        inner["iteration_indptr"] = list(range(0, int(count) + 1, parallel))
        booster = xgboost.Booster()
        booster.load_model(bytearray(json.dumps(model).encode()))
        return booster

    def told_all(self, booster, name):
        for ending in ("json", "ubj"):
            booster.save_model(self.folder / f"{name}.{ending}")
            self.told(self.folder / f"{name}.{ending}")
        self.pickled(booster, f"{name}.pkl")

    def xgboost(self):
        import xgboost
        self.told_all(self.booster(1, 100), "xgboost_stumps")
        x, _ = self.rows(1000)
        options = {"max_depth": 1, "nthread": 1, "objective": "multi:softprob", "num_class": 200}
        seed = xgboost.train(options, xgboost.DMatrix(x, np.arange(1000) % 200), 2)
        self.told_all(self.loaded(seed, self.bytes / 1000 // 200 * 200), "xgboost_200_classes")
        codes = self.random.integers(0, 2000, (6000, 2)).astype(float)
        data = xgboost.DMatrix(codes, self.random.normal(size=6000), feature_types=["c", "c"],
                               enable_categorical=True)
        options = {"max_depth": 6, "nthread": 1, "max_cat_threshold": 1000, "min_child_weight": 0}
        self.told_all(xgboost.train(options, data, 300), "xgboost_sets")

    def old(self):
        path = self.folder / "xgboost_stumps.bin"
        path.write_bytes(bytes(self.booster(1, 100).save_raw("deprecated")))
        self.told(path)

    # ---- LightGBM ----

    def lightgbm(self):
        self.lines("lightgbm_stumps", 100, num_leaves=2)
        self.lines("lightgbm_200_classes", 2, num_leaves=2, objective="multiclass", num_class=200)
        self.lines("lightgbm_lines", 100, num_leaves=3, linear_tree=True)
        codes = self.random.integers(0, 2000, (6000, 2)).astype(float)
        self.sets(codes, self.random.normal(size=6000))

    def sets(self, codes, target):
        import lightgbm
        options = dict(num_threads=1, verbose=-1, num_leaves=31, min_data_per_group=1,
                       cat_smooth=1, max_cat_threshold=1000, min_data_in_leaf=2)
        data = lightgbm.Dataset(codes, target, categorical_feature=[0, 1])
        model = lightgbm.train(options, data, max(1, int(self.bytes / 8800)))
        path = self.folder / "lightgbm_sets.txt"
        model.save_model(path)
        self.told(path)
        self.pickled(model, "lightgbm_sets.pkl")

    def lines(self, name, rounds, **options):
        import lightgbm
        x, y = self.rows(1000)
        target = np.arange(1000) % 200 if "num_class" in options else y
        options = dict(num_threads=1, verbose=-1, learning_rate=0.05, min_data_in_leaf=5, **options)
        seed = lightgbm.train(options, lightgbm.Dataset(x.astype(float), target), rounds)
        self.repeated(seed, name, 200)


KINDS = ("forest_stumps", "gradient", "histogram", "isolation", "adaboost", "members", "wide",
         "xgboost", "lightgbm")


if __name__ == "__main__":
    run(ShapeMaker, "Make sources of odd shapes.", 12.0, KINDS)
