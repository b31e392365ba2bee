"""Check that reports are about the same images in the same order."""

from pathlib import PurePath

import numpy as np

from octsk.utils.columns import check_groups


def check_same_images(nets, names) -> list[str]:
    """Raise a ValueError if reports are about different images.

    Returns
    -------
    list of str
        A note if neither file names nor hashes could be compared.
    """
    (name, first), *others = (
        (name if len(reports) == 1 else f"{name}, training {i}", one)
        for name, reports in zip(names, nets, strict=True)
        for i, one in enumerate(reports, 1)
    )
    for other_name, other in others:
        found = _difference(first, other, name, other_name)
        if found:
            raise ValueError(
                "The reports must be about the same images in the same order, and have the "
                f"same classes: {found}."
            )
    if all(_known_to_be_same(first, other) for _, other in others):
        return []
    return [
        "Neither file names nor hashes show whether the images were the same: only their "
        "number, classes and patients were compared."
    ]


def _known_to_be_same(a, b) -> bool:
    """Return whether file names or hashes show that the images of two reports are equal."""
    if a.filenames and b.filenames:
        return True  # _difference has compared them
    of_file = a.data["sha256"] and a.data["sha256"] == b.data["sha256"]
    same_split = of_file and a.data["split"] == b.data["split"]
    return bool(same_split) or a.data["arrays_sha256"] == b.data["arrays_sha256"]


def _difference(a, b, name_a, name_b) -> str | None:
    """Describe the first difference between the images of two reports."""
    if sorted(a.class_names) != sorted(b.class_names):
        only_a = sorted({*a.class_names} - {*b.class_names})
        only_b = sorted({*b.class_names} - {*a.class_names})
        return f"only {name_a!r} has the classes {only_a}, and only {name_b!r} {only_b}"
    if a.n_samples != b.n_samples:
        return f"{name_a!r} is of {a.n_samples} images, and {name_b!r} of {b.n_samples}"
    columns = {
        "labels": (np.array(a.class_names)[a.y_true], np.array(b.class_names)[b.y_true]),
        "file names": (_file_names(a), _file_names(b)),
        "patients": (_patients(a), _patients(b)),
    }
    for what, (of_a, of_b) in columns.items():
        if of_a is None or of_b is None:
            continue
        differ = np.flatnonzero(of_a != of_b)
        if differ.size:
            i = differ[0]
            return (
                f"{differ.size} of {a.n_samples} {what} differ, the first at position {i}: "
                f"{str(of_a[i])!r} in {name_a!r}, {str(of_b[i])!r} in {name_b!r}"
            )
    # The hashes depend on the labels and on the image size, which must therefore be equal.
    comparable = a.class_names == b.class_names and a.data["size"] == b.data["size"]
    if comparable and not _known_to_be_same(a, b):
        return f"the pixels of {name_a!r} and {name_b!r} have different hashes"
    return None


def _file_names(report) -> np.ndarray | None:
    """Return the file names without folders, which differ between machines."""
    if report.filenames is None:
        return None
    return np.array([PurePath(file).name for file in report.filenames])


def _patients(report) -> np.ndarray | None:
    """Return the patients, numbered in the order in which they first appear."""
    if report.groups is None:
        return None
    codes = check_groups(report.groups, report.n_samples)
    _, first, codes = np.unique(codes, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[codes]
