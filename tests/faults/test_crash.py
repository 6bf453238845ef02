"""A real process dies at a named boundary, and the next scheduled run repairs what it left (money rule 2).

Each case runs once with webhooks and once without any: the agenda alone must be enough.
"""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest

from devstack.books import Money
from devstack.crash import EXIT_CODE, VARIABLE
from devstack.stack import Stack
from devstack.stories.business import Business, Customer, hours, iso

pytestmark = pytest.mark.faults

MOMENTS = ("before_write", "before_call", "after_call", "after_outcome")
LATER = timedelta(minutes=6)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(logs=tmp_path_factory.mktemp("logs"), workers=1) as running:
        yield running


@pytest.fixture(params=["webhooks arrive", "webhooks are lost"])
def webhooks_arrive(request: pytest.FixtureRequest) -> bool:
    return bool(request.param == "webhooks arrive")


@dataclass
class Appointment:
    """A booking with a saved card and a deposit of 20.00, its hold not placed yet."""

    salon: Business
    customer: Customer
    tab: dict[str, Any]
    starts_at: datetime


def book(stack: Stack) -> Appointment:
    salon = Business(stack, lambda text: None, name="Salon Iris")
    ben = salon.customer("Ben")
    starts_at = stack.now() + timedelta(days=5)
    tab = salon.staff.post(
        "/tabs",
        {
            "customer_id": ben.customer_id,
            "title": "Colour and cut",
            "expected_outcome": "The colour we agreed on",
            "estimate_minor": 7500,
            "deposit_minor": 2000,
            "no_show_fee_minor": 2000,
            "starts_at": iso(starts_at),
        },
    )
    ben.accept_promise(tab)
    ben.save_card(tab)
    return Appointment(salon, ben, salon.tab(tab), starts_at)


def present_bill(appointment: Appointment) -> None:
    salon, tab = appointment.salon, appointment.tab
    salon.travel(tab, appointment.starts_at)
    salon.staff.post(f"/tabs/{tab['tab_id']}/check_in")
    salon.staff.post(f"/tabs/{tab['tab_id']}/items", {"items": [{"description": "Cut", "unit_price_minor": 7500}]})
    salon.staff.post(f"/tabs/{tab['tab_id']}/complete")


def restart_to_die(stack: Stack, boundary: str, *, webhooks_arrive: bool) -> int:
    """The pid of the app's only process, which will die at the boundary."""
    stack.drain()
    if not webhooks_arrive:
        stack.standin.post("/_control/faults", {"kind": "webhook_lose"})
    return stack.restart_worker(**{VARIABLE: boundary})


def restart_to_heal(stack: Stack, dying: int) -> None:
    """The process has died at its boundary; a healthy one starts, and two sweeps pass."""
    assert stack.workers.wait(dying) == EXIT_CODE
    stack.restart_worker()
    for _ in range(2):
        stack.move_clock(stack.now() + LATER)
        stack.sweep()
    stack.standin.checked("DELETE", "/_control/faults", None)


@pytest.mark.parametrize("operation", ["capture", "charge"])
@pytest.mark.parametrize("moment", MOMENTS)
def test_accepting_a_bill_survives_death(stack: Stack, operation: str, moment: str, webhooks_arrive: bool) -> None:
    """Deposit and balance are each taken once, wherever between accepting and answering the process dies."""
    appointment = book(stack)
    present_bill(appointment)
    path = f"/tabs/{appointment.tab['tab_id']}/accept_bill"
    dying = restart_to_die(stack, f"{operation}:{moment}", webhooks_arrive=webhooks_arrive)

    try:
        appointment.customer.api.post(path, key="the-one-request")
    except (http.client.RemoteDisconnected, ConnectionError):
        pass
    else:
        # The capture's webhook may come first and go on with the charge: then its delivery is what dies.
        assert webhooks_arrive, "the request was answered although nobody else could have died for it"
    restart_to_heal(stack, dying)
    answer = appointment.customer.api.post(path, key="the-one-request")

    assert answer["tab_id"] == appointment.tab["tab_id"]
    appointment.salon.expect(
        appointment.tab,
        status="closed",
        payment_state="paid",
        money=Money(held=2000, captured=2000, charged=5500),
        ledger={"service_revenue": -7500, "stripe_balance": 7500},
    )


@pytest.mark.parametrize("moment", MOMENTS)
def test_placing_a_hold_survives_death(stack: Stack, moment: str, webhooks_arrive: bool) -> None:
    """Exactly one hold stands before the service, wherever in its placement the scheduled run dies."""
    appointment = book(stack)
    stack.move_clock(appointment.starts_at - hours(47))
    dying = restart_to_die(stack, f"place_hold:{moment}", webhooks_arrive=webhooks_arrive)

    with pytest.raises((http.client.RemoteDisconnected, ConnectionError)):
        stack.control.post("/sweep")
    restart_to_heal(stack, dying)

    appointment.salon.expect(appointment.tab, status="booked", payment_state="none", money=Money(held=2000), ledger={})
    assert appointment.salon.tab(appointment.tab)["deposit"]["state"] == "held"
