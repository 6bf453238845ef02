"""What a use case is asked and what it answers, and which tabs a caller may see."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from msgspec import Struct

from chalicelib.domain.errors import IdempotencyMismatch, NotFound
from chalicelib.domain.tab.actor import Actor, Role
from chalicelib.domain.tab.guests import scope_of
from chalicelib.ports.store import IdempotencyRecord

if TYPE_CHECKING:
    from chalicelib.domain.tab.attempt import Attempt
    from chalicelib.domain.tab.tab import Tab
    from chalicelib.ports.deps import Deps

RECORD_LIFETIME = timedelta(hours=24)


class Request(Struct, frozen=True, kw_only=True):
    """The caller, the idempotency key and the expected version of a request.

    `record_id`: merchant, caller and key. `request_sha256`: the hash of method, path and body. `expected_version`: from
    the caller's If-Match; None if they sent none. `return_url`: where the gateway's page leads back to, for a customer
    who pays in a browser; None for one in an app.
    """

    by: Actor
    record_id: str
    request_sha256: str
    expected_version: int | None = None
    return_url: str | None = None

    def new_record(self, deps: Deps, **what: object) -> IdempotencyRecord:
        now = deps.clock.now()
        return IdempotencyRecord(
            record_id=self.record_id,
            request_sha256=self.request_sha256,
            created_at=now,
            expires_at=now + RECORD_LIFETIME,
            **what,  # type: ignore[arg-type]
        )

    def check_same(self, record: IdempotencyRecord) -> None:
        """Raises IdempotencyMismatch if the key was used for another request."""
        if record.request_sha256 != self.request_sha256:
            raise IdempotencyMismatch(
                "This Idempotency-Key was used for a different request. Use a new key for a new request."
            )


class Answer(Struct, frozen=True, kw_only=True):
    """The tab after the request, and the attempt that it began or found waiting, in its current state.

    `link_id`: of the link that it made.
    """

    tab: Tab
    attempt: Attempt | None = None
    replayed: bool = False
    link_id: str | None = None


def merchant_of(by: Actor) -> str:
    if by.merchant_id is None:
        raise NotFound("There is no such tab.")
    return by.merchant_id


def check_visible(deps: Deps, tab: Tab, by: Actor) -> None:
    """Customers see only their own tabs, guests only the one that they have a key to, while that is one.

    Raises NotFound, as for a tab that does not exist.
    """
    if by.role == Role.CUSTOMER and tab.customer_id != by.customer_id:
        raise NotFound("There is no such tab.")
    # The guest's key was looked up when the request came, or up to a minute earlier; what it opens now, the tab says.
    if by.role == Role.GUEST and (tab.tab_id != by.tab_id or scope_of(tab, by.subject, deps.clock.now()) != by.scope):
        raise NotFound("There is no such tab.")
