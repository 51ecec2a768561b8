"""What a cluster does by itself: each controller brings what is there nearer to what is wanted, in one pass
over the store, and passes are made until nothing changes."""

import asyncio
from collections.abc import Callable

from tests.cluster.controllers import (
    autoscalers,
    deployments,
    endpoints,
    garbage,
    jobs,
    stateful_sets,
    volumes,
)
from tests.cluster.store import Store

Controller = Callable[[Store], None]

CONTROLLERS: list[Controller] = [
    garbage.reconcile,
    autoscalers.reconcile,
    deployments.reconcile,
    stateful_sets.reconcile,
    jobs.reconcile,
    volumes.reconcile,
    endpoints.reconcile,
]


async def run(store: Store, *more: Controller) -> None:
    """Until cancelled."""
    with store.following() as changes:
        while True:
            await changes.get()
            await asyncio.sleep(0.005)  # several writes of a client are answered by one pass
            while not changes.empty():
                changes.get_nowait()
            for reconcile in (*CONTROLLERS, *more):
                reconcile(store)
