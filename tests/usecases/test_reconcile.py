"""Reconciliation on fakes: every kind of difference is injected and found; the safe ones are repaired."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from chalicelib.domain.books.differences import REPAIRABLE, Code
from chalicelib.domain.books.ledger import Account
from chalicelib.domain.errors import InvalidInput
from chalicelib.domain.tab.actor import Actor, Role
from chalicelib.domain.tab.attempt import Attempt, AttemptState, Operation
from chalicelib.domain.tab.facts.fact import Fact, FactKind
from chalicelib.domain.tab.payments import HoldState
from chalicelib.domain.tab.status import Status
from chalicelib.usecases.books.reconcile import SETTLING, Reconciled, reconcile
from chalicelib.usecases.parties.customers import create_customer
from chalicelib.usecases.parties.merchants import NewMerchant, create_merchant
from chalicelib.usecases.tab.booking import cancel_tab, check_in
from chalicelib.usecases.tab.payment import pay_on_phone
from chalicelib.usecases.tab.refund import refund_tab
from tests.usecases.fake_gateway import CardBehaviour, Fault, Payment
from tests.usecases.shop import EVERYTHING, NOON, WITH_CARD, WITHOUT_CARD, Shop

DAY = timedelta(days=1)


def run(shop: Shop, *, repair: bool = True, **given: Any) -> Reconciled:
    """A little later, the last three days."""
    shop.clock.instant += timedelta(minutes=20)
    return reconcile(shop.deps, shop.clock.now() - 3 * DAY, repair=repair, **given)


def said(result: Reconciled) -> list[tuple[Code, bool]]:
    return sorted((finding.difference.code, finding.repaired) for finding in result.findings)


# Stories that end in agreement


def paid(shop: Shop) -> str:
    """A tab of 50.00, paid with the saved card; its payment."""
    shop.open(*WITH_CARD).serve(50_00).accept_bill()
    shop.deliver_all()
    shop.wait(minutes=1)
    (leg,) = shop.tab.legs
    return leg.payment_id


def held(shop: Shop) -> str:
    """A booking with 20.00 held; its payment."""
    shop.open(*EVERYTHING, starts_in_hours=30, deposit_minor=20_00, no_show_fee_minor=20_00)
    shop.deliver_all()
    shop.wait(minutes=1)
    if shop.tab.live_hold is None:
        (waiting,) = shop.tab.attempts
        shop.gateway.confirm(waiting.payment_id or "")
        shop.deliver_all()
    assert shop.tab.live_hold is not None
    return shop.tab.live_hold.payment_id


def refunded(shop: Shop) -> str:
    payment_id = paid(shop)
    refund_tab(shop.deps, shop.tab_id, 10_00, "cold", request=shop.request(shop.owner))
    shop.deliver_all()
    return payment_id


def disputed(shop: Shop) -> str:
    payment_id = paid(shop)
    shop.gateway.dispute(payment_id, FactKind.DISPUTE_OPENED, FactKind.DISPUTE_WITHDRAWN)
    shop.deliver_all()
    return payment_id


def connected(shop: Shop) -> Shop:
    """Another merchant on the same books, in a connected account, with a customer and a card."""
    other = copy(shop)
    operator = Actor(subject="root", role=Role.OPERATOR)
    new = NewMerchant(name="Spa", currency="EUR", settlement_currency="EUR", account="acct_1")
    other.merchant_id = create_merchant(shop.deps, new, request=shop.request(operator)).merchant_id
    other.staff = replace(shop.staff, merchant_id=other.merchant_id)
    other.owner = replace(shop.owner, merchant_id=other.merchant_id)
    shop.gateway.account = "acct_1"
    customer = create_customer(shop.deps, "Bea", request=shop.request(other.staff))
    shop.gateway.account = None
    other.customer_id = customer.customer_id
    other.ada = replace(shop.ada, merchant_id=other.merchant_id, customer_id=other.customer_id)
    shop.store.update_customer(replace(customer, card=shop.card, version=2))
    return other


def declined_on_the_phone(shop: Shop) -> None:
    """It is the customer's to try again: no outcome yet, heard or not."""
    shop.open().serve(50_00)
    pay_on_phone(shop.deps, shop.tab_id, request=shop.request(shop.ada))
    (waiting,) = shop.tab.attempts
    shop.gateway.decline(waiting.payment_id or "")


def card_gone(shop: Shop) -> None:
    paid(shop)
    customer = shop.store.get_customer(shop.merchant_id, shop.customer_id)
    shop.gateway.remove_card_there(shop.card.card_id, customer.customer_ref)
    shop.deliver_all()


def card_kept(shop: Shop) -> None:
    """A set-up carries our metadata: it is ours also where it was handled long ago."""
    paid(shop)
    card = replace(shop.card, card_id="pm_2")
    event_id = shop.gateway.announce(Fact(kind=FactKind.CARD_SAVED, object_id="seti_1", at=NOON, card=card))
    event, facts = shop.gateway.events[event_id]
    ids = {"merchant_id": shop.merchant_id, "customer_id": shop.customer_id, "tab_id": shop.tab_id}
    shop.gateway.events[event_id] = (replace(event, ours=True, **ids), facts)
    shop.deliver_all()


@pytest.mark.parametrize(
    "story",
    [paid, held, refunded, disputed, card_gone, card_kept, declined_on_the_phone],
    ids=lambda story: story.__name__,
)
def test_a_clean_book_has_nothing_to_say(shop: Shop, story: Callable[[Shop], object]) -> None:
    """Everything was heard: no difference, and nothing is written."""
    story(shop)
    before = shop.tab

    result = run(shop)

    assert said(result) == []
    assert (result.tabs, result.payments, result.is_complete) == (1, 1, True)
    assert shop.tab == before


# What news explains


@dataclass(frozen=True)
class Missed:
    """Something happened, and nobody told us. `codes`: how it is named. `then`: what must be true once repaired."""

    happens: Callable[[Shop], object]
    codes: tuple[Code, ...]
    then: Callable[[Shop], bool]


def lost_outcome(shop: Shop) -> None:
    """The charge was made, and its answer and every look-up and webhook lost."""
    shop.open(*WITH_CARD).serve(50_00)
    shop.gateway.fail(Operation.CHARGE, Fault.LOST_AFTER)
    shop.accept_bill()


def crash_while_holding(shop: Shop) -> None:
    shop.gateway.fail(Operation.PLACE_HOLD, Fault.CRASH_AFTER)
    shop.crashing(lambda: shop.open(*EVERYTHING, starts_in_hours=30, deposit_minor=20_00))


def lost_capture(shop: Shop) -> None:
    shop.open(*EVERYTHING, deposit_minor=60_00).serve(50_00)
    shop.gateway.fail(Operation.CAPTURE, Fault.LOST_AFTER)
    shop.accept_bill()


def lost_release(shop: Shop) -> None:
    held(shop)
    shop.gateway.fail(Operation.RELEASE, Fault.LOST_AFTER)
    cancel_tab(shop.deps, shop.tab_id, "ill", request=shop.request(shop.owner))


def lost_refund(shop: Shop) -> None:
    paid(shop)
    shop.gateway.fail(Operation.REFUND, Fault.LOST_AFTER)
    refund_tab(shop.deps, shop.tab_id, 10_00, "cold", request=shop.request(shop.owner))


def paid_on_the_phone(shop: Shop) -> None:
    shop.open().serve(50_00)
    pay_on_phone(shop.deps, shop.tab_id, request=shop.request(shop.ada))
    (waiting,) = shop.tab.attempts
    shop.gateway.confirm(waiting.payment_id or "")


def canceled_on_the_phone(shop: Shop) -> None:
    shop.open().serve(50_00)
    pay_on_phone(shop.deps, shop.tab_id, request=shop.request(shop.ada))
    (payment,) = shop.gateway.payments.values()
    payment.state = "canceled"


def lost_decline(shop: Shop) -> None:
    shop.gateway.cards[shop.card.card_id] = CardBehaviour.DECLINES
    lost_outcome(shop)


def late_capture(shop: Shop) -> None:
    """We had tried to capture it, and given up."""
    payment = shop.gateway.payments[held(shop)]
    attempt = Attempt(
        attempt_id="att_capture",
        operation=Operation.CAPTURE,
        amount_minor=20_00,
        created_at=NOON,
        by="sam",
        state=AttemptState.ABANDONED,
        payment_id=payment.payment_id,
    )
    shop.store._attempts[shop.merchant_id, shop.tab_id, attempt.attempt_id] = attempt
    payment.state, payment.captured_minor = "paid", 20_00


def foreign_capture(shop: Shop) -> None:
    payment = shop.gateway.payments[held(shop)]
    payment.state, payment.captured_minor = "paid", 20_00


def hold_expired(shop: Shop) -> None:
    held(shop)
    shop.clock.instant += timedelta(days=7, minutes=1)
    shop.gateway.expire_holds()


def canceled_there(shop: Shop) -> None:
    shop.gateway.payments[held(shop)].state = "canceled"


def refund_by_hand(shop: Shop) -> None:
    shop.gateway.refund_there(paid(shop), 15_00)


def refund_settled(shop: Shop) -> None:
    shop.gateway.refunds_end = "pending"
    refunded(shop)
    shop.gateway.end_refunds("succeeded")


def refund_failed(shop: Shop) -> None:
    refunded(shop)
    shop.gateway.payments[shop.tab.legs[0].payment_id].refunds[0].state = "failed"


def dispute_unheard(shop: Shop) -> None:
    shop.gateway.dispute(paid(shop), FactKind.DISPUTE_OPENED, FactKind.DISPUTE_WITHDRAWN)


def dispute_lost(shop: Shop) -> None:
    shop.gateway.dispute(disputed(shop), FactKind.DISPUTE_LOST)


def disputed_twice(shop: Shop) -> None:
    payment_id = paid(shop)
    shop.gateway.dispute(payment_id, FactKind.DISPUTE_OPENED, amount_minor=10_00)
    shop.deliver_all()
    shop.gateway.dispute(payment_id, FactKind.DISPUTE_OPENED, dispute_id="dp_other", amount_minor=20_00)


def dispute_won(shop: Shop) -> None:
    shop.gateway.dispute(disputed(shop), FactKind.DISPUTE_WON, FactKind.DISPUTE_REINSTATED)


def late_effect(shop: Shop) -> None:
    """An attempt was given up as absent; its payment turns up afterwards."""
    shop.open(*WITH_CARD).serve(50_00)
    shop.gateway.fail(Operation.CHARGE, Fault.LOST_AFTER)
    shop.accept_bill()
    (payment,) = shop.gateway.payments.values()
    del shop.gateway.payments[payment.payment_id]
    shop.clock.instant += timedelta(hours=25)
    shop.wait(minutes=5)
    assert [leg.payment_id for leg in shop.tab.legs] not in ([], [payment.payment_id]), "it was charged anew"
    shop.gateway.payments[payment.payment_id] = payment


def card_removed(shop: Shop) -> None:
    held(shop)
    customer = shop.store.get_customer(shop.merchant_id, shop.customer_id)
    shop.gateway.remove_card_there(shop.card.card_id, customer.customer_ref)


def pointer_lost(shop: Shop) -> None:
    shop.store._pointers.pop((shop.gateway.account, paid(shop)))


def stalled(shop: Shop) -> None:
    """Nobody has swept for two hours."""
    shop.open(*EVERYTHING).serve(50_00)
    shop.clock.instant += timedelta(hours=26)


MISSED = [
    Missed(lost_outcome, (Code.OUTCOME_NOT_RECORDED,), lambda shop: shop.tab.status == Status.CLOSED),
    Missed(crash_while_holding, (Code.OUTCOME_NOT_RECORDED,), lambda shop: shop.tab.held_minor == 20_00),
    Missed(lost_capture, (Code.OUTCOME_NOT_RECORDED,), lambda shop: shop.tab.paid_minor == 50_00),
    Missed(lost_release, (Code.OUTCOME_NOT_RECORDED,), lambda shop: shop.tab.status == Status.CLOSED),
    Missed(lost_refund, (Code.OUTCOME_NOT_RECORDED,), lambda shop: shop.tab.paid_minor == 40_00),
    Missed(paid_on_the_phone, (Code.OUTCOME_NOT_RECORDED,), lambda shop: shop.tab.status == Status.CLOSED),
    Missed(canceled_on_the_phone, (Code.OUTCOME_NOT_RECORDED,), lambda shop: not shop.tab.attempts),
    Missed(lost_decline, (Code.OUTCOME_NOT_RECORDED,), lambda shop: not shop.tab.attempts),
    Missed(late_capture, (Code.EFFECT_AFTER_END,), lambda shop: shop.tab.holds[0].captured_minor == 20_00),
    Missed(foreign_capture, (Code.CAPTURED_PAST_US,), lambda shop: shop.tab.holds[0].captured_minor == 20_00),
    Missed(hold_expired, (Code.HOLD_ENDED, Code.OVERDUE), lambda shop: shop.tab.holds[0].state == HoldState.EXPIRED),
    Missed(canceled_there, (Code.HOLD_ENDED,), lambda shop: shop.tab.holds[0].state == HoldState.RELEASED),
    Missed(refund_by_hand, (Code.REFUND_PAST_US,), lambda shop: shop.tab.paid_minor == 35_00),
    Missed(refund_settled, (Code.REFUND_CHANGED,), lambda shop: shop.tab.legs[0].refunded_minor == 10_00),
    Missed(refund_failed, (Code.REFUND_CHANGED,), lambda shop: shop.tab.refund_owed_minor == 10_00),
    Missed(dispute_unheard, (Code.DISPUTE_NOT_RECORDED,), lambda shop: shop.tab.has_open_dispute),
    Missed(disputed_twice, (Code.DISPUTE_NOT_RECORDED,), lambda shop: len(shop.tab.legs[0].disputes) == 2),
    Missed(dispute_lost, (Code.DISPUTE_CHANGED,), lambda shop: shop.tab.payment_state == "written_off"),
    Missed(dispute_won, (Code.DISPUTE_CHANGED,), lambda shop: shop.tab.payment_state == "paid"),
    Missed(late_effect, (Code.EFFECT_AFTER_END,), lambda shop: len(shop.tab.legs) == 2),
    Missed(card_removed, (Code.EVENT_MISSED,), lambda shop: shop.tab.card is None),
    Missed(pointer_lost, (Code.POINTER_MISSING,), lambda shop: len(shop.store._pointers) == 2),
    Missed(stalled, (Code.OVERDUE,), lambda shop: shop.tab.status == Status.CLOSED),
]


@pytest.mark.parametrize("missed", MISSED, ids=lambda missed: missed.happens.__name__)
def test_what_news_explains_is_named_and_brought_in(shop: Shop, missed: Missed) -> None:
    """The difference is named; repaired, the books agree; a second run finds nothing and changes nothing."""
    missed.happens(shop)
    assert not missed.then(shop), "else there is nothing to repair"

    result = run(shop)

    assert said(result) == sorted((code, True) for code in missed.codes)
    assert result.open_findings == []
    assert missed.then(shop)
    shop.check_books()
    before = shop.tab
    assert said(run(shop)) == []
    assert shop.tab == before


@pytest.mark.parametrize("missed", MISSED, ids=lambda missed: missed.happens.__name__)
def test_without_repair_nothing_is_written(shop: Shop, missed: Missed) -> None:
    """Only looking names the same differences, and leaves them."""
    missed.happens(shop)
    before = shop.tab

    result = run(shop, repair=False)

    assert said(result) == sorted((code, False) for code in missed.codes)
    assert shop.tab == before
    assert not missed.then(shop)


def test_an_excess_that_turns_up_late_is_given_back(shop: Shop) -> None:
    """Money rule 4: what was given up and charged again, and then found, is adopted and refunded."""
    late_effect(shop)

    run(shop)
    shop.sweep_until_quiet()

    assert (shop.tab.paid_minor, shop.tab.refund_owed_minor) == (50_00, 0)
    shop.check_books()


# What only a person can explain


@dataclass(frozen=True)
class Broken:
    """Something is not as it can be. `codes`: how it is named."""

    happens: Callable[[Shop], object]
    codes: tuple[Code, ...]


def change_tab(shop: Shop, **fields: Any) -> None:
    """Somebody edits the snapshot by hand."""
    shop.store._tabs[shop.merchant_id, shop.tab_id] = replace(shop.tab, **fields)


def another(shop: Shop, like: str, **fields: Any) -> Payment:
    """Another payment at the gateway that looks like this one."""
    made = replace(shop.gateway.payments[like], **{"payment_id": "pi_other", "refunds": [], **fields})
    shop.gateway.payments[made.payment_id] = made
    return made


def tab_deleted(shop: Shop) -> None:
    paid(shop)
    del shop.store._tabs[shop.merchant_id, shop.tab_id]


def all_rows_deleted(shop: Shop) -> None:
    tab_deleted(shop)
    shop.store._entries.clear()
    shop.store._attempts.clear()
    shop.store._facts.clear()


def merchant_deleted(shop: Shop) -> None:
    paid(shop)
    shop.store._merchants.clear()


def no_such_attempt(shop: Shop) -> None:
    another(shop, paid(shop), attempt_id="att_nobody")


def no_such_attempt_waiting(shop: Shop) -> None:
    another(
        shop, paid(shop), attempt_id="att_nobody", state="authorized", is_hold=True, capture_before=shop.clock.now()
    )


def no_such_attempt_asking(shop: Shop) -> None:
    """Nothing has moved yet; whoever confirms it pays for a tab that did not ask."""
    another(shop, paid(shop), attempt_id="att_nobody", state="canceled")


def no_such_attempt_adopted(shop: Shop) -> None:
    """The webhook was heard: the payment is on the tab, and given back, and still nobody has asked for it."""
    shop.gateway._tell(another(shop, paid(shop), attempt_id="att_nobody"))
    shop.deliver_all()
    assert len(shop.tab.legs) == 2


def made_twice(shop: Shop) -> None:
    another(shop, paid(shop))


def held_twice(shop: Shop) -> None:
    another(shop, held(shop))


def made_twice_unknown(shop: Shop) -> None:
    """Neither is on the tab: there is no telling which of them it should be."""
    lost_outcome(shop)
    (payment_id,) = shop.gateway.payments
    another(shop, payment_id)


def payment_gone(shop: Shop) -> None:
    del shop.gateway.payments[paid(shop)]


def payment_and_pointer_gone(shop: Shop) -> None:
    """Nothing need lead from what does not exist."""
    payment_gone(shop)
    shop.store._pointers.clear()


def hold_gone(shop: Shop) -> None:
    del shop.gateway.payments[held(shop)]


def less_was_charged(shop: Shop) -> None:
    shop.gateway.payments[paid(shop)].captured_minor = 49_99


def less_is_held(shop: Shop) -> None:
    shop.gateway.payments[held(shop)].amount_minor = 19_99


def other_currency(shop: Shop) -> None:
    shop.gateway.payments[paid(shop)].currency = "USD"


def other_account(shop: Shop) -> None:
    """Our metadata, where the tab's merchant has nothing to sell."""
    connected(shop)
    another(shop, paid(shop), account="acct_1", attempt_id="att_x")


def not_charged_at_all(shop: Shop) -> None:
    shop.gateway.payments[paid(shop)].state = "canceled"


def hold_undone(shop: Shop) -> None:
    shop.gateway.payments[held(shop)].state = "waiting"


def still_held(shop: Shop) -> None:
    """Closed and released in our books; at the gateway the money is held."""
    payment = shop.gateway.payments[held(shop)]
    cancel_tab(shop.deps, shop.tab_id, "ill", request=shop.request(shop.owner))
    shop.deliver_all()
    assert shop.tab.status == Status.CLOSED
    payment.state = "authorized"


def captured_after_release(shop: Shop) -> None:
    still_held(shop)
    (payment,) = shop.gateway.payments.values()
    payment.state, payment.captured_minor = "paid", 20_00


def refund_gone(shop: Shop) -> None:
    shop.gateway.payments[refunded(shop)].refunds.clear()


def refund_of_another_amount(shop: Shop) -> None:
    shop.gateway.payments[refunded(shop)].refunds[0].amount_minor = 10_01


def refund_of_nobody(shop: Shop) -> None:
    payment = shop.gateway.payments[refunded(shop)]
    payment.refunds.append(replace(payment.refunds[0], refund_id="re_other", attempt_id="att_nobody"))


def refunded_twice(shop: Shop) -> None:
    payment = shop.gateway.payments[refunded(shop)]
    payment.refunds.append(replace(payment.refunds[0], refund_id="re_other"))


def refund_unfailed(shop: Shop) -> None:
    refunded(shop)
    (refund,) = shop.gateway.payments[shop.tab.legs[0].payment_id].refunds
    refund.state = "failed"
    shop.gateway._tell(shop.gateway.payments[shop.tab.legs[0].payment_id], refund)
    shop.deliver_all()
    refund.state = "succeeded"


def refund_unsettled(shop: Shop) -> None:
    shop.gateway.payments[refunded(shop)].refunds[0].state = "pending"


def dispute_gone(shop: Shop) -> None:
    shop.gateway.payments[disputed(shop)].disputes.clear()


def dispute_reopened(shop: Shop) -> None:
    payment_id = disputed(shop)
    shop.gateway.dispute(payment_id, FactKind.DISPUTE_LOST)
    shop.deliver_all()
    shop.gateway.payments[payment_id].disputes[0].kind = FactKind.DISPUTE_OPENED


def dispute_of_another_amount(shop: Shop) -> None:
    payment = shop.gateway.payments[disputed(shop)]
    payment.disputes[0].amount_minor = 1


def pointer_elsewhere(shop: Shop) -> None:
    key = (shop.gateway.account, paid(shop))
    shop.store._pointers[key] = replace(shop.store._pointers[key], tab_id="tab_other")


def entry_deleted(shop: Shop) -> None:
    paid(shop)
    del shop.store._entries[shop.merchant_id, shop.tab_id][2]


def posting_deleted(shop: Shop) -> None:
    """What is not there can't be added up."""
    paid(shop)
    entries = shop.store._entries[shop.merchant_id, shop.tab_id]
    entries.remove(next(entry for entry in entries if entry.postings))


def attempt_deleted(shop: Shop) -> None:
    refunded(shop)
    (refund,) = [key for key, attempt in shop.store._attempts.items() if attempt.operation == Operation.REFUND]
    del shop.store._attempts[refund]


def fact_deleted(shop: Shop) -> None:
    paid(shop)
    shop.store._facts.clear()


def ledger_edited(shop: Shop) -> None:
    paid(shop)
    change_tab(shop, balances={**shop.tab.balances, "stripe_balance": 51_00})


def leg_edited(shop: Shop) -> None:
    paid(shop)
    change_tab(shop, legs=(replace(shop.tab.legs[0], amount_minor=51_00),))


def posting_edited(shop: Shop) -> None:
    paid(shop)
    entries = shop.store._entries[shop.merchant_id, shop.tab_id]
    number = next(number for number, entry in enumerate(entries) if entry.postings)
    entries[number] = replace(entries[number], postings=entries[number].postings[:1])


def leg_deleted(shop: Shop) -> None:
    """The charge is gone from the snapshot, and the attempt says that it succeeded."""
    paid(shop)
    change_tab(shop, legs=())


BROKEN = [
    Broken(tab_deleted, (Code.TAB_MISSING,)),
    Broken(all_rows_deleted, (Code.TAB_MISSING,)),
    Broken(merchant_deleted, (Code.MERCHANT_MISSING,)),
    Broken(no_such_attempt, (Code.ATTEMPT_MISSING,)),
    Broken(no_such_attempt_waiting, (Code.ATTEMPT_MISSING,)),
    Broken(no_such_attempt_asking, (Code.ATTEMPT_MISSING,)),
    Broken(no_such_attempt_adopted, (Code.ATTEMPT_MISSING,)),
    Broken(made_twice, (Code.MADE_TWICE,)),
    Broken(held_twice, (Code.MADE_TWICE,)),
    Broken(made_twice_unknown, (Code.MADE_TWICE, Code.MADE_TWICE)),
    Broken(payment_gone, (Code.OBJECT_MISSING,)),
    Broken(payment_and_pointer_gone, (Code.OBJECT_MISSING,)),
    Broken(hold_gone, (Code.OBJECT_MISSING,)),
    Broken(less_was_charged, (Code.AMOUNT_DIFFERS,)),
    Broken(less_is_held, (Code.AMOUNT_DIFFERS,)),
    Broken(other_currency, (Code.CURRENCY_DIFFERS,)),
    Broken(other_account, (Code.ACCOUNT_DIFFERS,)),
    Broken(not_charged_at_all, (Code.STATE_DIFFERS,)),
    Broken(hold_undone, (Code.STATE_DIFFERS,)),
    Broken(still_held, (Code.HOLD_STILL_LIVE,)),
    Broken(captured_after_release, (Code.STATE_DIFFERS,)),
    Broken(refund_gone, (Code.OBJECT_MISSING,)),
    Broken(refund_of_another_amount, (Code.AMOUNT_DIFFERS,)),
    Broken(refund_of_nobody, (Code.ATTEMPT_MISSING,)),
    Broken(refunded_twice, (Code.MADE_TWICE,)),
    Broken(refund_unfailed, (Code.STATE_DIFFERS,)),
    Broken(refund_unsettled, (Code.STATE_DIFFERS,)),
    Broken(dispute_gone, (Code.OBJECT_MISSING,)),
    Broken(dispute_reopened, (Code.STATE_DIFFERS,)),
    Broken(dispute_of_another_amount, (Code.AMOUNT_DIFFERS,)),
    Broken(pointer_elsewhere, (Code.POINTER_ELSEWHERE,)),
    Broken(entry_deleted, (Code.RECORD_MISSING,)),
    Broken(posting_deleted, (Code.RECORD_MISSING,)),
    Broken(attempt_deleted, (Code.RECORD_MISSING,)),
    Broken(fact_deleted, (Code.RECORD_MISSING,)),
    Broken(ledger_edited, (Code.LEDGER_WRONG,)),
    Broken(leg_edited, (Code.AMOUNT_DIFFERS, Code.LEDGER_WRONG, Code.RECORD_MISSING)),
    Broken(posting_edited, (Code.LEDGER_WRONG,)),
    Broken(leg_deleted, (Code.LEDGER_WRONG, Code.STATE_DIFFERS)),
]


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.happens.__name__)
def test_what_nobody_can_explain_is_named_and_left_alone(shop: Shop, broken: Broken) -> None:
    """The difference is named and nothing is written or called; a second run says the same."""
    broken.happens(shop)
    before, calls = dict(shop.store._tabs), [call for call in shop.gateway.calls if call in list(Operation)]

    result = run(shop)

    assert said(result) == sorted((code, False) for code in broken.codes)
    assert result.open_findings == result.findings
    assert dict(shop.store._tabs) == before
    assert [call for call in shop.gateway.calls if call in list(Operation)] == calls
    assert said(run(shop)) == said(result)


def test_every_code_is_told_apart_by_a_test() -> None:
    """The stories above know every kind of difference there is, and which are repaired."""
    repaired = {code for missed in MISSED for code in missed.codes}
    left = {code for broken in BROKEN for code in broken.codes}

    assert repaired == REPAIRABLE
    assert left == set(Code) - REPAIRABLE


# What the gateway keeps


def test_a_fee_is_posted_once(shop: Shop) -> None:
    """No webhook tells of it. It is no difference, and no affair of the customer's."""
    payment_id = paid(shop)
    shop.gateway.payments[payment_id].fee_minor = 1_00
    before = shop.tab

    first, second = run(shop), run(shop)

    assert (said(first), first.fees_posted, said(second), second.fees_posted) == ([], 1, [], 0)
    assert shop.tab.balances[Account.STRIPE_FEES] == 1_00
    assert shop.tab.balances[Account.STRIPE_BALANCE] == 49_00
    assert (shop.tab.status, shop.tab.paid_minor) == (before.status, before.paid_minor)


def test_the_fee_of_a_payment_that_is_only_now_found_is_posted_with_it(shop: Shop) -> None:
    """A second run has nothing left to do."""
    lost_outcome(shop)
    (payment,) = shop.gateway.payments.values()
    payment.fee_minor = 1_00

    first, second = run(shop), run(shop)

    assert (said(first), first.fees_posted) == ([(Code.OUTCOME_NOT_RECORDED, True)], 1)
    assert (said(second), second.fees_posted) == ([], 0)


@pytest.mark.parametrize("broken", [no_such_attempt, fact_deleted], ids=lambda broken: broken.__name__)
def test_no_fee_is_posted_for_what_is_not_ours_or_on_what_is_damaged(
    shop: Shop, broken: Callable[[Shop], object]
) -> None:
    """A fee goes with its payment."""
    broken(shop)
    for payment in shop.gateway.payments.values():
        payment.fee_minor = 1_00 if broken is fact_deleted or payment.attempt_id == "att_nobody" else 0

    assert run(shop).fees_posted == 0
    assert Account.STRIPE_FEES not in shop.tab.balances


def test_looking_alone_posts_no_fee(shop: Shop) -> None:
    """It writes nothing."""
    shop.gateway.payments[paid(shop)].fee_minor = 1_00

    assert run(shop, repair=False).fees_posted == 0
    assert Account.STRIPE_FEES not in shop.tab.balances


def test_a_tab_that_agrees_costs_no_call_of_its_own(shop: Shop) -> None:
    """The lists are walked once for all tabs; only what was given back or is not in them is asked for."""
    for _ in range(3):
        paid(shop)
    shop.gateway.calls.clear()

    assert said(run(shop)) == []
    assert sorted(shop.gateway.calls) == [
        "iter_accounts",
        "iter_events",
        "iter_events",
        "iter_payments",
        "iter_reversals",
    ]


# How far a run looks


def test_what_moves_is_left_to_the_next_run(shop: Shop) -> None:
    """A webhook that is a minute late is no difference: the tab is counted as in progress."""
    payment_id = paid(shop)
    shop.clock.instant += timedelta(hours=2)
    shop.gateway.refund_there(payment_id, 5_00)
    shop.clock.instant += timedelta(minutes=10)

    early = reconcile(shop.deps, shop.clock.now() - DAY)
    shop.clock.instant += timedelta(minutes=10)
    late = reconcile(shop.deps, shop.clock.now() - DAY)

    assert (said(early), early.in_progress) == ([], 1)
    assert (said(late), late.in_progress) == ([(Code.REFUND_PAST_US, True)], 0)


def test_a_tab_that_was_just_written_is_left_to_the_next_run(shop: Shop) -> None:
    """Between our two writes the books are ahead of each other, and nothing is wrong."""
    lost_outcome(shop)
    shop.clock.instant += timedelta(minutes=1)

    result = reconcile(shop.deps, shop.clock.now() - DAY)

    assert (said(result), result.in_progress) == ([], 1)


def test_something_that_happens_to_an_old_payment_is_found(shop: Shop) -> None:
    """The payment and the tab are older than the period; only the refund, or its event, is in it."""
    payment_id = paid(shop)
    shop.clock.instant += timedelta(days=20)
    shop.gateway.refund_there(payment_id, 5_00)

    assert said(run(shop)) == [(Code.REFUND_PAST_US, True)]


def test_an_old_hold_that_is_captured_past_us_is_found(shop: Shop) -> None:
    """Neither its payment was made nor its tab changed in the period: only the event is in it."""
    shop.open(*WITHOUT_CARD, starts_in_hours=95, deposit_minor=20_00)
    (waiting,) = shop.tab.attempts
    shop.gateway.confirm(waiting.payment_id or "")
    shop.deliver_all()
    shop.clock.instant += timedelta(hours=80)
    payment = shop.gateway.payments[waiting.payment_id or ""]
    payment.state, payment.captured_minor = "paid", 20_00
    shop.gateway._tell(payment)

    assert said(run(shop)) == [(Code.CAPTURED_PAST_US, True)]


def test_what_is_overdue_is_found_however_old_it_is(shop: Shop) -> None:
    """A tab that nothing happens to any more is the one that needs it most."""
    shop.open(*EVERYTHING).serve(50_00)
    shop.clock.instant += timedelta(days=20)

    assert said(run(shop)) == [(Code.OVERDUE, True)]


def test_a_booking_made_long_before_the_period_is_found_when_it_ends_in_it(shop: Shop) -> None:
    """A closed tab is found by when it last changed, not by when it was opened, though its payment is gone."""
    shop.open(*WITH_CARD, starts_in_hours=24 * 90)
    shop.clock.instant += timedelta(days=90)
    check_in(shop.deps, shop.tab_id, request=shop.request(shop.staff))
    shop.serve(50_00).accept_bill()
    shop.wait(minutes=1)
    assert shop.tab.status == Status.CLOSED
    shop.gateway.payments.clear()
    shop.gateway.events.clear()

    assert said(run(shop)) == [(Code.OBJECT_MISSING, False)]


def test_what_did_not_change_in_the_period_is_not_read_again(shop: Shop) -> None:
    """A run costs what has changed, not what exists."""
    paid(shop)
    shop.clock.instant += timedelta(days=20)

    result = run(shop)

    assert (result.tabs, result.payments) == (0, 0)


def test_payments_of_others_are_counted_and_not_reported(shop: Shop) -> None:
    """The merchant sells elsewhere too: what bears nothing of ours and is known to no pointer is foreign."""
    another(shop, paid(shop), merchant_id="", tab_id="", attempt_id="")

    result = run(shop)

    assert (said(result), result.foreign, result.payments) == ([], 1, 2)


def test_a_payment_whose_metadata_was_wiped_is_known_by_its_pointer(shop: Shop) -> None:
    """Somebody edits the payment at the gateway: it is still that tab's."""
    payment = shop.gateway.payments[paid(shop)]
    payment.merchant_id = payment.tab_id = payment.attempt_id = ""
    shop.gateway.refund_there(payment.payment_id, 5_00)

    result = run(shop)

    assert (said(result), result.foreign) == ([(Code.REFUND_PAST_US, True)], 0)


def test_each_account_is_walked_by_itself(shop: Shop) -> None:
    """The platform's merchants and the connected ones: each payment is looked for where its tab is kept."""
    paid(shop)
    other = connected(shop)
    paid(other)
    other.gateway.refund_there(other.tab.legs[0].payment_id, 5_00)
    foreign = another(other, other.tab.legs[0].payment_id, merchant_id="", tab_id="", attempt_id="")
    another(shop, foreign.payment_id, payment_id="pi_third", account=None)
    told: list[tuple[int, int]] = []

    result = run(shop, progress=lambda done, total: told.append((done, total)))

    assert said(result) == [(Code.REFUND_PAST_US, True)]
    assert (result.findings[0].difference.account, other.tab.paid_minor) == ("acct_1", 45_00)
    assert (result.accounts, result.tabs, result.payments, result.foreign) == (2, 2, 4, 2)
    assert told[-1] == (2, 2)


def test_a_payment_in_another_account_than_its_tab_is_for_a_person(shop: Shop) -> None:
    """Our metadata, where the tab's merchant has nothing to sell."""
    other = connected(shop)
    another(shop, paid(shop), account="acct_1", attempt_id="att_x")
    paid(other)

    (finding,) = run(shop).findings

    found = finding.difference
    assert (found.code, found.account, found.object_id) == (Code.ACCOUNT_DIFFERS, "acct_1", "pi_other")
    assert (found.merchant_id, found.tab_id, found.attempt_id) == (shop.merchant_id, shop.tab_id, "att_x")
    assert found.text == "Payment pi_other is in account acct_1, the tab in the platform."


def test_every_account_that_there_was_no_time_for_is_named(shop: Shop) -> None:
    """The next run begins with another one."""
    connected(shop)

    result = run(shop, has_time=lambda: False)

    assert sorted(result.unread) == [
        "There was no time left for acct_1.",
        "There was no time left for the platform's own account.",
    ]


@pytest.mark.parametrize("call", ["iter_payments", "iter_events", "iter_reversals"])
def test_an_account_that_cannot_be_read_makes_the_run_incomplete(shop: Shop, call: str) -> None:
    """Nothing found is not the same as nothing there."""
    paid(shop)
    shop.gateway.fail(call, Fault.LOST_BEFORE)

    result = run(shop)

    assert not result.is_complete
    assert "platform" in result.unread[0]


def test_a_tab_that_cannot_be_read_stops_nobody_else(shop: Shop) -> None:
    """One look-up is lost: that tab is named, the others are compared."""
    refunded(shop)
    first = shop.tab_id
    refund_by_hand(shop)
    shop.gateway.fail("find_payment", Fault.LOST_BEFORE)

    result = run(shop)

    assert result.unread == [f"Tab {first} could not be reconciled: GatewayUnavailable."]
    assert (said(result), result.tabs) == ([(Code.REFUND_PAST_US, True)], 1)


def test_a_payment_that_does_not_name_its_attempt_is_known_by_it(shop: Shop) -> None:
    """Somebody has edited the metadata: the attempt itself knows that this is its payment."""
    paid_on_the_phone(shop)
    (payment,) = shop.gateway.payments.values()
    payment.attempt_id = ""

    assert said(run(shop)) == [(Code.OUTCOME_NOT_RECORDED, True)]
    assert shop.tab.paid_minor == 50_00


def test_what_a_bank_took_back_is_no_refund_of_the_gateways(shop: Shop) -> None:
    """A dispute is lost and more was paid than is due: that counts as given back, and is looked for nowhere."""
    late_effect(shop)
    shop.gateway.dispute("pi_2", FactKind.DISPUTE_OPENED, FactKind.DISPUTE_WITHDRAWN, FactKind.DISPUTE_LOST)
    shop.deliver_all()
    run(shop)
    shop.sweep_until_quiet()
    assert any(dispute.returned_minor for leg in shop.tab.legs for dispute in leg.disputes)

    assert said(run(shop)) == []


def test_without_time_the_rest_is_left_and_said(shop: Shop) -> None:
    """A Lambda ends; what it has not seen is named, and no account is always the last."""
    paid(shop)
    paid(shop)
    # For the account, its first batch, one tab of it.
    answers = iter([True, True, True, False])

    result = run(shop, has_time=lambda: next(answers))

    assert (result.tabs, result.is_complete) == (1, False)
    assert result.unread[0].startswith("There was no time left for tab tab_")


def test_a_damaged_tab_is_not_written_on(shop: Shop) -> None:
    """Its own rows can't be trusted: not even what news explains is brought in."""
    refund_by_hand(shop)
    shop.store._facts.clear()
    before = shop.tab

    result = run(shop)

    assert said(result) == [(Code.RECORD_MISSING, False), (Code.REFUND_PAST_US, False)]
    assert shop.tab == before


def test_a_repair_goes_on_with_what_follows(shop: Shop) -> None:
    """A hold captured past us on a booking that is then canceled free of charge is given back at once."""
    foreign_capture(shop)
    cancel_tab(shop.deps, shop.tab_id, "ill", request=shop.request(shop.owner))

    run(shop)

    assert (shop.tab.status, shop.tab.paid_minor) == (Status.CLOSED, 0)
    shop.check_books()


def test_an_empty_period_is_refused(shop: Shop) -> None:
    """Else a mistyped date would read as a clean book."""
    for since in (shop.clock.now(), shop.clock.now() - SETTLING):
        with pytest.raises(InvalidInput, match="is empty"):
            reconcile(shop.deps, since)


def test_progress_is_told_tab_by_tab(shop: Shop) -> None:
    """How many have been looked at, of how many."""
    paid(shop)
    paid(shop)
    told: list[tuple[int, int]] = []

    run(shop, progress=lambda done, total: told.append((done, total)))

    assert told == [(1, 2), (2, 2)]
