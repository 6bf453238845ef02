"""The settings of all boto3 clients: time-outs and retries. Only documented ones are used.

https://docs.aws.amazon.com/botocore/latest/reference/config.html
"""

from __future__ import annotations

import os

from botocore.config import Config

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


def credentials() -> tuple[str, str, str | None] | tuple[None, None, None]:
    """Key id, secret key and session token, as Lambda puts them into the environment; for a client's arguments.

    Without them botocore looks for credentials in twelve places, and first builds what would ask a machine's metadata
    service: 5 million instructions of a start. None where they are not there, as after a snapshot: then it does, and
    renews what it finds. https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
    """
    key_id, secret = os.environ.get("AWS_ACCESS_KEY_ID"), os.environ.get("AWS_SECRET_ACCESS_KEY")
    if not key_id or not secret:
        return None, None, None
    return key_id, secret, os.environ.get("AWS_SESSION_TOKEN")
