"""The app on a store with the Stripe stand-in in the same process, its people, phones, webhooks and clock.

The adapter for Stripe is the real one, and so is the SDK: only the socket between them and the stand-in is missing.
"""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from itertools import count
from math import ceil
from typing import Any
from urllib.parse import urlencode

import stripe
from msgspec.structs import replace

from chalicelib.adapters.addresses import LibraryAddresses
from chalicelib.adapters.memory_queues import MemoryQueues
from chalicelib.adapters.stripe.calls import stripe_client
from chalicelib.adapters.stripe.gateway import StripeGateway
from chalicelib.domain.errors import DomainError
from chalicelib.domain.news.message import Message, Recipient
from chalicelib.domain.news.table import TELLS_THE_BILL, messages_of
from chalicelib.domain.tab.actor import Actor, Role
from chalicelib.domain.tab.attempt import Attempt, Operation
from chalicelib.domain.tab.commands.sharing import Parts
from chalicelib.domain.tab.policy import Policy
from chalicelib.domain.tab.share import USUAL_TIME
from chalicelib.domain.tab.tab import Tab
from chalicelib.handlers.api.render import waiting_payment
from chalicelib.ports.deps import Deps
from chalicelib.ports.gateway import GatewayUnavailable
from chalicelib.ports.store import StoreUnavailable, TabStore
from chalicelib.usecases.news.take_event import NotYetKnown, take_event
from chalicelib.usecases.parties.customers import create_customer
from chalicelib.usecases.parties.merchants import NewMerchant, create_merchant
from chalicelib.usecases.tab.bill import note_bill_told
from chalicelib.usecases.tab.requests import Answer, Request
from chalicelib.usecases.tab.split import NewShare, split_bill
from devstack.acknowledged import Acknowledged
from devstack.invariants import Objects, by_tab
from devstack.stack import EVENTS
from devstack.stripe_standin import checkout, customers, disputes, payment_intents, payment_methods, refunds
from devstack.stripe_standin.errors import StripeError
from devstack.stripe_standin.events import EventRow, encode
from devstack.stripe_standin.standin import StandIn
from devstack.stripe_standin.store import PLATFORM, Namespace
from devstack.stripe_standin.webhooks import sign
from tests import views
from tests.channels import BareWords, Mails, Texts
from tests.deliveries import deliveries_beside
from tests.faults.matrix.table import ON_PAGE, Cell, Order
from tests.faults.matrix.traps import STRIPE, Call, Died, InProcess, Lane, Trap, TrappedStore, call
from tests.notices import Receivers, notices_beside
from tests.people import links_beside, people_beside
from tests.schedule import run_schedule
from tests.visits import visits_beside

START = 1_767_603_600
"""Monday, 2026-01-05T09:00:00Z: in nobody's quiet hours."""
SECRET_KEY = "sk_test_matrix"
PUBLISHABLE_KEY = "pk_test_matrix"
WEBHOOK_SECRET = "whsec_matrix"
BACK = "https://salon.example/paid"
CLIENT_WAITS = timedelta(seconds=40)
"""How long a client waits before it sends a request again that was not answered."""
TURNED_AWAY_AT_MOST = 5

NOT_NOW = (StoreUnavailable, GatewayUnavailable, DomainError)


class Ids:
    """Of one cell: two cells may share a table."""

    def __init__(self, cell: Cell) -> None:
        self._cell = f"{zlib.crc32(cell.name.encode()):08x}"
        self._numbers = count(1)

    def new(self, prefix: str) -> str:
        return f"{prefix}_{self._cell}{next(self._numbers):04}"


@dataclass(frozen=True, slots=True)
class StandInClock:
    standin: StandIn

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.standin.world.clock.now(), UTC)


@dataclass
class Deliveries:
    """What became of the webhooks since the trap was armed."""

    waiting: list[bytes] = field(default_factory=list)
    before_an_answer: int = 0
    twice: int = 0
    withheld: int = 0
    turned_round: int = 0
    foreign: int = 0


class World:
    """One merchant, one customer, one tab."""

    def __init__(self, store: TabStore, cell: Cell, operation: Operation, entry: str | None = None) -> None:
        self.cell = cell
        self.standin = StandIn(start=START, seed=zlib.crc32(cell.name.encode()))
        self.standin.events.listeners.append(self._hear)
        self.clock = StandInClock(self.standin)
        self.trap = Trap(cell, operation, self.clock.now, entry)
        self.names_payments = zlib.crc32(cell.name.encode()) % 2 == 0
        self.store = store
        self.ids = Ids(cell)
        self.told = Acknowledged()
        self.deliveries = Deliveries()
        self.paid_on_phone: set[str] = set()
        self._payment_news: dict[str, Any] = {}
        self._lanes: dict[Lane, Deps] = {}
        self._keys = count(1)
        self.tab_id = ""
        self.bill_id = ""

    def open_shop(self, **policy: Any) -> None:
        operator = Actor(subject=f"root-{self.ids.new('usr')}", role=Role.OPERATOR)
        new = NewMerchant(name="Salon", currency="EUR", settlement_currency="EUR", policy=Policy(**policy))
        merchant = create_merchant(self.deps(Lane.REQUEST), new, request=self.request(operator))
        self.merchant_id = merchant.merchant_id
        self.staff = Actor(subject="sam", role=Role.STAFF, merchant_id=self.merchant_id)
        self.owner = Actor(subject="olga", role=Role.OWNER, merchant_id=self.merchant_id)
        customer = create_customer(self.deps(Lane.REQUEST), "Ada", request=self.request(self.staff))
        self.customer_id = customer.customer_id
        self.ada = Actor(subject="ada", role=Role.CUSTOMER, merchant_id=self.merchant_id, customer_id=self.customer_id)

    # Processes

    def deps(self, lane: Lane) -> Deps:
        """What a process of this lane has; a new one where the last has died."""
        if lane not in self._lanes:
            self._lanes[lane] = Deps(
                store=TrappedStore(self.store, self.trap, lane),  # type: ignore[arg-type]
                people=people_beside(self.store),
                deliveries=deliveries_beside(self.store),
                notices=notices_beside(self.store),
                links=links_beside(self.store),
                visits=visits_beside(self.store),
                addresses=LibraryAddresses(),
                gateway=self._gateway(lane),
                clock=self.clock,
                ids=self.ids,
                queues=MemoryQueues(self.clock),
                mailer=Mails(),
                texter=Texts(),
                words=BareWords(),
                webhooks=Receivers(),
            )
        return self._lanes[lane]

    def _gateway(self, lane: Lane) -> StripeGateway:
        return self._gateway_over(InProcess(self.standin, self.trap, lane, self._after_call))

    def _untrapped_gateway(self) -> StripeGateway:
        trap = Trap(self.cell, self.trap.operation, self.clock.now)
        return self._gateway_over(InProcess(self.standin, trap, Lane.WEBHOOK, lambda: None))

    def _gateway_over(self, http: InProcess) -> StripeGateway:
        return StripeGateway(
            stripe_client(SECRET_KEY, STRIPE, http=http),
            stage="dev",
            webhook_secrets=lambda: [WEBHOOK_SECRET],
            publishable_key=PUBLISHABLE_KEY,
        )

    # Requests

    def request(self, by: Actor, key: str | None = None) -> Request:
        key = key or f"key-{next(self._keys)}"
        return Request(
            by=by,
            record_id=f"{by.merchant_id}/{by.subject}/{key}",
            request_sha256=key,
            return_url=BACK if self.cell.use in ON_PAGE else None,
        )

    def do(self, use_case: Callable[..., Answer], *given: Any, by: Actor) -> Answer:
        """A request of the story's preparation, which goes well."""
        answer = use_case(self.deps(Lane.REQUEST), self.tab_id, *given, request=self.request(by))
        self._note(answer)
        return answer

    def send(self, act: Callable[[Deps, Request], Answer], request: Request) -> Answer | None:
        """A request that may go wrong: its answer, or None if there is none or one that says to try again."""
        try:
            answer = act(self.deps(Lane.REQUEST), request)
        except Died:
            self._lanes.pop(Lane.REQUEST, None)
            return None
        except NOT_NOW:
            return None
        self._note(answer, request.record_id)
        return answer

    # A split bill

    def split(self, parts: Parts) -> None:
        """The host splits the bill."""
        self.splitting(parts)(self.deps(Lane.REQUEST), self.request(self.ada))

    def splitting(self, parts: Parts) -> Callable[[Deps, Request], Answer]:
        """A request that does so; sent again, it is answered with the same shares and links."""
        self.bill_id = bill_id = self.tab_id
        links: set[tuple[NewShare, ...]] = set()

        def split(deps: Deps, request: Request) -> Answer:
            made = split_bill(deps, bill_id, parts, USUAL_TIME, credential="Ada's", request=request)
            links.add(made.shares)
            assert len(links) == 1, "one request was answered with different shares"
            return Answer(tab=made.tab, replayed=made.replayed)

        return split

    def show_share(self, number: int) -> None:
        """The story goes on with this share, and with whoever has its link."""
        share = self.store.get_tab(self.merchant_id, self.tab.shares[number].tab_id)
        self.tab_id, self.customer_id = share.tab_id, share.customer_id
        self.ada = Actor(
            subject=share.links[0].link_id,
            role=Role.GUEST,
            merchant_id=self.merchant_id,
            customer_id=share.customer_id,
            tab_id=share.tab_id,
            scope=share.links[0].scope,
        )

    def family(self) -> list[Tab]:
        """The bill that was split and its shares; empty where none was."""
        if not self.bill_id:
            return []
        bill = self.store.get_tab(self.merchant_id, self.bill_id)
        return [bill, *(self.store.get_tab(self.merchant_id, share.tab_id) for share in bill.shares)]

    def _note(self, answer: Answer, key: str = "") -> None:
        self.told.note(views.shown(answer.tab, self.clock.now(), answer.attempt), key=key)

    # News

    @property
    def messages(self) -> list[Message]:
        """What is told because of the tab's entries."""
        entries = self.store.list_entries(self.merchant_id, self.tab_id, limit=1000, cursor=None).items
        return [
            message
            for entry in entries
            for message in messages_of(self.merchant_id, self.customer_id, self.tab_id, entry)
        ]

    def tell_of_bill(self) -> None:
        """The post has handed over what tells of the bill; no fault meets it here."""
        if self.tab_id and self.tab.untold_bill is not None:
            deps = replace(self.deps(Lane.WEBHOOK), store=self.store, gateway=self._untrapped_gateway())
            [*_, told] = [m for m in self.messages if m.to == Recipient.CUSTOMER and m.kind in TELLS_THE_BILL]
            note_bill_told(deps, told, "email")

    # Time

    def move_to(self, at: datetime) -> None:
        self.tell_of_bill()
        if at > self.clock.now():
            self.standin.move_clock(ceil(at.timestamp()))
        self.deliver()

    def settle(self) -> None:
        """What is still under way goes through, and the last news arrives, however often it was turned away."""
        self._go_through(self.trap.take_under_way())
        for _ in range(TURNED_AWAY_AT_MOST):
            self.deliver(at_last=True)
            if not self.deliveries.waiting:
                return
            self.move_to(self.clock.now() + timedelta(minutes=1))
        raise AssertionError(f"{len(self.deliveries.waiting)} webhooks are not taken")

    def sweep(self) -> None:
        """The schedule runs. What a dead process left under way goes through only afterwards: it asks too early."""
        late = self.trap.take_under_way()
        try:
            run_schedule(self.deps(Lane.SWEEP))
        except Died:
            self._lanes.pop(Lane.SWEEP, None)
        self._go_through(late)
        self.deliver()

    def _go_through(self, calls: list[Call]) -> None:
        for sent in calls:
            call(self.standin, sent)

    # Webhooks

    def _hear(self, account: Namespace, event: EventRow, row: Any, snapshot: bytes) -> None:
        if event.type in EVENTS:
            body = encode(self.standin.events.render(account, event, snapshot))
            self.deliveries.waiting.append(self._without_payment(body))

    def _without_payment(self, body: bytes) -> bytes:
        """In every other world a refund or dispute names its charge only: Stripe may leave its payment null."""
        event = json.loads(body)
        told = event["data"]["object"]
        if not self.names_payments and told["object"] in ("refund", "dispute"):
            told["payment_intent"] = None
            return json.dumps(event).encode()
        return body

    def _after_call(self) -> None:
        """Between Stripe's doing something and our hearing of it: others tell of a payment with our metadata."""
        if self.trap.armed:
            self._hear_foreign_news()
        if self.trap.armed and self.cell.order == Order.BEFORE:
            self.deliveries.before_an_answer += len(self.deliveries.waiting)
            self._deliver_all()

    def _hear_foreign_news(self) -> None:
        """What has happened to our payments, as if to others: in another account, in another mode."""
        about_payments = [body for body in self.deliveries.waiting if b'"object":"payment_intent"' in body]
        if about_payments:
            self._payment_news = json.loads(about_payments[0])
            self._hear_foreign(account="acct_other")
            self._hear_foreign(livemode=True)

    def hear_of_yen(self) -> None:
        """When all is settled: somebody pays in another currency, with our metadata."""
        if self._payment_news:
            made = self._payment_news["data"]["object"]
            self._hear_foreign(data={"object": {**made, "currency": "jpy"}})

    def _hear_foreign(self, **changed: Any) -> None:
        event: dict[str, Any] = deepcopy({**self._payment_news, **changed})
        event["id"] = f"evt_foreign{self.deliveries.foreign}"
        event["data"]["object"]["id"] = f"pi_foreign{self.deliveries.foreign}"
        self.deliveries.foreign += 1
        body = json.dumps(event).encode()
        deps = replace(self.deps(Lane.WEBHOOK), store=self.store, gateway=self._untrapped_gateway())
        take_event(deps, body, sign(WEBHOOK_SECRET, body, int(time.time())))

    def deliver(self, *, at_last: bool = False) -> None:
        """What has happened is told, as the cell's order has it; what was not taken is told again the next time."""
        waiting, order = self.deliveries.waiting, self.cell.order
        if not self.trap.armed:
            if order != Order.REORDERED:
                self._deliver_all()
        elif order == Order.NEVER:
            self.deliveries.withheld += len(waiting)
            waiting.clear()
        elif order == Order.REORDERED:
            if len(waiting) > 1 or at_last:
                self.deliveries.turned_round += len(waiting) > 1
                waiting.reverse()
                self._deliver_all()
        else:
            self._deliver_all()

    def deliver_now(self) -> None:
        """Part of a story's preparation, which could not go on without."""
        self._deliver_all()

    def _deliver_all(self) -> None:
        """Each until it is taken, or once where it is not."""
        left: list[bytes] = []
        while self.deliveries.waiting:
            event = self.deliveries.waiting.pop(0)
            if not self._is_taken(event):
                left.append(event)
            elif self.trap.armed and self.cell.order == Order.TWICE:
                self.deliveries.twice += self._is_taken(event)
        self.deliveries.waiting.extend(left)

    def _is_taken(self, body: bytes) -> bool:
        try:
            with self.trap.while_handling_webhook(self.standin):
                take_event(self.deps(Lane.WEBHOOK), body, sign(WEBHOOK_SECRET, body, int(time.time())))
        except Died:
            self._lanes.pop(Lane.WEBHOOK, None)
            return False
        except (NotYetKnown, *NOT_NOW):
            return False
        return True

    # The bank

    def dispute(self) -> None:
        """The customer's bank disputes the last payment, and asks for evidence."""
        platform = self.standin.world.accounts[PLATFORM]
        charge = platform.find("charge", platform.get("payment_intent", self.tab.legs[-1].payment_id).latest_charge)
        disputes.open_dispute(self.standin.call(platform), charge, "fraudulent")
        self.standin.commit()
        self.deliver_now()

    def lose(self, amount_minor: int) -> None:
        """The customer's bank disputes a part of the last payment, and keeps it."""
        platform = self.standin.world.accounts[PLATFORM]
        charge = platform.find("charge", platform.get("payment_intent", self.tab.legs[-1].payment_id).latest_charge)
        call = self.standin.call(platform)
        disputes.close(call, disputes.open_dispute(call, charge, "fraudulent", amount=amount_minor), "lost")
        self.standin.commit()
        self.deliver_now()

    def delete_customer(self) -> None:
        """In the dashboard; the news of it is lost."""
        platform = self.standin.world.accounts[PLATFORM]
        customer = self.store.get_customer(self.merchant_id, self.customer_id)
        customers.delete(self.standin.call(platform), {}, str(customer.customer_ref))
        self.standin.commit()
        self.deliveries.waiting.clear()

    def detach_card(self) -> None:
        """In the dashboard; the news of it is lost."""
        platform = self.standin.world.accounts[PLATFORM]
        customer = self.store.get_customer(self.merchant_id, self.customer_id)
        assert customer.card is not None
        call = self.standin.call(platform)
        payment_methods.detach(call, {}, customer.card.card_id)
        self.standin.commit()
        self.deliveries.waiting.clear()

    def refunds_fail(self) -> None:
        """The bank sends them back."""
        platform = self.standin.world.accounts[PLATFORM]
        for refund_id in [row.id for row in platform.of["refund"].oldest_first()]:
            refunds.fail(self.standin.call(platform), refund_id)
        self.standin.commit()
        self.deliver_now()

    # The phone

    def waiting(self) -> Attempt | None:
        """What the app shows the customer as theirs to confirm."""
        attempt = waiting_payment(self.tab)
        return attempt if attempt is not None and (attempt.client_secret or attempt.page_url) else None

    def confirm(self, attempt: Attempt, card: str, *, authenticates: bool = True) -> str:
        """The payment's status at Stripe once the customer has confirmed it; `declined`; `gone` where it was closed."""
        if attempt.is_on_page:
            return self._use_page(attempt, card, authenticates=authenticates)
        status, body = self._post(
            f"/v1/payment_intents/{attempt.payment_id}/confirm",
            client_secret=attempt.client_secret or "",
            payment_method=card,
        )
        if status == HTTPStatus.PAYMENT_REQUIRED:
            return "declined"
        if status == HTTPStatus.BAD_REQUEST and body["error"]["code"] == "payment_intent_unexpected_state":
            return "gone"
        assert status == HTTPStatus.OK, body
        return self._answer_bank(body["id"], authenticates=authenticates)

    def _use_page(self, attempt: Attempt, card: str, *, authenticates: bool) -> str:
        """The same on Stripe's page."""
        platform = self.standin.world.accounts[PLATFORM]
        session = platform.get("checkout.session", str(attempt.page_id))
        if session.status != "open":
            return "gone"
        try:
            checkout.pay(self.standin.call(platform), session, {"payment_method": card}, email=None, name=None)
        except StripeError:
            return "declined"
        finally:
            self.standin.commit()
        return self._answer_bank(session.payment_intent, authenticates=authenticates)

    def _answer_bank(self, payment_id: str, *, authenticates: bool) -> str:
        platform = self.standin.world.accounts[PLATFORM]
        intent = platform.get("payment_intent", payment_id)
        if intent.status == "requires_action":
            payment_intents.authenticate(self.standin.call(platform), intent, succeeds=authenticates)
        return str(intent.status)

    def save_card(self, card: str = "pm_card_visa") -> None:
        """The customer saves a card, as the app asks them to when they have agreed to that."""
        customer = self.store.get_customer(self.merchant_id, self.customer_id)
        gateway = self.deps(Lane.REQUEST).gateway
        setup = gateway.add_card_setup(None, customer, self.tab_id, key=self.ids.new("key"))
        _, body = self._post(
            f"/v1/setup_intents/{setup.setup_id}/confirm", client_secret=setup.client_secret, payment_method=card
        )
        assert body["status"] == "succeeded", body
        self.deliver_now()

    def _post(self, path: str, **fields: str) -> tuple[int, dict[str, Any]]:
        headers = {"Authorization": f"Bearer {PUBLISHABLE_KEY}"}
        reply = call(self.standin, Call("POST", path, "", headers, urlencode(fields)))
        assert reply is not None, "no fault is for the phone"
        return reply.status, json.loads(reply.body)

    # Reading

    def credit_minor(self) -> int:
        """What the customer has of credit, pending included."""
        account = self.store.find_credit_account(self.merchant_id, self.customer_id)
        return account.balance_minor if account else 0

    @property
    def tab(self) -> Tab:
        return self.store.get_tab(self.merchant_id, self.tab_id)

    def in_(self, **ahead: float) -> datetime:
        return self.clock.now() + timedelta(**ahead)

    def objects(self) -> Objects:
        platform = self.standin.world.accounts[PLATFORM].of
        kinds = ("payment_intent", "refund", "dispute")
        shown = ([stripe_json(row) for row in platform[kind].oldest_first()] for kind in kinds)
        return by_tab(*shown).get(self.tab_id, Objects())

    def answers_at_stripe(self) -> dict[str, int]:
        """By dispute, how often evidence was submitted."""
        disputed = self.standin.world.accounts[PLATFORM].of["dispute"].oldest_first()
        return {row.id: row.evidence_details.submission_count for row in disputed}


def stripe_json(row: Any) -> dict[str, Any]:
    """An object of the stand-in's as it goes over the wire."""
    shown: dict[str, Any] = json.loads(encode(row))
    return shown


@contextmanager
def impatient_sdk() -> Iterator[None]:
    """The SDK waits half a second between its tries; here nothing is gained by it."""
    before = stripe.HTTPClient.INITIAL_DELAY
    stripe.HTTPClient.INITIAL_DELAY = 0
    try:
        yield
    finally:
        stripe.HTTPClient.INITIAL_DELAY = before
