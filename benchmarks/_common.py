"""Functions that the scripts share, for data, ratios, tables and files."""

import argparse
import math
import os
import statistics
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from sklearn.utils import Bunch

from octsk.datasets._phantoms import draw_splits
from octsk.evaluation.wording import synthetic_banner
from octsk.utils.environment import environment
from octsk.utils.json import jsonable, write_json
from octsk.utils.tables import Table, tables_to_text

Result = TypeVar("Result")

# Number of training and validation images of OCTMNIST (MedMNIST v2, Scientific Data
# 10(1):41, 2023).
N_TRAIN, N_VAL = 97_477, 10_832
# Both splits are drawn from the training images of OCT2017 (Kermany et al., Cell
# 172(5):1122-1131, 2018; second version of the data), whose classes have these sizes.
TRAINING_SHARES = (37_205, 11_348, 8_616, 51_140)


def new_parser(description: str | None) -> argparse.ArgumentParser:
    """Create an argument parser with a description and the option ``--output``."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help="write the result to this JSON file"
    )
    return parser


def at_least(smallest: int) -> Callable[[str], int]:
    """Return an argument type that accepts integers from `smallest` on."""

    def whole_number(text: str) -> int:
        value = int(text)
        if value < smallest:
            raise argparse.ArgumentTypeError(f"{value} is less than {smallest}")
        return value

    return whole_number


def phantoms(n_train: int) -> Bunch:
    """Draw a data set of phantoms with the proportions of OCTMNIST.

    Parameters
    ----------
    n_train : int
        Number of training images. The validation split and the test split each have about
        a ninth of this number. Training and validation images have the class shares of
        OCTMNIST, test images have equal shares.
    """
    n_val = max(8, round(n_train * N_VAL / N_TRAIN))
    sizes = {"train": n_train, "val": n_val, "test": n_val}
    return draw_splits(sizes, weights=dict.fromkeys(("train", "val"), TRAINING_SHARES))


def run_interleaved(
    contenders: Mapping[str, Callable[[], Result]], repeats: int
) -> dict[str, list[Result]]:
    """Call every contender once in each repeat, in reverse order in every second repeat.

    Other load and the temperature of the machine thus affect all contenders alike.
    """
    results: dict[str, list[Result]] = {name: [] for name in contenders}
    for repeat in range(repeats):
        order = list(contenders)[:: 1 if repeat % 2 == 0 else -1]
        for name in order:
            results[name].append(contenders[name]())
    return results


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> dict[str, float]:
    """Return the median and the range of `ours` / `theirs`, with one ratio per repeat."""
    each = [a / b for a, b in zip(ours, theirs, strict=True)]
    return {"median": statistics.median(each), "low": min(each), "high": max(each)}


def format_ratio(ratio: dict[str, float]) -> str:
    """Format the median and the range of a ratio."""
    return f"{ratio['median']:.2f} ({ratio['low']:.2f} to {ratio['high']:.2f})"


def standard_error(values: Sequence[float]) -> float:
    """Return the standard error of the mean."""
    return statistics.stdev(values) / math.sqrt(len(values))


def format_mean(values: Sequence[float], sign: str = "") -> str:
    """Format a mean with its standard error if there are at least two values.

    The `sign` "+" shows the sign of positive means, as is useful for differences.
    """
    spread = f" ± {standard_error(values):.3f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):{sign}.3f}{spread}"


def new_result(name: str, settings: dict[str, Any]) -> dict[str, Any]:
    """Create the record of one run of a script."""
    return {
        "benchmark": name,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "settings": settings,
        "environment": {**environment(), "cpu": _cpu(), "load": _load()},
    }


def _cpu() -> str | None:
    """Return the name of the processor, or None without /proc."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    names = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model n"))
    return next(names, None)


def _load() -> float | None:
    """Return the load average of the last minute, as a busy machine is slower."""
    return round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None


def add_banner(tables: Sequence[Table], *, synthetic: bool) -> list[Table]:
    """Return the tables, preceded by a banner if their data are synthetic."""
    return [*synthetic_banner({"synthetic": synthetic}), *tables]


def show(tables: Sequence[Table]) -> None:
    """Print tables."""
    print(tables_to_text(tables))


def save(result: dict[str, Any], path: Path | None) -> None:
    """Write the record as JSON unless `path` is None."""
    if path is not None:
        write_json(path, jsonable(result))


def stop(error: Exception) -> NoReturn:
    """End the script with an error message of one line."""
    raise SystemExit(f"error: {error}") from error
