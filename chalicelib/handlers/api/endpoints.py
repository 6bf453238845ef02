"""/v1/endpoints: where a merchant's systems receive notices; the owner's."""

from __future__ import annotations

from chalicelib.bootstrap import get_deps
from chalicelib.domain.news.sending import Sending
from chalicelib.handlers.api import endpoint_requests, fields, news_views, render_news, requests
from chalicelib.handlers.api.operations import OWNER, Call, Query, Reply, Routes, is_replay
from chalicelib.usecases.news import endpoints
from chalicelib.usecases.news.endpoints import EndpointInput, WithSecret

routes = Routes(__name__)

_ENDPOINTS = "/v1/endpoints"
_ENDPOINT = _ENDPOINTS + "/{endpoint_id}"
_NOTICE = _ENDPOINT + "/notices/{notice_id}"


@routes.operation(
    "POST",
    _ENDPOINTS,
    roles=OWNER,
    body=endpoint_requests.EndpointFields,
    answer=news_views.EndpointWithSecret,
    status=201,
)
def create_endpoint(call: Call[endpoint_requests.EndpointFields]) -> Reply:
    """Create an endpoint. Its secret is in this answer and in no other."""
    return _with_secret(endpoints.create_endpoint(get_deps(), _given(call.body), request=call.request))


@routes.operation("GET", _ENDPOINTS, roles=OWNER, answer=news_views.EndpointList)
def list_endpoints(call: Call[None]) -> Reply:
    """List the merchant's endpoints, the oldest first."""
    found = endpoints.list_endpoints(get_deps(), by=call.by)
    return Reply(body=news_views.EndpointList(endpoints=[render_news.endpoint(endpoint) for endpoint in found]))


@routes.operation("GET", _ENDPOINT, roles=OWNER, answer=news_views.EndpointView, tagged=True)
def get_endpoint(call: Call[None]) -> Reply:
    """Get an endpoint."""
    endpoint = endpoints.get_endpoint(get_deps(), call.path["endpoint_id"], by=call.by)
    return Reply(body=render_news.endpoint(endpoint), version=endpoint.version)


@routes.operation(
    "PUT", _ENDPOINT, roles=OWNER, body=endpoint_requests.EndpointFields, answer=news_views.EndpointView, tagged=True
)
def update_endpoint(call: Call[endpoint_requests.EndpointFields]) -> Reply:
    """Set an endpoint's URL, event types, description and order. Its secret stays."""
    deps, request = get_deps(), call.request
    replayed = is_replay(deps, request)
    endpoint = endpoints.update_endpoint(deps, call.path["endpoint_id"], _given(call.body), request=request)
    return Reply(body=render_news.endpoint(endpoint), version=endpoint.version, replayed=replayed)


@routes.operation("DELETE", _ENDPOINT, roles=OWNER, answer=news_views.Deleted)
def delete_endpoint(call: Call[requests.Nothing]) -> Reply:
    """Delete an endpoint with its secret. Nothing more is sent to it."""
    deps, request = get_deps(), call.request
    replayed = is_replay(deps, request)
    endpoints.delete_endpoint(deps, call.path["endpoint_id"], request=request)
    return Reply(body=news_views.Deleted(deleted=call.path["endpoint_id"]), replayed=replayed)


@routes.operation("POST", _ENDPOINT + "/disable", roles=OWNER, answer=news_views.EndpointView, tagged=True)
def disable_endpoint(call: Call[requests.Nothing]) -> Reply:
    """Send nothing to an endpoint for now. What happens meanwhile is held."""
    deps, request = get_deps(), call.request
    replayed = is_replay(deps, request)
    endpoint = endpoints.disable_endpoint(deps, call.path["endpoint_id"], request=request)
    return Reply(body=render_news.endpoint(endpoint), version=endpoint.version, replayed=replayed)


@routes.operation("POST", _ENDPOINT + "/enable", roles=OWNER, answer=news_views.EndpointView, tagged=True)
def enable_endpoint(call: Call[requests.Nothing]) -> Reply:
    """Send to an endpoint again, first of all what was held."""
    deps, request = get_deps(), call.request
    replayed = is_replay(deps, request)
    endpoint = endpoints.enable_endpoint(deps, call.path["endpoint_id"], request=request)
    return Reply(body=render_news.endpoint(endpoint), version=endpoint.version, replayed=replayed)


@routes.operation("POST", _ENDPOINT + "/rotate_secret", roles=OWNER, answer=news_views.EndpointWithSecret, tagged=True)
def rotate_secret(call: Call[requests.Nothing]) -> Reply:
    """Make a new secret, shown in this answer and in no other. The old one signs beside it for 24 hours."""
    return _with_secret(endpoints.rotate_secret(get_deps(), call.path["endpoint_id"], request=call.request))


@routes.operation("POST", _ENDPOINT + "/test", roles=OWNER, answer=news_views.NoticeView, status=202)
def send_test_notice(call: Call[requests.Nothing]) -> Reply:
    """Send a test to an endpoint. The log shows in a moment how it was answered."""
    deps, request = get_deps(), call.request
    replayed = is_replay(deps, request)
    sending = endpoints.send_test(deps, call.path["endpoint_id"], request=request)
    return _notice(sending, replayed=replayed)


@routes.operation(
    "GET",
    _ENDPOINT + "/notices",
    roles=OWNER,
    answer=news_views.NoticeList,
    query=(
        Query(name="limit", kind=int, minimum=1, maximum=100, default=25, description="How many, at most."),
        Query(name="cursor", kind=str, description="`next_cursor` of the page before."),
    ),
)
def list_notices(call: Call[None]) -> Reply:
    """List what was told to an endpoint in the last 30 days, newest first, with every try and its answer."""
    page = endpoints.list_notices(
        get_deps(), call.path["endpoint_id"], limit=call.query["limit"], cursor=call.query["cursor"], by=call.by
    )
    body = news_views.NoticeList(notices=[render_news.notice(it) for it in page.items], next_cursor=page.next_cursor)
    return Reply(body=body)


@routes.operation("GET", _NOTICE, roles=OWNER, answer=news_views.NoticeView)
def get_notice(call: Call[None]) -> Reply:
    """Get one notice of an endpoint's log."""
    return _notice(
        endpoints.get_notice(get_deps(), call.path["endpoint_id"], call.path["notice_id"], by=call.by), replayed=False
    )


@routes.operation("POST", _NOTICE + "/replay", roles=OWNER, answer=news_views.NoticeView, status=202)
def replay_notice(call: Call[requests.Nothing]) -> Reply:
    """Send a notice again, under the same id."""
    deps, request = get_deps(), call.request
    replayed = is_replay(deps, request)
    sending = endpoints.replay_notice(deps, call.path["endpoint_id"], call.path["notice_id"], request=request)
    return _notice(sending, replayed=replayed)


@routes.operation(
    "POST",
    _ENDPOINT + "/replay",
    roles=OWNER,
    body=endpoint_requests.ReplaySince,
    answer=news_views.EndpointView,
    status=202,
    tagged=True,
)
def replay_since(call: Call[endpoint_requests.ReplaySince]) -> Reply:
    """Send again, under the same ids, what has happened since a time and was not delivered."""
    deps, request = get_deps(), call.request
    replayed = is_replay(deps, request)
    since = fields.instant(call.body.since, "since")
    assert since is not None, "the body has it"
    endpoint = endpoints.replay_since(
        deps,
        call.path["endpoint_id"],
        since,
        delivered_too=call.body.delivered_too,
        request=request,
    )
    return Reply(body=render_news.endpoint(endpoint), version=endpoint.version, replayed=replayed)


def _given(body: endpoint_requests.EndpointFields) -> EndpointInput:
    return EndpointInput(
        url=body.url,
        event_types=tuple(dict.fromkeys(body.event_types)),
        description=body.description,
        ordered=body.ordered,
    )


def _with_secret(found: WithSecret) -> Reply:
    return Reply(
        body=news_views.EndpointWithSecret(endpoint=render_news.endpoint(found.endpoint), secret=found.secret),
        version=found.endpoint.version,
        replayed=found.secret is None,
    )


def _notice(sending: Sending, *, replayed: bool) -> Reply:
    return Reply(body=render_news.notice(sending), replayed=replayed)
