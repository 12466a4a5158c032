# SPDX-License-Identifier: Apache-2.0
"""Random estimators of other estimators of scikit-learn through the espalier command.

    python prove_ensembles.py --espalier PATH [--models N] [--only NAME] [--seed N] [--verbose]

Bagging, AdaBoost, Voting, CalibratedClassifierCV, MultiOutput, OneVsRest and
TransformedTargetRegressor, of trees, forests, boosting and each other. Runs inside an environment
with scikit-learn, any version from 0.22 on; XGBoost and LightGBM take part where they are
installed, in every second round of all estimators as the only members. Every output that the
trainer has is compared in every layout, with float64 and float32 rows, its type too: bit for bit
where no exp or log is involved, else within 2 ulp. What is refused must be, by name. Sums behind a
logarithm (SAMME.R, temperature) may be further off; docs/fidelity.md says how far. One line per
difference; exit 1 if there is any.
"""
import functools
import pickle
import sys

import joblib
import numpy as np
import sklearn

VERSION = tuple(int(part) for part in sklearn.__version__.split(".")[:2])
if VERSION < (1, 0):
    from sklearn.experimental import enable_hist_gradient_boosting
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import (AdaBoostClassifier, AdaBoostRegressor, BaggingClassifier,
                              BaggingRegressor, ExtraTreesClassifier, ExtraTreesRegressor,
                              GradientBoostingClassifier, GradientBoostingRegressor,
                              HistGradientBoostingClassifier, HistGradientBoostingRegressor,
                              RandomForestClassifier, RandomForestRegressor, VotingClassifier,
                              VotingRegressor)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier, MultiOutputRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler)
from sklearn.tree import (DecisionTreeClassifier, DecisionTreeRegressor, ExtraTreeClassifier,
                          ExtraTreeRegressor)

from fixture_set import fixed_width, neighbours, write_npy
from proof_exceptions import SUMMED, SUMMED_ULP_MAX, UNDEFINED
from proving import Prover, choose, optional, run, ulps_between


LINKS = (np.exp, np.expm1, np.exp2, np.log, np.log1p)


class Chance(np.random.RandomState):
    boosted = False  # members are of other libraries, where there are any


def seed_of(rng):
    return int(rng.randint(1 << 30))


def boosters(classifier):
    """Estimators of the other libraries, where they are installed."""
    found = []
    lightgbm, xgboost = optional("lightgbm"), optional("xgboost")
    if lightgbm is not None:
        kind = lightgbm.LGBMClassifier if classifier else lightgbm.LGBMRegressor
        found.append(functools.partial(kind, verbose=-1))
        if tuple(map(int, lightgbm.__version__.split(".")[:2])) >= (3, 2):
            found.append(functools.partial(kind, verbose=-1, linear_tree=True))
    if xgboost is not None:
        found.append(xgboost.XGBClassifier if classifier else xgboost.XGBRegressor)
    return found


def make_booster(rng, classifier):
    """None: no other library is installed."""
    found = boosters(classifier)
    return choose(rng, *found)(n_estimators=5, max_depth=4, n_jobs=1) if found else None


def make_tree(rng, classifier):
    options = {"max_depth": choose(rng, 1, 2, 4, None), "random_state": seed_of(rng),
               "max_leaf_nodes": choose(rng, None, None, 7)}
    kinds = ((DecisionTreeClassifier, ExtraTreeClassifier) if classifier else
             (DecisionTreeRegressor, ExtraTreeRegressor))
    return choose(rng, kinds[0], kinds[0], kinds[1])(**options)


def make_member(rng, classifier):
    """A tree, a forest or boosting."""
    seed = seed_of(rng)
    if rng.randint(6) == 0 and not rng.boosted:
        step = choose(rng, StandardScaler(), MinMaxScaler(), RobustScaler(), MaxAbsScaler())
        return make_pipeline(step, make_tree(rng, classifier) if rng.randint(2) else
                             make_member(rng, classifier))
    kind = rng.randint(6)
    booster = make_booster(rng, classifier) if kind == 5 or rng.boosted else None
    if booster is not None:
        return booster
    if kind == 0:
        return make_tree(rng, classifier)
    if kind == 1:
        forest = RandomForestClassifier if classifier else RandomForestRegressor
        return forest(n_estimators=int(choose(rng, 1, 5, 12)), max_depth=choose(rng, 3, None),
                      random_state=seed)
    if kind == 2:
        forest = ExtraTreesClassifier if classifier else ExtraTreesRegressor
        return forest(n_estimators=int(choose(rng, 2, 7)), max_depth=5, random_state=seed)
    if kind == 3:
        boosting = GradientBoostingClassifier if classifier else GradientBoostingRegressor
        return boosting(n_estimators=int(choose(rng, 1, 6)), max_depth=3, random_state=seed)
    boosting = HistGradientBoostingClassifier if classifier else HistGradientBoostingRegressor
    return boosting(max_iter=int(choose(rng, 1, 5)), min_samples_leaf=5, random_state=seed)


def base(estimator):
    """base_estimator was called estimator from 1.2 on."""
    return {"estimator" if VERSION >= (1, 2) else "base_estimator": estimator}


def make_bagging(rng, classifier):
    single = rng.randint(3) and not rng.boosted
    member = make_tree(rng, classifier) if single else make_member(rng, classifier)
    kind = BaggingClassifier if classifier else BaggingRegressor
    return kind(n_estimators=int(choose(rng, 1, 2, 10, 25)),
                max_samples=choose(rng, 1.0, 0.3, 0.05 if classifier else 0.1),
                max_features=choose(rng, 1.0, 0.5, 1), bootstrap=bool(rng.randint(2)),
                bootstrap_features=bool(rng.randint(2)), random_state=seed_of(rng), **base(member))


def make_adaboost(rng, classifier):
    options = {"n_estimators": int(choose(rng, 1, 3, 20, 50)), "random_state": seed_of(rng)}
    member = make_tree(rng, classifier)
    if not classifier:
        if rng.randint(4) == 0 or rng.boosted:
            member = make_booster(rng, False) if rng.boosted else None
            member = member or RandomForestRegressor(n_estimators=3, max_depth=3, random_state=1)
        options["loss"] = choose(rng, "linear", "square", "exponential")
        return AdaBoostRegressor(**dict(options, **base(member)))
    if VERSION < (1, 6):
        options["algorithm"] = "SAMME" if rng.boosted else choose(rng, "SAMME", "SAMME.R")
    if rng.randint(4) == 0 or rng.boosted:
        member = make_booster(rng, True) if rng.boosted else None
        member = member or RandomForestClassifier(n_estimators=3, max_depth=2, random_state=1)
    return AdaBoostClassifier(**dict(options, **base(member)))


def make_voting(rng, classifier):
    count = int(choose(rng, 1, 2, 3, 9))
    members = [("m%d" % i, make_member(rng, classifier)) for i in range(count)]
    if rng.boosted and count > 2 and rng.randint(2):
        members[2] = ("m2", make_tree(rng, classifier))
    weights = None if rng.randint(2) else [choose(rng, 1, 2, 0.3, 5) for _ in range(count)]
    if weights and rng.randint(3) == 0:
        weights = choose(rng, np.float32, np.float64)(weights)
    if count > 2 and rng.randint(3) == 0:
        members[1] = ("m1", "drop")
    if not classifier:
        return VotingRegressor(members, weights=weights)
    return VotingClassifier(members, weights=weights, voting=choose(rng, "soft", "soft", "hard"))


def make_calibrated(rng, classifier):
    methods = ["sigmoid", "isotonic"] + (["temperature"] if VERSION >= (1, 8) else [])
    options = {"method": choose(rng, *methods), "cv": int(choose(rng, 2, 3))}
    if VERSION >= (0, 24):
        options["ensemble"] = bool(rng.randint(2))
    member = make_member(rng, True)
    if rng.randint(5) == 0 or (rng.boosted and rng.randint(2)):
        member = make_bagging(rng, True)
    return CalibratedClassifierCV(member, **options)


def make_outputs(rng, classifier):
    kind = MultiOutputClassifier if classifier else MultiOutputRegressor
    return kind(make_member(rng, classifier))


def make_rest(rng, classifier):
    return OneVsRestClassifier(make_member(rng, True))


def make_transformed(rng, classifier):
    member = make_member(rng, False)
    if rng.randint(2):
        functions = choose(rng, (np.log, np.exp), (np.log1p, np.expm1), (np.sqrt, np.square),
                           (np.square, np.sqrt), (np.exp, np.log), (np.expm1, np.log1p),
                           (np.log2, np.exp2), (None, None))
        return TransformedTargetRegressor(member, func=functions[0], inverse_func=functions[1])
    return TransformedTargetRegressor(member, transformer=choose(
        rng, StandardScaler(with_mean=bool(rng.randint(2)), with_std=bool(rng.randint(4))),
        MinMaxScaler(), MaxAbsScaler(), RobustScaler(with_centering=bool(rng.randint(2)))))


MAKERS = [("bagging classifier", make_bagging, True), ("adaboost classifier", make_adaboost, True),
          ("voting classifier", make_voting, True), ("calibrated", make_calibrated, True),
          ("outputs classifier", make_outputs, True), ("one vs rest", make_rest, True),
          ("bagging regressor", make_bagging, False), ("adaboost regressor", make_adaboost, False),
          ("voting regressor", make_voting, False), ("outputs regressor", make_outputs, False),
          ("transformed", make_transformed, False), ("labels a row", make_rest, True)]


def make_labels(rng, target, count):
    places = np.digitize(target, np.quantile(target, np.linspace(0, 1, count + 1)[1:-1]))
    return places if rng.randint(2) else np.array(["class %d" % i for i in range(count)])[places]


def find_thresholds(model):
    """Thresholds of scikit-learn's trees, wherever they are."""
    found, seen, left = [], set(), [model]
    while left and len(found) < 4000:
        item = left.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        if hasattr(item, "threshold") and hasattr(item, "children_left"):
            found += list(item.threshold[item.children_left >= 0])
        elif isinstance(item, np.ndarray) and item.dtype.names:
            name = "num_threshold" if "num_threshold" in item.dtype.names else "threshold"
            found += list(item[name][item["is_leaf"] == 0]) if name in item.dtype.names else []
        elif isinstance(item, np.ndarray) and item.dtype == object:
            left += list(item.ravel())
        elif isinstance(item, (list, tuple)):
            left += list(item)
        elif type(item).__module__.startswith("sklearn"):
            if hasattr(item, "tree_"):
                left.append(item.tree_)
            left += [value for name, value in vars(item).items()
                     if name.endswith("_") or name in ("nodes", "_predictors", "estimator",
                                                       "base_estimator")]
    return np.array([value for value in found if np.isfinite(value)])


def mix_rows(rng, model, data):
    """Random rows, with values on thresholds and next to them."""
    rows = rng.randn(220, data.shape[1])
    thresholds = find_thresholds(model)
    if thresholds.size:
        near = np.concatenate([neighbours(value) for value in rng.choice(thresholds, 60)])
        where = rng.rand(*rows.shape) < 0.5
        rows[where] = rng.choice(near, int(where.sum()))
    return rows


def refusal(model, rows):
    """Words of the refusal of members that answer in float32, which NumPy's rules are needed for;
    None: it is converted."""
    found = []
    if type(model).__name__.startswith("Voting") and getattr(model.weights, "dtype",
                                                             None) == np.float32:
        hard = getattr(model, "voting", "") == "hard"
        name = "predict_proba" if getattr(model, "voting", "") == "soft" else "predict"
        found = [] if hard else [getattr(one, name)(rows) for one in model.estimators_]
    alike = found and all(one.dtype == np.float32 for one in found)
    return "weights of a type" if alike else None


def passes_link(model):
    """Whether exp or log is anywhere on the way to probabilities and margins."""
    if isinstance(model, (list, tuple)):
        return any(passes_link(one) for one in model)
    name = type(model).__name__
    if not hasattr(model, "get_params") or name.startswith(("DecisionTree", "ExtraTree", "Random")):
        return False
    members = getattr(model, "estimators_", None)
    if name == "Pipeline":
        return passes_link(model.steps[-1][1])
    if name.startswith(("Bagging", "Voting", "MultiOutput", "OneVsRest")) and members is not None:
        return passes_link(list(members))
    return True


def answers(model, rows, classifier):
    """(kind, array, may it differ by some ulp, may it by many) of all that the trainer gives."""
    deep = getattr(model, "algorithm", "") == "SAMME.R" or getattr(model, "method",
                                                                    "") == "temperature"
    if not classifier:
        linked = getattr(model, "inverse_func", None) in LINKS
        return [("value", model.predict(rows), linked, False)]
    linked = passes_link(model)
    found = []
    if hasattr(model, "decision_function"):
        found.append(("margin", model.decision_function(rows), linked, deep))
    if hasattr(model, "predict_proba"):
        probability = model.predict_proba(rows)
        if isinstance(probability, list):
            probability = np.concatenate(probability, axis=1)
        found.append(("probability", probability, linked, deep))
    found.append(("class", model.predict(rows), False, False))
    return found


class EnsembleProver(Prover):
    exact_types = False  # of classes

    def __init__(self, espalier, folder):
        Prover.__init__(self, espalier, folder)
        self.refused_models = 0

    def compare_answer(self, name, answer, what):
        kind, wanted, linked, deep = answer
        failed, found = self.predict(kind)
        if failed:
            self.complain(what, failed)
            return
        wanted = fixed_width(wanted) if wanted.dtype.kind == "O" else wanted
        if not self.is_alike(kind, found, wanted, what):
            return
        scale = None
        if wanted.dtype.kind == "f":
            undefined = np.isnan(wanted) & (found == 0)  # 0 by 0; newer versions give 0
            if name == "one vs rest" and VERSION < (1, 7) and undefined.any():
                self.exceptions[self.subject, kind, UNDEFINED].add(
                    int(undefined.sum()), np.full(int(undefined.sum()), np.inf))
                wanted = np.where(undefined, found, wanted)
            scale = np.maximum(np.maximum(np.abs(found), np.abs(wanted)), 0.5).astype(wanted.dtype)
        if deep and linked:
            self.compare_summed(kind, found, wanted, what, scale)
        else:
            self.compare_arrays(kind, found, wanted, what, linked)

    def compare_summed(self, kind, found, wanted, what, scale):
        """Of sums behind a logarithm."""
        ulps = ulps_between(kind, found, wanted, scale)
        self.exceptions[self.subject, kind, SUMMED].add(len(wanted), ulps)
        self.count_proof(kind, len(wanted), ulps, "^(AdaBoost|Calibrated)Classifier")
        if not ulps.max() <= SUMMED_ULP_MAX:
            self.complain(what, "%d of %d %ss, by up to %g ulp" % (
                np.count_nonzero(ulps), ulps.size, kind, ulps.max()))

    def is_declined(self, failed):
        """Whether it is refused for what is odd about it."""
        return False

    def compare(self, name, model, rows, classifier, what):
        source = self.path("model.joblib")
        if hash(what) % 2:
            joblib.dump(model, source)
        else:
            with open(source, "wb") as file:
                pickle.dump(model, file)
        self.about("scikit-learn", sklearn.__version__, type(model).__name__, model)
        words = refusal(model, rows[:2])
        if words is not None:
            failed = self.run("convert", source, "-o", self.path("model.espalier"))
            self.refused_models += 1
            if words not in (failed or "") and not self.is_declined(failed or ""):
                self.complain(what, "not refused as it should be: %s" % failed)
            return
        wide = answers(model, rows, classifier)
        narrow = answers(model, rows.astype(np.float32), classifier)
        for here in self.convert_layouts(source, what):
            for given, answer, words in ((rows, wide, "float64"),
                                         (rows.astype(np.float32), narrow, "float32")):
                write_npy(self.path("rows.npy"), given)
                for one in answer:
                    self.compare_answer(name, one, "%s, %s" % (here, words))
                for kind, wanted, linked, _ in answer:
                    if kind == "probability" and linked:
                        self.count_ties(wanted)


def prove_models(prover, seed, count, only, verbose):
    for index in range(count):
        name, maker, classifier = MAKERS[index % len(MAKERS)]
        if only and only not in name:
            continue
        rng = Chance([seed, index])
        rng.boosted = index // len(MAKERS) % 2 == 1
        data = rng.randn(int(choose(rng, 60, 150, 400)), int(choose(rng, 2, 5, 12)))
        if rng.randint(2):
            data = np.round(data * 2) / 2
        target = data[:, 0] + np.sin(data.sum(axis=1)) + 0.1 * rng.randn(len(data))
        model = maker(rng, classifier)
        if classifier:
            target = make_labels(rng, target, int(choose(rng, 2, 2, 3, 5, 11)))
        elif name == "transformed":
            target = target - target.min() + 0.5
        if name.startswith("outputs"):
            more = np.roll(target, 1) if not classifier else make_labels(rng, data[:, 1], 3)
            target = np.column_stack([np.asarray(target), np.asarray(more)])
        elif name == "labels a row":
            target = (rng.rand(len(data), 3) < choose(rng, 0.02, 0.5)) | (data[:, :1] > [1, 0, 9])
        what = "model %d, %s" % (index, " ".join(str(model).split())[:400])
        if verbose:
            print(what, flush=True)
        try:
            model.fit(data, target)
        except (ValueError, KeyError, IndexError, AttributeError) as error:  # cannot be combined
            print("%s: not trained: %s" % (what[:100], str(error).split("\n")[0][:80]))
            continue
        prover.compare(name, model, mix_rows(rng, model, data), classifier, what)


def show_exceptions(prover, rng):
    """One of each that is not promised to be equal."""
    data = rng.randn(300, 3)
    target = np.digitize(data[:, 0] + rng.randn(300), [-1, 0, 1])
    tree = DecisionTreeClassifier(max_depth=3, random_state=0)
    # Each tree says 0 or 1: there are rows for which all say 0.
    models = [("one vs rest", OneVsRestClassifier(DecisionTreeClassifier(random_state=0)), target)]
    # So many classes that NumPy's sums of a row are not one class after the other.
    many = np.arange(300) % 11
    if VERSION < (1, 6):
        models += [("SAMME.R", AdaBoostClassifier(algorithm="SAMME.R", n_estimators=20,
                                                  random_state=0, **base(tree)), classes)
                   for classes in (target, many)]
    if VERSION >= (1, 8):
        forest = RandomForestClassifier(9, max_depth=4, random_state=0)
        models += [("temperature", CalibratedClassifierCV(one, method="temperature", cv=2), classes)
                   for one, classes in [(forest, target), (forest, many)] + [
                       (OneVsRestClassifier(kind(n_estimators=3, n_jobs=1)), many)
                       for kind in boosters(True)]]
    for name, model, classes in models:
        model.fit(data, classes)
        prover.compare(name, model, mix_rows(rng, model, data), True, name)


def prove(prover, arguments):
    if not arguments.only:
        show_exceptions(prover, np.random.RandomState(arguments.seed))
    prove_models(prover, arguments.seed, arguments.models, arguments.only, arguments.verbose)
    return "scikit-learn %s, %d models refused by name" % (sklearn.__version__,
                                                           prover.refused_models)


if __name__ == "__main__":
    sys.exit(run(prove, EnsembleProver, only=True, models=55))
