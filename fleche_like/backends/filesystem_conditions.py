"""Puts that a store refuses if somebody else was quicker."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

_MOST_IN_ONE_PUT: Final = 5 * 2**30  # bytes; S3 takes no more


def only_if(filesystem: Any, version: tuple[str, int] | None) -> dict[str, Any] | None:
    """Return options of ``pipe_file`` that put only over one version; None if there are none.

    Args:
        filesystem: of fsspec.
        version: ETag and size of what is to be replaced; None if there is to be nothing.
    """
    if hasattr(filesystem, "_call_s3"):
        condition = {"IfNoneMatch": "*"} if version is None else {"IfMatch": version[0]}
        # In one request, however large: s3fs hands no condition on to an upload in parts.
        return {"chunksize": _MOST_IN_ONE_PUT, **condition}
    if hasattr(filesystem, "service_client"):
        if version is None:
            return {"overwrite": False}
        from azure.core import MatchConditions

        return {"etag": version[0], "match_condition": MatchConditions.IfNotModified}
    return None


def is_refused(error: BaseException | None) -> bool:
    """Return whether an error, or what caused it, says that such a condition did not hold."""
    return any(
        isinstance(reason, FileExistsError)
        or type(reason).__name__ == "ResourceModifiedError"
        or _code(reason) in {"PreconditionFailed", "ConditionalRequestConflict"}
        for reason in _reasons(error)
    )


def is_without_bucket(error: BaseException | None) -> bool:
    """Return whether an error, or what caused it, says that there is no bucket or container."""
    return any(_code(reason) in {"NoSuchBucket", "ContainerNotFound"} for reason in _reasons(error))


def _reasons(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def _code(error: BaseException) -> str | None:
    """Return what S3 or Azure calls an error."""
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        code: str | None = response.get("Error", {}).get("Code")
        return code
    return getattr(error, "error_code", None)
