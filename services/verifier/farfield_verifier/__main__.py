"""`farfield-verifier`: configuration first, then the imports that it decides on, then serve."""

from farfield_kernel.config import load
from farfield_verifier.config import VerifierConfig


def main(argv: list[str] | None = None) -> None:
    config = load(VerifierConfig, "farfield-verifier", argv)

    import uvloop

    from farfield_kernel import logs, plugins
    from farfield_verifier.catalog import GROUP
    from farfield_verifier.service import run

    logs.setup("verifier", config.log_level)
    uvloop.run(run(config, plugins.load(GROUP, config.plugins)))


if __name__ == "__main__":
    main()
