"""The response of every route: text, and one value for each header."""

from __future__ import annotations

from typing import Any

from chalice.app import Response


class TextResponse(Response):
    """Chalice's, without its search for binary types and repeated headers: a twentieth of reading a tab."""

    headers: dict[str, Any]

    def to_dict(self, binary_types: list[str] | None = None) -> dict[str, Any]:
        """What API Gateway wants of Lambda."""
        return {
            "statusCode": self.status_code,
            "headers": self.headers,
            "multiValueHeaders": {},
            "body": self.body,
        }
