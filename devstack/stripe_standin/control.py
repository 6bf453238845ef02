"""Owns the control plane under /_control/: the clock, 3-D Secure, webhooks, faults, books, the request log, reset.

Nothing here exists at Stripe; a program under test uses /v1 only, and whoever stages the test uses this.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from . import (
    accounts,
    books,
    cards,
    charges,
    clock,
    disputes,
    payment_intents,
    payment_methods,
    refunds,
    setup_intents,
    versions,
)
from .context import Call
from .errors import StripeError
from .faults import Fault
from .packing import encode
from .standin import StandIn
from .store import Namespace


class Refused(Exception):
    """A control request that makes no sense; the text says what would."""


def _json(value: Any, status: int = 200) -> Response:
    return Response(encode(value), status, media_type="application/json")


async def _body(request: Request) -> dict[str, Any]:
    raw = await request.body()
    if not raw:
        return {}
    try:
        value = msgspec.json.decode(raw)
    except msgspec.DecodeError as error:
        raise Refused(f"the body is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise Refused("the body must be a JSON object")
    return value


def routes(standin: StandIn) -> list[Route]:
    world = standin.world

    def route(path: str, methods: dict[str, Callable[[Request], Awaitable[Any]]]) -> Route:
        async def serve(request: Request) -> Response:
            # A web page that a developer happens to have open must not move the clock: browsers name where it came
            # from.
            origin = request.headers.get("origin")
            if origin is not None and urlsplit(origin).netloc != request.headers.get("host"):
                return _json({"error": f"a page of {origin} has no business here"}, 403)
            try:
                return _json(await methods[request.method](request))
            except (Refused, ValueError, TypeError) as error:
                return _json({"error": str(error)}, 400)
            except StripeError as error:
                return _json(error.body(), error.status)

        return Route(path, serve, methods=list(methods))

    async def health(request: Request) -> Any:
        return {
            "status": "ok",
            "now": clock.rfc3339(world.clock.now()),
            "accounts": len(world.accounts),
            "payment_intents": sum(len(account.of["payment_intent"]) for account in world.accounts.values()),
            "events": sum(len(account.of["event"]) for account in world.accounts.values()),
            "idempotency_keys": len(standin.keys),
            "requests": standin.log.total,
        }

    async def read_clock(request: Request) -> Any:
        due = world.clock.next_due()
        return {
            "now": clock.rfc3339(world.clock.now()),
            "real_time": world.clock.real_time,
            "next_due": None if due is None else clock.rfc3339(due),
            "expiry_lag_seconds": world.expiry_lag_seconds,
        }

    async def move_clock(request: Request) -> Any:
        given = await _body(request)
        if "expiry_lag_seconds" in given:
            world.expiry_lag_seconds = int(given["expiry_lag_seconds"])
        if "to" in given and "advance_seconds" in given:
            raise Refused("give `to` or `advance_seconds`, not both")
        fired = 0
        try:
            if "to" in given:
                fired = standin.move_clock(clock.parse_time(str(given["to"])))
            elif "advance_seconds" in given:
                fired = standin.move_clock(world.clock.now() + int(given["advance_seconds"]))
            elif "expiry_lag_seconds" not in given:
                raise Refused('give {"to": RFC 3339} or {"advance_seconds": n}')
        except ValueError as error:
            raise Refused(str(error)) from None
        return {**await read_clock(request), "fired": fired}

    async def read_version(request: Request) -> Any:
        return {"api_version": world.api_version, "played": versions.PLAYED}

    async def change_version(request: Request) -> Any:
        given = await _body(request)
        world.api_version = versions.known(str(given.get("api_version")))
        standin.commit()
        return await read_version(request)

    def _owner(kind: str, id: str) -> Namespace:
        for account in world.accounts.values():
            if id in account.of[kind]:
                return account
        raise Refused(f"no such {kind}: {id}")

    async def authenticate(request: Request) -> Any:
        given = await _body(request)
        outcome = given.get("outcome", "succeed")
        if outcome not in ("succeed", "fail"):
            raise Refused("outcome must be succeed or fail")
        if "payment_intent" in given:
            account = _owner("payment_intent", given["payment_intent"])
        elif "setup_intent" in given:
            account = _owner("setup_intent", given["setup_intent"])
        else:
            raise Refused("give payment_intent or setup_intent")
        call = standin.call(account)
        try:
            if "payment_intent" in given:
                intent: Any = account.get("payment_intent", given["payment_intent"])
                payment_intents.authenticate(call, intent, succeeds=outcome == "succeed")
            else:
                intent = account.get("setup_intent", given["setup_intent"])
                setup_intents.authenticate(call, intent, succeeds=outcome == "succeed")
        finally:
            standin.commit()
        return intent

    async def change_card(request: Request) -> Any:
        given = await _body(request)
        method, decline = str(given.get("payment_method")), given.get("decline")
        _owner("payment_method", method)
        if decline is not None and decline not in cards.DECLINES:
            raise Refused(f"decline must be null or one of {', '.join(cards.DECLINES)}")
        world.bank_says[method] = decline
        return {"payment_method": method, "decline": decline}

    async def settle_refund(request: Request) -> Any:
        given = await _body(request)
        account = _owner("refund", str(given.get("refund")))
        call: Call = standin.call(account)
        reason = given.get("failure_reason", "unknown")
        if reason not in refunds.FAILURES:
            raise Refused(f"failure_reason must be one of {', '.join(refunds.FAILURES)}")
        if given.get("outcome") == "fail":
            refunds.fail(call, given["refund"], reason)
        else:
            refunds.settle(call, given["refund"])
        standin.commit()
        return account.get("refund", given["refund"])

    async def open_dispute(request: Request) -> Any:
        given = await _body(request)
        if "payment_intent" in given:
            account = _owner("payment_intent", str(given["payment_intent"]))
            charge_id = account.get("payment_intent", given["payment_intent"]).latest_charge
        else:
            charge_id = given.get("charge")
            account = _owner("charge", str(charge_id))
        charge = account.find("charge", charge_id or "")
        if charge is None or not charge.captured:
            raise Refused("there is no captured charge to dispute")
        kind, call = given.get("kind", "dispute"), standin.call(account)
        if kind == "early_fraud_warning":
            opened: Any = disputes.warn(call, charge)
        elif kind in ("dispute", "inquiry"):
            left = charge.amount_captured - charges.taken_back(account, charge.id)
            amount = int(given.get("amount", left))
            if not 1 <= amount <= left:
                raise Refused(f"of this charge {left} can still be disputed")
            programme = str(given.get("eligible", ""))
            if programme not in ("", disputes.CE3):
                raise Refused(f"eligible must be {disputes.CE3}, or left out")
            reason, inquiry = given.get("reason", "fraudulent"), kind == "inquiry"
            opened = disputes.open_dispute(call, charge, reason, inquiry=inquiry, amount=amount, eligible=programme)
        else:
            raise Refused("kind must be dispute, inquiry or early_fraud_warning")
        standin.commit()
        return opened

    async def decide_dispute(request: Request) -> Any:
        given = await _body(request)
        account = _owner("dispute", str(given.get("dispute")))
        dispute = account.get("dispute", given["dispute"])
        outcome, inquiry = given.get("outcome"), dispute.status.startswith("warning")
        if outcome not in ("won", "lost", "prevented", "escalated"):
            raise Refused("outcome must be won, lost, prevented or, of an inquiry, escalated")
        if dispute.status in disputes.ENDED:
            raise Refused(f"this dispute is {dispute.status} already")
        if outcome == "escalated":
            charge = account.get("charge", dispute.charge)
            if not inquiry or dispute.amount > charge.amount_captured - charges.taken_back(account, charge.id):
                raise Refused("only an inquiry about money that is still there can become a dispute")
            disputes.escalate(standin.call(account), dispute)
        else:
            ends = "warning_closed" if inquiry and outcome != "prevented" else outcome
            disputes.close(standin.call(account), dispute, ends)
        standin.commit()
        return dispute

    async def renew_card(request: Request) -> Any:
        given = await _body(request)
        account = _owner("payment_method", str(given.get("payment_method")))
        method = account.get("payment_method", given["payment_method"])
        try:
            month, year = int(given.get("exp_month", method.card.exp_month)), int(given["exp_year"])
        except (KeyError, ValueError):
            raise Refused("give payment_method, exp_year and, if it changes, exp_month") from None
        payment_methods.renew(standin.call(account), method, month, year)
        standin.commit()
        return method

    async def deauthorize(request: Request) -> Any:
        given = await _body(request)
        id = str(given.get("account"))
        if id == world.platform.id or not accounts.reachable(world, id):
            raise Refused(f"no such connected account: {id}")
        accounts.deauthorize(world, standin.events, id)
        standin.commit()
        return {"account": id, "deauthorized": True}

    async def webhooks(request: Request) -> Any:
        return {**standin.webhooks.counts(), "recent_failures": list(standin.webhooks.log)[-20:]}

    async def drain(request: Request) -> Any:
        given = await _body(request)
        seconds = float(given.get("timeout_seconds", request.query_params.get("timeout_seconds", 10)))
        drained = await standin.webhooks.drain(seconds)
        return {"drained": drained, **standin.webhooks.counts()}

    async def retry(request: Request) -> Any:
        standin.webhooks.retry_now()
        return standin.webhooks.counts()

    async def resend(request: Request) -> Any:
        given = await _body(request)
        account = _owner("event", str(given.get("event")))
        return {"queued": standin.webhooks.redeliver(account, account.get("event", given["event"]))}

    async def read_books(request: Request) -> Any:
        wanted = {
            name[9:-1]: value
            for name, value in request.query_params.items()
            if name.startswith("metadata[") and name.endswith("]")
        }
        return {
            "now": clock.rfc3339(world.clock.now()),
            **books.totals(
                world,
                wanted=wanted,
                by=request.query_params.get("by", "tab") or None,
                account=request.query_params.get("account"),
            ),
        }

    async def read_faults(request: Request) -> Any:
        return {"faults": [rule.shown() for rule in standin.faults.rules], "rate_limit": standin.api.rate_limit}

    async def add_fault(request: Request) -> Any:
        given = await _body(request)
        if "rate_limit" in given:
            standin.api.rate_limit = None if given["rate_limit"] is None else int(given["rate_limit"])
            return await read_faults(request)
        try:
            fault = msgspec.convert(
                {name: value for name, value in given.items() if name not in ("id", "hits", "seen", "dice")}, Fault
            )
            unknown = set(given) - set(Fault.__struct_fields__)
            if unknown:
                raise Refused(f"unknown: {', '.join(sorted(unknown))}")
            return standin.faults.add(fault).shown()
        except (msgspec.ValidationError, ValueError) as error:
            raise Refused(str(error)) from None

    async def remove_faults(request: Request) -> Any:
        id = request.query_params.get("id")
        if id is None:
            standin.api.rate_limit = None
        return {"removed": standin.faults.remove(int(id) if id else None)}

    async def requests(request: Request) -> Any:
        wanted = dict(request.query_params)
        limit = int(wanted.pop("limit", 100))
        allowed = {
            "method",
            "path",
            "route",
            "status",
            "idempotency_key",
            "account",
            "replayed",
            "contains",
            "error_code",
            "request_id",
        }
        if set(wanted) - allowed:
            raise Refused(f"filters are {', '.join(sorted(allowed))} and limit")
        return {
            "total": standin.log.total,
            "counts": dict(sorted(standin.log.counts.items())),
            "requests": standin.log.find(limit=limit, **wanted),
        }

    async def clear_requests(request: Request) -> Any:
        standin.log.clear()
        return {"total": 0}

    async def read_conformance(request: Request) -> Any:
        return {"on": False} if standin.checker is None else standin.checker.shown()

    async def reset(request: Request) -> Any:
        given = await _body(request)
        start = given.get("start")
        try:
            standin.reset(None if start is None else clock.parse_time(str(start)))
        except ValueError as error:
            raise Refused(str(error)) from None
        return await health(request)

    async def unknown(request: Request) -> Any:
        return _json({"error": f"no such call: {request.method} {request.url.path}", "calls": calls}, 404)

    known = [
        route("/_control/health", {"GET": health}),
        route("/_control/clock", {"GET": read_clock, "POST": move_clock}),
        route("/_control/api_version", {"GET": read_version, "POST": change_version}),
        route("/_control/authenticate", {"POST": authenticate}),
        route("/_control/accounts/deauthorize", {"POST": deauthorize}),
        route("/_control/cards", {"POST": change_card}),
        route("/_control/refunds/settle", {"POST": settle_refund}),
        route("/_control/disputes", {"POST": open_dispute}),
        route("/_control/disputes/decide", {"POST": decide_dispute}),
        route("/_control/cards/renew", {"POST": renew_card}),
        route("/_control/webhooks", {"GET": webhooks}),
        route("/_control/webhooks/drain", {"POST": drain}),
        route("/_control/webhooks/retry", {"POST": retry}),
        route("/_control/webhooks/resend", {"POST": resend}),
        route("/_control/books", {"GET": read_books}),
        route("/_control/faults", {"GET": read_faults, "POST": add_fault, "DELETE": remove_faults}),
        route("/_control/requests", {"GET": requests, "DELETE": clear_requests}),
        route("/_control/conformance", {"GET": read_conformance}),
        route("/_control/reset", {"POST": reset}),
    ]
    calls = [f"{method} {row.path}" for row in known for method in sorted(row.methods or ()) if method != "HEAD"]
    return [*known, Route("/_control/{rest:path}", unknown, methods=["GET", "POST", "DELETE"])]
