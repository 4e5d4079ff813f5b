"""The folder of downloaded data sets, and checks that its files are complete."""

import os
import struct
from pathlib import Path


def data_home(folder: str | os.PathLike | None = None) -> Path:
    """Return the folder of downloaded data sets: `folder`, ESC_FEATURES_DATA or the user's cache."""
    folder = folder or os.environ.get("ESC_FEATURES_DATA")
    if not folder:
        import pooch

        folder = pooch.os_cache("esc_features")
    return Path(folder).expanduser().absolute()


def wav_problem(start: bytes, size: int) -> str | None:
    """Return why a file with these first bytes and this size is not a complete WAV file; None if it is."""
    if len(start) < 12 or start[:4] != b"RIFF" or start[8:12] != b"WAVE":
        return f"not a WAV file: it starts with {start[:16]!r}"
    announced = struct.unpack("<I", start[4:8])[0] + 8
    if announced != size:
        return f"its WAV header states {announced} bytes, but there are {size}"
    return None


def is_whole_wav(path: Path) -> bool:
    """Return whether a file exists and is a WAV file as long as its header says."""
    try:
        with path.open("rb") as handle:
            return wav_problem(handle.read(12), os.fstat(handle.fileno()).st_size) is None
    except OSError:
        return False
