# SPDX-License-Identifier: Apache-2.0
"""One step of the comparison in a process of its own, started by measure_peers.py: `train` a model,
`prepare` a peer's file, `probe` loading and memory in a fresh process, `measure` all peers of one
model in turn. Writes JSON lines to --out (libraries print what they like), so that a step that
crashes or hangs costs only its own figures.
"""

import argparse
import json
import os
import sys
import time
import warnings

import numpy

import peer_models
from peer_base import Tools, Unsupported
from peer_list import PEERS, PEER_BY_NAME
from peer_routes import CRoute, DTYPES

CHECK_ROWS = {"C loop": 1000, "Python": 50}  # one by one; the batch is checked whole
PROBE_ROWS = 1000
ROUND_NS = {"C loop": 15e6, "Python": 25e6}  # a peer's share of one round
CALLS_MIN = 4
CALLS_MAX = 3000
BATCH_SECONDS_MAX = 4.0
BATCH_TURN_NS = 25e6  # of one peer before the next has its turn


def pin_to_last_cpu():
    cpu = max(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cpu})


def reason_of(error):
    """One line for the column `not measured`."""
    lines = str(error).strip().splitlines()
    text = " ".join(lines[0].split()) if lines else ""
    if not isinstance(error, Unsupported):
        text = f"{type(error).__name__}: {text}"
    return text[:200]


class Output:
    """The JSON lines of this process; `stage` names who is to blame for a crash."""

    def __init__(self, path):
        self.file = open(path, "a", encoding="utf-8")

    def add(self, **values):
        self.file.write(json.dumps(values) + "\n")
        self.file.flush()


# ---- probe --------------------------------------------------------------------------------------

def read_memory():
    """This process's proportional set size and resident set size in bytes."""
    sizes = {}
    with open("/proc/self/smaps_rollup", encoding="ascii") as file:
        for line in file:
            name, _, value = line.partition(":")
            if name in ("Pss", "Rss"):
                sizes[name] = int(value.split()[0]) * 1024
    return sizes["Pss"], sizes["Rss"]


def size_of(path):
    if path.is_dir():
        return sum(each.stat().st_size for each in path.rglob("*") if each.is_file())
    return path.stat().st_size


def probe(cached, peer, tools, output):
    """Load time, time of the first prediction, and memory, in this fresh process."""
    rows = peer.rows(cached)[:PROBE_ROWS].copy()
    peer.import_package()
    if not peer.package:
        _ = tools.harness
    before, _ = read_memory()
    start = time.perf_counter_ns()
    loaded = peer.load(cached, tools)
    load_end = time.perf_counter_ns()
    route = peer.route(loaded, cached, tools)
    route.predict(rows[:1])
    first_end = time.perf_counter_ns()
    peer.batch(loaded, rows)
    pss, rss = read_memory()
    output.add(load_ns=load_end - start, load_first_ns=first_end - start, pss_bytes=pss,
               rss_bytes=rss, pss_growth_bytes=pss - before,
               file_bytes=size_of(peer.file(cached)))


# ---- agreement ----------------------------------------------------------------------------------

def compare(answers, expected):
    """(largest difference, how many values differ) of float64 arrays [rows][outputs]. A binary
    classifier may give one probability, of the second class, or two."""
    if answers.shape[1] == 1 and expected.shape[1] == 2:
        expected = expected[:, 1:]
    if answers.shape[1] == 2 and expected.shape[1] == 1:
        answers = answers[:, 1:]
    if answers.shape != expected.shape:
        raise ValueError(f"{answers.shape} answers where the trainer gives {expected.shape}")
    difference = numpy.abs(answers.astype(numpy.float64) - expected.astype(numpy.float64))
    return float(difference.max()), int(numpy.count_nonzero(answers != expected))


def check_agreement(cached, peer, loaded, route, rows):
    answers = peer.read_batch(peer.batch(loaded, rows))
    if not numpy.isfinite(answers).all():
        raise ValueError("answers that are not finite")
    count = CHECK_ROWS[route.how]
    one_by_one = route.predict(rows[:count])
    own_worst, _ = compare(one_by_one, answers[:count])
    if own_worst > 1e-4 * max(1.0, float(numpy.abs(answers).max())):
        raise ValueError(f"one row and many differ by {own_worst:.3g}")
    if peer.is_own(cached.model):
        return {}
    expected = cached.answers(peer.output(cached.model))
    if expected is None:
        raise ValueError(f"the trainer's {peer.output(cached.model)} was not kept")
    worst, differing = compare(answers, expected)
    row_worst, row_differing = compare(one_by_one, expected[:count])
    figures = {"difference_max": max(worst, row_worst), "differing_values": differing,
               "differing_values_one_row": row_differing, "compared_values": int(answers.size)}
    if peer.name == "espalier":
        rows_expected = expected[:count].astype(numpy.float64)
        is_same = (answers.dtype == expected.dtype and answers.tobytes() == expected.tobytes()
                   and one_by_one.tobytes() == rows_expected.tobytes())
        figures["bit_identical"] = int(is_same)
    return figures


# ---- measure ------------------------------------------------------------------------------------

class Subject:
    """A peer that is loaded and whose answers were checked."""

    def __init__(self, name, peer, loaded, route, rows):
        self.name = name
        self.peer = peer
        self.loaded = loaded
        self.route = route
        self.rows = rows
        self.times = []
        self.batch_times = []
        pilot = max(float(numpy.median(route.time(rows, 0, 3, 5))), 1.0)
        calls = int(ROUND_NS[route.how] / pilot)
        self.calls = min(max(calls, CALLS_MIN), CALLS_MAX)
        self.warm = min(max(self.calls // 10, 1), 100)

    def run_round(self, number):
        first = number * (self.calls + self.warm)
        self.times.append(self.route.time(self.rows, first, self.warm, self.calls))

    def run_batch(self):
        """Passes for some milliseconds, each a figure. A peer whose pass is short has one before
        that does not count, while the threads of the peer before still spin."""
        if self.batch_times and self.batch_times[-1] < BATCH_TURN_NS:
            self.peer.batch(self.loaded, self.rows)
        spent = 0
        while spent < BATCH_TURN_NS:
            start = time.perf_counter_ns()
            self.peer.batch(self.loaded, self.rows)
            self.batch_times.append(time.perf_counter_ns() - start)
            spent += self.batch_times[-1]

    def figures(self):
        """In nanoseconds. Percentiles need at least ten calls beyond them."""
        if not self.times:
            return {}
        times = numpy.concatenate(self.times)
        figures = {"one_row_route": self.route.how, "one_row_calls": len(times),
                   "one_row_best_ns": float(times.min()),
                   "one_row_p50_ns": float(numpy.percentile(times, 50))}
        for name, share in (("one_row_p99_ns", 99), ("one_row_p999_ns", 99.9)):
            if len(times) * (100 - share) >= 1000 or (share == 99 and len(times) >= 100):
                figures[name] = float(numpy.percentile(times, share))
        if self.batch_times:
            figures["batch_rows"] = len(self.rows)
            figures["batch_ns_per_row"] = float(numpy.median(self.batch_times)) / len(self.rows)
            figures["batch_best_ns_per_row"] = min(self.batch_times) / len(self.rows)
        return figures


def make_subject(cached, peer, tools, output):
    """Loads and checks one peer; None when it cannot be measured."""
    output.add(stage=peer.name)
    try:
        peer.import_package()
        loaded = peer.load(cached, tools)
        route = peer.route(loaded, cached, tools)
        rows = numpy.ascontiguousarray(peer.rows(cached))
        figures = check_agreement(cached, peer, loaded, route, rows)
        subject = Subject(peer.name, peer, loaded, route, rows)
    except Exception as error:
        output.add(peer=peer.name, not_measured=reason_of(error))
        return None
    figures["output"] = peer.output(cached.model)
    figures["own_model"] = int(peer.is_own(cached.model))
    if peer.name == "espalier":
        figures["kernel"] = peer.kernel(loaded)
    output.add(peer=peer.name, **figures)
    return subject


class EmptyPeer:
    """What a call of nothing costs by the same clock; not a peer."""

    name = "empty call"

    @staticmethod
    def make(cached, tools):
        rows = cached.rows("float32")
        route = CRoute(tools.harness,
                       tools.harness.peer_route_empty(rows.shape[1], DTYPES["float32"]))
        return Subject(EmptyPeer.name, None, None, route, rows)


def measure(cached, peers, tools, output, rounds, batch_rounds):
    """All peers of one model in turn, A B A B, in this one process on one CPU."""
    subjects = [make_subject(cached, peer, tools, output) for peer in peers]
    subjects = [subject for subject in subjects if subject is not None]
    if rounds == 0:
        return
    batched = [subject for subject in subjects if not subject.peer.variant_of]
    subjects.append(EmptyPeer.make(cached, tools))
    for number in range(rounds):
        for subject in subjects:
            output.add(stage=subject.name)
            subject.run_round(number)
    for number in range(batch_rounds):
        for subject in batched:
            if number < 2 or sum(subject.batch_times) < BATCH_SECONDS_MAX * 1e9:
                output.add(stage=subject.name)
                subject.run_batch()
    for subject in subjects:
        output.add(peer=subject.name, **subject.figures())


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("step", choices=("train", "prepare", "probe", "measure"))
    parser.add_argument("model")
    parser.add_argument("peers", nargs="*")
    parser.add_argument("--out", required=True)
    parser.add_argument("--cache", required=True)
    parser.add_argument("--build", required=True)
    parser.add_argument("--harness", required=True)
    parser.add_argument("--rounds", type=int, default=0)
    parser.add_argument("--batch-rounds", type=int, default=0)
    parser.add_argument("--small", action="store_true")
    return parser.parse_args()


def main():
    warnings.filterwarnings("ignore")
    arguments = parse_arguments()
    model = next(each for each in peer_models.MODELS if each.name == arguments.model)
    if arguments.small:
        model = peer_models.cut(model)
    output = Output(arguments.out)
    tools = Tools(arguments.build, arguments.harness)
    try:
        if arguments.step == "train":
            cached = peer_models.train(model, arguments.cache, arguments.build)
            output.add(**cached.facts)
            return 0
        cached = peer_models.Cached(model, model.folder(arguments.cache))
        peers = [PEER_BY_NAME[name] for name in arguments.peers] or list(PEERS)
        if arguments.step == "prepare":
            start = time.perf_counter()
            peers[0].prepare(cached, tools)
            output.add(prepare_seconds=round(time.perf_counter() - start, 3))
        else:
            pin_to_last_cpu()
            if arguments.step == "probe":
                probe(cached, peers[0], tools, output)
            else:
                measure(cached, peers, tools, output, arguments.rounds, arguments.batch_rounds)
    except Exception as error:
        output.add(error=reason_of(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
