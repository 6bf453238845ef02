"""Bodies of requests about endpoints. Apart, because only these know the types of notices."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from chalicelib.domain.news.notice import TYPES
from chalicelib.handlers.api.body import Body
from chalicelib.handlers.api.fields import PLAIN, Instant


class EndpointFields(Body):
    """`event_types`: by default all. `ordered`: a notice waits until the earlier ones of its tab are delivered."""

    url: Annotated[str, Meta(min_length=9, max_length=500, examples=["https://example.com/hooks/aftertab"])]
    event_types: Annotated[
        list[Annotated[str, Meta(max_length=64, extra_json_schema={"enum": list(TYPES)})]], Meta(max_length=len(TYPES))
    ] = []
    description: Annotated[str, Meta(max_length=120, pattern=PLAIN)] = ""
    ordered: bool = False


class ReplaySince(Body):
    """`delivered_too`: once more also what was delivered; by default what was given up or held."""

    since: Instant
    delivered_too: bool = False
