# SPDX-License-Identifier: Apache-2.0
"""Fixture files that the trainer writes only in unusual places: other byte orders, every container,
and files that must be refused.

Runs inside a training environment, for train_fixtures.py. The refused pickles would run a harmless
`touch` if they were loaded; nothing here loads them.
"""
import bz2
import copyreg
import gzip
import io
import lzma
import os
import pickle

import joblib
import numpy as np
import sklearn
from joblib.numpy_pickle import NumpyPickler
from sklearn.tree._tree import Tree

MARKER = "espalier-was-here"
COMMAND = "touch " + MARKER


# --- Byte order and memory order ---------------------------------------------------------------

def big_endian(array):
    return array.astype(array.dtype.newbyteorder(">"))


def reduce_tree(tree):
    """As a big-endian machine pickles it, with Fortran-order values."""
    kind, arguments, state = tree.__reduce__()
    state = dict(state)
    state["nodes"] = big_endian(state["nodes"])
    state["values"] = np.asfortranarray(big_endian(state["values"]))
    return kind, (arguments[0], big_endian(arguments[1]), arguments[2]), state


def reduce_array(array):
    if array.dtype.kind in "iuf" and array.dtype.isnative and array.dtype.itemsize > 1:
        array = big_endian(array)
    return array.__reduce__()


def reduce_scalar(scalar):
    kind, arguments = scalar.__reduce__()
    swapped = big_endian(np.array(scalar))
    return kind, (swapped.dtype, swapped.tobytes())


def foreign_table(with_arrays):
    table = copyreg.dispatch_table.copy()
    table[Tree] = reduce_tree
    table[np.int64] = reduce_scalar
    table[np.float64] = reduce_scalar
    if with_arrays:
        table[np.ndarray] = reduce_array
    return table


class ForeignNumpyPickler(NumpyPickler):
    """joblib's own pickler; its wrapper writes each array's bytes as the array holds them."""

    dispatch_table = foreign_table(False)


def add_foreign(out, model, cases):
    kind = type(model).__name__
    for protocol in (2, 4):
        name = "small_big_endian_p%d.pkl" % protocol
        with open(out.path(name), "wb") as file:
            pickler = pickle.Pickler(file, protocol)
            pickler.dispatch_table = foreign_table(True)
            pickler.dump(model)
        out.line(name, kind, "big-endian arrays, Fortran-order values", cases)
    name = "small_big_endian.joblib"
    with open(out.path(name), "wb") as file:
        ForeignNumpyPickler(file).dump(model)
    out.line(name, kind, "big-endian arrays, Fortran-order values, joblib", cases)


# --- Containers --------------------------------------------------------------------------------

def add_containers(out, model, cases):
    """joblib's compressors, and pickles compressed by Python's own modules."""
    kind = type(model).__name__
    for method in ("zlib", "gzip", "bz2", "xz", "lzma", "lz4"):
        name = "container_%s.joblib" % method
        joblib.dump(model, out.path(name), compress=(method, 3))
        out.line(name, kind, "joblib compressed by " + method, cases)
    # Plain pickles as people write them through gzip.open and its like. Two members on purpose:
    # the modules read them as one stream (joblib's own gzip reader would not).
    raw = pickle.dumps(model, 4)
    cut = len(raw) // 3
    for ending, module in (("gz", gzip), ("bz2", bz2), ("xz", lzma)):
        name = "container_members.pkl." + ending
        with open(out.path(name), "wb") as file:
            file.write(module.compress(raw[:cut]) + module.compress(raw[cut:]))
        with module.open(out.path(name)) as file:
            assert file.read() == raw
        out.line(name, kind, "a pickle compressed in two members, " + ending, cases)


# --- Refused: estimators -----------------------------------------------------------------------

def refused_estimators(data):
    from sklearn.base import clone
    from sklearn.ensemble import RandomForestClassifier, RandomTreesEmbedding
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.svm import SVC

    forest = RandomForestClassifier(2, max_depth=2, random_state=0)
    X, y = data.X[:60, [0, 2, 4]], data.classes(2)[:60]
    models = [LogisticRegression(), SVC(), KNeighborsClassifier(),
              RandomTreesEmbedding(2, max_depth=2)]
    for model in models:
        if "random_state" in model.get_params():
            model.set_params(random_state=0)
    # A clone is unfitted, whatever was fitted here.
    return [model.fit(X, y) for model in models], clone(forest)


def add_refused_estimators(out, data):
    fitted, forest = refused_estimators(data)
    for model in fitted:
        name = type(model).__name__
        out.dump("refused_%s.pkl" % name, model)
        out.line("refused_%s.pkl" % name, name, "not supported", refused=name)
    out.dump("refused_unfitted.joblib", forest)
    out.line("refused_unfitted.joblib", "RandomForestClassifier", "never fitted", refused="fitted")
    out.dump("refused_no_model.pkl", {"model": None, "columns": ["a"]})
    out.line("refused_no_model.pkl", "-", "no model inside", refused="model")


# --- Refused: files written by hand ------------------------------------------------------------

class Exploit:
    """Pickles as a call of os.system."""

    def __reduce__(self):
        return os.system, (COMMAND,)


CATEGORICAL_NODE = np.dtype({
    "names": ["left_child", "right_child", "feature", "threshold", "left_cat_bitset", "impurity",
              "n_node_samples", "weighted_n_node_samples", "missing_go_to_left"],
    "formats": ["<i8", "<i8", "<i8", "<f8", ("<u4", (8,)), "<f8", "<i8", "<f8", "u1"],
    "offsets": [0, 8, 16, 24, 32, 64, 72, 80, 88],
    "itemsize": 96,
    "aligned": True,
})


def reduce_categorical(tree):
    """As scikit-learn 1.10 will pickle a tree with a categorical first feature."""
    kind, arguments, state = tree.__reduce__()
    state = dict(state)
    old = state["nodes"]
    nodes = np.zeros(len(old), dtype=CATEGORICAL_NODE)
    for field in old.dtype.names:
        nodes[field] = old[field]
    nodes["left_cat_bitset"][nodes["feature"] == 0, 0] = 5
    state["nodes"] = nodes
    categories = np.full(arguments[0], -1, dtype=np.int64)
    categories[0] = 3
    return kind, tuple(arguments) + (categories,), state


def add_categorical(out, model):
    version = sklearn.base.__version__
    sklearn.base.__version__ = "1.10.0"
    try:
        with open(out.path("categorical_1_10.pkl"), "wb") as file:
            pickler = pickle.Pickler(file, 4)
            pickler.dispatch_table = copyreg.dispatch_table.copy()
            pickler.dispatch_table[Tree] = reduce_categorical
            pickler.dump(model)
    finally:
        sklearn.base.__version__ = version
    out.line("categorical_1_10.pkl", type(model).__name__, "node record and Tree call of 1.10",
             refused="categor")


def text(value):
    """SHORT_BINUNICODE."""
    data = value.encode("utf-8")
    return b"\x8c" + bytes([len(data)]) + data


def flagged_streams():
    """Hand-written calls; each would run COMMAND if it were loaded."""
    command = text(COMMAND)
    by_memo = (b"\x80\x04" + text("math") + b"q\x00" + text("posix") + b"q\x01" + text("sqrt")
               + b"q\x02" + text("system") + b"q\x03" + b"0000"      # POP them all again
               + b"h\x01h\x03\x93" + command + b"\x85R.")
    # The memo entry that a scanner saw as "math" is overwritten before its use.
    overwritten = (b"\x80\x04" + text("math") + b"q\x05" + b"0" + text("posix") + b"q\x05" + b"0"
                   + b"h\x05" + text("system") + b"\x93" + command + b"\x85R.")
    imported = (b"\x80\x04" + b"cbuiltins\ngetattr\n" + b"cbuiltins\n__import__\n" + text("os")
                + b"\x85R" + text("system") + b"\x86R" + command + b"\x85R.")
    return {
        "system_p0.pkl": (b"cos\nsystem\n(S'" + COMMAND.encode() + b"'\ntR.", "os.system"),
        "system_p2.pkl": (b"\x80\x02cposix\nsystem\nq\x00X" + len(COMMAND).to_bytes(4, "little")
                          + COMMAND.encode() + b"q\x01\x85q\x02Rq\x03.", "posix.system"),
        "system_by_memo.pkl": (by_memo, "posix.system"),
        "system_memo_overwritten.pkl": (overwritten, "posix.system"),
        "import_getattr.pkl": (imported, "__import__"),
        "eval_p0.pkl": (b"c__builtin__\neval\n(V__import__('os').system('" + COMMAND.encode()
                        + b"')\ntR.", "eval"),
        "popen_p2.pkl": (b"\x80\x02csubprocess\nPopen\n]q\x00(X\x05\x00\x00\x00touchX"
                         + len(MARKER).to_bytes(4, "little") + MARKER.encode() + b"e\x85R.",
                         "subprocess.Popen"),
    }


def add_flagged(out, model):
    for name, (data, word) in sorted(flagged_streams().items()):
        with open(out.path(name), "wb") as file:
            file.write(data)
        said = "" if word == "__import__" else " touch"
        out.line(name, "-", "would run a command", refused=word + " byte" + said)
    beside = {"model": model, "notes": Exploit()}
    for name, value, protocol in (("system_p4.pkl", Exploit(), 4),
                                  ("system_beside_p0.pkl", beside, 0),
                                  ("system_beside_p4.pkl", beside, 4)):
        out.dump(name, value, protocol=protocol)
        out.line(name, "-", "would run a command", refused="system byte touch")
    nested = np.empty(2, dtype=object)
    nested[0] = "harmless"
    nested[1] = Exploit()
    out.dump("system_nested.joblib", {"model": model, "notes": nested})
    out.line("system_nested.joblib", "-", "a call inside a nested joblib pickle",
             refused="system byte touch")
    out.dump("system_nested_zlib.joblib", {"model": model, "notes": nested}, compress=3)
    out.line("system_nested_zlib.joblib", "-", "the same, compressed",
             refused="system byte touch")


def add_broken(out, model):
    whole = pickle.dumps(model, 4)
    packed = io.BytesIO()
    joblib.dump(model, packed, compress=3)
    plain = io.BytesIO()
    joblib.dump(model, plain)
    buffers = []
    outside = pickle.dumps(model, 5, buffer_callback=buffers.append)
    assert buffers
    broken = {
        "empty.pkl": (b"", "-", "no bytes"),
        "text.pkl": (b"This is not a model.\n", "-", "a text file"),
        "half.pkl": (whole[:len(whole) // 2], "-", "cut in the middle"),
        "no_stop.pkl": (whole[:-1], "-", "STOP missing"),
        "half.joblib": (plain.getvalue()[:len(plain.getvalue()) * 2 // 3], "-", "cut in an array"),
        "half_zlib.joblib": (packed.getvalue()[:-40], "-", "compressed stream cut short"),
        "buffers_outside.pkl": (outside, "buffer", "protocol 5 with buffers kept elsewhere"),
    }
    for name, (data, word, purpose) in sorted(broken.items()):
        with open(out.path(name), "wb") as file:
            file.write(data)
        # "+" asks for a refusal without any particular word.
        out.line(name, "-", purpose, refused="+" if word == "-" else word)


def add_refused_files(out, model):
    add_categorical(out, model)
    add_flagged(out, model)
    add_broken(out, model)
