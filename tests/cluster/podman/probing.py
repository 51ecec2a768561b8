"""Probes, as the kubelet asks them: from the node, at the pod's address, or by a command in the container."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import aiohttp
import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.cluster.podman.command import succeeds
from tests.cluster.store import Object

_THREADS = ThreadPoolExecutor(16, thread_name_prefix="probe")


async def healthy(probe: Object, address: str, container: str) -> bool:
    """Whether one probe succeeds in its time."""
    try:
        async with asyncio.timeout(probe["timeoutSeconds"]):
            return await _ask(probe, address, container)
    except (TimeoutError, OSError, aiohttp.ClientError):
        return False


async def _ask(probe: Object, address: str, container: str) -> bool:
    if "exec" in probe:
        return await succeeds("exec", container, *probe["exec"]["command"])
    if "grpc" in probe:
        asked = probe["grpc"]["port"], probe["grpc"].get("service", ""), probe["timeoutSeconds"]
        return await asyncio.get_running_loop().run_in_executor(_THREADS, _serves, address, *asked)
    if "httpGet" in probe:
        return await _http(probe["httpGet"], address)
    _, writer = await asyncio.open_connection(address, probe["tcpSocket"]["port"])
    writer.close()
    return True


def _serves(address: str, port: int, service: str, seconds: float) -> bool:
    with grpc.insecure_channel(f"{address}:{port}") as channel:
        try:
            asked = health_pb2.HealthCheckRequest(service=service)
            answer = health_pb2_grpc.HealthStub(channel).Check(asked, timeout=seconds)
        except grpc.RpcError:
            return False
    return answer.status == health_pb2.HealthCheckResponse.SERVING


async def _http(wanted: Object, address: str) -> bool:
    url = f"{wanted.get('scheme', 'HTTP').lower()}://{address}:{wanted['port']}{wanted.get('path', '/')}"
    async with aiohttp.ClientSession() as session, session.get(url, ssl=False) as answer:
        return 200 <= answer.status < 400
