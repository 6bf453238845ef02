"""The git hooks run what is in .venv and fetch nothing; CI runs what CONTRIBUTING.md says."""

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


def test_ci_prints_coverage_and_ends_with_the_tests() -> None:
    """Coverage is a step of its own, so that it slows down no other; the counts of all tests come last."""
    steps = [line.split()[1] for line in (ROOT / ".ci" / "run").read_text().splitlines() if line.startswith("step ")]

    assert "coverage" in steps
    assert steps[-1] == "test"
