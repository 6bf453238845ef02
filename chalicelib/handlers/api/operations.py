"""Operations: what all routes share. Read the request, check the caller, call the route's function, write the answer.

Each operation declares its roles and structs. Role checks, OpenAPI document and tests use these declarations.
"""

from __future__ import annotations

import functools
import hashlib
import logging
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from enum import StrEnum
from http import HTTPStatus
from typing import Any, Generic, TypeVar
from urllib.parse import quote
from zlib import crc32

import msgspec
from chalice.app import Request as HttpRequest

from chalicelib import correlation
from chalicelib.decoders import decoder_of
from chalicelib.domain.errors import Forbidden, InvalidInput, NotFound
from chalicelib.domain.tab.actor import Actor, Role
from chalicelib.domain.tab.link import Scope, is_token_subject
from chalicelib.handlers.api.bad_requests import (
    BadRequest,
    BodyNotJson,
    BodyTooLarge,
    IdempotencyKeyMissing,
    Unauthorized,
)
from chalicelib.handlers.api.body import ID_PATTERN, IF_MATCH_PATTERN, Nothing
from chalicelib.handlers.api.text import TextResponse
from chalicelib.ports.deps import Deps
from chalicelib.usecases.tab.requests import Request

log = logging.getLogger(__name__)

CUSTOMER = frozenset({Role.CUSTOMER})
GUEST = frozenset(Scope)
"""Whoever has a link of any scope, or a token, which is one to pay with."""
PAYING_GUEST = frozenset({Scope.PAY})
BUSINESS = frozenset({Role.STAFF, Role.OWNER})
OWNER = frozenset({Role.OWNER})
OPERATOR = frozenset({Role.OPERATOR})
PUBLIC: frozenset[Role | Scope] = frozenset()
"""No token is needed: the answer is public, or the request is signed."""

JSON = "application/json"
SECRET = "key"
"""The name of a path's part that is a secret."""

MAXIMUM_BODY_BYTES = 64 * 1024
"""Twice the size of fifty items with the longest descriptions."""

_encode = msgspec.json.Encoder().encode
_SCOPE_NAMED = {scope.value: scope for scope in Scope}
_ROLE_NAMED = {role.value: role for role in Role}
_ID = re.compile(ID_PATTERN)
_KEY = r"[\x21-\x7e]{1,255}"

B = TypeVar("B", covariant=True)


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """A query parameter. `kind`: int, str, datetime or an enumeration. `pattern`: of a str."""

    name: str
    kind: type
    description: str
    minimum: int = 0
    maximum: int = 0
    default: int | str | None = None
    pattern: str | None = None


OPENED = (
    Query(name="opened_since", kind=datetime, description="Opened at this instant or later."),
    Query(name="opened_until", kind=datetime, description="Opened before this instant."),
)


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """One route. `rights` empty: no token is needed. `writes`: an Idempotency-Key is required. `media`: the answer's.

    `rights`: the roles that may call it and, for guests, the scopes of their links, as in the domain's table of
    actions. `for_token`: for guests with a numbered token only.
    """

    name: str
    module: str
    method: str
    path: str
    summary: str
    rights: frozenset[Role | Scope]
    for_token: bool
    writes: bool
    body: type[Any]
    answer: type[Any] | None
    status: int
    query: tuple[Query, ...]
    tagged: bool
    moves_money: bool
    media: str

    @property
    def roles(self) -> frozenset[Role]:
        """The roles alone: whoever has a link is a guest."""
        return frozenset(Role.GUEST if isinstance(right, Scope) else right for right in self.rights)


OPERATIONS: dict[str, Operation] = {}
"""Of the modules that are loaded; `all_operations` loads the others."""


class Call(msgspec.Struct, Generic[B], frozen=True, kw_only=True):
    """A valid, permitted request: its body, its path and query parameters, and the caller."""

    operation: Operation
    http: HttpRequest
    path: Mapping[str, str]
    query: Mapping[str, Any]
    body: B
    raw_body: bytes
    actor: Actor | None
    idempotency_key: str

    @property
    def by(self) -> Actor:
        assert self.actor is not None, "public operations don't ask who calls"
        return self.actor

    @property
    def credential(self) -> str:
        """What the caller has proven who they are with: a token of the issuer, or the secret of a link."""
        return str(self.http.headers.get("authorization") or "").partition(" ")[2].strip()

    @property
    def ip(self) -> str:
        return str(self.http.context.get("identity", {}).get("sourceIp") or "")

    @property
    def user_agent(self) -> str:
        return str(self.http.headers.get("user-agent") or "")[:256]

    @property
    def request(self) -> Request:
        """The request as the use cases need it. Raises BadRequest."""
        path = self.operation.path.format_map(self.path)
        digest = hashlib.sha256(f"{self.operation.method} {path}\n".encode() + self.raw_body)
        return Request(
            by=self.by,
            record_id=record_id(self.by, self.idempotency_key),
            request_sha256=digest.hexdigest(),
            expected_version=_expected_version(self.http),
            return_url=getattr(self.body, "return_url", None),
        )


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """An answer, still a struct. `version` becomes the ETag. `headers`: more of them."""

    body: msgspec.Struct | None = None
    raw: bytes | None = None
    status: int | None = None
    version: int | None = None
    replayed: bool = False
    headers: Mapping[str, str] | None = None


class Routes:
    """Declares the operations of a module. `handlers/routes.py` says which method and path leads to which function."""

    def __init__(self, module: str) -> None:
        self._module = module

    def operation(
        self,
        method: str,
        path: str,
        *,
        roles: frozenset[Role | Scope] | frozenset[Role] | frozenset[Scope],
        for_token: bool = False,
        body: type[Any] = Nothing,
        answer: type[Any] | None,
        status: int = 200,
        query: tuple[Query, ...] = (),
        tagged: bool = False,
        moves_money: bool = False,
        media: str = JSON,
    ) -> Callable[[Callable[[Call[Any]], Reply]], Callable[..., TextResponse]]:
        """Make a function of a Call serve requests. Its docstring's first line is the summary in the OpenAPI document.

        `roles`: who may call it. What an action of a tab needs is in the domain: `ROLES[Action.…]`.
        `tagged`: the answer has an ETag, and a write checks If-Match. `media`: of the answer; one that people see is
        asked for by a browser's form, so its request may be of any type.
        """

        def declare(view: Callable[[Call[Any]], Reply]) -> Callable[..., TextResponse]:
            operation = Operation(
                name=view.__name__,
                module=self._module,
                method=method,
                path=path,
                summary=(view.__doc__ or "").strip().split("\n")[0].rstrip("."),
                rights=frozenset(roles),
                for_token=for_token,
                writes=method in ("POST", "PUT", "DELETE") and bool(roles),
                body=body,
                answer=answer,
                status=status,
                query=query,
                tagged=tagged,
                moves_money=moves_money,
                media=media,
            )
            assert operation.name not in OPERATIONS, f"{operation.name} twice"
            OPERATIONS[operation.name] = operation

            @functools.wraps(view)
            def serve(request: HttpRequest, **path_values: str) -> TextResponse:
                # The key in an address is a secret, whatever it looks like.
                ids = {
                    name: value
                    for name, value in path_values.items()
                    if name != SECRET and correlation.is_of_ours(value)
                }
                with correlation.about(api_request_id=request.context.get("requestId"), **ids):
                    # Here, not in a middleware, because Chalice turns errors of a middleware into a 500.
                    try:
                        call = _read(operation, request, path_values)
                        if "cursor" in call.query:
                            from chalicelib.handlers.api import paging  # Only listings have pages.

                            reply = paging.serve(call, view)
                        else:
                            reply = view(call)
                        response = _render(operation, reply, request.headers)
                    except Exception as error:
                        from chalicelib.handlers.api.problems import response_to  # Few requests have one.

                        response = response_to(error, in_body=operation.writes)
                    log.info("answered", extra={"operation": operation.name, "status": response.status_code})
                return response

            return serve

        return declare


def all_operations() -> Mapping[str, Operation]:
    """Every operation by its name, for what looks at all of them: the OpenAPI document and tests."""
    from chalicelib.handlers import routes  # Imported here: a request needs its own operation only.

    routes.load()
    return OPERATIONS


def is_replay(deps: Deps, request: Request) -> bool:
    """Whether the request was made before. For answers that do not say so themselves, as a tab's does."""
    return deps.store.find_record(request.record_id, deps.clock.now()) is not None


def record_id(by: Actor, key: str) -> str:
    """The id of the request's idempotency record: the merchant, and a digest of caller and key.

    A digest, so that the parts cannot be confused, and because Stripe accepts at most 255 characters as a key, which a
    client's key alone may have.
    """
    customer, subject, key = (quote(part, safe="") for part in (by.customer_id or "", by.subject, key))
    caller = f"{by.role}\n{customer}\n{subject}\n{key}"
    return f"{by.merchant_id or 'operator'}#{hashlib.sha256(caller.encode()).hexdigest()}"


def _read(operation: Operation, http: HttpRequest, path: dict[str, str]) -> Call[Any]:
    """Check a request. The caller is checked first, so that strangers learn nothing about valid requests."""
    actor = _actor(http) if operation.rights else None
    if actor is not None and not may_call(operation, actor.rights, has_token=is_token_subject(actor.subject)):
        raise _forbidden(operation, actor)
    raw = http.raw_body
    raw = raw if isinstance(raw, bytes) else raw.encode()
    if operation.rights and len(raw) > MAXIMUM_BODY_BYTES:
        raise BodyTooLarge(
            f"A body has at most {MAXIMUM_BODY_BYTES} bytes. Send less in one request.",
            maximum_bytes=MAXIMUM_BODY_BYTES,
        )
    if not all(map(_ID.match, path.values())):
        raise NotFound("It does not exist, or it belongs to somebody else.")
    key = _idempotency_key(http) if operation.writes else ""
    return Call(
        operation=operation,
        http=http,
        path=path,
        query=_query(operation, http) if operation.rights else {},
        body=_body(operation, raw) if operation.writes else None,
        raw_body=raw,
        actor=actor,
        idempotency_key=key,
    )


def may_call(operation: Operation, right: Role | Scope, *, has_token: bool) -> bool:
    """Whether callers with this role, or with a link of this scope, may use the operation at all.

    `has_token`: whether the caller is a guest whose only key is a numbered token.
    """
    return right in operation.rights and (has_token or not operation.for_token)


def _forbidden(operation: Operation, actor: Actor) -> Forbidden:
    if actor.scope is not None:
        words = "This link does not allow that. Ask the business for one that does."
        return Forbidden(words, role=actor.role, scope=actor.scope)
    may = ", ".join(sorted(operation.roles))
    return Forbidden(f"The role {actor.role} may not do this. Use a token of one that may: {may}.", role=actor.role)


def _actor(http: HttpRequest) -> Actor:
    """The caller, from the authorizer's context. Raises Unauthorized."""
    context = http.context.get("authorizer") or {}
    try:
        return Actor(
            subject=context["principalId"],
            role=_ROLE_NAMED[context["role"]],
            merchant_id=context.get("merchant_id") or None,
            customer_id=context.get("customer_id") or None,
            tab_id=context.get("tab_id") or None,
            scope=_SCOPE_NAMED[context["scope"]] if context.get("scope") else None,
        )
    except KeyError:
        raise Unauthorized("Send a token: Authorization: Bearer …") from None


def _idempotency_key(http: HttpRequest) -> str:
    key = http.headers.get("idempotency-key")
    if not key:
        raise IdempotencyKeyMissing(
            "Send an Idempotency-Key header: a new one for each new request, the same to repeat it."
        )
    if not re.fullmatch(_KEY, key):
        raise BadRequest("Idempotency-Key has 1 to 255 visible ASCII characters.", header="Idempotency-Key")
    return str(key)


def _expected_version(http: HttpRequest) -> int | None:
    given = http.headers.get("if-match")
    if given is None or given == "*":
        return None
    match = re.match(IF_MATCH_PATTERN, given)
    if match is None:
        raise BadRequest('If-Match must be the ETag of the last answer, such as "3-9a4e01c7".', header="If-Match")
    return int(match[1])


def _query(operation: Operation, http: HttpRequest) -> dict[str, Any]:
    """Raises InvalidInput with every mistake, and the parameter that it is in."""
    given = http.query_params
    if given is None and not operation.query:
        return {}
    values: dict[str, Any] = {query.name: query.default for query in operation.query}
    if given is None:
        return values
    queries = {query.name: query for query in operation.query}
    errors = []
    for name in sorted(given):
        repeated = given.getlist(name)
        if name not in queries:
            errors.append({"parameter": name[:40], "detail": f"There is no query parameter {name[:40]!r} here."})
        elif len(repeated) != 1:
            errors.append({"parameter": name, "detail": f"{name} is given more than once."})
        else:
            try:
                values[name] = _query_value(queries[name], repeated[0])
            except ValueError as wrong:
                errors.append({"parameter": name, "detail": str(wrong)})
    if errors:
        raise InvalidInput(errors[0]["detail"], field=errors[0]["parameter"], errors=errors)
    return values


def _query_value(query: Query, text: str) -> Any:
    """Raises ValueError with a text for the caller."""
    if query.kind is int:
        if re.fullmatch(r"[0-9]{1,6}", text) and query.minimum <= int(text) <= query.maximum:
            return int(text)
        raise ValueError(f"{query.name} must be a whole number from {query.minimum} to {query.maximum}.")
    if query.kind is datetime:
        from chalicelib.handlers.api import fields  # Imported here: few parameters are instants.

        try:
            return msgspec.convert(text, fields.Instant)
        except msgspec.ValidationError:
            raise ValueError(f"{query.name} must be an instant such as 2026-05-01T09:00:00Z.") from None
    if issubclass(query.kind, StrEnum):
        if text in set(query.kind):
            return query.kind(text)
        raise ValueError(f"{query.name} must be one of: {', '.join(query.kind)}.")
    if not 1 <= len(text) <= 512 or (query.pattern and not re.match(query.pattern, text)):
        raise ValueError(f"{query.name} is not one: empty, too long, or with characters it never has.")
    return text


def _body(operation: Operation, raw: bytes) -> Any:
    """Raises BodyNotJson, or InvalidInput with every mistake and its place."""
    if not raw.strip():
        with suppress(TypeError):  # A field is missing.
            return operation.body()
    try:
        return decoder_of(operation.body).decode(raw)
    except msgspec.ValidationError:
        # msgspec stops at the first wrong value; the rest may not even be JSON. Imported here: most requests are valid.
        from chalicelib.handlers.api import validation

        try:
            return validation.read(operation.body, raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise BodyNotJson("The body is not JSON (UTF-8).") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BodyNotJson("The body is not JSON (UTF-8).") from None


def _render(operation: Operation, reply: Reply, asked: Mapping[str, str]) -> TextResponse:
    headers: dict[str, Any] = {"Content-Type": operation.media}
    if reply.headers is not None:
        headers |= reply.headers
    if operation.rights:
        headers["Cache-Control"] = "no-store"
    if reply.replayed:
        headers["Idempotent-Replayed"] = "true"
    body = reply.raw if reply.raw is not None else _encode(reply.body)
    if reply.version is not None:
        tag = _tag(reply.version, body)
        headers["ETag"] = tag
        # A set, because a Mapping finds out by an exception that it lacks something.
        if "if-none-match" in set(asked) and not operation.writes and _matches(asked["if-none-match"], tag):
            del headers["Content-Type"]
            return TextResponse("", headers=headers, status_code=int(HTTPStatus.NOT_MODIFIED))
    return TextResponse(body.decode(), headers=headers, status_code=reply.status or operation.status)


def _tag(version: int, body: bytes) -> str:
    """The version, and a checksum of the answer: what may be done to a tab also changes with the time and the caller.

    If-Match is about the version alone.
    """
    return f'"{version}-{crc32(body):08x}"'


def _matches(if_none_match: str, tag: str) -> bool:
    given = {one.strip().removeprefix("W/") for one in if_none_match.split(",")}
    return tag in given or "*" in given
