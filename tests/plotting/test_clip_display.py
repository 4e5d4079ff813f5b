"""A clip's waveform over its spectrogram: the numbers of the store, on one time axis, and a player."""

import numpy as np
import pytest

from esc_features import MelSpectrogram
from esc_features.plotting import ClipDisplay


@pytest.fixture(autouse=True)
def close_figures():
    yield
    import matplotlib.pyplot as plt

    plt.close("all")


def test_it_draws_and_plays_the_clip(tiny_store):
    name = tiny_store.clips["filename"][7]
    display = ClipDisplay.from_store(tiny_store, name)
    waveform, spectrogram = display.axes_
    np.testing.assert_array_equal(waveform.lines[0].get_ydata(), tiny_store["waveform"][7])
    np.testing.assert_array_equal(spectrogram.collections[0].get_array().data, tiny_store["mel"][7])
    assert waveform.get_xlim() == spectrogram.get_xlim() == (0, 5) and name in waveform.get_title()
    assert display._repr_html_() == tiny_store.sound(7)._repr_html_()


def test_a_spectrogram_that_is_not_stored_is_computed(tiny_store):
    display = ClipDisplay.from_store(tiny_store, 7, feature="other")
    np.testing.assert_allclose(
        display.spectrogram.spectrogram, MelSpectrogram().transform([tiny_store["waveform"][7]])[0], atol=1e-4
    )


def test_it_draws_where_it_is_told(tiny_store):
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(2)
    display = ClipDisplay(tiny_store.sound(0), title="one").plot(axes)
    assert display.figure_ is figure and axes[0].get_title() == "one"
    with pytest.raises(ValueError, match="2 axes are needed"):
        display.plot(axes[:1])
