"""Addresses from which the files of MedMNIST are downloaded: Zenodo and mirrors."""

import os
from collections.abc import Iterable
from numbers import Integral
from pathlib import Path

from octsk.datasets._data_home import make_unpack_folder
from octsk.datasets._download import download, hide_secrets
from octsk.datasets._medmnist_sets import REGISTRY, ZENODO


def _mirrors(mirror: str | Iterable[str] | None) -> list[str]:
    if mirror is None:
        mirror = os.environ.get("OCTSK_MIRROR", "").split()
    bases = [mirror] if isinstance(mirror, str) else list(mirror)
    for base in bases:
        if not str(base).startswith(("https://", "http://")):
            shown = hide_secrets(base) if isinstance(base, str) else base
            raise ValueError(
                f"mirror must be an https:// or http:// address; got {shown!r}"
            )
    return bases


def _url_in(folder: str, file: str) -> str:
    """Return the URL of a file in a folder whose URL may end with a query."""
    address, mark, query = folder.partition("?")
    return f"{address.rstrip('/')}/{file}{mark}{query}"


def download_set(path: Path, known: tuple[str, int], mirror, n_retries, delay) -> None:
    if not isinstance(n_retries, Integral) or n_retries < 0:
        raise ValueError(f"n_retries must be a whole number, 0 or more; got {n_retries!r}")
    if delay < 0:
        raise ValueError(f"delay must be 0 or more seconds; got {delay!r}")
    urls = [_url_in(base, path.name) for base in _mirrors(mirror)]
    urls.append(_zenodo_url(path.name))
    make_unpack_folder(path.parent)
    download(urls, path, _md5(known), int(n_retries), delay, _how_to_get(path, known))


def _zenodo_url(file: str) -> str:
    return f"{ZENODO}/{file}?download=1"


def _md5(known: tuple[str, int]) -> str:
    name, size = known
    return REGISTRY[name].md5[size]


def _how_to_get(path: Path, known: tuple[str, int]) -> str:
    return (
        f"Download {_zenodo_url(path.name)} by hand (MD5 {_md5(known)}) and place it in "
        f"{path.parent}, or name another address with mirror= or OCTSK_MIRROR"
    )
