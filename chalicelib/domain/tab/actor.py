"""The actor of a change: a person in a role, or the system."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct


class Role(StrEnum):
    CUSTOMER = "customer"
    STAFF = "staff"
    OWNER = "owner"
    OPERATOR = "operator"
    SYSTEM = "system"


class Actor(Struct, frozen=True, kw_only=True):
    """The caller. `merchant_id` is None for operators; `customer_id` is set only for customers."""

    subject: str
    role: Role
    merchant_id: str | None = None
    customer_id: str | None = None

    @property
    def is_business(self) -> bool:
        return self.role in (Role.STAFF, Role.OWNER)


SYSTEM = Actor(subject="aftertab", role=Role.SYSTEM)
