"""Listings of fsspec filesystems, page by page, in the order of keys.

Object stores list whatever begins with some characters, sorted, a thousand a request; fsspec's own
listings collect all of it first, and hide a container behind a key of the same name. So the stores
that matter are asked directly; any other is asked through fsspec.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeAlias

Call: TypeAlias = Callable[..., Awaitable[Any]]
Pages: TypeAlias = AsyncIterator[list[str]]


async def pages(filesystem: Any, call: Call, start: str, *, recursive: bool, flat: bool) -> Pages:
    """Yield sorted pages of what begins with a path; containers end in a slash.

    Args:
        filesystem: of fsspec.
        call: runs one of its methods by name.
        start: the path, with its closing slash.
        recursive: all files below, and no containers; otherwise one level.
        flat: it is an object store, whose containers are but beginnings of keys.
    """
    if hasattr(filesystem, "_call_s3"):
        listing = _s3(filesystem, start, recursive=recursive)
    elif hasattr(filesystem, "service_client"):
        listing = _azure(filesystem, start, recursive=recursive)
    elif flat and recursive:
        listing = _found(call, start)
    else:
        listing = _level(call, start, recursive=recursive)
    async for page in listing:
        yield page


async def _s3(filesystem: Any, start: str, *, recursive: bool) -> Pages:
    bucket, _, prefix = start.partition("/")
    asked = {"Bucket": bucket, "Prefix": prefix} | ({} if recursive else {"Delimiter": "/"})
    while True:
        page = await filesystem._call_s3("list_objects_v2", **asked)
        names = [found["Key"] for found in page.get("Contents", ())]
        names += [found["Prefix"] for found in page.get("CommonPrefixes", ())]
        yield [f"{bucket}/{name}" for name in sorted(names)]
        if not page.get("IsTruncated"):
            return
        asked["ContinuationToken"] = page["NextContinuationToken"]


async def _azure(filesystem: Any, start: str, *, recursive: bool) -> Pages:
    container, _, prefix = start.partition("/")
    async with filesystem.service_client.get_container_client(container) as client:
        walk = client.list_blobs if recursive else client.walk_blobs
        async for page in walk(name_starts_with=prefix).by_page():
            yield sorted([f"{container}/{found.name}" async for found in page])


async def _found(call: Call, start: str) -> Pages:
    yield sorted(await call("find", start.rstrip("/")))


async def _level(call: Call, start: str, *, recursive: bool) -> Pages:
    try:
        found = await call("ls", start.rstrip("/"), detail=True)
    except (FileNotFoundError, NotADirectoryError):
        return
    # With its slash a folder sorts where its keys do: behind "a-b" and "a.b".
    names = sorted(map(_name, found))
    if not recursive:
        yield [name for name in names if name.startswith(start)]
        return
    for name in names:
        if not name.startswith(start):
            continue  # asked for the listing of a file, fsspec gives the file
        if not name.endswith("/"):
            yield [name]
            continue
        async for page in _level(call, name, recursive=True):
            yield page


def _name(found: dict[str, Any]) -> str:
    if found.get("islink"):
        return ""
    name: str = found["name"].rstrip("/")
    return name + "/" if found["type"] == "directory" else name
