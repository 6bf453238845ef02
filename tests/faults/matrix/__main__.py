"""`make faults`: every combination on the store in memory, some with more to follow, a sample on DynamoDB's emulator.

    python -m tests.faults.matrix                                  # all of it
    python -m tests.faults.matrix --sample 200 --seed 3            # so many, drawn by this seed
    python -m tests.faults.matrix --cell refund/after_effect/lost_answer/never   # one, with its log and history

Exit status 1 where a combination fails. A failure is printed with the name that plays it again.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from rich.console import Console
from rich.progress import Progress

from chalicelib.adapters.dynamodb.store import DynamoDbStore, dynamodb_client
from chalicelib.adapters.memory_store import MemoryStore
from devstack import dynamodb_table, ministack
from tests import views
from tests.faults.matrix.dynamodb import TroubledClient
from tests.faults.matrix.run import Played, play
from tests.faults.matrix.table import (
    Aftershock,
    Boundary,
    Cell,
    Fault,
    Order,
    Use,
    cells,
    every_cell,
    exclusions,
    sample,
    shaken,
)
from tests.faults.matrix.world import impatient_sdk

ON_MINISTACK = 40
SHAKEN = 500
REGION = "eu-west-1"
TABLE = "faults"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="make faults", description="Play the fault matrix.")
    parser.add_argument("--sample", type=int, metavar="N", help="so many combinations in memory, instead of all")
    parser.add_argument("--aftershocks", type=int, default=SHAKEN, metavar="N", help="so many with aftershocks")
    parser.add_argument("--ministack", type=int, default=ON_MINISTACK, metavar="N", help="so many on ministack")
    parser.add_argument("--seed", type=int, default=1, help="draws the samples")
    parser.add_argument("--cell", metavar="NAME", help="only this one, in memory, and tell all about it")
    parser.add_argument(
        "--then", nargs="*", type=Aftershock, default=(), help="with --cell: the aftershocks that follow"
    )
    parser.add_argument("--rules", action="store_true", help="say which combinations can't occur, and why")
    given = parser.parse_args(arguments)
    console = Console(highlight=False, soft_wrap=True)
    if given.rules:
        _say_rules(console)
        return 0
    if given.cell is not None:
        return _tell(given.cell, given.then)

    began = time.monotonic()
    chosen = cells() if given.sample is None else sample(given.sample, given.seed)
    failed = _play_all(console, "in memory", [(cell, ()) for cell in chosen], play_in_memory)
    with_more = shaken(given.aftershocks, given.seed)
    failed += _play_all(console, "with aftershocks", with_more, play_in_memory)
    on_ministack = sample(given.ministack, given.seed) if given.ministack else []
    if on_ministack:
        with _ministack() as play_on_ministack:
            failed += _play_all(console, "on ministack", [(cell, ()) for cell in on_ministack], play_on_ministack)
    _say_uses(console, chosen)
    left_out = exclusions()
    console.print(
        f"faults: {len(every_cell()):,} combinations, {left_out.total():,} can't occur by {len(left_out)} rules; "
        f"{len(chosen):,} played in memory, {len(with_more):,} with aftershocks, {len(on_ministack)} on ministack: "
        f"{failed} failed, in {time.monotonic() - began:.0f} s"
    )
    return 1 if failed else 0


def play_in_memory(cell: Cell, aftershocks: Sequence[Aftershock]) -> Played:
    return play(cell, MemoryStore(), aftershocks)


Play = Callable[[Cell, Sequence[Aftershock]], Played]


def _play_all(console: Console, where: str, chosen: Sequence[tuple[Cell, Sequence[Aftershock]]], play_it: Play) -> int:
    """How many failed."""
    failed = 0
    with impatient_sdk(), _silence(), Progress(console=console, disable=not console.is_terminal) as bar:
        for cell, aftershocks in bar.track(chosen, description=where):
            if problems := play_it(cell, aftershocks).problems:
                failed += 1
                console.print(" ".join(["✗", cell.name, *aftershocks, f"({where})"]))
                for problem in problems:
                    console.print(f"    {problem}", markup=False)
    return failed


def _tell(name: str, aftershocks: Sequence[Aftershock]) -> int:
    try:
        use, boundary, fault, order = name.split("/")
        cell = Cell(Use(use), Boundary(boundary), Fault(fault), Order(order))
    except ValueError as wrong:
        print(f"{name} is no combination ({wrong}): use/boundary/fault/order", file=sys.stderr)
        return 2
    logging.basicConfig(level=logging.INFO, format="  log: %(message)s", stream=sys.stdout)
    logging.getLogger("stripe").setLevel(logging.ERROR)
    with impatient_sdk():
        played = play(cell, MemoryStore(), aftershocks)
    world = played.world
    if world.tab_id:
        for entry in views.history(world.store, world.tab):
            print(f"  {entry['seq']:3} {entry['at']} {entry['kind']} {entry['details']}")
    for call in world.standin.log.find(limit=1000):
        print(f"  Stripe: {call['method']} {call['path']} {call['status']}{' (replayed)' if call['replayed'] else ''}")
    for problem in played.problems:
        print(f"✗ {problem}")
    print(f"faults: {cell.name}: {len(played.problems)} problems")
    return 1 if played.problems else 0


def _say_rules(console: Console) -> None:
    for why, number in exclusions().items():
        console.print(f"{number:6,}  {why}")
    console.print(f"{len(cells()):6,}  can occur")


def _say_uses(console: Console, chosen: list[Cell]) -> None:
    played = Counter(cell.use for cell in chosen)
    console.print("  ".join(f"{use} {played[use]}" for use in Use))


@contextmanager
def _ministack() -> Iterator[Play]:
    # No emulator looks at them, the signature needs them; and what the developer has in the environment is not for one.
    with (
        patch.dict(os.environ, {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}),
        ministack.start() as aws,
    ):
        dynamodb_table.create(aws.endpoint_url, TABLE, region=REGION)
        client: Any = TroubledClient(dynamodb_client(aws.endpoint_url, REGION))
        store = DynamoDbStore(client, TABLE, sweep_threads=1, sleep=lambda seconds: None)
        yield lambda cell, aftershocks: play(cell, store, aftershocks, below=client)


@contextmanager
def _silence() -> Iterator[None]:
    """What goes wrong here is meant to."""
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


if __name__ == "__main__":
    sys.exit(main())
