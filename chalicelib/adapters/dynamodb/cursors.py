"""Page cursors: an opaque string for a position in one listing. The stores define the positions.

A cursor contains a digest of its listing and position, so that a mistyped, truncated or foreign one is detected. It is
not signed here: the API signs what it hands out (handlers/api/paging.py).
"""

from __future__ import annotations

import base64
import binascii
import hashlib

from chalicelib.domain.errors import InvalidInput

_DIGEST_BYTES = 6
_MAXIMUM_CHARS = 400


def encode(listing: str, position: str) -> str:
    """`listing`: the name of the listing, including its owner. `position`: the sort key of the page's last row."""
    return base64.urlsafe_b64encode(_digest(listing, position) + position.encode()).decode().rstrip("=")


def decode(listing: str, cursor: str) -> str:
    """The position. Raises InvalidInput for a cursor that `encode` did not make for this listing."""
    if len(cursor) <= _MAXIMUM_CHARS:
        try:
            raw = base64.b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
            digest, position = raw[:_DIGEST_BYTES], raw[_DIGEST_BYTES:].decode()
        except (binascii.Error, ValueError):
            pass
        else:
            # Base64 has unused bits at the end: comparing the whole cursor allows only one spelling.
            if digest == _digest(listing, position) and cursor == encode(listing, position):
                return position
    raise InvalidInput("The cursor does not belong to this listing. Start again without it.")


def _digest(listing: str, position: str) -> bytes:
    return hashlib.sha256(f"{listing}\n{position}".encode()).digest()[:_DIGEST_BYTES]
