"""A small OpenID Connect provider on loopback: two people, authorization code flow, signed tokens.

Started as a process of its own: ``python provider.py`` prints its address.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT, SECRET = "trimtab", "secret-of-the-test"
PEOPLE = {"ada": "ada@example.org", "grace": "grace@example.org"}
KEY = RSAKey.generate_key(2048, parameters={"kid": "test", "use": "sig", "alg": "RS256"})


class Provider(BaseHTTPRequestHandler):
    """Answers for one provider; codes are good for one exchange."""

    codes: dict[str, dict[str, str]] = {}  # noqa: RUF012 - shared by all requests on purpose

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def do_GET(self) -> None:
        """Metadata, keys, and the page that asks who one is."""
        path, query = urlsplit(self.path).path, _plain(urlsplit(self.path).query)
        if path == "/.well-known/openid-configuration":
            self._json(self._metadata())
        elif path == "/keys":
            self._json({"keys": [KEY.as_dict(private=False)]})
        elif path == "/authorize" and "who" not in query:
            self._ask(query)
        elif path == "/authorize":
            self._admit(query)
        else:
            self.send_error(404)

    def do_POST(self) -> None:
        """Exchange a code for tokens."""
        length = int(self.headers["Content-Length"])
        given = _plain(self.rfile.read(length).decode())
        asked = self.codes.pop(given.get("code", ""), None)
        if asked is None or not self._knows_secret(given) or not _proves(asked, given):
            self._json({"error": "invalid_grant"}, 400)
            return
        now = int(time.time())
        name = asked["who"]
        claims = {
            "iss": self.issuer, "aud": CLIENT, "sub": f"id-of-{name}", "iat": now, "exp": now + 600,
            "nonce": asked.get("nonce", ""), "name": name.capitalize(), "email": PEOPLE[name],
        }  # fmt: skip
        token = jwt.encode({"alg": "RS256", "kid": "test"}, claims, KEY)
        self._json({"access_token": "x", "token_type": "Bearer", "id_token": token})

    def _metadata(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "code_challenge_methods_supported": ["S256"],
        }

    def _knows_secret(self, given: dict[str, str]) -> bool:
        basic = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        said = self.headers.get("Authorization", "").removeprefix("Basic ")
        return said == basic or given.get("client_secret") == SECRET

    def _ask(self, query: dict[str, str]) -> None:
        links = "".join(
            f'<p><a href="/authorize?{urlencode({**query, "who": name})}">{name}</a></p>'
            for name in PEOPLE
        )
        self._send(f"<!doctype html><title>Who?</title>{links}".encode(), "text/html")

    def _admit(self, query: dict[str, str]) -> None:
        code = secrets.token_urlsafe(16)
        self.codes[code] = query
        back = urlencode({"code": code, "state": query["state"]})
        self.send_response(302)
        self.send_header("Location", f"{query['redirect_uri']}?{back}")
        self.end_headers()

    def _json(self, document: dict[str, Any], status: int = 200) -> None:
        self._send(json.dumps(document).encode(), "application/json", status)

    def _send(self, content: bytes, kind: str, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def _plain(query: str) -> dict[str, str]:
    return {key: values[-1] for key, values in parse_qs(query).items()}


def _proves(asked: dict[str, str], given: dict[str, str]) -> bool:
    """Whether who exchanges the code is who asked for it (PKCE)."""
    digest = hashlib.sha256(given.get("code_verifier", "").encode()).digest()
    challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    return asked.get("code_challenge") == challenge


def main() -> None:
    """Serve until ended."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Provider)
    sys.stdout.write(f"http://127.0.0.1:{server.server_port}\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    main()
