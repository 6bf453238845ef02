"""The rules of notices: types from the code, thin bodies, the schedule of tries, an endpoint's health and secrets."""

from __future__ import annotations

import ast
import json
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from chalicelib.domain.news import endpoint as endpoints
from chalicelib.domain.news import sending as sendings
from chalicelib.domain.news.endpoint import DISABLE_AFTER, WARN_AFTER, DisabledBy, Endpoint, Secrets, rotated
from chalicelib.domain.news.message import Message, MessageKind, Recipient
from chalicelib.domain.news.notice import KINDS, MAXIMUM_BODY_BYTES, PUSH, TEST, Notice, body_of, notice_of, push_of
from chalicelib.domain.news.sending import LASTS, WAITS, Sending, SendingState, Try, after_try, new_sending
from chalicelib.domain.tab.entry import Entry
from chalicelib.domain.tab.facts.fact import FactKind
from devstack import events
from tests.unit.stories import STORIES

CODE = Path(__file__).resolve().parents[2] / "chalicelib"
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
ENTRY = Entry(
    seq=12,
    at=NOON.astimezone(timezone(timedelta(hours=9))),
    kind="refunded",
    by="staff-7",
    details={
        "refund_id": "re_1",
        "amount_minor": 1500,
        "takes_until_at": "2026-03-05T12:00:00Z",
        "reason": "Anna was sick after the meal",
        "reference": "IBAN DE02",
        "text": "whole promise",
        "name": "Anna",
        "ip": "192.0.2.1",
        "is_paid": True,
        "items": [{"item_id": "itm_1", "description": "Cut"}],
        "payment_id": None,
        "odd_minor": "12 Euro",
    },
    version=7,
)
NOTICE = notice_of("mer_1", "cus_1", "tab_1", ENTRY)
ENDPOINT = Endpoint(
    endpoint_id="end_1", merchant_id="mer_1", url="https://a.example/", slot=0, since=NOON, created_at=NOON
)
chances = st.floats(min_value=0, max_value=1)


def kinds_in_the_code() -> set[str]:
    """Every text that is the first argument of `record`, or of what hands it on, and the kinds of facts."""
    found: set[str] = set()
    for path in [*(CODE / "domain").rglob("*.py"), *(CODE / "usecases").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute | ast.Name):
                name = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
                position = {"record": 0, "record_receipt": 0, "lower_bill": 2, "_add_leg": 2}.get(name)
                if position is not None and len(node.args) > position:
                    found |= {
                        text.value
                        for text in ast.walk(node.args[position])
                        if isinstance(text, ast.Constant) and isinstance(text.value, str)
                    }
    return found | {kind.value for kind in FactKind if kind.value.startswith(("dispute_", "inquiry_"))}


# Types and bodies


def test_the_types_are_the_kinds_that_the_code_records() -> None:
    """Each with its sentence in domain/news/notice.py, and none that is not recorded any more."""
    assert sorted(kinds_in_the_code() - set(KINDS)) == []
    assert sorted(set(KINDS) - kinds_in_the_code()) == []


def test_every_story_leads_to_types_that_are_documented() -> None:
    """What really happens, in all stories of a tab."""
    kinds = {entry.kind for told in STORIES for till in told() for entry in till.entries}

    assert kinds - set(KINDS) == set()
    assert len(kinds) > 40


def test_a_body_is_thin() -> None:
    """Ids, kind, version, amounts and instants; nothing that a person wrote, and no flag or list."""
    assert json.loads(body_of(NOTICE)) == {
        "type": "tab.refunded",
        "timestamp": "2026-03-02T12:00:00.000Z",
        "data": {
            "merchant_id": "mer_1",
            "tab_id": "tab_1",
            "customer_id": "cus_1",
            "seq": 12,
            "kind": "refunded",
            "version": 7,
            "details": {
                "refund_id": "re_1",
                "amount_minor": 1500,
                "takes_until_at": "2026-03-05T12:00:00Z",
            },
        },
    }


def test_the_same_entry_is_the_same_notice() -> None:
    """Ids of a tab sort like its entries, whoever draws them up and however often."""
    assert notice_of("mer_1", "cus_1", "tab_1", ENTRY) == NOTICE
    later = notice_of("mer_1", "cus_1", "tab_1", replace(ENTRY, seq=100))
    assert (NOTICE.notice_id, later.notice_id) == ("tab_1-000012", "tab_1-000100")


def test_a_push_says_what_an_app_needs_to_ask() -> None:
    """The message's kind and values, under an id of its own."""
    message = Message(
        message_id="tab_1.3.bill_presented.customer",
        kind=MessageKind.BILL_PRESENTED,
        to=Recipient.CUSTOMER,
        merchant_id="mer_1",
        customer_id="cus_1",
        tab_id="tab_1",
        seq=3,
        at=NOON,
        values={"total_minor": 5000},
    )

    pushed = push_of(message)

    assert pushed == push_of(message)
    assert (pushed.type, pushed.data["kind"], pushed.data["details"]) == (PUSH, "bill_presented", {"total_minor": 5000})
    assert push_of(replace(message, message_id="tab_1.4.bill_presented.customer")).notice_id != pushed.notice_id
    assert "." not in pushed.notice_id


def test_a_notice_that_is_too_large_is_refused_and_on_record() -> None:
    """It is never tried; the log says so without the body."""
    details = {f"amount{number}_minor": number for number in range(MAXIMUM_BODY_BYTES // 10)}
    refused = new_sending(notice_of("mer_1", "cus_1", "tab_1", replace(ENTRY, details=details)), "end_1", NOON)

    assert (refused.state, refused.body, refused.next_action_at) == (SendingState.REFUSED, "", None)
    assert not refused.may_be_tried(NOON + timedelta(days=1))
    assert refused.notice.notice_id == "tab_1-000012"


# The schedule


def sending(type: str = "tab.refunded") -> Sending:
    return new_sending(replace(NOTICE, type=type), "end_1", NOON)


def failing(one: Sending, chance: float) -> list[timedelta]:
    """When the tries are, all of which fail, counted from the first."""
    tried, now = [], NOON
    while one.state != SendingState.GIVEN_UP:
        assert len(tried) < 50
        tried.append(now - NOON)
        one = after_try(one, Try(at=now, status=500), chance=chance)
        now = one.next_action_at or now
    return tried


def test_tries_follow_the_standards_example() -> None:
    """Without jitter, and with the last one three and a half days after the first."""
    tried = failing(sending(), 0.5)
    waits = [after - before for before, after in pairwise(tried)]

    assert waits[: len(WAITS)] == list(WAITS)
    assert tried[-1] == LASTS == timedelta(hours=84)


@given(chances)
def test_an_outage_of_72_hours_never_ends_the_tries(chance: float) -> None:
    """However the jitter falls: the last try of all comes later, and no two are nearer than the jitter allows."""
    tried = failing(sending(), chance)

    assert tried[-1] == LASTS
    for wait, before, after in zip(WAITS, tried, tried[1:], strict=False):
        assert wait * 0.8 <= after - before <= wait * 1.2 or after == LASTS


@pytest.mark.parametrize(
    ("asked_s", "waited"),
    [
        (0, timedelta(seconds=5)),
        (120, timedelta(seconds=120)),
        (999_999_999, timedelta(hours=24)),
    ],
)
def test_retry_after_is_heard_within_bounds(asked_s: int, waited: timedelta) -> None:
    """Never sooner than the schedule says, and at most a day."""
    after = after_try(sending(), Try(at=NOON, status=429), chance=0.5, retry_after_s=asked_s)

    assert after.next_action_at == NOON + waited


def test_a_delivered_notice_is_at_its_end() -> None:
    """Any 2xx; everything else is a failure."""
    for status in (200, 201, 204, 299):
        assert after_try(sending(), Try(at=NOON, status=status), chance=0).state == SendingState.DELIVERED
    for status in (199, 300, 302, 400, 404, 500):
        assert after_try(sending(), Try(at=NOON, status=status), chance=0).state == SendingState.WAITING


def test_a_test_is_tried_once() -> None:
    """Its owner is looking at the answer."""
    assert after_try(sending(TEST), Try(at=NOON, failure="timed_out"), chance=0).state == SendingState.GIVEN_UP


def test_an_early_or_repeated_job_tries_nothing() -> None:
    """Only what is queued, or whose time or lease has come, is tried."""
    waiting = after_try(sending(), Try(at=NOON, status=500), chance=0.5)
    leased = sendings.claimed(sending(), NOON)
    done = after_try(sending(), Try(at=NOON, status=200), chance=0.5)

    assert sending().may_be_tried(NOON)
    assert not waiting.may_be_tried(NOON + timedelta(seconds=4))
    assert waiting.may_be_tried(NOON + timedelta(seconds=5))
    assert not leased.may_be_tried(NOON + timedelta(seconds=59))
    assert leased.may_be_tried(NOON + timedelta(seconds=60))
    assert not done.may_be_tried(NOON + timedelta(days=1))
    assert not sendings.held(sending()).may_be_tried(NOON + timedelta(days=1))


def test_a_replay_begins_the_schedule_anew() -> None:
    """And keeps what was tried."""
    again = sendings.replayed(after_try(sending(), Try(at=NOON, status=500), chance=0.5), NOON + timedelta(days=9))

    assert (again.scheduled_from, again.failures, again.tried) == (NOON + timedelta(days=9), 0, 1)


# The endpoint


def test_an_endpoint_wants_its_types_from_its_beginning_on() -> None:
    """All where it names none; nothing that happened before."""
    assert ENDPOINT.wants(NOTICE)
    assert replace(ENDPOINT, event_types=("tab.refunded",)).wants(NOTICE)
    assert not replace(ENDPOINT, event_types=("tab.closed",)).wants(NOTICE)
    assert not replace(ENDPOINT, since=NOON + timedelta(seconds=1)).wants(NOTICE)


def test_an_endpoint_is_warned_about_and_then_disabled() -> None:
    """Not before a day of failures, and not without a warning; a success in between is a fresh start."""
    begun = endpoints.after_failure(ENDPOINT, NOON)
    assert begun.failing_since == NOON
    assert endpoints.after_failure(begun, NOON + WARN_AFTER - timedelta(seconds=1)) == begun
    warned = endpoints.after_failure(begun, NOON + WARN_AFTER)
    assert endpoints.news_of(begun, warned) == "endpoint_failing"
    assert endpoints.after_failure(warned, NOON + DISABLE_AFTER - timedelta(seconds=1)) == warned
    gone = endpoints.after_failure(warned, NOON + DISABLE_AFTER)
    assert (gone.is_enabled, gone.disabled_by) == (False, DisabledBy.FAILING)
    assert endpoints.news_of(warned, gone) == "endpoint_disabled"
    assert endpoints.after_failure(gone, NOON + timedelta(days=30)) == gone
    assert endpoints.after_success(warned).failing_since is None


@given(st.lists(st.integers(min_value=0, max_value=72), max_size=12))
def test_no_endpoint_is_disabled_without_a_warning_a_day_before(hours: list[int]) -> None:
    """Whenever the tries come that fail."""
    endpoint, now = ENDPOINT, NOON
    for wait in hours:
        now += timedelta(hours=wait)
        endpoint = endpoints.after_failure(endpoint, now)

    if not endpoint.is_enabled:
        assert endpoint.warned_at is not None
        assert endpoint.disabled_at is not None
        assert endpoint.disabled_at >= endpoint.warned_at + WARN_AFTER


def test_who_disabled_an_endpoint_stands() -> None:
    """A second reason changes nothing; enabling forgets all of it."""
    by_owner = endpoints.disabled(ENDPOINT, DisabledBy.OWNER, NOON)

    assert endpoints.disabled(by_owner, DisabledBy.GONE, NOON) == by_owner
    assert endpoints.news_of(ENDPOINT, by_owner) is None
    assert endpoints.enabled(by_owner) == replace(ENDPOINT, version=3)
    assert by_owner.receives(replace(NOTICE, type=TEST))
    assert not by_owner.receives(NOTICE)


def test_old_secrets_sign_for_a_day() -> None:
    """Each from its own replacement on; the newest is first."""
    first = Secrets(merchant_id="mer_1", endpoint_id="end_1", current="one")
    second = rotated(first, "two", NOON)
    third = rotated(second, "three", NOON + timedelta(hours=23))

    assert third.signing(NOON + timedelta(hours=23)) == ["three", "two", "one"]
    assert third.signing(NOON + timedelta(hours=24)) == ["three", "two"]
    assert third.signing(NOON + timedelta(hours=47)) == ["three"]
    assert rotated(third, "four", NOON + timedelta(days=9)).signing(NOON + timedelta(days=9)) == ["four", "three"]


def test_secrets_show_themselves_in_no_text() -> None:
    """A log line of the wrong thing tells nothing."""
    assert "secret" not in repr(Secrets(merchant_id="mer_1", endpoint_id="end_1", current="whsec_secret"))


def test_a_notice_of_no_tab_has_no_place_among_the_entries() -> None:
    """A test belongs to the endpoint alone."""
    assert Notice(notice_id="test_1", type=TEST, merchant_id="mer_1", at=NOON).tab_id is None


def test_the_page_of_events_is_up_to_date() -> None:
    """docs/events.md is what `make events` writes."""
    assert events.TARGET.read_text(encoding="utf-8") == events.page()
