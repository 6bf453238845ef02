"""What Python compiles at every start, compiled for good: annotations and regular expressions.

Neither is kept in a .pyc, because Python only meets them while running. So everything that is deployed is loaded here
once, out of the unpacked bundle, and what was compiled meanwhile is written into a table: source → what it is compiled
to. chalicelib/cold_start.py looks there first.

Run by itself (`python -S -P precompile.py TREE`), so that nothing but the bundle is loaded.
"""

from __future__ import annotations

import _sre  # type: ignore[import-not-found]
import importlib.util
import marshal
import os
import pkgutil
import re
import sys
import typing
from pathlib import Path
from types import CodeType
from typing import Any

SETTINGS = {
    "AFTERTAB_STAGE": "none",
    "AFTERTAB_TABLE": "none",
    "AWS_DEFAULT_REGION": "eu-west-1",
    "AWS_ACCESS_KEY_ID": "none",
    "AWS_SECRET_ACCESS_KEY": "none",
    "STRIPE_SECRET_KEY": "sk_test_none",
    "STRIPE_PUBLISHABLE_KEY": "pk_test_none",
    "STRIPE_WEBHOOK_SECRET": "none",
}
"""Enough to make the clients; nothing is called."""


class Recorder:
    """Stands for what compiles while everything is loaded."""

    def __init__(self) -> None:
        self.annotations: dict[tuple[Any, ...], bytes] = {}
        self.patterns: dict[tuple[str | bytes, int], tuple[Any, ...]] = {}
        compiler: Any = re._compiler  # type: ignore[attr-defined]
        self._compile = compiler.compile
        self._wanted: tuple[str | bytes, int] | None = None
        typing.compile = self._annotation  # type: ignore[attr-defined]
        compiler.compile = self._pattern
        compiler._sre = self

    def __getattr__(self, name: str) -> Any:
        return getattr(_sre, name)

    def _annotation(self, source: str, *how: Any) -> CodeType:
        # Without this module's __future__, as typing would.
        code: CodeType = compile(source, *how, dont_inherit=True)
        self.annotations[source, *how] = marshal.dumps(code)
        return code

    def _pattern(self, source: str | bytes, flags: int = 0) -> Any:
        self._wanted = (source, int(flags))
        return self._compile(source, flags)

    def compile(self, source: str | bytes, flags: int, code: list[int], *groups: Any) -> Any:
        """In place of _sre.compile, which is handed what a pattern was compiled to."""
        assert self._wanted is not None
        # Plain numbers, where the compiler has constants with names.
        self.patterns[self._wanted] = (int(flags), [int(each) for each in code], *groups)
        return _sre.compile(source, flags, code, *groups)

    def table(self) -> bytes:
        versions = importlib.util.MAGIC_NUMBER, _sre.MAGIC
        patterns = {key: (*rest[:3], dict(rest[3]), tuple(rest[4])) for key, rest in self.patterns.items()}
        return marshal.dumps((versions, self.annotations, patterns))


def load_everything(tree: Path) -> None:
    """Import every module of ours, and make the clients."""
    sys.path.insert(0, str(tree))
    # Whatever else is set where the package is made is no affair of the package.
    os.environ.clear()
    os.environ.update(SETTINGS)
    import app  # noqa: F401
    import chalicelib

    for module in pkgutil.walk_packages(chalicelib.__path__, "chalicelib."):
        importlib.import_module(module.name)
    from chalicelib import bootstrap

    deps = bootstrap.deps()
    assert deps.gateway.publishable_key
    importlib.import_module("jwt")


if __name__ == "__main__":
    root = Path(sys.argv[1])
    recorder = Recorder()
    load_everything(root)
    (root / "chalicelib" / "precompiled.bin").write_bytes(recorder.table())
