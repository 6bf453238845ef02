"""Clients of AWS services: without what other services need, and otherwise what the SDK makes."""

from typing import Any

import boto3
import botocore.session
import pytest

from chalicelib.adapters import aws

KINDS = (
    "provide-client-params",
    "before-parameter-build",
    "before-call",
    "request-created",
    "choose-signer",
    "before-sign",
    "before-send",
    "response-received",
    "needs-retry",
    "before-parse",
    "after-call",
    "after-call-error",
    "getattr",
)


@pytest.fixture(autouse=True)
def anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")


def handlers(client: Any, event: str) -> list[str]:
    """The names of the functions that hear of an event of the client's, in order."""
    found = client.meta.events._emitter._handlers.prefix_search(event)
    return [getattr(handler, "__qualname__", type(handler).__qualname__) for handler in found]


@pytest.mark.parametrize(
    ("service", "operation"), [("ssm", "GetParameter"), ("dynamodb", "GetItem"), ("s3", "PutObject")]
)
def test_a_client_hears_of_the_same_events_as_boto3s(service: str, operation: str) -> None:
    """Leaving out other services' handlers leaves none of this one's out."""
    ours, theirs = aws.client(service), boto3.client(service)  # type: ignore[call-overload]

    heard = {kind: handlers(ours, f"{kind}.{service}.{operation}") for kind in KINDS}

    assert heard == {kind: handlers(theirs, f"{kind}.{service}.{operation}") for kind in KINDS}
    assert heard["before-call"], "the emitter is asked for its handlers in a way it does not know"


def test_a_client_leaves_most_handlers_out() -> None:
    """What is registered is a small part of all there is: that is the point."""
    everything = botocore.session.Session().create_client("dynamodb")

    assert handlers(everything, "before-sign.s3.PutObject") != []
    assert handlers(aws.client("dynamodb"), "before-sign.s3.PutObject") == []
