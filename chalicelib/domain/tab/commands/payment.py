"""Commands about money: paying, tipping, cash and refunds."""

from __future__ import annotations

from chalicelib.domain.errors import InvalidInput
from chalicelib.domain.money import check_amount, currency_of
from chalicelib.domain.news.messages import MessageKind, Recipient
from chalicelib.domain.tab import deposit, settlement
from chalicelib.domain.tab.actions import Action
from chalicelib.domain.tab.adjust import lower_paid
from chalicelib.domain.tab.attempt import Operation
from chalicelib.domain.tab.commands.bill import accept_bill
from chalicelib.domain.tab.commands.require import require
from chalicelib.domain.tab.draft import Draft
from chalicelib.domain.tab.facts import legs
from chalicelib.domain.tab.payments import PlanReason
from chalicelib.domain.tab.status import Status


def refund(draft: Draft, amount_minor: int | None, reason: str) -> None:
    """Give money back, all of it by default: newest leg first, cash in cash. Raises InvalidInput and its kinds."""
    require(draft, Action.REFUND)
    tab = draft.tab
    refundable = sum(leg.refundable_minor for leg in tab.legs)
    amount = min(refundable, tab.amount_due_minor) if amount_minor is None else amount_minor
    check_amount(amount, currency_of(tab.currency), "amount_minor")
    if not 0 < amount <= min(refundable, tab.amount_due_minor):
        raise InvalidInput(
            f"amount_minor must be from 1 to {refundable}, what can be given back.", refundable=refundable
        )
    lower_paid(draft, amount, reason)
    draft.notify(MessageKind.REFUND, Recipient.CUSTOMER, amount)


def take_cash(draft: Draft, amount_minor: int) -> None:
    """Cash has been taken at the till: at most what is owed; change was given. Raises InvalidInput and its kinds."""
    require(draft, Action.TAKE_CASH)
    tab = draft.tab
    check_amount(amount_minor, currency_of(tab.currency), "amount_minor")
    if not 0 < amount_minor <= tab.collectable_minor:
        raise InvalidInput(
            f"amount_minor must be from 1 to what is owed, {tab.collectable_minor}: give change for more."
        )
    legs.take_cash(draft, draft.new_id("csh"), amount_minor)


def tip(draft: Draft, tip_minor: int) -> None:
    """A tip after the bill was paid: its own payment on the phone, due only when it is made. Raises InvalidInput."""
    require(draft, Action.TIP)
    tab = draft.tab
    currency = currency_of(tab.currency)
    check_amount(tip_minor, currency, "tip_minor", minimum_minor=tab.minimum_charge_minor)
    check_amount(tab.total_minor + tab.tip_minor + tip_minor, currency, "total and tips together")
    if tip_minor == 0:
        raise InvalidInput("tip_minor must be more than 0.")
    if tab.taking_attempt is None:
        draft.begin(Operation.CHARGE, tip_minor, check_at=draft.now + deposit.ASK_AGAIN, tip_minor=tip_minor)


def pay_on_phone(draft: Draft) -> None:
    """Ask for a payment the customer confirms on the phone; one already waiting for them for this amount stays."""
    require(draft, Action.PAY_ON_PHONE)
    tab = draft.tab
    amount = settlement.phone_amount_minor(tab)
    if tab.taking_attempt is not None:
        return
    draft.begin(
        Operation.CHARGE,
        amount,
        check_at=draft.now + deposit.ASK_AGAIN,
        saves_card=deposit.may_keep_card(tab),
    )


def charge_saved_card(draft: Draft) -> None:
    """Take what is owed from the hold and the saved card; the customer's own asking for it accepts the bill."""
    require(draft, Action.CHARGE_SAVED_CARD)
    if draft.tab.status == Status.IN_REVIEW:
        accept_bill(draft, draft.tab.tip_minor)
    else:
        by_customer = not draft.by.is_business
        settlement.start(draft, PlanReason.ACCEPTED if by_customer else PlanReason.REVIEW_ENDED)
