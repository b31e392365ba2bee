"""What a run is to do, as plain data: to go on with it, and to repeat it."""

import hashlib
import json
import shutil
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from octsk._report import (
    REPORT_FORMAT,
    differences,
    jsonable,
    write_json,
)

# Parameters that change no figure, and one that the seeds of a run take the place of.
_LEFT_OUT = {"checkpoint_dir", "random_state", "verbose"}

# What of a report is the same where a run is repeated to the last bit.
_FIGURES = ("n_samples", "metrics", "intervals", "recall", "confusion_matrix", "history")


def make_plan(estimators: Mapping, dataset: Mapping, seeds: Sequence[int]) -> dict:
    """Say what is trained on what: classifiers with parameters, data with hash, seeds."""
    file = dataset.get("filename")
    return {
        "nets": {name: _describe_estimator(one) for name, one in estimators.items()},
        "seeds": list(seeds),
        "data": {
            **{name: jsonable(dataset.get(name)) for name in ("name", "size")},
            "synthetic": bool(dataset.get("synthetic")),
            # Where a file lies is its user's business.
            "file": file and Path(file).name,
            "sha256": dataset.get("sha256") or _hash_splits(dataset),
        },
    }


@contextmanager
def begun(path: Path, plan: dict, checkpoints: Path, *, resume: bool) -> Iterator[None]:
    """Keep the plan of a run in a JSON file, and see that a run goes on by its own.

    Parameters
    ----------
    path : Path
        The file.
    plan : dict
        The plan now.
    checkpoints : Path
        Folder of the checkpoints of the training under way; it is gone after a block
        that ends without error.
    resume : bool
        Whether the run that `path` tells of is to go on.

    Raises
    ------
    ValueError
        If it was begun by another plan.
    """
    if resume and path.exists():
        if lines := differences(jsonable(plan), read_record(path)["plan"]):
            raise ValueError(
                f"{path.parent} holds another run: {'; '.join(lines)}. Go on with what it "
                "was begun with, or name another place."
            )
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, {"octsk_run": REPORT_FORMAT, "plan": plan})
    try:
        yield
    except BaseException:
        # One that has come to nothing leaves nothing behind.
        if not any(checkpoints.glob("*.npz")):
            shutil.rmtree(checkpoints, ignore_errors=True)
            if not (path.parent / "reports").exists():
                path.unlink(missing_ok=True)
        raise
    shutil.rmtree(checkpoints, ignore_errors=True)


def read_record(path: Path) -> dict[str, Any]:
    """Read the ``run.json`` of a run, finished or not.

    Raises
    ------
    ValueError
        If it is none.
    """
    try:
        record = json.loads(path.read_bytes())
        if record["octsk_run"] != REPORT_FORMAT or not isinstance(record["plan"], dict):
            raise ValueError("of another format")
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(
            f"{path} is not the run.json of a run ({type(error).__name__}: {error})."
        ) from None
    return record


def make_estimators(record: Mapping) -> dict[str, Any]:
    """Make the nets of a record anew, unfitted.

    Raises
    ------
    ValueError
        If one of them is not octsk's, or cannot be said in JSON.
    """
    from octsk._persistence import decode_params
    from octsk.classifiers import NETS

    classes = {cls.__name__: cls for cls in NETS.values()}
    made = {}
    for name, entry in record["plan"]["nets"].items():
        if entry.get("net") not in classes:
            raise ValueError(
                f"the run's {name!r} cannot be made again from its JSON: it is "
                f"{entry.get('estimator', entry.get('net'))}; known are {sorted(classes)}, "
                "without callbacks."
            )
        # A stranger's file is not to say where checkpoints are written.
        params = {k: v for k, v in entry["params"].items() if k not in _LEFT_OUT}
        made[name] = classes[entry["net"]](**decode_params(params))
    return made


def check_data(record: Mapping, dataset: Mapping) -> None:
    """Refuse a data set that is not the one of the record.

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
            f"{found}: its figures cannot be the same. Give the same data."
        )


def compare(record: Mapping, run) -> list[str]:
    """Say where the figures of a run differ from those of a record, a line for each.

    Where some do, versions and machine too. [] says that all are equal.
    """
    now = {
        (report.name, report.seed): jsonable(report.to_dict(scores=False))
        for reports in run.reports.values()
        for report in reports
    }
    lines = [
        f"{before['name']}, seed {before['seed']}: {line}"
        for before in record["reports"]
        for line in differences(
            {name: now[before["name"], before["seed"]][name] for name in _FIGURES},
            {name: before[name] for name in _FIGURES},
        )
    ]
    if lines:
        lines += differences(jsonable(run.first.environment), record["environment"])
    return lines


def _describe_estimator(estimator) -> dict[str, Any]:
    base = sys.modules.get("octsk._base")
    params = estimator.get_params(deep=False)
    if base is not None and isinstance(estimator, base.BaseOCTNet):
        from octsk._persistence import encode_params

        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)
            try:
                return {
                    "net": type(estimator).__name__,
                    "params": encode_params(
                        {k: v for k, v in params.items() if k not in _LEFT_OUT}
                    ),
                }
            except (UserWarning, ValueError):
                # Callbacks and the like, which JSON cannot say so that they can be made.
                pass
    return {
        "estimator": f"{type(estimator).__module__}.{type(estimator).__qualname__}",
        "params": {
            name: jsonable(value)
            for name, value in estimator.get_params().items()
            if name.split("__")[-1] not in _LEFT_OUT
        },
    }


def arrays_sha256(X, y) -> str:
    """Hash of the arrays' shapes, types and values."""
    digest = hashlib.sha256()
    for array in (np.asarray(X), np.asarray(y)):
        digest.update(f"{array.shape} {array.dtype.str}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _hash_splits(dataset) -> dict[str, str]:
    return {
        split: arrays_sha256(dataset[split]["data"], dataset[split]["target"])
        for split in ("train", "val", "test")
        if dataset.get(split) is not None
    }


def set_checkpoint_dir(estimator, folder: Path) -> list:
    """Have the nets in an estimator keep checkpoints; return those that do.

    All but those that have callbacks, which do not go with checkpoints.
    """
    chosen = [
        net
        for net in (estimator, *estimator.get_params().values())
        if getattr(net, "checkpoint_dir", "") is None and net._callbacks_look_on()
    ]
    for net in chosen:
        net.set_params(checkpoint_dir=folder)
    return chosen
