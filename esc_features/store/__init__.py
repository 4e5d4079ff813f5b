"""Reading stores: the store, its lazy arrays and its sounds. `esc_features.extraction` writes the files."""

from ._sound import Sound, Sounds, holds_waveforms
from ._store import Store, open_store
from ._store_array import StoreArray
from ._store_audio import StoreAudio

__all__ = ["Sound", "Sounds", "Store", "StoreArray", "StoreAudio", "holds_waveforms", "open_store"]
