"""Settlement: plans the legs in which a bill or a fee is taken, and replans when one fails. The agenda starts them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from chalicelib.domain.tab.attempt import Operation
from chalicelib.domain.tab.payments import Plan, PlannedLeg, PlanReason
from chalicelib.domain.tab.tab import LEASE, Tab

if TYPE_CHECKING:
    from chalicelib.domain.tab.draft import Draft

_CAPTURE, _CHARGE = Operation.CAPTURE, Operation.CHARGE


def plan_legs(*, owed_minor: int, hold_minor: int, minimum_minor: int, card: bool) -> tuple[PlannedLeg, ...]:
    """The legs that take `owed_minor`, deposit first; every leg is 0 or at least the minimum charge.

    `hold_minor`: what is held (0: nothing). `card`: whether a saved card may be charged. The rest that no leg can take
    is paid by the customer on the phone or in cash, or is waived if it is below the minimum.
    """
    charge_all = (PlannedLeg(_CHARGE, owed_minor),) if card and owed_minor >= minimum_minor else ()
    if owed_minor < minimum_minor:
        return ()
    if hold_minor == 0:
        return charge_all
    if owed_minor <= hold_minor:
        return (PlannedLeg(_CAPTURE, owed_minor),)
    balance_minor = owed_minor - hold_minor
    capture_all = PlannedLeg(_CAPTURE, hold_minor)
    if not card:
        return (capture_all,)
    if balance_minor >= minimum_minor:
        return (capture_all, PlannedLeg(_CHARGE, balance_minor))
    captured_minor = hold_minor - (minimum_minor - balance_minor)
    if captured_minor >= minimum_minor:
        # The charge comes first: if it failed after a partial capture, the rest of the hold would be lost.
        return (PlannedLeg(_CHARGE, minimum_minor), PlannedLeg(_CAPTURE, captured_minor))
    return charge_all


def phone_amount_minor(tab: Tab) -> int:
    """What the customer pays on the phone: the balance minus what the hold covers; 0 if the hold covers all of it."""
    if tab.written_off_minor and not tab.balance_minor:
        return tab.written_off_minor if tab.written_off_minor >= tab.minimum_charge_minor else 0
    legs = plan_legs(
        owed_minor=tab.balance_minor, hold_minor=_hold_minor(tab), minimum_minor=tab.minimum_charge_minor, card=True
    )
    return sum(leg.amount_minor for leg in legs if leg.operation == _CHARGE)


def planned_minor(tab: Tab) -> int:
    """The sum of the planned legs."""
    return sum(leg.amount_minor for leg in tab.plan.legs) if tab.plan else 0


def start(draft: Draft, reason: PlanReason, *, tip_minor: int = 0) -> None:
    """Plan how to take what is owed, because of `reason`. The caller has checked the consent.

    `tip_minor`: the customer's tip.
    """
    customer_until = draft.now + LEASE if draft.customer_present else None
    wanted = Plan(
        reason=reason,
        legs=(),
        card_usable=draft.tab.may_use_card,
        tip_minor=tip_minor,
        customer_until=customer_until,
    )
    _store(draft, wanted)


def replan(draft: Draft) -> None:
    """Replan after facts have changed what is owed, held or usable. Does nothing without a plan."""
    if draft.tab.plan is not None:
        _store(draft, draft.tab.plan)


def card_failed(draft: Draft) -> None:
    """The saved card cannot be charged now: continue without it, and without the tip that it would have paid."""
    if draft.tab.plan is not None:
        draft.update(plan=replace(draft.tab.plan, card_usable=False, tip_minor=0))


def tip_paid(draft: Draft, tip_minor: int) -> None:
    """A part of the tip was paid with a leg."""
    if draft.tab.plan is not None:
        left_minor = max(0, draft.tab.plan.tip_minor - tip_minor)
        draft.update(plan=replace(draft.tab.plan, tip_minor=left_minor))


def _store(draft: Draft, wanted: Plan) -> None:
    """Plan the legs for this plan's part of what is owed now."""
    tab = draft.tab
    held_minor = _hold_minor(tab)
    legs = plan_legs(
        owed_minor=min(_uncontested_minor(tab), held_minor)
        if wanted.reason == PlanReason.HOLD_EXPIRING
        else tab.balance_minor + wanted.tip_minor,
        hold_minor=held_minor,
        minimum_minor=tab.minimum_charge_minor,
        card=wanted.card_usable and tab.may_use_card,
    )
    plan = replace(wanted, legs=legs) if legs else None
    if plan == tab.plan:
        return
    draft.update(plan=plan)
    if plan is not None and tab.plan is not None and plan.legs == tab.plan.legs:
        return
    draft.record(
        "settlement_planned",
        reason=wanted.reason,
        legs=[{"operation": leg.operation, "amount_minor": leg.amount_minor} for leg in legs],
        balance_minor=tab.balance_minor,
    )


def _uncontested_minor(tab: Tab) -> int:
    """The part of the balance that is not contested."""
    # What is contested of the outcome is off the bill already.
    contested_minor = tab.contest.contested_minor if tab.contest and not tab.contests_tier else 0
    return max(0, min(tab.balance_minor, tab.amount_due_minor - contested_minor - tab.paid_minor))


def _hold_minor(tab: Tab) -> int:
    return tab.live_hold.amount_minor if tab.live_hold else 0
