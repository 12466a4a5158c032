#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the kernel checks at levels of ISA that this machine may lack: natively where it has the
level, else on an emulated CPU; and on older CPUs, where an instruction of a higher level is fatal.

    run_levels.py --build BUILD_DIR [--extended] [--level LEVEL]... [--only PROGRAM] [--pairs N]
                  [--sums FILE]

BUILD_DIR/release must be built. --extended also runs what takes tens of minutes on an emulated CPU.
--only: of the programs this one; --pairs: so many models with rows, not those of the run.
--sums FILE: adds the line "ctest: passed N failed N skipped N". Leaves with 1 if something failed,
77 if nothing could run. See README.md.
"""

import argparse
import concurrent.futures
import os
import pathlib
import shutil
import subprocess
import sys
import time

from bochs_disk import Unavailable
from byte_models import compare, make_pairs
from run_bochs import OUT_OF_TIME, SKIPPED, Job, run_jobs

# Level: flags of /proc/cpuinfo, the CPU that run_bochs.py emulates, the checks' name for it.
LEVELS = {
    "avx512": (("avx512f", "avx512bw", "avx512dq", "avx512vl"), "avx512", "avx512"),
    "avx512vbmi": (("avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512vbmi"), "avx512vbmi",
                   "avx512-vbmi"),
}
# CPUs of qemu, and the checks' name of the best level they have.
OLDER = {"Nehalem": "scalar", "Haswell": "avx2"}
PAIRS_AT_ONCE = 24  # a job's line has room for no more
PAIRS_SHORT = 24
WALKS_SHARE = 16  # one model in so many
JOB_SECONDS = 600
EXTENDED_SECONDS = 3600


def cpu_flags():
    try:
        for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("flags"):
                return set(line.split(":", 1)[1].split())
    except OSError:
        pass
    return set()


def byte_jobs(binary, pairs, level):
    jobs = []
    for first in range(0, len(pairs), PAIRS_AT_ONCE):
        some = pairs[first:first + PAIRS_AT_ONCE]
        job = Job("predict_bytes", [binary / "predict_bytes"], [f"ESPALIER_ISA={level}"])
        job.argv += [path for pair in some for path in (pair.model, pair.rows)]
        job.pairs = some
        jobs.append(job)
    return jobs


def level_jobs(binary, pairs, level, extended):
    check = f"ESPALIER_CHECK_LEVEL={LEVELS[level][2]}"
    force = f"ESPALIER_ISA={level}"
    seconds = EXTENDED_SECONDS if extended else JOB_SECONDS
    jobs = [Job("check_masks", [binary / "check_masks"], [check], seconds)]
    if level == "avx512":  # ranks and walks have no kernels of their own above
        jobs.append(Job("check_ranks", [binary / "check_ranks"], [check], seconds))
        walks = [binary / "check_steps"] + ([] if extended else [WALKS_SHARE])
        jobs.append(Job("check_steps", walks, [check], seconds))
    jobs += byte_jobs(binary, pairs, level)
    if extended:
        for name in ("check_walk", "check_moats", "test_predict", "test_layouts_predict",
                     "test_shared_tests"):
            if (binary / name).exists():
                jobs.append(Job(name, [binary / name], [force], seconds))
    return jobs


def choose(jobs, arguments):
    return [job for job in jobs if arguments.only in (None, job.name)]


def run_here(jobs, before=()):
    """Fills in status and output of jobs run on this machine."""
    for job in jobs:
        settings = dict(setting.split("=", 1) for setting in job.settings)
        try:
            done = subprocess.run([*before, *job.argv], capture_output=True, text=True, check=False,
                                  errors="replace", env={**os.environ, **settings},
                                  timeout=job.seconds)
            job.status, job.output = done.returncode, done.stderr + done.stdout
        except subprocess.TimeoutExpired:
            job.status = OUT_OF_TIME
        except OSError as error:
            job.status, job.output = 127, str(error)


def judge(job, expected):
    """(word, text) of a job that ran."""
    if job.status is None:
        return "failed", "never ran: the emulated machine stopped"
    if job.status == SKIPPED:
        return "skipped", "nothing to check at this level"
    last = job.output.strip().splitlines()[-1:] or ["no output"]
    if job.status == OUT_OF_TIME:
        return "failed", f"not done after {job.seconds} s"
    if job.status != 0:
        return "failed", f"code {job.status}: {last[0]}"
    pairs = getattr(job, "pairs", None)
    if pairs is None:
        return "passed", last[0]
    differences, equal = compare(pairs, expected(pairs), job.output)
    if differences:
        return "failed", "; ".join(differences[:5])
    return "passed", f"{len(pairs)} models with rows, {equal} bytes equal"


class Report:
    def __init__(self):
        self.counts = {"passed": 0, "failed": 0, "skipped": 0}

    def add(self, word, where, name, text):
        self.counts[word] += 1
        print(f"{word:8}{where}: {name}: {text}", flush=True)


def run_level(level, arguments, pairs, expected, report):
    needed, cpu, _ = LEVELS[level]
    binary = arguments.build / "release" / "bin"
    jobs = choose(level_jobs(binary, pairs, level, arguments.extended), arguments)
    start = time.monotonic()
    if cpu_flags().issuperset(needed):
        where = f"{level}, this machine"
        run_here(jobs)
    else:
        where = f"{level}, emulated"
        files = [path for pair in pairs for path in (pair.model, pair.rows)]
        seconds = 2 * EXTENDED_SECONDS if arguments.extended else 2 * JOB_SECONDS
        try:
            run_jobs(jobs, cpu, arguments.build / "emulate", files, seconds)
        except Unavailable as error:
            for job in jobs:
                report.add("skipped", where, job.name, str(error))
            return
    for job in jobs:
        word, text = judge(job, expected)
        report.add(word, where, job.name, text)
    print(f"{where}: {time.monotonic() - start:.0f} s", flush=True)


def run_older(arguments, pairs, expected, report):
    """Older CPUs: nothing forced but what the checks are told to check."""
    binary = arguments.build / "release" / "bin"
    qemu = shutil.which("qemu-x86_64-static") or shutil.which("qemu-x86_64")
    for model, level in OLDER.items():
        where = f"{model}, emulated"
        emulator = (qemu, "-cpu", model)
        check = [f"ESPALIER_CHECK_LEVEL={level}"]
        jobs = [Job("check_masks", [binary / "check_masks"], check),
                Job("check_steps", [binary / "check_steps", WALKS_SHARE], check)]
        jobs = choose(jobs + byte_jobs(binary, pairs, "auto"), arguments)
        if qemu is not None:
            run_here(jobs, emulator)
        for job in jobs:
            word, text = judge(job, expected) if qemu else ("skipped", "no qemu-user-static")
            report.add(word, where, job.name, text)


def main():
    parser = argparse.ArgumentParser(description="Check kernels at levels this machine lacks.")
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--extended", action="store_true")
    parser.add_argument("--level", action="append", choices=sorted(LEVELS))
    parser.add_argument("--only", metavar="PROGRAM")
    parser.add_argument("--pairs", type=int, metavar="N")
    parser.add_argument("--sums", type=pathlib.Path)
    arguments = parser.parse_args()
    arguments.build = arguments.build.resolve()
    binary = arguments.build / "release" / "bin"
    needed = ("espalier", "predict_bytes", "check_masks", "check_ranks", "check_steps")
    missing = [name for name in needed if not (binary / name).exists()]
    if missing:
        print(f"skipped: {binary} has no {', '.join(missing)}: run step release")
        return SKIPPED
    pairs = make_pairs(binary / "espalier", arguments.build / "emulate" / "models")
    count = arguments.pairs or (len(pairs) if arguments.extended else PAIRS_SHORT)
    pairs = pairs[::-(-len(pairs) // count)]
    native = {}

    def expected(some):
        key = tuple(pair.model + pair.rows for pair in some)
        if key not in native:
            job = byte_jobs(binary, some, "scalar")[0]
            run_here([job])
            native[key] = job.output
        return native[key]

    report = Report()
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        levels = arguments.level or sorted(LEVELS)
        running = [pool.submit(run_level, level, arguments, pairs, expected, report)
                   for level in levels]
        if arguments.level is None and arguments.extended:
            running.append(pool.submit(run_older, arguments, pairs[::3], expected, report))
        for future in running:
            future.result()
    counts = " ".join(f"{word} {count}" for word, count in report.counts.items())
    if arguments.sums is not None:
        with arguments.sums.open("a") as sums:
            sums.write(f"ctest: {counts}\n")
    print(f"levels: {counts}")
    if report.counts["failed"] > 0:
        return 1
    return 0 if report.counts["passed"] > 0 else SKIPPED


if __name__ == "__main__":
    sys.exit(main())
