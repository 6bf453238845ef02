"""The merchant's policy: limits, times, and what happens after them; copied into each tab at its opening."""

from enum import StrEnum

from msgspec import Struct

from chalicelib.domain.trust.standing_terms import StandingTerms
from chalicelib.domain.trust.terms import CreditTerms, StoryTerms
from chalicelib.domain.trust.tiers import OutcomeTerms


class LapseAction(StrEnum):
    """What happens to a booking whose deposit is not confirmed."""

    KEEP_UNSECURED = "keep_unsecured"
    CANCEL = "cancel"


class FraudWarningAction(StrEnum):
    """What happens after an early fraud warning: the owner is told, or the payment is refunded as well."""

    TELL = "tell"
    REFUND = "refund"


class Resolution(StrEnum):
    """How a contest ends: the bill is lowered, upheld, or waived."""

    ADJUST = "adjust"
    UPHOLD = "uphold"
    WAIVE = "waive"


class Policy(Struct, frozen=True, kw_only=True):
    """A merchant's time rules, copied into each tab at its opening. All durations are in seconds.

    `hold_window_s`: services that start within this of booking are held at booking, later ones need a saved card.
    `hold_ahead_s`: how long before the service the hold is placed on the saved card.
    `hold_margin_s`: how long before `capture_before` the hold clock acts, 24 h at least.
    `deposit_lapse_s`: how long a wanted deposit waits for the customer. A contest has `contest_deadline_s` to be
    resolved; then the owner is reminded, and `contest_default_after_s` later what is contested is waived.
    `reminder_offsets_s`: after the bill fell due. `retry_offsets_s`: from one automatic charge to the next. Nobody is
    reminded from `quiet_from_hour` to `quiet_until_hour` in `time_zone`, or in the customer's where that is known.
    `exposure_per_*_minor`: how much may be unpaid at once; 0: no limit. `free_deferral_days`: how long a promise may
    let a bill wait, at most. `standing`: how far customers are trusted; None: all alike. `credits`: None: nothing is
    earned or spent.
    `outcome_tiers`: prices by outcome, and who gets a fixed one. `stories`: None: nobody is asked for one.
    `submits_evidence`: what the owner has staged for a bank goes to it a day before its deadline.
    """

    free_cancel_s: int = 48 * 3600
    no_show_grace_s: int = 15 * 60
    review_window_s: int = 24 * 3600
    hold_window_s: int = 96 * 3600
    hold_ahead_s: int = 48 * 3600
    hold_margin_s: int = 24 * 3600
    deposit_lapse_s: int = 24 * 3600
    deposit_lapse_action: LapseAction = LapseAction.KEEP_UNSECURED
    contest_deadline_s: int = 7 * 24 * 3600
    contest_default_after_s: int = 48 * 3600
    reminder_offsets_s: tuple[int, ...] = (24 * 3600, 3 * 24 * 3600, 7 * 24 * 3600)
    retry_offsets_s: tuple[int, ...] = (2 * 24 * 3600, 3 * 24 * 3600, 5 * 24 * 3600)
    time_zone: str = "UTC"
    quiet_from_hour: int = 21
    quiet_until_hour: int = 8
    fraud_warning_action: FraudWarningAction = FraudWarningAction.TELL
    exposure_per_customer_minor: int = 0
    exposure_per_merchant_minor: int = 0
    credits: CreditTerms | None = None
    free_deferral_days: int = 14
    standing: StandingTerms | None = StandingTerms()
    outcome_tiers: OutcomeTerms = OutcomeTerms()
    stories: StoryTerms | None = None
    submits_evidence: bool = False
