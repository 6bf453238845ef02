"""The calls of each operation to DynamoDB and Stripe: fixed promises, the budget, and docs/remote-calls.md."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from tests.costs import meter
from tests.costs.meter import Meter, MeteredClient, Usage, item_bytes
from tests.costs.page import PAGE, budget, excesses, figures, lowered, page
from tests.costs.stories import APPOINTMENT, WALK_IN, Measured, measure

READ_AND_WRITE = Counter(BatchGetItem=1, TransactWriteItems=1)


@pytest.fixture(scope="module")
def measured() -> Measured:
    return measure()


def test_reading_a_tab_is_one_request(measured: Measured) -> None:
    """A screen is one GetItem."""
    assert measured.operations["read a tab"].requests == Counter(GetItem=1)


@pytest.mark.parametrize(
    "change",
    [
        "add three items",
        "complete the service",
        "check in",
        "contest",
        "resolve a contest",
        "cancel, free",
        "make a link",
        "revoke a link",
    ],
)
def test_a_change_is_one_read_and_one_transaction(measured: Measured, change: str) -> None:
    """What moves no money asks for nothing else."""
    assert measured.operations[change].requests == READ_AND_WRITE
    assert measured.operations[change].stripe == 0


def test_a_split_is_one_transaction(measured: Measured) -> None:
    """All shares are made, or none; and a bill that is paid by others learns of it in their own transaction."""
    assert measured.operations["split a bill in three"].requests == READ_AND_WRITE
    assert measured.operations["take the open shares back"].transactions == 1
    paid = measured.operations["event: a share is paid, and its bill is told"]
    assert (paid.transactions, paid.stripe) == (2, 0)


def test_opening_a_tab_asks_for_the_customers_visits_besides(measured: Measured) -> None:
    """Their standing is computed from them, and nothing of it is stored."""
    assert measured.operations["open a tab"].requests == READ_AND_WRITE + Counter(Query=1)


def test_a_guest_costs_two_reads_more(measured: Measured) -> None:
    """The secret's pointer, and the tab that it leads to: with a link as with a token, and once a minute at most."""
    for key in ("link", "token"):
        assert measured.operations[f"read a tab with a {key}"].requests == Counter(GetItem=3)


def test_a_token_costs_one_read_more_to_bind(measured: Measured) -> None:
    """The anonymous customer, the token and its pointer are in the tab's own transaction."""
    opened = measured.operations["open a tab for a guest, with a token"]

    assert opened.requests == READ_AND_WRITE + Counter(GetItem=1)


def test_an_event_is_one_read_and_one_transaction(measured: Measured) -> None:
    """Snapshot and event in one batch, all that it changes in one transaction; a payment's needs no call to Stripe."""
    hold = measured.operations["event: a hold was placed"]
    paid = measured.operations["event: a payment, the first news of it"]

    assert hold.requests == paid.requests == READ_AND_WRITE
    assert paid.stripe == 0


def test_an_event_again_is_one_read(measured: Measured) -> None:
    """Stripe delivers at least once: the second time costs the batch alone."""
    again = measured.operations["the same event again"]

    assert (again.requests, again.wcu, again.stripe) == (Counter(BatchGetItem=1), 0, 0)


def test_a_walk_in_takes_seven_transactions_and_one_call(measured: Measured) -> None:
    """Three items in one request, the bill accepted and charged in one."""
    story = measured.stories[WALK_IN]

    assert story.usage.transactions <= 7
    assert story.usage.stripe == 1
    assert story.taken_minor == (9500,)


def test_an_appointment_takes_four_calls(measured: Measured) -> None:
    """From the hold's placement to paid: hold, its charge's expiry date, capture, the balance."""
    story = measured.stories[APPOINTMENT]

    assert story.usage.stripe <= 4
    assert story.taken_minor == (2000, 7500)


def test_nothing_has_become_dearer(measured: Measured) -> None:
    """Whoever makes an operation cost more says so, by raising its budget by hand."""
    assert budget().keys() == figures(measured).keys(), "make remote-calls"
    assert excesses(budget(), figures(measured)) == []


def test_the_page_tells_what_is_measured(measured: Measured) -> None:
    """docs/remote-calls.md is what `make remote-calls` would write."""
    assert PAGE.read_text(encoding="utf-8") == page(measured), "make remote-calls"


# The measure itself


def test_growth_is_noticed_and_never_written_over() -> None:
    """Five percent are let through; what has grown stays at its old budget, what has fallen does not."""
    old = {"a": {"wcu": 100.0, "stripe": 1.0}}

    assert excesses(old, {"a": {"wcu": 105.0, "stripe": 1.0}}) == []
    assert excesses(old, {"a": {"wcu": 106.0, "stripe": 2.0}}) == [
        "a: wcu is 106, the budget 100",
        "a: stripe is 2, the budget 1",
    ]
    assert lowered(old, {"a": {"wcu": 90.0, "stripe": 2.0}, "b": {"wcu": 3.0}}) == {
        "a": {"wcu": 90.0, "stripe": 1.0},
        "b": {"wcu": 3.0},
    }


def test_sizes_are_counted_as_dynamodb_counts_them() -> None:
    """Names and texts in UTF-8; numbers by their significant digits, without the zeros around them."""
    assert item_bytes({"pk": {"S": "é"}}) == 2 + 2
    assert item_bytes({"n": {"N": "1"}}) == 1 + 2
    assert item_bytes({"n": {"N": "12300"}}) == 1 + 3
    assert item_bytes({"n": {"N": "-12345"}}) == 1 + 5


class _Everything:
    """A database that takes every write."""

    def put_item(self, **request: Any) -> dict[str, Any]:
        return {}

    def transact_write_items(self, **request: Any) -> dict[str, Any]:
        return {}

    def get_item(self, **request: Any) -> dict[str, Any]:
        return {"Item": {"pk": {"S": "x" * 4094}}}


def _put(client: MeteredClient, counter: Meter, item: dict[str, Any], *, transacted: bool) -> float:
    key = {"pk": {"S": "TAB"}, "sk": {"S": "STATE"}}
    with counter.counting() as usage:
        if transacted:
            client.transact_write_items(TransactItems=[{"Put": {"Item": key | item}}])
        else:
            client.put_item(Item=key | item)
    return usage.wcu


LISTED = {"gm_pk": {"S": "mer#open"}, "gm_sk": {"S": "2026#tab"}, "line": {"S": "one"}}


@pytest.mark.parametrize(
    ("before", "after", "units"),
    [
        ({}, {"items": {"S": "x" * 900}}, 1),
        ({}, {"items": {"S": "x" * 1024}}, 2),
        # The larger of what was there and what is now.
        ({"items": {"S": "x" * 3000}}, {}, 3),
        ({}, LISTED, 1 + 1),
        (LISTED, {}, 1 + 1),
        (LISTED, LISTED, 1),
        (LISTED, {**LISTED, "items": {"S": "none of the index's"}}, 1),
        (LISTED, {**LISTED, "line": {"S": "two"}}, 1 + 1),
        (LISTED, {**LISTED, "gm_pk": {"S": "mer#closed"}}, 1 + 2),
    ],
)
def test_a_write_costs_its_size_and_what_the_indexes_hear(
    before: dict[str, Any], after: dict[str, Any], units: int
) -> None:
    """1 for every begun KB, 2 in a transaction, and what it changes in an index."""
    in_index = units - max(1, -(-max(item_bytes(before), item_bytes(after)) // 1024))
    for transacted in (False, True):
        counter = Meter()
        client = MeteredClient(_Everything(), counter)
        _put(client, counter, before, transacted=False)

        assert _put(client, counter, after, transacted=transacted) == units + (units - in_index) * transacted


def test_a_read_costs_its_size() -> None:
    """1 for every begun 4 KB where it is consistent, else half."""
    counter = Meter()
    client = MeteredClient(_Everything(), counter)

    with counter.counting() as usage:
        client.get_item(ConsistentRead=True)
        client.get_item()

    assert usage == Usage(Counter(GetItem=2), rcu=1.5)
    assert {index["IndexName"] for index in meter.INDEXES} == {"by_merchant", "by_customer", "due"}
