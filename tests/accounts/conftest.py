"""What tests of accounts may ask for."""

import gc
from collections.abc import Iterator

import pytest


@pytest.fixture
def undisturbed() -> Iterator[None]:
    """Nobody looks for rubbish among all objects of the process while a test takes the time of something short."""
    gc.disable()
    yield
    gc.enable()
