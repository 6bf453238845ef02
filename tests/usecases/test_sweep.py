"""The sweep over all due tabs. Tests of agenda and attempts cover what happens to each tab."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from chalicelib.ports.store import StoreUnavailable
from chalicelib.usecases.tab import advance_tab
from chalicelib.usecases.tab.advance_tab import Advanced, Swept, advance_due_tabs
from tests.unit.till import Till


class Due:
    """Dependencies of which a sweep itself needs no more than a clock and what is due."""

    def __init__(self, *tab_ids: str, fails: bool = False) -> None:
        self.store = self.clock = self
        self._tab_ids = tab_ids
        self._fails = fails

    def now(self) -> None:
        return None

    def iter_due(self, now: object) -> Iterator[tuple[str, str]]:
        yield from (("mer_1", tab_id) for tab_id in self._tab_ids)
        if self._fails:
            raise StoreUnavailable("a shard did not answer")


def after(_: object) -> Advanced:
    return Advanced(Till().tab, 0.0)


def test_tabs_are_advanced_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two due tabs are under way at the same time: each waits for the other before it goes on."""
    meeting = threading.Barrier(2, timeout=20)
    monkeypatch.setattr(advance_tab, "advance_due_tab", lambda deps, merchant_id, tab_id: after(meeting.wait()))

    deps: Any = Due("tab_1", "tab_2")

    assert advance_due_tabs(deps, at_once=2) == Swept(advanced=2, failed=0)


@pytest.mark.parametrize("at_once", [1, 8])
def test_what_was_found_is_done_before_a_failing_index_is_told(monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    """A shard that can't be read fails the sweep, after every tab of the others was advanced."""
    advanced: list[str] = []
    monkeypatch.setattr(
        advance_tab, "advance_due_tab", lambda deps, merchant_id, tab_id: after(advanced.append(tab_id))
    )
    deps: Any = Due("tab_1", "tab_2", "tab_3", fails=True)

    with pytest.raises(StoreUnavailable):
        advance_due_tabs(deps, at_once=at_once)

    assert sorted(advanced) == ["tab_1", "tab_2", "tab_3"]


@pytest.mark.parametrize(("at_once", "most"), [({}, 1), ({"at_once": 1}, 1), ({"at_once": 2}, 2)])
def test_no_more_tabs_are_advanced_at_a_time_than_asked_for(
    monkeypatch: pytest.MonkeyPatch, at_once: dict[str, int], most: int
) -> None:
    """One, where nobody says otherwise."""
    lock, now, highest = threading.Lock(), 0, 0
    turn = threading.Barrier(most, timeout=20)

    def advance(deps: Any, merchant_id: str, tab_id: str) -> Advanced:
        nonlocal now, highest
        with lock:
            now += 1
            highest = max(highest, now)
        turn.wait()
        with lock:
            now -= 1
        return after(None)

    monkeypatch.setattr(advance_tab, "advance_due_tab", advance)
    deps: Any = Due("tab_1", "tab_2", "tab_3", "tab_4")

    assert advance_due_tabs(deps, **at_once) == Swept(advanced=4, failed=0)
    assert highest == most
