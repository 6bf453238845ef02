"""A small JSON client over keep-alive connections, one for each thread."""

from __future__ import annotations

import http.client
import json
import threading
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP answer. `body`: the parsed JSON, or None."""

    status: int
    headers: dict[str, str]
    body: Any


class HttpError(Exception):
    """The answer, `reply`, is not a 2xx."""

    def __init__(self, method: str, path: str, reply: Reply) -> None:
        super().__init__(f"{method} {path} answered {reply.status}: {json.dumps(reply.body)}")
        self.reply = reply


class JsonClient:
    """A client of one origin, or of a path below it.

    If the server closed the connection between two requests, it is opened again, once.
    """

    def __init__(self, base_url: str) -> None:
        parts = urlsplit(base_url)
        assert parts.scheme == "http" and parts.hostname in ("127.0.0.1", "localhost"), base_url
        self.base_url = base_url.rstrip("/")
        self._address = (parts.hostname, parts.port or 80)
        self._prefix = parts.path.rstrip("/")
        self._local = threading.local()

    def close(self) -> None:
        """Close this thread's connection; the next request opens another."""
        connection: http.client.HTTPConnection | None = getattr(self._local, "connection", None)
        if connection is not None:
            connection.close()
            self._local.connection = None

    def get(self, path: str, *, headers: dict[str, str] | None = None, **query: object) -> Any:
        given = {name: value for name, value in query.items() if value is not None}
        return self.checked("GET", f"{path}?{urlencode(given)}" if given else path, None, headers)

    def post(self, path: str, body: Any = None, *, headers: dict[str, str] | None = None) -> Any:
        return self.checked("POST", path, {} if body is None else body, headers)

    def post_form(self, path: str, fields: dict[str, str], *, headers: dict[str, str] | None = None) -> Any:
        content = {"Content-Type": "application/x-www-form-urlencoded", **(headers or {})}
        return self._checked("POST", path, self.send("POST", path, urlencode(fields).encode(), content))

    def checked(self, method: str, path: str, body: Any, headers: dict[str, str] | None = None) -> Any:
        """The body of the answer. Raises HttpError if the answer is not a 2xx."""
        return self._checked(method, path, self.request(method, path, body, headers))

    def request(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Reply:
        raw = None if body is None else json.dumps(body, separators=(",", ":")).encode()
        return self.send(method, path, raw, {"Content-Type": "application/json", **(headers or {})})

    def send(self, method: str, path: str, raw: bytes | None, headers: dict[str, str]) -> Reply:
        connection: http.client.HTTPConnection | None = getattr(self._local, "connection", None)
        is_new = connection is None
        if connection is None:
            connection = self._local.connection = http.client.HTTPConnection(*self._address, timeout=TIMEOUT_S)
        try:
            connection.request(method, self._prefix + path, raw, headers)
            answer = connection.getresponse()
            content = answer.read()
        except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError, http.client.CannotSendRequest):
            self.close()
            if is_new:
                raise
            return self.send(method, path, raw, headers)
        if answer.will_close:
            self._local.connection = None
        return Reply(answer.status, {name.lower(): value for name, value in answer.getheaders()}, _parsed(content))

    @staticmethod
    def _checked(method: str, path: str, reply: Reply) -> Any:
        if not 200 <= reply.status < 300:
            raise HttpError(method, path, reply)
        return reply.body


def _parsed(content: bytes) -> Any:
    try:
        return json.loads(content) if content else None
    except ValueError:
        return content.decode(errors="replace")
