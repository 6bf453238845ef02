"""Record items: put lines on the bill, and take them off again."""

from __future__ import annotations

from collections.abc import Sequence

from chalicelib.domain.tab import commands
from chalicelib.domain.tab.commands import ItemInput
from chalicelib.domain.tab.draft import Draft
from chalicelib.ports import Deps
from chalicelib.usecases.tab.attempts import Answer, Request, carry_out
from chalicelib.usecases.tab.exposure import check_exposure


def add_items(deps: Deps, tab_id: str, items: Sequence[ItemInput], *, request: Request) -> Answer:
    """All the lines, or none. Raises CapExceeded, ExposureExceeded, InvalidInput and its kinds, TransitionRefused."""

    def command(draft: Draft) -> None:
        commands.add_items(draft, items)
        tab = draft.tab
        check_exposure(
            deps,
            tab.policy,
            merchant_id=tab.merchant_id,
            customer_id=tab.customer_id,
            more_minor=tab.total_minor - draft.base.total_minor,
            currency=tab.currency,
        )

    return carry_out(deps, tab_id, request, command)


def void_item(deps: Deps, tab_id: str, item_id: str, *, request: Request) -> Answer:
    """The line counts nothing any more; it stays in the history. Raises NotFound, TransitionRefused."""
    return carry_out(deps, tab_id, request, lambda draft: commands.void_item(draft, item_id))
