# SPDX-License-Identifier: Apache-2.0
"""Runs every prove_*.py with every set of versions and writes what they compared as a document.

    python3 tests/interop/fidelity.py --espalier PATH [--work DIR] [--newest | --only SET]...
                                      [--output FILE] [--jobs N] [--resume] [--share FRACTION]
                                      [--odd N] [--prover NAME]... [--python X.Y=PATH]...

Standard library only. Environments are made in the work directory and kept there. --newest takes
the newest set whose Python is here and leaves with 77 if it cannot be installed. Exit 1 if a prover
found a difference, or ended without a report, or if nothing shows what promises.tsv says these
versions have; the document is written all the same, and says so.
--resume goes on with an interrupted matrix: what a prover that has not changed since has found with
no difference is not done again. --share takes a part of the models; the document says so. --odd
has the oldest and the newest set train so many odd models of every trainer.
"""
import argparse
import collections
import concurrent.futures
import datetime
import glob
import json
import os
import platform
import subprocess
import sys
import time

from environments import add_arguments, find_python, make_environment, plain_environment
from fidelity_document import write_document
from promises import find_gaps, gather_evidence, read_promises
from version_sets import NEWEST, VERSION_SETS

HERE = os.path.dirname(os.path.abspath(__file__))
PROVER_SECONDS_MAX = 3600
SKIPPED = 77
ODD = "prove_odd.py"

# One prover with one set of versions. state: "done", "skipped" or "failed"; text: its last lines.
Run = collections.namedtuple("Run", "versions prover state text report")


def provers():
    return sorted(os.path.basename(one) for one in glob.glob(os.path.join(HERE, "prove_*.py")))


def install(work, name, pins, python):
    """(interpreter, None), or (None, why not)."""
    if python is None:
        return None, "no Python " + pins[0]
    print("%s: %s, %s" % (name, python, pins[1]), flush=True)
    try:
        return make_environment(os.path.join(work, "environment-" + name), python, pins[1]), None
    except (OSError, subprocess.SubprocessError) as error:
        print("%s: %s" % (name, error), file=sys.stderr)
        return None, "its packages cannot be installed"


def install_newest(work, given):
    """The first of the newest sets that this machine can have: (name, interpreter, None), or why
    not."""
    reasons = []
    for name, pins in NEWEST.items():
        interpreter, reason = install(work, name, pins, find_python(pins[0], given))
        if interpreter:
            return name, interpreter, None
        reasons.append("%s: %s" % (name, reason))
    return None, None, "; ".join(reasons)


def read_report(path):
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except (OSError, ValueError):
        return None


def find_earlier(stem, versions, prover):
    """What the run that is to be resumed has done."""
    done = stem + ".done"
    if not os.path.exists(done) or (os.path.getmtime(done)
                                    < os.path.getmtime(os.path.join(HERE, prover))):
        return None
    with open(done, encoding="utf-8") as file:
        state, text = file.read().split("\n", 1)
    return Run(versions, prover, state, text, read_report(stem + ".json"))


def options_of(arguments, versions, prover):
    """What share of the models a run takes, and its further arguments."""
    if prover == ODD and arguments.odd and versions in arguments.odd_sets:
        return 1.0, ["--models", str(arguments.odd)]
    return arguments.share, []


def run_prover(arguments, versions, interpreter, prover):
    stem = os.path.join(arguments.work, "%s-%s" % (versions, prover[:-3]))
    earlier = find_earlier(stem, versions, prover) if arguments.resume else None
    if earlier:
        return earlier
    variables = plain_environment()
    variables["ESPALIER_PROOF_REPORT"] = stem + ".json"
    share, options = options_of(arguments, versions, prover)
    variables["ESPALIER_PROOF_SHARE"] = "%g" % share
    for old in (stem + ".json", stem + ".done"):
        if os.path.exists(old):
            os.remove(old)
    start = time.time()
    with open(stem + ".log", "w", encoding="utf-8") as log:
        try:
            code = subprocess.run(
                [interpreter, os.path.join(HERE, prover), "--espalier",
                 os.path.abspath(arguments.espalier)] + options, stdout=log,
                stderr=subprocess.STDOUT, env=variables, timeout=PROVER_SECONDS_MAX).returncode
        except subprocess.TimeoutExpired:
            code = "too slow"
    with open(stem + ".log", encoding="utf-8", errors="replace") as log:
        lines = [one.rstrip() for one in log if one.strip()] or ["said nothing"]
    report = read_report(stem + ".json")
    state = "skipped" if code == SKIPPED else "done" if code == 0 and report else "failed"
    text = "\n".join(lines[-40:] if state == "failed" else lines[-1:])
    print("%s, %s: %s, %d s: %s" % (versions, prover, state, time.time() - start, text),
          flush=True)
    if state != "failed":
        with open(stem + ".done", "w", encoding="utf-8") as file:
            file.write(state + "\n" + lines[-1])
    return Run(versions, prover, state, lines[-1], report)


def choose_sets(arguments, given):
    """{name: (interpreter or None, why not)}"""
    if arguments.newest:
        name, interpreter, reason = install_newest(arguments.work, given)
        return {name: (interpreter, reason)}
    names = [one for one in VERSION_SETS if not arguments.only or one in arguments.only]
    return {name: install(arguments.work, name, VERSION_SETS[name],
                          find_python(VERSION_SETS[name][0], given)) for name in names}


def run_all(arguments, chosen):
    tasks = [(name, interpreter, prover) for name, (interpreter, _) in chosen.items() if interpreter
             for prover in arguments.prover or provers()][::-1]  # the newest first
    with concurrent.futures.ThreadPoolExecutor(max(1, arguments.jobs)) as pool:
        return list(pool.map(lambda one: run_prover(arguments, *one), tasks))


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--espalier", required=True, metavar="PATH", help="the command")
    add_arguments(parser, "build/fidelity", VERSION_SETS)
    parser.add_argument("--newest", action="store_true", help="the newest set that can be had")
    parser.add_argument("--prover", action="append", choices=provers(), metavar="NAME",
                        help="only this one, of " + ", ".join(provers()))
    parser.add_argument("--output", metavar="FILE", help="write the document")
    parser.add_argument("--resume", action="store_true", help="go on with an interrupted matrix")
    parser.add_argument("--share", type=float, default=1.0, metavar="FRACTION",
                        help="of all models")
    parser.add_argument("--odd", type=int, default=0, metavar="N",
                        help="odd trainings of each trainer with the oldest and the newest set")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N")
    return parser.parse_args()


def main():
    arguments = parse_arguments()
    given = dict(arguments.python)
    os.makedirs(arguments.work, exist_ok=True)
    chosen = choose_sets(arguments, given)
    if not any(interpreter for interpreter, _ in chosen.values()):
        print("fidelity: nothing can be installed here: " + "; ".join(
            reason for _, reason in chosen.values()))
        return SKIPPED
    arguments.odd_sets = {list(chosen)[0], list(chosen)[-1]}
    runs = run_all(arguments, chosen)
    if arguments.output:
        stamp = datetime.datetime.fromtimestamp(
            int(os.environ.get("SOURCE_DATE_EPOCH", time.time())), datetime.timezone.utc)
        write_document(arguments.output, runs, {**VERSION_SETS, **NEWEST},
                       {name: reason and "not installed: " + reason
                        for name, (_, reason) in chosen.items()},
                       stamp.strftime("%Y-%m-%d"), platform.machine())
    failed = [one for one in runs if one.state == "failed"]
    gaps = [] if arguments.prover else find_gaps(read_promises(), gather_evidence(
        one.report for one in runs if one.report))
    for promise, version in gaps:
        print("fidelity: nothing shows: %s %s, %s: %s" % (promise.trainer, version, promise.part,
                                                          promise.what), file=sys.stderr)
    numbers = sum(line["numbers"] for one in runs if one.report for line in one.report["counts"])
    print("fidelity: %s: %d numbers compared by %d runs of provers, %d failed, %d cannot work with "
          "their versions" % (", ".join(chosen), numbers, len(runs), len(failed),
                              sum(one.state == "skipped" for one in runs)))
    return 1 if failed or gaps or not numbers else 0


if __name__ == "__main__":
    sys.exit(main())
