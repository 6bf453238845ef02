"""What is told to whom: a message as it follows from an entry, with no words and no address in it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from msgspec import Struct

from chalicelib.domain.news.messages import MessageKind, Recipient


class Message(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing to be told to one recipient.

    `message_id` is made of the entry, the kind and the recipient, so the same entry always makes the same message.
    `tab_id`, `seq`: the entry it follows from. `customer_id`, `tab_id` None: about the whole business. `at`: when it
    happened. `values`: amounts in minor units, instants as RFC 3339, and enum values, which the words are made with.
    """

    message_id: str
    kind: MessageKind
    to: Recipient
    merchant_id: str
    customer_id: str | None = None
    tab_id: str | None = None
    seq: int = 0
    at: datetime
    values: Mapping[str, int | str | None] = {}


def message_id(tab_id: str, seq: int, kind: MessageKind, to: Recipient) -> str:
    return f"{tab_id}.{seq}.{kind}.{to}"
