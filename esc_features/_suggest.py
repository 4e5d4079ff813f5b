"""What the user may have meant."""

import difflib
from collections.abc import Iterable


def did_you_mean(name: object, names: Iterable[str]) -> str:
    """Return " Did you mean 'mel'?", to end a message about an unknown name with; "" where nothing is similar."""
    close = difflib.get_close_matches(str(name), list(names), n=1)
    return f" Did you mean {close[0]!r}?" if close else ""
