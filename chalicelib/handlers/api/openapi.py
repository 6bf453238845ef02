"""The OpenAPI 3.1 document, made from the operations and their structs. `make openapi` writes it to docs/."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from enum import StrEnum
from inspect import cleandoc
from pathlib import Path
from typing import Any

import msgspec

from chalicelib import config
from chalicelib.domain.errors import DomainError
from chalicelib.domain.news.notice import TYPES
from chalicelib.handlers.api import agenda, news_views, problems, property_texts, request_examples, views
from chalicelib.handlers.api.body import ID_PATTERN, IF_MATCH_PATTERN, TAG
from chalicelib.handlers.api.operations import JSON, Operation, Query, all_operations

_REF = "#/components/schemas/{name}"

_DESCRIPTION = """\
Pay after the service. Amounts are integers in the currency's smallest unit (`*_minor`), instants RFC 3339 in UTC.

Every write needs an `Idempotency-Key`: the same key with the same method, path and bytes of the body gives the same \
answer, marked `Idempotent-Replayed: true`; with others it is a 422. A request that was refused leaves its key unused. \
Keys are kept for 24 hours.

Errors are `application/problem+json` (RFC 9457) with a stable `code`, whoever answers. 401 `token_expired` asks for a \
fresh token, 401 `token_invalid` for another one; 403 means that the role may not. An address that does not exist is a \
404, a method that it does not have a 405 `method_not_allowed` with `Allow`. What \
needs no token answers HEAD as GET; the rest has no HEAD: send `If-None-Match` to learn whether something has changed.

All callers together may send a limited number of requests a second. A 429 names the limit in `RateLimit-Policy`; how \
many requests are left is not known in advance.

Where money moves, 200 says that the attempt has ended or waits for the customer, 202 that its outcome is not known \
yet: get the tab again in a while."""

_FAILURES: Mapping[int, tuple[str, str]] = {
    400: ("BadRequest", "The request can't be read: no JSON, a header is missing, or a cursor is not of this listing."),
    401: ("Unauthorized", "There is no token, or it is not accepted: `code` says whether to refresh it."),
    403: ("Forbidden", "The token is good, and its role may not do this."),
    404: ("NotFound", "There is no such thing, or it is somebody else's."),
    409: ("Conflict", "The rules refuse it now. `detail` says what to do."),
    412: ("PreconditionFailed", "`If-Match` names an older version."),
    413: ("ContentTooLarge", "The body is too large."),
    415: ("UnsupportedMediaType", "The body says that it is something else than JSON."),
    422: ("UnprocessableContent", "The request is wrong in itself. `errors` says where."),
    429: ("TooManyRequests", "More requests at once than this deployment takes, all callers together."),
    500: ("InternalServerError", "Our mistake."),
    502: ("BadGateway", "The payment provider refused a call of ours. Nothing was charged."),
    503: (
        "ServiceUnavailable",
        "Something we depend on did not answer. Try again with the same key, after `Retry-After`.",
    ),
    504: ("GatewayTimeout", "The answer took too long. Try again with the same key."),
}
"""Status → the name of the response for generators of clients, and what it means."""
_WITH_RETRY_AFTER = frozenset({409, 429, 503, 504})


@functools.cache
def document_bytes() -> bytes:
    """The document as it is served, and as it is committed in docs/openapi.json."""
    return (json.dumps(document(), indent=2, ensure_ascii=False) + "\n").encode()


@functools.cache
def _answer_examples() -> dict[str, Any]:
    """Struct → an answer. tests/api/answer_examples.py plays the story that they are from."""
    found: dict[str, Any] = json.loads(Path(__file__).with_name("answer_examples.json").read_bytes())
    return found


def document() -> dict[str, Any]:
    operations = sorted(all_operations().values(), key=lambda operation: (operation.path, operation.method))
    structs = {operation.answer for operation in operations if operation.answer} | {
        problems.Problem,
        views.ActionView,  # Stands in answers as JSON that is written already.
        agenda.NextActionView,
        news_views.NoticeBody,
    }
    structs |= {operation.body for operation in operations if operation.writes}
    enums = {query.kind for operation in operations for query in operation.query if issubclass(query.kind, StrEnum)}
    _, components = msgspec.json.schema_components(
        sorted(structs | enums, key=lambda kind: kind.__name__), ref_template=_REF
    )
    for schema in components.values():
        # Python leaves the indentation in until 3.13.
        schema |= {"description": cleandoc(schema["description"])} if "description" in schema else {}
    for struct, name in _instants(structs):
        for option in components[struct]["properties"][name].get("anyOf", [components[struct]["properties"][name]]):
            if option.get("type") == "string":
                option["format"] = "date-time"
    for struct, schema in components.items():
        for name, of_property in schema.get("properties", {}).items():
            if "description" not in of_property and (text := property_texts.text_of(struct, name)):
                of_property["description"] = text
            # Generators of clients take what has a default for something that is always there.
            default = of_property.pop("default", None)
            if default not in (None, [], "", {}):
                of_property["description"] += f" By default {json.dumps(default)}."
    # What most tabs do not have is null in the answer, not left out.
    components["TabView"]["required"] = list(components["TabView"]["properties"])
    components["Problem"]["additionalProperties"] = True
    components["Problem"]["properties"]["code"]["enum"] = sorted(_codes())
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Aftertab",
            "version": config.VERSION,
            "description": _DESCRIPTION,
            "contact": {"name": "Whoever runs this deployment"},
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/", "description": "Where this document was served from"}],
        "security": [{"bearer": []}],
        "tags": [
            {"name": name, "description": _TAGS.get(name, name.capitalize() + ".")}
            for name in sorted({_tag(operation) for operation in operations})
        ],
        "paths": paths,
        "webhooks": {kind: {"post": _webhook(kind, text)} for kind, text in sorted(TYPES.items())},
        "components": {
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "RS256, with iss, aud, exp, iat, sub and role; merchant_id for staff and owners, "
                    "merchant_id and customer_id for customers. Or, of a guest, the secret of a link or of a numbered "
                    "token: 26 characters, for one tab.",
                }
            },
            "parameters": {
                name: {
                    "name": name,
                    "in": "header",
                    "required": True,
                    "description": text,
                    "schema": {"type": "string"},
                }
                for name, text in _WEBHOOK_HEADERS.items()
            },
            "headers": {
                "ETag": {
                    "description": "The version and a checksum of the answer, in quotes.",
                    "schema": {"type": "string", "pattern": IF_MATCH_PATTERN, "examples": ['"3-9a4e01c7"']},
                },
                "Idempotent-Replayed": {
                    "description": "`true` where the request had been made before.",
                    "schema": {"const": "true"},
                },
                "Retry-After": {"description": "In seconds.", "schema": {"type": "integer"}},
                "RateLimit": {
                    "description": "What is left (`r`), and for how many seconds (`t`).",
                    "schema": {"type": "string", "examples": ['"all";r=0;t=1']},
                },
                "RateLimit-Policy": {
                    "description": "How many requests (`q`) in how many seconds (`w`), all callers together.",
                    "schema": {"type": "string", "examples": ['"all";q=100;w=1']},
                },
                "WWW-Authenticate": {
                    "description": "How to ask: with a bearer token.",
                    "schema": {"type": "string", "examples": ['Bearer error="invalid_token"']},
                },
            },
            "examples": {
                name: {"summary": "From a story that the tests play.", "value": value}
                for name, value in _answer_examples().items()
            },
            "responses": {name: _problem(status, text) for status, (name, text) in _FAILURES.items()},
            "schemas": dict(sorted(components.items())),
        },
    }


_TAGS = {
    "customers": "The people whom a business serves: how they are called, reached, and which card they have saved.",
    "endpoints": "Where notices of what happens are sent, and what became of each.",
    "link": "The key that a guest comes with.",
    "merchants": "Businesses: how they show themselves, and by which rules their tabs go.",
    "meta": "The service itself.",
    "reports": "Figures over all tabs.",
    "tabs": "From the promise to the books: everything that is done to a tab.",
    "tokens": "Numbered coins, cards or stands with a QR code.",
    "unsubscribe": "What the link in a mail leads to.",
    "webhooks": "What Stripe reports.",
}


def _instants(structs: Iterable[Any]) -> Iterator[tuple[str, str]]:
    """Struct and name of every property that is an instant. msgspec names the format only of those with a zone."""
    waiting, seen = list(msgspec.inspect.multi_type_info(structs)), set()
    while waiting:
        found = waiting.pop()
        for inner in ("item_type", "value_type"):
            waiting += [getattr(found, inner)] if hasattr(found, inner) else []
        waiting += getattr(found, "types", ())
        if isinstance(found, msgspec.inspect.StructType) and found.cls not in seen:
            seen.add(found.cls)
            for field in found.fields:
                waiting.append(field.type)
                options = getattr(field.type, "types", (field.type,))
                if any(isinstance(option, msgspec.inspect.DateTimeType) for option in options):
                    yield found.cls.__name__, field.encode_name


def _codes() -> set[str]:
    def below(kind: type[DomainError]) -> set[str]:
        ours = (sub for sub in kind.__subclasses__() if sub.__module__.startswith("chalicelib."))
        return {kind.code}.union(*(below(sub) for sub in ours))

    return (below(DomainError) - {DomainError.code}) | problems.OTHER_CODES


def _tag(operation: Operation) -> str:
    name = operation.path.removeprefix("/v1/").split("/")[0]
    return {"merchant": "merchants", "health": "meta", "openapi.json": "meta"}.get(name, name)


def _operation(operation: Operation) -> dict[str, Any]:
    who = " and ".join(sorted(operation.roles)) if operation.roles else "everybody"
    found: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "description": f"For {who}.",
        "tags": [_tag(operation)],
        "x-roles": sorted(operation.roles),
    }
    if not operation.roles:
        found["security"] = []
    if parameters := [*_path_parameters(operation), *map(_query_parameter, operation.query), *_headers(operation)]:
        found["parameters"] = parameters
    if operation.writes:
        found["requestBody"] = {
            "required": any(field.required for field in msgspec.structs.fields(operation.body)),
            "content": {"application/json": _body(operation)},
        }
    elif operation.name == "stripe_webhook":
        found["requestBody"] = {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}}
    found["responses"] = _responses(operation)
    return found


def _webhook(kind: str, text: str) -> dict[str, Any]:
    """What a merchant's system receives, of one type."""
    body = {"allOf": [{"$ref": _REF.format(name="NoticeBody")}, {"properties": {"type": {"const": kind}}}]}
    return {
        "operationId": "on_" + kind.replace(".", "_"),
        "summary": text.removesuffix("."),
        "tags": ["endpoints"],
        "security": [],
        "parameters": [{"$ref": f"#/components/parameters/{name}"} for name in _WEBHOOK_HEADERS],
        "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
        "responses": {"2XX": {"description": "Taken."}, "410": {"description": "Send nothing more."}},
    }


_WEBHOOK_HEADERS = {
    "webhook-id": "The same at every try: drop what came before.",
    "webhook-timestamp": "When this try was made, Unix time in seconds.",
    "webhook-signature": "`v1,` and a signature, once for each secret (Standard Webhooks).",
}


def _path_parameters(operation: Operation) -> list[dict[str, Any]]:
    schema = {"type": "string", "pattern": ID_PATTERN}
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": property_texts.text_of("", name) or "The key in the address.",
            "schema": schema,
        }
        for name in _names_in(operation.path)
    ]


def _names_in(path: str) -> list[str]:
    return re.findall(r"{(\w+)}", path)


_MAKERS: Mapping[str, Mapping[str, str]] = {
    "create_customer": {"customer_id": "/customer_id"},
    "open_tab": {"tab_id": "/tab_id", "customer_id": "/customer_id"},
    "add_items": {"item_id": "/items/0/item_id"},
    "get_tab": {"dispute_id": "/legs/0/disputes/0/dispute_id"},
    "make_link": {"link_id": "/link/link_id"},
    "make_tokens": {"number": "/tokens/0/number"},
    "create_endpoint": {"endpoint_id": "/endpoint/endpoint_id"},
    "send_test_notice": {"notice_id": "/notice_id"},
}
"""The operations that make an id → name of the id in paths, and where it is in the answer. A list may be empty."""


def _links(operation: Operation) -> dict[str, Any]:
    """From an operation that makes an id to all that need it, and from an answer without an outcome to the tab."""
    given = {name: f"$request.path.{name}" for name in _names_in(operation.path)}
    made = {name: f"$response.body#{pointer}" for name, pointer in _MAKERS.get(operation.name, {}).items()}
    known = given | made
    return {
        other.name: {"operationId": other.name, "parameters": {name: known[name] for name in names}}
        for other in all_operations().values()
        if other is not operation
        and (names := _names_in(other.path))
        and set(names) <= set(known)
        and (set(names) & set(made))
    }


_POLL = {
    "get_tab": {
        "operationId": "get_tab",
        "parameters": {"tab_id": "$request.path.tab_id"},
        "description": "Ask again, with If-None-Match, until the payment has an outcome.",
    }
}


def _query_parameter(query: Query) -> dict[str, Any]:
    schema: dict[str, Any]
    if query.kind is int:
        schema = {"type": "integer", "minimum": query.minimum, "maximum": query.maximum, "default": query.default}
    elif query.kind is datetime:
        schema = {"type": "string", "format": "date-time", "examples": ["2026-05-01T09:00:00Z"]}
    elif issubclass(query.kind, StrEnum):
        schema = {"$ref": _REF.format(name=query.kind.__name__)}
    else:
        schema = {"type": "string", "minLength": 1, "maxLength": 512}
        if query.pattern:
            schema["pattern"] = query.pattern
    return {"name": query.name, "in": "query", "description": query.description, "schema": schema}


def _headers(operation: Operation) -> list[dict[str, Any]]:
    found = []
    if operation.writes:
        key = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"}
        found.append(
            {
                "name": "Idempotency-Key",
                "in": "header",
                "required": True,
                "description": "A new one for each new request; the same to repeat it.",
                "schema": key,
            }
        )
    if operation.writes and operation.tagged:
        version = {"type": "string", "pattern": f"^(\\*|{TAG})(?!\\n)$", "examples": ['"3-9a4e01c7"']}
        found.append(
            {
                "name": "If-Match",
                "in": "header",
                "description": "The ETag of the version that was decided on.",
                "schema": version,
            }
        )
    if operation.tagged and not operation.writes:
        found.append(
            {
                "name": "If-None-Match",
                "in": "header",
                "description": "ETags of the answers that the caller has: 304 without a body where one is still right.",
                "schema": {"type": "string"},
            }
        )
    if operation.name == "stripe_webhook":
        found.append(
            {
                "name": "Stripe-Signature",
                "in": "header",
                "required": True,
                "description": "Stripe's signature of the body.",
                "schema": {"type": "string"},
            }
        )
    return found


def _body(operation: Operation) -> dict[str, Any]:
    content: dict[str, Any] = {"schema": {"$ref": _REF.format(name=operation.body.__name__)}}
    if operation.name in request_examples.EXAMPLES:
        content["example"] = request_examples.EXAMPLES[operation.name]
    return content


def _responses(operation: Operation) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": operation.summary}
    schema = {"$ref": _REF.format(name=operation.answer.__name__)} if operation.answer else {"type": "object"}
    if operation.media != JSON:
        schema = {"type": "string"}
    content: dict[str, Any] = {"schema": schema}
    if operation.answer and operation.answer.__name__ in _answer_examples():
        content["examples"] = {"story": {"$ref": f"#/components/examples/{operation.answer.__name__}"}}
    answer["content"] = {operation.media.partition(";")[0]: content}
    if links := _links(operation):
        answer["links"] = dict(sorted(links.items()))
    headers = [name for name, has in (("ETag", operation.tagged), ("Idempotent-Replayed", operation.writes)) if has]
    if headers:
        answer["headers"] = {name: {"$ref": f"#/components/headers/{name}"} for name in headers}
    found: dict[int, Any] = {operation.status: answer}
    if operation.moves_money:
        text = "The outcome is not known yet: get the tab again in a while."
        found[202] = {**answer, "description": text, "links": _POLL}
    if operation.tagged and not operation.writes:
        found[304] = {"description": "It is as the caller has it.", "headers": answer["headers"]}
    failures = {429, 500, 503, 504}
    if operation.roles:
        # 404 everywhere: the token may name a merchant that does not exist.
        failures |= {401, 403, 404, 422}
    elif "{" in operation.path:
        failures |= {404}
    if any(query.name == "cursor" for query in operation.query):
        failures |= {400}
    if operation.writes:
        failures |= {400, 409, 413, 415}
        if operation.tagged:
            failures |= {412}
        if _tag(operation) == "customers" or operation.name == "payment_sheet":
            failures |= {502}
    if operation.name == "stripe_webhook":
        failures |= {400, 413, 415}
    if operation.media != JSON:
        # A page, too; a problem where the address is none that we make.
        problem = {problems.CONTENT_TYPE: {"schema": {"$ref": _REF.format(name="Problem")}}}
        found[404] = {"description": "The address leads nowhere.", "content": answer["content"] | problem}
        failures |= {409}
    # What is described above stays.
    found |= {s: {"$ref": f"#/components/responses/{_FAILURES[s][0]}"} for s in failures - found.keys()}
    return {str(status): found[status] for status in sorted(found)}


def _problem(status: int, text: str) -> dict[str, Any]:
    found: dict[str, Any] = {
        "description": text,
        "content": {problems.CONTENT_TYPE: {"schema": {"$ref": _REF.format(name="Problem")}}},
    }
    if status == 422:
        found["content"][problems.CONTENT_TYPE]["examples"] = {"story": {"$ref": "#/components/examples/Problem"}}
    headers = ["Retry-After"] if status in _WITH_RETRY_AFTER else []
    headers += ["RateLimit", "RateLimit-Policy"] if status == 429 else []
    headers += ["WWW-Authenticate"] if status == 401 else []
    if headers:
        found["headers"] = {name: {"$ref": f"#/components/headers/{name}"} for name in headers}
    return found
