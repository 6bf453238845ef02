"""The wiring: the only place that names concrete adapters. They are made when first asked for, and kept."""

from __future__ import annotations

from contextlib import suppress
from threading import Lock
from typing import Any, cast

from chalicelib import config
from chalicelib.adapters.aws.secrets import KeptSecret
from chalicelib.adapters.channels.log import LogNotifier
from chalicelib.adapters.system import SystemClock, SystemIds
from chalicelib.ports.clock import Clock
from chalicelib.ports.deps import Deps
from chalicelib.ports.gateway import PaymentGateway
from chalicelib.ports.notifier import Notifier
from chalicelib.ports.store import TabStore

_lock = Lock()
_kept: list[Deps] = []
"""At most one."""


def deps() -> Deps:
    """What the use cases run on. Raises BadSetting."""
    if not _kept:
        with _lock:
            if not _kept:
                _kept.append(build())
    return _kept[0]


def use(replacement: Deps | None) -> None:
    """For tests and devstack: run on these from now on; None goes back to what the settings say."""
    with _lock:
        _kept[:] = [] if replacement is None else [replacement]


def prepare() -> None:
    """Make beforehand what most requests need. Where a setting is missing, the first of them says so."""
    with suppress(config.BadSetting):
        deps()


def build(*, clock: Clock | None = None, notifier: Notifier | None = None) -> Deps:
    """New adapters as the settings say. `clock`, `notifier`: devstack's own. Raises BadSetting."""
    return Deps(
        store=_store(),
        # The stripe package takes a quarter of a second to import, and most requests move no money.
        gateway=cast(PaymentGateway, _Gateway()),
        clock=clock or SystemClock(),
        ids=SystemIds(),
        notifier=notifier or LogNotifier(),
    )


def _store() -> TabStore:
    # Imported here: health and the authorizer do without the AWS SDK, which takes the longest of all.
    from chalicelib.adapters.dynamodb.store import DynamoDbStore, dynamodb_client

    return DynamoDbStore(dynamodb_client(config.aws_endpoint_url()), config.table())


def _gateway(secret_key: str) -> PaymentGateway:
    from chalicelib.adapters.stripe.gateway import StripeGateway, stripe_client

    webhook_secrets = KeptSecret(config.stripe_webhook_secrets())
    return StripeGateway(
        stripe_client(secret_key, config.stripe_api_base()),
        stage=config.stage(),
        webhook_secrets=lambda: webhook_secrets().replace(" ", "").split(","),
        publishable_key=config.stripe_publishable_key(),
        live=config.is_live(secret_key),
    )


class _Gateway:
    """Stands for the gateway: made when the first of its attributes is asked for, and anew when its key was replaced.

    A function may live for hours, an old key only as long as whoever rolled it has allowed.
    """

    def __init__(self) -> None:
        self._key: KeptSecret | None = None
        self._made: tuple[str, PaymentGateway] | None = None
        self._making = Lock()

    def __getattr__(self, name: str) -> Any:
        with self._making:
            if self._key is None:
                self._key = KeptSecret(config.stripe_secret_key())
            key = self._key()
            if self._made is None or self._made[0] != key:
                self._made = key, _gateway(key)
            return getattr(self._made[1], name)
