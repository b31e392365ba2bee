"""Speed and memory of octsk beside its peers, all in one run: ratios with their spread.

Parts:

  training      an epoch, data and augmentation included: octsk in float32 and bfloat16,
                the report's pipeline (plain Keras and ImageDataGenerator), scikeras with
                Keras's random layers, PyTorch (channels last) and skorch where installed
  fits          many fits on few images: octsk and scikeras, fixed cost and memory
  prediction    one image and many: octsk, the bare compiled model, Keras's predict, ONNX
                Runtime
  augmentation  an image: octsk, ImageDataGenerator, Keras's random layers
  search        GridSearchCV: n_jobs=2 and serial
  start         imports, the command line, the first fit taken apart
  scaling       an epoch of Small against images, their size and the batch size
  memory        memory-mapped images: memory against their number

Each measurement has a Python process of its own, or contenders take turns in one; ratios
are formed turn by turn. The images are phantoms.
"""

import importlib.util
import statistics
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks._apart import run_apart
from benchmarks._common import (
    at_least,
    interleaved,
    labelled,
    new_parser,
    new_result,
    ratio_words,
    ratios,
    save,
    show,
)
from benchmarks.full_fit import BATCH_SIZE, OPTIMIZERS, steady, write_phantoms
from octsk._files import atomic_write
from octsk._tables import Table

# Contender: module and function that trains, further arguments, the package it needs.
TRAININGS: dict[str, tuple[str, dict[str, Any], str]] = {
    "octsk": ("full_fit:fit_octsk", {}, "octsk"),
    "octsk, bfloat16": ("full_fit:fit_octsk", {"precision": "bfloat16"}, "octsk"),
    "report's pipeline": ("full_fit:fit_as_in_report", {}, "keras"),
    "scikeras": ("_peers:fit_scikeras", {}, "scikeras"),
    "PyTorch": ("_peers:fit_torch", {}, "torch"),
    "PyTorch, bfloat16": ("_peers:fit_torch", {"bfloat16": True}, "torch"),
    "skorch": ("_peers:fit_skorch", {}, "skorch"),
}


def comparison(title, values, ours, *, unit="s", goals=None) -> dict[str, Any]:
    """Put one measurement of several contenders on record.

    Parameters
    ----------
    title : str
        What was measured.
    values : dict of list of float
        Per contender one value a turn, less being better.
    ours : str
        The contender that the others are divided by.
    unit : {"s", "ms", "µs", "MB"}
        Unit to show them in; the values are in seconds or bytes.
    goals : dict of float
        What the project asks of the ratio to a contender, at least.
    """
    return {
        "title": title,
        "unit": unit,
        "ours": ours,
        "values": values,
        "ratios": {
            name: ratios(theirs, values[ours])
            for name, theirs in values.items()
            if name != ours
        },
        "goals": goals or {},
    }


def training(arguments, folder) -> dict[str, Any]:
    """Compare an epoch of each net."""
    comparisons = []
    for net in arguments.nets:
        # A step of Medium takes some twenty times as long.
        n = arguments.n if net == "small" else max(BATCH_SIZE, arguments.n // 16)
        where = folder / net
        where.mkdir()
        path = str(write_phantoms(n, where))
        contenders = {
            name: partial(_epoch_seconds, f"benchmarks.{target}", path, net, n, further)
            for name, (target, further, package) in TRAININGS.items()
            if importlib.util.find_spec(package)
        }
        values = interleaved(contenders, arguments.repeats)
        title = f"An epoch of {net.title()} on {n:,} images"
        goals = {"report's pipeline": {"small": 2.5, "medium": 1.2}[net], "PyTorch": 1}
        comparisons.append(comparison(title, values, "octsk", goals=goals))
        both = {name: values[name] for name in ("octsk", "octsk, bfloat16")}
        goals = {"octsk": 1.8} if net == "medium" else {}
        comparisons.append(
            comparison(f"{title}, in bfloat16", both, "octsk, bfloat16", goals=goals)
        )
    return {"comparisons": comparisons}


def _epoch_seconds(target, path, net, n, further) -> float:
    return steady(
        run_apart(target, path=path, net=net, n=n, epochs=2, **further)["training"]
    )


def fits(arguments, folder) -> dict[str, Any]:
    """Compare many fits on few images."""
    n, n_fits = arguments.n_small, arguments.fits
    measured = interleaved(
        {
            name: partial(_timing, "fits", contender=name, n_fits=n_fits, n=n)
            for name in ("octsk", "scikeras")
        },
        arguments.repeats,
    )

    def each(measure):
        return {name: [measure(turn) for turn in turns] for name, turns in measured.items()}

    title = f"fits of Small on {n} images, one epoch, no augmentation"
    comparisons = [
        comparison(
            f"{n_fits} {title}",
            each(lambda turn: sum(turn["seconds"])),
            "octsk",
            goals={"scikeras": 3},
        ),
        comparison(
            f"Fixed cost of the second and later {title}",
            each(_fixed_cost),
            "octsk",
            unit="ms",
        ),
    ]
    grown = each(_memory_per_fit)
    if grown["octsk"][0] is not None:
        comparisons.append(
            comparison(f"Memory that each leaves, of {title}", grown, "octsk", unit="MB")
        )
    return {"comparisons": comparisons, "turns": measured}


def _fixed_cost(turn) -> float:
    """Seconds of a later fit beyond its training steps."""
    return statistics.median(turn["seconds"][1:]) - turn["steps"]


def _memory_per_fit(turn) -> float | None:
    """Bytes that a fit leaves behind, from the fits after the first fifth."""
    memory = turn["memory"][len(turn["memory"]) // 5 :]
    if memory[0] is None:
        return None
    return (memory[-1] - memory[0]) / max(1, len(memory) - 1)


def prediction(arguments, folder) -> dict[str, Any]:
    """Compare the prediction of one image and of many."""
    measured = _timing(
        "prediction",
        n=arguments.n,
        n_single=arguments.single,
        repeats=arguments.repeats,
        folder=str(folder),
    )
    return {
        "comparisons": [
            comparison("One image, Small, median", measured["one"], "octsk", unit="ms"),
            comparison(f"{arguments.n:,} images, Small", measured["batch"], "octsk"),
        ],
        "peaks": measured["peaks"],
    }


def augmentation(arguments, folder) -> dict[str, Any]:
    """Compare the augmentation of an image on one core."""
    speeds = run_apart(
        "benchmarks.augmentation_speed:measure",
        n=arguments.n,
        repeats=arguments.repeats,
        preset="training",
    )
    seconds = {name: [1 / speed for speed in speeds[name]] for name in speeds}
    goals = {"ImageDataGenerator": 6, "Keras layers": 20, "Keras layers, eager": 20}
    title = "Augmentation of an image, one core, CPU time"
    ours = "octsk, in a fit"
    return {"comparisons": [comparison(title, seconds, ours, unit="µs", goals=goals)]}


def search(arguments, folder) -> dict[str, Any]:
    """Compare a search by two processes with one by one process."""
    n = 16 * arguments.n_small
    seconds = _timing("search", n=n, epochs=arguments.epochs, repeats=arguments.repeats)
    first = seconds.pop("n_jobs=2, first")
    title = f"GridSearchCV of Small, 6 fits on {n:,} images, {arguments.epochs} epochs each"
    goals = {"serial": 1.4}
    return {
        "comparisons": [comparison(title, seconds, "n_jobs=2", goals=goals)],
        "notes": [f"Its first turn, with the start of the processes: {first[0]:.1f} s."],
    }


def start(arguments, folder) -> dict[str, Any]:
    """Time imports, the command line and the parts of a first fit."""
    python = [sys.executable]
    commands = {
        "python": [*python, "-c", "pass"],
        "import octsk": [*python, "-c", "import octsk"],
        "octsk --help": [*python, "-c", "import octsk.cli; octsk.cli.main()", "--help"],
    }
    values = interleaved(
        {name: partial(_run, command) for name, command in commands.items()},
        arguments.repeats,
    )
    turns = [_timing("start") for _ in range(arguments.repeats)]
    parts = {name: [turn[name] for turn in turns] for name in turns[0]}
    return {
        "comparisons": [
            comparison("Commands", values, "python"),
            comparison("Parts of a first fit", parts, "second fit"),
        ]
    }


def _run(command) -> float:
    started = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - started


def scaling(arguments, folder) -> dict[str, Any]:
    """Measure an epoch against the number of images, their size and the batch size."""
    n = arguments.n
    curves: dict[str, list[dict[str, int]]] = {
        "images": [{"n": n // 8}, {"n": n // 4}, {"n": n // 2}, {"n": n}],
        "image size": [{"n": n // 64, "side": side} for side in (28, 56, 112, 224)],
        "batch size": [{"n": n // 4, "batch_size": size} for size in (8, 32, 128, 512)],
    }
    default = {"side": 28, "batch_size": BATCH_SIZE}
    measured = {}
    for axis, points in curves.items():
        settings = [{**default, **point} for point in points]
        turns = interleaved(
            {str(i): partial(_timing, "epoch", **s) for i, s in enumerate(settings)},
            arguments.repeats,
        )
        measured[axis] = [
            {**s, "turns": one} for s, one in zip(settings, turns.values(), strict=True)
        ]
    return {"curves": measured}


def memory(arguments, folder) -> dict[str, Any]:
    """Measure the memory of a fit on memory-mapped images, of all of them and few."""
    path = str(folder / "images.npy")
    n = _timing(
        "write_images", path=path, n_bytes=arguments.megabytes * 10**6, side=arguments.side
    )
    sizes = {f"{part:,} images": part for part in (max(64, n // 16), n)}
    turns = {
        name: _timing("memory_mapped", path=path, n=part) for name, part in sizes.items()
    }
    few, many = turns.values()
    result: dict[str, Any] = {"turns": turns, "comparisons": []}
    if many["peak"] is not None:
        grown = (many["peak"] - few["peak"]) / (many["bytes"] - few["bytes"])
        result["notes"] = [
            f"{name} of {arguments.side} px ({turn['bytes'] / 1e6:,.0f} MB): "
            f"{turn['peak'] / 1e6:,.0f} MB of the process's own memory, "
            f"{turn['seconds']:.0f} s an epoch."
            for name, turn in turns.items()
        ]
        result["notes"].append(f"Growth: {grown:.3f} bytes for a byte of images.")
    return result


def _timing(function, **settings) -> Any:
    return run_apart(f"benchmarks._timings:{function}", **settings)


PARTS: dict[str, Callable[..., dict[str, Any]]] = {
    part.__name__: part
    for part in (training, fits, prediction, augmentation, search, start, scaling, memory)
}


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    parser = new_parser(__doc__)
    parser.add_argument(
        "--parts", nargs="+", choices=PARTS, default=list(PARTS), help="default: all"
    )
    parser.add_argument(
        "--nets",
        nargs="+",
        choices=OPTIMIZERS,
        default=list(OPTIMIZERS),
        help="nets of the part training (default: all)",
    )
    for option, default, smallest, meaning in (
        ("--repeats", 3, 1, "turns of each measurement"),
        ("--n", 8192, 512, "images of an epoch, a prediction, an augmentation"),
        ("--n-small", 64, 32, "images of the part fits; 16 times as many of search"),
        ("--fits", 20, 3, "fits of the part fits"),
        ("--single", 200, 1, "single images that a turn of prediction takes"),
        ("--epochs", 5, 1, "epochs of a fit of the part search"),
        ("--megabytes", 1000, 1, "memory-mapped images"),
        ("--side", 224, 16, "width of a memory-mapped image"),
    ):
        parser.add_argument(
            option,
            type=at_least(smallest),
            default=default,
            help=f"{meaning} (default %(default)s)",
        )
    parser.add_argument("--plot", metavar="FILE", help="draw the result to this file")
    arguments = parser.parse_args(argv)
    skipped = {"parts", "output", "plot"}
    settings = {k: v for k, v in vars(arguments).items() if k not in skipped}
    result = new_result("speed", settings) | {"parts": {}}
    for name in arguments.parts:
        with tempfile.TemporaryDirectory() as folder:
            result["parts"][name] = PARTS[name](arguments, Path(folder))
        show(_part_tables(result["parts"][name]))
        print(flush=True)
        save(result, arguments.output)  # what there is so far
    if arguments.plot:
        _draw(result, arguments.plot)
    return result


UNITS = {"s": 1, "ms": 1e3, "µs": 1e6, "MB": 1e-6}


def tables(result: dict[str, Any]) -> list[Table]:
    """Put a result, also one read from its file, into the tables that are shown."""
    found = [table for part in result["parts"].values() for table in _part_tables(part)]
    return labelled(found, synthetic=True)


def _part_tables(measured) -> list[Table]:
    tables = [_comparison_table(one) for one in measured.get("comparisons", [])]
    tables += [_curve_table(*curve) for curve in measured.get("curves", {}).items()]
    if measured.get("notes"):
        tables.append(Table("Notes", notes=measured["notes"]))
    return tables


def _comparison_table(measured) -> Table:
    unit, ours = measured["unit"], measured["ours"]
    rows = []
    for name, values in measured["values"].items():
        ratio, goal = measured["ratios"].get(name), measured["goals"].get(name)
        rows.append(
            (
                name,
                f"{UNITS[unit] * statistics.median(values):.3g} {unit}",
                ratio_words(ratio) if ratio else "",
                f"{goal:g}" if goal else "",
            )
        )
    header = ("", "median", f"in times of {ours}", "goal, at least")
    return Table(measured["title"], header, rows)


def _curve_table(axis, points) -> Table:
    rows = []
    for point in points:
        seconds = [turn["seconds"] for turn in point["turns"]]
        n_images = f"{point['n']:,} of {point['side']} px, batches of {point['batch_size']}"
        peak = point["turns"][0]["peak"]
        rows.append(
            (
                n_images,
                f"{statistics.median(seconds):.2f} s",
                f"{1e6 * statistics.median(seconds) / point['n']:,.0f} µs",
                "-" if peak is None else f"{peak / 1e6:,.0f} MB",
            )
        )
    header = ("", "epoch", "an image", "peak memory")
    return Table(f"Small against {axis}", header, rows)


def _draw(result, path) -> None:
    """Draw ratios as bars with their ends, curves as lines of time and memory."""
    from matplotlib.figure import Figure

    parts = result["parts"].values()
    comparisons = [one for part in parts for one in part.get("comparisons", [])]
    curves = [curve for part in parts for curve in part.get("curves", {}).items()]
    figure = Figure(
        figsize=(7, 1.8 * (len(comparisons) + len(curves))), layout="constrained"
    )
    axes = figure.subplots(len(comparisons) + len(curves), squeeze=False)[:, 0]
    for ax, one in zip(axes, comparisons, strict=False):
        _draw_ratios(ax, one)
    for ax, curve in zip(axes[len(comparisons) :], curves, strict=True):
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
    ax.barh(names, medians, xerr=ends, color="#0072B2", ecolor="black", capsize=3)
    for name, goal in measured["goals"].items():
        if name in names:
            ax.plot([goal], [name], "D", color="#D55E00")
    ax.axvline(1, color="black", linewidth=0.8)
    ax.set_title(textwrap.fill(measured["title"], 70), fontsize=9)
    ax.set_xlabel(f"in times of {measured['ours']} (median and ends; diamond: goal)")


def _draw_curve(ax, axis, points) -> None:
    key = {"images": "n", "image size": "side", "batch size": "batch_size"}[axis]
    x = [point[key] for point in points]
    seconds = [statistics.median(t["seconds"] for t in point["turns"]) for point in points]
    ax.loglog(x, seconds, "o-", color="#0072B2")
    ax.set(xlabel=axis, ylabel="seconds an epoch", title=f"Small against {axis}")
    peaks = [point["turns"][0]["peak"] for point in points]
    if None not in peaks:
        right = ax.twinx()
        right.plot(x, [peak / 1e6 for peak in peaks], "s--", color="#D55E00")
        right.set_ylim(bottom=0)
        right.set_ylabel("MB, peak (dashed)")


if __name__ == "__main__":
    main()
