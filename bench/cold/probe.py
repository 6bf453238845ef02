"""Starts one function as Lambda does and tells what it took; runs in an interpreter of its own, without site-packages.

Standard library only, and as little of it as can be: whatever is imported here, the function need not import.
"""

import sys
import time


def main(trees, handler, events):
    """`trees`: where imports come from. `events`: a file of JSON, or "" for the start alone."""
    sys.path[0:0] = trees.split(":")
    module, _, name = handler.rpartition(".")
    function = getattr(__import__(module, fromlist=[name]), name)
    ready = time.process_time_ns(), time.monotonic_ns()
    peak_kb = _peak_kb()
    statuses = []
    if events:
        import json

        with open(events) as file:
            for event in json.load(file):
                # An authorizer answers with a policy instead.
                statuses.append(function(event, None).get("statusCode", 0))
    done = time.process_time_ns(), time.monotonic_ns()
    print(*ready, *done, peak_kb, *statuses)


def _peak_kb():
    with open("/proc/self/status") as status:
        return next(line.split()[1] for line in status if line.startswith("VmHWM"))


main(*sys.argv[1:])
