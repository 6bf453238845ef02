"""Owns the command line: `python -m devstack.stripe_standin --port N`."""

from __future__ import annotations

import argparse
import gc
import sys
from pathlib import Path

from .clock import parse_time, rfc3339
from .server import create_app, loopback_socket, make_server


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m devstack.stripe_standin", description="A stateful local stand-in for Stripe."
    )
    parser.add_argument("--port", type=int, required=True, help="0 takes a free one; the address is printed")
    parser.add_argument("--host", default="127.0.0.1", help="loopback only")
    parser.add_argument("--start", default=None, help="where the business clock stands, RFC 3339 (default: now)")
    parser.add_argument("--real-time", action="store_true", help="let the clock run by itself")
    parser.add_argument(
        "--seed", type=int, default=None, help="make ids repeatable (never together with a kept database)"
    )
    parser.add_argument("--state", type=Path, default=None, help="keep everything in this file, kill -9 included")
    parser.add_argument("--check", action="store_true", help="hold every answer against Stripe's OpenAPI document")
    options = parser.parse_args()
    try:
        start = None if options.start is None else parse_time(options.start)
        bound = loopback_socket(options.port, options.host)
        app = create_app(
            start=start, real_time=options.real_time, seed=options.seed, state=options.state, check=options.check
        )
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


if __name__ == "__main__":
    sys.exit(main())
