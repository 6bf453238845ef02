"""A split bill on fakes: shares are paid, tipped, contested, come back, and are taken back; with crashes and races."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from threading import RLock
from typing import Any

import pytest
from msgspec.structs import replace

from chalicelib.domain.books.ledger import Account
from chalicelib.domain.errors import (
    DomainError,
    ExposureExceeded,
    InvalidInput,
    NotFound,
    PaymentInProgress,
    TransitionRefused,
)
from chalicelib.domain.news.message import MessageKind
from chalicelib.domain.tab.actor import Actor
from chalicelib.domain.tab.commands.sharing import Parts
from chalicelib.domain.tab.draft import Change
from chalicelib.domain.tab.policy import Policy, Resolution
from chalicelib.domain.tab.share import USUAL_TIME
from chalicelib.domain.tab.status import PaymentState, Status
from chalicelib.domain.tab.tab import Outcome as TabOutcome
from chalicelib.domain.tab.tab import Tab
from chalicelib.ports.store import TabSummary
from chalicelib.usecases.books.receivables import receivables
from chalicelib.usecases.links.admit import admit
from chalicelib.usecases.tab.advance_tab import advance_tab
from chalicelib.usecases.tab.bill import adjust_bill, contest_bill, resolve_contest, waive
from chalicelib.usecases.tab.followup import send_reminder
from chalicelib.usecases.tab.payment import give_tip, pay_on_phone, take_cash
from chalicelib.usecases.tab.read_page import Outcome, find_outcome
from chalicelib.usecases.tab.read_tabs import get_tab
from chalicelib.usecases.tab.refund import refund_tab
from chalicelib.usecases.tab.split import Split, split_bill, unsplit_bill
from devstack.invariants import check_everything, check_split, check_tab
from tests import views
from tests.usecases.fake_gateway import CardBehaviour, Crash, FakeGateway
from tests.usecases.shop import EVERYTHING, WITHOUT_CARD, Shop, payer_of


def billed(price_minor: int = 50_00, *consents: Any) -> Shop:
    return Shop().open(*(consents or WITHOUT_CARD)).serve(price_minor)


def split(shop: Shop, time: timedelta = USUAL_TIME, *, by: Actor | None = None, **way: Any) -> Split:
    parts = Parts(**(way or {"equally": 3}))
    return split_bill(
        shop.deps, shop.tab_id, parts, time, credential="Ada's token", request=shop.request(by or shop.ada)
    )


def guest(shop: Shop, tab_id: str) -> Actor:
    """Whoever has the link of this share."""
    return payer_of(shop.store.get_tab(shop.merchant_id, tab_id))


def pay(shop: Shop, tab_id: str, tip_minor: int = 0) -> None:
    """On the phone, confirmed at once; the webhook comes."""
    answer = pay_on_phone(shop.deps, tab_id, tip_minor, request=shop.request(guest(shop, tab_id)))
    assert answer.attempt is not None
    shop.gateway.confirm(answer.attempt.client_secret.removesuffix("_secret"))  # type: ignore[union-attr]
    shop.deliver_all()


def shares_of(shop: Shop) -> list[Tab]:
    """All shares that were ever made of the tab."""
    tabs = [shop.store.get_tab(due_id[0], due_id[1]) for due_id in shop.store._tabs]
    return [tab for tab in tabs if tab.parent and tab.parent.tab_id == shop.tab_id]


def check(shop: Shop, *, at_rest: bool = False) -> None:
    """The invariants of the parent, of each share, and of all together."""
    now = shop.clock.now()
    family = [shop.tab, *shares_of(shop)]
    shown = [views.shown(tab, now) for tab in family]
    problems = check_split(shown[0], shown[1:])
    for tab, view in zip(family, shown, strict=True):
        history = views.history(shop.store, tab)
        if at_rest:
            problems += check_everything(view, history, shop.gateway.objects(tab.tab_id))
        else:
            problems += check_tab(view, history)
    assert not problems, "; ".join(problems)


def states(shop: Shop) -> list[str]:
    return [share.state for share in shop.tab.shares]


def test_the_shares_are_paid_and_the_bill_is_closed() -> None:
    """Each pays theirs, one with a tip; the host sees who has, and the bill closes with the last of them."""
    shop = billed(50_00)
    made = split(shop)
    assert [share.amount_minor for share in made.shares] == [16_68, 16_66, 16_66]

    pay(shop, made.shares[0].tab_id)
    pay(shop, made.shares[1].tab_id, tip_minor=2_00)

    assert states(shop) == ["paid", "paid", "open"]
    assert shop.tab.status == Status.IN_REVIEW
    check(shop)
    take_cash(shop.deps, made.shares[2].tab_id, 16_66, request=shop.request(shop.staff))
    assert (states(shop), shop.tab.status, shop.tab.outcome) == (["paid"] * 3, Status.CLOSED, TabOutcome.FULFILLED)
    assert sum(payment.kept_minor for payment in shop.gateway.payments.values()) == 16_68 + 16_66 + 2_00
    assert [kind for kind in shop.kinds() if "share" in kind or kind == "split"] == ["split", *["share_paid"] * 3]
    check(shop, at_rest=True)


def test_each_link_opens_its_share_only() -> None:
    """The secrets of the answer are the keys; a repetition makes nothing, and tells them again."""
    shop = billed()
    request = shop.request(shop.ada)
    parts = Parts(equally=2)

    made = split_bill(shop.deps, shop.tab_id, parts, USUAL_TIME, credential="hers", request=request)
    again = split_bill(shop.deps, shop.tab_id, parts, USUAL_TIME, credential="hers", request=request)

    for share in made.shares:
        assert share.secret is not None
        payer = admit(shop.deps, share.secret).guest
        assert payer == guest(shop, share.tab_id)
        with pytest.raises(NotFound):
            get_tab(shop.deps, shop.tab_id, by=payer)
    assert (again.shares, again.replayed) == (made.shares, True)
    assert len(shares_of(shop)) == 2


def test_the_secrets_are_for_whoever_has_split_the_bill() -> None:
    """With another credential, as after signing in anew, a repetition tells the shares and no secret of them."""
    shop = billed()
    request, parts = shop.request(shop.ada), Parts(equally=2)
    made = split_bill(shop.deps, shop.tab_id, parts, USUAL_TIME, credential="hers", request=request)

    again = split_bill(shop.deps, shop.tab_id, parts, USUAL_TIME, credential="another", request=request)

    assert [(share.tab_id, share.secret) for share in again.shares] == [(s.tab_id, None) for s in made.shares]


def test_a_repeated_split_is_answered_with_its_own_shares() -> None:
    """Also where the card was tried again for the rest with it, and the bill was split anew since."""
    shop = billed(60_00, *EVERYTHING)
    shop.gateway.cards["pm_1"] = CardBehaviour.NO_MONEY
    shop.accept_bill()
    shop.clock.instant += timedelta(days=2)
    request, parts = shop.request(shop.ada), Parts(amounts_minor=(20_00, 10_00))
    made = split_bill(shop.deps, shop.tab_id, parts, USUAL_TIME, credential="hers", request=request)
    assert [attempt.amount_minor for _, attempt in shop.gateway.asked] == [60_00, 30_00]
    unsplit_bill(shop.deps, shop.tab_id, request=shop.request(shop.ada))
    split(shop, equally=3)

    again = split_bill(shop.deps, shop.tab_id, parts, USUAL_TIME, credential="hers", request=request)

    assert again.shares == made.shares
    check(shop)


def test_what_is_not_paid_in_its_time_is_the_hosts_again() -> None:
    """After a day the agenda gives it back, whole or the rest of it; the host is asked for it as for any bill."""
    shop = billed(60_00)
    made = split(shop)
    pay(shop, made.shares[0].tab_id)
    take_cash(shop.deps, made.shares[1].tab_id, 5_00, request=shop.request(shop.staff))

    shop.wait(hours=23)
    assert shop.tab.balance_minor == 0
    shop.wait(hours=1, minutes=1)

    assert (states(shop), shop.tab.balance_minor) == (["paid", "paid", "returned"], 35_00)
    assert shop.kinds().count("share_returned") == 2
    check(shop)
    pay_on_phone(shop.deps, shop.tab_id, request=shop.request(shop.ada))
    shop.gateway.confirm(next(reversed(shop.gateway.payments)))
    shop.deliver_all()
    assert (shop.tab.status, shop.tab.payment_state) == (Status.CLOSED, PaymentState.PAID)
    check(shop, at_rest=True)


def test_what_comes_back_is_taken_as_the_host_has_agreed() -> None:
    """With a card and the consent to be charged, by one charge for both; the host is told before."""
    shop = billed(60_00, *EVERYTHING)
    split(shop, amounts_minor=(20_00, 10_00))
    shop.accept_bill()
    assert shop.tab.paid_minor == 30_00
    shop.give_addresses()

    shop.wait(hours=24, minutes=1)
    assert (shop.tab.paid_minor, shop.tab.balance_minor) == (30_00, 30_00)
    shop.wait(minutes=6)
    assert [mail.subject for mail in shop.mails.sent].count(MessageKind.SHARE_RETURNED) == 1
    shop.wait(minutes=6)

    assert [attempt.amount_minor for _, attempt in shop.gateway.asked] == [30_00, 30_00]
    assert (shop.tab.paid_minor, shop.tab.status) == (60_00, Status.CLOSED)
    shop.deliver_all()
    check(shop, at_rest=True)


def test_a_declined_card_is_not_tried_anew_for_each_share_that_comes_back() -> None:
    """Six come back in the same minute: one try, and the next when the bank advised it, of all that is owed."""
    shop = billed(60_00, *EVERYTHING)
    split(shop, equally=6)
    shop.accept_bill()
    shop.gateway.cards["pm_1"] = CardBehaviour.NO_MONEY

    shop.wait(hours=24, minutes=1)
    shop.wait(minutes=11)
    assert [attempt.amount_minor for _, attempt in shop.gateway.asked] == [60_00]
    assert (shop.tab.balance_minor, shop.tab.followup.tries) == (60_00, 1)
    assert shop.tab.followup.next_try_at is not None
    for _ in range(20):
        shop.wait(hours=24)

    assert [attempt.amount_minor for _, attempt in shop.gateway.asked] == [60_00, 60_00, 60_00, 60_00]
    check(shop)


def test_a_share_that_is_being_paid_does_not_go_back() -> None:
    """Its time is over while the payer types: the payment counts. One that is left alone ends after half an hour."""
    shop = billed(60_00)
    first, second = split(shop, equally=2).shares
    shop.wait(hours=23, minutes=50)
    payments = [
        pay_on_phone(shop.deps, share.tab_id, request=shop.request(guest(shop, share.tab_id)))
        for share in (first, second)
    ]
    shop.wait(minutes=15)
    assert states(shop) == ["open", "open"]

    shop.gateway.confirm(payments[0].attempt.client_secret.removesuffix("_secret"))  # type: ignore[union-attr]
    shop.deliver_all()
    shop.wait(minutes=30)

    assert (states(shop), shop.tab.balance_minor) == (["paid", "returned"], 30_00)
    check(shop)


def test_a_payment_that_arrives_after_all_is_refunded() -> None:
    """The share is back at the host, and its payer's money must not pay it a second time."""
    shop = billed(60_00)
    share = split(shop, equally=2).shares[0]
    answer = pay_on_phone(shop.deps, share.tab_id, request=shop.request(guest(shop, share.tab_id)))
    shop.wait(hours=25)
    assert states(shop) == ["returned", "returned"]

    payment = shop.gateway.payments[answer.attempt.client_secret.removesuffix("_secret")]  # type: ignore[union-attr]
    payment.state = "waiting"
    shop.gateway.confirm(payment.payment_id)
    shop.deliver_all()
    shop.wait(minutes=5)

    assert (payment.kept_minor, shop.tab.balance_minor) == (0, 60_00)
    check(shop)


def test_taking_the_split_back() -> None:
    """While nothing was paid: everything is owed on the tab again, nothing on the shares, and they are closed."""
    shop = billed(50_00)
    made = split(shop)

    unsplit_bill(shop.deps, shop.tab_id, request=shop.request(shop.staff))

    assert (shop.tab.balance_minor, states(shop)) == (50_00, ["returned"] * 3)
    assert {tab.status for tab in shares_of(shop)} == {Status.CLOSED}
    check(shop)
    split(shop, amounts_minor=(10_00, 20_00))
    assert [share.amount_minor for share in shop.tab.shares] == [10_00, 20_00]
    assert made.shares[0].tab_id not in {share.tab_id for share in shop.tab.shares}
    check(shop)


def test_an_open_share_that_somebody_pays_is_not_taken_back() -> None:
    """Nobody's payment is pulled away from under them. What others have paid stays; the rest is the host's again."""
    shop = billed(50_00)
    made = split(shop)
    pay_on_phone(shop.deps, made.shares[0].tab_id, request=shop.request(guest(shop, made.shares[0].tab_id)))
    with pytest.raises(PaymentInProgress):
        unsplit_bill(shop.deps, shop.tab_id, request=shop.request(shop.ada))

    pay(shop, made.shares[1].tab_id)
    shop.wait(minutes=31)
    take_cash(shop.deps, made.shares[2].tab_id, 1_00, request=shop.request(shop.staff))
    with pytest.raises(TransitionRefused, match="Part of an open share is paid"):
        unsplit_bill(shop.deps, shop.tab_id, request=shop.request(shop.ada))
    take_cash(shop.deps, made.shares[2].tab_id, 15_66, request=shop.request(shop.staff))
    unsplit_bill(shop.deps, shop.tab_id, request=shop.request(shop.ada))

    assert (states(shop), shop.tab.balance_minor) == (["returned", "paid", "paid"], 16_68)
    check(shop)


def test_a_paid_share_of_an_earlier_split_does_not_hold_a_later_one() -> None:
    """One has paid, the rest came back and was split anew: that split can be taken back as any."""
    shop = billed(60_00)
    pay(shop, split(shop).shares[0].tab_id)
    shop.wait(hours=25)
    split(shop, equally=2)

    unsplit_bill(shop.deps, shop.tab_id, request=shop.request(shop.ada))

    assert (states(shop), shop.tab.balance_minor) == (["paid", "returned", "returned"], 40_00)
    check(shop)


def test_one_message_tells_the_host_of_all_that_came_back_by_itself() -> None:
    """Not one for each share, and none where the host has taken them back."""
    shop = billed(60_00)
    shop.give_addresses()
    split(shop, equally=6)
    shop.wait(hours=24, minutes=1)
    shop.wait(minutes=6)

    told = [m for m in shop.messages if m.kind == MessageKind.SHARE_RETURNED]
    assert (len(told), {m.values["after"] for m in told}) == (6, {"due"})
    assert [mail.subject for mail in shop.mails.sent].count(MessageKind.SHARE_RETURNED) == 1
    split(shop, equally=2)
    unsplit_bill(shop.deps, shop.tab_id, request=shop.request(shop.ada))
    shop.wait(minutes=6)
    assert [mail.subject for mail in shop.mails.sent].count(MessageKind.SHARE_RETURNED) == 1


def test_a_share_whose_payment_the_bank_still_processes_stays_its_payers() -> None:
    """Its time ends meanwhile; the page says that the payment is under way, and the split is not taken back."""
    shop = billed(60_00)
    share_id = split(shop, equally=2).shares[0].tab_id
    answer = pay_on_phone(shop.deps, share_id, request=shop.request(guest(shop, share_id)))
    (payment,) = shop.gateway.payments.values()
    payment.state = "processing"
    on_page = tuple(replace(attempt, return_url="https://pay.example.com/back") for attempt in answer.tab.attempts)

    assert find_outcome(shop.deps, replace(answer.tab, attempts=on_page)) == Outcome.PROCESSING
    shop.gateway.tell_again(payment.payment_id)
    shop.deliver_all()
    shop.wait(hours=30)
    assert states(shop) == ["open", "returned"]
    with pytest.raises(PaymentInProgress):
        unsplit_bill(shop.deps, shop.tab_id, request=shop.request(shop.ada))
    shop.gateway.finish_processing(payment.payment_id)
    shop.deliver_all()

    assert (states(shop), shop.tab.balance_minor) == (["paid", "returned"], 30_00)
    check(shop)


def test_nobody_is_reminded_of_a_share() -> None:
    """Its payer has left no address; the host is reminded once it is theirs again."""
    shop = billed(60_00)
    share_id = split(shop, equally=2).shares[0].tab_id

    with pytest.raises(TransitionRefused, match="share"):
        send_reminder(shop.deps, share_id, request=shop.request(shop.staff))


def test_a_split_does_not_make_room_under_the_hosts_limit() -> None:
    """What the shares owe may come back, so it counts for the host; what they have paid does not."""
    shop = Shop(Policy(exposure_per_customer_minor=100_00)).open(*WITHOUT_CARD).serve(60_00)
    shares = split(shop, equally=2).shares

    with pytest.raises(ExposureExceeded):
        shop.open(*WITHOUT_CARD, estimate_minor=50_00, cap_minor=50_00)
    pay(shop, shares[0].tab_id)
    shop.open(*WITHOUT_CARD, estimate_minor=50_00, cap_minor=50_00)


def test_a_contest_of_a_share_is_about_the_share() -> None:
    """The others are paid meanwhile. Lowered, its payer has the whole time again, and the bill is lower by it."""
    shop = billed(60_00)
    one, other, _ = split(shop).shares
    contest_bill(shop.deps, one.tab_id, "cold", 5_00, request=shop.request(guest(shop, one.tab_id)))
    pay(shop, other.tab_id)
    shop.wait(hours=30)
    assert states(shop) == ["open", "paid", "returned"]

    request = shop.request(shop.owner)
    resolve_contest(shop.deps, one.tab_id, Resolution.ADJUST, 5_00, "sorry", request=request)
    pay(shop, one.tab_id)

    assert (states(shop), shop.tab.balance_minor) == (["ended", "paid", "returned"], 20_00)
    assert shop.store.get_tab(shop.merchant_id, one.tab_id).status == Status.CLOSED
    check(shop)


def test_money_back_on_a_share_is_told_to_the_host() -> None:
    """A bill that is lowered after it was paid; the parent's books do not change."""
    shop = billed(40_00)
    share = split(shop, equally=2).shares[0]
    pay(shop, share.tab_id)
    adjust_bill(shop.deps, share.tab_id, 4_00, "sorry", request=shop.request(shop.staff))
    shop.wait(minutes=5)

    assert shop.tab.shares[0].told.paid_minor == 16_00
    assert "share_paid_back" in shop.kinds()
    check(shop)


def paid_with_tip(*, by_host: bool) -> tuple[Shop, str]:
    """A split bill, and the tab of it that was partly paid, with a tip: the bill itself, or a share of it."""
    shop = billed(50_00)
    share_id = split(shop, amounts_minor=(20_00, 13_32)).shares[0].tab_id
    if by_host:
        answer = pay_on_phone(shop.deps, shop.tab_id, 2_00, request=shop.request(shop.ada))
    else:
        take_cash(shop.deps, share_id, 5_00, request=shop.request(shop.staff))
        shop.wait(hours=25)
        answer = give_tip(shop.deps, share_id, 2_00, request=shop.request(guest(shop, share_id)))
    shop.gateway.confirm(answer.attempt.client_secret.removesuffix("_secret"))  # type: ignore[union-attr]
    shop.deliver_all()
    return shop, shop.tab_id if by_host else share_id


@pytest.mark.parametrize("by_host", [True, False], ids=["the host", "who has paid a share in part"])
def test_all_that_one_has_paid_is_refunded_as_bill_and_tip(by_host: bool) -> None:
    """The bill was more than their part of it; what is refunded above the part is the tip, and no revenue of others."""
    shop, tab_id = paid_with_tip(by_host=by_host)

    refund_tab(shop.deps, tab_id, None, "sorry", request=shop.request(shop.staff))
    shop.wait(minutes=5)

    tab = shop.store.get_tab(shop.merchant_id, tab_id)
    assert (tab.paid_minor, tab.tip_minor, tab.balances[Account.TIPS]) == (0, 0, 0)
    assert tab.total_minor == tab.moved_minor
    check(shop)


def test_a_split_bill_is_not_lowered_by_more_than_stayed_on_it() -> None:
    """Not by its tip, either: that is no part of the bill."""
    shop, tab_id = paid_with_tip(by_host=True)

    with pytest.raises(InvalidInput, match="from 1 to 1668"):
        adjust_bill(shop.deps, tab_id, 16_69, "sorry", request=shop.request(shop.staff))
    adjust_bill(shop.deps, tab_id, 16_68, "sorry", request=shop.request(shop.staff))

    assert (shop.tab.amount_due_minor, shop.tab.tip_minor) == (2_00, 2_00)
    check(shop)


def test_what_was_waived_of_a_split_bill_is_not_at_risk() -> None:
    """It stays open for its shares; what is at risk is theirs."""
    shop = billed(60_00)
    split(shop, amounts_minor=(20_00, 10_00))

    waive(shop.deps, shop.tab_id, "sorry", request=shop.request(shop.staff))

    assert [TabSummary.of(tab).exposure_minor for tab in (shop.tab, *shares_of(shop))] == [0, 20_00, 10_00]
    assert receivables(shop.deps, by=shop.owner).total_minor == 30_00
    check(shop)


def test_a_split_bill_is_no_more_at_risk_than_before() -> None:
    """What the business may lose counts once: on the shares, or on the bill."""
    shop = billed(60_00)
    share = split(shop).shares[0]

    assert sum(TabSummary.of(tab).exposure_minor for tab in (shop.tab, *shares_of(shop))) == 60_00
    pay(shop, share.tab_id)
    shop.wait(hours=25)
    assert [TabSummary.of(tab).exposure_minor for tab in (shop.tab, *shares_of(shop))] == [40_00, 0, 0, 0]


@pytest.mark.parametrize(
    ("what", "change"),
    [
        ("between the bill and its shares", {"ledger": {}}),
        ("together, the bill was", {"amount_due_minor": 20_01}),
        ("more came back", {"parent": {"tab_id": "tab_1", "amount_minor": 20_00, "returned_minor": 20_01}}),
        ("of tax is in the books", {"tax_minor": -1}),
        ("of tax was taken off", {"tax_minor": -4, "adjusted_minor": 0}),
    ],
)
def test_the_invariants_tell_what_is_wrong_with_a_split(what: str, change: dict[str, Any]) -> None:
    """Each of them, where a share's view was tampered with."""
    shop = billed(60_00)
    split(shop)
    parent, share, *others = (views.shown(tab, shop.clock.now()) for tab in (shop.tab, *shares_of(shop)))
    assert check_split(parent, [share, *others]) == []

    problems = check_split(parent, [share | change, *others])

    assert any(what in problem for problem in problems), problems


def test_a_late_payment_of_a_share_that_the_bill_has_forgotten_is_refunded() -> None:
    """It came back whole, the bill was split anew, and then its payer's money arrives."""
    shop = billed(60_00)
    share = split(shop, equally=2).shares[0]
    answer = pay_on_phone(shop.deps, share.tab_id, 1_00, request=shop.request(guest(shop, share.tab_id)))
    shop.wait(hours=25)
    split(shop, equally=3)

    payment = shop.gateway.payments[answer.attempt.client_secret.removesuffix("_secret")]  # type: ignore[union-attr]
    payment.state = "waiting"
    shop.gateway.confirm(payment.payment_id)
    shop.deliver_all()
    shop.wait(minutes=5)

    late = shop.store.get_tab(shop.merchant_id, share.tab_id)
    assert (payment.kept_minor, late.balance_minor, late.refund_owed_minor) == (late.tip_minor, 0, 0)
    assert shop.tab.shares[0].told.paid_minor == 0
    check(shop)


@pytest.mark.parametrize("which", [1, 2], ids=["before it left the share", "before it reached the bill"])
def test_nothing_is_lost_when_the_process_dies_between_the_two_steps(which: int) -> None:
    """Share, crash, bill: the money is in the books between the two, and the next sweep brings it home, once."""
    shop = billed(60_00)
    share_id = split(shop, equally=2).shares[0].tab_id
    shop.clock.instant += timedelta(hours=25)
    commits: Iterator[int] = iter(range(1, 100))
    commit: Callable[..., Tab] = shop.store.commit

    def dying(change: Change, **more: Any) -> Tab:
        if next(commits) == which:
            raise Crash("commit")
        return commit(change, **more)

    shop.store.commit = dying  # type: ignore[method-assign]
    with pytest.raises(Crash):
        advance_tab(shop.deps, shop.store.get_tab(shop.merchant_id, share_id))
    shop.store.commit = commit  # type: ignore[method-assign]
    check(shop)
    shop.wait(minutes=5)

    assert (states(shop), shop.tab.balance_minor) == (["returned", "returned"], 60_00)
    assert shop.kinds().count("share_returned") == 2
    check(shop)


def test_a_split_is_made_whole_or_not_at_all() -> None:
    """Another change of the bill is written first: the split is decided again, and no share is left over."""
    shop = billed(60_00)
    commit: Callable[..., Tab] = shop.store.commit

    def beaten(change: Change, **more: Any) -> Tab:
        shop.store.commit = commit  # type: ignore[method-assign]
        take_cash(shop.deps, shop.tab_id, 10_00, request=shop.request(shop.staff))
        return commit(change, **more)

    shop.store.commit = beaten  # type: ignore[method-assign]
    split(shop, equally=2)

    assert [tab.balance_minor for tab in shares_of(shop)] == [25_00, 25_00]
    check(shop)


class SafeGateway(FakeGateway):
    """The fake, for threads: one call at a time, as the books of one bank are."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self._lock = RLock()

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if name.startswith("_") or not callable(found) or name in ("now", "on_call"):
            return found

        def locked(*given: Any, **named: Any) -> Any:
            with super(SafeGateway, self).__getattribute__("_lock"):
                return found(*given, **named)

        return locked


RACES = 1000
PHONES = 6


def test_a_thousand_races_of_phones_paying_shares() -> None:
    """Six phones pay three shares, with tips, as their time ends and the clock gives them back, and somebody unsplits.

    Whoever is first: shares, tips and what came back are the bill, and nothing is taken twice.
    """
    chance = random.Random(13)
    switching = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    outcomes: dict[str, int] = {}
    try:
        with ThreadPoolExecutor(PHONES + 2) as pool:
            for _ in range(RACES):
                for state in _race(_shop_for_threads(), pool, chance):
                    outcomes[state] = outcomes.get(state, 0) + 1
    finally:
        sys.setswitchinterval(switching)

    assert min(outcomes.get("paid", 0), outcomes.get("returned", 0)) > RACES / 10, "both sides win often enough"


def _shop_for_threads() -> Shop:
    """A new one for each race: a customer's standing is read from all of their visits, so the last would be slow."""
    shop = Shop()
    shop.gateway = SafeGateway(shop.clock.now)
    shop.deps = replace(shop.deps, gateway=shop.gateway)
    return shop


def _race(shop: Shop, pool: ThreadPoolExecutor, chance: random.Random) -> list[str]:
    shop.open(*WITHOUT_CARD).serve(chance.randrange(20_00, 90_00))
    made = split(shop)
    tips = [chance.choice((0, 1_00, 2_50)) for _ in range(PHONES)]
    late = chance.random() < 0.5

    def phone(number: int) -> None:
        share_id = made.shares[number % 3].tab_id
        with suppress(DomainError):
            answer = pay_on_phone(shop.deps, share_id, tips[number], request=shop.request(guest(shop, share_id)))
            if answer.attempt is not None and answer.attempt.client_secret is not None:
                with suppress(AssertionError):  # Closed for another tip, or paid by the other phone.
                    shop.gateway.confirm(answer.attempt.client_secret.removesuffix("_secret"))
            advance_tab(shop.deps, shop.store.get_tab(shop.merchant_id, share_id))

    def clock() -> None:
        if late:
            shop.clock.instant += timedelta(hours=24, minutes=1)
        for share in made.shares:
            with suppress(DomainError):
                advance_tab(shop.deps, shop.store.get_tab(shop.merchant_id, share.tab_id))

    def host() -> None:
        with suppress(DomainError):
            unsplit_bill(shop.deps, shop.tab_id, request=shop.request(shop.ada))

    tasks: list[Callable[[], None]] = [*(lambda n=n: phone(n) for n in range(PHONES)), clock]  # type: ignore[misc]
    if chance.random() < 0.3:
        tasks.append(host)
    chance.shuffle(tasks)
    for task in [pool.submit(task) for task in tasks]:
        task.result()
    while shop.gateway.undelivered:
        shop.deliver()
    for _ in range(4):
        shop.clock.instant += timedelta(minutes=31)
        for share in made.shares:
            advance_tab(shop.deps, shop.store.get_tab(shop.merchant_id, share.tab_id))
        while shop.gateway.undelivered:
            shop.deliver()

    shares = [shop.store.get_tab(shop.merchant_id, share.tab_id) for share in made.shares]
    bill = shop.tab
    now = shop.clock.now()
    problems = check_split(views.shown(bill, now), [views.shown(share, now) for share in shares])
    for share in shares:
        problems += check_tab(views.shown(share, now), views.history(shop.store, share))
    kept = sum(p.kept_minor for p in shop.gateway.payments.values() if p.tab_id in {s.tab_id for s in shares})
    paid = sum(share.told.paid_minor for share in bill.shares)
    if kept != paid + sum(share.tip_minor for share in shares):
        problems.append(f"{kept} was kept, {paid} of the bill is paid, and tips")
    if paid + sum(share.balance_minor for share in shares) + bill.balance_minor != bill.total_minor:
        problems.append("what is paid and what is owed is not the bill")
    assert not problems, "; ".join(problems)
    return states(shop)
