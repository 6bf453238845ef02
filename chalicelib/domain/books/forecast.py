"""What comes in over the next 13 weeks, and how sure that is: from what is booked already, by how such weeks ended.

There are two guesses. One is what is booked, times the ratio of what came in to what was booked that long before
(bookings still to come raise it, cancellations and no-shows lower it), over the last eight weeks; each horizon has its
own ratio. The other is the mean of the last eight weeks: where little is booked ahead, as in a café, it knows more.
A horizon takes the mean where it was off by less than half as
much, in the last eight weeks at about that horizon. The band is conformal: it is as wide as the errors of
the last year's forecasts at about that horizon, and adapts where it held too often or too seldom (Gibbs and Candès,
Adaptive Conformal Inference, 2021). Whole minor units of one currency; weeks are numbered from 0. Raises nothing.

Guesses are compared once a week has ended that was forecast so far ahead: for the last horizon after 13 weeks. Until
then what is booked is the guess, and the band has no width where fewer than two errors are known.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean, quantiles
from typing import TypeVar

T = TypeVar("T")

HORIZONS = 13
RECENT = 8
"""Weeks that a ratio is learned from; the naive forecast is their mean."""
_REMEMBERED = 52
"""Errors of each horizon, the newest."""
_NEIGHBOURS = 2
"""Horizons to both sides whose errors are taken for this one's, too."""
_TAIL = 0.1
_GAMMA = 0.1
"""How fast a tail follows a week outside the band."""
_BEYOND = 1.5
"""How much further than the worst error the band reaches where even that was not enough."""


@dataclass(frozen=True, slots=True)
class Expected:
    """One week's receipts: nine of ten are at least `p10`, `p50` is the guess, and nine of ten at most `p90`."""

    p10: int
    p50: int
    p90: int


@dataclass(frozen=True, slots=True)
class _Missed:
    """By how much each guess was off."""

    by_booked: int
    by_mean: int


@dataclass(frozen=True, slots=True)
class _Guesses:
    booked: int
    mean: int

    def missed(self, received: int) -> _Missed:
        return _Missed(abs(received - self.booked), abs(received - self.mean))

    def best(self, missed: Sequence[_Missed]) -> int:
        """The mean, if it was off by less than half as much of late; else what is booked tells more of what is new."""
        by_booked, by_mean = sum(one.by_booked for one in missed), sum(one.by_mean for one in missed)
        return self.mean if 2 * by_mean < by_booked else self.booked


@dataclass(slots=True)
class _Tails:
    """How much of the errors is left out below and above the band: 0.1 each, until weeks fall outside it."""

    low: float = _TAIL
    high: float = _TAIL

    def learn(self, band: Expected, received: int) -> None:
        self.low += _GAMMA * (_TAIL - (received < band.p10))
        self.high += _GAMMA * (_TAIL - (received > band.p90))


def forecast(received: Sequence[int], booked: Sequence[Sequence[int]]) -> tuple[Expected, ...]:
    """The 13 weeks after those that `received` tells of.

    `booked[t][h]`: what was booked for week t + h as week t began. It has one row more than `received`: that of
    the week which begins now.
    """
    *_, newest = forecasts(received, booked)
    return newest


def forecasts(received: Sequence[int], booked: Sequence[Sequence[int]]) -> Iterator[tuple[Expected, ...]]:
    """Of every week in turn the forecast that was made as it began, from what was known then."""
    tails = [_Tails() for _ in range(HORIZONS)]
    errors: list[list[float]] = [[] for _ in range(HORIZONS)]
    made: list[tuple[Expected, ...]] = []
    scales: list[list[float]] = []
    guessed: list[list[_Guesses]] = []
    missed: list[list[_Missed]] = [[] for _ in range(HORIZONS)]
    for now in range(len(received) + 1):
        for horizon in range(min(HORIZONS, now)):
            then, ended = now - 1 - horizon, received[now - 1]
            if then <= horizon:
                continue  # That forecast had no ratio yet: its error says nothing of those that have.
            tails[horizon].learn(made[then][horizon], ended)
            missed[horizon].append(guessed[then][horizon].missed(ended))
            errors[horizon].append((ended - made[then][horizon].p50) / scales[then][horizon])
        mean = fmean(received[max(0, now - RECENT) : now]) if now else 0.0
        guessed.append(
            [
                _Guesses(round(booked[now][horizon] * _ratio(received, booked, now, horizon)), round(mean))
                for horizon in range(HORIZONS)
            ]
        )
        guesses = [guessed[now][horizon].best(_near(missed, horizon, RECENT)) for horizon in range(HORIZONS)]
        floor = max(1.0, mean / 10)
        scales.append([max(floor, guess) for guess in guesses])
        made.append(
            tuple(
                _band(guess, scale, _near(errors, horizon, _REMEMBERED), tails[horizon])
                for horizon, (guess, scale) in enumerate(zip(guesses, scales[now], strict=True))
            )
        )
        yield made[now]


def _ratio(received: Sequence[int], booked: Sequence[Sequence[int]], now: int, horizon: int) -> float:
    weeks = range(max(horizon, now - RECENT), now)
    before = sum(booked[week - horizon][horizon] for week in weeks)
    return sum(received[week] for week in weeks) / before if before else 1.0


def _near(known: Sequence[Sequence[T]], horizon: int, newest: int) -> list[T]:
    near = known[max(0, horizon - _NEIGHBOURS) : horizon + _NEIGHBOURS + 1]
    return [one for of_horizon in near for one in of_horizon[-newest:]]


def _band(guess: int, scale: float, errors: list[float], tails: _Tails) -> Expected:
    if len(errors) < 2:
        return Expected(guess, guess, guess)
    low = _quantile(errors, tails.low) if tails.low > 0 else min(errors) * _BEYOND
    high = _quantile(errors, 1 - tails.high) if tails.high > 0 else max(errors) * _BEYOND
    return Expected(
        p10=max(0, min(guess, round(guess + low * scale))), p50=guess, p90=max(guess, round(guess + high * scale))
    )


def _quantile(values: list[float], share: float) -> float:
    return quantiles(values, n=100, method="inclusive")[min(98, max(0, round(share * 100) - 1))]
