"""`farfield-trainer`: configuration first, then the imports that it decides on, then serve.

Under torchrun, rank 0 is the service and the other ranks train with it.
"""

import os
from collections.abc import Callable
from typing import Any

from farfield_kernel.config import load
from farfield_trainer.config import TrainerConfig
from farfield_trainer.parallel.config import world_of

Learners = Callable[[Any], Any]
"""Makes the learner of a run."""


def main(argv: list[str] | None = None) -> None:
    config = load(TrainerConfig, "farfield-trainer", argv)
    world = world_of(os.environ, config.parallel, "farfield-trainer")

    import asyncio

    from farfield_kernel import logs

    logs.setup("trainer", config.log_level)
    if world.size == 1:
        asyncio.run(run(config))
        return

    from farfield_trainer.parallel.process import take_part

    take_part(config, world, lambda make_learner: asyncio.run(run(config, make_learner)))


async def run(config: TrainerConfig, make_learner: Learners | None = None) -> None:
    import asyncio

    import torch

    from farfield_kernel.server import serve
    from farfield_trainer.service import assembled

    torch.set_num_threads(config.torch_threads)
    async with assembled(config, make_learner) as service:

        async def go_on() -> None:
            service.runs.go_on()
            await asyncio.Event().wait()

        async def drain() -> None:
            await service.runs.close(config.server.drain_seconds / 2)

        await serve(config.server, [service.mount], background=[go_on, service.queue_watch.run], drain=drain)


if __name__ == "__main__":
    main()
