"""Training of classifiers with several seeds, and their evaluation on a test set."""

import dataclasses
import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import clone

from octsk.benchmark._run import (
    BenchmarkRun,
    _holds_only,
    _new_folder,
    _save_model,
    _save_report,
    _takes,
)
from octsk.benchmark.record import begun, make_plan, set_checkpoint_dir
from octsk.datasets import warn_of_findings
from octsk.evaluation import (
    BenchmarkReport,
    PointRequest,
    Study,
    check_dataset,
    describe_split,
    display_names,
    evaluate_split,
)
from octsk.utils.columns import check_groups
from octsk.utils.files import (
    leftovers_of,
    remove_temporaries,
)
from octsk.utils.formatting import as_word
from octsk.utils.hashing import arrays_sha256
from octsk.utils.json import jsonable

# Requested error, for which the rate of abstention is reported.
_MAX_ERROR = 0.05

# --------------------------------------------------------------------------------------
# Several classifiers over several seeds
# --------------------------------------------------------------------------------------


def run_benchmark(
    estimators: Mapping[str, Any],
    dataset: Mapping,
    *,
    seeds: Sequence[int] = (0,),
    corruptions: bool = False,
    positive: str | Sequence | None = None,
    specificity: float | None = None,
    sensitivity: float | None = None,
    output_dir: str | os.PathLike | None = None,
    resume: bool = False,
    strict: bool = False,
    on_event: Callable[..., None] | None = None,
) -> BenchmarkRun:
    """Train each classifier with each seed, and evaluate it on the test split.

    For each training, the classifier is cloned, and all its ``random_state`` parameters,
    including nested ones, are set to the seed. If ``fit`` accepts ``X_val`` and ``y_val``,
    it receives the validation split. The test split is used neither for training nor for
    choosing a classifier.

    Parameters
    ----------
    estimators : dict of classifier
        Classifiers by name. They are cloned and not fitted themselves.
    dataset : Bunch
        Data set with the splits ``train``, ``test`` and, optionally, ``val``, such as from
        `octsk.datasets.load_medmnist`. Each split is a Bunch with ``data`` and ``target``.
        A warning lists the problems that `octsk.datasets.check_splits` finds, such as
        patients (``groups``) or images in more than one split.
    seeds : sequence of int, default=(0,)
        Seeds. Each classifier is trained once with each seed. Several seeds show the
        variation between trainings, which is large for small nets.
    corruptions : bool, default=False
        Whether to also measure the balanced error under each corruption and severity of
        `octsk.corrupt`. This takes 50 more predictions of the test split after each
        training. Nothing is chosen by it. It requires scikit-image
        (``octsk[corruptions]``) and uint8 images.
    positive : str or sequence, default=None
        Positive classes. If given, each classifier is also measured at an operating point,
        by patient if there are patients with several images, and, if there is a validation
        split, with abstention for an error of at most 5 %. This corresponds to
        `octsk.evaluate` with ``positive``, ``level="group"`` and ``max_error=0.05``.
    specificity, sensitivity : float, default=None
        The rate that the threshold must reach on the validation split. At most one of them
        can be given. If both are None, the threshold is 0.5.
    output_dir : path-like, default=None
        New or empty folder. The report, scores and model of each training are written when
        the training ends, so that they survive an interruption. `BenchmarkRun.save`
        describes all files. For octsk's nets without callbacks, a checkpoint of the current
        training is also kept.
    resume : bool, default=False
        Whether to continue the same run if `output_dir` contains an unfinished one.
        Completed trainings are not repeated, and the interrupted training continues from
        its last epoch.
    strict : bool, default=False
        Whether to raise an error instead of the warning about `dataset`.
    on_event : callable, default=None
        Function that is called as
        ``on_event(kind, net=..., seed=..., index=..., total=..., ...)``, for example to
        display progress. ``index`` counts the trainings from 0 to ``total - 1``. ``kind``
        is ``"fit_start"`` or ``"fit_end"`` (with ``estimator``), or ``"evaluated"`` (with
        ``report``). A callback that is added to the estimator at ``"fit_start"`` must be
        removed at ``"fit_end"``, because it would be saved otherwise. For trainings that
        were completed before the run was resumed, the only kind is ``"evaluated"``.

    Returns
    -------
    BenchmarkRun
        The reports, and the classifiers that were fitted with the first seed. Of the
        classifiers that were trained before the run was resumed, it only contains octsk's
        nets.

    Raises
    ------
    ImportError
        If `corruptions` is True and scikit-image is not installed.
    TypeError
        If `dataset` is not a Bunch.
    ValueError
        If there are no classifiers or seeds, a seed occurs twice, two names result in the
        same file name, `dataset` has no training or test split, a group of the test split
        is missing, its images cannot be corrupted, `strict` is True and the checks find
        problems, `positive`, `specificity` or `sensitivity` is invalid or requires a
        validation split that does not exist, or `output_dir` contains a run with other
        classifiers, seeds or data.
    FileExistsError
        If `output_dir` contains files, except those of a run that is resumed.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import SGDClassifier
    >>> from sklearn.utils import Bunch
    >>> rng = np.random.RandomState(0)
    >>> y = np.arange(120) % 2
    >>> X = rng.normal(size=(120, 5)) + y[:, None]
    >>> dataset = Bunch(
    ...     name="two blobs", size=None, synthetic=True,
    ...     train=Bunch(data=X[:80], target=y[:80]),
    ...     val=None,
    ...     test=Bunch(data=X[80:], target=y[80:]),
    ... )
    >>> run = run_benchmark(
    ...     {"linear": SGDClassifier(loss="log_loss")}, dataset, seeds=[0, 1, 2]
    ... )
    >>> run
    <BenchmarkRun of linear on two blobs (SYNTHETIC), test split, seeds 0, 1, 2>
    >>> [row] = run.summary()
    >>> print(row["n_seeds"], 0 < row["acc_std"] < 0.1)
    3 True
    """
    seeds = tuple(int(seed) for seed in seeds)
    _check_run(estimators, dataset, seeds)
    if corruptions:
        check_test_corruptible(dataset)
    found = warn_of_findings(dataset, strict=strict)
    point = PointRequest(positive, specificity, sensitivity)
    study = _checked_study(dataset, point)
    run = BenchmarkRun(
        seeds=seeds,
        training={**_training_info(dataset), "findings": found.sentences},
        dataset=dataset,
        plan=make_plan(
            estimators,
            dataset,
            seeds,
            corruptions=corruptions,
            operating_point=_plan_of_point(point),
        ),
    )
    # The reports contain remarks about shared images.
    checked = {**dataset, "shared_images": found.shared_images}
    if output_dir is None:
        _train_all(run, estimators, checked, study, None, on_event)
        return run
    folder = Path(output_dir)
    record, checkpoints = folder / "run.json", folder / "checkpoints"
    if not (resume and record.exists()) and not _holds_only(folder, leftovers_of(record)):
        _new_folder(folder)
    with begun(record, run.plan, checkpoints, resume=resume):
        _train_all(run, estimators, checked, study, folder, on_event)
        run._save_overview(folder)
        run._save_page(folder)
        for file in [path for path in folder.rglob("*") if path.is_file()]:
            # Processes that were killed while writing the file may have left these.
            remove_temporaries(file)
    return run


def _train_all(run, estimators, dataset, study, folder, on_event) -> None:
    """Add the report of each training to the run, and save it if there is a folder."""
    trainings = [(net, seed) for net in estimators for seed in run.seeds]
    corruptions = run.plan.get("corruptions", False)
    for index, (net, seed) in enumerate(trainings):
        tell = partial(
            on_event or _ignore, net=net, seed=seed, index=index, total=len(trainings)
        )
        report, estimator = _done_before(folder, net, seed, corruptions)
        if report is None:
            report, estimator = _train(
                clone_with_seed(estimators[net], seed),
                net,
                seed,
                dataset,
                study,
                folder,
                tell,
                corruptions,
            )
        run.reports.setdefault(net, []).append(report)
        if estimator is not None:
            run.estimators.setdefault(net, estimator)
        tell("evaluated", report=report)


def _train(estimator, net, seed, dataset, study, folder, tell, corruptions):
    tell("fit_start", estimator=estimator)
    checkpointed = []
    if folder is not None:
        checkpointed = set_checkpoint_dir(estimator, folder / "checkpoints")
    fit_seconds = fit_timed(estimator, dataset)
    for one in checkpointed:
        one.set_params(checkpoint_dir=None)
        fit_seconds += getattr(one, "_seconds_before", 0.0)
    tell("fit_end", estimator=estimator)
    test = dataset["test"]
    report = evaluate_split(
        estimator, test["data"], test["target"], dataset, seed=seed, study=study
    )
    rows = _corruption_rows(estimator, net, seed, test) if corruptions else None
    by_group = report.by_group and dataclasses.replace(report.by_group, name=net)
    report = dataclasses.replace(
        report, name=net, fit_seconds=fit_seconds, corruptions=rows, by_group=by_group
    )
    if folder is not None:
        _save_model(folder, report, estimator)
        # The report is saved last, because it marks the training as completed.
        _save_report(folder, report)
        shutil.rmtree(folder / "checkpoints", ignore_errors=True)
    return report, estimator


def _checked_study(dataset, point: PointRequest) -> Study:
    """Check the arguments about operating points before any classifier is trained."""
    if point.positive is None:
        point.check()
        return Study()
    part = describe_split(dataset, "test")
    parts = [dataset["test"], *([dataset.get("val")] if point.needs_validation else [])]
    groups = [(part or {}).get("groups") for part in parts]
    several = groups[0] is not None and len(np.unique(groups[0])) < len(groups[0])
    by_patient = several and all(one is not None for one in groups)
    study = Study(
        point,
        level="group" if by_patient else "image",
        max_error=None if dataset.get("val") is None else _MAX_ERROR,
    )
    study.check(dataset, "test", part, len(dataset["test"]["target"]))
    classes = np.unique(dataset["train"]["target"])
    point.columns(display_names(None, classes, part["target_names"]), classes)
    return study


def _plan_of_point(point: PointRequest) -> dict[str, Any] | None:
    """Return the arguments of `run_benchmark` that define an operating point."""
    if point.positive is None:
        return None
    return {k: jsonable(v) for k, v in point._asdict().items() if v is not None}


def _corruption_rows(estimator, net, seed, test) -> list[dict[str, Any]]:
    from octsk.corruptions import error_rows, image_sets

    return error_rows(net, seed, estimator, image_sets(test["data"], test["target"]))


def _done_before(folder, net, seed, corruptions):
    """Return the report and net of a training that was completed earlier, or None."""
    if folder is None:
        return None, None
    name = f"{as_word(net)}-seed{seed}"
    path = folder / "reports" / f"{name}.json"
    if not path.exists():
        return None, None
    model = folder / "models" / f"{name}.octsk"
    estimator = None
    if model.exists():
        from octsk.classifiers import load

        estimator = load(model)
    report = BenchmarkReport.from_json(path)
    if corruptions:
        _check_whole(report.corruptions or [], net, seed, path)
    return report, estimator


def _check_whole(rows, net, seed, path) -> None:
    from octsk.corruptions import CLEAN, CORRUPTIONS, SEVERITIES

    kinds = [(CLEAN, 0), *((name, k) for name in CORRUPTIONS for k in SEVERITIES)]
    found = [(r["net"], r["seed"], r["corruption"], r["severity"]) for r in rows]
    if found != [(net, seed, *kind) for kind in kinds]:
        raise ValueError(
            f"{path} lacks errors on corrupted images, or contains others than octsk "
            "writes: remove it to repeat this training."
        )


def _ignore(kind, **info) -> None:
    """Do nothing, if there is no `on_event`."""


def _check_run(estimators, dataset, seeds) -> None:
    check_dataset(dataset)
    if not estimators:
        raise ValueError("estimators must name at least one classifier, got none.")
    words = [as_word(net) for net in estimators]
    if len(set(words)) < len(words):
        raise ValueError(
            f"estimators must have names that differ as file names, got {list(estimators)}."
        )
    if not seeds or len(set(seeds)) < len(seeds):
        raise ValueError(f"seeds must be one or more different integers, got {seeds!r}.")
    for split in ("train", "test"):
        if dataset.get(split) is None:
            raise ValueError(
                f"dataset must have a {split} split, and {dataset.get('name')!r} has none."
            )
    test = dataset["test"]
    if test.get("groups") is not None:
        # Check the groups now rather than after the first training.
        check_groups(test["groups"], len(test["target"]), "groups of the test split")


def check_test_corruptible(dataset) -> None:
    if dataset.get("test") is None:
        raise ValueError(
            f"corruptions=True needs a test split, and {dataset.get('name')!r} has none."
        )
    from octsk.corruptions import check_corruptible

    check_corruptible(dataset["test"]["data"], "dataset.test.data")


def clone_with_seed(estimator, seed):
    """Return a clone with every `random_state` in it set to the seed."""
    estimator = clone(estimator)
    names = [
        name for name in estimator.get_params() if name.split("__")[-1] == "random_state"
    ]
    return estimator.set_params(**dict.fromkeys(names, seed))


def fit_timed(estimator, dataset) -> float:
    """Fit on the training split and return the time in seconds.

    Networks of octsk then get a gate for unfamiliar images. Its time is not included.
    """
    train, val = dataset["train"], dataset.get("val")
    validation = {}
    if val is not None and _takes(estimator.fit, "X_val"):
        validation = {"X_val": val["data"], "y_val": val["target"]}
    start = time.perf_counter()
    estimator.fit(train["data"], train["target"], **validation)
    seconds = time.perf_counter() - start
    if hasattr(estimator, "gate_"):
        from octsk.classifiers import add_gate

        add_gate(estimator, dataset)
    return seconds


def _training_info(dataset) -> dict[str, Any]:
    train, val = dataset["train"], dataset.get("val")
    return {
        "n_train": len(train["target"]),
        "n_val": 0 if val is None else len(val["target"]),
        "n_train_groups": _count_groups(train),
        "n_val_groups": _count_groups(val),
        # If there is a file, its hash covers all splits.
        "sha256": None
        if dataset.get("sha256")
        else arrays_sha256(train["data"], train["target"]),
    }


def _count_groups(part) -> int | None:
    """Return the number of patients of a split, or None if they are not known."""
    groups = None if part is None else part.get("groups")
    return None if groups is None else len(set(np.ravel(groups).tolist()))
