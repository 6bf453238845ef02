"""Owns files that a caller uploads: evidence against disputes. https://docs.stripe.com/api/files"""

from __future__ import annotations

import mimetypes
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any, NamedTuple

from . import lists
from .context import Call
from .errors import invalid, missing
from .objects import File, FileContent
from .params import EXPAND, PAGE, TIME_RANGE, Fields, Required, enum


class Upload(NamedTuple):
    """A part of a multipart body that holds a file."""

    filename: str
    content: bytes


def _upload(value: Any, name: str) -> Any:
    if not isinstance(value, Upload):
        raise invalid(f"Invalid file: {name} must be uploaded as a file, in a multipart/form-data body", param=name)
    return value


# What a purpose allows, in bytes. https://docs.stripe.com/file-upload
LIMITS = {"dispute_evidence": 5_000_000}
CREATE: Fields = {"purpose": Required(enum(*LIMITS)), "file": Required(_upload), **EXPAND}
LIST: Fields = {**PAGE, "purpose": enum(*LIMITS), "created": TIME_RANGE}


def parts(content_type: str, body: bytes) -> list[tuple[str, Any]]:
    """The names and values of a multipart body. Raises Stripe's 400 for one that is none."""
    parsed = BytesParser(policy=HTTP).parsebytes(b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + body)
    if not parsed.is_multipart():
        raise invalid("Invalid request: the body is not multipart/form-data with the boundary that its header names.")
    found: list[tuple[str, Any]] = []
    for part in parsed.iter_parts():
        name = part.get_param("name", header="content-disposition")
        raw = part.get_payload(decode=True) or b""
        content = raw if isinstance(raw, bytes) else b""
        filename = part.get_filename()
        text = content.decode("utf-8", "replace")
        found.append((str(name), text if filename is None else Upload(filename, content)))
    return found


def create(call: Call, params: dict[str, Any]) -> File:
    upload: Upload = params["file"]
    limit = LIMITS[params["purpose"]]
    if len(upload.content) > limit:
        raise invalid(f"File is too large: {params['purpose']} takes at most {limit} bytes.", param="file")
    kind = mimetypes.guess_extension(mimetypes.guess_type(upload.filename)[0] or "")
    if kind not in (".pdf", ".jpg", ".png"):
        raise invalid(f"Invalid file type: {params['purpose']} takes pdf, jpg and png.", param="file")
    id = call.new_id("file")
    file = File(
        id=id,
        created=call.now,
        filename=upload.filename,
        links={"object": "list", "data": [], "has_more": False, "url": f"/v1/file_links?file={id}"},
        purpose=params["purpose"],
        size=len(upload.content),
        type=kind[1:],
        url=f"{call.world.base_url}/v1/files/{id}/contents",
    )
    call.put(FileContent(id=id, content=upload.content))
    call.put(file)
    call.emit("file.created", file)
    return file


def retrieve(call: Call, params: dict[str, Any], id: str) -> File:
    file: File = call.account.get("file", id)
    return file


def list_all(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    return lists.page(call, "file", params, "/v1/files")


def check_evidence(call: Call, id: str, param: str) -> None:
    """Raises where there is no such file, or where it was uploaded for something else."""
    file: File | None = call.account.find("file", id)
    if file is None or file.purpose != "dispute_evidence":
        raise missing("file upload", id, param=param)


def content(call: Call, params: dict[str, Any], id: str) -> bytes:
    """`GET /v1/files/{}/contents`, at Stripe under files.stripe.com: what was uploaded."""
    call.account.get("file", id)
    found: FileContent = call.account.get("file.content", id)
    return found.content
