"""URLs without their secrets, for messages, logs and ``repr``."""

from __future__ import annotations

import re

# A password may hold "@", or, as SQLAlchemy reads it, "/"; rather too much is hidden than too
# little.
_USER_INFO = re.compile(
    r"(?P<scheme>[A-Za-z][\w+.-]*://)(?P<user>[^:/@\s]*):[^@\s]*@(?:[^/@\s]*@)*"
)
_SECRET_PARAMETER = re.compile(
    r"(?i)(?P<name>(?:[?&;]|^)[\w.-]*"
    r"(?:passw|pwd|secret|token|signature|credential|odbc_connect|key|\bsig\b)[\w.-]*=)[^&;\s]*"
)
_SIGNING_KEY = re.compile(r"flk\d_[\w-]+")


def redact(url: str) -> str:
    """Return ``url`` with passwords and secret-looking query parameters replaced by ``***``.

    Signing keys of ours are hidden wherever they stand.

    >>> redact("postgresql://ann:hunter2@host/db?sslpassword=x&application_name=y")
    'postgresql://ann:***@host/db?sslpassword=***&application_name=y'
    >>> redact("postgresql://ann:hun/ter@2@host/db")
    'postgresql://ann:***@host/db'
    """
    hidden = _USER_INFO.sub(r"\g<scheme>\g<user>:***@", url)
    hidden = _SECRET_PARAMETER.sub(r"\g<name>***", hidden)
    return _SIGNING_KEY.sub("***", hidden)
