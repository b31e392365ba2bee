"""Repetition of the report's list of results and of its printed runs.

Rows 1 to 12 are the report's list of results, and P1 to P5 its printed runs; --list shows
them. Each training uses octsk's estimators with the network, optimizer, epochs and
augmentation of its row, and the validation split for validation. Rows with the same
setting are trained once. Without --data or --phantoms, the data set is OCTMNIST, which is
downloaded if necessary.

The reported results were obtained on OCTMNIST's official test split, so they are only
shown if the results were measured on that split of the official file.
"""

import statistics
import sys
from collections.abc import Sequence
from typing import Any

from benchmarks._common import (
    add_banner,
    at_least,
    new_parser,
    new_result,
    phantoms,
    save,
    show,
    stop,
)
from octsk.benchmark import PublishedResult, published_results, run_benchmark
from octsk.evaluation.wording import format_split
from octsk.utils.formatting import format_score
from octsk.utils.tables import Table, tables_to_text

# Accuracies on the training and validation splits that the report prints after each epoch,
# if it prints them.
PRINTED_EPOCHS: dict[str, dict[str, tuple[float, ...]]] = {
    "P1": {"accuracy": (0.7209, 0.7931, 0.8123, 0.8227, 0.8322, 0.8385)},
    "P2": {
        "accuracy": (0.6944, 0.7793, 0.8078, 0.8194, 0.8278),
        "val_accuracy": (0.7755, 0.8080, 0.8285, 0.8320, 0.8177),
    },
    "P3": {
        "accuracy": (0.7283, 0.8181, 0.8355, 0.8449, 0.8510),
        "val_accuracy": (0.8179, 0.8458, 0.8323, 0.8670, 0.8444),
    },
}
EPOCH_TITLES = {"accuracy": "training", "val_accuracy": "validation"}


def _report_rows() -> dict[str, PublishedResult]:
    rows = published_results("octmnist", kind="report")
    listed = [row for row in rows if row.note == "list of results"]
    printed = [row for row in rows if row.note == "printed run"]
    return {str(i): row for i, row in enumerate(listed, 1)} | {
        f"P{i}": row for i, row in enumerate(printed, 1)
    }


ROWS = _report_rows()


def main(argv: Sequence[str] | None = None) -> dict[str, Any] | None:
    parser = new_parser(__doc__)
    parser.add_argument(
        "--rows",
        nargs="+",
        choices=list(ROWS),
        default=list(ROWS),
        metavar="ROW",
        help="rows to train, such as 1 7 P2 (default: all; many hours on a CPU)",
    )
    parser.add_argument("--list", action="store_true", help="show the rows and stop")
    parser.add_argument(
        "--seeds", nargs="+", type=at_least(0), default=[0], help="default: 0"
    )
    source = parser.add_mutually_exclusive_group()
    source.add_argument(
        "--data",
        default="octmnist",
        metavar="NAME|FILE",
        help="MedMNIST data set or npz file in MedMNIST's layout (default %(default)s)",
    )
    source.add_argument(
        "--phantoms",
        type=at_least(32),
        metavar="N",
        help="number of synthetic scans to train on, instead of --data",
    )
    arguments = parser.parse_args(argv)
    if arguments.list:
        print(tables_to_text([_listing()]))
        return None
    try:
        dataset = _load(arguments)
        result = _train(dataset, arguments)
    except (OSError, ValueError) as error:
        stop(error)
    show(tables(result))
    return result


def _load(arguments):
    import octsk

    if arguments.phantoms:
        return phantoms(arguments.phantoms)
    return octsk.fetch_medmnist(arguments.data)


def _train(dataset, arguments) -> dict[str, Any]:
    """Train each setting of the rows with each seed."""
    rows = list(dict.fromkeys(arguments.rows))
    seeds = list(dict.fromkeys(arguments.seeds))
    result = new_result("report_rows", {"rows": rows, "seeds": seeds}) | {"trainings": []}
    settings = {ROWS[row].method: ROWS[row] for row in rows}
    trainings = [(published, seed) for published in settings.values() for seed in seeds]
    for i, (published, seed) in enumerate(trainings, 1):
        print(f"{i}/{len(trainings)}: {published.method}, seed {seed} ... ", **_PROGRESS)
        run = run_benchmark(
            {published.method: _estimator(published)}, dataset, seeds=[seed]
        )
        report = run.first
        acc, seconds = report.metrics["acc"], report.fit_seconds
        print(f"ACC {acc:.3f} in {seconds:.0f} s", file=sys.stderr)
        result |= {
            "data": report.data,
            "training": run.training,
            "not_comparable": report.not_comparable,
        }
        result["trainings"].append(_record(published, report))
        result["rows"] = [
            _summary(row, result) for row in rows if _measured(row, result["trainings"])
        ]
        save(result, arguments.output)  # intermediate results
    return result


_PROGRESS: dict[str, Any] = {"end": "", "flush": True, "file": sys.stderr}


def _estimator(published):
    from octsk.classifiers import NETS

    settings = published.settings
    return NETS[settings["net"].lower()](
        optimizer=settings["optimizer"].lower(),
        epochs=settings["epochs"],
        augmentation=settings["augmentation"],
    )


def _record(published, report) -> dict[str, Any]:
    return {
        "setting": published.method,
        "seed": report.seed,
        "metrics": report.metrics,
        "history": report.history,
        "fit_seconds": report.fit_seconds,
        "params": report.params,
    }


def _measured(row, trainings) -> list[dict[str, Any]]:
    return [one for one in trainings if one["setting"] == ROWS[row].method]


def _summary(row, result) -> dict[str, Any]:
    """Summarize the measurements of a row, with reported results if they are comparable."""
    trainings = _measured(row, result["trainings"])
    summary: dict[str, Any] = {
        "row": row,
        **ROWS[row].settings,
        "n_seeds": len(trainings),
        "acc": _mean_and_spread([one["metrics"]["acc"] for one in trainings]),
        "loss": _mean_and_spread([one["metrics"]["log_loss"] for one in trainings]),
    }
    if result["not_comparable"] is None:
        summary["reported"] = {"acc": ROWS[row].acc, "loss": ROWS[row].loss}
    return summary


def _mean_and_spread(values) -> dict[str, float | None]:
    return {
        "mean": statistics.mean(values),
        "std": statistics.stdev(values) if len(values) > 1 else None,
        "low": min(values),
        "high": max(values),
    }


# --- Tables ------------------------------------------------------------------------------


def _listing() -> Table:
    rows = [
        (row, *_format_setting(published.settings), format_score(published.acc))
        for row, published in ROWS.items()
    ]
    source = next(iter(ROWS.values())).source
    return Table(
        "Rows of the report: list of results (1 to 12) and printed runs (P1 to P5)",
        ("row", *_SETTING_HEADER, "reported ACC"),
        rows,
        [f"{source}. Each result is that of one run on the test split of OCTMNIST."],
    )


_SETTING_HEADER = ("net", "optimizer", "epochs", "augmentation")


def _format_setting(settings) -> tuple[str, ...]:
    return (
        settings["net"],
        settings["optimizer"],
        str(settings["epochs"]),
        "yes" if settings["augmentation"] else "no",
    )


def tables(result: dict[str, Any]) -> list[Table]:
    """Return the tables of a result, which may have been read from its file."""
    tables = [_accuracies(result)]
    runs = [row for row in result["settings"]["rows"] if row.startswith("P")]
    if runs:
        tables.append(_epochs(runs, result))
    if result["not_comparable"]:
        tables.append(
            Table(
                "Reported results are not shown",
                notes=[f"Reason: {result['not_comparable']}."],
            )
        )
    return add_banner(tables, synthetic=result["data"]["synthetic"])


def _accuracies(result) -> Table:
    comparable = result["not_comparable"] is None
    header = ["row", *_SETTING_HEADER, "ACC", "min", "max", "log-loss"]
    if comparable:
        header += ["reported ACC", "reported loss"]
    rows = []
    for summary in result["rows"]:
        acc = summary["acc"]
        cells = [
            summary["row"],
            *_format_setting(summary),
            _format_mean(acc),
            format_score(acc["low"]),
            format_score(acc["high"]),
            _format_mean(summary["loss"]),
        ]
        if comparable:
            cells += [format_score(summary["reported"][name]) for name in ("acc", "loss")]
        rows.append(cells)
    return Table(
        f"Measured on {format_split(result['data'])}", header, rows, _notes(result)
    )


def _format_mean(values) -> str:
    spread = "" if values["std"] is None else f" ± {format_score(values['std'])}"
    return format_score(values["mean"]) + spread


def _notes(result) -> list[str]:
    seeds = result["settings"]["seeds"]
    words = ", ".join(map(str, seeds))
    notes = [f"The networks were trained on {result['training']['n_train']} images."]
    if len(seeds) == 1:
        notes += [f"Results are of one seed ({words}), so their variation is unknown."]
    else:
        notes += [
            f"Results are mean ± standard deviation over {len(seeds)} seeds ({words})."
        ]
    if result["not_comparable"] is None:
        notes += ["Reported results are of one run each."]
    settings = [ROWS[row].method for row in result["settings"]["rows"]]
    return notes + [
        _shared(setting, result["not_comparable"] is None)
        for setting in dict.fromkeys(settings)
        if len(_rows_of(setting)) > 1
    ]


def _rows_of(setting) -> list[str]:
    return [row for row, published in ROWS.items() if published.method == setting]


def _shared(setting, comparable) -> str:
    """Return a note that several rows of the report have the same setting."""
    rows = _rows_of(setting)
    text = f"Rows {' and '.join(rows)} have one setting, which is trained once per seed"
    if comparable:
        reported = " and ".join(f"{ROWS[row].acc:.3f}" for row in rows)
        text += f". The report lists {reported} for it"
    return f"{text}."


def _epochs(runs, result) -> Table:
    """Return the table of accuracies after each epoch of the printed runs."""
    comparable = result["not_comparable"] is None
    rows = []
    for row in runs:
        histories = [one["history"] for one in _measured(row, result["trainings"])]
        for name, title in EPOCH_TITLES.items():
            reported = PRINTED_EPOCHS.get(row, {}).get(name)
            if comparable and reported:
                rows.append((f"{row} {title}, reported", _format_curve(reported)))
            # Data without a validation split have no validation curve.
            if all(name in history for history in histories):
                columns = zip(*(history[name] for history in histories), strict=True)
                means = [statistics.mean(values) for values in columns]
                rows.append((f"{row} {title}, measured", _format_curve(means)))
    return Table(
        "Printed runs: accuracy after each epoch",
        ("", "epoch 1, 2, ..."),
        rows,
        ["Measured values are means over the seeds."],
    )


def _format_curve(values) -> str:
    return " ".join(f"{value:.4f}" for value in values)


if __name__ == "__main__":
    main()
