"""Fixtures: the app as Lambda runs it, on a store in memory, with the real Stripe adapter and a stand-in."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import httpx
import pytest
from chalice.test import Client

import app as application
from chalicelib import bootstrap
from chalicelib.adapters.addresses import LibraryAddresses
from chalicelib.adapters.memory_queues import MemoryQueues
from chalicelib.adapters.memory_store import MemoryStore
from chalicelib.adapters.stripe.calls import stripe_client
from chalicelib.adapters.stripe.gateway import StripeGateway
from chalicelib.adapters.system import SystemIds
from chalicelib.handlers import keys
from chalicelib.ports.deps import Deps
from chalicelib.ports.store import TabStore
from devstack.local_gateway import Gateway
from devstack.stripe_standin.server import App, create_app, serve_in_thread
from tests.channels import BareWords, Mails, Texts
from tests.deliveries import deliveries_beside
from tests.notices import Receivers, notices_beside
from tests.people import links_beside, people_beside
from tests.visits import visits_beside

from .world import (
    AUDIENCE,
    ISSUER,
    PUBLISHABLE_KEY,
    SECRET_KEY,
    START,
    WEBHOOK_SECRET,
    Issuer,
    Shop,
    StandInClock,
    World,
    serve_issuer,
)


@pytest.fixture(scope="session")
def issuer() -> Iterator[Issuer]:
    with serve_issuer() as found:
        yield found


@pytest.fixture(scope="session")
def standin() -> Iterator[tuple[App, str]]:
    app = create_app(start=START)
    with serve_in_thread(app) as base:
        yield app, base


@pytest.fixture(scope="session")
def http() -> Iterator[httpx.Client]:
    with httpx.Client() as client:
        yield client


@pytest.fixture(scope="session")
def empty_folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """In the project's own, chalice would put the stage's environment of .chalice/config.json over the test's."""
    return str(tmp_path_factory.mktemp("empty"))


@pytest.fixture
def settings(issuer: Issuer, standin: tuple[App, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of a deployment."""
    for name, value in {
        "AFTERTAB_STAGE": "dev",
        "AFTERTAB_TABLE": "aftertab-dev",
        "AFTERTAB_JWT_ISSUER": ISSUER,
        "AFTERTAB_JWT_AUDIENCE": AUDIENCE,
        "AFTERTAB_JWT_JWKS_URL": issuer.jwks_url,
        "STRIPE_SECRET_KEY": SECRET_KEY,
        "STRIPE_PUBLISHABLE_KEY": PUBLISHABLE_KEY,
        "STRIPE_WEBHOOK_SECRET": WEBHOOK_SECRET,
        "STRIPE_API_BASE": standin[1],
    }.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def store() -> TabStore:
    """In memory; a module may have its own."""
    return MemoryStore()


@pytest.fixture
def make_world(
    settings: None, issuer: Issuer, standin: tuple[App, str], http: httpx.Client, empty_folder: str
) -> Iterator[Callable[[TabStore], World]]:
    app, base = standin
    http.post(f"{base}/_control/reset", json={"start": START}).raise_for_status()
    keys.forget()

    def make(store: TabStore) -> World:
        clock = StandInClock(app)
        gateway = StripeGateway(
            stripe_client(SECRET_KEY, base),
            stage="dev",
            webhook_secrets=lambda: [WEBHOOK_SECRET],
            publishable_key=PUBLISHABLE_KEY,
        )
        deps = Deps(
            store=store,
            people=people_beside(store),
            deliveries=deliveries_beside(store),
            notices=notices_beside(store),
            links=links_beside(store),
            visits=visits_beside(store),
            addresses=LibraryAddresses(),
            gateway=gateway,
            clock=clock,
            ids=SystemIds(),
            queues=MemoryQueues(clock),
            mailer=Mails(),
            texter=Texts(),
            words=BareWords(),
            webhooks=Receivers(),
        )
        bootstrap.use(deps)
        client = Client(application.app, project_dir=empty_folder)
        # What API Gateway answers by itself, the test client says in Chalice's words.
        client.http._local_gateway = Gateway(application.app, client._chalice_config)
        return World(client, deps, issuer, app, base, clock, http)

    yield make
    bootstrap.use(None)


@pytest.fixture
def world(make_world: Callable[[TabStore], World], store: TabStore) -> World:
    return make_world(store)


@pytest.fixture
def shop(world: World) -> Shop:
    return world.shop()
