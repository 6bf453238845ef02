"""Wires use cases to concrete adapters; only this module names them. They are created when first needed, and cached."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Any, cast

from chalicelib import config, snapshots
from chalicelib.adapters.system import SystemClock, SystemIds
from chalicelib.ports.deps import Deps

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

    from chalicelib.adapters.aws.secrets import KeptSecret
    from chalicelib.ports.addresses import Addresses
    from chalicelib.ports.channels import Mailer, Texter
    from chalicelib.ports.clock import Clock
    from chalicelib.ports.deliveries import Deliveries
    from chalicelib.ports.gateway import PaymentGateway
    from chalicelib.ports.links import Links
    from chalicelib.ports.notices import Notices
    from chalicelib.ports.pages import Pages
    from chalicelib.ports.people import People
    from chalicelib.ports.queues import Queues
    from chalicelib.ports.store import TabStore
    from chalicelib.ports.stream import NewEntry
    from chalicelib.ports.visits import Visits
    from chalicelib.ports.webhooks import Webhooks
    from chalicelib.ports.words import Words

_lock = Lock()
_cached: list[Deps] = []
"""At most one."""


def get_deps() -> Deps:
    """Return the dependencies of the use cases, creating them if needed. Raises BadSetting."""
    if not _cached:
        with _lock:
            if not _cached:
                _cached.append(build())
    return _cached[0]


def use(replacement: Deps | None) -> None:
    """For tests and devstack: use these dependencies from now on; None returns to those of the settings."""
    with _lock:
        _cached[:] = [] if replacement is None else [replacement]


def prepare() -> None:
    """Create at start what most requests need. If a setting is missing, the first request reports it."""
    with suppress(config.BadSetting):
        get_deps()
    if config.starts_from_snapshot():
        # Once for all environments, then: nobody waits for it.
        from chalicelib.adapters.stripe import gateway  # noqa: F401


def build(*, clock: Clock | None = None) -> Deps:
    """Create adapters from the settings. `clock`: that of devstack. Raises BadSetting."""
    database = _database()
    return Deps(
        store=_store(*database),
        # These, and what news needs, a request of the API seldom or never does.
        people=cast("People", _later(partial(_people, *database))),
        deliveries=cast("Deliveries", _later(partial(_deliveries, *database))),
        notices=cast("Notices", _later(partial(_notices, *database))),
        links=cast("Links", _later(partial(_links, *database))),
        visits=cast("Visits", _later(partial(_visits, *database))),
        addresses=cast("Addresses", _later(_addresses)),
        # Importing the stripe package takes a quarter of a second, and most requests move no money.
        gateway=cast("PaymentGateway", _Gateway()),
        clock=clock or SystemClock(),
        ids=SystemIds(),
        queues=cast("Queues", _Lazy(_queues)),
        mailer=cast("Mailer", _Lazy(_mailer)),
        texter=cast("Texter", _Lazy(_texter)),
        words=cast("Words", _Lazy(_words)),
        webhooks=cast("Webhooks", _Lazy(_webhooks)),
        api_url=config.api_url(),
        pages_url=config.pages_url(),
    )


def entry_of(record: Mapping[str, Any]) -> NewEntry:
    """The entry in a record of the table's stream. Raises UnreadableRecord."""
    from chalicelib.adapters.dynamodb import stream

    return stream.entry_of(record)


def get_pages() -> Pages:
    """What writes the pages that customers meet. Only the function that serves them imports it."""
    if not _pages:
        from chalicelib.adapters.words.pages import PageWriter

        _pages.append(PageWriter())
    return _pages[0]


_pages: list[Pages] = []


def _database() -> tuple[DynamoDBClient, str]:
    """The client and the table of all stores."""
    # Imported here: health and the authorizer do not need the AWS SDK, which takes longest to import.
    from chalicelib.adapters.dynamodb.store import dynamodb_client

    client = dynamodb_client(config.aws_endpoint_url())
    # The client is kept, because creating it takes longest; it reconnects and renews its credentials automatically.
    snapshots.after_restore(client.close)
    return client, config.table()


def _store(client: DynamoDBClient, table: str) -> TabStore:
    from chalicelib.adapters.dynamodb.store import DynamoDbStore

    return DynamoDbStore(client, table)


def _people(client: DynamoDBClient, table: str) -> People:
    from chalicelib.adapters.dynamodb.people import DynamoDbPeople

    return DynamoDbPeople(client, table)


def _deliveries(client: DynamoDBClient, table: str) -> Deliveries:
    from chalicelib.adapters.dynamodb.deliveries import DynamoDbDeliveries

    return DynamoDbDeliveries(client, table)


def _notices(client: DynamoDBClient, table: str) -> Notices:
    from chalicelib.adapters.dynamodb.notices import DynamoDbNotices

    return DynamoDbNotices(client, table)


def _links(client: DynamoDBClient, table: str) -> Links:
    from chalicelib.adapters.dynamodb.links import DynamoDbLinks

    return DynamoDbLinks(client, table, config.stage())


def _visits(client: DynamoDBClient, table: str) -> Visits:
    from chalicelib.adapters.dynamodb.visits import DynamoDbVisits

    return DynamoDbVisits(client, table)


def _addresses() -> Addresses:
    from chalicelib.adapters.addresses import LibraryAddresses

    return LibraryAddresses()


def _kept_secret(setting: str) -> KeptSecret:
    from chalicelib.adapters.aws.secrets import KeptSecret

    return KeptSecret(setting)


def _queues() -> Queues:
    from chalicelib.adapters.aws.queues import SqsQueues, sqs_client

    client = sqs_client(is_emulated=config.aws_endpoint_url() is not None)
    snapshots.after_restore(client.close)
    return SqsQueues(client, config.queue_url)


def _mailer() -> Mailer:
    from chalicelib.adapters.channels.ses import SesMailer, ses_client

    client = ses_client()
    snapshots.after_restore(client.close)
    return SesMailer(client, config.mail_sender(), config.mail_configuration_set())


def _texter() -> Texter:
    from chalicelib.adapters.channels.sns import SnsTexter, sns_client

    client = sns_client()
    snapshots.after_restore(client.close)
    return SnsTexter(client, config.sms_sender())


def _words() -> Words:
    from chalicelib.adapters.words.writer import Writer

    return Writer()


def _webhooks() -> Webhooks:
    from chalicelib.adapters.channels.webhook import HttpWebhooks

    return HttpWebhooks(local=config.is_local_stack())


def _gateway(secret_key: str) -> PaymentGateway:
    from chalicelib.adapters.stripe.calls import stripe_client
    from chalicelib.adapters.stripe.gateway import StripeGateway

    webhook_secrets = _kept_secret(config.stripe_webhook_secrets())
    return StripeGateway(
        stripe_client(secret_key, config.stripe_api_base()),
        stage=config.stage(),
        webhook_secrets=lambda: webhook_secrets().replace(" ", "").split(","),
        publishable_key=config.stripe_publishable_key(),
        live=config.is_live(secret_key),
    )


def _later(make: Callable[[], Any]) -> Any:
    """Made when first used; for a snapshot, where nobody waits, at once."""
    return make() if config.starts_from_snapshot() else _Lazy(make)


class _Lazy:
    """A proxy that creates an adapter, and imports what it needs, on first attribute access."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self._made: list[Any] = []
        """At most one."""
        self._making = Lock()

    def __getattr__(self, name: str) -> Any:
        with self._making:
            if not self._made:
                self._made.append(self._make())
        return getattr(self._made[0], name)


class _Gateway:
    """A proxy that creates the gateway on first attribute access, and again after its key was replaced.

    A function may live for hours; an old key is valid only for the overlap that was chosen when it was rolled.
    """

    def __init__(self) -> None:
        self._key: KeptSecret | None = None
        self._made: tuple[str, PaymentGateway] | None = None
        self._making = Lock()
        snapshots.after_restore(self.forget)

    def forget(self) -> None:
        """Drop the gateway and its key, so that the next use reads the current secrets and opens new connections."""
        with self._making:
            self._key = self._made = None

    def __getattr__(self, name: str) -> Any:
        with self._making:
            if self._key is None:
                self._key = _kept_secret(config.stripe_secret_key())
            key = self._key()
            if self._made is None or self._made[0] != key:
                self._made = key, _gateway(key)
            return getattr(self._made[1], name)
