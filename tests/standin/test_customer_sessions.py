"""Customer sessions: what the SDK's screens need to show a customer's cards."""

from __future__ import annotations

from typing import Any

import pytest
import stripe

from .conftest import Standin

ELEMENT = {"mobile_payment_element": {"enabled": True, "features": {"payment_method_redisplay": "enabled"}}}


def test_a_session_has_a_secret_for_half_an_hour(client: stripe.StripeClient) -> None:
    """For the customer that was named; what was not asked for is disabled."""
    customer = client.v1.customers.create({})

    session = client.v1.customer_sessions.create({"customer": customer.id, "components": ELEMENT})

    assert (session.customer, session.client_secret[:12]) == (customer.id, "cuss_secret_")
    assert session.expires_at - session.created == 1800
    assert session.components is not None
    assert session.components.mobile_payment_element.features.payment_method_redisplay == "enabled"
    assert not session.components.payment_element.enabled
    other = client.v1.customer_sessions.create({"customer": customer.id, "components": ELEMENT})
    assert other.client_secret != session.client_secret


def test_one_key_is_one_session(client: stripe.StripeClient) -> None:
    """As for every other call."""
    customer = client.v1.customers.create({})
    params: Any = {"customer": customer.id, "components": ELEMENT}

    one, two = (client.v1.customer_sessions.create(params, {"idempotency_key": "once"}) for _ in range(2))

    assert one.client_secret == two.client_secret


@pytest.mark.parametrize(
    ("form", "param"),
    [
        ("customer={customer}", "components"),
        ("components[mobile_payment_element][enabled]=true", "customer"),
        ("customer={customer}&components[mobile_payment_element][enabled]=false", "components"),
        ("customer=cus_nobody&components[mobile_payment_element][enabled]=true", "customer"),
        ("customer={customer}&components[mobile_payment_element][features][payment_method_save]=enabled", "components"),
        (
            "customer={customer}&components[mobile_payment_element][enabled]=1",
            "components",
        ),
    ],
)
def test_what_is_wrong_is_refused(standin: Standin, client: stripe.StripeClient, form: str, param: str) -> None:
    """400, naming the parameter."""
    customer = client.v1.customers.create({})

    status, body, _ = standin.raw("POST", "/v1/customer_sessions", form.format(customer=customer.id))

    assert (status, body["error"]["param"][: len(param)]) == (400, param)
