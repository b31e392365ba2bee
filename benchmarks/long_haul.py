"""Growth of memory and open files over many fits and predictions.

The script repeatedly fits a new, tiny network (a few filters, 64 phantoms, one epoch),
then predicts with the last one. It records the resident memory, open file descriptors and
threads of the process. Anything that grows with every call would eventually stop a service
or a long search. Growth is measured after a warm-up of a tenth of the calls, and compared
with the goals. Linux only.
"""

import gc
import os
import resource
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks._apart import run_apart
from benchmarks._common import add_banner, at_least, new_parser, new_result, save, show
from benchmarks._goals import goal, goal_table
from octsk.utils.tables import Table

# Goal of the project for the growth of memory after the warm-up.
GOAL = 0.10
WARM_UP = 0.1
N_LOOKS = 20
# Number of images of consecutive predictions.
SIZES = (1, 2, 7, 64)


def measure(fits: int, predicts: int, filters: int) -> dict[str, list[dict]]:
    """Fit and predict repeatedly, and measure this process at regular intervals."""
    import octsk

    X, y = octsk.make_oct_phantoms(64, random_state=0, return_X_y=True)
    nets = []

    def fit(i: int) -> None:
        net = octsk.SmallOCTNet(filters=(filters,), epochs=1, random_state=i)
        nets[:] = [net.fit(X, y)]

    def predict(i: int) -> None:
        nets[0].predict(X[: SIZES[i % len(SIZES)]])

    return {"fits": _watched(fit, fits), "predicts": _watched(predict, predicts)}


def _watched(call: Callable[[int], None], n: int) -> list[dict]:
    looks = {round(n * share / N_LOOKS) for share in range(1, N_LOOKS + 1)}
    looks.add(_n_warm(n))
    seen = []
    start = time.perf_counter()
    for i in range(n):
        call(i)
        if i + 1 in looks:
            # Objects that Python has not collected yet must not count as growth.
            gc.collect()
            seen.append({"calls": i + 1, "seconds": time.perf_counter() - start, **_look()})
    return seen


def _n_warm(n: int) -> int:
    return max(1, round(WARM_UP * n))


def _look() -> dict[str, int]:
    pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1])
    return {
        "bytes": pages * resource.getpagesize(),
        "descriptors": len(os.listdir("/proc/self/fd")),
        "threads": len(os.listdir("/proc/self/task")),
    }


def growth(seen: Sequence[dict]) -> dict[str, float]:
    """Return the growth from the end of the warm-up to the last measurement."""
    last, warm = seen[-1], _warm(seen)
    calls = max(1, last["calls"] - warm["calls"])
    added = {k: last[k] - warm[k] for k in ("bytes", "descriptors", "threads")}
    return {
        **added,
        "bytes_per_call": added["bytes"] / calls,
        "share_of_bytes": added["bytes"] / warm["bytes"],
    }


def _warm(seen: Sequence[dict]) -> dict:
    """Return the measurement at the end of the warm-up."""
    return next(look for look in seen if look["calls"] >= _n_warm(seen[-1]["calls"]))


def goals(seen: dict[str, list[dict]]) -> list[dict[str, Any]]:
    """Return the goals for the growth of memory and open files."""
    spans = {name: (_warm(looks), looks[-1]) for name, looks in seen.items()}
    # Over both phases, the memory that the first predictions need counts as growth.
    spans["fits and predicts"] = (spans["fits"][0], spans["predicts"][1])
    found = []
    for name, (warm, last) in spans.items():
        share = last["bytes"] / warm["bytes"] - 1
        files = last["descriptors"] - warm["descriptors"]
        found += [
            goal(f"Memory added by {name}", [share], GOAL, "%", at_most=True),
            goal(f"Open files added by {name}", [files], 0, "", at_most=True),
        ]
    return found


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    parser = new_parser(__doc__)
    parser.add_argument("--fits", type=at_least(2), default=200, help="default %(default)s")
    parser.add_argument(
        "--predicts", type=at_least(2), default=10_000, help="default %(default)s"
    )
    parser.add_argument(
        "--filters",
        type=at_least(1),
        default=4,
        help="filters of the only convolution of the network (default %(default)s)",
    )
    arguments = parser.parse_args(argv)
    if sys.platform != "linux":
        parser.error("this script needs /proc, which only Linux has")
    settings = {name: getattr(arguments, name) for name in ("fits", "predicts", "filters")}
    result = new_result("long_haul", settings)
    seen = run_apart(f"{__spec__.name}:measure", **settings)
    result |= {"seen": seen, "growth": {k: growth(v) for k, v in seen.items()}}
    result["goals"] = goals(seen)
    show(tables(result))
    save(result, arguments.output)
    return result


def tables(result: dict[str, Any]) -> list[Table]:
    """Return the tables of a result, which may have been read from its file."""
    courses = [_course(result["seen"], name) for name in result["seen"]]
    verdict = goal_table(result["goals"])
    return add_banner([*courses, _growth(result), verdict], synthetic=True)


def _course(seen, name) -> Table:
    rows = [
        (
            f"{look['calls']:,}",
            f"{look['seconds']:.0f}",
            f"{look['bytes'] / 1e6:,.0f}",
            f"{look['descriptors']}",
            f"{look['threads']}",
        )
        for look in seen[name]
    ]
    return Table(name, ("calls", "seconds", "memory (MB)", "open files", "threads"), rows)


def _growth(result) -> Table:
    rows = [
        (
            name,
            f"{grown['bytes'] / 1e6:,.1f}",
            f"{100 * grown['share_of_bytes']:.1f} %",
            f"{grown['bytes_per_call'] / 1e3:,.1f}",
            f"{grown['descriptors']:+}",
            f"{grown['threads']:+}",
        )
        for name, grown in result["growth"].items()
    ]
    header = ("", "memory (MB)", "relative", "kB per call", "open files", "threads")
    return Table(f"Growth after the first {100 * WARM_UP:.0f} %", header, rows)


if __name__ == "__main__":
    main()
