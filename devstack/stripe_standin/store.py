"""Owns where objects live: one namespace per account, each kind with an index by id and by the fields that lists
filter on.

It knows nothing of what the objects mean. Every change goes through `put`, so that a journal can see it.
"""

from __future__ import annotations

import random
from bisect import bisect_left
from collections.abc import Iterator
from typing import Any

from . import objects
from .clock import Clock
from .errors import missing

PLATFORM = "acct_1StandInPlatform00"
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


class Ids:
    """Random ids in Stripe's form. Seeded only on request: a restart must not hand out yesterday's ids again."""

    def __init__(self, seed: int | None = None) -> None:
        self._random = random.Random(seed) if seed is not None else random.SystemRandom()

    def new(self, prefix: str, length: int = 24) -> str:
        bits = self._random.getrandbits(6 * length)
        letters = []
        for _ in range(length):
            letters.append(_ALPHABET[(bits & 63) % 62])
            bits >>= 6
        return f"{prefix}_{''.join(letters)}"


class Collection:
    """All objects of one kind, in order of creation. Look-up, list position and index access are O(1) in the total."""

    def __init__(self, kind: str, indexed: tuple[str, ...]) -> None:
        self.kind = kind
        self.rows: list[Any] = []
        self._at: dict[str, int] = {}
        self._indexes: dict[str, dict[str, list[int]]] = {field: {} for field in indexed}

    def __len__(self) -> int:
        return len(self._at)

    def __contains__(self, id: str) -> bool:
        return id in self._at

    def get(self, id: str) -> Any | None:
        at = self._at.get(id)
        return None if at is None else self.rows[at]

    def put(self, row: Any) -> None:
        """Add, or do nothing but index again when it is known. An indexed field is set once, or set again to a new
        value (a PaymentMethod that is attached): the old entry stays and is filtered when read.
        """
        at = self._at.get(row.id)
        if at is None:
            at = self._at[row.id] = len(self.rows)
            self.rows.append(row)
        else:
            self.rows[at] = row
        for field, index in self._indexes.items():
            value = getattr(row, field)
            if type(value) is str:
                positions = index.get(value)
                if positions is None:
                    index[value] = [at]
                elif positions[-1] != at:
                    where = bisect_left(positions, at)
                    if where == len(positions) or positions[where] != at:
                        positions.insert(where, at)

    def remove(self, id: str) -> None:
        at = self._at.pop(id)
        self.rows[at] = None

    def newest_first(
        self, field: str | None = None, value: str | None = None, *, before: str | None = None, after: str | None = None
    ) -> Iterator[Any]:
        """Rows whose indexed `field` is `value` (or all), strictly between the ids `before` (newer bound, exclusive)
        and `after` (older bound, exclusive). Raises KeyError for an unknown bound.
        """
        newest = self._at[before] if before is not None else len(self.rows)
        oldest = self._at[after] if after is not None else -1
        if field is None:
            for at in range(newest - 1, oldest, -1):
                row = self.rows[at]
                if row is not None:
                    yield row
            return
        positions = self._indexes[field].get(value or "", [])
        for where in range(bisect_left(positions, newest) - 1, -1, -1):
            at = positions[where]
            if at <= oldest:
                return
            row = self.rows[at]
            if row is not None and getattr(row, field) == value:
                yield row

    def oldest_first(self) -> Iterator[Any]:
        return (row for row in self.rows if row is not None)


INDEXES: dict[str, tuple[str, ...]] = {
    "customer": (),
    "payment_method": ("customer",),
    "setup_intent": ("customer", "payment_method"),
    "payment_intent": ("customer",),
    "charge": ("customer", "payment_intent"),
    "refund": ("charge", "payment_intent"),
    "balance_transaction": ("source",),
    "webhook_endpoint": (),
    "event": (),
    "account": (),
    "checkout.session": ("payment_intent", "setup_intent", "customer"),
    "checkout.plan": (),
    "dispute": ("charge", "payment_intent"),
    "radar.early_fraud_warning": ("charge", "payment_intent"),
    "application_fee": ("charge",),
}

WORDS = {
    "payment_method": "PaymentMethod",
    "checkout.session": "checkout.session",
    "webhook_endpoint": "webhook endpoint",
}


class Namespace:
    """The objects of one Stripe account, and the little that is remembered beside them."""

    def __init__(self, id: str) -> None:
        self.id = id
        self.of: dict[str, Collection] = {kind: Collection(kind, fields) for kind, fields in INDEXES.items()}
        # What is remembered beside the objects: set_up: PaymentMethods whose setup was authenticated, so that
        # off-session payments need no 3-D Secure any more; spent: PaymentMethods that were used without a customer
        # or detached, which Stripe refuses from then on; off_session: intents whose present attempt is without the
        # customer; authenticated: intents whose customer was asked and said yes, and whose server has yet to confirm;
        # deauthorized (of the platform only): connected accounts that are closed to it.
        self.marks: dict[str, set[str]] = {
            "set_up": set(), "spent": set(), "off_session": set(), "authenticated": set(), "deauthorized": set()
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
    """What one call changed. A row changed twice is written once, as it was in the end; None stands for removed."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str, str], Any] = {}
        self.marks: list[tuple[str, str, str, bool]] = []
        self.due: list[tuple[int, str, str, str]] = []
        self.accounts: list[str] = []
        self.acknowledged: list[tuple[str, str]] = []  # (account, event): no endpoint waits for it any more


class World:
    """Everything the stand-in knows: the accounts, the clock, ids, and the settings that change behaviour."""

    def __init__(self, clock: Clock, *, seed: int | None = None) -> None:
        self.clock = clock
        self.ids = Ids(seed)
        self.accounts: dict[str, Namespace] = {PLATFORM: Namespace(PLATFORM)}
        self.base_url = ""  # how people reach the hosted pages; known once the server listens
        # Stripe cancels an intent some time after its authorization ran out. Zero unless a test wants to stand in that
        # gap.
        self.expiry_lag_seconds = 0
        # What the bank of a saved card says from now on, whatever its number stands for: a decline's name, or None.
        self.bank_says: dict[str, str | None] = {}
        # What the running call changed, for the journal; None while nothing is kept.
        self.changes: Changes | None = None

    @property
    def platform(self) -> Namespace:
        return self.accounts[PLATFORM]

    def open_account(self, id: str) -> Namespace:
        namespace = self.accounts[id] = Namespace(id)
        if self.changes is not None:
            self.changes.accounts.append(id)
        return namespace

    def put(self, account: Namespace, row: Any) -> None:
        kind = row.object
        account.of[kind].put(row)
        if self.changes is not None:
            self.changes.rows[account.id, kind, row.id] = row

    def remove(self, account: Namespace, kind: str, id: str) -> None:
        account.of[kind].remove(id)
        if self.changes is not None:
            self.changes.rows[account.id, kind, id] = None

    def mark(self, account: Namespace, name: str, id: str, on: bool = True) -> None:
        """Remember (or forget) something about an object that its shape has no field for."""
        marked = account.marks[name]
        if (id in marked) is not on:
            (marked.add if on else marked.discard)(id)
            if self.changes is not None:
                self.changes.marks.append((account.id, name, id, on))

    def schedule(self, when: int, account: Namespace, kind: str, id: str) -> None:
        self.clock.schedule(when, account.id, kind, id)
        if self.changes is not None:
            self.changes.due.append((when, account.id, kind, id))

    def new_id(self, prefix: str, length: int = 24) -> str:
        return self.ids.new(prefix, length)
