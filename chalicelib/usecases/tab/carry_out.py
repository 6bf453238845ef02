"""Carries a command out: loads the tab, runs the command, commits, performs. The loop that every command shares.

A repeated request is answered from its record. `attempts` commits, makes the calls and records their outcomes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

from chalicelib.domain.errors import Contention, DomainError, PaymentInProgress, RequestInProgress, StaleVersion
from chalicelib.domain.tab import due_steps
from chalicelib.domain.tab.attempt import Attempt, AttemptState
from chalicelib.domain.tab.draft import Change, Draft
from chalicelib.ports.gateway import GatewayRejected, GatewayUnavailable
from chalicelib.ports.store import IdempotencyRecord, RecordExists, VersionConflict
from chalicelib.usecases.tab import attempts
from chalicelib.usecases.tab.requests import Answer, Request, check_visible, merchant_of

if TYPE_CHECKING:
    from chalicelib.domain.tab.tab import Tab
    from chalicelib.ports.deps import Deps

log = logging.getLogger(__name__)

IN_PROGRESS = timedelta(seconds=30)
"""If a request is repeated while its attempt is younger than this, the caller is told to try later (money rule 8)."""

Command = Callable[[Draft], None]


def carry_out(
    deps: Deps,
    tab_id: str,
    request: Request,
    command: Command,
    *,
    closes_payment: bool | Callable[[Tab], bool] = False,
) -> Answer:
    """Load the tab, run the command, write ahead, perform. If another change was written first, start again.

    `closes_payment`: the command may change the amount due, so a payment that waits for the customer is closed first
    (rule 6). If that depends on the tab, it is a function of the loaded tab.
    Raises NotFound, StaleVersion, IdempotencyMismatch, RequestInProgress, Contention, and what the command raises.
    """
    expected_version = request.expected_version
    for _ in range(attempts.ROUNDS):
        tab, record = deps.store.get_tab_and_record(
            merchant_of(request.by), tab_id, request.record_id, deps.clock.now()
        )
        check_visible(deps, tab, request.by)
        if record is not None:
            return _replay(deps, tab, record, request)
        draft = Draft(
            tab,
            now=deps.clock.now(),
            by=request.by,
            new_id=deps.ids.new,
            return_url=request.return_url,
            accounts=deps.store,
        )
        try:
            _check_version(tab, expected_version)
            command(draft)
        except DomainError:
            # Tab and record are read together, but not at one instant. If the request was sent twice at once, its twin
            # may have succeeded between the two reads and be the reason for the refusal; then a record exists by now.
            if deps.store.find_record(request.record_id, deps.clock.now()) is None:
                raise
            continue
        # Only now, so that a refused command does not touch the payment on the phone.
        waiting = tab.taking_attempt
        closes = closes_payment(tab) if callable(closes_payment) else closes_payment
        if closes and waiting is not None and waiting.state == AttemptState.AWAITING_CUSTOMER:
            tab = _close_for_change(deps, tab, waiting)
            expected_version = None if expected_version is None else tab.version
            continue
        if draft.is_empty:
            current = _look_at(deps, tab, waiting)
            if current.attempt(waiting.attempt_id if waiting else None) == waiting:
                return Answer(tab=current, attempt=waiting)
            # The payment is gone or was made: decide again.
            continue
        change = due_steps.conclude(draft)
        assert change is not None, "a command that wrote something makes a change"
        try:
            attempts.commit(deps, change, record=record_of(deps, request, change))
        except VersionConflict:
            continue
        except RecordExists as exists:
            return _replay(deps, deps.store.get_tab(tab.merchant_id, tab_id), exists.record, request)
        return finish(deps, change)
    raise Contention("Other requests are changing this tab. Nothing was done; send the request again.")


def _look_at(deps: Deps, tab: Tab, waiting: Attempt | None) -> Tab:
    """Check a payment that will be handed out again: it may be gone or made without our knowing. Returns the tab."""
    if waiting is None or waiting.state != AttemptState.AWAITING_CUSTOMER:
        return tab
    try:
        facts = deps.gateway.find_facts(tab, waiting)
    except (GatewayUnavailable, GatewayRejected):
        return tab
    return attempts.run(deps, *attempts.record_outcome(deps, tab, attempts.outcome_of(facts)))


def _check_version(tab: Tab, expected_version: int | None) -> None:
    if expected_version not in (None, tab.version):
        raise StaleVersion(
            f"The tab is at version {tab.version} by now. Load it again before you change it.",
            version=tab.version,
        )


def record_of(deps: Deps, request: Request, change: Change) -> IdempotencyRecord:
    """The idempotency record: a repetition is answered from the attempt if money moves, else from this snapshot.

    Also from the snapshot if other tabs were made: only it says for sure which.
    """
    tab_id, link_id = change.tab.tab_id, _link_of(change)
    makes_others = any(other.base_version == 0 for other in change.also)
    if change.begun and not makes_others:
        return request.new_record(deps, tab_id=tab_id, attempt_id=change.begun[0].attempt_id, resource_id=link_id)
    return request.new_record(deps, tab_id=tab_id, snapshot=change.tab, resource_id=link_id)


def _link_of(change: Change) -> str | None:
    return next((pointer.subject for pointer in change.link_pointers), None)


def finish(deps: Deps, change: Change) -> Answer:
    """Perform the attempts that a committed change has begun."""
    ended: list[Attempt] = []
    try:
        tab = attempts.run(deps, change.tab, change.begun, ended=ended)
    except Contention:
        # The change is committed and its attempts are in the agenda: the next sweep finds their outcomes.
        log.warning("the outcome for %s is left to the next sweep", change.tab.tab_id)
        tab = deps.store.get_tab(change.tab.merchant_id, change.tab.tab_id)
    attempt = None
    if change.begun:
        attempt_id = change.begun[0].attempt_id
        # One that has ended here is known: it is not read again.
        known = next((one for one in ended if one.attempt_id == attempt_id), None)
        attempt = known or find_attempt(deps, tab, attempt_id)
    return Answer(tab=tab, attempt=attempt, link_id=_link_of(change))


def find_attempt(deps: Deps, tab: Tab, attempt_id: str) -> Attempt | None:
    return tab.attempt(attempt_id) or deps.store.find_attempt(tab.merchant_id, tab.tab_id, attempt_id)


def replay_of(deps: Deps, record: IdempotencyRecord, tab: Tab) -> Answer:
    """The answer to a repeated request: from its attempt, or else the tab as the first request left it.

    Raises RequestInProgress while the first request may still be running.
    """
    if record.attempt_id is None:
        return Answer(tab=record.snapshot or tab, replayed=True, link_id=record.resource_id)
    if tab.attempt(record.attempt_id) is None:
        # The attempt is closed; or the tab was read before the first request ran, and its record after.
        tab = deps.store.get_tab(tab.merchant_id, tab.tab_id)
    attempt = find_attempt(deps, tab, record.attempt_id)
    young = deps.clock.now() - record.created_at < IN_PROGRESS
    if attempt is not None and attempt.state == AttemptState.PENDING and young:
        raise RequestInProgress(
            "The first request with this Idempotency-Key is still running. Send it again in a moment.",
            retry_after_s=int(IN_PROGRESS.total_seconds()),
        )
    return Answer(tab=tab, attempt=attempt, replayed=True, link_id=record.resource_id)


def _replay(deps: Deps, tab: Tab, record: IdempotencyRecord, request: Request) -> Answer:
    request.check_same(record)
    return replay_of(deps, record, tab)


def _close_for_change(deps: Deps, tab: Tab, waiting: Attempt) -> Tab:
    """Close the waiting payment and return the tab. Raises PaymentInProgress if it was made, or may have been."""
    tab, begun = attempts.close_payment(deps, tab, waiting)
    tab = attempts.run(deps, tab, begun)
    if any(leg.attempt_id == waiting.attempt_id for leg in tab.legs):
        raise PaymentInProgress(
            "The customer has just paid on the phone. Load the tab again before you change it.",
            attempt_id=waiting.attempt_id,
            attempt_state=AttemptState.SUCCEEDED,
        )
    still_there = tab.attempt(waiting.attempt_id)
    if still_there is not None:
        raise PaymentInProgress(
            "The payment on the customer's phone could not be closed just now. Try again in a moment.",
            attempt_id=waiting.attempt_id,
            attempt_state=still_there.state,
        )
    return tab
