"""The way back to the page that was asked for before sign-in."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from trimtab_app.way_back import COOKIE, WayBack

PAGES = ("/", "/runs", "/compare")
CALLBACK = "/oauth2callback"


def answer(path: str, query: str = "", cookie: str = "", status: int = 302) -> dict[str, str]:
    """Headers of the answer to a request, where the app sends everybody to the first page."""
    sent: list[dict[str, Any]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"location", b"/"), (b"set-cookie", b"signed=1")]
        await send({"type": "http.response.start", "status": status, "headers": headers})

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request"}

    scope = {
        "type": "http", "method": "GET", "path": path, "query_string": query.encode(),
        "headers": [(b"cookie", cookie.encode())],
    }  # fmt: skip
    # A browser's tests may have left a loop running in this thread.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, WayBack(app, PAGES, CALLBACK)(scope, receive, send)).result()
    return {name.decode(): value.decode() for name, value in sent[0]["headers"]}


def test_whoever_signs_in_returns_to_the_page_and_query_asked_for() -> None:
    cookie = answer("/compare", "base=run-1&with=a%2Cb&view=Time+series", status=200)["set-cookie"]
    kept = cookie.partition(";")[0]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    after = answer(CALLBACK, "code=1&state=2", f"other=1; {kept}")
    assert after["location"] == "/compare?base=run-1&with=a%2Cb&view=Time+series"
    assert after["set-cookie"] == "signed=1"


@pytest.mark.parametrize(
    "kept",
    [
        "https%3A%2F%2Fevil.example%2Fruns", "%2F%2Fevil.example%2Fruns", "%2Funknown", "",
        "%2F%5C", "%2Fruns%0D%0AX-Evil%3A%201", "%5B",
    ],
)  # fmt: skip
def test_nobody_is_led_anywhere_but_to_a_page(kept: str) -> None:
    headers = answer(CALLBACK, "", f"{COOKIE}={kept}")
    assert headers["location"] == "/"
    assert "\r" not in "".join(headers.values())


def test_a_query_cannot_bring_a_header_of_its_own() -> None:
    headers = answer(CALLBACK, "", f"{COOKIE}=%2Fruns%3Fq%3D%0D%0AX-Evil%3A%201")
    assert headers["location"].startswith("/runs?q=")
    assert "\n" not in headers["location"]


@pytest.mark.parametrize("path", ["/api/health", "/static/index.js", "/auth/login"])
def test_what_is_no_page_is_not_kept(path: str) -> None:
    assert answer(path)["set-cookie"] == "signed=1"


def test_a_refused_sign_in_keeps_its_answer() -> None:
    assert answer(CALLBACK, "", f"{COOKIE}=%2Fruns", status=400)["location"] == "/"
