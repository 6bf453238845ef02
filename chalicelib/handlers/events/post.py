"""The function behind the queue `post`: messages to people."""

from __future__ import annotations

from chalicelib.handlers.events import batches
from chalicelib.ports.deps import Deps
from chalicelib.usecases.news import post


def deliver(deps: Deps, event: batches.Event) -> batches.Answer:
    return batches.of_queue(event, lambda jobs: post.deliver_each(deps, jobs))
