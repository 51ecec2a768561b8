import asyncio
import os
import signal
from collections.abc import Iterator

import pytest

from farfield_cli.interrupts import Interrupted, Interruptible


@pytest.fixture(autouse=True)
def heard() -> Iterator[None]:
    """No signal is ignored from before, as SIGHUP is under nohup."""
    before = {number: signal.signal(number, signal.SIG_DFL) for number in (signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def send(number: int) -> None:
    os.kill(os.getpid(), number)


async def forever(wound_up: asyncio.Event, winding: asyncio.Event | None = None) -> None:
    try:
        await asyncio.Event().wait()
    finally:
        if winding:
            await winding.wait()
        wound_up.set()


async def test_work_that_is_not_interrupted_gives_its_result() -> None:
    async def work() -> int:
        return 3

    assert await Interruptible().run(work()) == 3


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_a_signal_winds_the_work_up(number: int) -> None:
    wound_up = asyncio.Event()
    asyncio.get_running_loop().call_soon(send, number)
    with pytest.raises(Interrupted):
        await Interruptible().run(forever(wound_up))
    assert wound_up.is_set()


async def test_a_second_signal_hurries_the_winding_up() -> None:
    wound_up, hurried, loop = asyncio.Event(), asyncio.Event(), asyncio.get_running_loop()
    interruptible = Interruptible(lambda: loop.call_soon(send, signal.SIGINT) and None)
    interruptible.hurry = hurried.set
    loop.call_soon(send, signal.SIGINT)
    with pytest.raises(Interrupted):
        await interruptible.run(forever(wound_up, hurried))
    assert wound_up.is_set()


async def test_a_first_signal_that_is_dealt_with_does_not_end_the_work() -> None:
    asked = asyncio.Event()
    interruptible = Interruptible()

    def first() -> bool:
        asked.set()
        return True

    async def work() -> str:
        await asked.wait()
        return "went on"

    interruptible.on_first = first
    asyncio.get_running_loop().call_soon(send, signal.SIGINT)
    assert await interruptible.run(work()) == "went on"


async def test_an_ignored_signal_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:

        async def work() -> str:
            send(signal.SIGHUP)
            await asyncio.sleep(0)
            return "went on"

        assert await Interruptible().run(work()) == "went on"
    finally:
        signal.signal(signal.SIGHUP, before)
