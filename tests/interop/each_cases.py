# SPDX-License-Identifier: Apache-2.0
"""Every estimator, loss, option and transformer of scikit-learn that semantics.md says is
converted, one model for each: lists for prove_each.py.

A case: what it is called, and a function of the data that gives a trained model and, where it is
asked for another, the rows. What a version does not know it refuses, at construction or at fit.
"""
import numpy as np
import sklearn

VERSION = tuple(int(part) for part in sklearn.__version__.split(".")[:2])
if VERSION < (1, 0):
    from sklearn.experimental import enable_hist_gradient_boosting
if VERSION >= (0, 24):
    from sklearn.experimental import enable_halving_search_cv
import sklearn.calibration
import sklearn.compose
import sklearn.dummy
import sklearn.ensemble
import sklearn.feature_selection
import sklearn.impute
import sklearn.linear_model
import sklearn.model_selection
import sklearn.multiclass
import sklearn.multioutput
import sklearn.pipeline
import sklearn.preprocessing
import sklearn.tree

from prove_pipelines import make_data, no_score

MODULES = [getattr(sklearn, name) for name in (
    "calibration", "compose", "dummy", "ensemble", "feature_selection", "impute", "linear_model",
    "model_selection", "multiclass", "multioutput", "pipeline", "preprocessing", "tree")]
if VERSION >= (1, 6):
    import sklearn.frozen
    MODULES.append(sklearn.frozen)


class Names:
    """Classes of scikit-learn by name, where this version has them."""

    def __getattr__(self, name):
        for module in MODULES:
            if hasattr(module, name):
                return getattr(module, name)
        raise TypeError("scikit-learn %s has no %s" % (sklearn.__version__, name))


S = Names()


def base(estimator):
    """base_estimator was called estimator from 1.2 on."""
    return {"estimator" if VERSION >= (1, 2) else "base_estimator": estimator}


def inner(estimator):
    """Of CalibratedClassifierCV, too."""
    return base(estimator)


def tree(**options):
    return S.DecisionTreeClassifier(**dict(dict(max_depth=4, random_state=0), **options))


def tree_of_values(**options):
    return S.DecisionTreeRegressor(**dict(dict(max_depth=4, random_state=0), **options))


def forest(**options):
    return S.RandomForestClassifier(**dict(dict(n_estimators=4, max_depth=5, random_state=0),
                                           **options))


def forest_of_values(**options):
    return S.RandomForestRegressor(**dict(dict(n_estimators=4, max_depth=5, random_state=0),
                                          **options))


def bins(**options):
    return S.HistGradientBoostingClassifier(**dict(dict(max_iter=3, random_state=0), **options))


def bins_of_values(**options):
    return S.HistGradientBoostingRegressor(**dict(dict(max_iter=3, random_state=0), **options))


# --- Trees, forests -------------------------------------------------------------------------------

def tree_cases():
    for kind in ("DecisionTree", "ExtraTree", "RandomForest", "ExtraTrees"):
        many = {"n_estimators": 5} if kind in ("RandomForest", "ExtraTrees") else {}
        for criterion in ("gini", "entropy", "log_loss"):
            yield "%sClassifier %s" % (kind, criterion), lambda d, k=kind, m=many, c=criterion: \
                getattr(S, k + "Classifier")(criterion=c, max_depth=6, random_state=0, **m).fit(
                    d.rows, d.words)
        for criterion in ("mse", "mae", "squared_error", "absolute_error", "friedman_mse",
                          "poisson"):
            yield "%sRegressor %s" % (kind, criterion), lambda d, k=kind, m=many, c=criterion: \
                getattr(S, k + "Regressor")(criterion=c, max_depth=6, random_state=0, **m).fit(
                    d.rows, d.positive)
        for name, options in (("leaves", dict(max_leaf_nodes=9)), ("pruned", dict(ccp_alpha=0.01)),
                              ("monotone", dict(monotonic_cst=[1, -1, 0, 0, 0, 0])),
                              ("splitter", dict(splitter="random"))):
            if many and name == "splitter":
                continue
            yield "%sRegressor %s" % (kind, name), lambda d, k=kind, m=many, o=options: getattr(
                S, k + "Regressor")(random_state=0, **dict(m, **o)).fit(d.rows, d.real)
        yield "%sClassifier outputs" % kind, lambda d, k=kind, m=many: getattr(
            S, k + "Classifier")(max_depth=5, random_state=0, **m).fit(
                d.rows, np.c_[d.two, d.four])
        yield "%sRegressor outputs" % kind, lambda d, k=kind, m=many: getattr(
            S, k + "Regressor")(max_depth=5, random_state=0, **m).fit(
                d.rows, np.c_[d.real, d.positive])
        yield "%sClassifier gaps" % kind, lambda d, k=kind, m=many: (getattr(
            S, k + "Classifier")(max_depth=6, random_state=0, **m).fit(d.gaps, d.four),
                                                                     d.asked_gaps)


# --- Boosting -------------------------------------------------------------------------------------

def gradient_cases():
    for loss in ("deviance", "log_loss", "exponential"):
        for target in ("two", "words") if loss != "exponential" else ("two",):
            yield "GradientBoostingClassifier %s %s" % (loss, target), lambda d, l=loss, t=target: \
                S.GradientBoostingClassifier(loss=l, n_estimators=4, random_state=0).fit(
                    d.rows, getattr(d, t))
    for loss in ("ls", "lad", "squared_error", "absolute_error", "huber", "quantile"):
        yield "GradientBoostingRegressor " + loss, lambda d, l=loss: S.GradientBoostingRegressor(
            loss=l, alpha=0.8, n_estimators=4, random_state=0).fit(d.rows, d.real)
    for strategy in ("prior", "most_frequent", "uniform", "constant"):
        for target in ("two", "four"):
            yield "first guess %s %s" % (strategy, target), lambda d, s=strategy, t=target: \
                S.GradientBoostingClassifier(n_estimators=3, random_state=0, init=S.DummyClassifier(
                    strategy=s, constant=1 if s == "constant" else None)).fit(
                        d.rows, getattr(d, t))
    for strategy in ("mean", "median", "quantile", "constant"):
        yield "first guess " + strategy, lambda d, s=strategy: S.GradientBoostingRegressor(
            n_estimators=3, random_state=0, init=S.DummyRegressor(
                strategy=s, quantile=0.3 if s == "quantile" else None,
                constant=-0.5 if s == "constant" else None)).fit(d.rows, d.real)
    for target in ("two", "four"):
        yield "first guess zero " + target, lambda d, t=target: S.GradientBoostingClassifier(
            n_estimators=3, random_state=0, init="zero").fit(d.rows, getattr(d, t))
    yield "first guess of a forest", lambda d: S.GradientBoostingClassifier(
        n_estimators=3, random_state=0, init=forest()).fit(d.rows, d.words)
    yield "first guess of a forest, values", lambda d: S.GradientBoostingRegressor(
        n_estimators=3, random_state=0, init=forest_of_values()).fit(d.rows, d.real)
    yield "first guess zero", lambda d: S.GradientBoostingRegressor(
        n_estimators=3, random_state=0, init="zero").fit(d.rows, d.real)
    for name, options in (("stopped", dict(n_iter_no_change=2, n_estimators=30, learning_rate=1)),
                          ("subsample", dict(subsample=0.5)), ("pruned", dict(ccp_alpha=0.01)),
                          ("leaves", dict(max_leaf_nodes=5, max_depth=None)),
                          ("warm", dict(warm_start=True))):
        yield "GradientBoostingRegressor " + name, lambda d, o=options: S.GradientBoostingRegressor(
            **dict(dict(n_estimators=4, random_state=0), **o)).fit(d.rows, d.real)


def histogram_cases():
    for loss in ("auto", "binary_crossentropy", "categorical_crossentropy", "log_loss"):
        for target in ("two", "words"):
            yield "HistGradientBoostingClassifier %s %s" % (loss, target), lambda d, l=loss, \
                t=target: (bins(loss=l).fit(d.gaps, getattr(d, t)), d.asked_gaps)
    for loss in ("least_squares", "least_absolute_deviation", "squared_error", "absolute_error",
                 "poisson", "quantile", "gamma"):
        yield "HistGradientBoostingRegressor " + loss, lambda d, l=loss: (bins_of_values(
            loss=l, **{"quantile": 0.7} if l == "quantile" else {}).fit(d.gaps, d.positive),
                                                                          d.asked_gaps)
    for name, options in (("stopped", dict(n_iter_no_change=2, max_iter=30, learning_rate=1.0)),
                          ("stopped early", dict(early_stopping=True, max_iter=30)),
                          ("monotone", dict(monotonic_cst=[1, -1, 0, 0, 0, 0])),
                          ("interactions", dict(interaction_cst="no_interactions")),
                          ("some features", dict(max_features=0.5)),
                          ("few bins", dict(max_bins=5)), ("warm", dict(warm_start=True))):
        yield "HistGradientBoostingRegressor " + name, lambda d, o=options: (
            bins_of_values(**o).fit(d.gaps, d.real), d.asked_gaps)
    for name, columns in (("numbers", [4, 5]), ("mask", [False] * 4 + [True] * 2)):
        for maker, target in ((bins, "two"), (bins, "words"), (bins_of_values, "real")):
            yield "categories by %s %s" % (name, target), lambda d, c=columns, m=maker, t=target: (
                m(categorical_features=c, max_iter=6).fit(d.gaps, getattr(d, t)), d.asked_gaps)


def skewed_cases():
    """Rare classes, steep sums: probabilities near 0 and near 1, whose units are small."""
    for rate in (0.3, 30.0):
        gradient = lambda r=rate: S.GradientBoostingClassifier(
            n_estimators=4, learning_rate=r, random_state=0)
        for target in ("rare", "uneven"):
            for name, make in (("gradient", gradient), ("histogram", lambda r=rate: bins(
                    learning_rate=r, min_samples_leaf=1))):
                yield "skewed %s %s %g" % (name, target, rate), lambda d, m=make, t=target: m().fit(
                    d.rows, getattr(d, t))
                yield "skewed bagging of %s %s %g" % (name, target, rate), lambda d, m=make, \
                    t=target: S.BaggingClassifier(n_estimators=3, random_state=0, **base(m())).fit(
                        d.rows, getattr(d, t))
                yield "skewed vote of %s %s %g" % (name, target, rate), lambda d, m=make, \
                    t=target: S.VotingClassifier([("m", m()), ("t", tree())], voting="soft").fit(
                        d.rows, getattr(d, t))
                yield "skewed one of rest, %s %s %g" % (name, target, rate), lambda d, m=make, \
                    t=target: S.OneVsRestClassifier(m()).fit(d.rows, getattr(d, t))
                yield "skewed calibrated %s %s %g" % (name, target, rate), lambda d, m=make, \
                    t=target: S.CalibratedClassifierCV(cv=2, **inner(m())).fit(
                        d.rows, getattr(d, t))
                yield "skewed outputs of %s %s %g" % (name, target, rate), lambda d, m=make, \
                    t=target: S.MultiOutputClassifier(m()).fit(d.rows, np.c_[d.two, getattr(d, t)])
        yield "skewed exponential %g" % rate, lambda d, r=rate: S.GradientBoostingClassifier(
            loss="exponential", n_estimators=4, learning_rate=r, random_state=0).fit(d.rows, d.rare)
        for loss in ("poisson", "gamma"):
            for target in ("tiny", "huge"):
                yield "skewed %s %s %g" % (loss, target, rate), lambda d, l=loss, t=target, \
                    r=rate: bins_of_values(loss=l, learning_rate=r).fit(d.rows, getattr(d, t))
    for target in ("rare", "uneven"):
        yield "skewed AdaBoost " + target, lambda d, t=target: S.AdaBoostClassifier(
            n_estimators=8, learning_rate=2.0, random_state=0, **base(tree(max_depth=2))).fit(
                d.rows, getattr(d, t))
        yield "skewed calibrated forest " + target, lambda d, t=target: S.CalibratedClassifierCV(
            cv=2, **inner(forest())).fit(d.rows, getattr(d, t))


def isolation_cases():
    for name, options in (("plain", {}), ("samples", dict(max_samples=0.3)),
                          ("a number", dict(max_samples=20)), ("features", dict(max_features=0.5)),
                          ("contamination", dict(contamination=0.2)),
                          ("bootstrap", dict(bootstrap=True))):
        yield "IsolationForest " + name, lambda d, o=options: S.IsolationForest(
            n_estimators=6, random_state=0, **o).fit(d.rows)


# --- Estimators of others -------------------------------------------------------------------------

def members():
    """(name, of classes, of values)"""
    yield "tree", tree, tree_of_values
    yield "forest", forest, forest_of_values
    yield "extra trees", lambda: S.ExtraTreesClassifier(4, max_depth=5, random_state=0), \
        lambda: S.ExtraTreesRegressor(4, max_depth=5, random_state=0)
    yield "gradient boosting", lambda: S.GradientBoostingClassifier(
        n_estimators=3, random_state=0), lambda: S.GradientBoostingRegressor(n_estimators=3,
                                                                             random_state=0)
    yield "histogram boosting", bins, bins_of_values


def bagging_cases():
    for name, classes, values in members():
        for kind, make, target in (("Classifier", classes, "words"), ("Regressor", values, "real")):
            subsets = [dict(max_features=0.6, bootstrap_features=True)]
            if name == "tree":
                subsets += [dict(), dict(max_features=0.5), dict(bootstrap=False, max_samples=0.5)]
            for options in subsets:
                yield "Bagging%s %s %s" % (kind, name, options), lambda d, k=kind, m=make, \
                    t=target, o=options: getattr(S, "Bagging" + k)(
                        n_estimators=3, random_state=0, **dict(o, **base(m()))).fit(
                            d.rows, getattr(d, t))
    yield "BaggingClassifier plain", lambda d: S.BaggingClassifier(n_estimators=3,
                                                                   random_state=0).fit(
        d.rows, d.two)


def adaboost_cases():
    for algorithm in ("SAMME", "SAMME.R"):
        for target in ("two", "words"):
            options = {} if VERSION >= (1, 8) else {"algorithm": algorithm}
            if options or algorithm == "SAMME":
                yield "AdaBoostClassifier %s %s" % (algorithm, target), lambda d, o=options, \
                    t=target: S.AdaBoostClassifier(n_estimators=5, random_state=0, **dict(
                        o, **base(tree(max_depth=2)))).fit(d.rows, getattr(d, t))
    for loss in ("linear", "square", "exponential"):
        yield "AdaBoostRegressor " + loss, lambda d, l=loss: S.AdaBoostRegressor(
            n_estimators=5, random_state=0, loss=l).fit(d.rows, d.real)
    yield "AdaBoostRegressor forest", lambda d: S.AdaBoostRegressor(
        n_estimators=3, random_state=0, **base(forest_of_values())).fit(d.rows, d.real)


def voting_cases():
    for voting in ("soft", "hard"):
        for weights in (None, [2, 1, 0.5]):
            for target in ("two", "words"):
                yield "VotingClassifier %s %s %s" % (voting, weights, target), lambda d, v=voting, \
                    w=weights, t=target: S.VotingClassifier(
                        [("t", tree()), ("f", forest()), ("h", bins())], voting=v, weights=w).fit(
                            d.rows, getattr(d, t))
    for weights in (None, [2, 1, 0.5]):
        yield "VotingRegressor %s" % weights, lambda d, w=weights: S.VotingRegressor(
            [("t", tree_of_values()), ("f", forest_of_values()), ("h", bins_of_values())],
            weights=w).fit(d.rows, d.real)
    yield "VotingClassifier dropped", lambda d: S.VotingClassifier(
        [("t", tree()), ("f", "drop"), ("h", forest())], voting="soft").fit(d.rows, d.four)


def calibrated_cases():
    for method in ("sigmoid", "isotonic", "temperature"):
        for name, classes, _ in list(members())[:2]:
            for target in ("two", "words"):
                for ensemble in (True, False):
                    options = {"ensemble": ensemble} if VERSION >= (0, 24) else {}
                    if options or ensemble:
                        yield "CalibratedClassifierCV %s %s %s %s" % (
                            method, name, target, ensemble), lambda d, m=method, c=classes, \
                            t=target, o=options: S.CalibratedClassifierCV(
                                method=m, cv=2, **dict(o, **inner(c()))).fit(
                                    d.rows, getattr(d, t))
    for method in ("sigmoid", "isotonic"):
        yield "CalibratedClassifierCV prefit " + method, lambda d, m=method: \
            S.CalibratedClassifierCV(method=m, cv="prefit", **inner(forest().fit(
                d.rows[:200], d.words[:200]))).fit(d.rows[200:], d.words[200:])
    for method in ("sigmoid", "isotonic", "temperature"):
        yield "CalibratedClassifierCV frozen " + method, lambda d, m=method: \
            S.CalibratedClassifierCV(S.FrozenEstimator(forest().fit(
                d.rows[:200], d.words[:200])), method=m).fit(d.rows[200:], d.words[200:])


def wrapper_cases():
    for name, classes, values in list(members())[::2]:
        yield "MultiOutputClassifier " + name, lambda d, c=classes: S.MultiOutputClassifier(
            c()).fit(d.rows, np.c_[d.two, d.four])
        yield "MultiOutputRegressor " + name, lambda d, v=values: S.MultiOutputRegressor(v()).fit(
            d.rows, np.c_[d.real, d.positive])
        for target in ("two", "words", "marks"):
            yield "OneVsRestClassifier %s %s" % (name, target), lambda d, c=classes, t=target: \
                S.OneVsRestClassifier(c()).fit(d.rows, getattr(d, t))
    for func, inverse in ((np.log, np.exp), (np.log1p, np.expm1), (np.sqrt, np.square),
                          (np.square, np.sqrt), (np.exp, np.log), (np.expm1, np.log1p),
                          (np.log2, np.exp2), (None, None)):
        yield "TransformedTargetRegressor %s" % getattr(inverse, "__name__", None), \
            lambda d, f=func, i=inverse: S.TransformedTargetRegressor(
                forest_of_values(), func=f, inverse_func=i, check_inverse=False).fit(
                    d.rows, d.positive)
    for name in ("StandardScaler", "MinMaxScaler", "MaxAbsScaler", "RobustScaler"):
        yield "TransformedTargetRegressor " + name, lambda d, n=name: S.TransformedTargetRegressor(
            forest_of_values(), transformer=getattr(S, n)()).fit(d.rows, d.real)


def search_cases():
    grid = {"max_depth": [2, 4]}
    for name, options in (("GridSearchCV", {}), ("RandomizedSearchCV", dict(n_iter=2)),
                          ("HalvingGridSearchCV", {}), ("HalvingRandomSearchCV", {})):
        more = {} if name == "GridSearchCV" else {"random_state": 0}
        for kind, maker, target in (("forest", forest, "words"),
                                    ("regressor", forest_of_values, "real"),
                                    ("histogram", bins, "two")):
            yield "%s %s" % (name, kind), lambda d, n=name, o=dict(options, **more), m=maker, \
                t=target: getattr(S, n)(m(), grid, cv=2, **o).fit(d.rows, getattr(d, t))
    yield "GridSearchCV refit by a function", lambda d: S.GridSearchCV(
        forest(), grid, cv=2, refit=first_of, scoring=["accuracy", "f1_macro"]).fit(d.rows, d.four)
    yield "FrozenEstimator", lambda d: S.FrozenEstimator(forest().fit(d.rows, d.words))


def first_of(results):
    """Which candidate a search keeps."""
    return 1


# --- Steps ----------------------------------------------------------------------------------------
# Of the data of prove_pipelines.py: a name and what makes the steps; "gaps" in the name means
# missing values, "frame" a data frame.

def scaler_steps():
    for centre in (True, False):
        for scale in (True, False):
            yield "StandardScaler %s %s" % (centre, scale), lambda c=centre, s=scale: [
                S.StandardScaler(with_mean=c, with_std=s)]
            yield "RobustScaler %s %s" % (centre, scale), lambda c=centre, s=scale: [
                S.RobustScaler(with_centering=c, with_scaling=s)]
    yield "RobustScaler range", lambda: [S.RobustScaler(quantile_range=(10, 80))]
    yield "RobustScaler unit", lambda: [S.RobustScaler(unit_variance=True)]
    yield "StandardScaler gaps", lambda: [S.StandardScaler()]
    yield "MinMaxScaler", lambda: [S.MinMaxScaler()]
    yield "MinMaxScaler range", lambda: [S.MinMaxScaler((-3, 0.7))]
    yield "MinMaxScaler clip", lambda: [S.MinMaxScaler(clip=True)]
    yield "MaxAbsScaler", lambda: [S.MaxAbsScaler()]
    yield "MaxAbsScaler clip", lambda: [S.MaxAbsScaler(clip=True)]
    yield "Binarizer", lambda: [S.Binarizer(threshold=0.1)]


def imputer_steps():
    for strategy in ("mean", "median", "most_frequent", "constant"):
        for marks in (False, True):
            yield "SimpleImputer %s %s gaps" % (strategy, marks), lambda s=strategy, m=marks: [
                S.SimpleImputer(strategy=s, add_indicator=m)]
        yield "SimpleImputer %s of a number" % strategy, lambda s=strategy: [
            S.SimpleImputer(missing_values=2.5, strategy=s)]
        yield "SimpleImputer %s kept gaps" % strategy, lambda s=strategy: [
            S.SimpleImputer(strategy=s, keep_empty_features=True)]
    yield "SimpleImputer value gaps", lambda: [S.SimpleImputer(strategy="constant", fill_value=7)]
    yield "SimpleImputer function gaps", lambda: [S.SimpleImputer(strategy=np.max)]
    for features in ("missing-only", "all"):
        yield "MissingIndicator %s gaps" % features, lambda f=features: [
            S.MissingIndicator(features=f, error_on_new=False)]
    yield "MissingIndicator of a number", lambda: [S.MissingIndicator(missing_values=2.5,
                                                                      features="all")]


def columns_of(step):
    """On the columns of categories, others as they are."""
    return S.ColumnTransformer([("codes", step, [5, 6, 7])], remainder="passthrough")


def one_hot(**options):
    if "sparse_output" in options and VERSION < (1, 2):
        options["sparse"] = options.pop("sparse_output")
    return S.OneHotEncoder(**options)


def encoder_steps():
    for drop in (None, "first", "if_binary", [0, 7, 1]):
        for unknown in ("error", "ignore", "infrequent_if_exist", "warn"):
            yield "OneHotEncoder %s %s" % (drop, unknown), lambda p=drop, u=unknown: [columns_of(
                one_hot(drop=p, handle_unknown=u))]
    for name, options in (("dense", dict(sparse_output=False)), ("small", dict(dtype=np.int8)),
                          ("narrow", dict(dtype=np.float32)), ("few", dict(min_frequency=12)),
                          ("share", dict(min_frequency=0.1)), ("most", dict(max_categories=2)),
                          ("given", dict(categories=[range(6), [-1.5, 0.25, 7, 1e10], [0, 1, 2]]))):
        yield "OneHotEncoder " + name, lambda o=options: [columns_of(one_hot(**o))]
    for drop in ("first", "if_binary"):
        yield "OneHotEncoder rare %s" % drop, lambda p=drop: [columns_of(one_hot(
            drop=p, min_frequency=12, handle_unknown="infrequent_if_exist"))]
    for name, options in (
            ("plain", {}), ("float32", dict(dtype=np.float32)), ("integers", dict(dtype=np.int32)),
            ("unknown", dict(handle_unknown="use_encoded_value", unknown_value=-1)),
            ("unknown nan", dict(handle_unknown="use_encoded_value", unknown_value=np.nan)),
            ("few", dict(min_frequency=12)), ("most", dict(max_categories=2)),
            ("few unknown", dict(min_frequency=12, handle_unknown="use_encoded_value",
                                 unknown_value=99)),
            ("given", dict(categories=[range(6), [-1.5, 0.25, 7, 1e10], [0, 1, 2]]))):
        yield "OrdinalEncoder " + name, lambda o=options: [columns_of(S.OrdinalEncoder(**o))]
    for name, options in (("missing", {}), ("missing value", dict(encoded_missing_value=-2))):
        yield "OrdinalEncoder %s gaps" % name, lambda o=options: [S.ColumnTransformer(
            [("codes", S.OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-9, **o),
              [4, 5])])]
    yield "OneHotEncoder missing gaps", lambda: [S.ColumnTransformer(
        [("codes", one_hot(handle_unknown="ignore", sparse_output=False), [4, 5])])]


def bins_steps():
    for strategy in ("uniform", "quantile", "kmeans"):
        for encode in ("ordinal", "onehot", "onehot-dense"):
            yield "KBinsDiscretizer %s %s" % (strategy, encode), lambda s=strategy, e=encode: [
                S.KBinsDiscretizer(4, strategy=s, encode=e)]
    yield "KBinsDiscretizer bins", lambda: [S.KBinsDiscretizer([2, 3, 4, 5, 3, 4, 3, 2],
                                                               encode="ordinal")]
    for dtype in (np.float32, np.float64):
        yield "KBinsDiscretizer %s" % dtype.__name__, lambda t=dtype: [S.KBinsDiscretizer(
            4, encode="ordinal", dtype=t)]
    for method in ("linear", "averaged_inverted_cdf"):
        yield "KBinsDiscretizer " + method, lambda m=method: [S.KBinsDiscretizer(
            4, encode="ordinal", strategy="quantile", quantile_method=m)]


def selector_steps():
    yield "VarianceThreshold", lambda: [S.VarianceThreshold(0.01)]
    yield "SelectKBest", lambda: [S.SelectKBest(k=4)]
    yield "SelectKBest all", lambda: [S.SelectKBest(k="all")]
    yield "SelectPercentile", lambda: [S.SelectPercentile(percentile=60)]
    for name in ("SelectFpr", "SelectFdr", "SelectFwe"):
        yield name, lambda n=name: [getattr(S, n)(alpha=0.4)]
    for mode, value in (("k_best", 4), ("percentile", 60), ("fpr", 0.4), ("fdr", 0.4),
                        ("fwe", 0.4)):
        yield "GenericUnivariateSelect " + mode, lambda m=mode, v=value: [
            S.GenericUnivariateSelect(mode=m, param=v)]
    yield "RFE", lambda: [S.RFE(tree(), n_features_to_select=4)]
    yield "RFE share", lambda: [S.RFE(forest(), n_features_to_select=0.5, step=0.3)]
    yield "RFECV", lambda: [S.RFECV(tree(), cv=2)]
    for direction in ("forward", "backward"):
        yield "SequentialFeatureSelector " + direction, lambda o=direction: [
            S.SequentialFeatureSelector(tree(max_depth=2), direction=o, n_features_to_select=3,
                                        cv=2)]
    for name, maker in (("tree", tree), ("forest", forest),
                        ("ExtraTreesClassifier", lambda: S.ExtraTreesClassifier(5, random_state=0)),
                        ("GradientBoostingClassifier", lambda: S.GradientBoostingClassifier(
                            n_estimators=3, random_state=0)),
                        ("AdaBoostClassifier", lambda: S.AdaBoostClassifier(
                            n_estimators=3, random_state=0)),
                        ("LogisticRegression", lambda: S.LogisticRegression(max_iter=30))):
        for threshold in (None, "mean", "1.2*median", 0.05) if name == "forest" else (None,):
            yield "SelectFromModel %s %s" % (name, threshold), lambda m=maker, t=threshold: [
                S.SelectFromModel(m(), threshold=t)]
    for name, maker in (("forest", forest), ("linear", lambda: S.LogisticRegression(max_iter=30)),
                        ("boosted", lambda: S.AdaBoostClassifier(n_estimators=3, random_state=0))):
        yield "SelectFromModel fitted before, " + name, lambda m=maker: [S.SelectFromModel(
            m().fit(*plain_data()), prefit=True)]
    yield "SelectFromModel most by a function", lambda: [S.SelectFromModel(
        forest(), max_features=three_of)]
    yield "SelectFromModel most", lambda: [S.SelectFromModel(forest(), max_features=3,
                                                             threshold=-np.inf)]
    for order in (1, 2, np.inf):
        yield "SelectFromModel norm %s" % order, lambda o=order: [S.SelectFromModel(
            S.LogisticRegression(max_iter=30), norm_order=o)]


def plain_data():
    rows, target = make_data(np.random.RandomState(4), False)
    return rows, np.digitize(target, [0.3, 1.5])


def three_of(rows):
    """How many columns a selector may keep."""
    return 3


def function_steps():
    yield "FunctionTransformer None", lambda: [S.FunctionTransformer()]
    for function in (np.log1p, np.expm1, np.log, np.exp, np.sqrt, np.abs):
        for checks in (False, True):
            yield "FunctionTransformer %s %s" % (function.__name__, checks), \
                lambda f=function, c=checks: [S.MinMaxScaler((0.1, 3)),
                                              S.FunctionTransformer(f, validate=c)]


def column_steps():
    mask = [True, True, False, False, False, True, False, False]
    for name, columns in (("numbers", [0, 1, 5]), ("from behind", [-3, -8]), ("mask", mask),
                          ("array mask", np.array(mask)), ("slice", slice(0, 3)),
                          ("function", first_columns), ("one number", [2]),
                          ("names frame", ["u", "v", "a"]), ("names slice frame", slice("u", "w")),
                          ("mask frame", mask)):
        for remainder in ("drop", "passthrough"):
            yield "ColumnTransformer %s %s" % (name, remainder), lambda c=columns, r=remainder: [
                S.ColumnTransformer([("part", S.StandardScaler(), c)], remainder=r)]
    yield "ColumnTransformer selector frame", lambda: [S.ColumnTransformer(
        [("part", S.StandardScaler(), S.make_column_selector("^[uva]"))],
        remainder="passthrough")]
    yield "ColumnTransformer remainder by name frame", lambda: [S.ColumnTransformer(
        [("part", S.StandardScaler(), ["a", "v"])], remainder=S.MaxAbsScaler(),
        force_int_remainder_cols=False)]
    yield "ColumnTransformer remainder of its own", lambda: [S.ColumnTransformer(
        [("part", S.StandardScaler(), [0, 1])], remainder=S.MinMaxScaler())]
    yield "ColumnTransformer weights", lambda: [S.ColumnTransformer(
        [("part", S.StandardScaler(), [0, 1]), ("as is", "passthrough", [5]),
         ("gone", "drop", [6])], remainder="passthrough", transformer_weights={"part": 0.3})]
    yield "ColumnTransformer in another", lambda: [S.ColumnTransformer(
        [("outer", S.ColumnTransformer([("inner", S.StandardScaler(), [1])],
                                       remainder="passthrough"), [0, 1, 5])],
        remainder="passthrough")]
    for threshold in (0.0, 1.0):
        yield "ColumnTransformer sparse %g" % threshold, lambda t=threshold: [S.ColumnTransformer(
            [("codes", one_hot(handle_unknown="ignore"), [5, 6, 7]),
             ("rest", S.MaxAbsScaler(), [0, 1])], sparse_threshold=t)]
    yield "FeatureUnion", lambda: [S.FeatureUnion([("a", S.StandardScaler()),
                                                   ("b", S.MinMaxScaler())])]
    yield "FeatureUnion weights", lambda: [S.FeatureUnion(
        [("a", S.StandardScaler()), ("b", S.KBinsDiscretizer(3, encode="onehot-dense"))],
        transformer_weights={"a": 2.5, "b": 0.5})]
    yield "FeatureUnion drop", lambda: [S.FeatureUnion([("a", S.StandardScaler()), ("b", "drop")])]
    yield "FeatureUnion passthrough", lambda: [S.FeatureUnion([("a", S.StandardScaler()),
                                                               ("b", "passthrough")])]
    yield "Pipeline passthrough", lambda: ["passthrough", S.StandardScaler()]
    yield "Pipeline None", lambda: [None, S.StandardScaler()]
    yield "Pipeline in a Pipeline", lambda: [S.Pipeline([("a", S.StandardScaler()),
                                                         ("b", S.MinMaxScaler())])]
    yield "GridSearchCV of a step", lambda: [S.GridSearchCV(
        S.StandardScaler(), {"with_mean": [True, False]}, scoring=no_score, cv=2)]


def first_columns(rows):
    """Of which columns a transformer takes."""
    return [0, 2]


ESTIMATORS = (tree_cases, gradient_cases, histogram_cases, isolation_cases, bagging_cases,
              adaboost_cases, voting_cases, calibrated_cases, wrapper_cases, search_cases,
              skewed_cases)
STEPS = (scaler_steps, imputer_steps, encoder_steps, bins_steps, selector_steps, function_steps,
         column_steps)
