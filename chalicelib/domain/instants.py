"""Instants as texts: RFC 3339 in UTC, in one spelling."""

from __future__ import annotations

from datetime import UTC, datetime


def text(at: datetime) -> str:
    """`2026-05-01T09:00:00Z`, with a fraction where there is one: as msgspec writes instants in answers."""
    return at.astimezone(UTC).isoformat().removesuffix("+00:00") + "Z"
