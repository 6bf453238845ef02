"""The table's keys: of each item, and of the partitions of the indexes that list it. Every other module asks here."""

from __future__ import annotations

import hashlib
import zlib
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chalicelib.domain.contact import Channel, SearchBy
    from chalicelib.domain.news.delivery import Delivery
    from chalicelib.domain.news.endpoint import Endpoint
    from chalicelib.domain.tab.status import Status
    from chalicelib.domain.trust.visit import Visit
    from chalicelib.ports.store import SeenEvent

Key = dict[str, Any]
"""The key of an item in the form of boto3's client: {"pk": {"S": text}, "sk": {"S": text}}."""

DUE_SHARDS = 64
MERCHANTS_PARTITION = "MERCHANTS"
SEPARATOR = "#"
MOST_ID_CHARACTERS = 128


def is_id(text: str) -> bool:
    """Whether the text may be an id. Anything else is never put into a key, because a `#` would name another item."""
    return 0 < len(text) <= MOST_ID_CHARACTERS and SEPARATOR not in text and text.isascii()


def tab_key(merchant_id: str, tab_id: str) -> Key:
    return _key(f"TAB#{merchant_id}#{tab_id}", "STATE")


def entry_key(merchant_id: str, tab_id: str, position: str) -> Key:
    return _key(f"TAB#{merchant_id}#{tab_id}", f"ENTRY#{position}")


def attempt_key(merchant_id: str, tab_id: str, attempt_id: str) -> Key:
    return _key(f"TAB#{merchant_id}#{tab_id}", f"ATTEMPT#{attempt_id}")


def fact_key(merchant_id: str, tab_id: str, fact_key: str) -> Key:
    return _key(f"TAB#{merchant_id}#{tab_id}", f"FACT#{fact_key}")


def pointer_key(account: str | None, object_id: str) -> Key:
    return _key(f"STRIPE#{account or 'platform'}#{object_id}", "-")


def event_key(event: SeenEvent) -> Key:
    return _key(f"EVENT#{event.account or 'platform'}#{event.event_id}", "-")


def record_key(record_id: str) -> Key:
    return _key(f"IDEM#{record_id}", "-")


def merchant_key(merchant_id: str) -> Key:
    return _key(f"MERCHANT#{merchant_id}", "PROFILE")


def merchant_entry_key(merchant_id: str, position: str) -> Key:
    return _key(f"MERCHANT#{merchant_id}", f"ENTRY#{position}")


def branding_key(merchant_id: str) -> Key:
    return _key(f"MERCHANT#{merchant_id}", "BRANDING")


def figures_key(merchant_id: str) -> Key:
    return _key(f"MERCHANT#{merchant_id}", "FIGURES")


def merchant_line_key(merchant_id: str) -> Key:
    """The partition with a row for each merchant, so that merchants can be listed; written with each change of one."""
    return _key(MERCHANTS_PARTITION, merchant_id)


def progress_key(account: str | None) -> Key:
    return _key(f"RECONCILED#{account or 'platform'}", "-")


def customer_key(merchant_id: str, customer_id: str) -> Key:
    return _key(f"CUSTOMER#{merchant_id}#{customer_id}", "PROFILE")


def contact_key(merchant_id: str, customer_id: str) -> Key:
    return _key(f"CONTACT#{merchant_id}#{customer_id}", "-")


def story_key(merchant_id: str, tab_id: str) -> Key:
    """All stories of a merchant are one partition, by when their tabs were opened, so that they can be shown."""
    return _key(f"STORIES#{merchant_id}", tab_id)


def credits_key(merchant_id: str, customer_id: str) -> Key:
    return _key(f"CUSTOMER#{merchant_id}#{customer_id}", "CREDITS")


def movement_key(merchant_id: str, customer_id: str, position: str) -> Key:
    """A line of a credit account's statement; the position is that of an entry of a tab."""
    return _key(f"CUSTOMER#{merchant_id}#{customer_id}", f"CREDIT#{position}")


def answer_key(merchant_id: str, customer_id: str, tab_id: str, dispute_id: str) -> Key:
    """Under the customer, in a partition of its own: it has what is personal, and goes when they are erased."""
    return _key(f"EVIDENCE#{merchant_id}#{customer_id}", f"{tab_id}#{dispute_id}")


def referral_key(code: str) -> Key:
    return _key(f"REFERRAL#{code}", "-")


def mark_key(merchant_id: str, sha256: str, customer_id: str) -> Key:
    return _key(f"MARK#{merchant_id}#{sha256}", customer_id)


def rewarded_key(merchant_id: str, sha256: str) -> Key:
    """Of a card: there once an invitation was rewarded with it."""
    return _key(f"REWARDED#{merchant_id}#{sha256}", "-")


def lookup_key(merchant_id: str, by: SearchBy, searchable: str, customer_id: str) -> Key:
    """Customers are found under a hash: who reads the table's keys learns no name, address or number from them."""
    digest = hashlib.sha256(f"{merchant_id}\n{by}\n{searchable}".encode()).hexdigest()
    return _key(f"LOOKUP#{merchant_id}#{digest}", customer_id)


def owner_partition(merchant_id: str, tab_id: str | None) -> str:
    """Where messages about a tab are, or about a whole business."""
    return f"MERCHANT#{merchant_id}" if tab_id is None else f"TAB#{merchant_id}#{tab_id}"


def sent_key(merchant_id: str, tab_id: str | None, message_id: str, channel: Channel | None) -> Key:
    """A delivery on a channel, or the one that is about all channels: only that is ever put off."""
    return _key(owner_partition(merchant_id, tab_id), sent_prefix(message_id) + (channel or "-"))


def sent_prefix(message_id: str) -> str:
    """What the keys of all deliveries of a message begin with; a prefix of it is that of an entry's messages."""
    return f"SENT#{message_id}#"


def delivery_key(delivery: Delivery) -> Key:
    message = delivery.message
    return sent_key(message.merchant_id, message.tab_id, message.message_id, delivery.channel)


def provider_key(channel: Channel, provider_id: str) -> Key:
    return _key(f"PROVIDER#{channel}#{provider_id}", "-")


def endpoint_key(merchant_id: str, endpoint_id: str) -> Key:
    return _key(f"MERCHANT#{merchant_id}", f"ENDPOINT#{endpoint_id}")


def slot_key(endpoint: Endpoint) -> Key:
    """The place of an endpoint: there are so many, and each is taken once."""
    return _key(f"MERCHANT#{endpoint.merchant_id}", f"ENDPOINT_SLOT#{endpoint.slot}")


def secrets_key(merchant_id: str, endpoint_id: str) -> Key:
    """In a partition of its own, which no list and no function but those that sign and rotate reads."""
    return _key(f"SECRETS#{merchant_id}#{endpoint_id}", "-")


def cursor_key_key(merchant_id: str) -> Key:
    """Beside the endpoints' secrets, for the same reason."""
    return secrets_key(merchant_id, "cursors")


def sending_key(merchant_id: str, endpoint_id: str, notice_id: str) -> Key:
    return _key(f"NOTICE#{merchant_id}#{endpoint_id}", notice_id)


def sendings_partition(merchant_id: str, endpoint_id: str) -> str:
    """All sendings to an endpoint, in the index that has the merchant's tabs by status."""
    return f"{merchant_id}#notices#{endpoint_id}"


def number_count_key(merchant_id: str, on: date, number: str) -> Key:
    """The number is hashed, as it is where customers are found by it."""
    digest = hashlib.sha256(f"{merchant_id}\n{number}".encode()).hexdigest()
    return _key(f"SMS#{merchant_id}#{on}", f"NUMBER#{digest}")


def country_count_key(merchant_id: str, on: date, country: str) -> Key:
    return _key(f"SMS#{merchant_id}#{on}", f"COUNTRY#{country}")


def link_key(sha256: str) -> Key:
    """A secret is found by its digest; the secret itself is nowhere."""
    return _key(f"LINK#{sha256}", "-")


def token_key(merchant_id: str, number: int) -> Key:
    return _key(f"TOKENS#{merchant_id}", token_position(number))


def token_position(number: int) -> str:
    return f"{number:06}"


def visit_key(merchant_id: str, customer_id: str, tab_id: str) -> Key:
    """A customer's visits are a partition of their own, so that they are read with one query."""
    return _key(f"VISITS#{merchant_id}#{customer_id}", tab_id)


def card_key(merchant_id: str, fingerprint: str, customer_id: str) -> Key:
    """The fingerprint is hashed with the merchant: what one of them knows of a card says nothing to another."""
    from chalicelib.domain.trust.credits import mark_sha256  # Imported here: few requests are about a card.

    return _key(card_partition(merchant_id, mark_sha256(merchant_id, "card", fingerprint)), customer_id)


def card_partition(merchant_id: str, sha256: str) -> str:
    """The customers who use a card. `sha256`: its mark's, so that the two can be compared."""
    return f"CARD#{merchant_id}#{sha256}"


def visits_partition(merchant_id: str) -> str:
    """All visits of a merchant, in the index that has its tabs by status."""
    return f"{merchant_id}#visits"


def visit_position(visit: Visit) -> str:
    assert visit.opened_at is not None, "the first entry of a tab says when it was opened"
    return f"{instant(visit.opened_at)}#{visit.customer_id}#{visit.tab_id}"


def status_partition(merchant_id: str, status: Status) -> str:
    return f"{merchant_id}#{status.value}"


def customers_partition(merchant_id: str) -> str:
    """All customers of a merchant, in the index that has its tabs by status."""
    return f"{merchant_id}#customers"


def customer_partition(merchant_id: str, customer_id: str) -> str:
    return f"{merchant_id}#{customer_id}"


def listing_position(tab_id: str, opened_at: datetime) -> str:
    return f"{instant(opened_at)}#{tab_id}"


def entry_position(seq: int) -> str:
    return f"{seq:08}"


def due_partition(shard: int) -> str:
    return f"DUE#{shard:02}"


def due_shard(shard_by: str) -> int:
    # Not hash(), which differs between processes.
    return zlib.crc32(shard_by.encode()) % DUE_SHARDS


def _key(pk: str, sk: str) -> Key:
    return {"pk": {"S": pk}, "sk": {"S": sk}}


def instant(at: datetime) -> str:
    """RFC 3339 in UTC with a fixed width, so that texts sort like the times."""
    if at.tzinfo is None:
        raise ValueError(f"{at} has no time zone, so it is no instant")
    return at.astimezone(UTC).isoformat(timespec="microseconds")[:-6] + "Z"
