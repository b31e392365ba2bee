"""Load what the options of a command name: data sets, networks, saved models."""

import typer

from octsk.utils.tensorflow import start_tensorflow

# Images of the phantom set: a twelfth of OCTMNIST's, since they are only to try things on.
PHANTOMS = {"train": 8000, "val": 1000, "test": 1000}


# A second try against a hiccup; who is offline should not wait for a third.
DOWNLOAD_RETRIES = 1


def load_data(data, dataset, phantoms, size, data_home, out, *, split=None):
    """Load what the data options name, OCTMNIST if they name nothing."""
    import octsk

    if (data is not None) + (dataset is not None) + phantoms > 1:
        raise typer.BadParameter("--data, --dataset and --phantoms exclude one another")
    if data is not None and size is not None:
        raise typer.BadParameter("--size does not go with --data: a file has its own size")
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
    from octsk.datasets._phantoms import draw_splits

    wanted = PHANTOMS if split is None else {split: PHANTOMS[split]}
    with out.progress.status("Drawing synthetic scans"):
        splits = draw_splits(wanted, size=size)
    return splits if split is None else splits[split]


def make_net(name, *, epochs=None, **given):
    """Make an unfitted net; what is not given is the net's own default."""
    start_tensorflow()
    from octsk.classifiers import NETS

    given["epochs"] = int(epochs) if epochs and epochs != "auto" else epochs
    return NETS[name](**{key: value for key, value in given.items() if value is not None})


def load_model(path):
    start_tensorflow()
    import octsk

    return octsk.load(path)
