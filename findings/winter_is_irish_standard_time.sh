#!/bin/sh
# Babel takes any daylight saving that is not zero for summer. Ireland's and Morocco's is negative: their standard time is
# that of summer, and they save an hour in winter or in Ramadan. So 12:00 on a day in July is "12:00 Greenwich Mean Time" in
# Dublin, and who reads it comes an hour late; January is "Irish Standard Time", which is summer's. ICU, with the same words of
# CLDR, names Dublin's July "Irish Standard Time": to CLDR, daylight time is the one that is ahead.
. "$(dirname "$0")/_run.sh"
run babel==2.19.0 tzdata==2026.6 <<'PYTHON'
import zoneinfo
from datetime import datetime
from importlib.metadata import version

import babel
from babel.dates import format_time

zoneinfo.reset_tzpath(())  # The zones of the package, not of this machine.
seen = {}
for zone, days in (("Europe/Dublin", ((1, 15), (7, 15))), ("Africa/Casablanca", ((1, 15), (3, 1)))):
    for month, day in days:
        noon = datetime(2026, month, day, 12, tzinfo=zoneinfo.ZoneInfo(zone))
        seen[zone, month] = format_time(noon, "full", locale="en_IE")
        print(f"{zone} {noon:%d %B}, {noon:%z}, daylight saving of {noon.dst().total_seconds():+.0f} s: {seen[zone, month]}")
print("babel", babel.__version__, "tzdata", version("tzdata"))
assert seen == {
    ("Europe/Dublin", 1): "12:00:00 Irish Standard Time",
    ("Europe/Dublin", 7): "12:00:00 Greenwich Mean Time",
    ("Africa/Casablanca", 1): "12:00:00 Western European Standard Time",
    ("Africa/Casablanca", 3): "12:00:00 Western European Summer Time",
}, "Babel names them otherwise by now"
PYTHON
