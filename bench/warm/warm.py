"""What Aftertab and its peers are sent in `make bench-warm`: requests and signed events."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from typing import Any


def aws_event(
    method: str, route: str, body: str | None = None, more: dict[str, str] | None = None, **path: str
) -> dict[str, Any]:
    """A request as API Gateway (REST) hands it to Lambda."""
    headers = {
        "Accept": "application/json",
        "Authorization": "Bearer " + "x" * 600,
        "Content-Type": "application/json",
        "Host": "api.example.com",
        "User-Agent": "Aftertab/1.0 (iPhone; iOS 19.0)",
        "X-Amzn-Trace-Id": "Root=1-67891233-abcdef012345678912345678",
        "X-Forwarded-For": "203.0.113.7",
        **(more or {}),
    }
    return {
        "resource": route,
        "path": route.format_map(path),
        "httpMethod": method,
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "pathParameters": path or None,
        "stageVariables": None,
        "requestContext": {
            "resourcePath": route,
            "httpMethod": method,
            "path": f"/dev{route.format_map(path)}",
            "stage": "dev",
            "requestId": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
            "identity": {"sourceIp": "203.0.113.7", "userAgent": "Aftertab/1.0"},
        },
        "body": body,
        "isBase64Encoded": False,
    }


def signed(event: dict[str, Any], secret: str) -> tuple[str, str]:
    """The event's bytes, and their Stripe-Signature: https://docs.stripe.com/webhooks#verify-manually."""
    payload, now = json.dumps(event), int(time.time())
    digest = hmac.new(secret.encode(), f"{now}.{payload}".encode(), hashlib.sha256).hexdigest()
    return payload, f"t={now},v1={digest}"
