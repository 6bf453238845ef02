"""Commands about the bill: items, presenting, accepting, contesting, adjusting, waiving, writing off."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.domain.books.ledger import Account, transfer
from chalicelib.domain.errors import CapExceeded, InvalidInput, NotFound
from chalicelib.domain.money import check_amount, currency_of, format_amount, share_minor
from chalicelib.domain.tab import adjust as adjustments
from chalicelib.domain.tab import contest as contests
from chalicelib.domain.tab import crediting, presenting, settlement
from chalicelib.domain.tab.actions import Action
from chalicelib.domain.tab.adjust import bill_postings, forgive, lower_bill
from chalicelib.domain.tab.bill import Feedback, Item
from chalicelib.domain.tab.commands import tiers
from chalicelib.domain.tab.commands.require import require
from chalicelib.domain.tab.payments import PlanReason
from chalicelib.domain.tab.policy import Resolution
from chalicelib.domain.tab.status import Status
from chalicelib.domain.tab.tab import MAXIMUM_ITEMS, Outcome, Tab

if TYPE_CHECKING:
    from chalicelib.domain.tab.draft import Draft

MAXIMUM_QUANTITY = 1000


class ItemInput(Struct, frozen=True, kw_only=True):
    """A line to add. `unit_price_minor` includes tax at `tax_basis_points` (1900 = 19 %).

    `is_material`: paid whole, whatever the outcome.
    """

    description: str
    unit_price_minor: int
    quantity: int = 1
    tax_basis_points: int = 0
    is_material: bool = False


def add_items(draft: Draft, inputs: Sequence[ItemInput]) -> None:
    """Add items to the bill. Raises CapExceeded (propose a new promise first), InvalidInput and its kinds."""
    require(draft, Action.ADD_ITEMS)
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
                is_material=line.is_material,
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
    """Remove an item from the bill; voiding it again changes nothing. Raises NotFound."""
    require(draft, Action.VOID_ITEM)
    item = draft.tab.item(item_id)
    if item is None:
        raise NotFound("There is no such item on this tab.")
    if item.voided_at:
        return
    voided = replace(item, voided_at=draft.now)
    draft.update(items=tuple(voided if old.item_id == item_id else old for old in draft.tab.items))
    draft.record("item_voided", item_id=item_id, amount_minor=item.amount_minor, total_minor=draft.tab.total_minor)


def complete(draft: Draft) -> None:
    """The service is done: the total is final, the bill is presented; its review begins once the customer knows it."""
    require(draft, Action.COMPLETE)
    presenting.present(draft, "complete")


def see(draft: Draft) -> None:
    """The customer has the bill before them; nothing changes where they knew it, or where there is none to review."""
    presenting.seen(draft)


def walk_out(draft: Draft) -> None:
    """The guest has left without paying: the bill is presented, the hold captured up to it before it ends.

    Only where the promise disclosed that. The rest is followed up as any bill.
    """
    require(draft, Action.WALK_OUT)
    presenting.walk_out(draft)


def amend(draft: Draft) -> None:
    """Take the bill back to change it: the service is open again, and completing it presents a new bill.

    Earlier reductions of the bill stay, because they were agreed on.
    """
    require(draft, Action.AMEND)
    draft.move_to(Status.OPEN, "amend")
    tab = draft.tab
    draft.record("bill_amended", postings=bill_postings(-(tab.total_minor - tab.tax_minor), -tab.tax_minor))
    draft.update(presented_at=None, walked_out_at=None, tier_percent=None, plan=None)


def contest(draft: Draft, reason: str, contested_minor: int | None, tier_percent: int | None = None) -> None:
    """Contest the bill, or `contested_minor` of it; or that the outcome was better than that of `tier_percent`.

    Raises InvalidInput and its kinds, TransitionRefused (the outcome can't be contested).
    """
    require(draft, Action.CONTEST)
    tab = draft.tab
    if tier_percent is not None:
        if contested_minor is not None:
            raise InvalidInput("Give contested_minor or tier_percent, not both.", field="tier_percent")
        tiers.contest(draft, reason, tier_percent)
        return
    if contested_minor is None:
        contested_minor = tab.amount_due_minor
    check_amount(contested_minor, currency_of(tab.currency), "contested_minor")
    if not 0 < contested_minor <= tab.amount_due_minor:
        raise InvalidInput(f"contested_minor must be from 1 to the amount due, {tab.amount_due_minor}.")
    contests.open_contest(draft, reason, contested_minor)


def resolve(draft: Draft, resolution: Resolution, reduction_minor: int | None, reason: str) -> None:
    """End a contest. `reduction_minor`: for adjust, how much the bill is lowered. Raises InvalidInput and its kinds."""
    require(draft, Action.RESOLVE)
    if draft.tab.contests_tier:
        tiers.resolve(draft, resolution, reason)
        return
    if resolution == Resolution.ADJUST:
        contests.resolve(draft, resolution, reduction_minor=_reduction(draft.tab, reduction_minor), reason=reason)
        return
    if reduction_minor is not None:
        raise InvalidInput("reduction_minor belongs to the resolution adjust; leave it out.")
    contests.resolve(draft, resolution, reason=reason)


def adjust(draft: Draft, reduction_minor: int, reason: str) -> None:
    """Lower a presented bill; what was taken above it is refunded automatically. Raises InvalidInput and its kinds."""
    require(draft, Action.ADJUST)
    lower_bill(draft, _reduction(draft.tab, reduction_minor), "bill_adjusted", command="adjust", reason=reason)
    settlement.replan(draft)


def _reduction(tab: Tab, reduction_minor: int | None) -> int:
    if reduction_minor is None:
        raise InvalidInput("Give reduction_minor: by how much the bill is lowered.")
    check_amount(reduction_minor, currency_of(tab.currency), "reduction_minor")
    # Less than the total if part of the bill was waived or split. A fee may exist beside voided items.
    most = tab.amount_due_minor if tab.fee else tab.bill_due_minor
    if not 0 < reduction_minor <= most:
        raise InvalidInput(f"reduction_minor must be from 1 to {most}, what is on the bill.")
    return reduction_minor


def write_off(draft: Draft, reason: str) -> None:
    """Write off what is owed of a bill or a fee. A payment that still arrives is a recovery."""
    require(draft, Action.WRITE_OFF)
    adjustments.write_off(draft, reason)
    draft.move_to(Status.CLOSED, "write_off")
    draft.update(closed_at=draft.now, outcome=Outcome.WRITTEN_OFF)
    # A customer who has paid a part gets a receipt for it.
    draft.record_receipt(
        "closed", draft.tab.receipt_minor, outcome=Outcome.WRITTEN_OFF, paid_minor=draft.tab.paid_minor
    )


def accept_bill(
    draft: Draft, tip_minor: int, feedback: Feedback | None = None, *, credit_minor: int | None = None
) -> None:
    """Accept the bill: it is due and taken as promised, with the customer's tip. Raises InvalidInput and its kinds.

    A tip is never owed: it is due only when it is paid, so a tip that cannot be paid now is refused. `credit_minor`:
    what their credit pays of it first; None: as they have said for all bills. Raises CreditNotAvailable.
    """
    require(draft, Action.ACCEPT_BILL)
    tab = draft.tab
    currency = currency_of(tab.currency)
    check_amount(tip_minor, currency, "tip_minor")
    check_amount(tab.total_minor + tip_minor, currency, "total and tip together")
    # A bill that was contested after a part payment may have had a tip: the customer's latest tip counts.
    more_minor = max(0, tip_minor - tab.tip_minor)
    returned_minor = max(0, tab.tip_minor - tip_minor)
    draft.move_to(Status.DUE, "accept_bill")
    draft.update(
        tip_minor=tab.tip_minor - returned_minor,
        due_at=draft.now,
        feedback=feedback or draft.tab.feedback,
    )
    draft.record(
        "bill_accepted",
        tip_minor=tip_minor,
        postings=transfer(returned_minor, debit=Account.TIPS, credit=Account.CUSTOMER_RECEIVABLE),
    )
    crediting.spend(draft, credit_minor)
    settlement.start(draft, PlanReason.ACCEPTED, tip_minor=more_minor)
    if more_minor and settlement.planned_minor(draft.tab) < draft.tab.balance_minor + more_minor:
        raise InvalidInput(
            "Nothing is held and no card is saved that could pay this tip with the bill. Accept the bill without it, "
            "and give the tip on the phone: with the payment (tip_minor), or after it."
        )


def rate(draft: Draft, feedback: Feedback) -> None:
    """Record how content the customer was, once."""
    require(draft, Action.RATE)
    draft.update(feedback=feedback)
    draft.record("rated", rating=feedback.rating)


def waive(draft: Draft, reason: str) -> None:
    """Waive the whole fee (refunded if it was taken), or what is still owed of a bill."""
    require(draft, Action.WAIVE)
    tab = draft.tab
    waived_minor = tab.amount_due_minor if tab.fee else tab.balance_minor
    forgive(draft, waived_minor, Account.FEES_INCOME if tab.fee else Account.GOODWILL, "waive", reason)
