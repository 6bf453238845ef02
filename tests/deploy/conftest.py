"""Fixtures: the template that `chalice package` writes, without the slow zip."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from chalice.cli.factory import CLIFactory
from chalice.deploy.packager import LambdaDeploymentPackager

from devstack.deploy.template import native

ROOT = Path(__file__).resolve().parents[2]
CODE_KEY = "aftertab-test.zip"


def sam(stage: str, folder: Path) -> dict[str, Any]:
    """The template as Chalice makes it of app.py, config.json and resources.json."""
    code = folder / "code.zip"
    code.touch()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
        patch.setattr(LambdaDeploymentPackager, "create_deployment_package", lambda *args, **kwargs: str(code))
        # A copy: Chalice puts the settings of the stage into what it is given.
        factory = CLIFactory(str(ROOT), environ=dict(os.environ))
        config = factory.create_config_obj(chalice_stage_name=stage)
        options = factory.create_package_options()
        merged = str(ROOT / ".chalice" / "resources.json")
        factory.create_app_packager(config, options, "cloudformation", "json", merged).package_app(
            config, str(folder / "out"), stage
        )
    made: dict[str, Any] = json.loads((folder / "out" / "sam.json").read_text())
    return made


@pytest.fixture(scope="session")
def sams(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Stage → the template as Chalice makes it."""
    return {stage: sam(stage, tmp_path_factory.mktemp(stage)) for stage in ("dev", "prod")}


@pytest.fixture(scope="session")
def templates(sams: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Stage → the template as it is deployed."""
    return {stage: native(made, stage, CODE_KEY) for stage, made in sams.items()}
