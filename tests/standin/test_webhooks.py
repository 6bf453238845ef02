"""Webhooks: signed, at least once, again until a 2xx, to the right endpoints."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import stripe

from .conftest import Receiver, Standin

Pay = Callable[..., Any]


def listen(client: stripe.StripeClient, receiver: Receiver, *types: str, **more: Any) -> Any:
    return client.v1.webhook_endpoints.create({"url": receiver.url, "enabled_events": list(types) or ["*"], **more})


def test_events_arrive_signed_with_the_object_as_it_was(
    client: stripe.StripeClient, standin: Standin, receiver: Receiver, pay: Pay
) -> None:
    """The SDK verifies each delivery, and each carries the snapshot of its moment, not of now."""
    endpoint = listen(client, receiver, "payment_intent.created", "payment_intent.succeeded")

    intent = pay(1000)

    assert standin.control("webhooks/drain", {})["drained"]
    events = {event.type: event for event in receiver.events(endpoint.secret)}
    assert events["payment_intent.created"].data.object.status == "requires_confirmation"
    assert events["payment_intent.succeeded"].data.object.status == "succeeded"
    assert events["payment_intent.succeeded"].data.object.id == intent.id
    assert events["payment_intent.succeeded"].api_version == "2026-10-28.endive"
    assert events["payment_intent.succeeded"].request.id.startswith("req_")


def test_a_forged_body_does_not_pass(
    client: stripe.StripeClient, standin: Standin, receiver: Receiver, pay: Pay
) -> None:
    """The signature covers the raw bytes: one byte changed and verification fails."""
    endpoint = listen(client, receiver, "payment_intent.succeeded")
    pay(1000)
    standin.control("webhooks/drain", {})
    signature, body = receiver.received[0]

    with pytest.raises(stripe.SignatureVerificationError):
        stripe.Webhook.construct_event(body.replace(b"1000", b"9000"), signature, endpoint.secret)


def test_a_failed_delivery_is_repeated_until_a_2xx(
    client: stripe.StripeClient, standin: Standin, receiver: Receiver, pay: Pay
) -> None:
    """A receiver that answers 500 and a redirect gets the same event a third time; then it is delivered and no longer
    pending.
    """
    receiver.answer = lambda number: {1: 500, 2: 302}.get(number, 200)
    listen(client, receiver, "payment_intent.succeeded")

    pay(1000)

    drained = standin.control("webhooks/drain", {"timeout_seconds": 15})
    assert (drained["drained"], drained["delivered"], drained["attempts"]) == (True, 1, 3)
    assert len({json.loads(body)["id"] for _, body in receiver.received}) == 1
    assert client.v1.events.list({"type": "payment_intent.succeeded"}).data[0].pending_webhooks == 0


def test_while_a_receiver_is_down_events_wait_and_a_clock_move_tries_again(
    client: stripe.StripeClient, standin: Standin, receiver: Receiver, pay: Pay
) -> None:
    """An event that the receiver refuses stays pending, and moving the business clock retries it at once."""
    up = {"now": False}
    receiver.answer = lambda number: 200 if up["now"] else 503
    listen(client, receiver, "payment_intent.succeeded")
    pay(1000)
    assert standin.control("webhooks/drain", {"timeout_seconds": 0.5})["drained"] is False
    assert client.v1.events.list({"type": "payment_intent.succeeded"}).data[0].pending_webhooks == 1

    up["now"] = True
    standin.advance(seconds=1)

    assert standin.control("webhooks/drain", {})["drained"]


def test_an_endpoint_gets_only_what_it_subscribed_to(
    client: stripe.StripeClient, standin: Standin, receiver: Receiver, pay: Pay
) -> None:
    """enabled_events filters; the event log holds everything regardless."""
    endpoint = listen(client, receiver, "charge.succeeded")

    pay(1000)

    standin.control("webhooks/drain", {})
    assert [event.type for event in receiver.events(endpoint.secret)] == ["charge.succeeded"]
    assert "payment_intent.succeeded" in standin.events()


def test_a_deleted_endpoint_gets_nothing_more(
    client: stripe.StripeClient, standin: Standin, receiver: Receiver, pay: Pay
) -> None:
    """After delete nothing is sent and nothing waits."""
    endpoint = listen(client, receiver)
    client.v1.webhook_endpoints.delete(endpoint.id)

    pay(1000)

    assert standin.control("webhooks/drain", {})["delivered"] == 0
    assert receiver.received == []
    assert client.v1.webhook_endpoints.list().data == []


def test_the_secret_is_shown_once(client: stripe.StripeClient, receiver: Receiver) -> None:
    """Creation answers the signing secret; retrieving and listing do not."""
    endpoint = listen(client, receiver)

    assert endpoint.secret.startswith("whsec_")
    assert "secret" not in client.v1.webhook_endpoints.retrieve(endpoint.id).to_dict()
    assert "secret" not in client.v1.webhook_endpoints.list().data[0].to_dict()


def test_a_connected_accounts_events_go_to_connect_endpoints_with_the_account_named(
    client: stripe.StripeClient, standin: Standin, receiver: Receiver
) -> None:
    """An endpoint with connect=true hears of connected accounts and not of the platform itself."""
    account = client.v1.accounts.create({"type": "standard", "country": "DE"}).id
    standin.control("webhooks/drain", {})
    endpoint = listen(client, receiver, "customer.created", connect=True)

    client.v1.customers.create({"name": "ours"})
    client.v1.customers.create({"name": "theirs"}, {"stripe_account": account})

    standin.control("webhooks/drain", {})
    events = receiver.events(endpoint.secret)
    assert [(event.account, event.data.object.name) for event in events] == [(account, "theirs")]


def test_webhooks_do_not_leave_the_machine(client: stripe.StripeClient) -> None:
    """An endpoint off the loopback interface is refused: test data stays here."""
    for url in ("http://example.com/hook", "https://127.0.0.1/hook", "not a url"):
        with pytest.raises(stripe.InvalidRequestError) as refused:
            client.v1.webhook_endpoints.create({"url": url, "enabled_events": ["*"]})
        assert refused.value.code == "url_invalid"


def test_events_are_listable_for_thirty_days(client: stripe.StripeClient, standin: Standin, pay: Pay) -> None:
    """By type, by time, and gone from the list after thirty days of the clock."""
    pay(1000)
    found = client.v1.events.list({"types": ["payment_intent.*"]})
    assert [event.type for event in found.data] == ["payment_intent.succeeded", "payment_intent.created"]
    assert client.v1.events.retrieve(found.data[0].id).type == "payment_intent.succeeded"

    standin.advance(days=30, seconds=1)

    assert client.v1.events.list().data == []
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.events.retrieve(found.data[0].id)


@pytest.mark.parametrize(
    ("kind", "more", "bodies", "distinct"),
    [("webhook_duplicate", {"copies": 3}, 3, 1), ("webhook_lose", {}, 0, 0)],
)
def test_a_webhook_can_be_duplicated_or_lost(
    client: stripe.StripeClient,
    standin: Standin,
    receiver: Receiver,
    kind: str,
    more: dict[str, Any],
    bodies: int,
    distinct: int,
) -> None:
    """The receiver sees the same event several times, or never; the Events API knows it either way."""
    listen(client, receiver, "customer.created")
    standin.control("faults", {"kind": kind, "path": "customer.created", **more})

    client.v1.customers.create({"name": "Ada"})

    assert standin.control("webhooks/drain", {})["drained"]
    assert len(receiver.received) == bodies
    assert len({json.loads(body)["id"] for _, body in receiver.received}) == distinct
    assert standin.events("customer.created") == ["customer.created"]


def test_webhooks_can_be_delayed_so_that_later_ones_overtake(
    client: stripe.StripeClient, standin: Standin, receiver: Receiver, pay: Pay
) -> None:
    """A delayed payment_intent.created arrives after payment_intent.succeeded."""
    endpoint = listen(client, receiver, "payment_intent.created", "payment_intent.succeeded")
    standin.control("faults", {"kind": "webhook_delay", "path": "payment_intent.created", "seconds": 0.3})

    pay(1000)

    standin.control("webhooks/drain", {})
    order = [event.type for event in receiver.events(endpoint.secret)]
    assert order == ["payment_intent.succeeded", "payment_intent.created"]


def test_webhooks_can_be_reordered(client: stripe.StripeClient, standin: Standin, receiver: Receiver) -> None:
    """With a seed, twenty events arrive in another order than they happened, and all of them arrive."""
    endpoint = listen(client, receiver, "customer.created")
    standin.control("faults", {"kind": "webhook_reorder", "seconds": 0.4, "seed": 7})

    made = [client.v1.customers.create({}).id for _ in range(20)]

    standin.control("webhooks/drain", {})
    arrived = [event.data.object.id for event in receiver.events(endpoint.secret)]
    assert arrived != made
    assert sorted(arrived) == sorted(made)


def test_an_event_can_be_sent_again(client: stripe.StripeClient, standin: Standin, receiver: Receiver) -> None:
    """As with the Dashboard's resend: the same event id once more."""
    listen(client, receiver, "customer.created")
    client.v1.customers.create({"name": "Ada"})
    standin.control("webhooks/drain", {})
    event = client.v1.events.list({"type": "customer.created"}).data[0]

    standin.control("webhooks/resend", {"event": event.id})

    standin.control("webhooks/drain", {})
    assert [json.loads(body)["id"] for _, body in receiver.received] == [event.id, event.id]


def test_an_endpoint_for_an_event_that_does_not_exist_is_refused(
    client: stripe.StripeClient, receiver: Receiver
) -> None:
    """A mistyped event would be one that never comes; one of Stripe's that is not played here is taken."""
    endpoints = client.v1.webhook_endpoints
    with pytest.raises(stripe.InvalidRequestError) as refused:
        endpoints.create({"url": receiver.url, "enabled_events": ["charge.expired", "payment_intent.suceeded"]})

    assert refused.value.param == "enabled_events[1]"
    made = endpoints.create({"url": receiver.url, "enabled_events": ["payout.paid"]})
    with pytest.raises(stripe.InvalidRequestError):
        endpoints.update(made.id, {"enabled_events": ["payout.payed"]})
    assert endpoints.retrieve(made.id).enabled_events == ["payout.paid"]
