"""What a person's tools send first: products and prices, legacy tokens, charges without intents, uploads, contexts."""

from __future__ import annotations

import io
import json
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest
import stripe

from devstack.stripe_standin.disputes import LONG

from .conftest import CARD_ONLY, SECRET_KEY, START, Standin

Pay = Callable[..., Any]
PDF = b"%PDF-1.4 a receipt"


# --- products and prices


def test_products_and_prices_are_made_listed_and_changed(client: stripe.StripeClient, standin: Standin) -> None:
    """With a price of its own, with several, found by lookup key and product; what is told of it."""
    cut = client.v1.products.create(
        {"name": "Cut", "metadata": {"a": "1"}, "default_price_data": {"currency": "eur", "unit_amount": 1500}}
    )
    long = client.v1.prices.create({"product": cut.id, "currency": "eur", "unit_amount": 2500, "lookup_key": "long"})
    wash = client.v1.prices.create({"product_data": {"name": "Wash"}, "currency": "eur", "unit_amount": 500})

    client.v1.products.update(cut.id, {"description": "With scissors", "default_price": long.id, "active": False})
    client.v1.prices.update(wash.id, {"nickname": "small", "active": False})

    again = client.v1.products.retrieve(cut.id, {"expand": ["default_price"]})
    assert (again.description, again.active, again.default_price.unit_amount) == ("With scissors", False, 2500)
    assert [row.name for row in client.v1.products.list().data] == ["Wash", "Cut"]
    assert [row.id for row in client.v1.products.list({"active": True}).data] == [wash.product]
    assert [row.unit_amount for row in client.v1.prices.list({"product": cut.id}).data] == [2500, 1500]
    assert [row.id for row in client.v1.prices.list({"lookup_keys": ["long"]}).data] == [long.id]
    assert client.v1.prices.retrieve(wash.id, {"expand": ["product"]}).product.name == "Wash"
    assert set(standin.events("product.created", "price.created", "product.updated", "price.updated")) == {
        "product.created", "price.created", "product.updated", "price.updated",
    }  # fmt: skip


def test_a_product_and_a_lookup_key_are_one_each(client: stripe.StripeClient) -> None:
    """A second of the same is refused; a key can be taken over; a product with prices cannot be deleted."""
    cut = client.v1.products.create({"id": "cut", "name": "Cut"})
    first = client.v1.prices.create({"product": cut.id, "currency": "eur", "unit_amount": 1, "lookup_key": "k"})
    for call in (
        lambda: client.v1.products.create({"id": "cut", "name": "Cut"}),
        lambda: client.v1.prices.create({"product": cut.id, "currency": "eur", "unit_amount": 2, "lookup_key": "k"}),
        lambda: client.v1.prices.create({"currency": "eur", "unit_amount": 2}),
        lambda: client.v1.prices.create({"product": "none", "currency": "eur", "unit_amount": 2}),
        lambda: client.v1.prices.create({"product": cut.id, "currency": "eur", "unit_amount": -2}),
        lambda: client.v1.products.delete(cut.id),
    ):
        with pytest.raises(stripe.InvalidRequestError):
            call()

    taken = {"product": cut.id, "currency": "eur", "unit_amount": 2, "lookup_key": "k", "transfer_lookup_key": True}
    client.v1.prices.create(taken)

    assert client.v1.prices.retrieve(first.id).lookup_key is None
    empty = client.v1.products.create({"name": "Empty"})
    assert client.v1.products.delete(empty.id).deleted


def test_a_checkout_session_names_prices(client: stripe.StripeClient, standin: Standin) -> None:
    """By price and by price_data with a product; the amounts, names and currency are theirs; an inactive one is
    refused.
    """
    price = client.v1.prices.create({"product_data": {"name": "Cut"}, "currency": "eur", "unit_amount": 1500})
    line = {"price_data": {"currency": "eur", "unit_amount": 300, "product": price.product}}
    given: Any = {
        "mode": "payment",
        "line_items": [{"price": price.id, "quantity": 2}, line],
        "success_url": "http://127.0.0.1:9/",
    }

    session = client.v1.checkout.sessions.create(given)

    lines = client.v1.checkout.sessions.line_items.list(session.id).data
    assert (session.amount_total, session.currency) == (3300, "eur")
    assert [(row.description, row.amount_total) for row in lines] == [("Cut", 3000), ("Cut", 300)]
    assert lines[0].price.id == price.id
    client.v1.prices.update(price.id, {"active": False})
    other = client.v1.prices.create({"product": price.product, "currency": "usd", "unit_amount": 100})
    for items in ([{"price": price.id}], [{"price": "price_none"}], [{}], [line, {"price": other.id}]):
        with pytest.raises(stripe.InvalidRequestError):
            client.v1.checkout.sessions.create({**given, "line_items": items})


def test_a_recurring_price_can_be_kept_and_is_paid_with_nothing(client: stripe.StripeClient) -> None:
    """It is listed by its type, and refused in payment mode; a metered one is not played."""
    given: Any = {"product_data": {"name": "Club"}, "currency": "eur", "unit_amount": 900}
    club = client.v1.prices.create({**given, "recurring": {"interval": "month"}})

    assert (club.type, club.recurring.interval_count) == ("recurring", 1)
    assert [row.id for row in client.v1.prices.list({"type": "recurring"}).data] == [club.id]
    session: Any = {"mode": "payment", "line_items": [{"price": club.id}], "success_url": "http://127.0.0.1:9/"}
    with pytest.raises(stripe.InvalidRequestError, match="passed a recurring price"):
        client.v1.checkout.sessions.create(session)
    with pytest.raises(stripe.APIError, match="does not play metered"):
        client.v1.prices.create({**given, "recurring": {"interval": "month", "usage_type": "metered"}})


def test_a_hosted_page_is_confirmed_as_stripes_tool_does(client: stripe.StripeClient, standin: Standin) -> None:
    """payment_pages: looked at, then paid with a PaymentMethod; a wrong expected_amount and a decline are refused."""
    price = client.v1.prices.create({"product_data": {"name": "Cut"}, "currency": "eur", "unit_amount": 1500})
    session = client.v1.checkout.sessions.create(
        {"mode": "payment", "line_items": [{"price": price.id}], "success_url": "http://127.0.0.1:9/"}
    )
    page = f"/v1/payment_pages/{session.id}"

    def method(token: str) -> str:
        card: Any = {"type": "card", "card": {"token": token}, "billing_details": {"email": "ada@example.com"}}
        return client.v1.payment_methods.create(card).id

    def confirm(card: str, amount: int) -> tuple[int, Any]:
        form = f"payment_method={method(card)}&expected_amount={amount}"
        status, body, _ = standin.raw("POST", f"{page}/confirm", form)
        return status, body

    assert standin.raw("GET", page)[1]["id"] == session.id
    assert confirm("tok_visa", 1400)[0] == 400
    assert confirm("tok_chargeDeclined", 1500)[0] == 402
    status, paid = confirm("tok_visa", 1500)
    assert (status, paid["status"], paid["payment_status"]) == (200, "complete", "paid")
    assert paid["customer_details"]["email"] == "ada@example.com"
    assert standin.events("checkout.session.completed") == ["checkout.session.completed"]


# --- tokens and charges


def test_a_token_is_a_card_once(client: stripe.StripeClient, standin: Standin) -> None:
    """Made from a number, by a publishable key, too; used for a PaymentMethod; a second use is refused."""
    number: Any = {"card": {"number": "5555555555554444", "exp_month": 8, "exp_year": 2030, "cvc": "123"}}
    token = standin.client("pk_test_x").v1.tokens.create(number)
    data: Any = {"type": "card", "card": {"token": token.id}}

    paid = client.v1.payment_intents.create(
        {"amount": 900, "currency": "eur", "payment_method_data": data, "confirm": True, **CARD_ONLY}
    )

    assert (token.card.brand, token.card.last4, token.used) == ("MasterCard", "4444", False)
    assert client.v1.payment_methods.retrieve(paid.payment_method).card.exp_year == 2030
    assert client.v1.tokens.retrieve(token.id).used
    with pytest.raises(stripe.InvalidRequestError) as again:
        client.v1.payment_methods.create(data)
    assert again.value.code == "token_already_used"
    with pytest.raises(stripe.CardError):
        client.v1.tokens.create({"card": {"number": "4242424242424241", "exp_month": 8, "exp_year": 2030}})


def test_a_charge_without_an_intent_is_made_and_refunded(client: stripe.StripeClient, standin: Standin) -> None:
    """tok_visa pays at once: charge, fees, refund, books; it is told of as any charge."""
    charge = client.v1.charges.create(
        {"amount": 2000, "currency": "eur", "source": "tok_visa", "description": "Cut", "metadata": {"tab": "tab_1"}}
    )

    client.v1.refunds.create({"charge": charge.id, "amount": 500})

    now = client.v1.charges.retrieve(charge.id, {"expand": ["balance_transaction"]})
    assert (now.status, now.captured, now.payment_intent, now.amount_refunded) == ("succeeded", True, None, 500)
    assert now.balance_transaction.net == 2000 - 55
    assert now.payment_method.startswith("card_")
    line = standin.control("books?by=tab")["groups"]["tab_1"]["eur"]
    assert (line["charged"], line["refunded"]) == (2000, 500)
    assert standin.events("charge.succeeded", "charge.refunded") == ["charge.succeeded", "charge.refunded"]


def test_a_charge_can_be_held_captured_and_expire(client: stripe.StripeClient, standin: Standin) -> None:
    """capture=false: captured in part, once; another one runs out after seven days and cannot be captured."""
    given: Any = {"amount": 5000, "currency": "eur", "source": "tok_visa", "capture": False}
    first, second = client.v1.charges.create(given).id, client.v1.charges.create(given).id

    captured = client.v1.charges.capture(first, {"amount": 3000})

    assert (captured.captured, captured.amount_captured, captured.amount_refunded) == (True, 3000, 0)
    for call in (
        lambda: client.v1.charges.capture(first),
        lambda: client.v1.charges.capture(second, {"amount": 5001}),
        lambda: client.v1.refunds.create({"charge": second}),
    ):
        with pytest.raises(stripe.InvalidRequestError):
            call()
    standin.advance(days=7)
    with pytest.raises(stripe.InvalidRequestError) as late:
        client.v1.charges.capture(second)
    assert late.value.code == "charge_expired_for_capture"
    assert standin.events("charge.expired") == ["charge.expired"]
    books = standin.control("books?by=")["accounts"]["acct_1StandInPlatform00"]["eur"]
    assert (books["captured"], books["released"], books["expired"], books["live_holds"]) == (3000, 2000, 5000, 0)


def test_an_old_charge_gives_back_what_it_did_not_take(standin: Standin) -> None:
    """Before 2025-03-31.basil the rest of a hold without an intent is a refund, too."""
    old = {"Stripe-Version": "2024-06-20"}
    form = "amount=5000&currency=eur&source=tok_visa&capture=false"
    charge = standin.raw("POST", "/v1/charges", form, old)[1]["id"]

    taken = standin.raw("POST", f"/v1/charges/{charge}/capture", "amount=3000", old)[1]

    assert (taken["amount_refunded"], taken["refunded"]) == (2000, False)


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("tok_chargeDeclinedInsufficientFunds", "card_declined"),
        ("tok_chargeDeclinedExpiredCard", "expired_card"),
        ("tok_threeDSecure2Required", "authentication_required"),
    ],
)
def test_a_charge_without_an_intent_is_declined(client: stripe.StripeClient, source: str, code: str) -> None:
    """By the test tokens that say so, and where a bank wants 3-D Secure, which it cannot ask for here."""
    with pytest.raises(stripe.CardError) as declined:
        client.v1.charges.create({"amount": 2000, "currency": "eur", "source": source})

    assert declined.value.code == code
    failed = client.v1.charges.retrieve(declined.value.error.charge)
    assert (failed.status, failed.failure_code) == ("failed", code)


def test_a_charge_that_a_card_disputes_is_disputed(client: stripe.StripeClient) -> None:
    """Its dispute names no intent: `payment_intent` is null, as Stripe's document allows."""
    charge = client.v1.charges.create({"amount": 2000, "currency": "eur", "source": "tok_createDispute"})

    dispute = client.v1.disputes.list({"charge": charge.id}).data[0]

    assert (dispute.payment_intent, dispute.amount) == (None, 2000)


@pytest.mark.parametrize("given", [{}, {"source": "tok_none"}, {"source": "tok_visa", "amount": 1}])
def test_a_charge_that_cannot_be_right_is_refused(client: stripe.StripeClient, given: Any) -> None:
    """No source, an unknown one, too little."""
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.charges.create({"amount": 2000, "currency": "eur", **given})

    assert client.v1.charges.list().data == []


# --- files


def upload(name: str, content: bytes) -> io.BytesIO:
    """As the SDK takes it: something to read, with a name."""
    file = io.BytesIO(content)
    file.name = name
    return file


def files_client(standin: Standin) -> stripe.StripeClient:
    return stripe.StripeClient(SECRET_KEY, base_addresses={"api": standin.base, "files": standin.base})


def test_a_file_is_uploaded_as_evidence(standin: Standin, pay: Pay) -> None:
    """multipart/form-data, as the SDK sends it; what comes back is what went in; evidence names it."""
    client = files_client(standin)
    dispute = standin.control("disputes", {"payment_intent": pay(1000).id})

    made = client.v1.files.create({"purpose": "dispute_evidence", "file": upload("receipt.pdf", PDF)})
    client.v1.disputes.update(dispute["id"], {"evidence": {"receipt": made.id}, "submit": False})

    assert (made.filename, made.size, made.type) == ("receipt.pdf", len(PDF), "pdf")
    assert client.v1.files.list({"purpose": "dispute_evidence"}).data[0].id == made.id
    assert client.v1.files.retrieve(made.id).created == START
    assert client.v1.disputes.retrieve(dispute["id"]).evidence.receipt == made.id
    headers = {"Authorization": f"Bearer {SECRET_KEY}"}
    with urllib.request.urlopen(urllib.request.Request(made.url, headers=headers)) as answer:
        assert answer.read() == PDF


@pytest.mark.parametrize(
    ("given", "part"),
    [
        ({"purpose": "dispute_evidence", "file": upload("receipt.pdf", b"x" * 5_000_001)}, "too large"),
        ({"purpose": "dispute_evidence", "file": upload("receipt.exe", b"MZ")}, "takes pdf, jpg and png"),
        ({"purpose": "wallpaper", "file": upload("receipt.pdf", PDF)}, "purpose"),
    ],
)
def test_a_file_that_is_no_evidence_is_refused(standin: Standin, given: Any, part: str) -> None:
    """More than 5 MB, a kind that banks do not take, an invented purpose."""
    with pytest.raises(stripe.InvalidRequestError) as refused:
        files_client(standin).v1.files.create(given)

    assert part in str(refused.value)


def test_a_body_that_is_not_what_its_header_says_is_refused(standin: Standin) -> None:
    """multipart without its boundary; a file in a form; JSON, which Stripe's /v1 does not take either."""
    for content_type, body in (
        ("multipart/form-data; boundary=x", "purpose=dispute_evidence"),
        ("application/x-www-form-urlencoded", "purpose=dispute_evidence&file=x"),
        ("application/json", json.dumps({"purpose": "dispute_evidence"})),
    ):
        status, answer, _ = standin.raw("POST", "/v1/files", body, {"Content-Type": content_type})
        assert (status, answer["error"]["type"]) == (400, "invalid_request_error")


def test_evidence_has_its_limits(client: stripe.StripeClient, standin: Standin, pay: Pay) -> None:
    """20,000 characters in a long text, 150,000 in all together; a file that is not there is none."""
    dispute = standin.control("disputes", {"payment_intent": pay(1000).id})["id"]
    long = dict.fromkeys(sorted(LONG)[:7], "x" * 20_000)
    full: Any = long | {"billing_address": "x" * 5_000, "service_date": "x" * 5_000}
    client.v1.disputes.update(dispute, {"evidence": full, "submit": False})

    evidences: tuple[Any, ...] = ({"customer_name": "x"}, {"receipt": "file_none"})
    for evidence in evidences:
        with pytest.raises(stripe.InvalidRequestError):
            client.v1.disputes.update(dispute, {"evidence": evidence, "submit": False})


# --- whose call it is, and how deep an answer goes


def test_a_context_names_the_account(client: stripe.StripeClient, standin: Standin) -> None:
    """Stripe-Context is Stripe-Account in its later form, the last of a path; both at once are refused."""
    account = client.v1.accounts.create({"country": "DE"}).id
    for context in (account, f"acct_1StandInPlatform00/{account}"):
        theirs = standin.client(stripe_context=context)
        theirs.v1.customers.create({"name": context})

    assert len(client.v1.customers.list({}, {"stripe_account": account}).data) == 2
    assert client.v1.customers.list().data == []
    both = {"Stripe-Context": account, "Stripe-Account": account}
    assert standin.raw("GET", "/v1/customers", headers=both)[0] == 400
    assert standin.raw("GET", "/v1/customers", headers={"Stripe-Context": "acct_none"})[0] == 403


def test_expand_five_deep(client: stripe.StripeClient, pay: Pay, customer: str) -> None:
    """A list's data and four levels below it; a sixth is refused in Stripe's words."""
    refund = client.v1.refunds.create({"payment_intent": pay(1000, customer=customer).id})

    deep = client.v1.refunds.list({"expand": ["data.charge.payment_intent.latest_charge.customer"]}).data[0]

    assert deep.charge.payment_intent.latest_charge.customer.email == "ada@example.com"
    with pytest.raises(stripe.InvalidRequestError, match="more than 4 levels"):
        client.v1.refunds.list({"expand": ["data.charge.payment_intent.latest_charge.payment_intent.customer"]})
    assert refund.status == "succeeded"


def test_a_repeated_key_says_so(standin: Standin) -> None:
    """Idempotent-Replayed and Original-Request on the second answer only; Request-Id is each one's own."""
    headers = [standin.raw("POST", "/v1/customers", "name=Ada", {"Idempotency-Key": "k"})[2] for _ in range(2)]

    assert [answer["Idempotent-Replayed"] for answer in headers] == [None, "true"]
    assert headers[1]["Original-Request"] == headers[0]["Request-Id"] != headers[1]["Request-Id"]
