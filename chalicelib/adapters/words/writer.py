"""Writes a message: its template in the recipient's language, set as a mail in HTML and text, and as an SMS."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from babel import Locale
from jinja2 import Environment, Template, TemplateNotFound, UndefinedError
from msgspec import Struct

from chalicelib.adapters.words import gsm
from chalicelib.adapters.words.colours import DARK, LIGHT
from chalicelib.adapters.words.environments import environment
from chalicelib.adapters.words.formats import Formats, shortened
from chalicelib.domain.contact import Language
from chalicelib.domain.news.message import Message, Recipient
from chalicelib.domain.trust.standing_terms import Reason
from chalicelib.ports.words import MissingValue, Setting, Written

NAMES = ("merchant", "title", "customer", "page", "unsubscribe")
"""The names of a setting that templates know."""
_TITLE_LENGTH, _SMS_NAME_LENGTH = 60, 30
"""The most of a title that a subject shows, and the most of a name in an SMS."""


class Parts(Struct, frozen=True, kw_only=True):
    """What a message says, in any channel. `figure` and `caption`: the amount it is about, and what that is.

    `facts`: labels and values. `says`: paragraphs. `can`: what the recipient can do, by the names in `shared.jinja`.
    `sms`: what an SMS says beside `head` and `figure`.
    """

    head: str
    figure: str
    caption: str
    facts: tuple[tuple[str, str], ...]
    says: tuple[str, ...]
    can: tuple[str, ...]
    sms: str


class Writer:
    """Implements ports.words.Words. A template is compiled at its first use in a language."""

    def write_reasons(self, reasons: Sequence[Reason], language: Language) -> Sequence[str]:
        words = environment(language).get_template("standing.jinja").module
        return [_one_line(words.why(reason)) for reason in reasons]  # type: ignore[attr-defined]

    def write(self, message: Message, setting: Setting) -> Written:
        try:
            return _write(environment(setting.language), message, setting)
        except UndefinedError as missing:
            raise MissingValue(f"A {message.kind} to the {message.to} lacks a value: {missing}.") from missing
        except TemplateNotFound as missing:
            raise MissingValue(f"There are no words for a {message.kind} to the {message.to}.") from missing


def _write(environment: Environment, message: Message, setting: Setting) -> Written:
    template = environment.get_template(f"{message.to}/{message.kind}.jinja")
    context = _context(message, setting, in_sms=False)
    parts = _parts(template, context)
    short_title = context["short_title"]
    subject = f"{_headline(parts)} ({short_title})" if short_title else _headline(parts)
    sms = ""
    if message.to == Recipient.CUSTOMER:
        short = _context(message, setting, in_sms=True)
        sms_parts = _parts(template, short)
        sms = environment.get_template("sms.txt").render(short, parts=sms_parts, headline=_headline(sms_parts))
    return Written(
        subject=subject,
        text=_without_gaps(environment.get_template("mail.txt").render(context, parts=parts)),
        html=environment.get_template("mail.html").render(context, parts=parts, light=LIGHT, dark=DARK),
        sms=" ".join(gsm.plain(sms).split()),
    )


def _context(message: Message, setting: Setting, *, in_sms: bool) -> dict[str, Any]:
    """What templates see: the message's values under their names, the setting's names, and the formats."""
    locale = Locale.parse(setting.language)
    formats = Formats(locale, setting.time_zone, setting.currency, in_sms=in_sms)
    if "merchant" not in setting.names:
        raise MissingValue("A message names the business that it comes from.")
    names: dict[str, str | None] = {name: setting.names.get(name) for name in NAMES}
    title = names["title"] or ""
    for name in ("merchant", "title", "customer"):
        if text := names[name]:
            names[name] = formats.name(shortened(text, _SMS_NAME_LENGTH) if in_sms else text)
    return {
        **message.values,
        **names,
        "short_title": formats.name(shortened(title, _TITLE_LENGTH)) if title else "",
        "to": message.to,
        "language": setting.language,
        "direction": locale.text_direction,
        "money": formats.money,
        "day": formats.day,
        "moment": formats.moment,
        "isolated": formats.isolated,
    }


def _parts(template: Template, context: dict[str, Any]) -> Parts:
    said = vars(template.make_module(context))
    paragraphs = (_one_line(paragraph) for paragraph in said["says"].split("\n"))
    return Parts(
        head=_one_line(said["head"]),
        figure=said.get("figure", ""),
        caption=_one_line(said.get("caption", "")),
        facts=tuple((label, value) for label, value in said.get("facts", ()) if value),
        says=tuple(paragraph for paragraph in paragraphs if paragraph),
        can=tuple(said.get("can", ())),
        sms=_one_line(said.get("sms", "")),
    )


def _headline(parts: Parts) -> str:
    return f"{parts.head}: {parts.figure}" if parts.figure else parts.head


_GAP = re.compile(r"\n{3,}")


def _one_line(text: str) -> str:
    """Without the layout of the template; no-break spaces stay."""
    return re.sub(r"[ \t\n]+", " ", text).strip()


def _without_gaps(text: str) -> str:
    return _GAP.sub("\n\n", text).strip() + "\n"
