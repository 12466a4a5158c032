# SPDX-License-Identifier: Apache-2.0
"""One folder of fixtures: rows for a model, the trainer's answers, and manifest lines.

Runs inside a training environment (Python 3.7 or newer, NumPy, scikit-learn). Must never compute an
expected answer by itself: everything expected is what the trainer's own calls returned.
"""
import pickle
import warnings

import joblib
import numpy as np
import sklearn

from fixture_folder import FixtureFolder, same_bits, write_npy

warnings.filterwarnings("ignore")

NAN_REFUSED = "nan|missing row"
FLOAT32_MAX = float(np.finfo(np.float32).max)


def version_tuple():
    return tuple(int(part) for part in sklearn.__version__.split(".")[:2])


def trees_of(model):
    if hasattr(model, "tree_"):
        return [model.tree_]
    return [one.tree_ for one in np.ravel(model.estimators_)]


def neighbours(threshold):
    """On the threshold, on its float32 rounding, and one step of each width to each side."""
    if not np.isfinite(threshold):  # a split of missing from present values
        return [np.nan, 0.0, FLOAT32_MAX, -FLOAT32_MAX]
    rounded = np.float32(threshold)
    return [
        threshold,
        float(rounded),
        float(np.nextafter(rounded, np.float32(np.inf))),
        float(np.nextafter(rounded, np.float32(-np.inf))),
        float(np.nextafter(np.float64(threshold), np.inf)),
        float(np.nextafter(np.float64(threshold), -np.inf)),
    ]


def threshold_rows(model, base, rng, node_count_max):
    """Rows that reach a node and sit on or next to its threshold."""
    trees = trees_of(model)
    base32 = base.astype(np.float32)
    inner = [(t, n) for t, tree in enumerate(trees)
             for n in np.flatnonzero(tree.children_left >= 0)]
    if not inner:
        return base[:0]
    picks = [inner[i] for i in rng.permutation(len(inner))[:node_count_max]]
    rows = []
    for tree_index, node in picks:
        tree = trees[tree_index]
        reach = np.flatnonzero(np.asarray(tree.decision_path(base32)[:, int(node)].todense()))
        start = base[reach[rng.randint(len(reach))] if len(reach) else rng.randint(len(base))]
        for value in neighbours(tree.threshold[node]):
            row = start.copy()
            row[tree.feature[node]] = value
            rows.append(row)
    return np.array(rows)


def special_rows(base, rng):
    """Signed zeros, denormals of both widths, the largest values that still fit float32."""
    # 3.4028235e38 is above the largest float32 and rounds down to it.
    values = [-0.0, 5e-324, -5e-324, 1e-45, -1e-45, 1.17549435e-38, 1e30, -1e30,
              FLOAT32_MAX, -FLOAT32_MAX, 3.4028235e38]
    rows = [base[rng.randint(len(base))].copy() for _ in values]
    for row, value in zip(rows, values):
        row[rng.randint(base.shape[1])] = value
    rows.append(np.full(base.shape[1], -0.0))
    rows.append(np.full(base.shape[1], -FLOAT32_MAX))
    rows.append(np.full(base.shape[1], 5e-324))
    return np.array(rows)


def missing_rows(base, rng):
    """One NaN per row, walking over the features (seen or not in training), then all NaN."""
    feature_count = base.shape[1]
    rows = base[rng.randint(len(base), size=min(feature_count, 8) + 1)].copy()
    for index in range(len(rows) - 1):
        rows[index, index] = np.nan
    rows[-1, :] = np.nan
    return rows


def is_classifier(model):
    return hasattr(model, "predict_proba")


def fixed_width(labels):
    """Object labels as the fixed-width strings an .npy file can hold; every other dtype as is."""
    if labels.dtype.kind == "O":
        return np.array([str(one) for one in labels.ravel()]).reshape(labels.shape)
    return labels


def answers(model, rows, names=None):
    """What the trainer's own calls return, by output name of the command."""
    if names is not None:
        import pandas
        rows = pandas.DataFrame(rows, columns=names)
    leaf = np.asarray(model.apply(rows)).astype(np.int64)
    if not is_classifier(model):
        return {"value": np.asarray(model.predict(rows), dtype=np.float64), "leaf": leaf}
    probability = model.predict_proba(rows)
    if isinstance(probability, list):
        probability = np.hstack(probability)
    return {"probability": probability, "class": fixed_width(model.predict(rows)), "leaf": leaf}


class FixtureSet(FixtureFolder):
    def __init__(self, root, folder):
        super().__init__(root, folder, exist_ok=True)

    def line(self, name, estimator, purpose, cases="-", refused="-", select="-"):
        self.add_line(name, sklearn.__version__, estimator, purpose, select, cases, refused)

    def write_case(self, stem, model, row_files, rows64, names, outputs):
        """Saves rows and answers; float32 rows must give the same bits, so they share a file."""
        found = answers(model, rows64, names)
        write_npy(self.path(row_files[0]), rows64)
        if len(row_files) > 1:
            rows32 = rows64.astype(np.float32)
            for key, value in answers(model, rows32, names).items():
                assert same_bits(value, found[key]), (stem, key)
            write_npy(self.path(row_files[1]), rows32)
        parts = [",".join(row_files)]
        for key in outputs or found:
            file_name = "%s.%s.npy" % (stem, key)
            write_npy(self.path(file_name), found[key])
            parts.append("%s=%s" % (key, file_name))
        return " ".join(parts)

    def write_missing(self, stem, model, base, rng, names):
        """NaN rows: the trainer either answers or refuses; both are recorded."""
        rows = missing_rows(base, rng)
        try:
            answers(model, rows, names)
        except ValueError:
            write_npy(self.path(stem + ".nan.npy"), rows)
            return "%s.nan.npy !%s" % (stem, NAN_REFUSED)
        return self.write_case(stem + ".nan", model, [stem + ".nan.npy"], rows, names, None)

    def cases(self, stem, model, base, held_out, seed, nodes=3, names=None, missing=True,
              outputs=None):
        rng = np.random.RandomState(seed)
        rows64 = np.vstack([held_out, threshold_rows(model, base, rng, nodes),
                            special_rows(base, rng)])
        row_files = [stem + ".rows64.npy", stem + ".rows32.npy"]
        found = [self.write_case(stem, model, row_files, rows64, names, outputs)]
        if missing:
            found.append(self.write_missing(stem, model, base, rng, names))
        return "; ".join(found)

    def dump(self, name, value, **options):
        """By the file's ending: .joblib and the tutorial's .pkl by joblib, other .pkl by pickle."""
        path = self.path(name)
        if name.endswith(".pkl") and not options.pop("with_joblib", False):
            with open(path, "wb") as file:
                pickle.dump(value, file, **options)
        else:
            joblib.dump(value, path, **options)
        return path

    def add(self, name, model, base, held_out, purpose, seed=0, with_joblib=False, **options):
        """Saves one fitted model with rows and answers; returns its cases for other containers."""
        path = self.dump(name, model, **({"with_joblib": True} if with_joblib else {}))
        stem = name.rsplit(".", 1)[0]
        cases = self.cases(stem, model, base, held_out, seed, **options)
        with open(path, "rb") as file:
            again = joblib.load(path) if with_joblib or name.endswith(".joblib") \
                else pickle.load(file)
        names = options.get("names")
        probe = base[:20]
        for key, value in answers(again, probe, names).items():
            assert same_bits(value, answers(model, probe, names)[key]), (name, key)
        self.line(name, type(model).__name__, purpose, cases)
        return cases

    def add_by_width(self, name, model, rows, answer, purpose, compress=9):
        """Saves a model with rows of float64 and of float32, which have answers of their own;
        answer(rows): {output, with ~ behind it where exp is on the way: array}."""
        self.dump(name, model, compress=compress)
        stem, cases = name.rsplit(".", 1)[0], []
        for width, kind in ((64, np.float64), (32, np.float32)):
            given = rows.astype(kind)
            parts = ["%s.rows%d.npy" % (stem, width)]
            write_npy(self.path(parts[0]), given)
            for output, array in answer(given).items():
                file_name = "%s.%s%d.npy" % (stem, output.strip("~"), width)
                write_npy(self.path(file_name), fixed_width(array))
                parts.append("%s=%s" % (output, file_name))
            cases.append(" ".join(parts))
        self.line(name, type(model).__name__, purpose, "; ".join(cases))

    def write_manifest(self, path):
        super().write_manifest(path, "scikit-learn %s: NumPy %s, joblib %s" % (
            sklearn.__version__, np.__version__, joblib.__version__))
