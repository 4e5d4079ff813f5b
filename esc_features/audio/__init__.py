"""How a recording becomes samples: decoding, containers, and notes on what was seen."""

from ._notes import Note, describe_notes
from ._recording import LOUDEST, Recording, file_digest, read_recording

__all__ = ["LOUDEST", "Note", "Recording", "describe_notes", "file_digest", "read_recording"]
