"""The store in DynamoDB: which items each method reads and writes. `items` converts them.

It uses one table. A screen is one read, a change one TransactWriteItems, a listing one Query; there is no Scan.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import boto3
import msgspec

from chalicelib.adapters.aws import client as aws
from chalicelib.adapters.dynamodb import cursors, items, table
from chalicelib.adapters.dynamodb.reads import OnTable, flat
from chalicelib.adapters.dynamodb.writes import (
    ABSENT,
    MAXIMUM_ACTIONS,
    Put,
    Refused,
    reading,
    record_put,
    versioned,
)
from chalicelib.domain.errors import NotFound
from chalicelib.ports.store import (
    WHOLE,
    Due,
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
    StoreUnavailable,
    TabSummary,
    VersionConflict,
)

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

    from chalicelib.adapters.dynamodb.items import Item
    from chalicelib.domain.books.differences import Progress, Records
    from chalicelib.domain.branding import Branding
    from chalicelib.domain.parties import Customer, Merchant
    from chalicelib.domain.tab.attempt import Attempt
    from chalicelib.domain.tab.draft import Change
    from chalicelib.domain.tab.entry import Entry
    from chalicelib.domain.tab.status import Status
    from chalicelib.domain.tab.tab import Tab
    from chalicelib.domain.trust.credits import CreditAccount, Mark, Movement
    from chalicelib.domain.trust.evidence.pack import DisputeAnswer

log = logging.getLogger(__name__)

DUE_PAGE = 1000
SWEEP_THREADS = 8


def dynamodb_client(endpoint_url: str | None = None, region: str | None = None) -> DynamoDBClient:
    """Create boto3's client. Anything not given comes from AWS's own settings.

    `endpoint_url`: the address of an emulator, which shares the machine and gets more time.
    """
    config = aws.config() if endpoint_url is None else aws.config(connect_s=5, read_s=20)
    key_id, secret, token = aws.credentials()
    return boto3.client(
        "dynamodb",
        endpoint_url=endpoint_url,
        region_name=region,
        config=config,
        aws_access_key_id=key_id,
        aws_secret_access_key=secret,
        aws_session_token=token,
    )


class DynamoDbStore(OnTable):
    """Implements ports.store.TabStore. `sweep_threads`: how many shards of what is due are read at once."""

    def __init__(
        self,
        client: DynamoDBClient,
        table_name: str,
        *,
        clock_for_ttl: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
        sweep_threads: int = SWEEP_THREADS,
    ) -> None:
        super().__init__(client, table_name, clock_for_ttl=clock_for_ttl, sleep=sleep)
        self._sweep_threads = sweep_threads

    # Tabs

    def get_tab(self, merchant_id: str, tab_id: str) -> Tab:
        _check_ids("tab", merchant_id, tab_id)
        item = self._reads.find(table.tab_key(merchant_id, tab_id))
        if item is None:
            raise _not_found("tab")
        return items.tab_of(item)

    def find_tabs(self, owners: Collection[tuple[str, str]]) -> Mapping[tuple[str, str], Tab]:
        wanted = {owner: table.tab_key(*owner) for owner in dict.fromkeys(owners) if all(map(table.is_id, owner))}
        there = self._reads.find_all(list(wanted.values()))
        found: dict[tuple[str, str], Tab] = {}
        for owner, key in wanted.items():
            if flat(key) in there:
                with suppress(msgspec.MsgspecError, items.NewerSchema):
                    found[owner] = items.tab_of(there[flat(key)])
        return found

    def get_tab_and_record(
        self, merchant_id: str, tab_id: str, record_id: str, now: datetime
    ) -> tuple[Tab, IdempotencyRecord | None]:
        _check_ids("tab", merchant_id, tab_id)
        tab_key, record_key = table.tab_key(merchant_id, tab_id), table.record_key(record_id)
        found = self._reads.find_all([tab_key, record_key])
        tab_item, record_item = found.get(flat(tab_key)), found.get(flat(record_key))
        if tab_item is None:
            raise _not_found("tab")
        return items.tab_of(tab_item), _standing(record_item, now)

    def get_parties_and_record(
        self, merchant_id: str, customer_id: str | None, record_id: str, now: datetime
    ) -> tuple[Merchant, Customer | None, IdempotencyRecord | None]:
        _check_ids("merchant", merchant_id)
        merchant_key, record_key = table.merchant_key(merchant_id), table.record_key(record_id)
        keys = [merchant_key, record_key]
        customer_key = None
        if customer_id is not None:
            _check_ids("customer", customer_id)
            customer_key = table.customer_key(merchant_id, customer_id)
            keys.append(customer_key)
        found = self._reads.find_all(keys)
        if flat(merchant_key) not in found:
            raise _not_found("merchant")
        if customer_key is not None and flat(customer_key) not in found:
            raise _not_found("customer")
        customer = items.customer_of(found[flat(customer_key)]) if customer_key is not None else None
        record = _standing(found.get(flat(record_key)), now)
        return items.merchant_of(found[flat(merchant_key)]), customer, record

    def find_record(self, record_id: str, now: datetime) -> IdempotencyRecord | None:
        return _standing(self._reads.find(table.record_key(record_id)), now)

    def commit(self, change: Change, *, record: IdempotencyRecord | None = None, event: SeenEvent | None = None) -> Tab:
        tab = change.tab
        puts, facts = _puts_of(change)
        if record is not None:
            items.check_size(tab, puts[0].item)
        records = [record_put(record, self._wall_now_s())] if record is not None else []
        events = [Put(items.event_item(event, self._wall_now_s()), ABSENT)] if event is not None else []
        puts += [*records, *events]
        try:
            self._transactions.write(puts, tab.change_id)
        except Refused as refused:
            failed = {id(puts[index]): item for index, item in refused.failed.items()}
            if event is not None and id(events[0]) in failed:
                raise EventAlreadySeen(event.event_id) from None
            if records and id(records[0]) in failed:
                raise RecordExists(items.record_of(failed[id(records[0])])) from None
            if applied := [key for key, put in facts.items() if id(put) in failed]:
                raise FactsAlreadyApplied(applied) from None
            raise VersionConflict(tab.tab_id) from None
        return tab

    def commit_each(self, changes: Sequence[Change]) -> Sequence[Exception | None]:
        prepared: list[tuple[list[Put], str]] = []
        for change in changes:
            # What can't be prepared is left to `commit`, which says why.
            with suppress(Exception):
                prepared.append((_puts_of(change)[0], change.tab.change_id))
        written = {change_id for group in _groups(prepared) for change_id in self._write_together(group)}
        return [None if change.tab.change_id in written else self._try_to_commit(change) for change in changes]

    def _write_together(self, group: list[tuple[list[Put], str]]) -> list[str]:
        """The change ids of those that were written, in a first try or in a second without those that hindered it."""
        for _ in range(2):
            if len(group) < 2:
                break
            hindering = self._transactions.try_together(group)
            if not hindering:
                return [change_id for _, change_id in group]
            group = [change for index, change in enumerate(group) if index not in hindering]
        return []

    def _try_to_commit(self, change: Change) -> Exception | None:
        try:
            self.commit(change)
        except Exception as error:
            return error
        return None

    # Records beside tabs

    def add_event(self, event: SeenEvent) -> None:
        with reading():
            self._client.put_item(TableName=self._table_name, Item=items.event_item(event, self._wall_now_s()))

    def find_for_event(
        self, event: SeenEvent, *, tab: tuple[str, str] | None = None, object_ids: Sequence[str] = ()
    ) -> KnownOfEvent:
        event_key = table.event_key(event)
        tab_key = table.tab_key(*tab) if tab is not None and all(table.is_id(text) for text in tab) else None
        # Each key once, because DynamoDB refuses a batch with duplicates.
        pointer_keys = [table.pointer_key(event.account, object_id) for object_id in dict.fromkeys(object_ids)]
        found = self._reads.find_all([event_key, *([tab_key] if tab_key else []), *pointer_keys])
        tab_item = found.get(flat(tab_key)) if tab_key else None
        return KnownOfEvent(
            is_seen=flat(event_key) in found,
            tab=items.tab_of(tab_item) if tab_item is not None else None,
            pointers=tuple(items.pointer_of(found[flat(key)]) for key in pointer_keys if flat(key) in found),
        )

    def find_pointers(self, account: str | None, object_ids: Collection[str]) -> Mapping[str, Pointer]:
        keys = {one: table.pointer_key(account, one) for one in sorted(set(object_ids))}
        there = self._reads.find_all(list(keys.values()))
        return {one: items.pointer_of(there[flat(key)]) for one, key in keys.items() if flat(key) in there}

    def find_attempt(self, merchant_id: str, tab_id: str, attempt_id: str) -> Attempt | None:
        item = self._reads.find(table.attempt_key(merchant_id, tab_id, attempt_id))
        return None if item is None else items.attempt_of(item)

    # Listings

    def list_entries(self, merchant_id: str, tab_id: str, *, limit: int, cursor: str | None) -> Page[Entry]:
        _check_ids("tab", merchant_id, tab_id)
        pk = table.tab_key(merchant_id, tab_id)["pk"]
        start = None
        if cursor is not None:
            start = table.entry_key(merchant_id, tab_id, cursors.decode(pk["S"], cursor))
        found, has_more = self._reads.page(
            limit,
            start,
            KeyConditionExpression="pk = :pk AND begins_with(sk, :prefix)",
            ExpressionAttributeValues={":pk": pk, ":prefix": {"S": table.entry_key("", "", "")["sk"]["S"]}},
            ConsistentRead=True,
        )
        entries = tuple(items.entry_of(item) for item in found)
        next_cursor = cursors.encode(pk["S"], table.entry_position(entries[-1].seq)) if has_more else None
        return Page(items=entries, next_cursor=next_cursor)

    def list_by_status(
        self, merchant_id: str, status: Status, *, limit: int, cursor: str | None, span: Span = WHOLE
    ) -> Page[TabSummary]:
        partition = table.status_partition(merchant_id, status)
        return self._list_tabs("by_merchant", "gm", merchant_id, partition, limit, cursor, span)

    def list_by_customer(
        self, merchant_id: str, customer_id: str, *, limit: int, cursor: str | None, span: Span = WHOLE
    ) -> Page[TabSummary]:
        if not table.is_id(customer_id):
            return Page(items=(), next_cursor=None)
        partition = table.customer_partition(merchant_id, customer_id)
        return self._list_tabs("by_customer", "gc", merchant_id, partition, limit, cursor, span)

    def iter_due(self, now: datetime) -> Iterator[Due]:
        pool = ThreadPoolExecutor(self._sweep_threads, thread_name_prefix="due")
        try:
            shards = [pool.submit(self._due_in_shard, shard, now) for shard in range(table.DUE_SHARDS)]
            unread: StoreUnavailable | None = None
            for shard in as_completed(shards):
                try:
                    due = shard.result()
                except StoreUnavailable as error:
                    # A failing shard must not stop the others; the sweep still raises an alarm at its end.
                    unread = error
                else:
                    yield from due
            if unread is not None:
                raise unread
        finally:
            # The caller may stop early: what has not begun is left to the next sweep.
            pool.shutdown(cancel_futures=True)

    def read_records(self, merchant_id: str, tab_id: str) -> Records:
        if not (table.is_id(merchant_id) and table.is_id(tab_id)):
            return items.records_of(())
        return items.records_of(self._reads.partition(table.tab_key(merchant_id, tab_id)["pk"], ConsistentRead=True))

    # Merchants and customers

    def iter_merchants(self) -> Iterator[tuple[str, str | None]]:
        partition = table.merchant_line_key("")["pk"]
        return (items.merchant_line_of(item) for item in self._reads.partition(partition))

    def find_cursor_key(self, merchant_id: str) -> str | None:
        _check_ids("merchant", merchant_id)
        item = self._reads.find(table.cursor_key_key(merchant_id))
        return None if item is None else items.cursor_key_of(item)

    def add_cursor_key(self, merchant_id: str, key: str) -> str:
        _check_ids("merchant", merchant_id)
        try:
            self._transactions.write([Put(items.cursor_key_item(merchant_id, key), ABSENT)], secrets.token_hex(8))
        except Refused:
            # Another request was first.
            return self.find_cursor_key(merchant_id) or key
        return key

    def get_merchant(self, merchant_id: str) -> Merchant:
        _check_ids("merchant", merchant_id)
        item = self._reads.find(table.merchant_key(merchant_id))
        if item is None:
            raise _not_found("merchant")
        return items.merchant_of(item)

    def get_merchant_and_branding(self, merchant_id: str) -> tuple[Merchant, Branding]:
        from chalicelib.domain.branding import Branding  # Imported here: only pages and the merchant's own need it.

        _check_ids("merchant", merchant_id)
        merchant_key, branding_key = table.merchant_key(merchant_id), table.branding_key(merchant_id)
        found = self._reads.find_all([merchant_key, branding_key])
        if flat(merchant_key) not in found:
            raise _not_found("merchant")
        item = found.get(flat(branding_key))
        branding = Branding(merchant_id=merchant_id) if item is None else items.branding_of(item)
        return items.merchant_of(found[flat(merchant_key)]), branding

    def put_branding(self, branding: Branding, *, record: IdempotencyRecord) -> None:
        self._put_party(items.branding_item(branding), branding.version - 1, record)

    def add_merchant(self, merchant: Merchant, *, record: IdempotencyRecord) -> None:
        self._put_party(items.merchant_item(merchant), 0, record, Put(items.merchant_line_item(merchant)))

    def update_merchant(
        self, merchant: Merchant, *, record: IdempotencyRecord | None = None, entry: Entry | None = None
    ) -> None:
        others = [Put(items.merchant_line_item(merchant))]
        if entry is not None:
            others.append(Put(items.merchant_entry_item(merchant.merchant_id, entry)))
        self._put_party(items.merchant_item(merchant), merchant.version - 1, record, *others)

    def get_customer(self, merchant_id: str, customer_id: str) -> Customer:
        _check_ids("customer", merchant_id, customer_id)
        item = self._reads.find(table.customer_key(merchant_id, customer_id))
        if item is None:
            raise _not_found("customer")
        return items.customer_of(item)

    def find_customers(self, merchant_id: str, customer_ids: Collection[str]) -> Mapping[str, Customer]:
        wanted = {one: table.customer_key(merchant_id, one) for one in dict.fromkeys(customer_ids)}
        there = self._reads.find_all(list(wanted.values()))
        return {one: items.customer_of(there[flat(key)]) for one, key in wanted.items() if flat(key) in there}

    def add_customer(self, customer: Customer, *, account: str | None, record: IdempotencyRecord) -> None:
        from chalicelib.domain.contact import reference_values  # Imported here: seldom needed.

        pointer = Put(items.pointer_item(items.customer_pointer(customer, account)))
        found_by = [
            Put(items.lookup_item(customer.merchant_id, by, text, customer.customer_id))
            for by, text in reference_values(customer)
        ]
        self._put_party(items.customer_item(customer), 0, record, pointer, *found_by)

    def set_customer_ref(self, customer: Customer, *, account: str | None) -> None:
        pointer = Put(items.pointer_item(items.customer_pointer(customer, account)))
        self._put_party(items.customer_item(customer), customer.version - 1, None, pointer)

    def update_customer(self, customer: Customer, *, record: IdempotencyRecord | None = None) -> None:
        self._put_party(items.customer_item(customer), customer.version - 1, record)

    # Credit accounts

    def find_credit_account(self, merchant_id: str, customer_id: str) -> CreditAccount | None:
        item = self._reads.find(table.credits_key(merchant_id, customer_id))
        return None if item is None else items.credits_of(item)

    def put_credit_account(self, account: CreditAccount, *, record: IdempotencyRecord) -> None:
        leads = [Put(items.referral_item(account))] if account.code else []
        self._put_party(items.credits_item(account), account.version - 1, record, *leads)

    def list_credit_movements(
        self, merchant_id: str, customer_id: str, *, limit: int, cursor: str | None
    ) -> Page[Movement]:
        first = table.movement_key(merchant_id, customer_id, "")
        listing = first["pk"]["S"]
        start = None
        if cursor is not None:
            start = table.movement_key(merchant_id, customer_id, cursors.decode(listing, cursor))
        found, has_more = self._reads.page(
            limit,
            start,
            KeyConditionExpression="pk = :pk AND begins_with(sk, :prefix)",
            ExpressionAttributeValues={":pk": first["pk"], ":prefix": first["sk"]},
            ConsistentRead=True,
            ScanIndexForward=False,
        )
        lines = tuple(items.movement_of(item) for item in found)
        next_cursor = cursors.encode(listing, table.entry_position(lines[-1].seq)) if has_more else None
        return Page(items=lines, next_cursor=next_cursor)

    def find_dispute_answer(
        self, merchant_id: str, customer_id: str, tab_id: str, dispute_id: str
    ) -> DisputeAnswer | None:
        if not all(map(table.is_id, (merchant_id, customer_id, tab_id, dispute_id))):
            return None
        item = self._reads.find(table.answer_key(merchant_id, customer_id, tab_id, dispute_id))
        return None if item is None else items.answer_of(item)

    def put_dispute_answer(self, answer: DisputeAnswer, *, record: IdempotencyRecord | None = None) -> None:
        self._put_party(items.answer_item(answer), answer.version - 1, record)

    def list_dispute_answers(self, merchant_id: str, customer_id: str) -> Sequence[DisputeAnswer]:
        pk = table.answer_key(merchant_id, customer_id, "", "")["pk"]
        return [items.answer_of(item) for item in self._reads.partition(pk, ConsistentRead=True)]

    def find_referrer(self, code: str) -> Referrer | None:
        item = self._reads.find(table.referral_key(code)) if table.is_id(code) else None
        return None if item is None else items.referrer_of(item)

    def is_shared(self, mark: Mark, among: Collection[str] | None) -> bool:
        if among is not None:
            others = set(among) - {mark.customer_id}
            return bool(self._reads.find_all([table.mark_key(mark.merchant_id, mark.sha256, one) for one in others]))
        # Who has paid with it, as of now; and who has used it in any way, also before there were marks.
        paid = table.mark_key(mark.merchant_id, mark.sha256, "")["pk"]["S"]
        used = table.card_partition(mark.merchant_id, mark.sha256)
        return any(self._reads.others(partition, mark.customer_id, limit=1) for partition in (paid, used))

    # Reconciliation

    def find_progress(self, account: str | None) -> Progress | None:
        item = self._reads.find(table.progress_key(account))
        return None if item is None else items.progress_of(item)

    def put_progress(self, progress: Progress) -> None:
        with reading():
            self._client.put_item(TableName=self._table_name, Item=items.progress_item(progress))

    def _list_tabs(
        self, index: str, prefix: str, merchant_id: str, partition: str, limit: int, cursor: str | None, span: Span
    ) -> Page[TabSummary]:
        found, next_cursor = self._reads.newest(
            index, prefix, partition, partial(table.tab_key, merchant_id), limit, cursor, span
        )
        return Page(items=tuple(items.summary_of(item) for item in found), next_cursor=next_cursor)

    def _due_in_shard(self, shard: int, now: datetime) -> list[Due]:
        """Everything that is due in one shard, the longest due first."""
        query: dict[str, Any] = {
            "TableName": self._table_name,
            "IndexName": "due",
            "KeyConditionExpression": "due_pk = :shard AND next_action_at <= :now",
            "ExpressionAttributeValues": {
                ":shard": {"S": table.due_partition(shard)},
                ":now": {"S": table.instant(now)},
            },
            "Limit": DUE_PAGE,
        }
        due: list[Due] = []
        while True:
            with reading():
                answer = self._client.query(**query)
            for item in answer["Items"]:
                if known := items.due_of(item):
                    due.append(known)
                else:
                    # A newer release has put it there. It must not keep everything else from being swept.
                    log.error("%s %s is due, and this release does not know such items", item["pk"], item["sk"])
            if "LastEvaluatedKey" not in answer:
                return due
            query["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    # Writing

    def _put_party(self, item: Item, base_version: int, record: IdempotencyRecord | None, *others: Put) -> None:
        self._write([versioned(item, base_version), *others], item["pk"]["S"], record=record)


def _puts_of(change: Change) -> tuple[list[Put], dict[str, Put]]:
    """What a change writes with those that go with it, its snapshot first; and of that the facts, by their keys."""
    puts: list[Put] = []
    facts: dict[str, Put] = {}
    for one in change.all:
        more_puts, more_facts = _puts_of_one(one)
        puts += more_puts
        facts |= more_facts
    return puts, facts


def _puts_of_one(change: Change) -> tuple[list[Put], dict[str, Put]]:
    tab = change.tab
    facts = {key: Put(items.fact_item(tab, key), ABSENT) for key in change.fact_keys}
    return [
        versioned(items.tab_item(tab), change.base_version),
        *(Put(items.entry_item(tab, entry), ABSENT) for entry in change.entries),
        *(Put(items.attempt_item(tab, attempt)) for attempt in change.closed_attempts),
        *facts.values(),
        *(Put(items.pointer_item(pointer)) for pointer in items.tab_pointers(change)),
        *(Put(items.link_pointer_item(pointer)) for pointer in change.link_pointers),
        *(versioned(items.token_item(token), token.version - 1) for token in (change.token,) if token),
        *(Put(items.customer_item(customer), ABSENT) for customer in (change.customer,) if customer),
        *(versioned(items.credits_item(one.account), one.account.version - 1) for one in change.credits),
        *(Put(items.movement_item(one.account, moved), ABSENT) for one in change.credits for moved in one.movements),
        *(Put(items.mark_item(mark)) for mark in change.marks),
        *(Put(items.rewarded_item(mark), ABSENT) for mark in change.rewarded),
        *(versioned(items.answer_item(one), one.version - 1) for one in (change.answer,) if one),
        *(Put(items.story_item(story)) for story in (change.story,) if story),
    ], facts


def _groups(changes: Sequence[tuple[list[Put], str]]) -> Iterator[list[tuple[list[Put], str]]]:
    """The changes in groups that fit into one transaction, which writes each item once.

    Two tabs of one customer may both change their credit account.
    """
    group: list[tuple[list[Put], str]] = []
    keys: set[tuple[str, str]] = set()
    for puts, change_id in changes:
        more = {flat(put.item) for put in puts}
        if group and (len(keys) + len(puts) > MAXIMUM_ACTIONS or not keys.isdisjoint(more)):
            yield group
            group, keys = [], set()
        group.append((puts, change_id))
        keys |= more
    if group:
        yield group


def _standing(item: Item | None, now: datetime) -> IdempotencyRecord | None:
    """The record, unless it has expired: TTL deletes late, and by the wall clock."""
    if item is None:
        return None
    record = items.record_of(item)
    return record if record.expires_at > now else None


def _check_ids(name: str, *ids: str) -> None:
    for text in ids:
        if not table.is_id(text):
            raise _not_found(name)


def _not_found(name: str) -> NotFound:
    return NotFound(f"There is no such {name}.")
