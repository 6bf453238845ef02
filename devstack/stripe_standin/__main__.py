"""Owns the command line: `python -m devstack.stripe_standin --port N`."""

from __future__ import annotations

import argparse
import errno
import gc
import socket
import sys
from pathlib import Path

from .clock import parse_time, rfc3339
from .server import create_app, loopback_socket, make_server

EXAMPLES = """\
examples:
  python -m devstack.stripe_standin --port 8010
      then StripeClient("sk_test_x", base_addresses={"api": "http://127.0.0.1:8010"}), and open the address in a browser
  python -m devstack.stripe_standin --port 8010 --start 2026-01-05T09:00:00Z --state stripe.state
      a clock that moves only when told to, and a memory that survives kill -9
  curl -X POST 127.0.0.1:8010/_control/clock -d '{"advance_seconds": 604800}'
      seven days later: holds have expired, webhooks were sent

What it plays, how it is controlled and how it is made to fail: docs/stripe-standin.md.
"""


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m devstack.stripe_standin",
        description="A stateful local stand-in for Stripe's API. Takes any sk_test_, rk_test_ or pk_test_ key.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--port", type=int, required=True, metavar="N", help="where to listen; 0 takes a free one, which is printed")
    add("--host", default="127.0.0.1", help="a loopback address (default: 127.0.0.1)")
    add("--start", metavar="TIME", help="where the business clock stands, RFC 3339 (default: now, or where it stood)")
    add("--real-time", action="store_true", help="let the business clock run by itself")
    add("--state", type=Path, metavar="FILE", help="keep everything in FILE across restarts, kill -9 included")
    add("--seed", type=int, metavar="N", help="make ids repeatable (not together with --state)")
    add("--api-version", metavar="VERSION", help="the account's, for whoever names none (default: the newest)")
    add("--check", action="store_true", help="hold every answer and event against Stripe's OpenAPI document")
    return parser


def main() -> int:
    parser = arguments()
    options = parser.parse_args()
    if options.seed is not None and options.state is not None:
        parser.error("--seed would hand out the ids of --state again: give one of them")
    try:
        start = None if options.start is None else parse_time(options.start)
        # The state first: of two started by mistake, the second says that the file is in use.
        app = create_app(
            start=start,
            real_time=options.real_time,
            seed=options.seed,
            state=options.state,
            check=options.check,
            api_version=options.api_version,
        )
        try:
            bound = listen(options.port, options.host)
        except (ValueError, OSError):
            app.standin.abandon()
            raise
    except (ValueError, OSError) as error:
        print(f"stripe stand-in: {error}", file=sys.stderr)
        return 2
    server = make_server(app, bound)
    world = app.standin.world
    print(f"Stripe stand-in at {world.base_url} · clock {rfc3339(world.clock.now())} · any sk_test_ key", flush=True)
    # What was imported lives as long as the process: the collector need not look at it again.
    gc.collect()
    gc.freeze()
    server.run(sockets=[bound])
    return 0


def listen(port: int, host: str) -> socket.socket:
    """Raises OSError and ValueError that say what to do."""
    if not 0 <= port <= 65535:
        raise ValueError(f"there is no port {port}: 0 takes a free one")
    try:
        return loopback_socket(port, host)
    except OSError as error:
        hint = (
            f"port {port} is in use; --port 0 takes a free one" if error.errno == errno.EADDRINUSE else error.strerror
        )
        raise OSError(f"cannot listen on {host}: {hint}") from None


if __name__ == "__main__":
    sys.exit(main())
