"""Faults on demand: a test says what goes wrong, where and how often, and the stand-in obeys exactly."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import stripe

from .conftest import CARD_ONLY, Standin

Pay = Callable[..., Any]
PAYMENT: dict[str, Any] = {
    "amount": 1000,
    "currency": "eur",
    "payment_method": "pm_card_visa",
    "confirm": True,
    **CARD_ONLY,
}


def statuses(client: stripe.StripeClient) -> list[str]:
    return [intent.status for intent in client.v1.payment_intents.list().data]


def test_fail_before_has_no_effect_and_leaves_the_key_free(client: stripe.StripeClient, standin: Standin) -> None:
    """500 and nothing happened; the same key then pays."""
    standin.control("faults", {"kind": "fail_before", "path": "/v1/payment_intents", "count": 1, "status": 503})

    with pytest.raises(stripe.APIError) as failed:
        client.v1.payment_intents.create(PAYMENT, {"idempotency_key": "k"})

    assert failed.value.http_status == 503
    assert statuses(client) == []
    assert client.v1.payment_intents.create(PAYMENT, {"idempotency_key": "k"}).status == "succeeded"


def test_fail_after_takes_the_money_and_says_500(client: stripe.StripeClient, standin: Standin) -> None:
    """The effect happened although the answer is an error."""
    standin.control("faults", {"kind": "fail_after", "path": "/v1/payment_intents", "method": "POST", "count": 1})

    with pytest.raises(stripe.APIError):
        client.v1.payment_intents.create(PAYMENT)

    assert statuses(client) == ["succeeded"]


@pytest.mark.parametrize(
    ("kind", "happened"), [("lost_reset", ["succeeded"]), ("reset_before", []), ("lost_timeout", ["succeeded"])]
)
def test_an_answer_can_be_lost(standin: Standin, kind: str, happened: list[str]) -> None:
    """Reset or silence: the caller learns nothing, and the effect did or did not happen as asked."""
    impatient = standin.client(http_client=stripe.RequestsClient(timeout=0.5))
    standin.control("faults", {"kind": kind, "method": "POST", "path": "/v1/payment_intents", "count": 1})

    with pytest.raises(stripe.APIConnectionError):
        impatient.v1.payment_intents.create(PAYMENT, {"idempotency_key": "k"})

    assert statuses(standin.client()) == happened
    assert standin.client().v1.payment_intents.create(PAYMENT, {"idempotency_key": "k"}).status == "succeeded"
    assert statuses(standin.client()) == ["succeeded"]


def test_the_sdks_own_retry_finds_what_its_first_try_did(standin: Standin) -> None:
    """With max_network_retries the SDK repeats under the same key: one payment, and the caller never notices."""
    standin.control("faults", {"kind": "lost_reset", "method": "POST", "path": "/v1/payment_intents", "count": 1})

    paid = standin.client(max_network_retries=2).v1.payment_intents.create(PAYMENT)

    assert paid.status == "succeeded"
    assert statuses(standin.client()) == ["succeeded"]
    log = standin.control("requests?route=POST%20/v1/payment_intents")["requests"]
    assert [entry["replayed"] for entry in log] == [False, True]


def test_rate_limiting_answers_429_which_the_sdk_does_not_retry(standin: Standin) -> None:
    """429 rate_limit, once, without effect."""
    standin.control("faults", {"kind": "rate_limit", "method": "POST", "count": 1})
    client = standin.client(max_network_retries=2)

    with pytest.raises(stripe.RateLimitError) as limited:
        client.v1.payment_intents.create(PAYMENT)

    assert (limited.value.http_status, limited.value.error.code) == (429, "rate_limit")
    assert statuses(client) == []


def test_a_standing_rate_limit_lets_through_what_it_allows(standin: Standin) -> None:
    """With a limit of 5 a second, a burst of 30 is partly answered 429; lifting it lets everything through."""
    standin.control("faults", {"rate_limit": 5})

    burst = [standin.raw("GET", "/v1/customers")[0] for _ in range(30)]
    standin.control("faults", method="DELETE")

    assert burst.count(200) >= 1
    assert burst.count(429) >= 1
    assert [standin.raw("GET", "/v1/customers")[0] for _ in range(30)] == [200] * 30


def test_faults_match_by_count_skip_path_account_and_body(client: stripe.StripeClient, standin: Standin) -> None:
    """Each filter narrows; what does not match is served as ever."""
    account = client.v1.accounts.create({"country": "DE"}).id
    standin.control(
        "faults",
        {"kind": "fail_before", "method": "POST", "path": "/v1/customers", "account": account, "contains": "Bob",
         "skip": 1, "count": 1},
    )  # fmt: skip
    theirs = {"stripe_account": account}

    client.v1.customers.create({"name": "Bob"})
    client.v1.customers.create({"name": "Ada"}, theirs)
    client.v1.customers.create({"name": "Bob"}, theirs)
    with pytest.raises(stripe.APIError):
        client.v1.customers.create({"name": "Bob"}, theirs)
    client.v1.customers.create({"name": "Bob"}, theirs)

    rule = standin.control("faults")["faults"][0]
    assert (rule["seen"], rule["hits"]) == (2, 1)


def test_probability_with_a_seed_is_the_same_every_time(standin: Standin) -> None:
    """Half of the requests fail, the same half on every run."""
    runs = []
    for _ in range(2):
        standin.control("faults", {"kind": "fail_before", "path": "/v1/customers", "probability": 0.5, "seed": 7})
        runs.append([standin.raw("GET", "/v1/customers")[0] for _ in range(20)])
        standin.control("faults", method="DELETE")

    assert runs[0] == runs[1]
    assert {200, 500} == set(runs[0])


def test_a_slow_answer_comes_late_and_the_effect_at_once(standin: Standin) -> None:
    """slow_after: while the answer is still on its way, others already see what happened."""
    standin.control(
        "faults", {"kind": "slow_after", "method": "POST", "path": "/v1/customers", "seconds": 5, "count": 1}
    )
    impatient = standin.client(http_client=stripe.RequestsClient(timeout=0.3))

    with pytest.raises(stripe.APIConnectionError):
        impatient.v1.customers.create({"name": "Ada"})

    assert [row.name for row in standin.client().v1.customers.list().data] == ["Ada"]


def test_a_fault_can_single_out_one_verb_on_any_object(client: stripe.StripeClient, pay: Pay, standin: Standin) -> None:
    """path /v1/payment_intents/{}/capture hits captures only."""
    standin.control("faults", {"kind": "fail_after", "path": "/v1/payment_intents/{}/capture", "count": 1})
    hold = pay(1000, capture_method="manual")

    with pytest.raises(stripe.APIError):
        client.v1.payment_intents.capture(hold.id)

    assert client.v1.payment_intents.retrieve(hold.id).amount_received == 1000


@pytest.mark.parametrize(
    "body", [{"kind": "unheard_of"}, {"kind": "slow", "colour": 1}, {"kind": "slow", "count": "x"}]
)
def test_a_fault_that_makes_no_sense_is_refused(standin: Standin, body: dict[str, Any]) -> None:
    """The control plane answers what would have made sense, and sets nothing."""
    assert "error" in standin.control("faults", body)
    assert standin.control("faults")["faults"] == []
