"""The doctor's checks of keys and of Stripe; `make deploy-local` tests its checks of AWS."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from chalicelib.adapters.stripe.events import RELEVANT_EVENTS
from devstack.deploy import doctor
from devstack.deploy.doctor import Finding, Patient, State
from devstack.stack import API_VERSION, EVENTS

URL = "https://api.example.com"


def patient(stage: str = "dev", *, secret: str = "sk_test_1", publishable: str = "pk_test_1", **other: Any) -> Patient:
    made = Patient(stage, lambda service: pytest.fail(f"{service} was asked"), api_url=URL)
    parameter = {"Type": "SecureString"} | other
    vars(made).update(
        settings={"STRIPE_PUBLISHABLE_KEY": publishable},
        secrets={
            "STRIPE_SECRET_KEY": {"Name": "/a/key", "Value": secret, **parameter},
            "STRIPE_WEBHOOK_SECRET": {"Name": "/a/hook", "Value": "whsec_1,whsec_2", **parameter},
        },
    )
    return made


def endpoint(**changed: Any) -> Any:
    sound = {
        "url": f"{URL}/v1/webhooks/stripe",
        "status": "enabled",
        "api_version": API_VERSION,
        "enabled_events": list(EVENTS),
    }
    return SimpleNamespace(**sound | changed)


def said(findings: Any, state: State = State.WRONG) -> list[str]:
    return [finding.what for finding in findings if finding.state == state]


def test_sound_keys_and_endpoint_are_passed() -> None:
    """Nothing is wrong, and nothing to look at."""
    findings: list[Finding] = [
        *doctor.check_keys(patient()),
        *doctor.check_keys(patient("prod", secret="rk_live_" + "1", publishable="pk_live_" + "1")),
        *doctor._check_endpoint(patient(), [endpoint(), endpoint(url="https://somebody.example.com")]),
    ]

    assert {finding.state for finding in findings} == {State.OK}


@pytest.mark.parametrize(
    ("found", "complaint"),
    [
        (patient("prod"), "prod: the secret key is no key of live mode"),
        (patient("dev", secret="sk_live_" + "1"), "dev: the secret key is no key of test mode"),
        (patient("prod", secret="sk_live_" + "1"), "prod: the publishable key is no key of live mode"),
        (patient(secret="hunter2"), "/a/key does not begin with sk_ or rk_"),
        (patient(Type="String"), "/a/key is stored in clear"),
    ],
)
def test_a_wrong_key_is_named_and_not_shown(found: Patient, complaint: str) -> None:
    """What is wrong is said of the parameter or the key, and the key is in no sentence."""
    findings = list(doctor.check_keys(found))

    assert complaint in said(findings)
    value = found.secrets["STRIPE_SECRET_KEY"]["Value"]
    assert not [finding for finding in findings if value in finding.what + finding.mend]


@pytest.mark.parametrize(
    ("endpoints", "complaint"),
    [
        ([], f"Stripe has no webhook endpoint for {URL}/v1/webhooks/stripe"),
        ([endpoint(), endpoint()], f"Stripe has 2 endpoints for {URL}/v1/webhooks/stripe"),
        ([endpoint(status="disabled")], "The webhook endpoint is disabled"),
        ([endpoint(api_version="2024-06-20")], f"The webhook endpoint speaks 2024-06-20, not {API_VERSION}"),
        ([endpoint(enabled_events=list(EVENTS[1:]))], f"The webhook endpoint is not sent {EVENTS[0]}"),
    ],
)
def test_what_is_wrong_with_the_endpoint_is_named(endpoints: list[Any], complaint: str) -> None:
    """Missing, twice, off, of another version, or deaf to an event."""
    assert said(doctor._check_endpoint(patient(), endpoints)) == [complaint]


def test_events_for_nothing_are_pointed_at() -> None:
    """An event that we do not act on costs a call each time."""
    findings = list(doctor._check_endpoint(patient(), [endpoint(enabled_events=[*EVENTS, "invoice.paid"])]))

    assert said(findings) == []
    assert said(findings, State.LOOK) == ["The webhook endpoint is also sent invoice.paid"]


def test_a_check_that_cannot_look_says_so() -> None:
    """A missing right or a missing stack is a finding, not a crash, and the other checks go on."""

    def refuse(code: str) -> Any:
        def check_table(found: Patient) -> Any:
            raise ClientError({"Error": {"Code": code, "Message": ""}}, "DescribeTable")
            yield

        return check_table

    denied, missing = (
        list(doctor._guarded(refuse(c), patient())) for c in ("AccessDenied", "ResourceNotFoundException")
    )

    assert said(denied) == ["table: DescribeTable answers AccessDenied"]
    assert "ReadOnlyAccess" in denied[0].mend
    assert "make deploy STAGE=dev" in missing[0].mend


def test_wrong_findings_come_last_and_count() -> None:
    """Whoever reads the end of the output reads what is to be done; only that makes the exit status."""
    told: list[str] = []
    console: Any = SimpleNamespace(print=lambda text, **how: told.append(text))

    assert doctor.tell([doctor.wrong("broken", "mend it"), doctor.look("odd", "see"), doctor.ok("fine")], console) == 1
    assert doctor.tell([doctor.look("odd", "see")], console) == 0
    assert told[0].endswith("fine")
    assert told[5] == "1 ok, 1 to look at, 1 wrong."
    assert "broken" in told[3]


def test_the_endpoint_is_sent_what_is_acted_on() -> None:
    """The events that the local stack and the doctor ask for are those that the code does something about."""
    assert set(EVENTS) == RELEVANT_EVENTS
