"""/t/{secret}: the page of a tab for whoever holds its link or token.

GET and HEAD change nothing, because scanners and previews follow links. A form is sent with the version that it was
made from and a key of its own, goes through the same use cases as the API, and is answered with a redirect.
"""

from __future__ import annotations

import hashlib
import logging
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode, urlsplit

from chalice.app import Request as HttpRequest

from chalicelib import bootstrap
from chalicelib.domain.contact import Language
from chalicelib.domain.errors import DomainError
from chalicelib.domain.tab.link import derived_secret, is_secret
from chalicelib.handlers.api.operations import record_id
from chalicelib.handlers.api.text import TextResponse
from chalicelib.handlers.pages import share_links, view
from chalicelib.handlers.pages.address import pages_at, site_of
from chalicelib.handlers.pages.answers import (
    Asked,
    answer_with,
    form_of,
    gone,
    headers_of,
    html_answer,
    language_of,
    redirect,
)
from chalicelib.handlers.pages.form import Form
from chalicelib.handlers.pages.view import Notice
from chalicelib.ports.deps import Deps
from chalicelib.ports.gateway import GatewayRejected, GatewayUnavailable
from chalicelib.ports.pages import Scene
from chalicelib.ports.store import StoreUnavailable
from chalicelib.usecases.links.admit import Visit, admit
from chalicelib.usecases.tab.read_page import Outcome, find_outcome, read_page
from chalicelib.usecases.tab.requests import Request
from chalicelib.usecases.trust.credits import find_account_of, find_invitation
from chalicelib.usecases.trust.shown import find_shown_integrity

if TYPE_CHECKING:
    from chalicelib.domain.tab.actor import Actor
    from chalicelib.domain.tab.tab import Tab

log = logging.getLogger(__name__)

COOKIE_S = 3600
"""For so long a browser finds back from Stripe's page to the tab that it came from."""
RENEW = "renew"
"""What can be sent from the page of a secret that opens nothing."""
_GIVES_OWN_LINK = {"take_over": {"done": "taken_over"}, "pay": {"back": "1"}}
"""The forms from which a token's guest has a link of their own, and what its page is asked when one is sent again."""
_MARK_LENGTH = 20


def show(http: HttpRequest, secret: str) -> TextResponse:
    """The page of the tab; 304 where it is as the browser has it."""
    return answer_with(http, lambda asked: _show(asked, secret))


def act(http: HttpRequest, secret: str, act: str) -> TextResponse:
    """What was sent from the page."""
    return answer_with(http, lambda asked: _act(asked, secret, act))


def back(http: HttpRequest, mark: str) -> TextResponse:
    """Where Stripe's page leads back to. The tab is found by a cookie, because its address is nobody else's to know."""
    return answer_with(http, lambda asked: _back(asked, mark))


def invitation(http: HttpRequest, code: str) -> TextResponse:
    """What a friend's invitation promises."""
    return answer_with(http, lambda asked: _invitation(asked, code))


def _show(asked: Asked, secret: str) -> TextResponse:
    visit = _visit(asked.deps, secret)
    if visit is None or visit.guest is None or visit.tab is None:
        return _closed_door(asked, visit, secret)
    notice = Notice(code) if (code := asked.query("done")) in view.DONE else None
    if asked.query("back") and notice is None:
        notice = _outcome(asked.deps, visit.tab)
    return _tab_page(asked, visit.tab, visit.guest, secret, notice=notice)


def _act(asked: Asked, secret: str, name: str) -> TextResponse:
    raw = asked.http.raw_body
    raw = raw if isinstance(raw, bytes) else raw.encode()
    from chalicelib.handlers.pages import (
        acts,  # Imported here: a page that is looked at does without all that can be done.
    )

    perform, form = acts.ACTS.get(name), form_of(raw)
    visit = _visit(asked.deps, secret)
    if name == RENEW:
        return _renew(asked, visit, secret)
    if visit is None or visit.guest is None or visit.tab is None:
        return _taken_over(asked, secret, name, form) or _closed_door(asked, visit, secret)
    if perform is None or form is None:
        return _tab_page(asked, visit.tab, visit.guest, secret, notice=Notice("refused", bad=True))
    language = language_of(asked, form.text("lang"))
    mark = _mark(secret)
    sent = acts.Sent(
        deps=asked.deps,
        tab=visit.tab,
        form=form,
        scene=_scene(visit.tab, language),
        request=Request(
            by=visit.guest,
            record_id=record_id(visit.guest, form.text("key")),
            request_sha256=hashlib.sha256(f"page {visit.tab.tab_id} {name}\n".encode() + raw).hexdigest(),
            expected_version=_version(visit.tab, form),
            return_url=f"{site_of(asked.http)}/back/{mark}?lang={language}",
        ),
        secret=secret,
        own_secret=derived_secret(secret, form.text("key")),
        ip=str(asked.http.context.get("identity", {}).get("sourceIp") or ""),
        user_agent=str(asked.headers.get("user-agent") or "")[:256],
    )
    try:
        done = perform(sent)
    except acts.Again as again:
        notice = Notice(again.code, bad=True)
    except DomainError as error:
        notice = Notice(error.code if error.code in view.SAID else "refused", bad=True)
    except (GatewayUnavailable, GatewayRejected, StoreUnavailable) as unavailable:
        log.warning("unavailable: %r", unavailable)
        notice = Notice("unavailable", bad=True)
    else:
        if done.leave_for is not None:
            return redirect(done.leave_for, cookie=_cookie(asked.http, mark, done.secret or secret))
        if done.story_secret is not None:
            return redirect(f"{site_of(asked.http)}/s/{done.story_secret}?{urlencode({'lang': language.value})}")
        said = {"done": done.code} if done.code else {}
        return _to_tab(asked, done.secret or secret, language, **said)
    # As it is now: what was typed stays, the version and the key of the form are new.
    visit = _visit(asked.deps, secret) or visit
    if visit.guest is None or visit.tab is None:
        return _taken_over(asked, secret, name, form) or _closed_door(asked, visit, secret)
    return _tab_page(asked, visit.tab, visit.guest, secret, notice=notice, form=form, opened=name, language=language)


def _taken_over(asked: Asked, secret: str, name: str, form: Form | None) -> TextResponse | None:
    """Where a form that took a token's tab over or paid it leads when it is sent again: the token opens it no more."""
    if name not in _GIVES_OWN_LINK or form is None or not is_secret(secret):
        return None
    own = derived_secret(secret, form.text("key"))
    if admit(asked.deps, own).guest is None:
        return None
    return _to_tab(asked, own, language_of(asked, form.text("lang")), **_GIVES_OWN_LINK[name])


def _to_tab(asked: Asked, secret: str, language: Language, **query: str) -> TextResponse:
    return redirect(f"{pages_at(asked.http)}{secret}?{urlencode({'lang': language.value, **query})}")


def _renew(asked: Asked, visit: Visit | None, secret: str) -> TextResponse:
    """The same answer whatever the secret was: a new link goes to the customer's address, and is shown nowhere."""
    if visit is not None and visit.tab is not None:
        from chalicelib.usecases.links.tab_links import want_link  # Imported here, as above.

        want_link(asked.deps, visit.tab, visit.subject)
    query = urlencode({"lang": language_of(asked, ""), "done": RENEW})
    return redirect(f"{_address(asked.http, secret)}?{query}")


def _back(asked: Asked, mark: str) -> TextResponse:
    secret = _secret_in_cookie(asked.headers.get("cookie", ""), mark)
    if secret is None:
        return gone(asked.http, "back", HTTPStatus.OK)
    return _to_tab(asked, secret, language_of(asked, ""), back="1")


def _visit(deps: Deps, secret: str) -> Visit | None:
    """None for what cannot be a secret: it is refused before anything is read."""
    return admit(deps, secret) if is_secret(secret) else None


def _outcome(deps: Deps, tab: Tab) -> Notice | None:
    """What Stripe says of the payment that the customer comes back from, where we have not heard of it yet."""
    try:
        outcome = find_outcome(deps, tab)
    except (GatewayUnavailable, GatewayRejected):
        return None
    return None if outcome is None else Notice(f"back_{outcome}", bad=outcome == Outcome.OPEN)


def _tab_page(
    asked: Asked,
    tab: Tab,
    by: Actor,
    secret: str,
    *,
    notice: Notice | None = None,
    form: Form | None = None,
    opened: str = "",
    language: Language | None = None,
) -> TextResponse:
    deps = asked.deps
    merchant, branding, entries = read_page(deps, tab)
    language = language or language_of(asked, asked.query("lang"))
    integrity = find_shown_integrity(deps, tab, branding)
    account = find_account_of(deps, tab, by=by)
    values = view.tab_page(tab, merchant, branding, entries, account, by=by, now=deps.clock.now()) | {
        "integrity": integrity,
        "prefix": pages_at(asked.http) + secret,
        "key": deps.ids.new("page"),
        "notice": notice,
        "given": (form or Form({})).given,
        "opened": opened,
        "share_links": share_links.links_of(tab, by, secret, pages_at(asked.http)),
    }
    tag = view.tag_of(values, language, by.rights, integrity)
    if notice is not None and notice.code in view.SETTLING:
        values["may"] -= view.PAYING
    if notice is None and asked.headers.get("if-none-match") == tag:
        return TextResponse("", headers=headers_of(tag), status_code=int(HTTPStatus.NOT_MODIFIED))
    pages = bootstrap.get_pages()
    html = pages.write("tab", _scene(tab, language), values | {"tag": tag})
    status = HTTPStatus.CONFLICT if notice is not None and notice.bad and form is not None else HTTPStatus.OK
    return html_answer(html, status, tag, script=pages.script_sha256())


def _closed_door(asked: Asked, visit: Visit | None, secret: str) -> TextResponse:
    if visit is not None and visit.is_free_token:
        return gone(asked.http, "free", HTTPStatus.OK)
    renew = f"{_address(asked.http, secret)}/{RENEW}?{urlencode({'lang': language_of(asked, '')})}"
    return gone(asked.http, "unknown", HTTPStatus.NOT_FOUND, renew=renew, renewed=asked.query("done") == RENEW)


def _invitation(asked: Asked, code: str) -> TextResponse:
    found = find_invitation(asked.deps, code)
    if found is None:
        return gone(asked.http, "invitation", HTTPStatus.NOT_FOUND)
    language, terms, branding = language_of(asked, ""), found.terms, found.branding
    scene = Scene(language=language, time_zone=found.merchant.policy.time_zone, currency=found.merchant.currency)
    values = {
        "business": branding.name or found.merchant.name,
        "branding": branding,
        "code": code.upper(),
        "address": f"{site_of(asked.http)}/r/{code.upper()}",
        "sum_minor": terms.referral_minor,
        "least_minor": terms.referral_least_minor,
        "pending_s": terms.pending_s,
    }
    return html_answer(bootstrap.get_pages().write("invitation", scene, values), HTTPStatus.OK)


def _address(http: HttpRequest, secret: str) -> str:
    """Of the page of this secret, which may be anything that a visitor has typed."""
    return pages_at(http) + quote(secret, safe="")


def _scene(tab: Tab, language: Language) -> Scene:
    return Scene(language=language, time_zone=tab.policy.time_zone, currency=tab.currency)


def _version(tab: Tab, form: Form) -> int:
    """The version that the form is for: the present one, if all that it was decided on is as it was."""
    return tab.version if form.text("seen") == view.seen_of(tab) else int(form.text("version"))


# Back from Stripe


def _mark(secret: str) -> str:
    """Tells the tabs of one browser apart, and nothing about the secret."""
    return hashlib.sha256(f"back {secret}".encode()).hexdigest()[:_MARK_LENGTH]


def _cookie(http: HttpRequest, mark: str, secret: str) -> str:
    cookie: SimpleCookie = SimpleCookie()
    cookie[f"tab_{mark}"] = secret
    morsel = cookie[f"tab_{mark}"]
    site = urlsplit(site_of(http))
    morsel["path"], morsel["max-age"] = f"{site.path}/back/{mark}", COOKIE_S
    morsel["httponly"], morsel["samesite"], morsel["secure"] = True, "Lax", site.scheme == "https"
    return morsel.OutputString()


def _secret_in_cookie(header: str, mark: str) -> str | None:
    try:
        morsel = SimpleCookie(header).get(f"tab_{mark}")
    except CookieError:
        return None
    return morsel.value if morsel is not None and is_secret(morsel.value) else None
