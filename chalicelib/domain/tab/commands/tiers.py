"""Commands about outcome tiers: the customer chooses one, or contests the one that silence meant."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.domain.errors import InvalidInput, TransitionRefused
from chalicelib.domain.tab import contest as contests
from chalicelib.domain.tab import settlement
from chalicelib.domain.tab.actions import Action
from chalicelib.domain.tab.adjust import announce_what_goes_back, reprice, what_is_left
from chalicelib.domain.tab.commands.require import require
from chalicelib.domain.tab.policy import Resolution
from chalicelib.domain.tab.status import Status

if TYPE_CHECKING:
    from chalicelib.domain.tab.draft import Draft
    from chalicelib.domain.tab.tab import Tab


def choose_tier(draft: Draft, percent: int) -> None:
    """The customer says which outcome it was; the bill is of that tier from now on. Chosen again, nothing changes.

    What was paid above it is refunded by itself. Raises InvalidInput (no such tier).
    """
    require(draft, Action.CHOOSE_TIER)
    _check(draft.tab, percent)
    if draft.tab.tier_percent == percent:
        return
    before, postings = draft.tab, reprice(draft, tier_percent=percent)
    tab = draft.tab
    draft.record(
        "tier_chosen", tier_percent=percent, total_minor=tab.total_minor, **what_is_left(tab), postings=postings
    )
    announce_what_goes_back(draft, before, "tier")
    settlement.replan(draft)


def contest(draft: Draft, reason: str, percent: int) -> None:
    """Contest the difference between the tier that silence meant and a lower one.

    Raises InvalidInput, TransitionRefused.
    """
    tab = draft.tab
    _check(tab, percent)
    if tab.may_contest_tier(percent):
        contests.open_tier_contest(draft, reason, percent)
        return
    if tab.status == Status.IN_REVIEW:
        raise InvalidInput(
            "The customer can still say which outcome it was: choose the tier (choose_tier) instead of contesting.",
            field="tier_percent",
        )
    if tab.tier_percent is not None or tab.status != Status.DUE:
        raise TransitionRefused(
            "Only the outcome that silence stood for can be contested. Contest an amount of the bill instead.",
            status=tab.status,
        )
    if tab.moved_minor or tab.waived_minor:
        raise TransitionRefused(
            "Part of this bill is split or forgiven, so its outcome is settled. Contest an amount instead.",
            status=tab.status,
        )
    raise InvalidInput(
        f"tier_percent must be a tier below the {tab.price_percent} percent that are due now.",
        field="tier_percent",
    )


def resolve(draft: Draft, resolution: Resolution, reason: str) -> None:
    """End a contest of the outcome: waived, its tier stands; upheld, that of silence. Raises InvalidInput."""
    if resolution == Resolution.ADJUST:
        raise InvalidInput(
            "Only the difference between two tiers is contested: waive it, or uphold it. The bill can be adjusted "
            "by itself (adjust).",
            field="resolution",
        )
    contests.resolve_tier(draft, resolution, reason, "business")


def _check(tab: Tab, percent: int) -> None:
    percents = [tier.percent for tier in tab.promise.tiers]
    if percent not in percents:
        raise InvalidInput(
            f"There is no such tier. The promise has {', '.join(map(str, percents)) or 'none'}.", tiers=percents
        )
