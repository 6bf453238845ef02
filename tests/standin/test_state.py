"""--state FILE: what the process knew survives it, however it ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import stripe

from devstack.stripe_standin import state as kept
from devstack.stripe_standin.server import create_app, serve_in_thread

from .conftest import CARD_ONLY, START, Receiver, Standin

ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def process(state: Path, *arguments: str) -> Iterator[tuple[Standin, subprocess.Popen[str]]]:
    """The stand-in as its own process, as a developer starts it."""
    command = [sys.executable, "-m", "devstack.stripe_standin", "--port", "0", "--state", str(state), *arguments]
    running = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert running.stdout is not None
        line = running.stdout.readline()
        yield Standin(line.split(" at ")[1].split()[0], None), running
    finally:
        if running.poll() is None:
            running.terminate()
        running.wait(10)
        assert running.stdout is not None
        running.stdout.close()


def kill(running: subprocess.Popen[str]) -> None:
    os.kill(running.pid, signal.SIGKILL)
    running.wait(10)


def test_everything_answered_before_a_kill_is_there_afterwards(tmp_path: Path) -> None:
    """Objects, events, idempotency keys, the clock, a connected account and a deleted customer survive kill -9."""
    state = tmp_path / "stripe.state"
    payment: dict[str, Any] = {
        "amount": 5000,
        "currency": "eur",
        "confirm": True,
        "payment_method": "pm_card_visa",
        "capture_method": "manual",
        **CARD_ONLY,
    }
    with process(state, "--start", "2026-01-05T09:00:00Z") as (before, running):
        client = before.client()
        customer = client.v1.customers.create({"name": "Ada"}).id
        gone = client.v1.customers.create({"name": "gone"}).id
        client.v1.customers.delete(gone)
        account = client.v1.accounts.create({"country": "DE"}).id
        client.v1.customers.create({"name": "theirs"}, {"stripe_account": account})
        before.advance(hours=1)
        hold = client.v1.payment_intents.create({**payment, "customer": customer}, {"idempotency_key": "k"})
        events = before.events()
        kill(running)

    with process(state) as (after, _):
        client = after.client()
        assert after.control("clock")["now"] == "2026-01-05T10:00:00Z"
        assert client.v1.payment_intents.retrieve(hold.id).to_dict() == hold.to_dict()
        assert (
            client.v1.payment_intents.create({**payment, "customer": customer}, {"idempotency_key": "k"}).id == hold.id
        )
        assert client.v1.customers.retrieve(gone).deleted
        assert client.v1.customers.list({}, {"stripe_account": account}).data[0].name == "theirs"
        assert after.events() == events
        after.advance(days=7)
        assert client.v1.payment_intents.retrieve(hold.id).cancellation_reason == "expired"


def test_a_webhook_not_yet_acknowledged_is_delivered_after_the_restart(tmp_path: Path, receiver: Receiver) -> None:
    """At least once: the receiver was down, the stand-in was killed, and the event still arrives; delivered ones do
    not.
    """
    state = tmp_path / "stripe.state"
    with process(state) as (before, running):
        client = before.client()
        endpoint = client.v1.webhook_endpoints.create({"url": receiver.url, "enabled_events": ["customer.created"]})
        client.v1.customers.create({"name": "arrives at once"})
        assert before.control("webhooks/drain", {})["drained"]
        receiver.answer = lambda number: 503
        client.v1.customers.create({"name": "arrives later"})
        before.control("webhooks/drain", {"timeout_seconds": 0.3})
        kill(running)

    receiver.received.clear()
    receiver.answer = lambda number: 200
    with process(state) as (after, _):
        assert after.control("webhooks/drain", {})["drained"]
    names = {event.data.object.name for event in receiver.events(endpoint.secret)}
    assert names == {"arrives later"}


def test_a_later_start_moves_the_kept_clock(tmp_path: Path, receiver: Receiver) -> None:
    """Restarted eight days later: the hold expired on the way, at its own moment, and the receiver was told."""
    state = tmp_path / "stripe.state"
    with process(state, "--start", "2026-01-05T09:00:00Z") as (before, running):
        client = before.client()
        endpoint = client.v1.webhook_endpoints.create(
            {"url": receiver.url, "enabled_events": ["payment_intent.canceled"]}
        )
        hold = client.v1.payment_intents.create(
            {
                "amount": 5000,
                "currency": "eur",
                "confirm": True,
                "payment_method": "pm_card_visa",
                "capture_method": "manual",
                **CARD_ONLY,
            }
        )
        kill(running)

    with process(state, "--start", "2026-01-13T09:00:00Z") as (after, _):
        assert after.control("clock")["now"] == "2026-01-13T09:00:00Z"
        assert after.control("webhooks/drain", {})["drained"]
        event = receiver.events(endpoint.secret)[0]
        assert (event.data.object.id, event.created) == (hold.id, START + 7 * 86400)


def test_a_write_that_was_cut_short_is_dropped_and_the_rest_kept(tmp_path: Path) -> None:
    """A torn last frame costs that call and nothing else."""
    state = tmp_path / "stripe.state"
    with process(state) as (before, running):
        client = before.client()
        kept = client.v1.customers.create({"name": "kept"}).id
        size = state.stat().st_size
        lost = client.v1.customers.create({"name": "lost"}).id
        kill(running)
    os.truncate(state, (size + state.stat().st_size) // 2)

    with process(state) as (after, _):
        assert after.client().v1.customers.retrieve(kept).name == "kept"
        with pytest.raises(stripe.InvalidRequestError):
            after.client().v1.customers.retrieve(lost)


def test_a_damaged_write_is_dropped_too(tmp_path: Path) -> None:
    """One byte of the last frame is wrong: its call is gone, what came before it is there, and work goes on."""
    state = tmp_path / "stripe.state"
    with process(state) as (before, running):
        client = before.client()
        kept = client.v1.customers.create({"name": "kept"}).id
        client.v1.customers.create({"name": "damaged"})
        kill(running)
    whole = state.read_bytes()
    state.write_bytes(whole[:-5] + bytes([whole[-5] ^ 0xFF]) + whole[-4:])

    with process(state) as (after, running):
        assert [row.id for row in after.client().v1.customers.list().data] == [kept]
        later = after.client().v1.customers.create({"name": "later"}).id
        kill(running)
    with process(state) as (again, _):
        assert [row.id for row in again.client().v1.customers.list().data] == [later, kept]


def test_a_stale_file_is_rewritten_and_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fifty updates of one intent leave one row after the next start; holds, keys and the agenda are still there."""
    monkeypatch.setattr(kept, "COMPACTS_ABOVE_ROWS", 0)
    state = tmp_path / "stripe.state"
    payment: dict[str, Any] = {"amount": 5000, "currency": "eur", "capture_method": "manual", **CARD_ONLY}
    with serve_in_thread(start=START, state=state) as base:
        client = Standin(base, None).client()
        account = client.v1.accounts.create({"country": "DE"}).id
        draft = client.v1.payment_intents.create(payment).id
        for number in range(50):
            client.v1.payment_intents.update(draft, {"metadata": {"n": str(number)}})
        confirmed = {**payment, "payment_method": "pm_card_visa", "confirm": True}
        hold = client.v1.payment_intents.create(confirmed, {"idempotency_key": "k"}).id
        size = state.stat().st_size

    for _ in range(2):
        with serve_in_thread(state=state) as base:
            after = Standin(base, None)
            client = after.client()
            assert client.v1.payment_intents.retrieve(draft).metadata["n"] == "49"
            assert client.v1.payment_intents.create(confirmed, {"idempotency_key": "k"}).id == hold
            assert client.v1.customers.list({}, {"stripe_account": account}).data == []
            assert len(after.events()) == 4
            assert after.control("clock")["next_due"] == "2026-01-12T09:00:00Z"
    assert state.stat().st_size < size


def test_two_stand_ins_do_not_share_a_state(tmp_path: Path) -> None:
    """The second one says that the file is in use."""
    state = tmp_path / "stripe.state"

    with serve_in_thread(start=START, state=state), pytest.raises(OSError, match="in use"):
        create_app(state=state)


def test_the_clock_of_a_state_does_not_run_backwards(tmp_path: Path) -> None:
    """Starting an old state at an earlier time is refused with the reason."""
    state = tmp_path / "stripe.state"
    with process(state, "--start", "2026-01-05T09:00:00Z") as (before, _):
        before.advance(days=30)

    command = [sys.executable, "-m", "devstack.stripe_standin", "--port", "0", "--state", str(state)]
    refused = subprocess.run(
        [*command, "--start", "2026-01-05T09:00:00Z"], cwd=ROOT, capture_output=True, text=True, timeout=20, check=False
    )

    assert refused.returncode == 2
    assert "2026-02-04T09:00:00Z" in refused.stderr


def test_a_reset_empties_the_state_too(tmp_path: Path) -> None:
    """After reset and restart nothing of before is there, and what came after the reset is."""
    state = tmp_path / "stripe.state"
    with process(state, "--start", "2026-01-05T09:00:00Z") as (before, running):
        old = before.client().v1.customers.create({"name": "old"}).id
        before.control("reset", {"start": "2026-01-05T09:00:00Z"})
        new = before.client().v1.customers.create({"name": "new"}).id
        kill(running)

    with process(state) as (after, _):
        assert [row.id for row in after.client().v1.customers.list().data] == [new]
        assert new != old
        assert after.control("health")["now"] == "2026-01-05T09:00:00Z"
