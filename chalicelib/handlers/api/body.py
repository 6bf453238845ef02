"""What each request has: ids in its path, the version it is about, and a body, if only one without fields."""

from __future__ import annotations

import msgspec

ID_PATTERN = "^[A-Za-z0-9_-]{1,64}(?!\\n)$"
"""The end is matched twice, because Python's `$` allows a final line break and JSON Schema has no `\\Z`."""
TAG = '"([1-9][0-9]{0,15})(-[0-9a-f]{8})?"'
"""An ETag of ours, or a version in quotes alone."""
IF_MATCH_PATTERN = rf"^{TAG}(?!\n)$"


class Body(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A request's body."""


class Nothing(Body):
    """No fields; the body may be left out."""
