"""boto3's client of DynamoDB as it comes, over HTTP, against the same table as ours. Commands as in ours.py."""

from __future__ import annotations

import json
import os
import sys

os.environ |= {"AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench", "AWS_DEFAULT_REGION": "eu-west-1"}

import boto3
from table import Table, end, serve
from warm import cpu_s, dynamodb_calls, dynamodb_items


def main() -> None:
    table = Table()
    table.items, table.is_frozen = dynamodb_items(), True
    url, server = serve(table)
    try:
        calls = dynamodb_calls(boto3.client("dynamodb", endpoint_url=url))
        print(json.dumps(list(calls)), flush=True)
        for line in sys.stdin:
            name, _, times = line.strip().rpartition(" ")
            print(json.dumps(cpu_s(calls[name], int(times))), flush=True)
    finally:
        end(server)


if __name__ == "__main__":
    main()
