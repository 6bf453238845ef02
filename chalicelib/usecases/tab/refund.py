"""Refunds: the newest leg first, cash in cash; and what a person does after a failed refund."""

from __future__ import annotations

from chalicelib.domain.tab.commands import payment
from chalicelib.domain.tab.facts.legs import RefundMeans
from chalicelib.ports.deps import Deps
from chalicelib.usecases.tab.carry_out import carry_out
from chalicelib.usecases.tab.requests import Answer, Request


def refund_tab(deps: Deps, tab_id: str, amount_minor: int | None, reason: str, *, request: Request) -> Answer:
    """Refund an amount, or all of it (`amount_minor` None). The answer's attempt is the first refund.

    Raises NothingToPay, TransitionRefused, PaymentInProgress, InvalidInput.
    """
    return carry_out(
        deps, tab_id, request, lambda draft: payment.refund(draft, amount_minor, reason), closes_payment=True
    )


def retry_refund(deps: Deps, tab_id: str, *, request: Request) -> Answer:
    """Try a failed refund once more. Raises NothingToPay, PaymentInProgress."""
    return carry_out(deps, tab_id, request, payment.retry_refund)


def refund_elsewhere(
    deps: Deps, tab_id: str, amount_minor: int, how: RefundMeans, reference: str, *, request: Request
) -> Answer:
    """Record money that was returned another way. Raises NothingToPay, PaymentInProgress, InvalidInput."""
    return carry_out(deps, tab_id, request, lambda draft: payment.refund_elsewhere(draft, amount_minor, how, reference))


def resolve_flag(deps: Deps, tab_id: str, flag_id: str, note: str, *, request: Request) -> Answer:
    """Remove a flag. Raises NotFound, TransitionRefused."""
    return carry_out(deps, tab_id, request, lambda draft: payment.resolve_flag(draft, flag_id, note))
