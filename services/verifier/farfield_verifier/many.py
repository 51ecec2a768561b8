"""Verifiers that judge several attempts in one go: batches of whatever comes at the same time, and groups."""

import asyncio
import inspect
import logging
from collections.abc import Callable, Sequence

from farfield_kernel.batching import Batcher
from farfield_kernel.worker import Nonsense
from farfield_sdk import Attempt, Verdict
from farfield_verifier.catalog import Hosted
from farfield_verifier.judges import Judge

log = logging.getLogger(__name__)


class Many:
    """Asks a judge for several verdicts. `took` is told how long an inline plugin kept the event loop."""

    def __init__(
        self,
        judge: Judge,
        hosted: Hosted,
        timeout: float,
        took: Callable[[float], None],
        clock: Callable[[], float],
    ) -> None:
        self.hosted, self.timeout = hosted, timeout
        self._judge, self._took, self._clock = judge, took, clock

    async def ask(self, attempts: Sequence[Attempt], timeout: float) -> list[Verdict | Nonsense]:
        """A verdict, or the reason why it is none, for each attempt; raises what the plugin raised."""
        self.hosted.meters.batch.observe(len(attempts))
        began = self._clock()
        given = await self._asked(attempts, timeout)
        if self._judge.inline:
            self._took(self._clock() - began)
        if len(given) != len(attempts):
            raise Nonsense(f"gave {len(given)} verdicts for {len(attempts)} attempts")
        return given

    async def _asked(self, attempts: Sequence[Attempt], timeout: float) -> list[Verdict | Nonsense]:
        try:
            answer = self._judge.ask_many(self.hosted.method, attempts, timeout)
        except (Exception, asyncio.CancelledError):
            raise
        except BaseException as error:  # an inline plugin must not end the service
            raise RuntimeError(repr(error)) from error
        return await answer if inspect.isawaitable(answer) else answer


class Batched:
    """A judge whose attempts are gathered."""

    inline = False

    def __init__(self, many: Many) -> None:
        self._many, cls = many, many.hosted.cls
        self._batcher = Batcher(self._judge, limit=cls.max_batch, wait_seconds=cls.max_wait_seconds)

    async def verify(self, attempt: Attempt) -> Verdict:
        return await self._batcher.call(attempt)

    async def _judge(self, attempts: list[Attempt]) -> Sequence[Verdict | Exception]:
        """A batch and its attempts alone have half of an attempt's time each: whoever waits for an attempt
        waits no longer because it had company."""
        if len(attempts) == 1:
            return await self._many.ask(attempts, self._many.timeout)
        try:
            return await self._many.ask(attempts, self._many.timeout / 2)
        except Nonsense:  # no verdict can be told from its neighbour's
            raise
        except Exception as error:
            log.warning(
                "verifier %s failed on a batch of %d; each is tried alone: %r",
                self._many.hosted.name, len(attempts), error,
            )  # fmt: skip
            self._many.hosted.meters.split.inc()
        return await asyncio.gather(*map(self._alone, attempts))

    async def _alone(self, attempt: Attempt) -> Verdict | Exception:
        try:
            (verdict,) = await self._many.ask([attempt], self._many.timeout / 2)
        except Exception as error:
            return error
        return verdict
