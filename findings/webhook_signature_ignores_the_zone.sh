#!/bin/sh
# standardwebhooks replaces the time zone of the datetime it is given with UTC instead of converting it. The same instant,
# written in Tokyo's time, is signed as nine hours later, and the receiver, with the same library, refuses it as too new.
. "$(dirname "$0")/_run.sh"
run standardwebhooks==1.1.0 tzdata==2025.2 <<'PYTHON'
import base64
from datetime import UTC, datetime
from importlib.metadata import version
from zoneinfo import ZoneInfo

from standardwebhooks import Webhook, WebhookVerificationError

now = datetime.now(UTC).replace(microsecond=0)
webhook = Webhook("whsec_" + base64.b64encode(bytes(24)).decode())
body = '{"type":"tab.closed"}'


def outcome(signed_at: datetime) -> str:
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": webhook.sign("msg_1", signed_at, body),
    }
    try:
        webhook.verify(body, headers)
    except WebhookVerificationError as refused:
        return f"refused: {refused}"
    return "accepted"


here, there = outcome(now), outcome(now.astimezone(ZoneInfo("Asia/Tokyo")))
print("standardwebhooks", version("standardwebhooks"))
print("signed at the instant in UTC:  ", here)
print("signed at the same, in Tokyo:  ", there)
assert here == "accepted"
assert there.startswith("refused"), "the zone of a datetime counts by now"
PYTHON
