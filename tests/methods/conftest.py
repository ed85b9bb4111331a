"""What all tests of deep methods run under."""

import pytest

from audioclust.threads import one_thread


@pytest.fixture(autouse=True)
def single():
    """Small tensors; and two threads that share cores with others are slow."""
    with one_thread():
        yield
