# SPDX-License-Identifier: Apache-2.0
"""Random pipelines of scikit-learn through the espalier command.

    python prove_pipelines.py --espalier PATH [--models N] [--only WORD] [--seed N]

Runs inside an environment with scikit-learn, any version from 0.22 on; with pandas columns are also
chosen by name, with xgboost and lightgbm their estimators stand at the end too. Each pipeline is
trained on random data, saved by pickle or joblib, converted, and asked for every output its trainer
has, with rows of float64 and float32: random ones, with NaN and infinities, constant and unknown
values, and pairs of neighbouring numbers between which the trainer's answer changes, found by
bisection. Rows the trainer refuses must be refused. All is compared bit for bit, but what goes
through exp (2 ulp), and pipelines with a function of NumPy's, whose rows may differ where a value
is within 2 ulp of a threshold (not exp and log of float32, from NumPy 1.19 on, which are its own).
One line per difference; exit 1 if there is any.
"""
import pickle
import re
import sys

import joblib
import numpy as np
import sklearn

VERSION = tuple(int(part) for part in sklearn.__version__.split(".")[:2])
if VERSION < (1, 0):
    from sklearn.experimental import enable_hist_gradient_boosting
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (AdaBoostClassifier, ExtraTreesClassifier, GradientBoostingClassifier,
                              GradientBoostingRegressor, HistGradientBoostingClassifier,
                              HistGradientBoostingRegressor, IsolationForest,
                              RandomForestClassifier, RandomForestRegressor)
from sklearn.feature_selection import (RFE, RFECV, GenericUnivariateSelect, SelectFdr, SelectFpr,
                                       SelectFromModel, SelectFwe, SelectKBest, SelectPercentile,
                                       VarianceThreshold)
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.linear_model import ElasticNet, Lasso, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import (Binarizer, FunctionTransformer, KBinsDiscretizer, MaxAbsScaler,
                                   MinMaxScaler, OneHotEncoder, OrdinalEncoder, RobustScaler,
                                   StandardScaler)
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from fixture_set import fixed_width, write_npy
from proof_exceptions import COLUMNS, SOFT_MAX, ULP_MAX
from proving import Prover, choose, optional, run, ulps_between

pandas = optional("pandas")
xgboost = optional("xgboost")
lightgbm = optional("lightgbm")

np.seterr(all="ignore")

WIDTH = 8  # columns of the data: 3 random, 1 constant, 1 of few values, 3 of categories
NAMES = ["u", "v", "w", "constant", "few", "a", "b", "c"]


NUMPY = tuple(int(part) for part in np.__version__.split(".")[:2])


def option(name, value, since):
    return {name: value} if VERSION >= since else {}


def xgboost_version():
    return tuple(int(part) for part in xgboost.__version__.split(".")[:2])


# --- Data -----------------------------------------------------------------------------------------

def make_data(rng, missing):
    rows = np.empty((220, WIDTH))
    rows[:, :3] = rng.randn(220, 3) * [1, 100, 1e-3] + [0, 1e4, 0]
    rows[:, 3] = 2.5
    rows[:, 4] = rng.randint(4, size=220) * 0.1
    rows[:, 5] = rng.randint(3, size=220)
    rows[:, 6] = rng.choice([-1.5, 0.25, 7, 1e10], size=220)
    rows[:, 7] = rng.randint(2, size=220)
    rare = rng.rand(220) < 0.03
    rows[rare, 5] = 3 + rng.randint(3, size=rare.sum())
    target = rows[:, 0] + (rows[:, 5] == 1) + 0.1 * rng.randn(220) + (rows[:, 6] > 1)
    if missing:
        rows[:, :5][rng.rand(220, 5) < 0.1] = np.nan
    return rows, target


# --- Transformers ---------------------------------------------------------------------------------

def make_scaler(rng):
    return choose(rng,
                  StandardScaler(with_mean=bool(rng.randint(4)), with_std=bool(rng.randint(4))),
                  MinMaxScaler(feature_range=choose(rng, (0, 1), (-3, 0.7)),
                               **option("clip", bool(rng.randint(2)), (0, 24))),
                  MaxAbsScaler(**option("clip", bool(rng.randint(2)), (1, 8))),
                  RobustScaler(with_centering=bool(rng.randint(3)),
                               with_scaling=bool(rng.randint(3)), quantile_range=(10, 80)))


def make_imputer(rng):
    return SimpleImputer(strategy=choose(rng, "mean", "median", "most_frequent", "constant"),
                         add_indicator=bool(rng.randint(2)),
                         **option("keep_empty_features", bool(rng.randint(2)), (1, 2)))


def make_selector(rng, classifier):
    tree = DecisionTreeClassifier if classifier else DecisionTreeRegressor
    forest = RandomForestClassifier if classifier else RandomForestRegressor
    boosted = GradientBoostingClassifier if classifier else GradientBoostingRegressor
    found = [VarianceThreshold(), VarianceThreshold(0.01),
             RFE(tree(random_state=0), n_features_to_select=3),
             RFECV(tree(random_state=0, max_depth=3)),
             SelectFromModel(forest(8, random_state=1), threshold=choose(rng, None, "median",
                                                                         "0.5*mean", 0.05)),
             SelectFromModel(tree(random_state=2), max_features=3),
             SelectFromModel(boosted(n_estimators=3, random_state=3), threshold="mean"),
             SelectFromModel(LogisticRegression() if classifier else Lasso(0.01)),
             SelectFromModel(ElasticNet(0.01, l1_ratio=choose(rng, 0.5, 1.0)))]
    if lightgbm is not None:
        kind = lightgbm.LGBMClassifier if classifier else lightgbm.LGBMRegressor
        found += [SelectFromModel(kind(n_estimators=4, n_jobs=1, verbose=-1, min_child_samples=9,
                                       importance_type=choose(rng, "split", "gain")),
                                  threshold=choose(rng, None, "median"))]
    if xgboost is not None and xgboost_version() >= (1, 7):
        kind = xgboost.XGBClassifier if classifier else xgboost.XGBRegressor
        found += [SelectFromModel(kind(n_estimators=4, n_jobs=1,
                                       importance_type=choose(rng, "gain", "weight")),
                                  threshold=-np.inf, max_features=3)]
    if classifier:
        found += [SelectFromModel(LogisticRegression(), norm_order=choose(rng, 2, np.inf)),
                  SelectFromModel(AdaBoostClassifier(tree(max_depth=2), n_estimators=3)),
                  SelectKBest(k=choose(rng, 3, "all")), SelectPercentile(percentile=60),
                  SelectFpr(alpha=0.3), SelectFdr(alpha=0.5), SelectFwe(alpha=0.5),
                  GenericUnivariateSelect(mode="k_best", param=4)]
    return choose(rng, *found)


def make_one_hot(rng):
    options = dict(handle_unknown=choose(rng, "error", "ignore"))
    if rng.randint(2) and (options["handle_unknown"] == "error" or VERSION >= (1, 0)):
        options["drop"] = "first" if VERSION < (0, 23) else choose(rng, "first", "if_binary")
    if VERSION >= (1, 1) and rng.randint(2):
        options.update(handle_unknown=choose(rng, "ignore", "infrequent_if_exist", "error"),
                       min_frequency=choose(rng, 8, 0.2, None), max_categories=choose(rng, None, 3))
    options["sparse_output" if VERSION >= (1, 2) else "sparse"] = bool(rng.randint(2))
    return OneHotEncoder(dtype=choose(rng, np.float64, np.float32, np.int8), **options)


def make_ordinal(rng):
    options = {}
    if VERSION >= (0, 24) and rng.randint(2):
        options.update(handle_unknown="use_encoded_value", unknown_value=-7)
    if VERSION >= (1, 3) and rng.randint(2):
        options.update(min_frequency=8)
    kinds = [np.float64, np.float32, np.int64]
    return OrdinalEncoder(dtype=choose(rng, *kinds + [np.int8] * (not options)), **options)


def make_bins(rng):
    return KBinsDiscretizer(n_bins=choose(rng, 2, 5),
                            strategy=choose(rng, "uniform", "quantile", "kmeans"),
                            encode=choose(rng, "ordinal", "onehot", "onehot-dense"))


def make_function(rng):
    return FunctionTransformer(choose(rng, None, np.abs, np.sqrt, np.log1p, np.expm1, np.exp),
                               validate=bool(rng.randint(2)))


def no_score(estimator, rows, target=None):
    """For searches over transformers, which have no score of their own."""
    return 0.0


def searched(rng, transformer):
    """The transformer, or now and then a search that has it as its best estimator."""
    if rng.randint(4):
        return transformer
    return GridSearchCV(transformer, {}, scoring=no_score, cv=2)


def chain(*steps):
    return Pipeline([("step%d" % i, step) for i, step in enumerate(steps)])


def columns_as(rng, numbers):
    """The same columns by number, mask, slice or name."""
    numbers = sorted(numbers)
    kinds = [numbers, [i in numbers for i in range(WIDTH)], np.array(numbers)]
    if numbers == list(range(numbers[0], numbers[-1] + 1)):
        kinds.append(slice(numbers[0], numbers[-1] + 1))
    kinds.append([i - WIDTH for i in numbers])
    if pandas is not None:
        kinds += [[NAMES[i] for i in numbers]] * 3
        if numbers == list(range(numbers[0], numbers[-1] + 1)):
            kinds.append(slice(NAMES[numbers[0]], NAMES[numbers[-1]]))
    return choose(rng, *kinds)


def make_numeric(rng, missing):
    scaler = make_scaler(rng)
    return searched(rng, chain(make_imputer(rng), scaler) if missing else scaler)


def make_columns(rng, missing):
    numeric = make_numeric(rng, missing)
    encoder = choose(rng, make_one_hot(rng), make_ordinal(rng))
    parts = [("numbers", numeric, columns_as(rng, [0, 1, 2])),
             ("categories", encoder, columns_as(rng, choose(rng, [5, 6, 7], [5, 7])))]
    if rng.randint(2):
        parts.append(("again", choose(rng, "passthrough", "drop", make_scaler(rng)),
                      columns_as(rng, [0, 4])))
    names = any(isinstance(entry, str) for part in parts for entry in np.ravel(part[2])
                if not isinstance(part[2], slice))
    names = names or any(isinstance(part[2], slice) and isinstance(part[2].start, str)
                         for part in parts)
    remainder = choose(rng, "drop", "passthrough", SimpleImputer() if missing else MaxAbsScaler())
    weights = choose(rng, None, None, {"numbers": 0.3})
    if VERSION < (0, 24) and names:  # negative numbers beside names are refused there
        parts = [(name, one, [i % WIDTH for i in columns] if isinstance(columns, list) and
                  isinstance(columns[0], int) and not isinstance(columns[0], bool) else columns)
                 for name, one, columns in parts]
    return ColumnTransformer(parts, remainder=remainder, transformer_weights=weights,
                             sparse_threshold=choose(rng, 0.0, 0.3, 1.0)), names


def make_union(rng, missing):
    first = make_numeric(rng, missing)
    second = MissingIndicator(error_on_new=False) if missing else make_bins(rng)
    third = [("plain", "passthrough")] if VERSION >= (1, 1) and rng.randint(2) and not missing \
        else []
    return FeatureUnion([("first", first), ("second", second)] + third,
                        transformer_weights=choose(rng, None, {"first": 2.5}))


def make_steps(rng, classifier, missing):
    """Steps, and whether they choose columns by name."""
    kind = rng.randint(6)
    if kind == 0:
        steps, names = make_columns(rng, missing)
        steps = [steps] + ([make_selector(rng, classifier)] if not rng.randint(3) else [])
        return steps, names
    if kind == 1:
        return [make_union(rng, missing)], False
    steps = [make_imputer(rng)] if missing else []
    steps += [choose(rng, "passthrough", searched(rng, make_scaler(rng)))]
    if kind == 2:
        steps += [choose(rng, make_bins(rng), Binarizer(threshold=0.1))]
    elif kind == 3:
        steps += [FunctionTransformer(np.abs), make_function(rng)]
    elif kind == 4:
        steps += [make_selector(rng, classifier), make_scaler(rng)]
    elif rng.randint(2):
        steps = [chain(*steps), make_scaler(rng)]
    return steps, False


# --- Models ---------------------------------------------------------------------------------------

def make_model(rng, classifier):
    seed = int(rng.randint(1 << 30))
    found = [DecisionTreeClassifier(random_state=seed),
             RandomForestClassifier(7, random_state=seed),
             ExtraTreesClassifier(5, random_state=seed, max_depth=6),
             GradientBoostingClassifier(n_estimators=5, random_state=seed),
             HistGradientBoostingClassifier(max_iter=5, random_state=seed)] if classifier else [
                 DecisionTreeRegressor(random_state=seed), RandomForestRegressor(7,
                                                                                 random_state=seed),
                 GradientBoostingRegressor(n_estimators=5, random_state=seed),
                 HistGradientBoostingRegressor(max_iter=5, random_state=seed),
                 IsolationForest(n_estimators=5, random_state=seed)]
    if xgboost is not None:
        found += [xgboost.XGBClassifier(n_estimators=4, n_jobs=1) if classifier else
                  xgboost.XGBRegressor(n_estimators=4, n_jobs=1)] * 2
    if lightgbm is not None:
        found += [lightgbm.LGBMClassifier(n_estimators=4, n_jobs=1, verbose=-1) if classifier else
                  lightgbm.LGBMRegressor(n_estimators=4, n_jobs=1, verbose=-1)] * 2
    return choose(rng, *found)


def answers(model, rows):
    """What the trainer's own calls return, and whether it went through exp or pow."""
    last = model
    while hasattr(last, "steps") or hasattr(last, "best_estimator_"):
        last = last.steps[-1][1] if hasattr(last, "steps") else last.best_estimator_
    if isinstance(last, IsolationForest):
        return {"score": (model.score_samples(rows), True), "class": (model.predict(rows), False)}
    if not hasattr(last, "predict_proba"):
        return {"value": (model.predict(rows), False)}
    # NumPy adds the exponentials of two classes as anyone does.
    linked = not isinstance(last, (DecisionTreeClassifier, RandomForestClassifier,
                                   ExtraTreesClassifier))
    return {"probability": (model.predict_proba(rows), linked),
            "class": (fixed_width(model.predict(rows)), False)}


def signature(model, rows):
    found = answers(model, rows)
    kind = "probability" if "probability" in found else sorted(found)[-1]
    return np.asarray(found[kind][0]).reshape(len(rows), -1)


# --- Rows -----------------------------------------------------------------------------------------

def ordered(values):
    """Numbers as integers in the same order."""
    if values.dtype == np.float64:
        bits = values.view(np.int64)
        return np.where(bits < 0, np.int64(-0x7FFFFFFFFFFFFFFF - 1) - bits, bits)
    bits = values.view(np.int32).astype(np.int64)
    return np.where(bits < 0, (-1 << 31) - bits, bits)


def from_ordered(numbers, dtype):
    if dtype == np.float64:
        bits = np.where(numbers < 0, np.int64(-0x7FFFFFFFFFFFFFFF - 1) - numbers, numbers)
        return bits.astype(np.int64).view(np.float64)
    bits = np.where(numbers < 0, (-1 << 31) - numbers, numbers)
    return bits.astype(np.int32).view(np.float32)


def bisect_rows(rng, ask, rows):
    """Pairs of rows that differ in one feature by one step, between which the answer changes."""
    count = 40
    low = rows[rng.randint(len(rows), size=count)].copy()
    high = low.copy()
    feature = rng.randint(WIDTH, size=count)
    place = np.arange(count)
    high[place, feature] = rows[rng.randint(len(rows), size=count), feature]
    usable = np.isfinite(low[place, feature]) & np.isfinite(high[place, feature])
    low, high, feature = low[usable], high[usable], feature[usable]
    if len(low) < 2:
        return rows[:0]
    changes = (ask(low) != ask(high)).any(axis=1)
    low, high, feature = low[changes], high[changes], feature[changes]
    if len(low) < 2:
        return rows[:0]
    place = np.arange(len(low))
    first = ask(low)
    for _ in range(66):
        a = ordered(low[place, feature])
        b = ordered(high[place, feature])
        middle = low.copy()
        middle[place, feature] = from_ordered(a // 2 + b // 2 + (a % 2 + b % 2) // 2, rows.dtype)
        same = (ask(middle) == first).all(axis=1)
        moved = np.abs(a // 2 - b // 2) + np.abs(a % 2 - b % 2) > 1
        if not moved.any():
            break
        low[same & moved] = middle[same & moved]
        high[~same & moved] = middle[~same & moved]
    return np.vstack([low, high])


def make_rows(rng, data, dtype):
    """Plain rows, and odd ones."""
    fresh = make_data(rng, False)[0]
    plain = np.vstack([data[:80], fresh[:80]]).astype(dtype)
    odd = np.vstack([data[:12], fresh[:12]]).astype(dtype)
    specials = [np.nan, np.inf, -np.inf, 0.0, -0.0, 5.0, 1e30, -1e30, 1e300, 1e-40, 3.0, 99.0]
    for row in odd:
        for _ in range(1 + rng.randint(2)):
            row[rng.randint(WIDTH)] = specials[rng.randint(len(specials))]
    return plain, odd


class PipelineProver(Prover):
    exact_types = False

    def __init__(self, espalier, folder):
        Prover.__init__(self, espalier, folder)
        self.rows = 0
        self.refusals = 0
        self.pipelines = 0

    def compare_soft(self, kind, wanted, what, other_numpy):
        """Where a function of NumPy made the features, rows beside a threshold may go elsewhere;
        of a NumPy whose function is another, any number of them."""
        failed, found = self.predict(kind)
        if failed:
            self.complain(what, failed)
        elif self.is_alike(kind, found, wanted, what):
            ulps = ulps_between(kind, found, wanted)
            ulps[ulps <= ULP_MAX] = 0
            self.exceptions[self.subject, kind, COLUMNS].add(len(wanted), ulps)
            self.count_proof(kind, len(wanted), ulps, "func=(log1p|expm1|log|exp) ")
            if not other_numpy and np.count_nonzero(ulps) > SOFT_MAX * ulps.size:
                self.complain(what, "%d of %d %ss differ" % (np.count_nonzero(ulps), ulps.size,
                                                             kind))

    @staticmethod
    def has_own_loop(what, dtype):
        """exp and log of float32 are NumPy's own, not the C library's, on CPUs with AVX2."""
        return dtype == np.float32 and re.search("(^|')(exp|log)('|$)", what) is not None

    def sort_rows(self, model, as_rows, block, accepted, refused):
        """A block that is refused is looked at row by row, as far as time allows."""
        try:
            signature(model, as_rows(np.vstack([block, block[:1]])))
            accepted.append(block)
        except ValueError:
            if len(block) == 1:
                refused.append(block)
            for row in block[:20] if len(block) > 1 else []:
                self.sort_rows(model, as_rows, row[None], accepted, refused)

    def compare(self, model, as_rows, data, rng, what, soft):
        end = getattr(model, "best_estimator_", model).steps[-1][1]
        self.about("scikit-learn", sklearn.__version__, "Pipeline of %s" % type(end).__name__,
                   model)
        source = self.path("trained.pkl")
        if rng.randint(2):
            joblib.dump(model, source, compress=3)
        else:
            with open(source, "wb") as file:
                pickle.dump(model, file)
        failed = self.run("convert", source, "-o", self.path("model.espalier"))
        if failed:
            self.complain(what, failed)
            return
        self.pipelines += 1
        for dtype in (np.float64, np.float32):
            plain, odd = make_rows(rng, data, dtype)
            refused = []
            accepted = []
            for block in [plain] + [row[None] for row in odd]:
                self.sort_rows(model, as_rows, block, accepted, refused)
            rows = np.vstack(accepted) if accepted else plain[:0]
            if len(rows) >= 2:
                ask = lambda asked: signature(model, as_rows(asked))
                try:
                    rows = np.vstack([rows, bisect_rows(rng, ask, rows)])
                except ValueError:
                    pass  # the numbers between two are refused: a category
                write_npy(self.path("rows.npy"), rows)
                self.rows += len(rows)
                words = "%s, %s" % (what, np.dtype(dtype))
                for kind, (wanted, linked) in answers(model, as_rows(rows)).items():
                    own = self.has_own_loop(what, dtype)
                    if soft and (dtype == np.float64 or own and NUMPY < (1, 19)):
                        self.compare_soft(kind, wanted, words, own)
                    else:
                        self.compare_output(kind, wanted, words, linked)
            for index in rng.permutation(len(refused))[:4]:
                write_npy(self.path("rows.npy"), refused[index])
                failed, _ = self.predict("predict")
                self.refusals += 1
                if not failed or "row" not in failed:
                    self.complain(what, "row %s is not refused: %s" % (refused[index], failed))


def prove_model(prover, rng, index, only):
    """Whether the trainer takes it."""
    classifier = bool(rng.randint(2))
    missing = bool(rng.randint(2))
    data, target = make_data(rng, missing)
    dtype = choose(rng, np.float64, np.float64, np.float32)
    data = data.astype(dtype)
    labels = np.digitize(target, np.quantile(target, [0.4, 0.8])) if classifier else target
    steps, names = make_steps(rng, classifier, missing)
    model = chain(*(steps + [make_model(rng, classifier)]))
    if rng.randint(8) == 0:
        model = GridSearchCV(model, {}, cv=2)
    as_rows = (lambda rows: pandas.DataFrame(rows, columns=NAMES)) if names else (lambda rows: rows)
    what = "%d: %s" % (index, " ".join(repr(model).split()))
    if only and only not in what:
        return True
    try:
        model.fit(as_rows(data), labels)
        signature(model, as_rows(data[:2]))
    except (ValueError, TypeError, AttributeError):
        return False
    soft = "log1p" in what or "expm1" in what or "exp'" in what or "ufunc" in what
    prover.compare(model, as_rows, data, rng, what[:600], soft)
    return True


def show_columns(prover, rng):
    """Behind each of NumPy's functions that is not the C library's."""
    data, target = make_data(rng, False)
    for function in (np.log1p, np.expm1, np.exp, np.log):
        model = chain(MinMaxScaler(feature_range=(0.1, 3)), FunctionTransformer(function),
                      RandomForestRegressor(4, random_state=0)).fit(data, target)
        prover.compare(model, lambda rows: rows, data, rng, function.__name__, True)


def prove(prover, arguments):
    untrained = 0
    if not arguments.only:
        show_columns(prover, np.random.RandomState(arguments.seed))
    for index in range(arguments.models):
        rng = np.random.RandomState(arguments.seed * 10000 + index)
        untrained += not prove_model(prover, rng, index, arguments.only)
    return "scikit-learn %s, %d pipelines (%d that it refuses), %d rows, %d refused" % (
        sklearn.__version__, prover.pipelines, untrained, prover.rows, prover.refusals)


if __name__ == "__main__":
    sys.exit(run(prove, PipelineProver, only=True, models=100))
