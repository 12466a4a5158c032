# SPDX-License-Identifier: Apache-2.0
"""What the prove_*.py have in common: their arguments and last line, running the command in a
folder, converting a source in every layout, comparing outputs with the trainer's, and counting what
was compared for fidelity.py. NumPy is all it needs; Python 3.6 runs it.

A prover says with about() whose numbers come next, and what model gives them, of which facts.py
says what it is made of; compare_output() counts them. Where ESPALIER_PROOF_REPORT names a file, all
counts are written there when the process ends. With a fraction in ESPALIER_PROOF_SHARE provers take
that part of their models.
"""
import argparse
import atexit
import collections
import importlib
import json
import os
import re
import subprocess
import sys
import tempfile
import warnings

import numpy as np

import plain_numpy  # changes NumPy 1.19
from facts import facts_of, file_fact
from fixture_folder import write_npy
from proof_exceptions import TIES, ULP_MAX

LAYOUTS = ("automatic", "walk", "mask")
SECONDS_MAX = 120
ALONE = "a row alone, not in a batch"  # routes of compare_route
THREADS = "two threads, not one"
AGAIN = "the same once more"
PROCESSORS = "NumPy with AVX-512, not without"
SKIPPED = 77  # exit code of a prover that cannot work with these versions

Subject = collections.namedtuple("Subject", "trainer version estimator")


def share(count):
    """So many of `count` models as ESPALIER_PROOF_SHARE, a fraction, asks for; of any at least one.
    """
    return max(min(1, count), round(count * share_asked()))


def share_asked():
    return float(os.environ.get("ESPALIER_PROOF_SHARE", "1"))


def choose(rng, *values):
    """One of the values, of any types."""
    return values[rng.randint(len(values))]


def optional(name):
    """A library, or None where it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def parse_arguments(models, only):
    document = sys.modules["__main__"].__doc__ or ""
    parser = argparse.ArgumentParser(description=document.split("\n", 1)[0])
    parser.add_argument("--espalier", required=True, metavar="PATH", help="the command")
    for name, count in models.items():
        parser.add_argument("--" + name, type=int, default=count, metavar="N",
                            help="how many (default: %d)" % count)
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    parser.add_argument("--only", metavar="NAME", help="only models like this") if only else None
    parser.add_argument("--verbose", action="store_true", help="name each model")
    arguments = parser.parse_args()
    for name in models:
        setattr(arguments, name, share(getattr(arguments, name)))
    return arguments


def run(work, make, only=False, **models):
    """All of a prover's main: reads the arguments, works in a folder of its own, prints the last
    line. Returns the exit code.

    make(command, folder): the Prover. work(prover, arguments): compares, and returns the words
    that the last line begins with. only: whether there is --only NAME. models: options that count
    what is trained, with their defaults; of each ESPALIER_PROOF_SHARE takes a part.
    """
    os.environ["OMP_NUM_THREADS"] = "1"
    warnings.filterwarnings("ignore")
    arguments = parse_arguments(models, only)
    with tempfile.TemporaryDirectory(prefix="espalier-") as folder:
        prover = make(arguments.espalier, folder)
        return prover.report(work(prover, arguments))


def leave(code):
    """Ends the process as it would end, but for what libraries do then: some have broken the heap
    by odd data, and fall when they give it back."""
    atexit._run_exitfuncs()
    sys.stdout.flush()
    os._exit(code)


def units_of(kind, wanted, scale=None):
    """The unit in the last place of each number of the trainer's, in its type; of a probability
    1 - p, which stands before p, that of p, from which it is subtracted. scale: numbers whose
    units count instead."""
    units = np.spacing(np.abs(wanted if scale is None else scale))
    if kind != "probability" or wanted.ndim != 2:
        return units
    first, second = wanted[:, :-1], wanted[:, 1:]
    room = 4 * np.finfo(wanted.dtype).eps * np.maximum(1, np.maximum(np.abs(first), np.abs(second)))
    pairs = np.all(np.isnan(first) | (np.abs(first + second - 1) <= room), axis=0)
    units[:, :-1][:, pairs] = np.maximum(units[:, :-1], units[:, 1:])[:, pairs]
    return units


def ulps_between(kind, found, wanted, scale=None):
    """Of each pair of numbers, in units_of; zeros of two signs are one apart, a NaN is a NaN: what
    sign 0 / 0 has is the processor's."""
    if wanted.dtype.kind != "f":
        return np.where(found.astype(str) == wanted.astype(str), 0.0, np.inf) \
            if wanted.dtype.kind in "OU" else np.where(found == wanted, 0.0, np.inf)
    bits = "i%d" % wanted.dtype.itemsize
    wanted = np.ascontiguousarray(wanted)
    same = np.ascontiguousarray(found).view(bits) == wanted.view(bits)
    same |= np.isnan(found) & np.isnan(wanted)
    with np.errstate(all="ignore"):
        ulps = np.ceil(np.abs(found.astype(np.float64) - wanted) / units_of(kind, wanted, scale))
    ulps = np.where(np.isnan(ulps), np.inf, np.maximum(ulps, 1))
    return np.where(same, 0.0, ulps)


class Count:
    """What was compared of one output."""

    def __init__(self):
        self.rows = 0
        self.numbers = 0
        self.differing = 0
        self.ulp = 0.0

    def add(self, rows, ulps):
        self.rows += rows
        self.numbers += ulps.size
        self.differing += int(np.count_nonzero(ulps))
        self.ulp = max([self.ulp] + ([float(ulps.max())] if ulps.size else []))


class Prover:
    """The command and a folder to work in; findings, each printed once, one line."""

    exact_types = True  # else an integer of any width will do, and so on

    def __init__(self, espalier, folder):
        self.espalier = os.path.abspath(espalier)
        self.folder = folder
        self.findings = 0
        self.refused = 0  # layouts that cannot hold a model
        self.subject = Subject(os.path.basename(sys.argv[0]), "-", "-")
        self.counts = collections.defaultdict(Count)  # of (subject, output, ulps allowed)
        self.routes = collections.defaultdict(Count)  # of (subject, output, route): the trainer's
        self.exceptions = collections.defaultdict(Count)  # of (subject, output, name)
        self.trainings = []  # for the report: what prove_odd.py says of them
        self.roundings = []  # for the report: what prove_processors.py says of functions
        self.facts = None  # of the model that is compared
        self.proofs = collections.defaultdict(Count)  # of (trainer, version, facts)
        self.asked = collections.defaultdict(Count)  # of (trainer, version, output, rows or file)
        self.ranged = False  # the last answers were those of some iterations
        self.source = None  # the kind of the file that was converted last
        self.ulps = {}  # of each output, those of the last comparison
        if os.environ.get("ESPALIER_PROOF_REPORT"):
            atexit.register(self.write_report, os.environ["ESPALIER_PROOF_REPORT"])

    def about(self, trainer, version, estimator, model=None, told=None):
        """Whose numbers come next; told: the estimator that trained the model, if not itself."""
        self.subject = Subject(trainer, version, estimator)
        if os.environ.get("ESPALIER_PROOF_REPORT"):
            self.facts = None if model is None else frozenset(facts_of(model, told))

    def path(self, name):
        return os.path.join(self.folder, name)

    def run(self, *arguments):
        """What the command said when it failed, or None."""
        self.ranged = "--iterations" in arguments
        if arguments[0] == "convert":
            self.source = file_fact(arguments[1])
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

    def convert_layouts(self, source, what, *more):
        """Makes model.espalier in one layout after the other; yields words for each. more: further
        options."""
        for layout in LAYOUTS:
            options = list(more) + (["--layout", layout] if layout != "automatic" else [])
            failed = self.run("convert", source, "-o", self.path("model.espalier"), *options)
            if failed and layout == "mask" and "cannot hold it" in failed:
                self.refused += 1
            elif failed:
                self.complain(what, failed)
            else:
                yield "%s, %s" % (what, layout)

    def is_alike(self, kind, found, wanted, what):
        """Whether type and shape are the trainer's."""
        exact = self.exact_types or wanted.dtype.kind == "f"
        alike = (found.dtype == wanted.dtype if exact else found.dtype.kind == wanted.dtype.kind)
        if not alike or found.shape != wanted.shape:
            self.complain(what, "%s is %s %s, not %s %s" % (kind, found.dtype, found.shape,
                                                            wanted.dtype, wanted.shape))
            return False
        return True

    def compare_output(self, kind, wanted, what, linked=False, scale=None):
        """Of model.espalier for rows.npy, with the trainer's; linked: it went through exp."""
        failed, found = self.predict(kind)
        if failed:
            self.complain(what, failed)
        elif self.is_alike(kind, found, wanted, what):
            self.compare_arrays(kind, found, wanted, what, linked, scale)

    def compare_arrays(self, kind, found, wanted, what, linked=False, scale=None):
        allowed = ULP_MAX if linked else 0
        ulps = ulps_between(kind, found, wanted, scale)
        self.ulps[kind] = ulps
        self.counts[self.subject, kind, allowed].add(len(wanted), ulps)
        self.count_proof(kind, len(wanted), ulps)
        if ulps.size and not ulps.max() <= allowed:
            self.complain(what, "%d of %d %ss differ, by up to %g ulp" % (
                np.count_nonzero(ulps), ulps.size, kind, ulps.max()))

    def expect_refused(self, ask, rows, what):
        """The trainer's ask(rows) raises, one row after the other, and the command refuses, too."""
        for row in rows:
            write_npy(self.path("rows.npy"), row[np.newaxis])
            try:
                ask(row[np.newaxis])
            except ValueError:
                if self.predict("predict")[0] is None:
                    self.complain(what, "answers a row that the trainer refuses")
            else:
                self.complain(what, "the trainer answers a row that is to be refused")

    def count_proof(self, kind, rows, ulps, only=None):
        """For the list of what is proved: what the model is made of, and what was asked of it.
        only: a pattern of the facts that an exception is about, which says nothing of others."""
        trainer, version, _ = self.subject
        if self.facts is not None:
            facts = frozenset(one for one in self.facts if only is None or re.search(only, one))
            facts |= {"%s %s" % (one, self.rows_fact().replace(" ", "=")) for one in facts
                      if one.startswith("FunctionTransformer ")}  # of each type by itself
            self.proofs[trainer, version, facts].add(rows, ulps)
        if only is not None:
            return
        words = ["output " + kind + (" iterations" if self.ranged else ""), self.rows_fact()]
        for one in words + ([self.source] if self.source else []):
            self.asked[trainer, version, one].add(rows, ulps)

    def rows_fact(self):
        """What the command was given last."""
        found = [(os.path.getmtime(self.path(one)), one) for one in ("rows.npy", "rows.csv")
                 if os.path.exists(self.path(one))]
        if not found or max(found)[1] == "rows.csv":
            return "rows CSV"
        return "rows " + np.load(self.path("rows.npy"), mmap_mode="r").dtype.name

    def except_as(self, name, kind):
        """Counts the last comparison of this output also as an exception."""
        if kind in self.ulps:
            self.exceptions[self.subject, kind, name].add(len(self.ulps[kind]), self.ulps[kind])

    def count_ties(self, probability):
        """How classes came out, compared last, where the trainer's two greatest probabilities are
        nearly the same."""
        ulps = self.ulps.get("class", np.empty(0))
        if probability.ndim != 2 or probability.shape[1] < 2 or ulps.shape != probability.shape[:1]:
            return
        two = np.sort(probability, axis=1)[:, -2:]
        near = (two[:, 0] != two[:, 1]) & (
            two[:, 1] - two[:, 0] <= 2 * ULP_MAX * np.spacing(np.maximum(two[:, 1], 1 - two[:, 1])))
        if near.any():
            self.exceptions[self.subject, "class", TIES].add(int(near.sum()), ulps[near])

    def compare_route(self, kind, route, wanted, other):
        """The trainer with itself: what it says by the reference's route and by another."""
        wanted, other = np.asarray(wanted), np.asarray(other)
        self.routes[self.subject, kind, route].add(
            len(wanted), ulps_between(kind, other.reshape(wanted.shape), wanted))

    def total(self):
        """Numbers compared; and of those that may differ: all, the differing, the worst ulp."""
        linked = [one for (_, _, allowed), one in self.counts.items() if allowed]
        return (sum(one.numbers for one in self.counts.values()),
                sum(one.numbers for one in linked), sum(one.differing for one in linked),
                max([0.0] + [one.ulp for one in linked]))

    def report(self, words):
        """Prints the last line, which begins with these words; the exit code."""
        print("%s: %d numbers compared, %d findings, %d layouts refused; %d behind exp, of them %d "
              "rounded otherwise, by up to %g ulp" % ((words, self.total()[0], self.findings,
                                                       self.refused) + self.total()[1:]))
        return 1 if self.findings or not self.total()[0] else 0

    def write_report(self, path):
        lines = [dict(vars(one), subject=subject, output=kind, allowed=allowed)
                 for (subject, kind, allowed), one in sorted(self.counts.items())]
        routes = [dict(vars(one), subject=subject, output=kind, route=route)
                  for (subject, kind, route), one in sorted(self.routes.items())]
        exceptions = [dict(vars(one), subject=subject, output=kind, exception=name)
                      for (subject, kind, name), one in sorted(self.exceptions.items())]
        names = sorted({one for key in self.proofs for one in key[2]})
        numbers = {one: number for number, one in enumerate(names)}
        proofs = [dict(vars(one), trainer=trainer, version=version,
                       facts=sorted(numbers[fact] for fact in facts))
                  for (trainer, version, facts), one in self.proofs.items()]
        asked = [dict(vars(one), trainer=trainer, version=version, asked=what)
                 for (trainer, version, what), one in sorted(self.asked.items())]
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"findings": self.findings, "share": share_asked(), "counts": lines,
                       "routes": routes, "exceptions": exceptions,
                       "trainings": self.trainings, "roundings": self.roundings,
                       "facts": names, "proofs": proofs, "asked": asked}, file)
