"""`make mails`: every message in every variant and language, as files to look at in a browser or a mail program."""

from __future__ import annotations

import argparse
from html import escape
from pathlib import Path

from chalicelib.adapters.words import gsm
from chalicelib.adapters.words.writer import Writer
from chalicelib.domain.contact import Language
from chalicelib.domain.news.message import MessageKind
from devstack.words import examples


def write(folder: Path) -> list[Path]:
    """Write each message as `<language>/<kind>.<to>.<variant>.html` and `.txt`, and an index of all of them."""
    index: list[str] = []
    written: list[Path] = []
    for language in Language:
        (folder / language).mkdir(parents=True, exist_ok=True)
        index.append(f"<h2>{language}</h2><ul>")
        for kind in MessageKind:
            for to in examples.recipients_of(kind):
                for number, message in enumerate(examples.messages(kind, to), 1):
                    told = Writer().write(message, examples.setting(language, kind))
                    html = folder / language / f"{kind}.{to}.{number}.html"
                    html.write_text(told.html)
                    sms = f"\nSMS ({gsm.segments(told.sms)}): {told.sms}\n" if told.sms else ""
                    html.with_suffix(".txt").write_text(f"{told.subject}\n\n{told.text}{sms}")
                    written.append(html)
                    name = html.relative_to(folder)
                    index.append(f'<li dir="auto"><a href="{name}">{name.name}</a>: {escape(told.subject)}</li>')
        index.append("</ul>")
    (folder / "index.html").write_text(f'<!DOCTYPE html><meta charset="utf-8">{"".join(index)}')
    return written


def main() -> None:
    parser = argparse.ArgumentParser(prog="make mails", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("dist/mails"))
    folder = parser.parse_args().out
    print(f"{len(write(folder))} mails: open {folder / 'index.html'}")


if __name__ == "__main__":
    main()
