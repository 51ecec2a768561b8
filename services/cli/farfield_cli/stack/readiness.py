"""Whether a service takes calls: gRPC health is SERVING, or Redis answers PING."""

import asyncio
import contextlib

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from redis import exceptions
from redis.asyncio import from_url

from farfield_cli.ways import way_to
from farfield_kernel.client import ClientConfig, channel

_CALL_SECONDS = 2.0


async def serving(where: str | ClientConfig, service: str = "") -> bool:
    """Whether the server there says that it serves. A channel of its own for each question: one that failed
    to connect before would wait out its back-off."""
    way = way_to(where).model_copy(update={"attempts": 2})
    async with channel(way, ("grpc.use_local_subchannel_pool", 1)) as opened:
        request = health_pb2.HealthCheckRequest(service=service)
        try:
            answer = await health_pb2_grpc.HealthStub(opened).Check(request, timeout=_CALL_SECONDS)
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


async def secure_redis_answers(url: str) -> bool:
    """Whether the server at a URL answers PING, its data loaded."""
    seconds = {"socket_timeout": _CALL_SECONDS, "socket_connect_timeout": _CALL_SECONDS}
    async with from_url(url, driver_info=None, **seconds) as client:
        try:
            return bool(await client.ping())
        except (exceptions.RedisError, OSError):
            return False
