"""The session and the settings of all boto3 clients: time-outs and retries. Only documented settings are used.

https://docs.aws.amazon.com/botocore/latest/reference/config.html
"""

from __future__ import annotations

import boto3
from botocore import handlers
from botocore.config import Config
from botocore.session import Session

CONNECTIONS = 16
"""A connection for each thread of a sweep, which reads the due index and advances tabs."""


def config(*, connect_s: float = 1, read_s: float = 2, tries: int = 2) -> Config:
    """At most two tries of 3 s each, so that several calls fit into the 29 s after which API Gateway gives up.

    `tries` 1: for calls that must not be made twice when an answer is lost.
    """
    return Config(
        connect_timeout=connect_s,
        read_timeout=read_s,
        retries={"mode": "standard", "total_max_attempts": tries},
        max_pool_connections=CONNECTIONS,
        tcp_keepalive=True,
        # botocore would otherwise compose one for every call, which is a twentieth of a call's processor time.
        user_agent="aftertab",
        # Validation takes a quarter of a call's processor time. Our parameters are built in one place and tested.
        parameter_validation=False,
    )


SERVICES = frozenset({"dynamodb", "sesv2", "sns", "sqs", "ssm"})
"""Every AWS service that is called."""
_OF_CREDENTIALS = frozenset({"signin", "sso", "sso-oidc", "sts"})
"""The services that botocore itself may ask for credentials."""


def prepare_session() -> None:
    """Set up boto3's default session, unless there is one, with the handlers of the services that are called.

    botocore has a handler for each oddity of its 400 services. Registering all of them takes a twentieth of a start;
    nine in ten are never called (docs/decisions/0035-*.md). Their order stays.
    """
    if boto3.DEFAULT_SESSION is not None:
        return
    session = Session(include_builtin_handlers=False)
    events = session.get_component("event_emitter")
    for event, handler, *order in handlers.BUILTIN_HANDLERS:
        # An event is named `what.service.operation`; `what` alone concerns all services.
        _, *service = event.split(".")
        if service and service[0] not in SERVICES | _OF_CREDENTIALS:
            continue
        if order == [handlers.REGISTER_FIRST]:
            events.register_first(event, handler)
        elif order == [handlers.REGISTER_LAST]:
            events.register_last(event, handler)
        else:
            events.register(event, handler)
    boto3.setup_default_session(botocore_session=session)
