"""Download one file whose MD5 is known, from the first address that gives it."""

import hashlib
import logging
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from octsk.utils.files import atomic_write, lock_beside, temporaries_of

# Seconds to wait for a connection, and for the next piece of a file.
_TIMEOUT = (10, 60)

# Seconds after which a temporary file is a killed process's, no download under way.
_STALE = 24 * 60 * 60

logger = logging.getLogger("octsk")


class DownloadError(OSError):
    """No address gave the file: no connection, an error page, or other contents."""


class _WrongFileError(ValueError):
    """A server sent something else than the file."""


def download(
    urls: Sequence[str], path: Path, md5: str, n_retries: int, delay: float, advice: str
) -> None:
    """Go through the addresses, up to ``1 + n_retries`` times, until one gives the file.

    The file appears at `path` when it is whole and has the MD5, and not before. Where
    another process is downloading it, its file is waited for. An address that answers
    that it has no such file is not asked again.

    Raises
    ------
    DownloadError
        If no address gives it. Says what each answered, then `advice`.
    """
    with lock_beside(path):
        if not path.is_file():
            _download(urls, path, md5, n_retries, delay, advice)


def _download(urls, path, md5, n_retries, delay, advice) -> None:
    from requests import RequestException

    _remove_stale_temporaries(path)
    left = list(urls)
    failures: dict[str, str] = {}
    for attempt in range(n_retries + 1):
        if attempt and left:
            time.sleep(delay)
        for url in tuple(left):
            try:
                return _download_once(url, path, md5)
            except (RequestException, _WrongFileError) as error:
                failures[url] = _reason(error)
                logger.warning("%s: %s", url, failures[url])
                if _is_final(error):
                    left.remove(url)
    tried = "; ".join(f"{url}: {reason}" for url, reason in failures.items())
    # Without the chain: it is some hundred lines of urllib3, told here in one.
    raise DownloadError(
        f"{path.name} could not be downloaded ({tried}). {advice}"
    ) from None


def digests(path: Path) -> tuple[str, str]:
    """MD5 and SHA-256 of a file, computed once while the file stays the same."""
    status = path.stat()
    return _compute_digests(path, status.st_size, status.st_mtime_ns)


def begins_like_web_page(path: Path) -> bool:
    """Whether a file holds HTML, as a server's error or login page does."""
    with open(path, "rb") as stream:
        start = stream.read(256).lstrip().lower()
    return start.startswith((b"<!doctype", b"<html", b"<?xml"))


def _remove_stale_temporaries(path: Path) -> None:
    for file in temporaries_of(path):
        # Another process may remove it at the same time.
        with suppress(OSError):
            if time.time() - file.stat().st_mtime > _STALE:
                file.unlink()


def _download_once(url: str, path: Path, md5: str) -> None:
    import pooch
    from tqdm.auto import tqdm

    with (
        atomic_write(path) as temporary,
        # pooch sets the true total; a bar that has none counts as no bar. The delay keeps
        # it away from an attempt that fails at once.
        tqdm(
            desc=path.name, total=1, unit="B", unit_scale=True, leave=False, delay=1
        ) as bar,
    ):
        get = pooch.HTTPDownloader(progressbar=bar, chunk_size=2**18, timeout=_TIMEOUT)
        get(url, str(temporary), None)
        received = digests(temporary)[0]
        if received != md5:
            what = "a web page" if begins_like_web_page(temporary) else "another file"
            raise _WrongFileError(f"sent {what} (MD5 {received}, expected {md5})")


def _reason(error: Exception) -> str:
    from requests import Timeout
    from requests.exceptions import ChunkedEncodingError

    if isinstance(error, _WrongFileError):
        return str(error)
    response = getattr(error, "response", None)
    if response is not None:
        return f"HTTP error {response.status_code} {response.reason}"
    if isinstance(error, Timeout):
        return "no answer in time"
    if isinstance(error, ChunkedEncodingError):
        return "the connection broke off"
    return f"no connection ({type(error).__name__})"


def _is_final(error: Exception) -> bool:
    # 4xx means that asking again is no use, but for "timeout" and "too many requests".
    status = getattr(getattr(error, "response", None), "status_code", 0)
    return 400 <= status < 500 and status not in (408, 429)


@lru_cache(maxsize=64)
def _compute_digests(path: Path, size: int, mtime_ns: int) -> tuple[str, str]:
    md5, sha256 = hashlib.md5(usedforsecurity=False), hashlib.sha256()
    with open(path, "rb") as stream:
        while piece := stream.read(2**20):
            md5.update(piece)
            sha256.update(piece)
    return md5.hexdigest(), sha256.hexdigest()
