# SPDX-License-Identifier: Apache-2.0
"""Measures Espalier and its peers on the same models and rows: trains and caches the models, lets
every peer prepare its file, then measures all peers of a model in turn in one process on one CPU,
and loading and memory in fresh processes. Started by peers.sh; see docs/benchmarks.md. Ends with 1
when Espalier's answers are not the trainer's, bit for bit, on any model it reads.
"""

import argparse
import csv
import datetime
import fnmatch
import importlib.metadata
import json
import os
import pathlib
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

from peer_base import Unsupported
from peer_list import PEER_BY_NAME, PEERS
from peer_models import MODELS, SMALL_NAMES, Cached, cut

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
ONE_THREAD = {name: "1" for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS",
                                     "NUMBA_NUM_THREADS", "TBB_NUM_THREADS")}
# Threads that spin while they wait make training several times slower on a machine that is shared.
TRAINING = {"OMP_WAIT_POLICY": "passive"}
PACKAGES = ("scikit-learn", "xgboost-cpu", "lightgbm", "lleaves", "llvmlite", "treelite",
            "tl2cgen", "onnxruntime", "skl2onnx", "onnxmltools", "ydf", "scikit-learn-intelex",
            "catboost", "numpy")
TRAIN_SECONDS_MAX = 900
PROBE_SECONDS_MAX = 60
PROBES_SECONDS_MAX = 5.0  # of one peer and model; the first is always made


def say(text):
    print(text, file=sys.stderr, flush=True)


class Run:
    """The settings, and the figures so far: {model: {peer: {figure: value}}}."""

    def __init__(self, arguments):
        self.arguments = arguments
        self.figures = {}
        self.cache = arguments.cache.resolve()
        self.cache.mkdir(parents=True, exist_ok=True)
        self.models = [cut(model) for model in MODELS] if arguments.small else MODELS
        self.rounds, self.batch_rounds, self.probes = (
            (0, 0, 0) if arguments.check else (1, 1, 1) if arguments.small
            else (6, 3, 1) if arguments.quick else (20, 7, 3))
        self.reasons = dict(line.split("\t", 1) for line in self.read_failed_installs())

    def read_failed_installs(self):
        """`package TAB reason` of what peers.sh could not install."""
        path = self.arguments.failed_installs
        return path.read_text().splitlines() if path and path.exists() else []

    def is_wanted(self, model, peer=None):
        patterns = self.arguments.only
        if not patterns and self.arguments.small:
            return model.name in SMALL_NAMES
        if not patterns:
            return model.is_quick or not self.arguments.quick
        for pattern in patterns:
            model_pattern, _, peer_pattern = pattern.partition(",")
            if fnmatch.fnmatch(model.name, model_pattern or "*") and (
                    peer is None or peer.name == "espalier"
                    or fnmatch.fnmatch(peer.name, peer_pattern or "*")):
                return True
        return False

    def note(self, model, peer, **figures):
        self.figures.setdefault(model, {}).setdefault(peer, {}).update(figures)

    def child(self, step, model, peers=(), seconds=None, environment=None, options=()):
        """Runs one step in a process of its own. Returns (lines, how it ended or None)."""
        with tempfile.NamedTemporaryFile("r", suffix=".jsonl") as out:
            command = [sys.executable, "-B", HERE / "peer_child.py", step, model.name,
                       *[peer.name for peer in peers], "--out", out.name, "--cache", self.cache,
                       "--build", self.arguments.build, "--harness", self.arguments.harness,
                       *(["--small"] if self.arguments.small else []), *options]
            ended = None
            log = self.cache / "last_step.log"
            with open(log, "wb") as noise:
                process = subprocess.Popen(command, stdout=noise, stderr=noise,
                                           start_new_session=True,
                                           env={**os.environ, **(environment or {})})
                try:
                    status = process.wait(seconds)
                    if status < 0:
                        ended = f"crashed with signal {-status}"
                    elif status > 1:
                        ended = f"ended with status {status}"
                except subprocess.TimeoutExpired:
                    ended = f"took longer than {seconds} s"
                    os.killpg(process.pid, 9)
                    process.wait()
            return [json.loads(line) for line in out.read().splitlines()], ended


def merge(lines):
    merged = {}
    for line in lines:
        merged.update(line)
    return merged


def is_installed(package):
    try:
        importlib.metadata.version(package)
        return True
    except importlib.metadata.PackageNotFoundError:
        return False


# ---- the steps ----------------------------------------------------------------------------------

def train_model(run, model):
    lines, ended = run.child("train", model, seconds=TRAIN_SECONDS_MAX, environment=TRAINING)
    error = ended or merge(lines).get("error")
    if error:
        say(f"{model.name}: not trained: {error}")
        run.note(model.name, "trainer", not_measured=error)
        return None
    return Cached(model, model.folder(run.cache))


def stamp_of(cached, peer):
    """Remembers what a peer prepared, by which version, and why it could not."""
    version = importlib.metadata.version(peer.package) if peer.package else ""
    return cached.derived(f"{peer.name}-{version}.prepared")


def prepare_peer(run, cached, peer):
    """None when the peer's file is there, else the reason why not."""
    if peer.variant_of:
        peer = PEER_BY_NAME[peer.variant_of]
    if peer.package and not is_installed(peer.package):
        return run.reasons.get(peer.package, "not installed")
    try:
        peer.check(cached)
    except Unsupported as error:
        return str(error)
    stamp = stamp_of(cached, peer)
    if stamp.exists() and not peer.is_fresh and not run.arguments.prepare_again:
        facts = json.loads(stamp.read_text())
    else:
        # A machine that others use too gets more time.
        seconds = int(peer.prepare_seconds_max * max(1, os.getloadavg()[0] / os.cpu_count()))
        lines, ended = run.child("prepare", cached.model, [peer], seconds, TRAINING)
        facts = merge(lines)
        if ended:
            facts["error"] = ended
        stamp.write_text(json.dumps(facts))
    if "prepare_seconds" in facts:
        run.note(cached.model.name, peer.name, prepare_seconds=facts["prepare_seconds"])
    return facts.get("error")


def measure_model(run, model, peers):
    """All peers in one process; one that crashes it is left out of the next attempt."""
    while peers:
        lines, ended = run.child(
            "measure", model, peers, 600, ONE_THREAD,
            ("--rounds", str(run.rounds), "--batch-rounds", str(run.batch_rounds)))
        if not ended and not merge(lines).get("error"):
            for line in lines:
                if "peer" in line:
                    run.note(model.name, line.pop("peer"), **line)
            return
        stages = [line["stage"] for line in lines if "stage" in line]
        reason = ended or merge(lines)["error"]
        blamed = stages[-1] if stages else peers[0].name
        say(f"{model.name}: {blamed}: {reason}")
        run.note(model.name, blamed, not_measured=reason)
        remaining = [peer for peer in peers if peer.name != blamed]
        if len(remaining) == len(peers):
            return
        peers = remaining


def probe_peer(run, model, peer):
    """Medians of up to three fresh processes."""
    found = []
    start = time.monotonic()
    for _ in range(run.probes):
        lines, ended = run.child("probe", model, [peer], PROBE_SECONDS_MAX, ONE_THREAD)
        facts = merge(lines)
        if ended or "error" in facts:
            run.note(model.name, peer.name, probe_failed=ended or facts["error"])
            return
        found.append(facts)
        if time.monotonic() - start > PROBES_SECONDS_MAX:
            break
    if found:
        run.note(model.name, peer.name,
                 **{key: statistics.median(facts[key] for facts in found) for key in found[0]})


def run_model(run, model):
    say(f"== {model.name}: {model.title}")
    started = time.monotonic()
    cached = train_model(run, model)
    if cached is None:
        return
    source = cached.source if model.family != "xgboost" else cached.source.with_suffix(".ubj")
    run.note(model.name, "trainer", title=model.title, family=model.family,
             row_dtype=model.row_dtype, features=cached.rows("float32").shape[1],
             real_rows=cached.facts["real_rows"], train_seconds=cached.facts["train_seconds"],
             source_bytes=source.stat().st_size)
    trained = time.monotonic()
    ready = []
    for peer in PEERS:
        if model.family not in peer.families or not run.is_wanted(model, peer):
            continue
        reason = prepare_peer(run, cached, peer)
        if reason:
            run.note(model.name, peer.name, not_measured=reason)
        else:
            ready.append(peer)
    prepared = time.monotonic()
    if run.arguments.prepare:
        say(f"   train {trained - started:.0f} s, prepare {prepared - trained:.0f} s")
        return
    measure_model(run, model, ready)
    measured = time.monotonic()
    for peer in ready:
        if run.arguments.small and peer.name != "espalier":
            continue  # a process each, and nothing that was not called above
        if not peer.variant_of and "not_measured" not in run.figures[model.name][peer.name]:
            probe_peer(run, model, peer)
    say(f"   train {trained - started:.0f} s, prepare {prepared - trained:.0f} s, "
        f"measure {measured - prepared:.0f} s, load {time.monotonic() - measured:.0f} s")


# ---- results ------------------------------------------------------------------------------------

def read_cpu():
    found = {}
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        found.setdefault(name.strip(), value.strip())
    return found


def version_of(command):
    try:
        return subprocess.run(command, capture_output=True, text=True).stdout.splitlines()[0]
    except (OSError, IndexError):
        return ""


def context_rows(run):
    cpu = read_cpu()
    yield "date", datetime.date.today().isoformat()
    yield "cpu", f"{cpu.get('model name', platform.machine())}, family " \
                 f"{cpu.get('cpu family', '?')} model {cpu.get('model', '?')}"
    yield "cpus", os.cpu_count()
    for level in ("avx2", "avx512f", "avx512vbmi"):
        yield f"cpu has {level}", int(level in cpu.get("flags", "").split())
    yield "kernel", f"{platform.system()} {platform.release()}"
    yield "compiler", version_of(["gcc", "--version"])
    yield "python", platform.python_version()
    yield "espalier", version_of([str(run.arguments.build / "bin" / "espalier"), "--version"])
    commit = version_of(["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"])
    if commit:
        yield "commit", commit
    for package in PACKAGES:
        yield f"version {package}", (importlib.metadata.version(package)
                                     if is_installed(package) else "not installed")
    yield "rounds", run.rounds
    yield "load average before", run.load_before
    yield "load average after", os.getloadavg()[0]


def text_of(value):
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def default_path():
    cpu = re.sub(r"[^A-Za-z0-9]+", "-", read_cpu().get("model name", "cpu")).strip("-")
    return ROOT / "bench" / "results" / f"peers-{datetime.date.today().isoformat()}-{cpu}.csv"


def write_csv(run, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("model", "peer", "figure", "value"))
        for name, value in context_rows(run):
            writer.writerow(("", "context", name, text_of(value)))
        for model, peers in run.figures.items():
            for peer, figures in peers.items():
                for figure, value in figures.items():
                    writer.writerow((model, peer, figure, text_of(value)))


def report_agreement(run):
    """Prints one line per model and peer; False when Espalier's bits are not the trainer's."""
    is_good = True
    for model, peers in run.figures.items():
        for peer, figures in peers.items():
            if "bit_identical" in figures and not figures["bit_identical"]:
                is_good = False
                say(f"{model}: Espalier's answers differ from the trainer's: "
                    f"{figures['differing_values']} of {figures['compared_values']} values, "
                    f"by up to {figures['difference_max']:.3g}")
            if not (run.arguments.check or run.arguments.prepare):
                continue
            if "not_measured" in figures:
                text = f"not measured: {figures['not_measured']}"
            elif "difference_max" in figures:
                text = (f"{figures['differing_values']} of {figures['compared_values']} values "
                        f"differ, by up to {figures['difference_max']:.3g}")
            else:
                continue
            print(f"{model:22} {peer:15} {text}")
    return is_good


def parse_arguments():
    parser = argparse.ArgumentParser(prog="peers.sh", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few models, few rounds; about 3 min")
    parser.add_argument("--small", action="store_true",
                        help="models of 5 trees and 1,000 rows, one round: whether all works")
    parser.add_argument("--check", action="store_true", help="only whether the answers agree")
    parser.add_argument("--only", action="append", metavar="MODEL,PEER",
                        help="only these, with * and ?; either may be left out; repeatable. "
                             "Espalier is measured beside every peer")
    parser.add_argument("--list", action="store_true", help="list models and peers, and end")
    parser.add_argument("--out", type=pathlib.Path, help="the CSV file; default: bench/results/ "
                        "for a full run, the cache folder otherwise")
    parser.add_argument("--prepare", action="store_true",
                        help="only train, convert and compile; a later run then finds all ready")
    parser.add_argument("--prepare-again", action="store_true",
                        help="convert, compile and train the peers' files anew")
    parser.add_argument("--build", type=pathlib.Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--harness", type=pathlib.Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--cache", type=pathlib.Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--failed-installs", type=pathlib.Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def main():
    arguments = parse_arguments()
    if arguments.list:
        for model in MODELS:
            print(f"{model.name:22} {model.title}{' (quick)' if model.is_quick else ''}")
        print("\npeers: " + " ".join(peer.name for peer in PEERS))
        return 0
    if shutil.which("gcc") is None:
        say("peers: no gcc: what is compiled from models will not be measured")
    run = Run(arguments)
    run.load_before = os.getloadavg()[0]
    is_full = not (arguments.quick or arguments.check or arguments.only or arguments.prepare
                   or arguments.small)
    path = arguments.out or (default_path() if is_full else run.cache / "peers.csv")
    (run.cache / "last_csv").unlink(missing_ok=True)
    for model in run.models:
        if run.is_wanted(model):
            run_model(run, model)
            write_csv(run, path)
    if not run.figures:
        say("peers: --only names no model; see --list")
        return 2
    is_good = report_agreement(run)
    say(f"all figures: {path}")
    if not (arguments.check or arguments.prepare):
        (run.cache / "last_csv").write_text(str(path.resolve()))
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
