# SPDX-License-Identifier: Apache-2.0
"""A web application that predicts one row, for gunicorn; BENCH_TOOL, BENCH_MODEL and BENCH_ROWS say
what with. Each worker loads the model by itself unless gunicorn preloads."""
import os

import python_child

_, PREDICT = python_child.TOOLS[os.environ["BENCH_TOOL"]](
    os.environ["BENCH_MODEL"], python_child.read_row(os.environ["BENCH_ROWS"]))


def application(environ, start_response):
    text = repr(PREDICT()).encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(text))),
                              ("X-Worker", str(os.getpid()))])
    return [text]
