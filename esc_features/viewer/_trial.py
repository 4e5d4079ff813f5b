"""Recordings that are tried: dropped on the page or heard by the microphone, and what models say of them."""

from __future__ import annotations

import base64
import contextlib
import tempfile
import threading
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .._pictures import spectrogram_png
from ..audio import read_recording
from ..deployment import load_model, predict_windows
from ..evaluation import named_methods, train
from ..store import Store
from ._answers import Mistakes
from ._sounds import LONGEST, envelope
from ._spectrograms import mel_axes, mel_of

MOST_BYTES = 64 << 20
_TRAINED = "method: "


class Trial:
    """The models that a recording can be tried with: files, and methods that were evaluated.

    A method is fitted on the whole store when it is first asked; a file is loaded when it is first asked.
    """

    def __init__(self, store: Store, mistakes: Mistakes, files: Sequence[Path]):
        self._store, self._mistakes = store, mistakes
        self._files = {path.name: path for path in files}
        for path in files:
            if not path.is_file():
                raise ValueError(f"There is no model file {path}. esc_features train and save_model write one.")
        self._models: dict[str, Any] = {}
        self._lock = threading.Lock()

    @property
    def names(self) -> list[str]:
        """What can be asked: model files, then methods."""
        methods: list[str] = []
        with contextlib.suppress(ValueError):  # damaged results; the view of mistakes says so
            methods = list(self._mistakes.methods) if self._mistakes.are_there else []
        known = named_methods() if methods else {}
        return [*self._files, *(f"{_TRAINED}{name}" for name in methods if name in known)]

    def answer(self, content: bytes, name: str) -> dict[str, Any]:
        """Return the picture of a recording, and what a model says of each of its windows."""
        with tempfile.TemporaryDirectory(prefix="esc_features_view_") as folder:
            path = Path(folder) / "recording"
            path.write_bytes(content)
            heard = read_recording(path, duration=LONGEST)
            rate = int(heard.sample_rate)
            found: dict[str, Any] = {
                "duration": len(heard.mono) / rate,
                "whole": heard.samples / rate,
                "axes": mel_axes(len(heard.mono) / rate, rate).to_json(),
                "picture": base64.b64encode(spectrogram_png(mel_of(heard.mono, rate), width=800)).decode(),
                "envelope": envelope(heard.mono),
            }
            if name:
                found |= {"model": name, **self._predict(path, name)}
        return found

    def _predict(self, path: Path, name: str) -> dict[str, Any]:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            frame = predict_windows(self._model(name), [path])
        categories = [column for column in frame if column not in ("filename", "start", "end")]
        mean = frame[categories].mean().sort_values(ascending=False, kind="stable")
        windows = [
            {"start": float(start), "end": float(end), "said": str(said), "share": float(share)}
            for start, end, said, share in zip(
                frame["start"],
                frame["end"],
                frame[categories].idxmax(axis=1),
                frame[categories].max(axis=1),
                strict=True,
            )
        ]
        return {
            "probabilities": [(str(category), float(share)) for category, share in mean.head(12).items()],
            "windows": windows[:400],
            "warnings": sorted({str(one.message) for one in caught if issubclass(one.category, UserWarning)}),
        }

    def _model(self, name: str) -> Any:
        if name not in self.names:
            raise ValueError(f"There is no model {name!r}. There are {', '.join(self.names) or 'none'}.")
        with self._lock:
            if name not in self._models:
                if name in self._files:
                    self._models[name] = load_model(self._files[name])
                else:
                    method = name.removeprefix(_TRAINED)
                    out = self._mistakes.folder
                    self._models[name] = train(self._store, method, out=out, verbose=False).pipeline
            return self._models[name]
