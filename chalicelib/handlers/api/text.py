"""Every answer of ours: text, and one value for each header. Chalice need not search it for anything else."""

from __future__ import annotations

from typing import Any

from chalice.app import Response


class TextResponse(Response):
    headers: dict[str, Any]

    def to_dict(self, binary_types: list[str] | None = None) -> dict[str, Any]:
        """What API Gateway wants of Lambda."""
        return {
            "statusCode": self.status_code,
            "headers": self.headers,
            "multiValueHeaders": {},
            "body": self.body,
        }
