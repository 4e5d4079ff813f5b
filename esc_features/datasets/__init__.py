"""Which clips there are: ESC-50 on demand, any folder and table of recordings, a synthesised demo."""

from ._clips import load_clips
from ._demo import make_demo
from ._esc50 import ESC50_BIBTEX, ESC50_LICENSE, fetch_esc50

__all__ = ["ESC50_BIBTEX", "ESC50_LICENSE", "fetch_esc50", "load_clips", "make_demo"]
