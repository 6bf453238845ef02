"""What schemathesis is told about Aftertab: tokens by role, ids that exist, a new idempotency key for each request.

Made-up ids find nothing, and a made-up key is soon one that was used for another request: without these hooks nearly
every request would end in the first check. Half of the generated ids are replaced by ones that earlier answers have
named, and some bodies by the document's example, whose amounts and times fit each other. In chains (the stateful
phase) the ids are the chain's own, its tabs are the customer's who has a token, and hashes those of its tab.
It runs in .venv-fuzz and imports nothing of ours. The program that starts it (`__main__`) gives and takes files:

FUZZ_GIVEN: tokens by role, and ids by the name of their field. FUZZ_REPORT: what was sent and answered.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import random
import threading
import uuid
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import schemathesis

_given = json.loads(Path(os.environ["FUZZ_GIVEN"]).read_text())
_tokens: dict[str, str] = _given["tokens"]
_known: dict[str, list[Any]] = defaultdict(list, _given["ids"])
_rng = random.Random(_given["seed"])
_lock = threading.Lock()
_statuses: Counter[str] = Counter()
_reached: dict[str, set[str]] = defaultdict(set)
_MOST = 200
_REPLACED = 0.6
"""The part of generated ids that ids of earlier answers take the place of."""
_EXAMPLES, _EXAMPLES_ELSEWHERE = 0.85, 0.25
"""The part of bodies that the document's example takes the place of, in chains and elsewhere."""
_OF_A_BOOKING = ("starts_at", "no_show_fee_minor", "late_cancel_fee_minor")
_promise_of: dict[str, str] = {}
"""The hash of a tab's promise, as the last answer has it."""
_NAMES = ("secret",)
"""Fields of answers that are remembered, beside all that end in _id and _sha256."""


@schemathesis.auth(refresh_interval=None)
class ByRole:
    """One of the roles that the document names for the operation."""

    def get(self, case: schemathesis.Case, context: schemathesis.AuthContext) -> str | None:
        roles = case.operation.definition.raw.get("x-roles", [])
        if _is_chained(case) and roles != ["guest"]:
            # A guest has a tab of their own, which no chain is about.
            roles = [role for role in roles if role != "guest"]
        role = _rng.choice(roles) if roles else None
        return _tokens[role] if role else None

    def set(self, case: schemathesis.Case, data: str | None, context: schemathesis.AuthContext) -> None:
        if data:
            case.headers["Authorization"] = f"Bearer {data}"


@schemathesis.hook
def before_load_schema(context: schemathesis.HookContext, raw_schema: dict[str, Any]) -> None:
    """Without the links that only say where to ask again, because what has a link counts as a beginning of chains; and
    with one from making a customer to opening a tab, which needs no id in its address and so has none."""
    for path in raw_schema["paths"].values():
        for operation in path.values():
            operation.get("responses", {}).get("202", {}).pop("links", None)
    made = raw_schema["paths"]["/v1/customers"]["post"]["responses"]["201"]
    made["links"] = {**made.get("links", {}), "open_tab": {"operationId": "open_tab"}}


@schemathesis.hook
def before_call(context: schemathesis.HookContext, case: schemathesis.Case, kwargs: dict[str, Any]) -> None:
    """Let most requests be about something that is there, and be new ones."""
    headers = case.headers
    if "Idempotency-Key" in headers and _rng.random() < 0.8:
        headers["Idempotency-Key"] = uuid.UUID(int=_rng.getrandbits(128)).hex
    if _rng.random() < (0.95 if _is_chained(case) else 0.7):
        headers.pop("If-Match", None)
    path = case.path_parameters or {}
    for name in path:
        # What an answer has told stays: in a chain it is the link's.
        if not _is_chained(case) or path[name] not in _known.get(name, ()):
            path[name] = _instead(name, path[name])
    is_customers = headers.get("Authorization") == f"Bearer {_tokens['customer']}"
    if "customer_id" in path and is_customers and _is_chained(case):
        path["customer_id"] = _given["ids"]["customer_id"][0]
    if isinstance(case.body, dict):
        example, part = _example_of(case), _EXAMPLES if _is_chained(case) else _EXAMPLES_ELSEWHERE
        if example is not None and _rng.random() < part:
            kept = 1.0 if _rng.random() < 0.6 else 0.8
            case.body = {name: value for name, value in example.items() if _rng.random() < kept}
        case.body = {name: _instead(name, value) for name, value in case.body.items()}
        if _is_chained(case):
            if case.operation.path == "/v1/tabs":
                case.body["customer_id"] = _given["ids"]["customer_id"][0]
                if _rng.random() < 0.6:
                    # A walk-in: what belongs to a booking is left out.
                    case.body = {name: value for name, value in case.body.items() if name not in _OF_A_BOOKING}
            if "promise_sha256" in case.body:
                case.body["promise_sha256"] = _promise_of.get(str(path.get("tab_id")), case.body["promise_sha256"])


def _phase(case: schemathesis.Case) -> str:
    return str(case.meta.phase.name.value) if case.meta is not None else ""


def _is_chained(case: schemathesis.Case) -> bool:
    return _phase(case) == "stateful"


def _example_of(case: schemathesis.Case) -> dict[str, Any] | None:
    content = case.operation.definition.raw.get("requestBody", {}).get("content", {})
    found: dict[str, Any] | None = content.get("application/json", {}).get("example")
    return found


def _instead(name: str, value: Any) -> Any:
    with _lock:
        known = _known.get(name)
        return _rng.choice(known) if known and _rng.random() < _REPLACED else value


@schemathesis.hook
def after_call(context: schemathesis.HookContext, case: schemathesis.Case, response: schemathesis.Response) -> None:
    """Count the answer, and remember the ids in it."""
    with _lock:
        _statuses[str(response.status_code)] += 1
        _reached[case.operation.label].add(str(response.status_code))
        if response.status_code < 300 and response.content:
            with contextlib.suppress(ValueError):
                _remember(json.loads(response.content))


def _remember(value: Any) -> None:
    if isinstance(value, list):
        for inner in value:
            _remember(inner)
    elif isinstance(value, dict):
        if isinstance(value.get("tab_id"), str) and isinstance(value.get("promise"), dict):
            _promise_of[value["tab_id"]] = value["promise"]["promise_sha256"]
        for name, inner in value.items():
            if isinstance(inner, str) and (name.endswith(("_id", "_sha256")) or name in _NAMES):
                known = _known[name]
                if inner not in known:
                    known.append(inner)
                    if len(known) > _MOST:
                        known.pop(_rng.randrange(len(known)))
            else:
                _remember(inner)


@atexit.register
def _report() -> None:
    reached = {label: sorted(statuses) for label, statuses in _reached.items()}
    Path(os.environ["FUZZ_REPORT"]).write_text(json.dumps({"statuses": _statuses, "reached": reached}))
