"""The texts of reconciliation for each difference, word for word, with ids, in a merchant's connected account.

`findings.txt` was read line by line when it was written. Where a change changes it on purpose, write it again,
`python -m tests.usecases.test_reconciliation_texts > tests/usecases/findings.txt`, and read the difference.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from chalicelib.domain.books.differences import Code
from chalicelib.domain.errors import InvalidInput
from chalicelib.domain.tab.status import Status
from chalicelib.usecases.books.reconcile import HORIZON, SETTLING, Finding, Reconciled, reconcile
from chalicelib.usecases.parties.merchants import NewMerchant, create_merchant
from tests.golden import numbered, sections
from tests.usecases.fake_gateway import Fault
from tests.usecases.shop import WITHOUT_CARD, Shop
from tests.usecases.test_merchants import ROOT
from tests.usecases.test_reconcile import BROKEN, DAY, MISSED, another, held, paid, refunded, run

FINDINGS = Path(__file__).with_name("findings.txt")
ACCOUNT = "acct_1"


def card_event_of_nobody(shop: Shop) -> None:
    """News of the card of a customer whose row is gone."""
    held(shop)
    customer = shop.store.get_customer(shop.merchant_id, shop.customer_id)
    shop.gateway.remove_card_there(shop.card.card_id, customer.customer_ref)
    shop.store._customers.clear()


def in_another_account(shop: Shop) -> None:
    """The payment is where the gateway looks, the tab says that it is elsewhere."""
    paid(shop)
    shop.store._tabs[shop.merchant_id, shop.tab_id] = replace(shop.tab, account="acct_2")


def in_the_platforms_account(shop: Shop) -> None:
    paid(shop)
    shop.store._tabs[shop.merchant_id, shop.tab_id] = replace(shop.tab, account=None)


def refund_named_wrongly(shop: Shop) -> None:
    payment = shop.gateway.payments[refunded(shop)]
    payment.refunds[0] = replace(payment.refunds[0], attempt_id="")


def several_at_once(shop: Shop) -> None:
    """Two payments too many and a refund by hand, each said for itself."""
    payment_id = paid(shop)
    other = another(shop, payment_id)
    shop.gateway.payments["pi_third"] = replace(other, payment_id="pi_third")
    shop.gateway.refund_there(payment_id, 5_00)


MORE = [card_event_of_nobody, in_another_account, in_the_platforms_account, refund_named_wrongly, several_at_once]
STORIES: list[Callable[[Shop], object]] = [*(one.happens for one in MISSED), *(one.happens for one in BROKEN), *MORE]


def _line(finding: Finding) -> str:
    found = finding.difference
    about = " ".join(
        f"{name}={getattr(found, name)}" for name in ("merchant_id", "tab_id", "attempt_id", "object_id", "account")
    )
    facts = ", ".join(f"{fact.kind} {fact.object_id} {fact.amount_minor}" for fact in found.facts)
    state = "repaired" if finding.repaired else "left"
    return f"  {found.code} ({state}): {found.text}\n    {about}" + (f"\n    explained by {facts}" if facts else "")


def told(happens: Callable[[Shop], object]) -> str:
    """Looking only, then repairing, then looking again."""
    shop = Shop(account=ACCOUNT)
    happens(shop)
    lines = [f"# {happens.__name__.replace('_', ' ')}"]
    before: list[str] = []
    for repair in (False, True, False):
        result = run(shop, repair=repair)
        counts = f"tabs={result.tabs} payments={result.payments} foreign={result.foreign} moving={result.in_progress}"
        found = [f"accounts={result.accounts} {counts}"]
        found += sorted(_line(finding) for finding in result.findings)
        assert result.open_findings == [finding for finding in result.findings if not finding.repaired]
        assert result.unread == []
        word = "repair" if repair else "look"
        lines += [f"{word}: as before"] if found == before else [f"{word}: {found[0]}", *found[1:]]
        before = found
    return numbered("\n".join(lines)) + "\n"


@pytest.mark.parametrize("happens", STORIES, ids=lambda happens: happens.__name__)
def test_what_is_found_is_said_in_words_with_what_it_is_about(happens: Callable[[Shop], object]) -> None:
    """Code, text, ids and what explains it; gone once repaired, the same again where it was left."""
    actual = told(happens)

    assert actual.rstrip().splitlines() == sections(FINDINGS)[actual.partition("\n")[0]].splitlines()


def test_every_finding_that_is_written_down_is_made() -> None:
    """None is left over from a story that is gone."""
    assert len(sections(FINDINGS)) == len(STORIES)


# Which tabs, which accounts, which time


@pytest.fixture
def shop() -> Shop:
    return Shop(account=ACCOUNT)


def looked(shop: Shop, since: timedelta, **given: object) -> Reconciled:
    return reconcile(shop.deps, shop.clock.now() - since, **given)  # type: ignore[arg-type]


def test_a_period_ends_a_quarter_of_an_hour_ago_at_the_latest(shop: Shop) -> None:
    """Later is cut off; earlier is kept; what is empty after that is refused."""
    now = shop.clock.now()
    settled = now - SETTLING

    assert (looked(shop, DAY).since, looked(shop, DAY).until) == (now - DAY, settled)
    assert looked(shop, DAY, until=now).until == settled
    assert looked(shop, DAY, until=now - timedelta(hours=1)).until == now - timedelta(hours=1)
    for since in (SETTLING, timedelta(0)):
        with pytest.raises(InvalidInput):
            looked(shop, since)
    with pytest.raises(InvalidInput):
        looked(shop, DAY, until=now - DAY)


def test_every_account_is_read_and_another_one_first_every_day(shop: Shop) -> None:
    """The platform's own too: none is always the last, for which there may be no time."""
    new = NewMerchant(name="Bar", currency="EUR", account="acct_2")
    create_merchant(shop.deps, new, request=shop.request(ROOT))
    firsts = []
    for _ in range(3):
        has_time = iter([True])
        result = looked(shop, DAY, has_time=lambda answers=has_time: next(answers, False))
        firsts.append(result.unread)
        shop.clock.instant += DAY
    everything = {f"There was no time left for {name}." for name in ("the platform's own account", ACCOUNT, "acct_2")}

    assert looked(shop, DAY).accounts == 3
    assert all(len(everything & set(unread)) == 2 for unread in firsts)
    assert {frozenset(everything - set(unread)) for unread in firsts} == {frozenset({one}) for one in everything}


def test_an_account_that_can_not_be_read_is_named_and_the_others_are(shop: Shop) -> None:
    """With the reason."""
    paid(shop)
    shop.gateway.fail("iter_events", Fault.LOST_BEFORE)

    result = run(shop)

    assert result.accounts == 1
    (unread,) = result.unread
    assert unread in {
        f"Reading {name} failed: the request was lost." for name in ("the platform's own account", ACCOUNT)
    }


def test_tabs_of_another_account_are_not_taken_for_this_ones(shop: Shop) -> None:
    """Each is looked at once, in its merchant's own account."""
    paid(shop)
    other = create_merchant(
        shop.deps, NewMerchant(name="Bar", currency="EUR", account="acct_2"), request=shop.request(ROOT)
    )
    shop.open(*WITHOUT_CARD)
    mine = shop.tab
    copy = replace(mine, merchant_id=other.merchant_id, account="acct_2", tab_id="tab_other")
    shop.store._tabs[other.merchant_id, copy.tab_id] = copy
    shop.clock.instant += timedelta(hours=1)
    told_of: list[tuple[int, int]] = []

    result = looked(shop, DAY, repair=False, progress=lambda done, total: told_of.append((done, total)))

    assert result.tabs == 3
    assert told_of[-1] == (3, 3)
    assert {finding.difference.tab_id for finding in result.findings} <= {"tab_other"}


def test_a_closed_tab_that_was_opened_before_the_horizon_ends_the_listing(shop: Shop) -> None:
    """Newest first: whatever comes after it was opened earlier still; a second later it is looked at."""
    paid(shop)
    opened = shop.tab.opened_at
    shop.gateway.payments.clear()
    shop.gateway.events.clear()
    key = shop.merchant_id, shop.tab_id
    since = opened + HORIZON
    shop.store._tabs[key] = replace(shop.tab, updated_at=since)
    shop.clock.instant = since + DAY

    assert looked(shop, DAY, repair=False).tabs == 1
    shop.clock.instant += timedelta(seconds=1)
    shop.store._tabs[key] = replace(shop.tab, updated_at=shop.clock.instant - timedelta(hours=1))
    assert looked(shop, DAY, repair=False).tabs == 0


def test_what_changed_at_the_beginning_of_the_period_is_in_it(shop: Shop) -> None:
    """And a second before it is not."""
    shop.open(*WITHOUT_CARD)
    changed = shop.tab.updated_at
    shop.clock.instant = changed + DAY

    assert looked(shop, DAY).tabs == 1
    assert looked(shop, DAY - timedelta(seconds=1)).tabs == 0


def test_a_tab_that_was_written_when_the_quarter_of_an_hour_began_is_looked_at(shop: Shop) -> None:
    """A second later it is left to the next run."""
    for later, counts in ((SETTLING, (1, 0)), (SETTLING - timedelta(seconds=1), (1, 1))):
        shop = Shop(account=ACCOUNT)
        shop.open(*WITHOUT_CARD)
        shop.clock.instant += later

        result = looked(shop, DAY)

        assert (result.tabs, result.in_progress) == counts


def test_payments_of_a_merchant_nobody_knows_are_said_once(shop: Shop) -> None:
    """By merchant, in the account they are in, however many there are; foreign ones are counted beside them."""
    other = another(shop, paid(shop), merchant_id="mer_b")
    for payment_id, merchant_id in (("pi_x", "mer_a"), ("pi_y", "mer_a"), ("pi_z", ""), ("pi_zz", "")):
        tab_id = other.tab_id if merchant_id else ""
        stranger = replace(other, payment_id=payment_id, merchant_id=merchant_id, tab_id=tab_id)
        shop.gateway.payments[payment_id] = stranger

    result = run(shop, repair=False)

    missing = [one.difference for one in result.findings if one.difference.code == Code.MERCHANT_MISSING]
    assert [(one.merchant_id, one.account, one.tab_id) for one in missing] == [
        ("mer_a", ACCOUNT, None),
        ("mer_b", ACCOUNT, None),
    ]
    assert (result.foreign, result.payments) == (2, 6)
    assert all(not one.repaired for one in result.findings)


def test_the_newest_tab_is_looked_at_first(shop: Shop) -> None:
    """Where time is short, yesterday's run has seen the older ones."""
    tab_ids = []
    for _ in range(2):
        paid(shop)
        tab_ids.append(shop.tab_id)
    shop.clock.instant += timedelta(minutes=20)
    looked_at: list[int] = []

    result = looked(shop, DAY, progress=lambda done, total: looked_at.append(done), has_time=lambda: not looked_at)

    (left,) = [unread for unread in result.unread if unread.startswith("There was no time left for tab ")]
    assert looked_at == [1]
    assert left == f"There was no time left for tab {min(tab_ids)}."  # As the ids sort by the time they were made.


def test_a_clean_tab_with_a_refund_and_a_dispute_is_asked_for_whole(shop: Shop) -> None:
    """The listing says neither: each such payment is looked up by its id, others are not."""
    refunded(shop)
    paid(shop)
    shop.clock.instant += timedelta(minutes=20)
    calls = len(shop.gateway.calls)

    assert looked(shop, DAY).findings == []

    assert shop.gateway.calls[calls:].count("find_payment") == 1


def test_a_repair_that_shows_something_new_says_that_too(shop: Shop) -> None:
    """What was brought in made a row that is damaged: it was not there to be seen before."""
    payment_id = paid(shop)
    shop.gateway.refund_there(payment_id, 5_00)
    commit = shop.store.commit

    def losing(change, **rest):  # type: ignore[no-untyped-def]
        tab = commit(change, **rest)
        shop.store._entries[shop.merchant_id, shop.tab_id].pop()
        return tab

    shop.store.commit = losing  # type: ignore[method-assign]

    result = run(shop)

    assert sorted((one.difference.code, one.repaired) for one in result.findings) == [
        (Code.RECORD_MISSING, False),
        (Code.REFUND_PAST_US, True),
    ]
    assert shop.tab.status == Status.CLOSED


if __name__ == "__main__":
    sys.stdout.write("\n".join(told(happens) for happens in STORIES))
