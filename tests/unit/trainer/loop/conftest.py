from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sample_places import Place
from sample_runs import Worker, station

from farfield_kernel.queue.memory import MemoryQueue


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    queue = MemoryQueue()
    async with Worker(queue).working() as worker:
        yield Place(tmp_path, queue, worker, station(queue))
