"""A server on this machine that the engine starts, watches, and starts again on other weights."""

import asyncio
import contextlib
import logging
import os
import shutil
import signal
import sys
from pathlib import Path

from farfield_kernel import tether
from farfield_kernel.errors import FailedPrecondition, FarfieldError, Unavailable
from farfield_policy.engine import Version, WeightUpdate
from farfield_policy.tgi.config import MODEL, ProcessWeights
from farfield_policy.tgi.info import until_shown

log = logging.getLogger(__name__)

_FIRST_DELAY, _LAST_DELAY = 1.0, 30.0
"""Seconds before a server that ended by itself is started again."""


class ProcessHosting:
    """One machine holds one server: the old one ends before the new one starts."""

    weight_update = WeightUpdate.RESTART
    in_place = True
    version = Version()

    def __init__(self, config: ProcessWeights, url: str, model_path: str, token: str = "") -> None:
        self._config, self._url, self._token = config, url, token
        self.every = config.every
        self._model = model_path
        self._process: asyncio.subprocess.Process | None = None
        self._watch: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """Of the server, where one runs."""
        return self._process.pid if self._process else None

    async def open(self) -> str:
        self._check_program()
        await self._start(self._model)
        return self._url

    async def serve(self, path: str, weights: Version) -> str:
        await self._stop()
        try:
            await self._start(path)
        except FarfieldError as error:
            await self._roll_back(weights, error)
        return self._url

    async def retire(self, url: str) -> None:
        pass

    async def close(self) -> None:
        await self._stop()

    def _check_program(self) -> None:
        program = self._config.command[0]
        if shutil.which(program) is None:
            raise FailedPrecondition(
                f"engine.weights.command starts '{program}', which is no program on this machine's PATH"
            )

    async def _roll_back(self, weights: Version, error: FarfieldError) -> None:
        """Raises; the server of the model before serves again, or is tried until it does."""
        failed = f"the server did not come up on {weights} ({error})"
        try:
            await self._start(self._model)
        except FarfieldError as second:
            self._watch = asyncio.create_task(self._keep_up())
            raise Unavailable(f"{failed}, nor again on '{self._model}' ({second}); it is tried on") from error
        log.warning("%s; '%s' serves again", failed, self._model)
        raise FailedPrecondition(f"{failed}; '{self._model}' serves again") from error

    async def _start(self, model: str) -> None:
        """Unavailable where the server ends or does not show the model in time."""
        await self._come_up(model)
        self._model = model
        self._watch = asyncio.create_task(self._keep_up())

    async def _come_up(self, model: str) -> None:
        """Nothing is left running of a server that does not."""
        self._process = await self._spawn(model)
        ended = asyncio.ensure_future(self._process.wait())
        shown = asyncio.ensure_future(until_shown(self._url, model, self._config.start_seconds, self._token))
        try:
            await asyncio.wait({ended, shown}, return_when=asyncio.FIRST_COMPLETED)
            if ended.done():
                raise Unavailable(
                    f"'{self._config.command[0]}' ended with status {ended.result()} before it served "
                    f"'{model}'; its output is in this service's log"
                )
            shown.result()
        except BaseException:
            await self._end()
            raise
        finally:
            ended.cancel()
            shown.cancel()

    async def _keep_up(self) -> None:
        """Starts the server again whenever it ends by itself."""
        delay = _FIRST_DELAY
        while True:
            if self._process is not None:
                status = await self._process.wait()
                log.error("the server ended by itself with status %d; it is started again", status)
            await self._bury()
            await asyncio.sleep(delay)
            try:
                await self._come_up(self._model)
                delay = _FIRST_DELAY
            except FarfieldError as error:
                log.error("the server does not come up: %s", error)
                delay = min(_LAST_DELAY, 2 * delay)

    async def _stop(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
            self._watch = None
        await self._end()

    async def _end(self) -> None:
        """SIGTERM, then SIGKILL for it and whatever it started."""
        process = self._process
        if process is not None and process.returncode is None:
            self._signal(signal.SIGTERM)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._config.stop_seconds):
                    await process.wait()
        await self._bury()

    async def _bury(self) -> None:
        """Ends what is left of the process group: its shards hold the accelerators."""
        if self._process is not None:
            self._signal(signal.SIGKILL)
            await self._process.wait()
            self._process = None

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)

    async def _spawn(self, model: str) -> asyncio.subprocess.Process:
        command = [word.replace(MODEL, model) for word in self._config.command]
        log.info("starting %s", " ".join(command))
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", str(Path(tether.__file__)), str(os.getpid()), *command),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=2,
            stderr=2,
            start_new_session=True,  # a process group of its own; uvloop knows no other way
        )
