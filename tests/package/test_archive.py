"""The zip and its bytecode: alike from every build, and good for the Python they are for."""

import marshal
import os
import zipfile
from pathlib import Path

import pytest

from devstack.package import archive, compiled


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    (root / "inner").mkdir(parents=True)
    (root / "app.py").write_text("import inner.rule\n")
    (root / "inner" / "rule.py").write_text('NAMES = {"a", "b"}\nassert NAMES\n')
    return root


def test_a_zip_depends_on_nothing_but_what_is_in_it(tree: Path, tmp_path: Path) -> None:
    """Times and modes of the files, and when it is made, leave no trace."""
    archive.pack(tree, tmp_path / "first.zip")
    (tree / "app.py").chmod(0o600)
    os.utime(tree / "app.py", (1_000_000_000, 1_000_000_000))

    archive.pack(tree, tmp_path / "second.zip")

    assert (tmp_path / "first.zip").read_bytes() == (tmp_path / "second.zip").read_bytes()


def test_everybody_may_read_what_was_unpacked(tree: Path, tmp_path: Path) -> None:
    """Lambda runs as a user of its own: files that only their owner may read would not load."""
    (tree / "app.py").chmod(0o600)

    archive.pack(tree, tmp_path / "a.zip")

    with zipfile.ZipFile(tmp_path / "a.zip") as opened:
        assert {entry.external_attr >> 16 for entry in opened.infolist()} == {0o100644}


def test_bytecode_survives_the_zip(tree: Path, tmp_path: Path) -> None:
    """What is compiled here is good after packing and unpacking, which changes every time stamp."""
    compiled.compile_tree(tree)
    archive.pack(tree, tmp_path / "a.zip")

    archive.unpack(tmp_path / "a.zip", tmp_path / "there")

    assert compiled.without_bytecode(tmp_path / "there") == []


def test_a_source_without_good_bytecode_is_found(tree: Path) -> None:
    """A .pyc that is missing, stale or of another Python is named by its source."""
    compiled.compile_tree(tree)
    (tree / "late.py").write_text("")
    (tree / "inner" / "rule.py").write_text("NAMES = set()\n")
    (other,) = (tree / "__pycache__").glob("app.*")
    other.write_bytes(b"\0" * 4 + other.read_bytes()[4:])

    assert compiled.without_bytecode(tree) == ["app.py", "inner/rule.py", "late.py"]


def test_assertions_stay_in(tree: Path) -> None:
    """The domain's invariants are assertions, and the bundle checks them as the tests do."""
    (tree / "app.py").write_text("assert False\n")
    compiled.compile_tree(tree)
    (app,) = (tree / "__pycache__").glob("app.*")

    with pytest.raises(AssertionError):
        exec(marshal.loads(app.read_bytes()[16:]))
