"""The file format: layout, creating, checking, mapping. Internal to the package, not for users."""

from ._clip_table import ClipTable, DatasetFacts, audio_folder_of, recording_path, write_clip_table
from ._columns import (
    check_labels,
    check_published,
    content_id,
    keys_of,
    read_column,
    read_rows,
    row_crc32,
    stored_keys,
    whole_rows,
)
from ._create import create_file
from ._files import PARTIAL, FeatureFolder, find_features, fold_file_name
from ._fold_file import FoldFile, open_with_room
from ._hdf5 import ClosedFileError, file_identity
from ._header import read_header
from ._layout import (
    CLIPS_FILE,
    FEATURE_1,
    FEATURE_2,
    FORMAT_VERSION,
    MEASURED_COLUMNS,
    Column,
    FeatureFacts,
    Header,
    LabelFacts,
)
from ._writer import LOCK_FILE, holder_in, writer_of

__all__ = [
    "CLIPS_FILE",
    "FEATURE_1",
    "FEATURE_2",
    "FORMAT_VERSION",
    "LOCK_FILE",
    "MEASURED_COLUMNS",
    "PARTIAL",
    "ClipTable",
    "ClosedFileError",
    "Column",
    "DatasetFacts",
    "FeatureFacts",
    "FeatureFolder",
    "FoldFile",
    "Header",
    "LabelFacts",
    "audio_folder_of",
    "check_labels",
    "check_published",
    "content_id",
    "create_file",
    "file_identity",
    "find_features",
    "fold_file_name",
    "holder_in",
    "keys_of",
    "open_with_room",
    "read_column",
    "read_header",
    "read_rows",
    "recording_path",
    "row_crc32",
    "stored_keys",
    "whole_rows",
    "write_clip_table",
    "writer_of",
]
