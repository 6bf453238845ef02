"""The stories that callers play while processes are killed; each says which money must have moved in the end."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from devstack.books import Money
from devstack.http import HttpError
from devstack.kill_test.caller import Caller, Diary, NotAnswered
from devstack.phone import CardDeclined, Phone
from devstack.stack import Stack
from devstack.stories.business import ALL_CONSENTS, CARD_TERMS_SHA256, iso

PATIENCE_S = 180.0
LOOK_AGAIN_S = 0.1
DEPOSIT = 2000
SHARES_WAIT_S = 48 * 3600
"""Longer than callers play, so that no share goes back under those who pay."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a tab must end: card payments in both books, cash in ours, and the bill with its tip.

    `shares`: the ids of those that its bill was split into; each has an ending of its own.
    """

    tab_id: str
    customer_id: str
    staff: Caller
    story: str
    money: Money
    cash_minor: int = 0
    billed_minor: int = 0
    shares: tuple[str, ...] = ()


class Visit:
    """One customer's visit: a tab, opened by the staff, and what staff and customer do with it."""

    def __init__(self, stack: Stack, diary: Diary, merchant_id: str, rng: random.Random) -> None:
        self.rng = rng
        self.stack = stack
        self.diary = diary
        self.staff = Caller(stack.app_url, stack.issuer.token("staff", merchant_id=merchant_id), diary)
        reference = f"Guest {rng.getrandbits(64):x}"
        self.customer_id: str = self.staff.post("/customers", {"reference": reference})["customer_id"]
        token = stack.issuer.token("customer", merchant_id=merchant_id, customer_id=self.customer_id)
        self.customer = Caller(stack.app_url, token, diary)
        self.phone = Phone(stack.standin)

    def open(self, **terms: object) -> None:
        self.tab = self.staff.post(
            "/tabs",
            {
                "customer_id": self.customer_id,
                "title": "Cut",
                "expected_outcome": "A cut you like",
                "estimate_minor": 9000,
                **terms,
            },
        )
        self.path = f"/tabs/{self.tab['tab_id']}"

    def accept_promise(self, *consents: str) -> dict[str, Any]:
        body: dict[str, Any] = {"promise_sha256": self.tab["promise"]["promise_sha256"], "consents": list(consents)}
        if "card_on_file" in consents:
            body["card_terms_sha256"] = CARD_TERMS_SHA256
        answer: dict[str, Any] = self.customer.post(f"{self.path}/accept_promise", body)
        return answer

    def save_card(self) -> None:
        setup = self.customer.post(
            f"/customers/{self.customer_id}/setup_intent",
            {"card_terms_sha256": CARD_TERMS_SHA256, "tab_id": self.tab["tab_id"]},
        )
        self.phone.save_card(setup)
        self.wait_until(lambda tab: tab["card"] is not None)

    def place_hold(self) -> None:
        """Pay as the phone's app does: confirm the waiting payment, or ask for it again if the request was lost."""
        tab = self.accept_promise(*ALL_CONSENTS)
        confirmed: set[str] = set()
        deadline = time.monotonic() + PATIENCE_S
        while tab["deposit"]["state"] != "held":
            payment = tab["payment"]
            if payment and payment["client_secret"] and payment["payment_id"] not in confirmed:
                self.phone.pay(payment)
                confirmed.add(payment["payment_id"])
            if time.monotonic() > deadline:
                raise self.stuck("the deposit was not held")
            time.sleep(LOOK_AGAIN_S)
            tab = self.customer.get(self.path)
            if tab["payment"] is None and "accept_promise" in tab["allowed_actions"]:
                tab = self.accept_promise(*ALL_CONSENTS)

    def serve(self) -> int:
        """Add one to three items, each in its own request, present the bill, and return its total."""
        total = 0
        for _ in range(self.rng.randint(1, 3)):
            price = 500 * self.rng.randint(1, 6)
            self.staff.post(f"{self.path}/items", {"items": [{"description": "Cut", "unit_price_minor": price}]})
            total += price
        self.staff.post(f"{self.path}/complete")
        return total

    def accept_bill(self, *, tips: bool = True) -> int:
        """Accept the bill, and return the tip; none where neither a hold nor a card could pay it."""
        tip = 100 * self.rng.randint(0, 3) if tips else 0
        self.customer.post(f"{self.path}/accept_bill", {"tip_minor": tip})
        return tip

    def pay_on_phone(self) -> int:
        """The customer pays the tab. Return the tip in it."""
        return self._pay_on_phone(self.customer, self.path)

    def pay_share(self, share: dict[str, Any]) -> int:
        """Whoever has the share's link pays it. Return the tip in it."""
        guest = Caller(self.stack.app_url, share["secret"], self.diary)
        return self._pay_on_phone(guest, f"/tabs/{share['tab_id']}")

    def _pay_on_phone(self, payer: Caller, path: str) -> int:
        """Ask for the payment and confirm it; ask again if it was closed meanwhile. Return the tip in it."""
        deadline = time.monotonic() + PATIENCE_S
        tip = 100 * self.rng.randint(0, 3)
        asked = {"mode": "on_session", "tip_minor": tip}
        while time.monotonic() < deadline:
            payment = payer.post(f"{path}/charges", asked)["payment"]
            if payment is not None and payment["client_secret"]:
                try:
                    self.phone.pay(payment)
                except (HttpError, CardDeclined):
                    continue
                return tip
            time.sleep(LOOK_AGAIN_S)
        raise NotAnswered(f"{path} could not be paid on the phone")

    def wait_until(self, is_so: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        """Wait until the condition holds and return the tab. Raises NotAnswered."""
        deadline = time.monotonic() + PATIENCE_S
        tab: dict[str, Any] = self.customer.get(self.path)
        while time.monotonic() < deadline:
            tab = self.customer.get(self.path)
            if is_so(tab):
                return tab
            time.sleep(LOOK_AGAIN_S)
        raise self.stuck("what was waited for did not come")

    def stuck(self, what: str) -> NotAnswered:
        """An error with everything that helps to find out why."""
        tab = self.staff.get(self.path)
        entries = self.staff.get(f"{self.path}/timeline?limit=100")["entries"]
        shown = {name: tab[name] for name in ("status", "deposit", "payment", "next_action", "balance_minor")}
        told = [f"{entry['at']} {entry['kind']}" for entry in entries]
        webhooks = self.stack.standin.get("/_control/webhooks")
        webhooks.pop("recent_failures")
        return NotAnswered(f"{self.path}: {what} by {self.stack.now()}: {shown}; {told}; {webhooks}")

    def ending(
        self, story: str, money: Money, *, billed_minor: int = 0, cash_minor: int = 0, shares: tuple[str, ...] = ()
    ) -> Ending:
        return Ending(
            self.tab["tab_id"], self.customer_id, self.staff, story, money, cash_minor, billed_minor, shares=shares
        )

    def share_ending(self, share: dict[str, Any], *, paid_minor: int = 0) -> Ending:
        """Of a share that was paid so much with its tip, or went back whole."""
        tab = self.staff.get(f"/tabs/{share['tab_id']}")
        money = Money(charged=paid_minor)
        return Ending(tab["tab_id"], tab["customer_id"], self.staff, "share", money, billed_minor=paid_minor)


def phone(visit: Visit) -> list[Ending]:
    """Paid on the phone, with a tip"""
    visit.open()
    visit.accept_promise("cap")
    total = visit.serve()
    visit.accept_bill(tips=False)
    total += visit.pay_on_phone()
    return [visit.ending("phone", Money(charged=total), billed_minor=total)]


def card(visit: Visit) -> list[Ending]:
    """Charged to the saved card; sometimes the bill is lowered afterwards"""
    visit.open()
    visit.accept_promise(*ALL_CONSENTS)
    visit.save_card()
    total = visit.serve() + visit.accept_bill()
    reduction = visit.rng.choice((0, 300))
    if reduction:
        visit.wait_until(lambda tab: tab["balance_minor"] == 0)
        visit.staff.post(f"{visit.path}/adjust", {"reduction_minor": reduction, "reason": "A discount"})
    return [visit.ending("card", Money(charged=total, refunded=reduction), billed_minor=total - reduction)]


def deposit(visit: Visit) -> list[Ending]:
    """A deposit, captured first; the balance by card; sometimes some of it refunded"""
    visit.open(deposit_minor=DEPOSIT)
    visit.place_hold()
    total = visit.serve() + visit.accept_bill()
    captured = min(total, DEPOSIT)
    back = visit.rng.choice((0, 400))
    if back:
        visit.wait_until(lambda tab: tab["balance_minor"] == 0)
        visit.staff.post(f"{visit.path}/refunds", {"amount_minor": back, "reason": "Not as agreed"})
    money = Money(held=DEPOSIT, captured=captured, released=DEPOSIT - captured, charged=total - captured, refunded=back)
    return [visit.ending("deposit", money, billed_minor=total - back)]


def canceled(visit: Visit) -> list[Ending]:
    """A booking called off by the customer: free in time, for the disclosed fee once the service was to begin"""
    ahead, fee = visit.rng.choice(((timedelta(hours=80), 0), (timedelta(minutes=10), 1500)))
    starts_at = visit.stack.now() + ahead
    visit.open(deposit_minor=DEPOSIT, no_show_fee_minor=1500, late_cancel_fee_minor=1000, starts_at=iso(starts_at))
    visit.place_hold()
    if fee:
        visit.wait_until(lambda tab: visit.stack.now() > starts_at)
    visit.customer.post(f"{visit.path}/cancel", {"reason": "something came up"})
    return [visit.ending("canceled", Money(held=DEPOSIT, captured=fee, released=DEPOSIT - fee), billed_minor=fee)]


def silence(visit: Visit) -> list[Ending]:
    """The customer says nothing: charged when the window has ended, as agreed"""
    visit.open()
    visit.accept_promise(*ALL_CONSENTS)
    visit.save_card()
    total = visit.serve()
    return [visit.ending("silence", Money(charged=total), billed_minor=total)]


def contested(visit: Visit) -> list[Ending]:
    """Contested, lowered by the business, accepted then"""
    visit.open()
    visit.accept_promise(*ALL_CONSENTS)
    visit.save_card()
    total = visit.serve()
    visit.customer.post(f"{visit.path}/contest", {"reason": "Too short"})
    visit.staff.post(f"{visit.path}/resolve", {"resolution": "adjust", "reduction_minor": 200, "reason": "Agreed to"})
    total += visit.accept_bill() - 200
    return [visit.ending("contested", Money(charged=total), billed_minor=total)]


def cash(visit: Visit) -> list[Ending]:
    """Paid in cash at the till"""
    visit.open()
    visit.accept_promise("cap")
    total = visit.serve()
    visit.accept_bill(tips=False)
    visit.staff.post(f"{visit.path}/cash", {"amount_minor": total})
    return [visit.ending("cash", Money(), billed_minor=total, cash_minor=total)]


def split(visit: Visit) -> list[Ending]:
    """Three share the bill: two pay theirs; the third lets it lie, so it goes back, or the host takes it back"""
    visit.open()
    visit.accept_promise(*ALL_CONSENTS)
    visit.save_card()
    visit.serve()
    shares = visit.customer.post(f"{visit.path}/split", {"equally": 3, "return_after_s": SHARES_WAIT_S})["shares"]
    first, second, third = shares
    paid = [share["amount_minor"] + visit.pay_share(share) for share in (first, second)]
    visit.wait_until(lambda tab: [share["state"] for share in tab["shares"]] == ["paid", "paid", "open"])
    if visit.rng.random() < 0.5:
        visit.customer.post(f"{visit.path}/unsplit")
    # Either way it is owed on the bill again, and charged as agreed.
    left = third["amount_minor"]
    return [
        visit.ending(
            "split",
            Money(charged=left),
            billed_minor=left,
            shares=tuple(share["tab_id"] for share in shares),
        ),
        *(visit.share_ending(share, paid_minor=minor) for share, minor in zip((first, second), paid, strict=True)),
        visit.share_ending(third),
    ]


Story = Callable[[Visit], list[Ending]]
STORIES: tuple[Story, ...] = (phone, card, deposit, deposit, canceled, silence, contested, cash, split)
"""The deposit story is listed twice, because it moves money most often."""
