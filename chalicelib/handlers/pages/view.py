"""What the page of a tab shows: the API's own view of the tab, and what a person needs beside it. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from chalicelib import config
from chalicelib.domain.money import currency_of, share_minor
from chalicelib.domain.tab import crediting, deposit
from chalicelib.domain.tab.actions import Action
from chalicelib.domain.tab.actor import Actor, Role
from chalicelib.domain.tab.attempt import AttemptState
from chalicelib.domain.tab.link import is_token_subject
from chalicelib.domain.tab.promise import Consent, Promise
from chalicelib.domain.tab.settlement import phone_amount_minor
from chalicelib.domain.tab.share import FEWEST_SHARES, MOST_SHARES
from chalicelib.domain.tab.sharing import can_split_by_items
from chalicelib.domain.trust.tiers import WHOLE
from chalicelib.handlers.api import render
from chalicelib.handlers.api.agenda import steps_for

if TYPE_CHECKING:
    from chalicelib.domain.branding import Branding
    from chalicelib.domain.parties import Merchant
    from chalicelib.domain.tab.entry import Entry
    from chalicelib.domain.tab.tab import Tab
    from chalicelib.domain.trust.credits import CreditAccount

TOLD = frozenset(
    {
        *("opened", "promise_accepted", "promise_proposed", "checked_in", "items_added", "item_voided"),
        *("bill_presented", "bill_amended", "bill_adjusted", "bill_accepted", "review_ended", "contested"),
        "tier_chosen",
        *("contest_resolved", "hold_placed", "hold_released", "hold_expired", "captured", "charged"),
        *("payment_declined", "charge_failed", "cash_taken", "cash_announced", "cash_returned", "refunded"),
        *("credit_spent", "credit_returned"),
        *("split", "unsplit", "share_paid", "share_paid_back", "share_returned", "returned_to_parent"),
        *("standing_objected", "objection_decided", "story_told", "story_withdrawn"),
        *("tip_given", "reminded", "rescheduled", "canceled", "no_show", "waived", "closed"),
        *("fee_due", "no_show_taken_back", "walked_out", "written_off", "deposit_lapsed"),
        *("card_saved", "card_removed", "dispute_opened", "returned_by_bank"),
    }
)
"""The kinds of entries that the page has words for; the others are told by what they lead to."""

PAYING = frozenset({Action.ACCEPT_BILL, Action.PAY_ON_PHONE, Action.ANNOUNCE_CASH})
"""What is not offered to a customer who has just paid, as Stripe says, before we have heard of it."""
SETTLING = frozenset({"back_paid", "back_processing"})
"""What the page says of a payment that Stripe has and we have not heard of yet."""
_AMOUNTS = ("amount_minor", "tip_minor")


DONE = frozenset(
    {
        *("agreed", "objected", "accepted", "chosen", "contested", "counter", "canceled", "rated", "taken_over"),
        *("split", "unsplit"),
    }
)
"""What can be said after a form was taken: it stands in the address, so nothing else is believed."""
SAID = frozenset(
    {
        *("stale_version", "payment_in_progress", "request_in_progress", "nothing_to_pay", "promise_changed"),
        *("forbidden", "card_refused", "credit_not_available", "contention", "bill_split"),
    }
)
"""The codes of refusals that the page has words of their own for."""


class Notice(Struct, frozen=True):
    """What became of what was sent. `code`: that of `phrases.html`."""

    code: str
    bad: bool = False


def tab_page(
    tab: Tab,
    merchant: Merchant,
    branding: Branding,
    entries: Iterable[Entry],
    account: CreditAccount | None = None,
    *,
    by: Actor,
    now: datetime,
) -> dict[str, Any]:
    """The values of `tab.html`, but for those of the request.

    Those are `prefix`, `key`, `tag`, `notice`, `given`, `opened`, `share_links`. `account`: the credit of the customer
    who looks, where it may pay this tab.
    """
    view = render.tab(tab, render.waiting_payment(tab), by=by, now=now, publishable_key=None)
    may = frozenset(view.allowed_actions)
    offered = view.proposed_promise or view.promise
    return {
        "tab": view,
        "seen": seen_of(tab),
        "asks_agreement": any(need.action == Action.ACCEPT_PROMISE for need in view.needs),
        "may_take_over": is_token_subject(by.subject) and by.role == Role.GUEST,
        "business": branding.name or merchant.name,
        "branding": branding,
        "may": may,
        "offered": offered,
        "consents": _consents(tab.proposed or tab.promise),
        "tips": _tips(tab, branding.tip_percents),
        "moved_minor": tab.moved_minor,
        "credit": _credit(tab, account, now) if account else None,
        "fewest_shares": FEWEST_SHARES,
        "most_shares": MOST_SHARES,
        "can_split_items": can_split_by_items(tab),
        "item_shares": min(MOST_SHARES, sum(item.voided_at is None for item in tab.items)),
        "awaits_tier": tab.awaits_tier,
        "outcome_off_minor": max(0, tab.total_at(WHOLE) - tab.total_minor) if tab.presented_at else 0,
        "contestable": [price for price in view.tier_prices if tab.may_contest_tier(price.percent)],
        "to_pay_minor": phone_amount_minor(tab),
        "asked_minor": _asked_minor(tab),
        "accepting_pays": tab.may_use_card or tab.live_hold is not None,
        "charged_after_review": tab.may_charge_automatically,
        "needs_card": Action.SAVE_CARD in may and any(need.action == Action.SAVE_CARD for need in view.needs),
        "cancel_fee_minor": deposit.fee_of_canceling(tab, now)[1] if Action.CANCEL in may else 0,
        "happened": [
            {"at": entry.at, "kind": entry.kind, "amount_minor": _amount(entry.details)}
            for entry in entries
            if entry.kind in TOLD
        ],
        "coming": [
            {"at": step.at, "kind": step.kind}
            for step in sorted(steps_for(tab, by), key=lambda step: step.at)
            if step.at > now
        ],
    }


def tag_of(values: Mapping[str, Any], *shown: object) -> str:
    """Changes whenever the page does: by the versions of what it shows, and by what only time changes."""
    tab, branding = values["tab"], values["branding"]
    parts = (
        tab.version,
        branding.version,
        sorted(values["may"]),
        values["cancel_fee_minor"],
        len(values["coming"]),
        values["credit"],
    )
    return f'"{hashlib.sha256(repr((config.VERSION, tab.tab_id, *parts, *shown)).encode()).hexdigest()[:24]}"'


def seen_of(tab: Tab) -> str:
    """What a form is decided on: state, items, amounts, the words of the agreement, and what a click would take.

    A message that was sent, say, is not it.
    """
    agreement = (tab.promise.sha256, tab.proposed.sha256 if tab.proposed else "")
    bill = (tab.total_minor, tab.amount_due_minor, tab.balance_minor, tab.tip_minor, tab.fee)
    items = [item.item_id for item in tab.items if item.voided_at is None]
    taken_by = (phone_amount_minor(tab), tab.may_use_card, tab.live_hold and tab.live_hold.amount_minor)
    return hashlib.sha256(repr((tab.status, agreement, bill, items, taken_by)).encode()).hexdigest()[:16]


def _consents(promise: Promise) -> list[dict[str, Any]]:
    """What can be agreed to and was not yet, each by itself; what the promise needs is required."""
    given = promise.consents
    asked = [consent for consent in Consent if consent in promise.asks and consent not in given]
    return [{"name": consent, "required": consent in promise.needs} for consent in asked]


def _tips(tab: Tab, percents: Iterable[int]) -> list[dict[str, int]]:
    """Of what this customer pays of a bill: those who share it are asked for tips themselves."""
    currency, own_minor = currency_of(tab.currency), tab.total_minor - tab.moved_minor
    tips = ({"percent": percent, "minor": share_minor(own_minor, percent, 100, currency)} for percent in percents)
    return [tip for tip in tips if tip["minor"]]


def _credit(tab: Tab, account: CreditAccount, now: datetime) -> dict[str, Any] | None:
    spendable_minor = crediting.spendable_minor(tab, account, now)
    credit = {
        "active_minor": account.active_minor(now),
        "pending_minor": account.pending_minor(now),
        "spendable_minor": spendable_minor,
        "left_minor": tab.balance_minor - spendable_minor,
        "spends_by_itself": account.spends_by_itself,
    }
    return credit if credit["active_minor"] or credit["pending_minor"] else None


def _asked_minor(tab: Tab) -> int:
    """What the bank is being asked for, without an answer as yet; 0 for nothing."""
    attempt = tab.taking_attempt
    return attempt.amount_minor if attempt and attempt.state in (AttemptState.PENDING, AttemptState.UNKNOWN) else 0


def _amount(details: Mapping[str, Any]) -> int | None:
    return next((details[name] for name in _AMOUNTS if isinstance(details.get(name), int)), None)
