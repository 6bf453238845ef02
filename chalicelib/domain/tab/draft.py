"""A Draft: one change of a tab in progress. Commands, facts and agenda write on it; `seal` checks it."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.domain import instants
from chalicelib.domain.books.ledger import Account, Posting, post, transfer
from chalicelib.domain.errors import TransitionRefused
from chalicelib.domain.money import currency_of
from chalicelib.domain.tab.attempt import Attempt, AttemptState, Failure, Operation
from chalicelib.domain.tab.entry import Entry
from chalicelib.domain.tab.flag import Flag, FlagKind
from chalicelib.domain.tab.payments import Dispute, Hold, HoldState, Leg, LegKind
from chalicelib.domain.tab.status import TRANSITIONS, Status
from chalicelib.domain.tab.tab import Tab
from chalicelib.domain.trust.credits import CreditAccount, CreditChange, Mark, Movement, MovementKind

if TYPE_CHECKING:
    # A Change is written, and never read from JSON: so these of its fields are names only.
    from chalicelib.domain.parties import Customer
    from chalicelib.domain.tab.actor import Actor
    from chalicelib.domain.tab.link import LinkPointer
    from chalicelib.domain.token import Token
    from chalicelib.domain.trust.evidence.pack import DisputeAnswer
    from chalicelib.domain.trust.story import Story

NewId = Callable[[str], str]
"""Creates an id with a prefix: `new_id("att")` → `att_01J…`."""


class CreditAccounts(Protocol):
    """Where a draft finds the accounts that it changes, and only those: most changes touch none."""

    def find_credit_account(self, merchant_id: str, customer_id: str) -> CreditAccount | None: ...

    def is_shared(self, mark: Mark, among: Collection[str] | None) -> bool: ...


class Change(Struct, frozen=True, kw_only=True):
    """Everything that one transaction writes: the next snapshot and its entries, facts and attempts.

    `base_version`: the version on which it was decided (0: a new tab). `begun`: attempts written ahead, to be performed
    next. `closed_attempts`: attempts that left the snapshot. `objects`: new ids of gateway objects, with their
    attempt. `link_pointers`: of secrets that lead to the tab from now on. `token`: the next version of the one that is
    bound to it. `customer`: one who is made with the tab. `credits`: accounts that it changes, on the condition of
    their versions. `marks`: of its customer. `rewarded`: cards with which an invitation is rewarded, on the
    condition that none was with them before. `answer`: to a dispute, the next version of what is stored. `story`: what
    its customer tells; without words once it is taken back. `also`: of other tabs, written with it or not at all.
    """

    tab: Tab
    base_version: int
    entries: tuple[Entry, ...]
    fact_keys: tuple[str, ...] = ()
    begun: tuple[Attempt, ...] = ()
    closed_attempts: tuple[Attempt, ...] = ()
    objects: tuple[tuple[str, str | None], ...] = ()
    link_pointers: tuple[LinkPointer, ...] = ()
    token: Token | None = None
    customer: Customer | None = None
    credits: tuple[CreditChange, ...] = ()
    marks: tuple[Mark, ...] = ()
    rewarded: tuple[Mark, ...] = ()
    answer: DisputeAnswer | None = None
    story: Story | None = None
    also: tuple[Change, ...] = ()

    @property
    def all(self) -> tuple[Change, ...]:
        """This change, and those that are written with it."""
        return (self, *self.also)


class Draft:
    """The tab after the change, and the entries, facts and attempts written with it.

    `now`: the business time of the change. `by`: the actor. `new_id`: creates ids. `known_facts`: keys of facts
    that were already applied, and are skipped. `return_url`: the customer is in a browser and can pay on the gateway's
    page, which returns there; None: they are in an app. `accounts`: of the merchant's customers; None where no credit
    can be touched.
    """

    def __init__(
        self,
        tab: Tab,
        *,
        now: datetime,
        by: Actor,
        new_id: NewId,
        known_facts: frozenset[str] = frozenset(),
        return_url: str | None = None,
        accounts: CreditAccounts | None = None,
    ) -> None:
        self.base = tab
        self.tab = tab
        self.now = now
        self.by = by
        self.new_id = new_id
        self.known_facts = known_facts
        self.return_url = return_url
        self.accounts = accounts
        self.entries: list[Entry] = []
        self.fact_keys: list[str] = []
        self.objects: list[tuple[str, str | None]] = []
        self.link_pointers: list[LinkPointer] = []
        self.token: Token | None = None
        self.customer: Customer | None = None
        self.story: Story | None = None
        self.also: list[Draft] = []
        """Other tabs that change with this one; the agenda concludes them, too."""
        self.marks: tuple[Mark, ...] = ()
        self.rewarded: tuple[Mark, ...] = ()
        self.answer: DisputeAnswer | None = None
        self._credit_read: dict[str, CreditAccount] = {}
        self._credit: dict[str, CreditAccount] = {}
        self._movements: list[tuple[str, Movement]] = []
        self._begun: list[str] = []
        self._closed: list[Attempt] = []

    @property
    def customer_present(self) -> bool:
        """Whether the customer makes this change, and so can authenticate with their bank."""
        return self.by.is_customer

    @property
    def is_empty(self) -> bool:
        return self.tab == self.base and not self.entries and not self.fact_keys

    def update(self, **fields: Any) -> None:
        self.tab = replace(self.tab, **fields)

    def record(self, kind: str, *, postings: tuple[Posting, ...] = (), **details: Any) -> None:
        """Append an entry with its postings to the ledger. Instants are written as RFC 3339."""
        seq = self.tab.entry_count + 1
        details = {
            name: instants.text(value) if isinstance(value, datetime) else value for name, value in details.items()
        }
        self.entries.append(
            Entry(
                seq=seq,
                at=self.now,
                kind=kind,
                by=self.by.subject,
                details=details,
                postings=postings,
                version=self.base.version + 1,
            )
        )
        self.update(entry_count=seq, balances=post(self.tab.balances, postings))

    def record_receipt(self, kind: str, receipt_minor: int, **details: Any) -> None:
        """Append an entry for which the customer gets a receipt over `receipt_minor`; 0: none."""
        self.record(kind, receipt_minor=receipt_minor, **details)
        if receipt_minor:
            self.update(receipt_seq=self.tab.entry_count)

    def move_to(self, status: Status, command: str) -> None:
        """Change the status if the table of transitions allows it. Raises TransitionRefused."""
        if command not in TRANSITIONS.get((self.tab.status, status), "").split(", "):
            raise TransitionRefused(
                f"A tab that is {self.tab.status.replace('_', ' ')} can't become {status.replace('_', ' ')} "
                f"by {command}.",
                status=self.tab.status,
            )
        if self.tab.status == Status.IN_REVIEW:
            self.update(review_ends_at=None)
            self.bill_is_known("The bill is not in review any more.")
        self.update(status=status)

    def bill_is_known(self, note: str) -> None:
        """Nobody need be told of the bill any more."""
        self.update(untold_bill=None)
        self.lower_flags(FlagKind.BILL_NOT_TOLD, "bill", note)

    # Attempts

    def begin(self, operation: Operation, amount_minor: int, *, check_at: datetime, **fields: Any) -> Attempt:
        """Write an attempt ahead. It is performed after the change is committed."""
        attempt = Attempt(
            attempt_id=self.new_id("att"),
            operation=operation,
            amount_minor=amount_minor,
            created_at=self.now,
            by=self.by.subject,
            check_at=check_at,
            customer_ref=self.tab.customer_ref if operation in (Operation.CHARGE, Operation.PLACE_HOLD) else None,
            **fields,
        )
        if attempt.is_on_session:
            attempt = replace(attempt, return_url=self.return_url)
        if attempt.takes_money and self.tab.taking_attempt is not None:
            raise AssertionError(f"a second attempt that takes money beside {self.tab.taking_attempt.attempt_id}")
        self.update(attempts=(*self.tab.attempts, attempt))
        self._begun.append(attempt.attempt_id)
        self.record(
            "attempt_begun",
            attempt_id=attempt.attempt_id,
            operation=operation,
            amount_minor=amount_minor,
            payment_id=attempt.payment_id,
            card_id=attempt.card_id,
            with_customer=attempt.is_with_customer,
        )
        return attempt

    def update_attempt(self, attempt: Attempt, **fields: Any) -> None:
        changed = replace(attempt, **fields)
        self.update(
            attempts=tuple(changed if old.attempt_id == attempt.attempt_id else old for old in self.tab.attempts)
        )

    def end_attempt(self, attempt: Attempt, state: AttemptState, failure: Failure | None = None) -> None:
        """Close an attempt with its outcome.

        It leaves the tab at once, so the next one may begin in the same change.
        """
        self._closed.append(
            replace(attempt, state=state, failure=failure, check_at=None, client_secret=None, page_url=None)
        )
        self.update(attempts=tuple(open_ for open_ in self.tab.attempts if open_.attempt_id != attempt.attempt_id))
        details: dict[str, Any] = {"attempt_id": attempt.attempt_id, "operation": attempt.operation, "state": state}
        if failure:
            details |= {"code": failure.code, "decline_code": failure.decline_code, "advice": failure.advice}
        self.record("attempt_ended", **details)
        self.lower_flags(FlagKind.OUTCOME_UNKNOWN, attempt.attempt_id, f"The outcome is known by now: {state}.")
        if state == AttemptState.SUCCEEDED:
            self.call_was_taken(attempt)

    # Flags

    def call_was_taken(self, attempt: Attempt) -> None:
        """The gateway accepted the call, whatever the bank says, so earlier refusals of such calls are settled."""
        self.lower_flags(FlagKind.CALL_REFUSED, attempt.operation, "The gateway takes the call again.")

    def flag(self, kind: FlagKind, about: str, reason: str, amount_minor: int = 0) -> None:
        """Raise a flag for a person; only once for each cause."""
        if any((flag.kind, flag.about, flag.reason) == (kind, about, reason) for flag in self.tab.flags):
            return
        flag = Flag(
            flag_id=self.new_id("flg"),
            kind=kind,
            about=about,
            reason=reason,
            raised_at=self.now,
            amount_minor=amount_minor,
        )
        self.update(flags=(*self.tab.flags, flag))
        self.record("flagged", flag_id=flag.flag_id, flag=kind, about=about, reason=reason, amount_minor=amount_minor)

    def lower_flags(self, kind: FlagKind, about: str, note: str) -> None:
        """Remove flags whose cause is gone."""
        for flag in self.tab.flags:
            if (flag.kind, flag.about) == (kind, about):
                self.lower_flag(flag, note)

    def lower_flag(self, flag: Flag, note: str) -> None:
        self.update(flags=tuple(other for other in self.tab.flags if other.flag_id != flag.flag_id))
        self.record("flag_resolved", flag_id=flag.flag_id, flag=flag.kind, about=flag.about, note=note)

    # Holds and legs

    def update_hold(self, hold: Hold, **fields: Any) -> None:
        changed = replace(hold, **fields)
        self.update(holds=tuple(changed if old.payment_id == hold.payment_id else old for old in self.tab.holds))

    def update_leg(self, leg: Leg, **fields: Any) -> None:
        changed = replace(leg, **fields)
        self.update(legs=tuple(changed if old.payment_id == leg.payment_id else old for old in self.tab.legs))

    def update_dispute(self, payment_id: str, dispute: Dispute) -> None:
        """Replace the dispute with this id, or add it."""
        leg = self.tab.leg(payment_id)
        assert leg is not None, "a dispute is about a payment"
        by_id = {other.dispute_id: other for other in leg.disputes}
        self.update_leg(leg, disputes=tuple((by_id | {dispute.dispute_id: dispute}).values()))

    # Credit

    def credit_account(self, customer_id: str) -> CreditAccount:
        """The account as it is after this change so far."""
        if customer_id not in self._credit:
            assert self.accounts is not None, "a change that touches credit knows where the accounts are"
            found = self.accounts.find_credit_account(self.tab.merchant_id, customer_id)
            account = found or CreditAccount(merchant_id=self.tab.merchant_id, customer_id=customer_id)
            self._credit_read[customer_id] = self._credit[customer_id] = account
        return self._credit[customer_id]

    def put_credit_account(self, account: CreditAccount) -> None:
        """The account's next state; it is written with the tab."""
        self._credit[account.customer_id] = account

    def move_credit(self, account: CreditAccount, kind: MovementKind, amount_minor: int) -> None:
        """The same, with a line of the statement that names the last entry."""
        seq = account.movement_count + 1
        movement = Movement(
            seq=seq,
            at=self.now,
            kind=kind,
            amount_minor=amount_minor,
            balance_minor=account.balance_minor,
            tab_id=self.tab.tab_id,
            tab_seq=self.tab.entry_count,
        )
        before = self._credit[account.customer_id].balance_minor
        assert account.balance_minor == before + amount_minor, "a statement adds up"
        self._movements.append((account.customer_id, movement))
        self.put_credit_account(replace(account, movement_count=seq))

    def is_shared(self, mark: Mark, among: Collection[str] | None = None) -> bool:
        """Whether another customer has this mark. `among`: only these count."""
        assert self.accounts is not None, "a change that touches credit knows where the accounts are"
        return self.accounts.is_shared(mark, among)

    def _credit_changes(self) -> tuple[CreditChange, ...]:
        return tuple(
            CreditChange(
                account=replace(account, version=read.version + 1),
                movements=tuple(moved for owner, moved in self._movements if owner == customer_id),
            )
            for customer_id, read in self._credit_read.items()
            if (account := self._credit[customer_id]) != read
        )

    # Sealing

    def seal(self, next_action_at: datetime | None, also: tuple[Change, ...] = ()) -> Change:
        """Check the invariants and return the change. Raises AssertionError if one is broken, which is a bug."""
        self._reclassify_obligation()
        self.update(
            next_action_at=next_action_at,
            version=self.base.version + 1,
            change_id=self.new_id("chg"),
        )
        check_invariants(self.tab)
        return Change(
            tab=self.tab,
            base_version=self.base.version,
            entries=tuple(self.entries),
            fact_keys=tuple(self.fact_keys),
            begun=tuple(
                attempt
                for attempt in self.tab.attempts
                if attempt.attempt_id in self._begun and attempt.state == AttemptState.PENDING
            ),
            closed_attempts=tuple(self._closed),
            objects=tuple(self.objects),
            link_pointers=tuple(self.link_pointers),
            token=self.token,
            customer=self.customer,
            credits=self._credit_changes(),
            marks=self.marks,
            rewarded=self.rewarded,
            answer=self.answer,
            story=self.story,
            also=also,
        )

    def _reclassify_obligation(self) -> None:
        """Move what was taken above the amount due from the receivable to refund_payable, or back."""
        surplus = self.tab.balances.get(Account.CUSTOMER_RECEIVABLE, 0) - self.tab.balance_minor
        if surplus:
            self.record(
                "refund_obligation",
                postings=transfer(surplus, debit=Account.REFUND_PAYABLE, credit=Account.CUSTOMER_RECEIVABLE),
                refund_owed_minor=self.tab.refund_owed_minor,
            )


def _tax_minor(tab: Tab) -> int:
    """The tax that the tab's own entries post: a share has only the reductions, because its parent posted the bill."""
    if tab.parent is not None:
        return -tab.adjusted_tax_minor
    return tab.tax_minor if tab.presented_at is not None else 0


def check_invariants(tab: Tab) -> None:
    """Check what must hold for every snapshot (docs/architecture.md, Money rules).

    Raises AssertionError, naming the tab.
    """
    balances, balance_minor = tab.balances, tab.balance_minor
    pending = sum(leg.refund_pending_minor for leg in tab.legs)
    broken = [
        text
        for text, holds in (
            ("the ledger sums to zero", sum(balances.values()) == 0),
            ("receivable = balance", balances.get(Account.CUSTOMER_RECEIVABLE, 0) == balance_minor),
            (
                "refund payable = what is owed back",
                -balances.get(Account.REFUND_PAYABLE, 0) == tab.refund_owed_minor + pending,
            ),
            ("total <= cap", tab.total_minor <= tab.promise.cap_minor),
            ("the price is that of a sealed tier, and no higher than the one chosen", _is_priced_as_sealed(tab)),
            ("one attempt takes money", sum(a.takes_money and a.is_open for a in tab.attempts) <= 1),
            (
                "refunded <= taken, per leg",
                all(leg.refunded_minor + leg.refund_pending_minor <= leg.amount_minor for leg in tab.legs),
            ),
            (
                "what a bank took is counted once",
                all(0 <= d.returned_minor <= d.at_bank_minor for leg in tab.legs for d in leg.disputes),
            ),
            (
                "what was moved between a bill and its shares is in the books",
                balances.get(Account.SHARES, 0)
                == (-tab.parent.out_minor if tab.parent else sum(share.out_minor for share in tab.shares)),
            ),
            ("the bill's tax is in the books", -balances.get(Account.TAX, 0) == _tax_minor(tab)),
            ("0 <= the tab's own tax <= what it is in", 0 <= tab.own_tax_minor <= tab.own_minor),
            ("amount due >= 0", tab.amount_due_minor >= 0),
            (
                "credit never pays a tip, a fee, or more than the bill",
                all(0 < leg.amount_minor <= leg.of_minor for leg in tab.legs if leg.kind == LegKind.CREDIT),
            ),
            (
                "what a tab takes back of credit is at most what it gave",
                all(0 <= given.kept_minor <= given.amount_minor for given in tab.credits.given),
            ),
            (
                "a closed tab owes and is owed nothing",
                tab.status != Status.CLOSED or not balance_minor or tab.outcome is not None,
            ),
            ("captured <= held", all(hold.captured_minor <= hold.amount_minor for hold in tab.holds)),
            (
                "only a live hold is neither captured nor gone",
                all(hold.captured_minor == 0 for hold in tab.holds if hold.state != HoldState.CAPTURED),
            ),
        )
        if not holds
    ]
    if broken:
        raise AssertionError(f"{tab.tab_id} version {tab.version}: broken: {'; '.join(broken)}")


def _is_priced_as_sealed(tab: Tab) -> bool:
    """By the items and the promise alone. A step of rounding may be on it."""
    percents = {tier.percent for tier in tab.promise.tiers}
    services_minor = sum(item.amount_minor for item in tab.items if not item.is_material)
    said = tab.tier_percent if tab.tier_percent is not None else tab.promise.silence_percent
    if not percents or not services_minor or tab.presented_at is None:
        return tab.tier_percent is None
    assert said is not None, "tiers say what silence means"
    materials_minor = sum(item.amount_minor for item in tab.items if item.is_material)
    most_minor = services_minor * said + (materials_minor + currency_of(tab.currency).step_minor) * 100
    return said in percents and (tab.price_percent <= said) and tab.total_minor * 100 <= most_minor
