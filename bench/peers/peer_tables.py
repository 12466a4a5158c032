# SPDX-License-Identifier: Apache-2.0
"""Turns the CSV of measure_peers.py into Markdown for docs/benchmarks.md: one table per model, the
goals, and every figure where a peer is ahead of Espalier. Standard library only.
"""

import csv
import sys

NOT_PEERS = ("trainer", "empty call")
# What is compared, smaller is better: figure, words, whether figures of Python routes count too.
COMPARED = (("one_row_p50_ns", "one row, p50"), ("one_row_p99_ns", "one row, p99"),
            ("batch_ns_per_row", "batch, per row"), ("load_first_ns", "load + first row"),
            ("file_bytes", "file"), ("pss_bytes", "memory"))
# The least time of a figure, which neighbours on the machine disturb least.
BEST = {"one_row_p50_ns": "one_row_best_ns", "batch_ns_per_row": "batch_best_ns_per_row"}
# Goals: model, figure, peer, times.
GOALS = (("rf200", "one_row_p50_ns", "naive", 18), ("rf200", "one_row_p50_ns", "scikit-learn", 700),
         ("rf200", "batch_ns_per_row", "scikit-learn", 13),
         ("rf200_d10", "one_row_p50_ns", "naive", 16),
         ("rf200_d10", "batch_ns_per_row", "scikit-learn", 20),
         ("xgb500_d6", "one_row_p50_ns", "xgboost", 20),
         ("xgb500_d6", "batch_ns_per_row", "xgboost", 12),
         ("xgb1000_d8", "one_row_p50_ns", "xgboost", 15),
         ("xgb1000_d8", "batch_ns_per_row", "xgboost", 12),
         ("lgb1000_l31", "one_row_p50_ns", "lightgbm", 8),
         ("lgb1000_l31", "one_row_p50_ns", "lleaves", 3),
         ("lgb1000_l31", "batch_ns_per_row", "lightgbm", 12),
         ("lgb1000_l31", "batch_ns_per_row", "lleaves", 2))


def read_results(path):
    """(context, {model: {peer: {figure: value}}}); numbers become floats."""
    context = {}
    results = {}
    with open(path, newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            value = row["value"]
            try:
                value = float(value)
            except ValueError:
                pass
            if row["peer"] == "context":
                context[row["figure"]] = row["value"]
            else:
                results.setdefault(row["model"], {}).setdefault(row["peer"], {})[
                    row["figure"]] = value
    return context, results


def peers_of(peers):
    """What was measured, without trainer and empty call."""
    return {name: figures for name, figures in peers.items()
            if name not in NOT_PEERS and "one_row_p50_ns" in figures}


# ---- text ---------------------------------------------------------------------------------------

def short(value):
    """Three significant digits, no exponent."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def time_text(nanoseconds):
    if nanoseconds is None:
        return ""
    for unit, size in (("s", 1e9), ("ms", 1e6), ("µs", 1e3)):
        if nanoseconds >= size:
            return f"{short(nanoseconds / size)} {unit}"
    return f"{nanoseconds:.0f} ns"


def bytes_text(count):
    if count is None:
        return ""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{short(count / size)} {unit}"
    return f"{count:.0f} B"


def text_of(figure, value):
    return bytes_text(value) if figure.endswith("bytes") else time_text(value)


def ratio_text(other, ours):
    if not other or not ours:
        return ""
    ratio = other / ours
    return f"{ratio:.0f} x" if ratio >= 20 else f"{ratio:.1f} x" if ratio >= 1 else f"{ratio:.2f} x"


def difference_text(figures):
    if figures.get("own_model"):
        return "own model"
    if figures.get("bit_identical") == 1:
        return "same bits"
    worst = figures.get("difference_max")
    if worst is None:
        return ""
    if worst == 0:
        return "equal"
    return f"{worst:.1g}"


def print_table(rows, left=1):
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for number, row in enumerate(rows):
        cells = [cell.ljust(width) if i < left else cell.rjust(width)
                 for i, (cell, width) in enumerate(zip(row, widths))]
        print("| " + " | ".join(cells) + " |")
        if number == 0:
            print("|" + "|".join("-" * (width + 2) if i < left else "-" * (width + 1) + ":"
                                 for i, width in enumerate(widths)) + "|")


# ---- tables -------------------------------------------------------------------------------------

def print_model(peers):
    measured = peers_of(peers)
    ours = measured.get("espalier", {})
    rows = [["", "one row, p50", "p99", "p99.9", "×", "batch, per row", "×", "load + first row",
             "file", "memory", "answers"]]
    order = sorted(measured, key=lambda name: (name != "espalier",
                                               measured[name]["one_row_p50_ns"]))
    for name in order:
        figures = measured[name]
        is_python = figures["one_row_route"] == "Python"
        rows.append([
            f"{name}{' ¹' if is_python else ''}", time_text(figures["one_row_p50_ns"]),
            time_text(figures.get("one_row_p99_ns")), time_text(figures.get("one_row_p999_ns")),
            "" if figures is ours else ratio_text(figures["one_row_p50_ns"],
                                                  ours.get("one_row_p50_ns")),
            time_text(figures.get("batch_ns_per_row")),
            "" if figures is ours else ratio_text(figures.get("batch_ns_per_row"),
                                                  ours.get("batch_ns_per_row")),
            time_text(figures.get("load_first_ns")), bytes_text(figures.get("file_bytes")),
            bytes_text(figures.get("pss_bytes")), difference_text(figures)])
    print_table(rows)
    missing = [f"{name}: {figures['not_measured']}" for name, figures in peers.items()
               if "not_measured" in figures]
    if missing:
        print("\nNot measured: " + "; ".join(missing) + ".")
    if ours.get("kernel"):
        print(f"\nEspalier: {ours['kernel']}.")


def print_goals(results):
    """The goals are for a machine with AVX-512; a third of each is the goal on one without."""
    rows = [["goal with AVX-512", "measured", "", "a third", "best passes"]]
    words = dict(COMPARED)
    for model, figure, peer, times in GOALS:
        peers = peers_of(results.get(model, {}))
        ours, other = (peers.get(name, {}) for name in ("espalier", peer))
        if not (ours.get(figure) and other.get(figure)):
            continue
        reached = other[figure] / ours[figure]
        best = BEST[figure]
        rows.append([f"{model}, {words[figure]}: {times} x {peer}",
                     ratio_text(other[figure], ours[figure]),
                     "held" if reached >= times else "missed",
                     "held" if reached >= times / 3 else "missed",
                     ratio_text(other[best], ours[best])
                     if other.get(best) and ours.get(best) else ""])
    if len(rows) > 1:
        print("\n### Goals\n")
        print_table(rows)


def losses(results):
    """(model, words, peer, its figure, ours) wherever a peer is ahead of Espalier."""
    for model, peers in results.items():
        measured = peers_of(peers)
        ours = measured.pop("espalier", None)
        if ours is None:
            continue
        for figure, words in COMPARED:
            for peer, figures in measured.items():
                if figure in figures and figure in ours and figures[figure] < 0.98 * ours[figure]:
                    yield model, words, peer, figure, figures[figure], ours[figure]


def print_losses(results):
    rows = [["model", "figure", "ahead", "it", "Espalier", "×"]]
    for model, words, peer, figure, theirs, ours in losses(results):
        rows.append([model, words, peer, text_of(figure, theirs), text_of(figure, ours),
                     ratio_text(ours, theirs)])
    if not any("espalier" in peers_of(peers) for peers in results.values()):
        return
    print("\n### Where Espalier is behind\n")
    if len(rows) == 1:
        print("Nowhere in this run.")
    else:
        print_table(rows, left=3)


NOTES = """
¹ measured through Python, whose own cost per call is part of the figure; all others are called by
one compiled loop. × is the peer's time by Espalier's. Memory is the proportional set size of a
fresh Python process with the peer's package, after loading and 1,000 rows. Answers: `same bits` as
the trainer's, `equal` in value, or the largest difference; `own model`: another model of the same
size, trained by the peer itself.
"""


def main():
    if len(sys.argv) != 2:
        print("usage: peer_tables.py FILE.csv", file=sys.stderr)
        return 2
    context, results = read_results(sys.argv[1])
    versions = [f"{name.removeprefix('version ')} {value}" for name, value in context.items()
                if name.startswith("version ")]
    print(f"{context.get('date', '')}, {context.get('cpu', '')}, {context.get('kernel', '')}, "
          f"{context.get('compiler', '')}, Python {context.get('python', '')}; "
          + ", ".join(versions) + ".")
    print(NOTES)
    for model, peers in results.items():
        about = peers.get("trainer", {})
        print(f"**{model}**: {about.get('title', '')}\n")
        if "not_measured" in about:
            print(f"Not measured: {about['not_measured']}.\n")
            continue
        print_model(peers)
        print()
    print_goals(results)
    print_losses(results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
