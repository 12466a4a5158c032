# SPDX-License-Identifier: Apache-2.0
"""demo_timing.py BIN MODEL: a few lines from short runs of bench_open and bench_predict."""

import json
import subprocess
import sys

# program, name of the benchmark (without the model's), what it is to a reader
LINES = (
    ("bench_open", "open/warm", "open the model file"),
    ("bench_open", "open_first/warm", "open it and predict the first row"),
    ("bench_open", "naive_load_first/warm", "the same, loading node by node as usual"),
    ("bench_predict", "one_row/scalar", "predict one row"),
    ("bench_predict", "one_row/naive", "the same, following pointers as usual"),
)


def run(program, model):
    names = "|".join(name for one, name, _ in LINES if program.endswith(one))
    output = subprocess.run(
        [program, "--quick", "--model", model, f"--benchmark_filter=^({names})/",
         "--benchmark_format=json"], check=True, capture_output=True, text=True).stdout
    return json.loads(output[output.index("{"):])["benchmarks"]


def main():
    folder, model = sys.argv[1:3]
    results = {}
    for program in sorted({one for one, _, _ in LINES}):
        for result in run(f"{folder}/{program}", model):
            for _, name, _ in LINES:
                if result["name"].startswith(name + "/"):
                    results.setdefault(name, result)
    for _, name, what in LINES:
        if name in results:
            print(f"   {what + ' ':.<44} {results[name]['p50_ns'] / 1000:8.2f} µs (median)")


if __name__ == "__main__":
    main()
