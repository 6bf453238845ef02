"""Credit through the use cases: races for it, crashes, invitations, and what customers may ask for."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from chalicelib.domain.contact import Contact
from chalicelib.domain.errors import CreditNotAvailable, NotFound, ReferralRefused
from chalicelib.domain.tab.actor import Actor, Role
from chalicelib.domain.tab.draft import Change
from chalicelib.domain.tab.payments import Card, LegKind
from chalicelib.domain.tab.policy import Policy
from chalicelib.domain.tab.status import Status
from chalicelib.domain.tab.tab import Tab
from chalicelib.domain.trust.credits import CreditAccount, MovementKind
from chalicelib.domain.trust.terms import CreditTerms
from chalicelib.usecases.parties.customers import create_customer
from chalicelib.usecases.tab.bill import accept_bill
from chalicelib.usecases.tab.booking import open_tab
from chalicelib.usecases.tab.payment import pay_on_phone
from chalicelib.usecases.tab.refund import refund_tab
from chalicelib.usecases.tab.requests import Answer
from chalicelib.usecases.trust.credits import (
    find_invitation,
    get_invitation_code,
    read_statement,
    set_spends_by_itself,
    take_invitation,
)
from tests.usecases import shop as shop_module
from tests.usecases.shop import EVERYTHING, NOON, WITHOUT_CARD, Shop

TERMS = CreditTerms(rate_basis_points=1000, referral_minor=5_00, referral_least_minor=20_00)


@pytest.fixture
def shop() -> Shop:
    return Shop(Policy(credits=TERMS))


def account(shop: Shop, customer_id: str | None = None) -> CreditAccount:
    found = shop.store.find_credit_account(shop.merchant_id, customer_id or shop.customer_id)
    assert found is not None
    return found


def paid(shop: Shop, price: int = 50_00) -> Shop:
    shop.open(*EVERYTHING).serve(price).accept_bill()
    assert shop.tab.status == Status.CLOSED
    return shop


def with_credit(shop: Shop) -> Shop:
    """Ada has 5.00 that she can spend now."""
    paid(shop)
    shop.wait(days=14)
    return shop


def accept(shop: Shop, tab_id: str, credit_minor: int | None, **request: Any) -> Answer:
    return accept_bill(shop.deps, tab_id, 0, credit_minor=credit_minor, request=shop.request(shop.ada, **request))


def friend_of(shop: Shop, name: str, card_id: str) -> Actor:
    """Another customer of the shop, with a card."""
    customer = create_customer(shop.deps, name, request=shop.request(shop.staff))
    card = Card(card_id=card_id, brand="visa", last4="1111", saved_at=NOON)
    shop.store.update_customer(replace(customer, card=card, version=2))
    shop.gateway.attached_cards.append(card_id)
    return Actor(subject=name, role=Role.CUSTOMER, merchant_id=shop.merchant_id, customer_id=customer.customer_id)


def as_customer(shop: Shop, who: Actor) -> Shop:
    """The shop's stories are this customer's from now on."""
    assert who.customer_id is not None
    shop.customer_id, shop.ada = who.customer_id, who
    return shop


@pytest.fixture(autouse=True)
def the_books_of_credit_agree(shop: Shop) -> Iterator[None]:
    """After every story: statements, histories and ledgers."""
    yield
    shop.check_credits()


# Spending


def test_a_repeated_request_spends_once(shop: Shop) -> None:
    with_credit(shop).open(*EVERYTHING).serve(30_00)
    first = accept(shop, shop.tab_id, 5_00, key="tap", body="same")
    again = accept(shop, shop.tab_id, 5_00, key="tap", body="same")

    assert again.replayed and again.tab.tab_id == first.tab.tab_id
    assert [(leg.kind, leg.amount_minor) for leg in shop.tab.legs] == [(LegKind.CREDIT, 5_00), (LegKind.CHARGE, 25_00)]
    shop.check_books()


def test_of_two_tabs_that_spend_the_same_credit_one_is_refused(shop: Shop) -> None:
    """The second is told what is left; its card is not charged for what its customer wanted to pay with credit."""
    with_credit(shop)
    first = shop.open(*EVERYTHING).serve(30_00).tab_id
    second = shop.open(*EVERYTHING).serve(30_00).tab_id
    commit, others = shop.store.commit, []

    def commit_after_the_other(change: Change, **more: Any) -> Tab:
        if not others:
            others.append(True)
            accept(shop, first, 5_00)
        return commit(change, **more)

    shop.store.commit = commit_after_the_other  # type: ignore[method-assign]
    with pytest.raises(CreditNotAvailable) as refused:
        accept(shop, second, 5_00)

    assert refused.value.context == {"spendable_minor": 0}
    assert [leg.kind for leg in shop.store.get_tab(shop.merchant_id, first).legs] == [LegKind.CREDIT, LegKind.CHARGE]
    assert shop.store.get_tab(shop.merchant_id, second).legs == ()
    assert account(shop).active_minor(shop.clock.now()) == 0


def test_two_payments_that_arrive_at_once_both_earn(shop: Shop) -> None:
    """A payment's outcome is never refused: the account is read again, and both lots are there."""
    first = shop.open(*EVERYTHING).serve(50_00).tab_id
    second = shop.open(*EVERYTHING).serve(50_00).tab_id
    commit, others = shop.store.commit, []

    def commit_after_the_other(change: Change, **more: Any) -> Tab:
        if change.credits and not others:
            others.append(True)
            accept(shop, first, None)
        return commit(change, **more)

    shop.store.commit = commit_after_the_other  # type: ignore[method-assign]
    accept(shop, second, None)

    assert [lot.tab_id for lot in account(shop).lots] == [first, second]


def test_credit_closes_a_payment_page_that_asks_for_more(shop: Shop) -> None:
    """The page for 30.00 is closed before credit pays 5.00 of it, and another asks for the rest."""
    with_credit(shop).open(*WITHOUT_CARD).serve(30_00)
    pay_on_phone(shop.deps, shop.tab_id, request=shop.request(shop.ada))
    answer = pay_on_phone(shop.deps, shop.tab_id, credit_minor=5_00, request=shop.request(shop.ada))

    assert answer.attempt is not None and answer.attempt.amount_minor == 25_00
    shop.gateway.confirm(str(answer.attempt.payment_id), Card(card_id="pm_9", brand="visa", last4="1", saved_at=NOON))
    shop.deliver_all()
    assert shop.tab.status == Status.CLOSED
    shop.check_books()


def test_the_wish_counts_after_the_review(shop: Shop) -> None:
    with_credit(shop)
    set_spends_by_itself(shop.deps, shop.customer_id, True, request=shop.request(shop.ada))
    shop.open(*EVERYTHING).serve(30_00).wait(hours=25)

    assert [leg.kind for leg in shop.tab.legs] == [LegKind.CREDIT, LegKind.CHARGE]


def test_anonymous_customers_have_no_account(shop: Shop) -> None:
    """Nobody can come back as them, so the business owes them nothing."""
    terms = {"title": "Coffee", "expected_outcome": "Hot", "estimate_minor": 50_00, "cap_minor": 90_00}
    from chalicelib.domain.tab.commands.booking import Terms

    tab = open_tab(shop.deps, None, Terms(**terms), request=shop.request(shop.staff)).tab
    assert tab.policy.credits is None


# The statement


def test_the_statement_names_the_entry_of_each_movement(shop: Shop) -> None:
    with_credit(shop).open(*EVERYTHING).serve(30_00)
    accept(shop, shop.tab_id, 5_00)
    refund_tab(shop.deps, shop.tab_id, None, "sorry", request=shop.request(shop.staff))
    statement = read_statement(shop.deps, shop.customer_id, limit=99, cursor=None, by=shop.ada)

    lines = list(reversed(statement.movements.items))
    assert [line.kind for line in lines] == [
        MovementKind.EARNED,
        MovementKind.SPENT,
        MovementKind.EARNED,
        MovementKind.RETURNED,
        MovementKind.REVERSED,
    ]
    entries = {
        (line.tab_id, line.tab_seq): shop.store.list_entries(
            shop.merchant_id, line.tab_id, limit=999, cursor=None
        ).items[line.tab_seq - 1]
        for line in lines
    }
    assert [entries[line.tab_id, line.tab_seq].kind for line in lines] == [f"credit_{line.kind}" for line in lines]
    assert statement.account.balance_minor == sum(line.amount_minor for line in lines) == lines[-1].balance_minor
    with pytest.raises(NotFound):
        read_statement(shop.deps, "cus_other", limit=9, cursor=None, by=shop.ada)


# Invitations


def code_of(shop: Shop) -> str:
    code = get_invitation_code(shop.deps, shop.customer_id, request=shop.request(shop.ada)).code
    assert code is not None
    return code


def take(shop: Shop, who: Actor, code: str) -> CreditAccount:
    assert who.customer_id is not None
    return take_invitation(shop.deps, who.customer_id, code, request=shop.request(who))


def why(shop: Shop, who: Actor, code: str) -> object:
    with pytest.raises(ReferralRefused) as refused:
        take(shop, who, code)
    return refused.value.context["why"]


def test_an_invitation_from_code_to_reward_and_back(shop: Shop) -> None:
    code = code_of(paid(shop))
    ada, bob = shop.customer_id, friend_of(shop, "Bob", "pm_bob")
    assert find_invitation(shop.deps, code.lower()) is not None
    take(shop, bob, code.lower())
    as_customer(shop, bob).open().serve(30_00)
    answer = pay_on_phone(shop.deps, shop.tab_id, request=shop.request(bob))
    assert answer.attempt is not None
    shop.gateway.confirm(str(answer.attempt.payment_id), Card(card_id="pm_b", brand="visa", last4="1", saved_at=NOON))
    shop.deliver_all()

    assert (account(shop, ada).balance_minor, account(shop).balance_minor) == (10_00, 8_00)
    refund_tab(shop.deps, shop.tab_id, None, "sorry", request=shop.request(shop.staff))
    assert (account(shop, ada).balance_minor, account(shop).balance_minor) == (5_00, 0)
    shop.check_books()


def test_the_same_card_under_another_name_is_not_rewarded(shop: Shop) -> None:
    code, ada = code_of(paid(shop)), shop.customer_id
    twin = friend_of(shop, "Twin", shop.card.card_id)
    take(shop, twin, code)
    paid(as_customer(shop, twin))

    referral = account(shop).referral
    assert referral is not None and referral.refused == "same_card"
    assert account(shop, ada).balance_minor == 5_00


def test_who_was_there_before_the_invitations_were_is_not_rewarded_as_new(shop: Shop) -> None:
    """Their card is known from a visit that no credit was offered for, under a name that nobody invited."""
    with_terms = shop.store.get_merchant(shop.merchant_id)
    without = replace(with_terms, policy=Policy(), version=with_terms.version + 1)
    shop.store.update_merchant(without)
    card = shop.card.card_id
    paid(shop)
    shop.pump.run()
    shop.store.update_merchant(replace(with_terms, version=without.version + 1))
    code = code_of(paid(as_customer(shop, friend_of(shop, "Bob", "pm_bob"))))
    twin = friend_of(shop, "Twin", card)
    take(shop, twin, code)

    paid(as_customer(shop, twin))

    referral = account(shop).referral
    assert referral is not None and referral.refused == "same_card"


def test_nobody_invites_before_they_have_paid(shop: Shop) -> None:
    with pytest.raises(ReferralRefused) as refused:
        code_of(shop)
    assert refused.value.context["why"] == "no_paid_tab"


def test_a_circle_of_three_is_refused(shop: Shop) -> None:
    """Ada invites Bob, Bob invites Eve, Eve invites Ada: who can invite has paid, and who has paid is not new."""
    ada_code, ada = code_of(paid(shop)), shop.ada
    bob, eve = friend_of(shop, "Bob", "pm_bob"), friend_of(shop, "Eve", "pm_eve")
    take(shop, bob, ada_code)
    bob_code = code_of(paid(as_customer(shop, bob)))
    take(shop, eve, bob_code)
    eve_code = code_of(paid(as_customer(shop, eve)))

    assert why(shop, ada, eve_code) == "not_new"


def test_who_is_not_new_or_the_same_person_is_refused(shop: Shop) -> None:
    code = code_of(paid(shop))
    assert why(shop, shop.ada, code) == "same_person"
    bob = friend_of(shop, "Bob", "pm_bob")
    ada_actor = shop.ada
    paid(as_customer(shop, bob))
    assert why(shop, bob, code) == "not_new"
    assert why(shop, ada_actor, "NOSUCHCODE") == "unknown_code"


def test_the_same_phone_is_the_same_person(shop: Shop) -> None:
    code = code_of(paid(shop))
    twin = friend_of(shop, "Twin", "pm_twin")
    for customer_id in (shop.customer_id, twin.customer_id):
        contact = Contact(
            merchant_id=shop.merchant_id, customer_id=str(customer_id), phone="+4312345678", updated_at=NOON
        )
        shop.deps.people.put_contact(contact, None)

    assert why(shop, twin, code) == "same_phone"


def test_only_the_first_invitation_counts(shop: Shop) -> None:
    code, bob = code_of(paid(shop)), friend_of(shop, "Bob", "pm_bob")
    eve = friend_of(shop, "Eve", "pm_eve")
    other = code_of(paid(as_customer(shop, eve)))
    take(shop, bob, code)

    assert take(shop, bob, code) == account(shop, bob.customer_id)
    assert why(shop, bob, other) == "already_invited"


def test_where_nothing_is_offered_nothing_is_made() -> None:
    shop = paid(Shop(Policy(credits=CreditTerms(rate_basis_points=1000))))
    with pytest.raises(ReferralRefused) as refused:
        code_of(shop)
    assert refused.value.context["why"] == "not_offered"


# Time


def test_a_year_later_what_nobody_has_spent_is_gone(shop: Shop) -> None:
    """The agenda comes back to the closed tab when it can be spent, and at its end; then the tab is at rest."""
    paid(shop)
    assert shop.tab.next_action_at == NOON + timedelta(days=14)
    shop.wait(days=14)
    assert shop.tab.next_action_at == NOON + timedelta(days=365)
    shop.sweep_until_quiet()

    assert account(shop).balance_minor == 0
    assert shop.kinds()[-2:] == ["credit_active", "credit_expired"]
    shop.check_at_rest()


def test_two_friends_with_one_card_who_pay_at_once_are_rewarded_once(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock closes both tabs in one batch, and each is decided before the other is written."""
    agree = shop_module.agreement_to
    monkeypatch.setattr(
        shop_module, "agreement_to", lambda *tab: replace(agree(*tab), user_agent=f"of {shop.customer_id}")
    )
    ada, bob = shop.ada, friend_of(shop, "Bob", "pm_bob")
    codes = [code_of(paid(shop)), code_of(paid(as_customer(shop, bob)))]
    friends = [friend_of(shop, name, "pm_shared") for name in ("Eve", "Zoe")]
    for friend, code in zip(friends, codes, strict=True):
        take(shop, friend, code)
        as_customer(shop, friend).open(*EVERYTHING).serve(30_00)
    shop.wait(days=2)

    referrals = [account(shop, friend.customer_id).referral for friend in friends]
    assert sorted(str(one and one.refused) for one in referrals) == ["None", "same_card"]
    assert sum(account(shop, who.customer_id).balance_minor for who in (ada, bob)) == 2 * 5_00 + 5_00
