"""`farfield-verifier`: configuration first, then the imports that it decides on, then serve."""

from farfield_kernel.config import load
from farfield_verifier.config import VerifierConfig


def main(argv: list[str] | None = None) -> None:
    config = load(VerifierConfig, "farfield-verifier", argv)

    import uvloop

    from farfield_kernel import logs

    logs.setup("verifier", config.log_level)
    uvloop.run(run(config))


async def run(config: VerifierConfig) -> None:
    import gc

    from farfield_kernel import plugins
    from farfield_kernel.server import serve
    from farfield_verifier.catalog import GROUP
    from farfield_verifier.service import assembled

    async with assembled(config, plugins.load(GROUP, config.plugins)) as service:
        gc.freeze()  # what is loaded by now stays: the collector need not look at it again
        await serve(config.server, [service.mount])


if __name__ == "__main__":
    main()
