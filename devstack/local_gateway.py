"""Chalice's local server, with the answers that API Gateway gives in a deployment.

What Chalice refuses by itself, it says in its own words. Here it says what the template's gateway responses say, and a
method that a path does not have reaches the app, as the template's `ANY` lets it.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler
from typing import Any

from chalice.app import Chalice
from chalice.config import Config
from chalice.local import (
    ChaliceRequestHandler,
    ForbiddenError,
    InvalidAuthorizerError,
    LocalDevServer,
    LocalGateway,
    LocalGatewayAuthorizer,
    LocalGatewayException,
    NotAuthorizedError,
    create_local_server,
)

from devstack.deploy import gateway_answers

_KINDS: Mapping[type[LocalGatewayException], str] = {
    NotAuthorizedError: "UNAUTHORIZED",
    InvalidAuthorizerError: "AUTHORIZER_CONFIGURATION_ERROR",
    # Of a token that is denied we hear first (`_Denied`), so this is a path that no route has.
    ForbiddenError: "MISSING_AUTHENTICATION_TOKEN",
}
"""Chalice's refusals → API Gateway's type of response."""


class Gateway(LocalGateway):
    """API Gateway as the template sets it up."""

    def __init__(self, app_object: Chalice, config: Config) -> None:
        super().__init__(app_object, config)
        self._authorizer = _Authorizer(app_object)

    def handle_request(self, method: str, path: str, headers: Any, body: bytes | None) -> Any:
        if body is not None and len(body) > gateway_answers.MAXIMUM_BODY_BYTES:
            return _answer("REQUEST_TOO_LARGE", {})
        try:
            return super().handle_request(method, path, headers, body)
        except _Denied as denied:
            return _answer("ACCESS_DENIED", denied.context)
        except LocalGatewayException as refused:
            return _answer(_KINDS[type(refused)], {})

    def _has_user_defined_options_method(self, lambda_event: Any) -> bool:
        """Preflights are the app's to answer."""
        return True


class _Denied(LocalGatewayException):
    """The authorizer refused the token; `context` says why."""

    def __init__(self, context: dict[str, str]) -> None:
        super().__init__({})
        self.context = context


class _Authorizer(LocalGatewayAuthorizer):
    """Keeps what the authorizer says of a token that it denies."""

    def _check_can_invoke_view_function(self, arn: str, auth_result: Any) -> bool:
        if not super()._check_can_invoke_view_function(arn, auth_result):
            raise _Denied({f"authorizer.{name}": value for name, value in auth_result["context"].items()})
        return True


def _answer(kind: str, context: dict[str, str]) -> dict[str, Any]:
    status, headers, body = gateway_answers.rendered(kind, {"requestId": "local", **context})
    return {"statusCode": status, "headers": headers, "multiValueHeaders": {}, "body": body.decode()}


class Handler(ChaliceRequestHandler):
    """Serves one connection. A method that HTTP knows is never a 501."""

    def __init__(self, request: Any, client_address: Any, server: Any, app_object: Chalice, config: Config) -> None:
        self.local_gateway = Gateway(app_object, config)
        BaseHTTPRequestHandler.__init__(self, request, client_address, server)

    def __getattr__(self, name: str) -> Any:
        """Whatever method is asked for, also one that HTTP has learned since, is the gateway's to refuse."""
        if name.startswith("do_"):
            return self._generic_handle
        raise AttributeError(name)

    def _send_http_response_with_body(self, code: int, headers: Any, body: Any) -> None:
        if self.command == "HEAD" or code in (204, 304):
            return self._send_http_response_no_body(code, headers)
        super()._send_http_response_with_body(code, headers, body)
        return None

    def log_message(self, format: str, *args: object) -> None:
        pass


def make_server(app: Chalice, config: Config, host: str, port: int) -> LocalDevServer:
    """Chalice's local server, which serves with our handler."""
    made = create_local_server(app, config, host, port)
    made.server.RequestHandlerClass = functools.partial(Handler, app_object=app, config=config)
    return made
