"""An objection: the customer says that what a tab says of them is not so; a person at the business decides."""

from datetime import datetime
from enum import StrEnum

from msgspec import Struct


class ObjectionState(StrEnum):
    """While it is open, what it is about does not count against the customer (GDPR 22: it reaches a person)."""

    OPEN = "open"
    UPHELD = "upheld"
    REFUSED = "refused"


class Decision(StrEnum):
    """What the owner decides."""

    UPHOLD = "uphold"
    REFUSE = "refuse"

    @property
    def state(self) -> ObjectionState:
        return ObjectionState.UPHELD if self == Decision.UPHOLD else ObjectionState.REFUSED


class Objection(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`reason`: the customer's words. `answer`: the business's, for the customer. There is one a tab, and no second."""

    reason: str
    at: datetime
    state: ObjectionState = ObjectionState.OPEN
    decided_at: datetime | None = None
    answer: str = ""
