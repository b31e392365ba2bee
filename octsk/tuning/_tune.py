"""Search for the settings of a classifier, fit the best ones and evaluate them."""

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

# Seconds between two looks at a study.
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

    The search sees the training split alone. Its best parameters are then fitted on all
    of it, and measured on the test split beside the estimator as it was given, as
    `octsk.benchmark.run_benchmark` does it. Where the data set has groups (patients),
    folds keep them together.

    Parameters
    ----------
    search : OCTSearchCV
        The search. It stays unfitted: another with the same parameters is fitted. With
        `cv` a number or None (5) folds are stratified and shuffled, in one way always, and
        keep groups together. A study with a storage is continued. `refit` is not used.
    dataset : Bunch
        With ``train`` and, if there are such, ``val`` and ``test``, each a Bunch with
        ``data``, ``target`` and possibly ``groups``: what
        `octsk.datasets.load_medmnist` returns. A warning says what
        `octsk.datasets.check_splits` finds.
    seeds : sequence of int, default=(0,)
        Seeds of the trainings after the search, one each of the default and the tuned
        estimator. The tuned one of the first is kept.
    corruptions : bool, default=False
        As in `octsk.benchmark.run_benchmark`, of these trainings.
    output_dir : path-like, default=None
        New or empty folder, to which `TuningRun.save` writes.
    strict : bool, default=False
        As in `octsk.benchmark.run_benchmark`.
    on_trials : callable, default=None
        Called with the search now and then while its `study_` goes on, and when it has
        ended. For a progress display; in a thread of its own.
    on_event : callable, default=None
        As in `octsk.benchmark.run_benchmark`, of the trainings after the search.

    Returns
    -------
    TuningRun
        The search, the tuned estimator and their figures.

    Raises
    ------
    TypeError
        If `dataset` is not a Bunch.
    ValueError
        If it has no training split, or `OCTSearchCV.fit` finds something wrong; with
        `corruptions`, if it has no test split or one that cannot be corrupted.
    ImportError
        If scikit-image is not installed, with `corruptions`.
    FileExistsError
        If `output_dir` holds files already.

    See Also
    --------
    octsk.OCTSearchCV : The search, with its storages, workers and pruners.

    Notes
    -----
    Ctrl-C ends the search, and the run goes on with the best trial so far.
    """
    check_dataset(dataset)
    train = dataset.get("train")
    if train is None:
        raise ValueError(
            f"dataset must have a train split, and {dataset.get('name')!r} has none."
        )
    if corruptions:
        # Now: that it cannot be done should not be found out after the search.
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
            warnings.simplefilter("ignore", SplitWarning)  # told before the search
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
        # An iterator of folds can be used once only.
        return cv if hasattr(cv, "split") else list(cv)
    cls = StratifiedKFold if groups is None else StratifiedGroupKFold
    # The same folds in each run, or a study could not go on.
    return cls(cv or 5, shuffle=True, random_state=0)


@contextmanager
def _looked_at(search, on_trials) -> Iterator[None]:
    """Report the trials of a running search, including those of other processes."""
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
