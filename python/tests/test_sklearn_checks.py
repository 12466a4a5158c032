# SPDX-License-Identifier: Apache-2.0
"""scikit-learn's own checks of estimators (sklearn.utils.estimator_checks).

Most of them train, with data of their own; a model file cannot. So they run twice: on estimators
that train with scikit-learn and answer with Espalier, where all that concerns answers has its say,
and on a loaded model, where those that need no training have. What cannot hold is listed with the
reason; the lists are exact: what fails and is not in them, or is in them and passes, fails here.
"""
import warnings

import pytest

numpy = pytest.importorskip("numpy")
pytest.importorskip("sklearn", minversion="1.7")

import espalier  # noqa: E402
from sklearn import ensemble  # noqa: E402
from sklearn.base import BaseEstimator, ClassifierMixin, OutlierMixin, RegressorMixin  # noqa: E402
from sklearn.utils.estimator_checks import check_estimator  # noqa: E402
from sklearn.utils.validation import check_is_fitted, validate_data  # noqa: E402


TREES = 5
FOLDER = None  # of the test that runs


class Served(BaseEstimator):
    """Trains with scikit-learn, and predicts from the model file alone."""

    def __init__(self, random_state=0):
        self.random_state = random_state

    def make(self):
        raise NotImplementedError

    def fit(self, X, y=None):
        takes_missing = self.__sklearn_tags__().input_tags.allow_nan
        X = validate_data(self, X, dtype=numpy.float64,
                          ensure_all_finite="allow-nan" if takes_missing else True)
        path = FOLDER / ("%d.espalier" % len(list(FOLDER.iterdir())))
        trained = self.make().fit(X, y)
        espalier.dump(trained, path)
        self.model_ = espalier.load(path)
        self.keep(trained)
        return self

    def keep(self, trained):
        """What a model file has no place for."""

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = self.make().__sklearn_tags__().input_tags.allow_nan
        return tags

    def predict(self, X):
        check_is_fitted(self)
        return self.model_.predict(X)


class ServedClassifier(ClassifierMixin, Served):
    def make(self):
        return ensemble.RandomForestClassifier(TREES, random_state=self.random_state)

    @property
    def classes_(self):
        return self.model_.classes_

    def predict_proba(self, X):
        check_is_fitted(self)
        return self.model_.predict_proba(X)


class ServedBoosting(ServedClassifier):
    def make(self):
        return ensemble.GradientBoostingClassifier(n_estimators=TREES,
                                                   random_state=self.random_state)

    def decision_function(self, X):
        check_is_fitted(self)
        return self.model_.decision_function(X)


class ServedRegressor(RegressorMixin, Served):
    def make(self):
        return ensemble.RandomForestRegressor(TREES, random_state=self.random_state)


class ServedDetector(OutlierMixin, Served):
    def make(self):
        return ensemble.IsolationForest(n_estimators=TREES, random_state=self.random_state)

    def decision_function(self, X):
        check_is_fitted(self)
        return self.model_.decision_function(X)

    def keep(self, trained):
        self.offset_ = trained.offset_

    def score_samples(self, X):
        check_is_fitted(self)
        return self.model_.score_samples(X)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), "FOLDER", tmp_path)


def run_checks(estimator):
    """({name: what went wrong}, names of those that passed)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = check_estimator(estimator, on_fail=None, on_skip=None)
    failed = {one["check_name"]: one["exception"] for one in results if one["status"] == "failed"}
    passed = {one["check_name"] for one in results if one["status"] == "passed"}
    return failed, passed - failed.keys()


@pytest.mark.parametrize("kind", [ServedClassifier, ServedBoosting, ServedRegressor,
                                  ServedDetector])
def test_what_answers_from_a_model_file(kind):
    failed, passed = run_checks(kind())
    assert not failed
    assert len(passed) > 35


# Why a loaded model fails a check. Each asks for training but those of parameters.
FROZEN = "path and options of an open model cannot be changed: load it again"
FITTED = "a loaded model is fitted before fit, and stays as it is"
UNSEEN = "fit does nothing with rows and labels, and so cannot refuse any"
OTHER_ROWS = "predicts for rows of other features than the model's"
REASONS = {
    FROZEN: ("check_do_not_raise_errors_in_init_or_set_params", "check_set_params"),
    FITTED: ("check_estimators_unfitted", "check_fit_check_is_fitted", "check_n_features_in"),
    UNSEEN: ("check_classifiers_regression_target", "check_classifiers_train",
             "check_complex_data", "check_estimator_sparse_tag",
             "check_estimators_empty_data_messages", "check_estimators_nan_inf", "check_fit1d",
             "check_supervised_y_no_nan"),
    OTHER_ROWS: ("check_classifier_data_not_an_array", "check_classifiers_classes",
                 "check_classifiers_one_label", "check_classifiers_one_label_sample_weights",
                 "check_dict_unchanged", "check_dtype_object", "check_estimators_dtypes",
                 "check_estimators_pickle", "check_f_contiguous_array_estimator",
                 "check_fit_idempotent", "check_fit_score_takes_y",
                 "check_methods_sample_order_invariance", "check_methods_subset_invariance",
                 "check_pipeline_consistency", "check_supervised_y_2d"),
}


def test_a_loaded_model(iris):
    failed, passed = run_checks(iris)
    assert failed.keys() == {name for names in REASONS.values() for name in names}
    for name in REASONS[OTHER_ROWS]:
        assert "is expecting 4 features as input" in str(failed[name]), name
    assert len(passed) >= 19
    assert iris.get_params()["n_threads"] == 1 and not iris.closed
