#!/bin/sh
# Whoever keeps quiet hours by the country code of a phone number wakes people up: a Russian mobile number may be anywhere
# between Kaliningrad and Kamchatka, an Australian one in any of eight zones, one of them half an hour off the next. A
# North American number, by contrast, is told by its area code. Nobody is called here.
. "$(dirname "$0")/_run.sh"
run phonenumbers==9.0.43 <<'PYTHON'
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import phonenumbers
from phonenumbers.timezone import time_zones_for_number

print("phonenumbers", phonenumbers.__version__)
noon = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
for text, count in (("+79000000000", 16), ("+61491570156", 8), ("+12125550123", 1), ("+491713920001", 1)):
    zones = time_zones_for_number(phonenumbers.parse(text))
    hours = sorted({f"{noon.astimezone(ZoneInfo(zone)):%H:%M}" for zone in zones})
    print(f"{text}: {len(zones)} zones; at noon UTC it is {hours[0]} to {hours[-1]} there")
    assert len(zones) == count, "the zones have changed"
PYTHON
