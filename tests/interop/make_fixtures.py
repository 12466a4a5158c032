# SPDX-License-Identifier: Apache-2.0
"""Makes tests/fixtures again: one virtual environment for each trainer's version, from wheels.

    python3 tests/interop/make_fixtures.py [--work DIR] [--only FOLDER]... [--python X.Y=PATH]...

Standard library only. Environments live in the work directory (default: a folder of the system's
temporary directory), never in the source tree, and are kept for the next run. A folder of fixtures
is replaced only when its whole set was made; the manifest keeps the lines of folders not made now.
Leaves with 77 where a Python is missing.
"""
import argparse
import os
import shutil
import subprocess
import sys
import tempfile

from environments import add_arguments, find_python, make_environment, plain_environment
from version_sets import VERSION_SETS

HERE = os.path.dirname(os.path.abspath(__file__))
FIXTURES = os.path.join(os.path.dirname(HERE), "fixtures")
COLUMNS = ("path", "version", "estimator", "purpose", "select", "cases", "refused")
SIZE_MAX = 20 * 1000 * 1000
SKIPPED = 77

# Folder: (Python, packages). Exact versions, so that the set can be made again. The first part
# of the name says which script trains. scikit-learn 0.22.2.post1 runs on Python 3.7 on purpose:
# joblib's default pickle protocol is 3 there.
ENVIRONMENTS = {
    "sklearn-0.22.2.post1": ("3.7", "scikit-learn==0.22.2.post1 numpy==1.18.5 scipy==1.4.1 "
                                    "joblib==0.14.1 pandas==1.0.5"),
    "sklearn-0.24.2": ("3.8", "scikit-learn==0.24.2 numpy==1.19.5 scipy==1.6.3 joblib==1.0.1 "
                              "threadpoolctl==2.2.0 pandas==1.2.5"),
    "sklearn-1.0.2": ("3.9", "scikit-learn==1.0.2 numpy==1.21.6 scipy==1.7.3 joblib==1.1.0 "
                             "threadpoolctl==3.1.0 pandas==1.3.5"),
    "sklearn-1.2.2": ("3.11", "scikit-learn==1.2.2 numpy==1.24.2 scipy==1.10.1 joblib==1.2.0 "
                              "threadpoolctl==3.1.0 pandas==1.5.3 lz4==4.3.2"),
    "sklearn-1.3.2": ("3.11", "scikit-learn==1.3.2 numpy==1.26.2 scipy==1.11.4 joblib==1.3.2 "
                              "threadpoolctl==3.2.0 pandas==2.1.4"),
    "sklearn-1.4.2": ("3.12", "scikit-learn==1.4.2 numpy==1.26.4 scipy==1.13.0 joblib==1.4.2 "
                              "threadpoolctl==3.5.0 pandas==2.2.2"),
    "sklearn-1.6.1": ("3.13", "scikit-learn==1.6.1 numpy==2.2.2 scipy==1.15.1 joblib==1.4.2 "
                              "threadpoolctl==3.5.0 pandas==2.2.3 lz4==4.4.4"),
    "sklearn-1.9.1": ("3.13", "scikit-learn==1.9.1 numpy==2.5.5 scipy==1.18.1 joblib==1.6.0 "
                              "threadpoolctl==3.8.0 pandas==3.1.1"),
    "boosting-0.22.2.post1": ("3.7", "scikit-learn==0.22.2.post1 numpy==1.18.5 scipy==1.4.1 "
                                     "joblib==0.14.1"),
    "boosting-0.24.2": ("3.8", "scikit-learn==0.24.2 numpy==1.19.5 scipy==1.6.3 joblib==1.0.1 "
                               "threadpoolctl==2.2.0"),
    "boosting-1.2.2": ("3.11", "scikit-learn==1.2.2 numpy==1.24.2 scipy==1.10.1 joblib==1.2.0 "
                               "threadpoolctl==3.1.0"),
    "boosting-1.4.2": ("3.12", "scikit-learn==1.4.2 numpy==1.26.4 scipy==1.13.0 joblib==1.4.2 "
                               "threadpoolctl==3.5.0"),
    "boosting-1.6.1": ("3.13", "scikit-learn==1.6.1 numpy==2.2.2 scipy==1.15.1 joblib==1.4.2 "
                               "threadpoolctl==3.5.0"),
    "boosting-1.9.1": ("3.13", "scikit-learn==1.9.1 numpy==2.5.5 scipy==1.18.1 joblib==1.6.0 "
                               "threadpoolctl==3.8.0"),
    "pipelines-0.22.2.post1": ("3.7", "scikit-learn==0.22.2.post1 numpy==1.18.5 scipy==1.7.3 "
                                      "joblib==0.14.1 pandas==1.0.5"),
    "pipelines-0.24.2": ("3.8", "scikit-learn==0.24.2 numpy==1.19.5 scipy==1.10.1 joblib==1.0.1 "
                                "threadpoolctl==2.2.0 pandas==1.1.5"),
    "pipelines-1.2.2": ("3.11", "scikit-learn==1.2.2 numpy==1.24.2 scipy==1.10.1 joblib==1.2.0 "
                                "threadpoolctl==3.1.0 pandas==1.5.3"),
    "pipelines-1.9.1": ("3.13", "scikit-learn==1.9.1 numpy==2.5.5 scipy==1.18.1 joblib==1.6.0 "
                                "threadpoolctl==3.8.0 pandas==3.1.1"),
    "ensembles-0.22.2.post1": ("3.7", "scikit-learn==0.22.2.post1 numpy==1.18.5 scipy==1.4.1 "
                                      "joblib==0.14.1"),
    "ensembles-0.24.2": ("3.8", "scikit-learn==0.24.2 numpy==1.19.5 scipy==1.6.3 "
                                "joblib==1.0.1 threadpoolctl==2.2.0"),
    "ensembles-1.2.2": ("3.11", "scikit-learn==1.2.2 numpy==1.24.2 scipy==1.10.1 "
                                "joblib==1.2.0 threadpoolctl==3.1.0"),
    "ensembles-1.4.2": ("3.11", "scikit-learn==1.4.2 numpy==1.26.4 scipy==1.13.0 "
                                "joblib==1.3.2"),
    "ensembles-1.6.1": ("3.13", "scikit-learn==1.6.1 numpy==2.2.2 scipy==1.15.1 "
                                "joblib==1.4.2"),
    "ensembles-1.9.1": ("3.13", "scikit-learn==1.9.1 numpy==2.5.5 scipy==1.18.1 "
                                "joblib==1.6.0 threadpoolctl==3.8.0"),
    "lightgbm-2.2.3": ("3.7", "lightgbm==2.2.3 numpy==1.21.6 scipy==1.7.3 scikit-learn==1.0.2"),
    "lightgbm-3.0.0": ("3.8", "lightgbm==3.0.0 numpy==1.23.5 scipy==1.10.1 scikit-learn==1.3.2"),
    "lightgbm-3.3.5": ("3.9", "lightgbm==3.3.5 numpy==1.23.5 scipy==1.13.1 scikit-learn==1.6.1"),
    "lightgbm-4.0.0": ("3.11", "lightgbm==4.0.0 numpy==1.26.4 scipy==1.17.1"),
    "lightgbm-4.7.0": ("3.13", "lightgbm==4.7.0 numpy==2.5.5 scipy==1.18.1"),
    "xgboost-1.0.2": ("3.7", "xgboost==1.0.2 numpy==1.18.5 scipy==1.4.1"),
    "xgboost-1.3.3": ("3.8", "xgboost==1.3.3 numpy==1.19.5 scipy==1.6.3"),
    "xgboost-1.7.6": ("3.11", "xgboost==1.7.6 numpy==1.24.2 scipy==1.10.1 scikit-learn==1.2.2"),
    "xgboost-2.1.4": ("3.11", "xgboost-cpu==2.1.4 numpy==1.26.4 scipy==1.13.0 "
                              "scikit-learn==1.3.2"),
    "xgboost-3.0.5": ("3.12", "xgboost-cpu==3.0.5 numpy==2.2.2 scipy==1.15.1 scikit-learn==1.6.1"),
    "xgboost-3.4.1": ("3.13", "xgboost-cpu==3.4.1 numpy==2.2.2 scipy==1.15.1 "
                              "scikit-learn==1.6.1"),
    "boosted-0.90-2.2.3": ("3.7", "xgboost==0.90 lightgbm==2.2.3 numpy==1.18.5 scipy==1.4.1 "
                                  "scikit-learn==0.22.2.post1 joblib==0.14.1"),
    "boosted-1.0.2-2.3.1": ("3.7", "xgboost==1.0.2 lightgbm==2.3.1 numpy==1.18.5 scipy==1.4.1 "
                                   "scikit-learn==0.22.2.post1 joblib==0.14.1"),
    "boosted-1.3.3-3.0.0": ("3.8", "xgboost==1.3.3 lightgbm==3.0.0 numpy==1.19.5 scipy==1.6.3 "
                                   "scikit-learn==0.24.2 joblib==1.0.1"),
    "boosted-1.7.6-3.3.5": ("3.11", "xgboost==1.7.6 lightgbm==3.3.5 numpy==1.24.2 scipy==1.10.1 "
                                    "scikit-learn==1.2.2 joblib==1.2.0"),
    "boosted-2.1.4-4.0.0": ("3.11", "xgboost-cpu==2.1.4 lightgbm==4.0.0 numpy==1.26.4 "
                                    "scipy==1.13.0 scikit-learn==1.4.2 joblib==1.3.2"),
    "boosted-3.4.1-4.7.0": ("3.13", "xgboost-cpu==3.4.1 lightgbm==4.7.0 numpy==2.2.2 "
                                    "scipy==1.15.1 scikit-learn==1.6.1 joblib==1.4.2"),
    "lines-3.3.5": ("3.11", "lightgbm==3.3.5 numpy==1.24.2 scipy==1.10.1 scikit-learn==1.2.2 "
                            "joblib==1.2.0"),
    "lines-4.7.0": ("3.12", "lightgbm==4.7.0 numpy==2.5.5 scipy==1.18.1 scikit-learn==1.9.1 "
                            "joblib==1.6.0"),
}
# Several trainers of one time together, as fidelity.py has them.
ENVIRONMENTS.update({name: VERSION_SETS[year] for name, year in (
    ("categories-0.22.2.post1", "2019"), ("categories-1.9.1", "2026"),
    ("starts-0.22.2.post1", "2019"), ("starts-1.9.1", "2026"),
    ("narrow-1.2.2", "2023"), ("narrow-1.9.1", "2026"))})

SCRIPTS = {"sklearn": "train_fixtures.py", "boosting": "train_boosting.py",
           "pipelines": "train_pipelines.py", "ensembles": "train_ensembles.py",
           "lightgbm": "train_lightgbm.py", "xgboost": "train_xgboost.py",
           "boosted": "train_pickles.py", "lines": "train_lines.py",
           "categories": "train_categories.py", "starts": "train_starts.py",
           "narrow": "train_narrow.py"}


def train(work, name, interpreter):
    """Runs the trainer's script; returns its output folder and manifest lines."""
    output = os.path.join(work, "made-" + name)
    part = os.path.join(work, "manifest-%s.tsv" % name)
    script = os.path.join(HERE, SCRIPTS[name.split("-", 1)[0]])
    shutil.rmtree(output, ignore_errors=True)
    subprocess.run([interpreter, script, output, part],
                   check=True, env=plain_environment(), timeout=1200)
    with open(part, encoding="utf-8") as file:
        return output, file.read().splitlines()


def read_manifest(path):
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8") as file:
        return file.read().splitlines()[1:]


def publish(output, lines):
    """Replaces the made folders in tests/fixtures, and their lines in the manifest."""
    folders = sorted(os.listdir(output))
    for folder in folders:
        target = os.path.join(FIXTURES, folder)
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(os.path.join(output, folder), target)
    manifest = os.path.join(FIXTURES, "manifest.tsv")
    kept = [one for one in read_manifest(manifest) if one.split("/", 1)[0] not in folders]
    order = list(ENVIRONMENTS) + ["refused"]
    merged = sorted(kept + lines, key=lambda one: order.index(one.split("/", 1)[0]))
    with open(manifest, "w", encoding="utf-8") as file:
        file.write("".join(one + "\n" for one in ["\t".join(COLUMNS)] + merged))


def fixtures_bytes():
    return sum(os.path.getsize(os.path.join(folder, name))
               for folder, _, names in os.walk(FIXTURES) for name in names)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add_arguments(parser, os.path.join(tempfile.gettempdir(), "espalier-fixtures"), ENVIRONMENTS)
    return parser.parse_args()


def main():
    arguments = parse_arguments()
    given = dict(arguments.python)
    names = [one for one in ENVIRONMENTS if not arguments.only or one in arguments.only]
    pythons = {one: find_python(ENVIRONMENTS[one][0], given) for one in names}
    for name in names:
        if pythons[name] is None:
            print("%s needs Python %s: not found; give --python %s=PATH" % (
                name, ENVIRONMENTS[name][0], ENVIRONMENTS[name][0]), file=sys.stderr)
    if None in pythons.values():
        return SKIPPED
    os.makedirs(arguments.work, exist_ok=True)
    for name in names:
        try:
            folder = os.path.join(arguments.work, "environment-" + name)
            interpreter = make_environment(folder, pythons[name], ENVIRONMENTS[name][1])
            publish(*train(arguments.work, name, interpreter))
        except subprocess.SubprocessError as error:
            print("%s: %s" % (name, error), file=sys.stderr)
            return 1
    size = fixtures_bytes()
    print("tests/fixtures: %d bytes of %d" % (size, SIZE_MAX))
    return 0 if size <= SIZE_MAX else 1


if __name__ == "__main__":
    sys.exit(main())
