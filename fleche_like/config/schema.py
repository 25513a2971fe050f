"""Which keys the tables of a configuration have, and what their values may be."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from fleche_like.config.problems import problem, suggestion

Check: TypeAlias = Callable[[Any], Any]
"""Returns a value as it is used; raises ValueError, whose text says what is wanted."""

PLACES: Final = ("path", "url", "stack", "pool")
"""One of them says what a cache is."""

_UNITS: Final = {"b": 1} | {
    f"{prefix}{unit}": base**power
    for unit, base in (("b", 1000), ("ib", 1024))
    for power, prefix in enumerate("kmgt", start=1)
}
_SECONDS: Final = {"s": 1, "minute": 60, "hour": 3600, "day": 86400, "week": 604800}
_QUANTITY: Final = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)\s*")


def text(value: Any) -> str:
    """Accept text that is not empty."""
    if type(value) is not str or not value:
        raise ValueError("a text is wanted")
    return value


def whether(value: Any) -> bool:
    """Accept true or false."""
    if type(value) is not bool:
        raise ValueError("true or false is wanted")
    return value


def count(value: Any) -> int:
    """Accept an integer from 1 on."""
    if type(value) is not int or value < 1:
        raise ValueError("an integer is wanted, 1 or more")
    return value


def one_of(*choices: Any) -> Check:
    """Return a check that accepts the given values."""

    def check(value: Any) -> Any:
        if not any(value == choice and type(value) is type(choice) for choice in choices):
            raise ValueError(f"one of {', '.join(map(_spelled, choices))} is wanted")
        return value

    return check


def size(value: Any) -> int:
    """Accept bytes, as an integer or as ``"10 GB"``, ``"512 MiB"``.

    >>> size("1.5 kB"), size("2 MiB"), size("64KiB"), size(7)
    (1500, 2097152, 65536, 7)
    """
    if type(value) is int and value >= 0:
        return value
    return int(_quantity(value, _UNITS, 'bytes, or a size as "10 GB" or "512 MiB"'))


def duration(value: Any) -> float:
    """Accept seconds, or ``"30 days"``, ``"12 hours"``.

    >>> duration("2 hours"), duration(90), duration("1 day")
    (7200.0, 90.0, 86400.0)
    """
    if type(value) in (int, float) and value > 0:
        return float(value)
    units = {f"{name}{end}": each for name, each in _SECONDS.items() for end in ("", "s")}
    return _quantity(value, units, 'seconds, or a time as "30 days" or "12 hours"')


def place(value: Any) -> Any:
    """Accept text, or ``{env = "NAME"}`` for text that is in the environment."""
    if isinstance(value, Mapping):
        return _reference(value, ("env",), 'a text or {env = "NAME"} is wanted')
    return text(value)


def keys(value: Any) -> Any:
    """Accept ``{file = "path"}`` or ``{env = "NAME"}``: keys themselves are never written here."""
    wanted = '{file = "path"} or {env = "NAME"} is wanted; keys themselves do not go here'
    if not isinstance(value, Mapping):
        raise ValueError(wanted)  # noqa: TRY004  it is the file that is wrong
    return _reference(value, ("file", "env"), wanted)


def names(value: Any) -> list[str]:
    """Accept a list of names."""
    if type(value) is not list or not value or not all(type(one) is str for one in value):
        raise ValueError("a list of names of caches is wanted")
    return value


CACHE: Final[Mapping[str, Check]] = {
    "path": text,
    "url": place,
    "values": place,
    "stack": names,
    "pool": names,
    "keys": keys,
    "trust": one_of("pickle", "safe"),
    "read_only": whether,
    "memory_bytes": size,
    "inline_bytes": size,
    "destructure_bytes": size,
    "mmap": one_of(True, False, "verify"),
    "durability": one_of("process", "power"),
    "max_bytes": size,
    "max_items": count,
    "max_age": duration,
    "eviction": one_of("lru", "cost"),
}
EXECUTOR: Final[Mapping[str, Check]] = {
    "kind": one_of("threads", "processes"),
    "workers": count,
}
TABLES: Final = ("caches", "executor")


def checked(source: str, table: str, key: str, value: Any, known: Mapping[str, Check]) -> Any:
    """Return a setting as it is used.

    Raises:
        ConfigError: its key is unknown, or its value of the wrong type.
    """
    if key not in known:
        raise problem(source, table, key, f"unknown key{suggestion(key, known)}")
    try:
        return known[key](value)
    except ValueError as error:
        raise problem(source, table, key, str(error)) from None


def _reference(value: Mapping[str, Any], forms: tuple[str, ...], wanted: str) -> dict[str, str]:
    if len(value) != 1 or not value.keys() <= {*forms}:
        raise ValueError(wanted)
    ((form, name),) = value.items()
    if type(name) is not str or not name:
        raise ValueError(wanted)
    return {form: name}


def _quantity(value: Any, units: Mapping[str, float], wanted: str) -> float:
    found = _QUANTITY.fullmatch(value) if type(value) is str else None
    unit = None if found is None else units.get(found[2].lower())
    if found is None or unit is None:
        raise ValueError(f"{wanted} is wanted")
    return float(found[1]) * unit


def _spelled(choice: Any) -> str:
    return str(choice).lower() if type(choice) is bool else repr(choice)
