"""Record items: put lines on the bill, and take them off again."""

from __future__ import annotations

from collections.abc import Sequence

from chalicelib.domain import commands
from chalicelib.domain.commands import ItemInput
from chalicelib.ports import Deps
from chalicelib.usecases.attempts import Answer, Request, carry_out


def add_items(deps: Deps, tab_id: str, items: Sequence[ItemInput], *, request: Request) -> Answer:
    """All the lines, or none. Raises CapExceeded, InvalidInput and its kinds, TransitionRefused."""
    return carry_out(deps, tab_id, request, lambda draft: commands.add_items(draft, items))


def void_item(deps: Deps, tab_id: str, item_id: str, *, request: Request) -> Answer:
    """The line counts nothing any more; it stays in the history. Raises NotFound, TransitionRefused."""
    return carry_out(deps, tab_id, request, lambda draft: commands.void_item(draft, item_id))
