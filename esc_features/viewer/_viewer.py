"""The viewer of a store: what its page shows, and the server."""

from __future__ import annotations

import os
import secrets
import socket
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..exceptions import AudioError
from ..store import Sounds, Store, open_store
from ._collection import SORTS, Collection, Query
from ._corrections import Corrections
from ._mistakes import Mistakes
from ._spectrograms import Spectrograms, outline
from ._trial import LONGEST, Trial
from ._vectors import METHODS, Vectors

PER_PAGE = 60


class Viewer:
    """A small web server over a store, for this machine only: look at and listen to its clips in a browser.

    Rows are read when they are looked at, so that a store of 100,000 clips opens as fast as one of 400. Features,
    labels and recordings are never written. The address contains a token: pages and programs that do not know it are
    refused.

    Parameters
    ----------
    store : Store or path-like
        The store.
    port : int, default=0
        Port of the server on 127.0.0.1; 0 chooses a free one.
    audio : path-like, optional
        Folder of the recordings, if they have moved since the extraction. They are played if the store has no
        waveforms.
    results : path-like, optional
        Folder of the results of `evaluate`; `evaluation` in the folder of the store by default.
    models : sequence of path-like, default=()
        Files of `save_model`, to be tried on recordings.
    corrections : path-like, optional
        CSV file for corrected labels, which `extract` takes; STORE-corrections.csv beside the store by default.

    Attributes
    ----------
    url : str
        The address with its token.

    Raises
    ------
    ImportError
        If the extra ``esc_features[view]`` is not installed.
    ValueError
        If the port cannot be used, a model file does not exist, or `corrections` is inside the store or another table.

    Examples
    --------
    >>> from esc_features.viewer import Viewer
    >>> with Viewer("stores/demo") as viewer:
    ...     viewer.url.startswith("http://127.0.0.1:")
    True
    """

    def __init__(
        self,
        store: Store | str | os.PathLike,
        port: int = 0,
        *,
        audio: str | os.PathLike | None = None,
        results: str | os.PathLike | None = None,
        models: Sequence[str | os.PathLike] = (),
        corrections: str | os.PathLike | None = None,
    ):
        self.store = store if isinstance(store, Store) else open_store(store)
        self.collection = Collection(self.store)
        self.sounds = Sounds(
            list(self.store.values()),
            audio=None if audio is None else str(Path(audio).expanduser().resolve()),
            column=self.collection.column,
            seconds=LONGEST,
        )
        self.spectrograms = Spectrograms(self.collection, self.sounds)
        self.vectors = Vectors(self.collection)
        folder = self.store.path
        self.mistakes = Mistakes(self.collection, Path(results or folder / "evaluation").expanduser())
        self.trial = Trial(self.store, self.mistakes, [Path(model).expanduser() for model in models])
        beside = folder.with_name(f"{folder.name}-corrections.csv")
        path = Path(corrections or beside).expanduser().resolve()
        if path.is_relative_to(folder):
            raise ValueError(f"{path} is in the store, which is never written to. Name a file elsewhere.")
        self.corrections = Corrections(path, self.collection.has_several_labels)
        self._token = secrets.token_urlsafe(16)
        self._socket = _listening(port)
        self.port: int = self._socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/{self._token}/"
        self._server = self._make_server()

    def about(self) -> dict[str, Any]:
        """Return what the page needs to know before it shows a clip."""
        return {
            "dataset": self.store.dataset,
            "path": str(self.store.path),
            "clips": len(self.collection),
            "several_labels": self.collection.has_several_labels,
            "counts": self.collection.counts(),
            "sorts": [name for name in SORTS if name != "confidence"],
            "vectors": self.vectors.features,
            "maps": METHODS,
            "mistakes": self.mistakes.are_there,
            "corrections": str(self.corrections.path),
            "pictures": self.spectrograms.features,
            "silent_because": self._silent_because(),
        }

    def _silent_because(self) -> str:
        """Return why the first clip cannot be heard; "" if it can."""
        try:
            if len(self.collection) and not self.sounds.from_waveforms:
                self.sounds.of(0)
        except AudioError as error:
            return f"{error} If the recordings have moved, start the viewer with --audio FOLDER."
        return ""

    def rows(self, query: Query) -> np.ndarray:
        """Return the rows that match a query, in its order."""
        keep = self.collection.matches(query)
        if query.method or query.suspicious:
            keep &= self.mistakes.matches(query)
        if query.lasso:
            inside = np.zeros(len(keep), bool)
            inside[self.vectors.inside(query.lasso)] = True
            keep &= inside
        rows = np.flatnonzero(keep)
        if query.sort == "confidence" and self.mistakes.are_there:
            rows = self.mistakes.order(query, rows)
        return self.collection.order(query, rows)

    def page(self, query: Query, number: int) -> dict[str, Any]:
        """Return a page of clips; beyond the last page, the last."""
        rows = self.rows(query)
        pages = max(1, -(-len(rows) // PER_PAGE))
        number = min(max(number, 1), pages)
        shown = rows[(number - 1) * PER_PAGE : number * PER_PAGE].tolist()
        return {"total": len(rows), "page": number, "pages": pages, "clips": self.cards(query, shown)}

    def brief(self, row: int, corrected: Mapping[tuple[str, float, float], str] | None = None) -> dict[str, Any]:
        """Return what a card of the grid shows."""
        corrected = self.corrections.read() if corrected is None else corrected
        return {**self.collection.brief(row), "corrected": corrected.get(self.collection.identity(row))}

    def cards(self, query: Query, rows: list[int]) -> list[dict[str, Any]]:
        """Return what the grid shows of some clips, with the predictions of the methods that a query names."""
        corrected = self.corrections.read()
        cards = [self.brief(row, corrected) for row in rows]
        chosen = [name for name in (query.method, query.other) if name]
        if query.suspicious:
            chosen = list(self.mistakes.methods)
        for card, row in zip(cards, rows, strict=True):
            found = [self.mistakes.predictions(name).of(row) for name in chosen]
            card["predictions"] = [one for one in found if one is not None]
        return cards

    def correct(self, row: int, value: str | None) -> dict[str, Any]:
        """Save a correction of a clip's labels, or remove it."""
        self.corrections.change(self.collection.identity(row), value)
        return {"path": str(self.corrections.path)}

    def map(self, feature: str, method: str) -> dict[str, Any]:
        """Return the points of the map, as whole numbers from 0 to 10,000, and which category each has."""
        shown = self.vectors.map(feature, method)
        numbers = self.collection.numbers[shown.rows]
        if numbers.ndim == 2:  # the first label of each
            numbers = np.where(numbers.any(axis=1), numbers.argmax(axis=1), -1)
        return {
            "rows": shown.rows.tolist(),
            "points": (shown.points * 10_000).round().astype(int).tolist(),
            "categories": numbers.tolist(),
            "names": self.collection.categories,
        }

    def clip(self, row: int, feature: str = "", vectors: str = "") -> dict[str, Any]:
        """Return everything that is known about a clip."""
        fold = int(self.collection.column("fold")[row])
        siblings = [self.brief(other) for other in self.collection.siblings(row)]
        found = {
            **self.brief(row),
            "measured": self.collection.measured(row),
            "axes": self.spectrograms.axes(row, feature).to_json(),
            "siblings": [{**other, "other_fold": other["fold"] != fold} for other in siblings],
        }
        if self.mistakes.are_there:
            found["predictions"] = self.mistakes.of(row, top=3)
        if self.vectors.features:
            near = self.vectors.neighbours(row, vectors)
            found["neighbours"] = [{**self.brief(other), "distance": distance} for other, distance in near]
        return {**found, "sound": self._sound(row)}

    def _sound(self, row: int) -> dict[str, Any]:
        try:
            sound = self.sounds.of(row)
        except AudioError as error:
            return {"trouble": str(error)}
        return {
            "origin": sound.origin,
            "sample_rate": sound.sample_rate,
            "duration": sound.duration,
            "is_cut": sound.is_cut,
            "envelope": outline(sound.samples),
        }

    def serve(self) -> None:
        """Serve until the process is interrupted."""
        self._server.run(sockets=[self._socket])

    def __enter__(self) -> Viewer:
        self._server.install_signal_handlers = lambda: None
        self._thread = threading.Thread(target=self.serve, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.should_exit = True
        self._thread.join()
        self.close()

    def close(self) -> None:
        """Release the port and close the recordings."""
        self._socket.close()
        self.sounds.close()

    def _make_server(self) -> Any:
        try:
            import uvicorn

            from ._guard import Guard
            from ._server import make_app
        except ModuleNotFoundError as error:
            raise ImportError(
                f"Viewing a store needs {error.name}, which is not installed: pip install 'esc_features[view]'."
            ) from error
        app = Guard(make_app(self), self._token, self.port)
        # uvicorn's own headers would tell more about this machine than a page needs; the socket is already listening.
        config = uvicorn.Config(
            app, log_level="warning", access_log=False, server_header=False, lifespan="off", ws="none"
        )
        return uvicorn.Server(config)


def _listening(port: int) -> socket.socket:
    """Return a listening socket of this machine only; raise ValueError if the port cannot be used."""
    # asyncio sends at once (TCP_NODELAY) only if the protocol is named; otherwise each answer may wait for 40 ms.
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind(("127.0.0.1", port))
        made.listen(128)
    except (OSError, OverflowError) as error:
        made.close()
        raise ValueError(f"Port {port} cannot be used ({error}). Choose another, or 0 for a free one.") from error
    return made
