"""Complete the service: the bill is presented and the review window begins; no money moves."""

from __future__ import annotations

from chalicelib.domain.tab import commands
from chalicelib.ports import Deps
from chalicelib.usecases.tab.attempts import Answer, Request, carry_out


def complete_service(deps: Deps, tab_id: str, *, request: Request) -> Answer:
    """The tab in review. Raises TransitionRefused."""
    return carry_out(deps, tab_id, request, commands.complete)
