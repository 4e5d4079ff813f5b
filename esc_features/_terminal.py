"""Safe printing: file names cannot send escape codes to the terminal, and an ASCII-only terminal causes no error."""

import codecs
import contextlib
import os
import sys
import unicodedata
from collections.abc import Iterator

# Replacements for the characters beyond ASCII in our own texts.
_PLAIN = {"±": "+-", "≈": "~", "–": "-", "—": "-", "…": "...", "×": "x", "≥": ">=", "≤": "<=", "·": "|", "→": "->"}
# Marks, embeddings, overrides and isolates: they change the order in which a text is displayed.
_BIDIRECTIONAL = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_UNSAFE = {"Cc", "Cs", "Zl", "Zp"}


def printable(text: object, *, one_line: bool = False) -> str:
    """Escape control and bidirectional characters; keep line ends and tabs unless `one_line` is True.

    Examples
    --------
    >>> print(printable("dog\\x1b[31m.wav"))
    dog\\x1b[31m.wav
    """
    kept = "" if one_line else "\n\t"
    return "".join(letter if letter in kept or _is_safe(letter) else _escaped(letter) for letter in str(text))


def say(text: object = "", *, error: bool = False) -> None:
    """Print a text, made `printable`, to standard output or standard error."""
    stream = sys.stderr if error else sys.stdout
    print(printable(text), file=stream, flush=True)


def never_fail_to_encode() -> None:
    """Make both streams replace characters that their encoding lacks by ASCII, instead of raising an error."""
    codecs.register_error("esc_features.plain", _plain)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="esc_features.plain")


@contextlib.contextmanager
def ends_with_its_reader() -> Iterator[None]:
    """Exit quietly if nobody reads the output any more, as in `esc_features show STORE | head`."""
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for stream in (sys.stdout, sys.stderr):  # what they have buffered is written at exit
            os.dup2(nowhere, stream.fileno())
        sys.exit(128 + 13)  # as after SIGPIPE


def _is_safe(character: str) -> bool:
    return unicodedata.category(character) not in _UNSAFE and character not in _BIDIRECTIONAL


def _escaped(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")


def _plain(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    missing = error.object[error.start : error.end]
    return "".join(_PLAIN.get(character) or _escaped(character) for character in missing), error.end
