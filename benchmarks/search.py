"""Benefit of a search, and time saved by pruning and a second process.

The script has three parts, which --parts selects:

  study    An Optuna study compared with the default settings, cross-validated on the same
           folds. Because the best of many trials is overly optimistic on the folds by
           which it was chosen, both are scored again on new folds with new seeds
           (--repeats).
  workers  The same study of --short-trials trials by one process, and by two processes that
           share a journal file. Each of the two has half of the cores (Linux); the single
           process has all of them, or half. The contenders take turns. The time includes
           starting Python.
  pruning  Time of a pruned trial compared with a completed one for each pruner, in studies
           of --short-trials trials with three times the default number of epochs.

Folds keep patients together if the file contains groups. Without --data, the images are
phantoms.
"""

import statistics
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._apart import run_apart
from benchmarks._common import (
    add_banner,
    at_least,
    format_mean,
    format_ratio,
    new_parser,
    new_result,
    phantoms,
    ratios,
    run_interleaved,
    save,
    show,
    standard_error,
    stop,
)
from octsk.utils.tables import Table

PARTS = ("study", "workers", "pruning")
SCORING = "balanced_accuracy"
# Number of processes of each contender, and the divisor of the cores for each process.
WORKERS = {
    "one process, all cores": (1, 1),
    "one process, half of them": (1, 2),
    "two processes, half each": (2, 2),
}
PRUNERS = ("median", "hyperband")


def _net(name: str, seed: int = 0):
    from octsk import classifiers

    return classifiers.NETS[name](random_state=seed)


def _folds(data, n_folds: int, seed: int) -> list:
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    cls = StratifiedKFold if data["groups"] is None else StratifiedGroupKFold
    cv = cls(n_folds, shuffle=True, random_state=seed)
    return list(cv.split(data["images"], data["labels"], data["groups"]))


def _load(path: str) -> dict[str, Any]:
    with np.load(path) as file:
        return {name: file.get(name) for name in ("images", "labels", "groups")}


# --- Each part --------------------------------------------------------------------------


def study(path: str, net: str, trials: int, folds: int, repeats: int, storage: str | None):
    """Run a search, then score the default and the best parameters on new folds."""
    import octsk

    data = _load(path)
    search = octsk.OCTSearchCV(
        _net(net),
        n_trials=trials,
        scoring=SCORING,
        cv=_folds(data, folds, 0),
        refit=False,
        random_state=0,
        storage=storage,
    ).fit(data["images"], data["labels"])
    best = search.best_params_
    results, row = search.cv_results_, search.best_index_
    found = [float(results[f"split{i}_test_score"][row]) for i in range(folds)]
    new = range(1, repeats + 1)
    return {
        "best_params": best,
        "n_trials": len(search.study_.trials),
        "default": _scores(data, net, {}, folds, 0),
        "best": found,
        "new_default": [_scores(data, net, {}, folds, seed) for seed in new],
        "new_best": [_scores(data, net, best, folds, seed) for seed in new],
    }


def _scores(data, net, params, folds, seed) -> list[float]:
    from sklearn.model_selection import cross_val_score

    scores = cross_val_score(
        _net(net, seed).set_params(**params),
        data["images"],
        data["labels"],
        scoring=SCORING,
        cv=_folds(data, folds, seed),
    )
    return [float(score) for score in scores]


def work(
    path: str, net: str, trials: int, folds: int, storage: str, share: int
) -> dict[str, Any]:
    """Run trials of a study on a share of the cores.

    Returns
    -------
    dict
        Number of ``trials`` that this process ran, and whether it was bound to
        ``its_share`` of the cores.
    """
    import joblib

    from octsk.utils.cores import claim_cores

    # joblib counts the cores that this process may use, not all cores of the machine.
    its_share = claim_cores(max(1, joblib.cpu_count() // share)) or share == 1
    import octsk

    data, done = _load(path), []
    octsk.OCTSearchCV(
        _net(net),
        n_trials=trials,
        scoring=SCORING,
        cv=_folds(data, folds, 0),
        refit=False,
        random_state=0,
        storage=storage,
        callbacks=[lambda study, trial: done.append(trial.number)],
    ).fit(data["images"], data["labels"])
    return {"trials": len(done), "its_share": its_share}


def _time_workers(processes: int, share: int, **arguments) -> dict[str, Any]:
    """Time several processes that share a new study."""
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(processes) as pool:
        call = partial(
            run_apart,
            f"{__spec__.name}:work",
            storage=str(Path(folder, "search.journal")),
            share=share,
            **arguments,
        )
        start = time.perf_counter()
        running = [pool.submit(call) for _ in range(processes)]
        done = [one.result() for one in running]
        return {
            "seconds": time.perf_counter() - start,
            "trials": [one["trials"] for one in done],
            "shared_out": all(one["its_share"] for one in done),
        }


def prune(path: str, net: str, trials: int, folds: int, pruner: str) -> dict[str, Any]:
    """Run a search with a pruner and return the seconds and epochs of its trials."""
    import octsk

    data = _load(path)
    estimator = _net(net)
    splits = _folds(data, folds, 0)
    epochs = _epochs(estimator, len(splits[0][0]))
    estimator.set_params(epochs=3 * epochs)
    space = octsk.search_space(estimator)
    del space["epochs"]
    search = octsk.OCTSearchCV(
        estimator,
        space,
        n_trials=trials,
        scoring=SCORING,
        cv=splits,
        refit=False,
        random_state=0,
        pruner=pruner,
    ).fit(data["images"], data["labels"])
    kinds: dict[str, list[float]] = {"COMPLETE": [], "PRUNED": []}
    for trial in search.study_.trials:
        kinds[trial.state.name].append(trial.duration.total_seconds())
    pruned_epochs = [
        len(trial.intermediate_values)
        for trial in search.study_.trials
        if trial.state.name == "PRUNED"
    ]
    return {
        "completed_seconds": kinds["COMPLETE"],
        "pruned_seconds": kinds["PRUNED"],
        "pruned_epochs": pruned_epochs,
        "completed_epochs": folds * estimator.epochs,
        "best_score": float(search.best_score_),
    }


def _epochs(estimator, n: int) -> int:
    """Return the number of epochs of a network on `n` images."""
    if estimator.epochs != "auto":
        return estimator.epochs
    from octsk.training import auto_epochs

    return auto_epochs(n)


# --- The script -------------------------------------------------------------------------


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    arguments = _parser().parse_args(argv)
    names = ("net", "trials", "short_trials", "folds", "repeats", "parts")
    settings = {name: getattr(arguments, name) for name in names}
    result = new_result("search", settings)
    try:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "images.npz")
            result["data"] = _write_images(arguments, path)
            for part in PARTS:
                if part in arguments.parts:
                    result[part] = _run(part, str(path), arguments)
                    save(result, arguments.output)  # intermediate results
    except (OSError, ValueError) as error:
        stop(error)
    show(tables(result))
    return result


def _parser():
    parser = new_parser(__doc__)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument(
        "--data",
        type=Path,
        metavar="FILE",
        help="npz file in MedMNIST's layout, of which the train split is used",
    )
    parser.add_argument(
        "--n", type=at_least(8), help="number of images (default: all, or 768 phantoms)"
    )
    parser.add_argument(
        "--net",
        choices=["small", "medium", "residual"],
        default="small",
        help="default %(default)s",
    )
    parser.add_argument(
        "--trials",
        type=at_least(1),
        default=30,
        help="trials of study (default %(default)s)",
    )
    parser.add_argument(
        "--short-trials",
        type=at_least(1),
        default=10,
        help="trials of the other two parts (default %(default)s); up to 10 trials are all "
        "random, so that two processes sample as one process does",
    )
    parser.add_argument("--folds", type=at_least(2), default=5, help="default %(default)s")
    parser.add_argument(
        "--repeats",
        type=at_least(1),
        default=3,
        help="new folds of study, and repeats of workers (default %(default)s)",
    )
    parser.add_argument(
        "--storage",
        metavar="FILE",
        help="journal file of the study, with which an interrupted study continues",
    )
    return parser


def _write_images(arguments, path) -> dict[str, Any]:
    """Write the images to a file for the processes, and return a description of them."""
    import octsk

    if arguments.data is None:
        train = phantoms(arguments.n or 768).train
        data = {"name": "oct-phantoms", "sha256": None, "synthetic": True}
        groups = None
    else:
        train = octsk.load_medmnist(arguments.data, split="train")
        data = {"name": train.name, "sha256": train.sha256, "synthetic": False}
        groups = train.groups
    arrays = {"images": train.data, "labels": train.target}
    if groups is not None:
        arrays["groups"] = groups
    np.savez(path, **{name: array[: arguments.n] for name, array in arrays.items()})
    n = len(train.target[: arguments.n])
    return data | {"n": n, "patients": None if groups is None else len(np.unique(groups))}


def _run(part, path, arguments) -> dict[str, Any]:
    shared = {"path": path, "net": arguments.net, "folds": arguments.folds}
    if part == "study":
        return run_apart(
            f"{__spec__.name}:study",
            trials=arguments.trials,
            repeats=arguments.repeats,
            storage=arguments.storage and str(Path(arguments.storage).resolve()),
            **shared,
        )
    shared["trials"] = arguments.short_trials
    if part == "pruning":
        return {
            pruner: run_apart(f"{__spec__.name}:prune", pruner=pruner, **shared)
            for pruner in PRUNERS
        }
    contenders = {
        name: partial(_time_workers, processes, share, **shared)
        for name, (processes, share) in WORKERS.items()
    }
    turns = run_interleaved(contenders, arguments.repeats)
    seconds = {name: [turn["seconds"] for turn in turns[name]] for name in turns}
    *ones, two = WORKERS
    return {
        "turns": turns,
        "ratios": {one: ratios(seconds[two], seconds[one]) for one in ones},
    }


def tables(result: dict[str, Any]) -> list[Table]:
    """Return the tables of a result, which may have been read from its file."""
    makers = {"study": _study_table, "workers": _workers_table, "pruning": _pruning_table}
    parts = [makers[part](result) for part in PARTS if part in result]
    return add_banner(parts, synthetic=result["data"]["synthetic"])


def _study_table(result) -> Table:
    scores = result["study"]
    new = {who: np.mean(scores[f"new_{who}"], axis=1) for who in ("default", "best")}
    difference = np.subtract(scores["new_best"], scores["new_default"]).ravel()
    settings = result["settings"]
    rows = [("folds of the search", scores["default"], scores["best"])]
    for i, pair in enumerate(zip(scores["new_default"], scores["new_best"], strict=True)):
        rows.append((f"new folds, seed {i + 1}", *pair))
    best = ", ".join(f"{k} {_format_value(v)}" for k, v in scores["best_params"].items())
    gain, error = float(difference.mean()), standard_error(difference)
    found = np.mean(scores["best"]) - np.mean(scores["default"])
    beats = found > standard_error(scores["default"])
    return Table(
        f"{settings['net']}: defaults, and the best of {scores['n_trials']} trials",
        ("balanced accuracy", "defaults", "best"),
        [(where, *map(format_mean, both)) for where, *both in rows],
        [
            f"Mean ± standard error over {settings['folds']} folds of "
            f"{result['data']['n']} images.",
            f"Difference on the folds of the search: {found:+.3f}, "
            + ("which is more" if beats else "which is not more")
            + " than the standard error.",
            f"Difference on new folds: {gain:+.3f} ± {error:.3f} (defaults "
            f"{new['default'].mean():.3f}, best {new['best'].mean():.3f}).",
            f"Best: {best}.",
        ],
    )


def _format_value(value) -> str:
    return f"{value:.3g}" if isinstance(value, float) else f"{value}"


def _workers_table(result) -> Table:
    workers = result["workers"]
    rows = [
        (
            name,
            f"{statistics.median(turn['seconds'] for turn in turns):.1f} s",
            ", ".join("+".join(map(str, turn["trials"])) for turn in turns),
        )
        for name, turns in workers["turns"].items()
    ]
    *_, two = WORKERS
    turns = [turn for some in workers["turns"].values() for turn in some]
    warning = "Not all processes could be bound to their share of the cores."
    return Table(
        f"A study of {result['settings']['short_trials']} trials, by processes",
        ("", "time", "trials in each repeat"),
        rows,
        [
            f"{two}: {format_ratio(ratio)} times the time of {name}."
            for name, ratio in workers["ratios"].items()
        ]
        + [warning] * (not all(turn["shared_out"] for turn in turns)),
    )


def _pruning_table(result) -> Table:
    rows, notes = [], []
    for pruner, measured in result["pruning"].items():
        pruned, completed = measured["pruned_seconds"], measured["completed_seconds"]
        rows.append(
            (
                pruner,
                f"{len(pruned)} of {len(pruned) + len(completed)}",
                f"{statistics.median(completed):.1f} s" if completed else "-",
                f"{statistics.median(pruned):.1f} s" if pruned else "-",
                f"{measured['best_score']:.3f}",
            )
        )
        if pruned and completed:
            share = statistics.median(pruned) / statistics.median(completed)
            epochs = statistics.median(measured["pruned_epochs"])
            notes.append(
                f"{pruner}: a pruned trial takes {share:.2f} of the time of a completed "
                f"trial. It trains for {epochs:g} epochs, a completed trial for "
                f"{measured['completed_epochs']}."
            )
    return Table(
        f"Pruning, {result['settings']['net']}",
        ("pruner", "pruned", "completed trial", "pruned trial", "best score"),
        rows,
        notes,
    )


if __name__ == "__main__":
    main()
