"""A merchant's system that receives notices on loopback, verifies them with the standard's library, and can be down."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks import Webhook


@dataclass
class Receiver:
    """`notices`: what was taken, as it came; `tries`: all requests. `is_down`: it answers 503."""

    url: str
    notices: list[tuple[bytes, dict[str, str]]] = field(default_factory=list)
    tries: int = 0
    is_down: bool = False

    def verified(self, secret: str) -> list[tuple[str, dict[str, Any]]]:
        """Id and body of each, in the order in which they came. Raises WebhookVerificationError."""
        webhook = Webhook(secret)
        for body, headers in self.notices:
            webhook.verify(body, headers)
        return [(headers["webhook-id"], json.loads(body)) for body, headers in self.notices]


@contextmanager
def receiver() -> Iterator[Receiver]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            made.tries += 1
            if not made.is_down:
                made.notices.append((body, {name.lower(): value for name, value in self.headers.items()}))
            self.send_response(503 if made.is_down else 204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made = Receiver(f"http://127.0.0.1:{server.server_address[1]}/notices")
    threading.Thread(target=server.serve_forever, daemon=True, name="receiver").start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
