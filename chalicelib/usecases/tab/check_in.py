"""Check in: the customer is here, the service begins."""

from __future__ import annotations

from chalicelib.domain.tab import commands
from chalicelib.ports import Deps
from chalicelib.usecases.tab.attempts import Answer, Request, carry_out


def check_in(deps: Deps, tab_id: str, *, request: Request) -> Answer:
    """The open tab. Raises TransitionRefused, PaymentInProgress."""
    return carry_out(deps, tab_id, request, commands.check_in, closes_payment=True)
