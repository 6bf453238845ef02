"""What the functions talk to here: as much of DynamoDB and Stripe as two requests need, on loopback, always alike.

It answers at once and checks nothing, so that what is measured is the function. Whether the function is right is for
the tests to say, against an emulator and the Stripe stand-in.
"""

from __future__ import annotations

import json
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qsl

Item = dict[str, dict[str, Any]]


class Backend:
    """`items` is the table, by key; `charges` counts the payments that Stripe was asked for."""

    def __init__(self) -> None:
        self.items: dict[tuple[str, str], Item] = {}
        self.charges = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def dynamodb(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        if operation == "GetItem":
            found = self.items.get(_key(request["Key"]))
            return {"Item": found} if found else {}
        if operation == "BatchGetItem":
            ((table, wanted),) = request["RequestItems"].items()
            found_items = [self.items[_key(key)] for key in wanted["Keys"] if _key(key) in self.items]
            return {"Responses": {table: found_items}, "UnprocessedKeys": {}}
        if operation == "PutItem":
            self.items[_key(request["Item"])] = request["Item"]
            return {}
        if operation == "TransactWriteItems":
            for action in request["TransactItems"]:
                if "Put" in action:
                    self.items[_key(action["Put"]["Item"])] = action["Put"]["Item"]
            return {}
        assert operation == "Query", operation
        return {"Items": [], "Count": 0, "ScannedCount": 0}

    def stripe(self, path: str, form: dict[str, str]) -> dict[str, Any]:
        if path == "/v1/customers":
            return {"id": "cus_bench", "object": "customer"}
        assert path == "/v1/payment_intents", path
        self.charges += 1
        metadata = {name[9:-1]: value for name, value in form.items() if name.startswith("metadata[")}
        paid = {"amount": int(form["amount"]), "currency": form["currency"], "metadata": metadata}
        card = {"brand": "visa", "last4": "4242"}
        return {
            "id": f"pi_bench{self.charges}",
            "object": "payment_intent",
            "status": "succeeded",
            "amount_received": int(form["amount"]),
            "amount_capturable": 0,
            "capture_method": "automatic",
            "customer": form["customer"],
            "payment_method": form["payment_method"],
            "latest_charge": {
                "id": f"ch_bench{self.charges}",
                "object": "charge",
                "created": int(time.time()),
                "payment_method_details": {"type": "card", "card": card},
                **paid,
            },
            **paid,
        }


def _key(attributes: Item) -> tuple[str, str]:
    return attributes["pk"]["S"], attributes["sk"]["S"]


def _handler(backend: Backend) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Headers and body in two packets would wait for each other.
        wbufsize = -1

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            target = self.headers.get("X-Amz-Target")
            if target == "AmazonSSM.GetParameter":
                answer = {"Parameter": {"Value": "sk_test_bench"}}
            elif target:
                answer = backend.dynamodb(target.rpartition(".")[2], json.loads(body))
            else:
                answer = backend.stripe(self.path, dict(parse_qsl(body.decode())))
            sent = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        def log_message(self, *args: Any) -> None:
            pass

    return Handler
