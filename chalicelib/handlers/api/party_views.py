"""Bodies of answers about merchants, customers, their contacts and credits. Apart: reading a tab needs none of them."""

from __future__ import annotations

from datetime import datetime

from chalicelib.domain.contact import Channel, Language, Source
from chalicelib.domain.tab.policy import FraudWarningAction, LapseAction
from chalicelib.domain.trust.credits import MovementKind
from chalicelib.domain.trust.standing import FactOf, Weight
from chalicelib.domain.trust.standing_terms import Level
from chalicelib.domain.trust.terms import LotKind
from chalicelib.handlers.api.views import Answer, CardView, ReasonView, TierView


class CreditTermsView(Answer):
    """What customers earn and how friends are rewarded; 0 is no limit in the limits."""

    rate_basis_points: int
    least_minor: int
    per_tab_minor: int
    per_month_minor: int
    pending_s: int
    expires_s: int
    referral_minor: int
    referral_least_minor: int
    referrals_per_month: int


class StandingTermsView(Answer):
    """How far customers are trusted: what makes each level, and what it changes (docs/trust.md)."""

    window_days: int
    known_visits: int
    trusted_visits: int
    trusted_over_days: int
    watch_no_shows: int
    watch_debt_days: int
    decline_grace_hours: int
    known_deposit_percent: int
    trusted_deposit_percent: int
    known_exposure_percent: int
    trusted_exposure_percent: int
    watch_exposure_percent: int


class StoryTermsView(Answer):
    """Everybody with a fulfilled visit is asked for a story, so many days after it ended."""

    ask_after_days: int


class OutcomeTermsView(Answer):
    """`tiers`: of tabs that are opened without any of their own."""

    tiers: list[TierView]
    silence_percent: int | None
    fixed_price_after: int


class PolicyView(Answer):
    free_cancel_s: int
    no_show_grace_s: int
    review_window_s: int
    hold_window_s: int
    hold_ahead_s: int
    hold_margin_s: int
    deposit_lapse_s: int
    deposit_lapse_action: LapseAction
    contest_deadline_s: int
    contest_default_after_s: int
    reminder_offsets_s: tuple[int, ...]
    retry_offsets_s: tuple[int, ...]
    time_zone: str
    quiet_from_hour: int
    quiet_until_hour: int
    fraud_warning_action: FraudWarningAction
    exposure_per_customer_minor: int
    exposure_per_merchant_minor: int
    credits: CreditTermsView | None
    free_deferral_days: int
    standing: StandingTermsView | None
    outcome_tiers: OutcomeTermsView
    stories: StoryTermsView | None
    submits_evidence: bool


class BrandingView(Answer):
    """What customers see of the business. `colour`: `#rrggbb`, on which white text is readable.

    `logo`: a picture as a `data:` address, or its https address. `email`, `phone`: how the business is reached.
    `shows_integrity`: how the business kept its promises can be seen; `shows_stories`: what customers have told.
    """

    name: str
    colour: str | None
    logo: str | None
    email: str | None
    phone: str | None
    website: str | None
    address: str | None
    terms_url: str | None
    tip_percents: tuple[int, ...]
    shows_integrity: bool
    shows_stories: bool


class MerchantView(Answer):
    """A business. What is only its own is null for customers and guests: account, policy, channels and the like."""

    merchant_id: str
    name: str
    currency: str
    settlement_currency: str | None
    account: str | None
    policy: PolicyView | None
    notify_email: str | None
    language: Language
    channels: tuple[Channel, ...] | None
    disconnected_at: datetime | None
    version: int
    created_at: datetime | None
    branding: BrandingView | None


class PolicyChanged(Answer):
    """`warnings`: what the policy cannot guarantee, in words."""

    merchant: MerchantView
    warnings: list[str]


class CustomerView(Answer):
    customer_id: str
    reference: str
    card: CardView | None
    created_at: datetime


class GivenView(Answer):
    """A consent or an opt-out: for which channel, when, and where it came from."""

    channel: Channel
    at: datetime
    source: Source


class ContactView(Answer):
    """`version` 0: none was ever given. `language`, `time_zone` null: the merchant's."""

    customer_id: str
    name: str
    email: str | None
    phone: str | None
    language: Language | None
    time_zone: str | None
    consents: list[GivenView]
    opt_outs: list[GivenView]
    updated_at: datetime
    version: int


class CustomerLine(Answer):
    customer_id: str
    reference: str
    card: CardView | None
    created_at: datetime
    contact: ContactView | None


class CustomerList(Answer):
    customers: list[CustomerLine]
    next_cursor: str | None


class InvitationView(Answer):
    """The customer's own, for friends. `url`: the page that tells a friend of it."""

    code: str
    url: str


class InvitedView(Answer):
    """Whose invitation the customer follows. `refused`: why it is not rewarded, a code."""

    by_customer_id: str
    at: datetime
    rewarded_with_tab_id: str | None
    refused: str | None


class CreditAccountView(Answer):
    """`active_minor` can be spent now, `pending_minor` later. `carried_minor`: what was taken back after it was spent;
    the next credit covers it. Credit is never paid out.
    """

    customer_id: str
    currency: str | None
    active_minor: int
    pending_minor: int
    carried_minor: int
    spends_by_itself: bool
    invitation: InvitationView | None
    invited: InvitedView | None
    version: int


class LotView(Answer):
    """Credit that came with one tab. `left_minor`: what can still be spent of it, from `active_at` to `expires_at`."""

    lot_id: str
    kind: LotKind
    tab_id: str
    amount_minor: int
    left_minor: int
    earned_at: datetime
    active_at: datetime
    expires_at: datetime


class MovementView(Answer):
    """One line: what entry `tab_seq` of the tab's timeline did. `balance_minor`: active and pending after it."""

    seq: int
    at: datetime
    kind: MovementKind
    amount_minor: int
    balance_minor: int
    tab_id: str
    tab_seq: int


class CreditStatement(Answer):
    """`lots`: those of which something is left, or owed. `movements`: newest first."""

    account: CreditAccountView
    lots: list[LotView]
    movements: list[MovementView]
    next_cursor: str | None


class CardSetupView(Answer):
    """What Stripe's SDK on the phone needs to save a card; with a `return_url`, the page to send the browser to."""

    setup_id: str
    client_secret: str | None
    page_url: str | None
    publishable_key: str
    account: str | None


class SaidReasonView(ReasonView):
    """`text`: the reason in the customer's language."""

    text: str


class CountedFactView(Answer):
    """What counts of one tab. `weight`: `paused` while the customer objects, `excused` where they were right, `late`
    where a declined payment came too late. `expires_at`: null for a debt, which counts until it is paid.
    """

    of: FactOf
    tab_id: str
    at: datetime
    weight: Weight
    expires_at: datetime | None


class StandingView(Answer):
    """How far a customer is trusted, and why: recomputed from their tabs whenever it is asked for.

    `level` is null where the business trusts all alike. `deposit_percent`: of the deposit that new bookings ask for.
    `cap_can_be_raised`: in promises made now. `changes_at`: when the level changes by itself, because facts expire.
    """

    customer_id: str
    level: Level | None
    reasons: list[SaidReasonView]
    deposit_percent: int
    exposure_percent: int
    cap_can_be_raised: bool
    changes_at: datetime | None
    facts: list[CountedFactView]
