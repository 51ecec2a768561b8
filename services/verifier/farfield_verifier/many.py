"""Verifiers that judge several attempts in one go: batches of whatever comes at the same time, and groups."""

import asyncio
import inspect
import logging
from collections.abc import Callable, Sequence

from farfield_kernel.batching import Batcher
from farfield_sdk import Attempt, Verdict, Verifier
from farfield_verifier.inline import Nonsense
from farfield_verifier.judges import Judge
from farfield_verifier.meters import Meters

log = logging.getLogger(__name__)


def kind_of(cls: type[Verifier]) -> str:
    """The method that the service uses: `verify_group`, `verify_batch` or `verify`. Raises TypeError where
    the class writes none."""
    for method in ("verify_group", "verify_batch", "verify"):
        if getattr(cls, method) is not getattr(Verifier, method):
            return method
    raise TypeError(f"{cls.__name__} writes none of verify, verify_batch and verify_group")


class Many:
    """Asks a judge for several verdicts. `took` is told how long an inline plugin kept the event loop."""

    def __init__(
        self,
        judge: Judge,
        method: str,
        meters: Meters,
        took: Callable[[float], None],
        clock: Callable[[], float],
    ) -> None:
        self._judge, self._method, self._meters = judge, method, meters
        self._took, self._clock = took, clock

    async def ask(self, attempts: Sequence[Attempt]) -> list[Verdict | Nonsense]:
        """A verdict, or the reason why it is none, for each attempt; raises what the plugin raised."""
        self._meters.batch.observe(len(attempts))
        began = self._clock()
        given = await self._asked(attempts)
        if self._judge.inline:
            self._took(self._clock() - began)
        if len(given) != len(attempts):
            raise Nonsense(f"gave {len(given)} verdicts for {len(attempts)} attempts")
        return given

    async def _asked(self, attempts: Sequence[Attempt]) -> list[Verdict | Nonsense]:
        try:
            answer = self._judge.ask_many(self._method, attempts)
        except (Exception, asyncio.CancelledError):
            raise
        except BaseException as error:  # an inline plugin must not end the service
            raise RuntimeError(repr(error)) from error
        return await answer if inspect.isawaitable(answer) else answer


class Batched:
    """A judge whose attempts are gathered."""

    inline = False

    def __init__(self, many: Many, cls: type[Verifier], meters: Meters) -> None:
        self._many, self._name, self._meters = many, cls.name, meters
        self._batcher = Batcher(self._judge, limit=cls.max_batch, wait_seconds=cls.max_wait_seconds)

    async def verify(self, attempt: Attempt) -> Verdict:
        return await self._batcher.call(attempt)

    async def _judge(self, attempts: list[Attempt]) -> Sequence[Verdict | Exception]:
        try:
            return await self._many.ask(attempts)
        except Nonsense:  # no verdict can be told from its neighbour's
            raise
        except Exception as error:
            if len(attempts) == 1:
                raise
            log.warning(
                "verifier %s failed on a batch of %d; each is tried alone: %r",
                self._name, len(attempts), error,
            )  # fmt: skip
            self._meters.split.inc()
        return await asyncio.gather(*map(self._alone, attempts))

    async def _alone(self, attempt: Attempt) -> Verdict | Exception:
        try:
            (verdict,) = await self._many.ask([attempt])
        except Exception as error:
            return error
        return verdict
