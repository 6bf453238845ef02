"""What schemathesis is told about Aftertab: tokens by role, ids that exist, a new idempotency key for each request.

Made-up ids find nothing, and a made-up key is soon one that was used for another request: without these hooks nearly
every request would end in the first check. Half of the generated ids are replaced by ones that earlier answers have
named. It runs in .venv-fuzz and imports nothing of ours. The program that starts it (`__main__`) gives and takes files:

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
_NAMES = ("secret",)
"""Fields of answers that are remembered, beside all that end in _id and _sha256."""


@schemathesis.auth(refresh_interval=None)
class ByRole:
    """One of the roles that the document names for the operation."""

    def get(self, case: schemathesis.Case, context: schemathesis.AuthContext) -> str | None:
        roles = case.operation.definition.raw.get("x-roles", [])
        role = _rng.choice(roles) if roles else None
        return _tokens[role] if role else None

    def set(self, case: schemathesis.Case, data: str | None, context: schemathesis.AuthContext) -> None:
        if data:
            case.headers["Authorization"] = f"Bearer {data}"


@schemathesis.hook
def before_call(context: schemathesis.HookContext, case: schemathesis.Case, kwargs: dict[str, Any]) -> None:
    """Let most requests be about something that is there, and be new ones."""
    headers = case.headers
    if "Idempotency-Key" in headers and _rng.random() < 0.8:
        headers["Idempotency-Key"] = uuid.UUID(int=_rng.getrandbits(128)).hex
    if _rng.random() < 0.7:
        headers.pop("If-Match", None)
    path = case.path_parameters
    if path:
        for name in path:
            path[name] = _instead(name, path[name])
    if isinstance(case.body, dict):
        case.body = {name: _instead(name, value) for name, value in case.body.items()}


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
