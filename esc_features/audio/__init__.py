"""From a recording to samples: files and URLs, containers, decoding, resampling, and notes on what was done."""

from ._notes import Note, describe_notes
from ._open_recording import END_TOLERANCE, LOUDEST, OpenRecording, read_recording, recording_duration
from ._recording import Recording
from ._recording_reader import RecordingReader
from ._remote import is_url
from ._source import SUFFIXES, file_digest
from ._waveform_spec import WaveformSpec

__all__ = [
    "END_TOLERANCE",
    "LOUDEST",
    "SUFFIXES",
    "Note",
    "OpenRecording",
    "Recording",
    "RecordingReader",
    "WaveformSpec",
    "describe_notes",
    "file_digest",
    "is_url",
    "read_recording",
    "recording_duration",
]
