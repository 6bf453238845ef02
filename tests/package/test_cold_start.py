"""A start collects no garbage and loads what its function needs, no more."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

import app
from chalicelib import cold_start
from chalicelib.domain.tab.tab import Tab

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = {
    "AFTERTAB_STAGE": "dev",
    "AFTERTAB_TABLE": "t",
    "AWS_DEFAULT_REGION": "eu-west-1",
    "AWS_ACCESS_KEY_ID": "x",
    "AWS_SECRET_ACCESS_KEY": "y",
}
HANDLERS = sorted(
    {
        "app.app",
        *(function.handler_string for function in app.app.pure_lambda_functions),
        *(source.handler_string for source in app.app.event_sources),
        *(authorizer.handler_string for authorizer in app.app.builtin_auth_handlers),
    }
)


def start(handler: str, then: str, **more: str) -> Any:
    """Load a function in a process of its own, as Lambda does, and return what `then` prints as JSON.

    `more`: of the environment.
    """
    module = handler.rpartition(".")[0]
    code = f"import json, sys\nsys.path.insert(0, {str(ROOT)!r})\nimport {module}\n{then}"
    environment = {**os.environ, **SETTINGS, "_HANDLER": handler, "AWS_LAMBDA_FUNCTION_NAME": "test", **more}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("handler", HANDLERS)
def test_after_the_start_garbage_is_collected(handler: str) -> None:
    """Whichever module is the function's, it ends its start: else its memory would only ever grow."""
    state = "[gc.isenabled(), gc.get_freeze_count() > 10_000, gc.get_threshold()[0]]"

    assert start(handler, f"import gc\nprint(json.dumps({state}))") == [True, True, cold_start.BETWEEN_COLLECTIONS]


def test_nothing_happens_outside_of_lambda() -> None:
    """On a developer's machine the garbage collector stays as it is."""
    # Python 3.12 begins with some of its own frozen.
    code = "import gc\nbefore = gc.get_freeze_count(), gc.get_threshold()\nimport app\n"
    code += "assert gc.isenabled() and (gc.get_freeze_count(), gc.get_threshold()) == before"
    environment = {name: value for name, value in os.environ.items() if name != "_HANDLER"}

    subprocess.run([sys.executable, "-c", code], env=environment, cwd=ROOT, check=True)


NEVER_AT_A_START = {
    "aiohttp",
    "anyio",
    "awscrt",
    "aws_xray_sdk",
    # Of words: imported when a message is written.
    "babel",
    "jinja2",
    "httpx",
    "requests",
}
OF_TOKENS = {"cryptography", "jwt"}

OF_SCHEDULES = {
    "chalicelib.handlers.events.queues",
    "chalicelib.handlers.events.reconciliation",
    "chalicelib.handlers.events.stream",
    "chalicelib.adapters.aws.queues",
    "chalicelib.usecases.tab.advance_tab",
    "chalicelib.usecases.books.reconcile",
    "chalicelib.usecases.news.notices",
    "chalicelib.usecases.news.post",
    "chalicelib.usecases.news.relay",
}


OF_OTHER_ROUTES = {
    *(
        f"chalicelib.handlers.api.{name}"
        for name in ("agenda", "bills", "bill_requests", "endpoints", "fields", "openapi", "requests", "timeline")
    ),
    *(f"chalicelib.handlers.api.{name}_views" for name in ("link", "listing", "news", "party")),
    "chalicelib.handlers.api.tabs",
    # Of those: what a tab is read, shown and handled without.
    *("chalicelib.domain.contact", "chalicelib.domain.news", "zoneinfo"),
}
OF_FORMS = {
    *(
        "chalicelib.handlers.api.tabs",
        "chalicelib.handlers.pages.acts",
        "chalicelib.usecases.tab.attempts",
        "chalicelib.usecases.tab.carry_out",
    ),
    *("chalicelib.domain.tab.commands.booking", "chalicelib.domain.tab.facts.fact", "chalicelib.domain.news"),
}
"""What a page that is only looked at does without."""
NO_READING = {
    *("chalicelib.domain.tab.commands", "chalicelib.domain.tab.due_steps"),
    # What comes next, and what credits and shares come to: imported for a tab that has any.
    *(
        f"chalicelib.domain.tab.{name}"
        for name in ("agenda", "contest", "crediting", "presenting", "sharing", "telling")
    ),
    *("chalicelib.domain.tab.facts", "chalicelib.domain.trust.credits", "chalicelib.usecases.tab.list_tabs"),
    *("chalicelib.adapters.addresses", "chalicelib.adapters.aws.secrets", "chalicelib.handlers.bearers"),
    *("chalicelib.domain.parties", "chalicelib.domain.books.differences"),
    *(
        "chalicelib.domain.tab.facts.fact",
        "chalicelib.ports.gateway",
        "chalicelib.usecases.tab.attempts",
        "chalicelib.usecases.tab.carry_out",
    ),
    *(f"chalicelib.adapters.dynamodb.{name}" for name in ("deliveries", "links", "notices", "people", "visits")),
}
"""What GET /v1/tabs/{tab_id} does without. An import of a module that is only for types belongs under TYPE_CHECKING."""
OF_PAGES = {"chalicelib.handlers.pages.routes", "http.cookies"}


@pytest.mark.parametrize(
    ("handler", "without"),
    [
        ("app.app", {"stripe", *OF_TOKENS, *OF_SCHEDULES, *OF_OTHER_ROUTES, *OF_PAGES, *NO_READING}),
        ("app.pages", {"stripe", *OF_TOKENS, *OF_SCHEDULES, *OF_FORMS}),
        ("app.webhook", {"stripe", *OF_TOKENS, *OF_SCHEDULES, "chalicelib.handlers.api.tabs", *OF_PAGES}),
        ("app.sweep", {"stripe", *OF_TOKENS}),
        ("app.worker", {"stripe", *OF_TOKENS}),
        ("app.relay", {"stripe", *OF_TOKENS}),
        ("app.post", {"stripe", *OF_TOKENS}),
        ("app.notices", {"stripe", *OF_TOKENS}),
        ("app.feedback", {"stripe", *OF_TOKENS}),
        ("app.figures", {"stripe", *OF_TOKENS}),
        ("app.reconcile", {"stripe", *OF_TOKENS}),
        (
            "chalicelib.handlers.authorizer.authorizer",
            {"stripe", "boto3", "botocore", "chalicelib.bootstrap", "chalicelib.handlers.api.tabs"},
        ),
    ],
)
def test_a_function_loads_what_it_needs_at_once_and_no_more(handler: str, without: set[str]) -> None:
    """Each of these costs every user of a fresh function a wait: tens of milliseconds, or more."""
    loaded = set(start(handler, "print(json.dumps(sorted(sys.modules)))"))

    assert loaded & (NEVER_AT_A_START | without) == set()


def test_a_function_has_loaded_what_its_first_request_needs() -> None:
    """Lambda gives a start more of the processor than the first request."""
    show = "print(json.dumps(sorted(sys.modules)))"

    assert "chalicelib.handlers.api.reading" in start("app.app", show)
    assert "chalicelib.handlers.pages.routes" in start("app.pages", show)
    assert "chalicelib.handlers.events.stripe_webhook" in start("app.webhook", show)


OF_OTHER_BILLS = {
    *(f"chalicelib.handlers.api.{name}" for name in ("listed", "listing", "payments", "requests")),
    *("chalicelib.usecases.tab.exposure", "chalicelib.usecases.tab.payment", "chalicelib.usecases.tab.payment_sheet"),
    # Facts that come long after the payment, if ever.
    *(f"chalicelib.domain.tab.facts.{name}" for name in ("dispute", "evidence", "fraud_warning", "refund")),
}


def test_charging_loads_what_a_charge_takes() -> None:
    """What is told of a payment, and to whom, the relay finds out later; what was promised is in the tab."""
    loaded = set(start("app.app", "import chalicelib.handlers.api.tabs\nprint(json.dumps(sorted(sys.modules)))"))

    others = ("chalicelib.domain.news", "chalicelib.domain.tab.commands.booking", "chalicelib.domain.trust.visit")
    assert not [name for name in loaded if name.startswith(others)]
    assert loaded & (OF_OTHER_BILLS | {"stripe", "zoneinfo"}) == set()


def test_a_tab_is_read_without_evaluating_annotations() -> None:
    """msgspec compiles annotations that are texts when it makes a decoder: an import of `annotations` in a module of a
    tab's structs costs every start."""
    structs, left = set(), [Tab]
    while left:
        kind = left.pop()
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and kind not in structs:
            structs.add(kind)
            left += kind.__annotations__.values()
        left += get_args(kind)

    assert len(structs) > 30
    assert not [kind for kind in structs if any(isinstance(it, str) for it in kind.__annotations__.values())]


def test_a_snapshot_has_all_routes() -> None:
    """Nobody waits while it is made."""
    show = "print(json.dumps(sorted(sys.modules)))"
    loaded = set(start("app.app", show, AWS_LAMBDA_INITIALIZATION_TYPE="snap-start"))

    assert loaded >= {"chalicelib.handlers.api.bills", "chalicelib.handlers.api.endpoints", "stripe"}


def test_the_authorizer_has_loaded_what_reads_tokens() -> None:
    """At a start Lambda gives more of the processor than for the first request, which would wait for it longer."""
    loaded = set(start("chalicelib.handlers.authorizer.authorizer", "print(json.dumps(sorted(sys.modules)))"))

    assert loaded >= OF_TOKENS | {"urllib.request"}


def test_a_snapshot_of_the_authorizer_has_what_looks_links_up() -> None:
    """Nobody waits while it is made, and so no guest waits for the AWS SDK."""
    handler, show = "chalicelib.handlers.authorizer.authorizer", "print(json.dumps(sorted(sys.modules)))"
    loaded = set(start(handler, show, AWS_LAMBDA_INITIALIZATION_TYPE="snap-start"))

    assert loaded >= OF_TOKENS | {"botocore", "chalicelib.adapters.dynamodb.links", "chalicelib.usecases.links.admit"}
    assert loaded & {"stripe", "phonenumbers"} == set()


def test_every_function_is_watched() -> None:
    """A function that is added here and not above is not looked at."""
    assert HANDLERS == [
        "app.app",
        "app.feedback",
        "app.figures",
        "app.notices",
        "app.pages",
        "app.post",
        "app.reconcile",
        "app.relay",
        "app.sweep",
        "app.webhook",
        "app.worker",
        "chalicelib.handlers.authorizer.authorizer",
    ]
