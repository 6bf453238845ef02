"""The function that hears what became of mails and texts: SES's events, SNS's delivery log, and answers to texts.

SES: https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html
SNS: https://docs.aws.amazon.com/sns/latest/dg/sms_stats_cloudwatch.html
Answers: https://docs.aws.amazon.com/sms-voice/latest/userguide/two-way-sms-payload.html

Addresses come with all of these. They are compared with the contact and go nowhere else.
"""

from __future__ import annotations

import base64
import gzip
import logging
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from chalicelib.domain.contact import Channel, Source
from chalicelib.ports.deps import Deps
from chalicelib.usecases.news.feedback import Feedback, Report, note_feedback

log = logging.getLogger(__name__)

Event = Mapping[str, Any]

STOP_WORDS = frozenset(
    {
        "STOP",
        "STOPALL",
        "UNSUBSCRIBE",
        "CANCEL",
        "END",
        "QUIT",
        "STOPP",
        "ABMELDEN",
        "ALTO",
        "BAJA",
        "수신거부",
        "توقف",
        "إيقاف",
    }
)
"""Answers that end text messages: those that carriers know, and the words of our languages."""

_SMS_REASONS: Mapping[str, tuple[str, Source | None]] = {
    "phone number is opted out": ("opted_out", Source.PROVIDER),
    "invalid phone number": ("bad_address", Source.UNREACHABLE),
    "phone has blocked sms": ("blocked", Source.UNREACHABLE),
    "blocked as spam by phone carrier": ("spam", None),
}
"""What SNS writes in `providerResponse`: the reason in our words, and whether it closes the channel."""


def take(deps: Deps, event: Event) -> dict[str, int]:
    """From the topic of SES and of answers, or from the log of texts. Raises what cannot be noted: it comes again."""
    reports = [feedback for body in _bodies(event) for feedback in _read(body)]
    noted = sum(note_feedback(deps, feedback) for feedback in reports)
    log.info("feedback", extra={"metrics": {"FeedbackNoted": noted, "FeedbackOfOthers": len(reports) - noted}})
    return {"noted": noted, "of_others": len(reports) - noted}


def _bodies(event: Event) -> Iterator[str]:
    if "awslogs" in event:
        lines = msgspec.json.decode(gzip.decompress(base64.b64decode(event["awslogs"]["data"])))
        yield from (line["message"] for line in lines["logEvents"])
    for record in event.get("Records", ()):
        yield record["Sns"]["Message"]


def _read(body: str) -> Iterator[Feedback]:
    """What the text says about messages to people; nothing for other kinds of events."""
    try:
        said = msgspec.json.decode(body)
    except msgspec.DecodeError:
        log.exception("a report that is not JSON")
        return
    if not isinstance(said, dict):
        return
    if "mail" in said:
        yield from _mail_report(said)
    elif "messageKeyword" in said or "originationNumber" in said:
        yield from _answer(said)
    elif "delivery" in said and "notification" in said:
        yield _sms_report(said)


def _mail_report(said: Event) -> Iterator[Feedback]:
    mail = said["mail"]
    is_ours = "merchant" in mail.get("tags", {})

    def about(address: str, report: Report, reason: str | None = None, refuses: Source | None = None) -> Feedback:
        return Feedback(
            channel=Channel.EMAIL,
            provider_id=mail["messageId"],
            report=report,
            address=_address(address),
            reason=reason,
            refuses=refuses,
            is_ours=is_ours,
        )

    match said.get("eventType", said.get("notificationType")):
        case "Delivery":
            yield from (about(address, Report.DELIVERED) for address in said["delivery"]["recipients"])
        case "Bounce":
            kind = said["bounce"]["bounceType"].lower()
            refuses = Source.UNREACHABLE if kind == "permanent" else None
            for bounced in said["bounce"]["bouncedRecipients"]:
                yield about(bounced["emailAddress"], Report.BOUNCED, kind, refuses)
        case "Complaint" if said["complaint"].get("complaintFeedbackType") != "not-spam":
            for complained in said["complaint"]["complainedRecipients"]:
                yield about(complained["emailAddress"], Report.COMPLAINED, None, Source.PROVIDER)
        case "Reject":
            yield from (about(address, Report.BOUNCED, "rejected") for address in mail["destination"])


def _sms_report(said: Event) -> Feedback:
    provider_id, to = said["notification"]["messageId"], said["delivery"].get("destination", "")
    if said.get("status") == "SUCCESS":
        return Feedback(channel=Channel.SMS, provider_id=provider_id, report=Report.DELIVERED, address=to)
    answer = str(said["delivery"].get("providerResponse", "")).lower()
    reason, refuses = next((it for text, it in _SMS_REASONS.items() if text in answer), ("undelivered", None))
    return Feedback(
        channel=Channel.SMS,
        provider_id=provider_id,
        report=Report.BOUNCED,
        address=to,
        reason=reason,
        refuses=refuses,
    )


def _answer(said: Event) -> Iterator[Feedback]:
    """STOP, as an answer to a text of ours; any other answer is for nobody here."""
    words = str(said.get("messageBody", "")).strip().upper().split()
    answered = said.get("previousPublishedMessageId")
    if not words or words[0].strip(".!") not in STOP_WORDS or not answered:
        return
    yield Feedback(
        channel=Channel.SMS,
        provider_id=answered,
        report=Report.STOPPED,
        address=said["originationNumber"],
        refuses=Source.PROVIDER,
    )


def _address(text: str) -> str:
    """The bare address, with its domain in Unicode as contacts have it; SES may write `Ada <ada@example.com>`."""
    bare = text.rpartition("<")[2].rstrip("> ").strip()
    local, _, domain = bare.rpartition("@")
    try:
        return f"{local}@{domain.encode().decode('idna')}"
    except UnicodeError:
        return bare
