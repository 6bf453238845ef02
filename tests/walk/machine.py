"""The random walk: any request by anybody in any order, while calls fail and webhooks are lost, over real HTTP."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from devstack import invariants
from devstack.http import HttpError
from devstack.phone import CardDeclined
from devstack.stack import Stack
from devstack.stories.business import ALL_CONSENTS, CARD_TERMS_SHA256, iso
from tests.walk.town import Broken, Json, Person, Shop, TabModel, Town

CARDS = [
    "pm_card_visa",
    "pm_card_visa",
    "pm_card_chargeCustomerFail",
    "pm_card_authenticationRequired",
    "pm_card_refundFail",
]
PHONE_CARDS = ["pm_card_visa", "pm_card_visa", "pm_card_chargeDeclined", "pm_card_threeDSecure2Required"]
CALL_FAULTS = ["fail_before", "fail_after", "lost_reset", "reset_before", "rate_limit"]
CALLS = [
    "/v1/payment_intents",
    "/v1/payment_intents/{}/capture",
    "/v1/payment_intents/{}/cancel",
    "/v1/refunds",
    None,
]
STAGES = ["presented", "split", "held", "accepted", "paid", "missed", "booked", "served", "agreed", "open"]
STARTS_IN_HOURS = {"booked": 30, "held": 30, "missed": 1}
SECURED = ("held", "missed")
HOOK_FAULTS = ["webhook_lose", "webhook_delay", "webhook_duplicate", "webhook_reorder"]
TIERS = [{"percent": percent, "measure": f"as well as {percent}"} for percent in (100, 80, 50, 0)]
DRY_ROUNDS = 150
"""How many stops the agenda of a town may need until it has nothing left to do."""

PRICES = st.integers(min_value=30, max_value=12_000)
SMALL = st.just(0) | st.integers(min_value=200, max_value=3_000)
"""A deposit: none, or one whose half is a fee that can be charged."""


class Walk(RuleBasedStateMachine):
    """One town. `stack`, `counts`: set by whoever runs it. `journal`: what was done, for whom it fails."""

    stack: Stack
    counts: Counter[str] = Counter()
    journal: list[str] = []

    @initialize(
        shop=st.integers(0, 1),
        card=st.sampled_from(CARDS),
        stages=st.lists(st.sampled_from(STAGES), min_size=2, max_size=3),
        price=st.integers(500, 12_000),
        deposit=SMALL,
        silence=st.sampled_from([None, None, 80, 0]),
    )
    def settle(self, shop: int, card: str, stages: list[str], price: int, deposit: int, silence: int | None) -> None:
        """A shop, a customer with a card, and tabs that have come so far: a walk from nothing seldom gets anywhere."""
        self.counts["examples"] += 1
        self.journal.clear()
        self.town = Town(self.stack, self.counts, self.journal)
        self.away_from_us(lambda: self.town.save_card(self.town.shops[shop], self.town.shops[shop].people[0], card))
        for stage in stages:
            asked = max(deposit, 500) if stage in SECURED else deposit
            self.open(shop, 0, STARTS_IN_HOURS.get(stage), max(price, asked), asked, 1, silence)
            self.bring_to(stage, self.town.tabs[-1], price)

    def bring_to(self, stage: str, model: TabModel, price: int) -> None:
        if stage != "open":
            self.agree(model, ALL_CONSENTS)
        if stage in SECURED:
            self.confirm_waiting(model, "pm_card_visa")
        if stage == "missed":
            self.pass_time(120)
            self.post(self.shop(model).staff, model, "no_show")
        if stage in ("served", "presented", "split", "accepted", "paid"):
            self.serve(model, [price])
        if stage in ("presented", "split", "accepted", "paid"):
            self.post(self.shop(model).staff, model, "complete")
        if stage in ("split", "accepted", "paid"):
            self.choose(model, 50)
        if stage == "split":
            self.split_bill(model, {"equally": 2})
        if stage == "accepted":
            self.accept(model, 0)
        if stage == "paid":
            self.pay(model, "pm_card_visa")

    # Somebody

    def pick(self, data: st.DataObject) -> TabModel | None:
        """A tab; mostly one of the last few, else nothing would come to its end."""
        if not self.town.tabs:
            return None
        return data.draw(st.sampled_from(self.town.tabs[-3:]), label="tab")

    def shop(self, model: TabModel) -> Shop:
        return self.town.shops[model.shop]

    def person(self, model: TabModel) -> Person:
        return self.shop(model).people[model.customer]

    def customer(self, model: TabModel) -> str:
        return model.payer or self.person(model).token

    def post(self, caller: str, model: TabModel, verb: str, body: Json | None = None) -> Json | None:
        """What was answered; None if it was refused. Who sees a tab sees it in order."""
        self.counts["steps"] += 1
        model.touched = True
        reply = self.town.send(caller, f"/tabs/{model.tab_id}/{verb}", body or {})
        return reply.body if reply.status < 300 else None

    # The service

    @rule(
        shop=st.integers(0, 1),
        customer=st.integers(0, 1),
        starts_in_hours=st.sampled_from([None, None, 2, 30, 24 * 6]),
        estimate=PRICES,
        deposit=SMALL,
        room=st.sampled_from([1, 1, 2]),
        silence=st.sampled_from([None, None, 80, 50, 0]),
    )
    def open_tab(
        self,
        shop: int,
        customer: int,
        starts_in_hours: int | None,
        estimate: int,
        deposit: int,
        room: int,
        silence: int | None,
    ) -> None:
        self.open(shop, customer, starts_in_hours, estimate, deposit, room, silence)

    def open(
        self,
        shop: int,
        customer: int,
        starts_in_hours: int | None,
        estimate: int,
        deposit: int,
        room: int,
        silence: int | None = None,
    ) -> None:
        deposit = min(deposit, estimate) if starts_in_hours else 0
        body: Json = {
            "customer_id": self.town.shops[shop].people[customer].customer_id,
            "title": "Haircut",
            "expected_outcome": "Shorter hair",
            "estimate_minor": estimate,
            "cap_minor": estimate * room,
            "deposit_minor": deposit,
            "no_show_fee_minor": deposit,
            "late_cancel_fee_minor": deposit // 2,
        }
        if silence is not None:
            body |= {"tiers": TIERS, "silence_percent": silence}
        if starts_in_hours is not None:
            body["starts_at"] = iso(self.stack.now() + timedelta(hours=starts_in_hours))
        reply = self.town.send(self.town.shops[shop].staff, "/tabs", body)
        if reply.status == 201:
            self.counts["tabs"] += 1
            self.town.tabs.append(TabModel(shop, customer, reply.body["tab_id"], estimate * room))

    @rule(data=st.data(), consents=st.sampled_from([ALL_CONSENTS, ALL_CONSENTS, ["cap"], ["cap", "deposit_and_fees"]]))
    def accept_promise(self, data: st.DataObject, consents: list[str]) -> None:
        model = self.pick(data)
        if model is not None:
            self.agree(model, consents)

    def agree(self, model: TabModel, consents: list[str]) -> None:
        tab = self.town.tab(model)
        promise = tab["proposed_promise"] or tab["promise"]
        body: Json = {"promise_sha256": promise["promise_sha256"], "consents": consents}
        if "card_on_file" in consents:
            body["card_terms_sha256"] = CARD_TERMS_SHA256
        # Before it is sent: it may be carried out although the answer is lost.
        model.cap_minor = max(model.cap_minor, promise["cap_minor"])
        model.may_take |= bool({"deposit_and_fees", "automatic_charge", "capture_before_expiry"} & set(consents))
        answer = self.post(self.customer(model), model, "accept_promise", body)
        if answer and (lost := set(consents) - set(answer["promise"]["accepted"]["consents"])):
            raise Broken(f"{model.tab_id}: the consents {sorted(lost)} were given and are not recorded")

    @rule(data=st.data())
    def accept_in_person(self, data: st.DataObject) -> None:
        """The staff say that the customer agrees: never to more than the customer sealed themselves."""
        model = self.pick(data)
        if model is None:
            return
        tab = self.town.tab(model)
        promise = tab["proposed_promise"] or tab["promise"]
        body: Json = {"promise_sha256": promise["promise_sha256"], "consents": ["cap", "deposit_and_fees"]}
        model.cap_minor = max(model.cap_minor, promise["cap_minor"])
        model.may_take = True
        self.post(self.shop(model).staff, model, "accept_promise", body)

    @rule(data=st.data(), more=PRICES)
    def propose_promise(self, data: st.DataObject, more: int) -> None:
        model = self.pick(data)
        if model is not None:
            self.propose(model, more)

    def propose(self, model: TabModel, more: int) -> None:
        answer = self.post(self.shop(model).staff, model, "propose_promise", {"cap_minor": model.cap_minor + more})
        if answer and answer["promise"]["accepted"] is None:
            # Nobody has agreed to anything yet: the promise is what the business says.
            model.cap_minor = answer["promise"]["cap_minor"]

    @rule(data=st.data(), card=st.sampled_from(CARDS))
    def save_card(self, data: st.DataObject, card: str) -> None:
        model = self.pick(data)
        if model is not None:
            self.away_from_us(lambda: self.town.save_card(self.shop(model), self.person(model), card))

    @rule(data=st.data(), prices=st.lists(PRICES, min_size=1, max_size=3))
    def add_items(self, data: st.DataObject, prices: list[int]) -> None:
        model = self.pick(data)
        if model is not None:
            self.serve(model, prices)

    def serve(self, model: TabModel, prices: list[int]) -> None:
        items = [{"description": "Cut", "unit_price_minor": price} for price in prices]
        answer = self.post(self.shop(model).staff, model, "items", {"items": items})
        self.note_items(model, answer)

    @rule(data=st.data())
    def void_item(self, data: st.DataObject) -> None:
        model = self.pick(data)
        if model is None or not model.items:
            return
        item = data.draw(st.sampled_from(sorted(model.items)), label="item")
        self.note_items(model, self.post(self.shop(model).staff, model, f"items/{item}/void"))

    def note_items(self, model: TabModel, answer: Json | None) -> None:
        """What is acknowledged is what must be there; where no answer came at all, anything may be."""
        if answer is not None:
            model.items = {item["item_id"]: item["amount_minor"] for item in answer["items"]}
        elif self.journal[-1].endswith(("unavailable", "request_in_progress", "contention")):
            model.bill_changed = True

    @rule(data=st.data(), verb=st.sampled_from(["check_in", "complete", "complete", "no_show", "amend"]))
    def staff_does(self, data: st.DataObject, verb: str) -> None:
        model = self.pick(data)
        if model is not None:
            self.post(self.shop(model).staff, model, verb)

    @rule(data=st.data(), by_customer=st.booleans())
    def cancel(self, data: st.DataObject, by_customer: bool) -> None:
        model = self.pick(data)
        if model is not None:
            caller = self.customer(model) if by_customer else self.shop(model).staff
            self.post(caller, model, "cancel", {"reason": "Ill"})

    # The bill

    @rule(data=st.data(), tip=st.sampled_from([0, 0, 200]), spends=st.booleans())
    def accept_bill(self, data: st.DataObject, tip: int, spends: bool) -> None:
        model = self.pick(data)
        if model is not None:
            self.accept(model, tip, spends=spends)

    @rule(data=st.data(), percent=st.sampled_from([100, 80, 50, 0]))
    def choose_tier(self, data: st.DataObject, percent: int) -> None:
        model = self.pick(data)
        if model is not None:
            self.choose(model, percent)

    def choose(self, model: TabModel, percent: int) -> None:
        self.post(self.customer(model), model, "choose_tier", {"percent": percent})

    def accept(self, model: TabModel, tip: int, *, spends: bool = False) -> None:
        model.may_take = True
        self.post(self.customer(model), model, "accept_bill", {"tip_minor": tip} | self.credit(model, spends))

    def credit(self, model: TabModel, spends: bool) -> Json:
        """What the customer has, as far as the bill goes: whether it can be spent is for the app to say."""
        if not spends:
            return {}
        active = self.town.credit(self.person(model))["account"]["active_minor"]
        amount = min(active, self.town.tab(model)["balance_minor"])
        self.counts["credit spent"] += amount > 0
        return {"credit_minor": amount} if amount else {}

    @rule(data=st.data(), wanted=st.booleans())
    def wish_for_credit(self, data: st.DataObject, wanted: bool) -> None:
        model = self.pick(data)
        if model is not None:
            person = self.person(model)
            path = f"/v1/customers/{person.customer_id}/credits"
            headers = {"Authorization": f"Bearer {self.town.tokens[person.token]}"}
            self.stack.app.request(
                "PUT", path, {"spends_by_itself": wanted}, headers | {"Idempotency-Key": f"wish-{len(self.journal)}"}
            )
            self.journal.append(f"customer wishes {wanted}")

    @rule(data=st.data())
    def invite(self, data: st.DataObject) -> None:
        """One customer of a shop invites the other, where they may."""
        model = self.pick(data)
        if model is None:
            return
        person, friend = self.person(model), self.shop(model).people[1 - model.customer]
        made = self.town.send(person.token, f"/customers/{person.customer_id}/invitation", {})
        if made.status == 200:
            code = made.body["invitation"]["code"]
            self.town.send(friend.token, f"/customers/{friend.customer_id}/invited", {"code": code})

    @rule(data=st.data(), by_customer=st.booleans())
    def charge_saved_card(self, data: st.DataObject, by_customer: bool) -> None:
        model = self.pick(data)
        if model is not None:
            model.may_take |= by_customer
            caller = self.customer(model) if by_customer else self.shop(model).staff
            self.post(caller, model, "charges", {"mode": "off_session"})

    @rule(data=st.data(), card=st.sampled_from(PHONE_CARDS), goes_on=st.booleans(), spends=st.booleans())
    def pay_on_phone(self, data: st.DataObject, card: str, goes_on: bool, spends: bool) -> None:
        model = self.pick(data)
        if model is not None:
            self.pay(model, card if goes_on else None, spends=spends)

    def pay(self, model: TabModel, card: str | None, *, spends: bool = False) -> None:
        """Without a card the customer goes away from the payment."""
        model.may_take = True
        body = {"mode": "on_session"} | self.credit(model, spends)
        answer = self.post(self.customer(model), model, "charges", body)
        if answer and card:
            self.confirm(answer["payment"], card)

    @rule(
        data=st.data(),
        way=st.sampled_from([{"equally": 3}, {"equally": 2, "return_after_s": 900}, {"amounts_minor": [500, 300]}]),
    )
    def split(self, data: st.DataObject, way: Json) -> None:
        model = self.pick(data)
        if model is not None:
            self.split_bill(model, way)

    def split_bill(self, model: TabModel, way: Json) -> None:
        if answer := self.post(self.customer(model), model, "split", way):
            self.counts["splits"] += 1
            self.town.split(model, answer)

    @rule(data=st.data())
    def unsplit(self, data: st.DataObject) -> None:
        model = self.pick(data)
        if model is not None:
            self.post(self.customer(model), model, "unsplit")

    @rule(data=st.data(), tip=st.integers(1, 500), card=st.sampled_from(PHONE_CARDS))
    def tip(self, data: st.DataObject, tip: int, card: str) -> None:
        model = self.pick(data)
        if model is None:
            return
        model.may_take = True
        answer = self.post(self.customer(model), model, "tip", {"tip_minor": tip})
        if answer:
            self.confirm(answer["payment"], card)

    @rule(data=st.data(), card=st.sampled_from(PHONE_CARDS))
    def confirm_what_waits(self, data: st.DataObject, card: str) -> None:
        """A deposit's hold, or a payment that the customer went away from."""
        model = self.pick(data)
        if model is not None:
            self.confirm_waiting(model, card)

    def confirm_waiting(self, model: TabModel, card: str) -> None:
        payment = self.town.get(self.customer(model), f"/tabs/{model.tab_id}").body["payment"]
        model.may_take |= bool(payment and payment["operation"] == "charge")
        self.confirm(payment, card)

    def confirm(self, payment: Json | None, card: str) -> None:
        if payment and payment["client_secret"]:
            self.away_from_us(lambda: self.town.phone.pay(payment, card))

    def away_from_us(self, act: Callable[[], Any]) -> None:
        """Phone and dashboard talk to Stripe themselves: they may be declined, refused, or not reach it."""
        try:
            act()
        except (CardDeclined, HttpError, ConnectionError, TimeoutError) as failed:
            self.journal.append(f"not done: {type(failed).__name__} {str(failed)[:120]}")

    @rule(data=st.data(), percent=st.sampled_from([80, 50, 0]))
    def contest_the_outcome(self, data: st.DataObject, percent: int) -> None:
        model = self.pick(data)
        if model is not None:
            self.post(self.customer(model), model, "contest", {"reason": "It was late", "tier_percent": percent})

    @rule(data=st.data(), verb=st.sampled_from(["contest", "waive", "refunds", "write_off"]))
    def say_why(self, data: st.DataObject, verb: str) -> None:
        model = self.pick(data)
        if model is not None:
            caller = {"contest": self.customer(model), "write_off": self.shop(model).owner}
            self.post(caller.get(verb, self.shop(model).staff), model, verb, {"reason": "Not as agreed"})

    @rule(
        data=st.data(),
        by=PRICES,
        verb=st.sampled_from(["adjust", "refunds", "cash", "return_cash", "uphold", "lower", "waive"]),
    )
    def amount(self, data: st.DataObject, by: int, verb: str) -> None:
        model = self.pick(data)
        if model is None:
            return
        staff = self.shop(model).staff
        match verb:
            case "adjust":
                self.post(staff, model, "adjust", {"reduction_minor": by, "reason": "Spilt"})
            case "refunds":
                self.post(staff, model, "refunds", {"amount_minor": by, "reason": "Sorry"})
            case "cash" | "return_cash":
                self.post(staff, model, verb, {"amount_minor": by})
            case "lower":
                body = {"resolution": "adjust", "reduction_minor": by, "reason": "Right"}
                self.post(staff, model, "resolve", body)
            case "uphold" | "waive":
                self.post(staff, model, "resolve", {"resolution": verb, "reason": "Seen to"})

    @rule(data=st.data(), amount=st.integers(100, 4_000), card=st.sampled_from(PHONE_CARDS))
    def what_a_screen_offers(self, data: st.DataObject, amount: int, card: str) -> None:
        """One of the tab's allowed actions, whoever's: most walks would else knock at closed doors all day."""
        model = self.pick(data)
        if model is None:
            return
        for caller in (self.customer(model), self.shop(model).owner):
            offered = self.town.get(caller, f"/tabs/{model.tab_id}").body["allowed_actions"]
            if offered:
                self.take(model, caller, data.draw(st.sampled_from(sorted(offered)), label="offer"), amount, card)

    def take(self, model: TabModel, caller: str, action: str, amount: int, card: str) -> None:
        why = {"reason": "Not as agreed"}
        bodies: dict[str, tuple[str, Json]] = {
            "contest": ("contest", why),
            "resolve": ("resolve", {**why, "resolution": "adjust", "reduction_minor": amount}),
            "adjust": ("adjust", {**why, "reduction_minor": amount}),
            "refund": ("refunds", {**why, "amount_minor": amount}),
            "take_cash": ("cash", {"amount_minor": amount}),
            "return_cash": ("return_cash", {"amount_minor": amount}),
            "charge_saved_card": ("charges", {"mode": "off_session"}),
            "cancel": ("cancel", why),
            "waive": ("waive", why),
            "reschedule": ("reschedule", {"starts_at": iso(self.stack.now() + timedelta(minutes=amount))}),
            "write_off": ("write_off", why),
            "pause_followup": ("pause_followup", why),
            "resume_followup": ("resume_followup", {}),
            "send_reminder": ("send_reminder", {}),
            "refund_elsewhere": ("refund_elsewhere", {"amount_minor": 1, "how": "cash", "reference": "receipt 7"}),
            "resolve_flag": ("resolve_flag", {"flag_id": self.resolvable(model), "note": "seen to"}),
        }
        match action:
            case "accept_promise" if caller == self.customer(model):
                self.agree(model, ALL_CONSENTS)
            case "save_card":
                self.away_from_us(lambda: self.town.save_card(self.shop(model), self.person(model), card, model.tab_id))
            case "propose_promise":
                self.propose(model, amount)
            case "add_items":
                self.serve(model, [amount])
            case "accept_bill":
                self.accept(model, 0)
            case "choose_tier":
                self.choose(model, (100, 80, 50, 0)[amount % 4])
            case "pay_on_phone" | "tip":
                model.may_take = True
                path = ("tip", {"tip_minor": amount}) if action == "tip" else ("charges", {"mode": "on_session"})
                if answer := self.post(caller, model, *path):
                    self.confirm(answer["payment"], card)
            case "split":
                self.split_bill(model, {"equally": 2})
            case "check_in" | "complete" | "walk_out" | "no_show" | "amend" | "retry_refund" | "unsplit":
                self.post(caller, model, action)
            case _ if action in bodies:
                model.may_take |= action == "charge_saved_card" and caller == self.customer(model)
                self.post(caller, model, *bodies[action])

    def resolvable(self, model: TabModel) -> str:
        flags = self.town.get(self.shop(model).owner, f"/tabs/{model.tab_id}").body["flags"]
        return next((str(flag["flag_id"]) for flag in flags if flag["kind"] != "refund_by_hand"), "flg_none")

    # Once more, and by others

    @precondition(lambda self: self.town.said)
    @rule(data=st.data())
    def repeat(self, data: st.DataObject) -> None:
        self.counts["repeated"] += 1
        self.town.repeat(data.draw(st.sampled_from(self.town.said[-12:]), label="said"))

    @precondition(lambda self: self.town.said)
    @rule(data=st.data())
    def misuse(self, data: st.DataObject) -> None:
        self.town.misuse(data.draw(st.sampled_from(self.town.said[-12:]), label="said"))

    @rule(data=st.data())
    def stranger(self, data: st.DataObject) -> None:
        """Neither another shop nor another customer of the same shop learns that the tab exists."""
        model = self.pick(data)
        if model is None:
            return
        others = [self.town.shops[1 - model.shop].staff, self.shop(model).people[1 - model.customer].token]
        for other in others:
            reply = self.town.get(other, f"/tabs/{model.tab_id}")
            if reply.status != 404:
                raise Broken(f"{other} reads {model.tab_id}: {reply.status}")

    # What goes wrong

    @rule(
        kind=st.sampled_from(CALL_FAULTS),
        path=st.sampled_from(CALLS),
        count=st.integers(1, 4),
        skip=st.integers(0, 2),
    )
    def calls_fail(self, kind: str, path: str | None, count: int, skip: int) -> None:
        self.counts["faults"] += 1
        self.journal.append(f"fault {kind} {path} count {count} skip {skip}")
        body: Json = {"kind": kind, "count": count, "skip": skip, "method": "POST"}
        self.town.control("/faults", body | ({"path": path} if path else {}))

    @rule(kind=st.sampled_from(HOOK_FAULTS), count=st.integers(1, 4))
    def webhooks_go_astray(self, kind: str, count: int) -> None:
        self.counts["faults"] += 1
        self.journal.append(f"fault {kind} count {count}")
        # Refunds' ends and disputes are told by webhook alone, which Stripe repeats for days: late, never lost.
        path = {"path": "payment_intent."} if kind == "webhook_lose" else {}
        self.town.control("/faults", {"kind": kind, "count": count, "seconds": 0.3, **path})

    @rule(data=st.data())
    def delivered_again(self, data: st.DataObject) -> None:
        events = self.town.recent_events()
        if events:
            self.counts["resent"] += 1
            self.town.control("/webhooks/resend", {"event": data.draw(st.sampled_from(events), label="event")})

    # In the dashboard, at the bank and in the dashboard

    @rule(data=st.data(), what=st.sampled_from(["dispute", "dispute", "inquiry", "refund", "cancel", "capture"]))
    def past_us(self, data: st.DataObject, what: str) -> None:
        model = self.pick(data)
        intents = self.town.payments(model) if model else []
        if not intents:
            return
        intent = data.draw(st.sampled_from(intents), label="intent")
        self.journal.append(f"past us: {what} {intent['id']} {intent['status']}")
        # Somebody takes a hold by hand: the business has, so the customer's agreement is not ours to judge.
        model.may_take |= what == "capture"
        self.away_from_us(lambda: self.do_past_us(what, intent))

    def do_past_us(self, what: str, intent: Json) -> None:
        match what:
            case "dispute":
                # A part of it: another bank's letter may come about the rest.
                amount = max(1, intent["amount_received"] // 3)
                self.town.control("/disputes", {"payment_intent": intent["id"], "amount": amount})
            case "inquiry":
                self.town.control("/disputes", {"payment_intent": intent["id"], "kind": "inquiry"})
            case "refund":
                self.town.at_stripe("/v1/refunds", {"payment_intent": intent["id"]})
            case "cancel":
                self.town.at_stripe(f"/v1/payment_intents/{intent['id']}/cancel", {})
            case "capture":
                self.town.at_stripe(f"/v1/payment_intents/{intent['id']}/capture", {})

    # Time

    @rule(minutes=st.sampled_from([1, 3, 10, 45, 6 * 60, 24 * 60, 3 * 24 * 60]))
    def time_passes(self, minutes: int) -> None:
        self.pass_time(minutes)

    def pass_time(self, minutes: int) -> None:
        self.counts["moves"] += 1
        self.journal.append(f"{minutes} minutes pass")
        self.stack.move_clock(self.stack.now() + timedelta(minutes=minutes))
        self.sweep()

    def sweep(self) -> None:
        self.counts["sweeps"] += 1
        swept = self.stack.control.post("/sweep")
        if swept.get("failed"):
            raise Broken(f"the schedule could not advance a tab: {swept}")

    @invariant()
    def what_was_touched_is_sound(self) -> None:
        if not hasattr(self, "town"):
            return
        for model in self.town.tabs:
            if model.touched:
                model.touched = False
                self.town.tab(model)

    def teardown(self) -> None:
        """Everything heals and the agenda has nothing left to do: then the money must be right to the last unit."""
        if not hasattr(self, "town"):
            return
        town = self.town
        self.stack.standin.checked("DELETE", "/_control/faults", None)
        for number, model in enumerate(town.tabs):
            self.finish(model, number)
        for _ in range(DRY_ROUNDS):
            self.settle_what_others_decide()
            tabs = [town.tab(model) for model in town.tabs]
            stops = [datetime.fromisoformat(tab["next_action"]["at"]) for tab in tabs if tab["next_action"]]
            if not stops:
                break
            self.stack.move_clock(max(min(stops), self.stack.now()))
            self.sweep()
        else:
            raise Broken(f"the agenda does not run dry: {[tab['next_action'] for tab in tabs]}")
        self.stack.pump()
        theirs = invariants.by_tab(*(self.stack.at_stripe(kind) for kind in ("payment_intents", "refunds", "disputes")))
        for model, tab in zip(town.tabs, tabs, strict=True):
            self.counts["tabs checked"] += 1
            self.counts[f"ends {tab['status']}/{tab['payment_state']}"] += 1
            town.audit(model, tab, theirs.get(model.tab_id, invariants.Objects()))
            shares = [tabs[town.tabs.index(share)] for share in model.shares]
            if shares and (wrong := invariants.check_split(tab, shares)):
                raise Broken("; ".join(wrong))
        town.audit_credits()
        for said in town.said[-5:]:
            town.repeat(said)

    def finish(self, model: TabModel, number: int) -> None:
        """Somebody sees to what is unfinished, but for every third tab: that one is forgotten."""
        tab, staff = self.town.tab(model), self.shop(model).staff
        if number % 3 == 2:
            return
        if "complete" in tab["allowed_actions"] and tab["total_minor"]:
            self.post(staff, model, "complete")
        elif "no_show" in tab["allowed_actions"]:
            self.post(staff, model, "no_show")
        elif tab["status"] in ("booked", "open"):
            self.post(staff if number % 3 else self.customer(model), model, "cancel", {"reason": "Ill"})

    def settle_what_others_decide(self) -> None:
        """Banks decide disputes and end refunds, and every webhook arrives."""
        self.town.settle_disputes_and_refunds()
        self.stack.standin.post("/_control/webhooks/retry")
        self.stack.drain()
