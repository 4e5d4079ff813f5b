"""The web application: what the page can request."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from ..exceptions import AudioError, ClipTableError, ModelError, StoreError
from ._collection import Query
from ._trial import MOST_BYTES

if TYPE_CHECKING:
    from ._viewer import Viewer

STATIC = Path(__file__).parent / "static"
_KEPT = "private, max-age=3600"
_MOST_JSON = 1 << 16


def make_app(viewer: Viewer) -> Starlette:
    """Return the application; `Guard`, not the application, checks who asks."""

    def store(_: Request) -> dict[str, Any]:
        return viewer.about()

    def clips(request: Request) -> dict[str, Any]:
        return viewer.page(_query(request), _whole(request.query_params.get("page", "1"), 10**9))

    def clip(request: Request) -> dict[str, Any]:
        given = request.query_params
        row = viewer.collection.row_of(
            given.get("filename", ""), _second(given.get("start"), 0.0), _second(given.get("end"), math.inf)
        )
        return viewer.clip(row, given.get("feature", ""), given.get("vectors", ""))

    def card(request: Request) -> dict[str, Any]:
        return viewer.brief(_row(request))

    def thumbnail(request: Request) -> Response:
        return _png(viewer.spectrograms.thumbnail(_row(request), request.query_params.get("feature", "")))

    def picture(request: Request) -> Response:
        return _png(viewer.spectrograms.png(_row(request), request.query_params.get("feature", "")))

    def sound(request: Request) -> Response:
        return _ranged(request, viewer.sounds.of(_row(request)).to_wav(), "audio/wav")

    def _row(request: Request) -> int:
        return _whole(request.path_params["row"], len(viewer.collection) - 1)

    def points(request: Request) -> dict[str, Any]:
        return viewer.map(request.query_params.get("feature", ""), request.query_params.get("method", "pca"))

    def mistakes(_: Request) -> dict[str, Any]:
        return viewer.mistakes.summary()

    def corrections(request: Request, body: bytes | None = None) -> Any:
        if body is None:
            return viewer.corrections.to_json()
        given = json.loads(body)
        row, value = (given.get("row"), given.get("category")) if isinstance(given, dict) else (None, 0)
        if type(row) is not int or not (value is None or isinstance(value, str)):
            raise ValueError(
                'A correction must be {"row": 3, "category": "dog"}, or have the category null to remove it.'
            )
        return viewer.correct(_whole(str(row), len(viewer.collection) - 1), value)

    def models(_: Request) -> list[str]:
        return viewer.trial.names

    def trial(request: Request, body: bytes) -> dict[str, Any]:
        return viewer.trial.answer(body, request.query_params.get("model", ""))

    def page(_: Request) -> Response:
        return FileResponse(STATIC / "index.html", headers={"cache-control": "no-store"})

    routes = [
        Route("/", page),
        Route("/api/store", _answering(store)),
        Route("/api/clips", _answering(clips)),
        Route("/api/clip", _answering(clip)),
        Route("/api/card/{row}", _answering(card)),
        Route("/api/map", _answering(points)),
        Route("/api/mistakes", _answering(mistakes)),
        Route("/api/corrections", _answering(corrections), methods=["GET", "POST"]),
        Route("/api/models", _answering(models)),
        Route("/api/try", _answering(trial, MOST_BYTES), methods=["POST"]),
        Route("/thumbnail/{row}", _answering(thumbnail)),
        Route("/picture/{row}", _answering(picture)),
        Route("/sound/{row}", _answering(sound)),
        Mount("/static", StaticFiles(directory=STATIC)),
    ]
    return Starlette(routes=routes)


def _answering(function: Callable, most_bytes: int = _MOST_JSON) -> Callable:
    """Return an endpoint that works in a thread, and reports errors of a request as JSON."""

    async def endpoint(request: Request) -> Response:
        try:
            body = await _body(request, most_bytes) if request.method == "POST" else None
            answer = await run_in_threadpool(function, request, *([body] if body is not None else []))
            if not isinstance(answer, Response):  # NaN is not JSON
                answer = Response(json.dumps(answer, allow_nan=False), media_type="application/json")
        except (ValueError, StoreError, AudioError, ClipTableError, ModelError, OSError, RecursionError) as error:
            status = 404 if isinstance(error, StoreError | AudioError) else 400
            return JSONResponse({"error": str(error)}, status)
        return answer

    return endpoint


async def _body(request: Request, most: int) -> bytes:
    parts, length = [], 0
    async for part in request.stream():
        length += len(part)
        if length > most:
            raise ValueError(f"What was sent is larger than {most / 1e6:g} MB. Send less, such as a shorter recording.")
        parts.append(part)
    return b"".join(parts)


def _query(request: Request) -> Query:
    return Query.of({name: request.query_params.getlist(name) for name in request.query_params})


def _whole(text: str, most: int) -> int:
    number = int(text) if re.fullmatch(r"[0-9]{1,12}", text) else -1
    if not 0 <= number <= most:
        raise ValueError(f"{text!r} is not a whole number from 0 to {most}.")
    return number


def _second(text: str | None, default: float) -> float:
    if not text:
        return default
    if not re.fullmatch(r"\d{1,12}(\.\d{1,20})?(e-?\d{1,3})?", text):
        raise ValueError(f"{text!r} is not a number of seconds.")
    return float(text)


def _png(content: bytes) -> Response:
    return Response(content, media_type="image/png", headers={"cache-control": _KEPT})


def _ranged(request: Request, content: bytes, kind: str) -> Response:
    """Answer with a file, or with the part that a player requests, without which it cannot jump."""
    headers = {"cache-control": _KEPT, "accept-ranges": "bytes"}
    asked = re.fullmatch(r"bytes=(\d{1,15})-(\d{0,15})", request.headers.get("range", ""))
    if asked is None:
        return Response(content, media_type=kind, headers=headers)
    first, last = int(asked[1]), min(int(asked[2] or len(content)), len(content) - 1)
    if first > last:
        return Response(status_code=416, headers={"content-range": f"bytes */{len(content)}"})
    headers["content-range"] = f"bytes {first}-{last}/{len(content)}"
    return Response(content[first : last + 1], 206, media_type=kind, headers=headers)
