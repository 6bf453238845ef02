"""Owns the wire of `/v1`: keys, routing, parameters, idempotency, faults, and how answers and errors are written.

What a call does is the business of the function that its route names. A call is executed between two awaits, so calls
never interleave: each sees and leaves a consistent world, as Stripe's do per object.
"""

from __future__ import annotations

import asyncio
import base64
import logging
import struct
import time
from collections.abc import Awaitable, Callable, MutableMapping
from socket import SO_LINGER, SOL_SOCKET
from typing import Any

from . import accounts, files, form, intents, params, routes, unplayed, versions
from .context import Call
from .errors import StripeError
from .events import NOBODY, EventLog
from .expand import check, expand
from .faults import Fault, Faults
from .idempotency import Keys
from .objects import Request
from .packing import encode
from .request_log import Entry, RequestLog
from .store import PLATFORM, World

logger = logging.getLogger(__name__)
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class Answer:
    """What goes back over the wire."""

    __slots__ = ("body", "code", "extra", "kind", "status", "version")

    def __init__(self, status: int, body: bytes, kind: str, code: str | None = None) -> None:
        self.status = status
        self.body = body
        self.kind = kind
        self.code = code
        self.version: str | None = None  # None: the account's
        self.extra: list[tuple[bytes, bytes]] = []


def error_answer(error: StripeError) -> Answer:
    answer = Answer(error.status, encode(error.body()), "error", error.fields.get("code") or error.fields["type"])
    # Absent where nobody can say: https://docs.stripe.com/error-low-level
    if error.fields.get("code") == "idempotency_key_in_use":
        answer.extra.append((b"stripe-should-retry", b"true"))
    elif error.status in (400, 402, 403, 404):
        answer.extra.append((b"stripe-should-retry", b"false"))
    return answer


class Api:
    """ASGI application for everything below /v1/."""

    def __init__(
        self, world: World, events: EventLog, keys: Keys, log: RequestLog, faults: Faults, commit: Callable[[], None]
    ) -> None:
        self.world = world
        self.events = events
        self.keys = keys
        self.log = log
        self.faults = faults
        self.commit = commit
        # Requests a second before 429; None: no limit. Stripe's own in test mode is 25 (docs.stripe.com/rate-limits).
        self.rate_limit: int | None = None
        self._bucket = (0.0, 0.0)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        chunks = []
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            chunks.append(message.get("body", b""))
            if not message.get("more_body"):
                break
        body = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        headers: dict[bytes, bytes] = dict(scope["headers"])
        method: str = scope["method"]
        path: str = scope["path"]
        query: str = scope["query_string"].decode("latin-1")
        if method == "OPTIONS":
            await _send(
                send,
                204,
                b"",
                [
                    (b"access-control-allow-methods", b"GET, POST, DELETE"),
                    (b"access-control-allow-headers", b"*"),
                    (b"access-control-allow-origin", b"*"),
                ],
            )
            return

        request_id = self.world.new_id("req", 14)
        key = (
            headers[b"idempotency-key"].decode("latin-1")
            if b"idempotency-key" in headers and method == "POST"
            else None
        )
        account_id = _account(headers)
        text = body.decode("utf-8", "replace") if method == "POST" else query
        if headers.get(b"content-type", b"").startswith(b"multipart/form-data"):
            text = f"({len(body)} bytes of multipart/form-data)"
        fault = self.faults.for_request(method, path, account_id, text) if self.faults.rules else None
        route, ids = routes.find(method, path[4:].rstrip("/") if path.startswith("/v1/") else path)
        answer, replayed = await self._answer(
            method, path, route, ids, headers, body, text, request_id, key, account_id, fault
        )

        self.log.add(
            Entry(
                self.world.clock.now(),
                request_id,
                account_id,
                method,
                path,
                route.name if route else "(none)",
                answer.status,
                key,
                replayed,
                text,
                answer.code,
                round((time.perf_counter() - started) * 1000, 3),
            )
        )
        if fault is not None:
            if fault.kind == "slow_after":
                await asyncio.sleep(fault.seconds)
            elif fault.kind == "lost_timeout":
                await _until_disconnect(receive, fault.seconds or 60)
                await _drop(scope)
                return
            elif fault.kind in ("lost_reset", "reset_before"):
                await _drop(scope)
                return
        out = [
            (b"content-type", b"application/octet-stream" if answer.kind == "bytes" else b"application/json"),
            (b"request-id", request_id.encode()),
            (b"stripe-version", (answer.version or self.world.api_version).encode()),
            *answer.extra,
        ]
        if b"pk_test_" in headers.get(b"authorization", b""):
            # A payment page in a browser may read these, and no other site's page what a secret key is answered.
            out += [(b"access-control-allow-origin", b"*"), (b"access-control-expose-headers", b"Request-Id")]
        if key is not None:
            out.append((b"idempotency-key", key.encode("latin-1")))
        if account_id != PLATFORM:
            out.append((b"stripe-account", account_id.encode("latin-1")))
        await _send(send, answer.status, answer.body, out)

    async def _answer(
        self,
        method: str,
        path: str,
        route: routes.Route | None,
        ids: list[str],
        headers: dict[bytes, bytes],
        body: bytes,
        text: str,
        request_id: str,
        key: str | None,
        account_id: str,
        fault: Fault | None,
    ) -> tuple[Answer, bool]:
        """Everything between the request and its answer. The flag says whether the answer is a replay."""
        begun = False
        version = self.world.api_version
        try:
            secret = _authenticate(headers)
            if b"stripe-version" in headers:
                version = versions.served(headers[b"stripe-version"].decode("latin-1"), version)
            if b"stripe-context" in headers and b"stripe-account" in headers:
                raise StripeError(
                    400, "Only one of the Stripe-Account and Stripe-Context headers may be sent.", before_execution=True
                )
            if method == "POST" and headers.get(b"content-type", b"").startswith(b"application/json"):
                raise StripeError(
                    400,
                    "Invalid request (check that your POST content type is application/x-www-form-urlencoded). If you "
                    "have any questions, we can help at https://support.stripe.com/.",
                    before_execution=True,
                )
            if (fault is not None and fault.kind == "rate_limit") or self._too_fast():
                raise StripeError(
                    429,
                    "Request rate limit exceeded. Learn more about rate limits here "
                    "https://stripe.com/docs/rate-limits.",
                    code="rate_limit",
                    before_execution=True,
                )
            if account_id != PLATFORM and not accounts.reachable(self.world, account_id):
                raise accounts.no_access(account_id)
            if route is None:
                raise unplayed.path(method, path) or StripeError(
                    404,
                    f"Unrecognized request URL ({method}: {path}). Please see https://stripe.com/docs or we can "
                    "help at https://support.stripe.com/.",
                    before_execution=True,
                )
            if not secret and not route.publishable:
                raise StripeError(
                    401,
                    "This API call cannot be made with a publishable API key. Please use a secret API key. You "
                    "can find a list of your API keys at https://dashboard.stripe.com/account/apikeys.",
                    code="secret_key_required",
                    before_execution=True,
                )
            if fault is not None and fault.kind == "fail_before":
                raise StripeError(
                    fault.status,
                    "An unknown error occurred (fail_before was asked for).",
                    type="api_error",
                    before_execution=True,
                )
            if fault is not None and fault.kind == "reset_before":
                return Answer(0, b"", "none", "reset_before"), False
            request = Request(id=request_id, idempotency_key=key)
            if key is not None:
                stored = self.keys.begin(account_id, request, version, path, body, self.world.clock.now())
                if stored is not None:
                    replay = Answer(stored.status, self.world.packer.unpack(stored.kind, stored.body), stored.kind)
                    replay.version = stored.version
                    replay.extra = [
                        (b"idempotent-replayed", b"true"),
                        (b"original-request", (stored.request.id or "").encode()),
                    ]
                    return replay, True
                begun = True
            if fault is not None and fault.kind == "slow":
                await asyncio.sleep(fault.seconds)
            account = self.world.accounts[account_id]
            call = Call(self.world, self.events, account, secret, account_id != PLATFORM, request, version)
            content_type = headers.get(b"content-type", b"").decode("latin-1")
            if method == "POST" and content_type.startswith("multipart/form-data"):
                given = form.nest(files.parts(content_type, body))
            else:
                given = form.parse(text)
            answer = self._execute(call, route, ids, given, fault)
            if answer.kind != "bytes":
                answer.body = versions.rendered(version, call.account, answer.body)
            answer.version = version
            if key is not None:
                packed = self.world.packer.pack(answer.kind, answer.body)
                self.keys.finish(account_id, key, answer.status, answer.kind, packed)
            self.commit()
            return answer, False
        except StripeError as error:
            # Only what failed before execution arrives here: the key stays free for the corrected request.
            if begun and key is not None:
                self.keys.forget(account_id, key)
            answer = error_answer(error)
            answer.version = version
            return answer, False

    def _execute(
        self, call: Call, route: routes.Route, ids: list[str], given: dict[str, Any], fault: Fault | None
    ) -> Answer:
        """Run the call. Raises errors of validation; answers those that arose while executing, as they are stored."""
        try:
            checked = params.apply(versions.fields(call.version, route.name, route.fields), given)
        except StripeError as error:
            named = error.fields.get("param")
            if error.fields.get("code") == "parameter_unknown":
                raise unplayed.parameter(route.name, named) or error from None
            raise unplayed.value(route.name, named, given) or error from None
        versions.accept(call.version, route.name, checked)
        if "expand" in checked:
            check(route.kind, route.many, checked["expand"], counts=call.before("total_count"))
        if route.check is not None:
            route.check(call, checked, *ids)
        self.events.request = call.request
        try:
            result = route.serve(call, checked, *ids)
            if fault is not None and fault.kind == "fail_after":
                raise StripeError(
                    fault.status, "An unknown error occurred (fail_after was asked for).", type="api_error"
                )
            if fault is not None and fault.kind == "empty_page" and route.many:
                result = {**result, "data": [], "has_more": True}
            if "expand" in checked:
                result = expand(call, result, checked["expand"])
            if isinstance(result, bytes):
                return Answer(200, result, "bytes")
            kind = result["object"] if isinstance(result, dict) else result.object
            if not call.secret and kind in intents.PUBLIC:
                shown = intents.PUBLIC[kind]
                result = {name: getattr(result, name) for name in result.__struct_fields__ if name in shown}
            return Answer(200, encode(result), kind)
        except StripeError as error:
            if error.before_execution:
                raise
            return error_answer(error)
        except Exception:
            logger.exception("a bug in the stand-in, serving %s", route.name)
            return error_answer(StripeError(500, "The stand-in failed here; its log says where.", type="api_error"))
        finally:
            self.events.request = NOBODY

    def _too_fast(self) -> bool:
        if self.rate_limit is None:
            return False
        tokens, at = self._bucket
        now = time.monotonic()
        tokens = min(float(self.rate_limit), tokens + (now - at) * self.rate_limit)
        allowed = tokens >= 1
        self._bucket = (tokens - 1 if allowed else tokens, now)
        return not allowed


def _authenticate(headers: dict[bytes, bytes]) -> bool:
    """True for a secret or restricted key, False for a publishable one. Raises 401 for none, unknown or live keys."""
    given = headers.get(b"authorization", b"").decode("latin-1")
    scheme, _, value = given.partition(" ")
    if scheme.lower() == "basic":
        try:
            value = base64.b64decode(value).decode().partition(":")[0]
        except ValueError:
            value = ""
    key = value.strip()
    if not key:
        raise StripeError(
            401,
            "You did not provide an API key. You need to provide your API key in the Authorization header, "
            "using Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY'). See "
            "https://stripe.com/docs/api#authentication for details, or we can help at "
            "https://support.stripe.com/.",
            before_execution=True,
        )
    if "_live_" in key:
        raise StripeError(
            401,
            "A live key was sent to the local stand-in. It accepts test keys only; if this key is real, treat "
            "it as exposed and roll it.",
            code="platform_api_key_expired",
            before_execution=True,
        )
    if key.startswith(("sk_test_", "rk_test_")):
        return True
    if key.startswith("pk_test_"):
        return False
    raise StripeError(
        401, f"Invalid API Key provided: {key[:4]}****{key[-4:] if len(key) > 8 else ''}", before_execution=True
    )


def _account(headers: dict[bytes, bytes]) -> str:
    """Whose the call is. Stripe-Context is a path of accounts, of which the last one is meant."""
    given = headers.get(b"stripe-context") or headers.get(b"stripe-account")
    return PLATFORM if not given else given.decode("latin-1").rpartition("/")[2]


async def _send(send: Send, status: int, body: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _until_disconnect(receive: Receive, seconds: float) -> None:
    """Stay silent until the client gives up or the time is over."""
    try:
        async with asyncio.timeout(seconds):
            while (await receive())["type"] != "http.disconnect":
                pass
    except TimeoutError:
        pass


async def _drop(scope: Scope) -> None:
    """Reset the connection instead of answering. ASGI has no word for it, so the server leaves its transport in the
    scope.
    """
    transport = scope.get("standin.transport")
    if transport is not None:
        socket = transport.get_extra_info("socket")
        if socket is not None:
            socket.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))  # close sends RST, not FIN
        transport.abort()
        await asyncio.sleep(0.01)  # until the server has seen its connection go: else it would report a missing answer
