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
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

import app as application
from chalicelib.handlers import authorizer, bearers, keys
from chalicelib.handlers.api.operations import Operation, all_operations

from .world import Caller, Issuer, Shop, World

PROTECTED = [operation for operation in all_operations().values() if operation.roles]
KINDS = list({(operation.method, operation.rights): operation for operation in PROTECTED}.values())
"""One operation of each kind: its method, and who may call it. The authorizer is the same function for all."""


def url(operation: Operation) -> str:
    return operation.path.format(
        tab_id="tab_nowhere",
        item_id="itm_nowhere",
        dispute_id="du_nowhere",
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


def with_header(**header: Any) -> Callable[[Issuer, dict[str, Any]], str]:
    """Signed with the right key, under another header."""
    return lambda issuer, claims: by_hand(issuer, {"alg": "RS256", "kid": issuer.kid, **header}, json.dumps(claims))


def with_payload(payload: str) -> Callable[[Issuer, dict[str, Any]], str]:
    """Signed with the right key, whatever it is; `exp` and all others in the place of …"""

    def forge(issuer: Issuer, claims: dict[str, Any]) -> str:
        rest = json.dumps({name: value for name, value in claims.items() if f'"{name}":' not in payload})
        return by_hand(issuer, {"alg": "RS256", "kid": issuer.kid}, payload.replace("…", rest[1:-1]))

    return forge


def by_hand(issuer: Issuer, header: dict[str, Any], payload: str) -> str:
    """A token of any header and payload, rightly signed: PyJWT would refuse to make most of these."""
    parts = [base64.urlsafe_b64encode(text.encode()).rstrip(b"=") for text in (json.dumps(header), payload)]
    signature = issuer.key.sign(b".".join(parts), padding.PKCS1v15(), hashes.SHA256())
    return b".".join([*parts, base64.urlsafe_b64encode(signature).rstrip(b"=")]).decode()


def with_our_jwk(issuer: Issuer, claims: dict[str, Any]) -> str:
    """The forger's own key in the header, as if a token could bring the key that it is checked with."""
    mine = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    jwk = jwt.algorithms.RSAAlgorithm.to_jwk(mine.public_key(), as_dict=True)
    return issuer.sign(claims, key=mine, headers={"kid": issuer.kid, "jwk": jwk})


DEEP = '{"a":' * 1500 + "1" + "}" * 1500


def deep_header(issuer: Issuer, claims: dict[str, Any]) -> str:
    """A header that is nested deeper than a parser goes. Anybody can send it: it is read before the signature."""
    return f"{base64.urlsafe_b64encode(('[' * 3000).encode()).decode().rstrip('=')}.e30.AAAA"


NOW = int(time.time())
"""When the run began: what is to come is a day away, however long it takes."""
WRONG: dict[str, Callable[[Issuer, dict[str, Any]], str]] = {  # docs/security.md has their number.
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
    "not yet valid": with_claims(nbf=NOW + 86_400),
    "issued in the future": with_claims(iat=NOW + 86_400),
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
    "no key id, and the signature of another key": lambda issuer, claims: by_hand(
        Issuer(), {"alg": "RS256"}, json.dumps(claims)
    ),
    "a key id of another type": with_header(kid=["key-1"]),
    "a key id that is a path": with_header(kid="../../dev/null"),
    "the key in the header": with_our_jwk,
    "a place for keys in the header": lambda issuer, claims: issuer.sign(
        claims,
        key=rsa.generate_private_key(public_exponent=65537, key_size=2048),
        headers={"jku": "https://forger.example/jwks.json", "kid": "forged"},
    ),
    "a critical header that nobody knows": with_header(crit=["exp2"], exp2=1),
    "a payload that is not encoded": with_header(b64=False, crit=["b64"]),
    "algorithm of another case": with_header(alg="rs256"),
    "algorithm of another type": with_header(alg=["RS256"]),
    "ES256": with_header(alg="ES256"),
    "a header nested too deep": deep_header,
    "a payload nested too deep": with_payload(DEEP),
    "a payload that is a list": with_payload("[1]"),
    "a payload that is no JSON": with_payload("{"),
    "a payload that is empty": with_payload(""),
    "a fourth part": lambda issuer, claims: issuer.sign(claims) + ".AAAA",
    "two tokens": lambda issuer, claims: f"{issuer.sign(claims)},{issuer.sign(claims)}",
    "exp as text": with_payload('{"exp": "soon", …}'),
    "exp in a list": with_payload('{"exp": [9999999999], …}'),
    "exp null": with_payload('{"exp": null, …}'),
    "exp that never comes": with_payload('{"exp": Infinity, …}'),
    "exp that is no number": with_payload('{"exp": NaN, …}'),
    "exp beyond every clock": with_payload('{"exp": 1e400, …}'),
    "iat as text": with_payload('{"iat": "now", …}'),
    "iat in an object": with_payload('{"iat": {}, …}'),
    "nbf as text": with_payload('{"nbf": "now", …}'),
    "nbf that never comes": with_payload('{"nbf": Infinity, …}'),
    "iss in a list": with_payload('{"iss": ["https://issuer.test"], …}'),
    "iss null": with_payload('{"iss": null, …}'),
    "aud a number": with_payload('{"aud": 7, …}'),
    "aud an object": with_payload('{"aud": {"aftertab-test": 1}, …}'),
    "aud an empty list": with_payload('{"aud": [], …}'),
    "aud a list with a number": with_payload('{"aud": ["aftertab-test", 7], …}'),
    "sub a number": with_payload('{"sub": 7, …}'),
    "sub in a list": with_payload('{"sub": ["staff"], …}'),
    "sub with a line break": with_claims(sub="staff\n"),
    "sub too long": with_claims(sub="s" * 256),
    "role in an object": with_claims(role={"staff": True}),
    "merchant_id in a list": with_claims(merchant_id=["mer_1"]),
    "merchant_id too long": with_claims(merchant_id="m" * 65),
    "merchant_id with a line break": with_claims(merchant_id="mer_1\n"),
    "too long": with_claims(note="x" * 9000),
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_token_opens_no_route(world: World, shop: Shop, issuer: Issuer, kind: str) -> None:
    """Whatever is wrong with a token, every kind of route answers 401 with a code that says what to do."""
    token = WRONG[kind](issuer, issuer.claims("staff", merchant_id=shop.merchant_id))

    for operation in KINDS:
        refused = Caller(world, token).send(operation.method, url(operation), {})
        refused.problem(401, "token_expired" if kind == "expired" else "token_invalid")
        assert refused.header("WWW-Authenticate") == 'Bearer error="invalid_token"'


@pytest.mark.parametrize("kind", ["expired", "alg none", "another key"])
def test_no_route_is_without_the_authorizer(world: World, shop: Shop, issuer: Issuer, kind: str) -> None:
    """Every single operation refuses these three, not one of each kind only."""
    token = WRONG[kind](issuer, issuer.claims("staff", merchant_id=shop.merchant_id))

    for operation in PROTECTED:
        assert Caller(world, token).send(operation.method, url(operation), {}).status == 401, operation.name


def test_the_tokens_that_the_wrong_ones_are_made_from_are_good(world: World, shop: Shop, issuer: Issuer) -> None:
    """The same claims, signed as they should be, get in: the matrix above tests what it says."""
    claims = issuer.claims("staff", merchant_id=shop.merchant_id)
    good = [issuer.sign(claims), with_header()(issuer, claims), with_payload("{…}")(issuer, claims)]
    # An issuer may name several audiences, and the operation's own clock in fractions of a second.
    good += [with_claims(aud=["other", "aftertab-test"])(issuer, claims), with_claims(iat=NOW - 1.5)(issuer, claims)]

    for token in good:
        assert Caller(world, token).get("/v1/merchant").ok()["merchant_id"] == shop.merchant_id


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


class Watch:
    """A clock in place of time.monotonic for the keys' module."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    watch = Watch()
    monkeypatch.setattr(keys, "time", watch)
    keys.forget()
    return watch


def test_made_up_key_ids_cause_two_fetches_a_minute_at_most(
    world: World, shop: Shop, issuer: Issuer, watch: Watch
) -> None:
    """Ten minutes of forged tokens, one a second, each with another key id."""
    shop.staff.get("/v1/merchant").ok()
    before = issuer.fetches

    for number in range(600):
        watch.now += 1
        forged = issuer.sign({}, key="secret-of-the-forger-32-characters", algorithm="HS256", headers={"kid": "a"})
        header, _, rest = with_header(kid=f"made-up-{number}")(issuer, {}).partition(".")
        for token in (forged, f"{header}.{rest}"):
            with pytest.raises(bearers.Refused):
                bearers.read_token(f"Bearer {token}")

    assert 2 <= issuer.fetches - before <= 600 / keys.AGAIN_AFTER_S + 1


def test_a_token_that_is_wrong_by_itself_causes_no_fetch(world: World, issuer: Issuer, watch: Watch) -> None:
    """What is not RS256, too long, or not a token at all is refused before any key is looked up."""
    before = issuer.fetches
    for kind in ("alg none", "HS256 with the public key", "not a token", "too long", "a header nested too deep"):
        with pytest.raises(bearers.Refused):
            bearers.read_token(f"Bearer {WRONG[kind](issuer, issuer.claims('staff', merchant_id='mer_1'))}")

    assert issuer.fetches == before


def test_an_issuer_that_is_down_is_asked_once_a_second_at_most(
    world: World, shop: Shop, issuer: Issuer, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without any key every request would wait for the issuer, whoever sends it. Up again, it is asked at once."""
    token = shop.staff.token
    keys.forget()
    asked = []

    def down(url: str) -> dict[str | None, Any]:
        asked.append(watch.now)
        raise TimeoutError

    fetch = keys._fetch
    monkeypatch.setattr(keys, "_fetch", down)
    for _ in range(100):
        watch.now += 0.1
        with pytest.raises(keys.KeysUnavailable):
            bearers.read_token(f"Bearer {token}")
    assert 5 <= len(asked) <= 10

    monkeypatch.setattr(keys, "_fetch", fetch)
    watch.now += keys.FAILED_AFTER_S + 0.1
    assert bearers.read_token(f"Bearer {token}")["role"] == "staff"


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
