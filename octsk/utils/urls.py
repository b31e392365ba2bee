"""Removal of user names, passwords and tokens from URLs."""

import re
from urllib.parse import unquote, unquote_plus

_HIDDEN = "***"

# A URL in a text, without the full stop or bracket that may follow it.
_ADDRESS = re.compile(r"[a-zA-Z][\w+.-]*://\S*[^\s.,:;'\")\]}>]")

# URLs without a user, which consist of a host (or none, as in sqlite:///study.db) and a
# path. The path may contain at signs.
_WITHOUT_USER = re.compile(r"(https?|ftps?|file|sqlite(\+\w+)?)://[\w.-]*([/?#]|$)", re.I)


class Address(str):
    """URL whose ``repr()``, which error messages show, hides its secrets."""

    def __repr__(self):
        return repr(hide_secrets(self))


def hide_secrets(url: object) -> str:
    """Return a URL without its user, password, query and fragment.

    Parameters
    ----------
    url : str or path-like
        URL of a database or a web page. A text that is not a URL, such as the path of a
        file, is returned unchanged.

    Returns
    -------
    str
        The URL with ``***`` in place of anything that may be a secret. If it is unclear
        where a secret ends, because characters are not percent-encoded, everything after
        the scheme is replaced.

    Examples
    --------
    >>> from octsk.utils.urls import hide_secrets
    >>> hide_secrets("postgresql://me:secret@host:5432/studies?sslpassword=other")
    'postgresql://***@host:5432/studies?***'
    """
    scheme, separator, _ = str(url).partition("://")
    if not separator:
        return scheme
    user, rest = _split(str(url))
    if "?" in user or "#" in user:
        return f"{scheme}://{_HIDDEN}"
    rest = re.sub("([?#;]).+", rf"\1{_HIDDEN}", rest, flags=re.DOTALL)
    return f"{scheme}://{_HIDDEN + '@' if user else ''}{rest}"


def hide_secrets_in(text: object, url: object = "") -> str:
    """Return a text without the secrets of the URLs in it.

    Parameters
    ----------
    text : str or exception
        A text, such as an error message of a database driver.
    url : str, default=""
        URL to which the text refers. Its secrets are hidden everywhere in the text.

    Returns
    -------
    str
        The text with ``***`` in place of each secret.
    """
    text = str(text)
    if "://" in str(url):
        text = text.replace(str(url), hide_secrets(url))
        for secret in sorted(_secrets(str(url)), key=len, reverse=True):
            # A short user name may be part of other words.
            before, after = (
                r"\b" if end.isalnum() else "" for end in (secret[0], secret[-1])
            )
            text = re.sub(before + re.escape(secret) + after, _HIDDEN, text)
    return _ADDRESS.sub(lambda found: hide_secrets(found[0]), text)


def _split(url: str) -> tuple[str, str]:
    """Return the user with the password of a URL, and the part after them.

    They end at the last at sign, since a password may contain slashes and at signs that
    are not percent-encoded.
    """
    rest = url.partition("://")[2]
    if _WITHOUT_USER.match(url):
        return "", rest
    user, _, rest = rest.rpartition("@")
    return user, rest


def _secrets(url: str) -> set[str]:
    """Return the user, password and query values of a URL, encoded and decoded."""
    user, rest = _split(url)
    # A driver may split the URL differently and show a part of the password.
    found = {user, *user.split(":", 1), *re.split("[:@/,]", user)}
    found |= set(re.findall("[?&;#](?:[^=&;#]*=)?([^&;#]+)", rest))
    found |= {decode(secret) for secret in found for decode in (unquote, unquote_plus)}
    return found - {""}
