"""Owns the errors of the API, in Stripe's shapes; which rule was broken is decided by the module that raises.

Source of the shapes: https://docs.stripe.com/api/errors and https://docs.stripe.com/error-codes.
"""

from __future__ import annotations

from typing import Any


class StripeError(Exception):
    """An answer that is not 2xx. `before_execution` marks validation errors, which idempotency never stores."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        type: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
        before_execution: bool = False,
        **extra: Any,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.before_execution = before_execution
        self.fields: dict[str, Any] = {}
        if code is not None:
            self.fields["code"] = code
            self.fields["doc_url"] = "https://stripe.com/docs/error-codes/" + code.replace("_", "-")
        self.fields["message"] = message
        if param is not None:
            self.fields["param"] = param
        self.fields.update({name: value for name, value in extra.items() if value is not None})
        self.fields["type"] = type

    def body(self) -> dict[str, Any]:
        return {"error": self.fields}


def invalid(message: str, *, code: str | None = None, param: str | None = None) -> StripeError:
    """A parameter that cannot be right whatever the state is: found before execution, so never stored."""
    return StripeError(400, message, code=code, param=param, before_execution=True)


def refused(message: str, *, code: str | None = None, param: str | None = None, **extra: Any) -> StripeError:
    """A request that is well formed and that the present state does not allow."""
    return StripeError(400, message, code=code, param=param, **extra)


def missing(kind: str, id: str, *, param: str = "id") -> StripeError:
    """404 for an object in the path, 400 for one named in a parameter; Stripe words both alike."""
    return StripeError(
        404 if param in ("id", "intent") else 400, f"No such {kind}: '{id}'", code="resource_missing", param=param
    )
