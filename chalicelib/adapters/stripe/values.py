"""Reads values from Stripe's objects, which are plain dicts here."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

EPOCH = datetime.fromtimestamp(0, UTC)


def text_of(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value


def id_of(reference: Any) -> str | None:
    """The id of a reference, whether expanded or not."""
    if isinstance(reference, Mapping):
        reference = reference.get("id")
    return reference if isinstance(reference, str) else None


def currency_of(found: Mapping[str, Any]) -> str:
    """The object's currency in upper case."""
    return text_of(found["currency"]).upper()


def metadata_of(found: Mapping[str, Any]) -> Mapping[str, str]:
    return found.get("metadata") or {}


def instant_of(seconds: Any) -> datetime | None:
    return datetime.fromtimestamp(seconds, UTC) if isinstance(seconds, int) else None
