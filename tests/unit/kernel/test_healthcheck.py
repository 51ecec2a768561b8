"""The health check of a container: what it says, and with which status it ends."""

import asyncio
import socket
import sys
from collections.abc import AsyncIterator

import pytest

from farfield_kernel.healthcheck import HealthcheckConfig, main, status
from farfield_kernel.server import Server, ServerConfig


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    running = Server(ServerConfig(drain_seconds=0), [])
    await running.start()
    yield running
    await running.stop()


async def test_the_status_is_the_one_that_the_service_gives(server: Server) -> None:
    config = HealthcheckConfig(address=server.address)
    assert await status(config) == "SERVING"
    await server.set_serving(False)
    assert await status(config) == "NOT_SERVING"


async def in_a_process(*arguments: str) -> tuple[int | None, str]:
    """Exit status and what it said."""
    command = [sys.executable, "-m", "farfield_kernel.healthcheck", *arguments]
    process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
    _, said = await process.communicate()
    return process.returncode, said.decode()


async def test_the_exit_status_tells_the_container_engine(server: Server) -> None:
    assert await in_a_process("--address", server.address) == (0, "")
    code, said = await in_a_process("--address", server.address, "--service", "environment/nope")
    assert (code, "there is no health name 'environment/nope'" in said) == (1, True)
    await server.set_serving(False)
    code, said = await in_a_process("--address", server.address)
    assert (code, "the service is NOT_SERVING" in said) == (1, True)


def test_nobody_there_ends_with_status_1() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(SystemExit, match=f"farfield-healthcheck: {address}: ."):
        main(["--address", address])


def test_a_typo_ends_with_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["--adress", "127.0.0.1:1"])
    assert stop.value.code == 2
    assert "did you mean 'address'?" in capsys.readouterr().err
