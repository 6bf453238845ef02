"""Parameters: what is refused before anything happens, and with which words; lists and their cursors; currencies."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import stripe

from .conftest import CARD_ONLY, START, Standin

Pay = Callable[..., Any]
GOOD: dict[str, Any] = {"amount": 1000, "currency": "eur"}


@pytest.mark.parametrize(
    ("given", "code", "param"),
    [
        ({**GOOD, "colour": "red"}, "parameter_unknown", "colour"),
        ({**GOOD, "payment_method_types": ["card"]}, "parameter_unknown", "payment_method_types"),
        (
            {**GOOD, "payment_method_options": {"card": {"colour": 1}}},
            "parameter_unknown",
            "payment_method_options[card][colour]",
        ),
        ({"currency": "eur"}, "parameter_missing", "amount"),
        ({"amount": 1000}, "parameter_missing", "currency"),
        ({**GOOD, "amount": "ten"}, "parameter_invalid_integer", "amount"),
        ({**GOOD, "amount": 10.5}, "parameter_invalid_integer", "amount"),
        ({**GOOD, "amount": ""}, "parameter_invalid_empty", "amount"),
        ({**GOOD, "amount": 0}, "parameter_invalid_integer", "amount"),
        ({**GOOD, "amount": 49}, "amount_too_small", "amount"),
        ({**GOOD, "amount": 100_000_000}, "amount_too_large", "amount"),
        ({**GOOD, "currency": "xxx"}, None, "currency"),
        ({**GOOD, "capture_method": "someday"}, None, "capture_method"),
        ({**GOOD, "confirm": "perhaps"}, None, "confirm"),
        ({**GOOD, "off_session": True}, None, "off_session"),
        ({**GOOD, "customer": "cus_none"}, "resource_missing", "customer"),
        ({**GOOD, "payment_method": "pm_none"}, "resource_missing", "payment_method"),
        ({**GOOD, "payment_method": "pm_card_none"}, "resource_missing", "payment_method"),
        ({**GOOD, "metadata": {"k" * 41: "v"}}, None, "metadata[" + "k" * 41 + "]"),
        ({**GOOD, "metadata": {"k": "v" * 501}}, None, "metadata[k]"),
        ({**GOOD, "metadata": {f"k{n}": "v" for n in range(51)}}, None, "metadata"),
        ({**GOOD, "statement_descriptor": "TAB"}, "payment_intent_invalid_parameter", "statement_descriptor"),
        ({**GOOD, "statement_descriptor_suffix": "1234567"}, None, "statement_descriptor_suffix"),
        ({**GOOD, "statement_descriptor_suffix": "TAB * 12"}, None, "statement_descriptor_suffix"),
        ({**GOOD, "statement_descriptor_suffix": "T" * 23}, None, "statement_descriptor_suffix"),
        ({**GOOD, "application_fee_amount": 10}, None, "application_fee_amount"),
        ({**GOOD, **CARD_ONLY, "automatic_payment_methods": {"enabled": True}}, None, "allowed_payment_method_types"),
        ({**GOOD, "expand": ["colour"]}, None, "expand"),
    ],
)
def test_a_payment_that_cannot_be_right_is_refused_with_its_parameter(
    client: stripe.StripeClient, given: dict[str, Any], code: str | None, param: str
) -> None:
    """400 invalid_request_error with Stripe's code and the parameter's name; nothing is charged."""
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.payment_intents.create(given)

    assert (refused.value.http_status, refused.value.code, refused.value.param) == (400, code, param)
    assert client.v1.charges.list().data == []


@pytest.mark.parametrize(
    ("currency", "refused_amounts", "taken"),
    [
        ("usd", [49], 50),
        ("eur", [49], 50),
        ("gbp", [29], 30),
        ("jpy", [49], 50),
        ("huf", [17_499], 17_500),
        ("kwd", [1_005, 150], 1_000),
        ("isk", [10_050, 5_000], 10_000),
        ("ugx", [200_050], 200_000),
    ],
)
def test_currencies_have_their_minimum_and_their_step(
    client: stripe.StripeClient, currency: str, refused_amounts: list[int], taken: int
) -> None:
    """Minimum per currency; three-decimal amounts end in 0; ISK and UGX come in whole hundreds."""
    for amount in refused_amounts:
        with pytest.raises(stripe.InvalidRequestError) as refused:
            client.v1.payment_intents.create({"amount": amount, "currency": currency})
        assert refused.value.code in ("amount_too_small", "invalid_charge_amount")

    assert client.v1.payment_intents.create({"amount": taken, "currency": currency}).amount == taken


def test_a_server_that_allows_redirects_must_say_where_to_come_back(client: stripe.StripeClient) -> None:
    """Open to redirects, confirming without return_url is refused; with it, or without redirects, it works."""
    given = {**GOOD, "payment_method": "pm_card_visa", "confirm": True}

    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.payment_intents.create(given)

    assert refused.value.param == "return_url"
    assert client.v1.payment_intents.create({**given, "return_url": "https://example.com/"}).status == "succeeded"
    never = {"automatic_payment_methods": {"enabled": True, "allow_redirects": "never"}}
    assert client.v1.payment_intents.create({**given, **never}).status == "succeeded"


def test_saving_a_card_and_charging_without_the_customer_exclude_each_other(
    client: stripe.StripeClient, pay: Pay, customer: str
) -> None:
    """off_session with setup_future_usage is refused in Stripe's words."""
    with pytest.raises(stripe.InvalidRequestError) as refused:
        pay(1000, customer=customer, off_session=True, setup_future_usage="off_session")

    assert "cannot set up future usages when processing payments off-session" in str(refused.value)


def test_metadata_merges_and_an_empty_value_removes(client: stripe.StripeClient, customer: str) -> None:
    """Updating sets the keys given, keeps the others, and '' removes one."""
    client.v1.customers.update(customer, {"metadata": {"a": "1", "b": "2"}})

    updated = client.v1.customers.update(customer, {"metadata": {"a": "", "c": "3"}})

    assert updated.metadata.to_dict() == {"b": "2", "c": "3"}


def test_expand_goes_four_levels_deep_and_through_lists(client: stripe.StripeClient, pay: Pay, customer: str) -> None:
    """latest_charge.balance_transaction on one intent, data.customer and data.latest_charge in a list."""
    pay(1000, customer=customer)

    page = client.v1.payment_intents.list(
        {"expand": ["data.customer", "data.latest_charge.balance_transaction", "data.payment_method"]}
    )

    intent = page.data[0]
    assert intent.customer.email == "ada@example.com"
    assert intent.latest_charge.balance_transaction.amount == 1000
    assert intent.payment_method.card.brand == "visa"


def test_lists_are_newest_first_and_paged_by_cursors(client: stripe.StripeClient, standin: Standin) -> None:
    """starting_after and ending_before walk both ways; limit is 1 to 100; the SDK's auto-paging sees every row once."""
    made = [client.v1.customers.create({"name": str(number)}).id for number in range(7)]

    first = client.v1.customers.list({"limit": 3})
    second = client.v1.customers.list({"limit": 3, "starting_after": first.data[-1].id})
    back = client.v1.customers.list({"limit": 3, "ending_before": second.data[-1].id})

    assert [row.id for row in first.data] == made[:3:-1]
    assert (first.has_more, [row.id for row in second.data]) == (True, made[3:0:-1])
    assert [row.id for row in back.data] == [made[4], made[3], made[2]]
    assert [row.id for row in client.v1.customers.list({"limit": 2}).auto_paging_iter()] == made[::-1]
    for limit in (0, 101):
        with pytest.raises(stripe.InvalidRequestError):
            client.v1.customers.list({"limit": limit})
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.customers.list({"starting_after": "cus_none"})


def test_a_customers_payments_are_listed_by_time(
    client: stripe.StripeClient, pay: Pay, standin: Standin, customer: str
) -> None:
    """list(customer, created[gte]) finds what a lost answer left behind: this customer's, since then, and no others."""
    other = client.v1.customers.create({"name": "other"}).id
    old = pay(1000, customer=customer)
    standin.advance(hours=1)
    new = pay(2000, customer=customer)
    pay(3000, customer=other)

    def found(**created: int) -> list[str]:
        return [row.id for row in client.v1.payment_intents.list({"customer": customer, "created": created}).data]

    assert found(gte=START) == [new.id, old.id]
    assert found(gt=START) == [new.id]
    assert found(lte=START) == [old.id]
    assert found(gte=START + 1, lt=START + 3600) == []


def test_keys(standin: Standin) -> None:
    """Test keys are taken, by Bearer or Basic; none, unknown and live-looking ones are refused without effect."""
    for header, status in (
        ({"Authorization": "Bearer sk_test_any"}, 200),
        ({"Authorization": "Bearer rk_test_any"}, 200),
        ({"Authorization": "Basic c2tfdGVzdF9hbnk6"}, 200),
        ({"Authorization": ""}, 401),
        ({"Authorization": "Bearer nonsense"}, 401),
        ({"Authorization": "Bearer sk_" + "live_x"}, 401),
    ):
        assert standin.raw("GET", "/v1/customers", headers=header)[0] == status


def test_an_unknown_path_is_404_in_stripes_words(standin: Standin) -> None:
    """Unrecognized request URL, as an error object."""
    status, body, _ = standin.raw("GET", "/v1/unicorns")

    assert (status, body["error"]["type"]) == (404, "invalid_request_error")
    assert "Unrecognized request URL" in body["error"]["message"]


def test_a_json_body_is_refused_in_stripes_words(standin: Standin) -> None:
    """The API takes forms; a client that sends JSON is told, not taken to have sent a strange parameter."""
    status, body, _ = standin.raw("POST", "/v1/customers", '{"name": "Ada"}', {"Content-Type": "application/json"})

    assert (status, body["error"]["type"]) == (400, "invalid_request_error")
    assert "check that your POST content type is application/x-www-form-urlencoded" in body["error"]["message"]


def test_every_answer_names_its_request_and_version(standin: Standin) -> None:
    """Request-Id and Stripe-Version are on every answer, errors included; the version is the one that was asked for."""
    for path in ("customers", "unicorns"):
        _, _, headers = standin.raw("GET", f"/v1/{path}", headers={"Stripe-Version": "2024-06-20"})

        assert headers["Request-Id"].startswith("req_")
        assert headers["Stripe-Version"] == "2024-06-20"


def test_an_answer_says_whether_to_try_again(standin: Standin) -> None:
    """Stripe-Should-Retry: no for what would be refused again, yes for a key in use, nothing where nobody knows."""
    declined = "amount=900&currency=eur&confirm=true&payment_method=pm_card_chargeDeclined"
    declined += "&allowed_payment_method_types[]=card"
    standin.control("faults", {"kind": "slow", "seconds": 0.5, "path": "/v1/customers", "count": 1})
    with ThreadPoolExecutor() as pool:
        slow = pool.submit(standin.raw, "POST", "/v1/customers", "name=Ada", {"Idempotency-Key": "k"})
        while not standin.control("faults")["faults"][0]["hits"]:
            pass
        in_use = standin.raw("POST", "/v1/customers", "name=Ada", {"Idempotency-Key": "k"})
    standin.control("faults", method="DELETE")
    standin.control("faults", {"kind": "fail_before", "path": "/v1/customers", "count": 1})
    failed = standin.raw("POST", "/v1/customers", "name=Ada")
    answers = {
        400: standin.raw("POST", "/v1/customers", "colour=red"),
        402: standin.raw("POST", "/v1/payment_intents", declined),
        404: standin.raw("GET", "/v1/customers/cus_none"),
        409: in_use,
        200: slow.result(),
        500: failed,
    }

    assert [status for status, _, _ in answers.values()] == list(answers)
    assert [headers["Stripe-Should-Retry"] for _, _, headers in answers.values()] == [
        "false", "false", "false", "true", None, None,
    ]  # fmt: skip
