#!/bin/sh
# A connection that ends in the middle of a header is, to urllib3 (and http.client below it), the end of the headers: a 200
# with an empty body and no error, where the same cut a few bytes later raises ProtocolError. Who believes the status of an
# answer without a body, as a sender of webhooks does, can't tell an accepted request from a server that died.
. "$(dirname "$0")/_run.sh"
run urllib3==2.8.0 <<'PYTHON'
import socket
import threading
from importlib.metadata import version

import urllib3

http = urllib3.PoolManager(retries=False)


def outcome(sent: bytes) -> str:
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = server.accept()
        connection.recv(65536)
        connection.sendall(sent)
        connection.close()

    threading.Thread(target=serve).start()
    try:
        answer = http.request("POST", f"http://127.0.0.1:{server.getsockname()[1]}/", body=b"{}")
    except urllib3.exceptions.ProtocolError as error:
        return f"ProtocolError: {error.args[0]}"
    finally:
        server.close()
    return f"status {answer.status}, headers {dict(answer.headers)}, body {answer.data!r}"


in_a_header = outcome(b"HTTP/1.1 200 OK\r\nContent-Le")
after_it = outcome(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n")
print("urllib3", version("urllib3"))
print("cut in the middle of a header:", in_a_header)
print("cut after the header:         ", after_it)
assert in_a_header == "status 200, headers {}, body b''"
assert after_it.startswith("ProtocolError")
PYTHON
