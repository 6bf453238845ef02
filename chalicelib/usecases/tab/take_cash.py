"""Take cash: what the customer paid at the till."""

from __future__ import annotations

from chalicelib.domain.tab import commands
from chalicelib.ports import Deps
from chalicelib.usecases.tab.attempts import Answer, Request, carry_out


def take_cash(deps: Deps, tab_id: str, amount_minor: int, *, request: Request) -> Answer:
    """The tab with the cash in its ledger. Raises NothingToPay, PaymentInProgress, InvalidInput."""
    return carry_out(deps, tab_id, request, lambda draft: commands.take_cash(draft, amount_minor), closes_payment=True)
