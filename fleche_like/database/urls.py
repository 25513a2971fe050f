"""URLs of databases: what they name, and what of them may travel."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from fleche_like.errors import ConfigError
from fleche_like.support.redact import redact


def without_secrets(url: URL) -> URL:
    """Return a URL without password and other secrets."""
    # Not `set(password=None)`, which means "leave it".
    secret = [name for name in url.query if redact(f"?{name}=x") != f"?{name}=x"]
    return url._replace(password=None).difference_update_query(secret)


def parsed_url(url: str | Path) -> URL:
    """Return what a text or the path of a SQLite file says.

    Raises:
        ConfigError: it makes no sense.
    """
    if isinstance(url, Path):  # whatever characters its name is made of
        return URL.create("sqlite", database=str(url))
    try:
        parsed = make_url(url)
        parsed.get_dialect()
    except (ArgumentError, ValueError) as error:
        raise ConfigError(
            f"{redact(str(url))} is no URL of a database that is known here, such as"
            f" sqlite:///FILE, postgresql+psycopg://HOST/NAME or mysql+pymysql://HOST/NAME: {error}"
        ) from error
    if parsed.get_backend_name() == "sqlite" and parsed.query:
        raise ConfigError(f"{redact(str(url))}: a SQLite URL is a path and nothing else")
    return parsed


def file_of(url: URL) -> Path | None:
    """Return the SQLite file of a URL, absolute; ``None`` for memory and for servers."""
    if url.get_backend_name() != "sqlite" or url.database in {None, "", ":memory:"}:
        return None
    return Path(str(url.database)).expanduser().absolute()
