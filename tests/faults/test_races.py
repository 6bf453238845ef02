"""The judge of the races, and the processes they run against: wrong answers are reported, dead workers detected."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from devstack.app_workers import Workers
from devstack.dynamodb_conflicts import Conflicts
from devstack.http import Reply
from devstack.races.__main__ import wrong_shares
from devstack.races.requests import Clients, Result
from devstack.races.scenarios import DONE, bad_answers, won_by

FORKS = """
import os, sys, time
from devstack.app_workers import fork_on_request

def serve(is_ready):
    if sys.argv[1] == "fails":
        raise ValueError("no")
    is_ready()
    if "DIES_WITH" in os.environ:
        os._exit(int(os.environ["DIES_WITH"]))
    if sys.argv[1] == "ends":
        raise SystemExit(3)
    time.sleep(600)

fork_on_request(serve)
"""


def result(status: int, code: str | None = None, *, replayed: bool = False) -> Result:
    headers = {"idempotent-replayed": "true"} if replayed else {}
    return Result("customer charges", Reply(status, headers, {"code": code} if code else {}), 1, Counter())


def test_one_winner_among_clear_refusals_is_right() -> None:
    """One success, the same answer repeated, and 409s that say why: nothing is wrong."""
    assert won_by([result(200), result(200, replayed=True), result(409, "transition_refused")], 1, *DONE) == []


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(result(500, "internal_error"), id="500"),
        pytest.param(result(503, "unavailable"), id="503"),
        pytest.param(result(422, "invalid_input"), id="422"),
        pytest.param(result(409, "cap_exceeded"), id="a code of another race"),
    ],
)
def test_any_other_answer_is_told(answer: Result) -> None:
    """Whatever is neither a success nor a 409 for coming too late is a violation."""
    assert len(bad_answers([result(200), answer], *DONE)) == 1


@pytest.mark.parametrize("winners", [0, 2])
def test_too_few_and_too_many_winners_are_told(winners: int) -> None:
    """Nobody, and more than one, are both wrong."""
    assert len(won_by([result(200)] * winners + [result(409, "contention")], 1)) == 1


def test_no_client_sends_before_all_are_ready() -> None:
    """No client sends before every client is ready, and each gets its own answer."""
    ready: list[int] = []

    def send(number: int) -> Result:
        return Result(f"{number} of {len(ready)}", Reply(200, {}, None))

    with Clients(8) as clients:
        results = clients.at_once([partial(send, n) for n in range(8)], lambda: ready.append(1), [0.0] * 8)

    assert [answered.who for answered in results] == [f"{number} of 8" for number in range(8)]


def test_transactions_that_meet_are_canceled() -> None:
    """Whoever comes while an item is being written is told which one it is; afterwards it is free again."""
    conflicts = Conflicts()
    tab, entry, other = ("t", "TAB#1", "STATE"), ("t", "TAB#1", "ENTRY#2"), ("t", "TAB#2", "STATE")

    assert conflicts.begin([tab]) == [False]
    assert conflicts.begin([entry, tab]) == [False, True]
    assert conflicts.begin([entry, other]) == [False, False]
    conflicts.end([tab])
    assert conflicts.begin([tab]) == [False]
    assert (conflicts.transactions, conflicts.canceled) == (4, 1)


@pytest.fixture
def workers(request: pytest.FixtureRequest) -> Iterator[Workers]:
    process = subprocess.Popen(
        [sys.executable, "-c", FORKS, request.param],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    started = Workers(process)
    yield started
    started.close()


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("workers", ["serves"], indirect=True)
def test_a_killed_worker_is_dead_and_the_others_live(workers: Workers) -> None:
    """Killing one ends that one; closing ends all of them."""
    first, second = workers.start(), workers.start()

    workers.kill(first)

    assert (is_alive(first), is_alive(second), workers.pids) == (False, True, [second])
    workers.close()
    assert not is_alive(second)


@pytest.mark.parametrize("workers", ["serves"], indirect=True)
def test_a_worker_has_its_own_environment_and_tells_how_it_died(workers: Workers) -> None:
    """A worker that is to die at a boundary is told so, and nobody else is; its exit code is the one it died with."""
    living, dying = workers.start(), workers.start(DIES_WITH="86")

    assert workers.wait(dying) == 86
    assert (is_alive(living), workers.pids) == (True, [living])


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs Linux's /proc")
@pytest.mark.parametrize("workers", ["ends"], indirect=True)
@pytest.mark.parametrize("end", [lambda workers, pid: workers.kill(pid), lambda workers, _: workers.close()])
def test_a_worker_that_ended_by_itself_is_told(workers: Workers, end: Callable[[Workers, int], None]) -> None:
    """A worker that was dead before it was killed, or all were, died of something else: a bug that nobody saw."""
    pid = workers.start()
    # It has said that it listens, and ends right after.
    while Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
        os.sched_yield()

    with pytest.raises(RuntimeError, match="had ended by itself"):
        end(workers, pid)


@pytest.mark.parametrize("workers", ["fails"], indirect=True)
def test_a_worker_that_does_not_start_is_told(workers: Workers) -> None:
    """A worker that fails before it listens is an error, not a wait."""
    with pytest.raises(RuntimeError, match="did not start"):
        workers.start()


def share(paid_minor: int, tip_minor: int, *, returned_minor: int = 0) -> dict[str, Any]:
    """A share of 25.00 of a bill of 50.00, as staff see it when all is over."""
    leg = {"amount_minor": paid_minor, "refunded_minor": 0}
    return {
        "tab_id": "tab_1",
        "legs": [leg] if paid_minor else [],
        "tip_minor": tip_minor,
        "paid_minor": paid_minor,
        "parent": {"amount_minor": 2500, "returned_minor": returned_minor},
    }


@pytest.mark.parametrize(
    ("shares", "paid_on_bill", "wrong"),
    [
        ([share(2550, 50), share(2500, 0)], 0, []),
        ([share(2550, 50), share(0, 0, returned_minor=2500)], 2500, []),
        ([share(5000, 0), share(2500, 0)], 0, ["5000 was kept", "7500 of the bill's 5000"]),
        ([share(2550, 0), share(2500, 0)], 0, ["2550 was kept", "5050 of the bill's 5000"]),
        ([share(2500, 0), share(0, 0, returned_minor=2500)], 0, ["2500 of the bill's 5000"]),
    ],
    ids=["both paid", "one went back", "paid twice", "a tip is lost", "what went back is owed"],
)
def test_shares_that_are_not_the_bill_are_told(
    shares: list[dict[str, Any]], paid_on_bill: int, wrong: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Shares and tips are what was kept, and with what went back the bill."""
    monkeypatch.setattr("devstack.races.__main__.check_split", lambda bill, shares: [])
    found = wrong_shares({"paid_minor": paid_on_bill, "total_minor": 5000}, shares)

    assert [text for text, start in zip(found, wrong, strict=True) if not text.startswith(start)] == []
