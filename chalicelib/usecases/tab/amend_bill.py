"""Amend the bill: it is taken back, changed, and presented again."""

from __future__ import annotations

from chalicelib.domain.tab import commands
from chalicelib.ports import Deps
from chalicelib.usecases.tab.attempts import Answer, Request, carry_out


def amend_bill(deps: Deps, tab_id: str, *, request: Request) -> Answer:
    """The open tab. Raises TransitionRefused, PaymentInProgress."""
    return carry_out(deps, tab_id, request, commands.amend, closes_payment=True)
