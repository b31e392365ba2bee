"""Download a file with a known MD5 from the first address that provides it."""

import hashlib
import itertools
import logging
import os
import re
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from octsk.utils.file_kinds import begins_like_web_page
from octsk.utils.files import acquire_lock, lock_beside, partial_file, resumable_write
from octsk.utils.untrusted import printable

# Seconds to wait for a connection, and for the next piece of a file.
_TIMEOUT = (10, 60)

logger = logging.getLogger("octsk")


class DownloadError(OSError):
    """Raised if no address provides the file."""


class _WrongFileError(ValueError):
    """Raised if a server sends something other than the file."""


class _CannotResumeError(ValueError):
    """Raised if a server does not send the rest of a file."""


def download(
    urls: Sequence[str], path: Path, md5: str, n_retries: int, delay: float, advice: str
) -> None:
    """Try the addresses up to ``1 + n_retries`` times until one provides the file.

    The file appears at `path` only when it is complete and has the given MD5. If another
    process is downloading the file, this function waits for it. An address that answers
    that it does not have the file is not tried again. After a broken connection, the
    received part is kept for the next attempt or call.

    Raises
    ------
    DownloadError
        If no address provides the file. The message contains their answers and `advice`.
    """
    with lock_beside(path):
        if not path.is_file():
            _download(urls, path, md5, n_retries, delay, advice)


def _download(urls, path, md5, n_retries, delay, advice) -> None:
    from requests import RequestException
    from urllib3.exceptions import HTTPError

    left = list(urls)
    failures: dict[str, str] = {}
    validators: dict[str, str] = {}
    for attempt in range(n_retries + 1):
        if attempt and left:
            time.sleep(delay)
        for url in tuple(left):
            try:
                return _download_once(url, path, md5, validators)
            except (RequestException, HTTPError, _WrongFileError) as error:
                shown = hide_secrets(url)
                failures[shown] = _reason(error)
                logger.warning("%s: %s", shown, failures[shown])
                if _is_final(error):
                    left.remove(url)
    tried = "; ".join(f"{url}: {reason}" for url, reason in failures.items())
    part = partial_file(path)
    kept = (
        f"{part.stat().st_size:,} bytes are kept in {part}, and the next attempt continues "
        "from there. "
        if part.exists()
        else ""
    )
    # The chain of causes is omitted, since it consists of a hundred lines from urllib3.
    raise DownloadError(
        f"{path.name} could not be downloaded ({tried}). {kept}{advice}"
    ) from None


def remove_partial(path: Path) -> None:
    """Remove what an interrupted download left of a file that has since been obtained."""
    part = partial_file(path)
    # This fails if the folder is read-only or another process is still downloading.
    with suppress(OSError):
        if part.exists():
            with acquire_lock(path):
                part.unlink(missing_ok=True)


def hide_secrets(url: str) -> str:
    """Return a URL without its user name, password and query, which may be secret."""
    address = re.sub(r"^(\w+://)?.*@", r"\1***@", url)
    return printable(re.split(r"[?#]", address, maxsplit=1)[0])


def digests(path: Path) -> tuple[str, str]:
    """Return the MD5 and SHA-256 of a file, cached until the file changes."""
    status = path.stat()
    return _compute_digests(path, status.st_size, status.st_mtime_ns)


def _download_once(url: str, path: Path, md5: str, validators: dict[str, str]) -> None:
    """Receive the file, or the rest of a partly downloaded one.

    `validators` maps each address to the validator with which its server can tell that its
    file has not changed.
    """
    with resumable_write(path) as part:
        begin = part.stat().st_size
        # If the server cannot resume, the file may already be complete.
        with suppress(_CannotResumeError):
            begin = _receive(url, part, path.name, validators)
        received = _hash_file(part)[0]
        if received != md5 and begin:
            os.truncate(part, 0)
            _receive(url, part, path.name, validators)
            received = _hash_file(part)[0]
        if received != md5:
            os.truncate(part, 0)
            raise _WrongFileError(f"sent another file (MD5 {received}, expected {md5})")


def _receive(url: str, part: Path, name: str, validators: dict[str, str]) -> int:
    """Append the rest of a file from a server, or write the whole file.

    Returns the number of bytes of the existing part that were kept.

    Raises
    ------
    _CannotResumeError
        If the server does not send the missing part.
    _WrongFileError
        If the server sends a web page.
    """
    import requests
    from tqdm.auto import tqdm

    begin = part.stat().st_size
    # In a compressed response, the positions would refer to the compressed bytes.
    headers = {"Accept-Encoding": "identity"}
    if begin:
        headers["Range"] = f"bytes={begin}-"
        if url in validators:
            headers["If-Range"] = validators[url]
    with (
        requests.get(url, headers=headers, stream=True, timeout=_TIMEOUT) as response,
        open(part, "ab") as file,
    ):
        if begin and response.status_code == 416:
            raise _CannotResumeError
        response.raise_for_status()
        if begin and response.status_code == 206:
            if not response.headers.get("Content-Range", "").startswith(f"bytes {begin}-"):
                raise _CannotResumeError
        else:
            begin = 0
        # The pieces are small, because a piece that is not received completely is lost.
        pieces = response.iter_content(2**13)
        first = next(pieces, b"")
        if begins_like_web_page(first) and not begin:
            raise _WrongFileError("sent a web page")
        file.truncate(begin)
        validators.pop(url, None)
        if validator := _validator(response.headers):
            validators[url] = validator
        length = response.headers.get("Content-Length", "")
        total = begin + int(length) if re.fullmatch("[0-9]{1,18}", length) else None
        # With the delay, no bar appears for an attempt that fails at once.
        with tqdm(
            desc=name,
            initial=begin,
            total=total,
            unit="B",
            unit_scale=True,
            leave=False,
            delay=1,
        ) as bar:
            for piece in itertools.chain([first], pieces):
                file.write(piece)
                bar.update(len(piece))
    return begin


def _validator(headers) -> str | None:
    """Return the validator of this version of a file for the header If-Range."""
    etag = headers.get("ETag")
    # A weak validator does not guarantee identical bytes (RFC 9110, 13.1.5).
    return etag if etag and not etag.startswith("W/") else headers.get("Last-Modified")


def _reason(error: Exception) -> str:
    from requests import Timeout
    from requests.exceptions import ChunkedEncodingError

    if isinstance(error, _WrongFileError):
        return str(error)
    response = getattr(error, "response", None)
    if response is not None:
        # http.client accepts reasons of up to 64 KiB.
        return f"HTTP error {response.status_code} {printable(response.reason):.80}"
    if isinstance(error, Timeout):
        return "no answer in time"
    if isinstance(error, ChunkedEncodingError):
        return "the connection broke off"
    return f"no connection ({type(error).__name__})"


def _is_final(error: Exception) -> bool:
    # After 4xx, further attempts are useless, except for "timeout" and "too many requests".
    status = getattr(getattr(error, "response", None), "status_code", 0)
    return 400 <= status < 500 and status not in (408, 429)


@lru_cache(maxsize=64)
def _compute_digests(path: Path, size: int, mtime_ns: int) -> tuple[str, str]:
    return _hash_file(path)


def _hash_file(path: Path) -> tuple[str, str]:
    md5, sha256 = hashlib.md5(usedforsecurity=False), hashlib.sha256()
    with open(path, "rb") as stream:
        while piece := stream.read(2**20):
            md5.update(piece)
            sha256.update(piece)
    return md5.hexdigest(), sha256.hexdigest()
