# SPDX-License-Identifier: Apache-2.0
"""Random XGBoost models through the espalier command, compared with the library bit for bit.

    python prove_xgboost.py --espalier PATH [--models N] [--documents N] [--seed N] [--verbose]

Runs inside an environment with XGBoost, any version from 1.4 on; not part of the test suite, which
has fixtures. --models trains models over objectives, boosters and shapes of data; --documents makes
JSON by hand, with thresholds, leaves, numberings and pruned nodes that training does not give, and
loads it in XGBoost. Each is converted in every layout and asked for margins and leaves, float64 and
float32 rows, one row and all. One line per difference; exit 1 if there is any.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile

import numpy as np
import xgboost as xgb

from train_xgboost import (FLOAT32_MAX, SPECIAL, UBJSON, VERSION, neighbours, trees_of, write_npy)

OBJECTIVES = ["reg:squarederror", "binary:logistic", "multi:softprob", "count:poisson",
              "reg:gamma", "reg:tweedie", "reg:logistic", "binary:logitraw", "binary:hinge",
              "rank:pairwise", "survival:cox", "survival:aft", "reg:pseudohubererror",
              "reg:squaredlogerror", "multi:softmax"]
OBJECTIVES += ["reg:absoluteerror"] if VERSION >= (1, 7) else []
OBJECTIVES += ["reg:quantileerror"] if VERSION >= (2, 0) else []
LAYOUTS = ("automatic", "walk", "mask")
THRESHOLDS = [0.0, -0.0, 1e-45, -1e-45, 1.17549435e-38, 1.0, -1.0, 0.1, FLOAT32_MAX, -FLOAT32_MAX,
              1e30, np.inf, -np.inf, np.nan]
LEAVES = [0.0, -0.0, 1e-45, 1e30, -1e30, 1 / 3, 0.1, -0.7, 3.0]


class Prover:
    def __init__(self, espalier, folder):
        self.espalier = os.path.abspath(espalier)
        self.folder = folder
        self.compared = 0
        self.differing = 0
        self.refused = 0  # layouts that cannot hold a model

    def path(self, name):
        return os.path.join(self.folder, name)

    def run(self, *arguments):
        done = subprocess.run([self.espalier] + list(arguments), stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=120)
        return None if done.returncode == 0 else done.stderr.decode("utf-8", "replace").strip()

    def complain(self, what, text):
        self.differing += 1
        print("%s: %s" % (what, text), flush=True)

    def compare_output(self, kind, wanted, what):
        failed = self.run("predict", self.path("model.espalier"), self.path("rows.npy"),
                          "--output", kind, "-o", self.path("found.npy"))
        if failed:
            self.complain(what, failed)
            return
        found = np.load(self.path("found.npy"))
        self.compared += wanted.size
        if found.dtype != wanted.dtype or found.shape != wanted.shape:
            self.complain(what, "%s is %s %s, not %s %s" % (kind, found.dtype, found.shape,
                                                            wanted.dtype, wanted.shape))
        elif found.tobytes() != np.ascontiguousarray(wanted).tobytes():
            self.complain(what, "%d of %d %ss differ" % (np.count_nonzero(found != wanted),
                                                         wanted.size, kind))

    def compare_rows(self, model, dart, rows, what):
        """inplace_predict takes infinities; a DMatrix does not, and it alone serves dart."""
        finite = rows[~np.isinf(rows.astype(np.float32)).any(axis=1)]
        if len(finite):
            write_npy(self.path("rows.npy"), finite)
            data = xgb.DMatrix(finite)
            leaf = model.predict(data, pred_leaf=True).reshape(len(finite), -1)
            self.compare_output("leaf", leaf.astype(np.int64), what)
            self.compare_output("margin", model.predict(data, output_margin=True), what)
        if not dart:
            write_npy(self.path("rows.npy"), rows)
            self.compare_output("margin", model.inplace_predict(rows, predict_type="margin"), what)

    def compare(self, source, rows, dart, what):
        model = xgb.Booster({"nthread": 1})
        model.load_model(source)
        with np.errstate(all="ignore"):
            narrow = rows.astype(np.float32)
        for layout in LAYOUTS:
            options = ["--layout", layout] if layout != "automatic" else []
            failed = self.run("convert", source, "-o", self.path("model.espalier"), *options)
            if failed and layout == "mask" and "cannot hold it" in failed:
                self.refused += 1
            elif failed:
                self.complain(what, failed)
            else:
                for one in (rows, narrow, rows[-1:]):
                    self.compare_rows(model, dart, one, "%s, %s" % (what, layout))


def mix_rows(rng, trees, width, count):
    """Rows with features on and beside thresholds, and special values."""
    near = {feature: [] for feature in range(width)}
    for tree in trees:
        for node, child in enumerate(tree["left_children"]):
            if child != -1 and np.isfinite(tree["split_conditions"][node]):
                near[tree["split_indices"][node]] += neighbours(tree["split_conditions"][node])
    rows = rng.randn(count, width)
    special = list(SPECIAL) + [np.inf, -np.inf]
    for row in rows[count // 3:]:
        for feature in range(width):
            chance = rng.randint(8)
            if chance == 0:
                row[feature] = special[rng.randint(len(special))]
            elif chance < 5 and near[feature]:
                row[feature] = near[feature][rng.randint(len(near[feature]))]
    return np.vstack([rows] + [np.full((1, width), value) for value in special])


# --- Trained models -------------------------------------------------------------------------------

def make_labels(rng, objective, target, options, rows):
    if objective.startswith("multi"):
        options["num_class"] = int(rng.choice([2, 3, 5]))
        rows.set_label(np.arange(len(target)) % options["num_class"])
    elif objective.startswith("binary") or objective == "reg:logistic":
        rows.set_label((target > 0).astype(float))
    elif objective == "survival:aft":
        rows.set_float_info("label_lower_bound", np.exp(target))
        rows.set_float_info("label_upper_bound", np.exp(target) * 2)
    elif objective in ("count:poisson", "reg:gamma", "reg:tweedie", "survival:cox",
                       "reg:squaredlogerror"):
        rows.set_label(np.exp(np.clip(target, -3, 3)))
    elif objective.startswith("rank"):
        rows.set_label(np.digitize(target, [-1, 0, 1]))
        rows.set_group([20] * (len(target) // 20))
    elif objective == "reg:squarederror" and VERSION >= (1, 6) and not rng.randint(3):
        rows.set_label(np.c_[target, -2 * target])
    else:
        rows.set_label(target)
    if objective == "reg:quantileerror":
        options["quantile_alpha"] = [0.1, 0.5, 0.9] if rng.randint(2) else 0.3


def make_options(rng, objective):
    options = dict(objective=objective, nthread=1, verbosity=0, seed=int(rng.randint(1 << 30)),
                   booster=["gbtree", "gbtree", "dart"][rng.randint(3)],
                   tree_method=["exact", "hist", "approx"][rng.randint(3)],
                   max_depth=int(rng.choice([1, 3, 6, 9])), eta=float(rng.choice([0.1, 0.5, 1.0])),
                   min_child_weight=float(rng.choice([0, 1, 5])),
                   gamma=float(rng.choice([0, 0, 0.5])), subsample=float(rng.choice([1.0, 0.6])),
                   num_parallel_tree=int(rng.choice([1, 1, 3])))
    if options["booster"] == "dart":
        options.update(rate_drop=0.4, skip_drop=0.3,
                       normalize_type=["tree", "forest"][rng.randint(2)])
    if options["tree_method"] == "hist" and rng.randint(2):
        options.update(grow_policy="lossguide", max_leaves=int(rng.choice([7, 60, 300])),
                       max_depth=0)
    if rng.randint(3) == 0:
        options["base_score"] = float(rng.choice([0.2, 0.5, 0.75]))
    return options


def prove_models(prover, rng, count, verbose):
    for index in range(count):
        objective = OBJECTIVES[index % len(OBJECTIVES)]
        width = int(rng.choice([1, 3, 8, 20]))
        data = rng.randn(int(rng.choice([60, 300, 1000])), width)
        if rng.randint(2):
            data = np.round(data * 2) / 2
        target = data[:, 0] + np.sin(data.sum(axis=1)) + 0.1 * rng.randn(len(data))
        if rng.randint(2):
            data[rng.rand(*data.shape) < 0.2] = np.nan
        options = make_options(rng, objective)
        rows = xgb.DMatrix(data)
        make_labels(rng, objective, target, options, rows)
        what = "model %d, %s %s %s" % (index, objective, options["booster"],
                                       options["tree_method"])
        if verbose:
            print(what, flush=True)
        try:
            model = xgb.train(options, rows, int(rng.choice([1, 2, 5, 30])))
        except xgb.core.XGBoostError as error:  # what cannot be combined
            print("%s: not trained: %s" % (what, str(error).split("\n")[0][:100]))
            continue
        source = prover.path("trained.json")
        model.save_model(source)
        asked = mix_rows(rng, trees_of(source), width, 300)
        if UBJSON and rng.randint(2):
            source = prover.path("trained.ubj")
            model.save_model(source)
        prover.compare(source, asked, options["booster"] == "dart", what)


# --- Documents by hand ----------------------------------------------------------------------------

def make_tree(rng, index, width, shuffled):
    """A tree of any shape; shuffled: some nodes are pruned, and their numbers anywhere."""
    leaves = int(rng.choice([1, 2, 3, 8, 40]))
    left, right, parents = [-1], [-1], [2147483647]
    for _ in range(leaves - 1):
        node = int(rng.choice([i for i, child in enumerate(left) if child == -1]))
        left[node], right[node] = len(left), len(left) + 1
        left += [-1, -1]
        right += [-1, -1]
        parents += [node, node]
    used = len(left)
    count = used + (2 * int(rng.randint(3)) if shuffled else 0)
    pairs = [int(one) for one in rng.permutation((count - 1) // 2)[:leaves - 1]]
    if not shuffled or VERSION >= (2, 0):  # newer versions crash where children precede parents
        pairs.sort()
    place = [0] + [one for pair in pairs for one in (2 * pair + 1, 2 * pair + 2)]
    arrays = {"left_children": [-1] * count, "right_children": [-1] * count,
              "parents": [2147483647] + [0] * (count - 1), "split_indices": [2147483647] * count,
              "split_conditions": [0.0] * count, "default_left": [1] * count}
    for node in range(used):
        at = place[node]
        inner = left[node] != -1
        if inner:
            arrays["left_children"][at] = place[left[node]]
            arrays["right_children"][at] = place[right[node]]
        if node:
            arrays["parents"][at] = place[parents[node]]
        arrays["split_indices"][at] = int(rng.randint(width)) if inner else 0
        values = THRESHOLDS if inner else LEAVES
        arrays["split_conditions"][at] = float(np.float32(values[rng.randint(len(values))]))
        arrays["default_left"][at] = int(rng.randint(2)) if inner else 0
    zeros = [0.0] * count
    if VERSION < (1, 6):
        arrays["default_left"] = [bool(one) for one in arrays["default_left"]]
    arrays.update(id=index, base_weights=zeros, loss_changes=zeros, sum_hessian=zeros,
                  split_type=[0] * count, categories=[], categories_nodes=[],
                  categories_segments=[], categories_sizes=[],
                  tree_param={"num_deleted": str(count - used), "num_feature": str(width),
                              "num_nodes": str(count), "size_leaf_vector":
                              "1" if VERSION >= (2, 0) else "0"})
    return arrays


def prove_documents(prover, rng, count):
    template = prover.path("template.json")
    for index in range(count):
        width, classes = int(rng.choice([1, 2, 4])), int(rng.choice([1, 1, 3]))
        options = {"nthread": 1, "verbosity": 0, "base_score": 0.25, "max_depth": 1}
        if classes > 1:
            options.update(objective="multi:softprob", num_class=classes)
        labels = np.arange(9) % max(classes, 2)
        xgb.train(options, xgb.DMatrix(rng.randn(9, width), labels), 1).save_model(template)
        with open(template, encoding="utf-8") as file:
            document = json.load(file)
        model = document["learner"]["gradient_booster"]["model"]
        rounds = int(rng.choice([1, 4, 20]))
        model["trees"] = [make_tree(rng, i, width, index % 2) for i in range(rounds * classes)]
        model["tree_info"] = [i % classes for i in range(rounds * classes)]
        model["gbtree_model_param"]["num_trees"] = str(rounds * classes)
        if "iteration_indptr" in model:
            model["iteration_indptr"] = list(range(0, rounds * classes + 1, classes))
        source = prover.path("made.json")
        with open(source, "w", encoding="utf-8") as file:
            json.dump(document, file)
        rows = mix_rows(rng, model["trees"], width, 300)
        prover.compare(source, rows, False, "document %d" % index)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--espalier", required=True, metavar="PATH")
    parser.add_argument("--models", type=int, default=34, metavar="N")
    parser.add_argument("--documents", type=int, default=20, metavar="N")
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    parser.add_argument("--verbose", action="store_true")
    arguments = parser.parse_args()
    rng = np.random.RandomState(arguments.seed)
    with tempfile.TemporaryDirectory(prefix="espalier-") as folder:
        prover = Prover(arguments.espalier, folder)
        prove_models(prover, rng, arguments.models, arguments.verbose)
        prove_documents(prover, rng, arguments.documents)
    print("XGBoost %s: %d numbers compared, %d findings, %d times no mask layout" % (
        xgb.__version__, prover.compared, prover.differing, prover.refused))
    return 1 if prover.differing or not prover.compared else 0


if __name__ == "__main__":
    sys.exit(main())
