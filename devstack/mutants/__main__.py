"""Tries the mutants, each in a fork of one process that has collected the tests and recorded which lines they run.

The tests are tests/unit and tests/usecases, on the store in memory. A mutant is killed when one of them fails. A mutant
that no test notices, that exceeds the time, or that no test runs counts as a survivor.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
from collections import Counter
from pathlib import Path

import pytest

from devstack.mutants.experiment import Experiment
from devstack.mutants.plan import Mutant, mutants_of
from devstack.mutants.results import KILLED, Results

ROOT = Path(__file__).resolve().parents[2]
PARTS = {"domain": "chalicelib/domain", "use cases": "chalicelib/usecases"}
TESTS = ("tests/unit", "tests/usecases")
LEFT_OUT = ("tests/usecases/test_random_stories.py",)
"""Left out, because it reaches a line only by luck; an example must notice the mutant instead."""
RESULTS = ROOT / ".devstack" / "mutants.jsonl"
PROMISED_PERCENT = 90


def main(arguments: list[str]) -> int:
    """Non-zero if a part has fewer of its mutants killed than promised, or not all of them were tried."""
    parser = argparse.ArgumentParser(prog="make mutants", description="Break the rules one at a time.")
    parser.add_argument("--workers", type=int, default=2, help="how many mutants are tried side by side")
    parser.add_argument("--sample", type=int, help="so many of each part, drawn by --seed, instead of all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="those whose name has this in it: money.py, or Tab.balance_minor")
    parser.add_argument("--show", action="store_true", help="print the changes that no test has noticed")
    chosen = parser.parse_args(arguments)

    os.chdir(ROOT)
    parts: dict[str, list[Mutant]] = {}
    for part, folder in PARTS.items():
        found = [mutant for path in sorted(Path(folder).rglob("*.py")) for mutant in mutants_of(path)]
        print(f"{part}: {len(found)} mutants, of which {sum(m.words for m in found)} only change words for people")
        mutants = [mutant for mutant in found if chosen.only in mutant.name and not mutant.words]
        if chosen.sample and chosen.sample < len(mutants):
            mutants = random.Random(chosen.seed).sample(mutants, chosen.sample)
        parts[part] = mutants

    results = Results(RESULTS, ROOT)
    # In random order, so that an interrupted run is a fair sample.
    everything = [mutant for mutants in parts.values() for mutant in mutants]
    random.Random(chosen.seed).shuffle(everything)
    experiment = Experiment(everything, results, workers=chosen.workers)
    if experiment.waiting:
        quiet = ("-q", "--tb=no", "--no-header", "--no-summary", "--capture=no", "-p", "no:cacheprovider")
        left_out = [f"--ignore={path}" for path in LEFT_OUT]
        if code := pytest.main([*quiet, *left_out, *TESTS], plugins=[experiment]):
            return int(code)
    if chosen.show:
        for mutants in parts.values():
            show(mutants, results)
    return report(parts, results)


def show(mutants: list[Mutant], results: Results) -> None:
    """Print every mutant that was not killed, with its change."""
    for mutant in mutants:
        verdict = results.verdicts.get(mutant.name)
        if verdict is not None and verdict.what != KILLED:
            print(f"{mutant.path}:{mutant.line} {mutant.function}: {verdict.what}")
            print(*(f"    {sign} {text}" for sign, text in zip("-+", _change_of(mutant), strict=True)), sep="\n")


def _change_of(mutant: Mutant) -> tuple[str, str]:
    """The code before and after the change; long code only where it differs."""
    begin = max(0, len(os.path.commonprefix((mutant.before, mutant.after))) - 60)
    return mutant.before[begin : begin + 160], mutant.after[begin : begin + 160]


def report(parts: dict[str, list[Mutant]], results: Results) -> int:
    """Print a line of figures for each part."""
    failed = False
    for part, mutants in parts.items():
        if not mutants:
            continue
        counts = Counter(results.verdict_on(mutant) for mutant in mutants)
        percent = 100 * counts[KILLED] / len(mutants)
        failed |= percent < PROMISED_PERCENT
        others = ", ".join(f"{count} {what}" for what, count in sorted(counts.items()) if what != KILLED)
        print(f"{part}: {counts[KILLED]} of {len(mutants)} mutants killed, {percent:.1f} % ({others or 'all'})")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
