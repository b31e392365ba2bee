"""Record of a run, from which the run can be resumed or repeated."""

import shutil
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from octsk.evaluation import MAX_BYTES, REPORT_FORMAT, checked_rows
from octsk.utils.environment import environment
from octsk.utils.files import acquire_lock
from octsk.utils.formatting import shorten
from octsk.utils.free_params import FREE_IN_BENCHMARKS
from octsk.utils.hashing import arrays_sha256
from octsk.utils.json import differences, jsonable, read_json, write_json

# Attributes of a report that are identical if a run is repeated bit by bit.
_FIGURES = ("n_samples", "metrics", "intervals", "recall", "confusion_matrix", "history")

# The required keys of a run.json and the types of their values. `...` stands for any key.
_RECORD = {
    "octsk_run": int,
    "plan": {
        "nets": {...: dict},
        "seeds": [int],
        "data": {
            "name": str | None,
            "size": int | list | None,
            "synthetic": bool,
            "file": str | None,
            "sha256": str | dict,
        },
    },
    "environment": dict,
}
_REPORTS = [{"name": str, "seed": int, **dict.fromkeys(_FIGURES, object)}]

# Packages whose versions must not change when a run is resumed.
_COMPUTES = ("octsk", "numpy", "scikit-learn", "keras", "tensorflow")


def make_plan(
    estimators: Mapping,
    dataset: Mapping,
    seeds: Sequence[int],
    *,
    corruptions: bool = False,
    operating_point: Mapping | None = None,
) -> dict:
    """Return the plan of a run: classifiers with parameters, seeds, data with hashes."""
    file = dataset.get("filename")
    plan: dict[str, Any] = {
        "nets": {name: _describe_estimator(one) for name, one in estimators.items()},
        "seeds": list(seeds),
        "data": {
            **{name: jsonable(dataset.get(name)) for name in ("name", "size")},
            "synthetic": bool(dataset.get("synthetic")),
            # Only the name of the file is recorded, because its folder may be private.
            "file": file and Path(file).name,
            "sha256": dataset.get("sha256") or _hash_splits(dataset),
        },
    }
    # These keys are left out by default, as in runs of older versions.
    if corruptions:
        plan["corruptions"] = True
    if operating_point:
        plan["operating_point"] = dict(operating_point)
    return plan


@contextmanager
def begun(path: Path, plan: dict, checkpoints: Path, *, resume: bool) -> Iterator[None]:
    """Context in which a run takes place: write its plan, or check it if it is resumed.

    Parameters
    ----------
    path : Path
        The JSON file of the run.
    plan : dict
        The plan.
    checkpoints : Path
        Folder for checkpoints of the current training. It is removed if the block ends
        without an error.
    resume : bool
        Whether to continue the run in `path`, if it exists.

    Raises
    ------
    ValueError
        If the run in `path` has another plan, or was started with other versions of the
        packages.
    BlockingIOError
        If another process is working on the same run.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with acquire_lock(path):
        now = {"plan": jsonable(plan), "environment": environment()}
        if resume and path.exists():
            _check_can_continue(path, now)
        else:
            write_json(path, {"octsk_run": REPORT_FORMAT, **now})
        try:
            yield
        except BaseException:
            # Remove the files of a run that has produced neither checkpoints nor reports.
            if not any(checkpoints.glob("*.npz")):
                shutil.rmtree(checkpoints, ignore_errors=True)
                if not (path.parent / "reports").exists():
                    path.unlink(missing_ok=True)
            raise
        shutil.rmtree(checkpoints, ignore_errors=True)


def _check_can_continue(path, now) -> None:
    before = read_record(path)
    # The plan of a run without corruptions does not contain the key.
    plans = [{"corruptions": False, **one["plan"]} for one in (now, before)]
    lines = differences(*plans) or differences(
        _versions(now["environment"]), _versions(before["environment"])
    )
    if lines:
        raise ValueError(
            f"{path.parent} contains another run: {'; '.join(lines)}. Continue it with the "
            "original settings, or choose another folder."
        )


def _versions(environment) -> dict[str, str]:
    """Return the versions of the packages on which the results of a run depend."""
    return {name: environment.get(name) for name in _COMPUTES}


def read_record(path: Path, *, ended: bool = False) -> dict[str, Any]:
    """Read the ``run.json`` of a run, finished or not.

    Parameters
    ----------
    path : Path
        The file.
    ended : bool
        Whether the run must have ended, so that there are results.

    Returns
    -------
    dict
        The content of the file.

    Raises
    ------
    ValueError
        If the file is not a ``run.json``, or if `ended` is True and the run has not ended.
    """
    try:
        record = read_json(path, MAX_BYTES)
        _check_shape(record, _RECORD, "it")
        if record["octsk_run"] != REPORT_FORMAT:
            raise ValueError(f"it has format {record['octsk_run']}, not {REPORT_FORMAT}")
        _check_shape(record["plan"].get("corruptions", False), bool, "it.plan.corruptions")
        _check_shape(record["plan"].get("operating_point", {}), dict, "its operating_point")
        if "reports" in record:
            _check_shape(record["reports"], _REPORTS, "its reports")
            for report in record["reports"]:
                checked_rows(report.get("corruptions"))
    except ValueError as error:
        raise ValueError(f"{path} is not the run.json of a run: {error}.") from None
    if ended and "reports" not in record:
        raise ValueError(
            f"the run of {path} has not ended: there are no results to compare with"
        )
    return record


def _check_shape(value: Any, shape: Any, where: str) -> None:
    """Check that a record contains all required keys, with values of the right types.

    Raises
    ------
    ValueError
        If a key is missing or a value has another type.
    """
    kind = type(shape) if isinstance(shape, dict | list) else shape
    if not isinstance(value, kind):
        wanted = getattr(kind, "__name__", kind)
        raise ValueError(f"{where} is {shorten(repr(value), 40)}, not of type {wanted}")
    if isinstance(shape, list):
        for i, item in enumerate(value):
            _check_shape(item, shape[0], f"{where}[{i}]")
    elif isinstance(shape, dict):
        for key, inner in shape.items():
            if key is Ellipsis:
                for name, item in dict(value).items():
                    _check_shape(item, inner, f"{where}.{name}")
            elif key not in value:
                raise ValueError(f"{where} has no {key!r}")
            else:
                _check_shape(value[key], inner, f"{where}.{key}")


def make_estimators(record: Mapping) -> dict[str, Any]:
    """Create the unfitted nets of a record.

    Raises
    ------
    ValueError
        If one of them is not a net of octsk, or if its parameters are invalid or cannot be
        restored from JSON.
    """
    from octsk.classifiers import NETS
    from octsk.persistence import decode_params

    classes = {cls.__name__: cls for cls in NETS.values()}
    made = {}
    for name, entry in record["plan"]["nets"].items():
        if str(entry.get("net")) not in classes:
            raise ValueError(
                f"the run's {name!r} cannot be created from its JSON: it is "
                f"{entry.get('estimator', entry.get('net'))}, and must be one of "
                f"{sorted(classes)} without callbacks."
            )
        try:
            # A file from elsewhere must not determine where checkpoints are written.
            params = {
                k: v for k, v in entry["params"].items() if k not in FREE_IN_BENCHMARKS
            }
            made[name] = classes[entry["net"]](**decode_params(params))
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError(
                f"the run's {name!r} cannot be created from its JSON: its parameters are "
                f"not valid for {entry['net']} ({type(error).__name__}: {error})."
            ) from None
    return made


def point_of(record: Mapping) -> dict[str, Any]:
    """Return the arguments of `run_benchmark` for the operating point of a record."""
    point = record["plan"].get("operating_point", {})
    return {name: point.get(name) for name in ("positive", "specificity", "sensitivity")}


def check_data(record: Mapping, dataset: Mapping) -> None:
    """Check that a data set is the one of the record.

    Raises
    ------
    ValueError
        If the hashes differ.
    """
    wanted = record["plan"]["data"]
    found = dataset.get("sha256") or _hash_splits(dataset)
    if found != wanted["sha256"]:
        raise ValueError(
            f"the run was on {wanted['file'] or wanted['name']} with SHA-256 "
            f"{wanted['sha256']}, and {dataset.get('filename') or dataset['name']} has "
            f"{found}: the results cannot be the same. Use the same data."
        )


def compare(record: Mapping, run) -> list[str]:
    """Return the differences between the results of a run and of a record, one per line.

    If there are any, the differences between versions and machines are included. An empty
    list means that all results are equal.
    """
    now = {
        (report.name, report.seed): _figures(jsonable(report.to_dict(scores=False)))
        for reports in run.reports.values()
        for report in reports
    }
    lines = []
    for before in record["reports"]:
        key = (before["name"], before["seed"])
        found = differences(now[key], _figures(before)) if key in now else ["missing here"]
        lines += [f"{key[0]}, seed {key[1]}: {line}" for line in found]
    if lines:
        lines += differences(jsonable(run.first.environment), record["environment"])
    return lines


def _figures(report) -> dict[str, Any]:
    return {
        **{name: report[name] for name in _FIGURES},
        "operating_point": (report.get("operating_point") or {}).get("figures"),
        "corruptions": {
            f"{row['corruption']}, severity {row['severity']}": row["balanced_error"]
            for row in report.get("corruptions") or ()
        },
    }


def _describe_estimator(estimator) -> dict[str, Any]:
    base = sys.modules.get("octsk.classifiers")
    params = estimator.get_params(deep=False)
    if base is not None and isinstance(estimator, base.BaseOCTNet):
        from octsk.persistence import encode_params

        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)
            try:
                source = params.get("init_from")
                started = (
                    {} if source is None else {"init_from": base.describe_source(source)}
                )
                return started | {
                    "net": type(estimator).__name__,
                    "params": encode_params(
                        {k: v for k, v in params.items() if k not in FREE_IN_BENCHMARKS}
                    ),
                }
            except (UserWarning, ValueError):
                # Callbacks and other objects cannot be restored from JSON.
                pass
    return {
        "estimator": f"{type(estimator).__module__}.{type(estimator).__qualname__}",
        "params": {
            name: jsonable(value)
            if base is None or name.split("__")[-1] != "init_from"
            else base.describe_source(value)
            for name, value in estimator.get_params().items()
            if name.split("__")[-1] not in FREE_IN_BENCHMARKS
        },
    }


def _hash_splits(dataset) -> dict[str, str]:
    return {
        split: arrays_sha256(dataset[split]["data"], dataset[split]["target"])
        for split in ("train", "val", "test")
        if dataset.get(split) is not None
    }


def set_checkpoint_dir(estimator, folder: Path) -> list:
    """Make the nets in an estimator write checkpoints, and return these nets.

    Nets with callbacks are left out, because they cannot be resumed from a checkpoint.
    """
    from octsk.training import only_onlookers

    chosen = [
        net
        for name, net in {"": estimator, **estimator.get_params()}.items()
        # The network in init_from is not trained.
        if name.split("__")[-1] != "init_from"
        and getattr(net, "checkpoint_dir", "") is None
        and only_onlookers(net.callbacks)
    ]
    for net in chosen:
        net.set_params(checkpoint_dir=folder)
    return chosen
