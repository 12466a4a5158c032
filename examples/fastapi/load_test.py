# SPDX-License-Identifier: Apache-2.0
"""Serves a forest with gunicorn on loopback, publishes others while clients ask, and measures.

    python examples/fastapi/load_test.py --work FOLDER [--requests N] [--rows N] [--trees N]

Trains two forests of scikit-learn, serves the first with serve_model.py and, to compare, with
serve_joblib.py. For both: every answer must be the forest's own, bit for bit; a damaged file and
one of other features are refused while the old model serves on; the second forest is published by
renaming in the middle of the load, no request fails, and every worker comes to serve it. Bounded:
every request, wait and process has a time limit. Prints requests a second, latencies, the time to
the first answer and the workers' memory. Run it with the packages of fastapi_pins.txt.
"""
import argparse
import asyncio
import collections
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time

import joblib
import numpy
from sklearn.ensemble import RandomForestClassifier

import espalier

HERE = os.path.dirname(os.path.abspath(__file__))
WAIT_SECONDS = 60
REQUEST_SECONDS = 30
FEATURES = 20


def make_forests(work, row_count, tree_count):
    """Two forests of the same shape and one of another, saved both ways; and rows with answers."""
    source = numpy.random.default_rng(7)
    rows = source.normal(size=(row_count, FEATURES))
    labels = (rows[:, 0] * rows[:, 1] + rows[:, 2] + source.normal(size=row_count) > 0).astype(int)
    test_rows = source.normal(size=(64, FEATURES))
    answers = []
    for number in range(3):
        forest = RandomForestClassifier(tree_count, random_state=number, n_jobs=-1)
        used = rows[:, :-1] if number == 2 else rows
        forest.fit(used, labels).set_params(n_jobs=1)
        joblib.dump(forest, os.path.join(work, "forest-%d.joblib" % number))
        espalier.dump(forest, os.path.join(work, "forest-%d.espalier" % number))
        if number < 2:
            answers.append(forest.predict_proba(test_rows).tolist())
    return test_rows.tolist(), answers


class Server:
    """gunicorn with workers of one of the two applications."""

    def __init__(self, work, kind, workers):
        self.work = work
        self.suffix = ".espalier" if kind == "serve_model" else ".joblib"
        self.path = os.path.join(work, "served" + self.suffix)
        self.publish(0)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        variables = dict(os.environ, MODEL=self.path, BIND="127.0.0.1:%d" % self.port,
                         WORKERS=str(workers), REFRESH_SECONDS="0.1", OMP_NUM_THREADS="1",
                         PYTHONDONTWRITEBYTECODE="1")
        self.log = open(os.path.join(work, kind + ".log"), "w", encoding="utf-8")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "-c", os.path.join(HERE, "gunicorn_conf.py"),
             kind + ":app"], env=variables, stdout=self.log, stderr=subprocess.STDOUT)

    def publish(self, number):
        """A finished file is renamed over the one that is served; never written in place."""
        self.publish_file(os.path.join(self.work, "forest-%d%s" % (number, self.suffix)))

    def publish_file(self, source):
        shutil.copy(source, self.path + ".new")
        os.replace(self.path + ".new", self.path)

    def publish_half(self):
        with open(self.path, "rb") as file:
            data = file.read()
        with open(self.path + ".half", "wb") as file:
            file.write(data[:len(data) // 2])
        os.replace(self.path + ".half", self.path)

    def memory(self):
        """Proportional set size of the workers together, MiB: shared pages count once."""
        children = subprocess.run(["ps", "-o", "pid=", "--ppid", str(self.process.pid)],
                                  capture_output=True, text=True, check=True, timeout=10)
        total = 0
        for worker in children.stdout.split():
            with open("/proc/%s/smaps_rollup" % worker, encoding="ascii") as file:
                total += sum(int(line.split()[1]) for line in file if line.startswith("Pss:"))
        return total / 1024

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(WAIT_SECONDS)
        finally:
            if self.process.poll() is None:
                self.process.kill()
            self.log.close()


class Client:
    """One connection that is kept; plain HTTP/1.1."""

    def __init__(self, port):
        self.port = port
        self.reader = self.writer = None

    async def ask(self, method, path, body=None):
        return await asyncio.wait_for(self.ask_once(method, path, body), REQUEST_SECONDS)

    async def ask_once(self, method, path, body):
        if self.writer is None:
            self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        data = b"" if body is None else json.dumps(body).encode()
        head = ("%s %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                "Content-Length: %d\r\n\r\n" % (method, path, len(data)))
        self.writer.write(head.encode() + data)
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        length = int(head.split("content-length:")[1].split("\r\n")[0])
        return int(head.split()[1]), json.loads(await self.reader.readexactly(length))

    def close(self):
        if self.writer is not None:
            self.writer.close()
            self.writer = None


async def ask_fresh(port, path):
    """A request on a connection of its own, so that the kernel may choose another worker."""
    client = Client(port)
    try:
        return await client.ask("GET", path)
    finally:
        client.close()


async def wait_for(server, holds):
    """Asks /ready until `holds` says yes of what all workers said; the last answers by worker."""
    said = {}
    end = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < end:
        if server.process.poll() is not None:
            raise RuntimeError("gunicorn ended; see %s" % server.log.name)
        try:
            status, found = await ask_fresh(server.port, "/ready")
            if status == 200:
                said[found["worker"]] = found
        except (OSError, asyncio.IncompleteReadError):
            pass
        if said and holds(said):
            return said
        await asyncio.sleep(0.02)
    raise RuntimeError("not ready after %d s: %s" % (WAIT_SECONDS, said))


async def load(server, rows, answers, request_count, connection_count, publish_at):
    """All requests' latencies. Which model answered is what the digest says."""
    digests = {}
    latencies = []
    started = 0
    source = random.Random(1)

    async def work():
        nonlocal started
        client = Client(server.port)
        while started < request_count:
            started += 1
            if started == publish_at:
                server.publish(1)
            index = source.randrange(len(rows))
            begin = time.perf_counter()
            status, said = await client.ask("POST", "/predict_one", {"row": rows[index]})
            latencies.append(time.perf_counter() - begin)
            if status != 200:
                raise RuntimeError("status %d: %s" % (status, said))
            number = digests.setdefault(said["digest"], len(digests))
            if said["probabilities"] != answers[number][index]:
                raise RuntimeError("model %d, row %d: %s instead of %s" % (
                    number, index, said["probabilities"], answers[number][index]))
        client.close()

    begin = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(connection_count)))
    return latencies, time.perf_counter() - begin, digests


async def check_requests(server, rows, answers):
    """Batches, bad input, health and metadata."""
    client = Client(server.port)
    status, said = await client.ask("POST", "/predict", {"rows": rows})
    assert status == 200 and said["probabilities"] == answers, said
    wanted = numpy.argmax(answers, axis=1).tolist()
    assert said["labels"] == wanted, said["labels"]
    for path, body in (("/predict_one", {"row": rows[0][:-1]}), ("/predict", {"rows": [[1, 2]]}),
                       ("/predict_one", {"row": ["text"]}), ("/predict", {})):
        status, said = await client.ask("POST", path, body)
        assert status == 422, (path, body, status, said)
    status, said = await client.ask("GET", "/health")
    assert status == 200 and said["worker"] > 0, said
    status, said = await client.ask("GET", "/metadata")
    assert status == 200 and said["metadata"], said
    client.close()


async def check_refusals(server, workers):
    """A damaged file and one of another shape: the old model serves on and /ready says why."""
    before = await wait_for(server, lambda said: len(said) == workers)
    digest = next(iter(before.values()))["digest"]
    shape = os.path.join(server.work, "forest-2" + server.suffix)
    publications = [lambda: server.publish_file(shape)]
    if server.suffix == ".espalier":
        publications.append(server.publish_half)
    for publish in publications:
        publish()
        await wait_for(server, lambda said: len(said) == workers and all(
            one["refused"] and one["digest"] == digest for one in said.values()))
        server.publish(0)
        await wait_for(server, lambda said: len(said) == workers and all(
            not one["refused"] and one["digest"] == digest for one in said.values()))


async def measure(work, kind, rows, answers, arguments):
    begin = time.perf_counter()
    server = Server(work, kind, arguments.workers)
    try:
        await wait_for(server, lambda said: True)
        client = Client(server.port)
        await client.ask("POST", "/predict_one", {"row": rows[0]})
        client.close()
        first = time.perf_counter() - begin
        await wait_for(server, lambda said: len(said) == arguments.workers)
        await check_requests(server, rows, answers[0])
        await check_refusals(server, arguments.workers)
        latencies, seconds, digests = await load(
            server, rows, answers, arguments.requests, arguments.connections,
            arguments.requests // 2)
        newest = list(digests)[-1]
        await wait_for(server, lambda said: len(said) == arguments.workers and all(
            one["digest"] != list(digests)[0] for one in said.values()))
        _, _, after = await load(server, rows, answers[1:], arguments.connections * 4,
                                 arguments.connections, -1)
        assert len(after) == 1 and (len(digests) == 1 or list(after) == [newest]), (digests, after)
        return collections.OrderedDict(
            rate=len(latencies) / seconds, median=numpy.percentile(latencies, 50) * 1e3,
            p99=numpy.percentile(latencies, 99) * 1e3, first=first, memory=server.memory())
    finally:
        server.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--work", required=True)
    parser.add_argument("--requests", type=int, default=400)
    parser.add_argument("--rows", type=int, default=500, help="rows to train with")
    parser.add_argument("--trees", type=int, default=50)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--connections", type=int, default=4)
    arguments = parser.parse_args()
    os.makedirs(arguments.work, exist_ok=True)
    rows, answers = make_forests(arguments.work, arguments.rows, arguments.trees)
    print("%d trees, %d workers, %d connections, %d requests of one row, swapped halfway" % (
        arguments.trees, arguments.workers, arguments.connections, arguments.requests))
    for kind in ("serve_model", "serve_joblib"):
        found = asyncio.run(measure(arguments.work, kind, rows, answers, arguments))
        print("%-13s %7.0f requests/s, median %6.2f ms, 99 %% %7.2f ms, start to first answer "
              "%5.2f s, workers together %6.0f MiB" % (kind, *found.values()))
    print("fastapi: every answer the forest's own, before, during and after a swap")
    return 0


if __name__ == "__main__":
    sys.exit(main())
