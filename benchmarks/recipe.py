"""Contribution of each part of ResidualOCTNet's training recipe.

Each variant adds or removes one part of the default recipe; the report's networks are
included for comparison. All variants are trained on the same folds with the same seeds, so
that the differences can be computed for each seed. Data:

  FILE...   The train split of files in MedMNIST's layout is cross-validated; patients are
            kept together if the file contains groups. With --val, networks trained on the
            whole train split are also evaluated on the val split. The test split is not
            used.
  phantoms  Synthetic scans (--phantoms N). Those for training have OCTMNIST's class
            frequencies. Those for testing are balanced, and darker, blurred and noisier, as
            if from another device.

The same command with the same --output resumes an interrupted run.
"""

import json
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks._common import (
    add_banner,
    at_least,
    format_mean,
    new_parser,
    new_result,
    phantoms,
    save,
    show,
    stop,
)
from octsk.utils.tables import Table


class Ingredient(NamedTuple):
    """Parameters that include an ingredient in the recipe, and those that omit it."""

    on: dict[str, Any]
    off: dict[str, Any]


INGREDIENTS = {
    "weight decay": Ingredient({"weight_decay": 0.05}, {"weight_decay": 0.0}),
    "cosine schedule": Ingredient(
        {"learning_rate_schedule": "cosine", "warmup_fraction": 0.1},
        {"learning_rate_schedule": None, "warmup_fraction": 0.0},
    ),
    "warm-up": Ingredient({"warmup_fraction": 0.1}, {"warmup_fraction": 0.0}),
    "label smoothing": Ingredient({"label_smoothing": 0.05}, {"label_smoothing": 0.0}),
    "mixup": Ingredient({"mixup": 0.2}, {"mixup": 0.0}),
    "dropout": Ingredient({"dropout": 0.2}, {"dropout": 0.0}),
    "averaged weights": Ingredient({"ema_momentum": 0.99}, {"ema_momentum": None}),
    "balanced classes": Ingredient({"class_weight": "balanced"}, {"class_weight": None}),
    "flips": Ingredient(
        {"augmentation__horizontal_flip": True}, {"augmentation__horizontal_flip": False}
    ),
    "shifts of a fifth": Ingredient(
        {"augmentation__width_shift_range": 0.2, "augmentation__height_shift_range": 0.2},
        {"augmentation__width_shift_range": 0.1, "augmentation__height_shift_range": 0.1},
    ),
    "zoom of three tenths": Ingredient(
        {"augmentation__zoom_range": 0.3}, {"augmentation__zoom_range": 0.15}
    ),
    "amplitude mix": Ingredient(
        {"augmentation__amplitude_mix": 1.0}, {"augmentation__amplitude_mix": 0.0}
    ),
    "erased boxes": Ingredient(
        {"augmentation__random_erasing": 0.25}, {"augmentation__random_erasing": 0.0}
    ),
    "noise": Ingredient(
        {
            "augmentation__gaussian_noise": 0.1,
            "augmentation__speckle_noise": 0.2,
            "augmentation__noise_fraction": 0.15,
        },
        {"augmentation__gaussian_noise": 0.0, "augmentation__speckle_noise": 0.0},
    ),
    "brightness and contrast": Ingredient(
        {"augmentation__brightness_range": 0.1, "augmentation__contrast_range": 0.3},
        {"augmentation__brightness_range": 0.0, "augmentation__contrast_range": 0.0},
    ),
    "mirrored prediction": Ingredient(
        {"test_time_augmentation": True}, {"test_time_augmentation": False}
    ),
}
# Parameters that affect only predictions, for which the network is not trained again.
_OF_PREDICTION = {"test_time_augmentation", "class_prior"}

DEFAULT = "defaults"
REPORT_NETS = ("small", "medium")


def variants() -> dict[str, tuple[str, dict[str, Any]]]:
    """Return the network and the parameters of each variant by its name."""
    from octsk import OCTAugmenter, ResidualOCTNet

    # This augmenter is equivalent to augmentation=True.
    augmenter = OCTAugmenter.from_preset("residual")
    given = ResidualOCTNet(augmentation=augmenter).get_params()
    table: dict[str, tuple[str, dict[str, Any]]] = {DEFAULT: ("residual", {})}
    for name, (on, off) in INGREDIENTS.items():
        is_on = all(given[k] == v for k, v in on.items())
        table[f"{'without' if is_on else 'with'} {name}"] = (
            "residual",
            off if is_on else on,
        )
    # Replacements of the whole augmentation are not ingredients.
    report_s = OCTAugmenter.from_preset("training")
    table["the report's augmentation"] = ("residual", {"augmentation": report_s})
    table["no augmentation"] = ("residual", {"augmentation": None})
    return table | {net: (net, {}) for net in REPORT_NETS}


class Fold(NamedTuple):
    """Images for training (`X`, `y`) and for evaluation (`X_new`, `y_new`)."""

    name: str
    X: np.ndarray
    y: np.ndarray
    X_new: np.ndarray
    y_new: np.ndarray


# --- Measuring --------------------------------------------------------------------------


def file_folds(
    path, n_folds: int, n: int | None, with_val: bool
) -> tuple[dict[str, Any], list[Fold]]:
    """Divide the train split of a file into folds, and add the val split if requested."""
    from sklearn.model_selection import StratifiedGroupKFold

    import octsk

    train = octsk.load_medmnist(path, split="train")
    data = {"name": train.name, "sha256": train.sha256, "synthetic": False}
    X, y = train.data, train.target
    groups = np.arange(len(y)) if train.groups is None else train.groups
    if n is not None:
        chosen = np.sort(np.random.default_rng(0).permutation(len(y))[:n])
        X, y, groups = X[chosen], y[chosen], groups[chosen]
    cv = StratifiedGroupKFold(n_folds, shuffle=True, random_state=0)
    folds = [
        Fold(f"fold {i}", X[old], y[old], X[new], y[new])
        for i, (old, new) in enumerate(cv.split(X, y, groups), 1)
    ]
    if with_val:
        val = octsk.load_medmnist(path, split="val")
        folds.append(Fold("val", X, y, val.data, val.target))
    patients = None if train.groups is None else len(np.unique(groups))
    return data | {"n": len(y), "patients": patients}, folds


def phantom_folds(n: int) -> tuple[dict[str, Any], list[Fold]]:
    """Draw phantoms for training, and balanced phantoms of another device."""
    data = phantoms(n)
    train, new = data.train, data.test
    other = _other_device(new.data)
    fold = Fold("other device", train.data, train.target, other, new.target)
    about = {"name": data.name, "sha256": None, "synthetic": True, "n": n, "patients": None}
    return about, [fold]


def _other_device(images):
    """Return darker, blurred and noisier images, always with the same noise."""
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(0)
    blurred = gaussian_filter(0.7 * images.astype(np.float32), (0, 0.6, 0.6))
    noisy = blurred * (1 + 0.15 * rng.standard_normal(images.shape, dtype=np.float32))
    return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)


def measure(
    fold: Fold, names: Sequence[str], seed: int, epochs: int | None, precision: str
) -> dict[str, dict]:
    """Train a network on a fold, and score variants that differ only in prediction."""
    from octsk.classifiers import NETS

    table = variants()
    net, params = table[names[0]]
    clf = NETS[net](random_state=seed, precision=precision)
    plain = {k: clf.get_params()[k] for k in _OF_PREDICTION}
    clf.set_params(**params)
    if epochs is not None and net not in REPORT_NETS:
        clf.set_params(epochs=epochs)
    start = time.process_time()
    clf.fit(fold.X, fold.y)
    seconds = time.process_time() - start  # CPU time is not affected by other processes
    figures = {}
    for name in names:
        own = {k: v for k, v in table[name][1].items() if k in _OF_PREDICTION}
        clf.set_params(**plain | own)
        figures[name] = _scores(clf, fold) | {"epochs": clf.n_iter_, "seconds": seconds}
    return figures


def _scores(clf, fold) -> dict[str, float]:
    from sklearn.metrics import balanced_accuracy_score

    from octsk.metrics import medmnist_auc

    prob = clf.predict_proba(fold.X_new)
    y_pred = clf.classes_[prob.argmax(axis=1)]
    return {
        "balanced_accuracy": float(balanced_accuracy_score(fold.y_new, y_pred)),
        "auc": float(medmnist_auc(fold.y_new, prob, labels=clf.classes_)),
    }


def trainings(names: Sequence[str]) -> list[list[str]]:
    """Group the variants that share one training."""
    table, together = variants(), {}
    for name in names:
        net, params = table[name]
        key = net, sorted((k, str(v)) for k, v in params.items() if k not in _OF_PREDICTION)
        together.setdefault(str(key), []).append(name)
    return list(together.values())


# --- The script -------------------------------------------------------------------------

# Settings that a continued run must not change.
_SAME = ("folds", "n", "phantoms", "epochs", "precision")


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    arguments = _parser().parse_args(argv)
    names = ("variants", "seeds", *_SAME)
    settings = {name: getattr(arguments, name) for name in names}
    result = new_result("recipe", settings) | {"data": {}, "figures": []}
    try:
        result["figures"] = _figures_of(arguments.output, settings)
        for data, folds in _sets(arguments):
            result["data"][data["name"]] = data
            _measure_all(data["name"], folds, arguments, result)
    except (OSError, ValueError) as error:
        stop(error)
    show(tables(result))
    return result


def _parser():
    parser = new_parser(__doc__)
    parser.add_argument(
        "--data",
        nargs="+",
        type=Path,
        default=[],
        metavar="FILE",
        help="npz files in MedMNIST's layout",
    )
    parser.add_argument(
        "--phantoms",
        type=at_least(100),
        metavar="N",
        help="number of synthetic scans to train on (default: 2000 without --data)",
    )
    names = list(variants())
    parser.add_argument(
        "--variants",
        nargs="+",
        choices=names,
        default=names,
        metavar="NAME",
        help=f"variants to measure (default: all, namely {', '.join(names)})",
    )
    parser.add_argument(
        "--seeds", nargs="+", type=at_least(0), default=[0, 1, 2], help="default: 0 1 2"
    )
    parser.add_argument("--folds", type=at_least(2), default=3, help="default %(default)s")
    parser.add_argument(
        "--n",
        type=at_least(50),
        help="number of images to use of the train split of each file",
    )
    parser.add_argument("--val", action="store_true", help="measure on val splits as well")
    parser.add_argument(
        "--epochs",
        type=at_least(1),
        help="epochs of the residual network, instead of its default",
    )
    parser.add_argument(
        "--precision",
        choices=["float32", "bfloat16"],
        default="float32",
        help="precision of training (default %(default)s)",
    )
    return parser


def _sets(arguments):
    """Yield each data set and its folds."""
    n = arguments.phantoms or (None if arguments.data else 2000)
    for path in arguments.data:
        yield file_folds(path, arguments.folds, arguments.n, arguments.val)
    if n is not None:
        yield phantom_folds(n)


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


def _measure_all(data, folds, arguments, result) -> None:
    done = {(f["data"], f["fold"], f["seed"], f["variant"]) for f in result["figures"]}
    todo = [
        (seed, fold, names)
        for seed in arguments.seeds
        for fold in folds
        for names in trainings(arguments.variants)
        if any((data, fold.name, seed, name) not in done for name in names)
    ]
    for i, (seed, fold, names) in enumerate(todo, 1):
        where = {"data": data, "fold": fold.name, "seed": seed}
        print(f"{i}/{len(todo)}: {where}, {names[0]}", file=sys.stderr, flush=True)
        measured = measure(fold, names, seed, arguments.epochs, arguments.precision)
        for name, figures in measured.items():
            if (data, fold.name, seed, name) not in done:
                result["figures"].append(where | {"variant": name} | figures)
        save(result, arguments.output)  # intermediate results


# --- Tables -----------------------------------------------------------------------------


def tables(result: dict[str, Any]) -> list[Table]:
    """Return the tables of a result, which may have been read from its file."""
    return [
        table
        for name, data in result["data"].items()
        for table in add_banner([_table(name, result)], synthetic=data["synthetic"])
    ]


def _table(data, result) -> Table:
    about = result["data"][data]
    measured = [f for f in result["figures"] if f["data"] == data]
    names = {f["fold"] for f in measured}
    kinds = {"folds": names - {"val"}} | ({"val": {"val"}} if "val" in names else {})
    header = ["variant", "CPU seconds"]
    for kind in kinds:
        header += [f"balanced accuracy, {kind}", "difference from defaults", f"AUC, {kind}"]
    rows = []
    for name in dict.fromkeys(f["variant"] for f in measured):
        own = [f for f in measured if f["variant"] == name]
        cells = [name, f"{statistics.median(f['seconds'] for f in own):.0f}"]
        for folds in kinds.values():
            score = _by_seed(measured, name, folds, "balanced_accuracy")
            default = _by_seed(measured, DEFAULT, folds, "balanced_accuracy")
            both = [s for s in score if s in default]
            less = [score[s] - default[s] for s in both]
            if not score:  # measured by an earlier run without --val
                cells += ["", "", ""]
                continue
            cells += [
                format_mean(list(score.values())),
                format_mean(less, "+") if name != DEFAULT and less else "",
                format_mean(list(_by_seed(measured, name, folds, "auc").values())),
            ]
        rows.append(cells)
    seeds = sorted({f["seed"] for f in measured})
    words = f"seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}"
    patients = f" of {about['patients']} patients" if about["patients"] else ""
    return Table(
        f"{data}: {about['n']} images{patients}",
        header,
        rows,
        [
            f"Mean ± standard error over {words}; for each seed, the mean over the folds. "
            "All variants use the same folds.",
            "CPU seconds: median per training, summed over all threads.",
        ],
    )


def _by_seed(measured, name, folds, metric) -> dict[int, float]:
    """Return the mean over the folds of each seed."""
    scores: dict[int, list[float]] = {}
    for f in measured:
        if f["variant"] == name and f["fold"] in folds:
            scores.setdefault(f["seed"], []).append(f[metric])
    return {seed: statistics.mean(values) for seed, values in scores.items()}


if __name__ == "__main__":
    main()
