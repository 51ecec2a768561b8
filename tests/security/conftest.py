"""A secure stack of real processes, whose authority is the tests' own, and strangers to it."""

import asyncio
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from farfield_cli.secure import command
from farfield_cli.secure.authority import Authority
from farfield_cli.secure.command import CommandKeys
from farfield_cli.secure.keyring import Keyring
from farfield_cli.secure.redis_program import find_tls_server
from farfield_cli.stack import record
from farfield_cli.stack.options import StackOptions
from farfield_cli.stack.record import StackRecord
from farfield_cli.stack.stack import Stack, planned
from farfield_kernel.errors import FailedPrecondition

ROOT = Path(__file__).parents[2]
MODEL = ROOT / "examples" / "tiny" / "checkpoint"


@dataclass(frozen=True, slots=True)
class Secured:
    """A stack that is up, and the authority that its certificates are of."""

    folder: Path
    authority: Authority
    stack: Stack

    @property
    def state(self) -> Path:
        return self.folder / "state"

    @property
    def runs(self) -> Path:
        return self.folder / "runs"

    @property
    def record(self) -> StackRecord:
        found = record.read(self.state)
        assert found is not None
        return found

    @property
    def keys(self) -> CommandKeys:
        return command.read(self.state / "keys")

    def address(self, name: str) -> str:
        return next(one.address for one in self.record.programs if one.name == name)

    def pid(self, name: str) -> int:
        return next(one.pid for one in self.record.programs if one.name == name and one.pid)


@pytest.fixture(scope="session")
def tls_redis(request: pytest.FixtureRequest) -> Iterator[str]:
    """A Redis with TLS, on PATH for this session."""
    fetched = ROOT / ".redis" / "bin"
    with pytest.MonkeyPatch.context() as environment:
        if (fetched / "redis-server").exists():
            environment.setenv("PATH", f"{fetched}{os.pathsep}{os.environ['PATH']}")
        try:
            yield find_tls_server()
        except FailedPrecondition as error:
            pytest.skip(f"{error}, or `make redis-tls`")


@pytest.fixture(scope="session")
def secured(tls_redis: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """Everything that it says is logged."""
    folder = tmp_path_factory.mktemp("secured")
    options = StackOptions(folder / "state", folder / "runs", MODEL, secure=True, log_level="debug")
    authority = Authority()
    with record.locked(options.state):
        stack = Stack(options, planned(options, Keyring(options.state / "keys", authority)))
        with in_background(stack):
            yield Secured(folder, authority, stack)


class in_background:
    """A stack that runs in a thread, beside tests that block."""

    def __init__(self, stack: Stack) -> None:
        self._stack, self._ready = stack, threading.Event()
        self._error: BaseException | None = None
        self._stop: Callable[[], None] = lambda: None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))

    async def _run(self) -> None:
        loop, stopped = asyncio.get_running_loop(), asyncio.Event()
        self._stop = lambda: loop.call_soon_threadsafe(stopped.set)
        try:
            await self._stack.start()
            self._ready.set()
            await self._stack.beside(stopped.wait())
        except BaseException as error:
            self._error = error
        finally:
            self._ready.set()
            await self._stack.supervisor.stop()

    def __enter__(self) -> None:
        self._thread.start()
        self._ready.wait(timeout=300)
        if self._error:
            raise self._error

    def __exit__(self, *_: object) -> None:
        self._stop()
        self._thread.join(timeout=120)
        if self._error:
            raise self._error
