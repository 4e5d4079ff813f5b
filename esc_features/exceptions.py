"""Errors and warnings of esc_features."""


class AudioError(ValueError):
    """A recording cannot be read, or no feature can be computed from it."""


class ClipTableError(ValueError):
    """A clip table cannot be used: the message names the rows and what to correct."""


class DownloadError(OSError):
    """A download failed after all attempts; finished downloads are kept."""


class StoreError(ValueError):
    """A store, or a file in it, cannot be used as requested: the message says what to run."""


class StoreLockedError(StoreError):
    """Another extraction is writing to the store: the message says which."""


class ModelError(ValueError):
    """A model file cannot be written, read or trusted: the message says why and what to do."""


class SourceLeakWarning(UserWarning):
    """Clips being scored share their source recording with training clips."""


class ExtractionError(StoreError):
    """Some clips could not be extracted; all others were.

    Parameters
    ----------
    store : path-like
        Folder of the store.
    failures : list
        The failures, one per clip and feature.

    Attributes
    ----------
    failures : pandas.DataFrame
        One row per clip and feature that failed: `fold`, `filename`, `feature`, `error`.
    """

    def __init__(self, store, failures):
        import pandas as pd

        self.store, self.failures = store, pd.DataFrame(failures)
        clips, folds = self.failures["filename"].nunique(), sorted(self.failures["fold"].unique().tolist())
        # One line per failure: the columns of a table would cut off the end of a message, which says what to do.
        lines = [
            f"  fold {failure.fold}, {failure.filename}, {failure.feature}: {failure.error}"
            for failure in self.failures.head(50).itertuples()
        ]
        if len(self.failures) > 50:
            lines.append(f"  and {len(self.failures) - 50} more; the attribute `failures` of the error has all of them")
        super().__init__(
            f"{clips} clip{'s' * (clips != 1)} could not be extracted, so fold{'s' * (len(folds) > 1)} "
            f"{', '.join(map(str, folds))} of their features {'are' if len(folds) > 1 else 'is'} not published in "
            f"{store}:\n"
            + "\n".join(lines)
            + "\nReplace or remove these clips and run the same command again: all other rows are kept."
        )

    def __reduce__(self):
        # Rebuilt from its arguments; by default only the message would be pickled.
        return type(self), (self.store, self.failures)
