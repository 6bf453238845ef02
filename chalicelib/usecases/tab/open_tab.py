"""Open a tab: the promise is made, and waits for the customer to accept it."""

from __future__ import annotations

from chalicelib.domain.tab import agenda, commands
from chalicelib.domain.tab.commands import Terms
from chalicelib.ports import Deps, RecordExists
from chalicelib.usecases.tab.attempts import Answer, Request, commit, merchant_of, record_of, replay_of
from chalicelib.usecases.tab.exposure import check_exposure


def open_tab(deps: Deps, customer_id: str, terms: Terms, *, request: Request) -> Answer:
    """The new tab: booked where it starts later, else open.

    Raises NotFound (no such customer), IdempotencyMismatch, ExposureExceeded, and what commands.open_tab raises.
    """
    merchant_id = merchant_of(request.by)
    merchant, customer, record = deps.store.get_parties_and_record(
        merchant_id, customer_id, request.record_id, deps.clock.now()
    )
    if record is None:
        draft = commands.open_tab(merchant, customer, terms, now=deps.clock.now(), by=request.by, new_id=deps.ids.new)
        check_exposure(
            deps,
            merchant.policy,
            merchant_id=merchant_id,
            customer_id=customer_id,
            more_minor=terms.estimate_minor,
            currency=merchant.currency,
        )
        change = agenda.conclude(draft)
        assert change is not None, "a new tab is a change"
        try:
            return Answer(tab=commit(deps, change, record=record_of(deps, request, change)))
        except RecordExists as exists:
            record = exists.record
    request.check_same(record)
    assert record.tab_id is not None, "the same request made a tab"
    return replay_of(deps, record, deps.store.get_tab(merchant_id, record.tab_id))
