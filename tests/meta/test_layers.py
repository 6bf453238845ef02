"""What import-linter cannot say about the layers."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOMAIN = sorted((ROOT / "chalicelib" / "domain").glob("*.py"))


@pytest.mark.parametrize("path", DOMAIN, ids=lambda path: path.name)
def test_domain_needs_nothing_but_the_standard_library(path: Path) -> None:
    """A domain module imports the standard library and other domain modules, and nothing that was ever installed."""
    imported = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add("chalicelib.domain" if node.level else str(node.module))

    foreign = {n for n in imported if n.split(".")[0] not in sys.stdlib_module_names}
    assert {n for n in foreign if not n.startswith("chalicelib.domain")} == set()
