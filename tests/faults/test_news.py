"""News under faults: processes die at every boundary, records and jobs come twice and out of order.

Of every kind of message: a reminder goes out at most once. Every other goes out, and twice only where a process died
between handing it over and marking that.
"""

from __future__ import annotations

import random
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import timedelta
from threading import Barrier, RLock, Thread
from typing import Any

import pytest
from msgspec.structs import replace

from chalicelib.adapters.memory_queues import MemoryQueues
from chalicelib.domain.news import rules
from chalicelib.domain.news.delivery import Delivery, DeliveryState
from chalicelib.domain.news.message import Message, MessageKind, Recipient
from chalicelib.domain.news.rules import AT_MOST_ONCE
from chalicelib.domain.news.table import NEWS, messages_of
from chalicelib.domain.tab.entry import Entry
from chalicelib.domain.tab.policy import Policy
from chalicelib.domain.tab.tab import Tab
from chalicelib.ports.queues import Job, QueueName
from chalicelib.ports.stream import NewEntry
from chalicelib.usecases.news.post import deliver, deliver_each
from chalicelib.usecases.news.relay import relay
from chalicelib.usecases.tab.payment import take_cash
from tests.usecases.shop import NOON, OLGA, WITHOUT_CARD, Shop

VISIBILITY = timedelta(seconds=90)
"""After this a job that was in the hands of a dead process comes again; longer than the lease of a claim."""
BATCH = 10
ROUNDS = 2000

EXAMPLES: dict[str, dict[str, Any]] = {
    "promise_proposed": {"starts_at": NOON.isoformat()},
    "deposit_lapsed": {"is_kept": True},
    "hold_expiring": {"why": "no_consent"},
    "hold_released": {"is_missed": True},
    "card_removed": {"was_for": "bill"},
    "bill_presented": {"command": "complete", "total_minor": 50_00},
    "bill_adjusted": {"command": "adjust"},
    "tier_chosen": {"tier_percent": 50},
    "share_returned": {"why": "time", "after": 0},
    "waived": {"why": "waive"},
    "captured": {"why": "before_due"},
    "closed": {"receipt_minor": 50_00},
    "awaiting_customer": {"with_customer": False},
    "charge_refused": {"refusals": 1},
    "refund_announced": {"why": "refund"},
    "flagged": {"flag": "refund_by_hand"},
    "fraud_warned": {"advice": "decide"},
    "evidence_sealed": {"by_itself": True},
}
"""Details with which an entry is told; of the other kinds every entry is."""

OF_THE_MERCHANT = frozenset({"account_lost", "endpoint_failing", "endpoint_disabled"})

Sent = tuple[MessageKind, Recipient]


class Died(BaseException):
    """The process is gone: nothing may catch it, as nothing could."""


class Boundaries:
    """Counts what a process does to the outside, before and after each; at some of these places it dies."""

    def __init__(self, deaths: Sequence[int] = ()) -> None:
        self.deaths = set(deaths)
        self.passed: list[str] = []
        self.died_at: list[str] = []

    def _pass(self, what: str) -> None:
        number = len(self.passed)
        self.passed.append(what)
        if number in self.deaths:
            self.died_at.append(what)
            raise Died(what)

    def around(self, name: str, act: Callable[..., Any]) -> Callable[..., Any]:
        def passing(*args: Any, **given: Any) -> Any:
            self._pass(f"before {name}")
            done = act(*args, **given)
            self._pass(f"after {name}")
            return done

        return passing


class Town:
    """One tab with its customer and its owner, and one entry of each kind that is told."""

    def __init__(self, boundaries: Boundaries, disorder: random.Random | None = None) -> None:
        self.shop = shop = Shop(Policy(quiet_from_hour=0, quiet_until_hour=0))
        shop.pump.rests = True
        shop.open()
        shop.give_addresses()
        self.disorder = disorder
        self.queues = MemoryQueues(shop.clock, disorder)
        told = [(kind, EXAMPLES.get(kind, {})) for kind in NEWS] + [("captured", {"why": "hold_expiring"})]
        self.stream = [self._new(seq, kind, details) for seq, (kind, details) in enumerate(told, start=100)]
        self.sent: Counter[Sent] = Counter()
        self.unmarked: Counter[Sent] = Counter()
        """Handed over by a process that died before it could mark that."""
        self.boundaries = boundaries
        deps = replace(shop.deps, queues=self.queues)
        self.deps = replace(
            deps,
            queues=_Wrapped(self.queues, send=boundaries.around("queue send", self._send_job)),
            deliveries=_Wrapped(deps.deliveries, put=boundaries.around("put", deps.deliveries.put)),
            mailer=_Wrapped(deps.mailer, send=boundaries.around("hand over", self._hand_over)),
        )

    def _new(self, seq: int, kind: str, details: dict[str, Any]) -> NewEntry:
        shop = self.shop
        entry = Entry(seq=seq, at=NOON, kind=kind, by="sam", details={"amount_minor": 5_00, **details})
        is_tabs = kind not in OF_THE_MERCHANT
        return NewEntry(
            merchant_id=shop.merchant_id,
            tab_id=shop.tab_id if is_tabs else None,
            customer_id=shop.customer_id if is_tabs else None,
            entry=entry,
        )

    @property
    def wanted(self) -> Counter[Sent]:
        told = (messages_of(new.merchant_id, new.customer_id, new.tab_id, new.entry) for new in self.stream)
        return Counter((message.kind, message.to) for messages in told for message in messages)

    def _send_job(self, queue: QueueName, jobs: Sequence[Job]) -> None:
        self.queues.send(queue, jobs)

    def _hand_over(self, mail: Any) -> str:
        self.last = MessageKind(mail.tags["kind"]), Recipient.OWNER if mail.to == OLGA else Recipient.CUSTOMER
        self.sent[self.last] += 1
        return f"mail_{self.sent.total()}"

    # The machinery of AWS: what is not acknowledged comes again

    def run(self) -> None:
        """Relay and post until nothing is left."""
        records = list(self.stream)
        for start in range(0, len(records), BATCH):
            self._until_acknowledged(lambda batch=records[start : start + BATCH]: self._relay(batch))  # type: ignore[misc]
        for _ in range(ROUNDS):
            if not (self._post() or self._wait()):
                return
        raise AssertionError("the queue is never empty")

    def _until_acknowledged(self, act: Callable[[], None]) -> None:
        for _ in range(20):
            try:
                act()
            except Died:
                continue
            return
        raise AssertionError("a batch of the stream is never taken")

    def _relay(self, batch: list[NewEntry]) -> None:
        assert relay(self.deps, batch) == []
        if self.disorder is not None and self.disorder.random() < 0.3:
            assert relay(self.deps, batch) == [], "the same records, once more"

    def _post(self) -> bool:
        batch = self.queues.take(QueueName.POST, self.disorder.randint(1, BATCH) if self.disorder else BATCH)
        handed_over = self.sent.total()
        try:
            failed = deliver_each(self.deps, [waiting.job.body for waiting in batch])
        except Died:
            if self.boundaries.died_at[-1] in ("after hand over", "before put") and self.sent.total() > handed_over:
                self.unmarked[self.last] += 1
            failed = list(range(len(batch)))
        for index in failed:
            waiting = batch[index]
            waiting.at = self.shop.clock.instant + VISIBILITY
            self.queues.waiting[QueueName.POST].append(waiting)
        return bool(batch)

    def _wait(self) -> bool:
        """Until the next job is visible; False: none is left."""
        left = self.queues.waiting[QueueName.POST]
        if not left:
            return False
        self.shop.clock.instant = max(self.shop.clock.instant, min(waiting.at for waiting in left))
        return True

    def wrong(self) -> list[str]:
        problems = []
        for kind_and_to, count in self.wanted.items():
            kind, to = kind_and_to
            sent, again = self.sent[kind_and_to], self.unmarked[kind_and_to]
            if kind in AT_MOST_ONCE:
                if sent > count:
                    problems.append(f"{kind} to {to}: sent {sent} times")
            elif not count <= sent <= count + again:
                problems.append(f"{kind} to {to}: sent {sent} times for {count}, {again} of them without a mark")
        problems += [f"{kind_and_to} follows from no entry" for kind_and_to in self.sent - self.wanted - self.unmarked]
        claimed = [it for it in self.shop.deps.deliveries if it.state == DeliveryState.CLAIMED]  # type: ignore[attr-defined]
        return problems + [f"{it.message.kind} is claimed for ever" for it in claimed]


class _Wrapped:
    """The inner thing, some of whose methods are others."""

    def __init__(self, inner: Any, **methods: Any) -> None:
        self._inner = inner
        self.__dict__.update(methods)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


@pytest.fixture(autouse=True)
def whatever_the_tab_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every message may go: whether it still holds is tried in tests/unit/test_news_rules.py."""
    monkeypatch.setattr(rules, "outdated", lambda *what: None)


def test_without_faults_every_kind_goes_out_once() -> None:
    town = Town(Boundaries())

    town.run()

    assert {kind for kind, _ in town.sent} == set(MessageKind)
    assert town.sent == town.wanted
    assert town.wrong() == []


def test_wherever_one_process_dies_every_kind_is_told() -> None:
    """Each boundary once: before and after each send to a queue, claim, hand-over and mark of each message."""
    quiet = Boundaries()
    Town(quiet).run()
    again: Counter[str] = Counter()

    for place in range(len(quiet.passed)):
        town = Town(Boundaries([place]))
        town.run()
        assert town.wrong() == [], (place, quiet.passed[place])
        again.update({quiet.passed[place]: (town.sent - town.wanted).total()})

    assert set(quiet.passed) == {
        f"{when} {what}" for when in ("before", "after") for what in ("queue send", "put", "hand over")
    }
    assert again["after hand over"] > 0
    assert {place for place, count in again.items() if count} <= {"after hand over", "before put"}


@pytest.mark.parametrize("seed", range(150))
def test_whatever_goes_wrong_together_every_kind_is_told(seed: int) -> None:
    """Up to eight deaths, batches of the stream twice, a quarter of the jobs twice, all in any order."""
    drawn = random.Random(seed)
    deaths = drawn.sample(range(400), drawn.randint(0, 8))
    town = Town(Boundaries(deaths), drawn)

    town.run()

    assert town.wrong() == []


def test_a_mark_that_is_forgotten_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The proof sees what it is for: without claims a repeated job is sent twice."""
    drawn = random.Random(7)
    town = Town(Boundaries(), drawn)
    monkeypatch.setattr(town.deps.deliveries, "find_of", lambda message: (), raising=False)
    monkeypatch.setattr(town.deps.deliveries, "put", lambda delivery, while_at=None: None)

    town.run()

    assert any("sent 2 times" in problem for problem in town.wrong())


# A payment that races a reminder

RACES = 10_000


def test_nobody_is_reminded_of_what_they_have_paid(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten thousand races: the reminder is claimed before the payment is committed, or it is not sent at all.

    A thousand are two threads, which change places as often as Python lets them; in the others the payment comes at a
    drawn step of the delivery.
    """
    monkeypatch.undo()
    shop = due_and_reminded()
    tab, [reminder] = shop.tab, [m for m in shop.messages if m.kind == MessageKind.REMINDER]
    drawn, wins, wrong = random.Random(1), Counter[str](), list[str]()
    switching = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for number in range(RACES):
            race = Race(shop, replace(tab, tab_id=f"tab_race_{number}"), reminder)
            order = race.run(drawn)
            wins["claimed first" if order[0] == "claimed" else "paid first"] += 1
            if "sent" in order and order.index("paid") < order.index("claimed"):
                wrong.append(f"{race.tab.tab_id}: {order}")
    finally:
        sys.setswitchinterval(switching)

    assert wrong == []
    assert min(wins.values()) > RACES / 20, f"one side wins nearly always: {wins}"


def due_and_reminded() -> Shop:
    shop = Shop(Policy(quiet_from_hour=0, quiet_until_hour=0))
    # The order of claim and payment is written down under the lock that the store takes, too.
    shop.store._lock = RLock()  # type: ignore[assignment]
    shop.pump.rests = True
    shop.give_addresses()
    shop.open(*WITHOUT_CARD).serve(50_00).accept_bill()
    shop.wait(days=1)
    assert shop.tab.followup.reminders_sent == 1
    return shop


class Race:
    """One tab, whose reminder is delivered while its bill is paid in cash. `order`: what was done, in turn."""

    def __init__(self, shop: Shop, tab: Tab, reminder: Message) -> None:
        self.shop, self.tab = shop, tab
        self.message = replace(reminder, tab_id=tab.tab_id, message_id=f"{tab.tab_id}.reminder")
        shop.store._tabs[tab.merchant_id, tab.tab_id] = tab
        self.order: list[str] = []
        self.calls = 0
        self.pays_at: int | None = None
        deps = shop.deps
        self.deps = replace(
            deps,
            store=_Wrapped(deps.store, get_tab=self._step(deps.store.get_tab)),
            people=_Wrapped(deps.people, find_contact=self._step(deps.people.find_contact)),
            deliveries=_Wrapped(deps.deliveries, put=self._step(self._put)),
            mailer=_Wrapped(deps.mailer, send=self._step(self._send)),
        )

    def run(self, drawn: random.Random) -> list[str]:
        if drawn.random() < 0.9:
            self.pays_at = drawn.randint(1, 4)
            deliver(self.deps, self.message)
        else:
            start = Barrier(2)
            threads = [Thread(target=self._when(start, act)) for act in (self.pay, self._deliver)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        if "paid" not in self.order:
            self.pay()
        return self.order

    @staticmethod
    def _when(start: Barrier, act: Callable[[], None]) -> Callable[[], None]:
        def acting() -> None:
            start.wait()
            act()

        return acting

    def _deliver(self) -> None:
        deliver(self.deps, self.message)

    def _step(self, act: Callable[..., Any]) -> Callable[..., Any]:
        def stepping(*args: Any, **given: Any) -> Any:
            self.calls += 1
            if self.calls == self.pays_at:
                self.pay()
            return act(*args, **given)

        return stepping

    def pay(self) -> None:
        store = self.shop.store

        def commit(change: Any, **given: Any) -> Tab:
            with store.lock:
                done = store.commit(change, **given)
                self.order.append("paid")
                return done

        deps = replace(self.shop.deps, store=_Wrapped(store, commit=commit))
        take_cash(deps, self.tab.tab_id, 50_00, request=self.shop.request(self.shop.staff))

    def _put(self, delivery: Delivery, **given: Any) -> None:
        with self.shop.store.lock:
            self.shop.deps.deliveries.put(delivery, **given)
            if delivery.state == DeliveryState.CLAIMED:
                self.order.append("claimed")

    def _send(self, mail: Any) -> str:
        self.order.append("sent")
        return "mail_1"
