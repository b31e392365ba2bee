"""Load the data sets, networks and saved models that the options of a command name."""

import typer

from octsk.utils.tensorflow import start_tensorflow

# Number of phantoms: a twelfth of OCTMNIST's images, since they only serve for trying out.
PHANTOMS = {"train": 8000, "val": 1000, "test": 1000}


# One retry helps against a brief failure; an offline user should not wait for more.
DOWNLOAD_RETRIES = 1


def load_data(data, dataset, phantoms, size, data_home, out, *, split=None):
    """Load the data set that the data options name, or OCTMNIST by default."""
    import octsk

    if (data is not None) + (dataset is not None) + phantoms > 1:
        raise typer.BadParameter("--data, --dataset and --phantoms are mutually exclusive")
    if data is not None and size is not None:
        raise typer.BadParameter(
            "--size cannot be used with --data, since a file has its own image size"
        )
    if data is not None:
        return octsk.load_medmnist(data, split=split)
    if phantoms:
        return draw_phantoms(size or 28, out, split)
    return octsk.fetch_medmnist(
        dataset or "octmnist",
        size=size or 28,
        split=split,
        data_home=data_home,
        n_retries=DOWNLOAD_RETRIES,
    )


def draw_phantoms(size, out, split=None):
    from octsk.datasets import draw_splits

    wanted = PHANTOMS if split is None else {split: PHANTOMS[split]}
    with out.progress.status("Drawing synthetic scans"):
        splits = draw_splits(wanted, size=size)
    return splits if split is None else splits[split]


def make_net(name, *, epochs=None, **given):
    """Create an unfitted net; options that are None keep the defaults of the net."""
    start_tensorflow()
    from octsk.classifiers import NETS

    given["epochs"] = int(epochs) if epochs and epochs != "auto" else epochs
    return NETS[name](**{key: value for key, value in given.items() if value is not None})


def load_model(path):
    start_tensorflow()
    import octsk

    return octsk.load(path)
