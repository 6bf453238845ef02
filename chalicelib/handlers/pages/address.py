"""The addresses of pages, as the browser knows them."""

from __future__ import annotations

from chalice.app import Request as HttpRequest

from chalicelib import config


def site_of(http: HttpRequest) -> str:
    """What every page's address begins with: the setting's, or the API's own."""
    if base := config.pages_url():
        return base
    # Of API Gateway's own making; the local server has none, and is asked by the name that it was reached by.
    context = http.context
    host = context.get("domainName")
    is_its_own = str(host).endswith((".amazonaws.com", ".amazonaws.com.cn"))
    stage = f"/{context['stage']}" if context.get("stage") and is_its_own else ""
    return f"https://{host}{stage}" if host else f"http://{http.headers.get('host', 'localhost')}"


def pages_at(http: HttpRequest) -> str:
    """What the address of a guest's page begins with; the secret follows.

    Asked for before a secret is drawn: a wrong setting must not lose one. Raises BadSetting.
    """
    return f"{site_of(http)}/t/"
