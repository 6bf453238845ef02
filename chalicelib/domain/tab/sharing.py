"""What a share does by itself: it goes back when it was not paid in its time, and its parent is told of each change."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

from msgspec.structs import replace

from chalicelib.domain.books.ledger import Account, transfer
from chalicelib.domain.money import currency_of, share_minor
from chalicelib.domain.tab import followup, settlement
from chalicelib.domain.tab.adjust import keep_lowered
from chalicelib.domain.tab.share import FEWEST_SHARES, Report
from chalicelib.domain.tab.status import Status

if TYPE_CHECKING:
    from chalicelib.domain.tab.draft import Draft
    from chalicelib.domain.tab.tab import Tab


def can_split_by_items(tab: Tab) -> bool:
    """Whether the items are what is owed, whatever the outcome was, and more than one."""
    items = [item for item in tab.items if not item.voided_at]
    owed_minor = sum(item.amount_minor for item in items)
    return len(items) >= FEWEST_SHARES and not tab.adjusted_minor and tab.balance_minor == owed_minor


def goes_back_at(share: Tab) -> datetime | None:
    """When the share goes back to its parent; None while it is contested or being paid, and when nothing is owed."""
    if share.parent is None or share.status != Status.DUE or not share.balance_minor or share.taking_attempt:
        return None
    assert share.due_at is not None, "what is due has its time"
    return share.due_at + timedelta(seconds=share.parent.time_s)


class Back(StrEnum):
    """Why a share goes back: its time is over, or the split is taken back."""

    TIME = "time"
    UNSPLIT = "unsplit"


def give_back(share: Draft, why: Back) -> None:
    """What is still owed on the share is the parent's again; the parent hears of it by the report that follows."""
    tab = share.tab
    assert tab.parent is not None, "only a share goes back"
    amount_minor = tab.balance_minor
    (tax_minor,) = taxes_of(tab, [amount_minor])
    keep_lowered(share)
    parent = replace(
        tab.parent,
        returned_minor=tab.parent.returned_minor + amount_minor,
        returned_tax_minor=tab.parent.returned_tax_minor + tax_minor,
    )
    share.update(parent=parent, plan=None)
    share.record(
        "returned_to_parent",
        amount_minor=amount_minor,
        why=why,
        parent_id=tab.parent.tab_id,
        postings=transfer(amount_minor, debit=Account.SHARES, credit=Account.CUSTOMER_RECEIVABLE),
    )


def taxes_of(tab: Tab, amounts: Sequence[int]) -> list[int]:
    """The tax in each of these parts of what is the tab's own, in proportion. What stays on the tab comes first."""
    own_minor, currency = tab.own_minor, currency_of(tab.currency)
    ends = accumulate(amounts, initial=own_minor - sum(amounts))
    taxes = pairwise(share_minor(tab.own_tax_minor, end_minor, own_minor, currency) for end_minor in ends)
    return [until_minor - from_minor for from_minor, until_minor in taxes]


def report_of(share: Tab) -> Report:
    """What the parent must know of the share, as it is now. Tips are the payer's own matter."""
    assert share.parent is not None, "only a share reports"
    return Report(
        paid_minor=min(share.paid_minor, share.bill_due_minor),
        returned_minor=share.parent.returned_minor,
        returned_tax_minor=share.parent.returned_tax_minor,
        is_over=share.status == Status.CLOSED or share.parent.out_minor == 0,
    )


def must_tell(share: Tab) -> bool:
    return share.parent is not None and report_of(share) != share.parent.told


def tell(share: Draft, parent: Draft, why: Back = Back.TIME) -> None:
    """Write the share's report on both tabs, which are committed together: so nothing is told twice or lost."""
    assert share.tab.parent is not None, "only a share reports"
    report, share_id = report_of(share.tab), share.tab.tab_id
    share.update(parent=replace(share.tab.parent, told=report))
    before = next((known.told for known in parent.tab.shares if known.tab_id == share_id), None)
    if before is None:
        # It came back whole before the bill was split anew, so nothing that happens to it is the bill's matter.
        return
    returned_minor = report.returned_minor - before.returned_minor
    if returned_minor:
        keep_lowered(parent)
    shares = tuple(replace(known, told=report) if known.tab_id == share_id else known for known in parent.tab.shares)
    parent.update(shares=shares)
    more_minor = report.paid_minor - before.paid_minor
    if more_minor > 0:
        parent.record("share_paid", share_id=share_id, amount_minor=more_minor)
    elif more_minor < 0:
        parent.record("share_paid_back", share_id=share_id, amount_minor=-more_minor)
    if returned_minor:
        parent.record(
            "share_returned",
            share_id=share_id,
            amount_minor=returned_minor,
            why=why,
            after="charged" if followup.charges_by_itself(parent.tab) else "due",
            balance_minor=parent.tab.balance_minor,
            postings=transfer(returned_minor, debit=Account.CUSTOMER_RECEIVABLE, credit=Account.SHARES),
        )
        parent.update(returned_seq=parent.tab.entry_count)
        _owe_again(parent, returned_minor)


def _owe_again(parent: Draft, returned_minor: int) -> None:
    """What has come back is followed up from now on, and taken as promised; a bill in review is at the end of that."""
    if parent.tab.status == Status.DUE and parent.tab.plan is None:
        parent.update(due_at=parent.now)
        followup.owe_more(parent, returned_minor)
    else:
        settlement.replan(parent)
