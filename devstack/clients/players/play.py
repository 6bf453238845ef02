"""Plays a walk-in and an appointment through the client that openapi-python-client has made, as an app would.

Run by `make clients`, in .venv-clients, which sets API_URL, STRIPE_URL, STAFF_TOKEN, CUSTOMER_TOKEN, CUSTOMER_ID and
STARTS_AT.
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus

import httpx
from aftertab_client import AuthenticatedClient
from aftertab_client.api.tabs import (
    accept_bill,
    accept_promise,
    add_items,
    charge,
    check_in,
    complete,
    get_tab,
    open_tab,
)
from aftertab_client.models import (
    AcceptBill,
    AcceptPromise,
    Consent,
    DepositState,
    NewCharge,
    NewChargeMode,
    NewItem,
    NewItems,
    NewTab,
    Nothing,
    PaymentState,
    PaymentView,
    Problem,
    ProblemCode,
    Status,
    TabView,
)

STRIPE = os.environ["STRIPE_URL"]
CUSTOMER_ID = os.environ["CUSTOMER_ID"]
CARD_TERMS = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
WAIT_S = 30.0


def client(role: str) -> AuthenticatedClient:
    return AuthenticatedClient(base_url=os.environ["API_URL"], token=os.environ[f"{role}_TOKEN"])


STAFF, CUSTOMER = client("STAFF"), client("CUSTOMER")


def tab_of(answer: Problem | TabView | None) -> TabView:
    assert isinstance(answer, TabView), answer
    return answer


def key() -> str:
    return uuid.uuid4().hex


def confirm(payment: PaymentView) -> None:
    """What Stripe's SDK does on the customer's phone."""
    answer = httpx.post(
        f"{STRIPE}/v1/payment_intents/{payment.payment_id}/confirm",
        data={"client_secret": str(payment.client_secret), "payment_method": "pm_card_visa"},
        headers={"Authorization": f"Bearer {payment.publishable_key}"},
    )
    assert answer.status_code == HTTPStatus.OK, answer.text


def wait(tab: TabView, ready: Callable[[TabView], bool]) -> TabView:
    """Get the tab until it is so; what is as we have it comes without a body."""
    deadline, tag = time.monotonic() + WAIT_S, ""
    while not ready(tab):
        assert time.monotonic() < deadline, tab
        answer = get_tab.sync_detailed(tab.tab_id, client=STAFF, if_none_match=tag)
        if answer.status_code == HTTPStatus.NOT_MODIFIED:
            time.sleep(0.1)
            continue
        assert isinstance(answer.parsed, TabView), answer.parsed
        tab, tag = answer.parsed, answer.headers["etag"]
    return tab


def walk_in() -> None:
    new = NewTab(
        customer_id=CUSTOMER_ID, title="Table 4", expected_outcome="Breakfast", estimate_minor=600, cap_minor=900
    )
    tab = tab_of(open_tab.sync(client=STAFF, body=new, idempotency_key=key()))
    promise = AcceptPromise(promise_sha256=tab.promise.promise_sha256, consents=[Consent.CAP])
    tab_of(accept_promise.sync(tab.tab_id, client=CUSTOMER, body=promise, idempotency_key=key()))
    items = NewItems(items=[NewItem(description="Flat white", unit_price_minor=650, tax_basis_points=700)])
    tab_of(add_items.sync(tab.tab_id, client=STAFF, body=items, idempotency_key=key()))
    tab_of(complete.sync(tab.tab_id, client=STAFF, body=Nothing(), idempotency_key=key()))
    pay = NewCharge(mode=NewChargeMode.ON_SESSION, tip_minor=50)
    tab = tab_of(charge.sync(tab.tab_id, client=CUSTOMER, body=pay, idempotency_key=key()))
    assert tab.payment is not None
    confirm(tab.payment)
    tab = wait(tab, lambda tab: tab.status == Status.CLOSED)
    assert (tab.payment_state, tab.paid_minor) == (PaymentState.PAID, 700)
    assert isinstance(tab.closed_at, datetime)

    again = charge.sync(tab.tab_id, client=CUSTOMER, body=pay, idempotency_key=key())
    assert isinstance(again, Problem)
    assert again.code == ProblemCode.TRANSITION_REFUSED, again


def appointment() -> None:
    new = NewTab(
        customer_id=CUSTOMER_ID,
        title="Colour and cut",
        expected_outcome="The colour we agreed on",
        estimate_minor=7500,
        cap_minor=9500,
        deposit_minor=2000,
        no_show_fee_minor=2000,
        starts_at=datetime.fromisoformat(os.environ["STARTS_AT"]),
    )
    tab = tab_of(open_tab.sync(client=STAFF, body=new, idempotency_key=key()))
    promise = AcceptPromise(
        promise_sha256=tab.promise.promise_sha256, consents=list(Consent), card_terms_sha256=CARD_TERMS
    )
    tab = tab_of(accept_promise.sync(tab.tab_id, client=CUSTOMER, body=promise, idempotency_key=key()))
    assert tab.payment is not None
    confirm(tab.payment)
    tab = wait(tab, lambda tab: tab.deposit.state == DepositState.HELD)
    httpx.post(f"{STRIPE}/_control/clock", json={"advance_seconds": 7200}).raise_for_status()
    tab_of(check_in.sync(tab.tab_id, client=STAFF, body=Nothing(), idempotency_key=key()))
    items = NewItems(items=[NewItem(description="Colour and cut", unit_price_minor=7500)])
    tab_of(add_items.sync(tab.tab_id, client=STAFF, body=items, idempotency_key=key()))
    tab_of(complete.sync(tab.tab_id, client=STAFF, body=Nothing(), idempotency_key=key()))
    tab = tab_of(accept_bill.sync(tab.tab_id, client=CUSTOMER, body=AcceptBill(), idempotency_key=key()))
    tab = wait(tab, lambda tab: tab.status == Status.CLOSED)
    assert [leg.amount_minor for leg in tab.legs] == [2000, 5500]


walk_in()
appointment()
