"""`farfield-environment`: configuration first, then the imports that it decides on, then serve."""

from farfield_environment.config import EnvironmentConfig
from farfield_kernel.config import load


def main(argv: list[str] | None = None) -> None:
    config = load(EnvironmentConfig, "farfield-environment", argv)

    import uvloop

    from farfield_environment.catalog import GROUP
    from farfield_environment.service import run
    from farfield_kernel import logs, plugins

    logs.setup("environment", config.log_level)
    uvloop.run(run(config, plugins.load(GROUP, config.plugins)))


if __name__ == "__main__":
    main()
