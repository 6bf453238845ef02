"""`make check-template`: runs cfn-lint and checkov on the templates of both stages; exit status 0 without findings.

Their exceptions, each with its reason, are in `.chalice/checkov.yaml`; cfn-lint needs none.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
from pathlib import Path

from devstack.deploy.artifacts import Artifacts

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ROOT / ".venv-template" / "bin"
EXCEPTIONS = ROOT / ".chalice" / "checkov.yaml"


def main() -> int:
    parser = argparse.ArgumentParser(prog="make check-template", description=__doc__)
    parser.add_argument("packages", nargs="+", type=Path, help="folders that make package wrote")
    templates = [Artifacts(folder).template_path for folder in parser.parse_args().packages]
    lint = _run("cfn-lint", *map(str, templates))
    files = [argument for template in templates for argument in ("--file", str(template))]
    audit = _run("checkov", "--config-file", str(EXCEPTIONS), "--output", "json", *files)
    failed, passed = _failed(audit.stdout)
    for line in (*lint.stdout.splitlines(), *failed):
        print(line)
    exceptions = len(re.findall(r"^  - CKV", EXCEPTIONS.read_text(), flags=re.MULTILINE))
    resources = sum(len(json.loads(template.read_text())["Resources"]) for template in templates)
    print(
        f"{len(templates)} templates, {resources} resources: cfn-lint {'objects' if lint.returncode else 'agrees'}, "
        f"checkov passed {passed}, failed {len(failed)}, {exceptions} exceptions with their reasons in "
        f"{EXCEPTIONS.relative_to(ROOT)}"
    )
    return 1 if lint.returncode or failed or not passed else 0


def _run(tool: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    # The tools do not get the caller's keys, or a region that would change their result.
    environment = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    done = subprocess.run(
        [str(TOOLS / tool), *arguments], capture_output=True, text=True, check=False, env=environment, cwd=ROOT
    )
    sys.stderr.write(done.stderr)
    return done


def _failed(output: str) -> tuple[list[str], int]:
    """A line for each failed check, and the number of passed checks."""
    report = json.loads(output)
    failed = [
        f"{found['check_id']} {found['resource']}: {found['check_name']} ({found['file_path']})"
        for found in report["results"]["failed_checks"]
    ]
    return failed, report["summary"]["passed"]


if __name__ == "__main__":
    sys.exit(main())
