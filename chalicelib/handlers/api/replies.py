"""Turns a use case's Answer about a tab into a reply: status, version and struct."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from chalicelib.bootstrap import get_deps
from chalicelib.domain.tab.attempt import Attempt, AttemptState
from chalicelib.handlers.api import render
from chalicelib.handlers.api.operations import Call, Reply

if TYPE_CHECKING:
    from chalicelib.domain.tab.tab import Tab
    from chalicelib.usecases.tab.requests import Answer

_STILL_OPEN = frozenset({AttemptState.PENDING, AttemptState.UNKNOWN})


def answer_reply(call: Call[object], answer: Answer) -> Reply:
    return tab_reply(call, answer.tab, answer.attempt, replayed=answer.replayed)


def tab_reply(call: Call[object], tab: Tab, payment: Attempt | None, *, replayed: bool = False) -> Reply:
    """The reply; 202 while the payment's outcome is unknown, so the caller reads the tab again."""
    deps, by = get_deps(), call.by
    shows_key = payment is not None and render.needs_publishable_key(payment, by)
    publishable_key = deps.gateway.publishable_key if shows_key else None
    view = render.tab(tab, payment, by=by, now=deps.clock.now(), publishable_key=publishable_key)
    pending = payment is not None and payment.state in _STILL_OPEN and call.operation.moves_money
    return Reply(
        body=view,
        version=tab.version,
        replayed=replayed,
        status=HTTPStatus.ACCEPTED if pending else None,
    )
