"""Reconciliation: compares the gateway's objects of a period with our records, tab by tab, and applies missed facts.

A tab is compared if anything about it changed in the period, in our store or at the gateway. Changes of the last
minutes are left to the next run, because their events may still arrive.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from threading import Lock

from msgspec import Struct, field

from chalicelib.domain.books.differences import OVERDUE_AFTER, Code, Difference, Payment, Records
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
from chalicelib.ports.gateway import GatewayEvent, GatewayUnavailable
from chalicelib.ports.store import StoreUnavailable
from chalicelib.usecases.news.events import Misplaced, bring_in, claim
from chalicelib.usecases.tab.attempts import outcome_of, record_outcome, run
from chalicelib.usecases.tab.listings import of_merchant

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


Progress = Callable[[int, int], None]
"""Called with the number of tabs compared so far, and the number known so far."""


def reconcile(
    deps: Deps,
    since: datetime,
    until: datetime | None = None,
    *,
    repair: bool = True,
    at_once: int = 1,
    progress: Progress = lambda done, total: None,
    has_time: Callable[[], bool] = lambda: True,
) -> Reconciled:
    """Reconcile everything that changed from `since` to `until` (default and latest: a quarter of an hour ago).

    `repair`: repair what is safe. `has_time`: called before each account and each tab; if it returns False, the rest is
    left to the next run. Each day the run begins with another account, so that none is always the last.
    Raises InvalidInput for an empty period, StoreUnavailable if not even the merchants can be listed.
    """
    now = deps.clock.now()
    settled = now - SETTLING
    until = min(until or settled, settled)
    if since >= until:
        raise InvalidInput(f"The period from {since.isoformat()} to {until.isoformat()} is empty.")
    merchants = dict(deps.store.iter_merchants())
    accounts = sorted({None, *merchants.values()}, key=lambda account: account or "")
    first = now.toordinal() % len(accounts)
    walk = _Walk(deps, merchants, now, settled, Reconciled(since=since, until=until), repair, at_once, progress)
    for account in accounts[first:] + accounts[:first]:
        name = account or "the platform's own account"
        if not has_time():
            walk.result.unread.append(f"There was no time left for {name}.")
            continue
        try:
            walk.account(account, has_time)
        except (GatewayUnavailable, StoreUnavailable) as error:
            log.warning("%s could not be read: %s", name, error)
            walk.result.unread.append(f"Reading {name} failed: {error}.")
    return walk.result


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
        progress: Progress,
    ) -> None:
        self._deps = deps
        self._merchants = merchants
        self._now = now
        self._settled = settled
        self.result = result
        self._repair = repair
        self._at_once = at_once
        self._progress = progress
        self._overdue = list(deps.store.iter_due(now - OVERDUE_AFTER))
        self._total = 0
        self._lock = Lock()

    def account(self, account: str | None, has_time: Callable[[], bool]) -> None:
        touched, cards = self._news(account)
        payments = self._payments(account, touched)
        owned = self._by_owner(account, payments)
        tabs = set(owned) | set(self._ours(account))
        self._total += len(tabs)
        moving = {event.payment_id for event in self._deps.gateway.iter_events(account, self._settled, self._now)}

        def look(owner: Owner) -> None:
            if not has_time():
                self._note_unread(f"There was no time left for tab {owner[1]}.")
                return
            try:
                findings = self._look_at(account, owner, owned.get(owner, []), moving)
            except Exception as error:
                # A tab that cannot be read or repaired must not stop the others.
                log.exception("tab %s could not be reconciled", owner[1])
                self._note_unread(f"Tab {owner[1]} could not be reconciled: {type(error).__name__}.")
            else:
                self._note(findings)

        with ThreadPoolExecutor(self._at_once, thread_name_prefix="reconcile") as pool:
            # Newest first: if time runs out, yesterday's run has compared the older ones.
            for _ in pool.map(look, sorted(tabs, reverse=True)):
                pass
        for event in reversed(cards):
            if has_time():
                self._take_unseen(event)
        self.result.accounts += 1
        self.result.payments += len(payments)

    # What to compare

    def _news(self, account: str | None) -> tuple[set[str], list[GatewayEvent]]:
        """The payments named by the period's events, and the events of saved cards, which name none."""
        touched, cards = set(), []
        for event in self._deps.gateway.iter_events(account, self.result.since, self.result.until):
            if not event.is_of_our_mode:
                continue
            if event.payment_id is not None:
                # Keep only the id: an account may have a hundred thousand events.
                touched.add(event.payment_id)
            else:
                cards.append(event)
        return touched, cards

    def _payments(self, account: str | None, touched: set[str]) -> dict[str, Payment]:
        """Every payment that was begun or changed in the period, by id."""
        gateway, since, until = self._deps.gateway, self.result.since, self.result.until
        payments = {payment.payment_id: payment for payment in gateway.iter_payments(account, since, until)}
        touched = touched | set(gateway.iter_reversed(account, since, until))
        for payment_id in sorted(touched - set(payments)):
            payment = gateway.find_payment(account, payment_id)
            if payment is not None:
                payments[payment_id] = payment
        return payments

    def _by_owner(self, account: str | None, payments: Mapping[str, Payment]) -> dict[Owner, list[Payment]]:
        """The payments by their tab, found by our metadata or else our pointers. Others are not ours."""
        owned: defaultdict[Owner, list[Payment]] = defaultdict(list)
        strangers = set()
        unnamed = [payment.payment_id for payment in payments.values() if payment.tab_id is None]
        pointers = self._deps.store.find_pointers(account, unnamed)
        for payment in payments.values():
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
            self.result.findings.append(Finding(missing, repaired=False))
        return owned

    def _ours(self, account: str | None) -> Iterator[Owner]:
        """The tabs of the account's merchants that have changed since the period began, or were due to."""
        since = self.result.since
        yield from (owner for owner in self._overdue if self._merchants.get(owner[0], "") == account)
        for merchant_id, its_account in self._merchants.items():
            if its_account != account:
                continue
            for status in Status:
                for line in of_merchant(self._deps, merchant_id, status):
                    if status == Status.CLOSED and line.opened_at < since - HORIZON:
                        break
                    if line.updated_at is None or line.updated_at >= since:
                        yield merchant_id, line.tab_id

    # Comparing

    def _look_at(
        self, account: str | None, owner: Owner, listed: list[Payment], moving: set[str | None]
    ) -> list[Finding]:
        merchant_id, tab_id = owner
        records = self._deps.store.read_records(merchant_id, tab_id)
        ids = {payment.payment_id for payment in listed}
        tab = records.tab
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
            self.result.findings += findings
            self.result.tabs += is_tab
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


def _by_id(payments: Iterable[Payment]) -> dict[str, Payment]:
    return {payment.payment_id: payment for payment in payments}
