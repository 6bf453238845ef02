"""`make visits`: writes the visits of tabs from before there were visits, so that standing and figures count them.

Everything else about visits is the relay's. Done again it writes nothing, and it may be broken off at any time.
"""

from __future__ import annotations

import argparse
import logging
import sys

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib import bootstrap
from chalicelib.handlers.events import visits
from chalicelib.ports.store import StoreUnavailable
from devstack.deploy import account


def main() -> int:
    parser = argparse.ArgumentParser(prog="make visits", description=__doc__)
    parser.add_argument("--stage", default="dev", type=account.stage)
    given = parser.parse_args()
    logging.getLogger("chalicelib").setLevel(logging.ERROR)
    try:
        account.client_of()
        account.use_settings_of(given.stage)
        return 0 if visits.by_hand(bootstrap.get_deps(), print) else 1
    except account.NoAccount as missing:
        print(missing, file=sys.stderr)
        return 2
    except (StoreUnavailable, ClientError, BotoCoreError) as failure:
        print(f"Stopped; what was written stays. Start it again. {failure}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
