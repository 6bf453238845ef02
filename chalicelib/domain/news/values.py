"""The values that every message about a tab may use, as the tab is when the message is written."""

from __future__ import annotations

from collections.abc import Mapping

from chalicelib.domain import instants
from chalicelib.domain.tab.tab import Tab

STANDARD = frozenset({"balance_minor", "back_minor", "due_at"})
"""Their names. A message's own value of the same name comes first: it is of the moment that the message tells of."""


def of_tab(tab: Tab) -> Mapping[str, int | str | None]:
    """`balance_minor`: what is left to pay. `back_minor`: what goes back by itself; cash has a message of its own."""
    return {
        "balance_minor": tab.balance_minor,
        "back_minor": max(0, tab.refund_owed_minor - tab.cash_to_return_minor),
        "due_at": instants.text(tab.due_at) if tab.due_at else None,
    }
