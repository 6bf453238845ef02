"""The two states of a tab: the status of the service and the state of its payments."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class Status(StrEnum):
    """The state of the service. Commands and the clock change it; facts only close a tab."""

    BOOKED = "booked"
    OPEN = "open"
    IN_REVIEW = "in_review"
    DUE = "due"
    CONTESTED = "contested"
    CLOSED = "closed"
    CANCELED = "canceled"
    NO_SHOW = "no_show"


UNTIL_COMPLETED = (Status.BOOKED, Status.OPEN)
"""Before the service is over and its bill is presented."""


class PaymentState(StrEnum):
    """The state of the payments, derived only from facts."""

    NONE = "none"
    OWED = "owed"
    PARTLY_PAID = "partly_paid"
    PAID = "paid"
    REFUND_OWED = "refund_owed"
    DISPUTED = "disputed"
    WRITTEN_OFF = "written_off"


TRANSITIONS: Mapping[tuple[Status, Status], str] = {
    (Status.BOOKED, Status.OPEN): "check_in",
    (Status.BOOKED, Status.CANCELED): "cancel",
    (Status.BOOKED, Status.NO_SHOW): "no_show",
    (Status.NO_SHOW, Status.OPEN): "check_in",
    (Status.OPEN, Status.IN_REVIEW): "complete, walk_out",
    (Status.OPEN, Status.CANCELED): "cancel",
    (Status.IN_REVIEW, Status.OPEN): "amend",
    (Status.IN_REVIEW, Status.DUE): "accept_bill, review_ended",
    (Status.IN_REVIEW, Status.CONTESTED): "contest",
    (Status.DUE, Status.CONTESTED): "contest",
    (Status.CONTESTED, Status.IN_REVIEW): "resolve",
    (Status.CONTESTED, Status.DUE): "resolve",
    (Status.NO_SHOW, Status.CONTESTED): "contest",
    (Status.CANCELED, Status.CONTESTED): "contest",
    (Status.CONTESTED, Status.NO_SHOW): "resolve",
    (Status.CONTESTED, Status.CANCELED): "resolve",
    (Status.IN_REVIEW, Status.CLOSED): "nothing_owed",
    (Status.DUE, Status.CLOSED): "nothing_owed, write_off",
    (Status.CANCELED, Status.CLOSED): "nothing_owed, write_off",
    (Status.NO_SHOW, Status.CLOSED): "nothing_owed, write_off",
}
"""All changes of status, and what causes them; docs/states.md shows them."""
