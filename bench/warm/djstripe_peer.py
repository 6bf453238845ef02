"""dj-stripe on PostgreSQL: its own view takes the event, from WSGI environment to answer. Commands as in ours.py.

Arguments: the folder of PostgreSQL's socket, the base URL of the Stripe stand-in, the event's file.
"""

from __future__ import annotations

import io
import json
import sys
import time
from pathlib import Path
from typing import Any

import django
from django.conf import settings

SOCKET, STRIPE, EVENT = sys.argv[1:4]
SECRET = "whsec_bench"

settings.configure(
    SECRET_KEY="bench",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF="djstripe.urls",
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "djstripe"],
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": "djstripe",
            "USER": "postgres",
            "HOST": SOCKET,
            "CONN_MAX_AGE": None,
        }
    },
    USE_TZ=True,
    DEBUG_PROPAGATE_EXCEPTIONS=True,
    STRIPE_LIVE_MODE=False,
    STRIPE_TEST_SECRET_KEY="sk_test_" + 24 * "b",
    DJSTRIPE_FOREIGN_KEY_TO_FIELD="id",
    # The tables as the models have them, at once: migrating through its history takes a minute.
    MIGRATION_MODULES=dict.fromkeys(("auth", "contenttypes", "djstripe")),
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
)
django.setup()

import stripe  # noqa: E402
from django.core.handlers.wsgi import WSGIHandler  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402
from djstripe.models import WebhookEndpoint  # noqa: E402
from warm import signed  # noqa: E402

stripe.api_base = STRIPE
template = json.loads(Path(EVENT).read_text())
numbers = iter(range(10**9))


def environ(uuid: str) -> dict[str, Any]:
    """A delivery of the event under an id of its own: one that was seen before is not handled again."""
    text, signature = signed({**template, "id": f"evt_djstripe{next(numbers)}"}, SECRET)
    payload = text.encode()
    return {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": f"/webhook/{uuid}/",
        "SERVER_NAME": "bench",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(payload)),
        "HTTP_STRIPE_SIGNATURE": signature,
        "HTTP_HOST": "bench",
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(payload),
        "wsgi.errors": sys.stderr,
    }


def main() -> None:
    call_command("migrate", run_syncdb=True, verbosity=0)
    endpoint = WebhookEndpoint.objects.create(
        id="we_bench",
        url="https://bench.example.com",
        secret=SECRET,
        enabled_events=["*"],
        livemode=False,
        api_version="",
        djstripe_validation_method="verify_signature",
        djstripe_tolerance=300,
    )
    handler = WSGIHandler()
    statements: list[str] = []

    def take(delivery: dict[str, Any]) -> None:
        answers: list[str] = []
        list(handler(delivery, lambda status, headers: answers.append(status)))
        assert answers[0].startswith("200"), answers

    def count(execute: Any, sql: str, params: Any, many: Any, context: Any) -> Any:
        statements.append(sql)
        return execute(sql, params, many, context)

    # The first one also fetches the customer and whatever else the payment refers to.
    take(environ(endpoint.djstripe_uuid))
    with connection.execute_wrapper(count):
        take(environ(endpoint.djstripe_uuid))
    print(f"dj-stripe: {len(statements)} SQL statements for the event", file=sys.stderr)
    print(json.dumps(["webhook"]), flush=True)
    for line in sys.stdin:
        deliveries = [environ(endpoint.djstripe_uuid) for _ in range(int(line.split()[-1]))]
        began = time.process_time()
        for delivery in deliveries:
            take(delivery)
        print(json.dumps(time.process_time() - began), flush=True)


if __name__ == "__main__":
    main()
