"""Contest the bill: recorded at once, and every further automatic charge stops."""

from __future__ import annotations

from chalicelib.domain.tab import commands
from chalicelib.ports import Deps
from chalicelib.usecases.tab.attempts import Answer, Request, carry_out


def contest_bill(deps: Deps, tab_id: str, reason: str, contested_minor: int | None, *, request: Request) -> Answer:
    """The contested tab; `contested_minor` None means all of it. Raises TransitionRefused, InvalidInput."""
    return carry_out(deps, tab_id, request, lambda draft: commands.contest(draft, reason, contested_minor))
