# SPDX-License-Identifier: Apache-2.0
"""How far NumPy's exp, log and pow are from the exact numbers, and what scikit-learn's answers owe
to the processor: a trainer that is not deterministic between machines.

    python prove_processors.py --espalier PATH [--numbers N] [--seed N]

Runs inside an environment with scikit-learn, any version from 0.22 on. Two processes of the same
Python load the same models and answer the same rows, one with NumPy as on CPUs without AVX-512, one
with what this CPU has; their answers are counted as two routes of the trainer. Espalier's answers
are compared with the first's, within 2 ulp. Functions of NumPy and of the C library, which Espalier
calls, are compared with 40 digits. On CPUs without AVX-512 both processes are alike.
"""
import ctypes
import ctypes.util
import decimal
import os
import pickle
import subprocess
import sys

import numpy as np
import sklearn

VERSION = tuple(int(part) for part in sklearn.__version__.split(".")[:2])
if VERSION < (1, 0):
    from sklearn.experimental import enable_hist_gradient_boosting
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import (AdaBoostClassifier, GradientBoostingClassifier,
                              HistGradientBoostingClassifier, IsolationForest,
                              RandomForestClassifier, RandomForestRegressor)
from sklearn.tree import DecisionTreeClassifier

from environments import plain_environment
from fixture_set import write_npy
from proving import PROCESSORS, Prover, run

ANSWERS = ("score_samples", "decision_function", "predict_proba", "predict")
KINDS = {"score_samples": "score", "decision_function": "margin", "predict_proba": "probability",
         "predict": "value"}
DIGITS = decimal.Context(prec=40, Emin=-9999, Emax=9999)
TWO = decimal.Decimal(2)


def argument_ranges(rng, count):
    """Name: (arguments, exact value of one, NumPy's function of all)."""
    wide, positive = rng.uniform(-30, 30, count), np.exp(rng.uniform(-30, 30, count))
    near = rng.uniform(0, 3, count)
    return {
        "exp": (wide, lambda x: DIGITS.exp(x), np.exp),
        "expm1": (wide / 6, lambda x: DIGITS.subtract(DIGITS.exp(x), 1), np.expm1),
        "exp2": (wide, lambda x: DIGITS.power(TWO, x), np.exp2),
        "power of 2": (-near, lambda x: DIGITS.power(TWO, x), lambda x: 2 ** x),
        "log": (positive, lambda x: DIGITS.ln(x), np.log),
        "log1p": (near, lambda x: DIGITS.ln(DIGITS.add(x, 1)), np.log1p)}


# --- One of two processes -------------------------------------------------------------------------

def features_of():
    """Which of AVX-512's this NumPy uses."""
    core = getattr(np, "_core", None) or np.core
    found = getattr(core._multiarray_umath, "__cpu_features__", {})
    return sorted(name for name, there in found.items() if there and
                  name.startswith(("AVX512", "X86_V4")))


def answer(path):
    """Replaces what is asked by the answers."""
    with open(path, "rb") as file:
        models, arguments = pickle.load(file)
    found = [{name: getattr(model, name)(rows) for name in ANSWERS if hasattr(model, name)}
             for _, model, rows in models]
    functions = argument_ranges(np.random.RandomState(0), 1)
    with open(path, "wb") as file:
        pickle.dump((features_of(), found, {
            (name, str(x.dtype)): functions[name][2](x) for name, x in arguments}), file)


def ask(prover, asked, own):
    variables = plain_environment()
    if own:
        del variables["NPY_DISABLE_CPU_FEATURES"]
    path = prover.path("asked.pkl")
    with open(path, "wb") as file:
        pickle.dump(asked, file)
    subprocess.run([sys.executable, os.path.abspath(__file__), "--answer", path], check=True,
                   env=variables, timeout=300)
    with open(path, "rb") as file:
        return pickle.load(file)


# --- Functions ------------------------------------------------------------------------------------

def ask_library(name, x):
    """The C library's answers, or None where it is not found by name."""
    try:
        library = ctypes.CDLL(ctypes.util.find_library("m"))
    except (OSError, TypeError):
        return None
    kind, ending = ((ctypes.c_float, "f") if x.dtype == np.float32 else (ctypes.c_double, ""))
    powers = name == "power of 2"
    function = getattr(library, ("pow" if powers else name) + ending)
    function.restype, function.argtypes = kind, [kind] * (2 if powers else 1)
    first = (2.0,) if powers else ()
    return np.array([function(*first, one) for one in x], dtype=x.dtype)


def measure(found, exact, rounded):
    """How many are not the nearest number, and how far the farthest is from the exact one, in units
    of the last place."""
    units = np.spacing(np.abs(rounded)).astype(np.float64)
    distance = max(abs(DIGITS.subtract(decimal.Decimal(float(one)), there)) /
                   decimal.Decimal(float(unit))
                   for one, there, unit in zip(found, exact, units))
    return int(np.count_nonzero(found != rounded)), float(distance)


def compare_functions(prover, arguments, plain, own):
    functions = argument_ranges(np.random.RandomState(0), 1)
    for name, x in arguments:
        exact = [functions[name][1](decimal.Decimal(float(one))) for one in x]
        rounded = np.array([float(one) for one in exact]).astype(x.dtype)
        ways = {"library": ask_library(name, x), "plain": plain[2][name, str(x.dtype)]}
        if own[0]:
            ways["own"] = own[2][name, str(x.dtype)]
        prover.roundings.append({
            "function": name, "type": str(x.dtype), "version": np.__version__,
            "features": " ".join(own[0]), "numbers": len(x),
            "ways": {way: measure(found, exact, rounded) for way, found in ways.items()
                     if found is not None}})


# --- Models ---------------------------------------------------------------------------------------

def make_models(rng):
    """Name, model, rows: of what goes through NumPy's exp, log or pow."""
    data = rng.randn(500, 4)
    noise = data[:, 0] + np.sin(data[:, 1]) + 0.3 * rng.randn(500)
    two, several = (noise > 0).astype(int), np.digitize(noise, [-1, 0, 1])
    tree = DecisionTreeClassifier(max_depth=3, random_state=0)
    forest = RandomForestClassifier(9, max_depth=4, random_state=0)
    found = [("IsolationForest", IsolationForest(n_estimators=100, random_state=0), None)]
    for words, classes in (("two classes", two), ("several classes", several)):
        found += [("GradientBoostingClassifier, " + words,
                   GradientBoostingClassifier(n_estimators=10, random_state=0), classes),
                  ("HistGradientBoostingClassifier, " + words,
                   HistGradientBoostingClassifier(max_iter=10, random_state=0), classes)]
    found += [("CalibratedClassifierCV, sigmoid", CalibratedClassifierCV(forest, cv=2), several),
              ("TransformedTargetRegressor, expm1", TransformedTargetRegressor(
                  RandomForestRegressor(9, random_state=0), func=np.log1p,
                  inverse_func=np.expm1), np.exp(noise))]
    if VERSION < (1, 6):
        key = "estimator" if VERSION >= (1, 2) else "base_estimator"
        found.append(("AdaBoostClassifier, SAMME.R", AdaBoostClassifier(
            algorithm="SAMME.R", n_estimators=20, random_state=0, **{key: tree}), several))
    if VERSION >= (1, 8):
        found.append(("CalibratedClassifierCV, temperature", CalibratedClassifierCV(
            forest, method="temperature", cv=2), several))
    rows = rng.randn(2000, 4) * 1.5
    return [(name, model.fit(data) if target is None else model.fit(data, target), rows)
            for name, model, target in found]


def compare_model(prover, name, model, rows, plain, own):
    prover.about("scikit-learn", sklearn.__version__, name)
    with open(prover.path("trained.pkl"), "wb") as file:
        pickle.dump(model, file)
    failed = prover.run("convert", prover.path("trained.pkl"), "-o", prover.path("model.espalier"))
    if failed:
        prover.complain(name, failed)
        return
    write_npy(prover.path("rows.npy"), rows)
    for call, wanted in sorted(plain.items()):
        kind = "class" if call == "predict" and wanted.dtype.kind != "f" else KINDS[call]
        if own is not None:
            prover.compare_route(kind, PROCESSORS, wanted, own[call])
        summed = kind == "margin" or name.endswith(("SAMME.R", "temperature"))
        if kind == "score" or (kind != "class" and not summed):
            prover.compare_output(kind, wanted, name, True)


def prove(prover, arguments):
    rng = np.random.RandomState(arguments.seed)
    models = make_models(rng)
    ranges = argument_ranges(rng, arguments.numbers)
    asked = [(name, x.astype(kind)) for name, (x, _, _) in ranges.items()
             for kind in (np.float64, np.float32)]
    plain, own = (ask(prover, (models, asked), one) for one in (False, True))
    for index, (name, model, rows) in enumerate(models):
        compare_model(prover, name, model, rows, plain[1][index],
                      own[1][index] if own[0] else None)
    compare_functions(prover, asked, plain, own)
    return "scikit-learn %s, NumPy %s with %s" % (
        sklearn.__version__, np.__version__, " ".join(own[0]) or "no AVX-512")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--answer"]:
        sys.exit(answer(sys.argv[2]))
    sys.exit(run(prove, Prover, numbers=20000))
