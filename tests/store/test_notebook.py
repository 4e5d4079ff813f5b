"""What a notebook shows of a store: pictures and players of a few clips, held by the page itself."""

import base64
import io
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import soundfile
from matplotlib import colormaps, image

from esc_features import StoreArray, extract, load_clips, open_store
from esc_features.exceptions import AudioError, StoreError
from esc_features.storage import write_clip_table
from esc_features.store import Sound, Sounds
from esc_features.store._thumbnails import thumbnails

HOSTILE = """"><script src="https://evil.example/a.js"></script><img src=x onerror='alert(1)'>"""


class Page(HTMLParser):
    """The tags of a page and what its pictures and players hold."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.text = [], ""
        self.feed(text)
        self.images = [image.imread(io.BytesIO(self._held(tag, "image/png"))) for tag in self._named("img")]
        self.sounds = [soundfile.read(io.BytesIO(self._held(tag, "audio/wav"))) for tag in self._named("audio")]
        self.names = [tag["alt"] for tag in self._named("img")]

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data

    def _named(self, name):
        return [attributes for tag, attributes in self.tags if tag == name]

    def _held(self, attributes, kind):
        head, _, content = attributes["src"].partition(",")
        assert head == f"data:{kind};base64"
        return base64.b64decode(content, validate=True)

    def check_asks_for_nothing(self):
        allowed = {"p", "table", "tr", "td", "div", "figure", "img", "figcaption", "b", "br", "small", "audio"}
        assert {tag for tag, _ in self.tags} <= allowed
        for _, attributes in self.tags:
            assert all(value.startswith("data:") for name, value in attributes.items() if name in ("src", "href"))
            assert not [name for name in attributes if name.startswith("on")]


@pytest.fixture(scope="module")
def mels_alone(tmp_path_factory, demo_folder):
    """A store without waveforms, and a copy of its recordings that may be changed."""
    folder = tmp_path_factory.mktemp("alone")
    shutil.copytree(demo_folder, folder / "demo")
    return extract(load_clips(folder / "demo")[:3], folder / "store", features="mel", n_jobs=1, verbose=False)


def test_a_few_clips_of_an_array_are_drawn_and_heard(tiny_store):
    page = Page(tiny_store["mel"][:8]._repr_html_())
    page.check_asks_for_nothing()
    assert page.names == tiny_store.clips["filename"][:8].tolist()
    for picture, mel in zip(page.images, tiny_store["mel"][:8], strict=True):
        assert picture.shape[:2] == (64, 157)
        halved = np.clip(mel, mel.max() - 80, None).reshape(64, 2, 157).mean(axis=1)[::-1]
        levels = (halved - halved.min()) / (halved.max() - halved.min())
        np.testing.assert_allclose(picture[..., :3], colormaps["magma"](levels)[..., :3], atol=0.02)
    paths = tiny_store.clips["path"]
    for (samples, rate), path in zip(page.sounds, paths[:8], strict=True):
        recording, recorded = soundfile.read(path)
        mono = recording if recording.ndim == 1 else recording.mean(axis=1)
        assert rate == recorded and 2 * len(samples) <= 200_000 + 1 and len(samples) <= len(mono)
        np.testing.assert_allclose(samples, mono[: len(samples)], atol=1e-4)


def test_a_store_shows_eight_clips_and_plays_its_waveforms(tiny_store):
    page = Page(tiny_store._repr_html_())
    page.check_asks_for_nothing()
    rows = np.arange(8) * 5
    assert page.names == tiny_store.clips["filename"][rows].tolist() and "8 of 40 clips" in page.text
    for (samples, rate), waveform in zip(page.sounds, tiny_store["waveform"].take(rows), strict=True):
        assert rate == 16000
        np.testing.assert_allclose(samples, np.clip(waveform, -1, 1), atol=1e-4)
    smaller = Page(tiny_store[[3]]._repr_html_())
    assert smaller.names == [tiny_store.clips["filename"][3]] and "clips:" not in smaller.text


def test_waveforms_are_drawn_as_waveforms(tiny_store):
    (picture,) = Page(tiny_store["waveform"][:1]._repr_html_()).images
    waveform = tiny_store["waveform"][0]
    heights = (picture[..., :3].sum(axis=2) > 1).sum(axis=0)
    peaks = np.abs(waveform).reshape(160, 500).max(axis=1) / np.abs(waveform).max()
    assert np.corrcoef(heights, peaks)[0, 1] > 0.9


def test_vectors_are_shown_as_before(tiny_store):
    assert Page(tiny_store["mfcc"]._repr_html_()).images == []
    assert thumbnails(tiny_store["mfcc"], []) == ""


def test_hostile_names_are_text(write_store, tmp_path):
    folder = write_store(tmp_path / HOSTILE.replace("/", ""), clips=2)
    table = open_store(folder).clips.assign(category=HOSTILE, target=0, take="A")
    write_clip_table(folder, table, HOSTILE, "2017-07-14T02:40:00Z")
    store = open_store(folder)
    for shown in (store, store["mel"]):
        page = Page(shown._repr_html_())
        page.check_asks_for_nothing()
        assert len(page.images) == 4 and HOSTILE in page.text and page.sounds == []
    X = StoreArray.from_numpy(np.ones((1, 2, 3)), filenames=[HOSTILE], y=[HOSTILE])
    page = Page(X._repr_html_())
    page.check_asks_for_nothing()
    assert page.names == [HOSTILE]
    page = Page(Sound(np.zeros(9), 8000, HOSTILE)._repr_html_())
    page.check_asks_for_nothing()
    assert HOSTILE in page.text and len(page.sounds) == 1


def test_only_the_rows_that_are_shown_are_read():
    read = []
    X = StoreArray.from_numpy(np.zeros((100_000, 4, 5), np.float32)).map(lambda batch: read.append(len(batch)) or batch)
    assert len(Page(X._repr_html_()).images) == 8 and sum(read) <= 10


def test_a_store_reads_only_the_rows_that_it_shows(tiny_store, monkeypatch):
    source, read = type(tiny_store["mel"]._source), []
    gather = source.gather
    monkeypatch.setattr(source, "gather", lambda self, rows, out: read.append(len(rows)) or gather(self, rows, out))
    tiny_store._repr_html_()
    assert sum(read) == 8 + 8  # pictures and sounds


def test_what_cannot_be_read_is_said():
    def fail(batch):
        if len(batch) > 1:
            raise RuntimeError("<b>no</b>")
        return batch

    page = Page(StoreArray.from_numpy(np.zeros((3, 4, 5))).map(fail)._repr_html_())
    assert "No pictures: <b>no</b>" in page.text and "StoreArray(3 clips" in page.text


def test_listen(tiny_store, monkeypatch):
    monkeypatch.setitem(sys.modules, "IPython", None)  # as where it is not installed
    monkeypatch.setitem(sys.modules, "IPython.display", None)
    name = tiny_store.clips["filename"][-7:].iloc[0]
    for clip in (name, -7, len(tiny_store) - 7):
        heard = tiny_store.listen(clip)
        assert heard.name == name and heard.sample_rate == 16000 and not heard.is_cut
        assert (heard.samples == tiny_store["waveform"][-7]).all()
    for clip in ("none.wav", 40, -41):
        with pytest.raises(StoreError, match=re.escape(f"no clip {clip!r}")):
            tiny_store.listen(clip)


def test_listen_gives_ipythons_player_where_it_is(tiny_store):
    display = pytest.importorskip("IPython.display")
    player = tiny_store.listen(0)
    assert isinstance(player, display.Audio) and player.data == tiny_store.sound(0).to_wav()
    assert "data:audio/wav;base64," in player._repr_html_()


def test_recordings_are_played_only_where_they_are_those_that_were_extracted(mels_alone):
    path = mels_alone.clips["path"][0]
    recording, rate = soundfile.read(path, dtype="float32")
    np.testing.assert_array_equal(mels_alone.sound(0).samples, recording)
    soundfile.write(path, recording[::-1], rate)
    with pytest.raises(AudioError, match="content has changed"):
        mels_alone.sound(0)
    assert len(Page(mels_alone._repr_html_()).sounds) == 2


def test_recordings_that_moved_are_played_from_the_folder_that_is_named(mels_alone, tmp_path):
    folder = Path(mels_alone.clips["path"][1]).parent
    moved = folder.rename(tmp_path / "moved")
    try:
        with Sounds([mels_alone["mel"]], audio=str(moved)) as sounds:
            recording, _ = soundfile.read(moved / mels_alone.clips["filename"][1], dtype="float32")
            np.testing.assert_array_equal(sounds.of(1).samples, recording)
    finally:
        moved.rename(folder)


@pytest.mark.parametrize(("feature", "rate"), [("waveform", 16000), ("mel", 44100)])
def test_of_a_long_clip_the_beginning_is_played(tiny_store, mels_alone, feature, rate):
    arrays = [tiny_store["waveform"] if feature == "waveform" else mels_alone["mel"]]
    with Sounds(arrays) as all_of_it, Sounds(arrays, seconds=1) as second, Sounds(arrays, most_samples=8000) as few:
        whole = all_of_it.of(1)
        assert len(whole.samples) == 5 * rate and not whole.is_cut and "the first" not in whole.player()
        for part, length in (second.of(1), rate), (few.of(1), 8000):
            np.testing.assert_array_equal(part.samples, whole.samples[:length])
            assert part.is_cut and f"the first {length / rate:.3g} s" in part.player()


@pytest.mark.parametrize("path", ["http://127.0.0.1:1/a.wav", "//host/a.wav"])
def test_nothing_is_fetched_from_elsewhere(write_store, tmp_path, path):
    folder = write_store(tmp_path / "store", clips=2)
    write_clip_table(folder, open_store(folder).clips.assign(path=path, take="A"), "x", "2017-07-14T02:40:00Z")
    with pytest.raises(AudioError, match="not a file on this machine: extract the feature waveform"):
        open_store(folder).sound(0)


@pytest.mark.slow
def test_a_representation_imports_no_viewer(tiny_store):
    program = (
        f"import sys, esc_features; store = esc_features.open_store({str(tiny_store.path)!r})\n"
        "store._repr_html_(); store.sound(0)\n"
        "assert not {'esc_features.viewer', 'esc_features.plotting', 'torch', 'librosa'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
