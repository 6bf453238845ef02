"""Field types that requests and answers share, with their limits."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from msgspec import Meta

from chalicelib.domain.errors import InvalidInput
from chalicelib.handlers.api.body import ID_PATTERN

EXACT_MAXIMUM = 2**53 - 1
"""Above this a JSON number is not the same integer everywhere."""

# A text for people: at least one visible character, no control characters but tab and line break.
READABLE = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*[^\s\x00-\x1f\x7f][^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$"
PLAIN = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$"
CURRENCY_PATTERN = "^[A-Za-z]{3}$"
RETURN_URL_PATTERN = r"^(https://|http://(localhost|127\.0\.0\.1)[:/])[^\s\\]+(?!\n)$"
SHA256_PATTERN = "^[0-9a-f]{64}(?!\\n)$"
ZONE_PATTERN = "^[A-Za-z0-9_+/-]+$"
ACCOUNT_PATTERN = "^acct_[A-Za-z0-9_]{1,64}(?!\\n)$"
CODE_PATTERN = "^[A-Za-z0-9]+(?!\\n)$"
# What each of them wants is said in words in `validation.EXPECTED`: callers don't read regular expressions.

Amount = Annotated[int, Meta(ge=0, le=EXACT_MAXIMUM, description="In the currency's smallest unit.", examples=[2500])]
Line = Annotated[str, Meta(min_length=1, max_length=120, pattern=READABLE)]
Text = Annotated[str, Meta(min_length=1, max_length=500, pattern=READABLE)]
Instant = Annotated[
    datetime, Meta(tz=True, description="RFC 3339, with a time zone.", examples=["2026-05-01T09:00:00Z"])
]
Id = Annotated[str, Meta(pattern=ID_PATTERN)]
Sha256 = Annotated[str, Meta(pattern=SHA256_PATTERN, description="SHA-256, hexadecimal, lower case.")]
Seconds = Annotated[int, Meta(ge=0, le=366 * 24 * 3600)]
Hour = Annotated[int, Meta(ge=0, le=23)]
Limits = Annotated[list[Annotated[str, Meta(min_length=1, max_length=200, pattern=READABLE)]], Meta(max_length=20)]


def instant(given: datetime | None, field: str) -> datetime | None:
    """The instant in UTC, to the millisecond, which is the precision that is sealed and stored."""
    if given is None:
        return None
    try:
        at = given.astimezone(UTC)
    except OverflowError:
        raise InvalidInput(f"{field} is out of range.", field=field) from None
    return at.replace(microsecond=at.microsecond // 1000 * 1000)
