"""Time and memory of a full-size fit, compared with the report's pipeline.

Contenders:

  octsk              the estimator with default settings on uint8 images
  report's pipeline  plain Keras, as in the report: images divided by 255 (NumPy converts
                     them to float64), the same network, optimizer and batch size,
                     ImageDataGenerator.flow, model.fit

Both validate after each epoch on a ninth as many images, as in the report, and print no
progress. Each fit runs in its own Python process, and the contenders take turns. Without
--data, the images are phantoms, drawn at the start (a minute or two for OCTMNIST's 97,477).

Memory is the peak of the process (Linux only). The added memory of a fit is this peak
minus that of the same fit on 2,048 of the images, with all images loaded. It is given
relative to the size of the uint8 training array.
"""

import statistics
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._apart import peak_memory, run_apart
from benchmarks._common import (
    N_TRAIN,
    add_banner,
    at_least,
    format_ratio,
    new_parser,
    new_result,
    phantoms,
    ratios,
    run_interleaved,
    save,
    show,
    stop,
)
from octsk.utils.tables import Table

CONTENDERS = {"octsk": "fit_octsk", "report's pipeline": "fit_as_in_report"}
OURS, THEIRS = CONTENDERS
BATCH_SIZE = 32
# Number of images of the fit that measures the memory of TensorFlow and the network.
N_FEW = 64 * BATCH_SIZE
OPTIMIZERS = {"small": "adam", "medium": "nadam"}


def fit_octsk(
    path: str, net: str, n: int, epochs: int, precision: str = "float32"
) -> dict[str, Any]:
    """Fit octsk's estimator on the first `n` training images of a file.

    Returns
    -------
    dict
        Seconds of ``training`` and ``validation`` of each epoch, CPU seconds of training in
        all threads (``training_cpu``), ``seconds`` of the whole fit, the ``peak`` memory of
        the process in bytes, the size in bytes of the ``array`` of all training images, and
        the ``accuracy`` of the last epoch.
    """
    from octsk.classifiers import NETS
    from octsk.training._callbacks import Onlooker

    train, val = read_splits(path, n)
    # With a callback of any other class, Keras would run each step in a separate call.
    clock = new_clock(Onlooker)
    clf = NETS[net](epochs=epochs, callbacks=clock, precision=precision, random_state=0)
    start = time.perf_counter()
    clf.fit(train.data[:n], train.target[:n], X_val=val.data, y_val=val.target)
    return _measured(start, clock, train, clf.history_)


def fit_as_in_report(path: str, net: str, n: int, epochs: int) -> dict[str, Any]:
    """Fit as in the notebook of the report, and return the same dict as `fit_octsk`."""
    import keras
    from keras.src.legacy.preprocessing.image import ImageDataGenerator

    from octsk.augmentation import PRESETS

    train, val = read_splits(path, n)
    keras.utils.set_random_seed(0)
    clock = new_clock(keras.callbacks.Callback)
    start = time.perf_counter()
    x_train = train.data[:n, ..., np.newaxis] / 255.0
    x_val = val.data[..., np.newaxis] / 255.0
    model = report_model(net, x_train.shape[1:], len(np.unique(train.target)))
    model.compile(
        optimizer=OPTIMIZERS[net],
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    generator = ImageDataGenerator(**PRESETS["training"])
    history = model.fit(
        generator.flow(x_train, train.target[:n], batch_size=BATCH_SIZE),
        epochs=epochs,
        validation_data=(x_val, val.target),
        callbacks=[clock],
        verbose=0,
    )
    return _measured(start, clock, train, history.history)


def report_model(net, input_shape, n_classes):
    from keras import Input, Sequential
    from keras.layers import Conv2D, Dense, Flatten, MaxPooling2D

    if net == "small":
        layers = [
            Conv2D(32, (3, 3), activation="relu"),
            MaxPooling2D((2, 2)),
            Conv2D(32, (3, 3), activation="relu"),
            Flatten(),
            Dense(64, activation="relu"),
        ]
    else:
        layers = [
            Conv2D(128, (3, 3), activation="relu"),
            MaxPooling2D((2, 2)),
            Conv2D(512, (3, 3), activation="relu"),
            MaxPooling2D((2, 2)),
            Conv2D(1024, (3, 3), activation="relu"),
            Flatten(),
            Dense(256, activation="relu"),
            Dense(128, activation="relu"),
        ]
    return Sequential([Input(input_shape), *layers, Dense(n_classes)])


def read_splits(path, n):
    """Load all training images, and a number of validation images proportional to `n`."""
    import octsk

    train = octsk.load_medmnist(path, split="train", mmap=False)
    val = octsk.load_medmnist(path, split="val", mmap=False)
    n_val = max(1, len(val.target) * n // len(train.target))
    val.data, val.target = val.data[:n_val], val.target[:n_val]
    return train, val


def new_clock(base: Any):
    """Create a callback of class `base` that records seconds of training and validation."""

    class Clock(base):
        def __init__(self):
            super().__init__()
            self.training, self.training_cpu, self.validation = [], [], []

        def on_epoch_begin(self, epoch, logs=None):
            self.begun, self.begun_cpu = time.perf_counter(), time.process_time()

        def on_test_begin(self, logs=None):
            self.trained = time.perf_counter()
            self.training.append(self.trained - self.begun)
            self.training_cpu.append(time.process_time() - self.begun_cpu)

        def on_epoch_end(self, epoch, logs=None):
            if len(self.training) == epoch:  # no validation
                self.on_test_begin()
            self.validation.append(time.perf_counter() - self.trained)

    return Clock()


def _measured(start, clock, train, history) -> dict[str, Any]:
    return {
        "training": clock.training,
        "training_cpu": clock.training_cpu,
        "validation": clock.validation,
        "seconds": time.perf_counter() - start,
        "peak": peak_memory(),
        "array": train.data.nbytes,
        "accuracy": float(history["accuracy"][-1]),
    }


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    parser = new_parser(__doc__)
    parser.add_argument(
        "--net",
        nargs="+",
        choices=list(OPTIMIZERS),
        default=["small"],
        help="networks to fit (default %(default)s); on two cores a full-size epoch takes "
        "tens of seconds for small and 7 to 10 minutes for medium",
    )
    parser.add_argument(
        "--data", type=Path, metavar="FILE", help="npz file in MedMNIST's layout"
    )
    parser.add_argument(
        "--n",
        type=at_least(BATCH_SIZE),
        help=f"number of training images (default: all of the file, or {N_TRAIN} phantoms)",
    )
    parser.add_argument(
        "--epochs",
        type=at_least(1),
        default=2,
        help="epochs of each fit (default %(default)s)",
    )
    parser.add_argument(
        "--repeats",
        type=at_least(1),
        default=1,
        help="fits of each contender (default %(default)s)",
    )
    arguments = parser.parse_args(argv)
    try:
        with tempfile.TemporaryDirectory() as folder:
            path = arguments.data or write_phantoms(arguments.n or N_TRAIN, Path(folder))
            result = _run(arguments, path.resolve())
    except (OSError, ValueError) as error:
        stop(error)
    show(tables(result))
    save(result, arguments.output)
    return result


def write_phantoms(n, folder) -> Path:
    dataset = phantoms(n)
    path = folder / "phantoms.npz"
    arrays = {}
    for split in ("train", "val"):
        arrays[f"{split}_images"] = dataset[split].data
        arrays[f"{split}_labels"] = dataset[split].target[:, np.newaxis]
    np.savez(path, **arrays)
    return path


def _run(arguments, path) -> dict[str, Any]:
    import octsk

    data = octsk.load_medmnist(path, split="train")
    n = min(arguments.n or len(data.target), len(data.target))
    settings = {"n": n, "epochs": arguments.epochs, "repeats": arguments.repeats}
    result = new_result("full_fit", settings) | {
        "data": {
            "name": data.name if arguments.data else "oct-phantoms",
            "sha256": data.sha256,
            "synthetic": arguments.data is None,
        },
        "nets": {},
    }
    for net in arguments.net:
        result["nets"][net] = _compare(str(path), net, n, settings)
        save(result, arguments.output)  # intermediate results
    return result


def _compare(path, net, n, settings) -> dict[str, Any]:
    def fit(function, n, epochs):
        return run_apart(
            f"{__spec__.name}:{function}", path=path, net=net, n=n, epochs=epochs
        )

    few = {name: fit(function, min(n, N_FEW), 1) for name, function in CONTENDERS.items()}
    fits = run_interleaved(
        {
            name: partial(fit, function, n, settings["epochs"])
            for name, function in CONTENDERS.items()
        },
        settings["repeats"],
    )
    epoch, cpu = (
        {name: [steady(one[clock]) for one in fits[name]] for name in CONTENDERS}
        for clock in ("training", "training_cpu")
    )
    whole = {name: [one["seconds"] for one in fits[name]] for name in CONTENDERS}
    return {
        "few": few,
        "fits": fits,
        "epoch_seconds": epoch,
        "epoch_cpu_seconds": cpu,
        "added_arrays": {name: _added(fits[name], few[name]) for name in CONTENDERS},
        # Time of the report's pipeline divided by that of octsk.
        "ratios": {
            "epoch": ratios(epoch[THEIRS], epoch[OURS]),
            "epoch_cpu": ratios(cpu[THEIRS], cpu[OURS]),
            "fit": ratios(whole[THEIRS], whole[OURS]),
        },
    }


def steady(seconds) -> float:
    """Return the median seconds of an epoch, without the first if there are several."""
    return statistics.median(seconds[1:] or seconds)


def _added(fits, few) -> float | None:
    if few["peak"] is None:
        return None
    peak = statistics.median(one["peak"] for one in fits)
    return (peak - few["peak"]) / few["array"]


def tables(result: dict[str, Any]) -> list[Table]:
    """Return the tables of a result, which may have been read from its file."""
    nets = [_table(net, result) for net in result["nets"]]
    return add_banner(nets, synthetic=result["data"]["synthetic"])


def _table(net, result) -> Table:
    measured, settings = result["nets"][net], result["settings"]
    n_steps = -(-settings["n"] // BATCH_SIZE)
    rows = []
    for name, fits in measured["fits"].items():
        epoch = statistics.median(measured["epoch_seconds"][name])
        validation = statistics.median(one["validation"][-1] for one in fits)
        rows.append(
            (
                name,
                f"{epoch:.1f} s",
                f"{1000 * epoch / n_steps:.2f} ms",
                f"{statistics.median(measured['epoch_cpu_seconds'][name]):.1f} s",
                f"{validation:.1f} s",
                f"{statistics.median(one['seconds'] for one in fits):.1f} s",
                *_format_memory(fits, measured["added_arrays"][name]),
            )
        )
    array = next(iter(measured["few"].values()))["array"]
    ratio = measured["ratios"]
    return Table(
        f"{net}, {settings['n']:,} training images, epochs: {settings['epochs']}",
        ("", "epoch", "step", "epoch CPU", "validation", "fit", "peak memory", "added"),
        rows,
        [
            f"The {THEIRS} relative to octsk: epoch {format_ratio(ratio['epoch'])}, epoch "
            f"CPU {format_ratio(ratio['epoch_cpu'])}, fit {format_ratio(ratio['fit'])}; "
            f"median (min to max) of {settings['repeats']}.",
            "Epoch: training only, "
            + (
                "the median after the first." if settings["epochs"] > 1 else "with tracing."
            ),
            "Epoch CPU: time on all cores, which other processes hardly affect.",
            f"Added: memory due to the images, relative to the {array / 1e6:.1f} MB array.",
        ],
    )


def _format_memory(fits, added) -> tuple[str, str]:
    if added is None:
        return "-", "-"
    peak = statistics.median(one["peak"] for one in fits)
    return f"{peak / 1e6:,.0f} MB", f"{added:.2f} x"


if __name__ == "__main__":
    main()
