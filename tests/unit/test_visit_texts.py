"""What each story of the tests has come to, by its entries alone: the visit that is kept of it.

`visits.txt` was read line by line when it was written. Where a change of the rules changes it on purpose, write it
again, `python -m tests.unit.test_visit_texts > tests/unit/visits.txt`, and read the difference.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from chalicelib.domain.trust.folds import visit_of
from tests.golden import numbered, sections
from tests.unit.stories import STORIES, Story
from tests.unit.test_timeline import _set_fields, _value
from tests.unit.till import Till

VISITS = Path(__file__).with_name("visits.txt")
OF_ALL = frozenset({"merchant_id", "tab_id", "customer_id", "seq"})


def text_of(told: Callable[[], Story]) -> str:
    """The visit of every tab of the story, as it is at the end."""
    lines = [f"# {told.__name__.replace('_', ' ')}"]
    tills: list[Till] = []
    for till in told():
        if till not in tills:
            tills.append(till)
    for till in tills:
        visit = visit_of("mer_1", till.tab.tab_id, till.tab.customer_id, till.entries)
        lines.append("")
        lines += [f"  {name}: {_value(value)}" for name, value in _set_fields(visit) if name not in OF_ALL]
    return numbered("\n".join(lines)) + "\n"


@pytest.mark.parametrize("told", STORIES, ids=lambda told: told.__name__)
def test_the_visit_of(told: Callable[[], Story]) -> None:
    actual = text_of(told)

    assert actual.rstrip().splitlines() == sections(VISITS)[actual.partition("\n")[0]].splitlines()


@pytest.mark.parametrize("told", STORIES, ids=lambda told: told.__name__)
def test_a_visit_agrees_with_its_tab(told: Callable[[], Story]) -> None:
    """In the sums that both have, at every turn of the story.

    A visit counts a refund when it is done, the tab when it is asked for; and while a hold is renewed, both hold.
    """
    for till in told():
        tab, visit = till.tab, visit_of("mer_1", till.tab.tab_id, till.tab.customer_id, till.entries)
        assert (visit.outcome, visit.closed_at) == (tab.outcome, tab.closed_at)
        assert visit.paid_minor == tab.paid_minor + sum(leg.refund_pending_minor for leg in tab.legs)
        assert visit.owed_minor == tab.balance_minor
        assert visit.due_at == tab.due_at
        assert visit.held_minor >= tab.held_minor


if __name__ == "__main__":
    sys.stdout.write("\n".join(text_of(told) for told in STORIES))
