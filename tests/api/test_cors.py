"""Browser apps of the origins that the setting names may read every answer, errors too; others may read none."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from chalicelib import config
from chalicelib.handlers.api.operations import all_operations

from .world import Caller, Shop, World

APP = "https://app.example.com"
OTHER = "https://other.example"
SETTING = f"{APP}, http://localhost:3000"


@pytest.fixture
def set_origins(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Sets the setting, as for a process that starts now: it is read once."""

    def set_to(setting: str) -> None:
        monkeypatch.setenv("AFTERTAB_CORS_ORIGINS", setting)
        config.cors_origins.cache_clear()

    yield set_to
    config.cors_origins.cache_clear()


def allowed(caller: Caller, method: str, path: str, origin: str = APP) -> str | None:
    return caller.send(method, path, {}, headers={"origin": origin}).header("Access-Control-Allow-Origin")


@pytest.mark.parametrize(
    ("setting", "origin", "answer"),
    [
        ("", APP, None),
        ("*", OTHER, "*"),
        (SETTING, APP, APP),
        (SETTING, "http://localhost:3000", "http://localhost:3000"),
        (SETTING, OTHER, None),
        (SETTING, "https://app.example.com.evil.example", None),
        (SETTING, "", None),
    ],
)
def test_the_setting_says_who_may_read(
    shop: Shop, set_origins: Callable[[str], None], setting: str, origin: str, answer: str | None
) -> None:
    """An answer, an error of ours and one of Chalice's name the origin, or every one, or none."""
    set_origins(setting)

    for method, path in (("GET", "/v1/merchant"), ("GET", "/v1/tabs/tab_1"), ("POST", "/v1/tabs"), ("PUT", "/v1/tabs")):
        assert allowed(shop.staff, method, path, origin) == answer, path
    with_list = shop.staff.get("/v1/merchant", origin=origin)
    assert with_list.header("Vary") == ("Origin" if setting == SETTING else None)


def test_every_operation_answers_a_preflight(world: World, set_origins: Callable[[str], None]) -> None:
    """Without a token, for each path: its methods, and the headers that our requests have."""
    set_origins(SETTING)

    for operation in all_operations().values():
        reply = world.stranger.send("OPTIONS", operation.path, headers={"origin": APP})
        assert (reply.status, reply.raw) == (204, b""), operation.name
        assert operation.method in str(reply.header("Access-Control-Allow-Methods")).split(", ")
        assert {"Authorization", "Idempotency-Key", "If-Match"} <= set(
            str(reply.header("Access-Control-Allow-Headers")).split(", ")
        )
        assert reply.header("Access-Control-Allow-Origin") == APP


def test_what_the_gateway_refuses_may_be_read_too(world: World) -> None:
    """An app must see that its token has expired, to fetch another."""
    assert allowed(world.stranger, "GET", "/v1/merchant") == "*"
    assert allowed(world.stranger, "GET", "/v1/nothing") == "*"


def test_pages_are_for_no_other_site(world: World, set_origins: Callable[[str], None]) -> None:
    """The address of a page is a key, and its answer is nobody else's to read."""
    set_origins("*")

    assert allowed(world.stranger, "GET", "/t/0RNX6S201FBGTE6M1BWJQY5KP1") is None
