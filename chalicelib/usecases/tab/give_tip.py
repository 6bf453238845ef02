"""Give a tip after the bill was paid: a payment of its own, on the phone."""

from __future__ import annotations

from chalicelib.domain.tab import commands
from chalicelib.ports import Deps
from chalicelib.usecases.tab.attempts import Answer, Request, carry_out


def give_tip(deps: Deps, tab_id: str, tip_minor: int, *, request: Request) -> Answer:
    """The attempt has what a payment sheet needs. Raises TransitionRefused, PaymentInProgress, InvalidInput."""
    return carry_out(deps, tab_id, request, lambda draft: commands.tip(draft, tip_minor), closes_payment=True)
