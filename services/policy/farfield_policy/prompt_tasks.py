"""A task for every prompt, for engines that answer prompts one by one."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence

from farfield_kernel.batching import settle
from farfield_kernel.errors import Exhausted, FarfieldError, PluginFailure, Unavailable
from farfield_policy import meters
from farfield_policy.engine import SHUTTING_DOWN, Completion, Prompt

log = logging.getLogger(__name__)


class PromptTasks:
    """At most `most` of them. Used from one event loop."""

    def __init__(self, answer: Callable[[Prompt], Awaitable[Completion]], most: int) -> None:
        self._answer, self._most = answer, most
        self._tasks: dict[asyncio.Task[None], asyncio.Future[Completion]] = {}
        self._closed = False

    def submit(self, prompts: Sequence[Prompt]) -> list[asyncio.Future[Completion]]:
        """A future of each; one that is cancelled cancels its task."""
        return list(map(self._submit, prompts))

    async def close(self) -> None:
        """Whatever is not answered yet, or comes later, is told UNAVAILABLE."""
        self._closed = True
        tasks = dict(self._tasks)
        for task, future in tasks.items():
            settle(future, Unavailable(SHUTTING_DOWN))
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _submit(self, prompt: Prompt) -> asyncio.Future[Completion]:
        future: asyncio.Future[Completion] = asyncio.get_running_loop().create_future()
        if self._closed:
            settle(future, Unavailable(SHUTTING_DOWN))
        elif len(self._tasks) >= self._most:
            settle(future, Exhausted(f"{len(self._tasks)} prompts wait or run already", retry_after=1))
        else:
            task = asyncio.create_task(self._run(prompt, future))
            self._tasks[task] = future
            future.add_done_callback(lambda done: task.cancel() if done.cancelled() else done.exception())
            task.add_done_callback(self._forget)
            meters.queued.set(len(self._tasks))
        return future

    def _forget(self, task: asyncio.Task[None]) -> None:
        del self._tasks[task]
        meters.queued.set(len(self._tasks))

    async def _run(self, prompt: Prompt, future: asyncio.Future[Completion]) -> None:
        started = time.monotonic()
        try:
            done = await self._answer(prompt)
            meters.answered(done)
            settle(future, done)
        except FarfieldError as error:
            meters.failed.inc()
            settle(future, error)
        except Exception:  # a defect of ours is this prompt's alone
            log.exception("a prompt could not be answered")
            meters.failed.inc()
            settle(future, PluginFailure("the engine failed; the service's log has the details"))
        finally:
            meters.request_seconds.observe(time.monotonic() - started)
