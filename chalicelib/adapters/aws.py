"""Clients of AWS services, from botocore itself: to a client, boto3's own layer adds nothing but its import."""

from __future__ import annotations

from typing import Any

from botocore.config import Config
from botocore.handlers import BUILTIN_HANDLERS, REGISTER_FIRST, REGISTER_LAST
from botocore.session import Session

_DOCUMENTATION = "docs"


def client(
    service: str, *, endpoint_url: str | None = None, region: str | None = None, config: Config | None = None
) -> Any:
    """A client as `boto3.client` makes it. What is not given is as AWS's own settings say.

    The bundle holds the descriptions of those services and operations only that devstack/package/contents.py names.
    """
    session = Session(include_builtin_handlers=False)
    _register_handlers(session, service)
    return session.create_client(service, region_name=region, endpoint_url=endpoint_url, config=config)


def _register_handlers(session: Session, service: str) -> None:
    """botocore's own handlers of events. Nine of ten are for other services, and registering those takes its time.

    An event's name is its kind and, unless it is for all, the service: `before-sign.s3`.
    """
    events = session.get_component("event_emitter")
    ways = {(): events.register, (REGISTER_FIRST,): events.register_first, (REGISTER_LAST,): events.register_last}
    for name, handler, *order in BUILTIN_HANDLERS:
        kind, *about = name.split(".")
        if kind != _DOCUMENTATION and (not about or about[0] in ("*", service)):
            ways[tuple(order)](name, handler)
