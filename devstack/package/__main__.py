"""`make package`: the template and the zip of one stage, for the Python that runs this: the one that ran the tests."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from devstack.deploy import account
from devstack.deploy.artifacts import AUTHORIZER, CODE, write_template
from devstack.package import archive, compiled, contents
from devstack.words import catalogues

ROOT = Path(__file__).resolve().parents[2]
WORK = ROOT / ".devstack" / "package"
RUNTIME = f"python{sys.version_info.major}.{sys.version_info.minor}"
"""Chalice takes the runtime, and the wheels for it, from the Python that it runs on."""
ARCHITECTURES = ("arm64", "x86_64")
"""Of Lambda's processors. arm64 is the cheaper one, and all compiled packages have wheels for it."""
HERE = "arm64" if platform.machine() in ("aarch64", "arm64") else "x86_64"
ZIP_MAXIMUM_BYTES = 12_000_000
UNPACKED_MAXIMUM_BYTES = 45_000_000


class PackageBroken(Exception):
    """What came out is not what was promised; the text says what."""


def make(stage: str, out: Path, architecture: str = "arm64") -> str:
    """Write `template.json`, its zips, and what Chalice made of it (`sam.json`), into `out`; a line of figures.

    Raises PackageBroken.
    """
    if wrong := list(catalogues.problems()):
        raise PackageBroken("The words are not complete:\n" + "\n".join(wrong))
    project, tree, untouched = WORK / "project", WORK / "tree", WORK / "untouched"
    _copy_project(project, architecture)
    _chalice(project, stage, untouched)
    shutil.rmtree(tree, ignore_errors=True)
    archive.unpack(untouched / "deployment.zip", tree)
    contents.slim(tree)
    # In a process of its own with a fixed hash seed: the order within sets is part of what is compiled. Without the
    # columns of every expression, which tracebacks underline: they are a tenth of the zip.
    _alone("-X", "no_debug_ranges", "-m", "devstack.package.compiled", str(tree))
    parts = {name: WORK / name.removesuffix(".zip") for name in contents.BUNDLES}
    for name, folder in parts.items():
        contents.part(tree, name, folder)
    if architecture == HERE:
        # What was left out must not be missed: everything that a function loads sooner or later is loaded once.
        stripe = " ".join(contents.STRIPE_SERVICES), " ".join(sorted(contents.STRIPE_OBJECTS))
        _alone("-S", "-P", "-B", "-c", _SETTINGS + _LOAD, str(parts[CODE]), *stripe)
        _alone("-S", "-P", "-B", "-c", _SETTINGS + _LOAD_AUTHORIZER, str(parts[AUTHORIZER]))
    out.mkdir(parents=True, exist_ok=True)
    for name, folder in parts.items():
        archive.pack(folder, out / name)
    shutil.copyfile(untouched / "sam.json", out / "sam.json")
    write_template(stage, out)
    if changed := contents.changed(tree, untouched / "deployment.zip"):
        raise PackageBroken(f"Not as their packages have them: {', '.join(changed)}")
    return _check(tree, parts, out)


_SETTINGS = """
import importlib, os, pkgutil, sys
sys.path.insert(0, sys.argv[1])
os.environ |= {"AWS_DATA_PATH": sys.argv[1] + "/aws_models", "AWS_DEFAULT_REGION": "eu-west-1"}
os.environ |= {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AFTERTAB_TABLE": "t", "AFTERTAB_STAGE": "dev"}
"""
_LOAD_AUTHORIZER = """
from chalicelib.handlers import authorizer, bearers, keys
import jwt
from jwt.algorithms import RSAAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from chalicelib.usecases.links import admit
from chalicelib.bootstrap import get_deps
get_deps().links
key = rsa.generate_private_key(65537, 2048)
token = jwt.encode({"sub": "x"}, key, "RS256")
assert jwt.decode(token, RSAAlgorithm.from_jwk(RSAAlgorithm.to_jwk(key.public_key())), ["RS256"]) == {"sub": "x"}
"""
_LOAD = """
import app, chalicelib
for module in pkgutil.walk_packages(chalicelib.__path__, "chalicelib."):
    importlib.import_module(module.name)
from chalicelib.adapters.dynamodb.store import dynamodb_client
from chalicelib.adapters.stripe.calls import stripe_client
dynamodb_client()
stripe = stripe_client("sk_test_x").v1
for service in sys.argv[2].split():
    getattr(stripe, service)
stripe.checkout.sessions
from stripe._object_classes import get_object_class
for kind in sys.argv[3].split():
    get_object_class("V1", kind)
from datetime import datetime, timezone
from chalicelib.adapters.words.writer import Writer
from chalicelib.domain.contact import Language
from chalicelib.domain.news.message import Message, MessageKind, Recipient
from chalicelib.ports.words import Setting
values = {"amount_minor": 1250, "capture_before": "2026-03-05T12:00:00+00:00", "why": "no_card"}
hold_ends = Message(
    message_id="", kind=MessageKind.HOLD_ENDS, to=Recipient.CUSTOMER, merchant_id="", values=values,
    at=datetime.now(timezone.utc),
)
for language in Language:
    names = {"merchant": "Salon", "title": "Haircut"}
    Writer().write(hold_ends, Setting(language=language, time_zone="Europe/Berlin", currency="EUR", names=names))
"""


def _copy_project(project: Path, architecture: str) -> None:
    """The sources that are deployed, and one list of what is installed beside them; what was built before stays."""
    shutil.rmtree(project / "chalicelib", ignore_errors=True)
    shutil.copytree(ROOT / "chalicelib", project / "chalicelib", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copyfile(ROOT / "app.py", project / "app.py")
    (project / ".chalice").mkdir(exist_ok=True)
    for path in (ROOT / ".chalice").glob("*.json"):
        shutil.copyfile(path, project / ".chalice" / path.name)
    config = project / ".chalice" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"lambda_architecture": architecture}))
    (project / "requirements.txt").write_text(_requirements())


def _requirements() -> str:
    """The runtime lock and, with their hashes, the SDK's packages from the lock that the tests run on."""
    runtime, development = ((ROOT / name).read_text() for name in ("requirements.txt", "requirements-dev.txt"))
    locked = {entry.split("==")[0]: entry for entry in re.split(r"^(?=[a-z])", development, flags=re.MULTILINE)}
    return runtime + "".join(locked[name] for name in contents.AWS_SDK)


def _chalice(project: Path, stage: str, out: Path) -> None:
    shutil.rmtree(out, ignore_errors=True)
    command = [sys.executable, "-c", "from chalice.cli import main; main()", "package", "--stage", stage]
    command += ["--merge-template", ".chalice/resources.json", str(out)]
    # A template is for any region, but Chalice asks for one.
    environment = {"AWS_DEFAULT_REGION": "eu-west-1", **_steady()}
    built = project / ".chalice" / "deployments"
    for earlier in sorted(built.glob("*.zip"), key=lambda path: path.stat().st_mtime)[:-1]:
        earlier.unlink()
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
    if done.returncode or "Could not install dependencies" in done.stdout + done.stderr:
        raise PackageBroken(f"chalice package failed:\n{done.stdout}{done.stderr}")


def _alone(*arguments: str) -> None:
    """Run Python in a process of its own, which sees no more than it is told."""
    done = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env=_steady(), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise PackageBroken(done.stdout + done.stderr)


def _steady() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {"PYTHONHASHSEED": "0"}


def _check(tree: Path, parts: Mapping[str, Path], out: Path) -> str:
    template = json.loads((out / "sam.json").read_text())
    functions = [it["Properties"] for it in template["Resources"].values() if it["Type"] == "AWS::Serverless::Function"]
    if {function["Runtime"] for function in functions} != {RUNTIME}:
        raise PackageBroken(f"The template has functions that do not run on {RUNTIME}.")
    if missing := compiled.without_bytecode(tree):
        raise PackageBroken(f"Not compiled for {RUNTIME}: {', '.join(missing)}")
    zipped = {name: (out / name).read_bytes() for name in parts}
    unpacked = {name: archive.unpacked_bytes(folder) for name, folder in parts.items()}
    sizes = "; ".join(
        f"{name} {len(zipped[name]) / 1e6:.1f} MB of {ZIP_MAXIMUM_BYTES / 1e6:.0f}, unpacked "
        f"{unpacked[name] / 1e6:.1f} MB of {UNPACKED_MAXIMUM_BYTES / 1e6:.0f}, "
        f"sha256 {hashlib.sha256(zipped[name]).hexdigest()[:12]}"
        for name in parts
    )
    figures = (
        f"{out}: {len(functions)} functions on {RUNTIME}, {functions[0]['Architectures'][0]}, "
        f"every .py compiled; {sizes}"
    )
    if max(map(len, zipped.values())) > ZIP_MAXIMUM_BYTES or max(unpacked.values()) > UNPACKED_MAXIMUM_BYTES:
        raise PackageBroken(f"Too large. {figures}")
    return figures


def main() -> int:
    parser = argparse.ArgumentParser(prog="make package", description=__doc__)
    parser.add_argument("--stage", default="dev", type=account.stage)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--arch", choices=(*ARCHITECTURES, "here"), default="arm64", help="here: as this machine")
    options = parser.parse_args()
    try:
        print(make(options.stage, options.out, HERE if options.arch == "here" else options.arch))
    except PackageBroken as broken:
        print(broken, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
