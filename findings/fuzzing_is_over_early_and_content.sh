#!/bin/sh
# Two servers, the same but that one sells each seat once. schemathesis is asked for 50 chains of requests. At the server
# that remembers, the same requests don't get the same answers twice, and Hypothesis raises FlakyStrategyDefinition. schemathesis
# takes that for the end: after a part of the chains it says "No issues found" and exits with 0, and no line tells why.
. "$(dirname "$0")/_run.sh"
run schemathesis==4.32.5 hypothesis==6.170.17 <<'PYTHON'
import json
import os
import re
import subprocess
import sys
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from pathlib import Path

ASKED = 50
SALE = {"type": "object", "required": ["sale"], "properties": {"sale": {"type": "string"}}}
SEAT = {"type": "object", "required": ["seat"], "properties": {"seat": {"type": "integer", "minimum": 1, "maximum": 50}}}


def json_of(schema, **more):
    return {"content": {"application/json": {"schema": schema}}, **more}


links = {"look": {"operationId": "look", "parameters": {"sale": "$response.body#/sale"}}}
answers = {"201": json_of(SALE, description="Sold.", links=links), "409": {"description": "Sold before."}}
refusals = {"422": {"description": "Not a seat."}}
sale = {"name": "sale", "in": "path", "required": True, "schema": {"type": "string", "pattern": "^[a-z0-9]{4,9}$"}}
found = {"200": json_of(SALE, description="It."), "404": {"description": "None."}}
document = {
    "openapi": "3.1.0",
    "info": {"title": "Seats", "version": "1"},
    "paths": {
        "/sales": {"post": {"operationId": "sell", "requestBody": json_of(SEAT, required=True), "responses": answers | refusals}},
        "/sales/{sale}": {"get": {"operationId": "look", "parameters": [sale], "responses": found}},
    },
}


class Seats(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        name = self.path.rpartition("/")[2]
        if name == "openapi.json":
            self.answer(200, document)
        else:
            self.answer(*((200, {"sale": name}) if name in self.server.sales else (404, None)))

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            seat = int(json.loads(body)["seat"])
        except (ValueError, TypeError, KeyError):
            return self.answer(422, None)
        if self.server.remembers and seat in self.server.sales.values():
            return self.answer(409, None)
        name = f"s{len(self.server.sales):05}"
        self.server.sales[name] = seat
        self.answer(201, {"sale": name})

    def answer(self, status, value):
        body = b"" if value is None else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


# A module of hooks, as schemathesis loads them: it tells which of Hypothesis's errors are made, and changes none.
Path("watch.py").write_text("""
import hypothesis.errors, sys
def told(self, *args):
    print("raised:", type(self).__name__, file=sys.stderr)
    Exception.__init__(self, *args)
hypothesis.errors.FlakyStrategyDefinition.__init__ = told
""")


def run_on(remembers):
    """How many chains there were, which errors were made inside, the exit status and the last line."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Seats)
    server.sales, server.remembers = {}, remembers
    threading.Thread(target=server.serve_forever, daemon=True).start()
    options = ("--phases", "stateful", "--max-examples", str(ASKED), "--mode", "positive", "--seed", "1", "--no-color")
    url = f"http://127.0.0.1:{server.server_port}/openapi.json"
    environment = {**os.environ, "SCHEMATHESIS_HOOKS": "watch", "PYTHONPATH": os.getcwd()}
    command = [Path(sys.executable).with_name("schemathesis"), "run", url, *options]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    chains = int(re.search(r"Scenarios: +(\d+)", done.stdout)[1])
    raised = Counter(re.findall(r"raised: (\w+)", done.stderr))
    last = done.stdout.strip().splitlines()[-1].strip("= ")
    print(f"the server {'remembers' if remembers else 'forgets'}: {chains} chains of {ASKED}, raised inside: {dict(raised)}")
    print(f"    exit status {done.returncode}, last line: {last}")
    return chains, raised, done.returncode, "No issues found" in last and "laky" not in done.stdout


print(*(f"{name} {version(name)}" for name in ("schemathesis", "hypothesis")), sep=", ")
chains, raised, status, is_content = run_on(False)
assert chains >= ASKED and not raised and status == 0 and is_content, "something is different at the server that forgets, too"
chains, raised, status, is_content = run_on(True)
assert chains < ASKED and raised and status == 0 and is_content, "it goes on, or says why it ends, by now"
PYTHON
