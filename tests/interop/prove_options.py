# SPDX-License-Identifier: Apache-2.0
"""Every option of the estimators of XGBoost and LightGBM that changes what predict gives, through
the espalier command, compared with the trainers bit for bit.

    python prove_options.py --espalier PATH [--seed N] [--only NAME] [--verbose]

Runs inside an environment with XGBoost (0.90 or newer), LightGBM (2.2 or newer), or both, and
scikit-learn. option_cases.py lists what is said to the estimators. Each is saved in every way that
its version has: pickled by itself and as its Booster, and as the files of save_model, of the
estimator and of the Booster; where a share is asked for, in some of these ways. The reference is
the object itself, and of a file what the same version reads from it. Asked for are what predict and
predict_proba give, margins and leaves, of float64 and float32 rows, and what the second iteration
alone gives. What is not converted must be refused with the words of REFUSED. One line per
difference; exit 1 if there is any.
"""
import pickle
import re
import sys

import joblib
import numpy as np

import option_cases
from fixture_folder import write_npy
from option_cases import LIGHTGBM, QUERY, XGBOOST, Data, lgb, xgb
from prove_pickles import make_rows, thresholds_of
from proving import Prover, optional, run, share_asked

pandas = optional("pandas")

# Trainer, of the case's name, of the way it is saved: words of the refusal.
REFUSED = [("LightGBM, pred_early_stop=True.*(two|four|grades), a pickle", "pred_early_stop"),
           ("XGBoost, skewed (count:poisson|reg:gamma)", "is not finite")]  # 0 / 0 in training
LINKED = re.compile("logistic|softprob|poisson|gamma|tweedie|cox|aft|expectile|binary|multiclass|"
                    "entropy|entlambda")


class OptionProver(Prover):
    exact_types = False

    def __init__(self, espalier, folder):
        Prover.__init__(self, espalier, folder)
        self.verbose = False
        self.models = self.declined = self.unknown = 0
        self.kinds = set()  # of estimators, that were there

    def note(self, what, how, error):
        """What the trainer itself refuses."""
        self.unknown += 1
        if self.verbose:
            print("%s: %s: %s" % (what, how, str(error).split("\n")[0][:150]), flush=True)

    def compare_all(self, found, rows, what):
        """found: {kind: (answers, linked)}."""
        write_npy(self.path("rows.npy"), rows)
        for kind, (wanted, linked) in sorted(found.items()):
            wanted = np.asarray(wanted)
            wanted = wanted.astype(str) if wanted.dtype.kind == "O" else wanted
            self.compare_output(kind, wanted, "%s, %s" % (what, rows.dtype),
                                linked and wanted.dtype.kind == "f")

    def compare_range(self, found, what):
        """found, as compare_all takes it: of the second iteration alone, of rows.npy."""
        for kind, (wanted, linked) in sorted(found.items()):
            options = ["--output", kind] if kind != "predict" else []
            failed = self.run("predict", self.path("model.espalier"), self.path("rows.npy"), "-o",
                              self.path("found.npy"), "--iterations", "1:2", *options)
            if failed:
                self.complain(what, failed)
                continue
            array = np.load(self.path("found.npy"))
            if self.is_alike(kind, array, wanted, what):
                self.compare_arrays(kind, array, wanted, what + ", one iteration", linked)

    def convert(self, source, trainer, name, way):
        """Whether there is a model now; a refusal must be known."""
        what = "%s, %s, %s" % (trainer, name, way)
        failed = self.run("convert", source, "-o", self.path("model.espalier"))
        if failed:
            known = any(re.search(pattern, what) and words in failed for pattern, words in REFUSED)
            self.declined += known
            if not known:
                self.complain(what, failed)
        return not failed



# --- What the trainers say ------------------------------------------------------------------------

def objective_of(model):
    """Of the model, not what the estimator was told."""
    booster = booster_of(model)
    if lgb and isinstance(booster, lgb.Booster):
        found = re.search(r"^objective=(\S+)", booster.model_to_string(), re.M)
        return found.group(1) if found else ""
    if XGBOOST >= (1, 0):
        return re.search(r'"objective":\{"name":"([^"]+)"|"name":"([a-z]+:[a-z]+)"',
                         booster.save_config().replace(" ", "").replace("\n", "")).group(0)
    return str(getattr(model, "objective", ""))


def booster_of(model):
    if xgb and isinstance(model, xgb.XGBModel):
        return model.get_booster()
    return model.booster_ if lgb and isinstance(model, lgb.LGBMModel) else model


def matrix_of(booster, rows):
    more = ({"feature_types": booster.feature_types, "enable_categorical": True}
            if XGBOOST >= (1, 5) else {})
    return xgb.DMatrix(rows, feature_names=booster.feature_names, **more)


def xgboost_answers(model, rows):
    linked = bool(LINKED.search(objective_of(model)))
    if isinstance(model, xgb.Booster):
        data = matrix_of(model, rows)
        leaf, value = model.predict(data, pred_leaf=True), model.predict(data)
        return {"margin": (model.predict(data, output_margin=True), False),
                "leaf": (leaf.reshape(len(rows), -1).astype(np.int64), False),
                "value": (value, linked), "predict": (value, linked)}
    rows = as_frame(model, rows)
    found = {"margin": (model.predict(rows, output_margin=True), False),
             "leaf": (model.apply(rows).reshape(len(rows), -1).astype(np.int64), False)}
    classifies = isinstance(model, xgb.XGBClassifier)
    if not (classifies and takes_for_labels(model)):
        found["predict"] = model.predict(rows), linked and not classifies
    # Before 1.6 what it calls probabilities of multi:softmax are margins, or class numbers.
    if classifies and (XGBOOST >= (1, 6) or model.objective != "multi:softmax"):
        found["probability"] = model.predict_proba(rows), True
    return found


def takes_for_labels(model):
    """Two classes with a probability each, which predict takes for two labels a row: not copied."""
    return model.objective == "multi:softprob" and model.n_classes_ == 2


def as_frame(model, rows):
    """Rows of an estimator that was trained on names."""
    names = booster_of(model).feature_names
    return rows if pandas is None or not names or names[0] != "n 0" else \
        pandas.DataFrame(rows, columns=names)


def lightgbm_answers(model, rows):
    linked = bool(LINKED.search(objective_of(model)))
    leaf = model.predict(rows, pred_leaf=True)
    found = {"margin": (model.predict(rows, raw_score=True), False),
             "leaf": (leaf.reshape(len(rows), -1).astype(np.int64), False),
             "predict": (model.predict(rows), linked)}
    if isinstance(model, lgb.Booster):
        found["value"] = found["predict"]
    elif isinstance(model, lgb.LGBMClassifier) and not callable(model.objective):
        found["predict"] = model.predict(rows), False
        found["probability"] = model.predict_proba(rows), True
    return found


def second_iteration(trainer, model, rows):
    """What the second iteration alone gives, where version and model have it."""
    booster = booster_of(model)
    if trainer == "LightGBM":
        few = LIGHTGBM < (3, 0) or booster.current_iteration() < 2
        return {} if few else lightgbm_range(model, booster, rows)
    few = XGBOOST < (1, 4) or booster.num_boosted_rounds() < 2
    return {} if few else xgboost_range(model, rows)


def lightgbm_range(model, booster, rows):
    some = dict(start_iteration=1, num_iteration=1)
    linked = bool(LINKED.search(objective_of(model)))
    leaf = booster.predict(rows, pred_leaf=True, **some)
    found = {"margin": (booster.predict(rows, raw_score=True, **some), False),
             "leaf": (leaf.reshape(len(rows), -1).astype(np.int64), False)}
    if isinstance(model, lgb.LGBMClassifier) and not callable(model.objective):
        found["probability"] = model.predict_proba(rows, **some), True
    else:
        found["predict"] = model.predict(rows, **some), linked
    return found


def xgboost_range(model, rows):
    some = dict(iteration_range=(1, 2))
    linked = bool(LINKED.search(objective_of(model)))
    if isinstance(model, xgb.Booster):
        data = matrix_of(model, rows)
        return {"margin": (model.predict(data, output_margin=True, **some), False),
                "predict": (model.predict(data, **some), linked)}
    rows = as_frame(model, rows)
    found = {"margin": (model.predict(rows, output_margin=True, **some), False)}
    if not isinstance(model, xgb.XGBClassifier):
        found["predict"] = model.predict(rows, **some), linked
    elif XGBOOST >= (1, 6) or model.objective != "multi:softmax":
        found["probability"] = model.predict_proba(rows, **some), True
    return found


# --- Ways to save ---------------------------------------------------------------------------------

def pickled(model, prover, rng):
    """The file; protocols and containers take turns."""
    source = prover.path("model.pkl")
    if rng.randint(3) == 0:
        joblib.dump(model, source, compress=int(rng.choice([0, 3])))
        return source
    with open(source, "wb") as file:
        pickle.dump(model, file, int(rng.randint(2, pickle.HIGHEST_PROTOCOL + 1)))
    return source


def saved(model, source):
    """The file, and who answers for it: what reads it again."""
    model.save_model(source)
    again = (xgb.Booster({"nthread": 1}) if isinstance(model, xgb.Booster) else
             type(model)(n_jobs=1))
    again.load_model(source)
    return source, again


def xgboost_ways(model, prover, rng):
    """What it is called, and what gives the file and who answers for it."""
    booster = booster_of(model)
    # 1.0 and 1.1 write a huge base score in more digits than they read.
    huge = XGBOOST < (1, 2) and abs(getattr(model, "base_score", None) or 0) >= 2.0 ** 63
    endings = ["json"] if XGBOOST >= (1, 0) and not huge else []
    endings += ["ubj"] if XGBOOST >= (1, 6) else []
    endings += ["model" if XGBOOST < (1, 6) else "deprecated"] if XGBOOST < (3, 1) else []
    yield "Booster in a pickle", lambda: (pickled(booster, prover, rng), booster)
    for ending in endings:
        yield "Booster." + ending, lambda one=ending: saved(booster, prover.path("booster." + one))
    if model is booster:
        return
    yield "a pickle", lambda: (pickled(model, prover, rng), model)
    for ending in endings if XGBOOST >= (1, 6) else []:
        if ending != "deprecated":
            yield "estimator." + ending, lambda one=ending: saved(
                model, prover.path("estimator." + one))


def saved_text(booster, source, options):
    booster.save_model(source, **options)
    return source, lgb.Booster(model_file=source)


def lightgbm_ways(model, prover, rng):
    booster = booster_of(model)
    yield "a pickle", lambda: (pickled(model, prover, rng), model)
    yield "Booster in a pickle", lambda: (pickled(booster, prover, rng), booster)
    for name, options in (("text", {}), ("text, all of it", {"num_iteration": -1}),
                          ("text, from the second on", {"start_iteration": 1})):
        if "start_iteration" not in options or (LIGHTGBM >= (2, 3) and booster.num_trees() >= 8):
            yield name, lambda more=options: saved_text(booster, prover.path("model.txt"), more)


# --- Training -------------------------------------------------------------------------------------

def held_options(trainer, estimator, data, target, fit):
    """What fit takes to stop early, as the version wants it."""
    held = (data.codes if "codes" in fit else data.rows, data.targets[target])
    more = {"eval_set": [held]}
    if target == "grades":
        more["eval_group"] = [[QUERY] * (len(held[0]) // QUERY)]
    callbacks = []
    if trainer == "LightGBM":
        if "stop" in fit and LIGHTGBM >= (3, 3):
            callbacks = [lgb.early_stopping(fit["stop"], verbose=False)]
        elif "stop" in fit:
            more.update(early_stopping_rounds=fit["stop"], verbose=False)
    elif "best" in fit:
        callbacks = [xgb.callback.EarlyStopping(3, save_best=True)]
    elif XGBOOST >= (1, 6):
        estimator.set_params(early_stopping_rounds=fit["stop"])
    else:
        more["early_stopping_rounds"] = fit["stop"]
    if trainer == "XGBoost":
        more["verbose"] = False
    return more, callbacks


def add_callbacks(trainer, estimator, more, callbacks):
    if callbacks and trainer == "XGBoost" and XGBOOST >= (1, 6):
        estimator.set_params(callbacks=callbacks)
    elif callbacks:
        more["callbacks"] = callbacks


def fit_options(trainer, estimator, data, held, target, fit):
    count = len(data.rows)
    more, callbacks = {}, []
    if {"stop", "best", "held"} & set(fit):
        more, callbacks = held_options(trainer, estimator, held, target, fit)
    if "schedule" in fit:
        callbacks = [xgb.callback.LearningRateScheduler(option_cases.shrink)
                     if trainer == "XGBoost" else
                     lgb.reset_parameter(learning_rate=option_cases.shrink)]
    add_callbacks(trainer, estimator, more, callbacks)
    if target == "grades" or getattr(estimator, "objective", None) == "rank:map":
        more["group"] = [QUERY] * (count // QUERY)
    if "margin" in fit:
        width = 4 if target == "four" else 1
        more["base_margin" if trainer == "XGBoost" else "init_score"] = (
            np.linspace(-2, 1, count * width).reshape(count, width)[:, slice(None) if width > 1
                                                                    else 0])
    if "weight" in fit:
        weights = np.arange(count) % 5 + 0.5
        more["sample_weight"] = (weights[:count // QUERY] if target == "grades" and
                                 trainer == "XGBoost" else weights)
    if "codes" in fit and trainer == "LightGBM":
        more["categorical_feature"] = [0, 1]
    return more


def is_random(trainer, estimator):
    return trainer == "XGBoost" and XGBOOST < (1, 0) and "rate_drop" in str(estimator)


def train(trainer, case, data, held):
    _, make, target, fit = case
    estimator = make()
    if is_random(trainer, estimator):
        raise ValueError("predict of 0.90 drops trees at random")
    rows = data.codes if "codes" in fit else data.rows
    missing = getattr(estimator, "missing", None)
    if missing is not None and missing == missing:
        rows = np.where(np.isnan(rows), missing, rows)
    if "frame" in fit and pandas is not None:
        rows = pandas.DataFrame(rows, columns=["n %d" % i for i in range(rows.shape[1])])
    more = fit_options(trainer, estimator, data, held, target, fit)
    if "again" in fit:
        first = make().fit(rows, data.targets[target],
                           **{key: more[key] for key in more if key == "group"})
        more["xgb_model" if trainer == "XGBoost" else "init_model"] = booster_of(first)
    return estimator.fit(rows, data.targets[target], **more)


# --- Comparing ------------------------------------------------------------------------------------

def compare_way(prover, trainer, name, way, source, answering, rows, told):
    what = "%s, %s, %s" % (trainer, name, way)
    prover.about(trainer, (xgb if trainer == "XGBoost" else lgb).__version__,
                 "%s, one option after the other" % type(answering).__name__, answering,
                 told)
    if not prover.convert(source, trainer, name, way):
        return
    answers = xgboost_answers if trainer == "XGBoost" else lightgbm_answers
    for one in (rows, rows.astype(np.float32)):
        try:
            found = answers(answering, one)
        except Exception as error:  # of many kinds
            prover.note(what, "no answers", error)
            return
        prover.compare_all(found, one, what)
    # Up to 1.5 no file says how many trees an iteration has, nor does the old binary: who reads it
    # again takes one.
    unsaid = trainer == "XGBoost" and (way.endswith((".deprecated", ".model")) or
                                       (XGBOOST < (1, 6) and "." in way))
    if not unsaid:
        prover.compare_range(second_iteration(trainer, answering, one), what)


def some_first(rng, ways, new):
    """All ways, those that are asked for first, and how many they are: one at least, and the pickle
    of each new class of estimators."""
    chosen = rng.rand(len(ways)) < share_asked()
    chosen |= [new and way == "a pickle" for way, _ in ways]
    chosen[rng.randint(len(ways))] |= not chosen.any()
    return sorted(zip(ways, chosen), key=lambda one: not one[1]), np.count_nonzero(chosen)


def prove_case(prover, rng, trainer, case, data, held):
    name = case[0]
    try:
        model = train(trainer, case, data, held)
    except Exception as error:  # of many kinds: what this version does not know
        prover.note("%s, %s" % (trainer, name), "not trained", error)
        return
    prover.models += 1
    booster = booster_of(model)
    rows = make_rows(rng, data.codes if "codes" in case[3] else data.rows, thresholds_of(booster))
    if "codes" in case[3]:
        rows[:, :2] = rng.randint(0, 9, (len(rows), 2))
    missing = getattr(model, "missing", None)
    if missing is not None and missing == missing:
        marked = rng.rand(*rows.shape) < 0.2
        if trainer == "XGBoost" and XGBOOST < (1, 0):  # refuses NaN beside
            marked |= np.isnan(rows)
        rows = np.where(marked, float(missing), rows)
    ways = xgboost_ways if trainer == "XGBoost" else lightgbm_ways
    new = type(model) not in prover.kinds or "frame" in case[3]  # not every file keeps names
    prover.kinds.add(type(model))
    ordered, asked = some_first(rng, list(ways(model, prover, rng)), new)
    saved = 0
    for index, ((way, save), _) in enumerate(ordered):
        if index >= asked and saved:  # what one way cannot save, another does
            break
        try:
            source, answering = save()
            saved += 1
        except Exception as error:  # of many kinds, too
            prover.note("%s, %s, %s" % (trainer, name, way), "not saved", error)
            continue
        compare_way(prover, trainer, name, way, source, answering, rows, model)


def prove(prover, arguments):
    prover.verbose = arguments.verbose
    rng = np.random.RandomState(arguments.seed)
    trainers = [("XGBoost", option_cases.xgboost_cases)] if xgb else []
    trainers += [("LightGBM", option_cases.lightgbm_cases)] if lgb else []
    for trainer, cases in trainers:
        data, held = Data(rng), Data(rng)
        for case in cases():
            if not arguments.only or arguments.only in trainer + ", " + case[0]:
                prove_case(prover, rng, trainer, case, data, held)
    return "%d models, %d that the trainers refuse, %d not converted, as documented" % (
        prover.models, prover.unknown, prover.declined)


if __name__ == "__main__":
    sys.exit(run(prove, OptionProver, only=True))
