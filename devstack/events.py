"""`make events`: writes docs/events.md, the types of notices and an example of their body, from the code."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from chalicelib.domain.news.notice import (
    KINDS_BY_SUBJECT,
    MAXIMUM_BODY_BYTES,
    PUSH,
    TEST,
    TYPES,
    body_of,
    notice_of,
)
from chalicelib.domain.tab.entry import Entry

TARGET = Path(__file__).resolve().parent.parent / "docs" / "events.md"

EXAMPLE = Entry(
    seq=9,
    at=datetime(2026, 5, 1, 9, 30, tzinfo=UTC),
    kind="refunded",
    by="aftertab",
    details={"refund_id": "re_3PqL", "payment_id": "pi_3PqK", "amount_minor": 1500},
    version=6,
)


def page() -> str:
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield "# Events"
    yield ""
    yield "The events that merchants' systems can be told of."
    yield "`make events` writes this page from `chalicelib/domain/news/notice.py`."
    yield "[notices.md](notices.md) says how to receive, verify and replay notices."
    yield ""
    yield "Every entry of a tab's timeline is an event. Its type is `tab.` and the kind of the entry."
    yield ""
    yield "## Body"
    yield ""
    yield "```json"
    body = body_of(notice_of("mer_01KE6JG", "cus_01KE6JH", "tab_01KE6JK", EXAMPLE))
    yield json.dumps(json.loads(body), indent=2)
    yield "```"
    yield ""
    yield "| field | what it is |"
    yield "|---|---|"
    yield "| `type`, `timestamp` | what happened, and when |"
    yield "| `data.merchant_id`, `tab_id`, `customer_id` | merchant, tab and customer; `customer_id` may be null |"
    yield "| `data.seq` | the number of the entry in its tab: 1, 2, 3 …; sort the notices of a tab by it |"
    yield "| `data.kind` | the kind of the entry, as in the timeline |"
    yield "| `data.version` | the tab's version after this entry; later changes have higher versions |"
    yield "| `data.details` | amounts (`…_minor`), ids (`…_id`) and instants (`…_at`) of the entry |"
    yield ""
    yield f"A body has at most {MAXIMUM_BODY_BYTES:,} bytes. It has no name, no address, and nothing that a person"
    yield "wrote; for more, get the tab from the API."
    for subject, kinds in KINDS_BY_SUBJECT.items():
        yield ""
        yield f"## {subject}"
        yield ""
        yield from _table({f"tab.{kind}": text for kind, text in kinds.items()})
    yield ""
    yield "## Not about an entry of a tab"
    yield ""
    yield from _table({PUSH: TYPES[PUSH], TEST: TYPES[TEST]})


def _table(types: dict[str, str]) -> Iterator[str]:
    yield "| type | what happened |"
    yield "|---|---|"
    yield from (f"| `{kind}` | {text} |" for kind, text in types.items())


if __name__ == "__main__":
    TARGET.write_text(page(), encoding="utf-8")
    print(f"wrote {TARGET}")
