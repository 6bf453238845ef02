"""An HTTP server for tests that answers well, hangs up, lies or stays silent, with or without TLS."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


class Server:
    """Answers with `answer`, or the path it was asked for. `manner`: what it does instead, or how it says it.

    `headers`: of the answers, in addition. `heard`: every request, by connection; `last`: the headers and the body of
    the last one.
    """

    def __init__(self) -> None:
        self.manner = ""
        self.status = 200
        self.answer: bytes | None = None
        self.headers: dict[str, str] = {}
        self.heard: list[tuple[int, str]] = []
        self.last: tuple[Mapping[str, str], bytes] = {}, b""
        self.hung_up = Event()
        self.released = Event()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                server.last = self.headers, self.rfile.read(int(self.headers.get("Content-Length", 0)))
                server.heard.append((self.client_address[1], self.path))
                if server.manner == "silent":
                    server.released.wait(10)
                if server.manner in ("silent", "reset"):
                    self.close_connection = True
                    return
                if server.manner == "trickles":
                    # Each byte comes long before a time-out for one read.
                    for byte in b"HTTP/1.1 200 OK\r\nX: " + b"x" * 10_000:
                        self.wfile.write(bytes([byte]))
                        if server.released.wait(0.02):
                            return
                body = self.path.encode() if server.answer is None else server.answer
                self.send_response(302 if server.manner == "redirect" else server.status)
                if server.manner == "redirect":
                    self.send_header("Location", "/elsewhere")
                if server.manner == "says goodbye":
                    self.send_header("Connection", "close")
                self.send_header("Request-Id", "req_1")
                for name, value in server.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body) + (5 if server.manner == "half" else 0)))
                self.end_headers()
                self.wfile.write(body)
                if server.manner in ("half", "hangs up"):
                    self.close_connection = True

            def do_GET(self) -> None:
                self.do_POST()

            def log_message(self, *args: Any) -> None:
                pass

        class Http(ThreadingHTTPServer):
            request_queue_size = 128
            """With the usual five, one of many connections at once is dropped, and tried again a second later."""

            def handle_error(self, request: Any, client_address: Any) -> None:
                """A client that hangs up while it is answered is part of the tests."""

            def shutdown_request(self, request: Any) -> None:
                super().shutdown_request(request)
                server.hung_up.set()

        self.http = Http(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True

    @property
    def connections(self) -> int:
        return len({port for port, _ in self.heard})


@contextmanager
def serving(tls: ssl.SSLContext | None = None) -> Iterator[tuple[Server, str]]:
    server = Server()
    if tls is not None:
        server.http.socket = tls.wrap_socket(server.http.socket, server_side=True)
    Thread(target=server.http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield server, f"{'https' if tls else 'http'}://127.0.0.1:{server.http.server_port}"
    finally:
        server.released.set()
        server.http.shutdown()
        server.http.server_close()


def certificate(folder: Path, *names: x509.GeneralName) -> tuple[ssl.SSLContext, str]:
    """A self-signed one for these names: what a server needs, and the file that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    trusted, secret = folder / "cert.pem", folder / "key.pem"
    trusted.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(trusted, secret)
    return context, str(trusted)
