"""`farfield-environment`: configuration first, then the imports that it decides on, then serve."""

from farfield_environment.config import EnvironmentConfig
from farfield_kernel.config import load


def main(argv: list[str] | None = None) -> None:
    config = load(EnvironmentConfig, "farfield-environment", argv)

    import uvloop

    from farfield_kernel import logs

    logs.setup("environment", config.log_level)
    uvloop.run(run(config))


async def run(config: EnvironmentConfig) -> None:
    import gc

    from farfield_environment.catalog import GROUP
    from farfield_environment.service import assembled
    from farfield_kernel import plugins
    from farfield_kernel.server import serve

    async with assembled(config, plugins.load(GROUP, config.plugins)) as service:
        gc.freeze()  # what is loaded by now stays: the collector need not look at it again

        async def drain() -> None:
            service.sessions.drain()

        await serve(config.server, [service.mount], background=[service.sessions.reap_forever], drain=drain)


if __name__ == "__main__":
    main()
