"""`make demo`: plays every story on a fresh local stack; exit status 0 only if the money in both books agrees."""

from __future__ import annotations

import argparse
import re
import sys
import time
from datetime import timedelta
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from devstack.reconcile.runs import on_stack
from devstack.reconcile.show import figures
from devstack.stack import DEFAULT_START, Stack, stop_on_signals
from devstack.stories.business import Say, StoryFailed
from devstack.stories.usual import STORIES

PICTURE_WIDTH = 136
"""Columns of the picture in the README: wide enough for a sentence with two ids."""


def main() -> int:
    parser = argparse.ArgumentParser(description="Play Aftertab's stories on a local stack.")
    parser.add_argument("stories", nargs="*", type=int, metavar="N", help="which stories, by number; all by default")
    parser.add_argument(
        "--svg", type=Path, help="also write what is printed as a picture: docs/demo.svg has the stories 1, 3 and 4"
    )
    given = parser.parse_args()
    console = Console(highlight=False, record=given.svg is not None, width=PICTURE_WIDTH if given.svg else None)
    stop_on_signals()
    began = time.monotonic()
    console.print(
        "[bold]Aftertab[/bold]: pay after the service. Starting DynamoDB, Stripe's stand-in and the app …",
        soft_wrap=True,
    )
    failed = 0
    with Stack() as stack:
        console.print(f"ready after {time.monotonic() - began:.1f} s, all of it on 127.0.0.1\n")

        def say(text: str) -> None:
            console.print(f"  [dim]{stack.now():%a %d %b %H:%M}  [/dim]{escape(text)}", soft_wrap=given.svg is None)

        chosen = given.stories or range(1, len(STORIES) + 1)
        for number in chosen:
            story = STORIES[number - 1]
            console.print(f"[bold]{number}  {(story.__doc__ or '').strip()}[/bold]", soft_wrap=given.svg is None)
            try:
                story(stack, say)
                console.print("  [green]✓ [/green]the app's books and Stripe's agree to the cent\n")
            except StoryFailed as difference:
                failed += 1
                console.print(f"  [red]✗ {difference}[/red]\n")
        agrees = _is_reconciled(stack, say)
        total = len(list(chosen))
        console.print(f"{total - failed} stories passed, {failed} failed, in {time.monotonic() - began:.0f} s.")
    if failed or not agrees:
        console.print(f"The servers' logs are in {stack.logs}.")
    else:
        console.print("The servers are stopped. [bold]make serve[/bold] keeps them running, with curl lines to try.")
    if given.svg is not None:
        # Without rich's web fonts, so that a reader of the README sends no request to another host.
        picture = re.sub(r"@font-face \{.*?\}", "", console.export_svg(title="make demo"), flags=re.DOTALL)
        given.svg.write_text(picture)
    return 1 if failed or not agrees else 0


def _is_reconciled(stack: Stack, say: Say) -> bool:
    """Whether reconciliation finds no difference between Stripe's objects and our records of all stories."""
    # Reconciliation leaves changes of the last minutes to the next run.
    stack.move_clock(stack.now() + timedelta(minutes=20))
    stack.sweep()
    stack.move_clock(stack.now() + timedelta(minutes=20))
    report = on_stack(stack, DEFAULT_START)
    for found in report["found"]:
        say(f"✗ {found['code']} of {found['tab_id']}: {found['text']}")
    say(f"Reconciliation: {figures(report)}.\n")
    return not report["found"] and bool(report["complete"]) and not report["in_progress"]


if __name__ == "__main__":
    sys.exit(main())
