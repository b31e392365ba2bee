"""Gain from starting a network from other images, for several numbers of training images.

A ResidualOCTNet is trained on 50, 200 and 752 images of the train split of a file in
MedMNIST's layout and evaluated on its val split, which should contain other patients. It
starts

  - from random weights,
  - from a network that was trained on synthetic scans (--phantoms N), and
  - from a network for each --source FILE, trained on the train split of that file,

either training all layers or only the last one ("frozen", unless --no-frozen). Each seed
draws other training images, with the class frequencies of the file. The test split is not
used. --shorten N divides the default number of epochs of all trainings by N.

The same command with the same --output resumes an interrupted run.
"""

import json
import math
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._common import (
    add_banner,
    at_least,
    format_mean,
    new_parser,
    new_result,
    save,
    show,
    stop,
)
from octsk.utils.tables import Table

RANDOM = "random weights"
# Settings that a continued run must not change.
_SAME = ("data", "sources", "phantoms", "epochs", "shorten")


def sources_of(arguments) -> dict[str, Callable[[], Any]]:
    """Return functions that train the networks to start from, by name."""
    import octsk

    def train(images):
        epochs = epochs_of(arguments, len(images.target))
        net = octsk.ResidualOCTNet(epochs=epochs, random_state=0)
        return net.fit(images.data, images.target)

    made: dict[str, Callable[[], Any]] = {}
    if arguments.phantoms:
        made["phantoms"] = lambda: train(
            octsk.make_oct_phantoms(arguments.phantoms, random_state=0)
        )
    for path in arguments.sources:
        made[path.stem] = lambda path=path: train(octsk.load_medmnist(path, split="train"))
    return made


def epochs_of(arguments, n: int) -> int:
    """Return the number of epochs of a training on `n` images."""
    from octsk.training import auto_epochs

    return arguments.epochs or math.ceil(auto_epochs(n) / arguments.shorten)


def few(train, n: int, seed: int) -> np.ndarray:
    """Return the indices of `n` images with the class frequencies of all."""
    from sklearn.model_selection import train_test_split

    index = np.arange(len(train.target))
    if n >= len(index):
        return index
    return train_test_split(index, train_size=n, stratify=train.target, random_state=seed)[
        0
    ]


def measure(train, val, n, seed, epochs, source, freeze) -> dict[str, Any]:
    """Train on `n` images from a starting point, and score on the validation images."""
    from sklearn.metrics import balanced_accuracy_score

    import octsk

    net = octsk.ResidualOCTNet(
        epochs=epochs, init_from=source, freeze=freeze, random_state=seed
    )
    chosen = few(train, n, seed)
    start = time.process_time()
    net.fit(train.data[chosen], train.target[chosen])
    seconds = time.process_time() - start  # CPU time is not affected by other processes
    y_pred = net.predict(val.data)
    return {
        "balanced_accuracy": float(balanced_accuracy_score(val.target, y_pred)),
        "n_weights_transferred": net.n_weights_transferred_,
        "epochs": net.n_iter_,
        "seconds": seconds,
    }


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    arguments = _parser().parse_args(argv)
    names = ("seeds", "sizes", *_SAME)
    settings = {name: getattr(arguments, name) for name in names}
    settings |= {
        "data": str(arguments.data),
        "sources": [p.name for p in arguments.sources],
    }
    result = new_result("transfer", settings) | {"figures": []}
    try:
        result["figures"] = _figures_of(arguments.output, settings)
        _measure_all(arguments, result)
    except (OSError, ValueError) as error:
        stop(error)
    show(tables(result))
    return result


def _parser():
    parser = new_parser(__doc__)
    parser.add_argument(
        "--data", type=Path, required=True, metavar="FILE", help="npz file to train on"
    )
    parser.add_argument(
        "--sources",
        nargs="*",
        type=Path,
        default=[],
        metavar="FILE",
        help="npz files to start from",
    )
    parser.add_argument(
        "--phantoms",
        type=at_least(0),
        default=2000,
        metavar="N",
        help="number of synthetic scans to start from, 0 for none (default %(default)s)",
    )
    parser.add_argument(
        "--sizes",
        nargs="+",
        type=at_least(10),
        default=[50, 200, 752],
        metavar="N",
        help="numbers of training images (default: 50 200 752)",
    )
    parser.add_argument(
        "--seeds", nargs="+", type=at_least(0), default=[0, 1, 2], help="default: 0 1 2"
    )
    parser.add_argument(
        "--epochs", type=at_least(1), help="epochs of each training, instead of the default"
    )
    parser.add_argument(
        "--shorten",
        type=at_least(1),
        default=1,
        metavar="N",
        help="divide the default number of epochs by N (default %(default)s)",
    )
    parser.add_argument(
        "--no-frozen",
        action="store_true",
        help="leave out the trainings of the last layer only",
    )
    return parser


def _figures_of(path: Path | None, settings) -> list[dict[str, Any]]:
    """Return the results of an interrupted run, if there are any."""
    if path is None or not path.exists():
        return []
    before = json.loads(path.read_text(encoding="utf-8"))
    if any(before["settings"][name] != settings[name] for name in _SAME):
        raise ValueError(
            f"{path} belongs to a run with other settings: {before['settings']}"
        )
    return before["figures"]


def _measure_all(arguments, result) -> None:
    import octsk

    train = octsk.load_medmnist(arguments.data, split="train")
    val = octsk.load_medmnist(arguments.data, split="val")
    result["data"] = {
        "name": train.name,
        "sha256": train.sha256,
        "synthetic": False,
        "n": len(train.target),
        "n_val": len(val.target),
    }
    done = {(f["source"], f["freeze"], f["n"], f["seed"]) for f in result["figures"]}
    starts = [(RANDOM, None, None)]
    for name, make in sources_of(arguments).items():
        starts += [(name, make, f) for f in (None, "features")[: 2 - arguments.no_frozen]]
    networks = {}
    for n in arguments.sizes:
        for seed in arguments.seeds:
            for name, make, freeze in starts:
                if (name, freeze, n, seed) in done:
                    continue
                where = {"source": name, "freeze": freeze, "n": n, "seed": seed}
                print(where, file=sys.stderr, flush=True)
                if make is not None and name not in networks:
                    networks[name] = make()
                epochs = epochs_of(arguments, min(n, len(train.target)))
                figures = measure(train, val, n, seed, epochs, networks.get(name), freeze)
                result["figures"].append(where | figures)
                save(result, arguments.output)  # intermediate results


def tables(result: dict[str, Any]) -> list[Table]:
    """Return the tables of a result, which may have been read from its file."""
    about, measured = result["data"], result["figures"]
    sizes = sorted({f["n"] for f in measured})
    rows = []
    for source, freeze in dict.fromkeys((f["source"], f["freeze"]) for f in measured):
        own = [f for f in measured if (f["source"], f["freeze"]) == (source, freeze)]
        cells = [source + (", frozen" if freeze else "")]
        for n in sizes:
            ours = _by_seed(own, n)
            plain = _by_seed([f for f in measured if f["source"] == RANDOM], n)
            gain = [ours[s] - plain[s] for s in ours if s in plain]
            cells.append(format_mean(list(ours.values())) if ours else "")
            cells.append(format_mean(gain, "+") if gain and source != RANDOM else "")
        seconds = [f["seconds"] for f in own if f["n"] == sizes[-1]]
        rows.append([*cells, f"{statistics.median(seconds):.0f}" if seconds else ""])
    header = ["start"]
    for n in sizes:
        header += [f"balanced accuracy, {n} images", "gain"]
    seeds = ", ".join(str(seed) for seed in sorted({f["seed"] for f in measured}))
    table = Table(
        f"{about['name']}: up to {about['n']} training images, {about['n_val']} for "
        "validation",
        [*header, f"CPU seconds, {sizes[-1]} images"],
        rows,
        [
            f"Mean ± standard error over the seeds {seeds}, on the val split.",
            "Gain: difference from random weights with the same training images.",
            "Frozen: only the last layer is trained.",
        ],
    )
    return add_banner([table], synthetic=about["synthetic"])


def _by_seed(measured, n) -> dict[int, float]:
    return {f["seed"]: f["balanced_accuracy"] for f in measured if f["n"] == n}


if __name__ == "__main__":
    main()
