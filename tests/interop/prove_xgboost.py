# SPDX-License-Identifier: Apache-2.0
"""Random XGBoost models through the espalier command, compared with the library bit for bit.

    python prove_xgboost.py --espalier PATH [--models N] [--categories N] [--documents N]
                            [--wrappers N] [--seed N] [--verbose]

Runs inside an environment with XGBoost, any version from 1.0 on; not part of the test suite, which
has fixtures. --models trains models over objectives, boosters and shapes of data, --categories
models with categorical features (from 1.6 on); --documents makes JSON by hand, with thresholds,
leaves, numberings and pruned nodes that training does not give, and loads it in XGBoost. Each is
converted in every layout and asked for margins and leaves, float64 and float32 rows, one row and
all, and for what Booster.predict gives. --wrappers trains estimators for scikit-learn and asks for
predict and predict_proba. What goes through exp may differ by 2 ulp of float32, all else not at
all. One line per difference; exit 1 if there is any.
"""
import json
import sys

import numpy as np
import xgboost as xgb

from categories import make_codes, mix_codes
from fixture_folder import write_npy
from near_rows import put_near
from proving import ALONE, SKIPPED, Prover, run
from real_data import load_real
from train_xgboost import FLOAT32_MAX, SPECIAL, UBJSON, VERSION, neighbours, trees_of

OBJECTIVES = ["reg:squarederror", "binary:logistic", "multi:softprob", "count:poisson",
              "reg:gamma", "reg:tweedie", "reg:logistic", "binary:logitraw", "binary:hinge",
              "rank:pairwise", "survival:cox"]
OBJECTIVES += ["survival:aft"] if VERSION >= (1, 2) else []
OBJECTIVES += ["reg:pseudohubererror"] if VERSION >= (1, 1) else []
OBJECTIVES += ["reg:squaredlogerror", "multi:softmax"]
OBJECTIVES += ["reg:absoluteerror"] if VERSION >= (1, 7) else []
OBJECTIVES += ["reg:quantileerror"] if VERSION >= (2, 0) else []
OBJECTIVES += ["reg:expectileerror"] if VERSION >= (3, 4) else []
LINKED = ("binary:logistic", "reg:logistic", "multi:softprob", "count:poisson", "reg:gamma",
          "reg:tweedie", "survival:cox", "survival:aft", "reg:expectileerror")
THRESHOLDS = [0.0, -0.0, 1e-45, -1e-45, 1.17549435e-38, 1.0, -1.0, 0.1, FLOAT32_MAX, -FLOAT32_MAX,
              1e30, np.inf, -np.inf, np.nan]
if VERSION < (1, 1):  # reads no Infinity and no NaN
    THRESHOLDS = [one for one in THRESHOLDS if np.isfinite(one)]
LEAVES = [0.0, -0.0, 1e-45, 1e30, -1e30, 1 / 3, 0.1, -0.7, 3.0]


class XGBoostProver(Prover):
    def compare_rows(self, model, dart, rows, what, types=None):
        """inplace_predict takes infinities; a DMatrix does not, and it alone serves dart."""
        finite = rows[~np.isinf(rows.astype(np.float32)).any(axis=1)]
        if len(finite):
            write_npy(self.path("rows.npy"), finite)
            options = dict(feature_types=types, enable_categorical=True) if types else {}
            data = xgb.DMatrix(finite, **options)
            leaf = model.predict(data, pred_leaf=True).reshape(len(finite), -1)
            self.compare_output("leaf", leaf.astype(np.int64), what)
            margin = model.predict(data, output_margin=True)
            # Up to 3.0 dart makes 0 of a sum of -0; later versions do not.
            if not (dart and (margin == 0).all()):
                self.compare_output("margin", margin, what)
            self.compare_values(model, data, what)
        if not dart and not types and VERSION >= (1, 4):
            write_npy(self.path("rows.npy"), rows)
            self.compare_output("margin", model.inplace_predict(rows, predict_type="margin"), what)

    def compare_values(self, model, data, what):
        """predict, and what a classifier would make of it."""
        objective = json.loads(model.save_config())["learner"]["objective"]["name"]
        value = model.predict(data)
        linked = objective in LINKED
        self.compare_output("value", value, what, linked)
        self.compare_output("predict", value, what, linked)
        if objective == "binary:logistic" and value.ndim == 1:
            self.compare_output("probability", np.c_[1 - value, value], what, True)
            self.compare_output("class", (value > 0.5).astype(np.int64), what)
            self.count_ties(np.c_[1 - value, value])
        elif objective == "multi:softprob":
            self.compare_output("probability", value, what, True)
            self.compare_output("class", value.argmax(axis=1), what)
            self.count_ties(value)
        elif objective == "multi:softmax":
            self.compare_output("class", value.astype(np.int32), what)

    def compare_estimator(self, estimator, rows, what):
        """predict without --output, and predict_proba."""
        self.about("XGBoost", xgb.__version__, type(estimator).__name__, estimator)
        source = self.path("estimator.json")
        estimator.save_model(source)
        failed = self.run("convert", source, "-o", self.path("model.espalier"))
        if failed:
            self.complain(what, failed)
            return
        classifies = hasattr(estimator, "predict_proba")
        with np.errstate(all="ignore"):
            both = (rows, rows.astype(np.float32))
        for one in both:
            write_npy(self.path("rows.npy"), one)
            linked = not classifies and estimator.objective in LINKED
            self.compare_output("predict", estimator.predict(one), what, linked)
            if classifies:
                self.compare_output("probability", estimator.predict_proba(one), what, True)

    def compare_alone(self, model, rows):
        """The trainer with itself, rows one by one."""
        rows = rows[~np.isinf(rows.astype(np.float32)).any(axis=1)][:20]
        for kind, asked in (("margin", dict(output_margin=True)), ("value", {})):
            alone = [model.predict(xgb.DMatrix(rows[i:i + 1]), **asked) for i in range(len(rows))]
            if alone:
                self.compare_route(kind, ALONE, model.predict(xgb.DMatrix(rows), **asked),
                                   np.concatenate(alone))

    def compare(self, source, rows, dart, what, estimator, types=None, trained=None):
        """1.0 loads no pruned trees, its own neither: the one that was trained answers there."""
        model = trained if VERSION < (1, 1) else None
        if model is None:
            model = xgb.Booster({"nthread": 1})
            model.load_model(source)
        self.about("XGBoost", xgb.__version__, estimator, model)
        if types is None:
            self.compare_alone(model, rows)
        with np.errstate(all="ignore"):
            narrow = rows.astype(np.float32)
        for words in self.convert_layouts(source, what):
            for one in (rows, narrow, rows[-1:]):
                self.compare_rows(model, dart, one, words, types)


def mix_rows(rng, trees, data, count):
    """Rows with features on and beside thresholds, and special values."""
    width = data.shape[1]
    near = {feature: [] for feature in range(width)}
    for tree in trees:
        for node, child in enumerate(tree["left_children"]):
            if child != -1 and np.isfinite(tree["split_conditions"][node]):
                near[tree["split_indices"][node]] += neighbours(tree["split_conditions"][node])
    rows = rng.randn(count, width)
    rows[::2] = data[rng.randint(len(data), size=len(rows[::2]))]
    special = list(SPECIAL) + [np.inf, -np.inf]
    return put_near(rng, rows, near, special)


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
    if objective in ("reg:quantileerror", "reg:expectileerror"):
        name = "quantile_alpha" if objective == "reg:quantileerror" else "expectile_alpha"
        options[name] = [0.1, 0.5, 0.9] if rng.randint(2) else 0.3


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
    if (VERSION >= (2, 0) and options["tree_method"] == "hist" and not rng.randint(3)
            and options["booster"] == "gbtree"):
        options["multi_strategy"] = "multi_output_tree"
    if options["tree_method"] == "hist" and rng.randint(2):
        options.update(grow_policy="lossguide", max_leaves=int(rng.choice([7, 60, 300])),
                       max_depth=0)
    if rng.randint(3) == 0:
        options["base_score"] = float(rng.choice([0.2, 0.5, 0.75]))
    return options


def make_data(rng):
    if rng.randint(4) == 0:
        return load_real(rng)
    data = rng.randn(int(rng.choice([60, 300, 1000])), int(rng.choice([1, 3, 8, 20])))
    if rng.randint(2):
        data = np.round(data * 2) / 2
    target = data[:, 0] + np.sin(data.sum(axis=1)) + 0.1 * rng.randn(len(data))
    if rng.randint(2):
        data[rng.rand(*data.shape) < 0.2] = np.nan
    return data, target


def prove_models(prover, rng, count, verbose):
    for index in range(count):
        objective = OBJECTIVES[index % len(OBJECTIVES)]
        data, target = make_data(rng)
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
        asked = mix_rows(rng, trees_of(source), data, 300)
        if UBJSON and rng.randint(2):
            source = prover.path("trained.ubj")
            model.save_model(source)
        prover.compare(source, asked, options["booster"] == "dart", what,
                       "Booster, " + options["booster"], trained=model)


# --- Numbers that mean missing --------------------------------------------------------------------

def prove_missing(prover, rng):
    """What a matrix is told of, and no file keeps: convert --missing."""
    for missing in (-999.0, 0.0, 0.1, 1e30, np.inf, -1.0):
        data = np.round(rng.randn(500, 5) * 2) / 2
        data[rng.rand(*data.shape) < 0.3] = missing
        rows = xgb.DMatrix(data, rng.rand(500) + (data[:, 0] == missing), missing=missing)
        model = xgb.train({"nthread": 1, "max_depth": 4, "tree_method": "exact"}, rows, 8)
        model.save_model(prover.path("trained.json"))
        asked = data.copy()
        asked[rng.rand(*data.shape) < 0.05] = np.nan
        asked[:5] = -0.0
        if np.isfinite(missing):
            asked[5:10] = np.nextafter(np.float32(missing), np.float32(5))
        prover.about("XGBoost", xgb.__version__, "Booster, missing=")
        for words in prover.convert_layouts(prover.path("trained.json"), "missing=%g" % missing,
                                            "--missing", repr(float(missing))):
            for one in (asked, asked.astype(np.float32), np.asfortranarray(asked), asked[-1:]):
                np.save(prover.path("rows.npy"), one)
                matrix = xgb.DMatrix(one, missing=missing)
                prover.compare_output("margin", model.predict(matrix, output_margin=True), words)
                leaf = model.predict(matrix, pred_leaf=True).reshape(len(one), -1)
                prover.compare_output("leaf", leaf.astype(np.int64), words)


# --- Categories -----------------------------------------------------------------------------------

def prove_categories(prover, rng, count, verbose):
    for index in range(count):
        objective = ["reg:squarederror", "binary:logistic", "multi:softprob"][index % 3]
        data, columns, target = make_codes(rng, 3000)
        types = ["c" if one in columns else "q" for one in range(data.shape[1])]
        options = make_options(rng, objective)
        options.update(tree_method=["hist", "approx"][rng.randint(2)],
                       max_cat_to_onehot=int(rng.choice([1, 4, 5000])))
        options.pop("multi_strategy", None)  # has no categories
        if VERSION >= (1, 7):
            options["max_cat_threshold"] = int(rng.choice([4, 64, 1000]))
        what = "categories %d, %s %s %s %d" % (index, objective, options["booster"],
                                               options["tree_method"], options["max_cat_to_onehot"])
        rows = xgb.DMatrix(data, feature_types=types, enable_categorical=True)
        make_labels(rng, objective, target, options, rows)
        try:
            model = xgb.train(options, rows, int(rng.choice([1, 5, 20])))
        except xgb.core.XGBoostError as error:  # what cannot be combined
            print("%s: not trained: %s" % (what, str(error).split("\n")[0][:100]))
            continue
        source = prover.path("trained.json")
        model.save_model(source)
        if verbose:
            sets = sum(len(tree["categories_nodes"]) for tree in trees_of(source))
            print("%s: %d splits on categories" % (what, sets), flush=True)
        if rng.randint(2):
            source = prover.path("trained.ubj")
            model.save_model(source)
        # A DMatrix takes no infinities.
        asked = mix_codes(rng, data, columns, 400, infinite=False)
        prover.compare(source, asked, options["booster"] == "dart", what,
                       "Booster, %s, categories" % options["booster"], types)


# --- Estimators for scikit-learn ------------------------------------------------------------------

def make_estimators(width):
    """(name, estimator, kind of target)"""
    options = dict(n_estimators=7, max_depth=3, n_jobs=1)
    classifier, regressor = xgb.XGBClassifier, xgb.XGBRegressor
    yield "binary", classifier(**options), "two"
    yield "multiclass", classifier(**options), "four"
    yield "softmax", classifier(objective="multi:softmax", **options), "four"
    yield "hinge", classifier(objective="binary:hinge", **options), "two"
    yield "logitraw", classifier(objective="binary:logitraw", **options), "two"
    yield "logistic regression", classifier(objective="reg:logistic", **options), "two"
    yield "random forest", xgb.XGBRFClassifier(**options), "four"
    yield "stopped", classifier(eval_metric="logloss", early_stopping_rounds=2, **dict(
        options, n_estimators=60, learning_rate=1.0)), "two"
    yield "labels", classifier(**options), "labels"
    yield "regression", regressor(**options), "real"
    yield "targets", regressor(**options), "reals"
    for objective in ("count:poisson", "reg:gamma", "reg:tweedie", "reg:squaredlogerror"):
        yield objective, regressor(objective=objective, **options), "positive"


def prove_wrappers(prover, rng, count, verbose):
    for index in range(count):
        width = int(rng.choice([2, 5]))
        data = rng.randn(300, width)
        noise = data[:, 0] + 0.3 * rng.randn(300)
        targets = {"two": (noise > 0).astype(int), "four": np.digitize(noise, [-1, 0, 1]),
                   "labels": np.c_[noise > 0, noise < 1, noise > -1].astype(int), "real": noise,
                   "reals": np.c_[noise, -2 * noise], "positive": np.exp(noise)}
        for name, estimator, kind in make_estimators(width):
            what = "estimator %d, %s" % (index, name)
            if verbose:
                print(what, flush=True)
            more = {}
            if name == "stopped":
                more = dict(eval_set=[(data[:100], targets[kind][:100])], verbose=False)
            estimator.fit(data[100:], targets[kind][100:], **more)
            rows = rng.randn(400, width) * 2
            rows[rng.rand(400, width) < 0.1] = np.nan
            prover.compare_estimator(estimator, rows, what)


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
    count = used + (2 * int(rng.randint(3)) if shuffled and VERSION >= (1, 1) else 0)
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
    if VERSION < (1, 1):
        arrays["leaf_child_counts"] = [0] * count
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
        rows = mix_rows(rng, model["trees"], rng.randn(300, width), 300)
        prover.compare(source, rows, False, "document %d" % index, "document by hand")


def prove(prover, arguments):
    rng = np.random.RandomState(arguments.seed)
    prove_models(prover, rng, arguments.models, arguments.verbose)
    if VERSION >= (1, 6):
        prove_categories(prover, rng, arguments.categories, arguments.verbose)
    prove_documents(prover, rng, arguments.documents)
    prove_missing(prover, rng)
    if VERSION >= (1, 6):
        prove_wrappers(prover, rng, arguments.wrappers, arguments.verbose)
    return "XGBoost " + xgb.__version__


def main():
    if VERSION < (1, 0):
        print("XGBoost %s: no JSON" % xgb.__version__)
        return SKIPPED
    return run(prove, XGBoostProver, models=34, categories=15, documents=20, wrappers=2)


if __name__ == "__main__":
    sys.exit(main())
