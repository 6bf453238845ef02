"""Which request performs an action: so that no app has to keep a map from `allowed_actions` to addresses.

Written out, because the routes of a resource are loaded when they are needed; a test compares it with them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from msgspec import Raw, Struct, json

from chalicelib.domain.tab.actions import Action
from chalicelib.handlers.api import views

if TYPE_CHECKING:
    from chalicelib.domain.tab.tab import Tab


class ActionRequest(Struct, frozen=True):
    """`path`: with the names of the parts to fill in. `body`: what makes this action of the operation."""

    path: str
    method: Literal["POST"] = "POST"
    body: Mapping[str, str] = {}


_OF_A_TAB = "/v1/tabs/{tab_id}/"
_OBJECTIONS = "/v1/customers/{customer_id}/standing/objections"

REQUESTS: Mapping[Action, ActionRequest] = {action: ActionRequest(_OF_A_TAB + action.value) for action in Action} | {
    Action.SAVE_CARD: ActionRequest("/v1/customers/{customer_id}/setup_intent"),
    Action.OBJECT: ActionRequest(_OBJECTIONS, body={"tab_id": "{tab_id}"}),
    Action.DECIDE_OBJECTION: ActionRequest(_OBJECTIONS + "/{tab_id}/decide"),
    Action.ADD_ITEMS: ActionRequest(_OF_A_TAB + "items"),
    Action.TAKE_CASH: ActionRequest(_OF_A_TAB + "cash"),
    Action.REFUND: ActionRequest(_OF_A_TAB + "refunds"),
    # Which item, and which dispute, the caller chooses.
    Action.VOID_ITEM: ActionRequest(_OF_A_TAB + "items/{item_id}/void"),
    Action.STAGE_EVIDENCE: ActionRequest(_OF_A_TAB + "evidence/{dispute_id}/stage"),
    Action.SUBMIT_EVIDENCE: ActionRequest(_OF_A_TAB + "evidence/{dispute_id}/submit"),
    Action.PAY_ON_PHONE: ActionRequest(_OF_A_TAB + "charges", body={"mode": "on_session"}),
    Action.CHARGE_SAVED_CARD: ActionRequest(_OF_A_TAB + "charges", body={"mode": "off_session"}),
}
"""Action → its request. Most actions are the last part of their path."""


@lru_cache(maxsize=1024)
def _written(actions: tuple[Action, ...]) -> tuple[list[bytes], bool]:
    """The requests as JSON, in the pieces between the tab's ids, and whether the customer's id is to be put in, too."""
    found = []
    for action in actions:
        request = REQUESTS[action]
        found.append(views.ActionView(action=action, method=request.method, path=request.path, body=dict(request.body)))
    written = json.encode(found)
    return written.split(b"{tab_id}"), b"{customer_id}" in written


def of(tab: Tab, actions: Iterable[Action]) -> Raw:
    """The requests for these actions on this tab, as JSON: but for the ids, they are the same for every tab.

    Ids have no character that JSON would write in another way.
    """
    pieces, names_customer = _written(tuple(actions))
    written = tab.tab_id.encode().join(pieces)
    return Raw(written.replace(b"{customer_id}", tab.customer_id.encode()) if names_customer else written)
