"""The guides for those who write an app: each request in them is sent, and answered as they say."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from .world import Caller, Reply, Shop, World

GUIDES = Path(__file__).resolve().parents[2] / "docs" / "guides"
PLAYED = sorted(path.stem for path in GUIDES.glob("*.md") if "```http" in path.read_text())
_PART = re.compile(r"```http\n(?P<request>.*?)\n\n(?P<answer>.*?)```|^\[(?P<act>[^\]]+)\]$", re.DOTALL | re.MULTILINE)
_FIRST = re.compile(
    r'(?P<method>[A-Z]+) (?P<path>\S+)(?: as (?P<who>\w+))?(?: with key (?P<key>\S+))?(?: if (?P<tag>"\d+"))?'
)


@dataclass
class Reader:
    """Does what a guide says. `known`: what answers have told so far, by name."""

    world: World
    shop: Shop
    known: dict[str, str] = field(default_factory=dict)
    payment: dict[str, Any] | None = None

    def send(self, request: str, answer: str) -> None:
        first, _, body = self._filled(request).partition("\n")
        asked = _FIRST.fullmatch(first)
        assert asked, first
        headers = {"if_match": asked["tag"]} if asked["tag"] else {}
        raw = body.encode() if body else b"{}" if asked["method"] == "POST" else None
        caller = self._caller(asked["who"])
        key = {"key": asked["key"]} if asked["key"] else {}
        reply = caller.send(asked["method"], asked["path"], raw, headers=headers, **key)
        status, _, expected = answer.strip().partition("\n")
        assert reply.status == int(status.split()[0]), (first, reply.raw)
        assert (reply.header("Idempotent-Replayed") == "true") == ("replayed" in status)
        assert_part(json.loads(expected), reply.json)
        self._note(reply)

    def act(self, what: str) -> None:
        if what == "the customer confirms":
            assert self.payment
            self.world.confirm(self.payment)
            self.world.deliver()
        else:
            hours = re.fullmatch(r"(\d+) hours later", what)
            assert hours, what
            self.world.move(hours=int(hours[1]))

    def _filled(self, text: str) -> str:
        self.known.setdefault("in_2_hours", self.world.in_(hours=2))
        return re.sub(r"{(\w+)}", lambda name: self.known[name[1]], text)

    def _caller(self, who: str | None) -> Caller:
        if who == "guest":
            return self.world.guest(self.known["secret"])
        if who == "customer":
            ids = {"merchant_id": self.shop.merchant_id, "customer_id": self.known["customer_id"]}
            return self.world.caller("customer", **ids)
        return {"staff": self.shop.staff, "owner": self.shop.owner, None: self.world.stranger}[who]

    def _note(self, reply: Reply) -> None:
        body = reply.json
        self.payment = body.get("payment") or self.payment
        for node in (body, body.get("promise") or {}, body.get("endpoint") or {}):
            self.known |= {name: value for name, value in node.items() if isinstance(value, str)}


def assert_part(part: Any, whole: Any) -> None:
    """What the guide shows of an answer is in it."""
    if isinstance(part, dict):
        for name, value in part.items():
            assert_part(value, whole[name])
    elif isinstance(part, list):
        assert len(part) == len(whole), whole
        for one, other in zip(part, whole, strict=True):
            assert_part(one, other)
    else:
        assert part == whole


@pytest.mark.parametrize("guide", PLAYED)
def test_a_guide_is_true(world: World, shop: Shop, guide: str) -> None:
    """From its first request to its last."""
    reader = Reader(world, shop, {"customer_id": str(shop.customer().customer_id)})
    sent = 0
    for part in _PART.finditer((GUIDES / f"{guide}.md").read_text()):
        if part["act"]:
            reader.act(part["act"])
        else:
            reader.send(part["request"], part["answer"])
            sent += 1
    assert sent


def test_every_guide_has_requests() -> None:
    """So that none can be wrong in silence; how clients are made is tried by `make clients`."""
    assert {path.stem for path in GUIDES.glob("*.md")} - set(PLAYED) == {"README", "clients"}
