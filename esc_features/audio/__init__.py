"""How a recording becomes samples: files and URLs, containers, decoding, resampling, and notes on what was seen."""

from ._notes import Note, describe_notes
from ._open_recording import LOUDEST, OpenRecording, read_recording, recording_duration
from ._recording import Recording
from ._recording_reader import RecordingReader
from ._source import file_digest
from ._waveform_spec import WaveformSpec

__all__ = [
    "LOUDEST",
    "Note",
    "OpenRecording",
    "Recording",
    "RecordingReader",
    "WaveformSpec",
    "describe_notes",
    "file_digest",
    "read_recording",
    "recording_duration",
]
