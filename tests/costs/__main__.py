"""`make remote-calls`: measure, write the page, and lower the budget where something has become cheaper."""

from __future__ import annotations

import json
import sys

from tests.costs.page import BUDGET, PAGE, budget, excesses, figures, lowered, page
from tests.costs.stories import APPOINTMENT, WALK_IN, measure


def main() -> int:
    measured = measure()
    kept = lowered(budget(), figures(measured))
    PAGE.write_text(page(measured), encoding="utf-8")
    BUDGET.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    grown = excesses(kept, figures(measured))
    for line in grown:
        print(line, file=sys.stderr)
    walk_in, appointment = measured.stories[WALK_IN].usage, measured.stories[APPOINTMENT].usage
    print(
        f"wrote {PAGE.name}: {len(measured.operations)} operations; walk-in {walk_in.transactions} transactions, "
        f"{walk_in.stripe} Stripe call; appointment {appointment.stripe} Stripe calls; {len(grown)} over budget"
    )
    return 1 if grown else 0


if __name__ == "__main__":
    sys.exit(main())
