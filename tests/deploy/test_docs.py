"""The tables of docs/deploy.md agree with the code."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from devstack.deploy.alarms import ALARMS, OF_EACH_FUNCTION
from devstack.package.contents import STRIPE_SERVICES
from devstack.stack import API_VERSION, EVENTS

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "deploy.md").read_text()


def test_every_alarm_is_explained() -> None:
    """Whoever is woken finds the alarm's name, what it means and what to do."""
    for alarm in ALARMS:
        assert f"| `{alarm.name}` | {alarm.means} | {alarm.then} |" in TEXT
    for suffix, (_, means, then) in OF_EACH_FUNCTION.items():
        assert f"| `…-{suffix}`, one a function | {means} | {then} |" in TEXT


def test_every_parameter_is_explained(templates: dict[str, dict[str, Any]]) -> None:
    """The parameters of the template, but for the stage, which the package knows."""
    declared = templates["prod"]["Parameters"]
    explained = dict(re.findall(r"^\| `(\w+)` \| (.+?) \|", TEXT, flags=re.MULTILINE))

    assert set(declared) - {"Stage"} <= set(explained)
    assert {name for name, parameter in declared.items() if "Default" not in parameter} == {
        name for name in declared if explained.get(name) == "needed"
    }


def test_the_endpoint_is_made_with_our_version_and_events() -> None:
    """Who pastes the command has the endpoint that the doctor wants."""
    assert f"api_version={API_VERSION}" in TEXT
    assert re.findall(r"enabled_events\[\]=(\S+?)'", TEXT) == list(EVENTS)


def test_the_restricted_key_may_do_what_is_called() -> None:
    """Every part of Stripe's API that the code calls is among the rights of the key, on both pages that list them."""
    words = {"checkout": "Checkout Sessions"}
    parts = {words.get(name, name.replace("_", " ").title().replace(" ", "")) for name in STRIPE_SERVICES}
    parts = {part.replace("CustomerSessions", "Customer Sessions") for part in parts}

    security = (ROOT / "docs" / "security.md").read_text()
    assert {part for part in parts if part not in TEXT.partition("**3. Stripe.**")[2][:600]} == set()
    assert {part for part in parts if part not in security.partition("a restricted key with")[2][:400]} == set()


def test_the_functions_are_all_of_them(templates: dict[str, dict[str, Any]]) -> None:
    """The table at the top has every function."""
    named = set(re.findall(r"^\| `aftertab-<stage>-(\w+)` \|", TEXT, flags=re.MULTILINE))
    resources = templates["prod"]["Resources"].values()

    assert named == {
        r["Properties"]["FunctionName"]["Fn::Sub"].rsplit("-", 1)[1]
        for r in resources
        if r["Type"] == "AWS::Lambda::Function"
    }


def test_a_command_for_all_functions_names_all_of_them(templates: dict[str, dict[str, Any]]) -> None:
    """A function that is not rolled back, or not stopped before the table is replaced, works against the others."""
    resources = templates["prod"]["Resources"].values()
    functions = {
        r["Properties"]["FunctionName"]["Fn::Sub"].rsplit("-", 1)[1]
        for r in resources
        if r["Type"] == "AWS::Lambda::Function"
    }
    rolled_back, stopped = (set(names.split()) for names in re.findall(r"for f in ([a-z ]+);", TEXT))

    assert rolled_back == functions
    # Guests' links are read by the authorizer, which writes nothing.
    assert stopped == functions - {"authorizer"}


def test_the_reservations_are_added_up(templates: dict[str, dict[str, Any]]) -> None:
    """How much of an account's limit prod takes for itself."""
    config = json.loads((ROOT / ".chalice" / "config.json").read_text())
    reserved = sum(f["reserved_concurrency"] for f in config["stages"]["prod"]["lambda_functions"].values())

    assert f"Prod reserves {reserved} " in TEXT
