# SPDX-License-Identifier: Apache-2.0
"""A folder of fixtures and its manifest lines, for any trainer. NumPy only, as no environment has
all trainers."""
import os
import sys

import numpy as np

COLUMNS = ("path", "version", "estimator", "purpose", "select", "cases", "refused")


def write_npy(path, array):
    with open(path, "wb") as file:
        np.lib.format.write_array(file, np.ascontiguousarray(array), version=(1, 0))


def same_bits(left, right):
    return (left.dtype == right.dtype and left.shape == right.shape
            and left.tobytes() == right.tobytes())


class FixtureFolder:
    """Files of one folder and their manifest lines."""

    def __init__(self, root, folder, exist_ok=False):
        self.folder = folder
        self.root = os.path.join(root, folder)
        self.lines = []
        os.makedirs(self.root, exist_ok=exist_ok)

    def path(self, name):
        return os.path.join(self.root, name)

    def add_line(self, name, version, estimator, purpose, select, cases, refused):
        fields = (self.folder + "/" + name, version, estimator, purpose, select, cases, refused)
        assert len(fields) == len(COLUMNS) and not any("\t" in one for one in fields)
        self.lines.append("\t".join(fields))

    def write_manifest(self, path, libraries):
        """Says what it was made with, too: `libraries` names them and their versions."""
        with open(path, "w", encoding="utf-8") as file:
            file.write("".join(one + "\n" for one in self.lines))
        print("%s, Python %s: %d manifest lines" % (
            libraries, ".".join(map(str, sys.version_info[:3])), len(self.lines)))
