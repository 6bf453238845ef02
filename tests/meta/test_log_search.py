"""The search of every log line can fail: each kind of what is forbidden is found, and ids and amounts are not."""

from __future__ import annotations

import logging
import random

import pytest

from devstack import log_search
from tests.log_search import NAMES, Collector

PLANTED = {
    "stripe_key": "call with sk_" + "test_51Hx",
    "webhook_secret": "secret whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "client_secret": "handing out pi_3Pq_secret_9Yx",
    "jwt": "refused eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbmEifQ.c2lnbmF0dXJl",
    "bearer": "header Authorization: Bearer abcdefgh1234",
    "link": "GET /t/7ZKQ0W3M5R8T1V4X6Y9BCDFGHJ answered",
    "card_number": "card 4242424242424242 declined",
    "card_code": '{"cvc": "123"}',
    "aws_key": "with AKIA" + "ABCDEFGHIJKLMNOP",
    "private_key": "-----BEGIN RSA " + "PRIVATE KEY-----",
    "email": "sent to ana@example.com",
    "phone": "sent to +4915112345678",
    "name": "the contact of Ana Lopes",
}


@pytest.mark.parametrize("kind", [*log_search.FORBIDDEN, "name"])
def test_what_is_planted_is_found_and_not_repeated(kind: str) -> None:
    """A finding names the kind and shows where it was, but not the secret itself."""
    line = PLANTED[kind]

    (found,) = log_search.search(line, NAMES)

    assert found.kind == kind
    assert line not in found.line


@pytest.mark.parametrize(
    "line",
    [
        '{"tab_id":"tab_01KE6JGWG00000000000000000","amount_minor":4000,"at":"2026-01-05T09:00:00.000+00:00"}',
        "payment pi_3PqLxyzABCDEF of attempt att_01KE6JGWG00000000000000000",
        '{"Timestamp":1767603600000,"request_id":"8a7c0e8e-3a5c-4f0e-9b1e-3c1d5e6f7a8b"}',
        "event evt_1PqL3M5R8T1V4X6Y9BCDFGHJ",
        "no key 'kid-4242424242424243'",
        "sha256 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "Send a token: Authorization: Bearer …",
    ],
)
def test_ids_amounts_and_times_are_not_taken_for_secrets(line: str) -> None:
    assert list(log_search.search(line, NAMES)) == []


def test_the_quick_look_loses_nothing() -> None:
    """Whatever the patterns match is looked at: the planted, with other characters here and there."""
    chance = random.Random(1)
    characters = "".join(PLANTED.values()) + "0123456789"
    matched = 0
    for _ in range(5_000):
        line = list(chance.choice([*PLANTED.values()]))
        for _ in range(chance.randrange(4)):
            line[chance.randrange(len(line))] = chance.choice(characters)
        one = "".join(line)
        if log_search.ANY.search(one):
            matched += 1
            assert log_search.may_hold_one(one), one
    assert matched > 1_000


def test_a_line_of_the_app_is_searched_with_its_fields() -> None:
    """What a record has beside its message is written as on Lambda, and therefore found."""
    collector = Collector()
    record = logging.makeLogRecord(
        {"name": "chalicelib.x", "levelno": logging.INFO, "msg": "sent", "to": "a@b.example"}
    )

    collector.handle(record)

    assert [found.kind for found in collector.take()] == ["email"]
    assert (collector.take(), collector.searched) == ([], 1)


def test_every_test_is_searched() -> None:
    """The collector hears our loggers at the level of a deployment, in this process as in all."""
    logger = logging.getLogger("chalicelib.handlers.anything")
    heard = [handler for handler in logging.getLogger().handlers if isinstance(handler, Collector)]

    assert len(heard) == 1
    assert logger.isEnabledFor(logging.INFO)
    before = len(heard[0].lines)
    logger.info("nothing secret")
    assert len(heard[0].lines) == before + 1
