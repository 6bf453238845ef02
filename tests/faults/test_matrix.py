"""A seeded sample of the fault matrix, its table, and proof that it detects broken promises.

All of it is `make faults`.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from chalicelib.adapters.memory_store import MemoryStore
from chalicelib.adapters.stripe import params, values
from chalicelib.adapters.stripe.gateway import StripeGateway
from chalicelib.domain.tab import agenda, crediting, followup
from chalicelib.domain.tab.attempt import AttemptState, Failure, Operation
from chalicelib.domain.tab.draft import Draft
from chalicelib.domain.tab.facts import apply, attempt_outcomes, legs
from chalicelib.domain.tab.facts.fact import Fact, FactKind
from chalicelib.domain.tab.payments import LegKind
from chalicelib.domain.tab.step import StepKind
from chalicelib.domain.tab.tab import Tab
from chalicelib.usecases.news import events
from chalicelib.usecases.tab import attempts
from tests.faults.matrix.run import play
from tests.faults.matrix.table import (
    OF_STORE,
    ON_SESSION,
    REFUNDS,
    RULES,
    SPLITS,
    Aftershock,
    Boundary,
    Cell,
    Fault,
    Order,
    Use,
    cells,
    every_cell,
    excluded_by,
    exclusions,
    sample,
    shaken,
)
from tests.faults.matrix.world import impatient_sdk

SEED = 20260105


@pytest.fixture(autouse=True)
def _impatient_sdk() -> Iterator[None]:
    with impatient_sdk():
        yield


@pytest.mark.parametrize("cell", sample(80, SEED), ids=lambda cell: cell.name)
def test_money_comes_out_right(cell: Cell):
    assert play(cell, MemoryStore()).problems == []


@pytest.mark.parametrize(("cell", "aftershocks"), shaken(30, SEED), ids=lambda given: getattr(given, "name", None))
def test_money_comes_out_right_where_more_goes_wrong_after_it(cell: Cell, aftershocks: tuple[Aftershock, ...]):
    assert play(cell, MemoryStore(), aftershocks).problems == []


# The table


def test_every_combination_is_played_or_excluded_by_a_rule():
    """30 uses, 8 boundaries, 16 faults, 5 orders; no rule is there that excludes nothing."""
    assert len(every_cell()) == 30 * 8 * 16 * 5 == len(cells()) + exclusions().total()
    assert set(exclusions()) == {rule.why for rule in RULES}


def test_nothing_is_excluded_whole():
    """Whatever moves money meets every boundary, every order and, but for the bank's word, every fault.

    Splitting moves none: it meets every fault of a write, and every order.
    """
    played = Counter((cell.use, kind) for cell in cells() for kind in (cell.boundary, cell.fault, cell.order))

    missing = {(use, kind) for use in Use for kind in (*Boundary, *Fault, *Order) if not played[use, kind]}

    of_bank = {Fault.DECLINE_TRY_AGAIN, Fault.DECLINE_NEVER, Fault.DECLINE_DATA, Fault.SCA}
    no_bank = REFUNDS | {Use.CARD_GONE, Use.CAPTURE, Use.RELEASE, Use.NO_SHOW, Use.HOLD_EXPIRING, Use.EVIDENCE}
    phone_answers = {(use, Order.BEFORE) for use in ON_SESSION}
    told_once = {(Use.CARD_GONE, Order.REORDERED)}
    of_a_write = {Fault.DEATH, Fault.LAMBDA_TIMEOUT, Fault.WRITE_ANSWER_LOST} | OF_STORE
    one_write = {Boundary.BEFORE_FIRST_WRITE, Boundary.AFTER_FIRST_WRITE}
    no_money = {*Fault, *Boundary} - of_a_write - one_write
    assert missing == (
        set(itertools.product(no_bank, of_bank)) | set(itertools.product(SPLITS, no_money)) | phone_answers | told_once
    )


def test_a_sample_is_the_same_for_the_same_seed_and_leaves_no_kind_out():
    chosen = sample(80, SEED)

    assert chosen == sample(80, SEED) != sample(80, SEED + 1)
    assert {kind for cell in chosen for kind in (cell.use, cell.boundary, cell.fault, cell.order)} == {
        *Use,
        *Boundary,
        *Fault,
        *Order,
    }
    assert all(excluded_by(cell) is None for cell in chosen)
    assert shaken(30, SEED) == shaken(30, SEED) != shaken(30, SEED + 1)


# It can fail


def test_evidence_that_is_sent_without_being_looked_for_is_told(monkeypatch: pytest.MonkeyPatch):
    """A lost answer taken for a failure: the bank has it, and the owner is told that it has not."""
    cell = "evidence/after_effect/lost_answer/never"
    assert broken(cell) == []

    monkeypatch.setattr(attempts, "_unknown", attempts._absent)

    assert "somebody was told: evidence_due" in broken(cell)


def broken(name: str) -> list[str]:
    use, boundary, fault, order = name.split("/")
    return play(Cell(Use(use), Boundary(boundary), Fault(fault), Order(order)), MemoryStore()).problems


def test_without_idempotency_keys_a_card_is_charged_twice(monkeypatch: pytest.MonkeyPatch):
    """The first call is still on its way when the schedule asks, sees nothing and makes it again."""
    numbers = itertools.count()
    monkeypatch.setattr(params, "idempotency_key", lambda attempt, stage: f"key-{next(numbers)}")

    problems = broken("off_session_charge/before_effect/lambda_timeout/after")

    assert any("made 2 objects at Stripe" in problem for problem in problems)
    assert "the app has charged 11000, expected 5500" in problems


def test_what_is_written_ahead_and_never_looked_at_again_is_not_done(monkeypatch: pytest.MonkeyPatch):
    begin = Draft.begin

    def forgetful(draft: Draft, *given: Any, check_at: Any, **fields: Any) -> Any:
        return begin(draft, *given, check_at=check_at + timedelta(days=365), **fields)

    monkeypatch.setattr(Draft, "begin", forgetful)

    assert "the app has captured 0, expected 1500" in broken("capture/after_first_write/death/never")


def test_a_fact_applied_twice_is_in_the_books_twice(monkeypatch: pytest.MonkeyPatch):
    def charged(draft: Draft, fact: Fact) -> None:
        legs.take(draft, fact, LegKind.CHARGE)
        if attempt := attempt_outcomes.attempt_of(draft, fact, Operation.CHARGE):
            draft.end_attempt(attempt, AttemptState.SUCCEEDED)

    monkeypatch.setitem(apply._APPLY, FactKind.CHARGED, charged)
    monkeypatch.setattr(Fact, "key", None)

    assert broken("late_cancel/before_first_write/lost_version_race/after")


def test_a_split_without_its_record_is_refused_when_it_is_sent_again(monkeypatch: pytest.MonkeyPatch):
    """The first answer was lost, and the links in it are known to nobody."""
    monkeypatch.setattr(MemoryStore, "find_record", lambda *given: None)
    read = MemoryStore.get_tab_and_record
    monkeypatch.setattr(MemoryStore, "get_tab_and_record", lambda *given: (read(*given)[0], None))

    assert "the request, repeated, was not answered" in broken("split/after_first_write/death/after")


def test_a_time_out_taken_for_a_failure_loses_a_payment(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(attempts, "_unknown", attempts._absent)

    problems = broken("late_cancel/after_effect/lost_answer/never")

    assert any(problem.startswith("Stripe took 1000 by pi_") for problem in problems)


def test_a_request_that_is_not_remembered_is_told(monkeypatch: pytest.MonkeyPatch):
    commit = attempts.commit
    monkeypatch.setattr(attempts, "commit", lambda deps, change, record=None, event=None: commit(deps, change))

    assert "the request, repeated, was not answered" in broken("capture/after_second_write/death/never")


def test_a_hold_that_nobody_lets_go_of_is_told(monkeypatch: pytest.MonkeyPatch):
    steps = agenda._hold_steps
    monkeypatch.setattr(
        agenda, "_hold_steps", lambda tab: (step for step in steps(tab) if step.kind != StepKind.RELEASE)
    )

    assert any("a hold is still live" in problem for problem in broken("release/before_first_write/death/after"))


def test_a_bank_whose_advice_is_not_followed_is_told(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(followup, "_wait", lambda policy, tries, failure: timedelta(days=2))
    monkeypatch.setattr(Failure, "is_final", False)

    problems = broken("automatic_charge/before_effect/decline_do_not_try_again/after")

    assert "it is closed/paid with 0 owed, not due/partly_paid with 5500" in problems


def test_a_card_that_is_tried_again_after_its_bank_refused_it_is_told(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(followup, "_wait", lambda policy, tries, failure: timedelta(days=2))
    monkeypatch.setattr(Tab, "may_use_card", property(lambda tab: tab.card is not None))

    problems = broken("automatic_charge/before_effect/decline_do_not_try_again/after")

    assert any("is tried again, which its bank has refused for good" in problem for problem in problems), problems


@pytest.mark.parametrize("what", ["account", "mode", "currency"])
def test_news_of_others_that_is_believed_is_told(monkeypatch: pytest.MonkeyPatch, what: str):
    """Between what is written ahead and its outcome: our metadata on a payment that is not ours."""
    cell = "off_session_charge/after_first_write/death/never"
    read = StripeGateway.read_event
    assert broken(cell) == []

    if what == "account":
        monkeypatch.setattr(events, "_check_account", lambda deps, event, tab: None)
    elif what == "mode":
        trusting = lambda gateway, *given: replace(read(gateway, *given), is_of_our_mode=True)  # noqa: E731
        monkeypatch.setattr(StripeGateway, "read_event", trusting)
    else:
        monkeypatch.setattr(apply, "_flag_currency", apply_whatever_the_currency)

    assert any(problem.startswith("pi_foreign") for problem in broken(cell))


def apply_whatever_the_currency(draft: Draft, fact: Fact) -> None:
    apply.apply_fact(draft, replace(fact, currency=draft.tab.currency))


def test_a_customer_that_is_gone_and_not_made_anew_is_told(monkeypatch: pytest.MonkeyPatch):
    cell = "customer_gone/after_effect/lost_answer/never"
    assert broken(cell) == []

    monkeypatch.setattr(StripeGateway, "_is_customer_gone", lambda gateway, account, customer_ref: False)

    assert "the app has charged 0, expected 4500" in broken(cell)


def test_a_card_that_is_gone_and_taken_for_a_refused_call_is_told(monkeypatch: pytest.MonkeyPatch):
    cell = "card_gone/after_effect/lost_answer/never"
    assert broken(cell) == []

    monkeypatch.setattr(StripeGateway, "_what_creation_left", lambda gateway, tab, attempt, error: ())

    assert any(problem.startswith("flagged: ") for problem in broken(cell)), broken(cell)


def test_a_dispute_that_names_its_charge_only_and_is_not_heard_is_told(monkeypatch: pytest.MonkeyPatch):
    cell = "refund_beside_loss/before_first_write/death/before"
    assert broken(cell) == []

    monkeypatch.setattr(
        StripeGateway, "_payment_of", lambda gateway, account, found: values.id_of(found.get("payment_intent"))
    )

    assert "a dispute is heard of, whatever its event leaves null" in broken(cell)[0]


def test_a_fault_that_does_not_happen_is_told(monkeypatch: pytest.MonkeyPatch):
    """Nor does a webhook come in an order in which none came."""
    from tests.faults.matrix.traps import Trap

    monkeypatch.setattr(Trap, "arm", lambda trap, standin: None)

    assert broken("refund/before_effect/death/twice") == ["the fault did not happen", "no webhook came twice"]


def test_credit_that_is_not_taken_back_is_found(monkeypatch: pytest.MonkeyPatch):
    """A refund that leaves what the tab has earned."""
    monkeypatch.setattr(crediting, "_still_due_minor", lambda tab, given: given.kept_minor)

    problems = broken("credit_reversed/after_effect/lost_answer/never")

    assert "the customer has 590 of credit, not 460" in problems
