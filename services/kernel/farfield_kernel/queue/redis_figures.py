"""How much waits in Redis, for how long, and how much room it takes."""

from typing import Any

from redis.exceptions import ResponseError

from farfield_kernel.queue.contract import Backlog, Footprint
from farfield_kernel.queue.redis_keys import Keys
from farfield_kernel.queue.redis_link import Link


async def backlog(link: Link, keys: Keys, workers: str, trainer: str) -> Backlog:
    """Of the run with these keys, by its consumer groups. A plan leaves the stream when its trajectory is
    committed, so the first entry is the one that has waited longest."""

    async def ask() -> list[Any]:
        pipe = link.redis.pipeline(transaction=False)
        pipe.xlen(keys.work).xpending(keys.work, workers)
        pipe.xlen(keys.trajectories).xpending(keys.trajectories, trainer)
        pipe.xrange(keys.work, count=1).time()
        return await pipe.execute(raise_on_error=False)

    *counts, first, now = await link.run(ask)
    work, claimed, trajectories, delivered = map(_number, counts)
    return Backlog(work - claimed, claimed, trajectories - delivered, delivered, _age(first, now))


async def footprint(link: Link) -> Footprint:
    info: dict[str, Any] = await link.run(link.redis.info)
    return Footprint(info.get("used_memory", 0), info.get("maxmemory", 0), info.get("evicted_keys", 0))


def _number(answer: Any) -> int:
    """XLEN's number or XPENDING's total; a missing group has nothing pending."""
    if isinstance(answer, ResponseError):
        return 0
    if isinstance(answer, Exception):
        raise answer
    return answer["pending"] if isinstance(answer, dict) else answer


def _age(entries: Any, now: Any) -> float:
    """Seconds by the server's clock since the first of these entries was added."""
    if not entries or isinstance(entries, Exception) or isinstance(now, Exception):
        return 0.0
    milliseconds = int(entries[0][0].partition(b"-")[0])
    return max(0.0, now[0] + now[1] / 1e6 - milliseconds / 1000)
