# SPDX-License-Identifier: Apache-2.0
"""The list of what is promised (promises.tsv), and which comparisons of the provers show each:
for fidelity.py, and for tests/tidy/check_promises.py. Standard library only.

A line names the trainer and its versions, from `since` on and before `until`, and its proof: words
of a fact (facts.py), all in one; "!word": without it; "a / b": either; "asked ...": what was asked
of a model. Lines of the part "Tests" name tests instead.
"""
import collections
import os
import re

PATH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "promises.tsv")
TESTS = "Tests"

Promise = collections.namedtuple("Promise", "part what trainer since until proof")
Shown = collections.namedtuple("Shown", "models rows numbers differing ulp")


def read_promises(path=PATH):
    with open(path, encoding="utf-8") as file:
        lines = [one.rstrip("\n") for one in file if one.strip() and not one.startswith("#")]
    for line in lines:
        if line.count("\t") != len(Promise._fields) - 1:
            raise ValueError("%s: %r has not %d columns" % (path, line, len(Promise._fields)))
    return [Promise(*line.split("\t")) for line in lines]


def version_key(text):
    return [int(one) for one in re.findall(r"\d+", text)]


def covers(promise, version):
    """Whether the trainer's version is one of those the promise is about."""
    key = version_key(version)
    return ((not promise.since or key >= version_key(promise.since)) and
            (not promise.until or key < version_key(promise.until)))


def says(fact, proof):
    """Whether a fact is one of those that a proof names."""
    own = set(fact.split())
    for one in proof.split(" / "):
        words = one.split()
        if fact.split(" ", 1)[0] == words[0] and all(
                (word[1:] not in own) if word.startswith("!") else word in own
                for word in words[1:]):
            return True
    return False


class Evidence:
    """All reports of one trainer's version: which facts, and what was compared of each."""

    def __init__(self):
        self.models = []  # (facts, counts)
        self.asked = []  # (what was asked, counts)

    def of(self, promise):
        """A Shown, or None."""
        if promise.proof.startswith("asked "):
            words = promise.proof[len("asked "):].split()
            met = [one for what, one in self.asked
                   if what.split()[:len(words)] == words and (
                       "iterations" in words or "iterations" not in what)]
        else:
            known = {}
            met = []
            for facts, one in self.models:
                if any(known.setdefault(fact, says(fact, promise.proof)) for fact in facts):
                    met.append(one)
        if not met:
            return None
        return Shown(len(met), *(sum(one[name] for one in met)
                                 for name in ("rows", "numbers", "differing")),
                     ulp=max(one["ulp"] for one in met))


def gather_evidence(reports):
    """{(trainer, version): Evidence} of the provers' reports."""
    found = collections.defaultdict(Evidence)
    for report in reports:
        names = report.get("facts", [])
        for line in report.get("proofs", []):
            found[line["trainer"], line["version"]].models.append(
                ([names[one] for one in line["facts"]], line))
        for line in report.get("asked", []):
            found[line["trainer"], line["version"]].asked.append((line["asked"], line))
    return found


def find_gaps(promises, evidence):
    """(promise, version) of all that a version should have shown and did not."""
    return [(promise, version) for promise in promises if promise.part != TESTS
            for trainer, version in sorted(evidence)
            if trainer == promise.trainer and covers(promise, version)
            and evidence[trainer, version].of(promise) is None]
