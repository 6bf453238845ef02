"""`make serve`: what it starts works by itself, what fails to start is stopped, and a second one keeps to itself."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import devstack.stack
from devstack.folders import claimed
from devstack.serve import free_or_other
from devstack.stack import Stack, StartFailed
from devstack.stories.business import Business

pytestmark = pytest.mark.e2e

WAIT_S = 60
LOOK_AGAIN_S = 0.2


def test_a_bill_is_told_by_itself(tmp_path: Path) -> None:
    """The ticker reads stream and queues: a moment later the timeline says what became of the bill's message."""
    with Stack(logs=tmp_path, ticker=True) as stack:
        salon = Business(stack, lambda text: None, name="Salon")
        ada = salon.customer("Ada")
        new = {"customer_id": ada.customer_id, "title": "Cut", "expected_outcome": "Shorter", "estimate_minor": 4000}
        tab_id = salon.staff.post("/tabs", new)["tab_id"]
        salon.staff.post(f"/tabs/{tab_id}/items", {"items": [{"description": "Cut", "unit_price_minor": 4000}]})
        salon.staff.post(f"/tabs/{tab_id}/complete")

        (told,) = wait_for_told(salon, tab_id)

    assert told["kind"] == "bill_presented"


def wait_for_told(salon: Business, tab_id: str) -> list[Any]:
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        if told := [one for entry in salon.staff.history(tab_id) for one in entry["told"]]:
            return told
        # Another process is at it: there is nothing here that could be waited on.
        time.sleep(LOOK_AGAIN_S)
    raise AssertionError(f"nobody was told within {WAIT_S} s")


def test_a_failed_start_leaves_nothing_running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The app listens and never answers: what had been started before it, and the app itself, are stopped."""
    begun = []

    def popen(self: Stack, module: str, arguments: list[str], environment: dict[str, str], **more: Any) -> Any:
        if module != "app_server":
            process = start(self, module, arguments, environment, **more)
        else:
            process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        begun.append(process)
        return process

    start = Stack._popen
    monkeypatch.setattr(Stack, "_popen", popen)
    monkeypatch.setattr(devstack.stack, "START_TIMEOUT_S", 5.0)
    stack = Stack(logs=tmp_path)

    with pytest.raises(StartFailed, match="the app did not answer"), stack:
        pass

    assert len(begun) == 2
    assert [process.poll() is None for process in (*begun, stack._aws.process)] == [False] * 3


def test_a_taken_port_is_replaced_and_said() -> None:
    """Whoever has something else on 8000 gets a stack anyway, and reads where."""
    said: list[str] = []
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        chosen = free_or_other("app", taken, said.append)

    assert chosen != taken
    assert said == [f"Port {taken} (app) is taken; {chosen} is used instead."]
    assert (free_or_other("app", taken, said.append), len(said)) == (taken, 1)


def test_a_second_stack_has_files_of_its_own(tmp_path: Path) -> None:
    """While the first runs, the second's folder is another; afterwards the first's is free again."""
    first, others = tmp_path / "run", tmp_path / "run" / "serve"

    with claimed(first, others) as one, claimed(first, others) as two, claimed(first, others) as three:
        assert (one, two, three) == (first, first / "serve-2", first / "serve-3")
    with claimed(first, others) as again:
        assert again == first
