"""The clients of a replay, over HTTP: hotel staff and guests call the API, and the guests' phones confirm at Stripe."""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from devstack.acknowledged import Acknowledged
from devstack.api import Api
from devstack.phone import Phone
from devstack.replay.plan import Kind, Plan, Turn
from devstack.stack import Stack

CARD_TERMS = "We keep your card to hold your first night and to charge your stay. Remove it whenever you like."
CARD_TERMS_SHA256 = hashlib.sha256(CARD_TERMS.encode()).hexdigest()
ALL_CONSENTS = ["cap", "deposit_and_fees", "automatic_charge", "capture_before_expiry", "card_on_file"]
FREE_CANCEL_S = 48 * 3600
TAX_BASIS_POINTS = 600
"""Lodging in Portugal: VAT of 6 %, included in the price."""


@dataclass(slots=True)
class Stay:
    """How far a row has come. `next_at`: its tab's next action, as far as we were told."""

    number: int
    tab_id: str = ""
    next_at: datetime | None = None
    done: bool = False
    failure: str = ""


class Tally:
    """Counts requests by route from many threads, each in a Counter of its own."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._all: list[Counter[str]] = []
        self._mine = threading.local()

    @property
    def mine(self) -> Counter[str]:
        """This thread's."""
        counter: Counter[str] | None = getattr(self._mine, "counter", None)
        if counter is None:
            counter = self._mine.counter = Counter()
            with self._lock:
                self._all.append(counter)
        return counter

    def total(self) -> Counter[str]:
        with self._lock:
            return sum(self._all, Counter())


class HotelClients:
    """Everybody of every hotel: merchants, staff and guests with their phones.

    `hotels` and `guests` hold the ids of those who are registered; both are what a resumed replay starts from. Every
    request has an Idempotency-Key made of row and step, so that doing a step again does nothing again.
    """

    def __init__(self, stack: Stack, hotels: dict[str, str], guests: dict[str, str]) -> None:
        self.hotels = hotels
        self.guests = guests
        self.tally = Tally()
        self.told = Acknowledged()
        self._stack = stack
        self._tokens: dict[str, str] = {}
        self._phone = Phone(stack.standin)

    def open_hotel(self, name: str) -> None:
        """Register a hotel as a merchant, unless it is one."""
        if name in self.hotels:
            return
        merchant = self._api(self._stack.issuer.token("operator")).post(
            "/merchants",
            {
                "name": name,
                "currency": "EUR",
                "settlement_currency": "EUR",
                # Each row is asked for the deposit that it says: rows of one number are not one guest.
                "policy": {"free_cancel_s": FREE_CANCEL_S, "standing": None},
            },
            # A name may hold what a header may not.
            key=f"hotel-{hashlib.sha256(name.encode()).hexdigest()}",
        )
        self.hotels[name] = merchant["merchant_id"]

    def act(self, kind: Kind, plan: Plan, stay: Stay) -> tuple[dict[str, Any], bool]:
        """Do what `kind` says; the tab as last answered, and whether a phone was used, whose news come by webhook."""
        match kind:
            case Kind.BOOK:
                return self._book(plan, stay)
            case Kind.CANCEL:
                return self._guest_post(plan, stay, "cancel", {"reason": "plans changed"}), False
            case Kind.ARRIVE:
                return self._staff_post(plan, stay, "check_in"), False
            case Kind.LEAVE:
                return self._leave(plan, stay)
            case Kind.NO_SHOW:
                return self._staff_post(plan, stay, "no_show"), False
            case Kind.RESOLVE:
                return self._resolve(plan, stay), False
            case Kind.REFUND:
                body = {"amount_minor": plan.given_back_minor, "reason": "The heating was out one night"}
                return self._staff_post(plan, stay, "refunds", body), False

    def tab(self, plan: Plan, stay: Stay) -> dict[str, Any]:
        """The row's tab as it is now, for the staff's eyes."""
        tab: dict[str, Any] = self._staff(plan).get(f"/tabs/{stay.tab_id}")
        return tab

    def history(self, plan: Plan, stay: Stay) -> list[dict[str, Any]]:
        return self._staff(plan).history(stay.tab_id)

    def _book(self, plan: Plan, stay: Stay) -> tuple[dict[str, Any], bool]:
        booking = plan.booking
        deposit = booking.deposit_minor
        tab = self._staff(plan).post(
            "/tabs",
            {
                "customer_id": self._register(plan),
                "title": f"Room, {booking.nights} nights",
                "expected_outcome": "A clean and quiet room, as booked",
                "estimate_minor": booking.total_minor,
                "cap_minor": booking.total_minor,
                "deposit_minor": deposit,
                "no_show_fee_minor": deposit,
                "late_cancel_fee_minor": deposit,
                "starts_at": plan.starts_at.isoformat().replace("+00:00", "Z"),
            },
            key=f"{booking.number}-open",
        )
        stay.tab_id = tab["tab_id"]
        promise = {"promise_sha256": tab["promise"]["promise_sha256"], "consents": ["cap"]}
        if deposit:
            promise |= {"consents": ALL_CONSENTS, "card_terms_sha256": CARD_TERMS_SHA256}
        tab = self._guest_post(plan, stay, "accept_promise", promise)
        payment = tab["payment"]
        if payment is not None and payment["state"] == "awaiting_customer":
            self._confirm(payment)
            return tab, True
        if tab["deposit"]["state"] == "wanted":
            customer_id = self.guests[guest_key(plan)]
            setup = self._guest(plan).post(
                f"/customers/{customer_id}/setup_intent",
                {"card_terms_sha256": CARD_TERMS_SHA256, "tab_id": stay.tab_id},
                key=f"{booking.number}-card",
            )
            self.tally.mine["phone: save card"] += 1
            self._phone.save_card(setup)
            return tab, True
        return tab, False

    def _leave(self, plan: Plan, stay: Stay) -> tuple[dict[str, Any], bool]:
        total = plan.booking.total_minor
        if total:
            line = {
                "description": f"{plan.booking.nights} nights at EUR {plan.booking.adr}",
                "unit_price_minor": total,
                "tax_basis_points": TAX_BASIS_POINTS,
            }
            self._staff_post(plan, stay, "items", {"items": [line]})
        tab = self._staff_post(plan, stay, "complete")
        if tab["status"] != "in_review" or plan.turn == Turn.PAYS_LATE:
            return tab, False
        if plan.turn == Turn.CONTESTS:
            body = {"reason": "Breakfast was not served", "contested_minor": plan.given_back_minor}
            return self._guest_post(plan, stay, "contest", body), False
        tab = self._guest_post(plan, stay, "accept_bill")
        if tab["status"] != "due":
            return tab, False
        if "pay_on_phone" in tab["allowed_actions"]:
            tab = self._guest_post(plan, stay, "charges", {"mode": "on_session"})
            self._confirm(tab["payment"])
            return tab, True
        if 0 < tab["balance_minor"] == total and plan.expected.waived_minor:
            reason = "Less than a card may be charged."
            tab = self._staff_post(plan, stay, "waive", {"reason": reason})
        return tab, False

    def _resolve(self, plan: Plan, stay: Stay) -> dict[str, Any]:
        """The staff see that the guest is right, and the guest is content with the lower bill.

        Where the hold was about to expire meanwhile, what was not contested has been captured: then nothing is left to
        accept, and the tab has closed.
        """
        resolution = {"resolution": "adjust", "reduction_minor": plan.given_back_minor, "reason": "It was not served"}
        tab = self._staff_post(plan, stay, "resolve", resolution)
        return self._guest_post(plan, stay, "accept_bill") if tab["status"] == "in_review" else tab

    def _confirm(self, payment: dict[str, Any]) -> None:
        self.tally.mine["phone: confirm payment"] += 1
        self._phone.pay(payment)

    # Who calls

    def _register(self, plan: Plan) -> str:
        """The id of the row's guest with this hotel, who is made a customer at their first booking there."""
        key = guest_key(plan)
        if key not in self.guests:
            reference = {"reference": f"guest {plan.customer}"}
            made = self._staff(plan).post("/customers", reference, key=f"guest-{plan.customer}")
            self.guests[key] = made["customer_id"]
        return self.guests[key]

    def _staff_post(self, plan: Plan, stay: Stay, verb: str, body: Any = None) -> dict[str, Any]:
        key = f"{plan.booking.number}-{verb}"
        tab: dict[str, Any] = self._staff(plan).post(f"/tabs/{stay.tab_id}/{verb}", body, key=key)
        return tab

    def _guest_post(self, plan: Plan, stay: Stay, verb: str, body: Any = None) -> dict[str, Any]:
        key = f"{plan.booking.number}-{verb}"
        tab: dict[str, Any] = self._guest(plan).post(f"/tabs/{stay.tab_id}/{verb}", body, key=key)
        return tab

    def _staff(self, plan: Plan) -> Api:
        return self._api(self._token("staff", plan.booking.hotel))

    def _guest(self, plan: Plan) -> Api:
        return self._api(self._token("customer", plan.booking.hotel, self.guests[guest_key(plan)]))

    def _token(self, role: str, hotel: str, customer_id: str | None = None) -> str:
        key = customer_id or f"{role}|{hotel}"
        if key not in self._tokens:
            merchant_id = self.hotels[hotel]
            self._tokens[key] = self._stack.issuer.token(role, merchant_id=merchant_id, customer_id=customer_id)
        return self._tokens[key]

    def _api(self, token: str) -> Api:
        return Api(self._stack.app, token, self.tally.mine, self.told)


def guest_key(plan: Plan) -> str:
    """A person is known to each hotel by themselves."""
    return f"{plan.booking.hotel}|{plan.customer}"
