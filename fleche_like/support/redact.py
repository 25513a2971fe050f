"""URLs without their secrets, for messages, logs and ``repr``."""

from __future__ import annotations

import re

_USER_INFO = re.compile(r"(?P<scheme>[A-Za-z][\w+.-]*://)(?P<user>[^:/@\s]*):[^/\s]*@")
_SECRET_PARAMETER = re.compile(
    r"(?i)(?P<name>[?&;][\w.-]*(?:password|passwd|secret|token|signature|key)[\w.-]*=)[^&;\s]*"
)


def redact(url: str) -> str:
    """Return ``url`` with passwords and secret-looking query parameters replaced by ``***``.

    >>> redact("postgresql://ann:hunter2@host/db?sslpassword=x&application_name=y")
    'postgresql://ann:***@host/db?sslpassword=***&application_name=y'
    """
    hidden = _USER_INFO.sub(r"\g<scheme>\g<user>:***@", url)
    return _SECRET_PARAMETER.sub(r"\g<name>***", hidden)
