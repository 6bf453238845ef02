"""Writes the lock files from pyproject.toml, and checks whether they still match it.

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
PURPOSES = {
    RUNTIME: "What is deployed to Lambda.",
    DEVELOPMENT: "What .venv holds: what is deployed, and what tests, checks and the local stack need on top.",
    "requirements-mutants.txt": "What .venv-mutants holds: what .venv holds, and the mutation tester.",
    "requirements-template.txt": "What .venv-template holds: the checks of the CloudFormation template.",
    "requirements-fuzz.txt": "What .venv-fuzz holds: the client that makes requests from the OpenAPI document.",
    "requirements-clients.txt": "What .venv-clients holds: what makes clients of the OpenAPI document.",
    "requirements-plot.txt": "What .venv-plot holds: what draws the plot of the forecast.",
    "requirements-bench.txt": "What .venv-bench holds: what the benchmarks compare with, and what makes their load.",
}
"""Every lock file, with the description in its header."""
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
        "dependency-groups": {
            name: sorted(json.dumps(entry) for entry in group) for name, group in pyproject["dependency-groups"].items()
        },
        "overrides": sorted(pyproject["tool"]["uv"]["override-dependencies"]),
    }
    return hashlib.sha256(json.dumps(deciding, sort_keys=True).encode()).hexdigest()


def header(pyproject: dict[str, Any], purpose: str) -> str:
    """Return the comment lines that open a lock file."""
    return (
        f"# {purpose}\n"
        "# Written by `make lock` from pyproject.toml. Do not edit.\n"
        f"{DIGEST_PREFIX}{dependencies_digest(pyproject)}\n"
    )


def compile_lock(output: str, pyproject: dict[str, Any], *what: str) -> None:
    """Resolve `what` into `output`, keeping the versions already there wherever they still fit."""
    command = [
        *(sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--universal"),
        *("--python-version", LOWEST_PYTHON, "--generate-hashes", "--strip-extras", "--no-header"),
        *("--no-emit-index-url", "--no-emit-find-links"),
        *what,
        *("--output-file", output),
    ]
    subprocess.run(command, cwd=ROOT, check=True)

    path = ROOT / output
    path.write_text(header(pyproject, PURPOSES[output]) + path.read_text())


def main() -> int:
    """Write the lock files; with --upgrade, move every version to the newest that pyproject.toml allows."""
    parser = argparse.ArgumentParser(prog="make lock", description=main.__doc__)
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions allowed")
    upgrade = ["--upgrade"] if parser.parse_args().upgrade else []

    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text())
    compile_lock(RUNTIME, pyproject, "pyproject.toml", *upgrade)
    # What is tested is what is deployed.
    ours = ("pyproject.toml", "--constraint", RUNTIME, *upgrade)
    compile_lock(DEVELOPMENT, pyproject, *ours, "--group", "dev")
    compile_lock("requirements-mutants.txt", pyproject, *ours, "--constraint", DEVELOPMENT, "--group", "mutants")
    for group in ("template", "fuzz", "clients", "plot", "bench"):
        compile_lock(f"requirements-{group}.txt", pyproject, "--group", f"pyproject.toml:{group}", *upgrade)
    print(f"wrote {', '.join(PURPOSES)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
