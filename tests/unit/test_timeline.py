"""The text of a tab at every checkpoint of its stories: timeline, messages, pending steps, allowed actions.

`timelines.txt` was read line by line when it was written. Where a change of the rules changes it on purpose, write it
again, `python -m tests.unit.test_timeline > tests/unit/timelines.txt`, and read the difference.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import pytest
from msgspec import NODEFAULT, Struct
from msgspec.structs import fields

from chalicelib.domain.news.message import Message
from chalicelib.domain.tab import agenda
from chalicelib.domain.tab.actions import allowed_actions
from chalicelib.domain.tab.entry import Entry
from chalicelib.domain.tab.step import PRIORITY
from tests.golden import numbered, sections
from tests.unit.stories import STORIES, Story
from tests.unit.till import ADA, NOON, OWNER, STAFF, Till

TIMELINES = Path(__file__).with_name("timelines.txt")
DERIVED = (
    "payment_state", "total_minor", "tax_minor", "amount_due_minor", "paid_minor", "balance_minor", "refund_owed_minor",
    "collectable_minor", "held_minor", "hold_expires_at", "expected_at",
)  # fmt: skip
NOT_SHOWN = frozenset({"policy", "entry_count", "version", "change_id", "updated_at"})


def _when(instant: datetime) -> str:
    """`+1d 13:00`: one o'clock on the second day."""
    days = (instant.date() - NOON.date()).days
    return f"{days:+}d {instant:%H:%M}" if instant.second == 0 else f"{days:+}d {instant:%H:%M:%S}"


def _value(value: object) -> str:
    if isinstance(value, datetime):
        return _when(value)
    if isinstance(value, str) and len(value) == 64:
        return "<hash>"
    if isinstance(value, str) and value.startswith("{"):
        return "<text>"
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\dT.*", value):
        return _when(datetime.fromisoformat(value))
    if isinstance(value, Struct):
        return "(" + ", ".join(_fields(value)) + ")"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}={_value(inner)}" for name, inner in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_value(inner) for inner in value) + "]"
    return str(value)


def _fields(value: Struct) -> Iterator[str]:
    """The fields that are not as by default."""
    return (f"{name}={_value(now)}" for name, now in _set_fields(value))


def _set_fields(value: Struct) -> Iterator[tuple[str, object]]:
    for field in fields(value):
        now = getattr(value, field.name)
        default = field.default_factory() if field.default_factory is not NODEFAULT else field.default
        if field.name not in NOT_SHOWN and now != default:
            yield field.name, now


def _entry(entry: Entry) -> str:
    details = "".join(f" {name}={_value(value)}" for name, value in entry.details.items())
    posted = "".join(f" {posting.account} {posting.amount_minor:+}" for posting in entry.postings)
    return f"  {_when(entry.at)} {entry.by}: {entry.kind}{details}" + (f" |{posted}" if posted else "")


def _values(message: Message) -> str:
    return "".join(f" {name}={_value(value)}" for name, value in message.values.items())


def _state(till: Till) -> dict[str, str]:
    """What is to be said of the tab, by name."""
    tab = till.tab
    state = {name: _value(now) for name, now in _set_fields(tab)}
    state |= {f"({name})": _value(derived) for name in DERIVED if (derived := getattr(tab, name))}
    steps = sorted(agenda.steps(tab), key=lambda step: (step.at, PRIORITY[step.kind]))
    planned = [f"{step.kind.name} {_when(step.at)} {step.subject or ''}".rstrip() + f" ({step.why})" for step in steps]
    state["pending"] = "; ".join(planned) or "nothing"
    for who in (ADA, STAFF, OWNER):
        state[f"{who.role} may"] = ", ".join(allowed_actions(tab, who, till.now)) or "nothing"
    return state


def timeline(told: Callable[[], Story]) -> str:
    """At each turn: what was written and said, and what is different about the tab since the turn before."""
    lines = [f"# {told.__name__.replace('_', ' ')}"]
    till: Till | None = None
    seen, heard = 0, 0
    before: dict[str, str] = {}
    for now in told():
        if now is not till:
            till, seen, heard, before = now, 0, 0, {}
        state = _state(now)
        lines.append("")
        lines += [_entry(entry) for entry in now.entries[seen:]]
        lines += [f"  to {message.to} ({message.kind}):{_values(message)}" for message in now.messages[heard:]]
        lines += [f"    {name}: {value}" for name, value in state.items() if before.get(name) != value]
        lines += [f"    {name}: none" for name in before if name not in state]
        seen, heard, before = len(now.entries), len(now.messages), state
    return numbered("\n".join(lines)) + "\n"


@pytest.mark.parametrize("told", STORIES, ids=lambda told: told.__name__)
def test_the_timeline_of(told: Callable[[], Story]) -> None:
    """Entry by entry, message by message, and the tab at every turn."""
    actual = timeline(told)

    assert actual.rstrip().splitlines() == sections(TIMELINES)[actual.partition("\n")[0]].splitlines()


def test_every_timeline_that_is_written_down_is_told() -> None:
    """None is left over from a story that is gone."""
    assert len(sections(TIMELINES)) == len(STORIES)


if __name__ == "__main__":
    sys.stdout.write("\n".join(timeline(told) for told in STORIES))
