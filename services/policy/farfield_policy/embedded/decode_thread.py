"""The thread that owns the decoder: takes commands between two steps, and steps while anything runs."""

import contextlib
import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from farfield_kernel.errors import (
    WEIGHTS_NOT_SERVED,
    FailedPrecondition,
    FarfieldError,
    PluginFailure,
    Unavailable,
)
from farfield_policy import meters
from farfield_policy.embedded.decode import Broken, Decoder
from farfield_policy.embedded.model import Model
from farfield_policy.embedded.rows import Request
from farfield_policy.engine import SHUTTING_DOWN, Completion, Requirement, Version

log = logging.getLogger(__name__)

_EXPIRY_SECONDS = 0.1  # how often a busy thread looks for prompts that have waited too long


@dataclass(eq=False, slots=True)
class Ticket:
    """A request in the queue or in the batch. `done` is called once, from the decode thread."""

    request: Request
    require: Requirement | None
    done: Callable[["Ticket", Completion | FarfieldError], None]
    since: float = field(default_factory=time.monotonic)
    cancelled: bool = False


class DecodeThread(threading.Thread):
    """Everything that touches the decoder runs here. `call` runs a function between two steps. `died` is
    called where the decoder cannot be mended, a device that is lost, say; no command is answered then."""

    def __init__(
        self, decoder: Decoder, weights_wait_seconds: float, died: Callable[[BaseException], None]
    ) -> None:
        super().__init__(name="decode", daemon=True)
        self._decoder, self._died = decoder, died
        self._wait_seconds = weights_wait_seconds
        self._inbox: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._waiting: deque[Ticket] = deque()
        self._running: dict[int, Ticket] = {}
        self._paused_since: float | None = None
        self._stopping = False
        self._next_expiry = 0.0
        self._when_idle: list[Callable[[int], None]] = []

    def call(self, function: Callable[[], None]) -> None:
        self._inbox.put(function)

    def submit(self, tickets: Sequence[Ticket]) -> None:
        self.call(lambda: self._waiting.extend(tickets))

    def cancel(self, ticket: Ticket) -> None:
        ticket.cancelled = True  # a waiting ticket is dropped when its turn comes
        self.call(lambda: self._cancel(ticket))

    def pause(self, drained: Callable[[int], None], drain: bool) -> None:
        """`drained` is called with the number of running responses, at once or when there are none."""
        self.call(lambda: self._pause(drained, drain))

    def resume(self) -> None:
        self.call(lambda: setattr(self, "_paused_since", None))

    def swap(self, model: Model, version: Version, done: Callable[[float], None]) -> None:
        """`done` is called with the seconds that decoding stood still."""
        self.call(lambda: self._swap(model, version, done))

    def stop(self) -> None:
        """Ends the thread after the step in progress; whatever waits or runs fails as UNAVAILABLE."""
        self.call(lambda: setattr(self, "_stopping", True))
        self.join()

    def run(self) -> None:
        try:
            self._work()
            self._fail_running(Unavailable(SHUTTING_DOWN))
        except BaseException as error:
            log.critical("decoding ended", exc_info=True)
            self._died(error)
        else:
            self._fail_waiting(Unavailable(SHUTTING_DOWN))

    def abandon(self, error: FarfieldError) -> None:
        """Once it has died and no more is submitted: whatever still waits fails."""
        self.join()
        while not self._inbox.empty():
            with contextlib.suppress(Exception):  # what needs the decoder cannot be had any more
                self._inbox.get_nowait()()
        self._fail_waiting(error)

    def _work(self) -> None:
        while not self._stopping:
            self._take_commands()
            self._expire()
            try:
                self._admit()
                self._finish(self._decoder.step())
            except Exception:  # whatever the model raises hurts the responses in its batch alone
                log.exception("decoding failed")
                self._fail_running(PluginFailure("the engine failed; the service's log has the details"))
            self._report()

    def _take_commands(self) -> None:
        timeout = self._idle_seconds()
        try:
            command = self._inbox.get(timeout=timeout) if timeout != 0 else self._inbox.get_nowait()
            while True:
                command()
                command = self._inbox.get_nowait()
        except queue.Empty:
            pass

    def _idle_seconds(self) -> float | None:
        """How long there is nothing to do but wait for a command; None: until one comes."""
        if self._running or any(self._obstacle(ticket) is None for ticket in self._waiting):
            return 0
        if not self._waiting:
            return None
        return max(0.001, min(map(self._deadline, self._waiting)) - time.monotonic())

    def _obstacle(self, ticket: Ticket) -> FarfieldError | None:
        """Why a waiting prompt could not start even in an empty batch."""
        if self._paused_since is not None:
            return Unavailable("generation is paused; try again later")
        if ticket.require is None or ticket.require.met_by(self._decoder.version):
            return None
        return FailedPrecondition(
            f"{ticket.require} is required; {self._decoder.version} is served", reason=WEIGHTS_NOT_SERVED
        )

    def _deadline(self, ticket: Ticket) -> float:
        return max(ticket.since, self._paused_since or 0) + self._wait_seconds

    def _expire(self) -> None:
        """Fails what has waited too long for weights that did not come, or for the end of a pause."""
        now = time.monotonic()
        if self._running and now < self._next_expiry:
            return
        self._next_expiry = now + _EXPIRY_SECONDS
        for ticket in [ticket for ticket in self._waiting if now >= self._deadline(ticket)]:
            obstacle = self._obstacle(ticket)
            if obstacle is not None:
                self._waiting.remove(ticket)
                self._resolve(ticket, obstacle)

    def _admit(self) -> None:
        free = self._decoder.free
        chosen: list[Ticket] = []
        kept: deque[Ticket] = deque()
        while self._waiting and len(chosen) < free:
            ticket = self._waiting.popleft()
            if not ticket.cancelled:
                (kept if self._obstacle(ticket) else chosen).append(ticket)
        self._waiting.extendleft(reversed(kept))
        if chosen:
            self._running.update({id(ticket.request): ticket for ticket in chosen})
            self._finish(self._decoder.admit([ticket.request for ticket in chosen]))

    def _finish(self, finished: Sequence) -> None:
        for done in finished:
            ticket = self._running.pop(id(done.request))
            broken = isinstance(done.result, Broken)
            self._resolve(ticket, PluginFailure(str(done.result)) if broken else done.result)
        if not self._running:
            for drained in self._when_idle:
                drained(0)
            self._when_idle.clear()

    def _resolve(self, ticket: Ticket, result: Completion | FarfieldError) -> None:
        if isinstance(result, Completion):
            meters.answered(result)
        else:
            meters.failed.inc()
        meters.request_seconds.observe(time.monotonic() - ticket.since)
        ticket.done(ticket, result)

    def _cancel(self, ticket: Ticket) -> None:
        if self._running.pop(id(ticket.request), None):
            self._decoder.cancel(ticket.request)

    def _pause(self, drained: Callable[[int], None], drain: bool) -> None:
        self._paused_since = time.monotonic()
        if drain and self._running:
            self._when_idle.append(drained)
        else:
            drained(len(self._running))

    def _swap(self, model: Model, version: Version, done: Callable[[float], None]) -> None:
        started = time.perf_counter()
        self._decoder.swap(model, version)
        for ticket in list(self._running.values()):
            if ticket.require is not None and not ticket.require.met_by(version):
                self._cancel(ticket)
                replaced = f"{version} replaced what the prompt requires"
                self._resolve(ticket, FailedPrecondition(replaced, reason=WEIGHTS_NOT_SERVED))
        stall = time.perf_counter() - started
        meters.swap_seconds.observe(stall)
        done(stall)

    def _fail_running(self, error: FarfieldError) -> None:
        running, self._running = list(self._running.values()), {}
        for ticket in running:
            self._resolve(ticket, error)
        self._decoder.reset()
        self._finish([])

    def _fail_waiting(self, error: FarfieldError) -> None:
        while self._waiting:
            self._resolve(self._waiting.popleft(), error)

    def _report(self) -> None:
        meters.running.set(len(self._running))
        meters.queued.set(len(self._waiting))
        if self._decoder.reused:
            meters.reused.inc(self._decoder.reused)
            self._decoder.reused = 0
