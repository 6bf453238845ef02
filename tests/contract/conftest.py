"""Fixtures: the implementations against which the contract tests run."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator

import pytest

from chalicelib.adapters.dynamodb.store import DynamoDbStore, dynamodb_client
from chalicelib.adapters.memory_store import MemoryStore
from chalicelib.ports.links import Links
from chalicelib.ports.people import People
from chalicelib.ports.store import TabStore
from devstack import dynamodb_emulators, dynamodb_table
from tests.contract import store_kit
from tests.people import links_beside, people_beside

EMULATOR = os.environ.get(dynamodb_emulators.VARIABLE, dynamodb_emulators.MINISTACK)


@pytest.fixture(scope="session", autouse=True)
def _no_real_aws() -> Iterator[None]:
    """Credentials that open nothing, so that no test reaches an account by mistake."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL"):
            patch.delenv(name, raising=False)
        patch.setenv("AWS_ACCESS_KEY_ID", "testing")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        yield


@pytest.fixture(scope="session")
def emulator_url() -> Iterator[str]:
    """One emulator for each test process."""
    with dynamodb_emulators.start(EMULATOR) as aws:
        yield aws.endpoint_url


@pytest.fixture
def emulated_store(emulator_url: str) -> DynamoDbStore:
    """A store on the emulator, on a table of its own: fit for threads."""
    name = f"aftertab-{uuid.uuid4().hex}"
    dynamodb_table.create(emulator_url, name, region=store_kit.REGION)
    return DynamoDbStore(dynamodb_client(emulator_url, store_kit.REGION), name)


@pytest.fixture
def links(store: TabStore) -> Links:
    return links_beside(store)


@pytest.fixture
def people(store: TabStore) -> People:
    return people_beside(store)


@pytest.fixture(params=["memory", "moto", pytest.param(EMULATOR, marks=pytest.mark.ministack)])
def store(request: pytest.FixtureRequest) -> Iterator[TabStore]:
    if request.param == "memory":
        yield MemoryStore()
    elif request.param == "moto":
        with store_kit.moto_store() as store:
            yield store
    else:
        yield request.getfixturevalue("emulated_store")
