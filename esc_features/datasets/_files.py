"""Where data sets are kept, and which files there are complete."""

import os
import struct
from pathlib import Path


def data_home(folder: str | os.PathLike | None = None) -> Path:
    """Return the folder that data sets are kept in: `folder`, ESC_FEATURES_DATA or the user's cache."""
    folder = folder or os.environ.get("ESC_FEATURES_DATA")
    if not folder:
        import pooch  # here, because only this case needs it

        folder = pooch.os_cache("esc_features")
    return Path(folder).expanduser().absolute()


def wav_problem(start: bytes, size: int) -> str | None:
    """Say why a file with these first bytes and this size is not a whole WAV; None where it is one."""
    if len(start) < 12 or start[:4] != b"RIFF" or start[8:12] != b"WAVE":
        return f"not a WAV file: it starts with {start[:16]!r}"
    announced = struct.unpack("<I", start[4:8])[0] + 8
    if announced != size:
        return f"its WAV header announces {announced} bytes, there are {size}"
    return None


def is_whole_wav(path: Path) -> bool:
    """Tell whether a file is there, and a WAV as long as its header says."""
    try:
        with path.open("rb") as handle:
            return wav_problem(handle.read(12), os.fstat(handle.fileno()).st_size) is None
    except OSError:
        return False
