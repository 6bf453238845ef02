"""Requests: decided on the current tab, answered equally when repeated, and without effect when refused."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from chalicelib.domain.errors import (
    Contention,
    DomainError,
    Forbidden,
    IdempotencyMismatch,
    InvalidInput,
    NotFound,
    PaymentInProgress,
    RequestInProgress,
    StaleVersion,
    TransitionRefused,
)
from chalicelib.domain.tab import due_steps
from chalicelib.domain.tab.actor import Actor, Role
from chalicelib.domain.tab.attempt import AttemptState, Operation
from chalicelib.domain.tab.commands import bill
from chalicelib.domain.tab.commands.booking import Limits
from chalicelib.domain.tab.draft import Draft
from chalicelib.domain.tab.status import Status
from chalicelib.usecases.tab.bill import accept_bill, waive
from chalicelib.usecases.tab.booking import cancel_tab, check_in, mark_no_show, open_tab, propose_promise
from chalicelib.usecases.tab.payment import charge_saved_card, pay_on_phone
from tests.unit.till import terms
from tests.usecases.fake_gateway import CLOSE, CardBehaviour, Fault
from tests.usecases.shop import WITH_CARD, WITHOUT_CARD, Shop


def somebody_else_proposes(shop: Shop, times: int = 1) -> None:
    """Before the next commits, a colleague's change comes first."""
    commit = shop.store.commit
    left = times

    def racing(change, **rest):  # type: ignore[no-untyped-def]
        nonlocal left
        if left and change.base_version:
            left -= 1
            draft = Draft(shop.tab, now=shop.clock.now(), by=shop.owner, new_id=shop.deps.ids.new)
            draft.record("note")
            other = due_steps.conclude(draft)
            assert other is not None
            commit(other)
        return commit(change, **rest)

    shop.store.commit = racing  # type: ignore[method-assign]


# Versions


def test_a_command_that_lost_the_race_is_decided_anew(shop: Shop) -> None:
    """Somebody else wrote first: the caller notices nothing, and neither change is lost."""
    shop.open(*WITH_CARD).serve(50_00)
    somebody_else_proposes(shop)

    shop.accept_bill()

    assert shop.tab.status == Status.CLOSED
    assert "note" in shop.kinds()
    shop.check_books()


def test_a_command_that_always_loses_gives_up_and_has_done_nothing(shop: Shop) -> None:
    """After eight rounds the caller is told to try again."""
    shop.open(*WITH_CARD).serve(50_00)
    somebody_else_proposes(shop, times=100)

    with pytest.raises(Contention):
        shop.accept_bill()

    assert shop.tab.status == Status.IN_REVIEW
    assert shop.gateway.payments == {}


def test_an_outcome_that_lost_every_race_is_no_error_for_the_caller(shop: Shop) -> None:
    """The money moved; who asked for it is not told that it did not. The schedule brings the outcome in."""
    shop.open(*WITH_CARD).serve(50_00)
    shop.gateway.on_call = lambda call: somebody_else_proposes(shop, times=8) if call == Operation.CHARGE else None

    answer = shop.accept_bill()
    assert answer.attempt is not None
    assert answer.attempt.state == AttemptState.PENDING

    shop.gateway.on_call = None
    shop.wait(minutes=2)
    assert shop.tab.status == Status.CLOSED
    shop.check_books()


def test_an_outcome_waits_for_others_who_are_at_work_on_the_tab(shop: Shop) -> None:
    """The store gives up for a change that met others again and again; for money that has moved we come back."""
    shop.open(*WITH_CARD).serve(50_00)
    commit = shop.store.commit
    busy = 3

    def meeting_others(change, **rest):  # type: ignore[no-untyped-def]
        nonlocal busy
        if busy and change.closed_attempts:
            busy -= 1
            raise Contention("Others are at work on the tab.")
        return commit(change, **rest)

    shop.store.commit = meeting_others  # type: ignore[method-assign]

    shop.accept_bill()

    assert busy == 0
    assert shop.tab.status == Status.CLOSED
    shop.check_books()


def test_a_stale_if_match_is_refused(shop: Shop) -> None:
    """Who decided on an older version looks again first."""
    shop.open(*WITH_CARD).serve(50_00)
    version = shop.tab.version

    with pytest.raises(StaleVersion) as refused:
        shop.accept_bill(version=version - 1)

    assert refused.value.context["version"] == version
    assert shop.tab.version == version


def test_if_match_with_a_lost_race_is_refused_and_not_decided_anew(shop: Shop) -> None:
    """The version that was agreed to is gone."""
    shop.open(*WITH_CARD).serve(50_00)
    somebody_else_proposes(shop)

    with pytest.raises(StaleVersion):
        shop.accept_bill(version=shop.tab.version)

    assert shop.tab.status == Status.IN_REVIEW


def test_if_match_holds_through_the_closing_of_a_payment(shop: Shop) -> None:
    """Our own closing of the phone's payment does not make the caller's version stale."""
    shop.open(*WITH_CARD).serve(50_00)
    pay_on_phone(shop.deps, shop.tab_id, request=shop.request(shop.ada))

    shop.accept_bill(version=shop.tab.version)

    assert shop.tab.status == Status.CLOSED


# The same request again


def test_a_repeated_change_is_answered_from_its_snapshot(shop: Shop) -> None:
    """The same answer as the first time, though the tab has moved on."""
    shop.open(*WITH_CARD)
    request = shop.request(shop.staff)
    first = propose_promise(shop.deps, shop.tab_id, Limits(cap_minor=300_00), request=request)
    shop.accept(*WITH_CARD)

    again = propose_promise(shop.deps, shop.tab_id, Limits(cap_minor=300_00), request=request)

    assert again.replayed
    assert again.tab == first.tab


def test_a_repeated_payment_is_answered_from_its_attempt_and_charges_once(shop: Shop) -> None:
    """The attempt says what has become of it."""
    shop.open(*WITH_CARD).serve(50_00)
    first = shop.accept_bill(key="tap")

    again = shop.accept_bill(key="tap")

    assert again.replayed
    assert again.attempt == first.attempt
    assert again.attempt is not None
    assert again.attempt.state == AttemptState.SUCCEEDED
    assert len(shop.gateway.payments) == 1


def test_a_repeated_payment_that_is_unknown_is_answered_with_that(shop: Shop) -> None:
    """Not an error, and no second call."""
    shop.open(*WITH_CARD).serve(50_00)
    shop.gateway.fail(Operation.CHARGE, Fault.LOST_AFTER)
    shop.accept_bill(key="tap")

    again = shop.accept_bill(key="tap")

    assert again.attempt is not None
    assert again.attempt.state == AttemptState.UNKNOWN
    assert shop.gateway.calls.count(Operation.CHARGE) == 1


def test_a_repeated_payment_still_under_way_is_told_to_wait(shop: Shop) -> None:
    """For thirty seconds; after that the attempt as it is."""
    shop.open(*WITH_CARD).serve(50_00)
    shop.gateway.fail(Operation.CHARGE, Fault.CRASH_AFTER)
    shop.crashing(lambda: shop.accept_bill(key="tap"))

    with pytest.raises(RequestInProgress) as refused:
        shop.accept_bill(key="tap")
    assert refused.value.context["retry_after_s"] == 30

    shop.clock.instant += timedelta(seconds=30)
    again = shop.accept_bill(key="tap")
    assert again.attempt is not None
    assert again.attempt.state == AttemptState.PENDING


def test_a_key_used_for_another_request_is_refused(shop: Shop) -> None:
    """422, and nothing is changed."""
    shop.open(*WITH_CARD).serve(50_00)
    shop.accept_bill(key="tap", body="a tip of 0")

    with pytest.raises(IdempotencyMismatch):
        shop.accept_bill(500, key="tap", body="a tip of 5")


def test_a_key_that_was_refused_may_be_used_again(shop: Shop) -> None:
    """Requests that commit nothing store no key."""
    shop.open(*WITH_CARD).serve(50_00)
    with pytest.raises(InvalidInput):
        shop.accept_bill(-1, key="tap", body="a tip of -1")

    shop.accept_bill(0, key="tap", body="a tip of 0")

    assert shop.tab.status == Status.CLOSED


def test_a_key_is_forgotten_after_a_day(shop: Shop) -> None:
    """Then the same request is a new one, judged by the tab as it is."""
    shop.open(*WITH_CARD).serve(50_00)
    shop.accept_bill(key="tap")
    shop.clock.instant += timedelta(hours=24, seconds=1)

    with pytest.raises(TransitionRefused):
        shop.accept_bill(key="tap")


def test_opening_twice_with_one_key_opens_one_tab(shop: Shop) -> None:
    """The second answer is the first tab."""
    request = shop.request(shop.staff)

    first = open_tab(shop.deps, shop.customer_id, terms(), request=request)
    again = open_tab(shop.deps, shop.customer_id, terms(), request=request)

    assert first.tab.tab_id == again.tab.tab_id
    assert again.replayed


# The same request at the same moment: what is read together is not read at one instant


def overtaken_by_itself(shop: Shop) -> None:
    """The next record is read before the same request was carried out by another process, its tab afterwards."""
    read = shop.store.get_tab_and_record

    def torn(*given):  # type: ignore[no-untyped-def]
        shop.store.get_tab_and_record = read  # type: ignore[method-assign]
        return read(*given)[0], None

    shop.store.get_tab_and_record = torn  # type: ignore[method-assign]


def test_a_request_that_overtook_itself_is_answered_and_not_refused(shop: Shop) -> None:
    """The tab refuses to accept its bill twice; the same request, sent twice at once, did so once and is answered."""
    shop.open(*WITH_CARD).serve(50_00)
    first = shop.accept_bill(key="tap")
    overtaken_by_itself(shop)

    again = shop.accept_bill(key="tap")

    assert again.replayed
    assert again.attempt == first.attempt
    assert len(shop.gateway.payments) == 1


def test_with_if_match_it_is_answered_too(shop: Shop) -> None:
    """The version that it was decided on is gone because it was carried out."""
    shop.open(*WITH_CARD).serve(50_00)
    version = shop.tab.version
    shop.accept_bill(key="tap", version=version)
    overtaken_by_itself(shop)

    again = shop.accept_bill(key="tap", version=version)

    assert again.replayed


def test_it_is_never_answered_with_the_tab_from_before(shop: Shop) -> None:
    """Read the other way round, the record is there and the tab is not yet changed: the answer shows what was done."""
    shop.open(*WITH_CARD).serve(50_00)
    before = shop.tab
    first = shop.accept_bill(key="tap")
    read = shop.store.get_tab_and_record
    shop.store.get_tab_and_record = lambda *given: (before, read(*given)[1])  # type: ignore[method-assign]

    again = shop.accept_bill(key="tap")

    assert again.tab == first.tab
    assert again.attempt == first.attempt


def test_another_request_under_its_key_is_still_refused(shop: Shop) -> None:
    """Whoever uses a key for something else learns that, and not what the tab says to it."""
    shop.open(*WITH_CARD).serve(50_00)
    shop.accept_bill(key="tap", body="a tip of 0")
    overtaken_by_itself(shop)

    with pytest.raises(IdempotencyMismatch):
        shop.accept_bill(500, key="tap", body="a tip of 5")


# Who may


def test_another_customers_tab_is_not_found(shop: Shop) -> None:
    """As if it did not exist."""
    shop.open(*WITH_CARD).serve(50_00)
    eve = replace(shop.ada, subject="eve", customer_id="cus_eve")

    with pytest.raises(NotFound):
        accept_bill(shop.deps, shop.tab_id, 0, request=shop.request(eve))


def test_another_merchants_tab_is_not_found(shop: Shop) -> None:
    """Nor is a tab of another business, or of any for an operator."""
    shop.open(*WITH_CARD)
    for stranger in (
        Actor(subject="x", role=Role.STAFF, merchant_id="mer_other"),
        Actor(subject="root", role=Role.OPERATOR),
    ):
        with pytest.raises(NotFound):
            cancel_tab(shop.deps, shop.tab_id, "mine", request=shop.request(stranger))


# What waits on the phone is closed before the amount changes (money rule 6)


def on_the_phone(shop: Shop) -> str:
    shop.open(*WITH_CARD).serve(50_00)
    answer = pay_on_phone(shop.deps, shop.tab_id, request=shop.request(shop.ada))
    assert answer.attempt is not None
    assert answer.attempt.payment_id is not None
    return answer.attempt.payment_id


def test_accepting_with_a_tip_closes_the_payment_without_it_first(shop: Shop) -> None:
    """The sheet for 50 is closed; 55 are charged to the card."""
    payment_id = on_the_phone(shop)

    shop.accept_bill(5_00)

    assert shop.gateway.payments[payment_id].state == "canceled"
    assert shop.tab.paid_minor == 55_00
    shop.check_books()


def test_a_payment_made_in_that_moment_is_adopted_and_the_change_refused(shop: Shop) -> None:
    """The customer has paid 50 on the phone: the tip is refused with 409, not charged on top."""
    payment_id = on_the_phone(shop)
    shop.gateway.confirm(payment_id)

    with pytest.raises(PaymentInProgress):
        shop.accept_bill(5_00)

    assert shop.tab.paid_minor == 50_00
    assert shop.tab.tip_minor == 0
    shop.check_books()


def test_a_fee_paid_in_that_moment_is_not_waived_unseen(shop: Shop) -> None:
    """Who waives an unpaid fee is told that it has been paid; waiving it now is a decision of its own."""
    shop.open(*WITHOUT_CARD, starts_in_hours=24, no_show_fee_minor=30_00).wait(hours=25)
    mark_no_show(shop.deps, shop.tab_id, request=shop.request(shop.staff))
    answer = pay_on_phone(shop.deps, shop.tab_id, request=shop.request(shop.ada))
    assert answer.attempt is not None
    shop.gateway.confirm(answer.attempt.payment_id or "")

    with pytest.raises(PaymentInProgress):
        waive(shop.deps, shop.tab_id, "ill", request=shop.request(shop.staff))
    assert shop.tab.paid_minor == 30_00

    waive(shop.deps, shop.tab_id, "ill", request=shop.request(shop.staff))
    assert shop.tab.paid_minor == 0
    shop.check_books()


def test_a_payment_that_is_processing_refuses_the_change(shop: Shop) -> None:
    """Its outcome is not known yet."""
    payment_id = on_the_phone(shop)
    shop.gateway.payments[payment_id].state = "processing"

    with pytest.raises(PaymentInProgress):
        shop.accept_bill(5_00)

    assert shop.attempt(Operation.CHARGE).state == AttemptState.UNKNOWN


def test_a_payment_that_could_not_be_closed_refuses_the_change(shop: Shop) -> None:
    """No answer is no closing."""
    on_the_phone(shop)
    shop.gateway.fail(CLOSE, Fault.LOST_AFTER)

    with pytest.raises(PaymentInProgress):
        shop.accept_bill(5_00)

    assert shop.tab.status == Status.IN_REVIEW


def test_a_refused_command_does_not_close_the_payment(shop: Shop) -> None:
    """Staff may not accept a bill, and a customer may not waive one: the sheet on the phone stays open."""
    payment_id = on_the_phone(shop)
    before = shop.tab

    for act in (
        lambda: accept_bill(shop.deps, shop.tab_id, 0, request=shop.request(shop.staff)),
        lambda: waive(shop.deps, shop.tab_id, "please", request=shop.request(shop.ada)),
        lambda: shop.accept_bill(-5),
    ):
        with pytest.raises((Forbidden, InvalidInput)):
            act()

    assert shop.tab == before
    assert shop.gateway.payments[payment_id].state == "waiting"


def test_taking_back_a_no_show_closes_the_payment_of_its_fee_first(shop: Shop) -> None:
    """And where the customer has just paid the fee, the no-show stands until somebody decides about that."""
    shop.open(*WITHOUT_CARD, starts_in_hours=24, no_show_fee_minor=30_00).wait(hours=25)
    mark_no_show(shop.deps, shop.tab_id, request=shop.request(shop.staff))
    answer = pay_on_phone(shop.deps, shop.tab_id, request=shop.request(shop.ada))
    assert answer.attempt is not None
    shop.gateway.confirm(answer.attempt.payment_id or "")

    with pytest.raises(DomainError):
        check_in(shop.deps, shop.tab_id, request=shop.request(shop.staff))

    assert (shop.tab.paid_minor, shop.tab.status) == (30_00, Status.NO_SHOW)


def test_asking_for_the_phone_again_hands_out_the_same_payment(shop: Shop) -> None:
    """A second tap, with a new key, shows the same sheet."""
    payment_id = on_the_phone(shop)

    again = pay_on_phone(shop.deps, shop.tab_id, request=shop.request(shop.ada))

    assert again.attempt is not None
    assert again.attempt.payment_id == payment_id
    assert len(shop.gateway.payments) == 1


def test_the_banks_question_about_a_charge_is_handed_to_the_phone(shop: Shop) -> None:
    """The customer finishes the very charge that was begun without them."""
    shop.gateway.cards["pm_1"] = CardBehaviour.ASKS
    shop.open(*WITH_CARD).serve(50_00).accept_bill()

    answer = pay_on_phone(shop.deps, shop.tab_id, request=shop.request(shop.ada))
    assert answer.attempt is not None
    assert answer.attempt.client_secret is not None
    shop.gateway.confirm(answer.attempt.payment_id or "")
    shop.deliver_all()

    assert shop.tab.status == Status.CLOSED
    assert len(shop.gateway.payments) == 1


def test_charging_the_card_instead_closes_the_phone(shop: Shop) -> None:
    """One payment, not two."""
    payment_id = on_the_phone(shop)

    charge_saved_card(shop.deps, shop.tab_id, request=shop.request(shop.ada))

    assert shop.gateway.payments[payment_id].state == "canceled"
    assert shop.tab.paid_minor == 50_00
    shop.check_books()


def test_commands_and_use_cases_refuse_alike(shop: Shop) -> None:
    """A use case refuses what the domain refuses, with the domain's own words."""
    shop.open(*WITH_CARD)
    draft = Draft(shop.tab, now=shop.clock.now(), by=shop.ada, new_id=shop.deps.ids.new)
    with pytest.raises(TransitionRefused) as by_domain:
        bill.accept_bill(draft, 0)
    with pytest.raises(TransitionRefused) as by_use_case:
        shop.accept_bill()

    assert by_domain.value.detail == by_use_case.value.detail


def test_a_tip_is_only_the_customers_own_act(shop: Shop) -> None:
    """Neither silence nor staff gives one."""
    shop.open(*WITH_CARD).serve(50_00)

    with pytest.raises(Forbidden):
        accept_bill(shop.deps, shop.tab_id, 5_00, request=shop.request(shop.owner))
    shop.wait(days=1)

    assert shop.tab.tip_minor == 0
