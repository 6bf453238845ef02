#!/bin/sh
# A shift from 23:00 to 08:00 lasts eight hours in the night that clocks go forward. icalendar says nine, since Python subtracts
# what clocks show where both times are of one zone (as its documentation says): who bills by the hour bills one too many.
# The other way round, DURATION:PT8H is eight real hours (RFC 5545, 3.3.6: hours are accurate, days and weeks nominal),
# which end at 08:00; icalendar ends such an event at 07:00.
. "$(dirname "$0")/_run.sh"
run icalendar==7.3.2 tzdata==2026.6 <<'PYTHON'
import zoneinfo
from datetime import UTC
from importlib.metadata import version

zoneinfo.reset_tzpath(())  # The zones of the package, not of this machine.
import icalendar


def shift(its_end):
    """The event's duration as icalendar says it, and its hours from start to end as they pass."""
    text = f"""BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//finding//EN
BEGIN:VEVENT
UID:1@example.com
DTSTAMP:20260101T000000Z
DTSTART;TZID=Europe/Berlin:20260328T230000
{its_end}
END:VEVENT
END:VCALENDAR
"""
    [event] = icalendar.Calendar.from_ical(text.replace("\n", "\r\n")).events
    passed = event.end.astimezone(UTC) - event.start.astimezone(UTC)
    print(f"{its_end}: {event.start:%d %b %H:%M} to {event.end:%d %b %H:%M}, said to last {event.duration}; {passed} pass")
    return str(event.duration), str(passed)


print("icalendar", version("icalendar"), "tzdata", version("tzdata"))
assert shift("DTEND;TZID=Europe/Berlin:20260329T080000") == ("9:00:00", "8:00:00"), "hours are those that pass by now"
assert shift("DURATION:PT8H") == ("8:00:00", "7:00:00"), "eight hours are eight by now"
PYTHON
