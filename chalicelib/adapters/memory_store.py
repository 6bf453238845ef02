"""The store in memory, for fast tests. It fulfils the contract of TabStore; its data ends with the process."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from threading import Lock
from typing import TypeVar

from chalicelib.adapters.dynamodb import cursors
from chalicelib.adapters.dynamodb.items import check_size, customer_pointer, tab_item, tab_pointers
from chalicelib.adapters.dynamodb.table import entry_position, listing_position
from chalicelib.domain.books.differences import Progress, Records
from chalicelib.domain.branding import Branding
from chalicelib.domain.errors import NotFound, TokenExists
from chalicelib.domain.parties import Customer, Merchant
from chalicelib.domain.tab.attempt import Attempt
from chalicelib.domain.tab.draft import Change
from chalicelib.domain.tab.entry import Entry
from chalicelib.domain.tab.link import LinkPointer
from chalicelib.domain.tab.status import Status
from chalicelib.domain.tab.tab import Tab
from chalicelib.domain.token import Token
from chalicelib.domain.trust.credits import CreditAccount, Mark, Movement
from chalicelib.domain.trust.evidence.pack import DisputeAnswer
from chalicelib.domain.trust.story import Story
from chalicelib.ports.store import (
    WHOLE,
    Due,
    DueTab,
    EventAlreadySeen,
    FactsAlreadyApplied,
    IdempotencyRecord,
    KnownOfEvent,
    Page,
    Pointer,
    RecordExists,
    Referrer,
    SeenEvent,
    Span,
    TabSummary,
    VersionConflict,
)
from chalicelib.ports.stream import NewEntry

K = TypeVar("K")
V = TypeVar("V")
T = TypeVar("T")
R = TypeVar("R")


class MemoryStore:
    """One lock around everything: each method is a transaction."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._tabs: dict[tuple[str, str], Tab] = {}
        self._entries: dict[tuple[str, str], list[Entry]] = {}
        self._attempts: dict[tuple[str, str, str], Attempt] = {}
        self._facts: set[tuple[str, str, str]] = set()
        self._records: dict[str, IdempotencyRecord] = {}
        self._events: set[SeenEvent] = set()
        self._pointers: dict[tuple[str | None, str], Pointer] = {}
        self._merchants: dict[str, Merchant] = {}
        self._brandings: dict[str, Branding] = {}
        self._customers: dict[tuple[str, str], Customer] = {}
        self._progress: dict[str | None, Progress] = {}
        self.link_pointers: dict[str, LinkPointer] = {}
        self.stories: dict[tuple[str, str], Story] = {}
        self.tokens: dict[tuple[str, int], Token] = {}
        self.credit_accounts: dict[tuple[str, str], CreditAccount] = {}
        self.credit_movements: dict[tuple[str, str], list[Movement]] = {}
        self._answers: dict[tuple[str, str, str, str], DisputeAnswer] = {}
        self._referrers: dict[str, Referrer] = {}
        self._cursor_keys: dict[str, str] = {}
        self._marks: dict[tuple[str, str], set[str]] = {}
        self.cards: dict[tuple[str, str], dict[str, bool]] = {}
        """By merchant and digest: who uses a card, and whether they are linked with the others."""
        self._rewarded: set[tuple[str, str]] = set()
        self._changes: set[tuple[str, str, str]] = set()
        self._others_due: dict[Due, datetime] = {}
        self.stream: list[NewEntry] = []
        """Every entry that was committed, in order, as the stream of the table has it."""

    # Tabs

    def get_tab(self, merchant_id: str, tab_id: str) -> Tab:
        with self._lock:
            return _get(self._tabs, (merchant_id, tab_id), "tab")

    def find_tabs(self, owners: Collection[tuple[str, str]]) -> Mapping[tuple[str, str], Tab]:
        with self._lock:
            return {owner: self._tabs[owner] for owner in owners if owner in self._tabs}

    def get_tab_and_record(
        self, merchant_id: str, tab_id: str, record_id: str, now: datetime
    ) -> tuple[Tab, IdempotencyRecord | None]:
        with self._lock:
            return _get(self._tabs, (merchant_id, tab_id), "tab"), self._standing_record(record_id, now)

    def get_parties_and_record(
        self, merchant_id: str, customer_id: str | None, record_id: str, now: datetime
    ) -> tuple[Merchant, Customer | None, IdempotencyRecord | None]:
        with self._lock:
            merchant = _get(self._merchants, merchant_id, "merchant")
            customer = None
            if customer_id is not None:
                customer = _get(self._customers, (merchant_id, customer_id), "customer")
            return merchant, customer, self._standing_record(record_id, now)

    def find_record(self, record_id: str, now: datetime) -> IdempotencyRecord | None:
        with self._lock:
            return self._standing_record(record_id, now)

    def commit(self, change: Change, *, record: IdempotencyRecord | None = None, event: SeenEvent | None = None) -> Tab:
        tab = change.tab
        key = (tab.merchant_id, tab.tab_id)
        if record is not None:
            check_size(tab, tab_item(tab))
        with self._lock:
            # As after a lost answer: if the change is already stored, it has succeeded.
            if (*key, tab.change_id) in self._changes:
                return tab
            if event is not None and event in self._events:
                raise EventAlreadySeen(event.event_id)
            self._check_record(record)
            for one in change.all:
                self._check_change(one)
            for one in change.all:
                self._put_change(one)
            self._changes.add((*key, tab.change_id))
            self._put_record(record)
            if event is not None:
                self._events.add(event)
            return tab

    def _check_change(self, change: Change) -> None:
        """Inside the lock."""
        key = (change.tab.merchant_id, change.tab.tab_id)
        if applied := [fact for fact in change.fact_keys if (*key, fact) in self._facts]:
            raise FactsAlreadyApplied(applied)
        stored = self._tabs.get(key)
        if (stored.version if stored else 0) != change.base_version:
            raise VersionConflict(change.tab.tab_id)
        self._check_token(change.token)
        made = change.customer
        if made is not None and (made.merchant_id, made.customer_id) in self._customers:
            raise VersionConflict(made.customer_id)
        for one in change.credits:
            owner = (one.account.merchant_id, one.account.customer_id)
            known = self.credit_accounts.get(owner)
            if (known.version if known else 0) != one.account.version - 1:
                raise VersionConflict(f"credit of {one.account.customer_id}")
        if any((mark.merchant_id, mark.sha256) in self._rewarded for mark in change.rewarded):
            raise VersionConflict(change.tab.tab_id)
        if (answer := change.answer) is not None:
            stored_answer = self._answers.get(_answer_key(answer))
            if (stored_answer.version if stored_answer else 0) != answer.version - 1:
                raise VersionConflict(f"answer to {answer.dispute_id}")

    def _put_change(self, change: Change) -> None:
        """Inside the lock."""
        tab = change.tab
        key = (tab.merchant_id, tab.tab_id)
        self._tabs[key] = tab
        self._entries.setdefault(key, []).extend(change.entries)
        self.stream += [
            NewEntry(merchant_id=tab.merchant_id, tab_id=tab.tab_id, customer_id=tab.customer_id, entry=entry)
            for entry in change.entries
        ]
        self._attempts.update({(*key, attempt.attempt_id): attempt for attempt in change.closed_attempts})
        self._facts.update((*key, fact) for fact in change.fact_keys)
        for pointer in tab_pointers(change):
            self._pointers[pointer.account, pointer.object_id] = pointer
        for leads in change.link_pointers:
            self.link_pointers[leads.sha256] = leads
        if change.token is not None:
            self.tokens[change.token.merchant_id, change.token.number] = change.token
        if (made := change.customer) is not None:
            self._customers[made.merchant_id, made.customer_id] = made
        for one in change.credits:
            owner = (one.account.merchant_id, one.account.customer_id)
            self.credit_accounts[owner] = one.account
            self.credit_movements.setdefault(owner, []).extend(one.movements)
        if change.story is not None:
            self.stories[change.story.merchant_id, change.story.tab_id] = change.story
        for mark in change.marks:
            self._marks.setdefault((mark.merchant_id, mark.sha256), set()).add(mark.customer_id)
        self._rewarded.update((mark.merchant_id, mark.sha256) for mark in change.rewarded)
        if change.answer is not None:
            self._answers[_answer_key(change.answer)] = change.answer

    def commit_each(self, changes: Sequence[Change]) -> Sequence[Exception | None]:
        return [self._try_to_commit(change) for change in changes]

    def _try_to_commit(self, change: Change) -> Exception | None:
        try:
            self.commit(change)
        except Exception as error:
            return error
        return None

    # Records beside tabs

    def add_event(self, event: SeenEvent) -> None:
        with self._lock:
            self._events.add(event)

    def find_for_event(
        self, event: SeenEvent, *, tab: tuple[str, str] | None = None, object_ids: Sequence[str] = ()
    ) -> KnownOfEvent:
        with self._lock:
            found = [self._pointers.get((event.account, object_id)) for object_id in dict.fromkeys(object_ids)]
            return KnownOfEvent(
                is_seen=event in self._events,
                tab=self._tabs.get(tab) if tab is not None else None,
                pointers=tuple(pointer for pointer in found if pointer is not None),
            )

    def find_pointers(self, account: str | None, object_ids: Collection[str]) -> Mapping[str, Pointer]:
        with self._lock:
            found = {object_id: self._pointers.get((account, object_id)) for object_id in object_ids}
        return {object_id: pointer for object_id, pointer in found.items() if pointer is not None}

    def find_attempt(self, merchant_id: str, tab_id: str, attempt_id: str) -> Attempt | None:
        with self._lock:
            return self._attempts.get((merchant_id, tab_id, attempt_id))

    # Listings

    def list_entries(self, merchant_id: str, tab_id: str, *, limit: int, cursor: str | None) -> Page[Entry]:
        with self._lock:
            rows = {entry_position(entry.seq): entry for entry in self._entries.get((merchant_id, tab_id), ())}
        return page(rows, f"entries#{merchant_id}#{tab_id}", limit, cursor)

    def list_by_status(
        self, merchant_id: str, status: Status, *, limit: int, cursor: str | None, span: Span = WHOLE
    ) -> Page[TabSummary]:
        rows = self._summaries(span, lambda tab: tab.merchant_id == merchant_id and tab.status == status)
        listing = f"status#{merchant_id}#{status}{span.name}"
        return page(rows, listing, limit, cursor, newest_first=not span.oldest_first)

    def list_by_customer(
        self, merchant_id: str, customer_id: str, *, limit: int, cursor: str | None, span: Span = WHOLE
    ) -> Page[TabSummary]:
        rows = self._summaries(span, lambda tab: (tab.merchant_id, tab.customer_id) == (merchant_id, customer_id))
        listing = f"customer#{merchant_id}#{customer_id}{span.name}"
        return page(rows, listing, limit, cursor, newest_first=not span.oldest_first)

    def iter_due(self, now: datetime) -> Iterator[Due]:
        with self._lock:
            tabs = [(tab.next_action_at, DueTab(*key)) for key, tab in self._tabs.items() if tab.next_action_at]
            due = [*tabs, *((at, other) for other, at in self._others_due.items())]
        yield from (one for at, one in sorted(due, key=lambda pair: pair[0]) if at <= now)

    def read_records(self, merchant_id: str, tab_id: str) -> Records:
        key = (merchant_id, tab_id)
        with self._lock:
            return Records(
                tab=self._tabs.get(key),
                entries=tuple(self._entries.get(key, ())),
                attempts=tuple(attempt for (*owner, _), attempt in self._attempts.items() if (*owner,) == key),
                fact_keys=frozenset(fact for (*owner, fact) in self._facts if (*owner,) == key),
            )

    # Merchants and customers

    def iter_merchants(self) -> Iterator[tuple[str, str | None]]:
        with self._lock:
            merchants = sorted(self._merchants.values(), key=lambda merchant: merchant.merchant_id)
        yield from ((merchant.merchant_id, merchant.account) for merchant in merchants)

    def find_cursor_key(self, merchant_id: str) -> str | None:
        return self._cursor_keys.get(merchant_id)

    def add_cursor_key(self, merchant_id: str, key: str) -> str:
        return self._cursor_keys.setdefault(merchant_id, key)

    def get_merchant(self, merchant_id: str) -> Merchant:
        with self._lock:
            return _get(self._merchants, merchant_id, "merchant")

    def get_merchant_and_branding(self, merchant_id: str) -> tuple[Merchant, Branding]:
        with self._lock:
            merchant = _get(self._merchants, merchant_id, "merchant")
            return merchant, self._brandings.get(merchant_id, Branding(merchant_id=merchant_id))

    def put_branding(self, branding: Branding, *, record: IdempotencyRecord) -> None:
        self._put_party(self._brandings, branding.merchant_id, branding, branding.version - 1, record)

    def add_merchant(self, merchant: Merchant, *, record: IdempotencyRecord) -> None:
        self._put_party(self._merchants, merchant.merchant_id, merchant, 0, record)

    def update_merchant(
        self, merchant: Merchant, *, record: IdempotencyRecord | None = None, entry: Entry | None = None
    ) -> None:
        self._put_party(self._merchants, merchant.merchant_id, merchant, merchant.version - 1, record)
        if entry is not None:
            with self._lock:
                self.stream.append(
                    NewEntry(merchant_id=merchant.merchant_id, tab_id=None, customer_id=None, entry=entry)
                )

    def get_customer(self, merchant_id: str, customer_id: str) -> Customer:
        with self._lock:
            return _get(self._customers, (merchant_id, customer_id), "customer")

    def find_customers(self, merchant_id: str, customer_ids: Collection[str]) -> Mapping[str, Customer]:
        with self._lock:
            found = {one: self._customers.get((merchant_id, one)) for one in customer_ids}
        return {one: customer for one, customer in found.items() if customer is not None}

    def add_customer(self, customer: Customer, *, account: str | None, record: IdempotencyRecord) -> None:
        self._put_party(self._customers, (customer.merchant_id, customer.customer_id), customer, 0, record)
        with self._lock:
            pointer = customer_pointer(customer, account)
            self._pointers[account, pointer.object_id] = pointer

    def set_customer_ref(self, customer: Customer, *, account: str | None) -> None:
        self.update_customer(customer)
        with self._lock:
            pointer = customer_pointer(customer, account)
            self._pointers[account, pointer.object_id] = pointer

    def update_customer(self, customer: Customer, *, record: IdempotencyRecord | None = None) -> None:
        key = (customer.merchant_id, customer.customer_id)
        self._put_party(self._customers, key, customer, customer.version - 1, record)

    def tabs_of(self, merchant_id: str) -> list[Tab]:
        """Every tab of the merchant, for checks that need them all."""
        with self._lock:
            return [tab for (owner, _), tab in self._tabs.items() if owner == merchant_id]

    def customers_of(self, merchant_id: str) -> list[Customer]:
        """For the people store, which lists them. Those without a name are not listed."""
        with self._lock:
            customers = [customer for (owner, _), customer in self._customers.items() if owner == merchant_id]
        return [customer for customer in customers if not customer.is_anonymous]

    def add_record(self, record: IdempotencyRecord) -> None:
        """For the people store, whose writes carry records too. Raises RecordExists."""
        with self._lock:
            self._check_record(record)
            self._put_record(record)

    def add_tokens(self, tokens: Sequence[Token], record: IdempotencyRecord) -> None:
        """For the store of links, whose data is here."""
        with self._lock:
            self._check_record(record)
            if known := [token.number for token in tokens if (token.merchant_id, token.number) in self.tokens]:
                raise TokenExists.of(known)
            for token in tokens:
                self.tokens[token.merchant_id, token.number] = token
                self.link_pointers[token.sha256] = token.pointer
            self._put_record(record)

    def replace_token(self, token: Token, before: Token, record: IdempotencyRecord) -> None:
        """For the store of links, whose data is here."""
        with self._lock:
            self._check_record(record)
            self._check_token(token)
            self.link_pointers.pop(before.sha256, None)
            if token.revoked_at is None:
                self.link_pointers[token.sha256] = token.pointer
            self.tokens[token.merchant_id, token.number] = token
            self._put_record(record)

    # Credit accounts

    def find_credit_account(self, merchant_id: str, customer_id: str) -> CreditAccount | None:
        with self._lock:
            return self.credit_accounts.get((merchant_id, customer_id))

    def put_credit_account(self, account: CreditAccount, *, record: IdempotencyRecord) -> None:
        owner = (account.merchant_id, account.customer_id)
        self._put_party(self.credit_accounts, owner, account, account.version - 1, record)
        if account.code:
            self._referrers[account.code] = Referrer(merchant_id=account.merchant_id, customer_id=account.customer_id)

    def find_dispute_answer(
        self, merchant_id: str, customer_id: str, tab_id: str, dispute_id: str
    ) -> DisputeAnswer | None:
        with self._lock:
            return self._answers.get((merchant_id, customer_id, tab_id, dispute_id))

    def put_dispute_answer(self, answer: DisputeAnswer, *, record: IdempotencyRecord | None = None) -> None:
        self._put_party(self._answers, _answer_key(answer), answer, answer.version - 1, record)

    def list_dispute_answers(self, merchant_id: str, customer_id: str) -> Sequence[DisputeAnswer]:
        with self._lock:
            return [it for (of, who, *_), it in self._answers.items() if (of, who) == (merchant_id, customer_id)]

    def list_credit_movements(
        self, merchant_id: str, customer_id: str, *, limit: int, cursor: str | None
    ) -> Page[Movement]:
        with self._lock:
            lines = self.credit_movements.get((merchant_id, customer_id), [])
            rows = {entry_position(line.seq): line for line in lines}
        return page(rows, f"credits#{merchant_id}#{customer_id}", limit, cursor, newest_first=True)

    def find_referrer(self, code: str) -> Referrer | None:
        return self._referrers.get(code)

    def is_shared(self, mark: Mark, among: Collection[str] | None) -> bool:
        with self._lock:
            key = (mark.merchant_id, mark.sha256)
            who = self._marks.get(key, set())
            counted = who | self.cards.get(key, {}).keys() if among is None else who.intersection(among)
        return bool(counted - {mark.customer_id})

    # Reconciliation

    def find_progress(self, account: str | None) -> Progress | None:
        return self._progress.get(account)

    def put_progress(self, progress: Progress) -> None:
        self._progress[progress.account] = progress

    # For the stores beside it

    @property
    def lock(self) -> Lock:
        return self._lock

    def set_due(self, due: Due, at: datetime | None) -> None:
        """Inside the lock. From `at` on it is found by `iter_due`; None: not any more."""
        self._others_due.pop(due, None)
        if at is not None:
            self._others_due[due] = at

    @contextmanager
    def writing(self, record: IdempotencyRecord | None) -> Iterator[None]:
        """The lock; what is written inside is written with the request's record, or neither. Raises RecordExists."""
        with self._lock:
            self._check_record(record)
            yield
            self._put_record(record)

    def check_version(self, tab: Tab) -> None:
        """Inside the lock. Raises VersionConflict where the tab has changed since it was read."""
        stored = self._tabs.get((tab.merchant_id, tab.tab_id))
        if stored is None or stored.version != tab.version:
            raise VersionConflict(tab.tab_id)

    # Inside the lock

    def _standing_record(self, record_id: str, now: datetime) -> IdempotencyRecord | None:
        record = self._records.get(record_id)
        return record if record is not None and record.expires_at > now else None

    def _check_record(self, record: IdempotencyRecord | None) -> None:
        if record is not None and (standing := self._standing_record(record.record_id, record.created_at)):
            raise RecordExists(standing)

    def _check_token(self, token: Token | None) -> None:
        if token is not None:
            stored = self.tokens.get((token.merchant_id, token.number))
            if (stored.version if stored else 0) != token.version - 1:
                raise VersionConflict(f"token {token.number}")

    def _put_record(self, record: IdempotencyRecord | None) -> None:
        if record is not None:
            self._records[record.record_id] = record

    def _put_party(
        self, parties: dict[K, R], key: K, party: R, base_version: int, record: IdempotencyRecord | None
    ) -> None:
        with self._lock:
            self._check_record(record)
            if getattr(parties.get(key), "version", 0) != base_version:
                raise VersionConflict(str(key))
            parties[key] = party
            self._put_record(record)

    def _summaries(self, span: Span, wanted: Callable[[Tab], bool]) -> dict[str, TabSummary]:
        with self._lock:
            tabs = [
                tab
                for tab in self._tabs.values()
                if wanted(tab)
                and (span.since is None or span.since <= tab.opened_at)
                and (span.until is None or tab.opened_at < span.until)
            ]
        return {listing_position(tab.tab_id, tab.opened_at): TabSummary.of(tab) for tab in tabs}


def _get(things: Mapping[K, V], key: K, name: str) -> V:
    if key not in things:
        raise NotFound(f"There is no such {name}.")
    return things[key]


def page(rows: Mapping[str, T], listing: str, limit: int, cursor: str | None, *, newest_first: bool = False) -> Page[T]:
    after = cursors.decode(listing, cursor) if cursor is not None else None
    keys = sorted(rows, reverse=newest_first)
    if after is not None:
        keys = [key for key in keys if (key < after if newest_first else key > after)]
    taken = keys[:limit]
    return Page(
        items=tuple(rows[key] for key in taken),
        next_cursor=cursors.encode(listing, taken[-1]) if len(keys) > limit else None,
    )


def _answer_key(answer: DisputeAnswer) -> tuple[str, str, str, str]:
    return answer.merchant_id, answer.customer_id, answer.tab_id, answer.dispute_id
