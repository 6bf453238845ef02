"""Cancel: free for the business, free for the customer until the cut-off, then for the disclosed fee."""

from __future__ import annotations

from chalicelib.domain.tab import commands
from chalicelib.ports import Deps
from chalicelib.usecases.tab.attempts import Answer, Request, carry_out


def cancel_tab(deps: Deps, tab_id: str, reason: str, *, request: Request) -> Answer:
    """The canceled tab, closed where nothing is owed. Raises TransitionRefused, PaymentInProgress."""
    return carry_out(deps, tab_id, request, lambda draft: commands.cancel(draft, reason))
