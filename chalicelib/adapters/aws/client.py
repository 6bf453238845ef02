"""Clients of AWS services, from botocore itself: to a client, boto3's own layer adds nothing but its import.

What botocore does for any service, and at a price for every call, is left out or done by less (decision 15 says what).
"""

from __future__ import annotations

import os
from typing import Any
from urllib.request import getproxies

import botocore
from botocore.config import Config
from botocore.exceptions import UnknownServiceError
from botocore.handlers import BUILTIN_HANDLERS, REGISTER_FIRST, REGISTER_LAST
from botocore.loaders import Loader
from botocore.session import Session

from chalicelib.adapters.aws import signer as aws_signer
from chalicelib.adapters.aws.transport import KeepAliveSession

_DOCUMENTATION = "docs"
_ATTRIBUTE = "AttributeValue"
"""What DynamoDB's items map names to; both are JSON already, in the store as on the wire."""
_BOTOCORE = os.path.dirname(botocore.__file__)


def client(
    service: str, *, endpoint_url: str | None = None, region: str | None = None, config: Config | None = None
) -> Any:
    """A client as `boto3.client` makes it, of a service that speaks JSON. What is not given is as AWS's settings say.

    The bundle holds the descriptions of those services and operations only that devstack/package/contents.py names.
    """
    session = Session(include_builtin_handlers=False)
    _register_handlers(session, service)
    if not _is_ordinary(session):
        return session.create_client(service, region_name=region, endpoint_url=endpoint_url, config=config)
    session.register_component("data_loader", _Descriptions())
    session.get_component("event_emitter").register_first("choose-signer", _choose_signer)
    made = session.create_client(service, region_name=region, endpoint_url=endpoint_url, config=config)
    assert made.meta.service_model.resolved_protocol == "json", f"{service} needs more of botocore than is left here"
    _connect(made, session)
    return made


def _is_ordinary(session: Session) -> bool:
    """Whether AWS is reached as most do. If not, everything stays botocore's own, which knows every way."""
    kinds = ("use_fips_endpoint", "use_dualstack_endpoint")
    return not getproxies() and not any(session.get_config_variable(kind) for kind in kinds)


class _Descriptions(Loader):
    """botocore's descriptions of services, but for two things that it would do for every call anew.

    Without rules to find an endpoint by, botocore takes the one of the region, once, when the client is made. And items
    are described as documents, which go in and come out as they are: it need not look at each of their attributes.
    (Bytes are the exception, for they are no JSON. We store none.)
    """

    def load_service_model(self, service_name: str, type_name: str, api_version: str | None = None) -> Any:
        if type_name == "endpoint-rule-set-1":
            raise UnknownServiceError(service_name=service_name, known_service_names="")
        described = super().load_service_model(service_name, type_name, api_version)
        for name, shape in described.get("shapes", {}).items():
            if shape.get("value", {}).get("shape") == _ATTRIBUTE:
                described["shapes"][name] = {"type": "structure", "members": {}, "document": True}
        return described


def _choose_signer(**_: Any) -> str:
    return aws_signer.VERSION


def _connect(made: Any, session: Session) -> None:
    """Put our own connections in the place of urllib3's; timeouts and certificates are those that it would have."""
    config = made.meta.config

    def ca_file() -> str:
        named: str | None = session.get_config_variable("ca_bundle")
        # In the bundle they are in a folder, too, of which only what is needed is read (devstack/package).
        folder = os.path.join(_BOTOCORE, "certificates")
        return named or (folder if os.path.isdir(folder) else os.path.join(_BOTOCORE, "cacert.pem"))

    made._endpoint.http_session = KeepAliveSession(
        made.meta.endpoint_url, connect_s=config.connect_timeout, read_s=config.read_timeout, ca_file=ca_file
    )


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
