"""/s/{secret}, where a customer tells their story and takes it back, and /stories/{merchant_id}, the block that a
business embeds in its website. GET and HEAD change nothing.
"""

from __future__ import annotations

import hashlib
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from chalice.app import Request as HttpRequest

from chalicelib import bootstrap
from chalicelib.domain.errors import DomainError, InvalidInput
from chalicelib.domain.tab.actions import Action, allowed_actions
from chalicelib.domain.tab.link import is_secret
from chalicelib.domain.tab.story import Place
from chalicelib.domain.trust.story import MOST_CHARACTERS, MOST_NAME_CHARACTERS, Words
from chalicelib.handlers.api.operations import record_id
from chalicelib.handlers.api.text import TextResponse
from chalicelib.handlers.pages.address import site_of
from chalicelib.handlers.pages.answers import (
    Asked,
    answer_with,
    form_of,
    gone,
    headers_of_block,
    html_answer,
    language_of,
    redirect,
)
from chalicelib.ports.pages import Scene
from chalicelib.ports.store import StoreUnavailable
from chalicelib.usecases.links.story_links import find_teller
from chalicelib.usecases.tab.requests import Request
from chalicelib.usecases.trust import stories

if TYPE_CHECKING:
    from chalicelib.domain.contact import Language
    from chalicelib.domain.tab.actor import Actor
    from chalicelib.domain.tab.tab import Tab
    from chalicelib.handlers.pages.form import Form

KEPT_S = 300
"""For so long a browser may keep the block, so what is taken back is gone within minutes."""
_DONE = frozenset({"told", "withdrawn"})


def show(http: HttpRequest, secret: str) -> TextResponse:
    """The page of a story: to tell it, or to see where it is shown and take it back."""
    return answer_with(http, lambda asked: _show(asked, secret))


def act(http: HttpRequest, secret: str, act: str) -> TextResponse:
    """What was sent from the page."""
    return answer_with(http, lambda asked: _act(asked, secret, act))


def block(http: HttpRequest, merchant_id: str) -> TextResponse:
    """The stories of a business, for a frame on its website."""
    return answer_with(http, lambda asked: _block(asked, merchant_id))


def _show(asked: Asked, secret: str) -> TextResponse:
    found = find_teller(asked.deps, secret) if is_secret(secret) else None
    if found is None:
        return gone(asked.http, "story", HTTPStatus.NOT_FOUND)
    done = code if (code := asked.query("done")) in _DONE else ""
    return _page(asked, *found, secret, language_of(asked, ""), done=done)


def _act(asked: Asked, secret: str, name: str) -> TextResponse:
    raw = asked.http.raw_body
    raw = raw if isinstance(raw, bytes) else raw.encode()
    found = find_teller(asked.deps, secret) if is_secret(secret) else None
    if found is None:
        return gone(asked.http, "story", HTTPStatus.NOT_FOUND)
    teller, tab = found
    form, language = form_of(raw), language_of(asked, "")
    if form is None:
        return _page(asked, teller, tab, secret, language, problem="refused")
    language = language_of(asked, form.text("lang"))
    if name in ("preview", "edit"):
        return _page(asked, teller, tab, secret, language, form=form, previews=name == "preview")
    request = Request(
        by=teller,
        record_id=record_id(teller, form.text("key")),
        request_sha256=hashlib.sha256(f"story {tab.tab_id} {name}\n".encode() + raw).hexdigest(),
    )
    try:
        if name == "tell":
            stories.tell_story(asked.deps, tab.tab_id, _words(form, language), request=request)
            done = "told"
        elif name == "withdraw":
            stories.withdraw_story(asked.deps, tab.tab_id, request=request)
            done = "withdrawn"
        else:
            return _page(asked, teller, tab, secret, language, problem="refused")
    except InvalidInput as invalid:
        problem = "places" if invalid.context.get("field") == "places" else "text"
        return _page(asked, teller, tab, secret, language, form=form, previews=problem == "places", problem=problem)
    except DomainError:
        return _page(asked, teller, tab, secret, language, form=form, problem="refused")
    except StoreUnavailable:
        return _page(asked, teller, tab, secret, language, form=form, problem="unavailable")
    return redirect(f"{_address(asked, secret)}?{urlencode({'lang': language.value, 'done': done})}")


def _words(form: Form, language: Language) -> Words:
    known = {place.value: place for place in Place}
    return Words(
        text=form.text("text"),
        name=form.text("name"),
        language=language,
        places=tuple(known[name] for name in form.all("place") if name in known),
    )


def _page(
    asked: Asked,
    teller: Actor,
    tab: Tab,
    secret: str,
    language: Language,
    *,
    form: Form | None = None,
    previews: bool = False,
    done: str = "",
    problem: str = "",
) -> TextResponse:
    deps = asked.deps
    merchant, branding = deps.store.get_merchant_and_branding(tab.merchant_id)
    story = deps.people.find_story(tab.merchant_id, tab.tab_id)
    story = story if story and story.places else None
    values = {
        "business": branding.name or merchant.name,
        "branding": branding,
        "title": tab.title,
        "prefix": _address(asked, secret),
        "key": deps.ids.new("page"),
        "version": tab.version,
        "may_tell": Action.TELL_STORY in allowed_actions(tab, teller, deps.clock.now()),
        "story": story,
        "places": [place.value for place in Place],
        "text": form.text("text") if form else (story.text if story else ""),
        "name": form.text("name") if form else (story.name if story else ""),
        "most": MOST_CHARACTERS,
        "most_of_name": MOST_NAME_CHARACTERS,
        "previews": previews,
        "edits": form is not None and not previews,
        "done": done,
        "problem": problem,
    }
    html = bootstrap.get_pages().write("story", _scene(tab.policy.time_zone, tab.currency, language), values)
    return html_answer(html, HTTPStatus.CONFLICT if problem else HTTPStatus.OK)


def _block(asked: Asked, merchant_id: str) -> TextResponse:
    language = language_of(asked, "")
    found = stories.find_published(asked.deps, merchant_id, Place.WEBSITE)
    if found is None:
        return gone(asked.http, "stories", HTTPStatus.NOT_FOUND)
    values = {
        "business": found.branding.name or found.merchant.name,
        "branding": found.branding,
        "stories": found.stories,
        "counts": found.counts,
    }
    scene = _scene(found.merchant.policy.time_zone, found.merchant.currency, language)
    html = bootstrap.get_pages().write("stories", scene, values)
    headers = {"Content-Type": "text/html; charset=utf-8", **headers_of_block(KEPT_S)}
    return TextResponse(html, headers=headers, status_code=int(HTTPStatus.OK))


def _address(asked: Asked, secret: str) -> str:
    return f"{site_of(asked.http)}/s/{quote(secret, safe='')}"


def _scene(time_zone: str, currency: str, language: Language) -> Scene:
    return Scene(language=language, time_zone=time_zone, currency=currency)
