#!/bin/sh
# A consumer that answers `batchItemFailures` names the messageId of each message to be delivered again. Chalice's test
# client gives every record of an event the same one: a test in which one of three fails looks the same as all failing.
. "$(dirname "$0")/_run.sh"
run chalice==1.34.0 <<'PYTHON'
import logging
from importlib.metadata import version

from chalice import Chalice
from chalice.test import Client

app = Chalice("finding")


@app.on_sqs_message(queue="orders", batch_size=10)
def consume(event):
    return [record.to_dict()["messageId"] for record in event]


logging.disable()
with Client(app) as client:
    ids = client.lambda_.invoke("consume", client.events.generate_sqs_event(["one", "two", "three"])).payload
print("chalice", version("chalice"))
print("messageIds of three messages:", ids)
assert len(ids) == 3 and len(set(ids)) == 1, "messages have ids of their own by now"
PYTHON
