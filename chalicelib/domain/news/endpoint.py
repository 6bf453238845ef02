"""Endpoints: where a merchant's systems receive notices, which ones, and whether they do."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.domain import instants
from chalicelib.domain.news.notice import TEST, Notice

MAXIMUM_ENDPOINTS = 10
"""Of one merchant."""
SECRET_OVERLAP = timedelta(hours=24)
"""So long a secret that was replaced still signs, beside the new one."""
MAXIMUM_SECRETS = 5
WARN_AFTER = timedelta(days=1)
DISABLE_AFTER = timedelta(days=5)
SHORTEST_REST = timedelta(minutes=1)
LONGEST_REST = timedelta(minutes=15)


class EndpointState(StrEnum):
    ENABLED = "enabled"
    DISABLED = "disabled"


class DisabledBy(StrEnum):
    """`gone`: the receiver answered 410. `failing`: it answered well to nothing for DISABLE_AFTER."""

    OWNER = "owner"
    GONE = "gone"
    FAILING = "failing"


class Endpoint(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`event_types` empty: all. `ordered`: a notice waits for the earlier ones of its tab.

    `slot`: which of the merchant's MAXIMUM_ENDPOINTS places it has. `since`: it receives what happens from then on.
    `failing_since`: since when every try has failed, None if the last one did not; `warned_at`: when the owner was told
    of that; `rests_until`: nothing is tried before, because it has hung. `version` counts changes from 1. The secrets
    are kept apart (`Secrets`).
    """

    endpoint_id: str
    merchant_id: str
    url: str
    event_types: tuple[str, ...] = ()
    description: str = ""
    ordered: bool = False
    slot: int
    since: datetime
    created_at: datetime
    state: EndpointState = EndpointState.ENABLED
    disabled_by: DisabledBy | None = None
    disabled_at: datetime | None = None
    failing_since: datetime | None = None
    warned_at: datetime | None = None
    rests_until: datetime | None = None
    version: int = 1

    @property
    def is_enabled(self) -> bool:
        return self.state == EndpointState.ENABLED

    def wants(self, notice: Notice) -> bool:
        return notice.at >= self.since and (not self.event_types or notice.type in self.event_types)

    def receives(self, notice: Notice) -> bool:
        """Whether the notice may be sent now. A test may also be sent while the endpoint is disabled."""
        return self.is_enabled or notice.type == TEST


def disabled(endpoint: Endpoint, by: DisabledBy, now: datetime) -> Endpoint:
    """The next version; the same one where it is disabled already: by whom and when stands."""
    if not endpoint.is_enabled:
        return endpoint
    return replace(
        endpoint, state=EndpointState.DISABLED, disabled_by=by, disabled_at=now, version=endpoint.version + 1
    )


def enabled(endpoint: Endpoint) -> Endpoint:
    """The next version, with a fresh start: failures of before do not count."""
    return replace(
        endpoint,
        state=EndpointState.ENABLED,
        disabled_by=None,
        disabled_at=None,
        failing_since=None,
        warned_at=None,
        rests_until=None,
        version=endpoint.version + 1,
    )


def after_success(endpoint: Endpoint) -> Endpoint:
    """The next version; the same one where it was not failing."""
    if endpoint.failing_since is None:
        return endpoint
    return replace(endpoint, failing_since=None, warned_at=None, rests_until=None, version=endpoint.version + 1)


def after_failure(endpoint: Endpoint, now: datetime, *, hung: bool = False) -> Endpoint:
    """The next version: failing since now, warned about after WARN_AFTER, disabled after DISABLE_AFTER.

    The same one where there is nothing new to say. It is never disabled without a warning before. `hung`: it kept us
    waiting, so it rests, the longer the longer it has been failing.
    """
    if not endpoint.is_enabled:
        return endpoint
    changed = endpoint
    failing_since = endpoint.failing_since or now
    if endpoint.failing_since is None:
        changed = replace(changed, failing_since=now)
    elif endpoint.warned_at is None:
        if now >= failing_since + WARN_AFTER:
            changed = replace(changed, warned_at=now)
    elif now >= max(failing_since + DISABLE_AFTER, endpoint.warned_at + WARN_AFTER):
        return disabled(endpoint, DisabledBy.FAILING, now)
    if hung:
        rest = min(max((now - failing_since) / 10, SHORTEST_REST), LONGEST_REST)
        changed = replace(changed, rests_until=now + rest)
    return changed if changed is endpoint else replace(changed, version=endpoint.version + 1)


def news_of(before: Endpoint, after: Endpoint) -> str | None:
    """The kind of the entry that tells the owner of this change; None where the owner need not be told."""
    if before.is_enabled and after.disabled_by in (DisabledBy.GONE, DisabledBy.FAILING):
        return "endpoint_disabled"
    if before.warned_at is None and after.warned_at is not None:
        return "endpoint_failing"
    return None


def details_of(endpoint: Endpoint) -> dict[str, str | None]:
    """What the owner is told: not the URL, which may hold a key."""
    failing_since, disabled_by = endpoint.failing_since, endpoint.disabled_by
    return {
        "endpoint_id": endpoint.endpoint_id,
        "failing_since": None if failing_since is None else instants.text(failing_since),
        "disabled_at": None if failing_since is None else instants.text(failing_since + DISABLE_AFTER),
        "why": disabled_by,
    }


class OldSecret(Struct, frozen=True):
    """A secret that was replaced and signs until then."""

    secret: str
    until: datetime


class Secrets(Struct, frozen=True, kw_only=True):
    """What an endpoint's notices are signed with. It is kept apart, so that reading an endpoint shows no secret."""

    merchant_id: str
    endpoint_id: str
    current: str
    old: tuple[OldSecret, ...] = ()

    def __repr__(self) -> str:
        return f"Secrets(endpoint_id={self.endpoint_id!r})"

    def signing(self, now: datetime) -> list[str]:
        """All that sign now, the current one first."""
        return [self.current, *(old.secret for old in self.old if old.until > now)]


def rotated(secrets: Secrets, new: str, now: datetime) -> Secrets:
    """The new secret at once, and the one of before for SECRET_OVERLAP; others that are replaced keep their time."""
    still = tuple(old for old in secrets.old if old.until > now)
    return replace(secrets, current=new, old=(OldSecret(secrets.current, now + SECRET_OVERLAP), *still))
