# SPDX-License-Identifier: Apache-2.0
"""What the tests of the package share: the tree's fixtures, and models converted from them once."""
import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "tests" / "fixtures"
sys.path.insert(0, str(ROOT / "tests" / "interop"))
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def converted(tmp_path_factory):
    """The path of the model file of a fixture, made at its first use."""
    import espalier

    folder = tmp_path_factory.mktemp("models")
    made = {}

    def convert(name):
        if name not in made:
            path = folder / (name.replace("/", "_") + ".espalier")
            espalier.convert(FIXTURES / name, path)
            made[name] = path
        return made[name]

    return convert


@pytest.fixture
def iris(converted):
    """The tutorial's forest: four features without names, three classes."""
    import espalier

    return espalier.load(converted("sklearn-1.2.2/random_forest_model.pkl"))
