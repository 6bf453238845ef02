"""The contract of the store of links and tokens, against memory, moto and the emulator."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from msgspec.structs import replace

from chalicelib.adapters.dynamodb.store import DynamoDbStore
from chalicelib.domain.errors import Contention, InvalidInput, TokenExists
from chalicelib.domain.tab.commands import links as commands
from chalicelib.domain.tab.draft import Draft
from chalicelib.domain.tab.link import Scope
from chalicelib.domain.tab.tab import Tab
from chalicelib.domain.token import Token
from chalicelib.ports.links import Links
from chalicelib.ports.store import RecordExists, TabStore, VersionConflict
from tests.contract.store_kit import MERCHANT, NOW, next_change, opening, record
from tests.people import links_beside


def token(number: int, links: Links, merchant_id: str = MERCHANT, **fields: object) -> Token:
    sha256 = links.digest(f"SECRET OF {merchant_id} {number}")
    return replace(Token(merchant_id=merchant_id, number=number, sha256=sha256, made_at=NOW), **fields)


def make_link(sha256: str) -> Callable[[Draft], None]:
    def write(draft: Draft) -> None:
        commands.make_link(draft, sha256, Scope.PAY, None)

    return write


def test_a_link_is_found_by_its_digest_once_its_tab_is_written(links: Links, store: TabStore) -> None:
    """The pointer leads to the tab, as the link's guest; no other digest leads anywhere."""
    tab = store.commit(opening())
    sha256 = links.digest("A SECRET")
    assert links.find_pointer(sha256) is None

    tab = store.commit(next_change(tab, make_link(sha256)))

    found = links.find_pointer(sha256)
    assert found is not None
    assert (found.merchant_id, found.tab_id, found.subject) == (MERCHANT, tab.tab_id, tab.links[0].link_id)
    assert store.get_tab(MERCHANT, tab.tab_id).links == tab.links
    assert links.find_pointer(links.digest("ANOTHER")) is None


def test_a_change_that_comes_too_late_makes_no_link(links: Links, store: TabStore) -> None:
    """Tab and pointer are written together, or neither."""
    tab = store.commit(opening())
    store.commit(next_change(tab))
    sha256 = links.digest("A SECRET")

    with pytest.raises(VersionConflict):
        store.commit(next_change(tab, make_link(sha256)))

    assert links.find_pointer(sha256) is None


def test_the_digest_is_the_stages(store: TabStore) -> None:
    """A secret of dev is found under another digest than the same one of prod."""
    assert links_beside(store, "dev").digest("A SECRET") != links_beside(store, "prod").digest("A SECRET")
    assert len(links_beside(store, "dev").digest("A SECRET")) == 64


def test_tokens_are_made_all_or_none(links: Links) -> None:
    """One number that is taken, and nothing is made; a repeated request makes nothing, either."""
    request = record()
    links.add_tokens([token(1, links), token(2, links)], record=request)

    with pytest.raises(RecordExists):
        links.add_tokens([token(3, links)], record=request)
    with pytest.raises(TokenExists) as taken:
        links.add_tokens([token(4, links), token(2, links)], record=record())

    assert taken.value.context == {"numbers": [2]}
    assert [links.find_token(MERCHANT, number) is not None for number in range(1, 5)] == [True, True, False, False]
    assert links.find_token("mer_b", 1) is None
    found = links.find_pointer(token(1, links).sha256)
    assert found is not None and (found.tab_id, found.subject) == (None, "token_1")
    assert links.find_pointer(token(4, links).sha256) is None


def test_forty_eight_tokens_fit_into_one_request(links: Links) -> None:
    """The most that are made at once, with their pointers and the request's record."""
    links.add_tokens([token(number, links) for number in range(1, 49)], record=record())

    assert len(links.list_tokens(MERCHANT, limit=100, cursor=None).items) == 48


@pytest.mark.parametrize("limit", [1, 2, 10])
def test_tokens_are_listed_by_number(links: Links, limit: int) -> None:
    """Page by page, of one merchant; a cursor of another listing is refused."""
    links.add_tokens([token(number, links) for number in (10, 9, 100)], record=record())
    links.add_tokens([token(1, links, "mer_b")], record=record())
    numbers: list[int] = []
    cursor = None
    while True:
        page = links.list_tokens(MERCHANT, limit=limit, cursor=cursor)
        numbers += [found.number for found in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
        with pytest.raises(InvalidInput):
            links.list_tokens("mer_b", limit=limit, cursor=cursor)

    assert numbers == [9, 10, 100]


def test_a_replaced_token_has_one_secret(links: Links) -> None:
    """The new one leads on, the old one nowhere; a revoked token has none. Each change is of the version before it."""
    old = token(1, links)
    links.add_tokens([old], record=record())
    new = replace(old, sha256=links.digest("NEW"), version=2)

    links.put_token(new, old, record=record())

    assert links.find_token(MERCHANT, 1) == new
    assert links.find_pointer(old.sha256) is None and links.find_pointer(new.sha256) is not None
    with pytest.raises(VersionConflict):
        links.put_token(replace(old, sha256=links.digest("LATE"), version=2), old, record=record())
    assert links.find_pointer(links.digest("LATE")) is None
    request = record()
    links.put_token(replace(new, revoked_at=NOW, version=3), new, record=request)
    assert links.find_pointer(new.sha256) is None
    with pytest.raises(RecordExists):
        links.put_token(replace(new, version=4), replace(new, version=3), record=request)


def test_a_token_is_bound_with_the_tab_or_not_at_all(links: Links, store: TabStore) -> None:
    """Its pointer leads to the tab; who comes second, with the version before, changes neither tab nor token."""
    coin = token(1, links)
    links.add_tokens([coin], record=record())
    one, two = store.commit(opening()), store.commit(opening())

    one = store.commit(next_change(one, lambda draft: commands.bind_token(draft, coin)))
    with pytest.raises(VersionConflict):
        store.commit(next_change(two, lambda draft: commands.bind_token(draft, coin)))

    bound, pointer = links.find_token(MERCHANT, 1), links.find_pointer(coin.sha256)
    assert bound is not None and (bound.tab_id, bound.version) == (one.tab_id, 2)
    assert pointer is not None and pointer.tab_id == one.tab_id
    assert store.get_tab(MERCHANT, two.tab_id) == two


@pytest.mark.ministack
def test_of_many_tabs_at_once_one_gets_the_token(emulated_store: DynamoDbStore) -> None:
    """Eight threads bind it to eight tabs: one is written, seven are told that they decided on an old version."""
    store, links = emulated_store, links_beside(emulated_store)
    coin = token(1, links)
    links.add_tokens([coin], record=record())
    tabs = [store.commit(opening()) for _ in range(8)]
    start = Barrier(len(tabs))

    def bind(tab: Tab) -> bool:
        change = next_change(tab, lambda draft: commands.bind_token(draft, coin))
        start.wait()
        try:
            store.commit(change)
        except (VersionConflict, Contention):
            return False
        return True

    with ThreadPoolExecutor(len(tabs)) as pool:
        won = [tab for tab, is_bound in zip(tabs, pool.map(bind, tabs), strict=True) if is_bound]

    (winner,) = won
    bound, pointer = links.find_token(MERCHANT, 1), links.find_pointer(coin.sha256)
    assert bound is not None and pointer is not None
    assert bound.tab_id == pointer.tab_id == winner.tab_id
    assert [tab.tab_id for tab in tabs if store.get_tab(MERCHANT, tab.tab_id).token] == [winner.tab_id]
