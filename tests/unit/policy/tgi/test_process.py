"""A supervised server: a real process, which answers /info alone."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import uvloop

from farfield_kernel.errors import FailedPrecondition, Unavailable
from farfield_policy.engine import Version
from farfield_policy.tgi.config import ProcessWeights
from farfield_policy.tgi.info import info_of
from farfield_policy.tgi.process import ProcessHosting

PROGRAM = Path(__file__).with_name("info_server.py")


def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


@pytest.fixture
def models(tmp_path: Path) -> Path:
    for name in ("old", "new", "broken", "slow"):
        (tmp_path / name).mkdir()
    (tmp_path / "broken" / "broken").touch()
    (tmp_path / "slow" / "slow").touch()
    return tmp_path


@pytest.fixture
async def hosting(models: Path) -> AsyncIterator[ProcessHosting]:
    at = port()
    command = (sys.executable, str(PROGRAM), "{model}", str(at))
    config = ProcessWeights(kind="process", command=command, start_seconds=20, stop_seconds=5)
    made = ProcessHosting(config, f"http://127.0.0.1:{at}", str(models / "old"))
    yield made
    await made.close()


async def model_of(url: str) -> str:
    return Path((await info_of(url)).model).name


async def test_a_server_is_started_and_replaced(hosting: ProcessHosting, models: Path) -> None:
    url = await hosting.open()
    assert await model_of(url) == "old"
    assert await hosting.serve(str(models / "new"), Version("run", 1)) == url
    assert await model_of(url) == "new"
    await hosting.close()
    with pytest.raises(Unavailable, match="cannot be reached"):
        await info_of(url)


def test_the_services_own_event_loop_can_do_it_too(models: Path) -> None:
    async def check() -> str:
        at = port()
        command = (sys.executable, str(PROGRAM), "{model}", str(at))
        config = ProcessWeights(kind="process", command=command, start_seconds=20)
        hosting = ProcessHosting(config, f"http://127.0.0.1:{at}", str(models / "old"))
        try:
            return await model_of(await hosting.open())
        finally:
            await hosting.close()

    assert uvloop.run(check()) == "old"


@pytest.mark.parametrize("bad", ["broken", "slow"])
async def test_what_does_not_come_up_is_rolled_back(models: Path, bad: str) -> None:
    at = port()
    config = ProcessWeights(
        kind="process", command=(sys.executable, str(PROGRAM), "{model}", str(at)), start_seconds=2
    )
    hosting = ProcessHosting(config, f"http://127.0.0.1:{at}", str(models / "old"))
    url = await hosting.open()
    with pytest.raises(FailedPrecondition, match=r"'.*old' serves again"):
        await hosting.serve(str(models / bad), Version("run", 1))
    assert await model_of(url) == "old"
    await hosting.close()


async def test_a_server_that_never_comes_up_says_how_it_ended(models: Path) -> None:
    config = ProcessWeights(kind="process", command=(sys.executable, "-c", "raise SystemExit(7)", "{model}"))
    hosting = ProcessHosting(config, f"http://127.0.0.1:{port()}", str(models / "old"))
    with pytest.raises(Unavailable, match="ended with status 7"):
        await hosting.open()


async def test_a_program_that_does_not_exist_is_named(models: Path) -> None:
    config = ProcessWeights(kind="process", command=("no-such-launcher", "{model}"))
    hosting = ProcessHosting(config, f"http://127.0.0.1:{port()}", str(models / "old"))
    with pytest.raises(FailedPrecondition, match="no-such-launcher"):
        await hosting.open()


async def test_a_server_that_dies_is_started_again(hosting: ProcessHosting) -> None:
    url = await hosting.open()
    assert hosting.pid is not None
    os.kill(hosting.pid, signal.SIGKILL)
    async with asyncio.timeout(20):
        while True:
            try:
                assert await model_of(url) == "old"
                break
            except Unavailable:
                await asyncio.sleep(0.05)
