"""Notes on what was done to a recording, and on what is unusual about it: one integer per clip."""

import enum


class Note(enum.IntFlag):
    """Flags that record how a clip became a waveform, combined with ``|`` and stored with the clip.

    No recording is changed silently: each step that turns it into a waveform of the requested rate and length is
    noted, and so is audio that a person should check.

    Examples
    --------
    >>> from esc_features.audio import Note, describe_notes
    >>> describe_notes(Note.RESAMPLED | Note.PADDED)
    'resampled, padded'
    """

    MIXED_DOWN = 1  # several channels were averaged
    RESAMPLED = 2  # from another sample rate
    PADDED = 4  # shorter than the feature's duration: zeros were appended
    CUT = 8  # longer than the feature's duration: only the start is used
    SILENT = 16  # every sample is zero
    CONSTANT = 32  # all samples are equal, but not zero
    CLIPPED = 64  # flat at full scale for three samples or more
    LENGTH_UNKNOWN = 128  # the header does not state a length: read to the end of the file
    EXTRA_BYTES = 256  # bytes that are not audio follow the audio and are ignored


def describe_notes(notes: int) -> str:
    """Return the notes on a clip as text.

    Parameters
    ----------
    notes : int
        Combined `Note` values, as stored with each clip.

    Returns
    -------
    str
        For example ``"resampled, padded"``; empty if there are no notes.

    Examples
    --------
    >>> from esc_features.audio import describe_notes
    >>> describe_notes(2 | 8)
    'resampled, cut'
    """
    return ", ".join(str(note.name).lower().replace("_", " ") for note in Note if notes & note)
