"""Folds the entries of a tab into its visit: which entry changes what of it.

A fold is pure and knows each entry by its `seq`: the same entries always make the same visit, and an entry that was
folded before changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from msgspec.structs import replace

from chalicelib.domain.books.ledger import Account
from chalicelib.domain.tab.bill import FeeKind
from chalicelib.domain.tab.entry import Entry
from chalicelib.domain.tab.objection import ObjectionState
from chalicelib.domain.tab.payments import DisputeState, LegKind
from chalicelib.domain.tab.policy import Resolution
from chalicelib.domain.tab.promise import AcceptanceMethod
from chalicelib.domain.tab.tab import Outcome
from chalicelib.domain.trust.visit import Contested, ContestEnd, Disputed, Held, Paid, Visit


def begin(merchant_id: str, tab_id: str, customer_id: str | None) -> Visit:
    """The visit of a tab of which no entry was folded yet."""
    return Visit(merchant_id=merchant_id, tab_id=tab_id, customer_id=customer_id)


def visit_of(merchant_id: str, tab_id: str, customer_id: str | None, entries: Iterable[Entry]) -> Visit:
    """The visit that all these entries of a tab make, in their order."""
    visit = begin(merchant_id, tab_id, customer_id)
    for entry in entries:
        visit = fold(visit, entry)
    return visit


def fold(visit: Visit, entry: Entry) -> Visit:
    """The visit after this entry. One that was folded before changes nothing; kinds that say nothing of trust only
    move `seq`.

    Raises Gap if entries before this one are missing.
    """
    if entry.seq <= visit.seq:
        return visit
    if entry.seq != visit.seq + 1:
        raise Gap(visit.tab_id, visit.seq, entry.seq)
    owed_before = visit.owed_minor
    visit = replace(visit, seq=entry.seq, **_posted(visit, entry))
    if told := _FOLDS.get(entry.kind):
        visit = replace(visit, **told(visit, entry))
    if visit.owed_minor:
        return visit if visit.paid_at is None else replace(visit, paid_at=None)
    return replace(visit, paid_at=entry.at) if owed_before else visit


class Gap(Exception):
    """Entries between the last one folded and this one are missing."""

    def __init__(self, tab_id: str, seq: int, next_seq: int) -> None:
        super().__init__(f"{tab_id} has been folded to entry {seq}, so {next_seq} can't follow")


_Changes = dict[str, Any]

_FIELD_OF = {
    Account.SERVICE_REVENUE: (("total_minor", -1),),
    Account.TAX: (("total_minor", -1), ("tax_minor", -1)),
    Account.TIPS: (("tip_minor", -1),),
    Account.FEES_INCOME: (("fee_minor", -1),),
    Account.GOODWILL: (("waived_minor", 1),),
    Account.CUSTOMER_RECEIVABLE: (("receivable_minor", 1),),
    Account.SHARES: (("moved_minor", 1),),
    Account.STRIPE_FEES: (("processing_fee_minor", 1),),
}
"""Account → the sums that its postings move, and their sign: income is a credit, which is negative."""


def _posted(visit: Visit, entry: Entry) -> _Changes:
    changes: _Changes = {}
    for posting in entry.postings:
        for name, sign in _FIELD_OF.get(posting.account, ()):
            changes[name] = changes.get(name, getattr(visit, name)) + sign * posting.amount_minor
    return changes


def _at(value: object) -> datetime | None:
    return datetime.fromisoformat(value) if isinstance(value, str) else None


def _opened(visit: Visit, entry: Entry) -> _Changes:
    details = entry.details
    opened: _Changes = {
        "opened_at": entry.at,
        "currency": details.get("currency", ""),
        "starts_at": _at(details.get("starts_at")),
        "parent_id": details.get("parent_id"),
    }
    if opened["parent_id"]:
        # A share is due when it is made.
        opened |= {"presented_at": entry.at, "presented_minor": visit.receivable_minor, "due_at": entry.at}
    return opened


def _promise_accepted(visit: Visit, entry: Entry) -> _Changes:
    """The text that was sealed has the numbers."""
    terms = json.loads(entry.details["text"])
    cap_minor: int = terms["cap_minor"]
    raised = visit.accepted_at is not None and cap_minor > visit.cap_minor
    return {
        "accepted_at": visit.accepted_at or entry.at,
        "method": AcceptanceMethod(entry.details["method"]),
        "currency": terms["currency"],
        "estimate_minor": terms["estimate_minor"],
        "cap_minor": cap_minor,
        "deposit_minor": terms["deposit_minor"],
        "cap_raises": visit.cap_raises + raised,
        "starts_at": _at(terms["starts_at"]),
    }


def _rescheduled(visit: Visit, entry: Entry) -> _Changes:
    return {"starts_at": _at(entry.details["starts_at"])}


def _checked_in(visit: Visit, entry: Entry) -> _Changes:
    return {"checked_in_at": entry.at}


def _bill_presented(visit: Visit, entry: Entry) -> _Changes:
    first = {} if visit.billed_at else {"billed_at": entry.at, "presented_minor": entry.details["total_minor"]}
    return {"presented_at": entry.at, "tier_percent": entry.details.get("silence_percent"), **first}


def _bill_amended(visit: Visit, entry: Entry) -> _Changes:
    return {"presented_at": None, "due_at": None, "tier_percent": None}


def _tier_chosen(visit: Visit, entry: Entry) -> _Changes:
    return {"tier_percent": entry.details["tier_percent"]}


def _became_due(visit: Visit, entry: Entry) -> _Changes:
    return {"due_at": entry.at}


def _share_returned(visit: Visit, entry: Entry) -> _Changes:
    return {} if visit.due_at is None else {"due_at": entry.at}


def _fee_due(visit: Visit, entry: Entry) -> _Changes:
    return {"fee": FeeKind(entry.details["fee"]), "due_at": _at(entry.details["take_at"])}


def _canceled(visit: Visit, entry: Entry) -> _Changes:
    return {"canceled_at": entry.at, "canceled_by": entry.details["why"]}


def _no_show(visit: Visit, entry: Entry) -> _Changes:
    return {"no_show_at": entry.at}


def _no_show_taken_back(visit: Visit, entry: Entry) -> _Changes:
    taken_back = visit.no_shows_taken_back + 1
    return {"no_show_at": None, "no_shows_taken_back": taken_back, "fee": None, "due_at": None}


def _contested(visit: Visit, entry: Entry) -> _Changes:
    contest = Contested(at=entry.at, amount_minor=entry.details["contested_minor"])
    return {"contests": (*visit.contests, contest), **_tier_of(entry)}


def _tier_of(entry: Entry) -> _Changes:
    """What a contest of the outcome, or its end, makes of the price."""
    percent = entry.details.get("tier_percent")
    return {} if percent is None else {"tier_percent": percent}


def _contest_resolved(visit: Visit, entry: Entry) -> _Changes:
    details = entry.details
    ends = {
        Resolution.ADJUST: ContestEnd.ADJUSTED,
        Resolution.UPHOLD: ContestEnd.UPHELD,
        Resolution.WAIVE: ContestEnd.DEFAULT if details.get("resolved_by") == "deadline" else ContestEnd.WAIVED,
    }
    end = ends[Resolution(details["resolution"])]
    *before, last = visit.contests
    answered = replace(last, answered_at=entry.at, end=end, of=details.get("of"))
    # Entries of before this was in them leave the time as it was.
    due = {"due_at": _at(details["due_at"])} if "due_at" in details else {}
    return {"contests": (*before, answered), **due, **_tier_of(entry)}


def _paid(means: LegKind) -> Callable[[Visit, Entry], _Changes]:
    def paid(visit: Visit, entry: Entry) -> _Changes:
        payment_id = entry.details["payment_id"]
        held = next((hold for hold in visit.holds if hold.payment_id == payment_id), None)
        card = entry.details.get("fingerprint") or (held.card if held else None)
        payment = Paid(
            payment_id=payment_id, means=means, at=entry.at, amount_minor=entry.details["amount_minor"], card=card
        )
        # Paying the bill on the phone during the review accepts it, without an entry of its own.
        accepts = means == LegKind.CHARGE and visit.due_at is None and visit.presented_at is not None
        return {
            "payments": (*visit.payments, payment),
            "holds": tuple(hold for hold in visit.holds if hold is not held),
            "cards": _with_card(visit, card),
            **({"due_at": entry.at} if accepts else {}),
        }

    return paid


def _went_back(visit: Visit, entry: Entry) -> _Changes:
    return _back(visit, entry, entry.details["amount_minor"])


def _refund_failed(visit: Visit, entry: Entry) -> _Changes:
    """Only of a refund that had arrived does money come back."""
    came_back = sum(one.amount_minor for one in entry.postings if one.account == Account.STRIPE_BALANCE)
    return _back(visit, entry, -came_back)


def _back(visit: Visit, entry: Entry, amount_minor: int) -> _Changes:
    payment_id = entry.details["payment_id"]
    return {
        "payments": tuple(
            replace(payment, refunded_minor=payment.refunded_minor + amount_minor)
            if payment.payment_id == payment_id
            else payment
            for payment in visit.payments
        )
    }


def _written_off(visit: Visit, entry: Entry) -> _Changes:
    return {"written_off_minor": visit.written_off_minor + entry.details["amount_minor"]}


def _recovered(visit: Visit, entry: Entry) -> _Changes:
    return {"written_off_minor": visit.written_off_minor - entry.details["amount_minor"]}


def _charge_failed(visit: Visit, entry: Entry) -> _Changes:
    return {"declines": visit.declines + 1, "declined_at": visit.declined_at or entry.at}


def _hold_placed(visit: Visit, entry: Entry) -> _Changes:
    details = entry.details
    capture_before = _at(details["capture_before"])
    assert capture_before is not None, "a placed hold says until when"
    hold = Held(
        payment_id=details["payment_id"],
        amount_minor=details["amount_minor"],
        capture_before=capture_before,
        card=details.get("fingerprint"),
    )
    return {"holds": (*visit.holds, hold), "cards": _with_card(visit, hold.card)}


def _hold_gone(visit: Visit, entry: Entry) -> _Changes:
    return {"holds": tuple(hold for hold in visit.holds if hold.payment_id != entry.details["payment_id"])}


def _card_saved(visit: Visit, entry: Entry) -> _Changes:
    return {"cards": _with_card(visit, entry.details.get("fingerprint"))}


def _with_card(visit: Visit, fingerprint: str | None) -> tuple[str, ...]:
    return visit.cards if fingerprint is None else tuple(sorted({*visit.cards, fingerprint}))


_DISPUTE_STATES: Mapping[str, DisputeState] = {
    "inquiry_opened": DisputeState.INQUIRY,
    "inquiry_closed": DisputeState.INQUIRY_CLOSED,
    "dispute_opened": DisputeState.OPEN,
    "dispute_appealed": DisputeState.OPEN,
    "dispute_won": DisputeState.WON,
    "dispute_lost": DisputeState.LOST,
    "dispute_prevented": DisputeState.PREVENTED,
}
"""Kind of entry → the state that the dispute has come to. Entries are written for steps forward only."""
_DECIDED = (DisputeState.WON, DisputeState.LOST, DisputeState.PREVENTED)


def _dispute(visit: Visit, entry: Entry) -> _Changes:
    details, state = entry.details, _DISPUTE_STATES[entry.kind]
    by_id = {dispute.dispute_id: dispute for dispute in visit.disputes}
    dispute = by_id.get(details["dispute_id"]) or Disputed(
        dispute_id=details["dispute_id"],
        payment_id=details["payment_id"],
        at=entry.at,
        amount_minor=details["amount_minor"],
        state=state,
    )
    dispute = replace(
        dispute,
        state=state,
        reason=details.get("reason") or dispute.reason,
        decided_at=entry.at if state in _DECIDED else None,
    )
    return {"disputes": tuple((by_id | {dispute.dispute_id: dispute}).values())}


def _fraud_warned(visit: Visit, entry: Entry) -> _Changes:
    return {"fraud_warned_at": visit.fraud_warned_at or entry.at}


def _objected(visit: Visit, entry: Entry) -> _Changes:
    return {"objected_at": entry.at, "objection": ObjectionState.OPEN}


def _objection_decided(visit: Visit, entry: Entry) -> _Changes:
    return {"objection": ObjectionState(entry.details["decision"])}


def _rated(visit: Visit, entry: Entry) -> _Changes:
    return {"rating": entry.details["rating"]}


def _story_asked(visit: Visit, entry: Entry) -> _Changes:
    return {"story_asked_at": entry.at}


def _story_told(visit: Visit, entry: Entry) -> _Changes:
    return {"story_told_at": visit.story_told_at or entry.at, "story_is_shown": True}


def _story_withdrawn(visit: Visit, entry: Entry) -> _Changes:
    return {"story_is_shown": False}


def _closed(visit: Visit, entry: Entry) -> _Changes:
    return {"outcome": Outcome(entry.details["outcome"]), "closed_at": entry.at}


_FOLDS: Mapping[str, Callable[[Visit, Entry], _Changes]] = {
    "opened": _opened,
    "promise_accepted": _promise_accepted,
    "rescheduled": _rescheduled,
    "checked_in": _checked_in,
    "canceled": _canceled,
    "no_show": _no_show,
    "no_show_taken_back": _no_show_taken_back,
    "fee_due": _fee_due,
    "bill_presented": _bill_presented,
    "bill_amended": _bill_amended,
    "tier_chosen": _tier_chosen,
    "bill_accepted": _became_due,
    "review_ended": _became_due,
    "share_returned": _share_returned,
    "contested": _contested,
    "contest_resolved": _contest_resolved,
    "charged": _paid(LegKind.CHARGE),
    "captured": _paid(LegKind.CAPTURE),
    "cash_taken": _paid(LegKind.CASH),
    "credit_spent": _paid(LegKind.CREDIT),
    "refunded": _went_back,
    "cash_returned": _went_back,
    "credit_returned": _went_back,
    "refunded_elsewhere": _went_back,
    "returned_by_bank": _went_back,
    "refund_failed": _refund_failed,
    "written_off": _written_off,
    "recovered": _recovered,
    "charge_failed": _charge_failed,
    "hold_placed": _hold_placed,
    "hold_released": _hold_gone,
    "hold_expired": _hold_gone,
    "card_saved": _card_saved,
    **dict.fromkeys(_DISPUTE_STATES, _dispute),
    "fraud_warned": _fraud_warned,
    "standing_objected": _objected,
    "objection_decided": _objection_decided,
    "rated": _rated,
    "closed": _closed,
    "story_asked": _story_asked,
    "story_told": _story_told,
    "story_withdrawn": _story_withdrawn,
}
"""Kind of entry → what it changes of the visit, besides the sums that follow from its postings."""
