"""A shop on fakes: store in memory, gateway with faults, a clock moved by hand, and a method for each request."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from msgspec.structs import replace

from chalicelib.adapters.addresses import LibraryAddresses
from chalicelib.adapters.memory_queues import MemoryQueues
from chalicelib.adapters.memory_store import MemoryStore
from chalicelib.domain.books.ledger import Account
from chalicelib.domain.contact import Contact
from chalicelib.domain.news.message import Message, MessageKind
from chalicelib.domain.tab.actor import Actor, Role
from chalicelib.domain.tab.attempt import Attempt, Operation
from chalicelib.domain.tab.commands.bill import ItemInput
from chalicelib.domain.tab.commands.booking import Terms
from chalicelib.domain.tab.link import Scope
from chalicelib.domain.tab.payments import Card
from chalicelib.domain.tab.policy import Policy
from chalicelib.domain.tab.promise import Consent
from chalicelib.domain.tab.tab import Tab
from chalicelib.ports.deps import Deps
from chalicelib.usecases.news.take_event import take_event
from chalicelib.usecases.parties.customers import create_customer
from chalicelib.usecases.parties.merchants import NewMerchant, create_merchant
from chalicelib.usecases.tab.bill import accept_bill, add_items, complete_service
from chalicelib.usecases.tab.booking import Agreement, accept_promise, open_tab
from chalicelib.usecases.tab.requests import Answer, Request
from devstack.invariants import check_books, check_claims, check_credits, check_everything, check_tab
from tests import views
from tests.channels import BareWords, Mails, Texts
from tests.deliveries import deliveries_beside
from tests.news import Pump, messages_of_all
from tests.notices import Receivers, notices_beside
from tests.people import links_beside, people_beside
from tests.schedule import Ran, run_schedule
from tests.usecases.fake_gateway import SIGNATURE, Crash, FakeGateway
from tests.visits import visits_beside

ADA, OLGA = "ada@example.com", "olga@example.com"
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
WITHOUT_CARD = (Consent.CAP, Consent.DEPOSIT_AND_FEES)
WITH_CARD = (*WITHOUT_CARD, Consent.CARD_ON_FILE)
EVERYTHING = (*WITH_CARD, Consent.AUTOMATIC_CHARGE, Consent.CAPTURE_BEFORE_EXPIRY)


def agreement_to(tab: Tab, consents: tuple[Consent, ...]) -> Agreement:
    """Yes to what is proposed, or else to the first promise."""
    return Agreement(
        promise_sha256=(tab.proposed or tab.promise).sha256,
        consents=consents,
        card_terms_sha256="0" * 64 if Consent.CARD_ON_FILE in consents else None,
        ip="192.0.2.1",
        user_agent="phone",
    )


def payer_of(share: Tab) -> Actor:
    """Whoever has the link of a share."""
    return Actor(
        subject=share.links[0].link_id,
        role=Role.GUEST,
        merchant_id=share.merchant_id,
        customer_id=share.customer_id,
        tab_id=share.tab_id,
        scope=Scope.FULL,
    )


class Clock:
    def __init__(self) -> None:
        self.instant = NOON

    def now(self) -> datetime:
        return self.instant


class Ids:
    def __init__(self) -> None:
        self._numbers = count(1)

    def new(self, prefix: str) -> str:
        return f"{prefix}_{next(self._numbers)}"

    def new_secret(self) -> str:
        return f"SECRET{next(self._numbers):020}"

    def new_signing_key(self) -> bytes:
        return next(self._numbers).to_bytes(32, "big")


class Shop:
    """A merchant in Vienna with a customer, Ada, who has a card on file.

    `account`: its connected account. `store`: another one than that in memory.
    """

    def __init__(self, policy: Policy | None = None, *, account: str | None = None, store: Any = None) -> None:
        self.clock = Clock()
        self.gateway = FakeGateway(self.clock.now, account)
        self.store: MemoryStore = MemoryStore() if store is None else store
        self.queues = MemoryQueues(self.clock)
        self.mails, self.texts = Mails(), Texts()
        self.deps = Deps(
            store=self.store,
            people=people_beside(self.store),
            deliveries=deliveries_beside(self.store),
            notices=notices_beside(self.store),
            links=links_beside(self.store),
            visits=visits_beside(self.store),
            addresses=LibraryAddresses(),
            gateway=self.gateway,
            clock=self.clock,
            ids=Ids(),
            queues=self.queues,
            mailer=self.mails,
            texter=self.texts,
            words=BareWords(),
            webhooks=Receivers(),
            api_url="https://api.example.com",
        )
        self.pump = Pump(self.deps)
        self._keys = count(1)
        operator = Actor(subject="root", role=Role.OPERATOR)
        new = NewMerchant(
            name="Salon", currency="EUR", settlement_currency="EUR", account=account, policy=policy or Policy()
        )
        merchant = create_merchant(self.deps, new, request=self.request(operator))
        self.merchant_id = merchant.merchant_id
        self.staff = Actor(subject="sam", role=Role.STAFF, merchant_id=self.merchant_id)
        self.owner = Actor(subject="olga", role=Role.OWNER, merchant_id=self.merchant_id)
        customer = create_customer(self.deps, "Ada", request=self.request(self.staff))
        self.customer_id = customer.customer_id
        self.ada = Actor(subject="ada", role=Role.CUSTOMER, merchant_id=self.merchant_id, customer_id=self.customer_id)
        self.card = Card(card_id="pm_1", brand="visa", last4="4242", saved_at=NOON)
        self.store.update_customer(replace(customer, card=self.card, version=2))
        self.gateway.attached_cards.append(self.card.card_id)
        self.tab_id = ""

    def request(self, by: Actor, *, key: str | None = None, body: str = "", version: int | None = None) -> Request:
        key = key or f"key-{next(self._keys)}"
        return Request(by=by, record_id=f"{by.subject}/{key}", request_sha256=body or key, expected_version=version)

    # What is told

    def give_addresses(self) -> None:
        """Ada has an e-mail address, and so has the owner, Olga."""
        contact = Contact(
            merchant_id=self.merchant_id, customer_id=self.customer_id, name="Ada", email=ADA, updated_at=NOON
        )
        self.deps.people.put_contact(contact, None)
        merchant = self.store.get_merchant(self.merchant_id)
        self.store.update_merchant(replace(merchant, notify_email=OLGA, version=merchant.version + 1))

    @property
    def messages(self) -> list[Message]:
        """What is told because of everything that was committed so far."""
        return messages_of_all(self.store)

    @property
    def told(self) -> list[MessageKind]:
        return [message.kind for message in self.messages]

    # Time and webhooks

    def wait(self, **by: float) -> Ran:
        """Let the post arrive, move time, and run the schedule."""
        self.pump.run()
        self.clock.instant += timedelta(**by)
        ran = run_schedule(self.deps)
        self.pump.run()
        return ran

    def sweep_until_quiet(self, limit: int = 60) -> None:
        """Run the schedule at each time for which something is planned."""
        for _ in range(limit):
            self.pump.run()
            at = self.tab.next_action_at
            if at is None:
                return
            self.clock.instant = max(self.clock.instant, at)
            run_schedule(self.deps)
        raise AssertionError(f"the tab does not come to rest: {self.tab}")

    def deliver(self, event_id: str | None = None) -> str:
        """Deliver one webhook: this one, or the oldest undelivered one."""
        if event_id is None:
            event_id = self.gateway.undelivered.pop(0)
        return take_event(self.deps, json.dumps({"id": event_id}).encode(), SIGNATURE)

    def deliver_all(self) -> list[str]:
        return [self.deliver() for _ in range(len(self.gateway.undelivered))]

    # Helpers of stories

    def open(self, *consents: Consent, starts_in_hours: float | None = None, **given: Any) -> Shop:
        """Open a tab and accept its promise with these consents."""
        starts_at = None if starts_in_hours is None else self.clock.now() + timedelta(hours=starts_in_hours)
        terms = Terms(
            **{
                "title": "Haircut",
                "expected_outcome": "Shorter hair",
                "estimate_minor": 60_00,
                "cap_minor": 200_00,
                "starts_at": starts_at,
                **given,
            }
        )
        self.tab_id = open_tab(self.deps, self.customer_id, terms, request=self.request(self.staff)).tab.tab_id
        if consents:
            self.accept(*consents)
        return self

    def accept(self, *consents: Consent) -> Answer:
        return accept_promise(self.deps, self.tab_id, agreement_to(self.tab, consents), request=self.request(self.ada))

    def serve(self, price: int = 50_00) -> Shop:
        item = ItemInput(description="Service", unit_price_minor=price)
        add_items(self.deps, self.tab_id, [item], request=self.request(self.staff))
        complete_service(self.deps, self.tab_id, request=self.request(self.staff))
        self.pump.run()
        return self

    def accept_bill(self, tip_minor: int = 0, **request: Any) -> Answer:
        return accept_bill(self.deps, self.tab_id, tip_minor, request=self.request(self.ada, **request))

    def crashing(self, act: Callable[[], object]) -> Shop:
        """Run it, and let the process die during it."""
        try:
            act()
        except Crash:
            return self
        raise AssertionError("nothing crashed")

    # Reading

    @property
    def tab(self) -> Tab:
        return self.store.get_tab(self.merchant_id, self.tab_id)

    def attempt(self, operation: Operation) -> Attempt:
        """The one open attempt of this kind."""
        (found,) = [attempt for attempt in self.tab.attempts if attempt.operation == operation]
        return found

    def kinds(self) -> list[str]:
        page = self.store.list_entries(self.merchant_id, self.tab_id, limit=1000, cursor=None)
        return [entry.kind for entry in page.items]

    def check_credits(self) -> None:
        """Check every customer's statement against every tab's history, and the ledgers' sum against the lots'."""
        tabs = self.store.tabs_of(self.merchant_id)
        histories = {tab.tab_id: views.history(self.store, tab) for tab in tabs}
        accounts = [found for (owner, _), found in self.store.credit_accounts.items() if owner == self.merchant_id]
        none_of(check_credits([views.statement(self.store, found, self.clock.now()) for found in accounts], histories))
        owed = -sum(tab.balances.get(Account.CUSTOMER_CREDIT, 0) for tab in tabs)
        assert owed == sum(found.balance_minor for found in accounts), "the ledgers owe what is in the lots"

    def check_always(self) -> None:
        """Check what holds at every moment: the tab, its history, and its claims about the gateway."""
        tab, history = self._seen()
        none_of(check_tab(tab, history) + check_claims(tab, self.gateway.objects(self.tab_id)))

    def check_books(self) -> None:
        """Check that our books equal the gateway's, object by object."""
        tab, history = self._seen()
        none_of(check_tab(tab, history) + check_books(tab, history, self.gateway.objects(self.tab_id)))

    def check_at_rest(self) -> None:
        """Check everything, after nothing is left to do."""
        tab, history = self._seen()
        none_of(check_everything(tab, history, self.gateway.objects(self.tab_id)))

    def _seen(self) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        tab = self.tab
        return views.shown(tab, self.clock.now()), views.history(self.store, tab)


def none_of(problems: list[str]) -> None:
    """Fail with a text, because pytest explains assertions only in test modules."""
    assert not problems, "; ".join(problems)
