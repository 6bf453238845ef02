"""The promise: sealed word by word, consented to one by one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from msgspec.structs import fields, replace

from chalicelib.domain.errors import CapExceeded, InvalidInput, PromiseChanged, TransitionRefused
from chalicelib.domain.tab.actions import Action
from chalicelib.domain.tab.commands import bill, booking
from chalicelib.domain.tab.commands.bill import ItemInput
from chalicelib.domain.tab.commands.booking import Limits
from chalicelib.domain.tab.promise import AcceptanceMethod, Consent, Promise
from tests.unit.till import ADA, CUSTOMER, EVERYTHING, NOON, STAFF, WITH_CARD, WITHOUT_CARD, Till, acceptance

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
}


def test_the_seal_is_the_one_that_customers_hold() -> None:
    """Promises sealed years ago must still have their hash: this one never changes."""
    assert PROMISE.sha256 == "87f8597e538c115d19a54a86c2a0fac3167c780227f3adc79308021bbe17fa83"


def test_every_term_is_under_the_seal() -> None:
    """Nothing but the acceptance itself can be changed without breaking it."""
    assert set(OTHER_TERMS) == {field.name for field in fields(Promise)} - {"accepted"}

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
    till = Till().accept(*WITHOUT_CARD)

    assert not till.allows(Action.ACCEPT_PROMISE, ADA)
    with pytest.raises(TransitionRefused):
        till.accept(*WITHOUT_CARD)


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
