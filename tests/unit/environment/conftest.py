"""Makes the sample plugins importable, here and in the child processes that host them."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from sample_core import Core, OpenCore


@pytest.fixture
def open_core() -> OpenCore:
    @asynccontextmanager
    async def opened(*classes: type, **config: object) -> AsyncIterator[Core]:
        core = Core(*classes, **config)
        try:
            yield core
        finally:
            await core.seats.close()

    return opened
