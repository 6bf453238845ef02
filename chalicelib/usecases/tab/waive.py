"""Waive: forgive a fee whole, or what is still owed of a bill, in one call."""

from __future__ import annotations

from chalicelib.domain.tab import commands
from chalicelib.ports import Deps
from chalicelib.usecases.tab.attempts import Answer, Request, carry_out


def waive(deps: Deps, tab_id: str, reason: str, *, request: Request) -> Answer:
    """The tab with nothing owed; a fee that was taken is given back. Raises NothingToPay, TransitionRefused."""
    return carry_out(deps, tab_id, request, lambda draft: commands.waive(draft, reason), closes_payment=True)
