#!/bin/sh
# boto3 gives DynamoDB's numbers as Decimal, and frameworks for Lambda write a Decimal into JSON without complaint, each in its
# own way. chalice makes a float of it, so that one of 16 digits is off by one. Powertools writes a string; with validation
# switched on a number; and a string again where the function's annotation says that it returns Decimals. FastAPI does the latter two.
. "$(dirname "$0")/_run.sh"
run chalice==1.34.0 aws-lambda-powertools==3.37.0 fastapi==0.165.0 httpx==0.28.1 pydantic==2.14.4 boto3==1.43.106 <<'PYTHON'
import asyncio
from decimal import Decimal
from importlib.metadata import version

import httpx
from aws_lambda_powertools.event_handler import APIGatewayRestResolver
from boto3.dynamodb.types import TypeDeserializer
from chalice import Chalice
from chalice.test import Client
from fastapi import FastAPI

item = {"tip": {"N": "1050"}, "sum": {"N": "9007199254740993"}}
read = {name: TypeDeserializer().deserialize(value) for name, value in item.items()}


def plain():
    return read


def annotated() -> dict[str, Decimal]:
    return read


def from_chalice():
    app = Chalice("finding")
    app.route("/item")(plain)
    with Client(app) as client:
        return client.http.get("/item").body.decode()


def from_powertools(function, enable_validation):
    app = APIGatewayRestResolver(enable_validation=enable_validation)
    app.get("/item")(function)
    event = {"path": "/item", "httpMethod": "GET", "resource": "/item", "requestContext": {"stage": "$default"}}
    return app.resolve(event, None)["body"]


def from_fastapi(function):
    app = FastAPI()
    app.get("/item")(function)
    return asyncio.run(ask(app)).text


async def ask(app):
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://finding") as client:
        return await client.get("/item")


seen = {
    "chalice": from_chalice(),
    "Powertools": from_powertools(plain, False),
    "Powertools, validation": from_powertools(plain, True),
    "Powertools, validation, annotated": from_powertools(annotated, True),
    "FastAPI": from_fastapi(plain),
    "FastAPI, annotated": from_fastapi(annotated),
}
print(*(f"{name} {version(name)}" for name in ("chalice", "aws-lambda-powertools", "fastapi", "boto3")), sep=", ")
for name, body in seen.items():
    print(f"{name + ':':35}{body}")
floats = '{"tip":1050.0,"sum":9007199254740992.0}'
numbers, texts = '{"tip":1050,"sum":9007199254740993}', '{"tip":"1050","sum":"9007199254740993"}'
assert list(seen.values()) == [floats, texts, numbers, texts, numbers, texts], "they answer otherwise by now"
PYTHON
