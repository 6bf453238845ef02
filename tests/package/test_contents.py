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

from devstack.package import contents

ROOT = Path(__file__).resolve().parents[2]
ADAPTERS = sorted((ROOT / "chalicelib" / "adapters").glob("*.py"))


def test_every_aws_service_that_is_called_is_bundled_and_no_other() -> None:
    """The services that adapters make clients of are those whose descriptions are bundled."""
    made = {name for path in ADAPTERS for name in re.findall(r'aws\.client\(\s*"([a-z0-9-]+)"', path.read_text())}

    assert made == set(contents.AWS_CALLS)


@pytest.mark.parametrize(
    ("service", "client", "adapters"), [("dynamodb", "client", "dynamodb_"), ("ssm", "ssm", "secrets")]
)
def test_every_operation_that_is_called_is_bundled_and_no_other(service: str, client: str, adapters: str) -> None:
    """Of each service, the operations that its adapters call are described in the bundle."""
    texts = [path.read_text() for path in ADAPTERS if path.name.startswith(adapters)]
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


def test_an_operation_that_aws_does_not_have_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name in the table that the service lacks stops the packaging."""
    version = tmp_path / "botocore" / "data" / "ssm" / "2014-11-06"
    version.mkdir(parents=True)
    service = {"operations": {}, "shapes": {}}
    (version / "service-2.json.gz").write_bytes(gzip.compress(json.dumps(service).encode()))

    with pytest.raises(KeyError, match="GetParameter"):
        contents.slim(tmp_path)
