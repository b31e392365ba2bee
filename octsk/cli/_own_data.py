"""Loading of the user's own images from a folder, a CSV file or an npz file."""

import warnings
from pathlib import Path

import typer

# Column of a CSV file that contains the split by default.
_SPLIT_COLUMN = "split"

# Shares of the test and validation split if a folder or CSV file has no splits, and seed.
TEST, VAL, SEED = 0.2, 0.1, 0

FILES_ALONE = "--groups and --fit can only be used with a folder or a CSV file of images"


def holds_image_files(path: Path) -> bool:
    """Return whether a path is a folder, or a CSV file according to its content."""
    from octsk.utils.file_kinds import CSV, recognise

    return path.is_dir() or (path.is_file() and recognise(path) == CSV)


def load_labelled(
    path: Path,
    *,
    out,
    groups: str | None = None,
    image: str = "file",
    label: str = "label",
    split: str | None = None,
    **reading,
):
    """Load the labelled images of a folder or CSV file, without warnings about splits."""
    import octsk
    from octsk.datasets import SplitWarning, patient_column, read_csv

    reading = {key: value for key, value in reading.items() if value is not None}
    reading["verbose"] = int(out.progress.is_terminal)
    with warnings.catch_warnings():
        # The commands check the splits later, and then warn about more problems.
        warnings.simplefilter("ignore", SplitWarning)
        if path.is_dir():
            images = octsk.load_image_folder(path, groups=groups, **reading)
        else:
            names = read_csv(path).keys()
            if groups is None:
                groups = patient_column(names)
            if split is None and _SPLIT_COLUMN in names:
                split = _SPLIT_COLUMN
            images = octsk.load_image_table(
                path, image=image, label=label, group=groups, split=split, **reading
            )
    if images.cache is not None:
        out.note(
            f"Decoded images are cached in {images.cache}; octsk info --clear-cache "
            "removes them"
        )
    return images


def split_by_patient(images, out, *, test=TEST, val=VAL, seed=SEED):
    """Return a data set with splits: those that it has, or new ones by patient."""
    import octsk
    from octsk.datasets import SplitWarning

    if "train" in images:
        return images
    if images.groups is None:
        raise ValueError(
            f"{images.filename} has no splits, and the patients of its images are not "
            "known, so that it cannot be split by patient. Put the images into folders "
            "train, val and test, or pass --groups: kermany, octdl, header, a column of a "
            r"CSV file, or a regular expression like '(?P<patient>\d+)-\d+\.png$'. With "
            "--groups '(?P<patient>.+)', each image counts as a patient"
        )
    out.note(
        f"{images.name} has no splits: it is split by patient, {test:.0%} for testing and "
        f"{val:.0%} for validation (seed {seed})"
    )
    with warnings.catch_warnings():
        # The commands check the splits later, and then warn about the same problems.
        warnings.simplefilter("ignore", SplitWarning)
        return octsk.split_by_group(images, test=test, val=val, random_state=seed)


def load_own(path: Path, out, *, size=None, groups=None, fit=None, data_home=None):
    """Load the data of ``--data``, and split them by patient if necessary and possible.

    All commands split a folder or a CSV file in the same way, so that no command evaluates
    images on which another one has trained.
    """
    import octsk
    from octsk.datasets import SplitWarning

    if holds_image_files(path):
        images = load_labelled(
            path, out=out, groups=groups, size=size, fit=fit, data_home=data_home
        )
        # If a folder has splits, the groups are in the splits.
        return images if images.get("groups") is None else split_by_patient(images, out)
    if groups is not None or fit is not None:
        raise typer.BadParameter(FILES_ALONE)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SplitWarning)
        return octsk.load_medmnist(path)


def files_of(images, groups: str | None = None) -> list:
    """Return the files from which a data set was read, which no output may replace."""
    source = images.get("filename")
    files = [source]
    for part in (images, *map(images.get, ("train", "val", "test"))):
        if part is not None and part.get("filenames") is not None:
            files += [*part.filenames]
    if groups == "octdl" and source is not None:
        files += [
            folder / "OCTDL_labels.csv" for folder in (Path(source), Path(source).parent)
        ]
    return files
