"""What is printed cannot steer a terminal, and reaches a terminal that knows only ASCII."""

import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esc_features._terminal import printable, say


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("rain\x1b[2J.wav", "rain\\x1b[2J.wav"),
        ("vaw.\u202egnp", "vaw.\\u202egnp"),
        ("a\rb\x07\x9b", "a\\rb\\x07\\x9b"),
        ("bad\udcff", "bad\\udcff"),
        ("two\n\tlines, größe, 日本, 🐕 ±", "two\n\tlines, größe, 日本, 🐕 ±"),
    ],
)
def test_control_and_bidirectional_characters_become_escapes(text, printed):
    assert printable(text) == printed


@given(st.text(st.characters(codec=None)))
def test_whatever_is_printed_is_harmless_and_can_be_encoded(text):
    shown = printable(text)
    shown.encode("utf-8")
    assert not any(
        (ord(character) < 32 and character not in "\n\t") or 0x7F <= ord(character) < 0xA0 for character in shown
    )
    assert printable(shown) == shown


def test_say_goes_to_either_stream(capsys):
    say("found\x1b")
    say("broken", error=True)
    assert capsys.readouterr() == ("found\\x1b\n", "broken\n")


def test_an_ascii_terminal_gets_plain_characters():
    code = "from esc_features._terminal import *; never_fail_to_encode(); say('80 ± 5 ≈ 81 – größe'); print('日')"
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "LC_ALL": "C"}
    run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert (run.returncode, run.stdout) == (0, "80 +- 5 ~ 81 - gr\\xf6\\xdfe\n\\u65e5\n"), run.stderr
