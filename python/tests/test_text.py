# SPDX-License-Identifier: Apache-2.0
"""Text in rows, in every form that Python has it in, gives the trainer's own answers."""
import csv
import struct
import subprocess
import sys

import pytest

numpy = pytest.importorskip("numpy")

import espalier  # noqa: E402
from conftest import FIXTURES  # noqa: E402

NAMES = ("city", "size", "weight", "height")
CITIES = ("Bern", "Z\u00fcrich", "a place with a long name", "\u6771\u4eac", "", "Oslo")
SIZES = ("small", "large", "huge")
FIXTURE = FIXTURES / "pipelines-1.9.1"


def expect_equal(found, expected):
    assert found.dtype == expected.dtype and found.tobytes() == expected.tobytes()


# --- with NumPy alone ---------------------------------------------------------------------------

@pytest.fixture
def fixture_model(converted):
    with espalier.load(converted("pipelines-1.9.1/text.joblib")) as model:
        yield model


def read_fixture():
    with open(FIXTURE / "text.rows.csv", newline="", encoding="utf-8") as file:
        return [[row[0] or None, row[1], float(row[2]), float(row[3])] for row in csv.reader(file)]


def test_lists_and_arrays_of_objects(fixture_model):
    rows, expected = read_fixture(), numpy.load(FIXTURE / "text.probability64.npy")
    many = numpy.array(rows * 60, dtype=object)
    for given in (rows, [tuple(row) for row in rows], numpy.array(rows, dtype=object),
                  numpy.asfortranarray(numpy.array(rows, dtype=object)),
                  [[float("nan") if one is None else one for one in row] for row in rows]):
        expect_equal(fixture_model.predict_proba(given), expected)
    expect_equal(fixture_model.predict_proba(many, n_threads=3), numpy.tile(expected, (60, 1)))
    backwards = numpy.array(rows[::-1], dtype=object)[::-1]
    expect_equal(fixture_model.predict_proba(backwards), expected)


def test_categories_are_numbered(fixture_model):
    expected = numpy.load(FIXTURE / "text.probability64.npy")
    expect_equal(fixture_model.predict_proba(numpy.load(FIXTURE / "text.rows64.npy")), expected)
    categories = fixture_model.categories_
    assert len(categories) == 4 and categories[2] is None and categories[3] is None
    assert set(categories[1]) == {"small", "large", "huge"} and "Z\u00fcrich" in categories[0]
    places = [{one: place for place, one in enumerate(known)} for known in categories[:2]]
    rows = [(i, row) for i, row in enumerate(read_fixture()) if row[0] in places[0]]
    numbers = [[places[0][city], places[1][size], *rest] for _, (city, size, *rest) in rows]
    assert len(rows) > 10
    expect_equal(fixture_model.predict_proba(numbers), expected[[i for i, _ in rows]])


def test_one_row(fixture_model):
    expected = numpy.load(FIXTURE / "text.probability64.npy")
    for row, wanted in zip(read_fixture(), expected):
        for given in (tuple(row), row, numpy.array(row, dtype=object), iter_rows(row)):
            assert fixture_model.predict_one(given, "probability") == tuple(wanted)
    with pytest.raises(espalier.InputError, match="row 0, feature 1: .*categories") as caught:
        fixture_model.predict_one(("Bern", "tiny", 1.0, 2.0))
    assert (caught.value.row, caught.value.feature) == (0, 1)
    with pytest.raises(TypeError, match="feature 2 is no number: '1.0'"):
        fixture_model.predict_one(("Bern", "small", "1.0", 2.0))
    with pytest.raises(UnicodeEncodeError):
        fixture_model.predict_one(("\ud800", "small", 1.0, 2.0))


def iter_rows(row):
    """A sequence that is neither tuple nor list."""
    class Row:
        def __len__(self):
            return len(row)

        def __getitem__(self, index):
            return row[index]

    return Row()


def test_closing_while_a_row_is_read(converted):
    model = espalier.load(converted("pipelines-1.9.1/text.joblib"))

    class Closer:
        def __float__(self):
            model.close()
            return 1.0

    with pytest.raises(ValueError, match="closed"):
        model.predict_one([Closer(), "small", 1.0, 1.0])


@pytest.mark.parametrize("row, kind, words", [
    (["Bern", "tiny", 1.0, 1.0], espalier.InputError, "row 1, feature 1"),
    (["Bern", "small", "1.0", 1.0], TypeError, "column 2 holds text, no numbers"),
    (["Bern", b"small", 1.0, 1.0], TypeError, "column 1 holds text, but in row 1 b'small'"),
    (["Bern", 7.0, 1.0, 1.0], TypeError, "column 1 holds text, but in row 1 7.0"),
    (["\ud800", "small", 1.0, 1.0], UnicodeEncodeError, None)])
def test_what_is_refused(fixture_model, row, kind, words):
    with pytest.raises(kind, match=words):
        fixture_model.predict(numpy.array([["Bern", "small", 1.0, 1.0], row], dtype=object))


def test_models_of_numbers_refuse_text(iris):
    for given in ([["1", "2", "3", "4"]], [[1.0, 2.0, "3", None]],
                  numpy.array([["1", "2", "3", "4"]])):
        with pytest.raises(TypeError, match="column [02] holds text, no numbers"):
            iris.predict(given)
    assert iris.categories_ == [None] * 4


def test_text_without_numpy(converted):
    code = """
import sys
sys.modules["numpy"] = None
import espalier
model = espalier.load(sys.argv[1])
assert sorted(model.categories_[1]) == ["huge", "large", "small"] and model.categories_[2] is None
row = ["Bern", "huge", 0.5, 0.25]
found = model.predict_proba([row, (None, "small", None, 1)])
assert found.tolist()[0] == list(model.predict_one(row, "probability"))
assert found.tolist()[1] == list(model.predict_one((None, "small", None, 1), "probability"))
for bad, words in (([["Bern", "huge", "a", 1.0]], "column 2"), ([["Bern", b"", 1, 1]], "number"),
                   ([["Bern", "huge", 1.0]], "3 features")):
    try:
        model.predict(bad)
    except (TypeError, espalier.InputError) as error:
        assert words in str(error), error
    else:
        raise SystemExit("taken: %r" % bad)
"""
    path = converted("pipelines-1.9.1/text.joblib")
    subprocess.run([sys.executable, "-c", code, str(path)], check=True, timeout=120)


# --- scikit-learn -------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def pipeline(tmp_path_factory):
    """A ColumnTransformer over text and numbers: the model, its rows, the trainer's pipeline."""
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("sklearn")
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

    random = numpy.random.default_rng(5)
    cities = random.choice(numpy.array(CITIES, dtype=object), 300)
    cities[random.random(300) < 0.1] = None
    frame = pandas.DataFrame({
        "city": pandas.Series(cities, dtype=object),
        "size": pandas.Series(random.choice(numpy.array(SIZES, dtype=object), 300), dtype=object),
        "weight": random.normal(size=300), "height": random.normal(size=300)})
    labels = [len(one or "") % 3 + (size == "huge") + (weight > 0)
              for one, size, weight in zip(frame["city"], frame["size"], frame["weight"])]
    columns = ColumnTransformer([
        ("city", OneHotEncoder(handle_unknown="ignore"), ["city"]),
        ("size", OrdinalEncoder(), ["size"]), ("numbers", StandardScaler(), ["weight", "height"])])
    trained = make_pipeline(columns, RandomForestClassifier(12, random_state=0))
    trained.fit(frame, labels)
    path = tmp_path_factory.mktemp("text") / "text.espalier"
    asked = frame.copy()
    asked.loc[asked.index[::7], "city"] = "never seen"
    report = espalier.dump(trained, path, check=asked)
    assert report.proof["check_rows"] == 300 and report.proof["check_differing"] == 0
    return espalier.load(path), asked, trained.predict_proba(asked)


def test_pandas(pipeline):
    pandas = pytest.importorskip("pandas")
    model, frame, expected = pipeline
    kinds = [object, "string", "category",
             pandas.CategoricalDtype(["never seen", *CITIES[::-1], "nowhere"])]
    if "pyarrow" in sys.modules or pytest.importorskip("pyarrow"):
        import pyarrow

        kinds += [pandas.ArrowDtype(pyarrow.string()), pandas.ArrowDtype(pyarrow.large_string())]
    if pandas.__version__ >= "3":
        kinds.append("str")
    for kind in kinds:
        typed = frame.astype({"city": kind})
        assert typed["city"].isna().sum() == frame["city"].isna().sum()
        expect_equal(model.predict_proba(typed), expected)
        expect_equal(model.predict_proba(typed[list(NAMES[::-1])], n_threads=2), expected)
        expect_equal(model.predict_proba(typed[40:97]), expected[40:97])
    expect_equal(model.predict_proba(frame.to_numpy()), expected)
    expect_equal(model.predict_proba(frame.to_numpy().tolist()), expected)
    expect_equal(model.predict_proba(frame.assign(city=None)),
                 model.predict_proba(frame.assign(city=numpy.nan)))


def test_checks_of_text_can_fail(tmp_path):
    source = FIXTURE / "text.joblib"
    rows, wanted = read_fixture(), numpy.load(FIXTURE / "text.probability64.npy")
    report = espalier.convert(source, tmp_path / "model", check=(rows, wanted))
    assert report.proof["check_values"] == wanted.size and report.proof["check_differing"] == 0
    other = [["Bern" if row[0] == "Oslo" else "Oslo", *row[1:]] for row in rows]
    with pytest.raises(espalier.ConvertError, match="not the trainer's answers"):
        espalier.convert(source, tmp_path / "other", check=(other, wanted))
    with pytest.raises(espalier.Error, match="row 0, feature 1.*categor"):
        espalier.convert(source, tmp_path / "other", check=([["Bern", "tiny", 1.0, 1.0]],
                                                            wanted[:1]))
    assert [one.name for one in tmp_path.iterdir()] == ["model"]


def test_one_row_of_a_frame(pipeline):
    model, frame, expected = pipeline
    for row, wanted in zip(frame.head(30).itertuples(index=False), expected):
        assert model.predict_one(tuple(row), "probability") == tuple(wanted)
        assert model.predict_one(row._asdict(), "probability") == tuple(wanted)


def test_frames_that_are_refused(pipeline):
    pandas = pytest.importorskip("pandas")
    model, frame, _ = pipeline
    with pytest.raises(espalier.InputError, match='row 3, feature 1 "size"') as caught:
        model.predict(frame.assign(size=["small"] * 3 + ["tiny"] * 297))
    assert (caught.value.row, caught.value.feature) == (3, 1)
    weights = frame["weight"].astype(str)
    for kind in (object, "string", "category"):
        with pytest.raises(TypeError, match="column 'weight' holds text, no numbers"):
            model.predict(frame.assign(weight=weights.astype(kind)))
    with pytest.raises(TypeError, match="'city' holds text, but in row 1 "):
        model.predict(frame.assign(city=pandas.Series(["a", 1.0] * 150, dtype=object)))
    with pytest.raises(TypeError, match="'city' has categories of text and others"):
        model.predict(frame.assign(city=pandas.Categorical(["a", 1.0] * 150)))


def test_polars(pipeline):
    polars = pytest.importorskip("polars")
    model, frame, expected = pipeline
    table = polars.DataFrame({name: frame[name].tolist() for name in NAMES[::-1]})
    words = [one for one in table["city"].unique() if one is not None]
    for kind in (polars.String, polars.Categorical, polars.Enum(words)):
        typed = table.with_columns(polars.col("city").cast(kind))
        expect_equal(model.predict_proba(typed), expected)
        expect_equal(model.predict_proba(typed[13:200], n_threads=2), expected[13:200])
        pieces = polars.concat([typed[:100], typed[100:101], typed[101:]], rechunk=False)
        expect_equal(model.predict_proba(pieces), expected)
        expect_equal(model.predict_proba(typed[:0]), expected[:0])
    with pytest.raises(TypeError, match="column 'height' holds text, no numbers"):
        model.predict(table.with_columns(polars.lit("a").cast(polars.Categorical).alias("height")))
    with pytest.raises(TypeError, match="'height' holds no numbers and no text"):
        model.predict(table.with_columns(polars.lit([1]).alias("height")))


def test_pyarrow(pipeline):
    pyarrow = pytest.importorskip("pyarrow")
    model, frame, expected = pipeline
    table = pyarrow.table({name: frame[name].tolist() for name in NAMES})
    kinds = [pyarrow.string(), pyarrow.large_string(), pyarrow.string_view()]
    kinds += [pyarrow.dictionary(index, pyarrow.string())
              for index in (pyarrow.int8(), pyarrow.uint16(), pyarrow.int64())]
    for kind in kinds:
        city = (table["city"].cast(kind) if not pyarrow.types.is_dictionary(kind)
                else table["city"].dictionary_encode().cast(kind))
        typed = table.set_column(0, "city", city)
        pieces = pyarrow.concat_tables([typed.slice(0, 50), typed.slice(50, 1), typed.slice(51)])
        for given, wanted in ((typed, expected), (typed.slice(7, 90), expected[7:97]),
                              (pieces, expected), (typed.slice(5, 0), expected[:0]),
                              (typed.combine_chunks().to_batches()[0].slice(5, 20),
                               expected[5:25])):
            expect_equal(model.predict_proba(given), wanted)
    with pytest.raises(TypeError, match="column 'weight' holds text, no numbers"):
        model.predict(table.set_column(2, "weight", table["city"]))


def test_dictionaries_of_numbers(iris):
    """Values that a dictionary numbers are what the rows hold."""
    pyarrow = pytest.importorskip("pyarrow")
    rows = numpy.load(FIXTURES / "sklearn-1.2.2" / "random_forest_model.rows64.npy")
    table = pyarrow.table({name: rows[:, i] for i, name in enumerate("abcd")})
    encoded = pyarrow.table({name: table[name].dictionary_encode() for name in "abcd"})
    expect_equal(iris.predict_proba(encoded), iris.predict_proba(rows))
    expect_equal(iris.predict_proba(encoded.slice(3, 9)), iris.predict_proba(rows[3:12]))


def make_arrays(pyarrow, kind, buffers):
    return pyarrow.table({
        "city": pyarrow.Array.from_buffers(kind, 2, [None, *map(pyarrow.py_buffer, buffers)]),
        "size": ["small", "huge"], "weight": [1.0, 2.0], "height": [1.0, 2.0]})


def test_producers_that_lie(pipeline):
    """Offsets and views that lead out of their text are errors."""
    pyarrow = pytest.importorskip("pyarrow")
    model = pipeline[0]
    good = make_arrays(pyarrow, pyarrow.string(), [struct.pack("<3i", 0, 4, 6), b"Bernxx"])
    assert len(model.predict(good)) == 2
    for kind, offsets in ((pyarrow.string(), struct.pack("<3i", 0, 7, 6)),
                          (pyarrow.string(), struct.pack("<3i", 3, 2, 6)),
                          (pyarrow.large_string(), struct.pack("<3q", 0, 1 << 60, 6))):
        with pytest.raises(ValueError, match="city.*offsets"):
            model.predict(make_arrays(pyarrow, kind, [offsets, b"Bernxx"]))
    inline = struct.pack("<i12s", 4, b"Bern")
    text = b"a place with a long name"
    good = make_arrays(pyarrow, pyarrow.string_view(), [
        inline + struct.pack("<i4sii", len(text), text[:4], 0, 0), text])
    table = make_arrays(pyarrow, pyarrow.string(), [struct.pack("<3i", 0, 4, 4 + len(text)),
                                                    b"Bern" + text])
    expect_equal(model.predict_proba(good), model.predict_proba(table))
    for view in ((-1, 0, 0), (len(text) + 1, 0, 0), (len(text), 1, 0), (len(text), -1, 0),
                 (len(text), 0, 1), (len(text), 0, -1), (2147483647, 0, 2147483647)):
        packed = struct.pack("<i4sii", view[0], text[:4], *view[1:])
        with pytest.raises(ValueError, match="city.*a view of text that is not there"):
            model.predict(make_arrays(pyarrow, pyarrow.string_view(), [inline + packed, text]))


# --- LightGBM and XGBoost -----------------------------------------------------------------------

def make_categories(pandas, backwards):
    """Rows whose categories come in the order of training, or backwards and with one more."""
    random = numpy.random.default_rng(9)
    cities = random.choice(numpy.array(CITIES, dtype=object), 400)
    cities[random.random(400) < 0.1] = None
    known = [*CITIES[::-1], "never seen"] if backwards else list(CITIES)
    frame = pandas.DataFrame({"city": pandas.Categorical(cities, categories=known),
                              "weight": random.normal(size=400)})
    target = [len(one or "") % 3 + weight for one, weight in zip(cities, frame["weight"])]
    return frame, target


def check_booster(model, trained, frame, others):
    """The categories come in the order of training."""
    assert model.categories_[1] is None and model.categories_[0].tolist() == list(CITIES)
    for given in (frame, *others):
        expect_equal(model.predict(given), trained.predict(frame))
    assert [model.predict_one((None if isinstance(city, float) else city, weight))
            for city, weight in frame.head(20).itertuples(index=False)] == trained.predict(
                frame.head(20)).tolist()
    numbered = frame.assign(city=frame["city"].cat.rename_categories(
        list(range(len(frame["city"].cat.categories)))))
    with pytest.raises(TypeError, match="'city' has categories that are numbers"):
        model.predict(numbered)


def other_forms(frame):
    """As text, and as Arrow's dictionaries."""
    polars, pyarrow = pytest.importorskip("polars"), pytest.importorskip("pyarrow")
    cities = [None if isinstance(one, float) else one for one in frame["city"]]
    return (frame.assign(city=frame["city"].astype(object)),
            polars.DataFrame({"weight": frame["weight"].to_numpy(),
                              "city": polars.Series(cities, dtype=polars.Categorical)}),
            pyarrow.Table.from_pandas(frame, preserve_index=False))


def test_lightgbm_categories(tmp_path):
    pandas, lightgbm = pytest.importorskip("pandas"), pytest.importorskip("lightgbm")
    frame, target = make_categories(pandas, False)
    trained = lightgbm.LGBMRegressor(n_estimators=12, min_child_samples=4, min_data_per_group=5,
                                     cat_smooth=1, n_jobs=1, verbose=-1).fit(frame, target)
    asked, _ = make_categories(pandas, True)
    espalier.dump(trained, tmp_path / "model.espalier", check=asked[["city", "weight"]])
    model = espalier.load(tmp_path / "model.espalier")
    check_booster(model, trained, asked, other_forms(asked))
    unknown = asked.assign(city=pandas.Categorical(["never seen"] * 400))
    expect_equal(model.predict(unknown), trained.predict(unknown))


def test_lightgbm_numbers(tmp_path):
    """Numbers of ordered categories, and of a column that no tree asks for."""
    pandas, lightgbm = pytest.importorskip("pandas"), pytest.importorskip("lightgbm")
    random = numpy.random.default_rng(9)
    years = random.choice([2019, 7, 2021], 400)
    frame = pandas.DataFrame({"year": pandas.Categorical(years, [2019, 7, 2021], ordered=True),
                              "code": pandas.Categorical([5] * 400, [5, 9]),
                              "weight": random.normal(size=400)})
    for names in (["year", "code", "weight"], ["code", "weight"]):
        given = frame[names]
        trained = lightgbm.LGBMRegressor(n_estimators=5, n_jobs=1, verbose=-1).fit(
            given, frame["weight"] + years % 4)
        espalier.dump(trained, tmp_path / "model.espalier")
        model = espalier.load(tmp_path / "model.espalier")
        expect_equal(model.predict(given), trained.predict(given))
        with pytest.raises(TypeError, match="'weight' has categories that are numbers"):
            model.predict(given.assign(weight=given["weight"].astype("category")))


def test_xgboost_categories(tmp_path):
    pandas, xgboost = pytest.importorskip("pandas"), pytest.importorskip("xgboost")
    if tuple(map(int, xgboost.__version__.split(".")[:2])) < (3, 1):
        pytest.skip("XGBoost keeps the names of categories from 3.1 on")
    frame, target = make_categories(pandas, False)
    trained = xgboost.XGBRegressor(n_estimators=12, max_depth=4, enable_categorical=True, n_jobs=1)
    trained.fit(frame, target)
    espalier.dump(trained, tmp_path / "model.espalier")
    model = espalier.load(tmp_path / "model.espalier")
    asked, _ = make_categories(pandas, True)
    asked["city"] = asked["city"].cat.remove_unused_categories()
    check_booster(model, trained, asked, other_forms(asked))
    with pytest.raises(espalier.InputError, match='row 0, feature 0 "city"'):
        model.predict(asked.assign(city=pandas.Categorical(["never seen"] * 400)))
