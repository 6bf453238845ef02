"""Outcome tiers: what can be promised, what a bill costs at each, who chooses, what silence means, and two of five."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from chalicelib.domain.books.ledger import Account
from chalicelib.domain.errors import FixedPrice, InvalidInput, TransitionRefused
from chalicelib.domain.money import currency_of
from chalicelib.domain.news.message import MessageKind, Recipient
from chalicelib.domain.tab.actions import Action
from chalicelib.domain.tab.attempt import Operation
from chalicelib.domain.tab.bill import Item
from chalicelib.domain.tab.commands import bill, booking, payment, sharing, tiers
from chalicelib.domain.tab.commands.bill import ItemInput
from chalicelib.domain.tab.commands.booking import Limits
from chalicelib.domain.tab.commands.sharing import Parts
from chalicelib.domain.tab.payments import HoldState
from chalicelib.domain.tab.policy import Policy, Resolution
from chalicelib.domain.tab.promise import Consent, Promise
from chalicelib.domain.tab.status import PaymentState, Status
from chalicelib.domain.tab.tab import Outcome
from chalicelib.domain.trust.fixed_price import gets_fixed_price, latest_tiers
from chalicelib.domain.trust.standing import History
from chalicelib.domain.trust.tiers import OutcomeTerms, Tier, check_tiers, price_lines
from chalicelib.domain.trust.visit import Visit
from tests.unit.till import (
    ADA,
    CUSTOMER,
    EVERYTHING,
    MERCHANT,
    NOON,
    OWNER,
    STAFF,
    TRY_LATER,
    WITHOUT_CARD,
    Till,
    terms,
)

A = Account
TIERS = tuple(
    Tier(percent=percent, measure=measure)
    for percent, measure in (
        (100, "live by 1 March"),
        (80, "live by 15 March"),
        (50, "live by 1 April"),
        (0, "not live"),
    )
)
EUR = currency_of("EUR")


def opened(silence: int = 80, **given: Any) -> Till:
    return Till(tiers=TIERS, silence_percent=silence, **given)


def billed(silence: int = 80, consents: tuple[Consent, ...] = EVERYTHING, **given: Any) -> Till:
    """A bill of 50 under review; by default with a card and every consent."""
    return opened(silence, **given).accept(*consents, customer=CUSTOMER).serve(50_00)


def choose(till: Till, percent: int) -> Till:
    return till.do(tiers.choose_tier, percent, by=ADA)


def contest(till: Till, percent: int) -> Till:
    return till.do(bill.contest, "it came in April", None, percent, by=ADA)


# What can be promised


@pytest.mark.parametrize(
    ("percents", "silence", "field"),
    [
        ((100,), 100, "tiers"),
        ((100, 80, 60, 40, 20), 80, "tiers"),
        ((90, 50), 50, "tiers"),
        ((100, 50, 80), 80, "tiers"),
        ((100, 80, 80), 80, "tiers"),
        ((100, -1), -1, "tiers"),
        ((100, 80), None, "silence_percent"),
        ((100, 80), 100, "silence_percent"),
        ((100, 80), 50, "silence_percent"),
        ((), 80, None),
    ],
)
def test_tiers_begin_with_the_whole_price_and_silence_is_a_lower_one(
    percents: tuple[int, ...], silence: int | None, field: str | None
) -> None:
    given = [Tier(percent=percent, measure=f"measure {number}") for number, percent in enumerate(percents)]

    with pytest.raises(InvalidInput) as refused:
        check_tiers(given, silence)
    assert refused.value.context.get("field") == field


def test_each_tier_has_a_measure_of_its_own() -> None:
    for measures in (("on time", "on time"), ("on time", " ")):
        with pytest.raises(InvalidInput, match="measure") as refused:
            check_tiers([Tier(percent=100, measure=measures[0]), Tier(percent=0, measure=measures[1])], 0, "terms.")
        assert refused.value.context == {"field": "terms.tiers"}


def test_tiers_are_sealed_and_older_promises_keep_their_hash() -> None:
    promise = opened().tab.promise
    without = replace(promise, tiers=(), silence_percent=None)

    assert '"tiers":[{"measure":"live by 1 March","percent":100},' in promise.text
    assert "tier" not in without.text and "silence" not in without.text and "fixed" not in without.text
    hashes = {
        change.sha256
        for change in (
            promise,
            without,
            replace(promise, silence_percent=50),
            replace(promise, tiers=(TIERS[0], replace(TIERS[1], measure="some day"), *TIERS[2:])),
            replace(without, fixed_price=True),
        )
    }
    assert len(hashes) == 5, "every word and number of it is under the seal"


def test_the_policys_tiers_are_those_of_a_tab_without_its_own_and_stay_when_the_policy_changes() -> None:
    policy = Policy(outcome_tiers=OutcomeTerms(tiers=TIERS, silence_percent=50))
    by_policy = Till(policy=policy).accept(*EVERYTHING, customer=CUSTOMER).serve(50_00)

    assert by_policy.tab.promise.tiers == TIERS
    assert by_policy.tab.amount_due_minor == 25_00, "as sealed, whatever the policy says by now"
    assert Till(policy=policy, tiers=()).tab.promise.tiers == (), "empty: none"


def test_other_tiers_are_proposed_and_the_sealed_ones_stand_until_they_are_accepted() -> None:
    till = opened().accept(*WITHOUT_CARD)
    till.do(booking.propose_promise, Limits(tiers=TIERS[:2], silence_percent=80))

    assert till.tab.promise.tiers == TIERS
    till.accept(*WITHOUT_CARD)
    assert till.tab.promise.tiers == TIERS[:2]
    till.do(booking.propose_promise, Limits(cap_minor=300_00))
    assert till.tab.proposed is not None and till.tab.proposed.tiers == TIERS[:2]
    with pytest.raises(InvalidInput, match="silence"):
        till.do(booking.propose_promise, Limits(tiers=TIERS))


# What a bill costs


def item(amount: int, tax: int = 0, *, is_material: bool = False, voided: bool = False) -> Item:
    return Item(
        item_id="itm",
        description="Work",
        unit_price_minor=amount,
        quantity=1,
        tax_minor=tax,
        added_at=NOON,
        voided_at=NOON if voided else None,
        is_material=is_material,
    )


def test_each_line_keeps_its_rate_of_tax_and_materials_are_paid_whole() -> None:
    """19 %, 7 %, a material at 19 %, and a line that was voided."""
    items = [item(119_00, 19_00), item(107_00, 7_00), item(238_00, 38_00, is_material=True), item(5_00, 1, voided=True)]

    assert price_lines(items, 50, EUR) == [(59_50, 9_50), (53_50, 3_50), (238_00, 38_00), (0, 0)]


@given(
    amounts=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 10_000), st.booleans()), max_size=8),
    percents=st.lists(st.integers(0, 100), min_size=2, max_size=2).map(sorted),
    code=st.sampled_from(["EUR", "JPY", "KWD"]),
)
def test_the_services_are_rounded_once_and_a_lower_tier_is_never_dearer(
    amounts: list[tuple[int, int, bool]], percents: list[int], code: str
) -> None:
    currency = currency_of(code)
    step = currency.step_minor
    items = [
        item(amount * step, min(tax, amount) * step, is_material=is_material) for amount, tax, is_material in amounts
    ]
    services = sum(one.amount_minor for one in items if not one.is_material)
    materials = sum(one.amount_minor for one in items if one.is_material)
    lower, higher = (price_lines(items, percent, currency) for percent in percents)

    for lines, percent in ((lower, percents[0]), (higher, percents[1])):
        total = sum(amount for amount, _ in lines)
        assert abs(total - materials - services * percent / 100) <= step / 2, "rounded once"
        for one, (amount, tax) in zip(items, lines, strict=True):
            assert 0 <= tax <= amount <= one.amount_minor
            assert amount % step == 0 and tax % step == 0
    assert sum(amount for amount, _ in lower) <= sum(amount for amount, _ in higher)
    assert price_lines(items, 100, currency) == [(one.amount_minor, one.tax_minor) for one in items]


# The customer chooses


def test_until_the_customer_chooses_the_bill_is_of_what_silence_means() -> None:
    till = billed()

    assert till.tab.price_percent == 80
    assert till.tab.amount_due_minor == 40_00
    assert till.tab.total_minor == 40_00
    bill_message = next(message for message in till.messages if message.kind == MessageKind.BILL_PRESENTED)
    assert bill_message.values["silence_percent"] == 80
    assert bill_message.values["whole_minor"] == 50_00


def test_the_running_total_is_of_the_whole_price_which_the_cap_limits() -> None:
    till = opened(cap_minor=60_00).accept(*WITHOUT_CARD)
    till.do(bill.add_items, [ItemInput(description="Work", unit_price_minor=60_00)])

    assert till.tab.total_minor == 60_00


@pytest.mark.parametrize(("percent", "due"), [(100, 50_00), (80, 40_00), (50, 25_00)])
def test_the_chosen_tier_is_the_price_and_the_ledger_follows(percent: int, due: int) -> None:
    till = choose(billed(), percent).accept_bill()

    till.charged()

    assert till.tab.status == Status.CLOSED and till.tab.outcome == Outcome.FULFILLED
    assert till.tab.paid_minor == due
    assert till.books == {A.SERVICE_REVENUE: -due, A.STRIPE_BALANCE: due}
    assert till.tab.ended_at_percent == percent


def test_the_books_are_lowered_rate_by_rate() -> None:
    till = opened(silence=50).accept(*EVERYTHING, customer=CUSTOMER)
    for price, rate, is_material in ((119_00, 1900, False), (10_70, 700, False), (23_80, 1900, True)):
        line = ItemInput(description="Line", unit_price_minor=price, tax_basis_points=rate, is_material=is_material)
        till.do(bill.add_items, [line])
    till.do(bill.complete)
    choose(till, 80)

    # 80 % of 19.00 and of 0.70, and the material's 3.80 whole.
    assert till.tab.tax_minor == 15_20 + 56 + 3_80
    assert till.tab.total_minor == 95_20 + 8_56 + 23_80
    assert till.books[A.TAX] == -till.tab.tax_minor
    assert till.books[A.SERVICE_REVENUE] == -(till.tab.total_minor - till.tab.tax_minor)


def test_nothing_is_paid_or_accepted_before_the_outcome_is_said() -> None:
    till = billed()

    for action in (Action.ACCEPT_BILL, Action.PAY_ON_PHONE, Action.CHARGE_SAVED_CARD, Action.SPLIT):
        assert not till.allows(action, ADA)
    with pytest.raises(TransitionRefused, match="choose_tier"):
        till.accept_bill()
    assert till.allows(Action.CONTEST, ADA)
    assert not till.allows(Action.CHOOSE_TIER, STAFF) and not till.allows(Action.CHOOSE_TIER, OWNER)
    choose(till, 50)
    assert till.allows(Action.ACCEPT_BILL, ADA) and till.allows(Action.SPLIT, ADA)


def test_a_choice_is_corrected_before_the_bill_is_accepted_and_not_after() -> None:
    till = choose(choose(billed(), 50), 100)

    assert till.tab.amount_due_minor == 50_00
    assert till.kinds.count("tier_chosen") == 2
    choose(till, 100)
    assert till.kinds.count("tier_chosen") == 2, "the same again is nothing new"
    till.accept_bill()
    with pytest.raises(TransitionRefused):
        choose(till, 50)


def test_an_outcome_that_was_not_promised_cannot_be_chosen() -> None:
    with pytest.raises(InvalidInput, match="100, 80, 50, 0"):
        choose(billed(), 70)
    plain = Till().accept(*EVERYTHING, customer=CUSTOMER).serve(50_00)
    with pytest.raises(TransitionRefused, match="does not depend"):
        choose(plain, 80)


def test_a_bill_of_materials_alone_does_not_depend_on_the_outcome() -> None:
    till = opened().accept(*EVERYTHING, customer=CUSTOMER)
    till.do(bill.add_items, [ItemInput(description="Wood", unit_price_minor=50_00, is_material=True)])
    till.do(bill.complete)

    assert till.tab.amount_due_minor == 50_00
    assert not till.allows(Action.CHOOSE_TIER, ADA)
    assert till.allows(Action.ACCEPT_BILL, ADA)


def test_the_owner_hears_of_a_lower_tier_and_not_of_the_whole_price() -> None:
    lower, whole = choose(billed(), 50), choose(billed(), 100)

    assert lower.told[-1] == (MessageKind.TIER_CHOSEN, Recipient.OWNER)
    assert MessageKind.TIER_CHOSEN not in {kind for kind, _ in whole.told}


def test_a_hold_is_captured_for_the_lower_price_and_the_rest_of_it_let_go() -> None:
    till = opened(deposit_minor=60_00).accept(*EVERYTHING, customer=CUSTOMER).hold_placed().serve(50_00)

    choose(till, 50).accept_bill()

    assert till.open(Operation.CAPTURE).amount_minor == 25_00
    till.captured()
    assert till.tab.holds[0].captured_minor == 25_00
    assert till.tab.status == Status.CLOSED


def test_a_tip_comes_on_top_of_the_tier() -> None:
    till = choose(billed(), 50).accept_bill(5_00)

    assert till.open(Operation.CHARGE).amount_minor == 30_00
    till.charged()
    assert till.books == {A.SERVICE_REVENUE: -25_00, A.TIPS: -5_00, A.STRIPE_BALANCE: 30_00}


def test_an_outcome_for_nothing_ends_the_tab_and_releases_the_hold() -> None:
    till = opened(deposit_minor=20_00).accept(*EVERYTHING, customer=CUSTOMER).hold_placed().serve(50_00)

    choose(till, 0)
    till.released()

    assert till.tab.status == Status.CLOSED
    assert till.books == {}
    assert till.tab.holds[0].state == HoldState.RELEASED


# Before the choice


def test_silence_for_nothing_keeps_the_hold_until_the_customer_has_said_something() -> None:
    till = opened(silence=0, deposit_minor=20_00).accept(*EVERYTHING, customer=CUSTOMER).hold_placed().serve(50_00)

    assert till.tab.status == Status.IN_REVIEW
    assert till.tab.live_hold is not None
    choose(till, 100).accept_bill()
    assert till.open(Operation.CAPTURE).amount_minor == 20_00


def test_cash_at_the_price_of_silence_waits_for_the_choice_and_goes_back_above_a_lower_one() -> None:
    till = billed(consents=WITHOUT_CARD)
    till.do(payment.take_cash, 40_00)

    assert till.tab.status == Status.IN_REVIEW, "the customer can still say how it was"
    choose(till, 50)
    assert till.tab.cash_to_return_minor == 15_00
    till.do(payment.return_cash, 15_00)
    assert till.tab.status == Status.CLOSED


def test_a_hold_that_ends_in_review_is_captured_at_the_price_of_silence() -> None:
    till = opened(deposit_minor=50_00, policy=Policy(review_window_s=30 * 86400))
    till.accept(*EVERYTHING, customer=CUSTOMER).hold_placed().serve(50_00)

    till.wait(days=6)

    assert till.open(Operation.CAPTURE).amount_minor == 40_00
    till.captured()
    choose(till, 50)
    assert till.open(Operation.REFUND).amount_minor == 15_00
    assert (MessageKind.REFUND, Recipient.CUSTOMER) in till.told


# Silence


@pytest.mark.parametrize(("silence", "taken"), [(80, 40_00), (50, 25_00)])
def test_silence_takes_what_the_promise_says_and_never_the_whole(silence: int, taken: int) -> None:
    till = billed(silence).wait(days=1)

    assert till.tab.status == Status.DUE
    assert till.open(Operation.CHARGE).amount_minor == taken
    assert till.entries[till.kinds.index("review_ended")].details["tier_percent"] == silence
    assert till.charged().tab.ended_at_percent == silence


def test_silence_for_nothing_closes_the_tab_at_the_end_of_the_window() -> None:
    till = billed(silence=0).wait(days=1)

    assert till.tab.status == Status.CLOSED
    assert till.tab.payment_state == PaymentState.NONE


def test_a_chosen_tier_is_taken_at_the_end_of_the_window() -> None:
    assert choose(billed(), 100).wait(days=1).open(Operation.CHARGE).amount_minor == 50_00


# Contesting the difference


def silent() -> Till:
    """Due by silence, without a card: 40 of 50."""
    return billed(consents=WITHOUT_CARD).wait(days=1)


def test_only_the_difference_is_contested_and_the_rest_stays_due() -> None:
    till = contest(silent(), 50)

    assert till.tab.contest is not None and till.tab.contest.contested_minor == 15_00
    assert till.tab.status == Status.DUE
    assert till.tab.balance_minor == 25_00
    assert till.told[-1] == (MessageKind.CONTESTED, Recipient.OWNER)
    till.do(payment.take_cash, 25_00)
    assert till.tab.status == Status.DUE, "the answer is still to come"
    assert not till.allows(Action.CONTEST, ADA)
    assert not till.allows(Action.WRITE_OFF, OWNER)


def test_a_person_upholds_the_difference_and_it_is_due_again() -> None:
    till = contest(silent(), 50).do(payment.take_cash, 25_00)

    till.do(bill.resolve, Resolution.UPHOLD, None, "it was live on the 14th")

    assert till.tab.balance_minor == 15_00
    assert till.tab.contest is None
    assert till.tab.price_percent == 80, "what silence meant, and no more"
    till.do(payment.take_cash, 15_00)
    assert till.tab.status == Status.CLOSED
    assert till.books == {A.SERVICE_REVENUE: -40_00, A.CASH: 40_00}


@pytest.mark.parametrize("by_clock", [True, False])
def test_waived_by_a_person_or_by_the_clock_the_lower_tier_stands(by_clock: bool) -> None:
    till = contest(silent(), 50).do(payment.take_cash, 25_00)

    if by_clock:
        till.wait(days=8).wait(days=3)
    else:
        till.do(bill.resolve, Resolution.WAIVE, None, "true")

    assert (MessageKind.CONTEST_OVERDUE in dict(till.told)) == by_clock
    assert (MessageKind.CONTEST_RESOLVED, Recipient.CUSTOMER) in till.told
    assert till.tab.status == Status.CLOSED
    assert till.tab.ended_at_percent == 50
    assert till.books == {A.SERVICE_REVENUE: -25_00, A.CASH: 25_00}


def test_the_saved_card_pays_the_rest_while_the_difference_is_contested() -> None:
    """The charge of the whole was declined; the next try is of the rest."""
    till = billed().wait(days=1).declined(Operation.CHARGE, failure=TRY_LATER)
    contest(till, 50)
    till.wait(days=3)

    assert till.open(Operation.CHARGE).amount_minor == 25_00


def test_what_the_customer_chose_is_not_contested_but_amounts_can_be() -> None:
    till = choose(billed(consents=WITHOUT_CARD), 80).wait(days=1)

    with pytest.raises(TransitionRefused, match="silence"):
        contest(till, 50)
    assert till.do(bill.contest, "a line is wrong", 5_00, by=ADA).tab.status == Status.CONTESTED


def test_in_review_the_outcome_is_chosen_instead() -> None:
    with pytest.raises(InvalidInput, match="choose_tier"):
        contest(billed(), 50)


def test_the_contested_outcome_is_below_that_of_silence_and_is_not_adjusted() -> None:
    till = silent()
    for percent in (80, 100, 70):
        with pytest.raises(InvalidInput):
            contest(till, percent)
    with pytest.raises(InvalidInput, match="not both"):
        till.do(bill.contest, "so", 5_00, 50, by=ADA)
    contest(till, 50)
    with pytest.raises(InvalidInput, match="waive it, or uphold"):
        till.do(bill.resolve, Resolution.ADJUST, 5_00, "half of it")


def test_nothing_is_resolved_on_a_bill_that_nobody_contests() -> None:
    with pytest.raises(TransitionRefused, match="Nothing on this tab is contested"):
        silent().do(bill.resolve, Resolution.UPHOLD, None, "so")


# With everything else that happens to bills


def test_an_amended_bill_is_chosen_for_anew() -> None:
    till = choose(billed(), 50).do(bill.amend)

    assert till.books == {}
    assert till.tab.total_minor == 50_00, "running at the whole price again"
    till.serve(10_00)
    assert till.tab.tier_percent is None
    assert till.tab.amount_due_minor == 48_00
    choose(till, 100)
    assert till.tab.amount_due_minor == 60_00


def test_a_reduction_stays_whatever_outcome_is_chosen() -> None:
    till = billed().do(bill.adjust, 10_00, "late")

    assert till.tab.amount_due_minor == 30_00
    assert choose(till, 50).tab.amount_due_minor == 15_00
    assert choose(till, 0).tab.amount_due_minor == 0
    assert till.books == {}


def test_a_refund_after_the_choice_takes_what_was_paid() -> None:
    till = choose(billed(), 50).accept_bill().charged()
    till.do(payment.refund, None, "sorry").refunded()

    assert till.tab.amount_due_minor == 0
    assert till.books == {}


def test_a_split_is_of_the_chosen_price() -> None:
    till = billed(consents=WITHOUT_CARD)
    with pytest.raises(TransitionRefused, match="choose_tier"):
        till.do(sharing.split, Parts(equally=2), timedelta(hours=1), lambda share_id: f"{share_id:0>64}")
    choose(till, 50)
    parts = Parts(items=((till.tab.items[0].item_id,), ("itm_x",)))
    with pytest.raises(InvalidInput, match="not what is owed"):
        till.do(sharing.split, parts, timedelta(hours=1), lambda share_id: f"{share_id:0>64}")

    till.do(sharing.split, Parts(equally=2), timedelta(hours=1), lambda share_id: f"{share_id:0>64}")

    assert [share.amount_minor for share in till.tab.shares] == [12_50, 12_50]
    with pytest.raises(TransitionRefused, match="split"):
        choose(till, 0)


def test_a_waived_bill_is_not_chosen_for() -> None:
    till = opened(deposit_minor=20_00).accept(*EVERYTHING, customer=CUSTOMER).hold_placed().serve(50_00)
    till.do(bill.waive, "a gift")

    with pytest.raises(TransitionRefused, match="waived"):
        choose(till, 100)
    assert till.released().tab.status == Status.CLOSED


# Two of five


@pytest.mark.parametrize(
    ("percents", "after", "fixed"),
    [
        ([], 2, False),
        ([80], 2, False),
        ([80, 100, 50], 2, True),
        ([100, 100, 100, 100, 50, 50], 2, False),
        ([100, 100, 100, 80, 80], 2, True),
        ([0, 0, 0, 0, 0], 0, False),
        ([80], 1, True),
    ],
)
def test_two_of_the_last_five_at_lower_tiers_bring_a_fixed_price(percents: list[int], after: int, fixed: bool) -> None:
    assert gets_fixed_price(percents, after) == fixed


def ended(days_ago: int, percent: int | None, **more: Any) -> Visit:
    at = NOON - timedelta(days=days_ago)
    return Visit(
        tab_id=f"tab_{days_ago}", merchant_id="mer_1", customer_id="cus_1", opened_at=at, tier_percent=percent, **more
    )


def test_the_latest_tiers_are_of_all_names_of_a_person_but_a_phone_number_brings_only_lower_ones() -> None:
    """Newest first. What is without tiers, under review or of more than a year ago does not count."""
    history = History(
        own=(ended(400, 50, due_at=NOON), ended(9, 100, closed_at=NOON), ended(1, 80), ended(2, None, due_at=NOON)),
        same_card=(ended(12, 50, due_at=NOON), ended(3, 100, due_at=NOON)),
        same_phone=(ended(10, 80, due_at=NOON), ended(4, 100, due_at=NOON)),
    )

    assert latest_tiers(history, NOON) == [100, 100, 80, 50]


def test_the_policys_tiers_give_way_to_a_fixed_price_that_says_so_under_the_seal() -> None:
    merchant = replace(MERCHANT, policy=Policy(outcome_tiers=OutcomeTerms(tiers=TIERS, silence_percent=80)))
    draft = booking.open_tab(
        merchant, CUSTOMER, terms(), now=NOON, by=STAFF, new_id=lambda prefix: f"{prefix}_1", latest_tiers=[50, 50]
    )

    promise: Promise = draft.tab.promise
    assert (promise.tiers, promise.silence_percent, promise.fixed_price) == ((), None, True)
    assert '"fixed_price":true' in promise.text


def test_tiers_given_for_such_a_customer_are_refused_and_not_dropped() -> None:
    with pytest.raises(FixedPrice, match="fixed_price_after"):
        booking.open_tab(
            MERCHANT,
            CUSTOMER,
            terms(tiers=TIERS, silence_percent=80),
            now=NOON,
            by=STAFF,
            new_id=lambda prefix: f"{prefix}_1",
            latest_tiers=[50, 100, 0],
        )
    till = Till()
    with pytest.raises(FixedPrice):
        till.do(booking.propose_promise, Limits(tiers=TIERS, silence_percent=80), [50, 50])
