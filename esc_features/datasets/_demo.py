"""A synthesised data set for trying things out without a download."""

import contextlib
import csv
import io
import json
import os
import wave
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from .._files import write_whole
from ._clips import load_clips
from ._files import data_home, is_whole_wav

RATE = 44100
SAMPLES = 5 * RATE
FOLDS = (1, 2, 3, 4, 5)
Random = np.random.Generator
_TIME = np.arange(SAMPLES, dtype=np.float32) / RATE

# Increment it when a change gives other samples, so that folders of an older version are made again.
_VERSION = 1


def make_demo(
    folder: str | os.PathLike | None = None,
    n_categories: int = 6,
    clips_per_category: int = 20,
    seed: int = 0,
) -> pd.DataFrame:
    """Synthesise a small data set of everyday sounds in the layout of ESC-50.

    Use it to try a pipeline in seconds and without a network. The sounds are caricatures, some of them faint or mixed
    with another category: a good classifier is far above chance level but not perfect, and its accuracy says nothing
    about real recordings.

    Parameters
    ----------
    folder : path, optional
        Where to write the data set; by default ``demo`` in ``$ESC_FEATURES_DATA`` or the user's cache folder (with the
        settings in the name of the folder if they are not the defaults).
    n_categories : int, default=6
        Number of categories, 2 to 6: dog, chirping_birds, rain, siren, clock_tick, engine.
    clips_per_category : int, default=20
        Number of clips (5 s each) per category, at least 5, distributed over five folds.
    seed : int, default=0
        Seed of all random numbers. The same seed gives the same bits.

    Returns
    -------
    pandas.DataFrame
        The clip table, as returned by `load_clips`; ``clips.attrs["name"]`` is ``"demo"``. In each fold, every third
        source recording of a category has two takes, the others one.

    Raises
    ------
    ValueError
        If a number is out of range.
    FileExistsError
        If the folder holds anything other than this data set with these settings.
    OSError
        If the folder cannot be written.

    Notes
    -----
    The WAV files are 16-bit, mono, 44.1 kHz: 441 kB per clip, 53 MB by default. A complete folder is left as it is;
    one that was interrupted is completed.

    Examples
    --------
    >>> from esc_features.datasets import make_demo
    >>> clips = make_demo()
    >>> len(clips), clips["category"].nunique(), sorted(clips["fold"].unique().tolist())
    (120, 6, [1, 2, 3, 4, 5])
    """
    settings = {"n_categories": n_categories, "clips_per_category": clips_per_category, "seed": seed}
    for name, lowest, highest in (
        ("n_categories", 2, len(_SOUNDS)),
        ("clips_per_category", len(FOLDS), 10_000),
        ("seed", 0, 2**32 - 1),
    ):
        if isinstance(settings[name], bool) or not isinstance(settings[name], int | np.integer):
            raise ValueError(f"{name} must be a whole number, not {settings[name]!r}.")
        if not lowest <= settings[name] <= highest:
            raise ValueError(f"{name} must be from {lowest} to {highest}, not {settings[name]}.")
    settings = {name: int(value) for name, value in settings.items()}
    if folder is None:
        default = settings == {"n_categories": 6, "clips_per_category": 20, "seed": 0}
        folder = data_home() / ("demo" if default else "demo-{}x{}-seed{}".format(*settings.values()))
    folder = Path(folder).expanduser().absolute()
    try:
        _make(folder, settings)
    except FileExistsError:
        raise
    except OSError as error:
        raise OSError(
            f"{folder} cannot be written: {error.strerror or error}. Name another folder, or set ESC_FEATURES_DATA "
            "(--data-home on the command line); files that are finished are kept."
        ) from error
    clips = load_clips(folder)
    clips.attrs["name"] = "demo"
    return clips


def _make(folder: Path, settings: dict[str, int]) -> None:
    same_version = _claim(folder, settings)
    rows = _rows(settings["n_categories"], settings["clips_per_category"])
    for row in rows:
        path = folder / "audio" / row["filename"]
        if not (same_version and is_whole_wav(path)):
            write_whole(path, _wav(_clip(row, settings["n_categories"], settings["seed"])))
    table = io.StringIO(newline="")
    writer = csv.DictWriter(table, rows[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    _write_if_other(folder / "meta" / "esc50.csv", table.getvalue())
    _write_if_other(folder / "demo.json", _label(settings))


def _claim(folder: Path, settings: dict) -> bool:
    """Mark a folder as a demo and refuse any other; return whether its WAV files are of this version."""
    label = folder / "demo.json"
    found: dict = {}
    if label.is_file():
        with contextlib.suppress(ValueError):
            found = json.loads(label.read_text("utf-8"))
    if isinstance(found, dict) and "esc_features demo" in found:
        if found.get("settings") != settings:
            raise FileExistsError(
                f"{folder} holds a demo made with {found.get('settings')}, not {settings}. Name another folder."
            )
    elif folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FileExistsError(f"{folder} is not empty and not a demo. Name another folder; nothing was changed.")
    for part in ("audio", "meta"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    if not found:
        write_whole(label, _label(settings).encode())
        return True
    return found["esc_features demo"] == _VERSION


def _label(settings: dict) -> str:
    return json.dumps({"esc_features demo": _VERSION, "settings": settings}, indent=1) + "\n"


def _write_if_other(path: Path, text: str) -> None:
    if not path.is_file() or path.read_bytes() != text.encode():
        write_whole(path, text.encode())


def _rows(n_categories: int, clips_per_category: int) -> list[dict]:
    """Return the clips; the recordings of a category and fold have two, one, one, two, one, one ... takes."""
    rows = []
    source = 1000
    for fold in FOLDS:
        for target, category in enumerate(list(_SOUNDS)[:n_categories]):
            clips = clips_per_category // len(FOLDS) + (fold <= clips_per_category % len(FOLDS))
            for number in range(clips):
                second = number % 4 == 1
                source += not second
                take = "B" if second else "A"
                rows.append(
                    {
                        "filename": f"{fold}-{source}-{take}-{target}.wav",
                        "fold": fold,
                        "target": target,
                        "category": category,
                        "esc10": False,
                        "src_file": source,
                        "take": take,
                    }
                )
    return rows


def _wav(signal: np.ndarray) -> bytes:
    content = io.BytesIO()
    with wave.open(content, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(np.rint(signal * 32767).astype("<i2").tobytes())
    return content.getvalue()


def _clip(row: dict, n_categories: int, seed: int) -> np.ndarray:
    """Synthesise one clip: its sound, often some of another category, and background noise."""
    # `place` draws what the takes of a source share (which dog, where), `take` what happens in a take.
    place = np.random.default_rng([seed, row["src_file"]])
    take = np.random.default_rng([seed, row["src_file"], ord(row["take"])])
    sounds = list(_SOUNDS.values())[:n_categories]

    def another():
        return sounds[(row["target"] + place.integers(1, n_categories)) % n_categories](place, take)

    return _mixed(sounds[row["target"]](place, take), another, place, take)


def _mixed(sound: np.ndarray, another: Callable[[], np.ndarray], place: Random, take: Random) -> np.ndarray:
    """Return a clip of a sound: at a random level, over the noise of the place, and often over another sound."""
    signal = _unit(sound)
    if place.random() < 0.4:
        signal += _unit(another()) * _gain(place.uniform(-20, -4))
    signal += _unit(_noise(take, place.uniform(-1.2, 0), 30, 18000)) * _gain(place.uniform(-35, -6))
    return signal * (place.uniform(0.1, 0.95) / np.abs(signal).max())


def _unit(signal: np.ndarray) -> np.ndarray:
    return signal / np.sqrt(np.mean(signal**2))


def _gain(decibels: float) -> np.float32:
    return np.float32(10 ** (decibels / 20))


def _noise(random: Random, slope: float, low: float, high: float) -> np.ndarray:
    """Return noise between two frequencies (Hz) whose amplitude is proportional to frequency ** slope."""
    frequency = np.arange(SAMPLES // 2 + 1, dtype=np.float32) * np.float32(RATE / SAMPLES)
    inside = (frequency >= low) & (frequency <= high)
    spectrum = np.zeros(len(frequency), dtype=np.complex64)
    spectrum.real[inside] = random.standard_normal(inside.sum(), dtype=np.float32)
    spectrum.imag[inside] = random.standard_normal(inside.sum(), dtype=np.float32)
    spectrum[inside] *= (frequency[inside] / 1000) ** np.float32(slope)
    return np.fft.irfft(spectrum, SAMPLES)


def _moments(random: Random, period: float, jitter: float) -> np.ndarray:
    """Return onsets (s), one about every `period` seconds."""
    steps = period * (1 + jitter * random.uniform(-1, 1, size=int(6 / period) + 2))
    onsets = np.cumsum(steps) - period * random.uniform(0, 1)
    return onsets[(onsets >= 0) & (onsets < 4.8)]


def _add(signal: np.ndarray, onset: float, event: np.ndarray) -> None:
    start = int(onset * RATE)
    part = signal[start : start + len(event)]
    part += event[: len(part)]


def _tone(phase: np.ndarray, amplitudes: Iterable[float]) -> np.ndarray:
    """Return a sum of harmonics of one phase (radians)."""
    return sum(np.float32(a) * np.sin((k + 1) * phase) for k, a in enumerate(amplitudes))


def _dog(place: Random, take: Random) -> np.ndarray:
    """Synthesise a few barks: short falling tones, rough and rich in harmonics."""
    signal = np.zeros(SAMPLES, dtype=np.float32)
    pitch, length = place.uniform(250, 900), place.uniform(0.08, 0.3)
    tilt = place.uniform(0.6, 0.9) ** np.arange(10)
    for onset in _moments(take, place.uniform(0.35, 1.6), 0.6):
        t = _TIME[: int(length * RATE * take.uniform(0.8, 1.2))] / np.float32(length)
        phase = np.cumsum(pitch * take.uniform(0.9, 1.1) * (1.25 - 0.5 * t)) * (2 * np.pi / RATE)
        bark = _tone(phase.astype(np.float32), tilt) + take.standard_normal(len(t), dtype=np.float32)
        _add(signal, onset, bark * np.sin(np.pi * np.minimum(t / 1.2, 1)) * np.exp(-2 * t))
    return signal + np.float32(1e-4) * take.standard_normal(SAMPLES, dtype=np.float32)


def _chirping_birds(place: Random, take: Random) -> np.ndarray:
    """Synthesise phrases of quick high whistles that sweep up or down."""
    signal = np.zeros(SAMPLES, dtype=np.float32)
    for _ in range(place.integers(1, 4)):
        pitch, sweep = place.uniform(1800, 6500), place.uniform(-0.4, 0.4)
        length, gap, notes = place.uniform(0.04, 0.2), place.uniform(1.1, 2.5), place.integers(1, 9)
        t = _TIME[: int(length * RATE)] / np.float32(length)
        phase = np.cumsum(pitch * (1 + sweep * (t - 0.5))) * (2 * np.pi / RATE)
        chirp = _tone(phase.astype(np.float32), (1, 0.2)) * np.sin(np.pi * t) ** 2
        for onset in _moments(take, length * gap * notes + place.uniform(0.2, 1.2), 0.4):
            for note in range(notes):
                _add(signal, onset + note * length * gap, chirp * np.float32(take.uniform(0.5, 1)))
    return signal + np.float32(1e-4) * take.standard_normal(SAMPLES, dtype=np.float32)


def _rain(place: Random, take: Random) -> np.ndarray:
    """Synthesise a steady hiss with drops in it."""
    signal = _unit(_noise(take, place.uniform(-0.8, 0.3), place.uniform(50, 600), place.uniform(6000, 18000)))
    pitch = place.uniform(1500, 5000)
    t = _TIME[: int(0.01 * RATE)]
    drop = np.sin(2 * np.pi * pitch * t) * np.exp(-t / np.float32(0.002))
    for onset in take.uniform(0, 4.9, size=place.integers(20, 400)):
        _add(signal, onset, drop * np.float32(take.exponential(2)))
    return signal


def _siren(place: Random, take: Random) -> np.ndarray:
    """Synthesise a loud tone that goes up and down, smoothly or in two steps."""
    turn = np.sin(2 * np.pi * (place.uniform(0.25, 4) * _TIME + take.uniform(0, 1))).astype(np.float32)
    if place.random() < 0.4:
        turn = np.sign(turn)
    pitch = place.uniform(500, 1500) * (1 + place.uniform(0.08, 0.4) * turn)
    phase = np.cumsum(pitch, dtype=np.float64) * (2 * np.pi / RATE)
    swell = 1 + place.uniform(0, 0.8) * np.sin(2 * np.pi * take.uniform(0.1, 0.4) * _TIME)
    harmonics = place.uniform(0.2, 0.7) ** np.arange(6)
    return (_tone((phase % (2 * np.pi)).astype(np.float32), harmonics) * swell).astype(np.float32)


def _clock_tick(place: Random, take: Random) -> np.ndarray:
    """Synthesise short clicks at a regular pace, every second one a little different."""
    signal = np.zeros(SAMPLES, dtype=np.float32)
    t = _TIME[: int(0.05 * RATE)]
    pitch, decay = place.uniform(1200, 6000), place.uniform(0.002, 0.012)
    rough = place.uniform(0.2, 1.5)
    for number, onset in enumerate(_moments(take, place.uniform(0.22, 1.0), 0.01)):
        ring = np.sin(2 * np.pi * pitch * (1, 0.85)[number % 2] * t)
        click = ring + np.float32(rough) * take.standard_normal(len(t), dtype=np.float32)
        _add(signal, onset, (click * np.exp(-t / np.float32(decay))).astype(np.float32))
    return signal + np.float32(1e-4) * take.standard_normal(SAMPLES, dtype=np.float32)


def _engine(place: Random, take: Random) -> np.ndarray:
    """Synthesise a low hum of many harmonics over a rumble."""
    drift = 1 + place.uniform(0, 0.15) * np.sin(2 * np.pi * (take.uniform(0.05, 0.5) * _TIME + take.uniform(0, 1)))
    phase = np.cumsum(place.uniform(25, 110) * drift, dtype=np.float64) * (2 * np.pi / RATE)
    hum = _tone((phase % (2 * np.pi)).astype(np.float32), place.uniform(0.7, 0.92) ** np.arange(14))
    rumble = _noise(take, place.uniform(-1.5, -0.5), 30, place.uniform(1500, 8000))
    return (_unit(hum) + _unit(rumble) * _gain(place.uniform(-15, 3))).astype(np.float32)


_SOUNDS = {
    "dog": _dog,
    "chirping_birds": _chirping_birds,
    "rain": _rain,
    "siren": _siren,
    "clock_tick": _clock_tick,
    "engine": _engine,
}
