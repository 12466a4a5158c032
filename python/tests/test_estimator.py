# SPDX-License-Identifier: Apache-2.0
"""A loaded model is a fitted estimator to scikit-learn, and pickles as a path and a digest."""
import concurrent.futures
import copy
import multiprocessing
import os
import pickle

import pytest

numpy = pytest.importorskip("numpy")
sklearn = pytest.importorskip("sklearn")

import espalier  # noqa: E402
from conftest import FIXTURES  # noqa: E402
from sklearn import ensemble, metrics, model_selection, pipeline  # noqa: E402
from sklearn.base import clone, is_classifier, is_regressor  # noqa: E402
from sklearn.preprocessing import FunctionTransformer, StandardScaler  # noqa: E402
from sklearn.utils.validation import check_is_fitted  # noqa: E402


@pytest.fixture(scope="module")
def data():
    random = numpy.random.default_rng(5)
    rows = random.normal(size=(300, 4))
    values = rows[:, 0] + rows[:, 1] ** 2
    return rows, values, numpy.where(values > 0.5, "high", "low")


@pytest.fixture(scope="module")
def pairs(data, tmp_path_factory):
    """(trained, loaded) of each kind."""
    folder = tmp_path_factory.mktemp("estimators")
    rows, values, labels = data
    trained = {
        "classifier": ensemble.RandomForestClassifier(9, random_state=0).fit(rows, labels),
        "boosting": ensemble.GradientBoostingClassifier(n_estimators=5).fit(rows, labels),
        "regressor": ensemble.RandomForestRegressor(9, random_state=0).fit(rows, values),
        "several": ensemble.RandomForestClassifier(5, random_state=0).fit(
            rows, numpy.stack([labels, labels[::-1]], axis=1)),
        "values": ensemble.RandomForestRegressor(5, random_state=0).fit(
            rows, numpy.stack([values, values[::-1]], axis=1)),
        "anomalies": ensemble.IsolationForest(n_estimators=20, random_state=0).fit(rows),
    }
    made = {}
    for name, estimator in trained.items():
        espalier.dump(estimator, folder / name)
        made[name] = (estimator, espalier.load(folder / name))
    return made


def test_attributes(pairs):
    for estimator, model in pairs.values():
        check_is_fitted(model)
        assert model.n_features_in_ == estimator.n_features_in_ == 4
        assert is_classifier(model) == is_classifier(estimator)
        assert is_regressor(model) == is_regressor(estimator)
        for name in ("predict", "predict_proba", "decision_function", "apply", "score",
                     "score_samples", "classes_", "feature_names_in_", "predict_log_proba"):
            if name != "apply":
                assert hasattr(model, name) == hasattr(estimator, name), name
            assert name in dir(model)
    estimator, model = pairs["classifier"]
    assert model.classes_.tolist() == estimator.classes_.tolist()
    assert model.classes_.dtype == estimator.classes_.dtype and model.n_classes_ == 2
    estimator, model = pairs["several"]
    assert [one.tolist() for one in model.classes_] == [one.tolist() for one in estimator.classes_]
    assert model.n_outputs_ == 2 and model.n_classes_ == [2, 2]


def test_predictions(pairs, data):
    rows = data[0]
    for name, (estimator, model) in pairs.items():
        found, expected = model.predict(rows), estimator.predict(rows)
        assert found.shape == expected.shape and (found == expected).all(), name
    for name in ("classifier", "several"):
        estimator, model = pairs[name]
        for ask in ("predict_proba", "predict_log_proba"):
            found, expected = getattr(model, ask)(rows), getattr(estimator, ask)(rows)
            assert numpy.array_equal(numpy.asarray(found), numpy.asarray(expected)), (name, ask)
        assert (model.apply(rows) == estimator.apply(rows)).all()
    estimator, model = pairs["boosting"]
    assert (model.decision_function(rows) == estimator.decision_function(rows)).all()
    estimator, model = pairs["anomalies"]
    for ask in ("score_samples", "decision_function"):
        # On CPUs with AVX-512 NumPy has powers of its own, a unit beside the C library's.
        numpy.testing.assert_allclose(getattr(model, ask)(rows), getattr(estimator, ask)(rows),
                                      rtol=0, atol=2.0 ** -53, err_msg=ask)


def test_scores(pairs, data):
    rows, values, labels = data
    weights = numpy.linspace(0.1, 2, len(rows))
    shuffled = labels[numpy.random.default_rng(0).permutation(len(labels))]
    for name, wanted in (("classifier", shuffled), ("regressor", values[::-1]),
                         ("values", numpy.stack([values[::-1], values], axis=1))):
        estimator, model = pairs[name]
        for sample_weight in (None, weights):
            found = model.score(rows, wanted, sample_weight)
            assert found == pytest.approx(estimator.score(rows, wanted, sample_weight), rel=1e-12)
    with pytest.raises(AttributeError):
        pairs["anomalies"][1].score(rows, values)


def test_scorers_and_cross_validation(pairs, data):
    rows, values, labels = data
    model = pairs["classifier"][1]
    for name in ("accuracy", "roc_auc", "neg_log_loss"):
        expected = metrics.get_scorer(name)(pairs["classifier"][0], rows, labels)
        assert metrics.get_scorer(name)(model, rows, labels) == pytest.approx(expected)
    folds = model_selection.KFold(3, shuffle=True, random_state=0)
    found = model_selection.cross_val_score(model, rows, labels, cv=folds, error_score="raise")
    expected = [(model.predict(rows[test]) == labels[test]).mean()
                for _, test in folds.split(rows)]
    assert found.tolist() == pytest.approx(expected)
    regressor = pairs["regressor"][1]
    scores = model_selection.cross_validate(regressor, rows, values, cv=3, scoring="r2",
                                            error_score="raise")
    assert (scores["test_score"] > 0.5).all()


def test_last_step_of_a_pipeline(data, tmp_path):
    rows, _, labels = data
    scaler = StandardScaler().fit(rows)
    forest = ensemble.RandomForestClassifier(9, random_state=0).fit(scaler.transform(rows), labels)
    espalier.dump(forest, tmp_path / "m")
    steps = pipeline.Pipeline([("scale", scaler), ("predict", espalier.load(tmp_path / "m"))])
    expected = forest.predict_proba(scaler.transform(rows))
    assert (steps.predict_proba(rows) == expected).all()
    assert (steps.predict(rows) == forest.classes_[expected.argmax(axis=1)]).all()
    assert steps.score(rows, labels) == forest.score(scaler.transform(rows), labels)
    identity = pipeline.make_pipeline(FunctionTransformer(), espalier.load(tmp_path / "m"))
    assert identity.fit(rows, labels).predict(scaler.transform(rows)).tolist() == forest.predict(
        scaler.transform(rows)).tolist()


def test_parameters_and_clones(pairs):
    model = pairs["classifier"][1]
    params = model.get_params()
    assert params["path"] == model.path and params["n_threads"] == 1
    assert clone(model) is model or clone(model).digest == model.digest
    assert model.set_params(n_threads=2) is model and model.n_threads == 2
    model.set_params(n_threads=1)
    with pytest.raises(ValueError, match="cannot be changed"):
        model.set_params(path="elsewhere")
    with pytest.raises(AttributeError, match="no decision_function"):
        model.decision_function
    assert "Model" in repr(model)


def test_one_output_with_an_axis(data, tmp_path, monkeypatch):
    """A target of (rows, 1) at training makes predict answer so."""
    from sklearn import compose, multioutput
    rows, values, labels = data
    forest = ensemble.RandomForestRegressor(3, random_state=0)
    trained = [
        multioutput.MultiOutputRegressor(forest).fit(rows, values[:, None]),
        multioutput.MultiOutputClassifier(ensemble.RandomForestClassifier(3)).fit(
            rows, labels[:, None]),
        compose.TransformedTargetRegressor(forest).fit(rows, values[:, None]),
        compose.TransformedTargetRegressor(forest).fit(rows, values)]
    for i, estimator in enumerate(trained):
        path = tmp_path / str(i)
        espalier.dump(estimator, path)
        model, wanted = espalier.load(path), estimator.predict(rows)
        found = model.predict(rows)
        assert found.shape == wanted.shape and (found == wanted).all(), estimator
        with monkeypatch.context() as patched:
            patched.setattr("espalier._model.find_numpy", lambda: None)
            found = model.predict(rows)
        assert (found if isinstance(found, list) else found.tolist()) == wanted.tolist()
    assert wanted.ndim == 1


def test_outputs_iterations_and_threads(pairs, data):
    rows = data[0]
    estimator, model = pairs["boosting"]
    stages = list(estimator.staged_decision_function(rows))
    found = model.predict(rows, output="margin", iterations=(0, 3), n_threads=2)
    assert (found == stages[2].ravel()).all()
    for wrong in ((3, 3), (0, 6), (-1, 2)):
        with pytest.raises(ValueError, match="iterations"):
            model.predict(rows, iterations=wrong)
    for wrong in (3, (1, 2, 3)):
        with pytest.raises(TypeError, match="iterations is a pair, \\(first, end\\), not"):
            model.predict(rows, iterations=wrong)
    with pytest.raises(ValueError, match="n_threads is 1 or more, or -1"):
        model.predict(rows, n_threads=0)
    with pytest.raises(ValueError, match="output is one of"):
        model.predict(rows, output="mean")
    with pytest.raises(espalier.InputError, match="no output 'score', only"):
        model.predict(rows, output="score")
    for first in range(1, 5):  # more kinds of predictors than are kept
        for end in range(first + 1, 6):
            part = model.predict(rows[:70], output="margin", iterations=(first, end))
            assert part.shape == (70,)


def test_leaves_of_iterations(converted, monkeypatch):
    """An iteration may have several trees; all of an iteration and none else are given."""
    for name, trees in (("xgboost-3.4.1/multiclass.ubj", 3), ("xgboost-3.4.1/parallel.ubj", 6),
                        ("sklearn-1.2.2/random_forest_model.pkl", 1)):
        rows = numpy.load((FIXTURES / name).with_suffix(".rows32.npy"))
        whole = numpy.load((FIXTURES / name).with_suffix(".leaf.npy"))
        model = espalier.load(converted(name))
        for first, end in ((0, 1), (1, 2), (0, whole.shape[1] // trees)):
            expected = whole[:, first * trees:end * trees]
            for found in (model.apply(rows, iterations=(first, end)),
                          model.predict(rows, output="leaf", iterations=(first, end))):
                assert found.dtype == whole.dtype and found.shape == expected.shape
                assert (found == expected).all()
            with monkeypatch.context() as patched:
                patched.setattr("espalier._model.find_numpy", lambda: None)
                found = model.apply(rows, iterations=(first, end))
            assert isinstance(found, memoryview) and found.tolist() == expected.tolist()


def test_leaves_after_early_stopping(converted, monkeypatch):
    """apply gives the leaves of the trees that predict uses, as the trainer's does."""
    for version in ("1.7.6", "3.4.1"):
        name = "xgboost-%s/early.json" % version
        rows = numpy.load((FIXTURES / name).with_suffix(".rows64.npy"))
        whole = numpy.load((FIXTURES / name).with_suffix(".leaf_0_5.npy"))
        model = espalier.load(converted(name))
        assert model.metadata["outputs"]["leaf_iterations"] == 2
        for found in (model.apply(rows), model.predict(rows, output="leaf")):
            assert (found == whole[:, :2]).all() and found.shape == (len(rows), 2)
        assert (model.apply(rows, iterations=(0, 5)) == whole).all()
        with monkeypatch.context() as patched:
            patched.setattr("espalier._model.find_numpy", lambda: None)
            assert model.apply(rows).tolist() == whole[:, :2].tolist()


# --- pickles and processes ----------------------------------------------------------------------

def ask_in_process(model, rows):
    return os.getpid(), model.predict(rows).tolist()


def test_pickles_are_a_path_and_a_digest(pairs, data):
    rows = data[0]
    model = pairs["classifier"][1]
    text = pickle.dumps(model)
    assert len(text) < 500 + len(model.path)
    for again in (pickle.loads(text), copy.deepcopy(model)):
        assert again.digest == model.digest and again.get_params() == model.get_params()
        assert (again.predict(rows) == model.predict(rows)).all()
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, context) as pool:
        other, found = pool.submit(ask_in_process, model, rows[:9]).result()
    assert other != os.getpid() and found == model.predict(rows[:9]).tolist()


def test_pickles_of_a_file_that_changed(data, tmp_path):
    rows, values, _ = data
    path = tmp_path / "m"
    espalier.dump(ensemble.RandomForestRegressor(3, random_state=0).fit(rows, values), path)
    text = pickle.dumps(espalier.load(path))
    espalier.dump(ensemble.RandomForestRegressor(3, random_state=1).fit(rows, values), path)
    with pytest.raises(espalier.FormatError, match="another model"):
        pickle.loads(text)
    path.unlink()
    with pytest.raises(FileNotFoundError):
        pickle.loads(text)
