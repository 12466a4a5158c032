# SPDX-License-Identifier: Apache-2.0
"""The build backend: scikit-build-core, and what it cannot do by itself.

A source archive has to bring the C sources, which lie around this folder; they are copied to tree/
while an archive is made.
"""
import contextlib
import shutil
from pathlib import Path

from scikit_build_core import build as backend

HERE = Path(__file__).resolve().parent
COPY = HERE / "tree"
# What CMakeLists.txt of the tree needs to build the libraries.
TREE = ("CMakeLists.txt", "LICENSE", "cmake", "convert", "engine", "format", "include", "publish")

get_requires_for_build_wheel = backend.get_requires_for_build_wheel
get_requires_for_build_sdist = backend.get_requires_for_build_sdist
get_requires_for_build_editable = backend.get_requires_for_build_editable
prepare_metadata_for_build_wheel = backend.prepare_metadata_for_build_wheel
prepare_metadata_for_build_editable = backend.prepare_metadata_for_build_editable
build_wheel = backend.build_wheel
build_editable = backend.build_editable


def find_tree():
    """The folder of the C sources: in an archive tree/, else the folder around this one."""
    return COPY if (COPY / "CMakeLists.txt").exists() else HERE.parent


@contextlib.contextmanager
def copied_tree():
    """tree/ for as long as an archive is made; what is an archive already has it."""
    if find_tree() == COPY:
        yield
        return
    try:
        COPY.mkdir()
        for name in TREE:
            source = HERE.parent / name
            if source.is_dir():
                shutil.copytree(source, COPY / name)
            else:
                shutil.copy2(source, COPY / name)
        yield
    finally:
        shutil.rmtree(COPY, ignore_errors=True)


def build_sdist(sdist_directory, config_settings=None):
    with copied_tree():
        return backend.build_sdist(sdist_directory, config_settings)
