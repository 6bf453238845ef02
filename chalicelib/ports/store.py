"""The store of tabs, merchants and customers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Generic, Protocol, Self, TypeVar

from msgspec import Struct

from chalicelib.domain.tab.status import UNTIL_COMPLETED, PaymentState, Status
from chalicelib.domain.tab.tab import Tab

if TYPE_CHECKING:
    from chalicelib.domain.books.differences import Progress, Records
    from chalicelib.domain.branding import Branding
    from chalicelib.domain.parties import Customer, Merchant
    from chalicelib.domain.tab.attempt import Attempt
    from chalicelib.domain.tab.draft import Change
    from chalicelib.domain.tab.entry import Entry
    from chalicelib.domain.trust.credits import CreditAccount, Mark, Movement
    from chalicelib.domain.trust.evidence.pack import DisputeAnswer

# Errors of the store, besides the domain's NotFound


class VersionConflict(Exception):
    """Another change was written first: load and decide again."""


class FactsAlreadyApplied(Exception):
    """The facts in `keys` were already applied; nothing of the change was written."""

    def __init__(self, keys: Sequence[str]) -> None:
        super().__init__(", ".join(keys))
        self.keys = tuple(keys)


class RecordExists(Exception):
    """An idempotency record with this id exists: `record`."""

    def __init__(self, record: IdempotencyRecord) -> None:
        super().__init__(record.record_id)
        self.record = record


class EventAlreadySeen(Exception):
    """The gateway's event was already handled."""


class StoreUnavailable(Exception):
    """The store did not answer in time, or throttled beyond our retries. Nothing is half written."""


# What is due


class DueTab(Struct, frozen=True):
    """A tab whose next step is due."""

    merchant_id: str
    tab_id: str


class DueDelivery(Struct, frozen=True):
    """A delivery to a person that was put off until now. `tab_id` None: it is about the whole business."""

    merchant_id: str
    tab_id: str | None
    message_id: str
    channel: str


class DueNotice(Struct, frozen=True):
    """A notice to a merchant's system whose next try is due."""

    merchant_id: str
    endpoint_id: str
    notice_id: str


Due = DueTab | DueDelivery | DueNotice

# Records beside tabs


class IdempotencyRecord(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One HTTP request that changed something (money rule 8).

    `record_id` is merchant, caller and key; `request_sha256` covers method, path and body. `attempt_id` is set where
    money moved: a replay is then answered from the attempt. Else `snapshot` holds the tab as the request left it, or
    `resource_id` names the merchant or customer it made. `expires_at` is business time.
    """

    record_id: str
    request_sha256: str
    created_at: datetime
    expires_at: datetime
    tab_id: str | None = None
    attempt_id: str | None = None
    snapshot: Tab | None = None
    resource_id: str | None = None


class SeenEvent(Struct, frozen=True, kw_only=True):
    """A gateway event that was handled."""

    account: str | None
    event_id: str


class Pointer(Struct, frozen=True, kw_only=True):
    """The tab and attempt that an object at the gateway belongs to; for a customer there, our customer."""

    account: str | None
    object_id: str
    merchant_id: str
    tab_id: str | None = None
    attempt_id: str | None = None
    customer_id: str | None = None


class Referrer(Struct, frozen=True, kw_only=True):
    """Whose invitation a code is."""

    merchant_id: str
    customer_id: str


class KnownOfEvent(Struct, frozen=True, kw_only=True):
    """What the store knows about an event. `pointers`: those found, in the order of the request."""

    is_seen: bool
    tab: Tab | None = None
    pointers: tuple[Pointer, ...] = ()


class TabSummary(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A tab in a listing, from an eventually consistent index.

    `held_minor`, until `hold_expires_at`: the live hold. `expected_at`: when the balance will be taken automatically.
    `updated_at`: the time of the last change. `shared_minor`: what its shares still owe, and may bring back.
    """

    tab_id: str
    customer_id: str
    title: str
    status: Status
    payment_state: PaymentState
    currency: str
    total_minor: int
    amount_due_minor: int
    paid_minor: int
    opened_at: datetime
    version: int
    starts_at: datetime | None = None
    due_at: datetime | None = None
    held_minor: int = 0
    hold_expires_at: datetime | None = None
    expected_at: datetime | None = None
    updated_at: datetime | None = None
    shared_minor: int = 0
    opened_by: str | None = None

    @classmethod
    def of(cls, tab: Tab) -> Self:
        return cls(
            tab_id=tab.tab_id,
            customer_id=tab.customer_id,
            title=tab.title,
            status=tab.status,
            payment_state=tab.payment_state,
            currency=tab.currency,
            total_minor=tab.total_minor,
            amount_due_minor=tab.amount_due_minor,
            paid_minor=tab.paid_minor,
            opened_at=tab.opened_at,
            version=tab.version,
            starts_at=tab.starts_at,
            due_at=tab.due_at,
            held_minor=tab.held_minor,
            hold_expires_at=tab.hold_expires_at,
            expected_at=tab.expected_at,
            updated_at=tab.updated_at,
            shared_minor=sum(share.out_minor - share.told.paid_minor for share in tab.open_shares),
            opened_by=tab.opened_by,
        )

    @property
    def balance_minor(self) -> int:
        return max(0, self.amount_due_minor - self.paid_minor)

    @property
    def exposure_minor(self) -> int:
        """What the business loses if nothing more is paid: the total so far or the amount due, minus what was paid."""
        is_open = self.status in UNTIL_COMPLETED
        return max(0, (self.total_minor if is_open else self.amount_due_minor) - self.paid_minor)


T = TypeVar("T")


class Span(Struct, frozen=True, kw_only=True):
    """Which part of a listing of tabs, and in which order. `since`, `until`: opened from then on, and before then.

    `only`: what the reader takes of it; not the store's business, but its cursors are good for nothing else.
    """

    since: datetime | None = None
    until: datetime | None = None
    oldest_first: bool = False
    only: str = ""

    @property
    def name(self) -> str:
        """Tells this span's cursors from those of another."""
        if self == WHOLE:
            return ""
        ends = (at.isoformat() if at else "" for at in (self.since, self.until))
        return "#".join(("", *ends, "oldest" if self.oldest_first else "", self.only))


WHOLE = Span()
"""All of a listing, newest first."""


class Page(Struct, Generic[T], frozen=True, kw_only=True):
    """`next_cursor` is opaque, None on the last page."""

    items: tuple[T, ...]
    next_cursor: str | None


def every(page_at: Callable[..., Page[T]]) -> Iterator[T]:
    """All of a listing, a page at a time as they are wanted. `page_at`: reads the page at its argument `cursor`."""
    page = page_at(cursor=None)
    yield from page.items
    while page.next_cursor is not None:
        page = page_at(cursor=page.next_cursor)
        yield from page.items


class TabStore(Protocol):
    """Stores tabs, merchants and customers. Reads of single items are strongly consistent.

    `get_*` raise NotFound, `find_*` may return None, `add_*` create. Everything may raise StoreUnavailable.
    """

    def get_tab(self, merchant_id: str, tab_id: str) -> Tab: ...

    def find_tabs(self, owners: Collection[tuple[str, str]]) -> Mapping[tuple[str, str], Tab]:
        """The tabs by (merchant_id, tab_id), in few requests. Left out are those that do not exist, and those that
        can't be read, so that one of them does not hold up the others: get_tab says why."""
        ...

    def get_tab_and_record(
        self, merchant_id: str, tab_id: str, record_id: str, now: datetime
    ) -> tuple[Tab, IdempotencyRecord | None]:
        """The tab, and in the same database request the idempotency record, unless that has expired at `now`."""
        ...

    def get_parties_and_record(
        self, merchant_id: str, customer_id: str | None, record_id: str, now: datetime
    ) -> tuple[Merchant, Customer | None, IdempotencyRecord | None]:
        """What opening a tab needs, in one database request. Raises NotFound for merchant and customer.

        `customer_id` None: the tab's customer is made with it, so there is none yet.
        """
        ...

    def find_record(self, record_id: str, now: datetime) -> IdempotencyRecord | None: ...

    def commit(
        self,
        change: Change,
        *,
        record: IdempotencyRecord | None = None,
        event: SeenEvent | None = None,
    ) -> Tab:
        """Write the whole change in one transaction, or nothing; return its tab.

        Conditions: the stored version is `change.base_version` (0: none is stored); no fact key was applied; the record
        is absent or expired (at `record.created_at`); the event was not handled. If several fail, it raises the first
        of EventAlreadySeen, RecordExists, FactsAlreadyApplied, VersionConflict. It retries transaction conflicts and
        throttling with jitter, and finally raises Contention if only other transactions were the reason. If the
        database's answer is lost, it reads the snapshot: if that has `change.tab.change_id`, the write succeeded and is
        not repeated. Raises InvalidInput if a request (a change with a record) would make a booked or open tab larger
        than 64 KB; outcomes are never refused. If the stored version of `change.token` is not the one before it, that
        is a VersionConflict, too; so it is for the accounts in `change.credits`, and for
        `change.answer`. The changes in `change.also` are written in the same transaction, each on the condition of its
        own versions and facts; if one of them fails, nothing is written.
        """
        ...

    # Credit accounts are written with the tab that changes them: in `commit`, on the condition of their versions.

    def find_credit_account(self, merchant_id: str, customer_id: str) -> CreditAccount | None:
        """None where the customer never had one."""
        ...

    def put_credit_account(self, account: CreditAccount, *, record: IdempotencyRecord) -> None:
        """Put the next version (`account.version` is one above the stored), and where its code leads.

        What it may spend changes with tabs only. Raises VersionConflict, RecordExists.
        """
        ...

    def list_credit_movements(
        self, merchant_id: str, customer_id: str, *, limit: int, cursor: str | None
    ) -> Page[Movement]:
        """The lines of the statement, newest first. Raises InvalidInput for an invalid cursor."""
        ...

    # What is stored of the answer to a dispute; it is also written in `commit` (`change.answer`), on its version.

    def find_dispute_answer(
        self, merchant_id: str, customer_id: str, tab_id: str, dispute_id: str
    ) -> DisputeAnswer | None: ...

    def put_dispute_answer(self, answer: DisputeAnswer, *, record: IdempotencyRecord | None = None) -> None:
        """Put the next version (`answer.version` is one above the stored). Raises VersionConflict, RecordExists."""
        ...

    def list_dispute_answers(self, merchant_id: str, customer_id: str) -> Sequence[DisputeAnswer]:
        """All of one customer, in no order."""
        ...

    def find_referrer(self, code: str) -> Referrer | None: ...

    def is_shared(self, mark: Mark, among: Collection[str] | None) -> bool:
        """Whether another customer of the merchant has paid with the mark's card, or agreed from its device.

        `among`: only these customers count; None: any, and of a card also whoever uses it (`Visits.note_card`). It
        reads no more than decides that, however many share the mark.
        """
        ...

    def commit_each(self, changes: Sequence[Change]) -> Sequence[Exception | None]:
        """Write changes of different tabs in as few transactions as can be: each of them whole or not at all, whatever
        becomes of the others. For each change None, or the exception that `commit` raises for it."""
        ...

    def add_event(self, event: SeenEvent) -> None:
        """Remember an event that changed nothing. Idempotent."""
        ...

    def find_for_event(
        self, event: SeenEvent, *, tab: tuple[str, str] | None = None, object_ids: Sequence[str] = ()
    ) -> KnownOfEvent:
        """What handling an event needs, in one database request: whether it was handled before, the tab (merchant_id,
        tab_id) if there is one, and the pointers of these objects in the event's account."""
        ...

    def find_pointers(self, account: str | None, object_ids: Collection[str]) -> Mapping[str, Pointer]:
        """The pointers of these objects of the account, by object. Objects without a pointer are left out."""
        ...

    def find_attempt(self, merchant_id: str, tab_id: str, attempt_id: str) -> Attempt | None:
        """A closed attempt. Open ones are in the tab."""
        ...

    def list_entries(self, merchant_id: str, tab_id: str, *, limit: int, cursor: str | None) -> Page[Entry]:
        """The tab's history, oldest first. Raises InvalidInput for an invalid cursor."""
        ...

    def list_by_status(
        self, merchant_id: str, status: Status, *, limit: int, cursor: str | None, span: Span = WHOLE
    ) -> Page[TabSummary]:
        """Newest first by default, from an index that lags a little. Raises InvalidInput for an invalid cursor."""
        ...

    def list_by_customer(
        self, merchant_id: str, customer_id: str, *, limit: int, cursor: str | None, span: Span = WHOLE
    ) -> Page[TabSummary]: ...

    def iter_due(self, now: datetime) -> Iterator[Due]:
        """Everything whose `next_action_at` has passed, from an index that may lag."""
        ...

    def read_records(self, merchant_id: str, tab_id: str) -> Records:
        """All records of one tab, strongly consistent. Empty for an unknown tab."""
        ...

    def find_cursor_key(self, merchant_id: str) -> str | None:
        """What the merchant's cursors are signed with, as `add_cursor_key` has put it."""
        ...

    def add_cursor_key(self, merchant_id: str, key: str) -> str:
        """Put the key, unless there is one; return the one that there is."""
        ...

    def get_merchant(self, merchant_id: str) -> Merchant: ...

    def get_merchant_and_branding(self, merchant_id: str) -> tuple[Merchant, Branding]:
        """In one database request; an empty branding where none was set. Raises NotFound."""
        ...

    def put_branding(self, branding: Branding, *, record: IdempotencyRecord) -> None:
        """Put the next version (`branding.version` is one above the stored). Raises VersionConflict, RecordExists."""
        ...

    def iter_merchants(self) -> Iterator[tuple[str, str | None]]:
        """(merchant_id, account) of every merchant."""
        ...

    def add_merchant(self, merchant: Merchant, *, record: IdempotencyRecord) -> None:
        """Raises RecordExists."""
        ...

    def update_merchant(
        self, merchant: Merchant, *, record: IdempotencyRecord | None = None, entry: Entry | None = None
    ) -> None:
        """Put the next version (`merchant.version` is one above the stored), with an entry of the merchant's history.

        Raises VersionConflict, RecordExists.
        """
        ...

    def get_customer(self, merchant_id: str, customer_id: str) -> Customer: ...

    def find_customers(self, merchant_id: str, customer_ids: Collection[str]) -> Mapping[str, Customer]:
        """These customers by id, as few requests as can be; those that do not exist are left out."""
        ...

    def add_customer(self, customer: Customer, *, account: str | None, record: IdempotencyRecord) -> None:
        """With a pointer from the customer's id at the gateway, in `account`. Raises RecordExists."""
        ...

    def update_customer(self, customer: Customer, *, record: IdempotencyRecord | None = None) -> None:
        """Put the next version (`customer.version` is one above the stored). Raises VersionConflict, RecordExists."""
        ...

    def set_customer_ref(self, customer: Customer, *, account: str | None) -> None:
        """The same, with a pointer from the customer's new id at the gateway. Raises VersionConflict."""
        ...

    def find_progress(self, account: str | None) -> Progress | None:
        """How far the nightly reconciliation of this account has come; None where it never ran."""
        ...

    def put_progress(self, progress: Progress) -> None: ...
