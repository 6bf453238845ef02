"""What the bundle loads only when it is called for: not before, and then all of it, as botocore has it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore
import pytest

from devstack.package import contents, deferred
from tests.contract.http_kit import Server, serving

ROOT = Path(__file__).resolve().parents[2]
INSTALLED = Path(botocore.__file__).parents[1]
KEYS = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "y"}
CLIENT = """
from chalicelib.adapters import aws
client = aws.client("{service}", endpoint_url="{url}", region="eu-west-1")
"""
GET = 'answer = client.get_item(TableName="t", Key={"pk": {"S": "a"}})["Item"]'
LATE = '[name for name in sys.modules if name.startswith(("urllib3.conn", "jmespath.", "six")) or "_whole" in name]'


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """AWS's SDK as the bundle has it, with the descriptions of what we call."""
    root = tmp_path_factory.mktemp("tree")
    for name in ("dateutil", "jmespath", "urllib3"):
        shutil.copytree(INSTALLED / name, root / name)
    shutil.copyfile(INSTALLED / "six.py", root / "six.py")
    shutil.copytree(INSTALLED / "botocore", root / "botocore", ignore=shutil.ignore_patterns("data"))
    for name in contents.AWS_CALLS:
        shutil.copytree(INSTALLED / "botocore" / "data" / name, root / "botocore" / "data" / name)
    for path in (INSTALLED / "botocore" / "data").glob("*.json"):
        shutil.copyfile(path, root / "botocore" / "data" / path.name)
    contents.slim(root)
    deferred.defer(root)
    return root


@pytest.fixture
def server() -> Iterator[tuple[Server, str]]:
    with serving() as (server, url):
        server.answer = b'{"Item":{"pk":{"S":"a"}}}'
        yield server, url


def run(tree: Path, code: str, answer: str, **settings: str) -> Any:
    """What `answer` comes to after the code, in a process that sees only the tree and our sources."""
    clean = {name: value for name, value in os.environ.items() if "PROXY" not in name.upper() and "AWS" not in name}
    done = subprocess.run(
        [sys.executable, "-S", "-P", "-c", f"import json, sys\n{code}\nprint(json.dumps({answer}))"],
        env={**clean, "PYTHONPATH": f"{tree}:{ROOT}", "AWS_EC2_METADATA_DISABLED": "true", **settings},
        cwd=tree,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_an_ordinary_call_loads_nothing_of_it(tree: Path, server: tuple[Server, str]) -> None:
    """From the start to DynamoDB's answer, none of it is called for."""
    code = CLIENT.format(service="dynamodb", url=server[1]) + GET

    assert run(tree, code, f"[answer, {LATE}]", **KEYS) == [{"pk": {"S": "a"}}, []]


def test_a_proxy_is_gone_through(tree: Path, server: tuple[Server, str]) -> None:
    """By urllib3, which is there when a connection is wanted."""
    code = CLIENT.format(service="dynamodb", url="http://dynamodb.example") + GET

    answer, late = run(tree, code, f"[answer, {LATE}]", HTTP_PROXY=server[1], **KEYS)

    assert answer == {"pk": {"S": "a"}}
    assert server[0].heard[0][1] == "http://dynamodb.example/"
    assert "urllib3.connectionpool" in late


def test_credentials_come_from_where_lambda_may_keep_them(tree: Path, server: tuple[Server, str]) -> None:
    """Over HTTP, with the date on which they expire: urllib3 and dateutil, in one."""
    server[0].answer = json.dumps(
        {"AccessKeyId": "a", "SecretAccessKey": "b", "Token": "c", "Expiration": "2099-01-01T00:00:00Z"}
    ).encode()
    code = CLIENT.format(service="dynamodb", url=server[1])
    code += "found = client._request_signer._credentials\nkeys = found.get_frozen_credentials()"
    answer = "[keys.access_key, keys.secret_key, keys.token, str(found._expiry_time)]"

    found = run(tree, code, answer, AWS_CONTAINER_CREDENTIALS_FULL_URI=f"{server[1]}/credentials")

    assert found == ["a", "b", "c", "2099-01-01 00:00:00+00:00"]
    assert server[0].heard[0][1] == "/credentials"


def test_dates_in_answers_are_read(tree: Path, server: tuple[Server, str]) -> None:
    """Parameter Store says when a secret was changed."""
    server[0].answer = b'{"Parameter":{"Value":"v","LastModifiedDate":1767225600.5}}'
    code = CLIENT.format(service="ssm", url=server[1])
    code += 'found = client.get_parameter(Name="n")["Parameter"]'

    found = run(tree, code, '[found["Value"], str(found["LastModifiedDate"].timestamp())]', **KEYS)

    assert found == ["v", "1767225600.5"]


def test_what_is_asked_of_a_package_is_there(tree: Path) -> None:
    """A function of it, a class, a module in it; what it has not is an error as ever."""
    code = """
import dateutil.parser, dateutil.tz, jmespath, urllib3
from botocore import awsrequest, httpsession
from urllib3 import PoolManager, exceptions
try:
    from urllib3 import nothing_of_it
except ImportError as error:
    missing = str(error)
"""
    answer = """[
        jmespath.search("a[0].b", {"a": [{"b": 1}]}),
        str(dateutil.parser.parse("2026-01-01T00:00:00Z")),
        issubclass(dateutil.parser.ParserError, ValueError),
        dateutil.tz.UTC is dateutil.tz.tzutc(),
        PoolManager.__module__,
        exceptions.__name__,
        awsrequest.AWSHTTPSConnectionPool.__mro__[1].__module__,
        httpsession.get_cert_path("x"),
        "nothing_of_it" in missing,
    ]"""

    assert run(tree, code, answer) == [
        1,
        "2026-01-01 00:00:00+00:00",
        True,
        True,
        "urllib3.poolmanager",
        "urllib3.exceptions",
        "urllib3.connectionpool",
        "x",
        True,
    ]


def test_a_botocore_that_looks_otherwise_is_not_cut() -> None:
    """The packaging stops where the module has changed."""
    text = (INSTALLED / "botocore" / "awsrequest.py").read_text()

    for gone in ("import urllib3.util\n", "class AWSHTTPResponse(", "def prepare_request_dict("):
        with pytest.raises(ValueError, match="unpack"):
            deferred._without_connections(text.replace(gone, ""))
