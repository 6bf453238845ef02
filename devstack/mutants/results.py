"""The verdict of each mutant, written line by line, so that an interrupted run can continue."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from devstack.mutants.plan import Mutant

KILLED, SURVIVED, TIMED_OUT = "killed", "survived", "timed out"
UNTESTED, UNTRIED, NOT_YET = "run by no test", "could not be tried", "not tried yet"
DECIDING = ("chalicelib", "devstack/mutants", "tests")


@dataclass(frozen=True, slots=True)
class Verdict:
    """A verdict. `by`: the test that noticed."""

    what: str
    by: str | None = None


class Results:
    """Verdicts are valid while code and tests are unchanged. Afterwards they say which test to try first."""

    def __init__(self, path: Path, root: Path) -> None:
        self.path = path
        self.code = _fingerprint(root)
        self.verdicts: dict[str, Verdict] = {}
        self.killers: dict[str, str] = {}
        for line in path.read_text().splitlines() if path.exists() else ():
            entry = json.loads(line)
            if entry["by"]:
                self.killers[entry["mutant"]] = entry["by"]
            if entry["code"] == self.code:
                self.verdicts[entry["mutant"]] = Verdict(entry["what"], entry["by"])

    def add(self, mutant: Mutant, verdict: Verdict) -> None:
        self.verdicts[mutant.name] = verdict
        self.path.parent.mkdir(exist_ok=True)
        with self.path.open("a") as file:
            file.write(json.dumps({"code": self.code, "mutant": mutant.name, **asdict(verdict)}) + "\n")

    def verdict_on(self, mutant: Mutant) -> str:
        verdict = self.verdicts.get(mutant.name)
        return verdict.what if verdict else NOT_YET


def _fingerprint(root: Path) -> str:
    digest = hashlib.sha256()
    for folder in DECIDING:
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in (".py", ".txt"):
                digest.update(str(path.relative_to(root)).encode() + path.read_bytes())
    return digest.hexdigest()[:16]
