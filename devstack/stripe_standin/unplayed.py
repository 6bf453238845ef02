"""Owns the names of what Stripe has and the stand-in does not play: paths, parameters and their values, expansions.

A request that uses one is answered 501: an answer as if it did not exist at Stripe either would be a lie. The names are
in unplayed.txt, which tests/standin/test_unplayed.py writes from Stripe's OpenAPI document.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

from .errors import StripeError


@cache
def _names() -> dict[str, frozenset[str]]:
    """By what is named: "PATH GET", "PARAMETER POST /v1/prices", "VALUE POST /v1/prices type", "EXPANSION charge"."""
    found: dict[str, set[str]] = {}
    for line in (Path(__file__).parent / "unplayed.txt").read_text(encoding="utf-8").splitlines():
        kind, _, name = line.rpartition(" ")
        found.setdefault(kind, set()).add(name)
    return {kind: frozenset(names) for kind, names in found.items()}


def path(method: str, given: str) -> StripeError | None:
    """What to raise for a path that no route serves, if Stripe has it."""
    parts = given.strip("/").split("/")
    for name in _names().get(f"PATH {method}", ()):
        wanted = name.strip("/").split("/")
        if len(wanted) == len(parts) and all(a in ("{}", b) for a, b in zip(wanted, parts, strict=True)):
            return _sentence(f"The stand-in does not play {method} {name}")
    return None


def parameter(route: str, given: str | None) -> StripeError | None:
    """The same for a parameter, as an error names it: `a[b][0][c]`."""
    words = [word for word in re.split(r"[\[\]]+", given or "") if word and not word.isdigit()]
    for depth in range(1, len(words) + 1):
        if ".".join(words[:depth]) in _names().get(f"PARAMETER {route}", ()):
            return _sentence(f"The stand-in does not play the parameter {given} of {route}", given)
    return None


def value(route: str, param: str | None, given: Any) -> StripeError | None:
    """The same for a value of a parameter that the stand-in knows. `given`: all parameters, as they were sent."""
    words = [word for word in re.split(r"[\[\]]+", param or "") if word]
    for word in words:
        if isinstance(given, list) and word.isdigit() and int(word) < len(given):
            given = given[int(word)]
        else:
            given = given.get(word) if isinstance(given, dict) else None
    name = ".".join(word for word in words if not word.isdigit())
    if isinstance(given, str) and given in _names().get(f"VALUE {route} {name}", ()):
        return _sentence(f"The stand-in does not play {given} for {param} of {route}", param)
    return None


def expansion(kind: str, field: str) -> StripeError | None:
    """The same for a field that Stripe can expand."""
    if field in _names().get(f"EXPANSION {kind}", ()):
        return _sentence(f"The stand-in does not expand {field} of {kind}", "expand")
    return None


def _sentence(what: str, param: str | None = None) -> StripeError:
    text = f"{what}, though Stripe does. What it plays is in docs/stripe-standin.md."
    return StripeError(501, text, param=param, before_execution=True)
