"""Pillow: an image is a node: its mode, size, palette, pixels and what its file said of it."""

from __future__ import annotations

from typing import Any

from PIL import Image

from fleche_like.hashing.branch import Branch, Handler, group, named, node
from fleche_like.hashing.names import type_names


def find(base: type) -> Handler | None:
    """Return the handler for images and their subclasses."""
    return _image if is_node_type(base) else None


def is_node_type(base: type) -> bool:
    """Tell whether a type that Pillow defines is one of images."""
    return issubclass(base, Image.Image)


def _image(value: Any) -> Branch:
    module, name = type_names(type(value))
    cls = name if module.partition(".")[0] == "PIL" else (module, name)
    value.load()
    palette = value.palette and (value.palette.mode, value.palette.tobytes())
    parts = (cls, value.mode, tuple(value.size), palette, value.tobytes(), value.info)
    return node("PIL.Image", group(parts, named("", "", "", "", "", ".info")))
