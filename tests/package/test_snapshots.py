"""Two environments that are restored from one snapshot share nothing that must be their own.

Restoring is simulated by a fork: a process is initialized and used, so that everything that can be in its memory is
there, and two children begin with that memory. Each takes the steps that were registered, as Lambda has it done.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

ROOT = Path(__file__).resolve().parents[2]

LIBRARY = """
STEPS = []

def register_after_restore(func, *args, **kwargs):
    STEPS.append((func, args, kwargs))
    return func
"""
"""What Lambda's runtime brings: https://github.com/aws/snapshot-restore-py."""

PROGRAM = """
import json, os, random, sys
sys.path[:0] = sys.argv[1:3]
import app
from chalicelib import bootstrap, config
from chalicelib.handlers import authorizer, keys
from snapshot_restore_py import STEPS

def use():
    deps = bootstrap.get_deps()
    deps.store.find_record("m#r", deps.clock.now())
    customer = deps.gateway.add_customer(None, "m", "c", key="k")
    try:
        deps.gateway.read_event(b"{}", "t=1,v1=x")
    except Exception as refused:
        assert type(refused).__name__ == "BadSignature", refused
    keys.key(config.jwt_jwks_url(), "k1")
    ids = [deps.ids.new("att"), deps.ids.new("tab")]
    return {"ids": ids, "draws": [random.random() for _ in range(3)], "at": deps.clock.now().isoformat()}

def tell(**what):
    os.write(1, (json.dumps(what) + "\\\\n").encode())

tell(who="first", **use())
for who in ("a", "b"):
    sys.stdin.readline()
    state = random.getstate()
    if os.fork() == 0:
        # Python draws anew after a fork; after a restore it would not.
        random.setstate(state)
        if os.environ["RESTORES"] == "yes":
            for step, args, kwargs in STEPS:
                step(*args, **kwargs)
        tell(who=who, **use())
        os._exit(0)
    os.wait()
""".replace("\\\\n", "\\n")


class Outside:
    """DynamoDB, Parameter Store, Stripe and the token issuer; `asked` by whom: what, and over which connection."""

    def __init__(self) -> None:
        self.who = "first"
        self.asked: list[tuple[str, str, int]] = []
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key()
        jwk = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key)) | {"kid": "k1", "alg": "RS256", "use": "sig"}
        outside = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                what = (self.headers.get("X-Amz-Target") or self.path).rpartition(".")[2]
                if what == "GetParameter":
                    what = json.loads(body)["Name"]
                answers: dict[str, Any] = {
                    "GetItem": {},
                    "/stripe-key": {"Parameter": {"Value": "sk_test_1"}},
                    "/webhook-secret": {"Parameter": {"Value": "whsec_1"}},
                    "/v1/customers": {"id": "cus_1", "object": "customer"},
                    "/jwks": {"keys": [jwk]},
                }
                outside.asked.append((outside.who, what, self.client_address[1]))
                sent = json.dumps(answers[what]).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(sent)))
                self.end_headers()
                self.wfile.write(sent)

            def do_GET(self) -> None:
                self.do_POST()

            def log_message(self, *args: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def connections(self, who: str) -> set[int]:
        return {port for asker, _, port in self.asked if asker == who}

    def questions(self, who: str) -> Counter[str]:
        return Counter(what for asker, what, _ in self.asked if asker == who)


@pytest.fixture
def outside() -> Iterator[Outside]:
    made = Outside()
    yield made
    made.http.shutdown()
    made.http.server_close()


def run(outside: Outside, folder: Path, *, restores: bool) -> dict[str, dict[str, Any]]:
    """What the first process and its two children tell of themselves."""
    (folder / "snapshot_restore_py.py").write_text(LIBRARY)
    environment = {
        "PATH": os.environ["PATH"],
        "RESTORES": "yes" if restores else "no",
        "AFTERTAB_STAGE": "dev",
        "AFTERTAB_TABLE": "t",
        "AFTERTAB_JWT_ISSUER": "i",
        "AFTERTAB_JWT_AUDIENCE": "a",
        "AFTERTAB_JWT_JWKS_URL": f"{outside.url}/jwks",
        "STRIPE_SECRET_KEY": "ssm:/stripe-key",
        "STRIPE_PUBLISHABLE_KEY": "pk_test_1",
        "STRIPE_WEBHOOK_SECRET": "ssm:/webhook-secret",
        "STRIPE_API_BASE": outside.url,
        "AWS_ENDPOINT_URL": outside.url,
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "y",
        "AWS_LAMBDA_FUNCTION_NAME": "test",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start",
        "_HANDLER": "app.app",
    }
    command = [sys.executable, "-c", PROGRAM, str(ROOT), str(folder)]
    told = {}
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for who in ("first", "a", "b"):
            outside.who = who
            if who != "first":
                process.stdin.write("\n")
                process.stdin.flush()
            line = json.loads(process.stdout.readline())
            told[line.pop("who")] = line
    assert process.returncode == 0
    return told


EVERYTHING = {"GetItem": 1, "/v1/customers": 1, "/jwks": 1, "/stripe-key": 1, "/webhook-secret": 1}


def test_what_is_restored_is_each_environments_own(outside: Outside, tmp_path: Path) -> None:
    """Ids, which idempotency keys are made of, draws, connections; secrets and the issuer's keys are asked for anew."""
    told = run(outside, tmp_path, restores=True)

    ids = [made for each in told.values() for made in each["ids"]]
    draws = [drawn for each in told.values() for drawn in each["draws"]]
    assert len(set(ids)) == len(ids) == 6
    assert len(set(draws)) == len(draws) == 9
    assert told["first"]["at"] < told["a"]["at"] < told["b"]["at"]
    for who in ("first", "a", "b"):
        assert outside.questions(who) == EVERYTHING
    connections = [outside.connections(who) for who in ("first", "a", "b")]
    assert sum(map(len, connections)) == len(set().union(*connections))


def test_without_the_steps_they_would_share_it(outside: Outside, tmp_path: Path) -> None:
    """The simulation holds what a snapshot would: draws, connections and secrets of the one that was initialized."""
    told = run(outside, tmp_path, restores=False)

    assert told["a"]["draws"] == told["b"]["draws"]
    assert outside.connections("a") & outside.connections("first")
    for who in ("a", "b"):
        assert not {"/jwks", "/stripe-key", "/webhook-secret"} & set(outside.questions(who))
