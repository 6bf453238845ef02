"""Facts about saved cards."""

from __future__ import annotations

from msgspec.structs import replace

from chalicelib.domain.news.messages import MessageKind, Recipient
from chalicelib.domain.tab import deposit, followup
from chalicelib.domain.tab.attempt import Failure
from chalicelib.domain.tab.draft import Draft
from chalicelib.domain.tab.facts.fact import Fact


def card_saved(draft: Draft, fact: Fact) -> None:
    if fact.card is None or (draft.tab.card is not None and draft.tab.card.card_id == fact.card.card_id):
        return
    keep_card(draft, fact)
    deposit.card_saved(draft)


def card_removed(draft: Draft, fact: Fact) -> None:
    """The saved card is gone: what it was to secure or to pay is without it, and both sides hear of that."""
    tab = draft.tab
    if tab.card is None or tab.card.card_id != fact.object_id:
        return
    draft.update(card=None, followup=replace(tab.followup, next_try_at=None))
    draft.record("card_removed", card_id=fact.object_id)
    draft.notify(MessageKind.CARD_REMOVED, Recipient.CUSTOMER, detail="Save another, or pay on your phone.")
    told = deposit.card_removed(draft)
    if tab.may_charge_automatically and not (told or tab.is_finished or followup.is_followed_up(tab)):
        # Of a bill that is due already, the agenda tells the owner that nothing is charged any more.
        draft.notify(MessageKind.CARD_GONE, Recipient.OWNER)


def card_updated(draft: Draft, fact: Fact) -> None:
    """The bank has replaced the card, under the same id: only what a person recognises it by has changed."""
    tab = draft.tab
    if tab.card is None or fact.card is None or tab.card.card_id != fact.card.card_id:
        return
    if (tab.card.brand, tab.card.last4) != (fact.card.brand, fact.card.last4) or tab.card.refused:
        draft.update(card=replace(tab.card, brand=fact.card.brand, last4=fact.card.last4, refused=None))
        draft.record("card_updated", card_id=fact.card.card_id, brand=fact.card.brand, last4=fact.card.last4)
        followup.try_new_card(draft)


def card_refused(draft: Draft, fact: Fact) -> None:
    """The bank has said, for another bill perhaps, that this card must not be tried again."""
    assert fact.failure is not None, "a refused card has its decline"
    refuse_card(draft, fact.object_id, fact.failure)


def refuse_card(draft: Draft, card_id: str | None, failure: Failure) -> None:
    """Never try this card again as it is; the networks fine whoever does."""
    card = draft.tab.card
    if card is None or card.card_id != card_id or card.refused:
        return
    draft.update(card=replace(card, refused=failure.decline_code or failure.code))
    draft.record("card_refused", card_id=card_id, code=failure.code, decline_code=failure.decline_code)


def keep_card(draft: Draft, fact: Fact) -> None:
    """Remember the card for later, only where the customer agreed to that."""
    if fact.card is not None and deposit.may_keep_card(draft.tab):
        draft.update(card=fact.card)
        draft.record("card_saved", card_id=fact.card.card_id, brand=fact.card.brand, last4=fact.card.last4)
        followup.try_new_card(draft)
