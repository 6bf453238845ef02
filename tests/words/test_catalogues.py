"""The catalogues are complete, up to date with the templates, and compiled."""

import shutil
from pathlib import Path

import pytest
from babel import Locale

from chalicelib.adapters.words import environments, pages
from chalicelib.domain.contact import Language
from devstack.package.__main__ import PackageBroken, make
from devstack.words import catalogues, document


def test_every_text_is_translated() -> None:
    """No text is missing, fuzzy or left over, or has other placeholders than the template; `make messages` helps."""
    assert list(catalogues.problems()) == []


@pytest.mark.parametrize("language", catalogues.TRANSLATED)
def test_the_committed_catalogues_are_those_of_the_templates(language: Language) -> None:
    """After a change to a template: make messages."""
    assert catalogues.po_path(language).read_bytes() == catalogues.as_po(catalogues.updated(language))


def test_the_document_of_messages_is_up_to_date() -> None:
    """After a change to a template or the table of news: make messages."""
    assert document.TARGET.read_text() == document.document()


@pytest.fixture
def copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Catalogues that may be broken: the German one of them."""
    shutil.copytree(environments.CATALOGUES, tmp_path / "locale")
    monkeypatch.setattr(catalogues, "CATALOGUES", tmp_path / "locale")
    return catalogues.po_path(Language.GERMAN)


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))
    catalogues.mo_path(Language.GERMAN).write_bytes(catalogues.as_mo(catalogues.read(Language.GERMAN)))


ENDS = 'msgstr "Noch zu zahlen: %(balance)s."'


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (ENDS, 'msgstr ""', "not translated"),
        (ENDS, 'msgstr "Noch zu zahlen: %(amount)s."', "other placeholders (amount, balance)"),
        (ENDS, 'msgstr "Noch zu zahlen."', "other placeholders (balance)"),
        (ENDS, 'msgstr "Noch zu zahlen: %(balance)s. "', "begins or ends with a space"),
        ('msgid "Nothing is left to pay."', '#, fuzzy\nmsgid "Nothing is left to pay."', "marked as fuzzy"),
        ('msgid "Nothing is left to pay."', 'msgid "Nothing was left to pay."', "not in the catalogue"),
        ('msgid "Nothing is left to pay."', 'msgid "Nothing was left to pay."', "no template says it any more"),
        ('msgstr[1] "%(count)s Tage"\n', "", "not translated"),
    ],
)
def test_what_is_wrong_with_a_translation_is_said(copies: Path, old: str, new: str, said: str) -> None:
    """Each of these stops the build, and names language and text."""
    change(copies, old, new)

    found = list(catalogues.problems())

    assert any(said in one and one.startswith("de: ") for one in found), found


def test_a_catalogue_that_was_not_compiled_is_said(copies: Path) -> None:
    """What is loaded is the compiled one."""
    copies.write_text(copies.read_text().replace("Dies ist Ihr Beleg.", "Das ist Ihr Beleg."))

    assert list(catalogues.problems()) == ["de: the compiled catalogue is another one (make messages compiles it)"]


def test_a_missing_translation_stops_the_packaging(copies: Path, tmp_path: Path) -> None:
    """Nothing is deployed that would speak two languages."""
    change(copies, ENDS, 'msgstr ""')

    with pytest.raises(PackageBroken, match=r"de: not translated: '%\(balance\)s is left to pay.'"):
        make("dev", tmp_path / "out")


def test_english_needs_no_catalogue() -> None:
    """It is what the templates are written in."""
    assert not catalogues.po_path(Language.ENGLISH).exists()
    assert set(catalogues.TRANSLATED) == set(Language) - {Language.ENGLISH}


def test_languages_are_called_what_babel_calls_them() -> None:
    """Written out for the pages, which would otherwise load the data of every language."""
    assert tuple((language, Locale.parse(language).get_display_name()) for language in Language) == pages.LANGUAGES
