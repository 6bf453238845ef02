"""The repository contains nothing private and nothing that depends on one machine."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# Written in pieces, so that this file passes its own tests.
REGISTRIES = [
    "pypi" + ".org",
    "pythonhosted" + ".org",
    "registry.npmjs" + ".org",
    "deb.debian" + ".org",
    "archive.ubuntu" + ".com",
    "proxy.golang" + ".org",
]
# Homes and work folders; /tmp, /usr, /etc, /dev and the like mean the same on every machine.
MACHINE_PATH = re.compile(r"(?<![\w.}~*-])/(?:work|root|home|Users|opt)/[\w.]")
# The prefixes alone are code's business (a live key is recognised by its own); with a body they are a secret.
SECRET = re.compile(
    r"\b(?:(?:sk|rk)_live_[A-Za-z0-9]{8,}|whsec_[A-Za-z0-9+/=]{20,})|-----BEGIN (?:[A-Z]+ )?PRIVATE" + " KEY-----"
)

TOP_LEVEL = [
    ".chalice/config.json",
    ".chalice/resources.json",
    ".ci/run",
    ".github/PULL_REQUEST_TEMPLATE.md",
    ".pre-commit-config.yaml",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "Makefile",
    "README.md",
    "SECURITY.md",
    "app.py",
    "pyproject.toml",
    "requirements-dev.txt",
    "requirements.txt",
]


def tracked() -> list[str]:
    """Return the paths that git tracks and that exist, relative to the root."""
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True).stdout
    return [path for path in listing.split("\0") if path and (ROOT / path).is_file()]


def findings(pattern: re.Pattern[str]) -> list[str]:
    """Return `path:line` for every line of a tracked text file that the pattern occurs in; never the line itself."""
    found = []
    for path in tracked():
        text = (ROOT / path).read_bytes().decode("utf-8", errors="replace")
        found += [f"{path}:{n}" for n, line in enumerate(text.splitlines(), start=1) if pattern.search(line)]
    return found


@pytest.fixture(autouse=True)
def _in_a_checkout() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: nothing is tracked")


def test_no_registry_is_named() -> None:
    """No tracked file names the host of a package registry: where packages come from is each machine's own setting."""
    assert findings(re.compile("|".join(map(re.escape, REGISTRIES)))) == []


def test_no_path_of_one_machine() -> None:
    """No tracked file holds an absolute path into somebody's home or work folder."""
    assert findings(MACHINE_PATH) == []


def test_no_secret() -> None:
    """No tracked file holds a live Stripe key, a webhook secret or a private key."""
    assert findings(SECRET) == []


def test_nothing_that_can_be_made_again_is_tracked() -> None:
    """No virtual environment, cache, log or environment file is tracked."""
    made = re.compile(r"(^|/)(\.venv|__pycache__|\.pytest_cache|\.devstack|\.env$)|\.(pyc|log)$")

    assert [path for path in tracked() if made.search(path)] == []


@pytest.mark.parametrize("path", TOP_LEVEL)
def test_top_level_file_is_tracked(path: str) -> None:
    """What a newcomer, a deployment or CI looks for first is there."""
    assert path in tracked()


def test_ci_and_setup_scripts_can_be_executed() -> None:
    """The scripts that are run by name carry git's executable bit."""
    command = ["git", "ls-files", "--stage", ".ci/run", "devstack/setup.sh"]
    listing = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True).stdout.splitlines()

    assert [line.split()[0] for line in listing] == ["100755", "100755"]
