"""What Aftertab and its peers are sent in `make bench-warm`: requests, signed events, and the calls of DynamoDB."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Callable
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


def dynamodb_items() -> dict[tuple[str, str], Any]:
    """What a table holds for `dynamodb_calls`: a snapshot with its indexes' keys, of a kilobyte and a half."""
    names = ("status_pk", "status_sk", "customer_pk", "customer_sk", "due_pk", "next_action_at", "change_id", "version")
    item = {"pk": {"S": "TAB#m#t"}, "sk": {"S": "-"}, **{name: {"S": "x" * 30} for name in names}}
    return {("TAB#m#t", "-"): {**item, "snapshot": {"S": "x" * 1200}}}


def dynamodb_calls(client: Any) -> dict[str, Callable[[], Any]]:
    """As the store makes them for an event: one batch read of two keys, one transaction of a snapshot and two more."""
    (snapshot,) = dynamodb_items().values()
    keys = [{"pk": {"S": pk}, "sk": {"S": "-"}} for pk in ("TAB#m#t", "EVENT#platform#e")]
    others = [{**key, "change_id": {"S": "x" * 30}, "entry": {"S": "x" * 300}} for key in keys]
    puts = [
        {"Put": {"TableName": "t", "Item": item, "ConditionExpression": "attribute_not_exists(pk)"}}
        for item in (snapshot, *others)
    ]
    token = "0" * 36
    return {
        "BatchGetItem": lambda: client.batch_get_item(RequestItems={"t": {"Keys": keys, "ConsistentRead": True}}),
        "TransactWriteItems": lambda: client.transact_write_items(TransactItems=puts, ClientRequestToken=token),
    }


def cpu_s(call: Callable[[], Any], times: int) -> float:
    """Processor seconds of so many calls."""
    began = time.process_time()
    for _ in range(times):
        call()
    return time.process_time() - began
