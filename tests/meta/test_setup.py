"""devstack/setup.sh, where it must not do what it is made for. That it works is seen by every run of CI."""

import os
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_an_environment_behind_a_link_is_left_alone(tmp_path: Path) -> None:
    """A .venv that is a link may be shared: the script says so and empties nothing."""
    (tmp_path / "tree" / "devstack").mkdir(parents=True)
    shutil.copy(ROOT / "devstack" / "setup.sh", tmp_path / "tree" / "devstack")
    (tmp_path / "tree" / "requirements-dev.txt").write_text("# locks nothing\n")
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "package").touch()
    (tmp_path / "tree" / ".venv").symlink_to(tmp_path / "shared")

    run = subprocess.run(
        ["sh", "devstack/setup.sh"],
        cwd=tmp_path / "tree",
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert run.returncode == 1
    assert "is a link" in run.stderr
    assert (tmp_path / "shared" / "package").exists()


def test_clean_leaves_nothing_that_can_be_made_again(tmp_path: Path) -> None:
    """Whatever .gitignore names is gone after `make clean`, but for what is a person's own; sources stay."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    patterns = [line for line in (ROOT / ".gitignore").read_text().splitlines() if line and not line.startswith("#")]
    made = {pattern: tmp_path / pattern.replace("*", "x").replace("[cod]", "c").rstrip("/") for pattern in patterns}
    for pattern, path in made.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        if pattern.endswith("/"):
            path.mkdir()
            (path / "file").touch()
        else:
            path.touch()
    (tmp_path / "deep" / "__pycache__").mkdir(parents=True)
    (tmp_path / "deep" / "source.py").touch()

    subprocess.run(["make", "clean"], cwd=tmp_path, check=True, capture_output=True, timeout=60)

    theirs = {".env", ".DS_Store", ".idea/", ".vscode/"}
    assert {pattern for pattern, path in made.items() if path.exists()} == theirs
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["source.py"]


def test_what_is_made_is_ignored() -> None:
    """Everything that `make clean` removes by name is out of git, so that none of it is ever committed."""
    clean = (ROOT / "Makefile").read_text().partition("\nclean:")[2]
    named = [
        word for line in clean.splitlines() if "rm -rf ." in line or "rm -rf d" in line for word in line.split()[2:]
    ]
    ignored = subprocess.run(
        ["git", "check-ignore", "--no-index", *(word.replace("*", "x") + "/x" for word in named)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    ).stdout.splitlines()

    assert len(named) > 10
    assert ignored == [word.replace("*", "x") + "/x" for word in named]
