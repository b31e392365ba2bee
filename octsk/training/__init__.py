"""Training and inference of Keras models: batches, callbacks, checkpoints, precision."""

from octsk.utils.tensorflow import start_tensorflow

# The modules of this package import TensorFlow, which should load without its messages.
start_tensorflow()

from octsk.training._callback_copies import fresh  # noqa: E402
from octsk.training._callbacks import (  # noqa: E402
    EpochCallback,
    Onlooker,
    ProgressCallback,
    given_callbacks,
    only_onlookers,
)
from octsk.training._fit_estimator import TrainingData, auto_epochs, train  # noqa: E402
from octsk.training._inference import Forward, logits  # noqa: E402
from octsk.training._layers import (  # noqa: E402
    copy_fitting_weights,
    features_model,
    weights_sha256,
)
from octsk.training._network import (  # noqa: E402
    OPTIMIZERS,
    compile_network,
    keras_verbose,
    make_loss,
    network_arguments,
    network_kind,
    resolve_params,
)
from octsk.training._process_checks import check_settings, seeded_layers  # noqa: E402

__all__ = [
    "OPTIMIZERS",
    "EpochCallback",
    "Forward",
    "Onlooker",
    "ProgressCallback",
    "TrainingData",
    "auto_epochs",
    "check_settings",
    "compile_network",
    "copy_fitting_weights",
    "features_model",
    "fresh",
    "given_callbacks",
    "keras_verbose",
    "logits",
    "make_loss",
    "network_arguments",
    "network_kind",
    "only_onlookers",
    "resolve_params",
    "seeded_layers",
    "train",
    "weights_sha256",
]
