"""What the bundle keeps of botocore, and what is taken out: too much of either fails in production only."""

import gzip
import json
import re
import shutil
from pathlib import Path
from typing import Any

import botocore
import botocore.session
import pytest
import stripe
import stripe._object_classes
import stripe._stripe_client
from stripe._stripe_response import StripeResponse

from devstack.package import contents

ROOT = Path(__file__).resolve().parents[2]
ADAPTERS = sorted((ROOT / "chalicelib" / "adapters").rglob("*.py"))


def test_every_aws_service_that_is_called_is_bundled_and_no_other() -> None:
    """The services that adapters make clients of are those whose descriptions are bundled."""
    made = {name for path in ADAPTERS for name in re.findall(r'aws\.client\(\s*"([a-z0-9-]+)"', path.read_text())}

    assert made == set(contents.AWS_CALLS)


@pytest.mark.parametrize(
    ("service", "client", "adapters"), [("dynamodb", "client", "dynamodb/"), ("ssm", "ssm", "aws/secrets.py")]
)
def test_every_operation_that_is_called_is_bundled_and_no_other(service: str, client: str, adapters: str) -> None:
    """Of each service, the operations that its adapters call are described in the bundle."""
    texts = [path.read_text() for path in ADAPTERS if adapters in path.as_posix()]
    called = {name for text in texts for name in re.findall(rf"\b_?{client}\.([a-z_]+)\(", text)}

    assert {"".join(word.title() for word in name.split("_")) for name in called} == contents.AWS_CALLS[service]


@pytest.fixture
def bundled(tmp_path: Path) -> Path:
    """botocore's descriptions of what we call and of S3, slimmed, with a little of everything that is left out."""
    data = tmp_path / "botocore" / "data"
    installed = Path(botocore.__file__).parent / "data"
    for name in (*contents.AWS_CALLS, "s3"):
        shutil.copytree(installed / name, data / name)
    for path in installed.glob("*.json"):
        shutil.copyfile(path, data / path.name)
    (tmp_path / "requests").mkdir()
    (tmp_path / "botocore" / "vendored" / "requests").mkdir(parents=True)
    contents.slim(tmp_path)
    return tmp_path


def test_a_client_of_the_bundle_is_the_client_of_the_whole_sdk(bundled: Path) -> None:
    """Each operation has the same input, output and errors, and each region the same endpoint, in both."""
    slim, whole = botocore.session.Session(), botocore.session.Session()
    slim.get_component("data_loader").search_paths[:] = [str(bundled / "botocore" / "data")]

    for service, operations in contents.AWS_CALLS.items():
        assert set(slim.get_service_model(service).operation_names) == operations
        for name in operations:
            ours, theirs = (it.get_service_model(service).operation_model(name) for it in (slim, whole))
            for part in ("input_shape", "output_shape"):
                assert described(getattr(ours, part)) == described(getattr(theirs, part))
            assert [described(it) for it in ours.error_shapes] == [described(it) for it in theirs.error_shapes]
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
        about = (shape.name, shape.type_name, sorted(shape.serialization.items()), shape.metadata)
        return about, {name: walk(part, (*around, shape.name)) for name, part in inner.items()}

    return walk(shape, ())


def test_what_is_left_out_is_gone_and_its_namesakes_are_not(bundled: Path) -> None:
    """`requests` is left out, but not what botocore has under that name; S3 is not called, and not described."""
    assert not (bundled / "requests").exists()
    assert (bundled / "botocore" / "vendored" / "requests").exists()
    assert not (bundled / "botocore" / "data" / "s3").exists()


def test_every_stand_in_takes_the_place_of_a_file() -> None:
    """Where a library moves what we replaced, the file of the old name would lie there unread."""
    installed = Path(botocore.__file__).parents[1]

    assert [name for name in contents.STAND_INS if not (installed / name).is_file()] == []


INTENT = {
    "id": "pi_1",
    "object": "payment_intent",
    "amount": 7500,
    "metadata": {"tab": "tab_1"},
    "last_payment_error": None,
    "next_action": {"type": "use_stripe_sdk", "use_stripe_sdk": {}},
    "latest_charge": {
        "id": "ch_1",
        "object": "charge",
        "balance_transaction": {
            "id": "txn_1",
            "object": "balance_transaction",
            "fee": 30,
            "fee_details": [{"fee": 30}],
        },
        "payment_method_details": {"card": {"capture_before": 1700000000, "last4": "4242"}},
    },
}
EVENT = {"id": "evt_1", "object": "event", "created": 1700000000, "data": {"object": INTENT, "previous_attributes": {}}}


@pytest.mark.parametrize(
    "answer", [INTENT, EVENT, {"object": "list", "data": [INTENT], "has_more": True, "url": "/v1/payment_intents"}]
)
def test_an_answer_of_stripes_reads_the_same_without_its_classes(
    answer: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a dictionary, by attribute and with its headers, an object is the same by the bundle's one class."""
    whole = stripe_object(answer)
    bundled: dict[str, Any] = {}
    exec(contents.STAND_INS["stripe/_object_classes.py"], bundled)
    monkeypatch.setattr(stripe._object_classes, "get_object_class", bundled["get_object_class"])

    plain = stripe_object(answer)

    assert type(plain) is stripe.StripeObject is not type(whole)
    assert plain.to_dict() == whole.to_dict() == answer
    assert {name: getattr(plain, name) for name in answer}.keys() == answer.keys()
    assert plain.last_response is not None and plain.last_response.headers == {"Request-Id": "req_1"}


def stripe_object(answer: dict[str, Any]) -> stripe.StripeObject:
    """What a call of the SDK returns for this answer."""
    response = StripeResponse(json.dumps(answer), 200, {"Request-Id": "req_1"})  # type: ignore[no-untyped-call]
    return stripe.StripeClient("sk_test_1").deserialize(response, api_mode="V1")


def test_what_handles_v2_events_has_every_name_that_the_client_takes_from_it() -> None:
    """The client imports them by name, and names them in its annotations."""
    bundled: dict[str, Any] = {}
    exec(contents.STAND_INS["stripe/_event_notification_handler.py"], bundled)
    source = Path(stripe._stripe_client.__file__).read_text()
    imported = re.search(r"from stripe._event_notification_handler import \(([^)]*)\)", source)

    assert imported is not None
    assert {name.strip() for name in imported[1].split(",")} - {""} <= bundled.keys()


def test_an_operation_that_aws_does_not_have_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name in the table that the service lacks stops the packaging."""
    version = tmp_path / "botocore" / "data" / "ssm" / "2014-11-06"
    version.mkdir(parents=True)
    service = {"operations": {}, "shapes": {}}
    (version / "service-2.json.gz").write_bytes(gzip.compress(json.dumps(service).encode()))

    with pytest.raises(KeyError, match="GetParameter"):
        contents.slim(tmp_path)
