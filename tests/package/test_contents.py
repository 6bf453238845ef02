"""What the bundle keeps of botocore, and what is taken out: too much of either fails in production only."""

import ast
import itertools
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore
import botocore.httpsession
import botocore.session
import certifi
import pytest
import stripe
from botocore.endpoint_provider import EndpointProvider
from botocore.exceptions import EndpointProviderError
from stripe._object_classes import OBJECT_CLASSES

from chalicelib.adapters.stripe import events
from devstack.package import archive, contents

ROOT = Path(__file__).resolve().parents[2]
SITE = Path(stripe.__file__).parents[1]
ADAPTERS = sorted((ROOT / "chalicelib" / "adapters").rglob("*.py"))


def test_every_aws_service_that_is_called_is_bundled_and_no_other() -> None:
    """The services that adapters make clients of are those whose descriptions are bundled."""
    made = {name for path in ADAPTERS for name in re.findall(r'boto3\.client\(\s*"([a-z0-9-]+)"', path.read_text())}

    assert made == set(contents.AWS_CALLS)


@pytest.mark.parametrize(
    ("service", "client", "adapters"),
    [
        ("dynamodb", "client", "dynamodb/"),
        ("sesv2", "ses", "channels/ses.py"),
        ("sns", "sns", "channels/sns.py"),
        ("sqs", "sqs", "aws/queues.py"),
        ("ssm", "ssm", "aws/secrets.py"),
    ],
)
def test_every_operation_that_is_called_is_bundled_and_no_other(service: str, client: str, adapters: str) -> None:
    """Of each service, the operations that its adapters call are described in the bundle."""
    texts = [path.read_text() for path in ADAPTERS if adapters in path.as_posix()]
    called = {name for text in texts for name in re.findall(rf"\b_?{client}\.([a-z_]+)\(", text)}

    assert {"".join(word.title() for word in name.split("_")) for name in called} == contents.AWS_CALLS[service]


def test_every_service_of_stripe_that_is_called_is_bundled() -> None:
    """The SDK imports a service when it is first used: in production only, were it left out."""
    texts = [path.read_text() for path in ADAPTERS if "/stripe/" in path.as_posix()]
    called = {name for text in texts for name in re.findall(r"\b_stripe\.([a-z_]+)", text)}

    assert called >= {"accounts", "refunds"}
    assert called <= set(contents.STRIPE_SERVICES)


def test_the_class_of_every_object_that_stripe_answers_with_is_bundled_and_no_other() -> None:
    """Worked out from the SDK's types: what we call answers with, and what is in that without being expanded."""
    expanded = {"balance_transaction"}
    found: set[str] = set()
    wanted = {*contents.STRIPE_SERVICES.values(), *contents.STRIPE_EVENT_OBJECTS, *expanded}
    while wanted:
        kind = wanted.pop()
        if kind not in found:
            found.add(kind)
            wanted |= kinds_within(OBJECT_CLASSES[kind][0])

    assert found == contents.STRIPE_OBJECTS


@pytest.mark.parametrize("kind", sorted(events.RELEVANT_EVENTS))
def test_the_class_of_every_events_object_is_bundled(kind: str) -> None:
    """An event is named after its object. Listed events carry it whole."""
    (found,) = {
        name for name in OBJECT_CLASSES if kind.rpartition(".")[0] in (name, f"charge.{name}", f"account.{name}")
    }

    assert found in contents.STRIPE_OBJECTS


def kinds_within(module: str) -> set[str]:
    """The kinds of objects that the types of this module's fields name, and not as an id that can be expanded."""
    source = ast.parse((SITE / (module.replace(".", "/") + ".py")).read_text())
    imported = {
        name.asname or name.name: (node.module, name.name)
        for node in ast.walk(source)
        if isinstance(node, ast.ImportFrom)
        for name in node.names
    }
    kinds = {target: kind for kind, target in OBJECT_CLASSES.items()}
    fields = [node.annotation for node in ast.walk(source) if isinstance(node, ast.AnnAssign)]
    return {
        kinds[target]
        for field in fields
        for name in names_in(field)
        if (target := imported.get(name)) is not None and target in kinds
    }


def names_in(annotation: ast.AST) -> Iterator[str]:
    if isinstance(annotation, ast.Subscript) and getattr(annotation.value, "id", None) in (
        "ExpandableField",
        "Literal",
    ):
        return
    if isinstance(annotation, ast.Name):
        yield annotation.id
    elif isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        yield from names_in(ast.parse(annotation.value, mode="eval"))
    for part in ast.iter_child_nodes(annotation):
        yield from names_in(part)


def test_the_stripe_sdk_of_the_bundle_calls_and_reads_as_the_whole_one_does(bundled: Path) -> None:
    """Every service can be called, and every kind of object read, with nothing of stripe but what is bundled."""
    shutil.copyfile(SITE / "typing_extensions.py", bundled / "typing_extensions.py")
    command = [sys.executable, "-I", "-S", "-c", READING, str(bundled), *contents.STRIPE_SERVICES]

    done = subprocess.run(command, input=" ".join(contents.STRIPE_OBJECTS), capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert not (bundled / "stripe" / "_invoice.py").exists()
    assert not (bundled / "stripe" / "billing").exists()


READING = """
import json, sys
sys.path.insert(0, sys.argv[1])
import stripe

class Answers(stripe.HTTPClient):
    name = "answers"

    def request(self, method, url, headers, post_data=None, **rest):
        found = [{"id": kind, "object": kind} for kind in KINDS]
        return json.dumps({"object": "list", "url": "/v1/x", "has_more": False, "data": found}), 200, {}

KINDS = sys.stdin.read().split()
client = stripe.StripeClient("sk_test_x", http_client=Answers())
for name in sys.argv[2:]:
    service = getattr(client.v1, name)
    service = service.sessions if name == "checkout" else service
    if name == "customer_sessions":  # They are made, and never listed.
        assert type(service.create({"components": {}})).__name__ == "ListObject"
        continue
    listed = service.list({"payment_intent": "pi_1"}) if name != "payment_methods" else service.list({"customer": "c"})
    assert [type(found).OBJECT_NAME for found in listed.data] == KINDS, listed
"""


@pytest.fixture(scope="module")
def bundled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """botocore's descriptions of what we call and of S3, and stripe, slimmed, with a little of what is left out."""
    tree = tmp_path_factory.mktemp("bundled")
    shutil.copytree(SITE / "stripe", tree / "stripe", ignore=shutil.ignore_patterns("__pycache__", "params", "events"))
    data = tree / "botocore" / "data"
    installed = Path(botocore.__file__).parent / "data"
    for name in (*contents.AWS_CALLS, "s3"):
        shutil.copytree(installed / name, data / name)
    for path in installed.glob("*.json"):
        shutil.copyfile(path, data / path.name)
    (tree / "requests").mkdir()
    (tree / "botocore" / "vendored" / "requests").mkdir(parents=True)
    contents.slim(tree)
    return tree


def test_a_client_of_the_bundle_is_the_client_of_the_whole_sdk(bundled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each operation has the same input, output and errors, and each region the same endpoint, in both."""
    whole = botocore.session.Session()
    monkeypatch.setenv("LAMBDA_TASK_ROOT", str(bundled))
    monkeypatch.setenv("AWS_DATA_PATH", f"$LAMBDA_TASK_ROOT/{contents.AWS_MODELS}")
    slim = botocore.session.Session()
    assert slim.get_component("data_loader").search_paths[0] == str(bundled / contents.AWS_MODELS)

    for service, operations in contents.AWS_CALLS.items():
        assert set(slim.get_service_model(service).operation_names) == operations
        for name in operations:
            ours, theirs = (it.get_service_model(service).operation_model(name) for it in (slim, whole))
            for part in ("input_shape", "output_shape"):
                assert described(getattr(ours, part)) == described(getattr(theirs, part))
            assert [described(it) for it in ours.error_shapes] == [described(it) for it in theirs.error_shapes]
            # Only ARNs of tables would tell an endpoint, and ours are called by their names.
            assert not ours.operation_context_parameters
        for region in ("eu-west-1", "us-gov-west-1", "cn-north-1"):
            clients = [
                it.create_client(service, region, aws_access_key_id="x", aws_secret_access_key="y")
                for it in (slim, whole)
            ]
            assert clients[0].meta.endpoint_url == clients[1].meta.endpoint_url


def described(shape: Any) -> Any:
    """A shape with all that is in it, its texts left out; a shape within itself by its name."""

    def walk(shape: Any, around: tuple[str, ...]) -> Any:
        if shape is None or shape.name in around:
            return shape and shape.name
        inner = {**getattr(shape, "members", {})}
        inner |= {part: getattr(shape, part) for part in ("member", "key", "value") if hasattr(shape, part)}
        # Only ARNs of tables would tell an endpoint, and ours are called by their names.
        told = {name: of for name, of in shape.metadata.items() if of != {"name": "ResourceArn"}}
        about = (shape.name, shape.type_name, sorted(shape.serialization.items()), told)
        return about, {name: walk(part, (*around, shape.name)) for name, part in inner.items()}

    return walk(shape, ())


def test_what_is_left_out_is_gone_and_its_namesakes_are_not(bundled: Path) -> None:
    """`requests` is left out, but not what botocore has under that name; S3 is not called, and not described."""
    assert not (bundled / "requests").exists()
    assert (bundled / "botocore" / "vendored" / "requests").exists()
    assert not (bundled / "botocore" / "data" / "s3").exists()


def test_files_of_botocore_are_as_they_were(bundled: Path) -> None:
    """Files are left out whole; none is changed."""
    installed = Path(botocore.__file__).parent
    kept = [path for path in (bundled / "botocore" / "data").rglob("*") if path.is_file()]

    assert kept
    for path in kept:
        assert path.read_bytes() == (installed / path.relative_to(bundled / "botocore")).read_bytes()


def test_the_short_descriptions_are_found_by_a_documented_setting() -> None:
    """The functions' environment names the folder as botocore reads it: with the variable that Lambda sets."""
    config = json.loads((ROOT / ".chalice" / "config.json").read_text())

    assert config["environment_variables"]["AWS_DATA_PATH"] == f"$LAMBDA_TASK_ROOT/{contents.AWS_MODELS}"


def test_an_operation_that_aws_does_not_have_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name in the table that the service lacks stops the packaging."""
    shutil.copytree(Path(botocore.__file__).parent / "data" / "ssm", tmp_path / "botocore" / "data" / "ssm")
    monkeypatch.setattr(contents, "AWS_CALLS", {"ssm": frozenset({"GetParametre"})})

    with pytest.raises(KeyError, match="GetParametre"):
        contents.slim(tmp_path)


def test_every_service_is_found_where_botocore_itself_finds_it(tmp_path: Path) -> None:
    """In each of AWS's partitions, under the same address, and with the same signature."""
    data = Path(botocore.__file__).parent / "data"
    contents.describe_aws(data, tmp_path)
    partitions = json.loads((data / "endpoints.json").read_text())["partitions"]

    def found(*described: str) -> list[tuple[str, ...]]:
        session = botocore.session.Session()
        session.get_component("data_loader").search_paths[:0] = described
        keys = {"aws_access_key_id": "x", "aws_secret_access_key": "x"}
        clients = [
            session.create_client(service, region_name=region, **keys)
            for service in sorted(contents.AWS_CALLS)
            for region in ("eu-west-1", *(next(iter(partition["regions"])) for partition in partitions))
        ]
        signers = [client._request_signer for client in clients]
        return [
            (client.meta.endpoint_url, client.meta.partition, of.signing_name, of.region_name, of.signature_version)
            for client, of in zip(clients, signers, strict=True)
        ]

    assert found(str(tmp_path)) == found()


@pytest.mark.parametrize("service", sorted(contents.AWS_CALLS))
def test_the_short_rules_for_endpoints_give_what_the_whole_ones_give(service: str, bundled: Path) -> None:
    """Whatever the environment asks for: a FIPS or dual-stack endpoint, one of the account, one of its own."""

    def provider(*described: str) -> EndpointProvider:
        loader = botocore.session.Session().get_component("data_loader")
        loader.search_paths[:0] = described
        rules = loader.load_service_model(service, "endpoint-rule-set-1")
        return EndpointProvider(rules, loader.load_data("partitions"))

    def found(by: EndpointProvider, asked: dict[str, Any]) -> str:
        try:
            endpoint = by.resolve_endpoint(**asked)
        except EndpointProviderError as refused:
            return str(refused)
        return f"{endpoint.url} {endpoint.properties}"

    ours, whole = provider(str(bundled / contents.AWS_MODELS)), provider()
    environments = itertools.product(
        (None, "eu-west-1", "us-gov-west-1", "cn-north-1", "local"),
        (False, True),
        (False, True),
        (None, "http://127.0.0.1:8000"),
        (None, "123456789012"),
        (None, "preferred", "required", "disabled"),
    )
    names = ("Region", "UseFIPS", "UseDualStack", "Endpoint", "AccountId", "AccountIdEndpointMode")
    for values in environments:
        asked = {
            name: value
            for name, value in zip(names, values, strict=True)
            if value is not None and name in whole.ruleset.parameters
        }
        assert found(ours, asked) == found(whole, asked), asked


def test_a_changed_file_of_a_library_stops_the_packaging(tmp_path: Path) -> None:
    """What is deployed of a library is what its wheel holds; ours and the bytecode are new."""
    built = tmp_path / "built"
    for name in ("app.py", "stripe/__init__.py", "stripe/_util.py"):
        (built / name).parent.mkdir(parents=True, exist_ok=True)
        (built / name).write_text("A = 1\n")
    archive.pack(built, tmp_path / "untouched.zip")
    (built / "stripe" / "_util.py").unlink()
    (built / "stripe" / "__pycache__").mkdir()
    (built / "stripe" / "__pycache__" / "__init__.cpython-311.pyc").write_bytes(b"")
    (built / contents.AWS_MODELS).mkdir()
    (built / contents.AWS_MODELS / "endpoints.json").write_text("{}")
    assert contents.changed(built, tmp_path / "untouched.zip") == []

    (built / "stripe" / "__init__.py").write_text("A = 2\n")
    (built / "stripe" / "_new.py").write_text("")

    assert contents.changed(built, tmp_path / "untouched.zip") == ["stripe/__init__.py", "stripe/_new.py"]


def test_aws_is_trusted_by_certifis_certificates() -> None:
    """botocore's own are left out, because it prefers those of certifi, which is bundled for the notices."""
    assert "botocore/cacert.pem" in contents.LEFT_OUT
    assert "certifi" not in contents.LEFT_OUT

    assert botocore.httpsession.get_cert_path(verify=True) == certifi.where()


def left_out_modules(*packages: str) -> set[str]:
    """The modules of these packages that the bundle does not have."""
    patterns = [pattern for pattern in contents.LEFT_OUT if pattern.split("/")[0] in packages]
    gone = [path for pattern in patterns for path in SITE.glob(pattern)]
    files = {inner for path in gone for inner in ([path] if path.is_file() else path.rglob("*.py"))}
    names = {path.relative_to(SITE).with_suffix("").as_posix().replace("/", ".") for path in files}
    return {name.removesuffix(".__init__") for name in names}


IMPORTS = """
import importlib.abc, json, sys
left_out = json.loads(sys.stdin.read())
class Gone(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name in left_out:
            raise ModuleNotFoundError(f"{name} is not in the bundle", name=name)
sys.meta_path.insert(0, Gone())
import babel.dates, babel.numbers, jinja2.ext
import boto3, botocore.session, cryptography.x509, dateutil.parser, email_validator, idna, jwt, phonenumbers, urllib3
import phonenumbers.timezone
boto3.client("dynamodb", "eu-west-1", aws_access_key_id="x", aws_secret_access_key="y")
"""


def test_what_is_left_out_is_not_missed_by_what_we_import() -> None:
    """What our code imports of each library loads without the modules that are left out."""
    done = subprocess.run(
        [sys.executable, "-c", IMPORTS],
        input=json.dumps(
            sorted(
                left_out_modules(
                    "babel",
                    "boto3",
                    "botocore",
                    "cryptography",
                    "dateutil",
                    "idna",
                    "jinja2",
                    "jwt",
                    "phonenumbers",
                    "urllib3",
                )
            )
        ),
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr


WITHOUT = """
import importlib.abc, json, os, sys
left_out = json.loads(sys.stdin.read())
class Gone(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.split(".")[0] in left_out:
            raise ModuleNotFoundError(f"{name} is not in this zip", name=name)
sys.meta_path.insert(0, Gone())
os.environ |= {"AFTERTAB_STAGE": "dev", "AFTERTAB_TABLE": "t", "AWS_DEFAULT_REGION": "eu-west-1"}
os.environ |= {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}
"""
BUNDLED_CODE = {
    contents.CODE: "import app, chalicelib.adapters.words.writer, chalicelib.adapters.stripe.gateway",
    contents.AUTHORIZER: "import chalicelib.handlers.authorizer, jwt\nchalicelib.bootstrap.get_deps().links",
}


@pytest.mark.parametrize("name", list(contents.BUNDLES))
def test_a_zip_has_what_its_functions_load(name: str) -> None:
    """What the other zip alone has is not missed."""
    code = WITHOUT + "import chalicelib.bootstrap\n" + BUNDLED_CODE[name]
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=json.dumps([pattern for pattern in contents.BUNDLES[name] if "/" not in pattern]),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr


def test_what_reads_tokens_is_in_the_authorizers_zip_alone(tmp_path: Path) -> None:
    """It is two fifths of everything; of the whole tree each zip gets its part, and the tree stays as it is."""
    tree = tmp_path / "tree"
    for path in (
        "app.py",
        "cryptography/x.py",
        "_cffi_backend.cpython-311.so",
        "stripe/x.py",
        "chalicelib/locale/de/x.mo",
    ):
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).touch()

    parts = {}
    for name in contents.BUNDLES:
        contents.part(tree, name, tmp_path / name)
        files = (path for path in (tmp_path / name).rglob("*") if path.is_file())
        parts[name] = {path.relative_to(tmp_path / name).parts[0] for path in files}

    assert parts == {
        contents.CODE: {"app.py", "stripe", "chalicelib"},
        contents.AUTHORIZER: {"app.py", "cryptography", "_cffi_backend.cpython-311.so"},
    }
    assert (tree / "cryptography" / "x.py").exists()
