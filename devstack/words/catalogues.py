"""The catalogues of our words: extracted from the templates, kept up with them, checked, and compiled.

Babel does the work (https://babel.pocoo.org). `.po` files are what translators edit; the `.mo` files beside them are
what is loaded, and are committed, so that a fresh clone needs no step before it runs.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from babel.messages import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from chalicelib.adapters.words.environments import CATALOGUES, DOMAIN, SOURCE, TEMPLATES
from chalicelib.domain.contact import Language

TRANSLATED = tuple(language for language in Language if language != SOURCE)
_METHODS = [("**.jinja", "jinja2"), ("**.html", "jinja2"), ("**.txt", "jinja2")]
_OPTIONS = {pattern: {"trimmed": "true", "trim_blocks": "true", "lstrip_blocks": "true"} for pattern, _ in _METHODS}
_PLACEHOLDER = re.compile(r"%\((\w+)\)s")
_BEGINNING = datetime(2026, 11, 29, tzinfo=UTC)
"""The date in the header of a new catalogue; a date of today would make every run another file."""


def po_path(language: Language) -> Path:
    return CATALOGUES / language / "LC_MESSAGES" / f"{DOMAIN}.po"


def mo_path(language: Language) -> Path:
    return po_path(language).with_suffix(".mo")


def extracted() -> Catalog:
    """Every text of the templates."""
    catalogue = Catalog(project=DOMAIN, creation_date=_BEGINNING, revision_date=_BEGINNING)
    for name, line, texts, comments, context in extract_from_dir(TEMPLATES, _METHODS, _OPTIONS):
        catalogue.add(texts, None, [(name, line)], auto_comments=comments, context=context)
    return catalogue


def read(language: Language) -> Catalog:
    """The catalogue as it stands; an empty one for a language that has none."""
    path = po_path(language)
    if not path.exists():
        return Catalog(language, DOMAIN, project=DOMAIN, creation_date=_BEGINNING, revision_date=_BEGINNING)
    return read_po(io.BytesIO(path.read_bytes()), language, DOMAIN)


def updated(language: Language) -> Catalog:
    """The catalogue with exactly the texts of the templates; a new one is untranslated, and nothing is guessed."""
    catalogue = read(language)
    catalogue.update(extracted(), no_fuzzy_matching=True, update_creation_date=False)
    catalogue.obsolete.clear()
    return catalogue


def as_po(catalogue: Catalog) -> bytes:
    written = io.BytesIO()
    write_po(written, catalogue, width=120, sort_by_file=True, include_lineno=False)
    return written.getvalue()


def as_mo(catalogue: Catalog) -> bytes:
    written = io.BytesIO()
    write_mo(written, catalogue)
    return written.getvalue()


def write_all() -> list[Path]:
    """Bring every catalogue up to date with the templates, and compile it."""
    paths = []
    for language in TRANSLATED:
        catalogue = updated(language)
        po_path(language).parent.mkdir(parents=True, exist_ok=True)
        po_path(language).write_bytes(as_po(catalogue))
        mo_path(language).write_bytes(as_mo(catalogue))
        paths += [po_path(language), mo_path(language)]
    return paths


def problems() -> Iterator[str]:
    """What must be mended before anybody is told something: a line for each text that is not translated well."""
    wanted = {_forms(message.id) for message in extracted() if message.id}
    for language in TRANSLATED:
        catalogue = read(language)
        for ids in wanted - {_forms(message.id) for message in catalogue}:
            yield f"{language}: not in the catalogue (make messages adds it): {ids[0]!r}"
        for message in catalogue:
            if message.id and _forms(message.id) not in wanted:
                yield f"{language}: no template says it any more (make messages removes it): {_first(message.id)!r}"
            elif message.id:
                yield from (f"{language}: {wrong}: {_first(message.id)!r}" for wrong in _wrong(message, catalogue))
        if not mo_path(language).exists() or mo_path(language).read_bytes() != as_mo(catalogue):
            yield f"{language}: the compiled catalogue is another one (make messages compiles it)"


def _wrong(message: Message, catalogue: Catalog) -> Iterator[str]:
    if message.fuzzy:
        yield "marked as fuzzy"
    ids, texts = _forms(message.id), _forms(message.string)
    if not texts or not all(texts):
        yield "not translated"
        return
    if len(ids) > 1 and len(texts) != catalogue.num_plurals:
        yield f"has {len(texts)} plural forms of {catalogue.num_plurals}"
    placeholders = set(_PLACEHOLDER.findall(ids[-1]))
    for text in texts:
        found = set(_PLACEHOLDER.findall(text))
        # "One day" may be said without its number.
        if found != placeholders and not (len(ids) > 1 and found <= placeholders):
            yield f"has other placeholders ({', '.join(sorted(found ^ placeholders))})"
        if text != text.strip():
            yield "begins or ends with a space"


def _forms(text: Any) -> tuple[str, ...]:
    """One form, or one for each plural."""
    return (text,) if isinstance(text, str) else tuple(text or ())


def _first(text: Any) -> str:
    return _forms(text)[0]
