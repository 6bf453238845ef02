"""Commands about money: paying, tipping, cash and refunds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.domain.errors import AmountTooSmall, Forbidden, InvalidInput, NotFound, TransitionRefused
from chalicelib.domain.money import check_amount, currency_of, format_amount
from chalicelib.domain.tab import crediting, deposit, settlement
from chalicelib.domain.tab.actions import ROLES, Action, is_resolvable, refundable_minor
from chalicelib.domain.tab.adjust import announce_refund, lower_paid
from chalicelib.domain.tab.attempt import Operation
from chalicelib.domain.tab.commands.bill import accept_bill
from chalicelib.domain.tab.commands.require import require
from chalicelib.domain.tab.facts import legs
from chalicelib.domain.tab.facts.legs import RefundMeans
from chalicelib.domain.tab.flag import FlagKind
from chalicelib.domain.tab.link import Scope
from chalicelib.domain.tab.payments import PlanReason
from chalicelib.domain.tab.status import Status

if TYPE_CHECKING:
    from chalicelib.domain.tab.actor import Actor
    from chalicelib.domain.tab.draft import Draft
    from chalicelib.domain.tab.tab import Tab


def refund(draft: Draft, amount_minor: int | None, reason: str) -> None:
    """Refund money, by default all of it: newest leg first, cash in cash. Raises InvalidInput and its kinds.

    What the customer's bank has taken for good counts as refunded, too; otherwise it would cover what is owed back now,
    and nothing would be sent.
    """
    require(draft, Action.REFUND)
    tab = draft.tab
    most = refundable_minor(tab)
    amount = most if amount_minor is None else amount_minor
    check_amount(amount, currency_of(tab.currency), "amount_minor")
    if not 0 < amount <= most:
        raise InvalidInput(f"amount_minor must be from 1 to {most}, the amount that can be refunded.", refundable=most)
    if lost := sum(leg.lost_minor for leg in tab.legs):
        lower_paid(draft, lost, "taken_by_bank")
    lower_paid(draft, amount, "refund", reason)
    announce_refund(draft, amount, "refund")
    # Cash is handed over at once; the agenda makes the card refunds.
    legs.return_cash(draft, draft.tab.cash_to_return_minor)


def retry_refund(draft: Draft) -> None:
    """Try a failed refund again: the agenda makes it as if for the first time."""
    require(draft, Action.RETRY_REFUND)
    draft.record("refund_retried", amount_minor=draft.tab.refund_by_hand_minor)
    for leg in draft.tab.legs:
        if leg.refund_failure:
            draft.update_leg(leg, refund_failure=None)


def refund_elsewhere(draft: Draft, amount_minor: int, how: RefundMeans, reference: str) -> None:
    """Record that a failed refund was paid back outside the gateway. Raises InvalidInput and its kinds."""
    require(draft, Action.REFUND_ELSEWHERE)
    tab = draft.tab
    check_amount(amount_minor, currency_of(tab.currency), "amount_minor")
    if not 0 < amount_minor <= tab.refund_by_hand_minor:
        raise InvalidInput(
            f"amount_minor must be from 1 to {tab.refund_by_hand_minor}, what is owed back and could not be refunded.",
            refundable=tab.refund_by_hand_minor,
        )
    legs.return_elsewhere(draft, amount_minor, how, reference)


def resolve_flag(draft: Draft, flag_id: str, note: str) -> None:
    """Resolve a flag with a note. Raises NotFound for an unknown flag."""
    require(draft, Action.RESOLVE_FLAG)
    flag = next((flag for flag in draft.tab.flags if flag.flag_id == flag_id), None)
    if flag is None:
        raise NotFound("There is no such flag on this tab: somebody may have resolved it.")
    if flag.kind == FlagKind.OBJECTION:
        raise TransitionRefused(
            "The customer has objected to this tab. Decide about that: the flag goes with your answer.",
            status=draft.tab.status,
        )
    if not is_resolvable(flag):
        raise TransitionRefused(
            "This money is still owed back. Try the refund again, or pay it back another way and record that.",
            status=draft.tab.status,
        )
    draft.lower_flag(flag, note)


def take_cash(draft: Draft, amount_minor: int) -> None:
    """Record cash taken at the till, at most what is owed. Raises InvalidInput and its kinds."""
    require(draft, Action.TAKE_CASH)
    tab = draft.tab
    check_amount(amount_minor, currency_of(tab.currency), "amount_minor")
    if not 0 < amount_minor <= tab.collectable_minor:
        raise InvalidInput(
            f"amount_minor must be from 1 to what is owed, {tab.collectable_minor}: give change for more."
        )
    legs.take_cash(draft, draft.new_id("csh"), amount_minor)


def announce_cash(draft: Draft) -> None:
    """The customer says that they pay at the counter: staff are told, and nothing else changes."""
    require(draft, Action.ANNOUNCE_CASH)
    draft.record("cash_announced", balance_minor=draft.tab.balance_minor)


def return_cash(draft: Draft, amount_minor: int) -> None:
    """Record that owed cash was handed to the customer. Raises InvalidInput and its kinds."""
    require(draft, Action.RETURN_CASH)
    most_minor = draft.tab.cash_to_return_minor
    check_amount(amount_minor, currency_of(draft.tab.currency), "amount_minor")
    if not 0 < amount_minor <= most_minor:
        raise InvalidInput(f"amount_minor must be from 1 to what is owed back in cash, {most_minor}.")
    legs.return_cash(draft, amount_minor)


def tip(draft: Draft, tip_minor: int) -> None:
    """Give a tip after the bill was paid: a separate payment on the phone, due only when paid. Raises InvalidInput."""
    require(draft, Action.TIP)
    tab = draft.tab
    currency = currency_of(tab.currency)
    check_amount(tip_minor, currency, "tip_minor", minimum_minor=tab.minimum_charge_minor)
    check_amount(tab.total_minor + tab.tip_minor + tip_minor, currency, "total and tips together")
    if tip_minor == 0:
        raise InvalidInput("tip_minor must be more than 0.")
    if tab.taking_attempt is None:
        draft.begin(Operation.CHARGE, tip_minor, check_at=draft.now + deposit.ASK_AGAIN, tip_minor=tip_minor)


def pay_on_phone(draft: Draft, tip_minor: int = 0, *, credit_minor: int | None = None) -> None:
    """Ask for a payment that the customer confirms on the phone. One that already waits for this amount stays.

    `tip_minor`: the customer's tip, due only when it is paid. `credit_minor`: what their credit pays of the bill first,
    at once; None: as they have said for all bills. Raises CreditNotAvailable, InvalidInput and its kinds.
    """
    require(draft, Action.PAY_ON_PHONE)
    tab = draft.tab
    currency = currency_of(tab.currency)
    check_amount(tip_minor, currency, "tip_minor")
    check_amount(tab.total_minor + tab.tip_minor + tip_minor, currency, "total and tips together")
    if tip_minor and tab.fee is not None:
        raise InvalidInput("There was no service to tip for: leave tip_minor out.")
    _pay_with_credit(draft, credit_minor)
    if tab.taking_attempt is not None:
        return
    amount_minor = settlement.phone_amount_minor(draft.tab) + tip_minor
    if not amount_minor:
        # Credit has paid everything that the hold does not: paying the bill accepts it.
        _accept_paid(draft)
        return
    if amount_minor < tab.minimum_charge_minor:
        raise AmountTooSmall(
            "After the credit, a card would be charged less than "
            f"{format_amount(tab.minimum_charge_minor, tab.currency)}, which is not possible. Leave out the tip, or "
            "give a larger one.",
            minimum_minor=tab.minimum_charge_minor,
        )
    draft.begin(
        Operation.CHARGE,
        amount_minor,
        check_at=draft.now + deposit.ASK_AGAIN,
        saves_card=_keeps_card(tab, draft.by),
        tip_minor=tip_minor,
    )


def _pay_with_credit(draft: Draft, credit_minor: int | None) -> None:
    if draft.by.rights not in ROLES[Action.ACCEPT_BILL]:
        if credit_minor:
            raise Forbidden("This link pays a bill, but not with the customer's credit: only they can spend that.")
        return
    if credit_minor is not None or draft.tab.taking_attempt is None:
        crediting.spend(draft, credit_minor)


def _accept_paid(draft: Draft) -> None:
    if draft.tab.status == Status.IN_REVIEW:
        accept_bill(draft, draft.tab.tip_minor, credit_minor=0)
    else:
        settlement.start(draft, PlanReason.ACCEPTED)


def _keeps_card(tab: Tab, by: Actor) -> bool:
    """Whether the card that this caller pays with is kept. A guest who may only pay may be a friend."""
    return deposit.may_keep_card(tab) and by.scope != Scope.PAY


def charge_saved_card(draft: Draft) -> None:
    """Take what is owed from hold and saved card. If the customer asks for it, they accept the bill by that."""
    require(draft, Action.CHARGE_SAVED_CARD)
    if draft.tab.status == Status.IN_REVIEW:
        accept_bill(draft, draft.tab.tip_minor)
    else:
        by_customer = not draft.by.is_business
        if by_customer:
            crediting.spend_by_itself(draft)
        settlement.start(draft, PlanReason.ACCEPTED if by_customer else PlanReason.REVIEW_ENDED)
