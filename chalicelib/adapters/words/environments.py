"""The templates of pages and messages, each language with its words. Packaging compiles them."""

from __future__ import annotations

import gettext
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemBytecodeCache, FunctionLoader, StrictUndefined, select_autoescape

from chalicelib.domain.contact import Language

TEMPLATES = Path(__file__).parent / "templates"
COMPILED = Path(__file__).parent / "compiled"
"""The templates' bytecode, where packaging has put it: only in a bundle."""
CATALOGUES = Path(__file__).parents[2] / "locale"
DOMAIN = "aftertab"
SOURCE = Language.ENGLISH
"""The language that the templates are written in. It has no catalogue."""


@cache
def environment(language: Language) -> Environment:
    bytecode = FileSystemBytecodeCache(str(COMPILED)) if COMPILED.is_dir() else None
    environment = _environment(bytecode)
    environment.install_gettext_translations(_catalogue(language), newstyle=True)  # type: ignore[attr-defined]
    return environment


def compile_templates(folder: Path) -> None:
    """Put every template's bytecode into the folder: compiling is more than half of a page's first request."""
    environment = _environment(FileSystemBytecodeCache(str(folder)))
    for path in sorted(TEMPLATES.rglob("*")):
        if path.suffix in (".html", ".txt", ".jinja"):
            environment.get_template(path.relative_to(TEMPLATES).as_posix())


def _environment(bytecode: FileSystemBytecodeCache | None) -> Environment:
    environment = Environment(
        # Sources without a file's name: their bytecode is then found by the template's, wherever the bundle lies.
        loader=FunctionLoader(_source),
        bytecode_cache=bytecode,
        # A message's parts are plain text; the mail in HTML escapes them.
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        # Nobody edits templates where they are deployed.
        auto_reload=False,
        extensions=["jinja2.ext.i18n"],
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["ext.i18n.trimmed"] = True
    # What is compiled depends on it; the language's own take its place.
    environment.install_null_translations(newstyle=True)  # type: ignore[attr-defined]
    return environment


def _source(name: str) -> str | None:
    path = TEMPLATES / name
    return path.read_text(encoding="utf-8") if path.is_file() else None


def _catalogue(language: Language) -> gettext.NullTranslations:
    if language == SOURCE:
        return gettext.NullTranslations()
    return gettext.translation(DOMAIN, CATALOGUES, [language])
