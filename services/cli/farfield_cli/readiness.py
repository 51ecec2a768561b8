"""Whether a service takes calls: gRPC health is SERVING, or Redis answers PING."""

import asyncio
import contextlib

import grpc
import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

_CALL_SECONDS = 2.0


async def serving(address: str, service: str = "") -> bool:
    """Whether the server at `address` says that it serves. A channel of its own for each question: one that
    failed to connect before would wait out its back-off."""
    options = [("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.insecure_channel(address, options=options) as channel:
        request = health_pb2.HealthCheckRequest(service=service)
        try:
            answer = await health_pb2_grpc.HealthStub(channel).Check(request, timeout=_CALL_SECONDS)
        except grpc.RpcError:
            return False
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


async def redis_answers(path: str) -> bool:
    """Whether the server behind a Unix socket answers PING, its data loaded."""
    try:
        async with asyncio.timeout(_CALL_SECONDS):
            reader, writer = await asyncio.open_unix_connection(path)
            with contextlib.closing(writer):
                writer.write(b"PING\r\n")
                return await reader.readline() == b"+PONG\r\n"
    except (OSError, TimeoutError):
        return False
