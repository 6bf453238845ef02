"""Tokens: numbered things (coins, cards, table stands) with a QR code, which staff bind to a tab."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from chalicelib.domain.tab.link import LinkPointer, token_subject

MAXIMUM_NUMBER = 9999
MOST_AT_ONCE = 48
"""How many are made in one request: two sheets of 24, and with their pointers one transaction of DynamoDB's."""


class Token(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A token of a merchant. `sha256`: the hash of the secret in its QR code. `version` counts changes from 1.

    `tab_id`: the tab that it was bound to last. Whether it still is stands in that tab, which lets go of it by closing.
    """

    merchant_id: str
    number: int
    sha256: str
    made_at: datetime
    tab_id: str | None = None
    revoked_at: datetime | None = None
    version: int = 1

    @property
    def pointer(self) -> LinkPointer:
        """Where the secret in the QR code leads."""
        return LinkPointer(
            sha256=self.sha256,
            merchant_id=self.merchant_id,
            tab_id=self.tab_id,
            subject=token_subject(self.number),
        )
