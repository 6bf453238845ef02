"""The relay: from a committed entry to the jobs of those who tell it, people's and systems' (design §11).

Nothing is stored: the same entry makes the same jobs whenever it comes, and a delivery is claimed by its message's id.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Sequence

import msgspec

from chalicelib import correlation
from chalicelib.domain.news.message import Message, MessageKind
from chalicelib.domain.news.notice import Notice, notice_of
from chalicelib.domain.news.table import messages_of
from chalicelib.ports.deps import Deps
from chalicelib.ports.notices import NoticeJob, queue_job_of
from chalicelib.ports.queues import Job, QueueName
from chalicelib.ports.stream import NewEntry

log = logging.getLogger(__name__)

RECEIPT_DELAY_S = 300
"""A tip that is given within minutes is on the one receipt."""


def relay(deps: Deps, entries: Sequence[NewEntry]) -> list[int]:
    """Send what follows from these entries to the queues; returns the indexes of those that could not be told.

    Raises QueueUnavailable: then some of the jobs may have been sent.
    """
    failed: list[int] = []
    messages: list[Message] = []
    notices: dict[str, list[Notice]] = defaultdict(list)
    for index, new in enumerate(entries):
        with correlation.about(tab_id=new.tab_id):
            try:
                messages += messages_of(new.merchant_id, new.customer_id, new.tab_id, new.entry)
                if new.tab_id is not None:
                    notices[new.merchant_id].append(notice_of(new.merchant_id, new.customer_id, new.tab_id, new.entry))
            except Exception:
                log.exception("nothing could be made of an entry", extra={"seq": new.entry.seq, "kind": new.entry.kind})
                failed.append(index)
    deps.queues.send(QueueName.POST, [_job(message) for message in messages])
    # One job for all of a merchant, so that its endpoints are read once.
    jobs = [NoticeJob(merchant_id=merchant_id, notices=tuple(of)) for merchant_id, of in notices.items()]
    deps.queues.send(QueueName.NOTICES, [queue_job_of(job) for job in jobs])
    counted = {"EntriesRelayed": len(entries) - len(failed), "MessagesMade": len(messages)}
    log.info("relayed", extra={"metrics": counted})
    return failed


def _job(message: Message) -> Job:
    delay_s = RECEIPT_DELAY_S if message.kind == MessageKind.RECEIPT else 0
    return Job(body=msgspec.json.encode(message).decode(), group=message.merchant_id, delay_s=delay_s)
