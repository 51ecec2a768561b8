import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from farfield_kernel.errors import DeadlineExceeded, PluginFailure
from farfield_kernel.processes import ProcessDied, Processes

GUEST = """
import os, time

def make(argument):
    if argument == b"bad":
        raise ValueError("cannot be made")
    return Guest(argument)

class Guest:
    def __init__(self, argument):
        self.argument, self.calls = argument, 0
    def pid(self, _):
        return str(os.getpid()).encode()
    def count(self, _):
        self.calls += 1
        return b"%b %d" % (self.argument, self.calls)
    def echo(self, argument):
        return argument
    def fail(self, _):
        raise KeyError("lost\\nit")
    def leave(self, _):
        raise SystemExit(3)
    def die(self, _):
        os._exit(7)
    def hang(self, _):
        time.sleep(3600)
    def say(self, _):
        print("to the log, not into the answer")
        return b"said"
    def secret(self, _):
        return os.environ.get("FARFIELD_TOKEN", "none").encode()
"""


@pytest.fixture
async def processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Processes]:
    (tmp_path / "farfield_guest.py").write_text(GUEST)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("FARFIELD_TOKEN", "secret")
    opened = Processes(idle=1)
    yield opened
    await opened.close()


async def test_the_life_of_a_child(processes: Processes) -> None:
    guest = await processes.open("p", "farfield_guest:make", b"one")
    assert await guest.call("count", timeout=10) == b"one 1"
    assert await guest.call("count", timeout=10) == b"one 2"
    assert await guest.call("echo", b"\0\n" * 500_000, timeout=10) == b"\0\n" * 500_000
    assert await guest.call("say", timeout=10) == b"said"
    assert await guest.call("secret", timeout=10) == b"none"
    for method, says in (
        ("fail", "KeyError: 'lost"),
        ("leave", "SystemExit: 3"),
        ("unknown", "AttributeError"),
    ):
        with pytest.raises(PluginFailure, match=says):
            await guest.call(method, timeout=10)
    pid = await guest.call("pid", timeout=10)
    processes.release("p", guest)

    again = await processes.open("p", "farfield_guest:make", b"one", again=True)
    assert await again.call("count", timeout=10) == b"one 3"
    processes.release("p", again)

    fresh = await processes.open("p", "farfield_guest:make", b"one")
    assert await fresh.call("count", timeout=10) == b"one 1"
    assert await fresh.call("pid", timeout=10) == pid
    with pytest.raises(ProcessDied):
        await fresh.call("die", timeout=10)
    assert not fresh.alive


async def test_a_late_child_is_killed_and_not_used_again(processes: Processes) -> None:
    guest = await processes.open("p", "farfield_guest:make", b"one")
    with pytest.raises(DeadlineExceeded, match="no answer within"):
        await guest.call("hang", timeout=0.1)
    processes.release("p", guest)
    with pytest.raises(PluginFailure, match="ValueError: cannot be made"):
        await processes.open("p", "farfield_guest:make", b"bad")
    other = await processes.open("p", "farfield_guest:make", b"two")
    assert other is not guest
    call = asyncio.ensure_future(other.call("hang", timeout=60))
    await asyncio.sleep(0.01)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert not other.alive
