"""Refund: give back what was taken, newest leg first, cash in cash."""

from __future__ import annotations

from chalicelib.domain.tab.commands import payment
from chalicelib.ports.deps import Deps
from chalicelib.usecases.tab.attempts import Answer, Request, carry_out


def refund_tab(deps: Deps, tab_id: str, amount_minor: int | None, reason: str, *, request: Request) -> Answer:
    """The tab; the attempt is the first refund. `amount_minor` None: all of it.

    Raises NothingToPay, TransitionRefused, PaymentInProgress, InvalidInput.
    """
    return carry_out(
        deps, tab_id, request, lambda draft: payment.refund(draft, amount_minor, reason), closes_payment=True
    )
