"""What the pages for contributors name exists: files, make targets, links."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / ".github").rglob("*.md")])
WHERE_THINGS_GO = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "docs/architecture.md")]
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
FOLDERS = (ROOT, ROOT / "chalicelib", ROOT / "chalicelib" / "domain" / "tab")
"""A path in the text begins at the root, or where the architecture page says that it looks."""


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_make_target_exists(page: Path) -> None:
    """`make something`, wherever a page says it, is a target of the Makefile."""
    named = set(re.findall(r"(?:`|^)make ([a-z][a-z-]*)", page.read_text(), re.MULTILINE))

    assert named <= TARGETS


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_link_leads_to_a_file(page: Path) -> None:
    """A link to a file of the repository finds it."""
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)(?:#[^)]*)?\)", page.read_text())

    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", WHERE_THINGS_GO, ids=name)
def test_every_file_that_is_named_exists(page: Path) -> None:
    """A path in backticks on the pages that say where things are: whoever follows it arrives."""
    named = re.findall(r"`([a-z_.]+(?:/[a-z_.]+)*/?[a-z_]+\.(?:py|md|json|txt|toml|sh))`", page.read_text())
    paths = [path for path in named if "/" in path]

    assert [path for path in paths if not any((folder / path).exists() for folder in FOLDERS)] == []


def look_ups() -> list[tuple[str, list[str], list[str]]]:
    """The rows of "Ten look-ups" on the architecture page: question, files, names."""
    section = (ROOT / "docs" / "architecture.md").read_text().partition("## Ten look-ups")[2]
    rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("| ")][1:]
    return [(question, re.findall("`(.+?)`", files), re.findall("`(.+?)`", names)) for question, files, names in rows]


def test_there_are_ten_look_ups() -> None:
    """The page promises ten."""
    assert len(look_ups()) == 10


@pytest.mark.parametrize(("question", "files", "names"), look_ups(), ids=lambda value: str(value)[:40])
def test_a_look_up_opens_at_most_two_files_and_finds_its_answer(
    question: str, files: list[str], names: list[str]
) -> None:
    """Every name that answers the question is in one of at most two files."""
    found = [next(folder / file for folder in FOLDERS if (folder / file).exists()) for file in files]
    texts = "".join(path.read_text() for path in found)

    assert 1 <= len(found) <= 2
    assert [name for name in names if not re.search(rf"\b{name}\b", texts)] == []
