"""FastAPI + Mangum, bare: a route that finds nothing out and says so. Commands as in ours.py."""

from __future__ import annotations

import json
import sys
import time

from fastapi import FastAPI
from mangum import Mangum
from warm import aws_event

api = FastAPI()


@api.get("/v1/tabs/{tab_id}")
async def get_tab(tab_id: str) -> dict[str, str]:
    return {"tab_id": tab_id}


handler = Mangum(api, lifespan="off")


def main() -> None:
    print(json.dumps(["dispatch"]), flush=True)
    for line in sys.stdin:
        events = [aws_event("GET", "/v1/tabs/{tab_id}", tab_id="tab_1") for _ in range(int(line.split()[-1]))]
        began = time.process_time()
        for event in events:
            answer = handler(event, None)
        print(json.dumps(time.process_time() - began), flush=True)
        assert answer["statusCode"] == 200, answer


if __name__ == "__main__":
    main()
