"""Standing through the use cases: what real tabs come to, under other names, against false records, and in a race."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from chalicelib.domain.errors import DomainError, ExposureExceeded, FixedPrice, NotFound
from chalicelib.domain.news.message import MessageKind, Recipient
from chalicelib.domain.parties import Customer
from chalicelib.domain.tab.actor import Actor, Role
from chalicelib.domain.tab.commands.booking import MAXIMUM_LEAD, Terms
from chalicelib.domain.tab.objection import Decision, ObjectionState
from chalicelib.domain.tab.policy import Policy, Resolution
from chalicelib.domain.tab.tab import Tab
from chalicelib.domain.trust.folds import visit_of
from chalicelib.domain.trust.standing import History, Standing, standing_of
from chalicelib.domain.trust.standing_terms import Level, StandingTerms
from chalicelib.domain.trust.tiers import Tier
from chalicelib.domain.trust.visit import Visit
from chalicelib.usecases.parties.contacts import ContactInput, put_contact
from chalicelib.usecases.parties.customers import create_customer
from chalicelib.usecases.tab.bill import contest_bill, resolve_contest
from chalicelib.usecases.tab.booking import cancel_tab, mark_no_show, open_tab
from chalicelib.usecases.tab.payment import take_cash
from chalicelib.usecases.trust.history import read_standing
from chalicelib.usecases.trust.standing import decide_objection, get_standing, object_to_standing
from tests.usecases.fake_gateway import CardBehaviour
from tests.usecases.shop import EVERYTHING, NOON, WITHOUT_CARD, Shop


def is_paid(shop: Shop) -> Shop:
    """Ada comes and pays, and twenty days pass."""
    shop.open(*WITHOUT_CARD).serve(50_00)
    take_cash(shop.deps, shop.tab_id, 50_00, request=shop.request(shop.staff))
    shop.wait(days=20)
    return shop


def is_missed(shop: Shop, **more: Any) -> str:
    """Ada has an appointment, and staff say that she did not come."""
    shop.open(*WITHOUT_CARD, starts_in_hours=1, **more)
    shop.wait(hours=2)
    mark_no_show(shop.deps, shop.tab_id, request=shop.request(shop.staff))
    shop.wait(hours=1)
    return shop.tab_id


def standing(shop: Shop, customer_id: str | None = None) -> Standing:
    known = get_standing(shop.deps, customer_id or shop.customer_id, by=shop.staff).standing
    assert known is not None
    return known


def level(shop: Shop, customer_id: str | None = None) -> Level:
    return standing(shop, customer_id).level


def booked(shop: Shop, customer_id: str | None = None, deposit_minor: int = 20_00) -> Tab:
    """A new booking that asks for a deposit."""
    terms = Terms(
        title="Haircut",
        expected_outcome="Shorter hair",
        estimate_minor=60_00,
        cap_minor=80_00,
        deposit_minor=deposit_minor,
    )
    return open_tab(shop.deps, customer_id or shop.customer_id, terms, request=shop.request(shop.staff)).tab


def other_name(shop: Shop, name: str = "Eva") -> Customer:
    return create_customer(shop.deps, name, request=shop.request(shop.staff))


def phone(shop: Shop, customer_id: str, number: str) -> None:
    given = ContactInput(name="X", email=None, phone=number, language=None, time_zone=None, sms_consent=False)
    put_contact(shop.deps, customer_id, given, request=shop.request(shop.staff))


def test_a_regulars_deposit_falls_away(shop: Shop) -> None:
    """Whole, then half, then none, each time with its reason in what is sealed."""
    seen = []
    for _ in range(7):
        promise = booked(shop).promise
        assert promise.standing is not None
        seen.append((promise.deposit_minor, promise.standing.level, promise.standing.reason.count))
        is_paid(shop)

    assert seen == [
        (20_00, Level.NEW, 0),
        (20_00, Level.NEW, 1),
        (10_00, Level.KNOWN, 2),
        (10_00, Level.KNOWN, 3),
        (10_00, Level.KNOWN, 4),
        (10_00, Level.KNOWN, 5),
        (0, Level.TRUSTED, 6),
    ]


def test_false_no_shows_are_undone_by_an_objection(shop: Shop) -> None:
    """Of a customer who was there: she objects, the owner sees it, and she stands as before."""
    for _ in range(3):
        is_paid(shop)
    first, second = is_missed(shop), is_missed(shop)
    assert (level(shop), booked(shop).promise.deposit_minor) == (Level.WATCH, 20_00)

    object_to_standing(shop.deps, shop.customer_id, first, "I was there", request=shop.request(shop.ada))
    shop.pump.run()
    assert level(shop) == Level.KNOWN, "one no-show is left, and the other is paused at once"
    told = {(message.kind, message.to) for message in shop.messages if message.tab_id == first}
    assert (MessageKind.STANDING_OBJECTED, Recipient.OWNER) in told
    assert [flag.kind for flag in shop.store.get_tab(shop.merchant_id, first).flags] == ["objection"]

    decide_objection(
        shop.deps, shop.customer_id, first, Decision.UPHOLD, "so you were", request=shop.request(shop.owner)
    )
    shop.pump.run()
    assert level(shop) == Level.KNOWN
    key = (shop.merchant_id, shop.customer_id, first)
    assert shop.deps.visits.find_visits([key])[key].objection == ObjectionState.UPHELD, "integrity counts it"
    told = {(message.kind, message.to) for message in shop.messages if message.tab_id == first}
    assert (MessageKind.OBJECTION_DECIDED, Recipient.CUSTOMER) in told

    object_to_standing(shop.deps, shop.customer_id, second, "and then", request=shop.request(shop.ada))
    decide_objection(shop.deps, shop.customer_id, second, Decision.REFUSE, "no", request=shop.request(shop.owner))
    third = is_missed(shop)
    assert level(shop) == Level.WATCH, "what was refused counts again"
    assert third


def test_a_contest_that_is_won_takes_a_no_show_from_the_record(shop: Shop) -> None:
    for _ in range(2):
        tab_id = is_missed(shop, no_show_fee_minor=30_00)
    assert level(shop) == Level.WATCH

    contest_bill(shop.deps, tab_id, "I was there", None, request=shop.request(shop.ada))
    resolve_contest(shop.deps, tab_id, Resolution.WAIVE, None, "so", request=shop.request(shop.owner))
    shop.pump.run()

    assert level(shop) == Level.NEW


def test_nobody_objects_for_another_or_decides_for_themselves(shop: Shop) -> None:
    tab_id = is_missed(shop)
    eva = other_name(shop)
    with pytest.raises(NotFound):
        object_to_standing(shop.deps, eva.customer_id, tab_id, "so", request=shop.request(shop.ada))
    with pytest.raises(DomainError):
        object_to_standing(shop.deps, shop.customer_id, tab_id, "so", request=shop.request(shop.staff))
    object_to_standing(shop.deps, shop.customer_id, tab_id, "so", request=shop.request(shop.ada))
    for who in (shop.ada, shop.staff):
        with pytest.raises(DomainError):
            decide_objection(shop.deps, shop.customer_id, tab_id, Decision.UPHOLD, "so", request=shop.request(who))
    as_eva = Actor(subject="eva", role=Role.CUSTOMER, merchant_id=shop.merchant_id, customer_id=eva.customer_id)
    with pytest.raises(NotFound):
        get_standing(shop.deps, shop.customer_id, by=as_eva)


# Fresh identities


def test_the_same_phone_under_a_new_name_starts_where_it_was(shop: Shop) -> None:
    """What speaks against the earlier name follows; a stranger's trust does not."""
    phone(shop, shop.customer_id, "+491701234567")
    for _ in range(2):
        is_missed(shop)
    eva = other_name(shop)
    assert level(shop, eva.customer_id) == Level.NEW

    phone(shop, eva.customer_id, "+49 170 1234567")

    assert level(shop, eva.customer_id) == Level.WATCH
    promise = booked(shop, eva.customer_id).promise
    assert promise.standing is not None and promise.standing.cap_is_final
    assert standing(shop).facts and len(standing(shop).facts) == 2, "the earlier name knows nothing of the later"


def test_a_trusted_strangers_number_lowers_no_deposit(shop: Shop) -> None:
    phone(shop, shop.customer_id, "+491701234567")
    for _ in range(3):
        is_paid(shop)
    eva = other_name(shop)
    phone(shop, eva.customer_id, "+491701234567")

    assert (level(shop), level(shop, eva.customer_id)) == (Level.KNOWN, Level.NEW)


def test_the_same_card_under_a_new_name_starts_where_it_was(shop: Shop) -> None:
    """By its fingerprint, as soon as a hold on it is placed; of another business nothing is known."""
    card = replace(shop.card, fingerprint="fp_1")
    for customer_id in (shop.customer_id, other_name(shop).customer_id):
        stored = shop.store.get_customer(shop.merchant_id, customer_id)
        shop.store.update_customer(replace(stored, card=card, version=stored.version + 1))
    for _ in range(2):
        is_missed(shop)
    eva = next(one for one in shop.store.customers_of(shop.merchant_id) if one.reference == "Eva")
    assert level(shop, eva.customer_id) == Level.NEW

    ada, shop.customer_id = shop.customer_id, eva.customer_id
    both = shop.ada, replace(shop.ada, customer_id=eva.customer_id)
    shop.ada = both[1]
    shop.open(*EVERYTHING, deposit_minor=20_00)
    shop.customer_id, shop.ada = ada, both[0]
    shop.open(*EVERYTHING, deposit_minor=20_00)
    shop.pump.run()

    assert (level(shop), level(shop, eva.customer_id)) == (Level.WATCH, Level.WATCH)
    assert shop.store.get_customer(shop.merchant_id, eva.customer_id).same_card == (ada,)
    assert shop.deps.visits.note_card("mer_other", "cus_x", "fp_1", limit=9) == [], (
        "nothing is shared between businesses"
    )


def test_half_the_price_for_ever_is_not_to_be_had_under_another_name(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tiers of a card's names are one person's, and one read serves them and standing."""
    eva = other_name(shop)
    shop.store.update_customer(replace(eva, same_card=(shop.customer_id,), version=eva.version + 1))
    for number in (1, 2):
        shop.deps.visits.put_visit(
            Visit(
                tab_id=f"tab_{number}",
                merchant_id=shop.merchant_id,
                customer_id=shop.customer_id,
                opened_at=NOON,
                due_at=NOON,
                tier_percent=50,
            ),
            None,
        )
    read = []
    list_visits = shop.deps.visits.list_visits_by_customer

    def listed(merchant_id: str, customer_id: str, since: datetime) -> Sequence[Visit]:
        read.append(customer_id)
        return list_visits(merchant_id, customer_id, since)

    monkeypatch.setattr(shop.deps.visits, "list_visits_by_customer", listed)
    tiers = (Tier(percent=100, measure="Live."), Tier(percent=50, measure="Not live."))
    terms = Terms(
        title="Site", expected_outcome="Live.", estimate_minor=60_00, cap_minor=80_00, tiers=tiers, silence_percent=50
    )

    with pytest.raises(FixedPrice):
        open_tab(shop.deps, eva.customer_id, terms, request=shop.request(shop.staff))
    assert read == [eva.customer_id, shop.customer_id]


def test_nobody_in_particular_has_no_standing(shop: Shop) -> None:
    terms = Terms(title="Coffee", expected_outcome="Coffee", estimate_minor=5_00, cap_minor=9_00)
    tab = open_tab(shop.deps, None, terms, request=shop.request(shop.staff)).tab

    assert tab.promise.standing is None


def test_what_was_booked_years_ahead_counts_from_its_own_day(shop: Shop) -> None:
    """However long before its appointment a tab was opened, and as long as the policy says."""
    missed_at = shop.clock.now() - timedelta(days=600)
    for number in range(2):
        visit = Visit(
            tab_id=f"tab_{number}x",
            merchant_id=shop.merchant_id,
            customer_id=shop.customer_id,
            opened_at=missed_at - MAXIMUM_LEAD,
            no_show_at=missed_at,
        )
        shop.deps.visits.put_visit(visit, None)
    customer = shop.store.get_customer(shop.merchant_id, shop.customer_id)

    for window_days, counts in ((599, False), (601, True)):
        policy = Policy(standing=StandingTerms(window_days=window_days))
        known = read_standing(shop.deps, policy, customer, shop.clock.now())
        assert known is not None and (known.level == Level.WATCH) == counts


# Races, time, limits


def test_two_tabs_that_race_are_both_sealed_by_what_was_known(shop: Shop) -> None:
    """Opened before the relay has folded a no-show, neither is changed by it later; the next one is."""
    is_missed(shop)
    shop.open(*WITHOUT_CARD, starts_in_hours=1)
    shop.wait(hours=2)
    shop.pump.rests = True
    mark_no_show(shop.deps, shop.tab_id, request=shop.request(shop.staff))
    racing = [booked(shop), booked(shop)]
    shop.pump.rests = False
    shop.pump.run()

    for tab in racing:
        stored = shop.store.get_tab(shop.merchant_id, tab.tab_id).promise
        assert stored == tab.promise
        assert stored.standing is not None and stored.standing.level == Level.NEW
    last = booked(shop).promise.standing
    assert last is not None and last.level == Level.WATCH


def test_the_clock_alone_ends_a_watch(shop: Shop) -> None:
    """A year after the first of two no-shows, and not a second before."""
    is_missed(shop)
    shop.wait(days=30)
    is_missed(shop)
    until = standing(shop).changes_at
    assert until is not None and level(shop) == Level.WATCH

    shop.clock.instant = until.replace(microsecond=0)
    assert level(shop) == Level.NEW


def test_what_may_be_owed_at_once_follows_the_level() -> None:
    """Of a limit of 60.00 somebody new has all; who is known, twice as much; who is on watch, half."""
    shop = Shop(Policy(exposure_per_customer_minor=60_00))
    booked(shop, deposit_minor=0)
    for _ in range(2):
        is_paid(shop)
    shop.open(*WITHOUT_CARD).serve(50_00)
    booked(shop, deposit_minor=0)

    other = Shop(Policy(exposure_per_customer_minor=60_00))
    for _ in range(2):
        is_missed(other)
    with pytest.raises(ExposureExceeded, match=r"30\.00"):
        booked(other, deposit_minor=0)


# A merchant's year


def test_over_months_standing_is_what_the_entries_make_it() -> None:
    """Eight customers of different kinds, most of a year: at each step as recomputed, and sealed as it stood."""
    shop, chance = Shop(), random.Random(4)
    shop.gateway.cards["pm_1"] = CardBehaviour.GOOD
    people = [shop.customer_id, *(other_name(shop, f"no. {number}").customer_id for number in range(7))]
    phone(shop, people[1], "+491701234567")
    phone(shop, people[2], "+491701234567")
    levels = set()
    for _ in range(110):
        shop.customer_id = chance.choice(people)
        shop.ada = replace(shop.ada, customer_id=shop.customer_id)
        customer = shop.store.get_customer(shop.merchant_id, shop.customer_id)
        before = recomputed(shop, customer)
        levels.add(before.level)
        kind = chance.choice(["paid", "paid", "paid", "paid", "late", "missed", "canceled"])
        hours = 1 if kind in ("missed", "canceled") else None
        shop.open(*WITHOUT_CARD, deposit_minor=20_00, starts_in_hours=hours)
        sealed = shop.tab.promise.standing
        assert sealed is not None and (sealed.level, sealed.reason) == (before.level, before.reasons[0])
        if kind in ("paid", "late"):
            shop.serve(50_00)
            shop.wait(days=16 if kind == "late" else 0)
            take_cash(shop.deps, shop.tab_id, 50_00, request=shop.request(shop.staff))
        elif kind == "missed":
            shop.wait(hours=2)
            mark_no_show(shop.deps, shop.tab_id, request=shop.request(shop.staff))
            if chance.random() < 0.4:
                object_to_standing(shop.deps, shop.customer_id, shop.tab_id, "so", request=shop.request(shop.ada))
                if chance.random() < 0.7:
                    decision = chance.choice(list(Decision))
                    decide_objection(
                        shop.deps, shop.customer_id, shop.tab_id, decision, "so", request=shop.request(shop.owner)
                    )
        else:
            cancel_tab(shop.deps, shop.tab_id, "ill", request=shop.request(shop.ada))
        shop.wait(days=2)
        assert recomputed(shop, customer) == standing(shop)

    assert levels == set(Level)
    assert (shop.clock.now() - NOON).days > 250


def recomputed(shop: Shop, customer: Customer) -> Standing:
    """From all entries of the customer's tabs, and of those under other names, and from nothing else."""
    merchant = shop.store.get_merchant(shop.merchant_id)
    assert merchant.policy.standing is not None

    def visits(customer_id: str) -> list[Any]:
        mine = [new for new in shop.store.stream if new.customer_id == customer_id and new.tab_id is not None]
        tabs = dict.fromkeys(new.tab_id for new in mine if new.tab_id)
        return [
            visit_of(shop.merchant_id, tab_id, customer_id, [new.entry for new in mine if new.tab_id == tab_id])
            for tab_id in tabs
        ]

    history = History(
        own=visits(customer.customer_id),
        same_card=[visit for who in customer.same_card for visit in visits(who)],
        same_phone=[visit for who in customer.same_phone for visit in visits(who)],
    )
    found = standing_of(history, merchant.policy.standing, shop.clock.now())
    assert read_standing(shop.deps, merchant.policy, customer, shop.clock.now()) == found
    return found
