"""Models of format 1 load for ever; golden/make_format1.py says how they were made."""

import json
import warnings
from pathlib import Path

import numpy as np
import pytest

from esc_features import load_model
from esc_features.deployment import read_card

GOLDEN = Path(__file__).parent / "golden"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["net", "logistic"])
def test_models_of_format_1_load_and_say_what_they_said(name):
    times = np.arange(2000) / 8000
    pitches = (200, 450, 900, 1700)
    waveforms = np.stack([np.sin(2 * np.pi * pitch * times) * 0.3 for pitch in pitches]).astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of other versions of the libraries
        model = load_model(GOLDEN / f"format1_{name}.esc")
    expected = json.loads((GOLDEN / "format1.json").read_text())[name]
    np.testing.assert_allclose(model.predict_proba(waveforms), expected, atol=1e-5)
    assert model.classes_.tolist() == ["high", "low"]
    card = read_card(GOLDEN / f"format1_{name}.esc")
    assert (card.figures, card.licence, card.about) == ({"accuracy": 0.5}, "CC0", "Golden.")
    assert card.created == "2025-11-24T16:00:00Z"
    if name == "net":
        net = model[-1]
        assert (net.max_epochs, net.class_weight, net.get_params()["iterator_train__transforms"][0].max_shift) == (
            3,
            "balanced",
            0.2,
        )
