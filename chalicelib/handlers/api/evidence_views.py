"""Bodies of requests and answers about a dispute's evidence. Apart: few requests are about one."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from msgspec import Meta

from chalicelib.domain.tab.payments import DisputeState
from chalicelib.domain.trust.evidence.fields import FILE_ID_PATTERN, LONG, FileField, TextField
from chalicelib.domain.trust.evidence.pack import Lack, Origin
from chalicelib.handlers.api.body import Body
from chalicelib.handlers.api.fields import PLAIN, Sha256
from chalicelib.handlers.api.views import Answer

OwnText = Annotated[str, Meta(max_length=LONG, pattern=PLAIN, examples=["Ana came with a photo and left content."])]
FileId = Annotated[str, Meta(pattern=FILE_ID_PATTERN, examples=["file_1PqKc2ab"])]


class EvidenceText(Body):
    field: TextField
    text: OwnText


class EvidenceFile(Body):
    field: FileField
    file_id: FileId


class PutEvidence(Body):
    """All that the owner adds; what was added before and is left out here is taken away."""

    texts: Annotated[list[EvidenceText], Meta(max_length=len(TextField))] = []
    files: Annotated[list[EvidenceFile], Meta(max_length=len(FileField))] = []


class SendEvidence(Body):
    """`sha256`: that of the evidence as it was read."""

    sha256: Sha256


class EvidenceState(StrEnum):
    """`sending`: under way, and not known to have arrived. `closed`: the bank takes no answer (any more)."""

    DRAFT = "draft"
    STAGED = "staged"
    SENDING = "sending"
    SUBMITTED = "submitted"
    CLOSED = "closed"


class EvidenceFieldView(Answer):
    field: TextField
    text: str
    origin: Origin
    entries: list[int]


class EvidenceFileView(Answer):
    field: FileField
    file_id: str


class EarlierPaymentView(Answer):
    """An earlier payment with the same card that no bank has disputed."""

    tab_id: str
    payment_id: str
    paid_at: datetime
    amount_minor: int
    is_used: bool


class MissingView(Answer):
    code: Lack
    text: str
    field: str | None


class EvidenceView(Answer):
    """The evidence for one dispute: as it would be sent now, as it is being sent, or as the bank has it.

    `is_ours`: what stands here is what was sealed and sent. False while it is a draft, and where somebody has answered
    in Stripe's dashboard.
    """

    tab_id: str
    dispute_id: str
    payment_id: str
    amount_minor: int
    currency: str
    reason: str
    dispute_state: DisputeState
    state: EvidenceState
    respond_by: datetime | None
    respond_by_local: str | None
    remind_at: datetime | None
    time_zone: str
    staged_at: datetime | None
    submitted_at: datetime | None
    is_ours: bool
    sha256: str | None
    characters: int
    fields: list[EvidenceFieldView]
    files: list[EvidenceFileView]
    earlier_payments: list[EarlierPaymentView]
    missing: list[MissingView]
