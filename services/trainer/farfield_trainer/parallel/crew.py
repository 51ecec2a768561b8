"""Rank 0 and its followers: what is done to the learner here is done to every learner.

A command is broadcast, every rank does it, and all tell how it ended. Between commands rank 0 says that it
is alive, so that the process group's timeout means the same at all times: somebody hangs. An error that is
not expected, a rank that is gone among them, leaves ranks waiting within a computation: such a process ends
at once, as if it were killed. Then torchrun starts all again, and the run goes on from its checkpoint.
"""

import contextlib
import logging
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import NoReturn, Protocol, TypeVar

from farfield.trajectory.v1.trajectory_pb2 import Trajectory
from farfield_kernel.images import Blobs
from farfield_trainer.learning.sft import SupervisedSample
from farfield_trainer.parallel import commands
from farfield_trainer.parallel.channel import Channel
from farfield_trainer.parallel.commands import ALIVE, OPEN, STOP, Command
from farfield_trainer.parallel.config import Kind
from farfield_trainer.parallel.outcome import EXPECTED, concluded
from farfield_trainer.run_config import RunConfig
from farfield_trainer.sources import Learner, Metrics

log = logging.getLogger(__name__)
T = TypeVar("T")


class Build(Protocol):
    """How a rank makes its learner."""

    def __call__(self, run: RunConfig, kind: Kind) -> Learner: ...


def end_process(error: BaseException) -> NoReturn:
    """Nothing is written and nobody is told: what a kill would leave is what the next life expects."""
    log.critical("this rank cannot go on, and torchrun has to start all again", exc_info=error)
    logging.shutdown()
    os._exit(1)


@contextlib.contextmanager
def all_or_none(end: Callable[[BaseException], NoReturn]) -> Iterator[None]:
    try:
        yield
    except EXPECTED:
        raise
    except Exception as error:
        end(error)


class Crew:
    """Rank 0's side. To be used as a context: at its end the followers stop."""

    def __init__(
        self,
        channel: Channel,
        build: Build,
        kind_of: Callable[[RunConfig], Kind],
        timeout_seconds: float,
        end: Callable[[BaseException], NoReturn] = end_process,
    ) -> None:
        self._channel, self._build, self.kind_of, self._end = channel, build, kind_of, end
        self._parent = os.getppid()
        self._turn = threading.Lock()
        self._over = threading.Event()
        self._pulse = threading.Thread(
            target=self._say_alive, args=(timeout_seconds / 4,), name="pulse", daemon=True
        )

    def __enter__(self) -> "Crew":
        self._pulse.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        with self._turn, all_or_none(self._end):
            self._channel.send(Command(STOP).encoded())
        self._pulse.join()

    def open(self, run: RunConfig) -> "Commander":
        """A learner on every rank, commanded by the one that is returned."""
        kind = self.kind_of(run)
        own = self.do(commands.opening(run, kind), lambda: self._build(run, kind))
        return Commander(self, own)

    def do(self, command: Command, own: Callable[[], T]) -> T:
        """What `own` returns, once every rank has obeyed the command."""
        with self._turn, all_or_none(self._end):
            self._channel.send(command.encoded())
            return concluded(self._channel, own)

    def _say_alive(self, every: float) -> None:
        while not self._over.wait(every):
            if os.getppid() != self._parent:
                self._end(RuntimeError("torchrun is gone, and nobody would start a lost rank again"))
            if self._turn.acquire(blocking=False):  # else a command is proof enough
                try:
                    with all_or_none(self._end):
                        self._channel.send(Command(ALIVE).encoded())
                        concluded(self._channel, lambda: None)
                finally:
                    self._turn.release()


class Commander:
    """Rank 0's learner, as the run's loop knows it."""

    def __init__(self, crew: Crew, own: Learner) -> None:
        self._crew, self._own = crew, own
        self.parameters = own.parameters

    @property
    def tokens_trained(self) -> int:
        return self._own.tokens_trained

    def update(self, trajectories: Sequence[Trajectory], blobs: Blobs) -> Metrics:
        command = commands.update(trajectories, blobs)
        return self._crew.do(command, lambda: self._own.update(trajectories, blobs))

    def fit(self, demonstrations: Sequence[SupervisedSample]) -> Metrics:
        return self._crew.do(commands.fit(demonstrations), lambda: self._own.fit(demonstrations))

    def save(self, folder: Path) -> None:
        self._crew.do(commands.with_folder("save", folder), lambda: self._own.save(folder))

    def load(self, folder: Path) -> None:
        self._crew.do(commands.with_folder("load", folder), lambda: self._own.load(folder))

    def save_pretrained(self, folder: Path) -> None:
        command = commands.with_folder("save_pretrained", folder)
        self._crew.do(command, lambda: self._own.save_pretrained(folder))


def follow(channel: Channel, build: Build, end: Callable[[BaseException], NoReturn] = end_process) -> None:
    """Obeys rank 0 until it says stop. What a command raises is rank 0's to report."""
    learner: Learner | None = None
    with all_or_none(end):
        while (command := Command.decoded(channel.receive())).what != STOP:
            if command.what == OPEN:
                learner = None  # its memory is the next one's
            with contextlib.suppress(*EXPECTED):
                learner = concluded(channel, lambda: _obeyed(command, learner, build))  # noqa: B023


def _obeyed(command: Command, learner: Learner | None, build: Build) -> Learner | None:
    if command.what == OPEN:
        return build(*commands.opened(command))
    if command.what != ALIVE:
        if learner is None:
            raise RuntimeError(f"told to {command.what}, and no run is open")
        commands.obey(command, learner)
    return learner
