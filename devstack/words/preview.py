"""`make mails`: every message in every variant and language, as files to look at in a browser or a mail program.

`--pictures docs` takes the pictures of docs/messages.md anew; it needs a Chromium (apt-get install chromium).
"""

from __future__ import annotations

import argparse
from html import escape
from pathlib import Path

from chalicelib.adapters.words import gsm
from chalicelib.adapters.words.writer import Writer
from chalicelib.domain.contact import Language
from chalicelib.domain.news.message import MessageKind
from devstack.chromium import CHROMIUM, QUIETLY
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


PICTURES = {
    "mail-phone.png": ("en/bill_presented.customer.1.html", 390, "light"),
    "mail-dark.png": ("en/bill_presented.customer.1.html", 390, "dark"),
    "mail-arabic.png": ("ar/card_declined.customer.1.html", 390, "light"),
    "mail-small.png": ("de/canceled.customer.1.html", 320, "light"),
}
"""Picture → the mail, the width of the phone, and its colour scheme."""


def take_pictures(mails: Path, target: Path) -> None:
    from playwright.sync_api import sync_playwright

    if CHROMIUM is None:
        raise SystemExit("There is no Chromium on this machine: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIETLY)
        for name, (mail, width, scheme) in PICTURES.items():
            page = browser.new_page(
                viewport={"width": width, "height": 600},
                device_scale_factor=2,
                color_scheme="dark" if scheme == "dark" else "light",
            )
            page.goto((mails / mail).resolve().as_uri())
            page.screenshot(path=target / name, full_page=True)
        browser.close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="make mails", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("dist/mails"))
    parser.add_argument("--pictures", type=Path, help="the folder for pictures of some of them")
    given = parser.parse_args()
    print(f"{len(write(given.out))} mails: open {given.out / 'index.html'}")
    if given.pictures:
        take_pictures(given.out, given.pictures)


if __name__ == "__main__":
    main()
