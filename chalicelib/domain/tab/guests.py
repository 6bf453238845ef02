"""What a guest may do to a tab now: by the link that they hold, or by the token that is bound to the tab."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from chalicelib.domain.tab.link import Scope, token_subject
from chalicelib.domain.tab.status import Status

if TYPE_CHECKING:
    from chalicelib.domain.tab.actor import Actor
    from chalicelib.domain.tab.attempt import Attempt
    from chalicelib.domain.tab.tab import Tab


def scope_of(tab: Tab, subject: str, now: datetime) -> Scope | None:
    """The scope of this guest, or None if they may not even see the tab."""
    link = tab.link(subject)
    if link is not None:
        return link.scope if link.is_live(now, tab.closed_at) else None
    return Scope.PAY if holds_token(tab, subject) else None


def holds_token(tab: Tab, subject: str) -> bool:
    """Whether the token that is this guest's only key is bound to the tab: until it closes or is taken over."""
    token = tab.token
    if token is None or token.taken_over_at is not None or tab.status == Status.CLOSED:
        return False
    return subject == token_subject(token.number)


def has_token(tab: Tab, number: int) -> bool:
    """Whether the tab has this token, so that no other may: until it closes, or staff take the token back."""
    return tab.token is not None and tab.token.number == number and tab.status != Status.CLOSED


def may_confirm(attempt: Attempt, by: Actor) -> bool:
    """Whether this caller may be handed the payment, to confirm it.

    A guest who may only pay does so with a card of their own, which is not kept. Holds, and what the customer's saved
    card pays, are the customer's matter.
    """
    if by.scope == Scope.PAY:
        return attempt.takes_money and attempt.is_on_session and not attempt.saves_card
    return by.is_customer and by.scope != Scope.VIEW
