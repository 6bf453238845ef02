"""The app as a whole: health, listings, the schedule, internal errors, settings, and a cold start."""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from chalicelib import bootstrap, config, correlation
from chalicelib.adapters.aws.secrets import KEPT_S, KeptSecret, resolve_secret
from chalicelib.adapters.system import SystemClock, SystemIds
from chalicelib.domain.tab import due_steps
from chalicelib.domain.tab.draft import Change, Draft
from chalicelib.handlers.logs import JsonLines
from chalicelib.usecases.tab import read_tabs

from .world import PUBLISHABLE_KEY, Shop, World

ROOT = Path(__file__).resolve().parents[2]
AWS = {"AWS_DEFAULT_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
"""What Lambda tells every function."""


def test_health_asks_nothing_behind_it(world: World) -> None:
    """Health answers to everybody, also where neither store nor gateway is there."""
    bootstrap.use(None)

    answer = world.stranger.get("/v1/health")

    assert answer.ok() == {"status": "ok", "stage": "dev", "version": config.VERSION}


def test_the_version_is_the_projects() -> None:
    """What health says is what pyproject says."""
    assert f'version = "{config.VERSION}"' in (ROOT / "pyproject.toml").read_text()


def test_a_listing_in_pages(shop: Shop) -> None:
    """Five tabs in pages of two are three pages, newest first, none twice."""
    ana = shop.customer()
    opened = []
    for number in range(5):
        opened.append(shop.open(ana, 100 + number)["tab_id"])
        shop.world.move(minutes=1)

    pages: list[list[str]] = []
    cursor = ""
    while len(pages) < 9:
        page = shop.staff.get(f"/v1/tabs?status=open&limit=2{cursor}").ok()
        pages.append([line["tab_id"] for line in page["tabs"]])
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"

    assert [len(page) for page in pages] == [2, 2, 1]
    assert [tab_id for page in pages for tab_id in page] == opened[::-1]


def test_a_cursor_is_good_for_its_own_listing_only(shop: Shop) -> None:
    """A cursor of one listing is refused by another."""
    ana = shop.customer()
    for _ in range(2):
        shop.open(ana, 100)
        shop.world.move(minutes=1)
    cursor = shop.staff.get("/v1/tabs?status=open&limit=1").ok()["next_cursor"]

    shop.staff.get(f"/v1/tabs?status=due&limit=1&cursor={cursor}").problem(400, "bad_cursor")
    shop.staff.get(f"/v1/tabs?customer_id={ana.customer_id}&cursor={cursor}").problem(400, "bad_cursor")


def test_staff_list_a_customers_tabs(shop: Shop) -> None:
    """By customer_id the business sees what the customer sees of themselves, and who has opened it."""
    ana = shop.customer()
    shop.open(ana, 100)
    shop.open(shop.customer("Bob"), 100)

    seen = shop.staff.get(f"/v1/tabs?customer_id={ana.customer_id}").ok()
    for line in seen["tabs"]:
        assert line.pop("opened_by") is not None
    listed = ana.get("/v1/tabs").ok()
    assert [line.pop("opened_by") for line in listed["tabs"]] == [None]
    assert seen == listed


def test_allowed_actions_are_what_is_allowed(shop: Shop) -> None:
    """The list on a tab depends on who looks."""
    ana = shop.customer()
    tab = shop.complete(shop.open(ana, 4000), 4000)

    assert shop.seen(tab, ana)["allowed_actions"] == [
        *("accept_bill", "contest", "pay_on_phone", "announce_cash", "split", "rate")
    ]
    assert shop.seen(tab)["allowed_actions"] == [
        *("walk_out", "amend", "take_cash", "split", "adjust", "waive", "pause_followup")
    ]
    assert shop.seen(tab)["next_action"]["why"] == "the review window ends"


def test_instants_go_out_in_utc(shop: Shop) -> None:
    """However a start was written, every instant in the answer is RFC 3339 with a Z, to the millisecond at most."""
    ana = shop.customer()
    tab = shop.open(ana, 4000, starts_at="2026-01-16T10:00:00.123456+01:00", late_cancel_fee_minor=500)

    assert tab["starts_at"] == "2026-01-16T09:00:00.123000Z"
    assert tab["promise"]["free_cancel_until"] == "2026-01-14T09:00:00.123000Z"
    instants = re.findall(r'"(?:[a-z_]+_at|[a-z_]+_until|at)": "([^"]+)"', json.dumps(shop.seen(shop.agree(ana, tab))))
    assert len(instants) >= 5
    assert all(instant.endswith("Z") for instant in instants)


def test_the_schedule_counts_what_it_did(world: World, shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    """A run says how many tabs it advanced and how many it could not, in its answer and in the log."""
    shop.complete(shop.open(shop.customer(), 4000), 4000)
    world.clock.shift = timedelta(days=2)

    with caplog.at_level(logging.INFO, "chalicelib"):
        assert world.sweep() == {"advanced": 1, "failed": 0}

    (line,) = [record for record in caplog.records if record.getMessage() == "worked"]
    assert vars(line)["metrics"]["TabsAdvanced"] == 1
    assert vars(line)["metrics"]["SweepLagSeconds"] == pytest.approx(24 * 3600, abs=60)
    assert world.sweep() == {"advanced": 0, "failed": 0}


def test_a_poisoned_tab_stops_nobody_else(world: World, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """One tab whose advancing fails is counted, and the others go on."""
    ana = shop.customer()
    first, second = (shop.complete(shop.open(ana, 4000), 4000) for _ in range(2))
    world.clock.shift = timedelta(days=2)
    conclude = due_steps.conclude

    def fail_for_first(draft: Draft) -> Change | None:
        assert draft.tab.tab_id != first["tab_id"], "poisoned"
        return conclude(draft)

    monkeypatch.setattr(due_steps, "conclude", fail_for_first)

    assert world.sweep() == {"advanced": 1, "failed": 1}
    assert [shop.seen(tab)["status"] for tab in (first, second)] == ["in_review", "due"]


def test_a_bug_of_ours_gives_nothing_away(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An unexpected error is a 500 problem without a word of it; the log has all of it."""

    def broken(*args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("the till is upside down")

    monkeypatch.setattr(read_tabs, "get_tab", broken)

    answer = shop.staff.get("/v1/tabs/tab_1")

    answer.problem(500, "internal_error")
    assert b"upside" not in answer.raw
    assert b"Traceback" not in answer.raw
    assert "the till is upside down" in caplog.text


def test_a_gateway_that_is_down_is_a_503(world: World, shop: Shop) -> None:
    """Where a request can do nothing without Stripe, it says when to try again; the same key then works."""
    world.control("faults", {"kind": "fail_before", "path": "/v1/customers", "status": 503})
    down = shop.staff.post("/v1/customers", {"reference": "Bob"}, key="k")
    world.http.delete(f"{world.base}/_control/faults")

    down.problem(503, "unavailable")
    assert down.header("Retry-After") == "5"
    assert shop.staff.post("/v1/customers", {"reference": "Bob"}, key="k").status == 201


def test_a_call_that_the_gateway_refuses_is_a_502(world: World, shop: Shop) -> None:
    """Where Stripe calls a request of ours wrong it is our side's fault, and trying again will not help."""
    world.control("faults", {"kind": "fail_before", "path": "/v1/customers", "status": 400, "count": 1})

    shop.staff.post("/v1/customers", {"reference": "Bob"}).problem(502, "gateway_rejected")


def test_a_merchant_with_an_account_that_is_gone(world: World) -> None:
    """Stripe does not know the merchant's account: a 409 that says so, and nothing is charged."""
    made = world.operator.post("/v1/merchants", {"name": "Salon", "currency": "EUR", "account": "acct_gone"}).ok(201)

    Shop(world, made["merchant_id"]).staff.post("/v1/customers", {"reference": "Bob"}).problem(409, "account_lost")


def test_answers_about_people_are_not_cached(shop: Shop) -> None:
    """What a token opened is not kept on the way."""
    assert shop.staff.get("/v1/merchant").header("Cache-Control") == "no-store"


def test_a_connected_merchant_is_charged_on_its_account(world: World) -> None:
    """Holds and charges of a merchant with an account of its own are made there, and the phone is told so."""
    account = world.http.post(
        f"{world.base}/v1/accounts", data={"country": "PT"}, headers={"Authorization": "Bearer sk_test_standin"}
    ).json()["id"]
    body = {"name": "Salon", "currency": "EUR", "settlement_currency": "EUR", "account": account}
    made = world.operator.post("/v1/merchants", body).ok(201)
    shop = Shop(world, made["merchant_id"])
    ana = shop.customer()
    tab = shop.complete(shop.open(ana, 4000), 4000)

    asked = ana.post(f"/v1/tabs/{tab['tab_id']}/charges", {"mode": "on_session"}).ok()["payment"]

    assert asked["account"] == account
    assert world.confirm(asked)["status"] == "succeeded"


# Settings


def test_every_setting_is_documented() -> None:
    """docs/settings.md has each setting, and nothing that is none."""
    text = (ROOT / "docs" / "settings.md").read_text()

    assert set(re.findall(r"^\| `([A-Z_]+)` \|", text, re.MULTILINE)) == set(config.SETTINGS)


def test_the_environment_is_read_in_one_place() -> None:
    """No module but config.py reads a setting, so that none goes undocumented; two read what Lambda itself says."""
    told_by_lambda = {"chalicelib/cold_start.py", "chalicelib/adapters/aws/client.py"}
    readers = [
        path.relative_to(ROOT).as_posix()
        for path in [ROOT / "app.py", *(ROOT / "chalicelib").rglob("*.py")]
        if re.search(r"os\.environ|getenv", path.read_text())
    ]

    assert set(readers) == {"chalicelib/config.py"} | told_by_lambda


def test_a_deployment_has_every_setting() -> None:
    """.chalice/config.json sets what is in the table, the local emulator's address aside."""
    deployed = json.loads((ROOT / ".chalice" / "config.json").read_text())

    of_libraries = {"AWS_DATA_PATH", "PYTHONTZPATH"}
    assert set(deployed["environment_variables"]) == set(config.SETTINGS) - {"AWS_ENDPOINT_URL"} | of_libraries


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("AFTERTAB_STAGE", config.stage),
        ("AFTERTAB_TABLE", config.table),
        ("AFTERTAB_JWT_ISSUER", config.jwt_issuer),
        ("AFTERTAB_JWT_AUDIENCE", config.jwt_audience),
        ("AFTERTAB_JWT_JWKS_URL", config.jwt_jwks_url),
        ("STRIPE_SECRET_KEY", config.stripe_secret_key),
        ("STRIPE_PUBLISHABLE_KEY", config.stripe_publishable_key),
        ("STRIPE_WEBHOOK_SECRET", config.stripe_webhook_secrets),
    ],
)
@pytest.mark.parametrize("value", [None, "", "  "])
def test_a_missing_setting_is_named(monkeypatch: pytest.MonkeyPatch, name: str, read: Any, value: str | None) -> None:
    """Missing and empty are the same, and the error says which setting it is."""
    monkeypatch.delenv(name, raising=False)
    if value is not None:
        monkeypatch.setenv(name, value)

    with pytest.raises(config.BadSetting, match=name):
        read()


def test_a_live_key_goes_to_stripe_only(settings: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a live key and another address than Stripe's the gateway is not even built."""
    monkeypatch.setenv("STRIPE_SECRET_KEY", "sk_live_" + "x")
    for name, value in AWS.items():
        monkeypatch.setenv(name, value)
    deps = bootstrap.build()

    with pytest.raises(ValueError, match="STRIPE_API_BASE"):
        _ = deps.gateway.publishable_key


def test_deps_are_built_once_and_replaced_on_demand(settings: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same object for every request of a process; tests and devstack can put another in its place and back."""
    for name, value in AWS.items():
        monkeypatch.setenv(name, value)
    bootstrap.use(None)
    built = bootstrap.get_deps()
    assert bootstrap.get_deps() is built

    other = bootstrap.build()
    bootstrap.use(other)
    assert bootstrap.get_deps() is other
    bootstrap.use(None)
    assert bootstrap.get_deps() is not other
    bootstrap.use(None)


def test_secrets_may_be_kept_in_parameter_store() -> None:
    """`ssm:/name` is read decrypted from there; anything else is the secret itself."""

    class Parameters:
        def get_parameter(self, *, Name: str, WithDecryption: bool) -> dict[str, dict[str, str]]:  # noqa: N803
            assert WithDecryption
            return {"Parameter": {"Value": f"value of {Name}"}}

    assert resolve_secret("sk_test_1") == "sk_test_1"
    assert resolve_secret("ssm:/aftertab/key", Parameters()) == "value of /aftertab/key"


def test_a_secret_is_fetched_once_in_a_while() -> None:
    """An event costs no call to Parameter Store; a replaced secret is known five minutes later."""
    stored, asked, now = ["whsec_1"], [0], [1000.0]

    def resolve(value: str) -> str:
        asked[0] += 1
        return stored[0]

    secret = KeptSecret("ssm:/aftertab/dev/stripe-webhook-secret", resolve=resolve, clock=lambda: now[0])
    assert asked == [0]
    assert [secret(), secret()] == ["whsec_1", "whsec_1"]
    stored[0] = "whsec_2"
    now[0] += KEPT_S - 1
    assert (secret(), asked) == ("whsec_1", [1])
    now[0] += 1
    assert (secret(), asked) == ("whsec_2", [2])


def test_a_secret_that_cannot_be_read_again_stays_good() -> None:
    """Parameter Store out of order turns no event away; at the first time there is nothing to go by."""
    now, broken = [0.0], [True]

    def resolve(value: str) -> str:
        if broken[0]:
            raise ConnectionError("no answer")
        return "whsec_1"

    secret = KeptSecret("ssm:/x", resolve=resolve, clock=lambda: now[0])
    with pytest.raises(ConnectionError):
        secret()
    broken[0] = False
    assert secret() == "whsec_1"
    now[0], broken[0] = KEPT_S, True
    assert secret() == "whsec_1"


def test_a_replaced_key_is_used_without_a_new_deployment(settings: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The gateway is built once for a key, and again when Parameter Store has another one."""
    stored, built = ["sk_test_1"], []
    monkeypatch.setattr(bootstrap, "_kept_secret", lambda value: lambda: stored[0])
    real = bootstrap._gateway

    def gateway(key: str) -> Any:
        built.append(key)
        return real(key)

    monkeypatch.setattr(bootstrap, "_gateway", gateway)
    gateway_of_the_day = bootstrap._Gateway()
    assert built == []

    assert {gateway_of_the_day.publishable_key, gateway_of_the_day.publishable_key} == {PUBLISHABLE_KEY}
    stored[0] = "sk_test_2"
    assert gateway_of_the_day.publishable_key == PUBLISHABLE_KEY
    assert built == ["sk_test_1", "sk_test_2"]


# The system's own clock and ids


def test_ids_sort_by_age_and_are_unlike() -> None:
    """A prefix, an underscore and 26 Crockford characters, of which no two are the same."""
    made = [SystemIds().new("tab") for _ in range(1000)]

    assert len(set(made)) == 1000
    assert all(re.fullmatch(r"tab_[0-7][0-9A-HJKMNP-TV-Z]{25}", tab_id) for tab_id in made)
    assert made[0][:12] <= made[-1][:12]


def test_the_clock_is_utc_to_the_millisecond() -> None:
    """What is stored has no more digits than what is sent."""
    now = SystemClock().now()

    assert now.utcoffset() is not None
    assert now.microsecond % 1000 == 0


def test_a_log_line_is_json() -> None:
    """On Lambda each line is one object, with what was given besides the message."""
    record = logging.makeLogRecord({"msg": "swept %s", "args": ("all",), "levelname": "INFO", "advanced": 3})

    line = json.loads(JsonLines().format(record))

    assert (line["message"], line["advanced"], line["level"]) == ("swept all", 3, "INFO")


def test_a_line_has_whatever_it_is_given() -> None:
    """A value that JSON has no form for is told in words, and a line is never lost for one."""
    record = logging.makeLogRecord({"msg": "café", "levelname": "INFO", "error": KeyError("é"), "ratio": float("nan")})

    line = json.loads(JsonLines().format(record))

    assert (line["message"], line["error"], line["ratio"]) == ("café", "'é'", None)


def test_a_line_says_what_it_is_about() -> None:
    """The ids of the work under way are in each of its lines, and in none after it."""
    record = logging.makeLogRecord({"msg": "charged", "levelname": "INFO", "payment_id": "pi_1"})

    with correlation.about(event_id="evt_1", tab_id="tab_1", attempt_id=None), correlation.about(tab_id="tab_2"):
        inside = json.loads(JsonLines().format(record))
    outside = json.loads(JsonLines().format(record))

    assert (inside["event_id"], inside["tab_id"], inside["payment_id"]) == ("evt_1", "tab_2", "pi_1")
    assert "attempt_id" not in inside
    assert not {"event_id", "tab_id"} & set(outside)


def test_a_line_that_counts_is_in_the_embedded_metric_format(settings: None) -> None:
    """CloudWatch finds in it the names of the metrics, their units, their dimension and their values."""
    counted = {"TabsAdvanced": 3, "SweepLagSeconds": 1.5}
    record = logging.makeLogRecord({"msg": "swept", "levelname": "INFO", "created": 1767603600.25, "metrics": counted})

    line = json.loads(JsonLines().format(record))

    assert line["_aws"] == {
        "Timestamp": 1767603600250,
        "CloudWatchMetrics": [
            {
                "Namespace": "Aftertab",
                "Dimensions": [["Stage"]],
                "Metrics": [
                    {"Name": "TabsAdvanced", "Unit": "Count"},
                    {"Name": "SweepLagSeconds", "Unit": "Seconds"},
                ],
            }
        ],
    }
    assert (line["Stage"], line["TabsAdvanced"], line["SweepLagSeconds"], line["message"]) == ("dev", 3, 1.5, "swept")
    assert "metrics" not in line


# Cold start


def run(code: str) -> str:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_the_app_reads_no_setting_and_loads_no_vendor() -> None:
    """`import app` works in an empty environment, and neither stripe, boto3 nor PyJWT comes with it."""
    loaded = run(
        "import app, sys; print(*[m for m in ('stripe', 'boto3', 'botocore', 'jwt', 'requests') if m in sys.modules])"
    )

    assert loaded.strip() == ""


def test_a_request_that_moves_no_money_does_without_stripe() -> None:
    """Building the store does not import the stripe package."""
    loaded = run(
        f"import os, sys; os.environ.update(AFTERTAB_STAGE='dev', AFTERTAB_TABLE='t', **{AWS})\n"
        "from chalicelib import bootstrap; bootstrap.get_deps()\n"
        "print('botocore' in sys.modules, 'stripe' in sys.modules)"
    )

    assert loaded.split() == ["True", "False"]
