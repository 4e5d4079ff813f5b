"""Try models on recordings that are dropped on the page or recorded there."""

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
from ..exceptions import AudioError
from ..store import Store
from ._mistakes import Mistakes
from ._spectrograms import mel_axes, mel_of, outline

# Most seconds of a recording that are shown and played: a clip may be a whole day.
LONGEST = 120.0
MOST_BYTES = 64_000_000
_TRAINED = "method: "


class Trial:
    """The models that can be tried on a recording: files, and methods that were evaluated.

    A file is loaded, and a method fitted on the whole store, when it is first used.
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
        """Names of the models: files, then methods."""
        methods: list[str] = []
        with contextlib.suppress(ValueError):  # damaged results, which the view of mistakes reports
            methods = list(self._mistakes.methods) if self._mistakes.are_there else []
        from ..evaluation import named_methods

        return [*self._files, *(f"{_TRAINED}{name}" for name in methods if name in named_methods())]

    def answer(self, content: bytes, name: str) -> dict[str, Any]:
        """Return the picture of a recording, and what a model predicts for each of its windows."""
        with tempfile.TemporaryDirectory(prefix="esc_features_view_") as folder:
            path = Path(folder) / "recording"
            path.write_bytes(content)
            try:
                sound = read_recording(path, duration=LONGEST)
            except AudioError as error:
                raise AudioError(str(error).replace(repr(str(path)), "The recording")) from error
            rate = int(sound.sample_rate)
            found: dict[str, Any] = {
                "duration": len(sound.mono) / rate,
                "whole": sound.samples / rate,
                "axes": mel_axes(len(sound.mono) / rate, rate).to_json(),
                "picture": base64.b64encode(spectrogram_png(mel_of(sound.mono, rate), width=800)).decode(),
                "envelope": outline(sound.mono),
            }
            if name:
                found |= {"model": name, **self._predict(path, name)}
        return found

    def _predict(self, path: Path, name: str) -> dict[str, Any]:
        from ..deployment import predict_windows

        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            frame = predict_windows(self._model(name), [path])
        categories = [column for column in frame if column not in ("filename", "start", "end")]
        mean = frame[categories].mean().sort_values(ascending=False, kind="stable")
        windows = [
            {"start": float(start), "end": float(end), "predicted": str(predicted), "probability": float(probability)}
            for start, end, predicted, probability in zip(
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
                from ..deployment import load_model
                from ..evaluation import fit_method, named_methods

                if name in self._files:
                    self._models[name] = load_model(self._files[name])
                else:
                    method = named_methods()[name.removeprefix(_TRAINED)]
                    fitted = fit_method(method, 0, self._store.audio, self._store.y)
                    self._models[name] = getattr(fitted, "best_estimator_", fitted)
            return self._models[name]
