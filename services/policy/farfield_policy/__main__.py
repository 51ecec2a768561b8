"""`farfield-policy`: configuration first, then the imports that it decides on, then serve."""

import sys

from farfield_kernel.config import load
from farfield_kernel.errors import FailedPrecondition, InvalidArgument, NotFound
from farfield_policy.config import PolicyConfig


def main(argv: list[str] | None = None) -> None:
    config = load(PolicyConfig, "farfield-policy", argv)

    import uvloop

    from farfield_kernel import logs

    logs.setup("policy", config.log_level)
    try:
        uvloop.run(run(config))
    except (FailedPrecondition, InvalidArgument, NotFound) as error:  # starting again would not help
        print(f"farfield-policy: {error}", file=sys.stderr)
        raise SystemExit(2) from None


async def run(config: PolicyConfig) -> None:
    from farfield_kernel.server import serve
    from farfield_policy.service import assembled

    async with assembled(config) as service:
        await serve(config.server, [service.mount], background=service.background, drain=service.drain)


if __name__ == "__main__":
    main()
