"""Owns what a person sees: the hosted Checkout page, the bank's 3-D Secure page, and the overview at `/`.

Every value on them is escaped; what paying or authenticating does is decided by `checkout` and the intents.
"""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any, TypeGuard
from urllib.parse import parse_qsl, urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from . import checkout, clock, payment_intents, setup_intents
from .currencies import written
from .errors import StripeError
from .objects import CheckoutSession, EventRow
from .packing import encode
from .standin import StandIn
from .store import Namespace

_HERE = Path(__file__).parent
STYLE = (_HERE / "page.css").read_text(encoding="utf-8")
OVERVIEW = (_HERE / "overview.html").read_text(encoding="utf-8")


_TEST_CARDS = (
    "<details class=note><summary>Test cards</summary><table>"
    + "".join(
        f"<tr><td class=n>{number}<td class=text>{what}"
        for number, what in (
            ("4242 4242 4242 4242", "pays"),
            ("4000 0027 6000 3184", "asks for 3-D Secure, always"),
            ("4000 0025 0000 3155", "asks until it was set up"),
            ("4000 0000 0000 9995", "insufficient funds"),
            ("4000 0000 0000 0341", "can be saved, declines later"),
            ("4000 0000 0000 0259", "is disputed"),
        )
    )
    + "</table></details>"
)


def _times(quantity: int) -> str:
    return f" × {quantity}" if quantity != 1 else ""


def _page(title: str, body: str, status: int = 200) -> HTMLResponse:
    text = (
        f"<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        f"<title>{escape(title)}</title><style>{STYLE}</style>{body}</html>"
    )
    return HTMLResponse(text, status, headers={"Cache-Control": "no-store", "X-Frame-Options": "DENY"})


async def _form(request: Request) -> dict[str, str]:
    return dict(parse_qsl((await request.body()).decode("utf-8", "replace"), keep_blank_values=True))


def routes(standin: StandIn) -> list[Route]:
    world = standin.world

    def owner(kind: str, id: str) -> Namespace | None:
        return next((account for account in world.accounts.values() if id in account.of[kind]), None)

    # --- Checkout

    def form_page(
        session: CheckoutSession, account: Namespace, problem: str = "", status: int = 200, **typed: str
    ) -> HTMLResponse:
        """The form, with what was `typed` before (never the card itself)."""
        plan = account.get("checkout.plan", session.id)
        rows = "".join(
            f"<tr><td class=text>{escape(item['description'])}{_times(item['quantity'])}<td class=n>"
            f"{escape(written(item['amount_total'], item['currency']))}"
            for item in plan.items
        )
        total = ""
        if session.amount_total is not None and session.currency is not None:
            total = written(session.amount_total, session.currency)
        button = f"Pay {total}" if total else "Save card"
        back = f"<a href='{escape(session.cancel_url, quote=True)}'>Back</a>" if _is_web(session.cancel_url) else ""
        email = escape(typed.get("email") or session.customer_email or "", quote=True)
        return _page(
            "Checkout",
            f"<main class=narrow><p class=note>Stripe stand-in · test cards only</p><h1>{escape(button)}</h1>"
            f"<table>{rows}</table>"
            f"<p class=bad role=alert id=problem>{escape(problem)}</p>"
            f"<form method=post><label for=email>Email</label><input id=email name=email type=email value='{email}'>"
            "<label for=number>Card number</label><input id=number name=number inputmode=numeric required "
            "placeholder='4242 4242 4242 4242' autocomplete=off autofocus>"
            "<div class=pair><div><label for=expiry>Expiry (MM / YY)</label>"
            "<input id=expiry name=expiry required placeholder='12 / 34'></div>"
            "<div><label for=cvc>CVC</label><input id=cvc name=cvc required placeholder=123></div></div>"
            "<label for=name>Name on card</label>"
            f"<input id=name name=name value='{escape(typed.get('name') or '', quote=True)}'>"
            f"<button id=pay class=wide>{escape(button)}</button></form>{_TEST_CARDS}{back}</main>",
            status,
        )

    def completed(session: CheckoutSession) -> Response:
        if _is_web(session.success_url):
            url = session.success_url.replace("{CHECKOUT_SESSION_ID}", session.id)
            return RedirectResponse(url, 303)
        return _page("Done", "<main class=narrow><h1>Done</h1><p>You can close this page.</main>")

    async def checkout_page(request: Request) -> Response:
        id = request.path_params["id"]
        account = owner("checkout.session", id)
        if account is None:
            return _page("Not found", "<main class=narrow><h1>No such session</h1></main>", 404)
        session: CheckoutSession = account.get("checkout.session", id)
        if session.status == "complete":
            return completed(session)
        if session.status == "expired":
            return _page("Expired", "<main class=narrow><h1>This page has expired</h1><p>Nothing was paid.</main>", 410)
        if request.method == "GET":
            # Back from a failed 3-D Secure, or the page loaded again after a decline: say why it is still here.
            tried: Any = account.find("payment_intent", session.payment_intent or "")
            tried = tried or account.find("setup_intent", session.setup_intent or "")
            failed = getattr(tried, "last_payment_error", None) or getattr(tried, "last_setup_error", None) or {}
            return form_page(session, account, failed.get("message", ""))
        given = await _form(request)
        typed = {name: given.get(name, "") for name in ("email", "name")}
        month, _, year = given.get("expiry", "").replace(" ", "").partition("/")
        if not (month.isdigit() and year.isdigit()):
            return form_page(session, account, "The expiry date should read MM / YY.", 400, **typed)
        card = {"number": given.get("number", ""), "exp_month": int(month), "exp_year": int(year)}
        if given.get("cvc"):
            card["cvc"] = given["cvc"]
        call = standin.call(account)
        try:
            intent = checkout.pay_by_card(call, session, card, email=typed["email"] or None, name=typed["name"] or None)
        except StripeError as error:
            return form_page(session, account, str(error), error.status, **typed)
        finally:
            standin.commit()
        if intent.status == "requires_action":
            return RedirectResponse(intent.next_action["redirect_to_url"]["url"], 303)
        return completed(session)

    # --- 3-D Secure

    async def bank_page(request: Request) -> Response:
        id = request.path_params["id"]
        kind = "payment_intent" if id.startswith("pi_") else "setup_intent"
        account = owner(kind, id)
        intent: Any = account.get(kind, id) if account is not None else None
        if account is None or intent.client_secret != request.query_params.get("client_secret"):
            return _page("Not found", "<main class=narrow><h1>Nothing to authenticate</h1></main>", 404)
        if request.method == "GET":
            if intent.status != "requires_action":
                return _page("Done", "<main class=narrow><h1>Nothing to authenticate</h1></main>", 409)
            what = ""
            if kind == "payment_intent":
                what = f"<p>{escape(written(intent.amount, intent.currency))} to the merchant of this test."
            return _page(
                "3-D Secure",
                f"<main class=narrow><p class=note>Your bank, played by the Stripe stand-in</p>"
                f"<h1>Is this you?</h1>{what}"
                "<form method=post class=bar>"
                "<button name=outcome value=succeed id=complete>Complete authentication</button>"
                "<button name=outcome value=fail id=fail class=plain>Fail authentication</button></form></main>",
            )
        succeeds = (await _form(request)).get("outcome") == "succeed"
        back = ((intent.next_action or {}).get("redirect_to_url") or {}).get("return_url")
        call = standin.call(account)
        try:
            (payment_intents if kind == "payment_intent" else setup_intents).authenticate(
                call, intent, succeeds=succeeds
            )
        except StripeError as error:
            return _page("Not possible", f"<main class=narrow><h1>{escape(str(error))}</h1></main>", 409)
        finally:
            standin.commit()
        if _is_web(back):
            outcome = "succeeded" if intent.status in ("succeeded", "requires_capture") else "failed"
            query = urlencode({kind: id, f"{kind}_client_secret": intent.client_secret, "redirect_status": outcome})
            return RedirectResponse(f"{back}{'&' if '?' in back else '?'}{query}", 303)
        return _page("Done", f"<main class=narrow><h1>{escape(intent.status)}</h1><p>You can close this page.</main>")

    # --- overview

    async def overview(request: Request) -> Response:
        return _page("Stripe stand-in", OVERVIEW)

    async def overview_data(request: Request) -> Response:
        return Response(encode(_overview(standin)), media_type="application/json")

    return [
        Route("/", overview, methods=["GET"]),
        Route("/_control/overview", overview_data, methods=["GET"]),
        Route("/c/pay/{id}", checkout_page, methods=["GET", "POST"]),
        Route("/3ds/{id}", bank_page, methods=["GET", "POST"]),
    ]


def _is_web(url: str | None) -> TypeGuard[str]:
    """A success_url may be an app's own scheme, which a redirect serves too; javascript: it may not be."""
    return bool(url) and not str(url).lower().lstrip().startswith(("javascript:", "data:"))


def _latest(rows: list[dict[str, Any]], limit: int) -> list[dict[str, Any]]:
    return sorted(rows, key=lambda row: -row["created"])[:limit]


def _newest(account: Namespace, kind: str, limit: int) -> list[Any]:
    found = []
    for row in account.of[kind].newest_first():
        found.append(row)
        if len(found) == limit:
            break
    return found


def _overview(standin: StandIn) -> dict[str, Any]:
    """The newest of everything, over all accounts, small enough to be fetched every second."""
    world = standin.world
    customers, intents, holds, events = [], [], [], []
    now = world.clock.now()
    for account in world.accounts.values():
        customers += [
            {"id": row.id, "name": row.name or row.email or "", "account": account.id, "created": row.created}
            for row in _newest(account, "customer", 15)
        ]
        for row in _newest(account, "payment_intent", 200):
            shown = {
                "id": row.id,
                "account": account.id,
                "amount": written(row.amount, row.currency),
                "status": row.status,
                "customer": row.customer or "",
                "created": row.created,
                "why": row.cancellation_reason or (row.last_payment_error or {}).get("code") or "",
                "page": "",
            }
            if row.status == "requires_action" and row.next_action:
                action = row.next_action.get("redirect_to_url") or {}
                shown["page"] = action.get("url") or row.next_action.get("use_stripe_sdk", {}).get("stripe_js", "")
            intents.append(shown)
            if row.status == "requires_capture":
                charge = account.get("charge", row.latest_charge)
                before = charge.payment_method_details.card.capture_before
                holds.append({**shown, "capture_before": clock.rfc3339(before), "seconds_left": before - now})
        event: EventRow
        for event in _newest(account, "event", 40):
            about = msgspec.json.decode(standin.events.snapshot(event))
            events.append(
                {"id": event.id, "type": event.type, "about": about["id"], "at": clock.rfc3339(event.created),
                 "created": event.created, "pending": event.pending, "account": account.id}
            )  # fmt: skip
    due = world.clock.next_due()
    return {
        "now": clock.rfc3339(now),
        "next_due": None if due is None else clock.rfc3339(due),
        "customers": _latest(customers, 15),
        "payment_intents": _latest(intents, 30),
        "holds": sorted(holds, key=lambda row: row["seconds_left"])[:30],
        "events": _latest(events, 40),
        "webhooks": standin.webhooks.counts(),
        "requests": standin.log.total,
    }
