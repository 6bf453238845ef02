"""Credit as tabs make it: earned when one is paid, spent on another, given back, taken back, promised to friends."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from chalicelib.domain.books.ledger import Account
from chalicelib.domain.errors import CreditNotAvailable, Forbidden, InvalidInput
from chalicelib.domain.news.message import MessageKind, Recipient
from chalicelib.domain.tab import crediting
from chalicelib.domain.tab.actor import Actor, Role
from chalicelib.domain.tab.attempt import Operation
from chalicelib.domain.tab.commands import bill, booking, payment
from chalicelib.domain.tab.commands.bill import ItemInput
from chalicelib.domain.tab.facts.fact import FactKind
from chalicelib.domain.tab.link import Scope
from chalicelib.domain.tab.payments import LegKind
from chalicelib.domain.tab.policy import Policy, Resolution
from chalicelib.domain.tab.promise import AcceptanceMethod
from chalicelib.domain.tab.status import Status
from chalicelib.domain.tab.step import StepKind
from chalicelib.domain.trust.credits import CreditAccount, MovementKind, Referral
from chalicelib.domain.trust.terms import CreditTerms, LotKind
from tests.unit.till import ADA, CUSTOMER, EVERYTHING, NOON, OWNER, WITHOUT_CARD, Accounts, Till, acceptance

TEN_PERCENT = CreditTerms(rate_basis_points=1000)
FRIENDS = CreditTerms(referral_minor=5_00, referral_least_minor=20_00, referrals_per_month=2)
ONE_FRIEND = replace(FRIENDS, referrals_per_month=1)
FOURTEEN_DAYS = timedelta(days=14)
FRIEND = replace(CUSTOMER, customer_id="cus_friend", customer_ref="cust_friend")
THIRD = replace(CUSTOMER, customer_id="cus_third", customer_ref="cust_third")


def till(terms: CreditTerms | None = TEN_PERCENT, **given: Any) -> Till:
    return Till(policy=Policy(credits=terms), **given)


def paid_tab(price_minor: int = 50_00, terms: CreditTerms | None = TEN_PERCENT, **given: Any) -> Till:
    """A tab that was accepted and charged to the saved card."""
    fingerprint = given.pop("fingerprint", None)
    tab = till(terms, **given).accept(*EVERYTHING, customer=given.get("customer", CUSTOMER))
    tab.serve(price_minor).accept_bill().charged(fingerprint=fingerprint)
    assert tab.tab.status == Status.CLOSED
    return tab


def with_credit(price_minor: int = 50_00, **given: Any) -> tuple[Accounts, datetime]:
    """An account with a tenth of the price, which can be spent at the instant that is returned."""
    first = paid_tab(price_minor, **given)
    return first.accounts, NOON + FOURTEEN_DAYS


def account_of(tab: Till, customer_id: str = CUSTOMER.customer_id) -> CreditAccount:
    found = tab.accounts.find_credit_account("mer_1", customer_id)
    assert found is not None
    return found


def accept_with(tab: Till, credit_minor: int | None, tip_minor: int = 0) -> Till:
    draft = tab.draft(ADA)
    bill.accept_bill(draft, tip_minor, credit_minor=credit_minor)
    tab._finish(draft)
    return tab


# Earning


def test_a_paid_tab_earns_its_rate_pending_for_two_weeks() -> None:
    """The business bears it as an expense and owes it as credit."""
    tab = paid_tab(50_00)

    account = account_of(tab)
    assert (account.pending_minor(tab.now), account.active_minor(tab.now)) == (5_00, 0)
    assert account.active_minor(tab.now + FOURTEEN_DAYS) == 5_00
    assert tab.posted("credit_earned") == [(Account.LOYALTY_EXPENSE, 5_00), (Account.CUSTOMER_CREDIT, -5_00)]
    assert (account.paid_tabs, account.lots[0].tab_id) == (1, tab.tab.tab_id)
    (line,) = tab.accounts.movements[CUSTOMER.customer_id]
    assert (line.kind, line.amount_minor, line.balance_minor) == (MovementKind.EARNED, 5_00, 5_00)
    assert tab.entries[line.tab_seq - 1].kind == "credit_earned"


def test_tax_and_tip_earn_nothing() -> None:
    tab = till().accept(*EVERYTHING, customer=CUSTOMER)
    tab.do(bill.add_items, [ItemInput(description="Cut", unit_price_minor=59_50, tax_basis_points=1900)])
    tab.do(bill.complete).accept_bill(5_00).charged()

    assert account_of(tab).balance_minor == 5_00


@pytest.mark.parametrize(("off_minor", "earned_minor"), [(0, 3_00), (10_00, 2_40)])
def test_materials_earn_nothing(off_minor: int, earned_minor: int) -> None:
    """What is taken off such a bill is taken off both alike."""
    tab = till().accept(*EVERYTHING, customer=CUSTOMER)
    tab.do(bill.add_items, [ItemInput(description="Colour", unit_price_minor=20_00, is_material=True)]).serve(30_00)
    if off_minor:
        tab.do(bill.adjust, off_minor, "sorry")
    tab.accept_bill().charged()

    assert account_of(tab).balance_minor == earned_minor


def test_the_customer_is_told_when_their_credit_can_be_spent() -> None:
    """Once, and not of what a refund has taken back meanwhile."""
    tab, gone = paid_tab(50_00), paid_tab(50_00)
    refund(gone, None)
    for one in (tab, gone):
        one.wait(days=13)
        assert (MessageKind.CREDIT_ACTIVE, Recipient.CUSTOMER) not in one.told
        one.wait(days=1).wait(days=1)

    assert [kind for kind, _ in tab.told].count(MessageKind.CREDIT_ACTIVE) == 1
    (told,) = [entry.details for entry in tab.entries if entry.kind == "credit_active"]
    assert told == {"amount_minor": 5_00, "expires_at": "2027-03-02T12:00:00Z"}
    assert MessageKind.CREDIT_ACTIVE not in {kind for kind, _ in gone.told}


@pytest.mark.parametrize(
    ("terms", "earned_minor"),
    [
        (CreditTerms(rate_basis_points=1000, least_minor=50_01), 0),
        (CreditTerms(rate_basis_points=1000, least_minor=50_00), 5_00),
        (CreditTerms(rate_basis_points=1000, per_tab_minor=3_00), 3_00),
        (CreditTerms(rate_basis_points=333), 1_66),
        (CreditTerms(), 0),
    ],
)
def test_the_policy_limits_what_a_tab_earns(terms: CreditTerms, earned_minor: int) -> None:
    """333 of 10 000 of 50.00 is 1.665, which is rounded half to even."""
    assert account_of(paid_tab(50_00, terms)).balance_minor == earned_minor


def test_the_limit_by_month_is_of_any_thirty_days() -> None:
    terms = CreditTerms(rate_basis_points=1000, per_month_minor=8_00)
    first = paid_tab(50_00, terms)
    second = paid_tab(50_00, terms, accounts=first.accounts, now=NOON + timedelta(days=29))
    assert account_of(second).balance_minor == 8_00
    another = paid_tab(50_00, terms, accounts=first.accounts, now=NOON + timedelta(days=29))
    assert (account_of(another).balance_minor, "credit_earned" in another.kinds) == (8_00, False)
    third = paid_tab(50_00, terms, accounts=first.accounts, now=NOON + timedelta(days=31))
    assert account_of(third).balance_minor == 13_00


def test_a_rate_is_in_hundredths_of_a_percent() -> None:
    assert account_of(paid_tab(190_00, CreditTerms(rate_basis_points=10_000))).balance_minor == 190_00


def test_what_was_taken_back_makes_room_under_the_limit_by_month() -> None:
    terms = CreditTerms(rate_basis_points=1000, per_month_minor=8_00)
    first = paid_tab(50_00, terms)
    refund(first, None)
    second = paid_tab(50_00, terms, accounts=first.accounts)

    assert (account_of(second).balance_minor, account_of(second).paid_tabs) == (5_00, 2)


def test_without_terms_no_account_is_touched() -> None:
    assert paid_tab(50_00, None).accounts.by_customer == {}


def written_off(tab: Till) -> None:
    tab.serve(50_00).accept_bill().declined(Operation.CHARGE)
    tab.do(bill.write_off, "gone", by=OWNER)


def contested(tab: Till) -> None:
    tab.serve(50_00).do(bill.contest, "cold", None, by=ADA)
    tab.do(bill.resolve, Resolution.UPHOLD, None, "it was hot", by=OWNER)
    tab.charged()


def all_waived(tab: Till) -> None:
    tab.serve(50_00).do(bill.waive, "on the house")


def test_credit_expires_as_the_policy_says_and_the_entry_tells_all_of_it() -> None:
    """Counted from when it was earned; what waits for longer than that can be spent for no time at all."""
    tab = paid_tab(50_00, CreditTerms(rate_basis_points=1000, expires_s=30 * 86_400))
    waiting = paid_tab(50_00, CreditTerms(rate_basis_points=1000, expires_s=86_400))

    (lot,) = account_of(tab).lots
    assert (lot.active_at, lot.expires_at) == (NOON + FOURTEEN_DAYS, NOON + timedelta(days=30))
    (told,) = [entry.details for entry in tab.entries if entry.kind == "credit_earned"]
    assert told == {
        "lot_id": lot.lot_id,
        "credited_customer_id": "cus_1",
        "source": "earned",
        "amount_minor": 5_00,
        "active_at": "2026-03-16T12:00:00Z",
        "expires_at": "2026-04-01T12:00:00Z",
    }
    (lot,) = account_of(waiting).lots
    assert lot.expires_at == lot.active_at == NOON + FOURTEEN_DAYS


def no_show(terms: CreditTerms) -> Till:
    """A booking whose customer did not come, and owes the fee of 30.00."""
    tab = Till.booked(deposit_minor=0, policy=Policy(credits=terms)).accept(*WITHOUT_CARD)
    return tab.wait(hours=25).do(booking.mark_no_show)


def test_a_fee_earns_nothing_and_is_no_paid_tab() -> None:
    tab = no_show(TEN_PERCENT).do(payment.take_cash, 30_00)
    tab.wait_until(tab.planned[StepKind.CLOSE])

    assert (tab.tab.status, tab.tab.paid_minor) == (Status.CLOSED, 30_00)
    assert tab.accounts.by_customer == {}


@pytest.mark.parametrize("end", [written_off, contested, all_waived])
def test_a_tab_that_did_not_end_well_earns_nothing(end: Callable[[Till], None]) -> None:
    tab = till().accept(*EVERYTHING, customer=CUSTOMER)
    end(tab)

    assert tab.tab.status == Status.CLOSED
    assert "credit_earned" not in tab.kinds
    paid_tabs = 1 if tab.tab.paid_minor else 0
    assert sum(account.paid_tabs for account in tab.accounts.by_customer.values()) == paid_tabs


# Losing it again


def refund(tab: Till, amount_minor: int | None) -> None:
    tab.do(payment.refund, amount_minor, "sorry")


def test_a_refund_takes_back_in_proportion_in_its_own_change() -> None:
    """The entries of the refund and of the credit have the same version of the tab."""
    tab = paid_tab(50_00)
    refund(tab, 20_00)

    assert account_of(tab).balance_minor == 3_00
    versions = {entry.kind: entry.version for entry in tab.entries}
    assert versions["credit_reversed"] == versions["refund_granted"]
    assert tab.books[Account.CUSTOMER_CREDIT] == -3_00
    refund(tab.refunded(), None)
    assert account_of(tab).balance_minor == 0


def test_statement_and_entries_tell_what_became_of_credit() -> None:
    """Earned, spent on another tab, given back and taken back with a refund of that, and the rest expired."""
    accounts, now = with_credit(100_00)
    tab = till(accounts=accounts, now=now).accept(*EVERYTHING, customer=CUSTOMER).serve(40_00)
    accept_with(tab, 10_00).charged()
    refund(tab, 20_00)
    tab.refunded().wait(days=365)

    assert [(line.kind, line.amount_minor) for line in accounts.movements["cus_1"]] == [
        (MovementKind.EARNED, 10_00),
        (MovementKind.SPENT, -10_00),
        (MovementKind.EARNED, 3_00),
        (MovementKind.RETURNED, 5_00),
        (MovementKind.REVERSED, -1_50),
        (MovementKind.EXPIRED, -1_50),
        (MovementKind.EXPIRED, -5_00),
    ]
    earned, returned = (given.lot_id for given in tab.tab.credits.given)
    told = {entry.kind: entry.details for entry in tab.entries if entry.kind.startswith("credit_")}
    assert told["credit_returned"]["payment_id"] == tab.tab.legs[0].payment_id
    lost = {"credited_customer_id": "cus_1", "amount_minor": 1_50}
    assert told["credit_reversed"] == {"lot_id": earned, **lost}
    assert told["credit_expired"] == {"lot_id": returned, **lost, "amount_minor": 5_00}
    # The first tab owes the 10.00 that this one was paid with.
    assert (tab.books[Account.CUSTOMER_CREDIT], account_of(tab).balance_minor) == (10_00, 0)


def test_what_a_refund_has_taken_back_does_not_expire_later() -> None:
    tab = paid_tab(50_00)
    assert StepKind.EXPIRE_CREDIT in tab.planned
    refund(tab, 20_00)
    assert StepKind.EXPIRE_CREDIT in tab.planned
    refund(tab.refunded(), None)

    assert StepKind.EXPIRE_CREDIT not in tab.planned


def test_a_limited_tab_gives_back_in_proportion_to_what_it_earned() -> None:
    tab = paid_tab(50_00, CreditTerms(rate_basis_points=1000, per_tab_minor=2_00))
    refund(tab, 25_00)

    assert account_of(tab).balance_minor == 1_00


@pytest.mark.parametrize("after", [(), (FactKind.DISPUTE_WON,), (FactKind.DISPUTE_LOST,)])
def test_a_dispute_takes_all_back_for_good(after: tuple[FactKind, ...]) -> None:
    tab = paid_tab(50_00)
    tab.disputed(FactKind.DISPUTE_OPENED, *after)

    assert account_of(tab).balance_minor == 0
    assert account_of(tab).active_minor(NOON + FOURTEEN_DAYS) == 0


def test_an_inquiry_takes_nothing_back() -> None:
    tab = paid_tab(50_00)
    tab.disputed(FactKind.INQUIRY_OPENED)

    assert account_of(tab).balance_minor == 5_00


def test_a_dispute_after_the_credit_was_spent_is_carried() -> None:
    first = paid_tab(50_00)
    second = till(accounts=first.accounts, now=NOON + FOURTEEN_DAYS).accept(*WITHOUT_CARD).serve(20_00)
    accept_with(second, 5_00)
    first.wait_until(second.now).disputed(FactKind.DISPUTE_OPENED)

    account = account_of(first)
    assert (account.balance_minor, account.carried_minor, account.active_minor(first.now)) == (-5_00, 5_00, 0)


def test_credit_whose_lot_was_forgotten_is_taken_back_as_it_was_given() -> None:
    """An account keeps so many lots; those that were used up go first."""
    tab = paid_tab(50_00)
    account, (lot,) = account_of(tab), account_of(tab).lots
    tab.accounts.by_customer["cus_1"] = replace(account, lots=())
    refund(tab, None)

    (again,) = account_of(tab).lots
    assert again == replace(lot, earned_at=lot.active_at, spent_minor=5_00, reversed_minor=5_00)


def test_a_lot_that_only_covers_what_was_taken_back_ends_without_a_loss() -> None:
    tab = paid_tab(50_00)
    account, (lot,) = account_of(tab), account_of(tab).lots
    short = replace(lot, lot_id="lot_short", spent_minor=8_00, reversed_minor=2_00)
    tab.accounts.by_customer["cus_1"] = replace(account, lots=(short, lot))
    tab.wait_until(lot.expires_at)

    assert "credit_expired" not in tab.kinds
    assert [one.left_minor for one in account_of(tab).lots] == [0, 0]


def test_credit_expires_to_the_instant_and_is_owed_no_more() -> None:
    tab = paid_tab(50_00)
    end = tab.planned[StepKind.EXPIRE_CREDIT]
    assert end == NOON + timedelta(days=365)

    tab.wait_until(end - timedelta(seconds=1))
    assert account_of(tab).active_minor(tab.now) == 5_00
    tab.wait_until(end)

    assert account_of(tab).balance_minor == 0
    assert tab.posted("credit_expired") == [(Account.CUSTOMER_CREDIT, 5_00), (Account.LOYALTY_EXPENSE, -5_00)]
    assert not tab.books.get(Account.CUSTOMER_CREDIT)
    assert StepKind.EXPIRE_CREDIT not in tab.planned
    refund(tab, None)
    assert account_of(tab).balance_minor == 0


def test_each_lot_of_a_tab_expires_at_its_own_time() -> None:
    """What the tab has earned, and what a refund has given back a month later."""
    accounts, now = with_credit(100_00)
    tab = till(accounts=accounts, now=now).accept(*EVERYTHING, customer=CUSTOMER).serve(40_00)
    accept_with(tab, 10_00).charged()
    tab.wait_until(now + timedelta(days=30))
    refund(tab, 20_00)
    tab.refunded()

    tab.wait_until(now + timedelta(days=365))
    assert account_of(tab).balance_minor == 5_00
    assert tab.planned[StepKind.EXPIRE_CREDIT] == now + timedelta(days=395)
    tab.wait_until(now + timedelta(days=395))
    assert account_of(tab).balance_minor == 0
    assert StepKind.EXPIRE_CREDIT not in tab.planned


def test_the_policy_of_the_opening_counts() -> None:
    """What the owner changes between the promise and the review changes nothing on this tab."""
    tab = till().accept(*EVERYTHING, customer=CUSTOMER).serve(50_00)
    assert tab.tab.policy.credits == TEN_PERCENT
    tab.accept_bill().charged()

    assert account_of(tab).balance_minor == 5_00


# Spending


def test_credit_pays_first_and_the_card_the_rest() -> None:
    accounts, now = with_credit(50_00)
    tab = till(accounts=accounts, now=now).accept(*EVERYTHING, customer=CUSTOMER).serve(30_00)
    accept_with(tab, 5_00, tip_minor=2_00)
    assert tab.open(Operation.CHARGE).amount_minor == 27_00
    tab.charged()

    assert tab.tab.status == Status.CLOSED
    assert [(leg.kind, leg.amount_minor) for leg in tab.tab.legs] == [(LegKind.CREDIT, 5_00), (LegKind.CHARGE, 27_00)]
    assert tab.posted("credit_spent") == [(Account.CUSTOMER_CREDIT, 5_00), (Account.CUSTOMER_RECEIVABLE, -5_00)]
    # 25.00 were paid with money.
    assert account_of(tab).balance_minor == 2_50


def test_credit_pays_a_bill_that_is_not_paid_yet_and_no_fee() -> None:
    tab = till().accept(*WITHOUT_CARD).serve(1)
    assert crediting.is_payable_with_credit(tab.tab)
    assert not crediting.is_payable_with_credit(tab.accept_bill().do(payment.take_cash, 1).tab)
    late = no_show(TEN_PERCENT).tab
    assert late.balance_minor == 30_00
    assert not crediting.is_payable_with_credit(late)


def test_credit_may_pay_all_of_it() -> None:
    """What is left to pay with money is nothing then, and nothing is earned of that."""
    accounts, now = with_credit(50_00)
    tab = till(accounts=accounts, now=now).accept(*WITHOUT_CARD).serve(5_00)
    accept_with(tab, 5_00)
    assert crediting.net_minor(tab.tab) == 0

    assert (tab.tab.status, tab.tab.paid_minor) == (Status.CLOSED, 5_00)
    assert account_of(tab).balance_minor == 0


def test_credit_pays_before_the_hold() -> None:
    accounts, now = with_credit(50_00)
    tab = till(accounts=accounts, now=now, deposit_minor=20_00).accept(*WITHOUT_CARD)
    tab.hold_placed().serve(18_00)
    accept_with(tab, 5_00)

    assert tab.open(Operation.CAPTURE).amount_minor == 13_00


@pytest.mark.parametrize(("price_minor", "most_minor"), [(5_20, 4_70), (5_49, 4_99), (5_50, 5_00), (40, 40)])
def test_what_stays_can_be_charged_to_a_card(price_minor: int, most_minor: int) -> None:
    """A card is charged 0.50 or more, so less credit is spent, or the whole bill is paid with it."""
    accounts, now = with_credit(50_00)
    tab = till(accounts=accounts, now=now).accept(*WITHOUT_CARD).serve(price_minor)
    account = account_of(tab)

    assert crediting.spendable_minor(tab.tab, account, now) == most_minor
    if most_minor < min(price_minor, 5_00):
        with pytest.raises(CreditNotAvailable):
            accept_with(tab, most_minor + 1)


def test_credit_in_another_currency_pays_nothing() -> None:
    """The business keeps its tabs in another one by now."""
    accounts, now = with_credit(50_00)
    accounts.by_customer["cus_1"] = replace(accounts.by_customer["cus_1"], currency="USD")
    tab = till(accounts=accounts, now=now).accept(*WITHOUT_CARD).serve(20_00)

    assert crediting.spendable_minor(tab.tab, account_of(tab), now) == 0
    with pytest.raises(CreditNotAvailable):
        accept_with(tab, 5_00)


def test_less_than_all_must_leave_a_charge_too() -> None:
    accounts, now = with_credit(50_00)
    tab = till(accounts=accounts, now=now).accept(*WITHOUT_CARD).serve(4_00)

    with pytest.raises(InvalidInput, match="at least") as refused:
        accept_with(tab, 3_51)
    assert refused.value.context == {"spendable_minor": 4_00}
    with pytest.raises(InvalidInput, match="credit_minor must be 0 or more"):
        accept_with(tab, -1)
    assert accept_with(tab, 3_50).tab.balance_minor == 50


def test_pending_credit_is_refused() -> None:
    accounts, now = with_credit(50_00)
    tab = till(accounts=accounts, now=now - timedelta(seconds=1)).accept(*WITHOUT_CARD).serve(20_00)

    with pytest.raises(CreditNotAvailable) as refused:
        accept_with(tab, 5_00)
    assert refused.value.context == {"spendable_minor": 0}


def test_nothing_is_spent_unless_the_customer_says_so() -> None:
    accounts, now = with_credit(50_00)
    tab = till(accounts=accounts, now=now).accept(*EVERYTHING, customer=CUSTOMER).serve(30_00)
    tab.accept_bill()
    assert tab.open(Operation.CHARGE).amount_minor == 30_00


def always(accounts: Accounts) -> None:
    before = accounts.by_customer[CUSTOMER.customer_id]
    accounts.by_customer[CUSTOMER.customer_id] = replace(before, spends_by_itself=True)


def test_who_always_wants_it_spent_has_it_spent_after_the_review_too() -> None:
    accounts, now = with_credit(50_00)
    always(accounts)
    tab = till(accounts=accounts, now=now).accept(*EVERYTHING, customer=CUSTOMER).serve(30_00)
    assert tab.tab.review_ends_at is not None
    tab.wait_until(tab.tab.review_ends_at)

    assert tab.open(Operation.CHARGE).amount_minor == 25_00


def test_saying_zero_spends_nothing_this_time() -> None:
    accounts, now = with_credit(50_00)
    always(accounts)
    tab = till(accounts=accounts, now=now).accept(*EVERYTHING, customer=CUSTOMER).serve(30_00)
    accept_with(tab, 0)

    assert tab.open(Operation.CHARGE).amount_minor == 30_00


def pay_with(tab: Till, credit_minor: int | None, tip_minor: int = 0, by: Actor = ADA) -> Till:
    draft = tab.draft(by)
    payment.pay_on_phone(draft, tip_minor, credit_minor=credit_minor)
    tab._finish(draft)
    return tab


def test_paying_on_the_phone_with_credit_asks_for_the_rest() -> None:
    accounts, now = with_credit(50_00)
    tab = pay_with(till(accounts=accounts, now=now).accept(*WITHOUT_CARD).serve(30_00), 5_00, 1_00)

    assert tab.open(Operation.CHARGE).amount_minor == 26_00


def test_paying_on_the_phone_with_credit_alone_accepts_the_bill() -> None:
    accounts, now = with_credit(50_00)
    tab = pay_with(till(accounts=accounts, now=now).accept(*WITHOUT_CARD).serve(5_00), 5_00)

    assert tab.tab.status == Status.CLOSED


def test_whoever_only_pays_does_not_spend_the_customers_credit() -> None:
    accounts, now = with_credit(50_00)
    always(accounts)
    tab = till(accounts=accounts, now=now).accept(*WITHOUT_CARD).serve(30_00)
    friend = Actor(
        subject="lnk_1", role=Role.GUEST, merchant_id="mer_1", customer_id="cus_1", tab_id="tab_1", scope=Scope.PAY
    )
    with pytest.raises(Forbidden):
        pay_with(tab, 5_00, by=friend)
    pay_with(tab, None, by=friend)

    assert tab.open(Operation.CHARGE).amount_minor == 30_00


# Credit that goes back


def test_a_refund_gives_money_and_credit_back_in_proportion() -> None:
    accounts, now = with_credit(100_00)
    tab = till(accounts=accounts, now=now).accept(*EVERYTHING, customer=CUSTOMER).serve(40_00)
    accept_with(tab, 10_00).charged()
    assert account_of(tab).balance_minor == 3_00

    refund(tab, 20_00)
    assert tab.open(Operation.REFUND).amount_minor == 15_00
    assert tab.posted("credit_returned") == [(Account.CUSTOMER_RECEIVABLE, 5_00), (Account.CUSTOMER_CREDIT, -5_00)]
    # Returned at once, and half of what this tab has earned is gone.
    assert (account_of(tab).active_minor(now), account_of(tab).pending_minor(now)) == (5_00, 1_50)

    refund(tab.refunded(), None)
    assert tab.open(Operation.REFUND).amount_minor == 15_00
    tab.refunded("re_2")
    assert (account_of(tab).active_minor(now), account_of(tab).balance_minor) == (10_00, 10_00)
    assert tab.tab.paid_minor == 0


def test_what_was_paid_with_credit_alone_goes_back_as_credit() -> None:
    """No way from credit to money."""
    accounts, now = with_credit(100_00)
    tab = till(accounts=accounts, now=now).accept(*WITHOUT_CARD).serve(10_00)
    accept_with(tab, 10_00)
    refund(tab, 4_00)

    assert (account_of(tab).active_minor(now), tab.tab.attempts) == (4_00, ())


def test_credit_and_cash_go_back_each_in_their_kind() -> None:
    accounts, now = with_credit(100_00)
    tab = till(accounts=accounts, now=now).accept(*WITHOUT_CARD).serve(40_00)
    accept_with(tab, 10_00).do(payment.take_cash, 30_00)
    refund(tab, 20_00)

    assert account_of(tab).active_minor(now) == 5_00
    assert tab.posted("cash_returned") == [(Account.CUSTOMER_RECEIVABLE, 15_00), (Account.CASH, -15_00)]


def test_more_than_is_owed_back_never_goes_back() -> None:
    """Of two payments with credit, on a bill that was lowered before anybody paid the rest: the newest gives first."""
    accounts, now = with_credit(100_00)
    tab = till(accounts=accounts, now=now).accept(*WITHOUT_CARD).serve(40_00)
    accept_with(tab, 4_00)
    draft = tab.draft(ADA)
    crediting.spend(draft, 6_00)
    tab._finish(draft)
    tab.do(bill.adjust, 32_00, "sorry")

    assert [(leg.amount_minor, leg.refunded_minor) for leg in tab.tab.legs] == [(4_00, 0), (6_00, 2_00)]
    assert tab.posted("credit_returned") == [(Account.CUSTOMER_RECEIVABLE, 2_00), (Account.CUSTOMER_CREDIT, -2_00)]
    assert (tab.tab.status, tab.tab.paid_minor) == (Status.CLOSED, 8_00)


def test_a_contest_that_is_waived_gives_the_credit_back() -> None:
    accounts, now = with_credit(50_00)
    tab = till(accounts=accounts, now=now).accept(*WITHOUT_CARD).serve(30_00)
    accept_with(tab, 5_00)
    tab.do(bill.contest, "cold", None, by=ADA).do(bill.resolve, Resolution.WAIVE, None, "sorry", by=OWNER)

    assert tab.tab.status == Status.CLOSED
    assert account_of(tab).active_minor(now) == 5_00


# Friends


def invited(accounts: Accounts, friend: str, by: str) -> None:
    account = accounts.by_customer.get(friend) or CreditAccount(merchant_id="mer_1", customer_id=friend)
    accounts.by_customer[friend] = replace(account, referral=Referral(by_customer_id=by, at=NOON))


def friends(**given: Any) -> tuple[Accounts, Till]:
    """Ada has paid with her card and invited a friend, who now pays."""
    accounts = paid_tab(50_00, FRIENDS, fingerprint="ada's card").accounts
    invited(accounts, FRIEND.customer_id, CUSTOMER.customer_id)
    price_minor = given.pop("price_minor", 30_00)
    return accounts, paid_tab(
        price_minor, FRIENDS, accounts=accounts, customer=FRIEND, **{"fingerprint": "friend's card"} | given
    )


@pytest.fixture(autouse=True)
def friends_have_their_own_phones(monkeypatch: pytest.MonkeyPatch) -> None:
    """In these tests every promise is accepted from one phone; the device has its own test."""
    marks = crediting._marks
    monkeypatch.setattr(
        crediting, "_marks", lambda tab: [(kind, mark) for kind, mark in marks(tab) if kind != "device"]
    )


def test_both_get_their_sum_after_the_friends_first_paid_tab() -> None:
    accounts, tab = friends()

    for customer_id in (CUSTOMER.customer_id, FRIEND.customer_id):
        (lot,) = account_of(tab, customer_id).lots
        assert (lot.kind, lot.amount_minor, lot.active_at) == (LotKind.REFERRAL, 5_00, NOON + FOURTEEN_DAYS)
    assert tab.books[Account.CUSTOMER_CREDIT] == -10_00
    assert tab.books[Account.LOYALTY_EXPENSE] == 10_00
    paid_tab(30_00, FRIENDS, accounts=accounts, customer=FRIEND, fingerprint="friend's card")
    assert account_of(tab).balance_minor == 5_00


def test_a_first_tab_that_is_too_small_leaves_it_to_the_next() -> None:
    accounts, tab = friends(price_minor=19_99)
    assert account_of(tab).balance_minor == 0
    paid_tab(20_00, FRIENDS, accounts=accounts, customer=FRIEND, fingerprint="friend's card")
    assert account_of(tab).balance_minor == 5_00


def test_a_first_tab_that_was_contested_leaves_it_to_the_next() -> None:
    accounts = paid_tab(50_00, FRIENDS, fingerprint="ada's card").accounts
    invited(accounts, FRIEND.customer_id, CUSTOMER.customer_id)
    tab = till(FRIENDS, accounts=accounts, customer=FRIEND).accept(*EVERYTHING, customer=FRIEND)
    contested(tab)

    assert account_of(tab, FRIEND.customer_id).referral == Referral(by_customer_id="cus_1", at=NOON)
    paid_tab(30_00, FRIENDS, accounts=accounts, customer=FRIEND, fingerprint="friend's card")
    assert account_of(tab).balance_minor == 5_00


def test_a_friend_is_told_of_their_own_credit_alone() -> None:
    _, tab = friends()
    tab.wait(days=14)

    (told,) = [entry.details for entry in tab.entries if entry.kind == "credit_active"]
    assert told["amount_minor"] == 5_00


def test_the_same_card_is_the_same_person() -> None:
    _, tab = friends(fingerprint="ada's card")

    assert account_of(tab, FRIEND.customer_id).referral == Referral(
        by_customer_id="cus_1", at=NOON, refused="same_card"
    )
    refused = [entry.details for entry in tab.entries if entry.kind == "referral_refused"]
    assert refused == [{"why": "same_card", "referrer_id": "cus_1"}]
    assert account_of(tab).balance_minor == account_of(tab, FRIEND.customer_id).balance_minor == 0


def test_the_card_of_any_other_customer_is_no_new_customers() -> None:
    """Not only of who has invited: the friend was here before under another name."""
    accounts, _ = friends()
    paid_tab(30_00, FRIENDS, accounts=accounts, customer=THIRD, fingerprint="third's card")
    alias = replace(FRIEND, customer_id="cus_alias")
    invited(accounts, alias.customer_id, CUSTOMER.customer_id)
    tab = paid_tab(30_00, FRIENDS, accounts=accounts, customer=alias, fingerprint="third's card")

    referral = account_of(tab, alias.customer_id).referral
    assert referral is not None and referral.refused == "same_card"


def test_a_ring_of_three_with_one_card_is_refused() -> None:
    """Ada invites a friend with a second card, who invites a third with Ada's card."""
    accounts, _ = friends()
    invited(accounts, THIRD.customer_id, FRIEND.customer_id)
    third = paid_tab(30_00, FRIENDS, accounts=accounts, customer=THIRD, fingerprint="ada's card")

    referral = account_of(third, THIRD.customer_id).referral
    assert referral is not None and referral.refused == "same_card"
    assert account_of(third, FRIEND.customer_id).balance_minor == 5_00


def test_the_same_device_is_the_same_person(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    _, tab = friends()

    referral = account_of(tab, FRIEND.customer_id).referral
    assert referral is not None and referral.refused == "same_device"


@pytest.mark.parametrize("knows_ada", [True, False])
def test_a_device_counts_if_it_is_that_of_whoever_invited_or_had_invited_them(
    knows_ada: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A third, invited by a friend, pays from Ada's phone: a ring if Ada had invited the friend, else a café's."""
    monkeypatch.undo()
    accounts = paid_tab(50_00, FRIENDS, fingerprint="ada's card").accounts
    if knows_ada:
        invited(accounts, FRIEND.customer_id, CUSTOMER.customer_id)
    invited(accounts, THIRD.customer_id, FRIEND.customer_id)
    tab = paid_tab(30_00, FRIENDS, accounts=accounts, customer=THIRD, fingerprint="third's card")

    referral = account_of(tab, THIRD.customer_id).referral
    assert referral is not None and referral.refused == ("same_device" if knows_ada else None)


@pytest.mark.parametrize(
    ("of", "ada_is_one", "refused"),
    [("card", False, "same_card"), ("device", False, None), ("device", True, "same_device")],
)
def test_a_mark_of_hundreds_says_what_that_of_one_other_does(
    of: str, ada_is_one: bool, refused: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A company's card makes nobody new: else whoever has made names enough with a card is paid for each further one.
    A café's tablet says nothing about a friend, unless who has invited them is one of the hundreds."""
    monkeypatch.undo()
    ada = paid_tab(50_00, FRIENDS, fingerprint="the company's card")
    accounts, (card, device) = ada.accounts, crediting.marks_of(ada.tab)
    many = {f"cus_{number}" for number in range(100, 400)} | ({CUSTOMER.customer_id} if ada_is_one else set())
    accounts.marks = {(card if of == "card" else device).sha256: many}
    invited(accounts, FRIEND.customer_id, CUSTOMER.customer_id)

    tab = paid_tab(30_00, FRIENDS, accounts=accounts, customer=FRIEND, fingerprint="the company's card")

    referral = account_of(tab, FRIEND.customer_id).referral
    assert referral is not None and referral.refused == refused


def test_who_has_credit_in_another_currency_is_not_rewarded() -> None:
    """An account has one currency, and the business keeps its tabs in another one by now."""
    accounts = Accounts()
    inviting = CreditAccount(merchant_id="mer_1", customer_id="cus_1", currency="USD")
    accounts.by_customer["cus_1"] = inviting
    invited(accounts, FRIEND.customer_id, "cus_1")
    tab = paid_tab(30_00, FRIENDS, accounts=accounts, customer=FRIEND, fingerprint="friend's card")

    referral = account_of(tab, FRIEND.customer_id).referral
    assert referral is not None and referral.refused == "other_currency"
    assert accounts.by_customer["cus_1"] == inviting


def test_the_reward_for_having_been_invited_is_none_for_inviting() -> None:
    """Who was invited this month can invite as many as anybody else."""
    accounts = paid_tab(50_00, ONE_FRIEND, fingerprint="ada's card").accounts
    for friend, by, card in ((FRIEND, CUSTOMER, "friend's card"), (THIRD, FRIEND, "third's card")):
        invited(accounts, friend.customer_id, by.customer_id)
        paid_tab(30_00, ONE_FRIEND, accounts=accounts, customer=friend, fingerprint=card)

    balances = [accounts.by_customer[one.customer_id].balance_minor for one in (CUSTOMER, FRIEND, THIRD)]
    assert balances == [5_00, 10_00, 5_00]


def test_a_device_of_the_business_is_no_mark_of_a_customer(monkeypatch: pytest.MonkeyPatch) -> None:
    """What staff record in person comes from the till."""
    monkeypatch.undo()
    tab = paid_tab(50_00).tab
    person = replace(tab.promise, accepted=replace(acceptance(tab), method=AcceptanceMethod.IN_PERSON))

    assert [(mark.merchant_id, mark.customer_id) for mark in crediting.marks_of(tab)] == [("mer_1", "cus_1")]
    assert crediting.marks_of(replace(tab, promise=person)) == ()
    assert crediting.marks_of(replace(tab, promise=replace(tab.promise, accepted=None))) == ()


@pytest.mark.parametrize(
    ("terms", "payment_id", "wanted"),
    [
        (FRIENDS, "pi_new", True),
        (FRIENDS, None, True),
        (FRIENDS, "pi_charge", False),
        (TEN_PERCENT, "pi_new", False),
        (None, "pi_new", False),
    ],
)
def test_a_card_is_asked_for_where_invitations_earn(
    terms: CreditTerms | None, payment_id: str | None, wanted: bool
) -> None:
    """Not of a payment that is on record."""
    assert crediting.wants_card(paid_tab(50_00, terms).tab, payment_id) is wanted


def test_a_card_has_another_mark_at_each_merchant() -> None:
    """So that nobody can tell by two merchants' marks that a customer goes to both."""
    tab = paid_tab(50_00, fingerprint="ada's card").tab

    (here,), (there,) = crediting.marks_of(tab), crediting.marks_of(replace(tab, merchant_id="mer_2"))
    assert here.sha256 != there.sha256


def test_only_so_many_are_rewarded_in_a_month() -> None:
    accounts, _ = friends()
    for number in (2, 3):
        other = replace(FRIEND, customer_id=f"cus_friend_{number}")
        invited(accounts, other.customer_id, CUSTOMER.customer_id)
        paid_tab(30_00, FRIENDS, accounts=accounts, customer=other, fingerprint=f"card {number}")

    assert accounts.by_customer["cus_1"].balance_minor == 10_00
    referral = accounts.by_customer["cus_friend_3"].referral
    assert referral is not None and referral.refused == "too_many"


@pytest.mark.parametrize(("back_minor", "left_minor"), [(None, 0), (15_00, 0), (10_00, 5_00)])
def test_a_refund_below_the_least_takes_both_back(back_minor: int | None, left_minor: int) -> None:
    _, tab = friends()
    refund(tab, back_minor)

    assert account_of(tab).balance_minor == account_of(tab, FRIEND.customer_id).balance_minor == left_minor
