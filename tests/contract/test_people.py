"""The contract of the people store, against memory, moto and the emulator."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from chalicelib.domain.contact import Channel, Contact, Given, Language, SearchBy, Source, erased
from chalicelib.domain.errors import InvalidInput
from chalicelib.domain.tab.draft import Change
from chalicelib.domain.tab.story import Place
from chalicelib.domain.trust.story import Story
from chalicelib.ports.people import People
from chalicelib.ports.store import Page, RecordExists, TabStore, VersionConflict
from tests.contract.store_kit import MERCHANT, NOW, customer, new_id, next_change, opening, record

ADA = Contact(
    merchant_id=MERCHANT,
    customer_id="cus_a",
    name="Ada Müller",
    email="ada@example.com",
    phone="+491701234567",
    language=Language.GERMAN,
    time_zone="Europe/Berlin",
    consents=(Given(channel=Channel.SMS, at=NOW, source=Source.CUSTOMER, subject="ada"),),
    opt_outs=(Given(channel=Channel.EMAIL, at=NOW, source=Source.UNSUBSCRIBE_LINK),),
    updated_at=NOW,
)


def add(store: TabStore, customer_id: str, **fields: object) -> None:
    made = customer(customer_id, customer_ref=f"cus_stripe_{customer_id}", **fields)
    store.add_customer(made, account="acct_1", record=record())


def ids(page: Page[object]) -> list[str]:
    return [found.customer_id for found in page.items]  # type: ignore[attr-defined]


def found_by(people: People, by: SearchBy, text: str) -> list[str]:
    return ids(people.find_customers(MERCHANT, by, text, limit=10, cursor=None))  # type: ignore[arg-type]


def test_a_contact_comes_back_as_it_was_put(people: People) -> None:
    """Everything of it, under its own customer and merchant only; who has none has none."""
    people.put_contact(ADA, None)

    assert people.find_contact(MERCHANT, "cus_a") == ADA
    assert people.find_contact(MERCHANT, "cus_b") is None
    assert people.find_contact("mer_b", "cus_a") is None
    assert people.find_contacts(MERCHANT, ["cus_a", "cus_b"]) == {"cus_a": ADA}
    assert people.find_contacts(MERCHANT, []) == {}


def test_a_write_on_an_old_version_is_refused_and_changes_nothing(people: People) -> None:
    """Neither over a newer version, nor as a first one where there is one, nor where there is none."""
    people.put_contact(ADA, None)
    newer = replace(ADA, name="Ada M.", version=2)
    people.put_contact(newer, ADA)

    for late, before in [(replace(ADA, name="Late", version=2), ADA), (replace(ADA, name="First"), None)]:
        with pytest.raises(VersionConflict):
            people.put_contact(late, before)
    with pytest.raises(VersionConflict):
        people.put_contact(replace(ADA, customer_id="cus_b", version=2), None)

    assert people.find_contact(MERCHANT, "cus_a") == newer


def test_a_repeated_request_is_not_written_twice(people: People, store: TabStore) -> None:
    """Its record is on record: RecordExists, and the contact stays."""
    request = record()
    people.put_contact(ADA, None, record=request)

    with pytest.raises(RecordExists):
        people.put_contact(replace(ADA, name="Again", version=2), ADA, record=request)

    assert people.find_contact(MERCHANT, "cus_a") == ADA
    assert store.find_record(request.record_id, NOW) == request


def test_customers_are_found_by_what_their_contact_says(people: People, store: TabStore) -> None:
    """By the whole name or a word of it, by address and number; case and spaces do not count, parts of words do not."""
    add(store, "cus_a", reference="Loyalty 17")
    people.put_contact(ADA, None)

    for by, text in [
        (SearchBy.NAME, "ada  MÜLLER"),
        (SearchBy.NAME, "müller"),
        (SearchBy.EMAIL, "ADA@example.com"),
        (SearchBy.PHONE, "+491701234567"),
        (SearchBy.REFERENCE, "loyalty 17"),
    ]:
        assert found_by(people, by, text) == ["cus_a"], (by, text)
    for by, text in [(SearchBy.NAME, "Mül"), (SearchBy.EMAIL, "Ada Müller"), (SearchBy.PHONE, "+491701234568")]:
        assert found_by(people, by, text) == [], (by, text)
    assert people.find_customers("mer_b", SearchBy.NAME, "Ada", limit=10, cursor=None).items == ()


def test_what_a_contact_no_longer_says_finds_nobody(people: People, store: TabStore) -> None:
    """A changed contact is found by the new, not the old; what stayed the same still finds it."""
    add(store, "cus_a")
    people.put_contact(ADA, None)
    people.put_contact(replace(ADA, name="Ada Schmidt", email=None, version=2), ADA)

    assert found_by(people, SearchBy.NAME, "Ada") == ["cus_a"]
    assert found_by(people, SearchBy.NAME, "Schmidt") == ["cus_a"]
    assert found_by(people, SearchBy.NAME, "Müller") == []
    assert found_by(people, SearchBy.EMAIL, "ada@example.com") == []


def test_an_erased_contact_is_gone_and_stays_gone(people: People, store: TabStore) -> None:
    """Nothing personal is left, nothing finds the customer, and a write that began before comes too late."""
    add(store, "cus_a", reference="Loyalty 17")
    people.put_contact(ADA, None)
    gone = erased(ADA, NOW + timedelta(hours=1))
    people.put_contact(gone, ADA)

    with pytest.raises(VersionConflict):
        people.put_contact(replace(ADA, version=2), ADA)

    assert people.find_contact(MERCHANT, "cus_a") == gone
    assert (gone.name, gone.email, gone.phone, gone.consents, gone.opt_outs) == ("", None, None, (), ())
    assert found_by(people, SearchBy.NAME, "Ada") == []
    assert found_by(people, SearchBy.REFERENCE, "Loyalty 17") == ["cus_a"]


def test_a_name_of_many_words_fits_into_one_transaction(people: People, store: TabStore) -> None:
    """The longest name that the API takes, replaced by another such."""
    add(store, "cus_a")
    first = replace(ADA, name=" ".join(f"a{number}" for number in range(40)))
    people.put_contact(first, None)
    people.put_contact(replace(ADA, name=" ".join(f"b{number}" for number in range(40)), version=2), first)

    assert found_by(people, SearchBy.NAME, "b0") == ["cus_a"]
    assert found_by(people, SearchBy.NAME, "a0") == []


@pytest.mark.parametrize("limit", [1, 2, 5])
def test_customers_are_listed_newest_first_page_by_page(people: People, store: TabStore, limit: int) -> None:
    """Each once, of this merchant only, whatever the limit."""
    for number in range(5):
        add(store, f"cus_{number}", created_at=NOW + timedelta(minutes=number))
    other = customer("cus_other", "mer_b", customer_ref="cus_stripe_other")
    store.add_customer(other, account=None, record=record())
    listed: list[str] = []
    cursor = None
    while True:
        page = people.list_customers(MERCHANT, limit=limit, cursor=cursor)
        listed += [found.customer_id for found in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break

    assert listed == ["cus_4", "cus_3", "cus_2", "cus_1", "cus_0"]


def test_customers_with_the_same_name_are_found_page_by_page(people: People, store: TabStore) -> None:
    """Each once; a cursor of another search is refused."""
    for number in range(3):
        add(store, f"cus_{number}")
        people.put_contact(replace(ADA, customer_id=f"cus_{number}", email=f"ada{number}@example.com"), None)

    first = people.find_customers(MERCHANT, SearchBy.NAME, "Ada", limit=2, cursor=None)
    rest = people.find_customers(MERCHANT, SearchBy.NAME, "Ada", limit=2, cursor=first.next_cursor)

    assert ids(first) + ids(rest) == ["cus_0", "cus_1", "cus_2"]  # type: ignore[arg-type]
    assert rest.next_cursor is None
    for wrong in (first.next_cursor, new_id("cursor")):
        with pytest.raises(InvalidInput):
            people.find_customers(MERCHANT, SearchBy.EMAIL, "ada0@example.com", limit=2, cursor=wrong)
        with pytest.raises(InvalidInput):
            people.list_customers(MERCHANT, limit=2, cursor=wrong)


def test_a_story_is_written_with_its_tab_and_replaced_whole(people: People, store: TabStore) -> None:
    """The newest tab first; another merchant's is not among them, and one that was taken back has no words."""

    def told(change: Change) -> Story:
        story = Story(
            story_id="sty_1",
            merchant_id=MERCHANT,
            tab_id=change.tab.tab_id,
            customer_id="cus_a",
            told_at=NOW,
            text="It was in time.\n\nReally.",
            name="Ada",
            language=Language.GERMAN,
            places=(Place.WEBSITE, Place.FEED),
        )
        store.commit(replace(change, story=story))
        return story

    first, second = told(opening()), told(opening())

    assert people.find_story(MERCHANT, first.tab_id) == first
    assert list(people.iter_stories(MERCHANT)) == sorted((first, second), key=lambda one: one.tab_id, reverse=True)
    assert people.find_story("mer_b", first.tab_id) is None and list(people.iter_stories("mer_b")) == []
    assert people.find_story(MERCHANT, "tab_a#x") is None and list(people.iter_stories("a#b")) == []

    gone = replace(first, text="", name="", places=())
    store.commit(replace(next_change(store.get_tab(MERCHANT, first.tab_id)), story=gone))
    assert people.find_story(MERCHANT, first.tab_id) == gone
