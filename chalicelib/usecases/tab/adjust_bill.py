"""Adjust the bill: lower it after it was presented; what was taken above it goes back by itself."""

from __future__ import annotations

from chalicelib.domain.tab import commands
from chalicelib.ports import Deps
from chalicelib.usecases.tab.attempts import Answer, Request, carry_out


def adjust_bill(deps: Deps, tab_id: str, reduction_minor: int, reason: str, *, request: Request) -> Answer:
    """The tab with its lower bill. Raises TransitionRefused, InvalidInput, PaymentInProgress."""
    return carry_out(
        deps, tab_id, request, lambda draft: commands.adjust(draft, reduction_minor, reason), closes_payment=True
    )
