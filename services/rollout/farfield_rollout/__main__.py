"""`farfield-rollout`: configuration first, then the imports that it decides on, then play."""

from farfield_kernel.config import load
from farfield_rollout.config import RolloutConfig


def main(argv: list[str] | None = None) -> None:
    config = load(RolloutConfig, "farfield-rollout", argv)

    import uvloop

    from farfield_kernel import logs, memory

    memory.keep()
    logs.setup("rollout", config.log_level)
    uvloop.run(run(config))


async def run(config: RolloutConfig) -> None:
    from farfield_kernel.discovery.opening import opened
    from farfield_kernel.queue.opening import connect
    from farfield_kernel.server import serve
    from farfield_rollout.services import Services
    from farfield_rollout.worker import Worker

    queue = connect(
        config.queue_url, lease_seconds=config.lease_seconds, patience_seconds=config.queue_patience_seconds
    )
    directory = await opened(config.discovery)
    services = Services.connect(config, directory)
    worker = Worker(config, queue, services)
    try:
        await serve(config.server, [], background=[worker.run], drain=worker.drain)
    finally:
        await services.close()
        await queue.close()
        if directory:
            await directory.close()


if __name__ == "__main__":
    main()
