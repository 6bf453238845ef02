"""The local outbox: mails and texts go into a file, a line of JSON each, and onto a page that shows them as on a phone.

It stands for SES and SNS. What those report later (a bounce, an answer with STOP) is posted to the control port.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable
from html import escape
from pathlib import Path
from typing import Any

from chalicelib.ports.channels import Mail, Sms
from chalicelib.ports.clock import Clock

Line = dict[str, Any]
NAME = "mails.jsonl"
PATH = "/_outbox"


class LocalOutbox:
    """The file. `clock`: when something was sent, by the local stack's business time."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._lock = threading.Lock()

    @property
    def mailer(self) -> LocalMailer:
        return LocalMailer(self)

    @property
    def texter(self) -> LocalTexter:
        return LocalTexter(self)

    def add(self, channel: str, **fields: Any) -> str:
        """Write a line, and return the id that a provider would give it."""
        with self._lock:
            number = len(read(self._path)) + 1
            line = {"id": f"{channel}-{number}", "channel": channel, "at": self._clock.now().isoformat(), **fields}
            with self._path.open("a") as outbox:
                outbox.write(json.dumps(line) + "\n")
        return str(line["id"])


class LocalMailer:
    """Implements ports.Mailer."""

    def __init__(self, outbox: LocalOutbox) -> None:
        self._outbox = outbox

    def send(self, mail: Mail) -> str:
        return self._outbox.add(
            "email",
            to=mail.to,
            sender=mail.sender_name,
            subject=mail.subject,
            text=mail.text,
            html=mail.html,
            headers=dict(mail.headers),
            tags=dict(mail.tags),
        )


class LocalTexter:
    """Implements ports.Texter."""

    def __init__(self, outbox: LocalOutbox) -> None:
        self._outbox = outbox

    def send(self, sms: Sms) -> str:
        return self._outbox.add("sms", to=sms.to, text=sms.text)


def read(path: Path) -> list[Line]:
    """Everything that was sent, oldest first."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


# The page


def page(lines: Iterable[Line]) -> str:
    """The newest first: each mail on a light and on a dark phone, each text as a bubble."""
    shown = [_mail(line) if line["channel"] == "email" else _sms(line) for line in reversed(list(lines))]
    body = "".join(shown) or "<p>Nothing was sent yet.</p>"
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Outbox</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head>'
        f"<body><h1>Outbox</h1><p>What was handed over to e-mail and text messages, the newest first. "
        f"Nothing left this machine.</p>{body}</body></html>"
    )


def _mail(line: Line) -> str:
    head = f"<header><b>{escape(line['sender'])}</b> to {escape(line['to'])}<time>{_when(line)}</time></header>"
    # A frame has the colours of the page around it, so the dark copy is told which media it is.
    dark = line["html"].replace("(prefers-color-scheme: dark)", "all")
    phones = "".join(
        f'<div class="phone {name}"><div class="subject" dir="auto">{escape(line["subject"])}</div>'
        f'<iframe sandbox title="{name}" srcdoc="{escape(html)}"></iframe></div>'
        for name, html in (("light", line["html"]), ("dark", dark))
    )
    stop = line["headers"].get("List-Unsubscribe", "").strip("<>")
    link = f'<p>One click stops these: <a href="{escape(stop)}">{escape(stop)}</a></p>' if stop else ""
    return f"<article>{head}<div class=phones>{phones}</div>{link}</article>"


def _sms(line: Line) -> str:
    head = f"<header>to {escape(line['to'])}<time>{_when(line)}</time></header>"
    bubbles = "".join(
        f'<div class="phone sms {name}"><p class="bubble" dir="auto">{escape(line["text"])}</p></div>'
        for name in ("light", "dark")
    )
    return f"<article>{head}<div class=phones>{bubbles}</div></article>"


def _when(line: Line) -> str:
    return escape(f"{line['at'][:16].replace('T', ' ')} UTC")


_STYLE = (
    "body{font:1rem/1.5 system-ui,sans-serif;margin:2rem auto;max-width:54rem;padding:0 1rem;background:#e9ecef;"
    "color:#1d2125}article{margin:2rem 0}header{display:flex;gap:.5rem;margin-bottom:.5rem}time{margin-left:auto;"
    "color:#555}.phones{display:flex;flex-wrap:wrap;gap:1.5rem}.phone{width:390px;max-width:100%;border-radius:2rem;"
    "border:.6rem solid #1d2125;overflow:hidden;box-sizing:border-box}.light{background:#fff;color:#111}"
    ".dark{background:#000;color:#f2f2f2}.subject{font-weight:600;padding:1rem 1rem .75rem}"
    "iframe{width:100%;height:620px;border:0;display:block}.sms{padding:1.5rem 1rem}.bubble{margin:0;padding:.6rem "
    ".9rem;border-radius:1.1rem;max-width:85%;width:fit-content;overflow-wrap:anywhere}.light .bubble{"
    "background:#e5e5ea}.dark .bubble{background:#26252a}a{overflow-wrap:anywhere}"
)
