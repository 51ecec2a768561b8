"""Makes the sample plugins importable, here and in the child processes that host them."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from sample_core import OpenCore, opened


@pytest.fixture
def open_core() -> OpenCore:
    return opened
