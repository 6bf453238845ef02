"""What of the installed packages goes into the bundle: everything but what no function of ours ever loads.

What a new AWS call or library needs must not be left out here; tests/package fails where that was forgotten.
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

from stripe._object_classes import OBJECT_CLASSES, V2_OBJECT_CLASSES

from devstack.deploy.artifacts import AUTHORIZER, CODE
from devstack.package.compiled import TEMPLATES_COMPILED

AWS_CALLS: Mapping[str, frozenset[str]] = {
    "dynamodb": frozenset({"BatchGetItem", "GetItem", "PutItem", "Query", "TransactWriteItems", "UpdateItem"}),
    "sesv2": frozenset({"SendEmail"}),
    "sns": frozenset({"CheckIfPhoneNumberIsOptedOut", "Publish"}),
    "sqs": frozenset({"SendMessageBatch"}),
    "ssm": frozenset({"GetParameter"}),
}
"""Every AWS service that is called, and its operations. The descriptions of all other services are left out."""

AWS_SDK = ("boto3", "botocore", "jmespath", "python-dateutil", "s3transfer", "six")
"""Bundled although Lambda has an SDK: so the version that was tested is the one that runs, and it is compiled."""

AWS_MODELS = "aws_models"
"""The folder of the bundle with short descriptions of what we call. `AWS_DATA_PATH` names it in `.chalice/config.json`:
botocore looks there first. Its own descriptions of services are left out, all 400."""

DEFAULTS = "sdk-default-configuration"
"""botocore's modes of default settings, of which it looks up the one that is in force."""

STRIPE_SERVICES: Mapping[str, str] = {
    "accounts": "account",
    "charges": "charge",
    "checkout": "checkout.session",
    "customer_sessions": "customer_session",
    "customers": "customer",
    "disputes": "dispute",
    "events": "event",
    "payment_intents": "payment_intent",
    "payment_methods": "payment_method",
    "refunds": "refund",
    "setup_intents": "setup_intent",
}
"""Every part of `client.v1` that is called, and the kind of object that it answers with. The SDK imports a part when
it is first used; the other parts are left out."""

STRIPE_EVENT_OBJECTS = frozenset({"application", "radar.early_fraud_warning"})
"""The kinds of objects that only an event has: of a connected account, and of a suspicion."""

STRIPE_OBJECTS = (
    frozenset(STRIPE_SERVICES.values())
    | STRIPE_EVENT_OBJECTS
    | frozenset(
        {
            "balance_transaction",
            "bank_account",
            "card",
            "cash_balance",
            "discount",
            "item",
            "list",
            "payment_intent_amount_details_line_item",
            "person",
            "plan",
            "price",
            "source",
            "subscription",
            "subscription_item",
            "tax_id",
            "tax_rate",
        }
    )
)
"""Every kind of object that can be in an answer to us, within others too. The SDK imports the class of an object when
an answer has one (stripe/_object_classes.py), so the classes of all other kinds are left out. tests/package works out
this set from the SDK's own types: from what we call, through everything that is not an id unless it is expanded."""

_STRIPE_ITSELF = frozenset(
    {
        "stripe._checkout_service",
        "stripe._oauth_service",
        "stripe._search_result_object",
        "stripe._stripe_service",
        "stripe.v2._list_object",
        "stripe.v2._search_result_object",
        "stripe.v2.core._event",
    }
)
"""What the client imports at once, or what leads to a service."""

CATALOGUES = "chalicelib/locale"
"""Where our words are, a folder a language."""

LEFT_OUT: Mapping[str, str] = {
    "requests": "Stripe is called through our own transport",
    "charset_normalizer": "only requests uses it",
    "pycparser": "cffi compiles with it, which has been done",
    "cffi": "the same; what cryptography loads is _cffi_backend, beside it",
    "bin": "commands",
    "boto3/data": "descriptions for boto3.resource, which we do not use",
    "boto3/examples": "for docstrings",
    "boto3/ec2": "boto3 loads it with a client of EC2, which we have none of",
    "boto3/s3": "the same of S3",
    "boto3/dynamodb": "the same with boto3.resource",
    "boto3/crt.py": "boto3/s3 uses it",
    "botocore/crt/auth.py": "signatures by awscrt, which is not installed",
    "botocore/stub.py": "for tests",
    "botocore/cacert.pem": "botocore takes certifi's, where that is installed",
    **{f"botocore/data/{name}.json": "aws_models has a short one" for name in ("endpoints", "partitions", DEFAULTS)},
    "urllib3/contrib/emscripten": "for Python in a browser",
    "urllib3/contrib/pyopenssl.py": "for pyOpenSSL, which is not installed; botocore does without it",
    "urllib3/http2/connection.py": "HTTP/2 is off unless h2 is installed and asked for",
    "urllib3/contrib/socks.py": "for proxies of a kind that needs another package",
    "stripe/params": "types, for the type checker only",
    "stripe/events": "classes of v2 events, which we do not subscribe to",
    "s3transfer/crt.py": "transfers by awscrt, which is not installed",
    "s3transfer/processpool.py": "transfers by several processes",
    "dateutil/zoneinfo": "a copy of the time-zone database; tzdata is ours",
    "dateutil/rrule.py": "repetitions; dateutil loads it for calendar files",
    "dateutil/easter.py": "rrule uses it",
    "dateutil/tz/win.py": "for Windows; dateutil does without it elsewhere",
    "dateutil/tzwin.py": "the same",
    "tzdata/zoneinfo/*.tab": "lists for people to choose from; zones are found by name",
    "tzdata/zoneinfo/tzdata.zi": "the source of the zones",
    "cryptography/fernet.py": "encryption; we only check the signatures of tokens",
    "cryptography/hazmat/asn1": "the same",
    "cryptography/hazmat/primitives/twofactor": "the same",
    "cryptography/hazmat/primitives/serialization/pkcs*.py": "files of keys with a password",
    "idna/cli.py": "a command",
    "jwt/help.py": "for bug reports",
    "dns": "email-validator asks name servers with it, which we don't",
    f"{CATALOGUES}/**/*.po": "what is compiled into the .mo beside it",
    "babel/messages": "makes and compiles catalogues, which packaging has done",
    "babel/support.py": "lazy texts and Babel's own catalogues; ours are the standard library's",
    "segno/cli.py": "a command",
    "segno/helpers.py": "codes for contacts, networks and transfers; ours say an address",
    **{
        f"babel/{name}.py": "we format no lists, units or names of languages"
        for name in ("languages", "lists", "units")
    },
    "babel/util.py": "babel/messages uses it",
    **{f"jinja2/{name}.py": "no template of ours asks for it" for name in ("constants", "nativetypes", "sandbox")},
    "phonenumbers/geodata": "names of places, 40 MB",
    "phonenumbers/carrierdata": "names of carriers",
    "phonenumbers/geocoder.py": "reads the names of places",
    "phonenumbers/carrier.py": "reads the names of carriers",
    "phonenumbers/shortdata/region_*.py": "emergency numbers and the like, a file a country",
    "*.data": "commands",
    "*.dist-info": "metadata, which nothing of ours asks for",
    "**/*.pyi": "types, for the type checker only",
    "**/py.typed": "types, for the type checker only",
    "**/*.c": "sources of what is compiled",
    "**/*.h": "sources of what is compiled",
    "**/__pycache__": "compiled anew, for the runtime",
}
"""Path or pattern → why nothing of ours loads it. What is left is what the wheels hold, unchanged."""


BUNDLES: Mapping[str, Mapping[str, str]] = {
    CODE: {
        "cryptography": "checks the signatures of tokens, which the authorizer alone does; two fifths of everything",
        "_cffi_backend*": "cryptography loads it",
        "jwt": "reads tokens",
    },
    AUTHORIZER: {
        "babel": "amounts and days in messages",
        "jinja2": "templates of messages",
        "markupsafe": "jinja2 uses it",
        "segno": "draws codes",
        "stripe": "moves money",
        "phonenumbers": "checks contacts",
        "email_validator": "the same",
        "idna": "email_validator uses it",
        CATALOGUES: "words of messages",
        "chalicelib/documentation": "pages of /docs",
    },
}
"""Zip → what of the whole its functions never load, and what that does for others."""


def part(tree: Path, name: str, target: Path) -> None:
    """Copy what belongs into this zip of the whole tree."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(tree, target)
    for pattern in BUNDLES[name]:
        for path in sorted(target.glob(pattern), reverse=True):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def slim(tree: Path) -> None:
    """Take out of an unpacked bundle what is never loaded, and put the short descriptions of AWS's services into it."""
    data = tree / "botocore" / "data"
    describe_aws(data, tree / AWS_MODELS)
    for directory in sorted(path for path in data.iterdir() if path.is_dir()):
        shutil.rmtree(directory)
    for pattern in LEFT_OUT:
        for path in sorted(tree.glob(pattern), reverse=True):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    _keep_what_is_called(tree / "stripe")
    _leave_out_other_languages(tree)


def _keep_what_is_called(stripe: Path) -> None:
    """Take out of the Stripe SDK the services that are not called, and the classes of objects that no answer has."""
    # The SDK names a service after its object: stripe/_refund.py, stripe/_refund_service.py.
    services = {f"{OBJECT_CLASSES[kind][0]}_service" for kind in STRIPE_SERVICES.values()}
    kept = _STRIPE_ITSELF | services | {OBJECT_CLASSES[kind][0] for kind in STRIPE_OBJECTS}
    objects = {module for module, _ in (*OBJECT_CLASSES.values(), *V2_OBJECT_CLASSES.values())}
    for path in sorted(stripe.rglob("*.py")):
        module = ".".join(path.relative_to(stripe.parent).with_suffix("").parts)
        if module not in kept and (module in objects or path.name.endswith("_service.py")):
            path.unlink()
    for folder in sorted((path for path in stripe.rglob("*") if path.is_dir()), reverse=True):
        # `__init__.py` alone only names what is gone.
        if {path.name for path in folder.iterdir()} <= {"__init__.py"}:
            shutil.rmtree(folder)


def _leave_out_other_languages(tree: Path) -> None:
    """Of CLDR's languages, 33 MB, keep those that we have words in, and what all of them inherit from."""
    # English needs no catalogue: templates are written in it.
    kept = {"root", "en", *(path.name for path in (tree / CATALOGUES).glob("*"))}
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
        and not name.startswith((f"{AWS_MODELS}/", f"{TEMPLATES_COMPILED}/"))
        and as_packed.get(name) != zlib.crc32(path.read_bytes())
    ]


def describe_aws(data: Path, models: Path) -> None:
    """Write descriptions of the services and operations we call, without their texts. `data`: botocore's own.

    Not compressed, as botocore's own are: there is little of it, and at a cold start unpacking is work, too.
    """
    for service, operations in AWS_CALLS.items():
        newest = sorted((data / service).iterdir())[-1]
        target = models / service / newest.name
        target.mkdir(parents=True)
        called, rules = (
            _without_texts(json.loads(gzip.decompress((newest / f"{name}.json.gz").read_bytes())))
            for name in ("service-2", "endpoint-rule-set-1")
        )
        called = _only(operations, called)
        (target / "service-2.json").write_text(_json(called))
        (target / "endpoint-rule-set-1.json").write_text(_json(_rules_for(called, rules)))
    everywhere, partitions, defaults = (
        json.loads((data / f"{name}.json").read_text()) for name in ("endpoints", "partitions", DEFAULTS)
    )
    for partition in everywhere["partitions"]:
        # Where a service is in which region, for services without a rule set: all that we call have one.
        partition["services"] = {}
    for partition in (*everywhere["partitions"], *partitions["partitions"]):
        for region in partition["regions"].values():
            region.pop("description", None)
    # What each setting means.
    del defaults["documentation"]
    (models / "endpoints.json").write_text(_json(everywhere))
    (models / "partitions.json").write_text(_json(partitions))
    (models / f"{DEFAULTS}.json").write_text(_json(defaults))


def _only(operations: frozenset[str], service: dict[str, Any]) -> dict[str, Any]:
    """The service with these operations, and the shapes that they need. Raises KeyError for one it does not have."""
    kept = {name: service["operations"][name].copy() for name in sorted(operations)}
    for operation in kept.values():
        # Where to look in a request for ARNs of tables, which may tell another endpoint. We name tables by their names,
        # and looking through all items for ARNs is a quarter of the processor time of a transaction of thirty.
        operation.pop("operationContextParams", None)
    shapes: dict[str, Any] = {}
    wanted = [reference["shape"] for operation in kept.values() for reference in _references(operation)]
    while wanted:
        name = wanted.pop()
        if name not in shapes:
            shapes[name] = service["shapes"][name]
            for reference in _references(shapes[name]):
                # The same of one table: an input's name of a table is not looked at for an ARN.
                if reference.get("contextParam") == {"name": "ResourceArn"}:
                    del reference["contextParam"]
                wanted.append(reference["shape"])
    return {**service, "operations": kept, "shapes": dict(sorted(shapes.items()))}


def _rules_for(called: dict[str, Any], described: dict[str, Any]) -> dict[str, Any]:
    """The rules for endpoints that can apply: none that needs what no operation in `called` tells.

    What is left gives the same endpoints. What is asked of the environment (a FIPS endpoint, one of the account) stays.
    """
    told = {node["contextParam"]["name"] for node in _references(called) if "contextParam" in node}
    for operation in called["operations"].values():
        told |= operation.get("staticContextParams", {}).keys()
    told |= called.get("clientContextParams", {}).keys()
    parameters = {
        name: parameter for name, parameter in described["parameters"].items() if "builtIn" in parameter or name in told
    }
    never = [{"fn": "isSet", "argv": [{"ref": name}]} for name in described["parameters"] if name not in parameters]

    def applicable(rules: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [
            {**rule, "rules": applicable(rule["rules"])} if "rules" in rule else rule
            for rule in rules
            if not any(condition in never for condition in rule["conditions"])
        ]

    return {**described, "parameters": parameters, "rules": applicable(described["rules"])}


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
