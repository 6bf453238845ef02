"""A driver for tests of the domain: one tab, a clock moved by hand, numbered ids, and everything that was written."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from msgspec.structs import replace

from chalicelib.domain.books.ledger import Account
from chalicelib.domain.news.message import Message, MessageKind, Recipient
from chalicelib.domain.news.table import messages_of
from chalicelib.domain.parties import Customer, Merchant
from chalicelib.domain.tab import agenda, due_steps, presenting
from chalicelib.domain.tab.actions import Action, allowed_actions
from chalicelib.domain.tab.actor import SYSTEM, Actor, Role
from chalicelib.domain.tab.attempt import Attempt, Failure, Operation
from chalicelib.domain.tab.commands import bill, booking
from chalicelib.domain.tab.commands.bill import ItemInput
from chalicelib.domain.tab.commands.booking import Terms
from chalicelib.domain.tab.draft import Change, Draft
from chalicelib.domain.tab.entry import Entry
from chalicelib.domain.tab.facts.apply import apply_fact
from chalicelib.domain.tab.facts.fact import Fact, FactKind
from chalicelib.domain.tab.payments import Card
from chalicelib.domain.tab.policy import Policy
from chalicelib.domain.tab.promise import Acceptance, AcceptanceMethod, Consent
from chalicelib.domain.tab.step import StepKind
from chalicelib.domain.tab.tab import Tab
from chalicelib.domain.trust.credits import CreditAccount, Mark, Movement
from chalicelib.domain.trust.evidence.fields import TextField
from chalicelib.domain.trust.evidence.pack import DisputeAnswer, Origin, Pack, PackField

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
MERCHANT = Merchant(
    merchant_id="mer_1",
    name="Café Central",
    account=None,
    currency="EUR",
    settlement_currency="EUR",
    policy=Policy(),
    created_at=NOON,
)
CARD = Card(card_id="pm_visa", brand="visa", last4="4242", saved_at=NOON)
OTHER_CARD = Card(card_id="pm_master", brand="mastercard", last4="4444", saved_at=NOON)
CUSTOMER = Customer(
    customer_id="cus_1", merchant_id="mer_1", customer_ref="cust_1", reference="Ada", created_at=NOON, card=CARD
)
STAFF = Actor(subject="sam", role=Role.STAFF, merchant_id="mer_1")
OWNER = Actor(subject="olga", role=Role.OWNER, merchant_id="mer_1")
ADA = Actor(subject="ada", role=Role.CUSTOMER, merchant_id="mer_1", customer_id="cus_1")

WITHOUT_CARD = (Consent.CAP, Consent.DEPOSIT_AND_FEES)
WITH_CARD = (*WITHOUT_CARD, Consent.CARD_ON_FILE)
EVERYTHING = (*WITH_CARD, Consent.AUTOMATIC_CHARGE, Consent.CAPTURE_BEFORE_EXPIRY)
DECLINED = Failure(code="card_declined", decline_code="do_not_honor", advice="do_not_try_again")
TRY_LATER = Failure(code="card_declined", decline_code="try_again_later", advice="try_again_later")


PACK = Pack(dispute_id="dp_1", fields=(PackField(name=TextField.UNCATEGORIZED_TEXT, text="paid", origin=Origin.OWNER),))
ANSWER = DisputeAnswer(merchant_id="mer_1", customer_id="cus_1", tab_id="tab_1", dispute_id="dp_1")


def terms(**given: Any) -> Terms:
    return Terms(
        **{
            "title": "Haircut",
            "expected_outcome": "Shorter hair",
            "estimate_minor": 60_00,
            "cap_minor": 200_00,
            **given,
        }
    )


def acceptance(
    tab: Tab, *consents: Consent, at: datetime = NOON, method: AcceptanceMethod = AcceptanceMethod.APP
) -> Acceptance:
    """The customer's acceptance of the proposed promise, or else of the current one."""
    return Acceptance(
        subject="ada",
        method=method,
        accepted_at=at,
        ip="192.0.2.1",
        user_agent="phone",
        promise_sha256=(tab.proposed or tab.promise).sha256,
        consents=consents,
        card_terms_sha256="0" * 64 if Consent.CARD_ON_FILE in consents else None,
    )


class Accounts:
    """The credit accounts of a merchant's customers, for one till or several."""

    def __init__(self) -> None:
        self.by_customer: dict[str, CreditAccount] = {}
        self.movements: dict[str, list[Movement]] = {}
        self.marks: dict[str, set[str]] = {}

    def find_credit_account(self, merchant_id: str, customer_id: str) -> CreditAccount | None:
        return self.by_customer.get(customer_id)

    def is_shared(self, mark: Mark, among: Collection[str] | None) -> bool:
        others = self.marks.get(mark.sha256, set()) - {mark.customer_id}
        return bool(others if among is None else others.intersection(among))

    def write(self, change: Change) -> None:
        for one in change.credits:
            known = self.by_customer.get(one.account.customer_id)
            assert one.account.version == (known.version if known else 0) + 1, "no version is skipped"
            self.by_customer[one.account.customer_id] = one.account
            self.movements.setdefault(one.account.customer_id, []).extend(one.movements)
        for mark in change.marks:
            self.marks.setdefault(mark.sha256, set()).add(mark.customer_id)


class Till:
    """One tab and its history. Commands and facts go through the agenda, as they do in the use cases."""

    def __init__(
        self,
        *,
        merchant: Merchant = MERCHANT,
        policy: Policy | None = None,
        customer: Customer = CUSTOMER,
        accounts: Accounts | None = None,
        now: datetime = NOON,
        **given: Any,
    ) -> None:
        self.now = now
        self.accounts = accounts or Accounts()
        self.entries: list[Entry] = []
        self.closed: dict[str, Attempt] = {}
        self.known_facts: set[str] = set()
        self.post_works = True
        """Whether the customer is told of a bill as soon as it is presented."""
        self._numbers = count(1)
        merchant = replace(merchant, policy=policy) if policy else merchant
        draft = booking.open_tab(merchant, customer, terms(**given), now=self.now, by=STAFF, new_id=self.new_id)
        self.tab = draft.tab
        self._finish(draft)

    @classmethod
    def booked(cls, in_hours: float = 24, **given: Any) -> Till:
        """A booking `in_hours` from now, by default with a deposit and fees."""
        given = {"deposit_minor": 20_00, "no_show_fee_minor": 30_00, "late_cancel_fee_minor": 15_00} | given
        return cls(starts_at=NOON + timedelta(hours=in_hours), **given)

    def new_id(self, prefix: str) -> str:
        return f"{prefix}_{next(self._numbers)}"

    # Acting

    def do(self, command: Callable[..., None], *args: Any, by: Actor = STAFF) -> Till:
        draft = self.draft(by)
        command(draft, *args)
        self._finish(draft)
        return self

    def draft(self, by: Actor = STAFF) -> Draft:
        known = frozenset(self.known_facts)
        return Draft(self.tab, now=self.now, by=by, new_id=self.new_id, known_facts=known, accounts=self.accounts)

    def accept(self, *consents: Consent, customer: Customer | None = None, by: Actor = ADA) -> Till:
        return self.do(booking.accept_promise, acceptance(self.tab, *consents, at=self.now), customer, by=by)

    def serve(self, *prices: int) -> Till:
        """Add these amounts to the bill and present it."""
        for price in prices:
            self.do(bill.add_items, [ItemInput(description="Service", unit_price_minor=price)])
        return self.do(bill.complete)

    def accept_bill(self, tip_minor: int = 0) -> Till:
        return self.do(bill.accept_bill, tip_minor, by=ADA)

    def hear(self, *facts: Fact) -> Till:
        draft = self.draft(SYSTEM)
        for fact in facts:
            apply_fact(draft, fact)
        self._finish(draft)
        return self

    def wait(self, **by: float) -> Till:
        """Move the clock and let the agenda act."""
        return self.wait_until(self.now + timedelta(**by))

    def wait_until(self, instant: datetime) -> Till:
        self.now = instant
        self._finish(self.draft(SYSTEM))
        return self

    def end(self, note: Callable[..., None], operation: Operation, *args: Any) -> Till:
        """Record an outcome of an attempt as the use cases do: unknown, absent, rejected."""
        draft = self.draft(SYSTEM)
        note(draft, self.open(operation), *args)
        self._finish(draft)
        return self

    def _finish(self, draft: Draft) -> Change | None:
        change = due_steps.conclude(draft)
        if change is not None:
            self.tab = change.tab
            self.accounts.write(change)
            self.entries.extend(change.entries)
            self.known_facts |= set(change.fact_keys)
            self.closed |= {attempt.attempt_id: attempt for attempt in change.closed_attempts}
        untold = self.tab.untold_bill
        if untold is not None and self.post_works:
            self.hear_of_post(untold.seq)
        return change

    def hear_of_post(self, seq: int, how: str = "email") -> Till:
        """The message that follows from this entry was handed over."""
        draft = self.draft(SYSTEM)
        presenting.told(draft, seq, how)
        self._finish(draft)
        return self

    # Facts from the gateway

    def open(self, operation: Operation) -> Attempt:
        """The open attempt of this kind."""
        found = [attempt for attempt in self.tab.attempts if attempt.operation == operation]
        assert len(found) == 1, f"one open {operation} was expected, there are {len(found)}: {self.tab.attempts}"
        return found[0]

    def fact(self, kind: FactKind, object_id: str, amount_minor: int = 0, **given: Any) -> Fact:
        return Fact(kind=kind, object_id=object_id, at=self.now, amount_minor=amount_minor, **given)

    def hold_placed(self, payment_id: str = "pi_hold", *, days: float = 7, card: Card | None = None) -> Till:
        attempt = self.open(Operation.PLACE_HOLD)
        return self.hear(
            self.fact(
                FactKind.HOLD_PLACED,
                payment_id,
                attempt.amount_minor,
                attempt_id=attempt.attempt_id,
                capture_before=self.now + timedelta(days=days),
                card=card,
            )
        )

    def captured(self) -> Till:
        attempt = self.open(Operation.CAPTURE)
        assert attempt.payment_id is not None
        made_by = self.tab.hold(attempt.payment_id)
        return self.hear(
            self.fact(
                FactKind.HOLD_CAPTURED,
                attempt.payment_id,
                attempt.amount_minor,
                attempt_id=made_by.attempt_id if made_by else None,
            )
        )

    def released(self) -> Till:
        attempt = self.open(Operation.RELEASE)
        assert attempt.payment_id is not None
        return self.hear(self.fact(FactKind.PAYMENT_CANCELED, attempt.payment_id))

    def charged(self, payment_id: str = "pi_charge", *, fingerprint: str | None = None) -> Till:
        attempt = self.open(Operation.CHARGE)
        return self.hear(
            self.fact(
                FactKind.CHARGED,
                payment_id,
                attempt.amount_minor,
                attempt_id=attempt.attempt_id,
                fingerprint=fingerprint,
            )
        )

    def refunded(self, refund_id: str = "re_1") -> Till:
        attempt = self.open(Operation.REFUND)
        return self.hear(
            self.fact(
                FactKind.REFUNDED,
                refund_id,
                attempt.amount_minor,
                attempt_id=attempt.attempt_id,
                payment_id=attempt.payment_id,
            )
        )

    def declined(self, operation: Operation, payment_id: str = "pi_no", failure: Failure | None = DECLINED) -> Till:
        attempt = self.open(operation)
        return self.hear(
            self.fact(FactKind.DECLINED, payment_id, attempt_id=attempt.attempt_id, failure=failure, occurrence="ch_1")
        )

    def awaiting(self, operation: Operation, payment_id: str = "pi_asks") -> Till:
        attempt = self.open(operation)
        return self.hear(
            self.fact(
                FactKind.AWAITING_CUSTOMER,
                payment_id,
                attempt_id=attempt.attempt_id,
                client_secret=f"{payment_id}_secret",
            )
        )

    def disputed(self, *kinds: FactKind, payment_id: str = "pi_charge", amount_minor: int = 50_00) -> Till:
        """Apply facts of one dispute, in this order."""
        return self.hear(*(self.fact(kind, "dp_1", amount_minor, payment_id=payment_id) for kind in kinds))

    # Reading

    def allows(self, action: Action, by: Actor = STAFF) -> bool:
        return action in allowed_actions(self.tab, by, self.now)

    @property
    def kinds(self) -> list[str]:
        return [entry.kind for entry in self.entries]

    @property
    def messages(self) -> list[Message]:
        """What is told because of everything that was written so far."""
        tab = self.tab
        return [
            message
            for entry in self.entries
            for message in messages_of(tab.merchant_id, tab.customer_id, tab.tab_id, entry)
        ]

    @property
    def told(self) -> list[tuple[MessageKind, Recipient]]:
        """The messages: kind and recipient."""
        return [(message.kind, message.to) for message in self.messages]

    @property
    def planned(self) -> dict[StepKind, datetime]:
        """The pending steps and their times."""
        return {step.kind: step.at for step in agenda.steps(self.tab)}

    def posted(self, kind: str) -> list[tuple[Account, int]]:
        """The postings of the entries of this kind."""
        return [
            (posting.account, posting.amount_minor)
            for entry in self.entries
            if entry.kind == kind
            for posting in entry.postings
        ]

    @property
    def books(self) -> dict[Account, int]:
        """The accounts with a balance other than zero."""
        return {account: amount for account, amount in self.tab.balances.items() if amount}
