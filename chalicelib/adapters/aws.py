"""Clients of AWS services, from botocore itself: to a client, boto3's own layer adds nothing but its import."""

from __future__ import annotations

from typing import Any

import botocore.session
from botocore.config import Config


def client(
    service: str, *, endpoint_url: str | None = None, region: str | None = None, config: Config | None = None
) -> Any:
    """A client as `boto3.client` makes it. What is not given is as AWS's own settings say.

    The bundle holds the descriptions of those services and operations only that devstack/package/contents.py names.
    """
    session = botocore.session.Session()
    return session.create_client(service, region_name=region, endpoint_url=endpoint_url, config=config)
