"""A proxy in front of a DynamoDB emulator that cancels conflicting transactions, as DynamoDB itself does.

    python -m devstack.dynamodb_conflicts --port 8021 --upstream http://127.0.0.1:8020

The emulators execute one call after the other, so two transactions never conflict. DynamoDB cancels a transaction whose
items another one is working on, with the reason TransactionConflict
(https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html#transaction-conflict-handling).
`GET /_conflicts` returns how many transactions there were, and how many of them the proxy canceled.
"""

from __future__ import annotations

import argparse
import json
import threading
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from devstack.http_tuning import send_answers_in_one_packet, use_fast_header_parser

TRANSACTION, PUT = "TransactWriteItems", "PutItem"
TIMEOUT_S = 60.0
ItemKey = tuple[str, str, str]
"""Table, partition key, sort key."""


class Conflicts:
    """The items that transactions are working on."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._busy: set[ItemKey] = set()
        self.transactions = 0
        self.canceled = 0

    def begin(self, keys: list[ItemKey]) -> list[bool]:
        """For each item, whether another transaction has it. If none has, the caller has all of them until `end`."""
        with self._lock:
            self.transactions += 1
            taken = [key in self._busy for key in keys]
            if any(taken):
                self.canceled += 1
            else:
                self._busy.update(keys)
            return taken

    def end(self, keys: list[ItemKey]) -> None:
        with self._lock:
            self._busy.difference_update(keys)

    def is_busy(self, key: ItemKey) -> bool:
        with self._lock:
            return key in self._busy


def keys_of(request: dict[str, Any]) -> list[ItemKey]:
    """The keys of a transaction's actions, in their order; the app only puts whole items."""
    return [_key(action["Put"]) for action in request["TransactItems"]]


def _key(put: dict[str, Any]) -> ItemKey:
    return put["TableName"], put["Item"]["pk"]["S"], put["Item"]["sk"]["S"]


def canceled(taken: list[bool]) -> dict[str, Any]:
    """DynamoDB's answer to a canceled transaction: a reason for each action, in their order."""
    codes = ["TransactionConflict" if is_taken else "None" for is_taken in taken]
    return {
        "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
        "Message": f"Transaction cancelled, please refer cancellation reasons for specific reasons {codes}",
        "CancellationReasons": [{"Code": code} for code in codes],
    }


def _handler(upstream: str, conflicts: Conflicts) -> type[BaseHTTPRequestHandler]:
    address = urlsplit(upstream)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            super().setup()
            self._upstream = HTTPConnection(address.hostname or "", address.port, timeout=TIMEOUT_S)

        def finish(self) -> None:
            self._upstream.close()
            super().finish()

        def do_GET(self) -> None:
            shown = {"transactions": conflicts.transactions, "canceled": conflicts.canceled}
            self._answer(200, {"Content-Type": "application/json"}, json.dumps(shown).encode())

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            operation = self.headers["X-Amz-Target"].rpartition(".")[2]
            if operation == PUT and conflicts.is_busy(_key(json.loads(body))):
                self._refuse({"__type": "com.amazonaws.dynamodb.v20120810#TransactionConflictException"})
            elif operation == TRANSACTION:
                keys = keys_of(json.loads(body))
                taken = conflicts.begin(keys)
                if any(taken):
                    self._refuse(canceled(taken))
                    return
                try:
                    answer = self._ask(body)
                finally:
                    conflicts.end(keys)
                self._answer(*answer)
            else:
                self._answer(*self._ask(body))

        def _ask(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
            self._upstream.request("POST", self.path, body, dict(self.headers.items()))
            answer = self._upstream.getresponse()
            content = answer.read()
            return answer.status, {"Content-Type": answer.headers["Content-Type"]}, content

        def _refuse(self, error: dict[str, Any]) -> None:
            self._answer(400, {"Content-Type": "application/x-amz-json-1.0"}, json.dumps(error).encode())

        def _answer(self, status: int, headers: dict[str, str], content: bytes) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            pass

    send_answers_in_one_packet(Handler)
    return Handler


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--upstream", required=True, help="where the emulator answers")
    given = parser.parse_args()
    use_fast_header_parser()
    ThreadingHTTPServer.request_queue_size = 128
    ThreadingHTTPServer(("127.0.0.1", given.port), _handler(given.upstream, Conflicts())).serve_forever()


if __name__ == "__main__":
    main()
