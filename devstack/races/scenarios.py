"""The races: for each, the tab, the requests that all clients send at once, and the required result."""

from __future__ import annotations

import contextlib
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from devstack.api import Api
from devstack.books import Money
from devstack.end_state import run_until_idle
from devstack.http import HttpError, Reply
from devstack.phone import CardDeclined
from devstack.races.requests import TRY_AGAIN, Request, Result, post
from devstack.stack import Stack
from devstack.stories.business import ALL_CONSENTS, CARD_TERMS_SHA256, Business, hours, iso

BUSY = TRY_AGAIN | {"payment_in_progress"}
DONE = ("transition_refused",)
PAID = ("transition_refused", "payment_in_progress", "nothing_to_pay")
"""The refusals for a client that is too late for a payment: under way, nothing left, or the tab is closed."""


@dataclass(frozen=True, slots=True)
class Race:
    """One race, ready to begin.

    `judge`: answers → the money that must have moved in the end, and what is wrong with the answers. `finish`: what is
    still done after the race. `shares`: the tabs that the bill was split into, each of which is paid once or goes back.
    """

    business: Business
    tab: dict[str, Any]
    requests: Sequence[Request]
    judge: Callable[[list[Result]], tuple[Money, list[str]]]
    finish: Callable[[], object] = lambda: None
    shares: Sequence[str] = ()


Scenario = Callable[[Stack, random.Random, int], Race]


class Shop:
    """A salon with one customer and a tab; makes the requests of its staff and of the customer."""

    def __init__(self, stack: Stack, rng: random.Random, **terms: object) -> None:
        self.stack = stack
        self.rng = rng
        self.business = Business(stack, lambda text: None, name="Salon Iris")
        self.customer = self.business.customer("Ben")
        self.tab: dict[str, Any] = self.business.staff.post(
            "/tabs",
            {
                "customer_id": self.customer.customer_id,
                "title": "Colour and cut",
                "expected_outcome": "The colour we agreed on",
                "estimate_minor": 7500,
                "cap_minor": 9000,
                **terms,
            },
        )
        self.path = f"/tabs/{self.tab['tab_id']}"

    def agree(self, *, save_card: bool = True) -> None:
        """Accept the promise; hold the deposit if there is one, else save the card."""
        payment = self.customer.accept_promise(self.tab)["payment"]
        if payment is not None:
            self.customer.phone.pay(payment)
        elif save_card:
            self.customer.save_card(self.tab)
        self.tab = self.business.tab(self.tab)

    def serve(self, amount_minor: int = 7500) -> None:
        self.business.staff.post(f"{self.path}/items", {"items": [_item(amount_minor)]})

    def present(self) -> None:
        self.serve()
        self.business.staff.post(f"{self.path}/complete")

    def key(self) -> str:
        return f"race-{self.rng.getrandbits(64):016x}"

    def request(
        self, by: Api, what: str, body: Any = None, *, key: str = "", again: frozenset[str] = TRY_AGAIN
    ) -> Request:
        who = "customer" if by is self.customer.api else "staff"
        return partial(
            post,
            by,
            f"{self.path}/{what}",
            body,
            key=key or self.key(),
            who=f"{who} {what}",
            again=again,
        )


def _item(amount_minor: int) -> dict[str, Any]:
    return {"description": "Cut", "unit_price_minor": amount_minor}


def winners(results: Sequence[Result]) -> list[Result]:
    return [result for result in results if result.won]


def bad_answers(results: Sequence[Result], *codes: str) -> list[str]:
    """The answers that are neither a success nor a 409 with one of the codes or `contention`."""
    allowed = {*codes, *TRY_AGAIN}
    wrong = [
        f"{result.who} was answered {result.reply.status} {result.reply.body}"
        for result in results
        if not result.succeeded and not (result.reply.status == 409 and result.code in allowed)
    ]
    met: Counter[str] = sum((result.refused for result in results), Counter())
    return wrong + [f"{number} times {code} on the way" for code, number in met.items() if code not in allowed]


def won_by(results: Sequence[Result], number: int, *codes: str) -> list[str]:
    """Check that `number` requests changed something, and that all others were refused with one of the codes."""
    won = winners(results)
    wrong = bad_answers(results, *codes)
    if len(won) != number:
        wrong.append(f"{len(won)} of {len(results)} won, not {number}: {sorted(result.who for result in won)}")
    return wrong


def complete(stack: Stack, rng: random.Random, clients: int) -> Race:
    """Everybody presents the bill"""
    shop = Shop(stack, rng)
    shop.agree()
    shop.serve()
    requests = [
        shop.request(rng.choice((shop.business.staff, shop.business.owner)), "complete") for _ in range(clients)
    ]
    return Race(shop.business, shop.tab, requests, lambda results: (Money(charged=7500), won_by(results, 1, *DONE)))


def capture(stack: Stack, rng: random.Random, clients: int) -> Race:
    """The customer accepts the bill on every device at once"""
    shop = Shop(stack, rng, deposit_minor=2000)
    shop.agree()
    shop.present()
    requests = [shop.request(shop.customer.api, "accept_bill") for _ in range(clients)]
    money = Money(held=2000, captured=2000, charged=5500)
    return Race(shop.business, shop.tab, requests, lambda results: (money, won_by(results, 1, *DONE)))


def pay_twice(stack: Stack, rng: random.Random, clients: int) -> Race:
    """The saved card is charged under as many keys as there are clients"""
    shop = Shop(stack, rng)
    shop.agree()
    shop.present()
    requests = [shop.request(shop.customer.api, "charges", {"mode": "off_session"}) for _ in range(clients)]
    return Race(shop.business, shop.tab, requests, lambda results: (Money(charged=7500), won_by(results, 1, *PAID)))


def phone_against_card(stack: Stack, rng: random.Random, clients: int) -> Race:
    """Half pay on their phones, half charge the saved card"""
    shop = Shop(stack, rng)
    shop.agree()
    shop.present()

    def pay_on_phone() -> Result:
        result = shop.request(shop.customer.api, "charges", {"mode": "on_session"})()
        if result.succeeded and result.reply.body["payment"] and result.reply.body["payment"]["client_secret"]:
            # Another client may have closed or paid it; only the final amounts count.
            with contextlib.suppress(HttpError, CardDeclined):
                shop.customer.phone.pay(result.reply.body["payment"])
        return result

    by_card = shop.request(shop.customer.api, "charges", {"mode": "off_session"})
    requests: list[Request] = [
        pay_on_phone if number % 2 else shop.request(shop.customer.api, "charges", {"mode": "off_session"})
        for number in range(clients)
    ]
    rng.shuffle(requests)
    # If only a phone's unconfirmed payment is left, pay now.
    return Race(
        shop.business,
        shop.tab,
        requests,
        lambda results: (Money(charged=7500), bad_answers(results, *PAID)),
        finish=by_card,
    )


def many_browsers(stack: Stack, rng: random.Random, clients: int) -> Race:
    """As many browsers as there are clients open Stripe's page for one tab, with and without a tip, and pay there"""
    shop = Shop(stack, rng)
    shop.agree(save_card=False)
    shop.present()

    def pay(number: int) -> Result:
        body = {"mode": "on_session", "return_url": "https://salon.example/paid", "tip_minor": 100 * (number % 2)}
        result = shop.request(shop.customer.api, "charges", body)()
        if result.succeeded and result.reply.body["payment"] and result.reply.body["payment"]["page_url"]:
            # Another browser may have ended or paid it; only the final amounts count.
            shop.customer.phone.pay_on_page(result.reply.body["payment"])
        return result

    def judge(results: list[Result]) -> tuple[Money, list[str]]:
        # The page that was left open last is paid, or ended; a payment whose news is still on its way is found.
        pay(0)
        # Whether the one payment had a tip in it is a matter of chance.
        tip = shop.business.tab(shop.tab)["tip_minor"]
        wrong = [] if tip in (0, 100) else [f"a tip of {tip} was taken"]
        return Money(charged=7500 + tip), wrong + bad_answers(results, *PAID)

    return Race(shop.business, shop.tab, [partial(pay, number) for number in range(clients)], judge)


class Table:
    """A bill of three, split equally: one link for each, which several phones have opened."""

    def __init__(self, shop: Shop) -> None:
        shop.agree(save_card=False)
        shop.present()
        made = shop.customer.api.post(f"{shop.path}/split", {"equally": 3})["shares"]
        self.shop = shop
        self.shares = [share["tab_id"] for share in made]
        self._guests = [Api(shop.stack.app, share["secret"], told=shop.business.told) for share in made]

    def pay(self, number: int) -> Result:
        """One phone pays its share with a tip of its own; every other one on Stripe's page."""
        shop, guest = self.shop, self._guests[number % 3]
        body: dict[str, Any] = {"mode": "on_session", "tip_minor": 50 * (number % 4)}
        if number % 2:
            body["return_url"] = "https://salon.example/paid"
        path = f"/tabs/{self.shares[number % 3]}/charges"
        result = post(guest, path, body, key=shop.key(), who="guest charges")
        payment = result.reply.body["payment"] if result.succeeded else None
        # Another phone may have ended or paid it, and the share may have gone back; only the final amounts count.
        if payment and payment["page_url"]:
            shop.customer.phone.pay_on_page(payment)
        elif payment and payment["client_secret"]:
            with contextlib.suppress(HttpError, CardDeclined):
                shop.customer.phone.pay(payment)
        return result


def phones_on_shares(stack: Stack, rng: random.Random, clients: int) -> Race:
    """Several phones pay each of three shares, on Stripe's page and in the app, each with a tip of its own"""
    table = Table(Shop(stack, rng))

    def judge(results: list[Result]) -> tuple[Money, list[str]]:
        # What was left open last is paid, or ended; a payment whose news is still on its way is found.
        for number in range(3):
            table.pay(number)
        return Money(), bad_answers(results, *PAID)

    requests = [partial(table.pay, number) for number in range(clients)]
    return Race(table.shop.business, table.shop.tab, requests, judge, shares=table.shares)


def shares_go_back(stack: Stack, rng: random.Random, clients: int) -> Race:
    """Phones pay three shares while schedules give them back and the host takes the split back: cash for the rest"""
    table = Table(shop := Shop(stack, rng))
    if rng.random() < 0.7:
        stack.move_clock(stack.now() + hours(24) + timedelta(minutes=1))

    def move(number: int) -> Request:
        match number % 8:
            case 0:
                return partial(sweep, stack)
            case 1:
                return shop.request(shop.customer.api, "unsplit")
        return partial(table.pay, number)

    def judge(results: list[Result]) -> tuple[Money, list[str]]:
        return Money(), bad_answers(results, *PAID)

    def take_the_rest() -> None:
        """Once no phone's payment is open any more, and no share's time."""
        run_until_idle(stack, dict.fromkeys(table.shares, shop.business.staff.get))
        owed = shop.business.tab(shop.tab)["balance_minor"]
        if owed:
            shop.business.staff.post(f"{shop.path}/cash", {"amount_minor": owed})

    requests = [move(number) for number in range(clients)]
    rng.shuffle(requests)
    return Race(shop.business, shop.tab, requests, judge, finish=take_the_rest, shares=table.shares)


def promise_twice(stack: Stack, rng: random.Random, clients: int) -> Race:
    """The customer accepts the promise on every device, and a deposit is to be held"""
    shop = Shop(stack, rng, deposit_minor=2000)
    body = {
        "promise_sha256": shop.tab["promise"]["promise_sha256"],
        "consents": ALL_CONSENTS,
        "card_terms_sha256": CARD_TERMS_SHA256,
    }
    requests = [shop.request(shop.customer.api, "accept_promise", body) for _ in range(clients)]

    def confirm_and_cancel() -> None:
        shop.customer.phone.pay(shop.customer.api.get(shop.path)["payment"])
        shop.business.tab(shop.tab)
        shop.business.staff.post(f"{shop.path}/cancel", {"reason": "the race is over"})

    money = Money(held=2000, released=2000)
    return Race(
        shop.business, shop.tab, requests, lambda results: (money, won_by(results, 1, *DONE)), finish=confirm_and_cancel
    )


def cash_twice(stack: Stack, rng: random.Random, clients: int) -> Race:
    """Every till records the same cash"""
    shop = Shop(stack, rng)
    shop.agree(save_card=False)
    shop.present()
    requests = [shop.request(shop.business.staff, "cash", {"amount_minor": 7500}) for _ in range(clients)]

    def judge(results: list[Result]) -> tuple[Money, list[str]]:
        taken = shop.business.tab(shop.tab)["paid_minor"]
        wrong = [f"{taken} of 7500 were taken"] if taken != 7500 else []
        return Money(), won_by(results, 1, *DONE) + wrong

    return Race(shop.business, shop.tab, requests, judge)


def same_key(stack: Stack, rng: random.Random, clients: int) -> Race:
    """One request, sent by every client under one key"""
    shop = Shop(stack, rng, deposit_minor=2000)
    shop.agree()
    shop.present()
    key = shop.key()
    send = shop.request(shop.customer.api, "accept_bill", key=key)

    def judge(results: list[Result]) -> tuple[Money, list[str]]:
        # The request succeeded once, so no client may be refused.
        wrong = won_by(results, 1, "request_in_progress")
        results = [*results, again := send()]
        if not again.replayed:
            wrong.append(f"repeated later, it was answered {again.reply.status} {again.code}")
        attempts = {result.reply.body["payment"]["attempt_id"] for result in results if result.succeeded}
        if len(attempts) != 1:
            wrong.append(f"the same request was answered with {len(attempts)} attempts")
        return Money(held=2000, captured=2000, charged=5500), wrong

    return Race(shop.business, shop.tab, [send] * clients, judge)


def one_tab(stack: Stack, rng: random.Random, clients: int) -> Race:
    """A tab is opened by every client under one key"""
    shop = Shop(stack, rng)
    body = {
        "customer_id": shop.customer.customer_id,
        "title": "A second tab",
        "expected_outcome": "One tab",
        "estimate_minor": 500,
    }
    key = shop.key()
    send = partial(post, shop.business.staff, "/tabs", body, key=key, who="staff opens")

    def judge(results: list[Result]) -> tuple[Money, list[str]]:
        wrong = won_by(results, 1)
        made = {result.reply.body["tab_id"] for result in results if result.succeeded}
        listed = shop.business.staff.get("/tabs", customer_id=shop.customer.customer_id)["tabs"]
        if len(made) != 1 or len(listed) != 2:
            wrong.append(f"one request made {len(made)} tabs, {len(listed) - 1} are listed")
        return Money(), wrong

    return Race(shop.business, shop.tab, [send] * clients, judge)


def cancel_against_no_show(stack: Stack, rng: random.Random, clients: int) -> Race:
    """The customer cancels after the start while the staff record that they did not come: one fee either way"""
    starts_at = stack.now() + hours(26)
    shop = Shop(
        stack, rng, deposit_minor=3000, no_show_fee_minor=2000, late_cancel_fee_minor=1500, starts_at=iso(starts_at)
    )
    shop.agree()
    shop.business.travel(shop.tab, starts_at + timedelta(minutes=20))
    requests = [
        shop.request(shop.business.staff, "no_show") if number % 2 else shop.request(shop.customer.api, "cancel")
        for number in range(clients)
    ]
    rng.shuffle(requests)

    def judge(results: list[Result]) -> tuple[Money, list[str]]:
        return Money(held=3000, captured=2000, released=1000), won_by(results, 1, *DONE)

    return Race(shop.business, shop.tab, requests, judge)


def cancel_against_check_in(stack: Stack, rng: random.Random, clients: int) -> Race:
    """The customer cancels late while the staff check them in: the fee, or a service that has begun"""
    shop = Shop(
        stack,
        rng,
        deposit_minor=3000,
        no_show_fee_minor=2000,
        late_cancel_fee_minor=1500,
        starts_at=iso(stack.now() + hours(26)),
    )
    shop.agree()
    shop.business.travel(shop.tab, stack.now() + timedelta(minutes=61))
    requests = [
        shop.request(shop.business.staff, "check_in") if number % 2 else shop.request(shop.customer.api, "cancel")
        for number in range(clients)
    ]
    rng.shuffle(requests)

    def judge(results: list[Result]) -> tuple[Money, list[str]]:
        fee = 1500 if any(result.who == "customer cancel" for result in winners(results)) else 0
        return Money(held=3000, captured=fee, released=3000 - fee), won_by(results, 1, *DONE)

    def send_home() -> None:
        if shop.business.tab(shop.tab)["status"] == "open":
            shop.business.staff.post(f"{shop.path}/cancel", {"reason": "the race is over"})

    return Race(shop.business, shop.tab, requests, judge, finish=send_home)


def consents_at_once(stack: Stack, rng: random.Random, clients: int) -> Race:
    """The customer adds one consent on each device: each is recorded, and none replaces another"""
    shop = Shop(stack, rng, deposit_minor=2000)
    seal = {"promise_sha256": shop.tab["promise"]["promise_sha256"], "card_terms_sha256": CARD_TERMS_SHA256}
    shop.customer.phone.pay(shop.customer.accept_promise(shop.tab, ["cap", "deposit_and_fees"])["payment"])
    shop.business.tab(shop.tab)
    added = ("automatic_charge", "capture_before_expiry", "card_on_file")
    requests = [
        shop.request(shop.customer.api, "accept_promise", {**seal, "consents": [added[number % len(added)]]})
        for number in range(clients)
    ]

    def judge(results: list[Result]) -> tuple[Money, list[str]]:
        given = shop.business.tab(shop.tab)["promise"]["accepted"]["consents"]
        wrong = [f"recorded are {given}"] if given != sorted(ALL_CONSENTS) else []
        # A consent that is given already, while others are still open, is bad input.
        others = [result for result in results if (result.reply.status, result.code) != (422, "invalid_input")]
        return Money(held=2000, released=2000), won_by(others, len(added), *DONE) + wrong

    def send_home() -> None:
        shop.business.staff.post(f"{shop.path}/cancel", {"reason": "the race is over"})

    return Race(shop.business, shop.tab, requests, judge, finish=send_home)


def refund_to_the_limit(stack: Stack, rng: random.Random, clients: int) -> Race:
    """Every client refunds a fifth of the bill, and repeats until it is done or nothing is left"""
    shop = Shop(stack, rng, deposit_minor=2000)
    shop.agree()
    shop.present()
    shop.customer.api.post(f"{shop.path}/accept_bill")
    shop.business.tab(shop.tab)
    body = {"amount_minor": 1500, "reason": "Colour too dark"}
    requests = [shop.request(shop.business.staff, "refunds", body, again=BUSY) for _ in range(clients)]
    money = Money(held=2000, captured=2000, charged=5500, refunded=7500)
    return Race(
        shop.business,
        shop.tab,
        requests,
        lambda results: (money, won_by(results, 5, "payment_in_progress", "nothing_to_pay")),
    )


def elsewhere_to_the_limit(stack: Stack, rng: random.Random, clients: int) -> Race:
    """A refund has failed; every till records a fifth of it as given back in cash, as often as it is let"""
    shop = Shop(stack, rng)
    shop.agree(save_card=False)
    shop.present()
    payment = shop.customer.api.post(f"{shop.path}/charges", {"mode": "on_session"})["payment"]
    shop.customer.phone.pay(payment, "pm_card_refundFail")
    stack.drain()
    shop.business.staff.post(f"{shop.path}/refunds", {"reason": "Colour too dark"})
    stack.move_clock(stack.now() + hours(2))
    stack.drain()
    body = {"amount_minor": 1500, "how": "cash", "reference": "receipt 12"}
    requests = [shop.request(shop.business.owner, "refund_elsewhere", body) for _ in range(clients)]

    def judge(results: list[Result]) -> tuple[Money, list[str]]:
        back = shop.business.tab(shop.tab)["legs"][0]["refunded_elsewhere_minor"]
        wrong = [f"{back} of 7500 were given back"] if back != 7500 else []
        return Money(charged=7500), won_by(results, 5, "nothing_to_pay") + wrong

    return Race(shop.business, shop.tab, requests, judge)


def items_to_the_cap(stack: Stack, rng: random.Random, clients: int) -> Race:
    """Everybody adds an item; nine of them reach the cap"""
    shop = Shop(stack, rng)
    shop.agree()
    requests = [shop.request(shop.business.staff, "items", {"items": [_item(1000)]}) for _ in range(clients)]
    return Race(
        shop.business,
        shop.tab,
        requests,
        lambda results: (Money(charged=9000), won_by(results, 9, "cap_exceeded")),
        finish=lambda: shop.business.staff.post(f"{shop.path}/complete"),
    )


def sweep_against_pay(stack: Stack, rng: random.Random, clients: int) -> Race:
    """The review window has ended: schedules and the customer's phones all see to the charge"""
    shop = Shop(stack, rng, deposit_minor=2000)
    shop.agree()
    shop.present()
    tab = shop.business.tab(shop.tab)
    stack.move_clock(datetime.fromisoformat(tab["review_ends_at"]) + timedelta(minutes=1))

    requests: list[Request] = [
        partial(sweep, stack)
        if number % 4 == 0
        else shop.request(shop.customer.api, "accept_bill")
        if number % 4 == 1
        else shop.request(shop.customer.api, "charges", {"mode": "off_session"})
        for number in range(clients)
    ]
    rng.shuffle(requests)

    def judge(results: list[Result]) -> tuple[Money, list[str]]:
        wrong = bad_answers(results, *PAID)
        if len(won := winners(results)) > 1:
            wrong.append(f"{len(won)} customers paid one bill")
        return Money(held=2000, captured=2000, charged=5500), wrong

    return Race(shop.business, shop.tab, requests, judge)


def sweep(stack: Stack) -> Result:
    """The schedule runs. It is not a winner: it does what is due."""
    reply = stack.control.request("POST", "/sweep")
    if reply.status == 200 and reply.body["failed"]:
        reply = Reply(500, {}, {"code": "sweep_failed", **reply.body})
    return Result("sweep", Reply(reply.status, {"idempotent-replayed": "true"}, reply.body))


def webhook_against_pay(stack: Stack, rng: random.Random, clients: int) -> Race:
    """The customer has paid on the phone; while Stripe tells us, again and again, others pay too"""
    shop = Shop(stack, rng)
    shop.agree()
    shop.present()
    stack.drain()
    payment = shop.customer.api.post(f"{shop.path}/charges", {"mode": "on_session"})["payment"]
    held_back = stack.standin.post("/_control/faults", {"kind": "webhook_lose"})
    shop.customer.phone.pay(payment)
    stack.drain()
    stack.standin.checked("DELETE", f"/_control/faults?id={held_back['id']}", None)
    event_ids = _events_about(stack, payment["payment_id"])

    def deliver() -> Result:
        reply = stack.standin.request("POST", "/_control/webhooks/resend", {"event": rng.choice(event_ids)})
        return Result("webhook", Reply(reply.status, {"idempotent-replayed": "true"}, reply.body))

    def pay(number: int) -> Request:
        if number % 3 == 0:
            return deliver
        if number % 3 == 1:
            return shop.request(shop.customer.api, "charges", {"mode": "off_session"})
        return shop.request(shop.business.staff, "cash", {"amount_minor": 7500})

    requests = [pay(number) for number in range(clients)]
    rng.shuffle(requests)
    return Race(shop.business, shop.tab, requests, lambda results: (Money(charged=7500), won_by(results, 0, *PAID)))


def _events_about(stack: Stack, object_id: str) -> list[str]:
    from devstack.stack import SECRET_KEY

    events = stack.standin.get("/v1/events", headers={"Authorization": f"Bearer {SECRET_KEY}"}, limit=20)["data"]
    return [event["id"] for event in events if event["data"]["object"]["id"] == object_id]


SCENARIOS: tuple[Scenario, ...] = (
    complete,
    capture,
    pay_twice,
    phone_against_card,
    many_browsers,
    phones_on_shares,
    shares_go_back,
    promise_twice,
    cash_twice,
    same_key,
    one_tab,
    cancel_against_no_show,
    cancel_against_check_in,
    consents_at_once,
    refund_to_the_limit,
    elsewhere_to_the_limit,
    items_to_the_cap,
    sweep_against_pay,
    webhook_against_pay,
)
