"""Speed and memory, compared with other libraries.

Parts:

  training      an epoch, including data loading and augmentation: octsk, the report's
                pipeline (plain Keras and ImageDataGenerator), scikeras with Keras's random
                layers, and PyTorch (channels last) and skorch if installed
  precision     bfloat16 compared with float32: time of an epoch, and accuracy on held-out
                images over several seeds
  fits          fixed cost and memory of many fits on few images: octsk and scikeras
  prediction    one image and many images: octsk, the compiled Keras model, Keras's
                predict, ONNX Runtime; memory for prediction
  augmentation  time per image: octsk, ImageDataGenerator, Keras's random layers; its share
                of an epoch
  search        GridSearchCV: n_jobs=2 and serial
  start         imports, the command line, and the parts of the first fit
  scaling       an epoch of Small for different numbers of images, image sizes and batch
                sizes
  memory        memory that a fit adds to a data set in memory; a memory-mapped data set,
                with a memory limit that a copy of it would exceed (Linux)

Each measurement runs in its own Python process, or the contenders take turns in one. Ratios
are computed turn by turn. The images are phantoms. The last table lists the project's
performance goals and whether they are met.
"""

import importlib.util
import math
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks._apart import run_apart
from benchmarks._common import (
    N_TRAIN,
    add_banner,
    at_least,
    new_parser,
    new_result,
    ratios,
    run_interleaved,
    save,
    show,
)
from benchmarks._goals import format_figures, goal, goal_table, ratio_goals
from benchmarks._shown import draw, part_tables
from benchmarks.full_fit import BATCH_SIZE, N_FEW, OPTIMIZERS, steady, write_phantoms
from benchmarks.long_haul import GOAL as MOST_GROWTH
from octsk.utils.tables import Table

# Function that trains each contender, its further arguments, and the package that it needs.
TRAININGS: dict[str, tuple[str, dict[str, Any], str]] = {
    "octsk": ("full_fit:fit_octsk", {}, "octsk"),
    "octsk, bfloat16": ("full_fit:fit_octsk", {"precision": "bfloat16"}, "octsk"),
    "report's pipeline": ("full_fit:fit_as_in_report", {}, "keras"),
    "scikeras": ("_peers:fit_scikeras", {}, "scikeras"),
    "PyTorch": ("_peers:fit_torch", {}, "torch"),
    "PyTorch, bfloat16": ("_peers:fit_torch", {"bfloat16": True}, "torch"),
    "skorch": ("_peers:fit_skorch", {}, "skorch"),
}
# Goals of the project for the time of an epoch relative to octsk's.
TRAINING_GOALS = {
    "small": {"report's pipeline": 2.8, "PyTorch": 1.9},
    "medium": {"report's pipeline": 1.6, "PyTorch": 1.4},
}
# The network that bfloat16 should speed up, and that with the most layers between products.
REDUCED_NETS = ("medium", "residual")
# Memory limit of a fit on memory-mapped images beyond that of a fit on few of them, in
# multiples of the size of all images. It is too small for a copy, even as uint8.
MAPPED_SHARE = 0.5
# The goal of the project is "near-linear in the number of images". Time grows as a power of
# this number, and this is the largest exponent that counts as near-linear.
NEARLY_LINEAR = 1.05


def comparison(title, values, ours, *, unit="s", goals=None) -> dict[str, Any]:
    """Create the record of a measurement of several contenders.

    Parameters
    ----------
    title : str
        Description of the measurement.
    values : dict of list of float
        Values of each contender in seconds or bytes, one for each repeat. Less is better.
    ours : str
        Contender by whose values those of the others are divided.
    unit : {"s", "ms", "µs", "MB"}
        Unit to show the values in.
    goals : dict of float
        Goals of the project for the ratio of a contender to `ours`, as lower bounds.
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
    """Compare the time of an epoch of each network."""
    comparisons, notes, goals = [], [], []
    fast = _has_fast_bfloat16()
    for net in arguments.nets:
        # A step of Medium takes about twenty times as long.
        n = arguments.n if net == "small" else max(BATCH_SIZE, arguments.n // 16)
        where = folder / net
        where.mkdir()
        path = str(write_phantoms(n, where))
        contenders = {
            name: partial(_epoch_seconds, f"benchmarks.{target}", path, net, n, further)
            for name, (target, further, package) in TRAININGS.items()
            if importlib.util.find_spec(package)
            and (fast or name != "octsk, bfloat16")  # octsk would use float32
        }
        values = run_interleaved(contenders, arguments.repeats)
        title = f"An epoch of {net.title()} on {n:,} images"
        comparisons.append(comparison(title, values, "octsk", goals=TRAINING_GOALS[net]))
        if net in REDUCED_NETS:
            goals.append(_bfloat16_goal(title, values, fast))
        notes.append(_describe_arithmetic(net, n, values["octsk"]))
    return {"comparisons": comparisons, "notes": notes, "goals": goals}


def _bfloat16_goal(title, values, fast) -> dict[str, Any]:
    ours, theirs = values.get("octsk, bfloat16"), values.get("PyTorch, bfloat16")
    return goal(
        f"{title}: PyTorch in bfloat16 relative to octsk in bfloat16",
        _quotients(theirs, ours) if ours and theirs else None,
        1,
        why="PyTorch is not installed" if fast and not theirs else _why_float32(fast),
    )


def _has_fast_bfloat16() -> bool:
    return run_apart("octsk.training._precision:has_fast_bfloat16")


def _why_float32(fast) -> str:
    reason = "no fast bfloat16 products on this machine: octsk uses float32"
    return "" if fast else reason


def _epoch_seconds(target, path, net, n, further) -> float:
    return steady(
        run_apart(target, path=path, net=net, n=n, epochs=2, **further)["training"]
    )


def _describe_arithmetic(net, n, seconds) -> str:
    found = _timing("arithmetic", net=net)
    speed = found["operations"] * n / statistics.median(seconds)
    return (
        f"{net.title()}: octsk trains at {speed / 1e9:,.0f} GFLOP/s, counting the "
        "operations of direct convolutions and including everything else in an epoch. A "
        "product of two large float32 matrices runs at "
        f"{found['product'] / 1e9:,.0f} GFLOP/s."
    )


def precision(arguments, folder) -> dict[str, Any]:
    """Compare the time and the held-out loss and accuracy of bfloat16 and float32."""
    fast = _has_fast_bfloat16()
    why = _why_float32(fast)
    if not (fast or arguments.any_bfloat16):
        return {"goals": _precision_goals(None, None, why)}
    n = max(BATCH_SIZE, arguments.n // 8)
    turns = {net: _precision_turns(net, n, arguments) for net in REDUCED_NETS}
    seconds = {net: _each(turns[net], lambda turn: turn["seconds"]) for net in turns}
    medium = seconds["medium"]
    return {
        "comparisons": [
            comparison(f"An epoch of {net.title()} on {n:,} images", values, "bfloat16")
            for net, values in seconds.items()
        ],
        "held_out": turns,
        "goals": _precision_goals(
            _quotients(medium["float32"], medium["bfloat16"]),
            _in_noise(turns["medium"]),
            why,
        ),
    }


def _precision_turns(net, n, arguments) -> dict[str, list[dict[str, float]]]:
    def train(name, seeds):
        return _timing(
            "precision",
            net=net,
            n=n,
            epochs=arguments.epochs,
            precision=name,
            seed=next(seeds),
            anywhere=arguments.any_bfloat16,
        )

    return run_interleaved(
        {
            name: partial(train, name, iter(range(arguments.seeds)))
            for name in ("float32", "bfloat16")
        },
        arguments.seeds,
    )


def _precision_goals(faster, difference, why) -> list[dict[str, Any]]:
    return [
        goal("Medium, float32 relative to bfloat16", faster, 1.8, why=why),
        goal(
            "Medium in bfloat16, held-out loss: difference relative to that between seeds",
            difference,
            1,
            at_most=True,
            why=why,
        ),
    ]


def _in_noise(turns) -> list[float]:
    """Divide the mean difference of losses by the deviation of float32 between seeds."""
    exact, reduced = (
        [turn["loss"] for turn in turns[name]] for name in ("float32", "bfloat16")
    )
    difference = statistics.mean(reduced) - statistics.mean(exact)
    return [abs(difference) / statistics.stdev(exact)]


def fits(arguments, folder) -> dict[str, Any]:
    """Compare the time and memory of many fits on few images."""
    n, n_fits = arguments.n_small, arguments.fits
    turns = run_interleaved(
        {
            name: partial(_timing, "fits", contender=name, n_fits=n_fits, n=n)
            for name in ("octsk", "octsk, augmented", "scikeras")
        },
        arguments.repeats,
    )
    title = f"fits of Small on {n} images, one epoch"
    total = _each(turns, lambda turn: sum(turn["seconds"]))
    fixed = _each(turns, _fixed_cost)
    comparisons = [
        comparison(f"{n_fits} {title}", total, "octsk", goals={"scikeras": 3}),
        comparison(f"Fixed cost of later {title}", fixed, "octsk", unit="ms"),
    ]
    goals = [
        goal(f"Fixed cost of a later fit of {name}", fixed[name], 0.3, "s", at_most=True)
        for name in ("octsk", "octsk, augmented")
    ]
    grown, notes = None, []
    if turns["octsk"][0]["memory"][0] is not None:
        grown = _each(turns, _growth)
        notes = [
            f"{name}: memory grows by {format_figures(shares, '%')} from a fifth of the "
            f"{n_fits} fits to the last one."
            for name, shares in grown.items()
        ]
    goals.append(
        goal(
            f"Memory that {n_fits} fits add after the first fifth",
            grown and grown["octsk"],
            MOST_GROWTH,
            "%",
            at_most=True,
            why="" if grown else "only Linux reports memory",
        )
    )
    return {"comparisons": comparisons, "goals": goals, "notes": notes, "turns": turns}


def _each(turns, measure) -> dict[str, list[Any]]:
    """Apply a function to each repeat of each contender."""
    return {name: [measure(turn) for turn in those] for name, those in turns.items()}


def _quotients(theirs, ours) -> list[float]:
    """Divide values element by element."""
    return [a / b for a, b in zip(theirs, ours, strict=True)]


def _fixed_cost(turn) -> float:
    """Return the seconds of a fit after the first, without its training steps."""
    return statistics.median(turn["seconds"][1:]) - turn["steps"]


def _growth(turn) -> float:
    """Return the relative growth of memory from a fifth of the fits to the last one."""
    memory = turn["memory"][len(turn["memory"]) // 5 :]
    return memory[-1] / memory[0] - 1


def prediction(arguments, folder) -> dict[str, Any]:
    """Compare the time to predict one image and many images."""
    n = arguments.n
    seconds = _timing(
        "prediction",
        n=n,
        n_single=arguments.single,
        repeats=arguments.repeats,
        folder=str(folder),
    )
    one, batch = seconds["one"], seconds["batch"]
    comparisons = [
        comparison("One image, Small, median", one, "octsk", unit="ms"),
        comparison(f"{n:,} images, Small", batch, "octsk"),
    ]
    peaks = run_interleaved(
        {
            f"{part:,} images": partial(_timing, "prediction_peak", n=n, part=part)
            for part in (256, n)
        },
        arguments.repeats,
    )
    few = next(iter(peaks))
    if peaks[few][0] is not None:
        title = f"Peak memory of a prediction, with {n:,} images in memory"
        comparisons.append(comparison(title, peaks, few, unit="MB"))
    behind = _quotients(batch["octsk"], batch["bare compiled model"])
    goals = [
        goal("One image, Small, median", one["octsk"], 0.001, "ms", at_most=True),
        goal(
            f"{n:,} images, Small: octsk relative to the bare compiled model",
            behind,
            1.05,
            at_most=True,
        ),
    ]
    return {"comparisons": comparisons, "goals": goals}


def augmentation(arguments, folder) -> dict[str, Any]:
    """Compare the augmentation of an image on one core, and its share of an epoch."""
    n, repeats = arguments.n, arguments.repeats
    # With so many images, the start of a pass is negligible, as in an epoch of OCTMNIST.
    many = 4 * n
    speeds = run_apart(
        "benchmarks.augmentation_speed:measure", n=many, repeats=repeats, preset="training"
    )
    seconds = {name: [1 / speed for speed in speeds[name]] for name in speeds}
    parts = _timing("augmentation_parts", n=many, repeats=repeats)
    epochs = run_interleaved(
        {
            name: partial(_timing, "epoch", n=n, augmentation=augmented)
            for name, augmented in (("augmented", True), ("not augmented", False))
        },
        repeats,
    )
    cpu = _each(epochs, lambda turn: turn["cpu"])
    asked = {"ImageDataGenerator": 6, "Keras layers": 8, "Keras layers, eager": 20}
    ours = "octsk, in a fit"
    title, whole = "Augmentation of an image, one core, CPU time", "the whole"
    wanted = [one / asked["Keras layers"] for one in seconds["Keras layers"]]
    share = [1 - plain for plain in _quotients(cpu["not augmented"], cpu["augmented"])]
    return {
        "comparisons": [
            comparison(title, seconds, ours, unit="µs", goals=asked),
            comparison(f"{title}: breakdown of octsk's time", parts, whole, unit="µs"),
            comparison(
                f"An epoch of Small on {n:,} images, CPU time", cpu, "not augmented"
            ),
        ],
        "notes": [
            "The goal relative to Keras's compiled layers corresponds to "
            f"{format_figures(wanted, 'µs')} per image."
        ],
        "goals": [
            goal(
                "Augmentation, share of an epoch of Small, CPU time",
                share,
                0.05,
                "%",
                at_most=True,
            )
        ],
    }


def search(arguments, folder) -> dict[str, Any]:
    """Compare a search with two processes and one with a single process."""
    n = 16 * arguments.n_small
    seconds = _timing("search", n=n, epochs=arguments.epochs, repeats=arguments.repeats)
    first = seconds.pop("n_jobs=2, first")
    title = f"GridSearchCV of Small, 6 fits on {n:,} images, {arguments.epochs} epochs each"
    goals = {"serial": 1.4}
    return {
        "comparisons": [comparison(title, seconds, "n_jobs=2", goals=goals)],
        "notes": [
            f"The first search with n_jobs=2 took {first[0]:.1f} s, including the start of "
            "the processes."
        ],
    }


def start(arguments, folder) -> dict[str, Any]:
    """Measure the time of imports, of the command line and of the parts of a first fit."""
    python = [sys.executable]
    commands = {
        "python": [*python, "-c", "pass"],
        "import octsk": [*python, "-c", "import octsk"],
        "octsk --help": [*python, "-c", "import octsk.cli; octsk.cli.main()", "--help"],
    }
    values = run_interleaved(
        {name: partial(_run, command) for name, command in commands.items()},
        arguments.repeats,
    )
    turns = [_timing("start") for _ in range(arguments.repeats)]
    parts = {name: [turn[name] for turn in turns] for name in turns[0]}
    return {
        "comparisons": [
            comparison("Commands", values, "python"),
            comparison("Parts of a first fit", parts, "every fit: network, two steps"),
        ],
        "goals": [
            goal(name, values[name], seconds, "s", at_most=True)
            for name, seconds in (("import octsk", 0.3), ("octsk --help", 0.5))
        ],
    }


def _run(command) -> float:
    started = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - started


def scaling(arguments, folder) -> dict[str, Any]:
    """Measure an epoch by the number of images, their size and the batch size."""
    n = arguments.n
    curves: dict[str, list[dict[str, int]]] = {
        "images": [{"n": size} for size in arguments.sizes],
        "image size": [{"n": n // 16, "side": side} for side in (28, 56, 112, 224)],
        "batch size": [{"n": n // 4, "batch_size": size} for size in (8, 32, 128, 512)],
    }
    default = {"side": 28, "batch_size": BATCH_SIZE}
    measured = {}
    for axis, points in curves.items():
        settings = [{**default, **point} for point in points]
        turns = run_interleaved(
            {str(i): partial(_timing, "epoch", **s) for i, s in enumerate(settings)},
            arguments.repeats,
        )
        measured[axis] = [
            {**s, "turns": one} for s, one in zip(settings, turns.values(), strict=True)
        ]
    return {"curves": measured, "goals": [_growth_goal(measured["images"])]}


def _growth_goal(points) -> dict[str, Any]:
    """Return the goal for the exponent of time from the first to the last point."""
    first, last = points[0], points[-1]
    powers = [
        math.log(b["seconds"] / a["seconds"]) / math.log(last["n"] / first["n"])
        for a, b in zip(first["turns"], last["turns"], strict=True)
    ]
    what = f"Exponent of the time of an epoch, from {first['n']:,} to {last['n']:,} images"
    return goal(what, powers, NEARLY_LINEAR, "", at_most=True)


def memory(arguments, folder) -> dict[str, Any]:
    """Measure the memory of a fit on images in memory and on memory-mapped images."""
    added, in_memory = _set_in_memory(arguments)
    mapped, memory_mapped = _memory_mapped(arguments, folder)
    return {
        "comparisons": [comparison(**c, unit="MB") for c in (added, mapped) if c],
        "goals": [in_memory, memory_mapped],
    }


def _set_in_memory(arguments) -> tuple[dict[str, Any] | None, dict[str, Any]]:
    """Compare the peak memory of fits on all images and on few of them."""
    n = arguments.n_set
    turns = run_interleaved(
        {
            f"fit on {part:,} of them": partial(_timing, "set_in_memory", n=n, part=part)
            for part in (min(N_FEW, n // 2), n)
        },
        arguments.repeats,
    )
    asked = partial(
        goal,
        f"A fit on {n:,} images adds, relative to the size of their array",
        bound=1.5,
        unit="sizes",
        at_most=True,
    )
    few, many = turns.values()
    if few[0]["peak"] is None:
        return None, asked(None, why="only Linux reports the peak memory")
    added = [(b["peak"] - a["peak"]) / b["bytes"] for a, b in zip(few, many, strict=True)]
    size = f"{many[0]['bytes'] / 1e6:,.0f} MB"
    title = f"Peak memory with {n:,} images of 28 px in memory ({size})"
    peaks = _each(turns, lambda turn: turn["peak"])
    return {"title": title, "values": peaks, "ours": next(iter(turns))}, asked(added)


def _memory_mapped(arguments, folder) -> tuple[dict[str, Any] | None, dict[str, Any]]:
    """Fit on memory-mapped images under a memory limit."""
    path, side = str(folder / "images.npy"), arguments.side
    n = _timing("write_images", path=path, n_bytes=arguments.megabytes * 10**6, side=side)
    images = f"{n:,} mapped images of {side} px ({arguments.megabytes:,} MB)"
    few = max(64, n // 16)
    asked = partial(
        goal,
        f"A fit on {arguments.megabytes:,} MB of mapped images adds, "
        "relative to their size",
        bound=MAPPED_SHARE,
        unit="sizes",
        at_most=True,
    )
    try:
        turns = [
            _timing("memory_mapped", path=path, few=few, share=MAPPED_SHARE)
            for _ in range(arguments.repeats)
        ]
    except subprocess.CalledProcessError as error:
        why = f"the process failed under the limit (exit status {error.returncode})"
        return None, asked(None, why=why) | {"met": False}
    if turns[0]["limit"] is None:
        return None, asked(None, why="only Linux supports this limit")
    if any(turn["copy"] for turn in turns):
        return None, asked(None, why="a copy was possible under the limit")
    peaks = {
        f"fit on {few:,}": [turn["before"] for turn in turns],
        "fit on all, under the limit": [turn["peak"] for turn in turns],
    }
    grown = [(turn["peak"] - turn["before"]) / turn["bytes"] for turn in turns]
    title = f"Private memory of the process, {images}"
    found = {"title": title, "values": peaks, "ours": f"fit on {few:,}"}
    why = (
        f"compared with a fit on {few:,}, with {MAPPED_SHARE:g} sizes of further memory "
        "allowed, under which a uint8 copy of the images failed"
    )
    return found, asked(grown, why=why)


def _timing(function, **settings) -> Any:
    return run_apart(f"benchmarks._timings:{function}", **settings)


PARTS: dict[str, Callable[..., dict[str, Any]]] = {
    part.__name__: part
    for part in (
        training,
        precision,
        fits,
        prediction,
        augmentation,
        search,
        start,
        scaling,
        memory,
    )
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
        help="networks of the part training (default: all)",
    )
    for option, default, smallest, meaning in (
        ("--repeats", 3, 1, "repeats of each measurement"),
        ("--n", 8192, 512, "images of most parts; augmentation uses four times as many"),
        ("--n-small", 64, 32, "images of the part fits; search uses 16 times as many"),
        ("--fits", 100, 3, "fits of the part fits"),
        ("--single", 200, 1, "single images in each repeat of the part prediction"),
        ("--epochs", 5, 1, "epochs of a fit in the parts precision and search"),
        ("--seeds", 5, 2, "seeds of the part precision"),
        ("--n-set", N_TRAIN, 512, "images in memory of the part memory"),
        ("--megabytes", 1000, 1, "megabytes of memory-mapped images"),
        ("--side", 224, 16, "height and width of memory-mapped images"),
    ):
        parser.add_argument(
            option,
            type=at_least(smallest),
            default=default,
            help=f"{meaning} (default %(default)s)",
        )
    parser.add_argument(
        "--sizes",
        nargs="+",
        type=at_least(BATCH_SIZE),
        default=[1_000, 10_000, N_TRAIN],
        help="numbers of images of the part scaling, ascending (default %(default)s)",
    )
    parser.add_argument(
        "--any-bfloat16",
        action="store_true",
        help="part precision: train in bfloat16 even where octsk would use float32",
    )
    parser.add_argument("--plot", metavar="FILE", help="draw the result to this file")
    arguments = parser.parse_args(argv)
    skipped = {"parts", "output", "plot"}
    settings = {k: v for k, v in vars(arguments).items() if k not in skipped}
    result = new_result("speed", settings) | {"goals": [], "parts": {}}
    for name in arguments.parts:
        with tempfile.TemporaryDirectory() as folder:
            part = PARTS[name](arguments, Path(folder))
        asked = [g for one in part.get("comparisons", []) for g in ratio_goals(one)]
        result["goals"] += [*asked, *part.pop("goals", [])]
        result["parts"][name] = part
        show(part_tables(part))
        print(flush=True)
        save(result, arguments.output)  # intermediate results
    show([goal_table(result["goals"])])
    if arguments.plot:
        draw(result, arguments.plot)
    return result


def tables(result: dict[str, Any]) -> list[Table]:
    """Return the tables of a result, which may have been read from its file."""
    found = [goal_table(result["goals"])] if result.get("goals") else []
    for part in result["parts"].values():
        found += part_tables(part)
    return add_banner(found, synthetic=True)


if __name__ == "__main__":
    main()
