# SPDX-License-Identifier: Apache-2.0
"""Memory of a web service's workers: one mapped model beside a copy for each.

Used by measure_python.py. The applications, the server and the client are those of
examples/fastapi. Every worker answers a batch before its memory is taken, and both services must
give the same answers.
"""
import asyncio
import os
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROWS = 64
SERVICES = (("serve_model", "model.espalier", "Espalier"),
            ("serve_joblib", "model.joblib", "joblib + scikit-learn"))


def import_load_test():
    sys.path.insert(0, str(HERE.parents[1] / "examples" / "fastapi"))
    import load_test

    # Eight workers that load a large forest at once take longer than the two of the load test.
    load_test.WAIT_SECONDS, load_test.REQUEST_SECONDS = 300, 120
    return load_test


async def ask_all(load_test, server, rows, worker_count):
    """The batch's answer, once every worker has given it; by connection the kernel chooses one."""
    answers = {}
    end = time.monotonic() + load_test.WAIT_SECONDS
    while len(answers) < worker_count:
        if time.monotonic() > end:
            raise RuntimeError("only %d of %d workers answer" % (len(answers), worker_count))
        client = load_test.Client(server.port)
        try:
            _, said = await client.ask("GET", "/health")
            status, found = await client.ask("POST", "/predict", {"rows": rows})
            if status != 200:
                raise RuntimeError("status %d: %s" % (status, found))
            answers[said["worker"]] = found["probabilities"]
        finally:
            client.close()
    (answer,) = {repr(one) for one in answers.values()}
    return answer


async def measure_service(load_test, work, kind, rows, worker_count):
    """Seconds to the first answer, MiB of all workers together, and what they answer."""
    begin = time.perf_counter()
    server = load_test.Server(work, kind, worker_count)
    try:
        await load_test.wait_for(server, lambda said: True)
        client = load_test.Client(server.port)
        await client.ask("POST", "/predict_one", {"row": rows[0]})
        client.close()
        first = time.perf_counter() - begin
        await load_test.wait_for(server, lambda said: len(said) == worker_count)
        answer = await ask_all(load_test, server, rows, worker_count)
        return first, server.memory(), answer
    finally:
        server.stop()


def measure_workers(folder, worker_count, start_count):
    """[(name, bytes of the file, seconds to the first answer, MiB together)] of a peers' model.

    Of several starts, the services in turn: the median of the seconds, and the most memory.
    """
    import numpy

    load_test = import_load_test()
    rows = numpy.load(folder / "rows_float32.npy")[:ROWS].tolist()
    sizes, starts, answers = {}, {}, set()
    with tempfile.TemporaryDirectory(prefix="espalier-workers-") as work:
        for kind, file, name in SERVICES * start_count:
            copy = os.path.join(work, "forest-0" + os.path.splitext(file)[1])
            shutil.copy(folder / file, copy)
            first, memory, answer = asyncio.run(
                measure_service(load_test, work, kind, rows, worker_count))
            sizes[name] = os.path.getsize(copy)
            starts.setdefault(name, []).append((first, memory))
            answers.add(answer)
    if len(answers) != 1:
        raise RuntimeError("the services' answers differ")
    return [(name, sizes[name], statistics.median(first for first, _ in found),
             max(memory for _, memory in found)) for name, found in starts.items()]
