"""The session of our AWS clients does for the services that we call whatever boto3's own session does."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore import handlers

from chalicelib.adapters.aws import client as aws
from devstack.package.contents import AWS_CALLS

OCCASIONS = sorted({name.split(".")[0] for name, *_ in handlers.BUILTIN_HANDLERS} - {"docs"})
"""What botocore has handlers for, but for what it writes into docstrings."""
CALLS = sorted((service, operation) for service, operations in AWS_CALLS.items() for operation in operations)


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> boto3.Session:
    """The default session that we set up."""
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    aws.prepare_session()
    assert boto3.DEFAULT_SESSION is not None
    return boto3.DEFAULT_SESSION


def handlers_of(session: boto3.Session, event: str) -> list[str]:
    """The names of the handlers of an event, in the order in which they are called."""
    found: list[Any] = list(session.events._emitter._handlers.prefix_search(event))  # type: ignore[attr-defined]
    return [getattr(handler, "__qualname__", type(handler).__name__) for handler in found]


@pytest.mark.parametrize(("service", "operation"), CALLS)
def test_every_event_of_our_calls_has_the_handlers_of_boto3s_own_session(
    session: boto3.Session, service: str, operation: str
) -> None:
    """The same handlers in the same order, on every occasion that botocore has any for."""
    whole = boto3.Session()

    for occasion in OCCASIONS:
        event = f"{occasion}.{service}.{operation}"
        assert handlers_of(session, event) == handlers_of(whole, event), event


def test_handlers_of_services_that_are_not_called_are_not_registered(session: boto3.Session) -> None:
    """That is what makes the start shorter."""
    assert handlers_of(boto3.Session(), "before-call.s3.PutObject") != handlers_of(session, "before-call.s3.PutObject")


def test_every_service_that_is_bundled_has_its_handlers() -> None:
    """A service that is added there and not here would lose what botocore does for it."""
    assert set(AWS_CALLS) == aws.SERVICES


def test_a_session_that_somebody_has_set_up_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test's, for example, or that of a tool with a profile."""
    own = boto3.Session(region_name="eu-west-1")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", own)

    aws.prepare_session()

    assert boto3.DEFAULT_SESSION is own
