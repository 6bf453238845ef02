"""Owns where objects live: one namespace per account, each kind with an index by id and by the fields that lists
filter on.

It knows nothing of what the objects mean. Every change goes through `put`, and `settle` ends a call: until then nothing
is packed, afterwards nothing is lost.
"""

from __future__ import annotations

import os
import random
from binascii import b2a_base64
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import msgspec

from . import objects
from .clock import Clock
from .errors import missing
from .index import Index
from .objects import EventRow
from .packing import Packer, encode

PLATFORM = "acct_1StandInPlatform00"
# Base 64 without the two letters that Stripe's ids do not have.
_LETTERS = bytes.maketrans(b"+/", b"Zz")


class Ids:
    """Random ids in Stripe's form. Seeded only on request: a restart must not hand out yesterday's ids again."""

    def __init__(self, seed: int | None = None) -> None:
        self._bytes = random.Random(seed).randbytes if seed is not None else os.urandom

    def new(self, prefix: str, length: int = 24) -> str:
        drawn = b2a_base64(self._bytes(length * 3 // 4 + 1), newline=False).translate(_LETTERS)
        return f"{prefix}_{drawn[:length].decode()}"


class Kind(NamedTuple):
    """How objects of one kind are kept."""

    shape: type[Any]
    indexed: tuple[str, ...] = ()  # fields that lists filter on
    packed: bool = True


KINDS: dict[str, Kind] = {
    "customer": Kind(objects.Customer),
    "payment_method": Kind(objects.PaymentMethod, ("customer",)),
    "setup_intent": Kind(objects.SetupIntent, ("customer", "payment_method")),
    "payment_intent": Kind(objects.PaymentIntent, ("customer",)),
    "charge": Kind(objects.Charge, ("customer", "payment_intent")),
    "refund": Kind(objects.Refund, ("charge", "payment_intent")),
    "balance_transaction": Kind(objects.BalanceTransaction, ("source",)),
    "webhook_endpoint": Kind(objects.WebhookEndpoint),
    "event": Kind(EventRow, packed=False),  # its snapshot is packed, and who delivers it counts down in the row itself
    "account": Kind(objects.Account),
    "checkout.session": Kind(objects.CheckoutSession, ("payment_intent", "setup_intent", "customer")),
    "checkout.plan": Kind(objects.SessionPlan),
    "dispute": Kind(objects.Dispute, ("charge", "payment_intent")),
    "radar.early_fraud_warning": Kind(objects.EarlyFraudWarning, ("charge", "payment_intent")),
    "application_fee": Kind(objects.ApplicationFee, ("charge",)),
    "product": Kind(objects.Product),
    "price": Kind(objects.Price, ("product", "lookup_key")),
    "token": Kind(objects.Token),
    "file": Kind(objects.File),
    "file.content": Kind(objects.FileContent),
}


class Rested(NamedTuple):
    """An object as it rests between calls, and what it is found by."""

    kind: str
    id: str
    resting: Any  # packed, or the row itself where the kind is not packed
    fields: list[Any]  # the values of its indexed fields


# So many objects a kind are kept as they are between calls: what was just made is asked for soon.
AT_HAND = 256


class Collection:
    """All objects of one kind, in order of creation. Look-up, list position and index access do not depend on how many
    there are.

    Between calls an object rests packed. In one call every look-up answers the same object, so that what one function
    changes another one sees; `settle` ends the call.
    """

    def __init__(self, kind: str, packer: Packer) -> None:
        self.kind = kind
        how = KINDS[kind]
        self._packer = packer
        self._read = msgspec.json.Decoder(how.shape).decode if how.packed else None
        self._rows: list[Any] = []  # packed, or as it is where the kind is not packed; None: removed
        # The objects at hand, by id and by position.
        self._known: dict[str, tuple[int, Any]] = {}
        self._live: dict[int, Any] = {}
        self._changed: set[int] = set()
        self._ids = Index()
        self._indexes: dict[str, Index] = {field: Index() for field in how.indexed}
        self._removed = 0

    def __len__(self) -> int:
        return len(self._rows) - self._removed

    def __contains__(self, id: str) -> bool:
        return self._find(id) is not None

    def get(self, id: str) -> Any | None:
        found = self._find(id)
        return None if found is None else found[1]

    def put(self, row: Any) -> None:
        """Add, or take note of a change. An indexed field is set once, or set again to a new value (a PaymentMethod
        that is attached): the old entry stays and is filtered when read.
        """
        found = self._find(row.id)
        if found is None:
            at = len(self._rows)
            self._ids.add(row.id, at)
            self._rows.append(b"")
        else:
            at = found[0]
        self._hold(at, row)
        self._changed.add(at)
        for field, index in self._indexes.items():
            value = getattr(row, field)
            if type(value) is str:
                index.add(value, at)

    def remove(self, id: str) -> None:
        found = self._find(id)
        if found is not None:
            at = found[0]
            self._ids.discard(id, at)
            self._rows[at] = None
            self._live.pop(at, None)
            self._known.pop(id, None)
            self._changed.discard(at)
            self._removed += 1

    def settle(self) -> list[int]:
        """The call is over: what it changed comes to rest. Answers the positions of those rows, the oldest first."""
        changed = sorted(self._changed)
        for at in changed:
            row = self._live[at]
            self._rows[at] = row if self._read is None else self._packer.pack(self.kind, encode(row))
        self._changed.clear()
        if len(self._live) > AT_HAND:
            self._live.clear()
            self._known.clear()
        return changed

    def newest_first(
        self, field: str | None = None, value: str | None = None, *, before: str | None = None, after: str | None = None
    ) -> Iterator[Any]:
        """Rows whose indexed `field` is `value` (or all), strictly between the ids `before` (newer bound, exclusive)
        and `after` (older bound, exclusive). Raises KeyError for an unknown bound.

        For reading: what is to be changed is looked up by its id.
        """
        newest = self._position(before) if before is not None else len(self._rows)
        oldest = self._position(after) if after is not None else -1
        if field is None:
            for at in range(newest - 1, oldest, -1):
                row = self._at(at)
                if row is not None:
                    yield row
            return
        for at in self._indexes[field].newest_first(value or "", below=newest, above=oldest):
            row = self._at(at)
            if row is not None and getattr(row, field) == value:
                yield row

    def oldest_first(self) -> Iterator[Any]:
        """All rows, for reading."""
        for at in range(len(self._rows)):
            row = self._at(at)
            if row is not None:
                yield row

    def positions(self) -> list[int]:
        """Of all rows, the oldest first."""
        return [at for at, row in enumerate(self._rows) if row is not None]

    def at_rest(self, positions: Iterable[int]) -> Iterator[Rested]:
        """The rows at some positions, as they rest."""
        for at in positions:
            row = self._at(at)
            if row is not None:
                yield Rested(self.kind, row.id, self._rows[at], [getattr(row, field) for field in self._indexes])

    def restore(self, rows: dict[str, tuple[Any, list[Any]]]) -> None:
        """Take over rows by id, as they rested and with the values of their indexed fields, the oldest first, into an
        empty collection.
        """
        self._rows = [resting for resting, _ in rows.values()]
        self._ids.fill(rows)
        for column, index in enumerate(self._indexes.values()):
            index.fill(fields[column] for _, fields in rows.values())

    def _find(self, id: str) -> tuple[int, Any] | None:
        known = self._known.get(id)
        if known is not None:
            return known
        for at in self._ids.newest_first(id):
            row = self._at(at)
            if row is not None and row.id == id:
                return self._hold(at, row)
        return None

    def _hold(self, at: int, row: Any) -> tuple[int, Any]:
        self._live[at] = row
        self._known[row.id] = at, row
        return at, row

    def _at(self, at: int) -> Any | None:
        row = self._live.get(at)
        if row is None:
            row = self._rows[at]
            if row is not None and self._read is not None:
                row = self._read(self._packer.unpack(self.kind, row))
        return row

    def _position(self, id: str) -> int:
        found = self._find(id)
        if found is None:
            raise KeyError(id)
        return found[0]


WORDS = {
    "payment_method": "PaymentMethod",
    "checkout.session": "checkout.session",
    "webhook_endpoint": "webhook endpoint",
}


class Namespace:
    """The objects of one Stripe account, and the little that is remembered beside them."""

    def __init__(self, id: str, packer: Packer) -> None:
        self.id = id
        self.of: dict[str, Collection] = {kind: Collection(kind, packer) for kind in KINDS}
        # What is remembered beside the objects: set_up: PaymentMethods whose setup was authenticated, so that
        # off-session payments need no 3-D Secure any more; spent: PaymentMethods that were used without a customer
        # or detached, which Stripe refuses from then on; off_session: intents whose present attempt is without the
        # customer; authenticated: intents whose customer was asked and said yes, and whose server has yet to confirm;
        # deauthorized (of the platform only): connected accounts that are closed to it; released: refunds that are
        # what a hold gave back, and the charges that have one (`refunds.release`); direct: charges without an intent.
        self.marks: dict[str, set[str]] = {
            "set_up": set(), "spent": set(), "off_session": set(), "authenticated": set(), "deauthorized": set(),
            "released": set(), "direct": set(),
        }  # fmt: skip
        self.deleted_customers: dict[str, objects.Deleted] = {}

    def find(self, kind: str, id: str) -> Any | None:
        return self.of[kind].get(id)

    def get(self, kind: str, id: str, param: str = "id") -> Any:
        row = self.of[kind].get(id)
        if row is None:
            raise missing(WORDS.get(kind, kind), id, param=param)
        return row


class Changes:
    """What one call changed, for whoever keeps it. A row changed twice counts once, as it was in the end."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, Collection, list[int]]] = []  # account, positions; known when the call is over
        self.removed: list[tuple[str, str, str]] = []  # (account, kind, id)
        self.marks: list[tuple[str, str, str, bool]] = []
        self.due: list[tuple[int, str, str, str]] = []
        self.accounts: list[str] = []
        self.acknowledged: list[tuple[str, str]] = []  # (account, event): no endpoint waits for it any more

    def __bool__(self) -> bool:
        return bool(self.rows or self.removed or self.marks or self.due or self.accounts or self.acknowledged)


class World:
    """Everything the stand-in knows: the accounts, the clock, ids, and the settings that change behaviour."""

    def __init__(self, clock: Clock, *, seed: int | None = None, api_version: str = "") -> None:
        self.clock = clock
        self.default_version = api_version
        self.ids = Ids(seed)
        self.packer = Packer()
        self.base_url = ""  # how people reach the hosted pages; known once the server listens
        self.empty()

    def empty(self) -> None:
        """Forget all objects and settings."""
        self.accounts: dict[str, Namespace] = {PLATFORM: Namespace(PLATFORM, self.packer)}
        # Stripe cancels an intent some time after its authorization ran out. Zero unless a test wants to stand in that
        # gap.
        self.expiry_lag_seconds = 0
        # The version of whoever names none, and of events: an account's setting in Stripe's Dashboard.
        self.api_version = self.default_version
        # What the bank of a saved card says from now on, whatever its number stands for: a decline's name, or None.
        self.bank_says: dict[str, str | None] = {}
        self.changes = Changes()
        self._touched: dict[Collection, str] = {}

    @property
    def platform(self) -> Namespace:
        return self.accounts[PLATFORM]

    def open_account(self, id: str) -> Namespace:
        namespace = self.accounts[id] = Namespace(id, self.packer)
        self.changes.accounts.append(id)
        return namespace

    def put(self, account: Namespace, row: Any) -> None:
        collection = account.of[row.object]
        collection.put(row)
        self._touched[collection] = account.id

    def remove(self, account: Namespace, kind: str, id: str) -> None:
        account.of[kind].remove(id)
        self.changes.removed.append((account.id, kind, id))

    def mark(self, account: Namespace, name: str, id: str, on: bool = True) -> None:
        """Remember (or forget) something about an object that its shape has no field for."""
        marked = account.marks[name]
        if (id in marked) is not on:
            (marked.add if on else marked.discard)(id)
            self.changes.marks.append((account.id, name, id, on))

    def schedule(self, when: int, account: Namespace, kind: str, id: str) -> None:
        self.clock.schedule(when, account.id, kind, id)
        self.changes.due.append((when, account.id, kind, id))

    def settle(self) -> Changes:
        """The call is over: everything comes to rest. Answers what it changed."""
        for collection, account in self._touched.items():
            self.changes.rows.append((account, collection, collection.settle()))
        self._touched.clear()
        changes, self.changes = self.changes, Changes()
        return changes

    def new_id(self, prefix: str, length: int = 24) -> str:
        return self.ids.new(prefix, length)
