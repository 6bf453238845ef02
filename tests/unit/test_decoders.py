"""Decoders are made when they are first needed, by one thread at a time."""

from __future__ import annotations

import subprocess
import sys

FIRST_DECODERS = """
import sys, threading
sys.setswitchinterval(1e-6)
from chalicelib import decoders
from chalicelib.adapters.dynamodb import items
from chalicelib.domain.tab.attempt import Attempt
from chalicelib.domain.tab.entry import Entry
from chalicelib.domain.tab.tab import Tab
from chalicelib.ports.store import IdempotencyRecord, TabSummary

made, making, most = [], [], []
real = decoders.msgspec.json.Decoder
def counted(kind):
    making.append(kind)
    most.append(len(making))
    found = real(kind)
    made.append(kind)
    making.remove(kind)
    return found
decoders.msgspec.json.Decoder = counted

kinds = [Tab, IdempotencyRecord, Entry, Attempt, TabSummary]
barrier = threading.Barrier(16)
found = [set() for _ in kinds]
def read(number):
    barrier.wait()
    for step in range(len(kinds)):
        which = (number + step) % len(kinds)
        found[which].add(id(decoders.decoder_of(kinds[which])))
threads = [threading.Thread(target=read, args=(number,)) for number in range(16)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(len(made), max(most), {len(same) for same in found})
"""


def test_threads_that_need_their_first_decoders_at_once_make_one_at_a_time() -> None:
    """msgspec dies (SIGSEGV) where two threads make the first decoders of the same structs at the same time."""
    for _ in range(3):
        done = subprocess.run([sys.executable, "-c", FIRST_DECODERS], capture_output=True, check=False, text=True)

        assert (done.returncode, done.stdout.strip()) == (0, "5 1 {1}"), done.stderr


def test_loading_the_app_makes_no_decoder() -> None:
    """Each would cost every start, and most requests need one or two."""
    code = "import app\nfrom chalicelib import decoders\nassert not decoders._made, decoders._made"

    subprocess.run([sys.executable, "-c", code], check=True)
