# SPDX-License-Identifier: Apache-2.0
"""Predicts with converted fixtures at every level that a build of predict_bytes can run, and
compares the bytes with those of this machine's scalar kernels.

    run_bytes.py --espalier CONVERTER --native PREDICT_BYTES --folder WORK -- COMMAND...

COMMAND is the predict_bytes to check, with an emulator before it if it needs one. Leaves with 1 at
a difference, 77 when no level could run.
"""

import argparse
import os
import subprocess
import sys

from byte_models import compare, make_pairs

LEVELS = ("scalar", "avx2", "avx512", "avx512vbmi", "neon")
PAIRS_AT_ONCE = 40
SKIPPED = 77


def predict(command, pairs, level):
    """What predict_bytes printed for all pairs; None when the level is missing."""
    printed = []
    for first in range(0, len(pairs), PAIRS_AT_ONCE):
        some = [path for pair in pairs[first:first + PAIRS_AT_ONCE]
                for path in (pair.model, pair.rows)]
        done = subprocess.run(command + some, capture_output=True, text=True, check=False,
                              env={**os.environ, "ESPALIER_ISA": level})
        if done.returncode == SKIPPED:
            return None
        if done.returncode != 0:
            sys.exit(f"bytes: {level}: code {done.returncode}: {done.stderr[-2000:]}")
        printed.append(done.stdout)
    return "".join(printed)


def main():
    parser = argparse.ArgumentParser(description="Compare predicted bytes at every level.")
    parser.add_argument("--espalier", required=True)
    parser.add_argument("--native", required=True)
    parser.add_argument("--folder", required=True)
    parser.add_argument("command", nargs="+")
    arguments = parser.parse_args()
    pairs = make_pairs(arguments.espalier, arguments.folder)
    expected = predict([arguments.native], pairs, "scalar")
    ran = wrong = 0
    for level in LEVELS:
        if level == "scalar" and arguments.command == [arguments.native]:
            continue
        got = predict(arguments.command, pairs, level)
        if got is None:
            print(f"{level}: skipped, not here")
            continue
        differences, equal = compare(pairs, expected, got)
        print(f"{level}: {len(pairs)} models with rows, {equal} bytes equal, "
              f"{len(differences)} outputs different")
        print("".join(f"  {text}\n" for text in differences[:20]), end="")
        ran += 1
        wrong += len(differences)
    if wrong > 0:
        return 1
    return 0 if ran > 0 else SKIPPED


if __name__ == "__main__":
    sys.exit(main())
