"""The demo's stories over real HTTP and processes, and the curl lines of the README."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from devstack.books import Money
from devstack.serve import CURL_STORY, TOKEN_STORY, bill_to_scan, write_env
from devstack.stack import ROOT, Stack
from devstack.stories.business import Business, StoryFailed
from devstack.stories.usual import STORIES, Story, walk_in

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(logs=tmp_path_factory.mktemp("logs")) as running:
        yield running


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
def test_story(stack: Stack, story: Story) -> None:
    """The story comes out as it says, in the app's books and in Stripe's."""
    story(stack, lambda text: None)


def test_the_nightly_run_has_nothing_to_say(stack: Stack) -> None:
    """After the stories, by the schedule's own handler in the app's process: no difference, and nothing left unread."""
    walk_in(stack, lambda text: None)
    stack.move_clock(stack.now() + timedelta(minutes=20))
    stack.sweep()
    stack.move_clock(stack.now() + timedelta(minutes=20))

    figures = stack.reconcile()

    assert figures["tabs"] >= 1
    assert (figures["differences"], figures["in_progress"], figures["complete"]) == (0, 0, True)


@pytest.mark.parametrize("method", ["QUERY", "TRACE", "BREW"])
def test_a_method_that_is_new_or_none_is_refused_as_all_others(stack: Stack, method: str) -> None:
    """By a problem with 405, not by the 501 of Python's server."""
    reply = stack.app.request(method, "/v1/health")

    assert (reply.status, reply.headers["content-type"]) == (405, "application/problem+json")


def test_a_story_that_is_wrong_fails(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """A story's literals are compared, not printed: one cent off in either book ends it."""
    monkeypatch.setattr("devstack.stories.usual.Money", lambda **given: Money(charged=given["charged"] + 1))

    with pytest.raises(
        StoryFailed, match=r"the app has charged 700, expected 701.*Stripe has charged 700, expected 701"
    ):
        walk_in(stack, lambda text: None)


def test_the_curl_lines_pay_a_tab(stack: Stack, tmp_path: Path) -> None:
    """The ten lines of curl, pasted into a shell, end with a tab that is closed and paid."""
    write_env(stack, tmp_path / ".devstack")

    # The last line waits a second for the webhook; here it is known to have arrived instead.
    script = CURL_STORY.read_text().replace("sleep 1; ", "").rsplit("\n", 2)
    pasted = subprocess.run(["bash", "-eu", "-c", script[0]], cwd=tmp_path, capture_output=True, check=True)
    stack.drain()
    last = subprocess.run(
        ["bash", "-eu", "-c", f". .devstack/env\nTAB={_tab_id(pasted.stdout)}\n{script[1]}"],
        cwd=tmp_path,
        capture_output=True,
        check=True,
    )
    tab = json.loads(last.stdout)

    assert (tab["status"], tab["payment_state"], tab["paid_minor"]) == ("closed", "paid", 700)


def test_the_curl_lines_of_a_token_pay_a_tab(stack: Stack, tmp_path: Path) -> None:
    """A guest with nothing but the token pays and tips; the tab is closed, and has let go of the token."""
    write_env(stack, tmp_path / ".devstack")

    script = TOKEN_STORY.read_text().replace("sleep 1; ", "").rsplit("\n", 2)
    pasted = subprocess.run(["bash", "-eu", "-c", script[0]], cwd=tmp_path, capture_output=True, check=True)
    stack.drain()
    tab_id = _tab_id(pasted.stdout)
    last = subprocess.run(
        ["bash", "-eu", "-c", f". .devstack/env\nTAB={tab_id}\n{script[1]}"],
        cwd=tmp_path,
        capture_output=True,
        check=True,
    )
    tab = json.loads(last.stdout)

    assert (tab["status"], tab["payment_state"], tab["paid_minor"], tab["tip_minor"]) == ("closed", "paid", 430, 50)
    assert TOKEN_STORY.read_text() in (ROOT / "docs" / "links.md").read_text()


def test_what_serve_prints_can_be_opened(stack: Stack) -> None:
    """The address of the guest's bill leads to the page that shows it."""
    address = bill_to_scan(Business(stack, lambda text: None, name="Kaffee Morgen"))

    page = httpx.get(address)

    assert page.status_code == 200
    assert "Kaffee Morgen" in page.text and "Croissant" in page.text


def test_the_readme_tells_the_same_curl_lines() -> None:
    """The README shows exactly the lines that are tested here."""
    assert CURL_STORY.read_text() in (ROOT / "README.md").read_text()
    assert len(CURL_STORY.read_text().splitlines()) == 10


def _tab_id(output: bytes) -> str:
    found = re.search(rb"tab_[0-9A-Z]{26}", output)
    assert found, output
    return found[0].decode()
