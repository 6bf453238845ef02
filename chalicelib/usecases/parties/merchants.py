"""Merchants: create one, read it, change its policy for tabs to come, and where its owner is told."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec import Struct, field
from msgspec.structs import replace

from chalicelib.domain.branding import Branding, check_colour, check_https, check_logo
from chalicelib.domain.contact import Channel, Language
from chalicelib.domain.errors import Contention, InvalidInput, StaleVersion
from chalicelib.domain.money import currency_of
from chalicelib.domain.parties import Merchant
from chalicelib.domain.tab.actor import Actor
from chalicelib.domain.tab.followup import MAXIMUM_TRIES
from chalicelib.domain.tab.policy import Policy
from chalicelib.domain.trust.fixed_price import TABS_LOOKED_AT
from chalicelib.domain.trust.tiers import check_tiers
from chalicelib.ports.deps import Deps
from chalicelib.ports.store import RecordExists, VersionConflict
from chalicelib.usecases.tab.requests import Request, merchant_of

HOUR_S = 3600
LONGEST_S = 366 * 24 * HOUR_S
HOLD_LASTS_S = (4 * 24 + 18) * HOUR_S
"""The shortest life of a hold placed without the customer (https://docs.stripe.com/payments/place-a-hold-on-a-payment-method)."""
LEAST_MARGIN_S = 24 * HOUR_S
LONGEST_DEFERRAL_DAYS = 50
"""A seller's free deferral of up to 50 days is no consumer credit: Directive (EU) 2023/2225, article 2 (2) (h)."""
LEAST_OFFSET_S = 60
MOST_REMINDERS = 10
_DURATIONS = (
    "free_cancel_s",
    "no_show_grace_s",
    "review_window_s",
    "hold_window_s",
    "hold_ahead_s",
    "deposit_lapse_s",
    "contest_deadline_s",
    "contest_default_after_s",
)


class NewMerchant(Struct, frozen=True, kw_only=True):
    """A new merchant. `settlement_currency`: None if the payout currency is not known."""

    name: str
    currency: str
    settlement_currency: str | None = None
    account: str | None = None
    policy: Policy = field(default_factory=Policy)


def create_merchant(deps: Deps, new: NewMerchant, *, request: Request) -> Merchant:
    """Raises UnknownCurrency, InvalidInput (policy), IdempotencyMismatch."""
    currency_of(new.currency)
    if new.settlement_currency is not None:
        currency_of(new.settlement_currency)
    _check_policy(new.policy)
    record = deps.store.find_record(request.record_id, deps.clock.now())
    if record is None:
        merchant = Merchant(
            merchant_id=deps.ids.new("mer"),
            name=new.name,
            account=new.account,
            currency=new.currency,
            settlement_currency=new.settlement_currency,
            policy=new.policy,
            created_at=deps.clock.now(),
        )
        try:
            deps.store.add_merchant(merchant, record=request.new_record(deps, resource_id=merchant.merchant_id))
        except RecordExists as exists:
            record = exists.record
        else:
            return merchant
    request.check_same(record)
    assert record.resource_id is not None, "the same request made a merchant"
    return deps.store.get_merchant(record.resource_id)


def get_merchant(deps: Deps, *, by: Actor) -> Merchant:
    """The caller's merchant. Raises NotFound."""
    return deps.store.get_merchant(merchant_of(by))


def set_policy(deps: Deps, policy: Policy, *, request: Request) -> tuple[Merchant, list[str]]:
    """Set the policy for tabs opened from now on; return the merchant and warnings in words.

    Raises InvalidInput, StaleVersion, IdempotencyMismatch, Contention.
    """
    _check_policy(policy)
    changed = _change(deps, request, policy=policy)
    return changed, policy_warnings(changed.policy)


def set_contact(
    deps: Deps, notify_email: str | None, language: Language, channels: tuple[Channel, ...], *, request: Request
) -> Merchant:
    """Set where the owner's messages go (None: nowhere), the merchant's language, and its channels to customers.

    Raises InvalidInput (address, channels), StaleVersion, IdempotencyMismatch, Contention.
    """
    if not channels or len(set(channels)) < len(channels):
        raise InvalidInput("Name at least one channel, and each of them once.", field="channels")
    address = deps.addresses.email(notify_email) if notify_email else None
    return _change(deps, request, notify_email=address, language=language, channels=channels)


def get_merchant_and_branding(deps: Deps, *, by: Actor) -> tuple[Merchant, Branding]:
    """The caller's merchant, and how it shows itself. Raises NotFound."""
    return deps.store.get_merchant_and_branding(merchant_of(by))


def set_branding(deps: Deps, given: Branding, *, request: Request) -> tuple[Merchant, Branding]:
    """Replace the branding; its version is counted here. Raises InvalidInput, IdempotencyMismatch, Contention."""
    checked = replace(
        given,
        colour=check_colour(given.colour) if given.colour else None,
        logo=check_logo(given.logo) if given.logo else None,
        email=deps.addresses.email(given.email) if given.email else None,
        phone=deps.addresses.phone(given.phone) if given.phone else None,
        website=check_https(given.website, "website") if given.website else None,
        terms_url=check_https(given.terms_url, "terms_url") if given.terms_url else None,
    )
    merchant, stored = deps.store.get_merchant_and_branding(merchant_of(request.by))
    record = deps.store.find_record(request.record_id, deps.clock.now())
    if record is not None:
        request.check_same(record)
        return merchant, stored
    changed = replace(checked, merchant_id=merchant.merchant_id, version=stored.version + 1)
    try:
        deps.store.put_branding(changed, record=request.new_record(deps, resource_id=merchant.merchant_id))
    except (VersionConflict, RecordExists):
        raise Contention("Other requests are changing this merchant. Nothing was done; try again.") from None
    return merchant, changed


def _change(deps: Deps, request: Request, **fields: Any) -> Merchant:
    """The merchant with these fields; repeated under the same key it is answered as it is now."""
    merchant_id = merchant_of(request.by)
    merchant = deps.store.get_merchant(merchant_id)
    # In this order: if this very request has made the new version, its record exists.
    record = deps.store.find_record(request.record_id, deps.clock.now())
    if record is not None:
        request.check_same(record)
        return merchant
    if request.expected_version not in (None, merchant.version):
        raise StaleVersion(f"The merchant is at version {merchant.version} by now.", version=merchant.version)
    changed = replace(merchant, **fields, version=merchant.version + 1)
    try:
        deps.store.update_merchant(changed, record=request.new_record(deps, resource_id=merchant_id))
    except (VersionConflict, RecordExists):
        raise Contention("Other requests are changing this merchant. Nothing was done; try again.") from None
    return changed


def policy_warnings(policy: Policy) -> list[str]:
    """Warnings for the owner: with this policy a hold may expire before the review ends."""
    longest = policy.hold_ahead_s + policy.review_window_s + policy.hold_margin_s
    if longest <= HOLD_LASTS_S:
        return []
    return [
        (
            "A hold placed this long before the service can expire before the review window ends: it lasts 4 days and "
            "18 hours at the least. Shorten hold_ahead_s or review_window_s, or the hold is captured or renewed early."
        )
    ]


def _check_policy(policy: Policy) -> None:
    """Raises InvalidInput, naming the field."""
    for name in _DURATIONS:
        if not 0 <= getattr(policy, name) <= LONGEST_S:
            raise InvalidInput(f"policy.{name} must be from 0 to {LONGEST_S} seconds.")
    if not LEAST_MARGIN_S <= policy.hold_margin_s < HOLD_LASTS_S:
        raise InvalidInput(
            f"policy.hold_margin_s must be at least {LEAST_MARGIN_S} (24 h) and below {HOLD_LASTS_S}, "
            "a hold's shortest life."
        )
    if policy.hold_window_s > HOLD_LASTS_S:
        raise InvalidInput(f"policy.hold_window_s can be at most {HOLD_LASTS_S}: a hold may last no longer.")
    if not 1 <= policy.free_deferral_days <= LONGEST_DEFERRAL_DAYS:
        raise InvalidInput(f"policy.free_deferral_days must be from 1 to {LONGEST_DEFERRAL_DAYS}.")
    if policy.review_window_s > policy.free_deferral_days * 24 * 3600:
        raise InvalidInput(
            "policy.review_window_s lets a bill wait for longer than free_deferral_days "
            f"({policy.free_deferral_days}). Shorten it, or allow more days: waiting longer may count as credit, which "
            "needs a licence in some countries.",
            field="policy.review_window_s",
        )
    if policy.hold_ahead_s > policy.hold_window_s:
        raise InvalidInput("policy.hold_ahead_s can't be above hold_window_s.")
    outcome_tiers = policy.outcome_tiers
    check_tiers(outcome_tiers.tiers, outcome_tiers.silence_percent, "policy.outcome_tiers.")
    if not 0 <= outcome_tiers.fixed_price_after <= TABS_LOOKED_AT:
        raise InvalidInput(f"policy.outcome_tiers.fixed_price_after must be from 0 (never) to {TABS_LOOKED_AT}.")
    _check_followup(policy)


def _check_followup(policy: Policy) -> None:
    offsets = policy.reminder_offsets_s
    if len(offsets) > MOST_REMINDERS or list(offsets) != sorted(set(offsets)):
        raise InvalidInput(f"policy.reminder_offsets_s must be ascending, at most {MOST_REMINDERS} of them.")
    if len(policy.retry_offsets_s) > MAXIMUM_TRIES - 1:
        raise InvalidInput(
            f"policy.retry_offsets_s has at most {MAXIMUM_TRIES - 1} values: we charge {MAXIMUM_TRIES} times."
        )
    for name, given in (("reminder", offsets), ("retry", policy.retry_offsets_s)):
        if any(not LEAST_OFFSET_S <= offset <= LONGEST_S for offset in given):
            raise InvalidInput(f"policy.{name}_offsets_s must be from {LEAST_OFFSET_S} to {LONGEST_S} seconds each.")
    try:
        ZoneInfo(policy.time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidInput("policy.time_zone must be a name such as Europe/Lisbon.") from None
    for name in ("quiet_from_hour", "quiet_until_hour"):
        if not 0 <= getattr(policy, name) <= 23:
            raise InvalidInput(f"policy.{name} must be from 0 to 23.")
    for name in ("exposure_per_customer_minor", "exposure_per_merchant_minor"):
        if getattr(policy, name) < 0:
            raise InvalidInput(f"policy.{name} can't be negative; 0 means no limit.")
    if policy.credits is not None and policy.credits.expires_s <= policy.credits.pending_s:
        raise InvalidInput(
            "policy.credits.expires_s must be above pending_s: else credit expires before it can be spent."
        )
