# SPDX-License-Identifier: Apache-2.0
"""tests/mutation/known.tsv: everything in it is still a mutant, so that no excuse outlives its
line."""

import sys

from tree import ROOT, Findings, parse_arguments

sys.path.insert(0, str(ROOT / "tests" / "mutation"))

import mutate


def main():
    parse_arguments(__doc__)
    findings = Findings("mutants")
    known = mutate.read_known()
    _, mutants = mutate.all_mutants(mutate.all_files(), 1)
    for key in mutate.stale_keys(known, mutants):
        findings.add("tests/mutation/known.tsv", "no mutant any more: " + " | ".join(key))
    findings.finish(f"{len(known)} known mutants")


if __name__ == "__main__":
    main()
