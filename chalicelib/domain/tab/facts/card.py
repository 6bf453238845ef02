"""Facts about saved cards."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from chalicelib.domain.tab import deposit, followup
from chalicelib.domain.tab.attempt import Attempt, AttemptState, Failure, Operation
from chalicelib.domain.tab.facts.fact import Fact, FactKind
from chalicelib.domain.tab.payments import DepositState

if TYPE_CHECKING:
    from chalicelib.domain.tab.draft import Draft


def card_saved(draft: Draft, fact: Fact) -> None:
    if fact.card is None or (draft.tab.card is not None and draft.tab.card.card_id == fact.card.card_id):
        return
    keep_card(draft, fact)
    deposit.card_saved(draft)


def card_removed(draft: Draft, fact: Fact) -> None:
    """The saved card is gone: deposit and payments continue without it, and both sides are told."""
    attempt = draft.tab.attempt(fact.attempt_id)
    if attempt is not None and attempt.is_open and attempt.card_id == fact.object_id:
        _end_without_card(draft, attempt, Failure(code="card_gone"))
    tab = draft.tab
    if tab.card is None or tab.card.card_id != fact.object_id:
        return
    draft.update(card=None, followup=replace(tab.followup, next_try_at=None))
    was_for = None
    if deposit.card_removed(draft):
        was_for = "deposit"
    elif tab.may_charge_automatically and not (tab.is_finished or followup.is_followed_up(tab)):
        was_for = "bill"
    draft.record("card_removed", card_id=fact.object_id, was_for=was_for, amount_minor=tab.deposit.amount_minor)


def customer_gone(draft: Draft, fact: Fact) -> None:
    """The customer's record at the gateway is gone, with every card; the next payment creates a new one.

    The attempt that found this out has made nothing: a phone payment is prepared again, a card charge has no card.
    """
    tab = draft.tab
    if tab.customer_ref == fact.object_id:
        draft.update(customer_ref=None)
        draft.record("customer_gone", customer_ref=fact.object_id)
    attempt = tab.attempt(fact.attempt_id)
    if attempt is not None and attempt.is_open and attempt.customer_ref in (fact.object_id, None):
        if attempt.is_on_session:
            state = AttemptState.PENDING
            draft.update_attempt(attempt, state=state, customer_ref=None, redone=attempt.redone + 1)
        else:
            _end_without_card(draft, attempt, Failure(code="customer_gone"))
    if tab.card is not None:
        card_removed(draft, Fact(kind=FactKind.CARD_REMOVED, object_id=tab.card.card_id, at=fact.at))


def _end_without_card(draft: Draft, attempt: Attempt, failure: Failure) -> None:
    """No bank has declined: the customer is asked for another card by the message that this one is gone."""
    draft.end_attempt(attempt, AttemptState.FAILED, failure)
    if attempt.operation == Operation.PLACE_HOLD and draft.tab.deposit.state == DepositState.PLACING:
        state = DepositState.CARD_SAVED if draft.tab.live_hold is None else DepositState.HELD
        draft.update(deposit=replace(draft.tab.deposit, state=state))


def card_updated(draft: Draft, fact: Fact) -> None:
    """The bank has replaced the card under the same id: only its digits, brand or expiry have changed."""
    tab = draft.tab
    if tab.card is None or fact.card is None or tab.card.card_id != fact.card.card_id:
        return
    if (tab.card.brand, tab.card.last4) != (fact.card.brand, fact.card.last4) or tab.card.refused:
        draft.update(card=replace(tab.card, brand=fact.card.brand, last4=fact.card.last4, refused=None))
        draft.record("card_updated", card_id=fact.card.card_id, brand=fact.card.brand, last4=fact.card.last4)
        followup.try_new_card(draft)


def card_refused(draft: Draft, fact: Fact) -> None:
    """The bank has said, perhaps for another tab, that this card must not be tried again."""
    assert fact.failure is not None, "a refused card has its decline"
    refuse_card(draft, fact.object_id, fact.failure)


def refuse_card(draft: Draft, card_id: str | None, failure: Failure) -> None:
    """Mark the card as never to be tried again; card networks fine further tries."""
    card = draft.tab.card
    if card is None or card.card_id != card_id or card.refused:
        return
    draft.update(card=replace(card, refused=failure.decline_code or failure.code))
    draft.record("card_refused", card_id=card_id, code=failure.code, decline_code=failure.decline_code)


def keep_card(draft: Draft, fact: Fact) -> None:
    """Save the card for later charges, only if the customer agreed to that."""
    if fact.card is not None and deposit.may_keep_card(draft.tab):
        draft.update(card=fact.card)
        draft.record(
            "card_saved",
            card_id=fact.card.card_id,
            brand=fact.card.brand,
            last4=fact.card.last4,
            fingerprint=fact.card.fingerprint,
        )
        followup.try_new_card(draft)
