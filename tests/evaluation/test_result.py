"""A result's file: it comes back as it was, and a damaged or forged one is refused, not believed, and harms nobody."""

import io
import json
import zipfile
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esc_features.evaluation import HeldOut, Result, ResultError
from esc_features.evaluation._result import pack_result, unpack_result


def result(several=False, kind="probability"):
    rng = np.random.default_rng(0)
    names = ["a.wav", "b\u202e.wav", "ü/c.wav"]
    clips = pd.DataFrame({"filename": names, "start": [0.0, 1.5, 0.0], "end": [np.inf, 3.0, 2.0], "src_file": names})
    scores = rng.dirichlet([1, 1], 3).astype(np.float32)
    truth = np.array([[0, 1], [0, 0], [1, 1]], np.int8) if several else np.array([0, 1, 1])
    if kind == "none":
        scores = np.empty((3, 0), np.float32)
    held = HeldOut(clips.assign(split="fold1"), ("dog", "rain"), truth, truth[::-1].copy(), scores, kind)
    return Result(
        "m", "fold1", 3, held, "p", "k", 1.5, 0.25, None, 2, {"C": "0.1"}, "none", "", "m()", {"numpy": "2"}, "2026"
    )


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("kind", ["probability", "decision", "none"])
def test_comes_back_as_it_was(several, kind):
    made = result(several, kind)
    read, signed = unpack_result(pack_result(made, None), "file")
    assert not signed
    pd.testing.assert_frame_equal(read.held_out.clips, made.held_out.clips, check_dtype=False)
    for name in ("truth", "predicted", "scores"):
        one, two = getattr(read.held_out, name), getattr(made.held_out, name)
        assert one.dtype == two.dtype
        np.testing.assert_array_equal(one, two)
    for name in ("method", "split", "seed", "chosen", "fit_seconds", "parameters", "versions", "members", "created"):
        assert getattr(read, name) == getattr(made, name)


def test_arrays_in_any_order_of_memory_come_back():
    made = result(several=True)
    turned = replace(made.held_out, **{n: np.asfortranarray(getattr(made.held_out, n)) for n in ("truth", "scores")})
    read, _ = unpack_result(pack_result(replace(made, held_out=turned), None), "file")
    np.testing.assert_array_equal(read.held_out.truth, made.held_out.truth)
    np.testing.assert_array_equal(read.held_out.scores, made.held_out.scores)


def test_numpy_reads_it_without_pickle():
    with np.load(io.BytesIO(pack_result(result(), None)), allow_pickle=False) as arrays:
        assert arrays["scores"].shape == (3, 2) and json.loads(bytes(arrays["about"]))["method"] == "m"


def test_only_the_key_that_signed_it_is_recognised():
    content = pack_result(result(), b"k" * 32)
    assert unpack_result(content, "file", b"k" * 32)[1]
    assert not unpack_result(content, "file", b"l" * 32)[1]
    assert not unpack_result(pack_result(result(), None), "file", b"k" * 32)[1]


def repacked(**changed):
    with np.load(io.BytesIO(pack_result(result(), b"k" * 32)), allow_pickle=False) as arrays:
        content = {name: arrays[name] for name in arrays.files} | changed
    buffer = io.BytesIO()
    np.savez(buffer, **content)
    return buffer.getvalue()


def about(**changed):
    with np.load(io.BytesIO(pack_result(result(), None)), allow_pickle=False) as arrays:
        text = json.dumps(json.loads(bytes(arrays["about"])) | changed)
    return np.frombuffer(text.encode(), np.uint8)


def test_a_changed_number_breaks_the_signature():
    better = np.array([1, 1, 1])
    read, signed = unpack_result(repacked(predicted=better), "file", b"k" * 32)
    assert not signed and read.held_out.predicted.tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    "content",
    [
        repacked(truth=np.array([0, 1, 2])),
        repacked(truth=np.array([0, -1, 1])),
        repacked(truth=np.array([0.0, 1.0, 1.0])),
        repacked(truth=np.array([0, 1])),
        repacked(truth=np.array([[0, 1]] * 3, np.int8)),
        repacked(scores=np.full((3, 2), np.nan, np.float32)),
        repacked(scores=np.full((3, 2), 0.9, np.float32)),
        repacked(scores=np.float32([[2, -1]] * 3)),
        repacked(scores=np.zeros((3, 2))),
        repacked(start=np.zeros(2)),
        repacked(more=np.zeros(2)),
        repacked(about=about(kind="certain")),
        repacked(about=about(format="esc_features result 9")),
        repacked(about=about(seed="many")),
        repacked(about=about(filenames=["a.wav"])),
        repacked(about=about(versions=[1])),
        repacked(about=about(fit_seconds=None)),
        repacked(about=about(fit_seconds=float("inf"))),
        repacked(about=about(unknown=1)),
        repacked(about=np.frombuffer(b"[" * 100_000, np.uint8)),
        repacked(truth=np.array([None, {}, 3], object)),
        b"",
        b"PK\x03\x04",
        b"not a zip",
    ],
)
def test_what_is_no_result_is_refused_by_name(content):
    with pytest.raises(ResultError, match=r"some/file.npz is damaged"):
        unpack_result(content, "some/file.npz")


def test_a_shape_that_lies_allocates_nothing():
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (100000000000, 2), }".ljust(117) + b"\n"
    array = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + b"\0" * 24
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(repacked())) as old, zipfile.ZipFile(buffer, "w") as new:
        for name in old.namelist():
            new.writestr(name, array if name == "scores.npy" else old.read(name))
    with pytest.raises(ResultError, match="as long as it states"):
        unpack_result(buffer.getvalue(), "file")


@pytest.mark.slow
@settings(deadline=None, max_examples=200)
@given(st.data())
def test_any_damage_is_refused_or_changes_nothing(data):
    content = bytearray(pack_result(result(), b"k" * 32))
    kind = data.draw(st.sampled_from(["flip", "cut", "fill"]))
    at = data.draw(st.integers(0, len(content) - 1))
    if kind == "flip":
        content[at] ^= data.draw(st.integers(1, 255))
    elif kind == "cut":
        del content[at : at + data.draw(st.integers(1, 200))]
    else:
        content[at : at + 16] = data.draw(st.binary(min_size=16, max_size=16))
    try:
        read, signed = unpack_result(bytes(content), "file", b"k" * 32)
    except ResultError:
        return
    assert signed, "what was read is what was signed"
    np.testing.assert_array_equal(read.held_out.scores, result().held_out.scores)
