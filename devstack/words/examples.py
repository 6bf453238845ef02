"""An example of every message in every variant of its words: for tests, the document and the preview of mails."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from chalicelib.domain.contact import Language
from chalicelib.domain.news.message import Message, MessageKind, Recipient, message_id
from chalicelib.domain.news.table import NEWS
from chalicelib.ports.words import Setting

Values = dict[str, int | str | None]

NOON = "2026-03-05T11:30:00+00:00"
LATER = "2026-03-07T08:00:00+00:00"
IN_TWO_WEEKS = "2026-03-19T11:30:00+00:00"
NAMES = {
    "merchant": "Salon Müller",
    "title": "Haircut",
    "customer": "Ada Lovelace",
    "page": "https://pay.example.com/t/4fT9sWmXc2Kq7LhVbN3RzA",
    "unsubscribe": "https://pay.example.com/u/4fT9sWmXc2Kq7LhVbN3RzA",
}
TITLES = {
    Language.ENGLISH: "Haircut",
    Language.GERMAN: "Haarschnitt",
    Language.SPANISH: "Corte de pelo",
    Language.KOREAN: "커트",
    Language.ARABIC: "قص الشعر",
}
OF_TAB: Values = {
    "balance_minor": 4000,
    "back_minor": 0,
    "due_at": NOON,
    "by_credit_minor": 0,
    "credit_minor": 0,
    "credit_active_at": None,
    "ended_at_percent": None,
}
"""What the delivery adds of the tab as it is then."""

_AMOUNT: Values = {"amount_minor": 1250}
_FEE: Values = {"fee_minor": 2000, "fee_due_at": LATER, "final_at": IN_TWO_WEEKS, "held_minor": 2000}
_FREE: Values = {"fee_minor": 0, "fee_due_at": None, "final_at": IN_TWO_WEEKS, "held_minor": 0}
_BILL: Values = {"whole_minor": None, "silence_percent": None}
_TIERED: Values = {"total_minor": 4000, "whole_minor": 5000, "silence_percent": 80}
_PAID: Values = {"balance_minor": 0, "due_at": None}

_VARIANTS: Mapping[MessageKind, tuple[Mapping[str, int | str | None], ...]] = {
    MessageKind.BILL_PRESENTED: (
        _BILL | {"total_minor": 4000, "review_s": 86_400, "after_review": "charged"},
        _BILL | {"total_minor": 6000, "review_s": 172_800, "after_review": "due"},
        _BILL | {"total_minor": 4000, "review_s": 3_600, "after_review": "due"},
        _BILL | {"total_minor": 4000, "review_s": 1_800, "after_review": "charged"},
        _BILL | {"total_minor": 4000, "review_s": 0, "after_review": "due"},
        _TIERED | {"review_s": 86_400, "after_review": "charged"},
        _TIERED | {"review_s": 172_800, "after_review": "due"},
    ),
    MessageKind.TIER_CHOSEN: ({"tier_percent": 50, "total_minor": 2500},),
    MessageKind.BILL_ADJUSTED: (
        _AMOUNT | {"why": "adjusted"},
        _AMOUNT | {"why": "refunded"},
        _AMOUNT | {"why": "adjusted", **_PAID, "back_minor": 1250},
    ),
    MessageKind.WAIVED: (_AMOUNT | {"of": "bill"}, _AMOUNT | {"of": "fee", **_PAID, "back_minor": 1250}),
    MessageKind.REMINDER: (
        {"number": 1, "payable": "phone"},
        {"number": 2, "payable": "phone"},
        {"number": 3, "payable": "counter", "balance_minor": 30, "due_at": None},
    ),
    MessageKind.CARD_DECLINED: (_AMOUNT | {"next_try_at": LATER}, _AMOUNT | {"next_try_at": None}),
    MessageKind.CONFIRMATION_NEEDED: (
        _AMOUNT | {"operation": "charge", "until": LATER},
        _AMOUNT | {"operation": "place_hold", "until": LATER},
    ),
    MessageKind.CANCELED: (
        {"why": "customer", **_FEE},
        {"why": "customer", **_FEE, "held_minor": 0},
        {"why": "business", **_FREE, "held_minor": 2000},
        {"why": "deposit_lapsed", **_FREE, "final_at": None},
    ),
    MessageKind.NO_SHOW: (_FEE, _FEE | {"held_minor": 0}, _FREE, _FREE | {"held_minor": 2000}),
    MessageKind.NO_SHOW_TAKEN_BACK: (
        {"fee_minor": 2000, "paid_minor": 0, "paid_is": "nothing"},
        {"fee_minor": 2000, "paid_minor": 2000, "paid_is": "counted"},
        {"fee_minor": 2000, "paid_minor": 2000, "paid_is": "partly_counted"},
        {"fee_minor": 2000, "paid_minor": 2000, "paid_is": "given_back"},
        {"fee_minor": 0, "paid_minor": 0, "paid_is": "nothing"},
    ),
    MessageKind.DEPOSIT_FAILED: (_AMOUNT | {"again_at": LATER}, _AMOUNT | {"again_at": None}),
    MessageKind.DEPOSIT_LAPSED: (_AMOUNT,),
    MessageKind.HOLD_ENDS: tuple(
        _AMOUNT | {"capture_before": LATER, "why": why}
        for why in ("refused", "no_card", "forgotten", "moved", "no_consent")
    ),
    MessageKind.HOLD_TAKEN: (_AMOUNT, _AMOUNT | _PAID),
    MessageKind.WALKED_OUT: (
        {"held_minor": 2000, "taken_minor": 2000, "capture_before": LATER},
        {"held_minor": 2000, "taken_minor": 0, "capture_before": LATER},
        {"held_minor": 0, "taken_minor": 0, "capture_before": None},
    ),
    MessageKind.RESCHEDULED: (
        {"starts_at": LATER, "before": NOON, "free_cancel_until": NOON},
        {"starts_at": LATER, "before": None, "free_cancel_until": None},
    ),
    MessageKind.RESCHEDULE_PROPOSED: (
        {"starts_at": LATER, "before": NOON},
        {"starts_at": LATER, "before": None},
    ),
    MessageKind.PROTECTION_LOST: (_AMOUNT | {"why": "hold_gone"}, _AMOUNT | {"why": "card_removed"}),
    MessageKind.CARD_REMOVED: ({},),
    MessageKind.CARD_GONE: ({},),
    MessageKind.CREDIT_ACTIVE: (_AMOUNT | {"expires_at": LATER},),
    MessageKind.STORY_ASKED: ({},),
    MessageKind.LINK_WANTED: ({},),
    MessageKind.SHARE_RETURNED: ({"after": "charged"}, {"after": "due"}),
    MessageKind.CALL_REFUSED: (_AMOUNT | {"again_by": "us"}, _AMOUNT | {"again_by": "customer"}),
    MessageKind.CONTESTED: (
        {"contested_minor": 1250, "deadline_at": LATER, "tier_percent": None},
        {"contested_minor": 1250, "deadline_at": LATER, "tier_percent": 50},
    ),
    MessageKind.STANDING_OBJECTED: ({},),
    MessageKind.OBJECTION_DECIDED: ({"decision": "upheld"}, {"decision": "refused"}),
    MessageKind.CONTEST_OVERDUE: ({"contested_minor": 1250, "default_at": LATER},),
    MessageKind.CONTEST_RESOLVED: (
        *(
            {"resolution": resolution, "of": of, "resolved_by": "business"}
            for resolution in ("adjust", "waive", "uphold")
            for of in ("bill", "fee")
        ),
        {"resolution": "waive", "of": "tier", "resolved_by": "business", **_PAID},
        {"resolution": "uphold", "of": "tier", "resolved_by": "business"},
        {"resolution": "waive", "of": "bill", "resolved_by": "deadline", **_PAID, "back_minor": 1250},
    ),
    MessageKind.COLLECTION_ENDED: (
        {"what": "both", "why": "card_refused", "decline_code": "expired_card"},
        *(
            {"what": "charging", "why": why, "decline_code": None}
            for why in ("below_minimum", "disputed", "no_card", "call_refused", "declined", "unconfirmed")
        ),
        {"what": "reminding", "why": None, "decline_code": None},
    ),
    MessageKind.CASH_TO_RETURN: (_AMOUNT,),
    MessageKind.REFUND: (
        _AMOUNT | {"as_credit_minor": 0},
        _AMOUNT | {"as_credit_minor": 250},
        _AMOUNT | {"as_credit_minor": 1250},
    ),
    MessageKind.REFUND_FAILED: (_AMOUNT,),
    MessageKind.REFUND_WAITS: (_AMOUNT,),
    MessageKind.DEPOSIT_TAKEN: (_AMOUNT,),
    MessageKind.INQUIRY: (_AMOUNT | {"respond_by": LATER}, _AMOUNT | {"respond_by": None}),
    MessageKind.DISPUTED: (_AMOUNT | {"respond_by": LATER}, _AMOUNT | {"respond_by": None}),
    MessageKind.EVIDENCE_DUE: tuple(_AMOUNT | {"respond_by": LATER, "why": why} for why in ("deadline", "not_sent")),
    MessageKind.EVIDENCE_SENT: (_AMOUNT | {"respond_by": LATER},),
    MessageKind.DISPUTE_CLOSED: tuple(
        _AMOUNT | {"outcome": outcome} for outcome in ("won", "lost", "prevented", "inquiry_closed")
    ),
    MessageKind.FRAUD_WARNED: (
        _AMOUNT | {"advice": "decide", "refused": None},
        _AMOUNT | {"advice": "refunding", "refused": None},
        _AMOUNT | {"advice": "not_now", "refused": "payment_in_progress"},
    ),
    MessageKind.ACCOUNT_LOST: ({"account": "acct_1Example"},),
    MessageKind.ENDPOINT_FAILING: ({"endpoint_id": "end_Example", "failing_since": NOON, "disabled_at": LATER},),
    MessageKind.ENDPOINT_DISABLED: (
        {"endpoint_id": "end_Example", "why": "gone"},
        {"endpoint_id": "end_Example", "why": "failing"},
    ),
    MessageKind.RECEIPT: (
        {"receipt_minor": 4000, **_PAID},
        {"receipt_minor": 4000, **_PAID, "by_credit_minor": 500},
        {"receipt_minor": 4000, **_PAID, "credit_minor": 160, "credit_active_at": IN_TWO_WEEKS},
        {"receipt_minor": 4000, **_PAID, "ended_at_percent": 80},
    ),
}


OF_THE_BUSINESS = (MessageKind.ACCOUNT_LOST, MessageKind.ENDPOINT_FAILING, MessageKind.ENDPOINT_DISABLED)
"""Kinds that are about no tab."""


def recipients_of(kind: MessageKind) -> tuple[Recipient, ...]:
    told = {to for rules in NEWS.values() for rule in rules if rule.kind == kind for to in rule.to}
    return tuple(to for to in Recipient if to in told)


def messages(kind: MessageKind, to: Recipient) -> Iterator[Message]:
    """One for each variant of the words."""
    is_of_tab = kind not in OF_THE_BUSINESS
    for values in _VARIANTS[kind]:
        yield Message(
            message_id=message_id("tab_1", 1, kind, to),
            kind=kind,
            to=to,
            merchant_id="mer_1",
            customer_id="cus_1" if is_of_tab else None,
            tab_id="tab_1" if is_of_tab else None,
            at=datetime(2026, 3, 5, 12, tzinfo=UTC),
            values={**(OF_TAB if is_of_tab else {}), **values},
        )


def setting(language: Language, kind: MessageKind, **changed: str) -> Setting:
    names = NAMES | {"title": TITLES[language]}
    if kind in OF_THE_BUSINESS:
        names = {"merchant": NAMES["merchant"]}
    return Setting(
        language=language,
        time_zone=changed.pop("time_zone", "Europe/Berlin"),
        currency=changed.pop("currency", "EUR"),
        names=names | changed,
    )
