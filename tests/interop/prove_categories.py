# SPDX-License-Identifier: Apache-2.0
"""Categories, `missing` and linear trees behind pipelines and inside estimators of others, through
the espalier command, compared with the trainers' own answers.

    python prove_categories.py --espalier PATH [--models N] [--seed N]

Runs inside an environment with scikit-learn from 0.24 on, and takes XGBoost and LightGBM where they
are there. Each model is pickled and asked for what predict gives, of float64 and float32 rows with
categories that training met, others, and none. One line per difference; exit 1 if there is any.
"""
import pickle
import sys

import numpy as np
import sklearn

from proving import SKIPPED, Prover, optional, run

VERSION = tuple(int(part) for part in sklearn.__version__.split(".")[:2])
if VERSION < (0, 24):
    print("scikit-learn %s: no categories" % sklearn.__version__)
    sys.exit(SKIPPED)
if VERSION < (1, 0):
    from sklearn.experimental import enable_hist_gradient_boosting
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (AdaBoostRegressor, BaggingClassifier, BaggingRegressor,
                              GradientBoostingRegressor, HistGradientBoostingClassifier,
                              HistGradientBoostingRegressor, RandomForestRegressor,
                              VotingClassifier, VotingRegressor)
from sklearn.impute import SimpleImputer
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder, StandardScaler

xgboost = optional("xgboost")
lightgbm = optional("lightgbm")

NUMBERS = [2, 3, 4]


class Data:
    """Two features of categories, three of numbers; rows with other categories among theirs."""

    def __init__(self, rng):
        count = 400
        self.rows = rng.randn(count, 5)
        self.rows[:, 0] = rng.randint(0, 12, count)
        self.rows[:, 1] = rng.choice([3.0, 7.0, 11.0, 200.0], count)
        self.rows[rng.rand(count) < 0.1, 2] = np.nan
        self.target = (self.rows[:, 0] % 3 + (self.rows[:, 1] > 5) * np.nan_to_num(self.rows[:, 2])
                       + 0.1 * rng.randn(count))
        self.labels = np.digitize(self.target, [0.5, 1.5])
        self.two = (self.target > 1) * 1
        self.filled = np.where(np.isnan(self.rows), -999.0, self.rows)
        self.asked = self.rows[rng.randint(count, size=250)].copy()
        self.asked[rng.rand(250) < 0.1, 0] = np.nan
        for value in (-1.0, 12.0, 99.0):
            self.asked[rng.rand(250) < 0.05, 0] = value
        self.asked[rng.rand(250) < 0.05, 1] = 5.0
        # What LightGBM takes for 0, and what it just does not.
        self.asked[rng.rand(250) < 0.1, 4] = rng.choice([1e-36, -1e-35, 1.0000001e-35, 5e-324])
        self.whole = np.where(np.isnan(self.asked), -999.0, self.asked)


def encoder():
    return ColumnTransformer([
        ("codes", OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan), [0, 1]),
        ("numbers", StandardScaler(), NUMBERS)])


def own_models(data, rounds):
    """(what, model, rows) of scikit-learn alone."""
    def regressor(features=(0, 1)):
        return HistGradientBoostingRegressor(max_iter=rounds, categorical_features=list(features))

    def classifier(features=(0, 1)):
        return HistGradientBoostingClassifier(max_iter=rounds, categorical_features=list(features))

    rows, target = data.rows, data.target
    scaler = ColumnTransformer([("as is", "passthrough", [1, 0]),
                                ("numbers", StandardScaler(), NUMBERS)])
    yield "Pipeline, categories encoded", make_pipeline(encoder(), regressor()).fit(rows, target)
    yield "Pipeline, classes", make_pipeline(encoder(), classifier()).fit(rows, data.labels)
    yield "Pipeline, categories as they are", make_pipeline(scaler, regressor()).fit(rows, target)
    yield "Bagging", BaggingRegressor(regressor(), 4, random_state=rounds).fit(rows, target)
    yield "Bagging, one feature", BaggingClassifier(classifier([0]), 3, random_state=rounds).fit(
        rows, data.labels)
    yield "Voting, categories and numbers", VotingRegressor([
        ("a", regressor()), ("b", HistGradientBoostingRegressor(max_iter=3))]).fit(rows, target)
    yield "Voting, soft", VotingClassifier([("a", classifier()), ("b", classifier([1]))],
                                           voting="soft").fit(rows, data.two)
    yield "MultiOutput", MultiOutputRegressor(regressor()).fit(rows, np.c_[target, -target])
    yield "Calibrated", CalibratedClassifierCV(classifier(), cv=3).fit(rows, data.two)


def boosted_models(data, rounds):
    """Those of XGBoost and LightGBM that are there."""
    options = dict(n_estimators=rounds, n_jobs=1)
    rows, target = data.rows, data.target
    if xgboost is not None:
        marked = SimpleImputer(strategy="constant", fill_value=-999)
        yield "Pipeline, XGBoost, missing=-999", make_pipeline(
            marked, xgboost.XGBRegressor(missing=-999.0, **options)).fit(rows, target)
        yield "Pipeline, XGBoost", make_pipeline(
            StandardScaler(), xgboost.XGBClassifier(**options)).fit(rows, data.labels)
        yield "MultiOutput, XGBoost, missing=-999", MultiOutputRegressor(
            xgboost.XGBRegressor(missing=-999.0, **options)).fit(data.filled,
                                                                 np.c_[target, -target])
    if lightgbm is not None:
        options["verbose"] = -1
        yield "Pipeline, LightGBM", make_pipeline(
            StandardScaler(), lightgbm.LGBMClassifier(**options)).fit(rows, data.labels)
        yield "Pipeline, LightGBM, categories", make_pipeline(
            encoder(), lightgbm.LGBMRegressor(**options)).fit(
                rows, target, lgbmregressor__categorical_feature=[0, 1])
        yield "Pipeline, LightGBM, linear trees", make_pipeline(
            encoder(), lightgbm.LGBMRegressor(linear_tree=True, **options)).fit(rows, target)
        yield "LightGBM, linear trees", lightgbm.LGBMClassifier(
            linear_tree=True, **options).fit(rows, data.labels)


def linear_models(data, rounds):
    """Linear trees inside estimators of scikit-learn, some beside trees that compare float32."""
    if lightgbm is None or tuple(map(int, lightgbm.__version__.split(".")[:2])) < (3, 2):
        return
    options = dict(n_estimators=rounds, num_leaves=7, n_jobs=1, verbose=-1, linear_tree=True)

    def regressor():
        return lightgbm.LGBMRegressor(**options)

    def classifier():
        return lightgbm.LGBMClassifier(**options)

    rows, filled, target = data.rows, data.filled, data.target
    forest = RandomForestRegressor(rounds, max_depth=4, random_state=rounds)
    start = GradientBoostingRegressor(n_estimators=3, init=regressor(), random_state=rounds)
    behind = make_pipeline(StandardScaler(), regressor())
    yield "Bagging, linear trees", BaggingRegressor(
        regressor(), 4, max_features=0.6, random_state=rounds).fit(rows, target)
    yield "Bagging, linear trees, classes", BaggingClassifier(
        classifier(), 3, max_features=0.6, bootstrap_features=True, random_state=rounds).fit(
            rows, data.labels)
    yield "Voting, linear trees", VotingRegressor([
        ("a", regressor()), ("b", HistGradientBoostingRegressor(max_iter=3))]).fit(rows, target)
    yield "Voting, linear trees and a forest", VotingRegressor([
        ("a", regressor()), ("b", forest), ("c", behind)]).fit(filled, target)
    yield "Voting, soft, linear trees", VotingClassifier([
        ("a", classifier()), ("b", classifier())], voting="soft").fit(rows, data.labels)
    yield "Calibrated, linear trees", CalibratedClassifierCV(classifier(), cv=3).fit(rows, data.two)
    yield "MultiOutput, linear trees", MultiOutputRegressor(regressor()).fit(
        rows, np.c_[target, -target])
    yield "OneVsRest, linear trees", OneVsRestClassifier(classifier()).fit(rows, data.labels)
    yield "AdaBoost, linear trees", AdaBoostRegressor(regressor(), n_estimators=3,
                                                      random_state=rounds).fit(filled, target)
    yield "a first guess of linear trees", start.fit(filled, target)
    yield "Voting of a first guess of linear trees", VotingRegressor([
        ("a", start), ("b", behind)]).fit(filled, target)
    yield "Pipeline, Voting, linear trees", make_pipeline(encoder(), VotingRegressor([
        ("a", regressor()), ("b", HistGradientBoostingRegressor(max_iter=2))])).fit(rows, target)


def prove_model(prover, data, what, model):
    with open(prover.path("model.pkl"), "wb") as file:
        pickle.dump(model, file)
    failed = prover.run("convert", prover.path("model.pkl"), "-o", prover.path("model.espalier"))
    if failed:
        prover.complain(what, failed)
        return
    widths = [data.asked, data.asked.astype(np.float32)]
    widths += [data.whole] if "linear" in what else []
    for rows in widths:
        try:
            wanted = model.predict(rows)
        except ValueError:  # the trainer takes no NaN there
            continue
        np.save(prover.path("rows.npy"), rows)
        prover.compare_output("predict", wanted, "%s, %s rows" % (what, rows.dtype))


def prove(prover, arguments):
    rng = np.random.RandomState(arguments.seed)
    for index in range(arguments.models):
        data, rounds = Data(rng), int(rng.choice([2, 5, 9]))
        for models in (own_models, boosted_models, linear_models):
            for what, model in models(data, rounds):
                if what.startswith("LightGBM, "):
                    prover.about("LightGBM", lightgbm.__version__, what[len("LightGBM, "):],
                                 model)
                else:
                    prover.about("scikit-learn", sklearn.__version__, what, model)
                prove_model(prover, data, "model %d, %s" % (index, what), model)
    return "scikit-learn " + sklearn.__version__


if __name__ == "__main__":
    sys.exit(run(prove, Prover, models=3))
