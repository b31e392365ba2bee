"""Search for the best settings of a classifier, and evaluation of the tuned classifier."""

import os
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from numbers import Integral

import numpy as np
from sklearn.base import clone
from sklearn.model_selection import (
    StratifiedGroupKFold,
    StratifiedKFold,
)

from octsk.benchmark import (
    check_test_corruptible,
    clone_with_seed,
    fit_timed,
    run_benchmark,
)
from octsk.datasets import SplitWarning, warn_of_findings
from octsk.evaluation import check_dataset, describe_split
from octsk.model_selection import OCTSearchCV
from octsk.tuning._run import DEFAULT, TUNED, TuningRun
from octsk.utils.files import check_new_folder

# Seconds between two calls of `on_trials`.
_LOOK = 1.0


def tune(
    search: OCTSearchCV,
    dataset: Mapping,
    *,
    seeds: Sequence[int] = (0,),
    corruptions: bool = False,
    output_dir: str | os.PathLike | None = None,
    strict: bool = False,
    on_trials: Callable[[OCTSearchCV], None] | None = None,
    on_event: Callable[..., None] | None = None,
) -> TuningRun:
    """Search on the training split, and evaluate the best settings on the test split.

    The search only uses the training split. Then `octsk.benchmark.run_benchmark` trains
    both the original estimator and the one with the best parameters on the whole training
    split, and evaluates them on the test split. If the data set has groups (patients), the
    folds keep them together.

    Parameters
    ----------
    search : OCTSearchCV
        The search. It is not changed, since a new search with the same parameters is
        fitted. If `cv` is a number or None (which means 5), the folds are stratified, keep
        groups together, and are shuffled in the same way each time. A study with a storage
        is continued. `refit` is ignored.
    dataset : Bunch
        A data set, such as `octsk.datasets.load_medmnist` returns: ``train`` and
        optionally ``val`` and ``test``, each a Bunch with ``data``, ``target`` and
        optionally ``groups``. A warning is issued for each problem that
        `octsk.datasets.check_splits` finds.
    seeds : sequence of int, default=(0,)
        Seeds for training after the search. With each seed, the original and the tuned
        estimator are trained once. The tuned estimator of the first seed is kept.
    corruptions : bool, default=False
        Whether to evaluate these estimators on corrupted images as well, as in
        `octsk.benchmark.run_benchmark`.
    output_dir : path-like, default=None
        New or empty folder to which `TuningRun.save` writes the results. None writes
        nothing.
    strict : bool, default=False
        Whether to raise an error instead of the warnings about `dataset`.
    on_trials : callable, default=None
        Function for a progress display. It is called with the search in a separate thread,
        once per second while the search runs, and once more after its end.
    on_event : callable, default=None
        Function for the progress of the trainings after the search, as in
        `octsk.benchmark.run_benchmark`.

    Returns
    -------
    TuningRun
        The search, the tuned estimator and their results.

    Raises
    ------
    TypeError
        If `dataset` is not a Bunch.
    ValueError
        If `dataset` has no training split, if `corruptions` is True but there is no test
        split that can be corrupted, or if `OCTSearchCV.fit` raises it.
    ImportError
        If `corruptions` is True and scikit-image is not installed.
    FileExistsError
        If `output_dir` already contains files.

    See Also
    --------
    octsk.OCTSearchCV : The search, with storages, workers and pruners.

    Notes
    -----
    Ctrl-C ends the search, and the run continues with the best trial so far.
    """
    check_dataset(dataset)
    train = dataset.get("train")
    if train is None:
        raise ValueError(
            f"dataset must have a train split, but {dataset.get('name')!r} has none."
        )
    if corruptions:
        # Raise the error now rather than after the search.
        check_test_corruptible(dataset)
    if output_dir is not None:
        check_new_folder(output_dir)
    found = warn_of_findings(dataset, strict=strict)
    groups = train.get("groups")
    params = search.get_params(deep=False)
    params |= {"refit": False, "cv": _splitter(search.cv, groups)}
    search = type(search)(**params)
    if isinstance(search.scoring, (list, tuple, set, dict)):
        raise ValueError(f"search must have one metric, got scoring={search.scoring!r}.")
    grouped = {} if groups is None else {"groups": groups}
    with _looked_at(search, on_trials):
        search.fit(train["data"], train["target"], **grouped)
    given, seeds = search.estimator, tuple(seeds)
    tuned = clone(given).set_params(**clone(search.best_params_, safe=False))
    run, estimator = None, None
    if dataset.get("test") is None:
        estimator = clone_with_seed(tuned, seeds[0])
        fit_timed(estimator, dataset)
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SplitWarning)  # issued before the search
            run = run_benchmark(
                {DEFAULT: given, TUNED: tuned},
                dataset,
                seeds=seeds,
                corruptions=corruptions,
                on_event=on_event,
            )
        estimator = run.estimators[TUNED]
    info = describe_split(dataset, "train")
    names = info["target_names"]
    result = TuningRun(
        search=search,
        estimator=estimator,
        benchmark=run,
        data={
            **{name: info[name] for name in ("name", "size", "sha256")},
            "synthetic": bool(info["synthetic"]),
            "n_train": len(train["target"]),
            "n_groups": None if groups is None else len(np.unique(groups)),
            "findings": found.sentences,
        },
        class_names=None if names is None else [str(name) for name in names],
        dataset=dataset,
    )
    if output_dir is not None:
        result.save(output_dir)
    return result


def _splitter(cv, groups):
    if cv is not None and not isinstance(cv, Integral):
        # An iterator of folds can only be used once.
        return cv if hasattr(cv, "split") else list(cv)
    cls = StratifiedKFold if groups is None else StratifiedGroupKFold
    # A study can only be continued with the same folds.
    return cls(cv or 5, shuffle=True, random_state=0)


@contextmanager
def _looked_at(search, on_trials) -> Iterator[None]:
    """Call `on_trials` repeatedly while a search runs, for the trials of all processes."""
    if on_trials is None:
        yield
        return
    ended = threading.Event()

    def look():
        while not ended.wait(_LOOK):
            if hasattr(search, "study_"):
                on_trials(search)

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
    on_trials(search)
