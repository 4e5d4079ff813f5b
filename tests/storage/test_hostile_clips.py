"""Tables of clips from a stranger, or damaged: refused with a message that says how to get a good one."""

import json
import os
import shutil
import subprocess
import sys
import zlib

import h5py
import numpy as np
import pytest

from esc_features import MFCCStatistics, extract, open_store
from esc_features.exceptions import StoreError
from esc_features.storage import write_clip_table

CLIPS = 4


@pytest.fixture(scope="module")
def good_store(write_store, tmp_path_factory):
    """A store of one feature, two folds and four clips, each with one label."""
    return write_store(tmp_path_factory.mktemp("good") / "store", folds=(1, 2), clips=2)


@pytest.fixture
def store(good_store, tmp_path):
    """A copy of it, to be spoilt."""
    return shutil.copytree(good_store, tmp_path / "store")


@pytest.fixture
def labelled(store):
    """The same with several labels per clip."""
    clips = open_store(store).clips.drop(columns="category").assign(labels=[("a", "b"), (), ("b",), ("a",)])
    write_clip_table(store, clips, "random", "now")
    return store


def read_all(store):
    opened = open_store(store)
    assert opened.target.shape[:1] == opened.y.shape[:1] == (CLIPS,)
    return opened.y, opened.categories, opened.clips, repr(opened), opened.sources, opened["mel"].to_numpy()


def refused(store, *words):
    """Read everything, and see it refused: by the file's name, the cause, and the command that writes a good one."""
    with pytest.raises(StoreError) as refusal:
        read_all(store)
    message = str(refusal.value)
    assert str(store / "clips.h5") in message and len(message) < 1000 and message.isprintable()
    assert any(word in message for word in words), message
    assert "extract_features command again" in message


def test_the_tables_that_are_spoilt_below_are_good(store, labelled):
    y, categories, *_ = read_all(labelled)
    assert y.tolist() == [[1, 1], [0, 0], [0, 1], [1, 0]] and categories == ["a", "b"]


# How a table is spoilt


def edit(change):
    """Change the HDF5 file."""

    def spoil(path):
        with h5py.File(path, "r+") as file:
            change(file)

    return spoil


def replace(name, values=None, **how):
    """Put another data set in the place of one, without its checksum."""

    def change(file):
        kept = file[name][...]
        del file[name]
        file.create_dataset(name, **({"data": kept if values is None else values} | how))

    return edit(change)


def link(name, target):
    def change(file):
        del file[name]
        file[name] = target

    return edit(change)


def remove(name):
    return edit(lambda file: file.__delitem__(name))


def add(name, values):
    return edit(lambda file: file.create_dataset(name, data=values))


def attribute(name, value, **how):
    def change(file):
        if name in file.attrs:
            del file.attrs[name]
        if value is not None:
            file.attrs.create(name, value, **how)

    return edit(change)


def text(name, value):
    raw = value if isinstance(value, bytes) else value.encode()
    return attribute(name, np.bytes_(raw), dtype=h5py.string_dtype("utf-8", len(raw)))


def forged(**columns):
    """Other values with the checksums that belong to them: what only a program writes that knows the format."""

    def change(file):
        checksums = json.loads(file.attrs["checksums"])
        for name, values in columns.items():
            place = name if name in ("labels", "categories") else f"clips/{name}"
            values = np.asarray(values)
            if values.dtype.kind in "US":
                raw = [value.encode() if isinstance(value, str) else value for value in values.tolist()]
                values = np.array(raw, h5py.string_dtype("utf-8", max(map(len, raw))))
            del file[place]
            file.create_dataset(place, data=values)
            checksums[name] = zlib.crc32(values.tobytes())
        encoded = json.dumps(checksums).encode()
        del file.attrs["checksums"]
        file.attrs.create("checksums", encoded, dtype=h5py.string_dtype("utf-8", len(encoded)))

    return edit(change)


def overwritten(name, value):
    """Other bytes in place, as a fault of the disk leaves them."""

    def change(file):
        file[name][...] = value

    return edit(change)


def external(file):
    del file["clips/fold"]
    file.create_dataset("clips/fold", (CLIPS,), "<i8", external=[("/etc/passwd", 0, h5py.h5f.UNLIMITED)])


def virtual(file):
    del file["clips/fold"]
    layout = h5py.VirtualLayout((CLIPS,), "<i8")
    layout[...] = h5py.VirtualSource("other.h5", "fold", (CLIPS,))
    file.create_virtual_dataset("clips/fold", layout)


def never_allocated(file):
    del file["clips/fold"]
    file.create_dataset("clips/fold", (1 << 50,), "<i8")


def same_place(file):
    del file["clips/target"]
    file["clips/target"] = file["clips/fold"]


def sparse(path):
    os.truncate(path, 1 << 42)


NAN, INF = np.nan, np.inf
CASES = {
    "soft link": (link("clips/fold", h5py.SoftLink("/clips/target")), "link"),
    "link to itself": (link("clips/fold", h5py.SoftLink("/clips/fold")), "link"),
    "external link": (link("clips/path", h5py.ExternalLink("other.h5", "/x")), "link"),
    "group elsewhere": (link("clips", h5py.ExternalLink("other.h5", "/clips")), "link"),
    "categories elsewhere": (link("categories", h5py.ExternalLink("other.h5", "/x")), "link"),
    "missing column": (remove("clips/fold"), "entries"),
    "missing categories": (remove("categories"), "entries"),
    "further column": (add("clips/extra", np.zeros(3)), "entries"),
    "further entry": (add("extra", np.zeros(3)), "entries"),
    "labels beside categories": (add("labels", np.zeros((4, 2), np.int8)), "entries"),
    "external storage": (edit(external), "another file"),
    "virtual": (edit(virtual), "contiguously"),
    "chunked": (replace("clips/start", chunks=True), "contiguously"),
    "gzip": (replace("clips/filename", compression="gzip"), "contiguously"),
    "never allocated": (edit(never_allocated), "past the end"),
    "two names for one column": (edit(same_place), "overlap"),
    "terabytes": (sparse, "larger than any"),
    "scalar": (replace("clips/fold", 1), "shape"),
    "no clips": (replace("clips/fold", np.zeros(0, "<i8")), "shape"),
    "two dimensions": (replace("clips/fold", np.ones((CLIPS, 1), "<i8")), "shape"),
    "longer column": (replace("clips/fold", np.ones(CLIPS + 1, "<i8")), "length"),
    "fractions": (replace("clips/fold", np.ones(CLIPS)), "type"),
    "big-endian": (replace("clips/end", np.ones(CLIPS, ">f8")), "type"),
    "text for numbers": (replace("clips/target", np.array([b"a"] * CLIPS)), "type"),
    "numbers for text": (replace("clips/category", np.ones(CLIPS, "<i8")), "type"),
    "variable text": (replace("clips/filename", ["a"] * CLIPS, dtype=h5py.string_dtype()), "type"),
    "long text": (replace("clips/take", np.array([b"x" * 5000] * CLIPS)), "type"),
    "number for a text": (attribute("dataset", 3), "not a text"),
    "text that varies": (attribute("audio_folder", "/data"), "not a text"),
    "huge attribute": (text("dataset", "x" * 63_000), "too large"),
    "missing attribute": (attribute("folds_by", None), "missing"),
    "escapes in an attribute": (text("dataset", "\x1b]0;owned\x07"), "control"),
    "no UTF-8 in an attribute": (text("dataset", b"\xff"), "utf-8"),
    "neither one label nor several": (attribute("several_labels", 2), "several_labels"),
    "several labels that are one": (attribute("several_labels", 1), "entries"),
    "text for a number": (text("several_labels", "1"), "whole number"),
    "another format": (text("format", "netcdf"), "netcdf"),
    "checksums of other columns": (text("checksums", '{"fold": 1}'), "checksum"),
    "checksums that are no numbers": (text("checksums", "[]"), "JSON"),
    "damaged names": (overwritten("clips/filename", b"a.wav"), "damaged"),
    "damaged folds": (overwritten("clips/fold", 1), "damaged"),
    "damaged categories": (overwritten("clips/category", b"cat"), "damaged"),
    "damaged sources": (overwritten("clips/src_file", b"x"), "damaged"),
    "damaged names of categories": (overwritten("categories", b"cat"), "damaged"),
    "no UTF-8": (forged(src_file=[b"\xff"] * CLIPS), "UTF-8"),
    "escapes": (forged(take=[b"\x1b[2J"] * CLIPS), "control"),
    "escapes in categories": (forged(categories=[b"\x1b[2J", b"rain"]), "control"),
    "a start that is no number": (forged(start=[NAN, 0, 0, 0]), "starts before 0"),
    "an end that is no number": (forged(end=[NAN, INF, INF, INF]), "starts before 0"),
    "a start before 0": (forged(start=[-1.0, 0, 0, 0]), "starts before 0"),
    "a start that is never": (forged(start=[INF, 0, 0, 0]), "starts before 0"),
    "an end before the start": (forged(start=[3.0, 0, 0, 0], end=[2.0, INF, INF, INF]), "end after"),
    "no length": (forged(start=[3.0, 0, 0, 0], end=[3.0, INF, INF, INF]), "end after"),
    "folds out of order": (forged(fold=[2, 1, 2, 1]), "order"),
    "a clip twice": (forged(filename=["a.wav", "b.wav", "c.wav", "a.wav"]), "a clip twice"),
    "a clip twice by minus zero": (forged(filename=["a", "b", "c", "a"], start=[0.0, 0, 0, -0.0]), "a clip twice"),
    "a category twice": (forged(categories=["dog", "dog"]), "a category twice"),
    "another category than the target": (forged(category=["dog", "rain", "rain", "dog"]), "their targets"),
    "more targets than categories": (forged(target=[0, 1, 2, 1]), "their targets"),
    "more categories than targets": (forged(categories=["dog", "rain", "cat"]), "their targets"),
    "categories in another order": (forged(categories=["rain", "dog"]), "their targets"),
}


@pytest.mark.parametrize("case", CASES)
def test_is_refused(store, case):
    spoil, *words = CASES[case]
    spoil(store / "clips.h5")
    refused(store, *words)


LABELS = {
    "a number that is no mark": (forged(labels=np.full((CLIPS, 2), 2, np.int8)), "0 and 1"),
    "a negative mark": (forged(labels=np.full((CLIPS, 2), -1, np.int8)), "0 and 1"),
    "a class more": (replace("labels", np.ones((CLIPS, 3), np.int8)), "one number per clip and category"),
    "a clip less": (replace("labels", np.ones((CLIPS - 1, 2), np.int8)), "one number per clip and category"),
    "a list of marks": (replace("labels", np.ones(CLIPS, np.int8)), "shape"),
    "unsigned marks": (replace("labels", np.ones((CLIPS, 2), np.uint8)), "type"),
    "truth values": (replace("labels", np.ones((CLIPS, 2), bool)), "type"),
    "terabytes of marks": (replace("labels", shape=(CLIPS, 1 << 40), data=None, dtype=np.int8), "past the end"),
    "labels elsewhere": (link("labels", h5py.ExternalLink("other.h5", "/x")), "link"),
    "labels of no category": (remove("categories"), "entries"),
    "categories of no label": (remove("labels"), "entries"),
    "damaged labels": (overwritten("labels", 1), "damaged"),
    "one label that is several": (attribute("several_labels", 0), "entries"),
}


@pytest.mark.parametrize("case", LABELS)
def test_is_refused_where_clips_have_several_labels(labelled, case):
    spoil, *words = LABELS[case]
    spoil(labelled / "clips.h5")
    refused(labelled, *words)


def folder(path):
    path.mkdir()


def no_hdf5(path):
    path.write_text("filename,fold\na.wav,1\n")


def half(path):
    shutil.copy(path.parent / "mel/fold1.h5", path)
    os.truncate(path, 700)


def empty(path):
    path.touch()


def pipe(path):
    os.mkfifo(path)


def socket(path):
    script = "import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])"
    subprocess.run([sys.executable, "-c", script, path.name], cwd=path.parent, check=True)


def zeros(path):
    path.symlink_to("/dev/zero")


def dangling(path):
    path.symlink_to("nowhere")


def loop(path):
    path.symlink_to(path)


def user_block(path):
    shutil.copy(path.parent / "mel/fold1.h5", path)
    path.write_bytes(bytes(512) + path.read_bytes())


def feature_file(path):
    shutil.copy(path.parent / "mel/fold1.h5", path)


@pytest.mark.parametrize(
    "make",
    [folder, no_hdf5, half, empty, pipe, socket, zeros, dangling, loop, user_block, feature_file],
    ids=lambda make: make.__name__,
)
def test_other_things_under_its_name(store, make):
    (store / "clips.h5").unlink()
    make(store / "clips.h5")
    refused(store, "refused", "can be opened", "link to a missing file")


@pytest.mark.parametrize("version", [1, 3])
def test_a_version_that_has_no_such_table(store, version):
    attribute("format_version", version)(store / "clips.h5")
    with pytest.raises(StoreError, match=rf"clips.h5 has format version {version}.*install the version that wrote it"):
        open_store(store)


# What is no fault of the file itself


def test_folds_and_clips_that_no_feature_has(store):
    forged(fold=[1, 1, 7, 7])(store / "clips.h5")
    assert len(open_store(store)) == CLIPS  # the rows are those of their clips, wherever they lie
    forged(fold=[1, 1, 7, 7], filename=["1-0-A-0.wav", "1-1-A-0.wav", "x.wav", "y.wav"])(store / "clips.h5")
    with pytest.raises(StoreError, match=r"'mel' lacks fold 7.*run the same extract_features command again"):
        open_store(store)


def test_paths_that_lead_out_of_the_folder_are_none(store):
    text("audio_folder", "/data")(store / "clips.h5")
    forged(path=["../../etc/passwd", "a/../../b", "C:\\x.wav", "ok.wav"])(store / "clips.h5")
    opened = open_store(store)
    assert opened.clips["path"].tolist() == ["", "", "", "/data/ok.wav"]
    with pytest.raises(StoreError, match=r"the path of a recording is not known.*Run extract_features"):
        MFCCStatistics().transform(opened.audio)


@pytest.mark.slow
@pytest.mark.parametrize("place", ["/dev/zero", "pipe", "folder", "nowhere"])
def test_recordings_that_are_none_are_not_waited_for(store, tmp_path, place):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    path = str(tmp_path / place)
    text("audio_folder", "/data")(store / "clips.h5")
    forged(path=[path] * CLIPS)(store / "clips.h5")
    script = (
        "import signal, sys; signal.alarm(60)\n"
        "from esc_features import MFCCStatistics, open_store\n"
        "try: MFCCStatistics().transform(open_store(sys.argv[1]).audio)\n"
        "except ValueError as error: print(type(error).__name__, error)"
    )
    done = subprocess.run([sys.executable, "-c", script, store], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and done.stdout.startswith("StoreError") and "cannot be read" in done.stdout, done


# The command that the message names


@pytest.mark.parametrize(
    "spoil",
    [
        overwritten("clips/category", b"cat"),
        forged(categories=["a", "b", "c", "d"]),
        lambda path: (path.unlink(), path.symlink_to("/etc/passwd")),
        lambda path: path.unlink(),
        pytest.param(forged(start=[NAN] * 40), marks=pytest.mark.slow),
        pytest.param(forged(fold=list(range(40))[::-1]), marks=pytest.mark.slow),
        pytest.param(lambda path: path.write_text("no table"), marks=pytest.mark.slow),
    ],
    ids=["damaged", "other categories", "link", "gone", "no numbers", "out of order", "no table"],
)
def test_the_same_command_again_writes_a_good_table_and_computes_nothing(tiny_store, demo_folder, tmp_path, spoil):
    store = shutil.copytree(tiny_store.path, tmp_path / "store")
    files = {path: path.stat() for path in store.glob("*/fold*.h5")}
    spoil(store / "clips.h5")
    with pytest.raises(StoreError, match="extract_features command again"):
        _ = open_store(store).y
    mended = extract(demo_folder, store, features="waveform,mel,mfcc", n_jobs=1, verbose=False)
    assert mended.y.tolist() == tiny_store.y.tolist() and mended.folds.tolist() == tiny_store.folds.tolist()
    assert not (store / "clips.h5").is_symlink()
    for path, before in files.items():
        assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
