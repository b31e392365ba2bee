"""Charts of the measured results, drawn from the files in benchmarks/results/."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from docs._parts.results import FOLDER
from octsk.plots.drawing import COLOURS
from octsk.published import published_results

# The pages have a light and a dark theme, and show the version that suits theirs.
THEMES = {"light": "#222832", "dark": "#ced6dd"}
NETS = ("small", "medium", "large", "residual")
PEERS = ("report's pipeline", "scikeras", "skorch", "PyTorch", "PyTorch, bfloat16")


def _read(root: Path, name: str) -> dict[str, Any]:
    return json.loads((root / FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def draw_accuracy(axes, root: Path) -> None:
    """Draw the balanced accuracy of each network on scans of OCTDL."""
    errors = _read(root, "corruptions_octdl")["summary"]["balanced_error"]
    clean = [1 - np.array(errors[net]["none"]) for net in NETS]
    names = [f"{net.title()}OCTNet" for net in NETS]
    _bars(axes, names, {"measured with octsk on OCTDL": clean})
    axes.set_xlabel("balanced accuracy")
    axes.set_xlim(0, 1)


def draw_published(axes, root: Path) -> None:
    """Draw MedMNIST's published accuracies on OCTMNIST."""
    rows = published_results("octmnist", kind="benchmark", version="v2")
    bars = {"published, on OCTMNIST (other images)": [[row.acc] for row in rows]}
    _bars(axes, [row.method for row in rows], bars, first_colour=1)
    axes.set_xlabel("accuracy (all classes are equally frequent)")
    axes.set_xlim(0, 1)


def draw_robustness(axes, root: Path) -> None:
    """Draw the balanced accuracy of the report's best and the residual network."""
    errors = _read(root, "corruptions_octdl")["summary"]["balanced_error"]
    kinds = sorted(errors["residual"], key=lambda kind: np.mean(errors["residual"][kind]))
    bars = {
        f"{net.title()}OCTNet": [1 - np.array(errors[net][kind]) for kind in kinds]
        for net in ("residual", "medium")
    }
    labels = ["clean" if kind == "none" else kind.replace("_", " ") for kind in kinds]
    _bars(axes, labels, bars)
    axes.set_xlabel("balanced accuracy")
    axes.set_xlim(0, 1)


def draw_training_speed(axes, root: Path) -> None:
    """Draw the time of an epoch of other libraries, relative to octsk's."""
    parts = _read(root, "speed")["parts"]["training"]["comparisons"]
    bars = {}
    for net, part in zip(("SmallOCTNet", "MediumOCTNet"), parts, strict=True):
        ratios = [part["ratios"][peer] for peer in PEERS]
        bars[net] = [[one["low"], one["median"], one["high"]] for one in ratios]
    _bars(axes, PEERS, bars)
    axes.axvline(1, color=axes.xaxis.label.get_color(), linewidth=1)
    axes.set_xlabel("time of an epoch, relative to octsk (1)")


def draw_search_speed(axes, root: Path) -> None:
    """Draw how long ten trials of a search take with one process and with two."""
    sets = {"OCTDL": "search_octdl", "PneumoniaMNIST": "search_pneumoniamnist"}
    turns = {name: _read(root, file)["workers"]["turns"] for name, file in sets.items()}
    kinds = list(turns["OCTDL"])
    bars = {
        name: [[turn["seconds"] for turn in of_set[kind]] for kind in kinds]
        for name, of_set in turns.items()
    }
    labels = [kind.replace("half of them", "half the cores") for kind in kinds]
    _bars(axes, labels, bars)
    axes.set_xlabel("seconds for ten trials of SmallOCTNet")


# The panels of each chart, from top to bottom, with their heights in inches.
CHARTS: dict[str, dict[Callable[..., None], float]] = {
    "accuracy": {draw_accuracy: 1.9, draw_published: 2.5},
    "robustness": {draw_robustness: 4.4},
    "training-speed": {draw_training_speed: 3.0},
    "search-speed": {draw_search_speed: 2.2},
}


def _bars(axes, labels: Sequence[str], groups: dict[str, Sequence], first_colour=0) -> None:
    """Draw groups of horizontal bars of medians, with the range of the values."""
    height = 0.8 / len(groups)
    for k, (name, values) in enumerate(groups.items()):
        middle = np.array([np.median(one) for one in values])
        low = np.array([np.min(one) for one in values])
        high = np.array([np.max(one) for one in values])
        axes.barh(
            np.arange(len(labels)) + (k - (len(groups) - 1) / 2) * height,
            middle,
            height,
            xerr=[middle - low, high - middle],
            color=COLOURS[first_colour + k],
            ecolor=axes.xaxis.label.get_color(),
            error_kw={"elinewidth": 1},
            label=name,
        )
    axes.set_yticks(np.arange(len(labels)), labels)
    axes.invert_yaxis()
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(
        loc="lower left", bbox_to_anchor=(0, 1), ncols=2, frameon=False, borderaxespad=0
    )


def draw_all(root: Path, folder: Path) -> None:
    """Write each chart for each theme as ``<chart>-<theme>.png`` into a folder."""
    import matplotlib
    from matplotlib.figure import Figure

    folder.mkdir(exist_ok=True)
    for theme, ink in THEMES.items():
        names = ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color")
        style = dict.fromkeys((*names, "ytick.color"), ink) | {"font.size": 9}
        for name, panels in CHARTS.items():
            heights = list(panels.values())
            with matplotlib.rc_context(style):
                figure = Figure(figsize=(5, sum(heights)), layout="constrained")
                axes = figure.subplots(len(panels), squeeze=False, height_ratios=heights)
                for draw, ax in zip(panels, axes[:, 0], strict=True):
                    draw(ax, root)
                figure.savefig(folder / f"{name}-{theme}.png", dpi=200, transparent=True)
