"""Walk-ins as locust plays them: each user is a customer with a till beside her, and one tab after the other.

What is timed are the requests to the app; the phone's confirmation goes to Stripe's stand-in and is not. Whoever starts
it names a file with the tokens in AFTERTAB_LOAD.
"""

from __future__ import annotations

import itertools
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import requests
from locust import FastHttpUser, constant, task

GIVEN = json.loads(Path(os.environ["AFTERTAB_LOAD"]).read_text())
CUSTOMERS = itertools.cycle(GIVEN["customers"])
NUMBERS = itertools.count()
LINES = [
    {"description": description, "unit_price_minor": price, "tax_basis_points": 1900}
    for description, price in (("Cut", 4500), ("Colour", 3500), ("Care", 1500))
]


class Failed(Exception):
    """An answer that is not as it should be; locust has counted it."""


class WalkIn(FastHttpUser):
    wait_time = constant(0)
    connection_timeout = network_timeout = 60.0

    def on_start(self) -> None:
        self.customer = next(CUSTOMERS)
        self.stripe = requests.Session()

    @task
    def one_tab(self) -> None:
        with suppress(Failed):
            self._one_tab()

    def _one_tab(self) -> None:
        staff, ana = GIVEN["staff"], self.customer["token"]
        tab = self._call(
            "open a tab",
            "POST",
            "/v1/tabs",
            staff,
            {
                "customer_id": self.customer["customer_id"],
                "title": "Cut and colour",
                "expected_outcome": "Hair cut and coloured.",
                "estimate_minor": 9500,
            },
        )
        path = f"/v1/tabs/{tab['tab_id']}"
        promise = {"promise_sha256": tab["promise"]["promise_sha256"], "consents": ["cap"]}
        self._call("accept the promise", "POST", f"{path}/accept_promise", ana, promise)
        self._call("add three items", "POST", f"{path}/items", staff, {"items": LINES})
        self._call("read a tab", "GET", path, ana)
        self._call("complete", "POST", f"{path}/complete", staff, {})
        asked = self._call("ask for the payment", "POST", f"{path}/charges", ana, {"mode": "on_session"})["payment"]
        confirmed = self.stripe.post(
            f"{GIVEN['stripe']}/v1/payment_intents/{asked['payment_id']}/confirm",
            data={"client_secret": asked["client_secret"], "payment_method": "pm_card_visa"},
            headers={"Authorization": f"Bearer {asked['publishable_key']}"},
            timeout=60,
        )
        confirmed.raise_for_status()
        self._call("read a tab", "GET", path, ana)

    def _call(self, name: str, method: str, path: str, token: str, body: Any = None) -> Any:
        headers = {"Authorization": f"Bearer {token}"}
        if method == "POST":
            headers["Idempotency-Key"] = f"load-{os.getpid()}-{next(NUMBERS)}"
        path = GIVEN["prefix"] + path
        with self.client.request(method, path, name=name, headers=headers, json=body, catch_response=True) as answer:
            if answer.status_code not in (200, 201):
                answer.failure(f"{answer.status_code} {answer.text}")
                raise Failed
            return answer.json()
