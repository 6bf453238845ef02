"""The DynamoDB emulator of tests and local stack: where it listens, when it ends, and what it stores."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from chalicelib.adapters.dynamodb.store import DynamoDbStore, dynamodb_client
from devstack import dynamodb_emulators, dynamodb_table, ministack
from tests.contract.conftest import EMULATOR
from tests.contract.store_kit import MERCHANT, REGION, TABLE, opening

pytestmark = pytest.mark.ministack


def listening_addresses(pid: int) -> set[str]:
    """The IPv4 and IPv6 addresses and ports that a process listens on, from Linux's own account of them."""
    sockets = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        try:
            sockets.add(str(link.readlink()))
        except FileNotFoundError:
            continue
    found = set()
    for name in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{name}").read_text().splitlines()[1:]:
            row = line.split()
            if row[3] == "0A" and f"socket:[{row[9]}]" in sockets:
                address, port = row[1].split(":")
                found.add(f"{address}:{int(port, 16)}")
    return found


@pytest.mark.skipif(not Path("/proc/self/net/tcp").exists(), reason="needs Linux's /proc")
def test_it_listens_on_loopback_only() -> None:
    """The emulator listens on one port of 127.0.0.1, and on nothing else: no other interface, no MQTT."""
    with dynamodb_emulators.start(EMULATOR) as aws:
        port = int(aws.endpoint_url.rpartition(":")[2])

        (address,) = listening_addresses(aws.process.pid)
        # Java has one kind of socket for both, and writes the address as IPv6 does.
        assert address in {f"0100007F:{port}", f"0000000000000000FFFF00000100007F:{port}"}


def test_it_ends_with_its_context() -> None:
    """Leaving the context, by an exception too, ends the process, and its port is free again."""
    with pytest.raises(ZeroDivisionError), ministack.start() as aws:
        raise ZeroDivisionError

    assert aws.process.returncode is not None
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", int(aws.endpoint_url.rpartition(":")[2])))


def test_a_port_that_is_taken_is_an_error_with_the_reason() -> None:
    """A port that was asked for and is taken raises RuntimeError with the emulator's own words."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()

        with pytest.raises(RuntimeError, match="already in use"), ministack.start(taken.getsockname()[1]):
            pass


def test_state_survives_where_a_folder_for_it_is_given(tmp_path: Path) -> None:
    """With a state folder, what one emulator held is there in the next; making the table again is harmless."""
    change = opening()
    for run in range(2):
        with ministack.start(state_dir=tmp_path) as aws:
            dynamodb_table.create(aws.endpoint_url, TABLE, region=REGION)
            store = DynamoDbStore(dynamodb_client(aws.endpoint_url, REGION), TABLE)
            if run == 0:
                store.commit(change)
            assert store.get_tab(MERCHANT, change.tab.tab_id) == change.tab
