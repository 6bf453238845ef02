"""Charge what is owed: on the phone, confirmed by the customer there, or with the hold and the saved card."""

from __future__ import annotations

from chalicelib.domain.tab import commands
from chalicelib.domain.tab.settlement import phone_amount_minor
from chalicelib.domain.tab.tab import Tab
from chalicelib.ports import Deps
from chalicelib.usecases.tab.attempts import Answer, Request, carry_out


def pay_on_phone(deps: Deps, tab_id: str, *, request: Request) -> Answer:
    """The attempt has what a payment sheet needs. One that waits for the same amount is handed out again.

    Raises NothingToPay, PaymentInProgress, TransitionRefused.
    """
    return carry_out(deps, tab_id, request, commands.pay_on_phone, closes_payment=_waits_for_another_amount)


def charge_saved_card(deps: Deps, tab_id: str, *, request: Request) -> Answer:
    """Without the phone. Raises NoCard, NothingToPay, PromiseNotAccepted, PaymentInProgress, TransitionRefused."""
    return carry_out(deps, tab_id, request, commands.charge_saved_card, closes_payment=True)


def _waits_for_another_amount(tab: Tab) -> bool:
    waiting = tab.taking_attempt
    return waiting is not None and waiting.amount_minor != phone_amount_minor(tab)
