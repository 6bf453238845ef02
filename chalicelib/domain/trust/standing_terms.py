"""The values of standing: its levels, the codes of their reasons, and the numbers that a policy may change."""

from enum import StrEnum

from msgspec import Struct


class Level(StrEnum):
    """How far a customer is trusted by one merchant."""

    NEW = "new"
    KNOWN = "known"
    TRUSTED = "trusted"
    WATCH = "watch"


class ReasonCode(StrEnum):
    """Why a customer has their level. Templates have the words (`standing.jinja`)."""

    FIRST_VISITS = "first_visits"
    VISITS_PAID = "visits_paid"
    OWED = "owed"
    NO_SHOWS = "no_shows"
    DEBT = "debt"
    WRITTEN_OFF = "written_off"
    FRAUD_DISPUTE = "fraud_dispute"


class Reason(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One reason. `count`: of visits, no-shows, debts or disputes. `days`: over how many, or for how many at least."""

    code: ReasonCode
    count: int = 0
    days: int = 0


class SealedStanding(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a customer's standing has done to a promise: part of its text, so no later policy or fact changes it.

    `whole_deposit_minor`: what would be asked of somebody new. `cap_is_final`: the business can't propose a higher cap.
    """

    level: Level
    reason: Reason
    whole_deposit_minor: int = 0
    cap_is_final: bool = False


class StandingTerms(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The numbers of standing (docs/trust.md). Facts count for `window_days`.

    *Known*: `known_visits` fulfilled visits, nothing owed. *Trusted*: `trusted_visits` of them over
    `trusted_over_days`, no no-show. *Watch*: `watch_no_shows`, or a debt of more than `watch_debt_days`, or a fraud
    dispute lost. A decline that is paid within `decline_grace_hours` does not count. `*_deposit_percent`: of the
    deposit that the business asks for, all of which is asked of others; `*_exposure_percent`: of the limit a customer.
    """

    window_days: int = 365
    known_visits: int = 2
    trusted_visits: int = 6
    trusted_over_days: int = 90
    watch_no_shows: int = 2
    watch_debt_days: int = 14
    decline_grace_hours: int = 72
    known_deposit_percent: int = 50
    trusted_deposit_percent: int = 0
    known_exposure_percent: int = 200
    trusted_exposure_percent: int = 400
    watch_exposure_percent: int = 50

    def deposit_percent(self, level: Level) -> int:
        asked = {Level.KNOWN: self.known_deposit_percent, Level.TRUSTED: self.trusted_deposit_percent}
        return asked.get(level, 100)

    def exposure_percent(self, level: Level) -> int:
        limits = {
            Level.KNOWN: self.known_exposure_percent,
            Level.TRUSTED: self.trusted_exposure_percent,
            Level.WATCH: self.watch_exposure_percent,
        }
        return limits.get(level, 100)
