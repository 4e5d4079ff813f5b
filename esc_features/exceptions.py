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


class ModelError(ValueError):
    """A model file cannot be written, read or trusted: the message says why, and what to do."""


class SourceLeakWarning(UserWarning):
    """Clips being scored share their source recording with clips of the training data."""


class ExtractionError(StoreError):
    """Some clips could not be extracted; everything else was.

    Parameters
    ----------
    store : path-like
        Folder of the store.
    failures : list
        The failures, one a clip and feature.

    Attributes
    ----------
    failures : pandas.DataFrame
        A row for each clip and feature that failed: `fold`, `filename`, `feature`, `error`.
    """

    def __init__(self, store, failures):
        import pandas as pd

        self.store, self.failures = store, pd.DataFrame(failures)
        clips, folds = self.failures["filename"].nunique(), sorted(self.failures["fold"].unique().tolist())
        # A line each: the columns of a table would cut off the end of a message, which says what to do.
        lines = [
            f"  fold {failure.fold}, {failure.filename}, {failure.feature}: {failure.error}"
            for failure in self.failures.head(50).itertuples()
        ]
        if len(self.failures) > 50:
            lines.append(f"  and {len(self.failures) - 50} more, all of them in the error's attribute `failures`")
        super().__init__(
            f"{clips} clips could not be extracted, so fold {', '.join(map(str, folds))} of their features are not "
            f"published in {store}:\n" + "\n".join(lines) + "\nReplace or remove these clips and run the same command "
            "again: everything else is kept."
        )

    def __reduce__(self):
        # Made again of what it was made of: only its message would travel otherwise.
        return type(self), (self.store, self.failures)
