"""Suggestions ("Did you mean ...?") and shortened lists for messages."""

import difflib
from collections.abc import Iterable


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """Return " Did you mean 'mel'?" for a name that is similar to a known one; "" if none is similar.

    Known names that contain the name ("chirping_birds" for "bird") take precedence over names with a similar spelling.
    """
    wanted = str(name).casefold()
    folded = {each.casefold(): each for each in known}
    parts = [each for each in folded if len(wanted) >= 3 and (wanted in each or (len(each) >= 3 and each in wanted))]
    near = parts or difflib.get_close_matches(wanted, folded, n=3, cutoff=0.6)
    return f" Did you mean {' or '.join(repr(folded[each]) for each in near[:3])}?" if near else ""


def list_some(items: Iterable[object], most: int = 5) -> str:
    """Return the first few items as text, and the number of the others."""
    texts = [str(item) for item in items]
    more = f" and {len(texts) - most} more" if len(texts) > most else ""
    return ", ".join(texts[:most]) + more


def list_lines(items: Iterable[object], most: int = 10) -> str:
    """Return the first few items, each on an indented line, and the number of the others."""
    lines = [f"  {item}" for item in items]
    more = [f"  and {len(lines) - most} more"] if len(lines) > most else []
    return "\n".join(lines[:most] + more)
