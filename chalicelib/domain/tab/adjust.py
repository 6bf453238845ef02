"""Lowers what is due after the bill was presented: adjust, refund, waive, write off, each with its postings.

What was taken above the lowered amount becomes a refund obligation in the same change; the agenda refunds it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chalicelib.domain.books.ledger import Account, Posting, transfer
from chalicelib.domain.tab.bill import Lowered

if TYPE_CHECKING:
    from chalicelib.domain.tab.draft import Draft
    from chalicelib.domain.tab.tab import Tab


def lower_bill(draft: Draft, amount_minor: int, kind: str, **details: object) -> None:
    """Take `amount_minor` off the tab's own part of the bill, with its tax in proportion; at most that part."""
    tab = draft.tab
    assert 0 < amount_minor <= tab.own_minor, "a bill can't be lowered below zero"
    draft.update(adjusted_minor=tab.adjusted_minor + amount_minor)
    tax_minor = tab.tax_minor - draft.tab.tax_minor
    draft.record(
        kind,
        amount_minor=amount_minor,
        **what_is_left(draft.tab),
        postings=bill_postings(-(amount_minor - tax_minor), -tax_minor),
        **details,
    )


def keep_lowered(draft: Draft) -> None:
    """Before a part of the bill goes to another tab or comes back: later reductions are of another mix of tax rates."""
    tab = draft.tab
    if tab.adjusted_minor:
        draft.update(lowered_before=Lowered(amount_minor=tab.adjusted_minor, tax_minor=tab.adjusted_tax_minor))


def reprice(draft: Draft, **fields: object) -> tuple[Posting, ...]:
    """Change the fields that the price of the outcome follows from; return the postings of the difference.

    Nothing of the bill is another tab's now, so what was taken off it is in proportion to all of it.
    """
    before = draft.tab
    assert not before.moved_minor, "the outcome is said before a bill is split"
    draft.update(**fields, lowered_before=Lowered())
    more_minor, tax_minor = draft.tab.total_minor - before.total_minor, draft.tab.tax_minor - before.tax_minor
    return bill_postings(more_minor - tax_minor, tax_minor)


def what_is_left(tab: Tab) -> dict[str, Any]:
    """For the entry that lowers what is due: what is left to pay, and what goes back because of it.

    By the time that it is told, the refund may have been made.
    """
    return {"balance_minor": tab.balance_minor, "back_minor": tab.goes_back_minor}


def bill_postings(net_minor: int, tax_minor: int) -> tuple[Posting, ...]:
    """The postings of a bill of `net_minor` and `tax_minor`; negative amounts reverse it."""
    return (
        *transfer(net_minor, debit=Account.CUSTOMER_RECEIVABLE, credit=Account.SERVICE_REVENUE),
        *transfer(tax_minor, debit=Account.CUSTOMER_RECEIVABLE, credit=Account.TAX),
    )


def lower_paid(draft: Draft, amount_minor: int, why: str, reason: str = "") -> None:
    """Lower what is due by the refund: the bill first, then the tip; or the fee.

    `why`: a code. `reason`: in the words of whoever decided it.
    """
    tab = draft.tab
    if tab.fee is not None:
        forgive(draft, amount_minor, Account.FEES_INCOME, why, reason)
        return
    from_bill = min(amount_minor, tab.bill_due_minor)
    from_tip = amount_minor - from_bill
    if from_bill:
        lower_bill(draft, from_bill, "refund_granted", why=why, reason=reason)
    if from_tip:
        draft.update(tip_minor=draft.tab.tip_minor - from_tip)
        draft.record(
            "tip_returned",
            amount_minor=from_tip,
            postings=transfer(from_tip, debit=Account.TIPS, credit=Account.CUSTOMER_RECEIVABLE),
        )


def announce_what_goes_back(draft: Draft, before: Tab, why: str) -> None:
    """Record it where a change of the bill, since `before`, sends money back. `why`: a code."""
    if (more_minor := draft.tab.goes_back_minor - before.goes_back_minor) > 0:
        announce_refund(draft, more_minor, why)


def announce_refund(draft: Draft, amount_minor: int, why: str) -> None:
    """Record that the customer gets money back, once for all the entries that lower what is due. `why`: a code."""
    as_credit_minor = draft.tab.credit_to_return_minor
    draft.record(
        "refund_announced",
        amount_minor=amount_minor,
        as_credit_minor=as_credit_minor,
        why=why,
        **what_is_left(draft.tab),
    )


def forgive(draft: Draft, amount_minor: int, account: Account, why: str, reason: str) -> None:
    """Waive `amount_minor` of what is due, at the expense of `account`. `why`: a code; `reason`: somebody's words."""
    draft.update(waived_minor=draft.tab.waived_minor + amount_minor, plan=None)
    draft.record(
        "waived",
        why=why,
        reason=reason,
        of="bill" if draft.tab.fee is None else "fee",
        amount_minor=amount_minor,
        **what_is_left(draft.tab),
        postings=transfer(amount_minor, debit=account, credit=Account.CUSTOMER_RECEIVABLE),
    )


def write_off(draft: Draft, reason: str) -> None:
    """Write off the balance. A payment that still arrives is a recovery."""
    amount_minor = draft.tab.balance_minor
    draft.update(written_off_minor=draft.tab.written_off_minor + amount_minor, plan=None)
    draft.record(
        "written_off",
        reason=reason,
        amount_minor=amount_minor,
        postings=transfer(amount_minor, debit=Account.BAD_DEBT, credit=Account.CUSTOMER_RECEIVABLE),
    )
