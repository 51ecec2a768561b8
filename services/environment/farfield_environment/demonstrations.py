"""Expert demonstrations, seed after seed."""

import json
from collections.abc import AsyncIterator

from farfield.environment.v1 import environment_pb2 as pb
from farfield_environment.catalog import Resolved
from farfield_environment.config import EnvironmentConfig
from farfield_environment.inline import IN_CHILD, demonstrate, for_child, unpack
from farfield_environment.seats import Seats
from farfield_kernel.errors import InvalidArgument

SEEDS_AT_A_TIME = 16


class Demonstrations:
    """Runs a plugin's experts on a thread, or in a process where that is the plugin's executor."""

    def __init__(self, config: EnvironmentConfig, seats: Seats) -> None:
        self._config, self._seats = config, seats

    async def stream(
        self, resolved: Resolved, seed: int, count: int, style: str
    ) -> AsyncIterator[pb.DemonstrateResponse]:
        check(resolved, seed, count, style)
        for first in range(seed, seed + count, SEEDS_AT_A_TIME):
            seeds = range(first, min(first + SEEDS_AT_A_TIME, seed + count))
            for response in await self._some(resolved, seeds, style):
                yield response

    async def _some(self, resolved: Resolved, seeds: range, style: str) -> list[pb.DemonstrateResponse]:
        try:
            if resolved.hosted.executor == "process":
                return await self._in_process(resolved, seeds, style)
            return await self._seats.pools.threads(resolved.hosted.name).run(
                demonstrate, resolved.hosted.cls, resolved.options, resolved.hosted.rules, seeds, style,
                timeout=self._config.start_timeout_seconds,
            )  # fmt: skip
        except Exception as error:
            raise resolved.hosted.failed(error, "demonstrate") from error

    async def _in_process(self, resolved: Resolved, seeds: range, style: str) -> list[pb.DemonstrateResponse]:
        name = resolved.hosted.name
        argument = for_child(resolved.hosted.cls, resolved.options, resolved.hosted.rules)
        process = await self._seats.processes.open(name, IN_CHILD, argument)
        asked = json.dumps([seeds.start, seeds.stop, style]).encode()
        try:
            packed = await process.call("demonstrate", asked, timeout=self._config.start_timeout_seconds)
        finally:
            self._seats.processes.release(name, process)
        return unpack(packed)


def check(resolved: Resolved, seed: int, count: int, style: str) -> None:
    name, styles = resolved.hosted.name, resolved.hosted.cls.demonstration_styles
    if style not in styles:
        known = ", ".join(styles) or "none"
        raise InvalidArgument(
            f"environment '{name}' has no demonstrations of style '{style}'; it has: {known}"
        )
    if count < 1:
        raise InvalidArgument(f"count is {count}: ask for at least one seed")
    if seed < 0 or seed + count > 2**63:
        raise InvalidArgument(f"seeds {seed} … {seed + count - 1} leave the range 0 … 2^63 - 1")
