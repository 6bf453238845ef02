"""What botocore loads at every start of a function, and the bundle when something of it is called for.

Each module is kept whole under another name; in its place comes one that fetches it from there. Nothing is left out: a
call through a proxy, or credentials with a date, take their time once. tests/package runs botocore on both.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

PACKAGES: Mapping[str, tuple[str, ...]] = {
    "dateutil/parser": ("parse",),
    "dateutil/tz": ("tzlocal", "tzutc"),
    "jmespath": (),
    "urllib3": (),
}
"""Each with what others import of it by name, to call it later. All else is looked up in the package when needed."""

_PACKAGE = '''"""In place of what loads all of the package at once: that is in _whole, and waits there."""

from importlib import import_module


def __getattr__(name):
    if name.startswith("__"):  # Python asks for those itself.
        raise AttributeError(name)
    try:
        return import_module(f"{__name__}.{name}")
    except ModuleNotFoundError:
        return getattr(import_module(f"{__name__}._whole"), name)
'''
_FUNCTION = """

def NAME(*args, **kwargs):
    return __getattr__("_whole").NAME(*args, **kwargs)
"""
_SESSION = '''"""In place of what connects by urllib3, and loads it when a connection is wanted: ours are not."""


class URLLib3Session:
    def __init__(self, *args, **kwargs):
        self._given = args, kwargs

    def __getattr__(self, name):
        from botocore._whole_httpsession import URLLib3Session as Whole

        args, kwargs = self._given
        self.__dict__ = Whole(*args, **kwargs).__dict__
        self.__class__ = Whole
        return getattr(self, name)
'''
_REST = """

def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(name)
    from botocore import _whole_NAME

    return getattr(_whole_NAME, name)
"""
_IMPORTS = (
    "import urllib3.util\n",
    "from urllib3.connection import HTTPConnection, VerifiedHTTPSConnection\n",
    "from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool\n",
)


def defer(tree: Path) -> None:
    """Raises ValueError where a module does not look as it is known here."""
    for name, functions in PACKAGES.items():
        package = tree / name
        (package / "__init__.py").rename(package / "_whole.py")
        called = "".join(_FUNCTION.replace("NAME", function) for function in functions)
        (package / "__init__.py").write_text(_PACKAGE + called)
    for name, change in (("httpsession", lambda _: _SESSION), ("awsrequest", _without_connections)):
        path, whole = tree / "botocore" / f"{name}.py", tree / "botocore" / f"_whole_{name}.py"
        path.rename(whole)
        path.write_text(change(whole.read_text()) + _REST.replace("NAME", name))


def _without_connections(awsrequest: str) -> str:
    """The module without its classes of connections, which are all those before the first function."""
    for line in _IMPORTS:
        before, after = awsrequest.split(line)
        awsrequest = before + after
    before, after = awsrequest.split("class AWSHTTPResponse(")
    _, after = after.split("def prepare_request_dict(")
    return f"{before}def prepare_request_dict({after}"
