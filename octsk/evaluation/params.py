"""The values that the parameters of nets resolve to when they are None or "auto"."""

from typing import Any

from octsk.utils.json import jsonable


def resolved_params(estimator) -> dict[str, Any]:
    """Return the values of the net parameters in an estimator that are None or "auto".

    Parameters
    ----------
    estimator : estimator
        A net of octsk, or an estimator with nets among its parameters.

    Returns
    -------
    dict
        Resolved values, by the names of ``estimator.get_params()``.
    """
    parts = {"": estimator}
    parts |= {f"{name}__": part for name, part in estimator.get_params().items()}
    return {
        prefix + name: jsonable(value)
        for prefix, part in parts.items()
        # The network in init_from is not trained.
        if hasattr(part, "_resolved_params") and not prefix.endswith("init_from__")
        for name, value in part._resolved_params().items()
    }


def resolve(params, resolved) -> dict[str, Any]:
    """Return parameters for display, with None and "auto" replaced by resolved values."""
    return {
        name: value
        if name not in resolved
        else f"auto ({resolved[name]})"
        if value == "auto"
        else resolved[name]
        for name, value in params.items()
    }
