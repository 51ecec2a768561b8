"""The images of a run in Redis: which are there, and their bytes."""

from collections.abc import Iterable
from typing import Any

from farfield_kernel.queue.images import Gallery, Held
from farfield_kernel.queue.redis_link import Link

_AT_ONCE = 64


class RedisImages:
    """Of several runs; `key` is the hash of one."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._gallery = Gallery()

    async def absent(self, key: str, digests: Iterable[str]) -> set[str]:
        """Those that Redis does not hold."""
        asked = list(digests)
        if not asked:
            return set()

        async def ask() -> list[Any]:
            pipe = self._link.redis.pipeline(transaction=False)
            for digest in asked:
                pipe.hexists(key, digest)
            return list(await pipe.execute())

        return {digest for digest, held in zip(asked, await self._link.run(ask), strict=True) if not held}

    async def find(self, key: str, digests: set[str]) -> dict[str, Held]:
        """Those that can be had. One that a trajectory shows which is still held here is not fetched."""
        images = self._gallery.find(digests)
        missing = list(digests - images.keys())
        for start in range(0, len(missing), _AT_ONCE):
            asked = missing[start : start + _AT_ONCE]
            answers = await self._link.redis.hmget(key, asked)
            found = zip(asked, answers, strict=True)
            images |= {digest: self._gallery.add(digest, data) for digest, data in found if data is not None}
        return images
