"""The table of news: which entry is told to whom, as which message, and with which of its details.

All messages follow from committed entries, and from nothing else. The words are made at delivery (`ports/words.py`),
with the values that are named here and those of the tab as it is then (`domain/news/values.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from msgspec import Struct

from chalicelib.domain.news.message import Message, MessageKind, Recipient, message_id
from chalicelib.domain.tab.entry import Entry
from chalicelib.domain.trust.tiers import WHOLE

_LEFT = ("balance_minor", "back_minor")
"""What is left to pay and what goes back, at that moment: by the time it is told, the refund may have been made."""
_CUSTOMER = (Recipient.CUSTOMER,)
_OWNER = (Recipient.OWNER,)
_BOTH = (Recipient.CUSTOMER, Recipient.OWNER)

Details = Mapping[str, Any]


def _always(_: Details) -> bool:
    return True


class Rule(Struct, frozen=True, kw_only=True):
    """An entry is told to `to` as a message of `kind` where its details are as `when` says.

    `values`: the details that the message carries, under the same names. `fixed`: values that the kind of entry says.
    """

    kind: MessageKind
    to: tuple[Recipient, ...]
    values: tuple[str, ...] = ()
    fixed: Mapping[str, str] = {}
    when: Callable[[Details], bool] = _always


def _has(detail: str) -> Callable[[Details], bool]:
    """Where the detail is there and neither zero nor false."""
    return lambda details: bool(details.get(detail))


def _is(detail: str, *codes: str) -> Callable[[Details], bool]:
    return lambda details: details.get(detail) in codes


def _dispute_ended(outcome: str) -> tuple[Rule, ...]:
    return (Rule(kind=MessageKind.DISPUTE_CLOSED, to=_OWNER, values=("amount_minor",), fixed={"outcome": outcome}),)


_DISPUTED = Rule(kind=MessageKind.DISPUTED, to=_OWNER, values=("amount_minor", "respond_by"))
_RECEIPT = Rule(kind=MessageKind.RECEIPT, to=_CUSTOMER, values=("receipt_minor",), when=_has("receipt_minor"))
_HOLD_GONE = Rule(
    kind=MessageKind.PROTECTION_LOST,
    to=_BOTH,
    values=("amount_minor",),
    fixed={"why": "hold_gone"},
    when=_has("is_missed"),
)

NEWS: Mapping[str, tuple[Rule, ...]] = {
    # Before the service
    "rescheduled": (Rule(kind=MessageKind.RESCHEDULED, to=_BOTH, values=("starts_at", "before", "free_cancel_until")),),
    "promise_proposed": (
        # Other limits are seen on the tab; another time must be said.
        Rule(
            kind=MessageKind.RESCHEDULE_PROPOSED, to=_CUSTOMER, values=("starts_at", "before"), when=_has("starts_at")
        ),
    ),
    "canceled": (
        Rule(
            kind=MessageKind.CANCELED,
            to=_BOTH,
            values=("why", "fee_minor", "fee_due_at", "final_at", "held_minor"),
        ),
    ),
    "no_show": (
        Rule(kind=MessageKind.NO_SHOW, to=_BOTH, values=("fee_minor", "fee_due_at", "final_at", "held_minor")),
    ),
    "no_show_taken_back": (
        Rule(kind=MessageKind.NO_SHOW_TAKEN_BACK, to=_CUSTOMER, values=("fee_minor", "paid_minor", "paid_is")),
    ),
    # The deposit
    "deposit_failed": (Rule(kind=MessageKind.DEPOSIT_FAILED, to=_BOTH, values=("amount_minor", "again_at")),),
    "deposit_lapsed": (
        # Where the booking is canceled with it, that is told.
        Rule(kind=MessageKind.DEPOSIT_LAPSED, to=_BOTH, values=("amount_minor",), when=_has("is_kept")),
    ),
    "hold_not_renewed": (Rule(kind=MessageKind.HOLD_ENDS, to=_BOTH, values=("amount_minor", "capture_before", "why")),),
    "hold_expiring": (
        Rule(
            kind=MessageKind.HOLD_ENDS,
            to=_OWNER,
            values=("amount_minor", "capture_before", "why"),
            when=_is("why", "no_consent"),
        ),
    ),
    "hold_released": (_HOLD_GONE,),
    "hold_expired": (_HOLD_GONE,),
    "card_removed": (
        Rule(kind=MessageKind.CARD_REMOVED, to=_CUSTOMER),
        Rule(
            kind=MessageKind.PROTECTION_LOST,
            to=_OWNER,
            values=("amount_minor",),
            fixed={"why": "card_removed"},
            when=_is("was_for", "deposit"),
        ),
        # If the bill is already due, the owner is told that nothing is charged any more (collection_ended).
        Rule(kind=MessageKind.CARD_GONE, to=_OWNER, when=_is("was_for", "bill")),
    ),
    # The bill
    "bill_presented": (
        # The bill of a guest who has left is told with that.
        Rule(
            kind=MessageKind.BILL_PRESENTED,
            to=_CUSTOMER,
            values=("total_minor", "review_s", "after_review", "whole_minor", "silence_percent"),
            when=lambda details: (
                details.get("command") == "complete"
                and max(details.get("total_minor", 0), details.get("whole_minor", 0)) > 0
            ),
        ),
    ),
    "walked_out": (
        Rule(kind=MessageKind.WALKED_OUT, to=_BOTH, values=("held_minor", "taken_minor", "capture_before")),
    ),
    "bill_adjusted": (
        # One that ends a contest is told as its end.
        Rule(
            kind=MessageKind.BILL_ADJUSTED,
            to=_CUSTOMER,
            values=("amount_minor", *_LEFT),
            fixed={"why": "adjusted"},
            when=_is("command", "adjust"),
        ),
    ),
    "tier_chosen": (
        Rule(
            kind=MessageKind.TIER_CHOSEN,
            to=_OWNER,
            values=("tier_percent", "total_minor"),
            when=lambda details: details.get("tier_percent", WHOLE) < WHOLE,
        ),
    ),
    "waived": (
        # What ends a contest or goes back as a refund is told as that.
        Rule(kind=MessageKind.WAIVED, to=_CUSTOMER, values=("amount_minor", "of", *_LEFT), when=_is("why", "waive")),
    ),
    "contested": (
        Rule(kind=MessageKind.CONTESTED, to=_OWNER, values=("contested_minor", "deadline_at", "tier_percent")),
    ),
    "standing_objected": (Rule(kind=MessageKind.STANDING_OBJECTED, to=_OWNER),),
    "objection_decided": (Rule(kind=MessageKind.OBJECTION_DECIDED, to=_CUSTOMER, values=("decision",)),),
    "contest_overdue": (Rule(kind=MessageKind.CONTEST_OVERDUE, to=_OWNER, values=("contested_minor", "default_at")),),
    "contest_resolved": (
        Rule(kind=MessageKind.CONTEST_RESOLVED, to=_CUSTOMER, values=("resolution", "of", "resolved_by", *_LEFT)),
    ),
    "share_returned": (
        # The person who takes the split back knows it.
        Rule(kind=MessageKind.SHARE_RETURNED, to=_CUSTOMER, values=("after",), when=_is("why", "time")),
    ),
    # Money that comes in
    "captured": (
        Rule(
            kind=MessageKind.DEPOSIT_TAKEN,
            to=_BOTH,
            values=("amount_minor",),
            when=_is("why", "before_due"),
        ),
        Rule(kind=MessageKind.HOLD_TAKEN, to=_BOTH, values=("amount_minor",), when=_is("why", "hold_expiring")),
        _RECEIPT,
    ),
    "charged": (_RECEIPT,),
    "cash_taken": (_RECEIPT,),
    "closed": (_RECEIPT,),
    "awaiting_customer": (
        # A customer with the phone in hand is asked there.
        Rule(
            kind=MessageKind.CONFIRMATION_NEEDED,
            to=_CUSTOMER,
            values=("amount_minor", "operation", "until"),
            when=lambda details: details.get("with_customer") is False,
        ),
    ),
    "reminded": (Rule(kind=MessageKind.REMINDER, to=_CUSTOMER, values=("number", "payable")),),
    "charge_failed": (Rule(kind=MessageKind.CARD_DECLINED, to=_CUSTOMER, values=("amount_minor", "next_try_at")),),
    "charge_refused": (
        Rule(
            kind=MessageKind.CALL_REFUSED,
            to=_CUSTOMER,
            values=("amount_minor", "again_by"),
            when=lambda details: details.get("refusals") == 1,
        ),
    ),
    "call_refused": (Rule(kind=MessageKind.CALL_REFUSED, to=_OWNER, values=("amount_minor", "again_by")),),
    "collection_ended": (Rule(kind=MessageKind.COLLECTION_ENDED, to=_OWNER, values=("what", "why", "decline_code")),),
    # Money that goes back
    "refund_announced": (
        Rule(kind=MessageKind.REFUND, to=_CUSTOMER, values=("amount_minor", "as_credit_minor")),
        # Made in the dashboard, it lowers the bill: the owner learns that, and who still owes some of it.
        Rule(
            kind=MessageKind.BILL_ADJUSTED,
            to=_OWNER,
            values=("amount_minor", *_LEFT),
            fixed={"why": "refunded"},
            when=_is("why", "made_at_gateway"),
        ),
        Rule(
            kind=MessageKind.BILL_ADJUSTED,
            to=_CUSTOMER,
            values=("amount_minor", *_LEFT),
            fixed={"why": "refunded"},
            when=lambda details: details.get("why") == "made_at_gateway" and details.get("balance_minor", 0) > 0,
        ),
    ),
    "cash_to_return": (Rule(kind=MessageKind.CASH_TO_RETURN, to=_BOTH, values=("amount_minor",)),),
    "flagged": (
        Rule(kind=MessageKind.REFUND_FAILED, to=_OWNER, values=("amount_minor",), when=_is("flag", "refund_by_hand")),
    ),
    "refund_waits_for_bank": (Rule(kind=MessageKind.REFUND_WAITS, to=_OWNER, values=("amount_minor",)),),
    # Credit
    "credit_active": (Rule(kind=MessageKind.CREDIT_ACTIVE, to=_CUSTOMER, values=("amount_minor", "expires_at")),),
    # Stories
    "story_asked": (Rule(kind=MessageKind.STORY_ASKED, to=_CUSTOMER),),
    # Banks
    "inquiry_opened": (Rule(kind=MessageKind.INQUIRY, to=_OWNER, values=("amount_minor", "respond_by")),),
    "inquiry_closed": _dispute_ended("inquiry_closed"),
    "dispute_opened": (_DISPUTED,),
    "dispute_appealed": (_DISPUTED,),
    "evidence_sealed": (
        Rule(kind=MessageKind.EVIDENCE_SENT, to=_OWNER, values=("amount_minor", "respond_by"), when=_has("by_itself")),
    ),
    "evidence_due": (
        Rule(
            kind=MessageKind.EVIDENCE_DUE, to=_OWNER, values=("amount_minor", "respond_by"), fixed={"why": "deadline"}
        ),
    ),
    "evidence_not_sent": (
        # What was only to be staged, the owner sees where they have asked for it.
        Rule(
            kind=MessageKind.EVIDENCE_DUE,
            to=_OWNER,
            values=("amount_minor", "respond_by"),
            fixed={"why": "not_sent"},
            when=lambda details: bool(details.get("respond_by")) and details.get("operation") == "submit_evidence",
        ),
    ),
    "dispute_won": _dispute_ended("won"),
    "dispute_lost": _dispute_ended("lost"),
    "dispute_prevented": _dispute_ended("prevented"),
    "fraud_warned": (
        Rule(
            kind=MessageKind.FRAUD_WARNED, to=_OWNER, values=("amount_minor", "advice", "refused"), when=_has("advice")
        ),
    ),
    # Links
    "link_wanted": (Rule(kind=MessageKind.LINK_WANTED, to=_CUSTOMER),),
    # The business
    "account_lost": (Rule(kind=MessageKind.ACCOUNT_LOST, to=_OWNER, values=("account",)),),
    "endpoint_failing": (
        Rule(kind=MessageKind.ENDPOINT_FAILING, to=_OWNER, values=("endpoint_id", "failing_since", "disabled_at")),
    ),
    "endpoint_disabled": (Rule(kind=MessageKind.ENDPOINT_DISABLED, to=_OWNER, values=("endpoint_id", "why")),),
}
"""Entry kind → its rules. An entry of another kind is told to nobody."""


def _values_by_kind() -> Mapping[MessageKind, frozenset[str]]:
    rules = [rule for rules in NEWS.values() for rule in rules]
    return {
        kind: frozenset(name for rule in rules if rule.kind == kind for name in (*rule.values, *rule.fixed))
        for kind in MessageKind
    }


VALUES = _values_by_kind()
"""The names of the values of each kind of message; the values themselves may be None."""

TELLS_THE_BILL = frozenset(
    {MessageKind.BILL_PRESENTED, MessageKind.BILL_ADJUSTED, MessageKind.WALKED_OUT, MessageKind.CONTEST_RESOLVED}
)
"""The kinds by which the customer learns of a bill: its review window begins when one of them was handed over."""


def messages_of(merchant_id: str, customer_id: str | None, tab_id: str | None, entry: Entry) -> tuple[Message, ...]:
    """What is told because of an entry: the same messages, with the same ids, whenever it is asked.

    `tab_id` None: an entry of the merchant's own history. A customer is told nothing where the tab has none.
    """
    return tuple(_messages(merchant_id, customer_id, tab_id, entry))


def _messages(merchant_id: str, customer_id: str | None, tab_id: str | None, entry: Entry) -> Iterable[Message]:
    for rule in NEWS.get(entry.kind, ()):
        if not rule.when(entry.details):
            continue
        for to in rule.to:
            if to == Recipient.CUSTOMER and customer_id is None:
                continue
            yield Message(
                message_id=message_id(tab_id or merchant_id, entry.seq, rule.kind, to),
                kind=rule.kind,
                to=to,
                merchant_id=merchant_id,
                customer_id=customer_id,
                tab_id=tab_id,
                seq=entry.seq,
                at=entry.at,
                values={**{name: entry.details.get(name) for name in rule.values}, **rule.fixed},
            )
