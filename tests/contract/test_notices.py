"""The contract of the store of endpoints and sendings, against memory, moto and the emulator."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from msgspec.structs import replace

from chalicelib.adapters.dynamodb.store import DynamoDbStore
from chalicelib.domain.errors import InvalidInput
from chalicelib.domain.news.endpoint import Endpoint, OldSecret, Secrets
from chalicelib.domain.news.notice import Notice
from chalicelib.domain.news.sending import (
    KEPT,
    Sending,
    SendingState,
    Try,
    claimed,
    new_sending,
    put_off,
)
from chalicelib.ports.notices import NoticeJob, Notices, queue_job_of
from chalicelib.ports.store import DueNotice, RecordExists, TabStore, VersionConflict
from chalicelib.usecases.news.notices import work
from tests.contract.store_kit import MERCHANT, NOW, new_id, record
from tests.notices import Receivers, notices_beside
from tests.usecases.shop import Shop

ENDPOINT = Endpoint(
    endpoint_id="end_a",
    merchant_id=MERCHANT,
    url="https://receiver.example/hook?key=ü",
    event_types=("tab.closed", "tab.charged"),
    description="Till",
    ordered=True,
    slot=0,
    since=NOW,
    created_at=NOW,
    failing_since=NOW,
)
SECRETS = Secrets(
    merchant_id=MERCHANT, endpoint_id="end_a", current="new", old=(OldSecret("old", NOW + timedelta(hours=1)),)
)


@pytest.fixture
def notices(store: TabStore) -> Notices:
    return notices_beside(store)


def sending(tab_id: str = "tab_1", seq: int = 1, *, minutes: int = 0, merchant_id: str = MERCHANT) -> Sending:
    notice = Notice(
        notice_id=f"{tab_id}-{seq:06}",
        type="tab.closed",
        merchant_id=merchant_id,
        tab_id=tab_id,
        seq=seq,
        at=NOW + timedelta(minutes=minutes),
        data={"paid_minor": 5000},
    )
    return new_sending(notice, "end_a", NOW)


def listed(notices: Notices, *, limit: int = 10, newest_first: bool = False, **between: int) -> list[str]:
    """The ids of all pages, each of `limit`. `since`, `until`: in minutes."""
    since = NOW + timedelta(minutes=between.get("since", 0))
    until = NOW + timedelta(minutes=between.get("until", 1000))
    found: list[str] = []
    cursor = None
    while True:
        page = notices.list_sendings(
            MERCHANT, "end_a", since, until, limit=limit, cursor=cursor, newest_first=newest_first
        )
        found += [it.notice.notice_id for it in page.items]
        cursor = page.next_cursor
        if cursor is None:
            return found


def test_an_endpoint_comes_back_as_it_was_put_and_its_secrets_apart(notices: Notices) -> None:
    """Under its own merchant only; the oldest is listed first."""
    other = replace(ENDPOINT, endpoint_id="end_0", slot=1, created_at=NOW + timedelta(minutes=1))
    notices.put_endpoint(ENDPOINT, secrets=SECRETS)
    notices.put_endpoint(other, secrets=replace(SECRETS, endpoint_id="end_0"))

    assert notices.find_endpoint(MERCHANT, "end_a") == ENDPOINT
    assert notices.list_endpoints(MERCHANT) == (ENDPOINT, other)
    assert notices.find_secrets(MERCHANT, "end_a") == SECRETS
    assert notices.find_endpoint("mer_b", "end_a") is None
    assert notices.find_endpoint(MERCHANT, "end#a") is None
    assert notices.list_endpoints("mer_b") == ()
    assert notices.find_secrets("mer_b", "end_a") is None


def test_an_endpoint_is_changed_on_the_version_that_was_read(notices: Notices) -> None:
    """Without secrets they stay."""
    notices.put_endpoint(ENDPOINT, secrets=SECRETS)
    newer = replace(ENDPOINT, description="New till", version=2)
    notices.put_endpoint(newer)

    for late in (replace(ENDPOINT, version=2), replace(ENDPOINT, slot=1), replace(ENDPOINT, version=4)):
        with pytest.raises(VersionConflict):
            notices.put_endpoint(late, secrets=replace(SECRETS, current="late"))

    assert notices.find_endpoint(MERCHANT, "end_a") == newer
    assert notices.find_secrets(MERCHANT, "end_a") == SECRETS


def test_a_place_is_taken_once(notices: Notices) -> None:
    """So that a merchant has no more endpoints than there are places, however many are made at once."""
    notices.put_endpoint(ENDPOINT, secrets=SECRETS)
    second = replace(ENDPOINT, endpoint_id="end_b")

    with pytest.raises(VersionConflict):
        notices.put_endpoint(second, secrets=replace(SECRETS, endpoint_id="end_b"))
    notices.put_endpoint(replace(second, merchant_id="mer_b"))
    notices.delete_endpoint(ENDPOINT, record=record())
    notices.put_endpoint(second)

    assert notices.list_endpoints(MERCHANT) == (second,)


def test_a_deleted_endpoint_is_gone_with_its_secrets(notices: Notices, store: TabStore) -> None:
    """Once for a repeated request."""
    notices.put_endpoint(ENDPOINT, secrets=SECRETS)
    request = record()
    notices.delete_endpoint(ENDPOINT, record=request)

    assert notices.find_endpoint(MERCHANT, "end_a") is None
    assert notices.find_secrets(MERCHANT, "end_a") is None
    assert store.find_record(request.record_id, NOW) == request
    with pytest.raises(RecordExists):
        notices.delete_endpoint(ENDPOINT, record=request)


def test_a_repeated_request_writes_nothing_twice(notices: Notices, store: TabStore) -> None:
    """Its record is on record, for endpoints and for sendings."""
    request, other = record(), record()
    notices.put_endpoint(ENDPOINT, secrets=SECRETS, record=request)
    first = sending()
    notices.put_sending(first, record=other)

    with pytest.raises(RecordExists):
        notices.put_endpoint(replace(ENDPOINT, endpoint_id="end_b", slot=1), secrets=SECRETS, record=request)
    with pytest.raises(RecordExists):
        notices.put_sending(claimed(first, NOW), record=other)

    assert notices.find_endpoint(MERCHANT, "end_b") is None
    assert notices.find_sending(MERCHANT, "end_a", "tab_1-000001") == first
    assert store.find_record(request.record_id, NOW) == request


def test_a_sending_is_added_once(notices: Notices) -> None:
    """The second one, from a repeated job, changes nothing of the first."""
    first = sending()
    assert notices.add_sending(first)
    changed = put_off(first, NOW + timedelta(hours=1))
    notices.put_sending(changed)

    assert not notices.add_sending(first)
    assert notices.find_sending(MERCHANT, "end_a", "tab_1-000001") == changed
    assert notices.find_sending(MERCHANT, "end_b", "tab_1-000001") is None
    assert notices.find_sending(MERCHANT, "end_a", "tab_1#000001") is None


def test_one_claim_of_two_is_written(notices: Notices) -> None:
    """Two jobs that read the same version."""
    first = sending()
    notices.add_sending(first)
    notices.put_sending(claimed(first, NOW))

    with pytest.raises(VersionConflict):
        notices.put_sending(claimed(first, NOW + timedelta(seconds=1)))


def test_everything_of_a_sending_comes_back(notices: Notices) -> None:
    """With its tries."""
    tries = (Try(at=NOW, status=500), Try(at=NOW, failure="timed_out"))
    whole = replace(sending(), tries=tries, tried=2, failures=2, state=SendingState.WAITING)
    notices.add_sending(whole)

    assert notices.find_sending(MERCHANT, "end_a", whole.notice.notice_id) == whole


def test_a_tabs_sendings_come_in_the_order_of_its_entries(notices: Notices) -> None:
    """Of this tab and endpoint only, however they were recorded."""
    for seq in (10, 2, 1):
        notices.add_sending(sending(seq=seq))
    notices.add_sending(sending("tab_11", 3))
    notices.add_sending(replace(sending(seq=4), endpoint_id="end_b"))

    found = notices.list_sendings_of_tab(MERCHANT, "end_a", "tab_1")

    assert [it.notice.seq for it in found] == [1, 2, 10]


@pytest.mark.parametrize("limit", [1, 2, 10])
def test_the_log_is_listed_by_when_it_happened_page_by_page(notices: Notices, limit: int) -> None:
    """From a time on and before another, both ways; of this endpoint only."""
    for number in range(5):
        notices.add_sending(sending(f"tab_{5 - number}", minutes=number))
    notices.add_sending(replace(sending("tab_9"), endpoint_id="end_b"))
    notices.add_sending(sending("tab_9", merchant_id="mer_b"))

    assert listed(notices, limit=limit) == [f"tab_{5 - number}-000001" for number in range(5)]
    assert listed(notices, limit=limit, newest_first=True) == [f"tab_{1 + number}-000001" for number in range(5)]
    assert listed(notices, limit=limit, since=1, until=3) == ["tab_4-000001", "tab_3-000001"]


def test_the_log_shows_what_has_become_of_a_sending(notices: Notices) -> None:
    """As it is now, though the index knows its place alone."""
    first = sending()
    notices.add_sending(first)
    notices.put_sending(claimed(first, NOW))

    (found,) = notices.list_sendings(MERCHANT, "end_a", NOW, NOW + KEPT, limit=10, cursor=None).items

    assert found.state == SendingState.CLAIMED


def test_a_cursor_of_another_log_is_refused(notices: Notices) -> None:
    """And a made-up one."""
    for number in range(2):
        notices.add_sending(sending(minutes=number, seq=number))
        notices.add_sending(replace(sending(minutes=number, seq=number), endpoint_id="end_b"))
    page = notices.list_sendings(MERCHANT, "end_b", NOW, NOW + KEPT, limit=1, cursor=None)

    for cursor in (page.next_cursor, new_id("cursor")):
        with pytest.raises(InvalidInput):
            notices.list_sendings(MERCHANT, "end_a", NOW, NOW + KEPT, limit=1, cursor=cursor)


def test_what_is_under_way_is_due_at_its_time(notices: Notices, store: TabStore) -> None:
    """Until it has come to an end."""
    first = sending()
    notices.add_sending(first)
    due = DueNotice(MERCHANT, "end_a", "tab_1-000001")
    assert first.next_action_at is not None

    assert list(store.iter_due(first.next_action_at - timedelta(seconds=1))) == []
    assert list(store.iter_due(first.next_action_at)) == [due]
    notices.put_sending(put_off(first, NOW + timedelta(hours=2)))
    assert list(store.iter_due(NOW + timedelta(hours=1))) == []
    assert list(store.iter_due(NOW + timedelta(hours=2))) == [due]
    notices.put_sending(replace(first, state=SendingState.DELIVERED, next_action_at=None, version=3))
    assert list(store.iter_due(NOW + timedelta(days=9))) == []


@pytest.mark.ministack
def test_many_who_work_at_once_send_a_notice_once(emulated_store: DynamoDbStore) -> None:
    """Sixteen have the same job, twenty times over: one claim of each is written, and one POST is made."""
    shop = Shop()
    receivers = Receivers()
    notices = notices_beside(emulated_store)
    deps = replace(shop.deps, store=emulated_store, notices=notices, webhooks=receivers)
    endpoint = replace(ENDPOINT, since=shop.clock.instant, failing_since=None, ordered=False)
    notices.put_endpoint(endpoint, secrets=SECRETS)
    sent = [new_sending(sending(f"tab_{number}").notice, "end_a", shop.clock.instant) for number in range(20)]
    with ThreadPoolExecutor(16) as pool:
        for one in sent:
            notices.add_sending(one)
            job = NoticeJob(merchant_id=MERCHANT, endpoint_id="end_a", notice_id=one.notice.notice_id)
            done = [pool.submit(work, deps, [queue_job_of(job).body]) for _ in range(16)]
            assert [it.result() for it in done] == [[]] * 16

    assert sorted(receivers.taken_ids(endpoint.url)) == sorted(one.notice.notice_id for one in sent)
    assert len(receivers.heard) == len(sent)
