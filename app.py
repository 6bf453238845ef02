"""The Chalice app: routes, authorizer, schedules and readers of stream and queues. The rest is in chalicelib/.

What reads a stream or a queue, and how, is completed in devstack/deploy/mappings.py: Chalice knows only a part of it.
"""

from __future__ import annotations

# First: everything that is loaded after it loads faster (see chalicelib/__init__.py).
from chalicelib import cold_start

# isort: split
from typing import Any

from chalice.app import Chalice, CloudWatchEvent, Cron, DynamoDBEvent, Rate, SNSEvent, SQSEvent

from chalicelib import bootstrap
from chalicelib.handlers import logs, routes
from chalicelib.handlers.api import middleware
from chalicelib.handlers.authorizer import authorizer_routes

logs.configure()

app = Chalice(app_name="aftertab", configure_logs=False)
app.api.binary_types = []  # All bodies are text, which API Gateway must pass on unchanged.
app.register_middleware(middleware.dress, "http")
app.register_blueprint(authorizer_routes)
routes.register(app)


@app.schedule(Rate(5, unit=Rate.MINUTES))
def sweep(event: CloudWatchEvent) -> dict[str, int]:
    """Every five minutes: send every tab that is due to the queue `due`."""
    # Imported here and below: the API should not load what only the other functions need.
    from chalicelib.handlers.events import queues

    return queues.sweep(bootstrap.get_deps())


@app.on_sqs_message(queue="due", batch_size=10, maximum_concurrency=10)
def worker(event: SQSEvent) -> Any:
    """Advance tabs that are due."""
    from chalicelib.handlers.events import queues

    return queues.work(bootstrap.get_deps(), event.to_dict())


@app.on_dynamodb_record(stream_arn="TabTable", batch_size=100, starting_position="TRIM_HORIZON")
def relay(event: DynamoDBEvent) -> Any:
    """Turn new entries of tabs into messages and notices."""
    from chalicelib.handlers.events import stream

    return stream.relay(bootstrap.get_deps(), event.to_dict())


@app.on_sqs_message(queue="post", batch_size=10, maximum_concurrency=10)
def post(event: SQSEvent) -> Any:
    """Hand messages to people over to e-mail or SMS, or record why not."""
    from chalicelib.handlers.events import post as delivery

    return delivery.deliver(bootstrap.get_deps(), event.to_dict())


@app.on_sqs_message(queue="notices", batch_size=10, maximum_concurrency=10)
def notices(event: SQSEvent) -> Any:
    """Record notices for merchants' endpoints, and send them until they are taken."""
    from chalicelib.handlers.events import notices as delivery

    return delivery.deliver(bootstrap.get_deps(), event.to_dict())


@app.on_sns_message(topic="feedback")
def feedback(event: SNSEvent) -> Any:
    """Note what became of mails and texts: delivered, bounced, complained about, stopped."""
    from chalicelib.handlers.events import feedback as reports

    return reports.take(bootstrap.get_deps(), event.to_dict())


@app.schedule(Cron("17", "3", "*", "*", "?", "*"))
def reconcile(event: CloudWatchEvent) -> dict[str, Any]:
    """Every night at 03:17 UTC: compare Stripe's objects of the last days with our records."""
    from chalicelib.handlers.events import reconciliation

    return reconciliation.daily(bootstrap.get_deps())


@app.schedule(Cron("47", "4", "*", "*", "?", "*"))
def figures(event: CloudWatchEvent) -> dict[str, int]:
    """Every night at 04:47 UTC: count each merchant's figures for its owner and its customers."""
    from chalicelib.usecases.trust.figures import refresh_all

    return refresh_all(bootstrap.get_deps())


@app.lambda_function(name="webhook")
def webhook(event: dict[str, Any], context: object) -> dict[str, Any]:
    """The webhook's route as a separate function, so that many customers at once do not delay Stripe's events."""
    answer: dict[str, Any] = app(event, context)
    return answer


@app.lambda_function(name="pages")
def pages(event: dict[str, Any], context: object) -> dict[str, Any]:
    """The customers' pages as a separate function: the API need not load what writes them."""
    answer: dict[str, Any] = app(event, context)
    return answer


cold_start.ready(__name__, routes.prepare)
