"""Speed of augmentation on one core, compared with Keras.

All contenders use the same ranges and draw new random numbers in each pass over the images:

  octsk, in a fit        augmentation= of an estimator: shuffled uint8 images are
                         collected, scaled, transformed and batched
  octsk, fit_transform   a pipeline step: uint8 images in and out
  ImageDataGenerator     Keras's legacy generator, as in the report: flow() over floats
  Keras layers           RandomRotation, RandomTranslation, RandomZoom and RandomFlip on
                         float batches in a tf.data map, as recommended by Keras
  Keras layers, eager    the same layers, called batch by batch from Python

Keras's layers omit the shear, which at the report's 0.001 to 0.1 degrees moves no pixel by
more than 0.03. The batch size is 32.

The process is bound to one core. CPU time is measured to reduce the influence of other
processes. The contenders take turns.
"""

import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from benchmarks._apart import run_apart, use_one_core
from benchmarks._common import (
    add_banner,
    at_least,
    format_ratio,
    new_parser,
    new_result,
    ratios,
    run_interleaved,
    save,
    show,
)
from octsk.utils.tables import Table

OURS = ("octsk, in a fit", "octsk, fit_transform")
THEIRS = ("ImageDataGenerator", "Keras layers", "Keras layers, eager")
# Goal of the project for the ratio of the first of OURS to the first of THEIRS.
GOAL = 6
BATCH_SIZE = 32


def measure(n: int, repeats: int, preset: str) -> dict[str, list[float]]:
    """Time every contender in this process, on one core.

    Returns
    -------
    dict of list of float
        Images per second of CPU time, with one value for each repeat.
    """
    use_one_core()
    import octsk

    # The time does not depend on the content of the images, so a few are repeated.
    images, y = octsk.make_oct_phantoms(256, random_state=0, return_X_y=True)
    index = np.arange(n) % len(images)
    images, y = images[index], y[index]
    makers = {
        "octsk, in a fit": _octsk_in_a_fit,
        "octsk, fit_transform": _octsk_fit_transform,
        "ImageDataGenerator": _image_data_generator,
        "Keras layers": _keras_layers,
        "Keras layers, eager": _keras_layers_eager,
    }
    passes = {name: make(images, y, preset) for name, make in makers.items()}
    for one_pass in passes.values():
        one_pass()  # tracing, first allocations
    timed = {name: _timer(one_pass, n) for name, one_pass in passes.items()}
    return run_interleaved(timed, repeats)


def _timer(one_pass: Callable[[], int], n: int) -> Callable[[], float]:
    def images_per_second() -> float:
        start = time.process_time()
        done = one_pass()
        seconds = time.process_time() - start
        assert done == n
        return n / seconds

    return images_per_second


# Each of these functions takes images, labels and a preset, and returns a function that
# makes one pass over the images and returns the number of augmented images.


def _octsk_in_a_fit(images, y, preset) -> Callable[[], int]:
    from octsk import OCTAugmenter
    from octsk.training._batches import Batches

    batches = Batches(
        images[..., np.newaxis],
        y,
        None,
        index=np.arange(len(images)),
        batch_size=BATCH_SIZE,
        seed=0,
        augmenter=OCTAugmenter.from_preset(preset),
    )
    return consumer(batches.dataset())


def _octsk_fit_transform(images, y, preset) -> Callable[[], int]:
    from octsk import OCTAugmenter

    augmenter = OCTAugmenter.from_preset(preset)
    return lambda: len(augmenter.fit_transform(images))


def _image_data_generator(images, y, preset) -> Callable[[], int]:
    from keras.src.legacy.preprocessing.image import ImageDataGenerator

    from octsk.augmentation import PRESETS

    x = images[..., np.newaxis] / np.float32(255)
    flow = ImageDataGenerator(**PRESETS[preset]).flow(x, y, batch_size=BATCH_SIZE)

    def one_pass():
        flow.on_epoch_end()  # draws a new order
        return sum(len(flow[i][0]) for i in range(len(flow)))

    return one_pass


def _keras_layers(images, y, preset) -> Callable[[], int]:
    import tensorflow as tf

    augment = _augment(preset)
    x = images[..., np.newaxis] / np.float32(255)
    dataset = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(len(x)).batch(BATCH_SIZE)
    dataset = dataset.map(lambda x, y: (augment(x), y)).prefetch(tf.data.AUTOTUNE)
    return consumer(dataset)


def _keras_layers_eager(images, y, preset) -> Callable[[], int]:
    augment = _augment(preset)
    x = images[..., np.newaxis] / np.float32(255)

    def one_pass():
        order = np.random.default_rng().permutation(len(x))
        starts = range(0, len(x), BATCH_SIZE)
        return sum(len(augment(x[order[start : start + BATCH_SIZE]])) for start in starts)

    return one_pass


def _augment(preset) -> Callable:
    layers = random_layers(preset)

    def augment(x):
        for layer in layers:
            x = layer(x, training=True)
        return x

    return augment


def random_layers(preset) -> list:
    """Create Keras's random layers for the ranges of a preset."""
    import keras

    from octsk.augmentation import PRESETS

    ranges: dict[str, Any] = PRESETS[preset]
    fill = {"fill_mode": ranges["fill_mode"]}
    zoom = ranges["zoom_range"]
    layers = [
        keras.layers.RandomRotation(ranges["rotation_range"] / 360, **fill),
        keras.layers.RandomTranslation(
            ranges["height_shift_range"], ranges["width_shift_range"], **fill
        ),
        keras.layers.RandomZoom(zoom, zoom, **fill),
    ]
    if ranges["horizontal_flip"]:
        layers.append(keras.layers.RandomFlip("horizontal"))
    return layers


def consumer(dataset) -> Callable[[], int]:
    """Return a function that consumes all batches inside TensorFlow, as a fit does."""
    import tensorflow as tf

    @tf.function
    def count():
        return dataset.reduce(np.int64(0), lambda n, batch: n + tf.size(batch[1], tf.int64))

    return lambda: int(count())


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    parser = new_parser(__doc__)
    parser.add_argument(
        "--n",
        type=at_least(1),
        default=16_384,
        help="images per pass (default %(default)s)",
    )
    parser.add_argument(
        "--repeats",
        type=at_least(1),
        default=7,
        help="passes of each contender (default %(default)s)",
    )
    parser.add_argument(
        "--preset",
        choices=["training", "demonstration"],
        default="training",
        help="one of the two presets of the report (default %(default)s)",
    )
    arguments = parser.parse_args(argv)
    settings = {name: getattr(arguments, name) for name in ("n", "repeats", "preset")}
    result = new_result("augmentation_speed", settings)
    speeds = run_apart(f"{__spec__.name}:measure", **settings)
    result |= {
        "images_per_second": speeds,
        "ratios": {
            ours: {theirs: ratios(speeds[ours], speeds[theirs]) for theirs in THEIRS}
            for ours in OURS
        },
    }
    show(tables(result))
    save(result, arguments.output)
    return result


def tables(result: dict[str, Any]) -> list[Table]:
    """Return the tables of a result, which may have been read from its file."""
    return add_banner([_speeds(result), _ratios(result)], synthetic=True)


def _speeds(result) -> Table:
    medians = {
        name: statistics.median(speeds)
        for name, speeds in result["images_per_second"].items()
    }
    return Table(
        f"Augmentation on one core, {result['settings']['preset']} settings",
        ("contender", "images/s", "µs per image"),
        [(name, f"{speed:,.0f}", f"{1e6 / speed:.1f}") for name, speed in medians.items()],
        [
            f"{result['settings']['n']:,} images of 28 x 28 per pass, median of "
            f"{result['settings']['repeats']} passes."
        ],
    )


def _ratios(result) -> Table:
    return Table(
        "octsk's images per second relative to Keras",
        ("", *OURS),
        [
            (theirs, *(format_ratio(result["ratios"][ours][theirs]) for ours in OURS))
            for theirs in THEIRS
        ],
        [
            "Median (min to max) of the ratios over the turns.",
            f"Goal: {OURS[0]} is at least {GOAL} times as fast as {THEIRS[0]}.",
        ],
    )


if __name__ == "__main__":
    main()
