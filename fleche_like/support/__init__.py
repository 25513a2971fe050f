"""Small helpers that know nothing of caching: sentinels, optional imports, redaction."""
