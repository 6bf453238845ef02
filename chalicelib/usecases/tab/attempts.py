"""Attempts: each is committed, then its call is made, then its outcome is committed (money rules 2 to 6)."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from chalicelib.domain.errors import Contention
from chalicelib.domain.tab import agenda, due_steps, sharing
from chalicelib.domain.tab.actor import SYSTEM
from chalicelib.domain.tab.attempt import Attempt, AttemptState, Failure
from chalicelib.domain.tab.draft import Change, Draft
from chalicelib.domain.tab.facts.apply import apply_fact
from chalicelib.domain.tab.facts.attempt_outcomes import LADDER, note_absent, note_rejected, note_unknown
from chalicelib.domain.tab.facts.fact import Fact, FactKind
from chalicelib.domain.tab.step import Step, StepKind
from chalicelib.ports.gateway import GatewayRejected, GatewayUnavailable
from chalicelib.ports.store import EventAlreadySeen, FactsAlreadyApplied, IdempotencyRecord, SeenEvent, VersionConflict
from chalicelib.usecases.parties.customer_refs import forget_ref, with_ref

if TYPE_CHECKING:
    from chalicelib.domain.tab.tab import Tab
    from chalicelib.ports.deps import Deps

log = logging.getLogger(__name__)

ROUNDS = 8
"""How often a change is decided again after another change was written first."""
CALLS = 20
"""The gateway calls that one request or sweep makes for a tab; the rest is left to the next sweep."""
REPLAY_HORIZON = timedelta(hours=23)
"""The gateway may forget an idempotency key after 24 h; we stop relying on it an hour earlier (money rule 4)."""

Outcome = Callable[[Draft], None]


def commit(
    deps: Deps, change: Change, *, record: IdempotencyRecord | None = None, event: SeenEvent | None = None
) -> Tab:
    """Write the change; what is told to others follows from its entries. Raises what the store raises."""
    tab = deps.store.commit(change, record=record, event=event)
    for one in change.all:
        _log_what_happened(one)
    return tab


def commit_each(deps: Deps, changes: Sequence[Change]) -> list[bool]:
    """Write changes of different tabs in as few requests as can be; say of each whether it is written."""
    errors = deps.store.commit_each(changes)
    for change, error in zip(changes, errors, strict=True):
        if error is None:
            for one in change.all:
                _log_what_happened(one)
        else:
            log.info("%s was not written with others: %r", change.tab.tab_id, error)
    return [error is None for error in errors]


_COUNTED = {
    "captured": "PaymentsTaken",
    "charged": "PaymentsTaken",
    "payment_declined": "PaymentsDeclined",
    "dispute_opened": "DisputesOpened",
    "flagged": "TabsFlagged",
}
"""Entry kind → metric."""


def _log_what_happened(change: Change) -> None:
    tab = change.tab
    for entry in change.entries:
        counted = _COUNTED.get(entry.kind)
        log.log(
            logging.ERROR if entry.kind == "flagged" else logging.INFO,
            "%s",
            entry.kind,
            extra={
                "tab_id": tab.tab_id,
                "merchant_id": tab.merchant_id,
                "version": tab.version,
                **{name: entry.details[name] for name in _LOGGED if name in entry.details},
                # Only our own reasons; those of a contest or a cancellation are personal and not logged.
                **({"reason": entry.details["reason"]} if entry.kind == "flagged" else {}),
                **({"metrics": {counted: 1}} if counted else {}),
            },
        )


_LOGGED = ("attempt_id", "payment_id", "operation", "amount_minor")
"""The details of an entry that are logged: ids and numbers."""


_UNANSWERED = {"metrics": {"PaymentsUnanswered": 1}}


def run(deps: Deps, tab: Tab, begun: Iterable[Attempt], *, ended: list[Attempt] | None = None) -> Tab:
    """Perform attempts that are written ahead, record their outcomes, and continue with what follows from them.

    `ended`: takes those that got their outcome here, as they were written.
    The next sweep does what is left when the process dies, after CALLS calls, or when the gateway has not answered
    (another time-out would keep the caller waiting too long).
    """
    queue = deque(begun)
    for _ in range(CALLS):
        if queue:
            attempt = tab.attempt(queue.popleft().attempt_id)
            # Another process, for example a webhook, may have recorded its outcome meanwhile.
            if attempt is None or attempt.state != AttemptState.PENDING:
                continue
            attempt_id = attempt.attempt_id
            if needs_customer_ref(tab, attempt):
                tab, more = record_outcome(deps, tab, _with_customer(deps, tab, attempt))
            else:
                tab, more = record_outcome(deps, tab, perform(deps, tab, attempt), ended=ended)
            prepared = tab.attempt(attempt_id)
            if prepared is not None and prepared.state == AttemptState.PENDING:
                queue.appendleft(prepared)
        elif step := agenda.due_call(tab, deps.clock.now()):
            assert step.subject is not None, "it is about an attempt, or another tab"
            attempt_id = step.subject
            tab, more = _due_call(deps, tab, step)
        else:
            break
        unanswered = tab.attempt(attempt_id)
        if unanswered is not None and unanswered.state == AttemptState.UNKNOWN:
            break
        queue.extend(more)
    return tab


def record_outcome(
    deps: Deps,
    tab: Tab,
    outcome: Outcome,
    *,
    event: SeenEvent | None = None,
    ended: list[Attempt] | None = None,
) -> tuple[Tab, tuple[Attempt, ...]]:
    """Apply an outcome to the tab; return the tab and the attempts that follow from it.

    `ended`: takes the attempts that end with it, once that is written.

    An outcome is never refused: after a version conflict it is applied to the reloaded tab (money rule 3). Raises
    Contention.
    """
    known_facts: frozenset[str] = frozenset()
    for _ in range(ROUNDS):
        draft = Draft(
            tab, now=deps.clock.now(), by=SYSTEM, new_id=deps.ids.new, known_facts=known_facts, accounts=deps.store
        )
        outcome(draft)
        change = due_steps.conclude(draft)
        if change is None:
            if event is not None:
                deps.store.add_event(event)
            return tab, ()
        try:
            tab = commit(deps, change, event=event)
            if ended is not None:
                ended += change.closed_attempts
            return tab, change.begun
        except EventAlreadySeen:
            return deps.store.get_tab(tab.merchant_id, tab.tab_id), ()
        except FactsAlreadyApplied as applied:
            known_facts |= set(applied.keys)
        except (VersionConflict, Contention):
            pass
        tab = deps.store.get_tab(tab.merchant_id, tab.tab_id)
    raise Contention("Other requests are changing this tab. The payment's outcome will be recorded later.")


def outcome_of(facts: Iterable[Fact]) -> Outcome:
    def apply(draft: Draft) -> None:
        for fact in facts:
            apply_fact(draft, fact)

    return apply


def needs_customer_ref(tab: Tab, attempt: Attempt) -> bool:
    """Whether the attempt's customer is gone at the gateway, and a new one has to be created first."""
    return attempt.makes_payment and attempt.customer_ref is None and tab.customer_ref is None


def perform(deps: Deps, tab: Tab, attempt: Attempt) -> Outcome:
    """Make the call of an attempt that is written ahead; return what is to be recorded on the tab."""
    ids = {"tab_id": tab.tab_id, "attempt_id": attempt.attempt_id}
    try:
        facts = _answer_bank(deps, tab, attempt) if attempt.answers_bank else deps.gateway.perform(tab, attempt)
    except GatewayUnavailable as unavailable:
        log.warning("%s: no answer (%s)", attempt.operation, unavailable, extra={**ids, **_UNANSWERED})
        return _unknown(attempt)
    except GatewayRejected as rejected:
        log.error("%s was rejected: %s", attempt.operation, rejected.failure, extra=ids)
        return _rejected(attempt, rejected)
    for fact in facts:
        if fact.kind == FactKind.CUSTOMER_GONE:
            forget_ref(deps, tab.merchant_id, tab.customer_id, fact.object_id)
    return _resolving(attempt, facts)


def _answer_bank(deps: Deps, tab: Tab, attempt: Attempt) -> tuple[Fact, ...]:
    """Send what was sealed for this attempt. It is gone where the customer was erased since: then nothing is sent."""
    assert attempt.dispute_id is not None, "it answers a dispute"
    answer = deps.store.find_dispute_answer(tab.merchant_id, tab.customer_id, tab.tab_id, attempt.dispute_id)
    if answer is None or answer.sealed is None or answer.sealed_for != attempt.attempt_id:
        raise GatewayRejected(Failure(code="evidence_erased"))
    return deps.gateway.answer_bank(tab, attempt, answer.sealed)


def _with_customer(deps: Deps, tab: Tab, attempt: Attempt) -> Outcome:
    """The attempt's customer is gone at the gateway: create a new one there, and make the attempt for it."""
    try:
        customer = with_ref(deps, tab.account, deps.store.get_customer(tab.merchant_id, tab.customer_id))
    except GatewayUnavailable:
        return _unknown(attempt)
    except GatewayRejected as rejected:
        return _rejected(attempt, rejected)

    def apply(draft: Draft) -> None:
        draft.update(customer_ref=customer.customer_ref)
        _if_open(draft, attempt, lambda found: draft.update_attempt(found, customer_ref=customer.customer_ref))
        draft.record("customer_made_anew", customer_ref=customer.customer_ref)

    return apply


def _resolving(attempt: Attempt, facts: Iterable[Fact]) -> Outcome:
    """Apply the facts, which should resolve the attempt. If the attempt is as before the call, its outcome is unknown.

    As before the call, not before this draft: a webhook with the same facts may have been faster, and what it said (for
    example, that the bank asks the customer) must not become unknown because the answer says it again.
    """

    def apply(draft: Draft) -> None:
        outcome_of(facts)(draft)
        if draft.tab.attempt(attempt.attempt_id) == attempt:
            _unknown(attempt)(draft)

    return apply


def _rejected(attempt: Attempt, rejected: GatewayRejected) -> Outcome:
    """The refusal, after the facts that came with it: they may explain it."""
    facts, failure = rejected.facts, rejected.failure

    def apply(draft: Draft) -> None:
        outcome_of(facts)(draft)
        _if_open(draft, attempt, lambda found: note_rejected(draft, found, failure))

    return apply


def _unknown(attempt: Attempt) -> Outcome:
    return lambda draft: _if_open(draft, attempt, lambda found: note_unknown(draft, found))


def _if_open(draft: Draft, attempt: Attempt, then: Callable[[Attempt], None]) -> None:
    """Apply only if the attempt has no outcome yet."""
    found = draft.tab.attempt(attempt.attempt_id)
    if found is not None and found.is_open:
        then(found)


def _due_call(deps: Deps, tab: Tab, step: Step) -> tuple[Tab, tuple[Attempt, ...]]:
    if step.kind == StepKind.TELL_PARENT:
        return _tell_parent(deps, tab), ()
    if step.kind == StepKind.SUBMIT_EVIDENCE:
        return _submit_staged(deps, tab, step)
    attempt = tab.attempt(step.subject)
    assert attempt is not None, "a step that needs this call is about an open attempt"
    if step.kind == StepKind.CLOSE_PAYMENT:
        return close_payment(deps, tab, attempt)
    return _resolve(deps, tab, attempt)


def _submit_staged(deps: Deps, tab: Tab, step: Step) -> tuple[Tab, tuple[Attempt, ...]]:
    """Hand a bank the evidence that the owner has staged, a day before its deadline. Raises Contention."""
    from chalicelib.domain.tab.commands.answering import submit_staged  # Imported here: few tabs are disputed.

    dispute_id = step.subject
    assert dispute_id is not None, "it is about a dispute"

    def write(draft: Draft) -> None:
        if step not in agenda.steps(draft.tab):
            # The owner has been faster, or the bank asks no more.
            return
        found = deps.store.find_dispute_answer(tab.merchant_id, tab.customer_id, tab.tab_id, dispute_id)
        submit_staged(draft, dispute_id, found)

    return record_outcome(deps, tab, write)


def _tell_parent(deps: Deps, share: Tab) -> Tab:
    """Write a share's report on it and on its parent, in one transaction. Raises Contention."""
    assert share.parent is not None, "only a share has a parent"
    for _ in range(ROUNDS):
        if not sharing.must_tell(share):
            return share
        parent = deps.store.get_tab(share.merchant_id, share.parent.tab_id)
        draft, above = (
            Draft(tab, now=deps.clock.now(), by=SYSTEM, new_id=deps.ids.new, accounts=deps.store)
            for tab in (share, parent)
        )
        sharing.tell(draft, above)
        draft.also.append(above)
        change = due_steps.conclude(draft)
        assert change is not None, "a report is a change"
        try:
            share = commit(deps, change)
        except (VersionConflict, Contention):
            share = deps.store.get_tab(share.merchant_id, share.tab_id)
            continue
        for other in change.also:
            # What came back may be taken at once, as the parent's customer has agreed.
            run(deps, other.tab, other.begun)
        return share
    raise Contention("Other requests are changing the tab that was split. It learns of its share later.")


def close_payment(deps: Deps, tab: Tab, attempt: Attempt) -> tuple[Tab, tuple[Attempt, ...]]:
    try:
        facts = deps.gateway.close_payment(tab, attempt)
    except (GatewayUnavailable, GatewayRejected) as failed:
        ids = {"tab_id": tab.tab_id, "attempt_id": attempt.attempt_id}
        log.warning("closing the payment: %s", failed, extra={**ids, **_UNANSWERED})
        return record_outcome(deps, tab, _unknown(attempt))
    return record_outcome(deps, tab, _resolving(attempt, facts))


def _resolve(deps: Deps, tab: Tab, attempt: Attempt) -> tuple[Tab, tuple[Attempt, ...]]:
    """Find the outcome of an attempt that has none, in the order of money rule 4."""
    try:
        facts = deps.gateway.find_facts(tab, attempt)
    except (GatewayUnavailable, GatewayRejected) as failed:
        ids = {"tab_id": tab.tab_id, "attempt_id": attempt.attempt_id}
        log.warning("asking for the outcome: %s", failed, extra={**ids, **_UNANSWERED})
        return record_outcome(deps, tab, _unknown(attempt))
    begun: tuple[Attempt, ...] = ()
    if facts:
        tab, begun = record_outcome(deps, tab, outcome_of(facts))
        found = tab.attempt(attempt.attempt_id)
        if found is None or found != attempt or any(fact.kind == FactKind.PROCESSING for fact in facts):
            return tab, begun
    now = deps.clock.now()
    replayable = now - attempt.created_at < REPLAY_HORIZON and attempt.checks < len(LADDER)
    if replayable and due_steps.still_holds(tab, attempt, now):
        outcome = perform(deps, tab, attempt)
    else:
        outcome = _absent(attempt)
    tab, more = record_outcome(deps, tab, outcome)
    return tab, begun + more


def _absent(attempt: Attempt) -> Outcome:
    return lambda draft: _if_open(draft, attempt, lambda found: note_absent(draft, found))
