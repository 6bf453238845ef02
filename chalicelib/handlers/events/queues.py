"""The functions around the queue of due tabs: the schedule fills it, the worker empties it."""

from __future__ import annotations

from msgspec import structs

from chalicelib.handlers.events import batches
from chalicelib.ports.deps import Deps
from chalicelib.usecases.tab import advance_tab


def sweep(deps: Deps) -> dict[str, int]:
    return structs.asdict(advance_tab.sweep(deps))


def work(deps: Deps, event: batches.Event) -> batches.Answer:
    return batches.of_queue(event, lambda jobs: advance_tab.work(deps, jobs))
