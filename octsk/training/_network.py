"""The network of an estimator: its optimizer, loss, compilation and twin."""

# This import comes first, since it loads TensorFlow without its messages.
from octsk.utils.tensorflow import keras  # isort: split

import sys
import warnings
from functools import partial

import numpy as np

from octsk.training._callbacks import STEPS_PER_EXECUTION, only_onlookers
from octsk.training._layers import freeze_layers
from octsk.training._model_pool import garbage
from octsk.training._precision import has_fast_bfloat16, in_bfloat16
from octsk.training._process_checks import seeded_layers
from octsk.training._winograd import has_fast_convolutions, use_fast_convolutions

OPTIMIZERS = {
    "adadelta",
    "adafactor",
    "adagrad",
    "adam",
    "adamax",
    "adamw",
    "ftrl",
    "lion",
    "nadam",
    "rmsprop",
    "sgd",
}


def make_optimizer(net):
    """Return a new optimizer with the parameters of an estimator.

    Raises
    ------
    ValueError
        If `optimizer` is unknown or does not fit `learning_rate_schedule`.
    """
    optimizer = _named_optimizer(net.optimizer)
    config = optimizer.get_config()
    if net.learning_rate is not None:
        config["learning_rate"] = float(net.learning_rate)
    if net.weight_decay is not None:
        config["weight_decay"] = float(net.weight_decay)
    if net.ema_momentum is not None:
        config |= {"use_ema": True, "ema_momentum": float(net.ema_momentum)}
    if net.learning_rate_schedule and not isinstance(config["learning_rate"], float):
        raise ValueError(
            f"learning_rate_schedule={net.learning_rate_schedule!r} needs an optimizer "
            f"with a constant learning rate, but {net.optimizer!r} has a schedule."
        )
    return _copy_optimizer(optimizer, config)


def _named_optimizer(optimizer):
    if not isinstance(optimizer, str):
        return optimizer
    if optimizer.lower() not in OPTIMIZERS:
        raise ValueError(
            f"optimizer must be one of {sorted(OPTIMIZERS)} or a Keras optimizer, got "
            f"{optimizer!r}."
        )
    return keras.optimizers.get(optimizer)


def _copy_optimizer(optimizer, config=None):
    return type(optimizer).from_config(config or optimizer.get_config())


def resolve_params(net):
    """Return the values that training uses for parameters that are None or "auto".

    The result includes the precision if training did not use the requested one.
    """
    try:
        config = make_optimizer(net).get_config()
    except ValueError:  # a value that fit rejects
        return {}
    rate = config["learning_rate"]
    own = {
        # The rate is a float32. A schedule is a dictionary of its class and settings.
        "learning_rate": float(str(np.float32(rate)))
        if isinstance(rate, float)
        else f"{rate['class_name']}, a schedule",
        "weight_decay": config.get("weight_decay") or 0.0,
    }
    if config.get("use_ema"):
        own["ema_momentum"] = config["ema_momentum"]
    resolved = {k: v for k, v in own.items() if getattr(net, k) is None}
    if net.epochs == "auto" and getattr(net, "n_iter_", 0):
        resolved["epochs"] = net.n_iter_
    if net.precision != getattr(net, "_precision_used", net.precision):
        resolved["precision"] = net._precision_used
    return resolved


def has_soft_labels(net):
    """Return whether the labels in training are proportions instead of class indices."""
    return bool(net.mixup or net.label_smoothing)


def make_loss(net):
    """Return the loss of an estimator's network."""
    if not has_soft_labels(net):
        return keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    return keras.losses.CategoricalCrossentropy(
        from_logits=True, label_smoothing=float(net.label_smoothing)
    )


def _architecture_arguments(net):
    """Return the arguments of an estimator's architecture.

    They are converted to lists and Python numbers, so that they can be compared by ``==``.
    """
    return {
        name: np.asarray(getattr(net, name)).tolist() for name in net._architecture_params
    }


def network_arguments(net):
    """Return the parameters that must stay the same in further training of a network."""
    freeze = net.freeze
    if not (freeze is None or isinstance(freeze, str)):
        freeze = np.asarray(freeze).tolist()
    return {**_architecture_arguments(net), "freeze": freeze}


def compile_network(net, is_twin=False, reduced=False, like=None):
    """Return a new compiled network for an estimator's images and classes.

    Parameters
    ----------
    net : BaseOCTNet
        The estimator, with `image_shape_` and `classes_`.
    is_twin : bool, default=False
        Whether the network is only used for training. Some of its convolutions are then
        computed by a faster algorithm.
    reduced : bool, default=False
        Whether the network computes products in bfloat16.
    like : keras.Model, default=None
        A network whose optimizer is copied. None makes one from the parameters.

    Returns
    -------
    keras.Model
        The network, with a built optimizer.
    """
    own = getattr(net._architecture, "__module__", None) == "octsk.architectures"
    if keras.config.image_data_format() != "channels_last" and not own:
        raise ValueError(
            "octsk's images have shape (n, h, w, c), but Keras's image_data_format is "
            "'channels_first', which the layers of a custom architecture follow. Call "
            "keras.config.set_image_data_format('channels_last') first."
        )
    with seeded_layers(net._random_state):
        model = net._architecture(
            net.image_shape_, len(net.classes_), **_architecture_arguments(net)
        )
        if reduced:
            model = in_bfloat16(model)
        if is_twin:
            use_fast_convolutions(model)
    freeze_layers(model, net.freeze)
    model.compile(
        optimizer=_copy_optimizer(like.optimizer) if like else make_optimizer(net),
        loss=make_loss(net),
        metrics=["accuracy"],
        # XLA takes twice as long as oneDNN for these networks on CPUs.
        jit_compile=False,
        steps_per_execution=_steps_per_execution(net),
    )
    model.optimizer.build(model.trainable_variables)
    garbage.add(model)
    return model


def keras_verbose(verbose):
    """Return the `verbose` to pass to Keras, which depends on the standard output."""
    if sys.stdout is None or getattr(sys.stdout, "closed", False):
        return 0  # in a program without a console, where output is an error
    # Keras redraws its progress bar in place, even where the output is a file.
    can_redraw = sys.stdout.isatty() or "ipykernel" in sys.modules
    return 2 if verbose == 1 and not can_redraw else int(verbose)


def _steps_per_execution(net):
    if keras_verbose(net.verbose) == 1:
        return 1  # the progress bar of Keras counts each execution as a full one
    # The user's callbacks may need to be called at each step.
    return STEPS_PER_EXECUTION if only_onlookers(net.callbacks) else 1


def network_kind(net):
    """Return what determines the TensorFlow graph of a training step; see ModelPool."""
    optimizer = make_optimizer(net)
    config = optimizer.get_config()
    del config["name"]  # Keras numbers the optimizers
    if isinstance(config["learning_rate"], float):
        # It is a variable of the optimizer and not part of the graph, unlike a schedule.
        del config["learning_rate"]
    return (
        net._architecture,
        network_arguments(net),
        net.image_shape_,
        len(net.classes_),
        type(optimizer),
        config,
        make_loss(net).get_config(),
    )


def twin_arguments(net):
    """Return the arguments of `fit_model` that define the twin that is trained."""
    reduced = _reduces_precision(net)
    net._precision_used = "bfloat16" if reduced else "float32"
    # A user's callback may permanently change the network, so it must not be in the pool.
    watched = _steps_per_execution(net) == 1
    # If parameters were set since the network was made, or if it was loaded, a network
    # from the parameters would differ.
    changed = getattr(net, "_model_kind", None) != network_kind(net)
    like = net.model_ if changed else None
    make = partial(compile_network, net, is_twin=True, reduced=reduced, like=like)
    if watched or changed:
        # The algorithm of a convolution must not depend on who watches the training.
        needs_twin = reduced or has_fast_convolutions(net.model_)
        return {"kind": None, "make_twin": make if needs_twin else None}
    return {"kind": (*net._model_kind, reduced), "make_twin": make}


def _reduces_precision(net):
    if net.precision == "float32":
        return False
    if not has_fast_bfloat16():
        warnings.warn(
            "precision='bfloat16': this machine has neither AMX, AVX512-BF16, the bf16 "
            "extension of ARM nor a suitable GPU, so bfloat16 would not be faster; "
            "float32 is used.",
            RuntimeWarning,
            stacklevel=2,
        )
        return False
    return True
