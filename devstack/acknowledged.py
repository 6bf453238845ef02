"""Records what the API has answered about each tab, and checks later that it is still true.

An answer about a tab is a promise: this version exists, this money was taken, this line is on the bill. A crash or a
lost race may delay what comes next, but must not take back anything that was answered.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field

from devstack.invariants import History, Json, attempts_of

_ENDED = frozenset({"succeeded", "failed", "closed", "abandoned"})


@dataclass(slots=True)
class _Told:
    """What was answered about one tab. Amounts by payment id; attempts by id, with their final state."""

    version: int = 0
    closed: bool = False
    taken: dict[str, int] = field(default_factory=dict)
    given_back: dict[str, int] = field(default_factory=dict)
    held: dict[str, int] = field(default_factory=dict)
    items: set[str] = field(default_factory=set)
    attempts: dict[str, str] = field(default_factory=dict)


class Acknowledged:
    """Every answer about a tab that the callers got. Several threads may record at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tabs: dict[str, _Told] = {}
        self._keys: dict[str, tuple[str, str | None]] = {}
        self._problems: list[str] = []

    def note(self, answer: Json, *, key: str = "") -> None:
        """Record a 2xx answer that shows a tab. `key`: the caller and their Idempotency-Key; empty for a read.

        The same key must return the same tab and the same attempt, whatever has happened since.
        """
        with self._lock:
            told = self._tabs.setdefault(answer["tab_id"], _Told())
            told.version = max(told.version, answer["version"])
            told.closed = told.closed or answer["status"] == "closed"
            for leg in answer["legs"]:
                told.taken[leg["payment_id"]] = leg["amount_minor"]
                back = leg["refunded_minor"] + leg["refund_pending_minor"]
                told.given_back[leg["payment_id"]] = max(told.given_back.get(leg["payment_id"], 0), back)
            told.held |= {hold["payment_id"]: hold["amount_minor"] for hold in answer["holds"]}
            told.items |= {item["item_id"] for item in answer["items"]}
            payment = answer["payment"]
            if payment is not None and payment["state"] in _ENDED:
                told.attempts[payment["attempt_id"]] = payment["state"]
            if key:
                self._compare(key, answer["tab_id"], payment["attempt_id"] if payment else None)

    def _compare(self, key: str, tab_id: str, attempt_id: str | None) -> None:
        first_tab, first_attempt = self._keys.setdefault(key, (tab_id, attempt_id))
        if tab_id != first_tab:
            self._problems.append(f"one Idempotency-Key was answered with {first_tab} and with {tab_id}")
        if first_attempt and attempt_id and attempt_id != first_attempt:
            self._problems.append(f"one Idempotency-Key of {tab_id} made {first_attempt} and {attempt_id}")

    @property
    def tab_ids(self) -> list[str]:
        """Every tab that any caller has seen."""
        with self._lock:
            return list(self._tabs)

    def check(self, tab: Json, history: History | None = None) -> list[str]:
        """The answers about the tab that are no longer true, in words.

        `history`, if given, shows how attempts ended.
        """
        with self._lock:
            told = self._tabs.get(tab["tab_id"], _Told())
            return list(_broken(told, tab, history))

    def check_keys(self) -> list[str]:
        """What was wrong with the answers to repeated requests."""
        with self._lock:
            return list(self._problems)


def _came_back(payment_id: str, history: History | None) -> bool:
    """Whether a refund of the payment has failed since, or a bank has given us its money again."""
    return any(
        entry["kind"] in ("refund_failed", "returned_by_bank") and entry["details"]["payment_id"] == payment_id
        for entry in history or ()
    )


def _broken(told: _Told, tab: Json, history: History | None) -> Iterable[str]:
    if tab["version"] < told.version:
        yield f"version {told.version} was told, it is at {tab['version']}"
    if told.closed and tab["status"] != "closed":
        yield f"it was told to be closed, and is {tab['status']}"
    legs = {leg["payment_id"]: leg for leg in tab["legs"]}
    for payment_id, minor in told.taken.items():
        if payment_id not in legs or legs[payment_id]["amount_minor"] != minor:
            yield f"{minor} were told to be taken by {payment_id}, which is in the books no more"
            continue
        back = legs[payment_id]["refunded_minor"] + legs[payment_id]["refund_pending_minor"]
        if back < told.given_back[payment_id] and not _came_back(payment_id, history):
            yield f"{told.given_back[payment_id]} were told to be given back of {payment_id}, now it is {back}"
    holds = {hold["payment_id"]: hold["amount_minor"] for hold in tab["holds"]}
    for payment_id, minor in told.held.items():
        if holds.get(payment_id) != minor:
            yield f"{minor} were told to be held in {payment_id}, which is in the books no more"
    for item_id in sorted(told.items - {item["item_id"] for item in tab["items"]}):
        yield f"{item_id} was told to be on the bill, and is not in it"
    if history is not None:
        attempts = attempts_of(history)
        for attempt_id, state in told.attempts.items():
            is_now = attempts[attempt_id].state if attempt_id in attempts else "not there"
            if is_now != state:
                yield f"{attempt_id} was told to have {state}, and is {is_now or 'open'}"
