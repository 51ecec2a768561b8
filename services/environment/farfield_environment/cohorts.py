"""Sessions that share one object of a batched plugin: a cohort. What they ask for at the same time is one
call; everything else about a session is its own.

An object that hung or died is given up. The sessions of that call get its error; the others are lost, as if
their host were, and are restored from their histories in another cohort.
"""

import logging
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from farfield.environment.v1 import environment_pb2 as pb
from farfield_environment.catalog import Hosted, Resolved
from farfield_environment.config import EnvironmentConfig
from farfield_environment.places import RESET, STEP, Answer, Here, InProcess, OnLoop, OnThread, Place
from farfield_kernel.batching import Batcher
from farfield_kernel.errors import DeadlineExceeded, NotFound, Unavailable
from farfield_kernel.executors import Pools
from farfield_kernel.processes import ProcessDied, Processes
from farfield_kernel.worker import Nonsense

log = logging.getLogger(__name__)


class SeatLost(NotFound):
    """The object that held the session is gone."""


@dataclass(frozen=True, slots=True)
class _Call:
    method: str
    slot: int
    value: Any


class Cohort:
    """One object and its slots. A slot has one call under way at most."""

    def __init__(self, hosted: Hosted, place: Place, config: EnvironmentConfig) -> None:
        self._hosted, self._place = hosted, place
        self.name = hosted.name
        self._timeouts = {RESET: config.start_timeout_seconds, STEP: config.step_timeout_seconds}
        self.slots: int = hosted.info.slots
        self.free = list(reversed(range(self.slots)))
        self.lost = False
        self._batcher = Batcher[_Call, Any](self._send, limit=self.slots, in_flight=1)

    @property
    def empty(self) -> bool:
        return len(self.free) == self.slots

    async def call(self, method: str, slot: int, value: Any) -> Any:
        return await self._batcher.call(_Call(method, slot, value))

    def close(self) -> None:
        self._place.close()

    async def _send(self, calls: list[_Call]) -> list[Answer]:
        """Starts first, then steps: the object is never asked twice at once."""
        answers: dict[int, Answer] = {}
        for method in (RESET, STEP):
            chosen = [call for call in calls if call.method == method]
            if chosen:
                slots = [call.slot for call in chosen]
                answers.update(zip(slots, await self._ask(method, slots, chosen), strict=True))
        return [answers[call.slot] for call in calls]

    async def _ask(self, method: str, slots: list[int], calls: Sequence[_Call]) -> list[Answer]:
        if self.lost:
            return [self._loss(method)] * len(slots)
        self._hosted.meters.batches[method].observe(len(slots))
        began = time.monotonic()
        try:
            values = [call.value for call in calls]
            answers = await self._place.ask(method, slots, values, self._timeouts[method])
        except Exception as error:
            if isinstance(error, DeadlineExceeded | ProcessDied):
                self._give_up(error)
            return [error] * len(slots)
        if isinstance(self._place, Here):
            self._hosted.took(time.monotonic() - began)
        if len(answers) != len(slots):
            wrong = Nonsense(f"{method} gave {len(answers)} answers for {len(slots)} slots")
            return [wrong] * len(slots)
        return answers

    def _give_up(self, error: Exception) -> None:
        """Nobody knows what the object is doing now."""
        self.lost = True
        seated = self.slots - len(self.free)
        log.warning("an object of %s with %d sessions is given up: %s", self._hosted.name, seated, error)

    def _loss(self, method: str) -> Exception:
        said = f"the object of '{self._hosted.name}' that held the session is gone"
        if method == RESET:
            return Unavailable(f"{said}: try again")
        return SeatLost(f"{said}: restore the session from its history")


class Cohorts:
    """All cohorts. Those that are empty are kept, at most `idle_processes` of each plugin."""

    def __init__(self, config: EnvironmentConfig, pools: Pools, processes: Processes) -> None:
        self._config, self._pools, self._processes = config, pools, processes
        self._open: dict[tuple[bytes, str], list[Cohort]] = defaultdict(list)

    def join(self, resolved: Resolved) -> tuple[Cohort, int]:
        """A free slot beside sessions of the same options."""
        executor = resolved.hosted.executor
        cohorts = self._open[resolved.ref.SerializeToString(deterministic=True), executor]
        cohorts[:] = [cohort for cohort in cohorts if not cohort.lost]
        cohort = next((one for one in cohorts if one.free), None)
        if cohort is None:
            cohort = Cohort(resolved.hosted, self._place(resolved), self._config)
            cohorts.append(cohort)
        return cohort, cohort.free.pop()

    def leave(self, cohort: Cohort, slot: int) -> None:
        """Frees a slot that no call is running on."""
        cohort.free.append(slot)
        if cohort.empty and not cohort.lost:
            self._drop_all_but_some(cohort.name)

    def _drop_all_but_some(self, plugin: str) -> None:
        empty = [
            (key, cohort)
            for key, cohorts in self._open.items()
            for cohort in cohorts
            if cohort.name == plugin and cohort.empty
        ]
        for key, cohort in empty[: max(len(empty) - self._config.idle_processes, 0)]:
            cohort.close()
            self._open[key].remove(cohort)
            if not self._open[key]:
                del self._open[key]

    def _place(self, resolved: Resolved) -> Place:
        hosted, options, pools = resolved.hosted, resolved.options, self._pools
        cls: Any = hosted.cls
        if hosted.executor == "inline":
            return Here(cls, options, hosted.rules)
        if hosted.executor == "async":
            return OnLoop(cls, options, hosted.rules, pools)
        if hosted.executor == "process":
            return InProcess(cls, options, hosted.rules, self._processes)
        return OnThread(cls, options, hosted.rules, pools)


class SharedSeat:
    """A slot of a cohort."""

    inline = False

    def __init__(self, resolved: Resolved, cohorts: Cohorts) -> None:
        self._resolved, self._cohorts = resolved, cohorts
        self._held: tuple[Cohort, int] | None = None
        self._busy = self._closed = False

    async def start(self, seed: int) -> pb.Started:
        self._held = self._cohorts.join(self._resolved)
        return await self._call(RESET, seed)

    async def step(self, response: str) -> pb.Outcome:
        return await self._call(STEP, response)

    async def _call(self, method: str, value: Any) -> Any:
        if self._held is None:
            raise SeatLost("the session was closed before its turn came")
        cohort, slot = self._held
        self._busy = True
        try:
            return await cohort.call(method, slot, value)
        finally:
            self._busy = False
            if self._closed:
                self._leave()

    def close(self) -> None:
        """A slot with a call under way is free when that has ended."""
        self._closed = True
        if not self._busy:
            self._leave()

    def _leave(self) -> None:
        held, self._held = self._held, None
        if held:
            self._cohorts.leave(*held)
