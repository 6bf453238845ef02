"""The contract of the store of visits, against memory, moto and the emulator."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from msgspec.structs import replace

from chalicelib.domain.books.outlook import outlook_of
from chalicelib.domain.errors import InvalidInput
from chalicelib.domain.trust.figures import Figures
from chalicelib.domain.trust.integrity import integrity_of
from chalicelib.domain.trust.visit import Visit
from chalicelib.ports.store import TabStore, VersionConflict
from chalicelib.ports.visits import Visits
from tests.contract.store_kit import MERCHANT, NOW, customer, record
from tests.visits import visits_beside

ADA, BEN = "cus_a", "cus_b"


@pytest.fixture
def visits(store: TabStore) -> Visits:
    return visits_beside(store)


def visit(tab_id: str = "tab_1", customer_id: str = ADA, at: datetime = NOW, seq: int = 1) -> Visit:
    return Visit(tab_id=tab_id, merchant_id=MERCHANT, customer_id=customer_id, opened_at=at, seq=seq)


def test_a_visit_is_written_in_the_place_of_the_one_that_was_read(visits: Visits) -> None:
    """Of two that fold from the same, one is refused; and nobody's visit is another's."""
    first = visit()
    visits.put_visit(first, None)
    with pytest.raises(VersionConflict):
        visits.put_visit(visit(seq=2), None)
    second = replace(first, seq=4, total_minor=1200)
    visits.put_visit(second, first)
    with pytest.raises(VersionConflict):
        visits.put_visit(replace(first, seq=5), first)

    key = (MERCHANT, ADA, "tab_1")
    assert visits.find_visits([key, (MERCHANT, BEN, "tab_1"), (MERCHANT, ADA, "no#id")]) == {key: second}
    assert visits.find_visits([]) == {}


def test_a_customers_visits_come_oldest_first_since_a_time(visits: Visits) -> None:
    """Whatever the order of their ids; a merchant sees its own customers' only."""
    for number, days in (("3", 1), ("1", 2), ("2", 3), ("4", 30)):
        visits.put_visit(visit(f"tab_{number}", at=NOW - timedelta(days=days)), None)
    visits.put_visit(visit("tab_5", BEN), None)

    found = visits.list_visits_by_customer(MERCHANT, ADA, NOW - timedelta(days=3))
    assert [one.tab_id for one in found] == ["tab_2", "tab_1", "tab_3"]
    assert not visits.list_visits_by_customer("mer_other", ADA, NOW - timedelta(days=99))
    assert not visits.list_visits_by_customer(MERCHANT, "no#id", NOW)


def test_a_merchants_visits_are_paged_within_two_times(visits: Visits) -> None:
    """Both ends included; a cursor of elsewhere is refused."""
    for day in range(5):
        visits.put_visit(visit(f"tab_{day}", ADA if day % 2 else BEN, NOW + timedelta(days=day)), None)

    seen, cursor = [], None
    while True:
        page = visits.list_visits_by_merchant(
            MERCHANT, NOW + timedelta(days=1), NOW + timedelta(days=4), limit=3, cursor=cursor
        )
        seen += [one.tab_id for one in page.items]
        if (cursor := page.next_cursor) is None:
            break
        assert len(page.items) == 3
    assert seen == ["tab_1", "tab_2", "tab_3", "tab_4"]
    with pytest.raises(InvalidInput):
        visits.list_visits_by_merchant(MERCHANT, NOW, NOW, limit=1, cursor="bm9uc2Vuc2U")


def test_a_merchants_figures_are_kept_until_the_next(visits: Visits) -> None:
    """Whole: counts, weeks, days and instants."""

    def counted(at: datetime) -> Figures:
        outlook = outlook_of([visit(at=NOW)], currency="", time_zone="UTC", now=at)
        integrity = replace(integrity_of([visit()], at), outcomes={100: 3, 50: 1})
        return Figures(merchant_id=MERCHANT, at=at, integrity=integrity, outlook=outlook)

    assert visits.find_figures(MERCHANT) is None and visits.find_figures("no#id") is None
    for at in (NOW, NOW + timedelta(days=1)):
        visits.put_figures(counted(at))
        assert visits.find_figures(MERCHANT) == counted(at)
    assert visits.find_figures("mer_other") is None


def test_a_card_has_its_users_until_they_know_of_each_other(visits: Visits) -> None:
    """As many others as were asked for, with those who are linked already."""
    for customer_id in (ADA, BEN, "cus_c", "cus_d"):
        visits.note_card(MERCHANT, customer_id, "fp_1", limit=9)

    assert visits.note_card(MERCHANT, BEN, "fp_1", limit=9) == [ADA, "cus_c", "cus_d"]
    assert visits.note_card(MERCHANT, "cus_d", "fp_1", limit=2) == [ADA, BEN]
    visits.note_linked(MERCHANT, BEN, "fp_1")
    assert visits.note_card(MERCHANT, BEN, "fp_2", limit=9) == []
    assert visits.note_card("mer_other", BEN, "fp_1", limit=9) == []
    assert visits.note_card(MERCHANT, ADA, "fp_1", limit=9) == [BEN, "cus_c", "cus_d"]


def test_a_customer_is_found_until_their_card_is_linked(store: TabStore, visits: Visits) -> None:
    """This customer and this card alone; a card that is noted only is not linked."""
    ada, ben = customer(ADA), customer(BEN)
    for one in (ada, ben):
        store.add_customer(one, account=None, record=record())
    assert visits.find_unlinked(MERCHANT, ADA, "fp_1") == ada
    for one in (ada, ben):
        visits.note_card(MERCHANT, one.customer_id, "fp_1", limit=9)
    assert visits.find_unlinked(MERCHANT, ADA, "fp_1") == ada

    visits.note_linked(MERCHANT, ADA, "fp_1")

    assert visits.find_unlinked(MERCHANT, ADA, "fp_1") is None
    assert visits.find_unlinked(MERCHANT, ADA, "fp_2") == ada
    assert visits.find_unlinked(MERCHANT, BEN, "fp_1") == ben
    assert visits.find_unlinked(MERCHANT, "cus_unknown", "fp_1") is None
    assert visits.find_unlinked("mer_other", BEN, "fp_1") is None
    visits.note_card(MERCHANT, ADA, "fp_1", limit=9)
    assert visits.find_unlinked(MERCHANT, ADA, "fp_1") == ada, "a run that began again may find more"
