"""Training in bfloat16, and a test of whether this machine is faster with it."""

from pathlib import Path

from octsk.utils.tensorflow import keras, tf


def has_fast_bfloat16():
    """Return whether this machine trains faster in bfloat16 than in float32.

    This holds for x86 processors with AMX or AVX512-BF16 (which gains less), ARM
    processors with the bf16 extension, and NVIDIA GPUs since Ampere. Processors are only
    recognized on Linux. ``python -m benchmarks.speed --parts precision`` measures the gain.
    """
    for gpu in tf.config.list_physical_devices("GPU"):
        details = tf.config.experimental.get_device_details(gpu)
        if details.get("compute_capability", (0, 0)) >= (8, 0):
            return True
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8").split()
    except OSError:
        return False
    return not {"amx_bf16", "avx512_bf16", "bf16"}.isdisjoint(flags)


def in_bfloat16(model):
    """Return a copy of an untrained model that multiplies in bfloat16.

    Only convolutions and dense layers use bfloat16, except for the last layer, which
    computes the logits. All other layers stay in float32. With Keras's "mixed_bfloat16" for
    all layers, training would not be faster on CPUs, since TensorFlow's element-wise
    operations take longer in bfloat16.
    """
    products = (keras.layers.Conv2D, keras.layers.Dense)

    def copy(layer):
        config = layer.get_config()
        if isinstance(layer, products) and layer is not model.layers[-1]:
            config["dtype"] = "mixed_bfloat16"
        return type(layer).from_config(config)

    return keras.models.clone_model(model, clone_function=copy)
