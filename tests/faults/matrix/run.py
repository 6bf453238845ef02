"""Plays one combination until nothing is left to do, and reports in words what is wrong."""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from chalicelib.domain.news.message import MessageKind
from chalicelib.domain.tab import agenda
from chalicelib.domain.tab.flag import FlagKind
from chalicelib.domain.tab.step import StepKind
from chalicelib.domain.tab.tab import Tab
from chalicelib.ports.store import TabStore
from chalicelib.usecases.tab.requests import RECORD_LIFETIME
from devstack.books import differences, money_of_app
from devstack.invariants import check_claims, check_credits, check_everything, check_split, check_tab
from tests import views
from tests.faults.matrix.stories import ASKS_3DS, BOTHERED, STORIES, End, Story
from tests.faults.matrix.table import DECLINES, OF_BANK, ON_SESSION, Aftershock, Cell, Order
from tests.faults.matrix.traps import BANK_SAYS, Below
from tests.faults.matrix.world import CLIENT_WAITS, World

ROUNDS = 80
"""So often the agenda may come up with something before it counts as restless."""
TRIES = 6
LATER = timedelta(minutes=5)
_DECLINED_CARDS = {
    "insufficient_funds": "pm_card_visa_chargeDeclinedInsufficientFunds",
    "lost_card": "pm_card_visa_chargeDeclinedLostCard",
    "expired_card": "pm_card_chargeDeclinedExpiredCard",
}


@dataclass(frozen=True, slots=True)
class Played:
    """What came of a combination: its problems in words, none is a pass, and the world as it was left."""

    problems: list[str]
    world: World


def play(cell: Cell, store: TabStore, aftershocks: Sequence[Aftershock] = (), *, below: Below | None = None) -> Played:
    """Play it to its end. Whatever the app raises past its edge is a problem as well. `below`: of a real store."""
    story = STORIES[cell.use]
    world = World(store, cell, story.operation, story.entry)
    world.trap.aftershocks = list(aftershocks)
    world.trap.below = below
    try:
        return Played(_play(world, story), world)
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        return Played([f"{type(error).__name__}: {error} ({place.name}, line {place.lineno})"], world)


def _play(world: World, story: Story) -> list[str]:
    story.prepare(world)
    player = Player(world, story)
    world.trap.arm(world.standin)
    player.act()
    problems = player.until_settled(is_last=story.after is None)
    world.trap.aftershocks.clear()
    if story.after is not None:
        problems += [f"once secured: {problem}" for problem in player.secured()]
        world.move_to(world.clock.now() + LATER)
        story.after(world)
        problems += player.until_settled(is_last=True)
    world.hear_of_yen()
    problems += player.repeated()
    end = story.end_of(world.cell)
    return [*problems, *_not_fired(world), *_wrong(world, end), *_wrong_messages(world, end)]


class Player:
    """The people of one story, who do their part again where it has not come through."""

    def __init__(self, world: World, story: Story) -> None:
        self._world = world
        self._story = story
        by = {"ada": world.ada, "staff": world.staff, "owner": world.owner}[story.by]
        self._request = world.request(by)
        self._by = by
        self._sent_at = world.clock.now()
        self._act = story.act(world) if story.act else None

    def act(self) -> None:
        world = self._world
        if self._act is None:
            world.sweep()
            self._use_phone()
            return
        # Whoever was not answered sends the same request again: at once where it was written down, unknown to them.
        for _ in range(TRIES):
            answer = world.send(self._act, self._request)
            if answer is None and world.trap.landed:
                answer = world.send(self._act, self._request)
            world.deliver()
            if answer is not None or world.trap.landed:
                break
            world.move_to(world.clock.now() + CLIENT_WAITS)
        self._use_phone()

    def until_settled(self, *, is_last: bool) -> list[str]:
        """The schedule runs whenever something is due, and the customer does what they are asked to."""
        world = self._world
        problems: list[str] = []
        for _ in range(ROUNDS):
            tab = world.tab
            shown, history = views.shown(tab, world.clock.now()), views.history(world.store, tab)
            problems += check_tab(shown, history) + check_claims(shown, world.objects())
            at = _next_at(tab)
            if at is None and self._wants_phone():
                at = world.clock.now() + CLIENT_WAITS
            if at is None or self._rests() or problems:
                break
            world.move_to(max(at, world.clock.now() + timedelta(seconds=1)))
            world.sweep()
            self._use_phone()
        else:
            problems.append(f"the agenda does not come to rest: {world.tab.next_action_at}")
        if is_last or world.cell.order != Order.REORDERED:
            # One piece of news alone can't be overtaken: it waits for the next.
            world.settle()
        return problems

    def secured(self) -> list[str]:
        """The deposit is held once, or, where the bank said no for good, as far as it was before."""
        world = self._world
        wanted = self._story.end_of(world.cell).secured_minor
        live = sum(hold.amount_minor for hold in world.tab.holds if hold.state == "live")
        at_stripe = sum(payment["amount_capturable"] for payment in world.objects().payments)
        return [] if live == at_stripe == wanted else [f"we hold {live}, Stripe {at_stripe}, wanted were {wanted}"]

    def repeated(self) -> list[str]:
        """The first request, sent again when all is over: answered, about the same attempt, and nothing moves.

        After a day its key is forgotten, and it would be a request of its own.
        """
        world = self._world
        if self._act is None or world.clock.now() >= self._sent_at + RECORD_LIFETIME:
            return []
        before = (world.tab.version, world.standin.log.total)
        if world.send(self._act, self._request) is None:
            return ["the request, repeated, was not answered"]
        moved = world.standin.log.total - before[1]
        return [f"the request, repeated, made {moved} calls"] if (world.tab.version, moved) != (before[0], 0) else []

    def _rests(self) -> bool:
        """A deposit that is secured waits for the service, which is not part of the story."""
        tab = self._world.tab
        if self._story.rests is not None:
            return self._story.rests(tab)
        if self._story.after is None or tab.status not in ("booked", "open") or tab.attempts:
            return False
        if tab.next_action_at is not None and tab.next_action_at <= self._world.clock.now():
            return False
        live = [hold for hold in tab.holds if hold.state == "live"]
        return (tab.deposit.state == "held" and len(live) == 1) or (
            tab.deposit.state == "failed" and tab.deposit.place_at is None
        )

    def _wants_phone(self) -> bool:
        tab = self._world.tab
        return self._story.wanted(tab) and not tab.attempts

    def _use_phone(self) -> None:
        """Confirm what waits; where nothing does and it is the customer's to pay, ask for it again."""
        world, cell = self._world, self._world.cell
        waiting = world.waiting()
        if waiting is None and self._act is not None and self._wants_phone():
            world.send(self._act, world.request(self._by))
            waiting = world.waiting()
        if waiting is None or waiting.attempt_id in world.paid_on_phone:
            return
        if cell.use in ON_SESSION and cell.fault in OF_BANK and not world.trap.fired:
            world.trap.fire()
            if cell.fault in DECLINES:
                assert world.confirm(waiting, _DECLINED_CARDS[BANK_SAYS[cell.fault]]) == "declined"
            else:
                world.confirm(waiting, ASKS_3DS, authenticates=False)
        status = world.confirm(waiting, ASKS_3DS)
        assert status in ("succeeded", "requires_capture", "gone"), status
        if status != "gone":
            world.paid_on_phone.add(waiting.attempt_id)
        world.deliver()


def _next_at(tab: Tab) -> datetime | None:
    """When something is next due; what becomes of credit, weeks and a year on, is not waited for."""
    later = (StepKind.TELL_CREDIT, StepKind.EXPIRE_CREDIT, StepKind.ASK_STORY)
    pending = [step.at for step in agenda.steps(tab) if step.kind not in later]
    return min(pending, default=None)


def _not_fired(world: World) -> Iterator[str]:
    """A combination in which nothing went wrong has shown nothing."""
    if not world.trap.has_fired:
        yield "the fault did not happen"
    deliveries = world.deliveries
    missed = {
        # An aftershock may take the only answer that a webhook could come before.
        Order.BEFORE: deliveries.before_an_answer == 0 and not world.trap.shaken,
        Order.TWICE: deliveries.twice == 0,
        Order.NEVER: deliveries.withheld == 0,
        Order.REORDERED: deliveries.turned_round == 0,
    }
    if missed.get(world.cell.order):
        yield f"no webhook came {world.cell.order}"


def _wrong(world: World, end: End) -> Iterator[str]:
    tab = world.tab
    shown, history = views.shown(tab, world.clock.now()), views.history(world.store, tab)
    yield from check_everything(shown, history, world.objects())
    yield from _wrong_split(world)
    yield from world.told.check(shown, history)
    yield from world.told.check_keys()
    if (tab.status, tab.payment_state, tab.balance_minor) != (end.status, end.payment_state, end.balance_minor):
        yield (
            f"it is {tab.status}/{tab.payment_state} with {tab.balance_minor} owed, "
            f"not {end.status}/{end.payment_state} with {end.balance_minor}"
        )
    yield from differences("the app", end.money, money_of_app(shown))
    yield from _wrong_credit(world, end)
    yield from _wrong_evidence(world)
    for flag in tab.flags:
        if flag.kind == FlagKind.OTHER_CURRENCY:
            # Of the foreign news, which is told in every combination.
            continue
        yield f"flagged: {flag.reason}"


def _wrong_split(world: World) -> Iterator[str]:
    """Bill and shares are one sum, and the bill knows what was paid."""
    if family := world.family():
        bill, *shares = (views.shown(tab, world.clock.now()) for tab in family)
        yield from check_split(bill, shares)
        told = [(share["paid_minor"], share["returned_minor"]) for share in bill["shares"]]
        true = [(share["paid_minor"] - share["tip_minor"], share["parent"]["returned_minor"]) for share in shares]
        if told != true:
            yield f"the bill knows {told} of its shares, and they have {true}"


def _wrong_evidence(world: World) -> Iterator[str]:
    """A dispute is called answered where Stripe has one answer to it, and nowhere else."""
    at_stripe = world.answers_at_stripe()
    for dispute in (one for leg in world.tab.legs for one in leg.disputes):
        answers = at_stripe[dispute.dispute_id]
        if answers != (dispute.submitted_at is not None):
            yield f"Stripe has {answers} answers to the dispute; for us it was answered at {dispute.submitted_at}"


def _wrong_credit(world: World, end: End) -> Iterator[str]:
    """The customer has what they should, each line of the statement has its entry, and nothing was spent twice."""
    account = world.store.find_credit_account(world.merchant_id, world.customer_id)
    if end.credit_minor is None or account is None:
        yield from ["the customer has credit, and should not"] * (account is not None)
        return
    if account.balance_minor != end.credit_minor:
        yield f"the customer has {account.balance_minor} of credit, not {end.credit_minor}"
    page = world.store.list_by_customer(world.merchant_id, world.customer_id, limit=9, cursor=None)
    tabs = [world.store.get_tab(world.merchant_id, line.tab_id) for line in page.items]
    histories = {tab.tab_id: views.history(world.store, tab) for tab in tabs}
    yield from check_credits([views.statement(world.store, account, world.clock.now())], histories)


def _wrong_messages(world: World, end: End) -> Iterator[str]:
    kinds = {message.kind for message in world.messages}
    for kind in sorted(end.messages - kinds):
        yield f"nobody was told: {kind}"
    unwanted = end.never if world.cell.fault in OF_BANK else (end.never | BOTHERED) - end.messages
    for kind in sorted(unwanted & kinds):
        yield f"somebody was told: {kind}"
    receipts = {m.message_id for m in world.messages if m.kind == MessageKind.RECEIPT}
    if len(receipts) > end.receipts:
        yield f"{len(receipts)} different receipts were sent"
