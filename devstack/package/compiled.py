"""Compiling a bundle: chalice ships none of the .pyc files, and on Lambda's read-only disk none could be written.

They go by nothing but their place ("unchecked"): a time stamp would not survive the zip. A source that was changed
after it was compiled would not be noticed, so both only ever leave here together.
"""

from __future__ import annotations

import importlib.util
import py_compile
import sys
from pathlib import Path

from chalicelib.adapters.words.environments import compile_templates

TEMPLATES_COMPILED = "chalicelib/adapters/words/compiled"
TASK_ROOT = "/var/task"
"""Where Lambda unpacks a function: what tracebacks show."""
UNCHECKED = b"\x01\x00\x00\x00"


def compile_tree(tree: Path) -> int:
    """Put a .pyc beside every .py; how many. Raises py_compile.PyCompileError."""
    sources = sorted(tree.rglob("*.py"))
    for source in sources:
        py_compile.compile(
            str(source),
            dfile=f"{TASK_ROOT}/{source.relative_to(tree)}",
            doraise=True,
            # The domain asserts its invariants: they stay in.
            optimize=0,
            invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
        )
    return len(sources)


def without_bytecode(tree: Path) -> list[str]:
    """The sources without a .pyc that this Python loads, whatever the time stamps."""
    return [
        str(source.relative_to(tree))
        for source in sorted(tree.rglob("*.py"))
        if not _is_good(Path(importlib.util.cache_from_source(str(source), optimization="")), source)
    ]


def _is_good(compiled: Path, source: Path) -> bool:
    if not compiled.is_file():
        return False
    head = compiled.read_bytes()[:16]
    return head == importlib.util.MAGIC_NUMBER + UNCHECKED + importlib.util.source_hash(source.read_bytes())


def compile_words(tree: Path) -> None:
    """The same for templates, which Jinja2 would compile at each start."""
    folder = tree / TEMPLATES_COMPILED
    folder.mkdir()
    compile_templates(folder)


if __name__ == "__main__":
    compile_tree(Path(sys.argv[1]))
    compile_words(Path(sys.argv[1]))
