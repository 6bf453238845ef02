"""Every invariant detects its violation: a sound tab has no problem, and each damage is reported."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from inspect import isfunction
from typing import Any

import pytest

from devstack import invariants
from devstack.acknowledged import Acknowledged
from devstack.invariants import (
    Objects,
    by_tab,
    check_claims,
    check_dry,
    check_everything,
    check_told,
    every_dispute_is_in_the_books,
    price_is_of_the_outcome,
    the_higher_price_needs_a_word,
)

Json = dict[str, Any]


@dataclass
class World:
    """A closed tab: 20.00 of a deposit of 30.00 captured, 55.00 charged, 5.00 of that refunded."""

    tab: Json
    history: list[Json]
    payments: list[Json]
    refunds: list[Json]

    def problems(self) -> list[str]:
        found = by_tab(self.payments, self.refunds).get("tab_1", Objects())
        return check_everything(self.tab, self.history, found)


def sound() -> World:
    return World(
        tab={
            "tab_id": "tab_1",
            "currency": "EUR",
            "version": 9,
            "status": "closed",
            "payment_state": "paid",
            "promise": {
                "cap_minor": 8000,
                "no_show_fee_minor": 1500,
                "late_cancel_fee_minor": 1000,
                "promise_sha256": SEALED,
                "deposit_minor": 3000,
                "accepted": {
                    "consents": ["automatic_charge", "cap"],
                    "method": "app",
                    "accepted_at": "2026-01-05T09:00:00Z",
                },
                "review_window_s": 86400,
                "tiers": [],
                "silence_percent": None,
                "starts_at": "2026-01-06T09:00:00Z",
            },
            "card": None,
            "starts_at": "2026-01-06T09:00:00Z",
            "deposit": {"state": "captured"},
            "needs": [],
            "items": [{"item_id": "itm_1", "amount_minor": 7500, "material": False}],
            "presented_at": "2026-01-06T10:00:00Z",
            "price_percent": 100,
            "tier_percent": None,
            "contest": None,
            "total_minor": 7000,
            "tip_minor": 0,
            "adjusted_minor": 500,
            "written_off_minor": 0,
            "fee": None,
            "parent": None,
            "outcome": "fulfilled",
            "paid_minor": 7000,
            "amount_due_minor": 7000,
            "balance_minor": 0,
            "refund_owed_minor": 0,
            "cash_to_return_minor": 0,
            "ledger": {"customer_receivable": 0, "service_revenue": -7000, "stripe_balance": 7000},
            "holds": [{"payment_id": "pi_1", "amount_minor": 3000, "captured_minor": 2000, "state": "captured"}],
            "legs": [leg("pi_1", "capture", 2000), leg("pi_2", "charge", 5500, refunded_minor=500)],
            "flags": [],
            "pause": None,
            "next_action": None,
            "payment": None,
        },
        history=[
            entry(1, "completed", ("customer_receivable", 7500), ("service_revenue", -7500)),
            begun(2, "att_1", "place_hold", 3000),
            ended(3, "att_1"),
            begun(4, "att_2", "capture", 2000, "pi_1"),
            taken(5, "captured", "pi_1", 2000),
            ended(6, "att_2"),
            begun(7, "att_3", "charge", 5500),
            taken(8, "charged", "pi_2", 5500),
            ended(9, "att_3"),
            entry(10, "bill_adjusted", ("customer_receivable", -500), ("service_revenue", 500), amount_minor=500),
            begun(11, "att_4", "refund", 500, "pi_2"),
            entry(12, "refunded", ("customer_receivable", 500), ("stripe_balance", -500)),
            ended(13, "att_4"),
            accepted(14, "words", "cap"),
            entry(15, "consents_added", consents=["automatic_charge"]),
        ],
        payments=[
            payment("pi_1", "att_1", "place_hold", 3000, received=2000),
            payment("pi_2", "att_3", "charge", 5500, received=5500),
        ],
        refunds=[
            {
                "id": "re_1",
                "status": "succeeded",
                "payment_intent": "pi_2",
                "currency": "eur",
                "amount": 500,
                "metadata": {"tab": "tab_1", "attempt": "att_4", "purpose": "refund"},
            }
        ],
    )


def leg(payment_id: str, kind: str, amount: int, **given: Any) -> Json:
    none = {"refunded_minor": 0, "refund_pending_minor": 0, "refunded_elsewhere_minor": 0, "disputes": []}
    return {"payment_id": payment_id, "kind": kind, "amount_minor": amount, **none, **given}


def entry(seq: int, kind: str, *postings: tuple[str, int], **details: Any) -> Json:
    posted = [{"account": account, "amount_minor": minor} for account, minor in postings]
    at = f"2026-01-06T09:{seq:02}:00Z"
    return {"seq": seq, "at": at, "by": "sam", "kind": kind, "details": details, "postings": posted}


SEALED = sha256(b"words").hexdigest()


def accepted(seq: int, text: str, *consents: str, at: str = "2026-01-05T09:00:00Z", **given: Any) -> Json:
    details = {"promise_sha256": SEALED, "text": text, "method": "app", "consents": consents, "free_cancel_until": None}
    return entry(seq, "promise_accepted", **{**details, **given}) | {"at": at}


def canceled(seq: int, at: str, fee_minor: int) -> Json:
    return entry(seq, "canceled", by_role="customer", fee_minor=fee_minor) | {"at": at}


def begun(seq: int, attempt_id: str, operation: str, amount: int, payment_id: str | None = None) -> Json:
    details = {"attempt_id": attempt_id, "operation": operation, "amount_minor": amount, "payment_id": payment_id}
    return entry(seq, "attempt_begun", **details, card_id="pm_1", with_customer=False) | {"by": "aftertab"}


def ended(seq: int, attempt_id: str, state: str = "succeeded") -> Json:
    return entry(seq, "attempt_ended", attempt_id=attempt_id, operation="", state=state)


def taken(seq: int, kind: str, payment_id: str, amount: int) -> Json:
    return entry(
        seq, kind, ("stripe_balance", amount), ("customer_receivable", -amount), payment_id=payment_id, amount=amount
    )


def payment(payment_id: str, attempt_id: str, purpose: str, amount: int, *, received: int) -> Json:
    return {
        "id": payment_id,
        "status": "succeeded",
        "capture_method": "manual" if purpose == "place_hold" else "automatic",
        "currency": "eur",
        "amount": amount,
        "amount_received": received,
        "amount_capturable": 0,
        "metadata": {"tab": "tab_1", "attempt": attempt_id, "purpose": purpose},
    }


def damaged(*path: Any, to: Any) -> World:
    """The sound world with one thing in it changed."""
    world = sound()
    place: Any = world
    *way, last = path
    for step in way:
        place = getattr(place, step) if isinstance(place, World) else place[step]
    place[last] = to
    return world


def test_a_sound_tab_has_no_problem():
    assert sound().problems() == []


LIVE = {"payment_id": "pi_1", "amount_minor": 3000, "captured_minor": 0, "state": "live"}
TOO_MUCH = {"payment_id": "pi_1", "amount_minor": 3000, "captured_minor": 3001, "state": "captured"}
OF_TWO_AT_ONCE = begun(10, "att_5", "charge", 100)


@pytest.mark.parametrize(
    ("path", "to", "said"),
    [
        (("tab", "ledger", "stripe_balance"), 6999, "the ledger sums to -1"),
        (("tab", "ledger", "customer_receivable"), 1, "the receivable is 1, the balance 0"),
        (("tab", "balance_minor"), 7, "the balance is 7, of 7000 7000 is paid"),
        (("tab", "holds", 0), TOO_MUCH, "3001 captured of pi_1, which holds 3000"),
        (("tab", "holds", 0, "state"), "released", "pi_1 is released, and 2000 of it captured"),
        (("tab", "starts_at"), "2026-01-07T09:00:00Z", "it starts at 2026-01-07T09:00:00Z, promised was 2026-01-06"),
        (("tab", "total_minor"), 8001, "the total is 8001, the cap 8000"),
        (("tab", "fee"), {"kind": "no_show", "amount_minor": 1501}, "a fee of 1501, disclosed were 1500"),
        (("tab", "legs", 1, "refunded_minor"), 5501, "5501 given back of pi_2, which took 5500"),
        (("tab", "amount_due_minor"), 6999, "1 too much is kept, 0 said to be owed back"),
        (("tab", "ledger", "refund_payable"), -5, "5 is payable as refunds, 0 owed back and 0 on its way"),
        (("tab", "holds", 0), LIVE, "a hold is still live on a tab that is closed, and nothing will be done about it"),
        (("tab", "holds", 0), LIVE, "a hold is still live"),
        (("tab", "cash_to_return_minor"), 1, "1 is to be handed back, 0 of cash is kept"),
        (("history", 0, "postings", 0, "amount_minor"), 7501, "entry 1 (completed) sums to 1"),
        (("history", 9, "postings"), [], "the ledger is {'service_revenue': -7000, 'stripe_balance': 7000}, its"),
        (("history", 4, "seq"), 6, "the entries are numbered [1, 2, 3, 4, 6, 6,"),
        (("history", 4, "details", "payment_id"), "pi_2", "pi_2 has 2 postings"),
        (("tab", "legs", 0, "payment_id"), "pi_2", "pi_2 has 2 legs"),
        (("history", 5), entry(6, "noted"), "at entry 7 2 attempts take money at once: att_2, att_3"),
        (("history", 2), ended(3, "att_2"), "att_2 began 1 times and ended 2 times"),
        (("history", 1), entry(2, "noted"), "att_1 ended and never began"),
        (("history", 12), entry(13, "noted"), "att_4 (refund) has no outcome, and nobody is told"),
        (("tab", "next_action"), {"at": "2026-01-05T09:00:00Z"}, "something is still to happen"),
        (("tab", "amount_due_minor"), 6000, "1000 too much is kept, and nobody is told"),
        (("payments", 1, "amount_received"), 5499, "we say 5500 was taken by pi_2, Stripe says 5499"),
        (("payments", 1, "currency"), "jpy", "pi_2 is in JPY, the tab in EUR"),
        (("payments", 1, "amount"), 5499, "we have 5500 in pi_2, Stripe 5499"),
        (("payments", 1, "id"), "pi_3", "pi_2 is in our books only"),
        (("payments", 1, "id"), "pi_3", "Stripe took 5500 by pi_3, our books say 0"),
        (("payments", 0, "capture_method"), "automatic", "pi_1 is a capture in our books, and none at Stripe"),
        (("payments", 0, "status"), "requires_capture", "Stripe took 0 by pi_1, our books say 2000"),
        (("refunds", 0, "amount"), 499, "Stripe gave 499 back of pi_2, our books say 500"),
        (("refunds", 0, "status"), "failed", "Stripe gave 0 back of pi_2, our books say 500"),
        (("payments", 1, "metadata", "attempt"), "att_9", "pi_2 is of att_9, which is not in the tab's history"),
        (("payments", 1, "metadata", "attempt"), "att_1", "att_1 made 2 objects at Stripe"),
        (("payments", 1, "metadata", "purpose"), "place_hold", "pi_2 is for a place_hold, att_3 for a charge"),
        (("history", 6), begun(7, "att_3", "charge", 5501), "pi_2 is over 5500, att_3 over 5501"),
        (("refunds", 0, "metadata", "attempt"), None, "att_4 (refund) succeeded, and Stripe has nothing of it"),
        (("payments", 0, "amount_received"), 1999, "att_2 (capture) is over 2000, Stripe did 1999"),
    ],
)
def test_each_damage_is_told(path: tuple[Any, ...], to: Any, said: str):
    problems = damaged(*path, to=deepcopy(to)).problems()

    assert any(problem.startswith(said) for problem in problems), problems


def later(*entries: Json) -> World:
    """A sound tab, with these entries after its own, an hour and more apart."""
    world = sound()
    at = datetime(2026, 1, 5, 9, tzinfo=UTC)
    last = world.history[-1]["seq"]
    for number, one in enumerate(entries, start=1):
        world.history.append({**one, "seq": last + number, "at": (at + number * timedelta(hours=25)).isoformat()})
    return world


def test_an_accepted_appointment_that_is_moved_over_the_customers_head_is_later():
    problems = later(entry(0, "noted"), entry(0, "rescheduled")).problems()

    assert any("is moved, and the customer has not said yes" in problem for problem in problems)


@pytest.mark.parametrize("unpaid", ["bill_presented", "items_added"])
def test_a_hold_that_is_lost_beside_a_bill_is_later(unpaid: str):
    consents = entry(0, "consents_added", consents=["capture_before_expiry"])
    lost = entry(0, "hold_expiring", action="none: it is left to expire")

    problems = later(consents, entry(0, unpaid), lost).problems()

    assert any("a hold is left to end beside a bill" in problem for problem in problems)


def fee_taken(*, after_hours: float, closed_after_days: float) -> World:
    """A sound tab, but for a no-show's fee that was taken and became final so long after it was announced."""
    announced_at = datetime(2026, 1, 5, 9, tzinfo=UTC)
    world = sound()
    world.tab["fee"] = {"kind": "no_show", "amount_minor": 1500}
    world.tab["written_off_minor"] = 0
    world.tab["closed_at"] = (announced_at + timedelta(days=closed_after_days)).isoformat()
    for seq, kind, at, details in (
        (16, "fee_due", announced_at, {"fee": "no_show"}),
        (17, "settlement_planned", announced_at + timedelta(hours=after_hours), {"reason": "fee"}),
    ):
        world.history.append({**entry(seq, kind, **details), "at": at.isoformat()})
    return world


def test_a_fee_that_is_taken_or_final_too_soon_is_told():
    assert fee_taken(after_hours=24, closed_after_days=14).problems() == []
    assert fee_taken(after_hours=23, closed_after_days=14).problems() == [
        "a no-show's fee is taken 23:00:00 after it was announced"
    ]
    assert fee_taken(after_hours=24, closed_after_days=13).problems() == [
        "a fee can't be contested any more, 13 days, 0:00:00 after it was announced"
    ]


PRESENTED = entry(16, "bill_presented") | {"at": "2026-01-06T10:00:00Z"}
TOLD = entry(17, "bill_told") | {"at": "2026-01-06T11:00:00Z"}
TOO_SOON = {"at": "2026-01-06T08:59:59Z"}


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ([begun(16, "att_5", "charge", 9) | TOO_SOON], "at entry 16 9 are taken unasked before the promised start"),
        (
            [
                entry(16, "bill_accepted"),
                entry(17, "contested", contested_minor=1),
                begun(18, "att_5", "capture", 100, "pi_1") | TOO_SOON,
            ],
            "at entry 18 100 are taken unasked before the promised start",
        ),
        (
            [PRESENTED, TOLD, entry(18, "review_ended") | {"at": "2026-01-07T10:59:59Z"}],
            "at entry 18 the review ends 0:00:01 too soon",
        ),
        (
            [PRESENTED, entry(17, "review_ended") | {"at": "2026-01-08T10:00:00Z"}],
            "at entry 17 the review ends, and the customer does not know the bill",
        ),
        ([PRESENTED, begun(17, "att_5", "charge", 100)], "at entry 17 100 are charged while the bill is under review"),
        (
            [entry(16, "card_refused", card_id="pm_1"), begun(17, "att_5", "charge", 100)],
            "at entry 17 pm_1 is tried again, which its bank has refused for good",
        ),
        (
            [entry(16, "bill_accepted"), begun(16, "att_5", "charge", 100) | {"by": "sam", "seq": 17}],
            "at entry 17 sam accepts, and the bank is told that nobody is there",
        ),
        ([entry(16, "bill_adjusted", amount_minor=1)], "500 are off the bill, agreed on were 501"),
    ],
)
def test_each_charge_that_should_not_be_is_told(entries: list[Json], said: str):
    world = sound()
    world.history += entries

    assert any(problem.startswith(said) for problem in world.problems()), world.problems()


@pytest.mark.parametrize(
    "entries",
    [
        [entry(16, "bill_accepted"), begun(17, "att_5", "charge", 100) | TOO_SOON, ended(18, "att_5", "failed")],
        [PRESENTED, begun(17, "att_5", "capture", 100, "pi_1"), ended(18, "att_5", "failed")],
        [PRESENTED, TOLD, entry(18, "review_ended") | {"at": "2026-01-07T11:00:00Z"}],
        [
            entry(16, "card_refused", card_id="pm_1"),
            entry(17, "card_updated", card_id="pm_1"),
            begun(18, "att_5", "charge", 100),
            ended(19, "att_5", "failed"),
        ],
        [
            entry(16, "fee_due", fee="late_cancel"),
            begun(17, "att_5", "charge", 100) | TOO_SOON,
            ended(18, "att_5", "failed"),
        ],
    ],
)
def test_each_charge_that_was_agreed_to_is_sound(entries: list[Json]):
    world = sound()
    world.history += entries

    assert world.problems() == []


def test_a_tip_that_is_owed_is_told():
    world = damaged("tab", "tip_minor", to=500)
    world.tab |= {"status": "due", "payment_state": "owed", "balance_minor": 7000, "legs": []}

    assert "7000 are owed, of a bill of 6500 without the tip" in world.problems()


def test_a_bill_that_is_asked_for_no_more_is_with_the_owner():
    world = damaged("tab", "status", to="due")
    world.tab["balance_minor"] = 7000
    world.history.append(entry(16, "reminded"))
    said = "7000 are asked for no more, and the owner does not know"
    assert said in world.problems()
    world.tab["pause"] = {"by": "sam", "reason": "on holiday", "until": None}
    assert said not in world.problems()
    world.tab["pause"] = None

    world.history.append(entry(17, "collection_ended"))
    assert said not in world.problems()


def test_a_hold_that_only_stripe_has_is_told():
    world = sound()
    world.payments.append(
        payment("pi_3", "att_5", "place_hold", 700, received=0)
        | {"status": "requires_capture", "amount_capturable": 700}
    )

    assert "Stripe holds 700 in pi_3, our books say 0" in world.problems()


BOOKED = ("cap", "deposit_and_fees", "automatic_charge")
BY_CLOCK = {"by": "aftertab"}
UNTIL_TEN = accepted(16, "words", *BOOKED, free_cancel_until="2026-01-05T10:00:00Z")


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ([accepted(16, "other words", *BOOKED)], "the text of entry 16 is not the one that was sealed"),
        ([accepted(16, "words", "cap")], "the consents are ['automatic_charge', 'cap'], given were ['cap']"),
        (
            [accepted(16, "words", *BOOKED, method="in_person")],
            "entry 16 replaces in person what the customer had sealed",
        ),
        (
            [accepted(16, "words", *BOOKED, free_cancel_until="2026-01-05T09:59:59Z")],
            "entry 16 ends free cancelling at 2026-01-05 09:59:59+00:00, within an hour",
        ),
        (
            [entry(16, "checked_in"), canceled(17, "2026-01-05T09:00:00Z", 0)],
            "at entry 17 the customer cancels a service that has begun",
        ),
        (
            [entry(16, "contest_resolved", resolution="uphold") | BY_CLOCK],
            "at entry 16 nobody answered, and the contest was not waived",
        ),
        (
            [
                entry(16, "contested", contested_minor=1000),
                entry(17, "waived", amount_minor=1001) | BY_CLOCK,
                entry(18, "contest_resolved", resolution="waive") | BY_CLOCK,
            ],
            "at entry 17 1001 are waived, contested were 1000",
        ),
        ([entry(16, "cash_returned") | BY_CLOCK], "at entry 16 cash went back, and nobody handed it over"),
        ([UNTIL_TEN, canceled(17, "2026-01-05T10:00:00Z", 1000)], "cancelling cost 1000 at entry 17, promised were 0"),
        ([UNTIL_TEN, canceled(17, "2026-01-05T10:00:01Z", 0)], "cancelling cost 0 at entry 17, promised were 1000"),
        (
            [UNTIL_TEN, canceled(17, "2026-01-06T09:00:01Z", 1000)],
            "cancelling cost 1000 at entry 17, promised were 1500",
        ),
    ],
)
def test_each_broken_promise_is_told(entries: list[Json], said: str):
    world = sound()
    world.history += entries

    assert any(problem.startswith(said) for problem in world.problems()), world.problems()


@pytest.mark.parametrize(
    ("at", "fee_minor"), [("2026-01-05T10:00:00Z", 0), ("2026-01-06T09:00:00Z", 1000), ("2026-01-06T09:00:01Z", 1500)]
)
def test_cancelling_for_what_was_promised_is_sound(at: str, fee_minor: int):
    world = sound()
    world.history += [UNTIL_TEN, canceled(17, at, fee_minor)]
    world.tab["promise"]["accepted"]["consents"] = list(BOOKED)

    assert world.problems() == []


def test_a_far_deposit_keeps_a_card():
    world = damaged("tab", "promise", "accepted", "accepted_at", to="2025-12-30T08:59:59Z")
    said = "a deposit is accepted 7 days ahead, and no card may be kept for it"
    assert said in world.problems()

    assert damaged("tab", "promise", "accepted", "accepted_at", to="2025-12-30T09:00:00Z").problems() == []
    assert said not in damaged("tab", "promise", "accepted", "method", to="in_person").problems()
    world.tab["promise"]["accepted"]["consents"].append("card_on_file")
    assert said not in world.problems()


def test_a_deposit_that_waits_says_for_what():
    world = damaged("tab", "deposit", "state", to="wanted")
    world.tab["status"] = "booked"
    said = "the deposit is wanted, and nobody says what it needs"
    assert said in world.problems()

    assert said not in damaged("tab", "deposit", "state", to="wanted").problems()
    world.tab["needs"] = [{"action": "save_card"}]
    assert said not in world.problems()
    world.tab["needs"] = []
    world.history.append(begun(16, "att_5", "place_hold", 3000))
    assert said not in world.problems()


def test_a_promise_that_stands_was_accepted():
    world = damaged("tab", "promise", "promise_sha256", to="0" * 64)

    assert world.problems() == [f"the promise that stands is {'0' * 64}, the one that was accepted last {SEALED}"]


def test_what_is_flagged_or_disputed_may_be_more_than_is_due():
    """A person has been told: by itself nothing can be done any more."""
    tab = sound().tab | {"amount_due_minor": 6000}

    assert check_dry(tab) == ["1000 too much is kept, and nobody is told"]
    assert check_dry(tab | {"refund_owed_minor": 1000, "flags": [by_hand(1000)]}) == []
    assert check_dry(tab | {"refund_owed_minor": 1000, "cash_to_return_minor": 1000}) == []
    assert check_dry(tab | {"payment_state": "disputed"}) == []


def by_hand(amount_minor: int) -> dict:
    return {"kind": "refund_by_hand", "about": "pi_2", "reason": "the refund failed", "amount_minor": amount_minor}


def test_a_flag_about_something_else_excuses_nothing():
    """It would hide what became owed back, or unknown, after it."""
    stray = {"kind": "stray", "about": "re_9", "reason": "nobody knows it", "amount_minor": 0}
    tab = sound().tab | {"amount_due_minor": 6000, "refund_owed_minor": 1000, "flags": [stray]}

    assert check_dry(tab) == [
        "1000 too much is kept, and nobody is told",
        "1000 is owed back, 0 is said to be for a person",
    ]


def test_a_flag_says_what_is_owed_by_hand_as_it_is_now():
    """An obligation that came after the flag is in it."""
    tab = sound().tab | {"amount_due_minor": 6000, "refund_owed_minor": 1000, "flags": [by_hand(400)]}

    assert check_dry(tab) == ["1000 is owed back, 400 is said to be for a person"]


def test_news_that_comes_often_calls_nobody_before_the_ladder_is_used_up():
    """An attempt begun at 9:07 is unknown at 9:16, which says nothing yet."""
    world = sound()
    world.history.append(entry(16, "flagged", flag="outcome_unknown", about="att_3", reason="eight times processing"))

    assert "att_3 was given up on after 0:09:00, at entry 16" in world.problems()

    world.history[-1] |= {"at": "2026-01-06T11:00:00Z"}
    assert world.problems() == []


def test_a_deposit_captured_before_the_service_is_not_given_back_before_it():
    """Else it would be taken again for a fee, or the bill."""
    world = sound()
    world.history.append(begun(16, "att_5", "refund", 2000, "pi_1"))

    assert "the deposit pi_1 goes back before the service, at entry 16" in world.problems()

    world.history[-2] |= {"kind": "canceled", "details": {"by_role": "staff", "fee_minor": 0}}
    assert not [problem for problem in world.problems() if "goes back before" in problem]


def bank(**given: object) -> dict:
    dispute = {"dispute_id": "dp_1", "state": "lost", "amount_minor": 5500, "withdrawn_minor": 5500}
    return dispute | {"returned_minor": 0} | given


def test_what_a_bank_took_is_not_counted_as_given_back_twice():
    world = sound()
    world.tab["legs"][1]["disputes"] = [bank(amount_minor=3000, withdrawn_minor=3000, returned_minor=6000)]

    assert "6000 counts as given back of dispute dp_1 over 3000" in world.problems()


def test_an_inquiry_takes_no_money():
    world = sound()
    world.tab["legs"][1]["disputes"] = [bank(state="inquiry", withdrawn_minor=1)]

    assert "1 was taken of dispute dp_1 over 5500, which only asks" in world.problems()


def test_what_banks_keep_is_bad_debt_and_nothing_else_is():
    world = sound()
    world.tab["legs"][1]["disputes"] = [bank()]

    assert "bad debt is 0, 0 was written off and 5500 lost to banks" in world.problems()


def test_each_dispute_at_stripe_is_in_the_books_a_second_one_too():
    """As far as it has come there."""
    tab = sound().tab
    tab["legs"][1]["disputes"] = [bank(state="open")]
    theirs = [
        {"id": "dp_1", "status": "prevented", "payment_intent": "pi_2"},
        {"id": "dp_2", "status": "warning_needs_response", "payment_intent": "pi_2"},
    ]

    assert list(every_dispute_is_in_the_books(tab, Objects(disputes=theirs))) == [
        "dispute dp_1 is prevented, in our books open",
        "dispute dp_2 of pi_2 is not in our books",
    ]


def test_what_a_bank_gave_back_of_a_lost_dispute_is_no_refund_at_stripe():
    world = sound()
    world.refunds.clear()
    world.history = []

    assert "Stripe gave 0 back of pi_2, our books say 500" in world.problems()

    world.tab["legs"][1]["disputes"] = [bank(amount_minor=500, withdrawn_minor=500, returned_minor=500)]

    assert not [problem for problem in world.problems() if problem.startswith("Stripe gave")]


def test_while_news_is_on_its_way_we_may_lag_behind_stripe_and_never_claim_more():
    world = sound()
    world.tab["legs"].pop()
    objects = by_tab(world.payments, world.refunds)["tab_1"]

    assert check_claims(world.tab, objects) == []
    assert check_claims(sound().tab, Objects()) == ["pi_1 is in our books only"] * 2 + ["pi_2 is in our books only"]


def test_a_currency_that_stripe_counts_in_hundredths_is_compared_in_ours():
    """ISK has no cents, and goes to Stripe times a hundred."""
    world = damaged("tab", "currency", to="ISK")
    for made in (*world.payments, *world.refunds):
        made["currency"] = "isk"
        made |= {name: made[name] * 100 for name in ("amount", "amount_received", "amount_capturable") if name in made}

    assert world.problems() == []


# What was answered


def told(**changes: Any) -> Acknowledged:
    acknowledged = Acknowledged()
    acknowledged.note(sound().tab | changes)
    return acknowledged


@pytest.mark.parametrize(
    ("was", "now", "said"),
    [
        ({}, {}, None),
        ({"version": 10}, {}, "version 10 was told, it is at 9"),
        ({}, {"status": "due"}, "it was told to be closed, and is due"),
        ({}, {"legs": []}, "2000 were told to be taken by pi_1, which is in the books no more"),
        (
            {},
            {"legs": [leg("pi_1", "capture", 2000), leg("pi_2", "charge", 5500)]},
            "500 were told to be given back of pi_2, now it is 0",
        ),
        ({}, {"holds": []}, "3000 were told to be held in pi_1, which is in the books no more"),
        ({}, {"items": []}, "itm_1 was told to be on the bill, and is not in it"),
        (
            {"payment": {"attempt_id": "att_3", "state": "failed"}},
            {},
            "att_3 was told to have failed, and is succeeded",
        ),
        (
            {"payment": {"attempt_id": "att_9", "state": "succeeded"}},
            {},
            "att_9 was told to have succeeded, and is not",
        ),
    ],
)
def test_what_was_answered_stays_true(was: Json, now: Json, said: str | None):
    problems = told(**was).check(sound().tab | now, sound().history)

    assert problems[:1] == [] if said is None else problems[0].startswith(said)


def test_an_older_answer_takes_nothing_back():
    """A repeated request is answered from a snapshot of its time."""
    acknowledged = told()
    acknowledged.note(sound().tab | {"version": 3, "legs": [], "status": "due"})

    assert acknowledged.check(sound().tab, sound().history) == []
    assert acknowledged.check(sound().tab | {"version": 8}) == ["version 9 was told, it is at 8"]


def test_a_failed_refund_takes_back_what_was_told_of_it_and_a_person_knows():
    unpaid = sound().tab | {"legs": [leg("pi_1", "capture", 2000), leg("pi_2", "charge", 5500)]}
    failed = {"kind": "refund_failed", "details": {"payment_id": "pi_2"}, "postings": [], "seq": 20}

    assert told().check(unpaid, [*sound().history, failed]) == []
    assert told().check(unpaid, sound().history) != []


def test_the_same_key_is_answered_with_the_same_tab_and_attempt():
    acknowledged = Acknowledged()
    first = sound().tab | {"payment": {"attempt_id": "att_3", "state": "pending"}}
    acknowledged.note(first, key="ada k1")
    acknowledged.note(first | {"payment": {"attempt_id": "att_3", "state": "succeeded"}}, key="ada k1")

    assert acknowledged.check_keys() == []

    acknowledged.note(first | {"tab_id": "tab_2"}, key="ada k1")
    acknowledged.note(first | {"payment": {"attempt_id": "att_4", "state": "pending"}}, key="ada k1")

    assert acknowledged.check_keys() == [
        "one Idempotency-Key was answered with tab_1 and with tab_2",
        "one Idempotency-Key of tab_1 made att_3 and att_4",
    ]


def test_every_promise_is_asked_for():
    """A rule that nobody calls promises nothing."""
    here = {
        name: found
        for name, found in vars(invariants).items()
        if getattr(found, "__module__", "") == invariants.__name__
    }
    rules = {name for name, found in here.items() if isfunction(found) and not name.startswith(("_", "check_"))}
    lists = [found for name, found in vars(invariants).items() if name.startswith("_OF_")]

    assert rules - {"by_tab", "attempts_of"} == {rule.__name__ for rules in lists for rule in rules}


def test_what_nobody_was_told_is_noticed() -> None:
    """An entry in silence, a message on two channels, a claim without an end."""

    def said(to: str, state: str, channel: str = "email") -> dict[str, Any]:
        return {"message_id": f"m.{to}", "kind": "canceled", "to": to, "channel": channel, "state": state}

    heard = [said("customer", "handed_over"), said("owner", "suppressed")]
    assert check_told([{"seq": 4, "kind": "canceled", "told": heard}]) == []

    wrong = [said("customer", "handed_over"), said("customer", "delivered", "sms")]
    assert check_told([{"seq": 4, "kind": "canceled", "told": wrong}]) == [
        "the owner heard no canceled of entry 4",
        "m.customer went out on 2 channels",
    ]
    assert check_told([{"seq": 4, "kind": "opened", "told": [said("owner", "claimed")]}]) == [
        "m.owner is claimed, and nobody sends it"
    ]


# Credit


def credited(*, paid_with: int = 500) -> World:
    """The sound tab, of which credit has paid a part, and which has earned 7.00."""
    world = sound()
    world.tab["legs"] = [leg("crd_1", "credit", paid_with), leg("pi_1", "capture", 2000), leg("pi_2", "charge", 4500)]
    world.tab["ledger"] |= {"customer_credit": 500 - 700, "loyalty_expense": 700}
    return world


def earned(kind: str, amount_minor: int, seq: int = 21, **details: Any) -> Json:
    details = {"lot_id": "lot_1", "credited_customer_id": "cus_1", "active_at": "2026-01-20T00:00:00Z", **details}
    return {**entry(seq, kind), "details": {"amount_minor": amount_minor, **details}}


def statement(*movements: Json, left_minor: int) -> Json:
    return {
        "account": {"customer_id": "cus_1"},
        "lots": [{"lot_id": "lot_1", "left_minor": left_minor}],
        "movements": list(movements),
    }


def moved(seq: int, kind: str, amount_minor: int, balance_minor: int, tab_seq: int, **more: Any) -> Json:
    at = {"at": "2026-02-01T00:00:00Z"}
    what = {"seq": seq, "kind": kind, "amount_minor": amount_minor, "balance_minor": balance_minor}
    return {**at, **what, "tab_id": "tab_1", "tab_seq": tab_seq, **more}


EARNED = earned("credit_earned", 700)
SPENT = earned("credit_spent", 500, seq=22)
SOUND = statement(moved(1, "earned", 700, 700, 21), moved(2, "spent", -500, 200, 22), left_minor=200)


def test_credit_that_is_spent_as_it_was_earned_is_sound() -> None:
    assert invariants.check_credits([SOUND], {"tab_1": [EARNED, SPENT]}) == []


@pytest.mark.parametrize(
    ("shown", "history", "said"),
    [
        (SOUND | {"lots": [{"left_minor": 700}]}, [EARNED, SPENT], "cus_1: 700 is left in lots"),
        (SOUND | {"movements": SOUND["movements"][:1]}, [EARNED, SPENT], "cus_1: 200 is left in lots"),
        (SOUND, [EARNED], "cus_1: movement 2 has no entry of its own"),
        (SOUND, [EARNED, earned("credit_spent", 400, seq=22)], "cus_1: movement 2 is spent -500, its entry not"),
        (SOUND, [EARNED, SPENT, earned("credit_spent", 1, seq=23)], "entry 23 of tab_1 (credit_spent) is on no"),
        (SOUND, [EARNED | earned("credit_earned", 700, credited_customer_id="cus_2"), SPENT], "cus_1: movement 1 is"),
        (
            SOUND,
            [earned("credit_earned", 700, active_at="2026-02-01T00:00:01Z"), SPENT],
            "cus_1: movement 2 spends what was not active yet",
        ),
        (statement(moved(1, "earned", 700, 700, 21), left_minor=-700), [EARNED], "cus_1: 700 is carried below zero"),
    ],
)
def test_each_wrong_statement_is_told(shown: Json, history: list[Json], said: str) -> None:
    problems = invariants.check_credits([shown], {"tab_1": history})

    assert any(problem.startswith(said) for problem in problems), problems


@pytest.mark.parametrize("kind", ["contested", "dispute_opened", "written_off"])
def test_credit_of_a_tab_that_did_not_end_well_is_told(kind: str) -> None:
    said = f"700 of credit is kept, and the tab was {kind.replace('_', ' ')}"
    assert said in list(invariants.credit_is_for_tabs_that_ended_well(sound().tab, [entry(20, kind), EARNED]))
    taken_back = [entry(20, kind), EARNED, earned("credit_reversed", 700)]
    assert list(invariants.credit_is_for_tabs_that_ended_well(sound().tab, taken_back)) == []


def test_credit_that_pays_a_fee_or_more_than_the_bill_is_told() -> None:
    tab = credited().tab
    assert list(invariants.credit_is_a_part_of_the_bill(tab)) == []
    for damage, said in (
        ({"fee": {"kind": "no_show"}}, "500 of credit pays a fee or a share"),
        ({"amount_due_minor": 600, "tip_minor": 200}, "500 of credit is kept, due are 600 with a tip of 200"),
    ):
        assert list(invariants.credit_is_a_part_of_the_bill(tab | damage)) == [said]


def test_a_ledger_that_owes_other_credit_than_the_entries_is_told() -> None:
    tab = credited().tab
    assert list(invariants.credit_posts_what_it_says(tab, [EARNED, SPENT])) == []
    assert list(invariants.credit_posts_what_it_says(tab, [EARNED])) == [
        "customer_credit is -200, the entries come to -700"
    ]


def by_outcome(**of_tab: object) -> dict:
    """A bill of 7000 for services and 500 for material, of which silence means 50 %."""
    tab = sound().tab
    tiers = [{"percent": percent, "measure": str(percent)} for percent in (100, 50)]
    items = [
        {"item_id": "itm_1", "amount_minor": 7000, "material": False},
        {"item_id": "itm_2", "amount_minor": 500, "material": True},
    ]
    return tab | {
        "promise": tab["promise"] | {"tiers": tiers, "silence_percent": 50},
        "items": items,
        "adjusted_minor": 0,
        "total_minor": 4000,
        "price_percent": 50,
        **of_tab,
    }


@pytest.mark.parametrize(
    ("of_tab", "problem"),
    [
        ({"price_percent": 100, "total_minor": 7500}, "the price is 100 %, said was 50 %"),
        ({"price_percent": 80}, "the price is 80 %, said was 50 %"),
        ({"tier_percent": 100}, "the price is 50 %, said was 100 %"),
        ({"total_minor": 4001}, "the total is 4001, of 7000 for services at 50 %"),
    ],
)
def test_a_price_of_no_outcome_is_told(of_tab: dict, problem: str):
    assert list(price_is_of_the_outcome(by_outcome())) == []
    assert problem in list(price_is_of_the_outcome(by_outcome(**of_tab)))


@pytest.mark.parametrize(
    ("history", "problem"),
    [
        ([entry(1, "tier_chosen", tier_percent=50) | {"by": "aftertab"}], "at entry 1 a clock has chosen an outcome"),
        ([entry(1, "tier_chosen", tier_percent=0)], "the price is 50 %, the customer chose 0 %"),
        (
            [entry(1, "contest_resolved", of="tier", resolution="uphold", tier_percent=50) | {"by": "aftertab"}],
            "at entry 1 a clock upholds the outcome against the customer",
        ),
    ],
)
def test_a_price_that_nobody_said_is_told(history: list, problem: str):
    assert list(the_higher_price_needs_a_word(by_outcome(), history)) == [problem]
