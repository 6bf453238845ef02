"""Refunds: what was taken is given back, newest leg first, cash in cash; and what a person does where one failed."""

from __future__ import annotations

from chalicelib.domain.tab.commands import payment
from chalicelib.domain.tab.payments import RefundMeans
from chalicelib.ports.deps import Deps
from chalicelib.usecases.tab.attempts import Answer, Request, carry_out


def refund_tab(deps: Deps, tab_id: str, amount_minor: int | None, reason: str, *, request: Request) -> Answer:
    """The tab; the attempt is the first refund. `amount_minor` None: all of it.

    Raises NothingToPay, TransitionRefused, PaymentInProgress, InvalidInput.
    """
    return carry_out(
        deps, tab_id, request, lambda draft: payment.refund(draft, amount_minor, reason), closes_payment=True
    )


def retry_refund(deps: Deps, tab_id: str, *, request: Request) -> Answer:
    """The attempt is the refund, tried once more. Raises NothingToPay, PaymentInProgress."""
    return carry_out(deps, tab_id, request, payment.retry_refund)


def refund_elsewhere(
    deps: Deps, tab_id: str, amount_minor: int, how: RefundMeans, reference: str, *, request: Request
) -> Answer:
    """The tab, which owes so much less. Raises NothingToPay, PaymentInProgress, InvalidInput."""
    return carry_out(deps, tab_id, request, lambda draft: payment.refund_elsewhere(draft, amount_minor, how, reference))


def resolve_flag(deps: Deps, tab_id: str, flag_id: str, note: str, *, request: Request) -> Answer:
    """The tab without the flag. Raises NotFound, TransitionRefused."""
    return carry_out(deps, tab_id, request, lambda draft: payment.resolve_flag(draft, flag_id, note))
