"""What of the installed packages goes into the bundle: everything but what no function of ours ever loads.

Who adds an AWS call or a library finds here what keeps it out; tests/package tells where one of the two was forgotten.
"""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

AWS_CALLS: Mapping[str, frozenset[str]] = {
    "dynamodb": frozenset({"BatchGetItem", "GetItem", "PutItem", "Query", "TransactWriteItems"}),
    "ssm": frozenset({"GetParameter"}),
}
"""Every AWS service that is called, and its operations. Of botocore's 27 MB of descriptions, these are bundled."""

AWS_SDK = ("botocore", "jmespath", "python-dateutil", "six")
"""Bundled although Lambda has an SDK: so the version that was tested is the one that runs, compiled, and it need not
look through the descriptions of 400 services. boto3 itself adds nothing to a client but its import."""

LEFT_OUT: Mapping[str, str] = {
    "requests": "Stripe is called through our own transport",
    "charset_normalizer": "only requests uses it",
    "idna": "only requests uses it, and urllib3 for host names that are not ASCII",
    "certifi": "botocore and stripe bring their own certificates",
    "pycparser": "cffi compiles with it, which has been done",
    "cffi": "the same; what cryptography loads is _cffi_backend, beside it",
    "bin": "commands",
    "stripe/params": "types, for the type checker only",
    "stripe/events": "classes of v2 events, which we do not subscribe to",
    "botocore/docs": "writes docstrings; a stand-in takes its place, see STAND_INS",
    "dateutil/zoneinfo": "a copy of the time-zone database; tzdata is ours",
    "jwt/help.py": "for bug reports",
    "*.dist-info": "metadata, which nothing of ours asks for",
    "**/*.pyi": "types, for the type checker only",
    "**/py.typed": "types, for the type checker only",
    "**/*.c": "sources of what is compiled",
    "**/*.h": "sources of what is compiled",
    "botocore/data/**/examples-1.json": "for docstrings",
    "botocore/data/**/waiters-2.json": "we wait for nothing",
    "**/__pycache__": "compiled anew, for the runtime",
}
"""Path or pattern → why nothing of ours loads it. What is left is what the wheels hold, unchanged, but for botocore's
descriptions."""

STAND_INS: Mapping[str, str] = {
    "urllib3/http2/__init__.py": '"""In place of what asks which version of h2 is installed: none is."""\n',
    "botocore/docs/__init__.py": '"""In place of what writes the docstrings of clients: nobody reads them here."""\n',
    "botocore/docs/docstring.py": '''"""In place of docstrings that are written when somebody looks at them."""


class ClientMethodDocstring(str):
    def __new__(cls, *args, **kwargs):
        return super().__new__(cls)


PaginatorDocstring = WaiterDocstring = ClientMethodDocstring
''',
    "botocore/docs/utils.py": '''"""In place of what changes docstrings; botocore.handlers makes some at import."""


class AppendParamDocumentation:
    def __init__(self, *args, **kwargs):
        pass

    def __getattr__(self, name):
        return self._nothing

    def _nothing(self, *args, **kwargs):
        pass


AutoPopulatedParam = DocumentModifiedShape = HideParamFromOperations = AppendParamDocumentation
''',
    "stripe/_object_classes.py": '''"""In place of a class for each kind of object, 5,000 lines for a payment alone.

They are for type checkers: what is read here is dictionaries, and the class that all are made of gives the same."""
from stripe._stripe_object import StripeObject


def get_object_class(api_mode, object_name):
    return StripeObject
''',
    "stripe/_event_notification_handler.py": '''"""In place of what handles v2 events, which we do not subscribe to."""


class _Handler:
    pass


StripeEventNotificationHandler = StripeEventNotificationHandlerWithoutVerification = _Handler
AsyncStripeEventNotificationHandler = AsyncStripeEventNotificationHandlerWithoutVerification = _Handler
FallbackCallback = AsyncFallbackCallback = _Handler
''',
}
"""Path → what is there instead. Names of the libraries' own insides: tests/package tells when one of them has moved."""


def slim(tree: Path) -> None:
    """Take out of an unpacked bundle what is never loaded."""
    for pattern in LEFT_OUT:
        for path in sorted(tree.glob(pattern), reverse=True):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    for name, text in STAND_INS.items():
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    _slim_descriptions(tree / "botocore" / "data")


def _slim_descriptions(data: Path) -> None:
    """Keep of botocore's descriptions the services and operations we call, without their texts."""
    for directory in sorted(path for path in data.iterdir() if path.is_dir()):
        if directory.name not in AWS_CALLS:
            shutil.rmtree(directory)
            continue
        *outdated, newest = sorted(directory.iterdir())
        for version in outdated:
            shutil.rmtree(version)
        for path in newest.glob("*.json.gz"):
            described = json.loads(gzip.decompress(path.read_bytes()))
            if path.name == "service-2.json.gz":
                described = _only(AWS_CALLS[directory.name], _without_texts(described))
            # Not compressed: there is little of it, the zip is, and at a cold start unpacking is work, too.
            path.with_suffix("").write_text(_json(described))
            path.unlink()
    endpoints = data / "endpoints.json"
    everywhere = json.loads(endpoints.read_text())
    for partition in everywhere["partitions"]:
        partition["services"] = {name: of for name, of in partition["services"].items() if name in AWS_CALLS}
    endpoints.write_text(_json(everywhere))


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
