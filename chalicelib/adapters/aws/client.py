"""The settings of all boto3 clients: time-outs and retries. Only documented ones are used.

https://docs.aws.amazon.com/botocore/latest/reference/config.html
"""

from __future__ import annotations

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
