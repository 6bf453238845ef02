"""Merchants and customers: created once for repeated requests, and policies that apply to future tabs."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from chalicelib.domain.errors import IdempotencyMismatch, InvalidInput, NotFound, PromiseNotAccepted, StaleVersion
from chalicelib.domain.parties import Merchant
from chalicelib.domain.tab.actor import Actor, Role
from chalicelib.domain.tab.policy import Policy
from chalicelib.usecases.parties.customers import CardTerms, create_customer, get_customer, prepare_card
from chalicelib.usecases.parties.merchants import (
    NewMerchant,
    create_merchant,
    get_merchant,
    policy_warnings,
    set_policy,
)
from chalicelib.usecases.tab.list_tabs import Wanted, list_tabs
from chalicelib.usecases.tab.read_tabs import get_tab
from tests.usecases.fake_gateway import Fault
from tests.usecases.shop import WITH_CARD, WITHOUT_CARD, Shop

TERMS = CardTerms(terms_sha256="0" * 64, tab_id=None, ip="192.0.2.1", user_agent="phone")


def test_a_customer_is_made_once_though_the_process_died(shop: Shop) -> None:
    """What the crash has left at the gateway is nobody's; each repetition finds the one customer that is on record."""
    request = shop.request(shop.staff)
    shop.gateway.fail("add_customer", Fault.CRASH_AFTER)
    shop.crashing(lambda: create_customer(shop.deps, "Bob", request=request))

    first = create_customer(shop.deps, "Bob", request=request)
    again = create_customer(shop.deps, "Bob", request=request)

    assert first == again
    assert first.customer_ref == again.customer_ref


def test_a_merchant_is_made_once(shop: Shop) -> None:
    """And the key is not for another."""
    root = Actor(subject="root", role=Role.OPERATOR)
    request = shop.request(root)
    new = NewMerchant(name="Bar", currency="KWD")

    assert create_merchant(shop.deps, new, request=request) == create_merchant(shop.deps, new, request=request)
    with pytest.raises(IdempotencyMismatch):
        create_merchant(shop.deps, new, request=replace(request, request_sha256="other"))


def test_a_new_policy_is_for_tabs_to_come(shop: Shop) -> None:
    """What a customer was told yesterday stands."""
    shop.open()

    set_policy(shop.deps, Policy(review_window_s=60), request=shop.request(shop.owner))

    assert shop.tab.policy.review_window_s == 24 * 3600
    assert get_merchant(shop.deps, by=shop.owner).policy.review_window_s == 60
    assert shop.open().tab.policy.review_window_s == 60


def test_a_policy_decided_on_an_older_one_is_refused(shop: Shop) -> None:
    """Two owners at once."""
    set_policy(shop.deps, Policy(review_window_s=60), request=shop.request(shop.owner, version=1))

    with pytest.raises(StaleVersion):
        set_policy(shop.deps, Policy(review_window_s=61), request=shop.request(shop.owner, version=1))


def test_a_policy_sent_twice_at_once_is_set_and_not_refused(shop: Shop) -> None:
    """While the request reads the merchant, its twin is carried out: the version is gone because it is done."""
    request = shop.request(shop.owner, version=1)
    policy = Policy(review_window_s=60)
    read = shop.store.get_merchant

    def overtaken(merchant_id: str) -> Merchant:
        shop.store.get_merchant = read  # type: ignore[method-assign]
        set_policy(shop.deps, policy, request=request)
        return read(merchant_id)

    shop.store.get_merchant = overtaken  # type: ignore[method-assign]

    merchant, _ = set_policy(shop.deps, policy, request=request)

    assert (merchant.policy, merchant.version) == (policy, 2)


@pytest.mark.parametrize(
    "policy",
    [
        Policy(review_window_s=-1),
        Policy(hold_margin_s=23 * 3600),
        Policy(hold_margin_s=115 * 3600),
        Policy(hold_window_s=115 * 3600),
        Policy(hold_ahead_s=97 * 3600),
        Policy(contest_deadline_s=-1),
        Policy(reminder_offsets_s=(7200, 3600)),
        Policy(reminder_offsets_s=(3600, 3600)),
        Policy(reminder_offsets_s=(59,)),
        Policy(reminder_offsets_s=tuple(range(3600, 3611))),
        Policy(retry_offsets_s=(86400,) * 4),
        Policy(retry_offsets_s=(0,)),
        Policy(time_zone="Europe/Atlantis"),
        Policy(time_zone="../etc/passwd"),
        Policy(time_zone=""),
        Policy(quiet_from_hour=24),
        Policy(quiet_until_hour=-1),
        Policy(exposure_per_customer_minor=-1),
        Policy(exposure_per_merchant_minor=-1),
        Policy(free_deferral_days=0),
        Policy(free_deferral_days=51),
        Policy(review_window_s=15 * 24 * 3600),
    ],
    ids=str,
)
def test_a_policy_that_can_not_work_is_refused(shop: Shop, policy: Policy) -> None:
    """Negative times and limits, holds that can't last, reminders out of order, a fifth try, no such place."""
    with pytest.raises(InvalidInput):
        set_policy(shop.deps, policy, request=shop.request(shop.owner))


def test_a_policy_whose_hold_may_run_out_is_warned_about() -> None:
    """Lead, review and margin in 4 days and 18 hours."""
    assert policy_warnings(Policy()) == []
    assert len(policy_warnings(Policy(review_window_s=3 * 86400))) == 1


def test_a_card_for_a_tab_needs_the_tabs_consent(shop: Shop) -> None:
    """Then the phone gets what it needs, and the consent is on record."""
    shop.open(*WITHOUT_CARD)
    terms = replace(TERMS, tab_id=shop.tab_id)
    with pytest.raises(PromiseNotAccepted):
        prepare_card(shop.deps, shop.customer_id, terms, request=shop.request(shop.ada))

    shop.open(*WITH_CARD)
    prepared = prepare_card(
        shop.deps, shop.customer_id, replace(TERMS, tab_id=shop.tab_id), request=shop.request(shop.ada)
    )

    customer = get_customer(shop.deps, shop.customer_id, by=shop.ada)
    assert customer.card_consent is not None
    assert customer.card_consent.subject == "ada"
    assert prepared.setup.client_secret


def test_preparing_a_card_twice_with_one_key_prepares_it_once(shop: Shop) -> None:
    """The same setup, the same consent."""
    request = shop.request(shop.ada)

    first = prepare_card(shop.deps, shop.customer_id, TERMS, request=request)
    again = prepare_card(shop.deps, shop.customer_id, TERMS, request=request)

    assert again.setup == first.setup
    assert (first.replayed, again.replayed) == (False, True)


def test_customers_see_themselves_and_their_tabs_only(shop: Shop) -> None:
    """Anybody else is not found."""
    shop.open()
    eve = replace(shop.ada, subject="eve", customer_id="cus_eve")

    assert get_customer(shop.deps, shop.customer_id, by=shop.ada).customer_id == shop.customer_id
    with pytest.raises(NotFound):
        get_customer(shop.deps, shop.customer_id, by=eve)
    with pytest.raises(NotFound):
        get_tab(shop.deps, shop.tab_id, by=eve)
    mine = list_tabs(shop.deps, Wanted(status=None, customer_id=None), limit=10, cursor=None, by=shop.ada)
    assert [summary.tab_id for summary in mine.items] == [shop.tab_id]
    with pytest.raises(InvalidInput):
        list_tabs(shop.deps, Wanted(status=None, customer_id=shop.customer_id), limit=10, cursor=None, by=eve)
