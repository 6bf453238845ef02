"""Mark a no-show: the disclosed fee falls due and is taken from the hold; what is left of the hold is released."""

from __future__ import annotations

from chalicelib.domain.tab import commands
from chalicelib.ports import Deps
from chalicelib.usecases.tab.attempts import Answer, Request, carry_out


def mark_no_show(deps: Deps, tab_id: str, *, request: Request) -> Answer:
    """The tab with its fee; the attempt takes it. Raises TransitionRefused (not booked, or still within grace)."""
    return carry_out(deps, tab_id, request, commands.mark_no_show)
