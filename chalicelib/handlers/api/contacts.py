"""/v1/customers and /v1/customers/{customer_id}/contact: how customers are reached, and found."""

from __future__ import annotations

from chalicelib.bootstrap import get_deps
from chalicelib.domain.contact import Contact, SearchBy
from chalicelib.domain.errors import InvalidInput
from chalicelib.handlers.api import party_requests, party_views, render_parties, requests
from chalicelib.handlers.api.operations import BUSINESS, CUSTOMER, Call, Query, Reply, Routes
from chalicelib.usecases.parties import contacts

routes = Routes(__name__)

_CONTACT = "/v1/customers/{customer_id}/contact"


@routes.operation(
    "GET",
    "/v1/customers",
    roles=BUSINESS,
    answer=party_views.CustomerList,
    query=(
        *(
            Query(name=by.value, kind=str, description=f"Those with this {by.value}; one of the four.")
            for by in SearchBy
        ),
        Query(name="limit", kind=int, minimum=1, maximum=100, default=25, description="How many, at most."),
        Query(name="cursor", kind=str, description="`next_cursor` of the page before."),
    ),
)
def list_customers(call: Call[None]) -> Reply:
    """List customers, newest first, or find those with a name, e-mail address, phone number or reference."""
    given = [(by, call.query[by.value]) for by in SearchBy if call.query[by.value] is not None]
    if len(given) > 1:
        raise InvalidInput("Search by one thing at a time: name, email, phone or reference.", field=given[1][0].value)
    page = contacts.list_customers(
        get_deps(),
        search=given[0] if given else None,
        limit=call.query["limit"],
        cursor=call.query["cursor"],
        by=call.by,
    )
    return Reply(body=render_parties.customers(page, call.by))


@routes.operation("GET", _CONTACT, roles=BUSINESS | CUSTOMER, answer=party_views.ContactView, tagged=True)
def get_contact(call: Call[None]) -> Reply:
    """Get a customer's contact; customers only their own."""
    return _reply(contacts.get_contact(get_deps(), call.path["customer_id"], by=call.by))


@routes.operation(
    "PUT",
    _CONTACT,
    roles=BUSINESS | CUSTOMER,
    body=party_requests.PutContact,
    answer=party_views.ContactView,
    tagged=True,
)
def put_contact(call: Call[party_requests.PutContact]) -> Reply:
    """Set a customer's contact: name, e-mail address, phone number, language and time zone."""
    body = call.body
    given = contacts.ContactInput(
        name=body.name,
        email=body.email,
        phone=body.phone,
        language=body.language,
        time_zone=body.time_zone,
        sms_consent=body.sms_consent,
    )
    return _reply(contacts.put_contact(get_deps(), call.path["customer_id"], given, request=call.request))


@routes.operation("DELETE", _CONTACT, roles=BUSINESS | CUSTOMER, answer=party_views.ContactView, tagged=True)
def erase_contact(call: Call[requests.Nothing]) -> Reply:
    """Erase how a customer is reached, and what they told. Tabs, books and what proves them stay, without a name."""
    return _reply(contacts.erase_contact(get_deps(), call.path["customer_id"], request=call.request))


@routes.operation(
    "POST",
    "/v1/customers/{customer_id}/opt_out",
    roles=BUSINESS | CUSTOMER,
    body=party_requests.ChooseChannel,
    answer=party_views.ContactView,
    tagged=True,
)
def opt_out(call: Call[party_requests.ChooseChannel]) -> Reply:
    """Send this customer no more messages on a channel."""
    return _reply(contacts.opt_out(get_deps(), call.path["customer_id"], call.body.channel, request=call.request))


@routes.operation(
    "POST",
    "/v1/customers/{customer_id}/opt_in",
    roles=BUSINESS | CUSTOMER,
    body=party_requests.ChooseChannel,
    answer=party_views.ContactView,
    tagged=True,
)
def opt_in(call: Call[party_requests.ChooseChannel]) -> Reply:
    """Allow messages on a channel again; what customers refused themselves, only they allow again."""
    return _reply(contacts.opt_in(get_deps(), call.path["customer_id"], call.body.channel, request=call.request))


def _reply(contact: Contact) -> Reply:
    return Reply(body=render_parties.contact(contact), version=contact.version or None)
