"""A function as Lambda runs it: reads an event a line from standard input, and answers each with a line of JSON.

Started for a request, it is a cold start: interpreter, imports, clients and the request itself.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import app


def main() -> None:
    for line in sys.stdin:
        asked = json.loads(line)
        began = time.process_time()
        for _ in range(asked.get("times", 1)):
            answer = app.app(asked["event"], None)
        print(json.dumps({"answer": answer, "cpu_s": time.process_time() - began}), flush=True)


if __name__ == "__main__":
    main()
