"""Being ready sooner on Lambda: what Python would do anew at every start, done once, when the bundle was made.

`begin` comes before everything else of ours, `ready` when a function's module is loaded. Both do nothing elsewhere.
"""

from __future__ import annotations

import os
import sys
from _thread import allocate_lock
from collections.abc import Callable
from importlib import import_module
from types import CodeType, ModuleType
from typing import Any

TABLE = os.path.join(os.path.dirname(__file__), "precompiled.bin")
"""In a bundle only. Written by devstack/package/precompile.py, which says what is in it."""

ZONES = os.path.join(os.path.dirname(os.path.dirname(__file__)), "tzdata", "zoneinfo")
"""The time zones of a bundle."""
WHEN_USED = (
    "asyncio",
    "configparser",
    "jmespath",
    "mimetypes",
    "msgspec.inspect",
    "shutil",
    "stringprep",
    "sysconfig",
)
"""What libraries import, and no ordinary request of ours uses. asyncio alone, which stripe has for clients that we do
without, takes as long to load as all of our domain."""
_HANDLER = "_HANDLER"
"""In the environment of every Lambda function: `module.function`."""


def begin() -> None:
    """Before anything else of ours is loaded. Every module that is a function's must end with `ready`."""
    if _HANDLER not in os.environ:
        return
    import gc

    # Nothing of what a start makes is garbage: not looking for any saves a twentieth of it.
    gc.disable()
    for name in WHEN_USED:
        _LoadedWhenUsed(name)
    # Else Python loads its build's whole configuration to learn where time zones are. Ours are in the bundle.
    os.environ.setdefault("PYTHONTZPATH", ZONES)
    if os.path.isfile(TABLE):
        with open(TABLE, "rb") as table:
            use(table.read())


def ready(module: str, prepare: Callable[[], object] | None = None) -> None:
    """`module` is loaded, and if it is the function's own, the start is over.

    `prepare` runs before: at a start Lambda gives us more of the processor than it does for the first request.
    """
    if os.environ.get(_HANDLER, "").rpartition(".")[0] != module:
        return
    import gc

    if prepare is not None:
        prepare()
    # What is there now stays: it need never be looked through again.
    gc.freeze()
    gc.enable()


def use(table: bytes) -> None:
    """Take from the table what annotations and regular expressions would be compiled to, if it is there.

    Each is found under exactly what it would be compiled from, so a table can be incomplete, but not wrong. One of
    another Python is not used.
    """
    import _sre  # type: ignore[import-not-found]
    import importlib.util
    import marshal
    import re
    import typing

    # As trustworthy as the .pyc files beside it: it comes with them.
    versions, annotations, patterns = marshal.loads(table)  # noqa: S302
    if versions != (importlib.util.MAGIC_NUMBER, _sre.MAGIC):
        return

    def annotation(source: str, *how: str) -> CodeType:
        found = annotations.get((source, *how))
        # Without this module's __future__, as typing would.
        code: CodeType = compile(source, *how, dont_inherit=True) if found is None else marshal.loads(found)  # noqa: S302
        return code

    compiler: Any = re._compiler  # type: ignore[attr-defined]
    compile_pattern = compiler.compile

    def pattern(source: str | bytes, flags: int = 0) -> Any:
        found = patterns.get((source, flags))
        return compile_pattern(source, flags) if found is None else _sre.compile(source, *found)

    # Both look these names up in themselves each time, and then among the built-in ones.
    typing.compile = annotation  # type: ignore[attr-defined]
    compiler.compile = pattern


_STEPPING_ASIDE = allocate_lock()


class _LoadedWhenUsed(ModuleType):
    """Stands for a module until something of it is asked for.

    Not `importlib.util.LazyLoader`: its modules load themselves at the second `import`, which asks them for their spec.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name)
        sys.modules.setdefault(name, self)

    def __getattr__(self, name: str) -> Any:
        # Of two threads that ask at once, the second must not take out what the first has begun to load.
        with _STEPPING_ASIDE:
            if sys.modules.get(self.__name__) is self:
                del sys.modules[self.__name__]
        return getattr(import_module(self.__name__), name)
