"""Payments: on the phone, with hold and saved card, in cash, and tips."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.domain.tab.commands import payment
from chalicelib.domain.tab.guests import may_confirm
from chalicelib.domain.tab.settlement import phone_amount_minor
from chalicelib.usecases.tab.carry_out import carry_out

if TYPE_CHECKING:
    from chalicelib.domain.tab.tab import Tab
    from chalicelib.ports.deps import Deps
    from chalicelib.usecases.tab.requests import Answer, Request


def pay_on_phone(
    deps: Deps, tab_id: str, tip_minor: int = 0, *, credit_minor: int | None = None, request: Request
) -> Answer:
    """Ask for a payment on the phone. A waiting payment of the same amount, in the same place, is returned again.

    Raises NothingToPay, PaymentInProgress, TransitionRefused, CreditNotAvailable, InvalidInput and its kinds (the tip).
    """

    def waits_for_another(tab: Tab) -> bool:
        waiting = tab.taking_attempt
        if waiting is None:
            return False
        if credit_minor:
            # What the credit pays, the waiting payment does not.
            return True
        wanted = (phone_amount_minor(tab) + tip_minor, tip_minor, request.return_url)
        is_other = (waiting.amount_minor, waiting.tip_minor, waiting.return_url) != wanted
        return is_other or not may_confirm(waiting, request.by)

    return carry_out(
        deps,
        tab_id,
        request,
        lambda draft: payment.pay_on_phone(draft, tip_minor, credit_minor=credit_minor),
        closes_payment=waits_for_another,
    )


def charge_saved_card(deps: Deps, tab_id: str, *, request: Request) -> Answer:
    """Charge hold and saved card, without the phone.

    Raises NoCard, CardRefused, NothingToPay, PromiseNotAccepted, PaymentInProgress, TransitionRefused.
    """
    return carry_out(deps, tab_id, request, payment.charge_saved_card, closes_payment=True)


def take_cash(deps: Deps, tab_id: str, amount_minor: int, *, request: Request) -> Answer:
    """Record cash that was taken. Raises NothingToPay, PaymentInProgress, InvalidInput."""
    return carry_out(deps, tab_id, request, lambda draft: payment.take_cash(draft, amount_minor), closes_payment=True)


def announce_cash(deps: Deps, tab_id: str, *, request: Request) -> Answer:
    """Tell staff that the customer pays at the counter. Raises NothingToPay, PaymentInProgress, TransitionRefused."""
    return carry_out(deps, tab_id, request, payment.announce_cash)


def return_cash(deps: Deps, tab_id: str, amount_minor: int, *, request: Request) -> Answer:
    """Record cash that was handed back. Raises NothingToPay, InvalidInput."""
    return carry_out(deps, tab_id, request, lambda draft: payment.return_cash(draft, amount_minor))


def give_tip(deps: Deps, tab_id: str, tip_minor: int, *, request: Request) -> Answer:
    """Ask for a tip on the phone. Raises TransitionRefused, PaymentInProgress, InvalidInput."""
    return carry_out(deps, tab_id, request, lambda draft: payment.tip(draft, tip_minor), closes_payment=True)
