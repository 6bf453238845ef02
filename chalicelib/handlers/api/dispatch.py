"""The entry to the API: from an event of API Gateway to the operation that it is for, by the shortest way."""

from __future__ import annotations

from typing import Any

from chalice.app import Chalice, Request

from chalicelib.handlers.api.problems import unexpected

_JSON = frozenset({None, "application/json", "application/json; charset=utf-8"})
"""As clients, and Stripe, say that a body is JSON. Chalice knows how else it can be said."""


class Api(Chalice):
    """Chalice, without what it does for requests that are none of ours.

    It puts middleware together for each and looks for CORS, and for binary answers, which is more than most of our
    operations take by themselves. API Gateway has found the route; what is left is to call it. Whatever else comes
    (another method or content type, which Chalice refuses) goes Chalice's own way.
    """

    def __call__(self, event: Any, context: Any) -> dict[str, Any]:
        about = event.get("requestContext", {})
        route = self.routes.get(about.get("resourcePath"), {}).get(about.get("httpMethod"))
        if route is None:
            return super().__call__(event, context)
        request = Request(event, context)
        if request.headers.get("content-type") not in _JSON:
            return super().__call__(event, context)
        self.lambda_context = context
        self.current_request = request
        try:
            path = {name: event["pathParameters"][name] for name in route.view_args}
            response = route.view_function(**path)
        except Exception as error:
            # An operation answers its own errors; what comes here would be Lambda's to tell, and API Gateway's.
            response = unexpected(error)
        answer: dict[str, Any] = response.to_dict()
        return answer
