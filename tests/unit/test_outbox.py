"""The local outbox: what was handed over is in its file, and its page shows it as a phone does."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from chalicelib.ports.channels import Mail, Sms
from devstack.outbox import LocalOutbox, page, read

MAIL = Mail(
    to="ada@example.com",
    sender_name="Salon <b>",
    subject="Your bill: 12.00",
    text="12.00",
    html="<style>@media (prefers-color-scheme: dark) { p { color: white } }</style><p>12.00</p>",
    headers={"List-Unsubscribe": "<https://api.example.com/v1/unsubscribe/m/c/KEY>"},
)


class Noon:
    def now(self) -> datetime:
        return datetime(2026, 3, 2, 12, tzinfo=UTC)


def test_mails_and_texts_are_kept_in_order(tmp_path: Path) -> None:
    """Each under an id of its own, which its feedback names; nothing is there before the first."""
    path = tmp_path / "mails.jsonl"
    outbox = LocalOutbox(path, Noon())
    assert read(path) == []

    ids = [outbox.mailer.send(MAIL), outbox.texter.send(Sms(to="+491701234567", text="STOP ends")), "email-3"]
    outbox.mailer.send(MAIL)

    lines = read(path)
    assert [line["id"] for line in lines] == ids
    assert [(line["channel"], line["to"]) for line in lines[:2]] == [
        ("email", "ada@example.com"),
        ("sms", "+491701234567"),
    ]


def test_the_page_shows_light_and_dark_and_runs_nothing(tmp_path: Path) -> None:
    """A mail's own code stays in its frame; names are text."""
    path = tmp_path / "mails.jsonl"
    outbox = LocalOutbox(path, Noon())
    outbox.mailer.send(MAIL)
    outbox.texter.send(Sms(to="+491701234567", text="<i>STOP</i> ends"))

    shown = page(read(path))

    assert shown.count("<iframe sandbox ") == 2
    assert shown.count("prefers-color-scheme: dark") == 1, "the dark copy is told that it is dark"
    assert "Salon &lt;b&gt;" in shown
    assert shown.count("&lt;i&gt;STOP&lt;/i&gt; ends") == 2
    assert 'href="https://api.example.com/v1/unsubscribe/m/c/KEY"' in shown
    assert "Nothing was sent yet." in page([])
