"""Standing: how far a customer is trusted, with its reasons; a pure function of visits, a policy and an instant.

The rules with their numbers are in docs/trust.md. Nothing is stored: whoever folds the entries of the tabs into visits
gets the same standing again. A fact that was decided in the customer's favour never counts: a contest that they won, an
objection that was upheld, a decline that they paid within days.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from msgspec import Struct

from chalicelib.domain.money import currency_of, share_minor
from chalicelib.domain.tab.objection import ObjectionState
from chalicelib.domain.tab.payments import DisputeState
from chalicelib.domain.tab.tab import Outcome
from chalicelib.domain.trust.standing_terms import Level, Reason, ReasonCode, SealedStanding, StandingTerms
from chalicelib.domain.trust.visit import Visit

FRAUDULENT = "fraudulent"
"""The reason of a dispute that says that the cardholder paid nothing: https://docs.stripe.com/disputes/categories."""


class FactOf(StrEnum):
    """What of a visit counts for, or against, a customer."""

    FULFILLED = "fulfilled"
    NO_SHOW = "no_show"
    DEBT = "debt"
    WRITTEN_OFF = "written_off"
    FRAUD_DISPUTE = "fraud_dispute"


class Weight(StrEnum):
    """Whether a fact counts. `paused`: the customer objects, and nobody has decided yet. `excused`: decided for them.

    `late`: fulfilled, but paid too late after a decline.
    """

    COUNTS = "counts"
    PAUSED = "paused"
    EXCUSED = "excused"
    LATE = "late"


class CountedFact(Struct, frozen=True, kw_only=True):
    """One fact. `expires_at`: from then on it does not count; None for a debt, which counts until it is paid."""

    of: FactOf
    tab_id: str
    at: datetime
    weight: Weight
    expires_at: datetime | None


LONGEST_VISIT = timedelta(days=4 * 366)
"""From its opening to the last fact of it: booked three years ahead at most, and paid, disputed and decided in one."""


class Standing(Struct, frozen=True, kw_only=True):
    """A customer's standing with one merchant. `reasons`: the first is the one that decides; never empty.

    `facts`: newest first. `changes_at`: when the level changes by itself, because facts expire; None: it does not.
    """

    level: Level
    reasons: tuple[Reason, ...]
    facts: tuple[CountedFact, ...] = ()
    changes_at: datetime | None = None


class History(Struct, frozen=True, kw_only=True):
    """The visits that count for a customer: their own, and those under other names.

    `same_card`: of others who have paid with, or saved, the same card: a bank has confirmed that, so all of it counts.
    `same_phone`: of earlier customers with the same phone number. Anybody can give a number, so only what speaks
    against them counts: nobody is trusted for a stranger's number.
    """

    own: Sequence[Visit] = ()
    same_card: Sequence[Visit] = ()
    same_phone: Sequence[Visit] = ()


def read_back(terms: StandingTerms) -> timedelta:
    """Visits that were opened longer ago are not read: their facts have expired."""
    return LONGEST_VISIT + timedelta(days=terms.window_days)


def standing_of(history: History, terms: StandingTerms, now: datetime) -> Standing:
    """The standing at `now`, and when it will change without anything new."""
    facts = _facts(history, terms, now)
    owing = any(_is_owing(visit, now) for visit in (*history.own, *history.same_card, *history.same_phone))
    level, reasons = _judge(facts, owing, terms, now)
    ends = sorted({fact.expires_at for fact in facts if fact.expires_at is not None and fact.expires_at > now})
    changes_at = next((at for at in ends if _judge(facts, owing, terms, at)[0] != level), None)
    newest_first = sorted(facts, key=lambda fact: (fact.at, fact.tab_id), reverse=True)
    return Standing(level=level, reasons=reasons, facts=tuple(newest_first), changes_at=changes_at)


def seal(
    standing: Standing, terms: StandingTerms, deposit_minor: int, *, currency: str, minimum_minor: int
) -> tuple[int, SealedStanding]:
    """The deposit that is asked of this customer, and what their promise says of it.

    A deposit that is asked at all can be held: a part below the minimum charge is raised to that.
    """
    percent = terms.deposit_percent(standing.level)
    asked_minor = share_minor(deposit_minor, percent, 100, currency_of(currency))
    if asked_minor:
        asked_minor = min(deposit_minor, max(asked_minor, minimum_minor))
    return asked_minor, SealedStanding(
        level=standing.level,
        reason=standing.reasons[0],
        whole_deposit_minor=deposit_minor,
        cap_is_final=standing.level == Level.WATCH,
    )


def exposure_limit_minor(limit_minor: int, level: Level, terms: StandingTerms, currency: str) -> int:
    """How much a customer of this level may owe at once; 0 stays what it is: no limit."""
    return share_minor(limit_minor, terms.exposure_percent(level), 100, currency_of(currency))


def _judge(
    facts: Sequence[CountedFact], owing: bool, terms: StandingTerms, at: datetime
) -> tuple[Level, tuple[Reason, ...]]:
    counted = [f for f in facts if f.weight == Weight.COUNTS and (f.expires_at is None or f.expires_at > at)]
    of = {kind: [fact for fact in counted if fact.of == kind] for kind in FactOf}
    no_shows = len(of[FactOf.NO_SHOW])
    missed = Reason(code=ReasonCode.NO_SHOWS, count=no_shows)
    against = [
        *([missed] if no_shows >= terms.watch_no_shows else []),
        *_reason(of[FactOf.DEBT], ReasonCode.DEBT, days=terms.watch_debt_days),
        *_reason(of[FactOf.WRITTEN_OFF], ReasonCode.WRITTEN_OFF),
        *_reason(of[FactOf.FRAUD_DISPUTE], ReasonCode.FRAUD_DISPUTE),
    ]
    if against:
        return Level.WATCH, tuple(against)
    times = sorted(fact.at for fact in of[FactOf.FULFILLED])
    span_days = (times[-1] - times[0]).days if times else 0
    paid = Reason(code=ReasonCode.VISITS_PAID, count=len(times))
    hinders = ((missed,) if no_shows else ()) + ((Reason(code=ReasonCode.OWED),) if owing else ())
    if len(times) < terms.known_visits:
        return Level.NEW, (Reason(code=ReasonCode.FIRST_VISITS, count=len(times)), *hinders)
    if owing:
        return Level.NEW, (*reversed(hinders), paid)
    if len(times) >= terms.trusted_visits and span_days >= terms.trusted_over_days and not no_shows:
        return Level.TRUSTED, (Reason(code=ReasonCode.VISITS_PAID, count=len(times), days=span_days),)
    return Level.KNOWN, (paid, *hinders)


def _reason(facts: Sequence[CountedFact], code: ReasonCode, days: int = 0) -> Iterator[Reason]:
    if facts:
        yield Reason(code=code, count=len(facts), days=days)


def _facts(history: History, terms: StandingTerms, now: datetime) -> list[CountedFact]:
    facts = [fact for visit in (*history.own, *history.same_card) for fact in _facts_of(visit, terms, now)]
    facts += [
        fact for visit in history.same_phone for fact in _facts_of(visit, terms, now) if fact.of != FactOf.FULFILLED
    ]
    return [fact for fact in facts if fact.expires_at is None or fact.expires_at > now]


def _facts_of(visit: Visit, terms: StandingTerms, now: datetime) -> Iterator[CountedFact]:
    if visit.parent_id is not None:
        # A share of somebody else's bill says nothing of whoever pays it.
        return

    def fact(of: FactOf, at: datetime, weight: Weight, *, expires: bool = True) -> CountedFact:
        expires_at = at + timedelta(days=terms.window_days) if expires else None
        return CountedFact(of=of, tab_id=visit.tab_id, at=at, weight=weight, expires_at=expires_at)

    against = _weight_against(visit)
    if visit.no_show_at is not None:
        won = any(contest.is_won for contest in visit.contests)
        yield fact(FactOf.NO_SHOW, visit.no_show_at, Weight.EXCUSED if won else against)
    debt_at = _debt_at(visit, terms)
    if debt_at is not None and debt_at <= now:
        yield fact(FactOf.DEBT, debt_at, against, expires=False)
    if visit.written_off_minor and visit.closed_at is not None:
        yield fact(FactOf.WRITTEN_OFF, visit.closed_at, against)
    frauds = [d for d in visit.disputes if d.state == DisputeState.LOST and d.reason == FRAUDULENT]
    for dispute in frauds:
        yield fact(FactOf.FRAUD_DISPUTE, dispute.decided_at or dispute.at, against)
    if visit.closed_at is not None and _is_fulfilled(visit):
        grace = timedelta(hours=terms.decline_grace_hours)
        paid_at = visit.paid_at or visit.closed_at
        is_late = visit.declined_at is not None and paid_at > visit.declined_at + grace
        yield fact(FactOf.FULFILLED, paid_at, Weight.LATE if is_late else Weight.COUNTS)


def _weight_against(visit: Visit) -> Weight:
    weights = {
        ObjectionState.OPEN: Weight.PAUSED,
        ObjectionState.UPHELD: Weight.EXCUSED,
        ObjectionState.REFUSED: Weight.COUNTS,
    }
    return weights[visit.objection] if visit.objection is not None else Weight.COUNTS


def _is_fulfilled(visit: Visit) -> bool:
    """The service was done and paid: a bill that was given back whole, or taken back by a bank, says nothing."""
    lost = any(dispute.state == DisputeState.LOST for dispute in visit.disputes)
    paid = visit.paid_minor > 0 or visit.moved_minor > 0
    return visit.outcome == Outcome.FULFILLED and visit.fee is None and paid and not lost and not visit.owed_minor


def _is_paused(visit: Visit) -> bool:
    """Whether it is not settled yet that what is owed is owed: contested, disputed, or objected to."""
    disputed = any(dispute.state == DisputeState.OPEN for dispute in visit.disputes)
    return disputed or visit.open_contest is not None or _weight_against(visit) in (Weight.PAUSED, Weight.EXCUSED)


def _is_owing(visit: Visit, now: datetime) -> bool:
    is_due = visit.due_at is not None and visit.due_at <= now
    return visit.owed_minor > 0 and is_due and visit.parent_id is None and not _is_paused(visit)


def _debt_at(visit: Visit, terms: StandingTerms) -> datetime | None:
    """From when on what is owed counts as a debt; None where nothing is, or it is not settled yet that it is.

    An objection does not settle it: it is the fact's weight that says so.
    """
    disputed = any(dispute.state == DisputeState.OPEN for dispute in visit.disputes)
    if not visit.owed_minor or visit.due_at is None or disputed or visit.open_contest is not None:
        return None
    return visit.due_at + timedelta(days=terms.watch_debt_days)
