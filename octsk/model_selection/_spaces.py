"""Search spaces: the grid of the report, default spaces and spaces in files."""

import json
from typing import Any

from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline

from octsk.utils.json import read_json

# Numbers of epochs for each net in the report's list of results.
_REPORT_EPOCHS = {"SmallOCTNet": [5, 10], "MediumOCTNet": [5, 7]}


# Factors by which the sizes of a network are multiplied.
_SIZES = (0.25, 0.5, 1, 2)


# Maximum size of a file in bytes. Search spaces are written by hand, so they are small.
_MAX_SPACE_BYTES = 2**20


def report_grid_search(*, random_state=None, **params):
    """Create a search over the report's grid of nets, optimizers, epochs and augmentation.

    The grid has 16 candidates: the Small net with 5 or 10 epochs and the Medium net with
    5 or 7, each with Adam or Nadam and with or without augmentation. They include the 12
    candidates in the report's list of results.

    Parameters
    ----------
    random_state : int, RandomState instance or None, default=None
        Seed of the nets.
    **params : dict
        Parameters of :class:`~sklearn.model_selection.GridSearchCV`, such as `cv` and
        `n_jobs`. The default of `scoring` is "balanced_accuracy".

    Returns
    -------
    sklearn.model_selection.GridSearchCV
        The unfitted search. Its estimator is a pipeline with one step, "net".

    References
    ----------
    L. Ganser, R. Diaconescu, "Retinal OCT Scan Classification: Beating the MedMNIST
    Benchmark", University College Freiburg, 2021.

    Examples
    --------
    >>> from sklearn.model_selection import ParameterGrid
    >>> from octsk import report_grid_search
    >>> search = report_grid_search(cv=3, random_state=0)
    >>> len(ParameterGrid(search.param_grid))
    16
    """
    from octsk import classifiers

    grid = [
        {
            "net": [getattr(classifiers, net)(random_state=random_state)],
            "net__optimizer": ["adam", "nadam"],
            "net__epochs": epochs,
            "net__augmentation": [True, None],
        }
        for net, epochs in _REPORT_EPOCHS.items()
    ]
    pipeline = Pipeline([("net", classifiers.SmallOCTNet(random_state=random_state))])
    return GridSearchCV(pipeline, grid, **{"scoring": "balanced_accuracy"} | params)


def search_space(estimator, *, sizes=False):
    """Return the parameters of an estimator to vary, as Optuna distributions.

    For each octsk net in the estimator, these are the learning rate, the optimizer, the
    batch size, the number of epochs (from half to twice the number of the net, unless it is
    "auto"), the dropout, the label smoothing, the class weights, and the ranges of the
    augmentation if the net has any. For each :class:`~octsk.OCTAugmenter`, they are its
    ranges.

    Parameters
    ----------
    estimator : estimator instance
        A net, or a pipeline or other estimator that contains nets or augmenters.
    sizes : bool, default=False
        Whether to vary `filters` and `dense_units` as well, from a quarter to twice the
        sizes of the net. Each new size has to be compiled, which takes seconds.

    Returns
    -------
    dict of str to optuna distribution or list
        Distribution of each parameter. A list contains the values to choose from. To
        replace one of them, write for example ``search_space(net) | {"epochs": [4, 8]}``.

    Raises
    ------
    ValueError
        If the estimator contains neither a net nor an augmenter.

    Examples
    --------
    >>> from octsk import SmallOCTNet, search_space
    >>> space = search_space(SmallOCTNet())
    >>> space["learning_rate"]
    FloatDistribution(high=0.01, log=True, low=0.0001, step=None)
    >>> space["augmentation__rotation_range"].high
    15.0
    """
    from octsk.augmentation import OCTAugmenter
    from octsk.classifiers import BaseOCTNet

    space: dict[str, Any] = {}
    for name, part in {"": estimator, **estimator.get_params(deep=True)}.items():
        prefix = f"{name}__" if name else ""
        if isinstance(part, BaseOCTNet):
            space |= _prefixed(prefix, _net_space(part, sizes))
            if part.augmentation is True:
                space |= _prefixed(f"{prefix}augmentation__", _augmenter_space())
        elif isinstance(part, OCTAugmenter):
            space |= _prefixed(prefix, _augmenter_space())
    if not space:
        raise ValueError(
            f"estimator must contain an octsk net or augmenter to vary, got {estimator!r}."
        )
    return space


def _prefixed(prefix, space):
    return {prefix + name: drawn_from for name, drawn_from in space.items()}


def _net_space(net, sizes):
    from optuna.distributions import (
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )

    space: dict[str, Any] = {
        "learning_rate": FloatDistribution(1e-4, 1e-2, log=True),
        # Similar optimizers, whose learning rates are comparable.
        "optimizer": CategoricalDistribution(("adam", "adamw", "nadam")),
        "batch_size": IntDistribution(16, 128, log=True),
        # These two have few values, since the network is compiled for each of them.
        "dropout": FloatDistribution(0.0, 0.5, step=0.125),
        "label_smoothing": FloatDistribution(0.0, 0.1, step=0.05),
        "class_weight": CategoricalDistribution((None, "balanced")),
    }
    if net.epochs != "auto":
        space["epochs"] = IntDistribution(max(1, net.epochs // 2), 2 * net.epochs)
    for name in ("filters", "dense_units") if sizes else ():
        own = getattr(net, name)
        if len(own):
            space[name] = [tuple(max(1, int(n * size)) for n in own) for size in _SIZES]
    return space


def _augmenter_space():
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    highest = {
        "rotation_range": 15.0,
        "width_shift_range": 0.3,
        "height_shift_range": 0.3,
        "shear_range": 10.0,
        "zoom_range": 0.3,
        "brightness_range": 0.2,
        "contrast_range": 0.3,
        "gamma_range": 0.3,
        "amplitude_mix": 1.0,
    }
    ranges = {name: FloatDistribution(0.0, high) for name, high in highest.items()}
    return ranges | {"horizontal_flip": CategoricalDistribution((False, True))}


def read_search_space(path):
    """Read a search space from a JSON file.

    The file contains an object with one entry for each parameter: a list of values to
    choose from, or a distribution in Optuna's short form, which is an object with the keys
    "type" ("float" or "int"), "low", "high" and optionally "log" and "step".

    Parameters
    ----------
    path : str or path-like
        The file.

    Returns
    -------
    dict of str to optuna distribution or list
        The space, for `param_distributions` of :class:`~octsk.OCTSearchCV`.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it does not contain a search space.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from octsk.model_selection import read_search_space
    >>> text = '''{
    ...     "optimizer": ["adam", "sgd"],
    ...     "learning_rate": {"type": "float", "low": 0.0001, "high": 0.1, "log": true}
    ... }'''
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "space.json")
    ...     _ = path.write_text(text)
    ...     space = read_search_space(path)
    >>> space["optimizer"], space["learning_rate"].high
    (['adam', 'sgd'], 0.1)
    """
    from optuna.distributions import json_to_distribution

    try:
        entries = read_json(path, _MAX_SPACE_BYTES)
        if not entries:
            raise ValueError("it is empty")
        return {
            name: entry
            if isinstance(entry, list)
            else json_to_distribution(json.dumps(entry))
            for name, entry in entries.items()
        }
    except (ValueError, KeyError, TypeError, AttributeError, ArithmeticError) as error:
        raise ValueError(
            f"{str(path)!r} does not contain a search space ({type(error).__name__}: "
            f"{error}). It must be a JSON object of lists of values and of objects such as "
            '{"type": "float", "low": 0.0001, "high": 0.01, "log": true}.'
        ) from error
