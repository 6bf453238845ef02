"""Resolve a contest: the bill is lowered, stands, or is forgiven."""

from __future__ import annotations

from chalicelib.domain.tab import commands
from chalicelib.domain.tab.tab import Resolution
from chalicelib.ports import Deps
from chalicelib.usecases.tab.attempts import Answer, Request, carry_out


def resolve_contest(
    deps: Deps, tab_id: str, resolution: Resolution, reduction_minor: int | None, reason: str, *, request: Request
) -> Answer:
    """The tab, under review again or due. Raises TransitionRefused, InvalidInput, PaymentInProgress."""
    return carry_out(
        deps,
        tab_id,
        request,
        lambda draft: commands.resolve(draft, resolution, reduction_minor, reason),
        closes_payment=True,
    )
