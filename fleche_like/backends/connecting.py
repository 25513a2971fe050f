"""From a URL to the backend of the place that it names."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from fleche_like.backends.base import ByteBackend
from fleche_like.backends.local import LocalBackend
from fleche_like.backends.memory import MemoryBackend
from fleche_like.errors import ConfigError
from fleche_like.support.redact import redact

_DATABASES: Final = frozenset({"sqlite", "postgresql", "postgres", "mysql", "mariadb", "oracle"})

# Two letters at least: one is the drive of a path.
_scheme = re.compile(r"([A-Za-z][A-Za-z0-9.-]+)(\+[\w.-]+)?:").match


def connect(url: str | os.PathLike[str], **options: Any) -> ByteBackend:
    """Return the backend for a URL; libraries are imported when their URL comes along.

    =========================================  =================================================
    a path, ``file:///folder``                 :class:`LocalBackend`
    ``memory:``                                :class:`MemoryBackend`, a new one
    ``sqlite:///file``, ``postgresql+psycopg:``,  :class:`DatabaseBackend`, any URL of SQLAlchemy
    ``mysql+pymysql:``, …
    ``s3:``, ``gs:``, ``az:``, and others      :class:`FsspecBackend`: what fsspec opens
    =========================================  =================================================

    Args:
        url: where the bytes are to live.
        options: of the backend, as ``durability=`` of a folder; for what fsspec opens also those
            of its driver, as ``profile=``.

    Raises:
        ConfigError: it makes no sense.
        MissingExtra: a library is missing; the message says how to install it.

    >>> connect("memory:")
    <MemoryBackend of 0 keys>
    """
    text = os.fspath(url)
    if not text:
        raise ConfigError("a place for bytes needs a path or a URL, not ''", source="connect")
    found = _scheme(text)
    if found is None:
        return LocalBackend(text, **options)
    scheme, driver = found[1].lower(), found[2]
    if scheme == "file":
        return LocalBackend(_path(text), **options)
    if scheme == "memory":
        return MemoryBackend()
    if driver or scheme in _DATABASES:
        from fleche_like.backends.database import DatabaseBackend

        return DatabaseBackend(text, **options)
    return _filesystem(scheme, text, options)


def _path(url: str) -> Path:
    parts = urlsplit(url)
    if parts.netloc not in {"", "localhost"}:
        raise ConfigError(f"{url}: files of another host are not reached by URL", source="connect")
    return Path(unquote(parts.path))


def _filesystem(scheme: str, url: str, options: dict[str, Any]) -> ByteBackend:
    from fleche_like.backends.filesystem import FsspecBackend
    from fleche_like.backends.filesystem_recipe import class_of

    if "://" not in url:
        raise ConfigError(f"no URL: {redact(url)!r}; try {scheme}://…", source="connect")
    kind = class_of(scheme)
    # A URL may carry a host, or a user: that is for the driver to say.
    from_url = {name: value for name, value in kind._get_kwargs_from_urls(url).items() if value}
    if not kind._strip_protocol(url).strip("/") and scheme not in {"ftp", "sftp", "ssh"}:
        raise ConfigError(f"{redact(url)} names no bucket", source="connect")
    return FsspecBackend(scheme, url, **from_url | options)
