"""A function as Lambda runs it, from an unpacked bundle: an event a line from standard input, a line of JSON for each.

    python -I -S -B function.py TREE module.handler

Started for a request, it is a cold start: interpreter, imports, clients and the request itself. Standard library only.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any


def main(tree: str, handler: str) -> None:
    sys.path.insert(0, tree)
    module, _, name = handler.rpartition(".")
    function = getattr(__import__(module, fromlist=[name]), name)
    for line in sys.stdin:
        asked = json.loads(line)
        act = rendering(asked["secret"]) if "secret" in asked else partial(function, asked["event"], None)
        answer, cpu_s = repeated(act, asked["times"])
        print(json.dumps({"answer": answer, "cpu_s": cpu_s}), flush=True)


def repeated(act: Callable[[], Any], times: int) -> tuple[Any, float]:
    began = time.process_time()
    for _ in range(times):
        answer = act()
    return answer, time.process_time() - began


def rendering(secret: str) -> Callable[[], Any]:
    """What is left of a page's request once all is read."""
    from chalicelib import bootstrap
    from chalicelib.domain.contact import Language
    from chalicelib.handlers.pages import acts, view
    from chalicelib.ports.pages import Scene
    from chalicelib.usecases.links.admit import admit
    from chalicelib.usecases.tab.read_page import read_page

    deps = bootstrap.get_deps()
    visit = admit(deps, secret)
    merchant, branding, entries = read_page(deps, visit.tab)
    scene = Scene(language=Language.ENGLISH, time_zone=visit.tab.policy.time_zone, currency=visit.tab.currency)
    rest = {"prefix": "/t/x", "key": "page_1", "notice": None, "given": acts.Form({}).given}

    def render() -> int:
        now = deps.clock.now()
        values = view.tab_page(visit.tab, merchant, branding, entries, by=visit.guest, now=now)
        return len(bootstrap.get_pages().write("tab", scene, {**values, **rest, "opened": "", "tag": '"1"'}))

    return render


if __name__ == "__main__":
    main(*sys.argv[1:])
