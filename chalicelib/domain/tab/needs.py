"""What the promise still needs from the customer, and what each step takes; whether it is allowed is the actions'."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from msgspec import Struct

from chalicelib.domain.tab import deposit
from chalicelib.domain.tab.actions import Action
from chalicelib.domain.tab.promise import Consent, Promise
from chalicelib.domain.tab.status import Status
from chalicelib.domain.tab.tab import Tab


class Need(Struct, frozen=True, kw_only=True):
    """A step for the customer, and why. `consents`: those it takes. `until`: the instant it waits until, if any."""

    action: Action
    why: str
    consents: tuple[Consent, ...] = ()
    until: datetime | None = None


def needs_of(tab: Tab) -> Iterator[Need]:
    """In the order in which they are taken; nothing where the promise is accepted and its deposit is seen to."""
    if tab.status not in (Status.BOOKED, Status.OPEN):
        return
    if tab.proposed is not None:
        yield _acceptance(tab.proposed, "other limits are proposed: the ones accepted before stand until then")
    if not tab.accepted:
        yield _acceptance(tab.promise, "the promise is not accepted yet")
    if not deposit.needs_card(tab) or not (tab.promise.deposit_needs_card or tab.promise.consents_to(_CARD)):
        return
    if tab.accepted and not tab.promise.consents_to(_CARD):
        yield Need(
            action=Action.ACCEPT_PROMISE,
            why="the service is too far ahead for a hold now: the deposit needs a card kept until then",
            consents=(_CARD,),
            until=tab.deposit.lapses_at,
        )
    yield Need(
        action=Action.SAVE_CARD,
        why="the deposit is held on this card shortly before the service; saving it charges nothing",
        consents=(_CARD,),
        until=tab.deposit.lapses_at,
    )


_CARD = Consent.CARD_ON_FILE


def _acceptance(promise: Promise, why: str) -> Need:
    return Need(action=Action.ACCEPT_PROMISE, why=why, consents=promise.needs)
