"""Content that the page and the model card share: the data and the parameters."""

import re

import numpy as np

from octsk.plots.drawing import class_name
from octsk.utils.tables import Table

SPLITS = {"train": "training", "val": "validation", "test": "test"}


def is_report(run) -> bool:
    """Return whether this is the report of one evaluation rather than a run."""
    return hasattr(run, "y_score")


def check_alone(run, **given) -> None:
    """Raise an error for arguments that require a report if `run` is not one.

    Parameters
    ----------
    run : BenchmarkRun, TuningRun or BenchmarkReport
        What is written about.
    **given : object
        The other arguments by name; None are those not given.

    Raises
    ------
    ValueError
        If one is given with a run.
    """
    for name, value in given.items():
        if value is not None and not is_report(run):
            raise ValueError(
                f"{name} goes with the report of octsk.evaluate alone, and must be None "
                f"for a {type(run).__name__}; got {type(value).__name__}."
            )


def description(dataset) -> list[str]:
    """Return paragraphs about a data set, including its licence and authors.

    Parameters
    ----------
    dataset : Bunch or None
        The data set.

    Returns
    -------
    list of str
        Its ``DESCR``, or that nothing is known.
    """
    about = (dataset or {}).get("DESCR") or ""
    # A title with its underline says no more than the data set's name.
    about = re.sub(r"^.+\n=+\n", "", about)
    words = [" ".join(part.split()) for part in re.split(r"\n\s*\n", about) if part.strip()]
    if "licence" in about.lower() or (dataset or {}).get("synthetic"):
        return words
    return [*words, "The data's licence and makers are not known to octsk: name them."]


def class_counts(dataset, class_names=None, trained_on=None) -> Table:
    """Count the images of each class in each split.

    Parameters
    ----------
    dataset : Bunch
        The whole data set.
    class_names : list of str, default=None
        What to call the classes where the data set does not say.
    trained_on : dict of dict of int, default=None
        For each net, images of each class that it was trained on. Nets that left out some
        of the training split, since they had no weight or were held out, get a column.

    Returns
    -------
    Table
        A row for each class.
    """
    splits = {name: dataset[name] for name in SPLITS if dataset.get(name) is not None}
    counts = {
        split: dict(zip(*np.unique(part["target"], return_counts=True), strict=True))
        for split, part in splits.items()
    }
    labels = sorted({label for split in counts.values() for label in split})
    names = dataset.get("target_names")
    if names is None and len(labels) == len(class_names or ()):
        names = dict(zip(labels, class_names, strict=True))
    words = [class_name(label, names) for label in labels]
    columns = {
        SPLITS[split]: [of_split.get(label, 0) for label in labels]
        for split, of_split in counts.items()
    }
    for net, of_net in (trained_on or {}).items():
        column = [of_net.get(word, 0) for word in words]
        if column != columns[SPLITS["train"]]:
            columns[f"trained {net}"] = column
    rows = zip(words, *([f"{n:,}" for n in one] for one in columns.values()), strict=True)
    return Table("Images of each class", ("class", *columns), list(rows))
