"""What of the installed packages goes into the bundle: everything but what no function of ours ever loads.

Who adds an AWS call or a library finds here what keeps it out; tests/package tells where one of the two was forgotten.
"""

from __future__ import annotations

import gzip
import json
import shutil
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

AWS_CALLS: Mapping[str, frozenset[str]] = {
    "dynamodb": frozenset({"BatchGetItem", "GetItem", "PutItem", "Query", "TransactWriteItems"}),
    "sqs": frozenset({"SendMessageBatch"}),
    "ssm": frozenset({"GetParameter"}),
}
"""Every AWS service that is called, and its operations. The descriptions of all other services are left out."""

AWS_SDK = ("boto3", "botocore", "jmespath", "python-dateutil", "s3transfer", "six")
"""Bundled although Lambda has an SDK: so the version that was tested is the one that runs, and it is compiled."""

AWS_MODELS = "aws_models"
"""The folder of the bundle with short descriptions of what we call. `AWS_DATA_PATH` names it in `.chalice/config.json`:
botocore looks there first. Its own descriptions of services are left out, all 400."""

STRIPE_PRODUCTS = (
    "apps",
    "billing",
    "billing_portal",
    "climate",
    "entitlements",
    "financial_connections",
    "forwarding",
    "identity",
    "issuing",
    "product_catalog",
    "reporting",
    "reserve",
    "sigma",
    "tax",
    "terminal",
    "test_helpers",
    "three_d_secure",
    "treasury",
    "v2/billing",
    "v2/commerce",
    "v2/core/_account*",
    "v2/core/accounts",
    "v2/core/vault",
    "v2/money_management",
    "v2/test_helpers",
)
"""Folders of the SDK, a product each. It loads a class when an answer has an object of it (stripe/_object_classes.py),
and what we ask for has none of these: the events that we list are of the kinds that we name."""

STRIPE_OBJECTS = (
    "account_capability",
    "account_external",
    "account_link",
    "account_login",
    "account_person",
    "account_session",
    "apple_pay_domain",
    "application_fee",
    "balance_settings",
    "bank_account",
    "capability",
    "cash_balance",
    "confirmation_token",
    "connect_collection_transfer",
    "country_spec",
    "coupon",
    "credit_note",
    "customer_balance",
    "customer_cash",
    "customer_funding",
    "customer_payment_source",
    "customer_session",
    "customer_tax",
    "ephemeral_key",
    "exchange_rate",
    "file_link",
    "funding_instructions",
    "invoice",
    "login_link",
    "payment_attempt_record",
    "payment_link",
    "payment_method_configuration",
    "payment_method_domain",
    "payment_record",
    "plan",
    "price",
    "product",
    "promotion_code",
    "quote",
    "reserve_transaction",
    "review",
    "shipping_rate",
    "source",
    "subscription",
    "tax",
    "token",
    "topup",
    "transfer",
    "webhook_endpoint",
)
"""Objects of Stripe Billing and the like: modules of the SDK that begin with the name. What we ask for has none."""

CATALOGUES = "chalicelib/locale"
"""Where our words are, a folder a language."""

LEFT_OUT: Mapping[str, str] = {
    "requests": "Stripe is called through our own transport",
    "charset_normalizer": "only requests uses it",
    "certifi": "botocore and stripe bring their own certificates",
    "pycparser": "cffi compiles with it, which has been done",
    "cffi": "the same; what cryptography loads is _cffi_backend, beside it",
    "bin": "commands",
    "boto3/data": "descriptions for boto3.resource, which we do not use",
    "boto3/examples": "for docstrings",
    "boto3/ec2": "boto3 loads it with a client of EC2, which we have none of",
    "boto3/s3": "the same of S3",
    "urllib3/contrib/emscripten": "for Python in a browser",
    "urllib3/contrib/socks.py": "for proxies of a kind that needs another package",
    "stripe/params": "types, for the type checker only",
    "stripe/events": "classes of v2 events, which we do not subscribe to",
    "s3transfer/crt.py": "transfers by awscrt, which is not installed",
    "s3transfer/processpool.py": "transfers by several processes",
    **{f"stripe/{name}": "loaded with an object of a product that we do not use" for name in STRIPE_PRODUCTS},
    **{f"stripe/_{name}[_.]*": "the same of an object" for name in STRIPE_OBJECTS},
    "dateutil/zoneinfo": "a copy of the time-zone database; tzdata is ours",
    "dateutil/rrule.py": "repeating dates; botocore reads single ones",
    "jwt/help.py": "for bug reports",
    "dns": "email-validator asks name servers with it, which we don't",
    "babel/messages": "makes and compiles catalogues, which packaging has done",
    "babel/support.py": "lazy texts and Babel's own catalogues; ours are the standard library's",
    "phonenumbers/geodata": "names of places, 40 MB",
    "phonenumbers/carrierdata": "names of carriers",
    "phonenumbers/shortdata/region_*.py": "emergency numbers and the like, a file a country",
    "*.dist-info": "metadata, which nothing of ours asks for",
    "**/*.pyi": "types, for the type checker only",
    "**/py.typed": "types, for the type checker only",
    "**/*.c": "sources of what is compiled",
    "**/*.h": "sources of what is compiled",
    "**/__pycache__": "compiled anew, for the runtime",
}
"""Path or pattern → why nothing of ours loads it. What is left is what the wheels hold, unchanged."""


def slim(tree: Path) -> None:
    """Take out of an unpacked bundle what is never loaded, and put the short descriptions of AWS's services into it."""
    for pattern in LEFT_OUT:
        for path in sorted(tree.glob(pattern), reverse=True):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    _leave_out_other_languages(tree)
    data = tree / "botocore" / "data"
    _describe(data, tree / AWS_MODELS)
    for directory in sorted(path for path in data.iterdir() if path.is_dir()):
        shutil.rmtree(directory)


def _leave_out_other_languages(tree: Path) -> None:
    """Of CLDR's languages, 33 MB, keep those that we have words in, and what all of them inherit from."""
    kept = {"root", *(path.name for path in (tree / CATALOGUES).glob("*"))}
    for path in (tree / "babel" / "locale-data").glob("*"):
        if path.stem not in kept:
            path.unlink()


def changed(tree: Path, untouched: Path) -> list[str]:
    """The files of the tree that are not as Chalice has packed them. There must be none: libraries are as they come."""
    with zipfile.ZipFile(untouched) as packed:
        as_packed = {entry.filename: entry.CRC for entry in packed.infolist()}
    names = {path.relative_to(tree).as_posix(): path for path in tree.rglob("*") if path.is_file()}
    return [
        name
        for name, path in sorted(names.items())
        if path.suffix != ".pyc"
        and not name.startswith(f"{AWS_MODELS}/")
        and as_packed.get(name) != zlib.crc32(path.read_bytes())
    ]


def _describe(data: Path, models: Path) -> None:
    """Write descriptions of the services and operations we call, without their texts.

    Not compressed, as botocore's own are: there is little of it, and at a cold start unpacking is work, too.
    """
    for service, operations in AWS_CALLS.items():
        newest = sorted((data / service).iterdir())[-1]
        target = models / service / newest.name
        target.mkdir(parents=True)
        for name in ("service-2", "endpoint-rule-set-1"):
            described = json.loads(gzip.decompress((newest / f"{name}.json.gz").read_bytes()))
            if name == "service-2":
                described = _only(operations, _without_texts(described))
            (target / f"{name}.json").write_text(_json(described))
    everywhere = json.loads((data / "endpoints.json").read_text())
    for partition in everywhere["partitions"]:
        partition["services"] = {name: of for name, of in partition["services"].items() if name in AWS_CALLS}
    (models / "endpoints.json").write_text(_json(everywhere))


def _only(operations: frozenset[str], service: dict[str, Any]) -> dict[str, Any]:
    """The service with these operations, and the shapes that they need. Raises KeyError for one it does not have."""
    kept = {name: service["operations"][name] for name in sorted(operations)}
    shapes: dict[str, Any] = {}
    wanted = [reference["shape"] for operation in kept.values() for reference in _references(operation)]
    while wanted:
        name = wanted.pop()
        if name not in shapes:
            shapes[name] = service["shapes"][name]
            wanted += [reference["shape"] for reference in _references(shapes[name])]
    return {**service, "operations": kept, "shapes": dict(sorted(shapes.items()))}


def _references(node: Any) -> Iterator[dict[str, Any]]:
    """Every `{"shape": …}` in a description."""
    if isinstance(node, dict):
        if isinstance(node.get("shape"), str):
            yield node
        for value in node.values():
            yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)


def _without_texts(node: Any) -> Any:
    """`documentation` is a text, except where it is a shape's or a member's name."""
    if isinstance(node, dict):
        return {
            name: _without_texts(value)
            for name, value in node.items()
            if not (name == "documentation" and isinstance(value, str))
        }
    return [_without_texts(value) for value in node] if isinstance(node, list) else node


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
