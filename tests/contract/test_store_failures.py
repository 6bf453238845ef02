"""What the DynamoDB store does when DynamoDB throttles, fails or does not answer, injected at botocore's hooks."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError, ReadTimeoutError
from msgspec.structs import replace

from chalicelib.adapters.dynamodb import writes as dynamodb_writes
from chalicelib.adapters.dynamodb.store import DynamoDbStore, dynamodb_client
from chalicelib.adapters.dynamodb.table import due_shard
from chalicelib.domain.errors import Contention
from chalicelib.domain.tab.tab import Tab
from chalicelib.ports.store import RecordExists, SeenEvent, StoreUnavailable, VersionConflict
from tests.contract.store_kit import (
    MERCHANT,
    NOW,
    REGION,
    TABLE,
    acting_at,
    everything,
    merchant,
    moto_store,
    next_change,
    opening,
    record,
)

WRITE = "dynamodb.TransactWriteItems"
READ = "dynamodb.GetItem"
BATCH = "dynamodb.BatchGetItem"

Injection = Callable[..., Any]


class Faults:
    """Puts what is injected before or after the calls of one client; calls that pass through are counted."""

    def __init__(self, client: Any) -> None:
        self._events = client.meta.events
        self.calls = 0

    def before(self, operation: str, *injections: Injection | None) -> None:
        """The nth call gets the nth injection (None: passes), which returns the answer or raises."""
        self._install("before-call", operation, injections)

    def after(self, operation: str, *injections: Injection | None) -> None:
        """As before, but the call has been made."""
        self._install("after-call", operation, injections)

    def _install(self, moment: str, operation: str, injections: tuple[Injection | None, ...]) -> None:
        waiting = list(injections)

        def handle(**given: Any) -> Any:
            self.calls += 1
            injection = waiting.pop(0) if waiting else None
            return injection() if injection else None

        self._events.register_first(f"{moment}.{operation}", handle)


def answer(status: int, code: str, **more: Any) -> Injection:
    parsed = {"Error": {"Code": code, "Message": ""}, "ResponseMetadata": {"HTTPStatusCode": status}, **more}
    return lambda: (SimpleNamespace(status_code=status), parsed)


def canceled(*codes: str) -> Injection:
    return answer(400, "TransactionCanceledException", CancellationReasons=[{"Code": code} for code in codes])


def lost() -> None:
    raise ReadTimeoutError(endpoint_url="https://dynamodb")


def unreachable() -> None:
    raise ConnectTimeoutError(endpoint_url="https://dynamodb")


@pytest.fixture
def client() -> Any:
    return dynamodb_client(region=REGION)


@pytest.fixture
def store(client: Any) -> Iterator[DynamoDbStore]:
    with moto_store(client) as store:
        yield store


@pytest.fixture
def tab(store: DynamoDbStore) -> Tab:
    return store.commit(opening())


@pytest.fixture
def faults(client: Any, tab: Tab) -> Faults:
    """Faults from after the tab is there."""
    return Faults(client)


# Busy


@pytest.mark.parametrize(
    "busy",
    [
        canceled("TransactionConflict", "None"),
        canceled("None", "TransactionConflict"),
        canceled("ThrottlingError", "None"),
        canceled("ProvisionedThroughputExceeded", "TransactionConflict"),
        answer(400, "ThrottlingException"),
        answer(400, "ProvisionedThroughputExceededException"),
        answer(400, "TransactionInProgressException"),
    ],
)
def test_a_busy_database_is_asked_again(store: DynamoDbStore, faults: Faults, tab: Tab, busy: Injection) -> None:
    """Conflicts between transactions and throttling are tried again, and the caller hears nothing of it."""
    change = next_change(tab)
    faults.before(WRITE, busy, busy, busy)

    assert store.commit(change) == change.tab

    assert faults.calls == 4
    assert store.get_tab(MERCHANT, tab.tab_id) == change.tab


@pytest.mark.parametrize(
    ("busy", "error"),
    [
        pytest.param(canceled("ThrottlingError", "None"), StoreUnavailable, id="throttled"),
        pytest.param(canceled("ThrottlingError", "TransactionConflict"), StoreUnavailable, id="throttled and met"),
        pytest.param(canceled("TransactionConflict", "None"), Contention, id="met other transactions"),
    ],
)
def test_a_database_that_stays_busy_ends_in_an_error(
    store: DynamoDbStore, faults: Faults, tab: Tab, busy: Injection, error: type[Exception]
) -> None:
    """Tries are bounded, and nothing is written. Others at work on the same tab are no failure of the database's."""
    faults.before(WRITE, *[busy] * 100)

    with pytest.raises(error):
        store.commit(next_change(tab))

    assert faults.calls == dynamodb_writes.TRIES
    assert store.get_tab(MERCHANT, tab.tab_id) == tab


def test_whoever_may_have_met_themselves_does_not_say_that_nothing_was_done(
    store: DynamoDbStore, faults: Faults, tab: Tab
) -> None:
    """After a lost answer, what our transaction meets may be its own first try, still on its way."""
    faults.before(WRITE, lost, *[canceled("TransactionConflict", "None")] * 100)

    with pytest.raises(StoreUnavailable):
        store.commit(next_change(tab))


def test_waits_between_tries_are_random_and_bounded(
    client: Any, tab: Tab, faults: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each wait lies between nothing and a bound that doubles up to half a second: full jitter."""
    waits: list[float] = []

    def halfway(low: float, high: float) -> float:
        assert low == 0
        return high / 2

    monkeypatch.setattr(random, "uniform", halfway)
    store = DynamoDbStore(client, TABLE, sleep=waits.append)
    faults.before(WRITE, *[canceled("ThrottlingError")] * 100)

    with pytest.raises(StoreUnavailable):
        store.commit(next_change(tab))

    assert waits == [0.025, 0.05, 0.1, 0.2, 0.25, 0.25, 0.25]


def test_a_failed_condition_is_final_though_something_else_was_busy(
    store: DynamoDbStore, faults: Faults, tab: Tab
) -> None:
    """A version conflict is not tried again, even where another item of the transaction was throttled."""
    faults.before(WRITE, canceled("ConditionalCheckFailed", "ThrottlingError"))

    with pytest.raises(VersionConflict):
        store.commit(next_change(tab))

    assert faults.calls == 1


def test_a_wrong_request_is_a_bug_and_stays_one(store: DynamoDbStore, faults: Faults, tab: Tab) -> None:
    """What DynamoDB finds wrong with a request is raised as it is, at once."""
    faults.before(WRITE, answer(400, "ValidationException"), canceled("ValidationError", "None"))

    for _ in range(2):
        with pytest.raises(ClientError):
            store.commit(next_change(tab))

    assert faults.calls == 2


# Lost answers


@pytest.mark.parametrize("injected", [lost, answer(500, "InternalServerError"), answer(503, "ServiceUnavailable")])
def test_a_change_that_was_written_is_a_success_though_the_answer_got_lost(
    store: DynamoDbStore, client: Any, faults: Faults, tab: Tab, injected: Injection
) -> None:
    """The write happened and its answer did not arrive: the snapshot is read again, and nothing is written twice."""
    change, request = everything(tab, fact_key="f", object_id="o"), record()
    faults.after(WRITE, _after(injected))

    assert store.commit(change, record=request, event=SeenEvent(account=None, event_id="e")) == change.tab

    assert faults.calls == 1
    assert store.get_tab(MERCHANT, tab.tab_id) == change.tab
    assert store.find_record(request.record_id, NOW) == request


def _after(injected: Injection) -> Injection:
    """An injected answer as the error that botocore would make of it: after a call, its answer can't be replaced."""
    if injected is lost:
        return injected

    def fail() -> None:
        _, parsed = injected()
        raise ClientError(parsed, "TransactWriteItems")

    return fail


@pytest.mark.parametrize(
    "injected", [lost, unreachable, answer(500, "InternalServerError"), answer(503, "ServiceUnavailable")]
)
def test_a_change_that_was_not_written_is_tried_again(
    store: DynamoDbStore, faults: Faults, tab: Tab, injected: Injection
) -> None:
    """The request did not arrive: it is made again, and the caller hears nothing of it."""
    change = next_change(tab)
    faults.before(WRITE, injected)

    assert store.commit(change) == change.tab

    assert faults.calls == 2


def test_a_late_first_try_is_recognised_by_the_second(
    store: DynamoDbStore, client: Any, faults: Faults, tab: Tab
) -> None:
    """The first try lands after it was looked for: the second, refused by the first one's own items, is a success."""
    change, request, event = (
        everything(tab, fact_key="f", object_id="o"),
        record(),
        SeenEvent(account=None, event_id="e"),
    )
    # The look finds the old version, as if the write were still under way; then it has happened.
    faults.after(WRITE, lost)
    stale = {"Item": {"change_id": {"S": tab.change_id}}, "ResponseMetadata": {"HTTPStatusCode": 200}}
    faults.before(READ, lambda: (SimpleNamespace(status_code=200), stale))

    assert store.commit(change, record=request, event=event) == change.tab

    assert store.list_entries(MERCHANT, tab.tab_id, limit=50, cursor=None).items[1:] == change.entries


def test_a_change_is_recognised_though_others_have_written_since(
    store: DynamoDbStore, faults: Faults, tab: Tab
) -> None:
    """The answer got lost, and before it was looked for somebody wrote the next version: still a success."""
    change = next_change(tab)
    other = next_change(change.tab)

    def lost_and_overtaken() -> None:
        store.commit(other)
        lost()

    faults.after(WRITE, lost_and_overtaken)

    assert store.commit(change) == change.tab

    assert store.get_tab(MERCHANT, tab.tab_id) == other.tab


def test_a_lost_race_after_a_lost_answer_is_a_version_conflict(store: DynamoDbStore, faults: Faults, tab: Tab) -> None:
    """The request did not arrive and somebody else wrote meanwhile: VersionConflict, theirs stands."""
    theirs = next_change(tab)

    def unreachable_and_overtaken() -> None:
        store.commit(theirs)
        unreachable()

    faults.before(WRITE, unreachable_and_overtaken)

    with pytest.raises(VersionConflict):
        store.commit(next_change(tab))

    assert store.get_tab(MERCHANT, tab.tab_id) == theirs.tab


def test_botocores_own_retry_is_recognised_too(store: DynamoDbStore, client: Any, tab: Tab) -> None:
    """botocore sends the request again after an answer it can't use; what it finds in place is ours: a success.

    moto ignores the request token, so its second answer is a failed condition, as DynamoDB's is after ten minutes.
    """
    change, request = everything(tab, fact_key="f", object_id="o"), record()
    sent = []

    def spoil(parsed_response: Any, **given: Any) -> None:
        sent.append(parsed_response)
        if len(sent) == 1:
            parsed_response["Error"] = {"Code": "RequestTimeout", "Message": ""}

    client.meta.events.register(f"response-received.{WRITE}", spoil)

    assert store.commit(change, record=request) == change.tab

    assert len(sent) == 2
    assert sent[1]["Error"]["Code"] == "TransactionCanceledException"
    assert store.get_tab(MERCHANT, tab.tab_id) == change.tab


def test_answers_that_stay_away_make_the_store_unavailable(store: DynamoDbStore, faults: Faults, tab: Tab) -> None:
    """After two lost answers the caller is told, well within API Gateway's 29 s; nothing is known to be half done."""
    faults.before(WRITE, *[unreachable] * 100)

    with pytest.raises(StoreUnavailable):
        store.commit(next_change(tab))

    assert faults.calls == dynamodb_writes.LOST_ANSWERS
    assert store.get_tab(MERCHANT, tab.tab_id) == tab


def test_a_lost_answer_that_cannot_be_looked_up_is_unavailable(
    store: DynamoDbStore, client: Any, faults: Faults, tab: Tab
) -> None:
    """The write's answer and the look for it both fail: StoreUnavailable; who commits again is told the truth."""
    change = next_change(tab)
    faults.after(WRITE, lost)
    faults.before(READ, unreachable)

    with pytest.raises(StoreUnavailable):
        store.commit(change)

    assert store.commit(change) == change.tab


def test_parties_survive_lost_answers(store: DynamoDbStore, faults: Faults) -> None:
    """A merchant whose answer got lost was added once, and its own record does not refuse it."""
    request = record(resource_id="mer_new")
    faults.after(WRITE, lost)

    store.add_merchant(merchant("mer_new"), record=request)

    assert store.get_merchant("mer_new") == merchant("mer_new")
    with pytest.raises(RecordExists):
        store.add_merchant(merchant("mer_other"), record=replace(request, resource_id="mer_other"))


# Reading


@pytest.mark.parametrize(
    "injected", [lost, unreachable, answer(500, "InternalServerError"), answer(400, "ThrottlingException")]
)
def test_reads_that_fail_make_the_store_unavailable(
    store: DynamoDbStore, faults: Faults, tab: Tab, injected: Injection
) -> None:
    """botocore has retried already: what is left is StoreUnavailable, for every kind of read."""
    for operation in (READ, BATCH, "dynamodb.Query", "dynamodb.PutItem"):
        faults.before(operation, *[injected] * 100)

    for call in (
        lambda: store.get_tab(MERCHANT, tab.tab_id),
        lambda: store.get_tab_and_record(MERCHANT, tab.tab_id, "r", NOW),
        lambda: store.list_by_customer(MERCHANT, "cus_a", limit=1, cursor=None),
        lambda: store.list_entries(MERCHANT, tab.tab_id, limit=1, cursor=None),
        lambda: list(store.iter_due(NOW)),
        lambda: store.add_event(SeenEvent(account=None, event_id="e")),
    ):
        with pytest.raises(StoreUnavailable):
            call()


def test_keys_that_dynamodb_left_out_are_asked_for_again(store: DynamoDbStore, faults: Faults, tab: Tab) -> None:
    """A batch that comes back with unprocessed keys is completed."""
    request = record(tab_id=tab.tab_id)
    store.commit(next_change(tab), record=request)
    keys = [{"pk": {"S": f"TAB#{MERCHANT}#{tab.tab_id}"}, "sk": {"S": "STATE"}}]
    keys.append({"pk": {"S": f"IDEM#{request.record_id}"}, "sk": {"S": "-"}})
    unprocessed = {
        "Responses": {},
        "UnprocessedKeys": {TABLE: {"Keys": keys, "ConsistentRead": True}},
        "ResponseMetadata": {"HTTPStatusCode": 200},
    }
    faults.before(BATCH, lambda: (SimpleNamespace(status_code=200), unprocessed))

    found, standing = store.get_tab_and_record(MERCHANT, tab.tab_id, request.record_id, NOW)

    assert (found.version, standing) == (2, request)
    assert faults.calls == 2


# Several tabs


def test_several_changes_are_one_transaction(store: DynamoDbStore, faults: Faults, tab: Tab) -> None:
    """Ten tabs that are changed by a batch of the worker cost one request to read and one to write."""
    tabs = [store.commit(opening()) for _ in range(10)]
    faults.before(WRITE)
    faults.before(BATCH)
    faults.calls = 0

    found = store.find_tabs([(MERCHANT, each.tab_id) for each in tabs])
    errors = store.commit_each([next_change(each) for each in found.values()])

    assert (list(errors), faults.calls) == ([None] * 10, 2)


@pytest.mark.parametrize("trouble", [canceled("TransactionConflict", "None"), answer(500, "InternalServerError"), lost])
def test_changes_that_cannot_be_written_together_are_written_alone(
    store: DynamoDbStore, faults: Faults, tab: Tab, trouble: Injection
) -> None:
    """One try together; then each for itself, so that one that is fought over does not hold up the others."""
    changes = [next_change(tab), next_change(store.commit(opening()))]
    # botocore tries a lost answer once more by itself.
    faults.before(WRITE, trouble, trouble)

    assert list(store.commit_each(changes)) == [None, None]

    assert [store.get_tab(MERCHANT, change.tab.tab_id) for change in changes] == [change.tab for change in changes]


def test_a_change_that_lost_a_race_is_left_out_and_the_others_stay_together(
    store: DynamoDbStore, faults: Faults, tab: Tab
) -> None:
    """A webhook was faster on one tab of ten: two tries together, and one of the loser alone."""
    tabs = [tab, *(store.commit(opening()) for _ in range(9))]
    changes = [next_change(each) for each in tabs]
    store.commit(next_change(tabs[4]))
    faults.before(WRITE)
    faults.calls = 0

    errors = store.commit_each(changes)

    assert [type(error) for error in errors] == [VersionConflict if n == 4 else type(None) for n in range(10)]
    assert faults.calls == 3


def test_changes_whose_common_answer_is_lost_are_not_written_twice(
    store: DynamoDbStore, faults: Faults, tab: Tab
) -> None:
    """They stand already; written alone, each is recognised by its change id."""
    changes = [next_change(tab), next_change(store.commit(opening()))]
    faults.after(WRITE, lost, lost)

    assert list(store.commit_each(changes)) == [None, None]

    assert [store.get_tab(MERCHANT, change.tab.tab_id) for change in changes] == [change.tab for change in changes]


def test_a_tab_that_cannot_be_read_does_not_hold_up_the_others(
    store: DynamoDbStore, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tab of a newer release, or one whose text is broken, is left out of a batch."""
    newer, broken, fine = (store.commit(opening()) for _ in range(3))
    for each, name, value in ((newer, "schema_version", {"N": "99"}), (broken, "data", {"S": "{"})):
        client.update_item(
            TableName=TABLE,
            Key={"pk": {"S": f"TAB#{MERCHANT}#{each.tab_id}"}, "sk": {"S": "STATE"}},
            UpdateExpression="SET #name = :value",
            ExpressionAttributeNames={"#name": name},
            ExpressionAttributeValues={":value": value},
        )

    assert store.find_tabs([(MERCHANT, each.tab_id) for each in (newer, broken, fine)]) == {
        (MERCHANT, fine.tab_id): fine
    }


def test_a_shard_that_cannot_be_read_does_not_keep_the_others_waiting(
    store: DynamoDbStore, client: Any, faults: Faults
) -> None:
    """All that is due in the other shards is named; then the sweep ends in StoreUnavailable."""
    due = [store.commit(acting_at(opening(), NOW)) for _ in range(20)]
    unread_shard = due_shard(due[0].tab_id)
    faults.before("dynamodb.Query", *[None] * unread_shard, unreachable)
    found: list[str] = []

    with pytest.raises(StoreUnavailable):
        found.extend(due.tab_id or "" for due in store.iter_due(NOW))

    assert sorted(found) == sorted(tab.tab_id for tab in due if due_shard(tab.tab_id) != unread_shard)
