"""The operations that move money: the preparation, the request, and the required result as literals."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Any

from chalicelib.domain.news.message import MessageKind
from chalicelib.domain.tab.attempt import Operation
from chalicelib.domain.tab.commands.bill import ItemInput
from chalicelib.domain.tab.commands.booking import Terms
from chalicelib.domain.tab.commands.sharing import Parts
from chalicelib.domain.tab.promise import Consent
from chalicelib.domain.tab.share import USUAL_TIME
from chalicelib.domain.tab.tab import Tab
from chalicelib.domain.trust.evidence.fields import TextField
from chalicelib.domain.trust.terms import CreditTerms
from chalicelib.domain.trust.tiers import OutcomeTerms, Tier
from chalicelib.ports.deps import Deps
from chalicelib.usecases.tab.bill import accept_bill, add_items, adjust_bill, choose_tier, complete_service, waive
from chalicelib.usecases.tab.booking import Agreement, accept_promise, cancel_tab, check_in, mark_no_show, open_tab
from chalicelib.usecases.tab.payment import give_tip, pay_on_phone
from chalicelib.usecases.tab.refund import refund_tab, retry_refund
from chalicelib.usecases.tab.requests import Answer, Request
from chalicelib.usecases.tab.split import unsplit_bill
from chalicelib.usecases.trust.evidence import get_evidence, put_additions, submit
from devstack.books import Money
from tests.faults.matrix.table import DECLINED_FOR_GOOD, DECLINES, Cell, Fault, Use
from tests.faults.matrix.traps import Lane
from tests.faults.matrix.world import World

EVERYTHING = tuple(Consent)
TIERS = tuple(Tier(percent=percent, measure=f"it holds for {percent} days") for percent in (100, 80, 50))
ASKS_3DS = "pm_card_threeDSecure2Required"
"""Two events of one payment: the bank's question, and the payment."""

Act = Callable[[Deps, Request], Answer]


@dataclass(frozen=True, slots=True)
class End:
    """What the customer, the business and Stripe must find. `messages`: the kinds that must have been sent.

    `never`: those that must not have been. `balance_minor`: what is still owed. `secured_minor`: what is held when
    the deposit has come to rest, in a story about one. `receipts`: how many different ones, at most. `credit_minor`:
    what the customer has of credit, pending included; None: the story has none.
    """

    status: str
    payment_state: str
    money: Money
    balance_minor: int = 0
    messages: frozenset[MessageKind] = frozenset()
    never: frozenset[MessageKind] = frozenset()
    secured_minor: int = 2000
    receipts: int = 1
    credit_minor: int | None = None


@dataclass(frozen=True, slots=True)
class Story:
    """`operation`: the attempt that the fault is about; `entry`: what is written, where it is about a write alone.
    `prepare` brings the tab to it; `act` is the request that does it, by `by`; None: the schedule does, at the instant
    that `prepare` has left the agenda at.

    `good`: how it ends. `declined`: how where the bank says no for good. `after`: what the business does once all is
    settled, so that nothing is left to come; `rests`: when that is, where it is not about a deposit. `gives_up`: the
    declines after which nobody tries again. `wanted`: whether the customer is still to confirm something on the phone
    that they have asked for.
    """

    operation: Operation
    prepare: Callable[[World], None]
    good: End
    act: Callable[[World], Act] | None = None
    by: str = "ada"
    declined: End | None = None
    after: Callable[[World], None] | None = None
    gives_up: frozenset[Fault] = DECLINED_FOR_GOOD
    wanted: Callable[[Tab], bool] = lambda tab: False
    entry: str | None = None
    rests: Callable[[Tab], bool] | None = None

    def end_of(self, cell: Cell) -> End:
        return self.declined if cell.fault in self.gives_up and self.declined is not None else self.good


# How they are come to


def open_for(world: World, *, hours_ahead: float | None, consents: tuple[Consent, ...] | None, **terms: Any) -> None:
    """A tab of the shop's customer, accepted with these consents."""
    starts_at = None if hours_ahead is None else world.in_(hours=hours_ahead)
    given = Terms(
        **{
            "title": "Colour and cut",
            "expected_outcome": "The colour we agreed on",
            "estimate_minor": 7500,
            "cap_minor": 9500,
            "starts_at": starts_at,
            **terms,
        }
    )
    request = world.request(world.staff)
    world.tab_id = open_tab(world.deps(Lane.REQUEST), world.customer_id, given, request=request).tab.tab_id
    if consents is not None:
        world.do(accept_promise, agreement(world.tab, consents), by=world.ada)


def agreement(tab: Tab, consents: tuple[Consent, ...]) -> Agreement:
    return Agreement(
        promise_sha256=tab.promise.sha256,
        consents=consents,
        card_terms_sha256="0" * 64 if Consent.CARD_ON_FILE in consents else None,
        ip="192.0.2.1",
        user_agent="phone",
    )


DEPOSIT = {"deposit_minor": 2000, "no_show_fee_minor": 1500, "late_cancel_fee_minor": 1000}


def booked_with_card(world: World, **policy: Any) -> None:
    """In five days, with a card saved; its deposit is to be held two days before."""
    world.open_shop(**policy)
    open_for(world, hours_ahead=120, consents=EVERYTHING, **DEPOSIT)
    world.save_card()
    world.move_to(world.tab.next_action_at)  # type: ignore[arg-type]


def held(world: World, **policy: Any) -> None:
    booked_with_card(world, **policy)
    world.sweep()
    assert world.tab.held_minor == 2000


def billed(world: World, amount_minor: int, **policy: Any) -> None:
    """The service is over, its bill under review, and a deposit of 20.00 is held."""
    held(world, **policy)
    assert world.tab.starts_at is not None
    world.move_to(world.tab.starts_at)
    world.do(check_in, by=world.staff)
    present(world, amount_minor)


def present(world: World, amount_minor: int) -> None:
    item = ItemInput(description="Colour and cut", unit_price_minor=amount_minor)
    world.do(add_items, [item], by=world.staff)
    world.do(complete_service, by=world.staff)


def walk_in(world: World) -> None:
    """A bill of 45.00, and nothing agreed to but the cap."""
    world.open_shop()
    open_for(world, hours_ahead=None, consents=(Consent.CAP,))
    present(world, 4500)


def walk_in_of_nobody(world: World) -> None:
    """The same, and the customer was deleted in Stripe's dashboard, which we have not heard of."""
    walk_in(world)
    world.delete_customer()


def paid_by_card(world: World) -> None:
    """A bill of 60.00, charged to a saved card."""
    world.open_shop()
    open_for(world, hours_ahead=None, consents=EVERYTHING)
    world.save_card()
    present(world, 6000)
    world.do(accept_bill, 0, by=world.ada)
    world.deliver()
    assert (world.tab.status, world.tab.paid_minor) == ("closed", 6000)


def with_credit(world: World) -> None:
    """A visit two weeks ago has earned 6.00; of today's, 45.00 are on the bill."""
    world.open_shop(credits=CreditTerms(rate_basis_points=1000))
    open_for(world, hours_ahead=None, consents=EVERYTHING)
    world.save_card()
    present(world, 6000)
    world.do(accept_bill, 0, by=world.ada)
    world.deliver()
    assert (world.tab.status, world.credit_minor()) == ("closed", 600)
    world.move_to(world.in_(days=14))
    open_for(world, hours_ahead=None, consents=EVERYTHING)
    assert world.tab.card is not None
    present(world, 4500)


def paid_with_credit(world: World) -> None:
    """6.00 with credit and 39.00 by card, which have earned 3.90."""
    with_credit(world)
    world.do(partial(accept_bill, credit_minor=600), 0, by=world.ada)
    world.deliver()
    assert (world.tab.status, world.credit_minor()) == ("closed", 390)


def partly_lost(world: World) -> None:
    """Of a bill of 75.00 that was paid by hold and card, the customer's bank has taken 25.00 for good."""
    paid_by_hold_and_card(world)
    world.lose(2500)
    heard = [dispute.withdrawn_minor for leg in world.tab.legs for dispute in leg.disputes]
    assert heard == [2500], "a dispute is heard of, whatever its event leaves null"


def disputed(world: World) -> None:
    """A bill of 60.00 was paid by card, and the bank asks; the owner's words make it decide at once."""
    paid_by_card(world)
    world.dispute()
    texts = {TextField.UNCATEGORIZED_TEXT: "winning_evidence"}
    request = world.request(world.owner)
    put_additions(world.deps(Lane.REQUEST), world.tab_id, dispute_id(world), texts, {}, request=request)


def dispute_id(world: World) -> str:
    (found,) = [dispute for leg in world.tab.legs for dispute in leg.disputes]
    return found.dispute_id


def answers_bank(world: World) -> Act:
    read = get_evidence(world.deps(Lane.REQUEST), world.tab_id, dispute_id(world), by=world.owner).pack
    assert read is not None, "it is a draft"
    return lambda deps, request: submit(deps, world.tab_id, dispute_id(world), read.sha256, request=request)


def refund_failed(world: World) -> None:
    """A bill of 75.00, paid by hold and card, is owed back whole, and the bank has sent both refunds back."""
    paid_by_hold_and_card(world)
    world.do(refund_tab, None, "it was very cold", by=world.staff)
    world.refunds_fail()
    assert world.tab.refund_by_hand_minor == 7500


def deposit_is_asked_for(world: World) -> None:
    """Tomorrow, so that the hold is confirmed on the phone now."""
    world.open_shop()
    open_for(world, hours_ahead=24, consents=None, **DEPOSIT)


def late_without_a_hold(world: World) -> None:
    """In 29 hours, past the cut-off, with a card saved and its deposit not held yet."""
    world.open_shop(hold_ahead_s=12 * 3600)
    open_for(world, hours_ahead=30, consents=EVERYTHING, **DEPOSIT)
    world.save_card()
    # Cancelling is free for an hour after the acceptance.
    world.move_to(world.clock.now() + timedelta(minutes=61))


def silent(world: World) -> None:
    """The customer has said nothing until the window is about to end."""
    billed(world, 7500)
    world.tell_of_bill()
    assert world.tab.review_ends_at is not None
    world.move_to(world.tab.review_ends_at)


def about_to_pay(world: World) -> None:
    """A bill of 45.00, and its customer has the payment of all of it open on the phone."""
    walk_in(world)
    world.do(pay_on_phone, by=world.ada)


def split_and_about_to_pay(world: World) -> None:
    """Of a bill of 45.00 others have links to 30.00, and the host has the payment of the rest open on the phone."""
    walk_in(world)
    world.split(Parts(amounts_minor=(2000, 1000)))
    world.do(pay_on_phone, by=world.ada)


def split_in_two(world: World) -> None:
    """A bill of 45.00 is split, and one of the two opens the link of a share of 22.50."""
    walk_in(world)
    world.split(Parts(equally=2))
    world.show_share(0)


def shares_came_back(world: World) -> None:
    """Of a bill of 60.00 the host has paid 30.00; the others have not paid their 20.00 and 10.00 in time."""
    world.open_shop()
    open_for(world, hours_ahead=None, consents=EVERYTHING)
    world.save_card()
    present(world, 6000)
    world.split(Parts(amounts_minor=(2000, 1000)))
    world.do(accept_bill, 0, by=world.ada)
    world.deliver()
    world.move_to(world.clock.now() + USUAL_TIME)
    world.sweep()
    assert (world.tab.paid_minor, world.tab.balance_minor) == (3000, 3000)
    world.move_to(world.tab.next_action_at)  # type: ignore[arg-type]


def silent_without_a_card(world: World) -> None:
    """The same, and the card was detached in Stripe's dashboard, which we have not heard of."""
    silent(world)
    world.detach_card()


def hold_is_old(world: World) -> None:
    """The service has begun and goes on for longer than its hold lasts."""
    held(world)
    assert world.tab.starts_at is not None
    world.move_to(world.tab.starts_at)
    world.do(check_in, by=world.staff)
    world.move_to(world.tab.next_action_at)  # type: ignore[arg-type]


def long_review(world: World) -> None:
    """The hold is about to expire, and the customer has nine days to look at the bill."""
    billed(world, 7500, review_window_s=9 * 24 * 3600)
    world.move_to(world.tab.next_action_at)  # type: ignore[arg-type]


def taken_at_the_price_of_silence(world: World) -> None:
    """Of a bill of 25.00 the hold that was about to end has paid 80 %; the customer has not said how it turned out."""
    booked_with_card(world, review_window_s=9 * 24 * 3600, outcome_tiers=OutcomeTerms(tiers=TIERS, silence_percent=80))
    world.sweep()
    assert world.tab.starts_at is not None
    world.move_to(world.tab.starts_at)
    world.do(check_in, by=world.staff)
    present(world, 2500)
    world.tell_of_bill()
    world.move_to(world.tab.next_action_at)  # type: ignore[arg-type]
    world.sweep()
    world.deliver()
    assert (world.tab.status, world.tab.paid_minor) == ("in_review", 2000)


def paid_by_hold_and_card(world: World) -> None:
    billed(world, 7500)
    world.do(accept_bill, 0, by=world.ada)
    world.deliver()
    assert (world.tab.status, world.tab.paid_minor) == ("closed", 7500)


def fee_is_taken(world: World) -> None:
    fee_is_announced(world)
    world.sweep()
    world.deliver()
    assert (world.tab.status, world.tab.paid_minor) == ("no_show", 1500)


def fee_is_announced(world: World) -> None:
    """Nobody came, and the day until the fee is taken has passed."""
    held(world)
    assert world.tab.starts_at is not None
    world.move_to(world.tab.starts_at + timedelta(minutes=20))
    world.do(mark_no_show, by=world.staff)
    assert world.tab.fee is not None
    assert world.tab.fee.take_at is not None
    world.move_to(world.tab.fee.take_at)


# What is done


def accepts_promise(world: World) -> Act:
    agreed = agreement(world.tab, (Consent.CAP, Consent.DEPOSIT_AND_FEES))
    return lambda deps, request: accept_promise(deps, world.tab_id, agreed, request=request)


def accepts_bill(world: World) -> Act:
    return lambda deps, request: accept_bill(deps, world.tab_id, 0, request=request)


def spends_credit(world: World) -> Act:
    return lambda deps, request: accept_bill(deps, world.tab_id, 0, credit_minor=600, request=request)


def gives_back_a_third(world: World) -> Act:
    return lambda deps, request: refund_tab(deps, world.tab_id, 1500, "it was cold", request=request)


def cancels(world: World) -> Act:
    return lambda deps, request: cancel_tab(deps, world.tab_id, "something came up", request=request)


def splits(world: World) -> Act:
    return world.splitting(Parts(equally=2))


def takes_split_back(world: World) -> Act:
    return lambda deps, request: unsplit_bill(deps, world.tab_id, request=request)


def pays(world: World) -> Act:
    return lambda deps, request: pay_on_phone(deps, world.tab_id, request=request)


def gives_back(world: World) -> Act:
    return lambda deps, request: refund_tab(deps, world.tab_id, 2500, "it was cold", request=request)


def chooses_half(world: World) -> Act:
    return lambda deps, request: choose_tier(deps, world.tab_id, 50, request=request)


def gives_back_most(world: World) -> Act:
    return lambda deps, request: refund_tab(deps, world.tab_id, 6000, "it was very cold", request=request)


def lowers_to_nothing(world: World) -> Act:
    return lambda deps, request: adjust_bill(deps, world.tab_id, 7500, "all wrong", request=request)


def tries_again(world: World) -> Act:
    return lambda deps, request: retry_refund(deps, world.tab_id, request=request)


def forgives_fee(world: World) -> Act:
    return lambda deps, request: waive(deps, world.tab_id, "the train was late", request=request)


def tips(world: World) -> Act:
    return lambda deps, request: give_tip(deps, world.tab_id, 500, request=request)


def business_cancels(world: World) -> None:
    """Free for the customer: whatever is held is let go."""
    world.do(cancel_tab, "we are closed that day", by=world.staff)


def pays_now(world: World) -> None:
    """The customer pays what is on the tab by now."""
    world.do(pay_on_phone, by=world.ada)
    waiting = world.waiting()
    assert waiting is not None, "a payment that was asked for waits"
    assert world.confirm(waiting, "pm_card_visa") == "succeeded"
    world.deliver()


def friend_pays(world: World) -> None:
    """One of the two opens the link of their share and pays it."""
    world.show_share(0)
    pays_now(world)


# How it ends

K = MessageKind
BOTHERED = frozenset({K.CARD_DECLINED, K.REMINDER, K.CONFIRMATION_NEEDED, K.COLLECTION_ENDED, K.DEPOSIT_FAILED})
"""What nobody is to hear of where no bank has said anything."""
PAID = frozenset({K.RECEIPT})
LET_GO = End("closed", "none", Money(held=2000, released=2000))
OWED = frozenset({K.CARD_DECLINED, K.REMINDER, K.COLLECTION_ENDED})
BOTH_LEGS = End("closed", "paid", Money(held=2000, captured=2000, charged=5500), messages=PAID)
DEPOSIT_ONLY = End("due", "partly_paid", Money(held=2000, captured=2000), balance_minor=5500, messages=OWED, never=PAID)

STORIES: Mapping[Use, Story] = {
    Use.HOLD: Story(
        Operation.PLACE_HOLD,
        deposit_is_asked_for,
        LET_GO,
        accepts_promise,
        after=business_cancels,
        wanted=lambda tab: tab.status == "booked" and not tab.holds,
    ),
    Use.CAPTURE: Story(
        Operation.CAPTURE,
        lambda world: billed(world, 1500),
        End("closed", "paid", Money(held=2000, captured=1500, released=500), messages=PAID),
        accepts_bill,
    ),
    Use.RELEASE: Story(Operation.RELEASE, held, LET_GO, cancels, by="staff"),
    Use.OFF_SESSION_CHARGE: Story(
        Operation.CHARGE, lambda world: billed(world, 7500), BOTH_LEGS, accepts_bill, declined=DEPOSIT_ONLY
    ),
    Use.ON_SESSION_CHARGE: Story(
        Operation.CHARGE,
        walk_in,
        End("closed", "paid", Money(charged=4500), messages=PAID),
        pays,
        wanted=lambda tab: tab.balance_minor > 0,
    ),
    Use.PAGE_CHARGE: Story(
        Operation.CHARGE,
        walk_in,
        End("closed", "paid", Money(charged=4500), messages=PAID),
        pays,
        wanted=lambda tab: tab.balance_minor > 0,
    ),
    Use.PAGE_HOLD: Story(
        Operation.PLACE_HOLD,
        deposit_is_asked_for,
        LET_GO,
        accepts_promise,
        after=business_cancels,
        wanted=lambda tab: tab.status == "booked" and not tab.holds,
    ),
    Use.CUSTOMER_GONE: Story(
        Operation.CHARGE,
        walk_in_of_nobody,
        End("closed", "paid", Money(charged=4500), messages=PAID),
        pays,
        wanted=lambda tab: tab.balance_minor > 0,
    ),
    Use.REFUND: Story(
        Operation.REFUND,
        paid_by_card,
        End("closed", "paid", Money(charged=6000, refunded=2500), messages=PAID),
        gives_back,
        by="staff",
    ),
    Use.NO_SHOW: Story(
        Operation.CAPTURE,
        fee_is_announced,
        End("closed", "paid", Money(held=2000, captured=1500, released=500), messages=PAID | {K.NO_SHOW}),
    ),
    Use.LATE_CANCEL: Story(
        Operation.CHARGE,
        late_without_a_hold,
        End("closed", "paid", Money(charged=1000), messages=PAID),
        cancels,
        declined=End("canceled", "owed", Money(), balance_minor=1000, messages=OWED, never=PAID),
    ),
    Use.HOLD_PLACEMENT: Story(
        Operation.PLACE_HOLD,
        booked_with_card,
        LET_GO,
        declined=End("closed", "none", Money(), messages=frozenset({K.DEPOSIT_FAILED}), secured_minor=0),
        after=business_cancels,
    ),
    Use.AUTOMATIC_CHARGE: Story(Operation.CHARGE, silent, BOTH_LEGS, declined=DEPOSIT_ONLY),
    Use.CARD_GONE: Story(
        Operation.CHARGE,
        silent_without_a_card,
        # That the card is gone is said at most once, so it is not asked for here; a bank has declined nothing.
        replace(DEPOSIT_ONLY, messages=OWED - {K.CARD_DECLINED}, never=PAID | {K.CARD_DECLINED}),
    ),
    Use.HOLD_RENEWAL: Story(
        Operation.PLACE_HOLD,
        hold_is_old,
        End("closed", "none", Money(held=4000, released=4000)),
        declined=replace(LET_GO, messages=frozenset({K.HOLD_ENDS})),
        gives_up=DECLINES,
        after=business_cancels,
    ),
    Use.HOLD_EXPIRING: Story(Operation.CAPTURE, long_review, BOTH_LEGS),
    Use.CHARGE_FIRST: Story(
        Operation.CHARGE,
        lambda world: billed(world, 2030),
        End("closed", "paid", Money(held=2000, captured=1980, released=20, charged=50), messages=PAID),
        accepts_bill,
        declined=End(
            "due",
            "partly_paid",
            Money(held=2000, captured=2000),
            balance_minor=30,
            messages=frozenset({K.CARD_DECLINED, K.REMINDER}),
            never=PAID,
        ),
        gives_up=DECLINES,
    ),
    Use.TIP: Story(
        Operation.CHARGE,
        paid_by_card,
        End("closed", "paid", Money(charged=6500), messages=PAID, receipts=2),
        tips,
        wanted=lambda tab: tab.tip_minor == 0,
    ),
    Use.REFUND_OF_TWO: Story(
        Operation.REFUND,
        paid_by_hold_and_card,
        End("closed", "paid", Money(held=2000, captured=2000, charged=5500, refunded=6000), messages=PAID),
        gives_back_most,
        by="staff",
    ),
    Use.REFUND_BESIDE_LOSS: Story(
        Operation.REFUND,
        partly_lost,
        End("closed", "none", Money(held=2000, captured=2000, charged=5500, refunded=5000)),
        lowers_to_nothing,
        by="staff",
    ),
    Use.REFUND_RETRIED: Story(
        Operation.REFUND,
        refund_failed,
        End("closed", "none", Money(held=2000, captured=2000, charged=5500, refunded=7500)),
        tries_again,
        by="owner",
    ),
    Use.SPLIT: Story(
        Operation.CHARGE,
        about_to_pay,
        End("closed", "paid", Money(charged=2250), messages=PAID, secured_minor=0),
        splits,
        after=friend_pays,
        rests=lambda tab: len(tab.open_shares) == 2 and not tab.attempts,
        entry="split",
    ),
    Use.UNSPLIT: Story(
        Operation.CHARGE,
        split_and_about_to_pay,
        End("closed", "paid", Money(charged=4500), messages=PAID, secured_minor=0),
        takes_split_back,
        after=pays_now,
        rests=lambda tab: not tab.open_shares and not tab.attempts,
        entry="unsplit",
    ),
    Use.SHARE_CHARGE: Story(
        Operation.CHARGE,
        split_in_two,
        End("closed", "paid", Money(charged=2250), messages=PAID),
        pays,
        wanted=lambda tab: tab.balance_minor > 0,
    ),
    Use.SHARE_RETURNED: Story(
        Operation.CHARGE,
        shares_came_back,
        End("closed", "paid", Money(charged=6000), messages=PAID | {K.SHARE_RETURNED}, receipts=2),
        declined=End("due", "partly_paid", Money(charged=3000), balance_minor=3000, messages=OWED),
    ),
    Use.CREDIT_SPENT: Story(
        Operation.CHARGE,
        with_credit,
        End("closed", "paid", Money(charged=3900), messages=PAID, credit_minor=390),
        spends_credit,
        declined=End("due", "partly_paid", Money(), balance_minor=3900, messages=OWED, never=PAID, credit_minor=0),
    ),
    Use.CREDIT_REVERSED: Story(
        Operation.REFUND,
        paid_with_credit,
        # A third of 6.00 is credit again, a third of what was earned is taken back.
        End("closed", "paid", Money(charged=3900, refunded=1300), messages=PAID, credit_minor=460),
        gives_back_a_third,
        by="staff",
    ),
    Use.LOWER_TIER: Story(
        Operation.REFUND,
        taken_at_the_price_of_silence,
        End("closed", "paid", Money(held=2000, captured=2000, refunded=750), messages=PAID | {K.REFUND, K.TIER_CHOSEN}),
        chooses_half,
    ),
    Use.EVIDENCE: Story(
        Operation.SUBMIT_EVIDENCE,
        disputed,
        End(
            "closed",
            "paid",
            Money(charged=6000),
            messages=PAID | {K.DISPUTED, K.DISPUTE_CLOSED},
            never=frozenset({K.EVIDENCE_DUE}),
        ),
        answers_bank,
        by="owner",
    ),
    Use.WAIVED_FEE: Story(
        Operation.REFUND,
        fee_is_taken,
        # No receipt: the fee may be waived before the sweep that would have sent it.
        End("closed", "none", Money(held=2000, captured=1500, released=500, refunded=1500)),
        forgives_fee,
        by="staff",
    ),
}
