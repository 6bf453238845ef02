"""The payment gateway: its operations, its events and its errors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from msgspec import Struct

if TYPE_CHECKING:
    from chalicelib.domain.books.differences import Payment
    from chalicelib.domain.parties import Customer
    from chalicelib.domain.tab.attempt import Attempt, Failure
    from chalicelib.domain.tab.facts.fact import Fact
    from chalicelib.domain.tab.tab import Tab
    from chalicelib.domain.trust.evidence.pack import Pack


class GatewayUnavailable(Exception):
    """No answer that can be trusted: the outcome is unknown (time-out, reset, 5xx, 409 in use, 429)."""


class GatewayRejected(Exception):
    """The gateway refused the call as invalid; nothing moved. `failure` has its code, for a person.

    `facts`: for a refused refund, all refunds and disputes of the payment, because one we have not heard of may be why;
    for refused evidence, those of the dispute.
    """

    def __init__(self, failure: Failure, facts: tuple[Fact, ...] = ()) -> None:
        super().__init__(failure.code)
        self.failure = failure
        self.facts = facts


class CustomerGone(Exception):
    """The customer no longer exists at the gateway. A new one must be created before anything can be made for them."""

    def __init__(self, customer_ref: str) -> None:
        super().__init__(customer_ref)
        self.customer_ref = customer_ref


class BadSignature(Exception):
    """The webhook's signature is wrong or too old, or its body cannot be read."""


class CardSetup(Struct, frozen=True, kw_only=True):
    """What saving a card needs: in an app the `client_secret`, in a browser the address of the gateway's page."""

    setup_id: str
    client_secret: str | None = None
    page_url: str | None = None


class CustomerSession(Struct, frozen=True, kw_only=True):
    """What lets the SDK's payment screen in an app show the customer's saved cards, until `expires_at`."""

    client_secret: str
    expires_at: datetime


class GatewayEvent(Struct, frozen=True, kw_only=True):
    """A verified event. `ours`: its object has this app's and stage's metadata, from which the ids come.

    `payment_id`: the payment concerned, also if the object is a refund or a charge; `charge_id`: its charge, if named
    (a gateway may leave out one of the two). `payment_made_at`: when the payment was begun, if the event says so.
    `customer_ref`: for a saved card, its present or former owner. `is_connected`: whether the event says that its whole
    account was connected or cut off; None for any other event. `is_relevant`: a kind that we act on. `is_of_our_mode`:
    False for a test event while we work with live money, and the reverse. `body`: the object as sent, used only by the
    gateway. `request_id`: the call to the gateway that caused the event, for logs; None if no call did.
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


class Reversal(Struct, frozen=True):
    """A refund or a dispute, by its id, and the payment it is of; None: of none, so not of ours."""

    object_id: str
    payment_id: str | None


class PaymentGateway(Protocol):
    """Holds, captures, releases, charges, refunds, and answers to disputes. Amounts are in minor units. Declines are
    facts, not errors.

    All may raise GatewayUnavailable; those that change something also GatewayRejected.
    """

    publishable_key: str

    def perform(self, tab: Tab, attempt: Attempt) -> tuple[Fact, ...]:
        """Make the attempt's call under the key `stage/attempt_id/operation`. Calling again repeats nothing."""
        ...

    def answer_bank(self, tab: Tab, attempt: Attempt, pack: Pack) -> tuple[Fact, ...]:
        """Stage or submit the sealed evidence of the attempt's dispute, under the same kind of key.

        A refusal comes with the facts of the dispute as it is now, which may be its reason.
        """
        ...

    def find_charge(self, account: str | None, payment_id: str) -> str | None:
        """The gateway's id of the charge that took the payment, by which card networks know it."""
        ...

    def find_facts(self, tab: Tab, attempt: Attempt) -> tuple[Fact, ...]:
        """Find an attempt's outcome by its payment's id, else by customer, time and metadata.

        Empty: nothing was found.
        """
        ...

    def close_payment(self, tab: Tab, attempt: Attempt) -> tuple[Fact, ...]:
        """Cancel a payment that waits for the customer. If it was made meanwhile, return that fact."""
        ...

    def add_customer(self, account: str | None, merchant_id: str, customer_id: str, *, key: str) -> str:
        """Create a customer and return their id at the gateway. The same key creates no second one."""
        ...

    def remove_cards(self, account: str | None, customer: Customer, *, key: str) -> tuple[str, ...]:
        """Detach every saved card of the customer, so that none can be charged, and return their ids. Idempotent."""
        ...

    def add_card_setup(
        self, account: str | None, customer: Customer, tab_id: str | None, *, key: str, return_url: str | None = None
    ) -> CardSetup:
        """Prepare saving a card for later charges. The same key prepares no second one. Raises CustomerGone.

        `return_url`: on the gateway's page, which leads back there.
        """
        ...

    def add_customer_session(self, account: str | None, customer_ref: str, *, key: str) -> CustomerSession:
        """Let the SDK's payment screen show the customer's cards, and neither save nor remove any. Raises CustomerGone.

        Cards are saved with consent, and removed here, so that tabs learn of it.
        """
        ...

    def read_event(self, payload: bytes, signature: str) -> GatewayEvent:
        """Verify the raw bytes of a webhook (wall clock, ±300 s) and parse them, without a call.

        Raises BadSignature.
        """
        ...

    def facts_of(self, event: GatewayEvent, *, wants_card: bool = False) -> tuple[Fact, ...]:
        """The facts of the event. Fetches the object's current state if the event alone does not say enough.

        `wants_card`: a payment's facts must say which card it was paid with (`Fact.fingerprint`).
        """
        ...

    def fetch_owner(self, event: GatewayEvent) -> GatewayEvent:
        """The event with the ids that it leaves out, and with its payment's metadata for objects that carry none.

        Makes no call if the event names nothing to fetch.
        """
        ...

    # For reconciliation. Periods are [since, until) by the gateway's clock; results are fetched page by page.
    # `after`: the id behind which to start, where an earlier run stopped.

    def iter_accounts(self) -> Iterator[str]:
        """The ids of the connected accounts that we have access to."""
        ...

    def iter_payments(
        self, account: str | None, since: datetime, until: datetime, after: str | None = None
    ) -> Iterator[Payment]:
        """The payments begun in the period, newest first; they say only whether there are refunds and disputes."""
        ...

    def iter_reversals(
        self, account: str | None, since: datetime, until: datetime, after: str | None = None
    ) -> Iterator[Reversal]:
        """The refunds and disputes made in the period."""
        ...

    def iter_events(
        self, account: str | None, since: datetime, until: datetime, after: str | None = None
    ) -> Iterator[GatewayEvent]:
        """The relevant events, newest first, whether delivered or not. Stripe keeps them for 30 days."""
        ...

    def find_payment(self, account: str | None, payment_id: str) -> Payment | None:
        """The payment's current state with all its refunds and disputes; None if it does not exist."""
        ...
