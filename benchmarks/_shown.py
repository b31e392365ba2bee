"""Tables and plots of the results of ``benchmarks.speed``."""

import statistics
import textwrap
from typing import Any

from benchmarks._common import format_mean, format_ratio
from benchmarks._goals import format_figures
from octsk.plots.drawing import COLOURS
from octsk.utils.files import atomic_write
from octsk.utils.tables import Table


def part_tables(measured: dict[str, Any]) -> list[Table]:
    """Convert the measurements of a part to tables."""
    tables = [_comparison_table(one) for one in measured.get("comparisons", [])]
    tables += [_curve_table(*curve) for curve in measured.get("curves", {}).items()]
    if measured.get("held_out"):
        tables.append(_held_out_table(measured["held_out"]))
    if measured.get("notes"):
        tables.append(Table("Notes", notes=measured["notes"]))
    return tables


def _comparison_table(measured) -> Table:
    unit, ours = measured["unit"], measured["ours"]
    rows = []
    for name, values in measured["values"].items():
        ratio, least = measured["ratios"].get(name), measured["goals"].get(name)
        rows.append(
            (
                name,
                format_figures(values, unit),
                format_ratio(ratio) if ratio else "",
                f"{least:g}" if least else "",
            )
        )
    header = ("", "median (min to max)", f"relative to {ours}", "goal, at least")
    return Table(measured["title"], header, rows)


def _held_out_table(turns) -> Table:
    rows = []
    for net, those in turns.items():
        for name, ones in those.items():
            pairs = list(zip(ones, those["float32"], strict=True))
            cells = []
            for measure in ("accuracy", "loss"):
                cells.append(format_mean([turn[measure] for turn in ones]))
                apart = [turn[measure] - exact[measure] for turn, exact in pairs]
                cells.append("" if name == "float32" else format_mean(apart, "+"))
            rows.append((f"{net.title()}, {name}", *cells))
    header = ("", "accuracy", "minus float32", "loss", "minus float32")
    note = "Mean ± standard error over seeds. Differences are those of the same seed."
    return Table("On held-out images", header, rows, [note])


def _curve_table(axis, points) -> Table:
    rows = []
    for point in points:
        seconds = [turn["seconds"] for turn in point["turns"]]
        n_images = f"{point['n']:,} of {point['side']} px, batches of {point['batch_size']}"
        peaks = [turn["peak"] for turn in point["turns"]]
        rows.append(
            (
                n_images,
                format_figures(seconds, "s"),
                f"{1e6 * statistics.median(seconds) / point['n']:,.0f} µs",
                "-" if None in peaks else format_figures(peaks, "MB"),
            )
        )
    header = ("", "epoch", "per image", "peak memory")
    return Table(f"Small against {axis}", header, rows)


def draw(result: dict[str, Any], path: str) -> None:
    """Draw ratios as bars with their ranges, and curves as lines of time and memory."""
    from matplotlib.figure import Figure

    parts = result["parts"].values()
    comparisons = [one for part in parts for one in part.get("comparisons", [])]
    curves = [curve for part in parts for curve in part.get("curves", {}).items()]
    # Create at least one axes, since a part may not have measured anything on this machine.
    n = max(1, len(comparisons) + len(curves))
    figure = Figure(figsize=(7, 1.8 * n), layout="constrained")
    axes = figure.subplots(n, squeeze=False)[:, 0]
    for ax, one in zip(axes, comparisons, strict=False):
        _draw_ratios(ax, one)
    for ax, curve in zip(axes[len(comparisons) :], curves, strict=False):
        _draw_curve(ax, *curve)
    with atomic_write(path) as temporary:
        figure.savefig(temporary)


def _draw_ratios(ax, measured) -> None:
    names, found = list(measured["ratios"]), list(measured["ratios"].values())
    medians = [ratio["median"] for ratio in found]
    ends = [
        [ratio["median"] - ratio["low"] for ratio in found],
        [ratio["high"] - ratio["median"] for ratio in found],
    ]
    ax.barh(names, medians, xerr=ends, color=COLOURS[0], ecolor="black", capsize=3)
    for name, least in measured["goals"].items():
        if name in names:
            ax.plot([least], [name], "D", color=COLOURS[1])
    ax.axvline(1, color="black", linewidth=0.8)
    ax.set_title(textwrap.fill(measured["title"], 70), fontsize=9)
    ax.set_xlabel(f"relative to {measured['ours']} (median, min to max; diamond: goal)")


def _draw_curve(ax, axis, points) -> None:
    key = {"images": "n", "image size": "side", "batch size": "batch_size"}[axis]
    x = [point[key] for point in points]
    seconds = [statistics.median(t["seconds"] for t in point["turns"]) for point in points]
    ax.loglog(x, seconds, "o-", color=COLOURS[0])
    ax.set(xlabel=axis, ylabel="seconds per epoch", title=f"Small against {axis}")
    peaks = [[turn["peak"] for turn in point["turns"]] for point in points]
    if None not in peaks[0]:
        right = ax.twinx()
        right.plot(x, [statistics.median(p) / 1e6 for p in peaks], "s--", color=COLOURS[1])
        right.set_ylim(bottom=0)
        right.set_ylabel("peak memory in MB (dashed)")
