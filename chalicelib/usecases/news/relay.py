"""The relay: turns committed entries into jobs for the queues `post` and `notices`, and folds them into visits.

The same entry makes the same jobs whenever it comes, and a delivery is claimed by its message's id; a visit knows which
entries were folded into it.
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
from chalicelib.usecases.trust.project import project

log = logging.getLogger(__name__)

DELAY_S = {MessageKind.RECEIPT: 300, MessageKind.SHARE_RETURNED: 300}
"""A tip that is given within minutes is on the one receipt; shares that come back within minutes are told as one."""


def relay(deps: Deps, entries: Sequence[NewEntry]) -> list[int]:
    """Send what follows from these entries to the queues, and fold them into their visits.

    Returns the indexes of those that could not be told or folded. Raises QueueUnavailable, StoreUnavailable: then some
    of the jobs may have been sent, and some of the visits written.
    """
    failed: set[int] = set()
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
                failed.add(index)
    deps.queues.send(QueueName.POST, [_job(message) for message in messages])
    # One job for all of a merchant, so that its endpoints are read once.
    jobs = [NoticeJob(merchant_id=merchant_id, notices=tuple(of)) for merchant_id, of in notices.items()]
    deps.queues.send(QueueName.NOTICES, [queue_job_of(job) for job in jobs])
    # People first: a visit may lag, a message had better not.
    failed |= project(deps, entries)
    counted = {"EntriesRelayed": len(entries) - len(failed), "MessagesMade": len(messages)}
    log.info("relayed", extra={"metrics": counted})
    return sorted(failed)


def _job(message: Message) -> Job:
    body, delay_s = msgspec.json.encode(message).decode(), DELAY_S.get(message.kind, 0)
    return Job(body=body, group=message.merchant_id, delay_s=delay_s)
