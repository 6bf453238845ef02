"""A delivery: one message on one channel, and what became of it."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from msgspec import Struct

from chalicelib.domain.contact import Channel
from chalicelib.domain.news.message import Message


class DeliveryState(StrEnum):
    """`claimed`: being handed over. `suppressed`: deliberately not sent. `refused`: the channel does not take it.

    `given_up`: a claim had no end, so nobody knows whether it was sent, and a kind like this is not sent twice.
    """

    CLAIMED = "claimed"
    HANDED_OVER = "handed_over"
    DELIVERED = "delivered"
    BOUNCED = "bounced"
    COMPLAINED = "complained"
    REFUSED = "refused"
    SUPPRESSED = "suppressed"
    PUT_OFF = "put_off"
    GIVEN_UP = "given_up"


class Delivery(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """No address and no words: it is part of the tab's records, which outlive the person.

    `channel` None: about all channels: it was suppressed or put off before one was chosen. `reason`: a code, for
    suppressed, refused and put off.
    `lease_until`: after this, a claim without an end may be repeated. `next_action_at`: when one that was put off is
    tried again. `provider_id`: the channel's own id, by which its feedback comes back. `version` counts from 1.
    """

    message: Message
    channel: Channel | None
    state: DeliveryState
    at: datetime
    reason: str | None = None
    lease_until: datetime | None = None
    next_action_at: datetime | None = None
    provider_id: str | None = None
    version: int = 1
