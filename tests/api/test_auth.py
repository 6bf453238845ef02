"""Authorization: every kind of wrong token on every kind of operation, and where the keys come from.

Who may call what with a good one is walked in test_access.py.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

import app as application
from chalicelib.handlers import authorizer, keys
from chalicelib.handlers.api.operations import Operation, all_operations

from .world import Caller, Issuer, Shop, World

PROTECTED = [operation for operation in all_operations().values() if operation.roles]
KINDS = list({(operation.method, operation.rights): operation for operation in PROTECTED}.values())
"""One operation of each kind: its method, and who may call it. The authorizer is the same function for all."""


def url(operation: Operation) -> str:
    return operation.path.format(
        tab_id="tab_nowhere",
        item_id="itm_nowhere",
        customer_id="cus_nowhere",
        link_id="lnk_nowhere",
        endpoint_id="end_nowhere",
        notice_id="tab_nowhere-000001",
        number=9,
    )


def unsigned(claims: dict[str, Any]) -> str:
    """alg none, put together by hand: no library helps with that."""

    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    return f"{part({'alg': 'none', 'typ': 'JWT'})}.{part(claims)}."


def with_public_key_as_secret(issuer: Issuer, claims: dict[str, Any]) -> str:
    """HS256 with the public key for a secret: the classic confusion of algorithms."""
    pem = issuer.key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )

    # PyJWT refuses to sign like this, so the key goes in as octets it does not recognise.
    class Octets(jwt.algorithms.HMACAlgorithm):
        def prepare_key(self, key: Any) -> bytes:
            return bytes(key)

    api = jwt.PyJWS()
    api.unregister_algorithm("HS256")
    api.register_algorithm("HS256", Octets(jwt.algorithms.HMACAlgorithm.SHA256))
    return api.encode(json.dumps(claims).encode(), pem, algorithm="HS256", headers={"kid": issuer.kid, "typ": "JWT"})


def with_claims(**changed: Any) -> Callable[[Issuer, dict[str, Any]], str]:
    def forge(issuer: Issuer, claims: dict[str, Any]) -> str:
        merged = {**claims, **changed}
        return issuer.sign({name: value for name, value in merged.items() if value is not ...})

    return forge


NOW = int(time.time())
WRONG: dict[str, Callable[[Issuer, dict[str, Any]], str]] = {
    "another key": lambda issuer, claims: issuer.sign(
        claims, key=rsa.generate_private_key(public_exponent=65537, key_size=2048)
    ),
    "another key, its id unknown": lambda issuer, claims: issuer.sign(
        claims, key=rsa.generate_private_key(public_exponent=65537, key_size=2048), headers={"kid": "other"}
    ),
    "alg none": lambda issuer, claims: unsigned(claims),
    "HS256 with the public key": with_public_key_as_secret,
    "PS256": lambda issuer, claims: issuer.sign(claims, algorithm="PS256"),
    "RS512": lambda issuer, claims: issuer.sign(claims, algorithm="RS512"),
    "tampered": lambda issuer, claims: issuer.sign(claims)[:-6] + "AAAAAA",
    "not a token": lambda issuer, claims: "abc",
    "empty parts": lambda issuer, claims: "..",
    "expired": with_claims(exp=NOW - 120, iat=NOW - 600),
    "not yet valid": with_claims(nbf=NOW + 600),
    "issued in the future": with_claims(iat=NOW + 600),
    "no exp": with_claims(exp=...),
    "no iat": with_claims(iat=...),
    "no iss": with_claims(iss=...),
    "no aud": with_claims(aud=...),
    "no sub": with_claims(sub=...),
    "another issuer": with_claims(iss="https://issuer.example"),
    "another audience": with_claims(aud="somebody-else"),
    "no role": with_claims(role=...),
    "unknown role": with_claims(role="admin"),
    "our own role": with_claims(role="system"),
    "a guest's role": with_claims(role="guest", customer_id="cus_1"),
    "roles in a list": with_claims(role=["staff"]),
    "staff without merchant": with_claims(merchant_id=...),
    "staff with customer": with_claims(customer_id="cus_1"),
    "customer without customer_id": with_claims(role="customer"),
    "operator with merchant": with_claims(role="operator"),
    "merchant_id that is a path": with_claims(merchant_id="mer_1#TAB"),
    "merchant_id that is a number": with_claims(merchant_id=1),
    "empty sub": with_claims(sub=""),
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_token_opens_no_route(world: World, shop: Shop, issuer: Issuer, kind: str) -> None:
    """Whatever is wrong with a token, every route answers 401 with a code that says what to do, and changes nothing."""
    token = WRONG[kind](issuer, issuer.claims("staff", merchant_id=shop.merchant_id))

    for operation in PROTECTED:
        refused = Caller(world, token).send(operation.method, url(operation), {})
        refused.problem(401, "token_expired" if kind == "expired" else "token_invalid")
        assert refused.header("WWW-Authenticate") == 'Bearer error="invalid_token"'


def test_the_token_that_the_wrong_ones_are_made_from_is_good(shop: Shop) -> None:
    """The same claims, signed as they should be, get in: the matrix above tests what it says."""
    assert shop.staff.get("/v1/merchant").ok()["merchant_id"] == shop.merchant_id


@pytest.mark.parametrize("header", ["Basic dXNlcjpwdw==", "Bearer", "Token {token}", "{token}"])
def test_only_the_bearer_scheme_is_read(world: World, shop: Shop, header: str) -> None:
    """Another scheme than Bearer is refused, though the token in it be good."""
    header = header.format(token=shop.staff.token)

    world.stranger.get("/v1/merchant", authorization=header).problem(401, "token_invalid")


def test_a_clock_that_is_a_little_off_is_forgiven(world: World, shop: Shop, issuer: Issuer) -> None:
    """Ten seconds past the end of a token are within the leeway."""
    claims = issuer.claims("staff", merchant_id=shop.merchant_id) | {"exp": int(time.time()) - 10}

    assert Caller(world, issuer.sign(claims)).get("/v1/merchant").status == 200


def test_business_time_does_not_age_tokens(world: World, shop: Shop) -> None:
    """Tokens live by the wall clock: a year of business time later the same token is still good."""
    staff = shop.staff

    world.move(days=365)

    assert staff.get("/v1/merchant").status == 200


def test_keys_are_fetched_once_and_unknown_ids_do_not_change_that(world: World, shop: Shop, issuer: Issuer) -> None:
    """Made-up key ids cause one fetch at most, not one each."""
    shop.staff.get("/v1/merchant").ok()
    before = issuer.fetches

    for number in range(5):
        claims = issuer.claims("staff", merchant_id=shop.merchant_id)
        forged = issuer.sign(claims, headers={"kid": f"made-up-{number}"})
        Caller(world, forged).get("/v1/merchant").problem(401, "token_invalid")

    assert issuer.fetches <= before + 1


def test_a_new_key_is_fetched_when_it_is_first_used(
    world: World, shop: Shop, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the issuer has changed its key, a token of the new one is good as soon as a fetch is allowed again."""
    shop.staff.get("/v1/merchant").ok()
    monkeypatch.setattr(issuer, "key", rsa.generate_private_key(public_exponent=65537, key_size=2048))
    monkeypatch.setattr(issuer, "kid", "key-2")
    monkeypatch.setattr(keys, "AGAIN_AFTER_S", 0.0)

    assert shop.staff.get("/v1/merchant").status == 200


def test_without_keys_nobody_gets_in(world: World, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the issuer's keys can't be had the authorizer fails (503), which opens nothing."""
    token = shop.staff.token
    keys.forget()
    monkeypatch.setenv("AFTERTAB_JWT_JWKS_URL", "http://127.0.0.1:9/jwks.json")

    Caller(world, token).get("/v1/merchant").problem(503, "unavailable")


@pytest.mark.parametrize("url", ["http://issuer.example/jwks", "file:///etc/passwd", "ftp://127.0.0.1/jwks", ""])
def test_keys_come_over_https_or_from_this_machine(
    world: World, shop: Shop, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    """Any other place for the keys is a bad setting, and nobody gets in."""
    token = shop.staff.token
    monkeypatch.setenv("AFTERTAB_JWT_JWKS_URL", url)

    Caller(world, token).get("/v1/merchant").problem(503, "unavailable")


def test_the_authorizer_is_deployed_unprefixed() -> None:
    """Its function is named as app.py registers it: a prefixed one has a URI that leads nowhere."""
    (config,) = application.app.builtin_auth_handlers

    assert (config.name, config.handler_string) == ("authorizer", "chalicelib.handlers.authorizer.authorizer")
    assert config.ttl_seconds == authorizer.CACHED_S


# Tenants


def test_customers_see_their_own_tabs_only(world: World, shop: Shop) -> None:
    """Another customer of the same merchant gets 404 for the tab, and an empty list."""
    ana, bob = shop.customer(), shop.customer("Bob")
    tab = shop.open(ana, 4000)

    bob.get(f"/v1/tabs/{tab['tab_id']}").problem(404, "not_found")
    bob.post(f"/v1/tabs/{tab['tab_id']}/cancel").problem(404, "not_found")
    bob.get(f"/v1/customers/{ana.customer_id}").problem(404, "not_found")
    bob.get(f"/v1/tabs?customer_id={ana.customer_id}").problem(422, "invalid_input")

    assert bob.get("/v1/tabs").ok()["tabs"] == []
    assert [line["tab_id"] for line in ana.get("/v1/tabs").ok()["tabs"]] == [tab["tab_id"]]


def test_a_tab_can_not_be_opened_for_another_merchants_customer(world: World, shop: Shop) -> None:
    """A customer id of another merchant's is as unknown as one that was made up."""
    bob = world.shop().customer("Bob")

    answer = shop.staff.post(
        "/v1/tabs",
        {"customer_id": bob.customer_id, "title": "Cut", "expected_outcome": "Cut.", "estimate_minor": 100},
    )

    answer.problem(404, "not_found")


def test_listings_stay_within_the_merchant(world: World, shop: Shop) -> None:
    """Two merchants with open tabs each list their own."""
    other = world.shop()
    mine, theirs = shop.open(shop.customer(), 100), other.open(other.customer(), 100)

    assert [line["tab_id"] for line in shop.staff.get("/v1/tabs?status=open").ok()["tabs"]] == [mine["tab_id"]]
    assert [line["tab_id"] for line in other.staff.get("/v1/tabs?status=open").ok()["tabs"]] == [theirs["tab_id"]]


def test_customers_are_not_shown_the_books(shop: Shop) -> None:
    """Ledger and flag are for the business: the customer's tab has null in their place."""
    ana = shop.customer()
    tab = shop.complete(shop.open(ana, 4000), 4000)

    assert shop.seen(tab)["ledger"] != {}
    assert (shop.seen(tab, ana)["ledger"], shop.seen(tab, ana)["flags"]) == (None, None)


def test_the_secret_of_a_payment_is_the_customers(world: World, shop: Shop) -> None:
    """Staff see that a payment waits, but not the secret with which anybody could confirm it."""
    ana = shop.customer()
    tab = shop.complete(shop.open(ana, 4000), 4000)
    ana.post(f"/v1/tabs/{tab['tab_id']}/charges", {"mode": "on_session"}).ok()

    theirs, hers = shop.seen(tab)["payment"], shop.seen(tab, ana)["payment"]

    assert hers["client_secret"].startswith(hers["payment_id"])
    assert (theirs["state"], theirs["client_secret"], theirs["publishable_key"]) == ("awaiting_customer", None, None)
