"""The promise: its seal over every word, and its separate consents."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from msgspec.structs import fields, replace

from chalicelib.domain.errors import CapExceeded, Forbidden, InvalidInput, PromiseChanged, TransitionRefused
from chalicelib.domain.tab.actions import Action
from chalicelib.domain.tab.attempt import Operation
from chalicelib.domain.tab.bill import Fee, FeeKind
from chalicelib.domain.tab.commands import bill, booking
from chalicelib.domain.tab.commands.bill import ItemInput
from chalicelib.domain.tab.commands.booking import Limits
from chalicelib.domain.tab.facts.attempt_outcomes import note_absent
from chalicelib.domain.tab.facts.fact import FactKind
from chalicelib.domain.tab.needs import needs_of
from chalicelib.domain.tab.promise import Acceptance, AcceptanceMethod, Consent, Promise
from chalicelib.domain.tab.status import Status
from chalicelib.domain.trust.standing_terms import Level, Reason, ReasonCode, SealedStanding
from chalicelib.domain.trust.tiers import Tier
from tests.unit.till import (
    ADA,
    CARD,
    CUSTOMER,
    EVERYTHING,
    NOON,
    OTHER_CARD,
    STAFF,
    WITH_CARD,
    WITHOUT_CARD,
    Till,
    acceptance,
)

PROMISE = Promise(
    expected_outcome="Kürzere Haare",
    limits=("no dye",),
    currency="EUR",
    estimate_minor=60_00,
    cap_minor=80_00,
    deposit_minor=20_00,
    no_show_fee_minor=30_00,
    late_cancel_fee_minor=15_00,
    starts_at=datetime(2026, 3, 20, 9, 0, tzinfo=UTC),
    free_cancel_until=datetime(2026, 3, 18, 9, 0, tzinfo=UTC),
    no_show_grace_s=900,
    review_window_s=86400,
    terms_version="1",
)
OTHER_TERMS = {
    "expected_outcome": "Longer hair",
    "limits": ("no dye", "no perm"),
    "currency": "USD",
    "estimate_minor": 60_01,
    "cap_minor": 80_01,
    "deposit_minor": 20_01,
    "no_show_fee_minor": 30_01,
    "late_cancel_fee_minor": 15_01,
    "starts_at": datetime(2026, 3, 20, 9, 1, tzinfo=UTC),
    "free_cancel_until": None,
    "no_show_grace_s": 901,
    "review_window_s": 86401,
    "terms_version": "2",
    "deposit_needs_card": True,
    "standing": SealedStanding(level=Level.KNOWN, reason=Reason(code=ReasonCode.VISITS_PAID, count=2)),
    "tiers": (Tier(percent=100, measure="it holds"), Tier(percent=0, measure="it does not")),
    "silence_percent": 0,
    "fixed_price": True,
}


def test_the_seal_is_the_one_that_customers_hold() -> None:
    """Promises sealed years ago must still have their hash: this one never changes."""
    assert PROMISE.sha256 == "87f8597e538c115d19a54a86c2a0fac3167c780227f3adc79308021bbe17fa83"


def test_every_term_is_under_the_seal() -> None:
    """Nothing but the acceptance itself can be changed without breaking it."""
    assert set(OTHER_TERMS) == {field.name for field in fields(Promise)} - {"accepted", "added"}

    seals = [replace(PROMISE, **{name: value}).sha256 for name, value in OTHER_TERMS.items()]

    assert len({PROMISE.sha256, *seals}) == len(OTHER_TERMS) + 1


def test_the_acceptance_is_not_under_the_seal() -> None:
    """What was agreed to is the same before and after it was agreed to."""
    till = Till()
    assert replace(PROMISE, accepted=acceptance(till.tab, *WITHOUT_CARD)).sha256 == PROMISE.sha256


def test_an_instant_has_one_seal_in_whatever_zone_it_was_written() -> None:
    """10:00 in Vienna is 9:00 UTC; the store keeps UTC, and the seal must survive it."""
    vienna = timezone(timedelta(hours=1))
    assert PROMISE.starts_at is not None

    assert replace(PROMISE, starts_at=PROMISE.starts_at.astimezone(vienna)).sha256 == PROMISE.sha256


def test_a_seal_over_other_words_is_refused() -> None:
    """The caller is told the hash of what stands now."""
    till = Till()
    shown = acceptance(till.tab, *WITHOUT_CARD)
    till.do(booking.propose_promise, Limits(cap_minor=300_00))

    with pytest.raises(PromiseChanged) as refused:
        till.do(booking.accept_promise, shown, None, by=ADA)

    assert refused.value.context["promise_sha256"] == till.tab.promise.sha256


@pytest.mark.parametrize("term", ["deposit_minor", "no_show_fee_minor", "late_cancel_fee_minor"])
def test_a_deposit_or_a_fee_needs_its_own_consent(term: str) -> None:
    """The cap alone does not cover it."""
    till = Till.booked(**({"deposit_minor": 0, "no_show_fee_minor": 0, "late_cancel_fee_minor": 0} | {term: 20_00}))

    with pytest.raises(InvalidInput, match="deposit_and_fees"):
        till.accept(Consent.CAP)


def test_the_cap_always_needs_consent() -> None:
    """A promise accepted without its limit is none."""
    with pytest.raises(InvalidInput, match="cap"):
        Till().accept(Consent.DEPOSIT_AND_FEES)


def test_keeping_a_card_needs_the_words_that_were_shown() -> None:
    """Consent to card on file comes with the hash of its terms."""
    till = Till()
    without_words = replace(acceptance(till.tab, *WITH_CARD), card_terms_sha256=None)

    with pytest.raises(InvalidInput, match="card_terms"):
        till.do(booking.accept_promise, without_words, None, by=ADA)


@pytest.mark.parametrize("consent", [Consent.AUTOMATIC_CHARGE, Consent.CARD_ON_FILE, Consent.CAPTURE_BEFORE_EXPIRY])
def test_staff_can_not_consent_to_charges_without_the_customer(consent: Consent) -> None:
    """In person means: agreed to what happens in person."""
    till = Till()
    given = acceptance(till.tab, *WITHOUT_CARD, consent, method=AcceptanceMethod.IN_PERSON)

    with pytest.raises(InvalidInput, match="in person"):
        till.do(booking.accept_promise, given, None, by=STAFF)


def test_an_acceptance_in_person_allows_no_charge_by_silence() -> None:
    """The review ends, and nothing is taken."""
    till = Till()
    given = acceptance(till.tab, *WITHOUT_CARD, method=AcceptanceMethod.IN_PERSON)
    till.do(booking.accept_promise, given, CUSTOMER, by=STAFF)

    till.serve(50_00).wait(days=1)

    assert till.tab.attempts == ()
    assert not till.tab.may_use_card


def test_the_old_promise_stands_until_the_new_one_is_accepted() -> None:
    """Proposing more does not allow more."""
    till = Till(cap_minor=50_00, estimate_minor=50_00).accept(*WITHOUT_CARD)
    more = [ItemInput(description="Service", unit_price_minor=60_00)]
    till.do(booking.propose_promise, Limits(cap_minor=80_00))
    with pytest.raises(CapExceeded):
        till.do(bill.add_items, more)

    till.accept(*WITHOUT_CARD).do(bill.add_items, more)

    assert till.tab.total_minor == 60_00
    assert till.tab.proposed is None


def test_the_acceptance_is_kept_with_who_when_and_where() -> None:
    """The evidence."""
    till = Till().accept(*EVERYTHING)

    sealed = till.tab.promise.accepted
    assert sealed is not None
    assert (sealed.subject, sealed.accepted_at, sealed.ip) == ("ada", NOON, "192.0.2.1")
    assert sealed.promise_sha256 == till.tab.promise.sha256
    assert sealed.consents == EVERYTHING


def test_an_accepted_promise_is_not_accepted_twice() -> None:
    """There is nothing new to agree to."""
    till = Till().accept(*EVERYTHING)

    assert not till.allows(Action.ACCEPT_PROMISE, ADA)
    with pytest.raises(TransitionRefused):
        till.accept(*EVERYTHING)


def test_further_consents_are_added_and_the_first_acceptance_stays() -> None:
    """Each is kept with its own instant, and counts from then on; what brings nothing new is refused."""
    till = Till().accept(Consent.CAP).wait(hours=1)
    with pytest.raises(InvalidInput, match="nothing new"):
        till.accept(Consent.CAP)

    till.accept(Consent.AUTOMATIC_CHARGE)

    promise = till.tab.promise
    assert promise.accepted is not None
    assert promise.accepted.consents == (Consent.CAP,)
    assert [(more.accepted_at, more.consents) for more in promise.added] == [(till.now, (Consent.AUTOMATIC_CHARGE,))]
    assert promise.consents == (Consent.AUTOMATIC_CHARGE, Consent.CAP)
    assert promise.consents_to(Consent.CAP, Consent.AUTOMATIC_CHARGE)
    assert till.tab.may_charge_automatically


def test_consents_to_what_a_promise_does_not_ask_are_not_asked_for() -> None:
    """Without a deposit there is no hold to capture before it expires."""
    assert Consent.CAPTURE_BEFORE_EXPIRY not in Till().tab.promise.asks
    assert Till.booked().tab.promise.asks == set(Consent)


def test_a_deposit_beyond_the_window_needs_a_card() -> None:
    """And says so under its seal; within the window a hold does. Staff can't give that consent for the customer."""
    far, near = Till.booked(in_hours=96.1), Till.booked(in_hours=96)
    assert far.tab.promise.needs == WITH_CARD
    assert near.tab.promise.needs == WITHOUT_CARD
    assert replace(far.tab.promise, deposit_needs_card=False).sha256 != far.tab.promise.sha256
    with pytest.raises(InvalidInput, match="card_on_file"):
        far.accept(*WITHOUT_CARD)

    far.do(
        booking.accept_promise, acceptance(far.tab, *WITHOUT_CARD, method=AcceptanceMethod.IN_PERSON), None, by=STAFF
    )

    assert [need.action for need in needs_of(far.tab, far.now)] == [Action.ACCEPT_PROMISE, Action.SAVE_CARD]
    far.accept(Consent.CARD_ON_FILE)
    assert [need.action for need in needs_of(far.tab, far.now)] == [Action.SAVE_CARD]


def test_what_the_promise_needs_is_said_until_it_is_there() -> None:
    """Accept, save a card, and after a decline another one; nothing once the hold is there."""
    till = Till.booked(in_hours=240)
    assert [(need.action, need.consents) for need in needs_of(till.tab, till.now)] == [
        (Action.ACCEPT_PROMISE, WITH_CARD),
        (Action.SAVE_CARD, (Consent.CARD_ON_FILE,)),
    ]
    till.accept(*WITH_CARD)
    assert [(need.action, need.until) for need in needs_of(till.tab, till.now)] == [
        (Action.SAVE_CARD, NOON + timedelta(days=1))
    ]
    assert till.allows(Action.SAVE_CARD, ADA)

    till.hear(till.fact(FactKind.CARD_SAVED, "seti_1", card=CARD))
    assert list(needs_of(till.tab, till.now)) == []
    till.wait(hours=192).declined(Operation.PLACE_HOLD)
    assert [need.action for need in needs_of(till.tab, till.now)] == [Action.SAVE_CARD]
    till.hear(till.fact(FactKind.CARD_SAVED, "seti_2", card=OTHER_CARD)).hold_placed()
    assert list(needs_of(till.tab, till.now)) == []


def test_a_hold_that_can_be_placed_now_needs_no_card() -> None:
    """It is confirmed on the phone; and an open tab without a deposit needs nothing once it is accepted."""
    assert list(needs_of(Till.booked().accept(*WITHOUT_CARD).tab, NOON)) == []
    assert list(needs_of(Till().accept(Consent.CAP).tab, NOON)) == []
    assert list(needs_of(Till().serve(50_00).tab, NOON)) == []


def test_a_hold_that_came_to_nothing_is_asked_for_again() -> None:
    """The sheet on the phone was closed: accepting again opens another, and the tab says so."""
    till = Till.booked().accept(*WITHOUT_CARD).end(note_absent, Operation.PLACE_HOLD)

    assert [(need.action, need.consents) for need in needs_of(till.tab, till.now)] == [
        (Action.ACCEPT_PROMISE, WITHOUT_CARD)
    ]
    assert till.accept(*WITHOUT_CARD).open(Operation.PLACE_HOLD).is_on_session


def test_only_the_customer_replaces_what_they_sealed() -> None:
    """Whatever is proposed: staff may record an acceptance over their own record only."""
    till = Till(cap_minor=80_00).accept(*WITHOUT_CARD).do(booking.propose_promise, Limits(cap_minor=300_00))
    in_person = acceptance(till.tab, *WITHOUT_CARD, method=AcceptanceMethod.IN_PERSON)

    assert not till.allows(Action.ACCEPT_PROMISE, STAFF)
    with pytest.raises(Forbidden, match="Only they"):
        till.do(booking.accept_promise, in_person, None, by=STAFF)
    assert till.tab.promise.cap_minor == 80_00

    assert till.accept(*WITHOUT_CARD).tab.promise.cap_minor == 300_00
    accepted = [entry.details for entry in till.entries if entry.kind == "promise_accepted"]
    assert [json.loads(details["text"])["cap_minor"] for details in accepted] == [80_00, 300_00]
    for details in accepted:
        assert hashlib.sha256(details["text"].encode()).hexdigest() == details["promise_sha256"]


def test_what_staff_recorded_they_may_record_anew() -> None:
    """A customer without a phone agrees to more in the shop."""
    till = Till(cap_minor=80_00)
    till.do(booking.accept_promise, in_person(till), None).do(booking.propose_promise, Limits(cap_minor=300_00))

    till.do(booking.accept_promise, in_person(till), None)

    assert till.tab.promise.cap_minor == 300_00


def in_person(till: Till) -> Acceptance:
    return acceptance(till.tab, *WITHOUT_CARD, method=AcceptanceMethod.IN_PERSON)


@pytest.mark.parametrize(
    ("starts_in_hours", "accepted_after", "free_for"),
    [
        (100, timedelta(0), timedelta(hours=52)),  # The cut-off, two days before.
        (24, timedelta(0), timedelta(hours=1)),  # Past at booking: an hour.
        (24, timedelta(hours=5), timedelta(hours=6)),  # The hour begins with the acceptance.
        (48.5, timedelta(0), timedelta(hours=1)),  # Half an hour ahead: the hour is longer.
        (0.5, timedelta(0), timedelta(minutes=30)),  # It ends when the service begins …
        (0.5, timedelta(minutes=40), timedelta(minutes=100)),  # … unless that has begun when it is agreed to.
    ],
)
def test_an_hour_of_free_cancelling_is_sealed(
    starts_in_hours: float, accepted_after: timedelta, free_for: timedelta
) -> None:
    """As an instant, and to the second; a second later it costs the disclosed fee."""
    for seconds, costs in ((0, False), (1, True)):
        till = Till.booked(in_hours=starts_in_hours, deposit_minor=0).wait_until(NOON + accepted_after)
        till.accept(*WITHOUT_CARD)
        assert till.tab.promise.accepted is not None
        assert till.tab.promise.accepted.free_cancel_until == NOON + free_for

        till.wait_until(NOON + free_for + timedelta(seconds=seconds)).do(booking.cancel, "ill", by=ADA)

        assert (till.tab.fee is not None) == costs


def test_accepting_other_limits_begins_no_other_hour() -> None:
    """Nor do further consents: what was sealed at first stays."""
    till = Till.booked(in_hours=24, deposit_minor=0).accept(*WITHOUT_CARD).wait(hours=2)

    till.do(booking.propose_promise, Limits(cap_minor=300_00)).accept(*WITHOUT_CARD).accept(Consent.AUTOMATIC_CHARGE)

    assert till.tab.promise.free_until(till.now) == NOON + timedelta(hours=1)
    till.do(booking.cancel, "ill", by=ADA)
    assert till.tab.fee == Fee(kind=FeeKind.LATE_CANCEL, amount_minor=15_00, announced_at=till.now)


@pytest.mark.parametrize(("seconds", "fee_minor"), [(0, 15_00), (1, 30_00)])
def test_who_cancels_after_the_start_pays_what_a_no_show_pays(seconds: int, fee_minor: int) -> None:
    """The late-cancel fee is for those who cancel before it."""
    till = Till.booked(in_hours=24, deposit_minor=0).accept(*WITHOUT_CARD).wait(hours=24, seconds=seconds)

    till.do(booking.cancel, "ill", by=ADA)

    kind = FeeKind.NO_SHOW if seconds else FeeKind.LATE_CANCEL
    assert till.tab.fee == Fee(kind=kind, amount_minor=fee_minor, announced_at=till.now)


def test_a_late_cancel_fee_of_nothing_is_no_way_round_the_no_show_fee() -> None:
    """Free until the start, which the promise says; then the no-show fee."""
    for seconds in (0, 1):
        till = Till.booked(in_hours=24, deposit_minor=0, late_cancel_fee_minor=0).accept(*WITHOUT_CARD)
        assert till.tab.promise.free_cancel_until == till.tab.starts_at

        till.wait(hours=24, seconds=seconds).do(booking.cancel, "ill", by=ADA)

        fee = Fee(kind=FeeKind.NO_SHOW, amount_minor=30_00, announced_at=till.now) if seconds else None
        assert till.tab.fee == fee


def test_after_check_in_only_the_business_calls_it_off() -> None:
    """Work may be done that is not keyed in yet."""
    till = Till.booked().accept(*WITHOUT_CARD).hold_placed().do(booking.check_in)

    assert not till.allows(Action.CANCEL, ADA)
    with pytest.raises(TransitionRefused, match="only the business"):
        till.do(booking.cancel, "I have to go", by=ADA)
    assert till.tab.live_hold is not None
    assert till.do(booking.cancel, "we are ill").tab.status == Status.CANCELED


def test_a_cap_below_what_is_on_the_tab_is_no_proposal() -> None:
    """The customer is not asked to agree to less than there is."""
    till = Till().do(bill.add_items, [ItemInput(description="Service", unit_price_minor=60_00)])

    with pytest.raises(InvalidInput, match="cap_minor"):
        till.do(booking.propose_promise, Limits(cap_minor=59_99, estimate_minor=10_00))


def test_a_lower_cap_that_was_overtaken_is_not_sealed() -> None:
    """Proposed at 100 with 60 on the tab; 110 are on it under the standing promise when the customer looks."""
    till = Till().accept(*WITH_CARD).do(bill.add_items, [ItemInput(description="x", unit_price_minor=60_00)])
    till.do(booking.propose_promise, Limits(cap_minor=100_00))
    till.do(bill.add_items, [ItemInput(description="x", unit_price_minor=50_00)])

    assert not till.allows(Action.ACCEPT_PROMISE, ADA)
    with pytest.raises(CapExceeded):
        till.accept(*WITH_CARD)
    till.do(booking.propose_promise, Limits(cap_minor=110_00)).accept(*WITH_CARD)

    assert till.tab.promise.cap_minor == 110_00
