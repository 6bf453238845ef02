"""Reconciliation: compares the gateway's objects of a period with our records, tab by tab, and applies missed facts.

A tab is compared if anything about it changed in the period, in our store or at the gateway. Changes of the last
minutes are left to the next run, because their events may still arrive.
"""

from __future__ import annotations

import hashlib
import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from itertools import islice
from threading import Lock
from typing import TypeVar

from msgspec import Struct, field
from msgspec.structs import replace

from chalicelib.domain.books.differences import (
    OVERDUE_AFTER,
    Code,
    Difference,
    Payment,
    Progress,
    Records,
    Stage,
)
from chalicelib.domain.books.reconciliation import (
    compare,
    known_objects,
    known_payments,
    needs_reversals,
    restore_pointer,
    unposted_fees,
)
from chalicelib.domain.errors import InvalidInput, NotFound
from chalicelib.domain.tab.draft import Draft
from chalicelib.domain.tab.facts.apply import apply_fact
from chalicelib.domain.tab.status import Status
from chalicelib.domain.tab.tab import Tab
from chalicelib.ports.deps import Deps
from chalicelib.ports.gateway import GatewayEvent, GatewayRejected, GatewayUnavailable
from chalicelib.ports.store import DueTab, StoreUnavailable
from chalicelib.usecases.news.events import Misplaced, bring_in, claim
from chalicelib.usecases.tab.attempts import outcome_of, record_outcome, run

log = logging.getLogger(__name__)

SETTLING = timedelta(minutes=15)
"""For this long after a change, its events may still arrive."""
HORIZON = timedelta(days=400)
"""A closed tab that changed in the period was opened at most this long before; longer than any policy's times."""

_DAMAGED = frozenset({Code.RECORD_MISSING, Code.LEDGER_WRONG})
"""Differences that mean damaged rows: nothing is written on such a tab."""

Owner = tuple[str, str]
"""(merchant_id, tab_id)"""


class Finding(Struct, frozen=True):
    """A difference, and whether it was repaired."""

    difference: Difference
    repaired: bool


class Reconciled(Struct, kw_only=True):
    """The result of a run. `foreign`: payments that are not ours. `in_progress`: tabs left to the next run.

    `fees_posted`: the number of the gateway's fees that were posted. `unread`: what could not be read, or was left for
    lack of time, in words; the run is then not complete.
    """

    since: datetime
    until: datetime
    findings: list[Finding] = field(default_factory=list)
    accounts: int = 0
    tabs: int = 0
    payments: int = 0
    foreign: int = 0
    in_progress: int = 0
    fees_posted: int = 0
    unread: list[str] = field(default_factory=list)

    @property
    def is_complete(self) -> bool:
        return not self.unread

    @property
    def open_findings(self) -> list[Finding]:
        """What is left for a person."""
        return [finding for finding in self.findings if not finding.repaired]


Told = Callable[[int, int], None]
"""Called with how many tabs have been looked at, and how many are known to be."""


def reconcile(
    deps: Deps,
    since: datetime,
    until: datetime | None = None,
    *,
    repair: bool = True,
    at_once: int = 1,
    progress: Told = lambda done, total: None,
    has_time: Callable[[], bool] = lambda: True,
    resumes: bool = False,
) -> Reconciled:
    """Reconcile everything that changed from `since` to `until` (default and latest: a quarter of an hour ago).

    `repair`: repair what is safe. `has_time`: called before each account, each batch and each tab; if it returns False,
    the rest is left. `resumes`: store the progress of each account, batch by batch, so that the next run continues
    there and reports no difference twice; without stored progress it begins where the last run ended, at the latest.

    Each day the run begins with another account; accounts with an unfinished earlier period come last, so that none
    waits for one that is large or cannot be read.
    Raises InvalidInput for an empty period, StoreUnavailable if not even the merchants can be listed.
    """
    now = deps.clock.now()
    settled = now - SETTLING
    until = min(until or settled, settled)
    if since >= until:
        raise InvalidInput(f"The period from {since.isoformat()} to {until.isoformat()} is empty.")
    merchants = dict(deps.store.iter_merchants())
    result = Reconciled(since=since, until=until)
    walk = _Walk(deps, merchants, now, settled, result, repair, at_once, progress, has_time, resumes)
    for begins in _in_turn(deps, _accounts(deps, merchants, result), since, until, now, resumes):
        name = begins.account or "the platform's own account"
        if not has_time():
            result.unread.append(f"There was no time left for {name}.")
            continue
        try:
            if walk.account(begins) and begins.until < until:
                # The rest of an earlier period is done; continue with what has happened since.
                walk.account(Progress(account=begins.account, since=min(since, begins.until), until=until))
            result.accounts += 1
        except (GatewayUnavailable, GatewayRejected, StoreUnavailable) as error:
            log.warning("%s could not be read: %s", name, error)
            result.unread.append(f"Reading {name} failed: {error}.")
    return result


def _accounts(deps: Deps, merchants: Mapping[str, str | None], result: Reconciled) -> list[str | None]:
    """The accounts: the platform's own, the merchants', and connected ones whose merchant no longer exists."""
    accounts: set[str | None] = {None, *merchants.values()}
    try:
        accounts |= set(deps.gateway.iter_accounts())
    except (GatewayUnavailable, GatewayRejected) as error:
        # A platform without Connect has no accounts, and Stripe refuses the call.
        if accounts != {None}:
            result.unread.append(f"The connected accounts could not be listed: {error}.")
    return sorted(accounts, key=lambda account: account or "")


def _in_turn(
    deps: Deps, accounts: list[str | None], since: datetime, until: datetime, now: datetime, resumes: bool
) -> list[Progress]:
    """The starting point of each account, in the order of the run."""
    first = now.toordinal() % len(accounts)
    turn = accounts[first:] + accounts[:first]
    if not resumes:
        return [Progress(account=account, since=since, until=until) for account in turn]
    begins = []
    for account in turn:
        progress = deps.store.find_progress(account)
        if progress is None or progress.stage is None:
            progress = Progress(
                account=account, since=since if progress is None else min(since, progress.until), until=until
            )
        begins.append(progress)
    return sorted(begins, key=lambda progress: progress.until < until)


_BATCH = 100
"""How many objects are looked at before it is noted that they have been; a page of the gateway's."""
_STAGES = tuple(Stage)
_OLDEST_FIRST = slice(None, None, -1)
T = TypeVar("T")


class _Walk:
    """One run. `merchants`: all merchants with their accounts. `settled`: later changes are left to the next run."""

    def __init__(
        self,
        deps: Deps,
        merchants: Mapping[str, str | None],
        now: datetime,
        settled: datetime,
        result: Reconciled,
        repair: bool,
        at_once: int,
        progress: Told,
        has_time: Callable[[], bool],
        resumes: bool,
    ) -> None:
        self._deps = deps
        self._merchants = merchants
        self._now = now
        self._settled = settled
        self.result = result
        self._repair = repair
        self._at_once = at_once
        self._progress = progress
        self._has_time = has_time
        self._resumes = resumes
        self._overdue = [
            (due.merchant_id, due.tab_id) for due in deps.store.iter_due(now - OVERDUE_AFTER) if isinstance(due, DueTab)
        ]
        self._total = 0
        self._lock = Lock()
        self._looked: dict[Owner, frozenset[str]] = {}
        """The tabs that were looked at, with the payments they were compared with."""
        self._seen: set[str] = set()
        """The payments of the account that were looked at."""
        self._reported: dict[str, None] = {}

    def account(self, begins: Progress) -> bool:
        """Walk what is left of the account's period, and keep how far that came; whether it came to the end."""
        account = begins.account
        self._seen = set()
        self._reported = dict.fromkeys(begins.reported)
        moving = {event.payment_id for event in self._deps.gateway.iter_events(account, self._settled, self._now)}
        assert begins.stage is not None, "something is left of it"
        for stage in _STAGES[_STAGES.index(begins.stage) :]:
            at = replace(begins, stage=stage, after=begins.after if stage == begins.stage else None)
            for batch in self._batches(at):
                if not self._look(account, batch, moving):
                    # The batch is looked at again, by the next run: what it tells is known by its keys.
                    self._keep(at)
                    return False
                at = replace(at, after=batch.after)
                self._keep(at)
        self._keep(replace(begins, stage=None, after=None))
        return True

    def _keep(self, at: Progress) -> None:
        if self._resumes:
            self._deps.store.put_progress(replace(at, reported=tuple(self._reported) if at.stage else ()))

    # What to compare

    def _batches(self, at: Progress) -> Iterator[_Batch]:
        match at.stage:
            case Stage.PAYMENTS:
                return self._payments(at)
            case Stage.REVERSALS:
                return self._reversals(at)
            case Stage.EVENTS:
                return self._events(at)
            case _:
                return self._tabs(at)

    def _payments(self, at: Progress) -> Iterator[_Batch]:
        """Those that were begun in the period."""
        for found in _chunks(self._deps.gateway.iter_payments(at.account, at.since, at.until, at.after)):
            yield _Batch(after=found[-1].payment_id, payments=found)

    def _reversals(self, at: Progress) -> Iterator[_Batch]:
        """Older payments that were refunded or disputed in the period."""
        for found in _chunks(self._deps.gateway.iter_reversals(at.account, at.since, at.until, at.after)):
            touched = [one.payment_id for one in found if one.payment_id is not None]
            yield _Batch(after=found[-1].object_id, payments=self._older(at, touched))

    def _events(self, at: Progress) -> Iterator[_Batch]:
        """Older payments to which something happened in the period; and saved cards, which are of no payment."""
        for found in _chunks(self._deps.gateway.iter_events(at.account, at.since, at.until, at.after)):
            events = [event for event in found if event.is_of_our_mode]
            touched = [
                event.payment_id
                for event in events
                if event.payment_id and (event.payment_made_at is None or event.payment_made_at < at.since)
            ]
            cards = [event for event in events if event.payment_id is None and event.is_connected is None]
            yield _Batch(after=found[-1].event_id, payments=self._older(at, touched), cards=cards[_OLDEST_FIRST])

    def _older(self, at: Progress, touched: Iterable[str]) -> list[Payment]:
        """These payments as they are now, but for those that were begun in the period: they have had their turn."""
        payments = []
        for payment_id in sorted(set(touched) - self._seen):
            self._seen.add(payment_id)
            payment = self._deps.gateway.find_payment(at.account, payment_id)
            if payment is not None and not at.since <= payment.made_at < at.until:
                payments.append(payment)
        return payments

    def _tabs(self, at: Progress) -> Iterator[_Batch]:
        """The tabs of the account's merchants that have changed since the period began, or should have."""
        merchants = sorted(one for one, account in self._merchants.items() if account == at.account)
        listings = [(merchant_id, status) for merchant_id in merchants for status in Status]
        begun, cursor = None, None
        if at.after is None:
            overdue = [owner for owner in self._overdue if self._merchants.get(owner[0], "") == at.account]
            yield _Batch(after=None, tabs=overdue)
        else:
            merchant_id, status, cursor = at.after.split(" ", 2)
            begun = (merchant_id, Status(status))
        for listing in listings[listings.index(begun) if begun in listings else 0 :]:
            yield from self._tabs_of(*listing, cursor if listing == begun and cursor else None, at.since)

    def _tabs_of(self, merchant_id: str, status: Status, cursor: str | None, since: datetime) -> Iterator[_Batch]:
        while True:
            page = self._deps.store.list_by_status(merchant_id, status, limit=_BATCH, cursor=cursor)
            changed = [line for line in page.items if line.updated_at is None or line.updated_at >= since]
            is_old = status == Status.CLOSED and any(line.opened_at < since - HORIZON for line in page.items)
            kept = [line for line in changed if status != Status.CLOSED or line.opened_at >= since - HORIZON]
            cursor = None if is_old else page.next_cursor
            here = f"{merchant_id} {status.value} {cursor or ''}"
            yield _Batch(after=here, tabs=[(merchant_id, line.tab_id) for line in kept])
            if cursor is None:
                return

    def _by_owner(self, account: str | None, payments: list[Payment]) -> dict[Owner, list[Payment]]:
        """The payments by the tab they are of: by our metadata, else by our pointers; others are not ours."""
        owned: defaultdict[Owner, list[Payment]] = defaultdict(list)
        strangers = set()
        unnamed = [payment.payment_id for payment in payments if payment.tab_id is None]
        pointers = self._deps.store.find_pointers(account, unnamed)
        for payment in payments:
            merchant_id, tab_id = payment.merchant_id, payment.tab_id
            if merchant_id is None or tab_id is None:
                pointer = pointers.get(payment.payment_id)
                if pointer is None or pointer.tab_id is None:
                    self.result.foreign += 1
                    continue
                merchant_id, tab_id = pointer.merchant_id, pointer.tab_id
            owned[merchant_id, tab_id].append(payment)
            if merchant_id not in self._merchants:
                strangers.add(merchant_id)
        for merchant_id in sorted(strangers):
            text = f"Payments name merchant {merchant_id}, who is not on the list of merchants."
            missing = Difference(code=Code.MERCHANT_MISSING, text=text, merchant_id=merchant_id, account=account)
            self._note([Finding(missing, repaired=False)], is_tab=False)
        return owned

    # Looking

    def _look(self, account: str | None, batch: _Batch, moving: set[str | None]) -> bool:
        """Whether there was time to look at all of the batch."""
        if not self._has_time():
            self._note_unread(f"There was no time left for all of {account or 'the platform'}: the next run goes on.")
            return False
        owned = self._by_owner(account, batch.payments)
        self._seen |= {payment.payment_id for payment in batch.payments}
        tabs = [
            owner
            for owner in {*owned, *batch.tabs}
            if owner not in self._looked or not _ids(owned.get(owner, [])) <= self._looked[owner]
        ]
        self._total += len([owner for owner in tabs if owner not in self._looked])

        def look(owner: Owner) -> bool:
            if not self._has_time():
                self._note_unread(f"There was no time left for tab {owner[1]}.")
                return False
            is_new = owner not in self._looked
            try:
                findings = self._look_at(account, owner, owned.get(owner, []), moving)
            except Exception as error:
                # One tab that can't be read, or not be repaired, must not keep the others from being looked at.
                log.exception("tab %s could not be reconciled", owner[1])
                self._note_unread(f"Tab {owner[1]} could not be reconciled: {type(error).__name__}.")
            else:
                self._note(findings, is_tab=is_new)
            return True

        with ThreadPoolExecutor(self._at_once, thread_name_prefix="reconcile") as pool:
            # Newest first: where time is short, yesterday's run has seen the older ones.
            was_looked_at = list(pool.map(look, sorted(tabs, reverse=True)))
        for event in batch.cards:
            self._take_unseen(event)
        if not all(was_looked_at):
            return False
        self.result.payments += len(batch.payments)
        return True

    def _look_at(
        self, account: str | None, owner: Owner, listed: list[Payment], moving: set[str | None]
    ) -> list[Finding]:
        merchant_id, tab_id = owner
        records = self._deps.store.read_records(merchant_id, tab_id)
        ids = {payment.payment_id for payment in listed}
        tab = records.tab
        self._looked[owner] = frozenset(ids | (known_payments(tab) if tab else set()))
        if tab is None:
            return [Finding(found, repaired=False) for found in compare(records, _by_id(listed), {}, self._now)]
        if tab.updated_at > self._settled or (known_payments(tab) | ids) & moving:
            with self._lock:
                self.result.in_progress += 1
            return []
        if tab.account != account and listed:
            return [Finding(self._elsewhere(tab, account, payment), repaired=False) for payment in listed]
        payments = self._payments_of(tab, ids, _by_id(listed))
        differences = self._compare(records, tab, payments)
        findings = [Finding(found, repaired=False) for found in differences]
        if not self._repair or any(found.code in _DAMAGED for found in differences):
            return findings
        if any(found.is_repairable for found in differences):
            self._bring_in(tab, differences)
            records = self._deps.store.read_records(merchant_id, tab_id)
            assert records.tab is not None, "tabs are not deleted"
            payments = self._payments_of(records.tab, ids, {})
            findings = _repaired(differences, self._compare(records, records.tab, payments))
        self._post_fees(records, payments)
        return findings

    def _payments_of(self, tab: Tab, ids: set[str], listed: Mapping[str, Payment]) -> dict[str, Payment | None]:
        """These payments and all that the tab names. `listed`: payments that need not be fetched again."""
        payments: dict[str, Payment | None] = {}
        for payment_id in sorted(known_payments(tab) | ids):
            payment = listed.get(payment_id)
            if payment is None or not payment.is_whole or needs_reversals(tab, payment_id):
                payment = self._deps.gateway.find_payment(tab.account, payment_id)
            payments[payment_id] = payment
        return payments

    def _compare(self, records: Records, tab: Tab, payments: Mapping[str, Payment | None]) -> list[Difference]:
        known = known_objects(tab)
        found = self._deps.store.find_pointers(tab.account, known)
        pointers = {one: found[one].tab_id if one in found else None for one in sorted(known)}
        return compare(records, payments, pointers, self._now)

    def _elsewhere(self, tab: Tab, account: str | None, payment: Payment) -> Difference:
        where = f"{account or 'the platform'}, the tab in {tab.account or 'the platform'}"
        return Difference(
            code=Code.ACCOUNT_DIFFERS,
            text=f"Payment {payment.payment_id} is in account {where}.",
            merchant_id=tab.merchant_id,
            tab_id=tab.tab_id,
            attempt_id=payment.attempt_id,
            object_id=payment.payment_id,
            account=account,
        )

    # Repairing

    def _bring_in(self, tab: Tab, differences: list[Difference]) -> None:
        """Apply the facts as any other outcome, then do what is due, as a sweep would."""

        def outcome(draft: Draft) -> None:
            for found in differences:
                for fact in found.facts:
                    apply_fact(draft, fact)
                if found.code == Code.POINTER_MISSING and found.object_id:
                    restore_pointer(draft, found.object_id)

        tab, begun = record_outcome(self._deps, tab, outcome)
        run(self._deps, tab, begun)

    def _post_fees(self, records: Records, payments: Mapping[str, Payment | None]) -> None:
        """Post the gateway's fees, which no webhook reports."""
        fees = unposted_fees(records, [payment for payment in payments.values() if payment])
        if not fees or records.tab is None:
            return
        record_outcome(self._deps, records.tab, outcome_of(fees))
        with self._lock:
            self.result.fees_posted += len(fees)

    def _take_unseen(self, event: GatewayEvent) -> None:
        """Handle the events of saved cards, which name no payment, as if they had been delivered."""
        event, known = claim(self._deps, event)
        if known.is_seen or event.merchant_id is None:
            return
        repaired, code = False, Code.EVENT_MISSED
        text = f"Event {event.event_id} ({event.kind}, of {event.object_id}) has not reached us."
        try:
            if self._repair:
                bring_in(self._deps, event, known)
                repaired = True
        except NotFound:
            code = Code.TAB_MISSING
            text += " Its tab or customer is not on record."
        except Misplaced:
            code = Code.ACCOUNT_DIFFERS
            text += " What it names is kept in another account."
        found = Difference(
            code=code,
            text=text,
            merchant_id=event.merchant_id,
            tab_id=event.tab_id,
            object_id=event.object_id,
            account=event.account,
        )
        self._note([Finding(found, repaired)], is_tab=False)

    # Counting

    def _note(self, findings: list[Finding], *, is_tab: bool = True) -> None:
        with self._lock:
            for finding in findings:
                key = _key_of(finding.difference)
                if key not in self._reported:
                    self.result.findings.append(finding)
                    if not finding.repaired:
                        self._reported[key] = None
            if is_tab:
                self.result.tabs += 1
                self._progress(self.result.tabs, self._total)

    def _note_unread(self, what: str) -> None:
        with self._lock:
            self.result.unread.append(what)


def _repaired(before: list[Difference], after: list[Difference]) -> list[Finding]:
    left, known = {found.key for found in after}, {found.key for found in before}
    return [
        *(Finding(found, repaired=found.key not in left) for found in before),
        *(Finding(found, repaired=False) for found in after if found.key not in known),
    ]


class _Batch(Struct, frozen=True, kw_only=True):
    """Payments, tabs and events that are compared together, and the position after them."""

    after: str | None
    payments: list[Payment] = field(default_factory=list)
    tabs: list[Owner] = field(default_factory=list)
    cards: list[GatewayEvent] = field(default_factory=list)


def _chunks(found: Iterator[T]) -> Iterator[list[T]]:
    while chunk := list(islice(found, _BATCH)):
        yield chunk


def _key_of(difference: Difference) -> str:
    """A short key, because the keys of all reported differences are stored in one item."""
    told = "|".join(part or "" for part in difference.key)
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def _ids(payments: Iterable[Payment]) -> set[str]:
    return {payment.payment_id for payment in payments}


def _by_id(payments: Iterable[Payment]) -> dict[str, Payment]:
    return {payment.payment_id: payment for payment in payments}
