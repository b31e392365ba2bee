"""Load a user's own images: a folder or a CSV file of image files, or an npz file."""

import warnings
from pathlib import Path

import typer

# Column that is taken for the split of a CSV file if none is named.
_SPLIT_COLUMN = "split"

# Shares of the images where a folder or CSV file has no splits, and their seed.
TEST, VAL, SEED = 0.2, 0.1, 0

FILES_ALONE = "--groups and --fit can only be used with a folder or a CSV file of images"


def holds_image_files(path: Path) -> bool:
    """Return whether a path is a folder or a CSV file, by its content."""
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
    """Load the labelled images of a folder or a CSV file, without remarks on its splits."""
    import octsk
    from octsk.datasets import SplitWarning, patient_column, read_csv

    reading = {key: value for key, value in reading.items() if value is not None}
    reading["verbose"] = int(out.progress.is_terminal)
    with warnings.catch_warnings():
        # The checks of the splits say the same, and more.
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
            f"Decoded images are kept in {images.cache}; octsk info --clear-cache removes "
            "them"
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
            f"{images.filename} has no splits, and the patients of its images, which must "
            "not be in two splits, are not known. Put the images into folders train, val "
            "and test, or pass --groups: kermany, octdl, header, a regular expression "
            r"such as '(?P<patient>\d+)-\d+\.png$', or the column of a CSV file. With "
            "--groups '(?P<patient>.+)' each image counts as a patient"
        )
    out.note(
        f"{images.name} has no splits: it is split by patient, {test:.0%} for testing and "
        f"{val:.0%} for validation (seed {seed})"
    )
    with warnings.catch_warnings():
        # The checks of the splits say the same.
        warnings.simplefilter("ignore", SplitWarning)
        return octsk.split_by_group(images, test=test, val=val, random_state=seed)


def load_own(path: Path, out, *, size=None, groups=None, fit=None, data_home=None):
    """Load the data of ``--data``, with splits or, if their patients are unknown, without.

    A folder and a CSV file are split in the same way by all commands, so that what one
    command trains on is not what another evaluates on.
    """
    import octsk
    from octsk.datasets import SplitWarning

    if holds_image_files(path):
        images = load_labelled(
            path, out=out, groups=groups, size=size, fit=fit, data_home=data_home
        )
        # A folder that has splits has the groups of each of them.
        return images if images.get("groups") is None else split_by_patient(images, out)
    if groups is not None or fit is not None:
        raise typer.BadParameter(FILES_ALONE)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SplitWarning)
        return octsk.load_medmnist(path)


def files_of(images, groups: str | None = None) -> list:
    """Return the files that a data set was read from, which no output may replace."""
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
