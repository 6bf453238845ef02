"""A DynamoDB that forgets every write once it is frozen: each call then finds the same tab, however often it is made.

In the process, in the place of boto3's client; or behind HTTP in a process of its own, for boto3 to talk to.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import zlib
from typing import Any

import httptools


class Table:
    """The calls that the store makes of boto3's client."""

    def __init__(self) -> None:
        self.items: dict[tuple[str, str], Any] = {}
        self.is_frozen = False

    def get_item(self, **request: Any) -> Any:
        item = self.items.get(_key(request["Key"]))
        return {} if item is None else {"Item": item}

    def batch_get_item(self, *, RequestItems: Any) -> Any:  # noqa: N803
        ((table, wanted),) = RequestItems.items()
        return {"Responses": {table: [self.items[_key(key)] for key in wanted["Keys"] if _key(key) in self.items]}}

    def query(self, **request: Any) -> Any:
        return {"Items": []}

    def transact_write_items(self, *, TransactItems: Any, ClientRequestToken: str) -> Any:  # noqa: N803
        if not self.is_frozen:
            puts = [action["Put"]["Item"] for action in TransactItems if "Put" in action]
            self.items |= {_key(item): item for item in puts}
        return {}


def _key(item: Any) -> tuple[str, str]:
    return item["pk"]["S"], item["sk"]["S"]


def serve(table: Table) -> tuple[str, int]:
    """Fork a server that answers for the frozen table; its URL, and its pid to end it by."""
    assert table.is_frozen
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    pid = os.fork()
    if pid == 0:
        try:
            asyncio.run(_answer(table, listener))
        finally:
            os._exit(0)
    listener.close()
    return url, pid


def end(pid: int) -> None:
    os.kill(pid, signal.SIGTERM)
    os.waitpid(pid, 0)


async def _answer(table: Table, listener: socket.socket) -> None:
    server = await asyncio.get_running_loop().create_server(lambda: _Connection(table), sock=listener)
    async with server:
        await server.serve_forever()


class _Connection(asyncio.Protocol):
    def __init__(self, table: Table) -> None:
        self.calls = {
            "GetItem": table.get_item,
            "BatchGetItem": lambda RequestItems: {  # noqa: N803
                **table.batch_get_item(RequestItems=RequestItems),
                "UnprocessedKeys": {},
            },
            "TransactWriteItems": table.transact_write_items,
        }

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport
        self._begin()

    def _begin(self) -> None:
        self.parser, self.body, self.target = httptools.HttpRequestParser(self), b"", ""

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"x-amz-target":
            self.target = value.decode().rpartition(".")[2]

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        answer = json.dumps(self.calls[self.target](**json.loads(self.body))).encode()
        self.transport.write(
            b"HTTP/1.1 200 OK\r\nServer: Server\r\nContent-Type: application/x-amz-json-1.0\r\n"
            b"x-amzn-RequestId: 4KBNVRGD25RG1KEO9UT4V3FQDJVV4KQNSO5AEMVJF66Q9ASUAAJG\r\n"
            + f"x-amz-crc32: {zlib.crc32(answer)}\r\nContent-Length: {len(answer)}\r\n\r\n".encode()
            + answer
        )
        asyncio.get_running_loop().call_soon(self._begin)
