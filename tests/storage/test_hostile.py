"""Store files from a stranger: refused with a message before anything is read or mapped, never a crash or a hang."""

import json
import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

from esc_features import open_store
from esc_features.exceptions import StoreError
from esc_features.storage import FEATURE_2, Column, _hdf5, create_file, read_header, write_clip_table

CLIPS, SHAPE = 4, (3, 5)
GOLDEN = Path(__file__).with_name("golden")


@pytest.fixture(scope="module")
def good_store(write_store, tmp_path_factory):
    """A store of one feature and one fold."""
    return write_store(tmp_path_factory.mktemp("good") / "store", folds=(1,), clips=CLIPS, shape=SHAPE)


@pytest.fixture
def store(good_store, tmp_path):
    """A copy of it, to be spoilt."""
    return shutil.copytree(good_store, tmp_path / "store")


@pytest.fixture
def file(store):
    return store / "mel/fold1.h5"


def test_the_store_that_is_spoilt_below_is_a_good_one(store):
    assert open_store(store)["mel"].to_numpy().shape == (CLIPS, *SHAPE)


def refused(store, *words):
    """Open the store as a reader would and see it refused, in a message that names a file and one of the words."""
    with pytest.raises(StoreError) as refusal:
        opened = open_store(store)
        _ = opened["mel"].to_numpy(), opened.clips, repr(opened), opened._repr_html_(), opened["mel"].parameters
    message = str(refusal.value)
    assert "fold1.h5" in message and len(message) < 2000
    assert any(word in message for word in words), message


# Links


def _external_link(file):
    file.parent.parent.joinpath("other.h5").write_bytes(file.read_bytes())
    with h5py.File(file, "r+") as h5:
        del h5["data"]
        h5["data"] = h5py.ExternalLink(str(file.parent.parent / "other.h5"), "/data")


def _external_group(file):
    file.parent.parent.joinpath("other.h5").write_bytes(file.read_bytes())
    with h5py.File(file, "r+") as h5:
        del h5["clips"]
        h5["clips"] = h5py.ExternalLink(str(file.parent.parent / "other.h5"), "/clips")


def _soft_link(file):
    with h5py.File(file, "r+") as h5:
        del h5["data"]
        h5["data"] = h5py.SoftLink("/clips/notes")


def _soft_link_loop(file):
    with h5py.File(file, "r+") as h5:
        del h5["data"]
        h5["data"] = h5py.SoftLink("/data")


def _soft_link_of_a_column(file):
    with h5py.File(file, "r+") as h5:
        del h5["clips/crc32"]
        h5["clips/crc32"] = h5py.SoftLink("/clips/notes")


def _group_in_itself(file):
    with h5py.File(file, "r+") as h5:
        del h5["clips"]
        h5["clips"] = h5["/"]


def _missing_column(file):
    with h5py.File(file, "r+") as h5:
        del h5["clips/done"]


def _further_entry(file):
    with h5py.File(file, "r+") as h5:
        h5["clips/extra"] = np.zeros(3)


def _column_is_a_group(file):
    with h5py.File(file, "r+") as h5:
        del h5["clips/done"]
        h5.create_group("clips/done")


def _data_is_a_group(file):
    with h5py.File(file, "r+") as h5:
        del h5["data"]
        h5.create_group("data")


def _data_is_a_named_type(file):
    with h5py.File(file, "r+") as h5:
        del h5["data"]
        h5["data"] = np.dtype("<f4")


def _two_names_for_one_column(file):
    with h5py.File(file, "r+") as h5:
        del h5["clips/notes"]
        h5["clips/notes"] = h5["clips/crc32"]


# Where the bytes of the data are, and what they are


def _data(**how):
    """Replace /data with a data set created in another way."""

    def change(file):
        with h5py.File(file, "r+") as h5:
            values = h5["data"][:]
            del h5["data"]
            arguments = {"shape": values.shape, "dtype": "<f4"} | how
            h5.create_dataset("data", **arguments)

    return change


def _filled(dtype):
    def change(file):
        with h5py.File(file, "r+") as h5:
            shape = h5["data"].shape
            del h5["data"]
            h5["data"] = np.zeros(shape, dtype)

    return change


def _external_storage(file):
    with h5py.File(file, "r+") as h5:
        shape = h5["data"].shape
        del h5["data"]
        h5.create_dataset("data", shape, "<f4", external=[("/etc/passwd", 0, h5py.h5f.UNLIMITED)])


def _external_pipe(file):
    os.mkfifo(file.parent / "pipe")
    with h5py.File(file, "r+") as h5:
        shape = h5["data"].shape
        del h5["data"]
        h5.create_dataset("data", shape, "<f4", external=[(str(file.parent / "pipe"), 0, h5py.h5f.UNLIMITED)])


def _virtual(file):
    os.mkfifo(file.parent / "pipe")
    with h5py.File(file, "r+") as h5:
        shape = h5["data"].shape
        del h5["data"]
        layout = h5py.VirtualLayout(shape, "<f4")
        layout[...] = h5py.VirtualSource(str(file.parent / "pipe"), "data", shape)
        h5.create_virtual_dataset("data", layout)


def _chunk_bomb(file):
    # A gigabyte of zeros in a megabyte of gzip would be decompressed by whoever reads one row.
    with h5py.File(file, "r+") as h5:
        del h5["data"]
        data = h5.create_dataset("data", (CLIPS, 1 << 26), "<f4", chunks=(1, 1 << 26), compression="gzip")
        data.id.write_direct_chunk((0, 0), b"x\x9c\x03\x00\x00\x00\x00\x01")


def _compact(file):
    with h5py.File(file, "r+") as h5:
        del h5["data"]
        properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        properties.set_layout(h5py.h5d.COMPACT)
        space = h5py.h5s.create_simple((CLIPS, *SHAPE))
        h5py.h5d.create(h5.id, b"data", h5py.h5t.IEEE_F32LE, space, properties)


def _null(file):
    with h5py.File(file, "r+") as h5:
        del h5["data"]
        h5["data"] = h5py.Empty("<f4")


def _one_clip_less(file):
    with h5py.File(file, "r+") as h5:
        del h5["data"]
        h5["data"] = np.zeros((CLIPS - 1, *SHAPE), "<f4")


def _never_allocated(file):
    with h5py.File(file, "r+") as h5:
        del h5["data"]
        h5.create_dataset("data", (1 << 40, 1 << 20), "<f4")


def _references(file):
    with h5py.File(file, "r+") as h5:
        reference = h5["clips"].ref
        del h5["data"]
        h5.create_dataset("data", (CLIPS, 3), h5py.ref_dtype)[...] = reference


def _column(name, values):
    def change(file):
        with h5py.File(file, "r+") as h5:
            del h5["clips"][name]
            h5["clips"][name] = values

    return change


def _variable_text(file):
    with h5py.File(file, "r+") as h5:
        del h5["clips/filename"]
        h5.create_dataset("clips/filename", data=["a.wav"] * CLIPS, dtype=h5py.string_dtype())


def _text(name, value):
    """Overwrite the text of each clip, byte for byte."""

    def change(file):
        column = read_header(file).columns[name]
        with file.open("r+b") as raw:
            raw.seek(column.offset)
            raw.write(value.ljust(column.row_bytes, b"\0")[: column.row_bytes] * column.count)

    return change


def _number(name, value):
    def change(file):
        with h5py.File(file, "r+") as h5:
            h5["clips"][name][...] = value

    return change


def _cut_short(file):
    os.truncate(file, file.stat().st_size - 1)


def _user_block(file):
    file.write_bytes(bytes(512) + file.read_bytes())


def _cut_to_nothing(file):
    os.truncate(file, 100)


# Attributes


def _attribute(name, value, **how):
    def change(file):
        with h5py.File(file, "r+") as h5:
            del h5.attrs[name]
            if value is not None:
                h5.attrs.create(name, value, **how)

    return change


def _json(name, value):
    """An attribute with this text (or this, as JSON) in it."""

    def change(file):
        text = (value if isinstance(value, str) else json.dumps(value)).encode()
        _attribute(name, np.bytes_(text), dtype=h5py.string_dtype("utf-8", len(text)))(file)

    return change


def _raw(name, raw):
    return _attribute(name, np.bytes_(raw), dtype=h5py.string_dtype("utf-8", len(raw)))


def _description(**changes):
    good = {"class": "a.Class", "version": 1, "parameters": {}, "computed_from": None}
    return _json("description", {key: value for key, value in (good | changes).items() if value is not ...})


def _huge_attribute(file):
    with h5py.File(file, "r+", libver="latest") as h5:
        del h5.attrs["feature"]
        h5.attrs["feature"] = np.arange(2_000_000)


def _many_attributes(file):
    with h5py.File(file, "r+") as h5:
        for number in range(200):
            h5.attrs[f"a{number}"] = number


def _reference_attribute(file):
    with h5py.File(file, "r+") as h5:
        del h5.attrs["fold"]
        h5.attrs["fold"] = h5["clips"].ref


def nested(depth, opening="[", closing="]"):
    return '{"class": "a.Class", "version": 1, "parameters": {"x": ' + opening * depth + closing * depth + "}}"


def test_parameters_may_be_nested_32_deep(file):
    _json("description", nested(30))(file)
    assert read_header(file).facts.description["class"] == "a.Class"
    _json("description", nested(31))(file)
    with pytest.raises(StoreError, match="nested too deep"):
        read_header(file)


CASES = {
    "external link": (_external_link, "link"),
    "external group": (_external_group, "link"),
    "soft link": (_soft_link, "link"),
    "soft link loop": (_soft_link_loop, "link"),
    "soft link of a column": (_soft_link_of_a_column, "link"),
    "group in itself": (_group_in_itself, "entries"),
    "missing column": (_missing_column, "entries"),
    "further entry": (_further_entry, "entries"),
    "column is a group": (_column_is_a_group, "not a data set"),
    "data is a group": (_data_is_a_group, "not a data set"),
    "data is a named type": (_data_is_a_named_type, "not a data set"),
    "two names for one column": (_two_names_for_one_column, "overlap"),
    "external storage": (_external_storage, "another file"),
    "external storage in a pipe": (_external_pipe, "another file"),
    "virtual": (_virtual, "contiguously"),
    "chunked": (_data(chunks=True), "contiguously"),
    "resizable": (_data(maxshape=(None, None, None)), "contiguously"),
    "gzip": (_data(compression="gzip"), "contiguously"),
    "checksum filter": (_data(fletcher32=True), "contiguously"),
    "chunk bomb": (_chunk_bomb, "contiguously"),
    "compact": (_compact, "contiguously"),
    "null": (_null, "shape", "contiguously", "refused"),
    "scalar": (_data(shape=(), data=1.0), "shape"),
    "no clips": (_data(shape=(0, *SHAPE)), "shape"),
    "no values": (_data(shape=(CLIPS, 0)), "shape"),
    "one clip less": (_one_clip_less, "length"),
    "larger than the file, never allocated": (_never_allocated, "past the end"),
    "big-endian": (_filled(">f4"), "type"),
    "float64": (_filled("<f8"), "type"),
    "complex": (_filled("<c8"), "type"),
    "integers": (_filled("<i4"), "type"),
    "truth values": (_filled(bool), "type"),
    "compound": (_data(dtype=np.dtype([("a", "<f4"), ("b", "<f4")])), "type", "contiguously"),
    "array type": (_data(shape=(CLIPS,), dtype=np.dtype(("<f4", (3, 5)))), "type", "past the end"),
    "opaque": (_data(dtype=np.dtype("V4")), "type"),
    "references": (_references, "type"),
    "texts for numbers": (_column("crc32", np.array([b"abcd"] * CLIPS)), "type"),
    "wrong width": (_column("original_samples", np.ones(CLIPS, "<i4")), "type"),
    "signed for unsigned": (_column("audio_digest", np.ones(CLIPS, "<i8")), "type"),
    "big-endian column": (_column("end", np.ones(CLIPS, ">f8")), "type"),
    "column of two dimensions": (_column("crc32", np.ones((CLIPS, 1), "<u4")), "shape"),
    "longer column": (_column("crc32", np.ones(CLIPS + 1, "<u4")), "length"),
    "variable text": (_variable_text, "type"),
    "text that is too long": (_column("filename", np.array([b"x" * 5000] * CLIPS)), "type"),
    "text that is no UTF-8": (_text("filename", b"\xff\xfe.wav"), "damaged"),
    "text with control characters": (_text("filename", b"\x1b[2Ja.wav"), "damaged"),
    "another start": (_number("start", 1.5), "damaged"),
    "rows not done": (_number("done", 0), "not finished"),
    "done is a number": (_number("done", 7), "not finished"),
    "cut short": (_cut_short, "can be opened", "past the end"),
    "cut to nothing": (_cut_to_nothing, "can be opened"),
    "user block": (_user_block, "user block"),
    "attribute missing": (_attribute("versions", None), "missing"),
    "number for text": (_attribute("feature", 3), "not a text"),
    "several texts": (_attribute("feature", np.array([b"a", b"b"])), "not a text"),
    "variable text attribute": (_attribute("feature", "esc50"), "not a text"),
    "empty attribute": (_attribute("feature", h5py.Empty("S3")), "text", "refused"),
    "text for number": (_attribute("fold", np.bytes_(b"1")), "whole number"),
    "fraction for number": (_attribute("fold", 1.0), "whole number"),
    "compound attribute": (_attribute("fold", np.zeros((), [("a", "<i8")])), "whole number"),
    "several folds of a file": (_attribute("fold", np.array([1, 2])), "one fold"),
    "fold in another file's name": (_attribute("fold", 2), "says that it is fold 2"),
    "checksum of an unknown column": (_json("checksums", {"filename": 1, "start": 1, "other": 1}), "one checksum per"),
    "checksum that is a text": (_json("checksums", {"filename": "1", "start": 1, "end": 1}), "one checksum per"),
    "several versions": (_attribute("format_version", np.array([1, 1])), "version"),
    "huge attribute": (_huge_attribute, "too large"),
    "many attributes": (_many_attributes, "too many"),
    "reference attribute": (_reference_attribute, "whole number"),
    "attribute that is no UTF-8": (_raw("feature", b"\xff\xfe"), "utf-8"),
    "attribute with control characters": (_raw("feature", b"\x1b]0;owned\x07"), "control"),
    "no JSON": (_json("description", "{"), "JSON", "Expecting"),
    "JSON list": (_json("description", []), "JSON object"),
    "JSON number": (_json("versions", "1e999"), "JSON object"),
    "JSON 50,000 deep": (_json("description", nested(25_000)), "deep", "recursion"),
    "JSON 900 deep": (_json("description", nested(900)), "deep", "recursion"),
    "JSON with an odd end": (_json("description", nested(30, "[", "}")), "JSON", "Expecting"),
    "number with 5,000 digits": (_json("description", nested(1).replace("[]", "1" * 5000)), "digits"),
    "no class": (_description(**{"class": ...}), "description"),
    "class that steers the terminal": (_description(**{"class": "a.\x1b[2JClass"}), "description"),
    "parameter that steers the terminal": (_description(parameters={"n\x1b[2J": 1}), "control"),
    "parameter that turns the line": (_description(parameters={"a": {"n\u202e": 1}}), "control"),
    "class is a list": (_description(**{"class": ["os", "system"]}), "description"),
    "no parameters": (_description(parameters=...), "description"),
    "parameters are a list": (_description(parameters=[1]), "description"),
    "computed from a number": (_description(computed_from=3), "description"),
    "versions are numbers": (_json("versions", {"numpy": 2}), "versions"),
}


@pytest.mark.parametrize("case", CASES)
def test_is_refused(store, file, case):
    change, *words = CASES[case]
    change(file)
    refused(store, *words)


OLD_CASES = {
    "fold of the clips": (_number("fold", 3), "fold"),
    "source that is no UTF-8": (_text("src_file", b"\xc3"), "UTF-8", "utf-8"),
    "text with control characters": (_text("filename", b"\x1b[2Ja.wav"), "control"),
    "table of folds": (_attribute("folds", np.array([[1, 2]])), "whole number"),
    "no folds": (_attribute("folds", np.array([], "<i8")), "fold"),
    "folds twice": (_attribute("folds", np.array([1, 1])), "fold"),
    "folds without its own": (_attribute("folds", np.array([2, 3])), "fold"),
    "fold in another file's name": (_attribute("fold", 2), "fold"),
    "number for text": (_attribute("dataset", 3), "not a text"),
    "missing column": (_missing_column, "entries"),
    "gzip": (_data(compression="gzip"), "contiguously"),
}


@pytest.mark.parametrize("case", OLD_CASES)
def test_is_refused_in_format_1(tmp_path, case):
    store = shutil.copytree(GOLDEN / "format1", tmp_path / "store")
    for name in ("mfcc", "waveform"):
        shutil.rmtree(store / name)
    change, *words = OLD_CASES[case]
    change(store / "mel/fold1.h5")
    refused(store, *words)


# Offsets and shapes that libhdf5 itself would not write


@pytest.fixture
def unsigned_file(store, file):
    """The same file in the oldest HDF5 format, whose headers have no checksums: easy to forge."""
    with h5py.File(file) as source, h5py.File(file.with_suffix(".old"), "w", libver=("earliest", "v108")) as target:
        for name in ("data", *(f"clips/{column}" for column in FEATURE_2.columns)):
            target.create_dataset(name, data=source[name][:], dtype=source[name].dtype)
        for name in source.attrs:
            attribute = source.attrs.get_id(name)
            target.attrs.create(name, source.attrs[name], dtype=attribute.dtype)
    file.with_suffix(".old").replace(file)
    return file


def test_the_oldest_format_is_read(store, unsigned_file):
    assert open_store(store)["mel"].to_numpy().any()


UNDEFINED = (1 << 64) - 1


@pytest.mark.parametrize("name", ["data", "clips/filename", "clips/crc32"])
@pytest.mark.parametrize("to", ["start", "other column", "end", "behind the end", "negative", "most negative", "none"])
def test_forged_offset(store, unsigned_file, name, to):
    with h5py.File(unsigned_file) as h5:
        offset, other = h5[name].id.get_offset(), h5["clips/notes"].id.get_offset()
        length = h5[name].id.get_storage_size()
    size = unsigned_file.stat().st_size
    value = {
        "start": 0,
        "other column": other + 8,
        "end": size - 4,
        "behind the end": 1 << 62,
        "negative": UNDEFINED - 15,
        "most negative": 1 << 63,
        "none": UNDEFINED,
    }[to]
    content = unsigned_file.read_bytes()
    old = struct.pack("<QQ", offset, length)  # as the layout message has it
    assert content.count(old) == 1
    unsigned_file.write_bytes(content.replace(old, struct.pack("<QQ", value, length)))
    # libhdf5 has guards of its own.
    inside, outside = ("overlaps what", "H5Dget_offset"), ("past the end of the file", "invalid dataset size")
    refused(store, *(inside if to in ("start", "other column") else outside))


@pytest.mark.parametrize(
    ("to", "words"),
    [
        (0, ("has the shape", "invalid dataset size")),  # as this package says it, or libhdf5
        (6, ("past the end", "greater than maxdim")),
        (1 << 20, ("past the end", "greater than maxdim")),
        (1 << 61, ("past the end", "greater than maxdim")),
        (UNDEFINED, ("past the end", "greater than maxdim")),
    ],
)
def test_forged_shape(store, unsigned_file, to, words):
    content = unsigned_file.read_bytes()
    old = struct.pack("<QQQ", CLIPS, *SHAPE)
    assert old in content
    unsigned_file.write_bytes(content.replace(old, struct.pack("<QQQ", CLIPS, SHAPE[0], to), 1))
    refused(store, *words)


def test_bytes_past_the_end_of_the_file(file):
    """Checked by this package too: not every version of libhdf5 does."""
    with h5py.File(file) as h5:
        end = h5["data"].id.get_offset() + h5["data"].id.get_storage_size()
        arguments = (h5.id, "data", ("<f4",), None)
        assert _hdf5.check_dataset(*arguments, end, file).offset_of(CLIPS) == end
        with pytest.raises(StoreError, match="past the end"):
            _hdf5.check_dataset(*arguments, end - 1, file)


def test_columns_that_share_their_last_row(file):
    one, other = Column(100, 4, (), np.dtype("<i8")), Column(132, 4, (), np.dtype("<i8"))
    _hdf5.check_places({"one": one, "other": other}, file)
    with pytest.raises(StoreError, match="'other' overlaps"):
        _hdf5.check_places({"one": one, "other": Column(131, 4, (), np.dtype("<i8"))}, file)
    with pytest.raises(StoreError, match="'one' overlaps"):
        _hdf5.check_places({"one": Column(47, 4, (), np.dtype("<i8"))}, file)


def test_a_sparse_file_that_claims_a_billion_clips(store, unsigned_file):
    # The size would be right, and each column gigabytes to read.
    content = unsigned_file.read_bytes()
    billion = struct.pack("<Q", 1 << 30)
    unsigned_file.write_bytes(content.replace(struct.pack("<Q", CLIPS), billion))
    os.truncate(unsigned_file, 1 << 42)
    refused(store, "clips", "overlap", "refused", "cannot")


# What is no file of the format at all


def _folder(path):
    path.mkdir()


def _text_file(path):
    path.write_text("fold,filename\n1,a.wav\n")


def _signature_only(path):
    path.write_bytes(b"\x89HDF\r\n\x1a\n")


def _other_hdf5(path):
    with h5py.File(path, "w") as h5:
        h5["x"] = 1


def _link_loop(path):
    path.symlink_to(path)


def _dangling(path):
    path.symlink_to(path.with_name("missing"))


def _pipe(path):
    os.mkfifo(path)


def _linked_pipe(path):
    os.mkfifo(path.with_name("pipe"))
    path.symlink_to(path.with_name("pipe"))


def _zeros(path):
    path.symlink_to("/dev/zero")


def _socket(path):
    # By a relative name: the name of a socket may have 107 characters.
    script = "import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])"
    subprocess.run([sys.executable, "-c", script, path.name], cwd=path.parent, check=True)


@pytest.mark.parametrize(
    "make",
    [_folder, _text_file, _signature_only, _other_hdf5, _link_loop, _dangling, _pipe, _linked_pipe, _zeros, _socket],
    ids=lambda make: make.__name__.strip("_"),
)
def test_other_things_under_the_name_of_a_fold(store, file, make):
    file.unlink()
    make(file)
    with alarm(20):
        refused(store, "refused", "can be opened", "link to a missing file")


def test_empty_file(store, file):
    file.write_bytes(b"")
    refused(store, "can be opened")


def test_a_link_to_a_good_file_is_read(store, file):
    # People keep big files on another disk.
    file.rename(store / "elsewhere.h5")
    file.symlink_to(store / "elsewhere.h5")
    assert open_store(store)["mel"].to_numpy().any()


@pytest.mark.parametrize("locking", [None, True, False, "best-effort"])
def test_a_file_that_somebody_looks_at_with_h5py(store, file, locking):
    with h5py.File(file, "r", locking=locking):
        assert open_store(store)["mel"].to_numpy().any()


def test_names_around_the_store(store, file):
    """What else lies in the folder does not matter, whatever it is called."""
    for name in ("fold1.h5~", "fold01x.h5", "fold-1.h5", "fold١.h5", "fold2.h5.bak", ".fold3.h5", "fold3.h5\n"):
        shutil.copy(file, file.with_name(name))
    (store / "sym").symlink_to(store / "sym")
    (store / ".hidden").mkdir()
    (store / "odd \x1b[0m name\n").mkdir()
    opened = open_store(store)
    assert list(opened) == ["mel"] and len(opened) == CLIPS


def test_file_names_never_become_paths(store, file):
    """Names of clips are labels; only a recipe or a table of the user's own says what is read."""
    clips = pd.DataFrame({"filename": ["../../x", "/etc/passwd"], "fold": 1, "target": 0, "category": "dog"})
    clips["src_file"], clips["take"], clips["path"] = "a", "", ["../../x", "/etc/passwd"]
    clips = clips.assign(path=["/data/../../x", "/data//etc/passwd"])
    facts = read_header(file).facts
    create_file(file, SHAPE, "<f4", clips, facts)
    header = read_header(file)
    with file.open("r+b") as raw:
        raw.seek(header.columns["done"].offset)
        raw.write(b"\1\1")
    write_clip_table(store, clips, "data", "now")
    opened = open_store(store)
    assert opened.clips["filename"].tolist() == ["../../x", "/etc/passwd"]
    assert not any(path.startswith("/data/..") for path in opened.clips["path"])


class alarm:  # noqa: N801
    """Fail instead of hanging."""

    def __init__(self, seconds):
        self.seconds = seconds

    def __enter__(self):
        import signal

        def fail(*_):
            raise AssertionError("it hangs")

        self.before = signal.signal(signal.SIGALRM, fail)
        signal.alarm(self.seconds)

    def __exit__(self, *_):
        import signal

        signal.alarm(0)
        signal.signal(signal.SIGALRM, self.before)
