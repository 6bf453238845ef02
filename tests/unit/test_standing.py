"""Standing: each rule of docs/trust.md with its number, what never counts, and what is sealed into a promise."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import permutations
from typing import Any

import pytest
from msgspec.structs import replace

from chalicelib.domain.errors import TransitionRefused
from chalicelib.domain.parties import Customer
from chalicelib.domain.tab.bill import FeeKind
from chalicelib.domain.tab.commands import booking, objecting, payment
from chalicelib.domain.tab.commands.booking import Limits
from chalicelib.domain.tab.objection import Decision, ObjectionState
from chalicelib.domain.tab.payments import DisputeState, LegKind
from chalicelib.domain.tab.policy import Policy
from chalicelib.domain.tab.tab import Outcome
from chalicelib.domain.trust.names import MOST_NAMES, with_same_card, with_same_phone
from chalicelib.domain.trust.standing import FactOf, History, Standing, Weight, exposure_limit_minor, seal, standing_of
from chalicelib.domain.trust.standing_terms import Level, Reason, ReasonCode, StandingTerms
from chalicelib.domain.trust.visit import Contested, ContestEnd, Disputed, Paid, Visit
from tests.unit.till import ADA, CUSTOMER, MERCHANT, NOON, OWNER, STAFF, WITHOUT_CARD, Till, terms

TERMS = StandingTerms()


def day(number: float) -> datetime:
    """So many days before noon."""
    return NOON - timedelta(days=number)


def paid(days_ago: float, **more: Any) -> Visit:
    at = day(days_ago)
    payment = Paid(payment_id="pi_1", means=LegKind.CHARGE, at=at, amount_minor=50_00)
    fields = {"outcome": Outcome.FULFILLED, "closed_at": at, "paid_at": at, "payments": (payment,), "due_at": at}
    return visit(days_ago, **{"total_minor": 50_00, **fields, **more})


def missed(days_ago: float, **more: Any) -> Visit:
    return visit(days_ago, no_show_at=day(days_ago), fee=FeeKind.NO_SHOW, **more)


def owed(days_ago: float, **more: Any) -> Visit:
    """Due so long ago, and not paid."""
    return visit(days_ago, **{"due_at": day(days_ago), "receivable_minor": 50_00, "total_minor": 50_00, **more})


def visit(days_ago: float, **more: Any) -> Visit:
    return Visit(tab_id=f"tab_{days_ago}", merchant_id="mer_1", customer_id="cus_1", opened_at=day(days_ago), **more)


def disputed(days_ago: float, reason: str, state: DisputeState = DisputeState.LOST) -> Visit:
    dispute = Disputed(
        dispute_id="dp_1",
        payment_id="pi_1",
        at=day(days_ago),
        amount_minor=50_00,
        state=state,
        reason=reason,
        decided_at=day(days_ago),
    )
    return paid(days_ago, disputes=(dispute,))


def contested(end: ContestEnd | None) -> tuple[Contested, ...]:
    return (Contested(at=day(1), amount_minor=30_00, answered_at=day(1) if end else None, end=end, of="fee"),)


def stand(*visits: Visit, terms: StandingTerms = TERMS, **other: Any) -> Standing:
    return standing_of(History(own=visits, **other), terms, NOON)


SIX = tuple(paid(days) for days in (100, 80, 60, 40, 20, 5))

LEVELS: dict[str, tuple[Level, ReasonCode, tuple[Visit, ...]]] = {
    "nobody has been here": (Level.NEW, ReasonCode.FIRST_VISITS, ()),
    "one visit": (Level.NEW, ReasonCode.FIRST_VISITS, (paid(5),)),
    "two visits": (Level.KNOWN, ReasonCode.VISITS_PAID, (paid(20), paid(5))),
    "two visits, something owed": (Level.NEW, ReasonCode.OWED, (paid(20), paid(5), owed(1))),
    "owed, but not due yet": (Level.KNOWN, ReasonCode.VISITS_PAID, (paid(20), paid(5), owed(-1))),
    "owed, and contested": (
        Level.KNOWN,
        ReasonCode.VISITS_PAID,
        (paid(20), paid(5), owed(1, contests=contested(None))),
    ),
    "six over ninety days": (Level.TRUSTED, ReasonCode.VISITS_PAID, SIX),
    "five over ninety days": (Level.KNOWN, ReasonCode.VISITS_PAID, SIX[:5]),
    "six within ninety days": (Level.KNOWN, ReasonCode.VISITS_PAID, tuple(paid(days) for days in range(80, 86))),
    "six and a no-show": (Level.KNOWN, ReasonCode.VISITS_PAID, (*SIX, missed(30))),
    "six and two no-shows": (Level.WATCH, ReasonCode.NO_SHOWS, (*SIX, missed(30), missed(40))),
    "a no-show and nothing else": (Level.NEW, ReasonCode.FIRST_VISITS, (missed(30),)),
    "a debt of fourteen days": (Level.WATCH, ReasonCode.DEBT, (*SIX, owed(14))),
    "a debt of thirteen days": (Level.NEW, ReasonCode.OWED, (*SIX, owed(13.9))),
    "a debt under dispute": (
        Level.TRUSTED,
        ReasonCode.VISITS_PAID,
        (*SIX, replace(disputed(20, "general", DisputeState.OPEN), tab_id="tab_d", receivable_minor=10_00)),
    ),
    "written off": (
        Level.WATCH,
        ReasonCode.WRITTEN_OFF,
        (*SIX, visit(30, written_off_minor=50_00, closed_at=day(10), outcome=Outcome.WRITTEN_OFF)),
    ),
    "a fraud dispute lost": (Level.WATCH, ReasonCode.FRAUD_DISPUTE, (*SIX, disputed(30, "fraudulent"))),
    "a fraud dispute won": (
        Level.TRUSTED,
        ReasonCode.VISITS_PAID,
        (*SIX, disputed(30, "fraudulent", DisputeState.WON)),
    ),
    "a dispute of another kind lost": (
        Level.KNOWN,
        ReasonCode.VISITS_PAID,
        (*SIX[:5], disputed(1, "product_not_received")),
    ),
    "given back whole": (
        Level.NEW,
        ReasonCode.FIRST_VISITS,
        (paid(20), paid(5, payments=(), total_minor=0)),
    ),
    "shares of others' bills": (
        Level.NEW,
        ReasonCode.FIRST_VISITS,
        (paid(20, parent_id="tab_p"), paid(5, parent_id="tab_p"), owed(20, parent_id="tab_p")),
    ),
    "canceled": (Level.NEW, ReasonCode.FIRST_VISITS, (visit(9, canceled_at=day(8), outcome=Outcome.CANCELED),)),
}


@pytest.mark.parametrize("case", LEVELS)
def test_levels_follow_from_counted_facts(case: str) -> None:
    """Each rule at its number, and one short of it."""
    level, reason, visits = LEVELS[case]

    standing = stand(*visits)

    assert (standing.level, standing.reasons[0].code) == (level, reason)


def test_a_reason_says_how_many_and_over_how_long() -> None:
    """And no more than is so; what hinders is said beside what counts."""
    assert stand(paid(5)).reasons == (Reason(code=ReasonCode.FIRST_VISITS, count=1),)
    assert stand(paid(20), paid(5)).reasons == (Reason(code=ReasonCode.VISITS_PAID, count=2),)
    assert stand(missed(3), owed(1)).reasons == (
        Reason(code=ReasonCode.FIRST_VISITS, count=0),
        Reason(code=ReasonCode.NO_SHOWS, count=1),
        Reason(code=ReasonCode.OWED),
    )
    assert stand(paid(20), paid(5), owed(1)).reasons == (
        Reason(code=ReasonCode.OWED),
        Reason(code=ReasonCode.VISITS_PAID, count=2),
    )
    assert stand(*SIX).reasons == (Reason(code=ReasonCode.VISITS_PAID, count=6, days=95),)
    assert stand(missed(3), missed(9), owed(20)).reasons == (
        Reason(code=ReasonCode.NO_SHOWS, count=2),
        Reason(code=ReasonCode.DEBT, count=1, days=14),
    )


def test_a_fraud_dispute_counts_from_when_it_was_lost() -> None:
    lost = disputed(40, "fraudulent")
    later = replace(lost, disputes=(replace(lost.disputes[0], decided_at=day(10)),))

    (fact,) = [fact for fact in stand(later).facts if fact.of == FactOf.FRAUD_DISPUTE]
    assert fact.at == day(10)


# What never counts


@pytest.mark.parametrize(
    ("end", "level"),
    [
        (ContestEnd.WAIVED, Level.NEW),
        (ContestEnd.ADJUSTED, Level.NEW),
        (ContestEnd.DEFAULT, Level.NEW),
        (ContestEnd.UPHELD, Level.WATCH),
        (None, Level.WATCH),
    ],
)
def test_a_no_show_whose_fee_was_contested_and_won_never_counts(end: ContestEnd | None, level: Level) -> None:
    assert stand(missed(30), missed(40, contests=contested(end))).level == level


@pytest.mark.parametrize(
    ("state", "level", "weight"),
    [
        (ObjectionState.OPEN, Level.NEW, Weight.PAUSED),
        (ObjectionState.UPHELD, Level.NEW, Weight.EXCUSED),
        (ObjectionState.REFUSED, Level.WATCH, Weight.COUNTS),
    ],
)
def test_an_objection_pauses_what_it_is_about(state: ObjectionState, level: Level, weight: Weight) -> None:
    """Until a person has decided; upheld it never counts, refused it counts again."""
    standing = stand(missed(30), missed(40, objection=state))

    assert standing.level == level
    assert [fact.weight for fact in standing.facts] == [Weight.COUNTS, weight]


@pytest.mark.parametrize("state", [ObjectionState.OPEN, ObjectionState.UPHELD])
def test_a_debt_that_is_objected_to_does_not_hinder_either(state: ObjectionState) -> None:
    assert stand(paid(9), paid(5), owed(20, objection=state)).level == Level.KNOWN


@pytest.mark.parametrize(("hours", "level"), [(72, Level.KNOWN), (73, Level.NEW)])
def test_a_decline_that_is_paid_within_three_days_does_not_count(hours: int, level: Level) -> None:
    """Later, the visit is not one that was paid in time; nobody is watched for it."""
    late = paid(5, declines=1, declined_at=day(5) - timedelta(hours=hours))

    assert stand(paid(20), late).level == level


# Time


def test_a_fact_counts_for_a_year() -> None:
    """The clock alone lifts a watch, and lowers a trust that is not renewed."""
    visits = (missed(364), missed(30))
    watched = stand(*visits)
    assert (watched.level, watched.changes_at) == (Level.WATCH, day(364) + timedelta(days=365))
    assert watched.changes_at is not None

    for moved, level in ((timedelta(seconds=-1), Level.WATCH), (timedelta(0), Level.NEW)):
        assert standing_of(History(own=visits), TERMS, watched.changes_at + moved).level == level

    known = stand(paid(300), paid(5))
    assert (known.level, known.changes_at) == (Level.KNOWN, day(300) + timedelta(days=365))
    assert stand(owed(30)).changes_at is None, "a debt does not expire"


def test_the_numbers_are_policy() -> None:
    strict = replace(TERMS, known_visits=3, watch_no_shows=1, window_days=20)

    assert stand(paid(20), paid(5), terms=strict).level == Level.NEW
    assert stand(missed(5), terms=strict).level == Level.WATCH
    assert stand(missed(21), terms=strict).level == Level.NEW


# Other names


def test_the_same_card_starts_where_it_was() -> None:
    """A bank has confirmed the card: what speaks for its user counts, and what speaks against them."""
    assert stand(same_card=SIX).level == Level.TRUSTED
    assert stand(*SIX, same_card=(missed(3), missed(4))).level == Level.WATCH


def test_a_phone_number_brings_nobody_a_strangers_trust() -> None:
    """Anybody can give a number. What speaks against its earlier user counts; what speaks for them does not."""
    assert stand(same_phone=SIX).level == Level.NEW
    assert stand(*SIX, same_phone=(missed(3), missed(4))).level == Level.WATCH
    assert stand(paid(9), paid(5), same_phone=(owed(1),)).level == Level.NEW


def person(name: str, days_ago: float, **more: Any) -> Customer:
    return Customer(
        customer_id=name, merchant_id="mer_1", customer_ref=None, reference="", created_at=day(days_ago), **more
    )


def test_names_are_known_by_card_both_ways_and_by_phone_to_the_later_one() -> None:
    old, new = person("cus_old", 90), person("cus_new", 1)

    assert with_same_card(old, [new]).same_card == ("cus_new",)
    assert with_same_card(new, [old]) == replace(new, same_card=("cus_old",), version=2)
    assert with_same_phone(new, [old]) == replace(new, same_phone=("cus_old",), version=2)
    assert with_same_phone(old, [new]) is old
    known = with_same_card(new, [old])
    assert with_same_card(known, [old]) is known, "nothing new, nothing to write"


def test_all_that_a_customer_learns_at_once_is_one_version_in_any_order() -> None:
    """By card all of them; by phone those who were there first."""
    others = [person("cus_1", 9), person("cus_2", 8), person("cus_4", 1)]
    customer = person("cus_3", 5)

    for order in permutations(others):
        assert with_same_card(customer, order) == replace(
            customer, same_card=("cus_1", "cus_2", "cus_4"), version=customer.version + 1
        )
        assert with_same_phone(customer, order).same_phone == ("cus_1", "cus_2")
    assert with_same_card(customer, ()) is customer


def test_a_chain_of_names_stays_one_person() -> None:
    """Another phone, then another card: each step brings along what the one before was known by."""
    second = with_same_phone(person("cus_2", 2), [person("cus_1", 9)])
    third = with_same_card(person("cus_3", 1), [second])

    assert (third.same_card, third.same_phone) == (("cus_2",), ("cus_1",))


def test_a_companys_card_does_not_make_one_person_of_everybody() -> None:
    first = with_same_card(person("cus_00", 1), [person("cus_29", 1)])

    customer = with_same_card(first, [person(f"cus_{number:02}", 1) for number in range(1, 30)])

    assert len(customer.same_card) == MOST_NAMES
    assert customer.same_card[0] == "cus_29", "who was known stays known"


@pytest.mark.parametrize(("link", "kind"), [(with_same_card, "same_card"), (with_same_phone, "same_phone")])
def test_whose_mark_it_is_comes_before_those_whom_they_bring(link: Any, kind: str) -> None:
    """A name that has also paid with a company's card can't hide behind its dozen colleagues."""
    colleagues = tuple(f"cus_{number:02}" for number in range(MOST_NAMES))
    bad = person("cus_50", 9, **{kind: colleagues})

    known = getattr(link(person("cus_99", 1), [bad]), kind)

    assert known == ("cus_50", *colleagues[:-1])


def test_whom_the_cards_have_no_room_for_stays_known_by_the_phone() -> None:
    """Else the number's history would be lost with a card that many share."""
    colleagues = tuple(f"cus_{number:02}" for number in range(MOST_NAMES))
    customer = person("cus_99", 1, same_card=colleagues, same_phone=("cus_50",))

    assert with_same_card(customer, [person("cus_50", 9)]) is customer


# What it changes


@pytest.mark.parametrize(
    ("visits", "asked", "final"),
    [((), 20_00, False), (SIX[:2], 10_00, False), (SIX, 0, False), ((missed(3), missed(4)), 20_00, True)],
)
def test_the_deposit_and_the_cap_follow_the_level(visits: tuple[Visit, ...], asked: int, final: bool) -> None:
    """Whole, half, none, whole; on watch no higher cap can be proposed."""
    standing = stand(*visits)

    minor, sealed = seal(standing, TERMS, 20_00, currency="EUR", minimum_minor=50)

    assert minor == asked
    assert (sealed.whole_deposit_minor, sealed.cap_is_final) == (20_00, final)
    assert (sealed.level, sealed.reason) == (standing.level, standing.reasons[0])


@pytest.mark.parametrize(("whole", "asked"), [(80, 50), (50, 50), (0, 0), (30_01, 15_00)])
def test_a_part_of_a_deposit_can_be_held(whole: int, asked: int) -> None:
    """Never below what a card may be charged, and never above the whole; a half is rounded once, to even."""
    assert seal(stand(*SIX[:2]), TERMS, whole, currency="EUR", minimum_minor=50)[0] == asked


def test_what_may_be_owed_at_once_grows_with_trust_and_shrinks_with_watch() -> None:
    limits = {level: exposure_limit_minor(100_00, level, TERMS, "EUR") for level in Level}

    assert limits == {Level.NEW: 100_00, Level.KNOWN: 200_00, Level.TRUSTED: 400_00, Level.WATCH: 50_00}
    assert exposure_limit_minor(0, Level.WATCH, TERMS, "EUR") == 0, "no limit stays none"


def opened_as(*visits: Visit, policy: Policy | None = None, deposit_minor: int = 20_00) -> booking.Draft:
    merchant = replace(MERCHANT, policy=policy) if policy else MERCHANT
    given = terms(deposit_minor=deposit_minor, starts_at=NOON + timedelta(days=1))
    ids = iter(range(100))
    return booking.open_tab(
        merchant,
        CUSTOMER,
        given,
        now=NOON,
        by=STAFF,
        new_id=lambda prefix: f"{prefix}_{next(ids)}",
        standing=stand(*visits),
    )


def test_the_promise_names_what_standing_has_changed() -> None:
    """It is under the seal, with the deposit that it has come to."""
    tab = opened_as(*SIX[:2]).tab

    assert (tab.promise.deposit_minor, tab.deposit.amount_minor) == (10_00, 10_00)
    assert '"standing":{"level":"known","reason":{"code":"visits_paid","count":2}' in tab.promise.text
    assert tab.promise.sha256 != replace(tab.promise, standing=None).sha256


def test_a_promise_does_not_name_a_standing_that_changes_nothing() -> None:
    """A coffee without a deposit is one for everybody; on watch its cap is final all the same."""
    assert opened_as(*SIX, deposit_minor=0).tab.promise.standing is None
    assert opened_as(missed(3), missed(4), deposit_minor=0).tab.promise.standing is not None


def test_a_policy_that_trusts_all_alike_changes_nothing() -> None:
    tab = opened_as(*SIX, policy=Policy(standing=None)).tab

    assert (tab.promise.deposit_minor, tab.promise.standing) == (20_00, None)


def test_a_policy_that_changes_later_does_not_change_a_promise() -> None:
    """Neither what is asked of the customer, nor when a bill of it is due."""
    draft = opened_as(*SIX[:2])
    promise, policy = draft.tab.promise, draft.tab.policy
    harsh = Policy(standing=StandingTerms(known_deposit_percent=100), review_window_s=60)

    later = opened_as(*SIX[:2], policy=harsh).tab

    assert later.promise.deposit_minor == 20_00
    assert (draft.tab.promise, draft.tab.policy) == (promise, policy)
    assert promise.standing is not None and promise.deposit_minor == 10_00


def test_on_watch_no_higher_cap_can_be_proposed() -> None:
    till = Till(deposit_minor=0)
    till.tab = replace(opened_as(missed(3), missed(4)).tab, version=1)

    with pytest.raises(TransitionRefused, match="does not allow a higher cap"):
        till.do(booking.propose_promise, Limits(cap_minor=300_00))
    till.do(booking.propose_promise, Limits(cap_minor=100_00))

    assert till.tab.promise.cap_minor == 100_00


# Objections


def no_show() -> Till:
    return Till.booked(deposit_minor=0).accept(*WITHOUT_CARD).wait(hours=25).do(booking.mark_no_show)


def test_object_to_a_no_show_and_be_right() -> None:
    """A flag lasts until the owner has decided; there is no second objection."""
    till = no_show().do(objecting.object_to, "I was there", by=ADA)
    assert [flag.kind for flag in till.tab.flags] == ["objection"]

    till.do(objecting.decide, Decision.UPHOLD, "You were", by=OWNER)

    assert till.tab.flags == ()
    assert till.tab.objection is not None and till.tab.objection.state == ObjectionState.UPHELD
    with pytest.raises(TransitionRefused, match="one objection"):
        till.do(objecting.object_to, "again", by=ADA)


def test_nobody_objects_to_a_tab_that_says_nothing_against_them() -> None:
    for till in (Till().serve(50_00).accept_bill(), Till().serve(50_00).do(payment.take_cash, 50_00)):
        with pytest.raises(TransitionRefused, match="counts against"):
            till.do(objecting.object_to, "so", by=ADA)


def test_facts_are_listed_newest_first() -> None:
    facts = stand(paid(20), missed(5), missed(30)).facts

    assert [(fact.of, fact.tab_id) for fact in facts] == [
        (FactOf.NO_SHOW, "tab_5"),
        (FactOf.FULFILLED, "tab_20"),
        (FactOf.NO_SHOW, "tab_30"),
    ]
