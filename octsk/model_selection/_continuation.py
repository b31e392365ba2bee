"""Checks that a study is continued with the settings that it was begun with."""

import numpy as np
from optuna.distributions import check_distribution_compatibility

from octsk.utils.free_params import FREE_IN_STUDIES
from octsk.utils.json import describe

_SETTINGS = "settings"


def study_settings(search, space, folds):
    """Describe everything that affects the scores of a study besides the varied parameters.

    Parameters
    ----------
    search : OCTSearchCV
        The search.
    space : Space
        The parameters to vary.
    folds : Folds
        The images, labels and folds.

    Returns
    -------
    dict of str to str
        Description of each setting by its name.
    """
    # A search that ended with an error can be continued with error_score=nan.
    error_score = np.nan if search.error_score == "raise" else search.error_score
    settings = {
        "images, labels and folds": folds.fingerprint(),
        "scoring": describe(search.scoring),
        "metric": search.refit if isinstance(search.refit, str) else "",
        "cost": describe(search.cost),
        "return_train_score": f"{search.return_train_score!r}",
        "error_score": f"{float(error_score)}",
        "parameters of fit and scorers": folds.hash_of_parameters(),
        "estimator": type(search.estimator).__name__,
    }
    for name, value in search.estimator.get_params(deep=True).items():
        if (
            name not in space.distributions
            and name.rpartition("__")[2] not in FREE_IN_STUDIES
        ):
            # Of a nested estimator, only the type is listed here, since its parameters have
            # entries of their own.
            is_part = hasattr(value, "get_params")
            words = type(value).__name__ if is_part else describe(value)
            if value is not None and name.rpartition("__")[2] == "init_from":
                from octsk.classifiers import describe_source

                words = describe_source(value)
            settings[f"estimator__{name}"] = words
    return settings


def check_settings(study, settings):
    """Check that a study is continued with the settings that it was begun with.

    Parameters
    ----------
    study : optuna.Study
        The study. If it is new, the settings are stored in it.
    settings : dict of str to str
        The result of `study_settings` for the current search.

    Raises
    ------
    ValueError
        If the study was begun with other settings.
    """
    begun = study.user_attrs.get(_SETTINGS)
    if begun is None:
        study.set_user_attr(_SETTINGS, settings)
    elif begun != settings:
        names = sorted(k for k in {*begun, *settings} if begun.get(k) != settings.get(k))
        changes = "; ".join(
            f"{k} was {begun.get(k)} and is now {settings.get(k)}" for k in names
        )
        raise ValueError(
            f"the study {study.study_name!r} was begun with other data or settings, so its "
            f"scores cannot be compared with new ones ({changes}). Pass another study_name "
            "or storage to begin a new study."
        )


def check_space(study, space):
    """Check that the lists of values in the search space of a study are unchanged.

    Parameters
    ----------
    study : optuna.Study
        The study.
    space : Space
        The parameters to vary now.

    Raises
    ------
    ValueError
        If a list of values has changed, since Optuna cannot continue such a study. Changes
        of ranges are accepted.
    """
    for trial in study.get_trials(deepcopy=False):
        for name, before in trial.distributions.items():
            now = space.distributions.get(name, before)
            try:
                check_distribution_compatibility(before, now)
            except ValueError:
                raise ValueError(
                    f"the study {study.study_name!r} was begun with {name!r} from "
                    f"{before}, but now it is from {now}. Pass another study_name or "
                    "storage to begin a new study."
                ) from None
