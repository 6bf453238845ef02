"""A payment gateway in memory with correct books and injectable faults; it behaves like Stripe."""

from __future__ import annotations

import json
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import count
from typing import Any, TypeVar

from msgspec import Struct, field
from msgspec.structs import replace

from chalicelib.domain.books.differences import Payment as Seen
from chalicelib.domain.parties import Customer
from chalicelib.domain.tab.attempt import Attempt, Failure, Operation
from chalicelib.domain.tab.facts.fact import Fact, FactKind
from chalicelib.domain.tab.payments import Card
from chalicelib.domain.tab.tab import Tab
from chalicelib.domain.trust.evidence.pack import Pack
from chalicelib.ports.gateway import (
    BadSignature,
    CardSetup,
    CustomerSession,
    GatewayEvent,
    GatewayRejected,
    GatewayUnavailable,
    Reversal,
)
from devstack.invariants import Objects

T = TypeVar("T")

ON_SESSION_HOLD = timedelta(days=7)
OFF_SESSION_HOLD = timedelta(days=4, hours=18)
SIGNATURE = "signed"

FIND = "find"
CLOSE = "close"


class Fault(StrEnum):
    """A fault of a call: with or without effect, no answer or a dead process."""

    LOST_BEFORE = "lost_before"
    LOST_AFTER = "lost_after"
    CRASH_BEFORE = "crash_before"
    CRASH_AFTER = "crash_after"
    REJECTED = "rejected"


class Crash(BaseException):
    """The process died; nothing may catch this."""


class CardBehaviour(StrEnum):
    """The bank's answer for this card when the customer is absent."""

    GOOD = "good"
    ASKS = "asks"
    DECLINES = "declines"
    STOLEN = "stolen"
    TRY_LATER = "try_later"
    NO_MONEY = "no_money"
    SLOW = "slow"


DECLINED = Failure(code="card_declined", decline_code="do_not_honor")
STOLEN = Failure(code="card_declined", decline_code="stolen_card", advice="do_not_try_again")
TRY_LATER = Failure(code="card_declined", decline_code="try_again_later", advice="try_again_later")
NO_MONEY = Failure(code="card_declined", decline_code="insufficient_funds")
OVERTAKEN = Failure(code="charge_for_pending_refund_disputed")
ASKED = Failure(code="authentication_required")


class Refund(Struct):
    refund_id: str
    attempt_id: str
    amount_minor: int
    state: str
    failure: Failure | None = None


TO_ANSWER = timedelta(days=9)
"""How long a bank takes an answer."""


class Dispute(Struct):
    """`kind`: its current state. `answers`: the attempts whose evidence it has, by their keys; the bank's, the last.

    `is_answered`: the bank has it, and asks no more.
    """

    dispute_id: str
    amount_minor: int
    respond_by: datetime
    kind: FactKind | None = None
    withdrawn_minor: int = 0
    reinstated_minor: int = 0
    answers: list[str] = []
    is_answered: bool = False

    @property
    def is_open(self) -> bool:
        return self.kind == FactKind.DISPUTE_OPENED

    @property
    def asks(self) -> bool:
        return self.kind in (FactKind.INQUIRY_OPENED, FactKind.DISPUTE_OPENED) and not self.is_answered

    @property
    def taken_minor(self) -> int:
        return self.withdrawn_minor - self.reinstated_minor


class Payment(Struct):
    """`state`: waiting, processing, declined, authorized, canceled, expired, paid."""

    payment_id: str
    attempt_id: str
    merchant_id: str
    tab_id: str
    is_hold: bool
    amount_minor: int
    on_session: bool
    saves_card: bool
    made_at: datetime
    account: str | None = None
    currency: str = "EUR"
    fee_minor: int = 0
    state: str = "waiting"
    captured_minor: int = 0
    capture_before: datetime | None = None
    card: Card | None = None
    failure: Failure | None = None
    declined_card_id: str | None = None
    declines: int = 0
    disputes: list[Dispute] = field(default_factory=list)
    refunds: list[Refund] = field(default_factory=list)

    @property
    def kept_minor(self) -> int:
        return self.captured_minor - sum(refund.amount_minor for refund in self.refunds if refund.state != "failed")


def _fingerprint(payment: Payment) -> str | None:
    """The card's own, as the gateway says it: whoever pays with it."""
    card_id = payment.card.card_id if payment.card else payment.declined_card_id
    return f"fingerprint of {card_id}" if card_id else None


class FakeGateway:
    """Implements ports.PaymentGateway. `now`: the gateway's own clock. `refunds_end`: the state refunds are made in.

    `account`: the connected account in which everything happens; asked in another one, it knows of nothing.
    """

    publishable_key = "pk_test_fake"

    def __init__(self, now: Callable[[], datetime], account: str | None = None) -> None:
        self.now = now
        self.account = account
        self.payments: dict[str, Payment] = {}
        self.cards: dict[str, CardBehaviour] = {}
        self.refunds_end = "succeeded"
        self.accounts: list[str] = []
        self.is_down = False
        self.calls: list[str] = []
        self.attached_cards: list[str] = []
        self.removed_cards: list[str] = []
        self.consents: list[tuple[Customer, str | None]] = []
        self.asked: list[tuple[Tab, Attempt]] = []
        self.events: dict[str, tuple[GatewayEvent, tuple[Fact, ...]]] = {}
        self.undelivered: list[str] = []
        self.on_call: Callable[[str], None] | None = None
        self._faults: defaultdict[str, deque[Fault]] = defaultdict(deque)
        self._by_key: dict[str, str] = {}
        self._ids = count(1)

    # Faults

    def fail(self, call: Operation | str, *faults: Fault) -> None:
        """Inject these faults into the next calls of this kind, one each."""
        self._faults[str(call)].extend(faults)

    def heal(self) -> None:
        """Remove all faults."""
        self._faults.clear()
        self.cards.clear()
        self.is_down = False
        self.on_call = None

    @contextmanager
    def _calling(self, call: str) -> Iterator[None]:
        self.calls.append(call)
        if self.on_call:
            self.on_call(call)
        if self.is_down:
            raise GatewayUnavailable("down")
        fault = self._faults[call].popleft() if self._faults[call] else None
        match fault:
            case Fault.CRASH_BEFORE:
                raise Crash(call)
            case Fault.LOST_BEFORE:
                raise GatewayUnavailable("the request was lost")
            case Fault.REJECTED:
                raise GatewayRejected(Failure(code="parameter_invalid"))
        yield
        match fault:
            case Fault.CRASH_AFTER:
                raise Crash(call)
            case Fault.LOST_AFTER:
                raise GatewayUnavailable("the answer was lost")

    # The port: attempts

    def perform(self, tab: Tab, attempt: Attempt) -> tuple[Fact, ...]:
        self.asked.append((tab, attempt))
        with self._calling(attempt.operation):
            return self._perform(tab, attempt)

    def _perform(self, tab: Tab, attempt: Attempt) -> tuple[Fact, ...]:
        key = f"{attempt.attempt_id}/{attempt.operation}"
        made_before = self._by_key.get(key)
        if attempt.operation == Operation.REFUND:
            return self._refund(attempt, key)
        if attempt.operation in (Operation.CHARGE, Operation.PLACE_HOLD):
            payment = self.payments[made_before] if made_before else self._create(tab, attempt, key)
            return self._facts(payment)
        payment = self.payments[attempt.payment_id or ""]
        self.expire_holds()
        if payment.state == "authorized":
            if attempt.operation == Operation.RELEASE:
                payment.state = "canceled"
            elif attempt.amount_minor > payment.amount_minor:
                raise GatewayRejected(Failure(code="amount_too_large"))
            else:
                payment.state, payment.captured_minor = "paid", attempt.amount_minor
            self._tell(payment)
        return self._facts(payment)

    def _create(self, tab: Tab, attempt: Attempt, key: str) -> Payment:
        payment = Payment(
            payment_id=f"pi_{next(self._ids)}",
            attempt_id=attempt.attempt_id,
            merchant_id=tab.merchant_id,
            tab_id=tab.tab_id,
            is_hold=attempt.operation == Operation.PLACE_HOLD,
            amount_minor=attempt.amount_minor,
            on_session=attempt.card_id is None,
            saves_card=attempt.saves_card,
            made_at=self.now(),
            account=tab.account,
        )
        self.payments[payment.payment_id] = payment
        self._by_key[key] = payment.payment_id
        if attempt.card_id is not None:
            payment.declined_card_id = attempt.card_id
            match self.cards.get(attempt.card_id, CardBehaviour.GOOD):
                case CardBehaviour.GOOD:
                    self._pay(payment)
                case CardBehaviour.ASKS:
                    payment.failure = None if attempt.customer_present else ASKED
                case CardBehaviour.SLOW:
                    payment.state = "processing"
                case CardBehaviour.DECLINES:
                    self._decline(payment, DECLINED)
                case CardBehaviour.STOLEN:
                    self._decline(payment, STOLEN)
                case CardBehaviour.TRY_LATER:
                    self._decline(payment, TRY_LATER)
                case CardBehaviour.NO_MONEY:
                    self._decline(payment, NO_MONEY)
        self._tell(payment)
        return payment

    def _refund(self, attempt: Attempt, key: str) -> tuple[Fact, ...]:
        payment = self.payments[attempt.payment_id or ""]
        refund = next((refund for refund in payment.refunds if refund.refund_id == self._by_key.get(key)), None)
        if refund is None:
            if any(dispute.is_open for dispute in payment.disputes):
                raise GatewayRejected(Failure(code="charge_disputed"), self._reversals(payment))
            if attempt.amount_minor > payment.kept_minor - sum(dispute.taken_minor for dispute in payment.disputes):
                raise GatewayRejected(Failure(code="amount_too_large"), self._reversals(payment))
            refund = Refund(f"re_{next(self._ids)}", attempt.attempt_id, attempt.amount_minor, self.refunds_end)
            payment.refunds.append(refund)
            self._by_key[key] = refund.refund_id
            self._tell(payment, refund)
        return (self._refund_fact(payment, refund),)

    def find_facts(self, tab: Tab, attempt: Attempt) -> tuple[Fact, ...]:
        assert tab.attempt(attempt.attempt_id) is not None, "an outcome is asked for of an attempt that is open"
        with self._calling(FIND):
            return self._find(attempt)

    def _find(self, attempt: Attempt) -> tuple[Fact, ...]:
        self.expire_holds()
        if attempt.answers_bank:
            return self._evidence(*self._disputed(attempt))
        if attempt.operation == Operation.REFUND:
            payment = self.payments[attempt.payment_id or ""]
            made = (refund for refund in payment.refunds if refund.attempt_id == attempt.attempt_id)
            return tuple(self._refund_fact(payment, refund) for refund in made)
        found = self._payment_of(attempt)
        if found is None:
            return ()
        if attempt.operation in (Operation.CAPTURE, Operation.RELEASE) and found.state == "authorized":
            return ()
        return self._facts(found)

    # The port: evidence

    def answer_bank(self, tab: Tab, attempt: Attempt, pack: Pack) -> tuple[Fact, ...]:
        with self._calling(attempt.operation):
            payment, dispute = self._disputed(attempt)
            if attempt.attempt_id not in dispute.answers:
                if not dispute.asks:
                    raise GatewayRejected(Failure(code="dispute_unexpected_state"), self._evidence(payment, dispute))
                dispute.answers = [*dispute.answers, attempt.attempt_id]
                dispute.is_answered = attempt.operation == Operation.SUBMIT_EVIDENCE
                for fact in self._evidence(payment, dispute):
                    self.announce(fact, payment_id=payment.payment_id)
            return self._evidence(payment, dispute)

    def find_charge(self, account: str | None, payment_id: str) -> str | None:
        return f"ch_of_{payment_id}"

    def _disputed(self, attempt: Attempt) -> tuple[Payment, Dispute]:
        payment = self.payments[attempt.payment_id or ""]
        return payment, next(one for one in payment.disputes if one.dispute_id == attempt.dispute_id)

    def _evidence(self, payment: Payment, dispute: Dispute) -> tuple[Fact, ...]:
        if not dispute.answers:
            return ()
        fact = Fact(
            kind=FactKind.EVIDENCE_SUBMITTED if dispute.is_answered else FactKind.EVIDENCE_STAGED,
            object_id=dispute.dispute_id,
            at=self.now(),
            payment_id=payment.payment_id,
            attempt_id=dispute.answers[-1],
            occurrence="inquiry" if dispute.kind in (FactKind.INQUIRY_OPENED, FactKind.INQUIRY_CLOSED) else "",
        )
        return (fact,)

    def close_payment(self, tab: Tab, attempt: Attempt) -> tuple[Fact, ...]:
        assert tab.attempt(attempt.attempt_id) is not None, "what is closed is an attempt that is open"
        with self._calling(CLOSE):
            payment = self._payment_of(attempt)
            if payment is not None and payment.state in ("waiting", "declined"):
                payment.state = "canceled"
                self._tell(payment)
            return self._facts(payment) if payment else ()

    def _payment_of(self, attempt: Attempt) -> Payment | None:
        if attempt.payment_id is not None:
            return self.payments.get(attempt.payment_id)
        return next((payment for payment in self.payments.values() if payment.attempt_id == attempt.attempt_id), None)

    # The port: customers and events

    def add_customer(self, account: str | None, merchant_id: str, customer_id: str, *, key: str) -> str:
        with self._calling("add_customer"):
            self._check_account(account)
            return self._by_key.setdefault(f"{key}/customer", f"cust_{next(self._ids)}")

    def add_card_setup(
        self, account: str | None, customer: Customer, tab_id: str | None, *, key: str, return_url: str | None = None
    ) -> CardSetup:
        with self._calling("add_card_setup"):
            self._check_account(account)
            self.consents.append((customer, tab_id))
            setup_id = self._by_key.setdefault(f"{key}/setup", f"seti_{next(self._ids)}")
            return CardSetup(setup_id=setup_id, client_secret=f"{setup_id}_secret")

    def add_customer_session(self, account: str | None, customer_ref: str, *, key: str) -> CustomerSession:
        with self._calling("add_customer_session"):
            self._check_account(account)
            return CustomerSession(client_secret=f"cuss_{customer_ref}", expires_at=self.now() + timedelta(minutes=30))

    def remove_cards(self, account: str | None, customer: Customer, *, key: str) -> tuple[str, ...]:
        with self._calling("remove_cards"):
            self._check_account(account)
            removed, self.attached_cards = tuple(self.attached_cards), []
            self.removed_cards += removed
            return removed

    def _check_account(self, account: str | None) -> None:
        if account != self.account:
            raise GatewayRejected(Failure(code="account_invalid"))

    def read_event(self, payload: bytes, signature: str) -> GatewayEvent:
        if signature != SIGNATURE:
            raise BadSignature("wrong")
        return self.events[json.loads(payload)["id"]][0]

    def facts_of(self, event: GatewayEvent, *, wants_card: bool = False) -> tuple[Fact, ...]:
        with self._calling("facts_of"):
            return self.events[event.event_id][1]

    def fetch_owner(self, event: GatewayEvent) -> GatewayEvent:
        with self._calling("fetch_owner"):
            payment = self.payments.get(event.payment_id or "")
            if payment is None:
                return event
            return replace(
                event,
                ours=True,
                merchant_id=payment.merchant_id,
                tab_id=payment.tab_id,
                attempt_id=payment.attempt_id,
            )

    # The port: listings

    def iter_accounts(self) -> Iterator[str]:
        with self._calling("iter_accounts"):
            yield from self.accounts

    def iter_payments(
        self, account: str | None, since: datetime, until: datetime, after: str | None = None
    ) -> Iterator[Seen]:
        with self._calling("iter_payments"):
            made = [payment for payment in self._of(account) if since <= payment.made_at < until]
            for payment in _behind(after, made, lambda payment: payment.payment_id):
                # A refund that failed leaves no trace on the payment itself.
                is_reversed = payment.kept_minor != payment.captured_minor or bool(payment.disputes)
                yield replace(self._seen(payment), refunds=(), disputes=(), is_whole=not is_reversed)

    def iter_reversals(
        self, account: str | None, since: datetime, until: datetime, after: str | None = None
    ) -> Iterator[Reversal]:
        with self._calling("iter_reversals"):
            assert since < until
            reversed_ = [payment for payment in self._of(account) if payment.refunds or payment.disputes]
            for payment in _behind(after, reversed_, lambda payment: f"re_of_{payment.payment_id}"):
                yield Reversal(f"re_of_{payment.payment_id}", payment.payment_id)

    def iter_events(
        self, account: str | None, since: datetime, until: datetime, after: str | None = None
    ) -> Iterator[GatewayEvent]:
        with self._calling("iter_events"):
            events = [event for event, _ in self.events.values() if event.account == account]
            found = list(reversed([event for event in events if since <= event.occurred_at < until]))
            yield from _behind(after, found, lambda event: event.event_id)

    def find_payment(self, account: str | None, payment_id: str) -> Seen | None:
        with self._calling("find_payment"):
            self.expire_holds()
            return next((self._seen(one) for one in self._of(account) if one.payment_id == payment_id), None)

    def _of(self, account: str | None) -> list[Payment]:
        return [payment for payment in self.payments.values() if payment.account == account]

    def _seen(self, payment: Payment) -> Seen:
        return Seen(
            payment_id=payment.payment_id,
            currency=payment.currency,
            made_at=payment.made_at,
            state_fact=self._facts(payment)[0],
            merchant_id=payment.merchant_id or None,
            tab_id=payment.tab_id or None,
            attempt_id=payment.attempt_id or None,
            refunds=self._refund_facts(payment),
            disputes=self._all_dispute_facts(payment),
            fees=(self._fee_fact(payment),) if payment.fee_minor else (),
        )

    def _refund_facts(self, payment: Payment) -> tuple[Fact, ...]:
        return tuple(self._refund_fact(payment, refund) for refund in payment.refunds)

    def _all_dispute_facts(self, payment: Payment) -> tuple[Fact, ...]:
        return tuple(fact for dispute in payment.disputes for fact in self._dispute_facts(payment, dispute))

    def _reversals(self, payment: Payment) -> tuple[Fact, ...]:
        return self._refund_facts(payment) + self._all_dispute_facts(payment)

    def _fee_fact(self, payment: Payment) -> Fact:
        return Fact(
            kind=FactKind.PROCESSING_FEE,
            object_id=f"txn_{payment.payment_id}",
            at=payment.made_at,
            amount_minor=payment.fee_minor,
            payment_id=payment.payment_id,
        )

    # Acts of the customer, the bank and time

    def confirm(self, payment_id: str, card: Card | None = None) -> None:
        """The customer confirms on the phone."""
        payment = self.payments[payment_id]
        assert payment.state in ("waiting", "declined"), f"a payment that is {payment.state} can't be confirmed"
        payment.card = card
        if card and payment.saves_card and card.card_id not in self.attached_cards:
            self.attached_cards.append(card.card_id)
        self._pay(payment)
        self._tell(payment)

    def decline(self, payment_id: str, failure: Failure = DECLINED) -> None:
        """The bank declines on the phone; the customer may try again."""
        self._decline(self.payments[payment_id], failure)
        self._tell(self.payments[payment_id])

    def finish_processing(self, payment_id: str) -> None:
        self._pay(self.payments[payment_id])
        self._tell(self.payments[payment_id])

    def end_refunds(self, state: str, failure: Failure | None = None) -> None:
        """Refunds that are pending succeed or fail."""
        for payment in self.payments.values():
            self._end_refunds_of(payment, state, failure)

    def _end_refunds_of(self, payment: Payment, state: str, failure: Failure | None) -> None:
        for refund in payment.refunds:
            if refund.state == "pending":
                refund.state, refund.failure = state, failure
                self._tell(payment, refund)

    def dispute(
        self, payment_id: str, *kinds: FactKind, dispute_id: str | None = None, amount_minor: int | None = None
    ) -> None:
        """The customer's bank disputes the payment: what it tells of that, without any metadata of ours.

        `amount_minor`: of the dispute, and of what it moves; all of the payment where left out.
        """
        payment = self.payments[payment_id]
        dispute_id = dispute_id or f"dp_{payment_id}"
        dispute = next((one for one in payment.disputes if one.dispute_id == dispute_id), None)
        if dispute is None:
            amount_minor = payment.captured_minor if amount_minor is None else amount_minor
            dispute = Dispute(dispute_id, amount_minor, self.now() + TO_ANSWER)
            payment.disputes.append(dispute)
        for kind in kinds:
            if kind == FactKind.DISPUTE_WITHDRAWN:
                dispute.withdrawn_minor = dispute.amount_minor
            elif kind == FactKind.DISPUTE_REINSTATED:
                dispute.reinstated_minor = dispute.withdrawn_minor
            else:
                if kind == FactKind.DISPUTE_OPENED and dispute.kind == FactKind.INQUIRY_OPENED:
                    dispute.respond_by, dispute.is_answered = self.now() + TO_ANSWER, False
                dispute.kind = kind
            fact = next(one for one in self._dispute_facts(payment, dispute, told=kind) if one.kind == kind)
            self.announce(fact, payment_id=payment_id)
            if dispute.is_open:
                # Otherwise the customer would have the money twice.
                self._end_refunds_of(payment, "failed", OVERTAKEN)

    def _dispute_facts(
        self, payment: Payment, dispute: Dispute, told: FactKind = FactKind.DISPUTE_OPENED
    ) -> Iterator[Fact]:
        """How far it has come (as far as `told`, where its state was never said), and its money."""
        fact = Fact(
            kind=dispute.kind or told,
            object_id=dispute.dispute_id,
            at=self.now(),
            amount_minor=dispute.amount_minor,
            payment_id=payment.payment_id,
            reason="general",
            respond_by=dispute.respond_by,
        )
        yield fact
        if dispute.withdrawn_minor:
            yield replace(fact, kind=FactKind.DISPUTE_WITHDRAWN, amount_minor=dispute.withdrawn_minor)
        if dispute.reinstated_minor:
            yield replace(fact, kind=FactKind.DISPUTE_REINSTATED, amount_minor=dispute.reinstated_minor)

    def capture_there(self, payment_id: str) -> None:
        """The business captures a hold in the dashboard."""
        payment = self.payments[payment_id]
        assert payment.state == "authorized"
        payment.state, payment.captured_minor = "paid", payment.amount_minor
        self._tell(payment)

    def tell_again(self, payment_id: str) -> None:
        """An event with the payment's current state."""
        self._tell(self.payments[payment_id])

    def refund_there(self, payment_id: str, amount_minor: int) -> None:
        """The business refunds in the dashboard."""
        payment = self.payments[payment_id]
        assert amount_minor <= payment.kept_minor
        refund = Refund(f"re_{next(self._ids)}", "", amount_minor, "succeeded")
        payment.refunds.append(refund)
        self.announce(replace(self._refund_fact(payment, refund), attempt_id=None), payment_id=payment_id)

    def remove_card_there(self, card_id: str, customer_ref: str) -> None:
        """The customer removes the card on the gateway's page."""
        self.attached_cards = [kept for kept in self.attached_cards if kept != card_id]
        self.announce(Fact(kind=FactKind.CARD_REMOVED, object_id=card_id, at=self.now()), customer_ref=customer_ref)

    def announce(self, fact: Fact, *, payment_id: str | None = None, customer_ref: str | None = None) -> str:
        """An event about an object that carries no metadata of ours; its payment is told with it, as by the adapter."""
        event_id = f"evt_{next(self._ids)}"
        before = self._facts(self.payments[payment_id]) if payment_id in self.payments else ()
        event = GatewayEvent(
            event_id=event_id,
            kind=fact.kind,
            account=self.payments[payment_id].account if payment_id else self.account,
            occurred_at=self.now(),
            object_id=fact.object_id,
            payment_id=payment_id,
            is_relevant=True,
            ours=False,
            merchant_id=None,
            customer_id=None,
            tab_id=None,
            attempt_id=None,
            body={},
            customer_ref=customer_ref,
        )
        self.events[event_id] = (event, (*before, fact))
        self.undelivered.append(event_id)
        return event_id

    def expire_holds(self) -> None:
        for payment in self.payments.values():
            if payment.state == "authorized" and payment.capture_before and payment.capture_before <= self.now():
                payment.state = "expired"
                self._tell(payment)

    def _pay(self, payment: Payment) -> None:
        payment.failure = None
        if payment.is_hold:
            life = ON_SESSION_HOLD if payment.on_session else OFF_SESSION_HOLD
            payment.state, payment.capture_before = "authorized", self.now() + life
        else:
            payment.state, payment.captured_minor = "paid", payment.amount_minor

    def _decline(self, payment: Payment, failure: Failure) -> None:
        payment.state, payment.failure, payment.declines = "declined", failure, payment.declines + 1

    # Events

    def _facts(self, payment: Payment) -> tuple[Fact, ...]:
        common = Fact(
            kind=FactKind.PROCESSING, object_id=payment.payment_id, at=self.now(), attempt_id=payment.attempt_id
        )
        match payment.state:
            case "waiting":
                secret = f"{payment.payment_id}_secret"
                return (
                    replace(common, kind=FactKind.AWAITING_CUSTOMER, client_secret=secret, failure=payment.failure),
                )
            case "declined":
                return (
                    replace(
                        common,
                        kind=FactKind.DECLINED,
                        failure=payment.failure,
                        occurrence=f"ch_{payment.declines}",
                        card_id=payment.declined_card_id,
                    ),
                )
            case "authorized":
                return (
                    replace(
                        common,
                        kind=FactKind.HOLD_PLACED,
                        amount_minor=payment.amount_minor,
                        capture_before=payment.capture_before,
                        card=payment.card if payment.saves_card else None,
                        fingerprint=_fingerprint(payment),
                    ),
                )
            case "paid":
                kind = FactKind.HOLD_CAPTURED if payment.is_hold else FactKind.CHARGED
                card = payment.card if payment.saves_card and not payment.is_hold else None
                paid = replace(common, kind=kind, amount_minor=payment.captured_minor, card=card)
                return (replace(paid, fingerprint=_fingerprint(payment)),)
            case "canceled":
                return (replace(common, kind=FactKind.PAYMENT_CANCELED),)
            case "expired":
                return (replace(common, kind=FactKind.PAYMENT_EXPIRED),)
        return (common,)

    def _refund_fact(self, payment: Payment, refund: Refund) -> Fact:
        kinds = {
            "succeeded": FactKind.REFUNDED,
            "pending": FactKind.REFUND_PENDING,
            "failed": FactKind.REFUND_FAILED,
        }
        return Fact(
            kind=kinds[refund.state],
            object_id=refund.refund_id,
            at=self.now(),
            amount_minor=refund.amount_minor,
            attempt_id=refund.attempt_id,
            payment_id=payment.payment_id,
            failure=refund.failure,
        )

    def _tell(self, payment: Payment, refund: Refund | None = None) -> None:
        event_id = f"evt_{next(self._ids)}"
        facts = (self._refund_fact(payment, refund),) if refund else self._facts(payment)
        event = GatewayEvent(
            event_id=event_id,
            kind=facts[0].kind,
            account=payment.account,
            occurred_at=self.now(),
            object_id=refund.refund_id if refund else payment.payment_id,
            payment_id=payment.payment_id,
            is_relevant=True,
            ours=True,
            merchant_id=payment.merchant_id,
            customer_id=None,
            tab_id=payment.tab_id,
            attempt_id=payment.attempt_id,
            body={},
        )
        self.events[event_id] = (event, facts)
        self.undelivered.append(event_id)

    # Books

    def objects(self, tab_id: str) -> Objects:
        """The tab's payments and refunds as Stripe would show them."""
        payments = [payment for payment in self.payments.values() if payment.tab_id == tab_id]
        return Objects(
            [_payment_object(one) for one in payments],
            [o for one in payments for o in _refund_objects(one)],
            [o for one in payments for o in _dispute_objects(one)],
        )

    def kept_minor(self, tab_id: str) -> int:
        """Captured minus refunded, in the gateway's books."""
        return sum(payment.kept_minor for payment in self.payments.values() if payment.tab_id == tab_id)

    def held_minor(self, tab_id: str) -> int:
        return sum(
            payment.amount_minor
            for payment in self.payments.values()
            if payment.tab_id == tab_id and payment.state == "authorized"
        )


def _behind(after: str | None, found: list[T], id_of: Callable[[T], str]) -> list[T]:
    """The rest of a list after the object with this id."""
    ids = [id_of(one) for one in found]
    return found[ids.index(after) + 1 :] if after is not None else found


_STATUSES = {
    "waiting": "requires_payment_method",
    "declined": "requires_payment_method",
    "processing": "processing",
    "authorized": "requires_capture",
    "paid": "succeeded",
    "canceled": "canceled",
    "expired": "canceled",
}


def _payment_object(payment: Payment) -> dict[str, Any]:
    purpose = Operation.PLACE_HOLD if payment.is_hold else Operation.CHARGE
    return {
        "id": payment.payment_id,
        "status": _STATUSES[payment.state],
        "capture_method": "manual" if payment.is_hold else "automatic",
        "currency": "eur",
        "amount": payment.amount_minor,
        "amount_received": payment.captured_minor,
        "amount_capturable": payment.amount_minor if payment.state == "authorized" else 0,
        "metadata": {"tab": payment.tab_id, "attempt": payment.attempt_id, "purpose": purpose.value},
    }


_DISPUTE_STATUSES = {
    FactKind.INQUIRY_OPENED: "warning_needs_response",
    FactKind.INQUIRY_CLOSED: "warning_closed",
    FactKind.DISPUTE_OPENED: "needs_response",
    FactKind.DISPUTE_WON: "won",
    FactKind.DISPUTE_LOST: "lost",
    FactKind.DISPUTE_PREVENTED: "prevented",
}


def _dispute_objects(payment: Payment) -> list[dict[str, Any]]:
    return [
        {
            "id": dispute.dispute_id,
            "status": _DISPUTE_STATUSES[dispute.kind or FactKind.DISPUTE_OPENED],
            "payment_intent": payment.payment_id,
            "currency": "eur",
            "amount": dispute.amount_minor,
        }
        for dispute in payment.disputes
    ]


def _refund_objects(payment: Payment) -> list[dict[str, Any]]:
    return [
        {
            "id": refund.refund_id,
            "status": refund.state,
            "payment_intent": payment.payment_id,
            "currency": "eur",
            "amount": refund.amount_minor,
            # A refund in the dashboard has none of our metadata.
            "metadata": {"attempt": refund.attempt_id, "purpose": "refund"} if refund.attempt_id else {},
        }
        for refund in payment.refunds
    ]
