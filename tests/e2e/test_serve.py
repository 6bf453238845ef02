"""What `make serve` starts works by itself: what is committed is told, though nobody pumps and nobody sweeps."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from devstack.stack import Stack
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
