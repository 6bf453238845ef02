"""Authorization: every route with every role and every kind of wrong token."""

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

ROLES = ("customer", "guest", "staff", "owner", "operator")

# The table of docs and contract, written out once more: a slip in the code is not a slip here.
ALLOWED = {
    "create_merchant": {"operator"},
    "get_merchant": {"staff", "owner", "customer", "guest"},
    "make_link": {"staff", "owner", "customer"},
    "list_links": {"staff", "owner", "customer"},
    "revoke_link": {"staff", "owner", "customer"},
    "reissue_link": {"staff", "owner", "customer"},
    "get_link": {"guest"},
    "make_tokens": {"owner"},
    "list_tokens": {"staff", "owner"},
    "replace_token": {"owner"},
    "revoke_token": {"owner"},
    "bind_token": {"staff", "owner"},
    "unbind_token": {"staff", "owner"},
    "take_over": {"guest"},
    "set_policy": {"owner"},
    "set_branding": {"owner"},
    "set_merchant_contact": {"owner"},
    "create_customer": {"staff", "owner"},
    "get_customer": {"staff", "owner", "customer"},
    "list_customers": {"staff", "owner"},
    "get_contact": {"staff", "owner", "customer"},
    "put_contact": {"staff", "owner", "customer"},
    "erase_contact": {"staff", "owner", "customer"},
    "opt_out": {"staff", "owner", "customer"},
    "opt_in": {"staff", "owner", "customer"},
    "prepare_card": {"customer", "guest"},
    "remove_card": {"staff", "owner", "customer"},
    "open_tab": {"staff", "owner"},
    "list_tabs": {"staff", "owner", "customer"},
    "get_tab": {"staff", "owner", "customer", "guest"},
    "get_timeline": {"staff", "owner", "customer", "guest"},
    "get_agenda": {"staff", "owner", "customer", "guest"},
    "accept_promise": {"staff", "owner", "customer", "guest"},
    "propose_promise": {"staff", "owner"},
    "check_in": {"staff", "owner"},
    "add_items": {"staff", "owner"},
    "void_item": {"staff", "owner"},
    "complete": {"staff", "owner"},
    "accept_bill": {"customer", "guest"},
    "payment_sheet": {"customer", "guest"},
    "charge": {"staff", "owner", "customer", "guest"},
    "cancel": {"staff", "owner", "customer", "guest"},
    "no_show": {"staff", "owner"},
    "walk_out": {"staff", "owner"},
    "reschedule": {"staff", "owner", "customer", "guest"},
    "waive": {"staff", "owner"},
    "amend": {"staff", "owner"},
    "contest": {"customer", "guest"},
    "seen": {"customer", "guest"},
    "resolve": {"staff", "owner"},
    "adjust": {"staff", "owner"},
    "refund": {"staff", "owner"},
    "retry_refund": {"owner"},
    "refund_elsewhere": {"owner"},
    "resolve_flag": {"owner"},
    "take_cash": {"staff", "owner"},
    "return_cash": {"staff", "owner"},
    "tip": {"customer", "guest"},
    "announce_cash": {"customer", "guest"},
    "rate": {"customer", "guest"},
    "disown": {"guest"},
    "split": {"staff", "owner", "customer", "guest"},
    "unsplit": {"staff", "owner", "customer", "guest"},
    "write_off": {"owner"},
    "pause_followup": {"staff", "owner"},
    "resume_followup": {"staff", "owner"},
    "send_reminder": {"staff", "owner"},
    "get_receivables": {"owner"},
    "health": set(),
    "openapi": set(),
    "create_endpoint": {"owner"},
    "list_endpoints": {"owner"},
    "get_endpoint": {"owner"},
    "update_endpoint": {"owner"},
    "delete_endpoint": {"owner"},
    "disable_endpoint": {"owner"},
    "enable_endpoint": {"owner"},
    "rotate_secret": {"owner"},
    "send_test_notice": {"owner"},
    "list_notices": {"owner"},
    "get_notice": {"owner"},
    "replay_notice": {"owner"},
    "replay_since": {"owner"},
    "stripe_webhook": set(),
    "show_unsubscribe": set(),
    "unsubscribe": set(),
}

PROTECTED = [operation for operation in all_operations().values() if operation.roles]


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


def test_every_route_is_in_the_table_of_operations() -> None:
    """No route of the app goes without its line in the table, and none but the public ones without the authorizer."""
    routes = {
        (method, path): entry.authorizer
        for path, methods in application.app.routes.items()
        for method, entry in methods.items()
    }

    # The secret in a page's path is its key; the page's own tests say who comes in with it.
    pages = {(method, path) for method, path in routes if path.startswith(("/t/", "/back/"))}
    assert len(pages) == 5
    assert routes.keys() - pages == {(operation.method, operation.path) for operation in all_operations().values()}
    unlocked = {path for (method, path), guard in routes.items() if guard is None and (method, path) not in pages}
    assert unlocked == {
        "/v1/health",
        "/v1/openapi.json",
        "/v1/webhooks/stripe",
        "/v1/unsubscribe/{merchant_id}/{customer_id}/{key}",
    }


def test_the_roles_are_those_of_the_contract() -> None:
    """Each operation is for exactly the roles that the contract names."""
    assert {operation.name: set(operation.roles) for operation in all_operations().values()} == ALLOWED


@pytest.mark.parametrize("role", ROLES)
def test_every_route_against_every_role(world: World, shop: Shop, role: str) -> None:
    """Whoever is not in the table gets 403 `forbidden`; whoever is gets past it."""
    ids = {
        "customer": {"merchant_id": shop.merchant_id, "customer_id": "cus_nobody"},
        "operator": {},
    }.get(role, {"merchant_id": shop.merchant_id})
    caller = shop.link(shop.open(shop.customer(), 100)) if role == "guest" else world.caller(role, **ids)

    for operation in PROTECTED:
        answer = caller.send(operation.method, url(operation), {})
        if role in ALLOWED[operation.name]:
            # A guest with a link is no holder of a token, and is told so.
            assert answer.status != 403 or (role, operation.name) == ("guest", "take_over"), operation.name
        else:
            answer.problem(403, "forbidden")


def test_every_route_without_a_token(world: World) -> None:
    """Without a token every route but the public ones answers 401, and nothing else."""
    for operation in PROTECTED:
        world.stranger.send(operation.method, url(operation), {}).problem(401, "unauthorized")


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


def test_foreign_objects_are_not_found(world: World, shop: Shop) -> None:
    """Another merchant's tab and customer answer 404 on every route, exactly as ones that do not exist."""
    ana = shop.customer()
    tab = shop.open(ana, 4000)
    item = shop.add(tab, 100)["items"][0]
    link = shop.staff.post(f"/v1/tabs/{tab['tab_id']}/links", {"scope": "full"}).ok(201)["link"]
    before = shop.seen(tab)
    other = world.shop()
    bob = other.customer("Bob")
    guest = other.link(other.open(bob, 100))
    bodies: dict[str, Any] = {
        "accept_promise": {"promise_sha256": tab["promise"]["promise_sha256"], "consents": ["cap"]},
        "propose_promise": {"cap_minor": 9000},
        "add_items": {"items": [{"description": "Work", "unit_price_minor": 100}]},
        "charge": {"mode": "off_session"},
        "reschedule": {"starts_at": world.in_(hours=3)},
        "waive": {"reason": "No."},
        "contest": {"reason": "No."},
        "resolve": {"resolution": "uphold", "reason": "No."},
        "adjust": {"reduction_minor": 100, "reason": "No."},
        "refund": {"reason": "No."},
        "refund_elsewhere": {"amount_minor": 100, "how": "cash", "reference": "Receipt 7"},
        "resolve_flag": {"flag_id": "flg_1", "note": "Seen to."},
        "take_cash": {"amount_minor": 100},
        "return_cash": {"amount_minor": 100},
        "tip": {"tip_minor": 100},
        "rate": {"rating": 4},
        "write_off": {"reason": "No."},
        "prepare_card": {"card_terms_sha256": "a" * 64, "tab_id": tab["tab_id"]},
        "pause_followup": {"reason": "No."},
        "opt_out": {"channel": "email"},
        "opt_in": {"channel": "email"},
        "make_link": {"scope": "full"},
        "bind_token": {"token": 9},
        "update_endpoint": {"url": "https://till.example/"},
        "replay_since": {"since": "2026-01-01T00:00:00Z"},
    }
    endpoint = shop.owner.post("/v1/endpoints", {"url": "https://till.example/"}).ok(201)["endpoint"]
    notice = shop.owner.post(f"/v1/endpoints/{endpoint['endpoint_id']}/test").ok(202)

    for operation in PROTECTED:
        if "{" not in operation.path or "{number}" in operation.path:
            continue
        path = operation.path.format(
            tab_id=tab["tab_id"],
            item_id=item["item_id"],
            customer_id=ana.customer_id,
            link_id=link["link_id"],
            endpoint_id=endpoint["endpoint_id"],
            notice_id=notice["notice_id"],
        )
        for caller in (other.staff, other.owner, bob, guest):
            if caller.role in operation.roles:
                found = caller.send(operation.method, path, bodies.get(operation.name, {}))
                missing = caller.send(operation.method, url(operation), bodies.get(operation.name, {}))
                assert found.problem(404, "not_found") == missing.problem(404, "not_found")

    assert shop.seen(tab) == before


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
