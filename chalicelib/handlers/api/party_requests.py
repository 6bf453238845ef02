"""Bodies of requests about merchants, customers, their contacts, credits and standing."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from chalicelib.domain.contact import Channel, Language
from chalicelib.domain.parties import CHANNELS
from chalicelib.domain.tab.objection import Decision
from chalicelib.domain.tab.policy import FraudWarningAction, LapseAction, Policy
from chalicelib.domain.trust.fixed_price import TABS_LOOKED_AT
from chalicelib.domain.trust.standing_terms import StandingTerms
from chalicelib.domain.trust.terms import CreditTerms, StoryTerms
from chalicelib.domain.trust.tiers import OutcomeTerms
from chalicelib.handlers.api.body import Body
from chalicelib.handlers.api.fields import (
    ACCOUNT_PATTERN,
    CODE_PATTERN,
    PLAIN,
    READABLE,
    ZONE_PATTERN,
    Amount,
    Hour,
    Id,
    Line,
    Seconds,
    Sha256,
    Text,
)
from chalicelib.handlers.api.requests import CurrencyCode, Percent, ReturnUrl, Tiers, tiers_of

Phone = Annotated[
    str, Meta(min_length=5, max_length=40, description="With its country code.", examples=["+49 170 1234567"])
]
HttpsUrl = Annotated[str, Meta(min_length=9, max_length=500, examples=["https://example.com/terms"])]
Email = Annotated[str, Meta(min_length=3, max_length=254, examples=["ada@example.com"])]
_POLICY = Policy()
_CREDITS = CreditTerms()
_STANDING = StandingTerms()
Days = Annotated[int, Meta(ge=1, le=3 * 366)]
Times = Annotated[int, Meta(ge=1, le=1000)]


class CreditTermsInput(Body):
    """What customers earn and how friends are rewarded. `rate_basis_points`: of the service that was paid with money,
    without tax and tip (250 = 2.5 %). 0 is no limit in the limits, and nothing in rate and reward. A month: any 30
    days.
    """

    rate_basis_points: Annotated[int, Meta(ge=0, le=10_000)] = _CREDITS.rate_basis_points
    least_minor: Amount = _CREDITS.least_minor
    per_tab_minor: Amount = _CREDITS.per_tab_minor
    per_month_minor: Amount = _CREDITS.per_month_minor
    pending_s: Seconds = _CREDITS.pending_s
    expires_s: Annotated[int, Meta(ge=3600, le=10 * 366 * 24 * 3600)] = _CREDITS.expires_s
    referral_minor: Amount = _CREDITS.referral_minor
    referral_least_minor: Amount = _CREDITS.referral_least_minor
    referrals_per_month: Annotated[int, Meta(ge=0, le=1000)] = _CREDITS.referrals_per_month


class StandingTermsInput(Body):
    """How far customers are trusted (docs/trust.md). Facts count for `window_days`.

    `known_*`, `trusted_*`: from so many fulfilled visits on; `trusted_over_days`: spread over so many days. `watch_*`:
    so many no-shows, or a debt of so many days. `*_deposit_percent`: of the deposit that is asked for;
    `*_exposure_percent`: of `exposure_per_customer_minor`.
    """

    window_days: Days = _STANDING.window_days
    known_visits: Times = _STANDING.known_visits
    trusted_visits: Times = _STANDING.trusted_visits
    trusted_over_days: Annotated[int, Meta(ge=0, le=366)] = _STANDING.trusted_over_days
    watch_no_shows: Times = _STANDING.watch_no_shows
    watch_debt_days: Days = _STANDING.watch_debt_days
    decline_grace_hours: Annotated[int, Meta(ge=0, le=30 * 24)] = _STANDING.decline_grace_hours
    known_deposit_percent: Percent = _STANDING.known_deposit_percent
    trusted_deposit_percent: Percent = _STANDING.trusted_deposit_percent
    known_exposure_percent: Times = _STANDING.known_exposure_percent
    trusted_exposure_percent: Times = _STANDING.trusted_exposure_percent
    watch_exposure_percent: Times = _STANDING.watch_exposure_percent


class StoryTermsInput(Body):
    """Everybody with a fulfilled visit is asked for a story, so many days after it ended: all alike, happy or not."""

    ask_after_days: Annotated[int, Meta(ge=1, le=28)] = StoryTerms().ask_after_days


class OutcomeTermsInput(Body):
    """`tiers`: outcome tiers of tabs that are opened without any of their own. `fixed_price_after`: after so many of a
    customer's last five tabs with tiers at a lower one, they get a fixed price; 0: never.
    """

    tiers: Tiers = ()
    silence_percent: Percent | None = None
    fixed_price_after: Annotated[int, Meta(ge=0, le=TABS_LOOKED_AT)] = _POLICY.outcome_tiers.fixed_price_after


def outcome_terms_of(given: OutcomeTermsInput) -> OutcomeTerms:
    return OutcomeTerms(
        tiers=tiers_of(given.tiers),
        silence_percent=given.silence_percent,
        fixed_price_after=given.fixed_price_after,
    )


class PolicyInput(Body):
    """Rules for future tabs. Omitted fields get their defaults. All durations are in seconds."""

    free_cancel_s: Seconds = _POLICY.free_cancel_s
    no_show_grace_s: Seconds = _POLICY.no_show_grace_s
    review_window_s: Seconds = _POLICY.review_window_s
    hold_window_s: Seconds = _POLICY.hold_window_s
    hold_ahead_s: Seconds = _POLICY.hold_ahead_s
    hold_margin_s: Seconds = _POLICY.hold_margin_s
    deposit_lapse_s: Seconds = _POLICY.deposit_lapse_s
    deposit_lapse_action: LapseAction = _POLICY.deposit_lapse_action
    contest_deadline_s: Seconds = _POLICY.contest_deadline_s
    contest_default_after_s: Seconds = _POLICY.contest_default_after_s
    reminder_offsets_s: tuple[Seconds, ...] = _POLICY.reminder_offsets_s
    retry_offsets_s: tuple[Seconds, ...] = _POLICY.retry_offsets_s
    time_zone: Annotated[str, Meta(min_length=1, max_length=60, pattern=ZONE_PATTERN)] = _POLICY.time_zone
    quiet_from_hour: Hour = _POLICY.quiet_from_hour
    quiet_until_hour: Hour = _POLICY.quiet_until_hour
    fraud_warning_action: FraudWarningAction = _POLICY.fraud_warning_action
    exposure_per_customer_minor: Amount = _POLICY.exposure_per_customer_minor
    exposure_per_merchant_minor: Amount = _POLICY.exposure_per_merchant_minor
    credits: CreditTermsInput | None = None
    free_deferral_days: Annotated[int, Meta(ge=1, le=50)] = _POLICY.free_deferral_days
    standing: StandingTermsInput | None = msgspec.field(default_factory=StandingTermsInput)
    outcome_tiers: OutcomeTermsInput = msgspec.field(default_factory=OutcomeTermsInput)
    stories: StoryTermsInput | None = None
    submits_evidence: bool = False


class NewMerchant(Body):
    name: Line
    currency: CurrencyCode
    settlement_currency: CurrencyCode | None = None
    account: Annotated[str, Meta(pattern=ACCOUNT_PATTERN)] | None = None
    policy: PolicyInput = msgspec.field(default_factory=PolicyInput)


class MerchantContact(Body):
    """`notify_email`: where the owner's messages go; left out: nowhere. `language`: the merchant's.

    `channels`: the ways to customers, in this order: the next where one is closed or takes nothing.
    """

    notify_email: Email | None = None
    language: Language = Language.ENGLISH
    channels: Annotated[tuple[Channel, ...], Meta(min_length=1, max_length=len(Channel))] = CHANNELS


class BrandingInput(Body):
    """All of it: what is left out is removed. `name`: by default the merchant's own.

    `colour`: `#rrggbb`, dark enough for white text. `logo`: a picture of at most 6 KB as data:image/png;base64,… (or
    jpeg, webp), or its https address, which an app may load and our pages do not.
    """

    name: Line | None = None
    colour: Annotated[str, Meta(min_length=7, max_length=7, examples=["#7a1f5c"])] | None = None
    logo: Annotated[str, Meta(min_length=1, max_length=9000)] | None = None
    email: Email | None = None
    phone: Phone | None = None
    website: HttpsUrl | None = None
    address: Annotated[str, Meta(min_length=1, max_length=300, pattern=READABLE)] | None = None
    terms_url: HttpsUrl | None = None
    tip_percents: Annotated[
        tuple[Annotated[int, Meta(ge=1, le=100)], ...],
        Meta(max_length=4, description="Tips that a page offers beside no tip and another amount.", examples=[[5, 10]]),
    ] = (5, 10, 15)
    shows_integrity: Annotated[
        bool, Meta(description="Customers see before they accept how the business kept its promises: GET …/integrity.")
    ] = False
    shows_stories: Annotated[
        bool, Meta(description="Anybody can read what customers have told, with their consent: GET /v1/stories/….")
    ] = False


class NewCustomer(Body):
    """`reference`: the merchant's own name for the customer, for example a loyalty number.

    `allow_same_reference`: make another customer even though one has this reference.
    """

    reference: Line
    allow_same_reference: bool = False


class PutContact(Body):
    """The whole contact: what is left out is removed. `sms_consent`: the person agrees to text messages."""

    name: Annotated[str, Meta(max_length=120, pattern=PLAIN)] = ""
    email: Email | None = None
    phone: Phone | None = None
    language: Language | None = None
    time_zone: Annotated[str, Meta(min_length=1, max_length=64, examples=["Europe/Berlin"])] | None = None
    sms_consent: bool = False


class ChooseChannel(Body):
    channel: Channel


class CardSetupRequest(Body):
    """`card_terms_sha256`: the hash of the card-on-file terms that the customer was shown and agreed to."""

    card_terms_sha256: Sha256
    tab_id: Id | None = None
    return_url: ReturnUrl | None = None


class CreditWish(Body):
    """`spends_by_itself`: the customer's credit is used for every bill, without being asked each time."""

    spends_by_itself: bool


class TakeInvitation(Body):
    code: Annotated[str, Meta(min_length=1, max_length=40, pattern=CODE_PATTERN, examples=["7KQ2M9XH4T"])]


class ObjectToStanding(Body):
    """`tab_id`: the tab that counts against the customer. `reason`: why it should not, for a person at the business."""

    tab_id: Id
    reason: Text


class DecideObjection(Body):
    """`reason`: what the customer is answered."""

    decision: Decision
    reason: Text
