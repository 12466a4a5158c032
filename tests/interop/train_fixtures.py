# SPDX-License-Identifier: Apache-2.0
"""Trains the fixtures of one scikit-learn version: train_fixtures.py FIXTURES_DIR MANIFEST_PART.

Runs inside the environment that make_fixtures.py prepared (Python 3.7 or newer). Every seed is
fixed and every prediction runs on one thread. Must never read what another version wrote.
"""
import functools
import io
import os
import pickle
import sys

import numpy as np
import sklearn
from sklearn.datasets import load_iris
from sklearn.ensemble import (ExtraTreesClassifier, ExtraTreesRegressor, RandomForestClassifier,
                              RandomForestRegressor)
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from sklearn.tree import (DecisionTreeClassifier, DecisionTreeRegressor, ExtraTreeClassifier,
                          ExtraTreeRegressor)

import odd_files
from fixture_set import FixtureSet, trees_of, version_tuple, write_npy

VERSION = version_tuple()
CONTAINER_VERSIONS = ((1, 2), (1, 6))
WIDE_VERSIONS = ((1, 2), (1, 4))
REFUSED_VERSIONS = ((0, 24), (1, 6))
NAMES = ["sepal length (cm)", "\u03b2-carotene", "a b\tc", "\u65e5\u672c", "", "x" * 70]


class Data:
    """Rows that cover the value ranges a threshold can meet, and labels that need real trees."""

    def __init__(self, seed, row_count=360):
        rng = np.random.RandomState(seed)
        self.rng = rng
        n = row_count
        self.X = np.column_stack([
            rng.normal(size=n),
            rng.uniform(size=n) * 1e30,
            rng.randint(0, 5, size=n).astype(float),  # halves: thresholds that float32 holds
            rng.choice([-1.0, 1.0], size=n),          # threshold 0.0, met by -0.0
            rng.normal(size=n) * 1e-3,
            rng.normal(size=n),
        ])
        self.score = (self.X[:, 0] + 0.7 * self.X[:, 5] + 0.5 * self.X[:, 3]
                      + (self.X[:, 1] > 0.5e30) + 0.3 * self.X[:, 2] + 0.3 * rng.normal(size=n))
        self.weight = rng.uniform(0.05, 3.0, size=n)  # fractional: sums depend on their order

    def classes(self, count):
        order = np.argsort(np.argsort(self.score))
        return order * count // len(order)

    def held_out(self, row_count=14, seed=1):
        rng = np.random.RandomState(seed)
        X = self.X[rng.permutation(len(self.X))[:row_count]].copy()
        X[:, [0, 4, 5]] *= 1.1
        return X


def add_tutorial(out):
    X, y = load_iris(return_X_y=True)
    X_train, X_test, y_train, _ = train_test_split(X, y, test_size=0.3, random_state=42, stratify=y)
    model = RandomForestClassifier(n_estimators=200, random_state=42)
    model.fit(X_train, y_train)
    cases = out.add("random_forest_model.pkl", model, X_train, X_test,
                    "iris as every tutorial trains and saves it", with_joblib=True, nodes=3)
    refused = []
    for what, value, word in (("infinite", np.inf, "inf row"), ("overflow", 1e39, "row")):
        rows = X_test[:3].copy()
        rows[1, 2] = value
        try:
            model.predict(rows)
            raise AssertionError("the trainer takes " + what)
        except ValueError:
            pass
        write_npy(out.path("random_forest_model.%s.npy" % what), rows)
        refused.append("random_forest_model.%s.npy !%s" % (what, word))
    write_npy(out.path("random_forest_model.narrow.npy"), np.ascontiguousarray(X_test[:3, :3]))
    refused.append("random_forest_model.narrow.npy !feature")
    out.line("random_forest_model.pkl", "RandomForestClassifier", "rows that must be refused",
             "; ".join(refused))
    if VERSION == CONTAINER_VERSIONS[0]:  # large enough for several blocks of every container
        odd_files.add_containers(out, model, cases)


def add_forests(out, data):
    X, w, rest = data.X, data.weight, data.held_out()

    def add(name, model, y, purpose, weight=None, **options):
        out.add(name, model.fit(X, y, sample_weight=weight), X, rest, purpose, **options)

    add("forest_binary.joblib",
        RandomForestClassifier(5, max_depth=5, class_weight="balanced", random_state=1),
        data.classes(4) % 2, "two classes, balanced, fractional weights", w)
    add("forest_7.joblib", RandomForestClassifier(5, max_depth=4, random_state=2),
        data.classes(7), "seven classes")
    add("forest_10_weighted.joblib",
        RandomForestClassifier(5, max_depth=4, criterion="entropy", random_state=3,
                               class_weight={k: 0.3 + 0.37 * k for k in range(10)}),
        data.classes(10), "ten classes, fractional weights: pairwise sums", w)
    add("forest_subsample.pkl",
        RandomForestClassifier(4, max_depth=3, class_weight="balanced_subsample", oob_score=True,
                               bootstrap=True, random_state=np.random.RandomState(5)),
        data.classes(3), "generator object and out-of-bag arrays in the file", w)
    add("forest_regressor.joblib", RandomForestRegressor(5, max_depth=4, random_state=4),
        data.score, "regression, fractional weights", w)
    add("extra_classifier.joblib", ExtraTreesClassifier(4, max_depth=5, random_state=5),
        data.classes(3), "extra trees: thresholds of full float64 precision")
    add("extra_regressor.pkl", ExtraTreesRegressor(6, max_depth=4, random_state=6),
        data.score, "extra trees regression")
    add("forest_single_class.joblib", RandomForestClassifier(4, random_state=7),
        np.full(len(X), 3), "one class only")
    add("forest_single_node.joblib",
        RandomForestClassifier(5, min_samples_split=10 ** 6, random_state=8),
        data.classes(3), "single-node trees", w)
    add("forest_single_node_regressor.pkl",
        RandomForestRegressor(5, min_samples_split=10 ** 6, random_state=8),
        data.score, "single-node trees", w)
    add("forest_best_first.joblib",
        RandomForestClassifier(5, max_leaf_nodes=14, random_state=9),
        data.classes(4), "best-first numbering")
    add("forest_best_first_regressor.joblib",
        RandomForestRegressor(5, max_leaf_nodes=13, random_state=10),
        data.score, "best-first numbering")
    add("forest_pruned.joblib",
        RandomForestClassifier(4, ccp_alpha=0.012, random_state=11),
        data.classes(3), "pruned trees")


def add_trees(out, data):
    X, w, rest = data.X, data.weight, data.held_out()

    def add(name, model, y, purpose, weight=None, **options):
        out.add(name, model.fit(X, y, sample_weight=weight), X, rest, purpose, **options)

    add("tree_classifier.pkl", DecisionTreeClassifier(max_depth=7, random_state=1),
        data.classes(3), "one tree")
    add("tree_10_weighted.pkl",
        DecisionTreeClassifier(max_depth=5, random_state=2, class_weight="balanced"),
        data.classes(10), "one tree, ten classes, fractional weights", w)
    add("tree_regressor.pkl", DecisionTreeRegressor(max_depth=6, random_state=3),
        data.score, "one tree, regression", w)
    add("extra_tree_classifier.pkl", ExtraTreeClassifier(max_depth=7, random_state=4),
        data.classes(3), "one extra tree", w)
    add("extra_tree_regressor.joblib", ExtraTreeRegressor(max_depth=6, random_state=5),
        data.score, "one extra tree, regression")
    add("tree_random_splitter.pkl",
        DecisionTreeClassifier(max_depth=5, splitter="random", random_state=6),
        data.classes(2), "random splitter (never takes NaN before 1.6)")
    add("tree_single_class.pkl", DecisionTreeClassifier(max_depth=1), np.full(len(X), 2),
        "pure data: one node, one class")
    add("tree_single_node.pkl", DecisionTreeClassifier(min_samples_split=10 ** 6),
        data.classes(4), "one node, four classes", w)
    add("tree_single_node_regressor.pkl", DecisionTreeRegressor(max_depth=1, random_state=0),
        np.full(len(X), 0.1), "pure data: one node")
    add("tree_best_first.pkl", DecisionTreeClassifier(max_leaf_nodes=23, random_state=7),
        data.classes(4), "best-first numbering")
    add("tree_pruned.pkl", DecisionTreeClassifier(ccp_alpha=0.004, random_state=8),
        data.classes(3), "pruned")
    add("tree_pruned_best_first.pkl",
        DecisionTreeRegressor(ccp_alpha=0.01, max_leaf_nodes=30, random_state=9),
        data.score, "pruned, best-first numbering")
    n = 60
    steps = np.arange(n, dtype=float)
    chain = DecisionTreeRegressor(random_state=0).fit(steps[:, None], 3.0 ** steps)
    assert chain.get_depth() >= 20
    out.add("tree_deep.pkl", chain, steps[:, None], steps[::9, None] + 0.25, "a deep chain",
            nodes=20)


def add_criteria(out, data):
    new = VERSION >= (1, 0)
    wanted = [("entropy", DecisionTreeClassifier, data.classes(3))]
    if VERSION >= (1, 1):
        wanted.append(("log_loss", DecisionTreeClassifier, data.classes(3)))
    wanted.append(("absolute_error" if new else "mae", DecisionTreeRegressor, data.score))
    if VERSION < (1, 9):
        wanted.append(("friedman_mse", DecisionTreeRegressor, data.score))
    if VERSION >= (0, 24):
        wanted.append(("poisson", DecisionTreeRegressor, np.exp(data.score)))
    for criterion, kind, y in wanted:
        model = kind(criterion=criterion, max_depth=4, random_state=0).fit(data.X, y)
        out.add("tree_%s.pkl" % criterion, model, data.X, data.held_out(4),
                "criterion " + criterion, nodes=3)
    model = RandomForestRegressor(4, criterion="absolute_error" if new else "mae", max_depth=4,
                                  random_state=0).fit(data.X, data.score)
    out.add("forest_absolute_error.joblib", model, data.X, data.held_out(4),
            "criterion that never takes NaN", nodes=3)


def add_multi(out, data):
    X, w, rest = data.X, data.weight, data.held_out()
    y = np.column_stack([data.classes(2), data.classes(9) * 3 - 7, np.full(len(X), 5)])
    targets = np.column_stack([data.score, X[:, 0] * X[:, 3], X[:, 2] / 3.0])
    strings = np.column_stack([np.array(["no", "yes"])[data.classes(2)],
                               np.array(["\u00e4", "bb", "ccc"])[data.classes(6) % 3]])

    def add(name, model, y, purpose, weight=None):
        out.add(name, model.fit(X, y, sample_weight=weight), X, rest, purpose)

    add("multi_classifier.joblib", RandomForestClassifier(3, max_depth=3, random_state=1), y,
        "outputs of 2, 9 and 1 classes, fractional weights", w)
    add("multi_strings.joblib", RandomForestClassifier(4, max_depth=4, random_state=2), strings,
        "two outputs with string labels")
    add("multi_extra_classifier.pkl", ExtraTreesClassifier(3, max_depth=3, random_state=3),
        y[:, :2], "two outputs, extra trees", w)
    add("multi_tree_classifier.pkl", DecisionTreeClassifier(max_depth=4, random_state=4), y,
        "one tree, three outputs", w)
    add("multi_tree_strings.pkl", DecisionTreeClassifier(max_depth=4, random_state=4), strings,
        "one tree, two outputs with string labels")
    add("multi_regressor.joblib", RandomForestRegressor(4, max_depth=4, random_state=5), targets,
        "three values", w)
    add("multi_tree_regressor.pkl", DecisionTreeRegressor(max_depth=5, random_state=6), targets,
        "one tree, three values")


def add_labels(out, data):
    X, rest = data.X, data.held_out(4)
    three = data.classes(3)
    names = np.array(["alpha", "\u00d6l", "\u65e5\u672c\u8a9e \u2603"])
    labels = {
        "string": names[three],
        "object": names.astype(object)[three],
        "bool": three > 1,
        "float": np.array([-1.0, 0.0, 1e15])[three],
        "negative": np.array([-5, -1, 4])[three],
        "large": np.array([-2 ** 62, 2 ** 53 + 1, 2 ** 63 - 1])[three],
    }
    small = ["int8", "uint8"]
    if VERSION in WIDE_VERSIONS:
        small += ["int16", "uint16", "int32", "uint32", "uint64"]
        labels["string_wide"] = names.astype("<U24")[three]
        labels["float32"] = np.array([-3.0, 0.0, 16777216.0], dtype=np.float32)[three]
    for name in small:
        kind = np.iinfo(name)
        labels[name] = np.array([kind.min, 7, min(kind.max, 2 ** 63 - 1)], dtype=name)[three]
    for index, (name, y) in enumerate(sorted(labels.items())):
        forest = RandomForestClassifier(2, max_depth=3, random_state=index).fit(X, y)
        tree = DecisionTreeClassifier(max_depth=3, random_state=index).fit(X, y)
        options = {"nodes": 2, "missing": False, "outputs": ("probability", "class")}
        out.add("labels_%s.joblib" % name, forest, X, rest, name + " labels, forest", **options)
        if name in ("string", "object", "bool", "float", "negative", "uint8"):
            out.add("labels_%s_tree.pkl" % name, tree, X, rest, name + " labels, tree", **options)
    if VERSION == WIDE_VERSIONS[0]:
        many = DecisionTreeClassifier(max_depth=5, random_state=0).fit(
            X, data.classes(150), sample_weight=data.weight)
        out.add("tree_150_classes.pkl", many, X, rest, "150 classes: the pairwise sum splits",
                nodes=3, missing=False)


def add_names(out, data):
    if VERSION < (1, 0):
        return
    import pandas
    frame = pandas.DataFrame(data.X, columns=NAMES)
    options = {"names": NAMES, "nodes": 3}
    for name, model, y in (
            ("named_forest.joblib", RandomForestClassifier(4, max_depth=4), data.classes(3)),
            ("named_tree.pkl", DecisionTreeRegressor(max_depth=4), data.score)):
        model.set_params(random_state=1).fit(frame, y)
        assert list(model.feature_names_in_) == NAMES
        out.add(name, model, data.X, data.held_out(4), "fitted on a DataFrame", **options)


def directions(model):
    """Missing directions of all nodes, as a set."""
    found = set()
    for tree in trees_of(model):
        nodes = tree.__getstate__()["nodes"]
        found |= set(nodes["missing_go_to_left"][nodes["left_child"] >= 0].tolist())
    return found


def add_missing(out, data):
    if VERSION < (1, 3):
        return
    X, y, rng = data.X.copy(), data.classes(4), np.random.RandomState(11)
    X[rng.uniform(size=len(X)) < 0.25, 0] = np.nan                      # at random
    X[(y == 3) & (rng.uniform(size=len(X)) < 0.6), 5] = np.nan          # like the large ones
    X[(y == 0) & (rng.uniform(size=len(X)) < 0.6), 4] = np.nan          # like the small ones
    # Features 1 to 3 have no missing value in training.
    rest = X[rng.permutation(len(X))[:20]].copy()
    models = [("missing_tree.pkl", DecisionTreeClassifier(max_depth=6), y),
              ("missing_tree_regressor.pkl", DecisionTreeRegressor(max_depth=6), data.score),
              ("missing_tree_best_first.pkl", DecisionTreeClassifier(max_leaf_nodes=20), y)]
    parted = (np.isnan(X[:, 0]).astype(int) + 2 * (data.score > 1.5))  # missing alone decides
    models.append(("missing_infinite.pkl", DecisionTreeClassifier(max_depth=3), parted))
    if VERSION >= (1, 4):
        models += [("missing_forest.joblib", RandomForestClassifier(4, max_depth=5), y),
                   ("missing_regressor.joblib", RandomForestRegressor(4, max_depth=4), data.score)]
    if VERSION >= (1, 6):
        models += [("missing_extra.joblib", ExtraTreesClassifier(4, max_depth=5), y),
                   ("missing_extra_tree.pkl", ExtraTreeRegressor(max_depth=6), data.score)]
    for name, model, target in models:
        model.set_params(random_state=3).fit(X, target)
        assert directions(model) == {0, 1} or name == "missing_infinite.pkl", name
        assert np.isinf(trees_of(model)[0].threshold).any() or name != "missing_infinite.pkl"
        out.add(name, model, X, rest, "missing values in training, both directions", seed=5)


def add_wide(out):
    if VERSION != WIDE_VERSIONS[0]:
        return
    rng = np.random.RandomState(12)
    X = rng.normal(size=(120, 300))
    y = (X[:, 299] + X[:, 3] > 0).astype(int) + (X[:, 257] > 0.5)
    model = RandomForestClassifier(5, max_depth=4, max_features=None, random_state=0).fit(X, y)
    assert max(tree.feature.max() for tree in trees_of(model)) > 255
    out.add("forest_300_features.joblib", model, X, X[:2], "feature numbers above 255", nodes=1,
            missing=False)


def small_model(data):
    names = np.array(["ash", "b\u00fcche", "oak"])
    model = RandomForestClassifier(2, max_depth=3, random_state=1)
    return model.fit(data.X, names[data.classes(3)])


def add_protocols(out, data):
    model = small_model(data)
    cases = out.add("small.joblib", model, data.X, data.held_out(6), "the small model, joblib",
                    nodes=3)
    kind = type(model).__name__
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        name = "small_p%d.pkl" % protocol
        out.dump(name, model, protocol=protocol)
        out.line(name, kind, "pickle protocol %d" % protocol, cases)
    out.dump("small_default.pkl", model)
    out.line("small_default.pkl", kind, "pickle.dump without a protocol", cases)
    if VERSION in CONTAINER_VERSIONS:
        for protocol in (0, 2, 5):
            name = "small_p%d.joblib" % protocol
            out.dump(name, model, protocol=protocol)
            out.line(name, kind, "joblib, protocol %d" % protocol, cases)
    if VERSION == CONTAINER_VERSIONS[-1]:
        odd_files.add_containers(out, model, cases)
    out.dump("small_zlib.joblib", model, compress=3)
    out.line("small_zlib.joblib", kind, "joblib, compress=3", cases)
    odd_files.add_foreign(out, model, cases)
    add_wrapped(out, data, model, cases)


def add_wrapped(out, data, model, cases):
    kind = type(model).__name__
    scaler = StandardScaler().fit(data.X)
    columns = ["f%d" % index for index in range(data.X.shape[1])]
    opaque = {"columns": columns, "model": model, "score": functools.partial(np.mean, axis=0),
              "clean": " \t".strip, "meta": {"auc": 0.875, "none": None, "ids": {1, 2, 3},
                                              "shape": (3, 4), "raw": b"\x00\xff", "z": 1 + 2j}}
    second = RandomForestClassifier(2, max_depth=2, random_state=9).fit(data.X, data.classes(2))
    pair = {"first": model, "more": [{"second": second}]}
    wrapped = {
        "wrapped_dict": {"model": model, "columns": columns, "meta": {"trained": "2024-05-17"}},
        "wrapped_list": [scaler, model],
        "wrapped_tuple": (model, {"threshold": 0.25}),
        "wrapped_nested": {"v": 3, "parts": [None, {"inner": ("x", [model])}]},
        "wrapped_opaque": opaque,
    }
    for name, value in sorted(wrapped.items()):
        for ending in ("pkl", "joblib") if VERSION in CONTAINER_VERSIONS else ("pkl",):
            file_name = "%s.%s" % (name, ending)
            out.dump(file_name, value)
            out.line(file_name, kind, "one model inside a container", cases)
    out.dump("two_forests.pkl", pair)
    out.line("two_forests.pkl", kind, "two models, the first", cases, select='["first"]')
    options = out.cases("two_forests_second", second, data.X, data.held_out(4), 0, nodes=2)
    out.line("two_forests.pkl", kind, "two models, the second", options,
             select='["more"][0]["second"]')
    out.line("two_forests.pkl", kind, "two models, none selected", refused="select")
    with open(out.path("small_trailing.pkl"), "wb") as file:
        pickle.dump(model, file)
        file.write(b"\x00 bytes after the end")
    out.line("small_trailing.pkl", kind, "bytes after the pickle's end", cases)
    buffer = io.BytesIO()
    pickle.dump(model, buffer)
    pickle.dump(second, buffer)
    with open(out.path("small_two_dumps.pkl"), "wb") as file:
        file.write(buffer.getvalue())
    out.line("small_two_dumps.pkl", kind, "a second dump in the same file", cases)


def main():
    root, manifest = sys.argv[1:3]
    out = FixtureSet(root, "sklearn-" + sklearn.__version__)
    data = Data(20)
    add_tutorial(out)
    add_forests(out, data)
    add_trees(out, data)
    add_criteria(out, data)
    add_multi(out, data)
    add_labels(out, data)
    add_names(out, data)
    add_missing(out, data)
    add_wide(out)
    add_protocols(out, data)
    if VERSION in REFUSED_VERSIONS:
        odd_files.add_refused_estimators(out, data)
    if VERSION == REFUSED_VERSIONS[-1]:
        hand = FixtureSet(root, "refused")
        odd_files.add_refused_files(hand, small_model(data))
        out.lines += hand.lines
    out.write_manifest(manifest)


if __name__ == "__main__":
    os.environ["OMP_NUM_THREADS"] = "1"
    main()
