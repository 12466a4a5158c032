# SPDX-License-Identifier: Apache-2.0
"""Converts every file of a folder (make_sources.py) and prints the table of docs/benchmarks.md.

    python measure_convert.py FOLDER --espalier PATH [--rounds N]

Processor and wall-clock time of the command, the least of the rounds, and its largest resident set,
which holds the mapped source, by the source's size. Standard library only; GNU time starts the
command, since a process counts as its own what the one that started it held: 15 MB of Python.
"""

import argparse
import os
import pathlib
import subprocess
import tempfile
import time

SECONDS_GOAL = 3.0   # for 100 MB of source
MEMORY_GOAL = 4.0    # times the source's size


def convert(espalier, source, target):
    """(processor seconds, wall seconds, bytes of the resident set) of one conversion."""
    told = target.with_suffix(".kilobytes")
    start = time.monotonic()
    with subprocess.Popen(["/usr/bin/time", "-f", "%M", "-o", told, espalier, "convert", source,
                           "-o", target], stdout=subprocess.DEVNULL) as child:
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        raise SystemExit(f"{source}: not converted")
    wall = time.monotonic() - start
    return usage.ru_utime + usage.ru_stime, wall, int(told.read_text()) * 1024


def measure(espalier, source, rounds):
    with tempfile.TemporaryDirectory(dir=source.parent) as work:
        runs = [convert(espalier, source, pathlib.Path(work) / "model.espalier")
                for _ in range(rounds)]
    size = source.stat().st_size
    seconds, wall = (min(run[i] for run in runs) / size * 1e8 for i in (0, 1))
    memory = max(run[2] for run in runs) / size
    missed = " (missed)" if wall > SECONDS_GOAL else ""
    told = " (missed)" if memory > MEMORY_GOAL else ""
    return (f"| {source.name} | {size / 1e6:.1f} | {seconds:.2f} | {wall:.2f}{missed} | "
            f"{memory:.1f} x{told} |")


def main():
    parser = argparse.ArgumentParser(description="Measure conversions.")
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--espalier", required=True, metavar="PATH")
    parser.add_argument("--rounds", type=int, default=3, metavar="N")
    arguments = parser.parse_args()
    print("| source | MB | processor seconds per 100 MB | seconds per 100 MB | memory |")
    print("|---|---:|---:|---:|---:|")
    for source in sorted(arguments.folder.iterdir()):
        if source.is_file():
            print(measure(arguments.espalier, source, arguments.rounds), flush=True)


if __name__ == "__main__":
    main()
