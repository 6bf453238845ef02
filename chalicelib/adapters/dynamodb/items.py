"""Converts between domain values and items of the table, whose keys `table` knows. The store reads and writes them.

An item has its keys, its contents (if any) as one JSON text, and native attributes where an index or a condition needs
them. So the AWS SDK handles only a few texts, a person can read an item in the console, no value becomes a Decimal, and
each value is stored in one place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from msgspec import Struct

from chalicelib.adapters.dynamodb import table
from chalicelib.decoders import decoder_of
from chalicelib.domain.errors import InvalidInput
from chalicelib.domain.tab.attempt import Attempt
from chalicelib.domain.tab.entry import Entry
from chalicelib.domain.tab.status import Status
from chalicelib.domain.tab.tab import Tab
from chalicelib.ports.store import (
    Due,
    DueDelivery,
    DueNotice,
    DueTab,
    IdempotencyRecord,
    Pointer,
    Referrer,
    SeenEvent,
    TabSummary,
)

if TYPE_CHECKING:
    from chalicelib.adapters.dynamodb.table import Key
    from chalicelib.domain.books.differences import Progress, Records
    from chalicelib.domain.branding import Branding
    from chalicelib.domain.contact import Contact, SearchBy
    from chalicelib.domain.news.delivery import Delivery
    from chalicelib.domain.news.endpoint import Endpoint, Secrets
    from chalicelib.domain.news.sending import Sending
    from chalicelib.domain.parties import Customer, Merchant
    from chalicelib.domain.tab.draft import Change
    from chalicelib.domain.tab.link import LinkPointer
    from chalicelib.domain.token import Token
    from chalicelib.domain.trust.credits import CreditAccount, Mark, Movement
    from chalicelib.domain.trust.evidence.pack import DisputeAnswer
    from chalicelib.domain.trust.figures import Figures
    from chalicelib.domain.trust.story import Story
    from chalicelib.domain.trust.visit import Visit

Item = dict[str, Any]
"""An item in the form of boto3's client: name → {"S": text} or {"N": digits}."""

SCHEMA_VERSION = 1
UPCASTS: dict[int, Callable[[type[Any], dict[str, Any]], dict[str, Any]]] = {}
"""Schema version → function that converts an item's type and contents to the next version. It is applied at read; the
next write stores the result. It also applies to the tab in an idempotency record. A new field needs no conversion; a
changed default does, because `omit_defaults` omits default values."""

EVENT_LIFETIME = timedelta(days=40)
FEEDBACK_LIFETIME = timedelta(days=90)
"""How long a channel's feedback finds its delivery. Bounces come within days, complaints within weeks."""
COUNT_LIFETIME = timedelta(days=2)
SNAPSHOT_MAXIMUM_BYTES = 64 * 1024

_GROWING = frozenset({Status.BOOKED, Status.OPEN})


# Attributes

R = TypeVar("R", bound=Struct)
_DATA = "data"
"""The attribute with an item's contents, as JSON."""
_LINE = "line"
"""The attribute with the part of a tab that listings show; the indexes have only this one."""

_encode = msgspec.json.Encoder().encode


def _data(contents: Struct) -> Item:
    return {_DATA: _json(contents)}


def _json(contents: Struct) -> Item:
    return {"S": _encode(contents).decode()}


def _version(
    of: Tab
    | Merchant
    | Customer
    | Contact
    | Delivery
    | Token
    | Endpoint
    | Sending
    | Branding
    | CreditAccount
    | DisputeAnswer,
) -> Item:
    """The version, for the condition of a write."""
    return {"version": {"N": str(of.version)}}


# To items


def tab_item(tab: Tab) -> Item:
    """The snapshot's item with its attributes for the indexes: listing line, and due key if a step is pending."""
    item = _item(table.tab_key(tab.merchant_id, tab.tab_id), _data(tab) | _version(tab))
    position = table.listing_position(tab.tab_id, tab.opened_at)
    item |= {
        _LINE: _json(TabSummary.of(tab)),
        "gm_pk": {"S": table.status_partition(tab.merchant_id, tab.status)},
        "gm_sk": {"S": position},
        "gc_pk": {"S": table.customer_partition(tab.merchant_id, tab.customer_id)},
        "gc_sk": {"S": position},
    }
    return item | due(tab.tab_id, tab.next_action_at)


def due(shard_by: str, at: datetime | None) -> Item:
    """The attributes that put an item into the due index until `at` is None. `shard_by`: an id that spreads them."""
    if at is None:
        return {}
    return {"due_pk": {"S": table.due_partition(table.due_shard(shard_by))}, "next_action_at": {"S": table.instant(at)}}


def entry_item(tab: Tab, entry: Entry) -> Item:
    """With the tab's customer beside its contents: who reads the stream does not read the tab."""
    return _item(
        table.entry_key(tab.merchant_id, tab.tab_id, table.entry_position(entry.seq)),
        _data(entry) | {"customer_id": {"S": tab.customer_id}},
    )


def merchant_entry_item(merchant_id: str, entry: Entry) -> Item:
    """An entry of the merchant's own history, from which messages follow as from a tab's."""
    return _item(table.merchant_entry_key(merchant_id, table.entry_position(entry.seq)), _data(entry))


def attempt_item(tab: Tab, attempt: Attempt) -> Item:
    return _item(table.attempt_key(tab.merchant_id, tab.tab_id, attempt.attempt_id), _data(attempt))


def fact_item(tab: Tab, fact_key: str) -> Item:
    return _item(
        table.fact_key(tab.merchant_id, tab.tab_id, fact_key),
        {"fact_key": {"S": fact_key}, "applied_at": {"S": table.instant(tab.updated_at)}},
    )


def customer_pointer(customer: Customer, account: str | None) -> Pointer:
    """The pointer from the customer's id at the gateway, for events about saved cards, which name no tab."""
    assert customer.customer_ref is not None, "there is something to lead from"
    return Pointer(
        account=account,
        object_id=customer.customer_ref,
        merchant_id=customer.merchant_id,
        customer_id=customer.customer_id,
    )


def tab_pointers(change: Change) -> Iterator[Pointer]:
    """The pointers from the gateway objects that the change has added to its tab."""
    tab = change.tab
    for object_id, attempt_id in change.objects:
        yield Pointer(
            account=tab.account,
            object_id=object_id,
            merchant_id=tab.merchant_id,
            tab_id=tab.tab_id,
            attempt_id=attempt_id,
        )


def pointer_item(pointer: Pointer) -> Item:
    return _item(table.pointer_key(pointer.account, pointer.object_id), _data(pointer))


def record_item(record: IdempotencyRecord, wall_now_s: float) -> Item:
    """`ttl` uses the wall clock, like DynamoDB's deletion; whether the record is valid is decided in business time."""
    lifetime = record.expires_at - record.created_at
    native = {"expires_at": {"S": table.instant(record.expires_at)}, "ttl": _ttl(wall_now_s, lifetime)}
    return _item(table.record_key(record.record_id), _data(record) | native)


def event_item(event: SeenEvent, wall_now_s: float) -> Item:
    return _item(table.event_key(event), {"ttl": _ttl(wall_now_s, EVENT_LIFETIME)})


def merchant_item(merchant: Merchant) -> Item:
    return _item(table.merchant_key(merchant.merchant_id), _data(merchant) | _version(merchant))


def branding_item(branding: Branding) -> Item:
    return _item(table.branding_key(branding.merchant_id), _data(branding) | _version(branding))


def figures_item(figures: Figures) -> Item:
    return _item(table.figures_key(figures.merchant_id), _data(figures))


def merchant_line_item(merchant: Merchant) -> Item:
    account = {} if merchant.account is None else {"account": {"S": merchant.account}}
    return _item(table.merchant_line_key(merchant.merchant_id), {"merchant_id": {"S": merchant.merchant_id}, **account})


def progress_item(progress: Progress) -> Item:
    return _item(table.progress_key(progress.account), _data(progress))


def customer_item(customer: Customer) -> Item:
    item = _item(table.customer_key(customer.merchant_id, customer.customer_id), _data(customer) | _version(customer))
    if customer.is_anonymous:
        return item
    return item | {
        _LINE: _json(customer),
        "gm_pk": {"S": table.customers_partition(customer.merchant_id)},
        "gm_sk": {"S": table.listing_position(customer.customer_id, customer.created_at)},
    }


def contact_item(contact: Contact) -> Item:
    return _item(table.contact_key(contact.merchant_id, contact.customer_id), _data(contact) | _version(contact))


def delivery_item(delivery: Delivery) -> Item:
    """With its due key while it is put off."""
    item = _item(table.delivery_key(delivery), _data(delivery) | _version(delivery))
    return item | due(delivery.message.message_id, delivery.next_action_at)


def endpoint_item(endpoint: Endpoint) -> Item:
    return _item(table.endpoint_key(endpoint.merchant_id, endpoint.endpoint_id), _data(endpoint) | _version(endpoint))


def slot_item(endpoint: Endpoint) -> Item:
    return _item(table.slot_key(endpoint), {"endpoint_id": {"S": endpoint.endpoint_id}})


def secrets_item(secrets: Secrets) -> Item:
    return _item(table.secrets_key(secrets.merchant_id, secrets.endpoint_id), _data(secrets))


def cursor_key_item(merchant_id: str, key: str) -> Item:
    return _item(table.cursor_key_key(merchant_id), {"key": {"S": key}})


def cursor_key_of(item: Item) -> str:
    key: str = item["key"]["S"]
    return key


def sending_item(sending: Sending, wall_now_s: float, lifetime: timedelta) -> Item:
    """With its place in the log, and its due key until it has come to an end."""
    notice = sending.notice
    item = _item(
        table.sending_key(notice.merchant_id, sending.endpoint_id, notice.notice_id), _data(sending) | _version(sending)
    )
    item |= {
        "ttl": _ttl(wall_now_s, lifetime),
        "gm_pk": {"S": table.sendings_partition(notice.merchant_id, sending.endpoint_id)},
        "gm_sk": {"S": table.listing_position(notice.notice_id, notice.at)},
    }
    # By endpoint too: all of a tab's endpoints have the same notice.
    return item | due(f"{sending.endpoint_id}{notice.notice_id}", sending.next_action_at)


def provider_item(delivery: Delivery, wall_now_s: float) -> Item:
    """From the channel's own id to the delivery."""
    assert delivery.provider_id is not None and delivery.channel is not None, "it was handed over"
    key = table.delivery_key(delivery)
    native = {"of_pk": key["pk"], "of_sk": key["sk"], "ttl": _ttl(wall_now_s, FEEDBACK_LIFETIME)}
    return _item(table.provider_key(delivery.channel, delivery.provider_id), native)


def link_pointer_item(pointer: LinkPointer) -> Item:
    return _item(table.link_key(pointer.sha256), _data(pointer))


def token_item(token: Token) -> Item:
    return _item(table.token_key(token.merchant_id, token.number), _data(token) | _version(token))


def visit_item(visit: Visit) -> Item:
    """Its place in the index never changes, so that folding an entry writes the table only."""
    assert visit.customer_id is not None, "a tab has its customer"
    native = {
        "seq": {"N": str(visit.seq)},
        "gm_pk": {"S": table.visits_partition(visit.merchant_id)},
        "gm_sk": {"S": table.visit_position(visit)},
    }
    return _item(table.visit_key(visit.merchant_id, visit.customer_id, visit.tab_id), _data(visit) | native)


def story_item(story: Story) -> Item:
    return _item(table.story_key(story.merchant_id, story.tab_id), _data(story))


def credits_item(account: CreditAccount) -> Item:
    return _item(table.credits_key(account.merchant_id, account.customer_id), _data(account) | _version(account))


def movement_item(account: CreditAccount, movement: Movement) -> Item:
    position = table.entry_position(movement.seq)
    return _item(table.movement_key(account.merchant_id, account.customer_id, position), _data(movement))


def answer_item(answer: DisputeAnswer) -> Item:
    key = table.answer_key(answer.merchant_id, answer.customer_id, answer.tab_id, answer.dispute_id)
    return _item(key, _data(answer) | _version(answer))


def referral_item(account: CreditAccount) -> Item:
    assert account.code is not None, "it has one"
    who = Referrer(merchant_id=account.merchant_id, customer_id=account.customer_id)
    return _item(table.referral_key(account.code), _data(who))


def mark_item(mark: Mark) -> Item:
    return _item(table.mark_key(mark.merchant_id, mark.sha256, mark.customer_id), {})


def rewarded_item(mark: Mark) -> Item:
    return _item(table.rewarded_key(mark.merchant_id, mark.sha256), {})


def card_item(merchant_id: str, fingerprint: str, customer_id: str, *, linked: bool = False) -> Item:
    return _item(table.card_key(merchant_id, fingerprint, customer_id), {"linked": {"N": "1"}} if linked else {})


def is_linked(item: Item) -> bool:
    return "linked" in item


def lookup_item(merchant_id: str, by: SearchBy, searchable: str, customer_id: str) -> Item:
    return _item(table.lookup_key(merchant_id, by, searchable, customer_id), {})


def _item(key: Key, attributes: Item) -> Item:
    return key | attributes | {"schema_version": {"N": str(SCHEMA_VERSION)}}


def _ttl(wall_now_s: float, lifetime: timedelta) -> Mapping[str, str]:
    return {"N": str(int(wall_now_s + lifetime.total_seconds()))}


# From items


class NewerSchema(Exception):
    """A newer release wrote the item; this release would lose its unknown fields."""


def contents(cls: type[R], item: Item) -> R:
    """The contents, converted to this release's schema; new fields have their defaults.

    Raises NewerSchema.
    """
    version = int(item["schema_version"]["N"])
    if version == SCHEMA_VERSION:
        found: R = decoder_of(cls).decode(item[_DATA]["S"])
        return found
    if version > SCHEMA_VERSION:
        raise NewerSchema(
            f"{item['pk']['S']} {item['sk']['S']} has schema {version}, this release knows {SCHEMA_VERSION}"
        )
    contents = msgspec.json.decode(item[_DATA]["S"])
    for known in range(version, SCHEMA_VERSION):
        if cls is IdempotencyRecord and contents.get("snapshot"):
            contents["snapshot"] = UPCASTS[known](Tab, contents["snapshot"])
        contents = UPCASTS[known](cls, contents)
    return msgspec.convert(contents, cls)


def tab_of(item: Item) -> Tab:
    return contents(Tab, item)


def entry_of(item: Item) -> Entry:
    return contents(Entry, item)


def attempt_of(item: Item) -> Attempt:
    return contents(Attempt, item)


def pointer_of(item: Item) -> Pointer:
    return contents(Pointer, item)


def record_of(item: Item) -> IdempotencyRecord:
    return contents(IdempotencyRecord, item)


def merchant_of(item: Item) -> Merchant:
    from chalicelib.domain.parties import Merchant  # Imported here and below: reading a tab needs none of it.

    return contents(Merchant, item)


def branding_of(item: Item) -> Branding:
    from chalicelib.domain.branding import Branding

    return contents(Branding, item)


def figures_of(item: Item) -> Figures:
    # Imported here: of all starts, few read figures.
    from chalicelib.domain.trust.figures import Figures

    return contents(Figures, item)


def merchant_line_of(item: Item) -> tuple[str, str | None]:
    """(merchant_id, account)"""
    return item["merchant_id"]["S"], item.get("account", {}).get("S")


def records_of(found: Iterable[Item]) -> Records:
    """The records from all items of one tab, in the order of their sort keys, so the history is oldest first."""
    from chalicelib.domain.books.differences import Records

    tab, entries, attempts, fact_keys = None, [], [], []
    for item in found:
        kind = item["sk"]["S"].partition("#")[0]
        if kind == "STATE":
            tab = tab_of(item)
        elif kind == "ENTRY":
            entries.append(entry_of(item))
        elif kind == "ATTEMPT":
            attempts.append(attempt_of(item))
        elif kind == "FACT":
            fact_keys.append(item["fact_key"]["S"])
    return Records(tab=tab, entries=tuple(entries), attempts=tuple(attempts), fact_keys=frozenset(fact_keys))


def progress_of(item: Item) -> Progress:
    from chalicelib.domain.books.differences import Progress

    return contents(Progress, item)


def customer_of(item: Item) -> Customer:
    from chalicelib.domain.parties import Customer

    return contents(Customer, item)


def count_ttl(wall_now_s: float) -> Mapping[str, str]:
    return _ttl(wall_now_s, COUNT_LIFETIME)


def count_of(item: Item | None) -> int:
    return 0 if item is None else int(item["sent"]["N"])


def delivery_key_of(provider_item: Item) -> Key:
    return {"pk": provider_item["of_pk"], "sk": provider_item["of_sk"]}


def story_of(item: Item) -> Story:
    from chalicelib.domain.trust.story import Story

    return contents(Story, item)


def credits_of(item: Item) -> CreditAccount:
    from chalicelib.domain.trust.credits import CreditAccount

    return contents(CreditAccount, item)


def movement_of(item: Item) -> Movement:
    from chalicelib.domain.trust.credits import Movement

    return contents(Movement, item)


def answer_of(item: Item) -> DisputeAnswer:
    from chalicelib.domain.trust.evidence.pack import DisputeAnswer  # Imported here: few requests are about a dispute.

    return contents(DisputeAnswer, item)


def referrer_of(item: Item) -> Referrer:
    return contents(Referrer, item)


def customer_line_of(item: Item) -> Customer:
    """Read a row of a listing's index."""
    from chalicelib.domain.parties import Customer

    line: Customer = decoder_of(Customer).decode(item[_LINE]["S"])
    return line


def summary_of(item: Item) -> TabSummary:
    """A row of a listing's index. It has no schema version: new fields have defaults."""
    line: TabSummary = decoder_of(TabSummary).decode(item[_LINE]["S"])
    return line


def due_of(item: Item) -> Due | None:
    """What is due, from its key; the due index has nothing else. None for items that this release does not know."""
    of, *owner = item["pk"]["S"].split("#")
    kind, *rest = item["sk"]["S"].split("#")
    match of, kind:
        case "TAB", "STATE":
            return DueTab(*owner)
        case (("TAB" | "MERCHANT"), "SENT"):
            merchant_id, tab_id = (*owner, None)[:2]
            message_id, channel = rest
            return DueDelivery(merchant_id, tab_id, message_id, channel)
        case "NOTICE", _:
            merchant_id, endpoint_id = owner
            return DueNotice(merchant_id, endpoint_id, kind)
    return None


# Limits


def check_size(tab: Tab, item: Item) -> None:
    """Raises InvalidInput if a request would make a booked or open tab larger than 64 KB. `item`: the tab's item.

    Ends of a service and outcomes of payments are always written: DynamoDB's limit is 400 KB.
    """
    if tab.status in _GROWING and len(item[_DATA]["S"].encode()) > SNAPSHOT_MAXIMUM_BYTES:
        raise InvalidInput(
            f"The tab would be larger than {SNAPSHOT_MAXIMUM_BYTES // 1024} KB. "
            "Shorten the descriptions, or continue on another tab.",
            maximum_bytes=SNAPSHOT_MAXIMUM_BYTES,
        )
