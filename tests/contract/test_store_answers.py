"""What is stored of answers to disputes: written with the attempt that sends it, or not at all."""

from __future__ import annotations

from functools import partial

import pytest
from msgspec.structs import replace

from chalicelib.adapters.memory_store import MemoryStore
from chalicelib.domain.trust.evidence.fields import FileField, TextField
from chalicelib.domain.trust.evidence.pack import DisputeAnswer, EarlierPayment, Origin, Pack, PackField
from chalicelib.ports.store import RecordExists, TabStore, VersionConflict
from tests.contract.conftest import EMULATOR
from tests.contract.store_kit import MERCHANT, NOW, next_change, opening, record
from tests.contract.test_store_races import THREADS, at_once

PACK = Pack(
    dispute_id="du_1",
    fields=(PackField(name=TextField.CUSTOMER_NAME, text="Ada", origin=Origin.CONTACT, entries=(1, 2)),),
    files={FileField.RECEIPT: "file_1"},
    earlier=(
        EarlierPayment(
            tab_id="tab_0", payment_id="pi_0", at=NOW, amount_minor=5, currency="EUR", description="Cut", is_used=True
        ),
    ),
    charges={"pi_0": "ch_0"},
)
ANSWER = DisputeAnswer(
    merchant_id=MERCHANT,
    customer_id="cus_a",
    tab_id="tab_1",
    dispute_id="du_1",
    texts={TextField.CUSTOMER_NAME: "Ada"},
    files={FileField.RECEIPT: "file_1"},
    sealed=PACK,
    sealed_for="att_1",
    sealed_at=NOW,
    version=1,
)


def find(store: TabStore, dispute_id: str = "du_1") -> DisputeAnswer | None:
    return store.find_dispute_answer(MERCHANT, "cus_a", "tab_1", dispute_id)


def test_it_is_found_as_it_was_written(store: TabStore) -> None:
    """By its dispute and by its customer; a seal of what was read is the seal of what was stored."""
    other = replace(ANSWER, dispute_id="du_2", sealed=None)
    store.put_dispute_answer(ANSWER, record=record())
    store.put_dispute_answer(other)

    found = find(store)
    assert found == ANSWER
    assert found.sealed is not None and found.sealed.sha256 == PACK.sha256
    assert find(store, "du_3") is find(store, "du#1") is None
    listed = sorted(store.list_dispute_answers(MERCHANT, "cus_a"), key=lambda answer: answer.dispute_id)
    assert listed == [ANSWER, other]
    assert not store.list_dispute_answers(MERCHANT, "cus_b")


def test_the_next_version_follows_the_stored_one(store: TabStore) -> None:
    """A request that was made before, and one that is late, change nothing."""
    made = record()
    store.put_dispute_answer(ANSWER, record=made)

    with pytest.raises(RecordExists):
        store.put_dispute_answer(replace(ANSWER, version=2), record=made)
    with pytest.raises(VersionConflict):
        store.put_dispute_answer(ANSWER, record=record())
    assert find(store) == ANSWER


def test_it_is_written_with_its_attempt_or_not_at_all(store: TabStore) -> None:
    """Somebody has changed what was to be sealed: the tab is as it was, and nothing is sent."""
    tab = store.commit(opening())
    change = replace(next_change(tab), answer=ANSWER)
    store.put_dispute_answer(replace(ANSWER, texts={}))

    with pytest.raises(VersionConflict):
        store.commit(change)

    assert store.get_tab(tab.merchant_id, tab.tab_id).version == tab.version
    store.commit(replace(change, answer=replace(ANSWER, version=2)))
    assert find(store) == replace(ANSWER, version=2)


@pytest.mark.parametrize("kind", ["memory", pytest.param(EMULATOR, marks=pytest.mark.ministack)])
def test_of_many_owners_who_submit_at_once_one_does(request: pytest.FixtureRequest, kind: str) -> None:
    """The others get VersionConflict, decide again, and find the attempt of the first."""
    store: TabStore = MemoryStore() if kind == "memory" else request.getfixturevalue("emulated_store")
    tab = store.commit(opening())
    changes = [replace(next_change(tab), answer=replace(ANSWER, sealed_for=f"att_{n}")) for n in range(THREADS)]

    results = at_once([partial(store.commit, change) for change in changes])

    assert [type(result) for result in results].count(VersionConflict) == THREADS - 1
    (won,) = [n for n, result in enumerate(results) if not isinstance(result, VersionConflict)]
    found = find(store)
    assert found is not None and found.sealed_for == f"att_{won}"
