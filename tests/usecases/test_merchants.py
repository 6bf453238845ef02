"""Merchants: what is stored, which policies are valid, and concurrent changes by two owners."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from chalicelib.domain.contact import Channel, Language
from chalicelib.domain.errors import Contention, IdempotencyMismatch, InvalidInput, StaleVersion, UnknownCurrency
from chalicelib.domain.parties import CHANNELS, Merchant
from chalicelib.domain.tab.actor import Actor, Role
from chalicelib.domain.tab.policy import Policy
from chalicelib.usecases.parties.merchants import (
    HOLD_LASTS_S,
    LEAST_MARGIN_S,
    LEAST_OFFSET_S,
    LONGEST_S,
    NewMerchant,
    create_merchant,
    get_merchant,
    policy_warnings,
    set_contact,
    set_policy,
)
from chalicelib.usecases.tab.requests import Request
from tests.usecases.shop import NOON, Shop

ROOT = Actor(subject="root", role=Role.OPERATOR)
BAR = NewMerchant(
    name="Bar", currency="KWD", settlement_currency="USD", account="acct_1", policy=Policy(review_window_s=60)
)


def blind_once(shop: Shop) -> None:
    """The next look at the idempotency records comes a moment too early to see the one that is being written."""
    find_record = shop.store.find_record
    looks = iter([None])
    shop.store.find_record = lambda *asked: next(looks) if looks.__length_hint__() else find_record(*asked)  # type: ignore[method-assign]


def set_to(shop: Shop, policy: Policy, **request: Any) -> Merchant:
    return set_policy(shop.deps, policy, request=shop.request(shop.owner, **request))[0]


# Made once


def test_a_merchant_is_kept_as_it_was_asked_for(shop: Shop) -> None:
    """Under an id of its own, at version 1."""
    merchant = create_merchant(shop.deps, BAR, request=shop.request(ROOT))

    assert merchant == Merchant(
        merchant_id=merchant.merchant_id,
        name="Bar",
        account="acct_1",
        currency="KWD",
        settlement_currency="USD",
        policy=Policy(review_window_s=60),
        created_at=NOON,
        version=1,
    )
    assert merchant.merchant_id.startswith("mer_")
    assert get_merchant(shop.deps, by=replace(shop.owner, merchant_id=merchant.merchant_id)) == merchant


def test_a_merchant_asked_for_twice_at_once_is_made_once(shop: Shop) -> None:
    """Neither request sees the other's record: the store does."""
    request = shop.request(ROOT)
    first = create_merchant(shop.deps, BAR, request=request)
    blind_once(shop)

    assert create_merchant(shop.deps, BAR, request=request) == first


@pytest.mark.parametrize("new", [NewMerchant(name="Bar", currency="XXX"), replace(BAR, settlement_currency="XXX")])
def test_a_currency_we_do_not_know_is_refused(shop: Shop, new: NewMerchant) -> None:
    """The one tabs are kept in, and the one that is paid out."""
    with pytest.raises(UnknownCurrency):
        create_merchant(shop.deps, new, request=shop.request(ROOT))


def test_a_merchant_is_not_made_with_a_policy_that_can_not_work(shop: Shop) -> None:
    """Nor is the key used up by it."""
    request = shop.request(ROOT)
    with pytest.raises(InvalidInput):
        create_merchant(shop.deps, replace(BAR, policy=Policy(review_window_s=-1)), request=request)

    assert create_merchant(shop.deps, BAR, request=request).name == "Bar"


# Changed


def test_a_policy_is_set_once_under_its_key(shop: Shop) -> None:
    """Repeated, the answer is the merchant as it is by then; for another policy the key is refused."""
    request: Request = shop.request(shop.owner)
    warned = Policy(review_window_s=5 * 86400)
    first, warnings = set_policy(shop.deps, warned, request=request)
    assert (first.version, first.policy, len(warnings)) == (2, warned, 1)
    set_to(shop, Policy(review_window_s=60))

    again, warnings = set_policy(shop.deps, warned, request=request)

    assert (again.version, again.policy, warnings) == (3, Policy(review_window_s=60), [])
    with pytest.raises(IdempotencyMismatch):
        set_policy(shop.deps, Policy(), request=replace(request, request_sha256="other"))


def test_the_version_that_was_decided_on_must_stand(shop: Shop) -> None:
    """Which it is by now is in the refusal."""
    assert set_to(shop, Policy(review_window_s=60), version=1).version == 2

    with pytest.raises(StaleVersion) as refused:
        set_to(shop, Policy(review_window_s=61), version=1)

    assert refused.value.context == {"version": 2}
    assert get_merchant(shop.deps, by=shop.owner).policy.review_window_s == 60


def test_two_owners_at_once_are_told_apart(shop: Shop) -> None:
    """One writes between the other's reading and writing; the same request twice at once is contention too."""
    update_merchant = shop.store.update_merchant

    def racing(merchant: Merchant, **rest: Any) -> None:
        shop.store.update_merchant = update_merchant  # type: ignore[method-assign]
        set_to(shop, Policy(review_window_s=60))
        update_merchant(merchant, **rest)

    shop.store.update_merchant = racing  # type: ignore[method-assign]
    with pytest.raises(Contention):
        set_to(shop, Policy(review_window_s=61))
    assert get_merchant(shop.deps, by=shop.owner).policy.review_window_s == 60

    request = shop.request(shop.owner)
    set_policy(shop.deps, Policy(), request=request)
    blind_once(shop)
    with pytest.raises(Contention):
        set_policy(shop.deps, Policy(), request=request)


# What can work

DURATIONS = (
    "free_cancel_s",
    "no_show_grace_s",
    "review_window_s",
    "deposit_lapse_s",
    "contest_deadline_s",
    "contest_default_after_s",
)


@pytest.mark.parametrize(
    "given",
    [
        *({name: 0} for name in DURATIONS),
        *({name: LONGEST_S} for name in DURATIONS if name != "review_window_s"),
        {"free_deferral_days": 50, "review_window_s": 50 * 24 * 3600},
        {"hold_ahead_s": 0, "hold_window_s": 0},
        {"hold_margin_s": LEAST_MARGIN_S},
        {"hold_margin_s": HOLD_LASTS_S - 1},
        {"hold_window_s": HOLD_LASTS_S},
        {"hold_ahead_s": HOLD_LASTS_S, "hold_window_s": HOLD_LASTS_S},
        {"reminder_offsets_s": ()},
        {"reminder_offsets_s": (LEAST_OFFSET_S, LONGEST_S)},
        {"reminder_offsets_s": tuple(range(100, 110))},
        {"retry_offsets_s": ()},
        {"retry_offsets_s": (LONGEST_S, LEAST_OFFSET_S, LEAST_OFFSET_S)},
        {"time_zone": "Asia/Kolkata"},
        {"quiet_from_hour": 0, "quiet_until_hour": 23},
        {"quiet_from_hour": 23, "quiet_until_hour": 0},
        {"exposure_per_customer_minor": 1, "exposure_per_merchant_minor": 1},
    ],
    ids=str,
)
def test_a_policy_at_its_limits_is_taken(shop: Shop, given: dict[str, Any]) -> None:
    """To the second."""
    assert set_to(shop, Policy(**given)).policy == Policy(**given)


@pytest.mark.parametrize(
    ("field", "given"),
    [
        *((name, {name: seconds}) for name in DURATIONS for seconds in (-1, LONGEST_S + 1)),
        ("hold_window_s", {"hold_window_s": -1, "hold_ahead_s": -1}),
        ("hold_ahead_s", {"hold_ahead_s": -1}),
        ("hold_margin_s", {"hold_margin_s": LEAST_MARGIN_S - 1}),
        ("hold_margin_s", {"hold_margin_s": HOLD_LASTS_S}),
        ("hold_window_s", {"hold_window_s": HOLD_LASTS_S + 1}),
        ("hold_ahead_s", {"hold_ahead_s": 3601, "hold_window_s": 3600}),
        ("reminder_offsets_s", {"reminder_offsets_s": (200, 100)}),
        ("reminder_offsets_s", {"reminder_offsets_s": (100, 100)}),
        ("reminder_offsets_s", {"reminder_offsets_s": tuple(range(100, 111))}),
        ("reminder_offsets_s", {"reminder_offsets_s": (LEAST_OFFSET_S - 1, 100)}),
        ("reminder_offsets_s", {"reminder_offsets_s": (100, LONGEST_S + 1)}),
        ("retry_offsets_s", {"retry_offsets_s": (100, 100, 100, 100)}),
        ("retry_offsets_s", {"retry_offsets_s": (LEAST_OFFSET_S - 1,)}),
        ("retry_offsets_s", {"retry_offsets_s": (LONGEST_S + 1,)}),
        ("time_zone", {"time_zone": "Europe/Atlantis"}),
        ("quiet_from_hour", {"quiet_from_hour": -1}),
        ("quiet_from_hour", {"quiet_from_hour": 24}),
        ("quiet_until_hour", {"quiet_until_hour": -1}),
        ("quiet_until_hour", {"quiet_until_hour": 24}),
        ("exposure_per_customer_minor", {"exposure_per_customer_minor": -1}),
        ("exposure_per_merchant_minor", {"exposure_per_merchant_minor": -1}),
    ],
    ids=str,
)
def test_a_policy_beyond_its_limits_is_refused_by_the_name_of_the_field(
    shop: Shop, field: str, given: dict[str, Any]
) -> None:
    """And nothing is changed."""
    with pytest.raises(InvalidInput) as refused:
        set_to(shop, Policy(**given))

    assert refused.value.detail.startswith(f"policy.{field} ")
    assert get_merchant(shop.deps, by=shop.owner).version == 1


def test_the_owner_is_warned_where_lead_review_and_margin_pass_the_shortest_life_of_a_hold() -> None:
    """By a second; what to shorten is said."""
    fits = Policy(hold_ahead_s=HOLD_LASTS_S - 48 * 3600)
    assert policy_warnings(fits) == []

    (warning,) = policy_warnings(replace(fits, review_window_s=fits.review_window_s + 1))

    assert warning.startswith("A hold placed this long before the service can expire before the review window ends")
    assert "Shorten hold_ahead_s or review_window_s" in warning
    assert warning.endswith("is captured or renewed early.")


# Where its owner is told


def test_the_owner_says_where_messages_go_and_in_which_language(shop: Shop) -> None:
    """The address in its one spelling; repeated under the same key it changes nothing; without one it goes nowhere."""
    request = shop.request(shop.owner)
    given = ("Olga@Example.COM", Language.GERMAN, (Channel.SMS, Channel.EMAIL))
    told = set_contact(shop.deps, *given, request=request)
    again = set_contact(shop.deps, *given, request=request)

    assert (told.notify_email, told.language, told.channels) == ("Olga@example.com", *given[1:])
    assert told.version == 2
    assert again == told == get_merchant(shop.deps, by=shop.owner)
    nowhere = set_contact(shop.deps, None, Language.ENGLISH, CHANNELS, request=shop.request(shop.owner))
    assert (nowhere.notify_email, nowhere.language, nowhere.version) == (None, Language.ENGLISH, 3)


@pytest.mark.parametrize(
    ("address", "channels"), [("olga", CHANNELS), (None, ()), (None, (Channel.SMS, Channel.SMS))], ids=str
)
def test_an_address_that_cannot_be_one_and_no_channel_are_refused(
    shop: Shop, address: str | None, channels: tuple[Channel, ...]
) -> None:
    """Nothing is changed then."""
    with pytest.raises(InvalidInput):
        set_contact(shop.deps, address, Language.GERMAN, channels, request=shop.request(shop.owner))

    assert get_merchant(shop.deps, by=shop.owner).language == Language.ENGLISH
