"""Loading of the data sets, networks and models that the options of a command name."""

import sys

import typer

from octsk.cli._options import Net, Split
from octsk.cli._own_data import (
    FILES_ALONE,
    holds_image_files,
    load_own,
    split_by_patient,
)
from octsk.utils.tensorflow import start_tensorflow

# Numbers of phantoms in the splits. A twelfth of the size of OCTMNIST is enough for trying
# out a command.
PHANTOMS = {"train": 8000, "val": 1000, "test": 1000}

# One retry helps against a brief failure; an offline user should not wait for more.
DOWNLOAD_RETRIES = 1

# Packages that Keras imports if they are installed, for functions that no command uses.
# They take about a seventh of the time that TensorFlow and Keras take to import.
_UNUSED_BY_KERAS = ("cv2", "IPython", "matplotlib", "pandas")


def load_data(
    data,
    dataset,
    phantoms,
    size,
    data_home,
    out,
    *,
    split=None,
    groups=None,
    fit=None,
):
    """Load the data set that the data options name, or OCTMNIST by default.

    `split` selects one split. If it is None, all splits are loaded.
    """
    import octsk

    if (data is not None) + (dataset is not None) + phantoms > 1:
        raise typer.BadParameter("--data, --dataset and --phantoms are mutually exclusive")
    of_files = data is not None and holds_image_files(data)
    if data is not None and size is not None and not of_files:
        raise typer.BadParameter(
            "--size cannot be used with an npz file as --data, since it has its own image "
            "size"
        )
    if data is None and (groups is not None or fit is not None):
        raise typer.BadParameter(FILES_ALONE)
    if of_files:
        return _load_files(data, size, data_home, out, split, groups, fit)
    if data is not None:
        images = load_own(data, out, groups=groups, fit=fit)
        return images if split is None else _one_split(images, split)
    if phantoms:
        return draw_phantoms(size or 28, out, split)
    return octsk.fetch_medmnist(
        dataset or "octmnist",
        size=size or 28,
        split=split,
        data_home=data_home,
        n_retries=DOWNLOAD_RETRIES,
    )


def _load_files(path, size, data_home, out, split, groups, fit):
    """Load all images of a folder or a CSV file, or one split of them."""
    images = load_own(path, out, size=size, groups=groups, fit=fit, data_home=data_home)
    # Images without splits can only be evaluated, all together.
    if split != "test":
        images = split_by_patient(images, out)
    if split is None:
        return images
    if "train" not in images:
        out.note(f"{images.name} has no splits: all of its images are evaluated")
        return images
    return _one_split(images, split)


def _one_split(images, split):
    """Return a split, including the groups and images that it shares with the others."""
    from octsk.datasets import shared_groups, shared_images, warn_of_shared_groups

    if images[split] is None:
        found = ", ".join(name for name in Split if images[name] is not None)
        raise ValueError(f"{images.filename} has no {split!r} split; it has {found}")
    warn_of_shared_groups(images)
    images[split].shared_groups = shared_groups(images)
    images[split].shared_images = shared_images(images)
    return images[split]


def draw_phantoms(size, out, split=None):
    from octsk.datasets import draw_splits

    wanted = PHANTOMS if split is None else {split: PHANTOMS[split]}
    with out.progress.status("Drawing synthetic scans"):
        splits = draw_splits(wanted, size=size)
    return splits if split is None else splits[split]


def _start_quickly():
    """Import TensorFlow and Keras without these packages, which can be imported later."""
    absent = [name for name in _UNUSED_BY_KERAS if name not in sys.modules]
    sys.modules.update(dict.fromkeys(absent))  # type: ignore[arg-type]
    try:
        start_tensorflow()
    finally:
        for name in absent:
            del sys.modules[name]


def make_net(name, *, epochs=None, **given):
    """Create an unfitted net; options that are None keep the defaults of the net."""
    _start_quickly()
    from octsk.classifiers import NETS

    given["epochs"] = int(epochs) if epochs and epochs != "auto" else epochs
    return NETS[name](**{key: value for key, value in given.items() if value is not None})


def load_model(path):
    _start_quickly()
    import octsk

    return octsk.load(path)


def choose_net(net, images, out):
    """Return the requested net, or print and return the default net for the images."""
    from octsk.datasets import REGISTRY

    if net is not None:
        return net
    if images.synthetic or images.name in REGISTRY:
        return Net.SMALL
    out.note(
        "The residual net is trained, which is the default for your own data. Pass --net "
        "small, medium or large to train a net of the 2021 report."
    )
    return Net.RESIDUAL
