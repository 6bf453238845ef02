"""The recipes of docs/issuers.md: their code runs, and the authorizer takes tokens of the shape that comes out."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chalicelib.handlers import bearers, keys
from tests.api.world import Issuer, serve_issuer

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "issuers.md").read_text()
CODE = dict(re.findall(r"```(python|javascript)\n(.*?)```", TEXT, flags=re.DOTALL))

PEOPLE = {
    "customer": {"role": "customer", "merchant_id": "mer_1", "customer_id": "cus_1"},
    "staff": {"role": "staff", "merchant_id": "mer_1"},
    "owner": {"role": "owner", "merchant_id": "mer_1", "customer_id": ""},
    "operator": {"role": "operator"},
}
"""Who somebody is, as the issuer stores it."""


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with serve_issuer() as found:
        yield found


@pytest.fixture
def settings(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    keys.forget()
    monkeypatch.setenv("AFTERTAB_JWT_JWKS_URL", issuer.jwks_url)
    return monkeypatch


def cognito(stored: dict[str, str]) -> dict[str, Any]:
    """An access token's claims: Cognito's own, and what the trigger of the recipe makes of a V2_0 event.

    https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-lambda-pre-token-generation.html
    """
    scope: dict[str, Any] = {}
    exec(CODE["python"], scope)
    attributes = {"sub": "11aa-22bb", "email_verified": "true"} | {f"custom:{n}": v for n, v in stored.items()}
    event = {
        "version": "2",
        "triggerSource": "TokenGeneration_Authentication",
        "callerContext": {"awsSdkVersion": "aws-sdk-unknown-unknown", "clientId": "1example23456789"},
        "request": {"userAttributes": attributes, "groupConfiguration": {}, "scopes": ["openid"]},
        "response": {"claimsAndScopeOverrideDetails": None},
    }
    details = scope["handler"](event, None)["response"]["claimsAndScopeOverrideDetails"]
    own = {
        "sub": "11aa-22bb",
        "iss": "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_example",
        "client_id": "1example23456789",
        "token_use": "access",
        "scope": "openid",
        "username": "11aa-22bb",
        **times(),
    }
    return own | details["accessTokenGeneration"]["claimsToAddOrOverride"]


def auth0(stored: dict[str, str]) -> dict[str, Any]:
    """An access token's claims for an API of one's own: Auth0's, and what the action of the recipe sets."""
    script = (
        CODE["javascript"]
        + f"""
const claims = {{}};
const api = {{ accessToken: {{ setCustomClaim: (name, value) => {{ claims[name] = value; }} }} }};
exports.onExecutePostLogin({{ user: {{ app_metadata: {json.dumps(stored)} }} }}, api)
  .then(() => console.log(JSON.stringify(claims)));
"""
    )
    done = subprocess.run(["node", "-e", script], capture_output=True, text=True, check=True, timeout=60)
    return {
        "iss": "https://tenant.eu.auth0.com/",
        "sub": "auth0|65a1b2",
        "aud": ["https://api.example.com", "https://tenant.eu.auth0.com/userinfo"],
        "azp": "client",
        "scope": "openid profile",
        "gty": "password",
        **times(),
        **json.loads(done.stdout),
    }


def times() -> dict[str, int]:
    return {"iat": int(time.time()), "exp": int(time.time()) + 3600}


ISSUERS = {
    "cognito": (cognito, "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_example", "1example23456789"),
    "auth0": (auth0, "https://tenant.eu.auth0.com/", "https://api.example.com"),
}


@pytest.mark.parametrize("who", PEOPLE)
@pytest.mark.parametrize("name", ISSUERS)
def test_a_token_made_by_the_recipe_is_taken(settings: pytest.MonkeyPatch, issuer: Issuer, name: str, who: str) -> None:
    """Every role: the ids arrive as they are stored, and an empty one is none."""
    if name == "auth0" and not shutil.which("node"):
        pytest.skip("Auth0's actions are JavaScript, and there is no node here")
    make, iss, aud = ISSUERS[name]
    settings.setenv("AFTERTAB_JWT_ISSUER", iss)
    settings.setenv("AFTERTAB_JWT_AUDIENCE", aud)

    claims = make(PEOPLE[who])

    found = bearers.read_token(f"Bearer {issuer.sign(claims)}")
    assert found == {"sub": claims["sub"], **{key: value for key, value in PEOPLE[who].items() if value}}


@pytest.mark.parametrize("name", ISSUERS)
def test_a_user_without_a_role_is_nobody(settings: pytest.MonkeyPatch, issuer: Issuer, name: str) -> None:
    """Whoever signs up by themselves gets a token, and nothing with it, until somebody says who they are."""
    if name == "auth0" and not shutil.which("node"):
        pytest.skip("Auth0's actions are JavaScript, and there is no node here")
    make, iss, aud = ISSUERS[name]
    settings.setenv("AFTERTAB_JWT_ISSUER", iss)
    settings.setenv("AFTERTAB_JWT_AUDIENCE", aud)

    with pytest.raises(bearers.Refused, match="role is missing"):
        bearers.read_token(f"Bearer {issuer.sign(make({}))}")
