"""`farfield-openenv`: configuration first, then the imports that it decides on, then serve."""

import sys

from farfield_kernel.config import load
from farfield_openenv.facade.config import FacadeConfig


def main(argv: list[str] | None = None) -> None:
    config = load(FacadeConfig, "farfield-openenv", argv)

    import logging

    import uvloop

    from farfield_kernel import logs
    from farfield_kernel.errors import FarfieldError

    logs.setup("openenv", config.log_level)
    logging.getLogger("websockets").setLevel(logging.WARNING)  # it has a line for every connection
    try:
        uvloop.run(run(config))
    except FarfieldError as error:
        print(f"farfield-openenv: {error}", file=sys.stderr)
        raise SystemExit(1) from None


async def run(config: FacadeConfig) -> None:
    from farfield_kernel.server import serve
    from farfield_openenv.facade.backend import Backend
    from farfield_openenv.facade.server import Facade
    from farfield_rollout.failures import Stage, retried

    async with Backend.connected(config) as backend:
        info = await retried(backend.describe, Stage.START, config.retry)
        background = [Facade(backend, info).serve_forever, backend.renew_forever]
        await serve(config.server, [], background=background)


if __name__ == "__main__":
    main()
