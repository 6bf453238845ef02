"""PaymentGateway on Stripe: the call of each attempt, and what Stripe's answers and errors mean for its outcome.

`params` builds what is sent; `facts`, `payments` and `events` read what is received. They convert amounts. `calls` has
what every call needs.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus

import stripe
from msgspec.structs import replace

from chalicelib.adapters.stripe import calls, events, values
from chalicelib.adapters.stripe import facts as stripe_facts
from chalicelib.adapters.stripe import params as stripe_params
from chalicelib.domain.tab.attempt import Attempt, AttemptState, Operation
from chalicelib.ports.gateway import (
    CardSetup,
    CustomerGone,
    CustomerSession,
    GatewayEvent,
    GatewayRejected,
    GatewayUnavailable,
    Reversal,
)

if TYPE_CHECKING:
    from chalicelib.domain.books.differences import Payment
    from chalicelib.domain.parties import Customer
    from chalicelib.domain.tab.facts.fact import Fact
    from chalicelib.domain.tab.tab import Tab
    from chalicelib.domain.trust.evidence.pack import Pack

_log = logging.getLogger(__name__)

_LOOK_BACK = timedelta(minutes=5)
"""How far Stripe's clock, which sets `created`, may be behind the clock of the attempt."""

_WITH_CHARGE: Any = {"expand": ["latest_charge"]}
_WITH_PAYMENT: Any = {"expand": ["payment_intent.latest_charge"]}
_MOVEMENT = "latest_charge.balance_transaction"
_HOLD_TOO_OLD = frozenset({"charge_expired_for_capture", "capture_charge_authorization_expired"})
_DISPUTE_IDS = ("dp_", "du_")
_DONE = frozenset({"succeeded", "canceled"})
_NOT_CLOSABLE = _DONE | {"requires_capture", "processing"}


class StripeGateway:
    """Implements ports.PaymentGateway with https://docs.stripe.com/api, for the platform's and connected accounts.

    `webhook_secrets` is called for the first event; several secrets are valid during a rotation.
    `live`: whether the client's key is for live money. `wall_clock` is only for the age of signatures; everything else
    uses business time, or Stripe's.
    """

    def __init__(
        self,
        client: stripe.StripeClient,
        *,
        stage: str,
        webhook_secrets: Callable[[], Sequence[str]],
        publishable_key: str,
        live: bool = False,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._client = client
        self._stripe = client.v1
        self._stage = stage
        self._webhook_secrets = webhook_secrets
        self.publishable_key = publishable_key
        self._live = live
        self._wall_clock = wall_clock

    # ---- Attempts

    def perform(self, tab: Tab, attempt: Attempt) -> tuple[Fact, ...]:
        with calls.operation():
            try:
                return self._send(tab, attempt)
            except stripe.IdempotencyError as error:
                return self._key_taken(tab, attempt, error)
            except stripe.CardError as error:
                return self._declined(tab, attempt, error)
            except stripe.InvalidRequestError as error:
                return self._refused(tab, attempt, error)

    def _send(self, tab: Tab, attempt: Attempt) -> tuple[Fact, ...]:
        params: Any = stripe_params.params_of(tab, attempt, self._stage)
        options = calls.options(tab.account, stripe_params.idempotency_key(attempt, self._stage))
        if attempt.is_on_page:
            return self._send_page(tab, attempt, params, options)
        if attempt.operation == Operation.REFUND:
            path = "/v1/refunds"
        elif attempt.operation == Operation.CAPTURE:
            path = f"/v1/payment_intents/{quote_plus(_payment_id(attempt))}/capture"
        elif attempt.operation == Operation.RELEASE:
            path = f"/v1/payment_intents/{quote_plus(_payment_id(attempt))}/cancel"
        else:
            path = "/v1/payment_intents"
        # The SDK's typed services load the class of every object in an answer, with hundreds of classes inside: a tenth
        # of a start, which the first payment of a function waits for. https://github.com/stripe/stripe-python#custom-requests
        answer = self._client.raw_request("post", path, **params, **options)
        found: dict[str, Any] = answer.data
        if calls.is_replay(answer.headers):
            return self._told_again(tab, attempt, found)
        if attempt.operation == Operation.REFUND:
            return stripe_facts.facts_of_refund(found, attempt.created_at)
        return _told(found, attempt.created_at)

    def _send_page(self, tab: Tab, attempt: Attempt, params: Any, options: stripe.RequestOptions) -> tuple[Fact, ...]:
        answer = self._stripe.checkout.sessions.create(params, options)
        page: Mapping[str, Any] | None = answer.to_dict()
        if calls.is_replay(answer.last_response.headers if answer.last_response else None):
            page = self._page(tab.account, answer.id)
        return () if page is None else _told_of_page(page, attempt.created_at)

    def _told_again(self, tab: Tab, attempt: Attempt, answer: Mapping[str, Any]) -> tuple[Fact, ...]:
        """Fetch the current state of a replayed answer's object, because the answer is as old as the first one."""
        found_id = values.id_of(answer)
        assert found_id is not None, "everything that can be created has an id"
        if attempt.operation == Operation.REFUND:
            return self._refund_now(tab.account, found_id, attempt)
        return self._intent_now(tab.account, found_id, attempt)

    def _declined(self, tab: Tab, attempt: Attempt, error: stripe.CardError) -> tuple[Fact, ...]:
        """A decline by the bank is an outcome of a hold or charge; for other operations it is a refusal."""
        if attempt.operation not in (Operation.PLACE_HOLD, Operation.CHARGE):
            return self._refused(tab, attempt, error)
        body = calls.body_of(error)
        intent = body.get("payment_intent")
        if not isinstance(intent, Mapping):
            occurrence = str(body.get("charge") or error.request_id or "")
            return (stripe_facts.declined_without_payment(attempt, stripe_facts.failure_of(body), occurrence),)
        if calls.is_replay(error.headers):
            return self._intent_now(tab.account, intent["id"], attempt)
        return _told(intent, attempt.created_at)

    def _refused(self, tab: Tab, attempt: Attempt, error: stripe.StripeError) -> tuple[Fact, ...]:
        """A refusal often means that the payment's state has changed: then its current state is the outcome."""
        if attempt.operation == Operation.REFUND:
            facts = self._find_refund(tab, attempt) or self._refused_refund(tab, attempt, error)
        elif attempt.operation in (Operation.CAPTURE, Operation.RELEASE):
            facts = self._what_hold_became(tab, attempt, calls.code_of(error))
        else:
            facts = self._what_creation_left(tab, attempt, error)
        if not facts:
            raise error
        return facts

    def _refused_refund(self, tab: Tab, attempt: Attempt, error: stripe.StripeError) -> tuple[Fact, ...]:
        """Raise GatewayRejected with the payment's refunds and disputes: a bank or the dashboard may have been first.

        They are fetched, because for a part that is gone Stripe only says that the amount is too large.
        """
        payment = self.find_payment(tab.account, _payment_id(attempt))
        facts = () if payment is None else (*payment.refunds, *payment.disputes)
        raise GatewayRejected(stripe_facts.failure_of(calls.body_of(error)), facts) from error

    def _what_hold_became(self, tab: Tab, attempt: Attempt, code: str | None) -> tuple[Fact, ...]:
        intent = self._find_intent(tab.account, _payment_id(attempt))
        if intent is None:
            return ()
        if intent["status"] in _DONE:
            return _told(intent, attempt.created_at)
        if code in _HOLD_TOO_OLD:
            # The bank released the money before Stripe cancels the intent: the hold has ended.
            made_by = values.metadata_of(intent).get("attempt")
            return (stripe_facts.expired(intent["id"], intent, made_by, attempt.created_at),)
        return ()

    def _what_creation_left(self, tab: Tab, attempt: Attempt, error: stripe.StripeError) -> tuple[Fact, ...]:
        intent_id = values.id_of(calls.body_of(error).get("payment_intent"))
        if intent_id is not None:
            return self._intent_now(tab.account, intent_id, attempt)
        # Fetched, because Stripe words these refusals in several ways.
        customer_ref = stripe_params.customer_ref(tab, attempt)
        if customer_ref is not None and self._is_customer_gone(tab.account, customer_ref):
            return (stripe_facts.customer_gone(customer_ref, attempt.created_at, attempt.attempt_id),)
        if attempt.card_id is not None:
            method = self._find_card(tab.account, attempt.card_id)
            if method is None or values.id_of(method.get("customer")) != customer_ref:
                return (stripe_facts.card_gone(attempt),)
        return ()

    def _is_customer_gone(self, account: str | None, customer_ref: str) -> bool:
        """Whether the customer is deleted or unknown. A deleted one can still be retrieved (https://docs.stripe.com/api/customers/delete)."""
        found = calls.find_object(self._stripe.customers.retrieve, customer_ref, {}, account)
        return found is None or bool(found.get("deleted"))

    def _key_taken(self, tab: Tab, attempt: Attempt, error: stripe.IdempotencyError) -> tuple[Fact, ...]:
        """Stripe knows our key with other parameters, so an earlier call was made: a bug, which must not pay twice."""
        _log.error(
            "Stripe knows the key of attempt %s with other parameters: %s", attempt.attempt_id, calls.described(error)
        )
        facts = self.find_facts(tab, attempt)
        if not facts:
            raise error
        return facts

    def answer_bank(self, tab: Tab, attempt: Attempt, pack: Pack) -> tuple[Fact, ...]:
        from chalicelib.adapters.stripe import evidence  # Imported here: disputes are rare.

        path = f"/v1/disputes/{quote_plus(_dispute_id(attempt))}"
        params = evidence.params_of_evidence(tab, attempt, pack, self._stage)
        options = calls.options(tab.account, stripe_params.idempotency_key(attempt, self._stage))
        with calls.operation():
            try:
                answer = self._client.raw_request("post", path, **params, **options)
            except (stripe.IdempotencyError, stripe.InvalidRequestError) as error:
                # Often because it was answered or decided meanwhile, which the dispute says.
                facts = self._dispute_now(tab, attempt)
                raise GatewayRejected(stripe_facts.failure_of(calls.body_of(error)), facts) from error
            found: dict[str, Any] = answer.data
            if calls.is_replay(answer.headers):
                return self._dispute_now(tab, attempt)
            return _told_of_dispute(found, attempt)

    def _dispute_now(self, tab: Tab, attempt: Attempt) -> tuple[Fact, ...]:
        dispute = calls.find_object(self._stripe.disputes.retrieve, _dispute_id(attempt), {}, tab.account)
        return () if dispute is None else _told_of_dispute(dispute, attempt)

    def find_charge(self, account: str | None, payment_id: str) -> str | None:
        with calls.operation(), calls.reading():
            intent = calls.find_object(self._stripe.payment_intents.retrieve, payment_id, {}, account)
        return None if intent is None else values.id_of(intent.get("latest_charge"))

    # ---- Looking up

    def find_facts(self, tab: Tab, attempt: Attempt) -> tuple[Fact, ...]:
        with calls.operation(), calls.reading():
            if attempt.answers_bank:
                return self._dispute_now(tab, attempt)
            if attempt.operation == Operation.REFUND:
                return self._find_refund(tab, attempt)
            if attempt.is_on_page:
                return _told_of_its_page(attempt, self._find_page(tab, attempt))
            intent = self._find_payment(tab, attempt)
            if intent is None and _waited(attempt):
                return (stripe_facts.payment_gone(attempt),)
            if intent is None or (attempt.operation in (Operation.CAPTURE, Operation.RELEASE) and not _is_done(intent)):
                # A live hold is no trace of its capture or release.
                return ()
            return _told(intent, attempt.created_at)

    def _find_payment(self, tab: Tab, attempt: Attempt) -> dict[str, Any] | None:
        if attempt.payment_id is not None:
            return self._find_intent(tab.account, attempt.payment_id)
        customer_ref = stripe_params.customer_ref(tab, attempt)
        if customer_ref is None:
            # It waits for a customer to be created, so it was never sent.
            return None
        since = int((attempt.created_at - _LOOK_BACK).timestamp())
        params = {"customer": customer_ref, "created": {"gte": since}, "expand": ["data.latest_charge"]}
        pages = calls.pages(self._stripe.payment_intents.list, params, calls.options(tab.account))
        return _made_by(attempt, pages)

    def _find_refund(self, tab: Tab, attempt: Attempt) -> tuple[Fact, ...]:
        params = {"payment_intent": _payment_id(attempt)}
        with calls.reading():
            refund = _made_by(attempt, calls.pages(self._stripe.refunds.list, params, calls.options(tab.account)))
        return () if refund is None else stripe_facts.facts_of_refund(refund, attempt.created_at)

    def _find_page(self, tab: Tab, attempt: Attempt) -> dict[str, Any] | None:
        """The attempt's Checkout Session, with its payment."""
        if attempt.page_id is not None:
            return self._page(tab.account, attempt.page_id)
        customer_ref = stripe_params.customer_ref(tab, attempt)
        if customer_ref is None:
            return None
        since = int((attempt.created_at - _LOOK_BACK).timestamp())
        params = {"customer": customer_ref, "created": {"gte": since}}
        found = _made_by(attempt, calls.pages(self._stripe.checkout.sessions.list, params, calls.options(tab.account)))
        return None if found is None else self._page(tab.account, found["id"])

    def _page(self, account: str | None, page_id: str) -> dict[str, Any] | None:
        return calls.find_object(self._stripe.checkout.sessions.retrieve, page_id, _WITH_PAYMENT, account)

    # ---- Closing

    def close_payment(self, tab: Tab, attempt: Attempt) -> tuple[Fact, ...]:
        """See the port. The payment is fetched first, because Stripe also cancels placed holds.

        The customer may still confirm between the fetch and the cancellation. A charge then wins: Stripe refuses to
        cancel it, and we return it. A hold loses: it is released a moment after it was placed. PAYMENT_CANCELED is then
        right, whether the tab has the hold by now (it counts as released) or not (the attempt is closed).
        """
        with calls.operation():
            if attempt.is_on_page:
                return self._close_page(tab, attempt)
            with calls.reading():
                intent = self._find_payment(tab, attempt)
            if intent is None:
                return (stripe_facts.payment_gone(attempt),) if _waited(attempt) else ()
            if intent["status"] not in _NOT_CLOSABLE:
                intent = self._cancel(tab, intent["id"])
            return _told(intent, attempt.created_at)

    def _close_page(self, tab: Tab, attempt: Attempt) -> tuple[Fact, ...]:
        """Expire the page; one that was paid a moment before refuses, and the payment is the outcome.

        https://docs.stripe.com/api/checkout/sessions/expire
        """
        page = self._find_page(tab, attempt)
        if page is not None and page["status"] == "open":
            try:
                self._stripe.checkout.sessions.expire(page["id"], {}, calls.options(tab.account))
            except stripe.InvalidRequestError:
                _log.info("the page %s is not open any more", page["id"])
            page = self._page(tab.account, page["id"])
        return _told_of_its_page(attempt, page)

    def _cancel(self, tab: Tab, payment_id: str) -> dict[str, Any]:
        """Cancel the intent and return it, or return its current state if it cannot be canceled.

        Without an idempotency key: canceling twice is harmless, and a stored refusal would be replayed when outdated.
        """
        try:
            return self._stripe.payment_intents.cancel(payment_id, {}, calls.options(tab.account)).to_dict()
        except stripe.InvalidRequestError:
            intent = self._find_intent(tab.account, payment_id)
            if intent is None or intent["status"] not in _NOT_CLOSABLE:
                raise
            return intent

    # ---- Customers and cards

    def add_customer(self, account: str | None, merchant_id: str, customer_id: str, *, key: str) -> str:
        params: Any = {"metadata": self._metadata(merchant=merchant_id, customer=customer_id)}
        with calls.operation():
            return self._stripe.customers.create(params, calls.options(account, f"{self._stage}/{key}/customer")).id

    def remove_cards(self, account: str | None, customer: Customer, *, key: str) -> tuple[str, ...]:
        """See the port. Stripe is asked for the cards, because our record has only the last one."""
        with calls.operation():
            of_customer = {"customer": customer.customer_ref, "type": "card"}
            kept = list(calls.pages(self._stripe.payment_methods.list, of_customer, calls.options(account)))
            card_ids = tuple(method["id"] for method in kept)
            for card_id in card_ids:
                self._detach(account, card_id, f"{self._stage}/{key}/{card_id}/card_removal")
        return card_ids

    def _detach(self, account: str | None, card_id: str, key: str) -> None:
        """Detach a card; one that is already detached or unknown counts as removed."""
        try:
            self._stripe.payment_methods.detach(card_id, {}, calls.options(account, key))
        except stripe.InvalidRequestError:
            method = self._find_card(account, card_id)
            if method is not None and method.get("customer") is not None:
                raise

    def add_card_setup(
        self, account: str | None, customer: Customer, tab_id: str | None, *, key: str, return_url: str | None = None
    ) -> CardSetup:
        of_tab = {} if tab_id is None else {"tab": tab_id}
        metadata = self._metadata(merchant=customer.merchant_id, customer=customer.customer_id, **of_tab)
        options = calls.options(account, f"{self._stage}/{key}/card_setup")
        assert customer.customer_ref is not None, "a card is saved for somebody"
        with calls.operation():
            try:
                if return_url is None:
                    return self._add_setup_intent(customer.customer_ref, metadata, options)
                return self._add_setup_page(customer.customer_ref, metadata, return_url, options)
            except stripe.InvalidRequestError as error:
                if self._is_customer_gone(account, customer.customer_ref):
                    raise CustomerGone(customer.customer_ref) from error
                raise

    def add_customer_session(self, account: str | None, customer_ref: str, *, key: str) -> CustomerSession:
        options = calls.options(account, f"{self._stage}/{key}/customer_session")
        with calls.operation():
            try:
                made = self._stripe.customer_sessions.create(stripe_params.customer_session(customer_ref), options)
            except stripe.InvalidRequestError as error:
                if self._is_customer_gone(account, customer_ref):
                    raise CustomerGone(customer_ref) from error
                raise
        expires_at = datetime.fromtimestamp(made.expires_at, UTC)
        return CustomerSession(client_secret=made.client_secret, expires_at=expires_at)

    def _add_setup_intent(
        self, customer_ref: str, metadata: dict[str, str], options: stripe.RequestOptions
    ) -> CardSetup:
        params: Any = {
            "customer": customer_ref,
            "usage": "off_session",
            "allowed_payment_method_types": ["card"],
            "metadata": metadata,
        }
        made = self._stripe.setup_intents.create(params, options)
        return CardSetup(setup_id=made.id, client_secret=made.client_secret)

    def _add_setup_page(
        self, customer_ref: str, metadata: dict[str, str], return_url: str, options: stripe.RequestOptions
    ) -> CardSetup:
        """The card that is saved there comes with its setup intent's own event, which the metadata leads to us."""
        params: Any = {
            "mode": "setup",
            "customer": customer_ref,
            "setup_intent_data": {"metadata": metadata},
            "metadata": metadata,
            **stripe_params.page_fields(return_url),
        }
        made = self._stripe.checkout.sessions.create(params, options)
        return CardSetup(setup_id=made.id, page_url=made.url)

    def _metadata(self, **ids: str) -> dict[str, str]:
        return {"app": stripe_params.APP, "stage": self._stage, **ids}

    # ---- Events

    def read_event(self, payload: bytes, signature: str) -> GatewayEvent:
        events.check_signature(payload, signature, self._webhook_secrets(), self._wall_clock())
        return events.read_event(payload, self._stage, live=self._live)

    def facts_of(self, event: GatewayEvent, *, wants_card: bool = False) -> tuple[Fact, ...]:
        """The facts of an event. Events arrive late and in any order (https://docs.stripe.com/webhooks#event-ordering).

        Objects in a final state are used as sent (succeeded, canceled, a failed refund), and so are those that
        apply_fact ignores once the attempt is over (requires_action, payment_failed). Objects that a later event may
        have changed are fetched: an authorization, `processing`, a refund that has not failed. Disputes, and refunds
        made in the dashboard, come with their payment.
        """
        with calls.operation(), calls.reading():
            if event.kind in events.INTENT_EVENTS:
                return self._facts_of_intent_event(event, wants_card)
            if event.kind in events.CARD_EVENTS:
                return stripe_facts.facts_of_card_event(event.kind, event.body, event.occurred_at)
            if event.kind == events.CUSTOMER_DELETED:
                return (stripe_facts.customer_gone(event.object_id, event.occurred_at),)
            if event.kind == events.PAGE_EXPIRED:
                return _told_of_page(event.body, event.occurred_at)
            if event.kind == "setup_intent.succeeded":
                return self._card_saved(event)
            event = self._with_payment(event)
            if event.kind in events.REFUND_EVENTS:
                return self._facts_of_refund_event(event)
            if event.kind == events.CHARGE_EXPIRED and event.payment_id is not None:
                return (stripe_facts.expired(event.payment_id, event.body, event.attempt_id, event.occurred_at),)
            if event.kind == events.DISPUTE_UPDATED:
                # It does not say what has changed, for example an inquiry that became a dispute.
                now = stripe_facts.facts_of_dispute_now(event.body)
                return self._after_payment(event, (*now, *self._evidence(event)))
            if event.kind in events.DISPUTE_EVENTS:
                facts = stripe_facts.facts_of_dispute(event.kind, event.body, event.occurred_at)
                return self._after_payment(event, (*facts, *self._evidence(event)))
            if event.kind == events.FRAUD_WARNING:
                return self._after_payment(event, (stripe_facts.fraud_warned(event.body, event.occurred_at),))
            # setup_intent.setup_failed: no card was saved; the phone shows why, and the customer may try again.
            return ()

    def _evidence(self, event: GatewayEvent) -> tuple[Fact, ...]:
        return stripe_facts.facts_of_evidence(event.body, event.occurred_at)

    def _with_payment(self, event: GatewayEvent) -> GatewayEvent:
        """The event with the id of its payment, found by the charge if the object does not name it."""
        if event.payment_id is not None or event.charge_id is None:
            return event
        return replace(event, payment_id=self._payment_of(event.account, {"charge": event.charge_id}))

    def _with_card_owner(self, event: GatewayEvent) -> GatewayEvent:
        if event.kind not in events.CARD_EVENTS or event.customer_ref is not None:
            return event
        method = self._find_card(event.account, event.object_id)
        return event if method is None else replace(event, customer_ref=values.id_of(method.get("customer")))

    def _facts_of_intent_event(self, event: GatewayEvent, wants_card: bool) -> tuple[Fact, ...]:
        intent: Mapping[str, Any] | None = event.body
        # An authorization's event always needs its charge, so the intent is never used as sent.
        if event.kind == "payment_intent.processing" or stripe_facts.needs_charge(event.body, wants_card=wants_card):
            intent = self._find_intent(event.account, event.object_id)
        return () if intent is None else _told(intent, event.occurred_at)

    def _facts_of_refund_event(self, event: GatewayEvent) -> tuple[Fact, ...]:
        refund: Mapping[str, Any] | None = event.body
        if not stripe_facts.is_final_refund(event.body):
            refund = calls.find_object(self._stripe.refunds.retrieve, event.object_id, {}, event.account)
        facts = () if refund is None else stripe_facts.facts_of_refund(refund, event.occurred_at)
        # The payment of our own refunds is known from the attempt.
        is_ours = "attempt" in values.metadata_of(event.body)
        return stripe_facts.of_payment(event.payment_id, facts) if is_ours else self._after_payment(event, facts)

    def _after_payment(self, event: GatewayEvent, facts: tuple[Fact, ...]) -> tuple[Fact, ...]:
        """The facts of reversals outside our calls, after those of the payment, whose event may still arrive."""
        facts = stripe_facts.of_payment(event.payment_id, facts)
        if not facts or event.payment_id is None:
            return facts
        intent = self._find_intent(event.account, event.payment_id)
        return facts if intent is None else (*_told(intent, event.occurred_at), *facts)

    def _card_saved(self, event: GatewayEvent) -> tuple[Fact, ...]:
        setup: Mapping[str, Any] | None = event.body
        if event.body.get("payment_method") is None:
            setup = calls.find_object(self._stripe.setup_intents.retrieve, event.object_id, {}, event.account)
        card_id = None if setup is None else values.id_of(setup.get("payment_method"))
        method = None if card_id is None else self._find_card(event.account, card_id)
        if method is None or method.get("customer") is None:
            # It was detached again meanwhile and cannot be charged.
            return ()
        return (stripe_facts.card_saved(event.object_id, method, event.occurred_at),)

    def fetch_owner(self, event: GatewayEvent) -> GatewayEvent:
        with calls.operation(), calls.reading():
            event = self._with_card_owner(self._with_payment(event))
            intent = None if event.payment_id is None else self._find_intent(event.account, event.payment_id)
        return event if intent is None else events.owned(event, values.metadata_of(intent), self._stage)

    # ---- Listings

    def iter_accounts(self) -> Iterator[str]:
        return (str(account["id"]) for account in calls.walk(self._stripe.accounts.list, {}, None))

    def iter_payments(
        self, account: str | None, since: datetime, until: datetime, after: str | None = None
    ) -> Iterator[Payment]:
        params = {"created": _period(since, until), "expand": [f"data.{_MOVEMENT}"]}
        for intent in calls.walk(self._stripe.payment_intents.list, params, account, after):
            yield self._payment(intent)

    def iter_reversals(
        self, account: str | None, since: datetime, until: datetime, after: str | None = None
    ) -> Iterator[Reversal]:
        # A dispute's id says that the refunds have been walked.
        in_disputes = after is not None and after.startswith(_DISPUTE_IDS)
        lists: list[Callable[..., stripe.ListObject[Any]]] = [self._stripe.disputes.list]
        lists = lists if in_disputes else [self._stripe.refunds.list, *lists]
        for list_page in lists:
            for found in calls.walk(list_page, {"created": _period(since, until)}, account, after):
                # Not every charge belongs to a PaymentIntent, but all of ours do.
                yield Reversal(found["id"], self._payment_of(account, found))
            after = None

    def _payment_of(self, account: str | None, found: Mapping[str, Any]) -> str | None:
        """The payment of a refund or dispute; found by its charge if the object does not name it."""
        payment_id, charge_id = values.id_of(found.get("payment_intent")), values.id_of(found.get("charge"))
        if payment_id is not None or charge_id is None:
            return payment_id
        with calls.operation():
            charge = calls.find_object(self._stripe.charges.retrieve, charge_id, {}, account)
        return None if charge is None else values.id_of(charge.get("payment_intent"))

    def iter_events(
        self, account: str | None, since: datetime, until: datetime, after: str | None = None
    ) -> Iterator[GatewayEvent]:
        params = {"created": _period(since, until), "types": sorted(events.RELEVANT_EVENTS)}
        for event in calls.walk(self._stripe.events.list, params, account, after):
            # An event that is listed for a connected account does not name the account.
            yield events.event_of({**event, "account": account}, self._stage, live=self._live)

    def find_payment(self, account: str | None, payment_id: str) -> Payment | None:
        with calls.operation(), calls.reading():
            retrieve = self._stripe.payment_intents.retrieve
            intent = calls.find_object(retrieve, payment_id, {"expand": [_MOVEMENT]}, account)
            if intent is None or intent.get("latest_charge") is None:
                return None if intent is None else self._payment(intent, [], [])
            of_it, options = {"payment_intent": payment_id}, calls.options(account)
            expanded = {**of_it, "expand": ["data.balance_transaction"]}
            refunds = list(calls.pages(self._stripe.refunds.list, expanded, options))
            return self._payment(intent, refunds, list(calls.pages(self._stripe.disputes.list, of_it, options)))

    def _payment(self, intent: Mapping[str, Any], *reversals: list[dict[str, Any]]) -> Payment:
        from chalicelib.adapters.stripe import payments  # Imported here: only the nightly comparison reads them.

        try:
            return payments.payment_of(intent, self._stage, *reversals)
        except ValueError as error:
            raise GatewayUnavailable(str(error)) from error

    # ---- Shared

    def _intent_now(self, account: str | None, intent_id: str, attempt: Attempt) -> tuple[Fact, ...]:
        intent = self._find_intent(account, intent_id)
        return () if intent is None else _told(intent, attempt.created_at)

    def _refund_now(self, account: str | None, refund_id: str, attempt: Attempt) -> tuple[Fact, ...]:
        refund = calls.find_object(self._stripe.refunds.retrieve, refund_id, {}, account)
        return () if refund is None else stripe_facts.facts_of_refund(refund, attempt.created_at)

    def _find_intent(self, account: str | None, intent_id: str) -> dict[str, Any] | None:
        return calls.find_object(self._stripe.payment_intents.retrieve, intent_id, _WITH_CHARGE, account)

    def _find_card(self, account: str | None, card_id: str) -> dict[str, Any] | None:
        return calls.find_object(self._stripe.payment_methods.retrieve, card_id, {}, account)


def _told(intent: Mapping[str, Any], at: Any) -> tuple[Fact, ...]:
    try:
        return stripe_facts.facts_of_intent(intent, at)
    except ValueError as error:
        # An answer that cannot be parsed is no answer: the outcome is looked up again, and finally a person is told.
        raise GatewayUnavailable(str(error)) from error


def _told_of_page(page: Mapping[str, Any], at: datetime) -> tuple[Fact, ...]:
    try:
        return stripe_facts.facts_of_page(page, at)
    except ValueError as error:
        raise GatewayUnavailable(str(error)) from error


def _told_of_dispute(dispute: Mapping[str, Any], attempt: Attempt) -> tuple[Fact, ...]:
    """What became of the evidence, and then of the dispute and its money: a test's text decides it at once."""
    facts = (
        *stripe_facts.facts_of_evidence(dispute, attempt.created_at),
        *stripe_facts.facts_of_dispute_now(dispute),
    )
    return stripe_facts.of_payment(attempt.payment_id, facts)


def _told_of_its_page(attempt: Attempt, page: Mapping[str, Any] | None) -> tuple[Fact, ...]:
    if page is None:
        return () if attempt.page_id is None else (stripe_facts.payment_gone(attempt),)
    return _told_of_page(page, attempt.created_at)


def _is_done(intent: Mapping[str, Any]) -> bool:
    return intent["status"] in _DONE


def _waited(attempt: Attempt) -> bool:
    """Whether the attempt had a payment that waited for the customer; if it is gone now, it was not made."""
    return attempt.state == AttemptState.AWAITING_CUSTOMER and attempt.payment_id is not None


def _payment_id(attempt: Attempt) -> str:
    assert attempt.payment_id is not None, f"{attempt.operation} works on a payment"
    return attempt.payment_id


def _dispute_id(attempt: Attempt) -> str:
    assert attempt.dispute_id is not None, f"{attempt.operation} is about a dispute"
    return attempt.dispute_id


def _period(since: datetime, until: datetime) -> dict[str, int]:
    return {"gte": int(since.timestamp()), "lt": int(until.timestamp())}


def _made_by(attempt: Attempt, found: Iterator[dict[str, Any]]) -> dict[str, Any] | None:
    return next((one for one in found if values.metadata_of(one).get("attempt") == attempt.attempt_id), None)
