"""A content-addressed cache for Python functions that people can trust, query and share."""
