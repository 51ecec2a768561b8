"""Where plugin code runs when the event loop must not wait for it: a loop or threads of the plugin's own.

Every run has a deadline. Past it the caller gets DeadlineExceeded: a coroutine is cancelled, a thread is
abandoned and replaced, since it cannot be stopped (`processes` can stop what it runs). What the plugin
raises is raised here; what would end an interpreter, such as SystemExit, is a RuntimeError.
"""

import asyncio
import inspect
import queue
import threading
from collections.abc import Awaitable, Callable
from typing import Any

from farfield_kernel.errors import DeadlineExceeded, PluginFailure

MOST_LOST = 64
"""Abandoned threads that a plugin may have hanging before it gets no more."""
ANSWER_SECONDS = 1.0
"""A loop that is not blocked answers within this time."""


async def within(timeout: float, awaitable: Awaitable[Any]) -> Any:
    """The result, or DeadlineExceeded. A TimeoutError of the awaitable's own passes through."""
    scope = asyncio.timeout(timeout)
    try:
        async with scope:
            return await awaitable
    except TimeoutError:
        if not scope.expired():
            raise
        raise DeadlineExceeded(f"no answer within {timeout:g} seconds") from None


class Loop:
    """One thread with an event loop, for the coroutines of one plugin. A loop that a coroutine blocks until
    its deadline is left to it, and a new one takes the calls that had not begun."""

    def __init__(self, name: str) -> None:
        self._name, self._lost = name, 0
        self._begin()

    def _begin(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=_serve, args=(self._loop,), name=f"loop-{self._name}", daemon=True
        )
        self._thread.start()

    async def run(self, function: Callable[..., Any], *args: Any, timeout: float) -> Any:
        while True:
            loop, began = self._loop, threading.Event()
            future = asyncio.run_coroutine_threadsafe(_called(function, args, began), loop)
            try:
                return await within(timeout, asyncio.wrap_future(future))
            except DeadlineExceeded:
                if not await self._replaced(loop, timeout) or began.is_set():
                    raise

    async def _replaced(self, loop: asyncio.AbstractEventLoop, timeout: float) -> bool:
        """Whether the loop was blocked and another one is there now."""
        if loop is self._loop and await _answers(loop):
            return False
        if loop is self._loop:
            if self._lost >= MOST_LOST:
                return False
            self._lost += 1
            loop.call_soon_threadsafe(loop.call_later, timeout, loop.stop)  # if it ever comes back
            self._begin()
        return True

    def close(self) -> None:
        """Waits a moment for the thread, unless a plugin blocks it."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=1)


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    loop.run_forever()
    loop.close()


async def _called(function: Callable[..., Any], args: tuple[Any, ...], began: threading.Event) -> Any:
    began.set()
    try:
        answer = function(*args)
        return await answer if inspect.isawaitable(answer) else answer
    except (Exception, asyncio.CancelledError):
        raise
    except BaseException as error:  # it would end the loop, and with it the plugin's other calls
        raise RuntimeError(repr(error)) from error


async def _answers(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether a loop in another thread still runs what it is given."""
    here, answered = asyncio.get_running_loop(), asyncio.Event()
    loop.call_soon_threadsafe(here.call_soon_threadsafe, answered.set)
    try:
        await within(ANSWER_SECONDS, answered.wait())
    except DeadlineExceeded:
        return False
    return True


class _Job:
    """A call on its way through a thread, and whoever waits for it."""

    __slots__ = ("args", "function", "future", "loop")

    def __init__(self, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
        self.function, self.args = function, args
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[Any] = self.loop.create_future()

    def run(self) -> None:
        result, error = None, None
        try:
            result = self.function(*self.args)
        except BaseException as raised:  # plugins may raise anything; whoever waits gets it
            error = raised if isinstance(raised, Exception) else RuntimeError(repr(raised))
        if not self.loop.is_closed():
            self.loop.call_soon_threadsafe(self._deliver, result, error)

    def _deliver(self, result: Any, error: Exception | None) -> None:
        if self.future.done():
            return
        if error is not None:
            self.future.set_exception(error)
        else:
            self.future.set_result(result)


class Threads:
    """At most `count` calls at once; a deadline counts from when a call begins. A thread whose caller has
    left is not used again, and being a daemon it does not keep the process alive."""

    def __init__(self, count: int) -> None:
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._room = asyncio.Semaphore(count)
        self._threads = self._busy = self._lost = 0

    async def run(self, function: Callable[..., Any], *args: Any, timeout: float) -> Any:
        async with self._room:
            if self._lost >= MOST_LOST:
                raise PluginFailure(
                    f"{self._lost} of its calls hang in threads, which nobody can stop: host it in processes"
                )
            job = _Job(function, args)
            self._busy += 1
            if self._threads < self._busy:
                self._threads += 1
                threading.Thread(target=self._work, name="plugin", daemon=True).start()
            self._jobs.put(job)
            try:
                return await within(timeout, job.future)
            finally:
                self._busy -= 1
                if job.future.cancelled():
                    self._threads -= 1
                    self._lost += 1

    def close(self) -> None:
        for _ in range(self._threads):
            self._jobs.put(None)

    def _work(self) -> None:
        while job := self._jobs.get():
            if not job.future.cancelled():
                job.run()
            if job.future.cancelled():
                if not job.loop.is_closed():
                    job.loop.call_soon_threadsafe(self._came_back)
                return

    def _came_back(self) -> None:
        self._lost -= 1


class Pools:
    """Threads and a loop for each plugin: what hangs in one keeps no other waiting."""

    def __init__(self, threads: int) -> None:
        self._count = threads
        self._threads: dict[str, Threads] = {}
        self._loops: dict[str, Loop] = {}

    def threads(self, plugin: str) -> Threads:
        if plugin not in self._threads:
            self._threads[plugin] = Threads(self._count)
        return self._threads[plugin]

    def loop(self, plugin: str) -> Loop:
        if plugin not in self._loops:
            self._loops[plugin] = Loop(plugin)
        return self._loops[plugin]

    def close(self) -> None:
        for threads in self._threads.values():
            threads.close()
        for loop in self._loops.values():
            loop.close()
