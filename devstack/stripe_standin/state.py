"""Owns what survives a restart: a call's changes as a frame of the journal, and the world rebuilt from the frames.

Kept: objects, events and who still waits for them, idempotency keys, the clock and its agenda. Not kept: faults, the
request log, a rate limit. Bodies are kept as they rest, packed, and each once: reading them back is no more than
putting them in their places.
"""

from __future__ import annotations

import gc
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from . import objects
from .idempotency import Keys, Record
from .journal import Journal
from .objects import EventRow, Request
from .store import Changes, World

COMPACTS_ABOVE_ROWS = 10_000  # a short file is not worth rewriting, however stale
ROWS_A_FRAME = 1000  # of a file that is written anew


class Row(msgspec.Struct, array_like=True, gc=False):
    """A packed object. `body` is a place in the frame's bodies."""

    account: str
    kind: str
    id: str
    body: int
    fields: list[str | None]


class Event(msgspec.Struct, array_like=True, gc=False):
    account: str
    id: str
    type: str
    created: int
    of: str
    snapshot: int
    request: int
    api_version: str
    shown: int  # -1: none
    previous: Any
    pending: int
    livemode: bool


class Key(msgspec.Struct, array_like=True, gc=False):
    account: str
    request: int
    version: str
    path: str
    fingerprint: bytes
    created: int
    status: int
    kind: str
    body: int


class Frame(msgspec.Struct, array_like=True, gc=False):
    """What one call changed."""

    now: int
    api_version: str
    dictionaries: list[tuple[str, bytes]]  # what the bodies were packed against
    accounts: list[str]
    bodies: list[bytes]
    requests: list[tuple[str | None, str | None]]  # what events and keys tell of
    rows: list[Row]
    removed: list[tuple[str, str, str]]  # account, kind, id
    events: list[Event]
    marks: list[tuple[str, str, str, bool]]
    due: list[tuple[int, str, str, str]]
    keys: list[Key]
    acknowledged: list[tuple[str, str]]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Frame).decode


class State:
    def __init__(self, journal: Journal, world: World, keys: Keys) -> None:
        self.journal, self.world, self.keys = journal, world, keys
        self._written: tuple[int, str] | None = None  # the clock and the version, as they were last written

    # --- writing

    def write(self, changes: Changes) -> None:
        """A call is over: keep what it changed."""
        now, dictionaries = (self.world.clock.now(), self.world.api_version), self.world.packer.new_dictionaries
        if changes or self.keys.finished or now != self._written:
            self.journal.append(_encode(_frame(self.world, dictionaries, changes, self.keys.finished)))
            self._written = now
            dictionaries.clear()
        self.keys.finished.clear()

    def clear(self) -> None:
        """Forget everything. What comes next is packed against what was packed before: that is to be written again."""
        self.journal.clear()
        self._written = None
        self.world.packer.new_dictionaries[:] = self.world.packer.dictionaries.items()

    # --- reading

    def load(self) -> int:
        """Rebuild the world, which is empty. Returns the number of frames read.

        Raises OSError where the file is not one of ours.
        """
        found = _Reading(self.world)
        frames = 0
        gc.disable()  # nothing of what is read is garbage, and looking for it would take half of the time
        try:
            for payload in self.journal.frames():
                found.add(_decode(payload))
                frames += 1
        except msgspec.DecodeError:
            raise OSError(f"{self.journal.path} was written by another version of the stand-in") from None
        finally:
            gc.enable()
        self.keys.restore(found.keys)
        found.settle()
        self.world.settle()
        self.world.packer.new_dictionaries.clear()
        self._written = (self.world.clock.now(), self.world.api_version)
        live = sum(len(rows) for account in self.world.accounts.values() for rows in account.of.values())
        if found.rows_read > 2 * live + COMPACTS_ABOVE_ROWS:
            self.journal.replace(self._anew())
        return frames

    def _anew(self) -> Iterator[bytes]:
        """Everything once: the file had grown to more than twice of what is alive."""
        world = self.world
        first = Changes()
        first.accounts = [id for id in world.accounts if id != world.platform.id]
        first.due = [(when, account, kind, id) for when, _, account, kind, id in world.clock.pending()]
        first.marks = [
            (account.id, name, id, True)
            for account in world.accounts.values()
            for name, ids in account.marks.items()
            for id in ids
        ]
        first.removed = [
            (account.id, "customer", id) for account in world.accounts.values() for id in account.deleted_customers
        ]
        yield _encode(_frame(self.world, list(world.packer.dictionaries.items()), first, self.keys.all()))
        for account in world.accounts.values():
            for collection in account.of.values():
                positions = collection.positions()
                for start in range(0, len(positions), ROWS_A_FRAME):
                    some = Changes()
                    some.rows.append((account.id, collection, positions[start : start + ROWS_A_FRAME]))
                    yield _encode(_frame(self.world, [], some, []))


def _frame(world: World, dictionaries: list[tuple[str, bytes]], changes: Changes, keys: Iterable[Record]) -> Frame:
    bodies, requests = _Once(), _Once()
    rows, events = [], []
    for account, collection, positions in changes.rows:
        for row in collection.at_rest(positions):
            if row.kind == "event":
                event: EventRow = row.resting
                events.append(
                    Event(
                        account, event.id, event.type, event.created, event.of, bodies.place(event.snapshot),
                        requests.place(event.request), event.api_version,
                        -1 if event.shown is None else bodies.place(event.shown),
                        event.previous, event.pending, event.livemode,
                    )
                )  # fmt: skip
            else:
                rows.append(Row(account, row.kind, row.id, bodies.place(row.resting), row.fields))
    kept = [
        Key(record.account, requests.place(record.request), record.version, record.path, record.fingerprint,
            record.created, record.status, record.kind, bodies.place(record.body))
        for record in keys
    ]  # fmt: skip
    return Frame(
        world.clock.now(), world.api_version, dictionaries, changes.accounts, bodies.all,
        [(request.id, request.idempotency_key) for request in requests.all],
        rows, changes.removed, events, changes.marks, changes.due, kept, changes.acknowledged,
    )  # fmt: skip


class _Once:
    """Things that are written once and named by their place."""

    def __init__(self) -> None:
        self.all: list[Any] = []
        self._places: dict[int, int] = {}

    def place(self, thing: Any) -> int:
        where = self._places.get(id(thing))
        if where is None:
            where = self._places[id(thing)] = len(self.all)
            self.all.append(thing)
        return where


class _Reading:
    """The frames read so far. Rows are put in their places when all are known: most were written more than once."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.keys: list[Record] = []
        self.now: int | None = None
        self.api_version = world.api_version
        self.rows_read = 0
        # By account and kind, then by id: the row as it rested and the values of its indexed fields.
        self._rows: dict[tuple[str, str], dict[str, tuple[Any, list[Any]]]] = defaultdict(dict)
        self._names: dict[str, str] = {}  # one copy of what is repeated in every row

    def add(self, frame: Frame) -> None:
        world, name, rows, bodies = self.world, self._names.setdefault, self._rows, frame.bodies
        self.now = frame.now
        self.api_version = frame.api_version
        self.rows_read += len(frame.rows) + len(frame.events)
        world.packer.dictionaries.update(frame.dictionaries)
        for id in frame.accounts:
            world.open_account(id)
        requests = [Request(id=id, idempotency_key=key) for id, key in frame.requests]
        for row in frame.rows:
            rows[row.account, row.kind][row.id] = bodies[row.body], row.fields
        for told in frame.events:
            event = EventRow(
                id=told.id, type=name(told.type, told.type), created=told.created, of=name(told.of, told.of),
                snapshot=bodies[told.snapshot], request=requests[told.request],
                api_version=name(told.api_version, told.api_version),
                shown=None if told.shown < 0 else bodies[told.shown],
                previous=told.previous, pending=told.pending, livemode=told.livemode,
            )  # fmt: skip
            rows[told.account, "event"][told.id] = event, []
        for account, kind, id in frame.removed:
            rows[account, kind].pop(id, None)
            if kind == "customer":
                world.accounts[account].deleted_customers[id] = objects.Deleted(id=id, object="customer")
        for account, mark, id, on in frame.marks:
            marked = world.accounts[account].marks[mark]
            (marked.add if on else marked.discard)(id)
        for when, account, kind, id in frame.due:
            world.clock.schedule(when, account, kind, id)
        for key in frame.keys:
            self.keys.append(
                Record(
                    account=name(key.account, key.account), request=requests[key.request],
                    version=name(key.version, key.version), path=name(key.path, key.path),
                    fingerprint=key.fingerprint, created=key.created, status=key.status, kind=name(key.kind, key.kind),
                    body=bodies[key.body],
                )
            )  # fmt: skip
        for account, id in frame.acknowledged:
            found = rows[account, "event"].get(id)
            if found is not None:
                found[0].pending = 0

    def settle(self) -> None:
        for (account, kind), rows in self._rows.items():
            self.world.accounts[account].of[kind].restore(rows)
        if self.now is not None:
            self.world.clock.restore(self.now)
        self.world.api_version = self.api_version
