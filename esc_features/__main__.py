"""Run `python -m esc_features COMMAND`, the same as the program `esc_features`."""

import sys

from ._cli import main

sys.exit(main())
