"""Rules of the layers that import-linter cannot check."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOMAIN = sorted((ROOT / "chalicelib" / "domain").rglob("*.py"))


def imports(path: Path) -> set[str]:
    """Return the dotted names that a file imports, wherever in it; `from a import b` counts as a.b."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            package = ".".join(path.relative_to(ROOT).parts[: -node.level]) if node.level else ""
            origin = ".".join(filter(None, [package, node.module]))
            found |= {f"{origin}.{alias.name}" for alias in node.names}
    return found


STRUCTS = {"msgspec.Struct", "msgspec.field", "msgspec.structs.fields", "msgspec.structs.replace"}
"""docs/decisions/0016-domain-types-are-structs.md"""


@pytest.mark.parametrize("path", DOMAIN, ids=lambda path: str(path.relative_to(ROOT / "chalicelib" / "domain")))
def test_domain_needs_nothing_but_the_standard_library_and_structs(path: Path) -> None:
    """A domain module imports the standard library, other domain modules, and what its values are made with."""
    foreign = {name for name in imports(path) if name.split(".")[0] not in sys.stdlib_module_names}

    assert {name for name in foreign if not name.startswith("chalicelib.domain.")} <= STRUCTS


def test_app_registers_and_delegates_only() -> None:
    """app.py, which import-linter cannot watch, imports of our own only handlers, bootstrap, use cases and ports."""
    ours = {name for name in imports(ROOT / "app.py") if name.startswith(("chalicelib", "devstack", "tests"))}

    allowed = (
        "chalicelib.handlers",
        "chalicelib.bootstrap",
        "chalicelib.usecases",
        "chalicelib.ports",
        "chalicelib.config",
        "chalicelib.cold_start",
    )
    assert {name for name in ours if not name.startswith(allowed)} == set()
