# SPDX-License-Identifier: Apache-2.0
"""What the prove_*.py have in common: running the command in a folder, converting a source in every
layout, and comparing outputs with the trainer's. NumPy is all it needs; Python 3.6 runs it.
"""
import os
import subprocess

import numpy as np

LAYOUTS = ("automatic", "walk", "mask")
ULP_MAX = 2  # of what goes through exp, log or pow, in the trainer's type
SECONDS_MAX = 120


class Prover:
    """The command and a folder to work in; findings, each printed once, one line."""

    def __init__(self, espalier, folder):
        self.espalier = os.path.abspath(espalier)
        self.folder = folder
        self.findings = 0
        self.refused = 0  # layouts that cannot hold a model

    def path(self, name):
        return os.path.join(self.folder, name)

    def run(self, *arguments):
        """What the command said when it failed, or None."""
        done = subprocess.run([self.espalier] + list(arguments), stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=SECONDS_MAX)
        return None if done.returncode == 0 else done.stderr.decode("utf-8", "replace").strip()

    def complain(self, what, text):
        self.findings += 1
        print("%s: %s" % (what, text), flush=True)

    def predict(self, kind):
        """(how it failed, None), or (None, array): the answers of model.espalier for rows.npy. kind
        "predict": what is answered when no output is asked for."""
        options = ["--output", kind] if kind != "predict" else []
        failed = self.run("predict", self.path("model.espalier"), self.path("rows.npy"), "-o",
                          self.path("found.npy"), *options)
        return (failed, None) if failed else (None, np.load(self.path("found.npy")))

    def convert_layouts(self, source, what):
        """Makes model.espalier in one layout after the other; yields words for each."""
        for layout in LAYOUTS:
            options = ["--layout", layout] if layout != "automatic" else []
            failed = self.run("convert", source, "-o", self.path("model.espalier"), *options)
            if failed and layout == "mask" and "cannot hold it" in failed:
                self.refused += 1
            elif failed:
                self.complain(what, failed)
            else:
                yield "%s, %s" % (what, layout)

    def is_alike(self, kind, found, wanted, what):
        """Whether type and shape are the trainer's."""
        if found.dtype != wanted.dtype or found.shape != wanted.shape:
            self.complain(what, "%s is %s %s, not %s %s" % (kind, found.dtype, found.shape,
                                                            wanted.dtype, wanted.shape))
            return False
        return True


class BoostedProver(Prover):
    """Counts numbers, and of those behind exp how many were rounded otherwise."""

    def __init__(self, espalier, folder):
        Prover.__init__(self, espalier, folder)
        self.compared = 0
        self.linked = 0
        self.rounded = 0
        self.ulp_max = 0.0

    def compare_output(self, kind, wanted, what, linked=False):
        failed, found = self.predict(kind)
        if failed:
            self.complain(what, failed)
            return
        self.compared += wanted.size
        if not self.is_alike(kind, found, wanted, what):
            return
        if linked:
            self.compare_linked(kind, found, wanted, what)
        elif found.tobytes() != np.ascontiguousarray(wanted).tobytes():
            self.complain(what, "%d of %d %ss differ" % (np.count_nonzero(found != wanted),
                                                         wanted.size, kind))

    def compare_linked(self, kind, found, wanted, what):
        """By units in the last place; 1 - p has those of p."""
        self.linked += wanted.size
        differing = (found != wanted) & ~(np.isnan(found) & np.isnan(wanted))
        if not differing.any():
            return
        self.rounded += np.count_nonzero(differing)
        size = np.maximum(np.abs(found), np.abs(wanted))
        if kind == "probability":
            size = np.maximum(size, 1 - size)
        with np.errstate(all="ignore"):
            ulp = np.abs(found.astype(np.float64) - wanted) / np.spacing(size)
        self.ulp_max = max(self.ulp_max, float(ulp[differing].max()))
        if not (ulp[differing] <= ULP_MAX).all():
            self.complain(what, "%s: up to %.1f ulp" % (kind, ulp[differing].max()))

    def report(self, version):
        """Prints the last line; the exit code."""
        print("%s: %d numbers compared, %d findings, %d layouts refused; %d behind exp, of them %d "
              "rounded otherwise, by up to %.1f ulp" % (version, self.compared, self.findings,
                                                        self.refused, self.linked, self.rounded,
                                                        self.ulp_max))
        return 1 if self.findings or not self.compared else 0
