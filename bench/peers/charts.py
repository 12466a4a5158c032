# SPDX-License-Identifier: Apache-2.0
"""Draws the CSV of measure_peers.py as SVG files: one row, batches, and loading, a panel per model,
logarithmic. Colours are of middle lightness, on no background, so that the charts read on light and
dark pages; text stays text, and the same CSV gives the same bytes. matplotlib only.
"""

import argparse
import pathlib

import matplotlib

matplotlib.use("svg")
from matplotlib import pyplot  # noqa: E402

from peer_tables import bytes_text, peers_of, read_results, time_text  # noqa: E402

TEXT = "#7a828e"
LINES = "#7a828e55"
OURS = "#2ea36a"
OTHERS = "#6f8fc4"
SLANTED = "#b58a4a"  # measured through Python
HEADLINE = ("rf200", "rf200_d10", "rf200_7", "xgb500_d6", "xgb1000_d8", "lgb1000_l31")
CHARTS = (("peers_one_row", "one_row_p50_ns", "One row: median time of a call"),
          ("peers_batch", "batch_ns_per_row", "10,000 rows at once: time per row"),
          ("peers_load", "load_first_ns", "Load the model and predict the first row"),
          ("peers_file", "file_bytes", "Size of the file that is loaded"))
PANEL_COLUMNS = 2


def set_style():
    matplotlib.rcParams.update({
        "svg.hashsalt": "espalier", "svg.fonttype": "none", "font.family": "sans-serif",
        "font.size": 9, "text.color": TEXT, "axes.labelcolor": TEXT, "axes.edgecolor": LINES,
        "xtick.color": TEXT, "ytick.color": TEXT, "axes.spines.top": False,
        "axes.spines.right": False, "axes.spines.left": False})


def colour_of(name, figures, figure):
    if name == "espalier":
        return OURS
    is_slow_call = figure == "one_row_p50_ns" and figures["one_row_route"] == "Python"
    return SLANTED if is_slow_call else OTHERS


def draw_panel(axes, title, measured, figure):
    bars = sorted(((figures[figure], name) for name, figures in measured.items()
                   if figure in figures), reverse=True)
    values = [value for value, _ in bars]
    names = [name for _, name in bars]
    axes.barh(range(len(bars)), values, height=0.68,
              color=[colour_of(name, measured[name], figure) for name in names])
    axes.set_xscale("log")
    axes.set_xlim(min(values) / 2, max(values) * 4)
    axes.set_yticks(range(len(bars)), names)
    axes.tick_params(axis="y", length=0)
    axes.xaxis.set_major_locator(matplotlib.ticker.NullLocator())
    axes.xaxis.set_minor_locator(matplotlib.ticker.NullLocator())
    axes.spines["bottom"].set_visible(False)
    write = bytes_text if figure.endswith("bytes") else time_text
    for place, value in enumerate(values):
        axes.text(value * 1.12, place, write(value), va="center", fontsize=8)
    axes.set_title(title, fontsize=9, loc="left", color=TEXT)


def choose_models(results):
    """The headline models that were measured; any others when there are none."""
    chosen = [name for name in HEADLINE if peers_of(results.get(name, {}))]
    return chosen or [name for name in results if peers_of(results[name])][:len(HEADLINE)]


def draw(results, models, figure, title, subtitle, path):
    panels = [(name, {peer: figures for peer, figures in peers_of(results[name]).items()
                      if figure in figures}) for name in models]
    panels = [(name, measured) for name, measured in panels if measured]
    if not panels:
        return False
    rows = -(-len(panels) // PANEL_COLUMNS)
    bars = max(len(measured) for _, measured in panels)
    drawing, grid = pyplot.subplots(rows, PANEL_COLUMNS, squeeze=False,
                                    figsize=(9, rows * (0.5 + 0.2 * bars) + 0.7))
    for axes in grid.flat[len(panels):]:
        axes.set_visible(False)
    for axes, (name, measured) in zip(grid.flat, panels):
        draw_panel(axes, results[name]["trainer"]["title"], measured, figure)
    drawing.suptitle(f"{title}\n", x=0.01, ha="left", fontsize=11, color=TEXT)
    drawing.text(0.01, 0.005, subtitle, fontsize=7, color=TEXT)
    drawing.tight_layout(rect=(0, 0.02, 1, 1))
    drawing.savefig(path, transparent=True, metadata={"Date": None, "Creator": None})
    pyplot.close(drawing)
    # matplotlib ends some lines in a blank.
    text = path.read_text(encoding="utf-8")
    path.write_text("\n".join(line.rstrip() for line in text.splitlines()) + "\n",
                    encoding="utf-8")
    return True


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("csv", type=pathlib.Path)
    parser.add_argument("folder", type=pathlib.Path)
    arguments = parser.parse_args()
    context, results = read_results(arguments.csv)
    set_style()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    models = choose_models(results)
    for name, figure, title in CHARTS:
        subtitle = (f"{context.get('cpu', '')}, one thread, {context.get('date', '')}; "
                    "logarithmic, less is better")
        if figure == "one_row_p50_ns":
            subtitle += "; brown: called through Python"
        path = arguments.folder / f"{name}.svg"
        if draw(results, models, figure, title, subtitle, path):
            print(path)


if __name__ == "__main__":
    main()
