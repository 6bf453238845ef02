"""Shares: the parts of a split bill. Each is a tab of its own; here is what parent and share know of each other.

The ledger moves what a share owes from the parent to it, through the account `shares`. What is not paid in its time
goes back the same way.
"""

from datetime import timedelta
from enum import StrEnum

from msgspec import Struct

FEWEST_SHARES = 2
MOST_SHARES = 12
"""The maximum of shares that one bill is split into. They are written in one transaction, which has a limit."""
SHORTEST_TIME = timedelta(minutes=15)
USUAL_TIME = timedelta(hours=24)
LONGEST_TIME = timedelta(days=7)
"""For how long a share may wait for its payer."""


class Report(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a share tells its parent. `paid_minor`: without the tip. `is_over`: nothing will come back any more.

    `returned_tax_minor`: the tax in `returned_minor`.
    """

    paid_minor: int = 0
    returned_minor: int = 0
    returned_tax_minor: int = 0
    is_over: bool = False


class ShareState(StrEnum):
    """Open; paid; returned to the tab that was split; ended without that, because the rest was waived, for example."""

    OPEN = "open"
    PAID = "paid"
    RETURNED = "returned"
    ENDED = "ended"


class Share(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A share, as its parent knows it: how much of the bill went to it, the tax in that, and what it has told last.

    `made_by`: who has split the bill, and can find the secret of its link again.
    """

    tab_id: str
    amount_minor: int
    tax_minor: int
    made_by: str
    told: Report = Report()

    @property
    def out_minor(self) -> int:
        """What the share owes, or has paid, in the place of its parent."""
        return self.amount_minor - self.told.returned_minor

    @property
    def out_tax_minor(self) -> int:
        """The tax in `out_minor`."""
        return self.tax_minor - self.told.returned_tax_minor

    @property
    def state(self) -> ShareState:
        if self.out_minor == 0:
            return ShareState.RETURNED
        if self.told.paid_minor >= self.out_minor:
            return ShareState.PAID
        return ShareState.ENDED if self.told.is_over else ShareState.OPEN


class Parent(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The tab that a share is a part of. `time_s`: how long the share may wait once it is due. `told`: the last report.

    `returned_minor`: what was not paid in time and is the parent's again; `returned_tax_minor`: the tax in that.
    """

    tab_id: str
    amount_minor: int
    time_s: int
    returned_minor: int = 0
    returned_tax_minor: int = 0
    told: Report = Report()

    @property
    def out_minor(self) -> int:
        return self.amount_minor - self.returned_minor
