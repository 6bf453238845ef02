#!/bin/sh
# A function that reads a DynamoDB stream may answer which records it failed on, and Lambda brings them again. ministack
# does so for SQS; for a stream it takes the answer for a success, goes on, and the record is lost.
. "$(dirname "$0")/_run.sh"
run ministack==1.5.33 boto3==1.43.106 <<'PYTHON'
import io
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import zipfile
from importlib.metadata import version

with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]
os.environ.update(AWS_ACCESS_KEY_ID="x", AWS_SECRET_ACCESS_KEY="x", AWS_DEFAULT_REGION="eu-west-1")
settings = {"BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port), "IOT_MTLS_ENABLED": "0", "LAMBDA_EXECUTOR": "local"}
server = subprocess.Popen(
    [sys.executable, "-m", "ministack"], env={**os.environ, **settings}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
)
try:
    import boto3
    from botocore.config import Config

    url = f"http://127.0.0.1:{port}"
    config = Config(retries={"total_max_attempts": 20, "mode": "standard"})
    db, functions, iam = (boto3.client(name, endpoint_url=url, config=config) for name in ("dynamodb", "lambda", "iam"))
    db.create_table(
        TableName="orders",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
    )
    calls = os.path.join(tempfile.mkdtemp(), "calls")
    code = f"""
def fail(event, context):
    numbers = [record["dynamodb"]["SequenceNumber"] for record in event["Records"]]
    open({calls!r}, "a").write("call\\n")
    return {{"batchItemFailures": [{{"itemIdentifier": numbers[0]}}]}}
"""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("handler.py", code)
    role = iam.create_role(RoleName="r", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": []}))
    runtime = f"python3.{sys.version_info.minor}"
    functions.create_function(
        FunctionName="fail", Runtime=runtime, Handler="handler.fail", Role=role["Role"]["Arn"], Code={"ZipFile": packed.getvalue()}
    )
    stream = db.describe_table(TableName="orders")["Table"]["LatestStreamArn"]
    functions.create_event_source_mapping(
        EventSourceArn=stream,
        FunctionName="fail",
        StartingPosition="TRIM_HORIZON",
        FunctionResponseTypes=["ReportBatchItemFailures"],
    )
    db.put_item(TableName="orders", Item={"id": {"S": "1"}})
    time.sleep(10)
    with open(calls) as file:
        made = len(file.readlines())
finally:
    server.terminate()
print("ministack", version("ministack"))
print("calls in ten seconds with a record that fails each time:", made)
assert made == 1, "failures of a stream come again by now"
PYTHON
