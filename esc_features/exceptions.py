"""The errors and warnings of esc_features, so that a program can tell them apart."""


class AudioError(ValueError):
    """A recording cannot be read, or what it holds cannot be turned into a feature."""


class ClipTableError(ValueError):
    """A table of clips cannot be used: the message names the rows and what to correct."""


class DownloadError(OSError):
    """A download failed for good; what had arrived whole is kept."""


class StoreError(ValueError):
    """A store or a file in it cannot be used as asked: the message says what to run."""


class StoreLockedError(StoreError):
    """Another extractor is writing to the store: the message says which."""


class SourceLeakWarning(UserWarning):
    """Clips being scored share their source recording with clips of the training data."""
