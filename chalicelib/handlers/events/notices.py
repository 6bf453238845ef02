"""The function behind the queue `notices`: notices to merchants' systems."""

from __future__ import annotations

from chalicelib.handlers.events import batches
from chalicelib.ports.deps import Deps
from chalicelib.usecases.news import notices


def deliver(deps: Deps, event: batches.Event) -> batches.Answer:
    return batches.of_queue(event, lambda jobs: notices.work(deps, jobs))
