"""`make months`: months of a merchant's life in memory, day by day, every book checked after every act.

`--days N`, `--customers N`, `--seed N`: the same seed gives the same months. Prints what happened and what was checked;
fails, naming the day and the seed, at the first thing that does not hold.
"""

from __future__ import annotations

import argparse
import logging
import time

from tests.months.town import Town


def main() -> None:
    parser = argparse.ArgumentParser(prog="make months")
    parser.add_argument("--days", type=int, default=180)
    parser.add_argument("--customers", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    began = time.monotonic()
    town = Town(options.customers, options.seed)
    try:
        town.live(options.days)
        town.come_to_rest()
    except AssertionError:
        print(f"months: broken on day {town.day} of --customers {options.customers} --seed {options.seed}")
        raise
    for what, times in sorted(town.counts.items()):
        print(f"{times:7,}  {what}")
    for what, times in sorted(town.books.checked.items()):
        print(f"{times:7,}  checked: {what}")
    print(
        f"months: {options.days} days of {len(town.people)} customers and {town.tabs} tabs, seed {options.seed}: "
        f"everything holds ({time.monotonic() - began:.0f} s)"
    )


if __name__ == "__main__":
    main()
