"""Endpoints: the owner says where notices go, rotates the secret, tests, reads the log and has notices replayed."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.domain.errors import (
    Contention,
    EndpointDisabled,
    InvalidInput,
    NotFound,
    StaleVersion,
    TooManyEndpoints,
)
from chalicelib.domain.news import endpoint as endpoints
from chalicelib.domain.news import sending as sendings
from chalicelib.domain.news.endpoint import DisabledBy, Endpoint, Secrets
from chalicelib.domain.news.notice import TEST, TYPES, Notice
from chalicelib.domain.news.sending import KEPT, LASTS, REPLAYABLE, Sending, SendingState
from chalicelib.domain.news.signing import secret_of
from chalicelib.domain.tab.actor import Actor
from chalicelib.ports.deps import Deps
from chalicelib.ports.notices import NoticeJob, Replay, queue_job_of
from chalicelib.ports.queues import QueueName, QueueUnavailable
from chalicelib.ports.store import Page, RecordExists, VersionConflict
from chalicelib.ports.webhooks import NoAnswer, WhyNoAnswer
from chalicelib.usecases.tab.requests import Request, merchant_of

_WHY_NOT = {
    WhyNoAnswer.ADDRESS_REFUSED: "It must be https, and its address a public one: notices go over the internet.",
    WhyNoAnswer.UNRESOLVED: "Its host name is not known. Check the spelling, or wait until the name is spread.",
}
ALL = (*sorted(REPLAYABLE), SendingState.DELIVERED)


class EndpointInput(Struct, frozen=True, kw_only=True):
    """What an owner says of an endpoint. `event_types` empty: all."""

    url: str
    event_types: tuple[str, ...]
    description: str
    ordered: bool


class WithSecret(Struct, frozen=True, kw_only=True):
    """`secret`: shown this once; None where the request is a repetition, because it was shown then."""

    endpoint: Endpoint
    secret: str | None

    def __repr__(self) -> str:
        return f"WithSecret(endpoint_id={self.endpoint.endpoint_id!r})"


def create_endpoint(deps: Deps, given: EndpointInput, *, request: Request) -> WithSecret:
    """Raises InvalidInput, TooManyEndpoints, IdempotencyMismatch, Contention."""
    merchant_id = merchant_of(request.by)
    existing = deps.notices.list_endpoints(merchant_id)
    record = deps.store.find_record(request.record_id, deps.clock.now())
    if record is not None:
        request.check_same(record)
        return WithSecret(endpoint=get_endpoint(deps, record.resource_id or "", by=request.by), secret=None)
    _check(deps, given)
    taken = {endpoint.slot for endpoint in existing}
    free = [slot for slot in range(endpoints.MAXIMUM_ENDPOINTS) if slot not in taken]
    if not free:
        raise TooManyEndpoints(
            f"A business has at most {endpoints.MAXIMUM_ENDPOINTS} endpoints. Delete one that is not used any more.",
            maximum=endpoints.MAXIMUM_ENDPOINTS,
        )
    now = deps.clock.now()
    endpoint = Endpoint(
        endpoint_id=deps.ids.new("end"),
        merchant_id=merchant_id,
        url=given.url,
        event_types=given.event_types,
        description=given.description,
        ordered=given.ordered,
        slot=free[0],
        since=now,
        created_at=now,
    )
    secrets = Secrets(
        merchant_id=merchant_id, endpoint_id=endpoint.endpoint_id, current=secret_of(deps.ids.new_signing_key())
    )
    try:
        deps.notices.put_endpoint(
            endpoint, secrets=secrets, record=request.new_record(deps, resource_id=endpoint.endpoint_id)
        )
    except (VersionConflict, RecordExists):
        raise Contention("Other requests are changing the endpoints. Nothing was done; try again.") from None
    return WithSecret(endpoint=endpoint, secret=secrets.current)


def list_endpoints(deps: Deps, *, by: Actor) -> tuple[Endpoint, ...]:
    return deps.notices.list_endpoints(merchant_of(by))


def get_endpoint(deps: Deps, endpoint_id: str, *, by: Actor) -> Endpoint:
    """Raises NotFound."""
    found = deps.notices.find_endpoint(merchant_of(by), endpoint_id)
    if found is None:
        raise NotFound("There is no such endpoint.")
    return found


def update_endpoint(deps: Deps, endpoint_id: str, given: EndpointInput, *, request: Request) -> Endpoint:
    """Replace what the owner says of it. Raises NotFound, InvalidInput, StaleVersion, Contention."""

    def change(before: Endpoint) -> Endpoint:
        _check(deps, given)
        # Types that are new to it begin now: an ordered endpoint would else be sent what it did not want then.
        wants_more = before.event_types and not set(given.event_types or TYPES) <= set(before.event_types)
        return replace(
            before,
            url=given.url,
            event_types=given.event_types,
            description=given.description,
            ordered=given.ordered,
            since=deps.clock.now() if wants_more else before.since,
            version=before.version + 1,
        )

    return _change(deps, endpoint_id, change, request=request)[0]


def disable_endpoint(deps: Deps, endpoint_id: str, *, request: Request) -> Endpoint:
    """Send nothing for now; what happens meanwhile is held. Raises NotFound, StaleVersion, Contention."""
    now = deps.clock.now()
    return _change(
        deps, endpoint_id, lambda before: endpoints.disabled(before, DisabledBy.OWNER, now), request=request
    )[0]


def enable_endpoint(deps: Deps, endpoint_id: str, *, request: Request) -> Endpoint:
    """Send again, first of all what was held meanwhile. Raises NotFound, StaleVersion, Contention."""
    was = get_endpoint(deps, endpoint_id, by=request.by)
    endpoint, _ = _change(deps, endpoint_id, endpoints.enabled, request=request)
    # What was under way when it was disabled is as old as its tries last. For a repeated request, too: the first one
    # may have died here.
    since = was.disabled_at - LASTS if was.disabled_at is not None else deps.clock.now() - KEPT
    _send_replay(deps, endpoint, since, (SendingState.HELD,))
    return endpoint


def delete_endpoint(deps: Deps, endpoint_id: str, *, request: Request) -> None:
    """Delete it with its secrets; nothing more is sent to it. Raises NotFound, IdempotencyMismatch."""
    merchant_id = merchant_of(request.by)
    endpoint = deps.notices.find_endpoint(merchant_id, endpoint_id)
    record = deps.store.find_record(request.record_id, deps.clock.now())
    if record is not None:
        request.check_same(record)
        return
    if endpoint is None:
        raise NotFound("There is no such endpoint.")
    # Another try of this very request may have been first.
    with suppress(RecordExists):
        deps.notices.delete_endpoint(endpoint, record=request.new_record(deps, resource_id=endpoint_id))


def rotate_secret(deps: Deps, endpoint_id: str, *, request: Request) -> WithSecret:
    """A new secret at once; the old one signs beside it for a day. Raises NotFound, InvalidInput, Contention."""
    endpoint = get_endpoint(deps, endpoint_id, by=request.by)
    secrets = deps.notices.find_secrets(endpoint.merchant_id, endpoint_id)
    assert secrets is not None, "an endpoint is written with its secrets"
    now = deps.clock.now()
    if len(secrets.signing(now)) >= endpoints.MAXIMUM_SECRETS:
        raise InvalidInput(
            f"The secret was rotated {endpoints.MAXIMUM_SECRETS - 1} times within a day, and each still signs. "
            "Wait until the oldest has run out."
        )
    new = endpoints.rotated(secrets, secret_of(deps.ids.new_signing_key()), now)
    changed, is_new = _change(deps, endpoint_id, _next_version, request=request, secrets=new)
    return WithSecret(endpoint=changed, secret=new.current if is_new else None)


# The log


def send_test(deps: Deps, endpoint_id: str, *, request: Request) -> Sending:
    """Send a test to this endpoint, whatever it wants and even while it is disabled. Raises NotFound, Contention."""
    endpoint = get_endpoint(deps, endpoint_id, by=request.by)
    record = deps.store.find_record(request.record_id, deps.clock.now())
    if record is not None:
        request.check_same(record)
        return get_notice(deps, endpoint_id, record.resource_id or "", by=request.by)
    now = deps.clock.now()
    notice = Notice(
        notice_id=deps.ids.new("test"),
        type=TEST,
        merchant_id=endpoint.merchant_id,
        at=now,
        data={"merchant_id": endpoint.merchant_id, "endpoint_id": endpoint_id},
    )
    sending = sendings.new_sending(notice, endpoint_id, now)
    _put_and_send(deps, sending, request)
    return sending


def list_notices(deps: Deps, endpoint_id: str, *, limit: int, cursor: str | None, by: Actor) -> Page[Sending]:
    """What was told to this endpoint, the newest first, for 30 days. Raises NotFound, InvalidInput."""
    endpoint = get_endpoint(deps, endpoint_id, by=by)
    now = deps.clock.now()
    return deps.notices.list_sendings(
        endpoint.merchant_id, endpoint_id, now - KEPT, now + KEPT, limit=limit, cursor=cursor, newest_first=True
    )


def get_notice(deps: Deps, endpoint_id: str, notice_id: str, *, by: Actor) -> Sending:
    """Raises NotFound."""
    found = deps.notices.find_sending(merchant_of(by), endpoint_id, notice_id)
    if found is None or found.notice.at < deps.clock.now() - KEPT:
        raise NotFound("There is no such notice, or it is more than 30 days old.")
    return found


def replay_notice(deps: Deps, endpoint_id: str, notice_id: str, *, request: Request) -> Sending:
    """Send it again, under the same id; one under way stays as it is.

    Raises NotFound, InvalidInput, EndpointDisabled, Contention.
    """
    endpoint = get_endpoint(deps, endpoint_id, by=request.by)
    sending = get_notice(deps, endpoint_id, notice_id, by=request.by)
    record = deps.store.find_record(request.record_id, deps.clock.now())
    if record is not None:
        request.check_same(record)
        return sending
    _check_enabled(endpoint)
    if sending.state == SendingState.REFUSED:
        raise InvalidInput("This notice is too large to be sent. Get the tab from the API instead.")
    if sending.is_under_way:
        return sending
    again = sendings.replayed(sending, deps.clock.now())
    _put_and_send(deps, again, request)
    return again


def replay_since(deps: Deps, endpoint_id: str, since: datetime, *, delivered_too: bool, request: Request) -> Endpoint:
    """Send again what has happened since then and was given up or held; `delivered_too`: everything, once more.

    Raises NotFound, InvalidInput, EndpointDisabled, Contention.
    """
    endpoint = get_endpoint(deps, endpoint_id, by=request.by)
    _check_enabled(endpoint)
    if since > deps.clock.now():
        raise InvalidInput("This time is in the future. Give one that has passed.", field="since")
    states = ALL if delivered_too else tuple(sorted(REPLAYABLE))
    record = deps.store.find_record(request.record_id, deps.clock.now())
    if record is None:
        # First the job: a request that died after it is repeated, and replays once more what has the same ids.
        _send_replay(deps, endpoint, since, states)
    return _change(deps, endpoint_id, _next_version, request=request)[0]


def _check_enabled(endpoint: Endpoint) -> None:
    if not endpoint.is_enabled:
        raise EndpointDisabled("The endpoint is disabled. Enable it first; what was held is then sent by itself.")


def _next_version(before: Endpoint) -> Endpoint:
    """Nothing else changes; the version shows that the request was carried out."""
    return replace(before, version=before.version + 1)


def _change(
    deps: Deps,
    endpoint_id: str,
    change: Callable[[Endpoint], Endpoint],
    *,
    request: Request,
    secrets: Secrets | None = None,
) -> tuple[Endpoint, bool]:
    """The endpoint as changed, and whether this request did it; repeated under the same key it is as it is now."""
    before = get_endpoint(deps, endpoint_id, by=request.by)
    record = deps.store.find_record(request.record_id, deps.clock.now())
    if record is not None:
        request.check_same(record)
        return before, False
    if request.expected_version not in (None, before.version):
        raise StaleVersion(f"The endpoint is at version {before.version} by now.", version=before.version)
    changed = change(before)
    if changed == before:
        changed = _next_version(before)
    try:
        deps.notices.put_endpoint(changed, secrets=secrets, record=request.new_record(deps, resource_id=endpoint_id))
    except (VersionConflict, RecordExists):
        raise Contention("The endpoint is being changed at the same time. Nothing was done; try again.") from None
    return changed, True


def _put_and_send(deps: Deps, sending: Sending, request: Request) -> None:
    """Raises Contention. If the queue does not take the job, the sweep finds it."""
    notice = sending.notice
    try:
        deps.notices.put_sending(sending, record=request.new_record(deps, resource_id=notice.notice_id))
    except (VersionConflict, RecordExists):
        raise Contention("The notice is being sent at the same time. Nothing was done; try again.") from None
    job = NoticeJob(merchant_id=notice.merchant_id, endpoint_id=sending.endpoint_id, notice_id=notice.notice_id)
    with suppress(QueueUnavailable):
        deps.queues.send(QueueName.NOTICES, [queue_job_of(job)])


def _send_replay(deps: Deps, endpoint: Endpoint, since: datetime, states: tuple[SendingState, ...]) -> None:
    """Raises QueueUnavailable."""
    # Up to now and with it, to the millisecond that instants have.
    replay = Replay(since=since, until=deps.clock.now() + timedelta(milliseconds=1), states=states)
    job = NoticeJob(merchant_id=endpoint.merchant_id, endpoint_id=endpoint.endpoint_id, replay=replay)
    deps.queues.send(QueueName.NOTICES, [queue_job_of(job)])


def _check(deps: Deps, given: EndpointInput) -> None:
    """Raises InvalidInput, naming the field."""
    unknown = sorted(set(given.event_types) - set(TYPES))
    if unknown:
        raise InvalidInput(
            f"There is no event type {unknown[0][:60]!r}. docs/events.md lists them.", field="event_types"
        )
    try:
        parts = urlsplit(given.url)
        parts.port  # noqa: B018  # It is read, and wrong, only here.
    except ValueError:
        raise InvalidInput("This is not a URL.", field="url") from None
    is_plain = given.url.isascii() and given.url.isprintable() and " " not in given.url
    if parts.scheme not in ("https", "http") or not parts.hostname or not is_plain:
        raise InvalidInput(
            "It must be an https URL in ASCII, with no space, such as https://example.com/hooks; write other letters "
            "of a host name as punycode and those of a path with percent signs.",
            field="url",
        )
    if "@" in parts.netloc or parts.fragment:
        raise InvalidInput(
            "Leave user name, password and #fragment out of the URL. The signature says who sends.", field="url"
        )
    try:
        deps.webhooks.check(given.url)
    except NoAnswer as none:
        raise InvalidInput(_WHY_NOT.get(none.failure, "It can't be reached."), field="url") from None
