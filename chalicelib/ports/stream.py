"""The stream of what was committed: every entry, in the order of its tab, at least once."""

from __future__ import annotations

from msgspec import Struct

from chalicelib.domain.tab.entry import Entry


class NewEntry(Struct, frozen=True, kw_only=True):
    """An entry that was committed. `tab_id` None: of the merchant's own history. `customer_id` None: of no customer."""

    merchant_id: str
    tab_id: str | None
    customer_id: str | None
    entry: Entry


class UnreadableRecord(Exception):
    """A record of the stream that is no entry of ours, or one of a newer release."""
