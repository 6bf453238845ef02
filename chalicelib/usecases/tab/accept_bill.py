"""Accept the bill: deposit first, the balance from the saved card; what neither covers is paid on the phone."""

from __future__ import annotations

from chalicelib.domain.tab import commands
from chalicelib.domain.tab.tab import Feedback
from chalicelib.ports import Deps
from chalicelib.usecases.tab.attempts import Answer, Request, carry_out


def accept_bill(
    deps: Deps, tab_id: str, tip_minor: int, feedback: Feedback | None = None, *, request: Request
) -> Answer:
    """The tab as it is after what could be taken was taken; the attempt is the first leg.

    Raises TransitionRefused, PaymentInProgress, InvalidInput and its kinds (the tip).
    """
    return carry_out(
        deps,
        tab_id,
        request,
        lambda draft: commands.accept_bill(draft, tip_minor, feedback),
        closes_payment=True,
    )
