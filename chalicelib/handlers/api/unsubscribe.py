"""/v1/unsubscribe/…: where a mail's link leads. A GET shows a page and changes nothing; a POST stops the mails.

Mail programs post by themselves where the reader asks them to: https://www.rfc-editor.org/rfc/rfc8058. The key in the
address is the only credential, so it is in no log, and the page hands it to nobody.
"""

from __future__ import annotations

from http import HTTPStatus

from chalicelib.bootstrap import get_deps
from chalicelib.domain.contact import Channel, Contact, Language
from chalicelib.domain.errors import NotFound
from chalicelib.handlers.api.operations import PUBLIC, Call, Reply, Routes
from chalicelib.usecases.news import opt_outs

routes = Routes(__name__)

_PATH = "/v1/unsubscribe/{merchant_id}/{customer_id}/{key}"
_HTML = "text/html; charset=utf-8"


@routes.operation("GET", _PATH, roles=PUBLIC, answer=None, media=_HTML)
def show_unsubscribe(call: Call[None]) -> Reply:
    """Ask whether e-mails are to stop. It changes nothing: programs that check mails follow their links."""
    try:
        contact = opt_outs.find_by_key(get_deps(), **call.path)
    except NotFound:
        return _gone(call)
    return _page(contact)


@routes.operation("POST", _PATH, roles=PUBLIC, answer=None, media=_HTML)
def unsubscribe(call: Call[None]) -> Reply:
    """Stop e-mails to this customer of the merchant. Repeated, it changes nothing."""
    try:
        contact = opt_outs.unsubscribe(get_deps(), **call.path)
    except NotFound:
        return _gone(call)
    return _page(contact)


def _page(contact: Contact) -> Reply:
    from chalicelib.handlers.api import unsubscribe_page as pages  # Imported here: few requests show it.

    merchant = get_deps().store.get_merchant(contact.merchant_id)
    kind = pages.DONE if contact.opted_out_of(Channel.EMAIL) else pages.ASK
    html = pages.page(kind, contact.language or merchant.language, merchant.name)
    return Reply(raw=html.encode(), headers=pages.HEADERS)


def _gone(call: Call[None]) -> Reply:
    """In the browser's language, because whose address it was is not known."""
    from chalicelib.handlers.api import unsubscribe_page as pages

    wanted = str(call.http.headers.get("accept-language") or "")[:2].lower()
    language = Language(wanted) if wanted in set(Language) else Language.ENGLISH
    return Reply(raw=pages.page(pages.GONE, language).encode(), headers=pages.HEADERS, status=HTTPStatus.NOT_FOUND)
