"""What channels report later: a message arrived, came back, was complained about, or was answered with STOP."""

from __future__ import annotations

import logging
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from chalicelib import correlation
from chalicelib.domain.contact import Channel, Source
from chalicelib.domain.news.delivery import Delivery, DeliveryState
from chalicelib.domain.news.message import Recipient
from chalicelib.ports.deps import Deps
from chalicelib.ports.store import VersionConflict
from chalicelib.usecases.news.opt_outs import opt_out

log = logging.getLogger(__name__)

TRIES = 5
_ORDER = (
    DeliveryState.HANDED_OVER,
    DeliveryState.DELIVERED,
    DeliveryState.BOUNCED,
    DeliveryState.COMPLAINED,
)
"""A report moves a delivery forward only: reports come in any order, and a bounce may follow a delivery."""


class Report(StrEnum):
    """What became of the message, or what the person answered."""

    DELIVERED = "delivered"
    BOUNCED = "bounced"
    COMPLAINED = "complained"
    STOPPED = "stopped"


class Feedback(Struct, frozen=True, kw_only=True):
    """One report about one message, by the channel's own id. `address`: whose report it is.

    `refuses`: the channel is closed from now on: by the person (provider), or because nothing arrives (unreachable).
    `reason`: a code. `is_ours`: the provider says that the message is this stage's, known by its tags.
    """

    channel: Channel
    provider_id: str
    report: Report
    address: str
    reason: str | None = None
    refuses: Source | None = None
    is_ours: bool = False


class UnknownDelivery(Exception):
    """A report about a message of ours whose mark is not written yet, or never was: it has to come again."""


def note_feedback(deps: Deps, feedback: Feedback) -> bool:
    """Mark the delivery, and close the channel where the report says so; whether the message is one of ours.

    Raises UnknownDelivery, Contention, and what the stores raise: the report has to come again.
    """
    delivery = deps.deliveries.find_by_provider_id(feedback.channel, feedback.provider_id)
    if delivery is None:
        if feedback.is_ours:
            raise UnknownDelivery(f"no delivery has the {feedback.channel} id {feedback.provider_id}")
        return False
    message = delivery.message
    with correlation.about(tab_id=message.tab_id, message_id=message.message_id):
        _mark(deps, delivery, feedback)
        if feedback.refuses is not None and message.to == Recipient.CUSTOMER and message.customer_id is not None:
            contact = deps.people.find_contact(message.merchant_id, message.customer_id)
            if contact is not None:
                opt_out(deps, contact, feedback.channel, feedback.refuses, address=feedback.address)
        elif feedback.refuses is not None:
            # The owner's address is the owner's to mend; the timeline and this line say it.
            log.warning("the owner's messages do not arrive", extra={"merchant_id": message.merchant_id})
    return True


def _mark(deps: Deps, delivery: Delivery | None, feedback: Feedback) -> None:
    if feedback.report == Report.STOPPED:
        return
    state = DeliveryState(feedback.report)
    for _ in range(TRIES):
        if delivery is None or delivery.state not in _ORDER or _ORDER.index(delivery.state) >= _ORDER.index(state):
            return
        marked = replace(
            delivery, state=state, reason=feedback.reason, at=deps.clock.now(), version=delivery.version + 1
        )
        try:
            deps.deliveries.put(marked)
        except VersionConflict:
            delivery = deps.deliveries.find_by_provider_id(feedback.channel, feedback.provider_id)
        else:
            return
    raise UnknownDelivery(f"the delivery of {feedback.provider_id} is being changed each time")
