"""What is done beforehand for a start changes nothing but how long it takes; a function loads its own things only."""

import _sre
import json
import marshal
import os
import re
import shutil
import subprocess
import sys
import typing
from pathlib import Path
from typing import Any

import pytest

import app
from chalicelib import cold_start

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
COMPILED = """
compiled = []
def heard(event, details):
    if event == "compile" and sys._getframe(1).f_globals["__name__"] in ("typing", "chalicelib.cold_start"):
        compiled.append(str(details[0]))
sys.addaudithook(heard)
"""


def start(handler: str, then: str, *, tree: Path = ROOT, first: str = "") -> Any:
    """Load a function in a process of its own, as Lambda does, and return what `then` prints as JSON."""
    module = handler.rpartition(".")[0]
    code = f"import json, sys\nsys.path.insert(0, {str(tree)!r})\n{first}\nimport {module}\n{then}"
    environment = {**os.environ, **SETTINGS, "_HANDLER": handler, "AWS_LAMBDA_FUNCTION_NAME": "test"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=tree, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Our sources with the table that a bundle has."""
    root = tmp_path_factory.mktemp("tree")
    shutil.copytree(ROOT / "chalicelib", root / "chalicelib", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copyfile(ROOT / "app.py", root / "app.py")
    subprocess.run([sys.executable, "-P", ROOT / "devstack" / "package" / "precompile.py", root], cwd=root, check=True)
    return root


def test_every_pattern_of_the_table_is_what_python_compiles(tree: Path) -> None:
    """Compiled beforehand or now, a regular expression is the same."""
    _, _, patterns = marshal.loads((tree / "chalicelib" / "precompiled.bin").read_bytes())

    assert len(patterns) > 50
    for (source, flags), compiled in patterns.items():
        assert _sre.compile(source, *compiled) == re.compile(source, flags)


def test_what_is_in_the_table_is_not_compiled_again(tree: Path) -> None:
    """With the table a start compiles no annotation; what they say is the same."""
    tell = "import msgspec, typing, app\nfrom chalicelib.domain.tab.tab import Tab\nmsgspec.json.Decoder(Tab)\n"
    tell += "print(json.dumps([str(typing.get_type_hints(Tab)), compiled]))"
    hints, without = start("app.app", tell, first=COMPILED)

    same, again = start("app.app", tell, tree=tree, first=COMPILED)

    assert len(without) > 50 and again == []
    assert same == hints


def test_the_table_of_another_python_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytecode of another version would crash the interpreter."""
    cold_start.use(marshal.dumps(((b"another", 0), {}, {})))

    assert not hasattr(typing, "compile")


@pytest.mark.parametrize("handler", HANDLERS)
def test_after_the_start_garbage_is_collected(handler: str) -> None:
    """Whichever module is the function's, it ends its start: else its memory would only ever grow."""
    assert start(handler, "import gc\nprint(json.dumps([gc.isenabled(), gc.get_freeze_count() > 10_000]))") == [
        True,
        True,
    ]


def test_nothing_happens_outside_of_lambda() -> None:
    """On a developer's machine the garbage collector stays as it is."""
    # Python 3.12 begins with some of its own frozen.
    code = "import gc\nfrozen = gc.get_freeze_count()\nimport app, typing\n"
    code += "assert gc.isenabled() and gc.get_freeze_count() == frozen\n"
    code += "assert not hasattr(typing, 'compile')"
    environment = {name: value for name, value in os.environ.items() if name != "_HANDLER"}

    subprocess.run([sys.executable, "-c", code], env=environment, cwd=ROOT, check=True)


NEVER_AT_A_START = {
    "aiohttp",
    "anyio",
    "awscrt",
    "aws_xray_sdk",
    "boto3",
    "httpx",
    "requests",
}
OF_TOKENS = {"cryptography", "jwt"}

OF_SCHEDULES = {
    "chalicelib.handlers.events.reconciliation",
    "chalicelib.usecases.tab.advance_tab",
    "chalicelib.usecases.books.reconcile",
}

PAYING = "from chalicelib.adapters.stripe.gateway import stripe_client\nstripe_client('sk_test_x')"


@pytest.mark.parametrize(
    ("handler", "without"),
    [
        ("app.app", {"stripe", *OF_TOKENS, *OF_SCHEDULES}),
        ("app.webhook", {"stripe", *OF_TOKENS, *OF_SCHEDULES}),
        ("app.advance", {"stripe", *OF_TOKENS}),
        ("app.reconcile", {"stripe", *OF_TOKENS}),
        (
            "chalicelib.handlers.authorizer.authorizer",
            {"stripe", "botocore", "chalicelib.bootstrap", "chalicelib.handlers.api.tabs"},
        ),
    ],
)
def test_a_function_loads_what_it_needs_at_once_and_no_more(handler: str, without: set[str]) -> None:
    """Each of these costs every user of a fresh function a wait: tens of milliseconds, or more."""
    loaded = set(start(handler, "print(json.dumps(sorted(sys.modules)))"))

    assert loaded & (NEVER_AT_A_START | without) == set()


def test_the_authorizer_has_loaded_what_reads_tokens() -> None:
    """At a start Lambda gives more of the processor than for the first request, which would wait for it longer."""
    loaded = set(start("chalicelib.handlers.authorizer.authorizer", "print(json.dumps(sorted(sys.modules)))"))

    assert loaded >= OF_TOKENS | {"urllib.request"}


@pytest.mark.skipif(
    sys.version_info[:2] != (3, 11), reason="another Python's libraries use others at once; it costs time, nothing else"
)
def test_what_can_wait_is_not_loaded_by_a_start_or_a_charge() -> None:
    """Each name in the list is imported by something, and has not been used when a first payment is made."""
    tell = "print(json.dumps([name for name in cold_start.WHEN_USED if type(sys.modules[name]) is not type(sys)]))"

    waiting = start("app.app", f"{PAYING}\nfrom chalicelib import cold_start\n{tell}")

    assert waiting == list(cold_start.WHEN_USED)


@pytest.mark.parametrize("use", ["import asyncio.events", "from asyncio import sleep", "import asyncio\nasyncio.sleep"])
def test_what_was_left_for_later_is_loaded_when_it_is_used(use: str) -> None:
    """However asyncio is asked for, it is the real one."""
    assert start("app.app", f"{use}\nprint(json.dumps(sys.modules['asyncio'].run.__module__))") == "asyncio.runners"


def test_every_function_is_watched() -> None:
    """A function that is added here and not above is not looked at."""
    assert HANDLERS == [
        "app.advance",
        "app.app",
        "app.reconcile",
        "app.webhook",
        "chalicelib.handlers.authorizer.authorizer",
    ]
