"""Owns `--state FILE`: every call's changes appended to one file before it is answered, and read back at the next
start.

A frame is what one call changed, so a kill -9 between two writes loses a call whole or not at all; a frame that was
cut short is dropped. Nothing is fsynced: what the process wrote survives the process, and only a machine that loses
power forgets more. Kept: objects, events and who still waits for them, idempotency keys, the clock and its agenda.
Not kept: faults, the request log, a rate limit.
"""

from __future__ import annotations

import fcntl
import logging
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from . import objects
from .events import EventRow, encode
from .idempotency import Record
from .store import Changes

if TYPE_CHECKING:
    from .standin import StandIn

logger = logging.getLogger(__name__)
HEAD = struct.Struct("<II")
COMPACTS_ABOVE_ROWS = 10_000  # a short file is not worth rewriting, however stale
TYPES: dict[str, type[Any]] = {
    "account": objects.Account,
    "application_fee": objects.ApplicationFee,
    "balance_transaction": objects.BalanceTransaction,
    "charge": objects.Charge,
    "checkout.plan": objects.SessionPlan,
    "checkout.session": objects.CheckoutSession,
    "customer": objects.Customer,
    "dispute": objects.Dispute,
    "event": EventRow,
    "payment_intent": objects.PaymentIntent,
    "payment_method": objects.PaymentMethod,
    "radar.early_fraud_warning": objects.EarlyFraudWarning,
    "refund": objects.Refund,
    "setup_intent": objects.SetupIntent,
    "webhook_endpoint": objects.WebhookEndpoint,
}


class Frame(msgspec.Struct, array_like=True):
    """What one call changed."""

    now: int
    dictionaries: list[tuple[str, bytes]]  # what the compressed bodies below were compressed against
    accounts: list[str]
    rows: list[tuple[str, str, str, bytes | None]]  # account, kind, id, body; None: removed
    marks: list[tuple[str, str, str, bool]]
    due: list[tuple[int, str, str, str]]
    keys: list[tuple[str, str, bytes]]
    acknowledged: list[tuple[str, str]]


class Journal:
    def __init__(self, path: Path, standin: StandIn) -> None:
        """Raises OSError when the file cannot be opened or another stand-in holds it."""
        self.standin = standin
        self.path = path
        self._encode = msgspec.msgpack.Encoder().encode
        self._decode = msgspec.msgpack.Decoder(Frame).decode
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        except OSError as error:
            raise OSError(f"cannot keep state in {path}: {error.strerror}") from None
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._file)
            raise OSError(f"{path} is in use by another stand-in") from None
        self._clock = -1
        self.rows_read = 0

    # --- writing

    def begin(self) -> None:
        """From here on changes are collected."""
        self.standin.world.changes = Changes()
        self.standin.keys.changes = []
        self.standin.events.new_dictionaries.clear()

    def commit(self) -> None:
        world, keys, events = self.standin.world, self.standin.keys, self.standin.events
        changes = world.changes
        assert changes is not None
        assert keys.changes is not None
        now = world.clock.now()
        nothing = not (changes.rows or changes.marks or changes.accounts or changes.acknowledged or keys.changes)
        if nothing and now == self._clock:
            return
        rows = [(account, kind, id, self._body(kind, row)) for (account, kind, id), row in changes.rows.items()]
        kept = [(account, key, self._encode(record)) for account, key, record in keys.changes]
        self._write(Frame(now, [*events.new_dictionaries], changes.accounts, rows, changes.marks, changes.due, kept,
                          changes.acknowledged))  # fmt: skip
        self._clock = now
        self.begin()

    def _body(self, kind: str, row: Any) -> bytes | None:
        if row is None:
            return None
        if kind == "event":
            return self._encode(row)  # its snapshot is compressed already
        return self.standin.events.pack(kind, encode(row))

    def _write(self, frame: Frame) -> None:
        payload = self._encode(frame)
        os.write(self._file, HEAD.pack(len(payload), zlib.crc32(payload)) + payload)

    def clear(self) -> None:
        os.ftruncate(self._file, 0)
        self._clock = -1
        # What comes next is compressed against what was kept before: those dictionaries must be in the file again.
        self.begin()
        self.standin.events.new_dictionaries.extend(self.standin.events.dictionaries.items())

    def close(self) -> None:
        os.close(self._file)

    # --- reading

    def load(self) -> int:
        """Rebuild the world from the file. Returns the number of frames read; what follows a broken one is cut off.

        Raises OSError, and leaves the file alone, where there is no whole frame in it: it is somebody else's.
        """
        frames, good = 0, 0
        for frame, end in self._frames():
            self._apply(frame)
            frames, good = frames + 1, end
        if not frames and os.fstat(self._file).st_size:
            raise OSError(f"{self.path} holds no state of a stand-in; name another file, or move it away")
        if good < os.fstat(self._file).st_size:
            logger.warning("%s: the last write was cut short; it is dropped", self.path)
            os.ftruncate(self._file, good)
        world = self.standin.world
        live = sum(len(rows) for account in world.accounts.values() for rows in account.of.values())
        self.begin()
        if self.rows_read > 2 * live + COMPACTS_ABOVE_ROWS:
            self._compact()
        return frames

    def _frames(self) -> Iterator[tuple[Frame, int]]:
        at = 0
        with open(self.path, "rb") as file:
            while len(head := file.read(HEAD.size)) == HEAD.size:
                length, check = HEAD.unpack(head)
                payload = file.read(length)
                if len(payload) < length or zlib.crc32(payload) != check:
                    return
                at += HEAD.size + length
                try:
                    frame = self._decode(payload)
                except msgspec.DecodeError:
                    raise OSError(f"{self.path} was written by another version of the stand-in") from None
                yield frame, at

    def _apply(self, frame: Frame) -> None:
        world, events = self.standin.world, self.standin.events
        for kind, body in frame.dictionaries:
            events.dictionaries[kind] = body
        for id in frame.accounts:
            world.open_account(id)
        for account_id, kind, id, row in frame.rows:
            account = world.accounts[account_id]
            self.rows_read += 1
            if row is None:
                account.of[kind].remove(id)
                if kind == "customer":
                    account.deleted_customers[id] = objects.Deleted(id=id, object="customer")
            elif kind == "event":
                account.of[kind].put(msgspec.msgpack.decode(row, type=EventRow))
            else:
                account.of[kind].put(msgspec.json.decode(events.unpack(kind, row), type=TYPES[kind]))
        for account_id, name, id, on in frame.marks:
            (world.accounts[account_id].marks[name].add if on else world.accounts[account_id].marks[name].discard)(id)
        world.clock.restore(frame.now)
        for when, account_id, kind, id in frame.due:
            world.clock.schedule(when, account_id, kind, id)
        for account_id, key, record in frame.keys:
            self.standin.keys.restore(account_id, key, msgspec.msgpack.decode(record, type=Record))
        for account_id, id in frame.acknowledged:
            event = world.accounts[account_id].find("event", id)
            if event is not None:
                event.pending = 0
        self._clock = frame.now

    def _compact(self) -> None:
        """Rewrite the file with every object once: it had grown to more than twice of what is alive."""
        standin = self.standin
        fresh = self.path.with_name(self.path.name + ".new")
        new = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
        fcntl.flock(new, fcntl.LOCK_EX | fcntl.LOCK_NB)
        old, self._file = self._file, new
        world = standin.world
        names = [id for id in world.accounts if id != world.platform.id]
        due = [(when, account, kind, id) for when, _, account, kind, id in world.clock.pending()]
        marks = [(account.id, name, id, True) for account in world.accounts.values()
                 for name, ids in account.marks.items() for id in ids]  # fmt: skip
        keys = [(account, key, self._encode(record)) for account, key, record in standin.keys.all()]
        rows: list[tuple[str, str, str, bytes | None]] = []
        self._write(
            Frame(world.clock.now(), list(standin.events.dictionaries.items()), names, [], marks, due, keys, [])
        )
        for account in world.accounts.values():
            for kind, collection in account.of.items():
                for row in collection.oldest_first():
                    rows.append((account.id, kind, row.id, self._body(kind, row)))
                    if len(rows) == 1000:
                        self._write(Frame(world.clock.now(), [], [], rows, [], [], [], []))
                        rows = []
        new_dictionaries = [*standin.events.new_dictionaries]
        self._write(Frame(world.clock.now(), new_dictionaries, [], rows, [], [], [], []))
        os.fsync(new)
        os.replace(fresh, self.path)
        os.close(old)
        self.begin()
