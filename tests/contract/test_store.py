"""The contract of TabStore, tested on every implementation."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta, timezone
from functools import partial
from typing import Any

import pytest
from msgspec.structs import replace

from chalicelib.domain.books.differences import Progress, Stage
from chalicelib.domain.branding import Branding
from chalicelib.domain.errors import InvalidInput, NotFound
from chalicelib.domain.parties import CardConsent, anonymous
from chalicelib.domain.tab.attempt import AttemptState, Operation
from chalicelib.domain.tab.commands import bill, booking
from chalicelib.domain.tab.draft import Change, Draft
from chalicelib.domain.tab.payments import Card, HoldState
from chalicelib.domain.tab.status import Status
from chalicelib.domain.tab.tab import Followup, Tab
from chalicelib.ports.people import People
from chalicelib.ports.store import (
    DueTab,
    EventAlreadySeen,
    FactsAlreadyApplied,
    Page,
    Pointer,
    RecordExists,
    SeenEvent,
    Span,
    TabStore,
    VersionConflict,
)
from tests.contract.store_kit import (
    MERCHANT,
    NOW,
    acting_at,
    add_items,
    customer,
    everything,
    find_pointer,
    full_tab,
    has_seen,
    merchant,
    new_id,
    next_change,
    opening,
    record,
)

SECOND = timedelta(seconds=1)
STARTS_AT = NOW + timedelta(days=2)


def read_all(list_page: Callable[..., Page[Any]], *args: Any, limit: int) -> list[Any]:
    """Every row of a listing, page after page."""
    page = list_page(*args, limit=limit, cursor=None)
    rows = list(page.items)
    while page.next_cursor is not None:
        page = list_page(*args, limit=limit, cursor=page.next_cursor)
        assert 1 <= len(page.items) <= limit, "next_cursor is None on the last page"
        rows += page.items
    return rows


def mistyped(cursor: str) -> str:
    middle = len(cursor) // 2
    return cursor[:middle] + ("A" if cursor[middle] != "A" else "B") + cursor[middle + 1 :]


# Reading back


def test_a_new_tab_is_read_as_it_was_committed(store: TabStore) -> None:
    """commit returns the change's tab, and get_tab returns an equal one from then on."""
    change = opening(starts_at=STARTS_AT)

    committed = store.commit(change)

    assert committed == change.tab
    assert store.get_tab(MERCHANT, committed.tab_id) == change.tab


def test_every_field_comes_back_exactly(store: TabStore) -> None:
    """A tab with something in every field comes back equal, instants to the microsecond and texts to the character."""
    tab = full_tab()

    store.commit(replace(opening(), tab=tab, entries=()))

    assert store.get_tab(MERCHANT, tab.tab_id) == tab


def test_instants_come_back_in_utc(store: TabStore) -> None:
    """An instant given in another zone is the same instant when read."""
    zone = timezone(timedelta(hours=9))
    tab = replace(opening().tab, presented_at=NOW.astimezone(zone))

    store.commit(replace(opening(), tab=tab, entries=()))

    assert store.get_tab(MERCHANT, tab.tab_id).presented_at == NOW


@pytest.mark.parametrize("tab_id", ["tab_unknown", "", "#", f"x#{MERCHANT}", "tab_" + "x" * 3000, "tab_é"])
def test_what_is_not_there_is_not_found(store: TabStore, tab_id: str) -> None:
    """A tab id that nothing is stored under, whatever it looks like, raises NotFound."""
    with pytest.raises(NotFound):
        store.get_tab(MERCHANT, tab_id)
    with pytest.raises(NotFound):
        store.get_tab_and_record(MERCHANT, tab_id, "record", NOW)


def test_another_merchants_tab_is_not_found(store: TabStore) -> None:
    """A tab is found under its own merchant only, as are its history and its attempts."""
    change = opening()
    tab = store.commit(change)
    closing = everything(tab, fact_key="pi_1:declined", object_id="pi_1")
    store.commit(closing)

    with pytest.raises(NotFound):
        store.get_tab("mer_b", tab.tab_id)
    assert store.list_entries("mer_b", tab.tab_id, limit=10, cursor=None) == Page(items=(), next_cursor=None)
    assert store.find_attempt("mer_b", tab.tab_id, closing.closed_attempts[0].attempt_id) is None


def test_many_tabs_are_read_at_once(store: TabStore) -> None:
    """By their owners; what is not there, or cannot be an id, is left out."""
    tabs = [store.commit(opening(merchant_id=f"mer_{n % 2}")) for n in range(3)]
    owners = [(tab.merchant_id, tab.tab_id) for tab in tabs]

    found = store.find_tabs([*owners, owners[0], (MERCHANT, "tab_unknown"), (MERCHANT, "#"), ("mer_b", tabs[0].tab_id)])

    assert found == dict(zip(owners, tabs, strict=True))
    assert store.find_tabs([]) == {}


# Versions


def test_a_change_replaces_the_version_it_was_decided_on(store: TabStore) -> None:
    """The next version is committed on top of the one it was decided on."""
    tab = store.commit(opening())

    changed = store.commit(next_change(tab, add_items(1200, 800)))

    assert changed.version == tab.version + 1
    assert store.get_tab(MERCHANT, tab.tab_id) == changed


def test_a_change_decided_on_an_older_version_is_refused(store: TabStore) -> None:
    """Two changes decided on one version: the second raises VersionConflict, and the first one stands."""
    tab = store.commit(opening())
    first, second = next_change(tab, add_items(100)), next_change(tab, add_items(200))
    store.commit(first)

    with pytest.raises(VersionConflict):
        store.commit(second)

    assert store.get_tab(MERCHANT, tab.tab_id) == first.tab


def test_a_new_tab_does_not_replace_one(store: TabStore) -> None:
    """A change that believes its tab to be new is refused if there is one by that id."""
    tab = store.commit(opening())
    again = opening()
    again = replace(again, tab=replace(again.tab, tab_id=tab.tab_id))

    with pytest.raises(VersionConflict):
        store.commit(again)
    with pytest.raises(VersionConflict):
        store.commit(replace(again, entries=()))

    assert store.get_tab(MERCHANT, tab.tab_id) == tab


def test_a_change_to_a_tab_that_is_not_there_is_refused(store: TabStore) -> None:
    """A change decided on a version that is not stored raises VersionConflict and creates nothing."""
    never_stored = opening().tab

    with pytest.raises(VersionConflict):
        store.commit(next_change(never_stored))

    with pytest.raises(NotFound):
        store.get_tab(MERCHANT, never_stored.tab_id)


def test_the_same_change_again_is_a_success(store: TabStore) -> None:
    """Committing a change that has won already returns its tab and writes nothing twice."""
    tab = store.commit(opening())
    change, request, event = (
        everything(tab, fact_key="f", object_id="o"),
        record(),
        SeenEvent(account=None, event_id="e"),
    )
    store.commit(change, record=request, event=event)

    assert store.commit(change, record=request, event=event) == change.tab

    assert len(read_all(store.list_entries, MERCHANT, tab.tab_id, limit=50)) == change.tab.entry_count


def test_the_same_change_again_does_not_undo_later_ones(store: TabStore) -> None:
    """A change that has won, and was built upon since, is a success when repeated; the later version stands."""
    tab = store.commit(opening())
    change = next_change(tab)
    later = store.commit(next_change(store.commit(change)))

    assert store.commit(change) == change.tab

    assert store.get_tab(MERCHANT, tab.tab_id) == later


# Changes of several tabs


def test_changes_of_several_tabs_are_all_written(store: TabStore) -> None:
    """More than fit into one transaction, with their entries, facts, closed attempts and pointers."""
    tabs = [store.commit(opening()) for _ in range(12)]
    changes = [everything(tab, fact_key=f"f{n}", object_id=f"o{n}") for n, tab in enumerate(tabs)]
    changes.append(next_change(store.commit(opening()), lambda draft: [draft.record("noted") for _ in range(40)]))

    assert list(store.commit_each(changes)) == [None] * 13

    for change in changes:
        assert store.get_tab(MERCHANT, change.tab.tab_id) == change.tab
        entries = read_all(store.list_entries, MERCHANT, change.tab.tab_id, limit=50)
        assert len(entries) == change.tab.entry_count
    assert store.read_records(MERCHANT, tabs[0].tab_id).fact_keys == {"f0"}
    assert find_pointer(store, tabs[1].account, "o1") is not None


def test_a_change_that_is_refused_does_not_keep_the_others_from_being_written(store: TabStore) -> None:
    """Each change succeeds or fails as if it had been committed by itself, and a failed one writes nothing."""
    late, applied, fine = (store.commit(opening()) for _ in range(3))
    outdated = next_change(late, add_items(100))
    winner = store.commit(next_change(late))
    applied = store.commit(everything(applied, fact_key="f", object_id="o"))
    again = everything(applied, fact_key="f", object_id="o")
    change = next_change(fine)

    errors = store.commit_each([outdated, change, again])

    assert [type(error) for error in errors] == [VersionConflict, type(None), FactsAlreadyApplied]
    assert store.get_tab(MERCHANT, late.tab_id) == winner
    assert store.get_tab(MERCHANT, fine.tab_id) == change.tab
    assert store.get_tab(MERCHANT, applied.tab_id) == applied


def test_the_same_changes_again_are_a_success(store: TabStore) -> None:
    """As with one change: what has won already is not written twice."""
    changes = [next_change(store.commit(opening())) for _ in range(2)]
    store.commit_each(changes)

    assert list(store.commit_each(changes)) == [None, None]

    assert len(read_all(store.list_entries, MERCHANT, changes[0].tab.tab_id, limit=50)) == 2


def test_no_changes_are_no_request(store: TabStore) -> None:
    """A worker may find that nothing is left to write."""
    assert list(store.commit_each([])) == []


# All or nothing


@pytest.mark.parametrize(
    ("refused_by", "error"),
    [
        ("event", EventAlreadySeen),
        ("record", RecordExists),
        ("fact", FactsAlreadyApplied),
        ("version", VersionConflict),
    ],
)
def test_a_refused_change_leaves_no_trace(store: TabStore, refused_by: str, error: type[Exception]) -> None:
    """Whichever condition fails: no snapshot, entry, attempt, fact, pointer, record or event of the change is there."""
    tab = store.commit(opening())
    change = everything(tab, fact_key="pi_9:charged:500", object_id="pi_9")
    request, event = record(), SeenEvent(account="acct_1", event_id="evt_9")
    if refused_by == "event":
        store.add_event(event)
    elif refused_by == "record":
        store.commit(opening(), record=replace(request, request_sha256="other"))
    elif refused_by == "fact":
        tab = store.commit(next_change(tab, lambda draft: draft.fact_keys.append("pi_9:charged:500")))
        change = everything(tab, fact_key="pi_9:charged:500", object_id="pi_9")
    else:
        tab = store.commit(next_change(tab))

    with pytest.raises(error):
        store.commit(change, record=request, event=event)

    assert store.get_tab(MERCHANT, tab.tab_id) == tab
    assert len(read_all(store.list_entries, MERCHANT, tab.tab_id, limit=50)) == tab.entry_count
    assert store.find_attempt(MERCHANT, tab.tab_id, change.closed_attempts[0].attempt_id) is None
    assert find_pointer(store, tab.account, "pi_9") is None
    assert has_seen(store, event) == (refused_by == "event")
    standing = store.find_record(request.record_id, NOW)
    assert (standing is None) if refused_by != "record" else (standing is not None and standing != request)
    if refused_by != "fact":
        # The fact is not on record either: a change that brings it again goes through.
        store.commit(everything(tab, fact_key="pi_9:charged:500", object_id="pi_9"))


def test_of_several_reasons_the_earliest_in_the_contracts_order_is_raised(store: TabStore) -> None:
    """Where several conditions fail: event before record before facts before version."""
    tab = store.commit(opening())
    request, event = record(), SeenEvent(account=None, event_id="evt_1")
    store.commit(next_change(tab, lambda draft: draft.fact_keys.append("f")), record=request, event=event)
    stale = next_change(tab, lambda draft: draft.fact_keys.append("f"))

    with pytest.raises(EventAlreadySeen):
        store.commit(stale, record=request, event=event)
    with pytest.raises(RecordExists):
        store.commit(stale, record=request)
    with pytest.raises(FactsAlreadyApplied):
        store.commit(stale)
    with pytest.raises(VersionConflict):
        store.commit(replace(stale, fact_keys=()))


def test_a_large_change_is_one_transaction(store: TabStore) -> None:
    """A change of fifty and more items is written whole."""
    tab = store.commit(opening())

    def write(draft: Draft) -> None:
        for number in range(50):
            draft.record("noted", number=number)
            if number < 20:
                draft.fact_keys.append(f"pi_{number}:charged:100")
                draft.objects.append((f"pi_{number}", None))

    change = next_change(tab, write)
    store.commit(change, record=record(), event=SeenEvent(account=None, event_id="evt_1"))

    assert store.get_tab(MERCHANT, tab.tab_id) == change.tab
    assert tuple(read_all(store.list_entries, MERCHANT, tab.tab_id, limit=60)[1:]) == change.entries
    assert find_pointer(store, tab.account, "pi_19") is not None


# Facts


def test_a_fact_is_applied_once(store: TabStore) -> None:
    """A fact that is on record is named by FactsAlreadyApplied, and only it, though the version is right."""
    tab = store.commit(opening())
    tab = store.commit(next_change(tab, lambda draft: draft.fact_keys.append("pi_1:charged:100")))

    with pytest.raises(FactsAlreadyApplied) as refused:
        store.commit(next_change(tab, lambda draft: draft.fact_keys.extend(["pi_2:charged:100", "pi_1:charged:100"])))

    assert refused.value.keys == ("pi_1:charged:100",)


def test_facts_belong_to_their_tab(store: TabStore) -> None:
    """The same fact key may be applied to another tab."""
    first, second = store.commit(opening()), store.commit(opening())

    store.commit(next_change(first, lambda draft: draft.fact_keys.append("f")))
    store.commit(next_change(second, lambda draft: draft.fact_keys.append("f")))


# Idempotency records


@pytest.mark.parametrize("what", ["attempt_id", "snapshot", "resource_id"])
def test_a_record_comes_back_exactly(store: TabStore, what: str) -> None:
    """A record is found as it was written, whatever it answers from."""
    change = opening()
    value = full_tab() if what == "snapshot" else new_id("att")
    request = record(tab_id=change.tab.tab_id, **{what: value})

    store.commit(change, record=request)

    assert store.find_record(request.record_id, NOW) == request
    assert store.get_tab_and_record(MERCHANT, change.tab.tab_id, request.record_id, NOW) == (change.tab, request)


def test_a_record_that_is_not_there_is_none(store: TabStore) -> None:
    """No record under this id: None, and the tab all the same."""
    tab = store.commit(opening())

    assert store.find_record("mer_a#staff_1#unused", NOW) is None
    assert store.get_tab_and_record(MERCHANT, tab.tab_id, "mer_a#staff_1#unused", NOW) == (tab, None)


def test_a_record_ends_by_business_time(store: TabStore) -> None:
    """A record is found until the instant it expires, by the clock that is handed in."""
    change, request = opening(), record()
    store.commit(change, record=request)

    last = request.expires_at - timedelta(microseconds=1)

    assert store.find_record(request.record_id, last) == request
    assert store.find_record(request.record_id, request.expires_at) is None
    assert store.get_tab_and_record(MERCHANT, change.tab.tab_id, request.record_id, last)[1] == request
    assert store.get_tab_and_record(MERCHANT, change.tab.tab_id, request.record_id, request.expires_at)[1] is None


def test_a_standing_record_refuses_and_is_shown(store: TabStore) -> None:
    """The same key while its record stands raises RecordExists with the record that stands."""
    tab = store.commit(opening())
    first = record(tab_id=tab.tab_id)
    store.commit(next_change(tab), record=first)

    again = record(first.record_id, at=first.expires_at - timedelta(microseconds=1))
    with pytest.raises(RecordExists) as refused:
        store.commit(opening(), record=again)

    assert refused.value.record == first


def test_an_expired_record_gives_way(store: TabStore) -> None:
    """The same key after its record has expired writes a new one in its place."""
    first = record()
    store.commit(opening(), record=first)
    second = record(first.record_id, at=first.expires_at)

    store.commit(opening(), record=second)

    assert store.find_record(first.record_id, second.created_at) == second


# Events


def test_an_event_is_seen_once_its_change_is_committed(store: TabStore) -> None:
    """An event is unseen before, seen after, and refused with the next change."""
    tab = store.commit(opening())
    event = SeenEvent(account="acct_1", event_id="evt_1")
    assert not has_seen(store, event)

    tab = store.commit(next_change(tab), event=event)

    assert has_seen(store, event)
    with pytest.raises(EventAlreadySeen):
        store.commit(next_change(tab), event=event)


def test_an_event_that_changed_nothing_is_remembered(store: TabStore) -> None:
    """add_event may be repeated, and the event is seen from then on."""
    event = SeenEvent(account=None, event_id="evt_1")

    store.add_event(event)
    store.add_event(event)

    assert has_seen(store, event)


def test_events_belong_to_their_account(store: TabStore) -> None:
    """The same event id in another account is another event."""
    store.add_event(SeenEvent(account="acct_1", event_id="evt_1"))

    assert not has_seen(store, SeenEvent(account=None, event_id="evt_1"))
    assert not has_seen(store, SeenEvent(account="acct_2", event_id="evt_1"))


def test_what_an_event_needs_is_read_at_once(store: TabStore) -> None:
    """Seen or not, the tab, and the pointers that there are: in the order asked for, and each once."""
    opened = opening()
    store.commit(opened)
    tab = store.commit(next_change(opened.tab, lambda draft: draft.objects.extend([("pi_1", "att_1"), ("ch_1", None)])))
    event = SeenEvent(account="acct_1", event_id="evt_1")

    known = store.find_for_event(
        event, tab=(MERCHANT, tab.tab_id), object_ids=["dp_1", "ch_1", "pi_1", "ch_1", "cus_none"]
    )

    assert not known.is_seen
    assert known.tab == tab
    assert [pointer.object_id for pointer in known.pointers] == ["ch_1", "pi_1"]

    store.add_event(event)
    again = store.find_for_event(event, tab=(MERCHANT, tab.tab_id))
    assert (again.is_seen, again.tab, again.pointers) == (True, tab, ())


@pytest.mark.parametrize("wanted", [None, (MERCHANT, "tab_none"), ("mer_none", "tab"), (MERCHANT, "a#b"), ("", "")])
def test_an_event_about_no_tab_of_ours_finds_none(store: TabStore, wanted: tuple[str, str] | None) -> None:
    """What a sender made up for ids leads nowhere, and is no error: the event may still be somebody's."""
    store.commit(opening())

    assert store.find_for_event(SeenEvent(account=None, event_id="evt_1"), tab=wanted).tab is None


# Pointers and attempts


def test_an_object_leads_to_its_tab_and_attempt(store: TabStore) -> None:
    """An object that a change made known is found under the tab's account, and under no other."""
    tab = store.commit(opening())
    change = next_change(tab, lambda draft: draft.objects.extend([("pi_1", "att_1"), ("re_1", None)]))
    store.commit(change)

    assert find_pointer(store, "acct_1", "pi_1") == Pointer(
        account="acct_1", object_id="pi_1", merchant_id=MERCHANT, tab_id=tab.tab_id, attempt_id="att_1"
    )
    found = find_pointer(store, "acct_1", "re_1")
    assert found is not None
    assert found.attempt_id is None
    assert find_pointer(store, None, "pi_1") is None
    assert find_pointer(store, "acct_1", "pi_2") is None


def test_an_object_may_become_known_again(store: TabStore) -> None:
    """A pointer is written over without complaint."""
    tab = store.commit(opening())
    tab = store.commit(next_change(tab, lambda draft: draft.objects.append(("pi_1", None))))

    store.commit(next_change(tab, lambda draft: draft.objects.append(("pi_1", "att_1"))))

    found = find_pointer(store, tab.account, "pi_1")
    assert found is not None
    assert found.attempt_id == "att_1"


def test_a_closed_attempt_is_found_beside_the_tab(store: TabStore) -> None:
    """An attempt is in the snapshot while it is open, and by its id alone once it is closed."""
    tab = store.commit(opening())

    begun = next_change(tab, lambda draft: draft.begin(Operation.REFUND, 500, check_at=draft.now + SECOND))
    (attempt,) = begun.tab.attempts
    tab = store.commit(begun)
    assert store.find_attempt(MERCHANT, tab.tab_id, attempt.attempt_id) is None
    ended = next_change(tab, lambda draft: draft.end_attempt(attempt, AttemptState.SUCCEEDED))
    tab = store.commit(ended)

    assert store.get_tab(MERCHANT, tab.tab_id).attempts == ()
    assert store.find_attempt(MERCHANT, tab.tab_id, attempt.attempt_id) == ended.closed_attempts[0]
    assert store.find_attempt(MERCHANT, tab.tab_id, "att_unknown") is None


# History


@pytest.mark.parametrize("limit", [1, 7, 12, 13, 100])
def test_the_history_is_read_page_by_page_oldest_first(store: TabStore, limit: int) -> None:
    """All entries come back equal and in their order, whatever the limit, and the last page names no next one."""
    change = opening()
    tab, entries = store.commit(change), list(change.entries)
    change = next_change(
        tab, lambda draft: [draft.record("noted", text="ä", n=n, deep=[{"x": None}]) for n in range(8)]
    )
    tab, entries = store.commit(change), entries + list(change.entries)
    change = next_change(tab, add_items(1000))
    tab, entries = store.commit(change), entries + list(change.entries)
    change = next_change(tab, lambda draft: (draft.record("noted"), draft.record("noted")))
    tab, entries = store.commit(change), entries + list(change.entries)
    assert len(entries) == 12

    assert read_all(store.list_entries, MERCHANT, tab.tab_id, limit=limit) == entries


def test_postings_are_in_the_history(store: TabStore) -> None:
    """An entry comes back with what it posted."""
    tab = store.commit(opening())
    tab = store.commit(next_change(tab, add_items(1190)))

    change = next_change(tab, bill.complete)
    store.commit(change)

    assert any(entry.postings for entry in change.entries)
    assert read_all(store.list_entries, MERCHANT, tab.tab_id, limit=50)[2:] == list(change.entries)


def test_pointers_are_found_together(store: TabStore) -> None:
    """However many are asked for at once; those that are not there, or another account's, are left out."""
    change = opening()
    names = [f"pi_{number}" for number in range(150)]
    store.commit(replace(change, objects=tuple((name, None) for name in names[:90])))

    found = store.find_pointers(change.tab.account, [*names, names[0]])

    assert sorted(found) == sorted(names[:90])
    assert {pointer.tab_id for pointer in found.values()} == {change.tab.tab_id}
    assert store.find_pointers("acct_other", names) == {}
    assert store.find_pointers(change.tab.account, []) == {}


# Everything of a tab


def test_all_that_is_on_record_of_a_tab_is_read_together(store: TabStore) -> None:
    """Snapshot, history, closed attempts and facts, and no other tab's."""
    first = store.commit(opening())
    store.commit(everything(store.commit(opening()), fact_key="f_other", object_id="pi_other"))
    change = everything(first, fact_key="pi_1:charged:100", object_id="pi_1")
    tab = store.commit(change)

    records = store.read_records(MERCHANT, tab.tab_id)

    assert records.tab == tab
    assert [entry.seq for entry in records.entries] == list(range(1, tab.entry_count + 1))
    assert records.attempts == change.closed_attempts
    assert records.fact_keys == {"pi_1:charged:100"}


@pytest.mark.parametrize("tab_id", ["tab_unknown", "tab_1#STATE", ""])
def test_of_an_unknown_tab_nothing_is_on_record(store: TabStore, tab_id: str) -> None:
    """Also where a stranger has made up the id."""
    records = store.read_records(MERCHANT, tab_id)

    assert (records.tab, records.entries, records.attempts, records.fact_keys) == (None, (), (), frozenset())


# Listings


def listed(page: Page[Any]) -> list[str]:
    return [row.tab_id for row in page.items]


def test_a_listing_shows_what_the_tab_shows(store: TabStore) -> None:
    """Every figure of a row equals the tab's own."""
    tab = full_tab()
    store.commit(replace(opening(), tab=tab, entries=()))

    (by_status,) = store.list_by_status(MERCHANT, tab.status, limit=10, cursor=None).items
    (by_customer,) = store.list_by_customer(MERCHANT, tab.customer_id, limit=10, cursor=None).items

    assert by_status == by_customer
    own = [name for name in by_status.__struct_fields__ if name != "shared_minor"]
    assert {name: getattr(by_status, name) for name in own} == {name: getattr(tab, name) for name in own}
    assert by_status.shared_minor == sum(share.out_minor - share.told.paid_minor for share in tab.open_shares)


def test_a_listing_tells_what_is_held_and_expected(store: TabStore) -> None:
    """When it fell due, what is held until when, and when the balance is expected are in both listings."""
    tab = full_tab()
    store.commit(replace(opening(), tab=tab, entries=()))

    for page in (
        store.list_by_status(MERCHANT, tab.status, limit=10, cursor=None),
        store.list_by_customer(MERCHANT, tab.customer_id, limit=10, cursor=None),
    ):
        (row,) = page.items
        assert (row.due_at, row.held_minor, row.hold_expires_at) == (NOW, 1100, NOW + timedelta(days=5, hours=18))
        assert row.expected_at == NOW + timedelta(days=1)
        # What was waived or written off of a presented bill is not at risk any more.
        assert (row.balance_minor, row.exposure_minor) == (tab.balance_minor, tab.balance_minor)


def test_what_is_over_leaves_the_listing(store: TabStore) -> None:
    """A tab that is due no more, holds nothing and expects nothing says so, though it once did."""
    tab = full_tab()
    store.commit(replace(opening(), tab=tab, entries=()))
    released = tuple(replace(hold, state=HoldState.RELEASED) for hold in tab.holds if not hold.captured_minor)
    after = replace(tab, holds=released, due_at=None, followup=Followup(), version=2, change_id=new_id("chg"))
    store.commit(replace(opening(), tab=after, entries=(), base_version=1))

    (row,) = store.list_by_status(MERCHANT, tab.status, limit=10, cursor=None).items

    assert (row.due_at, row.held_minor, row.hold_expires_at, row.expected_at) == (None, 0, None, None)


@pytest.mark.parametrize("limit", [1, 2, 5, 100])
def test_tabs_are_listed_newest_first(store: TabStore, limit: int) -> None:
    """By status and by customer: newest first, each tab once, whatever the limit; equal instants keep one order."""
    times = [NOW, NOW + timedelta(microseconds=1), NOW + SECOND, NOW + SECOND, NOW + timedelta(days=400)]
    tabs = [store.commit(opening(at=at)) for at in times]
    newest_first = [tab.tab_id for tab in reversed(tabs)]

    by_status = read_all(store.list_by_status, MERCHANT, Status.OPEN, limit=limit)
    by_customer = read_all(store.list_by_customer, MERCHANT, "cus_a", limit=limit)

    assert [row.tab_id for row in by_status] == newest_first
    assert [row.tab_id for row in by_customer] == newest_first


def test_a_span_is_a_part_of_a_listing(store: TabStore) -> None:
    """Opened from an instant on and before another, in either order; a cursor belongs to its span."""
    tabs = [store.commit(opening(at=NOW + n * SECOND)).tab_id for n in range(5)]
    middle = Span(since=NOW + SECOND, until=NOW + 4 * SECOND)

    for lists in (
        partial(store.list_by_status, MERCHANT, Status.OPEN),
        partial(store.list_by_customer, MERCHANT, "cus_a"),
    ):
        assert listed(lists(limit=10, cursor=None, span=middle)) == [tabs[3], tabs[2], tabs[1]]
        assert listed(lists(limit=10, cursor=None, span=Span(since=NOW + 3 * SECOND))) == [tabs[4], tabs[3]]
        assert listed(lists(limit=10, cursor=None, span=Span(until=NOW + SECOND))) == [tabs[0]]
        oldest = replace(middle, oldest_first=True)
        page = lists(limit=2, cursor=None, span=oldest)
        assert listed(page) == [tabs[1], tabs[2]]
        assert listed(lists(limit=2, cursor=page.next_cursor, span=oldest)) == [tabs[3]]
        for other in (middle, Span(oldest_first=True), replace(oldest, only="paid"), Span()):
            with pytest.raises(InvalidInput):
                lists(limit=2, cursor=page.next_cursor, span=other)


def test_a_listing_is_one_merchants_and_one_status_or_customer(store: TabStore) -> None:
    """Nobody else's tabs are in it: no other merchant's, status's or customer's."""
    mine = store.commit(opening())
    store.commit(opening(merchant_id="mer_b"))
    booked = store.commit(opening(starts_at=STARTS_AT, customer_id="cus_b"))

    assert listed(store.list_by_status(MERCHANT, Status.OPEN, limit=10, cursor=None)) == [mine.tab_id]
    assert listed(store.list_by_status(MERCHANT, Status.BOOKED, limit=10, cursor=None)) == [booked.tab_id]
    assert listed(store.list_by_status(MERCHANT, Status.CLOSED, limit=10, cursor=None)) == []
    assert listed(store.list_by_customer(MERCHANT, "cus_b", limit=10, cursor=None)) == [booked.tab_id]
    assert listed(store.list_by_customer("mer_b", "cus_b", limit=10, cursor=None)) == []
    assert listed(store.list_by_customer(MERCHANT, "cus_a#x", limit=10, cursor=None)) == []


def test_a_tab_moves_with_its_status_and_stays_with_its_customer(store: TabStore) -> None:
    """A tab that changes its status leaves one listing for another."""
    tab = store.commit(opening(starts_at=STARTS_AT))

    store.commit(next_change(tab, booking.check_in))

    assert listed(store.list_by_status(MERCHANT, Status.BOOKED, limit=10, cursor=None)) == []
    assert listed(store.list_by_status(MERCHANT, Status.OPEN, limit=10, cursor=None)) == [tab.tab_id]
    (row,) = store.list_by_customer(MERCHANT, tab.customer_id, limit=10, cursor=None).items
    assert (row.status, row.version) == (Status.OPEN, 2)


def test_a_page_goes_on_where_the_last_one_ended_though_that_tab_has_left(store: TabStore) -> None:
    """The tab at which a page ended may change its status: the next page begins after its place all the same."""
    first, second, third = (store.commit(opening(at=NOW + n * SECOND, starts_at=STARTS_AT)) for n in range(3))

    page = store.list_by_status(MERCHANT, Status.BOOKED, limit=2, cursor=None)
    assert listed(page) == [third.tab_id, second.tab_id]
    store.commit(next_change(second, booking.check_in))

    assert listed(store.list_by_status(MERCHANT, Status.BOOKED, limit=2, cursor=page.next_cursor)) == [first.tab_id]


def test_cursors_of_other_listings_and_made_up_ones_are_refused(store: TabStore) -> None:
    """A cursor from another merchant, status, customer, tab or kind of listing, or a tampered one, is InvalidInput."""
    for merchant_id in (MERCHANT, "mer_b"):
        for _ in range(2):
            tab = store.commit(opening(merchant_id=merchant_id))
            tab = store.commit(next_change(tab))
    by_status = store.list_by_status(MERCHANT, Status.OPEN, limit=1, cursor=None).next_cursor
    by_customer = store.list_by_customer(MERCHANT, "cus_a", limit=1, cursor=None).next_cursor
    history = store.list_entries("mer_b", tab.tab_id, limit=1, cursor=None).next_cursor
    assert by_status
    assert by_customer
    assert history

    for cursor in (
        by_customer,
        history,
        mistyped(by_status),
        by_status[:-1],
        by_status + "=",
        "",
        "x",
        "é",
        "A" * 9000,
    ):
        with pytest.raises(InvalidInput):
            store.list_by_status(MERCHANT, Status.OPEN, limit=1, cursor=cursor)
    for merchant_id, status in (("mer_b", Status.OPEN), (MERCHANT, Status.BOOKED)):
        with pytest.raises(InvalidInput):
            store.list_by_status(merchant_id, status, limit=1, cursor=by_status)
    for cursor in (by_status, history, mistyped(by_customer)):
        with pytest.raises(InvalidInput):
            store.list_by_customer(MERCHANT, "cus_a", limit=1, cursor=cursor)
    with pytest.raises(InvalidInput):
        store.list_by_customer(MERCHANT, "cus_b", limit=1, cursor=by_customer)
    for cursor in (by_status, by_customer, mistyped(history)):
        with pytest.raises(InvalidInput):
            store.list_entries("mer_b", tab.tab_id, limit=1, cursor=cursor)


# What is due


def due_tab(store: TabStore) -> Tab:
    """A booked tab whose deposit lapses some time."""
    tab = store.commit(opening(starts_at=STARTS_AT))
    assert tab.next_action_at is not None
    return tab


def test_a_tab_is_due_from_its_next_action_on(store: TabStore) -> None:
    """iter_due names a tab from the very instant of its next action, and not before."""
    tab = due_tab(store)
    assert tab.next_action_at is not None

    assert list(store.iter_due(tab.next_action_at - timedelta(microseconds=1))) == []
    assert list(store.iter_due(tab.next_action_at)) == [DueTab(MERCHANT, tab.tab_id)]
    assert list(store.iter_due(tab.next_action_at + timedelta(days=900))) == [DueTab(MERCHANT, tab.tab_id)]


def test_a_tab_with_nothing_pending_is_never_due(store: TabStore) -> None:
    """A tab whose next_action_at becomes None leaves the index, and comes back when something is pending again."""
    tab = due_tab(store)

    far = STARTS_AT + timedelta(days=900)

    tab = store.commit(acting_at(next_change(tab), None))
    assert list(store.iter_due(far)) == []

    tab = store.commit(acting_at(next_change(tab), far))
    assert list(store.iter_due(far - SECOND)) == []
    assert list(store.iter_due(far)) == [DueTab(MERCHANT, tab.tab_id)]


def test_everything_due_is_named_once(store: TabStore) -> None:
    """All due tabs of all merchants, over all shards, each once, and none that are not due."""
    opened = [opening(merchant_id=f"mer_{n % 3}", starts_at=STARTS_AT) for n in range(80)]
    assert not any(store.commit_each(opened))
    due = [change.tab for change in opened]
    later = store.commit(opening(at=NOW + timedelta(days=1), starts_at=STARTS_AT))
    store.commit(opening())
    now = max(tab.next_action_at for tab in due if tab.next_action_at)
    assert later.next_action_at is not None
    assert now < later.next_action_at

    found = list(store.iter_due(now))

    assert len(found) == len(due)
    assert set(found) == {DueTab(tab.merchant_id, tab.tab_id) for tab in due}


def test_a_sweep_may_stop_early(store: TabStore) -> None:
    """Whoever has seen enough closes the iterator, and the store answers as before."""
    for _ in range(5):
        tab = due_tab(store)
    assert tab.next_action_at is not None

    sweep = store.iter_due(tab.next_action_at)
    assert next(sweep).merchant_id == MERCHANT
    sweep.close()  # type: ignore[attr-defined]

    assert len(list(store.iter_due(tab.next_action_at))) == 5


# Bounds


def test_a_request_cannot_grow_a_tab_beyond_64_kb(store: TabStore) -> None:
    """A request that would make an open tab larger than 64 KB is refused with words a person can act on, whole."""
    tab = store.commit(opening())
    too_long = next_change(tab, add_items(*[100] * 100, description="漢" * 300))
    request = record()

    with pytest.raises(InvalidInput, match="64 KB"):
        store.commit(too_long, record=request)

    assert store.get_tab(MERCHANT, tab.tab_id) == tab
    assert store.find_record(request.record_id, NOW) is None
    store.commit(next_change(tab, add_items(*[100] * 100, description="Cut")), record=request)


def test_what_has_happened_is_written_however_large_the_tab(store: TabStore) -> None:
    """An outcome is stored although the tab is over the bound, and so is a request that ends the service."""

    tab = store.commit(opening())
    large = store.commit(next_change(tab, add_items(*[100] * 100, description="漢" * 300)))

    ended = store.commit(next_change(large, bill.complete), record=record())

    assert store.get_tab(MERCHANT, tab.tab_id) == ended


# Merchants and customers


def test_a_merchant_is_kept(store: TabStore) -> None:
    """A merchant comes back as added, then as updated, and the request's record with each."""
    added, request = merchant(), record(resource_id=MERCHANT)
    store.add_merchant(added, record=request)
    assert store.get_merchant(MERCHANT) == added
    assert store.find_record(request.record_id, NOW) == request

    updated, second = replace(added, name="Salon", account=None, settlement_currency=None, version=2), record()
    store.update_merchant(updated, record=second)

    assert store.get_merchant(MERCHANT) == updated
    assert store.find_record(second.record_id, NOW) == second


def test_a_branding_is_read_with_its_merchant(store: TabStore) -> None:
    """Empty until one is set; each version replaces the one before it, once a request."""
    store.add_merchant(merchant(), record=record())
    assert store.get_merchant_and_branding(MERCHANT) == (merchant(), Branding(merchant_id=MERCHANT))
    first = Branding(merchant_id=MERCHANT, name="Café", colour="#7a1f5c", version=1)
    request = record()

    store.put_branding(first, record=request)

    assert store.get_merchant_and_branding(MERCHANT) == (merchant(), first)
    with pytest.raises(RecordExists):
        store.put_branding(replace(first, version=2), record=request)
    with pytest.raises(VersionConflict):
        store.put_branding(first, record=record())
    with pytest.raises(NotFound):
        store.get_merchant_and_branding("mer_b")


def test_a_customer_is_made_with_their_tab_or_not_at_all(store: TabStore, people: People) -> None:
    """Without a name they are in no list; a tab that is not written leaves nobody behind."""
    store.add_merchant(merchant(), record=record())
    change = opening(customer_id="cus_new")
    nobody = anonymous("cus_new", MERCHANT, NOW)

    store.commit(replace(change, customer=nobody))
    again = replace(opening(customer_id="cus_new"), customer=nobody)
    other = replace(opening(), base_version=7, customer=anonymous("cus_other", MERCHANT, NOW))
    for refused in (again, other):
        with pytest.raises(VersionConflict):
            store.commit(refused)

    assert store.get_customer(MERCHANT, "cus_new") == nobody
    assert people.list_customers(MERCHANT, limit=10, cursor=None).items == ()
    assert store.get_parties_and_record(MERCHANT, None, "unused", NOW) == (merchant(), None, None)
    with pytest.raises(NotFound):
        store.get_customer(MERCHANT, "cus_other")
    with pytest.raises(NotFound):
        store.get_tab(MERCHANT, again.tab.tab_id)


def test_what_opening_a_tab_needs_is_read_at_once(store: TabStore) -> None:
    """Merchant, customer and the request's record; without one of the two parties there is nothing to open."""
    store.add_merchant(merchant(), record=record())
    request = record()
    store.add_customer(customer(), account=None, record=request)

    found = store.get_parties_and_record(MERCHANT, "cus_a", request.record_id, NOW)

    assert found == (merchant(), customer(), request)
    assert store.get_parties_and_record(MERCHANT, "cus_a", request.record_id, request.expires_at)[2] is None
    assert store.get_parties_and_record(MERCHANT, "cus_a", "unused", NOW)[2] is None
    for merchant_id, customer_id, missing in [
        ("mer_none", "cus_a", "merchant"),
        (MERCHANT, "cus_none", "customer"),
        (MERCHANT, "a#b", "customer"),
    ]:
        with pytest.raises(NotFound, match=f"no such {missing}"):
            store.get_parties_and_record(merchant_id, customer_id, request.record_id, NOW)


def test_merchants_are_listed_with_their_accounts(store: TabStore) -> None:
    """Each once, whoever has changed since; the list of them needs no scan."""
    store.add_merchant(merchant("mer_b", account=None), record=record())
    store.add_merchant(merchant("mer_a"), record=record())
    store.update_merchant(replace(store.get_merchant("mer_b"), name="Nord", version=2))

    assert list(store.iter_merchants()) == [("mer_a", "acct_1"), ("mer_b", None)]


def test_a_customer_is_kept_with_card_and_consent(store: TabStore) -> None:
    """A customer comes back as added, then as updated, under their merchant only."""
    added = customer()
    store.add_customer(added, account=None, record=record())
    assert store.get_customer(MERCHANT, "cus_a") == added

    consent = CardConsent(subject="cus_a", terms_sha256="ab" * 32, given_at=NOW, ip="192.0.2.1", user_agent="x")
    card = Card(card_id="pm_1", brand="visa", last4="4242", saved_at=NOW)
    updated, request = replace(added, card_consent=consent, card=card, version=2), record()
    store.update_customer(updated, record=request)

    assert store.get_customer(MERCHANT, "cus_a") == updated
    assert store.find_record(request.record_id, NOW) == request
    with pytest.raises(NotFound):
        store.get_customer("mer_b", "cus_a")


def test_customers_are_found_by_their_ids(store: TabStore) -> None:
    """Each once, of this merchant; those that are not there are left out."""
    ada, ben = customer("cus_a"), customer("cus_b")
    for one in (ada, ben):
        store.add_customer(one, account=None, record=record())

    assert store.find_customers(MERCHANT, ["cus_b", "cus_unknown", "cus_a", "cus_b"]) == {"cus_a": ada, "cus_b": ben}
    assert store.find_customers("mer_b", ["cus_a"]) == store.find_customers(MERCHANT, []) == {}


def test_another_id_at_the_gateway_has_its_pointer(store: TabStore) -> None:
    """Where the customer's first one is gone: both lead to them, and the version is checked."""
    store.add_customer(customer(), account="acct_1", record=record())
    changed = replace(customer(), customer_ref="cus_stripe_new", version=2)

    store.set_customer_ref(changed, account="acct_1")

    assert store.get_customer(changed.merchant_id, changed.customer_id) == changed
    found = store.find_pointers("acct_1", ["cus_stripe_new", str(customer().customer_ref)])
    assert {pointer.customer_id for pointer in found.values()} == {changed.customer_id}
    assert len(found) == 2
    with pytest.raises(VersionConflict):
        store.set_customer_ref(changed, account="acct_1")


@pytest.mark.parametrize("account", [None, "acct_1"])
def test_a_customers_id_at_the_gateway_leads_to_them(store: TabStore, account: str | None) -> None:
    """Added, a customer is found by their id at the gateway, in their account and no other, without a tab."""
    store.add_customer(customer(), account=account, record=record())

    assert find_pointer(store, account, "cus_stripe_1") == Pointer(
        account=account, object_id="cus_stripe_1", merchant_id=MERCHANT, customer_id="cus_a"
    )
    assert find_pointer(store, "acct_2", "cus_stripe_1") is None
    assert find_pointer(store, None if account else "acct_1", "cus_stripe_1") is None
    assert find_pointer(store, account, "cus_stripe_2") is None


def test_a_customer_that_is_not_added_is_pointed_to_by_nobody(store: TabStore) -> None:
    """Refused, for the request or for the id, adding a customer leaves no pointer, and none that stood is changed."""
    first = record()
    store.add_customer(customer(), account=None, record=first)

    with pytest.raises(RecordExists):
        store.add_customer(customer("cus_b", customer_ref="cus_stripe_2"), account=None, record=first)
    with pytest.raises(VersionConflict):
        store.add_customer(customer(customer_ref="cus_stripe_3"), account=None, record=record())

    assert find_pointer(store, None, "cus_stripe_2") is None
    assert find_pointer(store, None, "cus_stripe_3") is None
    found = find_pointer(store, None, "cus_stripe_1")
    assert found is not None
    assert found.customer_id == "cus_a"


@pytest.mark.parametrize("unknown", ["unknown", "", "a#b", "x" * 3000])
def test_unknown_parties_are_not_found(store: TabStore, unknown: str) -> None:
    """A merchant or customer that is not stored raises NotFound."""
    with pytest.raises(NotFound):
        store.get_merchant(unknown)
    with pytest.raises(NotFound):
        store.get_customer(MERCHANT, unknown)


def test_a_party_is_updated_from_its_stored_version_only(store: TabStore) -> None:
    """An update decided on another version than the stored one raises VersionConflict and writes no record."""
    store.add_merchant(merchant(), record=record())
    store.update_merchant(merchant(name="First", version=2))
    request = record()

    with pytest.raises(VersionConflict):
        store.update_merchant(merchant(name="Second", version=2), record=request)
    with pytest.raises(VersionConflict):
        store.update_customer(customer("cus_unknown", version=2), record=request)

    assert store.get_merchant(MERCHANT).name == "First"
    assert store.find_record(request.record_id, NOW) is None
    with pytest.raises(NotFound):
        store.get_customer(MERCHANT, "cus_unknown")


def test_a_new_party_does_not_replace_one(store: TabStore) -> None:
    """Adding under an id that is taken, by another request, raises VersionConflict."""
    store.add_merchant(merchant(), record=record())
    store.add_customer(customer(), account=None, record=record())

    with pytest.raises(VersionConflict):
        store.add_merchant(merchant(name="Another"), record=record())
    with pytest.raises(VersionConflict):
        store.add_customer(customer(reference="another"), account=None, record=record())

    assert (store.get_merchant(MERCHANT), store.get_customer(MERCHANT, "cus_a")) == (merchant(), customer())


def test_a_party_is_added_once_a_request(store: TabStore) -> None:
    """A repeated request raises RecordExists with what it made the first time, and makes nothing."""
    first = record(resource_id="cus_a")
    store.add_customer(customer("cus_a"), account=None, record=first)

    with pytest.raises(RecordExists) as refused:
        store.add_customer(customer("cus_b"), account=None, record=replace(first, resource_id="cus_b"))
    with pytest.raises(RecordExists):
        store.add_merchant(merchant("mer_b"), record=first)
    with pytest.raises(RecordExists):
        store.update_customer(customer("cus_a", version=2), record=first)

    assert refused.value.record == first
    with pytest.raises(NotFound):
        store.get_customer(MERCHANT, "cus_b")
    with pytest.raises(NotFound):
        store.get_merchant("mer_b")
    assert store.get_customer(MERCHANT, "cus_a").version == 1


# Reconciliation


@pytest.mark.parametrize("account", [None, "acct_1"])
def test_how_far_a_reconciliation_came_is_kept_by_account(store: TabStore, account: str | None) -> None:
    """The last word counts; other accounts have their own."""
    at = Progress(account=account, since=NOW, until=NOW, stage=Stage.EVENTS, after="evt_1", reported=("a", "b"))
    assert store.find_progress(account) is None

    store.put_progress(replace(at, after="evt_0"))
    store.put_progress(at)

    assert store.find_progress(account) == at
    assert store.find_progress("acct_2") is None
    store.put_progress(replace(at, stage=None, reported=()))
    assert store.find_progress(account) == Progress(account=account, since=NOW, until=NOW, stage=None, after="evt_1")


# Several tabs in one change


def split_change() -> Change:
    """A change of a stored tab that makes two others with their customers, as a split does."""
    others = [replace(opening(), customer=anonymous(new_id("cus"), MERCHANT, NOW)) for _ in range(2)]
    return replace(next_change(opening().tab), also=tuple(others))


def test_a_change_of_several_tabs_is_written_whole(store: TabStore) -> None:
    """All its tabs, with their entries and customers."""
    first = opening()
    store.commit(first)
    made = split_change()
    change = replace(next_change(first.tab), also=made.also)

    store.commit(change)

    for one in change.all:
        assert store.get_tab(MERCHANT, one.tab.tab_id) == one.tab
        listed = store.list_entries(MERCHANT, one.tab.tab_id, limit=50, cursor=None).items
        assert one.entries and listed[-len(one.entries) :] == one.entries
    for other in change.also:
        assert other.customer is not None
        assert store.get_customer(MERCHANT, other.customer.customer_id) == other.customer


@pytest.mark.parametrize("which", ["the first", "one of the others"])
def test_a_change_of_several_tabs_is_written_whole_or_not_at_all(store: TabStore, which: str) -> None:
    """If one of them has changed since, none is written."""
    first, second = opening(), opening()
    store.commit(first)
    store.commit(second)
    change = replace(next_change(first.tab), also=(*split_change().also, next_change(second.tab)))
    changed = store.commit(next_change(first.tab if which == "the first" else second.tab))

    with pytest.raises(VersionConflict):
        store.commit(change, record=(kept := record()))

    assert store.get_tab(MERCHANT, changed.tab_id) == changed
    unchanged = second if which == "the first" else first
    assert store.get_tab(MERCHANT, unchanged.tab.tab_id) == unchanged.tab
    for made in change.also[:2]:
        with pytest.raises(NotFound):
            store.get_tab(MERCHANT, made.tab.tab_id)
    assert store.find_record(kept.record_id, NOW) is None


def test_a_change_of_several_tabs_may_be_sent_twice(store: TabStore) -> None:
    """As after a lost answer: it is written once, and the second time is a success."""
    first = opening()
    store.commit(first)
    change = replace(next_change(first.tab), also=split_change().also)

    store.commit(change)
    store.commit(change)

    assert store.get_tab(MERCHANT, change.also[0].tab.tab_id) == change.also[0].tab


def test_a_change_of_several_tabs_is_written_among_others(store: TabStore) -> None:
    """`commit_each` writes all its tabs, too."""
    first, other = opening(), opening()
    store.commit(first)
    store.commit(other)
    change = replace(next_change(first.tab), also=split_change().also)

    assert store.commit_each([change, next_change(other.tab)]) == [None, None]

    for one in change.all:
        assert store.get_tab(MERCHANT, one.tab.tab_id) == one.tab


def test_the_key_of_cursors_is_the_first_that_was_put(store: TabStore) -> None:
    """Two requests may make one at once: both sign with the same; each merchant has its own."""
    assert store.find_cursor_key(MERCHANT) is None

    assert store.add_cursor_key(MERCHANT, "first") == "first"
    assert store.add_cursor_key(MERCHANT, "second") == "first"
    assert store.find_cursor_key(MERCHANT) == "first"
    assert store.find_cursor_key("mer_other") is None
