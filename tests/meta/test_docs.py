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


def test_every_decision_is_listed_once_in_its_order() -> None:
    """A page of a decision that the list leaves out is found by nobody."""
    folder = ROOT / "docs" / "decisions"
    listed = re.findall(r"^- (\d+): \[[^]]+\]\((\d{4})[^)]*\)", (folder / "README.md").read_text(), re.MULTILINE)

    assert [number for number, _ in listed] == [str(int(name)) for _, name in listed]
    assert [name for _, name in listed] == sorted(page.name[:4] for page in folder.glob("0*.md"))


def rows(heading: str) -> list[list[str]]:
    """The rows of the table below this heading of the architecture page, without the table's own head."""
    section = (ROOT / "docs" / "architecture.md").read_text().partition(f"## {heading}\n")[2].partition("\n## ")[0]
    return [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("| ")][1:]


def find(path: str) -> Path | None:
    return next((folder / path for folder in FOLDERS if (folder / path).exists()), None)


PLACES = [(row[0], row[1]) for row in rows("Where to look") if len(row) == 2]


@pytest.mark.parametrize(("what", "places"), PLACES, ids=lambda value: str(value)[:40])
def test_what_the_table_names_is_there(what: str, places: str) -> None:
    """Every file and folder of "Where to look" exists, and holds the names that are said after it."""
    named = re.findall(r"`([^`]+)`(?: \(((?:`\w+`(?:, )?)+)\))?", places)
    files = {path: found for path, _ in named if (found := find(path))}

    assert [path for path, _ in named if path not in files and not path.isidentifier()] == []
    for path, names in named:
        missing = [one for one in re.findall(r"\w+", names) if not re.search(rf"\b{one}\b", files[path].read_text())]
        assert missing == [], path


LOOK_UPS = [
    (question, re.findall("`(.+?)`", files), re.findall("`(.+?)`", names))
    for question, files, names in rows("Twenty look-ups")
]


def test_there_are_twenty_look_ups() -> None:
    """The page promises twenty."""
    assert len(LOOK_UPS) == 20


@pytest.mark.parametrize(("question", "files", "names"), LOOK_UPS, ids=lambda value: str(value)[:40])
def test_a_look_up_opens_at_most_two_files_and_finds_its_answer(
    question: str, files: list[str], names: list[str]
) -> None:
    """Every name that answers the question is in one of at most two files."""
    found = [find(file) for file in files]
    texts = "".join(path.read_text() for path in found if path)

    assert 1 <= len(found) <= 2
    assert None not in found
    assert [name for name in names if not re.search(rf"\b{name}\b", texts)] == []


def test_a_money_rule_that_a_comment_cites_is_on_the_page() -> None:
    """A reader who meets "money rule 4" finds the fourth rule; what is not in the repository is not cited."""
    section = (ROOT / "docs" / "architecture.md").read_text().partition("## Money rules\n")[2].partition("\n## ")[0]
    rules = set(re.findall(r"^(\d+)\. ", section, re.MULTILINE))
    texts = [path.read_text() for top in ("chalicelib", "devstack") for path in (ROOT / top).rglob("*.py")]
    cited = {rule for text in texts for rule in re.findall(r"money\s+rules? (\d+)", text)}

    assert rules == {str(number) for number in range(1, 11)}
    assert cited <= rules
    assert [text for text in texts if "design §" in text] == []
