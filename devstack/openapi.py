"""`make openapi`: writes docs/openapi.json, as the app serves it at /v1/openapi.json."""

from __future__ import annotations

import tempfile
from pathlib import Path

from chalice.test import Client

import app

TARGET = Path(__file__).resolve().parent.parent / "docs" / "openapi.json"


def served() -> bytes:
    """The document as the app answers with it."""
    # An empty folder instead of the project's: none of a stage's settings is needed for it.
    with tempfile.TemporaryDirectory() as empty:
        return bytes(Client(app.app, project_dir=empty).http.get("/v1/openapi.json").body)


if __name__ == "__main__":
    TARGET.write_bytes(served())
    print(f"wrote {TARGET}")
