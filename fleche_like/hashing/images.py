"""Pillow: an image is a node: its mode, size, palette, pixels and what its file said of it."""

from __future__ import annotations

from typing import Any

from PIL import Image

from fleche_like.hashing.branch import Branch, group, named, node
from fleche_like.hashing.library import Library, class_name


def _image(value: Any) -> Branch:
    cls = class_name("PIL", value)
    value.load()
    palette = value.palette and (value.palette.mode, value.palette.tobytes())
    parts = (cls, value.mode, tuple(value.size), palette, value.tobytes(), value.info)
    return node("PIL.Image", group(parts, named("", "", "", "", "", ".info")))


LIBRARY = Library("PIL", ((Image.Image, _image),), nodes=(Image.Image,))
