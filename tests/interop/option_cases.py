# SPDX-License-Identifier: Apache-2.0
"""What can be said to the estimators of XGBoost and LightGBM that changes what predict gives, one
estimator for each: lists for prove_options.py. NumPy and the trainers are all it needs.

A case: what it is called, estimator, kind of target, what fit is told. What a version does not know
it refuses, at construction or at fit; prove_options.py says so of each.
"""
import numpy as np

from proving import optional

xgb = optional("xgboost")
lgb = optional("lightgbm")

QUERY = 20  # rows of a query


def version_of(module):
    return tuple(int(part) for part in module.__version__.split(".")[:2]) if module else None


XGBOOST, LIGHTGBM = version_of(xgb), version_of(lgb)


class Data:
    """Rows with missing values, and labels and targets of every kind."""

    def __init__(self, rng, count=400, width=5):
        self.rows = np.round(rng.randn(count, width) * 8) / 8
        self.noise = self.rows[:, 0] + np.sin(2 * self.rows[:, 1]) + 0.3 * rng.randn(count)
        self.rows[rng.rand(count, width) < 0.1] = np.nan
        self.codes = self.rows.copy()
        self.codes[:, :2] = rng.randint(0, 9, (count, 2))
        self.noise += self.codes[:, 0] % 3 - 1
        noise = self.noise
        two = (noise > 0).astype(int)
        four = np.digitize(noise, [-1.5, 0, 1.5])
        self.targets = {
            "real": noise, "column": noise[:, None], "reals": np.c_[noise, -2 * noise],
            "two": two, "four": four, "labels": np.c_[noise > 0, noise < 1, noise > -1].astype(int),
            "positive": np.exp(noise / 2), "counts": np.round(np.exp(noise / 2)),
            "share": 1 / (1 + np.exp(-noise)), "grades": np.clip(four, 0, 3),
            "times": np.exp(noise / 2) * np.where(rng.rand(count) < 0.2, -1, 1),
            "words": np.array(["no", "perhaps", "yes, \u00e9", "x"])[four],
            "rare": (noise > np.quantile(noise, 0.985)).astype(int),
            "common": (noise > np.quantile(noise, 0.015)).astype(int),
            "uneven": np.digitize(noise, np.quantile(noise, [0.01, 0.97, 0.985])),
            "edges": 1 / (1 + np.exp(-12 * noise)), "tiny": np.exp(4 * noise - 15),
            "huge": np.round(np.exp(2 * noise + 7)),
            "truth": two.astype(bool), "numbers": four * 10 - 5, "floats": two * 0.5 + 0.25}


# --- Functions of the caller's, which pickles name ------------------------------------------------

def squares(wanted, found):
    return found - wanted, np.ones_like(found)


def logistics(wanted, found):
    chance = 1 / (1 + np.exp(-found))
    return chance - wanted, chance * (1 - chance)


def softmaxes(wanted, found):
    wide = np.exp(found - found.max(axis=1, keepdims=True))
    chance = wide / wide.sum(axis=1, keepdims=True)
    gradient = chance - np.eye(found.shape[1])[wanted.astype(int)]
    return gradient, 2 * chance * (1 - chance)


def mean_error(wanted, found):
    return float(np.mean(np.abs(wanted - found)))


def named_error(wanted, found):
    return "named", float(np.mean(np.abs(wanted - found))), False


def shrink(round_index):
    return 0.5 * 0.9**round_index


def case_maker(**plain):
    """What makes a case of its name, estimator, target and what fit is told; options beside the
    plain ones."""
    def make(name, kind, target, fit=None, **options):
        return name, lambda: kind(**dict(plain, **options)), target, fit or {}
    return make


class Survival:
    """No estimator takes the two bounds of survival:aft."""

    def __init__(self, **options):
        self.rounds = options.pop("n_estimators")
        self.options = dict(options, objective="survival:aft", nthread=options.pop("n_jobs"))

    def fit(self, rows, target):
        data = xgb.DMatrix(rows)
        data.set_float_info("label_lower_bound", target)
        data.set_float_info("label_upper_bound", target * 1.5)
        return xgb.train(self.options, data, self.rounds)


# --- XGBoost --------------------------------------------------------------------------------------

XGBOOST_OBJECTIVES = [
    ("reg:squarederror", "real"), ("reg:linear", "real"), ("reg:squaredlogerror", "positive"),
    ("reg:logistic", "share"), ("reg:pseudohubererror", "real"), ("reg:absoluteerror", "real"),
    ("reg:gamma", "positive"), ("reg:tweedie", "positive"), ("count:poisson", "counts"),
    ("survival:cox", "times"), ("binary:logistic", "two"), ("binary:logitraw", "two"),
    ("binary:hinge", "two"), ("rank:pairwise", "grades"), ("rank:ndcg", "grades")]

# Of a regressor of a number: what may be said beside. One at a time.
XGBOOST_OPTIONS = [
    dict(tree_method="exact"), dict(tree_method="approx"), dict(tree_method="hist", max_bin=5),
    dict(tree_method="hist", grow_policy="lossguide", max_leaves=12, max_depth=0),
    dict(gamma=2.0, tree_method="exact"), dict(min_child_weight=30), dict(max_delta_step=0.2),
    dict(subsample=0.4), dict(colsample_bytree=0.5, colsample_bylevel=0.7, colsample_bynode=0.7),
    dict(reg_alpha=2.0), dict(reg_lambda=0.0), dict(base_score=0.3), dict(base_score=-1e30),
    dict(num_parallel_tree=3, subsample=0.5), dict(monotone_constraints="(1,-1,0,0,0)"),
    dict(monotone_constraints={0: 1, 2: -1}), dict(interaction_constraints="[[0, 1], [2, 3, 4]]"),
    dict(importance_type="weight"), dict(validate_parameters=True), dict(verbosity=0),
    dict(random_state=np.random.RandomState(3)), dict(random_state=np.random.default_rng(3)),
    dict(booster="dart"), dict(booster="dart", rate_drop=0.4, one_drop=1),
    dict(booster="dart", rate_drop=0.5, skip_drop=0.5, sample_type="weighted",
         normalize_type="forest"), dict(booster="dart", rate_drop=0.4, num_parallel_tree=2),
    dict(eval_metric="mae"), dict(eval_metric=["rmse", "mae"]), dict(eval_metric=mean_error),
    dict(objective=squares), dict(missing=-1.0), dict(missing=0.0), dict(missing=None),
    dict(missing=np.float32(0.125)), dict(missing=np.float64(0.1)), dict(missing=-1),
    dict(device="cpu"), dict(n_jobs=None), dict(tree_method="hist", feature_types=["q"] * 5),
    dict(feature_types=["int", "float", "q", "q", "q"]),
    dict(learning_rate=1e-20), dict(n_estimators=1), dict(max_depth=1), dict(seed=7),
    dict(updater="grow_colmaker,prune"), dict(predictor="cpu_predictor"), dict(use_rmm=False),
    dict(disable_default_eval_metric=1), dict(huber_slope=0.3, objective="reg:pseudohubererror"),
    dict(tweedie_variance_power=1.8, objective="reg:tweedie"),
    dict(objective="reg:quantileerror", quantile_alpha=0.2),
    dict(objective="reg:quantileerror", quantile_alpha=[0.2, 0.9, 0.5]),
    dict(objective="reg:quantileerror", quantile_alpha=np.array([0.1, 0.6])),
    dict(objective="reg:quantileerror", quantile_alpha=[0.1, 0.6],
         multi_strategy="multi_output_tree"),
    dict(objective="reg:expectileerror", expectile_alpha=0.2),
    dict(objective="reg:expectileerror", expectile_alpha=[0.2, 0.5, 0.9])]


def xgboost_objectives(make, regressor, classifier):
    for objective, target in XGBOOST_OBJECTIVES:
        kind = (xgb.XGBRanker if target == "grades" else
                classifier if objective.startswith("binary") else regressor)
        yield make(objective, kind, target, objective=objective)
    for options in XGBOOST_OPTIONS:
        words = ", ".join("%s=%s" % (key, getattr(value, "__name__", value))
                          for key, value in sorted(options.items()))
        target = "positive" if options.get("objective") == "reg:tweedie" else "real"
        yield make(words, regressor, target, **options)
    yield make("rank:map", xgb.XGBRanker, "two", objective="rank:map")
    yield make("rank:ndcg, topk", xgb.XGBRanker, "grades", objective="rank:ndcg",
               lambdarank_pair_method="topk", lambdarank_num_pair_per_sample=4)
    for loss in ("normal", "logistic", "extreme"):
        yield make("survival:aft, " + loss, Survival, "positive",
                   aft_loss_distribution=loss, aft_loss_distribution_scale=1.3)


def xgboost_targets(make, regressor, classifier):
    for target in ("column", "reals"):
        yield make("target " + target, regressor, target)
        yield make("target %s, vectors" % target, regressor, target, tree_method="hist",
                   multi_strategy="multi_output_tree")
    yield make("reals, absolute error", regressor, "reals", objective="reg:absoluteerror")
    yield make("reals, dart", regressor, "reals", booster="dart", rate_drop=0.4)
    yield make("reals, base scores", regressor, "reals", base_score=[0.5, -2.0])
    yield make("XGBModel", xgb.XGBModel, "real")
    yield make("XGBModel, classes", xgb.XGBModel, "two", objective="binary:logistic")
    for target in ("two", "four", "labels", "truth"):
        yield make("target " + target, classifier, target)
        yield make("target %s, dart" % target, classifier, target, booster="dart", rate_drop=0.4)
        yield make("target %s, forest" % target, xgb.XGBRFClassifier, target)
    yield make("forest", xgb.XGBRFRegressor, "real")
    yield make("forest, vectors", xgb.XGBRFRegressor, "reals", tree_method="hist",
               multi_strategy="multi_output_tree")
    if XGBOOST < (1, 6):
        yield make("target words", classifier, "words")
        yield make("target numbers", classifier, "numbers")
        yield make("without encoder", classifier, "four", use_label_encoder=False)


def xgboost_classifiers(make, regressor, classifier):
    yield make("classes, vectors", classifier, "four", tree_method="hist",
               multi_strategy="multi_output_tree")
    yield make("labels, vectors", classifier, "labels", tree_method="hist",
               multi_strategy="multi_output_tree")
    yield make("multi:softmax", classifier, "four", objective="multi:softmax")
    yield make("two, multi:softprob", classifier, "two", objective="multi:softprob", num_class=2)
    yield make("two, multi:softmax", classifier, "two", objective="multi:softmax", num_class=2)
    yield make("two, own objective", classifier, "two", objective=logistics)
    yield make("two, reg:squarederror", classifier, "two", objective="reg:squarederror")
    yield make("two, reg:logistic", classifier, "two", objective="reg:logistic")
    yield make("two, count:poisson", classifier, "two", objective="count:poisson")
    yield make("two, weighed", classifier, "two", scale_pos_weight=5.0, base_score=0.9)
    yield make("four, base score", classifier, "four", base_score=0.2)
    yield make("four, base scores", classifier, "four", base_score=[0.1, 0.2, 0.3, 0.4])
    yield make("categories", regressor, "real", {"codes": True}, tree_method="hist",
               enable_categorical=True, feature_types=["c", "c", "q", "q", "q"])
    yield make("categories, one by one", regressor, "real", {"codes": True}, tree_method="hist",
               enable_categorical=True, feature_types=["c", "c", "q", "q", "q"],
               max_cat_to_onehot=40)
    yield make("categories, sets", classifier, "two", {"codes": True}, tree_method="hist",
               enable_categorical=True, feature_types=["c", "c", "q", "q", "q"],
               max_cat_to_onehot=2, max_cat_threshold=3)
    yield make("names", regressor, "real", {"frame": True})


def xgboost_fits(make, regressor, classifier):
    """What fit is told."""
    for name, kind, target in (("real", regressor, "real"), ("two", classifier, "two"),
                               ("four", classifier, "four"), ("grades", xgb.XGBRanker, "grades")):
        stop = dict(n_estimators=60, learning_rate=0.9)
        yield make("stopped, " + name, kind, target, {"stop": 3}, **stop)
        yield make("stopped, parallel, " + name, kind, target, {"stop": 3}, num_parallel_tree=2,
                   subsample=0.5, **stop)
        yield make("stopped, dart, " + name, kind, target, {"stop": 3}, booster="dart",
                   rate_drop=0.3, **stop)
        yield make("margins of rows, " + name, kind, target, {"margin": True})
        yield make("weights of rows, " + name, kind, target, {"weight": True})
        yield make("gone on with, " + name, kind, target, {"again": True})
        yield make("gone on with, stopped, " + name, kind, target, {"again": True, "stop": 3},
                   **stop)
        yield make("cut to the best, " + name, kind, target, {"best": True}, **stop)
    yield make("stopped, reals", regressor, "reals", {"stop": 3}, n_estimators=60,
               learning_rate=0.9)
    yield make("stopped, vectors", regressor, "reals", {"stop": 3}, n_estimators=60,
               learning_rate=0.9, tree_method="hist", multi_strategy="multi_output_tree")
    yield make("a schedule", regressor, "real", {"schedule": True})


def xgboost_skewed(make, regressor, classifier):
    """Probabilities and values near 0 and near 1, far apart: units of a small number are small."""
    for rate in (0.3, 10.0):
        more = dict(learning_rate=rate, min_child_weight=0, reg_lambda=0.01)
        for target in ("rare", "common", "uneven"):
            yield make("skewed %s %g" % (target, rate), classifier, target, **more)
        yield make("skewed uneven %g, softmax" % rate, classifier, "uneven",
                   objective="multi:softmax", **more)
        yield make("skewed reg:logistic %g" % rate, regressor, "edges", objective="reg:logistic",
                   **more)
        for objective in ("count:poisson", "reg:gamma", "reg:tweedie"):
            for target in ("tiny", "huge"):
                yield make("skewed %s %s %g" % (objective, target, rate), regressor, target,
                           objective=objective, **more)
    for base in (1e-6, 1 - 1e-6):
        yield make("skewed base score %g" % base, classifier, "rare", base_score=base)
    yield make("skewed expectiles", regressor, "huge", objective="reg:expectileerror",
               expectile_alpha=[0.01, 0.5, 0.99])


def xgboost_cases():
    make = case_maker(n_estimators=6, max_depth=3, n_jobs=1)
    for cases in (xgboost_objectives, xgboost_targets, xgboost_classifiers, xgboost_fits,
                  xgboost_skewed):
        yield from cases(make, xgb.XGBRegressor, xgb.XGBClassifier)


# --- LightGBM -------------------------------------------------------------------------------------

LIGHTGBM_OBJECTIVES = [
    ("regression", "real"), ("l2", "real"), ("mse", "real"), ("rmse", "real"),
    ("mean_squared_error", "real"), ("l2_root", "real"), ("regression_l2", "real"),
    ("regression_l1", "real"), ("l1", "real"), ("mae", "real"), ("mean_absolute_error", "real"),
    ("huber", "real"), ("fair", "real"), ("poisson", "counts"), ("quantile", "real"),
    ("mape", "positive"), ("mean_absolute_percentage_error", "positive"), ("gamma", "positive"),
    ("tweedie", "positive"), ("binary", "two"), ("multiclass", "four"), ("softmax", "four"),
    ("multiclassova", "four"), ("multiclass_ova", "four"), ("ova", "four"), ("ovr", "four"),
    ("cross_entropy", "share"), ("xentropy", "share"), ("cross_entropy_lambda", "share"),
    ("xentlambda", "share"), ("lambdarank", "grades"), ("rank_xendcg", "grades"),
    ("xendcg", "grades"), ("xe_ndcg", "grades"), ("xe_ndcg_mart", "grades"),
    ("xendcg_mart", "grades")]

# Said of a regressor of a number and of a classifier of two classes; one at a time.
LIGHTGBM_OPTIONS = [
    dict(boosting_type="dart"), dict(boosting_type="dart", drop_rate=0.5, skip_drop=0.1),
    dict(boosting_type="dart", xgboost_dart_mode=True, uniform_drop=True, drop_rate=0.5),
    dict(boosting_type="goss"), dict(data_sample_strategy="goss"),
    dict(boosting_type="rf", subsample=0.6, subsample_freq=1),
    dict(boosting="random_forest", bagging_fraction=0.6, bagging_freq=1),
    dict(linear_tree=True), dict(linear_tree=True, linear_lambda=1.0, max_depth=2),
    dict(extra_trees=True), dict(path_smooth=3.0), dict(max_delta_step=0.1),
    dict(use_quantized_grad=True, num_grad_quant_bins=8), dict(zero_as_missing=True),
    dict(use_missing=False), dict(use_missing=False, zero_as_missing=True),
    dict(boost_from_average=False), dict(max_depth=2), dict(num_leaves=2), dict(max_bin=7),
    dict(min_split_gain=1.0), dict(reg_alpha=1.0, reg_lambda=5.0), dict(colsample_bytree=0.4),
    dict(feature_fraction_bynode=0.5), dict(subsample=0.5, subsample_freq=2),
    dict(monotone_constraints=[1, -1, 0, 0, 0]),
    dict(monotone_constraints=[1, 0, 0, 0, 0], monotone_constraints_method="advanced"),
    dict(interaction_constraints=[[0, 1], [2, 3, 4]]), dict(importance_type="gain"),
    dict(random_state=np.random.RandomState(3)), dict(random_state=np.random.default_rng(3)),
    dict(n_jobs=None), dict(min_child_samples=1000), dict(predict_disable_shape_check=True),
    dict(pred_early_stop=True, pred_early_stop_freq=1, pred_early_stop_margin=0.3),
    dict(feature_contri=[2.0, 1.0, 1.0, 0.5, 0.1]), dict(refit_decay_rate=0.5),
    dict(deterministic=True, force_row_wise=True), dict(enable_bundle=False),
    dict(learning_rate=1e-20), dict(n_estimators=1), dict(num_iterations=4), dict(n_iter=3),
    dict(bin_construct_sample_cnt=50), dict(min_data_in_bin=40), dict(reg_sqrt=True),
    dict(cegb_penalty_split=0.1), dict(cegb_tradeoff=0.5, cegb_penalty_feature_coupled=[1.0] * 5),
    dict(top_k=3, tree_learner="voting"), dict(snapshot_freq=2),
    dict(saved_feature_importance_type=1)]


def lightgbm_objectives(make, regressor, classifier):
    for objective, target in LIGHTGBM_OBJECTIVES:
        kind = (lgb.LGBMRanker if target == "grades" else
                classifier if target in ("two", "four") else regressor)
        yield make(objective, kind, target, objective=objective)
    for options in LIGHTGBM_OPTIONS:
        if "use_quantized_grad" in options and LIGHTGBM == (4, 0):
            continue  # can crash in training
        words = ", ".join("%s=%s" % pair for pair in sorted(options.items()))
        yield make(words, regressor, "real", **options)
        if "reg_sqrt" not in options:
            yield make(words + ", two", classifier, "two", **options)
            yield make(words + ", four", classifier, "four", **options)


def lightgbm_classifiers(make, regressor, classifier):
    for target in ("two", "four", "words", "truth", "numbers", "floats"):
        yield make("target " + target, classifier, target)
    for target in ("two", "words"):
        yield make("balanced, " + target, classifier, target, class_weight="balanced")
    yield make("class weights", classifier, "two", class_weight={0: 1.0, 1: 5.0})
    yield make("unbalanced", classifier, "two", is_unbalance=True)
    yield make("scale_pos_weight", classifier, "two", scale_pos_weight=0.2)
    yield make("multiclassova, unbalanced", classifier, "four", objective="multiclassova",
               is_unbalance=True, sigmoid=0.7)
    yield make("two, multiclass", classifier, "two", objective="multiclass", num_class=2)
    yield make("two, multiclassova", classifier, "two", objective="multiclassova", num_class=2)
    yield make("two, cross_entropy", classifier, "two", objective="cross_entropy")
    yield make("two, regression", classifier, "two", objective="regression")
    for value in (0.5, 2.0, 1e-3):
        yield make("sigmoid %g" % value, classifier, "two", sigmoid=value)


def lightgbm_models(make, regressor, classifier):
    for objective, options in (("huber", dict(alpha=0.3)), ("fair", dict(fair_c=3.0)),
                               ("quantile", dict(alpha=0.1)), ("poisson", dict(
                                   poisson_max_delta_step=0.1))):
        yield make("%s %s" % (objective, options), regressor, "counts", objective=objective,
                   **options)
    yield make("tweedie, power", regressor, "positive", objective="tweedie",
               tweedie_variance_power=1.9)
    yield make("poisson, root", regressor, "positive", objective="regression", reg_sqrt=True)
    yield make("own objective", regressor, "real", objective=squares)
    yield make("two, own objective", classifier, "two", objective=logistics)
    yield make("four, own objective", classifier, "four", objective=softmaxes, num_class=4)
    yield make("LGBMModel", lgb.LGBMModel, "real", objective="regression")
    yield make("LGBMModel, two", lgb.LGBMModel, "two", objective="binary")
    yield make("LGBMModel, four", lgb.LGBMModel, "four", objective="multiclass", num_class=4)
    yield make("categories", regressor, "real", {"codes": True}, min_data_per_group=5)
    yield make("categories, one by one", classifier, "two", {"codes": True}, max_cat_to_onehot=40,
               cat_l2=0.0, cat_smooth=0.1, min_data_per_group=1)
    yield make("categories, a forest", classifier, "four", {"codes": True}, boosting_type="rf",
               subsample=0.6, subsample_freq=1, max_cat_threshold=2, min_data_per_group=5)
    yield make("names", regressor, "real", {"frame": True})


def lightgbm_fits(make, regressor, classifier):
    """What fit is told, and what predict is by the estimator's options."""
    for name, kind, target in (("real", regressor, "real"), ("two", classifier, "two"),
                               ("four", classifier, "four"), ("grades", lgb.LGBMRanker, "grades")):
        stop = dict(n_estimators=60, learning_rate=0.9)
        yield make("stopped, " + name, kind, target, {"stop": 3}, **stop)
        yield make("stopped, linear, " + name, kind, target, {"stop": 3}, linear_tree=True, **stop)
        yield make("stopped by an option, " + name, kind, target, {"held": True},
                   early_stopping_round=3, **stop)
        yield make("margins of rows, " + name, kind, target, {"margin": True})
        yield make("weights of rows, " + name, kind, target, {"weight": True})
        yield make("gone on with, " + name, kind, target, {"again": True})
        yield make("gone on with, stopped, " + name, kind, target, {"again": True, "stop": 3},
                   **stop)
    yield make("pred_early_stop=True, grades", lgb.LGBMRanker, "grades", pred_early_stop=True,
               pred_early_stop_freq=1, pred_early_stop_margin=0.3)
    yield make("pred_early_stop=False, two", classifier, "two", pred_early_stop=False)
    for option, value in (("start_iteration_predict", 1), ("num_iteration_predict", 1),
                          ("predict_raw_score", True), ("predict_leaf_index", True)):
        yield make(option, classifier, "two", **{option: value})
    yield make("a schedule", regressor, "real", {"schedule": True})


def lightgbm_skewed(make, regressor, classifier):
    """Probabilities and values near 0 and near 1, far apart: units of a small number are small."""
    for rate in (0.3, 10.0):
        more = dict(learning_rate=rate, min_child_samples=1)
        for target in ("rare", "common", "uneven"):
            yield make("skewed %s %g" % (target, rate), classifier, target, **more)
        yield make("skewed rare %g, balanced" % rate, classifier, "rare", is_unbalance=True,
                   sigmoid=2.5, **more)
        yield make("skewed rare %g, cross_entropy" % rate, classifier, "rare",
                   objective="cross_entropy", **more)
        yield make("skewed uneven %g, multiclassova" % rate, classifier, "uneven",
                   objective="multiclassova", **more)
        for objective in ("cross_entropy", "cross_entropy_lambda"):
            for target in ("edges", "rare", "common"):
                yield make("skewed %s %s %g" % (objective, target, rate), regressor, target,
                           objective=objective, **more)
        for objective in ("poisson", "gamma", "tweedie"):
            for target in ("tiny", "huge"):
                yield make("skewed %s %s %g" % (objective, target, rate), regressor, target,
                           objective=objective, **more)


def lightgbm_cases():
    plain = dict(n_estimators=6, num_leaves=7, min_child_samples=5, n_jobs=1)
    plain.update({"verbose": -1} if LIGHTGBM >= (3, 3) else {})
    make = case_maker(**plain)
    for cases in (lightgbm_objectives, lightgbm_classifiers, lightgbm_models, lightgbm_fits,
                  lightgbm_skewed):
        yield from cases(make, lgb.LGBMRegressor, lgb.LGBMClassifier)
