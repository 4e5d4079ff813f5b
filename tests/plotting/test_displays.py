"""Displays: what is drawn is where the numbers say, and comes from the store, batch, scores or net that was given."""

import librosa
import numpy as np
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.model_selection import cross_validate
from sklearn.pipeline import make_pipeline

from esc_features import MelSpectrogram, StoreArray, Waveform
from esc_features.model_selection import HoldOutFold
from esc_features.plotting import (
    BatchDisplay,
    FoldScoresDisplay,
    HistoryDisplay,
    SpectrogramDisplay,
    WaveformDisplay,
)

RATE = 16000
FEATURE = MelSpectrogram(duration=1.0, n_mels=64, fmin=20)


@pytest.fixture(autouse=True)
def close_figures():
    yield
    import matplotlib.pyplot as plt

    plt.close("all")


def tone(frequency, seconds=1.0):
    return np.sin(2 * np.pi * frequency / RATE * np.arange(int(RATE * seconds))).astype(np.float32)


@pytest.fixture
def waveforms():
    array = np.stack([tone(440), tone(1000), 0.25 * tone(3000)])
    return StoreArray.from_numpy(
        array,
        y=["low", "middle", "high"],
        filenames=["a.wav", "b.wav", "c.wav"],
        parameters=Waveform(duration=1.0).get_params(),
    )


@pytest.fixture
def mels(waveforms):
    return StoreArray.from_numpy(
        FEATURE.compute(waveforms.to_numpy()),
        y=waveforms.y,
        filenames=waveforms.filenames,
        parameters=FEATURE.get_params(),
    )


def tick_labels(axis):
    return [label.get_text() for label in axis.get_ticklabels()]


class TestWaveform:
    def test_draws_the_samples_over_seconds(self, waveforms):
        display = WaveformDisplay.from_store(waveforms, 2)
        times, samples = display.line_.get_data()
        np.testing.assert_array_equal(samples, waveforms[2])
        np.testing.assert_allclose(times, np.arange(RATE) / RATE)
        assert display.ax_.get_title() == "high (c.wav)"
        assert display.ax_.get_xlim() == (0, 1)

    def test_finds_a_clip_by_its_file_name(self, waveforms):
        display = WaveformDisplay.from_store({"waveform": waveforms}, "b.wav")
        np.testing.assert_array_equal(display.waveform, waveforms[1])
        with pytest.raises(ValueError, match=r"no clip 'd\.wav'"):
            WaveformDisplay.from_store(waveforms, "d.wav")

    def test_sixteen_bit_integers_have_full_scale_one(self):
        display = WaveformDisplay(np.array([-32768, 0, 16384], np.int16), sample_rate=RATE)
        np.testing.assert_array_equal(display.waveform, [-1, 0, 0.5])

    def test_all_of_a_wave_is_inside_the_axes(self, waveforms):
        low, high = WaveformDisplay.from_store(waveforms, 0).ax_.get_ylim()
        assert low < -1 < 1 < high

    def test_shared_axes_show_all_waveforms_at_one_scale(self, waveforms):
        import matplotlib.pyplot as plt

        _, axes = plt.subplots(1, 3, sharey=True)
        for clip in (0, 1, 2):  # the last is the quiet one
            WaveformDisplay.from_store(waveforms, clip, ax=axes[clip])
        low, high = axes[2].get_ylim()
        assert low < -1 < 1 < high < 1.2

    def test_silence_can_be_drawn(self):
        WaveformDisplay(np.zeros(100), sample_rate=RATE).plot().figure_.canvas.draw()


class TestSpectrogram:
    def test_a_tone_is_drawn_at_its_frequency_and_time(self):
        silence_then_tone = np.concatenate([np.zeros(RATE // 2, np.float32), tone(3000, 0.5)])
        mel = FEATURE.compute(silence_then_tone[np.newaxis])[0]
        display = SpectrogramDisplay(mel, sample_rate=RATE, hop_length=512, fmin=20, fmax=8000).plot()
        corners = display.mesh_.get_coordinates()
        times, frequencies = corners[0, :, 0], corners[:, 0, 1]
        loud = mel > -6
        band = np.flatnonzero(loud.any(axis=1))
        assert frequencies[band[0]] < 3000 < frequencies[band[-1] + 1]
        assert frequencies[band[-1] + 1] - frequencies[band[0]] < 500
        first = np.flatnonzero(loud.any(axis=0))[0]
        assert times[first] == pytest.approx(0.5, abs=0.04)
        np.testing.assert_array_equal(np.asarray(display.mesh_.get_array()).reshape(mel.shape), mel)

    def test_frames_lie_around_multiples_of_the_hop(self):
        display = SpectrogramDisplay(np.zeros((4, 4)), sample_rate=RATE, hop_length=800).plot()
        np.testing.assert_allclose(display.mesh_.get_coordinates()[0, :, 0], [0, 0.025, 0.075, 0.125, 0.175])

    @pytest.mark.parametrize(("n_mels", "fmin", "fmax"), [(128, 0.0, 8000.0), (40, 50.0, 4000.0)])
    def test_bands_lie_around_the_centres_of_librosas_filters(self, n_mels, fmin, fmax):
        display = SpectrogramDisplay(
            np.zeros((n_mels, 4)), sample_rate=RATE, hop_length=512, fmin=fmin, fmax=fmax
        ).plot()
        edges = display.mesh_.get_coordinates()[:, 0, 1]
        centres = librosa.mel_frequencies(n_mels + 2, fmin=fmin, fmax=fmax)[1:-1]
        between = librosa.mel_to_hz((librosa.hz_to_mel(centres[:-1]) + librosa.hz_to_mel(centres[1:])) / 2)
        np.testing.assert_allclose(edges, [fmin, *between, fmax], rtol=1e-9)

    def test_the_axis_is_slaneys_mel_scale(self):
        display = SpectrogramDisplay(np.zeros((128, 4)), sample_rate=RATE, hop_length=512).plot()
        ticks = display.ax_.get_yticks()
        pixels = display.ax_.transData.transform([(0, tick) for tick in ticks])[:, 1]
        heights = (pixels - pixels[0]) / (pixels[-1] - pixels[0])
        np.testing.assert_allclose(heights, librosa.hz_to_mel(ticks) / librosa.hz_to_mel(8000.0), atol=1e-6)
        assert tick_labels(display.ax_.yaxis) == ["0", "500", "1000", "2000", "4000", "8000"]

    def test_a_narrow_range_has_ticks_too(self):
        display = SpectrogramDisplay(np.zeros((20, 4)), sample_rate=RATE, hop_length=512, fmin=100, fmax=400).plot()
        assert len(display.ax_.get_yticks()) >= 3
        assert all(100 <= tick <= 400 for tick in display.ax_.get_yticks())

    def test_takes_its_axes_from_the_features_parameters(self, mels):
        display = SpectrogramDisplay.from_store(mels, 1)
        assert (display.sample_rate, display.hop_length, display.fmax) == (RATE, 512, 8000)
        assert display.ax_.get_ylim() == (20, 8000)
        assert display.ax_.get_title() == "middle (b.wav)"
        assert "maximum" in display.colorbar_.ax.get_ylabel()

    def test_the_colour_bar_names_another_reference_and_can_be_left_out(self, mels):
        settings = {"sample_rate": RATE, "hop_length": 512}
        display = SpectrogramDisplay(mels[0], **settings, reference=1.0).plot()
        assert display.colorbar_.ax.get_ylabel() == "dB relative to a power of 1"
        assert display.plot(colorbar=False).colorbar_ is None

    def test_draws_into_given_axes_and_returns_itself(self, mels):
        import matplotlib.pyplot as plt

        figure, ax = plt.subplots()
        ax.set_ylim(0, 20000)  # of what was in it before
        display = SpectrogramDisplay.from_store(mels, 0, ax=ax, cmap="viridis")
        assert ax.get_ylim() == (FEATURE.fmin, FEATURE.fmax)
        assert display.figure_ is figure
        assert display.ax_ is ax
        assert display.mesh_.get_cmap().name == "viridis"
        assert display.plot(ax) is display

    def test_refuses_what_is_no_mel_spectrogram(self, waveforms, mels):
        with pytest.raises(ValueError, match="bands, frames"):
            SpectrogramDisplay.from_store(waveforms, 0)
        with pytest.raises(ValueError, match="sample_rate="):
            SpectrogramDisplay.from_store(StoreArray.from_numpy(mels.to_numpy()), 0)


class TestBatch:
    def test_each_clip_has_its_label_and_its_image(self, mels):
        display = BatchDisplay.from_store(mels, [2, 0])
        assert [ax.get_title() for ax in display.ax_] == ["high", "low"]
        for each, row in zip(display.displays_, [2, 0], strict=True):
            np.testing.assert_array_equal(each.spectrogram, mels[row])

    def test_all_are_in_the_same_colours(self):
        batch = np.stack([np.linspace(-80, -40, 12), np.linspace(-50, 0, 12)]).reshape(2, 3, 4)
        display = BatchDisplay(batch, sample_rate=RATE, hop_length=512).plot()
        assert {each.mesh_.get_clim() for each in display.displays_} == {(-80, 0)}

    def test_a_number_of_clips_is_drawn_at_random_but_repeatably(self, mels):
        def chosen(seed):
            return [ax.get_title() for ax in BatchDisplay.from_store(mels, 2, random_state=seed).ax_]

        assert chosen(0) == chosen(0)
        assert len({tuple(chosen(seed)) for seed in range(4)}) > 1
        assert len(set(chosen(0))) == 2

    def test_labels_the_outer_axes_only_and_hides_those_left_over(self, mels):
        display = BatchDisplay.from_store(mels, [0, 1, 2], columns=2)
        assert [bool(ax.get_ylabel()) for ax in display.ax_] == [True, False, True]
        assert [bool(ax.get_xlabel()) for ax in display.ax_] == [False, True, True]
        assert [ax.get_visible() for ax in display.figure_.axes] == [True, True, True, False, True]

    def test_given_axes_must_be_as_many_as_the_clips(self, mels):
        import matplotlib.pyplot as plt

        _, axes = plt.subplots(1, 2)
        assert BatchDisplay.from_store(mels, [0, 1], ax=axes).ax_.tolist() == axes.tolist()
        with pytest.raises(ValueError, match="3 axes are needed, but 2 were given"):
            BatchDisplay.from_store(mels, [0, 1, 2], ax=axes)

    def test_takes_a_category(self, mels):
        twice = mels[[0, 1, 2, 1]]
        display = BatchDisplay.from_store({"mel": twice}, "middle")
        assert [ax.get_title() for ax in display.ax_] == ["middle", "middle"]
        with pytest.raises(ValueError, match=r"no clip of category 'loud'.*high, low, middle"):
            BatchDisplay.from_store(mels, "loud")

    def test_is_titled_by_data_set_and_feature(self, mels):
        assert BatchDisplay.from_store(mels, [0]).figure_.get_suptitle() == "memory, array"

    def test_refuses_one_clip_and_too_few_labels(self, mels):
        with pytest.raises(ValueError, match=r"a batch of mel spectrograms, \(clips, bands, frames\)"):
            BatchDisplay(mels.to_numpy()[0], sample_rate=RATE, hop_length=512)
        with pytest.raises(ValueError, match="There are 1 labels for 3"):
            BatchDisplay(mels.to_numpy(), ["a"], sample_rate=RATE, hop_length=512)


SCORES = {"one": [0.5, 0.7, 0.6], "two": [0.8, 0.8, 0.5]}


class TestFoldScores:
    def test_draws_every_fold_where_its_score_is(self):
        display = FoldScoresDisplay.from_scores(SCORES, folds=[1, 2, 5])
        texts = {}
        for text in display.ax_.texts:
            if text.get_text() in "125":
                texts.setdefault(round(text.xy[1]), {})[text.get_text()] = text.xy[0]
        assert texts == {0: {"1": 0.5, "2": 0.7, "5": 0.6}, 1: {"1": 0.8, "2": 0.8, "5": 0.5}}

    def test_writes_and_draws_mean_and_standard_deviation(self):
        display = FoldScoresDisplay.from_scores(SCORES)
        assert [text.get_text() for text in display.ax_.texts if "±" in text.get_text()] == [
            "0.600 ± 0.082",
            "0.700 ± 0.141",
        ]
        bar = display.ax_.patches[1]
        deviation = np.std([0.8, 0.8, 0.5])
        assert bar.get_x() == pytest.approx(0.7 - deviation)
        assert bar.get_width() == pytest.approx(2 * deviation)

    def test_the_first_estimator_is_on_top(self):
        low, high = FoldScoresDisplay.from_scores(SCORES).ax_.get_ylim()
        assert low > high

    def test_takes_scores_of_one_estimator(self):
        assert list(FoldScoresDisplay.from_scores([0.5, 0.6]).scores) == [""]

    def test_takes_results_of_cross_validate(self):
        X, y = np.zeros((10, 1)), np.array([0] * 6 + [1] * 4)
        result = cross_validate(DummyClassifier(), X, y, cv=2, return_train_score=True)
        for results in (result, {"dummy": result}):
            (scores,) = FoldScoresDisplay.from_cross_validate(results).scores.values()
            np.testing.assert_array_equal(scores, result["test_score"])
        (scores,) = FoldScoresDisplay.from_cross_validate(result, key="train_score").scores.values()
        np.testing.assert_array_equal(scores, result["train_score"])
        with pytest.raises(ValueError, match="no 'test_f1'; it has fit_time"):
            FoldScoresDisplay.from_cross_validate(result, key="test_f1")

    def test_is_titled(self):
        ax = FoldScoresDisplay.from_scores(SCORES, title="demo", metric="Recall").ax_
        assert ax.get_title("left").startswith("demo\nDots: folds.") and ax.get_xlabel() == "Recall"

    def test_a_fold_that_was_not_run_is_left_out(self):
        display = FoldScoresDisplay.from_scores([0.5, np.nan, 0.7])
        assert "0.600 ± 0.100" in [text.get_text() for text in display.ax_.texts]

    def test_chance_is_a_line(self):
        display = FoldScoresDisplay.from_scores(SCORES, chance=0.25)
        assert 0.25 in [line.get_xdata()[0] for line in display.ax_.lines]

    @pytest.mark.parametrize("scores", [{}, {"a": [0.5, 0.6], "b": [0.5]}, {"a": []}, {"a": 0.5}])
    def test_refuses_scores_that_do_not_belong_together(self, scores):
        with pytest.raises(ValueError, match=r"scores|score per fold"):
            FoldScoresDisplay(scores)


@pytest.fixture(scope="module")
def net():
    from esc_features.models import ConvNetClassifier

    rng = np.random.default_rng(0)
    X = StoreArray.from_numpy(rng.normal(size=(12, 16, 16)).astype(np.float32), folds=[1] * 8 + [2] * 4)
    return ConvNetClassifier(max_epochs=3, train_split=HoldOutFold(), random_state=0).fit(X, np.tile([0, 1], 6))


class TestHistory:
    def test_draws_loss_and_accuracy_of_each_epoch(self, net):
        display = HistoryDisplay.from_estimator(net)
        losses, accuracies = display.ax_
        drawn = {line.get_label(): line.get_ydata().tolist() for line in losses.lines}
        assert drawn == {"training": net.history[:, "train_loss"], "held out": net.history[:, "valid_loss"]}
        drawn = {line.get_label(): line.get_ydata().tolist() for line in accuracies.lines}
        assert drawn == {"training": net.history[:, "train_acc"], "held out": net.history[:, "valid_acc"]}
        assert losses.lines[0].get_xdata().tolist() == [1, 2, 3]
        assert (losses.get_ylabel(), accuracies.get_ylabel()) == ("Loss", "Accuracy")
        assert losses.get_xlabel() == accuracies.get_xlabel() == "Epoch"

    def test_looks_into_pipelines_and_searches(self, net):
        class Search:
            best_estimator_ = make_pipeline("passthrough", net)

        assert HistoryDisplay.from_estimator(Search()).losses.keys() == {"training", "held out"}

    def test_is_titled_by_the_network_or_as_told(self, net):
        assert HistoryDisplay.from_estimator(net).figure_.get_suptitle() == "ConvNetClassifier"
        assert HistoryDisplay.from_estimator(net, title="demo, ConvNet").figure_.get_suptitle() == "demo, ConvNet"

    def test_curves_of_other_names_are_told_apart(self):
        curves = {name: [1.0, 0.5] for name in ("training", "held out", "ensemble", "teacher", "student", "ema")}
        lines = HistoryDisplay(curves, {}).plot().ax_[0].lines
        assert len({(line.get_color(), line.get_marker()) for line in lines}) == len(curves)

    def test_without_accuracies_there_is_one_panel(self):
        assert len(HistoryDisplay({"training": [1.0, 0.5]}, {}).plot().ax_) == 1

    def test_refuses_what_has_no_history(self):
        from esc_features.models import ConvNetClassifier

        for estimator in (DummyClassifier(), ConvNetClassifier()):
            with pytest.raises(ValueError, match="no training history"):
                HistoryDisplay.from_estimator(estimator)


def test_importing_it_imports_neither_matplotlib_nor_torch():
    import subprocess
    import sys

    code = "import sys, esc_features.plotting; assert not {'matplotlib', 'torch', 'librosa'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
