"""Owns the process: the ASGI application, the HTTP server on the loopback interface, and running it inside a test."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from . import conformance, control, findings, pages
from .api import Receive, Scope, Send
from .standin import StandIn


class App:
    """/v1 goes straight to the API (every millisecond counts there), everything else through Starlette."""

    def __init__(self, standin: StandIn, *, check: bool = False) -> None:
        self.standin = standin
        self.checker = conformance.Checker(standin.events) if check else None
        standin.checker = self.checker

        @contextlib.asynccontextmanager
        async def lifespan(app: Starlette) -> AsyncIterator[None]:
            await standin.run()
            yield
            await standin.close()

        self.rest = Starlette(
            routes=[*pages.routes(standin), *control.routes(standin), Mount("/v1", app=standin.api)], lifespan=lifespan
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith("/v1/"):
            if self.checker is None:
                await self.standin.api(scope, receive, send)
            else:
                await self.checker.answer(self.standin.api, scope, receive, send)
        else:
            await self.rest(scope, receive, send)


class OneWrite:
    """A transport that sends what is written in one step of the loop, the head and the body of an answer, at once."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> None:
        if not self._parts:
            asyncio.get_running_loop().call_soon(self._flush)
        self._parts.append(data)

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._parts:
            self._transport.write(b"".join(self._parts))
            self._parts.clear()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class Protocol(HttpToolsProtocol):
    """Leaves the transport in the scope, so that a fault can cut the connection."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(OneWrite(transport))  # type: ignore[arg-type]

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["standin.transport"] = self.transport  # type: ignore[typeddict-unknown-key]


def create_app(
    *,
    start: int | None = None,
    real_time: bool = False,
    seed: int | None = None,
    state: Path | None = None,
    check: bool = False,
    api_version: str | None = None,
) -> App:
    """The stand-in as an ASGI application.

    `start`: epoch seconds at which its clock stands (default: now, or where `state` left it). `state`: the file that
    keeps everything across restarts. `check`: hold every answer and event against Stripe's OpenAPI document; what is
    wrong is told at /_control/conformance. The environment can turn it on, too (findings.FOLDER), and nothing then
    turns it off. `api_version`: of whoever names none (default: the newest). Raises OSError and ValueError as StandIn
    and Checker do.
    """
    check = check or findings.asked_for()
    standin = StandIn(start=start, real_time=real_time, seed=seed, state=state, api_version=api_version)
    return App(standin, check=check)


def loopback_socket(port: int, host: str = "127.0.0.1") -> socket.socket:
    """Bound before the server starts, so that port 0 is known and a taken port is an error here. Raises ValueError off
    loopback.
    """
    if host not in ("127.0.0.1", "localhost", "::1"):
        raise ValueError("the stand-in binds to the loopback interface only")
    bound = socket.socket(socket.AF_INET6 if host == "::1" else socket.AF_INET)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
        # From here on connections queue up, so whoever reads the printed address may connect at once.
        bound.listen(1024)
    except OSError:
        bound.close()
        raise
    return bound


def make_server(app: App, bound: socket.socket) -> uvicorn.Server:
    host, port = bound.getsockname()[:2]
    app.standin.world.base_url = f"http://{'[::1]' if host == '::1' else host}:{port}"
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        http=Protocol,
        ws="none",
        lifespan="on",
        timeout_keep_alive=75,
        timeout_graceful_shutdown=2,
        server_header=False,
        proxy_headers=False,
    )
    return uvicorn.Server(config)


@contextlib.contextmanager
def serve_in_thread(app: App | None = None, *, port: int = 0, **options: Any) -> Iterator[str]:
    """Run the stand-in in a thread of this process and yield its base URL. `options` are those of `create_app`."""
    app = app or create_app(**options)
    bound = loopback_socket(port)
    server = make_server(app, bound)
    ready = threading.Event()

    async def main() -> None:
        task = asyncio.create_task(server.serve(sockets=[bound]))
        while not server.started and not task.done():
            await asyncio.sleep(0.005)
        ready.set()
        await task

    # Signals belong to the main thread; uvicorn leaves them alone in any other.
    thread = threading.Thread(target=lambda: asyncio.run(main()), name="stripe-standin", daemon=True)
    thread.start()
    try:
        if not ready.wait(10) or not server.started:
            raise RuntimeError("the stand-in did not start")
        yield app.standin.world.base_url
    finally:
        server.should_exit = True
        thread.join(10)
        bound.close()
