"""`make token ROLE=staff`: prints a token for the stack that `make serve` keeps running."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from devstack.http import HttpError, JsonClient
from devstack.issuer import ROLES
from devstack.serve import HERE, RUNNING


def main() -> int:
    parser = argparse.ArgumentParser(description="Print a token for the running local stack.")
    parser.add_argument("--role", default="staff", choices=ROLES)
    parser.add_argument("--merchant", help="merchant_id; by default the one that make serve made")
    parser.add_argument("--customer", help="customer_id, for a customer's token")
    parser.add_argument("--folder", type=Path, default=HERE, help="of a second stack, as its make serve prints it")
    given = parser.parse_args()
    running_stack = given.folder / RUNNING
    if not running_stack.exists():
        print("Nothing is running to issue tokens: start it with `make serve` in another shell.", file=sys.stderr)
        return 1
    running = json.loads(running_stack.read_text())
    try:
        answer = JsonClient(running["issuer"]).get(
            "/token",
            role=given.role,
            merchant_id=given.merchant or running["merchant_id"],
            customer_id=given.customer or running["customer_id"],
        )
    except (OSError, HttpError) as failed:
        print(f"The token issuer does not answer ({failed}). Is `make serve` still running?", file=sys.stderr)
        return 1
    print(answer["token"])
    return 0


if __name__ == "__main__":
    sys.exit(main())
