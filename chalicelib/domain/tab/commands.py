"""The commands: what people do to a tab. Each is a pure function that writes its decision on a Draft, or refuses.

All raise the DomainError that actions.refusal names; what else they raise is in their docstrings. The consequences that
follow by themselves (captures, releases, closing) are the agenda's, within the same change.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.domain.books.ledger import Account, transfer
from chalicelib.domain.errors import CapExceeded, CurrencyMismatch, InvalidInput, NotFound
from chalicelib.domain.money import check_amount, currency_of, format_amount, minimum_charge_minor, share_minor
from chalicelib.domain.news.messages import MessageKind, Recipient
from chalicelib.domain.parties import Customer, Merchant
from chalicelib.domain.tab import adjust as adjustments
from chalicelib.domain.tab import contest as contests
from chalicelib.domain.tab import deposit, followup, settlement
from chalicelib.domain.tab.actions import Action, refusal
from chalicelib.domain.tab.actor import Actor
from chalicelib.domain.tab.adjust import bill_postings, forgive, lower_bill, lower_paid
from chalicelib.domain.tab.attempt import Operation
from chalicelib.domain.tab.bill import Fee, Feedback, FeeKind, Item
from chalicelib.domain.tab.draft import Draft, NewId
from chalicelib.domain.tab.facts import legs
from chalicelib.domain.tab.payments import PlanReason
from chalicelib.domain.tab.policy import Resolution
from chalicelib.domain.tab.promise import Acceptance, Promise
from chalicelib.domain.tab.status import Status
from chalicelib.domain.tab.tab import MAXIMUM_ITEMS, Outcome, Tab

MAXIMUM_LEAD = timedelta(days=3 * 366)
MAXIMUM_QUANTITY = 1000


class Terms(Struct, frozen=True, kw_only=True):
    """What a tab is opened with. Amounts in the merchant's currency; fees and `starts_at` belong to bookings."""

    title: str
    expected_outcome: str
    estimate_minor: int
    cap_minor: int
    limits: tuple[str, ...] = ()
    deposit_minor: int = 0
    no_show_fee_minor: int = 0
    late_cancel_fee_minor: int = 0
    currency: str | None = None
    starts_at: datetime | None = None
    terms_version: str = "1"


class ItemInput(Struct, frozen=True, kw_only=True):
    """A line to add. `unit_price_minor` includes tax at `tax_basis_points` (1900 = 19 %)."""

    description: str
    unit_price_minor: int
    quantity: int = 1
    tax_basis_points: int = 0


class Limits(Struct, frozen=True, kw_only=True):
    """What a new promise changes; None leaves it as it stands."""

    expected_outcome: str | None = None
    limits: tuple[str, ...] | None = None
    estimate_minor: int | None = None
    cap_minor: int | None = None


def open_tab(merchant: Merchant, customer: Customer, terms: Terms, *, now: datetime, by: Actor, new_id: NewId) -> Draft:
    """A new tab: booked where `starts_at` is given, else open. Nothing is promised until the customer accepts.

    Raises InvalidInput and its kinds: amounts off step, below the minimum or too large, another currency, a start that
    has passed, a deposit above everything it could be for.
    """
    if terms.currency is not None and terms.currency != merchant.currency:
        raise CurrencyMismatch(
            f"This merchant's tabs are kept in {merchant.currency}, not {terms.currency}.", currency=merchant.currency
        )
    currency = currency_of(merchant.currency)
    minimum = minimum_charge_minor(currency, merchant.settlement_currency)
    check_amount(terms.estimate_minor, currency, "estimate_minor")
    check_amount(terms.cap_minor, currency, "cap_minor")
    check_amount(terms.deposit_minor, currency, "deposit_minor", minimum_minor=minimum)
    check_amount(terms.no_show_fee_minor, currency, "no_show_fee_minor", minimum_minor=minimum)
    check_amount(terms.late_cancel_fee_minor, currency, "late_cancel_fee_minor", minimum_minor=minimum)
    if terms.estimate_minor > terms.cap_minor:
        raise InvalidInput("estimate_minor can't be above cap_minor.")
    if terms.deposit_minor > max(terms.cap_minor, terms.no_show_fee_minor, terms.late_cancel_fee_minor):
        raise InvalidInput("deposit_minor is more than could ever be due: lower it, or raise cap_minor.")
    if terms.starts_at is None and (terms.no_show_fee_minor or terms.late_cancel_fee_minor):
        raise InvalidInput("A no-show or late-cancel fee belongs to a booking: give starts_at.")
    if terms.starts_at is not None and not now < terms.starts_at <= now + MAXIMUM_LEAD:
        raise InvalidInput(
            "starts_at must lie ahead, by three years at most; leave it out for a service that starts now."
        )

    policy = merchant.policy
    free_until = None
    if terms.starts_at is not None and terms.late_cancel_fee_minor:
        free_until = terms.starts_at - timedelta(seconds=policy.free_cancel_s)
    promise = Promise(
        expected_outcome=terms.expected_outcome,
        limits=terms.limits,
        currency=currency.code,
        estimate_minor=terms.estimate_minor,
        cap_minor=terms.cap_minor,
        deposit_minor=terms.deposit_minor,
        no_show_fee_minor=terms.no_show_fee_minor,
        late_cancel_fee_minor=terms.late_cancel_fee_minor,
        starts_at=terms.starts_at,
        free_cancel_until=free_until,
        no_show_grace_s=policy.no_show_grace_s,
        review_window_s=policy.review_window_s,
        terms_version=terms.terms_version,
    )
    tab = Tab(
        tab_id=new_id("tab"),
        merchant_id=merchant.merchant_id,
        customer_id=customer.customer_id,
        customer_ref=customer.customer_ref,
        account=merchant.account,
        currency=currency.code,
        minimum_charge_minor=minimum,
        policy=policy,
        promise=promise,
        title=terms.title,
        status=Status.OPEN if terms.starts_at is None else Status.BOOKED,
        opened_at=now,
        updated_at=now,
        starts_at=terms.starts_at,
        deposit=deposit.wanted(terms.deposit_minor, now, policy.deposit_lapse_s),
    )
    draft = Draft(tab, now=now, by=by, new_id=new_id)
    draft.record("opened", status=tab.status, promise_sha256=promise.sha256)
    return draft


def accept_promise(draft: Draft, acceptance: Acceptance, customer: Customer | None) -> None:
    """Seal the proposed promise, or the first one; then secure the deposit. Again on a sealed one: secure it anew.

    `customer`: the customer's record, for a card already on file. Raises PromiseChanged, InvalidInput.
    """
    _require(draft, Action.ACCEPT_PROMISE)
    tab = draft.tab
    promise = tab.proposed or tab.promise
    promise.check_acceptance(acceptance)
    if not promise.accepted:
        draft.update(promise=replace(promise, accepted=acceptance), proposed=None)
        draft.record(
            "promise_accepted",
            promise_sha256=acceptance.promise_sha256,
            method=acceptance.method,
            consents=list(acceptance.consents),
        )
    if draft.tab.card is None and customer is not None and customer.card is not None:
        draft.update(card=customer.card)
    deposit.secure(draft)


def propose_promise(draft: Draft, limits: Limits) -> None:
    """Propose other limits. A sealed promise stands until the customer accepts the new one. Raises InvalidInput."""
    _require(draft, Action.PROPOSE_PROMISE)
    tab = draft.tab
    given = {
        name: value
        for name in ("expected_outcome", "limits", "estimate_minor", "cap_minor")
        if (value := getattr(limits, name)) is not None
    }
    proposed = replace(tab.promise, accepted=None, **given)
    currency = currency_of(tab.currency)
    check_amount(proposed.estimate_minor, currency, "estimate_minor")
    check_amount(proposed.cap_minor, currency, "cap_minor")
    if proposed.estimate_minor > proposed.cap_minor:
        raise InvalidInput("estimate_minor can't be above cap_minor.")
    if proposed.cap_minor < tab.total_minor:
        raise InvalidInput(f"cap_minor can't be below what is on the tab already ({tab.total_minor}).")
    if tab.accepted:
        draft.update(proposed=proposed)
    else:
        draft.update(promise=proposed)
    draft.record("promise_proposed", promise_sha256=proposed.sha256, cap_minor=proposed.cap_minor)


def check_in(draft: Draft) -> None:
    """The customer is here. Also takes back a no-show that was a mistake, with its fee."""
    _require(draft, Action.CHECK_IN)
    fee = draft.tab.fee
    draft.move_to(Status.OPEN, "check_in")
    draft.update(checked_in_at=draft.now, fee=None, waived_minor=0, due_at=None, plan=None)
    taken_back = fee.amount_minor if fee and not draft.base.waived_minor else 0
    draft.record(
        "checked_in",
        postings=transfer(taken_back, debit=Account.FEES_INCOME, credit=Account.CUSTOMER_RECEIVABLE),
    )


def add_items(draft: Draft, inputs: Sequence[ItemInput]) -> None:
    """Put lines on the bill. Raises CapExceeded (propose a new promise first), InvalidInput and its kinds."""
    _require(draft, Action.ADD_ITEMS)
    tab = draft.tab
    currency = currency_of(tab.currency)
    items = []
    for number, line in enumerate(inputs):
        check_amount(line.unit_price_minor, currency, f"items[{number}].unit_price_minor")
        if not 1 <= line.quantity <= MAXIMUM_QUANTITY:
            raise InvalidInput(f"items[{number}].quantity must be from 1 to {MAXIMUM_QUANTITY}.")
        if not 0 <= line.tax_basis_points <= 10_000:
            raise InvalidInput(f"items[{number}].tax_basis_points must be from 0 to 10000 (100 %).")
        amount = line.unit_price_minor * line.quantity
        items.append(
            Item(
                item_id=draft.new_id("itm"),
                description=line.description,
                unit_price_minor=line.unit_price_minor,
                quantity=line.quantity,
                tax_minor=share_minor(amount, line.tax_basis_points, 10_000 + line.tax_basis_points, currency),
                added_at=draft.now,
            )
        )
    if len(tab.items) + len(items) > MAXIMUM_ITEMS:
        raise InvalidInput(f"A tab has at most {MAXIMUM_ITEMS} items, voided ones included.", maximum=MAXIMUM_ITEMS)
    total = tab.total_minor + sum(item.amount_minor for item in items)
    if total > tab.promise.cap_minor:
        raise CapExceeded(
            f"The total would be {format_amount(total, tab.currency)}, the customer was promised at most "
            f"{format_amount(tab.promise.cap_minor, tab.currency)}. Propose a new promise for them to accept first.",
            total_minor=total,
            cap_minor=tab.promise.cap_minor,
        )
    draft.update(items=(*tab.items, *items))
    draft.record(
        "items_added",
        items=[{"item_id": item.item_id, "amount_minor": item.amount_minor} for item in items],
        total_minor=total,
    )


def void_item(draft: Draft, item_id: str) -> None:
    """Take a line off the bill; voiding it again changes nothing. Raises NotFound."""
    _require(draft, Action.VOID_ITEM)
    item = draft.tab.item(item_id)
    if item is None:
        raise NotFound("There is no such item on this tab.")
    if item.voided_at:
        return
    voided = replace(item, voided_at=draft.now)
    draft.update(items=tuple(voided if old.item_id == item_id else old for old in draft.tab.items))
    draft.record("item_voided", item_id=item_id, amount_minor=item.amount_minor, total_minor=draft.tab.total_minor)


def complete(draft: Draft) -> None:
    """The service is done: the total is final, the bill is presented, the review window begins."""
    _require(draft, Action.COMPLETE)
    draft.move_to(Status.IN_REVIEW, "complete")
    tab = draft.tab
    draft.update(
        presented_at=draft.now,
        review_ends_at=draft.now + timedelta(seconds=tab.promise.review_window_s),
        proposed=None,
    )
    followup.restart(draft)
    draft.record(
        "bill_presented",
        total_minor=tab.total_minor,
        tax_minor=tab.tax_minor,
        postings=bill_postings(tab.total_minor - tab.tax_minor, tab.tax_minor),
    )
    if tab.total_minor:
        draft.notify(MessageKind.BILL_PRESENTED, Recipient.CUSTOMER, tab.total_minor)


def amend(draft: Draft) -> None:
    """Take the bill back to change it: the service is open again, and completing it presents a new bill."""
    _require(draft, Action.AMEND)
    draft.move_to(Status.OPEN, "amend")
    tab = draft.tab
    draft.record(
        "bill_amended",
        postings=(
            *bill_postings(-(tab.total_minor - tab.tax_minor), -tab.tax_minor),
            *transfer(-tab.tip_minor, debit=Account.CUSTOMER_RECEIVABLE, credit=Account.TIPS),
        ),
    )
    draft.update(presented_at=None, review_ends_at=None, tip_minor=0, adjusted_minor=0, adjusted_tax_minor=0, plan=None)


def contest(draft: Draft, reason: str, contested_minor: int | None) -> None:
    """Say that something is wrong with the bill, or with `contested_minor` of it. Raises InvalidInput and its kinds."""
    _require(draft, Action.CONTEST)
    tab = draft.tab
    if contested_minor is None:
        contested_minor = tab.amount_due_minor
    check_amount(contested_minor, currency_of(tab.currency), "contested_minor")
    if not 0 < contested_minor <= tab.amount_due_minor:
        raise InvalidInput(f"contested_minor must be from 1 to the amount due, {tab.amount_due_minor}.")
    contests.open_contest(draft, reason, contested_minor)


def resolve(draft: Draft, resolution: Resolution, reduction_minor: int | None, reason: str) -> None:
    """End a contest. `reduction_minor`: for adjust, how much the bill is lowered. Raises InvalidInput and its kinds."""
    _require(draft, Action.RESOLVE)
    if resolution == Resolution.ADJUST:
        contests.resolve(draft, resolution, reduction_minor=_reduction(draft.tab, reduction_minor), reason=reason)
        return
    if reduction_minor is not None:
        raise InvalidInput("reduction_minor belongs to the resolution adjust; leave it out.")
    contests.resolve(draft, resolution, reason=reason)


def adjust(draft: Draft, reduction_minor: int, reason: str) -> None:
    """Lower a presented bill; what was taken above it goes back by itself. Raises InvalidInput and its kinds."""
    _require(draft, Action.ADJUST)
    lower_bill(draft, _reduction(draft.tab, reduction_minor), "bill_adjusted", reason=reason)
    settlement.replan(draft)
    draft.notify(MessageKind.BILL_ADJUSTED, Recipient.CUSTOMER, reduction_minor)


def _reduction(tab: Tab, reduction_minor: int | None) -> int:
    if reduction_minor is None:
        raise InvalidInput("Give reduction_minor: by how much the bill is lowered.")
    check_amount(reduction_minor, currency_of(tab.currency), "reduction_minor")
    # Less than the total, where part of the bill is forgiven already.
    most = min(tab.total_minor, tab.amount_due_minor)
    if not 0 < reduction_minor <= most:
        raise InvalidInput(f"reduction_minor must be from 1 to {most}, what is on the bill.")
    return reduction_minor


def refund(draft: Draft, amount_minor: int | None, reason: str) -> None:
    """Give money back, all of it by default: newest leg first, cash in cash. Raises InvalidInput and its kinds."""
    _require(draft, Action.REFUND)
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
    _require(draft, Action.TAKE_CASH)
    tab = draft.tab
    check_amount(amount_minor, currency_of(tab.currency), "amount_minor")
    if not 0 < amount_minor <= tab.collectable_minor:
        raise InvalidInput(
            f"amount_minor must be from 1 to what is owed, {tab.collectable_minor}: give change for more."
        )
    legs.take_cash(draft, draft.new_id("csh"), amount_minor)


def tip(draft: Draft, tip_minor: int) -> None:
    """A tip after the bill was paid: its own payment on the phone, due only when it is made. Raises InvalidInput."""
    _require(draft, Action.TIP)
    tab = draft.tab
    currency = currency_of(tab.currency)
    check_amount(tip_minor, currency, "tip_minor", minimum_minor=tab.minimum_charge_minor)
    check_amount(tab.total_minor + tab.tip_minor + tip_minor, currency, "total and tips together")
    if tip_minor == 0:
        raise InvalidInput("tip_minor must be more than 0.")
    if tab.taking_attempt is None:
        draft.begin(Operation.CHARGE, tip_minor, check_at=draft.now + deposit.ASK_AGAIN, tip_minor=tip_minor)


def write_off(draft: Draft, reason: str) -> None:
    """Give up what is owed; a payment that still comes is a recovery."""
    _require(draft, Action.WRITE_OFF)
    adjustments.write_off(draft, reason)
    draft.move_to(Status.CLOSED, "write_off")
    draft.update(closed_at=draft.now, outcome=Outcome.WRITTEN_OFF)
    draft.record("closed", outcome=Outcome.WRITTEN_OFF, paid_minor=draft.tab.paid_minor)


def accept_bill(draft: Draft, tip_minor: int, feedback: Feedback | None = None) -> None:
    """The customer is content: the bill is due and taken as promised, with the tip they give. Raises InvalidInput."""
    _require(draft, Action.ACCEPT_BILL)
    tab = draft.tab
    currency = currency_of(tab.currency)
    check_amount(tip_minor, currency, "tip_minor")
    check_amount(tab.total_minor + tip_minor, currency, "total and tip together")
    draft.move_to(Status.DUE, "accept_bill")
    draft.update(tip_minor=tip_minor, due_at=draft.now, review_ends_at=None, feedback=feedback or draft.tab.feedback)
    # A bill that was contested after it was accepted has had a tip already: the customer's last word counts.
    draft.record(
        "bill_accepted",
        tip_minor=tip_minor,
        postings=transfer(tip_minor - tab.tip_minor, debit=Account.CUSTOMER_RECEIVABLE, credit=Account.TIPS),
    )
    settlement.start(draft, PlanReason.ACCEPTED)


def pay_on_phone(draft: Draft) -> None:
    """Ask for a payment the customer confirms on the phone; one already waiting for them for this amount stays."""
    _require(draft, Action.PAY_ON_PHONE)
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
    _require(draft, Action.CHARGE_SAVED_CARD)
    if draft.tab.status == Status.IN_REVIEW:
        accept_bill(draft, draft.tab.tip_minor)
    else:
        by_customer = not draft.by.is_business
        settlement.start(draft, PlanReason.ACCEPTED if by_customer else PlanReason.REVIEW_ENDED)


def cancel(draft: Draft, reason: str) -> None:
    """Call the service off: free for the business, for the customer until the cut-off, then for the disclosed fee."""
    _require(draft, Action.CANCEL)
    tab = draft.tab
    free_until = tab.promise.free_cancel_until
    is_late = tab.status == Status.BOOKED and free_until is not None and draft.now > free_until
    fee_minor = deposit.disclosed_fee_minor(tab, FeeKind.LATE_CANCEL) if is_late and not draft.by.is_business else 0
    draft.move_to(Status.CANCELED, "cancel")
    draft.update(proposed=None)
    draft.record("canceled", by_role=draft.by.role, reason=reason, fee_minor=fee_minor)
    _owe_fee(draft, FeeKind.LATE_CANCEL, fee_minor)


def mark_no_show(draft: Draft) -> None:
    """The customer did not come: the disclosed fee falls due, first from the hold; what is left of it is released."""
    _require(draft, Action.NO_SHOW)
    fee_minor = deposit.disclosed_fee_minor(draft.tab, FeeKind.NO_SHOW)
    draft.move_to(Status.NO_SHOW, "no_show")
    draft.update(proposed=None)
    draft.record("no_show", fee_minor=fee_minor)
    _owe_fee(draft, FeeKind.NO_SHOW, fee_minor)


def waive(draft: Draft, reason: str) -> None:
    """Forgive the fee whole, given back where it was taken; of a bill, forgive what is still owed."""
    _require(draft, Action.WAIVE)
    tab = draft.tab
    if tab.fee is not None:
        forgive(draft, tab.amount_due_minor, Account.FEES_INCOME, reason)
    else:
        forgive(draft, tab.balance_minor, Account.GOODWILL, reason)


def _owe_fee(draft: Draft, kind: FeeKind, amount_minor: int) -> None:
    if amount_minor == 0:
        return
    draft.update(fee=Fee(kind=kind, amount_minor=amount_minor), due_at=draft.now)
    draft.record(
        "fee_due",
        fee=kind,
        amount_minor=amount_minor,
        postings=transfer(amount_minor, debit=Account.CUSTOMER_RECEIVABLE, credit=Account.FEES_INCOME),
    )
    settlement.start(draft, PlanReason.FEE)


def _require(draft: Draft, action: Action) -> None:
    refused = refusal(draft.tab, action, draft.by, draft.now)
    if refused is not None:
        raise refused
