"""Secrets in addresses: in no message, whatever the address looks like."""

import contextlib
import pickle
import sqlite3
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.tree import DecisionTreeClassifier

from octsk import OCTSearchCV
from octsk.utils.json import jsonable
from octsk.utils.urls import Address, hide_secrets, hide_secrets_in


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://me:secret@host/db", "postgresql://***@host/db"),
        ("postgresql+psycopg://me@host:5432/db", "postgresql+psycopg://***@host:5432/db"),
        ("postgresql://me:s%40cret@a:1,b:2/db", "postgresql://***@a:1,b:2/db"),
        ("mysql://me:secret@a,me:secret@b/db", "mysql://***@b/db"),
        ("postgresql://host/db?user=me&passwd=secret", "postgresql://host/db?***"),
        ("postgresql:///db?password=secret&sslmode=require", "postgresql:///db?***"),
        ("mssql+pyodbc://host/db;PWD=secret", "mssql+pyodbc://host/db;***"),
        ("sqlite+pysqlcipher://:secret@/study.db", "sqlite+pysqlcipher://***@/study.db"),
        # Characters that should have been percent-encoded.
        ("postgresql://me:se/cr@et@host/db", "postgresql://***@host/db"),
        ("postgresql://me:se?cret@host/db", "postgresql://***"),
        ("postgresql:///me:secret@host/db", "postgresql://***@host/db"),
        ("postgresql://me:a secret@host/db", "postgresql://***@host/db"),
        # Of the web.
        ("https://token@host/a.npz", "https://***@host/a.npz"),
        ("HTTPS://me:secret@host:80/a", "HTTPS://***@host:80/a"),
        ("https://host/a.npz?X-Signature=secret#secret", "https://host/a.npz?***"),
        ("https://host/a.npz?secret", "https://host/a.npz?***"),
        ("https://me:se/cret@host/a", "https://***@host/a"),
        # No secrets.
        ("https://host:80/package@1.0/a.npz", "https://***@1.0/a.npz"),
        ("https://host/package@1.0/a.npz", "https://host/package@1.0/a.npz"),
        ("postgresql://host:5432/db", "postgresql://host:5432/db"),
        ("sqlite:////home/me@work/study.db", "sqlite:////home/me@work/study.db"),
        ("/home/me:x@work/study.journal", "/home/me:x@work/study.journal"),
        ("study.journal", "study.journal"),
    ],
)
def test_hide_secrets(url, shown):
    assert hide_secrets(url) == shown
    assert hide_secrets(shown) == shown
    assert repr(Address(url)) == repr(shown)


@given(
    scheme=st.sampled_from(["postgresql+psycopg", "mysql", "https"]),
    user=st.text("abz0.@-", max_size=5),
    password=st.text("QRSTX@/:?#;&= %!", min_size=1),
    rest=st.sampled_from(["host/db", "host", "a:1,b:2/db?x=y", "[::1]:1/db", "/db"]),
)
def test_no_letter_of_a_password_is_shown(scheme, user, password, rest):
    for address in (
        f"{scheme}://{user}:{password}@{rest}",
        f"{scheme}://host/db?token={password}",
    ):
        assert not set(hide_secrets(address)) & set("QRSTX")
        assert not set(repr(Address(address))) & set("QRSTX")


def test_hide_secrets_in_a_text():
    url = "postgresql://me:s%40cret@host/db?token=abc"
    words = 'login of "me" failed at host: s@cret, s%40cret, abc; some message'
    hidden = 'login of "***" failed at host: ***, ***, ***; some message'
    assert hide_secrets_in(words, url) == hidden
    assert hide_secrets_in(f"{url}: no", url) == "postgresql://***@host/db?***: no"
    assert (
        hide_secrets_in("(see https://me:x@host/a?b) ok?")
        == "(see https://***@host/a?***) ok?"
    )
    assert hide_secrets_in(ValueError("at ftp://me:x@host")) == "at ftp://***@host"
    assert hide_secrets_in("no address", "study.journal") == "no address"


def search_in(storage):
    pytest.importorskip("optuna")
    space = {"max_depth": [1, 2]}
    return OCTSearchCV(DecisionTreeClassifier(), space, cv=2, storage=storage)


def test_search_shows_no_secret():
    url = "postgresql://me:secret@host/db"
    search = search_in(url)
    for _ in range(2):
        assert search.storage == url
        for shown in (repr(search), search._repr_html_(), str(search.get_params())):
            assert "***@host/db" in shown
            assert "secret" not in shown
        assert jsonable(search.get_params())["storage"] == "postgresql://***@host/db"
        search = clone(search.set_params(storage=url))
    assert pickle.loads(pickle.dumps(search)).storage == url


@pytest.mark.parametrize(
    ("url", "error", "message"),
    [
        # SQLAlchemy and the drivers would show parts of these.
        ("postgresql+psycopg://zoe:QX7@QX8@127.0.0.1:1/db", ValueError, "percent-encoded"),
        ("postgresql+psycopg://zoe:QX7@127.0.0.1:port/db", ValueError, "percent-encoded"),
        ("postgresql+psycopg:///zoe:QX7@127.0.0.1/db", ValueError, "percent-encoded"),
        ("postgresql+psycopg://zoe/QX7:QX8@127.0.0.1/db", ValueError, "percent-encoded"),
        ("post gresql://zoe:QX7@host/db", ValueError, "percent-encoded"),
        ("postgresql+psycopg://zoe:QX7@127.0.0.1:1/db", ConnectionError, "cannot be used"),
        ("postgresql+psycopg://127.0.0.1:1/db?user=zoe&password=QX7", OSError, "be used"),
        ("postgresql+psycopg://127.0.0.1:1/db?passwd=QX7", ConnectionError, "be used"),
        ("nosuch+psycopg://zoe:QX7@host/db", ImportError, "needs a driver"),
        ("sqlite://zoe:QX7@host/db", ConnectionError, "cannot be used"),
        ("sqlite:////nowhere/study.db?key=QX7", ConnectionError, "cannot be used"),
    ],
)
def test_errors_of_databases_show_no_secret(url, error, message):
    pytest.importorskip("psycopg")
    with pytest.raises(error, match=message) as raised:
        search_in(url).fit([[0.0]] * 10, [0, 1] * 5)
    told = "".join(traceback.format_exception(raised.value))
    assert not any(part in told for part in ("zoe", "QX"))


def test_database_that_fails_during_a_search_shows_no_secret(tmp_path):
    url = f"sqlite:///{tmp_path}/study.db?timeout=37"

    def scoring(estimator, X, y):
        with contextlib.closing(sqlite3.connect(tmp_path / "study.db")) as database:
            database.execute("ALTER TABLE trial_values RENAME TO values_37")
        return 1.0

    with pytest.raises(ConnectionError, match="cannot be used") as raised:
        search_in(url).set_params(scoring=scoring).fit([[0.0]] * 10, [0, 1] * 5)
    assert "37" not in str(raised.value).replace(str(tmp_path), "")
    assert raised.value.__suppress_context__
