"""Write off: give up what is owed; a payment that still comes is a recovery."""

from __future__ import annotations

from chalicelib.domain.tab import commands
from chalicelib.ports import Deps
from chalicelib.usecases.tab.attempts import Answer, Request, carry_out


def write_off(deps: Deps, tab_id: str, reason: str, *, request: Request) -> Answer:
    """The closed tab. Raises TransitionRefused, NothingToPay, PaymentInProgress."""
    return carry_out(deps, tab_id, request, lambda draft: commands.write_off(draft, reason), closes_payment=True)
