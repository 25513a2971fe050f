"""How a filesystem of fsspec is made, again and again: in a child, from a pickle, after a close."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from fleche_like.errors import ConfigError, MissingExtra
from fleche_like.support.redact import redact

#: Protocols whose drivers are extras of this package.
EXTRAS: Final = {
    "s3": "s3",
    "s3a": "s3",
    "gs": "gcs",
    "gcs": "gcs",
    "az": "azure",
    "abfs": "azure",
    "abfss": "azure",
}

_is_secret = re.compile(
    r"(?i)passw|secret|token|key|signature|credential|connection_string|sas|auth|cert"
).search


@dataclass(frozen=True)
class Recipe:
    """A class of filesystems and the options to make one with.

    Pickling leaves out what looks like a secret, so that the copy takes it from its surroundings,
    unless ``keep_secrets``; ``repr`` shows no options at all.
    """

    kind: Any
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)
    keep_secrets: bool = False

    @property
    def protocol(self) -> str:
        """The first name of the protocol, as ``s3``."""
        names = self.kind.protocol
        return str(names if isinstance(names, str) else names[0])

    @property
    def reads_in_pieces(self) -> bool:
        """Whether the driver reads large files by several requests, unless told not to."""
        if self.protocol != "s3":
            return False
        return "max_concurrency" in inspect.signature(self.kind._cat_file).parameters

    def make(self, connections: int) -> Any:
        """Return a filesystem of our own, which nobody else closes or lists through."""
        options = {name: value for name, value in self.options.items() if name != "loop"}
        if self.kind.async_impl:
            # Listings that were cached would hide what others wrote.
            options |= {"asynchronous": False, "use_listings_cache": False}
        if self.protocol == "s3":
            # The driver would open ten, and let other requests wait for them.
            pool = {"max_pool_connections": connections}
            options["config_kwargs"] = pool | dict(options.get("config_kwargs") or {})
        return self.kind(**options, skip_instance_cache=True)

    def public_options(self) -> dict[str, Any]:
        """Return the options that are no secrets."""
        return _without_secrets(self.options)

    def hide(self, text: str) -> str:
        """Return a message of the driver's without anything secret in it."""
        for secret in _secrets(self.options):
            text = text.replace(secret, "***")
        return redact(text)

    def __reduce__(self) -> tuple[Any, ...]:
        options = dict(self.options) if self.keep_secrets else self.public_options()
        return Recipe, (self.kind, options, self.keep_secrets)


def recipe_for(filesystem: Any, options: Mapping[str, Any], *, keep_secrets: bool) -> Recipe:
    """Return how to make a filesystem, from its protocol's name or from one that is there.

    Raises:
        MissingExtra: its driver is not installed.
        ConfigError: fsspec knows no such protocol.
    """
    if isinstance(filesystem, str):
        return Recipe(class_of(filesystem), dict(options), keep_secrets)
    kind = type(filesystem)
    names = list(inspect.signature(kind.__init__).parameters)[1:]
    given = dict(zip(names, filesystem.storage_args, strict=False))
    return Recipe(kind, given | dict(filesystem.storage_options) | dict(options), keep_secrets)


def class_of(protocol: str) -> Any:
    """Return the class of filesystems that a protocol's name stands for.

    Raises:
        MissingExtra: its driver is not installed.
        ConfigError: fsspec knows no such protocol.
    """
    from fsspec import get_filesystem_class

    try:
        return get_filesystem_class(protocol)
    except ImportError as error:
        extra = EXTRAS.get(protocol, "")
        advice = f"; install it with: pip install 'fleche-like[{extra}]'" if extra else ""
        message = f"{protocol}: its driver is not installed ({error}){advice}"
        raise MissingExtra(message, extra=extra) from error
    except ValueError as error:
        raise ConfigError(f"there is no such protocol: {protocol!r}", source="connect") from error


def _without_secrets(options: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: _without_secrets(value) if isinstance(value, Mapping) else value
        for name, value in options.items()
        if not _is_secret(name) and not (isinstance(value, str) and redact(value) != value)
    }


def _secrets(options: Mapping[str, Any]) -> Iterator[str]:
    for name, value in options.items():
        if isinstance(value, Mapping):
            yield from _secrets(value)
        elif isinstance(value, str) and len(value) > 3 and _is_secret(name):
            yield value
            # Of Azure's connection strings, errors may show one part alone.
            parts = dict(part.partition("=")[::2] for part in value.split(";") if "=" in part)
            yield from _secrets(parts)
