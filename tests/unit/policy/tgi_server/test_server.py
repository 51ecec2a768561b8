"""The server as part of the policy service."""

import asyncio
import logging
import shutil
import ssl
import subprocess
from pathlib import Path

import httpx2
import pytest

from farfield_kernel.config import parse
from farfield_kernel.errors import FailedPrecondition
from farfield_kernel.server import ServerConfig
from farfield_kernel.tls import TlsConfig
from farfield_policy.config import PolicyConfig
from farfield_policy.embedded.engine import TorchEngine
from farfield_policy.engine import Capabilities, Description, Version
from farfield_policy.service import assembled
from farfield_policy.tgi_server.config import TgiServerConfig
from farfield_policy.tgi_server.server import TgiServer, offer


async def address_of(serving: asyncio.Future[None], caplog: pytest.LogCaptureFixture) -> str:
    """The base URL that the server says it has."""
    while not (said := [record for record in caplog.records if hasattr(record, "tgi_port")]):
        assert not serving.done(), serving
        await asyncio.sleep(0.01)
    return str(said[-1].getMessage().split()[-1])


async def test_the_service_serves_it_beside_grpc(spoken: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    config = parse(PolicyConfig, {"engine": {"model": str(spoken)}, "tgi_server": {"port": 0}}, "test")
    async with assembled(config) as service, httpx2.AsyncClient() as client:
        [_, serve] = service.background
        serving = asyncio.ensure_future(serve())
        url = await address_of(serving, caplog)
        assert (await client.get(f"{url}/info")).json()["model_id"] == str(spoken)
        await service.drain()
        drained = await client.get(f"{url}/health")
        assert (drained.status_code, drained.json()["error_type"]) == (503, "healthcheck")
        refused = await client.post(f"{url}/generate", json={"inputs": "a"})
        assert (refused.status_code, refused.json()["error_type"]) == (503, "unavailable")
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
        with pytest.raises(httpx2.ConnectError):
            await client.get(f"{url}/health")


def certified(folder: Path) -> TlsConfig:
    if shutil.which("openssl") is None:
        pytest.skip("no openssl on PATH")
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    return TlsConfig(certificate=certificate, key=key)


async def test_tls_and_the_token_are_those_of_the_grpc_server(
    engine: TorchEngine, spoken: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    server = ServerConfig(tls=certified(tmp_path), token="secret")
    door = TgiServer(engine, str(spoken), TgiServerConfig(port=0), server)
    serving = asyncio.ensure_future(door.serve())
    url = await address_of(serving, caplog)
    trust = ssl.create_default_context(cafile=str(tmp_path / "certificate.pem"))
    async with httpx2.AsyncClient(verify=trust) as client:
        body = {"inputs": "a", "parameters": {"max_new_tokens": 1}}
        assert (await client.post(f"{url}/generate", json=body)).status_code == 401
        headers = {"Authorization": "Bearer secret"}
        assert (await client.post(f"{url}/generate", json=body, headers=headers)).status_code == 200
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)


class Blind(TorchEngine):
    """An engine that takes no ids."""

    def describe(self) -> Description:
        return Description("blind", Capabilities(token_ids_in=False), Version(), 100, 4)


def test_an_engine_that_takes_no_ids_is_refused() -> None:
    with pytest.raises(FailedPrecondition, match="engine blind takes no token ids"):
        offer(Blind.__new__(Blind), "folder", TgiServerConfig(port=0))


def test_limits_stay_within_the_engines_context(engine: TorchEngine) -> None:
    def limits(**config: int) -> tuple[int, int]:
        found = offer(engine, "folder", TgiServerConfig(port=0, **config)).limits
        return found.max_input_tokens, found.max_total_tokens

    assert limits() == (255, 256)
    assert limits(max_total_tokens=100) == (99, 100)
    assert limits(max_total_tokens=1000, max_input_tokens=300) == (255, 256)
    assert limits(max_input_tokens=50) == (50, 256)
