"""Lists that messages shorten."""

import pytest

from esc_features._suggest import list_lines, list_some


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, ""), (1, "0"), (3, "0, 1, 2"), (4, "0, 1, 2 and 1 more"), (30, "0, 1, 2 and 27 more")],
)
def test_some(count, text):
    assert list_some(range(count), most=3) == text


@pytest.mark.parametrize(
    ("count", "lines"),
    [(0, []), (2, ["  0", "  1"]), (3, ["  0", "  1", "  and 1 more"]), (9, ["  0", "  1", "  and 7 more"])],
)
def test_lines(count, lines):
    assert list_lines(range(count), most=2).splitlines() == lines


def test_what_messages_show_by_default():
    assert list_some(range(7)) == "0, 1, 2, 3, 4 and 2 more"
    assert list_lines("abcdefghijkl").endswith("  j\n  and 2 more")
