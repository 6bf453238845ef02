"""The settings, read from the environment when they are needed, never at import.

docs/settings.md lists them for operators; a test compares the two. No setting disables authentication.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from urllib.parse import urlsplit

VERSION = "0.1.0"
STRIPE_API_BASE = "https://api.stripe.com"
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})

SETTINGS: Mapping[str, str] = MappingProxyType(
    {
        "AFTERTAB_STAGE": "dev or prod; part of every key and of the metadata sent to Stripe",
        "AFTERTAB_TABLE": "the DynamoDB table",
        "AFTERTAB_QUEUE_DUE": "address of the queue of tabs that are due",
        "AFTERTAB_QUEUE_POST": "address of the queue of messages to people",
        "AFTERTAB_QUEUE_NOTICES": "address of the queue of notices to merchants' systems",
        "AFTERTAB_QUEUE_UNRELAYED": "address of the queue of stream records that could not be relayed",
        "AFTERTAB_API_URL": "the API's address for people outside, /v1/… is added; empty: mails can't be stopped",
        "AFTERTAB_MAIL_SENDER": "the address that e-mails come from, verified at SES",
        "AFTERTAB_MAIL_CONFIGURATION_SET": "SES reports deliveries and bounces as this set says; empty: none",
        "AFTERTAB_SMS_SENDER": "what phones show as the sender of texts, where the country allows it; empty: a number",
        "AFTERTAB_JWT_ISSUER": "iss of the tokens that are accepted",
        "AFTERTAB_JWT_AUDIENCE": "aud of the tokens that are accepted",
        "AFTERTAB_JWT_JWKS_URL": "where the issuer's public keys are: https, or http on loopback",
        "AFTERTAB_CORS_ORIGINS": "origins whose browser apps may call the API, by commas; * for all, empty: none",
        "AFTERTAB_PAGES_URL": "where customers' pages are, /t/… is added; empty: at the API's address",
        "STRIPE_SECRET_KEY": "sk_… or rk_…",
        "STRIPE_PUBLISHABLE_KEY": "pk_…, handed to phones",
        "STRIPE_WEBHOOK_SECRET": "whsec_…; several, separated by commas, while one is replaced by another",
        "STRIPE_API_BASE": "empty for Stripe itself; anything else is refused with a live key",
        "AWS_ENDPOINT_URL": "empty for AWS itself; the AWS SDK reads it too",
    }
)


class BadSetting(Exception):
    """A setting is missing or invalid; the text names it."""


def stage() -> str:
    return _required("AFTERTAB_STAGE")


def table() -> str:
    return _required("AFTERTAB_TABLE")


def queue_url(queue: str) -> str:
    """The address of a queue; `queue` is one of ports.QueueName."""
    return _required(f"AFTERTAB_QUEUE_{queue.upper()}")


def api_url() -> str:
    """Empty where it is not set. Raises BadSetting: the links in mails are keys, so they need https."""
    return _address("AFTERTAB_API_URL")


def mail_sender() -> str:
    return _required("AFTERTAB_MAIL_SENDER")


def mail_configuration_set() -> str:
    return _optional("AFTERTAB_MAIL_CONFIGURATION_SET")


def sms_sender() -> str:
    return _optional("AFTERTAB_SMS_SENDER")


def jwt_issuer() -> str:
    return _required("AFTERTAB_JWT_ISSUER")


def jwt_audience() -> str:
    return _required("AFTERTAB_JWT_AUDIENCE")


def jwt_jwks_url() -> str:
    """Raises BadSetting for http to another machine: whoever can change the keys on the way can forge any token."""
    url = _required("AFTERTAB_JWT_JWKS_URL")
    parts = urlsplit(url)
    if parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        return url
    raise BadSetting(f"AFTERTAB_JWT_JWKS_URL must be an https URL, not {url!r}.")


@cache  # Every answer asks for them, and the environment of a process stays as it is.
def cors_origins() -> frozenset[str]:
    """Empty where no browser app may call the API; `*` in it where every one may."""
    given = _optional("AFTERTAB_CORS_ORIGINS")
    return frozenset(map(str.strip, given.split(","))) if given else frozenset()


def pages_url() -> str:
    """By default the API's own address. Empty where neither is set. Raises BadSetting, as api_url does."""
    return _address("AFTERTAB_PAGES_URL") or api_url()


def payment_pages() -> str:
    """The origin of Stripe's pages, to which a form of ours may lead on."""
    base = urlsplit(stripe_api_base())
    return f"{base.scheme}://{base.netloc}" if base.netloc else "https://checkout.stripe.com"


def stripe_secret_key() -> str:
    return _required("STRIPE_SECRET_KEY")


def is_live(secret_key: str) -> bool:
    """Whether the secret key is a live one. The key decides the mode of a stage; there is no separate setting."""
    return secret_key.startswith(("sk_live_", "rk_live_"))


def stripe_publishable_key() -> str:
    return _required("STRIPE_PUBLISHABLE_KEY")


def stripe_webhook_secrets() -> str:
    """All webhook secrets, as they are stored: separated by commas."""
    return _required("STRIPE_WEBHOOK_SECRET")


def stripe_api_base() -> str:
    """Empty for Stripe itself."""
    base = _optional("STRIPE_API_BASE").rstrip("/")
    return "" if base == STRIPE_API_BASE else base


def aws_endpoint_url() -> str | None:
    return _optional("AWS_ENDPOINT_URL") or None


def is_local_stack() -> bool:
    """Whether AWS itself is an emulator on this machine. Only then may notices go to this machine, and without TLS."""
    return urlsplit(aws_endpoint_url() or "").hostname in _LOOPBACK


def _address(name: str) -> str:
    url = _optional(name).rstrip("/")
    parts = urlsplit(url)
    if not url or parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        return url
    raise BadSetting(f"{name} must be an https URL, not {url!r}.")


def _required(name: str) -> str:
    value = _optional(name)
    if not value:
        raise BadSetting(f"{name} is not set: {SETTINGS[name]}. See docs/settings.md.")
    return value


def _optional(name: str) -> str:
    assert name in SETTINGS, "every setting stands in the table"
    return os.environ.get(name, "").strip()


def runs_on_lambda() -> bool:
    """Whether this is Lambda, as its runtime says; not a setting."""
    return "AWS_LAMBDA_FUNCTION_NAME" in os.environ


def starts_from_snapshot() -> bool:
    """Whether this process is being initialized for a snapshot, as the platform says."""
    return os.environ.get("AWS_LAMBDA_INITIALIZATION_TYPE") == "snap-start"
