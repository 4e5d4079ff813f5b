"""What was done to a recording, and what is odd about it: one integer per clip."""

import enum


class Note(enum.IntFlag):
    """Remarks on how a clip became a waveform, combined with ``|`` and kept with the clip.

    Nothing is changed silently: whatever turns a recording into a waveform of the wanted rate and length
    is noted here, and so is audio that a person should look at.

    Examples
    --------
    >>> from esc_features.audio import Note, describe_notes
    >>> describe_notes(Note.RESAMPLED | Note.PADDED)
    'resampled, padded'
    """

    MIXED_DOWN = 1  # several channels, averaged
    RESAMPLED = 2  # another sample rate
    PADDED = 4  # shorter than the feature's duration: zeros at the end
    CUT = 8  # longer than the feature's duration: the start is used
    SILENT = 16  # every sample is zero
    CONSTANT = 32  # every sample is the same, but not zero
    CLIPPED = 64  # flat at full scale for three samples or more
    LENGTH_UNKNOWN = 128  # the header does not say how long it is: read to the end of the file
    EXTRA_BYTES = 256  # bytes that are not audio follow the audio: ignored


def describe_notes(notes: int) -> str:
    """Spell out the notes on a clip.

    Parameters
    ----------
    notes : int
        Combined `Note` values, as a store keeps them.

    Returns
    -------
    str
        Such as ``"resampled, padded"``; empty when there is nothing to say.

    Examples
    --------
    >>> from esc_features.audio import describe_notes
    >>> describe_notes(2 | 8)
    'resampled, cut'
    """
    return ", ".join(str(note.name).lower().replace("_", " ") for note in Note if notes & note)
