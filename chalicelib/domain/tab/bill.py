"""The parts of a bill: items, a fee, a contest, feedback."""

from datetime import datetime
from enum import StrEnum

from msgspec import Struct

from chalicelib.domain.tab.status import Status


class Item(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A line of the bill.

    Prices include tax; `tax_minor` is for the whole line. Voided items stay, but do not count. `is_material`: it is
    paid whole, whatever the outcome.
    """

    item_id: str
    description: str
    unit_price_minor: int
    quantity: int
    tax_minor: int
    added_at: datetime
    voided_at: datetime | None = None
    is_material: bool = False

    @property
    def amount_minor(self) -> int:
        return 0 if self.voided_at else self.unit_price_minor * self.quantity


class Lowered(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was taken off a bill, and the tax in that."""

    amount_minor: int = 0
    tax_minor: int = 0


class FeeKind(StrEnum):
    NO_SHOW = "no_show"
    LATE_CANCEL = "late_cancel"


class Fee(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A fee for a no-show or a late cancellation. `take_at`: when it will be taken; None once that has begun."""

    kind: FeeKind
    amount_minor: int
    announced_at: datetime
    take_at: datetime | None = None


class UntoldBill(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A bill in review that the customer may not know of yet, so its window has not begun.

    `seq`: the entry that presented it. `since`: when that was. `flagged`: whether the owner was told.
    """

    seq: int
    since: datetime
    flagged: bool = False


class Contest(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The customer contests a bill or a fee. `contested_minor`: how much of it.

    `contested_in`: for a fee, the status that the tab returns to. `reminded`: whether the owner was reminded.
    `tier_percent`: the tier that the customer says was reached, where that is all they contest: the difference is then
    off the bill until a person upholds it, and the rest is collected meanwhile.
    """

    reason: str
    contested_minor: int
    contested_at: datetime
    deadline_at: datetime
    default_at: datetime
    contested_in: Status = Status.IN_REVIEW
    reminded: bool = False
    tier_percent: int | None = None


class Feedback(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How content the customer was: `rating` from 1 to 5."""

    rating: int
    comment: str = ""
