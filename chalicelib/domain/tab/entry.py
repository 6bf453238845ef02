"""An entry of a history: what happened, when, by whom, and what was posted; all news follows from entries."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from msgspec import Struct

from chalicelib.domain.books.ledger import Posting


class Entry(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`seq` counts from 1 within the tab, or within the merchant. `version`: of the tab, as this change wrote it.

    `details` is JSON-able: ids, amounts in minor units, instants as RFC 3339, codes, and what people wrote; never an
    address.
    """

    seq: int
    at: datetime
    kind: str
    by: str
    details: Mapping[str, Any]
    postings: tuple[Posting, ...] = ()
    version: int = 0
