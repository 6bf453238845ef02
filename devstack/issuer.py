"""The local token issuer: creates a key pair, serves its JWKS and issues tokens. Production has a real issuer."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

ISSUER = "http://aftertab.localhost/dev-issuer"
AUDIENCE = "aftertab-dev"
LIFETIME_S = 12 * 3600
ROLES = ("customer", "staff", "owner", "operator")


class Issuer:
    """Serves `/jwks.json` and `/token?role=…&merchant_id=…&customer_id=…` on the loopback interface, in a thread."""

    def __init__(self, port: int = 0) -> None:
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._server = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True, name="issuer")

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def jwks_url(self) -> str:
        return f"{self.base_url}/jwks.json"

    def __enter__(self) -> Issuer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def token(self, role: str, *, merchant_id: str | None = None, customer_id: str | None = None) -> str:
        """A token for somebody with this role. Raises ValueError if the role lacks what it needs."""
        if role not in ROLES:
            raise ValueError(f"role must be one of {', '.join(ROLES)}")
        if role != "operator" and not merchant_id:
            raise ValueError(f"a token for {role} needs merchant_id")
        if role == "customer" and not customer_id:
            raise ValueError("a token for customer needs customer_id")
        now = int(time.time())
        claims: dict[str, Any] = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "iat": now,
            "exp": now + LIFETIME_S,
            "sub": customer_id or f"dev-{role}",
            "role": role,
        }
        claims |= {"merchant_id": merchant_id} if role != "operator" else {}
        claims |= {"customer_id": customer_id} if role == "customer" else {}
        return jwt.encode(claims, self._key, algorithm="RS256", headers={"kid": "dev"})

    def jwks(self) -> dict[str, Any]:
        public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self._key.public_key()))
        return {"keys": [{**public, "kid": "dev", "alg": "RS256", "use": "sig"}]}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                query = {name: values[0] for name, values in parse_qs(parts.query).items()}
                if parts.path == "/jwks.json":
                    self._answer(200, issuer.jwks())
                elif parts.path == "/token":
                    try:
                        token = issuer.token(
                            query.get("role", "staff"),
                            merchant_id=query.get("merchant_id"),
                            customer_id=query.get("customer_id"),
                        )
                    except ValueError as error:
                        self._answer(400, {"error": str(error)})
                    else:
                        self._answer(200, {"token": token})
                else:
                    self._answer(404, {"error": "here are /jwks.json and /token"})

            def _answer(self, status: int, body: dict[str, Any]) -> None:
                content = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: object) -> None:
                pass

        return Handler
