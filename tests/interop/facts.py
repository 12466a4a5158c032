# SPDX-License-Identifier: Apache-2.0
"""What a trained model is made of, in words, for the list of what is proved (promises.tsv): a fact
is the class of an estimator and all that it was told, as "KBinsDiscretizer encode=onehot n_bins=*
strategy=kmeans", of every estimator inside another. NumPy is all it needs; Python 3.6 runs it.

It reads the object that was trained, so what is counted as proved was in the model that was
converted. Must never look at what the converter makes of it.
"""
import inspect
import json
import re

import numpy as np

# Say nothing of what is predicted.
QUIET = {"copy", "copy_X", "error_score", "iid", "max_iter", "memory", "n_jobs", "nthread",
         "pre_dispatch", "random_state", "return_train_score", "scoring", "seed", "silent", "tol",
         "transformer_list", "transformers", "estimators", "steps", "use_label_encoder",
         "verbose", "verbose_feature_names_out", "verbosity", "warm_start"}
FACTS_MAX = 400
MARKS = {"missing", "missing_values", "encoded_missing_value"}  # NaN where nothing was said
OLD = {"base_estimator": "estimator", "sparse": "sparse_output"}  # names of newer versions


def word_of(value, default):
    """A value as it stands in a fact; None: it says nothing."""
    if value is None or isinstance(value, (bool, str)):
        return re.sub(r"\s+", "", str(value))
    if isinstance(value, (np.bool_,)):
        return str(bool(value))
    if inspect.isclass(value) or callable(value) and hasattr(value, "__name__"):
        return value.__name__
    if hasattr(value, "get_params"):
        return type(value).__name__
    try:
        return None if bool(np.all(value == default)) else "*"
    except (TypeError, ValueError):
        return "*"


def mark_of(value):
    """What stands for missing values."""
    if isinstance(value, (int, float, np.number)):
        return "nan" if value != value else "number"
    return word_of(value, None)


def options_of(estimator):
    """(name, value, default) of all that it was told."""
    try:
        known = {name: one.default for name, one in inspect.signature(
            type(estimator).__init__).parameters.items()}
    except (TypeError, ValueError):
        known = {}
    given = estimator.get_params(deep=False)
    return [(name, value, known.get(name)) for name, value in sorted(given.items())
            if name not in QUIET and isinstance(name, str)]


def kind_of_columns(columns):
    """How a ColumnTransformer was told of columns."""
    if isinstance(columns, slice):
        return "names-slice" if isinstance(columns.start or columns.stop, str) else "slice"
    if callable(columns):
        return "function"
    first = columns if isinstance(columns, (str, int)) else (list(columns) or [0])[0]
    return ("mask" if isinstance(first, (bool, np.bool_)) else
            "names" if isinstance(first, str) else "numbers")


def describe(estimator):
    """The fact of one estimator."""
    words = [type(estimator).__name__]
    for name, value, default in options_of(estimator):
        word = mark_of(value) if name in MARKS else word_of(value, default)
        words += ["%s=%s" % (OLD.get(name, name), word)] if word is not None else []
    if words[0] == "ColumnTransformer":
        words += sorted({"columns=" + kind_of_columns(one[2]) for one in estimator.transformers})
        words += ["part=" + one[1] for one in estimator.transformers if isinstance(one[1], str)]
    words += describe_fitted(estimator)
    return " ".join(words)


def describe_fitted(estimator):
    """What training made of it."""
    words = []
    classes = getattr(estimator, "classes_", None)
    if isinstance(classes, np.ndarray):
        words += ["classes=" + ("two" if len(classes) == 2 else "several")]
        words += ["labels=" + {"U": "text", "S": "text", "O": "objects", "b": "truth",
                               "f": "floats"}.get(classes.dtype.kind, "integers")]
    if getattr(estimator, "multilabel_", False) is True:
        words += ["multilabel"]
    if getattr(estimator, "n_outputs_", 1) != 1:
        words += ["outputs=several"]
    tree = getattr(estimator, "tree_", None)
    if tree is not None:
        words += ["nodes=%d" % tree.__getstate__()["nodes"].dtype.itemsize]
    if getattr(estimator, "_predictors", None):
        nodes = estimator._predictors[0][0].nodes.dtype
        words += ["nodes=%d" % nodes.itemsize]
    if isinstance(getattr(estimator, "init_", None), object) and hasattr(estimator, "init_"):
        words += ["first=" + (estimator.init_ if isinstance(estimator.init_, str) else
                              type(estimator.init_).__name__)]
    return words


def parts_of(estimator):
    """Estimators inside, trained where there are such."""
    found = []
    for name in ("best_estimator_", "estimators_", "estimator_", "base_estimator_", "steps",
                 "transformers_", "transformers", "transformer_list", "transformer_", "regressor_",
                 "calibrated_classifiers_", "init_"):
        try:
            found.append(getattr(estimator, name, None))
        except Exception:  # properties of an estimator that has none
            continue
    if hasattr(estimator, "get_params"):
        found += [value for _, value, _ in options_of(estimator)]
    else:  # of a calibrated classifier's pair
        found += [getattr(estimator, name, None) for name in ("estimator", "base_estimator")]
    return found


def facts_of(model, told=None):
    """All of a model, each once. told: the estimator that trained it, where that is another; what
    it takes for missing is not in its Booster."""
    facts, seen, left = set(), set(), [model]
    if told is not None and told is not model and hasattr(told, "get_params"):
        facts.add(re.sub(r" (%s)=\S+" % "|".join(sorted(MARKS)), "", describe(told)))
    while left and len(facts) < FACTS_MAX:
        one = left.pop()
        if isinstance(one, np.ndarray) and one.dtype == object:
            one = list(one.ravel())
        if isinstance(one, (list, tuple)):
            left += list(one)[:200]
        elif id(one) not in seen and (hasattr(one, "get_params") or
                                      type(one).__name__ == "_CalibratedClassifier"):
            seen.add(id(one))
            if hasattr(one, "get_params"):
                facts.add(describe(one))
            left += parts_of(one)
            facts.update(library_facts(one))
    facts.update(library_facts(model))
    return facts


# --- XGBoost and LightGBM -------------------------------------------------------------------------

def library_facts(model):
    """Of their Boosters, and of those in estimators."""
    module, name = type(model).__module__.split(".")[0], type(model).__name__
    booster = model
    try:
        if module == "xgboost" and name != "Booster":
            booster = model.get_booster()
        elif module == "lightgbm" and name != "Booster":
            booster = model.booster_
    except Exception:  # each version has its own: one that was not trained, a search's first
        return set()
    return {{"xgboost": xgboost_fact, "lightgbm": lightgbm_fact}[module](booster, name)} \
        if module in ("xgboost", "lightgbm") else set()


def xgboost_trees(booster):
    """The part of its file with the trees; {} before 1.6, which has no such call."""
    try:
        learner = json.loads(bytes(booster.save_raw(raw_format="json")).decode())["learner"]
    except TypeError:
        return {}
    found = learner["gradient_booster"]
    return found.get("gbtree", found).get("model", {})


def xgboost_tree_words(booster):
    """Sets of categories, their names, and where leaves of several values stand."""
    model = xgboost_trees(booster)
    sizes = [size for tree in model.get("trees", []) for size in tree.get("categories_sizes", [])]
    words = ["sets=" + ("several" if max(sizes) > 1 else "one")] if sizes else []
    words += ["category-names"] if model.get("cats", {}).get("enc") else []
    widths = [int(tree["tree_param"].get("size_leaf_vector", 0)) for tree in model.get("trees", [])]
    if max(widths, default=0) > 1:
        words += ["leaves=vectors", "vectors=" + ("leaf_weights" if any(
            tree.get("leaf_weights") for tree in model["trees"]) else "base_weights")]
    return words


def xgboost_fact(booster, name):
    """objective, booster, targets, leaves, categories and base scores, as its file says."""
    words = ["XGBoost", "object=" + name]
    if not hasattr(booster, "save_config"):  # before 1.0
        return " ".join(words + ["booster=%s" % getattr(booster, "booster", "?")])
    learner = json.loads(booster.save_config())["learner"]
    kind = learner["gradient_booster"]["name"]
    words += ["objective=" + learner["objective"]["name"], "booster=" + kind]
    numbers = learner["learner_model_param"]
    text = json.dumps(learner["gradient_booster"])
    parallel = re.search(r'"num_parallel_tree": "(\d+)"', text)
    words += ["forest"] if parallel and int(parallel.group(1)) > 1 else []
    words += ["targets=several"] if int(numbers.get("num_target", "1")) > 1 else []
    words += ["classes=several"] if int(numbers.get("num_class", "0")) > 1 else []
    words += xgboost_tree_words(booster)
    base = numbers.get("base_score", "")
    words += ["base_score=" + ("vector" if "," in base else "one-in-brackets" if "[" in base else
                               "one")]
    words += ["categories"] if "c" in (getattr(booster, "feature_types", None) or []) else []
    words += ["names"] if getattr(booster, "feature_names", None) else []
    words += ["stopped"] if (booster.attr("best_iteration") is not None) else []
    return " ".join(words)


def lightgbm_fact(booster, name):
    """objective, boosting, and what else its text says."""
    text = booster.model_to_string(num_iteration=-1)
    found = {key: value.strip() for key, value in re.findall(r"^\[(\w+): (.*)\]$", text, re.M)}
    objective = re.search(r"^objective=(\S+)(.*)$", text, re.M)
    words = ["LightGBM", "object=" + name,
             "objective=" + (objective.group(1) if objective else "none")]
    words += ["sqrt"] if objective and "sqrt" in objective.group(2) else []
    words += ["boosting=" + found.get("boosting", found.get("boosting_type", "?"))]
    words += ["boosting=goss"] if found.get("data_sample_strategy") == "goss" else []
    for key in ("zero_as_missing", "linear_tree"):
        words += [key] if found.get(key) == "1" else []
    words += ["use_missing=0"] if found.get("use_missing") == "0" else []
    kinds = {int(one) >> 2 & 3 for line in re.findall(r"^decision_type=(.*)$", text, re.M)
             for one in line.split() if not int(one) & 1}
    words += ["missing=" + ("none", "zero", "nan", "?")[one] for one in sorted(kinds)]
    words += ["categories"] if re.search(r"^num_cat=[1-9]", text, re.M) else []
    pandas = re.search(r"^pandas_categorical:(.*)$", text, re.M)
    words += ["pandas"] if pandas and pandas.group(1).strip() not in ("null", "[]") else []
    words += ["classes=several"] if re.search(r"^num_class=([2-9]|1\d)", text, re.M) else []
    words += ["stopped"] if getattr(booster, "best_iteration", 0) > 0 else []
    return " ".join(words)


# --- Files ----------------------------------------------------------------------------------------

MAGICS = [(b"\x1f\x8b", "gzip"), (b"BZh", "bz2"), (b"\xfd7zXZ", "xz"), (b"\x5d\x00\x00", "lzma"),
          (b"\x04\x22\x4d\x18", "lz4"), (b"tree\n", "LightGBM-text"), (b"binf", "XGBoost-binary")]


def file_fact(path):
    """What kind of file it is, by its bytes."""
    with open(path, "rb") as file:
        head = file.read(1 << 20)
    for magic, name in MAGICS:
        if head.startswith(magic):
            return "file " + name
    if head[:1] == b"\x78":
        return "file zlib"
    if head[:1] == b"\x80":
        joblib = b"NumpyArrayWrapper" in head
        return "file %s protocol=%d" % ("joblib" if joblib else "pickle", head[1])
    if head[:1] == b"{":
        return "file " + ("XGBoost-JSON" if head[1:2] in b'"\n \r' else "XGBoost-UBJSON")
    return "file " + ("XGBoost-binary" if b"gbtree" in head or b"dart" in head else "other")
