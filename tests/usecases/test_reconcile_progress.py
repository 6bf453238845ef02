"""A reconciliation that is too large for one run: it ends over several, batch by batch, each difference once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from chalicelib.domain.books.differences import Code, Payment
from chalicelib.ports.gateway import Reversal
from chalicelib.usecases.books.reconcile import Reconciled, reconcile
from chalicelib.usecases.tab.refund import refund_tab
from tests.usecases.fake_gateway import Fault
from tests.usecases.shop import Shop
from tests.usecases.test_reconcile import DAY, another, connected, ledger_edited, paid

PAYMENTS = 100_000
A_NIGHT = 30_000
"""What a run has time for, in objects."""
LOST = {0, 50_000, 99_999}
"""The payments that name a tab of ours which is not there; all others are somebody else's."""


def nights(shop: Shop, has_time: Callable[[], Callable[[], bool]], most: int = 20) -> list[Reconciled]:
    """Run after run until one is complete. No time passes: else there would be a new period behind the one at hand."""
    results = []
    shop.clock.instant += timedelta(minutes=20)
    for _ in range(most):
        now = shop.clock.now()
        results.append(reconcile(shop.deps, now - 3 * DAY, resumes=True, has_time=has_time()))
        if results[-1].is_complete:
            return results
    raise AssertionError(f"it does not end: {results[-1].unread}")


def told(results: list[Reconciled]) -> list[tuple[Code, str | None]]:
    return sorted((one.difference.code, one.difference.object_id) for result in results for one in result.findings)


def test_a_hundred_thousand_payments_end_over_several_runs(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """No run begins anew, no difference is told twice, and what is kept between them is small."""
    walked: list[str] = []
    made_at = shop.clock.now() - timedelta(hours=1)

    def payments(account: str | None, since: datetime, until: datetime, after: str | None = None) -> Iterator[Payment]:
        first = 0 if after is None else int(after.removeprefix("pi_")) + 1
        for number in range(first, PAYMENTS):
            walked.append(f"pi_{number}")
            ids = {"merchant_id": shop.merchant_id, "tab_id": f"tab_{number}"} if number in LOST else {}
            yield Payment(payment_id=f"pi_{number}", currency="EUR", made_at=made_at, state_fact=None, **ids)

    monkeypatch.setattr(shop.gateway, "iter_payments", payments)

    def an_evening() -> Callable[[], bool]:
        ends = len(walked) + A_NIGHT
        return lambda: len(walked) < ends

    results = nights(shop, an_evening)

    assert len(results) == 4
    assert sum(result.payments for result in results) == PAYMENTS
    assert len(set(walked)) == PAYMENTS
    # What was asked for and not looked at for lack of time: a batch a run.
    assert len(walked) <= PAYMENTS + 4 * 100
    assert told(results) == sorted((Code.TAB_MISSING, f"pi_{number}") for number in LOST)


def test_many_refunds_end_over_several_runs(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of older payments, all somebody else's: no run begins with the first again."""
    walked: list[int] = []

    def reversals(
        account: str | None, since: datetime, until: datetime, after: str | None = None
    ) -> Iterator[Reversal]:
        for number in range(0 if after is None else int(after.removeprefix("re_")) + 1, 3000):
            walked.append(number)
            yield Reversal(f"re_{number}", None)

    monkeypatch.setattr(shop.gateway, "iter_reversals", reversals)

    def an_evening() -> Callable[[], bool]:
        ends = len(walked) + 1000
        return lambda: len(walked) < ends

    assert len(nights(shop, an_evening)) == 4
    assert len(walked) <= 3000 + 4 * 100


@pytest.mark.parametrize("steps", range(1, 12))
def test_wherever_a_run_is_cut_each_difference_is_told_once(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    """Cut after so many batches and tabs, in every stage: together the runs tell what one alone would."""
    monkeypatch.setattr("chalicelib.usecases.books.reconcile._BATCH", 1)
    another(shop, paid(shop), attempt_id="att_nobody")
    ledger_edited(shop)
    paid(shop)
    refund_tab(shop.deps, shop.tab_id, 10_00, "cold", request=shop.request(shop.owner))
    shop.deliver_all()
    shop.gateway.refund_there(shop.tab.legs[0].payment_id, 5_00)

    def so_much() -> Callable[[], bool]:
        # Each run gets a little further than the one before, whatever it has to do again.
        left = iter([True] * (steps + 3))
        return lambda: next(left, False)

    results = nights(shop, so_much, most=60)

    codes = [one.difference.code for result in results for one in result.findings]
    assert sorted(codes) == [Code.ATTEMPT_MISSING, Code.LEDGER_WRONG, Code.REFUND_PAST_US]


def test_the_next_pass_begins_where_the_last_one_ended(shop: Shop) -> None:
    """A week in which no run came to its end, or none ran, is not left out."""
    nights(shop, lambda: lambda: True)
    payment_id = paid(shop)
    shop.gateway.refund_there(payment_id, 5_00)
    shop.gateway.undelivered.clear()
    shop.clock.instant += timedelta(days=7)

    (result,) = nights(shop, lambda: lambda: True)

    assert (Code.REFUND_PAST_US, True) in [(one.difference.code, one.repaired) for one in result.findings]


def test_nobody_waits_for_an_account_that_cannot_be_read(shop: Shop) -> None:
    """Its run ends with a reason and is tried again; the others are compared in the same night."""
    connected(shop)
    another(shop, paid(shop), attempt_id="att_nobody")
    shop.gateway.fail("iter_payments", Fault.LOST_BEFORE)

    results = nights(shop, lambda: lambda: True)

    assert [result.accounts for result in results] == [1, 2]
    assert len(results[0].unread) == 1
    # The second night is another pass, whose periods overlap by two days.
    assert [[code for code, _ in told([result])] for result in results] == [[Code.ATTEMPT_MISSING]] * 2


def test_an_account_whose_merchant_is_gone_is_noticed(shop: Shop) -> None:
    """It is connected, and nobody of ours has it any more: its payments name who had."""
    other = connected(shop)
    paid(other)
    gone = shop.store._merchants.pop(other.merchant_id)
    assert gone.account == "acct_1"
    shop.gateway.accounts.append("acct_1")

    (result,) = nights(shop, lambda: lambda: True)

    found = [one.difference for one in result.findings]
    assert [(one.code, one.account, one.merchant_id) for one in found] == [
        (Code.MERCHANT_MISSING, "acct_1", other.merchant_id)
    ]


def test_accounts_that_cannot_be_listed_are_said(shop: Shop) -> None:
    """Where there are connected ones; a platform without any is told nothing of it."""
    shop.gateway.fail("iter_accounts", Fault.REJECTED, Fault.REJECTED)
    assert nights(shop, lambda: lambda: True)[0].is_complete
    connected(shop)

    result: Any = reconcile(shop.deps, shop.clock.now() - DAY, resumes=True)

    assert result.unread[0].startswith("The connected accounts could not be listed")
