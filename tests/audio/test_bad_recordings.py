"""Recordings as they really come: each is either computed, with notes, or refused by name and cause."""

import os
import socket
import struct
import subprocess
import sys

import librosa
import numpy as np
import pytest
import soundfile

from esc_features.audio import Note, OpenRecording, WaveformSpec, file_digest, read_recording
from esc_features.exceptions import AudioError
from esc_features.features import MelSpectrogram, MFCCStatistics, Waveform

RATE = 16000
SOUND = np.random.default_rng(4).uniform(-0.5, 0.5, 5 * RATE)
PCM = (SOUND * 32767).astype("<i2").tobytes()


def chunk(name, content, size=None):
    size = len(content) if size is None else size
    return name + struct.pack("<I", size) + content + b"\0" * (len(content) % 2)


def fmt_chunk(tag=1, channels=1, rate=RATE, bits=16, block=None, extra=b""):
    block = channels * bits // 8 if block is None else block
    return chunk(b"fmt ", struct.pack("<HHIIHH", tag, channels, rate, rate * block & 0xFFFFFFFF, block, bits) + extra)


def wav(*chunks, size=None, form=b"RIFF"):
    body = b"WAVE" + b"".join(chunks)
    return form + struct.pack("<I", len(body) if size is None else size) + body


def written(samples=SOUND, rate=RATE, container="WAV", subtype=None):
    def make(path):
        soundfile.write(path, samples, rate, format=container, subtype=subtype)

    return make


def bytes_of(content):
    return lambda path: path.write_bytes(content)


def cut(make, keep):
    def cut_short(path):
        make(path)
        content = path.read_bytes()
        path.write_bytes(content[: int(len(content) * keep)])

    return cut_short


def with_tail(make, tail):
    def append(path):
        make(path)
        path.write_bytes(path.read_bytes() + tail)

    return append


def floats(value, subtype="FLOAT"):
    samples = SOUND.copy()
    samples[1000] = value
    return written(samples, subtype=subtype)


def make_fifo(path):
    os.mkfifo(path)


def make_socket(path):
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


def link_to(target):
    return lambda path: path.symlink_to(target)


def link_loop(path):
    path.symlink_to(path)


def ten_minutes(path):
    # Sparse: nothing but a header and the first second takes room.
    size = 600 * 44100 * 4
    header = wav(fmt_chunk(channels=2, rate=44100), chunk(b"data", b"", size), size=36 + size)
    with path.open("wb") as file:
        file.write(header + np.full(88200, 1000, "<i2").tobytes())
        file.truncate(len(header) + size)


STREAMED = wav(fmt_chunk(), chunk(b"data", PCM, 0xFFFFFFFF), size=0xFFFFFFFF)
RF64 = wav(
    chunk(b"ds64", struct.pack("<QQQI", 72 + len(PCM), len(PCM), len(PCM) // 2, 0)),
    fmt_chunk(),
    chunk(b"data", PCM, 0xFFFFFFFF),
    size=0xFFFFFFFF,
    form=b"RF64",
)
EXTENSIBLE = fmt_chunk(0xFFFE, extra=struct.pack("<HHI", 22, 16, 4) + bytes.fromhex("0100000000001000800000aa00389b71"))
# kind of file: how to make it, and the notes it must get
GOOD = {
    **{f"{bits}": (written(subtype=bits), 0) for bits in ("PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE")},
    **{coding: (written(subtype=coding), 0) for coding in ("ALAW", "ULAW")},
    "MS_ADPCM": (written(subtype="MS_ADPCM"), Note.CUT),  # whole blocks
    **{
        f"{n} channels": (written(np.repeat(SOUND[:, None], n, axis=1)), Note.MIXED_DOWN if n > 1 else 0)
        for n in range(1, 9)
    },
    **{
        f"{rate} Hz": (written(np.resize(SOUND, 5 * rate), rate), Note.RESAMPLED)
        for rate in (8000, 11025, 22050, 22051, 44100, 48000, 96000, 192000)
    },
    "1 Hz": (written(SOUND[:10], 1), Note.RESAMPLED | Note.CUT),
    "FLAC": (written(container="FLAC"), 0),
    "OGG": (written(container="OGG"), 0),
    "Opus": (written(np.resize(SOUND, 240000), 48000, "OGG", "OPUS"), Note.RESAMPLED),
    "MP3": (written(container="MP3"), 0),
    "AIFF": (written(container="AIFF"), 0),
    "AU": (written(container="AU"), 0),
    "CAF": (written(container="CAF"), 0),
    "WAVEX": (written(container="WAVEX"), 0),
    "W64": (written(container="W64"), 0),
    "extensible by hand": (bytes_of(wav(EXTENSIBLE, chunk(b"data", PCM))), 0),
    "RF64": (bytes_of(RF64), 0),
    "LIST before fmt": (bytes_of(wav(chunk(b"LIST", b"INFOodd"), fmt_chunk(), chunk(b"data", PCM))), 0),
    "chunks between and after": (
        bytes_of(wav(fmt_chunk(), chunk(b"fact", b"1234"), chunk(b"data", PCM), chunk(b"LIST", b"INFO"))),
        0,
    ),
    "RIFF size wrong": (bytes_of(wav(fmt_chunk(), chunk(b"data", PCM), size=1)), 0),
    "streamed, -1": (bytes_of(STREAMED), Note.LENGTH_UNKNOWN),
    "streamed by sox": (bytes_of(wav(fmt_chunk(), chunk(b"data", PCM, 0x7FFFF000))), Note.LENGTH_UNKNOWN),
    "header promises less": (
        bytes_of(wav(fmt_chunk(), chunk(b"data", PCM, 32000))),
        Note.EXTRA_BYTES | Note.PADDED,
    ),
    "rubbish after the audio": (with_tail(written(), b"\x01\x02" * 50), Note.EXTRA_BYTES),
    "odd number of bytes": (bytes_of(wav(fmt_chunk(), chunk(b"data", PCM[:-1]))), Note.PADDED),
    "one sample": (written(SOUND[:1]), Note.PADDED | Note.CONSTANT),
    "one sample at 44.1 kHz": (written(SOUND[:1], 44100), Note.PADDED | Note.RESAMPLED | Note.CONSTANT),
    "0.01 s": (written(SOUND[:160]), Note.PADDED),
    "ten minutes": (ten_minutes, Note.CUT | Note.RESAMPLED | Note.MIXED_DOWN),
    "6 s": (written(np.resize(SOUND, 6 * RATE)), Note.CUT),
    "silence": (written(np.zeros(5 * RATE)), Note.SILENT),
    "DC": (written(np.full(5 * RATE, 0.25)), Note.CONSTANT),
    "clipped": (written(np.clip(SOUND * 10, -1, 1)), Note.CLIPPED),
    "clipped, 8 bits": (written(np.clip(SOUND * 10, -1, 1), subtype="PCM_U8"), Note.CLIPPED),
    "floats beyond full scale": (written(SOUND * 30000, subtype="FLOAT"), 0),
    "tiny floats": (written(SOUND * 1e-40, subtype="DOUBLE"), 0),
    "FLAC called WAV": (written(container="FLAC"), 0),
}

# kind of file: how to make it, and what the message must say
BAD = {
    "empty": (bytes_of(b""), "is an empty file"),
    "missing": (lambda path: None, "does not exist"),
    "header only": (bytes_of(wav(fmt_chunk(), chunk(b"data", b""))), "holds no samples"),
    "header only, 24 bits": (bytes_of(wav(fmt_chunk(bits=24), chunk(b"data", b""))), "holds no samples"),
    "no samples, FLAC": (written(SOUND[:0], container="FLAC"), "is an empty file"),
    "no samples, then a chunk": (
        bytes_of(wav(fmt_chunk(), chunk(b"data", b""), chunk(b"LIST", b"INFO"))),
        "holds no samples",
    ),
    "interrupted before the header was written": (
        bytes_of(wav(fmt_chunk(), chunk(b"data", PCM, 0), size=0)),
        "states 0 bytes of audio, although 160000 bytes follow",
    ),
    "half a sample": (bytes_of(wav(fmt_chunk(), chunk(b"data", b"\1"))), "holds no samples"),
    "four bytes": (bytes_of(b"RIFF"), "libsndfile"),
    "no data chunk": (bytes_of(wav(fmt_chunk())), "libsndfile"),
    "no fmt chunk": (bytes_of(wav(chunk(b"data", PCM))), "libsndfile"),
    "cut in the header": (bytes_of(wav(fmt_chunk(), chunk(b"data", PCM))[:30]), "libsndfile"),
    "cut": (cut(written(), 0.5), r"promises 160000 bytes of audio, but the file holds 79978"),
    "cut by one byte": (bytes_of(wav(fmt_chunk(), chunk(b"data", PCM))[:-1]), "the file holds 159999"),
    "cut, 24 bits": (cut(written(subtype="PCM_24"), 0.9), "promises 240000 bytes"),
    "cut, u-law": (cut(written(subtype="ULAW"), 0.9), "cut short"),
    "cut, ADPCM": (cut(written(subtype="MS_ADPCM"), 0.9), "cut short"),
    "header promises more": (bytes_of(wav(fmt_chunk(), chunk(b"data", PCM, 170000))), "promises 170000 bytes"),
    **{
        f"cut, {container} after {keep:.0%}": (cut(written(container=container), keep), "cut short")
        for container in ("FLAC", "OGG", "MP3", "AIFF", "AU", "W64", "RF64")
        for keep in (0.5, 0.98)
    },
    "cut, FLAC, long": (cut(written(np.resize(SOUND, 8 * RATE), container="FLAC"), 0.9), "cut short"),
    "cut, MP3, long": (cut(written(np.resize(SOUND, 8 * RATE), container="MP3"), 0.9), "cut short"),
    **{
        f"{value}": (floats(value), "1 samples that are NaN or infinite, .* 1000")
        for value in (np.nan, np.inf, -np.inf)
    },
    "NaN, double": (floats(np.nan, "DOUBLE"), "NaN or infinite"),
    "double beyond float": (floats(1e300, "DOUBLE"), "NaN or infinite"),
    "absurdly loud": (floats(1e30), "as large as 1e[+]30"),
    "text": (bytes_of(b"not found\n"), "libsndfile"),
    "HTML": (bytes_of(b"<!DOCTYPE html><html><body>404</body></html>" * 100), "is a web page, not audio"),
    "git-lfs pointer": (
        bytes_of(b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 441044\n"),
        "is a git-lfs pointer, .* run `git lfs pull`",
    ),
    "zip": (bytes_of(b"PK\3\4" + bytes(1000)), "libsndfile"),
    "zeros": (bytes_of(bytes(441044)), "libsndfile"),
    "random bytes": (bytes_of(np.random.default_rng(1).bytes(50000)), "libsndfile"),
    "no channels": (bytes_of(wav(fmt_chunk(channels=0, block=2), chunk(b"data", PCM))), "libsndfile"),
    "rate 0": (bytes_of(wav(fmt_chunk(rate=0), chunk(b"data", PCM))), "libsndfile"),
    "rate 4 GHz": (bytes_of(wav(fmt_chunk(rate=0xFFFFFFFF), chunk(b"data", PCM))), "4294967295 Hz"),
    "unknown coding": (bytes_of(wav(fmt_chunk(tag=0x1234), chunk(b"data", PCM))), "libsndfile"),
    "block of 0 bytes": (bytes_of(wav(fmt_chunk(block=0), chunk(b"data", PCM))), None),
    "folder": (lambda path: path.mkdir(), "is a folder"),
    "dangling link": (link_to("nowhere.wav"), "is a link to a file that does not exist"),
    "link loop": (link_loop, "cannot be opened"),
    "link to a device": (link_to("/dev/zero"), "is not a regular file"),
    "named pipe": (make_fifo, "is not a regular file"),
    "socket": (make_socket, "cannot be opened|is not a regular file"),
}


def made(path, make):
    try:
        make(path)
    except (AttributeError, OSError) as error:
        pytest.skip(f"this system cannot make one: {error}")
    return path


@pytest.mark.slow
@pytest.mark.parametrize("kind", GOOD)
def test_usable_recordings_give_the_numbers_of_librosa_and_notes(tmp_path, kind):
    make, notes = GOOD[kind]
    path = made(tmp_path / "clip.wav", make)
    waveform, found = WaveformSpec(RATE, 5.0).waveform_of(read_recording(path, duration=5.0))
    assert Note(found) == Note(notes)
    expected = librosa.load(path, sr=RATE, duration=5.0)[0][: len(waveform)]
    np.testing.assert_array_equal(waveform[: len(expected)], expected)
    assert not waveform[len(expected) :].any()
    assert waveform.shape == (5 * RATE,) and waveform.dtype == np.float32
    for feature in (Waveform(), MelSpectrogram(), MFCCStatistics(sample_rate=RATE)):
        assert np.isfinite(feature.transform([path])).all()


@pytest.mark.parametrize("kind", BAD)
def test_unusable_recordings_are_named_with_the_cause(tmp_path, kind):
    make, message = BAD[kind]
    path = made(tmp_path / "clip.wav", make)
    if message is None:  # libsndfile may make sense of it, or not
        try:
            assert np.isfinite(Waveform().transform([path])).all()
        except AudioError as error:
            assert str(path) in str(error)
        return
    with pytest.raises(AudioError, match=message) as error:
        Waveform().transform([path])
    assert repr(str(path)) in str(error.value)


def test_there_are_at_least_forty_kinds():
    assert len(GOOD) + len(BAD) >= 40


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="no users here")
def test_a_file_without_permission(tmp_path):
    path = tmp_path / "clip.wav"
    written()(path)
    path.chmod(0)
    if os.geteuid() != 0:
        with pytest.raises(AudioError, match="permission denied"):
            read_recording(path)
        return
    # Root may read anything: ask as nobody, in a process of its own.
    tmp_path.chmod(0o755)
    script = (
        "import os, sys\n"
        "from esc_features.audio import read_recording\n"
        "from esc_features.exceptions import AudioError\n"
        "read_recording(sys.argv[2])\n"
        "os.setgid(65534); os.setuid(65534)\n"
        "try: read_recording(sys.argv[1])\n"
        "except AudioError as error: print(error)\n"
    )
    good = tmp_path / "good.wav"
    written()(good)
    run = subprocess.run([sys.executable, "-c", script, path, good], capture_output=True, text=True, check=True)
    assert repr(str(path)) in run.stdout
    assert "permission denied" in run.stdout or "cannot be opened" in run.stdout


@pytest.mark.parametrize("path", ["a\0b.wav", "x" * 5000 + ".wav"])
def test_impossible_names(path):
    with pytest.raises(AudioError, match="cannot be opened"):
        read_recording(path)


@pytest.mark.parametrize("kind", ["missing", "folder", "named pipe", "dangling link"])
def test_digest_refuses_what_is_no_file(tmp_path, kind):
    path = made(tmp_path / "clip.wav", BAD[kind][0])
    with pytest.raises(AudioError, match=r"clip\.wav"):
        file_digest(path)


def test_ten_minutes_are_not_decoded(tmp_path):
    path = tmp_path / "long.wav"
    ten_minutes(path)
    recording = read_recording(path, duration=5.0)
    assert recording.samples == 600 * 44100
    assert recording.mono.nbytes == 5 * 44100 * 4
    base = recording.mono
    while base.base is not None:
        base = base.base
    assert getattr(base, "nbytes", 0) <= 5 * 44100 * 4 * 2


@pytest.mark.parametrize("container", ["WAV", "FLAC", "OGG", "MP3", "AIFF", "AU"])
def test_flipped_bytes_never_crash(tmp_path, container):
    path = tmp_path / "clip.wav"
    soundfile.write(path, SOUND[:8000], RATE, format=container)
    content = np.frombuffer(path.read_bytes(), np.uint8)
    rng = np.random.default_rng(8)
    for round_ in range(40):
        damaged = content.copy()
        # Half of the damage in the header, where it is most interesting.
        where = rng.integers(0, 200 if round_ % 2 else len(damaged), 3)
        damaged[where] = rng.integers(0, 256, 3)
        path.write_bytes(damaged.tobytes())
        try:
            features = MelSpectrogram().transform([path])
        except AudioError as error:
            assert str(path) in str(error)
        else:
            assert np.isfinite(features).all()


def id3_tag(size, footer=False):
    syncsafe = bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0))
    end = b"3DI\x04\x00\x10" + syncsafe if footer else b""
    return b"ID3\x04\x00" + (b"\x10" if footer else b"\x00") + syncsafe + bytes(size) + end


@pytest.mark.parametrize("container", ["WAV", "WAVEX", "RF64", "FLAC", "AIFF", "AU", "W64", "CAF", "OGG", "MP3"])
@pytest.mark.parametrize("tag", [id3_tag(300), id3_tag(300, footer=True), id3_tag(10) + id3_tag(70000)])
@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24"])
def test_a_tag_before_a_recording_takes_nothing_from_it(tmp_path, container, tag, subtype):
    if subtype not in soundfile.available_subtypes(container):
        subtype = None
    path, tagged = tmp_path / "clip", tmp_path / "tagged"
    soundfile.write(path, np.repeat(SOUND[:, None], 2, axis=1), RATE, format=container, subtype=subtype)
    tagged.write_bytes(tag + path.read_bytes())
    expected = librosa.load(path, sr=None)[0]
    recording = read_recording(tagged)
    np.testing.assert_array_equal(recording.mono, expected)
    assert recording.samples == len(expected) and recording.notes == Note(0)
    with OpenRecording(tagged) as opened:
        np.testing.assert_array_equal(opened.read(4, 5).mono, expected[4 * RATE : 5 * RATE])
    if container in ("WAV", "FLAC", "AIFF", "OGG"):
        tagged.write_bytes(tagged.read_bytes()[:-200])
        with pytest.raises(AudioError, match="cut short"):
            read_recording(tagged)
