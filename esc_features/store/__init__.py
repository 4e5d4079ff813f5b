"""The store: reading, the lazy array, verification. Files are written by `esc_features.extraction`."""

from ._explain import explain
from ._store import Store, open_store
from ._store_array import StoreArray
from ._store_audio import StoreAudio
from ._verify import verify

__all__ = ["Store", "StoreArray", "StoreAudio", "explain", "open_store", "verify"]
