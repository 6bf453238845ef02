"""The actor of a change: a person in a role, or the system."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from chalicelib.domain.tab.link import Scope


class Role(StrEnum):
    CUSTOMER = "customer"
    GUEST = "guest"
    STAFF = "staff"
    OWNER = "owner"
    OPERATOR = "operator"
    SYSTEM = "system"


_BUSINESS = (Role.STAFF, Role.OWNER)
_CUSTOMER = (Role.CUSTOMER, Role.GUEST)


class Actor(Struct, frozen=True, kw_only=True):
    """The caller. `merchant_id` is None for operators; `customer_id` is set for customers and guests.

    A guest has a link or a token to one tab: `tab_id`, with its `scope`. `subject` is then the link's id, or the
    token's number.
    """

    subject: str
    role: Role
    merchant_id: str | None = None
    customer_id: str | None = None
    tab_id: str | None = None
    scope: Scope | None = None

    @property
    def is_business(self) -> bool:
        return self.role in _BUSINESS

    @property
    def is_customer(self) -> bool:
        """Whether this is the tab's customer, signed in or as a guest."""
        return self.role in _CUSTOMER

    @property
    def rights(self) -> Role | Scope:
        """What the table of actions goes by: the role, or the scope of a guest's link."""
        return self.scope if self.scope is not None else self.role


SYSTEM = Actor(subject="aftertab", role=Role.SYSTEM)
