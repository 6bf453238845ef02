"""The customer's phone: uses a client secret with Stripe (here the stand-in) directly, as the mobile SDK does."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode, urlsplit

from devstack.http import HttpError, JsonClient


class CardDeclined(Exception):
    """The bank declined; `code` and `decline_code` say why."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(error.get("message", "declined"))
        self.code = error.get("code")
        self.decline_code = error.get("decline_code")


class Phone:
    """Confirms payments and card set-ups with the publishable key, as the customer's own device does."""

    def __init__(self, standin: JsonClient) -> None:
        self._stripe = standin

    def pay(self, payment: dict[str, Any], card: str = "pm_card_visa") -> dict[str, Any]:
        """Confirm the charge or hold that the API returned under `payment`. Raises CardDeclined."""
        answer = self._confirm("payment_intents", payment["payment_id"], payment, card)
        return self._authenticated(answer, "payment_intent")

    def pay_on_page(self, payment: dict[str, Any], number: str = "4242424242424242") -> bool:
        """Pay on the page that the API returned, as a browser does; whether it was taken (or had been before)."""
        path = urlsplit(payment["page_url"]).path
        form = urlencode({"number": number, "expiry": "12 / 34", "cvc": "123"}).encode()
        reply = self._stripe.send("POST", path, form, {"Content-Type": "application/x-www-form-urlencoded"})
        return reply.status in (200, 303)

    def save_card(self, setup: dict[str, Any], card: str = "pm_card_visa") -> dict[str, Any]:
        return self._authenticated(self._confirm("setup_intents", setup["setup_id"], setup, card), "setup_intent")

    def _authenticated(self, answer: dict[str, Any], kind: str) -> dict[str, Any]:
        """Authenticate (3-D Secure) if the bank asks for it, as the customer does on the bank's page."""
        if answer["status"] != "requires_action":
            return answer
        confirmed: dict[str, Any] = self._stripe.post(
            "/_control/authenticate", {kind: answer["id"], "outcome": "succeed"}
        )
        return confirmed

    def _confirm(self, kind: str, object_id: str, given: dict[str, Any], card: str) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {given['publishable_key']}"}
        if given.get("account"):
            headers["Stripe-Account"] = given["account"]
        try:
            answer: dict[str, Any] = self._stripe.post_form(
                f"/v1/{kind}/{object_id}/confirm",
                {"client_secret": given["client_secret"], "payment_method": card},
                headers=headers,
            )
        except HttpError as failed:
            if failed.reply.status == 402:
                raise CardDeclined(failed.reply.body["error"]) from None
            raise
        return answer
