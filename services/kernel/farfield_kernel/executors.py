"""Where plugin code runs when the event loop must not wait for it: a loop or a thread of its own.

Every run has a deadline. Past it the caller gets DeadlineExceeded: a coroutine is cancelled, a thread is
abandoned and replaced, since it cannot be stopped (`processes` can stop what it runs). What the plugin
raises is raised here.
"""

import asyncio
import inspect
import queue
import threading
from collections.abc import Awaitable, Callable
from typing import Any

from farfield_kernel.errors import DeadlineExceeded


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
    """One thread with an event loop, for the coroutines of one plugin: what blocks it blocks no other."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, name=f"loop-{name}", daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        self._loop.run_forever()
        self._loop.close()

    async def run(self, function: Callable[..., Any], *args: Any, timeout: float) -> Any:
        async def call() -> Any:
            answer = function(*args)
            return await answer if inspect.isawaitable(answer) else answer

        future = asyncio.run_coroutine_threadsafe(call(), self._loop)
        return await within(timeout, asyncio.wrap_future(future))

    def close(self) -> None:
        """Waits a moment for the thread, unless a plugin blocks it."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=1)


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
        self._threads = self._busy = 0

    async def run(self, function: Callable[..., Any], *args: Any, timeout: float) -> Any:
        async with self._room:
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

    def close(self) -> None:
        for _ in range(self._threads):
            self._jobs.put(None)

    def _work(self) -> None:
        while job := self._jobs.get():
            if not job.future.cancelled():
                job.run()
            if job.future.cancelled():
                return
