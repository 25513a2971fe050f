"""Puts that a store refuses if somebody else was quicker."""

from __future__ import annotations

from typing import Any


def only_if(filesystem: Any, version: tuple[str, int] | None) -> dict[str, Any] | None:
    """Return options of ``pipe_file`` that put only over one version; None if there are none.

    Args:
        filesystem: of fsspec.
        version: ETag and size of what is to be replaced; None if there is to be nothing.
    """
    if hasattr(filesystem, "_call_s3"):
        return {"IfNoneMatch": "*"} if version is None else {"IfMatch": version[0]}
    if hasattr(filesystem, "service_client"):
        if version is None:
            return {"overwrite": False}
        from azure.core import MatchConditions

        return {"etag": version[0], "match_condition": MatchConditions.IfNotModified}
    return None


def is_refused(error: BaseException | None) -> bool:
    """Return whether an error, or what caused it, says that such a condition did not hold."""
    while error is not None:
        if isinstance(error, FileExistsError) or type(error).__name__ == "ResourceModifiedError":
            return True
        response = getattr(error, "response", None)
        code = response.get("Error", {}).get("Code") if isinstance(response, dict) else None
        if code in {"PreconditionFailed", "ConditionalRequestConflict"}:
            return True
        error = error.__cause__
    return False
