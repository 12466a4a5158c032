# SPDX-License-Identifier: Apache-2.0
"""Random LightGBM models through the espalier command, compared with the library bit for bit.

    python prove_lightgbm.py --espalier PATH [--models N] [--categories N] [--linear N] [--texts N]
                             [--seed N] [--verbose]

Runs inside an environment with LightGBM, any version from 2.2 on; not part of the test suite, which
has fixtures. --models trains models over objectives, boosting, missing types and shapes of data;
--categories models with categorical features; --linear linear trees (from 3.2 on);
--texts makes texts by hand, with thresholds, leaves and decisions that training does not give, and
loads them in LightGBM. Each is converted in every layout and asked for margins, leaves and values,
and for classes and probabilities as LGBMClassifier makes them of values; float64 and float32 rows,
one row and all. What goes through exp may differ by 2 ulp, all else not at all. One line per
difference; exit 1 if there is any.
"""
import re
import sys

import lightgbm as lgb
import numpy as np

from categories import make_codes, mix_codes
from fixture_folder import write_npy
from proving import ALONE, Prover, run
from real_data import load_real
from train_lightgbm import SPECIAL, TINY, VERSION, answers, neighbours, thresholds_of

OBJECTIVES = ["regression", "regression_l1", "huber", "fair", "quantile", "mape", "poisson",
              "gamma", "tweedie", "binary", "multiclass", "multiclassova", "cross_entropy",
              "cross_entropy_lambda", "lambdarank", "sqrt"]
# Of texts by hand: around zero and LightGBM's limit for it, around float32's, the largest.
THRESHOLDS = [0.0, -0.0, TINY, -TINY, np.nextafter(TINY, 1), np.nextafter(-TINY, -1),
              np.nextafter(TINY, 0), 1e-36, -1e-36, 1e-35, 2e-35, 1e-45, 1e300, -1e300, 1.7e308,
              1.0, -1.0, 0.5, 0.1, float(np.float32(0.1)), 3.4028234663852886e38, 3.5e38]


class LightGBMProver(Prover):
    def compare_rows(self, model, text, rows, what):
        write_npy(self.path("rows.npy"), rows)
        found = answers(model, rows, text)
        value = found.get("value~", found.get("value"))
        found["predict~" if "value~" in found else "predict"] = value
        objective = re.search(r"^objective=(\S+)", text, re.M)
        if objective and objective.group(1) == "binary":
            found["probability~"] = np.vstack((1.0 - value, value)).transpose()
        elif objective and objective.group(1).startswith("multiclass"):
            found["probability~"] = value
        if "probability~" in found:
            found["class"] = np.argmax(found["probability~"], axis=1)
        for kind, wanted in sorted(found.items()):
            self.compare_output(kind.strip("~"), wanted, what, kind.endswith("~"))
        if "probability~" in found:
            self.count_ties(found["probability~"])

    def compare_alone(self, model, rows, text):
        """The trainer with itself, rows one by one."""
        alone = [answers(model, rows[i:i + 1], text) for i in range(20)]
        for kind, wanted in answers(model, rows[:20], text).items():
            self.compare_route(kind.strip("~"), ALONE, wanted,
                               np.concatenate([one[kind] for one in alone]))

    def compare(self, text, rows, what, estimator):
        with open(self.path("model.txt"), "w", encoding="utf-8", newline="") as file:
            file.write(text)
        model = lgb.Booster(model_file=self.path("model.txt"))
        self.about("LightGBM", lgb.__version__, estimator, model)
        self.compare_alone(model, rows, text)
        with np.errstate(all="ignore"):
            narrow = rows.astype(np.float32)
        for words in self.convert_layouts(self.path("model.txt"), what):
            for one in (rows, narrow, rows[-1:]):
                self.compare_rows(model, text, one, words)


# --- Trained models -------------------------------------------------------------------------------

def make_data(rng):
    """A matrix of one of several kinds, and a target without what is odd in it."""
    if rng.randint(4) == 0:
        return load_real(rng)
    count, width = int(rng.choice([60, 300, 1000])), int(rng.choice([1, 3, 8, 20]))
    data = rng.randn(count, width)
    kind = rng.randint(6)
    if kind == 1:
        data = np.round(data * 2) / 2
    elif kind == 2:
        data[rng.rand(count, width) < 0.3] = 0.0
    elif kind == 3:
        data *= 10.0 ** rng.randint(-40, 3, size=data.shape)
    elif kind == 4:
        data = data.astype(np.float32).astype(np.float64)
    elif kind == 5:
        data[rng.rand(count, width) < 0.1] = np.inf
    if rng.randint(2):
        data[rng.rand(count, width) < 0.2] = np.nan
    calm = np.where(np.isfinite(data), data, 0.0)
    return data, calm[:, 0] + np.sin(calm.sum(axis=1)) + 0.1 * rng.randn(count)


def make_target(rng, objective, target, options):
    """The labels that an objective takes, and the sizes of queries."""
    if objective == "binary":
        return (target > 0).astype(float), None
    if objective.startswith("multiclass"):
        options["num_class"] = int(rng.choice([3, 5]))
        edges = np.quantile(target, np.linspace(0, 1, options["num_class"] + 1)[1:-1])
        labels = np.digitize(target, edges).astype(float)
        labels[:options["num_class"]] = range(options["num_class"])
        return labels, None
    if objective in ("poisson", "gamma", "tweedie"):
        return np.exp(np.clip(target, -3, 3)), None
    if objective.startswith("cross"):
        return 1 / (1 + np.exp(-target)), None
    if objective in ("lambdarank", "rank_xendcg"):
        return np.digitize(target, [-1, 0, 1]).astype(float), [20] * (len(target) // 20)
    return target, None


def make_options(rng, objective, width):
    boosting = ["gbdt", "gbdt", "dart", "goss", "rf"][rng.randint(5)]
    options = dict(
        objective="regression" if objective == "sqrt" else objective, reg_sqrt=objective == "sqrt",
        boosting=boosting, num_leaves=int(rng.choice([2, 7, 31, 255, 400])), verbose=-1,
        num_threads=1, seed=int(rng.randint(1 << 30)), max_depth=int(rng.choice([-1, -1, 4, 60])),
        min_data_in_leaf=int(rng.choice([1, 5, 20])), learning_rate=float(rng.choice([0.1, 0.5])),
        max_bin=int(rng.choice([15, 255, 1000])), min_data_in_bin=int(rng.choice([1, 3])),
        min_sum_hessian_in_leaf=float(rng.choice([1e-3, 0.0])),
        use_missing=bool(rng.randint(3)), zero_as_missing=not rng.randint(3))
    if boosting == "rf" or (boosting != "goss" and rng.randint(2)):
        options.update(bagging_freq=1, bagging_fraction=0.7)
    if VERSION >= (3, 0):
        options["extra_trees"] = not rng.randint(4)
    if VERSION >= (4, 1) and boosting in ("gbdt", "goss"):  # 4.0 can crash in training
        options["use_quantized_grad"] = not rng.randint(5)
    if objective in ("binary", "multiclassova", "lambdarank") and rng.randint(2):
        options["sigmoid"] = float(rng.choice([0.7, 2.7, 1e-3, 0.3333333333, 3e-5]))
    if not rng.randint(5):
        options["monotone_constraints"] = [int(one) for one in rng.randint(-1, 2, size=width)]
    return options


def mix_rows(rng, data, text, count):
    """Rows of the data with features on and beside thresholds, and what LightGBM treats apart."""
    thresholds = thresholds_of(text)
    rows = data[rng.randint(len(data), size=count)].copy()
    for row in rows[count // 3:]:
        for feature in range(len(row)):
            chance = rng.randint(8)
            if chance == 0:
                row[feature] = SPECIAL[rng.randint(len(SPECIAL))]
            elif chance < 4 and feature in thresholds:
                near = neighbours(thresholds[feature][rng.randint(len(thresholds[feature]))])
                row[feature] = near[rng.randint(len(near))]
    return np.vstack([rows] + [np.full((1, data.shape[1]), value) for value in SPECIAL])


def train_text(prover, options, data, rounds, what):
    """The text of a model; None, and said why, of what LightGBM does not combine."""
    try:
        model = lgb.train(options, data, rounds)
    except lgb.basic.LightGBMError as error:
        print("%s: not trained: %s" % (what, error))
        return None
    model.save_model(prover.path("trained.txt"))
    with open(prover.path("trained.txt"), encoding="utf-8") as file:
        return file.read()


def prove_models(prover, rng, count, verbose):
    objectives = OBJECTIVES + (["rank_xendcg"] if VERSION >= (3, 0) else [])
    for index in range(count):
        objective = objectives[index % len(objectives)]
        data, target = make_data(rng)
        options = make_options(rng, objective, data.shape[1])
        labels, group = make_target(rng, objective, target, options)
        what = "model %d, %s %s" % (index, objective, options["boosting"])
        text = train_text(prover, options, lgb.Dataset(data, labels, group=group),
                          int(rng.choice([1, 2, 5, 30])), what)
        if text is None:
            continue
        if verbose:
            print(what, flush=True)
        prover.compare(text, mix_rows(rng, data, text, 300), what,
                       "Booster, " + options["boosting"])


# --- Categories -----------------------------------------------------------------------------------

def prove_categories(prover, rng, count, verbose):
    for index in range(count):
        objective = ["regression", "binary", "multiclass"][index % 3]
        data, columns, target = make_codes(rng, 3000)
        options = make_options(rng, objective, data.shape[1])
        options.pop("monotone_constraints", None)  # not of categories
        options.update(max_cat_to_onehot=int(rng.choice([1, 4, 40])), use_missing=True,
                       min_data_per_group=int(rng.choice([1, 10, 100])), cat_l2=1.0, cat_smooth=1.0,
                       max_cat_threshold=int(rng.choice([4, 32, 500])))
        labels, group = make_target(rng, objective, target, options)
        what = "categories %d, %s %s" % (index, objective, options["boosting"])
        coded = lgb.Dataset(data, labels, group=group, categorical_feature=columns)
        text = train_text(prover, options, coded, int(rng.choice([1, 5, 30])), what)
        if text is None:
            continue
        if verbose:
            sets = sum(int(one) for one in re.findall(r"^num_cat=(\d+)", text, re.M))
            print("%s: %d splits on categories" % (what, sets), flush=True)
        prover.compare(text, mix_codes(rng, data, columns, 400), what,
                       "Booster, %s, categories" % options["boosting"])


# --- Linear trees ---------------------------------------------------------------------------------

def prove_linear(prover, rng, count, verbose):
    objectives = ["regression", "binary", "multiclass", "poisson", "huber", "cross_entropy"]
    for index in range(count if VERSION >= (3, 2) else 0):
        objective = objectives[index % len(objectives)]
        data, target = make_data(rng)
        options = make_options(rng, objective, data.shape[1])
        for refused in ("zero_as_missing", "monotone_constraints", "use_quantized_grad"):
            options.pop(refused, None)
        options.update(linear_tree=True, linear_lambda=float(rng.choice([0.0, 0.1, 10.0])),
                       max_bin=255)
        labels, group = make_target(rng, objective, target, options)
        what = "linear %d, %s %s" % (index, objective, options["boosting"])
        text = train_text(prover, options, lgb.Dataset(data, labels, group=group),
                          int(rng.choice([1, 2, 5, 30])), what)
        if text is None:
            continue
        if re.search(r"^leaf_(const|coeff)=.*(nan|inf)", text, re.M):
            print("%s: leaves that are no numbers" % what)
            continue
        if verbose:
            print("%s: %d terms" % (what, sum(len(one.split()) for one in re.findall(
                r"^leaf_coeff=(.*)$", text, re.M))), flush=True)
        prover.compare(text, mix_rows(rng, data, text, 300), what,
                       "Booster, %s, linear trees" % options["boosting"])


# --- Texts by hand --------------------------------------------------------------------------------

def make_children(rng, inner):
    """Best-first growth: node j splits a leaf of its time into itself and leaf j + 1."""
    children, parents = [[0] * inner, [0] * inner], {0: None}
    for node in range(inner):
        leaf = int(rng.choice(sorted(parents)))
        if parents[leaf] is not None:
            side, parent = parents[leaf]
            children[side][parent] = node
        children[0][node], children[1][node] = ~leaf, ~(node + 1)
        parents[leaf], parents[node + 1] = (0, node), (1, node)
    return children


def make_tree(rng, index, width, infinite, linear):
    leaves = int(rng.choice([1, 2, 3, 8, 40]))
    inner = leaves - 1
    left, right = make_children(rng, inner)
    thresholds = THRESHOLDS + ([np.inf, -np.inf] if infinite else [])
    arrays = [("split_feature", rng.randint(width, size=inner)), ("split_gain", [1] * inner),
              ("threshold", [thresholds[rng.randint(len(thresholds))] for _ in range(inner)]),
              ("decision_type", rng.choice([0, 2, 4, 6, 8, 10], size=inner)),
              ("left_child", left), ("right_child", right),
              ("leaf_value", rng.choice([0.0, -0.0, 1e16, -1e16, 1 / 3, 1e-300], size=leaves)
               + rng.choice([0.0, 1e-3], size=leaves) * rng.randn(leaves)),
              ("leaf_count", [3] * leaves), ("internal_value", [0] * inner),
              ("internal_count", [9] * inner)]
    lines = ["Tree=%d" % index, "num_leaves=%d" % leaves, "num_cat=0"]
    lines += ["%s=%s" % (key, " ".join(repr(float(one)) if key in ("threshold", "leaf_value")
                                       else str(int(one)) for one in items))
              for key, items in arrays]
    if linear:
        lines += make_lines(rng, leaves, width)
    return "\n".join(lines + ["shrinkage=1", "", "", ""])


def make_lines(rng, leaves, width):
    """Leaves that are lines, with coefficients that training does not give."""
    features = [rng.permutation(width)[:rng.randint(width + 1)] for _ in range(leaves)]
    count = sum(map(len, features))
    coefficients = rng.choice([0.0, -0.0, 1.0, 1 / 3, -1e16, 1e300, 1e-300], size=count)
    constants = rng.choice([0.0, -0.0, 1e16, 0.1, -1e300], size=leaves)
    return ["is_linear=1", "leaf_const=" + " ".join(repr(float(one)) for one in constants),
            "num_features=" + " ".join(str(len(one)) for one in features),
            "leaf_features=" + " ".join("".join("%d " % one for one in own) for own in features),
            "leaf_coeff=" + " ".join(repr(float(one)) for one in coefficients)]


def prove_texts(prover, rng, count):
    for index in range(count):
        width, classes = int(rng.choice([1, 2, 4])), int(rng.choice([1, 1, 3]))
        trees = int(rng.choice([1, 4, 20])) * classes
        head = ["tree", "version=v%d" % VERSION[0], "num_class=%d" % classes,
                "num_tree_per_iteration=%d" % classes, "label_index=0",
                "max_feature_idx=%d" % (width - 1),
                "objective=" + ("regression" if classes == 1 else "multiclass num_class:3")]
        head += ["average_output"] if rng.randint(4) == 0 else []
        head += ["feature_names=" + " ".join("f%d" % i for i in range(width)),
                 "feature_infos=" + " ".join(["none"] * width), "", ""]
        linear = VERSION >= (3, 2) and index % 3 == 2
        text = "\n".join(head) + "".join(make_tree(rng, i, width, index % 2 == 0,
                                                   linear and rng.randint(4) > 0)
                                         for i in range(trees)) + "end of trees\n"
        values = np.array(list(SPECIAL) + [near for one in THRESHOLDS for near in neighbours(one)])
        rows = values[rng.randint(len(values), size=(400, width))]
        prover.compare(text, rows, "text %d" % index, "text by hand")


def prove(prover, arguments):
    rng = np.random.RandomState(arguments.seed)
    prove_models(prover, rng, arguments.models, arguments.verbose)
    prove_categories(prover, rng, arguments.categories, arguments.verbose)
    prove_linear(prover, rng, arguments.linear, arguments.verbose)
    prove_texts(prover, rng, arguments.texts)
    return "LightGBM " + lgb.__version__


if __name__ == "__main__":
    sys.exit(run(prove, LightGBMProver, models=34, categories=15, linear=18, texts=20))
