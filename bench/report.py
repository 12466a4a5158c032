# SPDX-License-Identifier: Apache-2.0
"""Turns the output of the benchmark programs (open.json, predict.json, options.json, threads.json,
slot.json, memory.json, convert.json in one folder) into tables for people, the project's goals, a
CSV file with every figure, and the figures of a document. Standard library only; started by
bench/run.sh.
"""

import argparse
import contextlib
import csv
import datetime
import io
import json
import pathlib

from figures_place import FiguresPlace


def read_figures(folder):
    """(figures, context): figures by benchmark name, as Google Benchmark gives them."""
    figures = {}
    context = {}
    for name in ("open", "predict", "options", "threads", "slot"):
        text = (folder / f"{name}.json").read_text()
        if not text:
            continue  # of threads on one CPU there is nothing to measure
        data = json.loads(text)
        context.update(data["context"])
        for entry in data["benchmarks"]:
            figures[entry["name"].split("/iterations:")[0]] = entry
    return figures, context


def read_lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def time_text(nanoseconds):
    for unit, size in (("s", 1e9), ("ms", 1e6), ("µs", 1e3)):
        if nanoseconds >= size:
            return f"{nanoseconds / size:.3g} {unit}"
    return f"{nanoseconds:.0f} ns"


def ratio_text(ours, other):
    ratio = other / ours
    return f"{ratio:.0f} x" if ratio >= 20 else f"{ratio:.1f} x"


def print_table(rows):
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for number, row in enumerate(rows):
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:])]
        print("| " + " | ".join(cells) + " |")
        if number == 0:
            rule = ["-" * (widths[0] + 2)] + ["-" * (width + 1) + ":" for width in widths[1:]]
            print("|" + "|".join(rule) + "|")


class Report:
    def __init__(self, folder):
        self.figures, self.context = read_figures(folder)
        self.memory = read_lines(folder / "memory.json")
        self.convert = read_lines(folder / "convert.json")
        # Grown models have fewer figures and a table of their own.
        self.models = [name.split("/")[2] for name in self.figures
                       if name.startswith("open_first/reread/")]

    def get(self, name, key="p50_ns"):
        return self.figures[name][key]

    def level(self, model):
        return "best" if f"one_row/best/{model}" in self.figures else "scalar"

    def compare_rows(self, model):
        """(what, ours, naive) in nanoseconds for the lines of one model."""
        level = self.level(model)
        yield ("open, page cache warm", self.get(f"open/warm/{model}"), None)
        yield ("open + first prediction, warm", self.get(f"open_first/warm/{model}"),
               self.get(f"naive_load_first/warm/{model}"))
        yield ("open + first prediction, read back", self.get(f"open_first/reread/{model}"),
               self.get(f"naive_load_first/warm/{model}"))
        yield ("open + first prediction, dropped", self.get(f"open_first/dropped/{model}"),
               self.get(f"naive_load_first/dropped/{model}"))
        for key, text in (("p50_ns", "p50"), ("p99_ns", "p99")):
            yield (f"one row, {text}", self.get(f"one_row/{level}/{model}", key),
                   self.get(f"one_row/naive/{model}", key))
        if level != "scalar":
            yield ("one row, p50, scalar", self.get(f"one_row/scalar/{model}"),
                   self.get(f"one_row/naive/{model}"))
        for rows in ("2", "4", "8", "16", "32", "64", "100", "1000", "10000", "100000"):
            ours = f"batch/{level}/{model}/{rows}"
            if ours in self.figures:
                yield (f"batch of {rows}, per row", self.get(ours),
                       self.get(f"batch/naive/{model}/{rows}"))

    def print_machine(self):
        for key in ("cpu", "cpus", "kernel", "compiler", "build", "flags", "pinned to cpu",
                    "clock cost ns"):
            print(f"{key}: {self.context.get(key, '')}")
        if self.context.get("cpu_scaling_enabled") is True:
            print("warning: CPU frequency scaling is on")

    def print_models(self):
        for model in self.models:
            print(f"\n**{model}**: {self.context.get('model ' + model, '')}\n")
            table = [["", "Espalier", "naive", "ratio"]]
            for what, ours, naive in self.compare_rows(model):
                table.append([what, time_text(ours), time_text(naive) if naive else "",
                              ratio_text(ours, naive) if naive else ""])
            print_table(table)

    def print_sizes(self):
        """The same shape of model at growing sizes."""
        names = [name.split("/")[2] for name in self.figures
                 if name.startswith("open/warm/") and name.endswith("iB")]
        if not names:
            return
        table = [["size", "open", "open + first", "one row", "naive load + first",
                  "naive one row"]]
        for name in names:
            naive = self.figures.get(f"naive_load_first/warm/{name}")
            table.append([name, time_text(self.get(f"open/warm/{name}")),
                          time_text(self.get(f"open_first/warm/{name}")),
                          time_text(self.get(f"one_row/best/{name}")),
                          time_text(naive["p50_ns"]) if naive else "",
                          time_text(naive["one_row_p50_ns"]) if naive else ""])
        print("\n**The same trees, grown**\n")
        print_table(table)

    def print_options(self):
        """What prefault, lock, copies and huge pages cost and gain."""
        for model in self.models:
            ways = [name.split("/")[1] for name in self.figures
                    if name.startswith("options_open/") and name.endswith(f"/{model}")]
            if not ways:
                continue
            table = [["", "open", "first 100 rows", "faults", "one row", "batch, per row"]]
            for way in ways:
                opened = self.figures[f"options_open/{way}/{model}"]
                table.append([way, time_text(opened["p50_ns"]),
                              time_text(opened["first_100_rows_ns"]),
                              f"{opened['first_100_rows_faults']:.0f}",
                              time_text(self.get(f"options_one_row/{way}/{model}")),
                              time_text(self.get(f"options_batch/{way}/{model}"))])
            print(f"\n**{model}**, ways to hold it in memory\n")
            print_table(table)

    def thread_goals(self):
        """Rates of two threads by the rate of one, and what they gain in arithmetic alone."""
        for kind, text in (("threads_batch", "batches"), ("threads_one_row", "single rows")):
            for model in self.models:
                entry = self.figures.get(f"{kind}/{model}/2")
                if entry:
                    yield (f"two threads, {model}, {text}: 1.9 x",
                           f"{entry['speedup']:.2f} x (arithmetic: "
                           f"{entry['speedup_of_arithmetic']:.2f} x)", entry["speedup"] >= 1.9)

    def spread_goals(self):
        """p99 by p50 of single rows: of each row's best call, and of all calls as they came."""
        for model in self.models:
            entry = self.figures.get(f"one_row_spread/best/{model}")
            if entry:
                ratio = entry["rows_p99_ns"] / entry["rows_p50_ns"]
                yield (f"one row, {model}, p99 by p50: 2",
                       f"{ratio:.2f} (all calls: {entry['p99_ns'] / entry['p50_ns']:.2f}; p99.9 "
                       f"{time_text(entry['p999_ns'])}, empty {time_text(entry['empty_p999_ns'])})",
                       ratio <= 2)

    def slot_goals(self):
        for threads, most in ((1, 15), (2, 25)):
            name = f"slot/acquire_release/real_time/threads:{threads}"
            if name in self.figures:
                # Google Benchmark divides the time by the threads.
                each = self.get(name, "real_time") * threads
                yield (f"acquire and release, {threads} reader{'s'[:threads - 1]}: {most} ns",
                       f"{each:.1f} ns", each <= most)
        for name, entry in self.figures.items():
            if name.startswith("slot/paced/"):
                yield ("p99 with swaps by without: 1.2", f"{entry['p99_ratio']:.2f}",
                       entry["p99_ratio"] <= 1.2)
                yield ("wrong answers while swapping: 0", f"{entry['wrong']:.0f}",
                       entry["wrong"] == 0)

    def goals(self):
        """(what, figure, held) for the project's goals that were measured here."""
        if "open/warm/1GiB" in self.figures:
            small = self.get("open/warm/1MiB")
            large = self.get("open/warm/1GiB")
            yield ("open a 1 GiB model: 20 µs", time_text(large), large <= 20e3)
            yield ("open 1 GiB / 1 MiB: 1.5", f"{large / small:.2f}", large <= 1.5 * small)
        if "unlimited" in self.models:
            ours = self.get("open_first/warm/unlimited")
            naive = self.get("naive_load_first/warm/unlimited")
            yield ("open + first prediction: 500 x", ratio_text(ours, naive), naive >= 500 * ours)
            ours = self.get("one_row/scalar/unlimited")
            naive = self.get("one_row/naive/unlimited")
            yield ("one row, scalar: 8 x", ratio_text(ours, naive), naive >= 8 * ours)
        yield from self.spread_goals()
        for entry in self.convert:
            source = entry["source_bytes"]
            memory = entry["resident_bytes"] / source
            size = source / entry["model_bytes"]
            yield (f"convert {source / 1e6:.0f} MB: 3 s", f"{entry['seconds']:.2f} s",
                   entry["seconds"] <= 3)
            yield ("convert, memory: 3 x the source", f"{memory:.2f} x", memory <= 3)
            yield ("size of the model: 1/8 of the source", f"1/{size:.1f}", size >= 8)
        yield from self.thread_goals()
        yield from self.slot_goals()
        for entry in self.memory:
            yield (f"one more process, {entry['model']}: 1 MB",
                   f"{entry['extra_bytes'] / 1e6:.2f} MB", entry["extra_bytes"] < 1e6)

    def print_goals(self):
        rows = [[what, figure, "held" if held else "MISSED"] for what, figure, held in self.goals()]
        if rows:
            print("\n**The project's goals**\n")
            print_table([["goal", "measured", ""]] + rows)

    def csv_rows(self):
        keys = ("p50_ns", "p99_ns", "p999_ns", "empty_p999_ns", "rows_p50_ns", "rows_p99_ns",
                "best_ns", "one_row_p50_ns", "one_row_p99_ns", "first_100_rows_ns",
                "first_100_rows_faults", "huge_bytes", "p99_ratio", "one_thread_p50_ns", "speedup",
                "speedup_of_arithmetic", "plain_p99_ns", "plain_p999_ns", "swapped_p50_ns",
                "swapped_p99_ns", "swapped_p999_ns", "grown_bytes", "wrong", "swaps")
        for name, entry in self.figures.items():
            for key in keys:
                if key in entry:
                    yield (name, key, f"{entry[key]:.1f}")
        for entry in self.memory:
            for key in ("file_bytes", "one_bytes", "one_mapping_bytes", "extra_bytes",
                        "extra_mapping_bytes"):
                yield (f"memory/{entry['model']}", key, entry[key])
        for entry in self.convert:
            for key, value in entry.items():
                yield ("convert/unlimited", key, value)

    def write_csv(self, path):
        with open(path, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(("benchmark", "figure", "value"))
            writer.writerow(("context", "date", datetime.date.today().isoformat()))
            for key in ("cpu", "cpus", "kernel", "compiler", "build", "flags", "clock cost ns"):
                writer.writerow(("context", key, self.context.get(key, "")))
            for model in self.models:
                writer.writerow(("context", f"model {model}", self.context[f"model {model}"]))
            writer.writerows(self.csv_rows())
        print(f"\nall figures: {path}")


def tables_of(report):
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        report.print_models()
        report.print_sizes()
        report.print_options()
        report.print_goals()
    return text.getvalue()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--csv", type=pathlib.Path)
    parser.add_argument("--command", default="bench/run.sh", help="named beside the figures")
    parser.add_argument("--write", type=pathlib.Path, metavar="DOCUMENT")
    arguments = parser.parse_args()
    report = Report(arguments.folder)
    report.print_machine()
    tables = tables_of(report)
    print(tables, end="")
    if arguments.csv:
        report.write_csv(arguments.csv)
    if arguments.write:
        machine = "{cpu}, {cpus} CPUs, {kernel}, {compiler}".format(**report.context)
        FiguresPlace(arguments.write, "bench/run.sh --write").write(
            f"{datetime.date.today()}, {machine}, by `{arguments.command}`.\n{tables}")


if __name__ == "__main__":
    main()
