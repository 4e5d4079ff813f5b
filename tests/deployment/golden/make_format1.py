"""How the golden models of format 1 were made, on 2026-11-25, with SOURCE_DATE_EPOCH=1764000000.

Do not make them again: they show that files of this format load for ever.
"""

import json
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from esc_features import MFCCStatistics, Waveform, save_model
from esc_features.augmentation import TimeShift
from esc_features.models import RNNClassifier
from esc_features.preprocessing import Standardizer


def waveforms():
    """Four waveforms of 0.25 s at 8 kHz: sums of tones, the same in any version of any library."""
    times = np.arange(2000) / 8000
    return np.stack([np.sin(2 * np.pi * pitch * times) * 0.3 for pitch in (200, 450, 900, 1700)]).astype(np.float32)


if __name__ == "__main__":
    folder, labels = Path(__file__).parent, np.array(["low", "low", "high", "high"])
    net = RNNClassifier(
        max_epochs=3,
        random_state=0,
        device="cpu",
        iterator_train__transforms=[TimeShift(0.2)],
        class_weight="balanced",
        module__hidden_size=4,
        module__frame_length=40,
    )
    mfcc = MFCCStatistics(8000, 0.25, n_fft=256, hop_length=128, n_mels=32)
    models = {
        "net": make_pipeline(Waveform(8000, 0.25), net),
        "logistic": make_pipeline(mfcc, Standardizer(), StandardScaler(), LogisticRegression()),
    }
    expected = {}
    for name, model in models.items():
        model.fit(waveforms(), labels)
        save_model(model, folder / f"format1_{name}.esc", figures={"accuracy": 0.5}, licence="CC0", about="Golden.")
        expected[name] = model.predict_proba(waveforms()).tolist()
    (folder / "format1.json").write_text(json.dumps(expected, indent=1) + "\n")
