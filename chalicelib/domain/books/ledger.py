"""Double-entry bookkeeping: accounts, postings that sum to zero, and balances. Commands and facts decide what to post.

Debits are positive, credits negative. Holds never post.
"""

from collections.abc import Mapping
from enum import StrEnum

from msgspec import Struct


class Account(StrEnum):
    CUSTOMER_RECEIVABLE = "customer_receivable"
    SERVICE_REVENUE = "service_revenue"
    TIPS = "tips"
    TAX = "tax"
    FEES_INCOME = "fees_income"
    GOODWILL = "goodwill"
    BAD_DEBT = "bad_debt"
    RECOVERY = "recovery"
    STRIPE_BALANCE = "stripe_balance"
    STRIPE_FEES = "stripe_fees"
    CASH = "cash"
    BANK = "bank"
    REFUND_PAYABLE = "refund_payable"
    CUSTOMER_CREDIT = "customer_credit"
    LOYALTY_EXPENSE = "loyalty_expense"
    """What credits cost the business; credit that expires or is taken back comes off it."""
    DISPUTES_RECEIVABLE = "disputes_receivable"
    SHARES = "shares"
    """What a split bill has moved to its shares; zero over a parent and all its shares."""


class Posting(Struct, frozen=True):
    account: Account
    amount_minor: int


Balances = Mapping[Account, int]


def transfer(amount_minor: int, *, debit: Account, credit: Account) -> tuple[Posting, ...]:
    """Two postings that move `amount_minor` from `credit` to `debit` (negative: the reverse); none for zero."""
    if amount_minor == 0:
        return ()
    return (Posting(debit, amount_minor), Posting(credit, -amount_minor))


def post(balances: Balances, postings: tuple[Posting, ...]) -> dict[Account, int]:
    """The balances after the postings. Accounts with a zero balance stay, to show that they were used."""
    total = sum(posting.amount_minor for posting in postings)
    if total != 0:
        raise AssertionError(f"postings must sum to zero, these sum to {total}: {postings}")
    after = dict(balances)
    for posting in postings:
        after[posting.account] = after.get(posting.account, 0) + posting.amount_minor
    return after
