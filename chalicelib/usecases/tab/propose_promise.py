"""Propose other limits: the sealed promise stands until the customer accepts the new one."""

from __future__ import annotations

from chalicelib.domain.tab import commands
from chalicelib.domain.tab.commands import Limits
from chalicelib.ports import Deps
from chalicelib.usecases.tab.attempts import Answer, Request, carry_out


def propose_promise(deps: Deps, tab_id: str, limits: Limits, *, request: Request) -> Answer:
    """The tab with what is proposed. Raises InvalidInput and its kinds, TransitionRefused."""
    return carry_out(deps, tab_id, request, lambda draft: commands.propose_promise(draft, limits))
