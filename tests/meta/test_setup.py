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
