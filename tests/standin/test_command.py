"""The command line: it starts by itself, and what keeps it from starting is said in a line."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from devstack.stripe_standin import __main__ as command

ROOT = Path(__file__).resolve().parents[2]


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["stripe_standin", *arguments])
    return command.main()


def test_it_starts_by_itself_and_says_where_it_is(tmp_path: Path) -> None:
    """From any folder but the project's, too: the address is printed once connections are accepted."""
    started = subprocess.Popen(
        [sys.executable, "-m", "devstack.stripe_standin", "--port", "0"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert started.stdout is not None
        said = started.stdout.readline()
        found = re.fullmatch(r"Stripe stand-in at http://127\.0\.0\.1:(\d+) · clock \S+ · any sk_test_ key\n", said)
        assert found, said
        socket.create_connection(("127.0.0.1", int(found[1])), timeout=5).close()
    finally:
        started.terminate()
        started.communicate(timeout=10)


def test_a_busy_port_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """With what to do about it."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        assert run(monkeypatch, "--port", str(port)) == 2

    assert capsys.readouterr().err == (
        f"stripe stand-in: cannot listen on 127.0.0.1: port {port} is in use; --port 0 takes a free one\n"
    )


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--port", "0", "--host", "0.0.0.0"], "the loopback interface only"),
        (["--port", "70000"], "there is no port 70000"),
        (["--port", "0", "--start", "yesterday"], "'yesterday' is not a time like 2026-01-05T09:00:00Z"),
        (["--port", "0", "--start", "2026-01-05T09:00:00"], "a time needs its offset"),
        (["--port", "0", "--state", "/"], "cannot keep state in /: Is a directory"),
        (["--port", "0", "--state", "/none/at/all"], "cannot keep state in /none/at/all: No such file or directory"),
    ],
)
def test_what_keeps_it_from_starting_is_said_in_a_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str], reason: str
) -> None:
    """Exit code 2, one line, no traceback."""
    assert run(monkeypatch, *arguments) == 2

    said = capsys.readouterr().err
    assert reason in said
    assert said.count("\n") == 1


def test_somebody_elses_file_is_not_taken_for_a_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is refused, and left as it is."""
    notes = tmp_path / "notes.txt"
    notes.write_text("Buy milk.\n" * 50)

    assert run(monkeypatch, "--port", "0", "--state", str(notes)) == 2

    assert "holds no state of a stand-in" in capsys.readouterr().err
    assert notes.read_text() == "Buy milk.\n" * 50


def test_repeatable_ids_and_a_kept_state_exclude_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A restart would hand out ids that are taken."""
    with pytest.raises(SystemExit) as left:
        run(monkeypatch, "--port", "0", "--seed", "1", "--state", str(tmp_path / "state"))

    assert left.value.code == 2
    assert "--seed would hand out the ids of --state again" in capsys.readouterr().err
