"""Clock and Ids of the deployed app: the machine's time and randomness."""

from __future__ import annotations

import secrets
import time
from datetime import UTC, datetime, timedelta
from functools import cache

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
# https://www.crockford.com/base32.html: no I, L, O, U, so that an id can be read out on the phone.
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_RANDOM_BITS = 80
_SECRET_CHARS = 26
_PLACES = range(120, -10, -10)
"""Of two digits at a time."""


@cache
def _pairs() -> list[str]:
    """All pairs of digits. Made for the first id: a function that only reads needs none."""
    return [high + low for high in _ALPHABET for low in _ALPHABET]


class SystemClock:
    def now(self) -> datetime:
        """UTC, to the millisecond, which is the precision that is stored and sent."""
        return _EPOCH + time.time_ns() // 1_000_000 * _MILLISECOND


class SystemIds:
    """48 bits of milliseconds, so that ids sort roughly by age, and 80 random ones."""

    def new(self, prefix: str) -> str:
        number = ((time.time_ns() // 1_000_000) << _RANDOM_BITS) | secrets.randbits(_RANDOM_BITS)
        pairs = _pairs()
        return f"{prefix}_" + "".join([pairs[(number >> place) & 1023] for place in _PLACES])

    def new_secret(self) -> str:
        return "".join(secrets.choice(_ALPHABET) for _ in range(_SECRET_CHARS))

    def new_signing_key(self) -> bytes:
        return secrets.token_bytes(32)
