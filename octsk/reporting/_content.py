"""Content that the page and the model card share: the data and the parameters."""

import re

import numpy as np

from octsk.plots.drawing import class_name
from octsk.utils.tables import Table

SPLITS = {"train": "training", "val": "validation", "test": "test"}


def is_report(run) -> bool:
    """Return whether `run` is the report of one evaluation rather than a run."""
    return hasattr(run, "y_score")


def check_alone(run, **given) -> None:
    """Check that arguments that are only allowed with a report are not given with a run.

    Parameters
    ----------
    run : BenchmarkRun, TuningRun or BenchmarkReport
        The run or report.
    **given : object
        The arguments by name, with None for those that were not given.

    Raises
    ------
    ValueError
        If `run` is not a report and an argument is given.
    """
    for name, value in given.items():
        if value is not None and not is_report(run):
            raise ValueError(
                f"{name} is only allowed with the report of octsk.evaluate, and must be "
                f"None for a {type(run).__name__}; got {type(value).__name__}."
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
        The paragraphs of its ``DESCR``. If they do not mention a licence, another paragraph
        says that it is not known.
    """
    about = (dataset or {}).get("DESCR") or ""
    # Leave out an underlined title, since it only repeats the name of the data set.
    about = re.sub(r"^.+\n=+\n", "", about)
    words = [" ".join(part.split()) for part in re.split(r"\n\s*\n", about) if part.strip()]
    if "licence" in about.lower() or (dataset or {}).get("synthetic"):
        return words
    return [*words, "The licence and authors of the data are not known to octsk: add them."]


def class_counts(dataset, class_names=None, trained_on=None) -> Table:
    """Count the images of each class in each split.

    Parameters
    ----------
    dataset : Bunch
        The whole data set.
    class_names : list of str, default=None
        Names of the classes, if the data set does not contain them.
    trained_on : dict of dict of int, default=None
        For each net, the number of images of each class on which it was trained. A net that
        was not trained on the whole training split, because some images had no weight or
        were held out, has a column of its own.

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
