"""`make clients`: lints the OpenAPI document, generates clients from it, and lets three of them play.

Two linters read it without a warning. Six generators make clients of it, unmodified, with their defaults; what can be
compiled here is compiled, strictly. Three of the clients play a walk-in and an appointment against the local stack.
Exit status 0 only if all of that comes out. Needs node with npm; the generators' packages are kept in .devstack/clients
and .venv-clients.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path

from devstack.stack import Stack, stop_on_signals
from devstack.stories.business import Business

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
WORK = ROOT / ".devstack" / "clients"
PYTHON = ROOT / ".venv-clients" / "bin"
LINTERS = ("@redocly/cli@2.77.0", "@stoplight/spectral-cli@6.16.3")
GENERATORS = (
    "@hey-api/openapi-ts@0.95.0",
    "openapi-typescript@7.13.0",
    "openapi-fetch@0.17.0",
    "orval@7.13.2",
    "typescript@5.9.3",
    "esbuild@0.25.12",
)
"""typescript 7 and what needs it are left for later: no released generator of the three runs on it."""
NATIVE = ("swift6", "kotlin")
"""Generated with validation, and compiled where a toolchain is: there is none for their libraries on this machine."""
LIMIT_S = 240


class Failed(Exception):
    """A step did not come out; the text is what its program said."""


def run(*command: str, cwd: Path = WORK, env: Mapping[str, str] | None = None) -> str:
    done = subprocess.run(
        command,
        cwd=cwd,
        # The Python generator calls ruff, which is installed beside it.
        env={**os.environ, "PATH": f"{PYTHON}:{os.environ['PATH']}", "NO_COLOR": "1", "CI": "1", **(env or {})},
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    said = done.stdout + done.stderr
    if done.returncode:
        raise Failed(f"{' '.join(command)}\n{said[-6000:]}")
    return said


def npm(folder: str, *packages: str) -> Path:
    """The folder of commands of these packages, installed once."""
    target = WORK / folder
    done = target / "done"
    if not done.exists() or done.read_text() != " ".join(packages):
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        options = ("--no-save", "--no-package-lock", "--ignore-scripts", "--no-audit", "--no-fund")
        run("npm", "install", "--prefix", str(target), *options, *packages)
        done.write_text(" ".join(packages))
    return target / "node_modules" / ".bin"


def lint() -> str:
    commands = npm("linters", *LINTERS)
    asked = (str(commands / "redocly"), "lint", "--config", str(HERE / "redocly.yaml"), "--format=json")
    said = run(*asked, "openapi.json")
    # Warnings are no failure of its own. What it says beside the document is about itself.
    found = json.JSONDecoder().raw_decode(said[said.index("{") :])[0]
    if any(found["totals"][kind] for kind in ("errors", "warnings", "ignored")):
        raise Failed(json.dumps(found["problems"])[:6000])
    run(str(commands / "spectral"), "lint", "-r", str(HERE / "spectral.yaml"), "-F", "hint", "openapi.json")
    return "redocly and spectral: no error, no warning"


def python_client() -> str:
    target = WORK / "python"
    made = ("openapi-python-client", "generate", "--path", "openapi.json", "--output-path")
    said = run(str(PYTHON / made[0]), *made[1:], str(target / "aftertab_client"), "--meta", "none", "--overwrite")
    if "WARNING" in said.upper():
        raise Failed(said[-6000:])
    shutil.copyfile(HERE / "players" / "play.py", target / "play.py")
    config = str(HERE / "mypy.ini")
    checked = run(str(PYTHON / "mypy"), "--config-file", config, "--cache-dir", ".mypy_cache", ".", cwd=target)
    return f"openapi-python-client: {checked.strip()}"


def typescript_clients() -> str:
    commands, source = npm("generators", *GENERATORS), WORK / "generators" / "src"
    shutil.rmtree(source, ignore_errors=True)
    shutil.copytree(HERE / "players", source, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    folder = source.parent
    for name in ("tsconfig.json", "orval.config.cjs"):
        shutil.copyfile(HERE / name, folder / name)
    shutil.copyfile(WORK / "openapi.json", folder / "openapi.json")
    run(str(commands / "openapi-ts"), "-i", "openapi.json", "-o", "src/made/hey-api", cwd=folder)
    run(
        str(commands / "openapi-typescript"),
        "openapi.json",
        "-o",
        "src/made/openapi-typescript/schema.d.ts",
        cwd=folder,
    )
    run(str(commands / "orval"), "--config", "orval.config.cjs", cwd=folder)
    run(str(commands / "tsc"), "-p", "tsconfig.json", cwd=folder)
    for player in ("hey-api", "openapi-fetch"):
        esbuild = (str(commands / "esbuild"), f"src/{player}.ts", "--bundle", "--format=esm", "--platform=neutral")
        run(*esbuild, "--main-fields=module,main", f"--outfile={player}.mjs", "--log-level=warning", cwd=folder)
    return "@hey-api/openapi-ts, openapi-typescript with openapi-fetch, orval: tsc --strict finds no error"


def native_clients() -> str:
    for generator in NATIVE:
        target = WORK / generator
        shutil.rmtree(target, ignore_errors=True)
        run(str(PYTHON / "openapi-generator-cli"), "generate", "-i", "openapi.json", "-g", generator, "-o", str(target))
    return f"openapi-generator {' and '.join(NATIVE)}: generated with validation, not compiled here"


def play(stack: Stack, command: tuple[str, ...], cwd: Path) -> None:
    """A business of its own for each player; two hours to the appointment."""
    business = Business(stack, lambda line: None, name="Salon Iris")
    customer = business.customer("Ana")
    settings = {
        "API_URL": stack.app_url,
        "STRIPE_URL": stack.standin.base_url,
        "STAFF_TOKEN": business.staff.token,
        "CUSTOMER_TOKEN": customer.api.token,
        "CUSTOMER_ID": customer.customer_id,
        "STARTS_AT": (stack.now() + timedelta(hours=2)).isoformat(),
    }
    run(*command, cwd=cwd, env=settings)


def players() -> str:
    commands = {
        "openapi-python-client": ((str(PYTHON / "python"), "play.py"), WORK / "python"),
        "@hey-api/openapi-ts": (("node", "hey-api.mjs"), WORK / "generators"),
        "openapi-fetch": (("node", "openapi-fetch.mjs"), WORK / "generators"),
    }
    with Stack() as stack:
        for command, cwd in commands.values():
            play(stack, command, cwd)
    return f"{', '.join(commands)}: a walk-in and an appointment each, paid and closed"


STEPS: Mapping[str, Callable[[], str]] = {
    "lint": lint,
    "python": python_client,
    "typescript": typescript_clients,
    "native": native_clients,
    "play": players,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="make clients", description=__doc__)
    parser.add_argument("steps", nargs="*", choices=[[], *STEPS], help="by default all")
    wanted = parser.parse_args().steps or list(STEPS)
    if shutil.which("npm") is None:
        print("make clients needs node with npm: install Node 20 or later (nodejs.org says how).", file=sys.stderr)
        return 1
    stop_on_signals()
    WORK.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(ROOT / "docs" / "openapi.json", WORK / "openapi.json")
    failed = 0
    for name in wanted:
        began = time.monotonic()
        try:
            said = STEPS[name]()
        except (Failed, subprocess.TimeoutExpired) as failure:
            failed += 1
            said = f"FAILED\n{failure}"
        print(f"{name}, {time.monotonic() - began:.0f} s: {said}", flush=True)
    print(f"{len(wanted) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
