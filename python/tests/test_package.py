# SPDX-License-Identifier: Apache-2.0
"""The package itself: what importing it loads, closing, damaged files, errors, no NumPy."""
import gc
import importlib.metadata
import os
import subprocess
import sys
import threading

import pytest

import espalier
from conftest import FIXTURES, ROOT

ROW = [6.3, 2.5, 4.9, 1.5]


def run_python(code, *arguments):
    done = subprocess.run([sys.executable, "-c", code, *map(str, arguments)], text=True,
                          capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_loads_little():
    """No NumPy, no trainer, no parser: what makes an import slow is what it imports."""
    code = ("import sys; before = set(sys.modules); import espalier; "
            "print(*sorted(set(sys.modules) - before))")
    loaded = run_python(code).split()
    assert all(name == "__future__" or name.split(".")[0] == "espalier" for name in loaded), loaded
    assert "espalier._convert" not in loaded and len(loaded) < 12


def test_the_predicting_module_needs_libc_alone():
    """readelf says what is loaded with espalier._core: a service that predicts loads no parser."""
    import espalier._core

    try:
        text = subprocess.run(["readelf", "-dW", espalier._core.__file__], check=True, text=True,
                              capture_output=True).stdout
    except FileNotFoundError:
        pytest.skip("no readelf here")
    needed = [line.split("[")[1].split("]")[0] for line in text.splitlines() if "(NEEDED)" in line]
    assert needed and all(name.startswith(("libc.so", "libm.so", "ld-linux", "libpthread.so"))
                          for name in needed), needed


def test_versions_agree():
    if "site-packages" not in espalier.__file__:
        pytest.skip("not installed")
    assert importlib.metadata.version("espalier") == espalier.__version__
    header = (ROOT / "include" / "espalier.h").read_text()
    numbers = [line.split()[2] for line in header.splitlines()
               if line.startswith("#define ESPALIER_VERSION_")]
    assert ".".join(numbers) == espalier.__version__


def test_without_numpy(converted, tmp_path):
    """Everything but scores, in an interpreter that cannot import NumPy."""
    code = """
import sys
sys.modules["numpy"] = None
import espalier, array
source, path, several = sys.argv[1:]
espalier.convert(source, path)
model = espalier.load(path)
row = [6.3, 2.5, 4.9, 1.5]
found = model.predict_proba([row, row, row])
assert type(found) is memoryview and found.shape == (3, 3) and found[1, 1] == 0.875
assert model.predict([row]) == [1] and model.predict([]) == [] and model.classes_ == [0, 1, 2]
assert model.apply([row]).shape == (1, 200)
view = memoryview(array.array("f", row)).cast("B").cast("f", (1, 4))
assert model.predict(view) == [1]
assert model.predict_one(row, "probability") == tuple(found.tolist()[0])
try:
    model.predict([[1.0, 2.0, None, 4.0]])
except espalier.InputError as error:
    assert (error.row, error.feature) == (0, 2)
else:
    raise SystemExit("a missing value was taken")
model = espalier.load(several)
labels = model.predict([[0.5] * model.n_features_in_])
assert len(labels) == 1 and len(labels[0]) == model.n_outputs_ == len(model.classes_)
assert [len(one) for one in model.predict_one([0.5] * model.n_features_in_, "probability")]
print("done")
"""
    source = FIXTURES / "sklearn-1.2.2" / "random_forest_model.pkl"
    several = converted("sklearn-1.4.2/multi_strings.joblib")
    assert run_python(code, source, tmp_path / "m", several) == "done\n"


def test_closing(converted, tmp_path):
    path = tmp_path / "model.espalier"
    path.write_bytes(converted("sklearn-1.2.2/random_forest_model.pkl").read_bytes())
    with espalier.load(path) as model:
        model.predict([ROW])
        assert not model.closed
    assert model.closed
    model.close()
    for call in (lambda: model.predict([ROW]), lambda: model.predict_one(ROW), model.verify,
                 lambda: model.info):
        with pytest.raises(ValueError, match="closed"):
            call()
    assert str(path) not in open("/proc/self/maps").read()
    models = [espalier.load(path) for _ in range(20)]
    for one in models:
        one.predict([ROW])
    assert str(path) in open("/proc/self/maps").read()
    del models, one
    gc.collect()
    assert str(path) not in open("/proc/self/maps").read()


def test_a_model_in_use_is_not_closed(converted):
    """Closing while another thread predicts is refused, or waits for nothing: never a crash."""
    model = espalier.load(converted("sklearn-1.2.2/random_forest_model.pkl"))
    rows = [ROW] * 20000
    model.predict(rows[:100])
    found = []

    def work():
        try:
            found.append(len(model.predict(rows)))
        except ValueError as error:
            assert "closed" in str(error)

    thread = threading.Thread(target=work)
    thread.start()
    while thread.is_alive():
        try:
            model.close()
        except RuntimeError as error:
            assert "in use" in str(error)
        if model.closed:
            break
    thread.join()
    assert found == [20000] or model.closed


FORKED = """
import os, sys, threading, espalier
model = espalier.load(sys.argv[1])
row = [6.3, 2.5, 4.9, 1.5]
reached, go_on = threading.Event(), threading.Event()

class Order:  # its own code waits while the model is held
    def __len__(self):
        return 4
    def __getitem__(self, i):
        reached.set()
        go_on.wait()
        raise ValueError

def work():
    table = espalier._core.table_from_columns([bytearray(8)] * 4)
    try:
        model._run(2, table, Order(), bytearray(24), 1, 0, 0, 0)
    except ValueError:
        pass

thread = threading.Thread(target=work)
thread.start()
reached.wait()
child = os.fork()
if child == 0:
    code = 9
    try:
        assert model.predict([row]) == [1] and model.predict_one(row) == 1
        model.close()
        assert model.closed
        model.close()
        with espalier.load(sys.argv[1]) as again:
            assert again.predict_one(row) == 1
        code = 0
    finally:
        os._exit(code)
_, status = os.waitpid(child, 0)
try:
    model.close()
except RuntimeError as error:
    assert "in use" in str(error)
else:
    raise SystemExit("a model in use was closed")
go_on.set()
thread.join()
model.close()
print(os.waitstatus_to_exitcode(status))
"""


def test_a_fork_while_another_thread_predicts(converted):
    """The child's close() raised for ever: a thread that is not there had not returned."""
    model = converted("sklearn-1.2.2/random_forest_model.pkl")
    assert run_python(FORKED, model) == "0\n"


FORKED_WITHIN = """
import os, sys, espalier
model = espalier.load(sys.argv[1])
table = espalier._core.table_from_columns([bytearray(1)] * 4)

class Order:
    def __len__(self):
        return 4
    def __getitem__(self, i):
        global child
        if i == 0:
            child = os.fork()
            if child == 0:
                model.close()
        return i

try:
    model._run(2, table, Order(), bytearray(24), 1, 0, 0, 0)
    answered = True
except espalier.Error:
    answered = False
if child == 0:
    model.close()
    del model
    os._exit(0)
assert answered
model.close()
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_a_fork_within_a_call(converted):
    """The call goes on in the child too, also where that closes the model meanwhile."""
    model = converted("sklearn-1.2.2/random_forest_model.pkl")
    assert run_python(FORKED_WITHIN, model) == "0\n"


def test_open_options(converted):
    path = converted("sklearn-1.2.2/random_forest_model.pkl")
    for options in ({"copy": True}, {"verify": True}, {"prefault": True}, {"huge_pages": True}):
        model = espalier.load(path, **options)
        assert model.predict_one(ROW) == 1
        assert (model.info["mapping"] == 3) == ("copy" in options or "huge_pages" in options)
        model.verify()
    assert espalier.load(os.fsencode(path)).path == str(path)
    os.chdir(path.parent)
    assert espalier.load(path.name).path == str(path)


def test_damaged_files(converted, tmp_path):
    path = converted("sklearn-1.2.2/random_forest_model.pkl")
    data = path.read_bytes()
    broken = tmp_path / "broken"
    for size in (0, 7, 100, len(data) - 1):
        broken.write_bytes(data[:size])
        with pytest.raises(espalier.FormatError) as caught:
            espalier.load(broken)
        assert str(broken) in str(caught.value) and caught.value.status >= 40
        assert caught.value.name.startswith("ESPALIER_ERROR_")
    broken.write_bytes(data[:20] + bytes([data[20] ^ 1]) + data[21:])
    with pytest.raises(espalier.FormatError) as caught:
        espalier.load(broken)
    assert caught.value.rule is not None and caught.value.offset is not None
    middle = len(data) // 2
    broken.write_bytes(data[:middle] + bytes([data[middle] ^ 64]) + data[middle + 1:])
    model = espalier.load(broken)
    with pytest.raises(espalier.FormatError):
        model.verify()
    with pytest.raises(espalier.FormatError):
        espalier.load(broken, verify=True)


def test_exceptions_are_the_usual_ones_too(tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        espalier.load(tmp_path / "nothing")
    assert isinstance(caught.value, espalier.FileError) and caught.value.errno == 2
    with pytest.raises(OSError):
        espalier.load(tmp_path)
    assert issubclass(espalier.InputError, ValueError)
    assert issubclass(espalier.FormatError, ValueError)
    assert issubclass(espalier.OutOfMemoryError, MemoryError)
    from espalier._errors import build

    assert type(build(70, "", "")) is espalier.OutOfMemoryError
    assert type(build(60, "", "")) is espalier.LimitError
    assert type(build(83, "", "")) is espalier.ConvertError
    assert type(build(24, "", "", errno=5)) is espalier.FileError


def test_misuse_of_the_extension_is_refused(iris):
    """The underscored calls are not for users; wrong arguments must still be exceptions."""
    out = bytearray(8 * 3)
    rows = memoryview(bytearray(32)).cast("d", (1, 4))
    for arguments in ((2, rows, None, bytearray(8), 1, 0, 0, 0), (99, rows, None, out, 1, 0, 0, 0),
                      (2, rows, (0, 1, 2, 3), out, 1, 0, 0, 0), (2, b"ab", None, out, 1, 0, 0, 0),
                      (2, rows, None, b"12345678", 1, 0, 0, 0),
                      (2, rows, None, out, 1, 1 << 60, 0, 0), (2, rows, None, out, 1, 0, 5000, 1)):
        with pytest.raises((ValueError, TypeError, BufferError, espalier.Error)):
            iris._run(*arguments)
    table = espalier._core.table_from_columns([bytearray(8)] * 4)
    for order in ((0, 1, 2), (0, 1, 2, 4), (0, 1, 2, -1), (0, 1, 2, "a"), 7):
        with pytest.raises((ValueError, TypeError)):
            iris._run(2, table, order, out, 1, 0, 0, 0)
    with pytest.raises(TypeError):
        espalier._core.table_from_columns([memoryview(bytearray(8)).cast("c")])
    with pytest.raises(ValueError, match="rows, the first one"):
        espalier._core.table_from_columns([bytearray(8), bytearray(9)])
    with pytest.raises(IndexError):
        espalier._core.table_from_columns([["a", 1]], ())
    codes = memoryview(bytearray(8)).cast("d")
    for column in ((codes, ["a"]), (codes, codes), (bytearray(1), ["a"]), ["a"]):
        table = espalier._core.table_from_columns([column] * 4)
        with pytest.raises(espalier.Error, match="feature 0: a column of a type"):
            iris._run(2, table, (0, 1, 2, 3), out, 1, 0, 0, 0)
    with pytest.raises(TypeError):
        espalier._core.Table()
    with pytest.raises(ValueError):
        espalier._core.table_from_stream(object())
    with pytest.raises(ValueError, match="closed"):
        espalier._core.Model().predict_one((1.0,))
    for _ in range(2):  # what is kept of a model (names, labels) is never another one's
        with pytest.raises(ValueError, match="is open, or was"):
            iris._open(iris.path, 0, 0, 0)
        iris.close()


@pytest.mark.skipif(sys.version_info < (3, 12), reason="buffers in Python begin with 3.12")
def test_buffers_whose_own_code_closes_the_model(converted):
    """The model stays open until the call that uses it has given everything back."""
    model = espalier.load(converted("sklearn-1.2.2/random_forest_model.pkl"))
    rows = memoryview(bytearray(32)).cast("d", (1, 4))
    said = []

    class Closing:
        def __buffer__(self, flags):
            self.try_to_close()
            return rows

        def __release_buffer__(self, view):
            self.try_to_close()

        def try_to_close(self):
            try:
                model.close()
            except RuntimeError as error:
                said.append(str(error))

    out = bytearray(8 * 3)
    model._run(2, Closing(), None, out, 1, 0, 0, 0)
    assert len(said) == 2 and all("in use" in one for one in said)
    assert bytes(out) == memoryview(model.predict_proba(rows)).tobytes()
    with pytest.raises(ValueError, match="closed"):
        model.predict_one(Closing())  # a single row is read before the model is held
    assert model.closed
