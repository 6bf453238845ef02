"""Bodies of requests."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from chalicelib.domain.contact import Channel, Language
from chalicelib.domain.parties import CHANNELS
from chalicelib.domain.tab.link import Scope
from chalicelib.domain.tab.objection import Decision
from chalicelib.domain.tab.payments import RefundMeans
from chalicelib.domain.tab.policy import FraudWarningAction, LapseAction, Policy, Resolution
from chalicelib.domain.tab.promise import Consent
from chalicelib.domain.tab.share import FEWEST_SHARES, MOST_SHARES, USUAL_TIME
from chalicelib.domain.token import MAXIMUM_NUMBER, MOST_AT_ONCE
from chalicelib.domain.trust.fixed_price import TABS_LOOKED_AT
from chalicelib.domain.trust.standing_terms import StandingTerms
from chalicelib.domain.trust.terms import CreditTerms
from chalicelib.domain.trust.tiers import MOST_TIERS, WHOLE, OutcomeTerms, Tier
from chalicelib.handlers.api.body import Body
from chalicelib.handlers.api.body import Nothing as Nothing  # Bodies are asked for here, whichever.
from chalicelib.handlers.api.fields import (
    PLAIN,
    READABLE,
    Amount,
    CurrencyCode,
    Hour,
    Id,
    Instant,
    Limits,
    Line,
    ReturnUrl,
    Seconds,
    Text,
)

Sha256 = Annotated[
    str, Meta(min_length=64, max_length=64, pattern="^[0-9a-f]{64}$", description="SHA-256, hexadecimal, lower case.")
]

Phone = Annotated[
    str, Meta(min_length=5, max_length=40, description="With its country code.", examples=["+49 170 1234567"])
]
HttpsUrl = Annotated[str, Meta(min_length=9, max_length=500, examples=["https://example.com/terms"])]
Email = Annotated[str, Meta(min_length=3, max_length=254, examples=["ada@example.com"])]

TokenNumber = Annotated[int, Meta(ge=1, le=MAXIMUM_NUMBER, examples=[17])]


class Paper(StrEnum):
    """`a4`: 24 on a sheet. `label`: one on a label of 62 mm by 76 mm."""

    A4 = "a4"
    LABEL = "label"


Percent = Annotated[int, Meta(ge=0, le=WHOLE, examples=[80])]

_POLICY = Policy()
_CREDITS = CreditTerms()
_STANDING = StandingTerms()


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


Days = Annotated[int, Meta(ge=1, le=3 * 366)]
Times = Annotated[int, Meta(ge=1, le=1000)]


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


class TierInput(Body):
    """`percent`: the share of the price of everything but materials. `measure`: how both can tell the outcome."""

    percent: Percent
    measure: Line


def tiers_of(given: tuple[TierInput, ...]) -> tuple[Tier, ...]:
    return tuple(Tier(percent=tier.percent, measure=tier.measure) for tier in given)


Tiers = Annotated[
    tuple[TierInput, ...],
    Meta(
        max_length=MOST_TIERS,
        description="The whole price (100) first, then lower ones. `silence_percent`, one of the lower ones, says what "
        "is paid where the customer says nothing.",
    ),
]


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
    time_zone: Annotated[str, Meta(min_length=1, max_length=60, pattern="^[A-Za-z0-9_+/-]+$")] = _POLICY.time_zone
    quiet_from_hour: Hour = _POLICY.quiet_from_hour
    quiet_until_hour: Hour = _POLICY.quiet_until_hour
    fraud_warning_action: FraudWarningAction = _POLICY.fraud_warning_action
    exposure_per_customer_minor: Amount = _POLICY.exposure_per_customer_minor
    exposure_per_merchant_minor: Amount = _POLICY.exposure_per_merchant_minor
    credits: CreditTermsInput | None = None
    free_deferral_days: Annotated[int, Meta(ge=1, le=50)] = _POLICY.free_deferral_days
    standing: StandingTermsInput | None = msgspec.field(default_factory=StandingTermsInput)
    outcome_tiers: OutcomeTermsInput = msgspec.field(default_factory=OutcomeTermsInput)


class NewMerchant(Body):
    name: Line
    currency: CurrencyCode
    settlement_currency: CurrencyCode | None = None
    account: Annotated[str, Meta(pattern="^acct_[A-Za-z0-9_]{1,64}(?!\\n)$")] | None = None
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


class NewTab(Body):
    """`cap_minor`: the highest bill without a new promise; by default the estimate.

    `customer_id`: left out for a guest nobody knows; an anonymous customer is then made with the tab. `token`: the
    number of the one that the guest gets; its QR code shows the tab until that closes. `tiers`: by default the
    policy's; empty: none.
    """

    title: Line
    expected_outcome: Text
    estimate_minor: Amount
    cap_minor: Amount | None = None
    limits: Limits = []
    deposit_minor: Amount = 0
    no_show_fee_minor: Amount = 0
    late_cancel_fee_minor: Amount = 0
    currency: CurrencyCode | None = None
    starts_at: Instant | None = None
    terms_version: Annotated[str, Meta(min_length=1, max_length=40, pattern=READABLE)] = "1"
    customer_id: Id | None = None
    token: TokenNumber | None = None
    tiers: Tiers | None = None
    silence_percent: Percent | None = None


class NewLink(Body):
    """`scope`: view; pay (and view, and tip); full (everything that the customer may do).

    `expires_at`: by default the link ends 30 days after its tab is closed.
    """

    scope: Scope
    expires_at: Instant | None = None


class ReissueLink(Body):
    expires_at: Instant | None = None


class NewTokens(Body):
    """`count` tokens with the numbers from `first` on. `sheet`: the paper that their QR codes are printed on."""

    first: TokenNumber
    count: Annotated[int, Meta(ge=1, le=MOST_AT_ONCE)] = 1
    sheet: Paper | None = None


class ReplaceToken(Body):
    sheet: Paper | None = None


class BindToken(Body):
    token: TokenNumber


class AcceptPromise(Body):
    """`promise_sha256`: the hash of the promise that was shown, from the tab."""

    promise_sha256: Sha256
    consents: Annotated[list[Consent], Meta(max_length=len(Consent))]
    card_terms_sha256: Sha256 | None = None
    return_url: ReturnUrl | None = None


class ProposePromise(Body):
    """Omitted fields keep their values. `tiers`: all of them anew, with `silence_percent`; empty: a fixed price."""

    expected_outcome: Text | None = None
    limits: Limits | None = None
    estimate_minor: Amount | None = None
    cap_minor: Amount | None = None
    tiers: Tiers | None = None
    silence_percent: Percent | None = None


class NewItem(Body):
    """`unit_price_minor` includes tax at `tax_basis_points` (1900 = 19 %).

    `material`: it is paid whole, whatever the outcome.
    """

    description: Annotated[str, Meta(min_length=1, max_length=200, pattern=READABLE)]
    unit_price_minor: Amount
    quantity: Annotated[int, Meta(ge=1, le=1000)] = 1
    tax_basis_points: Annotated[int, Meta(ge=0, le=10_000)] = 0
    material: bool = False


class NewItems(Body):
    items: Annotated[list[NewItem], Meta(min_length=1, max_length=50)]


class CreditWish(Body):
    """`spends_by_itself`: the customer's credit is used for every bill, without being asked each time."""

    spends_by_itself: bool


class TakeInvitation(Body):
    code: Annotated[str, Meta(min_length=1, max_length=40, pattern="^[A-Za-z0-9]+(?!\\n)$", examples=["7KQ2M9XH4T"])]


class AcceptBill(Body):
    """`rating`: how content the customer is, from 1 to 5; required with a comment.

    `credit_minor`: how much of the bill their credit pays, all of it or nothing; 0: none; left out: as the customer has
    said for all bills, by default none.
    """

    tip_minor: Amount = 0
    credit_minor: Amount | None = None
    rating: Annotated[int, Meta(ge=1, le=5)] | None = None
    comment: Annotated[str, Meta(max_length=1000, pattern=PLAIN)] = ""


class Rate(Body):
    """`rating`: how content the customer is, from 1 to 5."""

    rating: Annotated[int, Meta(ge=1, le=5)]
    comment: Annotated[str, Meta(max_length=1000, pattern=PLAIN)] = ""


class ChooseTier(Body):
    """`percent`: of the tier whose measure the outcome has reached."""

    percent: Percent


class NewContest(Body):
    """`contested_minor`: how much of the bill is contested; by default all of it.

    `tier_percent`, instead: the customer said nothing in time, and only this lower tier was reached. The difference
    is contested; the rest of the bill stays due.
    """

    reason: Text
    contested_minor: Amount | None = None
    tier_percent: Percent | None = None


class SplitBill(Body):
    """One of the three ways: so many equal shares, what cannot be divided being added to the first; or an amount for
    each share; or the ids of each share's items. What is not shared stays on the tab.

    `return_after_s`: what is not paid by then is owed on the tab again.
    """

    equally: Annotated[int, Meta(ge=FEWEST_SHARES, le=MOST_SHARES, examples=[3])] | None = None
    amounts_minor: Annotated[tuple[Amount, ...], Meta(min_length=FEWEST_SHARES, max_length=MOST_SHARES)] | None = None
    items: Annotated[tuple[tuple[Id, ...], ...], Meta(min_length=FEWEST_SHARES, max_length=MOST_SHARES)] | None = None
    return_after_s: Seconds = int(USUAL_TIME.total_seconds())


class ResolveContest(Body):
    """`reduction_minor`: only for adjust: by how much the bill is lowered."""

    resolution: Resolution
    reason: Text
    reduction_minor: Amount | None = None


class AdjustBill(Body):
    reduction_minor: Amount
    reason: Text


class NewRefund(Body):
    """`amount_minor`: by default everything that can be refunded."""

    reason: Text
    amount_minor: Amount | None = None


class RefundElsewhere(Body):
    """`reference`: the proof, for example the number of a transfer or of a receipt."""

    amount_minor: Amount
    how: RefundMeans
    reference: Text


class ObjectToStanding(Body):
    """`tab_id`: the tab that counts against the customer. `reason`: why it should not, for a person at the business."""

    tab_id: Id
    reason: Text


class DecideObjection(Body):
    """`reason`: what the customer is answered."""

    decision: Decision
    reason: Text


class ResolveFlag(Body):
    """`note`: what was found and done."""

    flag_id: Id
    note: Text


class NewCash(Body):
    amount_minor: Amount


class ReturnCash(Body):
    """`amount_minor`: the cash that was handed to the customer, of what is owed back in cash."""

    amount_minor: Amount


class NewTip(Body):
    tip_minor: Amount
    return_url: ReturnUrl | None = None


class WriteOff(Body):
    reason: Text


class PauseFollowup(Body):
    """`until`: the end of the pause; left out, it lasts until it is resumed. `reason` is for the business only."""

    reason: Text
    until: Instant | None = None


class NewCharge(Body):
    """`on_session`: the customer confirms on the phone. `off_session`: the hold and the saved card, with consent.

    `tip_minor`: the customer's tip, on_session only; due only when it is paid. `credit_minor`: how much of the bill
    their credit pays first, at once and for good, on_session only; left out: as the customer has said for all bills.
    """

    mode: Literal["on_session", "off_session"]
    tip_minor: Amount = 0
    credit_minor: Amount | None = None
    return_url: ReturnUrl | None = None


class Reschedule(Body):
    starts_at: Instant
    return_url: ReturnUrl | None = None


class Cancel(Body):
    reason: Annotated[str, Meta(max_length=500, pattern=PLAIN)] = ""


class Waive(Body):
    reason: Text
