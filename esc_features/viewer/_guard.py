"""Who is let in: the viewer's own page with its token, and no other."""

from __future__ import annotations

import secrets
from typing import Any

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; media-src 'self' blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = [
    (b"content-security-policy", _POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"permissions-policy", b"microphone=(self), camera=(), geolocation=()"),
]
_NOT_YOU = b"This address lacks the token of the running viewer: use the one that esc_features view printed."


class Guard:
    """ASGI middleware that checks host, origin and token, and adds the headers of a safe page.

    Every address starts with the token, so that a page which does not know it can neither read nor write. `Host` is
    checked because names of other sites may point here (DNS rebinding), and `Origin` because other pages may ask.
    """

    def __init__(self, app: Any, token: str, port: int):
        self._app, self._token = app, token
        self._hosts = {f"{name}:{port}" for name in ("127.0.0.1", "localhost")}

    async def __call__(self, scope, receive, send) -> None:
        headers = _headers(scope)
        first, _, rest = scope["path"].removeprefix("/").partition("/")
        hosts = headers.get("host", [])
        if len(hosts) != 1 or hosts[0] not in self._hosts:
            await _refuse(send, 421, b"This server answers only at 127.0.0.1.")
        elif not self._is_own_page(scope["method"], headers):
            await _refuse(send, 403, b"Another page asked, but only the viewer's own page is answered.")
        elif not secrets.compare_digest(first.encode(), self._token.encode()):
            await _refuse(send, 403, _NOT_YOU)
        else:
            await self._app({**scope, "path": f"/{rest}", "raw_path": None}, receive, _adding_headers(send))

    def _is_own_page(self, method: str, headers: dict[str, list[str]]) -> bool:
        origins = headers.get("origin", [])
        if method not in ("GET", "HEAD") and not origins:
            return False
        # A link in a mail is followed from another site: that opens the page, if it has the token.
        is_followed = headers.get("sec-fetch-mode") == ["navigate"] and headers.get("sec-fetch-dest") == ["document"]
        sites = [] if is_followed else headers.get("sec-fetch-site", [])
        return all(origin == f"http://{headers['host'][0]}" for origin in origins) and all(
            site in ("same-origin", "none") for site in sites
        )


def _headers(scope) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in scope["headers"]:
        found.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
    return found


async def _refuse(send, status: int, why: bytes) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(why)).encode()), *_HEADERS]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": why})


def _adding_headers(send):
    async def send_with_headers(message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], *_HEADERS]}
        await send(message)

    return send_with_headers
