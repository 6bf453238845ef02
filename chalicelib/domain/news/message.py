"""What is told to whom: a message as it follows from an entry, with no words and no address in it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

from msgspec import Struct


class Recipient(StrEnum):
    CUSTOMER = "customer"
    OWNER = "owner"


class MessageKind(StrEnum):
    BILL_PRESENTED = "bill_presented"
    BILL_ADJUSTED = "bill_adjusted"
    TIER_CHOSEN = "tier_chosen"
    WAIVED = "waived"
    REMINDER = "reminder"
    CARD_DECLINED = "card_declined"
    CONFIRMATION_NEEDED = "confirmation_needed"
    CANCELED = "canceled"
    NO_SHOW = "no_show"
    NO_SHOW_TAKEN_BACK = "no_show_taken_back"
    DEPOSIT_FAILED = "deposit_failed"
    DEPOSIT_LAPSED = "deposit_lapsed"
    HOLD_ENDS = "hold_ends"
    HOLD_TAKEN = "hold_taken"
    WALKED_OUT = "walked_out"
    RESCHEDULED = "rescheduled"
    RESCHEDULE_PROPOSED = "reschedule_proposed"
    PROTECTION_LOST = "protection_lost"
    CARD_REMOVED = "card_removed"
    CARD_GONE = "card_gone"
    CALL_REFUSED = "call_refused"
    CONTESTED = "contested"
    CONTEST_OVERDUE = "contest_overdue"
    CONTEST_RESOLVED = "contest_resolved"
    STANDING_OBJECTED = "standing_objected"
    OBJECTION_DECIDED = "objection_decided"
    COLLECTION_ENDED = "collection_ended"
    CASH_TO_RETURN = "cash_to_return"
    REFUND = "refund"
    REFUND_FAILED = "refund_failed"
    REFUND_WAITS = "refund_waits"
    DEPOSIT_TAKEN = "deposit_taken"
    INQUIRY = "inquiry"
    DISPUTED = "disputed"
    EVIDENCE_DUE = "evidence_due"
    EVIDENCE_SENT = "evidence_sent"
    DISPUTE_CLOSED = "dispute_closed"
    FRAUD_WARNED = "fraud_warned"
    ACCOUNT_LOST = "account_lost"
    ENDPOINT_FAILING = "endpoint_failing"
    ENDPOINT_DISABLED = "endpoint_disabled"
    RECEIPT = "receipt"
    CREDIT_ACTIVE = "credit_active"
    STORY_ASKED = "story_asked"
    LINK_WANTED = "link_wanted"
    SHARE_RETURNED = "share_returned"


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
    """`tab_01J….00000012.reminder.customer`: ids of one tab sort as its entries do."""
    return f"{tab_id}.{seq:08}.{kind}.{to}"
