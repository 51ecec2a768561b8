"""Queues of both kinds on one store each, to be opened several times."""

import uuid
from collections.abc import AsyncIterator, Callable

import pytest

from farfield_kernel.queue.contract import Queue
from farfield_kernel.queue.opening import connect


@pytest.fixture
def run_id() -> str:
    return f"run-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def lane() -> str:
    return f"lane-{uuid.uuid4().hex[:8]}"


@pytest.fixture(params=["memory", "redis"])
def url(request: pytest.FixtureRequest) -> str:
    if request.param == "redis":
        return request.getfixturevalue("redis_url")
    return f"memory://{uuid.uuid4().hex}"


@pytest.fixture
async def open_queue(url: str) -> AsyncIterator[Callable[..., Queue]]:
    """Opens handles on one store, as several processes would."""
    queues: list[Queue] = []

    def make(lease_seconds: float = 60) -> Queue:
        queues.append(connect(url, lease_seconds=lease_seconds))
        return queues[-1]

    yield make
    for queue in queues:
        await queue.close()
