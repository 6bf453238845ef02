"""Endpoints over HTTP: an owner says where notices go, sees what became of them, and nobody sees a secret twice."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from chalice.test import Client

import app as application
from chalicelib.domain.news.notice import TYPES
from chalicelib.handlers.api import openapi
from chalicelib.ports.queues import QueueName, QueueUnavailable
from chalicelib.ports.webhooks import Answer, WhyNoAnswer
from tests.notices import Receivers

from .world import Shop, World

URL = "https://till.example/hooks"
NEW = {"url": URL, "description": "Till"}


def receivers(world: World) -> Receivers:
    found = world.deps.webhooks
    assert isinstance(found, Receivers)
    return found


def work(world: World) -> None:
    """The queue's function, as Lambda calls it, until the queue is empty."""
    queues: Any = world.deps.queues
    for _ in range(100):
        batch = queues.take(QueueName.NOTICES)
        if not batch:
            return
        records = [{"messageId": str(number), "body": waiting.job.body} for number, waiting in enumerate(batch)]
        client: Client = world.client
        answer = client.lambda_.invoke("notices", {"Records": records}).payload
        assert answer == {"batchItemFailures": []}


def create(shop: Shop, **fields: Any) -> tuple[str, str]:
    """Its id and secret."""
    made = shop.owner.post("/v1/endpoints", {**NEW, **fields}).ok(201)
    return made["endpoint"]["endpoint_id"], made["secret"]


def test_an_endpoint_is_made_listed_changed_and_deleted(shop: Shop) -> None:
    """With versions that a change can be based on."""
    made = shop.owner.post("/v1/endpoints", {**NEW, "event_types": ["tab.closed"], "ordered": True})
    endpoint = made.ok(201)["endpoint"]
    path = f"/v1/endpoints/{endpoint['endpoint_id']}"

    assert str(made.header("ETag")).startswith('"1-')
    assert shop.owner.get("/v1/endpoints").ok()["endpoints"] == [endpoint]
    assert shop.owner.get(path).ok() == endpoint
    assert (endpoint["state"], endpoint["event_types"], endpoint["ordered"]) == ("enabled", ["tab.closed"], True)
    changed = shop.owner.put(path, {"url": f"{URL}/2"}, if_match='"1"').ok()
    assert (changed["url"], changed["event_types"], changed["version"]) == (f"{URL}/2", [], 2)
    shop.owner.put(path, NEW, if_match='"1"').problem(412, "stale_version")
    assert shop.owner.send("DELETE", path, {}).ok() == {"deleted": endpoint["endpoint_id"]}
    shop.owner.get(path).problem(404, "not_found")


def test_a_secret_is_shown_once(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    """In the answer that made it: not in a repetition, a list, an endpoint, the log of notices, or a log line."""
    caplog.set_level(logging.DEBUG)
    made = shop.owner.post("/v1/endpoints", NEW, key="create").ok(201)
    path = f"/v1/endpoints/{made['endpoint']['endpoint_id']}"
    rotated = shop.owner.post(f"{path}/rotate_secret", key="rotate").ok()
    repeated = shop.owner.post("/v1/endpoints", NEW, key="create")
    again = shop.owner.post(f"{path}/rotate_secret", key="rotate")
    shop.owner.post(f"{path}/test").ok(202)
    work(shop.world)

    assert made["secret"].startswith("whsec_")
    assert rotated["secret"] not in (made["secret"], None)
    assert (repeated.ok(201)["secret"], again.ok()["secret"]) == (None, None)
    assert repeated.header("Idempotent-Replayed") == again.header("Idempotent-Replayed") == "true"
    seen = "".join(shop.owner.get(one).raw.decode() for one in ("/v1/endpoints", path, f"{path}/notices"))
    told = caplog.text + json.dumps([vars(record) for record in caplog.records], default=str)
    for secret in (made["secret"], rotated["secret"]):
        assert secret.removeprefix("whsec_") not in seen + told


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("url", "http://"),
        ("url", "https://user:key@till.example/"),
        ("url", "https://private.example/hooks"),
        ("url", "https://example.com/a b"),
        ("url", "https://example.com/hook\r\nX-More: 1"),
        ("url", "x" * 501),
        ("event_types", ["tab.nothing"]),
        ("description", "\u0000"),
    ],
)
def test_what_can_not_be_is_refused_and_named(shop: Shop, field: str, value: Any) -> None:
    """422 with the field; nothing is kept."""
    problem = shop.owner.post("/v1/endpoints", {**NEW, field: value}).problem(422, "invalid_input")

    assert problem["field"] == field
    assert shop.owner.get("/v1/endpoints").ok()["endpoints"] == []


def test_only_the_owner_has_to_do_with_endpoints(world: World, shop: Shop) -> None:
    """Staff may not; another business finds nothing."""
    endpoint_id, _ = create(shop)

    shop.staff.get("/v1/endpoints").problem(403, "forbidden")
    shop.staff.post("/v1/endpoints", NEW).problem(403, "forbidden")
    elsewhere = world.shop().owner
    elsewhere.get(f"/v1/endpoints/{endpoint_id}").problem(404, "not_found")
    elsewhere.post(f"/v1/endpoints/{endpoint_id}/rotate_secret").problem(404, "not_found")
    assert elsewhere.get("/v1/endpoints").ok()["endpoints"] == []


def test_a_test_shows_how_it_was_answered(shop: Shop) -> None:
    """Status, or why there was none; the body as it was sent."""
    endpoint_id, _ = create(shop)
    path = f"/v1/endpoints/{endpoint_id}"
    first = shop.owner.post(f"{path}/test").ok(202)
    work(shop.world)
    receivers(shop.world).answers[URL] = WhyNoAnswer.BAD_CERTIFICATE
    shop.owner.post(f"{path}/test").ok(202)
    work(shop.world)

    (bad, good) = shop.owner.get(f"{path}/notices").ok()["notices"]
    assert [(one["state"], one["tries"][0]["status"], one["tries"][0]["failure"]) for one in (good, bad)] in (
        [("delivered", 200, None), ("given_up", None, "bad_certificate")],
        [("given_up", None, "bad_certificate"), ("delivered", 200, None)],
    )
    seen = shop.owner.get(f"{path}/notices/{first['notice_id']}").ok()
    assert (seen["state"], json.loads(seen["body"])["type"]) == ("delivered", "endpoint.test")


def test_a_disabled_endpoint_is_enabled_and_what_failed_is_replayed(shop: Shop) -> None:
    """410 disables it; replaying needs it enabled."""
    endpoint_id, _ = create(shop)
    path = f"/v1/endpoints/{endpoint_id}"
    receivers(shop.world).answers[URL] = Answer(status=410)
    since = shop.owner.get(path).ok()["created_at"]
    disabled = shop.owner.post(f"{path}/disable").ok()
    assert (disabled["state"], disabled["disabled_by"]) == ("disabled", "owner")
    shop.owner.post(f"{path}/replay", {"since": since}).problem(409, "endpoint_disabled")
    assert shop.owner.post(f"{path}/enable").ok()["state"] == "enabled"
    shop.owner.post(f"{path}/replay", {"since": since, "delivered_too": True}).ok(202)
    shop.owner.post(f"{path}/replay", {"since": "9999-01-01T00:00:00Z"}).problem(422, "invalid_input")
    receivers(shop.world).answers.clear()
    test = shop.owner.post(f"{path}/test").ok(202)
    work(shop.world)
    again = shop.owner.post(f"{path}/notices/{test['notice_id']}/replay", key="again").ok(202)
    work(shop.world)

    assert again["state"] == "queued"
    assert receivers(shop.world).taken_ids(URL) == [test["notice_id"]] * 2
    shop.owner.get(f"{path}/notices/tab_unknown-000001").problem(404, "not_found")


def test_the_log_is_paged(shop: Shop) -> None:
    """A cursor of another log is refused."""
    endpoint_id, _ = create(shop)
    path = f"/v1/endpoints/{endpoint_id}"
    for _ in range(3):
        shop.owner.post(f"{path}/test").ok(202)

    first = shop.owner.get(f"{path}/notices?limit=2").ok()
    rest = shop.owner.get(f"{path}/notices?limit=2&cursor={first['next_cursor']}").ok()

    assert len({one["notice_id"] for one in first["notices"] + rest["notices"]}) == 3
    assert rest["next_cursor"] is None
    shop.owner.get(f"{path}/notices?cursor=x").problem(400, "bad_cursor")


def test_a_queue_that_does_not_answer_is_told(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """503: trying again with the same key is safe."""
    endpoint_id, _ = create(shop)

    def unavailable(queue: QueueName, jobs: object) -> None:
        raise QueueUnavailable("down")

    path = f"/v1/endpoints/{endpoint_id}/replay"

    with monkeypatch.context() as patch:
        patch.setattr(shop.world.deps.queues, "send", unavailable)
        shop.owner.post(path, {"since": "2026-01-01T00:00:00Z"}, key="k").problem(503, "unavailable")
    shop.owner.post(path, {"since": "2026-01-01T00:00:00Z"}, key="k").ok(202)


def test_the_document_lists_every_type() -> None:
    """`webhooks` of OpenAPI 3.1, from the code."""
    document = openapi.document()

    assert set(document["webhooks"]) == set(TYPES)
    assert all(item["post"]["requestBody"] for item in document["webhooks"].values())


def test_the_queues_function_is_the_apps() -> None:
    """Lambda finds it by this name."""
    assert callable(application.notices)
