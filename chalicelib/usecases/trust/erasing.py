"""Erases what is stored of the answers to a customer's disputes, with the rest that is kept of the person."""

from __future__ import annotations

from msgspec.structs import replace

from chalicelib.domain.errors import Contention
from chalicelib.domain.trust.evidence.pack import DisputeAnswer
from chalicelib.ports.deps import Deps
from chalicelib.ports.store import VersionConflict

ROUNDS = 5


def erase_answers(deps: Deps, merchant_id: str, customer_id: str) -> None:
    """Empty all of them. Twice is as good as once. Raises Contention.

    What a bank was sent stays with Stripe and the bank; in the timeline its hash and the numbers of entries stay.
    """
    for _ in range(ROUNDS):
        emptied = [_is_emptied(deps, answer) for answer in deps.store.list_dispute_answers(merchant_id, customer_id)]
        if all(emptied):
            return
    raise Contention("Evidence about this customer is being changed at the same time. Try again.")


def _is_emptied(deps: Deps, answer: DisputeAnswer) -> bool:
    if not answer.texts and not answer.files and answer.sealed is None:
        return True
    # Not deleted: a write that began before the erasure comes too late for this version.
    empty = replace(answer, texts={}, files={}, sealed=None, version=answer.version + 1)
    try:
        deps.store.put_dispute_answer(empty)
    except VersionConflict:
        return False
    return True
