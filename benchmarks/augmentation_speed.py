"""Images augmented per second on one core: octsk beside Keras.

Contenders, all with the same ranges, each pass over the images drawn anew:

  octsk, in a fit        what an estimator's augmentation= does: shuffled uint8 images
                         gathered, scaled, warped and batched
  octsk, fit_transform   what a pipeline step does: uint8 images in and out
  ImageDataGenerator     Keras's legacy generator, as in the report: flow() over floats
  Keras layers           RandomRotation, RandomTranslation, RandomZoom and RandomFlip on
                         float batches in a tf.data map, as Keras advises
  Keras layers, eager    the same layers called batch by batch from Python

Keras's layers are spared the shear: at the report's 0.001 to 0.1 degrees it moves no
pixel by more than 0.03. Batches have 32 images.

The process keeps to one core. Time is that core's (CPU time), so that other processes
on the machine count as little as they can. Contenders take turns.
"""

import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from benchmarks._apart import run_apart, use_one_core
from benchmarks._common import (
    at_least,
    interleaved,
    labelled,
    new_parser,
    new_result,
    ratio_words,
    ratios,
    save,
    show,
)
from octsk.utils.tables import Table

OURS = ("octsk, in a fit", "octsk, fit_transform")
THEIRS = ("ImageDataGenerator", "Keras layers", "Keras layers, eager")
# What the project asks of the first of OURS beside the first of THEIRS.
GOAL = 6
BATCH_SIZE = 32


def measure(n: int, repeats: int, preset: str) -> dict[str, list[float]]:
    """Time every contender in this process, on one core.

    Returns
    -------
    dict of list of float
        Images per second of CPU time, one value a repeat.
    """
    use_one_core()
    import octsk

    # What is on the images makes no difference to the time, so a few will do.
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
    return interleaved(timed, repeats)


def _timer(one_pass: Callable[[], int], n: int) -> Callable[[], float]:
    def images_per_second() -> float:
        start = time.process_time()
        done = one_pass()
        seconds = time.process_time() - start
        assert done == n
        return n / seconds

    return images_per_second


# Each contender: from images, labels and a preset to one pass, which returns how many
# images it made.


def _octsk_in_a_fit(images, y, preset) -> Callable[[], int]:
    from octsk import OCTAugmenter
    from octsk.training._fitting import Batches

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
    """Make Keras's layers for a preset's ranges."""
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
    """Take all batches inside TensorFlow, as a fit does."""
    import tensorflow as tf

    @tf.function
    def count():
        return dataset.reduce(np.int64(0), lambda n, batch: n + tf.size(batch[1], tf.int64))

    return lambda: int(count())


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    parser = new_parser(__doc__)
    parser.add_argument(
        "--n", type=at_least(1), default=16_384, help="images a pass (default %(default)s)"
    )
    parser.add_argument(
        "--repeats",
        type=at_least(1),
        default=7,
        help="passes of each (default %(default)s)",
    )
    parser.add_argument(
        "--preset",
        choices=["training", "demonstration"],
        default="training",
        help="which of the report's two settings (default %(default)s)",
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
    """Put a result, also one read from its file, into the tables that are shown."""
    return labelled([_speeds(result), _ratios(result)], synthetic=True)


def _speeds(result) -> Table:
    medians = {
        name: statistics.median(speeds)
        for name, speeds in result["images_per_second"].items()
    }
    return Table(
        f"Augmentation on one core, {result['settings']['preset']} settings",
        ("contender", "images/s", "µs an image"),
        [(name, f"{speed:,.0f}", f"{1e6 / speed:.1f}") for name, speed in medians.items()],
        [
            f"{result['settings']['n']:,} images of 28 x 28 a pass, median of "
            f"{result['settings']['repeats']} passes."
        ],
    )


def _ratios(result) -> Table:
    return Table(
        "octsk's images per second, divided by those of",
        ("", *OURS),
        [
            (theirs, *(ratio_words(result["ratios"][ours][theirs]) for ours in OURS))
            for theirs in THEIRS
        ],
        [
            "Median (and ends) of the ratios, one a turn.",
            f"Goal: {OURS[0]}, at least {GOAL} times {THEIRS[0]}.",
        ],
    )


if __name__ == "__main__":
    main()
