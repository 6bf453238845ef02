"""The credit account of a customer of one merchant: lots of credit, and what has happened to each.

It owns which credit can be spent now, and in which order. Why a tab earns, spends or loses credit is the tab's
(`domain/tab/crediting.py`), which also posts it to the ledger. Nothing here is ever paid out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.domain.trust.terms import LotKind

MONTH = timedelta(days=30)
MAXIMUM_LOTS = 200
"""So many lots stay in the account; of those that are used up the oldest go. The movements stay."""


class Lot(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Credit that came with one tab. It can be spent from `active_at` until `expires_at`.

    `left_minor` is below zero where a tab was refunded or disputed after its credit was spent: that is carried, and
    covered by the next credit that can be spent.
    """

    lot_id: str
    kind: LotKind
    tab_id: str
    amount_minor: int
    earned_at: datetime
    active_at: datetime
    expires_at: datetime
    spent_minor: int = 0
    reversed_minor: int = 0
    expired_minor: int = 0

    @property
    def left_minor(self) -> int:
        return self.amount_minor - self.spent_minor - self.reversed_minor - self.expired_minor

    def is_active(self, now: datetime) -> bool:
        return self.active_at <= now < self.expires_at


class MovementKind(StrEnum):
    EARNED = "earned"
    SPENT = "spent"
    RETURNED = "returned"
    REVERSED = "reversed"
    EXPIRED = "expired"


class Movement(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A line of the statement: what entry `tab_seq` of the tab `tab_id` did to the account's balance."""

    seq: int
    at: datetime
    kind: MovementKind
    amount_minor: int
    balance_minor: int
    tab_id: str
    tab_seq: int


class Referral(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who invited this customer, and when that was said. `tab_id`: the tab that it was rewarded with, if it was.

    `refused`: why it is not rewarded, a code.
    """

    by_customer_id: str
    at: datetime
    tab_id: str | None = None
    refused: str | None = None

    @property
    def is_open(self) -> bool:
        return self.tab_id is None and self.refused is None


class CreditAccount(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A customer's credit. `currency`: of all its lots; "" while there is none. `version` counts changes from 1.

    `spends_by_itself`: the customer wants their credit used for every bill. `code`: what they invite friends with.
    `paid_tabs`: those that were closed as fulfilled and paid.
    """

    merchant_id: str
    customer_id: str
    currency: str = ""
    lots: tuple[Lot, ...] = ()
    movement_count: int = 0
    spends_by_itself: bool = False
    code: str | None = None
    referral: Referral | None = None
    paid_tabs: int = 0
    version: int = 0

    @property
    def balance_minor(self) -> int:
        """Everything that is left of all lots, pending and owed back included: the ledger's customer_credit."""
        return sum([lot.left_minor for lot in self.lots])

    def active_minor(self, now: datetime) -> int:
        """What can be spent now: what is carried below zero comes off first."""
        lots = [lot.left_minor for lot in self.lots if lot.left_minor < 0 or lot.is_active(now)]
        return max(0, sum(lots))

    def pending_minor(self, now: datetime) -> int:
        """What can be spent later."""
        return sum([lot.left_minor for lot in self.lots if lot.active_at > now and lot.left_minor > 0])

    @property
    def carried_minor(self) -> int:
        """What was taken back after it was spent, and no later credit has covered yet."""
        return -sum([lot.left_minor for lot in self.lots if lot.left_minor < 0])

    def lot(self, lot_id: str) -> Lot | None:
        return next((lot for lot in self.lots if lot.lot_id == lot_id), None)

    def earned_since(self, since: datetime, kind: LotKind) -> Sequence[Lot]:
        return [lot for lot in self.lots if lot.kind == kind and lot.earned_at > since]


def add(account: CreditAccount, lot: Lot, currency: str) -> CreditAccount:
    """The account with another lot."""
    assert account.currency in ("", currency), "an account has one currency"
    assert lot.amount_minor > 0, "a lot is something"
    return replace(account, currency=currency, lots=_kept((*account.lots, lot)))


def spend(account: CreditAccount, amount_minor: int, now: datetime) -> CreditAccount:
    """Spend active credit, what expires first first."""
    assert 0 < amount_minor <= account.active_minor(now), "no more is spent than is active"
    account = _cover(account, now)
    left = amount_minor
    drawn: dict[str, int] = {}
    for lot in _drawable(account.lots, now):
        drawn[lot.lot_id] = min(left, lot.left_minor)
        left -= drawn[lot.lot_id]
    assert left == 0, "what is active is in lots"
    return replace(
        account,
        lots=tuple(replace(lot, spent_minor=lot.spent_minor + drawn.get(lot.lot_id, 0)) for lot in account.lots),
    )


def reverse(account: CreditAccount, lot: Lot, amount_minor: int, now: datetime) -> tuple[CreditAccount, int]:
    """Take back what a lot gave, spent or not, and say how much that is: what has expired is lost already.

    What was spent is carried below zero. `lot`: as it was given, where it is used up and gone.
    """
    assert amount_minor > 0, "something is taken back"
    if account.lot(lot.lot_id) is None:
        account = replace(account, lots=(*account.lots, replace(lot, spent_minor=lot.amount_minor)))
    stored = account.lot(lot.lot_id)
    assert stored is not None, "it was added where it was gone"
    taken_minor = min(amount_minor, stored.amount_minor - stored.expired_minor - stored.reversed_minor)
    changed = replace(stored, reversed_minor=stored.reversed_minor + taken_minor)
    lots = tuple(changed if one.lot_id == lot.lot_id else one for one in account.lots)
    return _cover(replace(account, lots=lots), now), taken_minor


def expire(account: CreditAccount, lot_id: str, now: datetime) -> tuple[CreditAccount, int]:
    """The account after the lot's end, and what is lost: nothing of what covers credit that was taken back."""
    lot = account.lot(lot_id)
    if lot is None or lot.expires_at > now:
        return account, 0
    account = _cover(account, now, ending=lot_id)
    lot = account.lot(lot_id)
    assert lot is not None, "covering keeps lots"
    lost_minor = max(0, lot.left_minor)
    ended = replace(lot, expired_minor=lot.expired_minor + lost_minor)
    return replace(account, lots=tuple(ended if one.lot_id == lot_id else one for one in account.lots)), lost_minor


def _cover(account: CreditAccount, now: datetime, *, ending: str | None = None) -> CreditAccount:
    """Cover what is below zero with credit that can be spent now, as if that had been spent instead.

    `ending`: a lot that has just come to its end counts as well.
    """
    lots = {lot.lot_id: lot for lot in account.lots}
    for short in account.lots:
        for lot in _drawable(lots.values(), now, ending):
            part = min(-lots[short.lot_id].left_minor, lot.left_minor)
            if part > 0:
                debtor = lots[short.lot_id]
                lots[short.lot_id] = replace(debtor, spent_minor=debtor.spent_minor - part)
                lots[lot.lot_id] = replace(lot, spent_minor=lot.spent_minor + part)
    return replace(account, lots=tuple(lots.values()))


def _drawable(lots: Iterable[Lot], now: datetime, ending: str | None = None) -> list[Lot]:
    found = [lot for lot in lots if lot.left_minor > 0 and (lot.is_active(now) or lot.lot_id == ending)]
    return sorted(found, key=lambda lot: lot.expires_at)


def _kept(lots: tuple[Lot, ...]) -> tuple[Lot, ...]:
    surplus = len(lots) - MAXIMUM_LOTS
    used_up = {lot.lot_id for lot in [lot for lot in lots if lot.left_minor == 0][: max(0, surplus)]}
    return tuple(lot for lot in lots if lot.lot_id not in used_up)


class Mark(Struct, frozen=True):
    """A card or a device that a customer has paid with or agreed from, as a digest that tells nothing else."""

    merchant_id: str
    sha256: str
    customer_id: str


def mark_sha256(merchant_id: str, kind: str, value: str) -> str:
    """The digest of a card's fingerprint (`card`) or of a device (`device`), another one for each merchant."""
    return hashlib.sha256(f"{merchant_id}\n{kind}\n{value}".encode()).hexdigest()


class CreditChange(Struct, frozen=True, kw_only=True):
    """The next version of an account with its new movements, written in the transaction of the tab that changed it."""

    account: CreditAccount
    movements: tuple[Movement, ...] = ()
