"""Writes the lock files from pyproject.toml, and knows how to tell whether they still match it.

One lock serves Python 3.11 to 3.13: uv resolves for all of them at once and writes markers where they differ, which
pip-compile cannot do (it resolves for the interpreter that runs it).
"""

import argparse
import hashlib
import json
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RUNTIME = "requirements.txt"
DEVELOPMENT = "requirements-dev.txt"
DIGEST_PREFIX = "# pyproject dependencies: sha256:"
LOWEST_PYTHON = "3.11"


def dependencies_digest(pyproject: dict[str, Any]) -> str:
    """Return the SHA-256, in hex, of everything in a parsed pyproject.toml that decides what gets locked.

    Comments and layout do not count; a changed name, version, marker or supported Python does.
    """
    project = pyproject["project"]
    deciding = {
        "requires-python": project["requires-python"],
        "dependencies": sorted(project["dependencies"]),
        "dependency-groups": {name: sorted(group) for name, group in pyproject["dependency-groups"].items()},
    }
    return hashlib.sha256(json.dumps(deciding, sort_keys=True).encode()).hexdigest()


def header(pyproject: dict[str, Any], purpose: str) -> str:
    """Return the comment lines that open a lock file."""
    return (
        f"# {purpose}\n"
        "# Written by `make lock` from pyproject.toml. Do not edit.\n"
        f"{DIGEST_PREFIX}{dependencies_digest(pyproject)}\n"
    )


def compile_lock(output: str, purpose: str, pyproject: dict[str, Any], *options: str) -> None:
    """Resolve pyproject.toml into `output`, keeping the versions already there wherever they still fit."""
    command = [
        *(sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--universal"),
        *("--python-version", LOWEST_PYTHON, "--generate-hashes", "--strip-extras", "--no-header"),
        *("--no-emit-index-url", "--no-emit-find-links"),
        *options,
        *("pyproject.toml", "--output-file", output),
    ]
    subprocess.run(command, cwd=ROOT, check=True)

    path = ROOT / output
    path.write_text(header(pyproject, purpose) + path.read_text())


def main() -> int:
    """Write both lock files; with --upgrade, move every version to the newest that pyproject.toml allows."""
    parser = argparse.ArgumentParser(prog="make lock", description=main.__doc__)
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions allowed")
    upgrade = ["--upgrade"] if parser.parse_args().upgrade else []

    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text())
    compile_lock(RUNTIME, "What is deployed to Lambda.", pyproject, *upgrade)
    compile_lock(
        DEVELOPMENT,
        "What .venv holds: what is deployed, and what tests, checks and the local stack need on top.",
        pyproject,
        *upgrade,
        *("--group", "dev", "--constraint", RUNTIME),
    )
    print(f"wrote {RUNTIME} and {DEVELOPMENT}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
