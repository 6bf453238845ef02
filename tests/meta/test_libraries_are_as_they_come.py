"""Nothing that is deployed changes a library or the standard library: others have tested them as they are."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGING = ROOT / "devstack" / "package"
FILES = [ROOT / "app.py", *sorted((ROOT / "chalicelib").rglob("*.py")), *sorted(PACKAGING.glob("*.py"))]
OURS = ("app", "chalicelib", "devstack")
SETTINGS = {"stripe.enable_telemetry"}
"""Documented switches of libraries that are module attributes: https://github.com/stripe/stripe-python#telemetry."""


def patches(source: str) -> list[str]:
    """Assignments to attributes of other people's modules and classes, and any touch of `sys.modules`."""
    tree = ast.parse(source)
    theirs = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            theirs |= {(alias.asname or alias.name.split(".")[0]) for alias in node.names if not _is_ours(alias.name)}
        if isinstance(node, ast.ImportFrom) and not _is_ours(node.module or ""):
            theirs |= {alias.asname or alias.name for alias in node.names}
    found = []
    for node in ast.walk(tree):
        changed = isinstance(node, ast.Attribute | ast.Subscript) and isinstance(node.ctx, ast.Store | ast.Del)
        called = isinstance(node, ast.Call) and ast.unparse(node.func) in ("setattr", "delattr") and node.args
        target = node if changed else node.args[0] if called and isinstance(node, ast.Call) else None
        if target is not None and ast.unparse(target).split(".")[0].split("[")[0] in theirs:
            found.append(ast.unparse(target))
        if isinstance(node, ast.Attribute) and ast.unparse(node) == "sys.modules":
            found.append("sys.modules")
    return found


def _is_ours(module: str) -> bool:
    return module.split(".")[0] in OURS


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_library_is_patched(path: Path) -> None:
    """No attribute of a library's is set, and no module is replaced."""
    assert set(patches(path.read_text())) <= SETTINGS


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("import re\nre._compiler.compile = print", ["re._compiler.compile"]),
        ("import typing as t\nsetattr(t, 'compile', 1)", ["t"]),
        ("from botocore.auth import AUTH_TYPE_MAPS\nAUTH_TYPE_MAPS['x'] = 1", ["AUTH_TYPE_MAPS['x']"]),
        ("import sys\nsys.modules.setdefault('asyncio', 1)", ["sys.modules"]),
        ("import sys\ndel sys.modules['asyncio']", ["sys.modules['asyncio']", "sys.modules"]),
        ("from chalicelib import config\nconfig.x = 1", []),
    ],
)
def test_a_patch_is_found(code: str, found: list[str]) -> None:
    """The ways in which the app once changed libraries are all noticed."""
    assert patches(code) == found


def test_clients_of_aws_are_boto3s() -> None:
    """The library that the project was asked to use; what it loads is a part of what a start costs."""
    deployed = {path.relative_to(ROOT).as_posix(): path.read_text() for path in FILES if PACKAGING not in path.parents}
    makers = {name for name, text in deployed.items() if "boto3.client(" in text}

    assert makers >= {
        "chalicelib/adapters/aws/queues.py",
        "chalicelib/adapters/aws/secrets.py",
        "chalicelib/adapters/channels/ses.py",
        "chalicelib/adapters/channels/sns.py",
        "chalicelib/adapters/dynamodb/store.py",
    }
    assert not [name for name, text in deployed.items() if "create_client(" in text]
