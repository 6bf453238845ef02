"""Notices: what is told to a merchant's systems. Their types are the kinds of a tab's entries, their bodies are thin.

A body holds ids, the kind, the tab's version, amounts and instants: who wants more asks the API for the tab. It holds
nothing that a person has written, no name and no address. docs/events.md is made from this module.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct

from chalicelib.domain.news.message import Message, MessageKind, Recipient
from chalicelib.domain.tab.entry import Entry

TEST = "endpoint.test"
PUSH = "message.push"
MAXIMUM_BODY_BYTES = 20_000
"""Standard Webhooks advises to stay below 20 kB."""

KINDS_BY_SUBJECT: Mapping[str, Mapping[str, str]] = {
    "Before the service": {
        "opened": "A tab was opened.",
        "promise_proposed": "Other terms were proposed; the customer has not accepted them yet.",
        "promise_accepted": "The customer accepted the promise.",
        "consents_added": "The customer gave further consents.",
        "rescheduled": "The appointment was moved.",
        "checked_in": "The customer has arrived.",
        "canceled": "The booking was canceled.",
        "no_show": "The customer did not come.",
        "no_show_taken_back": "The no-show was a mistake.",
        "fee_due": "A fee was announced; it is taken later unless the customer objects.",
    },
    "Deposit and holds": {
        "deposit_card_saved": "The card for the deposit is saved; the hold is placed later.",
        "deposit_failed": "The deposit could not be secured.",
        "deposit_lapsed": "Nobody confirmed the deposit in time.",
        "placement_refused": "Placing the hold was refused; it is tried again.",
        "hold_placed": "An amount is held on the card. It is not charged.",
        "hold_expiring": "A hold is about to expire.",
        "hold_renewal": "A new hold is placed before the old one expires.",
        "hold_not_renewed": "A hold that expires could not be renewed.",
        "hold_released": "A hold was released.",
        "hold_expired": "A hold expired.",
    },
    "The service and its bill": {
        "items_added": "Items were added.",
        "item_voided": "An item was voided.",
        "bill_presented": "The bill was presented; the review begins when the customer knows it.",
        "bill_amended": "The bill was taken back to be changed.",
        "bill_adjusted": "The bill was lowered.",
        "tier_chosen": "The customer said which outcome it was; the bill has the prices of that tier.",
        "bill_accepted": "The customer accepted the bill.",
        "rated": "The customer said how content they are.",
        "cash_announced": "The customer says that they pay in cash.",
        "bill_told": "The customer was told of the bill, or can't be told: the review begins.",
        "bill_seen": "The customer has seen the bill: the review begins.",
        "review_ended": "The time for review is over.",
        "walked_out": "The customer left without paying.",
        "waived": "An amount was waived.",
        "tip_given": "The customer gave a tip.",
        "tip_returned": "A tip goes back.",
    },
    "Shares of a bill": {
        "split": "The bill was split; each share is a tab of its own.",
        "share_paid": "A share was paid, or a part of it.",
        "share_paid_back": "What was paid of a share was given back.",
        "share_returned": "A share was not paid in time, so it is owed on this tab again.",
        "unsplit": "The split was taken back; everything is owed on this tab again.",
        "returned_to_parent": "This share was not paid in time, so it is owed on the tab that was split.",
    },
    "Contests": {
        "contested": "The customer says that something is wrong with the bill.",
        "contest_overdue": "A contest was not answered in time.",
        "contest_resolved": "A contest was answered.",
        "standing_objected": "The customer objects to what the tab counts against them.",
        "objection_decided": "The business decided about the customer's objection.",
    },
    "Payments": {
        "settlement_planned": "The payments that settle the bill were planned.",
        "attempt_begun": "A payment, hold, release, refund or answer to a bank was started.",
        "attempt_ended": "A payment, hold, release, refund or answer to a bank has its outcome.",
        "awaiting_customer": "A payment waits for the customer to confirm it.",
        "outcome_unknown": "The outcome of a payment is not known yet.",
        "payment_declined": "A payment was declined.",
        "call_refused": "The payment provider refused a call of ours; no bank has declined.",
        "charged": "The card was charged.",
        "captured": "Money was taken from a hold.",
        "cash_taken": "The customer paid in cash.",
        "recovered": "A written-off amount was paid after all.",
        "charge_failed": "Charging the saved card failed; it may be tried again.",
        "charge_refused": "Charging the saved card was refused before a bank was asked.",
        "reminded": "The customer is reminded of what is unpaid.",
        "reminder_requested": "The business asked for a reminder now.",
        "followup_paused": "Reminders and automatic charges are paused.",
        "followup_resumed": "Reminders and automatic charges continue.",
        "collection_ended": "The bill is no longer charged or reminded of automatically; the owner decides.",
        "written_off": "The balance was given up.",
        "closed": "The tab was closed.",
        "processing_fee": "The payment provider's fee is known.",
    },
    "Money that goes back": {
        "refund_granted": "The business gives an amount back.",
        "refund_announced": "The way in which an amount goes back was decided.",
        "refund_obligation": "What is owed back to the customer has changed.",
        "refund_pending": "A refund is on its way.",
        "refunded": "A refund has arrived.",
        "refund_failed": "A refund came back.",
        "refund_retried": "A refund is tried again.",
        "refund_waits_for_bank": "A refund waits until a dispute at the bank is decided.",
        "refunded_elsewhere": "An amount was given back outside of Aftertab.",
        "cash_to_return": "Cash is to be returned to the customer.",
        "cash_returned": "Cash was returned to the customer.",
        "returned_by_bank": "The bank gave the customer money back.",
    },
    "Credit": {
        "credit_spent": "The customer paid with their credit.",
        "credit_returned": "What was paid with credit went back as credit.",
        "credit_earned": "The tab earned credit, for its customer or for the person who invited them.",
        "credit_active": "Credit that the tab has earned can be spent from now on.",
        "credit_reversed": "Credit that the tab had earned was taken back.",
        "credit_expired": "Credit that was not spent in time has expired.",
        "referral_refused": "An invitation is not rewarded.",
    },
    "Stories": {
        "story_asked": "The customer was asked for a story, as everybody is.",
        "story_told": "The customer told a story, and said where it may be shown.",
        "story_withdrawn": "The story was taken back or erased; sites that show it must stop within 24 hours.",
        "story_link_made": "The customer was given a link to tell their story.",
    },
    "Cards": {
        "card_saved": "The customer saved a card.",
        "card_updated": "The saved card has new details.",
        "card_removed": "The saved card was removed.",
        "card_refused": "The bank says that the saved card must not be tried again.",
        "customer_gone": "The customer was deleted at the payment provider.",
        "customer_made_anew": "The customer was created again at the payment provider.",
    },
    "Disputes": {
        "inquiry_opened": "The bank asks about a payment.",
        "inquiry_closed": "The bank's question is settled.",
        "dispute_opened": "The customer disputes a payment with the bank.",
        "dispute_appealed": "A decided dispute is open again.",
        "dispute_withdrawn": "The bank took the disputed money.",
        "dispute_reinstated": "The bank gave disputed money back to the business.",
        "dispute_won": "A dispute was decided for the business.",
        "dispute_lost": "A dispute was decided for the customer.",
        "dispute_prevented": "A dispute was prevented.",
        "evidence_sealed": "Evidence for a dispute was sealed, to be staged or submitted.",
        "evidence_staged": "Evidence was put on a dispute; the bank does not see it yet.",
        "evidence_submitted": "Evidence was submitted to the bank.",
        "evidence_not_sent": "Evidence could not be sent; the bank does not have it.",
        "evidence_due": "The time to answer a dispute is about to end.",
        "fraud_warned": "The bank warns that a payment may be fraud.",
    },
    "Links and tokens": {
        "link_made": "A link to the tab was made for a guest.",
        "link_revoked": "A link to the tab was revoked; it opens nothing any more.",
        "link_wanted": "Somebody opened an expired link and asked for a new one, which is sent to the customer.",
        "disowned": "Somebody said that this is not their tab.",
        "taken_over": "A guest took the tab over.",
        "token_bound": "A token opens the tab from now on.",
        "token_unbound": "A token no longer opens the tab.",
    },
    "For the business": {
        "flagged": "Somebody at the business must look at something.",
        "flag_resolved": "Somebody resolved what had to be looked at.",
        "pointer_restored": "A missing record of Aftertab was restored.",
    },
}
KINDS: Mapping[str, str] = {kind: text for kinds in KINDS_BY_SUBJECT.values() for kind, text in kinds.items()}
"""Kind of entry → what it says."""

TYPES: Mapping[str, str] = {
    **{f"tab.{kind}": text for kind, text in KINDS.items()},
    PUSH: "A message for a customer, for the merchant's app to show.",
    TEST: "A test that the owner has asked for. It goes to one endpoint, whatever types that wants, and is tried once.",
}
"""Type of notice → what it says."""


class Notice(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`notice_id` is made of what it follows from, so that the same entry always makes the same notice.

    `tab_id`, `seq`: the entry that it follows from, else None and 0. `at`: when it happened. `data`: JSON-able.
    """

    notice_id: str
    type: str
    merchant_id: str
    tab_id: str | None = None
    seq: int = 0
    at: datetime
    data: Mapping[str, Any] = {}


def notice_of(merchant_id: str, customer_id: str | None, tab_id: str, entry: Entry) -> Notice:
    return Notice(
        notice_id=notice_id(tab_id, entry.seq),
        type=f"tab.{entry.kind}",
        merchant_id=merchant_id,
        tab_id=tab_id,
        seq=entry.seq,
        at=entry.at,
        data={
            "merchant_id": merchant_id,
            "tab_id": tab_id,
            "customer_id": customer_id,
            "seq": entry.seq,
            "kind": entry.kind,
            "version": entry.version,
            "details": {name: value for name, value in entry.details.items() if _is_thin(name, value)},
        },
    )


def push_of(message: Message) -> Notice:
    """A message to a customer as a notice to the merchant's system, whose app shows it."""
    return Notice(
        notice_id=f"push-{hashlib.sha256(message.message_id.encode()).hexdigest()[:32]}",
        type=PUSH,
        merchant_id=message.merchant_id,
        at=message.at,
        data={
            "merchant_id": message.merchant_id,
            "tab_id": message.tab_id,
            "customer_id": message.customer_id,
            "kind": message.kind,
            "details": dict(message.values),
        },
    )


def message_of_push(notice: Notice, body: str) -> Message:
    """The message that a push tells, but for its ids: those are not in the body."""
    data = json.loads(body)["data"]
    return Message(
        message_id=notice.notice_id,
        kind=MessageKind(data["kind"]),
        to=Recipient.CUSTOMER,
        merchant_id=notice.merchant_id,
        customer_id=data["customer_id"],
        tab_id=data["tab_id"],
        at=notice.at,
        values=data["details"],
    )


def notice_id(tab_id: str, seq: int) -> str:
    """Ids of one tab sort like its entries."""
    return f"{tab_id}-{seq:06}"


def body_of(notice: Notice) -> str:
    """The JSON that is sent: the standard's `type`, `timestamp` and `data`."""
    at = notice.at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    body = {"type": notice.type, "timestamp": at, "data": dict(notice.data)}
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False)


def _is_thin(name: str, value: Any) -> bool:
    """Whether a detail of an entry may be told: an amount, an id or an instant, never what a person wrote."""
    if name.endswith("_minor"):
        return isinstance(value, int)
    return name.endswith(("_id", "_at")) and isinstance(value, str)
