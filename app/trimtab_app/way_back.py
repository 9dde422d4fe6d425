"""After sign-in, back to the page and the query that were asked for.

Streamlit sends whoever has signed in to the first page. This stands around it: every page that a
browser asks for is kept in a cookie of that browser, and the answer to the provider leads there.
"""

from __future__ import annotations

from collections.abc import Collection
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE = "trimtab_asked_for"
KEPT_S = 900
"""How long one may take to sign in."""
MAX_CHARACTERS = 2000
_PLAIN = "/?=&%+,:;@!$'()*~-._"


class WayBack:
    """ASGI middleware; `pages` are the paths that are led back to, `callback` the provider's."""

    def __init__(self, app: ASGIApp, pages: Collection[str], callback: str) -> None:
        self.app = app
        self.pages = frozenset(pages)
        self.callback = callback

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        path = scope.get("path", "")
        if scope["type"] != "http" or scope["method"] != "GET":
            await self.app(scope, receive, send)
        elif path == self.callback and (target := self._kept(scope)):
            await self.app(scope, receive, _changing(send, b"location", target, statuses=(302,)))
        elif path in self.pages:
            query = scope.get("query_string", b"").decode("ascii", "replace")
            kept = quote(f"{path}?{query}" if query else path, safe="")[:MAX_CHARACTERS]
            cookie = f"{COOKIE}={kept}; Path=/; Max-Age={KEPT_S}; HttpOnly; SameSite=Lax"
            await self.app(scope, receive, _changing(send, b"set-cookie", cookie))
        else:
            await self.app(scope, receive, send)

    def _kept(self, scope: Scope) -> str:
        """Where the browser's cookie leads, one of our own pages; nothing otherwise."""
        given = b"; ".join(value for name, value in scope["headers"] if name == b"cookie")
        try:
            found = SimpleCookie(given.decode("latin-1")).get(COOKIE)
            asked = urlsplit(unquote(found.value if found else ""))
        except (CookieError, ValueError):
            return ""
        if asked.scheme or asked.netloc or asked.path not in self.pages:
            return ""
        return quote(f"{asked.path}?{asked.query}" if asked.query else asked.path, safe=_PLAIN)


def _changing(send: Send, name: bytes, value: str, statuses: Collection[int] = ()) -> Send:
    """Send answers with one header set, or added where it may be there many times."""

    async def changed(message: Message) -> None:
        if message["type"] == "http.response.start" and (
            not statuses or message["status"] in statuses
        ):
            several = name == b"set-cookie"
            headers = [h for h in message["headers"] if several or h[0].lower() != name]
            message = {**message, "headers": [*headers, (name, value.encode("latin-1"))]}
        await send(message)

    return changed
