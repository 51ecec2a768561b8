"""`python -m farfield_kernel.healthcheck`: asks a service for its health, as a container's health check.

Exit status 0: it serves. 1: it does not, or nobody answers. 2: the question was wrong.
"""

import asyncio
import sys

from grpc_health.v1 import health_pb2, health_pb2_grpc
from pydantic import Field

from farfield_kernel.client import ClientConfig, channel
from farfield_kernel.config import load
from farfield_kernel.errors import FarfieldError, NotFound, translated

PROG = "farfield-healthcheck"


class HealthcheckConfig(ClientConfig):
    """Whom to ask, and how."""

    address: str = "127.0.0.1:50051"
    timeout_seconds: float = Field(default=3, gt=0)
    service: str = ""
    """Health name of a gRPC service or a plugin, e.g. `environment/generalpoints`; empty asks for all."""


async def status(config: HealthcheckConfig) -> str:
    """`SERVING`, `NOT_SERVING`, ...; raises a domain error when there is no answer."""
    async with channel(config) as to_service, translated():
        request = health_pb2.HealthCheckRequest(service=config.service)
        answer = await health_pb2_grpc.HealthStub(to_service).Check(request)
    return health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)


def main(argv: list[str] | None = None) -> None:
    config = load(HealthcheckConfig, PROG, argv)
    try:
        found = asyncio.run(status(config))
    except NotFound:  # comes without a message
        sys.exit(f"{PROG}: {config.address}: there is no health name '{config.service}'")
    except FarfieldError as error:
        sys.exit(f"{PROG}: {config.address}: {error}")
    if found != "SERVING":
        sys.exit(f"{PROG}: {config.address}: {config.service or 'the service'} is {found}")


if __name__ == "__main__":
    main()
