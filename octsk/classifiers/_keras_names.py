"""Names of arguments in Keras, scikeras and similar libraries, and octsk's counterparts."""

_INSTEAD = {
    "validation_data": "Pass X_val and y_val to fit.",
    "eval_set": "Pass X_val and y_val to fit.",
    "validation_split": "Set early_stopping=True and validation_fraction.",
    "patience": "Set early_stopping=True and n_iter_no_change.",
    "restore_best_weights": "early_stopping=True restores them.",
    "shuffle": "Each epoch uses the images in a new random order.",
    "initial_epoch": "Use warm_start=True or partial_fit to train further.",
    "lr": "The parameter is called learning_rate.",
    "seed": "The parameter is called random_state.",
    "loss": "The loss is the cross-entropy, which you can modify by class_weight, "
    "sample_weight, mixup and label_smoothing.",
    "metrics": "history_ contains the loss and the accuracy; octsk.metrics has other "
    "metrics, and searches have a parameter `scoring`.",
    "model": "Define a subclass of octsk.classifiers.BaseOCTNet with an architecture.",
    "build_fn": "Define a subclass of octsk.classifiers.BaseOCTNet with an architecture.",
}

# Attributes that scikeras lets a subclass define and octsk ignores, with what to do
# instead.
_HOOKS = {
    "target_encoder": "labels are numbered in sorted order; encode them before fit",
    "feature_encoder": "change images in a step of a Pipeline before the classifier",
    "scorer": "define score, or pass another scoring to a search",
    "_keras_build_fn": "pass the function as architecture= in the class statement",
}


def instead_of(name, parameters):
    """Return a sentence that says what to use instead of a name, or "" if none is known.

    Parameters
    ----------
    name : str
        Name of an argument or a parameter that does not exist, possibly with prefixes as
        in ``optimizer__learning_rate``.
    parameters : collection of str
        Names of the estimator's parameters.

    Returns
    -------
    str
        The sentence, which can be appended to an error message.
    """
    owner, _, inner = name.rpartition("__")
    if inner in parameters:
        return f"Set the parameter {inner!r} in the constructor or by set_params."
    if owner in ("optimizer", "callbacks"):
        return f"Pass a Keras object that was created with {inner}=... as {owner}."
    return _INSTEAD.get(inner, "")


def refuse_arguments(estimator, method, arguments):
    """Raise a TypeError if `arguments`, which the method does not have, is not empty."""
    for name in arguments:
        message = f"{type(estimator).__name__}.{method}() has no argument {name!r}."
        instead = instead_of(name, estimator._get_param_names())
        raise TypeError(f"{message} {instead}".rstrip())


def refuse_hooks(cls):
    """Raise a TypeError if a class defines attributes of scikeras that octsk ignores."""
    for name in _HOOKS.keys() & vars(cls).keys():
        raise TypeError(
            f"{cls.__name__} defines {name}, which scikeras uses but octsk's estimators do "
            f"not: {_HOOKS[name]}."
        )
