"""docs/messages.md: every message, whom it goes to, when, on which channels, and what it says in English."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from chalicelib.adapters.words.environments import TEMPLATES
from chalicelib.adapters.words.writer import Writer
from chalicelib.domain.contact import Language
from chalicelib.domain.news.message import MessageKind, Recipient
from chalicelib.domain.news.table import NEWS
from devstack.words import examples

TARGET = Path(__file__).resolve().parents[2] / "docs" / "messages.md"
_WHEN = re.compile(r"\{# (.+?) #\}")
_CHANNELS: Mapping[Recipient, str] = {
    Recipient.CUSTOMER: "e-mail, SMS, push (as a notice to the merchant's app)",
    Recipient.OWNER: "e-mail",
}
_INTRODUCTION = """\
# Messages

Every message that Aftertab sends to people. `make messages` writes this page from `chalicelib/domain/news/table.py` and
the templates in `chalicelib/adapters/words/templates`; the other languages are in `chalicelib/locale` ({languages}).
Each message has one template for all its channels. The texts below are examples: for each message its first variant,
with subject, text and SMS. *From* names the entries of the timeline that lead to the message. `make mails` shows all
variants, in all languages, as they look.

| on a phone | in the dark | from right to left | on a small phone |
|---|---|---|---|
| ![A bill: the amount, what for, until when, and two buttons](mail-phone.png) | ![The same, dark](mail-dark.png) | \
![A declined payment in Arabic](mail-arabic.png) | ![A fee in German, 320 pixels wide](mail-small.png) |
"""


def document() -> str:
    languages = ", ".join(language for language in Language if language != Language.ENGLISH)
    return "\n".join([_INTRODUCTION.format(languages=languages), *_sections()])


def _sections() -> Iterator[str]:
    for to, heading in ((Recipient.CUSTOMER, "To customers"), (Recipient.OWNER, "To owners")):
        yield f"## {heading}\n\nChannels: {_CHANNELS[to]}.\n"
        for kind in MessageKind:
            if to in examples.recipients_of(kind):
                yield _section(kind, to)


def _section(kind: MessageKind, to: Recipient) -> str:
    template = (TEMPLATES / to / f"{kind}.jinja").read_text()
    found = _WHEN.match(template)
    assert found is not None, f"the template of {kind} begins with when it is sent"
    follows = sorted(entry for entry, rules in NEWS.items() if any(r.kind == kind and to in r.to for r in rules))
    written = Writer().write(next(examples.messages(kind, to)), examples.setting(Language.ENGLISH, kind))
    lines = [
        f"### `{kind}`\n",
        f"{found[1]} From {', '.join(f'`{name}`' for name in follows)}.\n",
        f"> **{written.subject}**\n>",
        *(f"> {line}".rstrip() for line in _body(written.text)),
    ]
    if written.sms:
        lines += [">", f"> SMS: {written.sms}"]
    return "\n".join(lines) + "\n"


def _body(text: str) -> Iterator[str]:
    """The text without sender, repetition of the subject and footer. Each line is a line in the document, too."""
    lines = text.partition("\n-- \n")[0].strip().splitlines()[4:]
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        yield f"{line}\\" if line and following else line
