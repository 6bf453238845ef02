"""The table of news: each entry makes the same messages whenever it is asked, with ids, numbers and codes only."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest

from chalicelib.domain.news.message import Message, MessageKind, Recipient
from chalicelib.domain.news.table import NEWS, VALUES, messages_of
from chalicelib.domain.tab.entry import Entry
from tests.unit.stories import STORIES

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def entry(kind: str, **details: object) -> Entry:
    return Entry(seq=7, at=NOON, kind=kind, by="sam", details=details)


def told(kind: str, **details: object) -> list[tuple[MessageKind, Recipient]]:
    return [(message.kind, message.to) for message in messages_of("mer-1", "cus-1", "tab-1", entry(kind, **details))]


def test_every_kind_of_message_follows_from_some_entry() -> None:
    assert {rule.kind for rules in NEWS.values() for rule in rules} == set(MessageKind)


def test_the_same_entry_makes_the_same_messages() -> None:
    """A repeated stream record makes the same ids, so that the delivery can drop the repetition."""
    no_show = entry("no_show", fee_minor=0, held_minor=20_00, final_at=None)

    first, again = (messages_of("mer-1", "cus-1", "tab-1", no_show) for _ in range(2))

    assert first == again
    assert [message.message_id for message in first] == [
        "tab-1.00000007.no_show.customer",
        "tab-1.00000007.no_show.owner",
    ]


def test_no_two_messages_of_the_stories_have_one_id() -> None:
    for story in STORIES:
        *_, till = story()
        messages = [message for one in till.entries for message in messages_of("mer-1", "cus-1", "tab-1", one)]
        assert len({message.message_id for message in messages}) == len(messages), story.__name__


def test_a_message_carries_the_named_values_and_no_others() -> None:
    [message] = messages_of("mer-1", "cus-1", "tab-1", entry("reminded", number=2, balance_minor=1, payable="phone"))

    assert dict(message.values) == {"number": 2, "payable": "phone"}
    assert VALUES[MessageKind.REMINDER] == {"number", "payable"}


def test_every_value_is_a_detail_that_the_entry_has() -> None:
    """In every story: a value that no entry fills would be missing in the words for ever."""
    filled: dict[tuple[str, MessageKind], set[str]] = {}
    for story in STORIES:
        for till in story():
            for one in till.entries:
                for rule in NEWS.get(one.kind, ()):
                    if rule.when(one.details):
                        filled.setdefault((one.kind, rule.kind), {"refused"}).update(one.details)
    for (kind, message), details in filled.items():
        wanted = {name for rule in NEWS[kind] if rule.kind == message for name in rule.values}
        assert wanted <= details, (kind, wanted - details)
    assert len({message for _, message in filled}) > len(MessageKind) / 2


def test_a_message_is_ids_numbers_instants_and_codes() -> None:
    """It goes through queues as JSON and comes out the same."""
    for message in messages_of("mer-1", "cus-1", "tab-1", entry("rescheduled", starts_at="2026-03-05T08:00:00Z")):
        assert msgspec.json.decode(msgspec.json.encode(message), type=Message) == message


def test_a_tab_without_a_customer_tells_the_owner_only() -> None:
    messages = messages_of("mer-1", None, "tab-1", entry("no_show", fee_minor=0))

    assert [message.to for message in messages] == [Recipient.OWNER]


def test_an_entry_of_the_business_is_told_to_its_owner() -> None:
    [message] = messages_of("mer-1", None, None, entry("account_lost", account="acct_1"))

    assert (message.message_id, message.tab_id, message.values) == (
        "mer-1.00000007.account_lost.owner",
        None,
        {"account": "acct_1"},
    )


@pytest.mark.parametrize(
    ("kind", "details", "to_whom"),
    [
        ("bill_presented", {"command": "complete", "total_minor": 0}, []),
        ("bill_presented", {"command": "walk_out", "total_minor": 50_00}, []),
        ("bill_adjusted", {"command": "resolve", "amount_minor": 5_00}, []),
        ("waived", {"why": "contest", "amount_minor": 5_00}, []),
        ("promise_proposed", {"cap_minor": 80_00}, []),
        ("deposit_lapsed", {"is_kept": False, "amount_minor": 20_00}, []),
        ("hold_released", {"is_missed": False, "amount_minor": 20_00}, []),
        ("hold_expiring", {"action": "capture"}, []),
        ("awaiting_customer", {"with_customer": True, "amount_minor": 50_00}, []),
        ("charge_refused", {"refusals": 2, "amount_minor": 50_00}, []),
        ("flagged", {"flag": "stray", "amount_minor": 0}, []),
        ("closed", {"receipt_minor": 0}, []),
        ("items_added", {"total_minor": 50_00}, []),
        ("closed", {"receipt_minor": 50_00}, [(MessageKind.RECEIPT, Recipient.CUSTOMER)]),
        (
            "refund_announced",
            {"why": "made_at_gateway", "amount_minor": 5_00, "balance_minor": 10_00},
            [
                (MessageKind.REFUND, Recipient.CUSTOMER),
                (MessageKind.BILL_ADJUSTED, Recipient.OWNER),
                (MessageKind.BILL_ADJUSTED, Recipient.CUSTOMER),
            ],
        ),
    ],
)
def test_the_conditions(kind: str, details: dict[str, object], to_whom: list[object]) -> None:
    """What is told by another entry of the same change, or is seen on the phone in hand, is not told twice."""
    assert told(kind, **details) == to_whom
