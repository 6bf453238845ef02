"""Checkout Sessions: a page that a person or a browser pays on, and what becomes of the session."""

from __future__ import annotations

import urllib.error
import urllib.parse
import urllib.request
from typing import Any

import pytest
import stripe

from .conftest import START, Standin

SUCCESS = "http://127.0.0.1:9/thanks?session={CHECKOUT_SESSION_ID}"


def session(client: stripe.StripeClient, **more: Any) -> Any:
    price = {"currency": "eur", "unit_amount": 1250, "product_data": {"name": "Haircut"}}
    return client.v1.checkout.sessions.create(
        {
            "mode": "payment",
            "line_items": [{"price_data": price, "quantity": 2}],
            "success_url": SUCCESS,
            "cancel_url": "http://127.0.0.1:9/back",
            "metadata": {"tab": "tab_1"},
            "payment_intent_data": {"metadata": {"tab": "tab_1"}},
            "adaptive_pricing": {"enabled": False},
            **more,
        }
    )


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: Any) -> None:
        return None


def visit(url: str, form: dict[str, str] | None = None) -> tuple[int, str, str]:
    """Load or submit a page without following redirects: (status, text, Location)."""
    opener = urllib.request.build_opener(_NoRedirect)
    data = None if form is None else urllib.parse.urlencode(form).encode()
    try:
        with opener.open(urllib.request.Request(url, data=data), timeout=10) as answer:
            return answer.status, answer.read().decode(), ""
    except urllib.error.HTTPError as other:
        return other.code, other.read().decode(), other.headers.get("Location", "")


def card(number: str = "4242424242424242") -> dict[str, str]:
    return {"number": number, "expiry": "12 / 31", "cvc": "123", "email": "ada@example.com", "name": "Ada"}


def test_a_person_pays_on_the_hosted_page(client: stripe.StripeClient, standin: Standin) -> None:
    """The page shows what is bought, takes the card, and leads to success_url with the session's id in it."""
    made = session(client)
    assert (made.status, made.payment_status, made.amount_total, made.payment_intent) == ("open", "unpaid", 2500, None)
    status, page, _ = visit(made.url)
    assert status == 200
    assert "Haircut" in page
    assert "€25.00" in page

    status, _, location = visit(made.url, card())

    assert (status, location) == (303, SUCCESS.replace("{CHECKOUT_SESSION_ID}", made.id))
    done = client.v1.checkout.sessions.retrieve(made.id, {"expand": ["payment_intent", "line_items"]})
    assert (done.status, done.payment_status, done.url) == ("complete", "paid", None)
    assert (done.payment_intent.status, done.payment_intent.metadata["tab"]) == ("succeeded", "tab_1")
    assert done.customer_details.email == "ada@example.com"
    assert [(item.description, item.quantity, item.amount_total) for item in done.line_items.data] == [
        ("Haircut", 2, 2500)
    ]
    assert standin.events("payment_intent.succeeded", "checkout.session.completed") == [
        "payment_intent.succeeded",
        "checkout.session.completed",
    ]


def test_a_declined_card_leaves_the_page_open_for_another(client: stripe.StripeClient) -> None:
    """The page says why, the session stays open, and the second card pays the same intent."""
    made = session(client)

    status, page, _ = visit(made.url, card("4000000000009995"))
    assert status == 402
    assert "insufficient funds" in page
    declined = client.v1.checkout.sessions.retrieve(made.id)
    assert declined.status == "open"
    status, _, _ = visit(made.url, card())

    done = client.v1.checkout.sessions.retrieve(made.id)
    assert (status, done.status, done.payment_intent) == (303, "complete", declined.payment_intent)


def test_three_d_secure_leads_through_its_page_and_back(client: stripe.StripeClient) -> None:
    """A card that asks for 3-D Secure leads to the bank's page; completing it completes the session."""
    made = session(client)

    status, _, bank = visit(made.url, card("4000000000003220"))
    assert status == 303
    assert "/3ds/" in bank
    assert "Complete" in visit(bank)[1]
    status, _, location = visit(bank, {"outcome": "succeed"})
    assert status == 303

    status, _, location = visit(location)
    assert (status, location) == (303, SUCCESS.replace("{CHECKOUT_SESSION_ID}", made.id))
    assert client.v1.checkout.sessions.retrieve(made.id).payment_status == "paid"


def test_failed_three_d_secure_leads_back_to_the_page_with_the_reason(client: stripe.StripeClient) -> None:
    """The session stays open, the page says that authentication failed, and another card pays."""
    made = session(client)
    bank = visit(made.url, card("4000000000003220"))[2]

    location = visit(bank, {"outcome": "fail"})[2]

    status, page, _ = visit(location)
    assert status == 200
    assert "failed authentication" in page
    assert visit(made.url, card())[0] == 303
    assert client.v1.checkout.sessions.retrieve(made.id).payment_status == "paid"


def test_a_session_expires_by_the_clock(client: stripe.StripeClient, standin: Standin) -> None:
    """At expires_at it is expired, its page pays nothing, and checkout.session.expired is sent."""
    made = session(client, expires_at=START + 1800)

    standin.advance(seconds=1800)

    gone = client.v1.checkout.sessions.retrieve(made.id)
    assert (gone.status, gone.url) == ("expired", None)
    assert visit(made.url, card())[0] == 410
    assert client.v1.payment_intents.list().data == []
    assert standin.events("checkout.session.expired") == ["checkout.session.expired"]


def test_an_expired_session_cannot_be_paid_and_a_paid_one_cannot_be_expired(client: stripe.StripeClient) -> None:
    """Expire first, then mint the next one: so a customer cannot pay twice."""
    first, second = session(client), session(client)

    assert client.v1.checkout.sessions.expire(first.id).status == "expired"
    assert visit(first.url, card())[0] == 410
    assert visit(second.url, card())[0] == 303
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.checkout.sessions.expire(second.id)

    assert "`complete`" in str(refused.value)


def test_an_expired_session_takes_its_unpaid_intent_with_it(client: stripe.StripeClient) -> None:
    """The intent of a declined try is canceled with the session, and not before: canceling it directly is refused."""
    made = session(client)
    visit(made.url, card("4000000000000002"))
    intent = client.v1.checkout.sessions.retrieve(made.id).payment_intent
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.payment_intents.cancel(intent)

    client.v1.checkout.sessions.expire(made.id)

    assert client.v1.payment_intents.retrieve(intent).status == "canceled"


def test_what_was_ordered_can_be_expanded(client: stripe.StripeClient) -> None:
    """When a session is made, looked up and listed; without being asked for it is left out."""
    sessions = client.v1.checkout.sessions
    made = session(client, expand=["line_items"])

    found = [
        made,
        sessions.retrieve(made.id, {"expand": ["line_items"]}),
        sessions.list({"expand": ["data.line_items"]}).data[0],
    ]

    assert [row.line_items.data[0].description for row in found] == ["Haircut"] * 3
    assert "line_items" not in sessions.retrieve(made.id).to_dict()


@pytest.mark.parametrize("seconds", [1799, 86401])
def test_expiry_is_30_minutes_to_24_hours_away(client: stripe.StripeClient, seconds: int) -> None:
    """Sooner or later than documented is refused."""
    with pytest.raises(stripe.InvalidRequestError) as refused:
        session(client, expires_at=START + seconds)

    assert refused.value.param == "expires_at"


def test_a_session_in_setup_mode_saves_a_card(client: stripe.StripeClient, customer: str) -> None:
    """mode=setup: nothing is paid, the card is saved on the customer."""
    made = client.v1.checkout.sessions.create(
        {"mode": "setup", "currency": "eur", "customer": customer, "success_url": SUCCESS}
    )

    assert visit(made.url, card())[0] == 303

    done = client.v1.checkout.sessions.retrieve(made.id, {"expand": ["setup_intent"]})
    assert (done.status, done.payment_status, done.setup_intent.status) == (
        "complete",
        "no_payment_required",
        "succeeded",
    )
    assert [method.card.last4 for method in client.v1.customers.payment_methods.list(customer).data] == ["4242"]


def test_a_session_with_manual_capture_is_paid_when_captured(client: stripe.StripeClient) -> None:
    """capture_method=manual: complete but unpaid until the hold is captured."""
    made = session(client, payment_intent_data={"capture_method": "manual"})
    visit(made.url, card())
    held = client.v1.checkout.sessions.retrieve(made.id)
    assert (held.status, held.payment_status) == ("complete", "unpaid")

    client.v1.payment_intents.capture(held.payment_intent)

    assert client.v1.checkout.sessions.retrieve(made.id).payment_status == "paid"


def test_what_a_person_types_is_shown_as_text(client: stripe.StripeClient) -> None:
    """A product name with markup in it is escaped on the page."""
    price = {"currency": "eur", "unit_amount": 1250, "product_data": {"name": "<script>alert(1)</script>"}}
    made = session(client, line_items=[{"price_data": price}])

    page = visit(made.url)[1]

    assert "<script>alert" not in page
    assert "&lt;script&gt;" in page
