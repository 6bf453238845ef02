"""The git hooks run what is in .venv and fetch nothing; CI runs what CONTRIBUTING.md says."""

import re
from pathlib import Path

from pre_commit.clientlib import load_config

ROOT = Path(__file__).resolve().parents[2]


def test_a_commit_needs_no_network() -> None:
    """Every hook is one of this repository and starts a program of .venv; pre-commit would clone anything else."""
    repos = load_config(str(ROOT / ".pre-commit-config.yaml"))["repos"]
    hooks = [hook for repo in repos for hook in repo["hooks"]]

    assert {repo["repo"] for repo in repos} == {"local"}
    assert all(hook["entry"].startswith(".venv/bin/") for hook in hooks)
    # "system", or as newer releases of pre-commit call it: an environment that pre-commit neither makes nor fills.
    assert {hook["language"] for hook in hooks} <= {"system", "unsupported"}
    assert not any(hook.get("additional_dependencies") for hook in hooks)


def test_ci_runs_each_test_once_and_ends_with_their_counts() -> None:
    """What `make coverage` runs, the last step leaves out, and nothing else: together they are all tests."""
    steps = [
        line.split(maxsplit=3) for line in (ROOT / ".ci" / "run").read_text().splitlines() if line.startswith("step ")
    ]
    (covered,) = re.findall(r"--cov-report=term (.*) \$\(ARGS\)", (ROOT / "Makefile").read_text())

    (_, before, _, counted), (_, last, _, rest) = steps[-2:]

    assert (before, last) == ("coverage", "test")
    assert counted == "make coverage"
    assert re.fullmatch(r'make test ARGS="(.*)"', rest), rest
    assert re.findall(r"--ignore=(\S+?)[ \"]", rest) == covered.split()
    assert "-k" not in rest and "-m" not in rest
