"""A business on a running stack: its staff, its owner, customers with phones, and time that can be moved."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from devstack import invariants
from devstack.acknowledged import Acknowledged
from devstack.api import Api
from devstack.books import Money, differences, money_of_app, money_of_standin
from devstack.phone import Phone
from devstack.stack import Stack

CARD_TERMS = "We keep your card to hold your deposit and to charge what you accept. Remove it whenever you like."
CARD_TERMS_SHA256 = hashlib.sha256(CARD_TERMS.encode()).hexdigest()
ALL_CONSENTS = ["cap", "deposit_and_fees", "automatic_charge", "capture_before_expiry", "card_on_file"]

Say = Callable[[str], None]


LOOK_AGAIN_S = 0.2


class StoryFailed(Exception):
    """A result differs from what the story says."""


@dataclass(slots=True)
class Customer:
    """A customer of the business, with a token and a phone."""

    name: str
    customer_id: str
    api: Api
    phone: Phone

    def accept_promise(self, tab: dict[str, Any], consents: list[str] | None = None) -> dict[str, Any]:
        body: dict[str, Any] = {
            "promise_sha256": (tab["proposed_promise"] or tab["promise"])["promise_sha256"],
            "consents": consents if consents is not None else ALL_CONSENTS,
        }
        if "card_on_file" in body["consents"]:
            body["card_terms_sha256"] = CARD_TERMS_SHA256
        answer: dict[str, Any] = self.api.post(f"/tabs/{tab['tab_id']}/accept_promise", body)
        return answer

    def save_card(self, tab: dict[str, Any], card: str = "pm_card_visa") -> None:
        setup = self.api.post(
            f"/customers/{self.customer_id}/setup_intent",
            {"card_terms_sha256": CARD_TERMS_SHA256, "tab_id": tab["tab_id"]},
        )
        self.phone.save_card(setup, card)


class Business:
    """One business on a running stack. `say` is called with each line that the reader of the story sees."""

    def __init__(self, stack: Stack, say: Say, *, name: str, currency: str = "EUR", **policy: object) -> None:
        self.stack = stack
        self.say = say
        self.currency = currency
        operator = Api(stack.app, stack.issuer.token("operator"))
        merchant = operator.post(
            "/merchants", {"name": name, "currency": currency, "settlement_currency": currency, "policy": policy}
        )
        self.name = name
        self._told: set[str] = set()
        self.merchant_id: str = merchant["merchant_id"]
        self.told = Acknowledged()
        self.staff = self._api("staff")
        self.owner = self._api("owner")
        if paced := stack.paced(merchant["policy"]):
            self.owner.put("/merchant/policy", paced)

    def customer(self, name: str) -> Customer:
        made = self.staff.post("/customers", {"reference": name})
        api = self._api("customer", customer_id=made["customer_id"])
        return Customer(name, made["customer_id"], api, Phone(self.stack.standin))

    def _api(self, role: str, customer_id: str | None = None) -> Api:
        token = self.stack.issuer.token(role, merchant_id=self.merchant_id, customer_id=customer_id)
        return Api(self.stack.app, token, told=self.told)

    def tab(self, tab: dict[str, Any]) -> dict[str, Any]:
        """The tab as staff see it, after every webhook has arrived and everything was told."""
        self.stack.drain()
        self.stack.pump()
        found: dict[str, Any] = self.staff.get(f"/tabs/{tab['tab_id']}")
        return found

    def travel(self, tab: dict[str, Any], to: datetime) -> dict[str, Any]:
        """Move time to `to`, and sweep whenever the tab's agenda has a step, as the schedule would."""
        while True:
            tab = self.tab(tab)
            action = tab["next_action"]
            at = datetime.fromisoformat(action["at"]) if action else None
            if at is None or at > to:
                break
            self.stack.move_clock(max(at, self.stack.now()))
            self.stack.sweep()
        self.stack.move_clock(max(to, self.stack.now()))
        self.stack.sweep()
        return self.tab(tab)

    def expect(
        self,
        tab: dict[str, Any],
        *,
        status: str,
        payment_state: str,
        money: Money,
        ledger: dict[str, int],
    ) -> None:
        """Compare the story's figures with the app's books and with the stand-in's, and check the invariants.

        Raises StoryFailed.
        """
        tab = self.tab(tab)
        books = self.stack.standin.get("/_control/books")
        wrong = [
            *differences("the app", money, money_of_app(tab)),
            *differences("Stripe", money, money_of_standin(books, tab["tab_id"], self.currency)),
        ]
        if (tab["status"], tab["payment_state"]) != (status, payment_state):
            wrong.append(f"the tab is {tab['status']}/{tab['payment_state']}, not {status}/{payment_state}")
        kept = {account: minor for account, minor in tab["ledger"].items() if minor}
        if kept != ledger:
            wrong.append(f"the ledger is {kept}, not {ledger}")
        wrong += self._broken_promises(tab)
        if wrong:
            raise StoryFailed("; ".join(wrong))
        self._sum_up(tab, money, kept)

    def _broken_promises(self, tab: dict[str, Any]) -> list[str]:
        history = self.staff.history(tab["tab_id"])
        objects = invariants.by_tab(
            *(self.stack.at_stripe(kind) for kind in ("payment_intents", "refunds", "disputes"))
        )
        return [
            *invariants.check_tab(tab, history),
            *invariants.check_books(tab, history, objects.get(tab["tab_id"], invariants.Objects())),
            *(invariants.check_dry(tab, history) if tab["next_action"] is None else ()),
            *self.told.check(tab, history),
            *self.told.check_keys(),
        ]

    def messages(self, tab: dict[str, Any]) -> list[str]:
        """The kinds of the messages about the tab that were decided on since the last call; `say` hears of each."""
        self.stack.drain()
        self.stack.pump()
        history = self.staff.history(tab["tab_id"])
        new = [one for entry in history for one in entry["told"] if one["message_id"] not in self._told]
        for message in new:
            self.say(f"  to the {message['to']}: {message['kind']} ({what_became_of(message)})")
        self._told |= {message["message_id"] for message in new}
        return list({message["message_id"]: message["kind"] for message in new}.values())

    def expect_messages(self, tab: dict[str, Any], *kinds: str) -> None:
        """Raises StoryFailed if other messages were decided on. A receipt goes out minutes after the payment.

        The order is free: webhook and answer may overtake each other.
        """
        if "receipt" in kinds and not self.stack.await_receipts():
            kinds = tuple(kind for kind in kinds if kind != "receipt")
        found = self.messages(tab)
        deadline = time.monotonic() + self.stack.telling_s
        while sorted(found) != sorted(kinds) and time.monotonic() < deadline:
            time.sleep(LOOK_AGAIN_S)
            found += self.messages(tab)
        if sorted(found) != sorted(kinds):
            raise StoryFailed(f"the messages are {found}, not {list(kinds)}")

    def _sum_up(self, tab: dict[str, Any], money: Money, ledger: dict[str, int]) -> None:
        def shown(minor: int) -> str:
            return f"{minor / 100:.2f}"

        moved = " · ".join(f"{what} {shown(minor)}" for what, minor in asdict(money).items() if minor)
        promised = f"promised at most {shown(tab['promise']['cap_minor'])}"
        self.say(f"  {tab['status']}, {tab['payment_state']}: {promised} · {moved or 'nothing moved'}")
        accounts = " · ".join(f"{account} {shown(minor)}" for account, minor in ledger.items())
        self.say(f"  ledger: {accounts or 'empty'}")


def what_became_of(message: dict[str, Any]) -> str:
    """In words: "handed over by email", or "not sent: no address"."""
    state = "not sent" if message["state"] == "suppressed" else message["state"].replace("_", " ")
    return (
        f"{state} by {message['channel']}" if message["channel"] else f"{state}: {message['reason'].replace('_', ' ')}"
    )


def iso(instant: datetime) -> str:
    return instant.isoformat().replace("+00:00", "Z")


def hours(number: float) -> timedelta:
    return timedelta(hours=number)


def wait_for_morning(stack: Stack) -> None:
    """Whenever the story before has ended: what may ring a customer waits until the quiet hours are over."""
    morning = stack.now().replace(hour=9, minute=0, second=0, microsecond=0)
    stack.move_clock(morning if morning > stack.now() else morning + timedelta(days=1))
