"""What the promise still needs from the customer, and what each step requires. `actions` decides what is allowed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.domain.tab import deposit
from chalicelib.domain.tab.actions import Action
from chalicelib.domain.tab.promise import Consent, Promise
from chalicelib.domain.tab.status import UNTIL_COMPLETED

if TYPE_CHECKING:
    from chalicelib.domain.tab.tab import Tab


class Need(Struct, frozen=True, kw_only=True):
    """A step for the customer, and why. `consents`: those it requires. `until`: its deadline, if any."""

    action: Action
    why: str
    consents: tuple[Consent, ...] = ()
    until: datetime | None = None


def needs_of(tab: Tab, now: datetime) -> Iterator[Need]:
    """The steps in their order; none if the promise is accepted and its deposit is secured or in progress."""
    if tab.status not in UNTIL_COMPLETED:
        return
    if tab.proposed is not None and not tab.proposal_has_passed(now):
        yield _acceptance(tab.proposed, "other limits are proposed: the ones accepted before stand until then")
    if not tab.accepted:
        yield _acceptance(tab.promise, "the promise is not accepted yet")
    if deposit.is_wanted_by(tab) and deposit.is_unsecured(tab) and tab.live_hold is None:
        yield from _for_the_deposit(tab, now)


def _for_the_deposit(tab: Tab, now: datetime) -> Iterator[Need]:
    until = tab.deposit.lapses_at
    save_card = Need(
        action=Action.SAVE_CARD,
        why="the deposit is held on this card shortly before the service; saving it charges nothing",
        consents=(Consent.CARD_ON_FILE,),
        until=until,
    )
    if not tab.accepted:
        # Accepting secures the deposit, unless a card must be saved afterwards.
        if tab.promise.deposit_needs_card and tab.card is None:
            yield save_card
    elif tab.card is not None and tab.promise.consents_to(Consent.CARD_ON_FILE):
        # The card that was to be held was declined.
        yield replace(save_card, why="the card was declined: the deposit needs another one")
    elif deposit.may_hold_now(tab.starts_at, now, tab.policy):
        why = "the deposit is not held yet: accepting again asks for it on the phone"
        yield _acceptance(tab.promise, why, until)
    else:
        if not tab.promise.consents_to(Consent.CARD_ON_FILE):
            yield Need(
                action=Action.ACCEPT_PROMISE,
                why="the service is too far ahead for a hold now: the deposit needs a card kept until then",
                consents=(Consent.CARD_ON_FILE,),
                until=until,
            )
        yield save_card


def _acceptance(promise: Promise, why: str, until: datetime | None = None) -> Need:
    return Need(action=Action.ACCEPT_PROMISE, why=why, consents=promise.needs, until=until)
