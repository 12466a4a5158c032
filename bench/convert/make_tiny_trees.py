# SPDX-License-Identifier: Apache-2.0
"""Writes models of thousands of stumps as trainers would, for count_costs.py: no trainer is needed.

    python make_tiny_trees.py FOLDER TREES

A RandomForestRegressor (pickle, protocol 4), XGBoost's JSON and old binary, LightGBM's text; one
feature of 20, threshold and leaves of each tree at random, from a seed. Standard library only.
"""

import json
import pathlib
import pickle
import random
import struct
import sys
import types

FEATURES = 20
SEED = 7


def draw(numbers):
    """(feature, threshold, left leaf, right leaf)"""
    return (numbers.randrange(FEATURES), numbers.gauss(0, 1), numbers.gauss(0, 0.1),
            numbers.gauss(0, 0.1))


# ---- scikit-learn ----

def name(module, what):
    """Says that a class or a function is a module's, so that pickle finds it there."""
    parts = module.split(".")
    for end in range(1, len(parts) + 1):
        path = ".".join(parts[:end])
        sys.modules.setdefault(path, types.ModuleType(path))
    what.__module__, what.__qualname__ = module, what.__name__
    setattr(sys.modules[module], what.__name__, what)
    return what


def fresh(*items):
    """A tuple that no other is, as C makes them."""
    return tuple(list(items))


def _reconstruct():
    raise NotImplementedError


class ndarray:
    def __init__(self, kind, shape, data):
        self.parts = kind, shape, data

    def __reduce__(self):
        kind, shape, data = self.parts
        return (_reconstruct, fresh(ndarray, fresh(0), b"b"),
                fresh(1, fresh(*shape), kind, False, bytes(bytearray(data))))


class dtype:
    def __init__(self, code, order="<", fields=None, size=-1):
        self.parts = code, order, fields, size

    def __reduce__(self):
        code, order, fields, size = self.parts
        state = (3, order, None, None, None, -1, -1, 0)
        if fields is not None:
            state = (3, order, None, tuple(fields), fields, size, 8, 16)
        return dtype, fresh(code, False, True), state


class Tree:
    def __init__(self, drawn):
        self.drawn = drawn

    def __reduce__(self):
        feature, threshold, *leaves = self.drawn
        nodes = b"".join(struct.pack("<qqqddqdB7x", *node) for node in (
            (1, 2, feature, threshold, 1.0, 400, 400.0, 0),
            (-1, -1, -2, -2.0, 0.5, 150, 150.0, 0), (-1, -1, -2, -2.0, 0.5, 250, 250.0, 0)))
        values = struct.pack("<3d", sum(leaves) / 2, *leaves)
        return (Tree, fresh(FEATURES, ndarray(INTEGER, (1,), struct.pack("<q", 1)), 1),
                {"max_depth": 1, "node_count": 3, "nodes": ndarray(NODE, (3,), nodes),
                 "values": ndarray(FLOAT, (3, 1, 1), values)})


class DecisionTreeRegressor:
    pass


class RandomForestRegressor:
    pass


INTEGER, FLOAT, BYTE = dtype("i8"), dtype("f8"), dtype("u1", "|")
NODE = dtype("V64", "|", {
    "left_child": (INTEGER, 0), "right_child": (INTEGER, 8), "feature": (INTEGER, 16),
    "threshold": (FLOAT, 24), "impurity": (FLOAT, 32), "n_node_samples": (INTEGER, 40),
    "weighted_n_node_samples": (FLOAT, 48), "missing_go_to_left": (BYTE, 56)}, 64)


def tree_estimator(numbers):
    tree = DecisionTreeRegressor()
    vars(tree).update(
        criterion="squared_error", splitter="best", max_depth=1, min_samples_split=2,
        min_samples_leaf=1, min_weight_fraction_leaf=0.0, max_features=1.0, max_leaf_nodes=None,
        random_state=numbers.randrange(1 << 31), min_impurity_decrease=0.0, class_weight=None,
        ccp_alpha=0.0, monotonic_cst=None, n_features_in_=FEATURES, n_outputs_=1,
        max_features_=FEATURES, tree_=Tree(draw(numbers)), _sklearn_version="1.9.1")
    return tree


def write_pickle(path, count, numbers):
    name("numpy._core.multiarray", _reconstruct)
    for made in (ndarray, dtype):
        name("numpy", made)
    name("sklearn.tree._tree", Tree)
    name("sklearn.tree._classes", DecisionTreeRegressor)
    name("sklearn.ensemble._forest", RandomForestRegressor)
    forest = RandomForestRegressor()
    vars(forest).update(
        n_estimators=count, bootstrap=True, criterion="squared_error", max_depth=1,
        n_features_in_=FEATURES, n_outputs_=1,
        estimators_=[tree_estimator(numbers) for _ in range(count)], _sklearn_version="1.9.1")
    path.write_bytes(pickle.dumps(forest, protocol=4))


# ---- XGBoost ----

def write_json(path, count, numbers):
    trees = []
    for i in range(count):
        feature, *values = (round(number, 8) for number in draw(numbers))
        trees.append({
            "base_weights": values, "categories": [], "categories_nodes": [],
            "categories_segments": [], "categories_sizes": [], "default_left": [0, 0, 0], "id": i,
            "left_children": [1, -1, -1], "loss_changes": [9.5, 0, 0],
            "parents": [2147483647, 0, 0], "right_children": [2, -1, -1],
            "split_conditions": values, "split_indices": [feature, 0, 0],
            "split_type": [0, 0, 0], "sum_hessian": [400, 131, 269],
            "tree_param": {"num_deleted": "0", "num_feature": str(FEATURES), "num_nodes": "3",
                           "size_leaf_vector": "1"}})
    model = {"gbtree_model_param": {"num_parallel_tree": "1", "num_trees": str(count)},
             "iteration_indptr": list(range(count + 1)), "tree_info": [0] * count, "trees": trees}
    learner = {"attributes": {}, "feature_names": [], "feature_types": [],
               "gradient_booster": {"model": model, "name": "gbtree"},
               "learner_model_param": {"base_score": "5E-1", "boost_from_average": "1",
                                       "num_class": "0", "num_feature": str(FEATURES),
                                       "num_target": "1"},
               "objective": {"name": "reg:squarederror",
                             "reg_loss_param": {"scale_pos_weight": "1"}}}
    path.write_text(json.dumps({"learner": learner, "version": [2, 1, 4]}, separators=(",", ":")))


def write_binary(path, count, numbers):
    parts = [b"binf", struct.pack("<fIiiiII", 0.5, FEATURES, 0, 0, 1, 1, 7).ljust(136, b"\0")]
    for text in (b"reg:squarederror", b"gbtree"):
        parts.append(struct.pack("<Q", len(text)) + text)
    parts.append(struct.pack("<i", count).ljust(160, b"\0"))
    for _ in range(count):
        feature, threshold, *leaves = draw(numbers)
        parts.append(struct.pack("<iiiiii", 1, 3, 0, 0, FEATURES, 0).ljust(148, b"\0"))
        parts.append(struct.pack("<iiiIf", -1, 1, 2, feature, threshold))
        for leaf in leaves:
            parts.append(struct.pack("<iiiIf", 0, -1, -1, 0, leaf))
        parts += [struct.pack("<fffi", 9.5, hessian, 0.0, 0) for hessian in (400, 131, 269)]
    parts.append(struct.pack(f"<{count}i", *[0] * count))
    path.write_bytes(b"".join(parts))


# ---- LightGBM ----

def write_text(path, count, numbers):
    names = " ".join(f"Column_{i}" for i in range(FEATURES))
    infos = " ".join(["[-4:4]"] * FEATURES)
    trees = []
    for i in range(count):
        feature, threshold, *leaves = draw(numbers)
        trees.append(
            f"Tree={i}\nnum_leaves=2\nnum_cat=0\nsplit_feature={feature}\nsplit_gain=9.5\n"
            f"threshold={threshold!r}\ndecision_type=2\nleft_child=-1\nright_child=-2\n"
            f"leaf_value={leaves[0]!r} {leaves[1]!r}\nleaf_weight=131 269\nleaf_count=131 269\n"
            "internal_value=0\ninternal_weight=0\ninternal_count=400\nis_linear=0\n"
            "shrinkage=0.05\n\n\n")
    path.write_text(
        "tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nlabel_index=0\n"
        f"max_feature_idx={FEATURES - 1}\nobjective=regression\nfeature_names={names}\n"
        f"feature_infos={infos}\ntree_sizes={' '.join(str(len(tree)) for tree in trees)}\n\n"
        f"{''.join(trees)}end of trees\n\nfeature_importances:\n\nparameters:\n"
        "[boosting: gbdt]\nend of parameters\n\npandas_categorical:null\n")


WRITERS = {"stumps.pkl": write_pickle, "stumps.json": write_json, "stumps.bin": write_binary,
           "stumps.txt": write_text}


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__.split("\n\n")[1].strip())
    folder, count = pathlib.Path(sys.argv[1]), int(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    for file, write in WRITERS.items():
        write(folder / file, count, random.Random(SEED))


if __name__ == "__main__":
    main()
