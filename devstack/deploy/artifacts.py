"""The files of a deployment: the template, and the zips with the code, whose names the template has."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from devstack.deploy.template import native

CODE, AUTHORIZER, SAM, TEMPLATE = "deployment.zip", "authorizer.zip", "sam.json", "template.json"
OF_THEIR_OWN: Mapping[str, str] = {"chalicelib.handlers.authorizer.authorizer": AUTHORIZER}
"""Handler → its zip. All others have CODE, which does without what reads tokens."""


@dataclass(frozen=True, slots=True)
class Artifacts:
    """What `make package` has written into `folder`."""

    folder: Path

    @property
    def template_path(self) -> Path:
        return self.folder / TEMPLATE

    @property
    def code_path(self) -> Path:
        return self.folder / CODE

    @property
    def template(self) -> dict[str, Any]:
        read: dict[str, Any] = json.loads(self.template_path.read_text())
        return read

    @property
    def stage(self) -> str:
        return str(self.template["Parameters"]["Stage"]["Default"])

    @property
    def code_key(self) -> str:
        return self.key_of(CODE)

    @property
    def zips(self) -> Mapping[str, Path]:
        """Name in the bucket → the zip."""
        return {self.key_of(name): self.folder / name for name in (CODE, *OF_THEIR_OWN.values())}

    def key_of(self, name: str) -> str:
        """The zip's name in the bucket, a digest of its contents, so that other code has another name."""
        return f"aftertab-{hashlib.sha256((self.folder / name).read_bytes()).hexdigest()[:20]}.zip"

    @property
    def template_key(self) -> str:
        return f"aftertab-{hashlib.sha256(self.template_path.read_bytes()).hexdigest()[:20]}.json"


def write_template(stage: str, folder: Path) -> Artifacts:
    """Make the deployed template from what Chalice has written into this folder and the zips beside it."""
    artifacts = Artifacts(folder)
    own_keys = {handler: artifacts.key_of(name) for handler, name in OF_THEIR_OWN.items()}
    made = native(json.loads((folder / SAM).read_text()), stage, artifacts.code_key, own_keys)
    artifacts.template_path.write_text(json.dumps(made, indent=1, ensure_ascii=False) + "\n")
    return artifacts
