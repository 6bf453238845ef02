"""Refuses a command that the tab does not allow now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.domain.tab.actions import Action, refusal

if TYPE_CHECKING:
    from chalicelib.domain.tab.draft import Draft


def require(draft: Draft, action: Action) -> None:
    refused = refusal(draft.tab, action, draft.by, draft.now)
    if refused is not None:
        raise refused
