"""Owns the decoding of Stripe's form encoding (`a[b]=c`, `a[]=x`, `a[0][b]=y`) into nested dicts and lists of strings.

What the values mean is the business of `params`.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote_plus

from .errors import invalid


def pairs(text: str) -> list[tuple[str, str]]:
    """Decode without dropping blank values: an empty string is how Stripe's clients unset a field."""
    found = []
    for part in text.split("&"):
        if part:
            name, _, value = part.partition("=")
            if "%" in name or "+" in name:
                name = unquote_plus(name)
            if "%" in value or "+" in value:
                value = unquote_plus(value)
            found.append((name, value))
    return found


def nest(items: list[tuple[str, str]]) -> dict[str, Any]:
    """Build the tree. Lists arrive as dicts keyed by position (or ''), and become lists at the end."""
    root: dict[str, Any] = {}
    for name, value in items:
        if "[" not in name:
            root[name] = value
            continue
        head, _, rest = name.partition("[")
        if not rest.endswith("]"):
            raise invalid(f"Invalid parameter name: {name}", param=name)
        keys = [head, *rest[:-1].split("][")]
        node = root
        for depth, key in enumerate(keys[:-1]):
            child = node.setdefault(key, {})
            if not isinstance(child, dict):
                raise invalid(f"Invalid {'.'.join(keys[: depth + 1])}: cannot be both a value and a hash", param=name)
            node = child
        last = keys[-1]
        if last == "":
            last = str(len(node))  # `a[]=x&a[]=y`: order of appearance
        node[last] = value
    return {key: _lists(value) for key, value in root.items()}


def _lists(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    # Only 0, 1, 2 … is a list: metadata may have the keys "7" and "2026", and must keep them.
    if value and all(str(index) in value for index in range(len(value))):
        return [_lists(value[str(index)]) for index in range(len(value))]
    return {key: _lists(item) for key, item in value.items()}


def parse(text: str) -> dict[str, Any]:
    return nest(pairs(text))
