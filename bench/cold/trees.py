"""What is started: our package, as it is and compiled in place, and the peers, compiled, a folder for each."""

from __future__ import annotations

import compileall
import inspect
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import chalice
import chalice.app

from devstack.package import archive

BASE_APP = """
import boto3
from chalice import Chalice

app = Chalice(app_name="hello")
client = boto3.client("dynamodb")


@app.route("/")
def hello():
    return {"hello": "world"}
"""
FLOOR_APP = """
from chalicelib import cold_start
import boto3
from chalice.app import Chalice

from chalicelib.adapters.aws import client as aws

app = Chalice(app_name="floor", configure_logs=False)
client = boto3.client("dynamodb", config=aws.config())


@app.route("/v1/tabs/{tab_id}")
def get_tab(tab_id):
    merchant_id = app.current_request.context["authorizer"]["merchant_id"]
    key = {"pk": {"S": f"TAB#{merchant_id}#{tab_id}"}, "sk": {"S": "STATE"}}
    return client.get_item(TableName="aftertab-bench", Key=key, ConsistentRead=True)["Item"]


cold_start.ready(__name__)
"""
"""The least that reads a tab by our rules: Chalice, boto3's client as ours is made, one GetItem, nothing of the app."""
FASTAPI_APP = """
from fastapi import FastAPI
from mangum import Mangum

api = FastAPI()


@api.get("/")
def hello():
    return {"hello": "world"}


app = Mangum(api, lifespan="off")
"""

_COPY_DISTRIBUTIONS = """
import shutil, sys
from importlib.metadata import distribution
from pathlib import Path
from packaging.requirements import Requirement

target, *names = sys.argv[1:]
done = set()
while names:
    found = distribution(names.pop())
    if found.name.lower() in done:
        continue
    done.add(found.name.lower())
    for text in found.requires or ():
        needed = Requirement(text)
        if needed.marker is None or needed.marker.evaluate({"extra": ""}):
            names.append(needed.name)
    for path in found.files:
        if ".." not in path.parts and path.suffix != ".pyc":
            copy = Path(target, path)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path.locate(), copy)
"""


@dataclass(frozen=True, slots=True)
class Trees:
    """Where imports come from, each as sys.path takes it."""

    base: str
    floor: str
    fastapi: str
    ours: str
    compiled: str


def build(work: Path, package: Path, peers_python: Path) -> Trees:
    """`package`: our zip. `peers_python`: has the peers installed."""
    shutil.rmtree(work, ignore_errors=True)
    for name, source in (("ours", package), ("compiled", package)):
        archive.unpack(source, work / name)
    for cache in sorted((work / "compiled").rglob("__pycache__")):
        shutil.rmtree(cache)
    _app(work / "base", BASE_APP)
    # As Chalice packages its runtime: two files of it.
    (work / "base" / "chalice").mkdir()
    for module in (chalice, chalice.app):
        shutil.copy(inspect.getfile(module), work / "base" / "chalice")
    _install(peers_python, work / "sdk", "boto3")
    _app(work / "floor", FLOOR_APP)
    _app(work / "fastapi", FASTAPI_APP)
    _install(peers_python, work / "fastapi", "fastapi", "mangum")
    for name in ("compiled", "base", "sdk", "floor", "fastapi"):
        compileall.compile_dir(work / name, quiet=2)
    return Trees(
        base=f"{work / 'base'}:{work / 'sdk'}",
        floor=f"{work / 'floor'}:{work / 'ours'}",
        fastapi=str(work / "fastapi"),
        ours=str(work / "ours"),
        compiled=str(work / "compiled"),
    )


def _app(folder: Path, source: str) -> None:
    folder.mkdir(parents=True)
    (folder / "app.py").write_text(source)


def _install(python: Path, target: Path, *names: str) -> None:
    """Copy distributions, and all that they require, out of an environment."""
    subprocess.run([python, "-c", _COPY_DISTRIBUTIONS, target, *names], check=True)
