"""Make golden files of the format that the esc_features on the path writes: `python make.py FOLDER`.

Format 1 was made by the code of commit 40c57c7 (version 0.1.0):

    git worktree add /tmp/old 40c57c7
    SOURCE_DATE_EPOCH=1500000000 PYTHONPATH=/tmp/old python make.py format1

A golden file is never made again: it stands for the stores that people have. The recordings are not kept; `tone` is
what they hold.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile

SAMPLE_RATE, SAMPLES = 4000, 1000
CATEGORIES = ("chirping bird", "Straßenbahn")  # a name with a space, and one that is not ASCII


def tone(number):
    """Return the 16-bit samples of a clip: a tone of its own frequency and loudness."""
    time = np.arange(SAMPLES) / SAMPLE_RATE
    return np.round(3000 * (1 + number % 5) * np.sin(2 * np.pi * (150 + 100 * number) * time)).astype(np.int16)


def clip_table(folder):
    """Return two categories in two folds, three clips each, two of them of one source."""
    rows = []
    for number in range(12):
        fold, target = number // 6 + 1, number // 3 % 2
        filename = f"{fold}-{100 + number // 2}-{'AB'[number % 2]}-{target}.wav"
        rows.append((filename, fold, target, CATEGORIES[target], str(100 + number // 2), "AB"[number % 2]))
    clips = pd.DataFrame(rows, columns=["filename", "fold", "target", "category", "src_file", "take"])
    return clips.assign(path=[str(Path(folder) / name) for name in clips["filename"]])


def features():
    """Return the features of a golden store, small ones."""
    from esc_features import MelSpectrogram, MFCCStatistics, Waveform

    common = {"sample_rate": SAMPLE_RATE, "duration": SAMPLES / SAMPLE_RATE}
    window = {"n_fft": 256, "hop_length": 128}
    return {
        "waveform": Waveform(**common),
        "mel": MelSpectrogram(n_mels=16, fmax=None, **window, **common),
        "mfcc": MFCCStatistics(n_mfcc=5, n_mels=16, **window, **common),
    }


def main(out):
    from esc_features import extract

    # The store names the folder of its recordings, which must not differ from one making to the next.
    folder = Path(tempfile.gettempdir()) / "golden_recordings"
    folder.mkdir(exist_ok=True)
    clips = clip_table(folder)
    for number, path in enumerate(clips["path"]):
        soundfile.write(path, tone(number), SAMPLE_RATE, subtype="PCM_16")
    clips.attrs["name"] = "golden"
    extract(clips, out, features=features(), n_jobs=1)


if __name__ == "__main__":
    main(sys.argv[1])
