# SPDX-License-Identifier: Apache-2.0
"""dump: live estimators of the installed trainers, and their own answers, bit for bit."""
import pickle

import pytest

numpy = pytest.importorskip("numpy")

import espalier  # noqa: E402
from conftest import FIXTURES  # noqa: E402


@pytest.fixture(scope="module")
def data():
    random = numpy.random.default_rng(11)
    rows = random.normal(size=(400, 5))
    values = rows[:, 0] * 2 + rows[:, 1] * rows[:, 2] + random.normal(size=400) * 0.1
    return rows, values, numpy.digitize(values, [-1.0, 1.0]), rows + 0.01


def dumped(estimator, path, **options):
    espalier.dump(estimator, path, **options)
    return espalier.load(path)


def test_forests_and_pipelines_of_sklearn(data, tmp_path):
    ensemble = pytest.importorskip("sklearn.ensemble")
    pipeline = pytest.importorskip("sklearn.pipeline")
    preprocessing = pytest.importorskip("sklearn.preprocessing")
    rows, values, labels, others = data
    classifiers = (ensemble.RandomForestClassifier(15, random_state=1),
                   ensemble.HistGradientBoostingClassifier(max_iter=5, random_state=1),
                   pipeline.make_pipeline(preprocessing.StandardScaler(),
                                          ensemble.ExtraTreesClassifier(9, random_state=1)))
    for estimator in classifiers:
        estimator.fit(rows, labels)
        model = dumped(estimator, tmp_path / "classifier")
        close = {"rtol": 1e-15, "atol": 4e-16}
        numpy.testing.assert_allclose(model.predict_proba(others), estimator.predict_proba(others),
                                      **close)
        assert (model.predict(others) == estimator.predict(others)).all()
    for estimator in (ensemble.RandomForestRegressor(15, random_state=1),
                      ensemble.GradientBoostingRegressor(n_estimators=9, random_state=1)):
        estimator.fit(rows, values)
        found = dumped(estimator, tmp_path / "regressor").predict(others)
        assert found.tobytes() == estimator.predict(others).tobytes()


def test_estimators_and_boosters_of_xgboost(data, tmp_path):
    xgboost = pytest.importorskip("xgboost")
    rows, values, labels, others = data
    classifier = xgboost.XGBClassifier(n_estimators=9, max_depth=3, n_jobs=1).fit(rows, labels)
    model = dumped(classifier, tmp_path / "classifier")
    assert (model.predict(others) == classifier.predict(others)).all()
    assert model.predict_proba(others).dtype == numpy.float32
    assert model.apply(others).tolist() == classifier.apply(others).tolist()
    margins = classifier.predict(others, output_margin=True)
    assert model.predict(others, output="margin").tobytes() == margins.tobytes()
    assert not hasattr(model, "decision_function")
    booster = xgboost.train({"max_depth": 4, "nthread": 1}, xgboost.DMatrix(rows, values), 12)
    report = espalier.dump(booster, tmp_path / "booster", check=others)
    assert report.proof["check_rows"] == len(others) and report.proof["check_differing"] == 0
    found = espalier.load(tmp_path / "booster").predict(others)
    assert found.tobytes() == booster.predict(xgboost.DMatrix(others)).tobytes()


def test_estimators_and_boosters_of_lightgbm(data, tmp_path):
    lightgbm = pytest.importorskip("lightgbm")
    rows, values, labels, others = data
    silent = {"verbosity": -1, "num_threads": 1}
    classifier = lightgbm.LGBMClassifier(n_estimators=9, verbosity=-1, n_jobs=1).fit(rows, labels)
    model = dumped(classifier, tmp_path / "classifier")
    assert (model.predict(others) == classifier.predict(others)).all()
    # decision_function has come with 4.7: the raw scores.
    found = model.decision_function(others)
    expected = classifier.predict(others, raw_score=True)
    assert found.shape == expected.shape and found.tobytes() == expected.tobytes()
    booster = lightgbm.train({"objective": "regression", **silent},
                             lightgbm.Dataset(rows, values), 12)
    model = dumped(booster, tmp_path / "booster", check=others)
    assert model.predict(others).tobytes() == booster.predict(others).tobytes()
    assert not hasattr(model, "decision_function")
    assert model.predict(others, iterations=(0, 5)).tobytes() == booster.predict(
        others, num_iteration=5).tobytes()
    # Whole numbers beyond float32: LightGBM rounds arrays of them.
    whole = (others * 2 ** 30).astype("i8")
    big = lightgbm.train({"objective": "regression", **silent},
                         lightgbm.Dataset(whole.astype("f4"), values), 12)
    model = dumped(big, tmp_path / "big")
    assert model.predict(whole).tobytes() == big.predict(whole).tobytes()


def test_lightgbm_names_with_spaces(data, tmp_path):
    lightgbm = pytest.importorskip("lightgbm")
    pandas = pytest.importorskip("pandas")
    rows, values, _, others = data
    names = ["petal width", "petal length", "sepal width", "sepal length", "colour"]
    frame = pandas.DataFrame(rows, columns=names)
    model = dumped(lightgbm.LGBMRegressor(n_estimators=5, verbosity=-1).fit(frame, values),
                   tmp_path / "named")
    expected = model.predict(others)
    found = model.predict(pandas.DataFrame(others, columns=names)[names[::-1]])
    assert found.tobytes() == expected.tobytes()
    plain = dumped(lightgbm.LGBMRegressor(n_estimators=5, verbosity=-1).fit(rows, values),
                   tmp_path / "plain")
    assert plain.predict(pandas.DataFrame(others, columns=names)).shape == (400,)


def test_lightgbm_categories_that_may_be_of_two_columns(data, tmp_path):
    """No file says whether the list is of the category's column or of the numbers beside it."""
    lightgbm = pytest.importorskip("lightgbm")
    pandas = pytest.importorskip("pandas")
    _, values, _, _ = data
    count = len(values)
    frame = pandas.DataFrame({"a class": pandas.Categorical([30, 10, 20] * (count // 3) + [
        10] * (count % 3)), "number": numpy.arange(count) // 3 % 3, "real": values})
    trained = lightgbm.LGBMRegressor(n_estimators=5, verbosity=-1, min_data_per_group=5).fit(
        frame, values + frame["a class"].astype(float))
    with pytest.raises(espalier.ConvertError, match="may be one or not.*--categorical"):
        espalier.dump(trained, tmp_path / "refused")
    for columns in (["a class"], frame.select_dtypes("category").columns, [0], "a class"):
        report = espalier.dump(trained, tmp_path / "told", categorical=columns, check=frame)
        assert report.proof["check_differing"] == 0
    told = espalier.load(tmp_path / "told")
    assert told.predict(frame).tobytes() == trained.predict(frame).tobytes()
    assert told.metadata["options"]["categorical"] == "a class"
    with pytest.raises(espalier.InputError, match='"other" is no feature'):
        espalier.dump(trained, tmp_path / "refused", categorical=["other"])


def test_the_same_bytes_as_from_a_file(iris, tmp_path):
    source = FIXTURES / "sklearn-1.2.2" / "random_forest_model.pkl"
    from_file = espalier.convert(source, tmp_path / "file")
    from_bytes = espalier.convert(source.read_bytes(), tmp_path / "bytes")
    assert (tmp_path / "file").read_bytes() == (tmp_path / "bytes").read_bytes()
    assert from_file.model_bytes == (tmp_path / "file").stat().st_size
    assert from_file.source_bytes == from_bytes.source_bytes == source.stat().st_size
    assert from_file.proof["rows_compared"] > 0 and "golden rows" in repr(from_file)


def test_bytes_in_pieces_are_the_same(tmp_path):
    """Every second byte of something was refused as what it is not: neither path nor bytes."""
    source = (FIXTURES / "sklearn-1.2.2" / "random_forest_model.pkl").read_bytes()
    espalier.convert(source, tmp_path / "bytes")
    spaced = bytearray(2 * len(source))
    spaced[::2] = source
    for given in (memoryview(spaced)[::2], memoryview(bytes(spaced))[::2],
                  memoryview(source[::-1])[::-1], numpy.frombuffer(spaced, "S1")[::2],
                  memoryview(source).cast("c"), memoryview(source).cast("b", (1, len(source)))):
        espalier.convert(given, tmp_path / "m")
        assert (tmp_path / "m").read_bytes() == (tmp_path / "bytes").read_bytes()
    for wrong, items in ((numpy.zeros(3), "ndarray with items of 8 bytes"), ([source], "list")):
        with pytest.raises(TypeError, match="source is a path or bytes, not %s$" % items):
            espalier.convert(wrong, tmp_path / "m")


def test_metadata_layout_and_version(tmp_path):
    source = FIXTURES / "sklearn-1.2.2" / "random_forest_model.pkl"
    espalier.convert(source, tmp_path / "m", meta={"auc": 0.93, "who": "me", "tags": [1, "a"]},
                     model_version="7", layout="walk")
    model = espalier.load(tmp_path / "m")
    assert model.metadata["user"] == {"auc": "0.93", "who": "me", "tags": '[1, "a"]'}
    assert model.metadata["model_version"] == "7"
    assert model.metadata["trainer"]["class"].endswith("RandomForestClassifier")
    assert model.info["kernel"].startswith("walk")


def test_answers_that_differ_are_refused(tmp_path):
    folder = FIXTURES / "sklearn-1.2.2"
    rows = numpy.load(folder / "random_forest_model.rows64.npy")
    expected = numpy.load(folder / "random_forest_model.probability.npy")
    source = folder / "random_forest_model.pkl"
    report = espalier.convert(source, tmp_path / "m", check=(rows, expected))
    assert report.proof["check_values"] == expected.size
    swapped = expected.astype(">f8")  # was taken for other numbers
    report = espalier.convert(source, tmp_path / "m", check=(rows, swapped))
    assert report.proof["check_values"] == expected.size
    expected[3, 1] += 0.25
    with pytest.raises(espalier.ConvertError, match="row 3, column 1") as caught:
        espalier.convert(source, tmp_path / "other", check=(rows, expected))
    assert caught.value.name == "ESPALIER_ERROR_CHECK"
    assert not (tmp_path / "other").exists()


def test_what_cannot_be_converted(tmp_path):
    linear = pytest.importorskip("sklearn.linear_model")
    estimator = linear.LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0])
    with pytest.raises(espalier.ConvertError, match="<LinearRegression>"):
        espalier.dump(estimator, tmp_path / "m")
    with pytest.raises(TypeError, match="cannot be pickled"):
        espalier.dump(lambda: 0, tmp_path / "m")
    with pytest.raises(TypeError, match=r"^dump\(\) got an unexpected"):
        espalier.dump(estimator, tmp_path / "m", compress=3)
    with pytest.raises(TypeError, match="check needs an estimator that predicts, not dict"):
        espalier.dump({"model": estimator}, tmp_path / "m", check=[[0.0]])
    with pytest.raises(TypeError, match="source is a path or bytes, not dict"):
        espalier.convert({}, tmp_path / "m")
    for check in (numpy.zeros((2, 4)), ([[0.0]],), "ab"):
        with pytest.raises(TypeError, match="check is a pair of rows and the trainer's answers"):
            espalier.convert(b"no model", tmp_path / "m", check=check)
    with pytest.raises(TypeError, match="keys of meta are text, not 1"):
        espalier.dump(estimator, tmp_path / "m", meta={1: "a"})
    with pytest.raises(ValueError, match="layout is one of"):
        espalier.dump(estimator, tmp_path / "m", layout="round")
    with pytest.raises(espalier.ConvertError):
        espalier.convert(b"no model", tmp_path / "m")
    with pytest.raises(FileNotFoundError):
        espalier.convert(tmp_path / "nothing", tmp_path / "m")
    with pytest.raises(OSError):
        espalier.convert(FIXTURES / "sklearn-1.2.2" / "random_forest_model.pkl",
                         tmp_path / "no folder" / "m")

    class Runs:
        def __reduce__(self):
            import os
            return os.system, ("touch espalier-was-here",)

    with pytest.raises(espalier.ConvertError, match="system") as caught:
        espalier.convert(pickle.dumps([Runs()]), tmp_path / "m")
    assert caught.value.name == "ESPALIER_ERROR_SOURCE_FLAGGED"
    assert list(tmp_path.iterdir()) == []


def test_sources_that_may_change_and_options_that_make_no_sense(data, tmp_path):
    ensemble = pytest.importorskip("sklearn.ensemble")
    rows, values, _, others = data
    forest = ensemble.RandomForestRegressor(3, random_state=1).fit(rows, values)
    source = bytearray(pickle.dumps(forest))
    espalier.convert(source, tmp_path / "m")
    assert (espalier.load(tmp_path / "m").predict(others) == forest.predict(others)).all()
    for meta in ({"a\0b": "c"}, {"a": "b\0c"}):
        with pytest.raises(ValueError, match="NUL"):
            espalier.convert(source, tmp_path / "n", meta=meta)
    for limit in ("memory_bytes_max", "expanded_bytes_max"):
        for wrong in (-1, 1 << 64):
            with pytest.raises(ValueError, match=limit):
                espalier.convert(source, tmp_path / "n", **{limit: wrong})
    assert not (tmp_path / "n").exists()


def test_rows_to_check_are_bound_by_name(data, tmp_path):
    """Their columns were taken as they came."""
    pandas = pytest.importorskip("pandas")
    ensemble = pytest.importorskip("sklearn.ensemble")
    rows, values, _, others = data
    names = list("vwxyz")
    forest = ensemble.RandomForestRegressor(3, random_state=1).fit(
        pandas.DataFrame(rows, columns=names), values)
    expected = forest.predict(pandas.DataFrame(others, columns=names))
    frames = [pandas.DataFrame(others, columns=names)[names[::-1]]]
    for module, make in (("polars", "DataFrame"), ("pyarrow", "table")):
        try:
            frames.append(getattr(__import__(module), make)(
                {name: others[:, i] for i, name in reversed(list(enumerate(names)))}))
        except ImportError:
            pass
    source = pickle.dumps(forest)
    for frame in frames:
        report = espalier.convert(source, tmp_path / "m", check=(frame, expected))
        assert report.proof["check_values"] == len(others)
        assert report.proof["check_differing"] == 0
    with pytest.raises(espalier.InputError, match="missing: 'v'; unknown: 'u'"):
        espalier.convert(source, tmp_path / "n", check=(frames[0].rename(columns={"v": "u"}),
                                                        expected))
    assert not (tmp_path / "n").exists()


def reversed_frames(pandas, rows, names):
    """The same rows with the columns turned round, of every kind of data frame that is here."""
    order = names[::-1]
    yield pandas.DataFrame(rows, columns=names)[order]
    for module, make in (("polars", "DataFrame"), ("pyarrow", "table")):
        try:
            yield getattr(__import__(module), make)(
                {name: rows[:, names.index(name)] for name in order})
        except ImportError:
            pass


def test_dump_shows_the_estimator_columns_in_its_order(data, tmp_path):
    """scikit-learn and XGBoost refused frames in another order, LightGBM took them as they came."""
    pandas = pytest.importorskip("pandas")
    ensemble = pytest.importorskip("sklearn.ensemble")
    xgboost = pytest.importorskip("xgboost")
    lightgbm = pytest.importorskip("lightgbm")
    rows, values, labels, others = data
    names = list("vwxyz")
    frame = pandas.DataFrame(rows, columns=names)
    estimators = [ensemble.RandomForestRegressor(3, random_state=1).fit(frame, values),
                  xgboost.XGBClassifier(n_estimators=3, n_jobs=1).fit(frame, labels),
                  lightgbm.LGBMRegressor(n_estimators=3, verbosity=-1, n_jobs=1).fit(frame, values)]
    for estimator in estimators:
        for turned in reversed_frames(pandas, others, names):
            report = espalier.dump(estimator, tmp_path / "m", check=turned)
            assert report.proof["check_rows"] == len(others)
            assert report.proof["check_differing"] == 0
        with pytest.raises(espalier.InputError, match="missing: 'v'; unknown: 'u'"):
            espalier.dump(estimator, tmp_path / "n",
                          check=frame.rename(columns={"v": "u"})[["z", "y", "x", "w", "u"]])
    turned = pandas.DataFrame(others, columns=names)[names[::-1]]
    boosters = [xgboost.train({"nthread": 1}, xgboost.DMatrix(frame, values), 3),
                lightgbm.train({"verbosity": -1, "num_threads": 1},
                               lightgbm.Dataset(frame, values), 3)]
    for booster in boosters:
        report = espalier.dump(booster, tmp_path / "m", check=turned)
        assert (report.proof["check_rows"], report.proof["check_differing"]) == (400, 0)
    assert not (tmp_path / "n").exists()


def test_dump_binds_text_and_names_that_are_numbers(data, tmp_path):
    """Names that were numbers were not looked at, and XGBoost's Boosters refused categories."""
    pandas = pytest.importorskip("pandas")
    xgboost = pytest.importorskip("xgboost")
    rows, values, _, others = data
    numbered = pandas.DataFrame(rows, columns=[4, 3, 2, 1, 0])
    regressor = xgboost.XGBRegressor(n_estimators=3, n_jobs=1).fit(numbered, values)
    turned = pandas.DataFrame(others, columns=[4, 3, 2, 1, 0])[[0, 1, 2, 3, 4]]
    report = espalier.dump(regressor, tmp_path / "m", check=turned)
    assert (report.proof["check_rows"], report.proof["check_differing"]) == (400, 0)
    report = espalier.convert(pickle.dumps(regressor), tmp_path / "m",
                              check=(turned, regressor.predict(turned[[4, 3, 2, 1, 0]])))
    assert (report.proof["check_rows"], report.proof["check_differing"]) == (400, 0)

    towns = pandas.DataFrame({"size": rows[:, 0], "city": pandas.Categorical(
        numpy.where(rows[:, 1] > 0, "Bern", "Oslo"))})
    booster = xgboost.train({"nthread": 1}, xgboost.DMatrix(towns, values, enable_categorical=True),
                            3)
    report = espalier.dump(booster, tmp_path / "m", check=towns[["city", "size"]])
    assert (report.proof["check_rows"], report.proof["check_differing"]) == (400, 0)


def test_whole_numbers_to_check_are_rounded_once(tmp_path):
    """They became float64 first, which for one beyond 2^53 may be another float32."""
    ensemble = pytest.importorskip("sklearn.ensemble")
    pandas = pytest.importorskip("pandas")
    low, high = 2 ** 60, 2 ** 60 + 2 ** 36 + 1  # by way of float64 both are 2^60
    whole = numpy.array([[low, 1], [high, 1]] * 20)
    values = numpy.array([0.0, 1.0] * 20)
    forest = ensemble.RandomForestRegressor(5, random_state=1).fit(whole, values)
    assert (forest.predict(whole) == values).all()
    report = espalier.dump(forest, tmp_path / "m", check=whole)
    assert (report.proof["check_rows"], report.proof["check_differing"]) == (40, 0)
    report = espalier.convert(pickle.dumps(forest), tmp_path / "m", check=(whole, values))
    assert (report.proof["check_rows"], report.proof["check_differing"]) == (40, 0)
    assert (espalier.load(tmp_path / "m").predict(whole) == values).all()
    frames = [pandas.DataFrame(whole, columns=["id", "b"]),
              pandas.DataFrame({"id": pandas.array(whole[:, 0], "Int64"), "b": whole[:, 1]})]
    frames += reversed_frames(pandas, whole, ["id", "b"])
    for frame in frames:
        with pytest.raises(espalier.InputError, match="'id' of check has %d" % high):
            espalier.convert(pickle.dumps(forest), tmp_path / "n", check=(frame, values))
    narrow = frames[0].astype("float32")
    report = espalier.convert(pickle.dumps(forest), tmp_path / "m", check=(narrow, values))
    assert (report.proof["check_rows"], report.proof["check_differing"]) == (40, 0)
    # In float64 they are to HistGradientBoosting what they are here.
    boosting = ensemble.HistGradientBoostingRegressor(max_iter=3, min_samples_leaf=1)
    boosting.fit(frames[0], values)
    assert espalier.dump(boosting, tmp_path / "m", check=frames[0]).proof["check_differing"] == 0
    assert not (tmp_path / "n").exists()


def test_rows_to_check_may_be_missing_as_pandas_says(data, tmp_path):
    """pandas.NA was refused, in frames that predict takes."""
    pandas = pytest.importorskip("pandas")
    ensemble = pytest.importorskip("sklearn.ensemble")
    compose = pytest.importorskip("sklearn.compose")
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    frame = pandas.DataFrame({"a": pandas.array([1, None, 3] * 20, "Int64"),
                              "b": pandas.array([True, False, None] * 20, "boolean"),
                              "c": [0.5, 1.5, 2.5, float("nan")] * 15})
    values = numpy.arange(60.0)
    forest = ensemble.RandomForestRegressor(3, random_state=1).fit(frame, values)
    report = espalier.dump(forest, tmp_path / "m", check=frame)
    assert (report.proof["check_rows"], report.proof["check_differing"]) == (60, 0)
    report = espalier.convert(pickle.dumps(forest), tmp_path / "m",
                              check=(frame[["c", "b", "a"]], forest.predict(frame)))
    assert (report.proof["check_rows"], report.proof["check_differing"]) == (60, 0)

    mixed = frame[["a", "c"]].assign(city=["Bern", "Oslo"] * 30)
    encoder = compose.make_column_transformer((OneHotEncoder(), ["city"]), remainder="passthrough")
    priced = make_pipeline(encoder, ensemble.RandomForestRegressor(3, random_state=1))
    priced.fit(mixed.astype({"a": "float64"}), values)
    expected = priced.predict(mixed.astype({"a": "float64"}))
    report = espalier.convert(pickle.dumps(priced), tmp_path / "n", check=(mixed, expected))
    assert (report.proof["check_rows"], report.proof["check_differing"]) == (60, 0)
