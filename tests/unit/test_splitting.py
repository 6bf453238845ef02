"""Splitting a bill: how it is divided, what is refused, and what becomes of a share that nobody pays."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from chalicelib.domain.books.ledger import Account
from chalicelib.domain.errors import (
    AmountTooSmall,
    BillSplit,
    DomainError,
    InvalidInput,
    NothingToPay,
    TransitionRefused,
)
from chalicelib.domain.tab import agenda, due_steps
from chalicelib.domain.tab import sharing as shares
from chalicelib.domain.tab.actions import Action, refusal
from chalicelib.domain.tab.actor import Role
from chalicelib.domain.tab.commands import bill, payment, sharing
from chalicelib.domain.tab.commands.bill import ItemInput
from chalicelib.domain.tab.commands.sharing import Parts
from chalicelib.domain.tab.draft import Change, Draft
from chalicelib.domain.tab.link import Scope
from chalicelib.domain.tab.share import LONGEST_TIME, MOST_SHARES, SHORTEST_TIME, USUAL_TIME, Parent, Report
from chalicelib.domain.tab.status import Status
from chalicelib.domain.tab.tab import Outcome, Tab
from chalicelib.domain.trust.standing_terms import Level, Reason, ReasonCode, SealedStanding
from chalicelib.domain.trust.terms import CreditTerms
from chalicelib.domain.trust.tiers import Tier
from tests.unit.test_timeline import _set_fields
from tests.unit.till import ADA, CUSTOMER, EVERYTHING, NOON, STAFF, WITHOUT_CARD, Till, acceptance

DAY, HOUR = timedelta(days=1), timedelta(hours=1)


def billed(*prices_minor: int) -> Till:
    till = Till()
    items = [ItemInput(description="Dish", unit_price_minor=price, tax_basis_points=1900) for price in prices_minor]
    return till.do(bill.add_items, items).do(bill.complete)


def split(till: Till, time: timedelta = USUAL_TIME, **way: object) -> Change:
    """The change that splits the bill; the till goes on with its tab."""
    parts = Parts(**way)  # type: ignore[arg-type]
    draft = till.draft(ADA)
    sharing.split(draft, parts, time, lambda share_id: f"{share_id:0>64}")
    change = due_steps.conclude(draft)
    assert change is not None
    till.tab = change.tab
    return change


def amounts(change: Change) -> list[int]:
    return [share.tab.balance_minor for share in change.also]


def moved(tabs: Sequence[Tab]) -> int:
    return sum(tab.balances.get(Account.SHARES, 0) for tab in tabs)


@given(total_minor=st.integers(6_00, 200_00), count=st.integers(2, 12))
def test_equal_shares_are_the_bill_to_the_cent(total_minor: int, count: int) -> None:
    """What can't be divided goes to the first; nothing stays on the tab, and the books move exactly the bill."""
    till = billed(total_minor)

    change = split(till, equally=count)

    first, *others = amounts(change)
    assert (first + sum(others), till.tab.balance_minor) == (total_minor, 0)
    assert set(others) == {total_minor // count} and 0 <= first - total_minor // count < count
    assert moved([change.tab, *(share.tab for share in change.also)]) == 0
    assert till.tab.balances[Account.SHARES] == total_minor


@given(total_minor=st.integers(6_00, 200_00), count=st.integers(2, 11), stays=st.booleans())
def test_the_tax_of_all_shares_is_that_of_the_bill(total_minor: int, count: int, stays: bool) -> None:
    """Once everything that was paid is refunded, no cent of tax or revenue is left in the books."""
    till = billed(total_minor)
    each_minor = total_minor // (count + stays)
    of_shares = [total_minor - each_minor * (count + stays - 1), *[each_minor] * (count - 1)]

    change = split(till, amounts_minor=tuple(of_shares))
    tills = [till]
    for share in change.also:
        tills.append(Till())
        tills[-1].tab = share.tab
    for one in tills:
        if one.tab.balance_minor:
            one.do(bill.adjust, one.tab.balance_minor, "sorry")

    assert sum(one.tab.balances.get(Account.TAX, 0) for one in tills) == 0
    assert sum(one.tab.balances.get(Account.SERVICE_REVENUE, 0) for one in tills) == 0


def test_by_amounts_the_rest_stays_on_the_tab() -> None:
    """Whoever splits it pays the rest."""
    till = billed(50_00)

    change = split(till, amounts_minor=(20_00, 5_00))

    assert (amounts(change), till.tab.balance_minor) == ([20_00, 5_00], 25_00)
    assert [(share.tab_id, share.amount_minor) for share in till.tab.shares] == [
        (share.tab.tab_id, share.tab.balance_minor) for share in change.also
    ]


def test_by_items_a_share_shows_what_it_is_for() -> None:
    """With the items themselves, their tax included; what nobody took stays."""
    till = billed(12_00, 8_00, 30_00)
    one, other, _ = till.tab.items

    change = split(till, items=((one.item_id,), (other.item_id,)))

    assert [share.tab.items for share in change.also] == [(one,), (other,)]
    assert (amounts(change), till.tab.balance_minor) == ([12_00, 8_00], 30_00)


def test_the_entry_of_a_split_tells_who_owes_what() -> None:
    till = billed(50_00)

    change = split(till, amounts_minor=(20_00, 5_00))

    assert till.tab.balance_minor == 25_00
    assert [entry.details for entry in change.entries if entry.kind == "split"] == [
        {
            "shares": [
                {"share_id": share.tab.tab_id, "amount_minor": amount_minor}
                for share, amount_minor in zip(change.also, (20_00, 5_00), strict=True)
            ],
            "amount_minor": 25_00,
            "balance_minor": 25_00,
        }
    ]


def test_two_items_are_enough_for_a_split_by_items() -> None:
    till = billed(12_00, 8_00)
    one, other = till.tab.items

    assert amounts(split(till, items=((one.item_id,), (other.item_id,)))) == [12_00, 8_00]
    with pytest.raises(InvalidInput) as refused:
        split(billed(12_00), items=(("itm_1",), ("itm_2",)))
    assert "The bill has one item" in refused.value.detail
    assert refused.value.context == {"field": "items"}


@pytest.mark.parametrize("named", [(0, 0), (0, None), (0, 7)])
def test_each_share_has_items_of_its_own(named: tuple[int | None, ...]) -> None:
    """One item in two shares, a share of nothing, an item that is not on the bill."""
    till = billed(12_00, 18_00)
    ids = {0: till.tab.items[0].item_id, 7: "itm_other"}

    with pytest.raises(InvalidInput) as refused:
        split(till, items=tuple((ids[number],) if number is not None else () for number in named))
    assert refused.value.context == {"field": "items"}


@pytest.mark.parametrize("time", [SHORTEST_TIME, LONGEST_TIME])
def test_a_share_goes_back_when_its_time_is_over(time: timedelta) -> None:
    till = billed(30_00)

    for share in split(till, time, equally=2).also:
        assert [(step.kind.name, step.at) for step in agenda.steps(share.tab)] == [("RETURN_SHARE", till.now + time)]


def test_a_share_as_a_whole() -> None:
    """Everything that is not as by default, and the entry that it begins with. Nothing of the booking is in it."""
    till = billed(30_00)
    booked = replace(
        till.tab.promise,
        tiers=(Tier(percent=100, measure="curly"), Tier(percent=80, measure="wavy")),
        silence_percent=80,
        deposit_minor=5_00,
        deposit_needs_card=True,
        starts_at=NOON,
        free_cancel_until=NOON,
        accepted=acceptance(till.tab),
    )
    till.tab = replace(till.tab, promise=booked, tier_percent=100)
    share = split(till, equally=2).also[0]
    item, link = share.tab.items[0], share.tab.links[0]

    assert {name: value for name, value in _set_fields(share.tab) if name not in ("policy", "promise")} == {
        "tab_id": share.tab.tab_id,
        "merchant_id": "mer_1",
        "customer_id": share.customer.customer_id if share.customer else None,
        "customer_ref": share.customer.customer_ref if share.customer else None,
        "account": None,
        "currency": "EUR",
        "minimum_charge_minor": 50,
        "statement_suffix": "Cafe Centr",
        "title": "Haircut",
        "status": Status.DUE,
        "opened_at": NOON,
        "opened_by": "sam",
        "presented_at": NOON,
        "due_at": NOON,
        "items": (item,),
        "balances": {Account.CUSTOMER_RECEIVABLE: 15_00, Account.SHARES: -15_00},
        "parent": Parent(tab_id=till.tab.tab_id, amount_minor=15_00, time_s=86_400),
        "links": (link,),
        "next_action_at": NOON + DAY,
    }
    assert (share.tab.tab_id[:4], item.item_id[:4], share.tab.customer_id[:4]) == ("tab_", "itm_", "cus_")
    assert (item.description, item.amount_minor) == ("Haircut", 15_00)
    terms = share.tab.promise
    assert (terms.deposit_minor, terms.deposit_needs_card, terms.tiers, terms.silence_percent) == (0, False, (), None)
    assert (terms.accepted, terms.added, terms.starts_at, terms.free_cancel_until) == (None, (), None, None)
    opened = share.entries[0]
    assert opened.details == {
        "status": "due",
        "promise_sha256": terms.sha256,
        "currency": "EUR",
        "parent_id": till.tab.tab_id,
    }
    assert till.tab.shares[0].made_by == "ada"


def test_with_what_was_paid_there_are_twelve_shares_at_most() -> None:
    till = billed(60_00)
    split(till, amounts_minor=tuple([1_00] * (MOST_SHARES - 1)))
    paid = [replace(share, told=Report(paid_minor=1_00, is_over=True)) for share in till.tab.shares]
    till.tab = replace(till.tab, shares=tuple(paid))

    with pytest.raises(TransitionRefused, match="11 shares of this bill are paid"):
        split(till, equally=2)


def test_a_share_is_its_business_on_the_bank_statement_and_takes_nothing_over_that_was_agreed_before() -> None:
    """No tiers, no fixed price and no standing: these have made the bill that is split."""
    till = billed(30_00)
    till.tab = replace(till.tab, policy=replace(till.tab.policy, credits=CreditTerms(rate_basis_points=1000)))
    sealed = SealedStanding(level=Level.TRUSTED, reason=Reason(code=ReasonCode.VISITS_PAID, count=6))
    fees = {"no_show_fee_minor": 30_00, "late_cancel_fee_minor": 15_00}
    till.tab = replace(till.tab, promise=replace(till.tab.promise, fixed_price=True, standing=sealed, **fees))

    for share in split(till, equally=2).also:
        assert share.tab.statement_suffix == till.tab.statement_suffix == "Cafe Centr"
        assert (share.tab.promise.fixed_price, share.tab.promise.standing) == (False, None)
        assert (share.tab.promise.cap_minor, share.tab.promise.estimate_minor) == (15_00, 15_00)
        assert (share.tab.promise.no_show_fee_minor, share.tab.promise.late_cancel_fee_minor) == (0, 0)
        assert share.tab.policy.credits is None, "credit is earned by the bill"
        assert [item.added_at for item in share.tab.items] == [till.now]


def test_a_share_asks_nothing_but_to_be_paid() -> None:
    """It is due at once for somebody without a name; no consent, no hold, no reminder, and a link of its own."""
    change = split(billed(30_00), equally=2)

    for share in change.also:
        assert share.customer is not None and share.customer.is_anonymous
        assert not share.tab.accepted and not share.tab.policy.reminder_offsets_s
        assert [link.scope for link in share.tab.links] == ["full"] and len(share.link_pointers) == 1
        assert [step.kind.name for step in agenda.steps(share.tab)] == ["RETURN_SHARE"]
        assert refusal(share.tab, Action.PAY_ON_PHONE, ADA, change.tab.updated_at) is None
        assert refusal(share.tab, Action.CONTEST, ADA, change.tab.updated_at) is None


@pytest.mark.parametrize(
    ("way", "error"),
    [
        ({"equally": 60, "amounts_minor": None}, InvalidInput),
        ({"equally": 1}, InvalidInput),
        ({}, InvalidInput),
        ({"equally": 2, "amounts_minor": (10_00, 10_00)}, InvalidInput),
        ({"amounts_minor": (20_00, 10_01)}, InvalidInput),
        ({"amounts_minor": (20_00, 49)}, AmountTooSmall),
        ({"amounts_minor": (20_00, 9_99)}, AmountTooSmall),
        ({"amounts_minor": (20_00, -1)}, InvalidInput),
        ({"items": (("itm_unknown",), ("itm_2",))}, InvalidInput),
        ({"items": ((), ())}, InvalidInput),
    ],
)
def test_what_is_no_split_is_refused(way: dict[str, object], error: type[DomainError]) -> None:
    """With what to do; nothing is changed."""
    till = billed(30_00)
    before = till.tab

    with pytest.raises(error):
        split(till, **way)

    assert till.tab == before


@pytest.mark.parametrize("time", [timedelta(minutes=14), timedelta(days=8)])
def test_a_share_waits_from_a_quarter_of_an_hour_to_a_week(time: timedelta) -> None:
    with pytest.raises(InvalidInput, match="return_after_s"):
        split(billed(30_00), time, equally=2)


def test_a_split_bill_is_not_changed_under_its_shares() -> None:
    """No second split, no amending, adjusting, writing off; a share is not split, and not amended, either."""
    till = billed(30_00)
    assert isinstance(refusal(till.tab, Action.UNSPLIT, ADA, till.now), TransitionRefused)
    share = split(till, equally=2).also[0].tab

    for action in (Action.SPLIT, Action.AMEND, Action.ADJUST):
        assert isinstance(refusal(till.tab, action, STAFF, till.now), TransitionRefused), action
    assert isinstance(refusal(share, Action.SPLIT, ADA, till.now), TransitionRefused)
    assert isinstance(refusal(till.tab, Action.PAY_ON_PHONE, ADA, till.now), NothingToPay)
    assert refusal(till.tab, Action.UNSPLIT, ADA, till.now) is None


def test_a_host_whose_whole_bill_is_in_shares_contests_a_share_or_takes_the_split_back() -> None:
    """Nothing is due on the bill itself, so nothing that a contest could hold; no part is out of reach."""
    till = billed(30_00)
    share = split(till, equally=2).also[0].tab

    refused = refusal(till.tab, Action.CONTEST, ADA, till.now)
    assert isinstance(refused, BillSplit)
    assert "share" in refused.detail and "unsplit" in refused.detail
    assert refusal(share, Action.CONTEST, replace(ADA, role=Role.GUEST, scope=Scope.FULL), till.now) is None
    assert refusal(till.tab, Action.UNSPLIT, ADA, till.now) is None
    kept = billed(30_00)
    split(kept, amounts_minor=(10_00, 10_00))
    assert refusal(kept.tab, Action.CONTEST, ADA, kept.now) is None


def test_a_deposit_that_is_held_pays_first() -> None:
    """A split would leave the hold with nothing to pay, so the bill is accepted first."""
    till = Till(deposit_minor=20_00)
    till.accept(*WITHOUT_CARD).hold_placed()
    till.do(bill.add_items, [ItemInput(description="Dish", unit_price_minor=50_00)]).do(bill.complete)

    with pytest.raises(TransitionRefused, match="deposit"):
        split(till, equally=2)


def test_a_share_that_nobody_pays_goes_back_in_two_steps() -> None:
    """First off the share, into the books between the two; then onto the parent, whose owner is followed up."""
    till = billed(30_00)
    change = split(till, equally=2)
    share = Draft(change.also[0].tab, now=till.now + DAY, by=STAFF, new_id=till.new_id)

    returned = due_steps.conclude(share)

    assert returned is not None
    assert (returned.tab.balance_minor, returned.tab.outcome) == (0, Outcome.CANCELED)
    assert moved([till.tab, returned.tab, change.also[1].tab]) == 15_00, "under way"
    step = agenda.due_call(returned.tab, till.now + DAY)
    assert step is not None and (step.kind.name, step.subject) == ("TELL_PARENT", till.tab.tab_id)
    (left,) = [entry.details for entry in returned.entries if entry.kind == "returned_to_parent"]
    assert left == {"amount_minor": 15_00, "why": "time", "parent_id": till.tab.tab_id}

    parent = Draft(till.tab, now=till.now + DAY, by=STAFF, new_id=till.new_id)
    shares.tell(Draft(returned.tab, now=till.now + DAY, by=STAFF, new_id=till.new_id), parent)

    assert [(entry.kind, entry.details) for entry in parent.entries] == [
        (
            "share_returned",
            {
                "share_id": returned.tab.tab_id,
                "amount_minor": 15_00,
                "why": "time",
                "after": "due",
                "balance_minor": 15_00,
            },
        )
    ]


def test_the_bill_hears_what_was_paid_of_a_share_and_what_was_given_back_of_that() -> None:
    """By its id, and only what is new."""
    till = billed(30_00)
    share = Till()
    share.tab = split(till, equally=2).also[0].tab
    share.do(payment.take_cash, 15_00)

    def hear() -> list[tuple[str, object, object]]:
        told, parent = share.draft(), till.draft()
        shares.tell(told, parent)
        share.tab, till.tab = told.tab, parent.tab
        return [(entry.kind, entry.details["share_id"], entry.details["amount_minor"]) for entry in parent.entries]

    assert hear() == [("share_paid", share.tab.tab_id, 15_00)]
    share.do(payment.refund, 4_00, "sorry")
    assert hear() == [("share_paid_back", share.tab.tab_id, 4_00)]
    assert hear() == []


def test_taking_a_split_back_is_an_entry_of_the_bill() -> None:
    till = billed(30_00)
    change = split(till, equally=2)
    parent = till.draft(ADA)

    sharing.unsplit(parent, [Draft(one.tab, now=till.now, by=ADA, new_id=till.new_id) for one in change.also])

    assert [entry.kind for entry in parent.entries] == ["share_returned", "share_returned", "unsplit"]
    assert [entry.details["why"] for entry in parent.entries[:2]] == ["unsplit", "unsplit"]
    assert parent.entries[-1].details == {"balance_minor": 30_00}


@pytest.mark.parametrize(("accepts", "status"), [(False, Status.IN_REVIEW), (True, Status.DUE)])
def test_what_comes_back_while_the_host_looks_at_the_rest_or_pays_it_has_no_time_of_its_own(
    accepts: bool, status: Status
) -> None:
    """In the review nothing is due yet. While the rest is charged, it is part of what was planned, due since then."""
    till = Till().accept(*EVERYTHING, customer=CUSTOMER)
    till.serve(30_00)
    (one, _) = split(till, amounts_minor=(10_00, 10_00)).also
    if accepts:
        till.accept_bill()
    assert (till.tab.status, till.tab.plan is not None) == (status, accepts)
    due_at = till.tab.due_at
    share = Draft(one.tab, now=till.now + HOUR, by=STAFF, new_id=till.new_id)
    shares.give_back(share, shares.Back.TIME)
    parent = Draft(till.tab, now=till.now + HOUR, by=STAFF, new_id=till.new_id)
    shares.tell(share, parent)

    assert (parent.tab.balance_minor, parent.tab.due_at) == (20_00, due_at)
    assert parent.tab.followup == till.tab.followup
