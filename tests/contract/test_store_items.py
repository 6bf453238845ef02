"""Items of the table: exact round trips of any value, and the table's keys and attributes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, timezone
from functools import cache, partial
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import NODEFAULT, Struct
from msgspec.structs import fields, replace

from chalicelib.adapters.dynamodb import cursors, table
from chalicelib.adapters.dynamodb import items as dynamodb_items
from chalicelib.adapters.dynamodb import store as dynamodb_store
from chalicelib.adapters.dynamodb.store import DynamoDbStore, dynamodb_client
from chalicelib.domain.errors import InvalidInput
from chalicelib.domain.money import CURRENCIES
from chalicelib.domain.parties import Customer, Merchant
from chalicelib.domain.tab.attempt import Attempt
from chalicelib.domain.tab.bill import Lowered
from chalicelib.domain.tab.entry import Entry
from chalicelib.domain.tab.given import TabCredits
from chalicelib.domain.tab.payments import Deposit
from chalicelib.domain.tab.share import Report
from chalicelib.domain.tab.tab import Followup, Tab
from chalicelib.domain.trust.credits import CreditAccount
from chalicelib.ports.store import (
    Due,
    DueDelivery,
    DueNotice,
    DueTab,
    IdempotencyRecord,
    Pointer,
    SeenEvent,
    StoreUnavailable,
    TabSummary,
)
from devstack.dynamodb_table import RESOURCES
from tests.contract.store_kit import (
    MERCHANT,
    NOW,
    REGION,
    TABLE,
    acting_at,
    full_tab,
    merchant,
    moto_store,
    opening,
    record,
)

# Everything a text, number or instant may be in JSON and DynamoDB. Amounts are bounded far below by the domain.
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
NUMBERS = st.integers(-(2**53), 2**53)
ZONES = [UTC, timezone(timedelta(hours=-7))]
INSTANTS = st.datetimes(timezones=st.sampled_from(ZONES)).filter(lambda at: 1 < at.year < 9999)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)


@cache
def values(hint: Any) -> st.SearchStrategy[Any]:
    """Values of a type, with something, or nothing where that is allowed, in every field of every struct in it."""
    simple = {str: TEXTS, int: NUMBERS, bool: st.booleans(), datetime: INSTANTS, Any: JSON, NoneType: st.none()}
    if hint in simple:
        return simple[hint]
    if isinstance(hint, type) and issubclass(hint, Struct):
        fields_of = {name: values(kind) for name, kind in get_type_hints(hint).items()}
        # What a bill costs at a tier is rounded as its currency wants it.
        known = {"currency": st.sampled_from(sorted(CURRENCIES))} if hint is Tab else {}
        return st.builds(hint, **fields_of | known)
    kinds = get_args(hint)
    if get_origin(hint) is tuple:
        return st.lists(values(kinds[0]), max_size=2).map(tuple)
    if get_origin(hint) is Mapping:
        return st.dictionaries(values(kinds[0]), values(kinds[1]), max_size=3)
    if kinds:
        return st.one_of([values(kind) for kind in kinds])
    return st.sampled_from(hint)


def structs_in(hint: Any) -> set[type[Struct]]:
    """The struct types that a value of this type is made of, itself among them."""
    if isinstance(hint, type) and issubclass(hint, Struct):
        return {hint}.union(*(structs_in(kind) for kind in get_type_hints(hint).values()))
    return set().union(*(structs_in(kind) for kind in get_args(hint)))


STORED = set().union(
    *map(structs_in, (Tab, Entry, Attempt, Merchant, Customer, CreditAccount, IdempotencyRecord, Pointer, TabSummary))
)

TO_AND_FRO: dict[type[Any], tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    Tab: (dynamodb_items.tab_item, dynamodb_items.tab_of),
    Entry: (partial(dynamodb_items.entry_item, full_tab()), dynamodb_items.entry_of),
    Attempt: (partial(dynamodb_items.attempt_item, full_tab()), dynamodb_items.attempt_of),
    Merchant: (dynamodb_items.merchant_item, dynamodb_items.merchant_of),
    Customer: (dynamodb_items.customer_item, dynamodb_items.customer_of),
    IdempotencyRecord: (lambda value: dynamodb_items.record_item(value, 0), dynamodb_items.record_of),
    Pointer: (dynamodb_items.pointer_item, dynamodb_items.pointer_of),
    CreditAccount: (dynamodb_items.credits_item, dynamodb_items.credits_of),
}


@pytest.mark.parametrize("kind", TO_AND_FRO)
def test_any_value_comes_back_equal(kind: type[Any]) -> None:
    """What is read is what was written, whatever value it is; and what is stored holds texts and digits only."""
    to_item, from_item = TO_AND_FRO[kind]

    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(values(kind))
    def holds(value: Any) -> None:
        item = to_item(value)

        assert from_item(item) == value
        assert {tag for attribute in item.values() for tag in attribute} <= {"S", "N"}
        assert all(isinstance(text, str) for attribute in item.values() for text in attribute.values())

    holds()


def test_the_full_tab_is_full() -> None:
    """The tab that the contract suite stores has something other than the default in every field."""
    defaults = opening().tab
    tab = full_tab()
    same = {"tab_id", "merchant_id", "customer_id", "customer_ref", "account", "currency", "minimum_charge_minor"}
    same |= {"policy", "opened_at", "opened_by", "updated_at", "version"}

    assert {f.name for f in fields(Tab) if getattr(tab, f.name) in (None, (), "", {}, 0)} == set()
    assert {f.name for f in fields(Tab) if getattr(tab, f.name) == getattr(defaults, f.name)} <= same


def test_a_new_field_of_the_code_gets_its_default() -> None:
    """An item written before a field was added is read with the field's default."""
    item = dynamodb_items.tab_item(full_tab())
    contents = json.loads(item["data"]["S"])
    del contents["tip_minor"], contents["flags"], contents["balances"]

    tab = dynamodb_items.tab_of(item | {"data": {"S": json.dumps(contents)}})

    assert (tab.tip_minor, tab.flags, tab.balances) == (0, (), {})


LEFT_OUT = {
    "": "CreditAccount.currency Dispute.reason Feedback.comment Objection.answer Tab.change_id",
    "()": (
        "CreditAccount.lots Dispute.programs Entry.postings Leg.disputes Leg.failed_refunds OutcomeTerms.tiers "
        "Promise.added "
        "Promise.tiers Tab.attempts Tab.flags Tab.holds Tab.items Tab.legs Tab.links Tab.links_wanted Tab.shares "
        "TabCredits.given TabStory.places"
    ),
    "0": (
        "Attempt.checks Attempt.redone Attempt.tip_minor CreditAccount.movement_count CreditAccount.paid_tabs "
        "CreditAccount.version Deposit.amount_minor Deposit.failures "
        "Dispute.reinstated_minor Dispute.returned_minor Dispute.withdrawn_minor Entry.version Followup.refusals "
        "Followup.reminders_sent Followup.tries Hold.captured_minor Leg.elsewhere_minor Leg.of_minor "
        "Lot.expired_minor Lot.reversed_minor Lot.spent_minor "
        "Lowered.amount_minor Lowered.tax_minor Parent.returned_minor Parent.returned_tax_minor Plan.tip_minor "
        "Reason.count Reason.days Report.paid_minor Report.returned_minor Report.returned_tax_minor "
        "SealedStanding.whole_deposit_minor StandingTerms.trusted_deposit_percent "
        "Tab.adjusted_minor Tab.entry_count Tab.receipt_seq Tab.returned_seq Tab.tip_minor "
        "Tab.version Tab.waived_minor Tab.written_off_minor TabSummary.held_minor TabSummary.shared_minor"
    ),
    "2": "OutcomeTerms.fixed_price_after StandingTerms.known_visits StandingTerms.watch_no_shows",
    "6": "StandingTerms.trusted_visits",
    "14": "StandingTerms.watch_debt_days",
    "50": "StandingTerms.known_deposit_percent StandingTerms.watch_exposure_percent",
    "72": "StandingTerms.decline_grace_hours",
    "90": "StandingTerms.trusted_over_days",
    "200": "StandingTerms.known_exposure_percent",
    "365": "StandingTerms.window_days",
    "400": "StandingTerms.trusted_exposure_percent",
    str(Deposit()): "Tab.deposit",
    "False": (
        "Attempt.customer_present Attempt.saves_card Contest.reminded CreditAccount.spends_by_itself "
        "Dispute.charge_refundable Dispute.reminded Followup.charging_end_told Followup.reminding_end_told "
        "GivenCredit.is_told "
        "Item.is_material "
        "Promise.deposit_needs_card Promise.fixed_price Report.is_over SealedStanding.cap_is_final "
        "TabCredits.contested UntoldBill.flagged"
    ),
    str(Followup()): "Tab.followup",
    str(Lowered()): "Tab.lowered_before",
    str(TabCredits()): "Tab.credits",
    str(Report()): "Parent.told Share.told",
    "None": (
        "Acceptance.card_terms_sha256 Acceptance.free_cancel_until Attempt.card_id Attempt.check_at "
        "Attempt.client_secret Attempt.customer_ref Attempt.dispute_id Attempt.failure Attempt.page_id "
        "Attempt.page_url "
        "Attempt.payment_id Attempt.return_url Attempt.sealed_sha256 BoundToken.taken_over_at Card.fingerprint "
        "Card.refused "
        "Contest.tier_percent CreditAccount.code CreditAccount.referral Deposit.lapses_at Deposit.place_at "
        "Dispute.appealed_at Dispute.asked_at Dispute.respond_by Dispute.staged_at Dispute.submitted_at "
        "Dispute.submitted_by Failure.advice Failure.decline_code Failure.network_advice Failure.network_code "
        "Fee.take_at Followup.next_try_at Followup.not_before Followup.remind_at Followup.reminded_at "
        "Hold.clock_done_for Hold.fingerprint IdempotencyRecord.attempt_id IdempotencyRecord.resource_id "
        "IdempotencyRecord.snapshot IdempotencyRecord.tab_id Item.voided_at Leg.attempt_id Leg.fingerprint "
        "Leg.fraud_warning Leg.refund_again_at Leg.refund_failure Link.expires_at Link.revoked_at "
        "Objection.decided_at OutcomeTerms.silence_percent Pause.until Plan.customer_until Promise.accepted "
        "Promise.silence_percent Promise.standing "
        "Referral.refused Referral.tab_id Tab.card Tab.checked_in_at Tab.closed_at Tab.contest Tab.due_at Tab.fee "
        "Tab.feedback Tab.final_at Tab.next_action_at Tab.objection Tab.opened_by Tab.outcome Tab.parent Tab.pause "
        "Tab.plan Tab.presented_at Tab.proposed Tab.review_ends_at Tab.starts_at Tab.statement_suffix Tab.story "
        "Tab.tier_percent Tab.token Tab.untold_bill Tab.walked_out_at TabStory.story_id TabStory.told_at "
        "TabStory.withdrawn_at TabSummary.due_at TabSummary.expected_at "
        "TabSummary.hold_expires_at TabSummary.opened_by TabSummary.starts_at TabSummary.updated_at"
    ),
    "in_review": "Contest.contested_in",
    "live": "Hold.state",
    "none": "Deposit.state",
    "open": "Dispute.state Objection.state",
    "pending": "Attempt.state",
    "{}": "Leg.pending_refunds Leg.refunds Tab.balances",
}
"""Default → the stored fields that are not written where they have it."""


def test_what_is_left_out_of_an_item_has_not_changed() -> None:
    """A stored field that is as by default is not written: with another default, every item without it would change."""
    left_out: dict[str, list[str]] = {}
    for kind in STORED:
        for field in fields(kind) if kind.__struct_config__.omit_defaults else ():
            default = field.default_factory() if field.default_factory is not NODEFAULT else field.default
            if default is not NODEFAULT:
                left_out.setdefault(str(default), []).append(f"{kind.__name__}.{field.name}")

    assert {default: " ".join(sorted(names)) for default, names in left_out.items()} == LEFT_OUT


def test_older_items_are_upcast_and_newer_ones_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """An item of an older schema goes through every step up; a newer one raises rather than lose something."""
    item = dynamodb_items.tab_item(full_tab())
    upcasts = {
        1: lambda kind, contents: contents | ({"title": f"{contents['title']} two"} if kind is Tab else {}),
        2: lambda kind, contents: contents | ({"title": f"{contents['title']} three"} if kind is Tab else {}),
    }
    monkeypatch.setattr(dynamodb_items, "UPCASTS", upcasts)
    monkeypatch.setattr(dynamodb_items, "SCHEMA_VERSION", 3)

    assert dynamodb_items.tab_of(item).title == full_tab().title + " two three"
    kept = dynamodb_items.record_item(replace(record(), snapshot=full_tab()), 0) | {"schema_version": {"N": "1"}}
    snapshot = dynamodb_items.record_of(kept).snapshot
    assert snapshot is not None
    assert snapshot.title == full_tab().title + " two three"
    assert dynamodb_items.tab_of(item | {"schema_version": {"N": "2"}}).title == full_tab().title + " three"
    with pytest.raises(dynamodb_items.NewerSchema, match="STATE has schema 4"):
        dynamodb_items.tab_of(item | {"schema_version": {"N": "4"}})


# Keys and attributes


@given(INSTANTS, INSTANTS)
def test_instants_sort_as_texts(one: datetime, other: datetime) -> None:
    """Instants as stored are of one width, and their order as texts is their order in time."""
    texts = table.instant(one), table.instant(other)

    assert (texts[0] < texts[1]) == (one < other)
    assert {len(text) for text in texts} == {27}


def test_an_instant_without_a_zone_is_refused() -> None:
    """A datetime that names no instant is not stored."""
    with pytest.raises(ValueError, match="no time zone"):
        table.instant(datetime(2026, 5, 4))  # noqa: DTZ001


def test_items_have_the_keys_of_the_design() -> None:
    """The keys stay as they are, so that what is stored can be found by hand."""
    tab = replace(full_tab(), tab_id="tab_1", account="acct_1")
    (entry,) = opening().entries
    request = record("mer_a#staff_1#key")

    found = [
        dynamodb_items.tab_item(tab),
        dynamodb_items.entry_item(tab, entry),
        dynamodb_items.attempt_item(tab, tab.attempts[0]),
        dynamodb_items.fact_item(tab, "pi_1:charged:100"),
        dynamodb_items.pointer_item(
            Pointer(account=None, object_id="pi_1", merchant_id=MERCHANT, tab_id="tab_1", attempt_id=None)
        ),
        dynamodb_items.event_item(SeenEvent(account="acct_1", event_id="evt_1"), 0),
        dynamodb_items.record_item(request, 0),
        dynamodb_items.merchant_line_item(merchant()),
    ]

    assert [(item["pk"]["S"], item["sk"]["S"]) for item in found] == [
        ("TAB#mer_a#tab_1", "STATE"),
        ("TAB#mer_a#tab_1", "ENTRY#00000001"),
        ("TAB#mer_a#tab_1", "ATTEMPT#att_2"),
        ("TAB#mer_a#tab_1", "FACT#pi_1:charged:100"),
        ("STRIPE#platform#pi_1", "-"),
        ("EVENT#acct_1#evt_1", "-"),
        ("IDEM#mer_a#staff_1#key", "-"),
        ("MERCHANTS", "mer_a"),
    ]
    assert all(item["schema_version"] == {"N": "1"} for item in found)


def test_the_indexes_project_what_a_listing_shows() -> None:
    """Every attribute that the table's indexes are keyed by or project is in the snapshot: of it, a listing's line."""
    table = json.loads(RESOURCES.read_text())["Resources"]["TabTable"]["Properties"]
    tab = full_tab()
    item = dynamodb_items.tab_item(tab)
    keyed = {key["AttributeName"] for index in table["GlobalSecondaryIndexes"] for key in index["KeySchema"]}
    projected = {
        name for index in table["GlobalSecondaryIndexes"] for name in index["Projection"].get("NonKeyAttributes", ())
    }

    assert keyed | projected <= set(item)
    assert projected == {"line"}
    assert dynamodb_items.summary_of({"line": item["line"]}) == TabSummary.of(tab)
    assert all(set(item[name]) == {"S"} for name in keyed)


def test_the_due_key_is_there_only_while_something_is_pending() -> None:
    """Neither of the due index's attributes is on a tab with nothing pending."""
    at_rest = dynamodb_items.tab_item(replace(full_tab(), next_action_at=None))

    assert {"due_pk", "next_action_at"} <= set(dynamodb_items.tab_item(full_tab()))
    assert {"due_pk", "next_action_at"}.isdisjoint(at_rest)


def test_a_tabs_shard_is_the_same_in_every_process() -> None:
    """The shard does not depend on Python's hash seed, and all 64 are used."""
    code = "from chalicelib.adapters.dynamodb.table import due_shard; print(due_shard('tab_1'))"
    command = [sys.executable, "-c", code]
    elsewhere = subprocess.run(command, capture_output=True, check=True, text=True, env={"PYTHONHASHSEED": "7"})

    assert int(elsewhere.stdout) == table.due_shard("tab_1")
    assert {table.due_shard(f"tab_{n}") for n in range(2000)} == set(range(64))


# Two clocks


def test_ttl_goes_by_the_wall_clock() -> None:
    """TTL is wall time plus the lifetime, whatever business time says: 40 days for events, its own for a record."""
    wall_now_s = 1_900_000_000.5
    client = dynamodb_client(region=REGION)
    with moto_store(client):
        store = DynamoDbStore(client, TABLE, clock_for_ttl=lambda: wall_now_s)
        request, event = record(at=NOW - timedelta(days=3000)), SeenEvent(account=None, event_id="evt_1")
        store.commit(opening(), record=request, event=event)

        items = {item["pk"]["S"]: item for item in client.scan(TableName=TABLE)["Items"]}

    assert items[f"IDEM#{request.record_id}"]["ttl"] == {"N": str(1_900_000_000 + 24 * 3600)}
    assert items["EVENT#platform#evt_1"]["ttl"] == {"N": str(1_900_000_000 + 40 * 86_400)}
    assert {pk.split("#")[0] for pk, item in items.items() if "ttl" in item} == {"IDEM", "EVENT"}


# What is due


def test_a_shard_is_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A shard that does not fit into one answer is read page by page, the longest due first."""
    monkeypatch.setattr(dynamodb_store, "DUE_PAGE", 2)
    monkeypatch.setattr(table, "DUE_SHARDS", 1)
    with moto_store() as store:
        tabs = []
        for n in (3, 0, 4, 1, 2):
            tabs.append(store.commit(acting_at(opening(), NOW + timedelta(seconds=n))))

        due = [due.tab_id for due in store.iter_due(NOW + timedelta(seconds=3))]

    by_time = sorted(tabs, key=lambda tab: str(tab.next_action_at))
    assert due == [tab.tab_id for tab in by_time][:4]


@pytest.mark.parametrize(
    ("pk", "sk", "due"),
    [
        ("TAB#mer_a#tab_1", "STATE", DueTab("mer_a", "tab_1")),
        ("TAB#mer_a#tab_1", "SENT#tab_1.3.bill#sms", DueDelivery("mer_a", "tab_1", "tab_1.3.bill", "sms")),
        ("MERCHANT#mer_a", "SENT#msg_1#email", DueDelivery("mer_a", None, "msg_1", "email")),
        ("NOTICE#mer_a#end_1", "not_1", DueNotice("mer_a", "end_1", "not_1")),
    ],
)
def test_what_is_due_is_known_by_its_key(pk: str, sk: str, due: Due) -> None:
    """Tabs, put-off deliveries and notices share one sparse index, which holds keys only."""
    with moto_store() as store:
        at = dynamodb_items.due(sk, NOW)
        store._client.put_item(TableName=TABLE, Item={"pk": {"S": pk}, "sk": {"S": sk}, **at})

        assert list(store.iter_due(NOW)) == [due]
        assert list(store.iter_due(NOW - timedelta(microseconds=1))) == []


def test_what_a_newer_release_has_made_due_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """After a rollback, for example: it is left alone and told, and everything else is swept."""
    with moto_store() as store:
        tab = store.commit(acting_at(opening(), NOW))
        key = {"pk": {"S": "STORY#mer_a#tab_1"}, "sk": {"S": "ASKED"}}
        store._client.put_item(TableName=TABLE, Item={**key, **dynamodb_items.due(tab.tab_id, NOW)})

        assert list(store.iter_due(NOW)) == [DueTab(MERCHANT, tab.tab_id)]

    assert "STORY#mer_a#tab_1" in caplog.text


# The client


def test_the_client_gives_up_in_time() -> None:
    """Time-outs and tries of the client are bounded: one call takes 6 s and a pause at most."""
    config = dynamodb_client(region=REGION).meta.config

    assert (config.connect_timeout, config.read_timeout) == (1, 2)
    assert config.retries == {"mode": "standard", "total_max_attempts": 2}


def test_nobody_there_is_unavailable() -> None:
    """An endpoint that nothing listens on makes the store unavailable, and nothing else."""
    store = DynamoDbStore(dynamodb_client("http://127.0.0.1:9", REGION), TABLE, sleep=lambda seconds: None)

    with pytest.raises(StoreUnavailable):
        store.get_tab(MERCHANT, "tab_1")
    with pytest.raises(StoreUnavailable):
        store.commit(opening())


# Cursors


@given(TEXTS, TEXTS.filter(lambda text: len(text.encode()) < 200))
def test_a_cursor_leads_back_to_its_position(listing: str, position: str) -> None:
    """decode(encode(position)) == position, in text that needs no escaping in a URL."""
    cursor = cursors.encode(listing, position)

    assert cursors.decode(listing, cursor) == position
    assert set(cursor) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


@given(st.text(max_size=60))
def test_any_other_text_is_no_cursor(text: str) -> None:
    """Whatever was not made by encode raises InvalidInput, and nothing else."""
    with pytest.raises(InvalidInput):
        cursors.decode("listing", text)
