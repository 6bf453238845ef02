"""Shops and customers on a running stack, with their cards, the answers they got, and a small model of each tab.

Every request is repeated under its key until it is answered, as an app on a phone would; what was answered with 2xx is
kept, because it must stay true. The model knows what was agreed to, never how the product works.
"""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from devstack import invariants
from devstack.acknowledged import Acknowledged
from devstack.api import Api
from devstack.http import JsonClient, Reply
from devstack.phone import Phone
from devstack.stack import SECRET_KEY, Stack
from devstack.stories.business import CARD_TERMS_SHA256

ASK_AGAIN = frozenset({"request_in_progress", "contention", "unavailable"})
"""The codes after which the same request may be sent again under the same key."""
PATIENCE = 6
"""How often a request is repeated while it gets one of these codes."""
MAY_CHANGE_NOTHING = ("/void", "/charges", "/accept_promise")
"""A line that is off already, a payment that waits already, a promise that is accepted already."""
KEY_LIFETIME = timedelta(hours=23)
"""An idempotency record lives for 24 h of business time; we stop an hour earlier."""

Json = dict[str, Any]


class Broken(AssertionError):
    """An invariant was violated; the text says which."""


@dataclass(frozen=True, slots=True)
class Said:
    """A request that got a 2xx, and the answer that must be repeated."""

    caller: str
    path: str
    body: Json
    key: str
    at: datetime
    tab_id: str
    attempt_id: str | None


@dataclass(slots=True)
class TabModel:
    """The model of a tab. `may_take`: somebody has consented to money being taken for it.

    `payer`: of a share, whoever has its link; `shares`: all that were ever made of this tab.
    """

    shop: int
    customer: int
    tab_id: str
    cap_minor: int
    consents: frozenset[str] = frozenset()
    may_take: bool = False
    items: dict[str, int] = field(default_factory=dict)
    bill_changed: bool = False
    touched: bool = False
    payer: str = ""
    shares: list[TabModel] = field(default_factory=list)


CREDITS = {
    "rate_basis_points": 1000,
    "pending_s": 2 * 3600,
    "expires_s": 20 * 24 * 3600,
    "referral_minor": 300,
    "referral_least_minor": 1000,
}
"""Of one of the two shops: soon to be spent, so that walks come to it, and lost within most of them."""


@dataclass(slots=True)
class Person:
    customer_id: str
    token: str


@dataclass(slots=True)
class Shop:
    merchant_id: str
    currency: str
    staff: str
    owner: str
    people: list[Person]


class Town:
    """Two shops with two customers each, on a stack that other towns have used before and will use after."""

    def __init__(self, stack: Stack, counts: Counter[str], journal: list[str]) -> None:
        self.stack = stack
        self.counts = counts
        self.journal = journal
        self.phone = Phone(stack.standin)
        self.said: list[Said] = []
        self.tabs: list[TabModel] = []
        self.tokens: dict[str, str] = {}
        self._keys = itertools.count()
        self.told = Acknowledged()
        self._versions: Counter[str] = Counter()
        self._name = f"{id(self):x}-{stack.now():%m%d%H%M%S}-{counts['examples']}"
        self.tokens["operator"] = stack.issuer.token("operator")
        self.shops = [
            self._shop("EUR", review_window_s=24 * 3600, credits=CREDITS),
            self._shop("JPY", review_window_s=3600),
        ]

    def _shop(self, currency: str, **policy: object) -> Shop:
        body = {"name": "Shop", "currency": currency, "settlement_currency": currency, "policy": policy}
        merchant_id = self.send("operator", "/merchants", body).body["merchant_id"]
        token = self.stack.issuer.token
        shop = Shop(merchant_id, currency, f"staff {merchant_id}", f"owner {merchant_id}", [])
        self.tokens[shop.staff] = token("staff", merchant_id=merchant_id)
        self.tokens[shop.owner] = token("owner", merchant_id=merchant_id)
        for name in ("Ada", "Ben"):
            customer_id = self.send(shop.staff, "/customers", {"reference": name}).body["customer_id"]
            person = Person(customer_id, f"customer {customer_id}")
            self.tokens[person.token] = token("customer", merchant_id=merchant_id, customer_id=customer_id)
            shop.people.append(person)
        return shop

    # Requests

    def send(self, caller: str, path: str, body: Json, *, key: str | None = None) -> Reply:
        """POST, again under its key until there is an answer. Raises Broken if the answer is a fault of ours."""
        key = key or f"{self._name}-{next(self._keys)}"
        if path.endswith(MAY_CHANGE_NOTHING):
            self._look(path)
        for _ in range(PATIENCE):
            reply = self._post(caller, path, body, key)
            if reply.status < 400 or reply.body.get("code") not in ASK_AGAIN:
                break
        self.journal.append(f"{caller.split()[0]} POST {path} {body} -> {reply.status} {_gist(reply)}")
        if 200 <= reply.status < 300 and "tab_id" in reply.body:
            self._remember(caller, path, body, key, reply)
        return reply

    def _post(self, caller: str, path: str, body: Json, key: str) -> Reply:
        reply = self._request("POST", caller, path, body, {"Idempotency-Key": key})
        self.counts["requests"] += 1
        self.counts[f"answers {reply.status}"] += 1
        if reply.status >= 500 and reply.status != 503:
            raise Broken(f"POST {path} {body} answered {reply.status}: {reply.body}")
        if reply.status == 503 and reply.body.get("code") != "unavailable":
            raise Broken(f"POST {path} answered 503: {reply.body}")
        return reply

    def _request(self, method: str, caller: str, path: str, body: Json | None, headers: dict[str, str]) -> Reply:
        client: JsonClient = self.stack.app
        return client.request(method, f"/v1{path}", body, {"Authorization": f"Bearer {self.tokens[caller]}", **headers})

    def get(self, caller: str, path: str) -> Reply:
        self.counts["requests"] += 1
        return self._request("GET", caller, path, None, {})

    def _remember(self, caller: str, path: str, body: Json, key: str, reply: Reply) -> None:
        answer = reply.body
        payment = answer.get("payment") or {}
        if not self._is_news(answer):
            # What changes nothing keeps no key (money rule 8): see MAY_CHANGE_NOTHING.
            return
        self.told.note(answer, key=f"{caller} {key}")
        said = Said(caller, path, body, key, self.stack.now(), answer["tab_id"], payment.get("attempt_id"))
        self.said.append(said)

    def _look(self, path: str) -> None:
        """Read the tab's version before a request that may change nothing, after all webhooks."""
        self.stack.drain()
        model = next(model for model in self.tabs if model.tab_id in path)
        self.tab(model)

    def _is_news(self, tab: Json) -> bool:
        """Whether the tab has a version that no answer has shown."""
        is_news: bool = tab["version"] > self._versions[tab["tab_id"]]
        self._versions[tab["tab_id"]] = max(tab["version"], self._versions[tab["tab_id"]])
        return is_news

    def repeat(self, said: Said) -> None:
        """The same request again gets the same answer: the same tab, the same attempt, nothing done twice."""
        if self.stack.now() - said.at > KEY_LIFETIME:
            return
        reply = self.send_once(said, said.body)
        if reply.status == 409 and reply.body["code"] == "request_in_progress":
            return
        if not 200 <= reply.status < 300:
            raise Broken(f"{said.path} was answered, its repetition gets {reply.status}: {reply.body}")
        if reply.body["tab_id"] != said.tab_id:
            raise Broken(f"{said.path} repeated is about {reply.body['tab_id']}, not {said.tab_id}")
        if reply.headers.get("idempotent-replayed") != "true":
            raise Broken(f"{said.path} was carried out a second time under its key")
        self.told.note(reply.body, key=f"{said.caller} {said.key}")
        attempt_id = (reply.body.get("payment") or {}).get("attempt_id")
        if said.attempt_id is not None and attempt_id != said.attempt_id:
            raise Broken(f"{said.path} began {said.attempt_id}, its repetition tells of {attempt_id}")

    def misuse(self, said: Said) -> None:
        """Another body under the same key is refused, even if it is valid."""
        if "reason" not in said.body or self.stack.now() - said.at > KEY_LIFETIME:
            return
        reply = self.send_once(said, {**said.body, "reason": "Something else"})
        if reply.status != 422:
            raise Broken(f"another body under the key of {said.path} is answered {reply.status}: {reply.body}")

    def send_once(self, said: Said, body: Json) -> Reply:
        for _ in range(PATIENCE):
            reply = self._post(said.caller, said.path, body, said.key)
            if reply.status != 503:
                break
        return reply

    # Reading

    def tab(self, model: TabModel) -> Json:
        """Read the tab as staff, and check it against the model."""
        reply = self.get(self.shops[model.shop].staff, f"/tabs/{model.tab_id}")
        if reply.status != 200:
            raise Broken(f"{model.tab_id} was acknowledged and can't be read: {reply.status} {reply.body}")
        self._is_news(reply.body)
        self.compare(model, reply.body)
        answer: Json = reply.body
        return answer

    def compare(self, model: TabModel, tab: Json) -> None:
        wrong = []
        if tab["total_minor"] > model.cap_minor:
            wrong.append(f"the bill is {tab['total_minor']}, agreed were {model.cap_minor}")
        if not model.bill_changed:
            shown = {item["item_id"]: item["amount_minor"] for item in tab["items"]}
            if shown != model.items:
                wrong.append(f"the lines are {shown}, acknowledged were {model.items}")
        # Credit only the customer spends, and it is nobody's money.
        taken = [leg for leg in tab["legs"] if leg["kind"] not in ("cash", "credit")]
        if taken and not model.may_take:
            wrong.append(f"{taken} was taken, and nobody had agreed to it")
        wrong += [*invariants.check_tab(tab), *self.told.check_keys()]
        if self.told.check(tab):
            # The history may say why: a refund that was told has failed since.
            wrong += self.told.check(tab, self.history(model))
        if wrong:
            raise Broken(f"{model.tab_id}: {'; '.join(wrong)}")

    def split(self, model: TabModel, answer: Json) -> None:
        """Each share is a tab as any, of whoever has the link from the answer."""
        for share in answer["shares"]:
            payer = f"payer {share['tab_id']}"
            self.tokens[payer] = share["secret"]
            made = TabModel(model.shop, model.customer, share["tab_id"], share["amount_minor"], payer=payer)
            made.bill_changed = True
            model.shares.append(made)
        self.tabs += model.shares[-len(answer["shares"]) :]

    # In the dashboard

    def at_stripe(self, path: str, fields: dict[str, str]) -> Reply:
        """Do something in the dashboard, with the secret key."""
        headers = {"Authorization": f"Bearer {SECRET_KEY}"}
        self.counts["past us"] += 1
        return self.stack.standin.send(
            "POST",
            path,
            urlencode(fields).encode(),
            {**headers, "Content-Type": "application/x-www-form-urlencoded"},
        )

    def control(self, path: str, body: Json) -> Reply:
        return self.stack.standin.request("POST", f"/_control{path}", body)

    def payments(self, model: TabModel) -> list[Json]:
        """The tab's payments at Stripe, as wire objects."""
        return [
            intent
            for intent in self.stack.standin.get(
                "/v1/payment_intents", headers={"Authorization": f"Bearer {SECRET_KEY}"}, limit=100
            )["data"]
            if intent["metadata"].get("tab") == model.tab_id
        ]

    def recent_events(self) -> list[str]:
        headers = {"Authorization": f"Bearer {SECRET_KEY}"}
        return [event["id"] for event in self.stack.standin.get("/v1/events", headers=headers, limit=8)["data"]]

    def settle_disputes_and_refunds(self) -> None:
        """Let banks decide all open disputes, and all pending refunds succeed."""
        headers = {"Authorization": f"Bearer {SECRET_KEY}"}
        for number, dispute in enumerate(self.stack.standin.get("/v1/disputes", headers=headers, limit=50)["data"]):
            if dispute["status"] not in ("won", "lost", "warning_closed", "prevented"):
                outcome = ("won", "lost", "prevented")[number % 3]
                self.control("/disputes/decide", {"dispute": dispute["id"], "outcome": outcome})
        for refund in self.stack.standin.get("/v1/refunds", headers=headers, limit=50)["data"]:
            if refund["status"] == "pending":
                self.control("/refunds/settle", {"refund": refund["id"]})

    def history(self, model: TabModel) -> list[Json]:
        return Api(self.stack.app, self.tokens[self.shops[model.shop].staff]).history(model.tab_id)

    def audit(self, model: TabModel, tab: Json, objects: invariants.Objects) -> None:
        """Check a tab with nothing left to do: its history, the answers about it, and Stripe's objects."""
        history = self.history(model)
        wrong = [*invariants.check_everything(tab, history, objects), *self.told.check(tab, history)]
        wrong += invariants.check_told(history)
        if wrong:
            raise Broken(f"{model.tab_id}: {'; '.join(wrong)}")

    def credit(self, person: Person) -> Json:
        """The customer's statement, with all its movements."""
        statement: Json = {}
        cursor = ""
        while cursor is not None:
            more = f"?limit=100&cursor={cursor}" if cursor else "?limit=100"
            page = self.get(person.token, f"/customers/{person.customer_id}/credits{more}").body
            statement = page | {"movements": [*statement.get("movements", []), *page["movements"]]}
            cursor = page["next_cursor"]
        return statement

    def audit_credits(self) -> None:
        """Every statement against every history: nothing was spent twice, or too early, or came from nowhere."""
        for number, shop in enumerate(self.shops):
            histories = {model.tab_id: self.history(model) for model in self.tabs if model.shop == number}
            statements = [self.credit(person) for person in shop.people]
            self.counts["credit movements"] += sum(len(statement["movements"]) for statement in statements)
            if wrong := invariants.check_credits(statements, histories):
                raise Broken("; ".join(wrong))

    def save_card(self, shop: Shop, person: Person, card: str, tab_id: str | None = None) -> None:
        body = {"card_terms_sha256": CARD_TERMS_SHA256} | ({"tab_id": tab_id} if tab_id else {})
        reply = self.send(person.token, f"/customers/{person.customer_id}/setup_intent", body)
        if reply.status < 300:
            self.phone.save_card(reply.body, card)


def _gist(reply: Reply) -> str:
    body = reply.body if isinstance(reply.body, dict) else {}
    if reply.status >= 400:
        return str(body.get("code"))
    payment = body.get("payment") or {}
    return f"{body.get('status')}/{body.get('payment_state')} v{body.get('version')} {payment.get('state', '')}"
