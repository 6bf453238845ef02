"""Saved cards: stored with consent, used as agreed, and unusable everywhere once removed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from chalicelib.domain.errors import Contention, IdempotencyMismatch, NotFound, PromiseNotAccepted, TransitionRefused
from chalicelib.domain.parties import CardConsent, Customer
from chalicelib.domain.tab.attempt import Operation
from chalicelib.domain.tab.facts.fact import Fact, FactKind
from chalicelib.domain.tab.payments import Card
from chalicelib.domain.tab.promise import Acceptance, AcceptanceMethod, Consent
from chalicelib.domain.tab.status import Status
from chalicelib.ports.gateway import GatewayRejected
from chalicelib.usecases.parties.cards import change_card
from chalicelib.usecases.parties.customers import CardTerms, create_customer, get_customer, prepare_card, remove_card
from chalicelib.usecases.tab.booking import Agreement, accept_promise, cancel_tab
from chalicelib.usecases.tab.payment import pay_on_phone
from tests.usecases.shop import NOON, WITH_CARD, WITHOUT_CARD, Shop
from tests.usecases.test_merchants import blind_once

ACCOUNT = "acct_1"
TERMS = CardTerms(terms_sha256="0" * 64, tab_id=None, ip="192.0.2.1", user_agent="phone")
PHONE_CARD = Card(card_id="pm_phone", brand="mastercard", last4="4444", saved_at=NOON)


@pytest.fixture
def shop() -> Shop:
    """The merchant has a connected account, and the gateway knows of nothing outside of it."""
    return Shop(account=ACCOUNT)


def customer_of(shop: Shop) -> Customer:
    return shop.store.get_customer(shop.merchant_id, shop.customer_id)


def pay_with_another_card(shop: Shop) -> None:
    """Part of the bill, on the phone, with a card that the customer lets us keep: the tab stays unfinished."""
    shop.open(*WITH_CARD).serve(50_00)
    answer = pay_on_phone(shop.deps, shop.tab_id, request=shop.request(shop.ada))
    assert answer.attempt is not None
    payment_id = answer.attempt.payment_id or ""
    shop.gateway.confirm(payment_id, card=PHONE_CARD)
    shop.deliver_all()


def racing_once(shop: Shop, change: Any) -> None:
    """Somebody else changes the customer between the next reading and writing."""
    update_customer = shop.store.update_customer

    def racing(customer: Customer, **rest: Any) -> None:
        shop.store.update_customer = update_customer  # type: ignore[method-assign]
        update_customer(change(customer_of(shop)))
        update_customer(customer, **rest)

    shop.store.update_customer = racing  # type: ignore[method-assign]


def renamed(customer: Customer) -> Customer:
    return replace(customer, reference="Ada L.", version=customer.version + 1)


# Customers


def test_a_customer_is_kept_as_they_were_asked_for(shop: Shop) -> None:
    """Here under an id of ours, at the gateway under one of its own, in the merchant's account."""
    bob = create_customer(shop.deps, "Bob", request=shop.request(shop.staff))

    assert bob == Customer(
        customer_id=bob.customer_id,
        merchant_id=shop.merchant_id,
        customer_ref=bob.customer_ref,
        reference="Bob",
        created_at=NOON,
    )
    assert bob.customer_id.startswith("cus_")
    assert bob.customer_ref != customer_of(shop).customer_ref
    assert get_customer(shop.deps, bob.customer_id, by=shop.staff) == bob


def test_two_customers_asked_for_at_once_under_one_key_are_one(shop: Shop) -> None:
    """Neither request sees the other's record; for somebody else the key is refused."""
    request = shop.request(shop.staff)
    first = create_customer(shop.deps, "Bob", request=request)
    blind_once(shop)

    # The other request's customer is not there yet, either: this one finds nobody with its reference.
    assert create_customer(shop.deps, "Bob", allow_same_reference=True, request=request) == first
    with pytest.raises(IdempotencyMismatch):
        create_customer(shop.deps, "Eve", request=replace(request, request_sha256="other"))


def test_another_merchants_customer_is_not_found(shop: Shop) -> None:
    """By staff; and an operator has none."""
    for merchant_id in ("mer_other", None):
        with pytest.raises(NotFound):
            get_customer(shop.deps, shop.customer_id, by=replace(shop.staff, merchant_id=merchant_id))


# Saving a card


def test_the_consent_to_keep_a_card_is_on_record_before_the_card(shop: Shop) -> None:
    """Who agreed to which words, when and from where; the gateway is asked with that in hand."""
    shop.clock.instant += timedelta(minutes=1)

    prepared = prepare_card(shop.deps, shop.customer_id, TERMS, request=shop.request(shop.ada))

    consent = CardConsent(
        subject="ada", terms_sha256="0" * 64, given_at=shop.clock.instant, ip="192.0.2.1", user_agent="phone"
    )
    assert customer_of(shop).card_consent == consent
    assert customer_of(shop).version == 3
    assert shop.gateway.consents == [(customer_of(shop), None)]
    assert (prepared.account, prepared.replayed) == (ACCOUNT, False)


def test_a_card_for_a_tab_is_for_that_tab(shop: Shop) -> None:
    """Which has to consent to it, and be the customer's own."""
    shop.open(*WITHOUT_CARD)
    with pytest.raises(PromiseNotAccepted) as refused:
        prepare_card(shop.deps, shop.customer_id, replace(TERMS, tab_id=shop.tab_id), request=shop.request(shop.ada))
    assert refused.value.context == {"consent": Consent.CARD_ON_FILE}
    with pytest.raises(NotFound):
        prepare_card(shop.deps, shop.customer_id, replace(TERMS, tab_id="tab_none"), request=shop.request(shop.ada))

    shop.open(*WITH_CARD)
    prepare_card(shop.deps, shop.customer_id, replace(TERMS, tab_id=shop.tab_id), request=shop.request(shop.ada))

    assert [tab_id for _, tab_id in shop.gateway.consents] == [shop.tab_id]


def test_nobody_prepares_a_card_on_another_customers_tab(shop: Shop) -> None:
    """Not even with a customer record of their own."""
    shop.open(*WITH_CARD)
    eve = create_customer(shop.deps, "Eve", request=shop.request(shop.staff))
    by_eve = replace(shop.ada, subject="eve", customer_id=eve.customer_id)

    with pytest.raises(NotFound):
        prepare_card(shop.deps, eve.customer_id, replace(TERMS, tab_id=shop.tab_id), request=shop.request(by_eve))
    with pytest.raises(NotFound):
        prepare_card(shop.deps, shop.customer_id, TERMS, request=shop.request(by_eve))


def test_a_card_prepared_again_is_the_same_until_the_key_is_forgotten(shop: Shop) -> None:
    """A day later the key is new to us; the gateway, which may still know it, is asked under another."""
    request = shop.request(shop.ada)
    first = prepare_card(shop.deps, shop.customer_id, TERMS, request=request)

    again = prepare_card(shop.deps, shop.customer_id, TERMS, request=request)
    assert (again.setup, again.account, again.replayed) == (first.setup, ACCOUNT, True)
    assert customer_of(shop).version == 3
    with pytest.raises(IdempotencyMismatch):
        prepare_card(shop.deps, shop.customer_id, TERMS, request=replace(request, request_sha256="other"))

    shop.clock.instant += timedelta(days=1)
    later = prepare_card(shop.deps, shop.customer_id, TERMS, request=request)
    assert later.setup != first.setup
    assert not later.replayed


def test_a_card_prepared_again_for_a_tab_that_has_ended_is_the_same(shop: Shop) -> None:
    """The first answer may have been lost; a new request for that tab is refused."""
    shop.open(*WITH_CARD)
    terms, request = replace(TERMS, tab_id=shop.tab_id), shop.request(shop.ada)
    first = prepare_card(shop.deps, shop.customer_id, terms, request=request)
    cancel_tab(shop.deps, shop.tab_id, "Ill", request=shop.request(shop.staff))
    shop.sweep_until_quiet()
    assert shop.tab.status == Status.CLOSED

    again = prepare_card(shop.deps, shop.customer_id, terms, request=request)

    assert (again.setup, again.replayed) == (first.setup, True)
    with pytest.raises(TransitionRefused):
        prepare_card(shop.deps, shop.customer_id, terms, request=shop.request(shop.ada))


def test_a_consent_that_lost_a_race_is_asked_for_again(shop: Shop) -> None:
    """Nothing was kept of it; nor of the same request made twice at once."""
    racing_once(shop, renamed)
    with pytest.raises(Contention):
        prepare_card(shop.deps, shop.customer_id, TERMS, request=shop.request(shop.ada))
    assert customer_of(shop).card_consent is None

    request = shop.request(shop.ada)
    prepare_card(shop.deps, shop.customer_id, TERMS, request=request)
    blind_once(shop)
    with pytest.raises(Contention):
        prepare_card(shop.deps, shop.customer_id, TERMS, request=request)


# Accepting with a saved card


def agreement(shop: Shop, *consents: Consent) -> Agreement:
    return Agreement(
        promise_sha256=shop.tab.promise.sha256,
        consents=consents,
        card_terms_sha256="0" * 64 if Consent.CARD_ON_FILE in consents else None,
        ip="192.0.2.7",
        user_agent="tablet",
    )


def test_an_acceptance_is_sealed_with_everything_about_it(shop: Shop) -> None:
    """Whose, how, when, from where, to which words and consents; the saved card comes with the consent to it."""
    shop.open()
    said = agreement(shop, *WITH_CARD)

    tab = accept_promise(shop.deps, shop.tab_id, said, request=shop.request(shop.ada)).tab

    assert tab.promise.accepted == Acceptance(
        subject="ada",
        method=AcceptanceMethod.APP,
        accepted_at=NOON,
        ip="192.0.2.7",
        user_agent="tablet",
        promise_sha256=tab.promise.sha256,
        consents=WITH_CARD,
        card_terms_sha256="0" * 64,
    )
    assert tab.card == shop.card


def test_what_staff_record_was_said_in_person_and_brings_no_card(shop: Shop) -> None:
    """Nor does the customer's own acceptance without the consent to keep one."""
    shop.open()
    in_person = accept_promise(
        shop.deps, shop.tab_id, agreement(shop, *WITHOUT_CARD), request=shop.request(shop.staff)
    ).tab
    assert in_person.promise.accepted is not None
    assert (in_person.promise.accepted.method, in_person.card) == (AcceptanceMethod.IN_PERSON, None)

    shop.open()
    accepted = accept_promise(shop.deps, shop.tab_id, agreement(shop, *WITHOUT_CARD), request=shop.request(shop.ada))
    assert accepted.tab.card is None


# Removing


def test_a_removed_card_is_gone_here_at_the_gateway_and_on_every_tab(shop: Shop) -> None:
    """So is one that was kept with a payment long made; finished tabs say what they were paid with."""
    shop.open(*WITH_CARD).serve(20_00).accept_bill()
    finished = shop.tab_id
    shop.open(*WITH_CARD)
    first = shop.tab_id
    shop.open(*WITH_CARD)
    pay_with_another_card(shop)
    assert shop.tab.status == "closed"

    customer = remove_card(shop.deps, shop.customer_id, request=shop.request(shop.ada))

    assert customer == customer_of(shop)
    assert (customer.card, customer.version) == (None, 3)
    assert sorted(shop.gateway.removed_cards) == ["pm_1", "pm_phone"]
    assert shop.store.get_tab(shop.merchant_id, first).card is None
    assert shop.store.get_tab(shop.merchant_id, finished).card == shop.card


def test_removing_nothing_uses_up_no_key(shop: Shop) -> None:
    """The gateway was asked what it keeps, and it keeps nothing."""
    shop.store.update_customer(replace(customer_of(shop), card=None, version=3))
    shop.gateway.attached_cards.clear()
    request = shop.request(shop.ada)

    assert remove_card(shop.deps, shop.customer_id, request=request).version == 3

    assert shop.store.find_record(request.record_id, shop.clock.now()) is None


def test_a_repeated_removal_spares_the_card_saved_since(shop: Shop) -> None:
    """It has been answered; under another body the key is refused."""
    request = shop.request(shop.ada)
    removed = remove_card(shop.deps, shop.customer_id, request=request)
    record = shop.store.find_record(request.record_id, shop.clock.now())
    assert record is not None
    assert record.resource_id == shop.customer_id
    shop.store.update_customer(replace(removed, card=PHONE_CARD, version=removed.version + 1))

    assert remove_card(shop.deps, shop.customer_id, request=request).card == PHONE_CARD
    assert shop.gateway.removed_cards == ["pm_1"]
    with pytest.raises(IdempotencyMismatch):
        remove_card(shop.deps, shop.customer_id, request=replace(request, request_sha256="other"))


def test_a_removal_that_lost_a_race_is_asked_for_again(shop: Shop) -> None:
    """The card is off at the gateway by then; the repetition finishes here."""
    request = shop.request(shop.ada)
    racing_once(shop, renamed)
    with pytest.raises(Contention):
        remove_card(shop.deps, shop.customer_id, request=request)
    assert customer_of(shop).card == shop.card

    assert remove_card(shop.deps, shop.customer_id, request=request).card is None


def test_nobody_removes_another_customers_card(shop: Shop) -> None:
    """Not found, as if there were none."""
    eve = replace(shop.ada, subject="eve", customer_id="cus_eve")

    with pytest.raises(NotFound):
        remove_card(shop.deps, shop.customer_id, request=shop.request(eve))

    assert shop.gateway.removed_cards == []


def test_a_gateway_that_refuses_leaves_the_card(shop: Shop) -> None:
    """Asked in another account it would know nothing of the card."""
    shop.gateway.account = "acct_other"

    with pytest.raises(GatewayRejected):
        remove_card(shop.deps, shop.customer_id, request=shop.request(shop.ada))

    assert customer_of(shop).card == shop.card


# News of a card from the gateway


def news(kind: FactKind, card_id: str = "pm_1", card: Card | None = None) -> Fact:
    return Fact(kind=kind, object_id=card_id, at=NOON, card=card)


def test_a_card_the_bank_replaced_keeps_its_id_and_its_day(shop: Shop) -> None:
    """What a person recognises it by changes, on the customer and on each tab."""
    shop.open(*WITH_CARD)
    replaced = Card(card_id="pm_1", brand="visa debit", last4="9999", saved_at=NOON + timedelta(days=9))

    changed = change_card(shop.deps, customer_of(shop), news(FactKind.CARD_UPDATED, card=replaced))

    assert changed == customer_of(shop)
    assert changed.card == replace(shop.card, brand="visa debit", last4="9999")
    assert changed.version == 3
    assert shop.tab.card == changed.card


def test_news_of_another_card_leaves_the_customers_own(shop: Shop) -> None:
    """And whoever has none stays without."""
    before = customer_of(shop)
    assert change_card(shop.deps, before, news(FactKind.CARD_REMOVED, "pm_other")) == before == customer_of(shop)

    shop.store.update_customer(replace(before, card=None, version=3))
    assert change_card(shop.deps, customer_of(shop), news(FactKind.CARD_REMOVED)).version == 3


def test_news_of_a_card_is_written_once_and_heard_twice_changes_nothing(shop: Shop) -> None:
    """One version more, not one for each round that could have been lost: others are changing the customer too."""
    updated = news(FactKind.CARD_UPDATED, card=replace(shop.card, last4="9999"))

    assert change_card(shop.deps, customer_of(shop), updated).version == 3
    assert change_card(shop.deps, customer_of(shop), updated).version == 3
    assert change_card(shop.deps, customer_of(shop), news(FactKind.CARD_REMOVED)).version == 4
    assert change_card(shop.deps, customer_of(shop), news(FactKind.CARD_REMOVED)).version == 4


def test_news_of_a_card_wins_over_a_change_made_meanwhile(shop: Shop) -> None:
    """Read again, and written on top; a card saved meanwhile is another one, and stays."""
    racing_once(shop, renamed)
    changed = change_card(shop.deps, customer_of(shop), news(FactKind.CARD_REMOVED))
    assert (changed.card, changed.reference, changed.version) == (None, "Ada L.", 4)

    shop.store.update_customer(replace(customer_of(shop), card=shop.card, version=5))
    racing_once(shop, lambda customer: replace(customer, card=PHONE_CARD, version=customer.version + 1))
    assert change_card(shop.deps, customer_of(shop), news(FactKind.CARD_REMOVED)).card == PHONE_CARD


def test_a_tab_goes_on_at_once_with_what_the_news_of_its_card_changes(shop: Shop) -> None:
    """The hold that was being placed with it is looked into; a booking's deposit is wanted again."""
    shop.open(*WITH_CARD, starts_in_hours=240, deposit_minor=20_00)
    assert shop.tab.deposit.state == "card_saved"

    change_card(shop.deps, customer_of(shop), news(FactKind.CARD_REMOVED))

    assert shop.tab.deposit.state == "wanted"
    assert [attempt.operation for attempt in shop.tab.attempts if attempt.operation == Operation.PLACE_HOLD] == []


def test_a_card_that_came_with_a_payment_stays_on_its_tab(shop: Shop) -> None:
    """The customer's own is another."""
    pay_with_another_card(shop)

    assert shop.tab.card == PHONE_CARD
    assert customer_of(shop).card == shop.card
