"""The values that every message about a tab may use, as the tab is when the message is written."""

from __future__ import annotations

from collections.abc import Mapping

from chalicelib.domain import instants
from chalicelib.domain.tab.tab import Tab
from chalicelib.domain.trust.terms import LotKind

STANDARD = frozenset(
    {"balance_minor", "back_minor", "due_at", "by_credit_minor", "credit_minor", "credit_active_at", "ended_at_percent"}
)
"""Their names. A message's own value of the same name comes first: it is of the moment that the message tells of."""


def of_tab(tab: Tab) -> Mapping[str, int | str | None]:
    """`balance_minor`: what is left to pay. `back_minor`: what goes back by itself; cash has a message of its own.

    `by_credit_minor`: what credit has paid. `credit_minor`: what the tab has earned; it can be spent from
    `credit_active_at` on. `ended_at_percent`: the outcome tier that the bill is of; None without tiers.
    """
    earned = [given for given in tab.credits.given if given.kind == LotKind.EARNED and given.kept_minor]
    return {
        "balance_minor": tab.balance_minor,
        "back_minor": max(0, tab.refund_owed_minor - tab.cash_to_return_minor),
        "due_at": instants.text(tab.due_at) if tab.due_at else None,
        "by_credit_minor": tab.by_credit_minor,
        "credit_minor": sum([given.kept_minor for given in earned]),
        "credit_active_at": instants.text(earned[0].active_at) if earned else None,
        "ended_at_percent": tab.ended_at_percent,
    }
