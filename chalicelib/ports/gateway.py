"""The payment gateway: what it does for us, and what it tells."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Protocol

from msgspec import Struct

from chalicelib.domain.books.differences import Payment
from chalicelib.domain.parties import Customer
from chalicelib.domain.tab.attempt import Attempt, Failure
from chalicelib.domain.tab.facts.fact import Fact
from chalicelib.domain.tab.tab import Tab


class GatewayUnavailable(Exception):
    """No answer that can be trusted: the outcome is unknown (time-out, reset, 5xx, 409 in use, 429)."""


class GatewayRejected(Exception):
    """The gateway refused the call as wrong; nothing moved. `failure` has its code, for a person to look at."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.code)
        self.failure = failure


class CustomerGone(Exception):
    """The customer does not exist at the gateway any more: nothing can be made for them before there is another."""

    def __init__(self, customer_ref: str) -> None:
        super().__init__(customer_ref)
        self.customer_ref = customer_ref


class BadSignature(Exception):
    """The webhook's body is not signed by the gateway, too old, or not readable."""


class CardSetup(Struct, frozen=True, kw_only=True):
    """What the phone needs to save a card."""

    setup_id: str
    client_secret: str


class GatewayEvent(Struct, frozen=True, kw_only=True):
    """A verified event. `ours`: its object carries this app's and stage's metadata; then the ids name what it is about.

    `payment_id`: the payment concerned, also where the object itself is a refund or a charge; `charge_id`: its charge,
    if that is named (a gateway may leave out one of the two). `payment_made_at`: when the payment was begun, where
    the event says so. `customer_ref`: of a saved card, whose it is or was. `is_connected`: what the event tells of its
    whole account, None if it is about something in it. `is_relevant`: a kind we act on. `is_of_our_mode`: False for
    an event of test mode where we work with live money, and the reverse. `body`: the object as sent, for the gateway
    alone. `request_id`: of the call to the gateway that brought it about, for logs; None if it was none.
    """

    event_id: str
    kind: str
    account: str | None
    occurred_at: datetime
    object_id: str
    payment_id: str | None
    is_relevant: bool
    ours: bool
    merchant_id: str | None
    customer_id: str | None
    tab_id: str | None
    attempt_id: str | None
    body: Mapping[str, Any]
    charge_id: str | None = None
    customer_ref: str | None = None
    payment_made_at: datetime | None = None
    is_connected: bool | None = None
    is_of_our_mode: bool = True
    request_id: str | None = None


class PaymentGateway(Protocol):
    """Holds, captures, releases, charges and refunds. Amounts in minor units; declines are facts, not errors.

    All may raise GatewayUnavailable; those that change something also GatewayRejected.
    """

    publishable_key: str

    def perform(self, tab: Tab, attempt: Attempt) -> tuple[Fact, ...]:
        """Make the attempt's call under the key `stage/attempt_id/operation`; calling again repeats nothing."""
        ...

    def find_facts(self, tab: Tab, attempt: Attempt) -> tuple[Fact, ...]:
        """What has become of an attempt: by its payment's id, else by customer, time and metadata. Empty: no trace."""
        ...

    def close_payment(self, tab: Tab, attempt: Attempt) -> tuple[Fact, ...]:
        """Cancel a payment that waits for the customer; where it has been made meanwhile, that is the fact returned."""
        ...

    def add_customer(self, account: str | None, merchant_id: str, customer_id: str, *, key: str) -> str:
        """The new customer's id at the gateway. The same key makes no second one."""
        ...

    def remove_cards(self, account: str | None, customer: Customer, *, key: str) -> tuple[str, ...]:
        """Detach every card that is kept for the customer: none can be charged any more. Idempotent; their ids."""
        ...

    def add_card_setup(self, account: str | None, customer: Customer, tab_id: str | None, *, key: str) -> CardSetup:
        """Prepare saving a card for later charges. The same key makes no second one. Raises CustomerGone."""
        ...

    def read_event(self, payload: bytes, signature: str) -> GatewayEvent:
        """Verify the raw bytes of a webhook (wall clock, ±300 s) and read them, with no call. Raises BadSignature."""
        ...

    def facts_of(self, event: GatewayEvent) -> tuple[Fact, ...]:
        """What the event tells; asks for the object as it is now where the event alone does not say enough."""
        ...

    def fetch_owner(self, event: GatewayEvent) -> GatewayEvent:
        """The event with the ids that it leaves out, and the metadata of its payment, for objects that carry none.

        No call where it names nothing to ask for.
        """
        ...

    # What there is, for reconciliation. Periods are [since, until) by the gateway's clock; answers come page by page.

    def iter_payments(self, account: str | None, since: datetime, until: datetime) -> Iterator[Payment]:
        """The payments that were begun in the period, newest first; of refunds and disputes only whether there are."""
        ...

    def iter_reversed(self, account: str | None, since: datetime, until: datetime) -> Iterator[str]:
        """The ids of payments that were refunded or disputed in the period."""
        ...

    def iter_events(self, account: str | None, since: datetime, until: datetime) -> Iterator[GatewayEvent]:
        """The events of the kinds we act on, newest first, delivered or not. Stripe keeps them for 30 days."""
        ...

    def find_payment(self, account: str | None, payment_id: str) -> Payment | None:
        """The payment as it is now, with all its refunds and disputes; None if there is no such payment."""
        ...
