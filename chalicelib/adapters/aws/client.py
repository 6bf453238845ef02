"""The settings of every boto3 client: when it gives up, and how often it tries. All of them are documented ones.

https://docs.aws.amazon.com/botocore/latest/reference/config.html
"""

from __future__ import annotations

from botocore.config import Config

CONNECTIONS = 16
"""The sweep reads the due index and advances tabs in threads; each of them keeps a connection."""


def config(*, connect_s: float = 1, read_s: float = 2) -> Config:
    """Two tries of 3 s each at most, so that several calls fit into the 29 s after which API Gateway gives up."""
    return Config(
        connect_timeout=connect_s,
        read_timeout=read_s,
        retries={"mode": "standard", "total_max_attempts": 2},
        max_pool_connections=CONNECTIONS,
        tcp_keepalive=True,
        # Validation takes a quarter of the processor time of a call. What we send is built in one place and tested.
        parameter_validation=False,
    )
