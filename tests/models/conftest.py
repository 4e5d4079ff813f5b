"""What the tests of networks share."""

import pytest


@pytest.fixture(autouse=True, scope="module")
def always_one_thread(one_thread):
    """Every test here trains on a few clips."""
