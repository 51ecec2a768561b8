"""`farfield-trainer`: configuration first, then the imports that it decides on, then serve."""

from farfield_kernel.config import load
from farfield_trainer.config import TrainerConfig


def main(argv: list[str] | None = None) -> None:
    config = load(TrainerConfig, "farfield-trainer", argv)

    import asyncio

    from farfield_kernel import logs

    logs.setup("trainer", config.log_level)
    asyncio.run(run(config))


async def run(config: TrainerConfig) -> None:
    import asyncio

    import torch

    from farfield_kernel.server import serve
    from farfield_trainer.service import assembled

    torch.set_num_threads(config.torch_threads)
    async with assembled(config) as service:

        async def go_on() -> None:
            service.runs.go_on()
            await asyncio.Event().wait()

        async def drain() -> None:
            await service.runs.close(config.server.drain_seconds / 2)

        await serve(config.server, [service.mount], background=[go_on, service.queue_watch.run], drain=drain)


if __name__ == "__main__":
    main()
